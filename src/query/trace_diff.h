// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/trace_view.h"

/*
 * Two traces compared: what one does that the other does not, and where the time went. Spans of the
 * same service, name and kind below the same place of the tree are one step; traces differ in how
 * often a step happens, so a step has sums of both.
 */
enum { TRACE_A, TRACE_B, TRACES_COMPARED };

typedef struct TraceStepSide {
    uint64_t n_spans, n_errors;
    uint64_t duration_ns, self_ns, critical_ns; /* sums */
    uint64_t offset_ns;                         /* of its first span from the trace's start */
} TraceStepSide;

/* What differs. A step takes another time when the mean of its durations differs by a quarter of
 * the smaller one and by TRACE_DIFF_MIN_NS. */
typedef enum TraceStepChange {
    TRACE_STEP_SPANS = 1,
    TRACE_STEP_ERRORS = 2,
    TRACE_STEP_DURATION = 4,
} TraceStepChange;

#define TRACE_DIFF_MIN_NS UINT64_C(1000000)

typedef struct TraceStep {
    uint32_t parent; /* index of a step before it; TREE_NONE for roots and orphans */
    uint32_t depth;
    Str service, name;
    SpanKind kind;
    TraceStepSide sides[TRACES_COMPARED]; /* n_spans 0: it is not there */
    unsigned changes;                     /* of TraceStepChange; 0 where a side is missing, too */
} TraceStep;

typedef struct TraceDiff {
    TraceStep *steps; /* depth first, siblings by their offset */
    size_t n_steps;
    size_t n_same, n_changed, n_added, n_removed; /* added: only in b */
} TraceDiff;

/* In @arena; views into both traces. */
void trace_diff(const TraceView *a, const TraceView *b, Arena *arena, TraceDiff *ret_diff);
