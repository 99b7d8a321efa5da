// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"
#include "os/clock.h"
#include "store/store.h"

/*
 * Flows that people define over spans that name none: steps are TraceQL span filters, runs are
 * traces, or what an attribute joins. They are evaluated when asked for, over stored spans, as if
 * every span that a step chooses carried coordimap.flow.name, .flow.step and .flow.run_id itself
 * (CONTRACT.md §6): the answers are those of map.h and map/flow/runs.h, from a map of their own.
 *
 * - The first step of the list whose filter matches is the span's.
 * - The run id is the span's value of the key (span attribute, else resource attribute), else that
 *   of the earliest span of its trace which has one, else the trace id.
 */
typedef struct FlowStepDefinition {
    Str name, filter; /* a TraceQL { … } */
} FlowStepDefinition;

typedef struct FlowDefinition {
    Str name;
    Str key;            /* the attribute that joins traces; empty: a run is a trace */
    uint64_t within_ns; /* how far apart spans of a run may be, at most */
    FlowStepDefinition *steps;
    size_t n_steps;
    bool is_configured; /* by the configuration file, not by the page */
} FlowDefinition;

enum {
    FLOW_DEFINITIONS_MAX = 100,
    FLOW_STEPS_MAX = 64,        /* of one definition */
    FLOW_NAME_MAX = 256,        /* bytes, of names and keys */
    FLOW_FILTER_MAX = 4096,     /* bytes of a step's filter */
    FLOW_SPANS_MAX = 1 << 17,   /* step occurrences and spans with a key, of one question */
    FLOW_RUN_TRACES_MAX = 1000, /* read for one run */
};

#define FLOW_WITHIN_DEFAULT_NS (UINT64_C(3600) * 1000000000)
#define FLOW_WITHIN_MAX_NS (UINT64_C(30) * 86400 * 1000000000)

/* Whether it can be evaluated. Returns 0; 1 with what is wrong in @ret_error and the step it is
 * wrong in (its n_steps: in none of them) in @ret_step. */
MUST_USE int flow_definition_check(const FlowDefinition *definition, size_t *ret_step,
                                   ParseError *ret_error);

typedef struct DefinedQuestion {
    Store *store;
    const Clock *clock;
    const FlowDefinition *definitions; /* of different names; all checked */
    size_t n_definitions;
    uint64_t from_ns, to_ns; /* runs that begin in it are whole, as far as within_ns goes */
    uint64_t deadline_ns;    /* monotonic; 0: none */
} DefinedQuestion;

typedef struct DefinedFlows {
    Map *map;         /* of these flows alone; NULL before the evaluation */
    uint64_t spans;   /* that steps chose */
    bool truncated;   /* a limit was met: spans, time, or a pattern that ran away */
    uint64_t from_ns; /* the oldest start that was looked at */
} DefinedFlows;

/* Evaluates over the window, newest hours first. Returns 0, also when truncated, or -errno. */
MUST_USE int defined_flows_evaluate(const DefinedQuestion *question, DefinedFlows *ret_flows);

/* Evaluates the one definition of @question over the traces that the run @run_id may be in, of all
 * time; the window does not matter. */
MUST_USE int defined_flows_run(const DefinedQuestion *question, Str run_id,
                               DefinedFlows *ret_flows);

/* Frees the map, with all that answers from it point to. */
void defined_flows_deinit(DefinedFlows *flows);
