// SPDX-License-Identifier: Apache-2.0
#include "query/defined_flows.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/memory.h"
#include "map/contract.h"
#include "map/flow/runs.h"
#include "query/traceql.h"

/*
 * Each span that a step chooses is given the attributes that the definition says it should have had
 * and goes through the contract's own function, alone: its member is the one that real attributes
 * would have made. Members become runs and sums in a map that lives for one question, so all that
 * can be asked of a flow can be asked of a defined one.
 */
enum {
    STOP = 1, /* of a scan: a limit is met */
    LOOKS_PER_CLOCK = 1024,
    SLICES_MAX = 256,
    APPLIED_AT_ONCE = 4096, /* members */
};

#define SLICE_NS (UINT64_C(3600) * 1000000000)

typedef struct CompiledStep {
    FilterSet set;
    const Filter *filter;
    Str name;
} CompiledStep;

/* The key that a trace's earliest span with one has. */
typedef struct TraceKey {
    TraceId trace_id;
    SpanId span_id;
    uint64_t start_ns;
    Str value;
} TraceKey;

typedef struct CompiledFlow {
    const FlowDefinition *definition;
    CompiledStep *steps;
    size_t n_steps;
    Table keys; /* of TraceKey */
} CompiledFlow;

/* What a span adds. */
typedef struct Found {
    Member member;
    uint32_t flow;
} Found;

typedef struct Evaluation {
    const DefinedQuestion *question;
    CompiledFlow *flows;
    size_t n_flows;
    FilterSet any; /* matches what some flow wants */
    Arena arena;   /* filters, values of keys */
    Arena scratch; /* of one span */
    Symbols names; /* keys of nodes, steps */
    Found *found;
    size_t n_found, capacity;
    uint64_t n_keys, looks;
    bool truncated;
} Evaluation;

/* ---- definitions ---- */

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

/* ---- an evaluation ---- */

static void compile_flow(Evaluation *evaluation, const FlowDefinition *definition)
{
    CompiledFlow *flow = &evaluation->flows[evaluation->n_flows++];
    ParseError error;

    flow->definition = definition;
    flow->steps = ARENA_ARRAY(&evaluation->arena, CompiledStep, definition->n_steps + 1);
    table_init(&flow->keys, sizeof(TraceKey), TRACE_ID_SIZE);
    while (flow->n_steps < definition->n_steps) {
        size_t at = flow->n_steps++;

        ASSERT(compile_step(&definition->steps[at], &evaluation->arena, &flow->steps[at], &error) ==
               0);
    }
}

static const Filter *key_filter(Evaluation *evaluation, const FlowDefinition *definition)
{
    return filter_compare(&evaluation->any, (Filter){.op = FILTER_COMPARE,
                                                     .field = FIELD_ATTRIBUTE,
                                                     .comparison = COMPARE_EXISTS,
                                                     .key = definition->key});
}

/* What the store is asked for; all spans when that is too large for a filter. */
static void join_filters(Evaluation *evaluation, size_t n_steps)
{
    const Filter **all = ARENA_ARRAY(&evaluation->arena, const Filter *, n_steps + 1);
    size_t n = 0;

    filter_set_init(&evaluation->any, &evaluation->arena);
    for (size_t i = 0; i < evaluation->n_flows; i++) {
        const CompiledFlow *flow = &evaluation->flows[i];

        for (size_t k = 0; k < flow->n_steps; k++) {
            all[n++] = flow->steps[k].filter;
        }
        if (flow->definition->key.len > 0) {
            all[n++] = key_filter(evaluation, flow->definition);
        }
    }
    const Filter *joined = filter_join(&evaluation->any, FILTER_OR, all, n);
    if (filter_set_finish(&evaluation->any, joined) != 0) {
        ASSERT(filter_set_finish(&evaluation->any, filter_all(&evaluation->any)) == 0);
    }
}

static void evaluation_init(Evaluation *evaluation, const DefinedQuestion *question)
{
    size_t n = 0;

    *evaluation = (Evaluation){.question = question};
    evaluation->flows = ARENA_ARRAY(&evaluation->arena, CompiledFlow, question->n_definitions + 1);
    for (size_t i = 0; i < question->n_definitions; i++) {
        compile_flow(evaluation, &question->definitions[i]);
        n += question->definitions[i].n_steps + 1;
    }
    join_filters(evaluation, n);
}

static void evaluation_deinit(Evaluation *evaluation)
{
    for (size_t i = 0; i < evaluation->n_flows; i++) {
        CompiledFlow *flow = &evaluation->flows[i];

        for (size_t k = 0; k < flow->n_steps; k++) {
            filter_set_deinit(&flow->steps[k].set);
        }
        table_deinit(&flow->keys);
    }
    filter_set_deinit(&evaluation->any);
    symbols_deinit(&evaluation->names);
    arena_deinit(&evaluation->arena);
    arena_deinit(&evaluation->scratch);
    mem_free(evaluation->found);
}

static bool is_late(const Evaluation *evaluation)
{
    const DefinedQuestion *question = evaluation->question;

    return question->deadline_ns != 0 &&
           clock_monotonic_ns(question->clock) >= question->deadline_ns;
}

/* ---- spans ---- */

/* The span's value of the key; empty: none. Lives as long as the scratch or the span. */
static Str key_of(Evaluation *evaluation, const FlowDefinition *definition, const Span *span)
{
    const Value *value = attributes_find(span->attributes, definition->key);

    if (value == NULL || value_is_absent(value)) {
        value = attributes_find(span->resource->attributes, definition->key);
    }
    return value == NULL || value_is_absent(value) ? (Str){0}
                                                   : value_text(value, &evaluation->scratch);
}

static void note_key(Evaluation *evaluation, CompiledFlow *flow, const Span *span, Str value)
{
    bool is_new;
    TraceKey *key = table_put(&flow->keys, span->trace_id.bytes, &is_new);

    if (!is_new &&
        (key->start_ns < span->start_ns ||
         (key->start_ns == span->start_ns && span_id_compare(key->span_id, span->span_id) <= 0))) {
        return;
    }
    key->start_ns = span->start_ns;
    key->span_id = span->span_id;
    if (!str_equal(key->value, value)) {
        key->value = arena_copy(&evaluation->arena, value);
        evaluation->n_keys++;
    }
}

static Str keep_name(Evaluation *evaluation, Str name)
{
    return symbols_get(&evaluation->names, symbols_intern(&evaluation->names, name));
}

/* The span with the attributes it should have had, read by the contract. */
static void add_found(Evaluation *evaluation, uint32_t flow, const Span *span, Str step, Str run_id)
{
    const FlowDefinition *definition = evaluation->flows[flow].definition;
    const Value *service = attributes_find(span->attributes, STR("service.name"));
    Attribute attributes[4] = {
        {STR("coordimap.flow.name"), value_string(definition->name)},
        {STR("coordimap.flow.step"), value_string(step)},
        {STR("coordimap.flow.run_id"), value_string(run_id)}, /* an empty one is none */
    };
    Members members = {.arena = &evaluation->scratch};
    Deltas deltas = {.arena = &evaluation->scratch, .members = &members};
    Span alone = *span;
    const ContractTrace trace = {span->trace_id, &alone, 1};

    if (service != NULL) {
        attributes[3] = (Attribute){STR("service.name"), *service};
    }
    alone.attributes = (Attributes){attributes, service != NULL ? 4 : 3};
    alone.parent_span_id = (SpanId){0};
    alone.n_events = alone.n_links = 0;
    contract_contribution(&trace, NULL, 0, &deltas);
    ASSERT(members.count == 1);
    ARRAY_RESERVE(evaluation->found, evaluation->n_found, evaluation->capacity);
    Found *found = &evaluation->found[evaluation->n_found++];
    *found = (Found){.member = members.items[0], .flow = flow};
    found->member.flow = keep_name(evaluation, found->member.flow);
    found->member.step = keep_name(evaluation, found->member.step);
    found->member.service = keep_name(evaluation, found->member.service);
    found->member.run_id = arena_copy(&evaluation->arena, found->member.run_id);
}

static void take_span(Evaluation *evaluation, uint32_t at, const Span *span)
{
    CompiledFlow *flow = &evaluation->flows[at];
    Str key = {0};

    if (flow->definition->key.len > 0) {
        key = key_of(evaluation, flow->definition, span);
        if (key.len > 0) {
            note_key(evaluation, flow, span, key);
        }
    }
    for (size_t i = 0; i < flow->n_steps; i++) {
        if (filter_matches(flow->steps[i].filter, span)) {
            add_found(evaluation, at, span, flow->steps[i].name, key);
            break;
        }
    }
}

static int visit_span(void *context, const Span *span)
{
    Evaluation *evaluation = context;

    if (evaluation->n_found + evaluation->n_keys >= FLOW_SPANS_MAX ||
        (++evaluation->looks % LOOKS_PER_CLOCK == 0 && is_late(evaluation))) {
        evaluation->truncated = true;
        return STOP;
    }
    for (uint32_t i = 0; i < evaluation->n_flows; i++) {
        take_span(evaluation, i, span);
    }
    arena_reset(&evaluation->scratch);
    return 0;
}

/* ---- runs ---- */

/* A span without a key of its own has its trace's. */
static void join_by_trace(Evaluation *evaluation)
{
    for (size_t i = 0; i < evaluation->n_found; i++) {
        Member *member = &evaluation->found[i].member;
        const CompiledFlow *flow = &evaluation->flows[evaluation->found[i].flow];
        const TraceKey *key =
            member->no_run_id ? table_find(&flow->keys, member->trace_id.bytes) : NULL;

        if (key != NULL) {
            member->run_id = key->value;
            member->no_run_id = false;
        }
    }
}

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

static int compare_identity(const Found *a, const Found *b)
{
    int order = ORDER(a->flow, b->flow);

    order = order != 0 ? order : trace_id_compare(a->member.trace_id, b->member.trace_id);
    order = order != 0 ? order : span_id_compare(a->member.span_id, b->member.span_id);
    return order != 0 ? order : ORDER(a->member.client, b->member.client);
}

/* Of an identity the one that counts first (§1), as far as members tell. */
static int compare_found(const void *a, const void *b)
{
    const Found *left = a;
    const Found *right = b;
    int order = compare_identity(left, right);

    order = order != 0 ? order : ORDER(right->member.end_ns, left->member.end_ns);
    order = order != 0 ? order : ORDER(right->member.start_ns, left->member.start_ns);
    order = order != 0 ? order : ORDER(left->member.failed, right->member.failed);
    order = order != 0 ? order : str_compare(left->member.step, right->member.step);
    return order != 0 ? order : str_compare(left->member.run_id, right->member.run_id);
}

/* Each identity once: a scan may show resends. Returns how many are left. */
static size_t leave_one_each(Found *found, size_t n)
{
    size_t kept = 0;

    if (n > 1) {
        qsort(found, n, sizeof(Found), compare_found);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || compare_identity(&found[kept - 1], &found[i]) != 0) {
            found[kept++] = found[i];
        }
    }
    return kept;
}

/* Some members at a time, so that what they change on the map need not all be held at once. */
static int apply(Map *map, const Found *found, size_t n)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Members none = {.arena = &arena};
    Members members = {.arena = &arena};
    Deltas minus = {.arena = &arena};
    Deltas plus = {.arena = &arena};

    for (size_t i = 0; i < n; i++) {
        *members_add(&members) = found[i].member;
    }
    TRY(runs_prepare(map_runs(map), &none, &members, &minus, &plus));
    runs_commit(map_runs(map));
    map_apply(map, &minus, -1);
    map_apply(map, &plus, 1);
    return 0;
}

static int evaluation_finish(Evaluation *evaluation, DefinedFlows *flows)
{
    const MapOptions options = {0};

    join_by_trace(evaluation);
    evaluation->n_found = leave_one_each(evaluation->found, evaluation->n_found);
    flows->map = map_new(&options);
    flows->spans = evaluation->n_found;
    flows->truncated = evaluation->truncated;
    for (size_t i = 0; i < evaluation->n_flows; i++) {
        for (size_t k = 0; k < evaluation->flows[i].n_steps; k++) {
            flows->truncated |= filter_set_give_ups(&evaluation->flows[i].steps[k].set) > 0;
        }
    }
    for (size_t at = 0; at < evaluation->n_found; at += APPLIED_AT_ONCE) {
        TRY(apply(flows->map, &evaluation->found[at],
                  MIN(evaluation->n_found - at, (size_t)APPLIED_AT_ONCE)));
    }
    return 0;
}

/* ---- questions ---- */

/* The times that are looked at: the window, what runs reach around it, and what there is. */
static void period_of(const DefinedQuestion *question, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    StoreStatus status = {0};
    uint64_t reach = 0;

    for (size_t i = 0; i < question->n_definitions; i++) {
        reach = MAX(reach, question->definitions[i].within_ns);
    }
    store_status(question->store, &status);
    *ret_from_ns = question->from_ns > reach ? question->from_ns - reach : 0;
    *ret_from_ns = MAX(*ret_from_ns, status.oldest_ns);
    *ret_to_ns = question->to_ns < UINT64_MAX - reach ? question->to_ns + reach : UINT64_MAX;
    *ret_to_ns =
        MIN(*ret_to_ns, status.newest_ns == UINT64_MAX ? UINT64_MAX : status.newest_ns + 1);
}

/* Newest slices first, so that what a limit leaves out is the oldest. */
static int scan_period(Evaluation *evaluation, uint64_t from_ns, uint64_t to_ns,
                       uint64_t *ret_from_ns)
{
    uint64_t slice = to_ns > from_ns ? MAX(SLICE_NS, (to_ns - from_ns) / SLICES_MAX + 1) : SLICE_NS;
    int result = 0;

    *ret_from_ns = to_ns;
    while (to_ns > from_ns && result == 0 && !evaluation->truncated) {
        uint64_t start = to_ns - from_ns > slice ? to_ns - slice : from_ns;

        result = store_scan(evaluation->question->store, evaluation->any.root, start, to_ns,
                            visit_span, evaluation);
        *ret_from_ns = result == 0 ? start : to_ns;
        to_ns = start;
        evaluation->truncated |= to_ns > from_ns && is_late(evaluation);
    }
    return result == STOP ? 0 : result;
}

int defined_flows_evaluate(const DefinedQuestion *question, DefinedFlows *ret_flows)
{
    CLEANUP(evaluation_deinit) Evaluation evaluation;
    uint64_t from_ns = 0, to_ns = 0;

    evaluation_init(&evaluation, question);
    *ret_flows = (DefinedFlows){0};
    period_of(question, &from_ns, &to_ns);
    if (question->n_definitions > 0) {
        TRY(scan_period(&evaluation, from_ns, to_ns, &ret_flows->from_ns));
    }
    return evaluation_finish(&evaluation, ret_flows);
}

/* Traces with a span that has the key, each once. */
typedef struct TraceSet {
    Table traces; /* of TraceId */
    bool full;
} TraceSet;

static int visit_trace(void *context, const Span *span)
{
    TraceSet *set = context;

    if (set->traces.n_records >= FLOW_RUN_TRACES_MAX) {
        set->full = true;
        return STOP;
    }
    table_put(&set->traces, span->trace_id.bytes, NULL);
    return 0;
}

static int find_traces(Evaluation *evaluation, Str run_id, TraceSet *set)
{
    const DefinedQuestion *question = evaluation->question;
    const Filter with_key = {.op = FILTER_COMPARE,
                             .field = FIELD_ATTRIBUTE,
                             .comparison = COMPARE_EQUAL_TEXT,
                             .key = question->definitions[0].key,
                             .operand = value_string(run_id)};
    TraceId trace_id;

    if (run_id.len == 2 * TRACE_ID_SIZE && trace_id_parse(run_id, &trace_id) == 0) {
        table_put(&set->traces, trace_id.bytes, NULL);
    }
    if (with_key.key.len > 0) {
        int result = store_scan(question->store, &with_key, 0, UINT64_MAX, visit_trace, set);

        evaluation->truncated |= set->full;
        return result == STOP ? 0 : result;
    }
    return 0;
}

static int read_traces(Evaluation *evaluation, const TraceSet *set)
{
    for (size_t i = 0; i < set->traces.n_records && !evaluation->truncated; i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        Span *spans = NULL;
        size_t n = 0;
        TraceId id;

        mem_copy(id.bytes, table_at(&set->traces, i), TRACE_ID_SIZE);
        TRY(store_read_trace(evaluation->question->store, id, STORE_ALL, &arena, &spans, &n));
        for (size_t k = 0; k < n && visit_span(evaluation, &spans[k]) == 0; k++) {
        }
        evaluation->truncated |= is_late(evaluation);
    }
    return 0;
}

int defined_flows_run(const DefinedQuestion *question, Str run_id, DefinedFlows *ret_flows)
{
    CLEANUP(evaluation_deinit) Evaluation evaluation;
    TraceSet set = {0};

    ASSERT(question->n_definitions == 1);
    *ret_flows = (DefinedFlows){0};
    evaluation_init(&evaluation, question);
    table_init(&set.traces, TRACE_ID_SIZE, TRACE_ID_SIZE);
    int result = find_traces(&evaluation, run_id, &set);
    result = result != 0 ? result : read_traces(&evaluation, &set);
    table_deinit(&set.traces);
    return result != 0 ? result : evaluation_finish(&evaluation, ret_flows);
}

void defined_flows_deinit(DefinedFlows *flows)
{
    flows->map = map_free(flows->map);
}
