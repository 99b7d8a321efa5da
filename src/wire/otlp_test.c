// SPDX-License-Identifier: Apache-2.0
#include "wire/otlp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/message.h"

static Arena arena;
static ParseError error;

static int drop_arena(void **state)
{
    arena_deinit(&arena);
    return 0;
}

static const Str trace_id = STR("0123456789abcdef");
static const Str span_id = STR("abcdefgh");

/* The frame around spans: a request with one resource and one scope. */
typedef struct Frame {
    Buf buf;
    size_t resource_spans, scope_spans;
} Frame;

static void frame_open(Frame *frame)
{
    *frame = (Frame){0};
    frame->resource_spans = message_open(&frame->buf, 1);
    frame->scope_spans = message_open(&frame->buf, 2);
}

static int frame_read(Frame *frame, Batch *batch)
{
    message_close(&frame->buf, frame->scope_spans);
    message_close(&frame->buf, frame->resource_spans);
    /* The batch looks into the body, so that must live as long as the arena. */
    Str body = arena_copy(&arena, buf_str(&frame->buf));
    buf_deinit(&frame->buf);
    return otlp_read_protobuf(body, &arena, batch, &error);
}

static size_t span_open(Frame *frame, Str trace, Str span)
{
    size_t message = message_open(&frame->buf, 2);

    message_str(&frame->buf, 1, trace);
    message_str(&frame->buf, 2, span);
    return message;
}

/* Reads a request with one good span that also has the fields @extra. */
static int read_with(Str extra, Batch *batch)
{
    Frame frame;

    frame_open(&frame);
    size_t span = span_open(&frame, trace_id, span_id);
    buf_append_str(&frame.buf, extra);
    message_close(&frame.buf, span);
    return frame_read(&frame, batch);
}

static Span sample_span(void)
{
    static const Attribute inner[] = {
        {STR("k"), {.type = VALUE_BYTES, .string = STR("\x00\xFF")}},
        {STR(""), {.type = VALUE_EMPTY}},
    };
    static const Value items[] = {
        {.type = VALUE_STRING, .string = STR("")},
        {.type = VALUE_MAP, .count = 2, .entries = inner},
        {.type = VALUE_ARRAY},
    };
    static const Attribute attributes[] = {
        {STR("s"), {.type = VALUE_STRING, .string = STR("no UTF-8: \xFF")}},
        {STR("b"), {.type = VALUE_BOOL, .boolean = false}},
        {STR("i"), {.type = VALUE_INT, .integer = INT64_MIN}},
        {STR("d"), {.type = VALUE_DOUBLE, .number = -0.25}},
        {STR("a"), {.type = VALUE_ARRAY, .count = 3, .items = items}},
    };
    static const Event events[] = {
        {.time_ns = 5, .name = STR("e"), .attributes = {attributes, 2}, .dropped_attributes = 1},
        {.name = STR("f")},
    };
    static const Link links[] = {{.trace_id = {{9}},
                                  .span_id = {{8}},
                                  .trace_state = STR("x=y"),
                                  .attributes = {attributes, 1},
                                  .dropped_attributes = 2,
                                  .flags = 1}};
    static const Resource resource = {
        .attributes = {attributes, 3}, .dropped_attributes = 4, .schema_url = STR("r")};
    static const Scope scope = {.name = STR("lib"),
                                .version = STR("2"),
                                .attributes = {attributes, 1},
                                .dropped_attributes = 5,
                                .schema_url = STR("u")};

    return (Span){.trace_id = {{1}},
                  .span_id = {{2}},
                  .parent_span_id = {{3}},
                  .trace_state = STR("ot=th:8"),
                  .name = STR("GET /"),
                  .status_message = STR("oops"),
                  .start_ns = 1795233873912411000,
                  .end_ns = UINT64_MAX,
                  .flags = 0x301,
                  .kind = SPAN_KIND_CLIENT,
                  .status_code = STATUS_ERROR,
                  .attributes = {attributes, ARRAY_LEN(attributes)},
                  .events = events,
                  .n_events = ARRAY_LEN(events),
                  .links = links,
                  .n_links = ARRAY_LEN(links),
                  .dropped_attributes = 6,
                  .dropped_events = 7,
                  .dropped_links = 8,
                  .resource = &resource,
                  .scope = &scope};
}

static void assert_same_spans(const Span *expected, size_t n, const Batch *batch)
{
    assert_int_equal(batch->n_spans, n);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buf_deinit) Buf a = {0};
        CLEANUP(buf_deinit) Buf b = {0};
        span_append_canonical(&expected[i], &a);
        span_append_canonical(&batch->spans[i], &b);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.ptr, b.ptr, a.len);
    }
}

static void test_every_field_survives_protobuf(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    static const Resource other_resource;
    static const Scope other_scope;
    Span spans[] = {sample_span(), sample_span(), sample_span()};
    Batch batch;

    spans[1].scope = &other_scope;
    spans[2].resource = &other_resource;
    otlp_write_protobuf(spans, 3, &buf);
    assert_int_equal(otlp_read_protobuf(buf_str(&buf), &arena, &batch, &error), 0);
    assert_same_spans(spans, 3, &batch);
    assert_ptr_equal(batch.spans[0].resource, batch.spans[1].resource);
    assert_int_equal(batch.n_rejected, 0);
}

static void test_spans_with_bad_ids_are_left_out_and_counted(void **state)
{
    static const struct {
        Str trace, span;
    } cases[] = {
        {STR(""), STR("abcdefgh")},
        {STR("0123456789abcdef"), STR("")},
        {STR("0123456789abcde"), STR("abcdefgh")},
        {STR("0123456789abcdef"), STR("abcdefghi")},
        {STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), STR("abcdefgh")},
        {STR("0123456789abcdef"), STR("\0\0\0\0\0\0\0\0")},
    };
    Frame frame;
    Batch batch;

    frame_open(&frame);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        message_close(&frame.buf, span_open(&frame, cases[i].trace, cases[i].span));
    }
    message_close(&frame.buf, span_open(&frame, trace_id, span_id));
    assert_int_equal(frame_read(&frame, &batch), 0);
    assert_int_equal(batch.n_spans, 1);
    assert_int_equal(batch.n_rejected, ARRAY_LEN(cases));
    assert_non_null(batch.reject_reason);
}

static void test_parent_of_wrong_length_rejects_the_span(void **state)
{
    Batch batch;

    assert_int_equal(read_with(STR("\x22\x03xyz"), &batch), 0);
    assert_int_equal(batch.n_spans, 0);
    assert_int_equal(batch.n_rejected, 1);
    assert_int_equal(read_with(STR("\x22\x00"), &batch), 0);
    assert_int_equal(batch.n_spans, 1);
}

static void test_links_to_nowhere_are_counted_as_dropped(void **state)
{
    Batch batch;

    assert_int_equal(read_with(STR("\x6A\x00\x6A\x04\x0A\x02xy"), &batch), 0);
    assert_int_equal(batch.spans[0].n_links, 0);
    assert_int_equal(batch.spans[0].dropped_links, 2);
}

static void test_malformed_bodies_are_refused(void **state)
{
    static const struct {
        const char *what;
        Str extra;
    } cases[] = {
        {"wrong wire type of name", STR("\x28\x01")},
        {"wrong wire type of start", STR("\x38\x01")},
        {"field number 0", STR("\x00\x01")},
        {"wire type 6", STR("\xA6\x01\x01")},
        {"length beyond the span", STR("\x2A\x7Fx")},
        {"cut varint", STR("\x30\x80")},
        {"varint of 11 bytes", STR("\x30\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
        {"varint of 65 bits", STR("\x30\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02")},
        {"cut fixed64", STR("\x39\x01\x02")},
        {"group without end", STR("\xA3\x06\x08\x01")},
        {"group that ends another", STR("\xA3\x06\xAC\x06")},
        {"end without group", STR("\xA4\x06")},
        {"length of 2^64-1", STR("\x2A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Batch batch;
        error = (ParseError){0};
        if (read_with(cases[i].extra, &batch) != WIRE_BAD || error.text == NULL) {
            fail_msg("accepted: %s", cases[i].what);
        }
        assert_in_range(error.offset, 28, 64);
    }
}

static void test_unknown_fields_and_groups_are_passed_over(void **state)
{
    /* 100: varint, fixed64, bytes, group with a group inside, fixed32; then the name. */
    static const Str extra =
        STR("\xA0\x06\x05\xA1\x06"
            "12345678\xA2\x06\x02xx\xA3\x06\xAB\x06\x08\x01\xAC\x06\xA4\x06\xA5\x06"
            "1234\x2A\x01n");
    Batch batch;

    assert_int_equal(read_with(extra, &batch), 0);
    assert_true(str_equal(batch.spans[0].name, STR("n")));
}

static void test_the_last_of_a_oneof_and_of_a_scalar_counts(void **state)
{
    /* name "a", name "b"; attribute k with value {string "x", int 7}. */
    static const Str extra = STR("\x2A\x01"
                                 "a\x2A\x01"
                                 "b\x4A\x0A\x0A\x01k\x12\x05\x0A\x01x\x18\x07");
    Batch batch;

    assert_int_equal(read_with(extra, &batch), 0);
    assert_true(str_equal(batch.spans[0].name, STR("b")));
    assert_int_equal(batch.spans[0].attributes.items[0].value.type, VALUE_INT);
    assert_int_equal(batch.spans[0].attributes.items[0].value.integer, 7);
}

static void test_repeated_resources_merge_also_behind_their_spans(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    Batch batch;
    size_t resource_spans = message_open(&buf, 1);

    buf_append_str(&buf, STR("\x0A\x05\x0A\x03\x0A\x01"
                             "a")); /* resource with attribute a */
    size_t scope_spans = message_open(&buf, 1000);
    size_t span = message_open(&buf, 2);
    message_str(&buf, 1, trace_id);
    message_str(&buf, 2, span_id);
    message_close(&buf, span);
    message_close(&buf, scope_spans);
    buf_append_str(&buf, STR("\x0A\x05\x0A\x03\x0A\x01"
                             "b"));
    message_close(&buf, resource_spans);
    assert_int_equal(otlp_read_protobuf(buf_str(&buf), &arena, &batch, &error), 0);
    assert_int_equal(batch.spans[0].resource->attributes.count, 2);
    assert_true(str_equal(batch.spans[0].resource->attributes.items[1].key, STR("b")));
}

static Value deep_value(unsigned depth)
{
    Value value = {.type = VALUE_EMPTY};

    for (unsigned i = 0; i < depth; i++) {
        Value *item = ARENA_NEW(&arena, Value);
        *item = value;
        value = (Value){.type = VALUE_ARRAY, .count = 1, .items = item};
    }
    return value;
}

static void test_values_nest_to_the_limit(void **state)
{
    for (unsigned depth = VALUE_DEPTH_MAX; depth <= VALUE_DEPTH_MAX + 1; depth++) {
        for (int json = 0; json <= 1; json++) {
            CLEANUP(buf_deinit) Buf buf = {0};
            Attribute attribute = {STR("deep"), deep_value(depth)};
            Span span = sample_span();
            Batch batch;

            span.attributes = (Attributes){&attribute, 1};
            (json ? otlp_write_json : otlp_write_protobuf)(&span, 1, &buf);
            int r =
                (json ? otlp_read_json : otlp_read_protobuf)(buf_str(&buf), &arena, &batch, &error);
            assert_int_equal(r, depth <= VALUE_DEPTH_MAX ? 0 : WIRE_BAD);
        }
    }
}

static void test_spans_with_many_attributes_keep_them_all(void **state)
{
    enum { N = 100000 };
    CLEANUP(buf_deinit) Buf buf = {0};
    Attribute *attributes = ARENA_ARRAY(&arena, Attribute, N);
    Span spans[] = {sample_span(), sample_span(), sample_span()};
    Batch batch;

    for (size_t i = 0; i < N; i++) {
        attributes[i] = (Attribute){arena_format(&arena, "k%zu", i), value_int((int64_t)i)};
    }
    spans[1].attributes = (Attributes){attributes, N};
    otlp_write_protobuf(spans, 3, &buf);
    assert_int_equal(otlp_read_protobuf(buf_str(&buf), &arena, &batch, &error), 0);
    assert_same_spans(spans, 3, &batch);
}

static void test_bombs_of_empty_elements_are_refused(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    Arena own = {0};
    Batch batch;
    size_t open[] = {message_open(&buf, 1), message_open(&buf, 2), message_open(&buf, 2)};

    message_str(&buf, 1, trace_id);
    message_str(&buf, 2, span_id);
    for (int i = 0; i < 1000000; i++) {
        buf_append_str(&buf, STR("\x6A\x00"));
    }
    for (size_t i = ARRAY_LEN(open); i > 0; i--) {
        message_close(&buf, open[i - 1]);
    }
    assert_int_equal(otlp_read_protobuf(buf_str(&buf), &own, &batch, &error), WIRE_BAD);
    assert_true(own.allocated < 40 << 20);
    arena_deinit(&own);
}

static void test_empty_requests_hold_nothing(void **state)
{
    Batch batch;

    assert_int_equal(otlp_read_protobuf(STR(""), &arena, &batch, &error), 0);
    assert_int_equal(batch.n_spans, 0);
    assert_int_equal(otlp_read_protobuf((Str){0}, &arena, &batch, &error), 0);
}

static void test_responses_are_the_bytes_of_the_schema(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    otlp_write_response_protobuf(0, STR(""), &buf);
    assert_int_equal(buf.len, 0);
    otlp_write_response_protobuf(3, STR("no"), &buf);
    assert_true(str_equal(buf_str(&buf), STR("\x0A\x06\x08\x03\x12\x02no")));
    buf_clear(&buf);
    rpc_status_write_protobuf(14, STR("busy"), 5, &buf);
    assert_true(str_equal(buf_str(&buf), STR("\x08\x0E\x12\x04"
                                             "busy\x1A\x30\x0A\x28type.googleapis.com/"
                                             "google.rpc.RetryInfo\x12\x04\x0A\x02\x08\x05")));
    buf_clear(&buf);
    otlp_write_response_json(STR("rejectedSpans"), 0, STR(""), &buf);
    assert_string_equal(buf_cstr(&buf), "{}");
    buf_clear(&buf);
    otlp_write_response_json(STR("rejectedSpans"), 3, STR("no"), &buf);
    assert_string_equal(buf_cstr(&buf),
                        "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\"}}");
    buf_clear(&buf);
    rpc_status_write_json(14, STR("busy"), 5, &buf);
    assert_string_equal(
        buf_cstr(&buf),
        "{\"code\":14,\"message\":\"busy\",\"details\":[{\"@type\":\"type.googleapis.com/"
        "google.rpc.RetryInfo\",\"retryDelay\":\"5s\"}]}");
}

static void test_records_of_other_signals_are_counted(void **state)
{
    uint64_t count = 0;

    assert_int_equal(otlp_count_json(OTLP_LOGS,
                                     STR("{\"resourceLogs\":[{\"scope_logs\":[{\"logRecords\":[{},"
                                         "{\"body\":{}}]}]},{\"scopeLogs\":null}],\"x\":[1]}"),
                                     &arena, &count, &error),
                     0);
    assert_int_equal(count, 2);
    assert_int_equal(
        otlp_count_json(OTLP_METRICS,
                        STR("{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"gauge\":{"
                            "\"dataPoints\":[{},{}]}},{\"sum\":{\"dataPoints\":[{}]}}]}]}]}"),
                        &arena, &count, &error),
        0);
    assert_int_equal(count, 3);
    assert_int_equal(
        otlp_count_protobuf(OTLP_LOGS, STR("\x0A\x06\x12\x04\x12\x00\x12\x00"), &count, &error), 0);
    assert_int_equal(count, 2);
    assert_int_equal(otlp_count_protobuf(OTLP_LOGS, STR("\x0A\x06\x12"), &count, &error), WIRE_BAD);
    assert_int_equal(
        otlp_count_json(OTLP_LOGS, STR("{\"resourceLogs\":[1]}"), &arena, &count, &error),
        WIRE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_survives_protobuf),
        cmocka_unit_test(test_spans_with_bad_ids_are_left_out_and_counted),
        cmocka_unit_test(test_parent_of_wrong_length_rejects_the_span),
        cmocka_unit_test(test_links_to_nowhere_are_counted_as_dropped),
        cmocka_unit_test(test_malformed_bodies_are_refused),
        cmocka_unit_test(test_unknown_fields_and_groups_are_passed_over),
        cmocka_unit_test(test_the_last_of_a_oneof_and_of_a_scalar_counts),
        cmocka_unit_test(test_repeated_resources_merge_also_behind_their_spans),
        cmocka_unit_test(test_values_nest_to_the_limit),
        cmocka_unit_test(test_spans_with_many_attributes_keep_them_all),
        cmocka_unit_test(test_bombs_of_empty_elements_are_refused),
        cmocka_unit_test(test_empty_requests_hold_nothing),
        cmocka_unit_test(test_responses_are_the_bytes_of_the_schema),
        cmocka_unit_test(test_records_of_other_signals_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, drop_arena);
}
