// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdatomic.h>

#include "os/clock.h"
#include "serve/http/server.h"
#include "store/store.h"

/*
 * Receiving spans: OTLP/HTTP and OTLP/gRPC (OTLP specification 1.11) and Zipkin v2. A request is
 * answered with success only after its spans are on disk (store_append).
 *
 * Answers, OTLP/HTTP (specification, "OTLP/HTTP Response"), errors as google.rpc.Status in the
 * request's own encoding: 200 kept; partial_success names the spans that could not be  400 not
 * decodable, with the position 413 larger than the limit, as sent or inflated               415
 * content type or encoding unknown 429 too much waits to be written, Retry-After                503
 * the disk refuses, Retry-After OTLP/gRPC: OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED (too large),
 * UNIMPLEMENTED (encoding), UNAVAILABLE with RetryInfo (busy or disk). Metrics and logs are
 * answered with success, counted as unused and dropped, so that SDKs with all signals on do not
 * fail.
 */
enum {
    INGEST_BODY_MAX = 64 << 20,
    INGEST_BODY_LARGE = 4 << 20, /* decompressed; larger ones are decoded one at a time, for a
                                    hostile one takes many times its size of memory meanwhile;
                                    another that comes then: 503 */
    INGEST_NAME_MAX = 128,
};

/* One row per counter: field, Prometheus name, help. */
#define INGEST_COUNTERS(ROW)                                                                       \
    ROW(spans_accepted, "weft_receiver_accepted_spans", "Spans acknowledged as durable.")          \
    ROW(spans_invalid_id, "weft_receiver_rejected_spans_invalid_id",                               \
        "Spans left out because their trace or span id is empty, zero or of the wrong length.")    \
    ROW(bodies_undecodable, "weft_receiver_undecodable_requests",                                  \
        "Requests refused because their body could not be decoded (400).")                         \
    ROW(bodies_too_large, "weft_receiver_oversized_requests",                                      \
        "Requests refused because they exceed the size limit (413).")                              \
    ROW(bodies_unsupported, "weft_receiver_unsupported_requests",                                  \
        "Requests refused for their content type or encoding (415).")                              \
    ROW(refused_busy, "weft_receiver_busy_requests",                                               \
        "Requests asked to retry because too much was waiting to be written (429).")               \
    ROW(refused_large, "weft_receiver_large_busy_requests",                                        \
        "Requests of more than 4 MiB asked to retry because others were being decoded (503).")     \
    ROW(refused_disk, "weft_receiver_disk_refused_requests",                                       \
        "Requests asked to retry because the disk refused writes (503).")                          \
    ROW(metrics_unused, "weft_receiver_unused_metric_points",                                      \
        "Metric data points received and dropped: this version keeps spans only.")                 \
    ROW(logs_unused, "weft_receiver_unused_log_records",                                           \
        "Log records received and dropped: this version keeps spans only.")

typedef struct IngestCounters {
#define INGEST_FIELD(field, name, help) _Atomic uint64_t field;
    INGEST_COUNTERS(INGEST_FIELD)
#undef INGEST_FIELD
} IngestCounters;

/* What arrived last, for the page's greeting. */
typedef struct IngestLast {
    uint64_t time_ns;                                     /* 0: nothing yet */
    char service[INGEST_NAME_MAX], span[INGEST_NAME_MAX]; /* cut to size, NUL-terminated */
} IngestLast;

typedef struct Ingest Ingest;

/* @store and @clock are not owned and outlive the Ingest. */
Ingest *ingest_new(Store *store, const Clock *clock);
Ingest *ingest_free(Ingest *ingest);

const IngestCounters *ingest_counters(const Ingest *ingest);
void ingest_last(Ingest *ingest, IngestLast *ret_last);

/* Routes for the listeners of each protocol; they live as long as the Ingest. */
const Route *ingest_otlp_http_routes(Ingest *ingest, size_t *ret_n);
const Route *ingest_otlp_grpc_routes(Ingest *ingest, size_t *ret_n);
const Route *ingest_zipkin_routes(Ingest *ingest, size_t *ret_n);

/* ListenerOptions.error_body for the OTLP listeners: google.rpc.Status in the request's encoding.
 */
void ingest_otlp_error_body(const Request *request, int status, Str message, Response *response);
