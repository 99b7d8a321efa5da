// SPDX-License-Identifier: Apache-2.0
#include "query/flow/gather.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/hash.h"
#include "store/block.h"

/*
 * A block is read whole, for all flows that lack it, whatever the window: what it is to a
 * definition can then be kept. Two places are read by the window instead, in slices from the newest
 * on: a block that has too many members to keep, and the head when it has.
 */
enum {
    STOP = 1, /* of a scan: a limit is met */
    LOOKS_PER_CLOCK = 1024,
    SLICES_MAX = 256,
};

#define SLICE_NS (UINT64_C(3600) * 1000000000)
#define GATHER_HEAD SIZE_MAX

/* The times that are looked at: the window, and what runs reach around it. */
static void find_period(Gathering *gathering)
{
    const DefinedQuestion *question = gathering->question;
    uint64_t reach = 0;

    for (size_t i = 0; i < question->n_definitions; i++) {
        reach = MAX(reach, question->definitions[i].within_ns);
    }
    gathering->from_ns = question->from_ns > reach ? question->from_ns - reach : 0;
    gathering->to_ns = question->to_ns < UINT64_MAX - reach ? question->to_ns + reach : UINT64_MAX;
    gathering->floor_ns = gathering->from_ns;
}

void gathering_init(Gathering *gathering, const DefinedQuestion *question)
{
    *gathering = (Gathering){.question = question,
                             .cache = question->memory == NULL ? NULL : question->memory->cache};
    gathering->flows = ARENA_ARRAY(&gathering->arena, CompiledFlow, question->n_definitions + 1);
    for (size_t i = 0; i < question->n_definitions; i++) {
        flow_compile(&question->definitions[i], &gathering->arena,
                     &gathering->flows[gathering->n_flows++]);
    }
}

void gathering_deinit(Gathering *gathering)
{
    for (size_t i = 0; i < gathering->n_parts; i++) {
        flow_block_unref(gathering->parts[i].block);
    }
    for (size_t i = 0; i < gathering->n_flows; i++) {
        flow_compiled_deinit(&gathering->flows[i]);
    }
    gathering->reading = store_reading_close(gathering->reading);
    mem_free(gathering->parts);
    mem_free(gathering->items);
    arena_deinit(&gathering->scratch);
    arena_deinit(&gathering->arena);
}

bool gather_is_late(const Gathering *gathering)
{
    const DefinedQuestion *question = gathering->question;

    return question->deadline_ns != 0 &&
           clock_monotonic_ns(question->clock) >= question->deadline_ns;
}

void gather_raise_floor(Gathering *gathering, uint64_t ns)
{
    gathering->floor_ns = MAX(gathering->floor_ns, ns);
    gathering->truncated = true;
}

void gather_add_part(Gathering *gathering, FlowBlock *block, size_t index, uint32_t flow)
{
    ARRAY_RESERVE(gathering->parts, gathering->n_parts, gathering->parts_capacity);
    gathering->parts[gathering->n_parts++] = (GatherPart){block, index, flow};
    gathering->bytes += flow_members_bytes(&block->members);
}

/* ---- members ---- */

static void take_members(Gathering *gathering, const GatherPart *part)
{
    for (size_t i = 0; i < part->block->members.n; i++) {
        const Member *member = &part->block->members.items[i];

        if (member->start_ns < gathering->floor_ns ||
            !starts_before(member->start_ns, gathering->to_ns) ||
            (part->index != GATHER_HEAD &&
             store_reading_hides(gathering->reading, part->index, member->trace_id))) {
            continue;
        }
        ARRAY_RESERVE(gathering->items, gathering->n, gathering->capacity);
        gathering->items[gathering->n++] = (GatheredMember){.member = member,
                                                            .run_id = member->run_id,
                                                            .no_run_id = member->no_run_id,
                                                            .flow = part->flow};
    }
}

static int compare_newest_first(const void *a, const void *b)
{
    uint64_t left = ((const GatheredMember *)a)->member->start_ns;
    uint64_t right = ((const GatheredMember *)b)->member->start_ns;

    return (left < right) - (left > right);
}

/* No more members than a question may have: the newest. */
static void keep_newest(Gathering *gathering)
{
    if (gathering->n > FLOW_SPANS_MAX) {
        qsort(gathering->items, gathering->n, sizeof(GatheredMember), compare_newest_first);
        gathering->n = FLOW_SPANS_MAX;
        gather_raise_floor(gathering, gathering->items[FLOW_SPANS_MAX - 1].member->start_ns);
    }
}

static void take_new_parts(Gathering *gathering, size_t first)
{
    for (size_t i = first; i < gathering->n_parts; i++) {
        take_members(gathering, &gathering->parts[i]);
    }
    keep_newest(gathering);
}

int gather_window(Gathering *gathering)
{
    find_period(gathering);
    if (gathering->n_flows == 0) {
        return 0;
    }
    if (gathering->cache != NULL) {
        flow_cache_sweep(gathering->cache, gathering->question->store, NULL, 0);
    }
    gathering->reading = store_reading_open(gathering->question->store);
    TRY(gather_head(gathering));
    take_new_parts(gathering, 0);
    for (size_t i = 0; i < store_reading_count(gathering->reading); i++) {
        const StoreBlock block = store_reading_block(gathering->reading, i);
        size_t first = gathering->n_parts;

        if (block.max_start_ns < gathering->floor_ns ||
            !starts_before(block.min_start_ns, gathering->to_ns)) {
            continue;
        }
        TRY(gather_block(gathering, i));
        take_new_parts(gathering, first);
    }
    return 0;
}

int gather_span(Gathering *gathering, const Span *span)
{
    ASSERT(gathering->n_flows == 1);
    if (gathering->n_parts == 0) {
        gather_add_part(gathering, flow_block_new(), GATHER_HEAD, 0);
        gathering->to_ns = UINT64_MAX;
    }
    FlowMembers *members = &gathering->parts[0].block->members;
    if (flow_members_count(members) >= FLOW_SPANS_MAX ||
        (++gathering->looks % GATHER_LOOKS_PER_CLOCK == 0 && gather_is_late(gathering))) {
        gathering->truncated = true;
        return 1;
    }
    flow_members_take(members, &gathering->flows[0], span, &gathering->scratch);
    arena_reset(&gathering->scratch);
    return 0;
}

/* ---- runs ---- */

/* A trace of one flow that has spans without a key of their own. */
typedef struct KeylessTrace {
    TraceId trace_id;
    uint32_t flow;
    uint32_t padding; /* part of the key: 0 */
    FlowTraceKey key; /* the earliest; an empty value: none */
} KeylessTrace;

enum { KEYLESS_KEY_SIZE = TRACE_ID_SIZE + 2 * sizeof(uint32_t) };

static KeylessTrace *find_keyless(const Table *traces, TraceId id, uint32_t flow)
{
    const KeylessTrace wanted = {.trace_id = id, .flow = flow};

    return table_find(traces, &wanted);
}

static void look_up_keys(const Gathering *gathering, const GatherPart *part, Table *traces)
{
    const Table *keys = &part->block->members.keys;

    for (size_t i = 0; i < keys->n_records; i++) {
        const FlowTraceKey *key = table_at(keys, i);
        KeylessTrace *trace = find_keyless(traces, key->trace_id, part->flow);

        if (trace != NULL && (trace->key.value.len == 0 || flow_key_is_earlier(key, &trace->key)) &&
            (part->index == GATHER_HEAD ||
             !store_reading_hides(gathering->reading, part->index, key->trace_id))) {
            trace->key = *key;
        }
    }
}

/* A span without a key of its own has its trace's. */
static void join_by_trace(Gathering *gathering)
{
    Table traces;

    table_init(&traces, sizeof(KeylessTrace), KEYLESS_KEY_SIZE);
    for (size_t i = 0; i < gathering->n; i++) {
        const GatheredMember *item = &gathering->items[i];

        if (item->no_run_id && gathering->flows[item->flow].definition->key.len > 0) {
            const KeylessTrace wanted = {.trace_id = item->member->trace_id, .flow = item->flow};

            table_put(&traces, &wanted, NULL);
        }
    }
    for (size_t i = 0; i < gathering->n_parts && traces.n_records > 0; i++) {
        look_up_keys(gathering, &gathering->parts[i], &traces);
    }
    for (size_t i = 0; i < gathering->n && traces.n_records > 0; i++) {
        GatheredMember *item = &gathering->items[i];
        const KeylessTrace *trace =
            item->no_run_id ? find_keyless(&traces, item->member->trace_id, item->flow) : NULL;

        if (trace != NULL && trace->key.value.len > 0) {
            item->run_id = trace->key.value;
            item->no_run_id = false;
        }
    }
    table_deinit(&traces);
}

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

static int compare_identity(const GatheredMember *a, const GatheredMember *b)
{
    int order = ORDER(a->flow, b->flow);

    order = order != 0 ? order : trace_id_compare(a->member->trace_id, b->member->trace_id);
    order = order != 0 ? order : span_id_compare(a->member->span_id, b->member->span_id);
    return order != 0 ? order : ORDER(a->member->client, b->member->client);
}

/* Of an identity the one that counts first (§1), as far as members tell. */
static int compare_items(const void *a, const void *b)
{
    const GatheredMember *left = a;
    const GatheredMember *right = b;
    int order = compare_identity(left, right);

    order = order != 0 ? order : ORDER(right->member->end_ns, left->member->end_ns);
    order = order != 0 ? order : ORDER(right->member->start_ns, left->member->start_ns);
    order = order != 0 ? order : ORDER(left->member->failed, right->member->failed);
    order = order != 0 ? order : str_compare(left->member->step, right->member->step);
    return order != 0 ? order : str_compare(left->run_id, right->run_id);
}

void gather_finish(Gathering *gathering)
{
    size_t kept = 0;

    if (gathering->reading == NULL) {
        take_new_parts(gathering, 0);
    }
    join_by_trace(gathering);
    if (gathering->n > 1) {
        qsort(gathering->items, gathering->n, sizeof(GatheredMember), compare_items);
    }
    for (size_t i = 0; i < gathering->n; i++) {
        if (kept == 0 || compare_identity(&gathering->items[kept - 1], &gathering->items[i]) != 0) {
            gathering->items[kept++] = gathering->items[i];
        }
    }
    gathering->n = kept;
    for (size_t i = 0; i < gathering->n_flows; i++) {
        gathering->truncated |= flow_gave_up(&gathering->flows[i]);
    }
}

/* ---- what it is ---- */

static void append_text(Buf *buf, Str text)
{
    buf_append_str(buf, str_from_bytes(&text.len, sizeof(text.len)));
    buf_append_str(buf, text);
}

static void append_item(Buf *buf, const GatheredMember *item)
{
    const Member *member = item->member;
    const uint64_t numbers[] = {member->start_ns, member->end_ns, member->threshold,
                                (uint64_t)item->flow << 8 | (uint64_t)item->no_run_id << 2 |
                                    (uint64_t)member->client << 1 | (uint64_t)member->failed};

    buf_append_str(buf, str_from_bytes(member->trace_id.bytes, TRACE_ID_SIZE));
    buf_append_str(buf, str_from_bytes(member->span_id.bytes, SPAN_ID_SIZE));
    buf_append_str(buf, str_from_bytes(numbers, sizeof(numbers)));
    append_text(buf, member->flow);
    append_text(buf, member->step);
    append_text(buf, member->service);
    append_text(buf, item->run_id);
}

/* Chained, so that the bytes need not all be there at once. */
FlowVersion gathering_content(const Gathering *gathering)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    FlowVersion content = {{gathering->n, gathering->n_flows}};

    for (size_t i = 0; i < gathering->n; i++) {
        append_item(&buf, &gathering->items[i]);
        if (buf.len >= 1 << 16 || i + 1 == gathering->n) {
            content.bits[0] = hash_stable_seeded(buf_str(&buf), content.bits[0]);
            content.bits[1] = hash_stable_seeded(buf_str(&buf), ~content.bits[1]);
            buf_clear(&buf);
        }
    }
    return content;
}
