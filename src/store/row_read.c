// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "store/row_private.h"

/* Rows are our own bytes, never from outside: nothing is checked but by ASSERT. */

/* The rest of a number whose first two bytes, @low, say that there is more. */
static __attribute__((noinline)) uint64_t read_long_number(const uint8_t **in, uint64_t low)
{
    const uint8_t *at = *in;
    uint64_t value = low;
    unsigned shift = 14;

    do {
        value |= (uint64_t)(*at & 0x7f) << shift;
        shift += 7;
    } while (*at++ & 0x80);
    *in = at;
    return value;
}

/* Nearly all have one or two bytes. */
static inline uint64_t read_number(const uint8_t **in)
{
    uint64_t first = *(*in)++;

    if (first < 0x80) {
        return first;
    }
    uint64_t second = *(*in)++;
    uint64_t low = (first & 0x7f) | (second & 0x7f) << 7;
    return second < 0x80 ? low : read_long_number(in, low);
}

static int64_t read_signed(const uint8_t **in)
{
    uint64_t value = read_number(in);

    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static inline Str read_string(const RowDictionary *dictionary, const uint8_t **in)
{
    uint64_t number = read_number(in);

    if ((number & 1) == 0) {
        return symbols_get(&dictionary->strings, (uint32_t)(number >> 1));
    }
    Str str = str_from_bytes(*in, (size_t)(number >> 1));
    *in += str.len;
    return str;
}

static void read_value(const RowDictionary *dictionary, const uint8_t **in, Arena *arena,
                       Value *value);

static void read_entries(const RowDictionary *dictionary, const uint8_t **in, Arena *arena,
                         Value *value)
{
    value->count = (uint32_t)read_number(in);
    Attribute *entries = arena_alloc(arena, value->count * sizeof(Attribute));
    for (uint32_t i = 0; i < value->count; i++) {
        entries[i].key = read_string(dictionary, in);
        read_value(dictionary, in, arena, &entries[i].value);
    }
    value->entries = entries;
}

static void read_items(const RowDictionary *dictionary, const uint8_t **in, Arena *arena,
                       Value *value)
{
    value->count = (uint32_t)read_number(in);
    Value *items = arena_alloc(arena, value->count * sizeof(Value));
    for (uint32_t i = 0; i < value->count; i++) {
        read_value(dictionary, in, arena, &items[i]);
    }
    value->items = items;
}

static void read_value(const RowDictionary *dictionary, const uint8_t **in, Arena *arena,
                       Value *value)
{
    uint8_t tag = *(*in)++;

    if (tag >= ROW_TAG_FALSE) {
        *value = (Value){.type = VALUE_BOOL, .boolean = tag == ROW_TAG_TRUE};
        return;
    }
    *value = (Value){.type = tag};
    switch (value->type) {
    case VALUE_STRING:
    case VALUE_BYTES:
        value->string = read_string(dictionary, in);
        break;
    case VALUE_INT:
        value->integer = read_signed(in);
        break;
    case VALUE_DOUBLE:
        mem_copy(&value->number, *in, sizeof(value->number));
        *in += sizeof(value->number);
        break;
    case VALUE_ARRAY:
        read_items(dictionary, in, arena, value);
        break;
    case VALUE_MAP:
        read_entries(dictionary, in, arena, value);
        break;
    case VALUE_EMPTY:
    case VALUE_BOOL:
        break;
    }
}

static void read_attributes(const RowDictionary *dictionary, const uint8_t **in, Arena *arena,
                            Attributes *attributes)
{
    size_t count = (size_t)read_number(in);
    Attribute *items = arena_alloc(arena, count * sizeof(Attribute));

    for (size_t i = 0; i < count; i++) {
        items[i].key = symbols_get(&dictionary->keys, (uint32_t)read_number(in));
        if (**in == VALUE_STRING) { /* the common case without a call */
            ++*in;
            items[i].value = value_string(read_string(dictionary, in));
        } else {
            read_value(dictionary, in, arena, &items[i].value);
        }
    }
    *attributes = (Attributes){.items = items, .count = count};
}

static void read_id(const uint8_t **in, uint8_t *id, size_t size)
{
    mem_copy(id, *in, size);
    *in += size;
}

static void read_events(const RowDictionary *dictionary, const uint8_t **in, Arena *arena,
                        Span *span)
{
    span->n_events = (size_t)read_number(in);
    Event *events = arena_alloc(arena, span->n_events * sizeof(Event));
    for (size_t i = 0; i < span->n_events; i++) {
        events[i].time_ns = span->start_ns + (uint64_t)read_signed(in);
        events[i].name = read_string(dictionary, in);
        events[i].dropped_attributes = (uint32_t)read_number(in);
        read_attributes(dictionary, in, arena, &events[i].attributes);
    }
    span->events = events;
}

static void read_links(const RowDictionary *dictionary, const uint8_t **in, Arena *arena,
                       Span *span)
{
    span->n_links = (size_t)read_number(in);
    Link *links = arena_alloc(arena, span->n_links * sizeof(Link));
    for (size_t i = 0; i < span->n_links; i++) {
        read_id(in, links[i].trace_id.bytes, TRACE_ID_SIZE);
        read_id(in, links[i].span_id.bytes, SPAN_ID_SIZE);
        links[i].trace_state = read_string(dictionary, in);
        links[i].dropped_attributes = (uint32_t)read_number(in);
        links[i].flags = (uint32_t)read_number(in);
        read_attributes(dictionary, in, arena, &links[i].attributes);
    }
    span->links = links;
}

static void read_parts(const RowDictionary *dictionary, const uint8_t **in, uint8_t parts,
                       Arena *arena, Span *span)
{
    if (parts & ROW_HAS_PARENT) {
        read_id(in, span->parent_span_id.bytes, SPAN_ID_SIZE);
    }
    if (parts & ROW_HAS_TRACE_STATE) {
        span->trace_state = read_string(dictionary, in);
    }
    if (parts & ROW_HAS_MESSAGE) {
        span->status_message = read_string(dictionary, in);
    }
    if (parts & ROW_HAS_RARE) {
        span->flags = (uint32_t)read_number(in);
        span->dropped_attributes = (uint32_t)read_number(in);
        span->dropped_events = (uint32_t)read_number(in);
        span->dropped_links = (uint32_t)read_number(in);
    }
    if (parts & ROW_HAS_EVENTS) {
        read_events(dictionary, in, arena, span);
    }
    if (parts & ROW_HAS_LINKS) {
        read_links(dictionary, in, arena, span);
    }
}

void row_read(const RowDictionary *dictionary, const uint8_t *row, Arena *arena, Span *span)
{
    const uint8_t *in = row;

    *span = (Span){.trace_id = span->trace_id, .start_ns = span->start_ns};
    span->resource = dictionary->resources[read_number(&in)];
    span->scope = dictionary->scopes[read_number(&in)];
    span->kind = *in++;
    span->status_code = *in++;
    uint8_t parts = *in++;
    read_id(&in, span->span_id.bytes, SPAN_ID_SIZE);
    span->name = read_string(dictionary, &in);
    span->end_ns = span->start_ns + (uint64_t)read_signed(&in);
    read_attributes(dictionary, &in, arena, &span->attributes);
    read_parts(dictionary, &in, parts, arena, span);
}

RowHead row_read_head(const RowDictionary *dictionary, const uint8_t *row)
{
    const uint8_t *in = row;
    RowHead head = {.resource = (uint32_t)read_number(&in)};

    (void)read_number(&in);
    head.kind = in[0];
    in += 3 + SPAN_ID_SIZE;
    head.name = read_string(dictionary, &in);
    return head;
}

const Resource *row_read_resource(RowDictionary *dictionary, Str form)
{
    const uint8_t *in = (const uint8_t *)form.ptr;
    Resource *resource = ARENA_NEW(&dictionary->arena, Resource);

    resource->schema_url = read_string(dictionary, &in);
    resource->dropped_attributes = (uint32_t)read_number(&in);
    read_attributes(dictionary, &in, &dictionary->arena, &resource->attributes);
    return resource;
}

const Scope *row_read_scope(RowDictionary *dictionary, Str form)
{
    const uint8_t *in = (const uint8_t *)form.ptr;
    Scope *scope = ARENA_NEW(&dictionary->arena, Scope);

    scope->name = read_string(dictionary, &in);
    scope->version = read_string(dictionary, &in);
    scope->schema_url = read_string(dictionary, &in);
    scope->dropped_attributes = (uint32_t)read_number(&in);
    read_attributes(dictionary, &in, &dictionary->arena, &scope->attributes);
    return scope;
}
