// SPDX-License-Identifier: Apache-2.0
#include "store/check/cursor.h"

enum {
    DEPTH_MAX = 12,
    TYPE_TRUE = 1,
    TYPE_FALSE = 2,
    TYPE_BYTE = 3,
    TYPE_I64 = 6,
    TYPE_DOUBLE = 7
};
enum { TYPE_BINARY = 8, TYPE_LIST = 9, TYPE_SET = 10, TYPE_STRUCT = 12 };

Cursor cursor_of(Str bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;

    return (Cursor){.at = at, .end = bytes.len == 0 ? at : at + bytes.len, .start = at};
}

static bool fail(Cursor *cursor)
{
    cursor->is_bad = true;
    cursor->at = cursor->end;
    return false;
}

Str cursor_bytes(Cursor *cursor, uint64_t len)
{
    if (len > cursor_left(cursor)) {
        fail(cursor);
        return (Str){0};
    }
    Str bytes = {(const char *)cursor->at, (size_t)len};
    cursor->at += len;
    return bytes;
}

uint64_t cursor_fixed(Cursor *cursor, size_t size)
{
    Str bytes = cursor_bytes(cursor, size);
    uint64_t value = 0;

    for (size_t i = bytes.len; i-- > 0;) {
        value = value << 8 | (uint8_t)bytes.ptr[i];
    }
    return value;
}

uint64_t cursor_leb(Cursor *cursor)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = cursor_fixed(cursor, 1);

        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    fail(cursor);
    return 0;
}

int64_t cursor_zigzag(Cursor *cursor)
{
    uint64_t value = cursor_leb(cursor);

    return (value & 1) != 0 ? ~(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

Str cursor_counted(Cursor *cursor)
{
    return cursor_bytes(cursor, cursor_leb(cursor));
}

/* Groups of eight, least significant bits first. */
static size_t take_packed(Cursor *cursor, unsigned width, uint64_t groups, uint32_t *values,
                          size_t n)
{
    Str packed = cursor_bytes(cursor, groups > SIZE_MAX / 64 ? UINT64_MAX : groups * width);
    size_t count = groups > n / 8 ? n : (size_t)groups * 8;

    if (cursor->is_bad) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t value = 0;

        for (size_t bit = 0; bit < width; bit++) {
            size_t at = i * width + bit;
            value |= (uint32_t)((uint8_t)packed.ptr[at / 8] >> (at % 8) & 1) << bit;
        }
        values[i] = value;
    }
    return count;
}

void cursor_hybrid(Cursor *cursor, unsigned width, uint32_t *values, size_t n)
{
    size_t done = 0;

    while (done < n && !cursor->is_bad) {
        uint64_t header = cursor_leb(cursor), count = header >> 1;

        if (count == 0) {
            fail(cursor);
        } else if ((header & 1) != 0) {
            done += take_packed(cursor, width, count, values + done, n - done);
        } else {
            uint32_t value = (uint32_t)cursor_fixed(cursor, (width + 7) / 8);

            for (; count > 0 && done < n; count--) {
                values[done++] = value;
            }
        }
    }
}

/* --- Thrift --- */

static bool take_value(Cursor *cursor, Arena *arena, Node *node, unsigned depth);

static bool take_list(Cursor *cursor, Arena *arena, Node *list, unsigned depth)
{
    uint64_t head = cursor_fixed(cursor, 1), count = head >> 4;
    Node **end = &list->first;

    count = count == 15 ? cursor_leb(cursor) : count;
    if (count > cursor_left(cursor)) {
        return fail(cursor);
    }
    for (uint64_t i = 0; i < count; i++) {
        Node *item = ARENA_NEW(arena, Node);

        item->type = head & 15;
        if (item->type == TYPE_TRUE || item->type == TYPE_FALSE) {
            item->number = (int64_t)cursor_fixed(cursor, 1);
        } else if (!take_value(cursor, arena, item, depth + 1)) {
            return false;
        }
        *end = item;
        end = &item->next;
    }
    return !cursor->is_bad;
}

static bool take_fields(Cursor *cursor, Arena *arena, Node *parent, unsigned depth)
{
    Node **end = &parent->first;
    int16_t field = 0;

    for (;;) {
        uint64_t head = cursor_fixed(cursor, 1);

        if (cursor->is_bad || head == 0) {
            return !cursor->is_bad;
        }
        field = head >> 4 == 0 ? (int16_t)cursor_zigzag(cursor) : (int16_t)(field + (head >> 4));
        Node *node = ARENA_NEW(arena, Node);
        node->field = field;
        node->type = head & 15;
        if (!take_value(cursor, arena, node, depth + 1)) {
            return false;
        }
        *end = node;
        end = &node->next;
    }
}

static bool take_value(Cursor *cursor, Arena *arena, Node *node, unsigned depth)
{
    if (depth > DEPTH_MAX) {
        return fail(cursor);
    }
    if (node->type == TYPE_TRUE || node->type == TYPE_FALSE) {
        node->number = node->type == TYPE_TRUE;
    } else if (node->type == TYPE_BYTE) {
        node->number = (int8_t)cursor_fixed(cursor, 1);
    } else if (node->type > TYPE_BYTE && node->type <= TYPE_I64) {
        node->number = cursor_zigzag(cursor);
    } else if (node->type == TYPE_DOUBLE) {
        node->bytes = cursor_bytes(cursor, 8);
    } else if (node->type == TYPE_BINARY) {
        node->bytes = cursor_counted(cursor);
    } else if (node->type == TYPE_LIST || node->type == TYPE_SET) {
        return take_list(cursor, arena, node, depth);
    } else if (node->type == TYPE_STRUCT) {
        return take_fields(cursor, arena, node, depth);
    } else {
        return fail(cursor);
    }
    return !cursor->is_bad;
}

const Node *cursor_struct(Cursor *cursor, Arena *arena)
{
    Node *node = ARENA_NEW(arena, Node);

    node->type = TYPE_STRUCT;
    return take_fields(cursor, arena, node, 0) ? node : NULL;
}

const Node *node_get(const Node *node, int16_t field)
{
    const Node *member = node == NULL ? NULL : node->first;

    while (member != NULL && member->field != field) {
        member = member->next;
    }
    return member;
}

int64_t node_number(const Node *node, int16_t field, int64_t otherwise)
{
    const Node *member = node_get(node, field);

    return member == NULL ? otherwise : member->number;
}

Str node_bytes(const Node *node, int16_t field)
{
    const Node *member = node_get(node, field);

    return member == NULL ? (Str){0} : member->bytes;
}

size_t node_count(const Node *node)
{
    size_t n = 0;

    for (const Node *member = node == NULL ? NULL : node->first; member != NULL;
         member = member->next) {
        n++;
    }
    return n;
}
