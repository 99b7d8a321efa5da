// SPDX-License-Identifier: Apache-2.0
#include "codec/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_doubles_have_their_shortest_form(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {5.0, "5"},
        {-0.0, "-0"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.5, "1.5"},
        {-123.25, "-123.25"},
        {1e21, "1e+21"},
        {1e20, "100000000000000000000"},
        {1e-6, "0.000001"},
        {1.5e-7, "1.5e-7"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992"},
        {NAN, "NaN"},
        {-INFINITY, "-Infinity"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_deinit) Buf buf = {0};
        text_append_double(&buf, cases[i].value);
        assert_string_equal(buf_cstr(&buf), cases[i].text);
    }
}

static void test_any_double_reads_back_the_same(void **state)
{
    uint64_t bits = 88172645463325252U;

    for (int i = 0; i < 20000; i++) {
        CLEANUP(buf_deinit) Buf buf = {0};
        double value;

        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        mem_copy(&value, &bits, sizeof(value));
        if (isfinite(value)) {
            text_append_double(&buf, value);
            assert_true(strtod(buf_cstr(&buf), NULL) == value);
        }
    }
}

static void test_base64_goes_there_and_back(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xFF\xEF\xBE", "/+++"},
    };
    Arena arena = {0};
    Str bytes;

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        CLEANUP(buf_deinit) Buf buf = {0};
        text_append_base64(&buf, str_from_cstr(pairs[i][0]));
        assert_string_equal(buf_cstr(&buf), pairs[i][1]);
        assert_int_equal(text_parse_base64(str_from_cstr(pairs[i][1]), &arena, &bytes), 0);
        assert_true(str_equal(bytes, str_from_cstr(pairs[i][0])));
    }
    assert_int_equal(text_parse_base64(STR("Zm8"), &arena, &bytes), 0);
    assert_true(str_equal(bytes, STR("fo")));
    assert_int_equal(text_parse_base64(STR("_-8"), &arena, &bytes), 0);
    assert_int_equal(text_parse_base64(STR("Z"), &arena, &bytes), 1);
    assert_int_equal(text_parse_base64(STR("Zm 8"), &arena, &bytes), 1);
    arena_deinit(&arena);
}

static void test_only_well_formed_utf8_has_a_length(void **state)
{
    assert_int_equal(text_utf8_length(STR("a"), 0), 1);
    assert_int_equal(text_utf8_length(STR("é"), 0), 2);
    assert_int_equal(text_utf8_length(STR("€"), 0), 3);
    assert_int_equal(text_utf8_length(STR("😀"), 0), 4);
    assert_int_equal(text_utf8_length(STR("\xC0\x80"), 0), 0);
    assert_int_equal(text_utf8_length(STR("\xE0\x80\x80"), 0), 0);
    assert_int_equal(text_utf8_length(STR("\xED\xA0\x80"), 0), 0);
    assert_int_equal(text_utf8_length(STR("\xF4\x90\x80\x80"), 0), 0);
    assert_int_equal(text_utf8_length(STR("\xF0\x9F\x98"), 0), 0);
    assert_int_equal(text_utf8_length(STR("\x80"), 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_have_their_shortest_form),
        cmocka_unit_test(test_any_double_reads_back_the_same),
        cmocka_unit_test(test_base64_goes_there_and_back),
        cmocka_unit_test(test_only_well_formed_utf8_has_a_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
