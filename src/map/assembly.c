// SPDX-License-Identifier: Apache-2.0
#include "map/assembly.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/log.h"
#include "map/flow/runs.h"
#include "map/kept.h"
#include "map/settling.h"
#include "trace/heavy_traces.h"
#include "trace/open_traces.h"

/*
 * When traces settle. What that changes is settling.h's: nothing is applied before everything was
 * read, so that a read error leaves the map as it was; the batch then stays open and is tried
 * again.
 */
enum {
    QUIET_MS_DEFAULT = 5000,
    OPEN_MS_DEFAULT = 60000,
    OPEN_TRACES_MAX_DEFAULT = 1000000,
    BATCH_PLAIN_MAX = 64,      /* settled in one go while none of them has links: what they are
                                  read into stays in the cache; else SETTLING_TRACES_MAX */
    BATCH_SPANS_MAX = 1 << 17, /* ... or fewer, when they have so many spans */
    RETRY_MS_MIN = 100,        /* after a batch that could not be read; doubled each time, ... */
    RETRY_MS_MAX = 30000,
    RETRY_MS_ASKED = 1000, /* ... but no more than that while somebody waits for everything */
};

struct Assembly {
    AssemblyOptions options;
    StoreObserver observer;
    Store *store;
    bool links_known; /* those of the store's blocks are in the index */
    OpenTraces open;
    HeavyTraces heavy;
    Table
        beyond; /* TraceId: closed traces that got spans which do not count, since the last tick */

    Settling batch; /* what is being settled */

    uint64_t spans_beyond, left, too_late;
    uint64_t settled, reopened, early, failed;
    uint64_t failed_ns, retry_ms; /* of the last batch that failed; 0: the last one did not */
    pthread_mutex_t status_lock;
    AssemblyStatus status; /* as of the last tick or batch */
};

/* ---- settling ---- */

static void note_heavy(Assembly *assembly, const SettlingTrace *trace)
{
    const SettlingView *after = &trace->after;
    bool is_full = trace->cut && after->count > 0;
    const HeavyTrace heavy = {
        .id = trace->id,
        .n_spans = after->count,
        .settled_ns = clock_monotonic_ns(assembly->options.clock),
        .full_from_ns = is_full ? after->spans[after->count - 1].start_ns : UINT64_MAX,
    };

    heavy_traces_note(&assembly->heavy, &heavy);
}

/* Of a trace that is new: how many spans began before @border_ns. They are sorted. */
static size_t count_too_late(const SettlingTrace *trace, uint64_t border_ns)
{
    size_t n = 0;

    while (trace->before.count == 0 && n < trace->after.count &&
           trace->after.spans[n].start_ns < border_ns) {
        n++;
    }
    return n;
}

static void apply_batch(Assembly *assembly)
{
    const Settling *batch = &assembly->batch;
    uint64_t border_ns = store_retired_before(assembly->store);

    runs_commit(map_runs(assembly->options.map));
    if (batch->minus.count > 0) {
        map_apply(assembly->options.map, &batch->minus, -1);
    }
    if (batch->plus.count > 0) {
        map_apply(assembly->options.map, &batch->plus, 1);
    }
    for (size_t i = 0; i < batch->n_ids; i++) {
        const SettlingTrace *trace = settling_find(batch, batch->ids[i]);

        assembly->settled += trace->before.count == 0;
        assembly->reopened += trace->before.count > 0;
        assembly->too_late += count_too_late(trace, border_ns);
        note_heavy(assembly, trace);
    }
    assembly->left += batch->n_left;
    assembly->too_late += batch->n_late;
    store_mark_settled(assembly->store, batch->ids, batch->n_ids);
    settling_note_applied(&assembly->batch);
}

static int learn_link(void *context, TraceId from, TraceId to)
{
    settling_learn_link(context, from, to);
    return 0;
}

/* The links of what is settled already, once: a new index after a start. */
static int learn_links(Assembly *assembly)
{
    if (!assembly->links_known) {
        TRY(store_links(assembly->store, learn_link, &assembly->batch));
        assembly->batch.flows_known |= map_knows_flows(assembly->options.map);
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
    return assembly->batch.has_links ? SETTLING_TRACES_MAX : BATCH_PLAIN_MAX;
}

static bool has_room(const Assembly *assembly)
{
    return assembly->batch.n_ids < batch_max(assembly) && assembly->batch.n_spans < BATCH_SPANS_MAX;
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
    return settling_add(&assembly->batch, id);
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

/* What cannot be read now (no descriptors, no memory) is no reason to try without end. */
static bool may_retry(const Assembly *assembly, uint64_t now_ns, bool settle_all)
{
    uint64_t wait_ms =
        settle_all ? MIN(assembly->retry_ms, (uint64_t)RETRY_MS_ASKED) : assembly->retry_ms;

    return now_ns - assembly->failed_ns >= wait_ms * 1000000U;
}

/* Opens the batch again, and waits longer each time. */
static void put_off(Assembly *assembly, int result, uint64_t now_ns)
{
    assembly->failed++;
    assembly->failed_ns = now_ns;
    assembly->retry_ms =
        MIN(MAX(2 * assembly->retry_ms, (uint64_t)RETRY_MS_MIN), (uint64_t)RETRY_MS_MAX);
    log_error("traces could not be read to settle them", LOG_ERR(result),
              LOG_U64("traces", assembly->batch.n_ids), LOG_U64("retry_ms", assembly->retry_ms));
    for (size_t i = 0; i < assembly->batch.n_ids; i++) {
        open_traces_touch(&assembly->open, assembly->batch.ids[i], now_ns);
    }
}

/* Settles one batch. Returns whether there may be more; a failed one is opened again. */
static bool settle_batch(Assembly *assembly, uint64_t now_ns, bool settle_all)
{
    Settling *batch = &assembly->batch;

    settling_drop(&assembly->batch);
    int result = learn_links(assembly);
    if (result == 0) {
        result = fill_batch(assembly, now_ns, settle_all);
    }
    if (result == 0 && assembly->batch.n_ids > 0) {
        result = settling_contribute(&assembly->batch);
    }
    if (result == 0 && assembly->batch.n_ids > 0) {
        result = runs_prepare(map_runs(assembly->options.map), &batch->minus_members,
                              &batch->plus_members, &batch->minus, &batch->plus);
    }
    if (result != 0) {
        put_off(assembly, result, now_ns);
        return false;
    }
    assembly->retry_ms = 0;
    if (assembly->batch.n_ids == 0) {
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
        .failed_batches = assembly->failed,
        .links = links_count(&assembly->batch.links),
        .spans_beyond = assembly->spans_beyond,
        .too_late_spans = assembly->too_late,
        .damaged_traces = assembly->left,
        .cut_contexts = assembly->batch.cut_contexts,
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

/* Traces wait for a cut while the map has little room for their names, unless somebody waits for
 * them. */
static void on_tick(void *context, bool settle_all)
{
    Assembly *assembly = context;
    uint64_t now_ns = clock_monotonic_ns(assembly->options.clock);
    bool more = assembly->store != NULL && may_retry(assembly, now_ns, settle_all);

    settle_beyond(assembly);
    while (more && (settle_all || map_room(assembly->options.map) != MAP_IS_FULL)) {
        more = settle_batch(assembly, now_ns, settle_all);
    }
    settling_drop(&assembly->batch);
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
    heavy_traces_forget(&assembly->heavy, id);
}

static bool on_wants_cut(void *context)
{
    const Assembly *assembly = context;

    return map_room(assembly->options.map) != MAP_HAS_ROOM;
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
        .wants_cut = on_wants_cut,
        .cut = on_cut,
        .write_tables = on_write_tables,
        .free_pending = on_free_pending,
        .load_table = on_load_table,
        .tables_loaded = on_tables_loaded,
        .tables_changed = on_tables_changed,
        .plan_merge = on_plan_merge,
        .merge_tables = on_merge_tables,
    };
    settling_init(&assembly->batch);
    open_traces_init(&assembly->open);
    heavy_traces_init(&assembly->heavy);
    table_init(&assembly->beyond, TRACE_ID_SIZE, TRACE_ID_SIZE);
    pthread_mutex_init(&assembly->status_lock, NULL);
    return assembly;
}

Assembly *assembly_free(Assembly *assembly)
{
    if (assembly != NULL) {
        open_traces_deinit(&assembly->open);
        heavy_traces_deinit(&assembly->heavy);
        table_deinit(&assembly->beyond);
        settling_deinit(&assembly->batch);
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
    if (assembly->store == NULL) { /* else the store has said so itself, and its threads run */
        assembly->store = store;
        assembly->batch.store = store;
    }
}

void assembly_status(Assembly *assembly, AssemblyStatus *ret_status)
{
    pthread_mutex_lock(&assembly->status_lock);
    *ret_status = assembly->status;
    pthread_mutex_unlock(&assembly->status_lock);
}
