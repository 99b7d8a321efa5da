// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/*
 * A value as OpenTelemetry's AnyValue has it (opentelemetry/proto/common/v1/common.proto). Strings
 * may hold bytes that are no UTF-8: they are kept as they came and replaced only where they are
 * shown.
 *
 * Everything that a Value points to lives as long as the bytes or the arena it was read from.
 */
typedef enum ValueType {
    VALUE_EMPTY, /* AnyValue with nothing set */
    VALUE_STRING,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DOUBLE,
    VALUE_BYTES,
    VALUE_ARRAY,
    VALUE_MAP, /* KeyValueList */
} ValueType;

enum { VALUE_DEPTH_MAX = 32 }; /* nesting of arrays and maps; deeper input is refused by readers */

typedef struct Value Value;
typedef struct Attribute Attribute;

struct Value {
    ValueType type;
    uint32_t count; /* of items (array) or entries (map) */
    union {
        Str string; /* also bytes */
        bool boolean;
        int64_t integer;
        double number;
        const Value *items;       /* array */
        const Attribute *entries; /* map */
    };
};

/* One key=value. Keys may repeat in hostile input; the first one counts. */
struct Attribute {
    Str key;
    Value value;
};

typedef struct Attributes {
    const Attribute *items;
    size_t count;
} Attributes;

static inline Value value_string(Str string)
{
    return (Value){.type = VALUE_STRING, .string = string};
}

static inline Value value_int(int64_t integer)
{
    return (Value){.type = VALUE_INT, .integer = integer};
}

/* The first attribute with @key, or NULL. */
const Value *attributes_find(Attributes attributes, Str key);

/* Same type and same content; maps and arrays in order; doubles by their bits. */
bool value_equal(const Value *a, const Value *b);

/* A total order over typed values, for canonical forms: by type, then content. */
int value_compare(const Value *a, const Value *b);

/*
 * The value as text, by CONTRACT.md §1: strings as they are, true/false, integers in decimal,
 * doubles in the shortest form that reads back the same and whole ones without a point (5.0 as 5),
 * bytes as base64, arrays and maps as JSON without spaces; empty: no text.
 */
void value_append_text(const Value *value, Buf *buf);

/* As value_append_text: a view into the value itself for strings, else into @arena. */
Str value_text(const Value *value, Arena *arena);

/* Whether the value counts as absent for CONTRACT.md §1: empty, an empty string, an empty array or
 * map. */
bool value_is_absent(const Value *value);

/* A deep copy whose parts live in @arena. */
Value value_copy(const Value *value, Arena *arena);
Attributes attributes_copy(Attributes attributes, Arena *arena);

/* Compares as sets of (key, typed value), whatever the order. */
bool attributes_same_set(Attributes a, Attributes b);

/* A hash over the set of (key, typed value), the same whatever the order. Stable within the
 * process. */
uint64_t attributes_set_hash(Attributes attributes);
