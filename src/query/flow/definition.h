// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/filter_build.h"

/*
 * What people define a flow by: a list of steps, each a TraceQL span filter, and an attribute that
 * joins traces.
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
    FLOW_STEPS_MAX = 64,    /* of one definition */
    FLOW_NAME_MAX = 256,    /* bytes, of names and keys */
    FLOW_FILTER_MAX = 4096, /* bytes of a step's filter */
};

#define FLOW_WITHIN_DEFAULT_NS (UINT64_C(3600) * 1000000000)
#define FLOW_WITHIN_MAX_NS (UINT64_C(30) * 86400 * 1000000000)

/* Whether it can be evaluated. Returns 0; 1 with what is wrong in @ret_error and the step it is
 * wrong in (its n_steps: in none of them) in @ret_step. */
MUST_USE int flow_definition_check(const FlowDefinition *definition, size_t *ret_step,
                                   ParseError *ret_error);

/* 128 bits that are equal when definitions choose the same spans for the same steps of the same
 * runs; `within` does not matter to that. For memory only. */
typedef struct FlowVersion {
    uint64_t bits[2];
} FlowVersion;

FlowVersion flow_definition_version(const FlowDefinition *definition);

static inline bool flow_version_equal(FlowVersion a, FlowVersion b)
{
    return a.bits[0] == b.bits[0] && a.bits[1] == b.bits[1];
}

/* A checked definition, ready to be asked; its filters are one thread's at a time. */
typedef struct CompiledStep {
    FilterSet set;
    const Filter *filter;
    Str name;
} CompiledStep;

typedef struct CompiledFlow {
    const FlowDefinition *definition; /* outlives it */
    FlowVersion version;
    CompiledStep *steps;
    size_t n_steps;
} CompiledFlow;

/* Memory in @arena, which outlives it. */
void flow_compile(const FlowDefinition *definition, Arena *arena, CompiledFlow *ret_flow);
void flow_compiled_deinit(CompiledFlow *flow);

/* The step that chooses @span; NULL: none. */
const CompiledStep *flow_step_of(const CompiledFlow *flow, const Span *span);

/* Whether a pattern ran away, so that spans may lack. */
bool flow_gave_up(const CompiledFlow *flow);

/* Makes @set one filter for all spans that matter to one of the flows: steps, and values of keys;
 * all spans when that is too large. Memory in the arena, where the flows' are. */
void flow_join_filters(CompiledFlow *const *flows, size_t n_flows, Arena *arena, FilterSet *set);
