// SPDX-License-Identifier: Apache-2.0
#include "query/trace_diff.h"

#include <stdlib.h>

#include "base/map.h"

/*
 * Both trees are folded into one: a step is known by its parent step and what its spans are called.
 * Trees list parents before children, so that a span's parent has its step already. Order and depth
 * come last, without recursion: a trace may be one chain of all its spans.
 */

/* Its first four fields are the key. */
typedef struct Step {
    uint32_t parent, service, name, kind;
    TraceStepSide sides[TRACES_COMPARED];
    uint32_t first_child, next_sibling;
} Step;

typedef struct Fold {
    Table steps;
    Symbols texts;
} Fold;

static uint32_t step_of(Fold *fold, const TraceView *view, uint32_t span, const uint32_t *step_ids)
{
    uint32_t parent = view->tree.nodes[span].parent;
    const uint32_t key[4] = {parent == TREE_NONE ? TREE_NONE : step_ids[parent],
                             symbols_intern(&fold->texts, view->services[span]),
                             symbols_intern(&fold->texts, view->tree.spans[span].name),
                             view->tree.spans[span].kind};
    Step *step = table_put(&fold->steps, key, NULL);

    return (uint32_t)(((uint8_t *)step - fold->steps.records) / sizeof(Step));
}

static void add_span(TraceStepSide *side, const TraceView *view, uint32_t span)
{
    const Span *own = &view->tree.spans[span];
    uint64_t offset_ns = own->start_ns - view->summary.start_ns;

    side->offset_ns = side->n_spans == 0 ? offset_ns : MIN(side->offset_ns, offset_ns);
    side->n_spans++;
    side->n_errors += own->status_code == STATUS_ERROR;
    side->duration_ns += span_duration_ns(own);
    side->self_ns += view->analysis[span].self_ns;
    side->critical_ns += view->analysis[span].critical_ns;
}

static void fold_trace(Fold *fold, const TraceView *view, unsigned which, Arena *arena)
{
    uint32_t *step_ids = ARENA_ARRAY(arena, uint32_t, view->tree.n_spans);

    for (uint32_t i = 0; i < view->tree.n_spans; i++) {
        uint32_t span = view->tree.order[i];

        step_ids[span] = step_of(fold, view, span, step_ids);
        Step *step = table_at(&fold->steps, step_ids[span]);
        add_span(&step->sides[which], view, span);
    }
}

static uint64_t offset_of(const Step *step)
{
    const TraceStepSide *a = &step->sides[TRACE_A], *b = &step->sides[TRACE_B];

    return a->n_spans == 0 ? b->offset_ns : a->offset_ns;
}

/* Later siblings first: each is then put before those that were. */
static int later_first(const void *left, const void *right)
{
    const Step *a = *(const Step *const *)left, *b = *(const Step *const *)right;
    uint64_t x = offset_of(a), y = offset_of(b);

    return x != y ? (x < y ? 1 : -1) : (a < b) - (a > b);
}

/* Chains siblings; returns the first root. */
static uint32_t chain(Fold *fold, Arena *arena)
{
    size_t n = fold->steps.n_records;
    Step **sorted = ARENA_ARRAY(arena, Step *, n + 1);
    uint32_t first = TREE_NONE;

    for (size_t i = 0; i < n; i++) {
        sorted[i] = table_at(&fold->steps, i);
        sorted[i]->first_child = TREE_NONE;
    }
    qsort(sorted, n, sizeof(Step *), later_first);
    for (size_t i = 0; i < n; i++) {
        Step *parent =
            sorted[i]->parent == TREE_NONE ? NULL : table_at(&fold->steps, sorted[i]->parent);
        uint32_t *head = parent == NULL ? &first : &parent->first_child;

        sorted[i]->next_sibling = *head;
        *head = (uint32_t)(((uint8_t *)sorted[i] - fold->steps.records) / sizeof(Step));
    }
    return first;
}

static bool is_other_time(const TraceStepSide *a, const TraceStepSide *b)
{
    uint64_t x = a->duration_ns / a->n_spans, y = b->duration_ns / b->n_spans;
    uint64_t smaller = MIN(x, y), difference = MAX(x, y) - smaller;

    return difference >= TRACE_DIFF_MIN_NS && difference >= smaller / 4;
}

static unsigned changes_of(const Step *step)
{
    const TraceStepSide *a = &step->sides[TRACE_A], *b = &step->sides[TRACE_B];

    if (a->n_spans == 0 || b->n_spans == 0) {
        return 0;
    }
    return (a->n_spans != b->n_spans ? TRACE_STEP_SPANS : 0U) |
           (a->n_errors != b->n_errors ? TRACE_STEP_ERRORS : 0U) |
           (is_other_time(a, b) ? TRACE_STEP_DURATION : 0U);
}

static void count(TraceDiff *diff, const TraceStep *step)
{
    diff->n_removed += step->sides[TRACE_B].n_spans == 0;
    diff->n_added += step->sides[TRACE_A].n_spans == 0;
    diff->n_changed += step->changes != 0;
    diff->n_same = diff->n_steps - diff->n_removed - diff->n_added - diff->n_changed;
}

/* Appends the step; @places tells where each step of the fold is among those. */
static void append(const Fold *fold, uint32_t id, uint32_t *places, TraceDiff *diff, Arena *arena)
{
    const Step *step = table_at(&fold->steps, id);
    TraceStep *made = &diff->steps[diff->n_steps];
    uint32_t parent = step->parent == TREE_NONE ? TREE_NONE : places[step->parent];

    *made = (TraceStep){
        .parent = parent,
        .depth = parent == TREE_NONE ? 0 : diff->steps[parent].depth + 1,
        .service = arena_copy(arena, symbols_get(&fold->texts, step->service)),
        .name = arena_copy(arena, symbols_get(&fold->texts, step->name)),
        .kind = (SpanKind)step->kind,
        .sides = {step->sides[TRACE_A], step->sides[TRACE_B]},
        .changes = changes_of(step),
    };
    places[id] = (uint32_t)diff->n_steps++;
    count(diff, made);
}

static uint32_t step_after(const Fold *fold, uint32_t id)
{
    const Step *step = table_at(&fold->steps, id);

    if (step->first_child != TREE_NONE) {
        return step->first_child;
    }
    while (step->next_sibling == TREE_NONE && step->parent != TREE_NONE) {
        step = table_at(&fold->steps, step->parent);
    }
    return step->next_sibling;
}

void trace_diff(const TraceView *a, const TraceView *b, Arena *arena, TraceDiff *ret_diff)
{
    TraceDiff diff = {0};
    Fold fold = {0};

    table_init(&fold.steps, sizeof(Step), 4 * sizeof(uint32_t));
    fold_trace(&fold, a, TRACE_A, arena);
    fold_trace(&fold, b, TRACE_B, arena);
    diff.steps = ARENA_ARRAY(arena, TraceStep, fold.steps.n_records + 1);
    uint32_t *places = ARENA_ARRAY(arena, uint32_t, fold.steps.n_records + 1);
    for (uint32_t id = chain(&fold, arena); id != TREE_NONE; id = step_after(&fold, id)) {
        append(&fold, id, places, &diff, arena);
    }
    table_deinit(&fold.steps);
    symbols_deinit(&fold.texts);
    *ret_diff = diff;
}
