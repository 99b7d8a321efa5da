// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alert/rule.h"

static int read(const char *text, Arena *arena, AlertRule **ret_rules, size_t *ret_n)
{
    JsonReader reader;

    json_reader_init(&reader, str_from_cstr(text), arena);
    return alert_rules_read(&reader, ret_rules, ret_n);
}

static void defaults_are_filled_in_and_written(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf text = {0};
    JsonWriter json = {.buf = &text};
    AlertRule *rules;
    size_t n;

    assert_int_equal(read("[{\"kind\":\"edge_vanished\",\"name\":\"gone\",\"for\":\"1m30s\","
                          "\"match\":{\"target\":\"b\",\"source\":\"a\"},\"receivers\":[\"ops\"]}]",
                          &arena, &rules, &n),
                     0);
    assert_int_equal(n, 1);
    assert_int_equal(rules[0].window_minutes, 5);
    assert_int_equal(rules[0].baseline_minutes, 1440);
    alert_rule_write(&json, &rules[0]);
    assert_string_equal(
        buf_cstr(&text),
        "{\"name\":\"gone\",\"kind\":\"edge_vanished\",\"match\":{\"source\":\"a\",\"target\":"
        "\"b\"},\"window\":\"5m\",\"baseline\":\"1d\",\"for\":\"90s\",\"significance\":2,"
        "\"labels\":{},\"annotations\":{},\"receivers\":[\"ops\"],\"source\":\"saved\"}");
}

static void what_is_no_rule_is_refused(void **state)
{
    static const char *const texts[] = {
        "[{\"name\":\"a\"}]",
        "[{\"name\":\"a\",\"kind\":\"edges\"}]",
        "[{\"name\":\"a\",\"kind\":\"flow_stopped\",\"window\":\"90s\"}]",
        "[{\"name\":\"a\",\"kind\":\"flow_stopped\",\"window\":\"8d\"}]",
        "[{\"name\":\"a\",\"kind\":\"flow_stopped\",\"baseline\":\"31d\"}]",
        "[{\"name\":\"a\",\"kind\":\"flow_stopped\",\"match\":{\"flow\":1}}]",
        "[{\"name\":\"a\",\"kind\":\"flow_stopped\",\"more\":1}]",
        "{}",
        "[",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        AlertRule *rules;
        size_t n;

        assert_int_not_equal(read(texts[i], &arena, &rules, &n), 0);
    }
}

static void lists_have_limits_and_names_are_different(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    AlertRule items[ALERT_RULES_MAX + 1];
    AlertRules *rules = NULL;
    AlertRuleError error;

    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        items[i] = (AlertRule){.name = arena_format(&arena, "%zu", i), .window_minutes = 1};
    }
    assert_int_equal(alert_rules_new(items, ALERT_RULES_MAX + 1, &rules, &error), 1);
    assert_int_equal(alert_rules_new(items, ALERT_RULES_MAX, &rules, &error), 0);
    alert_rules_free(rules);
    items[7].name = STR("3");
    assert_int_equal(alert_rules_new(items, 10, &rules, &error), 1);
    assert_int_equal(error.rule, 7);
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        items[i].window_minutes = (uint32_t)i + 1;
    }
    assert_int_equal(alert_rules_new(items + 10, ALERT_WINDOWS_MAX, &rules, &error), 0);
    alert_rules_free(rules);
    assert_int_equal(alert_rules_new(items + 10, ALERT_WINDOWS_MAX + 1, &rules, &error), 1);
}

static bool matches(AlertLabel pattern, AlertLabel label)
{
    AlertMatcher *matcher = NULL;
    ParseError error;
    size_t bad;

    assert_int_equal(matcher_new(&(AlertLabels){&pattern, 1}, &matcher, &bad, &error), 0);
    bool result = matcher_matches(matcher, &(AlertLabels){&label, 1});
    matcher_free(matcher);
    return result;
}

static void patterns_match_whole_values(void **state)
{
    const AlertLabel label = {STR("source"), STR("checkout")};

    assert_true(matches((AlertLabel){STR("source"), STR("check.*")}, label));
    assert_false(matches((AlertLabel){STR("source"), STR("check")}, label));
    assert_false(matches((AlertLabel){STR("target"), STR(".+")}, label));
    assert_true(matches((AlertLabel){STR("target"), STR("")}, label));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_filled_in_and_written),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(lists_have_limits_and_names_are_different),
        cmocka_unit_test(patterns_match_whole_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
