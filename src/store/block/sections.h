// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "span/span.h"
#include "store/parquet.h"

/* The private sections of a block (docs/format/block.md) as bytes and back. */

/* Where a trace begins. */
typedef struct BlockTraceRow {
    uint64_t hash; /* block_trace_hash() */
    uint32_t row;
} BlockTraceRow;

/* Sorts @rows. */
void block_traces_append(Buf *buf, BlockTraceRow *rows, size_t n_rows);
void block_bloom_append(Buf *buf, const BlockTraceRow *rows, size_t n_rows);

/* The part of the `traces` section that a reader keeps. */
typedef struct BlockTraces {
    uint64_t entries_offset; /* in the file */
    unsigned bits;           /* log2 of the number of buckets */
    uint32_t *buckets;       /* pairs: entries before, CRC-32; one more than buckets. Owned */
    uint32_t n_entries;
} BlockTraces;

/* Both return 0, 1 with the error, or -errno. */
MUST_USE int block_traces_load(ParquetFile *file, BlockTraces *ret_traces, ParseError *ret_error);

/* The first rows of traces whose hash looks like @hash, at most @max, into @ret_rows. */
MUST_USE int block_traces_find(ParquetFile *file, const BlockTraces *traces, uint64_t hash,
                               Arena *arena, uint32_t **ret_rows, size_t *ret_n,
                               ParseError *ret_error);
void block_traces_deinit(BlockTraces *traces);

/* Distinct (service, name, kind) with their counts. `{0}` is empty. */
enum { BLOCK_RECENT = 256 };
typedef struct BlockOperations {
    Symbols texts; /* services and names */
    Table table;
    /* Recently counted, by address: most spans hit. */
    struct {
        const void *resource, *name;
        size_t name_length;
        uint32_t kind;
        uint32_t record; /* 1 + index */
    } recent[BLOCK_RECENT];
} BlockOperations;

/* Counts a span; resource and name must stay where they are until block_operations_forget(). */
void block_operations_add(BlockOperations *operations, const Span *span);
void block_operations_forget(BlockOperations *operations);
void block_operations_append(const BlockOperations *operations, Buf *buf);
void block_operations_deinit(BlockOperations *operations);
