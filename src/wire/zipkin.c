// SPDX-License-Identifier: Apache-2.0
#include "wire/zipkin.h"

#include <arpa/inet.h>

#include "span/array.h"
#include "wire/json_field.h"
#include "wire/json_span.h"
#include "wire/origin.h"

/*
 * What Zipkin has no field for, OpenTelemetry's exporters put into tags: otel.status_code, the
 * scope, dropped counts and the trace state come back from there. A tag wins over what an endpoint
 * says, since both were derived from the same attribute.
 */

/* An endpoint as it stands in the text. */
typedef struct Endpoint {
    Str service, ipv4, ipv6;
    uint64_t port;
} Endpoint;

typedef struct Decoder {
    JsonReader reader;
    Batch batch;
    size_t capacity; /* of batch.spans */
    Origins origins;
} Decoder;

/* A span and what its tags say beside attributes. */
typedef struct Draft {
    Span span;
    Attribute *attributes;
    size_t n_attributes, capacity;
    Endpoint local, remote;
    Str scope_name, scope_version;
    uint64_t start_us, duration_us;
} Draft;

static uint64_t nanoseconds(uint64_t microseconds)
{
    uint64_t ns;

    return __builtin_mul_overflow(microseconds, 1000U, &ns) ? UINT64_MAX : ns;
}

enum { ENDPOINT_SERVICE, ENDPOINT_IPV4, ENDPOINT_IPV6, ENDPOINT_PORT };
static const JsonField endpoint_fields[] = {
    {STR("serviceName"), STR("service_name")},
    {STR("ipv4"), STR("ipv4")},
    {STR("ipv6"), STR("ipv6")},
    {STR("port"), STR("port")},
};

static int read_endpoint(JsonReader *reader, Endpoint *endpoint)
{
    size_t hint = 0;
    Str key;
    int more;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        switch (json_field_find(endpoint_fields, ARRAY_LEN(endpoint_fields), key, &hint)) {
        case ENDPOINT_SERVICE:
            TRY(json_read_text(reader, &endpoint->service));
            break;
        case ENDPOINT_IPV4:
            TRY(json_read_text(reader, &endpoint->ipv4));
            break;
        case ENDPOINT_IPV6:
            TRY(json_read_text(reader, &endpoint->ipv6));
            break;
        case ENDPOINT_PORT:
            TRY(json_read_u64(reader, &endpoint->port));
            break;
        default:
            TRY(json_skip(reader, NULL));
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

static void add_attribute(Decoder *decoder, Draft *draft, Str key, Value value)
{
    ARRAY_ROOM(decoder->reader.arena, draft->attributes, draft->n_attributes, draft->capacity);
    draft->attributes[draft->n_attributes++] = (Attribute){.key = key, .value = value};
}

static bool has_attribute(const Draft *draft, Str key)
{
    Attributes attributes = {.items = draft->attributes, .count = draft->n_attributes};

    return attributes_find(attributes, key) != NULL;
}

static void add_if_absent(Decoder *decoder, Draft *draft, Str key, Value value)
{
    if (!has_attribute(draft, key)) {
        add_attribute(decoder, draft, key, value);
    }
}

static void take_count(Str value, uint32_t *ret_count)
{
    uint64_t count;

    if (str_parse_u64(value, &count) == 0 && count <= UINT32_MAX) {
        *ret_count = (uint32_t)count;
    }
}

/* An error is told by the tag's presence; its value is the description unless it says only that. */
static void take_error(Draft *draft, Str value)
{
    draft->span.status_code = STATUS_ERROR;
    if (!str_equal_nocase(value, STR("true"))) {
        draft->span.status_message = value;
    }
}

static void take_status(Draft *draft, Str value)
{
    StatusCode code;

    if (draft->span.status_code != STATUS_ERROR && status_code_parse(value, &code) == 0) {
        draft->span.status_code = (uint8_t)code;
    }
}

/* Whether the tag is one of those that stand for fields. */
static bool take_field_tag(Draft *draft, Str key, Str value)
{
    Span *span = &draft->span;

    if (str_equal(key, STR("error"))) {
        take_error(draft, value);
    } else if (str_equal(key, STR("w3c.tracestate"))) {
        span->trace_state = value;
    } else if (!str_starts_with(key, STR("otel."))) {
        return false;
    } else if (str_equal(key, STR("otel.status_code"))) {
        take_status(draft, value);
    } else if (str_equal(key, STR("otel.status_description"))) {
        span->status_message = value;
    } else if (str_equal(key, STR("otel.scope.name")) || str_equal(key, STR("otel.library.name"))) {
        draft->scope_name = value;
    } else if (str_equal(key, STR("otel.scope.version")) ||
               str_equal(key, STR("otel.library.version"))) {
        draft->scope_version = value;
    } else if (str_equal(key, STR("otel.dropped_attributes_count"))) {
        take_count(value, &span->dropped_attributes);
    } else if (str_equal(key, STR("otel.dropped_events_count"))) {
        take_count(value, &span->dropped_events);
    } else {
        return false;
    }
    return true;
}

/* Values are strings; what is not is taken as its text. */
static int read_tags(Decoder *decoder, Draft *draft)
{
    JsonReader *reader = &decoder->reader;
    Str key, value;
    int more;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        JsonType type;

        if (reader->arena->allocated > reader->arena_limit) {
            return json_fail(reader, "needs too much memory for its size");
        }
        if (json_take_null(reader)) {
            continue;
        }
        TRY(json_peek(reader, &type));
        TRY(type == JSON_STRING ? json_read_string(reader, &value) : json_skip(reader, &value));
        if (!take_field_tag(draft, key, value)) {
            add_attribute(decoder, draft, key, value_string(value));
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

static int read_annotation(JsonReader *reader, Event *event)
{
    uint64_t time_us = 0;
    Str key;
    int more;

    *event = (Event){.name = STR("")};
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("timestamp"))) {
            TRY(json_read_u64(reader, &time_us));
        } else if (str_equal(key, STR("value"))) {
            TRY(json_read_text(reader, &event->name));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    event->time_ns = nanoseconds(time_us);
    return more < 0 ? JSON_BAD : 0;
}

static int read_kind(JsonReader *reader, uint8_t *ret_kind)
{
    SpanKind kind;
    Str text;

    TRY(json_read_string(reader, &text));
    *ret_kind = (uint8_t)(span_kind_parse(text, &kind) == 0 ? kind : SPAN_KIND_UNSPECIFIED);
    return 0;
}

enum {
    SPAN_TRACE,
    SPAN_PARENT,
    SPAN_ID,
    SPAN_KIND,
    SPAN_NAME,
    SPAN_TIMESTAMP,
    SPAN_DURATION,
    SPAN_LOCAL,
    SPAN_REMOTE,
    SPAN_ANNOTATIONS,
    SPAN_TAGS,
};
static const JsonField span_fields[] = {
    [SPAN_TRACE] = {STR("traceId"), STR("trace_id")},
    [SPAN_PARENT] = {STR("parentId"), STR("parent_id")},
    [SPAN_ID] = {STR("id"), STR("id")},
    [SPAN_KIND] = {STR("kind"), STR("kind")},
    [SPAN_NAME] = {STR("name"), STR("name")},
    [SPAN_TIMESTAMP] = {STR("timestamp"), STR("timestamp")},
    [SPAN_DURATION] = {STR("duration"), STR("duration")},
    [SPAN_LOCAL] = {STR("localEndpoint"), STR("local_endpoint")},
    [SPAN_REMOTE] = {STR("remoteEndpoint"), STR("remote_endpoint")},
    [SPAN_ANNOTATIONS] = {STR("annotations"), STR("annotations")},
    [SPAN_TAGS] = {STR("tags"), STR("tags")},
};

static int read_field(Decoder *decoder, size_t field, Draft *draft)
{
    JsonReader *reader = &decoder->reader;

    switch (field) {
    case SPAN_TRACE:
        return json_read_trace_id(reader, &draft->span.trace_id);
    case SPAN_PARENT:
        return json_read_span_id(reader, &draft->span.parent_span_id);
    case SPAN_ID:
        return json_read_span_id(reader, &draft->span.span_id);
    case SPAN_KIND:
        return read_kind(reader, &draft->span.kind);
    case SPAN_NAME:
        return json_read_string(reader, &draft->span.name);
    case SPAN_TIMESTAMP:
        return json_read_u64(reader, &draft->start_us);
    case SPAN_DURATION:
        return json_read_u64(reader, &draft->duration_us);
    case SPAN_LOCAL:
        return read_endpoint(reader, &draft->local);
    case SPAN_REMOTE:
        return read_endpoint(reader, &draft->remote);
    case SPAN_ANNOTATIONS:
        return json_read_events(reader, read_annotation, &draft->span);
    case SPAN_TAGS:
        return read_tags(decoder, draft);
    default:
        return json_skip(reader, NULL);
    }
}

static bool is_ip(Str text)
{
    char copy[INET6_ADDRSTRLEN + 1];
    uint8_t address[sizeof(struct in6_addr)];

    if (text.len >= sizeof(copy)) {
        return false;
    }
    mem_copy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET, copy, address) == 1 || inet_pton(AF_INET6, copy, address) == 1;
}

/* Attributes for the address of an endpoint. A name in place of an address (some libraries write
 * one) is a host to be looked up: only that of the remote side names somebody. */
static void add_address(Decoder *decoder, Draft *draft, const Endpoint *endpoint, bool is_remote)
{
    Str address = endpoint->ipv4.len != 0 ? endpoint->ipv4 : endpoint->ipv6;
    Str address_key = is_remote ? STR("network.peer.address") : STR("network.local.address");
    Str port_key = is_remote ? STR("network.peer.port") : STR("network.local.port");

    if (address.len != 0 && is_remote && !is_ip(address)) {
        address_key = STR("server.address");
        port_key = STR("server.port");
    }
    if (address.len != 0) {
        add_if_absent(decoder, draft, address_key, value_string(address));
    }
    if (endpoint->port != 0 && endpoint->port <= UINT16_MAX) {
        add_if_absent(decoder, draft, port_key, value_int((int64_t)endpoint->port));
    }
}

static void finish_span(Decoder *decoder, Draft *draft)
{
    Span *span = &draft->span;
    Arena *arena = decoder->reader.arena;

    span->start_ns = nanoseconds(draft->start_us);
    if (span->start_ns != 0 &&
        __builtin_add_overflow(span->start_ns, nanoseconds(draft->duration_us), &span->end_ns)) {
        span->end_ns = UINT64_MAX;
    }
    if (draft->remote.service.len != 0) {
        add_if_absent(decoder, draft, STR("peer.service"), value_string(draft->remote.service));
    }
    add_address(decoder, draft, &draft->local, false);
    add_address(decoder, draft, &draft->remote, true);
    span->attributes = (Attributes){.items = draft->attributes, .count = draft->n_attributes};
    span->resource = origins_resource(&decoder->origins, arena, draft->local.service);
    span->scope = origins_scope(&decoder->origins, arena, draft->scope_name, draft->scope_version);
}

static void keep_span(Decoder *decoder, const Draft *draft)
{
    Batch *batch = &decoder->batch;
    bool no_trace = trace_id_is_zero(draft->span.trace_id);

    if (no_trace || span_id_is_zero(draft->span.span_id)) {
        batch->n_rejected++;
        batch->reject_reason = no_trace ? "traceId is missing or zero" : "id is missing or zero";
        return;
    }
    ARRAY_ROOM(decoder->reader.arena, batch->spans, batch->n_spans, decoder->capacity);
    batch->spans[batch->n_spans++] = draft->span;
}

static int read_span(Decoder *decoder)
{
    JsonReader *reader = &decoder->reader;
    Draft draft = {.span = {.name = STR(""), .trace_state = STR(""), .status_message = STR("")}};
    size_t hint = 0;
    Str key;
    int more;

    if (decoder->batch.n_spans == ZIPKIN_SPANS_MAX) {
        return json_fail(reader, "more than 1,048,576 spans in one request");
    }
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        size_t field = json_field_find(span_fields, ARRAY_LEN(span_fields), key, &hint);
        if (!json_take_null(reader)) {
            TRY(read_field(decoder, field, &draft));
        }
    }
    if (more < 0) {
        return JSON_BAD;
    }
    finish_span(decoder, &draft);
    keep_span(decoder, &draft);
    return 0;
}

static int read_list(Decoder *decoder)
{
    int more;

    TRY(json_enter_array(&decoder->reader));
    while ((more = json_next_item(&decoder->reader)) > 0) {
        TRY(read_span(decoder));
    }
    return more < 0 ? JSON_BAD : json_end(&decoder->reader);
}

int zipkin_read_json(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error)
{
    Decoder decoder = {0};

    json_reader_init(&decoder.reader, body, arena);
    if (read_list(&decoder) != 0) {
        *ret_error = decoder.reader.error;
        return ZIPKIN_BAD;
    }
    *ret_batch = decoder.batch;
    return 0;
}
