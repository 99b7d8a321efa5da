// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_flows.h"

#include "codec/hash.h"
#include "query/search.h"
#include "serve/api/api_traces.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"

enum { FLOWS_LIMIT_DEFAULT = 1000 };

int flow_question_read(ApiCall *call, MapFlowQuestion *question)
{
    *question = (MapFlowQuestion){
        .name = call->item,
        .scope = api_parameter(call, "scope"),
        .has_environment = api_has_parameter(call, "environment"),
        .environment = api_parameter(call, "environment"),
    };
    TRY(api_map_window(call, &question->from_minute, &question->to_minute));
    return map_question_wait(call);
}

int flow_not_found(ApiCall *call)
{
    return api_fail(call, API_NOT_FOUND, "the names are in /api/v1/flows; times do not matter here",
                    "no run of a flow \"%.*s\" is known", STR_ARG(call->item));
}

void variant_id_write(JsonWriter *json, const char *key, Str variant)
{
    uint64_t hash = __builtin_bswap64(hash_stable(variant));

    json_key(json, str_from_cstr(key));
    json_hex(json, (const uint8_t *)&hash, sizeof(hash));
}

void flow_steps_write(JsonWriter *json, const char *key, const Str *steps, size_t n)
{
    json_key_open(json, key, '[');
    for (size_t i = 0; i < n; i++) {
        json_string(json, steps[i]);
    }
    json_close(json, ']');
}

void flow_names_write(JsonWriter *json, const char *name, const NodeKey *key)
{
    json_key_string(json, name, key->name);
    json_key_string(json, "scope", key->scope);
    json_key_string(json, "environment", key->environment);
}

static void number_write(JsonWriter *json, const char *key, double value)
{
    json_key(json, str_from_cstr(key));
    json_double(json, value);
}

static void share_write(JsonWriter *json, uint64_t part, uint64_t whole)
{
    number_write(json, "share", whole == 0 ? 0 : (double)part / (double)whole);
}

static void life_write(JsonWriter *json, uint32_t first_minute, uint32_t last_minute)
{
    minute_write(json, "first_seen", first_minute);
    minute_write(json, "last_seen", last_minute);
}

/* ---- the list ---- */

static void run_counts_write(JsonWriter *json, const MapFlow *flow)
{
    json_key_u64(json, "runs", flow->runs);
    json_key_u64(json, "failures", flow->failures);
    json_key_u64(json, "without_run_id", flow->without_run_id);
    json_key_duration(json, "duration", &flow->duration);
}

static void flow_item_write(JsonWriter *json, const MapFlow *flow, const FlowSource *source)
{
    json_open(json, '{');
    flow_names_write(json, "name", &flow->key);
    flow_source_write(json, source);
    run_counts_write(json, flow);
    json_key_u64(json, "steps", flow->steps);
    json_key_u64(json, "variants", flow->variants);
    life_write(json, flow->first_minute, flow->last_minute);
    json_close(json, '}');
}

static int compare_keys(const NodeKey *a, const NodeKey *b)
{
    int order = str_compare(a->name, b->name);

    order = order != 0 ? order : str_compare(a->scope, b->scope);
    return order != 0 ? order : str_compare(a->environment, b->environment);
}

/* A place in the list: of two of one key, the one that people defined comes last. */
typedef struct FlowPlace {
    NodeKey key;
    bool is_defined;
} FlowPlace;

/* The last flow of the page before: a digit, 1 for one that people defined, and its key. */
static int after_read(ApiCall *call, bool *ret_has_after, FlowPlace *ret_after)
{
    Str cursor = api_parameter(call, "cursor");
    Str payload = {0};

    *ret_has_after = cursor.len > 0;
    if (*ret_has_after &&
        (cursor_parse(cursor, &call->arena, &payload) != 0 || payload.len == 0 ||
         node_key_parse(str_slice(payload, 1, payload.len), &ret_after->key) != 0)) {
        return api_fail(call, API_BAD_CURSOR, "start again without a cursor",
                        "the cursor is none that a page of this list gave");
    }
    ret_after->is_defined = payload.len > 0 && payload.ptr[0] == '1';
    return 0;
}

static Str after_format(ApiCall *call, const FlowPlace *last)
{
    CLEANUP(buf_deinit) Buf payload = {0};

    buf_append_byte(&payload, last->is_defined ? '1' : '0');
    node_key_append(&last->key, &payload);
    return cursor_format(buf_str(&payload), &call->arena);
}

static int compare_places(const FlowPlace *a, const FlowPlace *b)
{
    int order = compare_keys(&a->key, &b->key);

    return order != 0 ? order : (int)a->is_defined - (int)b->is_defined;
}

typedef struct FlowItems {
    MapFlow *items;
    size_t n, at;
    const FlowSource *source;
} FlowItems;

/* The next of both lists, in order; NULL: the end. */
static FlowItems *next_of(FlowItems lists[2], FlowPlace *ret_place)
{
    FlowItems *best = NULL;

    for (size_t i = 0; i < 2; i++) {
        FlowItems *list = &lists[i];

        if (list->at < list->n) {
            FlowPlace place = {list->items[list->at].key, list->source->is_defined};

            if (best == NULL || compare_places(&place, ret_place) < 0) {
                best = list;
                *ret_place = place;
            }
        }
    }
    return best;
}

static void page_write(ApiCall *call, FlowItems lists[2], const FlowPlace *after, size_t limit)
{
    FlowPlace place = {0}, last = {0};
    FlowItems *list;
    size_t taken = 0;
    Str cursor = {0};

    api_list_open(call);
    while ((list = next_of(lists, &place)) != NULL) {
        if (after == NULL || compare_places(&place, after) > 0) {
            if (taken == limit) {
                cursor = after_format(call, &last);
                break;
            }
            flow_item_write(&call->json, &list->items[list->at], list->source);
            last = place;
            taken++;
        }
        list->at++;
    }
    api_list_close(call, cursor);
}

int api_flows(ApiCall *call)
{
    CLEANUP(flow_source_close) FlowSource defined = {0};
    const FlowSource named = {.map = call->api->map};
    FlowItems lists[2] = {{.source = &named}, {.source = &defined}};
    uint32_t from = 0;
    uint32_t to = 0;
    size_t limit = FLOWS_LIMIT_DEFAULT;
    bool has_after = false, is_defined_wanted, is_named_wanted;
    FlowPlace after = {0};

    /* Only those of attributes, or, which may take long, only those that people defined; or both.
     */
    TRY(api_flag(call, "defined", true, &is_defined_wanted));
    is_named_wanted = !api_has_parameter(call, "defined") || !is_defined_wanted;
    TRY(api_map_window(call, &from, &to));
    TRY(api_limit(call, FLOWS_LIMIT_DEFAULT, &limit));
    TRY(after_read(call, &has_after, &after));
    TRY(map_question_wait(call));
    if (is_defined_wanted) {
        TRY(flow_source_open_all(call, from, to, &defined));
    }
    for (size_t i = is_named_wanted ? 0 : 1; i < 2; i++) {
        if (lists[i].source->map != NULL) {
            map_flow_list(lists[i].source->map, from, to, &call->arena, &lists[i].items,
                          &lists[i].n);
        }
    }
    page_write(call, lists, has_after ? &after : NULL, limit);
    return 0;
}

/* ---- one flow ---- */

static void step_write(JsonWriter *json, const MapFlowStep *step, uint64_t runs)
{
    json_open(json, '{');
    json_key_string(json, "name", step->name);
    json_key_u64(json, "count", step->count);
    json_key_u64(json, "errors", step->errors);
    json_key_u64(json, "runs", step->runs);
    share_write(json, step->runs, runs);
    json_key_u64(json, "rework", step->count - MIN(step->runs, step->count));
    json_key_u64(json, "starts", step->starts);
    json_key_u64(json, "ends", step->ends);
    json_key_u64(json, "failed_ends", step->failed_ends);
    json_key_duration(json, "duration", &step->duration);
    life_write(json, step->first_minute, step->last_minute);
    json_close(json, '}');
}

static void next_write(JsonWriter *json, const MapFlowNext *next, uint64_t runs)
{
    json_open(json, '{');
    json_key_string(json, "from", next->from);
    json_key_string(json, "to", next->to);
    json_key_u64(json, "count", next->count);
    json_key_u64(json, "runs", next->runs);
    share_write(json, next->runs, runs);
    json_key_u64(json, "overlaps", next->overlaps);
    json_key_bool(json, "parallel", 2 * next->overlaps > next->count);
    json_key_duration(json, "wait", &next->wait);
    life_write(json, next->first_minute, next->last_minute);
    json_close(json, '}');
}

static void variant_write(JsonWriter *json, const MapFlowVariant *variant, uint64_t runs)
{
    json_open(json, '{');
    variant_id_write(json, "id", variant->key);
    flow_steps_write(json, "sequence", variant->steps, variant->n_steps);
    json_key_bool(json, "cut", variant->cut);
    json_key_u64(json, "runs", variant->runs);
    share_write(json, variant->runs, runs);
    json_key_u64(json, "failures", variant->failures);
    json_key_duration(json, "duration", &variant->duration);
    life_write(json, variant->first_minute, variant->last_minute);
    json_close(json, '}');
}

static void touch_write(JsonWriter *json, const MapFlowTouch *touch)
{
    json_open(json, '{');
    json_key_string(json, "step", touch->step);
    json_key_string(json, "relation", relation_name(touch->relation));
    json_key_string(json, "node", touch->node_id);
    json_key_string(json, "type", node_type_name(touch->node.type));
    json_key_string(json, "name", node_key_label(&touch->node));
    json_key_u64(json, "count", touch->count);
    json_close(json, '}');
}

/* {step: n}, those with any. */
static void ends_write(JsonWriter *json, const char *key, const MapFlowAnswer *flow, bool starts)
{
    json_key_open(json, key, '{');
    for (size_t i = 0; i < flow->n_steps; i++) {
        const MapFlowStep *step = &flow->steps[i];
        uint64_t count = starts ? step->starts : step->ends;

        if (count > 0) {
            json_key(json, step->name);
            json_u64(json, count);
        }
    }
    json_close(json, '}');
}

/* What most runs that do not fail do. */
static const MapFlowVariant *happy_path(const MapFlowAnswer *flow)
{
    const MapFlowVariant *best = NULL;

    for (size_t i = 0; i < flow->n_variants; i++) {
        const MapFlowVariant *variant = &flow->variants[i];
        uint64_t well = variant->runs - MIN(variant->failures, variant->runs);

        if (well > 0 && (best == NULL || well > best->runs - MIN(best->failures, best->runs))) {
            best = variant;
        }
    }
    return best;
}

static void lists_write(JsonWriter *json, const MapFlowAnswer *flow)
{
    uint64_t runs = flow->flow.runs;

    json_key_open(json, "steps", '[');
    for (size_t i = 0; i < flow->n_steps; i++) {
        step_write(json, &flow->steps[i], runs);
    }
    json_close(json, ']');
    json_key_open(json, "follows", '[');
    for (size_t i = 0; i < flow->n_follows; i++) {
        next_write(json, &flow->follows[i], runs);
    }
    json_close(json, ']');
    ends_write(json, "starts", flow, true);
    ends_write(json, "ends", flow, false);
    json_key_open(json, "variants", '[');
    for (size_t i = 0; i < flow->n_variants; i++) {
        variant_write(json, &flow->variants[i], runs);
    }
    json_close(json, ']');
    json_key_u64(json, "other_variants", flow->other_variants);
    json_key_u64(json, "other_runs", flow->other_runs);
    json_key_open(json, "touches", '[');
    for (size_t i = 0; i < flow->n_touches; i++) {
        touch_write(json, &flow->touches[i]);
    }
    json_close(json, ']');
}

void flow_answer_write(JsonWriter *json, const MapFlowQuestion *question, const MapFlowAnswer *flow)
{
    const MapFlowVariant *happy = happy_path(flow);

    json_key_string(json, "name", question->name);
    minute_write(json, "from", question->from_minute);
    minute_write(json, "to", question->to_minute);
    run_counts_write(json, &flow->flow);
    lists_write(json, flow);
    json_key(json, STR("happy_path"));
    if (happy == NULL) {
        json_null(json);
    } else {
        variant_write(json, happy, flow->flow.runs);
    }
}

int api_flow(ApiCall *call)
{
    CLEANUP(flow_source_close) FlowSource source = {0};
    MapFlowQuestion question;
    MapFlowAnswer flow;
    bool wants_touches, is_truncated = false;

    TRY(api_flag(call, "touches", true, &wants_touches));
    TRY(flow_question_read(call, &question));
    TRY(flow_source_open(call, question.from_minute, question.to_minute, &source));
    TRY(flow_source_ask(call, &source, &question, &flow));
    if (wants_touches) {
        TRY(flow_source_touch(call, &source, &question, &flow, &is_truncated));
    } else {
        flow.n_touches = 0;
    }
    json_open(&call->json, '{');
    flow_answer_write(&call->json, &question, &flow);
    json_key_bool(&call->json, "touches_truncated", is_truncated);
    flow_source_write(&call->json, &source);
    json_close(&call->json, '}');
    return 0;
}
