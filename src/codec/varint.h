// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * Unsigned integers in groups of seven bits, least significant first (LEB128, as Parquet and
 * protobuf have them), and signed ones folded onto them (zig-zag: 0, -1, 1, -2 … become 0, 1, 2, 3
 * …).
 */
enum { VARINT_BYTES_MAX = 10 };

static inline uint64_t varint_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t varint_unzigzag(uint64_t value)
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

/* Takes one off the front of @in. Returns 0; 1 when the bytes end or do not fit 64 bits, and then
 * @in is untouched. */
MUST_USE static inline int varint_take(Str *in, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < in->len && i < VARINT_BYTES_MAX; i++) {
        uint8_t byte = (uint8_t)in->ptr[i];

        if (i == VARINT_BYTES_MAX - 1 && byte > 1) {
            return 1;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *in = (Str){.ptr = in->ptr + i + 1, .len = in->len - i - 1};
            *ret_value = value;
            return 0;
        }
    }
    return 1;
}
