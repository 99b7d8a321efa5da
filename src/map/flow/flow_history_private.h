// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/answer/consult.h"
#include "map/flow/flow_history.h"

/* Internal to flow_history*.c. */

typedef struct Point {
    uint64_t runs, failures;
} Point;

typedef struct Telling {
    const MapFlowHistoryQuestion *question;
    const MapTables *tables;
    Arena *arena;
    uint32_t step;    /* minutes of a point */
    uint32_t start;   /* minute of the first leading point */
    uint32_t lead;    /* leading points */
    size_t n_all;     /* points, those included */
    Point *flow;      /* runs, by point */
    uint64_t *having; /* runs that have the element at hand */
    size_t changes_capacity;
    MapFlowHistory history;
} Telling;

/* The first minute of a point; of the one behind the last, too. */
static inline uint32_t history_minute(const Telling *telling, size_t point)
{
    return telling->start + (uint32_t)point * telling->step;
}

bool history_is_wanted(const MapFlowQuestion *question, const NodeKey *key);

/* Adds the runs of the cells to @having, point by point; @adjusted: they stand there (run.c). */
void history_count(const Telling *telling, const Cells *cells, bool adjusted);

/* The intervals of the element whose runs are counted in @having; *@ret_n. In the arena. */
MapFlowInterval *history_intervals(Telling *telling, size_t *ret_n);

/* Elements and variants are told: what came and went, deploys, versions. */
void history_tell_changes(Telling *telling);

void history_tell_variants(Telling *telling);
