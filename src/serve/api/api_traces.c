// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_traces.h"

#include <stdlib.h>

#include "query/search.h"
#include "query/service_names.h"
#include "query/trace_view.h"
#include "query/traceql.h"
#include "serve/api/name_page.h"
#include "span/value_json.h"

enum {
    TRACES_LIMIT_DEFAULT = 20,
    NAMES_LIMIT_DEFAULT = 1000,
    NAMES_ALL = 200000, /* as many names as the store holds for one question */
};

void json_key_duration(JsonWriter *writer, const char *key, const MapDuration *duration)
{
    if (!duration->present) {
        return;
    }
    json_key_open(writer, key, '{');
    json_key_u64(writer, "p50_ns", duration->p50_ns);
    json_key_u64(writer, "p90_ns", duration->p90_ns);
    json_key_u64(writer, "p99_ns", duration->p99_ns);
    json_close(writer, '}');
}

static void service_write(JsonWriter *json, Str name, uint64_t spans, const MapNode *node)
{
    static const MapNode unknown;
    const MapNode *known = node == NULL ? &unknown : node;

    json_open(json, '{');
    json_key_string(json, "name", name);
    json_key_string(json, "namespace", known->key.namespace);
    json_key_string(json, "environment", known->key.environment);
    json_key_string(json, "scope", node == NULL ? STR("default") : known->key.scope);
    json_key_u64(json, "spans", spans);
    json_key_u64(json, "requests", known->requests);
    json_key_u64(json, "errors", known->errors);
    json_key_duration(json, "duration", &known->duration);
    json_close(json, '}');
}

typedef struct ServiceItem {
    Str name;
    uint64_t spans;
    const MapNode *node;
    size_t place; /* keeps the order of the map among services of one name */
} ServiceItem;

static int service_item_compare(const void *left, const void *right)
{
    const ServiceItem *a = left, *b = right;
    int order = str_compare(a->name, b->name);

    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/*
 * The store's names beside all services of the map that carry them (scopes, environments,
 * namespaces), and services that only the map knows (named by adoption, or by a span's own
 * service.name). Spans are counted by name only, so the first service of a name shows them.
 */
static size_t services_join(const StoreNames *names, const MapAnswer *map, ServiceItem *items)
{
    size_t n = 0, n_items = 0;

    for (size_t i = 0; i < map->n_nodes; i++) {
        if (map->nodes[i].key.type == NODE_SERVICE) {
            items[n] = (ServiceItem){.name = map->nodes[i].key.name, .node = &map->nodes[i]};
            items[n].place = n;
            n++;
        }
    }
    n_items = n;
    if (n > 1) {
        qsort(items, n, sizeof(items[0]), service_item_compare);
    }
    for (size_t i = 0, at = 0; i < names->count; i++) {
        while (at < n && str_compare(items[at].name, names->items[i].name) < 0) {
            at++;
        }
        if (at < n && str_equal(items[at].name, names->items[i].name)) {
            items[at].spans = names->items[i].count;
        } else {
            items[n_items++] =
                (ServiceItem){.name = names->items[i].name, .spans = names->items[i].count};
        }
    }
    if (n_items > 1) {
        qsort(items, n_items, sizeof(items[0]), service_item_compare);
    }
    return n_items;
}

int api_services(ApiCall *call)
{
    MapQuestion question = {.types = 1u << NODE_SERVICE, .only_nodes = true};
    uint64_t from = 0, to = 0;
    StoreNames names = {0};
    MapAnswer map = {0};
    ServiceItem *items;
    NamePage page;

    TRY(api_window(call, &from, &to));
    TRY(name_page_open(call, NAMES_ALL, &page));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(service_names(call->api->store, from, to, &call->arena, &names));
    minutes_of_window(from, to, &question.from_minute, &question.to_minute);
    TRY(map_ask(call->api->map, &question, &call->arena, &map));
    items = ARENA_ARRAY(&call->arena, ServiceItem, names.count + map.n_nodes);
    size_t n_items = services_join(&names, &map, items);
    api_list_open(call);
    for (size_t i = 0; i < n_items; i++) {
        if (name_page_takes(&page, items[i].name)) {
            service_write(&call->json, items[i].name, items[i].spans, items[i].node);
        }
    }
    name_page_close(call, &page);
    return 0;
}

/* Requests of all the services of this name that have this operation. */
static void operation_write(JsonWriter *json, const StoreName *name, const MapOperation *operations,
                            size_t n_operations)
{
    uint64_t requests = 0, errors = 0;
    MapDuration duration = {0};

    for (size_t i = 0; i < n_operations; i++) {
        if (str_equal(operations[i].name, name->name)) {
            /* Of several services of one name the busiest's durations stand for all. */
            if (operations[i].requests > requests || !duration.present) {
                duration = operations[i].duration;
            }
            requests += operations[i].requests;
            errors += operations[i].errors;
        }
    }
    json_open(json, '{');
    json_key_string(json, "name", name->name);
    json_key_string(json, "kind", span_kind_name((SpanKind)name->kind));
    json_key_u64(json, "spans", name->count);
    json_key_u64(json, "requests", requests);
    json_key_u64(json, "errors", errors);
    json_key_duration(json, "duration", &duration);
    json_close(json, '}');
}

int api_service_operations(ApiCall *call)
{
    OperationQuestion question = {.service = call->item};
    uint32_t from_minute, to_minute;
    StoreNames names = {0};
    MapOperation *operations = NULL;
    size_t n_operations = 0;
    NamePage page;
    int result;

    TRY(api_window(call, &question.from_ns, &question.to_ns));
    TRY(name_page_open(call, NAMES_ALL, &page));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(operation_names(call->api->store, &question, &call->arena, &names));
    minutes_of_window(question.from_ns, question.to_ns, &from_minute, &to_minute);
    result = map_operations(call->api->map, call->item, from_minute, to_minute, &call->arena,
                            &operations, &n_operations);
    if (result != MAP_NO_SUCH_NODE) { /* else its traces are still open, or nobody sent this name */
        TRY(result);
    }
    api_list_open(call);
    for (size_t i = 0; i < names.count; i++) {
        if (name_page_takes(&page, names.items[i].name)) {
            operation_write(&call->json, &names.items[i], operations, n_operations);
        }
    }
    name_page_close(call, &page);
    return 0;
}

static void summary_write(JsonWriter *json, const TraceSummary *summary)
{
    json_open(json, '{');
    json_key_hex(json, "trace_id", summary->trace_id.bytes, TRACE_ID_SIZE);
    json_key_string(json, "root_service", summary->root_service);
    json_key_string(json, "root_name", summary->root_name);
    json_key_time(json, "start", summary->start_ns);
    json_key_u64(json, "duration_ns", summary->duration_ns);
    json_key_u64(json, "spans", summary->n_spans);
    json_key_u64(json, "errors", summary->n_errors);
    json_key_u64(json, "orphans", summary->n_orphans);
    json_key_open(json, "services", '[');
    for (size_t i = 0; i < summary->n_services; i++) {
        json_open(json, '{');
        json_key_string(json, "name", summary->services[i].name);
        json_key_u64(json, "spans", summary->services[i].spans);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

/* Why the page may lack traces, and how far it got. */
static void truncation_write(JsonWriter *json, const SearchPage *page)
{
    static const struct {
        const char *reason, *message;
    } gaps[] = {
        [STORE_OUT_OF_TIME] = {"time", "the query's time was over; ask for a shorter window"},
        [STORE_OUT_OF_MEMORY] = {"memory", "the query would take too much memory at a time"},
        [STORE_TRACE_TOO_LARGE] = {"large_trace",
                                   "a trace that may match is larger than the memory of a query "
                                   "and was left out; ask for it by its id"},
        [STORE_PATTERN_GAVE_UP] = {"regular_expression",
                                   "the regular expression takes too long on some values, which "
                                   "count as no match; make it simpler"},
    };

    json_key_open(json, "truncation", '{');
    json_key_string(json, "reason", str_from_cstr(gaps[page->gap].reason));
    json_key_string(json, "message", str_from_cstr(gaps[page->gap].message));
    if (page->gap == STORE_TRACE_TOO_LARGE) {
        json_key_hex(json, "trace_id", page->large_trace.bytes, TRACE_ID_SIZE);
    } else if (page->searched_from_ns != UINT64_MAX) {
        json_key_time(json, "searched_from", page->searched_from_ns);
    }
    json_close(json, '}');
}

static int traces_search(ApiCall *call, TraceQuery *query)
{
    SearchQuestion question = {
        .filter = query->filter,
        .accept = query->needs_trace ? trace_query_accepts : NULL,
        .accept_context = query,
        .cursor = api_parameter(call, "cursor"),
        .clock = call->api->clock,
        .deadline_ns = call->deadline_ns,
    };
    SearchPage page = {0};
    int result;

    TRY(api_window(call, &question.from_ns, &question.to_ns));
    TRY(api_limit(call, TRACES_LIMIT_DEFAULT, &question.limit));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    result = search_traces(call->api->store, &question, &call->arena, &page);
    if (result == SEARCH_BAD_CURSOR) {
        return api_fail(call, API_BAD_CURSOR, "start again without a cursor",
                        "the cursor is none that a page of /traces gave");
    }
    TRY(result);
    if (page.gap == STORE_COMPLETE && filter_set_give_ups(query->set) > 0) {
        page.gap = STORE_PATTERN_GAVE_UP;
        page.searched_from_ns = UINT64_MAX;
    }
    json_open(&call->json, '{');
    json_key_open(&call->json, "items", '[');
    for (size_t i = 0; i < page.count; i++) {
        summary_write(&call->json, &page.items[i]);
    }
    json_close(&call->json, ']');
    json_key(&call->json, STR("cursor"));
    if (page.cursor.len == 0) {
        json_null(&call->json);
    } else {
        json_string(&call->json, page.cursor);
    }
    json_key_bool(&call->json, "truncated", page.gap != STORE_COMPLETE);
    if (page.gap != STORE_COMPLETE) {
        truncation_write(&call->json, &page);
    }
    json_key_u64(&call->json, "scanned_spans", page.scanned_spans);
    json_close(&call->json, '}');
    return 0;
}

int api_traces(ApiCall *call)
{
    CLEANUP(filter_set_deinit) FilterSet set;
    TraceQuery query = {0};
    ParseError error = {0};

    filter_set_init(&set, &call->arena);
    if (traceql_parse(api_parameter(call, "q"), &set, &query, &error) != 0) {
        return api_fail(
            call, API_BAD_QUERY,
            "TraceQL, for example: { resource.service.name = \"checkout\" && duration > "
            "1s }",
            "q, at character %zu: %s", error.offset + 1, error.text);
    }
    return traces_search(call, &query);
}

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

/* What the span came with. */
static void span_fields_write(JsonWriter *json, const Span *span)
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

static void span_edges_write(JsonWriter *json, const TraceView *view, uint32_t span)
{
    size_t low = 0, high = view->n_edges;

    while (low < high) { /* the first edge of the span */
        size_t middle = (low + high) / 2;

        if (view->edges[middle].span < span) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    json_key_open(json, "map", '[');
    for (; low < view->n_edges && view->edges[low].span == span; low++) {
        const SpanEdge *edge = &view->edges[low];

        json_open(json, '{');
        json_key_string(json, "edge", edge->place.edge_id);
        json_key_string(json, "relation", relation_name(edge->relation));
        json_key_string(json, "source", edge->place.source_id);
        json_key_string(json, "target", edge->place.target_id);
        json_key_string(json, "source_name", edge->place.source_name);
        json_key_string(json, "target_name", edge->place.target_name);
        json_close(json, '}');
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

static void trace_write(JsonWriter *json, const TraceView *view)
{
    const TraceSummary *summary = &view->summary;

    json_open(json, '{');
    json_key_hex(json, "trace_id", summary->trace_id.bytes, TRACE_ID_SIZE);
    json_key_time(json, "start", summary->start_ns);
    json_key_u64(json, "duration_ns", summary->duration_ns);
    json_key_u64(json, "errors", summary->n_errors);
    json_key_u64(json, "orphans", summary->n_orphans);
    json_key_open(json, "services", '[');
    for (size_t i = 0; i < summary->n_services; i++) {
        json_open(json, '{');
        json_key_string(json, "name", summary->services[i].name);
        json_key_u64(json, "spans", summary->services[i].spans);
        json_key_u64(json, "errors", summary->services[i].errors);
        json_close(json, '}');
    }
    json_close(json, ']');
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

static int trace_id_read(ApiCall *call, TraceId *ret_id)
{
    return trace_id_parse(call->item, ret_id) == 0
               ? 0
               : api_fail(call, API_BAD_PARAMETER, "a trace id is up to 32 hex digits",
                          "\"%.*s\" is no trace id", STR_ARG(call->item));
}

static int trace_not_found(ApiCall *call)
{
    return api_fail(call, API_TRACE_NOT_FOUND,
                    "it may be older than the retention, or still on its way",
                    "no stored span has the trace id %.*s", STR_ARG(call->item));
}

int api_trace_delete(ApiCall *call)
{
    TraceId id;

    TRY(trace_id_read(call, &id));
    int result = store_delete_trace(call->api->store, id, call->deadline_ns);
    if (result == STORE_NO_TRACE) {
        return trace_not_found(call);
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

int api_trace(ApiCall *call)
{
    TraceView view = {0};
    TraceId id;
    int result;

    TRY(trace_id_read(call, &id));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    result = trace_view_read(call->api->store, call->api->map, id, &call->arena, &view);
    if (result == TRACE_VIEW_NOT_FOUND) {
        return trace_not_found(call);
    }
    TRY(result);
    trace_write(&call->json, &view);
    return 0;
}

int api_attributes(ApiCall *call)
{
    StoreNames names = {0};
    NamePage page;

    TRY(name_page_open(call, NAMES_LIMIT_DEFAULT, &page));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(store_attribute_keys(call->api->store, NAMES_ALL, &call->arena, &names));
    api_list_open(call);
    for (size_t i = 0; i < names.count; i++) {
        if (!name_page_takes(&page, names.items[i].name)) {
            continue;
        }
        bool resource = str_starts_with(names.items[i].name, STR("resource."));

        json_open(&call->json, '{');
        json_key_string(&call->json, "key", names.items[i].name);
        json_key_string(&call->json, "level", resource ? STR("resource") : STR("span"));
        json_key_u64(&call->json, "count", names.items[i].count);
        json_close(&call->json, '}');
    }
    name_page_close(call, &page);
    return 0;
}

int api_attribute_values(ApiCall *call)
{
    FilterField level = FIELD_SPAN_ATTRIBUTE;
    Str key = call->item, scope, rest;
    StoreNames names = {0};
    NamePage page;

    TRY(name_page_open(call, NAMES_LIMIT_DEFAULT, &page));
    if (str_split(key, '.', &scope, &rest) &&
        (str_equal(scope, STR("span")) || str_equal(scope, STR("resource")))) {
        level = scope.len == 4 ? FIELD_SPAN_ATTRIBUTE : FIELD_RESOURCE_ATTRIBUTE;
        key = rest;
    } else {
        return api_fail(call, API_BAD_PARAMETER, "for example span.http.route",
                        "the key begins with neither span. nor resource.");
    }
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(store_attribute_values(call->api->store, level, key, NAMES_ALL, &call->arena, &names));
    json_open(&call->json, '{');
    json_key(&call->json, STR("truncated"));
    json_bool(&call->json, names.truncated);
    json_key_open(&call->json, "items", '[');
    for (size_t i = 0; i < names.count; i++) {
        if (!name_page_takes(&page, names.items[i].name)) {
            continue;
        }
        json_open(&call->json, '{');
        json_key_string(&call->json, "value", names.items[i].name);
        json_key_u64(&call->json, "count", names.items[i].count);
        json_close(&call->json, '}');
    }
    name_page_close(call, &page);
    return 0;
}
