// SPDX-License-Identifier: Apache-2.0
#include "map/settling.h"

#include "base/assert.h"
#include "map/contract.h"
#include "map/contract/reading.h"

/*
 * What a batch of settling traces changes. "Before" is the settled view, in which the rows that are
 * settling now do not exist; "after" is the view in which they do. For a trace of the batch these
 * are two readings of the store, for any other trace they are the same one.
 *
 *   1. Both views of every trace of the batch are read, and its links are indexed (for good only
 * when the batch is applied: whom the index names has been on the map).
 *   2. The affected traces are collected (assembly.h); a trace without links in either direction
 *      affects itself only.
 *   3. For each of them contribution(before) is taken back and contribution(after) added, with the
 *      neighbours of that view.
 *   4. The caller applies that and marks the batch settled, by which after becomes before.
 *
 * A business context passes over hops of hops (§6), so where there are flows, a trace also depends
 * on all that is upstream of it, and a change that carries flow attributes, or passes some on,
 * affects all that is downstream. Systems without flows pay a look at their attributes' names.
 *
 * A trace of which a part is in a block that cannot be read must not be taken back by what is left
 * of it: what it added, it added whole. It is left as it is on the map, and so is a trace that is
 * settled already and has such a neighbour. One that is new takes such a neighbour as it can be
 * read.
 *
 * A trace of which retention may have taken a part is left for the same reason; spans of it that
 * settle now are a trace of their own (CONTRACT.md §8).
 *
 * Siblings, traces that link to the same trace, matter to each other only when one has a receive
 * with a link (§3): such a trace is "curious". Without that distinction a popular publisher would
 * have all its consumers computed anew for each new one.
 */
enum {
    UPSTREAM_TRACES_MAX = 1024, /* read for the context of one trace, the nearest first */
};

/* ---- reading ---- */

/* The record of trace @id, added when it is new. Moves the others. */
static SettlingTrace *trace_put(Settling *settling, TraceId id)
{
    return table_put(&settling->traces, &id, NULL);
}

static int load(Settling *settling, SettlingTrace *viewed)
{
    if (viewed->loaded) {
        return 0;
    }
    StoreTrace trace = {0};
    TRY(store_read_settling(settling->store, viewed->id, &settling->arena, &trace));
    viewed->before = viewed->after = (SettlingView){trace.settled, trace.n_settled};
    if (viewed->settling) {
        viewed->after = (SettlingView){trace.all, trace.n_all};
    }
    viewed->has_flows = contract_has_flows(viewed->before.spans, viewed->before.count) ||
                        contract_has_flows(viewed->after.spans, viewed->after.count);
    settling->flows_known |= viewed->has_flows;
    viewed->loaded = true;
    viewed->cut = trace.cut;
    viewed->damaged = trace.damaged;
    viewed->retired = trace.retired;
    return 0;
}

/* Calls @visit for every trace that links of either view name. */
static void visit_targets(const SettlingTrace *viewed, void (*visit)(void *context, TraceId target),
                          void *context)
{
    CLEANUP(buf_deinit) Buf ids = {0};
    const SettlingView *views[] = {&viewed->before, &viewed->after};

    for (size_t i = 0; i < (viewed->settling ? 2 : 1); i++) {
        contract_link_targets(views[i]->spans, views[i]->count, &ids);
    }
    for (size_t at = 0; at < ids.len; at += TRACE_ID_SIZE) {
        TraceId target;

        mem_copy(target.bytes, ids.ptr + at, TRACE_ID_SIZE);
        visit(context, target);
    }
}

/* Whether siblings matter to the trace: it has a receive with a link. */
static bool is_curious(const SettlingTrace *viewed)
{
    const SettlingView *views[] = {&viewed->before, &viewed->after};
    CLEANUP(arena_deinit) Arena arena = {0};

    for (size_t i = 0; i < (viewed->settling ? 2 : 1); i++) {
        for (size_t j = 0; j < views[i]->count; j++) {
            Reading reading;

            if (views[i]->spans[j].n_links == 0) {
                continue;
            }
            reading_take(&views[i]->spans[j], &arena, &reading);
            if (reading.role == MESSAGE_RECEIVE) {
                return true;
            }
        }
    }
    return false;
}

static bool has_links(const SettlingView *view)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->spans[i].n_links > 0) {
            return true;
        }
    }
    return false;
}

/* ---- links ---- */

typedef struct LinkSource {
    Settling *settling;
    TraceId id;
    bool curious;
} LinkSource;

static void index_target(void *context, TraceId target)
{
    const LinkSource *source = context;

    links_add(&source->settling->links, target, source->id, source->curious);
}

static void index_links(Settling *settling, const SettlingTrace *viewed)
{
    LinkSource source = {.settling = settling, .id = viewed->id};

    if (has_links(&viewed->after)) {
        settling->has_links = true;
        source.curious = is_curious(viewed);
        visit_targets(viewed, index_target, &source);
    }
}

/* What a block knows of a link does not say whether its trace is curious, so it counts as that. */
void settling_learn_link(Settling *settling, TraceId from, TraceId to)
{
    if (!trace_id_equal(from, to)) {
        links_add(&settling->links, to, from, true);
        settling->links_next = settling->links.next;
    }
}

/* ---- upstream ---- */

typedef struct Upstream {
    Settling *settling;
    Table *ids; /* of TraceId, the nearest first */
    bool cut;
} Upstream;

static void upstream_add(void *context, TraceId target)
{
    Upstream *upstream = context;

    if (upstream->ids->n_records < UPSTREAM_TRACES_MAX) {
        (void)table_put(upstream->ids, &target, NULL);
    } else {
        upstream->cut |= table_find(upstream->ids, &target) == NULL;
    }
}

/* Adds to @ids what @id links to, what these link to, and so on, and loads it. *@ret_has_flows:
 * whether any of it has attributes of flows. */
static int add_upstream(Settling *settling, TraceId id, Table *ids, bool *ret_has_flows)
{
    Upstream upstream = {.settling = settling, .ids = ids};
    size_t next = ids->n_records;
    SettlingTrace viewed = *trace_put(settling, id);

    *ret_has_flows = false;
    visit_targets(&viewed, upstream_add, &upstream);
    for (; next < ids->n_records; next++) {
        TraceId target;

        mem_copy(target.bytes, table_at(ids, next), TRACE_ID_SIZE);
        TRY(load(settling, trace_put(settling, target)));
        viewed = *trace_put(settling, target);
        *ret_has_flows |= viewed.has_flows;
        visit_targets(&viewed, upstream_add, &upstream);
    }
    settling->cut_contexts += upstream.cut;
    return 0;
}

/* Whether a context is made in trace @id of the batch, or passes it. */
static int carries_context(Settling *settling, TraceId id, bool *ret_carries)
{
    Table ids;

    *ret_carries = trace_put(settling, id)->has_flows;
    if (*ret_carries || !settling->flows_known) {
        return 0;
    }
    table_init(&ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    int result = add_upstream(settling, id, &ids, ret_carries);
    table_deinit(&ids);
    return result;
}

/* ---- affected traces ---- */

static void affect(Settling *settling, TraceId id)
{
    trace_put(settling, id)->affected = true;
}

static void affect_source(void *context, TraceId source, bool curious)
{
    (void)curious;
    affect(context, source);
}

static void affect_sibling(void *context, TraceId source, bool curious)
{
    if (curious) {
        affect(context, source);
    }
}

static void affect_target(void *context, TraceId target)
{
    Settling *settling = context;

    affect(settling, target);
    links_visit(&settling->links, target, affect_sibling, settling);
}

typedef struct Downstream {
    Settling *settling;
    Table ids; /* of TraceId */
} Downstream;

static void downstream_add(void *context, TraceId source, bool curious)
{
    Downstream *downstream = context;

    (void)curious;
    (void)table_put(&downstream->ids, &source, NULL);
}

/* All that links to @id, what links to these, and so on. */
static void affect_downstream(Settling *settling, TraceId id)
{
    Downstream downstream = {.settling = settling};

    table_init(&downstream.ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    downstream_add(&downstream, id, false);
    for (size_t i = 0; i < downstream.ids.n_records; i++) {
        TraceId at;

        mem_copy(at.bytes, table_at(&downstream.ids, i), TRACE_ID_SIZE);
        affect(settling, at);
        links_visit(&settling->links, at, downstream_add, &downstream);
    }
    table_deinit(&downstream.ids);
}

/* All that trace @id of the batch affects. */
static int affect_around(Settling *settling, TraceId id)
{
    const SettlingTrace viewed = *trace_put(settling, id); /* a copy: the table grows below */
    bool carries;

    TRY(carries_context(settling, id, &carries));
    affect(settling, id);
    if (carries) {
        affect_downstream(settling, id);
    } else {
        links_visit(&settling->links, id, affect_source, settling);
    }
    visit_targets(&viewed, affect_target, settling);
    return 0;
}

/* ---- neighbours ---- */

typedef struct Neighbours {
    Settling *settling;
    Table ids;     /* of TraceId */
    Table sources; /* those of them that are known by a link of theirs */
    bool siblings;
} Neighbours;

static void neighbour_add(void *context, TraceId id)
{
    Neighbours *neighbours = context;

    (void)table_put(&neighbours->ids, &id, NULL);
}

static void neighbour_source(void *context, TraceId source, bool curious)
{
    Neighbours *neighbours = context;

    (void)curious;
    neighbour_add(neighbours, source);
    (void)table_put(&neighbours->sources, &source, NULL);
}

static void neighbour_target(void *context, TraceId target)
{
    Neighbours *neighbours = context;

    neighbour_add(neighbours, target);
    if (neighbours->siblings) {
        links_visit(&neighbours->settling->links, target, neighbour_source, neighbours);
    }
}

static int load_neighbours(Settling *settling, const Table *ids)
{
    for (size_t i = 0; i < ids->n_records; i++) {
        TraceId id;

        mem_copy(id.bytes, table_at(ids, i), TRACE_ID_SIZE);
        TRY(load(settling, trace_put(settling, id)));
    }
    return 0;
}

/* Appends the contribution of @viewed among the traces in @ids, in the view before or after. */
static void contribute(Settling *settling, const SettlingTrace *viewed, const Table *ids,
                       bool after, Deltas *deltas)
{
    const SettlingView *own = after ? &viewed->after : &viewed->before;
    ContractTrace trace = {.id = viewed->id, .spans = own->spans, .n_spans = own->count};
    ContractTrace *others =
        arena_alloc(&settling->delta_arena, ids->n_records * sizeof(ContractTrace));
    size_t n = 0;

    if (own->count == 0) {
        return;
    }
    for (size_t i = 0; i < ids->n_records; i++) {
        const SettlingTrace *other = table_find(&settling->traces, table_at(ids, i));
        const SettlingView *view = after ? &other->after : &other->before;

        others[n] = (ContractTrace){.id = other->id, .spans = view->spans, .n_spans = view->count};
        n += view->count > 0;
    }
    contract_contribution(&trace, others, n, deltas);
}

/* Who a span is within its trace (§1). */
typedef struct SpanKey {
    SpanId id;
    uint8_t is_client;
} SpanKey;

/* Whether it was there once and is no more: it was deleted, or retention took it. Of a trace that
 * nobody has seen it is not known, so it never was. */
static bool is_gone(const Neighbours *neighbours, const SettlingTrace *other)
{
    return other->before.count == 0 && !other->settling &&
           (table_find(&neighbours->sources, &other->id) != NULL ||
            links_was_there(&neighbours->settling->links, other->id));
}

/* Whether what @viewed added to the map cannot be found out again. */
static bool is_left(const Neighbours *neighbours, const SettlingTrace *viewed)
{
    const Table *ids = &neighbours->ids;
    bool left = viewed->damaged || viewed->retired;

    for (size_t i = 0; i < ids->n_records && viewed->before.count > 0 && !left; i++) {
        const SettlingTrace *other = table_find(&neighbours->settling->traces, table_at(ids, i));

        left = other->damaged || other->retired || is_gone(neighbours, other);
    }
    return left;
}

static SpanKey span_key(const Span *span)
{
    return (SpanKey){.id = span->span_id, .is_client = span_is_client(span)};
}

/* What settles now of a trace whose first part is gone, by itself. A resend of what is there still
 * changes nothing. */
static void contribute_late(Settling *settling, const SettlingTrace *viewed)
{
    ContractTrace trace = {.id = viewed->id};
    Span *late = arena_alloc(&settling->delta_arena, (viewed->after.count + 1) * sizeof(Span));
    Table known;

    table_init(&known, sizeof(SpanKey), sizeof(SpanKey));
    for (size_t i = 0; i < viewed->before.count; i++) {
        const SpanKey key = span_key(&viewed->before.spans[i]);

        (void)table_put(&known, &key, NULL);
    }
    for (size_t i = 0; i < viewed->after.count; i++) {
        const SpanKey key = span_key(&viewed->after.spans[i]);

        if (table_find(&known, &key) == NULL) {
            late[trace.n_spans++] = viewed->after.spans[i];
        }
    }
    table_deinit(&known);
    trace.spans = late;
    if (trace.n_spans > 0) {
        contract_contribution(&trace, NULL, 0, &settling->plus);
    }
    settling->n_late += trace.n_spans;
}

static void note_there(Settling *settling, const Table *ids)
{
    for (size_t i = 0; i < ids->n_records; i++) {
        const SettlingTrace *other = table_find(&settling->traces, table_at(ids, i));

        if (other->before.count > 0) {
            links_note_there(&settling->links, other->id);
        }
    }
}

/* Joins what is upstream of @id to the neighbours. */
static int add_all_upstream(Settling *settling, TraceId id, Table *neighbours)
{
    Table ids;
    bool has_flows;

    table_init(&ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    int result = add_upstream(settling, id, &ids, &has_flows);
    for (size_t i = 0; i < ids.n_records && has_flows; i++) {
        (void)table_put(neighbours, table_at(&ids, i), NULL);
    }
    table_deinit(&ids);
    return result;
}

static int contribute_affected(Settling *settling, TraceId id)
{
    Neighbours neighbours = {.settling = settling};

    TRY(load(settling, trace_put(settling, id)));
    SettlingTrace viewed = *trace_put(settling, id); /* a copy: the table grows below */
    if (viewed.before.count == 0 && viewed.after.count == 0) {
        return 0;
    }
    table_init(&neighbours.ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    table_init(&neighbours.sources, TRACE_ID_SIZE, TRACE_ID_SIZE);
    links_visit(&settling->links, id, neighbour_source, &neighbours);
    if (has_links(&viewed.before) || has_links(&viewed.after)) {
        neighbours.siblings = is_curious(&viewed);
        visit_targets(&viewed, neighbour_target, &neighbours);
    }
    int result = load_neighbours(settling, &neighbours.ids);
    if (result == 0 && settling->flows_known) {
        result = add_all_upstream(settling, id, &neighbours.ids);
    }
    if (result == 0 && viewed.retired && viewed.settling) {
        contribute_late(settling, &viewed);
    } else if (result == 0 && is_left(&neighbours, &viewed)) {
        settling->n_left++;
    } else if (result == 0) {
        note_there(settling, &neighbours.ids);
        contribute(settling, &viewed, &neighbours.ids, false, &settling->minus);
        contribute(settling, &viewed, &neighbours.ids, true, &settling->plus);
    }
    table_deinit(&neighbours.ids);
    table_deinit(&neighbours.sources);
    return result;
}

/* ---- the batch ---- */

int settling_add(Settling *settling, TraceId id)
{
    SettlingTrace *viewed = trace_put(settling, id);

    viewed->settling = true;
    ASSERT(settling->n_ids < SETTLING_TRACES_MAX);
    settling->ids[settling->n_ids++] = id;
    TRY(load(settling, viewed));
    settling->n_spans += viewed->before.count + viewed->after.count;
    index_links(settling, viewed);
    return 0;
}

int settling_contribute(Settling *settling)
{
    for (size_t i = 0; i < settling->n_ids; i++) {
        TRY(affect_around(settling, settling->ids[i]));
    }
    for (size_t i = 0; i < settling->traces.n_records; i++) { /* grows by neighbours */
        const SettlingTrace *viewed = table_at(&settling->traces, i);

        if (viewed->affected) {
            TRY(contribute_affected(settling, viewed->id));
        }
    }
    return 0;
}

void settling_note_applied(Settling *settling)
{
    for (size_t i = 0; i < settling->n_ids; i++) {
        links_note_there(&settling->links, settling->ids[i]);
    }
    settling->links_next = settling->links.next;
}

const SettlingTrace *settling_find(const Settling *settling, TraceId id)
{
    return table_find(&settling->traces, &id);
}

void settling_drop(Settling *settling)
{
    settling->cut_contexts += settling->plus.n_cut_contexts;
    settling->n_ids = 0;
    settling->n_spans = 0;
    settling->n_left = settling->n_late = 0;
    settling->has_links = false;
    links_rewind(&settling->links, settling->links_next);
    table_clear(&settling->traces);
    arena_reset(&settling->arena);
    arena_reset(&settling->delta_arena);
    settling->minus_members = (Members){.arena = &settling->delta_arena};
    settling->plus_members = (Members){.arena = &settling->delta_arena};
    settling->minus =
        (Deltas){.arena = &settling->delta_arena, .members = &settling->minus_members};
    settling->plus = (Deltas){.arena = &settling->delta_arena, .members = &settling->plus_members};
}

void settling_init(Settling *settling)
{
    *settling = (Settling){.ids = NEW_ARRAY(TraceId, SETTLING_TRACES_MAX)};
    table_init(&settling->traces, sizeof(SettlingTrace), TRACE_ID_SIZE);
    links_init(&settling->links, 0);
    settling->links_next = settling->links.next;
    settling_drop(settling);
}

void settling_deinit(Settling *settling)
{
    links_deinit(&settling->links);
    table_deinit(&settling->traces);
    arena_deinit(&settling->arena);
    arena_deinit(&settling->delta_arena);
    mem_free(settling->ids);
}
