// SPDX-License-Identifier: Apache-2.0
#include "wire/cursor.h"

enum { VARINT_BYTES_MAX = 10 };

void cursor_note(CursorSource *source, const uint8_t *at, const char *text)
{
    if (source->error.text == NULL) {
        source->error = (ParseError){(size_t)(at - source->start), text};
    }
}

static const CursorNumber NO_NUMBER = {NULL, 0};

CursorNumber cursor_long_varint(Cursor in)
{
    uint64_t value = 0;
    const uint8_t *at = in.at;

    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (at == in.end) {
            cursor_note(in.source, in.at, "a varint is cut off");
            return NO_NUMBER;
        }
        uint8_t byte = *at++;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            return (CursorNumber){at, value};
        }
    }
    cursor_note(in.source, in.at, "a varint exceeds 64 bits");
    return NO_NUMBER;
}

CursorNumber cursor_long_tag(Cursor in)
{
    CursorNumber tag = cursor_long_varint(in);

    if (tag.at == NULL) {
        return NO_NUMBER;
    }
    if (tag.value >> 3 == 0 || tag.value >> 3 > WIRE_FIELD_MAX) {
        cursor_note(in.source, in.at, "no valid field number");
        return NO_NUMBER;
    }
    if ((tag.value & 7) > WIRE_FIXED32) {
        cursor_note(in.source, in.at, "no valid wire type");
        return NO_NUMBER;
    }
    return tag;
}

static int skip_bytes(Cursor *in, uint64_t len)
{
    if (len > cursor_left(in)) {
        return cursor_fail(in, "a field is longer than what encloses it");
    }
    in->at += len;
    return 0;
}

/* Anything but groups. */
static int skip_simple(Cursor *in, uint32_t tag)
{
    uint64_t value;

    switch (tag & 7) {
    case WIRE_VARINT:
        return cursor_take_varint(in, &value);
    case WIRE_FIXED64:
        return skip_bytes(in, 8);
    case WIRE_BYTES:
        TRY(cursor_take_varint(in, &value));
        return skip_bytes(in, value);
    case WIRE_FIXED32:
        return skip_bytes(in, 4);
    default:
        return cursor_fail(in, "the end of a group that was not begun");
    }
}

/* A group ends with the end tag of its own number; the numbers of those that are open wait on a
 * stack. */
static int skip_group(Cursor *in, uint32_t tag)
{
    uint32_t open[WIRE_GROUP_DEPTH_MAX];
    size_t depth = 0;

    open[depth++] = tag >> 3;
    while (depth > 0) {
        uint32_t inner;

        TRY(cursor_take_tag(in, &inner));
        if ((inner & 7) == WIRE_GROUP) {
            if (depth == WIRE_GROUP_DEPTH_MAX) {
                return cursor_fail(in, "groups nested deeper than 32 levels");
            }
            open[depth++] = inner >> 3;
        } else if ((inner & 7) != WIRE_GROUP_END) {
            TRY(skip_simple(in, inner));
        } else if (inner >> 3 != open[--depth]) {
            return cursor_fail(in, "the end of another group than the one that is open");
        }
    }
    return 0;
}

const uint8_t *cursor_pass(Cursor in, uint32_t tag, uint64_t known)
{
    uint32_t field = tag >> 3;
    int r;

    if (field < 64 && (known >> field & 1) != 0) {
        r = cursor_fail(&in, "wrong wire type");
    } else {
        r = (tag & 7) == WIRE_GROUP ? skip_group(&in, tag) : skip_simple(&in, tag);
    }
    return r == 0 ? in.at : NULL;
}

size_t cursor_count(Cursor in, uint32_t tag)
{
    CursorSource unheard = {.start = in.source->start};
    uint32_t next;
    size_t count = 0;

    in.source = &unheard;
    while (cursor_more(&in) && cursor_take_tag(&in, &next) == 0 && cursor_skip(&in, next) == 0) {
        count += next == tag;
    }
    return count;
}
