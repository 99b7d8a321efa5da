// SPDX-License-Identifier: Apache-2.0
#include "wire/jaeger_json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static Arena arena;
static ParseError error;

static int drop_arena(void **state)
{
    arena_deinit(&arena);
    return 0;
}

static const Attribute resource_items[] = {
    {STR("service.name"), {.type = VALUE_STRING, .string = STR("web")}},
    {STR("host.name"), {.type = VALUE_STRING, .string = STR("h1")}},
};
static const Resource resource = {.attributes = {resource_items, 2}};
static const Resource no_resource;
static const Scope scope = {.name = STR("lib"), .version = STR("1")};
static const Attribute span_items[] = {
    {STR("i"), {.type = VALUE_INT, .integer = 5}},
    {STR("big"), {.type = VALUE_INT, .integer = INT64_MAX}},
    {STR("b"), {.type = VALUE_BOOL, .boolean = true}},
    {STR("x"), {.type = VALUE_BYTES, .string = STR("hi")}},
};
static const Event event = {.time_ns = 7000, .name = STR("e"), .attributes = {span_items, 1}};
static const Link link = {.trace_id = {{[15] = 9}}, .span_id = {{[7] = 8}}};

static Span sample_span(uint8_t id, SpanKind kind)
{
    return (Span){.trace_id = {{[15] = 1}},
                  .span_id = {{[7] = id}},
                  .name = STR("GET /"),
                  .kind = (uint8_t)kind,
                  .start_ns = 5000,
                  .end_ns = 8000,
                  .resource = &resource,
                  .scope = &scope};
}

static Str written(const Span *spans, size_t n)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    JsonWriter writer = {.buf = &buf};

    jaeger_write_trace(&writer, spans, n);
    return arena_copy(&arena, buf_str(&buf));
}

static void test_a_trace_is_written_as_jaeger_writes_it(void **state)
{
    static const Str expected = STR(
        "{\"traceID\":\"0000000000000001\",\"spans\":[{\"traceID\":\"0000000000000001\","
        "\"spanID\":\"0000000000000002\",\"operationName\":\"GET /\",\"references\":["
        "{\"refType\":\"CHILD_OF\",\"traceID\":\"0000000000000001\",\"spanID\":"
        "\"0000000000000001\"},{\"refType\":\"FOLLOWS_FROM\",\"traceID\":\"0000000000000009\","
        "\"spanID\":\"0000000000000008\"}],\"startTime\":5,\"duration\":3,\"tags\":["
        "{\"key\":\"otel.scope.name\",\"type\":\"string\",\"value\":\"lib\"},"
        "{\"key\":\"otel.scope.version\",\"type\":\"string\",\"value\":\"1\"},"
        "{\"key\":\"i\",\"type\":\"int64\",\"value\":5},"
        "{\"key\":\"big\",\"type\":\"int64\",\"value\":\"9223372036854775807\"},"
        "{\"key\":\"b\",\"type\":\"bool\",\"value\":true},"
        "{\"key\":\"x\",\"type\":\"binary\",\"value\":\"aGk=\"},"
        "{\"key\":\"span.kind\",\"type\":\"string\",\"value\":\"server\"},"
        "{\"key\":\"otel.status_code\",\"type\":\"string\",\"value\":\"ERROR\"},"
        "{\"key\":\"error\",\"type\":\"bool\",\"value\":true},"
        "{\"key\":\"otel.status_description\",\"type\":\"string\",\"value\":\"bad\"}],"
        "\"logs\":[{\"timestamp\":7,\"fields\":[{\"key\":\"event\",\"type\":\"string\","
        "\"value\":\"e\"},{\"key\":\"i\",\"type\":\"int64\",\"value\":5}]}],"
        "\"processID\":\"p1\",\"warnings\":null}],\"processes\":{\"p1\":{\"serviceName\":\"web\","
        "\"tags\":[{\"key\":\"host.name\",\"type\":\"string\",\"value\":\"h1\"}]}},"
        "\"warnings\":null}");
    Span span = sample_span(2, SPAN_KIND_SERVER);

    span.parent_span_id = (SpanId){{[7] = 1}};
    span.attributes = (Attributes){span_items, ARRAY_LEN(span_items)};
    span.events = &event;
    span.n_events = 1;
    span.links = &link;
    span.n_links = 1;
    span.status_code = STATUS_ERROR;
    span.status_message = STR("bad");
    Str text = written(&span, 1);
    if (!str_equal(text, expected)) {
        fail_msg("%.*s", STR_ARG(text));
    }
    Batch batch;
    assert_int_equal(jaeger_read_json(text, &arena, &batch, &error), 0);
    assert_int_equal(span_compare_content(&batch.spans[0], &span), 0);
}

static void test_the_server_half_of_a_shared_pair_gets_its_own_id(void **state)
{
    Span spans[] = {sample_span(2, SPAN_KIND_CLIENT), sample_span(2, SPAN_KIND_SERVER),
                    sample_span(3, SPAN_KIND_INTERNAL), sample_span(4, SPAN_KIND_INTERNAL)};
    Batch batch;

    spans[2].parent_span_id = spans[0].span_id;
    spans[3].parent_span_id = spans[2].span_id;
    assert_int_equal(jaeger_read_json(written(spans, 4), &arena, &batch, &error), 0);
    assert_true(span_id_equal(batch.spans[0].span_id, spans[0].span_id));
    assert_false(span_id_equal(batch.spans[1].span_id, spans[0].span_id));
    assert_true(span_id_equal(batch.spans[1].parent_span_id, spans[0].span_id));
    assert_true(span_id_equal(batch.spans[2].parent_span_id, batch.spans[1].span_id));
    assert_true(span_id_equal(batch.spans[3].parent_span_id, spans[2].span_id));
}

static void test_equal_resources_are_one_process(void **state)
{
    Attribute reversed[] = {resource_items[1], resource_items[0]};
    Resource same = {.attributes = {reversed, 2}};
    Span spans[] = {sample_span(1, SPAN_KIND_SERVER), sample_span(2, SPAN_KIND_SERVER),
                    sample_span(3, SPAN_KIND_SERVER)};

    spans[1].resource = &same;
    spans[2].resource = &no_resource;
    Str text = written(spans, 3);
    assert_true(str_find(text, STR("\"p3\"")) == text.len);
    assert_true(str_find(text, STR("\"p2\":{\"serviceName\":\"unknown_service\"")) < text.len);
}

static void test_nan_is_shown_as_text(void **state)
{
    const Attribute nan = {STR("f"), {.type = VALUE_DOUBLE, .number = NAN}};
    Span span = sample_span(1, SPAN_KIND_SERVER);

    span.attributes = (Attributes){&nan, 1};
    Str text = written(&span, 1);
    assert_true(str_find(text, STR("\"type\":\"float64\",\"value\":\"NaN\"")) < text.len);
}

static void test_answers_and_processes_in_front_are_read(void **state)
{
    Batch batch;

    assert_int_equal(
        jaeger_read_json(
            STR("{\"data\":[{\"processes\":{\"p1\":{\"serviceName\":\"a\"}},"
                "\"spans\":[{\"traceID\":\"1\",\"spanID\":\"2\",\"processID\":\"p1\","
                "\"references\":[{\"refType\":\"FOLLOWS_FROM\",\"traceID\":\"1\","
                "\"spanID\":\"3\"}],\"tags\":[{\"key\":\"k\",\"type\":\"int64\","
                "\"value\":\"12\"},{\"key\":\"error\",\"value\":true}]}]},"
                "{\"spans\":[{\"traceID\":\"2\",\"spanID\":\"2\",\"processID\":\"p1\"},"
                "{\"spanID\":\"2\"}],\"processes\":{\"p1\":{\"serviceName\":\"b\"}}}],"
                "\"total\":0}"),
            &arena, &batch, &error),
        0);
    assert_int_equal(batch.n_spans, 2);
    assert_int_equal(batch.n_rejected, 1);
    assert_true(str_equal(span_service_name(&batch.spans[0], &arena), STR("a")));
    assert_true(str_equal(span_service_name(&batch.spans[1], &arena), STR("b")));
    assert_int_equal(batch.spans[0].n_links, 1);
    assert_true(span_id_is_zero(batch.spans[0].parent_span_id));
    assert_int_equal(batch.spans[0].status_code, STATUS_ERROR);
    assert_int_equal(batch.spans[0].attributes.items[0].value.integer, 12);
}

static void test_malformed_files_are_refused(void **state)
{
    static const char *const cases[] = {
        "[]",
        "{\"spans\":1}",
        "{\"spans\":[{\"traceID\":\"zz\",\"spanID\":\"1\"}]}",
        "{\"spans\":[{\"tags\":[{\"key\":\"k\",\"type\":\"int64\",\"value\":\"x\"}]}]}",
        "{\"data\":[{\"spans\":[]}",
    };
    Batch batch;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        error = (ParseError){0};
        assert_int_equal(jaeger_read_json(str_from_cstr(cases[i]), &arena, &batch, &error),
                         JAEGER_BAD);
        assert_non_null(error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trace_is_written_as_jaeger_writes_it),
        cmocka_unit_test(test_the_server_half_of_a_shared_pair_gets_its_own_id),
        cmocka_unit_test(test_equal_resources_are_one_process),
        cmocka_unit_test(test_nan_is_shown_as_text),
        cmocka_unit_test(test_answers_and_processes_in_front_are_read),
        cmocka_unit_test(test_malformed_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, drop_arena);
}
