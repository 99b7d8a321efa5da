// SPDX-License-Identifier: Apache-2.0
#include "serve/http/server.h"

#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "serve/http/connection.h"

/*
 * One worker a core; each has its own listening socket per address (SO_REUSEPORT), so the kernel
 * spreads connections and no worker ever hands one to another. A Port is such a socket.
 */
enum {
    LOOPS_MAX = 256,
    ACCEPTS_PER_EVENT_MAX = 64,
    SWEEP_MAX_MS = 1000,
    DRAIN_POLL_MS = 20,
    FREE_WARN_MS = 5000,
};

typedef struct Port {
    struct event event;
    Worker *worker;
    const Listener *listener;
    int fd;
    bool armed; /* false while the process is out of files, and after the drain began */
} Port;

typedef struct ServerWorker {
    Worker worker;
    Port **ports;
    size_t n_ports, ports_capacity;
    LoopTimer *timer;
    uint64_t grace_until_ms;
} ServerWorker;

struct Server {
    Shared shared;
    ServerWorker *workers;
    size_t n_workers;
    Listener **listeners;
    size_t n_listeners, listeners_capacity;
    bool started;
};

/* ---- TLS ---- */

static int choose_alpn(SSL *tls, const unsigned char **ret_name, unsigned char *ret_len,
                       const unsigned char *offered, unsigned offered_len, void *context)
{
    static const unsigned char served[] = "\x02h2\x08http/1.1";
    unsigned char *name;

    if (SSL_select_next_proto(&name, ret_len, served, sizeof(served) - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2 */
    }
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

static int tls_fault(const char *what, const char *file)
{
    char reason[256] = "";

    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    log_error(what, LOG_CSTR("file", file), LOG_CSTR("reason", reason));
    return -EINVAL;
}

static int load_tls_files(SSL_CTX *context, const TlsOptions *options)
{
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate_file) != 1) {
        return tls_fault("TLS certificate not usable", options->certificate_file);
    }
    if (SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1) {
        return tls_fault("TLS key not usable with the certificate", options->key_file);
    }
    if (options->client_ca_file == NULL) {
        return 0;
    }
    if (SSL_CTX_load_verify_file(context, options->client_ca_file) != 1) {
        return tls_fault("TLS client CA not usable", options->client_ca_file);
    }
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options->client_ca_file));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

static int new_tls(const TlsOptions *options, SSL_CTX **ret_context)
{
    static const unsigned char session_name[] = "weft";
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (context == NULL) {
        return -ENOMEM;
    }
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* TLS 1.2 only with what HTTP/2 allows (RFC 9113, appendix A). */
    (void)SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_id_context(context, session_name, sizeof(session_name) - 1);
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, NULL);
    int r = load_tls_files(context, options);
    if (r != 0) {
        SSL_CTX_free(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

/* ---- listeners ---- */

static char *copy_text(const char *text)
{
    Str view = str_from_cstr(text);
    char *copy = mem_alloc(view.len + 1);

    if (view.len > 0) {
        mem_copy(copy, view.ptr, view.len);
    }
    copy[view.len] = '\0';
    return copy;
}

static Listener *listener_free(Listener *listener)
{
    router_free(listener->router);
    SSL_CTX_free(listener->tls);
    mem_free((void *)listener->options.routes);
    mem_free((void *)listener->options.name);
    mem_free(listener);
    return NULL;
}

static int listener_new(const ListenerOptions *options, Listener **ret_listener)
{
    SocketAddresses addresses;
    SSL_CTX *tls = NULL;

    TRY(socket_addresses_parse(str_from_cstr(options->address), options->port, &addresses));
    if (options->tls != NULL) {
        TRY(new_tls(options->tls, &tls));
    }
    Listener *listener = NEW(Listener);
    Route *routes = NEW_ARRAY(Route, options->n_routes);

    if (options->n_routes > 0) {
        mem_copy(routes, options->routes, options->n_routes * sizeof(*routes));
    }
    listener->options = *options;
    listener->options.name = copy_text(options->name);
    listener->options.address = NULL;
    listener->options.tls = NULL;
    listener->options.handover = NULL;
    listener->options.routes = routes;
    if (options->body_max == 0) {
        listener->options.body_max = 64 << 20;
    }
    listener->router = router_new(routes, options->n_routes);
    listener->tls = tls;
    listener->addresses = addresses;
    *ret_listener = listener;
    return 0;
}

static bool is_out_of_files(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void take_connection(Port *port, int fd, const struct sockaddr_storage *peer)
{
    Shared *shared = port->worker->shared;

    if (atomic_fetch_add(&shared->connections, 1) >= SERVER_CONNECTIONS_MAX) {
        atomic_fetch_sub(&shared->connections, 1);
        COUNT(port->worker, connections_refused, 1);
        close(fd);
        return;
    }
    connection_accept(port->worker, port->listener, fd, peer);
}

/* Takes the connections that wait on the port. */
static void accept_waiting(Port *port)
{
    for (int i = 0; i < ACCEPTS_PER_EVENT_MAX; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t length = sizeof(peer);
        int accepted =
            accept4(port->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (accepted >= 0) {
            take_connection(port, accepted, &peer);
        } else if (is_out_of_files(errno)) {
            /* The kernel would report this socket readable without end: wait for the sweep. */
            log_warn("out of files, not accepting for a moment", LOG_ERR(-errno));
            event_del(&port->event);
            port->armed = false;
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
    }
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
    accept_waiting(context);
}

static void add_port(ServerWorker *worker, const Listener *listener, int fd)
{
    Port *port = NEW(Port);

    *port = (Port){.worker = &worker->worker, .listener = listener, .fd = fd, .armed = true};
    event_assign(&port->event, loop_event_base(worker->worker.loop), fd, EV_READ | EV_PERSIST,
                 on_accept, port);
    int r = event_add(&port->event, NULL);
    ASSERT(r == 0);
    ARRAY_RESERVE(worker->ports, worker->n_ports, worker->ports_capacity);
    worker->ports[worker->n_ports++] = port;
}

static void close_ports(ServerWorker *worker, const Listener *listener)
{
    size_t kept = 0;

    for (size_t i = 0; i < worker->n_ports; i++) {
        Port *port = worker->ports[i];

        if (listener != NULL && port->listener != listener) {
            worker->ports[kept++] = port;
            continue;
        }
        event_del(&port->event);
        close(port->fd);
        mem_free(port);
    }
    worker->n_ports = kept;
}

/* Takes a worker's share of the sockets that were handed over. Returns whether there was any. */
static bool inherit_ports(ServerWorker *worker, const Listener *listener, Handover *handover)
{
    bool any = false;

    for (size_t i = 0; handover != NULL && i < listener->addresses.n_addresses; i++) {
        int fd = handover_take(handover, &listener->addresses.addresses[i]);

        if (fd >= 0) {
            add_port(worker, listener, fd);
            any = true;
        }
    }
    return any;
}

static int bind_worker(ServerWorker *worker, Listener *listener, bool first)
{
    int fds[SOCKET_ADDRESSES_MAX];

    TRY(first ? socket_bind_first(&listener->addresses, SOCK_STREAM, fds)
              : socket_bind(&listener->addresses, SOCK_STREAM, fds));
    for (size_t i = 0; i < listener->addresses.n_addresses; i++) {
        add_port(worker, listener, fds[i]);
    }
    return 0;
}

static int bind_workers(Server *server, Listener *listener, Handover *handover)
{
    bool inherited = false;

    for (size_t i = 0; i < server->n_workers; i++) {
        if (inherit_ports(&server->workers[i], listener, handover)) {
            inherited = true;
        } else {
            TRY(bind_worker(&server->workers[i], listener, !inherited && i == 0));
        }
    }
    /* A server before with more loops had more sockets. */
    for (size_t i = 0; inherit_ports(&server->workers[i % server->n_workers], listener, handover);
         i++) {
    }
    return 0;
}

int server_listen(Server *server, const ListenerOptions *options, uint16_t *ret_port)
{
    Listener *listener;

    ASSERT(!server->started);
    TRY(listener_new(options, &listener));
    int r = bind_workers(server, listener, options->handover);
    if (r != 0) {
        for (size_t i = 0; i < server->n_workers; i++) {
            close_ports(&server->workers[i], listener);
        }
        listener_free(listener);
        return r;
    }
    ARRAY_RESERVE(server->listeners, server->n_listeners, server->listeners_capacity);
    server->listeners[server->n_listeners++] = listener;
    *ret_port = socket_addresses_port(&listener->addresses);
    return 0;
}

/* ---- life ---- */

static size_t count_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores < 1 ? 1 : (size_t)cores;
}

int server_new(size_t n_loops, Server **ret_server)
{
    Server *server = NEW(Server);

    (void)signal(SIGPIPE, SIG_IGN);
    (void)socket_raise_limit();
    server->shared.idle_ms = (uint64_t)SERVER_IDLE_TIMEOUT_S * 1000;
    server->shared.progress_ms = (uint64_t)SERVER_PROGRESS_TIMEOUT_S * 1000;
    server->shared.patience_ms = (uint64_t)SERVER_BODY_PATIENCE_S * 1000;
    server->shared.body_bytes_max = SERVER_BODIES_MAX;
    n_loops = MIN(n_loops == 0 ? count_cores() : n_loops, (size_t)LOOPS_MAX);
    server->workers = NEW_ARRAY(ServerWorker, n_loops);
    for (; server->n_workers < n_loops; server->n_workers++) {
        ServerWorker *worker = &server->workers[server->n_workers];
        char name[16];

        (void)snprintf(name, sizeof(name), "serve-%zu", server->n_workers);
        int r = loop_new(name, &worker->worker.loop);
        if (r != 0) {
            server_free(server);
            return r;
        }
        worker->worker.shared = &server->shared;
        worker->worker.scratch = mem_alloc(CONNECTION_READ_SIZE);
    }
    *ret_server = server;
    return 0;
}

void server_set_limits(Server *server, uint64_t idle_ms, uint64_t progress_ms, uint64_t patience_ms,
                       uint64_t bodies_max)
{
    ASSERT(!server->started);
    server->shared.idle_ms = idle_ms;
    server->shared.progress_ms = progress_ms;
    server->shared.patience_ms = patience_ms;
    server->shared.body_bytes_max = bodies_max;
}

static void on_sweep(void *context)
{
    ServerWorker *worker = context;

    for (size_t i = 0; i < worker->n_ports; i++) {
        Port *port = worker->ports[i];

        if (!port->armed) {
            port->armed = event_add(&port->event, NULL) == 0;
        }
    }
    worker_sweep(&worker->worker);
}

int server_start(Server *server)
{
    uint64_t quarter = MIN(server->shared.idle_ms, server->shared.progress_ms) / 4;

    ASSERT(!server->started);
    for (size_t i = 0; i < server->n_workers; i++) {
        ServerWorker *worker = &server->workers[i];

        TRY(loop_timer_new(worker->worker.loop,
                           MAX((uint64_t)10, MIN(quarter, (uint64_t)SWEEP_MAX_MS)), on_sweep,
                           worker, &worker->timer));
    }
    for (size_t i = 0; i < server->n_workers; i++) {
        TRY(loop_start(server->workers[i].worker.loop));
        server->started = true;
    }
    return 0;
}

int server_hand_over(const Server *server, Handover *handover)
{
    ASSERT(!atomic_load(&server->shared.draining));
    for (size_t i = 0; i < server->n_workers; i++) {
        for (size_t j = 0; j < server->workers[i].n_ports; j++) {
            TRY(handover_keep(handover, server->workers[i].ports[j]->fd));
        }
    }
    return 0;
}

static void start_drain(void *context)
{
    ServerWorker *worker = context;

    for (size_t i = 0; i < worker->n_ports; i++) {
        accept_waiting(worker->ports[i]);
    }
    close_ports(worker, NULL);
    worker_drain(&worker->worker);
}

static void close_all(void *context)
{
    ServerWorker *worker = context;

    close_ports(worker, NULL);
    worker->timer = loop_timer_free(worker->timer);
    worker_close(&worker->worker);
}

static void post_all(Server *server, LoopTask task)
{
    for (size_t i = 0; i < server->n_workers; i++) {
        loop_post(server->workers[i].worker.loop, task, &server->workers[i]);
    }
}

static void nap(uint64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};

    (void)nanosleep(&time, NULL);
}

void server_drain(Server *server, uint64_t grace_ms)
{
    uint64_t until = now_ms() + grace_ms;

    if (!server->started) {
        return;
    }
    atomic_store(&server->shared.draining, true);
    post_all(server, start_drain);
    while (atomic_load(&server->shared.connections) > 0 && now_ms() < until) {
        nap(DRAIN_POLL_MS);
        post_all(server, on_sweep); /* HTTP/2's second GOAWAY, lingering */
    }
    post_all(server, close_all);
    while (atomic_load(&server->shared.connections) > 0) {
        nap(1);
    }
}

static void wait_for_handlers(Server *server)
{
    uint64_t since = now_ms();

    while (atomic_load(&server->shared.exchanges) > 0) {
        nap(1);
        if (now_ms() - since > FREE_WARN_MS) {
            since = now_ms();
            log_warn("waiting for handlers to answer",
                     LOG_U64("exchanges", atomic_load(&server->shared.exchanges)));
        }
    }
}

Server *server_free(Server *server)
{
    if (server == NULL) {
        return NULL;
    }
    if (server->started) {
        server_drain(server, 0);
        wait_for_handlers(server);
    }
    for (size_t i = 0; i < server->n_workers; i++) {
        ServerWorker *worker = &server->workers[i];

        if (!server->started) {
            close_all(worker);
        }
        loop_free(worker->worker.loop);
        mem_free(worker->worker.scratch);
        mem_free(worker->ports);
    }
    for (size_t i = 0; i < server->n_listeners; i++) {
        listener_free(server->listeners[i]);
    }
    mem_free(server->listeners);
    mem_free(server->workers);
    mem_free(server);
    return NULL;
}

void server_counters(const Server *server, ServerCounters *ret_counters)
{
    ServerCounters sum = {0};

    for (size_t i = 0; i < server->n_workers; i++) {
        const Counters *counters = &server->workers[i].worker.counters;

#define ADD(field) sum.field += atomic_load_explicit(&counters->field, memory_order_relaxed)
        ADD(connections);
        ADD(connections_open);
        ADD(connections_refused);
        ADD(requests);
        ADD(requests_open);
        ADD(bytes_in);
        ADD(bytes_out);
        ADD(status_2xx);
        ADD(status_3xx);
        ADD(status_4xx);
        ADD(status_5xx);
        ADD(timeouts);
        ADD(bodies_refused);
        ADD(protocol_errors);
        ADD(oversized);
#undef ADD
    }
    *ret_counters = sum;
}
