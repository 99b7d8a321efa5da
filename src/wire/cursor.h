// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <endian.h>

#include "base/str.h"

/*
 * Protobuf's wire format (protobuf.dev/programming-guides/encoding) from bytes that nobody vouches
 * for. A Cursor is a place in a message and the message's end; every take checks that what it takes
 * is there. Takes advance only on success; a failure is noted once, with its place, in the source
 * that all cursors of a body share.
 */
enum { CURSOR_BAD = 1 };

/* Without it gcc keeps the failing paths as calls, and with them the cursor in memory. */
#define CURSOR_INLINE static inline MUST_USE __attribute__((always_inline))

/* Wire types; the others (6, 7) do not exist. */
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_GROUP = 3, WIRE_FIXED32 = 5 };
enum { WIRE_GROUP_END = 4, WIRE_GROUP_DEPTH_MAX = 32, WIRE_FIELD_MAX = (1 << 29) - 1 };

typedef struct CursorSource {
    const uint8_t *start;
    ParseError error;
} CursorSource;

typedef struct Cursor {
    const uint8_t *at, *end;
    CursorSource *source;
} Cursor;

/* Field number and wire type as they stand in a tag: `case TAG(1, WIRE_BYTES):`. */
#define TAG(field, wire_type) ((uint32_t)(field) << 3 | (wire_type))

/* A cursor over all of @body, whose errors go to @source. */
static inline Cursor cursor_start(Str body, CursorSource *source)
{
    const uint8_t *start = (const uint8_t *)(body.ptr == NULL ? "" : body.ptr);

    *source = (CursorSource){.start = start};
    return (Cursor){.at = start, .end = start + body.len, .source = source};
}

/* Notes the error at @at, of which the first one stays. */
void cursor_note(CursorSource *source, const uint8_t *at, const char *text) __attribute__((cold));

/* Returns CURSOR_BAD. */
CURSOR_INLINE int cursor_fail(const Cursor *in, const char *text)
{
    cursor_note(in->source, in->at, text);
    return CURSOR_BAD;
}

static inline bool cursor_more(const Cursor *in)
{
    return in->at < in->end;
}

static inline size_t cursor_left(const Cursor *in)
{
    return (size_t)(in->end - in->at);
}

/*
 * The rare halves of the takes below. They get and give a place by value (NULL: failed), so that
 * the compiler can keep cursors in registers: with their address taken, decoding was three times
 * slower.
 */
typedef struct CursorNumber {
    const uint8_t *at;
    uint64_t value;
} CursorNumber;

CursorNumber cursor_long_varint(Cursor in);
CursorNumber cursor_long_tag(Cursor in);
const uint8_t *cursor_pass(Cursor in, uint32_t tag, uint64_t known);

CURSOR_INLINE int cursor_take_varint(Cursor *in, uint64_t *ret_value)
{
    if (__builtin_expect(in->at < in->end && *in->at < 0x80, 1)) {
        *ret_value = *in->at++;
        return 0;
    }
    CursorNumber number = cursor_long_varint(*in);
    if (number.at == NULL) {
        return CURSOR_BAD;
    }
    in->at = number.at;
    *ret_value = number.value;
    return 0;
}

/* A tag: field number 1 to WIRE_FIELD_MAX and an existing wire type. */
CURSOR_INLINE int cursor_take_tag(Cursor *in, uint32_t *ret_tag)
{
    /* One byte, a field from 1 to 15, and no wire type above 5. */
    if (__builtin_expect(in->at < in->end && *in->at >= 8 && *in->at < 0x80 && (*in->at & 7) < 6,
                         1)) {
        *ret_tag = *in->at++;
        return 0;
    }
    CursorNumber number = cursor_long_tag(*in);
    if (number.at == NULL) {
        return CURSOR_BAD;
    }
    in->at = number.at;
    *ret_tag = (uint32_t)number.value;
    return 0;
}

/* A length-delimited field's content, as a cursor of its own. */
CURSOR_INLINE int cursor_take_message(Cursor *in, Cursor *ret_message)
{
    const uint8_t *start = in->at;
    uint64_t len;

    TRY(cursor_take_varint(in, &len));
    if (__builtin_expect(len > cursor_left(in), 0)) {
        in->at = start;
        return cursor_fail(in, "a field is longer than what encloses it");
    }
    *ret_message = (Cursor){.at = in->at, .end = in->at + len, .source = in->source};
    in->at += len;
    return 0;
}

/* A length-delimited field's content, as a view. */
CURSOR_INLINE int cursor_take_str(Cursor *in, Str *ret_str)
{
    Cursor message;

    TRY(cursor_take_message(in, &message));
    *ret_str = str_from_bytes(message.at, cursor_left(&message));
    return 0;
}

CURSOR_INLINE int cursor_take_fixed64(Cursor *in, uint64_t *ret_value)
{
    uint64_t value;

    if (cursor_left(in) < 8) {
        return cursor_fail(in, "a 64-bit field is cut off");
    }
    __builtin_memcpy(&value, in->at, 8);
    *ret_value = le64toh(value);
    in->at += 8;
    return 0;
}

CURSOR_INLINE int cursor_take_fixed32(Cursor *in, uint32_t *ret_value)
{
    uint32_t value;

    if (cursor_left(in) < 4) {
        return cursor_fail(in, "a 32-bit field is cut off");
    }
    __builtin_memcpy(&value, in->at, 4);
    *ret_value = le32toh(value);
    in->at += 4;
    return 0;
}

/* Varints of 32-bit fields: the high bits are dropped, as protobuf says. */
CURSOR_INLINE int cursor_take_u32(Cursor *in, uint32_t *ret_value)
{
    uint64_t value;

    TRY(cursor_take_varint(in, &value));
    *ret_value = (uint32_t)value;
    return 0;
}

/* Passes over the content of a field that its message's reader did not take: an error when its
 * number is among @known, as then its wire type is wrong. Numbers from 64 on are unknown; groups go
 * to WIRE_GROUP_DEPTH_MAX. */
#define FIELD(number) ((uint64_t)1 << (number))

CURSOR_INLINE int cursor_skip_unknown(Cursor *in, uint32_t tag, uint64_t known)
{
    const uint8_t *at = cursor_pass(*in, tag, known);

    if (at == NULL) {
        return CURSOR_BAD;
    }
    in->at = at;
    return 0;
}

CURSOR_INLINE int cursor_skip(Cursor *in, uint32_t tag)
{
    return cursor_skip_unknown(in, tag, 0);
}

/* How many fields with @tag are left in the message, up to the first malformed one. Nothing is
 * taken or noted. */
size_t cursor_count(Cursor in, uint32_t tag);
