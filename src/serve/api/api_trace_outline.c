// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"
#include "serve/api/api_traces.h"

/*
 * A trace as a waterfall draws it. A span with all that it came with is a kilobyte of JSON, of
 * which a row shows a name and a bar: so an outline has a column for each thing that every span
 * has, texts by number, and what few spans have as pairs that begin with the span's number.
 * Attributes are asked for when a span is opened (api_trace_spans). Refused: the same objects with
 * fewer members, which are three times the bytes, and whose keys the page would read 100,000 times.
 */
enum {
    OUTLINE_EVENTS_MAX = 100, /* of a span; more are not told apart in a row */
    OUTLINE_LINKS_MAX = 128,  /* of a span, as many as the map follows */
    SPANS_ASKED_MAX = 100,
};

typedef struct Outline {
    JsonWriter *json;
    const TraceView *view;
    Symbols texts; /* span names, services, names of events */
} Outline;

static void outline_deinit(Outline *outline)
{
    symbols_deinit(&outline->texts);
}

/* Both in the order that is shown: @at is the number of a row. */
static uint32_t index_at(const Outline *outline, uint32_t at)
{
    return outline->view->tree.order[at];
}

static const Span *span_at(const Outline *outline, uint32_t at)
{
    return &outline->view->tree.spans[index_at(outline, at)];
}

static const SpanAnalysis *analysis_at(const Outline *outline, uint32_t at)
{
    return &outline->view->analysis[index_at(outline, at)];
}

static void offset_write(const Outline *outline, uint64_t time_ns)
{
    json_i64(outline->json, (int64_t)(time_ns - outline->view->summary.start_ns));
}

/* --- What every span has --- */

static void span_id_cell(Outline *outline, uint32_t at)
{
    json_hex(outline->json, span_at(outline, at)->span_id.bytes, SPAN_ID_SIZE);
}

static void depth_cell(Outline *outline, uint32_t at)
{
    json_u64(outline->json, outline->view->tree.nodes[index_at(outline, at)].depth);
}

static void name_cell(Outline *outline, uint32_t at)
{
    json_u64(outline->json, symbols_intern(&outline->texts, span_at(outline, at)->name));
}

static void service_cell(Outline *outline, uint32_t at)
{
    Str service = outline->view->services[index_at(outline, at)];

    json_u64(outline->json, symbols_intern(&outline->texts, service));
}

static void kind_cell(Outline *outline, uint32_t at)
{
    json_u64(outline->json, span_at(outline, at)->kind);
}

static void offset_cell(Outline *outline, uint32_t at)
{
    offset_write(outline, span_at(outline, at)->start_ns);
}

static void duration_cell(Outline *outline, uint32_t at)
{
    json_u64(outline->json, span_duration_ns(span_at(outline, at)));
}

static void self_cell(Outline *outline, uint32_t at)
{
    json_u64(outline->json, analysis_at(outline, at)->self_ns);
}

/* --- What few have: each writes the rows that it has to say of a span --- */

static void row_open(Outline *outline, uint32_t at)
{
    json_open(outline->json, '[');
    json_u64(outline->json, at);
}

static void row_close(Outline *outline)
{
    json_close(outline->json, ']');
}

static void failed_rows(Outline *outline, uint32_t at)
{
    if (span_at(outline, at)->status_code == STATUS_ERROR) {
        json_u64(outline->json, at);
    }
}

static void orphan_rows(Outline *outline, uint32_t at)
{
    if (outline->view->tree.nodes[index_at(outline, at)].orphan) {
        json_u64(outline->json, at);
    }
}

static void critical_rows(Outline *outline, uint32_t at)
{
    const SpanAnalysis *analysis = analysis_at(outline, at);

    for (uint32_t i = 0; i < analysis->n_segments; i++) {
        row_open(outline, at);
        offset_write(outline, analysis->segments[i].start_ns);
        json_u64(outline->json, analysis->segments[i].end_ns - analysis->segments[i].start_ns);
        row_close(outline);
    }
}

static void skew_rows(Outline *outline, uint32_t at)
{
    int64_t skew_ns = analysis_at(outline, at)->skew_ns;

    if (skew_ns != 0) {
        row_open(outline, at);
        json_i64(outline->json, skew_ns);
        row_close(outline);
    }
}

static void event_rows(Outline *outline, uint32_t at)
{
    const Span *span = span_at(outline, at);

    for (size_t i = 0; i < MIN(span->n_events, (size_t)OUTLINE_EVENTS_MAX); i++) {
        row_open(outline, at);
        offset_write(outline, span->events[i].time_ns);
        json_u64(outline->json, symbols_intern(&outline->texts, span->events[i].name));
        row_close(outline);
    }
}

static void more_event_rows(Outline *outline, uint32_t at)
{
    const Span *span = span_at(outline, at);

    if (span->n_events > OUTLINE_EVENTS_MAX) {
        row_open(outline, at);
        json_u64(outline->json, span->n_events - OUTLINE_EVENTS_MAX);
        row_close(outline);
    }
}

static void link_rows(Outline *outline, uint32_t at)
{
    const Span *span = span_at(outline, at);

    for (size_t i = 0; i < MIN(span->n_links, (size_t)OUTLINE_LINKS_MAX); i++) {
        row_open(outline, at);
        json_hex(outline->json, span->links[i].trace_id.bytes, TRACE_ID_SIZE);
        json_hex(outline->json, span->links[i].span_id.bytes, SPAN_ID_SIZE);
        row_close(outline);
    }
}

static void list_write(Outline *outline, const char *key, void (*cell)(Outline *, uint32_t))
{
    json_key_open(outline->json, key, '[');
    for (uint32_t at = 0; at < outline->view->tree.n_spans; at++) {
        cell(outline, at);
    }
    json_close(outline->json, ']');
}

/* Which edge of the map is which number, by first use. */
static void map_write(Outline *outline)
{
    const TraceView *view = outline->view;
    CLEANUP(symbols_deinit) Symbols known = {0};
    CLEANUP(buf_deinit) Buf edges = {0};
    JsonWriter list = {.buf = &edges};

    json_open(&list, '[');
    json_key_open(outline->json, "map", '[');
    for (uint32_t at = 0; at < view->tree.n_spans; at++) {
        uint32_t span = index_at(outline, at);

        for (size_t i = trace_view_first_edge(view, span);
             i < view->n_edges && view->edges[i].span == span; i++) {
            size_t n = symbols_count(&known);
            uint32_t edge = symbols_intern(&known, view->edges[i].place.edge_id);

            if (edge == n) {
                span_edge_write(&list, &view->edges[i]);
            }
            row_open(outline, at);
            json_u64(outline->json, edge);
            row_close(outline);
        }
    }
    json_close(outline->json, ']');
    json_close(&list, ']');
    json_key(outline->json, STR("edges"));
    json_raw(outline->json, buf_str(&edges));
}

static void texts_write(Outline *outline)
{
    json_key_open(outline->json, "texts", '[');
    for (uint32_t i = 0; i < symbols_count(&outline->texts); i++) {
        json_string(outline->json, symbols_get(&outline->texts, i));
    }
    json_close(outline->json, ']');
}

int api_trace_outline(ApiCall *call)
{
    static const struct {
        const char *key;
        void (*cell)(Outline *, uint32_t);
    } columns[] = {{"span_id", span_id_cell},   {"depth", depth_cell},
                   {"name", name_cell},         {"service", service_cell},
                   {"kind", kind_cell},         {"offset_ns", offset_cell},
                   {"self_time_ns", self_cell}, {"duration_ns", duration_cell}},
      lists[] = {{"failed", failed_rows},     {"orphaned", orphan_rows},
                 {"critical", critical_rows}, {"skew", skew_rows},
                 {"events", event_rows},      {"more_events", more_event_rows},
                 {"links", link_rows}};
    TraceView view;

    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(api_trace_read(call, call->item, call->api->map, &view));
    CLEANUP(outline_deinit) Outline outline = {.json = &call->json, .view = &view};

    json_open(outline.json, '{');
    trace_head_write(outline.json, &view);
    json_key_open(outline.json, "spans", '{');
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        list_write(&outline, columns[i].key, columns[i].cell);
    }
    json_close(outline.json, '}');
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        list_write(&outline, lists[i].key, lists[i].cell);
    }
    map_write(&outline);
    texts_write(&outline);
    json_close(outline.json, '}');
    return 0;
}

/* --- Spans whole --- */

static int span_ids_read(ApiCall *call, SpanId *ret_ids, size_t *ret_n)
{
    const char *hint = "it is a list of up to 100 span ids with commas between them";
    Str text, rest = api_parameter(call, "span_id");
    size_t n = 0;

    do {
        str_split(rest, ',', &text, &rest);
        if (n == SPANS_ASKED_MAX) {
            return api_fail(call, API_BAD_PARAMETER, hint, "span_id has more than %d ids",
                            SPANS_ASKED_MAX);
        }
        if (span_id_parse(text, &ret_ids[n++]) != 0) {
            return api_fail(call, API_BAD_PARAMETER, hint,
                            "span_id has \"%.*s\", which is no span id", STR_ARG(text));
        }
    } while (rest.len > 0);
    *ret_n = n;
    return 0;
}

static bool has_id(const SpanId *ids, size_t n, SpanId id)
{
    for (size_t i = 0; i < n; i++) {
        if (span_id_equal(ids[i], id)) {
            return true;
        }
    }
    return false;
}

int api_trace_spans(ApiCall *call)
{
    SpanId ids[SPANS_ASKED_MAX];
    StoreTraceView stored = {0};
    TraceId trace;
    size_t n = 0;

    TRY(span_ids_read(call, ids, &n));
    TRY(api_trace_id(call, call->item, &trace));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(store_view_trace(call->api->store, trace, &call->arena, &stored));
    if (stored.n_spans == 0) {
        return api_trace_not_found(call, call->item);
    }
    api_list_open(call);
    for (size_t i = 0; i < stored.n_spans; i++) {
        if (has_id(ids, n, stored.spans[i].span_id)) {
            json_open(&call->json, '{');
            span_fields_write(&call->json, &stored.spans[i]);
            json_close(&call->json, '}');
        }
    }
    api_list_close(call, STR(""));
    return 0;
}
