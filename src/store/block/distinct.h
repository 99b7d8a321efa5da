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

/* A key of the block with what is known of its values. */
typedef struct BlockKeyValues {
    BlockLevel level;
    BlockKeyPlace place;
    BlockDistinct distinct; /* of its column, if it has one */
} BlockKeyValues;

/* The keys of all levels (finished), level by level in the order of their numbers, and one more:
 * the resource's service.name with its column @service. */
BlockKeyValues *block_keys_collect(const BlockAttributes *levels, const ColumnData *service,
                                   Arena *arena, size_t *ret_n);
