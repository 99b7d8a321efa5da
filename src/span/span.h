// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/value.h"

/*
 * The vocabulary of telemetry, in OpenTelemetry's terms (opentelemetry/proto/trace/v1/trace.proto,
 * OTLP 1.11). Every reader (protobuf, JSON, Zipkin, head, Parquet) yields these structs, every
 * writer takes them. They are views: what they point to lives as long as the bytes or arena they
 * were read from. Times are nanoseconds since the Unix epoch, UTC; 0 means that none was given.
 */
enum { TRACE_ID_SIZE = 16, SPAN_ID_SIZE = 8 };

typedef struct TraceId {
    uint8_t bytes[TRACE_ID_SIZE];
} TraceId;

typedef struct SpanId {
    uint8_t bytes[SPAN_ID_SIZE]; /* all zero: none (a root's parent) */
} SpanId;

typedef enum SpanKind {
    SPAN_KIND_UNSPECIFIED = 0,
    SPAN_KIND_INTERNAL = 1,
    SPAN_KIND_SERVER = 2,
    SPAN_KIND_CLIENT = 3,
    SPAN_KIND_PRODUCER = 4,
    SPAN_KIND_CONSUMER = 5,
} SpanKind;

typedef enum StatusCode {
    STATUS_UNSET = 0,
    STATUS_OK = 1,
    STATUS_ERROR = 2,
} StatusCode;

typedef struct Resource {
    Attributes attributes;
    uint32_t dropped_attributes;
    Str schema_url;
} Resource;

/* InstrumentationScope. */
typedef struct Scope {
    Str name, version;
    Attributes attributes;
    uint32_t dropped_attributes;
    Str schema_url;
} Scope;

typedef struct Event {
    uint64_t time_ns;
    Str name;
    Attributes attributes;
    uint32_t dropped_attributes;
} Event;

typedef struct Link {
    TraceId trace_id;
    SpanId span_id;
    Str trace_state;
    Attributes attributes;
    uint32_t dropped_attributes;
    uint32_t flags;
} Link;

typedef struct Span {
    TraceId trace_id;
    SpanId span_id, parent_span_id;
    Str trace_state, name, status_message;
    uint64_t start_ns, end_ns;
    uint32_t flags;
    uint8_t kind;        /* SpanKind; unknown numbers are kept as SPAN_KIND_UNSPECIFIED */
    uint8_t status_code; /* StatusCode */
    Attributes attributes;
    const Event *events;
    size_t n_events;
    const Link *links;
    size_t n_links;
    uint32_t dropped_attributes, dropped_events, dropped_links;
    const Resource *resource; /* never NULL */
    const Scope *scope;       /* never NULL */
} Span;

/* The spans of one request, in its order. */
typedef struct Batch {
    Span *spans;
    size_t n_spans;
    size_t n_rejected;         /* left out: trace or span id empty, zero or of the wrong length */
    const char *reject_reason; /* a static text for partial_success; NULL when n_rejected is 0 */
} Batch;

bool trace_id_is_zero(TraceId id);
bool span_id_is_zero(SpanId id);
int trace_id_compare(TraceId a, TraceId b);
int span_id_compare(SpanId a, SpanId b);

static inline bool trace_id_equal(TraceId a, TraceId b)
{
    return __builtin_memcmp(a.bytes, b.bytes, TRACE_ID_SIZE) == 0;
}

static inline bool span_id_equal(SpanId a, SpanId b)
{
    return __builtin_memcmp(a.bytes, b.bytes, SPAN_ID_SIZE) == 0;
}

/* 64 hash bits of an id. Ids are random in honest input only, so they are hashed with the process
 * seed. */
uint64_t trace_id_hash(TraceId id);

/* Hex text of either case; a trace id of 1 to 32 digits is padded with zeros at the left, as Jaeger
 * and Zipkin write short ones; a span id of 1 to 16 likewise. Returns 0; 1 when the text is no id.
 */
MUST_USE int trace_id_parse(Str text, TraceId *ret_id);
MUST_USE int span_id_parse(Str text, SpanId *ret_id);

/* end - start; 0 when the end is missing or before the start. */
static inline uint64_t span_duration_ns(const Span *span)
{
    return span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;
}

/* The resource's own service.name as text; the empty view when there is none. Strings only cost a
 * look-up; other types are rendered into @arena. */
Str span_service_name(const Span *span, Arena *arena);

/* "unspecified", "internal", "server", "client", "producer", "consumer". */
Str span_kind_name(SpanKind kind);

/* Case-insensitive inverse, with or without the prefix SPAN_KIND_. Returns 0; 1 when unknown. */
MUST_USE int span_kind_parse(Str text, SpanKind *ret_kind);

/* "unset", "ok", "error". */
Str status_code_name(StatusCode code);

/* Case-insensitive inverse, with or without the prefix STATUS_CODE_. Returns 0; 1 when unknown. */
MUST_USE int status_code_parse(Str text, StatusCode *ret_code);

/* A deep copy of all @n_spans into @arena; equal resources and scopes (same pointer) stay shared.
 */
Span *spans_copy(const Span *spans, size_t n_spans, Arena *arena);

/*
 * Identity and resends, CONTRACT.md §1. Identity is (trace id, span id, CLIENT-or-not). Of two
 * spans of one identity with different content the later end counts, then the later start, then the
 * greater canonical form in bytes.
 */
static inline bool span_is_client(const Span *span)
{
    return span->kind == SPAN_KIND_CLIENT;
}

/* < 0: @a comes first by (span id, CLIENT last); 0: the same identity. Trace ids are taken as
 * equal. */
int span_compare_identity(const Span *a, const Span *b);

/* The canonical form: every field of the span, its resource and scope, attributes sorted. Two spans
 * are the same content exactly when their forms are the same bytes. */
void span_append_canonical(const Span *span, Buf *buf);

/* < 0 when @b counts rather than @a (both of one identity), > 0 when @a does, 0 for the same
 * content. */
int span_compare_content(const Span *a, const Span *b);

/*
 * Leaves one span per identity in @spans (all of one trace), sorted by (start, span id, CLIENT
 * first). Returns how many are left.
 */
size_t spans_deduplicate(Span *spans, size_t n_spans);
