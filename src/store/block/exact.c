// SPDX-License-Identifier: Apache-2.0
#include "store/block/exact.h"

#include <math.h>

#include "codec/bytes.h"
#include "codec/utf8.h"

/* Readers refuse deeper values, so nothing deeper was ever written. */
enum { DEPTH_MAX = VALUE_DEPTH_MAX + 2 };

static void append_attributes(Buf *buf, Attributes attributes)
{
    varint_append(buf, attributes.count);
    for (size_t i = 0; i < attributes.count; i++) {
        bytes_append_counted(buf, attributes.items[i].key);
        exact_append_value(buf, &attributes.items[i].value);
    }
}

void exact_append_value(Buf *buf, const Value *value)
{
    uint64_t bits;

    buf_append_byte(buf, (uint8_t)value->type);
    switch (value->type) {
    case VALUE_EMPTY:
        break;
    case VALUE_STRING:
    case VALUE_BYTES:
        bytes_append_counted(buf, value->string);
        break;
    case VALUE_BOOL:
        buf_append_byte(buf, value->boolean);
        break;
    case VALUE_INT:
        zigzag_append(buf, value->integer);
        break;
    case VALUE_DOUBLE:
        mem_copy(&bits, &value->number, sizeof(bits));
        buf_append_u64le(buf, bits);
        break;
    case VALUE_ARRAY:
        varint_append(buf, value->count);
        for (uint32_t i = 0; i < value->count; i++) {
            exact_append_value(buf, &value->items[i]);
        }
        break;
    case VALUE_MAP:
        append_attributes(buf, (Attributes){value->entries, value->count});
        break;
    }
}

static void append_resource(Buf *buf, const Resource *resource)
{
    bytes_append_counted(buf, resource->schema_url);
    varint_append(buf, resource->dropped_attributes);
    append_attributes(buf, resource->attributes);
}

static void append_scope(Buf *buf, const Scope *scope)
{
    bytes_append_counted(buf, scope->schema_url);
    varint_append(buf, scope->dropped_attributes);
    append_attributes(buf, scope->attributes);
    bytes_append_counted(buf, scope->name);
    bytes_append_counted(buf, scope->version);
}

static void append_events(Buf *buf, const Span *span)
{
    varint_append(buf, span->n_events);
    for (size_t i = 0; i < span->n_events; i++) {
        const Event *event = &span->events[i];

        varint_append(buf, event->time_ns);
        bytes_append_counted(buf, event->name);
        varint_append(buf, event->dropped_attributes);
        append_attributes(buf, event->attributes);
    }
}

static void append_links(Buf *buf, const Span *span)
{
    varint_append(buf, span->n_links);
    for (size_t i = 0; i < span->n_links; i++) {
        const Link *link = &span->links[i];

        buf_append(buf, link->trace_id.bytes, TRACE_ID_SIZE);
        buf_append(buf, link->span_id.bytes, SPAN_ID_SIZE);
        bytes_append_counted(buf, link->trace_state);
        varint_append(buf, link->dropped_attributes);
        varint_append(buf, link->flags);
        append_attributes(buf, link->attributes);
    }
}

void exact_append_span(Buf *buf, const Span *span)
{
    const uint64_t numbers[] = {span->start_ns,       span->end_ns,       span->flags,
                                span->kind,           span->status_code,  span->dropped_attributes,
                                span->dropped_events, span->dropped_links};

    buf_append(buf, span->trace_id.bytes, TRACE_ID_SIZE);
    buf_append(buf, span->span_id.bytes, SPAN_ID_SIZE);
    buf_append(buf, span->parent_span_id.bytes, SPAN_ID_SIZE);
    bytes_append_counted(buf, span->trace_state);
    bytes_append_counted(buf, span->name);
    bytes_append_counted(buf, span->status_message);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        varint_append(buf, numbers[i]);
    }
    append_attributes(buf, span->attributes);
    append_resource(buf, span->resource);
    append_scope(buf, span->scope);
    append_events(buf, span);
    append_links(buf, span);
}

/* --- Back --- */

static int take_value(Str *in, Arena *arena, unsigned depth, Value *ret_value);

/* A count of things that take at least one byte each. */
static int take_count(Str *in, size_t *ret_count)
{
    uint64_t count;

    TRY(varint_take(in, &count));
    if (count > in->len) {
        return 1;
    }
    *ret_count = (size_t)count;
    return 0;
}

static int take_u32(Str *in, uint32_t *ret_value)
{
    uint64_t value;

    TRY(varint_take(in, &value));
    if (value > UINT32_MAX) {
        return 1;
    }
    *ret_value = (uint32_t)value;
    return 0;
}

static int take_entries(Str *in, Arena *arena, unsigned depth, Attributes *ret_attributes)
{
    size_t count;

    TRY(take_count(in, &count));
    Attribute *items = ARENA_ARRAY(arena, Attribute, count);
    for (size_t i = 0; i < count; i++) {
        TRY(bytes_take_counted(in, &items[i].key));
        TRY(take_value(in, arena, depth, &items[i].value));
    }
    *ret_attributes = (Attributes){items, count};
    return 0;
}

static int take_items(Str *in, Arena *arena, unsigned depth, Value *value)
{
    size_t count;

    TRY(take_count(in, &count));
    Value *items = ARENA_ARRAY(arena, Value, count);
    for (size_t i = 0; i < count; i++) {
        TRY(take_value(in, arena, depth, &items[i]));
    }
    value->items = items;
    value->count = (uint32_t)count;
    return 0;
}

static int take_map(Str *in, Arena *arena, unsigned depth, Value *value)
{
    Attributes entries;

    TRY(take_entries(in, arena, depth, &entries));
    value->entries = entries.items;
    value->count = (uint32_t)entries.count;
    return 0;
}

static int take_value(Str *in, Arena *arena, unsigned depth, Value *ret_value)
{
    Str byte;

    if (depth == 0 || in->len > UINT32_MAX) {
        return 1;
    }
    TRY(bytes_take(in, 1, &byte));
    *ret_value = (Value){.type = (ValueType)(uint8_t)byte.ptr[0]};
    switch (ret_value->type) {
    case VALUE_EMPTY:
        return 0;
    case VALUE_STRING:
    case VALUE_BYTES:
        return bytes_take_counted(in, &ret_value->string);
    case VALUE_BOOL:
        TRY(bytes_take(in, 1, &byte));
        ret_value->boolean = byte.ptr[0] != 0;
        return 0;
    case VALUE_INT:
        return zigzag_take(in, &ret_value->integer);
    case VALUE_DOUBLE:
        TRY(bytes_take(in, sizeof(double), &byte));
        mem_copy(&ret_value->number, byte.ptr, sizeof(double));
        return 0;
    case VALUE_ARRAY:
        return take_items(in, arena, depth - 1, ret_value);
    case VALUE_MAP:
        return take_map(in, arena, depth - 1, ret_value);
    }
    return 1;
}

int exact_take_value(Str *in, Arena *arena, Value *ret_value)
{
    return take_value(in, arena, DEPTH_MAX, ret_value);
}

static int take_id(Str *in, uint8_t *ret_bytes, size_t size)
{
    Str bytes;

    TRY(bytes_take(in, size, &bytes));
    mem_copy(ret_bytes, bytes.ptr, size);
    return 0;
}

static int take_resource(Str *in, Arena *arena, Span *span)
{
    Resource *resource = ARENA_NEW(arena, Resource);

    TRY(bytes_take_counted(in, &resource->schema_url));
    TRY(take_u32(in, &resource->dropped_attributes));
    TRY(take_entries(in, arena, DEPTH_MAX, &resource->attributes));
    span->resource = resource;
    return 0;
}

static int take_scope(Str *in, Arena *arena, Span *span)
{
    Scope *scope = ARENA_NEW(arena, Scope);

    TRY(bytes_take_counted(in, &scope->schema_url));
    TRY(take_u32(in, &scope->dropped_attributes));
    TRY(take_entries(in, arena, DEPTH_MAX, &scope->attributes));
    TRY(bytes_take_counted(in, &scope->name));
    TRY(bytes_take_counted(in, &scope->version));
    span->scope = scope;
    return 0;
}

static int take_events(Str *in, Arena *arena, Span *span)
{
    TRY(take_count(in, &span->n_events));
    Event *events = ARENA_ARRAY(arena, Event, span->n_events);
    for (size_t i = 0; i < span->n_events; i++) {
        TRY(varint_take(in, &events[i].time_ns));
        TRY(bytes_take_counted(in, &events[i].name));
        TRY(take_u32(in, &events[i].dropped_attributes));
        TRY(take_entries(in, arena, DEPTH_MAX, &events[i].attributes));
    }
    span->events = events;
    return 0;
}

static int take_links(Str *in, Arena *arena, Span *span)
{
    TRY(take_count(in, &span->n_links));
    Link *links = ARENA_ARRAY(arena, Link, span->n_links);
    for (size_t i = 0; i < span->n_links; i++) {
        TRY(take_id(in, links[i].trace_id.bytes, TRACE_ID_SIZE));
        TRY(take_id(in, links[i].span_id.bytes, SPAN_ID_SIZE));
        TRY(bytes_take_counted(in, &links[i].trace_state));
        TRY(take_u32(in, &links[i].dropped_attributes));
        TRY(take_u32(in, &links[i].flags));
        TRY(take_entries(in, arena, DEPTH_MAX, &links[i].attributes));
    }
    span->links = links;
    return 0;
}

static int take_numbers(Str *in, Span *span)
{
    uint32_t kind, status;

    TRY(varint_take(in, &span->start_ns));
    TRY(varint_take(in, &span->end_ns));
    TRY(take_u32(in, &span->flags));
    TRY(take_u32(in, &kind));
    TRY(take_u32(in, &status));
    TRY(take_u32(in, &span->dropped_attributes));
    TRY(take_u32(in, &span->dropped_events));
    TRY(take_u32(in, &span->dropped_links));
    if (kind > UINT8_MAX || status > UINT8_MAX) {
        return 1;
    }
    span->kind = (uint8_t)kind;
    span->status_code = (uint8_t)status;
    return 0;
}

int exact_take_span(Str *in, Arena *arena, Span *ret_span)
{
    Span span = {0};

    TRY(take_id(in, span.trace_id.bytes, TRACE_ID_SIZE));
    TRY(take_id(in, span.span_id.bytes, SPAN_ID_SIZE));
    TRY(take_id(in, span.parent_span_id.bytes, SPAN_ID_SIZE));
    TRY(bytes_take_counted(in, &span.trace_state));
    TRY(bytes_take_counted(in, &span.name));
    TRY(bytes_take_counted(in, &span.status_message));
    TRY(take_numbers(in, &span));
    TRY(take_entries(in, arena, DEPTH_MAX, &span.attributes));
    TRY(take_resource(in, arena, &span));
    TRY(take_scope(in, arena, &span));
    TRY(take_events(in, arena, &span));
    TRY(take_links(in, arena, &span));
    *ret_span = span;
    return 0;
}

/* --- What JSON holds --- */

static bool json_holds_value(const Value *value)
{
    switch (value->type) {
    case VALUE_STRING:
        return utf8_is_valid(value->string);
    case VALUE_DOUBLE:
        return isfinite(value->number) && !(value->number == 0 && signbit(value->number));
    case VALUE_ARRAY:
        for (uint32_t i = 0; i < value->count; i++) {
            if (!json_holds_value(&value->items[i])) {
                return false;
            }
        }
        return true;
    case VALUE_MAP:
        return exact_json_holds((Attributes){value->entries, value->count});
    default:
        return true;
    }
}

bool exact_json_holds(Attributes attributes)
{
    for (size_t i = 0; i < attributes.count; i++) {
        if (!utf8_is_valid(attributes.items[i].key) ||
            !json_holds_value(&attributes.items[i].value)) {
            return false;
        }
    }
    return true;
}
