// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "codec/hash.h"
#include "map/flow/conformance.h"
#include "serve/api/api_flows.h"
#include "serve/api/map_question.h"

/* A flow held against an expected sequence. */
enum {
    DEVIATIONS_MAX = 10000, /* told apart by kind and step */
    OVERLAP_PART = 20, /* of the transitions between parallel steps a 20th overlaps at least, */
    ORDER_PART = 11,   /* and the rarer order is at least a tenth of the other */
};

static bool has_id(const MapFlowVariant *variant, Str id)
{
    uint8_t bytes[8];
    uint64_t number = 0;

    if (id.len != 2 * sizeof(bytes) || str_parse_hex(id, bytes, sizeof(bytes)) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        number = number << 8 | bytes[i];
    }
    return hash_stable(variant->key) == number;
}

/* sequence=a>b>c, or a variant by its id, or the most frequent that did not fail. */
static int expected_read(ApiCall *call, const MapFlowAnswer *flow, StepSequence *ret_expected)
{
    Str sequence = api_parameter(call, "sequence");
    Str id = api_parameter(call, "variant");
    const MapFlowVariant *found = flow->n_variants > 0 ? &flow->variants[0] : NULL;

    if (sequence.len > 0) {
        Str *steps = ARENA_ARRAY(&call->arena, Str, sequence.len + 1);
        size_t n = 0;

        for (bool more = true; more; n++) {
            more = str_split(sequence, '>', &steps[n], &sequence);
        }
        *ret_expected = (StepSequence){steps, n};
        return 0;
    }
    for (size_t i = 0; i < flow->n_variants && id.len > 0; i++) {
        found = i == 0 ? NULL : found;
        if (has_id(&flow->variants[i], id)) {
            found = &flow->variants[i];
            break;
        }
    }
    for (size_t i = 0; i < flow->n_variants && id.len == 0; i++) {
        if (flow->variants[i].failures < flow->variants[i].runs) {
            found = &flow->variants[i];
            break;
        }
    }
    if (found == NULL) {
        return api_fail(call, API_NOT_FOUND, "give sequence=a>b>c, or another window",
                        "there is no such variant in this window");
    }
    *ret_expected = (StepSequence){found->steps, found->n_steps};
    return 0;
}

/* Both ways between two steps. */
typedef struct Between {
    const MapFlowNext *there, *back; /* one of them may be NULL */
} Between;

/* More than half of the transitions overlap; or some do, and neither order is the usual one. Steps
 * that wait for each other overlap in none. */
static bool is_parallel(Between between)
{
    const MapFlowNext none = {0};
    const MapFlowNext *a = between.there == NULL ? &none : between.there;
    const MapFlowNext *b = between.back == NULL ? &none : between.back;
    uint64_t count = a->count + b->count, overlaps = a->overlaps + b->overlaps;

    return 2 * overlaps > count ||
           (OVERLAP_PART * overlaps > count && ORDER_PART * MIN(a->count, b->count) > count);
}

static int compare_nexts(const void *a, const void *b)
{
    const MapFlowNext *left = *(const MapFlowNext *const *)a;
    const MapFlowNext *right = *(const MapFlowNext *const *)b;
    int order = str_compare(left->from, right->from);

    return order != 0 ? order : str_compare(left->to, right->to);
}

/* Steps of the flow that run in parallel in this window, and as they are told. */
static const ParallelSteps *parallel_find(ApiCall *call, const MapFlowAnswer *flow)
{
    ParallelSteps *parallel = ARENA_NEW(&call->arena, ParallelSteps);
    const MapFlowNext **sorted =
        ARENA_ARRAY(&call->arena, const MapFlowNext *, flow->n_follows + 1);

    for (size_t i = 0; i < flow->n_follows; i++) {
        sorted[i] = &flow->follows[i];
    }
    if (flow->n_follows > 1) {
        qsort(sorted, flow->n_follows, sizeof(*sorted), compare_nexts);
    }
    json_key_open(&call->json, "parallel", '[');
    for (size_t i = 0; i < flow->n_follows; i++) {
        const MapFlowNext *there = sorted[i];
        const MapFlowNext wanted = {.from = there->to, .to = there->from};
        const MapFlowNext *key = &wanted;
        const MapFlowNext **back =
            bsearch(&key, sorted, flow->n_follows, sizeof(*sorted), compare_nexts);
        bool told = back != NULL && back < &sorted[i];

        if (!told && !str_equal(there->from, there->to) &&
            is_parallel((Between){there, back == NULL ? NULL : *back}) &&
            parallel_steps_add(parallel, there->from, there->to) == 0) {
            json_open(&call->json, '[');
            json_string(&call->json, there->from);
            json_string(&call->json, there->to);
            json_close(&call->json, ']');
        }
    }
    json_close(&call->json, ']');
    return parallel;
}

/* Deviations of one kind at one step, over all variants. */
typedef struct DeviationSum {
    Deviation deviation;
    uint64_t runs, variants;
} DeviationSum;

typedef struct Conformance {
    DeviationSum *sums;
    size_t n_sums;
    uint64_t conforming, deviating, unchecked;
} Conformance;

static void add_deviation(Conformance *conformance, const Deviation *deviation, uint64_t runs)
{
    for (size_t i = 0; i < conformance->n_sums; i++) {
        DeviationSum *sum = &conformance->sums[i];

        if (sum->deviation.kind == deviation->kind &&
            str_equal(sum->deviation.step, deviation->step)) {
            sum->runs += runs;
            sum->variants++;
            return;
        }
    }
    if (conformance->n_sums < DEVIATIONS_MAX) {
        conformance->sums[conformance->n_sums++] = (DeviationSum){*deviation, runs, 1};
    }
}

/* Whether the sequence had such a deviation before place @n. */
static bool is_again(const Deviation *deviations, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (deviations[i].kind == deviations[n].kind &&
            str_equal(deviations[i].step, deviations[n].step)) {
            return true;
        }
    }
    return false;
}

static void checked_write(JsonWriter *json, const MapFlowVariant *variant,
                          const Deviation *deviations, size_t n)
{
    json_open(json, '{');
    variant_id_write(json, "id", variant->key);
    flow_steps_write(json, "sequence", variant->steps, variant->n_steps);
    json_key_u64(json, "runs", variant->runs);
    json_key_bool(json, "conforms", n == 0);
    json_key_open(json, "deviations", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(json, '{');
        json_key_string(json, "kind", deviation_name(deviations[i].kind));
        json_key_string(json, "step", deviations[i].step);
        json_key_u64(json, "at", deviations[i].at);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void check_variant(ApiCall *call, const Expectation *expected, const MapFlowVariant *variant,
                          Conformance *conformance)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const StepSequence actual = {variant->steps, variant->n_steps};
    Deviation *deviations = NULL;
    size_t n = 0;

    if (variant->cut || conformance_check(expected, actual, &arena, &deviations, &n) != 0) {
        conformance->unchecked += variant->runs;
        return;
    }
    conformance->conforming += n == 0 ? variant->runs : 0;
    conformance->deviating += n == 0 ? 0 : variant->runs;
    for (size_t i = 0; i < n; i++) {
        if (!is_again(deviations, i)) {
            add_deviation(conformance, &deviations[i], variant->runs);
        }
    }
    checked_write(&call->json, variant, deviations, n);
}

static int compare_sums(const void *a, const void *b)
{
    const DeviationSum *left = a;
    const DeviationSum *right = b;

    if (left->runs != right->runs) {
        return left->runs > right->runs ? -1 : 1;
    }
    int order = str_compare(left->deviation.step, right->deviation.step);
    return order != 0 ? order : (int)left->deviation.kind - (int)right->deviation.kind;
}

static void sums_write(JsonWriter *json, Conformance *conformance)
{
    uint64_t checked = conformance->conforming + conformance->deviating;

    qsort(conformance->sums, conformance->n_sums, sizeof(DeviationSum), compare_sums);
    json_key_u64(json, "conforming", conformance->conforming);
    json_key_u64(json, "deviating", conformance->deviating);
    json_key_u64(json, "unchecked", conformance->unchecked);
    json_key(json, STR("share"));
    json_double(json, checked == 0 ? 0 : (double)conformance->conforming / (double)checked);
    json_key_open(json, "deviations", '[');
    for (size_t i = 0; i < conformance->n_sums; i++) {
        const DeviationSum *sum = &conformance->sums[i];

        json_open(json, '{');
        json_key_string(json, "kind", deviation_name(sum->deviation.kind));
        json_key_string(json, "step", sum->deviation.step);
        json_key_u64(json, "runs", sum->runs);
        json_key_u64(json, "variants", sum->variants);
        json_close(json, '}');
    }
    json_close(json, ']');
}

int api_flow_conformance(ApiCall *call)
{
    CLEANUP(flow_source_close) FlowSource source = {0};
    MapFlowQuestion question;
    MapFlowAnswer flow;
    Expectation expected = {0};
    Conformance conformance = {0};

    TRY(flow_question_read(call, &question));
    TRY(flow_source_open(call, question.from_minute, question.to_minute, &source));
    TRY(flow_source_ask(call, &source, &question, &flow));
    TRY(expected_read(call, &flow, &expected.sequence));
    conformance.sums = ARENA_ARRAY(&call->arena, DeviationSum, DEVIATIONS_MAX);
    conformance.unchecked = flow.other_runs;
    json_open(&call->json, '{');
    json_key_string(&call->json, "name", question.name);
    flow_source_write(&call->json, &source);
    flow_steps_write(&call->json, "expected", expected.sequence.steps, expected.sequence.n);
    expected.parallel = parallel_find(call, &flow);
    json_key_open(&call->json, "variants", '[');
    for (size_t i = 0; i < flow.n_variants; i++) {
        check_variant(call, &expected, &flow.variants[i], &conformance);
    }
    json_close(&call->json, ']');
    sums_write(&call->json, &conformance);
    json_close(&call->json, '}');
    return 0;
}
