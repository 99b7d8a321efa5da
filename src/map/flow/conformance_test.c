// SPDX-License-Identifier: Apache-2.0
#include "map/flow/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

/* Steps of one letter each; @parallel has them pair by pair. */
static void assert_deviates_beside(const char *parallel, const char *expected, const char *actual,
                                   const char *wanted)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf got = {0};
    Str sides[2] = {str_from_cstr(expected), str_from_cstr(actual)};
    Str steps[2][16];
    Deviation *deviations;
    size_t n;

    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < sides[side].len; i++) {
            steps[side][i] = str_slice(sides[side], i, i + 1);
        }
    }
    ParallelSteps *beside = ARENA_NEW(&arena, ParallelSteps);
    Expectation expectation = {{steps[0], sides[0].len}, beside};

    for (Str left = str_from_cstr(parallel); left.len > 0; left = str_slice(left, 2, left.len)) {
        assert_int_equal(parallel_steps_add(beside, str_slice(left, 0, 1), str_slice(left, 1, 2)),
                         0);
    }
    assert_int_equal(conformance_check(&expectation, (StepSequence){steps[1], sides[1].len}, &arena,
                                       &deviations, &n),
                     0);
    for (size_t i = 0; i < n; i++) {
        buf_append_format(&got, "%s%.*s %.*s %zu", i == 0 ? "" : ", ",
                          STR_ARG(deviation_name(deviations[i].kind)), STR_ARG(deviations[i].step),
                          deviations[i].at);
    }
    assert_string_equal(buf_cstr(&got), wanted);
}

static void assert_deviates(const char *expected, const char *actual, const char *wanted)
{
    assert_deviates_beside("", expected, actual, wanted);
}

static void test_deviations_are_told_by_kind(void **state)
{
    (void)state;
    assert_deviates("abc", "abc", "");
    assert_deviates("abc", "ac", "skipped b 1");
    assert_deviates("abc", "abbc", "repeated b 2");
    assert_deviates("abc", "axbc", "inserted x 1");
    assert_deviates("abcd", "acbd", "swapped c 1");
    assert_deviates("abcd", "bcd", "skipped a 0");
    assert_deviates("ab", "", "skipped a 0, skipped b 1");
    assert_deviates("abc", "xcab", "inserted x 0, swapped c 1");
}

static void test_steps_in_parallel_come_in_any_order(void **state)
{
    (void)state;
    assert_deviates_beside("bc", "abcd", "acbd", "");
    assert_deviates_beside("bccdbd", "abcde", "adcbe", "");
    assert_deviates_beside("bc", "abcd", "acbbd", "repeated b 3");
    assert_deviates_beside("bc", "abcd", "acd", "skipped b 1");
    assert_deviates_beside("bc", "abcd", "axcbd", "inserted x 1");
    /* a is parallel to neither: its place counts, and c does not get past it. */
    assert_deviates_beside("bc", "abc", "cab", "swapped c 0");
    assert_deviates_beside("bc", "abcd", "cbad", "swapped c 0, swapped b 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deviations_are_told_by_kind),
        cmocka_unit_test(test_steps_in_parallel_come_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
