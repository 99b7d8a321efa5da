// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/memory.h"
#include "serve/http/connection.h"

/*
 * HTTP/1.0 and 1.1 on a connection. One exchange at a time: bytes behind it wait in the
 * connection's input, so pipelined requests are answered in order without a queue of answers.
 *
 *     HEAD ──head──▶ BODY ──whole──▶ WAITING ──answered──▶ HEAD, or finish()
 *       └──────────no body───────────▲
 *
 * Whatever leaves the end of a request in doubt (a bad head, a refused body, a timeout) is answered
 * and ends the connection, so that body bytes are never taken for the next request.
 */
typedef enum Phase { PHASE_HEAD, PHASE_BODY, PHASE_WAITING } Phase;

typedef struct Http1 {
    Phase phase;
    Exchange *exchange; /* PHASE_BODY and PHASE_WAITING */
    Http1Head head;     /* of the exchange; its strings are in the exchange's arena */
    ChunkDecoder chunks;
    size_t scanned;    /* of the bytes that may become a head */
    bool head_started; /* PHASE_HEAD: the first byte is there */
    bool held_back;    /* PHASE_HEAD: until the client reads its answers */
    uint64_t phase_ms; /* since when this phase makes no progress */
    uint64_t received_mark;
} Http1;

static void http1_start(Connection *connection)
{
    Http1 *http = NEW(Http1);

    http->phase_ms = connection->started_ms;
    connection->state = http;
}

static void http1_free(Connection *connection)
{
    Http1 *http = connection->state;

    if (http->exchange != NULL) {
        exchange_abandon(http->exchange);
    }
    mem_free(http);
}

/* Answers @status in place of the exchange's handler, and ends the connection. */
static void refuse(Connection *connection, int status, const char *text)
{
    Http1 *http = connection->state;

    if (http->exchange == NULL) {
        http->exchange = exchange_new(connection);
        http->head = (Http1Head){0};
    }
    http->head.keep_alive = false;
    http->phase = PHASE_WAITING;
    exchange_fail(http->exchange, status, text);
}

static void refuse_bad(Connection *connection, int status, const char *text)
{
    COUNT(connection->worker, protocol_errors, 1);
    refuse(connection, status, text);
}

static void dispatch(Connection *connection)
{
    Http1 *http = connection->state;

    http->phase = PHASE_WAITING;
    exchange_dispatch(http->exchange);
}

/* Refuses at once what need not be sent first; else asks for the body. */
static void start_body(Connection *connection, bool body_is_coming)
{
    Http1 *http = connection->state;
    Exchange *exchange = http->exchange;

    http->phase = PHASE_BODY;
    http->phase_ms = now_ms();
    http->received_mark = connection->received;
    http->chunks = (ChunkDecoder){0};
    (void)exchange_body_space(exchange, 0, http->head.content_length);
    bool asks = http->head.expect_continue && !body_is_coming;
    if (exchange->unwanted || (asks && exchange->refusal != 0)) {
        refuse(connection, exchange->refusal, exchange->refusal_text);
    } else if (asks) {
        connection_send(connection, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    }
}

static void start_exchange(Connection *connection, bool more_bytes)
{
    Http1 *http = connection->state;
    Exchange *exchange = http->exchange;
    Request *request = &exchange->request;

    request->method = http->head.method;
    request->method_text = http->head.method_text;
    request->path = http->head.path;
    request->query = http->head.query;
    exchange->headers = http->head.headers;
    exchange->n_headers = exchange->headers_capacity = http->head.n_headers;
    exchange_route(exchange);
    if (http->head.chunked || http->head.content_length > 0) {
        start_body(connection, more_bytes);
    } else {
        dispatch(connection);
    }
}

static Str skip_empty_lines(Str bytes)
{
    while (bytes.len > 0 && (bytes.ptr[0] == '\r' || bytes.ptr[0] == '\n')) {
        bytes = str_slice(bytes, 1, bytes.len);
    }
    return bytes;
}

static void refuse_long_head(Connection *connection, Str bytes)
{
    if (str_find_byte(bytes, '\n', 0) == bytes.len) {
        refuse_bad(connection, 414, "the request line is too long");
    } else {
        refuse_bad(connection, 431, "the request head is too long");
    }
}

/* A client that speaks something else waits for our answer; the end of a head would never come. */
static void refuse_stranger(Connection *connection, char first)
{
    enum { TLS_HANDSHAKE = 0x16 };

    refuse_bad(connection, 400,
               first == TLS_HANDSHAKE ? "this port speaks plain HTTP: use http://, or configure TLS"
                                      : "this is no HTTP request");
}

/* Takes one head off @bytes. Returns false when there is none yet. */
static bool read_head(Connection *connection, Str *bytes)
{
    Http1 *http = connection->state;
    size_t length = 0;
    ParseError error;

    if (!http->head_started) {
        *bytes = skip_empty_lines(*bytes);
        if (bytes->len == 0) {
            return false;
        }
        http->head_started = true;
        http->scanned = 0;
        http->phase_ms = now_ms();
    }
    if (!http1_may_begin(bytes->ptr[0])) {
        refuse_stranger(connection, bytes->ptr[0]);
        return true;
    }
    bool ended = http1_head_end(*bytes, &http->scanned, &length);
    if (ended ? length > SERVER_HEADER_BYTES_MAX : bytes->len > SERVER_HEADER_BYTES_MAX) {
        refuse_long_head(connection, *bytes);
        return true;
    }
    if (!ended) {
        return false;
    }
    http->head_started = false;
    http->head = (Http1Head){0}; /* a bad head must not be answered as the one before */
    http->exchange = exchange_new(connection);
    int status =
        http1_head_parse(str_slice(*bytes, 0, length), &http->exchange->arena, &http->head, &error);
    *bytes = str_slice(*bytes, length, bytes->len);
    if (status != 0) {
        refuse_bad(connection, status, error.text);
    } else {
        start_exchange(connection, bytes->len > 0);
    }
    return true;
}

static void read_fixed(Connection *connection, Str *bytes)
{
    Http1 *http = connection->state;
    Exchange *exchange = http->exchange;
    uint64_t left = http->head.content_length - exchange->received;
    Str piece = str_slice(*bytes, 0, (size_t)MIN(left, (uint64_t)bytes->len));

    *bytes = str_slice(*bytes, piece.len, bytes->len);
    exchange_body_add(exchange, piece, http->head.content_length);
    if (exchange->unwanted) {
        refuse(connection, exchange->refusal, exchange->refusal_text);
    } else if (exchange->received == http->head.content_length) {
        dispatch(connection);
    }
}

static void read_chunked(Connection *connection, Str *bytes)
{
    Http1 *http = connection->state;
    Exchange *exchange = http->exchange;
    Str piece;
    int r = chunk_decode(&http->chunks, bytes, &piece);

    exchange_body_add(exchange, piece, 0);
    if (exchange->unwanted) {
        refuse(connection, exchange->refusal, exchange->refusal_text);
    } else if (r == CHUNK_BAD) {
        refuse_bad(connection, 400, "the body is not validly chunked");
    } else if (r == CHUNK_DONE) {
        dispatch(connection);
    }
}

static size_t http1_input(Connection *connection, Str bytes)
{
    Http1 *http = connection->state;
    Str rest = bytes;
    bool goes_on = true;

    while (goes_on && !connection->dead && !connection->finishing) {
        if (http->phase == PHASE_WAITING) {
            goes_on = false;
        } else if (http->phase == PHASE_BODY) {
            goes_on = rest.len > 0;
            if (goes_on && http->head.chunked) {
                read_chunked(connection, &rest);
            } else if (goes_on) {
                read_fixed(connection, &rest);
            }
        } else {
            /* Who does not read his answers gets no new ones. */
            http->held_back =
                rest.len > 0 && connection_unsent(connection) > CONNECTION_OUTPUT_HIGH;
            goes_on = !http->held_back && read_head(connection, &rest);
        }
    }
    if (connection->input_over && http->phase != PHASE_WAITING && !http->held_back) {
        connection_finish(connection); /* the rest is half a request */
    }
    return bytes.len - rest.len;
}

static size_t http1_space(Connection *connection, uint8_t **ret_space)
{
    Http1 *http = connection->state;
    Exchange *exchange = http->exchange;

    if (http->phase != PHASE_BODY || http->head.chunked || exchange->refusal != 0) {
        return 0;
    }
    uint64_t left = http->head.content_length - exchange->received;
    size_t size = (size_t)MIN(left, (uint64_t)CONNECTION_READ_SIZE);
    uint8_t *space = exchange_body_space(exchange, size, http->head.content_length);
    if (space == NULL) {
        return 0;
    }
    *ret_space = space;
    return size;
}

static void http1_filled(Connection *connection, size_t len)
{
    Http1 *http = connection->state;
    Exchange *exchange = http->exchange;

    ASSERT(http->phase == PHASE_BODY && exchange->body.len + len <= exchange->body.capacity);
    exchange->body.len += len;
    exchange->received += len;
    if (exchange->received == http->head.content_length) {
        dispatch(connection);
    }
}

static void http1_input_ended(Connection *connection)
{
    Http1 *http = connection->state;

    /* Half-closed clients get their answer; but an event stream never ends, and its client closes
     * whole, which looks the same from here. */
    if (http->phase == PHASE_WAITING && exchange_is_event_stream(http->exchange)) {
        connection_abort(connection);
    } else if (http->phase != PHASE_WAITING && !http->held_back) {
        connection_finish(connection);
    }
}

static bool has_body(const Http1 *http, const Response *response)
{
    return http->head.method != HTTP_HEAD && response->status != 204 && response->status != 304;
}

/* Content-Length or chunks, and what becomes of the connection. */
static void append_framing(const Http1 *http, const Exchange *exchange, Buf *head)
{
    const Response *response = &exchange->response;

    if (exchange->streamed && !http->head.is_http10) {
        buf_append_str(head, STR("Transfer-Encoding: chunked\r\n"));
    } else if (!exchange->streamed && response->status != 204 && response->status != 304) {
        buf_append_str(head, STR("Content-Length: "));
        buf_append_u64(head, response->body.len);
        buf_append_str(head, STR("\r\n"));
    }
    if (!http->head.keep_alive) {
        buf_append_str(head, STR("Connection: close\r\n"));
    } else if (http->head.is_http10) {
        buf_append_str(head, STR("Connection: keep-alive\r\n"));
    }
}

static void send_head(Connection *connection, Exchange *exchange)
{
    Http1 *http = connection->state;
    AnswerField fields[ANSWER_FIELDS_MAX];
    CLEANUP(buf_deinit) Buf head = {0};
    int status = exchange->response.status;

    if (atomic_load(&connection->worker->shared->draining) ||
        (exchange->streamed && http->head.is_http10)) {
        http->head.keep_alive = false;
    }
    buf_reserve(&head, 512);
    buf_append_format(&head, "HTTP/1.1 %d %s\r\nDate: ", status, status_text(status));
    buf_append_str(&head, worker_date(connection->worker));
    buf_append_str(&head, STR("\r\n"));
    size_t n_fields = exchange_fields(exchange, fields);
    for (size_t i = 0; i < n_fields; i++) {
        buf_append_str(&head, fields[i].name);
        buf_append_str(&head, STR(": "));
        buf_append_str(&head, fields[i].value);
        buf_append_str(&head, STR("\r\n"));
    }
    append_framing(http, exchange, &head);
    buf_append_str(&head, STR("\r\n"));
    connection_send(connection, buf_str(&head));
    exchange->head_sent = true;
}

static void send_streamed(Connection *connection, Exchange *exchange)
{
    Http1 *http = connection->state;
    bool chunked = !http->head.is_http10;
    CLEANUP(buf_deinit) Buf pending = {0};

    exchange_take_pending(exchange, &pending);
    if (!has_body(http, &exchange->response)) {
        atomic_store(&exchange->unsent, 0);
        return;
    }
    if (pending.len > 0) {
        char size[24];
        int n = snprintf(size, sizeof(size), "%zx\r\n", pending.len);

        connection_send(connection, str_from_bytes(size, chunked ? (size_t)n : 0));
        connection_send_buf(connection, &pending);
        connection_send(connection, chunked ? STR("\r\n") : STR(""));
    }
    if (exchange->ended && chunked) {
        connection_send(connection, STR("0\r\n\r\n"));
    }
}

static void finish_exchange(Connection *connection)
{
    Http1 *http = connection->state;
    bool cut = http->exchange->too_slow;

    http->exchange = exchange_free(http->exchange);
    http->phase = PHASE_HEAD;
    http->head_started = false;
    http->phase_ms = now_ms();
    if (cut) {
        connection_abort(connection);
    } else if (!http->head.keep_alive) {
        connection_finish(connection);
    } else {
        connection->retry_input = true;
    }
}

static void http1_answer(Connection *connection, Exchange *exchange)
{
    Http1 *http = connection->state;

    ASSERT(http->exchange == exchange && http->phase == PHASE_WAITING);
    if (!exchange->head_sent) {
        send_head(connection, exchange);
    }
    if (exchange->streamed) {
        send_streamed(connection, exchange);
    } else if (has_body(http, &exchange->response)) {
        connection_send_answer(connection, exchange);
    }
    if (exchange->ended) {
        finish_exchange(connection);
    } else if (connection->input_over && exchange_is_event_stream(exchange)) {
        connection_abort(connection);
    }
}

static void http1_sent(Connection *connection)
{
    Http1 *http = connection->state;
    size_t unsent = connection_unsent(connection);

    if (http->exchange != NULL && http->exchange->streamed && http->exchange->head_sent) {
        atomic_store(&http->exchange->unsent, unsent);
    }
    if (http->held_back && unsent <= CONNECTION_OUTPUT_HIGH) {
        http->held_back = false;
        connection->retry_input = true;
    }
}

static void http1_tick(Connection *connection, uint64_t now)
{
    Http1 *http = connection->state;
    const Shared *shared = connection->worker->shared;
    uint64_t quiet_ms = now - MIN(now, http->phase_ms);

    if (http->phase == PHASE_BODY && exchange_outstays(http->exchange, now)) {
        COUNT(connection->worker, bodies_refused, 1);
        refuse(connection, 503, SERVER_OUTSTAYED_TEXT);
    } else if (http->phase == PHASE_HEAD && !http->head_started) {
        if (quiet_ms > shared->idle_ms && !http->held_back) {
            connection_abort(connection);
        }
    } else if (http->phase != PHASE_WAITING && quiet_ms > shared->progress_ms) {
        uint64_t more = connection->received - http->received_mark;

        if (http->phase == PHASE_BODY && more >= CONNECTION_BODY_PROGRESS_BYTES) {
            http->phase_ms = now;
            http->received_mark = connection->received;
        } else {
            COUNT(connection->worker, timeouts, 1);
            refuse(connection, 408, "the request made no progress");
        }
    }
}

static void http1_drain(Connection *connection)
{
    Http1 *http = connection->state;

    http->head.keep_alive = false;
    if (http->phase == PHASE_WAITING && exchange_is_event_stream(http->exchange)) {
        connection_abort(connection);
    } else if (http->phase == PHASE_HEAD && !http->head_started) {
        if (connection_unsent(connection) == 0) {
            connection_abort(connection);
        } else {
            connection_finish(connection);
        }
    }
}

const Protocol http1_protocol = {
    .start = http1_start,
    .input = http1_input,
    .space = http1_space,
    .filled = http1_filled,
    .input_ended = http1_input_ended,
    .sent = http1_sent,
    .answer = http1_answer,
    .tick = http1_tick,
    .drain = http1_drain,
    .free = http1_free,
};
