// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"
#include "store/block/reader.h"

/* The distinct values of a key: counted by code where the column has a dictionary, else by text. */
typedef struct Counter {
    Symbols texts;
    uint64_t *counts;
    size_t capacity;
    Arena arena;
} Counter;

static void count_value(Counter *counter, const Value *value, uint64_t n)
{
    uint32_t symbol = symbols_intern(&counter->texts, value_text(value, &counter->arena));

    if (symbol >= counter->capacity) {
        size_t capacity = MAX((size_t)64, counter->capacity * 2);

        counter->counts = mem_resize_array(counter->counts, capacity, sizeof(counter->counts[0]));
        mem_fill(counter->counts + counter->capacity, 0,
                 (capacity - counter->capacity) * sizeof(counter->counts[0]));
        counter->capacity = capacity;
    }
    counter->counts[symbol] += n;
    arena_reset(&counter->arena);
}

static void counter_deinit(Counter *counter)
{
    symbols_deinit(&counter->texts);
    mem_free(counter->counts);
    arena_deinit(&counter->arena);
}

static void count_codes(Counter *counter, const ParquetVector *vector, Arena *arena)
{
    uint64_t *counts = ARENA_ARRAY(arena, uint64_t, vector->dictionary->n_rows);

    for (size_t row = 0; row < vector->n_rows; row++) {
        if (!parquet_is_null(vector, row)) {
            counts[vector->codes[row]]++;
        }
    }
    for (size_t code = 0; code < vector->dictionary->n_rows; code++) {
        if (counts[code] > 0) {
            Value value = block_vector_value(vector->dictionary, code);
            count_value(counter, &value, counts[code]);
        }
    }
}

static int count_column(Block *block, const BlockAttributeColumn *column, Counter *counter,
                        const uint8_t **ret_null, Arena *arena, ParseError *error)
{
    size_t n = parquet_n_rows(block->parquet);
    ParquetVector vector;

    TRY(block_read_attribute(block, column, 0, n, arena, &vector, error));
    *ret_null = vector.null;
    if (vector.codes != NULL) {
        count_codes(counter, &vector, arena);
        return 0;
    }
    for (size_t row = 0; row < n; row++) {
        if (!parquet_is_null(&vector, row)) {
            Value value = block_vector_value(&vector, row);
            count_value(counter, &value, 1);
        }
    }
    return 0;
}

/* Rows without a value in the column: the key's first occurrence in the map counts. */
static int count_map(Block *block, BlockLevel level, Str key, const uint8_t *is_wanted,
                     Counter *counter, Arena *arena, ParseError *error)
{
    CLEANUP(arena_deinit) Arena row_arena = {0};
    size_t n = parquet_n_rows(block->parquet);
    BlockMap map;

    TRY(block_map_read(block, level, 0, n, arena, &map, error));
    for (size_t row = 0; row < n; row++) {
        BlockMapWalk walk = block_map_walk(&map, row);
        Attribute attribute;
        int more = 1;

        arena_reset(&row_arena);
        while (is_wanted[row] && (more = block_map_next(&walk, &row_arena, &attribute)) > 0) {
            if (str_equal(attribute.key, key)) {
                count_value(counter, &attribute.value, 1);
                break;
            }
        }
        if (more < 0) {
            *error = (ParseError){.text = "the types of a map are malformed"};
            return 1;
        }
    }
    return 0;
}

typedef struct InMap {
    BlockLevel level;
    Str key;
    bool is_there;
} InMap;

static int find_in_map(void *context, const BlockKeyCounts *counts)
{
    InMap *in_map = context;

    in_map->is_there |= counts->level == in_map->level && counts->n_map_rows > 0 &&
                        str_equal(counts->key, in_map->key);
    return 0;
}

static int count_key(Block *block, BlockLevel level, Str key, Counter *counter, ParseError *error)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const BlockAttributeColumn *column = block_find_attribute(block, level, key);
    size_t n = parquet_n_rows(block->parquet);
    uint8_t *is_wanted = arena_alloc(&arena, n);
    InMap in_map = {level, key, false};
    const uint8_t *null = NULL;

    mem_fill(is_wanted, column == NULL, n);
    if (column != NULL) {
        TRY(count_column(block, column, counter, &null, &arena, error));
        if (null != NULL) {
            mem_copy(is_wanted, null, n);
        }
    }
    TRY(block_key_counts(block, find_in_map, &in_map, error));
    return in_map.is_there ? count_map(block, level, key, is_wanted, counter, &arena, error) : 0;
}

int block_attribute_values(Block *block, FilterField level, Str key,
                           int (*visit)(void *context, Str value, uint64_t count), void *context)
{
    CLEANUP(parquet_unpin) ParquetPin pin = parquet_pin(block->parquet);
    CLEANUP(counter_deinit) Counter counter = {0};
    ParseError error = {0};
    BlockLevel of = level == FIELD_RESOURCE_ATTRIBUTE ? BLOCK_RESOURCE_LEVEL : BLOCK_SPAN_LEVEL;

    CLEANUP(arena_deinit) Arena arena = {0};
    BlockValueSummary summary;

    TRY(block_value_summary(block, level, key, &arena, &summary));
    if (summary.is_complete) {
        for (size_t i = 0; i < summary.n_top; i++) {
            TRY(visit(context, summary.top[i].text, summary.top[i].count));
        }
        return 0;
    }
    TRY(block_report(block, count_key(block, of, key, &counter, &error), &error));
    for (uint32_t i = 0; i < symbols_count(&counter.texts); i++) {
        TRY(visit(context, symbols_get(&counter.texts, i), counter.counts[i]));
    }
    return 0;
}
