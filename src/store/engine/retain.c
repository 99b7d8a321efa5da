// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/engine/compact.h"

/*
 * Retention, by when a block's newest rows came, not by what their clocks say: old traces that
 * someone imports are kept as long as new ones, and a span from the future keeps nothing for ever.
 *
 * By age: a block goes when it is older than every age that there is. Before that, each time it
 * passes an age (of a rule, or the general one), it is swept: written again without the traces
 * whose time is over. How far a block was swept stands in the manifest, so it is done once per age.
 *
 * A trace belongs to the first rule that any of its spans matches, wherever they are: the rules are
 * searched for, column by column, in every block whose spans begin within NEAR of the swept one's.
 *
 * By bytes and by the disk's share the oldest blocks go whole, whatever rules say: these are
 * limits.
 */
enum { NEAR_NS_BITS = 42 /* 73 minutes */, SHARE_PAUSE_MS = 10000 };

static uint64_t age_s(const Store *store, const ManifestFile *file, const ShelfBlock *block)
{
    uint64_t now_s = clock_realtime_ns(store->clock) / 1000000000U;
    uint64_t newest_s = file == NULL || file->written_s == 0
                            ? block->summary.max_start_ns / 1000000000U
                            : file->written_s;

    return now_s > newest_s ? now_s - newest_s : 0;
}

static uint64_t longest_age_s(const StoreOptions *options)
{
    uint64_t age = options->retention_age_s;

    for (size_t i = 0; i < options->n_retention_rules; i++) {
        age = MAX(age, options->retention_rules[i].age_s);
    }
    return age;
}

/* How many bytes are beyond the disk's share. Files of blocks that went a moment ago may be held by
 * readers, so after a deletion the disk is asked again only after a pause. */
static uint64_t bytes_over_share(Store *store)
{
    uint64_t free_bytes, total, percent = store->options.retention_disk_percent;
    uint64_t now_ns = clock_monotonic_ns(store->clock);

    if (percent == 0 || percent >= 100 || now_ns < store->share_not_before_ns ||
        store->fs->ops->free_bytes(store->fs, &free_bytes, &total) != 0) {
        return 0;
    }
    uint64_t allowed = total / 100 * percent, used = total - MIN(free_bytes, total);
    return used > allowed ? used - allowed : 0;
}

/* The blocks that go whole, newest first. */
static size_t find_expired(Store *store, const Shelf *shelf, ShelfBlock **expired)
{
    const StoreOptions *options = &store->options;
    uint64_t over = bytes_over_share(store), bytes = 0, all_bytes = 0;
    uint64_t longest_s = longest_age_s(options);
    size_t n = 0;

    for (size_t i = 0; i < shelf->count; i++) {
        all_bytes += shelf->blocks[i]->summary.file_bytes;
    }
    for (size_t i = 0; i < shelf->count && n < RETIRE_MAX; i++) {
        ShelfBlock *block = shelf->blocks[i];
        const ManifestFile *file = manifest_files_find(&store->manifest.blocks, block->number);
        bool is_over_share = over > 0 && all_bytes - bytes <= over;

        bytes += block->summary.file_bytes;
        is_over_share |= over > 0 && i + 1 == shelf->count; /* at least one goes */
        if (age_s(store, file, block) > longest_s || is_over_share ||
            (options->retention_bytes != 0 && bytes > options->retention_bytes)) {
            expired[n++] = block;
        }
        if (is_over_share) {
            store->share_not_before_ns =
                clock_monotonic_ns(store->clock) + SHARE_PAUSE_MS * 1000000ULL;
        }
    }
    return n;
}

/* When the newest of what these blocks hold came. */
static uint64_t came_ns(const Store *store, ShelfBlock *const *blocks, size_t n)
{
    uint64_t newest_s = 0;

    for (size_t i = 0; i < n; i++) {
        const ManifestFile *file = manifest_files_find(&store->manifest.blocks, blocks[i]->number);

        newest_s = MAX(newest_s, file == NULL ? 0 : file->written_s);
    }
    return newest_s * 1000000000U;
}

uint64_t store_retired_before(Store *store)
{
    uint64_t now_ns = clock_realtime_ns(store->clock), age_ns;

    if (__builtin_mul_overflow(store->options.retention_age_s, 1000000000U, &age_ns)) {
        age_ns = UINT64_MAX;
    }
    pthread_mutex_lock(&store->mutex);
    uint64_t retired_ns = store->retired_before_ns;
    pthread_mutex_unlock(&store->mutex);
    return MAX(now_ns - MIN(now_ns, age_ns), retired_ns);
}

static int retire_expired(Store *store, const Shelf *shelf, bool *ret_worked)
{
    ShelfBlock *expired[RETIRE_MAX];

    pthread_mutex_lock(&store->files);
    size_t n = find_expired(store, shelf, expired);
    uint64_t retired_ns = came_ns(store, expired, n);
    pthread_mutex_unlock(&store->files);
    if (n == 0) {
        return 0;
    }
    /* Who finds the blocks gone must find that they may have gone. */
    pthread_mutex_lock(&store->mutex);
    uint64_t before_ns = store->retired_before_ns;
    store->retired_before_ns = MAX(before_ns, retired_ns);
    pthread_mutex_unlock(&store->mutex);
    int result = retire(store, expired, n);
    pthread_mutex_lock(&store->mutex);
    store->counters.retired_blocks += result == 0 ? n : 0;
    store->retired_before_ns = result == 0 ? store->retired_before_ns : before_ns;
    pthread_mutex_unlock(&store->mutex);
    TRY(result);
    log_info("store: blocks retired", LOG_U64("count", n));
    *ret_worked = true;
    return 0;
}

/* ---- sweeping ---- */

typedef struct Belonging { /* of a trace to the first rule that it matches */
    TraceId id;
    uint32_t rule;
} Belonging;

typedef struct Sweep {
    const Store *store;
    ShelfBlock *block;
    uint64_t age_s; /* traces whose time is at most this go */
    Table belongings;
    uint32_t rule;
    uint64_t n_kept, n_gone; /* traces */
} Sweep;

static int belong(void *context, const BlockMatch *match)
{
    Sweep *sweep = context;
    bool is_new;
    Belonging *belonging = table_put(&sweep->belongings, &match->trace_id, &is_new);

    if (is_new) {
        belonging->rule = sweep->rule;
    }
    return 0;
}

static bool is_near(const ShelfBlock *a, const ShelfBlock *b)
{
    uint64_t near_ns = 1ULL << NEAR_NS_BITS;
    uint64_t from = a->summary.min_start_ns - MIN(a->summary.min_start_ns, near_ns);
    uint64_t to = MIN(a->summary.max_start_ns, UINT64_MAX - near_ns) + near_ns;

    return b->summary.max_start_ns >= from && b->summary.min_start_ns <= to;
}

/* Finds which trace belongs to which rule. */
static int find_belongings(Sweep *sweep, const Shelf *shelf)
{
    const StoreOptions *options = &sweep->store->options;

    for (size_t r = 0; r < options->n_retention_rules; r++) {
        sweep->rule = (uint32_t)r;
        for (size_t i = 0; i < shelf->count; i++) {
            ShelfBlock *block = shelf->blocks[i];

            if (is_near(sweep->block, block)) {
                BlockSearch search = {.filter = options->retention_rules[r].filter,
                                      .to_ns = UINT64_MAX,
                                      .visit = belong,
                                      .context = sweep};

                int result = block_search(block->block, &search);
                TRY(result == BLOCK_NO_MEMORY ? -ENOMEM : shelf_block_check(block, result));
            }
        }
    }
    return 0;
}

static bool outlives(void *context, TraceId id)
{
    Sweep *sweep = context;
    const StoreOptions *options = &sweep->store->options;
    const Belonging *belonging = table_find(&sweep->belongings, &id);
    uint64_t age = belonging == NULL ? options->retention_age_s
                                     : options->retention_rules[belonging->rule].age_s;
    bool keeps = age > sweep->age_s;

    sweep->n_kept += keeps;
    sweep->n_gone += !keeps;
    return keeps;
}

/* The greatest age that @age_s has passed, without @swept_s; 0: none. */
static uint64_t passed_age(const StoreOptions *options, uint64_t age, uint64_t swept_s)
{
    uint64_t passed = options->retention_age_s <= age ? options->retention_age_s : 0;

    for (size_t i = 0; i < options->n_retention_rules; i++) {
        if (options->retention_rules[i].age_s <= age) {
            passed = MAX(passed, options->retention_rules[i].age_s);
        }
    }
    return passed > swept_s ? passed : 0;
}

static ShelfBlock *find_due(Store *store, const Shelf *shelf, uint64_t *ret_age_s)
{
    for (size_t i = 0; i < shelf->count; i++) {
        ShelfBlock *block = shelf->blocks[i];
        const ManifestFile *file = manifest_files_find(&store->manifest.blocks, block->number);

        if (file == NULL || atomic_load(&block->unmergeable)) {
            continue;
        }
        *ret_age_s = passed_age(&store->options, age_s(store, file, block), file->swept_s);
        if (*ret_age_s != 0) {
            return block;
        }
    }
    return NULL;
}

static int sweep_due(Store *store, const Shelf *shelf, bool *ret_worked)
{
    Sweep sweep = {.store = store};

    pthread_mutex_lock(&store->files);
    sweep.block = find_due(store, shelf, &sweep.age_s);
    pthread_mutex_unlock(&store->files);
    if (sweep.block == NULL) {
        return 0;
    }
    table_init(&sweep.belongings, sizeof(Belonging), sizeof(TraceId));
    int result = find_belongings(&sweep, shelf);
    if (result == 0) {
        const MergePlan plan = {.sources = {sweep.block},
                                .n_sources = 1,
                                .keeps = outlives,
                                .context = &sweep,
                                .is_sweep = true,
                                .swept_s = sweep.age_s};
        result = compact(store, &plan);
    }
    table_deinit(&sweep.belongings);
    if (result == 0) {
        log_info("store: block swept by retention rules", LOG_U64("block", sweep.block->number),
                 LOG_U64("traces_kept", sweep.n_kept), LOG_U64("traces_gone", sweep.n_gone));
        pthread_mutex_lock(&store->mutex);
        store->counters.retired_traces += sweep.n_gone;
        pthread_mutex_unlock(&store->mutex);
        *ret_worked = true;
    }
    return result;
}

int retain(Store *store, bool *ret_worked)
{
    pthread_mutex_lock(&store->files);
    Shelf *shelf = shelf_ref(store->shelf);
    pthread_mutex_unlock(&store->files);
    int result = retire_expired(store, shelf, ret_worked);
    if (result == 0 && !*ret_worked && store->options.n_retention_rules > 0) {
        result = sweep_due(store, shelf, ret_worked);
    }
    shelf_unref(shelf);
    return result;
}
