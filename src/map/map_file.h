// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/tables.h"

/*
 * Rows of the map as one Parquet file; docs/format/map-table.md has the columns. Files hold sums,
 * so any number of them adds up, in any order, to the same map. No state; thread-safe.
 */
enum { MAP_FILE_ROWS_MAX = 1 << 24 };

/* Appends a file of @rows, sorted by key and minute, each key and minute once, zero sums left out.
 * Returns 0; -EFBIG when there are more than MAP_FILE_ROWS_MAX. */
MUST_USE int map_file_write(const MapRows *rows, Buf *ret_file);

/* How many rows @file says that it has: at most MAP_FILE_ROWS_MAX. 0; 1 with @ret_error. */
MUST_USE int map_file_rows(Str file, size_t *ret_n, ParseError *ret_error);

/* Appends the rows of @file; @minutes: with theirs. Their Strs live as long as @arena. Returns 0; 1
 * when the file is damaged or of a newer format: @ret_error says where and what; rows before it may
 * have been added. An offset equal to the length of the file means that a value, not the format, is
 * wrong. */
MUST_USE int map_file_read(Str file, bool minutes, Arena *arena, MapRows *rows,
                           ParseError *ret_error);

/* As map_file_read, but shows the rows one by one; a row and its Strs live during the call.
 * @minutes: whether their `minutes` are wanted. Stops when @visit returns non-zero and returns that
 * (1 with
 * @ret_error: the row is none that can be). */
typedef struct MapRowVisitor {
    int (*visit)(void *context, const MapRow *row);
    void *context;
    bool minutes;
} MapRowVisitor;

MUST_USE int map_file_visit(Str file, const MapRowVisitor *visitor, ParseError *ret_error);

/* As map_file_read, but adds the rows of a file without `minutes` and `presence` to @tables. */
MUST_USE int map_file_load(Str file, MapTables *tables, ParseError *ret_error);
