// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"
#include "store/block/columns.h"
#include "store/parquet/column.h"

/*
 * The attributes of one level (span, resource or scope) while a block is built: sorted into columns
 * by key as they come, and at the end of a row group divided into columns of their own and the map.
 * Which keys have columns, of which type, is decided at the end of the first group and holds for
 * all.
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
    bool is_decided;
    uint32_t *written; /* the keys that have columns, in the order of the schema */
    size_t n_written;
    bool is_expected;    /* block_attributes_expect() was called */
    size_t n_spilled;    /* keys that are frequent enough for a column, and beyond columns_max */
    BlockEntry *entries; /* what is for the map whatever comes */
    size_t n_entries, entry_capacity;
    BlockGuess guesses[BLOCK_GUESSES];
    Buf text;
    Arena arena;
} BlockAttributes;

void block_attributes_init(BlockAttributes *attributes, BlockLevel level, size_t columns_max);
void block_attributes_deinit(BlockAttributes *attributes);

/*
 * @counts: how many rows that will come have the key, of which @n_map_rows in a map; the others
 * have values of @type (of @size) as a column, PARQUET_UUID and FIXED being texts of that form.
 * Added up over calls; if there were any, they decide which keys have columns, unless one group is
 * all.
 */
typedef struct BlockExpected {
    Str key;
    uint64_t n_rows, n_map_rows;
    ParquetType type;
    uint32_t size;
} BlockExpected;

void block_attributes_expect(BlockAttributes *attributes, const BlockExpected *expected);

/* Strings must live until the group ends. A first resource attribute service.name that is valid
 * text is left out: it has a column of its own. */
void block_attributes_add(BlockAttributes *attributes, size_t row, Attributes items);

/* The resource's own service.name as the column has it: a string of valid UTF-8. */
bool block_has_service_column(Attributes resource, Str *ret_service);

/* Decides, at the end of the first group: of its @n_rows rows, or when more groups follow and it is
 * known what to expect, of @n_expected rows. */
typedef struct BlockGroupEnd {
    size_t n_rows;       /* of this group */
    uint64_t n_expected; /* rows of the block, where that is known; 0: this group is all */
} BlockGroupEnd;

/* Divides: appends the columns that are to be written to @columns (views, at most columns_max), and
 * puts the rest into @map and @types. */
void block_attributes_divide(BlockAttributes *attributes, const BlockGroupEnd *end,
                             ColumnData **columns, size_t *n_columns, ColumnData *map,
                             ColumnData *types);

/* Forgets the rows of the group, not what was decided and counted. */
void block_attributes_next(BlockAttributes *attributes);

/* Appends the level's part of the `attributes` section and returns how many keys that is. */
size_t block_attributes_append(const BlockAttributes *attributes, Buf *section);

/* --- When a group is divided, for the sections --- */

/* A key: its column (NULL: none; of texts, also when the file has their bytes), the rows that have
 * it, and its entries in the map, so far; of these, entries of this group. */
typedef struct BlockKeyPlace {
    Str key;
    const ColumnData *column;
    uint64_t n_rows, n_map_rows, n_group_map_rows;
} BlockKeyPlace;

size_t block_attributes_n_keys(const BlockAttributes *attributes);
BlockKeyPlace block_attributes_key(const BlockAttributes *attributes, size_t number);

/* Calls @visit for each entry of the group's map with the number of its key and its text. */
void block_attributes_each_entry(const BlockAttributes *attributes,
                                 void (*visit)(void *context, size_t number, Str text),
                                 void *context);
