// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/varint.h"

/* Fields of binary formats beside varint.h: counted bytes and little-endian numbers at any address.
 * What is taken off a Str advances it; on an error it is untouched. */

/* Takes @len bytes. Returns 0; 1 when there are fewer. */
MUST_USE static inline int bytes_take(Str *in, uint64_t len, Str *ret_bytes)
{
    if (len > in->len) {
        return 1;
    }
    *ret_bytes = (Str){.ptr = in->ptr, .len = (size_t)len};
    *in = (Str){.ptr = in->ptr + len, .len = in->len - (size_t)len};
    return 0;
}

/* A varint length and that many bytes. */
static inline void bytes_append_counted(Buf *buf, Str bytes)
{
    varint_append(buf, bytes.len);
    buf_append_str(buf, bytes);
}

/* Returns 0; 1 when they end too early. */
MUST_USE static inline int bytes_take_counted(Str *in, Str *ret_bytes)
{
    Str rest = *in;
    uint64_t len = 0;

    TRY(varint_take(&rest, &len));
    TRY(bytes_take(&rest, len, ret_bytes));
    *in = rest;
    return 0;
}

static inline uint32_t load_u32le(const void *bytes)
{
    uint32_t value;

    __builtin_memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t load_u64le(const void *bytes)
{
    uint64_t value;

    __builtin_memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline void store_u64le(void *bytes, uint64_t value)
{
    __builtin_memcpy(bytes, &value, sizeof(value));
}

/* The loads and stores assume it; every machine that Weft is built for is so. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");
