// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/memory.h"
#include "store/row_private.h"

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
enum {
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
        buf_append_byte(buf, value->boolean ? ROW_TAG_TRUE : ROW_TAG_FALSE);
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

static void add_resource(RowDictionary *dictionary, uint32_t number)
{
    Str form = symbols_get(&dictionary->resource_forms, number);
    size_t count = number;

    ARRAY_RESERVE(dictionary->resources, count, dictionary->resource_capacity);
    dictionary->resources[number] = row_read_resource(dictionary, form);
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
    Str form = symbols_get(&dictionary->scope_forms, number);
    size_t count = number;

    ARRAY_RESERVE(dictionary->scopes, count, dictionary->scope_capacity);
    dictionary->scopes[number] = row_read_scope(dictionary, form);
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
