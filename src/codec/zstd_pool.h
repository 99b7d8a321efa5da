// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/str.h"

/*
 * Whole zstd frames, many small ones: a context costs some 15 µs to make, more than a page of a
 * column costs to decompress, so a few are kept for the whole process. Thread-safe.
 *
 * Decompresses @packed into exactly @size bytes. Returns 0; 1 when it is malformed or of another
 * length; @ret_bytes is then undefined.
 */
MUST_USE int zstd_unpack(Str packed, uint8_t *ret_bytes, size_t size);
