// SPDX-License-Identifier: Apache-2.0
#include "query/flow/definition.h"

#include "base/assert.h"
#include "base/buf.h"
#include "codec/hash.h"
#include "query/traceql.h"

/* A step's filter: one set of spans, chosen by what each span says itself. Returns 0 or 1. */
static int compile_step(const FlowStepDefinition *step, Arena *arena, CompiledStep *ret_step,
                        ParseError *ret_error)
{
    TraceQuery query;

    filter_set_init(&ret_step->set, arena);
    ret_step->name = step->name;
    TRY(traceql_parse(step->filter, &ret_step->set, &query, ret_error));
    if (query.needs_trace || query.root->op != SPANSET_FILTER) {
        *ret_error =
            (ParseError){.text = "a step is one filter { … } over what a span says itself"};
        return 1;
    }
    ret_step->filter = query.filter;
    return 0;
}

static int fail_definition(ParseError *error, const char *text)
{
    *error = (ParseError){.text = text};
    return 1;
}

static int check_step(const FlowDefinition *definition, size_t at, ParseError *error)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const FlowStepDefinition *step = &definition->steps[at];
    CompiledStep compiled;

    if (step->name.len == 0 || step->name.len > FLOW_NAME_MAX) {
        return fail_definition(error, "a step has a name of 1 to 256 bytes");
    }
    if (step->filter.len == 0 || step->filter.len > FLOW_FILTER_MAX) {
        return fail_definition(error, "a step has a filter of 1 to 4096 bytes");
    }
    int r = compile_step(step, &arena, &compiled, error);
    filter_set_deinit(&compiled.set);
    return r;
}

int flow_definition_check(const FlowDefinition *definition, size_t *ret_step, ParseError *ret_error)
{
    *ret_step = definition->n_steps;
    if (definition->name.len == 0 || definition->name.len > FLOW_NAME_MAX) {
        return fail_definition(ret_error, "a flow has a name of 1 to 256 bytes");
    }
    if (definition->key.len > FLOW_NAME_MAX) {
        return fail_definition(ret_error,
                               "a key is the name of an attribute, of 256 bytes at most");
    }
    if (definition->within_ns == 0 || definition->within_ns > FLOW_WITHIN_MAX_NS) {
        return fail_definition(ret_error, "spans of a run are within 30 days at most");
    }
    if (definition->n_steps == 0 || definition->n_steps > FLOW_STEPS_MAX) {
        return fail_definition(ret_error, "a flow has 1 to 64 steps");
    }
    for (size_t i = 0; i < definition->n_steps; i++) {
        *ret_step = i;
        TRY(check_step(definition, i, ret_error));
    }
    *ret_step = definition->n_steps;
    return 0;
}

static void append_text(Buf *buf, Str text)
{
    buf_append_format(buf, "%zu:", text.len);
    buf_append_str(buf, text);
}

FlowVersion flow_definition_version(const FlowDefinition *definition)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    append_text(&buf, definition->name);
    append_text(&buf, definition->key);
    for (size_t i = 0; i < definition->n_steps; i++) {
        append_text(&buf, definition->steps[i].name);
        append_text(&buf, definition->steps[i].filter);
    }
    return (FlowVersion){{hash_stable(buf_str(&buf)), hash_stable_seeded(buf_str(&buf), 1)}};
}

void flow_compile(const FlowDefinition *definition, Arena *arena, CompiledFlow *ret_flow)
{
    ParseError error;

    *ret_flow = (CompiledFlow){.definition = definition,
                               .version = flow_definition_version(definition),
                               .steps = ARENA_ARRAY(arena, CompiledStep, definition->n_steps + 1)};
    while (ret_flow->n_steps < definition->n_steps) {
        size_t at = ret_flow->n_steps++;

        ASSERT(compile_step(&definition->steps[at], arena, &ret_flow->steps[at], &error) == 0);
    }
}

void flow_compiled_deinit(CompiledFlow *flow)
{
    for (size_t i = 0; i < flow->n_steps; i++) {
        filter_set_deinit(&flow->steps[i].set);
    }
    flow->n_steps = 0;
}

const CompiledStep *flow_step_of(const CompiledFlow *flow, const Span *span)
{
    for (size_t i = 0; i < flow->n_steps; i++) {
        if (filter_matches(flow->steps[i].filter, span)) {
            return &flow->steps[i];
        }
    }
    return NULL;
}

bool flow_gave_up(const CompiledFlow *flow)
{
    for (size_t i = 0; i < flow->n_steps; i++) {
        if (filter_set_give_ups(&flow->steps[i].set) > 0) {
            return true;
        }
    }
    return false;
}

static const Filter *key_filter(FilterSet *set, const FlowDefinition *definition)
{
    return filter_compare(set, (Filter){.op = FILTER_COMPARE,
                                        .field = FIELD_ATTRIBUTE,
                                        .comparison = COMPARE_EXISTS,
                                        .key = definition->key});
}

void flow_join_filters(CompiledFlow *const *flows, size_t n_flows, Arena *arena, FilterSet *set)
{
    size_t n = 0, n_steps = 0;

    filter_set_init(set, arena);
    for (size_t i = 0; i < n_flows; i++) {
        n_steps += flows[i]->n_steps + 1;
    }
    const Filter **all = ARENA_ARRAY(arena, const Filter *, n_steps + 1);
    for (size_t i = 0; i < n_flows; i++) {
        for (size_t k = 0; k < flows[i]->n_steps; k++) {
            all[n++] = flows[i]->steps[k].filter;
        }
        if (flows[i]->definition->key.len > 0) {
            all[n++] = key_filter(set, flows[i]->definition);
        }
    }
    ASSERT(n > 0);
    const Filter *joined = filter_join(set, FILTER_OR, all, n);
    if (filter_set_finish(set, joined) != 0) {
        ASSERT(filter_set_finish(set, filter_all(set)) == 0);
    }
}
