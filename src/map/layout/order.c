// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/layout/drawing.h"

enum {
    ORDER_SWEEPS = 16,
    SWAP_PASSES = 4, /* over a layer, at most */
};

/* --- 5. Slots and lines --- */

static uint32_t add_slot(Layout *layout, uint32_t block, uint32_t layer)
{
    Slot *slot = &layout->slots[layout->n_slots];

    *slot = (Slot){.block = block, .layer = layer, .height = LANE_HEIGHT};
    if (block != DRAWING_NOWHERE) {
        slot->height = layout->blocks[block].height;
        slot->queue = layout->answer->nodes[layout->blocks[block].node].key.type == NODE_QUEUE;
    }
    return layout->n_slots++;
}

/* Block i is slot i, then the lanes. */
static void add_slots(Layout *layout)
{
    Block *blocks = layout->blocks;
    size_t n_lanes = 0;

    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        blocks[i].lanes_from = blocks[i].layer;
    }
    for (size_t i = 0; i < layout->n_arcs; i++) {
        Block *to = &blocks[layout->arcs[i].to];

        to->lanes_from = MIN(to->lanes_from, blocks[layout->arcs[i].from].layer + 1);
    }
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        n_lanes += blocks[i].layer - blocks[i].lanes_from;
    }
    layout->slots = ARENA_ARRAY(&layout->arena, Slot, layout->n_blocks + n_lanes);
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        add_slot(layout, i, blocks[i].layer);
    }
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        blocks[i].first_lane = layout->n_slots;
        for (uint32_t layer = blocks[i].lanes_from; layer < blocks[i].layer; layer++) {
            add_slot(layout, DRAWING_NOWHERE, layer);
        }
    }
}

/* The slot of @layer on the way to @block. */
static uint32_t slot_towards(const Layout *layout, uint32_t block, uint32_t layer)
{
    const Block *to = &layout->blocks[block];

    return layer == to->layer ? block : to->first_lane + (layer - to->lanes_from);
}

static void add_line(Layout *layout, uint32_t from, const Arc *arc, uint32_t layer)
{
    const Block *block = &layout->blocks[arc->to];
    Line line = {.from = from,
                 .to = slot_towards(layout, arc->to, layer),
                 .weight = layout->slots[from].block == DRAWING_NOWHERE ? 4 : 1,
                 .fraction = 0.5};

    if (line.to == arc->to && arc->row > 0) {
        line.port = DATABASE_HEADER + TABLE_HEIGHT * ((double)arc->row - 0.5) - block->height / 2;
        line.fraction = ((double)arc->row) / (block->n_tables + 1);
    }
    layout->lines[layout->n_lines++] = line;
}

static int compare_lines(const void *a, const void *b, void *context)
{
    const Slot *slots = context;
    const Line *left = a, *right = b;
    uint32_t left_layer = slots[left->from].layer, right_layer = slots[right->from].layer;

    if (left_layer != right_layer) {
        return left_layer < right_layer ? -1 : 1;
    }
    if (left->from != right->from) {
        return left->from < right->from ? -1 : 1;
    }
    if (left->to != right->to) {
        return left->to < right->to ? -1 : 1;
    }
    return left->fraction < right->fraction ? -1 : left->fraction > right->fraction;
}

static void add_lines(Layout *layout)
{
    Block *blocks = layout->blocks;
    size_t n_max = layout->n_arcs + layout->n_slots;
    bool *passed = ARENA_ARRAY(&layout->arena, bool, layout->n_slots + 1);

    layout->lines = ARENA_ARRAY(&layout->arena, Line, n_max);
    for (size_t i = 0; i < layout->n_arcs; i++) {
        const Arc *arc = &layout->arcs[i];
        uint32_t slot = arc->from;

        for (uint32_t at = blocks[arc->from].layer + 1; at <= blocks[arc->to].layer; at++) {
            bool lane = layout->slots[slot].block == DRAWING_NOWHERE;

            if (lane && passed[slot]) {
                break; /* another edge went on from here already */
            }
            passed[slot] |= lane;
            add_line(layout, slot, arc, at);
            slot = slot_towards(layout, arc->to, at);
        }
    }
    ASSERT(layout->n_lines <= n_max);
    qsort_r(layout->lines, layout->n_lines, sizeof(Line), compare_lines, layout->slots);
    layout->line_start = ARENA_ARRAY(&layout->arena, size_t, layout->n_layers + 2);
    for (size_t i = 0; i < layout->n_lines; i++) {
        layout->line_start[layout->slots[layout->lines[i].from].layer + 1] = i + 1;
    }
    for (uint32_t layer = 1; layer <= layout->n_layers; layer++) {
        layout->line_start[layer] = MAX(layout->line_start[layer], layout->line_start[layer - 1]);
    }
}

void drawing_make_slots(Layout *layout)
{
    add_slots(layout);
    add_lines(layout);
}

/* --- 6. Order --- */

static void number_layer(Layout *layout, uint32_t layer)
{
    for (uint32_t i = layout->layer_start[layer]; i < layout->layer_start[layer + 1]; i++) {
        layout->slots[layout->order[i]].at = i - layout->layer_start[layer];
    }
}

static void start_order(Layout *layout)
{
    uint32_t *start = ARENA_ARRAY(&layout->arena, uint32_t, layout->n_layers + 2);
    uint32_t *next = ARENA_ARRAY(&layout->arena, uint32_t, layout->n_layers + 2);

    layout->order = ARENA_ARRAY(&layout->arena, uint32_t, layout->n_slots);
    layout->layer_start = start;
    for (uint32_t i = 0; i < layout->n_slots; i++) {
        bool isolated = i < layout->n_blocks && layout->blocks[i].isolated;

        start[layout->slots[i].layer + 1] += isolated ? 0 : 1;
    }
    for (uint32_t layer = 0; layer < layout->n_layers; layer++) {
        start[layer + 1] += start[layer];
        next[layer] = start[layer];
    }
    for (uint32_t i = 0; i < layout->n_slots; i++) {
        if (i >= layout->n_blocks || !layout->blocks[i].isolated) {
            layout->order[next[layout->slots[i].layer]++] = i;
        }
    }
    for (uint32_t layer = 0; layer < layout->n_layers; layer++) {
        number_layer(layout, layer);
    }
}

static int compare_slot_keys(const void *a, const void *b, void *context)
{
    const Slot *slots = context;
    const Slot *left = &slots[*(const uint32_t *)a], *right = &slots[*(const uint32_t *)b];

    if (left->key < right->key || left->key > right->key) {
        return left->key < right->key ? -1 : 1;
    }
    return left->at < right->at ? -1 : left->at > right->at;
}

/* Sorts @layer by the mean place of its neighbours at the left (or right). */
static void sort_layer(Layout *layout, uint32_t layer, bool by_left)
{
    uint32_t from = layout->layer_start[layer], to = layout->layer_start[layer + 1];
    uint32_t lines_of = by_left ? layer - 1 : layer;
    Slot *slots = layout->slots;

    for (uint32_t i = from; i < to; i++) {
        slots[layout->order[i]].key = slots[layout->order[i]].weight = 0;
    }
    for (size_t i = layout->line_start[lines_of]; i < layout->line_start[lines_of + 1]; i++) {
        const Line *line = &layout->lines[i];
        Slot *slot = &slots[by_left ? line->to : line->from];

        slot->key += by_left ? slots[line->from].at + 0.5 : slots[line->to].at + line->fraction;
        slot->weight += 1;
    }
    for (uint32_t i = from; i < to; i++) {
        Slot *slot = &slots[layout->order[i]];

        slot->key = slot->weight > 0 ? slot->key / slot->weight : slot->at + 0.5;
    }
    qsort_r(layout->order + from, to - from, sizeof(uint32_t), compare_slot_keys, slots);
    number_layer(layout, layer);
}

typedef struct Ends {
    uint32_t from;
    double to;
} Ends;

static int compare_ends(const void *a, const void *b)
{
    const Ends *left = a, *right = b;

    if (left->from != right->from) {
        return left->from < right->from ? -1 : 1;
    }
    return left->to < right->to ? -1 : left->to > right->to;
}

/* Pairs out of order, by merge sort. */
static uint64_t count_inversions(Ends *ends, Ends *scratch, size_t n)
{
    if (n < 2) {
        return 0;
    }
    size_t half = n / 2, a = 0, b = half, to = 0;
    uint64_t count =
        count_inversions(ends, scratch, half) + count_inversions(ends + half, scratch, n - half);

    while (a < half || b < n) {
        if (b == n || (a < half && ends[a].to <= ends[b].to)) {
            scratch[to++] = ends[a++];
        } else {
            count += half - a;
            scratch[to++] = ends[b++];
        }
    }
    mem_copy(ends, scratch, n * sizeof(Ends));
    return count;
}

static uint64_t count_crossings(const Layout *layout, Ends *ends)
{
    uint64_t count = 0;

    for (uint32_t layer = 0; layer + 1 < layout->n_layers; layer++) {
        size_t n = 0;

        for (size_t i = layout->line_start[layer]; i < layout->line_start[layer + 1]; i++) {
            const Line *line = &layout->lines[i];

            ends[n++] =
                (Ends){layout->slots[line->from].at, layout->slots[line->to].at + line->fraction};
        }
        qsort(ends, n, sizeof(Ends), compare_ends);
        count += count_inversions(ends, ends + layout->n_lines, n);
    }
    return count;
}

/*
 * Neighbours of a layer's slots, by their places: sorted, so that the crossings of two slots' lines
 * are counted by one merge.
 */
typedef struct Neighbours {
    double *places;
    uint32_t *start; /* by place of the slot in its layer; n + 1 */
} Neighbours;

static int compare_places(const void *a, const void *b)
{
    const double *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}

static Neighbours neighbours_of(const Layout *layout, uint32_t layer, bool at_left, Arena *arena)
{
    uint32_t n = layout->layer_start[layer + 1] - layout->layer_start[layer];
    uint32_t lines_of = at_left ? layer - 1 : layer;
    bool none = at_left ? layer == 0 : layer + 1 >= layout->n_layers;
    size_t first = none ? 0 : layout->line_start[lines_of];
    size_t end = none ? 0 : layout->line_start[lines_of + 1];
    Neighbours neighbours = {ARENA_ARRAY(arena, double, end - first + 1),
                             ARENA_ARRAY(arena, uint32_t, n + 2)};

    for (size_t i = first; i < end; i++) {
        const Line *line = &layout->lines[i];

        neighbours.start[layout->slots[at_left ? line->to : line->from].at + 2]++;
    }
    for (uint32_t i = 0; i < n; i++) {
        neighbours.start[i + 2] += neighbours.start[i + 1];
    }
    for (size_t i = first; i < end; i++) {
        const Line *line = &layout->lines[i];
        uint32_t at = layout->slots[at_left ? line->to : line->from].at;

        neighbours.places[neighbours.start[at + 1]++] =
            at_left ? layout->slots[line->from].at : layout->slots[line->to].at + line->fraction;
    }
    for (uint32_t i = 0; i < n; i++) {
        qsort(neighbours.places + neighbours.start[i],
              neighbours.start[i + 1] - neighbours.start[i], sizeof(double), compare_places);
    }
    return neighbours;
}

/* How many crossings less there are when slot @b stands above slot @a, not below. */
static int64_t swap_gain(const Neighbours *neighbours, uint32_t a, uint32_t b)
{
    const double *of_a = neighbours->places + neighbours->start[a];
    const double *of_b = neighbours->places + neighbours->start[b];
    size_t n_a = neighbours->start[a + 1] - neighbours->start[a];
    size_t n_b = neighbours->start[b + 1] - neighbours->start[b];
    int64_t gain = 0;
    size_t below = 0, up_to = 0; /* of b: before the place, up to and with it */

    for (size_t i = 0; i < n_a; i++) {
        while (below < n_b && of_b[below] < of_a[i]) {
            below++;
        }
        while (up_to < n_b && of_b[up_to] <= of_a[i]) {
            up_to++;
        }
        gain += (int64_t)below - (int64_t)(n_b - up_to);
    }
    return gain;
}

/* Swaps neighbours of @layer while that takes crossings away. */
static void swap_neighbours(Layout *layout, uint32_t layer)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint32_t from = layout->layer_start[layer];
    uint32_t n = layout->layer_start[layer + 1] - from;
    const Neighbours left = neighbours_of(layout, layer, true, &arena);
    const Neighbours right = neighbours_of(layout, layer, false, &arena);
    uint32_t *places = ARENA_ARRAY(&arena, uint32_t, n + 1); /* slots by their place before */
    bool better = true;

    for (uint32_t i = 0; i < n; i++) {
        places[i] = i;
    }
    for (int pass = 0; pass < SWAP_PASSES && better; pass++) {
        better = false;
        for (uint32_t i = 0; i + 1 < n; i++) {
            uint32_t a = places[i], b = places[i + 1];

            if (swap_gain(&left, a, b) + swap_gain(&right, a, b) > 0) {
                uint32_t slot = layout->order[from + i];

                layout->order[from + i] = layout->order[from + i + 1];
                layout->order[from + i + 1] = slot;
                places[i] = b;
                places[i + 1] = a;
                better = true;
            }
        }
    }
    number_layer(layout, layer);
}

/* Barycentres find the neighbourhood, swapping the place in it. */
static void sweep_layers(Layout *layout, int sweep)
{
    bool forth = sweep % 2 == 0;

    for (uint32_t i = 1; i < layout->n_layers; i++) {
        uint32_t layer = forth ? i : layout->n_layers - 1 - i;

        sort_layer(layout, layer, forth);
        swap_neighbours(layout, layer);
    }
}

void drawing_order_layers(Layout *layout)
{
    start_order(layout);
    uint32_t n = layout->layer_start[layout->n_layers];
    uint32_t *best = ARENA_ARRAY(&layout->arena, uint32_t, n + 1);
    Ends *ends = ARENA_ARRAY(&layout->arena, Ends, 2 * layout->n_lines + 1);
    uint64_t fewest = UINT64_MAX;

    for (int sweep = 0; sweep < ORDER_SWEEPS && fewest > 0; sweep++) {
        sweep_layers(layout, sweep);
        uint64_t crossings = count_crossings(layout, ends);
        if (crossings < fewest) {
            fewest = crossings;
            mem_copy(best, layout->order, n * sizeof(uint32_t));
        }
    }
    if (fewest < UINT64_MAX) {
        mem_copy(layout->order, best, n * sizeof(uint32_t));
    }
    for (uint32_t layer = 0; layer < layout->n_layers; layer++) {
        number_layer(layout, layer);
    }
}
