// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/str.h"

/*
 * Allocation. Every size that hostile input can influence is bounded by a named limit before it
 * gets here, so running out means that the machine is out of memory: mem_* then log and abort, as
 * the recovery path (the log replay after a restart) is the one that is tested. Where a component
 * can really refuse instead (a request body, a query's budget), it calls mem_try_alloc().
 */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zero(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_resize(void *memory, size_t size) __attribute__((returns_nonnull));

/* As mem_alloc, but NULL when there is no memory. */
void *mem_try_alloc(size_t size) __attribute__((malloc));

void mem_free(void *memory);

/* Hands freed pages back to the system. Some milliseconds; for moments after much was freed. */
void mem_trim(void);

/* For CLEANUP on a pointer variable: frees what it points to. */
void mem_freep(void *pointer_to_pointer);

#define NEW(type) ((type *)mem_zero(sizeof(type)))
#define NEW_ARRAY(type, count) ((type *)mem_zero_array((count), sizeof(type)))
void *mem_zero_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_resize_array(void *memory, size_t count, size_t size) __attribute__((returns_nonnull));

/* Makes room for one more element in a growing array: ARRAY_PUSH-like use:
 *     ARRAY_RESERVE(table->rows, table->n_rows, table->capacity);
 *     table->rows[table->n_rows++] = row;
 */
#define ARRAY_RESERVE(array, count, capacity)                                                      \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (capacity) = (capacity) == 0 ? 8 : (capacity)*2;                                       \
            (array) = mem_resize_array((array), (capacity), sizeof((array)[0]));                   \
        }                                                                                          \
    } while (0)

/* memcpy and memset live here, so that they are seen: outside base/ they are banned. Size 0 is
 * allowed with any pointer. Inline, so that a constant size becomes a move. */
static inline void mem_copy(void *to, const void *from, size_t size)
{
    if (size != 0) {
        __builtin_memcpy(to, from, size);
    }
}

static inline void mem_move(void *to, const void *from, size_t size)
{
    if (size != 0) {
        __builtin_memmove(to, from, size);
    }
}

static inline void mem_fill(void *to, uint8_t byte, size_t size)
{
    if (size != 0) {
        __builtin_memset(to, byte, size);
    }
}

static inline int mem_compare(const void *a, const void *b, size_t size)
{
    return size == 0 ? 0 : __builtin_memcmp(a, b, size);
}
