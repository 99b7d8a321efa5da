// SPDX-License-Identifier: Apache-2.0
#include "query/trace_view.h"
#include "serve/api/api_traces.h"
#include "span/value_json.h"

static void events_write(JsonWriter *json, const Span *span)
{
    json_key_open(json, "events", '[');
    for (size_t i = 0; i < span->n_events; i++) {
        json_open(json, '{');
        json_key_time(json, "time", span->events[i].time_ns);
        json_key_string(json, "name", span->events[i].name);
        json_key(json, STR("attributes"));
        attributes_json_write(json, span->events[i].attributes);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void links_write(JsonWriter *json, const Span *span)
{
    json_key_open(json, "links", '[');
    for (size_t i = 0; i < span->n_links; i++) {
        const Link *link = &span->links[i];

        json_open(json, '{');
        json_key_hex(json, "trace_id", link->trace_id.bytes, TRACE_ID_SIZE);
        json_key_hex(json, "span_id", link->span_id.bytes, SPAN_ID_SIZE);
        json_key_string(json, "trace_state", link->trace_state);
        json_key(json, STR("attributes"));
        attributes_json_write(json, link->attributes);
        json_close(json, '}');
    }
    json_close(json, ']');
}

void span_fields_write(JsonWriter *json, const Span *span)
{
    json_key_hex(json, "trace_id", span->trace_id.bytes, TRACE_ID_SIZE);
    json_key_hex(json, "span_id", span->span_id.bytes, SPAN_ID_SIZE);
    json_key_hex(json, "parent_span_id", span->parent_span_id.bytes,
                 span_id_is_zero(span->parent_span_id) ? 0 : SPAN_ID_SIZE);
    json_key_string(json, "name", span->name);
    json_key_string(json, "kind", span_kind_name((SpanKind)span->kind));
    json_key_time(json, "start", span->start_ns);
    json_key_u64(json, "duration_ns", span_duration_ns(span));
    json_key_open(json, "status", '{');
    json_key_string(json, "code", status_code_name((StatusCode)span->status_code));
    json_key_string(json, "message", span->status_message);
    json_close(json, '}');
    json_key_string(json, "trace_state", span->trace_state);
    json_key_u64(json, "flags", span->flags);
    json_key(json, STR("attributes"));
    attributes_json_write(json, span->attributes);
    json_key_open(json, "resource", '{');
    json_key(json, STR("attributes"));
    attributes_json_write(json, span->resource->attributes);
    json_close(json, '}');
    json_key_open(json, "scope", '{');
    json_key_string(json, "name", span->scope->name);
    json_key_string(json, "version", span->scope->version);
    json_key(json, STR("attributes"));
    attributes_json_write(json, span->scope->attributes);
    json_close(json, '}');
    events_write(json, span);
    links_write(json, span);
}

void span_edge_write(JsonWriter *json, const SpanEdge *edge)
{
    json_open(json, '{');
    json_key_string(json, "edge", edge->place.edge_id);
    json_key_string(json, "relation", relation_name(edge->relation));
    json_key_string(json, "source", edge->place.source_id);
    json_key_string(json, "target", edge->place.target_id);
    json_key_string(json, "source_name", edge->place.source_name);
    json_key_string(json, "target_name", edge->place.target_name);
    json_close(json, '}');
}

static void span_edges_write(JsonWriter *json, const TraceView *view, uint32_t span)
{
    json_key_open(json, "map", '[');
    for (size_t i = trace_view_first_edge(view, span);
         i < view->n_edges && view->edges[i].span == span; i++) {
        span_edge_write(json, &view->edges[i]);
    }
    json_close(json, ']');
}

/* What Weft derives. */
static void span_derived_write(JsonWriter *json, const TraceView *view, uint32_t span)
{
    const SpanAnalysis *analysis = &view->analysis[span];

    json_key_string(json, "service", view->services[span]);
    json_key_u64(json, "depth", view->tree.nodes[span].depth);
    if (view->tree.nodes[span].orphan) {
        json_key_bool(json, "orphan", true);
    }
    json_key_u64(json, "self_time_ns", analysis->self_ns);
    json_key_open(json, "critical", '[');
    for (uint32_t i = 0; i < analysis->n_segments; i++) {
        json_open(json, '{');
        json_key_time(json, "start", analysis->segments[i].start_ns);
        json_key_u64(json, "duration_ns",
                     analysis->segments[i].end_ns - analysis->segments[i].start_ns);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_key_u64(json, "critical_ns", analysis->critical_ns);
    json_key(json, STR("skew_adjustment_ns"));
    json_i64(json, analysis->skew_ns);
    span_edges_write(json, view, span);
}

void trace_truncation_write(JsonWriter *json, const TraceView *view)
{
    CLEANUP(buf_deinit) Buf message = {0};

    if (!view->cut && !view->damaged) {
        json_key(json, STR("truncated"));
        json_null(json);
        return;
    }
    if (view->cut) {
        buf_append_format(&message,
                          "the trace has more than %u spans, these are the earliest; "
                          "exporters.weft.assembly.trace_spans says how many are read",
                          view->tree.n_spans);
    } else {
        buf_append_str(&message, STR("a part of the trace may be in a damaged block, which cannot "
                                     "be read; weft store check says which"));
    }
    json_key_open(json, "truncated", '{');
    json_key_string(json, "reason", view->cut ? STR("too_many_spans") : STR("damaged_block"));
    json_key_string(json, "message", buf_str(&message));
    json_close(json, '}');
}

void trace_head_write(JsonWriter *json, const TraceView *view)
{
    const TraceSummary *summary = &view->summary;

    json_key_hex(json, "trace_id", summary->trace_id.bytes, TRACE_ID_SIZE);
    json_key_time(json, "start", summary->start_ns);
    json_key_u64(json, "duration_ns", summary->duration_ns);
    json_key_u64(json, "errors", summary->n_errors);
    json_key_u64(json, "orphans", summary->n_orphans);
    trace_truncation_write(json, view);
    json_key_open(json, "services", '[');
    for (size_t i = 0; i < summary->n_services; i++) {
        json_open(json, '{');
        json_key_string(json, "name", summary->services[i].name);
        json_key_u64(json, "spans", summary->services[i].spans);
        json_key_u64(json, "errors", summary->services[i].errors);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void trace_write(JsonWriter *json, const TraceView *view)
{
    json_open(json, '{');
    trace_head_write(json, view);
    json_key_open(json, "spans", '[');
    for (uint32_t i = 0; i < view->tree.n_spans; i++) {
        uint32_t span = view->tree.order[i];

        json_open(json, '{');
        span_fields_write(json, &view->tree.spans[span]);
        span_derived_write(json, view, span);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

int api_trace_id(ApiCall *call, Str text, TraceId *ret_id)
{
    return trace_id_parse(text, ret_id) == 0
               ? 0
               : api_fail(call, API_BAD_PARAMETER, "a trace id is up to 32 hex digits",
                          "\"%.*s\" is no trace id", STR_ARG(text));
}

int api_trace_not_found(ApiCall *call, Str id)
{
    return api_fail(call, API_TRACE_NOT_FOUND,
                    "it may be older than the retention, or still on its way",
                    "no stored span has the trace id %.*s", STR_ARG(id));
}

int api_trace_delete(ApiCall *call)
{
    TraceId id;

    TRY(api_trace_id(call, call->item, &id));
    int result = store_delete_trace(call->api->store, id, call->deadline_ns);
    if (result == STORE_NO_TRACE) {
        return api_trace_not_found(call, call->item);
    }
    if (result != 0) {
        return api_fail(call, API_BUSY, "nothing was deleted; try again",
                        result > 0 ? "the store is behind, or too many deletions wait"
                                   : "the disk refuses writes");
    }
    json_open(&call->json, '{');
    json_key_hex(&call->json, "trace_id", id.bytes, TRACE_ID_SIZE);
    json_key(&call->json, STR("deleted"));
    json_bool(&call->json, true);
    json_close(&call->json, '}');
    return 0;
}

int api_trace_read(ApiCall *call, Str text, Map *map, TraceView *ret_view)
{
    TraceId id;

    TRY(api_trace_id(call, text, &id));
    int result = trace_view_read(call->api->store, map, id, &call->arena, ret_view);
    return result == TRACE_VIEW_NOT_FOUND ? api_trace_not_found(call, text) : result;
}

int api_trace(ApiCall *call)
{
    TraceView view;

    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(api_trace_read(call, call->item, call->api->map, &view));
    trace_write(&call->json, &view);
    return 0;
}
