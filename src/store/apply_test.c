// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "os/fs_sim.h"
#include "store/samples.h"

/* Appenders and readers at once, while generations close and blocks replace rows under them. */
enum { APPENDERS = 3, READERS = 3, TRACES_EACH = 150, SPANS = 8 };

typedef struct Shared {
    Store *store;
    _Atomic uint32_t acknowledged[APPENDERS]; /* traces of each appender that are on disk */
    _Atomic bool done;
    _Atomic int failures;
} Shared;

typedef struct Worker {
    Shared *shared;
    uint32_t number;
} Worker;

static void note_result(void *context, int result)
{
    atomic_store((_Atomic int *)context, result == 0 ? 1 : result);
}

static bool append_trace(Store *store, uint32_t trace)
{
    Sample samples[SPANS];
    _Atomic int told = 0;

    for (uint32_t i = 0; i < SPANS; i++) {
        samples[i] = (Sample){trace, i, 0};
    }
    StoreBatch *batch = sample_batch(samples, SPANS);
    if (store_append(store, batch, note_result, &told) != 0) {
        store_batch_free(batch);
        return false;
    }
    while (atomic_load(&told) == 0) {
        usleep(20);
    }
    return atomic_load(&told) == 1;
}

static void *run_appender(void *context)
{
    Worker *worker = context;
    Shared *shared = worker->shared;

    for (uint32_t i = 0; i < TRACES_EACH; i++) {
        if (!append_trace(shared->store, worker->number * TRACES_EACH + i)) {
            atomic_fetch_add(&shared->failures, 1);
        }
        atomic_store(&shared->acknowledged[worker->number], i + 1);
    }
    return NULL;
}

/* An acknowledged trace is there, whole, whatever happens meanwhile. */
static void read_one(Shared *shared, uint64_t random)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint32_t appender = (uint32_t)(random % APPENDERS);
    uint32_t n_traces = atomic_load(&shared->acknowledged[appender]);
    Span *spans;
    size_t n;

    if (n_traces == 0) {
        return;
    }
    store_wait_applied(shared->store);
    uint32_t trace = appender * TRACES_EACH + (uint32_t)(random >> 8) % n_traces;
    if (store_read_trace(shared->store, sample_trace_id(trace), STORE_ALL, &arena, &spans, &n) !=
            0 ||
        n != SPANS) {
        atomic_fetch_add(&shared->failures, 1);
    }
}

static int count_span(void *context, const Span *span)
{
    *(size_t *)context += 1 + (span->name.len == 0);
    return 0;
}

/* A scan sees at least what was acknowledged before it began. */
static void scan_all(Shared *shared)
{
    const Filter all = {.op = FILTER_TRUE};
    size_t n = 0, expected = 0;

    for (size_t i = 0; i < APPENDERS; i++) {
        expected += (size_t)atomic_load(&shared->acknowledged[i]) * SPANS;
    }
    store_wait_applied(shared->store);
    if (store_scan(shared->store, &all, 0, UINT64_MAX, count_span, &n) != 0 || n < expected) {
        atomic_fetch_add(&shared->failures, 1);
    }
}

static void search_all(Shared *shared)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const Filter all = {.op = FILTER_TRUE};
    StoreSearch search = {.filter = &all, .to_ns = UINT64_MAX, .limit = 1000};
    StoreNames names;
    StoreStatus status;
    StoreHits hits;
    size_t expected = 0;

    for (size_t i = 0; i < APPENDERS; i++) {
        expected += atomic_load(&shared->acknowledged[i]);
    }
    store_wait_applied(shared->store);
    if (store_search(shared->store, &search, &arena, &hits) != 0 || hits.count < expected ||
        store_services(shared->store, 0, UINT64_MAX, 10, &arena, &names) != 0) {
        atomic_fetch_add(&shared->failures, 1);
    }
    store_status(shared->store, &status);
}

static void *run_reader(void *context)
{
    Worker *worker = context;
    uint64_t random = worker->number;

    while (!atomic_load(&worker->shared->done)) {
        random = sample_mix(random);
        if (random % 50 == 0) {
            scan_all(worker->shared);
        } else if (random % 50 == 1) {
            search_all(worker->shared);
        } else if (random % 50 == 2) {
            store_wait_settled(worker->shared->store);
        } else {
            read_one(worker->shared, random);
        }
    }
    return NULL;
}

static void readers_see_everything_acknowledged_while_blocks_replace_rows(void **state)
{
    FsSim *sim = fs_sim_new(1);
    SampleObserver observer;
    Shared shared = {0};
    Worker workers[APPENDERS + READERS];
    pthread_t threads[APPENDERS + READERS];
    const char *why;
    StoreStatus status;

    sample_observer_init(&observer, true);
    const StoreOptions options = {
        .fs = fs_sim_fs(sim),
        .decode = sample_decode,
        .clock = &clock_system,
        .observer = &observer.callbacks,
        .commit_delay_us = 100,
        .generation_rows = 200,
        .retention_age_s = UINT64_MAX,
    };
    assert_int_equal(store_open(&options, &shared.store, &why), 0);
    for (uint32_t i = 0; i < APPENDERS + READERS; i++) {
        workers[i] = (Worker){&shared, i};
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < APPENDERS ? run_appender : run_reader, &workers[i]),
                         0);
    }
    for (uint32_t i = 0; i < APPENDERS; i++) {
        pthread_join(threads[i], NULL);
    }
    scan_all(&shared);
    atomic_store(&shared.done, true);
    for (uint32_t i = APPENDERS; i < APPENDERS + READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    store_status(shared.store, &status);
    assert_int_equal(shared.failures, 0);
    assert_true(status.n_blocks > 0);
    store_close(shared.store);
    sample_observer_deinit(&observer);
    fs_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_everything_acknowledged_while_blocks_replace_rows),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
