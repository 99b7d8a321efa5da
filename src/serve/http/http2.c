// SPDX-License-Identifier: Apache-2.0
#include <nghttp2/nghttp2.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "serve/http/connection.h"
#include "serve/http/grpc.h"

/*
 * HTTP/2 and gRPC on a connection: nghttp2 keeps the protocol, this file makes exchanges of
 * streams.
 *
 * An exchange lives as long as its stream (its body is read from it frame by frame), and longer
 * while a handler has it. nghttp2 must not be asked for output while it reads input, so answers
 * given inside input() are framed when it returns.
 *
 * Against floods: resets (CVE-2023-44487, and those that a client provokes from us, CVE-2025-8671)
 * and frames that cost us work but carry nothing are counted in windows of ten seconds.
 */
enum {
    STREAM_WINDOW = 4 << 20,
    CONNECTION_WINDOW = 16 << 20,
    FRAME_SIZE_MAX = 256 << 10,
    FLOOD_WINDOW_MS = 10000,
    CONTROL_FRAMES_MAX =
        10000, /* PING, GOAWAY, SETTINGS, PRIORITY and so on, empty DATA a window */
};

typedef enum DrainStage { DRAIN_NOT, DRAIN_NOTICED, DRAIN_REFUSING } DrainStage;

typedef struct Http2 {
    nghttp2_session *session;
    Http2Frames frames;
    LIST_HEAD(, Exchange) streams;
    bool receiving; /* inside nghttp2_session_mem_recv, or among the streams: no output now */
    DrainStage drain;
    uint64_t idle_since_ms; /* the last stream's end */
    uint64_t window_start_ms;
    uint32_t resets, controls; /* in this window */
} Http2;

static Exchange *stream_exchange(const Http2 *http, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(http->session, stream_id);
}

static void reset_stream(Http2 *http, int32_t stream_id, uint32_t code)
{
    (void)nghttp2_submit_rst_stream(http->session, NGHTTP2_FLAG_NONE, stream_id, code);
}

/* Whether a stream still gets something from its handler. */
static bool is_answer_awaited(const Http2 *http)
{
    const Exchange *exchange;

    LIST_FOREACH(exchange, &http->streams, stream)
    {
        if (!exchange->ended) {
            return true;
        }
    }
    return false;
}

/* Moves frames to the connection while it has room, and ends it when all is said. */
static void pump(Connection *connection)
{
    Http2 *http = connection->state;

    ASSERT(!http->receiving);
    while (!connection->finishing && connection_unsent(connection) < CONNECTION_OUTPUT_HIGH) {
        const uint8_t *bytes;
        ssize_t n = nghttp2_session_mem_send(http->session, &bytes);

        if (n < 0) {
            connection_abort(connection);
            return;
        }
        if (n == 0) {
            bool over = nghttp2_session_want_read(http->session) == 0 &&
                        nghttp2_session_want_write(http->session) == 0;

            /* A client that sends no more opens no window either: what waits for one waits in vain.
             */
            if (over || (connection->input_over && !is_answer_awaited(http))) {
                connection_finish(connection);
            }
            return;
        }
        connection_send(connection, str_from_bytes(bytes, (size_t)n));
    }
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    Connection *connection = context;
    Http2 *http = connection->state;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    Exchange *exchange = exchange_new(connection);

    exchange->stream_id = frame->hd.stream_id;
    LIST_INSERT_HEAD(&http->streams, exchange, stream);
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
    return 0;
}

static void set_path(Exchange *exchange, Str path)
{
    Str target = arena_copy(&exchange->arena, path);

    (void)str_split(target, '#', &target, &(Str){0});
    (void)str_split(target, '?', &exchange->request.path, &exchange->request.query);
}

static void take_field(Exchange *exchange, Str name, Str value)
{
    Request *request = &exchange->request;

    if (str_equal(name, STR(":method"))) {
        request->method_text = arena_copy(&exchange->arena, value);
        request->method = method_parse(value);
    } else if (str_equal(name, STR(":path"))) {
        set_path(exchange, value);
    } else if (str_equal(name, STR(":authority"))) {
        exchange_add_header(exchange, STR("host"), value);
    } else if (name.len > 0 && name.ptr[0] != ':') {
        if (str_equal(name, STR("content-length")) &&
            str_parse_u64(value, &exchange->content_length) != 0) {
            exchange->content_length = 0; /* nghttp2 lets only numbers pass */
        }
        exchange_add_header(exchange, name, value);
    }
}

static Str view_rcbuf(nghttp2_rcbuf *rcbuf)
{
    nghttp2_vec bytes = nghttp2_rcbuf_get_buf(rcbuf);

    return str_from_bytes(bytes.base, bytes.len);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name_buf,
                     nghttp2_rcbuf *value_buf, uint8_t flags, void *context)
{
    Connection *connection = context;
    Exchange *exchange = stream_exchange(connection->state, frame->hd.stream_id);
    Str name = view_rcbuf(name_buf), value = view_rcbuf(value_buf);

    if (exchange == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* trailers: no handler asks for them */
    }
    exchange->header_bytes += name.len + value.len + 32; /* as RFC 9113, 6.5.2 counts */
    if (exchange->header_bytes > SERVER_HEADER_BYTES_MAX ||
        exchange->n_headers >= HTTP_HEADERS_MAX) {
        exchange_refuse(exchange, 431, "the request head is too long");
        /* Somewhat more is read, so that the client gets its 431; after that its stream breaks. */
        return exchange->header_bytes > 4 * (size_t)SERVER_HEADER_BYTES_MAX
                   ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
                   : 0;
    }
    take_field(exchange, name, value);
    return 0;
}

static bool is_answered(const Exchange *exchange)
{
    return exchange->held || exchange->ended;
}

static void start_exchange(Exchange *exchange, bool ended)
{
    Request *request = &exchange->request;

    request->is_grpc = grpc_is(exchange_header(exchange, STR("content-type")));
    exchange_route(exchange);
    if (ended) {
        exchange_dispatch(exchange);
        return;
    }
    (void)exchange_body_space(exchange, 0, exchange->content_length);
    if (exchange->unwanted || (exchange->refusal != 0 && request->is_grpc) ||
        exchange->refusal == 431) {
        exchange_fail(exchange, exchange->refusal, exchange->refusal_text);
    }
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t len, void *context)
{
    Connection *connection = context;
    Exchange *exchange = stream_exchange(connection->state, stream_id);

    if (exchange == NULL || is_answered(exchange)) {
        return 0;
    }
    Str bytes = str_from_bytes(data, len);
    uint64_t expected = exchange->content_length;
    if (exchange->request.is_grpc) {
        expected = grpc_expected(exchange->body.len == 0 ? bytes : buf_str(&exchange->body));
    }
    exchange_body_add(exchange, bytes, expected);
    if (exchange->unwanted) {
        exchange_fail(exchange, exchange->refusal, exchange->refusal_text);
    }
    return 0;
}

static int on_frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    Connection *connection = context;
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    Exchange *exchange = stream_exchange(connection->state, frame->hd.stream_id);
    if (exchange == NULL || is_answered(exchange)) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        start_exchange(exchange, ended);
    } else if (ended) {
        exchange_dispatch(exchange);
    }
    return 0;
}

static void count_flood(Connection *connection, uint32_t *counter, uint32_t max)
{
    Http2 *http = connection->state;
    uint64_t now = now_ms();

    if (now - http->window_start_ms > FLOOD_WINDOW_MS) {
        http->window_start_ms = now;
        http->resets = http->controls = 0;
    }
    if (++*counter == max + 1) {
        COUNT(connection->worker, protocol_errors, 1);
        log_warn("HTTP/2 flood, connection ended", LOG_CSTR("peer", connection->peer));
        (void)nghttp2_session_terminate_session(http->session, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *header, void *context)
{
    Connection *connection = context;
    Http2 *http = connection->state;

    switch (header->type) {
    case NGHTTP2_RST_STREAM:
        count_flood(connection, &http->resets, SERVER_RESETS_MAX);
        break;
    case NGHTTP2_DATA:
        if (header->length == 0 && (header->flags & NGHTTP2_FLAG_END_STREAM) == 0) {
            count_flood(connection, &http->controls, CONTROL_FRAMES_MAX);
        }
        break;
    case NGHTTP2_PING:
    case NGHTTP2_GOAWAY:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY:
    case NGHTTP2_CONTINUATION:
        count_flood(connection, &http->controls, CONTROL_FRAMES_MAX);
        break;
    default:
        break;
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *context)
{
    Connection *connection = context;

    COUNT(connection->worker, protocol_errors, 1);
    return 0;
}

static void http2_answer(Connection *connection, Exchange *exchange)
{
    Http2 *http = connection->state;

    if (!exchange->head_sent) {
        http2_submit_answer(http->session, exchange);
    } else {
        /* Fails harmlessly when it was not waiting. */
        (void)nghttp2_session_resume_data(http->session, exchange->stream_id);
    }
    if (!http->receiving) {
        pump(connection);
    }
}

/* Our answer is complete while the client still sends: it may stop (RFC 9113, 8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    Connection *connection = context;
    Http2 *http = connection->state;
    int32_t id = frame->hd.stream_id;
    bool ended = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                 (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (ended && nghttp2_session_get_stream_remote_close(session, id) == 0) {
        reset_stream(http, id, NGHTTP2_NO_ERROR);
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
        frame->rst_stream.error_code != NGHTTP2_CANCEL) {
        count_flood(connection, &http->resets, SERVER_RESETS_MAX);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error,
                           void *context)
{
    Connection *connection = context;
    Http2 *http = connection->state;
    Exchange *exchange = stream_exchange(http, stream_id);

    if (exchange != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL);
        LIST_REMOVE(exchange, stream);
        exchange_abandon(exchange);
        http->idle_since_ms = now_ms();
    }
    return 0;
}

static nghttp2_session *new_session(Connection *connection)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session = NULL;
    int r = nghttp2_session_callbacks_new(&callbacks);

    ASSERT(r == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_received);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    r = nghttp2_session_server_new(&session, callbacks, connection);
    ASSERT(r == 0);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

static void http2_start(Connection *connection)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, SERVER_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_SIZE_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, SERVER_HEADER_BYTES_MAX},
    };
    Http2 *http = NEW(Http2);

    connection->state = http;
    http->idle_since_ms = http->window_start_ms = now_ms();
    http->session = new_session(connection);
    int r =
        nghttp2_submit_settings(http->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    ASSERT(r == 0);
    r = nghttp2_session_set_local_window_size(http->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW);
    ASSERT(r == 0);
}

static void http2_free(Connection *connection)
{
    Http2 *http = connection->state;

    /* Deleting a session closes no streams: their exchanges are ours to let go. */
    while (!LIST_EMPTY(&http->streams)) {
        Exchange *exchange = LIST_FIRST(&http->streams);

        LIST_REMOVE(exchange, stream);
        exchange_abandon(exchange);
    }
    nghttp2_session_del(http->session);
    mem_free(http);
}

static size_t http2_input(Connection *connection, Str bytes)
{
    Http2 *http = connection->state;
    Str rest = bytes;

    http->receiving = true;
    int r = http2_frames_give(&http->frames, http->session, &rest);
    http->receiving = false;
    if (r < 0) {
        uint32_t code =
            r == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;

        COUNT(connection->worker, protocol_errors, 1);
        (void)nghttp2_session_terminate_session(http->session, code);
    }
    pump(connection);
    if (r < 0) {
        connection_finish(connection);
    }
    return bytes.len - rest.len;
}

static void http2_input_ended(Connection *connection)
{
    Http2 *http = connection->state;
    Exchange *exchange;

    LIST_FOREACH(exchange, &http->streams, stream)
    {
        if (!is_answered(exchange) || exchange_is_event_stream(exchange)) {
            reset_stream(http, exchange->stream_id, NGHTTP2_CANCEL);
        }
    }
    pump(connection);
}

static void tick_stream(Connection *connection, Exchange *exchange, uint64_t now)
{
    Http2 *http = connection->state;
    bool is_receiving = !is_answered(exchange) && !exchange->head_sent;
    bool is_sending = exchange->ended;

    if (is_receiving && exchange_outstays(exchange, now)) {
        COUNT(connection->worker, bodies_refused, 1);
        exchange_fail(exchange, 503, SERVER_OUTSTAYED_TEXT);
        return;
    }
    if (now - MIN(now, exchange->progress_ms) <= connection->worker->shared->progress_ms ||
        !(is_receiving || is_sending)) {
        return;
    }
    uint64_t more = exchange->received - exchange->received_mark;
    if (is_receiving && more >= CONNECTION_BODY_PROGRESS_BYTES) {
        exchange->progress_ms = now;
        exchange->received_mark = exchange->received;
        return;
    }
    COUNT(connection->worker, timeouts, 1);
    reset_stream(http, exchange->stream_id, NGHTTP2_CANCEL);
}

static void http2_tick(Connection *connection, uint64_t now)
{
    Http2 *http = connection->state;
    Exchange *exchange;
    uint64_t idle_ms = connection->worker->shared->idle_ms;

    http->receiving = true; /* what is sent may end a stream */
    LIST_FOREACH(exchange, &http->streams, stream)
    {
        tick_stream(connection, exchange, now);
    }
    http->receiving = false;
    if (http->drain == DRAIN_NOTICED) {
        /* A sweep later: what was on its way when we announced the end has arrived. */
        http->drain = DRAIN_REFUSING;
        (void)nghttp2_submit_goaway(http->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(http->session),
                                    NGHTTP2_NO_ERROR, NULL, 0);
    } else if (LIST_EMPTY(&http->streams) && now - MIN(now, http->idle_since_ms) > idle_ms) {
        (void)nghttp2_session_terminate_session(http->session, NGHTTP2_NO_ERROR);
    }
    pump(connection);
}

static void http2_drain(Connection *connection)
{
    Http2 *http = connection->state;
    Exchange *exchange;

    LIST_FOREACH(exchange, &http->streams, stream)
    {
        if (exchange_is_event_stream(exchange)) {
            reset_stream(http, exchange->stream_id, NGHTTP2_CANCEL);
        }
    }
    if (http->drain == DRAIN_NOT) {
        http->drain = DRAIN_NOTICED;
        (void)nghttp2_submit_shutdown_notice(http->session);
    }
    pump(connection);
}

const Protocol http2_protocol = {
    .start = http2_start,
    .input = http2_input,
    .input_ended = http2_input_ended,
    .sent = pump,
    .answer = http2_answer,
    .tick = http2_tick,
    .drain = http2_drain,
    .free = http2_free,
};
