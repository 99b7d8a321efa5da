// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "codec/sketch.h"

static uint64_t random_state = 1;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Log-uniform over all 64 bits, so that every size of bucket is met. */
static uint64_t random_value(void)
{
    return random_next() >> (random_next() % 64);
}

static void assert_within_one_percent(uint64_t estimate, uint64_t exact)
{
    long double error = (long double)estimate - (long double)exact;

    assert_true((error < 0 ? -error : error) <= 0.01L * (long double)exact);
}

static void every_value_is_told_within_one_percent(void **state)
{
    for (int i = 0; i < 200000; i++) {
        uint64_t value = i < 20000 ? (uint64_t)i : random_value();
        Sketch sketch = {0};

        sketch_add(&sketch, value, 1);
        assert_within_one_percent(sketch_quantile(&sketch, 0.5), value);
        sketch_deinit(&sketch);
    }
    Sketch sketch = {0};
    sketch_add(&sketch, UINT64_MAX, 1);
    assert_within_one_percent(sketch_quantile(&sketch, 1), UINT64_MAX);
    sketch_deinit(&sketch);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static void quantiles_are_those_of_the_nearest_rank(void **state)
{
    enum { N = 1000 };
    static uint64_t values[N];
    Sketch sketch = {0};

    for (size_t i = 0; i < N; i++) {
        values[i] = 1000000 + random_next() % 900000000;
        sketch_add(&sketch, values[i], 1);
    }
    qsort(values, N, sizeof(values[0]), compare_u64);
    assert_int_equal(sketch_count(&sketch), N);
    assert_within_one_percent(sketch_quantile(&sketch, 0), values[0]);
    assert_within_one_percent(sketch_quantile(&sketch, 0.5), values[499]);
    assert_within_one_percent(sketch_quantile(&sketch, 0.9), values[899]);
    assert_within_one_percent(sketch_quantile(&sketch, 0.99), values[989]);
    assert_within_one_percent(sketch_quantile(&sketch, 1), values[999]);
    sketch_deinit(&sketch);
}

static void assert_same(const Sketch *a, const Sketch *b)
{
    assert_int_equal(a->n_buckets, b->n_buckets);
    assert_int_equal(mem_compare(a->buckets, b->buckets, a->n_buckets * sizeof(SketchBucket)), 0);
}

static void merging_equals_adding_in_any_order(void **state)
{
    for (int round = 0; round < 200; round++) {
        Sketch all = {0}, left = {0}, right = {0};

        for (size_t i = random_next() % 60; i > 0; i--) {
            uint64_t value = random_value() % 100000;
            int32_t count = (int32_t)(random_next() % 5) - 2;

            sketch_add(&all, value, count);
            sketch_add(random_next() % 2 == 0 ? &left : &right, value, count);
        }
        Sketch forth = {0}, back = {0};
        sketch_merge(&forth, &left, 1);
        sketch_merge(&forth, &right, 1);
        sketch_merge(&back, &right, 1);
        sketch_merge(&back, &left, 1);
        assert_same(&forth, &all);
        assert_same(&back, &all);
        sketch_merge(&forth, &all, -1);
        assert_int_equal(forth.n_buckets, 0);
        sketch_merge(&back, &left, -1);
        assert_same(&back, &right);
        sketch_deinit(&all), sketch_deinit(&left), sketch_deinit(&right);
        sketch_deinit(&forth), sketch_deinit(&back);
    }
}

static void what_is_taken_back_leaves_nothing(void **state)
{
    Sketch sketch = {0};

    sketch_add(&sketch, 5000, -1);
    assert_int_equal(sketch_count(&sketch), 0);
    assert_int_equal(sketch_quantile(&sketch, 0.5), 0);
    sketch_add(&sketch, 5000, 1);
    assert_int_equal(sketch.n_buckets, 0);
    sketch_deinit(&sketch);
}

static void bytes_give_the_same_sketch_and_no_part_of_them_does(void **state)
{
    Sketch sketch = {0}, again = {0};
    CLEANUP(buf_deinit) Buf buf = {0};
    uint64_t n_buckets;

    for (int i = 0; i < 100; i++) {
        sketch_add(&sketch, random_value(), (int32_t)(random_next() % 1000) - 500);
    }
    sketch_append(&sketch, &buf);
    for (size_t len = 0; len < buf.len; len++) {
        Str part = str_slice(buf_str(&buf), 0, len);

        assert_int_equal(sketch_parse(part, &again), 1);
        assert_int_equal(sketch_skip(&part, &n_buckets), 1);
        assert_int_equal(part.len, len);
    }
    assert_int_equal(sketch_parse(buf_str(&buf), &again), 0);
    Str whole = buf_str(&buf);
    assert_int_equal(sketch_skip(&whole, &n_buckets), 0);
    assert_int_equal(whole.len, 0);
    assert_int_equal(n_buckets, sketch.n_buckets);
    assert_same(&sketch, &again);
    sketch_deinit(&again);
    buf_append_byte(&buf, 0);
    assert_int_equal(sketch_parse(buf_str(&buf), &again), 1);
    assert_int_equal(sketch_parse(STR("\x01\xff\x7f\x02"), &again), 1);     /* index out of range */
    assert_int_equal(sketch_parse(STR("\x01\x01\x00"), &again), 1);         /* an empty bucket */
    assert_int_equal(sketch_parse(STR("\x02\x01\x02\x00\x02"), &again), 1); /* an index twice */
    sketch_deinit(&sketch);
}

static void a_sum_tells_what_the_merged_sketch_tells(void **state)
{
    static SketchSum sum;
    Sketch merged = {0};

    sketch_sum_init(&sum);
    for (int round = 0; round < 2; round++) {
        sketch_sum_clear(&sum);
        sketch_deinit(&merged);
        for (int i = 0; i < 20; i++) {
            CLEANUP(sketch_deinit) Sketch one = {0};
            CLEANUP(buf_deinit) Buf buf = {0};

            for (int k = 0; k < 30; k++) {
                sketch_add(&one, random_value(), 3);
            }
            sketch_merge(&merged, &one, 1);
            sketch_append(&one, &buf);
            Str bytes = buf_str(&buf);
            if (i % 2 == 0) {
                sketch_sum_add(&sum, &one);
            } else {
                assert_int_equal(sketch_sum_take(&sum, &bytes), 0);
                assert_int_equal(bytes.len, 0);
            }
        }
        assert_int_equal(sketch_sum_count(&sum), 20 * 30 * 3);
        for (int i = 0; i <= 20; i++) {
            assert_int_equal(sketch_sum_quantile(&sum, i / 20.0),
                             sketch_quantile(&merged, i / 20.0));
        }
    }
    sketch_deinit(&merged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_told_within_one_percent),
        cmocka_unit_test(quantiles_are_those_of_the_nearest_rank),
        cmocka_unit_test(merging_equals_adding_in_any_order),
        cmocka_unit_test(what_is_taken_back_leaves_nothing),
        cmocka_unit_test(bytes_give_the_same_sketch_and_no_part_of_them_does),
        cmocka_unit_test(a_sum_tells_what_the_merged_sketch_tells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
