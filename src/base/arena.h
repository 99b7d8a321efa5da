// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/memory.h"

/*
 * One arena per request, batch, block or query: pieces are taken one by one and dropped all at
 * once.
 * `{0}` is a valid empty arena. Not thread-safe; what it gave out may be read by other threads.
 */
typedef struct ArenaChunk ArenaChunk;

typedef struct Arena {
    ArenaChunk *chunk;
    uint8_t *next;
    size_t left;
    size_t allocated; /* bytes taken from the system, for budgets */
} Arena;

void arena_deinit(Arena *arena);

/* Drops every piece. One chunk is kept for reuse, as large as all were together up to
 * ARENA_KEPT_MAX, so that the same use again takes nothing from the system. */
enum { ARENA_ALIGN = 16, ARENA_KEPT_MAX = 4 << 20 };
void arena_reset(Arena *arena);

/* arena_alloc() when the chunk is too small. */
void *arena_alloc_chunk(Arena *arena, size_t size);

/* @size bytes aligned to ARENA_ALIGN, uninitialised; never NULL. */
static inline void *arena_alloc(Arena *arena, size_t size)
{
    size_t rounded = ((size == 0 ? 1 : size) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);

    if (__builtin_expect(rounded < size || rounded > arena->left, 0)) {
        return arena_alloc_chunk(arena, size);
    }
    void *piece = arena->next;
    arena->next += rounded;
    arena->left -= rounded;
    return piece;
}

/* As arena_alloc, zeroed. */
void *arena_zero(Arena *arena, size_t size);

#define ARENA_NEW(arena, type) ((type *)arena_zero((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_zero_array((arena), (count), sizeof(type)))
void *arena_zero_array(Arena *arena, size_t count, size_t size);

/* A copy of @str that lives as long as the arena. */
Str arena_copy(Arena *arena, Str str);

/* printf into the arena. */
Str arena_format(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
