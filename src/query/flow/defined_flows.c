// SPDX-License-Identifier: Apache-2.0
#include "query/flow/defined_flows.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/memory.h"
#include "map/contract.h"
#include "map/flow/runs.h"
#include "query/flow/gather.h"
#include "query/flow/touches.h"

/*
 * Members become runs and sums in a map that lives for the answers, so all that can be asked of a
 * flow can be asked of a defined one.
 */
#define NS_PER_MINUTE UINT64_C(60000000000)

enum {
    STOP = 1,
    APPLIED_AT_ONCE = 4096, /* members */
};

FlowMemory *flow_memory_new(size_t bytes_max, const Clock *clock)
{
    FlowMemory *memory = NEW(FlowMemory);

    memory->cache = flow_cache_new(bytes_max / 2, clock);
    memory->links = flow_cache_new(bytes_max / 4, clock);
    memory->touches = flow_touch_memory_new(bytes_max / 4);
    memory->results = flow_results_new(clock);
    return memory;
}

FlowMemory *flow_memory_free(FlowMemory *memory)
{
    if (memory != NULL) {
        flow_cache_free(memory->cache);
        flow_cache_free(memory->links);
        flow_results_free(memory->results);
        flow_touch_memory_free(memory->touches);
        mem_free(memory);
    }
    return NULL;
}

/* ---- the map ---- */

/* That the member's service performs its step (CONTRACT.md §6), as the contract tells it. */
static void add_performs(const Member *member, Deltas *deltas)
{
    CLEANUP(buf_deinit) Buf target = {0};
    Delta *delta = deltas_add(deltas);
    NodeKey step;

    ASSERT(node_key_parse(member->flow, &step) == 0);
    step.type = NODE_STEP;
    step.part = member->step;
    node_key_append(&step, &target);
    *delta = (Delta){.kind = DELTA_EDGE,
                     .relation = RELATION_PERFORMS,
                     .rule = RULE_FLOW,
                     .minute = (uint32_t)(member->start_ns / NS_PER_MINUTE),
                     .source = member->service,
                     .target = arena_copy(deltas->arena, buf_str(&target)),
                     .count = 1,
                     .errors = member->failed,
                     .adjusted = contract_weight(member->threshold),
                     .has_duration = true,
                     .duration_ns = member->end_ns - member->start_ns,
                     .trace_id = member->trace_id,
                     .start_ns = member->start_ns,
                     .span_id = member->span_id};
}

/* Some members at a time, so that what they change on the map need not all be held at once. */
static int apply(Map *map, const GatheredMember *items, size_t n)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Members none = {.arena = &arena};
    Members members = {.arena = &arena};
    Deltas minus = {.arena = &arena};
    Deltas plus = {.arena = &arena};

    for (size_t i = 0; i < n; i++) {
        Member *member = members_add(&members);

        *member = *items[i].member;
        member->run_id = items[i].run_id;
        member->no_run_id = items[i].no_run_id;
        add_performs(member, &plus);
    }
    TRY(runs_prepare(map_runs(map), &none, &members, &minus, &plus));
    runs_commit(map_runs(map));
    map_apply(map, &minus, -1);
    map_apply(map, &plus, 1);
    return 0;
}

static int make_map(const Gathering *gathering, Map **ret_map)
{
    const MapOptions options = {0};
    Map *map = map_new(&options);

    for (size_t at = 0; at < gathering->n; at += APPLIED_AT_ONCE) {
        int r = apply(map, &gathering->items[at], MIN(gathering->n - at, (size_t)APPLIED_AT_ONCE));

        if (r != 0) {
            map_free(map);
            return r;
        }
    }
    *ret_map = map;
    return 0;
}

/* Makes the map, or shares one that is made of the same members. */
static int find_map(const Gathering *gathering, FlowResult **ret_result)
{
    const FlowMemory *memory = gathering->question->memory;
    FlowResult *result = NULL;
    Map *map = NULL;

    if (memory == NULL) {
        TRY(make_map(gathering, &map));
        *ret_result = flow_result_new(map);
        return 0;
    }
    if (flow_results_get(memory->results, gathering_content(gathering), gathering->n,
                         gathering->question->deadline_ns, &result) == FLOW_RESULT_MAKE) {
        int r = make_map(gathering, &map);

        flow_results_made(memory->results, result, map);
        if (r != 0) {
            flow_result_unref(result);
            return r;
        }
    }
    *ret_result = result;
    return 0;
}

typedef struct ChosenTrace {
    TraceId id;
    uint64_t start_ns;
} ChosenTrace;

static int compare_newest_first(const void *a, const void *b)
{
    const ChosenTrace *left = a;
    const ChosenTrace *right = b;

    return left->start_ns != right->start_ns ? (left->start_ns < right->start_ns ? 1 : -1)
                                             : trace_id_compare(left->id, right->id);
}

/* Members are sorted by trace. */
static void list_traces(const Gathering *gathering, DefinedFlows *flows)
{
    ChosenTrace *traces = NEW_ARRAY(ChosenTrace, gathering->n + 1);
    size_t n = 0;

    for (size_t i = 0; i < gathering->n; i++) {
        const Member *member = gathering->items[i].member;

        if (n == 0 || !trace_id_equal(traces[n - 1].id, member->trace_id)) {
            traces[n++] = (ChosenTrace){member->trace_id, member->start_ns};
        }
    }
    qsort(traces, n, sizeof(ChosenTrace), compare_newest_first);
    flows->traces = NEW_ARRAY(TraceId, n + 1);
    for (size_t i = 0; i < n; i++) {
        flows->traces[i] = traces[i].id;
    }
    flows->n_traces = n;
    mem_free(traces);
}

static int finish(Gathering *gathering, DefinedFlows *flows)
{
    gather_finish(gathering);
    TRY(find_map(gathering, &flows->result));
    flows->map = flows->result->map;
    flows->spans = gathering->n;
    flows->truncated = gathering->truncated;
    flows->from_ns = gathering->floor_ns;
    if (gathering->question->wants_traces) {
        list_traces(gathering, flows);
    }
    return 0;
}

void defined_flows_deinit(DefinedFlows *flows)
{
    flows->result = flow_result_unref(flows->result);
    flows->map = NULL;
    mem_free(flows->traces);
    flows->traces = NULL;
    flows->n_traces = 0;
}

/* ---- questions ---- */

int defined_flows_evaluate(const DefinedQuestion *question, DefinedFlows *ret_flows)
{
    CLEANUP(gathering_deinit) Gathering gathering;

    gathering_init(&gathering, question);
    *ret_flows = (DefinedFlows){0};
    TRY(gather_window(&gathering));
    return finish(&gathering, ret_flows);
}

/* Traces with a span that has the key, each once. */
typedef struct TraceSet {
    Gathering *gathering;
    Table traces; /* of TraceId */
    bool is_cut;  /* there are more than may be, or time was over */
} TraceSet;

static int visit_trace(void *context, const Span *span)
{
    TraceSet *set = context;

    if (++set->gathering->looks % GATHER_LOOKS_PER_CLOCK == 0 && gather_is_late(set->gathering)) {
        set->is_cut = true;
        return STOP;
    }
    if (set->traces.n_records < FLOW_RUN_TRACES_MAX) {
        table_put(&set->traces, span->trace_id.bytes, NULL);
        return 0;
    }
    set->is_cut = table_find(&set->traces, span->trace_id.bytes) == NULL;
    return set->is_cut ? STOP : 0;
}

/* The head, then blocks, the newest first, while there is time. */
static int scan_traces(const StoreReading *reading, const Filter *filter, TraceSet *set)
{
    const StoreScan scan = {filter, 0, UINT64_MAX, visit_trace, set};
    int result = store_reading_scan_head(reading, &scan);

    for (size_t i = 0; i < store_reading_count(reading) && result == 0 && !set->is_cut; i++) {
        set->is_cut = gather_is_late(set->gathering);
        result = set->is_cut ? 0 : store_reading_scan_block(reading, i, &scan);
    }
    return MIN(result, 0);
}

static int find_traces(Str run_id, TraceSet *set)
{
    const DefinedQuestion *question = set->gathering->question;
    const Filter with_key = {.op = FILTER_COMPARE,
                             .field = FIELD_ATTRIBUTE,
                             .comparison = COMPARE_EQUAL_TEXT,
                             .key = question->definitions[0].key,
                             .operand = value_string(run_id)};
    TraceId trace_id;

    if (run_id.len == 2 * TRACE_ID_SIZE && trace_id_parse(run_id, &trace_id) == 0) {
        table_put(&set->traces, trace_id.bytes, NULL);
    }
    if (with_key.key.len == 0) {
        return 0;
    }
    StoreReading *reading = store_reading_open(question->store);
    int result = scan_traces(reading, &with_key, set);
    store_reading_close(reading);
    return result;
}

/* Those that were found before a limit are read all the same: some of a run is better than none. */
static int read_traces(const TraceSet *set)
{
    Gathering *gathering = set->gathering;

    for (size_t i = 0; i < set->traces.n_records && !gathering->truncated; i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        Span *spans = NULL;
        size_t n = 0;
        TraceId id;

        mem_copy(id.bytes, table_at(&set->traces, i), TRACE_ID_SIZE);
        TRY(store_read_trace(gathering->question->store, id, STORE_ALL, &arena, &spans, &n));
        for (size_t k = 0; k < n && gather_span(gathering, &spans[k]) == 0; k++) {
        }
        gathering->truncated |= gather_is_late(gathering);
    }
    gathering->truncated |= set->is_cut;
    return 0;
}

int defined_flows_run(const DefinedQuestion *question, Str run_id, DefinedFlows *ret_flows)
{
    CLEANUP(gathering_deinit) Gathering gathering;
    TraceSet set = {.gathering = &gathering};

    ASSERT(question->n_definitions == 1);
    *ret_flows = (DefinedFlows){0};
    gathering_init(&gathering, question);
    table_init(&set.traces, TRACE_ID_SIZE, TRACE_ID_SIZE);
    int result = find_traces(run_id, &set);
    result = result != 0 ? result : read_traces(&set);
    table_deinit(&set.traces);
    return result != 0 ? result : finish(&gathering, ret_flows);
}
