// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"

static void test_a_long_sequence_is_cut_and_told_apart(void **state)
{
    (void)state;
    enum { STEPS = 400 };
    Member *steps = NEW_ARRAY(Member, STEPS);
    CLEANUP(buf_deinit) Buf a = {0};
    CLEANUP(buf_deinit) Buf b = {0};
    Str step;
    bool was_cut = false;
    size_t n = 0;

    for (size_t i = 0; i < STEPS; i++) {
        steps[i].step = STR("step");
    }
    variant_append(steps, STEPS, &a);
    steps[STEPS - 1].step = STR("last");
    variant_append(steps, STEPS, &b);
    assert_false(str_equal(buf_str(&a), buf_str(&b)));
    for (Str rest = buf_str(&a); variant_take(&rest, &step, &was_cut) == 0; n++) {
        assert_true(str_equal(step, STR("step")));
    }
    assert_true(was_cut && n < STEPS && n >= VARIANT_BYTES_MAX / 5 - 1);
    mem_free(steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_sequence_is_cut_and_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
