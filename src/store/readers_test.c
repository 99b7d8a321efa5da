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

/*
 * Readers beside everything else: while traces come, are cut into blocks, merged and deleted,
 * several threads read and search. What was applied is there whole, once, at every moment; what the
 * threads share (the shelf, blocks, the cache of dictionaries) is looked at by ThreadSanitizer.
 */
enum { TRACES = 240, SPANS = 8, READERS = 3, DELETED_ONE_OF = 10, ROUND = 20 };

typedef struct Scene {
    FsSim *sim;
    SampleObserver observer;
    StoreOptions options;
    Store *store;
    _Atomic uint32_t n_applied;
    _Atomic bool is_over;
    _Atomic uint32_t wrong_reads, wrong_searches, reads;
} Scene;

static bool is_deleted_once(uint32_t trace)
{
    return trace % DELETED_ONE_OF == DELETED_ONE_OF - 1;
}

static size_t count_spans(Scene *scene, uint32_t trace)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans;
    size_t n = 0;

    return store_read_trace(scene->store, sample_trace_id(trace), STORE_ALL, &arena, &spans, &n) ==
                   0
               ? n
               : SIZE_MAX;
}

static bool search_is_sound(Scene *scene, uint64_t number)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const Filter name = {.op = FILTER_COMPARE,
                         .field = FIELD_NAME,
                         .comparison = COMPARE_EQUAL,
                         .operand = value_string(STR("operation-3"))};
    const Filter version = {.op = FILTER_COMPARE,
                            .field = FIELD_SPAN_ATTRIBUTE,
                            .comparison = COMPARE_EQUAL,
                            .key = STR("version"),
                            .operand = value_int(0)};
    const StoreSearch search = {
        .filter = number % 2 == 0 ? &name : &version, .to_ns = UINT64_MAX, .limit = 1000};
    uint32_t n_applied = atomic_load(&scene->n_applied);
    StoreHits hits;

    if (store_search(scene->store, &search, &arena, &hits) != 0 || hits.gap != STORE_COMPLETE) {
        return false;
    }
    return hits.count >= n_applied - n_applied / DELETED_ONE_OF && hits.count <= TRACES;
}

static void *reader(void *context)
{
    Scene *scene = context;

    for (uint64_t number = 0; !atomic_load(&scene->is_over); number++) {
        uint32_t n_applied = atomic_load(&scene->n_applied);
        uint32_t trace = n_applied == 0 ? 0 : (uint32_t)(sample_mix(number) % n_applied);

        if (n_applied == 0) {
            usleep(100);
            continue;
        }
        if (!is_deleted_once(trace)) {
            atomic_fetch_add(&scene->wrong_reads, count_spans(scene, trace) != SPANS);
        }
        atomic_fetch_add(&scene->wrong_searches, !search_is_sound(scene, number));
        atomic_fetch_add(&scene->reads, 1);
    }
    return NULL;
}

static void note_result(void *context, int result)
{
    atomic_store((_Atomic int *)context, result == 0 ? 1 : result);
}

static void append_trace(Scene *scene, uint32_t trace)
{
    Sample samples[SPANS];
    _Atomic int told = 0;

    for (uint32_t i = 0; i < SPANS; i++) {
        samples[i] = (Sample){trace, i, 0};
    }
    assert_int_equal(store_append(scene->store, sample_batch(samples, SPANS), note_result, &told),
                     0);
    while (atomic_load(&told) == 0) {
        usleep(10);
    }
    assert_int_equal(atomic_load(&told), 1);
    store_wait_applied(scene->store);
    atomic_store(&scene->n_applied, trace + 1);
}

static void readers_see_what_was_applied_whole(void **state)
{
    Scene *scene = NEW(Scene);
    pthread_t readers[READERS];
    const char *why;

    scene->sim = fs_sim_new(1);
    sample_observer_init(&scene->observer, false);
    scene->options = (StoreOptions){
        .fs = fs_sim_fs(scene->sim),
        .decode = sample_decode,
        .clock = &clock_system,
        .observer = &scene->observer.callbacks,
        .commit_delay_us = 1,
        .generation_rows = 64,
        .generation_age_ms = 20,
        .retention_age_s = UINT64_MAX,
        .compaction_rows = 400,
        .compaction_bytes_per_s = UINT64_MAX,
    };
    assert_int_equal(store_open(&scene->options, &scene->store, &why), 0);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, reader, scene), 0);
    }
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        append_trace(scene, trace);
        if (is_deleted_once(trace)) {
            assert_int_equal(store_delete_trace(scene->store, sample_trace_id(trace), 0), 0);
        }
        if (trace % ROUND == ROUND - 1) {
            store_wait_settled(scene->store);
            store_compact(scene->store);
        }
    }
    atomic_store(&scene->is_over, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    assert_true(atomic_load(&scene->reads) > 0);
    assert_int_equal(atomic_load(&scene->wrong_reads), 0);
    assert_int_equal(atomic_load(&scene->wrong_searches), 0);
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        assert_int_equal(count_spans(scene, trace), is_deleted_once(trace) ? 0 : SPANS);
    }
    store_close(scene->store);
    sample_observer_deinit(&scene->observer);
    fs_sim_free(scene->sim);
    mem_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_what_was_applied_whole),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
