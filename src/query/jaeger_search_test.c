// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query/jaeger_search.h"

static const Attribute resource_attributes[] = {
    {.key = {"service.name", 12}, .value = {.type = VALUE_STRING, .string = {"shop", 4}}},
    {.key = {"host.name", 9}, .value = {.type = VALUE_STRING, .string = {"a", 1}}},
};
static const Attribute span_attributes[] = {
    {.key = {"http.status_code", 16}, .value = {.type = VALUE_INT, .integer = 500}},
    {.key = {"cache", 5}, .value = {.type = VALUE_BOOL, .boolean = true}},
};
static const Attribute event_attributes[] = {
    {.key = {"exception.type", 14}, .value = {.type = VALUE_STRING, .string = {"Oops", 4}}},
};
static const Event events[] = {{.attributes = {event_attributes, 1}}};
static const Resource resource = {.attributes = {resource_attributes, 2}};
static const Resource nameless;
static const Scope scope = {.name = {"otelhttp", 8}};

static Span span_of_shop(void)
{
    return (Span){
        .name = STR("GET /"),
        .start_ns = 1000,
        .end_ns = 2001000,
        .kind = SPAN_KIND_SERVER,
        .status_code = STATUS_ERROR,
        .attributes = {span_attributes, 2},
        .events = events,
        .n_events = 1,
        .resource = &resource,
        .scope = &scope,
    };
}

static bool search_matches(const JaegerSearch *search, const Span *span)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    FilterSet set;
    bool matches;

    filter_set_init(&set, &arena);
    assert_int_equal(jaeger_search_filter(search, &set), 0);
    matches = filter_matches(set.root, span);
    filter_set_deinit(&set);
    return matches;
}

static bool tag_matches(const char *text)
{
    JaegerSearch search = {0};
    ParseError error;
    Span span = span_of_shop();

    assert_int_equal(jaeger_search_tag(&search, str_from_cstr(text), &error), 0);
    return search_matches(&search, &span);
}

static void tags_match_span_resource_and_events_as_text(void **state)
{
    assert_true(tag_matches("http.status_code:500"));
    assert_false(tag_matches("http.status_code:50"));
    assert_true(tag_matches("cache:true"));
    assert_true(tag_matches("host.name:a"));
    assert_true(tag_matches("exception.type:Oops"));
    assert_false(tag_matches("host.name:b"));
    assert_false(tag_matches("nothing:"));
}

static void tags_that_opentelemetry_keeps_in_fields_match_the_fields(void **state)
{
    assert_true(tag_matches("error:true"));
    assert_false(tag_matches("error:false"));
    assert_true(tag_matches("span.kind:server"));
    assert_false(tag_matches("span.kind:client"));
    assert_true(tag_matches("otel.status_code:ERROR"));
    assert_true(tag_matches("otel.scope.name:otelhttp"));
}

static void service_operation_and_duration_must_all_hold(void **state)
{
    JaegerSearch search = {.service = STR("shop"), .operation = STR("GET /")};
    Span span = span_of_shop();

    assert_true(search_matches(&search, &span));
    search.duration_min_ns = 2000000;
    search.duration_max_ns = 2000000;
    assert_true(search_matches(&search, &span));
    search.duration_min_ns = 2000001;
    assert_false(search_matches(&search, &span));
    search.duration_min_ns = 0;
    search.operation = STR("GET");
    assert_false(search_matches(&search, &span));
}

static void a_span_without_service_is_found_as_unknown_service(void **state)
{
    JaegerSearch search = {.service = STR("unknown_service")};
    Span span = span_of_shop();

    assert_false(search_matches(&search, &span));
    span.resource = &nameless;
    assert_true(search_matches(&search, &span));
}

static void tags_come_as_json_too(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    JaegerSearch search = {0};
    ParseError error = {0};
    Span span = span_of_shop();

    assert_int_equal(jaeger_search_tags(&search,
                                        STR("{\"http.status_code\":\"500\",\"cache\":true}"),
                                        &arena, &error),
                     0);
    assert_int_equal(search.n_tags, 2);
    assert_true(search_matches(&search, &span));
    assert_int_equal(jaeger_search_tags(&search, STR("{\"a\":[]}"), &arena, &error),
                     JAEGER_SEARCH_BAD);
    assert_int_equal(error.offset, 5);
    assert_int_equal(jaeger_search_tags(&search, STR("x"), &arena, &error), JAEGER_SEARCH_BAD);
    assert_int_equal(jaeger_search_tag(&search, STR("no colon"), &error), JAEGER_SEARCH_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_match_span_resource_and_events_as_text),
        cmocka_unit_test(tags_that_opentelemetry_keeps_in_fields_match_the_fields),
        cmocka_unit_test(service_operation_and_duration_must_all_hold),
        cmocka_unit_test(a_span_without_service_is_found_as_unknown_service),
        cmocka_unit_test(tags_come_as_json_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
