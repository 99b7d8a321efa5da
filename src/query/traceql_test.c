// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "query/traceql.h"

/* Filters as text, so that a whole tree is one golden line. */
static void render(const Filter *filter, Buf *buf);

static void render_value(const Value *value, Buf *buf)
{
    if (value->type == VALUE_STRING) {
        buf_append_format(buf, "'%.*s'", STR_ARG(value->string));
    } else {
        value_append_text(value, buf);
    }
}

static void render_compare(const Filter *filter, Buf *buf)
{
    static const char *const fields[] = {
        [FIELD_ATTRIBUTE] = ".",
        [FIELD_SPAN_ATTRIBUTE] = "span.",
        [FIELD_RESOURCE_ATTRIBUTE] = "resource.",
        [FIELD_SCOPE_ATTRIBUTE] = "scope.",
        [FIELD_EVENT_ATTRIBUTE] = "event.",
        [FIELD_LINK_ATTRIBUTE] = "link.",
        [FIELD_NAME] = "NAME",
        [FIELD_KIND] = "KIND",
        [FIELD_STATUS] = "STATUS",
        [FIELD_STATUS_MESSAGE] = "MESSAGE",
        [FIELD_DURATION] = "DURATION",
        [FIELD_START] = "START",
        [FIELD_SCOPE_NAME] = "SCOPE",
        [FIELD_SCOPE_VERSION] = "VERSION",
        [FIELD_EVENT_NAME] = "EVENT",
        [FIELD_TRACE_ID] = "TRACE",
        [FIELD_SPAN_ID] = "SPAN",
        [FIELD_PARENT_ID] = "PARENT",
        [FIELD_EVENT_SINCE_START] = "SINCE",
        [FIELD_LINK_TRACE_ID] = "LINKTRACE",
        [FIELD_LINK_SPAN_ID] = "LINKSPAN",
        [FIELD_TRACE_DURATION] = "TRACEDURATION",
        [FIELD_ROOT_NAME] = "ROOTNAME",
        [FIELD_ROOT_SERVICE] = "ROOTSERVICE",
        [FIELD_CHILD_COUNT] = "CHILDREN",
        [FIELD_NESTED_LEFT] = "LEFT",
        [FIELD_NESTED_RIGHT] = "RIGHT",
        [FIELD_NESTED_PARENT] = "NESTEDPARENT",
    };
    static const char *const signs[] = {
        [COMPARE_EQUAL] = "=",         [COMPARE_NOT_EQUAL] = "!=", [COMPARE_LESS] = "<",
        [COMPARE_LESS_EQUAL] = "<=",   [COMPARE_GREATER] = ">",    [COMPARE_GREATER_EQUAL] = ">=",
        [COMPARE_MATCH] = "=~",        [COMPARE_NOT_MATCH] = "!~", [COMPARE_EXISTS] = " exists",
        [COMPARE_EQUAL_TEXT] = "text",
    };

    buf_append_format(buf, "%s%.*s%s", fields[filter->field], STR_ARG(filter->key),
                      signs[filter->comparison]);
    if (filter->comparison != COMPARE_EXISTS) {
        render_value(&filter->operand, buf);
    }
}

static void render(const Filter *filter, Buf *buf)
{
    switch (filter->op) {
    case FILTER_TRUE:
        buf_append_str(buf, STR("all"));
        return;
    case FILTER_NOT:
        buf_append_str(buf, STR("not "));
        render(filter->left, buf);
        return;
    case FILTER_COMPARE:
        render_compare(filter, buf);
        return;
    default:
        buf_append_byte(buf, '(');
        render(filter->left, buf);
        buf_append_str(buf, filter->op == FILTER_AND ? STR(" and ") : STR(" or "));
        render(filter->right, buf);
        buf_append_byte(buf, ')');
    }
}

static void render_stage(const TraceStage *stage, Buf *buf)
{
    static const char *const names[] = {"filter", "aggregate", "by", "coalesce", "select"};
    static const char *const functions[] = {"count ", "avg ", "min ", "max ", "sum "};

    buf_append_format(buf, " | %s ", names[stage->type]);
    if (stage->type == STAGE_AGGREGATE) {
        buf_append_format(buf, "%s", functions[stage->function]);
    }
    if (stage->filter != NULL) {
        render(stage->filter, buf);
    }
}

static void render_spanset(const Spanset *spanset, Buf *buf)
{
    static const char *const signs[] = {"", "&&", "||", ">>", ">", "<<", "<", "~"};

    if (spanset->op == SPANSET_FILTER) {
        render(spanset->filter, buf);
    } else {
        buf_append_byte(buf, '[');
        render_spanset(spanset->left, buf);
        buf_append_format(buf, " %s%s%s ", spanset->is_negated ? "!" : "",
                          spanset->is_union ? "&" : "", signs[spanset->op]);
        render_spanset(spanset->right, buf);
        buf_append_byte(buf, ']');
    }
    for (const TraceStage *stage = spanset->stages; stage != NULL; stage = stage->next) {
        render_stage(stage, buf);
    }
}

/* The query of @text, or "OFFSET: what is wrong", in @buf. */
static const char *parse(const char *text, Buf *buf)
{
    Arena arena = {0};
    FilterSet set;
    TraceQuery query;
    ParseError error = {0};

    buf_clear(buf);
    filter_set_init(&set, &arena);
    if (traceql_parse(str_from_cstr(text), &set, &query, &error) == 0) {
        render_spanset(query.root, buf);
        if (query.needs_trace) { /* what spans alone can say of it */
            buf_append_str(buf, STR(" <- "));
            render(query.filter, buf);
        }
    } else {
        buf_append_format(buf, "%zu: %s", error.offset, error.text);
    }
    filter_set_deinit(&set);
    arena_deinit(&arena);
    return buf_cstr(buf);
}

static const char *const golden[][2] = {
    {"", "all"},
    {"  ", "all"},
    {"{}", "all"},
    {"{ }", "all"},
    {"{ true }", "all"},
    {"{ false }", "not all"},
    {"{ resource.service.name = \"checkout\" && duration > 1s && span.http.route =~ \"/api/.*\" }",
     "(resource.service.name='checkout' and (DURATION>1000000000 and span.http.route=~'/api/.*'))"},
    {"{.a=1||.b=2&&.c=3}", "(.a=1 or (.b=2 and .c=3))"},
    {"{(.a=1||.b=2)&&!(.c=3)}", "((.a=1 or .b=2) and not .c=3)"},
    {"{ !!.ok }", "not not .ok=true"},
    {"{ name = `GET \\d` }", "NAME='GET \\d'"},
    {"{ name =~ `GET /\\d+` }", "NAME=~'GET /\\d+'"},
    {"{ span:name != \"x\" }", "NAME!='x'"},
    {"{ kind = server }", "KIND=2"},
    {"{ kind != unspecified }", "KIND!=0"},
    {"{ status = error }", "STATUS=2"},
    {"{ statusMessage = \"no such \\\"row\\\"\\n\" }", "MESSAGE='no such \"row\"\n'"},
    {"{ duration >= 100ms }", "DURATION>=100000000"},
    {"{ 1.5s < duration }", "DURATION>1500000000"},
    {"{ duration < 1m30s }", "DURATION<90000000000"},
    {"{ span.n = -5 }", "span.n=-5"},
    {"{ span.n <= 2.5e3 }", "span.n<=2500"},
    {"{ span.n > 1e-3 }", "span.n>0.001"},
    {"{ span.flag = true }", "span.flag=true"},
    {"{ span.flag }", "span.flag=true"},
    {"{ event.exception.type != nil }", "event.exception.type exists"},
    {"{ .x = nil }", "not .x exists"},
    {"{ link.a = \"b\" }", "link.a='b'"},
    {"{ instrumentation.a = \"b\" }", "scope.a='b'"},
    {"{ instrumentation:name = \"otelhttp\" }", "SCOPE='otelhttp'"},
    {"{ instrumentation:version =~ \"1.*\" }", "VERSION=~'1.*'"},
    {"{ event:name = \"exception\" }", "EVENT='exception'"},
    {"{ trace:id = \"00ab\" }", "TRACE='00ab'"},
    {"{ span:id = \"ab\" && span:parentID != nil }", "(SPAN='ab' and PARENT exists)"},
    {"{ span.\"a key\" = 1 }", "span.a key=1"},
    {"{ .a.\"b c\".d = 1 }", ".a.b c.d=1"},
    {"{ .\"\\u00fc\\x41\" = 1 }", ".\xc3\xbc\x41=1"},
    {"{ span.http-status = 1 }", "span.http-status=1"},
    {"{ .name = \"x\" }", ".name='x'"},
    {"{ \"x\" = .name }", ".name='x'"},
    {"{ span.http.status_code >= 500 }", "span.http.status_code>=500"},
    {"{ event:timeSinceStart > 1ms }", "SINCE>1000000"},
    {"{ link:traceID = \"ab\" || link:spanID = \"cd\" }", "(LINKTRACE='ab' or LINKSPAN='cd')"},
    {"{.a=1}||{.b=2}", "[.a=1 || .b=2]"},
    {"{ traceDuration > 1s }", "TRACEDURATION>1000000000 <- all"},
    {"{ rootName = \"x\" && .a = 1 }", "(ROOTNAME='x' and .a=1) <- (all and .a=1)"},
    {"{ !(trace:rootService = \"x\" || .a = 1) }",
     "not (ROOTSERVICE='x' or .a=1) <- not (not all or .a=1)"},
    {"{ nestedSetParent < 0 && span:childCount >= 2 }",
     "(NESTEDPARENT<0 and CHILDREN>=2) <- (all and all)"},
    {"{.a=1} && {.b>2}", "[.a=1 && .b>2] <- .a=1"},
    {"{.a=1} >> {.b=2} || {.c=3}", "[[.a=1 >> .b=2] || .c=3] <- (.b=2 or .c=3)"},
    {"{.a=1} > {.b>2} ~ {.c>3}", "[[.a=1 > .b>2] ~ .c>3] <- .a=1"},
    {"{.a=1} !>> {.b>2}", "[.a=1 !>> .b>2] <- .b>2"},
    {"{.a>1} &< {.b=2}", "[.a>1 &< .b=2] <- .b=2"},
    {"{.a=1} !~ {} && ({} << {.b=2})", "[[.a=1 !~ all] && [all << .b=2]] <- .b=2"},
    {"{.a=1} | count() > 2", ".a=1 | aggregate count .>2 <- .a=1"},
    {"{} | avg(duration) >= 1.5s", "all | aggregate avg DURATION>=1500000000 <- all"},
    {"{} | by(resource.service.name) | max(span.n) != -1 | coalesce() | {.b=2}",
     "all | by resource.service.name= | aggregate max span.n!=-1 | coalesce  | filter .b=2 <- "
     "all"},
    {"({.a=1} | select(name, .b)) | count() = 1", ".a=1 | select  | aggregate count .=1 <- .a=1"},
};

static void queries_become_the_filters_of_the_golden_table(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
        assert_string_equal(parse(golden[i][0], &buf), golden[i][1]);
    }
}

static const char *const refused[][2] = {
    {"x", "0: a query begins with {"},
    {"{", "1: the query ends where a comparison was expected"},
    {"{ .a = 1", "0: the { is not closed"},
    {"{ (.a = 1 }", "10: &&, || or ) expected"},
    {"{ (.a = 1", "2: the parenthesis is not closed"},
    {"{ .a = }", "7: a field or a value expected"},
    {"{ .a == 1 }", "6: a field or a value expected"},
    {"{ .a = 1 .b = 2 }", "9: &&, || or } expected"},
    {"{ .a = 1 & .b = 2 }", "9: a character that has no meaning here"},
    {"{ .a = 1 } && ", "14: { or ( expected"},
    {"{ .a = 1 } { .b = 2 }", "11: &&, ||, |, a relation (>> > << < ~) or the end expected"},
    {"({ .a = 1 } && { .b = 2 }", "0: the parenthesis is not closed"},
    {"{ .a = 1 } | count()", "20: a comparison sign (= != < <= > >=) expected"},
    {"{ .a = 1 } | count() > \"2\"", "23: a number or a duration expected"},
    {"{ .a = 1 } | rate()",
     "13: not supported: this function; there are count, avg, min, max, sum, by, coalesce and "
     "select"},
    {"{} | avg(event.a) > 1", "9: not supported: functions of ids, events and links"},
    {"{} | by(1)", "8: a field expected"},
    {"{} | 5", "5: { or a function expected behind |"},
    {"{ traceDuration > \"1s\" }",
     "18: duration is compared with a duration such as 1.5s or 100ms"},
    {"{ childCount = \"1\" }", "15: this field is compared with a number"},
    {"{ parent = nil }", "2: not supported: the parent as a value; { … } > { … } relates spans"},
    {"{ parent.a = 1 }", "2: not supported: attributes of the parent; { … } > { … } relates spans"},
    {"{ .a = .b }", "7: not supported: comparing two fields"},
    {"{ 1 = 1 }", "2: one side of a comparison must be a field"},
    {"{ .a + 1 = 2 }", "5: not supported: arithmetic"},
    {"{ service.name = \"x\" }",
     "2: unknown scope; an attribute is span.key, resource.key, event.key, link.key, "
     "instrumentation.key or .key"},
    {"{ foo = 1 }", "2: unknown word; attributes are written span.key or .key, text in quotes"},
    {"{ span. = 1 }", "7: an attribute's key expected behind the point"},
    {"{ .a = \"x }", "7: the string has no closing quote"},
    {"{ .a = `x }", "7: the string has no closing back-tick"},
    {"{ .a =~ \"\\d\" }",
     "9: unknown escape; write \\\\ for a backslash, or put the text in back-ticks"},
    {"{ .a =~ 5 }", "8: =~ and !~ take a regular expression in quotes"},
    {"{ kind = \"server\" }", "9: kind is one of server, client, producer, consumer, internal, "
                              "unspecified, without quotes"},
    {"{ status = server }", "11: status is one of ok, error, unset, without quotes"},
    {"{ status > ok }", "11: kind and status are compared with = or != only"},
    {"{ .a = error }", "7: this word is a kind or a status; text goes in quotes"},
    {"{ name = 5 }", "9: this field is text: the value goes in quotes"},
    {"{ duration > \"1s\" }", "13: duration is compared with a duration such as 1.5s or 100ms"},
    {"{ duration > 1x }", "13: neither a number nor a duration such as 1.5s or 100ms"},
    {"{ .a > nil }", "7: nil is compared with = or != only"},
    {"{ name }", "7: a comparison sign (= != < <= > >= =~ !~) expected"},
    {"{ # }", "2: a character that has no meaning here"},
};

static void what_is_wrong_is_told_with_its_place(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        assert_string_equal(parse(refused[i][0], &buf), refused[i][1]);
    }
}

static void a_bad_regular_expression_is_pointed_at(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    assert_true(str_starts_with(str_from_cstr(parse("{ .a =~ \"(x\" }", &buf)), STR("11: ")));
}

static void a_long_chain_stays_shallow_and_a_too_long_one_is_refused(void **state)
{
    CLEANUP(buf_deinit) Buf text = {0}, buf = {0};

    for (size_t n = 0; n < 500; n++) {
        buf_append_str(&text, n == 0 ? STR("{.a=1") : STR("||.a=1"));
    }
    buf_append_str(&text, STR("}"));
    assert_true(str_starts_with(str_from_cstr(parse(buf_cstr(&text), &buf)), STR("(((")));
    text.len--;
    for (size_t n = 0; n < 600; n++) {
        buf_append_str(&text, STR("||.a=1"));
    }
    buf_append_str(&text, STR("}"));
    parse(buf_cstr(&text), &buf);
    assert_true(str_find(buf_str(&buf), STR("too ")) < buf.len);
}

static void nesting_has_a_limit(void **state)
{
    CLEANUP(buf_deinit) Buf text = {0}, buf = {0};

    buf_append_byte(&text, '{');
    for (size_t n = 0; n < 10000; n++) {
        buf_append_byte(&text, '(');
    }
    assert_string_equal(parse(buf_cstr(&text), &buf), "65: nested too deeply (64 at most)");
}

static void a_query_may_not_be_longer_than_its_limit(void **state)
{
    CLEANUP(buf_deinit) Buf text = {0}, buf = {0};

    while (text.len <= TRACEQL_QUERY_MAX) {
        buf_append_byte(&text, ' ');
    }
    assert_string_equal(parse(buf_cstr(&text), &buf), "32768: the query is longer than 32 KiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_become_the_filters_of_the_golden_table),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(a_bad_regular_expression_is_pointed_at),
        cmocka_unit_test(a_long_chain_stays_shallow_and_a_too_long_one_is_refused),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_query_may_not_be_longer_than_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
