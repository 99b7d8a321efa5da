// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "os/fs.h"

/*
 * What takes how much space in a data directory, by the usual readers. Reads only, takes no lock,
 * safe beside a running server.
 */
typedef struct StatPart {
    Str name; /* of a column or a private section */
    uint64_t bytes;
    uint64_t n_blocks; /* that have it */
} StatPart;

typedef struct StatKey {
    Str name;             /* span.KEY, resource.KEY, scope.KEY */
    uint64_t n_rows;      /* that have it */
    uint64_t n_map_rows;  /* of them in the map */
    uint64_t most_values; /* distinct ones of its column in the block that has most; 0: unknown */
} StatKey;

typedef struct StoreStat {
    Arena arena; /* of all below */
    uint64_t n_blocks, block_bytes, n_spans, n_traces;
    uint64_t n_tables, table_bytes;
    uint64_t n_segments, log_bytes;
    uint64_t n_unreadable; /* damaged blocks, which are in block_bytes only */
    StatPart *columns;     /* the largest first */
    size_t n_columns;
    StatPart *sections;
    size_t n_sections;
    StatKey *keys; /* the most frequent first */
    size_t n_keys;
} StoreStat;

/* Returns 0, 1 when MANIFEST is damaged, or -errno. */
MUST_USE int stat_directory(FileSystem *fs, StoreStat *ret_stat, ParseError *ret_error);
void stat_deinit(StoreStat *stat);
