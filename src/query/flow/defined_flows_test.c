// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/log.h"
#include "map/flow/runs.h"
#include "os/fs_sim.h"
#include "query/flow/gather.h"
#include "query/flow/touch_links.h"
#include "query/flow/touches.h"
#include "store/samples.h"

/*
 * What is kept changes no answer: in random worlds, where spans come, blocks are written, merged
 * and retire, traces are deleted and definitions change, each question is answered with a memory
 * that has seen all of it, with one that has room for little, and with none.
 */
enum { SEEDS = 3, STEPS = 60, TRACES = 60, SPANS = 9, MEMORIES = 2, VERSIONS = 5 };

typedef struct World {
    uint64_t seed, random, now_ns;
    Clock clock;
    FsSim *sim;
    StoreOptions options;
    Store *store;
    FlowMemory *memories[MEMORIES];
} World;

static uint32_t pick(World *world, uint32_t n)
{
    world->random = sample_mix(world->random);
    return (uint32_t)(world->random >> 33) % n;
}

static void world_open_with(World *world, uint64_t seed, StoreDecode decode)
{
    const char *why = NULL;

    *world = (World){.seed = seed, .random = seed, .now_ns = sample_base_ns + 1000000000};
    world->clock = clock_manual(&world->now_ns);
    world->sim = fs_sim_new(seed);
    world->options = (StoreOptions){.fs = fs_sim_fs(world->sim),
                                    .decode = decode,
                                    .clock = &world->clock,
                                    .commit_delay_us = 1,
                                    .generation_rows = 24,
                                    .retention_age_s = 4000,
                                    .compaction_rows = 400,
                                    .compaction_bytes_per_s = UINT64_MAX};
    assert_int_equal(store_open(&world->options, &world->store, &why), 0);
    world->memories[0] = flow_memory_new(FLOW_CACHE_BYTES_MAX, &world->clock);
    world->memories[1] = flow_memory_new(40000, &world->clock);
}

static void world_open(World *world, uint64_t seed)
{
    world_open_with(world, seed, sample_decode);
}

static void world_close(World *world)
{
    for (size_t i = 0; i < MEMORIES; i++) {
        flow_memory_free(world->memories[i]);
    }
    store_close(world->store);
    fs_sim_free(world->sim);
}

static void note_result(void *context, int result)
{
    atomic_store((_Atomic int *)context, result == 0 ? 1 : result);
}

static void append(World *world, const Sample *samples, size_t n)
{
    _Atomic int told = 0;

    assert_int_equal(store_append(world->store, sample_batch(samples, n), note_result, &told), 0);
    while (atomic_load(&told) == 0) {
        usleep(10);
    }
    assert_int_equal(atomic_load(&told), 1);
    store_wait_applied(world->store);
}

static void append_some(World *world)
{
    Sample samples[2 * SPANS];
    size_t n = 1 + pick(world, 2 * SPANS);

    for (size_t i = 0; i < n; i++) {
        samples[i] = (Sample){pick(world, TRACES), pick(world, SPANS), 0};
    }
    append(world, samples, n);
}

/* The store's threads look at the clock meanwhile. */
static void pass_time(World *world, uint64_t ns)
{
    __atomic_fetch_add(&world->now_ns, ns, __ATOMIC_RELAXED);
}

static void change(World *world)
{
    switch (pick(world, 8)) {
    case 0:
        store_compact(world->store);
        break;
    case 1:
        (void)!store_delete_trace(world->store, sample_trace_id(pick(world, TRACES)), 0);
        break;
    case 2:
        store_wait_settled(world->store);
        pass_time(world, 61000000000); /* what there is becomes a block */
        usleep(2000);
        break;
    case 3:
        pass_time(world, 1000000000000); /* retention */
        store_compact(world->store);
        break;
    default:
        append_some(world);
    }
}

/* One of a few versions, which differ in what a cache might miss. */
static FlowDefinition define(World *world, Arena *arena, const char *name)
{
    static const char *const filters[] = {"{ name = \"operation-0\" }", "{ span.shard < 3 }",
                                          "{ kind = client }",          "{ span.ratio > 50.0 }",
                                          "{ span.order =~ \"1.*\" }",  "{ status = error }"};
    static const char *const keys[] = {"", "order", "shard", "nobody"};
    World like = {.random = world->seed * 100 + pick(world, VERSIONS)};
    size_t n = 1 + pick(&like, 3);
    FlowDefinition definition = {.name = str_from_cstr(name),
                                 .key = str_from_cstr(keys[pick(&like, 4)]),
                                 .within_ns = 1 + pick(world, 2) * 10000000U,
                                 .steps = ARENA_ARRAY(arena, FlowStepDefinition, n),
                                 .n_steps = n};

    for (size_t i = 0; i < n; i++) {
        definition.steps[i] = (FlowStepDefinition){arena_format(arena, "step %u", pick(&like, 3)),
                                                   str_from_cstr(filters[pick(&like, 6)])};
    }
    return definition;
}

/* All that is said of a flow, as text. */
static void tell(const DefinedFlows *flows, Str name, Buf *text)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapFlowQuestion question = {.name = name, .to_minute = UINT32_MAX};
    RunsQuestion runs = {.name = name, .to_ns = UINT64_MAX, .limit = 10000};
    RunsPage page = {0};
    MapFlowAnswer answer = {0};
    int found = map_flow_ask(flows->map, &question, &arena, &answer);

    runs.clock = &clock_system;
    assert_int_equal(runs_list(map_runs(flows->map), &runs, &arena, &page), 0);
    buf_append_format(text, "%d %lu %d: %lu runs, %lu failed, %lu without\n", found, flows->spans,
                      flows->truncated, answer.flow.runs, answer.flow.failures,
                      answer.flow.without_run_id);
    for (size_t i = 0; i < answer.n_steps; i++) {
        const MapFlowStep *step = &answer.steps[i];

        buf_append_format(text, "%.*s %lu %lu %lu %lu %lu\n", STR_ARG(step->name), step->count,
                          step->errors, step->runs, step->starts, step->duration.p50_ns);
    }
    for (size_t i = 0; i < answer.n_follows; i++) {
        buf_append_format(text, "%.*s > %.*s %lu %lu\n", STR_ARG(answer.follows[i].from),
                          STR_ARG(answer.follows[i].to), answer.follows[i].count,
                          answer.follows[i].overlaps);
    }
    for (size_t i = 0; i < page.n; i++) {
        buf_append_format(text, "run %.*s %zu\n", STR_ARG(page.items[i].run.id),
                          page.items[i].members.n);
    }
}

static void ask(const DefinedQuestion *question, Buf *text)
{
    DefinedFlows flows;

    assert_int_equal(defined_flows_evaluate(question, &flows), 0);
    for (size_t i = 0; i < question->n_definitions; i++) {
        tell(&flows, question->definitions[i].name, text);
    }
    defined_flows_deinit(&flows);
}

/* Blocks are merged and retire while questions are asked: what differs once is asked again, since
 * the second of two answers may be the newer one. */
static size_t answers_agree(World *world, DefinedQuestion *question, FlowMemory *memory)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        CLEANUP(buf_deinit) Buf expected = {0};
        CLEANUP(buf_deinit) Buf text = {0};

        question->memory = NULL;
        ask(question, &expected);
        question->memory = memory;
        ask(question, &text);
        if (str_equal(buf_str(&text), buf_str(&expected))) {
            return text.len;
        }
    }
    fail_msg("seed %lu: what is kept is not what is stored", world->seed);
    return 0;
}

static size_t compare(World *world)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const FlowDefinition definitions[2] = {define(world, &arena, "a"), define(world, &arena, "b")};
    uint64_t from_ns = sample_base_ns + pick(world, 40) * 1000000U;
    DefinedQuestion question = {.store = world->store,
                                .clock = &world->clock,
                                .definitions = definitions,
                                .n_definitions = 1 + pick(world, 2),
                                .from_ns = from_ns,
                                .to_ns = from_ns + (1 + pick(world, 60)) * 1000000U};
    size_t told = 0;

    for (size_t i = 0; i < 2 * MEMORIES; i++) { /* cold and warm */
        told += answers_agree(world, &question, world->memories[i % MEMORIES]);
    }
    return told;
}

static void what_is_kept_changes_no_answer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        World world;
        FlowCacheStatus large, small;
        size_t told = 0;

        world_open(&world, seed);
        for (int i = 0; i < STEPS; i++) {
            change(&world);
            told += compare(&world);
        }
        flow_cache_status(world.memories[0]->cache, &large);
        flow_cache_status(world.memories[1]->cache, &small);
        assert_true(told > (size_t)STEPS * 100);
        assert_true(large.found > 200 && large.read > 50 && large.evicted == 0);
        assert_true(small.evicted > 10 && small.bytes <= small.bytes_max);
        world_close(&world);
    }
}

static FlowDefinition by_shard(FlowStepDefinition *step, const char *name)
{
    *step = (FlowStepDefinition){STR("any"), STR("{ }")};
    return (FlowDefinition){.name = str_from_cstr(name),
                            .key = STR("shard"),
                            .within_ns = FLOW_WITHIN_DEFAULT_NS,
                            .steps = step,
                            .n_steps = 1};
}

static void fill(World *world)
{
    Sample samples[SPANS];

    for (uint32_t trace = 0; trace < TRACES; trace++) {
        for (uint32_t i = 0; i < SPANS; i++) {
            samples[i] = (Sample){trace, i, 0};
        }
        append(world, samples, SPANS);
    }
    store_wait_settled(world->store);
    store_compact(world->store);
}

static FlowCacheStatus status_of(const World *world)
{
    FlowCacheStatus status;

    flow_cache_status(world->memories[0]->cache, &status);
    return status;
}

/* The compactor may still be at work. Returns how many entries there are. */
static uint64_t ask_until_nothing_is_read(World *world, const DefinedQuestion *question)
{
    uint64_t before;

    do {
        CLEANUP(buf_deinit) Buf text = {0};

        before = status_of(world).read;
        ask(question, &text);
    } while (status_of(world).read != before);
    return status_of(world).entries;
}

static void entries_go_with_their_block_and_their_definition(void **state)
{
    FlowStepDefinition step;
    const FlowDefinition definition = by_shard(&step, "order");
    const FlowVersion version = flow_definition_version(&definition);
    World world;

    (void)state;
    world_open(&world, 1);
    fill(&world);
    const DefinedQuestion question = {.store = world.store,
                                      .clock = &world.clock,
                                      .memory = world.memories[0],
                                      .definitions = &definition,
                                      .n_definitions = 1,
                                      .to_ns = UINT64_MAX};
    uint64_t n = ask_until_nothing_is_read(&world, &question);
    assert_true(n > 0);
    pass_time(&world, 2 * FLOW_CACHE_PREVIEW_NS);
    flow_cache_sweep(world.memories[0]->cache, world.store, &version, 1);
    n = ask_until_nothing_is_read(&world, &question); /* time has passed: blocks may be merged */
    assert_true(n > 0);
    pass_time(&world, 2 * FLOW_CACHE_PREVIEW_NS);
    flow_cache_sweep(world.memories[0]->cache, world.store, &version, 0);
    assert_int_equal(status_of(&world).entries, 0);
    assert_true(ask_until_nothing_is_read(&world, &question) > 0);
    pass_time(&world, 20000000000000); /* retention takes all */
    store_compact(world.store);
    flow_cache_sweep(world.memories[0]->cache, world.store, NULL, 0);
    assert_int_equal(status_of(&world).entries, 0);
    assert_int_equal(status_of(&world).bytes, 0);
    world_close(&world);
}

/* The file system is the test's own, so the deadline is one that never comes. */
enum { ASKERS = 4 };

typedef struct Asker {
    World *world;
    const DefinedQuestion *question;
    Map *map;
    pthread_t thread;
} Asker;

static void *ask_once(void *context)
{
    Asker *asker = context;
    DefinedFlows flows;

    for (int i = 0; i < 20; i++) {
        if (defined_flows_evaluate(asker->question, &flows) != 0 || flows.truncated) {
            abort();
        }
        asker->map = flows.map;
        defined_flows_deinit(&flows);
    }
    return NULL;
}

static void concurrent_questions_share_what_they_read_and_make(void **state)
{
    FlowStepDefinition steps[2];
    const FlowDefinition definitions[2] = {by_shard(&steps[0], "a"), by_shard(&steps[1], "b")};
    Asker askers[ASKERS];
    World world;

    (void)state;
    world_open(&world, 2);
    fill(&world);
    const DefinedQuestion question = {.store = world.store,
                                      .clock = &world.clock,
                                      .memory = world.memories[0],
                                      .definitions = definitions,
                                      .n_definitions = 2,
                                      .to_ns = UINT64_MAX};
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (Asker){.world = &world, .question = &question};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_once, &askers[i]), 0);
    }
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_ptr_equal(askers[i].map, askers[0].map);
    }
    assert_int_equal(status_of(&world).read, status_of(&world).entries);
    world_close(&world);
}

static void a_late_question_says_so_and_keeps_nothing_half(void **state)
{
    FlowStepDefinition step;
    const FlowDefinition definition = by_shard(&step, "order");
    DefinedFlows flows;
    World world;

    (void)state;
    world_open(&world, 3);
    fill(&world);
    const DefinedQuestion question = {.store = world.store,
                                      .clock = &world.clock,
                                      .memory = world.memories[0],
                                      .definitions = &definition,
                                      .n_definitions = 1,
                                      .to_ns = UINT64_MAX,
                                      .deadline_ns = world.now_ns};
    assert_int_equal(defined_flows_evaluate(&question, &flows), 0);
    assert_true(flows.truncated);
    assert_int_equal(status_of(&world).entries, 0);
    defined_flows_deinit(&flows);
    world_close(&world);
}

/* Each trace has two spans of the run "GET". */
static void append_traces(World *world, uint32_t n_traces)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Sample *samples = ARENA_ARRAY(&arena, Sample, 2 * (size_t)n_traces);

    for (uint32_t i = 0; i < 2 * n_traces; i++) {
        samples[i] = (Sample){i / 2, i % 2, 0};
    }
    append(world, samples, 2 * (size_t)n_traces);
}

/* Returns how many spans the run of all traces has. */
static size_t read_run(const World *world, uint64_t deadline_ns, bool *ret_truncated)
{
    FlowStepDefinition step = {STR("any"), STR("{ }")};
    const FlowDefinition definition = {.name = STR("order"),
                                       .key = STR("http.request.method"),
                                       .within_ns = FLOW_WITHIN_MAX_NS,
                                       .steps = &step,
                                       .n_steps = 1};
    const DefinedQuestion question = {.store = world->store,
                                      .clock = &world->clock,
                                      .definitions = &definition,
                                      .n_definitions = 1,
                                      .to_ns = UINT64_MAX,
                                      .deadline_ns = deadline_ns};
    DefinedFlows flows;

    assert_int_equal(defined_flows_run(&question, STR("GET"), &flows), 0);
    size_t n = flows.spans;
    *ret_truncated = flows.truncated;
    defined_flows_deinit(&flows);
    return n;
}

static void a_run_over_more_traces_than_are_read_has_those_that_are(void **state)
{
    bool truncated;
    World world;

    (void)state;
    world_open(&world, 4);
    append_traces(&world, FLOW_RUN_TRACES_MAX);
    assert_int_equal(read_run(&world, 0, &truncated), 2 * FLOW_RUN_TRACES_MAX);
    assert_false(truncated);
    append_traces(&world, FLOW_RUN_TRACES_MAX + 1);
    assert_int_equal(read_run(&world, 0, &truncated), 2 * FLOW_RUN_TRACES_MAX);
    assert_true(truncated);
    world_close(&world);
}

static void a_run_is_looked_for_until_the_deadline(void **state)
{
    bool truncated;
    World world;

    (void)state;
    world_open(&world, 5);
    fill(&world);
    assert_int_equal(read_run(&world, world.now_ns + 1, &truncated), TRACES * SPANS);
    assert_false(truncated);
    assert_true(read_run(&world, world.now_ns, &truncated) < TRACES * SPANS);
    assert_true(truncated);
    world_close(&world);
}

/* Spans of version 1 have no attributes, and start later. */
enum { KEYLESS = 1 };

#define KEYLESS_LATER_NS UINT64_C(10000000000)

static int decode_keyless(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error)
{
    TRY(sample_decode(body, arena, ret_batch, ret_error));
    for (size_t i = 0; i < ret_batch->n_spans; i++) {
        Span *span = &ret_batch->spans[i];

        if (attributes_find(span->attributes, STR("version"))->integer == KEYLESS) {
            span->attributes.count = 0;
            span->start_ns += KEYLESS_LATER_NS;
            span->end_ns += KEYLESS_LATER_NS;
        }
    }
    return 0;
}

static void append_keyless(World *world, const Sample *samples, size_t n)
{
    StoreBatch *batch = store_batch_new();
    _Atomic int told = 0;
    ParseError error;

    sample_write(samples, n, &batch->body);
    assert_int_equal(decode_keyless(buf_str(&batch->body), &batch->arena, &batch->spans, &error),
                     0);
    assert_int_equal(store_append(world->store, batch, note_result, &told), 0);
    while (atomic_load(&told) == 0) {
        usleep(10);
    }
    store_wait_applied(world->store);
}

/* The trace's key is in a span long before the window. */
static void a_key_outside_the_window_counts_in_the_head_as_in_a_block(void **state)
{
    static const Sample samples[] = {{1, 0, 0}, {1, 1, KEYLESS}};
    FlowStepDefinition step = {STR("any"), STR("{ }")};
    const FlowDefinition definition = {.name = STR("order"),
                                       .key = STR("http.request.method"),
                                       .within_ns = 1,
                                       .steps = &step,
                                       .n_steps = 1};
    CLEANUP(buf_deinit) Buf head = {0};
    CLEANUP(buf_deinit) Buf block = {0};
    World world;

    (void)state;
    world_open_with(&world, 6, decode_keyless);
    append_keyless(&world, samples, ARRAY_LEN(samples));
    const DefinedQuestion question = {.store = world.store,
                                      .clock = &world.clock,
                                      .definitions = &definition,
                                      .n_definitions = 1,
                                      .from_ns = sample_base_ns + KEYLESS_LATER_NS / 2,
                                      .to_ns = UINT64_MAX};
    ask(&question, &head);
    assert_true(str_find(buf_str(&head), STR("run GET 1")) < head.len);
    do {
        buf_clear(&block);
        store_wait_settled(world.store);
        pass_time(&world, 61000000000);
        usleep(2000);
        store_block_numbers(world.store, &block);
    } while (block.len == 0);
    buf_clear(&block);
    ask(&question, &block);
    assert_true(str_equal(buf_str(&head), buf_str(&block)));
    world_close(&world);
}

/* However many blocks there are. */
static void filters_of_a_block_go_with_it(void **state)
{
    FlowStepDefinition steps[FLOW_STEPS_MAX];
    const FlowDefinition definition = {
        .name = STR("order"), .within_ns = 1, .steps = steps, .n_steps = FLOW_STEPS_MAX};
    Gathering gathering;
    World world;

    for (size_t i = 0; i < FLOW_STEPS_MAX; i++) {
        steps[i] = (FlowStepDefinition){STR("any"), STR("{ span.shard > 1 || span.ratio > 1.0 }")};
    }
    (void)state;
    world_open(&world, 7);
    fill(&world);
    const DefinedQuestion question = {.store = world.store,
                                      .clock = &world.clock,
                                      .definitions = &definition,
                                      .n_definitions = 1,
                                      .to_ns = UINT64_MAX};
    gathering_init(&gathering, &question);
    size_t n = gathering.arena.allocated;
    assert_int_equal(gather_window(&gathering), 0);
    assert_true(store_reading_count(gathering.reading) > 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(gather_block(&gathering, 0), 0);
    }
    assert_int_equal(gathering.arena.allocated, n);
    gathering_deinit(&gathering);
    world_close(&world);
}

/* Asks what the steps touch. Returns how much that is. */
static size_t ask_touches(const DefinedQuestion *question, uint64_t until_ns, bool *ret_incomplete)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(defined_flows_deinit) DefinedFlows flows = {0};
    const MapFlowQuestion asked = {.name = STR("order"), .to_minute = UINT32_MAX};
    Map *names = map_new(&(MapOptions){0});
    const FlowTouchQuestion touched = {.defined = question,
                                       .flows = &flows,
                                       .asked = &asked,
                                       .names = names,
                                       .until_ns = until_ns};
    MapFlowTouch *touches = NULL;
    uint64_t total = 0;
    size_t n = 0;

    assert_int_equal(defined_flows_evaluate(question, &flows), 0);
    assert_int_equal(flow_touches_ask(&touched, &arena, &touches, &n, ret_incomplete), 0);
    for (size_t i = 0; i < n; i++) {
        total += touches[i].count;
    }
    map_free(names);
    return total;
}

static void touches_end_with_their_time_and_leave_members_their_room(void **state)
{
    FlowStepDefinition step;
    const FlowDefinition definition = by_shard(&step, "order");
    FlowCacheStatus links;
    bool incomplete;
    World world;

    (void)state;
    world_open(&world, 8);
    fill(&world);
    const DefinedQuestion question = {.store = world.store,
                                      .clock = &world.clock,
                                      .memory = world.memories[0],
                                      .definitions = &definition,
                                      .n_definitions = 1,
                                      .to_ns = UINT64_MAX,
                                      .wants_traces = true};
    size_t n = ask_touches(&question, 0, &incomplete);
    assert_true(n > 0);
    assert_false(incomplete);
    flow_cache_status(world.memories[0]->links, &links);
    assert_true(links.entries > 0);
    assert_int_equal(ask_touches(&question, world.now_ns + 1, &incomplete), n);
    assert_false(incomplete);
    assert_int_equal(ask_touches(&question, world.now_ns, &incomplete), 0); /* all of it is kept */
    assert_true(incomplete);
    world_close(&world);
}

static size_t count_links(const FlowLinksQuestion *question, bool cut)
{
    FlowLinks links;

    assert_int_equal(flow_links_read(question, &links), 0);
    size_t n = links.n;
    assert_int_equal(links.cut, cut);
    flow_links_deinit(&links);
    return n;
}

static void links_are_read_of_blocks_of_their_time_until_it_is_over(void **state)
{
    World world;

    (void)state;
    world_open(&world, 9);
    fill(&world);
    StoreReading *reading = store_reading_open(world.store);
    const FlowLinksQuestion all = {.store = world.store,
                                   .reading = reading,
                                   .to_ns = UINT64_MAX,
                                   .clock = &world.clock,
                                   .max = 1000};
    FlowLinksQuestion later = all, late = all, few = all;
    size_t n = count_links(&all, false);
    assert_true(n > 5);
    later.from_ns = sample_base_ns + KEYLESS_LATER_NS;
    size_t n_head = count_links(&later, false);
    assert_true(n_head < n);
    late.until_ns = world.now_ns;
    assert_int_equal(count_links(&late, true), n_head);
    few.max = n - 1;
    assert_int_equal(count_links(&few, true), n - 1);
    store_reading_close(reading);
    world_close(&world);
}

/* What has no room lets nothing go. */
static void spare_room_is_for_the_newest(void **state)
{
    const FlowVersion version = {{0, 0}};
    FlowCacheStatus status;
    World world;

    (void)state;
    world_open(&world, 10);
    FlowCache *cache = world.memories[1]->links;
    for (uint64_t i = 1; i <= 1000; i++) {
        FlowBlock *block = flow_block_new();

        flow_cache_put_spare(cache, i, version, block);
        flow_block_unref(block);
    }
    flow_cache_status(cache, &status);
    assert_in_range(status.entries, 1, 999);
    assert_in_range(status.bytes, 1, status.bytes_max);
    assert_int_equal(status.evicted, 0);
    assert_true(flow_cache_has(cache, 1, version));
    world_close(&world);
}

static void a_trace_larger_than_may_be_is_not_read(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    StoreTraceView view;
    World world;

    (void)state;
    world_open(&world, 11);
    fill(&world);
    StoreReading *reading = store_reading_open(world.store);
    assert_int_equal(store_reading_trace(reading, sample_trace_id(1), 0, &arena, &view), 0);
    assert_int_equal(view.n_spans, SPANS);
    assert_int_equal(store_reading_trace(reading, sample_trace_id(1), 1, &arena, &view), 1);
    store_reading_close(reading);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_changes_no_answer),
        cmocka_unit_test(entries_go_with_their_block_and_their_definition),
        cmocka_unit_test(concurrent_questions_share_what_they_read_and_make),
        cmocka_unit_test(a_late_question_says_so_and_keeps_nothing_half),
        cmocka_unit_test(a_run_over_more_traces_than_are_read_has_those_that_are),
        cmocka_unit_test(a_run_is_looked_for_until_the_deadline),
        cmocka_unit_test(a_key_outside_the_window_counts_in_the_head_as_in_a_block),
        cmocka_unit_test(filters_of_a_block_go_with_it),
        cmocka_unit_test(touches_end_with_their_time_and_leave_members_their_room),
        cmocka_unit_test(links_are_read_of_blocks_of_their_time_until_it_is_over),
        cmocka_unit_test(spare_room_is_for_the_newest),
        cmocka_unit_test(a_trace_larger_than_may_be_is_not_read),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
