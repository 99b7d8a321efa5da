// SPDX-License-Identifier: Apache-2.0

/*
 * Times the readers of span batches: a body of 10-attribute spans, about 500 bytes each in
 * protobuf, is decoded again and again, and the spans per second of the best of several rounds are
 * printed.
 */
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "wire/otlp.h"
#include "wire/zipkin.h"

enum { N_SPANS = 2000, N_ATTRIBUTES = 10, ROUNDS = 7, SPANS_PER_ROUND = 1000000 };

typedef int (*ReadFunction)(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);

static Span *make_spans(Arena *arena)
{
    static const char *const keys[N_ATTRIBUTES] = {
        "http.request.method", "http.route",       "url.path", "http.response.status_code",
        "server.address",      "server.port",      "user.id",  "network.protocol.version",
        "k8s.pod.name",        "session.basket.id"};
    Span *spans = ARENA_ARRAY(arena, Span, N_SPANS);
    Resource *resource = ARENA_NEW(arena, Resource);
    Scope *scope = ARENA_NEW(arena, Scope);

    scope->name = STR("bench");
    for (size_t i = 0; i < N_SPANS; i++) {
        Attribute *attributes = ARENA_ARRAY(arena, Attribute, N_ATTRIBUTES);
        for (size_t k = 0; k < N_ATTRIBUTES; k++) {
            attributes[k].key = str_from_cstr(keys[k]);
            attributes[k].value =
                k == 3 || k == 5
                    ? value_int(200 + (int64_t)k)
                    : value_string(arena_format(arena, "value-%zu-of-%zu", k, i * 7919));
        }
        spans[i] = (Span){.trace_id = {{1, (uint8_t)(i >> 8), (uint8_t)i}},
                          .span_id = {{2, (uint8_t)(i >> 8), (uint8_t)i}},
                          .parent_span_id = {{3, (uint8_t)(i >> 8), (uint8_t)i}},
                          .name = STR("GET /api/orders/{id}"),
                          .kind = SPAN_KIND_SERVER,
                          .start_ns = 1795233873912411000 + i * 1000,
                          .end_ns = 1795233873913411000 + i * 1000,
                          .attributes = {attributes, N_ATTRIBUTES},
                          .resource = resource,
                          .scope = scope};
    }
    return spans;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void time_reader(const char *name, ReadFunction read, Str body)
{
    double best = 1e9;
    Arena arena = {0};

    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds_now();
        for (int i = 0; i < SPANS_PER_ROUND / N_SPANS; i++) {
            Batch batch;
            ParseError error;

            arena_reset(&arena);
            ASSERT(read(body, &arena, &batch, &error) == 0 && batch.n_spans == N_SPANS);
        }
        double took = seconds_now() - start;
        best = took < best ? took : best;
    }
    double spans = (double)(SPANS_PER_ROUND / N_SPANS * N_SPANS);
    printf("%-14s %8.2f M spans/s  %6.0f ns/span  %5zu B/span\n", name, spans / best / 1e6,
           best / spans * 1e9, body.len / N_SPANS);
    arena_deinit(&arena);
}

int main(void)
{
    Arena arena = {0};
    Span *spans = make_spans(&arena);
    Buf protobuf = {0}, json = {0}, zipkin = {0};

    otlp_write_protobuf(spans, N_SPANS, &protobuf);
    time_reader("otlp protobuf", otlp_read_protobuf, buf_str(&protobuf));
    otlp_write_json(spans, N_SPANS, &json);
    time_reader("otlp json", otlp_read_json, buf_str(&json));
    zipkin_write_json(spans, N_SPANS, &zipkin);
    time_reader("zipkin json", zipkin_read_json, buf_str(&zipkin));
    buf_deinit(&protobuf);
    buf_deinit(&json);
    buf_deinit(&zipkin);
    arena_deinit(&arena);
    return 0;
}
