// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "map/layout/drawing.h"

enum {
    PLACE_SWEEPS = 8,
    GAP_QUEUE = 24,
    GAP_LANE = 16,
    GAP_LANES = 10,
};

/* --- 7. y --- */

static double distance(const Slot *above, const Slot *below)
{
    bool lane_above = above->block == DRAWING_NOWHERE, lane_below = below->block == DRAWING_NOWHERE;
    double gap = lane_above && lane_below       ? GAP_LANES
                 : lane_above || lane_below     ? GAP_LANE
                 : above->queue || below->queue ? GAP_QUEUE
                                                : GAP_NODES;

    return above->height / 2 + gap + below->height / 2;
}

/* A run of slots that touch each other and move as one. */
typedef struct Pool {
    double sum, weight;
    uint32_t first;
} Pool;

/* Puts the slots of @layer where they are wanted, as far as order and distances allow: in
 * coordinates from which the distances are subtracted, that is isotonic regression. */
static void settle_layer(Layout *layout, uint32_t layer, Pool *pools)
{
    uint32_t from = layout->layer_start[layer], to = layout->layer_start[layer + 1];
    size_t n = 0;
    double shift = 0;

    for (uint32_t i = from; i < to; i++) {
        Slot *slot = &layout->slots[layout->order[i]];

        shift += i > from ? distance(&layout->slots[layout->order[i - 1]], slot) : 0;
        slot->key = shift;
        pools[n++] = (Pool){(slot->wanted - shift) * slot->weight, slot->weight, i};
        while (n > 1 &&
               pools[n - 2].sum * pools[n - 1].weight > pools[n - 1].sum * pools[n - 2].weight) {
            pools[n - 2].sum += pools[n - 1].sum;
            pools[n - 2].weight += pools[n - 1].weight;
            n--;
        }
    }
    for (size_t k = 0; k < n; k++) {
        uint32_t end = k + 1 < n ? pools[k + 1].first : to;

        for (uint32_t i = pools[k].first; i < end; i++) {
            Slot *slot = &layout->slots[layout->order[i]];

            slot->center = pools[k].sum / pools[k].weight + slot->key;
        }
    }
}

static void want(Slot *slot, double center, double weight)
{
    slot->wanted += center * weight;
    slot->weight += weight;
}

static void place_layer(Layout *layout, uint32_t layer, bool by_left, bool by_right, Pool *pools)
{
    Slot *slots = layout->slots;

    for (uint32_t i = layout->layer_start[layer]; i < layout->layer_start[layer + 1]; i++) {
        Slot *slot = &slots[layout->order[i]];

        slot->wanted = slot->center * 0.01;
        slot->weight = 0.01;
    }
    for (size_t i = layer > 0 ? layout->line_start[layer - 1] : 0;
         by_left && layer > 0 && i < layout->line_start[layer]; i++) {
        const Line *line = &layout->lines[i];

        want(&slots[line->to], slots[line->from].center - line->port, line->weight);
    }
    for (size_t i = layout->line_start[layer]; by_right && i < layout->line_start[layer + 1]; i++) {
        const Line *line = &layout->lines[i];

        want(&slots[line->from], slots[line->to].center + line->port, line->weight);
    }
    for (uint32_t i = layout->layer_start[layer]; i < layout->layer_start[layer + 1]; i++) {
        Slot *slot = &slots[layout->order[i]];

        slot->wanted /= slot->weight;
    }
    settle_layer(layout, layer, pools);
}

static void stack_layers(Layout *layout)
{
    for (uint32_t layer = 0; layer < layout->n_layers; layer++) {
        const Slot *above = NULL;

        for (uint32_t i = layout->layer_start[layer]; i < layout->layer_start[layer + 1]; i++) {
            Slot *slot = &layout->slots[layout->order[i]];

            slot->center = above == NULL ? 0 : above->center + distance(above, slot);
            above = slot;
        }
    }
}

/* Whole pixels, without losing a distance. */
static void round_layers(Layout *layout)
{
    for (uint32_t layer = 0; layer < layout->n_layers; layer++) {
        const Slot *above = NULL;

        for (uint32_t i = layout->layer_start[layer]; i < layout->layer_start[layer + 1]; i++) {
            Slot *slot = &layout->slots[layout->order[i]];
            double top = round(slot->center - slot->height / 2);

            if (above != NULL) {
                double least = above->center + distance(above, slot) - slot->height / 2;

                top = MAX(top, ceil(least - 1e-6));
            }
            slot->center = top + slot->height / 2;
            above = slot;
        }
    }
}

void drawing_place_slots(Layout *layout)
{
    Pool *pools = ARENA_ARRAY(&layout->arena, Pool, layout->n_slots + 1);

    stack_layers(layout);
    for (int sweep = 0; sweep < PLACE_SWEEPS; sweep++) {
        bool forth = sweep % 2 == 0, last = sweep + 3 > PLACE_SWEEPS;

        for (uint32_t i = 0; i < layout->n_layers; i++) {
            uint32_t layer = forth ? i : layout->n_layers - 1 - i;

            place_layer(layout, layer, forth || last, !forth || last, pools);
        }
    }
    round_layers(layout);
    for (uint32_t i = 0; i < layout->n_blocks; i++) {
        layout->blocks[i].y = layout->slots[i].center - layout->slots[i].height / 2;
    }
}
