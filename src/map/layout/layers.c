// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/memory.h"
#include "map/layout/drawing.h"

enum { ONE_COLUMN_MAX = 30, LANES_MAX = 1 << 18 };

/* --- 3. Cycles --- */

/* Arcs of each block, as positions in arcs. */
typedef struct Adjacency {
    uint32_t *start; /* n_blocks + 1 */
    uint32_t *arcs;
} Adjacency;

static Adjacency adjacency_of(Layout *layout, bool incoming)
{
    Adjacency adjacency = {ARENA_ARRAY(&layout->arena, uint32_t, layout->n_blocks + 2),
                           ARENA_ARRAY(&layout->arena, uint32_t, layout->n_arcs)};

    for (size_t i = 0; i < layout->n_arcs; i++) {
        adjacency.start[(incoming ? layout->arcs[i].to : layout->arcs[i].from) + 2]++;
    }
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        adjacency.start[i + 2] += adjacency.start[i + 1];
    }
    for (size_t i = 0; i < layout->n_arcs; i++) {
        uint32_t block = incoming ? layout->arcs[i].to : layout->arcs[i].from;

        adjacency.arcs[adjacency.start[block + 1]++] = (uint32_t)i;
    }
    return adjacency;
}

typedef struct Sorting {
    Layout *layout;
    Adjacency out, in;
    uint32_t *n_out, *n_in;
    bool *done;
    uint32_t *sources, *sinks; /* stacks */
    size_t n_sources, n_sinks;
    uint32_t left, right; /* places still free, from both ends */
} Sorting;

static void sorting_note(Sorting *sorting, uint32_t block)
{
    if (sorting->done[block]) {
        return;
    }
    if (sorting->n_out[block] == 0) {
        sorting->sinks[sorting->n_sinks++] = block;
    } else if (sorting->n_in[block] == 0) {
        sorting->sources[sorting->n_sources++] = block;
    }
}

static void sorting_take(Sorting *sorting, uint32_t block, bool as_sink)
{
    const Arc *arcs = sorting->layout->arcs;

    sorting->done[block] = true;
    sorting->layout->blocks[block].place = as_sink ? --sorting->right : sorting->left++;
    for (uint32_t i = sorting->out.start[block]; i < sorting->out.start[block + 1]; i++) {
        uint32_t to = arcs[sorting->out.arcs[i]].to;

        if (--sorting->n_in[to] == 0) {
            sorting_note(sorting, to);
        }
    }
    for (uint32_t i = sorting->in.start[block]; i < sorting->in.start[block + 1]; i++) {
        uint32_t from = arcs[sorting->in.arcs[i]].from;

        if (--sorting->n_out[from] == 0) {
            sorting_note(sorting, from);
        }
    }
}

/* Where there are only cycles left: what calls the most and is called the least. */
static uint32_t sorting_most_source(const Sorting *sorting)
{
    uint32_t best = DRAWING_NOWHERE;
    int64_t best_surplus = INT64_MIN;

    for (uint32_t i = 0; i < sorting->layout->n_blocks; i++) {
        int64_t surplus = (int64_t)sorting->n_out[i] - sorting->n_in[i];

        if (!sorting->done[i] && surplus > best_surplus) {
            best = i;
            best_surplus = surplus;
        }
    }
    return best;
}

static Sorting sorting_new(Layout *layout)
{
    uint32_t n = layout->n_blocks;
    Sorting sorting = {.layout = layout,
                       .out = adjacency_of(layout, false),
                       .in = adjacency_of(layout, true),
                       .n_out = ARENA_ARRAY(&layout->arena, uint32_t, n),
                       .n_in = ARENA_ARRAY(&layout->arena, uint32_t, n),
                       .done = ARENA_ARRAY(&layout->arena, bool, n),
                       /* a block may be noted once as each */
                       .sources = ARENA_ARRAY(&layout->arena, uint32_t, 2 * (size_t)n),
                       .sinks = ARENA_ARRAY(&layout->arena, uint32_t, 2 * (size_t)n),
                       .right = n};

    for (uint32_t i = 0; i < n; i++) {
        sorting.n_out[i] = sorting.out.start[i + 1] - sorting.out.start[i];
        sorting.n_in[i] = sorting.in.start[i + 1] - sorting.in.start[i];
    }
    for (uint32_t i = n; i > 0; i--) {
        sorting_note(&sorting, i - 1);
    }
    return sorting;
}

void drawing_turn_cycles(Layout *layout)
{
    Sorting sorting = sorting_new(layout);

    while (sorting.left < sorting.right) {
        uint32_t block;
        bool as_sink = sorting.n_sinks > 0;

        if (as_sink) {
            block = sorting.sinks[--sorting.n_sinks];
        } else if (sorting.n_sources > 0) {
            block = sorting.sources[--sorting.n_sources];
        } else {
            block = sorting_most_source(&sorting);
        }
        if (!sorting.done[block]) {
            sorting_take(&sorting, block, as_sink);
        }
    }
    for (size_t i = 0; i < layout->n_arcs; i++) {
        Arc *arc = &layout->arcs[i];

        if (layout->blocks[arc->from].place > layout->blocks[arc->to].place) {
            *arc = (Arc){.from = arc->to, .to = arc->from, .turned = true};
        }
    }
}

/* --- 4. Layers --- */

static uint32_t component_root(const Layout *layout, uint32_t block)
{
    while (layout->blocks[block].component != block) {
        layout->blocks[block].component = layout->blocks[layout->blocks[block].component].component;
        block = layout->blocks[block].component;
    }
    return block;
}

static void join_components(Layout *layout)
{
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        layout->blocks[i].component = i;
        layout->blocks[i].isolated = true;
    }
    for (size_t i = 0; i < layout->n_arcs; i++) {
        const Arc *arc = &layout->arcs[i];
        uint32_t a = component_root(layout, arc->from), b = component_root(layout, arc->to);

        layout->blocks[MAX(a, b)].component = MIN(a, b);
        layout->blocks[arc->from].isolated = layout->blocks[arc->to].isolated = false;
        layout->blocks[arc->from].calls = true;
        layout->blocks[arc->to].called = true;
    }
}

static int compare_arc_places(const void *a, const void *b, void *context)
{
    const Block *blocks = context;
    const Arc *left = a, *right = b;
    uint32_t left_place = blocks[left->from].place, right_place = blocks[right->from].place;

    return left_place != right_place ? (left_place < right_place ? -1 : 1)
                                     : drawing_compare_arcs(a, b);
}

/* In a small system databases and externals stand in one column at the end. In a large one their
 * lines would cross all of it: there they stand right of the last that uses them. */
static bool stands_right(const Layout *layout, const Block *block, uint32_t component_size)
{
    NodeType type = layout->answer->nodes[block->node].key.type;

    return component_size <= ONE_COLUMN_MAX && !block->calls && block->called &&
           (type == NODE_DATABASE || type == NODE_EXTERNAL);
}

/* So many layers that lanes, of which there are at most blocks times layers, stay below LANES_MAX:
 * calls within a large circle make the longest path thousands of layers long. Neighbouring layers
 * become one then, in which edges run up and down. */
static void limit_layers(Layout *layout)
{
    uint32_t layers_max = MAX(LANES_MAX / (layout->n_blocks + 1), 1U);

    if (layout->n_layers <= layers_max) {
        return;
    }
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        Block *block = &layout->blocks[i];

        block->layer = (uint32_t)((uint64_t)block->layer * layers_max / layout->n_layers);
    }
    layout->n_layers = layers_max;
}

void drawing_make_layers(Layout *layout)
{
    Block *blocks = layout->blocks;
    uint32_t n = layout->n_blocks;
    uint32_t *last = ARENA_ARRAY(&layout->arena, uint32_t, n);
    uint32_t *nearest = ARENA_ARRAY(&layout->arena, uint32_t, n);
    uint32_t *size = ARENA_ARRAY(&layout->arena, uint32_t, n); /* of a component, at its root */

    join_components(layout);
    qsort_r(layout->arcs, layout->n_arcs, sizeof(Arc), compare_arc_places, blocks);
    for (size_t i = 0; i < layout->n_arcs; i++) {
        const Arc *arc = &layout->arcs[i];

        blocks[arc->to].layer = MAX(blocks[arc->to].layer, blocks[arc->from].layer + 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t root = component_root(layout, i);

        last[root] = MAX(last[root], blocks[i].layer);
        size[root]++;
        nearest[i] = DRAWING_NOWHERE;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t root = component_root(layout, i);

        if (stands_right(layout, &blocks[i], size[root])) {
            blocks[i].layer = last[root];
        }
    }
    for (size_t i = 0; i < layout->n_arcs; i++) {
        const Arc *arc = &layout->arcs[i];

        nearest[arc->from] = MIN(nearest[arc->from], blocks[arc->to].layer);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (blocks[i].calls && !blocks[i].called) {
            blocks[i].layer = nearest[i] - 1;
        }
        if (!blocks[i].isolated) {
            layout->n_layers = MAX(layout->n_layers, blocks[i].layer + 1);
        }
    }
    limit_layers(layout);
}
