// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query/search.h"
#include "query/span_services.h"

static const Scope scope;

static const Attribute web[] = {
    {.key = {"service.name", 12}, .value = {.type = VALUE_STRING, .string = {"web", 3}}}};
static const Attribute cart[] = {
    {.key = {"service.name", 12}, .value = {.type = VALUE_STRING, .string = {"cart", 4}}}};
static const Attribute unknown[] = {
    {.key = {"service.name", 12},
     .value = {.type = VALUE_STRING, .string = {"unknown_service:node", 20}}}};
static const Resource web_resource = {.attributes = {web, 1}};
static const Resource unknown_resource = {.attributes = {unknown, 1}};
static const Resource unknown_resource_again = {.attributes = {unknown, 1}};
static const Resource nameless_resource;

static Span span_make(uint8_t id, uint8_t parent, uint64_t start_ns, uint64_t end_ns)
{
    Span span = {
        .start_ns = start_ns, .end_ns = end_ns, .resource = &web_resource, .scope = &scope};

    span.trace_id.bytes[15] = 9;
    span.span_id.bytes[7] = id;
    span.parent_span_id.bytes[7] = parent;
    return span;
}

static void a_cursor_reads_back_and_a_damaged_one_is_refused(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    SearchPlace place = {.after.start_ns = UINT64_C(0xfedcba9876543210)}, back = {0};
    Str cursor;

    for (size_t i = 0; i < TRACE_ID_SIZE; i++) {
        place.after.trace_id.bytes[i] = (uint8_t)(i * 17);
    }
    for (size_t n = 0; n <= SEARCH_MARKS_MAX; n += SEARCH_MARKS_MAX / 2) {
        place.n_marks = n;
        for (size_t i = 0; i < n; i++) {
            place.marks[i] = (uint32_t)i * 2654435761U;
        }
        cursor = search_cursor_format(&place, &arena);
        for (size_t i = 0; i < cursor.len; i++) {
            assert_true(str_find_byte(STR("+/=%&"), cursor.ptr[i], 0) == 5); /* fits in a URL */
        }
        assert_int_equal(search_cursor_parse(cursor, &back), 0);
        assert_memory_equal(&back.after, &place.after, sizeof(place.after));
        assert_int_equal(back.n_marks, n);
        assert_memory_equal(back.marks, place.marks, n * sizeof(place.marks[0]));
        assert_int_equal(search_cursor_parse(str_slice(cursor, 0, cursor.len - 1), &back),
                         SEARCH_BAD_CURSOR);
    }
    for (size_t i = 0; i < cursor.len; i += 7) {
        Str copy = arena_copy(&arena, cursor);

        ((char *)(uintptr_t)copy.ptr)[i] = copy.ptr[i] == 'A' ? 'B' : 'A';
        assert_int_equal(search_cursor_parse(copy, &back), SEARCH_BAD_CURSOR);
    }
    assert_int_equal(search_cursor_parse(STR("x"), &back), SEARCH_BAD_CURSOR);
}

static void a_summary_takes_its_root_from_the_first_span_without_parent(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span spans[] = {span_make(1, 8, 100, 200), span_make(2, 0, 110, 500),
                    span_make(3, 2, 120, 130)};
    TraceSummary summary;

    spans[0].name = STR("orphan");
    spans[1].name = STR("root");
    spans[2].attributes = (Attributes){cart, 1};
    spans[2].status_code = STATUS_ERROR;
    trace_summarise(spans, 3, &arena, &summary);
    assert_true(str_equal(summary.root_name, STR("root")));
    assert_true(str_equal(summary.root_service, STR("web")));
    assert_int_equal(summary.start_ns, 100);
    assert_int_equal(summary.duration_ns, 400);
    assert_int_equal(summary.n_spans, 3);
    assert_int_equal(summary.n_errors, 1);
    assert_int_equal(summary.n_orphans, 1);
    assert_int_equal(summary.n_services, 2);
    assert_true(str_equal(summary.services[0].name, STR("cart")));
    assert_int_equal(summary.services[0].errors, 1);
    assert_int_equal(summary.services[1].spans, 2);
}

static void a_summary_without_root_shows_its_first_orphan(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span spans[] = {span_make(1, 8, 100, 200)};
    TraceSummary summary;

    spans[0].name = STR("orphan");
    trace_summarise(spans, 1, &arena, &summary);
    assert_true(str_equal(summary.root_name, STR("orphan")));
}

static void a_nameless_resource_adopts_the_one_name_that_its_spans_carry(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span spans[] = {span_make(1, 0, 1, 2), span_make(2, 0, 1, 2), span_make(3, 0, 1, 2)};
    Str *services;

    spans[0].resource = &unknown_resource;
    spans[0].attributes = (Attributes){cart, 1};
    spans[1].resource = &unknown_resource_again; /* the same resource by content */
    spans[2].resource = &nameless_resource;
    services = span_services(spans, 3, &arena);
    assert_true(str_equal(services[0], STR("cart")));
    assert_true(str_equal(services[1], STR("cart")));
    assert_true(str_equal(services[2], STR("unknown_service")));
    spans[1].attributes = (Attributes){web, 1}; /* two names: no adoption */
    spans[2].resource = &unknown_resource;
    services = span_services(spans, 3, &arena);
    assert_true(str_equal(services[0], STR("cart")));
    assert_true(str_equal(services[1], STR("web")));
    assert_true(str_equal(services[2], STR("unknown_service:node")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_reads_back_and_a_damaged_one_is_refused),
        cmocka_unit_test(a_summary_takes_its_root_from_the_first_span_without_parent),
        cmocka_unit_test(a_summary_without_root_shows_its_first_orphan),
        cmocka_unit_test(a_nameless_resource_adopts_the_one_name_that_its_spans_carry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
