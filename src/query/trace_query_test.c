// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query/traceql.h"

/*
 * One trace, asked by TraceQL:
 *
 *   1 gate  GET /      0 … 100 ms   server
 *   ├ 2 gate  call    10 …  60 ms   client   n = 1
 *   │ └ 3 shop  op    20 …  50 ms   server   n = 2
 *   │   └ 4 shop  sql 30 …  40 ms   client   n = 3, error
 *   └ 5 gate  call    70 …  80 ms   client   n = 4
 *   6 lost  op       200 … 210 ms   (its parent 9 never came)
 */
enum { MS = 1000000, SPANS = 6 };

static Attribute gate_name[] = {{{"service.name", 12}, {.type = VALUE_STRING}}};
static Attribute shop_name[] = {{{"service.name", 12}, {.type = VALUE_STRING}}};
static Attribute lost_name[] = {{{"service.name", 12}, {.type = VALUE_STRING}}};
static Resource gate = {.attributes = {gate_name, 1}};
static Resource shop = {.attributes = {shop_name, 1}};
static Resource lost = {.attributes = {lost_name, 1}};
static const Scope scope;
static Attribute numbers[SPANS][1];
static Span spans[SPANS];

static void set_span(size_t i, uint8_t parent, const Resource *resource, const char *name,
                     uint64_t start_ms, uint64_t end_ms)
{
    Span *span = &spans[i];

    *span = (Span){.name = str_from_cstr(name),
                   .start_ns = start_ms * MS,
                   .end_ns = end_ms * MS,
                   .kind = SPAN_KIND_INTERNAL,
                   .resource = resource,
                   .scope = &scope};
    span->trace_id.bytes[0] = 7;
    span->span_id.bytes[0] = (uint8_t)(i + 1);
    span->parent_span_id.bytes[0] = parent;
    numbers[i][0] = (Attribute){STR("n"), value_int((int64_t)i)};
    span->attributes = (Attributes){numbers[i], i > 0 && i < 5};
}

static int make_trace(void **state)
{
    gate_name[0].value.string = STR("gate");
    shop_name[0].value.string = STR("shop");
    lost_name[0].value.string = STR("lost");
    set_span(0, 0, &gate, "GET /", 0, 100);
    set_span(1, 1, &gate, "call", 10, 60);
    set_span(2, 2, &shop, "op", 20, 50);
    set_span(3, 3, &shop, "sql", 30, 40);
    set_span(4, 1, &gate, "call", 70, 80);
    set_span(5, 9, &lost, "op", 200, 210);
    spans[3].status_code = STATUS_ERROR;
    return 0;
}

static bool accepts(const char *text, uint64_t from_ns, uint64_t to_ns)
{
    Arena arena = {0};
    FilterSet set;
    TraceQuery query;
    ParseError error = {0};
    bool candidate = false;

    filter_set_init(&set, &arena);
    if (traceql_parse(str_from_cstr(text), &set, &query, &error) != 0) {
        fail_msg("%s: %zu: %s", text, error.offset, error.text);
    }
    query.from_ns = from_ns;
    query.to_ns = to_ns;
    bool accepted = trace_query_accepts(&query, spans, SPANS);
    for (size_t i = 0; i < SPANS; i++) {
        candidate |= spans[i].start_ns >= from_ns && spans[i].start_ns < to_ns &&
                     filter_matches(query.filter, &spans[i]);
    }
    if (accepted && !candidate) {
        fail_msg("%s: the filter of spans leaves out a trace that matches", text);
    }
    if (!query.needs_trace && accepted != candidate) {
        fail_msg("%s: the filter of spans does not say it all", text);
    }
    filter_set_deinit(&set);
    arena_deinit(&arena);
    return accepted;
}

static void check(const char *text, bool expected)
{
    if (accepts(text, 0, UINT64_MAX) != expected) {
        fail_msg("%s: %s", text, expected ? "should match" : "should not match");
    }
}

static void fields_of_the_trace(void **state)
{
    check("{ rootName = \"GET /\" }", true);
    check("{ rootName = \"op\" }", false); /* an orphan is no root while there is one */
    check("{ trace:rootService = \"gate\" && name = \"sql\" }", true);
    check("{ rootServiceName =~ \"sh.*\" }", false);
    check("{ traceDuration = 210ms }", true);
    check("{ trace:duration < 210ms }", false);
    check("{ childCount = 2 && name = \"GET /\" }", true);
    check("{ childCount = 0 && name = \"op\" }", true); /* the orphan */
    check("{ childCount > 2 }", false);
    check("{ nestedSetParent = -1 && name = \"GET /\" }", true);
    check("{ nestedSetParent < 0 && name = \"call\" }", false);
    check("{ nestedSetLeft = 1 && nestedSetRight = 10 && name = \"GET /\" }", true);
    check("{ nestedSetLeft = 3 && nestedSetRight = 6 && nestedSetParent = 2 && name = \"op\" }",
          true);
    check("{ nestedSetLeft = 8 && nestedSetRight = 9 && span.n = 4 }", true);
    check("{ !(rootName = \"GET /\") }", false);
}

static void sets_are_joined(void **state)
{
    check("{ name = \"sql\" } && { name = \"call\" }", true);
    check("{ name = \"sql\" } && { name = \"no\" }", false);
    check("{ name = \"no\" } || { name = \"call\" }", true);
    check("{ name = \"no\" } || { name = \"no\" }", false);
    check("{ name = \"no\" } && { name = \"no\" } || { status = error }", true);
}

static void relations_follow_the_tree(void **state)
{
    check("{ name = \"GET /\" } >> { name = \"sql\" }", true);
    check("{ name = \"GET /\" } > { name = \"sql\" }", false);
    check("{ span.n = 4 } >> { name = \"sql\" }", false);
    check("{ resource.service.name = \"gate\" } > { resource.service.name = \"shop\" }", true);
    check("{ name = \"sql\" } << { name = \"GET /\" }", true);
    check("{ name = \"sql\" } < { name = \"op\" }", true);
    check("{ name = \"sql\" } < { name = \"GET /\" }", false);
    check("{ span.n = 1 } ~ { span.n = 4 }", true);
    check("{ span.n = 1 } ~ { span.n = 1 }", false);
    check("{ name = \"GET /\" } ~ { resource.service.name = \"lost\" }", false);
    check("{ name = \"GET /\" } !>> { name = \"op\" }", true); /* the orphan */
    check("{ name = \"GET /\" } !>> { name = \"sql\" }", false);
    check("{ name = \"no\" } !> { name = \"sql\" }", true);
    check("{ span.n = 4 } !~ { span.n = 1 }", false);
    check("{ name = \"GET /\" } &>> { name = \"sql\" } | count() = 2", true);
    check("{ name = \"GET /\" } >> { name = \"sql\" } | count() = 1", true);
    check("{ name = \"call\" } &> { name = \"op\" } | count() = 2", true);
    check("{ name = \"GET /\" } >> { name = \"call\" } >> { status = error }", true);
}

static void stages_count_and_add_up(void **state)
{
    check("{} | count() = 6", true);
    check("{ name = \"call\" } | count() > 2", false);
    check("{ name = \"no\" } | count() = 0", false); /* a set without spans is no answer */
    check("{ span.n > 0 } | sum(span.n) = 10", true);
    check("{} | avg(span.n) = 2.5", true);
    check("{} | max(duration) = 100ms", true);
    check("{} | min(duration) < 10ms", false);
    check("{} | avg(span.none) >= 0", false);
    check("{} | by(resource.service.name) | count() > 3", false);
    check("{} | by(resource.service.name) | count() = 3", true);
    check("{} | by(name) | by(resource.service.name) | count() = 2", true);
    check("{} | by(resource.service.name) | count() < 3 | coalesce() | count() = 3", true);
    check("{ kind = internal } | { status = error } | count() = 1", true);
    check("({ name = \"call\" } | count() = 2) && { status = error }", true);
    check("({ name = \"call\" } | count() = 1) && { status = error }", false);
    check("{ name = \"call\" } | select(span.n, name)", true);
}

static void only_spans_of_the_window_count(void **state)
{
    assert_true(accepts("{} | count() = 2", 70 * MS, UINT64_MAX));
    assert_true(accepts("{ rootName = \"GET /\" }", 70 * MS, UINT64_MAX));
    assert_false(accepts("{ name = \"GET /\" } >> { span.n = 4 }", 70 * MS, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_the_trace),
        cmocka_unit_test(sets_are_joined),
        cmocka_unit_test(relations_follow_the_tree),
        cmocka_unit_test(stages_count_and_add_up),
        cmocka_unit_test(only_spans_of_the_window_count),
    };

    return cmocka_run_group_tests(tests, make_trace, NULL);
}
