// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"
#include "codec/json.h"
#include "span/canonical.h"
#include "wire/zipkin.h"

/*
 * OpenTelemetry's "Transformation to Zipkin". The attributes that the reader makes of endpoints
 * become endpoints again, not tags; what Zipkin has no field for goes into the tags that
 * OpenTelemetry's exporters use.
 */

static const Value *find_text(const Span *span, Str key)
{
    const Value *value = attributes_find(span->attributes, key);

    return value != NULL && value->type == VALUE_STRING && value->string.len != 0 ? value : NULL;
}

/* A port that Zipkin can hold. */
static const Value *find_port(const Span *span, Str key)
{
    const Value *value = attributes_find(span->attributes, key);

    return value != NULL && value->type == VALUE_INT && value->integer > 0 &&
                   value->integer <= UINT16_MAX
               ? value
               : NULL;
}

/* Whether the attribute is written as part of an endpoint. */
static bool is_endpoint_part(const Span *span, const Attribute *attribute)
{
    static const Str texts[] = {STR("peer.service"), STR("network.peer.address"),
                                STR("network.local.address")};
    static const Str ports[] = {STR("network.peer.port"), STR("network.local.port")};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (str_equal(attribute->key, texts[i])) {
            return find_text(span, texts[i]) != NULL;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        if (str_equal(attribute->key, ports[i])) {
            return find_port(span, ports[i]) != NULL;
        }
    }
    return false;
}

static void write_address(JsonWriter *writer, const Value *address, const Value *port)
{
    if (address != NULL) {
        bool is_ipv6 = str_find_byte(address->string, ':', 0) < address->string.len;
        json_key(writer, is_ipv6 ? STR("ipv6") : STR("ipv4"));
        json_string(writer, address->string);
    }
    if (port != NULL) {
        json_key(writer, STR("port"));
        json_i64(writer, port->integer);
    }
}

static void write_endpoints(JsonWriter *writer, const Span *span, Arena *arena)
{
    const Value *peer = find_text(span, STR("peer.service"));
    const Value *address = find_text(span, STR("network.peer.address"));
    const Value *port = find_port(span, STR("network.peer.port"));
    Str service = span_service_name(span, arena);

    json_key(writer, STR("localEndpoint"));
    json_open(writer, '{');
    if (service.len != 0) {
        json_key(writer, STR("serviceName"));
        json_string(writer, service);
    }
    write_address(writer, find_text(span, STR("network.local.address")),
                  find_port(span, STR("network.local.port")));
    json_close(writer, '}');
    if (peer == NULL && address == NULL && port == NULL) {
        return;
    }
    json_key(writer, STR("remoteEndpoint"));
    json_open(writer, '{');
    if (peer != NULL) {
        json_key(writer, STR("serviceName"));
        json_string(writer, peer->string);
    }
    write_address(writer, address, port);
    json_close(writer, '}');
}

static void write_tag(JsonWriter *writer, Str key, Str value)
{
    if (value.len != 0) {
        json_key(writer, key);
        json_string(writer, value);
    }
}

static void write_count_tag(JsonWriter *writer, Str key, uint32_t count)
{
    if (count != 0) {
        json_key(writer, key);
        json_raw(writer, STR("\""));
        buf_append_u64(writer->buf, count);
        buf_append_byte(writer->buf, '"');
    }
}

static void write_attribute_tags(JsonWriter *writer, const Span *span, Arena *arena)
{
    CLEANUP(sorted_attributes_deinit) SortedAttributes own;
    CLEANUP(sorted_attributes_deinit) SortedAttributes resource;

    sorted_attributes_init(&own, span->attributes);
    sorted_attributes_init(&resource, span->resource->attributes);
    for (size_t i = 0; i < own.count; i++) {
        if (!is_endpoint_part(span, own.items[i])) {
            json_key(writer, own.items[i]->key);
            json_string(writer, value_text(&own.items[i]->value, arena));
        }
    }
    for (size_t i = 0; i < resource.count; i++) {
        Str key = resource.items[i]->key;
        if (!str_equal(key, STR("service.name")) &&
            attributes_find(span->attributes, key) == NULL) {
            json_key(writer, key);
            json_string(writer, value_text(&resource.items[i]->value, arena));
        }
    }
}

static void write_status_tags(JsonWriter *writer, const Span *span)
{
    if (span->status_code == STATUS_ERROR) {
        json_key(writer, STR("error"));
        json_string(writer, span->status_message.len != 0 ? span->status_message : STR("true"));
    }
    if (span->status_code != STATUS_UNSET) {
        bool error = span->status_code == STATUS_ERROR;
        write_tag(writer, STR("otel.status_code"), error ? STR("ERROR") : STR("OK"));
    }
    if (span->status_code != STATUS_ERROR) {
        write_tag(writer, STR("otel.status_description"), span->status_message);
    }
}

/* As the Collector's exporter has them: trace id, span id, state, attributes, dropped. */
static void write_link_tag(JsonWriter *writer, const Link *link, size_t index, Arena *arena)
{
    Value attributes = {.type = VALUE_MAP,
                        .count = (uint32_t)link->attributes.count,
                        .entries = link->attributes.items};
    CLEANUP(buf_deinit) Buf text = {0};

    buf_append_hex(&text, link->trace_id.bytes, TRACE_ID_SIZE);
    buf_append_byte(&text, '|');
    buf_append_hex(&text, link->span_id.bytes, SPAN_ID_SIZE);
    buf_append_byte(&text, '|');
    buf_append_str(&text, link->trace_state);
    buf_append_byte(&text, '|');
    value_append_text(&attributes, &text);
    buf_append_format(&text, "|%u", link->dropped_attributes);
    json_key(writer, arena_format(arena, "otlp.link.%zu", index));
    json_string(writer, buf_str(&text));
}

static void write_tags(JsonWriter *writer, const Span *span, Arena *arena)
{
    json_key(writer, STR("tags"));
    json_open(writer, '{');
    write_attribute_tags(writer, span, arena);
    write_status_tags(writer, span);
    write_tag(writer, STR("otel.scope.name"), span->scope->name);
    write_tag(writer, STR("otel.scope.version"), span->scope->version);
    write_tag(writer, STR("w3c.tracestate"), span->trace_state);
    write_count_tag(writer, STR("otel.dropped_attributes_count"), span->dropped_attributes);
    write_count_tag(writer, STR("otel.dropped_events_count"), span->dropped_events);
    for (size_t i = 0; i < span->n_links; i++) {
        write_link_tag(writer, &span->links[i], i, arena);
    }
    json_close(writer, '}');
}

/* An event's attributes follow its name as JSON. */
static void write_annotation(JsonWriter *writer, const Event *event)
{
    json_open(writer, '{');
    json_key(writer, STR("timestamp"));
    json_u64(writer, event->time_ns / 1000);
    json_key(writer, STR("value"));
    if (event->attributes.count == 0) {
        json_string(writer, event->name);
    } else {
        CLEANUP(buf_deinit) Buf text = {0};
        JsonWriter inner = {.buf = &text};
        Value attributes = {.type = VALUE_MAP,
                            .count = (uint32_t)event->attributes.count,
                            .entries = event->attributes.items};
        json_string(&inner, event->name);
        buf_append_byte(&text, ':');
        value_append_text(&attributes, &text);
        json_string(writer, buf_str(&text));
    }
    json_close(writer, '}');
}

static void write_annotations(JsonWriter *writer, const Span *span)
{
    if (span->n_events == 0) {
        return;
    }
    json_key(writer, STR("annotations"));
    json_open(writer, '[');
    for (size_t i = 0; i < span->n_events; i++) {
        write_annotation(writer, &span->events[i]);
    }
    json_close(writer, ']');
}

static void write_kind(JsonWriter *writer, uint8_t kind)
{
    static const Str names[] = {
        [SPAN_KIND_SERVER] = STR("SERVER"),
        [SPAN_KIND_CLIENT] = STR("CLIENT"),
        [SPAN_KIND_PRODUCER] = STR("PRODUCER"),
        [SPAN_KIND_CONSUMER] = STR("CONSUMER"),
    };

    if (kind < ARRAY_LEN(names) && names[kind].len != 0) {
        json_key(writer, STR("kind"));
        json_string(writer, names[kind]);
    }
}

/* Zipkin takes a time or duration of 0 as missing, so a shorter one than a microsecond is one. */
static void write_times(JsonWriter *writer, const Span *span)
{
    uint64_t duration_ns = span_duration_ns(span);

    if (span->start_ns != 0) {
        json_key(writer, STR("timestamp"));
        json_u64(writer, MAX(span->start_ns / 1000, (uint64_t)1));
    }
    if (duration_ns != 0) {
        json_key(writer, STR("duration"));
        json_u64(writer, MAX(duration_ns / 1000, (uint64_t)1));
    }
}

static void write_id(JsonWriter *writer, Str key, const uint8_t *bytes, size_t size)
{
    json_key(writer, key);
    json_hex(writer, bytes, size);
}

static void write_span(JsonWriter *writer, const Span *span, bool shared, Arena *arena)
{
    json_open(writer, '{');
    write_id(writer, STR("traceId"), span->trace_id.bytes, TRACE_ID_SIZE);
    if (!span_id_is_zero(span->parent_span_id)) {
        write_id(writer, STR("parentId"), span->parent_span_id.bytes, SPAN_ID_SIZE);
    }
    write_id(writer, STR("id"), span->span_id.bytes, SPAN_ID_SIZE);
    write_kind(writer, span->kind);
    json_key(writer, STR("name"));
    json_string(writer, span->name);
    write_times(writer, span);
    write_endpoints(writer, span, arena);
    write_annotations(writer, span);
    write_tags(writer, span, arena);
    if (shared) {
        json_key(writer, STR("shared"));
        json_bool(writer, true);
    }
    json_close(writer, '}');
}

typedef struct ClientId {
    TraceId trace_id;
    SpanId span_id;
} ClientId;

void zipkin_write_json(const Span *spans, size_t n, Buf *buf)
{
    CLEANUP(table_deinit) Table clients;
    CLEANUP(arena_deinit) Arena arena = {0};
    JsonWriter writer = {.buf = buf};

    table_init(&clients, sizeof(ClientId), sizeof(ClientId));
    for (size_t i = 0; i < n; i++) {
        if (span_is_client(&spans[i])) {
            ClientId id = {spans[i].trace_id, spans[i].span_id};
            table_put(&clients, &id, NULL);
        }
    }
    json_open(&writer, '[');
    for (size_t i = 0; i < n; i++) {
        ClientId id = {spans[i].trace_id, spans[i].span_id};
        bool shared = spans[i].kind == SPAN_KIND_SERVER && table_find(&clients, &id) != NULL;
        arena_reset(&arena);
        write_span(&writer, &spans[i], shared, &arena);
    }
    json_close(&writer, ']');
}
