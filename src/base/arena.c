// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

/*
 * Chunks double from 4 KiB to 1 MiB, so that a small request costs one small chunk and a large
 * batch a handful of large ones. A piece larger than a chunk gets a chunk of its own size.
 */
enum { CHUNK_MIN = 4096, CHUNK_MAX = 1 << 20 };

struct ArenaChunk {
    ArenaChunk *previous;
    size_t size; /* of the bytes behind this header */
    uint8_t bytes[] __attribute__((aligned(ARENA_ALIGN)));
};

static void free_chunks(ArenaChunk *chunk)
{
    while (chunk != NULL) {
        ArenaChunk *previous = chunk->previous;
        mem_free(chunk);
        chunk = previous;
    }
}

void arena_deinit(Arena *arena)
{
    free_chunks(arena->chunk);
    *arena = (Arena){0};
}

static void add_chunk(Arena *arena, size_t size)
{
    ArenaChunk *chunk = mem_alloc(sizeof(*chunk) + size);

    chunk->previous = arena->chunk;
    chunk->size = size;
    arena->chunk = chunk;
    arena->next = chunk->bytes;
    arena->left = size;
    arena->allocated += size;
}

void arena_reset(Arena *arena)
{
    ArenaChunk *kept = arena->chunk;

    if (kept == NULL) {
        return;
    }
    if (kept->previous != NULL && kept->size < ARENA_KEPT_MAX) {
        size_t size = MIN(arena->allocated, (size_t)ARENA_KEPT_MAX);

        arena_deinit(arena);
        add_chunk(arena, size);
        return;
    }
    free_chunks(kept->previous);
    kept->previous = NULL;
    arena->next = kept->bytes;
    arena->left = kept->size;
    arena->allocated = kept->size;
}

void *arena_alloc_chunk(Arena *arena, size_t size)
{
    size_t least = arena->chunk == NULL
                       ? (size_t)CHUNK_MIN
                       : MIN(MAX(arena->chunk->size, (size_t)CHUNK_MIN) * 2, (size_t)CHUNK_MAX);

    ASSERT(size <= SIZE_MAX - ARENA_ALIGN);
    add_chunk(arena, MAX(least, size + ARENA_ALIGN));
    return arena_alloc(arena, size);
}

void *arena_zero(Arena *arena, size_t size)
{
    void *piece = arena_alloc(arena, size);

    mem_fill(piece, 0, size);
    return piece;
}

void *arena_zero_array(Arena *arena, size_t count, size_t size)
{
    size_t product;

    ASSERT(!__builtin_mul_overflow(count, size, &product));
    return arena_zero(arena, product);
}

Str arena_copy(Arena *arena, Str str)
{
    char *copy = arena_alloc(arena, str.len);

    mem_copy(copy, str.ptr, str.len);
    return (Str){.ptr = copy, .len = str.len};
}

Str arena_format(Arena *arena, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return (Str){.ptr = text, .len = (size_t)len};
}
