// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/contract.h"
#include "map/map.h"
#include "query/flow/defined_flows.h"

/*
 * What the steps of a defined flow touch (CONTRACT.md §6: every relation is attributed to the
 * nearest enclosing step): the traces of the spans that its steps choose, and those that are
 * downstream of them by links, are given the attributes that the definition says they should have
 * had, and each goes through the contract's own function, whole, beside the traces around it.
 */
typedef struct FlowTouch {
    Str flow, step;     /* key of the flow's node; name */
    Str source, target; /* keys of nodes; a name is resolved when it is asked for */
    Relation relation;
    Rule rule; /* what a name means depends on it */
    uint32_t minute, count;
} FlowTouch;

/* Of one trace, in @arena; @neighbours as contract_contribution() has them. */
void flow_touches_of(const CompiledFlow *flow, const ContractTrace *trace,
                     const ContractTrace *neighbours, size_t n_neighbours, Arena *arena,
                     FlowTouch **ret_touches, size_t *ret_n);

/*
 * What traces touched, kept from question to question by (trace, version), with a stamp that
 * differs when the trace or one around it has changed. Half of the bytes are for what was used
 * since the last turn, half for what was used in the turn before. Thread-safe.
 */
typedef struct FlowTouchMemory FlowTouchMemory;

FlowTouchMemory *flow_touch_memory_new(size_t bytes_max);
FlowTouchMemory *flow_touch_memory_free(FlowTouchMemory *memory);

typedef struct FlowTouchKey {
    TraceId trace_id;
    FlowVersion version;
} FlowTouchKey;

/* Returns whether it is kept; then it is in @arena. */
bool flow_touch_memory_find(FlowTouchMemory *memory, const FlowTouchKey *key, uint64_t stamp,
                            Arena *arena, FlowTouch **ret_touches, size_t *ret_n);
void flow_touch_memory_put(FlowTouchMemory *memory, const FlowTouchKey *key, uint64_t stamp,
                           const FlowTouch *touches, size_t n);
size_t flow_touch_memory_bytes(FlowTouchMemory *memory);

enum {
    FLOW_TOUCH_NEIGHBOURS_MAX = 1024, /* traces around one, the nearest first */
    FLOW_TOUCH_LINKS_MAX = 1 << 20,   /* of the window; beyond it touches are incomplete */
    FLOW_TOUCH_TRACES_MAX = 1 << 17,
    FLOW_TOUCH_BYTES_MAX = 256 << 20, /* of one trace and those around it */
};

typedef struct FlowTouchQuestion {
    const DefinedQuestion *defined; /* of one definition, with wants_traces */
    const DefinedFlows *flows;      /* its evaluation */
    const MapFlowQuestion *asked;
    Map *names;        /* knows what unpaired names mean */
    uint64_t until_ns; /* monotonic: then the rest is left out; 0: never */
} FlowTouchQuestion;

/* As MapFlowAnswer has them, in @arena. *@ret_incomplete: a limit was met, or the time is over;
 * what was found until then is kept, so that asking again goes on. Returns 0 or -errno. */
MUST_USE int flow_touches_ask(const FlowTouchQuestion *question, Arena *arena,
                              MapFlowTouch **ret_touches, size_t *ret_n, bool *ret_incomplete);
