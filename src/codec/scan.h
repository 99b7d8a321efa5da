// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/memory.h"

/*
 * Columns into bitmaps, as wide as the processor can: bit @row % 64 of word @row / 64 of @bitmap is
 * set where the row answers; no bit is cleared. @bitmap has (n + 63) / 64 words; bits behind the
 * last row stay as they are.
 */

/* Rows whose code is @code. */
void scan_code(const uint32_t *codes, size_t n, uint32_t code, uint64_t *bitmap);

/* Rows whose code has a non-zero answer; every code is a valid index of @answers, each 0 or 1. */
void scan_answers(const uint32_t *codes, size_t n, const uint8_t *answers, uint64_t *bitmap);

/* Rows whose number is in lowest <= number <= highest, or with @outside, that are not. Where
 * @clamp, negative numbers count as INT64_MAX: unsigned ones that were stored signed. */
typedef struct ScanRange {
    int64_t lowest, highest;
    bool outside, clamp;
} ScanRange;

void scan_range(const int64_t *numbers, size_t n, ScanRange range, uint64_t *bitmap);

/* Rows whose byte is not 0: a vector's nulls. */
void scan_bytes(const uint8_t *bytes, size_t n, uint64_t *bitmap);
