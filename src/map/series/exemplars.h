// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"

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

/* Room for as many without further growing. */
void exemplars_reserve(Exemplars *exemplars, uint32_t n_items);
void exemplars_merge(Exemplars *to, const Exemplars *from);

/* Forgets those taken back, after all that can cancel them were added, and gives spare memory back.
 */
void exemplars_drop_taken(Exemplars *exemplars);

/* Keeps the best of each choice alone. */
void exemplars_thin(Exemplars *exemplars);

typedef enum ExemplarChoice {
    EXEMPLAR_LATEST,
    EXEMPLAR_ERROR,
    EXEMPLAR_SLOWEST,
    EXEMPLAR_CHOICES,
} ExemplarChoice;

/* The best of each choice, best first and each once; begin with {0}. They point to what was shown,
 * which must stay. */
typedef struct ExemplarPick {
    const Exemplar *best[EXEMPLAR_CHOICES][MAP_EXEMPLARS];
    size_t n[EXEMPLAR_CHOICES];
} ExemplarPick;

void exemplar_pick(ExemplarPick *pick, const Exemplar *exemplar);
