// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/check/check.h"
#include "store/check/cursor.h"

/* A Parquet file, every page of which was decompressed, checked and decoded. */
typedef struct ParquetWalk {
    const CheckFile *file;
    Arena arena;
    const Node *footer;
    uint64_t footer_offset, n_rows;
    Buf trace_ids; /* the values of a required FIXED[16] column trace_id */
} ParquetWalk;

/* Returns whether the footer could be read; problems are told. */
bool parquet_walk(const CheckFile *file, ParquetWalk *ret_walk);
void parquet_walk_deinit(ParquetWalk *walk);

/* The value of a footer key; its pointer is NULL when there is none. */
Str parquet_walk_key(const ParquetWalk *walk, const char *key);
