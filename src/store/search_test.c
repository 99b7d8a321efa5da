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
 * Random operations on a store and on a plain list of spans; both must give the same answers. A run
 * is decided by its seed, which is printed when it fails; WEFT_SEED runs that one only.
 */
enum { TRACES = 40, SPANS = 8, VERSIONS = 3, SAMPLES_MAX = 4000 };

typedef struct Model {
    uint64_t seed, random;
    FsSim *sim;
    SampleObserver observer;
    StoreOptions options;
    Store *store;
    Sample samples[SAMPLES_MAX];
    size_t n_samples;
} Model;

static uint64_t roll(Model *model, uint64_t below)
{
    return sample_mix(++model->random) % below;
}

#define CHECK(model, condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("WEFT_SEED=%lu: %s (line %d)", (model)->seed, #condition, __LINE__);          \
        }                                                                                          \
    } while (0)

static void open_store(Model *model)
{
    const char *why;

    sample_observer_deinit(&model->observer);
    sample_observer_init(&model->observer, model->seed % 2 == 0);
    CHECK(model, store_open(&model->options, &model->store, &why) == 0);
}

static void note_result(void *context, int result)
{
    __atomic_store_n((int *)context, result == 0 ? 1 : result, __ATOMIC_RELEASE);
}

static void do_append(Model *model)
{
    size_t n = MIN(1 + roll(model, 12), SAMPLES_MAX - model->n_samples);
    Sample *samples = &model->samples[model->n_samples];
    int told = 0;

    for (size_t i = 0; i < n; i++) {
        samples[i] = (Sample){(uint32_t)roll(model, TRACES), (uint32_t)roll(model, SPANS),
                              (uint32_t)roll(model, VERSIONS)};
    }
    model->n_samples += n;
    CHECK(model, store_append(model->store, sample_batch(samples, n), note_result, &told) == 0);
    while (__atomic_load_n(&told, __ATOMIC_ACQUIRE) == 0) {
        usleep(10);
    }
    CHECK(model, told == 1);
}

/* What the store must hold of a trace. */
static size_t expected_trace(const Model *model, uint32_t trace, Arena *arena, Span **ret_spans)
{
    Span *spans = ARENA_ARRAY(arena, Span, model->n_samples);
    const Scope *scope = sample_scope(arena);
    size_t n = 0;

    for (size_t i = 0; i < model->n_samples; i++) {
        if (model->samples[i].trace == trace) {
            sample_span(model->samples[i], sample_resource(model->samples[i].span % 3, arena),
                        scope, arena, &spans[n++]);
        }
    }
    *ret_spans = spans;
    return n == 0 ? 0 : spans_deduplicate(spans, n);
}

static void do_read(Model *model)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint32_t trace = (uint32_t)roll(model, TRACES);
    Span *spans, *expected;
    size_t n;

    store_wait_applied(model->store);
    CHECK(model, store_read_trace(model->store, sample_trace_id(trace), STORE_ALL, &arena, &spans,
                                  &n) == 0);
    CHECK(model, n == expected_trace(model, trace, &arena, &expected));
    for (size_t i = 0; i < n; i++) {
        CHECK(model, sample_hash(&spans[i]) == sample_hash(&expected[i]));
    }
}

static int compare_hits(const void *a, const void *b)
{
    const StoreHit *x = a, *y = b;

    if (x->start_ns != y->start_ns) {
        return x->start_ns > y->start_ns ? -1 : 1;
    }
    return trace_id_compare(y->trace_id, x->trace_id);
}

static size_t expected_hits(const Model *model, const StoreSearch *search, StoreHit *hits)
{
    size_t n_hits = 0;

    for (uint32_t trace = 0; trace < TRACES; trace++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        StoreHit hit = {.trace_id = sample_trace_id(trace)};
        bool found = false;
        uint64_t start_ns = UINT64_MAX;
        Span *spans;
        size_t n = expected_trace(model, trace, &arena, &spans);

        for (size_t i = 0; i < n; i++) {
            start_ns = MIN(start_ns, spans[i].start_ns);
            if (spans[i].start_ns >= search->from_ns && spans[i].start_ns < search->to_ns &&
                filter_matches(search->filter, &spans[i])) {
                found = true;
            }
        }
        if (found) {
            hit.start_ns = start_ns;
            hits[n_hits++] = hit;
        }
    }
    qsort(hits, n_hits, sizeof(StoreHit), compare_hits);
    return n_hits;
}

/* All pages of one question. */
static void do_search(Model *model)
{
    const Filter all = {.op = FILTER_TRUE};
    const Filter version = {.op = FILTER_COMPARE,
                            .field = FIELD_SPAN_ATTRIBUTE,
                            .comparison = COMPARE_EQUAL,
                            .key = STR("version"),
                            .operand = value_int((int64_t)roll(model, VERSIONS))};
    const Filter name = {.op = FILTER_COMPARE,
                         .field = FIELD_NAME,
                         .comparison = COMPARE_EQUAL,
                         .operand = value_string(STR("operation-3"))};
    const Filter both = {.op = FILTER_AND, .left = &version, .right = &name};
    const Filter *const filters[] = {&all, &version, &name, &both};
    StoreSearch search = {
        .filter = filters[roll(model, ARRAY_LEN(filters))],
        .from_ns = roll(model, 2) == 0 ? 0 : sample_base_ns + roll(model, 60000000U),
        .to_ns = roll(model, 2) == 0 ? UINT64_MAX : sample_base_ns + roll(model, 60000000U),
        .limit = 1 + roll(model, 12),
    };
    StoreHit expected[TRACES];
    size_t n_expected = expected_hits(model, &search, expected), at = 0;

    store_wait_applied(model->store);
    for (bool more = true; more;) {
        CLEANUP(arena_deinit) Arena arena = {0};
        StoreHits hits;

        CHECK(model, store_search(model->store, &search, &arena, &hits) == 0);
        CHECK(model,
              hits.count == MIN(search.limit, n_expected - at) && hits.gap == STORE_COMPLETE);
        for (size_t i = 0; i < hits.count; i++) {
            CHECK(model, compare_hits(&hits.items[i], &expected[at + i]) == 0);
        }
        at += hits.count;
        more = hits.more;
        CHECK(model, more == (at < n_expected));
        if (more) {
            search.has_after = true;
            search.after = hits.items[hits.count - 1];
        }
    }
}

static void do_reopen(Model *model)
{
    if (roll(model, 2) == 0) { /* a kill: the store closes onto a disk that takes nothing more */
        fs_sim_power_off_at(model->sim, 0);
    }
    model->store = store_close(model->store);
    if (roll(model, 2) == 0) {
        fs_sim_restart(model->sim);
    } else {
        fs_sim_kill(model->sim);
    }
    open_store(model);
}

static void check_tables(Model *model)
{
    uint64_t sum = 0;

    store_wait_settled(model->store);
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        sum += sample_sum(model->store, sample_trace_id(trace), STORE_ALL);
        CHECK(model, sample_sum(model->store, sample_trace_id(trace), STORE_ALL) ==
                         sample_sum(model->store, sample_trace_id(trace), STORE_SETTLED));
    }
    CHECK(model, sum == model->observer.sum);
}

static void do_something(Model *model)
{
    uint64_t what = roll(model, 100);

    if (what < 50 && model->n_samples < SAMPLES_MAX - 20) {
        do_append(model);
    } else if (what < 65) {
        do_read(model);
    } else if (what < 85) {
        do_search(model);
    } else if (what < 96) {
        store_wait_settled(model->store);
    } else {
        do_reopen(model);
    }
}

static void run_model(uint64_t seed)
{
    Model *model = NEW(Model);

    model->seed = model->random = seed;
    model->sim = fs_sim_new(seed);
    model->options = (StoreOptions){
        .fs = fs_sim_fs(model->sim),
        .decode = sample_decode,
        .clock = &clock_system,
        .observer = &model->observer.callbacks,
        .commit_delay_us = 1,
        .generation_rows = 20 + roll(model, 100),
        .generation_age_ms = 20 + roll(model, 1000),
        .retention_age_s = UINT64_MAX,
    };
    sample_observer_init(&model->observer, false);
    open_store(model);
    for (int i = 0; i < 250; i++) {
        do_something(model);
    }
    check_tables(model);
    do_reopen(model);
    check_tables(model);
    store_close(model->store);
    sample_observer_deinit(&model->observer);
    fs_sim_free(model->sim);
    mem_free(model);
}

static void the_store_answers_as_a_plain_list_would(void **state)
{
    const char *seed = getenv("WEFT_SEED");

    if (seed != NULL) {
        run_model(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t i = 0; i < 5; i++) {
        run_model(i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_answers_as_a_plain_list_would),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
