// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/assert.h"
#include "store/parquet/decode.h"

/* An open file, shared by reader.c (footer, schema, sections) and read.c (columns). It never
 * changes once it is open. */

/* A column of the file: a flat leaf, or a MAP of two. */
typedef struct FileColumn {
    ParquetColumn description;
    ParquetLeaf leaf; /* flat; of a MAP: the keys */
    ParquetLeaf values;
} FileColumn;

struct ParquetFile {
    ParquetSource source;
    uint64_t size;
    Arena arena;
    MetaFile meta;
    FileColumn *columns;
    size_t n_columns;
    size_t n_rows;
    size_t *group_rows;  /* the first row of each row group; then n_rows */
    ParquetCache *cache; /* of pinned files */
};

static inline const MetaChunk *chunk_of(const ParquetFile *file, size_t column, size_t group)
{
    ASSERT(column < file->n_columns && group < file->meta.n_groups);
    return &file->meta.groups[group].chunks[file->columns[column].leaf.chunk];
}
