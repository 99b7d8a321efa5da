// SPDX-License-Identifier: Apache-2.0

/*
 * Writes a block of made spans to a file, and what other programs should find in it to standard
 * output, one JSON object a span (tests/e2e/test_parquet_duckdb.py):
 *
 *     block_sample FILE SEED SPANS [SPANS OF A ROW GROUP]
 */
#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"
#include "codec/utf8.h"
#include "store/block/testing.h"

static void print_text(JsonWriter *w, const char *key, Str text)
{
    Buf valid = {0};

    utf8_append_replaced(&valid, text);
    json_key(w, str_from_cstr(key));
    json_string(w, buf_str(&valid));
    buf_deinit(&valid);
}

static void print_span(const Span *span, Arena *arena)
{
    Buf line = {0};
    JsonWriter w = {.buf = &line};
    const Value *method = attributes_find(span->attributes, STR("http.method"));

    json_open(&w, '{');
    json_key(&w, STR("trace_id"));
    json_hex(&w, span->trace_id.bytes, TRACE_ID_SIZE);
    json_key(&w, STR("span_id"));
    json_hex(&w, span->span_id.bytes, SPAN_ID_SIZE);
    print_text(&w, "name", span->name);
    print_text(&w, "kind", span_kind_name(span->kind));
    print_text(&w, "status_code", status_code_name(span->status_code));
    json_key(&w, STR("start_time_unix_nano"));
    json_i64(&w, (int64_t)span->start_ns);
    json_key(&w, STR("duration_ns"));
    json_i64(&w, (int64_t)span_duration_ns(span));
    if (method != NULL) {
        print_text(&w, "http.method", value_text(method, arena));
    }
    json_key(&w, STR("n_events"));
    json_u64(&w, span->n_events);
    json_close(&w, '}');
    printf("%.*s\n", STR_ARG(buf_str(&line)));
    buf_deinit(&line);
}

int main(int argc, char **argv)
{
    Arena arena = {0};
    Buf content = {0};
    BlockSummary summary;

    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: block_sample FILE SEED SPANS\n");
        return 2;
    }
    size_t n = strtoul(argv[3], NULL, 10);
    Maker maker = {.state = strtoull(argv[2], NULL, 10), .arena = &arena, .is_wild = true};
    Span *spans = make_spans(&maker, n);
    make_grouped_block(spans, n, argc > 4 ? strtoul(argv[4], NULL, 10) : SIZE_MAX, &content,
                       &summary);
    FILE *file = fopen(argv[1], "wb");
    if (file == NULL || fwrite(content.ptr, 1, content.len, file) != content.len ||
        fclose(file) != 0) {
        perror(argv[1]);
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        print_span(&spans[i], &arena);
    }
    buf_deinit(&content);
    arena_deinit(&arena);
    return 0;
}
