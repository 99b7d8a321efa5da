// SPDX-License-Identifier: Apache-2.0
#include "serve/http/exchange.h"

#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/memory.h"
#include "serve/http/connection.h"
#include "serve/http/grpc.h"

/*
 * Who owns an Exchange:
 *
 *     connection ──dispatch──▶ handler ──respond or end (posted)──▶ connection ──sent──▶ freed
 *         │                       │                                    │
 *         └── client gone: freed  └── client gone: `connection` = NULL,└── client gone: freed
 *                                     freed when the answer arrives
 *
 * The handler's thread touches the answer's fields only before it posts; the worker's thread only
 * after. In between they meet in the atomics and in `pending` under its lock. The last post of a
 * streamed answer is exchange_end's own, so nothing of the handler's can follow it.
 */
enum { STATE_OPEN, STATE_STREAMING, STATE_ANSWERED };

Exchange *exchange_new(Connection *connection)
{
    Exchange *exchange = NEW(Exchange);

    exchange->connection = connection;
    exchange->worker = connection->worker;
    exchange->listener = connection->listener;
    exchange->started_ms = exchange->progress_ms = now_ms();
    exchange->request.peer = arena_copy(&exchange->arena, str_from_cstr(connection->peer));
    pthread_mutex_init(&exchange->lock, NULL);
    atomic_fetch_add(&connection->worker->shared->exchanges, 1);
    COUNT(exchange->worker, requests, 1);
    COUNT(exchange->worker, requests_open, 1);
    return exchange;
}

Exchange *exchange_free(Exchange *exchange)
{
    Shared *shared = exchange->worker->shared;

    ASSERT(!exchange->held);
    exchange_drop_body(exchange);
    atomic_fetch_sub(&shared->answer_bytes, exchange->answer_charged);
    buf_deinit(&exchange->response.body);
    buf_deinit(&exchange->pending);
    pthread_mutex_destroy(&exchange->lock);
    arena_deinit(&exchange->arena);
    COUNT(exchange->worker, requests_open, -1);
    mem_free(exchange);
    atomic_fetch_sub(&shared->exchanges, 1); /* last: server_free() waits for it */
    return NULL;
}

void exchange_add_header(Exchange *exchange, Str name, Str value)
{
    if (exchange->n_headers == exchange->headers_capacity) {
        size_t capacity = MAX((size_t)16, exchange->headers_capacity * 2);
        Header *headers = ARENA_ARRAY(&exchange->arena, Header, capacity);

        if (exchange->n_headers > 0) {
            mem_copy(headers, exchange->headers, exchange->n_headers * sizeof(Header));
        }
        exchange->headers = headers;
        exchange->headers_capacity = capacity;
    }
    exchange->headers[exchange->n_headers++] = (Header){
        .name = arena_copy(&exchange->arena, name), .value = arena_copy(&exchange->arena, value)};
}

const Request *exchange_request(const Exchange *exchange)
{
    return &exchange->request;
}

Str exchange_header(const Exchange *exchange, Str name)
{
    for (size_t i = 0; i < exchange->n_headers; i++) {
        if (str_equal_nocase(exchange->headers[i].name, name)) {
            return exchange->headers[i].value;
        }
    }
    return (Str){0};
}

Str exchange_parameter(const Exchange *exchange, Str name)
{
    for (size_t i = 0; i < exchange->match.n_parameters; i++) {
        if (str_equal(exchange->match.parameters[i].name, name)) {
            return exchange->match.parameters[i].value;
        }
    }
    return (Str){0};
}

void exchange_refuse(Exchange *exchange, int status, const char *text)
{
    if (exchange->refusal == 0) {
        exchange->refusal = status;
        exchange->refusal_text = text;
    }
}

void exchange_route(Exchange *exchange)
{
    Request *request = &exchange->request;

    request->content_type = exchange_header(exchange, STR("content-type"));
    request->encoding = exchange_header(exchange, request->is_grpc ? STR("grpc-encoding")
                                                                   : STR("content-encoding"));
    switch (router_match(exchange->listener->router, request->method, request->path,
                         &exchange->arena, &exchange->match)) {
    case ROUTE_NOT_FOUND:
        exchange_refuse(exchange, 404,
                        request->is_grpc ? "this method is not served here"
                                         : "nothing is served at this path");
        break;
    case ROUTE_BAD_METHOD:
        if (request->method == HTTP_OPTIONS && exchange->listener->options.cross_origin) {
            exchange_refuse(exchange, 204, "");
        } else {
            exchange_refuse(exchange, 405, "this path is not served for this method");
        }
        break;
    case ROUTE_BAD_PATH:
        exchange_refuse(exchange, 400, "a % in the path is not followed by two hex digits");
        break;
    default:
        break;
    }
}

void exchange_dispatch(Exchange *exchange)
{
    Request *request = &exchange->request;
    const char *text = "";

    ASSERT(!exchange->held && exchange->state == STATE_OPEN);
    request->body = buf_str(&exchange->body);
    if (exchange->refusal == 0 && request->is_grpc) {
        int status = grpc_take_message(request->body, &request->encoding, &request->body, &text);

        if (status != 0) {
            exchange_refuse(exchange, status, text);
        }
    }
    if (exchange->refusal != 0) {
        exchange_fail(exchange, exchange->refusal, exchange->refusal_text);
        return;
    }
    exchange->held = true;
    exchange->match.route->handler(exchange->match.route->context, exchange);
}

/* Keeps @response, whose strings live in the call only, and what gRPC makes of it. */
static void keep_response(Exchange *exchange, const Response *response)
{
    Arena *arena = &exchange->arena;
    Response *kept = &exchange->response;

    *kept = *response;
    kept->content_type = arena_copy(arena, response->content_type);
    kept->grpc_message = arena_copy(arena, response->grpc_message);
    kept->location = arena_copy(arena, response->location);
    kept->cache_control = arena_copy(arena, response->cache_control);
    kept->content_encoding = arena_copy(arena, response->content_encoding);
    kept->etag = arena_copy(arena, response->etag);
    kept->allow = arena_copy(arena, response->allow);
    if (kept->status == 0) {
        kept->status = 200;
    }
    ASSERT(kept->status >= 200 && kept->status <= 599);
    if (exchange->request.is_grpc && kept->grpc_status == GRPC_OK && kept->status != 200) {
        kept->grpc_status = grpc_from_http(kept->status);
        if (kept->grpc_message.len == 0) {
            kept->grpc_message = str_from_cstr(status_text(kept->status));
        }
    }
}

/* Tells the connection that there is something new to send. */
static void wake_connection(Exchange *exchange)
{
    Connection *connection = exchange->connection;

    if (connection != NULL) {
        connection_enter(connection);
        connection->protocol->answer(connection, exchange);
        connection_leave(connection);
    } else if (exchange->ended) {
        exchange_free(exchange);
    }
}

static void deliver_last(void *context)
{
    Exchange *exchange = context;

    exchange->held = false;
    exchange->ended = true;
    exchange_drop_body(exchange);
    worker_count_status(exchange->worker, exchange_status(exchange));
    wake_connection(exchange);
}

static void deliver_more(void *context)
{
    wake_connection(context);
}

/* Answering twice, or writing what was not begun, is a mistake of the handler's. */
static void move_state(Exchange *exchange, int from, int to)
{
    int was = atomic_exchange(&exchange->state, to);

    ASSERT(was == from);
}

/* Counts an answer that has to wait until its client reads it. False when too much waits already;
 * the first is let through, however large. */
static bool charge_answer(Exchange *exchange, size_t len)
{
    enum { SMALL_ANSWER = 64 << 10 }; /* not counted: the number of exchanges bounds them */
    Shared *shared = exchange->worker->shared;

    if (len <= SMALL_ANSWER) {
        return true;
    }
    uint64_t before = atomic_fetch_add(&shared->answer_bytes, len);
    if (before > 0 && before + len > SERVER_ANSWERS_MAX) {
        atomic_fetch_sub(&shared->answer_bytes, len);
        return false;
    }
    exchange->answer_charged = len;
    return true;
}

void exchange_respond(Exchange *exchange, Response *response)
{
    if (!charge_answer(exchange, response->body.len)) {
        buf_deinit(&response->body);
        exchange_fail(exchange, 503, "the server holds as many unread answers as it can");
        return;
    }
    move_state(exchange, STATE_OPEN, STATE_ANSWERED);
    keep_response(exchange, response);
    response->body = (Buf){0};
    if (loop_is_current(exchange->worker->loop)) {
        deliver_last(exchange);
    } else {
        loop_post(exchange->worker->loop, deliver_last, exchange);
    }
}

void exchange_begin(Exchange *exchange, const Response *response)
{
    move_state(exchange, STATE_OPEN, STATE_STREAMING);
    ASSERT(response->body.len == 0);
    keep_response(exchange, response);
    exchange->response.body = (Buf){0};
    exchange->streamed = true;
    loop_post(exchange->worker->loop, deliver_more, exchange);
}

int exchange_write(Exchange *exchange, Str bytes)
{
    uint8_t prefix[GRPC_PREFIX_SIZE];
    bool post = false;

    ASSERT(atomic_load(&exchange->state) == STATE_STREAMING);
    pthread_mutex_lock(&exchange->lock);
    if (exchange->pending.len + atomic_load(&exchange->unsent) >= EXCHANGE_BACKLOG_MAX) {
        exchange->too_slow = true;
    }
    bool refused = exchange->too_slow || atomic_load(&exchange->gone);
    if (!refused) {
        if (exchange->request.is_grpc) {
            grpc_write_prefix(prefix, bytes.len);
            buf_append(&exchange->pending, prefix, sizeof(prefix));
        }
        buf_append_str(&exchange->pending, bytes);
        post = !exchange->posted;
        exchange->posted = true;
    }
    pthread_mutex_unlock(&exchange->lock);
    if (post) {
        loop_post(exchange->worker->loop, deliver_more, exchange);
    }
    return refused ? 1 : 0;
}

void exchange_end(Exchange *exchange)
{
    move_state(exchange, STATE_STREAMING, STATE_ANSWERED);
    loop_post(exchange->worker->loop, deliver_last, exchange);
}

size_t exchange_backlog(const Exchange *exchange)
{
    Exchange *locked = (Exchange *)exchange;

    pthread_mutex_lock(&locked->lock);
    size_t pending = exchange->pending.len;
    pthread_mutex_unlock(&locked->lock);
    return pending + atomic_load(&exchange->unsent);
}

void exchange_take_pending(Exchange *exchange, Buf *out)
{
    ASSERT(out->len == 0);
    buf_deinit(out);
    pthread_mutex_lock(&exchange->lock);
    *out = exchange->pending;
    exchange->pending = (Buf){0};
    exchange->posted = false;
    /* Inside the lock, so that a writer never sees less than there is. */
    atomic_fetch_add(&exchange->unsent, out->len);
    pthread_mutex_unlock(&exchange->lock);
}

void exchange_fail(Exchange *exchange, int status, const char *text)
{
    const ListenerOptions *options = &exchange->listener->options;
    Response response = {.status = status,
                         .retry_after_s = status == 503 ? SERVER_BUSY_RETRY_S : 0};
    Str message = str_from_cstr(text);

    if (exchange->request.is_grpc) {
        response.status = 200;
        response.grpc_status = grpc_from_http(status);
        response.grpc_message = message;
    } else if (status >= 400 && options->error_body != NULL) {
        options->error_body(&exchange->request, status, message, &response);
    } else if (status >= 400) {
        response.content_type = STR("text/plain; charset=utf-8");
        buf_append_str(&response.body, message);
        buf_append_byte(&response.body, '\n');
    }
    if (status == 405) {
        response.allow = methods_format(exchange->match.methods, &exchange->arena);
    }
    exchange_respond(exchange, &response);
}

void exchange_abandon(Exchange *exchange)
{
    exchange->connection = NULL;
    atomic_store(&exchange->gone, true);
    if (!exchange->held) {
        exchange_free(exchange);
    }
}

bool exchange_is_abandoned(const Exchange *exchange)
{
    return atomic_load(&exchange->gone);
}

bool exchange_is_event_stream(const Exchange *exchange)
{
    return exchange->head_sent && exchange->streamed && !exchange->ended &&
           str_starts_with(exchange->response.content_type, STR("text/event-stream"));
}

typedef struct FieldList {
    AnswerField *fields;
    size_t n_fields;
} FieldList;

static void add_field(FieldList *list, Str name, Str value)
{
    if (value.len > 0) {
        ASSERT(list->n_fields < ANSWER_FIELDS_MAX);
        list->fields[list->n_fields++] = (AnswerField){name, value};
    }
}

static void add_cross_origin(Exchange *exchange, FieldList *list)
{
    Str asked = exchange_header(exchange, STR("access-control-request-headers"));

    add_field(list, STR("Access-Control-Allow-Origin"), STR("*"));
    if (exchange->request.method == HTTP_OPTIONS && exchange->match.methods != 0) {
        add_field(list, STR("Access-Control-Allow-Methods"),
                  methods_format(exchange->match.methods, &exchange->arena));
        add_field(list, STR("Access-Control-Allow-Headers"), asked.len > 0 ? asked : STR("*"));
        add_field(list, STR("Access-Control-Max-Age"), STR("7200"));
    }
}

size_t exchange_fields(Exchange *exchange, AnswerField fields[ANSWER_FIELDS_MAX])
{
    const Response *response = &exchange->response;
    FieldList list = {.fields = fields};

    add_field(&list, STR("Content-Type"), response->content_type);
    if (exchange->request.is_grpc) {
        add_field(&list, STR("Grpc-Accept-Encoding"), STR(GRPC_ACCEPT_ENCODING));
        return list.n_fields;
    }
    add_field(&list, STR("Content-Encoding"), response->content_encoding);
    add_field(&list, STR("Cache-Control"), response->cache_control);
    add_field(&list, STR("ETag"), response->etag);
    add_field(&list, STR("Location"), response->location);
    add_field(&list, STR("Allow"), response->allow);
    if (response->retry_after_s > 0) {
        add_field(&list, STR("Retry-After"),
                  arena_format(&exchange->arena, "%u", (unsigned)response->retry_after_s));
    }
    add_field(&list, STR("X-Content-Type-Options"), STR("nosniff"));
    if (exchange->listener->options.cross_origin) {
        add_cross_origin(exchange, &list);
    }
    return list.n_fields;
}

int exchange_status(const Exchange *exchange)
{
    return exchange->request.is_grpc ? grpc_to_http(exchange->response.grpc_status)
                                     : exchange->response.status;
}

void worker_count_status(Worker *worker, int status)
{
    if (status < 300) {
        COUNT(worker, status_2xx, 1);
    } else if (status < 400) {
        COUNT(worker, status_3xx, 1);
    } else if (status < 500) {
        COUNT(worker, status_4xx, 1);
    } else {
        COUNT(worker, status_5xx, 1);
    }
}

const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Status";
}

Str worker_date(Worker *worker)
{
    time_t now = time(NULL);
    struct tm parts;

    if (now != worker->date_s && gmtime_r(&now, &parts) != NULL) {
        worker->date_s = now;
        (void)strftime(worker->date_text, sizeof(worker->date_text), "%a, %d %b %Y %H:%M:%S GMT",
                       &parts);
    }
    return str_from_cstr(worker->date_text);
}
