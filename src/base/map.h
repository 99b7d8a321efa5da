// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/*
 * Symbols: a set of byte strings, each with a dense number in order of first arrival (0, 1, 2 …).
 * The hash table behind every dictionary of Weft: intern a key, then index plain arrays with its
 * number. Strings are copied into the set's own memory and views of them live as long as the set,
 * unmoved. Not thread-safe; concurrent readers are fine while nobody interns.
 */
typedef struct Symbols {
    uint64_t *slots; /* hash high bits | symbol + 1; 0 is free */
    size_t n_slots;  /* power of two */
    Str *strings;
    size_t n_strings, capacity;
    Arena arena;
} Symbols;

#define SYMBOL_NONE UINT32_MAX

void symbols_deinit(Symbols *symbols);

/* Number of @str, added if it is new. At most UINT32_MAX - 1 strings. */
uint32_t symbols_intern(Symbols *symbols, Str str);

/* Number of @str, or SYMBOL_NONE. */
uint32_t symbols_find(const Symbols *symbols, Str str);

static inline Str symbols_get(const Symbols *symbols, uint32_t symbol)
{
    return symbols->strings[symbol];
}

static inline size_t symbols_count(const Symbols *symbols)
{
    return symbols->n_strings;
}

/* Bytes held, for budgets. */
size_t symbols_bytes(const Symbols *symbols);

/*
 * A hash table of fixed-size records, found by key bytes: `Table` keeps them dense in order of
 * arrival in `records`, so iteration is a plain loop. Removing moves the last record into the gap.
 *
 * A record is any struct whose first key_size bytes are its key (no padding inside the key).
 */
typedef struct Table {
    uint64_t *slots; /* hash high bits | record index + 1; 0 is free */
    size_t n_slots;
    uint8_t *records;
    size_t n_records, capacity;
    size_t record_size, key_size;
} Table;

void table_init(Table *table, size_t record_size, size_t key_size);
void table_deinit(Table *table);

/* The record with @key, or NULL. Valid until the next put or remove. */
void *table_find(const Table *table, const void *key);

/* The record with @key, added zeroed (but for its key) if it is new; @ret_new may be NULL. */
void *table_put(Table *table, const void *key, bool *ret_new);

/* Removes @record, a pointer that find or put gave. */
void table_remove(Table *table, void *record);

void table_clear(Table *table);

static inline void *table_at(const Table *table, size_t index)
{
    return table->records + index * table->record_size;
}
