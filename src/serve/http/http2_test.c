// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "os/pool.h"
#include "serve/http/connection.h"

/* A real server, spoken to by nghttp2's client over plain sockets and over TLS. */
enum { BODY_MAX = 1 << 20, STREAMS_MAX = 2048, READ_TIMEOUT_MS = 10000 };

#define EXPORT "/test.Service/Export"

static struct {
    Server *server;
    Pool *pool;
    uint16_t port, tls_port, mutual_port;
    pthread_mutex_t lock;
    Exchange *parked; /* under lock */
    _Atomic size_t exported;
} fixture;

static char directory[] = "/tmp/weft_http2_testXXXXXX";
static char certificate_file[64], key_file[64];

/* ---- handlers ---- */

static void handle_echo(void *context, Exchange *exchange)
{
    const Request *request = exchange_request(exchange);
    Response response = {.status = 200, .content_type = STR("text/plain")};

    buf_append_format(&response.body, "%.*s %.*s?%.*s %zu", STR_ARG(request->method_text),
                      STR_ARG(request->path), STR_ARG(request->query), request->body.len);
    exchange_respond(exchange, &response);
}

static void handle_big(void *context, Exchange *exchange)
{
    Response response = {.status = 200};

    mem_fill(buf_grow(&response.body, 20 << 20), 'b', 20 << 20);
    exchange_respond(exchange, &response);
}

/* Answers with the request's encoding and message, "gzip|…". */
static void export_later(void *context)
{
    Exchange *exchange = context;
    const Request *request = exchange_request(exchange);
    Response response = {.status = 200};

    fixture.exported++;
    buf_append_str(&response.body, request->encoding);
    buf_append_str(&response.body, STR("|"));
    buf_append_str(&response.body, str_slice(request->body, 0, 100));
    exchange_respond(exchange, &response);
}

static void handle_export(void *context, Exchange *exchange)
{
    assert_true(exchange_request(exchange)->is_grpc);
    assert_int_equal(pool_submit(fixture.pool, export_later, exchange), 0);
}

static void handle_full(void *context, Exchange *exchange)
{
    Response response = {.status = 200,
                         .grpc_status = 14,
                         .grpc_message = STR("disk full: 100 % \xc3\xa4"),
                         .retry_after_s = 30};

    exchange_respond(exchange, &response);
}

static void handle_park(void *context, Exchange *exchange)
{
    pthread_mutex_lock(&fixture.lock);
    fixture.parked = exchange;
    pthread_mutex_unlock(&fixture.lock);
}

static void stream_three(void *context)
{
    Exchange *exchange = context;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(exchange_write(exchange, STR("abc")), 0);
    }
    exchange_end(exchange);
}

static void handle_stream(void *context, Exchange *exchange)
{
    const Response response = {.status = 200};

    exchange_begin(exchange, &response);
    assert_int_equal(pool_submit(fixture.pool, stream_three, exchange), 0);
}

static void stream_until_refused(void *context)
{
    Exchange *exchange = context;
    char line[4096];

    mem_fill(line, 's', sizeof(line));
    while (exchange_write(exchange, str_from_bytes(line, sizeof(line))) == 0) {
    }
    exchange_end(exchange);
}

static void handle_endless(void *context, Exchange *exchange)
{
    const Response response = {.status = 200, .content_type = STR("text/event-stream")};

    exchange_begin(exchange, &response);
    assert_int_equal(pool_submit(fixture.pool, stream_until_refused, exchange), 0);
}

static const Route routes[] = {
    {HTTP_GET, "/echo", handle_echo, NULL},
    {HTTP_POST, "/echo", handle_echo, NULL},
    {HTTP_GET, "/big", handle_big, NULL},
    {HTTP_GET, "/park", handle_park, NULL},
    {HTTP_GET, "/endless", handle_endless, NULL},
    {HTTP_POST, EXPORT, handle_export, NULL},
    {HTTP_POST, "/test.Service/Full", handle_full, NULL},
    {HTTP_POST, "/test.Service/Stream", handle_stream, NULL},
};

static uint16_t listen_with(const TlsOptions *tls)
{
    const ListenerOptions options = {
        .name = "test",
        .address = "127.0.0.1",
        .routes = routes,
        .n_routes = ARRAY_LEN(routes),
        .tls = tls,
        .body_max = BODY_MAX,
    };
    uint16_t port = 0;

    assert_int_equal(server_listen(fixture.server, &options, &port), 0);
    return port;
}

static int setup_with(uint64_t progress_ms)
{
    const TlsOptions tls = {.certificate_file = certificate_file, .key_file = key_file};
    const TlsOptions mutual = {.certificate_file = certificate_file,
                               .key_file = key_file,
                               .client_ca_file = certificate_file};

    fixture.parked = NULL;
    fixture.exported = 0;
    assert_int_equal(pool_new("test", 2, 4096, &fixture.pool), 0);
    assert_int_equal(server_new(1, &fixture.server), 0);
    server_set_limits(fixture.server, 60000, progress_ms, 60000, SERVER_BODIES_MAX);
    fixture.port = listen_with(NULL);
    fixture.tls_port = listen_with(&tls);
    fixture.mutual_port = listen_with(&mutual);
    return server_start(fixture.server);
}

static int setup(void **state)
{
    return setup_with(60000);
}

static int setup_hasty(void **state)
{
    return setup_with(200);
}

static int teardown(void **state)
{
    fixture.pool = pool_free(fixture.pool);
    fixture.server = server_free(fixture.server);
    return 0;
}

/* ---- a client ---- */

typedef struct Stream {
    int32_t id;
    Buf head; /* "name: value\n" of header and trailer blocks */
    Buf body;
    bool closed;
    uint32_t error;
    Str send; /* the request's body, not sent yet */
} Stream;

typedef struct Client {
    int fd;
    SSL *tls;
    SSL_CTX *tls_context;
    nghttp2_session *session;
    Stream streams[STREAMS_MAX];
    size_t n_streams, n_closed;
    bool goaway;
    uint32_t goaway_error;
    bool no_window; /* keeps the server's window closed */
} Client;

static Client client;

static Stream *find_stream(int32_t id)
{
    for (size_t i = 0; i < client.n_streams; i++) {
        if (client.streams[i].id == id) {
            return &client.streams[i];
        }
    }
    return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name_buf,
                     nghttp2_rcbuf *value_buf, uint8_t flags, void *context)
{
    Stream *stream = find_stream(frame->hd.stream_id);
    nghttp2_vec name = nghttp2_rcbuf_get_buf(name_buf), value = nghttp2_rcbuf_get_buf(value_buf);

    buf_append_format(&stream->head, "%.*s: %.*s\n", (int)name.len, (const char *)name.base,
                      (int)value.len, (const char *)value.base);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *context)
{
    buf_append(&find_stream(id)->body, data, len);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *context)
{
    Stream *stream = find_stream(id);

    stream->closed = true;
    stream->error = error;
    client.n_closed++;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client.goaway = true;
        client.goaway_error = frame->goaway.error_code;
    }
    return 0;
}

static void client_start_session(void)
{
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                           client.no_window ? 1000 : 1 << 20};
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, client.no_window);
    nghttp2_option_set_peer_max_concurrent_streams(option, 200);
    nghttp2_option_set_max_send_header_block_length(option, 1 << 20);
    assert_int_equal(nghttp2_session_client_new2(&client.session, callbacks, NULL, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client.session, NGHTTP2_FLAG_NONE, &window, 1);
}

static void client_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void client_open(void)
{
    client = (Client){0};
    client_connect(fixture.port);
    client_start_session();
}

static void client_close(void)
{
    nghttp2_session_del(client.session);
    SSL_free(client.tls);
    SSL_CTX_free(client.tls_context);
    close(client.fd);
    for (size_t i = 0; i < client.n_streams; i++) {
        buf_deinit(&client.streams[i].head);
        buf_deinit(&client.streams[i].body);
    }
}

static bool client_write(const uint8_t *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = client.tls != NULL ? SSL_write(client.tls, bytes + done, (int)(len - done))
                                       : send(client.fd, bytes + done, len - done, MSG_NOSIGNAL);

        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

/* Sends what waits. False when the connection broke. */
static bool client_flush(void)
{
    const uint8_t *bytes;

    for (ssize_t n; (n = nghttp2_session_mem_send(client.session, &bytes)) != 0;) {
        assert_true(n > 0);
        if (!client_write(bytes, (size_t)n)) {
            return false;
        }
    }
    return true;
}

/* Reads once; false at the end of the connection. */
static bool client_read(void)
{
    static uint8_t bytes[65536];
    struct pollfd poll_fd = {.fd = client.fd, .events = POLLIN};

    if (client.tls == NULL || SSL_pending(client.tls) == 0) {
        assert_int_equal(poll(&poll_fd, 1, READ_TIMEOUT_MS), 1);
    }
    ssize_t n = client.tls != NULL ? SSL_read(client.tls, bytes, sizeof(bytes))
                                   : recv(client.fd, bytes, sizeof(bytes), 0);
    return n > 0 && nghttp2_session_mem_recv(client.session, bytes, (size_t)n) == n;
}

/* Until all streams are closed, or the connection is. */
static void client_run(void)
{
    while (client.n_closed < client.n_streams && client_flush() && client_read()) {
    }
    (void)client_flush();
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    Stream *stream = source->ptr;
    size_t n = MIN(size, stream->send.len);

    mem_copy(bytes, stream->send.ptr, n);
    stream->send = str_slice(stream->send, n, stream->send.len);
    if (stream->send.len == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

#define NV(n, v)                                                                                   \
    (nghttp2_nv)                                                                                   \
    {                                                                                              \
        (uint8_t *)(n).ptr, (uint8_t *)(v).ptr, (n).len, (v).len, NGHTTP2_NV_FLAG_NONE             \
    }

/* Submits a request. @content_type and @encoding may be empty; so may @body, which lives on. */
static Stream *client_request(Str method, Str path, Str content_type, Str encoding, Str body)
{
    nghttp2_nv nva[8];
    size_t n = 0;

    nva[n++] = NV(STR(":method"), method);
    nva[n++] = NV(STR(":scheme"), STR("http"));
    nva[n++] = NV(STR(":path"), path);
    nva[n++] = NV(STR(":authority"), STR("test"));
    if (content_type.len > 0) {
        nva[n++] = NV(STR("content-type"), content_type);
        nva[n++] = NV(STR("te"), STR("trailers"));
    }
    if (encoding.len > 0) {
        nva[n++] = NV(STR("grpc-encoding"), encoding);
    }
    assert_true(client.n_streams < STREAMS_MAX);
    Stream *stream = &client.streams[client.n_streams++];
    *stream = (Stream){.send = body};
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_body};
    stream->id =
        nghttp2_submit_request(client.session, NULL, nva, n, body.len > 0 ? &provider : NULL, NULL);
    assert_true(stream->id > 0);
    return stream;
}

static Stream *client_get(const char *path)
{
    return client_request(STR("GET"), str_from_cstr(path), (Str){0}, (Str){0}, (Str){0});
}

static Stream *client_call(const char *path, Str encoding, Str body)
{
    return client_request(STR("POST"), str_from_cstr(path), STR("application/grpc+proto"), encoding,
                          body);
}

static void expect_head(const Stream *stream, Str line)
{
    Str head = buf_str(&stream->head);

    if (str_find(head, line) == head.len) {
        fail_msg("no \"%.*s\" in\n%.*s", STR_ARG(line), STR_ARG(head));
    }
}

/* ---- promises ---- */

static void plain_requests_use_the_same_handlers(void **state)
{
    client_open();
    Stream *get = client_get("/echo?a=%20b");
    Stream *post = client_request(STR("POST"), STR("/echo"), STR("x/y"), (Str){0}, STR("body"));
    Stream *head = client_request(STR("HEAD"), STR("/echo"), (Str){0}, (Str){0}, (Str){0});
    Stream *none = client_get("/none");
    Stream *bad_method = client_request(STR("PUT"), STR("/echo"), (Str){0}, (Str){0}, (Str){0});

    client_run();
    expect_head(get, STR(":status: 200\n"));
    expect_head(get, STR("content-type: text/plain\n"));
    assert_true(str_equal(buf_str(&get->body), STR("GET /echo?a=%20b 0")));
    assert_true(str_equal(buf_str(&post->body), STR("POST /echo? 4")));
    expect_head(head, STR("content-length: 13\n"));
    assert_int_equal(head->body.len, 0);
    expect_head(none, STR(":status: 404\n"));
    expect_head(bad_method, STR(":status: 405\n"));
    expect_head(bad_method, STR("allow: GET, HEAD, POST\n"));
    client_close();
}

static void a_unary_call_is_answered_with_message_and_trailers(void **state)
{
    client_open();
    Stream *plain = client_call(EXPORT, STR("gzip"), STR("\0\0\0\0\5hello"));
    Stream *compressed = client_call(EXPORT, STR("gzip"), STR("\1\0\0\0\3zip"));
    Stream *empty = client_call(EXPORT, (Str){0}, STR("\0\0\0\0\0"));

    client_run();
    expect_head(plain, STR(":status: 200\n"));
    expect_head(plain, STR("content-type: application/grpc\n"));
    expect_head(plain, STR("grpc-accept-encoding: identity,gzip,zstd,snappy,deflate\n"));
    assert_true(str_ends_with(buf_str(&plain->head), STR("\ngrpc-status: 0\n")));
    assert_true(str_equal(buf_str(&plain->body), STR("\0\0\0\0\6|hello")));
    assert_true(str_equal(buf_str(&compressed->body), STR("\0\0\0\0\10gzip|zip")));
    assert_true(str_equal(buf_str(&empty->body), STR("\0\0\0\0\1|")));
    client_close();
}

static void a_failed_call_has_only_trailers_with_retry_info(void **state)
{
    client_open();
    Stream *call = client_call("/test.Service/Full", (Str){0}, STR("\0\0\0\0\0"));

    client_run();
    assert_int_equal(call->body.len, 0);
    expect_head(call, STR("grpc-status: 14\n"));
    expect_head(call, STR("grpc-message: disk full: 100 %25 %C3%A4\n"));
    /* Status { 14, "disk full…", [Any { RetryInfo { Duration { 30 } } }] }. */
    expect_head(call,
                STR("grpc-status-details-bin: CA4SE2Rpc2sgZnVsbDogMTAwICUgw6QaMAoodHlwZS5nb29nbGVhc"
                    "GlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIHg\n"));
    client_close();
}

static void calls_that_are_not_unary_or_not_known_are_refused(void **state)
{
    static const struct {
        const char *path;
        Str encoding, body, status;
    } cases[] = {
        {"/test.Service/None", {0}, {"\0\0\0\0\0", 5}, {"grpc-status: 12\n", 16}},
        {EXPORT, {0}, {"\0\0\0\0\0\0\0\0\0\0", 10}, {"grpc-status: 12\n", 16}},
        {EXPORT, {0}, {"\0\0\0\0\5hell", 9}, {"grpc-status: 13\n", 16}},
        {EXPORT, {0}, {"\0\0", 2}, {"grpc-status: 13\n", 16}},
        {EXPORT, {0}, {"\1\0\0\0\0", 5}, {"grpc-status: 13\n", 16}},
        {EXPORT, {"lzma", 4}, {"\1\0\0\0\0", 5}, {"grpc-status: 12\n", 16}},
    };

    client_open();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        client_call(cases[i].path, cases[i].encoding, cases[i].body);
    }
    client_run();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        expect_head(&client.streams[i], cases[i].status);
        expect_head(&client.streams[i], STR(":status: 200\n"));
    }
    assert_int_equal(fixture.exported, 0);
    client_close();
}

static void many_streams_are_all_answered(void **state)
{
    static char body[100000];

    body[2] = (char)((sizeof(body) - 5) >> 16);
    body[3] = (char)((sizeof(body) - 5) >> 8);
    body[4] = (char)(sizeof(body) - 5);
    client_open();
    for (int i = 0; i < 300; i++) {
        client_call(EXPORT, (Str){0}, str_from_bytes(body, sizeof(body)));
    }
    client_run();
    for (int i = 0; i < 300; i++) {
        expect_head(&client.streams[i], STR("grpc-status: 0\n"));
    }
    assert_int_equal(fixture.exported, 300);
    client_close();
}

static void a_large_answer_follows_the_client_s_window(void **state)
{
    client_open();
    Stream *stream = client_get("/big");

    client_run();
    assert_int_equal(stream->body.len, 20 << 20);
    client_close();
}

/* 40 answers of 20 MiB that are not read are more than the server is willing to hold. */
static void unread_answers_are_bounded_over_all_connections(void **state)
{
    enum { STREAMS = 40 };
    size_t busy = 0;

    client = (Client){.no_window = true};
    client_connect(fixture.port);
    client_start_session();
    for (size_t i = 0; i < STREAMS; i++) {
        (void)client_get("/big");
    }
    while (client.n_closed < STREAMS - (SERVER_ANSWERS_MAX / (20 << 20))) {
        assert_true(client_flush() && client_read());
    }
    for (size_t i = 0; i < STREAMS; i++) {
        busy += str_starts_with(buf_str(&client.streams[i].head), STR(":status: 503\n"));
    }
    assert_int_equal(busy, STREAMS - (SERVER_ANSWERS_MAX / (20 << 20)));
    client_close();

    for (int i = 0; i < 100; i++) { /* what they held is given back */
        client_open();
        Stream *stream = client_get("/big");
        client_run();
        bool is_ok = stream->body.len == 20 << 20;
        client_close();
        if (is_ok) {
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    fail();
}

static void
a_message_that_is_too_large_is_resource_exhausted_and_the_connection_goes_on(void **state)
{
    static char body[4 << 20];
    ServerCounters counters;

    body[1] = 0x7f; /* 2 GiB announced: refused at once */
    client_open();
    Stream *large = client_call(EXPORT, (Str){0}, str_from_bytes(body, sizeof(body)));
    Stream *post = client_request(STR("POST"), STR("/echo"), STR("x/y"), (Str){0},
                                  str_from_bytes(body, sizeof(body)));
    client_run();
    expect_head(large, STR("grpc-status: 8\n"));
    expect_head(post, STR(":status: 413\n"));
    Stream *small = client_call(EXPORT, (Str){0}, STR("\0\0\0\0\2ok"));
    client_run();
    expect_head(small, STR("grpc-status: 0\n"));
    server_counters(fixture.server, &counters);
    assert_int_equal(counters.oversized, 2);
    client_close();
}

static void a_server_stream_sends_each_write_as_a_message(void **state)
{
    client_open();
    Stream *stream = client_call("/test.Service/Stream", (Str){0}, STR("\0\0\0\0\0"));

    client_run();
    assert_true(str_equal(buf_str(&stream->body), STR("\0\0\0\0\3abc\0\0\0\0\3abc\0\0\0\0\3abc")));
    assert_true(str_ends_with(buf_str(&stream->head), STR("\ngrpc-status: 0\n")));
    client_close();
}

static void a_stream_that_is_not_read_is_broken_off(void **state)
{
    client = (Client){.no_window = true};
    client_connect(fixture.port);
    client_start_session();
    Stream *stream = client_get("/endless");

    while (stream->body.len < 1000 && client_flush() && client_read()) {
    }
    /* The server has buffered EXCHANGE_BACKLOG_MAX and given up; open the window to hear of it. */
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    nghttp2_session_set_local_window_size(client.session, NGHTTP2_FLAG_NONE, stream->id, 16 << 20);
    nghttp2_session_set_local_window_size(client.session, NGHTTP2_FLAG_NONE, 0, 16 << 20);
    client_run();
    assert_true(stream->closed);
    assert_int_equal(stream->error, NGHTTP2_INTERNAL_ERROR);
    client_close();
}

static void a_flood_of_resets_ends_the_connection(void **state)
{
    client_open();
    for (int i = 0; i < SERVER_RESETS_MAX + 500; i++) {
        Stream *stream = client_get("/echo");

        if (!client_flush()) {
            break;
        }
        nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
        if (!client_flush()) {
            break;
        }
    }
    while (!client.goaway && client_read()) {
    }
    assert_true(client.goaway);
    assert_int_equal(client.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    client_close();
}

static void a_flood_of_pings_ends_the_connection(void **state)
{
    static const uint8_t ping[17] = {0, 0, 8, NGHTTP2_PING};

    client_open();
    assert_true(client_flush());
    for (int i = 0; i < 20000 && !client.goaway; i++) {
        struct pollfd poll_fd = {.fd = client.fd, .events = POLLIN};

        if (!client_write(ping, sizeof(ping))) {
            break;
        }
        while (poll(&poll_fd, 1, 0) == 1 && !client.goaway) {
            if (!client_read()) {
                break;
            }
        }
    }
    while (!client.goaway && client_read()) {
    }
    assert_true(client.goaway);
    assert_int_equal(client.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    client_close();
}

static void a_head_that_is_too_long_is_431(void **state)
{
    static char value[16000];
    nghttp2_nv nva[10] = {NV(STR(":method"), STR("GET")), NV(STR(":scheme"), STR("http")),
                          NV(STR(":path"), STR("/echo")), NV(STR(":authority"), STR("x"))};

    mem_fill(value, 'v', sizeof(value));
    for (size_t i = 4; i < ARRAY_LEN(nva); i++) {
        nva[i] = NV(STR("x-flood"), str_from_bytes(value, sizeof(value)));
    }
    client_open();
    Stream *stream = &client.streams[client.n_streams++];
    *stream = (Stream){0};
    stream->id = nghttp2_submit_request(client.session, NULL, nva, ARRAY_LEN(nva), NULL, NULL);
    client_run();
    expect_head(stream, STR(":status: 431\n"));
    Stream *next = client_get("/echo");
    client_run();
    expect_head(next, STR(":status: 200\n"));
    client_close();
}

static void a_request_without_progress_is_reset(void **state)
{
    ServerCounters counters;

    client_open();
    Stream *stream =
        client_request(STR("POST"), STR("/echo"), STR("x/y"), (Str){0}, STR("never ends"));
    const uint8_t *bytes;
    ssize_t n = nghttp2_session_mem_send(client.session, &bytes);
    while (n > 0 && !(n > 9 && bytes[3] == NGHTTP2_HEADERS)) {
        assert_true(client_write(bytes, (size_t)n));
        n = nghttp2_session_mem_send(client.session, &bytes);
    }
    assert_true(client_write(bytes, (size_t)n)); /* the head, and no body */
    while (!stream->closed && client_read()) {
    }
    assert_int_equal(stream->error, NGHTTP2_CANCEL);
    server_counters(fixture.server, &counters);
    assert_int_equal(counters.timeouts, 1);
    client_close();
}

static Exchange *parked(void)
{
    pthread_mutex_lock(&fixture.lock);
    Exchange *exchange = fixture.parked;
    pthread_mutex_unlock(&fixture.lock);
    return exchange;
}

static void wait_parked(void)
{
    for (int i = 0; i < 5000 && parked() == NULL; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_non_null(parked());
}

static void *drain_server(void *context)
{
    server_drain(fixture.server, 10000);
    return NULL;
}

static void a_drain_says_goaway_and_lets_streams_finish(void **state)
{
    Response response = {.status = 202};
    pthread_t drainer;

    client_open();
    Stream *stream = client_get("/park");
    assert_true(client_flush());
    wait_parked();
    assert_int_equal(pthread_create(&drainer, NULL, drain_server, NULL), 0);
    while (!client.goaway && client_read()) {
    }
    assert_true(client.goaway);
    assert_int_equal(client.goaway_error, NGHTTP2_NO_ERROR);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    assert_false(stream->closed);
    exchange_respond(parked(), &response);
    client_run();
    expect_head(stream, STR(":status: 202\n"));
    client_close();
    pthread_join(drainer, NULL);
}

/* As grpc-go closes: the id it names is one of its own streams. */
static void a_client_that_says_goaway_gets_its_answers_and_then_the_end(void **state)
{
    static const uint8_t goaway[] = {
        0, 0, 11, NGHTTP2_GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'b', 'y', 'e'};
    Response response = {.status = 202};

    client_open();
    Stream *stream = client_get("/park");
    assert_true(client_flush());
    assert_true(client_write(goaway, 5)); /* in pieces, as the network likes it */
    wait_parked();
    assert_true(client_write(goaway + 5, 6));
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_true(client_write(goaway + 11, sizeof(goaway) - 11));
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    exchange_respond(parked(), &response);
    client_run();
    expect_head(stream, STR(":status: 202\n"));
    while (client_read()) {
    }
    assert_false(client.goaway && client.goaway_error != NGHTTP2_NO_ERROR);
    client_close();
}

static void an_answer_to_a_stream_that_was_reset_goes_nowhere(void **state)
{
    Response response = {.status = 202};

    client_open();
    Stream *stream = client_get("/park");
    assert_true(client_flush());
    wait_parked();
    nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    Stream *next = client_get("/echo");
    client_run();
    expect_head(next, STR(":status: 200\n"));
    buf_append_str(&response.body, STR("lost"));
    exchange_respond(parked(), &response);
    client_close();
}

/* ---- TLS ---- */

static void make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_version(certificate, 2);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(certificate_file, "w");
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    file = fopen(key_file, "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static int make_files(void **state)
{
    log_set_level(LOG_SILENT);
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&fixture.lock, NULL);
    assert_non_null(mkdtemp(directory));
    (void)snprintf(certificate_file, sizeof(certificate_file), "%s/certificate.pem", directory);
    (void)snprintf(key_file, sizeof(key_file), "%s/key.pem", directory);
    make_certificate();
    return 0;
}

static int remove_files(void **state)
{
    unlink(certificate_file);
    unlink(key_file);
    return rmdir(directory);
}

/* Connects over TLS with @alpn (length-prefixed). Returns SSL_connect's result. */
static int client_open_tls(uint16_t port, Str alpn, bool with_certificate)
{
    client = (Client){0};
    client_connect(port);
    client.tls_context = SSL_CTX_new(TLS_client_method());
    if (with_certificate) {
        SSL_CTX_use_certificate_chain_file(client.tls_context, certificate_file);
        SSL_CTX_use_PrivateKey_file(client.tls_context, key_file, SSL_FILETYPE_PEM);
    }
    client.tls = SSL_new(client.tls_context);
    SSL_set_alpn_protos(client.tls, (const uint8_t *)alpn.ptr, (unsigned)alpn.len);
    SSL_set_fd(client.tls, client.fd);
    return SSL_connect(client.tls);
}

static void alpn_chooses_http2_over_tls(void **state)
{
    static char body[500000];
    const uint8_t *name;
    unsigned len;

    body[2] = (char)((sizeof(body) - 5) >> 16);
    body[3] = (char)((sizeof(body) - 5) >> 8);
    body[4] = (char)(sizeof(body) - 5);
    assert_int_equal(client_open_tls(fixture.tls_port, STR("\2h2\10http/1.1"), false), 1);
    SSL_get0_alpn_selected(client.tls, &name, &len);
    assert_true(str_equal(str_from_bytes(name, len), STR("h2")));
    client_start_session();
    Stream *call = client_call(EXPORT, (Str){0}, str_from_bytes(body, sizeof(body)));
    Stream *big = client_get("/big");
    client_run();
    expect_head(call, STR("grpc-status: 0\n"));
    assert_int_equal(big->body.len, 20 << 20);
    client_close();
}

static void http1_is_served_over_tls(void **state)
{
    const Str request = STR("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CLEANUP(buf_deinit) Buf answer = {0};
    ssize_t n;

    assert_int_equal(client_open_tls(fixture.tls_port, STR("\10http/1.1"), false), 1);
    assert_true(client_write((const uint8_t *)request.ptr, request.len));
    do {
        buf_reserve(&answer, 4096);
        n = SSL_read(client.tls, answer.ptr + answer.len, 4096);
        answer.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    assert_int_equal(SSL_get_error(client.tls, (int)n), SSL_ERROR_ZERO_RETURN); /* a proper end */
    assert_true(str_starts_with(buf_str(&answer), STR("HTTP/1.1 200 OK\r\n")));
    assert_true(str_ends_with(buf_str(&answer), STR("GET /echo? 0")));
    client_close();
}

static void a_client_without_its_certificate_is_refused_where_one_is_asked_for(void **state)
{
    assert_int_equal(client_open_tls(fixture.mutual_port, STR("\2h2"), true), 1);
    client_start_session();
    Stream *stream = client_get("/echo");
    client_run();
    expect_head(stream, STR(":status: 200\n"));
    client_close();

    /* In TLS 1.3 the client learns of its refusal with the first read. */
    int r = client_open_tls(fixture.mutual_port, STR("\2h2"), false);
    client_start_session();
    stream = client_get("/echo");
    if (r == 1) {
        client_run();
    }
    assert_false(stream->closed);
    client_close();
}

static void bad_tls_files_are_an_error_of_listen(void **state)
{
    const TlsOptions tls = {.certificate_file = certificate_file, .key_file = "/nowhere"};
    const ListenerOptions options = {.name = "bad", .address = "127.0.0.1", .tls = &tls};
    const ListenerOptions name = {.name = "bad", .address = "example.org"};
    Server *server;
    uint16_t port = 7;

    assert_int_equal(server_new(1, &server), 0);
    assert_int_equal(server_listen(server, &options, &port), -EINVAL);
    assert_int_equal(server_listen(server, &name, &port), -EINVAL);
    assert_int_equal(port, 7);
    server_free(server);
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(plain_requests_use_the_same_handlers),
        SERVER_TEST(a_unary_call_is_answered_with_message_and_trailers),
        SERVER_TEST(a_failed_call_has_only_trailers_with_retry_info),
        SERVER_TEST(calls_that_are_not_unary_or_not_known_are_refused),
        SERVER_TEST(many_streams_are_all_answered),
        SERVER_TEST(a_large_answer_follows_the_client_s_window),
        SERVER_TEST(unread_answers_are_bounded_over_all_connections),
        SERVER_TEST(a_message_that_is_too_large_is_resource_exhausted_and_the_connection_goes_on),
        SERVER_TEST(a_server_stream_sends_each_write_as_a_message),
        SERVER_TEST(a_stream_that_is_not_read_is_broken_off),
        SERVER_TEST(a_flood_of_resets_ends_the_connection),
        SERVER_TEST(a_flood_of_pings_ends_the_connection),
        SERVER_TEST(a_head_that_is_too_long_is_431),
        cmocka_unit_test_setup_teardown(a_request_without_progress_is_reset, setup_hasty, teardown),
        SERVER_TEST(a_drain_says_goaway_and_lets_streams_finish),
        SERVER_TEST(a_client_that_says_goaway_gets_its_answers_and_then_the_end),
        SERVER_TEST(an_answer_to_a_stream_that_was_reset_goes_nowhere),
        SERVER_TEST(alpn_chooses_http2_over_tls),
        SERVER_TEST(http1_is_served_over_tls),
        SERVER_TEST(a_client_without_its_certificate_is_refused_where_one_is_asked_for),
        SERVER_TEST(bad_tls_files_are_an_error_of_listen),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
