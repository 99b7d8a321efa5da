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

/* Rows of the block: a row group, so that memory is bounded. */
typedef struct Rows {
    size_t from, to;
} Rows;

/* The question: of which key, and what is found. */
typedef struct Listing {
    Block *block;
    BlockLevel level;
    Str key;
    const BlockAttributeColumn *column; /* NULL: none */
    bool is_in_map;
    Counter counter;
    ParseError error;
} Listing;

static int count_column(Listing *listing, Rows rows, uint8_t *is_missing, Arena *arena)
{
    ParquetVector vector;

    TRY(block_read_attribute(listing->block, listing->column, rows.from, rows.to, arena, &vector,
                             &listing->error));
    for (size_t row = 0; row < rows.to - rows.from; row++) {
        is_missing[row] = parquet_is_null(&vector, row);
    }
    if (vector.codes != NULL) {
        count_codes(&listing->counter, &vector, arena);
        return 0;
    }
    for (size_t row = 0; row < rows.to - rows.from; row++) {
        if (!is_missing[row]) {
            Value value = block_vector_value(&vector, row);
            count_value(&listing->counter, &value, 1);
        }
    }
    return 0;
}

/* Rows without a value in the column: the key's first occurrence in the map counts. */
static int count_map(Listing *listing, Rows rows, const uint8_t *is_missing, Arena *arena)
{
    CLEANUP(arena_deinit) Arena row_arena = {0};
    BlockMap map;

    TRY(block_map_read(listing->block, listing->level, rows.from, rows.to, arena, &map,
                       &listing->error));
    for (size_t row = 0; row < rows.to - rows.from; row++) {
        BlockMapWalk walk = block_map_walk(&map, row);
        Attribute attribute;
        int more = 1;

        arena_reset(&row_arena);
        while (is_missing[row] && (more = block_map_next(&walk, &row_arena, &attribute)) > 0) {
            if (str_equal(attribute.key, listing->key)) {
                count_value(&listing->counter, &attribute.value, 1);
                break;
            }
        }
        if (more < 0) {
            listing->error = (ParseError){.text = "the types of a map are malformed"};
            return 1;
        }
    }
    return 0;
}

static int find_in_map(void *context, const BlockKeyCounts *counts)
{
    Listing *listing = context;

    listing->is_in_map |= counts->level == listing->level && counts->n_map_rows > 0 &&
                          str_equal(counts->key, listing->key);
    return 0;
}

static int count_rows(Listing *listing, Rows rows)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint8_t *is_missing = arena_alloc(&arena, rows.to - rows.from);

    mem_fill(is_missing, 1, rows.to - rows.from);
    if (listing->column != NULL) {
        TRY(count_column(listing, rows, is_missing, &arena));
    }
    return listing->is_in_map ? count_map(listing, rows, is_missing, &arena) : 0;
}

static int count_all(Listing *listing)
{
    const ParquetFile *file = listing->block->parquet;

    TRY(block_key_counts(listing->block, find_in_map, listing, &listing->error));
    for (size_t group = 0; group < parquet_n_groups(file); group++) {
        TRY(count_rows(listing,
                       (Rows){parquet_group_row(file, group), parquet_group_row(file, group + 1)}));
    }
    return 0;
}

/* Of very many values: what is worth showing. */
static int count_sample(Listing *listing)
{
    enum { SAMPLE_ROWS = 4096 };

    return count_rows(listing,
                      (Rows){0, MIN(parquet_n_rows(listing->block->parquet), (size_t)SAMPLE_ROWS)});
}

static int count_values(Listing *listing, bool is_partial)
{
    CLEANUP(parquet_unpin) ParquetPin pin = parquet_pin(listing->block->parquet);

    listing->column = block_find_attribute(listing->block, listing->level, listing->key);
    return block_report(listing->block, is_partial ? count_sample(listing) : count_all(listing),
                        &listing->error);
}

static int visit_counted(const Counter *counter,
                         int (*visit)(void *context, Str value, uint64_t count), void *context)
{
    for (uint32_t i = 0; i < symbols_count(&counter->texts); i++) {
        TRY(visit(context, symbols_get(&counter->texts, i), counter->counts[i]));
    }
    return 0;
}

int block_attribute_values(Block *block, FilterField level, Str key,
                           int (*visit)(void *context, Str value, uint64_t count), void *context,
                           bool *ret_partial)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    BlockValueSummary summary;
    Listing listing = {.block = block, .key = key, .level = BLOCK_SPAN_LEVEL};

    if (level == FIELD_RESOURCE_ATTRIBUTE) {
        listing.level = BLOCK_RESOURCE_LEVEL;
    }
    TRY(block_value_summary(block, level, key, &arena, &summary));
    *ret_partial = summary.is_known && summary.n_distinct > BLOCK_LISTED_MAX;
    if (summary.is_complete || (*ret_partial && summary.n_top > 0)) {
        for (size_t i = 0; i < summary.n_top; i++) {
            TRY(visit(context, summary.top[i].text, summary.top[i].count));
        }
        return 0;
    }
    int result = count_values(&listing, *ret_partial);
    if (result == 0) {
        result = visit_counted(&listing.counter, visit, context);
    }
    counter_deinit(&listing.counter);
    return result;
}
