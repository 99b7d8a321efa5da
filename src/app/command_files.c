// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/client.h"
#include "serve/api/json_view.h"
#include "codec/compress.h"
#include "os/fs.h"
#include "wire/jaeger_json.h"
#include "wire/otlp.h"
#include "wire/zipkin.h"

/*
 * Files in and out. Import reads OTLP JSON (one request, or one a line), OTLP protobuf, Jaeger JSON
 * and Zipkin JSON, told apart by their content, and sends them to a running server as OTLP. Export
 * asks the server for traces, page by page, and writes them.
 */
enum { BATCH_SPANS = 4096, FILE_MAX = 1 << 30, PAGE_TRACES = 100 };

typedef int (*Reader)(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);

typedef struct Import {
    Client *client;
    const char *file;
    uint64_t spans, rejected;
} Import;

static int send_spans(Import *import, const Span *spans, size_t n)
{
    CLEANUP(buf_deinit) Buf body = {0};
    CLEANUP(buf_deinit) Buf answer = {0};
    CLEANUP(buf_deinit) Buf why = {0};

    otlp_write_protobuf(spans, n, &body);
    const ClientPost post = {
        .path = "/v1/traces", .content_type = "application/x-protobuf", .body = buf_str(&body)};
    int status = client_post(import->client, &post, &answer, &why);
    while (status == 429 || status == 503) {
        sleep(1);
        buf_clear(&answer);
        status = client_post(import->client, &post, &answer, &why);
    }
    if (status != 200) {
        return status < 0 ? cli_fail("%s. Is `weft serve` running? --endpoint tells where.",
                                     buf_cstr(&why))
                          : cli_fail("the server answered HTTP %d to %s", status, import->file);
    }
    import->spans += n;
    return EXIT_DONE;
}

static int import_text(Import *import, Reader reader, Str text, size_t line)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    ParseError error;
    Batch batch;

    if (reader(text, &arena, &batch, &error) != 0) {
        return cli_fail("%s, line %zu, byte %zu: %s", import->file, line, error.offset, error.text);
    }
    import->rejected += batch.n_rejected;
    for (size_t at = 0; at < batch.n_spans; at += BATCH_SPANS) {
        TRY(send_spans(import, batch.spans + at, MIN(batch.n_spans - at, (size_t)BATCH_SPANS)));
    }
    return EXIT_DONE;
}

/* JSON that is not an OTLP request: an array is Zipkin's, an object with data or traceID Jaeger's.
 */
static Reader json_reader_for(Str text)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    JsonView view = {.raw = text, .arena = &arena};

    if (text.ptr[0] == '[') {
        return zipkin_read_json;
    }
    if (view_get(view, "data").raw.len > 0 || view_get(view, "traceID").raw.len > 0) {
        return jaeger_read_json;
    }
    return otlp_read_json;
}

static int import_lines(Import *import, Str text)
{
    Str line, rest = text;

    for (size_t number = 1; rest.len > 0; number++) {
        str_split(rest, '\n', &line, &rest);
        if (str_trim(line).len > 0) {
            TRY(import_text(import, otlp_read_json, str_trim(line), number));
        }
    }
    return EXIT_DONE;
}

/* Whether the first line is a whole JSON value of its own: JSON Lines. */
static bool is_lines(Str text)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    JsonReader reader;
    Str line, rest;

    str_split(text, '\n', &line, &rest);
    json_reader_init(&reader, line, &arena);
    return json_skip(&reader, NULL) == 0 && json_end(&reader) == 0;
}

static int import_file(Import *import, const char *path)
{
    CLEANUP(buf_deinit) Buf content = {0};
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t n = 1;

    import->file = path;
    if (file == NULL) {
        return cli_fail("%s cannot be read: %s", path, strerrordesc_np(errno));
    }
    while (n > 0 && content.len < FILE_MAX) {
        buf_reserve(&content, 1 << 20);
        n = fread(content.ptr + content.len, 1, 1 << 20, file);
        content.len += n;
    }
    if (file != stdin) {
        fclose(file);
    }
    if (n > 0) {
        return cli_fail("%s is larger than 1 GiB; split it", path);
    }
    Str text = str_trim(buf_str(&content));
    if (text.len == 0) {
        return cli_fail("%s is empty", path);
    }
    if (text.ptr[0] != '{' && text.ptr[0] != '[') {
        return import_text(import, otlp_read_protobuf, buf_str(&content), 1);
    }
    Reader reader = json_reader_for(text);
    return reader == otlp_read_json && is_lines(text) ? import_lines(import, text)
                                                      : import_text(import, reader, text, 1);
}

static int run_import(const Arguments *arguments)
{
    Import import = {.client =
                         client_new(cli_value(arguments, "endpoint", "http://localhost:4318"))};
    int status = EXIT_DONE;

    if (arguments->n_operands == 0) {
        client_free(import.client);
        return cli_usage("import needs at least one FILE (- is standard input)");
    }
    for (size_t i = 0; i < arguments->n_operands && status == EXIT_DONE; i++) {
        status = import_file(&import, arguments->operands[i]);
    }
    client_free(import.client);
    if (status != EXIT_DONE && import.spans == 0) {
        return status; /* the error alone is the one line */
    }
    fprintf(stderr, "imported %llu spans", (unsigned long long)import.spans);
    fprintf(stderr, import.rejected > 0 ? ", left out %llu without a valid id\n" : "\n",
            (unsigned long long)import.rejected);
    return status;
}

static const Option import_options[] = {
    {"endpoint", "URL", "OTLP/HTTP of the server (default http://localhost:4318)"},
};

const Command command_import = {.name = "import",
                                .operands = "FILE…",
                                .summary = "Send files of spans to a running server",
                                .details = "Reads OTLP JSON or JSON Lines, OTLP protobuf, Jaeger "
                                           "JSON and Zipkin JSON by their content.\n",
                                .options = import_options,
                                .n_options = ARRAY_LEN(import_options),
                                .run = run_import};

static void append_parameter(Buf *path, const char *name, Str value)
{
    buf_append_format(path, "&%s=", name);
    client_append_encoded(path, value);
}

/* Prints one trace in @format: the server renders OTLP and Jaeger itself. */
static int export_trace(Client *client, Str trace_id, bool jaeger, bool first)
{
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(buf_deinit) Buf body = {0};
    CLEANUP(buf_deinit) Buf why = {0};
    CLEANUP(arena_deinit) Arena arena = {0};

    buf_append_format(&path, jaeger ? "/api/traces/%.*s" : "/api/v3/traces/%.*s",
                      STR_ARG(trace_id));
    int status = client_get(client, buf_cstr(&path), &body, &why);
    if (status != 200) {
        return cli_fail("trace %.*s could not be read (HTTP %d)", STR_ARG(trace_id), status);
    }
    JsonView answer = {.raw = buf_str(&body), .arena = &arena}, trace = view_get(answer, "result");
    size_t cursor = 0;
    if (jaeger && !view_next(view_get(answer, "data"), &cursor, &trace)) {
        return EXIT_DONE; /* deleted by retention since the search */
    }
    printf("%s%.*s%s", jaeger && !first ? "," : "", STR_ARG(trace.raw), jaeger ? "" : "\n");
    return EXIT_DONE;
}

static int export_pages(const Arguments *arguments, Client *client, bool jaeger)
{
    CLEANUP(buf_deinit) Buf cursor = {0};
    uint64_t count = 0;

    do {
        CLEANUP(buf_deinit) Buf path = {0};
        CLEANUP(buf_deinit) Buf body = {0};
        CLEANUP(buf_deinit) Buf why = {0};
        CLEANUP(arena_deinit) Arena arena = {0};
        size_t at = 0;
        JsonView item;

        buf_append_format(&path, "/api/v1/traces?limit=%d", PAGE_TRACES);
        append_parameter(&path, "q", str_from_cstr(cli_value(arguments, "query", "")));
        if (cli_flag(arguments, "from")) {
            append_parameter(&path, "from", str_from_cstr(cli_value(arguments, "from", "")));
        }
        if (cli_flag(arguments, "to")) {
            append_parameter(&path, "to", str_from_cstr(cli_value(arguments, "to", "")));
        }
        if (cursor.len > 0) {
            append_parameter(&path, "cursor", buf_str(&cursor));
        }
        int status = client_get(client, buf_cstr(&path), &body, &why);
        if (status != 200) {
            JsonView error = view_get((JsonView){buf_str(&body), &arena}, "error");

            return status < 0
                       ? cli_fail("%s. Is `weft serve` running? --url tells where.", buf_cstr(&why))
                       : cli_fail("%.*s (HTTP %d). %.*s",
                                  STR_ARG(view_text(view_get(error, "message"))), status,
                                  STR_ARG(view_text(view_get(error, "hint"))));
        }
        JsonView page = {.raw = buf_str(&body), .arena = &arena};
        while (view_next(view_get(page, "items"), &at, &item)) {
            TRY(export_trace(client, view_text(view_get(item, "trace_id")), jaeger, count++ == 0));
        }
        buf_clear(&cursor);
        buf_append_str(&cursor, view_text(view_get(page, "cursor")));
        if (isatty(STDERR_FILENO)) {
            fprintf(stderr, "\rexported %llu traces", (unsigned long long)count);
        }
    } while (cursor.len > 0);
    fprintf(stderr, "%sexported %llu traces\n", isatty(STDERR_FILENO) ? "\r" : "",
            (unsigned long long)count);
    return EXIT_DONE;
}

static int run_export(const Arguments *arguments)
{
    const char *format = cli_value(arguments, "format", "otlp-json");
    bool jaeger = strcmp(format, "jaeger") == 0;

    if (!jaeger && strcmp(format, "otlp-json") != 0) {
        return cli_usage("--format is otlp-json or jaeger");
    }
    Client *client = client_new(cli_value(arguments, "url", "http://localhost:16686"));
    if (jaeger) {
        fputs("{\"data\":[", stdout);
    }
    int status = export_pages(arguments, client, jaeger);
    if (jaeger) {
        fputs("]}\n", stdout);
    }
    client_free(client);
    return fflush(stdout) != 0 ? cli_fail("standard output cannot be written") : status;
}

static const Option export_options[] = {
    {"query", "Q", "only traces that match this TraceQL"},
    {"from", "T", "start: RFC 3339, Unix time or -15m (default: all)"},
    {"to", "T", "end (default now)"},
    {"format", "F", "otlp-json (one request a line; default) or jaeger"},
    {"url", "URL", "the server (default http://localhost:16686)"},
};

const Command command_export = {.name = "export",
                                .summary = "Write traces of a running server to standard output",
                                .options = export_options,
                                .n_options = ARRAY_LEN(export_options),
                                .run = run_export};
