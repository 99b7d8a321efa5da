// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/text.h"

static Arena arena;

static int drop_arena(void **state)
{
    arena_deinit(&arena);
    return 0;
}

static JsonReader reader_of(const char *text)
{
    JsonReader reader;

    json_reader_init(&reader, str_from_cstr(text), &arena);
    return reader;
}

static void assert_str(Str str, const char *expected)
{
    if (!str_equal(str, str_from_cstr(expected))) {
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(str), expected);
    }
}

static void test_walks_nested_members_in_order(void **state)
{
    JsonReader reader = reader_of(" { \"a\" : [ 1 , {} , [] ] ,\"b\":null} ");
    Str key, number;

    assert_int_equal(json_enter_object(&reader), 0);
    assert_int_equal(json_next_key(&reader, &key), 1);
    assert_str(key, "a");
    assert_int_equal(json_enter_array(&reader), 0);
    assert_int_equal(json_next_item(&reader), 1);
    assert_int_equal(json_read_number(&reader, &number), 0);
    assert_str(number, "1");
    assert_int_equal(json_next_item(&reader), 1);
    assert_int_equal(json_enter_object(&reader), 0);
    assert_int_equal(json_next_key(&reader, &key), 0);
    assert_int_equal(json_next_item(&reader), 1);
    assert_int_equal(json_skip(&reader, NULL), 0);
    assert_int_equal(json_next_item(&reader), 0);
    assert_int_equal(json_next_key(&reader, &key), 1);
    assert_str(key, "b");
    assert_true(json_take_null(&reader));
    assert_int_equal(json_next_key(&reader, &key), 0);
    assert_int_equal(json_end(&reader), 0);
}

static void test_strings_without_escapes_are_views(void **state)
{
    static const char text[] = "\"a plain string that is longer than sixteen bytes\"";
    JsonReader reader = reader_of(text);
    Str value;

    assert_int_equal(json_read_string(&reader, &value), 0);
    assert_ptr_equal(value.ptr, text + 1);
    assert_int_equal(value.len, sizeof(text) - 3);
}

static void test_escapes_are_decoded(void **state)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"a long plain head, then \\u00e9 and a tail\"", "a long plain head, then é and a tail"},
        {"\"\\u20AC\\ud83d\\ude00\"", "€😀"},
        {"\"\\ud83dx\"", "\xEF\xBF\xBDx"},
        {"\"\\ud83d\\u0041\"", "\xEF\xBF\xBD"
                               "A"},
        {"\"\\ude00\"", "\xEF\xBF\xBD"},
        {"\"bytes \xFF that are no UTF-8 stay\\n\"", "bytes \xFF that are no UTF-8 stay\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        JsonReader reader = reader_of(cases[i].text), again = reader;
        Str value;

        assert_int_equal(json_read_string(&reader, &value), 0);
        assert_str(value, cases[i].value);
        assert_int_equal(json_end(&reader), 0);
        assert_int_equal(json_skip(&again, NULL), 0);
        assert_int_equal(json_end(&again), 0);
    }
}

static void test_malformed_text_is_refused(void **state)
{
    static const char *const cases[] = {
        "",           " ",    "{",         "[",         "{\"a\"",      "{\"a\":", "{\"a\":1",
        "{\"a\":1,}", "[1,]", "[,1]",      "[1 2]",     "{,}",         "{1:2}",   "{\"a\" 1}",
        "\"",         "\"\\", "\"\\x\"",   "\"\\u12\"", "\"\\u12g4\"", "\"\n\"",  "01",
        "-",          "1.",   ".5",        "1e",        "+1",          "nul",     "tru",
        "True",       "[1}",  "{\"a\":1]", "1 1",       "{} x",
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        JsonReader reader = reader_of(cases[i]);
        bool good = json_skip(&reader, NULL) == 0 && json_end(&reader) == 0;

        if (good || reader.error.text == NULL) {
            fail_msg("accepted: %s", cases[i]);
        }
    }
}

static void test_error_tells_the_place_and_stays(void **state)
{
    JsonReader reader = reader_of("{\"a\": x}");
    Str key;
    bool value;

    assert_int_equal(json_enter_object(&reader), 0);
    assert_int_equal(json_next_key(&reader, &key), 1);
    assert_int_equal(json_read_bool(&reader, &value), JSON_BAD);
    assert_int_equal(reader.error.offset, 6);
    assert_int_equal(json_skip(&reader, NULL), JSON_BAD);
    assert_true(json_next_key(&reader, &key) < 0);
    assert_int_equal(json_end(&reader), JSON_BAD);
    assert_int_equal(reader.error.offset, 6);
}

static void test_nesting_has_a_limit(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 4];

    for (int extra = 0; extra <= 1; extra++) {
        size_t depth = JSON_DEPTH_MAX + (size_t)extra;
        mem_fill(text, '[', depth);
        mem_fill(text + depth, ']', depth);
        text[2 * depth] = '\0';
        JsonReader reader = reader_of(text);
        assert_int_equal(json_skip(&reader, NULL), extra == 0 ? 0 : JSON_BAD);
    }
}

static void test_numbers_come_bare_as_strings_or_null(void **state)
{
    JsonReader reader = reader_of("[\"9223372036854775807\",-5,1e3,null,5.0,\"\"]");
    const int64_t expected[] = {INT64_MAX, -5, 1000, 0, 5, 0};
    int64_t value;

    assert_int_equal(json_enter_array(&reader), 0);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(json_next_item(&reader), 1);
        assert_int_equal(json_read_i64(&reader, &value), 0);
        assert_true(value == expected[i]);
    }
    assert_int_equal(json_next_item(&reader), 0);
}

static void test_integers_that_do_not_fit_are_refused(void **state)
{
    static const char *const cases[] = {"\"9223372036854775808\"", "1.5", "1e400", "\"x\"", "true"};
    int64_t value;
    uint64_t positive;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        JsonReader reader = reader_of(cases[i]);
        assert_int_equal(json_read_i64(&reader, &value), JSON_BAD);
    }
    JsonReader reader = reader_of("-1");
    assert_int_equal(json_read_u64(&reader, &positive), JSON_BAD);
    reader = reader_of("\"18446744073709551615\"");
    assert_int_equal(json_read_u64(&reader, &positive), 0);
    assert_true(positive == UINT64_MAX);
}

static void test_doubles_may_be_named(void **state)
{
    JsonReader reader = reader_of("[\"NaN\",\"-Infinity\",\"2.5\",2.5]");
    double value[4];

    assert_int_equal(json_enter_array(&reader), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(json_next_item(&reader), 1);
        assert_int_equal(json_read_double(&reader, &value[i]), 0);
    }
    assert_true(isnan(value[0]) && isinf(value[1]) && value[1] < 0);
    assert_true(value[2] == 2.5 && value[3] == 2.5);
}

static void test_writer_sets_commas_and_escapes(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    JsonWriter writer = {.buf = &buf};
    const uint8_t id[] = {0xAB, 0x01};

    json_open(&writer, '{');
    json_key(&writer, STR("s"));
    json_string(&writer, STR("a\"\\\n\x01\x0B é \xFF"
                             "a long tail of plain text"));
    json_key(&writer, STR("n"));
    json_open(&writer, '[');
    json_u64(&writer, UINT64_MAX);
    json_i64(&writer, INT64_MIN);
    json_double(&writer, 0.1);
    json_double(&writer, NAN);
    json_bool(&writer, true);
    json_null(&writer);
    json_hex(&writer, id, sizeof(id));
    json_open(&writer, '{');
    json_close(&writer, '}');
    json_time(&writer, 1795233873912411004U);
    json_time(&writer, 0);
    json_time(&writer, UINT64_MAX);
    json_close(&writer, ']');
    json_close(&writer, '}');
    assert_str(buf_str(&buf),
               "{\"s\":\"a\\\"\\\\\\n\\u0001\\u000b é \xEF\xBF\xBD"
               "a long tail of plain text\","
               "\"n\":[18446744073709551615,-9223372036854775808,0.1,\"NaN\",true,null,\"ab01\",{},"
               "\"2026-11-21T04:04:33.912411004Z\",\"1970-01-01T00:00:00.000000000Z\","
               "\"2554-07-21T23:34:33.709551615Z\"]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks_nested_members_in_order),
        cmocka_unit_test(test_strings_without_escapes_are_views),
        cmocka_unit_test(test_escapes_are_decoded),
        cmocka_unit_test(test_malformed_text_is_refused),
        cmocka_unit_test(test_error_tells_the_place_and_stays),
        cmocka_unit_test(test_nesting_has_a_limit),
        cmocka_unit_test(test_numbers_come_bare_as_strings_or_null),
        cmocka_unit_test(test_integers_that_do_not_fit_are_refused),
        cmocka_unit_test(test_doubles_may_be_named),
        cmocka_unit_test(test_writer_sets_commas_and_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, drop_arena);
}
