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

/* Drops every piece but keeps the largest chunk for reuse. */
void arena_reset(Arena *arena);

/* @size bytes aligned to 16, uninitialised; never NULL. */
void *arena_alloc(Arena *arena, size_t size);

/* As arena_alloc, zeroed. */
void *arena_zero(Arena *arena, size_t size);

#define ARENA_NEW(arena, type) ((type *)arena_zero((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_zero_array((arena), (count), sizeof(type)))
void *arena_zero_array(Arena *arena, size_t count, size_t size);

/* A copy of @str that lives as long as the arena. */
Str arena_copy(Arena *arena, Str str);

/* printf into the arena. */
Str arena_format(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
