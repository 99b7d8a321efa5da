// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/retention.h"

static void rules_are_read_in_order(void **state)
{
    CLEANUP(buf_deinit) Buf why = {0};
    RetentionRules rules = {0};
    Span span = {.status_code = STATUS_ERROR}, slow = {.end_ns = 2000000000};

    (void)state;
    assert_int_equal(retention_rules_parse(
                         STR("{ status = error } 30d; { duration > 1s && name != \"a;}{b\" } 36h;"),
                         &rules, &why),
                     0);
    assert_int_equal(rules.count, 2);
    assert_int_equal(rules.rules[0].age_s, 30 * 86400);
    assert_int_equal(rules.rules[1].age_s, 36 * 3600);
    assert_true(filter_matches(rules.rules[0].filter, &span));
    assert_false(filter_matches(rules.rules[1].filter, &span));
    assert_true(filter_matches(rules.rules[1].filter, &slow));
    retention_rules_deinit(&rules);
    assert_int_equal(retention_rules_parse(STR(""), &rules, &why), 0);
    assert_int_equal(rules.count, 0);
    retention_rules_deinit(&rules);
}

static void what_is_no_rule_is_told(void **state)
{
    static const char *const texts[] = {
        "status = error 30d",    "{ status = error }",   "{ status = error } soon",
        "{ status = wrong } 3d", "{ status = error } 0", "{ name = \"a\" } >> { name = \"b\" } 3d"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(buf_deinit) Buf why = {0};
        RetentionRules rules = {0};

        assert_int_equal(retention_rules_parse(str_from_cstr(texts[i]), &rules, &why), 1);
        assert_true(why.len > 0);
        retention_rules_deinit(&rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read_in_order),
        cmocka_unit_test(what_is_no_rule_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
