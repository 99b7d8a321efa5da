// SPDX-License-Identifier: Apache-2.0
#include "serve/http/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "os/clock.h"

/*
 * Bytes in and out of one socket.
 *
 *     accepted ─(TLS handshake)─▶ first bytes ─▶ protocol ─finish()─▶ sending ─▶ lingering ─▶ freed
 *
 * Not a bufferevent: in libevent 2.1 it reads at most 4 KiB a call with two system calls each, 50
 * for a body of 100 kB, and copies once more (docs/adr/0003). Here a body of known length is
 * received where it stays.
 *
 * Every event runs between connection_enter() and connection_leave(); what they call may mark the
 * connection dead, and the outermost leave frees it. Sending happens in leave too, so that all
 * answers of one wake-up go out in one call.
 *
 * Lingering: closing a socket with unread bytes makes the kernel send a reset, which can overtake
 * the answer on its way; a client that is still sending its body would never read our 413. So after
 * the last answer our half is shut down and the client's bytes are read over, within limits.
 */
enum {
    READS_PER_EVENT_MAX = 8,   /* then other connections have their turn */
    TLS_WRITE_MAX = 16 << 10,  /* one record */
    WRITES_PER_EVENT_MAX = 64, /* as above */
    SNIFF_SIZE = 4,            /* "PRI " is no method of HTTP/1 */
    EOF_SEEN = 0,
};

uint64_t now_ms(void)
{
    return clock_monotonic_ns(&clock_system) / 1000000;
}

static void arm(struct event *event, bool *armed, bool wanted)
{
    if (wanted != *armed) {
        int r = wanted ? event_add(event, NULL) : event_del(event);

        ASSERT(r == 0);
        *armed = wanted;
    }
}

static void free_connection(Connection *connection)
{
    if (connection->protocol != NULL) {
        connection->protocol->free(connection);
    }
    arm(&connection->read_event, &connection->reading, false);
    arm(&connection->write_event, &connection->writing, false);
    if (connection->tls != NULL) {
        SSL_free(connection->tls);
    }
    close(connection->fd);
    evbuffer_free(connection->output);
    buf_deinit(&connection->input);
    LIST_REMOVE(connection, others);
    COUNT(connection->worker, connections_open, -1);
    atomic_fetch_sub(&connection->worker->shared->connections, 1);
    mem_free(connection);
}

/* What a TLS call's failure means: -EAGAIN, EOF_SEEN or an error. */
static ssize_t tls_result(Connection *connection, int returned)
{
    switch (SSL_get_error(connection->tls, returned)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        arm(&connection->write_event, &connection->writing, true);
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return EOF_SEEN;
    default:
        return -EPROTO;
    }
}

static ssize_t receive(Connection *connection, uint8_t *space, size_t size)
{
    if (connection->tls != NULL) {
        ERR_clear_error();
        int n = SSL_read(connection->tls, space, (int)MIN(size, (size_t)INT32_MAX));

        return n > 0 ? n : tls_result(connection, n);
    }
    ssize_t n = recv(connection->fd, space, size, 0);
    return n >= 0 ? n : -errno;
}

static ssize_t transmit(Connection *connection)
{
    if (connection->tls != NULL) {
        struct evbuffer_iovec piece;

        if (evbuffer_peek(connection->output, -1, NULL, &piece, 1) < 1) {
            return -EAGAIN;
        }
        ERR_clear_error();
        int n = SSL_write(connection->tls, piece.iov_base,
                          (int)MIN(piece.iov_len, (size_t)TLS_WRITE_MAX));
        if (n <= 0) {
            ssize_t r = tls_result(connection, n);
            return r == EOF_SEEN ? -EPIPE : r;
        }
        evbuffer_drain(connection->output, (size_t)n);
        return n;
    }
    int n = evbuffer_write(connection->output, connection->fd);
    return n >= 0 ? n : -errno;
}

void connection_enter(Connection *connection)
{
    connection->busy++;
}

void connection_abort(Connection *connection)
{
    ASSERT(connection->busy > 0);
    connection->dead = true;
}

void connection_timed_out(Connection *connection)
{
    COUNT(connection->worker, timeouts, 1);
    connection_abort(connection);
}

void connection_finish(Connection *connection)
{
    connection->finishing = true;
    buf_deinit(&connection->input);
}

/* Progress is measured from when there was something to send. */
static void note_output(Connection *connection)
{
    if (connection_unsent(connection) == 0) {
        connection->sent_ms = now_ms();
    }
}

void connection_send(Connection *connection, Str bytes)
{
    note_output(connection);
    int r = evbuffer_add(connection->output, bytes.ptr, bytes.len);

    ASSERT(r == 0);
}

static void free_sent(const void *bytes, size_t len, void *context)
{
    mem_free(context);
}

void connection_send_buf(Connection *connection, Buf *buf)
{
    enum { COPY_MAX = 1024 }; /* cheaper copied than referenced */

    if (buf->len > COPY_MAX) {
        note_output(connection);
        int r = evbuffer_add_reference(connection->output, buf->ptr, buf->len, free_sent, buf->ptr);

        ASSERT(r == 0);
        *buf = (Buf){0};
    } else {
        connection_send(connection, buf_str(buf));
        buf_deinit(buf);
    }
}

typedef struct SentAnswer {
    Buf body;
    Shared *shared;
    size_t charged;
} SentAnswer;

static void free_sent_answer(const void *bytes, size_t len, void *context)
{
    SentAnswer *sent = context;

    atomic_fetch_sub(&sent->shared->answer_bytes, sent->charged);
    buf_deinit(&sent->body);
    mem_free(sent);
}

void connection_send_answer(Connection *connection, Exchange *exchange)
{
    if (exchange->answer_charged == 0) {
        connection_send_buf(connection, &exchange->response.body);
        return;
    }
    SentAnswer *sent = NEW(SentAnswer);

    *sent = (SentAnswer){.body = exchange->response.body,
                         .shared = connection->worker->shared,
                         .charged = exchange->answer_charged};
    exchange->response.body = (Buf){0};
    exchange->answer_charged = 0;
    note_output(connection);
    int r = evbuffer_add_reference(connection->output, sent->body.ptr, sent->body.len,
                                   free_sent_answer, sent);
    ASSERT(r == 0);
}

size_t connection_unsent(const Connection *connection)
{
    return evbuffer_get_length(connection->output);
}

static void start_lingering(Connection *connection)
{
    if (connection->input_over) {
        connection_abort(connection);
        return;
    }
    connection->lingering = true;
    connection->started_ms = connection->read_ms = now_ms();
    if (connection->tls != NULL) {
        ERR_clear_error();
        (void)SSL_shutdown(connection->tls);
    }
    if (shutdown(connection->fd, SHUT_WR) != 0) {
        connection_abort(connection);
    }
}

/* Sends what the socket takes. */
static void flush(Connection *connection)
{
    for (int i = 0; i < WRITES_PER_EVENT_MAX && connection_unsent(connection) > 0; i++) {
        ssize_t n = transmit(connection);

        if (n == -EAGAIN || n == -EINTR) {
            break;
        }
        if (n <= 0) {
            connection_abort(connection);
            return;
        }
        COUNT(connection->worker, bytes_out, n);
        connection->sent_ms = now_ms();
        if (connection->protocol != NULL) {
            connection->protocol->sent(connection);
        }
    }
    if (connection_unsent(connection) == 0 && connection->finishing && !connection->lingering) {
        start_lingering(connection);
    }
}

static void choose_protocol(Connection *connection, const Protocol *protocol)
{
    connection->protocol = protocol;
    protocol->start(connection);
}

/* HTTP/2 announces itself with "PRI * HTTP/2.0"; all else is HTTP/1, or will be refused by it. */
static bool sniff(Connection *connection, Str bytes)
{
    const Str preface = STR("PRI ");
    Str first = str_slice(bytes, 0, SNIFF_SIZE);

    if (!str_starts_with(preface, first)) {
        choose_protocol(connection, &http1_protocol);
    } else if (first.len == SNIFF_SIZE) {
        choose_protocol(connection, &http2_protocol);
    }
    return connection->protocol != NULL;
}

static size_t give(Connection *connection, Str bytes)
{
    if (connection->finishing || connection->dead) {
        return bytes.len;
    }
    if (connection->protocol == NULL && !sniff(connection, bytes)) {
        return 0;
    }
    return connection->protocol->input(connection, bytes);
}

/* A connection that first speaks while the server drains is answered once, then ended. */
static size_t give_and_drain(Connection *connection, Str bytes)
{
    bool is_first = connection->protocol == NULL;
    size_t used = give(connection, bytes);

    if (is_first && connection->worker->draining && connection->protocol != NULL &&
        !connection->finishing && !connection->dead) {
        connection->protocol->drain(connection);
    }
    return used;
}

/* Gives new bytes behind the ones that wait, and keeps what was not used. */
static void take_input(Connection *connection, Str bytes)
{
    Buf *input = &connection->input;

    connection->retry_input = false;
    if (input->len == 0) {
        size_t used = give_and_drain(connection, bytes);

        buf_append_str(input, str_slice(bytes, used, bytes.len));
    } else {
        buf_append_str(input, bytes);
        size_t used = give_and_drain(connection, buf_str(input));
        if (input->len > 0) { /* finishing empties it */
            buf_drop_front(input, used);
        }
    }
    if (input->len == 0 || connection->finishing) {
        buf_deinit(input); /* an idle connection holds no buffer, a finishing one reads no more */
    }
}

static void end_input(Connection *connection)
{
    connection->input_over = true;
    if (connection->lingering || connection->protocol == NULL) {
        connection_abort(connection);
    } else if (!connection->finishing) {
        connection->protocol->input_ended(connection);
    }
}

static void read_over(Connection *connection, size_t len)
{
    connection->lingered += len;
    if (connection->lingered > CONNECTION_LINGER_BYTES_MAX) {
        connection_abort(connection);
    }
}

/* One receive. Returns whether there may be more to read at once. */
static bool read_some(Connection *connection)
{
    Worker *worker = connection->worker;
    uint8_t *space = worker->scratch;
    size_t size = 0;

    if (connection->protocol != NULL && connection->protocol->space != NULL &&
        connection->input.len == 0 && !connection->finishing) {
        size = connection->protocol->space(connection, &space);
    }
    bool in_place = size > 0;
    if (!in_place) {
        space = worker->scratch;
        size = CONNECTION_READ_SIZE;
    }
    ssize_t n = receive(connection, space, size);
    if (n == -EAGAIN || n == -EINTR) {
        return false;
    }
    if (n < 0) {
        connection_abort(connection);
        return false;
    }
    if (n == EOF_SEEN) {
        end_input(connection);
        return false;
    }
    COUNT(worker, bytes_in, n);
    connection->received += (size_t)n;
    connection->read_ms = now_ms();
    if (connection->finishing) {
        read_over(connection, (size_t)n);
    } else if (in_place) {
        connection->protocol->filled(connection, (size_t)n);
    } else {
        take_input(connection, str_from_bytes(space, (size_t)n));
    }
    return connection->tls != NULL || (!in_place && (size_t)n == size);
}

static bool wants_read(const Connection *connection)
{
    return !connection->dead && !connection->input_over &&
           connection->input.len < CONNECTION_INPUT_MAX;
}

static void read_all(Connection *connection)
{
    bool more = true;

    for (int i = 0; more && wants_read(connection); i++) {
        if (i == READS_PER_EVENT_MAX) {
            /* The socket may be empty and the rest inside of OpenSSL, which no event tells of. */
            event_active(&connection->read_event, EV_READ, 0);
            break;
        }
        more = read_some(connection);
    }
}

static void arm_events(Connection *connection)
{
    bool was_reading = connection->reading;

    arm(&connection->read_event, &connection->reading, wants_read(connection));
    if (connection->reading && !was_reading && connection->tls != NULL) {
        event_active(&connection->read_event, EV_READ, 0); /* OpenSSL may hold bytes */
    }
    if (!connection->handshaking) {
        arm(&connection->write_event, &connection->writing, connection_unsent(connection) > 0);
    }
}

/* Before the loop waits again: goes on with what the answers made possible, sends, arms. */
static void settle(Connection *connection)
{
    do {
        while (connection->retry_input && !connection->dead) {
            take_input(connection, (Str){0});
        }
        if (!connection->dead && !connection->handshaking) {
            flush(connection);
        }
    } while (connection->retry_input && !connection->dead);
    if (!connection->dead) {
        arm_events(connection);
    }
}

void connection_leave(Connection *connection)
{
    ASSERT(connection->busy > 0);
    if (connection->busy == 1) {
        settle(connection);
    }
    connection->busy--;
    if (connection->busy == 0 && connection->dead) {
        free_connection(connection);
    }
}

static void handshake(Connection *connection)
{
    const unsigned char *name;
    unsigned name_len;

    arm(&connection->write_event, &connection->writing, false);
    ERR_clear_error();
    int r = SSL_accept(connection->tls);
    if (r != 1) {
        if (tls_result(connection, r) != -EAGAIN) {
            COUNT(connection->worker, protocol_errors, 1);
            connection_abort(connection);
        }
        return;
    }
    connection->handshaking = false;
    SSL_get0_alpn_selected(connection->tls, &name, &name_len);
    if (str_equal(str_from_bytes(name, name_len), STR("h2"))) {
        choose_protocol(connection, &http2_protocol);
    }
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    Connection *connection = context;

    connection_enter(connection);
    if (connection->handshaking) {
        handshake(connection);
    }
    if (!connection->handshaking && ((what & EV_READ) != 0 || connection->tls != NULL)) {
        read_all(connection);
    }
    connection_leave(connection);
}

static int setup_tls(Connection *connection)
{
    if (connection->listener->tls == NULL) {
        return 0;
    }
    connection->tls = SSL_new(connection->listener->tls);
    if (connection->tls == NULL || SSL_set_fd(connection->tls, connection->fd) != 1) {
        return -ENOMEM;
    }
    SSL_set_accept_state(connection->tls);
    connection->handshaking = true;
    return 0;
}

void connection_accept(Worker *worker, const Listener *listener, int fd,
                       const struct sockaddr_storage *peer)
{
    struct event_base *base = loop_event_base(worker->loop);
    Connection *connection = NEW(Connection);
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connection->worker = worker;
    connection->listener = listener;
    connection->fd = fd;
    connection->started_ms = connection->read_ms = connection->sent_ms = now_ms();
    connection->output = evbuffer_new();
    ASSERT(connection->output != NULL);
    socket_address_format(peer, connection->peer);
    event_assign(&connection->read_event, base, fd, EV_READ | EV_PERSIST, on_event, connection);
    event_assign(&connection->write_event, base, fd, EV_WRITE | EV_PERSIST, on_event, connection);
    LIST_INSERT_HEAD(&worker->connections, connection, others);
    COUNT(worker, connections, 1);
    COUNT(worker, connections_open, 1);
    connection_enter(connection);
    if (setup_tls(connection) != 0) {
        log_warn("TLS connection not set up", LOG_CSTR("peer", connection->peer));
        connection_abort(connection);
    }
    connection_leave(connection);
}

static void sweep_connection(Connection *connection, uint64_t now)
{
    const Shared *shared = connection->worker->shared;
    uint64_t linger_ms =
        connection->worker->draining ? CONNECTION_LINGER_DRAIN_MS : CONNECTION_LINGER_IDLE_MS;

    if (connection->lingering) {
        if (now - connection->read_ms > linger_ms ||
            now - connection->started_ms > shared->progress_ms) {
            connection_abort(connection);
        }
    } else if (connection_unsent(connection) > 0 &&
               now - connection->sent_ms > shared->progress_ms) {
        connection_timed_out(connection);
    } else if (connection->protocol == NULL) {
        if (connection->worker->draining &&
            now - connection->worker->drain_ms > CONNECTION_FIRST_DRAIN_MS) {
            connection_abort(connection);
        } else if (now - connection->started_ms > shared->progress_ms) {
            connection_timed_out(connection);
        }
    } else if (!connection->finishing) {
        connection->protocol->tick(connection, now);
    }
}

void worker_sweep(void *context)
{
    Worker *worker = context;
    uint64_t now = now_ms();

    for (Connection *connection = LIST_FIRST(&worker->connections), *next; connection != NULL;
         connection = next) {
        next = LIST_NEXT(connection, others);
        connection_enter(connection);
        sweep_connection(connection, now);
        connection_leave(connection);
    }
}

void worker_drain(Worker *worker)
{
    worker->draining = true;
    worker->drain_ms = now_ms();
    for (Connection *connection = LIST_FIRST(&worker->connections), *next; connection != NULL;
         connection = next) {
        next = LIST_NEXT(connection, others);
        connection_enter(connection);
        if (!connection->handshaking) {
            read_all(connection); /* what is here already is not refused unread */
        }
        if (connection->protocol != NULL && !connection->finishing && !connection->dead) {
            connection->protocol->drain(connection);
        }
        connection_leave(connection);
    }
}

void worker_close(Worker *worker)
{
    for (Connection *connection = LIST_FIRST(&worker->connections), *next; connection != NULL;
         connection = next) {
        next = LIST_NEXT(connection, others);
        connection_enter(connection);
        connection_abort(connection);
        connection_leave(connection);
    }
}
