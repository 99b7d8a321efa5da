// SPDX-License-Identifier: Apache-2.0
#include "serve/jaeger/jaeger_shared.h"

static int fail_parameter(ApiCall *call, const char *name, const char *text)
{
    return api_fail(call, API_BAD_PARAMETER, "", "unable to parse param '%s': %s", name, text);
}

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
static int window_read(ApiCall *call, JaegerQuestion *question)
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

int jaeger_question_read(ApiCall *call, JaegerQuestion *question)
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

int jaeger_question_ask(ApiCall *call, const JaegerQuestion *question, StoreHits *ret_hits)
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

int jaeger_v3_question_read(ApiCall *call, JaegerQuestion *question)
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

Str jaeger_gap_text(StoreGap gap)
{
    return gap == STORE_COMPLETE ? STR("")
           : gap == STORE_TRACE_TOO_LARGE
               ? STR("this trace may match and is larger than the memory of a query: it was left "
                     "out, ask for it by its id")
               : STR("not everything was searched in the time and memory of a query; ask for less");
}

int jaeger_item_id(ApiCall *call, TraceId *ret_id)
{
    if (trace_id_parse(call->item, ret_id) != 0) {
        return api_fail(call, API_BAD_PARAMETER, "", "malformed trace id: %.*s",
                        STR_ARG(call->item));
    }
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    return 0;
}
