// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/http/exchange.h"
#include "serve/http/handover.h"

/*
 * Listeners: sockets, HTTP/1.1 (libevent), HTTP/2 with gRPC (nghttp2), TLS (OpenSSL), routing.
 * Nothing in here knows what a span is.
 */
typedef struct Route {
    HttpMethod method;
    const char *pattern; /* "/api/v1/traces/{id}"; a last "{rest...}" takes all that follows; for
                            gRPC the full method "/package.Service/Method" */
    Handler handler;
    void *context;
} Route;

typedef struct TlsOptions {
    const char *certificate_file; /* PEM chain */
    const char *key_file;
    const char *client_ca_file; /* asks for and checks client certificates when set */
} TlsOptions;

typedef struct ListenerOptions {
    const char *name;    /* "otlp_http": for logs, metrics and the ready file */
    const char *address; /* "127.0.0.1", "::1", "localhost" (both families), "0.0.0.0", "::" */
    uint16_t port;       /* 0: any */
    const Route *routes;
    size_t n_routes;
    const TlsOptions *tls; /* NULL: plain */
    size_t body_max;       /* bytes as sent; larger: 413, or RESOURCE_EXHAUSTED (0: 64 MiB) */
    /* Called for a body that is too large or a request that is no HTTP, to write the protocol's own
     * error body; NULL: plain text. */
    void (*error_body)(const Request *request, int status, Str message, Response *response);
    bool cross_origin;  /* answer CORS preflights and send Access-Control-Allow-Origin: * */
    Handover *handover; /* sockets of a server before this one, used where they listen on the
                           address; NULL: all are bound anew */
} ListenerOptions;

typedef struct Server Server;

/* Limits, each counted and visible in server_counters(). */
enum {
    SERVER_CONNECTIONS_MAX = 20000,
    SERVER_HEADER_BYTES_MAX = 64 << 10,
    SERVER_IDLE_TIMEOUT_S = 120,    /* keep-alive without a request */
    SERVER_PROGRESS_TIMEOUT_S = 60, /* a request or an answer that makes no progress */
    SERVER_STREAMS_MAX = 256,       /* concurrent HTTP/2 streams of a connection */
    SERVER_RESETS_MAX = 1000,       /* streams a client may reset within 10 s, before GOAWAY */
    SERVER_BODIES_MAX = 512 << 20,  /* request bodies held by all connections; beyond it 503 or
                                       UNAVAILABLE, with SERVER_BUSY_RETRY_S; for larger ones than
                                       the next three quarters of that */
    SERVER_BODY_SMALL = 1 << 20,
    SERVER_BODY_PATIENCE_S = 2,     /* while half of it is taken, for a body to be whole */
    SERVER_ANSWERS_MAX = 512 << 20, /* whole answers that wait for their clients to read them;
                                       beyond it one of more than 64 KiB becomes a 503 */
    SERVER_BUSY_RETRY_S = 1,
};

/* Makes @n_loops event loops (0: one per core). */
MUST_USE int server_new(size_t n_loops, Server **ret_server);

/* Binds and listens on every loop (SO_REUSEPORT); accepts HTTP/1.1 and HTTP/2 with prior knowledge
 * (and by ALPN) on the same port. Before server_start(). What @options point to is copied, but for
 * the routes' patterns and contexts, which live as long as the server. Returns 0 with the port in
 * @ret_port, or -errno: -EADDRINUSE, -EACCES, -EINVAL for an address or TLS file that is none (the
 * log says which). */
MUST_USE int server_listen(Server *server, const ListenerOptions *options, uint16_t *ret_port);

MUST_USE int server_start(Server *server);

/* Keeps all listening sockets for the server that follows this one, before server_drain(). Returns
 * 0 or -errno. */
MUST_USE int server_hand_over(const Server *server, Handover *handover);

/* Stops accepting, lets requests in flight finish for at most @grace_ms (HTTP/2: GOAWAY), then
 * closes. */
void server_drain(Server *server, uint64_t grace_ms);

/* Closes what is still open and waits until every Exchange that a handler holds was answered:
 * whoever answers from other threads is stopped after this call, or has answered before it. Not on
 * a loop's thread. */
Server *server_free(Server *server);

typedef struct ServerCounters {
    uint64_t connections, connections_open, connections_refused;
    uint64_t requests, requests_open, bytes_in, bytes_out;
    uint64_t status_2xx, status_3xx, status_4xx, status_5xx;
    uint64_t timeouts, protocol_errors, oversized, bodies_refused;
} ServerCounters;

void server_counters(const Server *server, ServerCounters *ret_counters);
