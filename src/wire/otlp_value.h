// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/value.h"
#include "wire/cursor.h"

/*
 * The part of the OTLP protobuf reader that every message shares: memory, attributes and values.
 * All return 0 or CURSOR_BAD.
 */

/* An arena and how many bytes it may have taken from the system in the end. */
typedef struct DecodeMemory {
    Arena *arena;
    size_t limit;
} DecodeMemory;

/* @size bytes, uninitialised. @in is the place for the error. */
MUST_USE int decode_room(DecodeMemory *memory, const Cursor *in, size_t size, void **ret_room);

/* Room for the element just met and all of the same tag that follow in @rest, behind a copy of the
 * @count elements that an earlier part of a repeated message had. */
MUST_USE int decode_list_room(DecodeMemory *memory, const Cursor *rest, uint32_t tag,
                              size_t element_size, size_t count, const void *items,
                              void **ret_items);

/* ArrayValue or KeyValueList, by @tag; @depth is the nesting around it. */
MUST_USE int decode_nested(DecodeMemory *memory, const Cursor *in, uint32_t tag, unsigned depth,
                           Value *value);

/* AnyValue: a oneof, of which the last counts. */
CURSOR_INLINE int decode_value(DecodeMemory *memory, Cursor in, unsigned depth, Value *value)
{
    while (cursor_more(&in)) {
        Cursor body;
        uint64_t number;
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_BYTES):
            value->type = VALUE_STRING;
            TRY(cursor_take_str(&in, &value->string));
            break;
        case TAG(2, WIRE_VARINT):
            value->type = VALUE_BOOL;
            TRY(cursor_take_varint(&in, &number));
            value->boolean = number != 0;
            break;
        case TAG(3, WIRE_VARINT):
            value->type = VALUE_INT;
            TRY(cursor_take_varint(&in, &number));
            value->integer = (int64_t)number;
            break;
        case TAG(4, WIRE_FIXED64):
            value->type = VALUE_DOUBLE;
            TRY(cursor_take_fixed64(&in, &number));
            __builtin_memcpy(&value->number, &number, sizeof(number));
            break;
        case TAG(5, WIRE_BYTES):
        case TAG(6, WIRE_BYTES):
            TRY(cursor_take_message(&in, &body));
            TRY(decode_nested(memory, &body, tag, depth, value));
            break;
        case TAG(7, WIRE_BYTES):
            value->type = VALUE_BYTES;
            TRY(cursor_take_str(&in, &value->string));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, 0xFE));
        }
    }
    return 0;
}

/* The KeyValue that fills @in. */
CURSOR_INLINE int decode_attribute(DecodeMemory *memory, Cursor in, unsigned depth, Attribute *ret)
{
    *ret = (Attribute){.key = {.ptr = ""}};
    while (cursor_more(&in)) {
        Cursor body;
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        switch (tag) {
        case TAG(1, WIRE_BYTES):
            TRY(cursor_take_str(&in, &ret->key));
            break;
        case TAG(2, WIRE_BYTES):
            TRY(cursor_take_message(&in, &body));
            TRY(decode_value(memory, body, depth, &ret->value));
            break;
        default:
            TRY(cursor_skip_unknown(&in, tag, FIELD(1) | FIELD(2)));
        }
    }
    return 0;
}

/* Takes one of the attributes of a message (other than a span) whose tag was taken and adds it. The
 * first one makes room for all: @has_room is false at the start of the message. */
MUST_USE int decode_list_attribute(DecodeMemory *memory, Cursor *rest, uint32_t tag, bool *has_room,
                                   Attributes *attributes);
