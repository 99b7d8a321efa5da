// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
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
 * The store against a plain list in memory. A seed decides what happens: spans come, come late,
 * again and in other versions; traces settle and are deleted; blocks are compacted; time passes and
 * retention takes what is old; the program is stopped, killed, or the power goes in the middle of
 * any call. After each step the store must hold what the list holds.
 *
 * What was under way when the power went may have happened or not, but whole.
 *
 * WEFT_SEEDS says how many seeds (default 8), WEFT_SEED with which to begin. A failure names its
 * seed.
 */
enum {
    SEEDS_DEFAULT = 8,
    STEPS = 60,
    TRACES = 12,
    SPANS = 10,
    BATCH_MAX = 8,
    VERSIONS = 3,
    AGE_S = 1000,       /* retention of most traces ... */
    ERROR_AGE_S = 9000, /* ... and of those with an error */
    TIME_STEPS_MAX = 4, /* of 200 s between two retentions: less than an age */
    MODEL_MAX = 4096,
};

typedef struct Model {
    uint64_t seed, random;
    FsSim *sim;
    uint64_t now_ns;
    Clock clock;
    SampleObserver observer;
    StoreRetentionRule rule;
    StoreOptions options;
    Store *store;
    Sample items[MODEL_MAX]; /* what must be stored */
    uint64_t came_ns[MODEL_MAX];
    size_t count, n_time_steps;
    Sample unsure[BATCH_MAX]; /* one batch that may be stored, whole */
    size_t n_unsure;
    uint64_t base;     /* what the observer's sum has beyond what is stored: of spans that went */
    bool base_is_lost; /* a crash after a deletion: settled spans may have gone uncounted */
    bool has_deleted;
} Model;

static const Filter is_error = {.op = FILTER_COMPARE,
                                .field = FIELD_STATUS,
                                .comparison = COMPARE_EQUAL,
                                .operand = {.type = VALUE_INT, .integer = STATUS_ERROR}};

#define CHECK(model, condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("seed %lu: %s", (model)->seed, #condition);                                   \
        }                                                                                          \
    } while (0)

static uint32_t pick(Model *model, uint32_t n)
{
    model->random = sample_mix(model->random);
    return (uint32_t)(model->random >> 33) % n;
}

static void forget_trace(Model *model, uint32_t trace)
{
    size_t kept = 0;

    for (size_t i = 0; i < model->count; i++) {
        if (model->items[i].trace != trace) {
            model->came_ns[kept] = model->came_ns[i];
            model->items[kept++] = model->items[i];
        }
    }
    model->count = kept;
}

static void remember(Model *model, const Sample *samples, size_t n)
{
    CHECK(model, model->count + n <= MODEL_MAX);
    for (size_t i = 0; i < n; i++) {
        model->came_ns[model->count] = model->now_ns;
        model->items[model->count++] = samples[i];
    }
}

/* What the model holds of a trace. */
static size_t expected_spans(Model *model, uint32_t trace, Arena *arena, Span **ret_spans)
{
    Span *spans = ARENA_ARRAY(arena, Span, model->count + 1);
    size_t n = 0;

    for (size_t i = 0; i < model->count; i++) {
        if (model->items[i].trace == trace) {
            sample_span(model->items[i], sample_resource(model->items[i].span % 3, arena),
                        sample_scope(arena), arena, &spans[n++]);
        }
    }
    *ret_spans = spans;
    return n == 0 ? 0 : spans_deduplicate(spans, n);
}

static uint64_t hash_all(const Span *spans, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += sample_hash(&spans[i]);
    }
    return sum;
}

static bool trace_is_right(Model *model, uint32_t trace, uint64_t *sum)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans, *expected;
    size_t n, n_expected = expected_spans(model, trace, &arena, &expected);

    CHECK(model, store_read_trace(model->store, sample_trace_id(trace), STORE_ALL, &arena, &spans,
                                  &n) == 0);
    *sum += hash_all(spans, n);
    return n == n_expected && hash_all(spans, n) == hash_all(expected, n);
}

static void check_search(Model *model)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const Filter all = {.op = FILTER_TRUE};
    StoreSearch search = {.filter = &all, .to_ns = UINT64_MAX, .limit = TRACES + 1};
    bool found[TRACES] = {0};
    StoreHits hits;

    CHECK(model, store_search(model->store, &search, &arena, &hits) == 0);
    for (size_t i = 0; i < hits.count; i++) {
        for (uint32_t trace = 0; trace < TRACES; trace++) {
            found[trace] |= trace_id_equal(hits.items[i].trace_id, sample_trace_id(trace));
        }
    }
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        Span *spans;

        CHECK(model, found[trace] == (expected_spans(model, trace, &arena, &spans) > 0));
    }
}

static void check(Model *model)
{
    uint64_t sum = 0;

    store_wait_applied(model->store);
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        CHECK(model, trace_is_right(model, trace, &sum));
    }
    check_search(model);
    if (pick(model, 3) == 0) {
        store_wait_settled(model->store);
        if (model->base_is_lost) {
            model->base = model->observer.sum - sum;
            model->base_is_lost = false;
        }
        CHECK(model, model->observer.sum == model->base + sum);
    }
}

/* ---- steps ---- */

static void note_result(void *context, int result)
{
    __atomic_store_n((int *)context, result == 0 ? 1 : result, __ATOMIC_RELEASE);
}

static int append(Model *model, const Sample *samples, size_t n)
{
    StoreBatch *batch = sample_batch(samples, n);
    int told = 0;
    int result = store_append(model->store, batch, note_result, &told);

    if (result != 0) {
        store_batch_free(batch);
        return result;
    }
    while (__atomic_load_n(&told, __ATOMIC_ACQUIRE) == 0) {
        usleep(20);
    }
    return told == 1 ? 0 : told;
}

static void step_append(Model *model)
{
    uint32_t trace = pick(model, TRACES);
    size_t n = 1 + pick(model, BATCH_MAX);
    Sample samples[BATCH_MAX];

    for (size_t i = 0; i < n; i++) {
        if (pick(model, 4) == 0) {
            trace = pick(model, TRACES);
        }
        samples[i] = (Sample){trace, pick(model, SPANS), pick(model, VERSIONS)};
    }
    if (append(model, samples, n) == 0) {
        remember(model, samples, n);
    } else {
        CHECK(model, fs_sim_is_off(model->sim));
        mem_copy(model->unsure, samples, n * sizeof(Sample));
        model->n_unsure = n;
    }
}

static void step_delete(Model *model)
{
    uint32_t trace = pick(model, TRACES);
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans;
    bool is_there = expected_spans(model, trace, &arena, &spans) > 0;

    if (model->observer.settle_at_once) { /* else the next tick could settle it in between */
        store_wait_settled(model->store);
    } else {
        store_wait_applied(model->store);
    }
    uint64_t settled = sample_sum(model->store, sample_trace_id(trace), STORE_SETTLED);
    int result = store_delete_trace(model->store, sample_trace_id(trace), 0);
    CHECK(model, result == (is_there ? 0 : STORE_NO_TRACE));
    if (result == 0) {
        forget_trace(model, trace);
        model->base += settled;
        model->has_deleted = true;
    }
}

static void open_model(Model *model)
{
    const char *why;

    sample_observer_deinit(&model->observer);
    sample_observer_init(&model->observer, model->seed % 2 == 0);
    int result = store_open(&model->options, &model->store, &why);
    if (result != 0) {
        fail_msg("seed %lu: opening gives %d: %s", model->seed, result, why);
    }
}

static void step_reopen(Model *model)
{
    model->store = store_close(model->store);
    fs_sim_kill(model->sim); /* lets go of the lock */
    open_model(model);
}

/* The batch that was under way is there as a whole, or not at all. */
static void resolve_unsure(Model *model)
{
    uint64_t sum = 0;
    bool is_right = true;

    store_wait_applied(model->store);
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        is_right &= trace_is_right(model, trace, &sum);
    }
    if (!is_right) {
        remember(model, model->unsure, model->n_unsure);
    }
    model->n_unsure = 0;
}

static void crash(Model *model, bool power_cut)
{
    model->base_is_lost |= model->has_deleted;
    if (power_cut) {
        fs_sim_restart(model->sim);
    } else {
        fs_sim_kill(model->sim);
    }
    open_model(model);
    resolve_unsure(model);
}

/* The power goes at one of the next calls, while spans come, settle and are compacted. */
static void step_power(Model *model)
{
    fs_sim_power_off_at(model->sim, pick(model, 40));
    for (int i = 0; i < 6 && !fs_sim_is_off(model->sim); i++) {
        step_append(model);
        if (i == 2) {
            store_wait_settled(model->store);
        } else if (i == 4) {
            store_compact(model->store);
        }
    }
    model->store = store_close(model->store);
    crash(model, pick(model, 2) == 0);
}

/* Whether a span of the trace has an error and all came in time. A version that a later one
 * replaced may count, too, and what is nearly too old may be gone or not. */
static bool keeps_error(Model *model, uint32_t trace, bool *ret_maybe)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    bool certain = false;
    Span *spans;
    size_t n = expected_spans(model, trace, &arena, &spans);

    *ret_maybe = false;
    for (size_t i = 0; i < n; i++) {
        certain |= spans[i].status_code == STATUS_ERROR;
    }
    for (size_t i = 0; i < model->count; i++) {
        Span span;

        if (model->items[i].trace == trace &&
            model->now_ns - model->came_ns[i] > ERROR_AGE_S / 2 * 1000000000ULL) {
            certain = false;
            *ret_maybe = true;
        }

        sample_span(model->items[i], sample_resource(0, &arena), sample_scope(&arena), &arena,
                    &span);
        *ret_maybe |= model->items[i].trace == trace && span.status_code == STATUS_ERROR;
    }
    *ret_maybe &= !certain;
    return certain;
}

static bool is_there(Model *model, uint32_t trace)
{
    return sample_sum(model->store, sample_trace_id(trace), STORE_ALL) != 0;
}

/* All is in blocks and gets old; then nothing younger than its age may have gone, and nothing that
 * is older stays. */
static void step_retain(Model *model)
{
    bool keeps_errors = pick(model, 2) == 0;
    uint64_t age_s = keeps_errors ? AGE_S * 2 : ERROR_AGE_S * 2;

    step_reopen(model);
    model->n_time_steps = 0;
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        model->base += sample_sum(model->store, sample_trace_id(trace), STORE_ALL);
    }
    __atomic_fetch_add(&model->now_ns, age_s * 1000000000U, __ATOMIC_RELAXED);
    store_compact(model->store);
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        bool maybe, keeps = keeps_error(model, trace, &maybe);

        if (keeps_errors && maybe && is_there(model, trace)) { /* in parts, perhaps */
            CHECK(model, store_delete_trace(model->store, sample_trace_id(trace), 0) >= 0);
        }
        if (!keeps_errors || !keeps) {
            forget_trace(model, trace);
        }
        model->base -= sample_sum(model->store, sample_trace_id(trace), STORE_ALL);
    }
}

static void step_time(Model *model)
{
    if (model->n_time_steps++ >= TIME_STEPS_MAX) {
        return;
    }
    __atomic_fetch_add(&model->now_ns, 200 * 1000000000ULL, __ATOMIC_RELAXED);
}

static void step(Model *model)
{
    uint32_t dice = pick(model, 100);

    if (dice < 60) {
        step_append(model);
    } else if (dice < 70) {
        store_wait_settled(model->store);
    } else if (dice < 78) {
        store_compact(model->store);
    } else if (dice < 84) {
        step_delete(model);
    } else if (dice < 90) {
        step_reopen(model);
    } else if (dice < 95) {
        step_power(model);
    } else if (dice < 97) {
        step_time(model);
    } else {
        step_retain(model);
    }
}

static void run_seed(uint64_t seed)
{
    Model *model = NEW(Model);

    *model = (Model){.seed = seed, .random = seed, .now_ns = sample_base_ns};
    model->sim = fs_sim_new(seed);
    model->clock = clock_manual(&model->now_ns);
    model->rule = (StoreRetentionRule){.filter = &is_error, .age_s = ERROR_AGE_S};
    sample_observer_init(&model->observer, false);
    model->options = (StoreOptions){
        .fs = fs_sim_fs(model->sim),
        .decode = sample_decode,
        .clock = &model->clock,
        .observer = &model->observer.callbacks,
        .commit_delay_us = 1,
        .generation_rows = 16 + seed % 40,
        .retention_age_s = AGE_S,
        .retention_rules = &model->rule,
        .n_retention_rules = 1,
        .compaction_rows = 30 + seed % 100,
        .group_rows = 7 + seed % 30,
    };
    open_model(model);
    for (int i = 0; i < STEPS; i++) {
        step(model);
        check(model);
    }
    model->store = store_close(model->store);
    sample_observer_deinit(&model->observer);
    fs_sim_free(model->sim);
    mem_free(model);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void the_store_holds_what_a_list_would(void **state)
{
    uint64_t first = from_environment("WEFT_SEED", 1);
    uint64_t count = from_environment("WEFT_SEEDS", SEEDS_DEFAULT);

    for (uint64_t seed = first; seed < first + count; seed++) {
        run_seed(seed);
    }
    print_message("seeds %lu to %lu\n", first, first + count - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_holds_what_a_list_would),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
