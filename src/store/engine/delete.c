// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/engine/compact.h"

/*
 * Deleting single traces (docs/adr/ has the decision). Three steps:
 *
 * 1. The applier, between two cuts, when every row is either in the head or in a committed block,
 *    writes a tombstone into the manifest, takes the rows out of the head and gives readers a shelf
 *    that hides the trace in all blocks there are. From then on nobody sees it. A tombstone speaks
 *    of what came before: blocks and log frames below its numbers.
 * 2. The compactor writes the blocks that hold the trace again, without it.
 * 3. The log lets its frames go when their other rows are in blocks. When neither block nor log can
 *    hold the trace any more, the tombstone goes.
 *
 * The observer forgets that the trace is open; what it added to the observer's tables stays.
 */

/* A caller that waits; on its stack, in a list under the mutex. */
struct Deletion {
    Deletion *next;
    TraceId id;
    bool is_taken, is_done; /* by the applier */
    int result;
};

/* ---- the caller ---- */

static void unlink_deletion(Store *store, Deletion *deletion)
{
    for (Deletion **at = &store->deletions; *at != NULL; at = &(*at)->next) {
        if (*at == deletion) {
            *at = deletion->next;
            store->n_deletions--;
            return;
        }
    }
}

/* Under the mutex. What the applier has taken is waited for: it may be done already. */
static int wait_for_deletion(Store *store, Deletion *deletion, uint64_t deadline_ns)
{
    while (!deletion->is_done) {
        if (!store_wait_for_progress(store, deletion->is_taken ? 0 : deadline_ns) &&
            !deletion->is_taken && !deletion->is_done) {
            unlink_deletion(store, deletion);
            return STORE_LATE;
        }
    }
    return deletion->result;
}

static int find_trace(Store *store, TraceId id)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans;
    size_t n;

    int result = store_read_trace(store, id, STORE_ALL, &arena, &spans, &n);
    return result < 0 ? result : n == 0 ? STORE_NO_TRACE : 0;
}

int store_delete_trace(Store *store, TraceId id, uint64_t deadline_ns)
{
    Deletion deletion = {.id = id};

    TRY(store_wait(store, STORE_WAIT_APPLIED, deadline_ns));
    TRY(find_trace(store, id));
    pthread_mutex_lock(&store->mutex);
    int result = store->n_deletions >= DELETIONS_WAIT_MAX ? STORE_LATE : 0;
    if (result == 0) {
        deletion.next = store->deletions;
        store->deletions = &deletion;
        store->n_deletions++;
        pthread_cond_signal(&store->applier_wake);
        result = wait_for_deletion(store, &deletion, deadline_ns);
    }
    pthread_mutex_unlock(&store->mutex);
    return result;
}

/* ---- the applier ---- */

static Deletion *take_deletions(Store *store)
{
    pthread_mutex_lock(&store->mutex);
    Deletion *first = store->deletions;
    store->deletions = NULL;
    store->n_deletions = 0;
    for (Deletion *deletion = first; deletion != NULL; deletion = deletion->next) {
        deletion->is_taken = true;
    }
    pthread_mutex_unlock(&store->mutex);
    return first;
}

/* Gives readers @shelf. Under files. */
static void show_shelf(Store *store, Shelf *shelf)
{
    pthread_rwlock_wrlock(&store->lock);
    Shelf *old = store->shelf;
    store->shelf = shelf;
    pthread_rwlock_unlock(&store->lock);
    shelf_unref(old);
}

/* Takes the traces out of the head, in one step with the shelf that hides them. */
static void hide(Store *store, const Deletion *first)
{
    Shelf *shelf = shelf_hide(store->shelf, &store->manifest.deletions);

    pthread_rwlock_wrlock(&store->lock);
    Shelf *old = store->shelf;
    store->shelf = shelf;
    for (const Deletion *deletion = first; deletion != NULL; deletion = deletion->next) {
        for (size_t i = 0; i < store->n_generations; i++) {
            generation_delete(store->generations[i], deletion->id);
        }
        store->n_deleted++;
    }
    pthread_rwlock_unlock(&store->lock);
    shelf_unref(old);
}

static int commit_deletions(Store *store, const Deletion *first)
{
    Manifest next;
    int result = 0;

    pthread_mutex_lock(&store->files);
    manifest_copy(&store->manifest, &next);
    for (const Deletion *deletion = first; deletion != NULL; deletion = deletion->next) {
        manifest_deletions_add(&next.deletions,
                               (ManifestDeletion){.trace_id = deletion->id,
                                                  .log_below = store->applied_sequence + 1,
                                                  .file_below = next.next_file});
    }
    if (next.deletions.count > TOMBSTONES_MAX) {
        result = STORE_LATE;
    }
    if (result == 0) {
        result = writer_commit(store, &next);
    }
    if (result == 0) {
        hide(store, first);
    }
    manifest_deinit(&next);
    pthread_mutex_unlock(&store->files);
    return result;
}

static void answer(Store *store, Deletion *first, int result)
{
    pthread_mutex_lock(&store->mutex);
    for (Deletion *deletion = first, *next; deletion != NULL; deletion = next) {
        next = deletion->next; /* it goes with its caller */
        deletion->result = result;
        deletion->is_done = true;
        store->counters.deleted_traces += result == 0;
    }
    store->compactor_asked = true;
    pthread_cond_signal(&store->compactor_wake);
    pthread_cond_broadcast(&store->progress);
    pthread_mutex_unlock(&store->mutex);
}

void apply_deletions(Store *store)
{
    Deletion *first = take_deletions(store);

    if (first == NULL) {
        return;
    }
    int result = commit_deletions(store, first);
    for (const Deletion *deletion = first; deletion != NULL && result == 0;
         deletion = deletion->next) {
        if (store->observer != NULL && store->observer->forget != NULL) {
            store->observer->forget(store->observer->context, deletion->id);
        }
    }
    if (result == 0) {
        store->log_is_dirty = true;
        log_seal(store->log);
    } else {
        log_error("store: traces could not be deleted", LOG_ERR(result));
    }
    answer(store, first, result);
}

bool is_deleted(const Manifest *manifest, TraceId id, uint64_t sequence)
{
    for (size_t i = 0; i < manifest->deletions.count; i++) {
        const ManifestDeletion *deletion = &manifest->deletions.items[i];

        if (sequence < deletion->log_below && trace_id_equal(deletion->trace_id, id)) {
            return true;
        }
    }
    return false;
}

/* ---- the compactor ---- */

typedef enum Holding { HOLDS_NOTHING, HOLDS_ROWS, HOLDS_DAMAGE } Holding;

/* Returns a Holding or -errno. */
static int holding(ShelfBlock *block, const ManifestDeletion *deletion)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans = NULL;
    size_t n = 0;

    if (block->number >= deletion->file_below ||
        !block_may_have_trace(block->block, deletion->trace_id)) {
        return HOLDS_NOTHING;
    }
    const BlockTraceQuestion question = {deletion->trace_id, 1, true};
    int result = block_read_trace_part(block->block, &question, &arena, &spans, &n);
    if (result > 0 || (result == 0 && n > 0 && atomic_load(&block->unmergeable))) {
        return HOLDS_DAMAGE;
    }
    return result < 0 ? result : n > 0 ? HOLDS_ROWS : HOLDS_NOTHING;
}

/* A block that holds the trace, of @shelf; NULL: none that can be written again. A damaged one that
 * may hold it is not clean either. */
static int find_block(const Shelf *shelf, const ManifestDeletion *deletion, ShelfBlock **ret_block,
                      bool *ret_clean)
{
    *ret_block = NULL;
    *ret_clean = true;
    for (size_t i = 0; i < shelf->count; i++) {
        int held = holding(shelf->blocks[i], deletion);

        TRY(MIN(held, 0));
        if (held == HOLDS_ROWS) {
            *ret_block = shelf->blocks[i];
        }
        *ret_clean &= held == HOLDS_NOTHING;
    }
    return 0;
}

/* Takes a tombstone out of the manifest and off the shelf. */
static int drop_tombstone(Store *store, const ManifestDeletion *deletion)
{
    Manifest next;

    pthread_mutex_lock(&store->files);
    manifest_copy(&store->manifest, &next);
    manifest_deletions_drop(&next.deletions, deletion);
    int result = writer_commit(store, &next);
    if (result == 0) {
        show_shelf(store, shelf_hide(store->shelf, &store->manifest.deletions));
    }
    manifest_deinit(&next);
    pthread_mutex_unlock(&store->files);
    return result;
}

static void note_clean(Store *store, const ManifestDeletion *deletion)
{
    pthread_mutex_lock(&store->files);
    ManifestDeletion *noted = manifest_deletions_find(&store->manifest.deletions, deletion);
    if (noted != NULL) {
        noted->is_clean = true;
    }
    pthread_mutex_unlock(&store->files);
}

/* Whether no log frame can bring the trace back. */
static bool log_is_clean(Store *store, const ManifestDeletion *deletion)
{
    pthread_mutex_lock(&store->files);
    uint64_t log_from = store->manifest.log_from;
    pthread_mutex_unlock(&store->files);
    return log_from >= deletion->log_below && log_first(store->log) >= deletion->log_below;
}

static int erase_one(Store *store, const Shelf *shelf, const ManifestDeletion *deletion,
                     bool *ret_worked)
{
    ShelfBlock *block = NULL;
    bool clean = deletion->is_clean;

    if (!clean) {
        TRY(find_block(shelf, deletion, &block, &clean));
    }
    if (block != NULL) {
        const MergePlan plan = {.sources = {block}, .n_sources = 1};

        int result = compact(store, &plan);
        *ret_worked = result == 0;
        return result;
    }
    if (!clean) {
        return 0; /* a damaged block may hold it: it stays hidden */
    }
    note_clean(store, deletion);
    if (log_is_clean(store, deletion)) {
        TRY(drop_tombstone(store, deletion));
        *ret_worked = true;
    }
    return 0;
}

int erase(Store *store, bool *ret_worked)
{
    CLEANUP(manifest_deletions_deinit) ManifestDeletions deletions = {0};
    int result = 0;

    pthread_mutex_lock(&store->files);
    Shelf *shelf = shelf_ref(store->shelf);
    for (size_t i = 0; i < store->manifest.deletions.count; i++) {
        manifest_deletions_add(&deletions, store->manifest.deletions.items[i]);
    }
    pthread_mutex_unlock(&store->files);
    for (size_t i = 0; i < deletions.count && result == 0 && !*ret_worked; i++) {
        result = erase_one(store, shelf, &deletions.items[i], ret_worked);
    }
    shelf_unref(shelf);
    return result;
}
