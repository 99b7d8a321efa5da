// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/answer/profile.h"

/*
 * Two windows of the map compared: what came, what went, and which edges, and services' requests,
 * changed by more than they vary by themselves. docs/guide/comparing.md states the tests.
 */
typedef enum ChangeKind { CHANGE_RATE, CHANGE_ERRORS, CHANGE_LATENCY } ChangeKind;

typedef struct MapChange {
    size_t index; /* of the edge, or of the service's node, in the second answer */
    ChangeKind kind;
    double quantile;     /* latency: which, 0.5, 0.9 or 0.99 */
    double a, b;         /* calls or requests per minute, share of errors, nanoseconds */
    double significance; /* -log10 of the share of false alarms among changes as clear as this */
} MapChange;

typedef struct MapCame {
    size_t index; /* of an edge in the answer that has it */
    double significance;
} MapCame;

typedef struct MapDiff {
    MapAnswer a, b;
    size_t *added_nodes, *removed_nodes; /* indexes in b, in a */
    size_t n_added_nodes, n_removed_nodes;
    MapCame *added_edges, *removed_edges; /* in b, in a; the clearest first */
    size_t n_added_edges, n_removed_edges;
    MapChange *changes; /* what matters most first */
    size_t n_changes;
    MapChange *requests; /* of services' own requests: their entry points, whoever calls them */
    size_t n_requests;
} MapDiff;

typedef struct MapDiffQuestion {
    MapQuestion filters; /* its window is not looked at */
    uint32_t a_from, a_to, b_from, b_to;
    uint64_t complete_to_ns; /* minutes that are not over count as far as they are known */
} MapDiffQuestion;

/* What one answer has and the other lacks, of the same window; no changes. In @arena. */
void map_diff_answers(const MapAnswer *a, const MapAnswer *b, Arena *arena, MapDiff *ret_diff);

/* In @arena. Returns 0; MAP_NO_SUCH_NODE when neither window has the focus. */
MUST_USE int map_diff(Map *map, const MapDiffQuestion *question, Arena *arena, MapDiff *ret_diff);
