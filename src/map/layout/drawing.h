// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "map/map.h"

/*
 * The layout while it is made; only for the sources of this folder. Each function does one step of
 * layout.c's list on what the steps before it left. Everything lives in the arena.
 */
enum { DRAWING_NOWHERE = UINT32_MAX };

typedef struct Block {
    uint32_t node;
    uint32_t n_tables, n_base_tables;
    double width, height;
    double full_height; /* with the tables that came later; height: without, until they grow */
    double y;
    uint32_t layer;
    uint32_t place; /* in the order against cycles */
    uint32_t component;
    uint32_t lanes_from,
        first_lane; /* layer of its first lane, slot of it; DRAWING_NOWHERE: none */
    bool isolated, calls, called;
} Block;

typedef struct Arc {
    uint32_t from, to; /* blocks, after turning */
    uint32_t row;      /* 1 … n_tables: the table that the edge ends at; 0: the block */
    bool turned;
} Arc;

typedef struct Slot {
    uint32_t block; /* DRAWING_NOWHERE: a lane */
    uint32_t layer, at;
    double height, center, wanted, weight;
    double key; /* of the sort */
    bool queue;
} Slot;

typedef struct Line {
    uint32_t from, to;   /* slots of neighbouring layers */
    double port, weight; /* y at @to against its center */
    double fraction;     /* of @to's place in the order, 0 to 1 */
} Line;

typedef struct Layout {
    MapAnswer *answer;
    Arena arena;
    uint32_t base_minute;      /* what was first seen later came later */
    uint32_t *block_of;        /* by node */
    uint32_t *row_of;          /* by node: a table's row, from 1 */
    Block *blocks;             /* the base first, then what came later, in that order */
    uint32_t n_blocks, n_base; /* while the base is drawn, n_blocks is n_base */
    Arc *arcs;                 /* of the base, sorted by (from, to, row) */
    size_t n_arcs;
    Slot *slots;
    uint32_t n_slots;
    Line *lines; /* sorted by layer of from */
    size_t n_lines;
    uint32_t *order; /* slots by layer, then place */
    uint32_t *layer_start;
    size_t *line_start; /* by layer of from */
    uint32_t n_layers;
    uint32_t n_columns;   /* with what came later ... */
    uint32_t first_layer; /* ... and where the base's first layer stands among them */
} Layout;

/* Orders arcs by (from, to, row); for qsort. */
int drawing_compare_arcs(const void *a, const void *b);

/* layers.c: 3 and 4. */
void drawing_turn_cycles(Layout *layout);
void drawing_make_layers(Layout *layout);

/* order.c: 5 and 6. */
void drawing_make_slots(Layout *layout);
void drawing_order_layers(Layout *layout);

/* place.c: 7. */
void drawing_place_slots(Layout *layout);

/* late.c: 8. The moment up to which the picture is drawn as a whole, from when each of @n was first
 * seen. */
uint32_t drawing_base_minute(const uint32_t *minutes, size_t n, Arena *arena);
void drawing_grow(Layout *layout);
void drawing_place_late(Layout *layout, const Arc *arcs, size_t n_arcs);

/* Measures that more than one step needs, in pixels at 100 %. */
enum {
    DATABASE_HEADER = 48,
    TABLE_HEIGHT = 27,
    LANE_HEIGHT = 6,
    GAP_NODES = 36,
};
