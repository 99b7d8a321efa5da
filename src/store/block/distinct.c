// SPDX-License-Identifier: Apache-2.0
#include "store/block/distinct.h"

#include <math.h>

#include "base/map.h"
#include "codec/hash.h"

Value block_number_value(ParquetType type, int64_t number)
{
    Value value = {.type = VALUE_INT, .integer = number};

    if (type == PARQUET_BOOL) {
        value = (Value){.type = VALUE_BOOL, .boolean = number != 0};
    } else if (type == PARQUET_DOUBLE) {
        value = (Value){.type = VALUE_DOUBLE};
        mem_copy(&value.number, &number, sizeof(number));
    }
    return value;
}

/* A number and how often it was there. */
typedef struct Count {
    int64_t number;
    uint64_t count;
} Count;

/* Most columns of numbers repeat a few: they are found here, without the table. */
enum { RECENT = 256 };

typedef struct NumberCounter {
    Table table;
    uint32_t recent[RECENT]; /* 1 + index of a record */
    bool is_full;
} NumberCounter;

static void count_number(void *context, size_t row, int64_t number, Str bytes)
{
    NumberCounter *counter = context;
    uint32_t *recent = &counter->recent[(uint64_t)number * 0x9e3779b97f4a7c15U >> 56];

    if (counter->is_full) {
        return;
    }
    if (*recent != 0) {
        Count *count = table_at(&counter->table, *recent - 1);
        if (count->number == number) {
            count->count++;
            return;
        }
    }
    Count *count = table_put(&counter->table, &number, NULL);
    count->count++;
    *recent = (uint32_t)(count - (const Count *)(const void *)counter->table.records) + 1;
    counter->is_full = counter->table.n_records > BLOCK_DISTINCT_NUMBERS;
}

static void list_numbers(const ColumnData *column, Arena *arena, BlockDistinct *distinct)
{
    NumberCounter counter = {0};

    table_init(&counter.table, sizeof(Count), sizeof(int64_t));
    column_each(column, count_number, &counter);
    if (!counter.is_full) {
        size_t n = counter.table.n_records;
        int64_t *numbers = ARENA_ARRAY(arena, int64_t, n);
        uint64_t *counts = ARENA_ARRAY(arena, uint64_t, n);

        for (size_t i = 0; i < n; i++) {
            const Count *count = table_at(&counter.table, i);
            numbers[i] = count->number;
            counts[i] = count->count;
        }
        distinct->is_listed = true;
        distinct->n = n;
        distinct->numbers = numbers;
        distinct->counts = counts;
    }
    table_deinit(&counter.table);
}

/* How many distinct texts there are, from a bitmap of hashes (linear counting): within 1 % while
 * the bitmap has about as many bits as there are values. */
typedef struct Estimate {
    uint64_t *words;
    unsigned shift;
} Estimate;

static void note_text(void *context, size_t row, int64_t number, Str bytes)
{
    const Estimate *estimate = context;
    uint64_t bit = hash_stable(bytes) >> estimate->shift;

    estimate->words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static uint64_t estimate_distinct(const ColumnData *column)
{
    size_t n = column_count(column), n_bits = 4096, n_free = 0;
    unsigned bits = 12;

    for (; n_bits < n; n_bits *= 2) {
        bits++;
    }
    CLEANUP(mem_freep) uint64_t *words = NEW_ARRAY(uint64_t, n_bits / 64);
    Estimate estimate = {words, 64 - bits};
    column_each(column, note_text, &estimate);
    for (size_t i = 0; i < n_bits / 64; i++) {
        n_free += 64 - (size_t)__builtin_popcountll(words[i]);
    }
    double all = (double)n_bits;
    double found = n_free == 0 ? (double)n : all * log(all / (double)n_free);
    return MIN((uint64_t)found, (uint64_t)n);
}

void block_distinct(const ColumnData *column, Arena *arena, BlockDistinct *ret_distinct)
{
    const uint32_t *codes;

    *ret_distinct = (BlockDistinct){.column = column, .n = column_count(column)};
    if (column_description(column)->type != PARQUET_STRING) {
        list_numbers(column, arena, ret_distinct);
        return;
    }
    ret_distinct->strings = column_dictionary(column, &codes);
    if (ret_distinct->strings != NULL) {
        size_t n = symbols_count(ret_distinct->strings);
        uint64_t *counts = ARENA_ARRAY(arena, uint64_t, n);

        for (size_t i = 0; i < column_count(column); i++) {
            counts[codes[i]]++;
        }
        ret_distinct->is_listed = true;
        ret_distinct->n = n;
        ret_distinct->counts = counts;
    } else {
        ret_distinct->n = estimate_distinct(column);
    }
}

Value block_distinct_value(const BlockDistinct *distinct, size_t i)
{
    return distinct->strings != NULL
               ? value_string(symbols_get(distinct->strings, (uint32_t)i))
               : block_number_value(column_description(distinct->column)->type,
                                    distinct->numbers[i]);
}

/* --- Over several columns --- */

void block_distinct_sketch_add(BlockDistinctSketch *sketch, uint64_t hash)
{
    size_t at = hash >> (64 - BLOCK_SKETCH_BITS);
    uint64_t rest = hash << BLOCK_SKETCH_BITS | 1ULL << (BLOCK_SKETCH_BITS - 1);
    uint8_t length = (uint8_t)(__builtin_clzll(rest) + 1);

    if (length > sketch->longest[at]) {
        sketch->longest[at] = length;
    }
}

uint64_t block_distinct_sketch_count(const BlockDistinctSketch *sketch)
{
    const double n = 1 << BLOCK_SKETCH_BITS;
    double sum = 0, n_free = 0;

    for (size_t i = 0; i < ARRAY_LEN(sketch->longest); i++) {
        sum += exp2(-(double)sketch->longest[i]);
        n_free += sketch->longest[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / n) * n * n / sum;
    if (estimate < 2.5 * n && n_free > 0) {
        estimate = n * log(n / n_free); /* few: linear counting is nearer */
    }
    return (uint64_t)(estimate + 0.5);
}

BlockKeyValues *block_keys_list(const BlockAttributes *levels, const ColumnData *service,
                                Arena *arena, size_t *ret_n)
{
    size_t n = 1, at = 0;

    for (unsigned level = 0; level < BLOCK_N_LEVELS; level++) {
        n += block_attributes_n_keys(&levels[level]);
    }
    BlockKeyValues *keys = ARENA_ARRAY(arena, BlockKeyValues, n);
    for (unsigned level = 0; level < BLOCK_N_LEVELS; level++) {
        for (size_t i = 0; i < block_attributes_n_keys(&levels[level]); i++) {
            keys[at++] = (BlockKeyValues){.level = (BlockLevel)level,
                                          .number = (uint32_t)i,
                                          .place = block_attributes_key(&levels[level], i)};
        }
    }
    keys[at] = (BlockKeyValues){
        .level = BLOCK_RESOURCE_LEVEL,
        .number = UINT32_MAX,
        .place = {.key = STR("service.name"), .column = service, .n_rows = column_count(service)}};
    *ret_n = n;
    return keys;
}

BlockKeyValues *block_keys_collect(const BlockAttributes *levels, const ColumnData *service,
                                   Arena *arena, size_t *ret_n)
{
    BlockKeyValues *keys = block_keys_list(levels, service, arena, ret_n);

    for (size_t i = 0; i < *ret_n; i++) {
        if (keys[i].place.column != NULL) {
            block_distinct(keys[i].place.column, arena, &keys[i].distinct);
        }
    }
    return keys;
}
