// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/buffer.h>
#include <openssl/ssl.h>

#include "os/loop.h"
#include "os/socket.h"
#include "serve/http/http1_parse.h"
#include "serve/http/router.h"

/*
 * The inside of the transport, for server.c, exchange.c, connection.c, http1.c and http2.c only.
 *
 * A Worker is one event loop with its connections. A Connection moves bytes (plain or TLS) and
 * finds out which Protocol is spoken; the Protocol makes Exchanges of them. All of it belongs to
 * the worker's thread, but for an Exchange while a handler has it and the atomics.
 */
typedef struct Worker Worker;
typedef struct Listener Listener;
typedef struct Connection Connection;

enum {
    CONNECTION_READ_SIZE = 256 << 10,      /* one receive */
    CONNECTION_INPUT_MAX = (64 << 10) + 1, /* unread pipelined bytes, before reading stops */
    CONNECTION_OUTPUT_HIGH = 256 << 10,    /* unsent bytes that HTTP/2 frames are made ahead */
    CONNECTION_LINGER_BYTES_MAX = 1 << 30, /* read over after the last answer */
    CONNECTION_LINGER_IDLE_MS = 5000,      /* without a byte */
    CONNECTION_LINGER_DRAIN_MS = 500,      /* the same while the server drains */
    CONNECTION_FIRST_DRAIN_MS = 500,       /* for a first byte while the server drains */
    CONNECTION_BODY_PROGRESS_BYTES = 1024, /* less than this in a timeout is no progress */
};

typedef struct Counters {
    _Atomic uint64_t connections, connections_open, connections_refused;
    _Atomic uint64_t requests, requests_open, bytes_in, bytes_out;
    _Atomic uint64_t status_2xx, status_3xx, status_4xx, status_5xx;
    _Atomic uint64_t timeouts, protocol_errors, oversized, bodies_refused;
} Counters;

#define COUNT(worker, field, n)                                                                    \
    atomic_fetch_add_explicit(&(worker)->counters.field, (uint64_t)(n), memory_order_relaxed)

/* What all workers share. */
typedef struct Shared {
    _Atomic uint64_t body_bytes;   /* held by exchanges */
    _Atomic uint64_t answer_bytes; /* of whole answers, large ones, until they are sent */
    _Atomic uint64_t exchanges;    /* that exist */
    _Atomic uint64_t connections;  /* open */
    _Atomic bool draining;         /* workers hear of it one after the other */
    uint64_t body_bytes_max;       /* these are constant after server_start() */
    uint64_t idle_ms, progress_ms, patience_ms;
} Shared;

struct Worker {
    Shared *shared;
    Loop *loop;
    Counters counters;
    LIST_HEAD(, Connection) connections;
    bool draining;
    uint64_t drain_ms; /* since when */
    uint8_t *scratch;  /* CONNECTION_READ_SIZE */
    time_t date_s;     /* of date_text */
    char date_text[32];
};

struct Listener {
    ListenerOptions options;
    Router *router;
    SSL_CTX *tls;
    SocketAddresses addresses;
};

/* What speaks on a connection. Every call runs on the worker's thread and may end the connection,
 * which is freed only after the call. */
typedef struct Protocol {
    void (*start)(Connection *connection);
    /* Reads from @bytes and returns how much was used. The rest is given again, with more. */
    size_t (*input)(Connection *connection, Str bytes);
    /* Where the next bytes may be received directly; 0: nowhere. Then how many were. Both may be
     * missing. */
    size_t (*space)(Connection *connection, uint8_t **ret_space);
    void (*filled)(Connection *connection, size_t len);
    void (*input_ended)(Connection *connection);                /* the client will send no more */
    void (*sent)(Connection *connection);                       /* less is unsent than before */
    void (*answer)(Connection *connection, Exchange *exchange); /* has something new to send */
    void (*tick)(Connection *connection, uint64_t now_ms);      /* looks for timeouts */
    void (*drain)(Connection *connection);                      /* finish what is open, then end */
    void (*free)(Connection *connection);                       /* abandons its exchanges */
} Protocol;

extern const Protocol http1_protocol, http2_protocol;

struct Connection {
    Worker *worker;
    const Listener *listener;
    const Protocol *protocol; /* NULL until the first bytes tell */
    void *state;              /* the protocol's */
    int fd;
    SSL *tls;
    struct event read_event, write_event;
    struct evbuffer *output;
    Buf input;                        /* given to the protocol and not used yet */
    unsigned busy;                    /* calls on the stack; freed at 0 */
    bool dead;                        /* to be freed */
    bool handshaking;                 /* TLS */
    bool input_over;                  /* the client's end was seen */
    bool retry_input;                 /* the protocol can go on with `input` */
    bool finishing;                   /* no more answers: send what is there, then linger */
    bool lingering;                   /* all sent: only reading over what still comes */
    bool reading, writing;            /* which events are armed */
    uint64_t received, received_mark; /* bytes, for progress */
    uint64_t read_ms, sent_ms;        /* last progress */
    uint64_t started_ms;              /* accepted, or lingering since */
    uint64_t lingered;                /* bytes read over */
    LIST_ENTRY(Connection) others;
    char peer[SOCKET_TEXT_MAX];
};

struct Exchange {
    Request request;
    Arena arena;
    Header *headers;
    size_t n_headers, headers_capacity; /* in the arena */
    RouteMatch match;
    Buf body;
    size_t charged;    /* bytes of body counted in Shared */
    uint64_t received; /* body bytes, stored or not */
    int refusal;       /* HTTP status to answer instead of calling the handler; 0: none */
    const char *refusal_text;
    bool unwanted; /* the rest of the body: answer before it ends */
    bool held;     /* a handler has it; worker's thread only */
    const Listener *listener;
    Worker *worker;
    Connection *connection; /* worker's thread only; NULL when the client has gone */
    int32_t stream_id;      /* this and the next five: HTTP/2 */
    size_t header_bytes;
    uint64_t content_length; /* 0: unknown */
    uint64_t started_ms, progress_ms, received_mark;
    LIST_ENTRY(Exchange) stream; /* of the connection's */

    /* The answer: the handler's until it is posted, then the worker's. */
    _Atomic int state;
    _Atomic bool gone;
    Response response;
    bool streamed;
    bool head_sent, ended; /* worker's thread; ended: all of the answer was handed over */
    size_t sent;           /* of response.body, by HTTP/2 */
    size_t answer_charged; /* bytes of response.body counted in Shared */
    pthread_mutex_t lock;  /* the three below */
    Buf pending;
    bool posted, too_slow;
    _Atomic size_t unsent; /* that the connection holds */
};

/* A response field as HTTP/1.1 spells it. */
typedef struct AnswerField {
    Str name, value;
} AnswerField;

enum { ANSWER_FIELDS_MAX = 16 };

/* connection.c */
uint64_t now_ms(void);
void connection_accept(Worker *worker, const Listener *listener, int fd,
                       const struct sockaddr_storage *peer);
void connection_enter(Connection *connection);
void connection_leave(Connection *connection); /* sends, re-reads, frees if dead */
void connection_send(Connection *connection, Str bytes);
void connection_send_buf(Connection *connection, Buf *buf); /* takes it over */
/* Takes over the body of the exchange's whole answer, and what is counted for it. */
void connection_send_answer(Connection *connection, Exchange *exchange);
size_t connection_unsent(const Connection *connection);
void connection_finish(Connection *connection); /* sends the rest, then closes lingering */
void connection_abort(Connection *connection);  /* closes now */
void connection_timed_out(Connection *connection);
void worker_sweep(void *worker);
void worker_drain(Worker *worker);
void worker_close(Worker *worker);

/* exchange.c */
Exchange *exchange_new(Connection *connection);
Exchange *exchange_free(Exchange *exchange);
void exchange_add_header(Exchange *exchange, Str name, Str value); /* copies both */
/* Reads the headers that every Request shows, finds the route or notes why not. */
void exchange_route(Exchange *exchange);
/* Notes the first reason not to call the handler. */
void exchange_refuse(Exchange *exchange, int status, const char *text);
/* exchange_body.c */
void exchange_drop_body(Exchange *exchange);
/* Whether the body has taken too long to come for how much memory is held by such; then it is to
 * end with SERVER_OUTSTAYED_TEXT. */
bool exchange_outstays(const Exchange *exchange, uint64_t now);
#define SERVER_OUTSTAYED_TEXT                                                                      \
    "the server holds many request bodies, and this one was not whole in time"
/* Makes room for @len more body bytes of @expected in all (0: unknown). Returns where they go, NULL
 * when the exchange refuses its body (too large, no memory): they are then read over. */
uint8_t *exchange_body_space(Exchange *exchange, size_t len, uint64_t expected);
/* Stores or reads over @bytes, and may note that the rest is unwanted. */
void exchange_body_add(Exchange *exchange, Str bytes, uint64_t expected);
/* exchange.c again. The request is whole: calls the handler, or answers the refusal. */
void exchange_dispatch(Exchange *exchange);
/* Answers now in the transport's own name; for requests no handler has seen. */
void exchange_fail(Exchange *exchange, int status, const char *text);
/* The client has gone; frees it unless a handler still has it. */
void exchange_abandon(Exchange *exchange);
/* Moves all that a handler wrote and the connection has not taken yet into the empty @out. */
void exchange_take_pending(Exchange *exchange, Buf *out);
/* Whether the answer is one that never ends by itself. */
bool exchange_is_event_stream(const Exchange *exchange);
/* Fields of the answer but for Date, Content-Length and framing; the arena keeps what is made. */
size_t exchange_fields(Exchange *exchange, AnswerField fields[ANSWER_FIELDS_MAX]);
const char *status_text(int status);
/* HTTP status of the answer, what gRPC's status means in its terms included; for counters. */
int exchange_status(const Exchange *exchange);
void worker_count_status(Worker *worker, int status);
Str worker_date(Worker *worker);

/* ---- http2_frames.c ---- */

struct nghttp2_session;

/*
 * Follows the frames of an HTTP/2 client and gives them to its session, all but what a client's
 * GOAWAY says of our streams: as a server we open none, so whatever id it names, it means "I am
 * going". nghttp2 takes any id but 0 for a broken protocol and ends the session, requests and all;
 * gRPC for Go names 1 whenever it closes (grpc-go, internal/transport/http2_client.go).
 *
 * Zero is a connection before its preface. Used by one thread at a time.
 */
typedef struct Http2Frames {
    size_t preface; /* bytes of it seen */
    size_t left;    /* bytes of the present frame's payload still to come */
    bool replaced;  /* they are of a GOAWAY and not given to the session */
} Http2Frames;

/* Gives the session what is in @in and advances past it; at most a part of a frame's head stays
 * there, to be given again with more behind it.
 * Returns 0, or nghttp2's error (< 0): the session reads no more. */
MUST_USE int http2_frames_give(Http2Frames *frames, struct nghttp2_session *session, Str *in);

/* ---- http2_answer.c ---- */

/* Gives the session the exchange's answer, as far as it is known. */
void http2_submit_answer(struct nghttp2_session *session, Exchange *exchange);

/* server.c, for tests: before server_start(). */
void server_set_limits(Server *server, uint64_t idle_ms, uint64_t progress_ms, uint64_t patience_ms,
                       uint64_t bodies_max);
