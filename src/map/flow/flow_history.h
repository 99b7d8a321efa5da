// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"

/*
 * The shape of a flow over time: which steps and transitions its runs had, when they came and went,
 * and the versions of the shape between these moments, beside the deploys of the services that
 * perform the steps.
 *
 * A step or transition is there from the first run that has it. It is gone, from the point behind
 * the last run that had it, once it was missing for longer than the presence gap (CONTRACT.md §5)
 * and in so many runs that chance hardly explains it: by its share of the runs until then, less
 * often than once in a thousand. So what few runs do does not come and go, and a flow that rests
 * keeps its shape. Looked at are the window and as much before it; whether what comes was ever
 * there before is known for all that the map keeps.
 */
typedef struct MapFlowInterval {
    uint32_t first, last; /* points */
    bool before;          /* was there before the window already */
    bool on;              /* is not known to be gone */
} MapFlowInterval;

typedef struct MapFlowElement {
    Str from, to;          /* a step: its name, and empty */
    uint32_t first_minute; /* of all that the map keeps */
    MapFlowInterval *intervals;
    size_t n_intervals;
} MapFlowElement;

/* A sequence that runs had. Variants make no versions: their intervals tell when they came and
 * went. */
typedef struct MapFlowVariantLife {
    Str key;       /* variant_take() */
    uint64_t runs; /* of the window and as much before it */
    uint32_t first_minute;
    MapFlowInterval *intervals;
    size_t n_intervals;
} MapFlowVariantLife;

typedef enum MapFlowChangeKind {
    FLOW_CAME,
    FLOW_WENT,
    FLOW_DEPLOYED,
} MapFlowChangeKind;

typedef struct MapFlowChange {
    uint32_t point;
    MapFlowChangeKind kind;
    const MapFlowElement *element; /* came, went */
    bool again;                    /* came: it was there at some time before */
    Str service_id, version;       /* deployed: a service.version that was not seen before */
    NodeKey service;
    uint32_t minute; /* deployed */
} MapFlowChange;

/* From its point until the next version's. */
typedef struct MapFlowVersion {
    uint32_t point;
    uint64_t shape; /* the same for the same steps and transitions */
    uint64_t steps, follows;
    size_t first_change, n_changes; /* what made it, and the deploys since the version before */
} MapFlowVersion;

typedef struct MapFlowPoint {
    uint32_t minute;
    uint64_t runs, failures; /* of runs that began in it */
} MapFlowPoint;

typedef struct MapFlowHistory {
    MapFlowPoint *points;
    size_t n_points;
    MapFlowElement *elements; /* that were there in the window: steps by name, then transitions */
    size_t n_elements;
    MapFlowChange *changes; /* by point; in a point deploys first, then by kind and element */
    size_t n_changes;
    MapFlowVersion *versions; /* the first is the shape at the beginning of the window */
    size_t n_versions;
    uint64_t n_left_out;          /* elements beyond FLOW_HISTORY_ELEMENTS_MAX */
    MapFlowVariantLife *variants; /* that were there in the window, the most frequent first */
    size_t n_variants;
    uint64_t n_variants_left_out; /* rarer than FLOW_HISTORY_VARIANTS_MAX others */
    bool variants_differ;         /* nearly all: none is told */
    uint32_t looked_back_to;      /* minute */
    uint32_t step_minutes;        /* of a point */
} MapFlowHistory;

enum {
    FLOW_HISTORY_POINTS_MAX = 10000,
    FLOW_HISTORY_ELEMENTS_MAX = 2000,
    FLOW_HISTORY_VARIANTS_MAX = 200,
};

/* Deploys of the services that perform a flow's steps: a service.version that was not seen before,
 * where another map than the flow's knows what was seen. */
typedef struct MapDeploy {
    Str service_id, version;
    NodeKey service;
    uint32_t minute;
} MapDeploy;

typedef struct MapFlowHistoryQuestion {
    MapFlowQuestion flow; /* with the window; more than FLOW_HISTORY_POINTS_MAX points are cut */
    uint32_t step_minutes;
    uint32_t complete_to_minute; /* before it everything is known: absences are certain */
    bool has_deploys;            /* those of the window, where the flow's map does not know them */
    const MapDeploy *deploys;
    size_t n_deploys;
} MapFlowHistoryQuestion;

/* Returns 0; MAP_NO_SUCH_NODE when no window has such a flow. In @arena; names live as long as the
 * map. */
MUST_USE int map_flow_history(Map *map, const MapFlowHistoryQuestion *question, Arena *arena,
                              MapFlowHistory *ret_history);

/* The flow is one of @flows, its services' versions are in @labels; those that arrived in the
 * question's window, in no order, in @arena. */
void map_flow_deploys(Map *flows, Map *labels, const MapFlowQuestion *question, Arena *arena,
                      MapDeploy **ret_deploys, size_t *ret_n);
