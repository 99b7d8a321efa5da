// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "query/flow/touch_links.h"
#include "query/flow/touches.h"

/*
 * The traces that matter are those of the chosen spans and all that is downstream of them by links:
 * a consumer in another trace works for the step that published. Each is computed beside the traces
 * around it, as the map does it when a trace settles (map/settling.c), and kept with a stamp of all
 * of them.
 */
#define NS_PER_MINUTE UINT64_C(60000000000)
#define MINUTES_PER_DAY 1440

/* A sum of the answer, before names are resolved, which depends on the day. */
typedef struct TouchSum {
    uint32_t flow, step, source, target; /* symbols */
    uint32_t relation, rule, day;
    uint64_t count;
} TouchSum;

enum { TOUCH_SUM_KEY = 7 * sizeof(uint32_t), NO_MORE = 1 };

typedef struct Asking {
    const FlowTouchQuestion *question;
    FlowTouchMemory *memory; /* may be NULL */
    FlowCache *cache;        /* of links; may be NULL */
    CompiledFlow flow;
    StoreReading *reading;
    FlowLinks links;
    bool incomplete;
    Table traces; /* of TraceId: whose contributions count */
    Symbols names;
    Table sums; /* of TouchSum */
    Arena arena;
    Arena scratch; /* of one trace */
} Asking;

static void asking_init(Asking *asking, const FlowTouchQuestion *question)
{
    const DefinedQuestion *defined = question->defined;

    ASSERT(defined->n_definitions == 1);
    *asking = (Asking){.question = question};
    if (defined->memory != NULL) {
        asking->memory = defined->memory->touches;
        asking->cache = defined->memory->links;
    }
    flow_compile(&defined->definitions[0], &asking->arena, &asking->flow);
    table_init(&asking->traces, TRACE_ID_SIZE, TRACE_ID_SIZE);
    table_init(&asking->sums, sizeof(TouchSum), TOUCH_SUM_KEY);
    asking->reading = store_reading_open(defined->store);
}

static void asking_deinit(Asking *asking)
{
    flow_compiled_deinit(&asking->flow);
    flow_links_deinit(&asking->links);
    store_reading_close(asking->reading);
    table_deinit(&asking->traces);
    table_deinit(&asking->sums);
    symbols_deinit(&asking->names);
    arena_deinit(&asking->scratch);
    arena_deinit(&asking->arena);
}

static bool is_late(const Asking *asking)
{
    const FlowTouchQuestion *question = asking->question;

    return question->until_ns != 0 &&
           clock_monotonic_ns(question->defined->clock) >= question->until_ns;
}

static TraceId id_at(const Table *ids, size_t index)
{
    TraceId id;

    mem_copy(id.bytes, table_at(ids, index), TRACE_ID_SIZE);
    return id;
}

/* ---- which traces ---- */

/* Those of spans that are near enough in time to be of a run of the window: a queue may keep a
 * message for as long as a run may wait, and for an hour. */
static int read_links(Asking *asking)
{
    const DefinedQuestion *defined = asking->question->defined;
    uint64_t reach = MAX(defined->definitions[0].within_ns, FLOW_WITHIN_DEFAULT_NS);
    const FlowLinksQuestion links = {
        .store = defined->store,
        .reading = asking->reading,
        .cache = asking->cache,
        .from_ns = defined->from_ns > reach ? defined->from_ns - reach : 0,
        .to_ns = defined->to_ns < UINT64_MAX - reach ? defined->to_ns + reach : UINT64_MAX,
        .clock = defined->clock,
        .until_ns = asking->question->until_ns,
        .max = FLOW_TOUCH_LINKS_MAX};

    TRY(flow_links_read(&links, &asking->links));
    asking->incomplete = asking->links.cut;
    return 0;
}

/* Adds @id unless there are @max. Returns whether it is there. */
static bool add_id(Table *ids, TraceId id, size_t max)
{
    if (ids->n_records >= max) {
        return table_find(ids, id.bytes) != NULL;
    }
    table_put(ids, id.bytes, NULL);
    return true;
}

static void add_sources(Asking *asking, TraceId target, Table *ids, size_t max)
{
    size_t at, end = flow_links_to(&asking->links, target, &at);

    for (; at < end; at++) {
        asking->incomplete |= !add_id(ids, asking->links.by_target[at].source, max);
    }
}

/* Those of chosen spans, then all that links to them, what links to these, and so on. */
static void find_traces(Asking *asking)
{
    const DefinedFlows *flows = asking->question->flows;

    for (size_t i = 0; i < flows->n_traces; i++) {
        asking->incomplete |= !add_id(&asking->traces, flows->traces[i], FLOW_TOUCH_TRACES_MAX);
    }
    for (size_t i = 0; i < asking->traces.n_records && asking->links.n > 0; i++) {
        add_sources(asking, id_at(&asking->traces, i), &asking->traces, FLOW_TOUCH_TRACES_MAX);
    }
}

/* The traces that can matter to what @id adds: those that link to it, those that it links to with
 * the others that link to them, and all that is upstream. */
static void find_neighbours(Asking *asking, TraceId id, Table *ids)
{
    const size_t max = FLOW_TOUCH_NEIGHBOURS_MAX + 1;
    size_t at, end = flow_links_from(&asking->links, id, &at);

    add_id(ids, id, max);
    add_sources(asking, id, ids, max);
    for (size_t k = at; k < end; k++) {
        add_sources(asking, asking->links.by_source[k].target, ids, max);
    }
    size_t next = ids->n_records;
    for (; at < end; at++) {
        asking->incomplete |= !add_id(ids, asking->links.by_source[at].target, max);
    }
    for (; next < ids->n_records; next++) {
        end = flow_links_from(&asking->links, id_at(ids, next), &at);
        for (; at < end; at++) {
            asking->incomplete |= !add_id(ids, asking->links.by_source[at].target, max);
        }
    }
}

/* ---- what they touch ---- */

static uint64_t stamp_of(const Asking *asking, const Table *ids)
{
    uint64_t stamp = ids->n_records;

    for (size_t i = 0; i < ids->n_records; i++) {
        stamp = stamp * UINT64_C(0x9e3779b97f4a7c15) +
                store_reading_stamp(asking->reading, id_at(ids, i));
    }
    return stamp;
}

/* Returns 0; NO_MORE: time is over, or these are more bytes than may be; -errno. */
static int compute(Asking *asking, const Table *ids, FlowTouch **ret_touches, size_t *ret_n)
{
    ContractTrace *traces = ARENA_ARRAY(&asking->scratch, ContractTrace, ids->n_records);

    for (size_t i = 0; i < ids->n_records; i++) {
        StoreTraceView view = {0};

        if (is_late(asking)) {
            return NO_MORE;
        }
        TRY(store_reading_trace(asking->reading, id_at(ids, i), FLOW_TOUCH_BYTES_MAX,
                                &asking->scratch, &view));
        traces[i] = (ContractTrace){id_at(ids, i), view.spans, view.n_spans};
    }
    flow_touches_of(&asking->flow, &traces[0], traces + 1, ids->n_records - 1, &asking->scratch,
                    ret_touches, ret_n);
    return 0;
}

/* Whether the flow's scope and environment are asked for. */
static bool is_asked(const MapFlowQuestion *asked, Str flow)
{
    NodeKey key;

    return node_key_parse(flow, &key) == 0 &&
           (asked->scope.len == 0 || str_equal(key.scope, asked->scope)) &&
           (!asked->has_environment || str_equal(key.environment, asked->environment));
}

static void sum_up(Asking *asking, const FlowTouch *touches, size_t n)
{
    const MapFlowQuestion *asked = asking->question->asked;

    for (size_t i = 0; i < n; i++) {
        const FlowTouch *touch = &touches[i];

        if (touch->minute < asked->from_minute || touch->minute >= asked->to_minute ||
            !is_asked(asked, touch->flow)) {
            continue;
        }
        const TouchSum key = {.flow = symbols_intern(&asking->names, touch->flow),
                              .step = symbols_intern(&asking->names, touch->step),
                              .source = symbols_intern(&asking->names, touch->source),
                              .target = symbols_intern(&asking->names, touch->target),
                              .relation = touch->relation,
                              .rule = touch->rule,
                              .day = touch->minute / MINUTES_PER_DAY};
        TouchSum *sum = table_put(&asking->sums, &key, NULL);
        sum->count += touch->count;
    }
}

/* One trace. What is not kept is computed while there is time. */
static int ask_trace(Asking *asking, TraceId id, Table *ids)
{
    const FlowTouchKey key = {id, asking->flow.version};
    FlowTouch *touches = NULL;
    size_t n = 0;

    arena_reset(&asking->scratch);
    table_clear(ids);
    find_neighbours(asking, id, ids);
    uint64_t stamp = stamp_of(asking, ids);
    bool is_kept = asking->memory != NULL && flow_touch_memory_find(asking->memory, &key, stamp,
                                                                    &asking->scratch, &touches, &n);
    if (!is_kept) {
        int result = compute(asking, ids, &touches, &n);

        if (result != 0) {
            asking->incomplete = true;
            return MIN(result, 0);
        }
        if (asking->memory != NULL) {
            flow_touch_memory_put(asking->memory, &key, stamp, touches, n);
        }
    }
    sum_up(asking, touches, n);
    return 0;
}

/* ---- the answer ---- */

static int compare_answers(const void *a, const void *b)
{
    const MapFlowTouch *left = a;
    const MapFlowTouch *right = b;
    int order = str_compare(left->step, right->step);

    order = order != 0 ? order : (int)left->relation - (int)right->relation;
    return order != 0 ? order : str_compare(left->node_id, right->node_id);
}

static MapFlowTouch *resolve(const Asking *asking, Arena *arena)
{
    size_t n = asking->sums.n_records;
    Delta *deltas = ARENA_ARRAY(arena, Delta, n + 1);
    MapPlace *places = ARENA_ARRAY(arena, MapPlace, n + 1);
    MapFlowTouch *touches = ARENA_ARRAY(arena, MapFlowTouch, n + 1);

    for (size_t i = 0; i < n; i++) {
        const TouchSum *sum = table_at(&asking->sums, i);

        deltas[i] = (Delta){.kind = DELTA_EDGE,
                            .relation = (Relation)sum->relation,
                            .rule = (Rule)sum->rule,
                            .minute = sum->day * MINUTES_PER_DAY,
                            .source = symbols_get(&asking->names, sum->source),
                            .target = symbols_get(&asking->names, sum->target)};
    }
    map_locate(asking->question->names, deltas, n, arena, places);
    for (size_t i = 0; i < n; i++) {
        const TouchSum *sum = table_at(&asking->sums, i);

        touches[i] =
            (MapFlowTouch){.step = arena_copy(arena, symbols_get(&asking->names, sum->step)),
                           .relation = (Relation)sum->relation,
                           .node_id = places[i].target_id,
                           .node = places[i].target,
                           .count = sum->count};
    }
    if (n > 1) {
        qsort(touches, n, sizeof(MapFlowTouch), compare_answers);
    }
    return touches;
}

/* Services, days and environments added up. */
static size_t add_up(MapFlowTouch *touches, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && compare_answers(&touches[kept - 1], &touches[i]) == 0) {
            touches[kept - 1].count += touches[i].count;
        } else {
            touches[kept++] = touches[i];
        }
    }
    return kept;
}

int flow_touches_ask(const FlowTouchQuestion *question, Arena *arena, MapFlowTouch **ret_touches,
                     size_t *ret_n, bool *ret_incomplete)
{
    CLEANUP(asking_deinit) Asking asking;
    Table ids;
    int result = 0;

    asking_init(&asking, question);
    TRY(read_links(&asking));
    find_traces(&asking);
    table_init(&ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    for (size_t i = 0; i < asking.traces.n_records && result == 0; i++) {
        if (is_late(&asking)) { /* finding what is kept takes its time, too */
            asking.incomplete = true;
            break;
        }
        result = ask_trace(&asking, id_at(&asking.traces, i), &ids);
    }
    table_deinit(&ids);
    TRY(result);
    *ret_touches = resolve(&asking, arena);
    *ret_n = add_up(*ret_touches, asking.sums.n_records);
    *ret_incomplete = asking.incomplete || flow_gave_up(&asking.flow);
    return 0;
}
