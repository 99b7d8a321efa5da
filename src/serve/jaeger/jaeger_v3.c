// SPDX-License-Identifier: Apache-2.0
#include "serve/jaeger/jaeger_shared.h"
#include "wire/otlp.h"

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
        warning = STR("the answer ends here: it has half a million spans; ask for fewer traces");
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

    TRY(jaeger_item_id(call, &id));
    return v3_write(call, &id, 1, STR(""));
}

int jaeger_v3_traces(ApiCall *call)
{
    JaegerQuestion question = {0};
    StoreHits hits = {0};
    TraceId *ids;

    TRY(jaeger_v3_question_read(call, &question));
    TRY(jaeger_question_ask(call, &question, &hits));
    ids = ARENA_ARRAY(&call->arena, TraceId, hits.count);
    for (size_t i = 0; i < hits.count; i++) {
        ids[i] = hits.items[i].trace_id;
    }
    return v3_write(call, ids, hits.count, jaeger_gap_text(hits.gap));
}
