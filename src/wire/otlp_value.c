// SPDX-License-Identifier: Apache-2.0
#include "wire/otlp_value.h"

/* AnyValue and KeyValue (opentelemetry/proto/common/v1/common.proto). */

int decode_room(DecodeMemory *memory, const Cursor *in, size_t size, void **ret_room)
{
    if (size > memory->limit || memory->arena->allocated > memory->limit - size) {
        return cursor_fail(in, "needs more than 16 times its size of memory");
    }
    *ret_room = arena_alloc(memory->arena, size);
    return 0;
}

int decode_list_room(DecodeMemory *memory, const Cursor *rest, uint32_t tag, size_t element_size,
                     size_t count, const void *items, void **ret_items)
{
    void *room;
    size_t more = 1 + cursor_count(*rest, tag);

    TRY(decode_room(memory, rest, (count + more) * element_size, &room));
    mem_copy(room, items, count * element_size);
    *ret_items = room;
    return 0;
}

int decode_list_attribute(DecodeMemory *memory, Cursor *rest, uint32_t tag, bool *has_room,
                          Attributes *attributes)
{
    Cursor body;

    TRY(cursor_take_message(rest, &body));
    if (!*has_room) {
        void *items;
        TRY(decode_list_room(memory, rest, tag, sizeof(Attribute), attributes->count,
                             attributes->items, &items));
        attributes->items = items;
        *has_room = true; /* what was counted is all that can come */
    }
    Attribute *items = (Attribute *)attributes->items;
    return decode_attribute(memory, body, 0, &items[attributes->count++]);
}

/* ArrayValue. */
static int decode_array(DecodeMemory *memory, Cursor in, unsigned depth, Value *value)
{
    Value *items = NULL;
    uint32_t count = 0;

    while (cursor_more(&in)) {
        Cursor body;
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        if (tag != TAG(1, WIRE_BYTES)) {
            TRY(cursor_skip_unknown(&in, tag, FIELD(1)));
            continue;
        }
        TRY(cursor_take_message(&in, &body));
        if (items == NULL) {
            void *room;
            TRY(decode_list_room(memory, &in, tag, sizeof(Value), 0, NULL, &room));
            items = room;
        }
        items[count] = (Value){.type = VALUE_EMPTY};
        TRY(decode_value(memory, body, depth, &items[count]));
        count++;
    }
    *value = (Value){.type = VALUE_ARRAY, .count = count, .items = items};
    return 0;
}

/* KeyValueList. */
static int decode_map(DecodeMemory *memory, Cursor in, unsigned depth, Value *value)
{
    Attribute *entries = NULL;
    uint32_t count = 0;

    while (cursor_more(&in)) {
        Cursor body;
        uint32_t tag;

        TRY(cursor_take_tag(&in, &tag));
        if (tag != TAG(1, WIRE_BYTES)) {
            TRY(cursor_skip_unknown(&in, tag, FIELD(1)));
            continue;
        }
        TRY(cursor_take_message(&in, &body));
        if (entries == NULL) {
            void *room;
            TRY(decode_list_room(memory, &in, tag, sizeof(Attribute), 0, NULL, &room));
            entries = room;
        }
        TRY(decode_attribute(memory, body, depth, &entries[count]));
        count++;
    }
    *value = (Value){.type = VALUE_MAP, .count = count, .entries = entries};
    return 0;
}

int decode_nested(DecodeMemory *memory, const Cursor *in, uint32_t tag, unsigned depth,
                  Value *value)
{
    if (depth == VALUE_DEPTH_MAX) {
        return cursor_fail(in, "a value nested deeper than 32 levels");
    }
    return tag == TAG(5, WIRE_BYTES) ? decode_array(memory, *in, depth + 1, value)
                                     : decode_map(memory, *in, depth + 1, value);
}
