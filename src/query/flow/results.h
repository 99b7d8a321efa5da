// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"
#include "os/clock.h"
#include "query/flow/definition.h"

/*
 * Maps made of members of defined flows, shared: a page asks several questions about a window at
 * once, and two questions whose members are the same have the same map. One makes it, the others
 * wait; a few of the last ones stay for questions that come next. Thread-safe.
 */
typedef struct FlowResults FlowResults;

enum {
    FLOW_RESULTS_KEPT = 8,               /* of the last ones ... */
    FLOW_RESULTS_MEMBERS_KEPT = 1 << 15, /* ... as long as they have no more in all: 50 MB */
};

FlowResults *flow_results_new(const Clock *clock);
FlowResults *flow_results_free(FlowResults *results);

typedef struct FlowResult {
    _Atomic int refs;
    FlowVersion content; /* of the members */
    size_t n_members;
    Map *map; /* NULL: it is being made */
    bool failed;
} FlowResult;

enum { FLOW_RESULT_MAKE = 1 };

/*
 * A reference to the result of that content. Returns 0: it has its map; FLOW_RESULT_MAKE: the
 * caller makes it, and says flow_results_made(). Nobody waits longer than until @deadline_ns
 * (monotonic; 0: no end): then the caller makes one of his own.
 */
MUST_USE int flow_results_get(FlowResults *results, FlowVersion content, size_t n_members,
                              uint64_t deadline_ns, FlowResult **ret_result);

/* Takes @map over; NULL: it could not be made. */
void flow_results_made(FlowResults *results, FlowResult *result, Map *map);

/* One that nobody shares, with its map. */
FlowResult *flow_result_new(Map *map);
FlowResult *flow_result_unref(FlowResult *result);

/* Forgets those that nobody uses. */
void flow_results_clear(FlowResults *results);
