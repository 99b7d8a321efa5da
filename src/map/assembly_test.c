// SPDX-License-Identifier: Apache-2.0

/*
 * The law of CONTRACT.md: the map is a pure function of the set of spans. Random spans are sent in
 * random order and batches, with duplicates, late pieces and settling in between; the map must be
 * the one that the contract gives for all of them at once. Here the store is a plain array, so that
 * thousands of worlds fit into a second; assembly_store_test.c does the same with the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "map/assembly.h"
#include "map/contract/random_spans.h"

/* ---- a store that is an array ---- */

enum { ROWS_MAX = 4096 };

typedef struct Row {
    Span span;
    bool settled;
} Row;

struct Store {
    Row rows[ROWS_MAX];
    size_t n_rows;
    int read_error;             /* what reads give from now on */
    size_t n_reads, fail_after; /* this one of the next reads fails; 0: none */
    uint64_t waiting_since_ns;  /* 0: nothing is queued */
    size_t trace_spans_max;     /* 0: no limit */
    uint64_t retired_before_ns;
    uint8_t damaged; /* the trace whose first row cannot be read; 0: none */
    uint8_t retired; /* the trace whose first row is gone; 0: none */
};

static bool is_unreadable(const Store *store, size_t row)
{
    uint8_t trace = store->damaged != 0 ? store->damaged : store->retired;

    return row == 0 && trace != 0 &&
           store->rows[row].span.trace_id.bytes[TRACE_ID_SIZE - 1] == trace;
}

int store_read_trace(Store *store, TraceId id, StoreView view, Arena *arena, Span **ret_spans,
                     size_t *ret_n)
{
    Span *spans = ARENA_ARRAY(arena, Span, store->n_rows + 1);
    size_t n = 0;

    for (size_t i = 0; i < store->n_rows; i++) {
        const Row *row = &store->rows[i];

        if (trace_id_equal(row->span.trace_id, id) && (view == STORE_ALL || row->settled) &&
            !is_unreadable(store, i)) {
            spans[n++] = row->span;
        }
    }
    *ret_n = n == 0 ? 0 : spans_deduplicate(spans, n);
    *ret_spans = spans;
    return 0;
}

int store_read_settling(Store *store, TraceId id, Arena *arena, StoreTrace *ret_trace)
{
    store->n_reads++;
    if (store->fail_after > 0 && --store->fail_after == 0) {
        return -EMFILE;
    }
    TRY(store->read_error);
    TRY(store_read_trace(store, id, STORE_SETTLED, arena, &ret_trace->settled,
                         &ret_trace->n_settled));
    TRY(store_read_trace(store, id, STORE_ALL, arena, &ret_trace->all, &ret_trace->n_all));
    ret_trace->damaged = store->damaged != 0 && id.bytes[TRACE_ID_SIZE - 1] == store->damaged;
    ret_trace->retired = store->retired != 0 && id.bytes[TRACE_ID_SIZE - 1] == store->retired;
    if (store->trace_spans_max > 0 && ret_trace->n_all > store->trace_spans_max) {
        ret_trace->n_all = store->trace_spans_max;
        ret_trace->n_settled = MIN(ret_trace->n_settled, store->trace_spans_max);
        ret_trace->cut = true;
    }
    return 0;
}

uint64_t store_retired_before(Store *store)
{
    return store->retired_before_ns;
}

uint64_t store_waiting_since(Store *store)
{
    return store->waiting_since_ns == 0 ? UINT64_MAX : store->waiting_since_ns;
}

void store_mark_settled(Store *store, const TraceId *traces, size_t n_traces)
{
    for (size_t i = 0; i < store->n_rows; i++) {
        for (size_t j = 0; j < n_traces; j++) {
            store->rows[i].settled |= trace_id_equal(store->rows[i].span.trace_id, traces[j]);
        }
    }
}

int store_links(Store *store, int (*visit)(void *context, TraceId from, TraceId to), void *context)
{
    for (size_t i = 0; i < store->n_rows; i++) {
        const Row *row = &store->rows[i];

        for (size_t j = 0; j < row->span.n_links && row->settled; j++) {
            TRY(visit(context, row->span.trace_id, row->span.links[j].trace_id));
        }
    }
    return 0;
}

/* ---- a world ---- */

typedef struct Rig {
    Store *store;
    Map *map;
    Assembly *assembly;
    uint64_t now_ns;
    Clock clock;
    Arena arena;
} Rig;

static void rig_assemble(Rig *rig)
{
    const AssemblyOptions options = {
        .map = rig->map, .clock = &rig->clock, .quiet_ms = 1000, .open_traces_max = 64};

    rig->assembly = assembly_new(&options);
    assembly_attach(rig->assembly, rig->store);
}

static void rig_init(Rig *rig)
{
    const MapOptions options = {0};

    *rig = (Rig){.store = NEW(Store), .map = map_new(&options), .now_ns = 1000000000};
    rig->clock = clock_manual(&rig->now_ns);
    rig_assemble(rig);
}

static void rig_deinit(Rig *rig)
{
    assembly_free(rig->assembly);
    map_free(rig->map);
    mem_free(rig->store);
    arena_deinit(&rig->arena);
}

static void rig_send(Rig *rig, Span *spans, size_t n)
{
    const StoreObserver *observer = assembly_observer(rig->assembly);
    const Batch batch = {.spans = spans, .n_spans = n};

    for (size_t i = 0; i < n; i++) {
        assert_true(rig->store->n_rows < ROWS_MAX);
        rig->store->rows[rig->store->n_rows++] = (Row){.span = spans[i]};
    }
    observer->on_batch(observer->context, &batch);
}

static void rig_tick(Rig *rig, uint64_t later_ms, bool settle_all)
{
    const StoreObserver *observer = assembly_observer(rig->assembly);

    rig->now_ns += later_ms * 1000000;
    observer->on_tick(observer->context, settle_all);
}

static AssemblyStatus rig_status(const Rig *rig)
{
    AssemblyStatus status;

    assembly_status(rig->assembly, &status);
    return status;
}

/* The map of all rows at once, by the contract alone. */
static void expected_map(const Rig *rig, unsigned n_traces, Buf *buf)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    ContractTrace *traces = ARENA_ARRAY(&arena, ContractTrace, n_traces);

    for (unsigned i = 0; i < n_traces; i++) {
        Span *spans;
        TraceId id = {{0xaa, [15] = (uint8_t)(i + 1)}};

        assert_int_equal(
            store_read_trace(rig->store, id, STORE_ALL, &arena, &spans, &traces[i].n_spans), 0);
        traces[i].id = id;
        traces[i].spans = spans;
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

/* A step of the world: new spans, a duplicate, time, or settling. */
static void random_step(Rig *rig, RandomSpans *random)
{
    Span spans[8];
    size_t n = 1 + random_below(random, 4);

    switch (random_below(random, 6)) {
    case 0:
        rig_tick(rig, random_below(random, 1500), false);
        break;
    case 1:
        rig_tick(rig, 0, random_below(random, 2) == 0);
        break;
    case 2:
        if (rig->store->n_rows > 0) { /* a resend */
            spans[0] = rig->store->rows[random_below(random, (unsigned)rig->store->n_rows)].span;
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

static uint64_t first_seed(void)
{
    const char *text = getenv("WEFT_SEED");
    uint64_t seed = 1;

    if (text != NULL) {
        assert_int_equal(str_parse_u64(str_from_cstr(text), &seed), 0);
    }
    printf("seeds from %llu (WEFT_SEED)\n", (unsigned long long)seed);
    return seed;
}

static void test_the_map_is_a_function_of_the_set_of_spans(void **state)
{
    (void)state;
    enum { WORLDS = 600 };
    uint64_t first = first_seed();

    for (uint64_t seed = first; seed < first + WORLDS; seed++) {
        Rig rig;
        RandomSpans random = {.state = random_seed(seed), .arena = &rig.arena};

        rig_init(&rig);
        random.n_traces = 1 + random_below(&random, 16);
        random.n_ids = 1 + random_below(&random, 5);
        if (seed % 2 == 0) {
            random.dense = true;
            random.n_traces = 20 + random_below(&random, 40);
            random.n_ids = 1;
        }
        if (seed % 4 == 2) {
            random.chains = true;
            random.n_traces = 3 + random_below(&random, 20);
        }
        unsigned n_steps = 1 + random_below(&random, 40);
        for (unsigned i = 0; i < n_steps; i++) {
            random_step(&rig, &random);
        }
        rig_tick(&rig, 0, true);
        assert_map_is_lawful(&rig, random.n_traces, seed);
        assert_int_equal(rig_status(&rig).open_traces, 0);
        rig_deinit(&rig);
    }
}

/* A restart keeps rows and tables; open traces and the index of links are built anew. */
static void test_links_are_learnt_again_after_a_restart(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1100; seed++) {
        Rig rig;
        RandomSpans random = {
            .state = random_seed(seed), .arena = &rig.arena, .n_traces = 8, .n_ids = 3};

        rig_init(&rig);
        for (unsigned i = 0; i < 20; i++) {
            random_step(&rig, &random);
            if (random_below(&random, 6) == 0) {
                rig_tick(&rig, 0, true);
                assembly_free(rig.assembly);
                rig_assemble(&rig);
            }
        }
        rig_tick(&rig, 0, true);
        assert_map_is_lawful(&rig, random.n_traces, seed);
        rig_deinit(&rig);
    }
}

static Span plain_span(uint8_t trace, uint8_t id)
{
    static const Resource resource;
    static const Scope scope;

    return (Span){.trace_id = {{0xaa, [15] = trace}},
                  .span_id = {{id}},
                  .start_ns = 1760000040000000000,
                  .end_ns = 1760000040000000001,
                  .resource = &resource,
                  .scope = &scope};
}

static void test_a_trace_settles_when_it_was_quiet(void **state)
{
    (void)state;
    Rig rig;
    Span spans[] = {plain_span(1, 1), plain_span(2, 2)};

    rig_init(&rig);
    rig_send(&rig, &spans[0], 1);
    rig_tick(&rig, 600, false);
    rig_send(&rig, &spans[1], 1);
    rig_tick(&rig, 399, false);
    assert_int_equal(rig_status(&rig).open_traces, 2);
    assert_int_equal(rig_status(&rig).complete_to_ns, rig.now_ns - 999000000);
    rig_tick(&rig, 1, false);
    assert_int_equal(rig_status(&rig).open_traces, 1);
    assert_int_equal(rig_status(&rig).settled_traces, 1);
    assert_int_equal(rig_status(&rig).complete_to_ns, rig.now_ns - 400000000);
    rig_tick(&rig, 600, false);
    assert_int_equal(rig_status(&rig).open_traces, 0);
    assert_int_equal(rig_status(&rig).complete_to_ns, rig.now_ns);
    rig.store->waiting_since_ns = rig.now_ns - 7000000; /* acknowledged, not in any trace yet */
    rig_tick(&rig, 0, false);
    assert_int_equal(rig_status(&rig).complete_to_ns, rig.now_ns - 7000000);
    rig.store->waiting_since_ns = 0;
    rig_send(&rig, &spans[0], 1);
    rig_tick(&rig, 1000, false);
    assert_int_equal(rig_status(&rig).reopened_traces, 1);
    assert_int_equal(rig_status(&rig).settled_traces, 2);
    rig_deinit(&rig);
}

static void test_a_trace_that_never_is_quiet_settles_by_its_age(void **state)
{
    (void)state;
    Rig rig;

    rig_init(&rig);
    for (unsigned i = 0; i < 120; i++) {
        Span span = plain_span(1, (uint8_t)(i + 1));

        rig_send(&rig, &span, 1);
        assert_int_equal(rig_status(&rig).settled_traces, 0);
        rig_tick(&rig, 500, false);
    }
    assert_int_equal(rig_status(&rig).settled_traces, 1);
    rig_deinit(&rig);
}

static void test_spans_beyond_the_limit_of_a_trace_are_settled_unread(void **state)
{
    (void)state;
    Rig rig;

    rig_init(&rig);
    rig.store->trace_spans_max = 3;
    for (unsigned i = 0; i < 8; i++) {
        Span span = plain_span(1, (uint8_t)(i + 1));

        span.start_ns += 10 + i;
        rig_send(&rig, &span, 1);
        rig_tick(&rig, 1000, false);
    }
    /* The fourth was read to learn that the trace is full, the others not. */
    assert_int_equal(rig_status(&rig).spans_beyond, 4);
    assert_int_equal(rig.store->n_reads, 4);
    for (size_t i = 0; i < rig.store->n_rows; i++) {
        assert_true(rig.store->rows[i].settled);
    }
    Span early = plain_span(1, 99); /* counts, and pushes another out */
    rig_send(&rig, &early, 1);
    assert_int_equal(rig_status(&rig).open_traces, 0);
    rig_tick(&rig, 0, false);
    assert_int_equal(rig_status(&rig).open_traces, 1);
    rig_tick(&rig, 1000, false);
    assert_int_equal(rig.store->n_reads, 5);
    rig_deinit(&rig);
}

static void test_beyond_the_limit_the_quietest_settle_early(void **state)
{
    (void)state;
    Rig rig;

    rig_init(&rig);
    for (uint8_t i = 0; i < 70; i++) {
        Span span = plain_span(i, 1);

        rig_send(&rig, &span, 1);
    }
    rig_tick(&rig, 0, false);
    assert_int_equal(rig_status(&rig).open_traces, 64);
    assert_int_equal(rig_status(&rig).early_settled, 6);
    assert_true(rig.store->rows[5].settled && !rig.store->rows[6].settled);
    rig_deinit(&rig);
}

static void test_a_failing_store_leaves_the_map_and_is_tried_again(void **state)
{
    (void)state;
    Rig rig;
    RandomSpans random = {.state = 7, .arena = &rig.arena, .n_traces = 4, .n_ids = 6};

    rig_init(&rig);
    for (unsigned i = 0; i < 10; i++) {
        random_step(&rig, &random);
    }
    log_set_level(LOG_SILENT);
    rig.store->read_error = -EIO;
    uint64_t open = rig_status(&rig).open_traces;
    rig_tick(&rig, 0, true);
    size_t reads = rig.store->n_reads;
    for (unsigned i = 0; i < 20; i++) { /* not tried with every tick */
        rig_tick(&rig, 1, true);
    }
    assert_int_equal(rig.store->n_reads, reads);
    assert_int_equal(rig_status(&rig).failed_batches, 1);
    rig_tick(&rig, 100, true);
    assert_int_equal(rig_status(&rig).failed_batches, 2);
    log_set_level(LOG_INFO);
    assert_true(rig_status(&rig).open_traces >= open);
    rig.store->read_error = 0;
    rig_tick(&rig, 1000, true);
    assert_map_is_lawful(&rig, random.n_traces, 7);
    rig_deinit(&rig);
}

static Span message(Rig *rig, uint8_t trace, const char *operation, uint8_t linked)
{
    Span span = plain_span(trace, 1);
    Attribute *attributes = ARENA_ARRAY(&rig->arena, Attribute, 2);
    Link *link = ARENA_NEW(&rig->arena, Link);

    attributes[0] = (Attribute){STR("messaging.destination.name"), value_string(STR("q"))};
    attributes[1] =
        (Attribute){STR("messaging.operation.type"), value_string(str_from_cstr(operation))};
    span.attributes = (Attributes){.items = attributes, .count = 2};
    *link = (Link){.trace_id = {{0xaa, [15] = linked}}, .span_id = {{1}}};
    span.links = link;
    span.n_links = linked != 0;
    return span;
}

/* A receive is silenced by a publisher and a process of two other traces, in every order. */
static void test_every_order_of_publisher_process_and_receive_is_the_same(void **state)
{
    (void)state;
    const uint8_t orders[][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};

    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        Rig rig;

        rig_init(&rig);
        for (size_t j = 0; j < 3; j++) {
            uint8_t which = orders[i][j];
            Span span = message(&rig, which,
                                which == 1   ? "send"
                                : which == 2 ? "process"
                                             : "receive",
                                which == 1 ? 0 : 1);
            rig_send(&rig, &span, 1);
            rig_tick(&rig, 0, true);
        }
        assert_map_is_lawful(&rig, 3, i);
        rig_deinit(&rig);
    }
}

static Span request(uint8_t trace, uint8_t id)
{
    Span span = plain_span(trace, id);

    span.kind = SPAN_KIND_SERVER;
    return span;
}

/* A part that cannot be read does not take back what it added when it could. */
static void test_a_damaged_trace_stays_on_the_map_as_it_was(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf before = {0};
    CLEANUP(buf_deinit) Buf after = {0};
    Rig rig;
    Span spans[] = {request(1, 1), request(1, 2), request(1, 3)};

    rig_init(&rig);
    rig_send(&rig, spans, 2);
    rig_tick(&rig, 0, true);
    dump_map(rig.map, &before);
    rig.store->damaged = 1;
    rig_send(&rig, &spans[2], 1);
    rig_tick(&rig, 0, true);
    dump_map(rig.map, &after);
    assert_true(dumps_equal(&before, &after, 0));
    assert_int_equal(rig_status(&rig).damaged_traces, 1);
    assert_true(rig.store->rows[2].settled);
    rig_deinit(&rig);
}

/* The first of two spans went with its block: nothing is taken back, the third is one by itself. */
static void test_late_spans_of_a_retired_trace_are_one_of_their_own(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf expected = {0};
    CLEANUP(buf_deinit) Buf got = {0};
    Rig rig, model;
    Span spans[] = {request(1, 1), request(1, 2), request(1, 3), request(2, 3)};

    spans[3].start_ns = spans[2].start_ns;
    rig_init(&model);
    rig_send(&model, spans, 2);
    rig_send(&model, &spans[3], 1);
    rig_tick(&model, 0, true);
    dump_map(model.map, &expected);
    rig_init(&rig);
    rig_send(&rig, spans, 2);
    rig_tick(&rig, 0, true);
    rig.store->retired = 1;
    rig_send(&rig, &spans[2], 1);
    rig_send(&rig, &spans[1], 1); /* a resend of what is left */
    rig_tick(&rig, 0, true);
    dump_map(rig.map, &got);
    assert_true(dumps_equal(&expected, &got, 0));
    assert_int_equal(rig_status(&rig).too_late_spans, 1);
    assert_int_equal(rig_status(&rig).damaged_traces, 0);
    rig_deinit(&rig);
    rig_deinit(&model);
}

/* A trace of which nothing is stored counts, one that is stored does not. */
static void test_spans_older_than_the_retention_are_told(void **state)
{
    (void)state;
    Rig rig;
    Span spans[] = {request(1, 1), request(2, 1), request(2, 2), request(3, 1), request(1, 2)};

    rig_init(&rig);
    rig_send(&rig, &spans[0], 1);
    rig_tick(&rig, 0, true);
    rig.store->retired_before_ns = spans[0].start_ns + 1;
    spans[2].start_ns += 5;
    spans[3].start_ns += 1;
    rig_send(&rig, &spans[1], 4);
    rig_tick(&rig, 0, true);
    assert_int_equal(rig_status(&rig).too_late_spans, 1);
    rig_deinit(&rig);
}

/* Nor does one that links to it; a new trace that does is on the map. */
static void test_neighbours_of_a_damaged_trace_stay_and_new_ones_come(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf before = {0};
    CLEANUP(buf_deinit) Buf same = {0};
    CLEANUP(buf_deinit) Buf more = {0};
    Rig rig;

    rig_init(&rig);
    Span publisher = message(&rig, 1, "send", 0), process = message(&rig, 2, "process", 1);
    Span late = request(2, 9), fresh = message(&rig, 3, "process", 1);
    rig_send(&rig, &publisher, 1);
    rig_send(&rig, &process, 1);
    rig_tick(&rig, 0, true);
    dump_map(rig.map, &before);
    rig.store->damaged = 1;
    rig_send(&rig, &late, 1);
    rig_tick(&rig, 0, true);
    dump_map(rig.map, &same);
    assert_true(dumps_equal(&before, &same, 0));
    rig_send(&rig, &fresh, 1);
    rig_tick(&rig, 0, true);
    dump_map(rig.map, &more);
    assert_false(str_equal(buf_str(&before), buf_str(&more)));
    rig_deinit(&rig);
}

/* As retention does: nobody says so. */
static void lose_trace(Rig *rig, uint8_t trace)
{
    size_t kept = 0;

    for (size_t i = 0; i < rig->store->n_rows; i++) {
        if (rig->store->rows[i].span.trace_id.bytes[TRACE_ID_SIZE - 1] != trace) {
            rig->store->rows[kept++] = rig->store->rows[i];
        }
    }
    rig->store->n_rows = kept;
}

/* Trace @lost of a publisher and the two that consume from it goes; then a late span comes for
 * trace @late. Whatever had settled first, nothing is taken back that was never added. */
static void check_late_after_loss(const uint8_t order[3], uint8_t lost, uint8_t late)
{
    CLEANUP(buf_deinit) Buf before = {0};
    CLEANUP(buf_deinit) Buf after = {0};
    Rig rig;

    rig_init(&rig);
    Span spans[] = {message(&rig, 1, "send", 0), message(&rig, 2, "process", 1),
                    message(&rig, 3, "receive", 1)};
    for (size_t i = 0; i < 3; i++) {
        rig_send(&rig, &spans[order[i] - 1], 1);
        rig_tick(&rig, 0, true);
    }
    dump_map(rig.map, &before);
    lose_trace(&rig, lost);
    Span span = request(late, 9);
    rig_send(&rig, &span, 1);
    rig_tick(&rig, 0, true);
    dump_map(rig.map, &after);
    assert_true(dumps_equal(&before, &after, 0));
    assert_in_range(rig_status(&rig).damaged_traces, 1, 3);
    rig_deinit(&rig);
}

static void test_a_trace_whose_neighbour_is_gone_stays_on_the_map_as_it_was(void **state)
{
    (void)state;
    const uint8_t orders[][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};

    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        check_late_after_loss(orders[i], 1, 2); /* the publisher is gone */
        check_late_after_loss(orders[i], 1, 3);
        check_late_after_loss(orders[i], 2, 1); /* a consumer */
        check_late_after_loss(orders[i], 3, 1);
        check_late_after_loss(orders[i], 2, 3); /* a sibling, which silences the receive */
    }
}

/* A link to what never came is nothing that is gone. */
static void test_a_link_to_a_trace_that_never_came_holds_nothing_up(void **state)
{
    (void)state;
    Rig rig;

    rig_init(&rig);
    Span span = message(&rig, 2, "process", 1), late = request(2, 9);
    rig_send(&rig, &span, 1);
    rig_tick(&rig, 0, true);
    rig_send(&rig, &late, 1);
    rig_tick(&rig, 0, true);
    assert_map_is_lawful(&rig, 2, 0);
    assert_int_equal(rig_status(&rig).damaged_traces, 0);
    rig_deinit(&rig);
}

/* Without links nothing but the trace itself is read: its settled rows and all of them. */
static void test_a_new_trace_without_links_reads_only_itself(void **state)
{
    (void)state;
    Rig rig;
    Span spans[] = {plain_span(1, 1), plain_span(1, 2), plain_span(2, 1)};

    rig_init(&rig);
    rig_send(&rig, spans, 3);
    rig_tick(&rig, 0, true);
    assert_int_equal(rig.store->n_reads, 2);
    rig_deinit(&rig);
}

/* The links of a batch that failed are not those of traces which are gone. */
static void test_what_links_to_a_trace_and_is_put_off_is_not_gone(void **state)
{
    (void)state;
    Rig rig;

    rig_init(&rig);
    Span publisher = message(&rig, 1, "send", 0), process = message(&rig, 2, "process", 1);
    Span late = request(1, 9);
    rig_send(&rig, &publisher, 1);
    rig_tick(&rig, 6000, false);
    rig_send(&rig, &process, 1);
    rig_tick(&rig, 500, false);
    rig_send(&rig, &late, 1);
    rig.store->fail_after = 2;
    rig_tick(&rig, 510, false); /* the process is due, and read; its publisher cannot be */
    assert_int_equal(rig_status(&rig).failed_batches, 1);
    rig_tick(&rig, 600, false); /* now the late span is due, the process is not yet again */
    assert_int_equal(rig_status(&rig).open_traces, 1);
    rig_tick(&rig, 10000, true);
    assert_int_equal(rig_status(&rig).damaged_traces, 0);
    assert_map_is_lawful(&rig, 2, 0);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_map_is_a_function_of_the_set_of_spans),
        cmocka_unit_test(test_links_are_learnt_again_after_a_restart),
        cmocka_unit_test(test_a_trace_settles_when_it_was_quiet),
        cmocka_unit_test(test_a_trace_that_never_is_quiet_settles_by_its_age),
        cmocka_unit_test(test_spans_beyond_the_limit_of_a_trace_are_settled_unread),
        cmocka_unit_test(test_beyond_the_limit_the_quietest_settle_early),
        cmocka_unit_test(test_a_failing_store_leaves_the_map_and_is_tried_again),
        cmocka_unit_test(test_every_order_of_publisher_process_and_receive_is_the_same),
        cmocka_unit_test(test_a_damaged_trace_stays_on_the_map_as_it_was),
        cmocka_unit_test(test_late_spans_of_a_retired_trace_are_one_of_their_own),
        cmocka_unit_test(test_spans_older_than_the_retention_are_told),
        cmocka_unit_test(test_neighbours_of_a_damaged_trace_stay_and_new_ones_come),
        cmocka_unit_test(test_a_trace_whose_neighbour_is_gone_stays_on_the_map_as_it_was),
        cmocka_unit_test(test_a_link_to_a_trace_that_never_came_holds_nothing_up),
        cmocka_unit_test(test_a_new_trace_without_links_reads_only_itself),
        cmocka_unit_test(test_what_links_to_a_trace_and_is_put_off_is_not_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
