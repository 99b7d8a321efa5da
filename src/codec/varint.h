// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * Integers in groups of seven bits, least significant first (ULEB128, as Parquet, Thrift and
 * protobuf have them); signed ones by zig-zag (0, -1, 1, -2 … as 0, 1, 2, 3 …).
 */
enum { VARINT_SIZE_MAX = 10 };

static inline uint64_t zigzag_encode(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t zigzag_decode(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static inline void varint_append(Buf *buf, uint64_t value)
{
    while (value >= 0x80) {
        buf_append_byte(buf, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_append_byte(buf, (uint8_t)value);
}

static inline void zigzag_append(Buf *buf, int64_t value)
{
    varint_append(buf, zigzag_encode(value));
}

/* Takes one off the front of @in. Returns 0; 1 when the bytes end within it or it does not fit 64
 * bits, and then @in is untouched. */
MUST_USE int varint_take(Str *in, uint64_t *ret_value);
MUST_USE int zigzag_take(Str *in, int64_t *ret_value);

/* Takes @len bytes off the front of @in, as a view. Returns 0; 1 when there are fewer, and then @in
 * is untouched. */
MUST_USE static inline int bytes_take(Str *in, uint64_t len, Str *ret_bytes)
{
    if (len > in->len) {
        return 1;
    }
    *ret_bytes = (Str){.ptr = in->ptr, .len = (size_t)len};
    *in = (Str){.ptr = in->ptr + len, .len = in->len - (size_t)len};
    return 0;
}

/* Fixed width, little-endian (as every machine that Weft runs on is), at any address. */
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
