// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/block/attributes.h"

/*
 * The distinct values of an attribute's column while a block is finished, with their counts where
 * that is cheap: of a dictionary, or of few numbers. Of others it is only known how many.
 */
enum { BLOCK_DISTINCT_NUMBERS = 4096 };

typedef struct BlockDistinct {
    const ColumnData *column;
    bool is_listed; /* all are known, with counts */
    size_t n;       /* how many; not listed: an estimate for texts, all values for numbers */
    const Symbols *strings;
    const int64_t *numbers; /* doubles by their bits */
    const uint64_t *counts;
} BlockDistinct;

/* Arrays in @arena, strings are those of @column. */
void block_distinct(const ColumnData *column, Arena *arena, BlockDistinct *ret_distinct);

/* The @i-th of the listed values. */
Value block_distinct_value(const BlockDistinct *distinct, size_t i);

/* A number of a column as the value that it stands for. */
Value block_number_value(ParquetType type, int64_t number);

/* How many distinct values several columns have together, within 3 %: a HyperLogLog (Flajolet et
 * al., 2007) of their hashes. `{0}` is empty. */
enum { BLOCK_SKETCH_BITS = 10 };

typedef struct BlockDistinctSketch {
    uint8_t longest[1 << BLOCK_SKETCH_BITS]; /* 1 + leading zeroes of a hash */
} BlockDistinctSketch;

void block_distinct_sketch_add(BlockDistinctSketch *sketch, uint64_t hash);
uint64_t block_distinct_sketch_count(const BlockDistinctSketch *sketch);

/* A key of the block with what is known of its values. */
typedef struct BlockKeyValues {
    BlockLevel level;
    uint32_t number; /* of its level's keys; UINT32_MAX: service.name */
    BlockKeyPlace place;
    BlockDistinct distinct; /* of its column, if it has one */
} BlockKeyValues;

/* The keys of all levels (a group is divided), level by level in the order of their numbers, and
 * one more: the resource's service.name with its column @service. A list is without what is
 * distinct. */
BlockKeyValues *block_keys_list(const BlockAttributes *levels, const ColumnData *service,
                                Arena *arena, size_t *ret_n);
BlockKeyValues *block_keys_collect(const BlockAttributes *levels, const ColumnData *service,
                                   Arena *arena, size_t *ret_n);
