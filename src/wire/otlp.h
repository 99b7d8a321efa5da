// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * OTLP 1.11, traces: protobuf and JSON, both ways. Readers allocate only from @arena; the spans are
 * views into @body and @arena.
 *
 * A span whose trace or span id is empty, zero or of the wrong length is left out and counted in
 * the batch; the others are kept. So is a span whose parent id is neither empty nor of the right
 * length: the Collector refuses such a body whole, and as a root it would be a guess; eight zero
 * bytes are no parent. A link with such an id is taken from its span and counted among the span's
 * dropped links. Everything else that is wrong refuses the whole body: WIRE_BAD
 * with offset and text.
 */
enum { WIRE_BAD = 1 };

/* Limits: beyond them a body is refused with a text that names the limit. */
enum {
    OTLP_SPANS_MAX = 1 << 20,     /* per request */
    OTLP_RESOURCES_MAX = 1 << 17, /* per request; scopes likewise */
    OTLP_MEMORY_RATIO = 16,       /* bytes of arena per byte of body, above 1 MiB and the spans */
};

/* ExportTraceServiceRequest (opentelemetry/proto/collector/trace/v1). Unknown fields are skipped;
 * the deprecated ones of old versions too (instrumentation_library_spans is read as scope_spans).
 */
MUST_USE int otlp_read_protobuf(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);

/* The same in OTLP's JSON mapping, read as leniently as the Collector: camelCase or snake_case
 * keys, enums as numbers or names, 64-bit numbers as numbers or strings, hex ids in either case,
 * base64 bytes, unknown keys skipped. An id that is not hex is WIRE_BAD. */
MUST_USE int otlp_read_json(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);

/* How many records a metrics or logs request holds (data points, log records), without decoding
 * them. */
typedef enum OtlpSignal { OTLP_METRICS, OTLP_LOGS } OtlpSignal;
MUST_USE int otlp_count_protobuf(OtlpSignal signal, Str body, uint64_t *ret_count,
                                 ParseError *ret_error);
MUST_USE int otlp_count_json(OtlpSignal signal, Str body, Arena *arena, uint64_t *ret_count,
                             ParseError *ret_error);

/* Writes @n spans as one ExportTraceServiceRequest; neighbours with the same resource and scope
 * pointers share a ResourceSpans and ScopeSpans. */
void otlp_write_protobuf(const Span *spans, size_t n, Buf *buf);
void otlp_write_json(const Span *spans, size_t n, Buf *buf);

/* ExportTraceServiceResponse (the same shape for metrics and logs): partial_success when
 * @n_rejected is not 0 or @message is not empty. */
void otlp_write_response_protobuf(uint64_t n_rejected, Str message, Buf *buf);
void otlp_write_response_json(Str rejected_key, uint64_t n_rejected, Str message, Buf *buf);

/* google.rpc.Status. @retry_delay_s, when not 0, adds a google.rpc.RetryInfo detail. */
void rpc_status_write_protobuf(int code, Str message, uint32_t retry_delay_s, Buf *buf);
void rpc_status_write_json(int code, Str message, uint32_t retry_delay_s, Buf *buf);
