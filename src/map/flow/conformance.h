// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/*
 * How a sequence of steps differs from the expected one: both are aligned along a longest common
 * subsequence. What is left over in both is swapped; what is left of the expected is skipped; what
 * is left of the actual is repeated if the expected has such a step at all, else inserted. Pure.
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

enum { CONFORMANCE_STEPS_MAX = 256 }; /* of either */

/* "skipped", "repeated", "swapped", "inserted". */
Str deviation_name(DeviationKind kind);

/* In the arena: those of the actual by place, then the skipped. Returns 0; 1 when either sequence
 * is longer than CONFORMANCE_STEPS_MAX. */
MUST_USE int conformance_check(StepSequence expected, StepSequence actual, Arena *arena,
                               Deviation **ret_deviations, size_t *ret_n);
