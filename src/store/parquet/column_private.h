// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/parquet/column.h"

/* What column.c collects and encode.c writes. Nobody else includes this. */

/* Recently put strings by address. 64 entries of 16 bytes: a column's working set stays in L1/L2.
 */
enum { COLUMN_CACHE = 64 };

typedef struct ColumnCacheEntry {
    const char *ptr;
    uint32_t len, code;
} ColumnCacheEntry;

struct ColumnData {
    ParquetColumn description;
    Str name;        /* owned */
    size_t next_row; /* behind the last row that was put */
    size_t n_values;
    size_t capacity;   /* of ints, codes or lengths */
    uint64_t *present; /* optional: a bit per row */
    size_t present_words;

    int64_t *ints; /* integers, booleans; doubles by their bits */

    bool is_plain; /* bytes: values instead of codes */
    Symbols dictionary;
    uint32_t *codes;
    Buf bytes;
    uint32_t *lengths;
    uint64_t total_bytes; /* of all values */
    ColumnCacheEntry *cache;

    uint32_t *entry_rows; /* MAP: the row of each entry */
    size_t entry_capacity;
    ColumnData *keys, *values;
};

/* Whether the bytes column is better written with a dictionary. */
bool column_dictionary_pays(const ColumnData *column);

/* What the encoder needs beside the columns, kept over all of them. */
typedef struct Encoder {
    void *zstd;       /* ZSTD_CCtx */
    Buf page, packed; /* scratch */
    Buf *file;
    size_t start;  /* what was in @file before this call */
    uint64_t base; /* bytes of the file before it */
    Arena *arena;  /* for page lists and statistics, until the footer is written */
    Arena leaf;    /* scratch: of the leaf at hand */
} Encoder;

static inline uint64_t encoder_offset(const Encoder *encoder)
{
    return encoder->base + (encoder->file->len - encoder->start);
}

/* One leaf of the schema as written: a flat column, or keys or values of a MAP. */
typedef struct EncodedLeaf {
    MetaChunk chunk;
    MetaLocation *pages;
    MetaStatistics *page_statistics; /* NULL: none */
    size_t n_pages, pages_max;
} EncodedLeaf;

/* The physical type of a flat column. */
int32_t encode_physical_type(const ColumnData *column);

/* Writes all pages of a flat column, or of a MAP's keys or values (@map is then the MAP). */
void encode_leaf(Encoder *encoder, const ColumnData *column, const ColumnData *map, size_t n_rows,
                 EncodedLeaf *ret_leaf);
