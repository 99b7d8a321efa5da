// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_traces.h"

#include "query/search.h"
#include "query/traceql.h"
#include "serve/api/name_page.h"

enum {
    TRACES_LIMIT_DEFAULT = 20,
    NAMES_LIMIT_DEFAULT = 1000,
    NAMES_ALL = 200000, /* as many names as the store holds for one question */
};

void trace_summary_write(JsonWriter *json, const TraceSummary *summary)
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
        trace_summary_write(&call->json, &page.items[i]);
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
