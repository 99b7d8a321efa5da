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

/* The cells of from <= minute < to as bytes, and back. unpack adds them; it returns 0, or 1 when
 * the bytes are no cells of that time (a part may have been added). */
void cells_pack(const Cells *cells, uint32_t from_minute, uint32_t to_minute, Buf *buf);
MUST_USE int cells_unpack(Cells *cells, uint32_t from_minute, uint32_t to_minute, Str bytes);

/* Takes the next cell off @in, for its minute alone; @minute is that of the one before, first the
 * from_minute of the pack. Returns 0; 1 when the bytes are no cells. */
MUST_USE int cells_skip(Str *in, uint32_t *minute);

/* Adds the cells of from <= minute < to to @sum. */
void cells_total(const Cells *cells, uint32_t from_minute, uint32_t to_minute, CellValue *sum);

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

/*
 * Example traces of a series over a few minutes: a small set with weights, so that what was added
 * and taken back before it was merged leaves nothing. Which ones stay is a function of the set, by
 * the greatest start (duration), then the smallest trace id; only taking back one that others had
 * already been dropped for shows the order of events.
 */
typedef struct Exemplar {
    TraceId trace_id;
    uint64_t start_ns, duration_ns;
    int32_t weight; /* below 0: taken back, was added in an earlier table */
    bool error;
} Exemplar;

typedef struct Exemplars {
    Exemplar *items;
    uint32_t n_items, capacity;
} Exemplars;

enum { EXEMPLARS_TAKEN_MAX = 8, EXEMPLARS_MAX = 3 * MAP_EXEMPLARS + EXEMPLARS_TAKEN_MAX + 8 };

void exemplars_deinit(Exemplars *exemplars);
void exemplars_add(Exemplars *exemplars, const Exemplar *exemplar);

/* Forgets those taken back, after all that can cancel them were added, and gives spare memory back.
 */
void exemplars_drop_taken(Exemplars *exemplars);

typedef enum ExemplarChoice { EXEMPLAR_LATEST, EXEMPLAR_ERROR, EXEMPLAR_SLOWEST } ExemplarChoice;

/* The best of @choice, best first, MAP_EXEMPLARS at most, as positions in @exemplars. */
size_t exemplars_choose(const Exemplars *exemplars, ExemplarChoice choice,
                        uint32_t ret_positions[MAP_EXEMPLARS]);
