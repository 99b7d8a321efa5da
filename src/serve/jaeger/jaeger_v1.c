// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "serve/jaeger/jaeger_shared.h"
#include "wire/jaeger_json.h"

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
            jaeger_gap_text(hits->gap)};
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
    jaeger_envelope_open(call);
    for (size_t i = 0; i < n_traces; i++) {
        json_raw(&call->json, str_slice(buf_str(&texts), traces[i].from, traces[i].to));
    }
    jaeger_envelope_close_errors(call, 0, errors, n_errors);
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
    JaegerQuestion question = {0};
    StoreHits hits = {0};
    size_t n_ids = 0;

    TRY(ids_read(call, ids, &n_ids));
    if (n_ids > 0) {
        TRY(api_wait(call, STORE_WAIT_APPLIED));
        return traces_write(call, ids, n_ids, NULL);
    }
    TRY(jaeger_question_read(call, &question));
    TRY(jaeger_question_ask(call, &question, &hits));
    for (size_t i = 0; i < hits.count; i++) {
        ids[i] = hits.items[i].trace_id;
    }
    return traces_write(call, ids, hits.count, &hits);
}

int jaeger_trace(ApiCall *call)
{
    CLEANUP(buf_deinit) Buf text = {0};
    TraceText trace = {0};
    bool found = false;
    TraceId id;

    TRY(jaeger_item_id(call, &id));
    TRY(trace_write(call, id, &text, &trace, &found));
    jaeger_envelope_open(call);
    if (found) {
        json_raw(&call->json, buf_str(&text));
    } else {
        return api_fail(call, API_TRACE_NOT_FOUND, "", not_found);
    }
    jaeger_envelope_close(call, 0);
    return 0;
}
