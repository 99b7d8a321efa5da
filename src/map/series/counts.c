// SPDX-License-Identifier: Apache-2.0
#include "map/series/counts.h"

#include <stdlib.h>

#include "base/memory.h"

void series_counts_init(SeriesCounts *counts, size_t max)
{
    *counts = (SeriesCounts){.max = max};
    table_init(&counts->table, sizeof(SeriesCount), sizeof(uint64_t));
}

void series_counts_deinit(SeriesCounts *counts)
{
    table_deinit(&counts->table);
}

static bool is_before(const SeriesCount *left, const SeriesCount *right)
{
    return left->count != right->count ? left->count > right->count : left->hash < right->hash;
}

static void swap(SeriesCount *items, size_t a, size_t b)
{
    SeriesCount item = items[a];

    items[a] = items[b];
    items[b] = item;
}

/* Hoare's: parts [from, to) so that all of [from, end) come before all of the rest. Returns end,
 * from < end < to. */
static size_t part(SeriesCount *items, size_t from, size_t to)
{
    const SeriesCount middle = items[from + (to - from - 1) / 2];
    size_t left = from, right = to - 1;

    for (;; left++, right--) {
        while (is_before(&items[left], &middle)) {
            left++;
        }
        while (is_before(&middle, &items[right])) {
            right--;
        }
        if (left >= right) {
            return right + 1;
        }
        swap(items, left, right);
    }
}

static size_t drop_nothing(SeriesCount *items, size_t n_items)
{
    size_t n = 0;

    for (size_t i = 0; i < n_items; i++) {
        if (items[i].count > 0) {
            items[n++] = items[i];
        }
    }
    return n;
}

size_t series_counts_select(SeriesCount *items, size_t n_items, size_t n)
{
    size_t from = 0, to = drop_nothing(items, n_items);

    if (n >= to) {
        return to;
    }
    while (to - from > 1) {
        size_t end = part(items, from, to);

        if (end == n) {
            break;
        }
        if (end > n) {
            to = end;
        } else {
            from = end;
        }
    }
    return n;
}

static int compare_groups(const void *a, const void *b)
{
    const SeriesCount *left = a, *right = b;

    return (left->group > right->group) - (left->group < right->group);
}

/* How many of the @n_items of one group, moved to its front, have places. */
static size_t limit_group(SeriesCount *items, size_t n_items, size_t group_max, Table *contested)
{
    if (n_items <= group_max) {
        return n_items;
    }
    size_t n = series_counts_select(items, n_items, group_max);
    (void)table_put(contested, &items[0].group, NULL);
    for (size_t i = 0; i < n; i++) {
        (void)table_put(contested, &items[i].hash, NULL);
    }
    return n;
}

size_t series_counts_limit_groups(SeriesCount *items, size_t n_items, size_t group_max,
                                  Table *contested)
{
    size_t kept = 0;

    for (size_t i = 0; i < n_items; i++) {
        if (items[i].group == 0) {
            swap(items, kept++, i);
        }
    }
    if (kept < n_items) {
        qsort(items + kept, n_items - kept, sizeof(items[0]), compare_groups);
    }
    for (size_t from = kept, end; from < n_items; from = end) {
        for (end = from + 1; end < n_items && items[end].group == items[from].group; end++) {
        }
        size_t n = limit_group(items + from, end - from, group_max, contested);
        for (size_t i = 0; i < n; i++) {
            swap(items, kept++, from + i);
        }
    }
    return kept;
}

uint64_t series_counts_fingerprint(const SeriesCount *items, size_t n)
{
    uint64_t sum = n;

    for (size_t i = 0; i < n; i++) {
        sum += items[i].hash * 0x9e3779b97f4a7c15U;
    }
    return sum;
}

static void keep_half(SeriesCounts *counts)
{
    size_t n = counts->table.n_records;
    CLEANUP(mem_freep) SeriesCount *items = NEW_ARRAY(SeriesCount, n + 1);

    mem_copy(items, counts->table.records, n * sizeof(items[0]));
    n = series_counts_select(items, n, counts->max / 2);
    table_clear(&counts->table);
    for (size_t i = 0; i < n; i++) {
        *(SeriesCount *)table_put(&counts->table, &items[i].hash, NULL) = items[i];
    }
}

void series_counts_add(SeriesCounts *counts, SeriesCount more)
{
    SeriesCount *found = table_find(&counts->table, &more.hash);

    if (more.count == 0) {
        return;
    }
    if (found == NULL) {
        if (counts->table.n_records >= counts->max) {
            keep_half(counts);
        }
        found = table_put(&counts->table, &more.hash, NULL);
        found->group = more.group;
    }
    found->count += more.count;
    if (found->count == 0) {
        table_remove(&counts->table, found);
    }
}
