// SPDX-License-Identifier: Apache-2.0
#include "store/row.h"

#include "base/assert.h"
#include "base/memory.h"

/*
 * The layout, all numbers varints unless noted:
 *
 *   resource, scope, kind (byte), status (byte), parts (byte, RowParts), span id (8 bytes), name,
 *   end - start (zig-zag), attributes,
 *   then what `parts` announces: parent id (8 bytes); trace state; status message; flags and the
 *   three dropped counts; events; links.
 *
 * A string is 2 * symbol, or 2 * length + 1 and the bytes. An attribute is the key's number and a
 * value; a value is its tag (byte) and content.
 *
 * Interning is the hot spot, so most look-ups are guesses that are verified by one comparison: the
 * key that followed the previous key last time, the values that this key had lately.
 */
enum RowParts {
    ROW_HAS_PARENT = 1,
    ROW_HAS_TRACE_STATE = 2,
    ROW_HAS_MESSAGE = 4,
    ROW_HAS_RARE = 8, /* flags or dropped counts */
    ROW_HAS_EVENTS = 16,
    ROW_HAS_LINKS = 32,
};

enum {
    TAG_FALSE = 16, /* beside the numbers of ValueType */
    TAG_TRUE = 17,
    JUDGE_VALUES = 128, /* look at so many values of a key before judging whether they repeat */
    NUMBERS_MAX = 64,   /* room for the numbers of one field */
};
STATIC_ASSERT(ROW_RECENT == 64, "recent_place() gives six bits");

struct RowKey {
    uint32_t next_key; /* that followed last time; SYMBOL_NONE: never written */
    uint32_t n_values, n_new;
    bool in_row; /* values hardly repeat: they are not interned */
    RowRecent recent;
};

void row_dictionary_deinit(RowDictionary *dictionary)
{
    symbols_deinit(&dictionary->strings);
    symbols_deinit(&dictionary->keys);
    symbols_deinit(&dictionary->resource_forms);
    symbols_deinit(&dictionary->scope_forms);
    mem_free(dictionary->key_states);
    mem_free(dictionary->resources);
    mem_free(dictionary->scopes);
    arena_deinit(&dictionary->arena);
    buf_deinit(&dictionary->form);
    *dictionary = (RowDictionary){0};
}

size_t row_dictionary_bytes(const RowDictionary *dictionary)
{
    return symbols_bytes(&dictionary->strings) + symbols_bytes(&dictionary->keys) +
           symbols_bytes(&dictionary->resource_forms) + symbols_bytes(&dictionary->scope_forms) +
           dictionary->key_capacity * sizeof(RowKey) + dictionary->arena.allocated;
}

void row_dictionary_forget(RowDictionary *dictionary)
{
    dictionary->last_resource = NULL;
    dictionary->last_scope = NULL;
}

/* Writing. */

static void put_number(Buf *buf, uint64_t value)
{
    uint8_t *out = buf->ptr + buf->len;

    ASSERT(buf->capacity - buf->len >= 10);
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    buf->len = (size_t)(out - buf->ptr);
}

static void put_signed(Buf *buf, int64_t value)
{
    put_number(buf, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

static void put_bytes(Buf *buf, Str bytes)
{
    put_number(buf, (uint64_t)bytes.len << 1 | 1);
    buf_append_str(buf, bytes);
    buf_reserve(buf, NUMBERS_MAX);
}

static uint32_t load_u32(const char *bytes)
{
    uint32_t word;

    mem_copy(&word, bytes, sizeof(word));
    return word;
}

/* Where a string is remembered: by its length and its end, in which values of one key differ. */
static size_t recent_place(Str str)
{
    uint64_t word = str.len;

    if (str.len >= 8) {
        word += str_load64(str.ptr + str.len - 8);
    } else if (str.len >= 4) {
        word += load_u32(str.ptr) + ((uint64_t)load_u32(str.ptr + str.len - 4) << 32);
    } else if (str.len > 0) {
        word += (uint64_t)(uint8_t)str.ptr[0] << 16 | (uint64_t)(uint8_t)str.ptr[str.len - 1] << 8;
    }
    return (size_t)(word * 0x9e3779b97f4a7c15U >> 58);
}

/* The number of @str if it is remembered at @place, else SYMBOL_NONE. */
static uint32_t recent_find(const RowDictionary *dictionary, const RowRecent *recent, size_t place,
                            Str str)
{
    uint32_t symbol = recent->plus_1[place] - 1;

    return symbol != SYMBOL_NONE && str_equal(symbols_get(&dictionary->strings, symbol), str)
               ? symbol
               : SYMBOL_NONE;
}

static void put_symbol(RowDictionary *dictionary, Str str, Buf *buf)
{
    size_t place = recent_place(str);
    uint32_t symbol = recent_find(dictionary, &dictionary->recent_texts, place, str);

    if (symbol == SYMBOL_NONE) {
        symbol = symbols_intern(&dictionary->strings, str);
        dictionary->recent_texts.plus_1[place] = symbol + 1;
    }
    put_number(buf, (uint64_t)symbol << 1);
}

/* A string value of @key: one that is remembered, or interned, or in the row. */
static void put_key_string(RowDictionary *dictionary, RowKey *key, Str str, Buf *buf)
{
    if (key->in_row) {
        put_bytes(buf, str);
        return;
    }
    key->n_values++;
    size_t place = recent_place(str);
    uint32_t symbol = recent_find(dictionary, &key->recent, place, str);
    if (symbol == SYMBOL_NONE) {
        size_t before = symbols_count(&dictionary->strings);

        symbol = symbols_intern(&dictionary->strings, str);
        key->recent.plus_1[place] = symbol + 1;
        key->n_new += symbols_count(&dictionary->strings) > before;
    }
    if (key->n_values == JUDGE_VALUES) {
        key->in_row = key->n_new * 2 > key->n_values;
        key->n_values = key->n_new = 0;
    }
    put_number(buf, (uint64_t)symbol << 1);
}

/* The number of attribute key @str, first guessed by *@guess, which becomes the guess for the next.
 */
static uint32_t key_number(RowDictionary *dictionary, Str str, uint32_t **guess)
{
    uint32_t number = **guess;

    if (number >= symbols_count(&dictionary->keys) ||
        !str_equal(symbols_get(&dictionary->keys, number), str)) {
        number = symbols_intern(&dictionary->keys, str);
        **guess = number;
    }
    return number;
}

/* May move the states: pointers to them are renewed after it. */
static void add_key_states(RowDictionary *dictionary)
{
    while (dictionary->n_key_states < symbols_count(&dictionary->keys)) {
        ARRAY_RESERVE(dictionary->key_states, dictionary->n_key_states, dictionary->key_capacity);
        dictionary->key_states[dictionary->n_key_states++] = (RowKey){.next_key = SYMBOL_NONE};
    }
}

static void put_value(RowDictionary *dictionary, RowKey *key, const Value *value, Buf *buf);

/* Entries of a map inside a value: keys are plain strings there. */
static void put_entries(RowDictionary *dictionary, const Value *value, Buf *buf)
{
    put_number(buf, value->count);
    for (uint32_t i = 0; i < value->count; i++) {
        put_symbol(dictionary, value->entries[i].key, buf);
        put_value(dictionary, NULL, &value->entries[i].value, buf);
    }
}

static void put_items(RowDictionary *dictionary, const Value *value, Buf *buf)
{
    put_number(buf, value->count);
    for (uint32_t i = 0; i < value->count; i++) {
        put_value(dictionary, NULL, &value->items[i], buf);
    }
}

static void put_value(RowDictionary *dictionary, RowKey *key, const Value *value, Buf *buf)
{
    buf_reserve(buf, NUMBERS_MAX);
    if (value->type == VALUE_BOOL) {
        buf_append_byte(buf, value->boolean ? TAG_TRUE : TAG_FALSE);
        return;
    }
    buf_append_byte(buf, (uint8_t)value->type);
    switch (value->type) {
    case VALUE_STRING:
        if (key != NULL) {
            put_key_string(dictionary, key, value->string, buf);
        } else {
            put_symbol(dictionary, value->string, buf);
        }
        break;
    case VALUE_BYTES:
        put_bytes(buf, value->string);
        break;
    case VALUE_INT:
        put_signed(buf, value->integer);
        break;
    case VALUE_DOUBLE:
        buf_append(buf, &value->number, sizeof(value->number));
        break;
    case VALUE_ARRAY:
        put_items(dictionary, value, buf);
        break;
    case VALUE_MAP:
        put_entries(dictionary, value, buf);
        break;
    case VALUE_EMPTY:
    case VALUE_BOOL:
        break;
    }
    buf_reserve(buf, NUMBERS_MAX);
}

static void put_attributes(RowDictionary *dictionary, RowOwner owner, Attributes attributes,
                           Buf *buf)
{
    uint32_t *guess = &dictionary->first_keys[owner];

    buf_reserve(buf, NUMBERS_MAX);
    put_number(buf, attributes.count);
    for (size_t i = 0; i < attributes.count; i++) {
        const Attribute *attribute = &attributes.items[i];
        uint32_t number = key_number(dictionary, attribute->key, &guess);

        if (number >= dictionary->n_key_states) {
            add_key_states(dictionary);
        }
        RowKey *key = &dictionary->key_states[number];
        put_number(buf, number);
        if (attribute->value.type == VALUE_STRING) { /* the common case without a call */
            buf->ptr[buf->len++] = VALUE_STRING;
            put_key_string(dictionary, key, attribute->value.string, buf);
            buf_reserve(buf, NUMBERS_MAX);
        } else {
            put_value(dictionary, key, &attribute->value, buf);
        }
        guess = &key->next_key;
    }
}

static void read_attributes(const RowDictionary *dictionary, const uint8_t **in, Arena *arena,
                            Attributes *attributes);
static inline Str read_string(const RowDictionary *dictionary, const uint8_t **in);
static inline uint64_t read_number(const uint8_t **in);

/* Makes the resource that the dictionary's form describes, out of the dictionary's own strings. */
static void add_resource(RowDictionary *dictionary, uint32_t number)
{
    const uint8_t *in = (const uint8_t *)symbols_get(&dictionary->resource_forms, number).ptr;
    Resource *resource = ARENA_NEW(&dictionary->arena, Resource);

    resource->schema_url = read_string(dictionary, &in);
    resource->dropped_attributes = (uint32_t)read_number(&in);
    read_attributes(dictionary, &in, &dictionary->arena, &resource->attributes);
    size_t count = number;
    ARRAY_RESERVE(dictionary->resources, count, dictionary->resource_capacity);
    dictionary->resources[number] = resource;
}

static uint32_t resource_number(RowDictionary *dictionary, const Resource *resource)
{
    if (resource == dictionary->last_resource) {
        return dictionary->last_resource_number;
    }
    size_t before = symbols_count(&dictionary->resource_forms);
    buf_clear(&dictionary->form);
    buf_reserve(&dictionary->form, NUMBERS_MAX);
    put_symbol(dictionary, resource->schema_url, &dictionary->form);
    put_number(&dictionary->form, resource->dropped_attributes);
    put_attributes(dictionary, ROW_RESOURCE, resource->attributes, &dictionary->form);
    uint32_t number = symbols_intern(&dictionary->resource_forms, buf_str(&dictionary->form));
    if (number == before) {
        add_resource(dictionary, number);
    }
    dictionary->last_resource = resource;
    dictionary->last_resource_number = number;
    return number;
}

static void add_scope(RowDictionary *dictionary, uint32_t number)
{
    const uint8_t *in = (const uint8_t *)symbols_get(&dictionary->scope_forms, number).ptr;
    Scope *scope = ARENA_NEW(&dictionary->arena, Scope);

    scope->name = read_string(dictionary, &in);
    scope->version = read_string(dictionary, &in);
    scope->schema_url = read_string(dictionary, &in);
    scope->dropped_attributes = (uint32_t)read_number(&in);
    read_attributes(dictionary, &in, &dictionary->arena, &scope->attributes);
    size_t count = number;
    ARRAY_RESERVE(dictionary->scopes, count, dictionary->scope_capacity);
    dictionary->scopes[number] = scope;
}

static uint32_t scope_number(RowDictionary *dictionary, const Scope *scope)
{
    if (scope == dictionary->last_scope) {
        return dictionary->last_scope_number;
    }
    size_t before = symbols_count(&dictionary->scope_forms);
    buf_clear(&dictionary->form);
    buf_reserve(&dictionary->form, NUMBERS_MAX);
    put_symbol(dictionary, scope->name, &dictionary->form);
    put_symbol(dictionary, scope->version, &dictionary->form);
    put_symbol(dictionary, scope->schema_url, &dictionary->form);
    put_number(&dictionary->form, scope->dropped_attributes);
    put_attributes(dictionary, ROW_SCOPE, scope->attributes, &dictionary->form);
    uint32_t number = symbols_intern(&dictionary->scope_forms, buf_str(&dictionary->form));
    if (number == before) {
        add_scope(dictionary, number);
    }
    dictionary->last_scope = scope;
    dictionary->last_scope_number = number;
    return number;
}

static void put_events(RowDictionary *dictionary, const Span *span, Buf *buf)
{
    put_number(buf, span->n_events);
    for (size_t i = 0; i < span->n_events; i++) {
        const Event *event = &span->events[i];

        put_signed(buf, (int64_t)(event->time_ns - span->start_ns));
        put_symbol(dictionary, event->name, buf);
        put_number(buf, event->dropped_attributes);
        put_attributes(dictionary, ROW_EVENT, event->attributes, buf);
    }
}

static void put_links(RowDictionary *dictionary, const Span *span, Buf *buf)
{
    put_number(buf, span->n_links);
    for (size_t i = 0; i < span->n_links; i++) {
        const Link *link = &span->links[i];

        buf_append(buf, link->trace_id.bytes, TRACE_ID_SIZE);
        buf_append(buf, link->span_id.bytes, SPAN_ID_SIZE);
        buf_reserve(buf, NUMBERS_MAX);
        put_symbol(dictionary, link->trace_state, buf);
        put_number(buf, link->dropped_attributes);
        put_number(buf, link->flags);
        put_attributes(dictionary, ROW_LINK, link->attributes, buf);
    }
}

static uint8_t parts_of(const Span *span)
{
    bool rare = span->flags != 0 || span->dropped_attributes != 0 || span->dropped_events != 0 ||
                span->dropped_links != 0;

    return (uint8_t)((span_id_is_zero(span->parent_span_id) ? 0 : ROW_HAS_PARENT) |
                     (span->trace_state.len == 0 ? 0 : ROW_HAS_TRACE_STATE) |
                     (span->status_message.len == 0 ? 0 : ROW_HAS_MESSAGE) |
                     (rare ? ROW_HAS_RARE : 0) | (span->n_events == 0 ? 0 : ROW_HAS_EVENTS) |
                     (span->n_links == 0 ? 0 : ROW_HAS_LINKS));
}

static void put_rare(const Span *span, Buf *buf)
{
    put_number(buf, span->flags);
    put_number(buf, span->dropped_attributes);
    put_number(buf, span->dropped_events);
    put_number(buf, span->dropped_links);
}

static void put_parts(RowDictionary *dictionary, const Span *span, uint8_t parts, Buf *buf)
{
    if (parts & ROW_HAS_PARENT) {
        buf_append(buf, span->parent_span_id.bytes, SPAN_ID_SIZE);
        buf_reserve(buf, NUMBERS_MAX);
    }
    if (parts & ROW_HAS_TRACE_STATE) {
        put_symbol(dictionary, span->trace_state, buf);
    }
    if (parts & ROW_HAS_MESSAGE) {
        put_symbol(dictionary, span->status_message, buf);
    }
    if (parts & ROW_HAS_RARE) {
        buf_reserve(buf, NUMBERS_MAX);
        put_rare(span, buf);
        buf_reserve(buf, NUMBERS_MAX);
    }
    if (parts & ROW_HAS_EVENTS) {
        put_events(dictionary, span, buf);
    }
    if (parts & ROW_HAS_LINKS) {
        put_links(dictionary, span, buf);
    }
}

void row_write(RowDictionary *dictionary, const Span *span, Buf *buf)
{
    uint32_t resource = resource_number(dictionary, span->resource);
    uint32_t scope = scope_number(dictionary, span->scope);
    uint8_t parts = parts_of(span);

    buf_reserve(buf, NUMBERS_MAX);
    put_number(buf, resource);
    put_number(buf, scope);
    buf_append_byte(buf, span->kind);
    buf_append_byte(buf, span->status_code);
    buf_append_byte(buf, parts);
    buf_append(buf, span->span_id.bytes, SPAN_ID_SIZE);
    put_symbol(dictionary, span->name, buf);
    put_signed(buf, (int64_t)(span->end_ns - span->start_ns));
    put_attributes(dictionary, ROW_SPAN, span->attributes, buf);
    put_parts(dictionary, span, parts, buf);
}

/* Reading. Rows are our own bytes, never from outside: nothing is checked but by ASSERT. */

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

    if (tag >= TAG_FALSE) {
        *value = (Value){.type = VALUE_BOOL, .boolean = tag == TAG_TRUE};
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
