// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/engine/compact.h"

/*
 * From rows to block files: what the writer does with a cut of the head and the compactor with
 * generations that it fills from other blocks. Each uses its own output, on its own thread.
 */

/* write.c: a file under a new number, while it is written. */
typedef struct NewFile {
    File *file; /* NULL: none */
    bool is_block;
    uint64_t number;
    char path[MANIFEST_PATH_MAX];
} NewFile;

MUST_USE int writer_create_file(Store *store, bool is_block, NewFile *ret_file);

/* Closes the file, if there is one; it is durable then, or removed when @result or closing it
 * failed. Returns @result, or -errno. */
int writer_close_file(Store *store, NewFile *file, int result);

/* A trace's rows in one generation. */
typedef struct TracePiece {
    TraceId id;
    const Generation *generation;
    uint32_t first_row;
} TracePiece;

typedef struct BlockOutput {
    Store *store;
    Cut *cut;            /* which rows, and where the blocks go */
    const Shelf *known;  /* blocks whose rows are left out (resends); NULL: none */
    uint64_t block_rows; /* a block is finished from so many on; 0: by output_finish_block() only */
    uint64_t n_expected; /* rows of a block of several row groups, about */
    BlockBuilder *builder;
    NewFile file;      /* of the block at hand, once a part of it is written */
    uint64_t n_bytes;  /* of it */
    Buf *content, own; /* what is to be written next */
    TracePiece *pieces;
    size_t n_pieces, capacity;
    Arena arena; /* of one trace */
    Span *spans; /* of one trace */
    size_t n_spans, span_capacity;
} BlockOutput;

void output_init(BlockOutput *output, Store *store, Cut *cut, const Shelf *known);

/* Frees what the output holds; the file of a block that is not finished goes. */
void output_deinit(BlockOutput *output);

/* Adds the rows of the generation that have the cut's number. It must live until the row group or
 * the block is ended. Returns 0, or -errno. */
MUST_USE int output_add_generation(BlockOutput *output, Generation *generation);

/* Writes what was added as a row group; as the last part of a block, which is then in the cut. */
MUST_USE int output_end_group(BlockOutput *output);
MUST_USE int output_finish_block(BlockOutput *output);

/* Builds blocks of the cut's generations; they are in the cut, also after an error. Returns 0 or
 * -errno. */
MUST_USE int build_head_blocks(Store *store, Cut *cut, const Shelf *known);
