// SPDX-License-Identifier: Apache-2.0
#include "query/trace_diff.h"
#include "serve/api/api_traces.h"

static void side_write(JsonWriter *json, const char *key, const TraceStepSide *side)
{
    if (side->n_spans == 0) {
        json_key(json, str_from_cstr(key));
        json_null(json);
        return;
    }
    json_key_open(json, key, '{');
    json_key_u64(json, "spans", side->n_spans);
    json_key_u64(json, "errors", side->n_errors);
    json_key_u64(json, "offset_ns", side->offset_ns);
    json_key_u64(json, "duration_ns", side->duration_ns);
    json_key_u64(json, "self_time_ns", side->self_ns);
    json_key_u64(json, "critical_ns", side->critical_ns);
    json_close(json, '}');
}

static void changes_write(JsonWriter *json, unsigned changes)
{
    static const struct {
        TraceStepChange change;
        const char *name;
    } names[] = {{TRACE_STEP_SPANS, "spans"},
                 {TRACE_STEP_ERRORS, "errors"},
                 {TRACE_STEP_DURATION, "duration"}};

    json_key_open(json, "what", '[');
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((changes & names[i].change) != 0) {
            json_string(json, str_from_cstr(names[i].name));
        }
    }
    json_close(json, ']');
}

static void step_write(JsonWriter *json, const TraceStep *step)
{
    const TraceStepSide *a = &step->sides[TRACE_A], *b = &step->sides[TRACE_B];

    json_open(json, '{');
    json_key(json, STR("parent"));
    if (step->parent == TREE_NONE) {
        json_null(json);
    } else {
        json_u64(json, step->parent);
    }
    json_key_u64(json, "depth", step->depth);
    json_key_string(json, "service", step->service);
    json_key_string(json, "name", step->name);
    json_key_string(json, "kind", span_kind_name(step->kind));
    json_key_string(json, "change",
                    a->n_spans == 0      ? STR("added")
                    : b->n_spans == 0    ? STR("removed")
                    : step->changes != 0 ? STR("changed")
                                         : STR("same"));
    changes_write(json, step->changes);
    side_write(json, "a", a);
    side_write(json, "b", b);
    json_close(json, '}');
}

static void trace_side_write(JsonWriter *json, const char *key, const TraceView *view)
{
    const TraceSummary *summary = &view->summary;

    json_key_open(json, key, '{');
    json_key_hex(json, "trace_id", summary->trace_id.bytes, TRACE_ID_SIZE);
    json_key_time(json, "start", summary->start_ns);
    json_key_u64(json, "duration_ns", summary->duration_ns);
    json_key_u64(json, "spans", summary->n_spans);
    json_key_u64(json, "errors", summary->n_errors);
    trace_truncation_write(json, view);
    json_close(json, '}');
}

int api_trace_diff(ApiCall *call)
{
    JsonWriter *json = &call->json;
    TraceView a, b;
    TraceDiff diff;

    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(api_trace_read(call, call->item, NULL, &a));
    TRY(api_trace_read(call, call->second, NULL, &b));
    trace_diff(&a, &b, &call->arena, &diff);
    json_open(json, '{');
    trace_side_write(json, "a", &a);
    trace_side_write(json, "b", &b);
    json_key_u64(json, "same", diff.n_same);
    json_key_u64(json, "changed", diff.n_changed);
    json_key_u64(json, "added", diff.n_added);
    json_key_u64(json, "removed", diff.n_removed);
    json_key_open(json, "steps", '[');
    for (size_t i = 0; i < diff.n_steps; i++) {
        step_write(json, &diff.steps[i]);
    }
    json_close(json, ']');
    json_close(json, '}');
    return 0;
}
