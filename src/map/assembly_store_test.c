// SPDX-License-Identifier: Apache-2.0

/*
 * The law of CONTRACT.md with the real store in a directory: blocks, tables, restarts. What
 * assembly_test.c shows for thousands of worlds on an array, this shows for a few on disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "map/assembly.h"
#include "map/contract/random_spans.h"
#include "map/flow/runs.h"

typedef struct Rig {
    char directory[64];
    FileSystem *fs;
    Store *store;
    Map *map;
    Assembly *assembly;
    Arena arena;
    Clock clock;
    Span *sent; /* everything, for the expected map */
    size_t n_sent, capacity;
} Rig;

/* The system's clock, ahead by so much. */
static uint64_t ahead_ns;

static uint64_t read_ahead(void *context)
{
    (void)context;
    return clock_realtime_ns(&clock_system) + ahead_ns;
}

/* Bodies are never replayed here: the store is always closed in order. */
static int decode_nothing(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error)
{
    (void)body;
    (void)arena;
    (void)ret_error;
    *ret_batch = (Batch){0};
    return 0;
}

static void rig_open(Rig *rig)
{
    const char *why = NULL;
    const MapOptions map_options = {0};

    assert_int_equal(fs_open_directory(rig->directory, &rig->fs), 0);
    rig->map = map_new(&map_options);
    rig->clock = clock_system;
    rig->clock.realtime_ns = read_ahead;
    const AssemblyOptions options = {.map = rig->map, .clock = &rig->clock, .quiet_ms = 3600000};
    rig->assembly = assembly_new(&options);
    const StoreOptions store_options = {.fs = rig->fs,
                                        .decode = decode_nothing,
                                        .clock = &rig->clock,
                                        .observer = assembly_observer(rig->assembly),
                                        .commit_delay_us = 50,
                                        .generation_rows = 40,
                                        .retention_age_s = 100 * 365 * 86400U};
    assert_int_equal(store_open(&store_options, &rig->store, &why), 0);
    assembly_attach(rig->assembly, rig->store);
}

static void rig_close(Rig *rig)
{
    store_close(rig->store);
    assembly_free(rig->assembly);
    map_free(rig->map);
    rig->fs->ops->free(rig->fs);
}

/* On the log's thread. */
static void appended(void *context, int result)
{
    atomic_int *waiting = context;

    atomic_store(waiting, result == 0 ? 0 : -1);
}

static void rig_send(Rig *rig, const Span *spans, size_t n)
{
    StoreBatch *batch = store_batch_new();
    atomic_int waiting = 1;

    buf_append_str(&batch->body, STR("body"));
    batch->spans = (Batch){.spans = spans_copy(spans, n, &batch->arena), .n_spans = n};
    assert_int_equal(store_append(rig->store, batch, appended, &waiting), 0);
    while (atomic_load(&waiting) == 1) { /* settling covers what is acknowledged */
        usleep(20);
    }
    assert_int_equal(atomic_load(&waiting), 0);
    for (size_t i = 0; i < n; i++) {
        ARRAY_RESERVE(rig->sent, rig->n_sent, rig->capacity);
        rig->sent[rig->n_sent++] = spans[i];
    }
}

static void expected_map(const Rig *rig, unsigned n_traces, Buf *buf)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    ContractTrace *traces = ARENA_ARRAY(&arena, ContractTrace, n_traces);

    for (unsigned i = 0; i < n_traces; i++) {
        Span *spans = ARENA_ARRAY(&arena, Span, rig->n_sent + 1);
        size_t n = 0;

        traces[i].id = (TraceId){{0xaa, [15] = (uint8_t)(i + 1)}};
        for (size_t j = 0; j < rig->n_sent; j++) {
            spans[n] = rig->sent[j];
            n += trace_id_equal(rig->sent[j].trace_id, traces[i].id);
        }
        traces[i].spans = spans;
        traces[i].n_spans = n == 0 ? 0 : spans_deduplicate(spans, n);
    }
    dump_contract(traces, n_traces, buf);
}

static void assert_map_is_lawful(const Rig *rig, unsigned n_traces, uint64_t seed)
{
    CLEANUP(buf_deinit) Buf expected = {0};
    CLEANUP(buf_deinit) Buf got = {0};

    expected_map(rig, n_traces, &expected);
    dump_map(rig->map, &got);
    assert_true(dumps_equal(&expected, &got, seed));
}

static void random_step(Rig *rig, RandomSpans *random)
{
    Span spans[8];
    size_t n = 1 + random_below(random, 8);

    switch (random_below(random, 8)) {
    case 0:
        rig_close(rig);
        rig_open(rig);
        break;
    case 1:
        store_wait_settled(rig->store);
        break;
    case 2:
        if (rig->n_sent > 0) { /* a resend */
            spans[0] = rig->sent[random_below(random, (unsigned)rig->n_sent)];
            rig_send(rig, spans, 1);
        }
        break;
    default:
        for (size_t i = 0; i < n; i++) {
            spans[i] = random->chains ? random_chain_span(random) : random_span(random);
        }
        rig_send(rig, spans, n);
        break;
    }
}

static void run_world(uint64_t seed)
{
    Rig rig = {.directory = "/tmp/weft-assembly-XXXXXX"};
    RandomSpans random = {.state = random_seed(seed), .arena = &rig.arena, .dense = seed % 2 == 0};
    char command[128];

    assert_non_null(mkdtemp(rig.directory));
    rig_open(&rig);
    random.n_traces = 1 + random_below(&random, 20);
    random.n_ids = 1 + random_below(&random, 4);
    random.chains = seed % 3 == 0;
    for (unsigned i = 0; i < 30; i++) {
        random_step(&rig, &random);
    }
    store_wait_settled(rig.store);
    assert_map_is_lawful(&rig, random.n_traces, seed);
    rig_close(&rig);
    rig_open(&rig); /* from tables alone */
    assert_map_is_lawful(&rig, random.n_traces, seed);
    rig_close(&rig);
    snprintf(command, sizeof(command), "rm -rf '%s'", rig.directory);
    assert_int_equal(system(command), 0);
    mem_free(rig.sent);
    arena_deinit(&rig.arena);
}

static void test_the_law_holds_on_disk_and_over_restarts(void **state)
{
    (void)state;
    enum { WORLDS = 12 };
    const char *text = getenv("WEFT_SEED");
    uint64_t first = 1;

    if (text != NULL) {
        assert_int_equal(str_parse_u64(str_from_cstr(text), &first), 0);
    }
    printf("seeds from %llu (WEFT_SEED)\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + WORLDS; seed++) {
        run_world(seed);
    }
}

/* Overwrites the begin of the first column of every block. */
static void damage_blocks(const char *directory)
{
    char command[256];

    snprintf(command, sizeof(command),
             "for file in '%s'/blocks/*.parquet; do "
             "head -c 64 /dev/zero | dd of=$file bs=1 seek=4 conv=notrunc status=none; done",
             directory);
    assert_int_equal(system(command), 0);
}

static void test_what_damaged_blocks_hold_stays_on_the_map(void **state)
{
    (void)state;
    enum { TRACES = 6 };
    Rig rig = {.directory = "/tmp/weft-assembly-XXXXXX"};
    RandomSpans random = {
        .state = random_seed(3), .arena = &rig.arena, .n_traces = TRACES, .n_ids = 4};
    CLEANUP(buf_deinit) Buf before = {0};
    CLEANUP(buf_deinit) Buf after = {0};
    AssemblyStatus status;
    char command[128];

    assert_non_null(mkdtemp(rig.directory));
    rig_open(&rig);
    for (unsigned i = 0; i < 60; i++) {
        Span span = random_span(&random);

        rig_send(&rig, &span, 1);
    }
    store_wait_settled(rig.store);
    dump_map(rig.map, &before);
    rig_close(&rig);
    damage_blocks(rig.directory);
    log_set_level(LOG_SILENT);
    rig_open(&rig);
    for (unsigned i = 0; i < 20; i++) {
        Span span = random_span(&random);

        rig_send(&rig, &span, 1);
    }
    store_wait_settled(rig.store);
    dump_map(rig.map, &after);
    assert_true(dumps_equal(&before, &after, 3));
    assembly_status(rig.assembly, &status);
    assert_true(status.damaged_traces >= TRACES);
    rig_close(&rig);
    log_set_level(LOG_INFO);
    snprintf(command, sizeof(command), "rm -rf '%s'", rig.directory);
    assert_int_equal(system(command), 0);
    mem_free(rig.sent);
    arena_deinit(&rig.arena);
}

static size_t run_files(const Rig *rig)
{
    RunsStatus status;

    runs_status(map_runs(rig->map), &status);
    return status.files;
}

static size_t run_members(const Rig *rig, Str flow)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    RunMembers run;

    assert_int_equal(runs_read(map_runs(rig->map), flow, STR("7"), &arena, &run), 0);
    return run.n;
}

/* Also for who opens the directory afterwards: the manifest names them no more. */
static void test_runs_go_after_the_time_that_the_map_is_kept(void **state)
{
    (void)state;
    const uint64_t month_ns = UINT64_C(31) * 86400 * 1000000000;
    CLEANUP(buf_deinit) Buf flow = {0};
    const NodeKey key = {.type = NODE_FLOW, .scope = STR("default"), .name = STR("order")};
    Rig rig = {.directory = "/tmp/weft-assembly-XXXXXX"};
    Attribute attributes[] = {{STR("coordimap.flow.name"), value_string(STR("order"))},
                              {STR("coordimap.flow.step"), value_string(STR("pay"))},
                              {STR("coordimap.flow.run_id"), value_string(STR("7"))}};
    static const Resource resource;
    static const Scope scope;
    Span span = {.trace_id = {{1}},
                 .span_id = {{1}},
                 .resource = &resource,
                 .scope = &scope,
                 .name = STR("pay"),
                 .start_ns = 1760000000000000000U,
                 .end_ns = 1760000001000000000U,
                 .attributes = {.items = attributes, .count = ARRAY_LEN(attributes)}};
    char command[128];

    node_key_append(&key, &flow);
    assert_non_null(mkdtemp(rig.directory));
    rig_open(&rig);
    rig_send(&rig, &span, 1);
    store_wait_settled(rig.store);
    rig_close(&rig);
    ahead_ns = 12 * month_ns;
    rig_open(&rig);
    assert_int_equal(run_files(&rig), 1);
    assert_int_equal(run_members(&rig, buf_str(&flow)), 1);
    rig_close(&rig);
    ahead_ns = 14 * month_ns;
    rig_open(&rig);
    for (unsigned i = 0; i < 3000 && run_files(&rig) > 0; i++) {
        usleep(10000);
    }
    assert_int_equal(run_files(&rig), 0);
    assert_int_equal(run_members(&rig, buf_str(&flow)), 0);
    rig_close(&rig);
    rig_open(&rig);
    assert_int_equal(run_files(&rig), 0);
    rig_close(&rig);
    ahead_ns = 0;
    snprintf(command, sizeof(command), "rm -rf '%s'", rig.directory);
    assert_int_equal(system(command), 0);
    mem_free(rig.sent);
    arena_deinit(&rig.arena);
}

/* Rows in a block whose end is damaged, or whose file is gone, take back nothing later either. */
static void test_what_lost_blocks_held_stays_on_the_map(void **state)
{
    static const char *const damages[] = {"truncate -s -4 $(ls '%s'/blocks/* | head -1)",
                                          "rm $(ls '%s'/blocks/* | head -1)",
                                          "rm $(ls '%s'/blocks/* | head -1) && "
                                          "truncate -s -4 '%s'/MANIFEST"};

    (void)state;
    for (size_t way = 0; way < ARRAY_LEN(damages); way++) {
        enum { TRACES = 2 };
        Rig rig = {.directory = "/tmp/weft-assembly-XXXXXX"};
        RandomSpans random = {
            .state = random_seed(5), .arena = &rig.arena, .n_traces = TRACES, .n_ids = 30};
        CLEANUP(buf_deinit) Buf before = {0};
        CLEANUP(buf_deinit) Buf after = {0};
        AssemblyStatus status;
        char command[128];

        assert_non_null(mkdtemp(rig.directory));
        log_set_level(LOG_SILENT);
        for (unsigned start = 0; start < 4; start++) {
            rig_open(&rig);
            if (start == 3) { /* the one before has found the loss */
                dump_map(rig.map, &before);
            }
            for (unsigned i = 0; i < 20; i++) {
                Span span = random_span(&random);

                span.trace_id.bytes[15] = (uint8_t)(1 + i % TRACES);
                rig_send(&rig, &span, 1);
            }
            store_wait_settled(rig.store);
            if (start == 3) {
                dump_map(rig.map, &after);
                assembly_status(rig.assembly, &status);
            }
            rig_close(&rig);
            if (start == 1) {
                snprintf(command, sizeof(command), damages[way], rig.directory, rig.directory);
                assert_int_equal(system(command), 0);
            }
        }
        assert_true(dumps_equal(&before, &after, way));
        assert_true(status.damaged_traces >= TRACES);
        log_set_level(LOG_INFO);
        snprintf(command, sizeof(command), "rm -rf '%s'", rig.directory);
        assert_int_equal(system(command), 0);
        mem_free(rig.sent);
        arena_deinit(&rig.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_lost_blocks_held_stays_on_the_map),
        cmocka_unit_test(test_what_damaged_blocks_hold_stays_on_the_map),
        cmocka_unit_test(test_the_law_holds_on_disk_and_over_restarts),
        cmocka_unit_test(test_runs_go_after_the_time_that_the_map_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
