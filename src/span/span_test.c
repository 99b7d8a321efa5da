// SPDX-License-Identifier: Apache-2.0
#include "span/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const Attribute resource_items[] = {
    {STR("service.name"), {.type = VALUE_STRING, .string = STR("web")}},
    {STR("shared"), {.type = VALUE_INT, .integer = 1}},
};
static const Resource resource = {.attributes = {resource_items, 2}};
static const Scope scope = {.name = STR("lib"), .version = STR("1")};
static const Attribute span_items[] = {
    {STR("shared"), {.type = VALUE_INT, .integer = 2}},
    {STR("ratio"), {.type = VALUE_DOUBLE, .number = 2.5}},
    {STR("path"), {.type = VALUE_STRING, .string = STR("/orders/42")}},
};

static Span span_of(uint8_t id, SpanKind kind, uint64_t start_ns, uint64_t end_ns)
{
    return (Span){
        .trace_id = {{1}},
        .span_id = {{id}},
        .name = STR("GET /"),
        .kind = (uint8_t)kind,
        .start_ns = start_ns,
        .end_ns = end_ns,
        .attributes = {span_items, ARRAY_LEN(span_items)},
        .resource = &resource,
        .scope = &scope,
    };
}

static void test_ids_are_padded_at_the_left(void **state)
{
    TraceId trace_id;
    SpanId span_id;

    assert_int_equal(trace_id_parse(STR("Ab1"), &trace_id), 0);
    assert_int_equal(trace_id.bytes[15], 0xB1);
    assert_int_equal(trace_id.bytes[14], 0x0A);
    assert_int_equal(span_id_parse(STR("00000000000000ff"), &span_id), 0);
    assert_int_equal(span_id.bytes[7], 0xFF);
    assert_int_equal(span_id_parse(STR(""), &span_id), 1);
    assert_int_equal(span_id_parse(STR("xyz"), &span_id), 1);
    assert_int_equal(span_id_parse(STR("000000000000000ff"), &span_id), 1);
}

static void test_names_go_there_and_back(void **state)
{
    for (int kind = SPAN_KIND_UNSPECIFIED; kind <= SPAN_KIND_CONSUMER; kind++) {
        SpanKind parsed;
        assert_int_equal(span_kind_parse(span_kind_name((SpanKind)kind), &parsed), 0);
        assert_int_equal(parsed, kind);
    }
    StatusCode code;
    assert_int_equal(status_code_parse(STR("STATUS_CODE_ERROR"), &code), 0);
    assert_int_equal(code, STATUS_ERROR);
    assert_int_equal(status_code_parse(STR("bad"), &code), 1);
}

static void test_resends_count_once_and_the_later_end_wins(void **state)
{
    Span spans[] = {
        span_of(2, SPAN_KIND_SERVER, 20, 30), span_of(1, SPAN_KIND_SERVER, 10, 20),
        span_of(1, SPAN_KIND_CLIENT, 10, 40), span_of(1, SPAN_KIND_SERVER, 10, 25),
        span_of(1, SPAN_KIND_SERVER, 10, 20),
    };
    size_t left = spans_deduplicate(spans, ARRAY_LEN(spans));

    assert_int_equal(left, 3);
    assert_int_equal(spans[0].kind, SPAN_KIND_CLIENT);
    assert_int_equal(spans[1].end_ns, 25);
    assert_int_equal(spans[2].span_id.bytes[0], 2);
}

/* Few and many spans, in any order, with and without resends. */
static void test_what_is_left_is_in_order_and_has_every_identity(void **state)
{
    uint32_t random = 1;

    for (size_t n = 1; n <= 90; n++) {
        Span spans[90], left[90];

        for (size_t i = 0; i < n; i++) {
            random = random * 1664525U + 1013904223U;
            uint8_t id = (uint8_t)(n % 2 == 0 ? i + 1 : (random >> 24) % n + 1);
            spans[i] = left[i] =
                span_of(id, (random >> 20) % 3 == 0 ? SPAN_KIND_CLIENT : SPAN_KIND_SERVER,
                        (random >> 8) % 7, 10 + (random >> 12) % 5);
        }
        size_t n_left = spans_deduplicate(left, n);
        for (size_t i = 1; i < n_left; i++) {
            assert_true(left[i - 1].start_ns < left[i].start_ns ||
                        (left[i - 1].start_ns == left[i].start_ns &&
                         (span_id_compare(left[i - 1].span_id, left[i].span_id) < 0 ||
                          span_is_client(&left[i - 1]))));
        }
        for (size_t i = 0; i < n; i++) {
            size_t n_same = 0;

            for (size_t j = 0; j < n_left; j++) {
                if (span_compare_identity(&spans[i], &left[j]) == 0) {
                    n_same++;
                    assert_true(span_compare_content(&left[j], &spans[i]) >= 0);
                }
            }
            assert_int_equal(n_same, 1);
        }
    }
}

static void test_canonical_forms_tell_every_field(void **state)
{
    Span span = span_of(1, SPAN_KIND_SERVER, 10, 20), other = span;
    Attribute reversed[] = {span_items[2], span_items[1], span_items[0]};

    other.attributes.items = reversed;
    assert_int_equal(span_compare_content(&span, &other), 0);
    other.attributes.count = 2;
    assert_int_not_equal(span_compare_content(&span, &other), 0);
    other = span;
    other.dropped_links = 1;
    assert_int_not_equal(span_compare_content(&span, &other), 0);
    other = span;
    other.status_message = STR("x");
    assert_int_equal(span_compare_content(&span, &other), -span_compare_content(&other, &span));
}

static void test_copies_share_what_was_shared(void **state)
{
    Arena arena = {0};
    Span spans[] = {span_of(1, SPAN_KIND_SERVER, 1, 2), span_of(2, SPAN_KIND_SERVER, 1, 2)};
    Span *copy = spans_copy(spans, 2, &arena);

    assert_ptr_equal(copy[0].resource, copy[1].resource);
    assert_ptr_not_equal(copy[0].resource, &resource);
    assert_ptr_not_equal(copy[0].name.ptr, spans[0].name.ptr);
    assert_int_equal(span_compare_content(&copy[1], &spans[1]), 0);
    assert_true(str_equal(span_service_name(&copy[0], &arena), STR("web")));
    arena_deinit(&arena);
}

static bool compare(FilterField field, const char *key, FilterComparison comparison, Value operand)
{
    Span span = span_of(1, SPAN_KIND_SERVER, 10, 20);
    Filter filter = {.op = FILTER_COMPARE,
                     .field = field,
                     .key = str_from_cstr(key),
                     .comparison = comparison,
                     .operand = operand};

    return filter_matches(&filter, &span);
}

static void test_span_attributes_hide_those_of_the_resource(void **state)
{
    assert_true(compare(FIELD_ATTRIBUTE, "shared", COMPARE_EQUAL, value_int(2)));
    assert_false(compare(FIELD_ATTRIBUTE, "shared", COMPARE_EQUAL, value_int(1)));
    assert_true(compare(FIELD_RESOURCE_ATTRIBUTE, "shared", COMPARE_EQUAL, value_int(1)));
    assert_true(compare(FIELD_ATTRIBUTE, "service.name", COMPARE_EQUAL, value_string(STR("web"))));
}

static void test_numbers_compare_across_types_and_others_do_not(void **state)
{
    Value exact = {.type = VALUE_DOUBLE, .number = 2.0};

    assert_true(compare(FIELD_ATTRIBUTE, "shared", COMPARE_EQUAL, exact));
    assert_true(compare(FIELD_ATTRIBUTE, "ratio", COMPARE_GREATER, value_int(2)));
    assert_true(compare(FIELD_ATTRIBUTE, "ratio", COMPARE_NOT_EQUAL, value_int(2)));
    assert_false(compare(FIELD_ATTRIBUTE, "ratio", COMPARE_NOT_EQUAL, value_string(STR("2.5"))));
    assert_true(compare(FIELD_ATTRIBUTE, "ratio", COMPARE_EQUAL_TEXT, value_string(STR("2.5"))));
    assert_false(compare(FIELD_ATTRIBUTE, "none", COMPARE_NOT_EQUAL, value_int(2)));
    assert_false(compare(FIELD_ATTRIBUTE, "none", COMPARE_EXISTS, value_int(2)));
}

static void test_intrinsic_fields_are_found(void **state)
{
    assert_true(compare(FIELD_DURATION, "", COMPARE_LESS_EQUAL, value_int(10)));
    assert_true(compare(FIELD_KIND, "", COMPARE_EQUAL, value_int(SPAN_KIND_SERVER)));
    assert_true(compare(FIELD_NAME, "", COMPARE_EQUAL, value_string(STR("GET /"))));
    assert_true(compare(FIELD_SPAN_ID, "", COMPARE_EQUAL, value_string(STR("0100000000000000"))));
    assert_false(compare(FIELD_PARENT_ID, "", COMPARE_EXISTS, value_int(0)));
    assert_true(compare(FIELD_SCOPE_NAME, "", COMPARE_EQUAL, value_string(STR("lib"))));
}

static bool pattern_matches_path(const char *expression, FilterComparison comparison)
{
    FilterPattern *pattern;
    ParseError error;
    Span span = span_of(1, SPAN_KIND_SERVER, 10, 20);

    assert_int_equal(filter_pattern_new(str_from_cstr(expression), &pattern, &error), 0);
    Filter filter = {.op = FILTER_COMPARE,
                     .field = FIELD_ATTRIBUTE,
                     .key = STR("path"),
                     .comparison = comparison,
                     .pattern = pattern};
    bool matches = filter_matches(&filter, &span);
    filter_pattern_free(pattern);
    return matches;
}

static void test_patterns_are_anchored_and_bounded(void **state)
{
    FilterPattern *pattern;
    ParseError error;

    assert_true(pattern_matches_path("/orders/[0-9]+", COMPARE_MATCH));
    assert_false(pattern_matches_path("orders", COMPARE_MATCH));
    assert_false(pattern_matches_path("/orders|/x", COMPARE_MATCH));
    assert_true(pattern_matches_path("orders", COMPARE_NOT_MATCH));
    assert_false(pattern_matches_path("(((.*)*)*)*x", COMPARE_MATCH));
    assert_int_equal(filter_pattern_new(STR("ab(c"), &pattern, &error), 1);
    assert_int_equal(error.offset, 4);
}

/* A pattern that runs away is given up, value by value, then for good: it must be told. */
static void test_patterns_that_run_away_are_given_up_and_counted(void **state)
{
    FilterPattern *pattern;
    ParseError error;
    Span span = span_of(1, SPAN_KIND_SERVER, 10, 20);

    assert_int_equal(filter_pattern_new(STR("(a|aa|a?)+b"), &pattern, &error), 0);
    Filter filter = {.op = FILTER_COMPARE,
                     .field = FIELD_NAME,
                     .comparison = COMPARE_NOT_MATCH,
                     .pattern = pattern};
    Filter either = {.op = FILTER_OR, .left = &filter, .right = &filter};
    assert_true(filter_matches(&filter, &span));
    assert_int_equal(filter_give_ups(&either), 0);
    span.name = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc");
    for (int i = 1; i <= FILTER_GIVE_UPS_MAX; i++) {
        assert_false(filter_is_exhausted(&either));
        assert_false(filter_matches(&filter, &span));
        assert_int_equal(filter_give_ups(&filter), i);
    }
    assert_true(filter_is_exhausted(&either));
    span.name = STR("c");
    assert_false(filter_matches(&filter, &span));
    filter_pattern_free(pattern);
}

static void test_ranges_of_integers_are_what_comparing_says(void **state)
{
    static const int64_t numbers[] = {INT64_MIN, INT64_MIN + 1, -1,       0, 1,
                                      42,        INT64_MAX - 1, INT64_MAX};

    for (FilterComparison c = COMPARE_EQUAL; c <= COMPARE_GREATER_EQUAL; c++) {
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
            Filter filter = {
                .op = FILTER_COMPARE, .comparison = c, .operand = value_int(numbers[i])};
            FilterRange range;

            assert_true(filter_int_range(&filter, &range));
            for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
                Value value = value_int(numbers[k]);
                bool inside = numbers[k] >= range.lowest && numbers[k] <= range.highest;

                assert_true(filter_compare_value(&filter, &value) == (inside != range.is_outside));
            }
        }
    }
}

static void test_operators_join(void **state)
{
    Span span = span_of(1, SPAN_KIND_SERVER, 10, 20);
    Filter yes = {.op = FILTER_TRUE};
    Filter no = {.op = FILTER_NOT, .left = &yes};
    Filter both = {.op = FILTER_AND, .left = &yes, .right = &no};
    Filter either = {.op = FILTER_OR, .left = &no, .right = &yes};

    assert_false(filter_matches(&both, &span));
    assert_true(filter_matches(&either, &span));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_padded_at_the_left),
        cmocka_unit_test(test_names_go_there_and_back),
        cmocka_unit_test(test_resends_count_once_and_the_later_end_wins),
        cmocka_unit_test(test_what_is_left_is_in_order_and_has_every_identity),
        cmocka_unit_test(test_canonical_forms_tell_every_field),
        cmocka_unit_test(test_copies_share_what_was_shared),
        cmocka_unit_test(test_span_attributes_hide_those_of_the_resource),
        cmocka_unit_test(test_numbers_compare_across_types_and_others_do_not),
        cmocka_unit_test(test_intrinsic_fields_are_found),
        cmocka_unit_test(test_patterns_are_anchored_and_bounded),
        cmocka_unit_test(test_patterns_that_run_away_are_given_up_and_counted),
        cmocka_unit_test(test_ranges_of_integers_are_what_comparing_says),
        cmocka_unit_test(test_operators_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
