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
 * Files in: OTLP JSON (one request, or one a line), OTLP protobuf (one request, or many with their
 * lengths, as the Collector's file exporter writes them), Jaeger JSON and Zipkin JSON, told apart
 * by their content, sent to a running server as OTLP.
 */
enum { BATCH_SPANS = 4096, FILE_MAX = 1 << 30, LENGTH_SIZE = 4, FIRST_FIELD = 0x0a };

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

/* Requests with their lengths before them, 4 bytes big-endian. A request of its own cannot begin
 * with a zero byte, and such a file begins with one unless its first request has 16 MiB. */
static int import_counted(Import *import, Str bytes)
{
    for (size_t number = 1; bytes.len > 0; number++) {
        size_t size = 0;

        for (size_t i = 0; i < MIN(bytes.len, (size_t)LENGTH_SIZE); i++) {
            size = size << 8 | (uint8_t)bytes.ptr[i];
        }
        if (bytes.len < LENGTH_SIZE || size > bytes.len - LENGTH_SIZE) {
            return cli_fail("%s ends within request %zu", import->file, number);
        }
        TRY(import_text(import, otlp_read_protobuf,
                        str_slice(bytes, LENGTH_SIZE, LENGTH_SIZE + size), number));
        bytes = str_slice(bytes, LENGTH_SIZE + size, bytes.len);
    }
    return EXIT_DONE;
}

/* A protobuf request begins with the byte of a line's end, and what is behind it may look like
 * JSON.
 */
static bool is_protobuf(Str bytes)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    ParseError error;
    Batch batch;
    Str text = str_trim(bytes);

    if (text.ptr[0] != '{' && text.ptr[0] != '[') {
        return true;
    }
    return bytes.ptr[0] == FIRST_FIELD && otlp_read_protobuf(bytes, &arena, &batch, &error) == 0;
}

static int import_content(Import *import, Str content)
{
    Str text = str_trim(content);

    if (text.len == 0) {
        return cli_fail("%s is empty", import->file);
    }
    if (content.ptr[0] == 0) {
        return import_counted(import, content);
    }
    if (is_protobuf(content)) {
        return import_text(import, otlp_read_protobuf, content, 1);
    }
    Reader reader = json_reader_for(text);
    return reader == otlp_read_json && is_lines(text) ? import_lines(import, text)
                                                      : import_text(import, reader, text, 1);
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
    int problem = ferror(file) != 0 ? errno : 0;
    if (file != stdin) {
        fclose(file);
    }
    if (problem != 0) {
        return cli_fail("%s cannot be read: %s", path, strerrordesc_np(problem));
    }
    if (n > 0) {
        return cli_fail("%s is larger than 1 GiB; split it", path);
    }
    return import_content(import, buf_str(&content));
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
                                .details =
                                    "Reads OTLP JSON or JSON Lines, OTLP protobuf (also with "
                                    "lengths), Jaeger JSON and Zipkin JSON by their content.\n",
                                .options = import_options,
                                .n_options = ARRAY_LEN(import_options),
                                .run = run_import};
