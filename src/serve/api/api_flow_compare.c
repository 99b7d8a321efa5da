// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>

#include "codec/hash.h"
#include "map/answer/significance.h"
#include "map/flow/conformance.h"
#include "serve/api/api_flows.h"
#include "serve/api/api_traces.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"

/* Two windows of a flow against each other. */

static void number_write(JsonWriter *json, const char *key, double value)
{
    json_key(json, str_from_cstr(key));
    json_double(json, value);
}

/* What a window says of one step, transition or variant. */
typedef struct Fact {
    Str names[2]; /* what it is told by, and the order */
    uint64_t runs, count, errors;
    const MapDuration *duration;
    StepSequence sequence; /* variants */
    Str key;
} Fact;

typedef struct Facts {
    Fact *items;
    size_t n;
    uint64_t runs; /* of the flow */
} Facts;

static int compare_facts(const void *a, const void *b)
{
    const Fact *left = a;
    const Fact *right = b;
    int order = str_compare(left->names[0], right->names[0]);

    return order != 0 ? order : str_compare(left->names[1], right->names[1]);
}

static Facts step_facts(const MapFlowAnswer *flow, Arena *arena)
{
    Facts facts = {ARENA_ARRAY(arena, Fact, flow->n_steps + 1), flow->n_steps, flow->flow.runs};

    for (size_t i = 0; i < flow->n_steps; i++) {
        const MapFlowStep *step = &flow->steps[i];

        facts.items[i] = (Fact){.names = {step->name},
                                .runs = step->runs,
                                .count = step->count,
                                .errors = step->errors,
                                .duration = &step->duration};
    }
    return facts;
}

static Facts follow_facts(const MapFlowAnswer *flow, Arena *arena)
{
    Facts facts = {ARENA_ARRAY(arena, Fact, flow->n_follows + 1), flow->n_follows, flow->flow.runs};

    for (size_t i = 0; i < flow->n_follows; i++) {
        const MapFlowNext *next = &flow->follows[i];

        facts.items[i] = (Fact){.names = {next->from, next->to},
                                .runs = next->runs,
                                .count = next->count,
                                .duration = &next->wait};
    }
    return facts;
}

static Facts variant_facts(const MapFlowAnswer *flow, Arena *arena)
{
    Facts facts = {ARENA_ARRAY(arena, Fact, flow->n_variants + 1), flow->n_variants,
                   flow->flow.runs};

    for (size_t i = 0; i < flow->n_variants; i++) {
        const MapFlowVariant *variant = &flow->variants[i];

        facts.items[i] = (Fact){.names = {variant->key},
                                .runs = variant->runs,
                                .count = variant->runs,
                                .errors = variant->failures,
                                .duration = &variant->duration,
                                .sequence = {variant->steps, variant->n_steps},
                                .key = variant->key};
    }
    if (facts.n > 1) {
        qsort(facts.items, facts.n, sizeof(Fact), compare_facts);
    }
    return facts;
}

typedef enum FactKind { FACT_STEP, FACT_FOLLOW, FACT_VARIANT } FactKind;

static void fact_names_write(JsonWriter *json, FactKind kind, const Fact *fact)
{
    if (kind == FACT_STEP) {
        json_key_string(json, "name", fact->names[0]);
    } else if (kind == FACT_FOLLOW) {
        json_key_string(json, "from", fact->names[0]);
        json_key_string(json, "to", fact->names[1]);
    } else {
        variant_id_write(json, "id", fact->key);
        flow_steps_write(json, "sequence", fact->sequence.steps, fact->sequence.n);
    }
}

/* Facts of @facts that @others lack. */
static void lacking_write(JsonWriter *json, FactKind kind, const char *key, const Facts *facts,
                          const Facts *others)
{
    json_key_open(json, key, '[');
    for (size_t i = 0; i < facts->n; i++) {
        const Fact *fact = &facts->items[i];

        if (others->n == 0 ||
            bsearch(fact, others->items, others->n, sizeof(Fact), compare_facts) == NULL) {
            json_open(json, '{');
            fact_names_write(json, kind, fact);
            json_key_u64(json, "runs", fact->runs);
            json_close(json, '}');
        }
    }
    json_close(json, ']');
}

typedef struct FactChange {
    FactKind kind;
    const Fact *fact;
    const char *what;
    double a, b, probability;
} FactChange;

static void change_write(JsonWriter *json, const FactChange *change)
{
    json_open(json, '{');
    fact_names_write(json, change->kind, change->fact);
    json_key_string(json, "what", str_from_cstr(change->what));
    number_write(json, "a", change->a);
    number_write(json, "b", change->b);
    if (change->probability >= 0) {
        number_write(json, "significance", -log10(MAX(change->probability, 1e-300)));
    }
    json_close(json, '}');
}

static double share_of(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

/* A share is told when chance alone would hardly have made it; @whole of each window. */
static void share_write(JsonWriter *json, FactChange change, const uint64_t part[2],
                        const uint64_t whole[2])
{
    static const double hardly = 0.001;
    uint64_t a = MIN(part[0], whole[0]);
    uint64_t b = MIN(part[1], whole[1]);

    change.a = share_of(a, whole[0]);
    change.b = share_of(b, whole[1]);
    change.probability =
        significance_shares((double)a, (double)whole[0], (double)b, (double)whole[1]);
    if (change.probability < hardly) {
        change_write(json, &change);
    }
}

/* A median is told when it moved by a quarter and enough was measured. */
static void median_write(JsonWriter *json, FactChange change, const Fact *a, const Fact *b)
{
    enum { MEASURED_MIN = 20 };
    static const double moved = 1.25;

    if (!a->duration->present || !b->duration->present || a->count < MEASURED_MIN ||
        b->count < MEASURED_MIN) {
        return;
    }
    change.a = (double)a->duration->p50_ns;
    change.b = (double)b->duration->p50_ns;
    change.probability = -1;
    if (change.b > change.a * moved || change.a > change.b * moved) {
        change_write(json, &change);
    }
}

static void changed_write(JsonWriter *json, FactKind kind, const Facts *a, const Facts *b)
{
    json_key_open(json, "changed", '[');
    for (size_t i = 0; i < b->n && a->n > 0; i++) {
        const Fact *now = &b->items[i];
        const Fact *then = bsearch(now, a->items, a->n, sizeof(Fact), compare_facts);

        if (then == NULL) {
            continue;
        }
        FactChange change = {.kind = kind, .fact = now, .what = "share"};
        share_write(json, change, (uint64_t[]){then->runs, now->runs},
                    (uint64_t[]){a->runs, b->runs});
        change.what = "errors";
        share_write(json, change, (uint64_t[]){then->errors, now->errors},
                    (uint64_t[]){then->count, now->count});
        change.what = kind == FACT_FOLLOW ? "wait" : "duration";
        median_write(json, change, then, now);
    }
    json_close(json, ']');
}

static void facts_write(JsonWriter *json, FactKind kind, const char *key, const Facts *a,
                        const Facts *b)
{
    json_key_open(json, key, '{');
    lacking_write(json, kind, "added", b, a);
    lacking_write(json, kind, "removed", a, b);
    changed_write(json, kind, a, b);
    json_close(json, '}');
}

static void window_write(JsonWriter *json, const char *key, const MapFlowQuestion *window,
                         const MapFlow *flow)
{
    json_key_open(json, key, '{');
    minute_write(json, "from", window->from_minute);
    minute_write(json, "to", window->to_minute);
    json_key_u64(json, "runs", flow->runs);
    json_key_u64(json, "failures", flow->failures);
    json_key_duration(json, "duration", &flow->duration);
    json_close(json, '}');
}

static void compared_write(ApiCall *call, const MapFlowQuestion windows[2],
                           const MapFlowAnswer flows[2], const FlowSource *source)
{
    Arena *arena = &call->arena;
    JsonWriter *json = &call->json;
    Facts steps[] = {step_facts(&flows[0], arena), step_facts(&flows[1], arena)};
    Facts follows[] = {follow_facts(&flows[0], arena), follow_facts(&flows[1], arena)};
    Facts variants[] = {variant_facts(&flows[0], arena), variant_facts(&flows[1], arena)};

    json_open(json, '{');
    json_key_string(json, "name", windows[0].name);
    flow_source_write(json, source);
    window_write(json, "a", &windows[0], &flows[0].flow);
    window_write(json, "b", &windows[1], &flows[1].flow);
    facts_write(json, FACT_STEP, "steps", &steps[0], &steps[1]);
    facts_write(json, FACT_FOLLOW, "follows", &follows[0], &follows[1]);
    facts_write(json, FACT_VARIANT, "variants", &variants[0], &variants[1]);
    json_close(json, '}');
}

int api_flow_diff(ApiCall *call)
{
    CLEANUP(flow_source_close) FlowSource before = {0};
    CLEANUP(flow_source_close) FlowSource after = {0};
    FlowSource *sources[2] = {&before, &after};
    uint32_t minutes[2][2];
    MapFlowAnswer flows[2];
    MapFlowQuestion windows[2];

    TRY(map_question_two_windows(call, minutes[0], minutes[1]));
    TRY(map_question_wait(call));
    for (size_t i = 0; i < 2; i++) {
        windows[i] = (MapFlowQuestion){.name = call->item,
                                       .scope = api_parameter(call, "scope"),
                                       .has_environment = api_has_parameter(call, "environment"),
                                       .environment = api_parameter(call, "environment"),
                                       .from_minute = minutes[i][0],
                                       .to_minute = minutes[i][1]};
        TRY(flow_source_open(call, minutes[i][0], minutes[i][1], sources[i]));
        TRY(flow_source_ask(call, sources[i], &windows[i], &flows[i]));
    }
    after.defined.truncated |= before.defined.truncated;
    after.defined.spans += before.defined.spans;
    after.defined.from_ns = MIN(before.defined.from_ns, after.defined.from_ns);
    compared_write(call, windows, flows, &after);
    return 0;
}
