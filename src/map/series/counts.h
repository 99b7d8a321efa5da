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
    uint64_t group; /* a hash of what it is one of many of, a flow's variants; 0: of nothing */
} SeriesCount;

typedef struct SeriesCounts {
    Table table; /* SeriesCount; none counts 0 */
    size_t max;  /* of them: beyond it the rarer half is forgotten, and begins anew */
} SeriesCounts;

void series_counts_init(SeriesCounts *counts, size_t max);
void series_counts_deinit(SeriesCounts *counts);
void series_counts_add(SeriesCounts *counts, SeriesCount more);

/* Moves the @n most frequent to the front, in no order; all when there are no more. Returns how
 * many are there: those that count nothing are left behind. */
size_t series_counts_select(SeriesCount *items, size_t n_items, size_t n);

/*
 * Lets each group have @group_max places: moves to the front, in no order, those of no group, all
 * of a group that is not larger, and the most frequent of one that is. Puts the larger groups, and
 * the hashes of who has a place in one, into @contested (uint64_t). Returns how many are in front.
 */
size_t series_counts_limit_groups(SeriesCount *items, size_t n_items, size_t group_max,
                                  Table *contested);

/* The same for every order of @items. */
uint64_t series_counts_fingerprint(const SeriesCount *items, size_t n);
