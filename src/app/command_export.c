// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/asking.h"
#include "app/cli.h"
#include "app/client.h"
#include "codec/json.h"
#include "serve/api/json_view.h"
#include "span/value.h"
#include "store/block.h"
#include "wire/jaeger_json.h"
#include "wire/otlp.h"
#include "wire/zipkin.h"

/*
 * Files out: asks the server which traces match, page by page, takes each as OTLP, which holds all
 * there is, and writes it in the format that is asked for. A Parquet file is written a row group at
 * a time: memory is that of one.
 */
enum {
    PAGE_TRACES = 100,
    PARQUET_SPANS_MAX = 1 << 24,      /* of a block */
    PARQUET_SPANS_EXPECTED = 1 << 22, /* nobody knows; its filter of values is made for so many */
    GROUP_BYTES = 64 << 20,           /* of traces: large spans end a row group early */
};

typedef struct Export Export;

/* One format. Text between traces is the writer's own. */
typedef struct ExportFormat {
    const char *name;
    const char *begin, *end;
    void (*write)(Export *export, Span *spans, size_t n, Buf *out);
} ExportFormat;

struct Export {
    Client *client;
    const ExportFormat *format;
    uint64_t n_traces, n_spans;
    Arena arena;           /* of a trace; of a row group for parquet */
    BlockBuilder *builder; /* parquet */
};

/* --- Formats --- */

static void write_otlp_json(Export *export, Span *spans, size_t n, Buf *out)
{
    (void)export;
    otlp_write_json(spans, n, out);
    buf_append_byte(out, '\n');
}

/* One request after the other is one request: protobuf joins repeated fields. */
static void write_otlp_protobuf(Export *export, Span *spans, size_t n, Buf *out)
{
    (void)export;
    otlp_write_protobuf(spans, n, out);
}

static void write_jaeger(Export *export, Span *spans, size_t n, Buf *out)
{
    if (export->n_traces > 0) {
        buf_append_byte(out, ',');
    }
    JsonWriter writer = {.buf = out};
    jaeger_write_trace(&writer, spans, n);
}

/* One list of all traces' spans. */
static void write_zipkin(Export *export, Span *spans, size_t n, Buf *out)
{
    CLEANUP(buf_deinit) Buf list = {0};

    zipkin_write_json(spans, n, &list);
    if (export->n_traces > 0) {
        buf_append_byte(out, ',');
    }
    buf_append_str(out, str_slice(buf_str(&list), 1, list.len - 1));
}

/* RFC 4180: quoted where it must be. */
static void append_cell(Buf *out, Str text, char end)
{
    bool is_plain = true;

    for (size_t i = 0; i < text.len; i++) {
        is_plain &= strchr("\",\r\n", text.ptr[i]) == NULL;
    }
    if (is_plain) {
        buf_append_str(out, text);
    } else {
        buf_append_byte(out, '"');
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] == '"') {
                buf_append_byte(out, '"');
            }
            buf_append_byte(out, (uint8_t)text.ptr[i]);
        }
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, (uint8_t)end);
}

static void append_id(Buf *out, const uint8_t *id, size_t size)
{
    buf_append_hex(out, id, size);
    buf_append_byte(out, ',');
}

static void put_value(JsonWriter *writer, const Value *value)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    bool is_number = value->type == VALUE_DOUBLE && isfinite(value->number);

    if (is_number || value->type == VALUE_BOOL || value->type == VALUE_INT ||
        value->type == VALUE_ARRAY || value->type == VALUE_MAP) {
        json_raw(writer, value_text(value, &arena)); /* which is JSON */
    } else {
        json_string(writer, value_text(value, &arena));
    }
}

/* {"key":value,…}; of a key that is there twice the first counts (CONTRACT.md §1). */
static void append_attributes(Buf *out, Attributes attributes, char end)
{
    CLEANUP(buf_deinit) Buf text = {0};
    JsonWriter writer = {.buf = &text};

    json_open(&writer, '{');
    for (size_t i = 0; i < attributes.count; i++) {
        const Attribute *item = &attributes.items[i];

        if (attributes_find(attributes, item->key) == &item->value) {
            json_key(&writer, item->key);
            put_value(&writer, &item->value);
        }
    }
    json_close(&writer, '}');
    append_cell(out, buf_str(&text), end);
}

static void write_csv(Export *export, Span *spans, size_t n, Buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const Span *span = &spans[i];

        append_id(out, span->trace_id.bytes, TRACE_ID_SIZE);
        append_id(out, span->span_id.bytes, SPAN_ID_SIZE);
        if (!span_id_is_zero(span->parent_span_id)) {
            buf_append_hex(out, span->parent_span_id.bytes, SPAN_ID_SIZE);
        }
        buf_append_byte(out, ',');
        append_cell(out, span_service_name(span, &export->arena), ',');
        append_cell(out, span->name, ',');
        append_cell(out, span_kind_name((SpanKind)span->kind), ',');
        buf_append_format(out, "%llu,%llu,", (unsigned long long)span->start_ns,
                          (unsigned long long)span_duration_ns(span));
        append_cell(out, status_code_name((StatusCode)span->status_code), ',');
        append_cell(out, span->status_message, ',');
        append_attributes(out, span->attributes, ',');
        append_attributes(out, span->resource->attributes, '\n');
    }
}

static int compare_starts(const void *a, const void *b)
{
    const Span *left = a, *right = b;

    if (left->start_ns != right->start_ns) {
        return left->start_ns < right->start_ns ? -1 : 1;
    }
    return span_id_compare(left->span_id, right->span_id);
}

static void write_parquet(Export *export, Span *spans, size_t n, Buf *out)
{
    qsort(spans, n, sizeof(*spans), compare_starts);
    for (size_t i = 0; i < n; i++) {
        block_builder_add(export->builder, &spans[i]);
    }
    if (block_builder_group_spans(export->builder) >= BLOCK_GROUP_ROWS ||
        export->arena.allocated >= GROUP_BYTES) {
        block_builder_end_group(export->builder, PARQUET_SPANS_EXPECTED, out);
        arena_deinit(&export->arena);
    }
}

static const ExportFormat formats[] = {
    {"otlp-json", "", "", write_otlp_json},
    {"otlp-proto", "", "", write_otlp_protobuf},
    {"jaeger", "{\"data\":[", "]}\n", write_jaeger},
    {"zipkin", "[", "]\n", write_zipkin},
    {"csv",
     "trace_id,span_id,parent_span_id,service_name,name,kind,start_time_unix_nano,duration_ns,"
     "status_code,status_message,attributes,resource_attributes\n",
     "", write_csv},
    {"parquet", "", "", write_parquet},
};

/* --- Traces --- */

static int write_out(Str bytes)
{
    return fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len
               ? EXIT_DONE
               : cli_fail("standard output cannot be written");
}

/* Takes one trace as OTLP; none: retention or somebody deleted it since the search. */
static int read_trace(Export *export, Str trace_id, Batch *ret_batch)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(buf_deinit) Buf body = {0};
    CLEANUP(buf_deinit) Buf why = {0};
    ParseError error;

    buf_append_format(&path, "/api/v3/traces/%.*s", STR_ARG(trace_id));
    int status = client_get(export->client, buf_cstr(&path), &body, &why);
    *ret_batch = (Batch){0};
    if (status == 404) {
        return EXIT_DONE;
    }
    if (status < 0) {
        return cli_fail("trace %.*s could not be read: %s", STR_ARG(trace_id), buf_cstr(&why));
    }
    if (status != 200) {
        return cli_fail("trace %.*s could not be read (HTTP %d)", STR_ARG(trace_id), status);
    }
    JsonView answer = {.raw = arena_copy(&export->arena, buf_str(&body)), .arena = &export->arena};
    if (otlp_read_json(view_get(answer, "result").raw, &export->arena, ret_batch, &error) != 0) {
        return cli_fail("trace %.*s could not be read: %s", STR_ARG(trace_id), error.text);
    }
    return EXIT_DONE;
}

static int export_trace(Export *export, Str trace_id)
{
    CLEANUP(buf_deinit) Buf out = {0};
    Batch batch;

    TRY(read_trace(export, trace_id, &batch));
    if (batch.n_spans == 0) {
        return EXIT_DONE;
    }
    if (export->builder != NULL && export->n_spans + batch.n_spans > PARQUET_SPANS_MAX) {
        return cli_fail(
            "more than %d spans do not fit into one Parquet file; narrow the export with "
            "--query, --from and --to",
            PARQUET_SPANS_MAX);
    }
    export->format->write(export, batch.spans, batch.n_spans, &out);
    export->n_traces++;
    export->n_spans += batch.n_spans;
    if (export->builder == NULL) {
        arena_reset(&export->arena);
    }
    return write_out(buf_str(&out));
}

/* --- Pages --- */

static void append_query(Buf *path, const Arguments *arguments, Buf *cursor)
{
    char separator = '&';

    buf_append_format(path, "/api/v1/traces?limit=%d", PAGE_TRACES);
    append_parameter(path, &separator, "q", cli_value(arguments, "query", ""));
    append_window(arguments, path, &separator, NULL);
    append_parameter(path, &separator, "cursor", cursor->len > 0 ? buf_cstr(cursor) : NULL);
}

static int export_page(Export *export, const Arguments *arguments, Buf *cursor)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(buf_deinit) Buf body = {0};
    CLEANUP(buf_deinit) Buf why = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t at = 0;
    JsonView item;

    append_query(&path, arguments, cursor);
    int status = client_get(export->client, buf_cstr(&path), &body, &why);
    JsonView page = {.raw = buf_str(&body), .arena = &arena};
    if (status < 0) {
        return cli_fail("%s. Is `weft serve` running? --url tells where.", buf_cstr(&why));
    }
    TRY(asking_check(arguments, status, page, "items"));
    while (view_next(view_get(page, "items"), &at, &item)) {
        TRY(export_trace(export, view_text(view_get(item, "trace_id"))));
    }
    buf_clear(cursor);
    buf_append_str(cursor, view_text(view_get(page, "cursor")));
    return EXIT_DONE;
}

static int export_pages(Export *export, const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf cursor = {0};
    bool is_terminal = isatty(STDERR_FILENO);

    do {
        TRY(export_page(export, arguments, &cursor));
        if (is_terminal) {
            fprintf(stderr, "\rexported %llu traces", (unsigned long long)export->n_traces);
        }
    } while (cursor.len > 0);
    fprintf(stderr, "%sexported %llu traces\n", is_terminal ? "\r" : "",
            (unsigned long long)export->n_traces);
    return EXIT_DONE;
}

static int export_all(Export *export, const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf file = {0};
    BlockSummary summary;

    TRY(write_out(str_from_cstr(export->format->begin)));
    TRY(export_pages(export, arguments));
    if (export->builder != NULL) {
        block_builder_finish(export->builder, &file, &summary);
        TRY(write_out(buf_str(&file)));
    }
    TRY(write_out(str_from_cstr(export->format->end)));
    return fflush(stdout) != 0 ? cli_fail("standard output cannot be written") : EXIT_DONE;
}

static const ExportFormat *find_format(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

static int run_export(const Arguments *arguments)
{
    Export export = {.format = find_format(cli_value(arguments, "format", "otlp-json"))};

    if (export.format == NULL) {
        return cli_usage("--format is otlp-json, otlp-proto, jaeger, zipkin, csv or parquet");
    }
    if (export.format->write == write_parquet) {
        if (isatty(STDOUT_FILENO)) {
            return cli_usage("a Parquet file is not for a terminal; write it with > FILE");
        }
        export.builder = block_builder_new(0);
    }
    export.client = client_new(cli_value(arguments, "url", "http://localhost:16686"));
    int status = export_all(&export, arguments);
    client_free(export.client);
    block_builder_free(export.builder);
    arena_deinit(&export.arena);
    return status;
}

static const Option export_options[] = {
    {"query", "Q", "only traces that match this TraceQL"},
    {"from", "T", "start: RFC 3339, Unix time or -15m (default: all)"},
    {"to", "T", "end (default now)"},
    {"format", "F",
     "otlp-json (one request a line; default), otlp-proto, jaeger, zipkin, csv, parquet"},
    {"url", "URL", "the server (default http://localhost:16686)"},
};

const Command command_export = {.name = "export",
                                .summary = "Write traces of a running server to standard output",
                                .options = export_options,
                                .n_options = ARRAY_LEN(export_options),
                                .run = run_export};
