// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"

/*
 * How often series counted, each known by a hash of its names; and which are the most frequent: by
 * count, ties by hash. Not thread-safe.
 */
typedef struct SeriesCount {
    uint64_t hash;
    int64_t count;
} SeriesCount;

typedef struct SeriesCounts {
    Table table; /* SeriesCount; none counts 0 */
    size_t max;  /* of them: beyond it the rarer half is forgotten, and begins anew */
} SeriesCounts;

void series_counts_init(SeriesCounts *counts, size_t max);
void series_counts_deinit(SeriesCounts *counts);
void series_counts_add(SeriesCounts *counts, uint64_t hash, int64_t count);

/* Moves the @n most frequent to the front, in no order; all when there are no more. Returns how
 * many are there: those that count nothing are left behind. */
size_t series_counts_select(SeriesCount *items, size_t n_items, size_t n);

/* The same for every order of @items. */
uint64_t series_counts_fingerprint(const SeriesCount *items, size_t n);
