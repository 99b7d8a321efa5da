// SPDX-License-Identifier: Apache-2.0
#include "serve/ingest.h"

#include <pthread.h>
#include <stdatomic.h>

#include "codec/compress.h"
#include "serve/ingest_answer.h"
#include "wire/otlp.h"
#include "wire/zipkin.h"

/*
 * A request's way: body inflated (bounded) -> decoded in place into a StoreBatch -> appended. What
 * is not OTLP protobuf (JSON, Zipkin) is written as OTLP protobuf first and decoded from there, so
 * that the log has one format and the batch's views have one owner: its body.
 */
enum { ROUTES_MAX = 4 };

struct Ingest {
    Store *store;
    const Clock *clock;
    IngestCounters counters;
    pthread_mutex_t last_lock;
    IngestLast last;
    pthread_mutex_t large_lock; /* one large body at a time is decoded */
    Route otlp_http[ROUTES_MAX], otlp_grpc[ROUTES_MAX], zipkin[ROUTES_MAX];
};

typedef int (*BodyReader)(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);

/* A request between store_append() and its answer. */
typedef struct Waiting {
    Ingest *ingest;
    Exchange *exchange;
    AnswerFormat format;
    size_t n_spans, n_rejected;
    const char *reject_reason;
} Waiting;

static void answer_failure(Ingest *ingest, Exchange *exchange, AnswerFormat format, Failure failure,
                           const ParseError *error)
{
    static const size_t counters[] = {
        [FAILURE_UNDECODABLE] = offsetof(IngestCounters, bodies_undecodable),
        [FAILURE_TOO_LARGE] = offsetof(IngestCounters, bodies_too_large),
        [FAILURE_CONTENT_TYPE] = offsetof(IngestCounters, bodies_unsupported),
        [FAILURE_ENCODING] = offsetof(IngestCounters, bodies_unsupported),
        [FAILURE_BUSY] = offsetof(IngestCounters, refused_busy),
        [FAILURE_LARGE] = offsetof(IngestCounters, refused_large),
        [FAILURE_DISK] = offsetof(IngestCounters, refused_disk),
    };

    atomic_fetch_add((_Atomic uint64_t *)((uint8_t *)&ingest->counters + counters[failure]), 1);
    answer_send_failure(exchange, format, failure, error);
}

static void copy_name(Str name, char *to)
{
    size_t len = MIN(name.len, (size_t)INGEST_NAME_MAX - 1);

    mem_copy(to, name.ptr, len);
    to[len] = '\0';
}

static void remember_last(Ingest *ingest, const Span *span)
{
    CLEANUP(arena_deinit) Arena arena = {0};

    if (pthread_mutex_trylock(&ingest->last_lock) != 0) {
        return; /* another request is just being remembered: one of them is enough */
    }
    ingest->last.time_ns = clock_realtime_ns(ingest->clock);
    copy_name(span_service_name(span, &arena), ingest->last.service);
    copy_name(span->name, ingest->last.span);
    pthread_mutex_unlock(&ingest->last_lock);
}

static void on_appended(void *context, int result)
{
    Waiting *waiting = context;

    if (result == 0) {
        atomic_fetch_add(&waiting->ingest->counters.spans_accepted, waiting->n_spans);
        answer_send_kept(waiting->exchange, waiting->format, waiting->n_rejected,
                         str_from_cstr(waiting->reject_reason));
    } else {
        answer_failure(waiting->ingest, waiting->exchange, waiting->format, FAILURE_DISK, NULL);
    }
    mem_free(waiting);
}

/* Of what store_append() refused. */
static Failure refusal(int result)
{
    return result == STORE_BUSY ? FAILURE_BUSY : FAILURE_DISK;
}

static void append(Ingest *ingest, Exchange *exchange, AnswerFormat format, StoreBatch *batch)
{
    Waiting *waiting = NEW(Waiting);

    *waiting = (Waiting){.ingest = ingest,
                         .exchange = exchange,
                         .format = format,
                         .n_spans = batch->spans.n_spans,
                         .n_rejected = batch->spans.n_rejected,
                         .reject_reason = batch->spans.reject_reason};
    atomic_fetch_add(&ingest->counters.spans_invalid_id, waiting->n_rejected);
    if (waiting->n_spans == 0) {
        store_batch_free(batch);
        on_appended(waiting, 0);
        return;
    }
    remember_last(ingest, &batch->spans.spans[waiting->n_spans - 1]);
    int r = store_append(ingest->store, batch, on_appended, waiting);
    if (r != 0) {
        store_batch_free(batch);
        mem_free(waiting);
        answer_failure(ingest, exchange, format, refusal(r), NULL);
    }
}

/* Inflates the request's body into @buf, or moves one there that is not compressed. Returns 0, or 1
 * with the failure. */
static int inflate_body(Exchange *exchange, Buf *buf, Failure *ret_failure)
{
    const Request *request = exchange_request(exchange);
    Encoding encoding;

    if (encoding_parse(request->encoding, &encoding) != 0) {
        *ret_failure = FAILURE_ENCODING;
        return 1;
    }
    if (encoding == ENCODING_IDENTITY && request->body.len <= INGEST_BODY_MAX &&
        exchange_take_body(exchange, buf)) {
        return 0;
    }
    int r = decompress(encoding, request->body, INGEST_BODY_MAX, buf);
    if (r != 0) {
        *ret_failure = r == DECOMPRESS_TOO_LARGE ? FAILURE_TOO_LARGE : FAILURE_UNDECODABLE;
        return 1;
    }
    return 0;
}

/* Reads @text by @reader, writes it as OTLP protobuf into the batch and decodes it from there. */
static int read_through_protobuf(BodyReader reader, Str text, StoreBatch *batch,
                                 ParseError *ret_error)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Batch read;

    TRY(reader(text, &arena, &read, ret_error));
    otlp_write_protobuf(read.spans, read.n_spans, &batch->body);
    TRY(otlp_read_protobuf(buf_str(&batch->body), &batch->arena, &batch->spans, ret_error));
    batch->spans.n_rejected = read.n_rejected;
    batch->spans.reject_reason = read.reject_reason;
    return 0;
}

/* What one request's body is read with and into. */
typedef struct Reading {
    Ingest *ingest;
    Exchange *exchange;
    BodyReader reader;
    StoreBatch *batch;
    bool is_large; /* the lock is held */
    Failure failure;
    ParseError error;
} Reading;

/* Takes its turn before a large body is decoded, and has the store look again at what waits: by now
 * its size is known. Does not wait: the loop has others to serve. 0, or 1 with the failure. */
static int take_turn(Reading *reading, size_t len)
{
    if (len <= INGEST_BODY_LARGE) {
        return 0;
    }
    reading->failure = FAILURE_LARGE;
    if (pthread_mutex_trylock(&reading->ingest->large_lock) != 0) {
        return 1;
    }
    reading->is_large = true;
    int r = store_check_room(reading->ingest->store, 2 * (uint64_t)len);
    if (r != 0) {
        reading->failure = refusal(r);
        return 1;
    }
    return 0;
}

/* Before any answer: who sends large bodies one after another must not meet itself. */
static void end_turn(Reading *reading)
{
    if (reading->is_large) {
        pthread_mutex_unlock(&reading->ingest->large_lock);
        reading->is_large = false;
    }
}

static int read_batch(Reading *reading)
{
    CLEANUP(buf_deinit) Buf text = {0};
    StoreBatch *batch = reading->batch;
    bool is_protobuf = reading->reader == otlp_read_protobuf;
    Buf *body = is_protobuf ? &batch->body : &text;

    reading->error = (ParseError){.text = "the body does not match its content encoding"};
    TRY(inflate_body(reading->exchange, body, &reading->failure));
    TRY(take_turn(reading, body->len));
    reading->failure = FAILURE_UNDECODABLE;
    if (is_protobuf) {
        return otlp_read_protobuf(buf_str(body), &batch->arena, &batch->spans, &reading->error);
    }
    return read_through_protobuf(reading->reader, buf_str(body), batch, &reading->error);
}

static void receive(Ingest *ingest, Exchange *exchange, AnswerFormat format, BodyReader reader)
{
    Reading reading = {.ingest = ingest, .exchange = exchange, .reader = reader};
    /* Decoded spans take about as much as the body that they point to. */
    int r = store_check_room(ingest->store, 2 * (uint64_t)exchange_request(exchange)->body.len);

    if (r != 0) {
        answer_failure(ingest, exchange, format, refusal(r), NULL);
        return;
    }
    reading.batch = store_batch_reuse(ingest->store);
    r = read_batch(&reading);
    if (r != 0) {
        store_batch_free(reading.batch);
    }
    end_turn(&reading);
    if (r == 0) {
        append(ingest, exchange, format, reading.batch);
    } else {
        answer_failure(ingest, exchange, format, reading.failure, &reading.error);
    }
}

static void handle_traces(void *context, Exchange *exchange)
{
    AnswerFormat format = answer_format(exchange_request(exchange));

    if (format == ANSWER_UNKNOWN) {
        answer_failure(context, exchange, format, FAILURE_CONTENT_TYPE, NULL);
        return;
    }
    receive(context, exchange, format, format == ANSWER_JSON ? otlp_read_json : otlp_read_protobuf);
}

static void handle_zipkin(void *context, Exchange *exchange)
{
    if (answer_format(exchange_request(exchange)) != ANSWER_JSON) {
        answer_failure(context, exchange, ANSWER_ZIPKIN, FAILURE_CONTENT_TYPE, NULL);
        return;
    }
    receive(context, exchange, ANSWER_ZIPKIN, zipkin_read_json);
}

/* Metrics and logs: checked, counted, dropped. */
static void receive_unused(Ingest *ingest, Exchange *exchange, OtlpSignal signal)
{
    CLEANUP(buf_deinit) Buf body = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    AnswerFormat format = answer_format(exchange_request(exchange));
    ParseError error = {.text = "the body does not match its content encoding"};
    Failure failure = FAILURE_CONTENT_TYPE;
    uint64_t count = 0;

    if (format == ANSWER_UNKNOWN || inflate_body(exchange, &body, &failure) != 0) {
        answer_failure(ingest, exchange, format, failure, &error);
        return;
    }
    int r = format == ANSWER_JSON ? otlp_count_json(signal, buf_str(&body), &arena, &count, &error)
                                  : otlp_count_protobuf(signal, buf_str(&body), &count, &error);
    if (r != 0) {
        answer_failure(ingest, exchange, format, FAILURE_UNDECODABLE, &error);
        return;
    }
    atomic_fetch_add(signal == OTLP_METRICS ? &ingest->counters.metrics_unused
                                            : &ingest->counters.logs_unused,
                     count);
    answer_send_kept(exchange, format, 0, (Str){0});
}

static void handle_metrics(void *context, Exchange *exchange)
{
    receive_unused(context, exchange, OTLP_METRICS);
}

static void handle_logs(void *context, Exchange *exchange)
{
    receive_unused(context, exchange, OTLP_LOGS);
}

static void make_routes(Ingest *ingest)
{
    const Route http[] = {
        {HTTP_POST, "/v1/traces", handle_traces, ingest},
        {HTTP_POST, "/v1/metrics", handle_metrics, ingest},
        {HTTP_POST, "/v1/logs", handle_logs, ingest},
    };
    const Route grpc[] = {
        {HTTP_POST, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", handle_traces,
         ingest},
        {HTTP_POST, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
         handle_metrics, ingest},
        {HTTP_POST, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", handle_logs,
         ingest},
    };

    mem_copy(ingest->otlp_http, http, sizeof(http));
    mem_copy(ingest->otlp_grpc, grpc, sizeof(grpc));
    ingest->zipkin[0] = (Route){HTTP_POST, "/api/v2/spans", handle_zipkin, ingest};
}

Ingest *ingest_new(Store *store, const Clock *clock)
{
    Ingest *ingest = NEW(Ingest);

    ingest->store = store;
    ingest->clock = clock;
    pthread_mutex_init(&ingest->last_lock, NULL);
    pthread_mutex_init(&ingest->large_lock, NULL);
    make_routes(ingest);
    return ingest;
}

Ingest *ingest_free(Ingest *ingest)
{
    if (ingest != NULL) {
        pthread_mutex_destroy(&ingest->last_lock);
        pthread_mutex_destroy(&ingest->large_lock);
        mem_free(ingest);
    }
    return NULL;
}

const IngestCounters *ingest_counters(const Ingest *ingest)
{
    return &ingest->counters;
}

void ingest_last(Ingest *ingest, IngestLast *ret_last)
{
    pthread_mutex_lock(&ingest->last_lock);
    *ret_last = ingest->last;
    pthread_mutex_unlock(&ingest->last_lock);
}

const Route *ingest_otlp_http_routes(Ingest *ingest, size_t *ret_n)
{
    *ret_n = 3;
    return ingest->otlp_http;
}

const Route *ingest_otlp_grpc_routes(Ingest *ingest, size_t *ret_n)
{
    *ret_n = 3;
    return ingest->otlp_grpc;
}

const Route *ingest_zipkin_routes(Ingest *ingest, size_t *ret_n)
{
    *ret_n = 1;
    return ingest->zipkin;
}
