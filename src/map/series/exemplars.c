// SPDX-License-Identifier: Apache-2.0
#include "map/series/exemplars.h"

#include "base/assert.h"
#include "base/memory.h"

void exemplars_deinit(Exemplars *exemplars)
{
    mem_free(exemplars->items);
    *exemplars = (Exemplars){0};
}

static bool exemplar_better(const Exemplar *a, const Exemplar *b, ExemplarChoice choice)
{
    if (choice == EXEMPLAR_SLOWEST && a->duration_ns != b->duration_ns) {
        return a->duration_ns > b->duration_ns;
    }
    if (a->start_ns != b->start_ns) {
        return a->start_ns > b->start_ns;
    }
    int order = trace_id_compare(a->trace_id, b->trace_id);
    return order != 0 ? order < 0 : a->duration_ns > b->duration_ns;
}

static bool exemplar_same(const Exemplar *a, const Exemplar *b)
{
    return a->start_ns == b->start_ns && a->duration_ns == b->duration_ns && a->error == b->error &&
           trace_id_equal(a->trace_id, b->trace_id);
}

/* A choice's best, best first, each once. */
static void pick_best(ExemplarPick *pick, ExemplarChoice choice, const Exemplar *exemplar)
{
    const Exemplar **best = pick->best[choice];
    size_t n = pick->n[choice], at = n;

    if (n == MAP_EXEMPLARS && !exemplar_better(exemplar, best[n - 1], choice)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (exemplar_same(exemplar, best[i])) {
            return;
        }
    }
    while (at > 0 && exemplar_better(exemplar, best[at - 1], choice)) {
        at--;
    }
    n = MIN(n + 1, (size_t)MAP_EXEMPLARS);
    for (size_t k = n - 1; k > at; k--) {
        best[k] = best[k - 1];
    }
    best[at] = exemplar;
    pick->n[choice] = n;
}

void exemplar_pick(ExemplarPick *pick, const Exemplar *exemplar)
{
    if (exemplar->weight <= 0) {
        return;
    }
    pick_best(pick, EXEMPLAR_LATEST, exemplar);
    pick_best(pick, EXEMPLAR_SLOWEST, exemplar);
    if (exemplar->error) {
        pick_best(pick, EXEMPLAR_ERROR, exemplar);
    }
}

/* Keeps the @n_best that each choice wants most, and the first few that were taken back. */
static void exemplars_trim(Exemplars *exemplars, size_t n_best, size_t taken_max)
{
    bool keep[EXEMPLARS_MAX + 1] = {0};
    ExemplarPick pick = {0};
    size_t n_taken = 0;
    uint32_t n = 0;

    ASSERT(exemplars->n_items <= ARRAY_LEN(keep));
    for (uint32_t i = 0; i < exemplars->n_items; i++) {
        exemplar_pick(&pick, &exemplars->items[i]);
    }
    for (size_t i = 0; i < EXEMPLAR_CHOICES * MAP_EXEMPLARS; i++) {
        if (i % MAP_EXEMPLARS < MIN(n_best, pick.n[i / MAP_EXEMPLARS])) {
            keep[pick.best[i / MAP_EXEMPLARS][i % MAP_EXEMPLARS] - exemplars->items] = true;
        }
    }
    for (uint32_t i = 0; i < exemplars->n_items; i++) {
        if (keep[i] || (exemplars->items[i].weight < 0 && n_taken++ < taken_max)) {
            exemplars->items[n++] = exemplars->items[i];
        }
    }
    exemplars->n_items = n;
}

void exemplars_add(Exemplars *exemplars, const Exemplar *exemplar)
{
    for (uint32_t i = 0; i < exemplars->n_items; i++) {
        Exemplar *item = &exemplars->items[i];

        if (exemplar_same(item, exemplar)) {
            item->weight += exemplar->weight;
            if (item->weight == 0) {
                *item = exemplars->items[--exemplars->n_items];
            }
            return;
        }
    }
    if (exemplars->n_items == exemplars->capacity) {
        exemplars->capacity += exemplars->capacity / 2 + 1;
        exemplars->items =
            mem_resize_array(exemplars->items, exemplars->capacity, sizeof(exemplars->items[0]));
    }
    exemplars->items[exemplars->n_items++] = *exemplar;
    if (exemplars->n_items > EXEMPLARS_MAX) {
        exemplars_trim(exemplars, MAP_EXEMPLARS, EXEMPLARS_TAKEN_MAX);
    }
}

void exemplars_reserve(Exemplars *exemplars, uint32_t n_items)
{
    if (n_items > exemplars->capacity) {
        exemplars->items = mem_resize_array(exemplars->items, n_items, sizeof(exemplars->items[0]));
        exemplars->capacity = n_items;
    }
}

void exemplars_merge(Exemplars *to, const Exemplars *from)
{
    if (to->n_items > 0) {
        for (uint32_t i = 0; i < from->n_items; i++) {
            exemplars_add(to, &from->items[i]);
        }
        return;
    }
    exemplars_reserve(to, from->n_items);
    mem_copy(to->items, from->items, from->n_items * sizeof(from->items[0]));
    to->n_items = from->n_items;
}

static bool any_is_taken(const Exemplars *exemplars)
{
    bool any = false;

    for (uint32_t i = 0; i < exemplars->n_items && !any; i++) {
        any = exemplars->items[i].weight < 0;
    }
    return any;
}

void exemplars_thin(Exemplars *exemplars)
{
    exemplars_trim(exemplars, 1, 0);
}

/* Sorting out what a file's set has too much is not worth its time. */
void exemplars_drop_taken(Exemplars *exemplars)
{
    if (exemplars->n_items > EXEMPLAR_CHOICES * MAP_EXEMPLARS || any_is_taken(exemplars)) {
        exemplars_trim(exemplars, MAP_EXEMPLARS, 0);
    }
    if (exemplars->n_items > 0 && exemplars->capacity > exemplars->n_items) {
        exemplars->items =
            mem_resize_array(exemplars->items, exemplars->n_items, sizeof(exemplars->items[0]));
        exemplars->capacity = exemplars->n_items;
    }
}
