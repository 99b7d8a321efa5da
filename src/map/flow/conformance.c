// SPDX-License-Identifier: Apache-2.0
#include "map/flow/conformance.h"

#include "base/assert.h"

typedef struct Alignment {
    StepSequence expected, actual;
    bool *expected_left, *actual_left; /* by place: not aligned, and not explained yet */
} Alignment;

Str deviation_name(DeviationKind kind)
{
    static const Str names[] = {[DEVIATION_SKIPPED] = STR("skipped"),
                                [DEVIATION_REPEATED] = STR("repeated"),
                                [DEVIATION_SWAPPED] = STR("swapped"),
                                [DEVIATION_INSERTED] = STR("inserted")};

    ASSERT((size_t)kind < ARRAY_LEN(names));
    return names[kind];
}

/* length[i][k]: of the longest common subsequence of expected from i and actual from k. */
static void align(Alignment *alignment, Arena *arena)
{
    StepSequence expected = alignment->expected;
    StepSequence actual = alignment->actual;
    size_t width = actual.n + 1;
    uint16_t *length = ARENA_ARRAY(arena, uint16_t, (expected.n + 1) * width);

    for (size_t i = expected.n; i-- > 0;) {
        for (size_t k = actual.n; k-- > 0;) {
            uint16_t *at = &length[i * width + k];

            *at = str_equal(expected.steps[i], actual.steps[k]) ? (uint16_t)(at[width + 1] + 1)
                  : at[width] > at[1]                           ? at[width]
                                                                : at[1];
        }
    }
    for (size_t i = 0, k = 0; i < expected.n && k < actual.n;) {
        const uint16_t *at = &length[i * width + k];

        if (str_equal(expected.steps[i], actual.steps[k])) {
            alignment->expected_left[i++] = false;
            alignment->actual_left[k++] = false;
        } else if (at[width] > at[1]) {
            i++;
        } else {
            k++;
        }
    }
}

/* Takes an unexplained expected step of that name away. */
static bool take_expected(Alignment *alignment, Str step)
{
    for (size_t i = 0; i < alignment->expected.n; i++) {
        if (alignment->expected_left[i] && str_equal(alignment->expected.steps[i], step)) {
            alignment->expected_left[i] = false;
            return true;
        }
    }
    return false;
}

static bool is_expected(StepSequence expected, Str step)
{
    for (size_t i = 0; i < expected.n; i++) {
        if (str_equal(expected.steps[i], step)) {
            return true;
        }
    }
    return false;
}

int conformance_check(StepSequence expected, StepSequence actual, Arena *arena,
                      Deviation **ret_deviations, size_t *ret_n)
{
    Alignment alignment = {.expected = expected, .actual = actual};
    Deviation *deviations = ARENA_ARRAY(arena, Deviation, expected.n + actual.n + 1);
    size_t n = 0;

    if (expected.n > CONFORMANCE_STEPS_MAX || actual.n > CONFORMANCE_STEPS_MAX) {
        return 1;
    }
    alignment.expected_left = ARENA_ARRAY(arena, bool, expected.n + 1);
    alignment.actual_left = ARENA_ARRAY(arena, bool, actual.n + 1);
    mem_fill(alignment.expected_left, 1, expected.n);
    mem_fill(alignment.actual_left, 1, actual.n);
    align(&alignment, arena);
    for (size_t k = 0; k < actual.n; k++) {
        if (alignment.actual_left[k]) {
            Str step = actual.steps[k];
            DeviationKind kind = take_expected(&alignment, step) ? DEVIATION_SWAPPED
                                 : is_expected(expected, step)   ? DEVIATION_REPEATED
                                                                 : DEVIATION_INSERTED;

            deviations[n++] = (Deviation){kind, step, k};
        }
    }
    for (size_t i = 0; i < expected.n; i++) {
        if (alignment.expected_left[i]) {
            deviations[n++] = (Deviation){DEVIATION_SKIPPED, expected.steps[i], i};
        }
    }
    *ret_deviations = deviations;
    *ret_n = n;
    return 0;
}
