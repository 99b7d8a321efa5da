// SPDX-License-Identifier: Apache-2.0
#include "span/value_json.h"
#include "wire/otlp.h"

/* OTLP's JSON mapping: ids as hex, 64-bit numbers as strings, enums as numbers, defaults left out.
 */

static void write_text(JsonWriter *writer, Str key, Str text)
{
    if (text.len != 0) {
        json_key(writer, key);
        json_string(writer, text);
    }
}

static void write_number(JsonWriter *writer, Str key, uint32_t number)
{
    if (number != 0) {
        json_key(writer, key);
        json_u64(writer, number);
    }
}

static void write_time(JsonWriter *writer, Str key, uint64_t time_ns)
{
    if (time_ns != 0) {
        json_key(writer, key);
        json_raw(writer, STR("\""));
        buf_append_u64(writer->buf, time_ns);
        buf_append_byte(writer->buf, '"');
    }
}

static void write_id(JsonWriter *writer, Str key, const uint8_t *bytes, size_t size)
{
    json_key(writer, key);
    json_hex(writer, bytes, size);
}

static void write_attributes(JsonWriter *writer, Attributes attributes, uint32_t dropped)
{
    if (attributes.count != 0) {
        json_key(writer, STR("attributes"));
        attributes_json_write(writer, attributes);
    }
    write_number(writer, STR("droppedAttributesCount"), dropped);
}

static void write_events(JsonWriter *writer, const Span *span)
{
    if (span->n_events == 0) {
        return;
    }
    json_key(writer, STR("events"));
    json_open(writer, '[');
    for (size_t i = 0; i < span->n_events; i++) {
        const Event *event = &span->events[i];
        json_open(writer, '{');
        write_time(writer, STR("timeUnixNano"), event->time_ns);
        write_text(writer, STR("name"), event->name);
        write_attributes(writer, event->attributes, event->dropped_attributes);
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

static void write_links(JsonWriter *writer, const Span *span)
{
    if (span->n_links == 0) {
        return;
    }
    json_key(writer, STR("links"));
    json_open(writer, '[');
    for (size_t i = 0; i < span->n_links; i++) {
        const Link *link = &span->links[i];
        json_open(writer, '{');
        write_id(writer, STR("traceId"), link->trace_id.bytes, TRACE_ID_SIZE);
        write_id(writer, STR("spanId"), link->span_id.bytes, SPAN_ID_SIZE);
        write_text(writer, STR("traceState"), link->trace_state);
        write_attributes(writer, link->attributes, link->dropped_attributes);
        write_number(writer, STR("flags"), link->flags);
        json_close(writer, '}');
    }
    json_close(writer, ']');
}

static void write_status(JsonWriter *writer, const Span *span)
{
    if (span->status_code == STATUS_UNSET && span->status_message.len == 0) {
        return;
    }
    json_key(writer, STR("status"));
    json_open(writer, '{');
    write_text(writer, STR("message"), span->status_message);
    write_number(writer, STR("code"), span->status_code);
    json_close(writer, '}');
}

static void write_span(JsonWriter *writer, const Span *span)
{
    json_open(writer, '{');
    write_id(writer, STR("traceId"), span->trace_id.bytes, TRACE_ID_SIZE);
    write_id(writer, STR("spanId"), span->span_id.bytes, SPAN_ID_SIZE);
    write_text(writer, STR("traceState"), span->trace_state);
    if (!span_id_is_zero(span->parent_span_id)) {
        write_id(writer, STR("parentSpanId"), span->parent_span_id.bytes, SPAN_ID_SIZE);
    }
    write_number(writer, STR("flags"), span->flags);
    write_text(writer, STR("name"), span->name);
    write_number(writer, STR("kind"), span->kind);
    write_time(writer, STR("startTimeUnixNano"), span->start_ns);
    write_time(writer, STR("endTimeUnixNano"), span->end_ns);
    write_attributes(writer, span->attributes, span->dropped_attributes);
    write_events(writer, span);
    write_number(writer, STR("droppedEventsCount"), span->dropped_events);
    write_links(writer, span);
    write_number(writer, STR("droppedLinksCount"), span->dropped_links);
    write_status(writer, span);
    json_close(writer, '}');
}

static void write_resource(JsonWriter *writer, const Resource *resource)
{
    json_key(writer, STR("resource"));
    json_open(writer, '{');
    write_attributes(writer, resource->attributes, resource->dropped_attributes);
    json_close(writer, '}');
}

static void write_scope(JsonWriter *writer, const Scope *scope)
{
    json_key(writer, STR("scope"));
    json_open(writer, '{');
    write_text(writer, STR("name"), scope->name);
    write_text(writer, STR("version"), scope->version);
    write_attributes(writer, scope->attributes, scope->dropped_attributes);
    json_close(writer, '}');
}

/* The ScopeSpans of the first spans of one resource and scope; returns how many these were. */
static size_t write_scope_spans(JsonWriter *writer, const Span *spans, size_t n)
{
    size_t i = 0;

    json_open(writer, '{');
    write_scope(writer, spans[0].scope);
    json_key(writer, STR("spans"));
    json_open(writer, '[');
    for (; i < n && spans[i].scope == spans[0].scope && spans[i].resource == spans[0].resource;
         i++) {
        write_span(writer, &spans[i]);
    }
    json_close(writer, ']');
    write_text(writer, STR("schemaUrl"), spans[0].scope->schema_url);
    json_close(writer, '}');
    return i;
}

void otlp_write_json(const Span *spans, size_t n, Buf *buf)
{
    JsonWriter writer = {.buf = buf};

    json_open(&writer, '{');
    json_key(&writer, STR("resourceSpans"));
    json_open(&writer, '[');
    for (size_t i = 0; i < n;) {
        const Resource *resource = spans[i].resource;
        json_open(&writer, '{');
        write_resource(&writer, resource);
        json_key(&writer, STR("scopeSpans"));
        json_open(&writer, '[');
        while (i < n && spans[i].resource == resource) {
            i += write_scope_spans(&writer, spans + i, n - i);
        }
        json_close(&writer, ']');
        write_text(&writer, STR("schemaUrl"), resource->schema_url);
        json_close(&writer, '}');
    }
    json_close(&writer, ']');
    json_close(&writer, '}');
}
