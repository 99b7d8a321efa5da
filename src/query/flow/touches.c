// SPDX-License-Identifier: Apache-2.0
#include "query/flow/touches.h"

#include <stdlib.h>

#include "base/assert.h"

static bool is_of_flow(Str key)
{
    return str_starts_with(key, STR("coordimap.flow."));
}

/* The span as somebody would have instrumented it: of no other flow, and a step where one chooses
 * it. The run does not matter to what is touched. */
static Span give_attributes(const CompiledFlow *flow, const Span *span, Arena *arena)
{
    const CompiledStep *step = flow_step_of(flow, span);
    Attribute *items = ARENA_ARRAY(arena, Attribute, span->attributes.count + 2);
    Span given = *span;
    size_t n = 0;

    for (size_t i = 0; i < span->attributes.count; i++) {
        if (!is_of_flow(span->attributes.items[i].key)) {
            items[n++] = span->attributes.items[i];
        }
    }
    if (step != NULL) {
        items[n++] = (Attribute){STR("coordimap.flow.name"), value_string(flow->definition->name)};
        items[n++] = (Attribute){STR("coordimap.flow.step"), value_string(step->name)};
    }
    given.attributes = (Attributes){items, n};
    return given;
}

static ContractTrace give_trace(const CompiledFlow *flow, const ContractTrace *trace, Arena *arena)
{
    Span *spans = ARENA_ARRAY(arena, Span, trace->n_spans + 1);

    for (size_t i = 0; i < trace->n_spans; i++) {
        spans[i] = give_attributes(flow, &trace->spans[i], arena);
    }
    return (ContractTrace){trace->id, spans, trace->n_spans};
}

static int compare_touches(const void *a, const void *b)
{
    const FlowTouch *left = a;
    const FlowTouch *right = b;
    int order = (left->minute > right->minute) - (left->minute < right->minute);

    order = order != 0 ? order : (int)left->relation - (int)right->relation;
    order = order != 0 ? order : (int)left->rule - (int)right->rule;
    order = order != 0 ? order : str_compare(left->flow, right->flow);
    order = order != 0 ? order : str_compare(left->step, right->step);
    order = order != 0 ? order : str_compare(left->source, right->source);
    return order != 0 ? order : str_compare(left->target, right->target);
}

static size_t add_up(FlowTouch *touches, size_t n)
{
    size_t kept = 0;

    if (n > 1) {
        qsort(touches, n, sizeof(FlowTouch), compare_touches);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && compare_touches(&touches[kept - 1], &touches[i]) == 0) {
            touches[kept - 1].count += touches[i].count;
        } else {
            touches[kept++] = touches[i];
        }
    }
    return kept;
}

void flow_touches_of(const CompiledFlow *flow, const ContractTrace *trace,
                     const ContractTrace *neighbours, size_t n_neighbours, Arena *arena,
                     FlowTouch **ret_touches, size_t *ret_n)
{
    const ContractTrace given = give_trace(flow, trace, arena);
    ContractTrace *around = ARENA_ARRAY(arena, ContractTrace, n_neighbours + 1);
    Deltas deltas = {.arena = arena};
    size_t n = 0;

    for (size_t i = 0; i < n_neighbours; i++) {
        around[i] = give_trace(flow, &neighbours[i], arena);
    }
    contract_contribution(&given, around, n_neighbours, &deltas);
    FlowTouch *touches = ARENA_ARRAY(arena, FlowTouch, deltas.count + 1);
    for (size_t i = 0; i < deltas.count; i++) {
        const Delta *delta = &deltas.items[i];

        if (delta->kind == DELTA_EDGE && delta->flow.len > 0) {
            touches[n++] = (FlowTouch){.flow = delta->flow,
                                       .step = delta->step,
                                       .source = delta->source,
                                       .target = delta->target,
                                       .relation = delta->relation,
                                       .rule = delta->rule,
                                       .minute = delta->minute,
                                       .count = delta->count};
        }
    }
    *ret_touches = touches;
    *ret_n = add_up(touches, n);
}
