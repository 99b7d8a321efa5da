// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "serve/http/server.h"

/*
 * Requests a second through the transport alone: `http_bench [BODY_BYTES] [SECONDS] [CLIENTS]`. The
 * handler answers at once; clients share the machine, so the CPU seconds of the server's loop
 * threads (printed apart) say more than the rate. For HTTP/2 and others' clients:
 *     h2load -n 20000 -c 4 -m 16 -d body.bin http://127.0.0.1:PORT/v1/traces
 *     wrk -t 2 -c 16 -d 10 http://127.0.0.1:PORT/v1/traces
 * against a `weft serve`.
 */
typedef struct BenchClient {
    pthread_t thread;
    uint16_t port;
    Str request;
    uint64_t until_ns, n_requests;
} BenchClient;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void handle(void *context, Exchange *exchange)
{
    Response response = {.status = 200, .content_type = STR("application/x-protobuf")};

    exchange_respond(exchange, &response);
}

static void send_all(int fd, Str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        ASSERT(n > 0);
        bytes = str_slice(bytes, (size_t)n, bytes.len);
    }
}

static void *client_main(void *context)
{
    BenchClient *client = context;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(client->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char answer[4096];

    ASSERT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    while (clock_ns(CLOCK_MONOTONIC) < client->until_ns) {
        send_all(fd, client->request);
        ssize_t n = recv(fd, answer, sizeof(answer), 0);
        ASSERT(n > 4 && str_ends_with(str_from_bytes(answer, (size_t)n), STR("\r\n\r\n")));
        client->n_requests++;
    }
    close(fd);
    return NULL;
}

static double thread_cpu_s(pthread_t thread)
{
    clockid_t clock;

    ASSERT(pthread_getcpuclockid(thread, &clock) == 0);
    return (double)clock_ns(clock) / 1e9;
}

static uint64_t argument(char **argv, int argc, int index, uint64_t otherwise)
{
    uint64_t value = otherwise;

    if (argc > index && str_parse_u64(str_from_cstr(argv[index]), &value) != 0) {
        fprintf(stderr, "usage: http_bench [BODY_BYTES] [SECONDS] [CLIENTS]\n");
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    const Route routes[] = {{HTTP_POST, "/v1/traces", handle, NULL}};
    const ListenerOptions options = {
        .name = "bench", .address = "127.0.0.1", .routes = routes, .n_routes = 1};
    uint64_t body = argument(argv, argc, 1, 100000), seconds = argument(argv, argc, 2, 5);
    uint64_t n_clients = argument(argv, argc, 3, 4), n_requests = 0;
    Server *server;
    uint16_t port;
    struct rusage usage;
    Buf request = {0};
    double clients_s = 0;

    ASSERT(server_new(0, &server) == 0);
    ASSERT(server_listen(server, &options, &port) == 0);
    ASSERT(server_start(server) == 0);
    buf_append_format(&request,
                      "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: "
                      "application/x-protobuf\r\nContent-Length: %llu\r\n\r\n",
                      (unsigned long long)body);
    mem_fill(buf_grow(&request, body), 'b', body);
    BenchClient *clients = NEW_ARRAY(BenchClient, n_clients);
    uint64_t until = clock_ns(CLOCK_MONOTONIC) + seconds * 1000000000;
    for (size_t i = 0; i < n_clients; i++) {
        clients[i] = (BenchClient){.port = port, .request = buf_str(&request), .until_ns = until};
        ASSERT(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) == 0);
    }
    usleep((useconds_t)(seconds * 1000000 - 50000));
    for (size_t i = 0; i < n_clients; i++) {
        clients_s += thread_cpu_s(clients[i].thread);
    }
    getrusage(RUSAGE_SELF, &usage);
    double all_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    for (size_t i = 0; i < n_clients; i++) {
        pthread_join(clients[i].thread, NULL);
        n_requests += clients[i].n_requests;
    }
    printf("%llu requests of %llu bytes in %llu s: %.0f/s, server CPU %.1f us a request\n",
           (unsigned long long)n_requests, (unsigned long long)body, (unsigned long long)seconds,
           (double)n_requests / (double)seconds, (all_s - clients_s) / (double)n_requests * 1e6);
    server_free(server);
    buf_deinit(&request);
    mem_free(clients);
    return 0;
}
