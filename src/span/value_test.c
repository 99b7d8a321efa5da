// SPDX-License-Identifier: Apache-2.0
#include "span/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "span/value_json.h"

static Arena arena;

static int drop_arena(void **state)
{
    arena_deinit(&arena);
    return 0;
}

static Value value_of(const char *json)
{
    JsonReader reader;
    Value value;

    json_reader_init(&reader, str_from_cstr(json), &arena);
    assert_int_equal(value_json_read(&reader, &value), 0);
    assert_int_equal(json_end(&reader), 0);
    return value;
}

static Attributes attributes_of(const char *json)
{
    JsonReader reader;
    Attributes attributes;

    json_reader_init(&reader, str_from_cstr(json), &arena);
    assert_int_equal(attributes_json_read(&reader, &attributes), 0);
    return attributes;
}

static void test_text_is_as_the_contract_says(void **state)
{
    static const char *const cases[][2] = {
        {"{\"stringValue\":\"a\"}", "a"},
        {"{\"boolValue\":true}", "true"},
        {"{\"intValue\":\"-5\"}", "-5"},
        {"{\"doubleValue\":5.0}", "5"},
        {"{\"doubleValue\":1.5}", "1.5"},
        {"{\"doubleValue\":\"NaN\"}", "NaN"},
        {"{\"bytesValue\":\"aGk=\"}", "aGk="},
        {"{\"arrayValue\":{\"values\":[{\"stringValue\":\"a\"},{\"intValue\":\"1\"}]}}",
         "[\"a\",1]"},
        {"{\"kvlistValue\":{\"values\":[{\"key\":\"a\",\"value\":{\"boolValue\":false}},"
         "{\"key\":\"b\",\"value\":{}},{\"key\":\"c\",\"value\":{\"bytesValue\":\"aGk=\"}}]}}",
         "{\"a\":false,\"b\":null,\"c\":\"aGk=\"}"},
        {"{\"arrayValue\":{}}", "[]"},
        {"{}", ""},
        {"null", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Value value = value_of(cases[i][0]);
        Str text = value_text(&value, &arena);
        if (!str_equal(text, str_from_cstr(cases[i][1]))) {
            fail_msg("%s gives %.*s", cases[i][0], STR_ARG(text));
        }
    }
}

static void test_json_goes_there_and_back(void **state)
{
    static const char *const cases[] = {
        "{}",
        "{\"stringValue\":\"\"}",
        "{\"intValue\":\"-9223372036854775808\"}",
        "{\"doubleValue\":0.1}",
        "{\"doubleValue\":\"-Infinity\"}",
        "{\"bytesValue\":\"/+++\"}",
        "{\"arrayValue\":{\"values\":[{\"boolValue\":true},{\"arrayValue\":{\"values\":[]}}]}}",
        "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"intValue\":\"1\"}}]}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_deinit) Buf buf = {0};
        JsonWriter writer = {.buf = &buf};
        Value value = value_of(cases[i]), copy = value_copy(&value, &arena);

        value_json_write(&writer, &copy);
        assert_string_equal(buf_cstr(&buf), cases[i]);
    }
}

static void test_json_is_read_leniently(void **state)
{
    Value value = value_of("{\"unknown\":[1],\"string_value\":\"x\",\"int_value\":7}");

    assert_int_equal(value.type, VALUE_INT);
    assert_int_equal(value.integer, 7);
    assert_int_equal(value_of("{\"intValue\":null,\"boolValue\":true}").type, VALUE_BOOL);
    assert_int_equal(attributes_of("null").count, 0);
    assert_int_equal(attributes_of("[{\"key\":\"a\"},null]").count, 2);
}

static void test_json_nesting_ends_at_the_limit(void **state)
{
    for (int depth = VALUE_DEPTH_MAX; depth <= VALUE_DEPTH_MAX + 1; depth++) {
        CLEANUP(buf_deinit) Buf buf = {0};
        JsonReader reader;
        Value value;

        for (int i = 0; i < depth; i++) {
            buf_append_str(&buf, STR("{\"kvlistValue\":{\"values\":[{\"value\":"));
        }
        buf_append_str(&buf, STR("{}"));
        for (int i = 0; i < depth; i++) {
            buf_append_str(&buf, STR("}]}}"));
        }
        json_reader_init(&reader, buf_str(&buf), &arena);
        assert_int_equal(value_json_read(&reader, &value), depth > VALUE_DEPTH_MAX ? JSON_BAD : 0);
    }
}

static void test_find_yields_the_first_of_a_key(void **state)
{
    Attributes attributes = attributes_of("[{\"key\":\"http.x\",\"value\":{\"intValue\":1}},"
                                          "{\"key\":\"http.y\",\"value\":{\"intValue\":2}},"
                                          "{\"key\":\"http.y\",\"value\":{\"intValue\":3}}]");

    assert_int_equal(attributes_find(attributes, STR("http.y"))->integer, 2);
    assert_null(attributes_find(attributes, STR("http.z")));
    assert_null(attributes_find((Attributes){0}, STR("http.z")));
}

static void test_sets_do_not_know_order_or_hidden_entries(void **state)
{
    Attributes a = attributes_of("[{\"key\":\"a\",\"value\":{\"intValue\":1}},"
                                 "{\"key\":\"b\",\"value\":{\"stringValue\":\"x\"}},"
                                 "{\"key\":\"a\",\"value\":{\"intValue\":9}}]");
    Attributes b = attributes_of("[{\"key\":\"b\",\"value\":{\"stringValue\":\"x\"}},"
                                 "{\"key\":\"a\",\"value\":{\"intValue\":1}}]");
    Attributes c = attributes_of("[{\"key\":\"b\",\"value\":{\"stringValue\":\"x\"}},"
                                 "{\"key\":\"a\",\"value\":{\"doubleValue\":1}}]");

    assert_true(attributes_same_set(a, b));
    assert_int_equal(attributes_set_hash(a), attributes_set_hash(b));
    assert_false(attributes_same_set(b, c));
    assert_int_not_equal(attributes_set_hash(b), attributes_set_hash(c));
}

static void test_values_have_a_total_order(void **state)
{
    static const char *const rising[] = {
        "{}",
        "{\"stringValue\":\"a\"}",
        "{\"stringValue\":\"ab\"}",
        "{\"boolValue\":false}",
        "{\"intValue\":-1}",
        "{\"intValue\":1}",
        "{\"doubleValue\":\"-Infinity\"}",
        "{\"doubleValue\":-0.0}",
        "{\"doubleValue\":0}",
        "{\"doubleValue\":\"NaN\"}",
        "{\"arrayValue\":{}}",
        "{\"arrayValue\":{\"values\":[{}]}}",
        "{\"kvlistValue\":{}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(rising); i++) {
        for (size_t k = 0; k < ARRAY_LEN(rising); k++) {
            Value a = value_of(rising[i]), b = value_of(rising[k]);
            int order = value_compare(&a, &b);
            assert_int_equal(order < 0 ? -1 : order > 0, i < k ? -1 : i > k);
        }
    }
}

static void test_what_is_empty_is_absent(void **state)
{
    static const char *const absent[] = {"{}", "{\"stringValue\":\"\"}", "{\"arrayValue\":{}}",
                                         "{\"kvlistValue\":{}}"};
    Value zero = value_int(0);

    for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
        Value value = value_of(absent[i]);
        assert_true(value_is_absent(&value));
    }
    assert_false(value_is_absent(&zero));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_as_the_contract_says),
        cmocka_unit_test(test_json_goes_there_and_back),
        cmocka_unit_test(test_json_is_read_leniently),
        cmocka_unit_test(test_json_nesting_ends_at_the_limit),
        cmocka_unit_test(test_find_yields_the_first_of_a_key),
        cmocka_unit_test(test_sets_do_not_know_order_or_hidden_entries),
        cmocka_unit_test(test_values_have_a_total_order),
        cmocka_unit_test(test_what_is_empty_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, drop_arena);
}
