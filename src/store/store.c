// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "os/condition.h"
#include "store/engine/engine.h"
#include "store/engine/recover.h"
#include "store/segment.h"

enum {
    COMMIT_DELAY_US = 1000,
    COMMIT_BYTES = 512 << 10,
    QUEUE_BYTES_MAX = 24 << 20,
    GENERATION_ROWS = 262144,
    GENERATION_AGE_MS = 60000,
    RETENTION_AGE_S = 7 * 24 * 3600,
    TRACE_SPANS_MAX = 200000,
    COMPACTION_ROWS = 2097152,
    COMPACTION_BYTES = 512 << 20,
    COMPACTION_BYTES_PER_S = 64 << 20,
};

StoreBatch *store_batch_new(void)
{
    return NEW(StoreBatch);
}

StoreBatch *store_batch_free(StoreBatch *batch)
{
    if (batch != NULL) {
        buf_deinit(&batch->body);
        arena_deinit(&batch->arena);
        mem_free(batch);
    }
    return NULL;
}

StoreBatch *store_batch_reuse(Store *store)
{
    StoreBatch *batch = NULL;

    pthread_mutex_lock(&store->mutex);
    if (store->n_spares > 0) {
        batch = store->spares[--store->n_spares];
    }
    pthread_mutex_unlock(&store->mutex);
    return batch == NULL ? store_batch_new() : batch;
}

void store_drop_spares(Store *store)
{
    StoreBatch *batch;

    do {
        pthread_mutex_lock(&store->mutex);
        batch = store->n_spares == 0 ? NULL : store->spares[--store->n_spares];
        pthread_mutex_unlock(&store->mutex);
        store_batch_free(batch);
    } while (batch != NULL);
}

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value == 0 ? fallback : value;
}

static StoreOptions with_defaults(const StoreOptions *options)
{
    StoreOptions filled = *options;

    filled.commit_delay_us = or_default(options->commit_delay_us, COMMIT_DELAY_US);
    filled.commit_bytes = or_default(options->commit_bytes, COMMIT_BYTES);
    filled.queue_bytes_max = or_default(options->queue_bytes_max, QUEUE_BYTES_MAX);
    filled.generation_rows = or_default(options->generation_rows, GENERATION_ROWS);
    filled.generation_rows = MIN(filled.generation_rows, (uint64_t)GENERATION_ROWS_MAX / 4);
    filled.generation_age_ms = or_default(options->generation_age_ms, GENERATION_AGE_MS);
    filled.retention_age_s = or_default(options->retention_age_s, RETENTION_AGE_S);
    filled.trace_spans_max = or_default(options->trace_spans_max, TRACE_SPANS_MAX);
    filled.compaction_rows = or_default(options->compaction_rows, COMPACTION_ROWS);
    filled.compaction_rows = MIN(filled.compaction_rows, (uint64_t)GENERATION_ROWS_MAX / 4);
    filled.group_rows = or_default(options->group_rows, BLOCK_GROUP_ROWS);
    filled.compaction_bytes = or_default(options->compaction_bytes, COMPACTION_BYTES);
    filled.compaction_bytes_per_s =
        or_default(options->compaction_bytes_per_s, COMPACTION_BYTES_PER_S);
    return filled;
}

static void init_sync(Store *store)
{
    pthread_rwlockattr_t lock_attributes;

    /* Writers first: glibc would let a stream of readers hold the applier off for ever. */
    pthread_rwlockattr_init(&lock_attributes);
    pthread_rwlockattr_setkind_np(&lock_attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&store->lock, &lock_attributes);
    pthread_rwlockattr_destroy(&lock_attributes);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_mutex_init(&store->files, NULL);
    condition_init(&store->applier_wake);
    condition_init(&store->writer_wake);
    condition_init(&store->compactor_wake);
    condition_init(&store->progress);
}

static Store *store_new(const StoreOptions *options)
{
    Store *store = NEW(Store);

    store->options = with_defaults(options);
    store->fs = options->fs;
    store->clock = options->clock;
    store->observer = options->observer;
    store->end = &store->first;
    store->waiting_since_ns = UINT64_MAX;
    store->last_cut = store->committed = ROW_FIRST_CUT - 1;
    store->moves = ROW_FIRST_MOVE;
    init_sync(store);
    store->generations[store->n_generations++] = generation_new(clock_monotonic_ns(store->clock));
    store->shelf = shelf_change(NULL, NULL, 0, NULL, 0);
    return store;
}

/* Everything but the threads, which are stopped. */
static void store_free(Store *store)
{
    store_drop_spares(store);
    buf_deinit(&store->block_file);
    cut_free(store, store->cut);
    for (size_t i = 0; i < store->n_generations; i++) {
        generation_unref(store->generations[i]);
    }
    shelf_unref(store->shelf);
    tables_free(store);
    log_close(store->log);
    manifest_deinit(&store->manifest);
    mem_free(store->orphan_blocks.items);
    mem_free(store->orphan_tables.items);
    pthread_cond_destroy(&store->progress);
    pthread_cond_destroy(&store->compactor_wake);
    pthread_cond_destroy(&store->writer_wake);
    pthread_cond_destroy(&store->applier_wake);
    pthread_mutex_destroy(&store->files);
    pthread_mutex_destroy(&store->mutex);
    pthread_rwlock_destroy(&store->lock);
    mem_free(store);
}

int store_open(const StoreOptions *options, Store **ret_store, const char **ret_why)
{
    ASSERT(options->fs != NULL && options->clock != NULL && options->decode != NULL);
    Store *store = store_new(options);
    int result = recover(store, ret_why);

    if (result != 0) {
        writer_stop(store);
        store_free(store);
        return result;
    }
    store->settle_by_tick = true;
    result = applier_start(store);
    if (result == 0) {
        result = compactor_start(store);
    }
    if (result != 0) {
        *ret_why = "A thread cannot be started; raise the limit of processes.";
        applier_stop(store);
        writer_stop(store);
        store_free(store);
        return result;
    }
    *ret_store = store;
    return 0;
}

int store_drain(Store *store)
{
    compactor_stop(store);
    log_stop(store->log);
    applier_stop(store);
    writer_stop(store);
    return store->cut == NULL ? 0 : store->writer_error;
}

Store *store_close(Store *store)
{
    if (store == NULL) {
        return NULL;
    }
    (void)store_drain(store);
    store_free(store);
    return NULL;
}

/* On the log's thread: hands a committed batch to the applier, before anybody is told. */
static void committed(LogEntry *entry, int result)
{
    Queued *queued = (Queued *)entry;
    Store *store = queued->store;
    StoreAppended done = queued->done;
    void *context = queued->context;

    log_entry_deinit(entry);
    pthread_mutex_lock(&store->mutex);
    if (result == 0) {
        store->counters.appended_batches++;
        store->counters.appended_spans += queued->batch->spans.n_spans;
        store->counters.appended_bytes += queued->batch->body.len;
        queued->next = NULL;
        queued->acknowledged_ns = clock_monotonic_ns(store->clock);
        store->waiting_since_ns = MIN(store->waiting_since_ns, queued->acknowledged_ns);
        *store->end = queued;
        store->end = &queued->next;
        store->handed_over++;
        pthread_cond_signal(&store->applier_wake);
    } else {
        store->counters.failed_appends++;
        store->queue_bytes -= queued->bytes;
        store->log_is_gone |= result == -ENOENT;
    }
    pthread_mutex_unlock(&store->mutex);
    if (result != 0) {
        store_batch_free(queued->batch);
        mem_free(queued);
    }
    done(context, result);
}

/* Whether the queue takes @bytes more; a refusal is counted. Under the mutex. One batch always
 * fits, however large. */
static int check_room(Store *store, uint64_t bytes)
{
    bool head_is_full = store->head_bytes > HEAD_BYTES_MAX;

    if (head_is_full && store->writer_error != 0) {
        store->counters.failed_appends++;
        return store->writer_error;
    }
    if (head_is_full ||
        (store->queue_bytes > 0 && store->queue_bytes + bytes > store->options.queue_bytes_max)) {
        store->counters.busy_appends++;
        return STORE_BUSY;
    }
    return 0;
}

int store_check_room(Store *store, uint64_t bytes)
{
    pthread_mutex_lock(&store->mutex);
    int result = check_room(store, bytes);
    pthread_mutex_unlock(&store->mutex);
    return result;
}

/* Takes room in the queue. */
static int reserve(Store *store, uint64_t bytes)
{
    pthread_mutex_lock(&store->mutex);
    int result = check_room(store, bytes);
    store->queue_bytes += result == 0 ? bytes : 0;
    pthread_mutex_unlock(&store->mutex);
    return result;
}

static void give_back(Store *store, uint64_t bytes)
{
    pthread_mutex_lock(&store->mutex);
    store->queue_bytes -= bytes;
    store->counters.failed_appends++;
    pthread_mutex_unlock(&store->mutex);
}

int store_append(Store *store, StoreBatch *batch, StoreAppended done, void *context)
{
    uint64_t bytes = batch->body.len + batch->arena.allocated;

    if (batch->body.len > FRAME_BODY_MAX) {
        return -EFBIG;
    }
    TRY(reserve(store, bytes));
    Queued *queued = NEW(Queued);
    queued->entry.done = committed;
    queued->store = store;
    queued->batch = batch;
    queued->done = done;
    queued->context = context;
    queued->bytes = bytes;
    log_entry_prepare(&queued->entry, buf_str(&batch->body));
    int result = log_append(store->log, &queued->entry);
    if (result != 0) {
        give_back(store, bytes);
        log_entry_deinit(&queued->entry);
        mem_free(queued);
    }
    return result;
}

/* Spans of the head as a reader counts them. */
static void measure_rows(Store *store, StoreStatus *status)
{
    pthread_rwlock_rdlock(&store->lock);
    status->n_blocks = store->shelf->count;
    status->tombstones = store->shelf->deletions.count;
    status->spans_stored = store->shelf->n_spans;
    status->oldest_ns = UINT64_MAX;
    for (size_t i = 0; i < store->shelf->count; i++) {
        const BlockSummary *summary = &store->shelf->blocks[i]->summary;

        status->oldest_ns = MIN(status->oldest_ns, summary->min_start_ns);
        status->newest_ns = MAX(status->newest_ns, summary->max_start_ns);
    }
    for (size_t i = 0; i < store->n_generations; i++) {
        const Generation *generation = store->generations[i];

        status->head_spans += generation_rows_behind(generation, store->committed);
        status->unsettled_spans += generation->n_open;
        if (generation->n_open + generation->n_settled > 0) {
            status->oldest_ns = MIN(status->oldest_ns, generation->min_start_ns);
            status->newest_ns = MAX(status->newest_ns, generation->max_start_ns);
        }
    }
    pthread_rwlock_unlock(&store->lock);
    status->spans_stored += status->head_spans;
    status->oldest_ns = status->oldest_ns == UINT64_MAX ? 0 : status->oldest_ns;
}

static void measure_log(Store *store, StoreStatus *status)
{
    LogStatus log;

    log_status(store->log, &log);
    status->log_bytes = log.bytes;
    status->n_log_segments = log.n_segments;
    status->commits = log.commits;
    status->last_commit_ns = log.last_commit_ns;
    status->commit_ns_total = log.commit_ns_total;
    status->syncs = log.syncs;
    status->sync_interval_ms = store->options.sync_interval_ms;
    if (log.write_error != 0) {
        status->write_error = log.write_error;
    }
}

void store_status(Store *store, StoreStatus *ret_status)
{
    StoreStatus status;

    pthread_mutex_lock(&store->mutex);
    status = store->counters;
    status.head_bytes = store->head_bytes;
    status.queue_bytes = store->queue_bytes;
    status.write_error = store->writer_error;
    pthread_mutex_unlock(&store->mutex);
    measure_rows(store, &status);
    measure_log(store, &status);
    status.bytes_stored = status.block_bytes + status.table_bytes + status.log_bytes;
    if (store->fs->ops->free_bytes(store->fs, &status.disk_free_bytes, &status.disk_total_bytes) !=
        0) {
        status.disk_free_bytes = status.disk_total_bytes = 0;
    }
    *ret_status = status;
}
