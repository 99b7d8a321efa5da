// SPDX-License-Identifier: Apache-2.0
#include "wire/zipkin.h"

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

static Batch read_list(const char *json)
{
    Batch batch = {0};

    if (zipkin_read_json(str_from_cstr(json), &arena, &batch, &error) != 0) {
        fail_msg("%s at %zu", error.text, error.offset);
    }
    return batch;
}

static void assert_attribute(const Span *span, const char *key, const char *expected)
{
    const Value *value = attributes_find(span->attributes, str_from_cstr(key));

    if (value == NULL || !str_equal(value_text(value, &arena), str_from_cstr(expected))) {
        fail_msg("%s is not %s", key, expected);
    }
}

static void test_fields_become_those_of_opentelemetry(void **state)
{
    Batch batch = read_list(
        "[{\"traceId\":\"BFF1CE97b30e7fa3\",\"parentId\":\"1\",\"id\":\"49233dc155163ea0\","
        "\"kind\":\"CLIENT\",\"name\":\"get\",\"timestamp\":1795233887962819,"
        "\"duration\":\"13577\",\"localEndpoint\":{\"serviceName\":\"web\","
        "\"ipv4\":\"10.0.0.1\",\"port\":80},\"remoteEndpoint\":{\"serviceName\":\"cart\","
        "\"ipv6\":\"::1\",\"port\":8080},\"annotations\":[{\"timestamp\":5,\"value\":\"x\"}],"
        "\"tags\":{\"http.path\":\"/p\",\"otel.status_code\":\"ERROR\",\"error\":\"boom\","
        "\"otel.library.name\":\"lib\",\"w3c.tracestate\":\"a=b\",\"n\":1},"
        "\"debug\":true,\"shared\":null}]");
    const Span *span = &batch.spans[0];

    assert_int_equal(batch.n_spans, 1);
    assert_int_equal(span->trace_id.bytes[0], 0);
    assert_int_equal(span->trace_id.bytes[8], 0xBF);
    assert_int_equal(span->parent_span_id.bytes[7], 1);
    assert_int_equal(span->kind, SPAN_KIND_CLIENT);
    assert_true(span->start_ns == 1795233887962819000U);
    assert_int_equal(span_duration_ns(span), 13577000);
    assert_int_equal(span->status_code, STATUS_ERROR);
    assert_true(str_equal(span->status_message, STR("boom")));
    assert_true(str_equal(span->scope->name, STR("lib")));
    assert_true(str_equal(span->trace_state, STR("a=b")));
    assert_true(str_equal(span_service_name(span, &arena), STR("web")));
    assert_int_equal(span->n_events, 1);
    assert_int_equal(span->events[0].time_ns, 5000);
    assert_attribute(span, "http.path", "/p");
    assert_attribute(span, "n", "1");
    assert_attribute(span, "peer.service", "cart");
    assert_attribute(span, "network.peer.address", "::1");
    assert_attribute(span, "network.peer.port", "8080");
    assert_attribute(span, "network.local.address", "10.0.0.1");
    assert_int_equal(span->attributes.count, 7);
}

static void test_a_remote_name_is_an_address_to_look_up(void **state)
{
    Batch batch = read_list("[{\"traceId\":\"1\",\"id\":\"2\",\"remoteEndpoint\":{\"ipv4\":"
                            "\"db.local\",\"port\":5432}}]");

    assert_attribute(&batch.spans[0], "server.address", "db.local");
    assert_attribute(&batch.spans[0], "server.port", "5432");
}

static void test_spans_of_one_service_share_its_resource(void **state)
{
    Batch batch =
        read_list("[{\"traceId\":\"1\",\"id\":\"2\",\"localEndpoint\":{\"serviceName\":\"a\"}},"
                  "{\"traceId\":\"1\",\"id\":\"3\",\"localEndpoint\":{\"serviceName\":\"b\"}},"
                  "{\"traceId\":\"1\",\"id\":\"4\",\"localEndpoint\":{\"serviceName\":\"a\"}},"
                  "{\"traceId\":\"1\",\"id\":\"5\"}]");

    assert_ptr_equal(batch.spans[0].resource, batch.spans[2].resource);
    assert_ptr_not_equal(batch.spans[0].resource, batch.spans[1].resource);
    assert_int_equal(batch.spans[3].resource->attributes.count, 0);
}

static void test_spans_without_ids_are_counted_and_bad_ids_refused(void **state)
{
    static const char *const refused[] = {"[{\"traceId\":\"x\",\"id\":\"2\"}]",
                                          "[{\"traceId\":\"1\",\"id\":\"22222222222222222\"}]",
                                          "{}",
                                          "[1]",
                                          "[{\"traceId\":\"1\",\"id\":\"2\"}",
                                          "[] x"};
    Batch batch = read_list("[{\"id\":\"2\"},{\"traceId\":\"1\"},{\"traceId\":\"1\",\"id\":\"0\"},"
                            "{\"traceId\":\"1\",\"id\":\"2\"}]");

    assert_int_equal(batch.n_spans, 1);
    assert_int_equal(batch.n_rejected, 3);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        assert_int_equal(zipkin_read_json(str_from_cstr(refused[i]), &arena, &batch, &error),
                         ZIPKIN_BAD);
        assert_non_null(error.text);
    }
}

static void test_what_is_written_reads_back(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    Batch batch = read_list(
        "[{\"traceId\":\"1\",\"id\":\"2\",\"kind\":\"CLIENT\",\"name\":\"n\",\"timestamp\":10,"
        "\"duration\":5,\"localEndpoint\":{\"serviceName\":\"a\",\"port\":9},"
        "\"remoteEndpoint\":{\"serviceName\":\"b\",\"ipv4\":\"1.2.3.4\"},"
        "\"annotations\":[{\"timestamp\":11,\"value\":\"e\"}],"
        "\"tags\":{\"k\":\"v\",\"error\":\"\",\"otel.scope.name\":\"s\"}},"
        "{\"traceId\":\"1\",\"id\":\"2\",\"kind\":\"SERVER\",\"shared\":true}]");
    Batch again;

    zipkin_write_json(batch.spans, batch.n_spans, &buf);
    assert_int_equal(zipkin_read_json(buf_str(&buf), &arena, &again, &error), 0);
    assert_int_equal(again.n_spans, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(span_compare_content(&batch.spans[i], &again.spans[i]), 0);
    }
    assert_true(str_find(buf_str(&buf), STR("\"shared\":true")) < buf.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_become_those_of_opentelemetry),
        cmocka_unit_test(test_a_remote_name_is_an_address_to_look_up),
        cmocka_unit_test(test_spans_of_one_service_share_its_resource),
        cmocka_unit_test(test_spans_without_ids_are_counted_and_bad_ids_refused),
        cmocka_unit_test(test_what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, drop_arena);
}
