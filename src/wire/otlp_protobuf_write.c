// SPDX-License-Identifier: Apache-2.0
#include "wire/message.h"
#include "wire/otlp.h"

static void write_attributes(Buf *buf, uint32_t field, Attributes attributes);

static void write_value(Buf *buf, uint32_t field, const Value *value)
{
    size_t message = message_open(buf, field), list;
    uint64_t bits;

    switch (value->type) {
    case VALUE_EMPTY:
        break;
    case VALUE_STRING:
        message_present_str(buf, 1, value->string);
        break;
    case VALUE_BOOL:
        message_present_varint(buf, 2, value->boolean);
        break;
    case VALUE_INT:
        message_present_varint(buf, 3, (uint64_t)value->integer);
        break;
    case VALUE_DOUBLE:
        __builtin_memcpy(&bits, &value->number, sizeof(bits));
        message_present_fixed64(buf, 4, bits);
        break;
    case VALUE_ARRAY:
        list = message_open(buf, 5);
        for (uint32_t i = 0; i < value->count; i++) {
            write_value(buf, 1, &value->items[i]);
        }
        message_close(buf, list);
        break;
    case VALUE_MAP:
        list = message_open(buf, 6);
        write_attributes(buf, 1, (Attributes){.items = value->entries, .count = value->count});
        message_close(buf, list);
        break;
    case VALUE_BYTES:
        message_present_str(buf, 7, value->string);
        break;
    }
    message_close(buf, message);
}

static void write_attributes(Buf *buf, uint32_t field, Attributes attributes)
{
    for (size_t i = 0; i < attributes.count; i++) {
        size_t message = message_open(buf, field);
        message_str(buf, 1, attributes.items[i].key);
        write_value(buf, 2, &attributes.items[i].value);
        message_close(buf, message);
    }
}

static void write_event(Buf *buf, const Event *event)
{
    size_t message = message_open(buf, 11);

    message_fixed64(buf, 1, event->time_ns);
    message_str(buf, 2, event->name);
    write_attributes(buf, 3, event->attributes);
    message_varint(buf, 4, event->dropped_attributes);
    message_close(buf, message);
}

static void write_link(Buf *buf, const Link *link)
{
    size_t message = message_open(buf, 13);

    message_str(buf, 1, str_from_bytes(link->trace_id.bytes, TRACE_ID_SIZE));
    message_str(buf, 2, str_from_bytes(link->span_id.bytes, SPAN_ID_SIZE));
    message_str(buf, 3, link->trace_state);
    write_attributes(buf, 4, link->attributes);
    message_varint(buf, 5, link->dropped_attributes);
    message_fixed32(buf, 6, link->flags);
    message_close(buf, message);
}

static void write_status(Buf *buf, const Span *span)
{
    if (span->status_code != STATUS_UNSET || span->status_message.len != 0) {
        size_t message = message_open(buf, 15);
        message_str(buf, 2, span->status_message);
        message_varint(buf, 3, span->status_code);
        message_close(buf, message);
    }
}

static void write_span(Buf *buf, const Span *span)
{
    size_t message = message_open(buf, 2);

    message_str(buf, 1, str_from_bytes(span->trace_id.bytes, TRACE_ID_SIZE));
    message_str(buf, 2, str_from_bytes(span->span_id.bytes, SPAN_ID_SIZE));
    message_str(buf, 3, span->trace_state);
    if (!span_id_is_zero(span->parent_span_id)) {
        message_str(buf, 4, str_from_bytes(span->parent_span_id.bytes, SPAN_ID_SIZE));
    }
    message_str(buf, 5, span->name);
    message_varint(buf, 6, span->kind);
    message_fixed64(buf, 7, span->start_ns);
    message_fixed64(buf, 8, span->end_ns);
    write_attributes(buf, 9, span->attributes);
    message_varint(buf, 10, span->dropped_attributes);
    for (size_t i = 0; i < span->n_events; i++) {
        write_event(buf, &span->events[i]);
    }
    message_varint(buf, 12, span->dropped_events);
    for (size_t i = 0; i < span->n_links; i++) {
        write_link(buf, &span->links[i]);
    }
    message_varint(buf, 14, span->dropped_links);
    write_status(buf, span);
    message_fixed32(buf, 16, span->flags);
    message_close(buf, message);
}

static void write_resource(Buf *buf, const Resource *resource)
{
    size_t message = message_open(buf, 1);

    write_attributes(buf, 1, resource->attributes);
    message_varint(buf, 2, resource->dropped_attributes);
    message_close(buf, message);
}

static void write_scope(Buf *buf, const Scope *scope)
{
    size_t message = message_open(buf, 1);

    message_str(buf, 1, scope->name);
    message_str(buf, 2, scope->version);
    write_attributes(buf, 3, scope->attributes);
    message_varint(buf, 4, scope->dropped_attributes);
    message_close(buf, message);
}

/* The ScopeSpans of the first spans of one resource and scope; returns how many these were. */
static size_t write_scope_spans(Buf *buf, const Span *spans, size_t n)
{
    size_t message = message_open(buf, 2), i = 0;

    write_scope(buf, spans[0].scope);
    for (; i < n && spans[i].scope == spans[0].scope && spans[i].resource == spans[0].resource;
         i++) {
        write_span(buf, &spans[i]);
    }
    message_str(buf, 3, spans[0].scope->schema_url);
    message_close(buf, message);
    return i;
}

void otlp_write_protobuf(const Span *spans, size_t n, Buf *buf)
{
    for (size_t i = 0; i < n;) {
        const Resource *resource = spans[i].resource;
        size_t message = message_open(buf, 1);

        write_resource(buf, resource);
        while (i < n && spans[i].resource == resource) {
            i += write_scope_spans(buf, spans + i, n - i);
        }
        message_str(buf, 3, resource->schema_url);
        message_close(buf, message);
    }
}
