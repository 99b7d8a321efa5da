// SPDX-License-Identifier: Apache-2.0
#include "map/layout/layout.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "map/layout/drawing.h"

/*
 * The classical layered drawing (Sugiyama), each step with a fixed amount of work:
 *
 *   1. blocks: nodes but the tables, which are rows of their database; a queue's text is part of it
 *   2. arcs: edges between blocks, as drawn (a consumes runs from queue to service)
 *   3. cycles: the order of Eades, Lin and Smyth; arcs against it count as turned
 *   4. layers: longest path; a source stands next to what it calls first; databases and externals
 *      that call nothing stand at the right end of their component
 *   5. slots: blocks and lanes. A lane is where edges cross a layer that they skip; edges with the
 *      same target share it, so there are at most targets x layers of them
 *   6. order within layers: barycentres, to and fro, the best seen stays
 *   7. y: each layer in turn is put as near as possible (least squares under the order and the
 *      distances, solved exactly by pooling) to where its neighbours are
 *   8. what came later (late.c) is put where there is room, without moving anything
 *   9. x: one width per layer, a gap that grows with the number of lines in it
 *  10. what has no edge stands in rows below
 *
 * Ties fall to the order of names, then ids: the same set of nodes and edges has the same picture.
 */
enum {
    NODE_HEIGHT = 44,
    STEP_HEIGHT = 60,
    STEP_WIDTH = 116,
    QUEUE_HEIGHT = 22,
    QUEUE_TEXT = 22, /* above and below the pipe */
    DATABASE_HEIGHT = 60,
    DATABASE_FOOTER = 8,
    WIDTH_MIN = 88,
    WIDTH_MAX = 164,
    TEXT_INSET = 12,
    GAP_LAYER_MIN = 40,
    GAP_LAYER_MAX = 136,
    GAP_LAYER_LINE = 12,
    GAP_ISOLATED = 64,
    COLUMNS_ISOLATED_MAX = 8,
};

#define CHARACTER_WIDTH 7.2
#define SMALL_CHARACTER_WIDTH 6.0

/* --- 1. Blocks --- */

static Str display_name(const MapNode *node)
{
    const NodeKey *key = &node->key;

    if (key->type == NODE_TABLE || key->type == NODE_STEP) {
        return key->part;
    }
    if (key->type == NODE_DATABASE) {
        return key->namespace.len > 0 ? key->namespace : key->system;
    }
    return key->name;
}

static double text_width(Str text, double character)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        n += ((uint8_t)text.ptr[i] & 0xc0) != 0x80; /* not a following byte of UTF-8 */
    }
    return (double)n * character;
}

static double node_width(const MapNode *node)
{
    double width = text_width(display_name(node), CHARACTER_WIDTH) + 2 * TEXT_INSET;
    NodeType type = node->key.type;

    if (type == NODE_QUEUE || type == NODE_DATABASE) {
        width += text_width(node->key.system, SMALL_CHARACTER_WIDTH) + TEXT_INSET;
    }
    if (type == NODE_TABLE) {
        width += 64; /* its number and marks */
    }
    if (type == NODE_STEP) {
        width = MAX(width, (double)STEP_WIDTH);
    }
    return ceil(MAX(MIN(width, (double)WIDTH_MAX), (double)WIDTH_MIN));
}

static int compare_nodes(const void *a, const void *b, void *context)
{
    const MapNode *nodes = context;
    const MapNode *left = &nodes[*(const uint32_t *)a], *right = &nodes[*(const uint32_t *)b];
    int order = str_compare(display_name(left), display_name(right));

    return order != 0 ? order : str_compare(left->id, right->id);
}

typedef struct Arrival {
    uint32_t minute; /* 0: of the base */
    uint32_t place;  /* by name */
    uint32_t node;
} Arrival;

static int compare_arrivals(const void *a, const void *b)
{
    const Arrival *left = a, *right = b;

    if (left->minute != right->minute) {
        return left->minute < right->minute ? -1 : 1;
    }
    return left->place < right->place ? -1 : left->place > right->place;
}

/* Nodes are sorted by id. */
static uint32_t find_node(const MapAnswer *answer, Str id)
{
    size_t from = 0, to = answer->n_nodes;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (str_compare(answer->nodes[middle].id, id) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < answer->n_nodes && str_equal(answer->nodes[from].id, id) ? (uint32_t)from
                                                                           : DRAWING_NOWHERE;
}

static uint32_t node_of_block(const Layout *layout, uint32_t node)
{
    const MapNode *at = &layout->answer->nodes[node];
    uint32_t parent = DRAWING_NOWHERE;

    if (at->key.type == NODE_TABLE) {
        parent = find_node(layout->answer, at->parent);
    }
    return parent == DRAWING_NOWHERE ? node : parent;
}

static double block_height(const Layout *layout, const Block *block, uint32_t n_tables)
{
    switch (layout->answer->nodes[block->node].key.type) {
    case NODE_QUEUE:
        return QUEUE_HEIGHT + 2 * QUEUE_TEXT;
    case NODE_STEP:
        return STEP_HEIGHT;
    case NODE_DATABASE:
        return n_tables == 0 ? DATABASE_HEIGHT
                             : DATABASE_HEADER + DATABASE_FOOTER + TABLE_HEIGHT * (double)n_tables;
    default:
        return NODE_HEIGHT;
    }
}

/* When the picture was last drawn as a whole. */
static uint32_t base_minute(Layout *layout)
{
    const MapAnswer *answer = layout->answer;
    uint32_t *minutes = ARENA_ARRAY(&layout->arena, uint32_t, answer->n_nodes + 1);
    size_t n = 0;

    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        if (node_of_block(layout, i) == i) {
            minutes[n++] = answer->nodes[i].first_minute;
        }
    }
    return drawing_base_minute(minutes, n, &layout->arena);
}

/* The base by name, then what came later by time, then name. */
static uint32_t *order_nodes(Layout *layout)
{
    const MapAnswer *answer = layout->answer;
    uint32_t n = (uint32_t)answer->n_nodes;
    uint32_t *order = ARENA_ARRAY(&layout->arena, uint32_t, n + 1);
    Arrival *arrivals = ARENA_ARRAY(&layout->arena, Arrival, n + 1);

    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    qsort_r(order, n, sizeof(order[0]), compare_nodes, answer->nodes);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t minute = answer->nodes[order[i]].first_minute;

        arrivals[i] = (Arrival){minute > layout->base_minute ? minute : 0, i, order[i]};
    }
    qsort(arrivals, n, sizeof(Arrival), compare_arrivals);
    for (uint32_t i = 0; i < n; i++) {
        order[i] = arrivals[i].node;
    }
    return order;
}

static void make_blocks(Layout *layout)
{
    const MapAnswer *answer = layout->answer;
    uint32_t n = (uint32_t)answer->n_nodes;

    layout->base_minute = base_minute(layout);
    layout->block_of = ARENA_ARRAY(&layout->arena, uint32_t, n);
    layout->row_of = ARENA_ARRAY(&layout->arena, uint32_t, n);
    layout->blocks = ARENA_ARRAY(&layout->arena, Block, n);
    const uint32_t *order = order_nodes(layout);
    for (uint32_t i = 0; i < n; i++) {
        const MapNode *node = &answer->nodes[order[i]];

        if (node_of_block(layout, order[i]) == order[i]) {
            layout->block_of[order[i]] = layout->n_blocks;
            layout->n_base += node->first_minute <= layout->base_minute;
            layout->blocks[layout->n_blocks++] =
                (Block){.node = order[i], .first_lane = DRAWING_NOWHERE};
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t owner = node_of_block(layout, order[i]);
        Block *block = &layout->blocks[layout->block_of[owner]];

        block->width = MAX(block->width, node_width(&answer->nodes[order[i]]));
        if (owner != order[i]) {
            layout->block_of[order[i]] = layout->block_of[owner];
            layout->row_of[order[i]] = ++block->n_tables;
            block->n_base_tables += answer->nodes[order[i]].first_minute <= layout->base_minute;
        }
    }
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        Block *block = &layout->blocks[i];

        block->full_height = block_height(layout, block, block->n_tables);
        block->height = i < layout->n_base ? block_height(layout, block, block->n_base_tables)
                                           : block->full_height;
    }
}

/* --- 2. Arcs --- */

int drawing_compare_arcs(const void *a, const void *b)
{
    const Arc *left = a, *right = b;

    if (left->from != right->from) {
        return left->from < right->from ? -1 : 1;
    }
    if (left->to != right->to) {
        return left->to < right->to ? -1 : 1;
    }
    return left->row < right->row ? -1 : left->row > right->row;
}

static size_t drop_equal_arcs(Arc *arcs, size_t n)
{
    size_t kept = 0;

    qsort(arcs, n, sizeof(Arc), drawing_compare_arcs);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || drawing_compare_arcs(&arcs[kept - 1], &arcs[i]) != 0) {
            arcs[kept++] = arcs[i];
        }
    }
    return kept;
}

/* The arcs of the base; and all, for what came later. */
static Arc *make_arcs(Layout *layout, size_t *ret_n_all)
{
    const MapAnswer *answer = layout->answer;
    Arc *all = ARENA_ARRAY(&layout->arena, Arc, answer->n_edges + 1);
    size_t n = 0;

    layout->arcs = ARENA_ARRAY(&layout->arena, Arc, answer->n_edges + 1);
    for (size_t i = 0; i < answer->n_edges; i++) {
        const MapEdge *edge = &answer->edges[i];
        bool consumes = edge->relation == RELATION_CONSUMES;
        size_t source = consumes ? edge->target : edge->source;
        size_t target = consumes ? edge->source : edge->target;
        Arc arc = {.from = layout->block_of[source],
                   .to = layout->block_of[target],
                   .row = layout->row_of[target]};
        bool is_base = edge->first_minute <= layout->base_minute && arc.from < layout->n_base &&
                       arc.to < layout->n_base && arc.row <= layout->blocks[arc.to].n_base_tables;

        if (arc.from == arc.to) {
            continue;
        }
        if (is_base) {
            layout->arcs[layout->n_arcs++] = arc;
        }
        all[n++] = arc;
    }
    layout->n_arcs = drop_equal_arcs(layout->arcs, layout->n_arcs);
    *ret_n_all = drop_equal_arcs(all, n);
    return all;
}

/* --- 10. Without edges --- */

static void place_isolated(Layout *layout)
{
    double top = 0, bottom = 0, row_height = 0;
    uint32_t n = 0, columns = 0, at = 0;

    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        const Block *block = &layout->blocks[i];

        n += block->isolated;
        if (!block->isolated) {
            bottom = MAX(bottom, block->y + block->height);
        }
    }
    while (columns * columns < n && columns < COLUMNS_ISOLATED_MAX) {
        columns++;
    }
    columns = MAX(columns, layout->n_columns);
    top = layout->n_columns > 0 ? bottom + GAP_ISOLATED : 0;
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        Block *block = &layout->blocks[i];

        if (!block->isolated) {
            continue;
        }
        if (at > 0 && at % columns == 0) {
            top += row_height + GAP_NODES;
            row_height = 0;
        }
        block->layer = at++ % columns;
        block->y = top;
        row_height = MAX(row_height, block->height);
    }
}

/* --- 9. x, and the answer --- */

static double *place_columns(Layout *layout, uint32_t *ret_n, double **ret_widths)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        n = MAX(n, layout->blocks[i].layer + 1);
    }
    double *lefts = ARENA_ARRAY(&layout->arena, double, n + 1);
    double *widths = ARENA_ARRAY(&layout->arena, double, n + 1);
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        const Block *block = &layout->blocks[i];

        widths[block->layer] = MAX(widths[block->layer], block->width);
    }
    for (uint32_t layer = 0; layer < n; layer++) {
        uint32_t base = layer - layout->first_layer; /* wraps for what stands left of it */
        size_t lines =
            base < layout->n_layers ? layout->line_start[base + 1] - layout->line_start[base] : 0;
        double gap = GAP_LAYER_MIN + GAP_LAYER_LINE * (double)(lines > 0 ? lines - 1 : 0);

        widths[layer] = MAX(widths[layer], (double)WIDTH_MIN);
        lefts[layer + 1] = lefts[layer] + widths[layer] + MIN(gap, (double)GAP_LAYER_MAX);
    }
    *ret_n = n;
    *ret_widths = widths;
    return lefts;
}

static void fill_answer(Layout *layout)
{
    uint32_t n_columns;
    double *widths, top = INFINITY;
    double *lefts = place_columns(layout, &n_columns, &widths);

    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        top = MIN(top, layout->blocks[i].y);
    }
    for (size_t i = 0; i < layout->answer->n_nodes; i++) {
        MapNode *node = &layout->answer->nodes[i];
        const Block *block = &layout->blocks[layout->block_of[i]];

        node->layer = block->layer;
        node->x = lefts[block->layer];
        node->width = widths[block->layer];
        node->y = block->y - top;
        node->height = block->height;
        if (node->key.type == NODE_QUEUE) {
            node->y += QUEUE_TEXT;
            node->height = QUEUE_HEIGHT;
        }
        if (layout->row_of[i] > 0) {
            node->y += DATABASE_HEADER + TABLE_HEIGHT * (double)(layout->row_of[i] - 1);
            node->height = TABLE_HEIGHT;
        }
    }
}

/* What was there when the picture was last drawn as a whole. */
static void draw_base(Layout *layout)
{
    uint32_t n_blocks = layout->n_blocks;

    layout->n_blocks = layout->n_base;
    drawing_turn_cycles(layout);
    drawing_make_layers(layout);
    drawing_make_slots(layout);
    drawing_order_layers(layout);
    drawing_place_slots(layout);
    layout->n_blocks = n_blocks;
}

void layout_answer(MapAnswer *answer)
{
    Layout layout = {.answer = answer};
    size_t n_arcs;

    if (answer->n_nodes == 0) {
        return;
    }
    make_blocks(&layout);
    const Arc *arcs = make_arcs(&layout, &n_arcs);
    draw_base(&layout);
    drawing_grow(&layout);
    drawing_place_late(&layout, arcs, n_arcs);
    place_isolated(&layout);
    fill_answer(&layout);
    arena_deinit(&layout.arena);
}

typedef struct TableRow {
    MapNode *table;
    uint32_t parent;
} TableRow;

static int compare_rows(const void *a, const void *b)
{
    const TableRow *left = a, *right = b;

    if (left->parent != right->parent) {
        return left->parent < right->parent ? -1 : 1;
    }
    return left->table->y < right->table->y ? -1 : left->table->y > right->table->y;
}

void layout_pack_tables(MapAnswer *answer)
{
    CLEANUP(mem_freep) TableRow *rows = NEW_ARRAY(TableRow, answer->n_nodes + 1);
    size_t n = 0;

    for (size_t i = 0; i < answer->n_nodes; i++) {
        MapNode *node = &answer->nodes[i];
        uint32_t parent =
            node->key.type == NODE_TABLE ? find_node(answer, node->parent) : DRAWING_NOWHERE;

        if (parent != DRAWING_NOWHERE) {
            rows[n++] = (TableRow){node, parent};
        } else if (node->key.type == NODE_DATABASE) {
            node->height = DATABASE_HEIGHT;
        }
    }
    qsort(rows, n, sizeof(*rows), compare_rows);
    for (size_t i = 0, row = 0; i < n; i++) {
        MapNode *parent = &answer->nodes[rows[i].parent];

        row = i > 0 && rows[i - 1].parent == rows[i].parent ? row + 1 : 0;
        rows[i].table->y = parent->y + DATABASE_HEADER + TABLE_HEIGHT * (double)row;
        parent->height = DATABASE_HEADER + DATABASE_FOOTER + TABLE_HEIGHT * (double)(row + 1);
    }
}
