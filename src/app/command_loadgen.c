// SPDX-License-Identifier: Apache-2.0
#include <curl/curl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/client.h"
#include "app/settings.h"
#include "app/sim.h"
#include "base/memory.h"
#include "codec/compress.h"
#include "os/clock.h"
#include "os/pool.h"
#include "wire/otlp.h"

/*
 * The simulated shop as a client: every 100 ms a tenth of the second's spans leave in batches, by a
 * few sending threads, so that a slow server is seen as backlog and never as a lower rate of
 * generation.
 */
enum { BATCH_SPANS = 512, SENDERS = 4, QUEUE_MAX = 256, SLICES = 10, NS_PER_S = 1000000000 };

typedef enum Protocol { PROTOCOL_GRPC, PROTOCOL_PROTOBUF, PROTOCOL_JSON } Protocol;

typedef struct LoadGen {
    const char *endpoint;
    Protocol protocol;
    Encoding encoding;
    Pool *pool;
    _Atomic uint64_t sent, acknowledged, refused, failed, bytes, request_ns, requests;
    atomic_bool told, gave_up;
} LoadGen;

typedef struct Shipment {
    LoadGen *load;
    Buf body;
    size_t n_spans;
} Shipment;

static atomic_bool interrupted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&interrupted, true);
}

static _Thread_local Client *thread_client;

/* The first failure is told. Before anything was taken it is the endpoint that is wrong: going on
 * would fail for the whole duration. */
static void tell_failure(LoadGen *load, int status, Buf *text)
{
    Str line = str_trim(buf_str(text));

    if (status < 0) {
        cli_fail("%.*s", STR_ARG(line));
    } else {
        cli_fail("%s answers %d%s%.*s", load->endpoint, status, line.len > 0 ? ": " : "",
                 (int)MIN(line.len, (size_t)200), line.ptr);
    }
    if (atomic_load(&load->acknowledged) + atomic_load(&load->refused) == 0) {
        atomic_store(&load->gave_up, true);
        atomic_store(&interrupted, true);
    }
}

static void ship(void *context)
{
    Shipment *shipment = context;
    LoadGen *load = shipment->load;
    CLEANUP(buf_deinit) Buf answer = {0};
    CLEANUP(buf_deinit) Buf why = {0};
    ClientPost post = {.path = "/v1/traces", .content_type = "application/x-protobuf"};

    if (thread_client == NULL) {
        thread_client = client_new(load->endpoint);
    }
    if (load->protocol == PROTOCOL_GRPC) {
        post.path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        post.content_type = "application/grpc";
        post.grpc = true;
    } else if (load->protocol == PROTOCOL_JSON) {
        post.content_type = "application/json";
    }
    post.encoding = load->encoding == ENCODING_IDENTITY ? NULL : encoding_name(load->encoding).ptr;
    post.body = buf_str(&shipment->body);
    uint64_t start = clock_monotonic_ns(&clock_system);
    int status = client_post(thread_client, &post, &answer, &why);
    atomic_fetch_add(&load->request_ns, clock_monotonic_ns(&clock_system) - start);
    atomic_fetch_add(&load->requests, 1);
    atomic_fetch_add(&load->bytes, shipment->body.len);
    atomic_fetch_add(status == 200                    ? &load->acknowledged
                     : status == 429 || status == 503 ? &load->refused
                                                      : &load->failed,
                     shipment->n_spans);
    bool is_failure = status != 200 && status != 429 && status != 503;
    if (is_failure && !atomic_exchange(&load->told, true)) {
        tell_failure(load, status, status < 0 ? &why : &answer);
    }
    buf_deinit(&shipment->body);
    mem_free(shipment);
}

static void queue(LoadGen *load, const Span *spans, size_t n)
{
    Shipment *shipment = NEW(Shipment);
    CLEANUP(buf_deinit) Buf plain = {0};

    shipment->load = load;
    shipment->n_spans = n;
    if (load->protocol == PROTOCOL_JSON) {
        otlp_write_json(spans, n, &plain);
    } else {
        otlp_write_protobuf(spans, n, &plain);
    }
    compress(load->encoding, buf_str(&plain), 1, &shipment->body);
    atomic_fetch_add(&load->sent, n);
    while (pool_submit(load->pool, ship, shipment) != 0) {
        usleep(1000);
    }
}

/* The spans of one second, spread over it in slices. */
static void play_second(LoadGen *load, const SimOptions *sim, uint64_t start_ns)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t n;
    Span *spans;

    sim_second(sim, clock_realtime_ns(&clock_system) / NS_PER_S, &arena, &spans, &n);
    for (size_t slice = 0; slice < SLICES && !atomic_load(&interrupted); slice++) {
        size_t from = n * slice / SLICES, to = n * (slice + 1) / SLICES;

        for (size_t at = from; at < to; at += BATCH_SPANS) {
            queue(load, spans + at, MIN(to - at, (size_t)BATCH_SPANS));
        }
        uint64_t due = start_ns + (slice + 1) * (NS_PER_S / SLICES);
        uint64_t now = clock_monotonic_ns(&clock_system);
        if (now < due) {
            usleep((useconds_t)((due - now) / 1000));
        }
    }
}

/* Progress goes to standard error, the result to standard output. */
static void print_progress(LoadGen *load, double seconds, char end)
{
    uint64_t requests = atomic_load(&load->requests);

    fprintf(end == '\r' ? stderr : stdout,
            "%s%.0f s: sent %llu spans, acknowledged %llu, refused %llu, failed %llu, %.1f MB, "
            "%.1f ms a request%c",
            end == '\r' ? "\r" : "", seconds, (unsigned long long)atomic_load(&load->sent),
            (unsigned long long)atomic_load(&load->acknowledged),
            (unsigned long long)atomic_load(&load->refused),
            (unsigned long long)atomic_load(&load->failed), (double)atomic_load(&load->bytes) / 1e6,
            requests == 0 ? 0 : (double)atomic_load(&load->request_ns) / (double)requests / 1e6,
            end);
}

static int parse_protocol(const char *text, Protocol *ret_protocol)
{
    static const char *const names[] = {"grpc", "http/protobuf", "http/json"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_protocol = (Protocol)i;
            return 0;
        }
    }
    return 1;
}

static int run(LoadGen *load, SimOptions *sim, uint64_t duration_ns)
{
    uint64_t start = clock_monotonic_ns(&clock_system);
    bool tty = isatty(STDERR_FILENO);

    for (uint64_t second = 0; !atomic_load(&interrupted) && second * NS_PER_S < duration_ns;
         second++) {
        play_second(load, sim, start + second * NS_PER_S);
        if (tty) {
            print_progress(load, (double)(second + 1), '\r');
        }
    }
    load->pool = pool_free(load->pool);
    if (atomic_load(&load->gave_up)) {
        return EXIT_FAILED; /* why was told */
    }
    print_progress(load, (double)(clock_monotonic_ns(&clock_system) - start) / NS_PER_S, '\n');
    return atomic_load(&load->acknowledged) == atomic_load(&load->sent) ? EXIT_DONE : EXIT_FAILED;
}

static int run_loadgen(const Arguments *arguments)
{
    LoadGen load = {.endpoint = cli_value(arguments, "endpoint", "http://localhost:4318")};
    SimOptions sim = {.deploy_ns = 0};
    uint64_t duration_ns;

    if (parse_protocol(cli_value(arguments, "protocol", "http/protobuf"), &load.protocol) != 0) {
        return cli_usage("--protocol is grpc, http/protobuf or http/json");
    }
    const char *compression = cli_value(arguments, "compression", "none");
    if (encoding_parse(str_from_cstr(strcmp(compression, "none") == 0 ? "" : compression),
                       &load.encoding) != 0) {
        return cli_usage("--compression is gzip, zstd or none");
    }
    if (str_parse_double(str_from_cstr(cli_value(arguments, "rate", "100")), &sim.rate) != 0 ||
        sim.rate <= 0 || sim.rate > SIM_RATE_MAX) {
        return cli_usage("--rate is spans a second, up to %d", SIM_RATE_MAX);
    }
    if (settings_parse_duration(str_from_cstr(cli_value(arguments, "duration", "60s")),
                                &duration_ns) != 0) {
        return cli_usage("--duration is a time like 30s or 5m");
    }
    if (str_parse_u64(str_from_cstr(cli_value(arguments, "seed", "1")), &sim.seed) != 0) {
        return cli_usage("--seed is a whole number");
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (pool_new("loadgen", SENDERS, QUEUE_MAX, &load.pool) != 0) {
        return cli_fail("no threads can be started");
    }
    return run(&load, &sim, duration_ns);
}

static const Option options[] = {
    {"endpoint", "URL",
     "where to send (default http://localhost:4318; gRPC: http://localhost:4317)"},
    {"rate", "SPANS_PER_S", "how many spans a second on average (default 100)"},
    {"duration", "D", "for how long, like 30s or 5m (default 60s)"},
    {"seed", "N", "another seed, another shop day (default 1)"},
    {"protocol", "P", "grpc, http/protobuf (default) or http/json"},
    {"compression", "C", "gzip, zstd or none (default)"},
};

const Command command_loadgen = {.name = "loadgen",
                                 .summary = "Send the simulated shop's spans to any OTLP endpoint",
                                 .options = options,
                                 .n_options = ARRAY_LEN(options),
                                 .run = run_loadgen};
