// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/*
 * How a sequence of steps differs from the expected one: both are aligned along a longest common
 * subsequence. What is left over in both is swapped; what is left of the expected is skipped; what
 * is left of the actual is repeated if the expected has such a step at all, else inserted. Steps
 * that run in parallel may come in any order: the actual sequence is first brought into the
 * expected one's order as far as changing places of parallel neighbours does that. Pure.
 */
typedef enum DeviationKind {
    DEVIATION_SKIPPED,
    DEVIATION_REPEATED,
    DEVIATION_SWAPPED,
    DEVIATION_INSERTED,
} DeviationKind;

typedef struct Deviation {
    DeviationKind kind;
    Str step;
    size_t at; /* place in the actual sequence; skipped: in the expected one */
} Deviation;

typedef struct StepSequence {
    const Str *steps;
    size_t n;
} StepSequence;

enum {
    CONFORMANCE_STEPS_MAX = 256,    /* of either sequence */
    CONFORMANCE_PARALLEL_MAX = 256, /* different steps that run in parallel to another */
};

/* Which steps run in parallel; made once for all sequences that are checked. */
typedef struct ParallelSteps {
    Str steps[CONFORMANCE_PARALLEL_MAX];
    size_t n;
    bool together[CONFORMANCE_PARALLEL_MAX][CONFORMANCE_PARALLEL_MAX];
} ParallelSteps;

/* @parallel starts zeroed. Returns 0; 1 when there are too many: then their order counts. */
int parallel_steps_add(ParallelSteps *parallel, Str a, Str b);

typedef struct Expectation {
    StepSequence sequence;
    const ParallelSteps *parallel; /* NULL: none */
} Expectation;

/* "skipped", "repeated", "swapped", "inserted". */
Str deviation_name(DeviationKind kind);

/* In the arena: those of the actual by place, then the skipped. Returns 0; 1 when either sequence
 * is longer than CONFORMANCE_STEPS_MAX. */
MUST_USE int conformance_check(const Expectation *expectation, StepSequence actual, Arena *arena,
                               Deviation **ret_deviations, size_t *ret_n);
