// SPDX-License-Identifier: Apache-2.0

/*
 * Real clients' bodies (shared/data/clients), decoded and compared span by span with what the
 * official protobuf classes found in them. Formats without a reader are passed over by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "codec/compress.h"
#include "codec/json.h"
#include "wire/jaeger_json.h"
#include "wire/otlp.h"
#include "wire/zipkin.h"

enum { SPANS_MAX = 200, FILE_MAX = 1 << 22 };

static Arena arena;

/* Everything decoded from one capture. */
typedef struct Capture {
    const char *name;
    Span spans[SPANS_MAX];
    size_t n_spans;
    uint64_t n_log_records, n_data_points;
    bool unsupported;
} Capture;

static Str path_of(const char *capture, const char *file)
{
    const char *root = getenv("WEFT_SOURCE_ROOT");

    return arena_format(&arena, "%s/../shared/data/clients/%s/%s", root == NULL ? "." : root,
                        capture, file);
}

/* The whole file, or an empty view when there is none. */
static Str read_path(Str path)
{
    CLEANUP(buf_deinit) Buf name = {0};

    buf_append_str(&name, path);
    FILE *file = fopen(buf_cstr(&name), "rb");
    if (file == NULL) {
        return STR("");
    }
    char *bytes = arena_alloc(&arena, FILE_MAX);
    size_t len = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    assert_true(len < FILE_MAX);
    return str_from_bytes(bytes, len);
}

/* The raw text of a member of an object; empty when it is not there. */
static Str member(Str object, const char *name)
{
    JsonReader reader;
    Str key, raw, found = STR("");

    json_reader_init(&reader, object, &arena);
    assert_int_equal(json_enter_object(&reader), 0);
    while (json_next_key(&reader, &key) > 0) {
        assert_int_equal(json_skip(&reader, &raw), 0);
        if (str_equal(key, str_from_cstr(name))) {
            found = raw;
        }
    }
    return found;
}

static Str text_member(Str object, const char *name)
{
    JsonReader reader;
    Str text;

    json_reader_init(&reader, member(object, name), &arena);
    if (reader.text.len == 0) {
        return STR("");
    }
    assert_int_equal(json_read_text(&reader, &text), 0);
    return text;
}

static uint64_t number_member(Str object, const char *name)
{
    uint64_t number = 0;
    Str raw = member(object, name);

    if (raw.len != 0 && !str_equal(raw, STR("null"))) {
        assert_int_equal(str_parse_u64(raw, &number), 0);
    }
    return number;
}

static Str decoded_body(const Capture *capture, Str request)
{
    Str file = text_member(request, "file");
    Str body = read_path(path_of(capture->name, arena_format(&arena, "%.*s", STR_ARG(file)).ptr));
    Encoding encoding;
    Buf out = {0};

    assert_int_equal(body.len, number_member(request, "size"));
    if (!str_equal(text_member(request, "transport"), STR("otlp-http")) &&
        !str_equal(text_member(request, "transport"), STR("zipkin"))) {
        return body; /* gRPC bodies are stored decompressed */
    }
    assert_int_equal(encoding_parse(text_member(request, "content_encoding"), &encoding), 0);
    assert_int_equal(decompress(encoding, body, 1 << 24, &out), 0);
    body = arena_copy(&arena, buf_str(&out));
    buf_deinit(&out);
    return body;
}

static void keep_spans(Capture *capture, const Batch *batch)
{
    assert_true(capture->n_spans + batch->n_spans <= SPANS_MAX);
    for (size_t i = 0; i < batch->n_spans; i++) {
        capture->spans[capture->n_spans++] = batch->spans[i];
    }
    assert_int_equal(batch->n_rejected, 0);
}

static void take_other_signal(Capture *capture, Str signal, Str body, bool json)
{
    OtlpSignal kind = str_equal(signal, STR("logs")) ? OTLP_LOGS : OTLP_METRICS;
    uint64_t count = 0;
    ParseError error;

    assert_int_equal(json ? otlp_count_json(kind, body, &arena, &count, &error)
                          : otlp_count_protobuf(kind, body, &count, &error),
                     0);
    *(kind == OTLP_LOGS ? &capture->n_log_records : &capture->n_data_points) += count;
}

static void take_request(Capture *capture, Str request)
{
    Str transport = text_member(request, "transport");
    Str type = text_member(request, "content_type"), signal = text_member(request, "signal");
    bool json = str_starts_with(type, STR("application/json"));
    ParseError error = {0};
    Batch batch = {0};
    int r;

    if (str_starts_with(transport, STR("wire-"))) {
        return;
    }
    bool zipkin = str_equal(transport, STR("zipkin"));
    if (!str_starts_with(transport, STR("otlp-")) && !(zipkin && json)) {
        capture->unsupported = true;
        return;
    }
    Str body = decoded_body(capture, request);
    if (!zipkin && !str_equal(signal, STR("traces"))) {
        take_other_signal(capture, signal, body, json);
        return;
    }
    if (zipkin) {
        r = zipkin_read_json(body, &arena, &batch, &error);
    } else if (json) {
        r = otlp_read_json(body, &arena, &batch, &error);
    } else {
        r = otlp_read_protobuf(body, &arena, &batch, &error);
    }
    if (r != 0) {
        fail_msg("%s: %s at %zu", capture->name, error.text, error.offset);
    }
    assert_int_equal(batch.n_spans, number_member(request, "n_spans"));
    keep_spans(capture, &batch);
}

static const Span *find_span(const Capture *capture, Str expected)
{
    TraceId trace_id;
    SpanId span_id;
    Str service = text_member(expected, "service");

    assert_int_equal(trace_id_parse(text_member(expected, "trace_id"), &trace_id), 0);
    assert_int_equal(span_id_parse(text_member(expected, "span_id"), &span_id), 0);
    for (size_t i = 0; i < capture->n_spans; i++) {
        const Span *span = &capture->spans[i];
        if (trace_id_equal(span->trace_id, trace_id) && span_id_equal(span->span_id, span_id) &&
            str_equal(span_service_name(span, &arena), service)) {
            return span;
        }
    }
    fail_msg("%s: span %.*s is missing", capture->name, STR_ARG(expected));
    return NULL;
}

static void assert_text(Str expected, const char *name, Str text)
{
    if (!str_equal(text_member(expected, name), text)) {
        fail_msg("%s of %.*s is %.*s", name, STR_ARG(expected), STR_ARG(text));
    }
}

static void compare_span(const Span *span, Str expected)
{
    CLEANUP(buf_deinit) Buf parent = {0};
    SpanKind kind = SPAN_KIND_UNSPECIFIED;
    StatusCode status;
    bool otlp = str_starts_with(text_member(expected, "format"), STR("otlp"));

    if (!span_id_is_zero(span->parent_span_id)) {
        buf_append_hex(&parent, span->parent_span_id.bytes, SPAN_ID_SIZE);
    }
    assert_int_equal(span_kind_parse(text_member(expected, "kind"), &kind), 0);
    assert_int_equal(span->kind, kind);
    assert_int_equal(status_code_parse(text_member(expected, "status"), &status), 0);
    assert_int_equal(span->status_code, status);
    assert_text(expected, "name", span->name);
    assert_text(expected, "parent_span_id", buf_str(&parent));
    assert_text(expected, "status_message", span->status_message);
    assert_true(span->start_ns == number_member(expected, "start_unix_nano"));
    assert_true(span->end_ns == number_member(expected, "end_unix_nano"));
    assert_int_equal(span->n_events, number_member(expected, "n_events"));
    assert_int_equal(span->n_links, number_member(expected, "n_links"));
    if (otlp) { /* elsewhere tags become fields and fields attributes */
        assert_int_equal(span->attributes.count, number_member(expected, "n_attributes"));
    }
}

/* What is written must be read as the same spans. */
static void compare_rewritten(const Capture *capture, const Batch *batch)
{
    assert_int_equal(batch->n_spans, capture->n_spans);
    for (size_t i = 0; i < batch->n_spans; i++) {
        assert_int_equal(span_compare_content(&batch->spans[i], &capture->spans[i]), 0);
    }
}

static void compare_both_ways(const Capture *capture)
{
    CLEANUP(buf_deinit) Buf protobuf = {0};
    CLEANUP(buf_deinit) Buf json = {0};
    ParseError error;
    Batch batch;

    otlp_write_protobuf(capture->spans, capture->n_spans, &protobuf);
    assert_int_equal(otlp_read_protobuf(buf_str(&protobuf), &arena, &batch, &error), 0);
    compare_rewritten(capture, &batch);
    otlp_write_json(capture->spans, capture->n_spans, &json);
    assert_int_equal(otlp_read_json(buf_str(&json), &arena, &batch, &error), 0);
    compare_rewritten(capture, &batch);
}

/* Zipkin's and Jaeger's JSON keep ids, names, kinds, times to the microsecond and errors. */
static void compare_lossy(const Capture *capture, const Batch *batch, const char *format)
{
    assert_int_equal(batch->n_spans, capture->n_spans);
    for (size_t i = 0; i < batch->n_spans; i++) {
        const Span *a = &capture->spans[i], *b = &batch->spans[i];
        bool same_kind = a->kind == b->kind || a->kind <= SPAN_KIND_INTERNAL;

        if (!span_id_equal(a->parent_span_id, b->parent_span_id) || !str_equal(a->name, b->name) ||
            !same_kind || a->status_code != b->status_code || a->n_events != b->n_events ||
            a->start_ns / 1000 != b->start_ns / 1000 ||
            !str_equal(span_service_name(a, &arena), span_service_name(b, &arena))) {
            fail_msg("%s: %.*s changed in %s", capture->name, STR_ARG(a->name), format);
        }
    }
}

static void compare_other_formats(const Capture *capture)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    ParseError error;
    Batch batch;

    zipkin_write_json(capture->spans, capture->n_spans, &buf);
    assert_int_equal(zipkin_read_json(buf_str(&buf), &arena, &batch, &error), 0);
    compare_lossy(capture, &batch, "Zipkin's JSON");
}

static int compare_traces(const void *a, const void *b)
{
    const Span *left = a, *right = b;
    int order = trace_id_compare(left->trace_id, right->trace_id);

    return order != 0 ? order : span_compare_identity(left, right);
}

/* All spans as {"data":[trace…]}, sorted by trace. A capture with shared ids is not compared: their
 * SERVER halves get new ids. */
static void compare_jaeger(Capture *capture)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    JsonWriter writer = {.buf = &buf};
    ParseError error;
    Batch batch;

    qsort(capture->spans, capture->n_spans, sizeof(Span), compare_traces);
    json_open(&writer, '{');
    json_key(&writer, STR("data"));
    json_open(&writer, '[');
    for (size_t i = 0, n; i < capture->n_spans; i += n) {
        const Span *first = &capture->spans[i];
        for (n = 1; i + n < capture->n_spans && trace_id_equal(first[n].trace_id, first->trace_id);
             n++) {
            if (span_id_equal(first[n].span_id, first[n - 1].span_id)) {
                return;
            }
        }
        jaeger_write_trace(&writer, first, n);
    }
    json_close(&writer, ']');
    json_close(&writer, '}');
    assert_int_equal(jaeger_read_json(buf_str(&buf), &arena, &batch, &error), 0);
    compare_lossy(capture, &batch, "Jaeger's JSON");
    for (size_t i = 0; i < batch.n_spans; i++) {
        assert_int_equal(batch.spans[i].n_links, capture->spans[i].n_links);
        assert_int_equal(batch.spans[i].attributes.count, capture->spans[i].attributes.count);
        assert_int_equal(batch.spans[i].kind, capture->spans[i].kind);
    }
}

static void check_capture(const char *name)
{
    Capture *capture = ARENA_NEW(&arena, Capture);
    Str expect = read_path(path_of(name, "expect.json"));
    Str index = read_path(path_of(name, "index.jsonl")), line;
    JsonReader reader;
    Str span;
    int more;

    capture->name = name;
    while (index.len > 0) {
        str_split(index, '\n', &line, &index);
        if (line.len > 0) {
            take_request(capture, line);
        }
    }
    if (capture->unsupported) {
        printf("%s: passed over, its format has no reader here\n", name);
        return;
    }
    assert_int_equal(capture->n_spans, number_member(expect, "n_spans"));
    assert_int_equal(capture->n_log_records, number_member(expect, "log_records"));
    assert_true(capture->n_data_points >= number_member(expect, "metrics"));
    json_reader_init(&reader, member(expect, "spans"), &arena);
    assert_int_equal(json_enter_array(&reader), 0);
    while ((more = json_next_item(&reader)) > 0) {
        assert_int_equal(json_skip(&reader, &span), 0);
        compare_span(find_span(capture, span), span);
    }
    assert_int_equal(more, 0);
    compare_both_ways(capture);
    compare_other_formats(capture);
    compare_jaeger(capture);
}

static void test_captures_are_read_as_expected(void **state)
{
    CLEANUP(buf_deinit) Buf path = {0};
    size_t n_captures = 0;

    buf_append_str(&path, path_of("", ""));
    DIR *clients = opendir(buf_cstr(&path));
    if (clients == NULL) {
        printf("skipped: %s is missing\n", buf_cstr(&path));
        buf_deinit(&path); /* skip() does not return */
        skip();
    }
    for (struct dirent *entry; (entry = readdir(clients)) != NULL;) {
        Str expect = path_of(entry->d_name, "expect.json");
        if (entry->d_name[0] != '.' && read_path(expect).len > 0) {
            check_capture(entry->d_name);
            n_captures++;
        }
        arena_reset(&arena);
    }
    closedir(clients);
    assert_true(n_captures >= 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures_are_read_as_expected),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);

    arena_deinit(&arena);
    return r;
}
