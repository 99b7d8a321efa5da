// SPDX-License-Identifier: Apache-2.0
#include "span/value.h"

#include <math.h>

#include "base/assert.h"
#include "codec/json.h"
#include "codec/text.h"

const Value *attributes_find(Attributes attributes, Str key)
{
    /* Most keys differ in length or in the last byte (prefixes such as "http." are common), so the
     * call to compare is rare. */
    if (key.len == 0 || attributes.count == 0) {
        return NULL;
    }
    const Attribute *end = attributes.items + attributes.count;
    char last = key.ptr[key.len - 1];
    for (const Attribute *item = attributes.items; item < end; item++) {
        if (item->key.len == key.len && item->key.ptr[key.len - 1] == last &&
            __builtin_memcmp(item->key.ptr, key.ptr, key.len) == 0) {
            return &item->value;
        }
    }
    return NULL;
}

static uint64_t double_bits(double number)
{
    union {
        double number;
        uint64_t bits;
    } view = {.number = number};

    return view.bits;
}

/* IEEE 754's total order as an unsigned order: negative numbers reversed below the positive. */
static uint64_t double_rank(double number)
{
    uint64_t bits = double_bits(number);

    return bits >> 63 != 0 ? ~bits : bits | (uint64_t)1 << 63;
}

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

static int compare_lists(const Value *a, const Value *b)
{
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        int order;

        if (a->type == VALUE_MAP) {
            order = str_compare(a->entries[i].key, b->entries[i].key);
            order = order != 0 ? order : value_compare(&a->entries[i].value, &b->entries[i].value);
        } else {
            order = value_compare(&a->items[i], &b->items[i]);
        }
        if (order != 0) {
            return order;
        }
    }
    return ORDER(a->count, b->count);
}

int value_compare(const Value *a, const Value *b)
{
    if (a->type != b->type) {
        return ORDER(a->type, b->type);
    }
    switch (a->type) {
    case VALUE_EMPTY:
        return 0;
    case VALUE_STRING:
    case VALUE_BYTES:
        return str_compare(a->string, b->string);
    case VALUE_BOOL:
        return ORDER(a->boolean, b->boolean);
    case VALUE_INT:
        return ORDER(a->integer, b->integer);
    case VALUE_DOUBLE:
        return ORDER(double_rank(a->number), double_rank(b->number));
    case VALUE_ARRAY:
    case VALUE_MAP:
        return compare_lists(a, b);
    }
    ASSERT(false && "a known value type");
    return 0;
}

bool value_equal(const Value *a, const Value *b)
{
    return value_compare(a, b) == 0;
}

/* A part of an array or map, as plain JSON. */
static void write_plain(JsonWriter *writer, const Value *value)
{
    switch (value->type) {
    case VALUE_EMPTY:
        json_null(writer);
        break;
    case VALUE_STRING:
        json_string(writer, value->string);
        break;
    case VALUE_BOOL:
        json_bool(writer, value->boolean);
        break;
    case VALUE_INT:
        json_i64(writer, value->integer);
        break;
    case VALUE_DOUBLE:
        json_double(writer, value->number);
        break;
    case VALUE_BYTES:
        json_raw(writer, STR("\""));
        text_append_base64(writer->buf, value->string);
        buf_append_byte(writer->buf, '"');
        break;
    case VALUE_ARRAY:
        json_open(writer, '[');
        for (uint32_t i = 0; i < value->count; i++) {
            write_plain(writer, &value->items[i]);
        }
        json_close(writer, ']');
        break;
    case VALUE_MAP:
        json_open(writer, '{');
        for (uint32_t i = 0; i < value->count; i++) {
            json_key(writer, value->entries[i].key);
            write_plain(writer, &value->entries[i].value);
        }
        json_close(writer, '}');
        break;
    }
}

void value_append_text(const Value *value, Buf *buf)
{
    JsonWriter writer = {.buf = buf};

    switch (value->type) {
    case VALUE_EMPTY:
        break;
    case VALUE_STRING:
        buf_append_str(buf, value->string);
        break;
    case VALUE_BYTES:
        text_append_base64(buf, value->string);
        break;
    case VALUE_DOUBLE:
        text_append_double(buf, value->number); /* NaN without the quotes that JSON needs */
        break;
    default:
        write_plain(&writer, value);
    }
}

Str value_text(const Value *value, Arena *arena)
{
    CLEANUP(buf_deinit) Buf text = {0};

    if (value->type == VALUE_STRING) {
        return value->string;
    }
    value_append_text(value, &text);
    return arena_copy(arena, buf_str(&text));
}

bool value_is_absent(const Value *value)
{
    switch (value->type) {
    case VALUE_EMPTY:
        return true;
    case VALUE_STRING:
    case VALUE_BYTES:
        return value->string.len == 0;
    case VALUE_ARRAY:
    case VALUE_MAP:
        return value->count == 0;
    default:
        return false;
    }
}

Value value_copy(const Value *value, Arena *arena)
{
    Value copy = *value;

    if (value->type == VALUE_STRING || value->type == VALUE_BYTES) {
        copy.string = arena_copy(arena, value->string);
    } else if (value->type == VALUE_ARRAY) {
        Value *items = arena_alloc(arena, value->count * sizeof(*items));
        for (uint32_t i = 0; i < value->count; i++) {
            items[i] = value_copy(&value->items[i], arena);
        }
        copy.items = items;
    } else if (value->type == VALUE_MAP) {
        Attributes entries = {.items = value->entries, .count = value->count};
        copy.entries = attributes_copy(entries, arena).items;
    }
    return copy;
}

Attributes attributes_copy(Attributes attributes, Arena *arena)
{
    if (attributes.count == 0) {
        return (Attributes){0};
    }
    Attribute *items = arena_alloc(arena, attributes.count * sizeof(*items));
    for (size_t i = 0; i < attributes.count; i++) {
        items[i].key = arena_copy(arena, attributes.items[i].key);
        items[i].value = value_copy(&attributes.items[i].value, arena);
    }
    return (Attributes){.items = items, .count = attributes.count};
}
