// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/house.h"
#include "app/serving.h"
#include "app/sim.h"
#include "base/log.h"
#include "wire/otlp.h"

/*
 * The demo: a server on a temporary directory and the simulated shop beside it. History is filled
 * in from now backwards, so that the picture of the last minutes is there at once while yesterday
 * still arrives; a second of the shop is a pure function of its number, so any order gives the same
 * history.
 */
enum {
    BATCH_SPANS = 1024,
    BUSY_WAIT_US = 2000,
    CHUNK_SECONDS = 900, /* history is filled in pieces of this length, newest first */
    QUEUE_BYTES = 16 << 20,
    BLOCK_SPANS = 131072,
    PENDING_BYTES = 4 << 20, /* appended and not yet acknowledged, so that the demo stays small */
};

#define NS_PER_S UINT64_C(1000000000)

typedef struct Demo {
    House *house;
    SimOptions sim;
    uint64_t start_s, history_s;
    pthread_t history_thread, live_thread;
    pthread_mutex_t lock;
    pthread_cond_t appended;
    size_t pending_bytes;
    uint64_t spans;
} Demo;

typedef struct Pending {
    Demo *demo;
    size_t bytes;
} Pending;

static void on_appended(void *context, int result)
{
    Pending *pending = context;
    Demo *demo = pending->demo;

    if (result != 0) {
        log_error("the demo's spans could not be kept", LOG_ERR(result));
    }
    pthread_mutex_lock(&demo->lock);
    demo->pending_bytes -= pending->bytes;
    pthread_cond_broadcast(&demo->appended);
    pthread_mutex_unlock(&demo->lock);
    mem_free(pending);
}

static void wait_for_room(Demo *demo, size_t bytes)
{
    pthread_mutex_lock(&demo->lock);
    while (demo->pending_bytes > PENDING_BYTES) {
        pthread_cond_wait(&demo->appended, &demo->lock);
    }
    demo->pending_bytes += bytes;
    pthread_mutex_unlock(&demo->lock);
}

static void append(Demo *demo, const Span *spans, size_t n)
{
    StoreBatch *batch = store_batch_new();
    Pending *pending = NEW(Pending);
    ParseError error;

    otlp_write_protobuf(spans, n, &batch->body);
    if (otlp_read_protobuf(buf_str(&batch->body), &batch->arena, &batch->spans, &error) != 0) {
        log_error("the demo's own spans cannot be read", LOG_CSTR("error", error.text));
        store_batch_free(batch);
        mem_free(pending);
        return;
    }
    *pending = (Pending){.demo = demo, .bytes = batch->body.len};
    wait_for_room(demo, pending->bytes);
    int r = store_append(house_store(demo->house), batch, on_appended, pending);
    while (r == STORE_BUSY && !serving_ended()) {
        usleep(BUSY_WAIT_US);
        r = store_append(house_store(demo->house), batch, on_appended, pending);
    }
    if (r != 0) {
        store_batch_free(batch);
        on_appended(pending, r == STORE_BUSY ? 0 : r);
    }
}

static void play(Demo *demo, uint64_t from_s, uint64_t to_s)
{
    CLEANUP(arena_deinit) Arena arena = {0};

    for (uint64_t second = from_s; second < to_s && !serving_ended(); second++) {
        size_t n;
        Span *spans;

        sim_second(&demo->sim, second, &arena, &spans, &n);
        for (size_t at = 0; at < n; at += BATCH_SPANS) {
            append(demo, spans + at, MIN(n - at, (size_t)BATCH_SPANS));
        }
        __atomic_fetch_add(&demo->spans, n, __ATOMIC_RELAXED);
        arena_reset(&arena);
    }
}

static void *fill_history(void *context)
{
    Demo *demo = context;
    uint64_t to = demo->start_s, end = demo->start_s - demo->history_s;

    while (to > end && !serving_ended()) {
        uint64_t from = to - end > CHUNK_SECONDS ? to - CHUNK_SECONDS : end;

        play(demo, from, to);
        if (to == demo->start_s) {
            store_wait_settled(house_store(demo->house)); /* the picture is there at once */
        }
        to = from;
    }
    if (!serving_ended()) {
        fprintf(stderr, "weft: %.0f h of history are in, %llu spans; the shop goes on live\n",
                (double)demo->history_s / 3600,
                (unsigned long long)__atomic_load_n(&demo->spans, __ATOMIC_RELAXED));
    }
    return NULL;
}

static void *play_live(void *context)
{
    Demo *demo = context;
    uint64_t next = demo->start_s;

    while (!serving_ended()) {
        uint64_t now = clock_realtime_ns(&clock_system) / NS_PER_S;

        if (now > next) {
            play(demo, next, now);
            next = now;
        }
        serving_wait(200);
    }
    return NULL;
}

static void open_browser(const char *url)
{
    if (getenv("DISPLAY") == NULL && getenv("WAYLAND_DISPLAY") == NULL) {
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        execlp("xdg-open", "xdg-open", url, (char *)NULL);
        _exit(127);
    }
}

static void print_welcome(Demo *demo, bool open)
{
    char url[64];

    snprintf(url, sizeof(url), "http://localhost:%u/", house_port(demo->house, "http"));
    fprintf(stderr,
            "weft: a simulated shop is on %s\n"
            "weft: %.0f h of history are being filled in, newest first; Ctrl-C ends it\n",
            url, (double)demo->history_s / 3600);
    if (open) {
        open_browser(url);
    }
}

static int run_threads(Demo *demo, bool open)
{
    pthread_mutex_init(&demo->lock, NULL);
    pthread_cond_init(&demo->appended, NULL);
    if (pthread_create(&demo->history_thread, NULL, fill_history, demo) != 0 ||
        pthread_create(&demo->live_thread, NULL, play_live, demo) != 0) {
        return cli_fail("no threads can be started");
    }
    print_welcome(demo, open);
    serving_wait(0);
    pthread_join(demo->history_thread, NULL);
    pthread_join(demo->live_thread, NULL);
    return EXIT_DONE;
}

static int parse_options(const Arguments *arguments, Demo *demo)
{
    uint64_t history_ns;

    if (settings_parse_duration(str_from_cstr(cli_value(arguments, "history", "24h")),
                                &history_ns) != 0) {
        return cli_usage("--history is a time like 24h or 30m");
    }
    if (str_parse_double(str_from_cstr(cli_value(arguments, "rate", "12")), &demo->sim.rate) != 0 ||
        demo->sim.rate <= 0 || demo->sim.rate > SIM_RATE_MAX) {
        return cli_usage("--rate is spans a second, up to %d", SIM_RATE_MAX);
    }
    if (str_parse_u64(str_from_cstr(cli_value(arguments, "seed", "1")), &demo->sim.seed) != 0) {
        return cli_usage("--seed is a whole number");
    }
    demo->start_s = clock_realtime_ns(&clock_system) / NS_PER_S;
    demo->history_s = MIN(history_ns / NS_PER_S, demo->start_s);
    demo->sim.deploy_ns = (demo->start_s - 40 * 60) * NS_PER_S;
    demo->sim.incident_from_ns = (demo->start_s - 3 * 3600) * NS_PER_S;
    demo->sim.incident_to_ns = (demo->start_s - 3 * 3600 + 35 * 60) * NS_PER_S;
    return 0;
}

static int run_demo(const Arguments *arguments)
{
    CLEANUP(buf_deinit) Buf why = {0};
    CLEANUP(settings_deinit) Settings settings;
    Demo demo = {0};
    char temporary[] = "/tmp/weft-demo-XXXXXX";
    const char *directory = cli_value(arguments, "data", NULL);
    HouseOptions options = {.settings = &settings,
                            .listen = cli_value(arguments, "listen", NULL),
                            .ready_file = cli_value(arguments, "ready-file", NULL)};

    settings_init(&settings);
    settings.quiet = NS_PER_S; /* the shop's traces come whole */
    settings.queue_bytes = QUEUE_BYTES;
    settings.block_spans = BLOCK_SPANS;
    TRY(serving_ports_option(arguments, &options.any_port));
    TRY(parse_options(arguments, &demo));
    if (directory == NULL && mkdtemp(temporary) == NULL) {
        return cli_fail(
            "no temporary directory can be made in /tmp; --data DIR names another place");
    }
    options.directory = directory == NULL ? temporary : directory;
    log_set_level(LOG_WARN);
    serving_catch_signals();
    int status = house_start(&options, &demo.house, &why) != 0
                     ? cli_fail("%s", buf_cstr(&why))
                     : run_threads(&demo, !cli_flag(arguments, "no-open"));
    house_stop(demo.house);
    if (directory == NULL) {
        serving_remove_directory(temporary);
    }
    return status;
}

static const Option options[] = {
    {"data", "DIR",
     "keep the data there (default: a temporary directory that goes when the demo ends)"},
    {"history", "D", "how much of the past to fill in (default 24h)"},
    {"rate", "SPANS_PER_S", "how busy the shop is (default 12)"},
    {"seed", "N", "another seed, another shop day (default 1)"},
    {"no-open", NULL, "open no browser"},
    {"listen", "ADDRESS", "host of every listener (default localhost)"},
    {"ports", "0", "every listener gets a free port"},
    {"ready-file", "PATH", "written as JSON with the ports once all listeners accept"},
};

const Command command_demo = {.name = "demo",
                              .summary =
                                  "Show a simulated shop of twelve services with 24 h of history",
                              .options = options,
                              .n_options = ARRAY_LEN(options),
                              .run = run_demo};
