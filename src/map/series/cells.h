// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/sketch.h"
#include "map/map.h"

/*
 * The sums of one series (one edge by one rule, one entry point, one label …), minute by minute,
 * packed: 8 bytes of index and some 10 to 100 bytes of sums and sketches a minute. Not thread-safe
 * by itself; many may read while nobody adds.
 */
typedef struct CellValue {
    int64_t count, errors; /* negative in a difference that is still to be added */
    Adjusted adjusted;
    Sketch duration, server_duration;
} CellValue;

void cell_value_deinit(CellValue *value);
void cell_value_add(CellValue *to, const CellValue *from);
bool cell_value_is_zero(const CellValue *value);

typedef struct CellIndex {
    uint32_t minute;
    uint32_t end; /* of its bytes; they begin where the cell before ends */
} CellIndex;

typedef struct Cells {
    CellIndex *index; /* by minute */
    uint32_t n_cells, capacity;
    uint8_t *bytes;
    uint32_t bytes_capacity;
} Cells;

enum { CELLS_BYTES_MAX = 1 << 30 }; /* of one series */

void cells_deinit(Cells *cells);

/* Adds @value to @minute; a sum that becomes zero disappears. Returns how the number of cells
 * changed: -1, 0, 1. */
int cells_add(Cells *cells, uint32_t minute, const CellValue *value);

/* Forgets the cells of from <= minute < to. */
void cells_remove_range(Cells *cells, uint32_t from_minute, uint32_t to_minute);

/* The cells of from <= minute < to as bytes, and back. unpack adds them, fastest where there are
 * none; it returns 0, or 1 when the bytes are no cells of that time (none was added). */
void cells_pack(const Cells *cells, uint32_t from_minute, uint32_t to_minute, Buf *buf);
MUST_USE int cells_unpack(Cells *cells, uint32_t from_minute, uint32_t to_minute, Str bytes);

/* Takes the next cell off @in, for its minute alone; @minute is that of the one before, first the
 * from_minute of the pack. Returns 0; 1 when the bytes are no cells. */
MUST_USE int cells_skip(Str *in, uint32_t *minute);

/* Adds the cells of from <= minute < to to @sum. */
void cells_total(const Cells *cells, uint32_t from_minute, uint32_t to_minute, CellValue *sum);

/* Adds the counts alone of from <= minute < to to the same minutes of @counts. */
void cells_count(const Cells *cells, uint32_t from_minute, uint32_t to_minute, Cells *counts);

/* Position of the first cell at or after @minute; n_cells when there is none. */
uint32_t cells_position(const Cells *cells, uint32_t minute);

/* The first minute at or after @minute that has a cell; UINT32_MAX when there is none. */
uint32_t cells_next(const Cells *cells, uint32_t minute);

/* Whether a cell lies in from <= minute < to. */
bool cells_touch(const Cells *cells, uint32_t from_minute, uint32_t to_minute);

static inline uint32_t cells_first_minute(const Cells *cells)
{
    return cells->index[0].minute;
}

static inline uint32_t cells_last_minute(const Cells *cells)
{
    return cells->index[cells->n_cells - 1].minute;
}

static inline size_t cells_memory(const Cells *cells)
{
    return cells->capacity * sizeof(CellIndex) + cells->bytes_capacity;
}

/* A sum over cells; the sketches are added where there is a SketchSum for them. */
typedef struct CellSum {
    int64_t count, errors;
    Adjusted adjusted;
    SketchSum *duration, *server_duration; /* NULL: not wanted */
} CellSum;

/* Adds the cells of from <= minute < to. */
void cells_sum(const Cells *cells, uint32_t from_minute, uint32_t to_minute, CellSum *sum);
