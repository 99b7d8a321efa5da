// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * Parquet's DELTA_BINARY_PACKED: differences of neighbours in blocks of 128, each of 4 miniblocks
 * with their own width, above the block's smallest difference. Good for times in order and for
 * numbers of similar size. @bits is 32 or 64, the width of the Parquet type; differences wrap.
 */
void delta_append(Buf *buf, const int64_t *values, size_t count, unsigned bits);

/* Takes a sequence of exactly @count values off @in. Returns 0; 1 when it is malformed or of
 * another length; @ret_values is then undefined. */
MUST_USE int delta_take(Str *in, unsigned bits, int64_t *ret_values, size_t count);

/* As delta_take() of @total values, but only the first @count are decoded, and @in is undefined. */
MUST_USE int delta_take_first(Str *in, unsigned bits, int64_t *ret_values, size_t total,
                              size_t count);
