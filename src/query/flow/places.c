// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "query/flow/gather.h"

/*
 * A block is read whole, for all flows that lack it, whatever the window: what it is to a
 * definition can then be kept. So is the head, or a trace's key that lies outside of the window
 * would count once it is in a block, and not before. Two places are read by the window instead, in
 * slices from the newest on: a block that has too many members to keep, and the head when it has.
 */
enum {
    STOP = 1, /* of a scan: a limit is met */
    SLICES_MAX = 256,
};

#define SLICE_NS (UINT64_C(3600) * 1000000000)

/* ---- reading a place ---- */

/* A scan of one place for some flows, each with a part of its own. */
typedef struct PlaceScan {
    Gathering *gathering;
    size_t index;
    uint32_t *flows; /* indexes */
    FlowBlock **blocks;
    size_t n_flows;
    FilterSet any;
    Arena arena; /* of all of these: a question over many blocks holds one at a time */
    bool is_full;
} PlaceScan;

static void place_scan_init(PlaceScan *scan, Gathering *gathering, size_t index)
{
    *scan = (PlaceScan){.gathering = gathering, .index = index};
    scan->flows = ARENA_ARRAY(&scan->arena, uint32_t, gathering->n_flows);
    scan->blocks = ARENA_ARRAY(&scan->arena, FlowBlock *, gathering->n_flows);
}

static void place_scan_add(PlaceScan *scan, uint32_t flow)
{
    scan->flows[scan->n_flows] = flow;
    scan->blocks[scan->n_flows++] = flow_block_new();
}

static void place_scan_join(PlaceScan *scan)
{
    CompiledFlow **flows = ARENA_ARRAY(&scan->arena, CompiledFlow *, scan->n_flows);

    for (size_t i = 0; i < scan->n_flows; i++) {
        flows[i] = &scan->gathering->flows[scan->flows[i]];
    }
    flow_join_filters(flows, scan->n_flows, &scan->arena, &scan->any);
}

static void place_scan_deinit(PlaceScan *scan)
{
    for (size_t i = 0; i < scan->n_flows; i++) {
        flow_block_unref(scan->blocks[i]);
    }
    filter_set_deinit(&scan->any);
    arena_deinit(&scan->arena);
}

static int visit_span(void *context, const Span *span)
{
    PlaceScan *scan = context;
    Gathering *gathering = scan->gathering;
    size_t count = 0;

    if (++gathering->looks % GATHER_LOOKS_PER_CLOCK == 0 && gather_is_late(gathering)) {
        return STOP;
    }
    for (size_t i = 0; i < scan->n_flows; i++) {
        FlowMembers *members = &scan->blocks[i]->members;

        flow_members_take(members, &gathering->flows[scan->flows[i]], span, &gathering->scratch);
        count += flow_members_count(members);
    }
    arena_reset(&gathering->scratch);
    scan->is_full = count > FLOW_BLOCK_MEMBERS_MAX;
    return scan->is_full ? STOP : 0;
}

static int scan_place(PlaceScan *scan, uint64_t from_ns, uint64_t to_ns)
{
    const StoreReading *reading = scan->gathering->reading;
    const StoreScan all = {scan->any.root, from_ns, to_ns, visit_span, scan};

    return scan->index == GATHER_HEAD ? store_reading_scan_head(reading, &all)
                                      : store_reading_scan_block(reading, scan->index, &all);
}

static void restart(PlaceScan *scan)
{
    for (size_t i = 0; i < scan->n_flows; i++) {
        flow_block_unref(scan->blocks[i]);
        scan->blocks[i] = flow_block_new();
    }
    scan->is_full = false;
}

/* Hands what was found to the question. */
static void take_parts(PlaceScan *scan)
{
    for (size_t i = 0; i < scan->n_flows; i++) {
        gather_add_part(scan->gathering, TAKE(scan->blocks[i]), scan->index, scan->flows[i]);
    }
}

/* Newest slices first, so that what a limit leaves out is the oldest. */
static int scan_slices(PlaceScan *scan, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t slice = to_ns > from_ns ? MAX(SLICE_NS, (to_ns - from_ns) / SLICES_MAX + 1) : SLICE_NS;
    int result = 0;

    restart(scan);
    while (to_ns > from_ns && result == 0) {
        uint64_t start = to_ns - from_ns > slice ? to_ns - slice : from_ns;

        result = scan_place(scan, start, to_ns);
        if (result == STOP) {
            gather_raise_floor(scan->gathering, to_ns);
        }
        to_ns = start;
    }
    TRY(MIN(result, 0));
    take_parts(scan);
    return 0;
}

/* The end of the window, no later than behind the newest span. */
static uint64_t end_of(const Gathering *gathering, uint64_t newest_ns)
{
    return MIN(gathering->to_ns, newest_ns == UINT64_MAX ? UINT64_MAX : newest_ns + 1);
}

/* What the place has of the window. */
static int scan_window(PlaceScan *scan, StoreBlock place)
{
    const Gathering *gathering = scan->gathering;

    return scan_slices(scan, MAX(gathering->floor_ns, place.min_start_ns),
                       end_of(gathering, place.max_start_ns));
}

int gather_head(Gathering *gathering)
{
    CLEANUP(place_scan_deinit) PlaceScan scan;

    place_scan_init(&scan, gathering, GATHER_HEAD);
    for (uint32_t i = 0; i < gathering->n_flows; i++) {
        place_scan_add(&scan, i);
    }
    place_scan_join(&scan);
    int result = scan_place(&scan, 0, UINT64_MAX);
    TRY(MIN(result, 0));
    if (scan.is_full) {
        return scan_window(&scan, store_reading_head(gathering->reading));
    }
    if (result == STOP) {
        gather_raise_floor(gathering, gathering->to_ns);
    }
    take_parts(&scan);
    return 0;
}

/* ---- blocks ---- */

/* Adds the parts that are kept; those that are not go to @scan. */
static void find_kept(Gathering *gathering, const StoreBlock *block, PlaceScan *scan,
                      PlaceScan *by_window)
{
    for (uint32_t i = 0; i < gathering->n_flows; i++) {
        FlowBlock *kept =
            gathering->cache == NULL
                ? NULL
                : flow_cache_find(gathering->cache, block->number, gathering->flows[i].version);

        if (kept == NULL) {
            place_scan_add(scan, i);
        } else if (kept->has_too_many) {
            flow_block_unref(kept);
            place_scan_add(by_window, i);
        } else {
            gather_add_part(gathering, kept, scan->index, i);
        }
    }
}

static void keep(const PlaceScan *scan, uint64_t number)
{
    const Gathering *gathering = scan->gathering;

    for (size_t i = 0; i < scan->n_flows; i++) {
        const CompiledFlow *flow = &gathering->flows[scan->flows[i]];

        if (gathering->cache != NULL && !flow_gave_up(flow)) {
            flow_cache_put(gathering->cache, number, flow->version, scan->blocks[i]);
        }
    }
}

static void keep_too_many(PlaceScan *scan, uint64_t number)
{
    FlowBlock *none = flow_block_new();

    none->has_too_many = true;
    flow_cache_put(scan->gathering->cache, number, scan->gathering->flows[scan->flows[0]].version,
                   none);
    flow_block_unref(none);
}

/* Reads the block whole for flows that lack it. @ret_full: it has too many members; nothing was
 * taken. */
static int read_missing(Gathering *gathering, const StoreBlock *block, PlaceScan *missing,
                        bool *ret_full)
{
    place_scan_join(missing);
    int result = scan_place(missing, 0, UINT64_MAX);
    *ret_full = missing->is_full;
    if (result == STOP && !missing->is_full) {
        gather_raise_floor(gathering, end_of(gathering, block->max_start_ns));
    } else if (result == 0) {
        keep(missing, block->number);
        take_parts(missing);
    }
    return MIN(result, 0);
}

/* A flow by itself; one that has too many is read by the window, now and in questions to come. */
static int read_alone(Gathering *gathering, const StoreBlock *block, size_t index, uint32_t flow)
{
    CLEANUP(place_scan_deinit) PlaceScan scan;
    bool is_full = false;

    place_scan_init(&scan, gathering, index);
    place_scan_add(&scan, flow);
    TRY(read_missing(gathering, block, &scan, &is_full));
    if (!is_full) {
        return 0;
    }
    if (gathering->cache != NULL) {
        keep_too_many(&scan, block->number);
    }
    return scan_window(&scan, *block);
}

/* All at once, unless these are too many together. */
static int read_all_missing(Gathering *gathering, const StoreBlock *block, PlaceScan *missing)
{
    bool is_full = false;

    if (missing->n_flows == 0) {
        return 0;
    }
    if (missing->n_flows > 1) {
        TRY(read_missing(gathering, block, missing, &is_full));
        if (!is_full) {
            return 0;
        }
    }
    restart(missing);
    for (size_t i = 0; i < missing->n_flows; i++) {
        if (gathering->bytes > GATHER_BYTES_MAX) {
            gather_raise_floor(gathering, end_of(gathering, block->max_start_ns));
            return 0;
        }
        TRY(read_alone(gathering, block, missing->index, missing->flows[i]));
    }
    return 0;
}

static int read_by_window(Gathering *gathering, const StoreBlock *block, PlaceScan *scan)
{
    if (scan->n_flows == 0) {
        return 0;
    }
    place_scan_join(scan);
    return scan_window(scan, *block);
}

static int read_block_in_turn(Gathering *gathering, size_t index, const StoreBlock *block)
{
    CLEANUP(place_scan_deinit) PlaceScan missing;
    CLEANUP(place_scan_deinit) PlaceScan by_window;

    place_scan_init(&missing, gathering, index);
    place_scan_init(&by_window, gathering, index);
    find_kept(gathering, block, &missing, &by_window);
    TRY(read_all_missing(gathering, block, &missing));
    return read_by_window(gathering, block, &by_window);
}

/* Whether all is kept that the block is to the flows. */
static bool is_all_kept(const Gathering *gathering, uint64_t number)
{
    for (size_t i = 0; i < gathering->n_flows; i++) {
        if (!flow_cache_has(gathering->cache, number, gathering->flows[i].version)) {
            return false;
        }
    }
    return true;
}

int gather_block(Gathering *gathering, size_t index)
{
    const StoreBlock block = store_reading_block(gathering->reading, index);

    if (gathering->bytes > GATHER_BYTES_MAX || gather_is_late(gathering)) {
        gather_raise_floor(gathering, end_of(gathering, block.max_start_ns));
        return 0;
    }
    if (gathering->cache == NULL || is_all_kept(gathering, block.number)) {
        return read_block_in_turn(gathering, index, &block);
    }
    if (flow_cache_begin(gathering->cache, gathering->question->deadline_ns) != 0) {
        gather_raise_floor(gathering, end_of(gathering, block.max_start_ns));
        return 0;
    }
    int result = read_block_in_turn(gathering, index, &block);
    flow_cache_end(gathering->cache);
    return result;
}
