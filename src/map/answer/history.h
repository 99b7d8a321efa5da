// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"

/*
 * The map over time, step by step: how large it was, and when it changed. An element is present in
 * a step that has calls of it, and through as many steps without as the presence gap has
 * (CONTRACT.md §5); it appears and vanishes at the ends of that. A vanishing is told when the gap
 * is over.
 */
typedef enum MapEventKind { MAP_APPEARED, MAP_VANISHED, MAP_DEPLOYED } MapEventKind;

typedef struct MapEvent {
    uint32_t step;
    MapEventKind kind;
    bool is_edge;
    Str id;
    NodeKey node; /* the node, or the edge's source */
    NodeKey target;
    Relation relation; /* edges */
    Str version;       /* deployed: a service.version that was not seen before */
} MapEvent;

typedef struct MapHistoryStep {
    uint32_t minute;
    uint32_t nodes, edges;
    uint64_t requests, errors;
    size_t first_event, n_events; /* by kind, nodes before edges, then by id */
} MapHistoryStep;

typedef struct MapHistory {
    MapHistoryStep *steps;
    size_t n_steps;
    MapEvent *events;
    size_t n_events, n_left_out; /* beyond MAP_HISTORY_EVENTS_MAX */
} MapHistory;

enum { MAP_HISTORY_STEPS_MAX = 20000, MAP_HISTORY_EVENTS_MAX = 100000 };

typedef struct MapHistoryQuestion {
    MapQuestion filters; /* with the window; more than MAP_HISTORY_STEPS_MAX steps are cut */
    uint32_t step_minutes;
    uint32_t complete_to_minute; /* nothing is known beyond */
} MapHistoryQuestion;

/* In @arena. Returns 0; MAP_NO_SUCH_NODE when the focus is no node of the window. */
MUST_USE int map_history(Map *map, const MapHistoryQuestion *question, Arena *arena,
                         MapHistory *ret_history);
