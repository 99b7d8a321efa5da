// SPDX-License-Identifier: Apache-2.0
#include "map/series/counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 300 };

static int compare(const void *a, const void *b)
{
    const SeriesCount *x = a, *y = b;

    return x->count != y->count ? (x->count < y->count ? 1 : -1)
                                : (x->hash > y->hash) - (x->hash < y->hash);
}

/* Whatever the order, the first n of a sorted list, and nobody who counts nothing. */
static void the_most_frequent_are_selected(void **state)
{
    uint64_t random = 1;

    for (size_t round = 0; round < 2000; round++) {
        SeriesCount items[MANY], sorted[MANY];
        size_t n_items = round % MANY, n = (round * 7) % MANY, n_there = 0;

        for (size_t i = 0; i < n_items; i++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            items[i] = sorted[i] = (SeriesCount){random, (int64_t)(random >> 33) % 9 - 2, 0};
            n_there += items[i].count > 0;
        }
        if (n_items > 0) {
            qsort(sorted, n_items, sizeof(sorted[0]), compare);
        }
        size_t got = series_counts_select(items, n_items, n);
        assert_int_equal(got, n < n_there ? n : n_there);
        assert_true(series_counts_fingerprint(items, got) ==
                    series_counts_fingerprint(sorted, got));
    }
}

/* A group of 3, one of 10, and five of none, in any order. */
static void a_group_has_so_many_places(void **state)
{
    for (size_t turn = 0; turn < 18; turn++) {
        SeriesCount items[18];
        Table contested;
        uint64_t hashes = 0;

        table_init(&contested, sizeof(uint64_t), sizeof(uint64_t));
        for (uint64_t i = 0; i < 18; i++) {
            items[(i * 7 + turn) % 18] = (SeriesCount){100 + i, 1 + (int64_t)i,
                                                       i < 3    ? 7
                                                       : i < 13 ? 8
                                                                : 0};
        }
        assert_int_equal(series_counts_limit_groups(items, 18, 4, &contested), 3 + 4 + 5);
        for (size_t i = 0; i < 12; i++) {
            hashes += items[i].hash;
        }
        assert_int_equal(hashes,
                         12 * 100 + (0 + 1 + 2) + (9 + 10 + 11 + 12) + (13 + 14 + 15 + 16 + 17));
        assert_int_equal(contested.n_records, 1 + 4);
        for (uint64_t i = 0; i < 18; i++) {
            uint64_t hash = 100 + i;

            assert_int_equal(table_find(&contested, &hash) != NULL, i >= 9 && i < 13);
        }
        table_deinit(&contested);
    }
}

static void what_counts_nothing_is_not_kept(void **state)
{
    SeriesCounts counts;

    series_counts_init(&counts, 10);
    series_counts_add(&counts, (SeriesCount){1, 5, 0});
    series_counts_add(&counts, (SeriesCount){2, 0, 0});
    series_counts_add(&counts, (SeriesCount){1, -5, 0});
    assert_int_equal(counts.table.n_records, 0);
    series_counts_deinit(&counts);
}

static void beyond_the_limit_the_rarer_half_is_forgotten(void **state)
{
    SeriesCounts counts;

    series_counts_init(&counts, 10);
    for (uint64_t i = 0; i < 1000; i++) {
        series_counts_add(&counts, (SeriesCount){i % 3 == 0 ? 7 : 100 + i, 1, 0});
        assert_in_range(counts.table.n_records, 1, 10);
    }
    const uint64_t hash = 7;
    const SeriesCount *found = table_find(&counts.table, &hash);
    assert_non_null(found);
    assert_int_equal(found->count, 334);
    series_counts_deinit(&counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_frequent_are_selected),
        cmocka_unit_test(a_group_has_so_many_places),
        cmocka_unit_test(what_counts_nothing_is_not_kept),
        cmocka_unit_test(beyond_the_limit_the_rarer_half_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
