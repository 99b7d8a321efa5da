// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "map/answer/significance.h"

static void near(double have, double want)
{
    if (fabs(have - want) > 1e-6 * fmax(want, 1e-12)) {
        fail_msg("%.12g is not %.12g", have, want);
    }
}

/* Twice the smaller tail, summed with whole numbers elsewhere. */
static void known_probabilities_are_met(void **state)
{
    near(significance_rates(0, 6, 0.5), 0.03125);
    near(significance_rates(10, 10, 0.5), 1);
    near(significance_rates(100, 20, 0.1), 0.0315335439);
    near(significance_rates(3, 30, 0.5), 1.40117481351e-06);
    near(significance_shares(0, 10, 10, 10), 1.08250882245e-05);
    near(significance_shares(1, 100, 9, 100), 0.0184876798775);
    near(significance_shares(5, 50, 50, 500), 1);
}

static void chance_grows_as_counts_shrink(void **state)
{
    double before = 0;

    for (double counts = 1000; counts > 1; counts /= 2) {
        double probability = significance_rates(counts, 2 * counts, 0.5);

        assert_true(probability >= before && probability <= 1);
        before = probability;
    }
    assert_true(significance_rates(0, 1, 0.5) == 1);
    assert_true(significance_rates(0, 0, 0.5) == 1);
    assert_true(significance_shares(0, 0, 1, 1) == 1);
}

/* No loop runs long and nothing overflows, whatever the counts are. */
static void great_counts_have_an_answer(void **state)
{
    assert_true(significance_rates(1e15, 1e15, 0.5) > 0.9);
    assert_true(significance_rates(1e15, 2e15, 0.5) < 1e-300);
    assert_true(significance_shares(1e12, 1e13, 1e12, 1e13) > 0.9);
    assert_true(significance_shares(0, 1e13, 1e12, 1e13) < 1e-300);
    assert_true(significance_shares(1e13, 1e13, 1e13, 1e13) == 1);
}

static void many_comparisons_are_told(void **state)
{
    double probabilities[] = {0.04, 0.001, 0.9, 0.03};

    significance_adjust(probabilities, 4);
    near(probabilities[1], 0.004);
    near(probabilities[3], 0.04 * 4 / 3);
    near(probabilities[0], 0.04 * 4 / 3);
    near(probabilities[2], 0.9);
    significance_adjust(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_probabilities_are_met),
        cmocka_unit_test(chance_grows_as_counts_shrink),
        cmocka_unit_test(great_counts_have_an_answer),
        cmocka_unit_test(many_comparisons_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
