// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/engine/compact.h"

/*
 * What is merged when. Blocks are ordered by when their newest rows came, and time is cut into
 * windows. Within a window what came one after the other becomes one block as soon as it is as much
 * as rows per block allow, and what is left when the window is over; windows of two widths follow
 * one another. Small blocks do not wait: eight of a size become one, as a quiet server writes one a
 * minute. So a row is rewritten a few times in its life, most of them while it
 * is one of few, and a block's rows are of a short time, which a search can pass over.
 *
 * A merged block is kept as long as its newest row, so the wider window is an eighth of the age at
 * which retention takes blocks.
 */
enum {
    UPKEEP_MS = 1000,
    WINDOW_S = 3600,
    WIDE_WINDOW_S = 24 * 3600,
    SMALL_BLOCKS = 8,     /* of one tier that become one */
    SMALL_ONE_OF = 8,     /* small: less than this part of a block as the head writes it */
    PACE_BURST_MS = 100,  /* the rate is kept over so long */
    THREAD_NICENESS = 10, /* CPU goes to those who answer first */
};

/* The clock of the rate: what was moved is paid for in time. */
int compactor_pace(Store *store, uint64_t bytes)
{
    uint64_t rate = store->options.compaction_bytes_per_s;

    if (atomic_load(&store->compactor_stop)) {
        return -ECANCELED;
    }
    if (rate == UINT64_MAX || !store->compactor_paces) {
        return 0;
    }
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    store->compactor_paid_ns = MAX(store->compactor_paid_ns, now_ns);
    store->compactor_paid_ns += (uint64_t)((double)bytes * 1e9 / (double)rate);
    while (store->compactor_paid_ns > now_ns + PACE_BURST_MS * 1000000ULL) {
        usleep(PACE_BURST_MS * 1000);
        if (atomic_load(&store->compactor_stop)) {
            return -ECANCELED;
        }
        now_ns = clock_monotonic_ns(&clock_system);
    }
    return 0;
}

/* Changes the manifest by @change and what readers see with it. Returns 0 or -errno. */
static int commit(Store *store, Manifest *next, Cut *cut, ShelfBlock *const *removed, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        manifest_files_drop(&next->blocks, removed[i]->number);
    }
    for (size_t i = 0; i < cut->n_blocks; i++) {
        manifest_files_add(&next->blocks, cut->block_files[i]);
    }
    TRY(writer_commit(store, next));
    writer_publish(store, cut, removed, n);
    return 0;
}

int retire(Store *store, ShelfBlock *const *blocks, size_t n)
{
    Cut nothing = {0};
    Manifest next;

    pthread_mutex_lock(&store->files);
    manifest_copy(&store->manifest, &next);
    int result = commit(store, &next, &nothing, blocks, n);
    manifest_deinit(&next);
    pthread_mutex_unlock(&store->files);
    return result;
}

/* What the manifest says of the new blocks. */
static void date_blocks(Store *store, const MergePlan *plan, Cut *cut)
{
    uint64_t newest_s = 0, swept_s = plan->is_sweep ? plan->swept_s : UINT64_MAX;

    for (size_t i = 0; i < plan->n_sources; i++) {
        const ManifestFile *file =
            manifest_files_find(&store->manifest.blocks, plan->sources[i]->number);

        newest_s = MAX(newest_s, file == NULL ? 0 : file->written_s);
        if (!plan->is_sweep) {
            swept_s = MIN(swept_s, file == NULL ? 0 : file->swept_s);
        }
    }
    for (size_t i = 0; i < cut->n_blocks; i++) {
        cut->blocks[i]->written_s = newest_s;
        cut->block_files[i].written_s = newest_s;
        cut->block_files[i].swept_s = swept_s;
    }
}

static bool may_bring_back(const MergePlan *plan, const Shelf *shelf,
                           const ManifestDeletion *deletion)
{
    for (size_t i = 0; i < plan->n_sources; i++) {
        const ShelfBlock *source = plan->sources[i];

        if (source->number < deletion->file_below &&
            !shelf_hides(shelf, source->number, deletion->trace_id) &&
            block_may_have_trace(source->block, deletion->trace_id)) {
            return true;
        }
    }
    return false;
}

bool plan_is_outdated(const Store *store, const MergePlan *plan, const Shelf *shelf)
{
    const ManifestDeletions *deletions = &store->manifest.deletions;

    for (size_t i = 0; i < deletions->count; i++) {
        if (may_bring_back(plan, shelf, &deletions->items[i])) {
            return true;
        }
    }
    return false;
}

static int commit_plan(Store *store, const MergePlan *plan, const Shelf *shelf, Cut *cut)
{
    Manifest next;

    pthread_mutex_lock(&store->files);
    if (plan_is_outdated(store, plan, shelf)) {
        pthread_mutex_unlock(&store->files);
        return -EAGAIN;
    }
    date_blocks(store, plan, cut);
    manifest_copy(&store->manifest, &next);
    ManifestFile files[CUT_BLOCKS_MAX];
    size_t n_files = cut->n_blocks;
    for (size_t i = 0; i < n_files; i++) {
        files[i] = cut->block_files[i];
    }
    int result = commit(store, &next, cut, plan->sources, plan->n_sources);
    manifest_deinit(&next);
    for (size_t i = 0; i < n_files && result != 0; i++) { /* the manifest on disk may name them */
        manifest_files_add(&store->orphan_blocks, files[i]);
    }
    pthread_mutex_unlock(&store->files);
    return result;
}

int compact(Store *store, const MergePlan *plan)
{
    Cut *cut = NEW(Cut);
    uint64_t n_spans = 0;

    pthread_mutex_lock(&store->files);
    Shelf *shelf = shelf_ref(store->shelf);
    pthread_mutex_unlock(&store->files);
    int result = merge_write(store, plan, shelf, cut);
    bool is_written = result == 0,
         is_full = plan->n_sources > 1 && cut->n_blocks >= plan->n_sources;
    for (size_t i = 0; i < cut->n_blocks; i++) {
        n_spans += cut->blocks[i]->summary.n_spans;
        atomic_store(&cut->blocks[i]->full, is_full); /* or they would be merged again for ever */
    }
    if (is_written) {
        result = commit_plan(store, plan, shelf, cut);
    }
    shelf_unref(shelf);
    if (result != 0 && (!is_written || result == -EAGAIN)) {
        writer_undo(store, cut);
    }
    cut_free(store, cut);
    pthread_mutex_lock(&store->mutex);
    store->counters.compactions += result == 0;
    store->counters.compacted_spans += result == 0 ? n_spans : 0;
    pthread_mutex_unlock(&store->mutex);
    mem_trim();
    return result;
}

/* ---- choosing ---- */

typedef struct Candidate {
    ShelfBlock *block; /* a reference of the shelf at hand */
    uint64_t written_s;
} Candidate;

typedef struct Candidates {
    Shelf *shelf;
    Candidate *items; /* by when they came */
    size_t count;
} Candidates;

static int by_arrival(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;

    if (x->written_s != y->written_s) {
        return x->written_s < y->written_s ? -1 : 1;
    }
    return (x->block->number > y->block->number) - (x->block->number < y->block->number);
}

/* Blocks that are not about as large as they may get. */
static void candidates_init(Candidates *candidates, Store *store)
{
    *candidates = (Candidates){0};
    pthread_mutex_lock(&store->files);
    candidates->shelf = shelf_ref(store->shelf);
    candidates->items = NEW_ARRAY(Candidate, candidates->shelf->count + 1);
    for (size_t i = 0; i < candidates->shelf->count; i++) {
        ShelfBlock *block = candidates->shelf->blocks[i];
        const ManifestFile *file = manifest_files_find(&store->manifest.blocks, block->number);

        if (file != NULL && !atomic_load(&block->unmergeable) &&
            block->summary.n_spans <
                store->options.compaction_rows - store->options.compaction_rows / 4 &&
            block->summary.file_bytes < store->options.compaction_bytes &&
            !atomic_load(&block->full)) {
            candidates->items[candidates->count++] = (Candidate){block, file->written_s};
        }
    }
    pthread_mutex_unlock(&store->files);
    if (candidates->count > 0) {
        qsort(candidates->items, candidates->count, sizeof(Candidate), by_arrival);
    }
}

static void candidates_deinit(Candidates *candidates)
{
    shelf_unref(candidates->shelf);
    mem_free(candidates->items);
}

/* The first blocks of a window of @width_s that is over which together have the rows of one; with
 * @early, of one that is open, too, if they fill it or are as many as are merged at a time. */
static bool choose_window(const Store *store, const Candidates *candidates, uint64_t width_s,
                          bool early, MergePlan *plan)
{
    uint64_t rows_max = compaction_rows_most(store);
    uint64_t now_s = clock_realtime_ns(store->clock) / 1000000000U;

    for (size_t first = 0; first < candidates->count; first += plan->n_sources) {
        uint64_t window = candidates->items[first].written_s / width_s, n_rows = 0;
        bool is_full = false;

        plan->n_sources = 0;
        for (size_t i = first;
             i < candidates->count && candidates->items[i].written_s / width_s == window; i++) {
            n_rows += candidates->items[i].block->summary.n_spans;
            is_full =
                plan->n_sources == MERGE_SOURCES_MAX || (plan->n_sources > 0 && n_rows > rows_max);
            if (is_full) {
                break;
            }
            plan->sources[plan->n_sources++] = candidates->items[i].block;
        }
        if (plan->n_sources > 1 && ((early && is_full) || now_s / width_s > window)) {
            return true;
        }
    }
    plan->n_sources = 0;
    return false;
}

/* Blocks of one tier differ in size by less than four. */
static unsigned tier_of(const ShelfBlock *block)
{
    return (64U - (unsigned)__builtin_clzll(block->summary.n_spans | 1)) / 2;
}

/* The newest small blocks of one tier. */
static bool choose_small(const Store *store, const Candidates *candidates, MergePlan *plan)
{
    for (unsigned tier = 0; tier <= 32; tier++) {
        plan->n_sources = 0;
        for (size_t i = candidates->count; i-- > 0 && plan->n_sources < SMALL_BLOCKS;) {
            ShelfBlock *block = candidates->items[i].block;

            if (tier_of(block) == tier &&
                block->summary.n_spans < store->options.generation_rows / SMALL_ONE_OF) {
                plan->sources[plan->n_sources++] = block;
            }
        }
        if (plan->n_sources == SMALL_BLOCKS) {
            return true;
        }
    }
    plan->n_sources = 0;
    return false;
}

static uint64_t window_s(const Store *store, uint64_t width_s)
{
    return MAX(MIN(width_s, store->options.retention_age_s / RETENTION_WINDOWS), (uint64_t)1);
}

static int merge_blocks(Store *store, bool *ret_worked)
{
    Candidates candidates;
    MergePlan plan = {0};
    int result = 0;

    candidates_init(&candidates, store);
    if (choose_small(store, &candidates, &plan) ||
        choose_window(store, &candidates, window_s(store, WINDOW_S), true, &plan) ||
        choose_window(store, &candidates, window_s(store, WIDE_WINDOW_S), false, &plan)) {
        result = compact(store, &plan);
        *ret_worked = result == 0;
    }
    candidates_deinit(&candidates);
    return result;
}

/* ---- the thread ---- */

/* One piece of work, the most urgent first. */
static int work(Store *store, bool *ret_worked)
{
    TRY(erase(store, ret_worked));
    if (!*ret_worked) {
        TRY(retain(store, ret_worked));
    }
    return *ret_worked ? 0 : merge_blocks(store, ret_worked);
}

bool compactor_turn(Store *store)
{
    bool worked = false;
    uint64_t now_ns = clock_monotonic_ns(store->clock);

    if (!backoff_is_over(&store->compactor_backoff, now_ns)) {
        return false;
    }
    int result = work(store, &worked);
    if (result == 0) {
        backoff_end(&store->compactor_backoff);
    } else if (result < 0 && result != -ECANCELED && result != -EAGAIN) {
        backoff_begin(&store->compactor_backoff, now_ns);
        log_error("store: blocks cannot be rewritten, tried again later", LOG_ERR(result),
                  LOG_U64("seconds", store->compactor_backoff.delay_ms / 1000));
    }
    return worked || result > 0; /* a damaged block is left alone from now on: go on */
}

static void *compactor(void *context)
{
    Store *store = context;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), THREAD_NICENESS);
    while (!atomic_load(&store->compactor_stop)) {
        pthread_mutex_lock(&store->mutex);
        if (!atomic_load(&store->compactor_stop) && !store->compactor_asked &&
            store->compact_asked == store->compact_done) {
            store_wait_ms(store, &store->compactor_wake, UPKEEP_MS);
        }
        uint64_t ticket = store->compact_asked;
        store->compactor_paces = ticket == store->compact_done;
        store->compactor_asked = false;
        pthread_mutex_unlock(&store->mutex);
        while (compactor_turn(store)) {
        }
        pthread_mutex_lock(&store->mutex);
        store->compact_done = ticket;
        pthread_cond_broadcast(&store->progress);
        pthread_mutex_unlock(&store->mutex);
    }
    return NULL;
}

void store_compact(Store *store)
{
    pthread_mutex_lock(&store->mutex);
    uint64_t ticket = ++store->compact_asked;
    pthread_cond_signal(&store->compactor_wake);
    while (store->compact_done < ticket) {
        pthread_cond_wait(&store->progress, &store->mutex);
    }
    pthread_mutex_unlock(&store->mutex);
}

int compactor_start(Store *store)
{
    int result = -pthread_create(&store->compactor, NULL, compactor, store);

    if (result == 0) {
        pthread_setname_np(store->compactor, "compactor");
        store->has_compactor = true;
    }
    return result;
}

void compactor_stop(Store *store)
{
    if (!store->has_compactor) {
        return;
    }
    pthread_mutex_lock(&store->mutex);
    atomic_store(&store->compactor_stop, true);
    pthread_cond_signal(&store->compactor_wake);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->compactor, NULL);
    store->has_compactor = false;
}
