// SPDX-License-Identifier: Apache-2.0
#include <nghttp2/nghttp2.h>

#include "base/assert.h"
#include "serve/http/connection.h"
#include "serve/http/grpc.h"

/* An exchange's answer as HTTP/2 frames: head, body as far as windows let it, gRPC's trailers. */
enum { ANSWER_NV_MAX = ANSWER_FIELDS_MAX + 3 + GRPC_TRAILERS_MAX };

static void add_nv(nghttp2_nv *nva, size_t *n, Str name, Str value)
{
    ASSERT(*n < ANSWER_NV_MAX);
    nva[(*n)++] = (nghttp2_nv){.name = (uint8_t *)name.ptr,
                               .namelen = name.len,
                               .value = (uint8_t *)value.ptr,
                               .valuelen = value.len};
}

static size_t add_trailers(Exchange *exchange, nghttp2_nv *nva, size_t n)
{
    Header trailers[GRPC_TRAILERS_MAX];
    size_t n_trailers = grpc_trailers(&exchange->response, &exchange->arena, trailers);

    for (size_t i = 0; i < n_trailers; i++) {
        add_nv(nva, &n, trailers[i].name, trailers[i].value);
    }
    return n;
}

static void submit_trailers(nghttp2_session *session, Exchange *exchange)
{
    nghttp2_nv nva[ANSWER_NV_MAX];
    size_t n = add_trailers(exchange, nva, 0);

    (void)nghttp2_submit_trailer(session, exchange->stream_id, nva, n);
}

/* Gives the next bytes of the answer's body to a DATA frame. */
static ssize_t read_answer(nghttp2_session *session, int32_t stream_id, uint8_t *bytes, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *context)
{
    Exchange *exchange = source->ptr;
    Buf *body = &exchange->response.body;

    if (exchange->streamed && exchange->sent == body->len) {
        body->len = exchange->sent = 0;
        exchange_take_pending(exchange, body);
        if (body->len == 0 && !exchange->ended) {
            return NGHTTP2_ERR_DEFERRED;
        }
        if (body->len == 0 && exchange->too_slow) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* a broken answer, not a short one */
        }
    }
    size_t n = MIN(size, body->len - exchange->sent);
    if (n > 0) {
        mem_copy(bytes, body->ptr + exchange->sent, n);
    }
    exchange->sent += n;
    exchange->progress_ms = now_ms();
    if (exchange->streamed) {
        atomic_fetch_sub(&exchange->unsent, n);
    }
    if (exchange->streamed ? n == 0 : exchange->sent == body->len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (exchange->request.is_grpc) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(session, exchange);
        }
    }
    return (ssize_t)n;
}

/* Whether a body follows the head; makes it ready. */
static bool prepare_body(Exchange *exchange)
{
    const Response *response = &exchange->response;

    if (exchange->request.is_grpc) {
        if (exchange->streamed) {
            return true;
        }
        if (response->grpc_status != GRPC_OK) {
            return false; /* trailers only */
        }
        grpc_frame(&exchange->response.body);
        return true;
    }
    if (exchange->request.method == HTTP_HEAD || response->status == 204 ||
        response->status == 304) {
        return false;
    }
    return exchange->streamed || response->body.len > 0;
}

void http2_submit_answer(nghttp2_session *session, Exchange *exchange)
{
    Arena *arena = &exchange->arena;
    Response *response = &exchange->response;
    nghttp2_nv nva[ANSWER_NV_MAX];
    AnswerField fields[ANSWER_FIELDS_MAX];
    size_t n = 0;
    bool is_grpc = exchange->request.is_grpc;

    if (is_grpc) {
        response->content_type = STR("application/grpc");
    }
    add_nv(nva, &n, STR(":status"), arena_format(arena, "%d", is_grpc ? 200 : response->status));
    add_nv(nva, &n, STR("date"), worker_date(exchange->worker));
    size_t n_fields = exchange_fields(exchange, fields); /* nghttp2 lowers the names */
    for (size_t i = 0; i < n_fields; i++) {
        add_nv(nva, &n, fields[i].name, fields[i].value);
    }
    if (!is_grpc && !exchange->streamed && response->status != 204 && response->status != 304) {
        add_nv(nva, &n, STR("content-length"), arena_format(arena, "%zu", response->body.len));
    }
    nghttp2_data_provider provider = {.source.ptr = exchange, .read_callback = read_answer};
    bool body_follows = prepare_body(exchange);
    if (is_grpc && !body_follows) {
        n = add_trailers(exchange, nva, n);
    }
    exchange->head_sent = true;
    exchange->progress_ms = now_ms();
    if (nghttp2_submit_response(session, exchange->stream_id, nva, n,
                                body_follows ? &provider : NULL) != 0) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream_id,
                                        NGHTTP2_INTERNAL_ERROR);
    }
}
