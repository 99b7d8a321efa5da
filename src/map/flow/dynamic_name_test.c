// SPDX-License-Identifier: Apache-2.0
#include "map/flow/dynamic_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"

static void test_dynamic_names(void **state)
{
    (void)state;
    static const char *const dynamic[] = {
        "order-12345",          "deadbeef",
        "2024-01-31",           "31.01.2024",
        "mail joe@example.com", "x 6f9619ff-8b86-d011-b42d-00cf4fc964ff"};
    static const char *const fixed[] = {"order-1234", "validate_cart", "b",       "deadbee",
                                        "v2.10.3",    "step 12-34",    "a@b",     "face 2 face",
                                        "10-12-14",   "@home.page",    "to@do .", ""};

    for (size_t i = 0; i < ARRAY_LEN(dynamic); i++) {
        assert_true(name_is_dynamic(str_from_cstr(dynamic[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        assert_false(name_is_dynamic(str_from_cstr(fixed[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dynamic_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
