// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * Integers of a few bits each, packed lowest bit first, as Parquet's encodings have them
 * (parquet-format, Encodings.md).
 */

/* Bits needed for @value; 0 for 0. */
static inline unsigned bits_needed(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

/* Bytes that @count numbers of @width bits take. */
static inline size_t bits_size(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

/* Appends @count numbers of @width bits (0 to 64), the last byte filled with zeros. */
void bits_pack(Buf *buf, const uint64_t *values, size_t count, unsigned width);
void bits_pack32(Buf *buf, const uint32_t *values, size_t count, unsigned width);

/* Reads @count numbers of @width bits from @packed, which holds at least bits_size() bytes
 * (asserted). */
void bits_unpack(Str packed, unsigned width, uint64_t *ret_values, size_t count);
void bits_unpack32(Str packed, unsigned width, uint32_t *ret_values, size_t count);

/*
 * Parquet's RLE / bit-packing hybrid of numbers of @width bits (0 to 32): runs of equal values, or
 * groups of eight packed ones.
 */
void rle_append(Buf *buf, const uint32_t *values, size_t count, unsigned width);

/* Takes exactly @count values off @in. Returns 0; 1 when the bytes hold fewer or a run is
 * malformed; @ret_values is then undefined. */
MUST_USE int rle_take(Str *in, unsigned width, uint32_t *ret_values, size_t count);

/* As rle_take(), but the sequence may go on behind @count values; @in is then undefined. */
MUST_USE int rle_take_first(Str *in, unsigned width, uint32_t *ret_values, size_t count);

/* Whether @in begins with a run of at least @count times @value. */
bool rle_is_run(Str in, unsigned width, uint32_t value, size_t count);
