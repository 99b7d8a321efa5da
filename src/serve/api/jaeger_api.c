// SPDX-License-Identifier: Apache-2.0
#include "serve/api/jaeger_api.h"

#include <stdlib.h>

#include "query/jaeger_search.h"
#include "query/service_names.h"
#include "wire/jaeger_json.h"
#include "wire/otlp.h"

/* Jaeger's envelope: {"data":[ … ],"total":n,"limit":0,"offset":0,"errors":null}. */
static void envelope_open(ApiCall *call)
{
    json_open(&call->json, '{');
    json_key_open(&call->json, "data", '[');
}

static void envelope_close_errors(ApiCall *call, uint64_t total, const JaegerTag *errors, size_t n)
{
    JsonWriter *json = &call->json;

    json_close(json, ']');
    json_key_u64(json, "total", total);
    json_key_u64(json, "limit", 0);
    json_key_u64(json, "offset", 0);
    json_key(json, STR("errors"));
    if (n == 0) {
        json_null(json);
    } else {
        json_open(json, '[');
        for (size_t i = 0; i < n; i++) {
            json_open(json, '{');
            json_key_string(json, "msg", errors[i].value);
            json_key_string(json, "traceID", errors[i].key);
            json_close(json, '}');
        }
        json_close(json, ']');
    }
    json_close(json, '}');
}

static void envelope_close(ApiCall *call, uint64_t total)
{
    envelope_close_errors(call, total, NULL, 0);
}

static int fail_parameter(ApiCall *call, const char *name, const char *text)
{
    return api_fail(call, API_BAD_PARAMETER, "", "unable to parse param '%s': %s", name, text);
}

static int services_read(ApiCall *call, StoreNames *names)
{
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    return service_names(call->api->store, 0, UINT64_MAX, &call->arena, names);
}

int jaeger_services(ApiCall *call)
{
    StoreNames names = {0};

    TRY(services_read(call, &names));
    envelope_open(call);
    for (size_t i = 0; i < names.count; i++) {
        json_string(&call->json, names.items[i].name);
    }
    envelope_close(call, names.count);
    return 0;
}

/* Operations of @service whose kind is @kind (any when empty). Jaeger's own kinds have no
 * `unspecified`: an empty text. */
static int operations_read(ApiCall *call, Str service, Str kind, StoreNames *names)
{
    const OperationQuestion question = {.service = service, .to_ns = UINT64_MAX};
    size_t n = 0;
    SpanKind wanted = SPAN_KIND_UNSPECIFIED;
    bool known = span_kind_parse(kind, &wanted) == 0;

    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(operation_names(call->api->store, &question, &call->arena, names));
    for (size_t i = 0; i < names->count; i++) {
        if (kind.len == 0 || (known && names->items[i].kind == wanted)) {
            names->items[n++] = names->items[i];
        }
    }
    names->count = n;
    return 0;
}

static void operation_write(JsonWriter *json, const StoreName *name)
{
    json_open(json, '{');
    json_key_string(json, "name", name->name);
    json_key_string(json, "spanKind",
                    name->kind == SPAN_KIND_UNSPECIFIED ? STR("")
                                                        : span_kind_name((SpanKind)name->kind));
    json_close(json, '}');
}

int jaeger_operations(ApiCall *call)
{
    Str service = api_parameter(call, "service");
    StoreNames names = {0};

    if (service.len == 0) {
        return api_fail(call, API_BAD_PARAMETER, "", "parameter 'service' is required");
    }
    TRY(operations_read(call, service, api_parameter(call, "spanKind"), &names));
    envelope_open(call);
    for (size_t i = 0; i < names.count; i++) {
        operation_write(&call->json, &names.items[i]);
    }
    envelope_close(call, names.count);
    return 0;
}

int jaeger_service_operations(ApiCall *call)
{
    StoreNames names = {0};
    uint64_t total = 0;

    TRY(operations_read(call, call->item, STR(""), &names));
    envelope_open(call);
    for (size_t i = 0; i < names.count; i++) {
        if (i == 0 || !str_equal(names.items[i].name, names.items[i - 1].name)) {
            json_string(&call->json, names.items[i].name);
            total++;
        }
    }
    envelope_close(call, total);
    return 0;
}

/* What a search of either version asks, once its parameters are read. */
typedef struct TraceQuestion {
    JaegerSearch search;
    uint64_t from_ns, to_ns;
    size_t limit;
} TraceQuestion;

/* Microseconds since the epoch. */
static int read_us(ApiCall *call, const char *name, uint64_t otherwise, uint64_t *ret_ns)
{
    Str text = api_parameter(call, name);
    uint64_t us = 0, ns;

    if (text.len == 0) {
        *ret_ns = otherwise;
        return 0;
    }
    if (str_parse_u64(text, &us) != 0) {
        return fail_parameter(call, name, "not a number of microseconds");
    }
    *ret_ns = __builtin_mul_overflow(us, 1000, &ns) ? UINT64_MAX : ns;
    return 0;
}

static int limit_read(ApiCall *call, const char *name, size_t *ret_limit)
{
    uint64_t limit = 0;

    TRY(api_number(call, name, JAEGER_LIMIT_DEFAULT, &limit));
    *ret_limit = limit == 0 ? JAEGER_LIMIT_DEFAULT : MIN(limit, (uint64_t)JAEGER_LIMIT_MAX);
    return 0;
}

static int tags_read(ApiCall *call, JaegerSearch *search)
{
    ParseError error = {0};

    for (size_t i = 0; i < call->n_parameters; i++) {
        const ApiParameter *parameter = &call->parameters[i];

        if (str_equal(parameter->name, STR("tag")) &&
            jaeger_search_tag(search, parameter->value, &error) != 0) {
            return api_fail(call, API_BAD_PARAMETER, "",
                            "malformed 'tag' parameter, expecting key:value, received: %.*s",
                            STR_ARG(parameter->value));
        }
        if ((str_equal(parameter->name, STR("tags")) ||
             str_equal(parameter->name, STR("query.attributes"))) &&
            parameter->value.len > 0 &&
            jaeger_search_tags(search, parameter->value, &call->arena, &error) != 0) {
            return api_fail(call, API_BAD_PARAMETER, "",
                            "malformed 'tags' parameter, cannot unmarshal JSON: %s, at character "
                            "%zu",
                            error.text, error.offset + 1);
        }
    }
    return 0;
}

/* @lookback is for clients that give no start; Jaeger's page sends words such as `custom` there. */
static int window_read(ApiCall *call, TraceQuestion *question)
{
    uint64_t lookback = 0, from = 0;
    uint64_t end;

    TRY(read_us(call, "end", UINT64_MAX, &question->to_ns));
    end = MIN(question->to_ns, call->now_ns);
    if (api_has_parameter(call, "lookback") && api_duration(call, "lookback", 0, &lookback) == 0 &&
        lookback < end) {
        from = end - lookback;
    }
    call->error = API_OK;
    return read_us(call, "start", lookback == 0 ? 0 : from, &question->from_ns);
}

static int durations_read(ApiCall *call, const char *min_name, const char *max_name,
                          JaegerSearch *search)
{
    TRY(api_duration(call, min_name, 0, &search->duration_min_ns));
    TRY(api_duration(call, max_name, 0, &search->duration_max_ns));
    if (search->duration_max_ns != 0 && search->duration_max_ns < search->duration_min_ns) {
        return api_fail(call, API_BAD_PARAMETER, "", "'%s' should be greater than '%s'", max_name,
                        min_name);
    }
    return 0;
}

static int question_read(ApiCall *call, TraceQuestion *question)
{
    question->search.service = api_parameter(call, "service");
    question->search.operation = api_parameter(call, "operation");
    if (question->search.service.len == 0) {
        return api_fail(call, API_BAD_PARAMETER, "", "parameter 'service' is required");
    }
    TRY(window_read(call, question));
    TRY(limit_read(call, "limit", &question->limit));
    TRY(tags_read(call, &question->search));
    return durations_read(call, "minDuration", "maxDuration", &question->search);
}

/* The newest traces with a span that matches. */
static int question_ask(ApiCall *call, const TraceQuestion *question, StoreHits *ret_hits)
{
    CLEANUP(filter_set_deinit) FilterSet set;
    StoreSearch search = {
        .from_ns = question->from_ns,
        .to_ns = question->to_ns,
        .limit = question->limit,
        .deadline_ns = call->deadline_ns,
    };

    filter_set_init(&set, &call->arena);
    if (jaeger_search_filter(&question->search, &set) != 0) {
        return api_fail(call, API_BAD_PARAMETER, "", "too many tags");
    }
    search.filter = set.root;
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    return store_search(call->api->store, &search, &call->arena, ret_hits);
}

/* A trace's JSON, and the start that it shows. */
typedef struct TraceText {
    uint64_t start_ns;
    size_t from, to; /* in the buffer of all */
} TraceText;

/* Writes the trace behind @buf's content; @ret_found says whether it is there. */
static int trace_write(ApiCall *call, TraceId id, Buf *buf, TraceText *ret_text, bool *ret_found)
{
    CLEANUP(arena_deinit) Arena scratch = {0};
    JsonWriter json = {.buf = buf};
    Span *spans = NULL;
    size_t n_spans = 0;

    TRY(store_read_trace(call->api->store, id, STORE_ALL, &scratch, &spans, &n_spans));
    *ret_found = n_spans > 0;
    if (n_spans > 0) {
        *ret_text = (TraceText){.start_ns = spans[0].start_ns, .from = buf->len};
        jaeger_write_trace(&json, spans, n_spans);
        ret_text->to = buf->len;
    }
    return 0;
}

static int newest_first(const void *left, const void *right)
{
    const TraceText *a = left, *b = right;

    if (a->start_ns != b->start_ns) {
        return a->start_ns < b->start_ns ? 1 : -1;
    }
    return (a->from > b->from) - (a->from < b->from);
}

static Str id_text(ApiCall *call, TraceId id)
{
    CLEANUP(buf_deinit) Buf text = {0};

    buf_append_hex(&text, id.bytes, TRACE_ID_SIZE);
    return arena_copy(&call->arena, buf_str(&text));
}

static const char not_found[] = "trace not found";

/* What a search could not look at; empty: nothing. */
static Str gap_text(StoreGap gap)
{
    return gap == STORE_COMPLETE ? STR("")
           : gap == STORE_TRACE_TOO_LARGE
               ? STR("this trace may match and is larger than the memory of a query: it was left "
                     "out, ask for it by its id")
               : STR("not everything was searched in the time and memory of a query; ask for less");
}

/* The traces of @ids, newest start first (the ids come by the newest span that matched); what is
 * missing or too much becomes an error beside them. @hits: of a search; NULL: all are asked for. */
static int traces_write(ApiCall *call, const TraceId *ids, size_t n_ids, const StoreHits *hits)
{
    CLEANUP(buf_deinit) Buf texts = {0};
    JaegerTag *errors = ARENA_ARRAY(&call->arena, JaegerTag, n_ids + 2);
    TraceText *traces = ARENA_ARRAY(&call->arena, TraceText, n_ids + 1);
    size_t n_errors = 0, n_traces = 0;

    if (hits != NULL && hits->gap != STORE_COMPLETE) {
        errors[n_errors++] = (JaegerTag){
            hits->gap == STORE_TRACE_TOO_LARGE ? id_text(call, hits->large_trace) : STR(""),
            gap_text(hits->gap)};
    }
    for (size_t i = 0; i < n_ids; i++) {
        bool found = false;

        if (texts.len > JAEGER_ANSWER_BYTES_MAX) {
            errors[n_errors++] =
                (JaegerTag){id_text(call, ids[i]), STR("the answer ends here: it is larger than 64 "
                                                       "MiB; ask for fewer traces")};
            break;
        }
        TRY(trace_write(call, ids[i], &texts, &traces[n_traces], &found));
        n_traces += found;
        if (!found && hits == NULL) {
            errors[n_errors++] = (JaegerTag){id_text(call, ids[i]), str_from_cstr(not_found)};
        }
    }
    if (n_traces > 1) {
        qsort(traces, n_traces, sizeof(traces[0]), newest_first);
    }
    envelope_open(call);
    for (size_t i = 0; i < n_traces; i++) {
        json_raw(&call->json, str_slice(buf_str(&texts), traces[i].from, traces[i].to));
    }
    envelope_close_errors(call, 0, errors, n_errors);
    return 0;
}

/* ?traceID=…&traceID=… */
static int ids_read(ApiCall *call, TraceId *ids, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < call->n_parameters; i++) {
        if (str_equal(call->parameters[i].name, STR("traceID")) &&
            trace_id_parse(call->parameters[i].value, &ids[n++]) != 0) {
            return api_fail(call, API_BAD_PARAMETER, "", "cannot parse traceID param: %.*s",
                            STR_ARG(call->parameters[i].value));
        }
    }
    *ret_n = n;
    return 0;
}

int jaeger_traces(ApiCall *call)
{
    TraceId *ids = ARENA_ARRAY(&call->arena, TraceId, MAX(API_PARAMETERS_MAX, JAEGER_LIMIT_MAX));
    TraceQuestion question = {0};
    StoreHits hits = {0};
    size_t n_ids = 0;

    TRY(ids_read(call, ids, &n_ids));
    if (n_ids > 0) {
        TRY(api_wait(call, STORE_WAIT_APPLIED));
        return traces_write(call, ids, n_ids, NULL);
    }
    TRY(question_read(call, &question));
    TRY(question_ask(call, &question, &hits));
    for (size_t i = 0; i < hits.count; i++) {
        ids[i] = hits.items[i].trace_id;
    }
    return traces_write(call, ids, hits.count, &hits);
}

static int item_trace_id(ApiCall *call, TraceId *ret_id)
{
    if (trace_id_parse(call->item, ret_id) != 0) {
        return api_fail(call, API_BAD_PARAMETER, "", "malformed trace id: %.*s",
                        STR_ARG(call->item));
    }
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    return 0;
}

int jaeger_trace(ApiCall *call)
{
    CLEANUP(buf_deinit) Buf text = {0};
    TraceText trace = {0};
    bool found = false;
    TraceId id;

    TRY(item_trace_id(call, &id));
    TRY(trace_write(call, id, &text, &trace, &found));
    envelope_open(call);
    if (found) {
        json_raw(&call->json, buf_str(&text));
    } else {
        return api_fail(call, API_TRACE_NOT_FOUND, "", not_found);
    }
    envelope_close(call, 0);
    return 0;
}

typedef struct Dependency {
    Str parent, child;
    uint64_t calls;
} Dependency;

static int dependency_compare(const void *left, const void *right)
{
    const Dependency *a = left, *b = right;
    int order = str_compare(a->parent, b->parent);

    return order != 0 ? order : str_compare(a->child, b->child);
}

/* Calls between services, and messages from a service through a queue to another. */
static size_t dependencies_collect(const MapAnswer *map, Dependency *dependencies)
{
    size_t n = 0;

    for (size_t i = 0; i < map->n_edges; i++) {
        const MapEdge *edge = &map->edges[i];
        const NodeKey *source = &map->nodes[edge->source].key;
        const NodeKey *target = &map->nodes[edge->target].key;

        if (edge->relation == RELATION_CALLS && source->type == NODE_SERVICE &&
            target->type == NODE_SERVICE) {
            dependencies[n++] = (Dependency){source->name, target->name, edge->count};
        }
    }
    for (size_t i = 0; i < map->n_hops; i++) {
        const MapHop *hop = &map->hops[i];

        dependencies[n++] = (Dependency){map->nodes[hop->producer].key.name,
                                         map->nodes[hop->consumer].key.name, hop->count};
    }
    qsort(dependencies, n, sizeof(dependencies[0]), dependency_compare);
    return n;
}

/* Several nodes may have one name (environments, namespaces): Jaeger knows names only. */
static void dependencies_write(ApiCall *call, const Dependency *dependencies, size_t n)
{
    Str service = api_parameter(call, "service");

    for (size_t i = 0; i < n;) {
        const Dependency *first = &dependencies[i];
        uint64_t calls = 0;

        for (; i < n && dependency_compare(first, &dependencies[i]) == 0; i++) {
            calls += dependencies[i].calls;
        }
        if (service.len > 0 && !str_equal(service, first->parent) &&
            !str_equal(service, first->child)) {
            continue;
        }
        json_open(&call->json, '{');
        json_key_string(&call->json, "parent", first->parent);
        json_key_string(&call->json, "child", first->child);
        json_key_u64(&call->json, "callCount", calls);
        json_close(&call->json, '}');
    }
}

int jaeger_dependencies(ApiCall *call)
{
    uint64_t end_ms = 0, lookback_ms = 0, from_ms;
    MapQuestion question = {0};
    MapAnswer map = {0};
    Dependency *dependencies;
    bool settle = false;

    TRY(api_number(call, "endTs", call->now_ns / 1000000, &end_ms));
    TRY(api_number(call, "lookback", UINT64_C(24) * 3600 * 1000, &lookback_ms));
    TRY(api_flag(call, "wait", false, &settle));
    end_ms = MIN(end_ms, UINT64_MAX / 1000000);
    from_ms = end_ms > lookback_ms ? end_ms - lookback_ms : 0;
    minutes_of_window(from_ms * 1000000, end_ms * 1000000, &question.from_minute,
                      &question.to_minute);
    if (settle) {
        TRY(api_wait(call, STORE_WAIT_SETTLED));
    } else {
        TRY(api_wait(call, STORE_WAIT_APPLIED));
    }
    TRY(map_ask(call->api->map, &question, &call->arena, &map));
    dependencies = ARENA_ARRAY(&call->arena, Dependency, map.n_edges + map.n_hops);
    envelope_open(call);
    dependencies_write(call, dependencies, dependencies_collect(&map, dependencies));
    envelope_close(call, 0);
    return 0;
}

int jaeger_v3_services(ApiCall *call)
{
    StoreNames names = {0};

    TRY(services_read(call, &names));
    json_open(&call->json, '{');
    json_key_open(&call->json, "services", '[');
    for (size_t i = 0; i < names.count; i++) {
        json_string(&call->json, names.items[i].name);
    }
    json_close(&call->json, ']');
    json_close(&call->json, '}');
    return 0;
}

int jaeger_v3_operations(ApiCall *call)
{
    StoreNames names = {0};

    TRY(operations_read(call, api_parameter(call, "service"), api_parameter(call, "span_kind"),
                        &names));
    json_open(&call->json, '{');
    json_key_open(&call->json, "operations", '[');
    for (size_t i = 0; i < names.count; i++) {
        operation_write(&call->json, &names.items[i]);
    }
    json_close(&call->json, ']');
    json_close(&call->json, '}');
    return 0;
}

/* The spans of all @ids as one OTLP document. OTLP has no place for what is missing: @warning
 * (empty: none) stands beside it, and is the answer when there is nothing else. */
static int v3_write(ApiCall *call, const TraceId *ids, size_t n_ids, Str warning)
{
    CLEANUP(buf_deinit) Buf all = {0};
    JsonWriter *json = &call->json;
    size_t i;

    for (i = 0; i < n_ids && all.len < JAEGER_ANSWER_SPANS_MAX * sizeof(Span); i++) {
        Span *spans = NULL;
        size_t n_spans = 0;

        TRY(store_read_trace(call->api->store, ids[i], STORE_ALL, &call->arena, &spans, &n_spans));
        buf_append(&all, spans, n_spans * sizeof(Span));
    }
    if (all.len == 0 && warning.len > 0) {
        return api_fail(call, API_BUSY, "", "%.*s", STR_ARG(warning));
    }
    if (all.len == 0) {
        return api_fail(call, API_TRACE_NOT_FOUND, "", "No traces found");
    }
    if (i < n_ids) {
        warning =
            STR("the answer ends here: it has half a million spans; ask for fewer traces");
    }
    json_open(json, '{');
    json_key(json, STR("result"));
    json_raw(json, STR(""));
    otlp_write_json((const Span *)(const void *)all.ptr, all.len / sizeof(Span),
                    &call->response.body);
    if (warning.len > 0) {
        json_key_open(json, "warnings", '[');
        json_string(json, warning);
        json_close(json, ']');
    }
    json_close(json, '}');
    return 0;
}

int jaeger_v3_trace(ApiCall *call)
{
    TraceId id;

    TRY(item_trace_id(call, &id));
    return v3_write(call, &id, 1, STR(""));
}

static int v3_question_read(ApiCall *call, TraceQuestion *question)
{
    const char *limit =
        api_has_parameter(call, "query.search_depth") ? "query.search_depth" : "query.num_traces";

    question->search.service = api_parameter(call, "query.service_name");
    question->search.operation = api_parameter(call, "query.operation_name");
    TRY(api_time(call, "query.start_time_min", 0, &question->from_ns));
    TRY(api_time(call, "query.start_time_max", UINT64_MAX, &question->to_ns));
    TRY(limit_read(call, limit, &question->limit));
    TRY(tags_read(call, &question->search));
    return durations_read(call, "query.duration_min", "query.duration_max", &question->search);
}

int jaeger_v3_traces(ApiCall *call)
{
    TraceQuestion question = {0};
    StoreHits hits = {0};
    TraceId *ids;

    TRY(v3_question_read(call, &question));
    TRY(question_ask(call, &question, &hits));
    ids = ARENA_ARRAY(&call->arena, TraceId, hits.count);
    for (size_t i = 0; i < hits.count; i++) {
        ids[i] = hits.items[i].trace_id;
    }
    return v3_write(call, ids, hits.count, gap_text(hits.gap));
}
