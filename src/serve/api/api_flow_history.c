// SPDX-License-Identifier: Apache-2.0
#include "map/flow/flow_history.h"
#include "map/flow/run.h"
#include "serve/api/api_flows.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"

/* The shape of a flow over time: see openapi.yaml. */
enum { DEPLOYS_SHOWN_MAX = 100 }; /* of one version: the latest */

static uint32_t minute_of(const MapFlowHistory *history, uint32_t point)
{
    return history->points[point].minute;
}

/* ---- elements ---- */

static void intervals_write(JsonWriter *json, const MapFlowHistory *history,
                            const MapFlowInterval *intervals, size_t n)
{
    uint32_t step = history->step_minutes;

    json_key_open(json, "intervals", '[');
    for (size_t i = 0; i < n; i++) {
        const MapFlowInterval *interval = &intervals[i];

        json_open(json, '{');
        minute_write(json, "from", minute_of(history, interval->first));
        minute_write(json, "to", minute_of(history, interval->last) + step);
        json_key_bool(json, "before", interval->before);
        json_key_bool(json, "ongoing", interval->on);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void element_names_write(JsonWriter *json, const MapFlowElement *element)
{
    if (element->to.len == 0) {
        json_key_string(json, "name", element->from);
    } else {
        json_key_string(json, "from", element->from);
        json_key_string(json, "to", element->to);
    }
}

static void elements_write(JsonWriter *json, const MapFlowHistory *history, bool steps)
{
    json_key_open(json, steps ? "steps" : "follows", '[');
    for (size_t i = 0; i < history->n_elements; i++) {
        const MapFlowElement *element = &history->elements[i];

        if ((element->to.len == 0) == steps) {
            json_open(json, '{');
            element_names_write(json, element);
            minute_write(json, "first", element->first_minute);
            intervals_write(json, history, element->intervals, element->n_intervals);
            json_close(json, '}');
        }
    }
    json_close(json, ']');
}

/* ---- variants ---- */

static void variant_steps_write(JsonWriter *json, Str key)
{
    bool cut = false;
    Str step;

    json_key_open(json, "sequence", '[');
    while (variant_take(&key, &step, &cut) == 0) {
        json_string(json, step);
    }
    json_close(json, ']');
    json_key_bool(json, "cut", cut);
}

static void variants_write(JsonWriter *json, const MapFlowHistory *history)
{
    json_key_open(json, "variants", '[');
    for (size_t i = 0; i < history->n_variants; i++) {
        const MapFlowVariantLife *variant = &history->variants[i];

        json_open(json, '{');
        variant_id_write(json, "id", variant->key);
        variant_steps_write(json, variant->key);
        json_key_u64(json, "runs", variant->runs);
        minute_write(json, "first", variant->first_minute);
        intervals_write(json, history, variant->intervals, variant->n_intervals);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_key_u64(json, "variants_left_out", history->n_variants_left_out);
    json_key_bool(json, "variants_differ", history->variants_differ);
}

/* ---- versions ---- */

static void changed_write(JsonWriter *json, const char *key, const MapFlowChange *changes, size_t n,
                          MapFlowChangeKind kind)
{
    json_key_open(json, key, '{');
    for (int steps = 1; steps >= 0; steps--) {
        json_key_open(json, steps ? "steps" : "follows", '[');
        for (size_t i = 0; i < n; i++) {
            const MapFlowElement *element = changes[i].element;

            if (changes[i].kind != kind || (element->to.len == 0) != (steps != 0)) {
                continue;
            }
            json_open(json, '{');
            element_names_write(json, element);
            if (kind == FLOW_CAME) {
                json_key_bool(json, "again", changes[i].again);
            }
            json_close(json, '}');
        }
        json_close(json, ']');
    }
    json_close(json, '}');
}

static void deploys_write(JsonWriter *json, const MapFlowChange *changes, size_t n, size_t max)
{
    size_t skipped = 0, deploys = 0;

    for (size_t i = 0; i < n; i++) {
        deploys += changes[i].kind == FLOW_DEPLOYED;
    }
    json_key_open(json, "deploys", '[');
    for (size_t i = 0; i < n; i++) {
        const MapFlowChange *change = &changes[i];

        if (change->kind != FLOW_DEPLOYED || (deploys > max && skipped++ < deploys - max)) {
            continue;
        }
        json_open(json, '{');
        minute_write(json, "time", change->minute);
        json_key_string(json, "service", change->service_id);
        json_key_string(json, "name", node_key_label(&change->service));
        json_key_string(json, "version", change->version);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void version_write(JsonWriter *json, const MapFlowHistory *history, size_t number)
{
    const MapFlowVersion *version = &history->versions[number];
    const MapFlowChange *changes = history->changes + version->first_change;
    uint64_t shape = __builtin_bswap64(version->shape);

    json_open(json, '{');
    json_key_u64(json, "version", number + 1);
    minute_write(json, "time", minute_of(history, version->point));
    json_key_hex(json, "shape", (const uint8_t *)&shape, sizeof(shape));
    json_key_u64(json, "steps", version->steps);
    json_key_u64(json, "follows", version->follows);
    changed_write(json, "came", changes, version->n_changes, FLOW_CAME);
    changed_write(json, "went", changes, version->n_changes, FLOW_WENT);
    deploys_write(json, changes, version->n_changes, DEPLOYS_SHOWN_MAX);
    json_close(json, '}');
}

static void points_write(JsonWriter *json, const MapFlowHistory *history)
{
    json_key_open(json, "points", '[');
    for (size_t i = 0; i < history->n_points; i++) {
        json_open(json, '{');
        minute_write(json, "time", history->points[i].minute);
        json_key_u64(json, "runs", history->points[i].runs);
        json_key_u64(json, "failures", history->points[i].failures);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* As much before the window is looked at, too. */
static uint32_t judged_from(const MapFlowQuestion *question)
{
    uint32_t length = question->to_minute - question->from_minute;

    return question->from_minute - MIN(question->from_minute, length);
}

int api_flow_history(ApiCall *call)
{
    CLEANUP(flow_source_close) FlowSource source = {0};
    MapFlowHistoryQuestion question = {0};
    AssemblyStatus assembly = {0};
    MapFlowHistory history;
    MapDeploy *deploys = NULL;
    JsonWriter *json = &call->json;

    TRY(flow_question_read(call, &question.flow));
    TRY(map_question_step(call, &question.flow.from_minute, &question.flow.to_minute,
                          &question.step_minutes));
    assembly_status(call->api->assembly, &assembly);
    question.complete_to_minute = (uint32_t)(assembly.complete_to_ns / NS_PER_MINUTE);
    TRY(flow_source_open(call, judged_from(&question.flow), question.flow.to_minute, &source));
    if (source.is_defined) {
        map_flow_deploys(source.map, call->api->map, &question.flow, &call->arena, &deploys,
                         &question.n_deploys);
        question.has_deploys = true;
        question.deploys = deploys;
    }
    if (map_flow_history(source.map, &question, &call->arena, &history) != 0) {
        return flow_not_found(call);
    }
    json_open(json, '{');
    json_key_string(json, "name", question.flow.name);
    flow_source_write(json, &source);
    minute_write(json, "from", question.flow.from_minute);
    minute_write(json, "to", question.flow.to_minute);
    json_key_u64(json, "step_ns", question.step_minutes * NS_PER_MINUTE);
    minute_write(json, "looked_back_to", history.looked_back_to);
    points_write(json, &history);
    elements_write(json, &history, true);
    elements_write(json, &history, false);
    json_key_u64(json, "left_out", history.n_left_out);
    variants_write(json, &history);
    json_key_open(json, "versions", '[');
    for (size_t i = 0; i < history.n_versions; i++) {
        version_write(json, &history, i);
    }
    json_close(json, ']');
    deploys_write(json, history.changes, history.n_changes, SIZE_MAX);
    json_close(json, '}');
    return 0;
}
