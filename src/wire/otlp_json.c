// SPDX-License-Identifier: Apache-2.0
#include "span/array.h"
#include "span/value_json.h"
#include "wire/json_field.h"
#include "wire/json_span.h"
#include "wire/otlp.h"

/*
 * Each message has a table of its fields and one function, as in the protobuf reader. A null is a
 * field that is not there; of a repeated scalar the last counts.
 */

typedef struct Decoder {
    JsonReader reader;
    Batch batch;
    size_t capacity; /* of batch.spans */
    size_t n_resources, n_scopes;
} Decoder;

/* Moves to the next field that is known and not null: 1 there is one, 0 the object's end, < 0
 * error. */
static int next_field(JsonReader *reader, const JsonField *fields, size_t n, size_t *hint,
                      size_t *ret_field)
{
    Str key;
    int more;

    while ((more = json_next_key(reader, &key)) > 0) {
        *ret_field = json_field_find(fields, n, key, hint);
        if (*ret_field == n) {
            if (json_skip(reader, NULL) != 0) {
                return -JSON_BAD;
            }
        } else if (!json_take_null(reader)) {
            break;
        }
    }
    return more;
}

static int read_u32(JsonReader *reader, uint32_t *ret_value)
{
    uint64_t value;

    TRY(json_read_u64(reader, &value));
    if (value > UINT32_MAX) {
        return json_fail(reader, "no unsigned 32-bit integer");
    }
    *ret_value = (uint32_t)value;
    return 0;
}

/* An id in hex. One of another length than @size leaves @ret_id zero, which nobody accepts. */
static int read_id(JsonReader *reader, uint8_t *ret_id, size_t size, bool *ret_bad)
{
    Str text;
    uint8_t digit;

    TRY(json_read_string(reader, &text));
    *ret_bad = text.len != 0 && text.len != 2 * size;
    mem_fill(ret_id, 0, size);
    if (str_parse_hex(text, ret_id, size) == 0) {
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        char pair[] = {'0', text.ptr[i]};
        if (str_parse_hex(str_from_bytes(pair, 2), &digit, 1) != 0) {
            return json_fail(reader, "an id that is not hex");
        }
    }
    return 0;
}

/* An enum as a number or a name; what is unknown counts as 0, as in protobuf. */
static int read_enum(JsonReader *reader, bool is_kind, uint8_t *ret_value)
{
    JsonType type;
    Str text;
    SpanKind kind = SPAN_KIND_UNSPECIFIED;
    StatusCode code = STATUS_UNSET;
    uint64_t number = 0;

    TRY(json_peek(reader, &type));
    TRY(type == JSON_STRING ? json_read_string(reader, &text) : json_read_number(reader, &text));
    if (str_parse_u64(text, &number) != 0 && type == JSON_STRING) {
        bool known =
            is_kind ? span_kind_parse(text, &kind) == 0 : status_code_parse(text, &code) == 0;
        number = !known ? 0 : is_kind ? (uint64_t)kind : (uint64_t)code;
    }
    *ret_value =
        (uint8_t)(number <= (is_kind ? (uint64_t)SPAN_KIND_CONSUMER : STATUS_ERROR) ? number : 0);
    return 0;
}

enum { EVENT_TIME, EVENT_NAME, EVENT_ATTRIBUTES, EVENT_DROPPED };
static const JsonField event_fields[] = {
    {STR("timeUnixNano"), STR("time_unix_nano")},
    {STR("name"), STR("name")},
    {STR("attributes"), STR("attributes")},
    {STR("droppedAttributesCount"), STR("dropped_attributes_count")},
};

static int read_event(JsonReader *reader, Event *event)
{
    size_t hint = 0, field;
    int more;

    *event = (Event){.name = STR("")};
    if (json_take_null(reader)) {
        return 0;
    }
    TRY(json_enter_object(reader));
    while ((more = next_field(reader, event_fields, ARRAY_LEN(event_fields), &hint, &field)) > 0) {
        switch (field) {
        case EVENT_TIME:
            TRY(json_read_u64(reader, &event->time_ns));
            break;
        case EVENT_NAME:
            TRY(json_read_string(reader, &event->name));
            break;
        case EVENT_ATTRIBUTES:
            TRY(attributes_json_read(reader, &event->attributes));
            break;
        case EVENT_DROPPED:
            TRY(read_u32(reader, &event->dropped_attributes));
            break;
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

enum { LINK_TRACE, LINK_SPAN, LINK_STATE, LINK_ATTRIBUTES, LINK_DROPPED, LINK_FLAGS };
static const JsonField link_fields[] = {
    {STR("traceId"), STR("trace_id")},
    {STR("spanId"), STR("span_id")},
    {STR("traceState"), STR("trace_state")},
    {STR("attributes"), STR("attributes")},
    {STR("droppedAttributesCount"), STR("dropped_attributes_count")},
    {STR("flags"), STR("flags")},
};

static int read_link(JsonReader *reader, Link *link)
{
    size_t hint = 0, field;
    bool bad;
    int more;

    *link = (Link){.trace_state = STR("")};
    if (json_take_null(reader)) {
        return 0;
    }
    TRY(json_enter_object(reader));
    while ((more = next_field(reader, link_fields, ARRAY_LEN(link_fields), &hint, &field)) > 0) {
        switch (field) {
        case LINK_TRACE:
            TRY(read_id(reader, link->trace_id.bytes, TRACE_ID_SIZE, &bad));
            break;
        case LINK_SPAN:
            TRY(read_id(reader, link->span_id.bytes, SPAN_ID_SIZE, &bad));
            break;
        case LINK_STATE:
            TRY(json_read_string(reader, &link->trace_state));
            break;
        case LINK_ATTRIBUTES:
            TRY(attributes_json_read(reader, &link->attributes));
            break;
        case LINK_DROPPED:
            TRY(read_u32(reader, &link->dropped_attributes));
            break;
        case LINK_FLAGS:
            TRY(read_u32(reader, &link->flags));
            break;
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

/* A link that leads nowhere is not kept, but counted among the span's dropped ones. */
static int read_links(JsonReader *reader, Span *span, uint32_t *ret_bad)
{
    Link *links = NULL;
    size_t count = 0, capacity = 0;
    int more;

    *ret_bad = 0;
    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        ARRAY_ROOM(reader->arena, links, count, capacity);
        TRY(read_link(reader, &links[count]));
        if (trace_id_is_zero(links[count].trace_id) || span_id_is_zero(links[count].span_id)) {
            ++*ret_bad;
        } else {
            count++;
        }
    }
    span->links = links;
    span->n_links = count;
    return more < 0 ? JSON_BAD : 0;
}

static const JsonField status_fields[] = {{STR("message"), STR("message")},
                                          {STR("code"), STR("code")}};

static int read_status(JsonReader *reader, Span *span)
{
    size_t hint = 0, field;
    int more;

    TRY(json_enter_object(reader));
    while ((more = next_field(reader, status_fields, ARRAY_LEN(status_fields), &hint, &field)) >
           0) {
        if (field == 0) {
            TRY(json_read_string(reader, &span->status_message));
        } else {
            TRY(read_enum(reader, false, &span->status_code));
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

enum {
    SPAN_TRACE,
    SPAN_SPAN,
    SPAN_STATE,
    SPAN_PARENT,
    SPAN_FLAGS,
    SPAN_NAME,
    SPAN_KIND,
    SPAN_START,
    SPAN_END,
    SPAN_ATTRIBUTES,
    SPAN_DROPPED_ATTRIBUTES,
    SPAN_EVENTS,
    SPAN_DROPPED_EVENTS,
    SPAN_LINKS,
    SPAN_DROPPED_LINKS,
    SPAN_STATUS,
};
static const JsonField span_fields[] = {
    [SPAN_TRACE] = {STR("traceId"), STR("trace_id")},
    [SPAN_SPAN] = {STR("spanId"), STR("span_id")},
    [SPAN_STATE] = {STR("traceState"), STR("trace_state")},
    [SPAN_PARENT] = {STR("parentSpanId"), STR("parent_span_id")},
    [SPAN_FLAGS] = {STR("flags"), STR("flags")},
    [SPAN_NAME] = {STR("name"), STR("name")},
    [SPAN_KIND] = {STR("kind"), STR("kind")},
    [SPAN_START] = {STR("startTimeUnixNano"), STR("start_time_unix_nano")},
    [SPAN_END] = {STR("endTimeUnixNano"), STR("end_time_unix_nano")},
    [SPAN_ATTRIBUTES] = {STR("attributes"), STR("attributes")},
    [SPAN_DROPPED_ATTRIBUTES] = {STR("droppedAttributesCount"), STR("dropped_attributes_count")},
    [SPAN_EVENTS] = {STR("events"), STR("events")},
    [SPAN_DROPPED_EVENTS] = {STR("droppedEventsCount"), STR("dropped_events_count")},
    [SPAN_LINKS] = {STR("links"), STR("links")},
    [SPAN_DROPPED_LINKS] = {STR("droppedLinksCount"), STR("dropped_links_count")},
    [SPAN_STATUS] = {STR("status"), STR("status")},
};

/* What a span says beside its fields. */
typedef struct SpanFaults {
    bool bad_parent;
    uint32_t n_bad_links;
} SpanFaults;

static int read_span_field(JsonReader *reader, size_t field, Span *span, SpanFaults *faults)
{
    bool bad;

    switch (field) {
    case SPAN_TRACE:
        return read_id(reader, span->trace_id.bytes, TRACE_ID_SIZE, &bad);
    case SPAN_SPAN:
        return read_id(reader, span->span_id.bytes, SPAN_ID_SIZE, &bad);
    case SPAN_STATE:
        return json_read_string(reader, &span->trace_state);
    case SPAN_PARENT:
        return read_id(reader, span->parent_span_id.bytes, SPAN_ID_SIZE, &faults->bad_parent);
    case SPAN_FLAGS:
        return read_u32(reader, &span->flags);
    case SPAN_NAME:
        return json_read_string(reader, &span->name);
    case SPAN_KIND:
        return read_enum(reader, true, &span->kind);
    case SPAN_START:
        return json_read_u64(reader, &span->start_ns);
    case SPAN_END:
        return json_read_u64(reader, &span->end_ns);
    case SPAN_ATTRIBUTES:
        return attributes_json_read(reader, &span->attributes);
    case SPAN_DROPPED_ATTRIBUTES:
        return read_u32(reader, &span->dropped_attributes);
    case SPAN_EVENTS:
        return json_read_events(reader, read_event, span);
    case SPAN_DROPPED_EVENTS:
        return read_u32(reader, &span->dropped_events);
    case SPAN_LINKS:
        return read_links(reader, span, &faults->n_bad_links);
    case SPAN_DROPPED_LINKS:
        return read_u32(reader, &span->dropped_links);
    default:
        return read_status(reader, span);
    }
}

static const char *reason_to_reject(const Span *span, const SpanFaults *faults)
{
    if (trace_id_is_zero(span->trace_id)) {
        return "traceId is missing, zero or not 32 hex digits long";
    }
    if (span_id_is_zero(span->span_id)) {
        return "spanId is missing, zero or not 16 hex digits long";
    }
    return faults->bad_parent ? "parentSpanId is neither empty nor 16 hex digits long" : NULL;
}

static int read_span(Decoder *decoder, const Resource *resource, const Scope *scope)
{
    JsonReader *reader = &decoder->reader;
    Batch *batch = &decoder->batch;
    size_t hint = 0, field;
    SpanFaults faults = {0};
    int more = 0;

    if (batch->n_spans == OTLP_SPANS_MAX) {
        return json_fail(reader, "more than 1,048,576 spans in one request");
    }
    ARRAY_ROOM(reader->arena, batch->spans, batch->n_spans, decoder->capacity);
    Span *span = &batch->spans[batch->n_spans];
    *span = (Span){.trace_state = STR(""),
                   .name = STR(""),
                   .status_message = STR(""),
                   .resource = resource,
                   .scope = scope};
    if (!json_take_null(reader)) {
        TRY(json_enter_object(reader));
        while ((more = next_field(reader, span_fields, ARRAY_LEN(span_fields), &hint, &field)) >
               0) {
            TRY(read_span_field(reader, field, span, &faults));
        }
    }
    span->dropped_links += faults.n_bad_links;
    const char *reason = reason_to_reject(span, &faults);
    if (reason == NULL) {
        batch->n_spans++;
    } else {
        batch->n_rejected++;
        batch->reject_reason = reason;
    }
    return more < 0 ? JSON_BAD : 0;
}

enum { SCOPE_NAME, SCOPE_VERSION, SCOPE_ATTRIBUTES, SCOPE_DROPPED };
static const JsonField scope_fields[] = {
    {STR("name"), STR("name")},
    {STR("version"), STR("version")},
    {STR("attributes"), STR("attributes")},
    {STR("droppedAttributesCount"), STR("dropped_attributes_count")},
};

static int read_scope(JsonReader *reader, Scope *scope)
{
    size_t hint = 0, field;
    int more;

    TRY(json_enter_object(reader));
    while ((more = next_field(reader, scope_fields, ARRAY_LEN(scope_fields), &hint, &field)) > 0) {
        switch (field) {
        case SCOPE_NAME:
            TRY(json_read_string(reader, &scope->name));
            break;
        case SCOPE_VERSION:
            TRY(json_read_string(reader, &scope->version));
            break;
        case SCOPE_ATTRIBUTES:
            TRY(attributes_json_read(reader, &scope->attributes));
            break;
        case SCOPE_DROPPED:
            TRY(read_u32(reader, &scope->dropped_attributes));
            break;
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

enum { SCOPE_SPANS_SCOPE, SCOPE_SPANS_OLD_SCOPE, SCOPE_SPANS_SPANS, SCOPE_SPANS_SCHEMA };
static const JsonField scope_spans_fields[] = {
    {STR("scope"), STR("scope")},
    {STR("instrumentationLibrary"), STR("instrumentation_library")},
    {STR("spans"), STR("spans")},
    {STR("schemaUrl"), STR("schema_url")},
};

static int read_scope_spans(Decoder *decoder, const Resource *resource)
{
    JsonReader *reader = &decoder->reader;
    size_t hint = 0, field;
    int more, more_spans;

    if (json_take_null(reader)) {
        return 0;
    }
    if (++decoder->n_scopes > OTLP_RESOURCES_MAX) {
        return json_fail(reader, "more than 131,072 scopes in one request");
    }
    Scope *scope = ARENA_NEW(reader->arena, Scope);
    TRY(json_enter_object(reader));
    while ((more = next_field(reader, scope_spans_fields, ARRAY_LEN(scope_spans_fields), &hint,
                              &field)) > 0) {
        switch (field) {
        case SCOPE_SPANS_SCOPE:
        case SCOPE_SPANS_OLD_SCOPE:
            TRY(read_scope(reader, scope));
            break;
        case SCOPE_SPANS_SPANS:
            TRY(json_enter_array(reader));
            while ((more_spans = json_next_item(reader)) > 0) {
                TRY(read_span(decoder, resource, scope));
            }
            TRY(more_spans < 0 ? JSON_BAD : 0);
            break;
        case SCOPE_SPANS_SCHEMA:
            TRY(json_read_string(reader, &scope->schema_url));
            break;
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

static const JsonField resource_fields[] = {
    {STR("attributes"), STR("attributes")},
    {STR("droppedAttributesCount"), STR("dropped_attributes_count")},
};

static int read_resource(JsonReader *reader, Resource *resource)
{
    size_t hint = 0, field;
    int more;

    TRY(json_enter_object(reader));
    while ((more = next_field(reader, resource_fields, ARRAY_LEN(resource_fields), &hint, &field)) >
           0) {
        TRY(field == 0 ? attributes_json_read(reader, &resource->attributes)
                       : read_u32(reader, &resource->dropped_attributes));
    }
    return more < 0 ? JSON_BAD : 0;
}

enum { RESOURCE_SPANS_RESOURCE, RESOURCE_SPANS_SCOPES, RESOURCE_SPANS_OLD, RESOURCE_SPANS_SCHEMA };
static const JsonField resource_spans_fields[] = {
    {STR("resource"), STR("resource")},
    {STR("scopeSpans"), STR("scope_spans")},
    {STR("instrumentationLibrarySpans"), STR("instrumentation_library_spans")},
    {STR("schemaUrl"), STR("schema_url")},
};

static int read_resource_spans(Decoder *decoder)
{
    JsonReader *reader = &decoder->reader;
    size_t hint = 0, field;
    int more, more_scopes;

    if (json_take_null(reader)) {
        return 0;
    }
    if (++decoder->n_resources > OTLP_RESOURCES_MAX) {
        return json_fail(reader, "more than 131,072 resources in one request");
    }
    Resource *resource = ARENA_NEW(reader->arena, Resource);
    TRY(json_enter_object(reader));
    while ((more = next_field(reader, resource_spans_fields, ARRAY_LEN(resource_spans_fields),
                              &hint, &field)) > 0) {
        switch (field) {
        case RESOURCE_SPANS_RESOURCE:
            TRY(read_resource(reader, resource));
            break;
        case RESOURCE_SPANS_SCOPES:
        case RESOURCE_SPANS_OLD:
            TRY(json_enter_array(reader));
            while ((more_scopes = json_next_item(reader)) > 0) {
                TRY(read_scope_spans(decoder, resource));
            }
            TRY(more_scopes < 0 ? JSON_BAD : 0);
            break;
        case RESOURCE_SPANS_SCHEMA:
            TRY(json_read_string(reader, &resource->schema_url));
            break;
        }
    }
    return more < 0 ? JSON_BAD : 0;
}

static const JsonField request_fields[] = {{STR("resourceSpans"), STR("resource_spans")}};

static int read_request(Decoder *decoder)
{
    JsonReader *reader = &decoder->reader;
    size_t hint = 0, field;
    int more, more_resources;

    TRY(json_enter_object(reader));
    while ((more = next_field(reader, request_fields, 1, &hint, &field)) > 0) {
        TRY(json_enter_array(reader));
        while ((more_resources = json_next_item(reader)) > 0) {
            TRY(read_resource_spans(decoder));
        }
        TRY(more_resources < 0 ? JSON_BAD : 0);
    }
    TRY(more < 0 ? JSON_BAD : 0);
    return json_end(reader);
}

int otlp_read_json(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error)
{
    Decoder decoder = {0};

    json_reader_init(&decoder.reader, body, arena);
    if (read_request(&decoder) != 0) {
        *ret_error = decoder.reader.error;
        return WIRE_BAD;
    }
    *ret_batch = decoder.batch;
    return 0;
}
