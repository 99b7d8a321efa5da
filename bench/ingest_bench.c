// SPDX-License-Identifier: Apache-2.0

/*
 * Sends a data set over OTLP/HTTP protobuf, or as Zipkin v2 JSON, to any server, as fast as it
 * acknowledges, over a few keep-alive connections, and prints what it cost the server:
 *
 *     ingest_bench PORT PID SPANS [easy|hard|wide] [otlp|zipkin] [CONNECTIONS] [FIRST]
 *
 * Bodies of 500 spans are made and encoded, up to two million spans at a time, while the clock
 * stands. The server's CPU time and memory are read from /proc/PID. FIRST tells runs against one
 * server apart, which else send the same trace ids: the number of bodies sent before.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/corpus.h"
#include "wire/otlp.h"
#include "wire/zipkin.h"

enum {
    BODY_TRACES = 50,
    BODY_SPANS = BODY_TRACES * CORPUS_TRACE_SPANS,
    WAVE_BODIES = 4000,
    CONNECTIONS_MAX = 64,
    ANSWER_MAX = 4096,
    RETRY_US = 20000,
};

typedef struct Bench {
    uint16_t port;
    CorpusKind kind;
    bool zipkin;
    uint64_t n_bodies, n_made;
    _Atomic uint64_t next, failed, retried;
} Bench;

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* User and system seconds of the process. */
static double cpu_seconds(const char *pid)
{
    char path[64], text[1024];
    unsigned long user, system;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    ASSERT(file != NULL);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *fields = strrchr(text, ')');
    ASSERT(fields != NULL);
    ASSERT(sscanf(fields + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                  &system) == 2);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static unsigned long status_kb(const char *pid, const char *key)
{
    char path[64], line[256];
    unsigned long value = 0;

    snprintf(path, sizeof(path), "/proc/%s/status", pid);
    FILE *file = fopen(path, "r");
    ASSERT(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            sscanf(line + strlen(key), ": %lu", &value);
        }
    }
    fclose(file);
    return value;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    ASSERT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static void send_all(int fd, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, (const char *)bytes + at, len - at);
        ASSERT(n > 0);
        at += (size_t)n;
    }
}

/* Reads one answer whose body has a Content-Length; returns its status. */
static int read_answer(int fd)
{
    char answer[ANSWER_MAX + 1];
    size_t len = 0;

    for (;;) {
        ssize_t n = read(fd, answer + len, ANSWER_MAX - len);
        ASSERT(n > 0);
        len += (size_t)n;
        answer[len] = '\0';
        const char *end = strstr(answer, "\r\n\r\n");
        const char *length = strcasestr(answer, "content-length:");
        size_t body = length == NULL ? 0 : strtoul(length + 15, NULL, 10);
        if (end != NULL && len >= (size_t)(end + 4 - answer) + body) {
            return (int)strtol(answer + 9, NULL, 10);
        }
    }
}

/* A body whose traces get fresh ids, so that no span is a resend: the ids are patched by
 * re-encoding a different slice of the generator. */
static void make_body(const Bench *bench, uint64_t number, Buf *request)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf body = {0};
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    Span *spans = corpus_make(bench->kind, number + 1, BODY_TRACES,
                              (uint64_t)(now.tv_sec - 1) * 1000000000, &arena);
    if (bench->zipkin) {
        zipkin_write_json(spans, (size_t)BODY_SPANS, &body);
    } else {
        otlp_write_protobuf(spans, (size_t)BODY_SPANS, &body);
    }
    buf_append_format(
        request,
        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
        bench->zipkin ? "/api/v2/spans" : "/v1/traces",
        bench->zipkin ? "application/json" : "application/x-protobuf", body.len);
    buf_append_str(request, buf_str(&body));
}

static Buf *requests;

/* Sends again what the server asks to retry (429, 503), as an exporter does, only sooner. */
static int send_until_kept(Bench *bench, int fd, const Buf *request)
{
    for (;;) {
        send_all(fd, request->ptr, request->len);
        int status = read_answer(fd);
        if (status != 429 && status != 503) {
            return status / 100 != 2;
        }
        atomic_fetch_add(&bench->retried, 1);
        usleep(RETRY_US);
    }
}

static void *send_bodies(void *context)
{
    Bench *bench = context;
    int fd = connect_to(bench->port);

    for (;;) {
        uint64_t number = atomic_fetch_add(&bench->next, 1);

        if (number >= bench->n_bodies) {
            break;
        }
        if (send_until_kept(bench, fd, &requests[number]) != 0) {
            atomic_fetch_add(&bench->failed, 1);
        }
    }
    close(fd);
    return NULL;
}

static void run(Bench *bench, size_t n_connections)
{
    pthread_t threads[CONNECTIONS_MAX];

    for (size_t i = 0; i < n_connections; i++) {
        ASSERT(pthread_create(&threads[i], NULL, send_bodies, bench) == 0);
    }
    for (size_t i = 0; i < n_connections; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Makes the next @n bodies; returns their bytes. */
static uint64_t make_wave(Bench *bench, uint64_t n)
{
    uint64_t bytes = 0;

    requests = NEW_ARRAY(Buf, n);
    for (uint64_t i = 0; i < n; i++) {
        make_body(bench, bench->n_made++, &requests[i]);
        bytes += requests[i].len;
    }
    bench->n_bodies = n;
    atomic_store(&bench->next, 0);
    return bytes;
}

static void drop_wave(const Bench *bench)
{
    for (uint64_t i = 0; i < bench->n_bodies; i++) {
        buf_deinit(&requests[i]);
    }
    mem_free(requests);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr,
                "usage: %s PORT PID SPANS [easy|hard|wide] [otlp|zipkin] [CONNECTIONS] "
                "[FIRST]\n",
                argv[0]);
        return 2;
    }
    Bench bench = {.port = (uint16_t)strtoul(argv[1], NULL, 10),
                   .kind = argc > 4 && strcmp(argv[4], "hard") == 0   ? CORPUS_HARD
                           : argc > 4 && strcmp(argv[4], "wide") == 0 ? CORPUS_WIDE
                                                                      : CORPUS_EASY,
                   .zipkin = argc > 5 && strcmp(argv[5], "zipkin") == 0};
    size_t n_connections =
        argc > 6 ? MIN(strtoul(argv[6], NULL, 10), (unsigned long)CONNECTIONS_MAX) : 8;
    uint64_t bytes = 0;

    bench.n_made = argc > 7 ? strtoull(argv[7], NULL, 10) : 0;
    uint64_t left = strtoull(argv[3], NULL, 10) / BODY_SPANS, n_spans = left * BODY_SPANS;
    double elapsed = 0, cpu = cpu_seconds(argv[2]);

    for (uint64_t wave; left > 0; left -= wave) {
        wave = MIN(left, (uint64_t)WAVE_BODIES);
        bytes += make_wave(&bench, wave);
        double start = seconds_now();
        run(&bench, n_connections);
        elapsed += seconds_now() - start;
        drop_wave(&bench);
    }
    double at_end = cpu_seconds(argv[2]) - cpu;
    sleep(8); /* the assembly window and the block's writing belong to the cost */
    double cost = cpu_seconds(argv[2]) - cpu;
    printf("{\"spans\":%llu,\"bytes_per_span\":%.0f,\"failed_bodies\":%llu,\"retries\":%llu,"
           "\"seconds\":%.2f,"
           "\"spans_per_s\":%.0f,"
           "\"cpu_s_per_million\":%.2f,\"cpu_s_per_million_until_last_answer\":%.2f,\"peak_rss_"
           "mb\":%.0f,\"rss_mb\":%.0f}\n",
           (unsigned long long)n_spans, (double)bytes / (double)n_spans,
           (unsigned long long)bench.failed, (unsigned long long)bench.retried, elapsed,
           (double)n_spans / elapsed, cost / ((double)n_spans / 1e6),
           at_end / ((double)n_spans / 1e6), (double)status_kb(argv[2], "VmHWM") / 1024,
           (double)status_kb(argv[2], "VmRSS") / 1024);
    return bench.failed != 0;
}
