// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/flow/cache.h"
#include "query/flow/results.h"

/*
 * Flows that people define over spans that name none. They are evaluated when asked for, over
 * stored spans, as if every span that a step chooses carried coordimap.flow.name, .flow.step and
 * .flow.run_id itself (CONTRACT.md §6): the answers are those of map.h and map/flow/runs.h, from a
 * map of their own. What blocks hold is read once and kept (flow/cache.h); the head is read with
 * every question.
 */
enum {
    FLOW_SPANS_MAX = 1 << 17,   /* step occurrences of one question */
    FLOW_RUN_TRACES_MAX = 1000, /* read for one run */
};

/* What questions share; thread-safe. */
typedef struct FlowMemory {
    FlowCache *cache;
    FlowResults *results;
    FlowCache *links; /* of blocks, for touches: apart, so that they take no room from members */
    struct FlowTouchMemory *touches;
} FlowMemory;

/* Of @bytes_max for what blocks hold; 0: nothing is kept. */
FlowMemory *flow_memory_new(size_t bytes_max, const Clock *clock);
FlowMemory *flow_memory_free(FlowMemory *memory);

typedef struct DefinedQuestion {
    Store *store;
    const Clock *clock;
    FlowMemory *memory;                /* NULL: nothing is kept or shared */
    const FlowDefinition *definitions; /* of different names; all checked */
    size_t n_definitions;
    uint64_t from_ns, to_ns; /* runs that begin in it are whole, as far as within_ns goes */
    uint64_t deadline_ns;    /* monotonic; 0: none */
    bool wants_traces;       /* for flow_touches_ask() */
} DefinedQuestion;

typedef struct DefinedFlows {
    Map *map;         /* of these flows alone; NULL before the evaluation */
    uint64_t spans;   /* that steps chose */
    bool truncated;   /* a limit was met: spans, time, or a pattern that ran away */
    uint64_t from_ns; /* the oldest start that was looked at */
    FlowResult *result;
    TraceId *traces; /* of these spans, each once, the newest first; NULL unless wanted */
    size_t n_traces;
} DefinedFlows;

/* Evaluates over the window, newest blocks first. Returns 0, also when truncated, or -errno. */
MUST_USE int defined_flows_evaluate(const DefinedQuestion *question, DefinedFlows *ret_flows);

/* Evaluates the one definition of @question over the traces that the run @run_id may be in, of all
 * time; the window does not matter. */
MUST_USE int defined_flows_run(const DefinedQuestion *question, Str run_id,
                               DefinedFlows *ret_flows);

/* Lets go of the map, and of all that answers from it point to. */
void defined_flows_deinit(DefinedFlows *flows);
