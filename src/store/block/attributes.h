// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"
#include "store/block/columns.h"
#include "store/parquet/column.h"

/*
 * The attributes of one level (span, resource or scope) while a block is built: sorted into columns
 * by key as they come, and at the end divided into columns of their own and the map.
 */
typedef struct BlockKey BlockKey;
typedef struct BlockEntry BlockEntry;

/* The key that was at this position in the row before: mostly it is there again. */
enum { BLOCK_GUESSES = 64 };
typedef struct BlockGuess {
    Str key;
    uint32_t symbol;
} BlockGuess;

typedef struct BlockAttributes {
    BlockLevel level;
    size_t columns_max; /* how many keys may become columns */
    Symbols symbols;    /* the keys */
    BlockKey *keys;     /* by symbol */
    size_t key_capacity;
    size_t n_candidates;
    size_t n_spilled;    /* keys that are frequent enough for a column, and beyond columns_max */
    BlockEntry *entries; /* what is for the map whatever comes */
    size_t n_entries, entry_capacity;
    BlockGuess guesses[BLOCK_GUESSES];
    Buf text;
    Arena arena;
} BlockAttributes;

void block_attributes_init(BlockAttributes *attributes, BlockLevel level, size_t columns_max);
void block_attributes_deinit(BlockAttributes *attributes);

/* Strings must live until finish. A first resource attribute service.name that is valid text is
 * left out: it has a column of its own. */
void block_attributes_add(BlockAttributes *attributes, size_t row, Attributes items);

/* The resource's own service.name as the column has it: a string of valid UTF-8. */
bool block_has_service_column(Attributes resource, Str *ret_service);

/*
 * Divides: appends the columns that are to be written to @columns (views, at most columns_max), and
 * puts the rest into @map and @types. Appends the level's part of the `attributes` section to
 * @section and returns how many keys that is.
 */
size_t block_attributes_finish(BlockAttributes *attributes, size_t n_rows, ColumnData **columns,
                               size_t *n_columns, ColumnData *map, ColumnData *types, Buf *section);

/* --- After finish, for the sections --- */

/* A key: its column (NULL: none; of texts, also when the file has their bytes), the rows that have
 * it, and its entries in the map. */
typedef struct BlockKeyPlace {
    Str key;
    const ColumnData *column;
    uint64_t n_rows, n_map_rows;
} BlockKeyPlace;

size_t block_attributes_n_keys(const BlockAttributes *attributes);
BlockKeyPlace block_attributes_key(const BlockAttributes *attributes, size_t number);

/* Calls @visit for each entry of the map with the number of its key and its text. */
void block_attributes_each_entry(const BlockAttributes *attributes,
                                 void (*visit)(void *context, size_t number, Str text),
                                 void *context);
