// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "os/fs_sim.h"
#include "store/samples.h"

typedef struct Fixture {
    char directory[64];
    FileSystem *fs;
    uint64_t now_ns; /* of the manual clock */
    Clock clock;
    SampleObserver observer;
    StoreOptions options;
    Store *store;
} Fixture;

static void open_store(Fixture *fixture)
{
    const char *why = NULL;
    bool at_once = fixture->observer.settle_at_once;

    sample_observer_deinit(&fixture->observer);
    sample_observer_init(&fixture->observer, at_once);
    assert_int_equal(store_open(&fixture->options, &fixture->store, &why), 0);
}

static void reopen(Fixture *fixture)
{
    fixture->store = store_close(fixture->store);
    fixture->fs->ops->free(fixture->fs); /* with it the lock */
    assert_int_equal(fs_open_directory(fixture->directory, &fixture->fs), 0);
    fixture->options.fs = fixture->fs;
    open_store(fixture);
}

static int set_up(void **state)
{
    Fixture *fixture = NEW(Fixture);

    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/weft-store-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL ||
        fs_open_directory(fixture->directory, &fixture->fs) != 0) {
        return -1;
    }
    fixture->now_ns = sample_base_ns;
    fixture->clock = clock_manual(&fixture->now_ns);
    sample_observer_init(&fixture->observer, false);
    fixture->options = (StoreOptions){
        .fs = fixture->fs,
        .decode = sample_decode,
        .clock = &fixture->clock,
        .observer = &fixture->observer.callbacks,
        .commit_delay_us = 50,
        .generation_rows = 100,
    };
    open_store(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;
    char command[128];

    store_close(fixture->store);
    fixture->fs->ops->free(fixture->fs);
    sample_observer_deinit(&fixture->observer);
    snprintf(command, sizeof(command), "rm -rf '%s'", fixture->directory);
    mem_free(fixture);
    return system(command);
}

static void note_result(void *context, int result)
{
    __atomic_store_n((int *)context, result == 0 ? 1 : result, __ATOMIC_RELEASE);
}

/* Appends and waits for the answer: 0, STORE_BUSY or -errno. */
static int append(Store *store, const Sample *samples, size_t n)
{
    StoreBatch *batch = sample_batch(samples, n);
    int told = 0;
    int result = store_append(store, batch, note_result, &told);

    if (result != 0) {
        store_batch_free(batch);
        return result;
    }
    while (__atomic_load_n(&told, __ATOMIC_ACQUIRE) == 0) {
        usleep(50);
    }
    return told == 1 ? 0 : told;
}

/* A trace of @n_spans spans. */
static void append_trace(Fixture *fixture, uint32_t trace, uint32_t n_spans)
{
    Sample samples[64];

    assert_true(n_spans <= 64);
    for (uint32_t i = 0; i < n_spans; i++) {
        samples[i] = (Sample){trace, i, 0};
    }
    assert_int_equal(append(fixture->store, samples, n_spans), 0);
}

static size_t count_trace(Store *store, uint32_t trace, StoreView view)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans;
    size_t n;

    assert_int_equal(store_read_trace(store, sample_trace_id(trace), view, &arena, &spans, &n), 0);
    return n;
}

static StoreStatus status_of(Store *store)
{
    StoreStatus status;

    store_status(store, &status);
    return status;
}

static void wait_for_blocks(Fixture *fixture, uint64_t n_blocks)
{
    for (int i = 0; i < 5000 && status_of(fixture->store).n_blocks < n_blocks; i++) {
        usleep(1000);
    }
    assert_true(status_of(fixture->store).n_blocks >= n_blocks);
}

static void what_is_acknowledged_is_found_at_once(void **state)
{
    Fixture *fixture = *state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans, expected;
    size_t n;

    append_trace(fixture, 1, 10);
    store_wait_applied(fixture->store);
    assert_int_equal(
        store_read_trace(fixture->store, sample_trace_id(1), STORE_ALL, &arena, &spans, &n), 0);
    assert_int_equal(n, 10);
    for (size_t i = 0; i < n; i++) {
        uint32_t number = (uint32_t)(spans[i].span_id.bytes[0] - 1);

        sample_span((Sample){1, number, 0}, sample_resource(number % 3, &arena),
                    sample_scope(&arena), &arena, &expected);
        assert_true(sample_hash(&spans[i]) == sample_hash(&expected));
        assert_true(i == 0 || spans[i - 1].start_ns <= spans[i].start_ns);
    }
    assert_int_equal(count_trace(fixture->store, 2, STORE_ALL), 0);
}

static void only_settled_rows_show_in_the_settled_view(void **state)
{
    Fixture *fixture = *state;

    append_trace(fixture, 1, 10);
    store_wait_applied(fixture->store);
    assert_int_equal(count_trace(fixture->store, 1, STORE_SETTLED), 0);
    assert_int_equal(status_of(fixture->store).unsettled_spans, 10);
    store_wait_settled(fixture->store);
    assert_int_equal(count_trace(fixture->store, 1, STORE_SETTLED), 10);
    assert_int_equal(status_of(fixture->store).unsettled_spans, 0);
    append_trace(fixture, 1, 12); /* ten of them again */
    store_wait_applied(fixture->store);
    assert_int_equal(count_trace(fixture->store, 1, STORE_SETTLED), 10);
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 12);
}

static void closing_puts_everything_into_blocks(void **state)
{
    Fixture *fixture = *state;

    for (uint32_t trace = 0; trace < 30; trace++) {
        append_trace(fixture, trace, 10);
    }
    reopen(fixture);
    StoreStatus status = status_of(fixture->store);
    assert_int_equal(status.replayed_batches, 0);
    assert_int_equal(status.head_spans, 0);
    assert_int_equal(status.n_log_segments, 0);
    assert_int_equal(status.spans_stored, 300);
    assert_true(status.n_blocks >= 1 && status.n_tables >= 1);
    for (uint32_t trace = 0; trace < 30; trace++) {
        assert_int_equal(count_trace(fixture->store, trace, STORE_SETTLED), 10);
    }
}

static void a_full_generation_of_settled_rows_becomes_a_block(void **state)
{
    Fixture *fixture = *state;

    fixture->observer.settle_at_once = true;
    for (uint32_t trace = 0; trace < 60; trace++) {
        append_trace(fixture, trace, 10);
        store_wait_settled(fixture->store);
    }
    wait_for_blocks(fixture, 2);
    StoreStatus status = status_of(fixture->store);
    assert_int_equal(status.spans_stored, 600);
    assert_true(status.head_spans < 600);
    for (uint32_t trace = 0; trace < 60; trace++) {
        assert_int_equal(count_trace(fixture->store, trace, STORE_ALL), 10);
    }
}

static void the_observer_may_want_a_cut_early(void **state)
{
    Fixture *fixture = *state;

    append_trace(fixture, 1, 10);
    store_wait_settled(fixture->store);
    assert_int_equal(status_of(fixture->store).n_blocks, 0);
    fixture->observer.wants_cut = true;
    wait_for_blocks(fixture, 1);
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 10);
}

/* What the observer cannot keep is of traces that are gone, while another is open. */
static void a_cut_that_is_wanted_comes_without_rows(void **state)
{
    Fixture *fixture = *state;

    fixture->observer.has_never = true;
    fixture->observer.never = sample_trace_id(1000);
    append_trace(fixture, 1000, 3);
    append_trace(fixture, 1, 10);
    store_wait_settled(fixture->store);
    assert_int_equal(store_delete_trace(fixture->store, sample_trace_id(1), 0), 0);
    assert_int_equal(status_of(fixture->store).n_tables, 0);
    fixture->observer.wants_cut = true;
    for (int i = 0; i < 5000 && status_of(fixture->store).n_tables == 0; i++) {
        usleep(1000);
    }
    assert_int_equal(status_of(fixture->store).n_tables, 1);
    assert_int_equal(status_of(fixture->store).n_blocks, 0);
    reopen(fixture); /* the open trace is in the log still, and the deleted one gone */
    assert_int_equal(count_trace(fixture->store, 1000, STORE_ALL), 3);
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 0);
}

/* One trace that never settles must not keep what came with it in memory, nor get lost. */
static void stragglers_do_not_hold_a_generation(void **state)
{
    Fixture *fixture = *state;

    fixture->observer.has_never = true;
    fixture->observer.never = sample_trace_id(1000);
    append_trace(fixture, 1000, 3);
    for (uint32_t trace = 0; trace < 30; trace++) {
        append_trace(fixture, trace, 10);
    }
    store_wait_settled(fixture->store);
    wait_for_blocks(fixture, 1);
    assert_int_equal(count_trace(fixture->store, 1000, STORE_ALL), 3);
    assert_int_equal(count_trace(fixture->store, 1000, STORE_SETTLED), 0);
    assert_int_equal(status_of(fixture->store).unsettled_spans, 3);
    assert_int_equal(status_of(fixture->store).spans_stored, 303);
    assert_true(status_of(fixture->store).n_log_segments > 0);
    reopen(fixture); /* the log is replayed from the straggler on: the rest is resends now */
    assert_int_equal(count_trace(fixture->store, 1000, STORE_ALL), 3);
    reopen(fixture);
    assert_int_equal(status_of(fixture->store).replayed_batches, 0);
    assert_int_equal(status_of(fixture->store).spans_stored, 303);
    assert_int_equal(count_trace(fixture->store, 1000, STORE_SETTLED), 3);
}

static void resends_are_stored_once_and_the_later_end_counts(void **state)
{
    Fixture *fixture = *state;
    const Sample versions[] = {{1, 0, 0}, {1, 0, 1}, {1, 0, 2}, {1, 0, 1}};
    CLEANUP(arena_deinit) Arena arena = {0};
    Span expected, *spans;
    size_t n;

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(append(fixture->store, &versions[i], 1), 0);
        reopen(fixture); /* each into a block of its own */
    }
    assert_int_equal(
        store_read_trace(fixture->store, sample_trace_id(1), STORE_ALL, &arena, &spans, &n), 0);
    assert_int_equal(n, 1);
    for (uint32_t version = 0; version < 3; version++) {
        sample_span((Sample){1, 0, version}, sample_resource(0, &arena), sample_scope(&arena),
                    &arena, &expected);
        assert_true(span_compare_content(&spans[0], &expected) >= 0);
    }
    assert_int_equal(status_of(fixture->store).spans_stored, 3); /* the same again is not kept */
}

static void a_second_store_is_told_that_the_directory_is_taken(void **state)
{
    Fixture *fixture = *state;
    StoreOptions options = fixture->options;
    const char *why = NULL;
    Store *store = NULL;

    assert_int_equal(fs_open_directory(fixture->directory, &options.fs), 0);
    assert_int_equal(store_open(&options, &store, &why), -EBUSY);
    assert_non_null(why);
    assert_null(store);
    options.fs->ops->free(options.fs);
}

static void old_blocks_go_by_age(void **state)
{
    Fixture *fixture = *state;

    append_trace(fixture, 1, 10);
    fixture->options.retention_age_s = 100;
    reopen(fixture);
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 10);
    assert_true(store_retired_before(fixture->store) == fixture->now_ns - 100 * 1000000000ULL);
    __atomic_store_n(&fixture->now_ns, sample_base_ns + 200 * 1000000000ULL, __ATOMIC_RELAXED);
    for (int i = 0; i < 5000 && status_of(fixture->store).retired_blocks == 0; i++) {
        usleep(1000);
    }
    assert_int_equal(status_of(fixture->store).retired_blocks, 1);
    assert_int_equal(status_of(fixture->store).n_blocks, 0);
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 0);
    reopen(fixture);
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 0);
}

static bool may_be_retired(Fixture *fixture, uint32_t trace, uint64_t hours_tenths)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    StoreTrace read;

    __atomic_store_n(&fixture->now_ns, sample_base_ns + hours_tenths * 360 * 1000000000ULL,
                     __ATOMIC_RELAXED);
    assert_int_equal(store_read_settling(fixture->store, sample_trace_id(trace), &arena, &read), 0);
    assert_int_equal(read.n_settled, 10);
    return read.retired;
}

/* Near the border of retention a trace may have been in a block that went, unless it just came. */
static void a_part_of_an_old_trace_may_be_retired(void **state)
{
    Fixture *fixture = *state;

    append_trace(fixture, 1, 10);
    fixture->options.retention_age_s = 8 * 3600;
    reopen(fixture);
    assert_false(may_be_retired(fixture, 1, 10));
    assert_false(may_be_retired(fixture, 1, 69));
    assert_true(may_be_retired(fixture, 1, 75));
    append_trace(fixture, 2, 10);
    reopen(fixture);
    assert_true(may_be_retired(fixture, 1, 75));
    assert_false(may_be_retired(fixture, 2, 75));
}

/* A merged block is as old as the newest of what it was made of, and the trace as its oldest. */
static void a_merged_part_of_an_old_trace_may_be_retired(void **state)
{
    Fixture *fixture = *state;
    enum { PARTS = 2 };

    fixture->options.compaction_rows = 20; /* two blocks of ten fill one */
    fixture->options.retention_age_s = 8 * 3600;
    for (uint32_t i = 0; i < PARTS; i++) {
        const Sample part = {1, i, 0};

        assert_int_equal(append(fixture->store, &part, 1), 0);
        append_trace(fixture, 2 + i, 9);
        reopen(fixture);
    }
    append_trace(fixture, 2 + PARTS, 10);
    reopen(fixture);
    __atomic_store_n(&fixture->now_ns, sample_base_ns + 6 * 3600 * 1000000000ULL, __ATOMIC_RELAXED);
    const Sample late = {1, PARTS, 0};
    assert_int_equal(append(fixture->store, &late, 1), 0);
    reopen(fixture);
    store_compact(fixture->store);
    assert_true(status_of(fixture->store).compactions > 0);
    CLEANUP(arena_deinit) Arena arena = {0};
    StoreTrace read;
    __atomic_store_n(&fixture->now_ns, sample_base_ns + 15 * 1800 * 1000000000ULL,
                     __ATOMIC_RELAXED);
    assert_int_equal(store_read_settling(fixture->store, sample_trace_id(1), &arena, &read), 0);
    assert_int_equal(read.n_settled, PARTS + 1);
    assert_true(read.retired);
}

/* Somebody imports last year's traces: they stay as long as new ones would. */
static void old_spans_that_just_came_are_kept(void **state)
{
    Fixture *fixture = *state;

    __atomic_store_n(&fixture->now_ns, sample_base_ns + 400 * 86400 * 1000000000ULL,
                     __ATOMIC_RELAXED);
    fixture->options.retention_age_s = 100;
    reopen(fixture);
    append_trace(fixture, 1, 10);
    reopen(fixture);
    usleep(1500000); /* longer than the compactor's period */
    assert_int_equal(status_of(fixture->store).retired_blocks, 0);
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 10);
    __atomic_fetch_add(&fixture->now_ns, 200 * 1000000000ULL, __ATOMIC_RELAXED);
    for (int i = 0; i < 5000 && status_of(fixture->store).retired_blocks == 0; i++) {
        usleep(1000);
    }
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 0);
}

/* Two blocks of large spans become two blocks: that is no reason to do it again, and again. */
static void merging_what_stays_as_it_is_ends(void **state)
{
    Fixture *fixture = *state;

    fixture->options.retention_age_s = UINT64_MAX;
    fixture->options.compaction_bytes = 100000; /* less than a generation of one row */
    for (uint32_t trace = 0; trace < 2; trace++) {
        append_trace(fixture, trace, 3);
        reopen(fixture);
    }
    assert_int_equal(status_of(fixture->store).n_blocks, 2);
    __atomic_fetch_add(&fixture->now_ns, 7200 * 1000000000ULL, __ATOMIC_RELAXED);
    store_compact(fixture->store);
    store_compact(fixture->store);
    assert_in_range(status_of(fixture->store).compactions, 1, 2);
    assert_int_equal(count_trace(fixture->store, 0, STORE_ALL), 3);
    assert_int_equal(count_trace(fixture->store, 1, STORE_ALL), 3);
}

/* Blocks that lie side by side, and a trace that is longer than a row group and in all of them. */
static void merging_joins_what_lies_apart_and_long_traces(void **state)
{
    enum { TRACES = 60, SHORT = 3, LONG = 20, LONG_TRACE = 1030 };
    Fixture *fixture = *state;

    fixture->options.retention_age_s = UINT64_MAX;
    fixture->options.group_rows = 16;
    for (uint32_t block = 0; block < 3; block++) {
        for (uint32_t trace = 0; trace < TRACES; trace++) {
            append_trace(fixture, block * 1000 + trace, SHORT);
        }
        append_trace(fixture, LONG_TRACE, (block + 1) * LONG);
        reopen(fixture);
    }
    assert_true(status_of(fixture->store).n_blocks >= 3);
    __atomic_fetch_add(&fixture->now_ns, 7200 * 1000000000ULL, __ATOMIC_RELAXED);
    store_compact(fixture->store);
    assert_int_equal(status_of(fixture->store).n_blocks, 1);
    reopen(fixture);
    for (uint32_t block = 0; block < 3; block++) {
        for (uint32_t trace = 0; trace < TRACES; trace++) {
            uint32_t id = block * 1000 + trace;

            assert_int_equal(count_trace(fixture->store, id, STORE_ALL),
                             id == LONG_TRACE ? 3 * LONG : SHORT);
        }
    }
    assert_int_equal(status_of(fixture->store).spans_stored, 3 * LONG + (3 * TRACES - 1) * SHORT);
}

static void the_oldest_blocks_go_beyond_the_bytes(void **state)
{
    Fixture *fixture = *state;

    for (uint32_t trace = 0; trace < 3; trace++) {
        append_trace(fixture, trace * 1000, 50);
        reopen(fixture);
    }
    assert_int_equal(status_of(fixture->store).n_blocks, 3);
    fixture->options.retention_bytes = status_of(fixture->store).block_bytes - 1;
    fixture->options.retention_age_s = UINT64_MAX;
    uint64_t came_ns = fixture->now_ns / 1000000000U * 1000000000U;
    __atomic_fetch_add(&fixture->now_ns, 5 * 1000000000ULL, __ATOMIC_RELAXED);
    reopen(fixture);
    for (int i = 0; i < 5000 && status_of(fixture->store).n_blocks > 2; i++) {
        usleep(1000);
    }
    assert_int_equal(count_trace(fixture->store, 0, STORE_ALL), 0);
    assert_int_equal(count_trace(fixture->store, 1000, STORE_ALL), 50);
    assert_int_equal(count_trace(fixture->store, 2000, STORE_ALL), 50);
    assert_true(store_retired_before(fixture->store) == came_ns);
}

static void many_small_blocks_and_tables_become_few(void **state)
{
    Fixture *fixture = *state;

    fixture->options.generation_rows = 1000;
    for (uint32_t trace = 0; trace < 36; trace++) {
        append_trace(fixture, trace, 5);
        reopen(fixture);
    }
    for (int i = 0; i < 8000 && (status_of(fixture->store).n_blocks > 10 ||
                                 status_of(fixture->store).n_tables > 32);
         i++) {
        usleep(1000);
    }
    assert_true(status_of(fixture->store).n_blocks <= 10);
    assert_true(status_of(fixture->store).n_tables <= 32);
    reopen(fixture);
    uint64_t sum = 0;
    for (uint32_t trace = 0; trace < 36; trace++) {
        assert_int_equal(count_trace(fixture->store, trace, STORE_ALL), 5);
        sum += sample_sum(fixture->store, sample_trace_id(trace), STORE_ALL);
    }
    assert_true(fixture->observer.sum == sum);
}

/* The clock stands, so that the window of these blocks is open. */
static void blocks_that_fill_one_do_not_wait_for_their_window(void **state)
{
    Fixture *fixture = *state;

    fixture->options.compaction_rows = 100; /* a quarter more at most */
    for (uint32_t trace = 0; trace < 9; trace++) {
        append_trace(fixture, trace, 20);
        reopen(fixture);
    }
    store_compact(fixture->store);
    assert_int_equal(status_of(fixture->store).n_blocks, 4); /* 120 rows, and three of 20 */
    __atomic_fetch_add(&fixture->now_ns, 7200 * 1000000000ULL, __ATOMIC_RELAXED);
    store_compact(fixture->store);
    assert_int_equal(status_of(fixture->store).n_blocks, 2);
    for (uint32_t trace = 0; trace < 9; trace++) {
        assert_int_equal(count_trace(fixture->store, trace, STORE_ALL), 20);
    }
}

/* Of a trace that is too large every view has its earliest spans, wherever they are and in
 * whichever order they came. */
static void of_a_large_trace_the_earliest_spans_are_read(void **state)
{
    Fixture *fixture = *state;
    enum { LIMIT = 9, ALL = 40 };

    uint64_t sum = 0;

    fixture->options.trace_spans_max = LIMIT;
    reopen(fixture);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        uint32_t trace = (uint32_t)seed;
        Span *expected = ARENA_ARRAY(&arena, Span, ALL), *spans;
        uint64_t random = seed;
        size_t n = 0;

        for (uint32_t i = 0; i < ALL; i++) {
            Sample sample = {trace, i, 0};

            assert_int_equal(append(fixture->store, &sample, 1), 0);
            sample_span(sample, sample_resource(i % 3, &arena), sample_scope(&arena), &arena,
                        &expected[n++]);
            random = sample_mix(random);
            if (random % 12 == 0) {
                reopen(fixture);
            } else if (random % 12 < 3) {
                store_wait_settled(fixture->store);
            }
        }
        n = spans_deduplicate(expected, n);
        store_wait_applied(fixture->store);
        assert_int_equal(
            store_read_trace(fixture->store, sample_trace_id(trace), STORE_ALL, &arena, &spans, &n),
            0);
        assert_int_equal(n, LIMIT);
        for (size_t i = 0; i < n; i++) {
            assert_true(span_compare_identity(&spans[i], &expected[i]) == 0);
            sum += sample_hash(&spans[i]);
        }
    }
    store_wait_settled(fixture->store); /* what was taken back was always what had been added */
    assert_true(fixture->observer.sum == sum);
}

typedef struct Slow {
    Fixture *fixture;
    uint64_t costs_ns; /* by the manual clock */
    int n_settled;
    bool held; /* the applier does not come back */
    void (*on_tick)(void *context, bool settle_all);
} Slow;

static Slow slow;

static void slow_tick(void *context, bool settle_all)
{
    slow.on_tick(context, settle_all);
    if (settle_all) {
        __atomic_fetch_add(&slow.fixture->now_ns, slow.costs_ns, __ATOMIC_RELAXED);
        __atomic_fetch_add(&slow.n_settled, 1, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&slow.held, __ATOMIC_ACQUIRE)) {
        usleep(100);
    }
}

static void reopen_slow(Fixture *fixture, uint64_t costs_ns)
{
    fixture->store = store_close(fixture->store);
    fixture->fs->ops->free(fixture->fs);
    assert_int_equal(fs_open_directory(fixture->directory, &fixture->fs), 0);
    fixture->options.fs = fixture->fs;
    open_store(fixture); /* makes the callbacks anew */
    slow = (Slow){.fixture = fixture, .costs_ns = costs_ns};
    slow.on_tick = fixture->observer.callbacks.on_tick;
    fixture->observer.callbacks.on_tick = slow_tick;
}

static void *wait_settled(void *context)
{
    store_wait_settled(context);
    return NULL;
}

static void settling_on_demand_takes_a_share_of_the_time_only(void **state)
{
    Fixture *fixture = *state;
    pthread_t waiter;

    reopen_slow(fixture, 20000000);
    store_wait_settled(fixture->store);
    assert_int_equal(__atomic_load_n(&slow.n_settled, __ATOMIC_ACQUIRE), 1);
    assert_int_equal(pthread_create(&waiter, NULL, wait_settled, fixture->store), 0);
    usleep(200000); /* the store's clock stands still: nobody is served */
    assert_int_equal(__atomic_load_n(&slow.n_settled, __ATOMIC_ACQUIRE), 1);
    __atomic_fetch_add(&fixture->now_ns, 80000000, __ATOMIC_RELAXED);
    pthread_join(waiter, NULL);
    assert_int_equal(__atomic_load_n(&slow.n_settled, __ATOMIC_ACQUIRE), 2);
}

static void a_wait_ends_at_its_deadline(void **state)
{
    Fixture *fixture = *state;
    const Sample sample = {1, 0, 0};

    fixture->options.clock = &clock_system;
    reopen_slow(fixture, 0);
    assert_int_equal(store_wait(fixture->store, STORE_WAIT_SETTLED, 0), 0);
    assert_true(store_waiting_since(fixture->store) == UINT64_MAX);
    __atomic_store_n(&slow.held, true, __ATOMIC_RELEASE);
    usleep(100000); /* two ticks: the applier is held by now */
    assert_int_equal(append(fixture->store, &sample, 1), 0);
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    assert_int_equal(store_wait(fixture->store, STORE_WAIT_APPLIED, now_ns + 1000000), STORE_LATE);
    assert_int_equal(store_wait(fixture->store, STORE_WAIT_SETTLED, now_ns + 2000000), STORE_LATE);
    assert_true(store_waiting_since(fixture->store) <= now_ns);
    __atomic_store_n(&slow.held, false, __ATOMIC_RELEASE);
    assert_int_equal(store_wait(fixture->store, STORE_WAIT_SETTLED, now_ns + 60000000000), 0);
    assert_true(store_waiting_since(fixture->store) == UINT64_MAX);
}

static int count_span(void *context, const Span *span)
{
    ++*(size_t *)context;
    return 0;
}

static int stop_at_once(void *context, const Span *span)
{
    return 42;
}

static int count_link(void *context, TraceId from, TraceId to)
{
    ++*(size_t *)context;
    return 0;
}

typedef struct Order {
    TraceId ids[16];
    size_t n;
} Order;

static int note_source(void *context, TraceId from, TraceId to)
{
    Order *order = context;

    if (order->n == 0 || !trace_id_equal(order->ids[order->n - 1], from)) {
        assert_true(order->n < ARRAY_LEN(order->ids));
        order->ids[order->n++] = from;
    }
    return 0;
}

/* An index with a limit keeps what comes last: that must be the newest. */
static void links_come_oldest_block_first(void **state)
{
    Fixture *fixture = *state;
    Order order = {0};

    for (uint32_t trace = 0; trace < 4; trace++) {
        append_trace(fixture, trace * 1000, 40);
        if (trace < 3) {
            reopen(fixture);
        }
    }
    store_wait_settled(fixture->store);
    assert_int_equal(store_links(fixture->store, note_source, &order), 0);
    assert_int_equal(order.n, 4);
    for (uint32_t trace = 0; trace < 4; trace++) {
        assert_true(trace_id_equal(order.ids[trace], sample_trace_id(trace * 1000)));
    }
}

static void scans_see_blocks_and_head(void **state)
{
    Fixture *fixture = *state;
    const Filter all = {.op = FILTER_TRUE};
    size_t n = 0, n_links = 0, n_settled_links = 0;

    append_trace(fixture, 1, 50);
    reopen(fixture);
    append_trace(fixture, 2, 50);
    store_wait_applied(fixture->store);
    assert_int_equal(store_scan(fixture->store, &all, 0, UINT64_MAX, count_span, &n), 0);
    assert_int_equal(n, 100);
    assert_int_equal(store_scan(fixture->store, &all, 0, UINT64_MAX, stop_at_once, NULL), 42);
    assert_int_equal(store_links(fixture->store, count_link, &n_settled_links), 0);
    store_wait_settled(fixture->store);
    assert_int_equal(store_links(fixture->store, count_link, &n_links), 0);
    assert_true(n_settled_links > 0 && n_links > n_settled_links);
}

static bool has_name(const StoreNames *names, Str name, uint64_t count)
{
    for (size_t i = 0; i < names->count; i++) {
        if (str_equal(names->items[i].name, name)) {
            return names->items[i].count == count;
        }
    }
    return false;
}

static void names_are_counted_over_blocks_and_head(void **state)
{
    Fixture *fixture = *state;
    CLEANUP(arena_deinit) Arena arena = {0};
    StoreNames names;

    append_trace(fixture, 1, 30);
    reopen(fixture);
    append_trace(fixture, 2, 30);
    store_wait_applied(fixture->store);
    assert_int_equal(store_services(fixture->store, 0, UINT64_MAX, 10, &arena, &names), 0);
    assert_int_equal(names.count, 3);
    assert_true(has_name(&names, STR("service-1"), 20) && !names.truncated);
    assert_int_equal(store_services(fixture->store, 0, UINT64_MAX, 2, &arena, &names), 0);
    assert_true(names.count == 2 && names.truncated);
    assert_int_equal(
        store_operations(fixture->store, STR("service-0"), 0, UINT64_MAX, 99, &arena, &names), 0);
    assert_int_equal(names.count, 10); /* five names of two kinds */
    assert_int_equal(store_attribute_keys(fixture->store, 99, &arena, &names), 0);
    assert_true(has_name(&names, STR("span.version"), 60));
    assert_true(has_name(&names, STR("resource.service.name"), 60));
    assert_int_equal(store_attribute_values(fixture->store, FIELD_SPAN_ATTRIBUTE,
                                            STR("http.request.method"), 99, &arena, &names),
                     0);
    assert_true(names.count == 1 && has_name(&names, STR("GET"), 60));
    assert_int_equal(store_services(fixture->store, 0, 5, 10, &arena, &names), 0);
    assert_int_equal(names.count, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_acknowledged_is_found_at_once),
        TEST(only_settled_rows_show_in_the_settled_view),
        TEST(closing_puts_everything_into_blocks),
        TEST(a_full_generation_of_settled_rows_becomes_a_block),
        TEST(the_observer_may_want_a_cut_early),
        TEST(a_cut_that_is_wanted_comes_without_rows),
        TEST(stragglers_do_not_hold_a_generation),
        TEST(resends_are_stored_once_and_the_later_end_counts),
        TEST(a_second_store_is_told_that_the_directory_is_taken),
        TEST(old_blocks_go_by_age),
        TEST(a_part_of_an_old_trace_may_be_retired),
        TEST(a_merged_part_of_an_old_trace_may_be_retired),
        TEST(old_spans_that_just_came_are_kept),
        TEST(merging_what_stays_as_it_is_ends),
        TEST(merging_joins_what_lies_apart_and_long_traces),
        TEST(the_oldest_blocks_go_beyond_the_bytes),
        TEST(blocks_that_fill_one_do_not_wait_for_their_window),
        TEST(many_small_blocks_and_tables_become_few),
        TEST(settling_on_demand_takes_a_share_of_the_time_only),
        TEST(a_wait_ends_at_its_deadline),
        TEST(of_a_large_trace_the_earliest_spans_are_read),
        TEST(links_come_oldest_block_first),
        TEST(scans_see_blocks_and_head),
        TEST(names_are_counted_over_blocks_and_head),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
