// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "os/pool.h"
#include "serve/http/connection.h"

/*
 * A real server on a free port, spoken to over raw sockets, so that the tests can do what no client
 * library does.
 */
enum { BODY_MAX = 1 << 20, READ_TIMEOUT_MS = 10000, PARKED_MAX = 64 };

typedef struct Fixture {
    size_t body_max;
    Server *server;
    Pool *pool;
    uint16_t port;
    pthread_mutex_t lock;
    Exchange *parked[PARKED_MAX]; /* under lock */
    size_t n_parked;
} Fixture;

static Fixture fixture;

static void handle_echo(void *context, Exchange *exchange)
{
    const Request *request = exchange_request(exchange);
    Response response = {.status = 200, .content_type = STR("text/plain")};

    buf_append_format(&response.body, "%.*s %.*s?%.*s %zu:", STR_ARG(request->method_text),
                      STR_ARG(request->path), STR_ARG(request->query), request->body.len);
    buf_append_str(&response.body, str_slice(request->body, 0, 100));
    exchange_respond(exchange, &response);
}

static void handle_parameter(void *context, Exchange *exchange)
{
    Response response = {.status = 200};

    buf_append_str(&response.body, exchange_parameter(exchange, STR("id")));
    exchange_respond(exchange, &response);
}

static void handle_big(void *context, Exchange *exchange)
{
    Response response = {.status = 200};

    mem_fill(buf_grow(&response.body, 1 << 20), 'b', 1 << 20);
    exchange_respond(exchange, &response);
}

/* Kept until the test answers it. */
static void handle_park(void *context, Exchange *exchange)
{
    pthread_mutex_lock(&fixture.lock);
    assert_true(fixture.n_parked < PARKED_MAX);
    fixture.parked[fixture.n_parked++] = exchange;
    pthread_mutex_unlock(&fixture.lock);
}

static void answer_later(void *context)
{
    Exchange *exchange = context;
    Response response = {.status = 202};

    buf_append_str(&response.body, exchange_request(exchange)->query);
    exchange_respond(exchange, &response);
}

static void handle_pool(void *context, Exchange *exchange)
{
    assert_int_equal(pool_submit(fixture.pool, answer_later, exchange), 0);
}

/* Writes lines until the client is too slow or gone, then ends; the count goes to stream_lines. */
static _Atomic size_t stream_lines, stream_backlog;
static _Atomic bool stream_ended;

static void stream_until_refused(void *context)
{
    Exchange *exchange = context;
    char line[1024];

    mem_fill(line, 's', sizeof(line));
    while (exchange_write(exchange, str_from_bytes(line, sizeof(line))) == 0) {
        stream_lines++;
    }
    stream_backlog = exchange_backlog(exchange);
    exchange_end(exchange);
    stream_ended = true;
}

static void handle_endless(void *context, Exchange *exchange)
{
    const Response response = {.status = 200, .content_type = STR("text/event-stream")};

    exchange_begin(exchange, &response);
    assert_int_equal(pool_submit(fixture.pool, stream_until_refused, exchange), 0);
}

static void stream_three(void *context)
{
    Exchange *exchange = context;

    for (int i = 0; i < 3; i++) {
        char line[32];
        int n = snprintf(line, sizeof(line), "data: %d\n\n", i);

        assert_int_equal(exchange_write(exchange, str_from_bytes(line, (size_t)n)), 0);
    }
    exchange_end(exchange);
}

static void handle_events(void *context, Exchange *exchange)
{
    const Response response = {.status = 200, .content_type = STR("text/event-stream")};

    exchange_begin(exchange, &response);
    assert_int_equal(pool_submit(fixture.pool, stream_three, exchange), 0);
}

static const Route routes[] = {
    {HTTP_GET, "/echo", handle_echo, NULL},
    {HTTP_POST, "/echo", handle_echo, NULL},
    {HTTP_GET, "/traces/{id}", handle_parameter, NULL},
    {HTTP_GET, "/files/{id...}", handle_parameter, NULL},
    {HTTP_GET, "/big", handle_big, NULL},
    {HTTP_POST, "/park", handle_park, NULL},
    {HTTP_GET, "/park", handle_park, NULL},
    {HTTP_GET, "/pool", handle_pool, NULL},
    {HTTP_GET, "/endless", handle_endless, NULL},
    {HTTP_GET, "/events", handle_events, NULL},
};

static void start_server(uint64_t idle_ms, uint64_t progress_ms, uint64_t patience_ms,
                         uint64_t bodies_max)
{
    const ListenerOptions options = {
        .name = "test",
        .address = "127.0.0.1",
        .routes = routes,
        .n_routes = ARRAY_LEN(routes),
        .body_max = fixture.body_max,
        .cross_origin = true,
    };

    assert_int_equal(server_new(2, &fixture.server), 0);
    server_set_limits(fixture.server, idle_ms, progress_ms, patience_ms, bodies_max);
    assert_int_equal(server_listen(fixture.server, &options, &fixture.port), 0);
    assert_int_equal(server_start(fixture.server), 0);
}

/* On the port of the server before, which is gone. */
static void start_successor(Handover *handover)
{
    const ListenerOptions options = {.name = "test",
                                     .address = "127.0.0.1",
                                     .port = fixture.port,
                                     .routes = routes,
                                     .n_routes = ARRAY_LEN(routes),
                                     .handover = handover};

    assert_int_equal(server_new(1, &fixture.server), 0); /* fewer loops than before */
    assert_int_equal(server_listen(fixture.server, &options, &fixture.port), 0);
    assert_int_equal(server_start(fixture.server), 0);
}

static int setup(void **state)
{
    log_set_level(LOG_SILENT);
    fixture = (Fixture){.body_max = BODY_MAX};
    stream_lines = stream_backlog = 0;
    stream_ended = false;
    pthread_mutex_init(&fixture.lock, NULL);
    return pool_new("test", 2, 1024, &fixture.pool);
}

static int setup_usual(void **state)
{
    int r = setup(state);

    start_server(60000, 60000, 60000, SERVER_BODIES_MAX);
    return r;
}

static int setup_hasty(void **state)
{
    int r = setup(state);

    start_server(600, 300, 60000, SERVER_BODIES_MAX);
    return r;
}

static int setup_narrow(void **state)
{
    int r = setup(state);

    start_server(60000, 60000, 60000, 100000);
    return r;
}

static int setup_impatient(void **state)
{
    int r = setup(state);

    fixture.body_max = 4 * BODY_MAX;
    start_server(60000, 60000, 300, 8 * BODY_MAX);
    return r;
}

static int teardown(void **state)
{
    fixture.pool = pool_free(fixture.pool);
    fixture.server = server_free(fixture.server);
    pthread_mutex_destroy(&fixture.lock);
    return 0;
}

/* ---- a client ---- */

static int client_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fixture.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Sends all of it; false when the server reset the connection meanwhile. */
static bool client_send(int fd, Str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (n < 0) {
            return false;
        }
        bytes = str_slice(bytes, (size_t)n, bytes.len);
    }
    return true;
}

/* Reads once behind @buf; 0 at the end, -1 on a reset or after READ_TIMEOUT_MS. */
static ssize_t client_read(int fd, Buf *buf)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    if (poll(&poll_fd, 1, READ_TIMEOUT_MS) != 1) {
        return -1;
    }
    buf_reserve(buf, 65536);
    ssize_t n = recv(fd, buf->ptr + buf->len, 65536, 0);
    buf->len += n > 0 ? (size_t)n : 0;
    return n;
}

static void client_read_to_end(int fd, Buf *buf)
{
    ssize_t n;

    while ((n = client_read(fd, buf)) > 0) {
    }
    assert_int_equal(n, 0);
}

static bool has(const Buf *buf, Str part)
{
    return str_find(buf_str(buf), part) < buf->len;
}

static size_t count_parts(const Buf *buf, Str part)
{
    Str rest = buf_str(buf);
    size_t n = 0;

    for (size_t at; (at = str_find(rest, part)) < rest.len; n++) {
        rest = str_slice(rest, at + part.len, rest.len);
    }
    return n;
}

static void client_read_until(int fd, Buf *buf, Str part, size_t times)
{
    while (count_parts(buf, part) < times) {
        assert_true(client_read(fd, buf) > 0);
    }
}

/* Sends @request on a new connection, half-closes when @half_close, reads all until the server's
 * end. */
static void exchange_raw(Str request, bool half_close, Buf *ret_answer)
{
    int fd = client_connect();

    assert_true(client_send(fd, request));
    if (half_close) {
        shutdown(fd, SHUT_WR);
    }
    client_read_to_end(fd, ret_answer);
    close(fd);
}

static void expect_status(const char *request, const char *status)
{
    CLEANUP(buf_deinit) Buf answer = {0};

    exchange_raw(str_from_cstr(request), true, &answer);
    if (!str_starts_with(buf_str(&answer), str_from_cstr(status))) {
        fail_msg("%s\n-> %s, not %s", request, buf_cstr(&answer), status);
    }
}

static void wait_for(bool (*reached)(void))
{
    for (int i = 0; i < 5000 && !reached(); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    assert_true(reached());
}

static bool is_parked(void)
{
    pthread_mutex_lock(&fixture.lock);
    bool parked = fixture.n_parked > 0;
    pthread_mutex_unlock(&fixture.lock);
    return parked;
}

static bool all_closed(void)
{
    ServerCounters counters;

    server_counters(fixture.server, &counters);
    return counters.connections_open == 0;
}

static Exchange *take_parked(void)
{
    pthread_mutex_lock(&fixture.lock);
    Exchange *exchange = fixture.parked[--fixture.n_parked];
    pthread_mutex_unlock(&fixture.lock);
    return exchange;
}

/* ---- promises ---- */

static void a_connection_is_kept_alive_and_each_request_is_answered(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    int fd = client_connect();

    for (size_t i = 1; i <= 3; i++) {
        assert_true(client_send(fd, STR("GET /echo?a=1 HTTP/1.1\r\nHost: x\r\n\r\n")));
        client_read_until(fd, &answer, STR("GET /echo?a=1 0:"), i);
    }
    assert_int_equal(count_parts(&answer, STR("HTTP/1.1 200 OK\r\n")), 3);
    assert_int_equal(count_parts(&answer, STR("Content-Length: 16\r\n")), 3);
    assert_true(has(&answer, STR("\r\nDate: ")));
    assert_true(has(&answer, STR("Access-Control-Allow-Origin: *\r\n")));
    assert_true(client_send(fd, STR("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")));
    client_read_to_end(fd, &answer);
    assert_true(has(&answer, STR("Connection: close\r\n")));
    close(fd);
}

static void what_cannot_become_a_request_is_refused_at_once(void **state)
{
    const Str strangers[] = {STR("\x16\x03\x01\x02\x00\x01"), STR("\x00\x01"), STR("{}")};

    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        CLEANUP(buf_deinit) Buf answer = {0};

        exchange_raw(strangers[i], false, &answer);
        assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 400 ")));
        assert_int_equal(has(&answer, STR("TLS")), i == 0);
    }
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    CLEANUP(buf_deinit) Buf request = {0};
    CLEANUP(buf_deinit) Buf answer = {0};
    size_t from = 0;

    for (int i = 0; i < 200; i++) {
        /* Every other one is answered late, from another thread. */
        buf_append_format(&request, "GET /%s?n%d. HTTP/1.1\r\nHost: x\r\n\r\n",
                          i % 2 == 0 ? "pool" : "echo", i);
    }
    exchange_raw(buf_str(&request), true, &answer);
    for (int i = 0; i < 200; i++) {
        char mark[16];
        int n = snprintf(mark, sizeof(mark), "n%d.", i);
        size_t at = str_find(str_slice(buf_str(&answer), from, answer.len),
                             str_from_bytes(mark, (size_t)n));

        assert_true(from + at < answer.len);
        from += at;
    }
}

static void a_chunked_body_is_joined_however_it_is_cut(void **state)
{
    const Str request = STR("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "5;ext=\"v\"\r\nhello\r\n1\r\n \r\n0005\r\nworld\r\n0\r\nT: 1\r\n\r\n"
                            "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

    for (size_t cut = 1; cut < request.len; cut += 7) {
        CLEANUP(buf_deinit) Buf answer = {0};
        int fd = client_connect();

        for (size_t at = 0; at < request.len; at += cut) {
            assert_true(client_send(fd, str_slice(request, at, at + cut)));
        }
        client_read_to_end(fd, &answer);
        assert_true(has(&answer, STR("POST /echo? 11:hello world")));
        assert_true(has(&answer, STR("GET /echo? 0:")));
        close(fd);
    }
}

static void expect_100_continue_is_told_to_go_on_or_refused_before_the_body(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    CLEANUP(buf_deinit) Buf refusal = {0};
    int fd = client_connect();

    assert_true(client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                                    "Expect: 100-continue\r\n\r\n")));
    client_read_until(fd, &answer, STR("HTTP/1.1 100 Continue\r\n\r\n"), 1);
    assert_true(client_send(fd, STR("abc")));
    client_read_until(fd, &answer, STR("3:abc"), 1);
    close(fd);

    exchange_raw(STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n"
                     "Expect: 100-continue\r\n\r\n"),
                 true, &refusal);
    assert_true(str_starts_with(buf_str(&refusal), STR("HTTP/1.1 413 ")));
    expect_status("POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                  "Expect: 100-continue\r\n\r\n",
                  "HTTP/1.1 404 ");
    expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: tea\r\n\r\n",
                  "HTTP/1.1 417 ");
}

static void head_is_answered_as_get_without_the_body(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};

    exchange_raw(STR("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n"), true, &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 200 OK\r\n")));
    assert_true(has(&answer, STR("Content-Length: 14\r\n"))); /* of "HEAD /echo? 0:" */
    assert_true(str_ends_with(buf_str(&answer), STR("\r\n\r\n")));
}

static void unknown_paths_are_404_and_unknown_methods_405_with_allow(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    CLEANUP(buf_deinit) Buf preflight = {0};

    expect_status("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ");
    expect_status("GET /traces/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ");
    expect_status("GET /traces/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ");
    exchange_raw(STR("DELETE /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
                     "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"),
                 true, &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 405 ")));
    assert_true(has(&answer, STR("Allow: GET, HEAD, POST\r\n")));
    assert_true(has(&answer, STR("GET /echo? 0:"))); /* the connection goes on behind the body */

    exchange_raw(STR("OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\n"
                     "Access-Control-Request-Headers: x-y\r\n\r\n"),
                 true, &preflight);
    assert_true(str_starts_with(buf_str(&preflight), STR("HTTP/1.1 204 ")));
    assert_true(has(&preflight, STR("Access-Control-Allow-Methods: GET, HEAD, POST\r\n")));
    assert_true(has(&preflight, STR("Access-Control-Allow-Headers: x-y\r\n")));
}

static void parameters_are_decoded_and_a_last_one_takes_the_rest(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};

    exchange_raw(STR("GET /traces/a%2Fb%20c HTTP/1.1\r\nHost: x\r\n\r\n"
                     "GET /files/x/y/z.css HTTP/1.0\r\n\r\n"),
                 true, &answer);
    assert_true(has(&answer, STR("\r\n\r\na/b c")));
    assert_true(str_ends_with(buf_str(&answer), STR("\r\n\r\nx/y/z.css")));
}

static void requests_that_are_no_http_are_refused_with_their_status(void **state)
{
    expect_status("hello\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("GET /echo\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("GET  /echo HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("G\tT /echo HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("GET /echo HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("GET /echo HTTP/3.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 ");
    expect_status("GET /echo HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("GET /echo HTTP/1.1\r\nHost : x\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("GET /echo HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", "HTTP/1.1 400 ");
    expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"
                  "a",
                  "HTTP/1.1 400 ");
    expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  "HTTP/1.1 400 ");
    expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                  "HTTP/1.1 501 ");
    expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                  "HTTP/1.1 400 ");
    expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "2\r\nabc\r\n0\r\n\r\n",
                  "HTTP/1.1 400 ");
    expect_status("\r\n\r\nGET http://x/echo HTTP/1.1\nHost: x\n\n", "HTTP/1.1 200 ");
}

static void a_header_flood_ends_with_431_and_a_long_target_with_414(void **state)
{
    CLEANUP(buf_deinit) Buf request = {0};
    CLEANUP(buf_deinit) Buf answer = {0};
    CLEANUP(buf_deinit) Buf target = {0};
    CLEANUP(buf_deinit) Buf target_answer = {0};

    buf_append_str(&request, STR("GET /echo HTTP/1.1\r\nHost: x\r\n"));
    for (int i = 0; i < 300; i++) {
        buf_append_format(&request, "H%d: v\r\n", i);
    }
    buf_append_str(&request, STR("\r\n"));
    exchange_raw(buf_str(&request), false, &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 431 ")));

    buf_append_str(&target, STR("GET /"));
    mem_fill(buf_grow(&target, 1 << 20), 'a', 1 << 20); /* more than the socket buffers */
    exchange_raw(buf_str(&target), false, &target_answer);
    assert_true(str_starts_with(buf_str(&target_answer), STR("HTTP/1.1 414 ")));
}

/* The client sends all before it reads anything, as simple clients do. */
static void a_413_can_be_read_by_a_client_that_is_still_sending(void **state)
{
    static char body[256 << 10];
    const Str heads[] = {
        STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n"),
        STR("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2000000\r\n"),
    };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        CLEANUP(buf_deinit) Buf answer = {0};
        int fd = client_connect();

        assert_true(client_send(fd, heads[i]));
        for (size_t sent = 0; sent < 32 << 20; sent += sizeof(body)) {
            assert_true(client_send(fd, str_from_bytes(body, sizeof(body))));
        }
        client_read_to_end(fd, &answer);
        assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 413 ")));
        close(fd);
    }
    ServerCounters counters;
    server_counters(fixture.server, &counters);
    assert_int_equal(counters.oversized, 2);
}

static void bodies_beyond_the_server_s_budget_are_asked_to_come_later(void **state)
{
    CLEANUP(buf_deinit) Buf request = {0};
    CLEANUP(buf_deinit) Buf answer = {0};
    CLEANUP(buf_deinit) Buf later = {0};

    buf_append_str(&request,
                   STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"));
    mem_fill(buf_grow(&request, 200000), 'b', 200000);
    exchange_raw(buf_str(&request), false, &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 503 ")));
    assert_true(has(&answer, STR("Retry-After: 1\r\n")));
    exchange_raw(STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"), true,
                 &later);
    assert_true(has(&later, STR("2:ok"))); /* and the memory is free again */
}

/* Opens a request of a body of @size and sends half of it. */
static int send_half(size_t size)
{
    CLEANUP(buf_deinit) Buf request = {0};
    int fd = client_connect();

    buf_append_format(&request, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                      size);
    mem_fill(buf_grow(&request, size / 2 + 1), 'h', size / 2 + 1);
    assert_true(client_send(fd, buf_str(&request)));
    return fd;
}

/* Waits until one of the clients is asked to come later. */
static void read_refusal(int *fds, size_t n)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    struct pollfd polled[8];
    size_t i = 0;

    for (size_t k = 0; k < n; k++) {
        polled[k] = (struct pollfd){.fd = fds[k], .events = POLLIN};
    }
    assert_true(poll(polled, n, 10000) > 0);
    while (polled[i].revents == 0) {
        i++;
    }
    client_read_to_end(fds[i], &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 503 ")));
    assert_true(has(&answer, STR("Retry-After: 1\r\n")));
    close(fds[i]);
    fds[i] = -1; /* which poll() leaves out */
}

static void half_large_bodies_leave_room_for_small_ones(void **state)
{
    enum { LARGE = 4 * BODY_MAX };
    CLEANUP(buf_deinit) Buf answer = {0};
    int halves[3];

    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        halves[i] = send_half(LARGE);
    }
    read_refusal(halves, ARRAY_LEN(halves)); /* 4 MiB are held by one, 6 are for such */
    exchange_raw(STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"), true,
                 &answer);
    assert_true(has(&answer, STR("2:ok")));
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        close(halves[i]);
    }
}

/* Eight halves of a MiB fill all there is; those that stay longest go until it is half of that. */
static void half_bodies_that_hold_much_memory_end_soon(void **state)
{
    ServerCounters counters;
    int halves[8];

    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        halves[i] = send_half(BODY_MAX);
    }
    for (size_t i = 0; i < 4; i++) {
        read_refusal(halves, ARRAY_LEN(halves));
    }
    server_counters(fixture.server, &counters);
    assert_true(counters.bodies_refused >= 4);
    assert_int_equal(counters.timeouts, 0);
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        close(halves[i]);
    }
}

static void a_head_that_drips_is_ended_with_408(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    int fd = client_connect();
    struct timespec nap = {.tv_nsec = 50000000};
    ServerCounters counters;

    (void)client_send(fd, STR("GET /echo HTTP/1.1\r\n"));
    for (int i = 0; i < 100 && answer.len == 0; i++) {
        (void)client_send(fd, STR("A"));
        nanosleep(&nap, NULL);
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 0) == 1) {
            assert_true(client_read(fd, &answer) > 0);
        }
    }
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 408 ")));
    close(fd);

    buf_clear(&answer);
    exchange_raw(STR("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc"), false,
                 &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 408 ")));
    buf_clear(&answer);
    exchange_raw(STR("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"), false, &answer); /* then is idle */
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 200 ")));
    server_counters(fixture.server, &counters);
    assert_int_equal(counters.timeouts, 2);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    int fd = client_connect();

    assert_true(client_send(fd, STR("POST /park?late HTTP/1.1\r\nHost: x\r\n"
                                    "Content-Length: 2\r\n\r\nhi")));
    shutdown(fd, SHUT_WR);
    wait_for(is_parked);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    answer_later(take_parked());
    client_read_to_end(fd, &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 202 ")));
    assert_true(str_ends_with(buf_str(&answer), STR("late")));
    close(fd);
}

static void an_answer_to_a_client_that_went_away_goes_nowhere(void **state)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    ServerCounters counters;

    for (int i = 0; i < 5; i++) {
        int fd = client_connect();

        assert_true(client_send(fd, STR("POST /park HTTP/1.1\r\nHost: x\r\n"
                                        "Content-Length: 2\r\n\r\nhi")));
        wait_for(is_parked);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
        wait_for(all_closed);
        Exchange *exchange = take_parked();
        assert_true(str_equal(exchange_request(exchange)->body, STR("hi"))); /* still there */
        answer_later(exchange);
    }
    server_counters(fixture.server, &counters);
    assert_int_equal(counters.requests, 5);
}

static void an_event_stream_arrives_piece_by_piece_and_ends(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    CLEANUP(buf_deinit) Buf old = {0};

    int fd = client_connect();
    assert_true(client_send(fd, STR("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")));
    client_read_until(fd, &answer, STR("0\r\n\r\n"), 1);
    assert_true(has(&answer, STR("Transfer-Encoding: chunked\r\n")));
    assert_true(has(&answer, STR("data: 0\n\n")));
    assert_true(has(&answer, STR("data: 2\n\n")));
    assert_true(client_send(fd, STR("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")));
    client_read_until(fd, &answer, STR("GET /echo? 0:"), 1);
    close(fd);

    exchange_raw(STR("GET /events HTTP/1.0\r\n\r\n"), false, &old);
    assert_true(str_ends_with(buf_str(&old), STR("\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n")));
}

static bool is_stream_ended(void)
{
    return stream_ended;
}

static void a_reader_that_is_too_slow_is_cut_off_at_the_backlog_limit(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    int fd = client_connect();

    assert_true(client_send(fd, STR("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")));
    wait_for(is_stream_ended);
    assert_true(stream_backlog >= EXCHANGE_BACKLOG_MAX);
    assert_true(stream_backlog < EXCHANGE_BACKLOG_MAX + 65536);
    wait_for(all_closed);
    while (client_read(fd, &answer) > 0) {
    }
    assert_false(str_ends_with(buf_str(&answer), STR("0\r\n\r\n"))); /* not as if it were whole */
    close(fd);
}

static void a_stream_whose_client_leaves_is_told_so(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    int fd = client_connect();

    assert_true(client_send(fd, STR("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")));
    client_read_until(fd, &answer, STR("ssss"), 1);
    close(fd);
    wait_for(is_stream_ended);
    wait_for(all_closed);
}

/* 64 answers of 1 MiB are asked for and not read: they must not pile up in the server. */
static void who_does_not_read_answers_gets_no_new_ones(void **state)
{
    CLEANUP(buf_deinit) Buf request = {0};
    CLEANUP(buf_deinit) Buf answer = {0};
    ServerCounters counters;
    int fd = client_connect();

    for (int i = 0; i < 64; i++) {
        buf_append_str(&request, STR("GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    assert_true(client_send(fd, buf_str(&request)));
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    server_counters(fixture.server, &counters);
    assert_true(counters.requests < 32);
    shutdown(fd, SHUT_WR);
    client_read_to_end(fd, &answer);
    assert_int_equal(count_parts(&answer, STR("HTTP/1.1 200 OK")), 64);
    assert_true(answer.len > 64 << 20);
    close(fd);
}

static void accepting_pauses_when_files_run_out_and_goes_on(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    int fillers[512], n_fillers = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fixture.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rlimit old, tight;

    getrlimit(RLIMIT_NOFILE, &old);
    tight = (struct rlimit){.rlim_cur = (rlim_t)fd + 64, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    while (n_fillers < 512 && (fillers[n_fillers] = dup(fd)) >= 0) {
        n_fillers++;
    }
    assert_true(n_fillers < 512);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_true(client_send(fd, STR("GET /echo HTTP/1.0\r\n\r\n")));
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    assert_true(all_closed()); /* nobody could be accepted */
    while (n_fillers > 0) {
        close(fillers[--n_fillers]);
    }
    setrlimit(RLIMIT_NOFILE, &old);
    client_read_to_end(fd, &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 200 ")));
    close(fd);
}

static void *drain_server(void *context)
{
    server_drain(fixture.server, 10000);
    return NULL;
}

static void a_drain_lets_requests_finish_closes_idle_connections_and_accepts_none(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    CLEANUP(buf_deinit) Buf nothing = {0};
    int busy = client_connect(), idle = client_connect();
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fixture.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_t drainer;

    assert_true(client_send(idle, STR("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")));
    client_read_until(idle, &nothing, STR("0:"), 1);
    buf_clear(&nothing);
    assert_true(client_send(busy, STR("GET /park?done HTTP/1.1\r\nHost: x\r\n\r\n")));
    wait_for(is_parked);
    assert_int_equal(pthread_create(&drainer, NULL, drain_server, NULL), 0);
    client_read_to_end(idle, &nothing);
    assert_int_equal(nothing.len, 0);
    answer_later(take_parked());
    client_read_to_end(busy, &answer);
    assert_true(has(&answer, STR("Connection: close\r\n")));
    assert_true(str_ends_with(buf_str(&answer), STR("done")));
    close(busy);
    pthread_join(drainer, NULL);
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), -1);
    close(late);
    close(idle);
}

static void a_connection_that_came_before_a_drain_may_still_ask_once(void **state)
{
    CLEANUP(buf_deinit) Buf answer = {0};
    int early = client_connect();
    pthread_t drainer;

    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* it is accepted */
    assert_int_equal(pthread_create(&drainer, NULL, drain_server, NULL), 0);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* the drain has begun */
    assert_true(client_send(early, STR("GET /echo?late HTTP/1.1\r\nHost: x\r\n\r\n")));
    client_read_to_end(early, &answer);
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 200 ")));
    assert_true(has(&answer, STR("Connection: close\r\n")));
    close(early);
    pthread_join(drainer, NULL);
}

static void connections_wait_in_sockets_that_are_handed_over(void **state)
{
    CLEANUP(handover_deinit) Handover handover = {0};
    CLEANUP(buf_deinit) Buf answer = {0};
    uint16_t port = fixture.port;

    assert_int_equal(server_hand_over(fixture.server, &handover), 0);
    fixture.server = server_free(fixture.server);
    int waiting = client_connect(); /* nobody accepts */
    assert_true(client_send(waiting, STR("GET /echo?kept HTTP/1.0\r\n\r\n")));
    start_successor(&handover);
    assert_int_equal(fixture.port, port);
    assert_int_equal(handover.n_fds, 0);
    client_read_to_end(waiting, &answer);
    assert_true(has(&answer, STR("?kept")));
    close(waiting);
}

static void *hammer(void *context)
{
    size_t *answered = context;
    int fd = client_connect();
    CLEANUP(buf_deinit) Buf answer = {0};

    for (size_t i = 0; i < 200; i++) {
        if (!client_send(fd, STR("GET /pool?x HTTP/1.1\r\nHost: x\r\n\r\n"))) {
            break;
        }
        buf_clear(&answer);
        while (!has(&answer, STR("\r\n\r\nx"))) {
            if (client_read(fd, &answer) <= 0) {
                close(fd);
                return NULL;
            }
        }
        (*answered)++;
    }
    close(fd);
    return NULL;
}

static void many_clients_are_answered_from_other_threads(void **state)
{
    pthread_t threads[8];
    size_t answered[8] = {0};

    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &answered[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(answered[i], 200);
    }
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, setup_usual, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_connection_is_kept_alive_and_each_request_is_answered),
        SERVER_TEST(what_cannot_become_a_request_is_refused_at_once),
        SERVER_TEST(pipelined_requests_are_answered_in_order),
        SERVER_TEST(a_chunked_body_is_joined_however_it_is_cut),
        SERVER_TEST(expect_100_continue_is_told_to_go_on_or_refused_before_the_body),
        SERVER_TEST(head_is_answered_as_get_without_the_body),
        SERVER_TEST(unknown_paths_are_404_and_unknown_methods_405_with_allow),
        SERVER_TEST(parameters_are_decoded_and_a_last_one_takes_the_rest),
        SERVER_TEST(requests_that_are_no_http_are_refused_with_their_status),
        SERVER_TEST(a_header_flood_ends_with_431_and_a_long_target_with_414),
        SERVER_TEST(a_413_can_be_read_by_a_client_that_is_still_sending),
        cmocka_unit_test_setup_teardown(bodies_beyond_the_server_s_budget_are_asked_to_come_later,
                                        setup_narrow, teardown),
        cmocka_unit_test_setup_teardown(half_large_bodies_leave_room_for_small_ones,
                                        setup_impatient, teardown),
        cmocka_unit_test_setup_teardown(half_bodies_that_hold_much_memory_end_soon, setup_impatient,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_head_that_drips_is_ended_with_408, setup_hasty, teardown),
        SERVER_TEST(a_half_closed_client_gets_its_answer),
        SERVER_TEST(an_answer_to_a_client_that_went_away_goes_nowhere),
        SERVER_TEST(an_event_stream_arrives_piece_by_piece_and_ends),
        SERVER_TEST(a_reader_that_is_too_slow_is_cut_off_at_the_backlog_limit),
        SERVER_TEST(a_stream_whose_client_leaves_is_told_so),
        SERVER_TEST(who_does_not_read_answers_gets_no_new_ones),
        SERVER_TEST(accepting_pauses_when_files_run_out_and_goes_on),
        SERVER_TEST(a_drain_lets_requests_finish_closes_idle_connections_and_accepts_none),
        SERVER_TEST(a_connection_that_came_before_a_drain_may_still_ask_once),
        SERVER_TEST(connections_wait_in_sockets_that_are_handed_over),
        SERVER_TEST(many_clients_are_answered_from_other_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
