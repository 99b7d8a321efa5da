// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/block.h"
#include "store/block/columns.h"
#include "store/block/sections.h"

/* What the parts of the block reader share; behind block.h. A Block never changes once open. */

/* An attribute with a column of its own. service.name of resources is one of them. */
typedef struct BlockAttributeColumn {
    BlockLevel level;
    Str key;
    size_t column;
} BlockAttributeColumn;

struct Block {
    FileSystem *fs;
    File *file;
    ParquetFile *parquet;
    BlockSummary summary;
    size_t fixed[BLOCK_N_COLUMNS]; /* column numbers; SIZE_MAX: not in this file */
    BlockAttributeColumn *attributes;
    size_t n_attributes;
    Buf bloom;
    BlockTraces traces;
};

/* Logs the damage, which a caller of block.h only learns of as 1. Returns @result. */
int block_report(const Block *block, int result, const ParseError *error);

/* One of the key's row in the `attributes` section. */
typedef struct BlockKeyCounts {
    BlockLevel level;
    Str key;
    uint64_t n_rows, n_map_rows;
} BlockKeyCounts;

/* Calls @visit for each row of the section. The key lives during the call. */
MUST_USE int block_key_counts(Block *block,
                              int (*visit)(void *context, const BlockKeyCounts *counts),
                              void *context, ParseError *ret_error);

/* Reads a fixed column; one that the file does not have is a vector of nulls. */
MUST_USE int block_read_fixed(Block *block, BlockColumn column, size_t from, size_t to,
                              Arena *arena, ParquetVector *ret_vector, ParseError *ret_error);

/* The column of an attribute, or NULL. */
const BlockAttributeColumn *block_find_attribute(const Block *block, BlockLevel level, Str key);

/* Whether the column holds texts as bytes (binary.h). */
bool block_is_binary(const Block *block, const BlockAttributeColumn *attribute);

/* Reads the column of an attribute; what is stored as bytes comes as the text that it was. */
MUST_USE int block_read_attribute(Block *block, const BlockAttributeColumn *attribute, size_t from,
                                  size_t to, Arena *arena, ParquetVector *ret_vector,
                                  ParseError *ret_error);

/* The value of a row of an attribute's column; the row is not null. */
Value block_vector_value(const ParquetVector *vector, size_t row);

/* --- Rows into spans (rows.c) --- */

/* The attribute maps of one level, of some rows. */
typedef struct BlockMap {
    ParquetVector entries, types;
} BlockMap;

/* The columns of a level's map and of its types. */
BlockColumn block_map_column(BlockLevel level);
BlockColumn block_map_type_column(BlockLevel level);

MUST_USE int block_map_read(Block *block, BlockLevel level, size_t from, size_t to, Arena *arena,
                            BlockMap *ret_map, ParseError *ret_error);

/* Walks the entries of one row. */
typedef struct BlockMapWalk {
    const BlockMap *map;
    size_t at, end;
    bool has_types;
    Str types;
} BlockMapWalk;

BlockMapWalk block_map_walk(const BlockMap *map, size_t row);

/* Returns 1 with the next attribute (values in @arena), 0 at the end, -1 when the types are
 * damaged. */
MUST_USE int block_map_next(BlockMapWalk *walk, Arena *arena, Attribute *ret_attribute);

enum { BLOCK_SHARED = 16 };

typedef struct BlockRows {
    Block *block;
    bool is_outline; /* as of BlockTraceQuestion */
    size_t from, to;
    ParquetVector fixed[BLOCK_N_COLUMNS];
    ParquetVector *attributes; /* as block->attributes */
    BlockMap maps[BLOCK_N_LEVELS];
    Arena *arena;
    /* Resources and scopes of recent rows, so that equal ones are one object. */
    size_t resource_rows[BLOCK_SHARED], scope_rows[BLOCK_SHARED];
    const Resource *resources[BLOCK_SHARED];
    const Scope *scopes[BLOCK_SHARED];
    size_t n_resources, n_scopes;
} BlockRows;

/* Reads all columns of rows [from, to) into @arena; of an outline (@rows->is_outline, set before)
 * those that it has. */
MUST_USE int block_rows_load(Block *block, size_t from, size_t to, Arena *arena, BlockRows *rows,
                             ParseError *ret_error);

/* The span of a row of the block: arrays in @arena, strings, resource and scope in the rows'. */
MUST_USE int block_rows_span(BlockRows *rows, size_t row, Arena *arena, Span *ret_span,
                             ParseError *ret_error);
