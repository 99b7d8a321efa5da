// SPDX-License-Identifier: Apache-2.0
#include "map/assembly.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/log.h"
#include "map/contract.h"
#include "map/contract/reading.h"
#include "map/flow/runs.h"
#include "map/kept.h"
#include "trace/heavy_traces.h"
#include "trace/links.h"
#include "trace/open_traces.h"

/*
 * What a batch of settling traces changes. "Before" is the settled view, in which the rows that are
 * settling now do not exist; "after" is the view in which they do. For a trace of the batch these
 * are two readings of the store, for any other trace they are the same one.
 *
 *   1. Both views of every trace of the batch are read, and its links are indexed.
 *   2. The affected traces are collected (assembly.h); a trace without links in either direction
 *      affects itself only.
 *   3. For each of them contribution(before) is taken back and contribution(after) added, with the
 *      neighbours of that view.
 *   4. The batch is marked settled, by which after becomes before.
 *
 * Nothing is applied before everything was read, so that a read error leaves the map as it was; the
 * batch then stays open and is tried again.
 *
 * A business context passes over hops of hops (§6), so where there are flows, a trace also depends
 * on all that is upstream of it, and a change that carries flow attributes, or passes some on,
 * affects all that is downstream. Systems without flows pay a look at their attributes' names.
 *
 * Siblings, traces that link to the same trace, matter to each other only when one has a receive
 * with a link (§3): such a trace is "curious". Without that distinction a popular publisher would
 * have all its consumers computed anew for each new one.
 */
enum {
    QUIET_MS_DEFAULT = 5000,
    OPEN_MS_DEFAULT = 60000,
    OPEN_TRACES_MAX_DEFAULT = 1000000,
    BATCH_TRACES_MAX = 512,     /* settled in one go when they have links ... */
    BATCH_PLAIN_MAX = 64,       /* ... while none has: what they are read into stays in the cache */
    BATCH_SPANS_MAX = 1 << 17,  /* ... or fewer, when they have so many spans */
    UPSTREAM_TRACES_MAX = 1024, /* read for the context of one trace, the nearest first */
};

typedef struct View {
    Span *spans;
    size_t count;
} View;

/* A trace as the batch sees it. */
typedef struct Viewed {
    TraceId id;
    bool settling; /* of the batch */
    bool affected;
    bool loaded;
    bool cut;           /* it has more spans than count */
    bool has_flows;     /* a span of either view has an attribute of a flow */
    View before, after; /* not of the batch: the same */
} Viewed;

struct Assembly {
    AssemblyOptions options;
    StoreObserver observer;
    Store *store;
    bool links_known; /* those of the store's blocks are in the index */
    bool flows_known; /* some trace has attributes of flows */
    OpenTraces open;
    HeavyTraces heavy;
    Table
        beyond; /* TraceId: closed traces that got spans which do not count, since the last tick */
    Links links;

    /* The batch that is being settled. */
    Arena arena; /* spans of both views */
    Arena delta_arena;
    Table viewed; /* of Viewed */
    TraceId *batch;
    size_t n_batch, n_batch_spans;
    bool batch_has_links;
    Deltas minus, plus;
    Members minus_members, plus_members;

    uint64_t spans_beyond;
    uint64_t settled, reopened, early, cut_contexts;
    pthread_mutex_t status_lock;
    AssemblyStatus status; /* as of the last tick or batch */
};

/* ---- reading ---- */

/* The record of trace @id, added when it is new. Moves the others. */
static Viewed *viewed_put(Assembly *assembly, TraceId id)
{
    return table_put(&assembly->viewed, &id, NULL);
}

static int load(Assembly *assembly, Viewed *viewed)
{
    if (viewed->loaded) {
        return 0;
    }
    StoreTrace trace = {0};
    TRY(store_read_settling(assembly->store, viewed->id, &assembly->arena, &trace));
    viewed->before = viewed->after = (View){trace.settled, trace.n_settled};
    if (viewed->settling) {
        viewed->after = (View){trace.all, trace.n_all};
    }
    viewed->has_flows = contract_has_flows(viewed->before.spans, viewed->before.count) ||
                        contract_has_flows(viewed->after.spans, viewed->after.count);
    assembly->flows_known |= viewed->has_flows;
    viewed->loaded = true;
    viewed->cut = trace.cut;
    return 0;
}

/* Calls @visit for every trace that links of either view name. */
static void visit_targets(const Viewed *viewed, void (*visit)(void *context, TraceId target),
                          void *context)
{
    CLEANUP(buf_deinit) Buf ids = {0};
    const View *views[] = {&viewed->before, &viewed->after};

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
static bool is_curious(const Viewed *viewed)
{
    const View *views[] = {&viewed->before, &viewed->after};
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

static bool has_links(const View *view)
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
    Assembly *assembly;
    TraceId id;
    bool curious;
} LinkSource;

static void index_target(void *context, TraceId target)
{
    const LinkSource *source = context;

    links_add(&source->assembly->links, target, source->id, source->curious);
}

static void index_links(Assembly *assembly, const Viewed *viewed)
{
    LinkSource source = {.assembly = assembly, .id = viewed->id};

    if (has_links(&viewed->after)) {
        assembly->batch_has_links = true;
        source.curious = is_curious(viewed);
        visit_targets(viewed, index_target, &source);
    }
}

/* What a block knows of a link does not say whether its trace is curious, so it counts as that. */
static int index_stored_link(void *context, TraceId from, TraceId to)
{
    Assembly *assembly = context;

    if (!trace_id_equal(from, to)) {
        links_add(&assembly->links, to, from, true);
    }
    return 0;
}

/* ---- upstream ---- */

typedef struct Upstream {
    Assembly *assembly;
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
static int add_upstream(Assembly *assembly, TraceId id, Table *ids, bool *ret_has_flows)
{
    Upstream upstream = {.assembly = assembly, .ids = ids};
    size_t next = ids->n_records;
    Viewed viewed = *viewed_put(assembly, id);

    *ret_has_flows = false;
    visit_targets(&viewed, upstream_add, &upstream);
    for (; next < ids->n_records; next++) {
        TraceId target;

        mem_copy(target.bytes, table_at(ids, next), TRACE_ID_SIZE);
        TRY(load(assembly, viewed_put(assembly, target)));
        viewed = *viewed_put(assembly, target);
        *ret_has_flows |= viewed.has_flows;
        visit_targets(&viewed, upstream_add, &upstream);
    }
    assembly->cut_contexts += upstream.cut;
    return 0;
}

/* Whether a context is made in trace @id of the batch, or passes it. */
static int carries_context(Assembly *assembly, TraceId id, bool *ret_carries)
{
    Table ids;

    *ret_carries = viewed_put(assembly, id)->has_flows;
    if (*ret_carries || !assembly->flows_known) {
        return 0;
    }
    table_init(&ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    int result = add_upstream(assembly, id, &ids, ret_carries);
    table_deinit(&ids);
    return result;
}

/* ---- affected traces ---- */

static void affect(Assembly *assembly, TraceId id)
{
    viewed_put(assembly, id)->affected = true;
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
    Assembly *assembly = context;

    affect(assembly, target);
    links_visit(&assembly->links, target, affect_sibling, assembly);
}

typedef struct Downstream {
    Assembly *assembly;
    Table ids; /* of TraceId */
} Downstream;

static void downstream_add(void *context, TraceId source, bool curious)
{
    Downstream *downstream = context;

    (void)curious;
    (void)table_put(&downstream->ids, &source, NULL);
}

/* All that links to @id, what links to these, and so on. */
static void affect_downstream(Assembly *assembly, TraceId id)
{
    Downstream downstream = {.assembly = assembly};

    table_init(&downstream.ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    downstream_add(&downstream, id, false);
    for (size_t i = 0; i < downstream.ids.n_records; i++) {
        TraceId at;

        mem_copy(at.bytes, table_at(&downstream.ids, i), TRACE_ID_SIZE);
        affect(assembly, at);
        links_visit(&assembly->links, at, downstream_add, &downstream);
    }
    table_deinit(&downstream.ids);
}

/* All that trace @id of the batch affects. */
static int affect_around(Assembly *assembly, TraceId id)
{
    const Viewed viewed = *viewed_put(assembly, id); /* a copy: the table grows below */
    bool carries;

    TRY(carries_context(assembly, id, &carries));
    affect(assembly, id);
    if (carries) {
        affect_downstream(assembly, id);
    } else {
        links_visit(&assembly->links, id, affect_source, assembly);
    }
    visit_targets(&viewed, affect_target, assembly);
    return 0;
}

/* ---- neighbours ---- */

typedef struct Neighbours {
    Assembly *assembly;
    Table ids; /* of TraceId */
    bool siblings;
} Neighbours;

static void neighbour_add(void *context, TraceId id)
{
    Neighbours *neighbours = context;

    (void)table_put(&neighbours->ids, &id, NULL);
}

static void neighbour_source(void *context, TraceId source, bool curious)
{
    (void)curious;
    neighbour_add(context, source);
}

static void neighbour_target(void *context, TraceId target)
{
    Neighbours *neighbours = context;

    neighbour_add(neighbours, target);
    if (neighbours->siblings) {
        links_visit(&neighbours->assembly->links, target, neighbour_source, neighbours);
    }
}

static int load_neighbours(Assembly *assembly, const Table *ids)
{
    for (size_t i = 0; i < ids->n_records; i++) {
        TraceId id;

        mem_copy(id.bytes, table_at(ids, i), TRACE_ID_SIZE);
        TRY(load(assembly, viewed_put(assembly, id)));
    }
    return 0;
}

/* Appends the contribution of @viewed among the traces in @ids, in the view before or after. */
static void contribute(Assembly *assembly, const Viewed *viewed, const Table *ids, bool after,
                       Deltas *deltas)
{
    const View *own = after ? &viewed->after : &viewed->before;
    ContractTrace trace = {.id = viewed->id, .spans = own->spans, .n_spans = own->count};
    ContractTrace *others =
        arena_alloc(&assembly->delta_arena, ids->n_records * sizeof(ContractTrace));
    size_t n = 0;

    if (own->count == 0) {
        return;
    }
    for (size_t i = 0; i < ids->n_records; i++) {
        const Viewed *other = table_find(&assembly->viewed, table_at(ids, i));
        const View *view = after ? &other->after : &other->before;

        others[n] = (ContractTrace){.id = other->id, .spans = view->spans, .n_spans = view->count};
        n += view->count > 0;
    }
    contract_contribution(&trace, others, n, deltas);
}

/* Joins what is upstream of @id to the neighbours. */
static int add_all_upstream(Assembly *assembly, TraceId id, Table *neighbours)
{
    Table ids;
    bool has_flows;

    table_init(&ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    int result = add_upstream(assembly, id, &ids, &has_flows);
    for (size_t i = 0; i < ids.n_records && has_flows; i++) {
        (void)table_put(neighbours, table_at(&ids, i), NULL);
    }
    table_deinit(&ids);
    return result;
}

static int contribute_affected(Assembly *assembly, TraceId id)
{
    Neighbours neighbours = {.assembly = assembly};

    TRY(load(assembly, viewed_put(assembly, id)));
    Viewed viewed = *viewed_put(assembly, id); /* a copy: the table grows below */
    if (viewed.before.count == 0 && viewed.after.count == 0) {
        return 0;
    }
    table_init(&neighbours.ids, TRACE_ID_SIZE, TRACE_ID_SIZE);
    links_visit(&assembly->links, id, neighbour_source, &neighbours);
    if (has_links(&viewed.before) || has_links(&viewed.after)) {
        neighbours.siblings = is_curious(&viewed);
        visit_targets(&viewed, neighbour_target, &neighbours);
    }
    int result = load_neighbours(assembly, &neighbours.ids);
    if (result == 0 && assembly->flows_known) {
        result = add_all_upstream(assembly, id, &neighbours.ids);
    }
    if (result == 0) {
        contribute(assembly, &viewed, &neighbours.ids, false, &assembly->minus);
        contribute(assembly, &viewed, &neighbours.ids, true, &assembly->plus);
    }
    table_deinit(&neighbours.ids);
    return result;
}

/* ---- settling ---- */

static int add_to_batch(Assembly *assembly, TraceId id)
{
    Viewed *viewed = viewed_put(assembly, id);

    viewed->settling = true;
    assembly->batch[assembly->n_batch++] = id;
    TRY(load(assembly, viewed));
    assembly->n_batch_spans += viewed->before.count + viewed->after.count;
    index_links(assembly, viewed);
    return 0;
}

static int contribute_batch(Assembly *assembly)
{
    for (size_t i = 0; i < assembly->n_batch; i++) {
        TRY(affect_around(assembly, assembly->batch[i]));
    }
    for (size_t i = 0; i < assembly->viewed.n_records; i++) { /* grows by neighbours */
        const Viewed *viewed = table_at(&assembly->viewed, i);

        if (viewed->affected) {
            TRY(contribute_affected(assembly, viewed->id));
        }
    }
    return 0;
}

static void note_heavy(Assembly *assembly, const Viewed *viewed)
{
    const View *after = &viewed->after;
    bool is_full = viewed->cut && after->count > 0;
    const HeavyTrace heavy = {
        .id = viewed->id,
        .n_spans = after->count,
        .settled_ns = clock_monotonic_ns(assembly->options.clock),
        .full_from_ns = is_full ? after->spans[after->count - 1].start_ns : UINT64_MAX,
    };

    heavy_traces_note(&assembly->heavy, &heavy);
}

static void apply_batch(Assembly *assembly)
{
    runs_commit(map_runs(assembly->options.map));
    if (assembly->minus.count > 0) {
        map_apply(assembly->options.map, &assembly->minus, -1);
    }
    if (assembly->plus.count > 0) {
        map_apply(assembly->options.map, &assembly->plus, 1);
    }
    for (size_t i = 0; i < assembly->n_batch; i++) {
        const Viewed *viewed = table_find(&assembly->viewed, &assembly->batch[i]);

        assembly->settled += viewed->before.count == 0;
        assembly->reopened += viewed->before.count > 0;
        note_heavy(assembly, viewed);
    }
    store_mark_settled(assembly->store, assembly->batch, assembly->n_batch);
}

static void drop_batch(Assembly *assembly)
{
    assembly->cut_contexts += assembly->plus.n_cut_contexts;
    assembly->n_batch = 0;
    assembly->n_batch_spans = 0;
    assembly->batch_has_links = false;
    table_clear(&assembly->viewed);
    arena_reset(&assembly->arena);
    arena_reset(&assembly->delta_arena);
    assembly->minus_members = (Members){.arena = &assembly->delta_arena};
    assembly->plus_members = (Members){.arena = &assembly->delta_arena};
    assembly->minus =
        (Deltas){.arena = &assembly->delta_arena, .members = &assembly->minus_members};
    assembly->plus = (Deltas){.arena = &assembly->delta_arena, .members = &assembly->plus_members};
}

/* The links of what is settled already, once: a new index after a start. */
static int learn_links(Assembly *assembly)
{
    if (!assembly->links_known) {
        TRY(store_links(assembly->store, index_stored_link, assembly));
        assembly->flows_known |= map_knows_flows(assembly->options.map);
        assembly->links_known = true;
    }
    return 0;
}

static bool is_due(const Assembly *assembly, const OpenTrace *trace, uint64_t now_ns,
                   bool settle_all)
{
    return settle_all || open_traces_count(&assembly->open) > assembly->options.open_traces_max ||
           now_ns - trace->active_ns >= assembly->options.quiet_ms * 1000000U;
}

static size_t batch_max(const Assembly *assembly)
{
    return assembly->batch_has_links ? BATCH_TRACES_MAX : BATCH_PLAIN_MAX;
}

static bool has_room(const Assembly *assembly)
{
    return assembly->n_batch < batch_max(assembly) && assembly->n_batch_spans < BATCH_SPANS_MAX;
}

static bool may_settle(const Assembly *assembly, TraceId id, uint64_t now_ns)
{
    return heavy_traces_may_settle(&assembly->heavy, id, now_ns,
                                   assembly->options.quiet_ms * 1000000U);
}

static int take(Assembly *assembly, const OpenTrace *trace)
{
    TraceId id = trace->id;

    open_traces_close(&assembly->open, trace);
    return add_to_batch(assembly, id);
}

/* Traces that never are quiet, the oldest first. */
static int take_old(Assembly *assembly, uint64_t now_ns)
{
    const OpenTrace *trace = open_traces_oldest(&assembly->open), *younger;

    for (; trace != NULL && has_room(assembly) &&
           now_ns - trace->opened_ns >= assembly->options.open_ms * 1000000U;
         trace = younger) {
        TraceId next = {0};

        younger = open_traces_younger(&assembly->open, trace);
        if (!may_settle(assembly, trace->id, now_ns)) {
            continue;
        }
        if (younger != NULL) {
            next = younger->id;
        }
        TRY(take(assembly, trace)); /* moves the others */
        younger = younger == NULL ? NULL : open_traces_find(&assembly->open, next);
    }
    return 0;
}

/* Takes traces that are due into the batch and out of the open ones. */
static int fill_batch(Assembly *assembly, uint64_t now_ns, bool settle_all)
{
    const OpenTrace *trace = open_traces_quietest(&assembly->open);

    while (trace != NULL && has_room(assembly) && is_due(assembly, trace, now_ns, settle_all)) {
        bool early = open_traces_count(&assembly->open) > assembly->options.open_traces_max;

        if (!settle_all && !early && !may_settle(assembly, trace->id, now_ns)) {
            open_traces_touch(&assembly->open, trace->id, now_ns); /* looked at again later */
        } else {
            assembly->early += early;
            TRY(take(assembly, trace));
        }
        trace = open_traces_quietest(&assembly->open);
    }
    return take_old(assembly, now_ns);
}

/* Settles one batch. Returns whether there may be more; a failed one is opened again. */
static bool settle_batch(Assembly *assembly, uint64_t now_ns, bool settle_all)
{
    drop_batch(assembly);
    int result = learn_links(assembly);
    if (result == 0) {
        result = fill_batch(assembly, now_ns, settle_all);
    }
    if (result == 0 && assembly->n_batch > 0) {
        result = contribute_batch(assembly);
    }
    if (result == 0 && assembly->n_batch > 0) {
        result = runs_prepare(map_runs(assembly->options.map), &assembly->minus_members,
                              &assembly->plus_members, &assembly->minus, &assembly->plus);
    }
    if (result != 0) {
        log_error("traces could not be read to settle them", LOG_ERR(result));
        for (size_t i = 0; i < assembly->n_batch; i++) {
            open_traces_touch(&assembly->open, assembly->batch[i], now_ns);
        }
        return false;
    }
    if (assembly->n_batch == 0) {
        return false;
    }
    apply_batch(assembly);
    return true;
}

static void publish_status(Assembly *assembly)
{
    const OpenTrace *oldest = open_traces_oldest(&assembly->open);
    uint64_t complete_to_ns = clock_realtime_ns(assembly->options.clock);
    uint64_t now_ns = clock_monotonic_ns(assembly->options.clock); /* later: rather too early */

    uint64_t since_ns = oldest == NULL ? now_ns : oldest->opened_ns;

    /* What is acknowledged and still queued is in no open trace yet. */
    if (assembly->store != NULL) {
        since_ns = MIN(since_ns, store_waiting_since(assembly->store));
    }
    if (since_ns < now_ns) {
        complete_to_ns -= MIN(now_ns - since_ns, complete_to_ns);
    }
    pthread_mutex_lock(&assembly->status_lock);
    assembly->status = (AssemblyStatus){
        .open_traces = open_traces_count(&assembly->open),
        .settled_traces = assembly->settled,
        .reopened_traces = assembly->reopened,
        .early_settled = assembly->early,
        .links = links_count(&assembly->links),
        .spans_beyond = assembly->spans_beyond,
        .cut_contexts = assembly->cut_contexts,
        .complete_to_ns = complete_to_ns,
    };
    pthread_mutex_unlock(&assembly->status_lock);
}

/* ---- the observer ---- */

static void on_attach(void *context, Store *store)
{
    assembly_attach(context, store);
}

/* With heavy traces about, each span is looked at: one beyond what counts opens no trace. */
static void touch_each(Assembly *assembly, const Batch *batch, uint64_t now_ns)
{
    for (size_t i = 0; i < batch->n_spans; i++) {
        const Span *span = &batch->spans[i];

        if (!heavy_traces_is_beyond(&assembly->heavy, span->trace_id, span->start_ns)) {
            open_traces_touch(&assembly->open, span->trace_id, now_ns);
        } else {
            assembly->spans_beyond++;
            (void)table_put(&assembly->beyond, &span->trace_id, NULL);
        }
    }
}

/* Spans that do not count are settled without a look at their trace, unless others of it wait. */
static void settle_beyond(Assembly *assembly)
{
    for (size_t i = 0; i < assembly->beyond.n_records; i++) {
        TraceId id;

        mem_copy(id.bytes, table_at(&assembly->beyond, i), TRACE_ID_SIZE);
        if (open_traces_find(&assembly->open, id) == NULL) {
            store_mark_settled(assembly->store, &id, 1);
        }
    }
    table_clear(&assembly->beyond);
}

static void on_batch(void *context, const Batch *batch)
{
    Assembly *assembly = context;
    uint64_t now_ns = clock_monotonic_ns(assembly->options.clock);

    if (assembly->heavy.table.n_records > 0) {
        touch_each(assembly, batch, now_ns);
        return;
    }
    for (size_t i = 0; i < batch->n_spans; i++) {
        /* Neighbours in a request are often of one trace. */
        if (i == 0 || !trace_id_equal(batch->spans[i].trace_id, batch->spans[i - 1].trace_id)) {
            open_traces_touch(&assembly->open, batch->spans[i].trace_id, now_ns);
        }
    }
}

static void on_tick(void *context, bool settle_all)
{
    Assembly *assembly = context;
    uint64_t now_ns = clock_monotonic_ns(assembly->options.clock);
    bool more = assembly->store != NULL;

    settle_beyond(assembly);
    while (more) {
        more = settle_batch(assembly, now_ns, settle_all);
    }
    drop_batch(assembly);
    publish_status(assembly);
}

/* Its open rows are gone: there is nothing to settle. What it added to the map stays. */
static void on_forget(void *context, TraceId id)
{
    Assembly *assembly = context;
    const OpenTrace *trace = open_traces_find(&assembly->open, id);

    if (trace != NULL) {
        open_traces_close(&assembly->open, trace);
    }
}

static void *on_cut(void *context)
{
    const Assembly *assembly = context;

    return kept_cut(assembly->options.map);
}

static int on_write_tables(void *context, const void *pending, TableSink *sink)
{
    const Assembly *assembly = context;

    return kept_write(assembly->options.map, pending, sink);
}

static void on_free_pending(void *context, void *pending)
{
    const Assembly *assembly = context;

    kept_free(assembly->options.map, pending);
}

static int on_load_table(void *context, TableFile *file, ParseError *ret_error)
{
    const Assembly *assembly = context;

    return kept_load(assembly->options.map, file, ret_error);
}

static void on_tables_changed(void *context, const TablesChange *change)
{
    const Assembly *assembly = context;

    kept_changed(assembly->options.map, change);
}

static void on_tables_loaded(void *context)
{
    const Assembly *assembly = context;

    kept_loaded(assembly->options.map);
}

static bool on_plan_merge(void *context, TableFile *const *files, size_t n_files, uint64_t now_s,
                          TablePlan *ret_plan)
{
    const Assembly *assembly = context;

    return kept_plan(assembly->options.map, files, n_files, now_s, ret_plan);
}

static int on_merge_tables(void *context, const TablePlan *plan, TableSink *sink)
{
    const Assembly *assembly = context;

    return kept_merge(assembly->options.map, plan, sink);
}

Assembly *assembly_new(const AssemblyOptions *options)
{
    Assembly *assembly = NEW(Assembly);

    ASSERT(options->map != NULL && options->clock != NULL);
    assembly->options = *options;
    if (assembly->options.quiet_ms == 0) {
        assembly->options.quiet_ms = QUIET_MS_DEFAULT;
    }
    if (assembly->options.open_ms == 0) {
        assembly->options.open_ms = OPEN_MS_DEFAULT;
    }
    if (assembly->options.open_traces_max == 0) {
        assembly->options.open_traces_max = OPEN_TRACES_MAX_DEFAULT;
    }
    assembly->observer = (StoreObserver){
        .context = assembly,
        .attach = on_attach,
        .on_batch = on_batch,
        .on_tick = on_tick,
        .forget = on_forget,
        .cut = on_cut,
        .write_tables = on_write_tables,
        .free_pending = on_free_pending,
        .load_table = on_load_table,
        .tables_loaded = on_tables_loaded,
        .tables_changed = on_tables_changed,
        .plan_merge = on_plan_merge,
        .merge_tables = on_merge_tables,
    };
    assembly->batch = NEW_ARRAY(TraceId, BATCH_TRACES_MAX);
    table_init(&assembly->viewed, sizeof(Viewed), TRACE_ID_SIZE);
    open_traces_init(&assembly->open);
    heavy_traces_init(&assembly->heavy);
    table_init(&assembly->beyond, TRACE_ID_SIZE, TRACE_ID_SIZE);
    links_init(&assembly->links, 0);
    pthread_mutex_init(&assembly->status_lock, NULL);
    drop_batch(assembly);
    return assembly;
}

Assembly *assembly_free(Assembly *assembly)
{
    if (assembly != NULL) {
        open_traces_deinit(&assembly->open);
        heavy_traces_deinit(&assembly->heavy);
        table_deinit(&assembly->beyond);
        links_deinit(&assembly->links);
        table_deinit(&assembly->viewed);
        arena_deinit(&assembly->arena);
        arena_deinit(&assembly->delta_arena);
        mem_free(assembly->batch);
        pthread_mutex_destroy(&assembly->status_lock);
        mem_free(assembly);
    }
    return NULL;
}

const StoreObserver *assembly_observer(Assembly *assembly)
{
    return &assembly->observer;
}

void assembly_attach(Assembly *assembly, Store *store)
{
    ASSERT(assembly->store == NULL || assembly->store == store);
    assembly->store = store;
}

void assembly_status(Assembly *assembly, AssemblyStatus *ret_status)
{
    pthread_mutex_lock(&assembly->status_lock);
    *ret_status = assembly->status;
    pthread_mutex_unlock(&assembly->status_lock);
}
