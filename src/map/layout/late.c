// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "map/layout/drawing.h"

/*
 * --- 8. What came later ---
 *
 * The picture is drawn anew only when the system has grown by half since it was; what comes between
 * is put where there is room, and nothing else moves. Both follow from when nodes and edges were
 * first seen, which is part of the map: two people who look at it, before and after a restart, see
 * the same.
 */
enum { GROWTH_PERCENT = 150 };

static int compare_minutes(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

uint32_t drawing_base_minute(const uint32_t *minutes, size_t n, Arena *arena)
{
    uint32_t *sorted = ARENA_ARRAY(arena, uint32_t, n + 1);
    uint32_t base = 0;
    size_t n_base = 0;

    if (n > 0) {
        mem_copy(sorted, minutes, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), compare_minutes);
    }
    for (size_t i = 0; i < n; i++) {
        bool last_of_minute = i + 1 == n || sorted[i + 1] != sorted[i];

        if (last_of_minute && (i + 1) * 100 > n_base * GROWTH_PERCENT) {
            n_base = i + 1;
            base = sorted[i];
        }
    }
    return base;
}

/* The late arcs at a block, from both ends. */
typedef struct Late {
    Layout *layout;
    bool *placed;
    const Arc *arcs;
    size_t n_arcs;
    int64_t *layers; /* of blocks; may go below 0 until all are there */
} Late;

/* Right of what calls it, else left of what it calls, and beside none of either. */
static bool choose_layer(const Late *late, uint32_t block, int64_t *ret_layer)
{
    int64_t after = INT64_MIN, before = INT64_MAX, step = 1;
    bool beside = true;

    for (size_t i = 0; i < late->n_arcs; i++) {
        const Arc *arc = &late->arcs[i];

        if (arc->to == block && late->placed[arc->from]) {
            after = MAX(after, late->layers[arc->from] + 1);
        } else if (arc->from == block && late->placed[arc->to]) {
            before = MIN(before, late->layers[arc->to] - 1);
        }
    }
    if (after == INT64_MIN && before == INT64_MAX) {
        return false;
    }
    *ret_layer = after != INT64_MIN ? after : before;
    step = after != INT64_MIN ? 1 : -1;
    while (beside) {
        beside = false;
        for (size_t i = 0; i < late->n_arcs; i++) {
            const Arc *arc = &late->arcs[i];
            uint32_t other = arc->from == block ? arc->to : arc->from;

            beside |= (arc->from == block || arc->to == block) && late->placed[other] &&
                      late->layers[other] == *ret_layer;
        }
        *ret_layer += beside ? step : 0;
    }
    return true;
}

static double wanted_top(const Late *late, uint32_t block)
{
    const Block *blocks = late->layout->blocks;
    double sum = 0, n = 0;

    for (size_t i = 0; i < late->n_arcs; i++) {
        const Arc *arc = &late->arcs[i];
        uint32_t other = arc->from == block ? arc->to : arc->from;

        if ((arc->from == block || arc->to == block) && late->placed[other]) {
            sum += blocks[other].y + blocks[other].height / 2;
            n++;
        }
    }
    return round((n > 0 ? sum / n : 0) - blocks[block].height / 2);
}

static bool is_free(const Late *late, uint32_t block, double top)
{
    const Block *blocks = late->layout->blocks;

    for (uint32_t i = 0; i < late->layout->n_blocks; i++) {
        if (i != block && late->placed[i] && late->layers[i] == late->layers[block] &&
            top < blocks[i].y + blocks[i].height + GAP_NODES &&
            blocks[i].y < top + blocks[block].height + GAP_NODES) {
            return false;
        }
    }
    return true;
}

/* The nearest place to @wanted with room: there, or right above or below one that stands there. */
static double nearest_top(const Late *late, uint32_t block, double wanted)
{
    const Block *blocks = late->layout->blocks;
    double best = wanted;
    bool found = is_free(late, block, wanted);

    for (uint32_t i = 0; i < late->layout->n_blocks && !(found && best == wanted); i++) {
        if (i == block || !late->placed[i] || late->layers[i] != late->layers[block]) {
            continue;
        }
        const double tops[] = {blocks[i].y - GAP_NODES - blocks[block].height,
                               blocks[i].y + blocks[i].height + GAP_NODES};
        for (size_t k = 0; k < ARRAY_LEN(tops); k++) {
            if ((!found || fabs(tops[k] - wanted) < fabs(best - wanted)) &&
                is_free(late, block, tops[k])) {
                best = tops[k];
                found = true;
            }
        }
    }
    return best;
}

typedef struct Stacked {
    Block *block;
    double y; /* before */
} Stacked;

static int compare_stacked(const void *a, const void *b)
{
    const Stacked *left = a, *right = b;

    return left->y < right->y ? -1 : left->y > right->y;
}

/* Pushes what stands below @grown, which was of @height, down as far as it must; distances that
 * were smaller than usual may stay so. */
static void make_room(Layout *layout, const Block *grown, double height, Stacked *below)
{
    double old_bottom = grown->y + height, bottom = grown->y + grown->height;
    size_t n = 0;

    for (uint32_t i = 0; i < layout->n_base; i++) {
        Block *block = &layout->blocks[i];

        if (!block->isolated && block->layer == grown->layer && block->y > grown->y) {
            below[n++] = (Stacked){block, block->y};
        }
    }
    qsort(below, n, sizeof(*below), compare_stacked);
    for (size_t i = 0; i < n; i++) {
        Block *block = below[i].block;

        block->y = MAX(block->y, bottom + MIN(below[i].y - old_bottom, (double)GAP_NODES));
        old_bottom = below[i].y + block->height;
        bottom = block->y + block->height;
    }
}

void drawing_grow(Layout *layout)
{
    Stacked *below = ARENA_ARRAY(&layout->arena, Stacked, layout->n_base + 1);

    for (uint32_t i = 0; i < layout->n_base; i++) {
        Block *block = &layout->blocks[i];
        double height = block->height;

        block->height = block->full_height;
        if (block->height > height && !block->isolated) {
            make_room(layout, block, height, below);
        }
    }
}

static void place_late(Late *late, uint32_t block)
{
    Layout *layout = late->layout;

    layout->blocks[block].isolated = !choose_layer(late, block, &late->layers[block]);
    if (!layout->blocks[block].isolated) {
        layout->blocks[block].y = nearest_top(late, block, wanted_top(late, block));
        late->placed[block] = true;
    }
}

/* Layers from 0 again, where something came to stand left of all. */
static void number_layers(Late *late)
{
    Layout *layout = late->layout;
    int64_t first = 0;

    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        first = late->placed[i] ? MIN(first, late->layers[i]) : first;
    }
    layout->first_layer = (uint32_t)-first;
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        if (late->placed[i]) {
            layout->blocks[i].layer = (uint32_t)(late->layers[i] - first);
            layout->n_columns = MAX(layout->n_columns, layout->blocks[i].layer + 1);
        }
    }
}

void drawing_place_late(Layout *layout, const Arc *arcs, size_t n_arcs)
{
    Late late = {.layout = layout,
                 .placed = ARENA_ARRAY(&layout->arena, bool, layout->n_blocks + 1),
                 .layers = ARENA_ARRAY(&layout->arena, int64_t, layout->n_blocks + 1),
                 .arcs = arcs,
                 .n_arcs = n_arcs};

    for (uint32_t i = 0; i < layout->n_base; i++) {
        late.placed[i] = !layout->blocks[i].isolated;
        late.layers[i] = layout->blocks[i].layer;
    }
    for (uint32_t i = layout->n_base; i < layout->n_blocks; i++) {
        place_late(&late, i);
    }
    /* Once more for those whose only neighbours came after them. */
    for (uint32_t i = layout->n_base; i < layout->n_blocks; i++) {
        if (!late.placed[i]) {
            place_late(&late, i);
        }
    }
    number_layers(&late);
}
