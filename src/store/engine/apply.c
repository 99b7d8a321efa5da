// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "os/condition.h"
#include "store/engine/engine.h"

/*
 * The applier: the one thread that changes the head and talks to the observer. It takes committed
 * batches in log order; between bursts it lets the observer tick, closes generations and cuts.
 *
 * A cut takes all rows that are settled, of every generation, at one moment between two ticks, and
 * with them all that the observer added to its tables since the cut before. So block and table of
 * one commit speak of exactly the same traces, which is the invariant of observer.h. When to cut is
 * a question of block size only: when a closed generation has no open row any more.
 *
 * Stragglers: when few rows of a closed generation are still open, or it has been closed for
 * another generation's age, they are copied to the active generation, so that one trace that never
 * ends does not hold the memory and the log of all that came with it. A reader that begins while
 * that goes on sees some rows twice, as it does a resend; never none of the two.
 */
enum { STRAGGLERS_ONE_OF = 8 };

static Generation *active(const Store *store)
{
    return store->generations[store->n_generations - 1];
}

static uint64_t now_ns(const Store *store)
{
    return clock_monotonic_ns(store->clock);
}

/* In slices, so that readers wait a millisecond at most. */
static void append_rows(Store *store, const Batch *batch, uint64_t sequence)
{
    uint32_t state = store->observer == NULL ? ROW_SETTLED : ROW_OPEN;

    for (size_t at = 0; at < batch->n_spans;) {
        size_t end = MIN(batch->n_spans, at + APPLY_SLICE_ROWS);

        pthread_rwlock_wrlock(&store->lock);
        Generation *generation = active(store);
        if (generation->n_rows == 0) {
            generation->born_ns = now_ns(store);
        }
        generation_begin(generation, sequence);
        for (; at < end; at++) {
            generation_append(generation, &batch->spans[at], state);
        }
        pthread_rwlock_unlock(&store->lock);
    }
}

void apply_batch(Store *store, const Batch *batch, uint64_t sequence)
{
    append_rows(store, batch, sequence);
    store->applied_sequence = sequence;
    if (store->observer != NULL) {
        store->observer->on_batch(store->observer->context, batch);
    }
}

void store_mark_settled(Store *store, const TraceId *traces, size_t n_traces)
{
    for (size_t at = 0; at < n_traces;) {
        size_t end = MIN(n_traces, at + APPLY_SLICE_ROWS);

        pthread_rwlock_wrlock(&store->lock);
        for (; at < end; at++) {
            for (size_t i = 0; i < store->n_generations; i++) {
                generation_settle(store->generations[i], traces[at]);
            }
        }
        pthread_rwlock_unlock(&store->lock);
    }
}

static bool is_full(const Store *store, const Generation *generation)
{
    return generation->n_rows >= store->options.generation_rows ||
           generation_bytes(generation) >= GENERATION_BYTES_MAX ||
           now_ns(store) - generation->born_ns >= store->options.generation_age_ms * 1000000U;
}

/* With too many generations the active one grows on; appends are refused before it gets too big. */
static void close_generation(Store *store, bool everything)
{
    Generation *generation = active(store);

    if (generation->n_rows == 0 || store->n_generations == GENERATIONS_MAX ||
        (!everything && !is_full(store, generation))) {
        return;
    }
    pthread_rwlock_wrlock(&store->lock);
    generation->closed_ns = MAX(now_ns(store), (uint64_t)1);
    store->generations[store->n_generations++] = generation_new(generation->closed_ns);
    pthread_rwlock_unlock(&store->lock);
}

/* Lets go of generations whose rows are all in committed blocks. */
static void drop_spent(Store *store)
{
    size_t kept = 0;

    pthread_rwlock_wrlock(&store->lock);
    for (size_t i = 0; i < store->n_generations; i++) {
        Generation *generation = store->generations[i];

        if (generation->closed_ns != 0 && generation->n_open + generation->n_settled == 0 &&
            generation->last_cut <= store->committed) {
            generation_unref(generation);
        } else {
            store->generations[kept++] = generation;
        }
    }
    store->n_generations = kept;
    pthread_rwlock_unlock(&store->lock);
    ASSERT(kept > 0); /* the active one is never closed */
}

static void move_stragglers(Store *store, Generation *generation)
{
    uint64_t age_ns = now_ns(store) - generation->closed_ns;

    if (generation->closed_ns == 0 || generation->n_open == 0 ||
        (generation->n_open > generation->n_rows / STRAGGLERS_ONE_OF &&
         age_ns < store->options.generation_age_ms * 1000000U)) {
        return;
    }
    uint32_t move = MAX(store->moves, ROW_FIRST_MOVE) + 1, at = 0;
    bool more = true;

    while (more) {
        pthread_rwlock_wrlock(&store->lock);
        if (active(store)->n_rows == 0) {
            active(store)->born_ns = now_ns(store);
        }
        more = generation_move_open(generation, move, active(store), &at, APPLY_SLICE_ROWS);
        store->moves = more ? store->moves : move;
        pthread_rwlock_unlock(&store->lock);
    }
}

static bool observer_wants_cut(const Store *store)
{
    const StoreObserver *observer = store->observer;

    return observer != NULL && observer->wants_cut != NULL &&
           observer->wants_cut(observer->context);
}

/* Whether a cut makes sense now: a closed generation waits for nothing else. @early: what is
 * settled will do. */
static bool cut_is_due(const Store *store, bool early)
{
    size_t n_behind = 0;

    for (size_t i = 0; i < store->n_generations; i++) {
        const Generation *generation = store->generations[i];

        if (generation->n_settled > 0 &&
            (early || (generation->closed_ns != 0 && generation->n_open == 0))) {
            return true;
        }
        n_behind += generation->n_settled + generation->n_open;
    }
    return store->log_is_dirty && n_behind == 0; /* one without rows lets the log go */
}

static Cut *make_cut(Store *store)
{
    Cut *cut = NEW(Cut);

    store->log_is_dirty = false;
    cut->number = ++store->last_cut;
    cut->written_s = clock_realtime_ns(store->clock) / 1000000000U;
    cut->log_from = store->applied_sequence + 1;
    pthread_rwlock_wrlock(&store->lock);
    for (size_t i = 0; i < store->n_generations; i++) {
        if (generation_cut(store->generations[i], cut->number) > 0) {
            cut->generations[cut->n_generations++] = generation_ref(store->generations[i]);
        }
    }
    pthread_rwlock_unlock(&store->lock);
    for (size_t i = 0; i < store->n_generations; i++) {
        cut->log_from = MIN(cut->log_from, generation_low_sequence(store->generations[i]));
    }
    if (store->observer != NULL) {
        cut->pending = store->observer->cut(store->observer->context);
    }
    return cut;
}

static bool writer_is_idle(Store *store)
{
    pthread_mutex_lock(&store->mutex);
    bool idle = store->cut == NULL;
    pthread_mutex_unlock(&store->mutex);
    return idle;
}

static void hand_over_cut(Store *store, Cut *cut)
{
    pthread_mutex_lock(&store->mutex);
    store->cut = cut;
    pthread_cond_signal(&store->writer_wake);
    pthread_mutex_unlock(&store->mutex);
}

static uint64_t measure_head(Store *store)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < store->n_generations; i++) {
        bytes += generation_bytes(store->generations[i]);
    }
    pthread_mutex_lock(&store->mutex);
    store->head_bytes = bytes;
    pthread_mutex_unlock(&store->mutex);
    return bytes;
}

void apply_turn(Store *store, bool settle_all, bool everything)
{
    bool memory_is_short = measure_head(store) > HEAD_SETTLE_BYTES;
    bool idle = writer_is_idle(store);

    if (idle) {
        apply_deletions(store);
    }
    if (store->observer != NULL && store->settle_by_tick) {
        store->observer->on_tick(store->observer->context,
                                 settle_all || everything || memory_is_short);
    }
    close_generation(store, everything || (memory_is_short && idle));
    drop_spent(store);
    for (size_t i = 0; i + 1 < store->n_generations; i++) {
        move_stragglers(store, store->generations[i]);
    }
    if (idle && (observer_wants_cut(store) || cut_is_due(store, everything))) {
        hand_over_cut(store, make_cut(store));
    }
}

/* Batches and what else is asked, taken from the queue in one go. */
typedef struct Burst {
    Queued *first;
    uint64_t settle_ticket;
    bool settle_all, stop;
    bool everything; /* the head must become blocks now, and the writer is ready */
} Burst;

void store_wait_ms(Store *store, pthread_cond_t *condition, uint64_t timeout_ms)
{
    condition_wait_for(condition, &store->mutex, timeout_ms * 1000000U);
}

/* Whether somebody waits for a settling and enough time has passed since the last one. */
static bool settle_is_due(const Store *store)
{
    return store->settle_asked != store->settle_done &&
           (now_ns(store) >= store->settle_not_before_ns || store->applier_stop);
}

/* How long to sleep: a tick, or until the settling that somebody waits for. */
static uint64_t tick_ms(const Store *store)
{
    uint64_t now = now_ns(store), due_ns = store->settle_not_before_ns;

    return store->settle_asked == store->settle_done || due_ns <= now
               ? TICK_MS
               : MIN((due_ns - now) / 1000000U + 1, (uint64_t)TICK_MS);
}

static Burst take_burst(Store *store)
{
    pthread_mutex_lock(&store->mutex);
    if (store->first == NULL && !settle_is_due(store) && !store->applier_stop) {
        store_wait_ms(store, &store->applier_wake, tick_ms(store));
    }
    bool settle_all = settle_is_due(store);
    Burst burst = {
        .first = store->first,
        .settle_ticket = settle_all ? store->settle_asked : store->settle_done,
        .settle_all = settle_all,
        .stop = store->applier_stop,
        .everything = store->log_is_gone && store->cut == NULL,
    };
    store->log_is_gone &= !burst.everything;
    store->first = NULL;
    store->end = &store->first;
    pthread_mutex_unlock(&store->mutex);
    return burst;
}

/* The body was the request's own buffer, so what can be kept of a batch is its arena. */
static void finish_batch(Store *store, Queued *queued)
{
    StoreBatch *batch = queued->batch;
    bool keeps = batch->arena.allocated <= SPARE_BYTES_MAX;

    buf_deinit(&batch->body);
    if (keeps) {
        arena_reset(&batch->arena);
    }
    batch->spans = (Batch){0};
    pthread_mutex_lock(&store->mutex);
    const Queued *next = queued->next != NULL ? queued->next : store->first;
    store->waiting_since_ns = next == NULL ? UINT64_MAX : next->acknowledged_ns;
    store->applied++;
    store->queue_bytes -= queued->bytes;
    pthread_cond_broadcast(&store->progress);
    if (keeps && store->n_spares < SPARES_MAX) {
        store->spares[store->n_spares++] = TAKE(batch);
    }
    pthread_mutex_unlock(&store->mutex);
    store_batch_free(batch);
    mem_free(queued);
}

/* A long burst is interrupted by turns, so that generations close where they should. */
static void apply_burst(Store *store, Queued *queued)
{
    uint64_t turned_ns = now_ns(store);

    while (queued != NULL) {
        Queued *next = queued->next;

        apply_batch(store, &queued->batch->spans, queued->entry.sequence);
        finish_batch(store, queued);
        queued = next;
        if (next != NULL && (now_ns(store) - turned_ns > TICK_MS * 1000000U ||
                             active(store)->n_rows >= store->options.generation_rows)) {
            apply_turn(store, false, false);
            turned_ns = now_ns(store);
        }
    }
}

static void *applier(void *context)
{
    Store *store = context;

    for (;;) {
        Burst burst = take_burst(store);

        apply_burst(store, burst.first);
        uint64_t start_ns = now_ns(store);
        apply_turn(store, burst.settle_all, burst.everything);
        pthread_mutex_lock(&store->mutex);
        store->settle_done = burst.settle_ticket;
        if (burst.settle_all) {
            uint64_t end_ns = now_ns(store);
            store->settle_not_before_ns = end_ns + (end_ns - start_ns) * (SETTLE_SHARE - 1);
        }
        pthread_cond_broadcast(&store->progress);
        bool done = burst.stop && store->first == NULL;
        pthread_mutex_unlock(&store->mutex);
        if (done) {
            return NULL;
        }
    }
}

int applier_start(Store *store)
{
    int result = -pthread_create(&store->applier, NULL, applier, store);

    if (result == 0) {
        pthread_setname_np(store->applier, "applier");
        store->has_applier = true;
    }
    return result;
}

static void wait_for_writer(Store *store)
{
    pthread_mutex_lock(&store->mutex);
    while (store->cut != NULL && store->writer_error == 0) {
        pthread_cond_wait(&store->progress, &store->mutex);
    }
    pthread_mutex_unlock(&store->mutex);
}

void applier_stop(Store *store)
{
    if (!store->has_applier) {
        return;
    }
    pthread_mutex_lock(&store->mutex);
    store->applier_stop = true;
    pthread_cond_signal(&store->applier_wake);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->applier, NULL);
    store->has_applier = false;
    /* From here on this thread is the applier. One cut may be under way; a second takes the rest.
     */
    wait_for_writer(store);
    apply_turn(store, true, true);
    wait_for_writer(store);
}

bool store_wait_for_progress(Store *store, uint64_t deadline_ns)
{
    if (deadline_ns == 0) {
        pthread_cond_wait(&store->progress, &store->mutex);
        return true;
    }
    uint64_t now = now_ns(store);
    if (now < deadline_ns) {
        store_wait_ms(store, &store->progress, (deadline_ns - now) / 1000000U + 1);
    }
    return now < deadline_ns;
}

static int wait_for_applied(Store *store, uint64_t deadline_ns)
{
    uint64_t target = store->handed_over;

    while (store->applied < target) {
        if (!store_wait_for_progress(store, deadline_ns)) {
            return STORE_LATE;
        }
    }
    return 0;
}

static int wait_for_settled(Store *store, uint64_t deadline_ns)
{
    uint64_t ticket = ++store->settle_asked;

    pthread_cond_signal(&store->applier_wake);
    while (store->settle_done < ticket) {
        if (!store_wait_for_progress(store, deadline_ns)) {
            return STORE_LATE;
        }
    }
    return 0;
}

int store_wait(Store *store, StoreWait what, uint64_t deadline_ns)
{
    pthread_mutex_lock(&store->mutex);
    int result = what == STORE_WAIT_APPLIED ? wait_for_applied(store, deadline_ns)
                                            : wait_for_settled(store, deadline_ns);
    pthread_mutex_unlock(&store->mutex);
    return result;
}

void store_wait_applied(Store *store)
{
    ASSERT(store_wait(store, STORE_WAIT_APPLIED, 0) == 0);
}

void store_wait_settled(Store *store)
{
    ASSERT(store_wait(store, STORE_WAIT_SETTLED, 0) == 0);
}

uint64_t store_waiting_since(Store *store)
{
    pthread_mutex_lock(&store->mutex);
    uint64_t since_ns = store->waiting_since_ns;
    pthread_mutex_unlock(&store->mutex);
    return since_ns;
}
