// SPDX-License-Identifier: Apache-2.0
#include "map/flow/conformance.h"

#include "base/assert.h"

typedef struct Alignment {
    StepSequence expected, actual;
    size_t *places; /* of the actual: where each stood before it was brought into order */
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

/* ---- steps in parallel ---- */

static size_t parallel_place(const ParallelSteps *parallel, Str step)
{
    size_t i = 0;

    while (i < parallel->n && !str_equal(parallel->steps[i], step)) {
        i++;
    }
    return i;
}

static size_t parallel_intern(ParallelSteps *parallel, Str step)
{
    size_t i = parallel_place(parallel, step);

    if (i == parallel->n && i < CONFORMANCE_PARALLEL_MAX) {
        parallel->steps[parallel->n++] = step;
    }
    return i;
}

int parallel_steps_add(ParallelSteps *parallel, Str a, Str b)
{
    size_t i = parallel_intern(parallel, a), k = parallel_intern(parallel, b);

    if (MAX(i, k) >= CONFORMANCE_PARALLEL_MAX) {
        return 1;
    }
    parallel->together[i][k] = parallel->together[k][i] = i != k;
    return 0;
}

/* The actual sequence while it is brought into order. */
typedef struct Ordering {
    const ParallelSteps *parallel;
    StepSequence actual;
    size_t *classes; /* of each step: its place in @parallel, or @parallel's n */
    bool *placed;
    Str *steps; /* in the new order, */
    size_t *places, n;
} Ordering;

static void put(Ordering *ordering, size_t at)
{
    ordering->placed[at] = true;
    ordering->steps[ordering->n] = ordering->actual.steps[at];
    ordering->places[ordering->n++] = at;
}

static bool may_pass(const Ordering *ordering, size_t later, size_t earlier)
{
    size_t a = ordering->classes[later], b = ordering->classes[earlier];

    return a < ordering->parallel->n && b < ordering->parallel->n &&
           ordering->parallel->together[a][b];
}

/* The first step of that name which is not placed yet; *@ret_free: all that is not placed before it
 * lets it pass. The length of the sequence: there is none. */
static size_t find_next(const Ordering *ordering, Str step, bool *ret_free)
{
    size_t at = 0;

    while (at < ordering->actual.n &&
           (ordering->placed[at] || !str_equal(ordering->actual.steps[at], step))) {
        at++;
    }
    *ret_free = at < ordering->actual.n;
    for (size_t k = 0; k < at && *ret_free; k++) {
        *ret_free = ordering->placed[k] || may_pass(ordering, at, k);
    }
    return at;
}

/* Follows the expected sequence: what is free there is taken, what is not there is left out, and
 * what is held up waits for the first that is left. Squares of the length, no more. */
static void bring_into_order(Alignment *alignment, const ParallelSteps *parallel, Arena *arena)
{
    StepSequence expected = alignment->expected, actual = alignment->actual;
    Ordering ordering = {.parallel = parallel,
                         .actual = actual,
                         .classes = ARENA_ARRAY(arena, size_t, actual.n + 1),
                         .placed = ARENA_ARRAY(arena, bool, actual.n + 1),
                         .steps = ARENA_ARRAY(arena, Str, actual.n + 1),
                         .places = alignment->places};
    size_t first = 0, next = 0;

    for (size_t k = 0; k < actual.n; k++) {
        ordering.classes[k] = parallel_place(parallel, actual.steps[k]);
    }
    while (ordering.n < actual.n) {
        bool is_free = false;
        size_t at = next < expected.n ? find_next(&ordering, expected.steps[next], &is_free) : 0;

        if (is_free) {
            put(&ordering, at);
            next++;
        } else if (next < expected.n && at == actual.n) {
            next++;
        } else {
            while (ordering.placed[first]) {
                first++;
            }
            put(&ordering, first);
        }
    }
    alignment->actual.steps = ordering.steps;
}

/* ---- alignment ---- */

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

/* What is not aligned: of the actual by place, then of the expected. */
static size_t deviations_tell(Alignment *alignment, Deviation *deviations)
{
    StepSequence expected = alignment->expected, actual = alignment->actual;
    size_t n = 0;

    for (size_t k = 0; k < actual.n; k++) {
        if (alignment->actual_left[k]) {
            Str step = actual.steps[k];
            DeviationKind kind = take_expected(alignment, step) ? DEVIATION_SWAPPED
                                 : is_expected(expected, step)  ? DEVIATION_REPEATED
                                                                : DEVIATION_INSERTED;

            size_t at = n++;

            for (; at > 0 && deviations[at - 1].at > alignment->places[k]; at--) {
                deviations[at] = deviations[at - 1];
            }
            deviations[at] = (Deviation){kind, step, alignment->places[k]};
        }
    }
    for (size_t i = 0; i < expected.n; i++) {
        if (alignment->expected_left[i]) {
            deviations[n++] = (Deviation){DEVIATION_SKIPPED, expected.steps[i], i};
        }
    }
    return n;
}

int conformance_check(const Expectation *expectation, StepSequence actual, Arena *arena,
                      Deviation **ret_deviations, size_t *ret_n)
{
    StepSequence expected = expectation->sequence;
    Alignment alignment = {.expected = expected, .actual = actual};

    if (expected.n > CONFORMANCE_STEPS_MAX || actual.n > CONFORMANCE_STEPS_MAX) {
        return 1;
    }
    alignment.places = ARENA_ARRAY(arena, size_t, actual.n + 1);
    alignment.expected_left = ARENA_ARRAY(arena, bool, expected.n + 1);
    alignment.actual_left = ARENA_ARRAY(arena, bool, actual.n + 1);
    mem_fill(alignment.expected_left, 1, expected.n);
    mem_fill(alignment.actual_left, 1, actual.n);
    for (size_t k = 0; k < actual.n; k++) {
        alignment.places[k] = k;
    }
    if (expectation->parallel != NULL && expectation->parallel->n > 0) {
        bring_into_order(&alignment, expectation->parallel, arena);
    }
    align(&alignment, arena);
    *ret_deviations = ARENA_ARRAY(arena, Deviation, expected.n + actual.n + 1);
    *ret_n = deviations_tell(&alignment, *ret_deviations);
    return 0;
}
