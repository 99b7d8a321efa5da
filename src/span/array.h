// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/*
 * Arrays that grow inside an arena while a reader does not know their length yet: doubled and
 * moved, so at most half of the bytes are waste until the arena goes.
 *
 *     ARRAY_ROOM(arena, items, count, capacity);
 *     items[count++] = item;
 */
enum { ARRAY_FIRST = 8 };

/* Moves @count elements of @size bytes to a place with twice the room. */
static inline void *array_double(Arena *arena, const void *items, size_t count, size_t *capacity,
                                 size_t size)
{
    *capacity = count == 0 ? ARRAY_FIRST : count * 2;
    void *moved = arena_alloc(arena, *capacity * size);
    mem_copy(moved, items, count * size);
    return moved;
}

#define ARRAY_ROOM(arena, items, count, capacity)                                                  \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (items) = array_double((arena), (items), (count), &(capacity), sizeof((items)[0]));    \
        }                                                                                          \
    } while (0)
