// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include "base/assert.h"

/*
 * Both tables are open addressing with linear probing at a load of at most one half. A slot keeps
 * the upper 32 bits of the hash beside the number, so that a probe rarely touches a string or a
 * record that is not the one: each such touch is a cache miss.
 */
enum { SLOTS_MIN = 16 };

void symbols_deinit(Symbols *symbols)
{
    mem_free(symbols->slots);
    mem_free(symbols->strings);
    arena_deinit(&symbols->arena);
    *symbols = (Symbols){0};
}

static uint64_t make_slot(uint64_t hash, uint32_t number)
{
    return (hash & 0xffffffff00000000U) | ((uint64_t)number + 1);
}

static uint32_t slot_number(uint64_t slot)
{
    return (uint32_t)slot - 1;
}

/* The slot that holds @str, or the free one where it belongs. */
static size_t symbol_probe(const Symbols *symbols, Str str, uint64_t hash)
{
    size_t mask = symbols->n_slots - 1;
    size_t at = (size_t)hash & mask;

    for (;; at = (at + 1) & mask) {
        uint64_t slot = symbols->slots[at];

        if (slot == 0) {
            return at;
        }
        if ((slot ^ hash) >> 32 == 0 && str_equal(symbols->strings[(uint32_t)slot - 1], str)) {
            return at;
        }
    }
}

static void symbols_rehash(Symbols *symbols)
{
    size_t n_slots = symbols->n_slots == 0 ? SLOTS_MIN : symbols->n_slots * 2;

    mem_free(symbols->slots);
    symbols->slots = NEW_ARRAY(uint64_t, n_slots);
    symbols->n_slots = n_slots;
    for (size_t i = 0; i < symbols->n_strings; i++) {
        uint64_t hash = str_hash(symbols->strings[i]);
        size_t at = (size_t)hash & (n_slots - 1);

        while (symbols->slots[at] != 0) {
            at = (at + 1) & (n_slots - 1);
        }
        symbols->slots[at] = make_slot(hash, (uint32_t)i);
    }
}

uint32_t symbols_intern(Symbols *symbols, Str str)
{
    if (symbols->n_strings * 2 >= symbols->n_slots) {
        symbols_rehash(symbols);
    }
    uint64_t hash = str_hash(str);
    size_t at = symbol_probe(symbols, str, hash);

    if (symbols->slots[at] != 0) {
        return (uint32_t)symbols->slots[at] - 1;
    }
    ASSERT(symbols->n_strings < SYMBOL_NONE - 1);
    uint32_t symbol = (uint32_t)symbols->n_strings;
    ARRAY_RESERVE(symbols->strings, symbols->n_strings, symbols->capacity);
    symbols->strings[symbols->n_strings++] = arena_copy(&symbols->arena, str);
    symbols->slots[at] = make_slot(hash, symbol);
    return symbol;
}

uint32_t symbols_find(const Symbols *symbols, Str str)
{
    if (symbols->n_slots == 0) {
        return SYMBOL_NONE;
    }
    size_t at = symbol_probe(symbols, str, str_hash(str));
    return symbols->slots[at] == 0 ? SYMBOL_NONE : (uint32_t)symbols->slots[at] - 1;
}

size_t symbols_bytes(const Symbols *symbols)
{
    return symbols->n_slots * sizeof(symbols->slots[0]) +
           symbols->capacity * sizeof(symbols->strings[0]) + symbols->arena.allocated;
}

void table_init(Table *table, size_t record_size, size_t key_size)
{
    ASSERT(key_size > 0 && key_size <= record_size);
    *table = (Table){.record_size = record_size, .key_size = key_size};
}

void table_deinit(Table *table)
{
    mem_free(table->slots);
    mem_free(table->records);
    table_init(table, table->record_size, table->key_size);
}

static uint64_t table_hash(const Table *table, const void *key)
{
    return str_hash(str_from_bytes(key, table->key_size));
}

/* The slot that holds @key, or the free one where it belongs. */
static size_t table_probe(const Table *table, const void *key, uint64_t hash)
{
    size_t mask = table->n_slots - 1;
    size_t at = (size_t)hash & mask;

    for (;; at = (at + 1) & mask) {
        uint64_t slot = table->slots[at];

        if (slot == 0) {
            return at;
        }
        if ((slot ^ hash) >> 32 == 0 &&
            str_equal(str_from_bytes(table_at(table, slot_number(slot)), table->key_size),
                      str_from_bytes(key, table->key_size))) {
            return at;
        }
    }
}

static void table_rehash(Table *table)
{
    size_t n_slots = table->n_slots == 0 ? SLOTS_MIN : table->n_slots * 2;

    mem_free(table->slots);
    table->slots = NEW_ARRAY(uint64_t, n_slots);
    table->n_slots = n_slots;
    for (size_t i = 0; i < table->n_records; i++) {
        uint64_t hash = table_hash(table, table_at(table, i));
        size_t at = (size_t)hash & (n_slots - 1);

        while (table->slots[at] != 0) {
            at = (at + 1) & (n_slots - 1);
        }
        table->slots[at] = make_slot(hash, (uint32_t)i);
    }
}

void *table_find(const Table *table, const void *key)
{
    if (table->n_slots == 0) {
        return NULL;
    }
    uint64_t slot = table->slots[table_probe(table, key, table_hash(table, key))];
    return slot == 0 ? NULL : table_at(table, slot_number(slot));
}

void *table_put(Table *table, const void *key, bool *ret_new)
{
    if (table->n_records * 2 >= table->n_slots) {
        table_rehash(table);
    }
    uint64_t hash = table_hash(table, key);
    size_t at = table_probe(table, key, hash);
    bool is_new = table->slots[at] == 0;

    if (is_new) {
        ASSERT(table->n_records < UINT32_MAX - 1);
        if (table->n_records == table->capacity) {
            table->capacity = table->capacity == 0 ? 8 : table->capacity * 2;
            table->records = mem_resize_array(table->records, table->capacity, table->record_size);
        }
        mem_fill(table_at(table, table->n_records), 0, table->record_size);
        mem_copy(table_at(table, table->n_records), key, table->key_size);
        table->slots[at] = make_slot(hash, (uint32_t)table->n_records++);
    }
    if (ret_new != NULL) {
        *ret_new = is_new;
    }
    return table_at(table, slot_number(table->slots[at]));
}

/* Closes the gap at @at: moves back every follower that a probe could no longer reach. */
static void table_close_gap(Table *table, size_t at)
{
    size_t mask = table->n_slots - 1;

    for (size_t next = (at + 1) & mask; table->slots[next] != 0; next = (next + 1) & mask) {
        const void *record = table_at(table, slot_number(table->slots[next]));
        size_t home = (size_t)table_hash(table, record) & mask;

        if (((next - home) & mask) >= ((next - at) & mask)) {
            table->slots[at] = table->slots[next];
            at = next;
        }
    }
    table->slots[at] = 0;
}

void table_remove(Table *table, void *record)
{
    size_t index = (size_t)((uint8_t *)record - table->records) / table->record_size;

    ASSERT(index < table->n_records);
    table_close_gap(table, table_probe(table, record, table_hash(table, record)));
    size_t last = table->n_records - 1;
    if (index != last) {
        uint64_t hash = table_hash(table, table_at(table, last));

        table->slots[table_probe(table, table_at(table, last), hash)] =
            make_slot(hash, (uint32_t)index);
        mem_copy(record, table_at(table, last), table->record_size);
    }
    table->n_records--;
}

void table_clear(Table *table)
{
    mem_fill(table->slots, 0, table->n_slots * sizeof(table->slots[0]));
    table->n_records = 0;
}
