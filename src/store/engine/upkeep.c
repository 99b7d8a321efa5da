// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/engine/engine.h"

/*
 * What the writer does between cuts, each with one manifest commit of its own: blocks that are too
 * old or too many go, many small blocks become one, and what the observer plans for its tables.
 *
 * Merging is tiered by size, so that a row is rewritten a logarithmic number of times.
 */
enum {
    MERGE_BLOCKS = 8, /* small blocks of one tier that become one */
    RETIRE_MAX = 256, /* blocks per commit */
};

/* Commits the manifest @next; a failure is logged. */
static bool commit(Store *store, Manifest *next, const char *what)
{
    int result = writer_commit(store, next);

    if (result != 0) {
        log_warn(what, LOG_ERR(result));
    }
    manifest_deinit(next);
    return result == 0;
}

/* Retention: by when a block's newest rows came, not by what their clocks say. Old traces that
 * someone imports are kept as long as new ones, and a span from the future keeps nothing for ever.
 */

static bool is_expired(const Store *store, const ShelfBlock *block, uint64_t bytes_so_far)
{
    const ManifestFile *file = manifest_files_find(&store->manifest.blocks, block->number);
    uint64_t now_s = clock_realtime_ns(store->clock) / 1000000000U;
    uint64_t newest_s = file == NULL || file->written_s == 0
                            ? block->summary.max_start_ns / 1000000000U
                            : file->written_s;

    return (now_s > newest_s && now_s - newest_s > store->options.retention_age_s) ||
           (store->options.retention_bytes != 0 && bytes_so_far > store->options.retention_bytes);
}

static size_t find_expired(const Store *store, ShelfBlock **expired)
{
    uint64_t bytes = 0;
    size_t n = 0;

    for (size_t i = 0; i < store->shelf->count && n < RETIRE_MAX; i++) {
        ShelfBlock *block = store->shelf->blocks[i];

        bytes += block->summary.file_bytes;
        if (is_expired(store, block, bytes)) {
            expired[n++] = block;
        }
    }
    return n;
}

static void retire_blocks(Store *store)
{
    ShelfBlock *expired[RETIRE_MAX];
    size_t n = find_expired(store, expired);
    Cut nothing = {0};
    Manifest next;

    if (n == 0) {
        return;
    }
    manifest_copy(&store->manifest, &next);
    for (size_t i = 0; i < n; i++) {
        manifest_files_drop(&next.blocks, expired[i]->number);
    }
    if (!commit(store, &next, "store: retention failed")) {
        return;
    }
    writer_publish(store, &nothing, expired, n);
    log_info("store: blocks retired", LOG_U64("count", n));
    pthread_mutex_lock(&store->mutex);
    store->counters.retired_blocks += n;
    pthread_mutex_unlock(&store->mutex);
}

/* Small blocks, as a quiet server writes one a minute. */

/* Blocks of one tier differ in size by less than four. */
static unsigned tier_of(const ShelfBlock *block)
{
    return (64U - (unsigned)__builtin_clzll(block->summary.n_spans | 1)) / 2;
}

/* Chooses MERGE_BLOCKS small blocks of one tier, newest first on the shelf, so next to each other
 * in time. Returns whether there are so many. */
static bool choose_blocks(const Store *store, ShelfBlock **chosen)
{
    for (unsigned tier = 0; tier <= 32; tier++) {
        size_t n = 0;

        for (size_t i = store->shelf->count; i-- > 0 && n < MERGE_BLOCKS;) {
            ShelfBlock *block = store->shelf->blocks[i];

            if (tier_of(block) == tier &&
                block->summary.n_spans < store->options.generation_rows / MERGE_BLOCKS) {
                chosen[n++] = block;
            }
        }
        if (n == MERGE_BLOCKS) {
            return true;
        }
    }
    return false;
}

static int take_span(void *context, const Span *span)
{
    Generation *generation = context;

    /* A span lives during this call only: the next one's resource may lie at the same address. */
    row_dictionary_forget(&generation->dictionary);
    generation_append(context, span, ROW_SETTLED);
    return 0;
}

/* Reads the blocks into @generation. A row that a scan does not show must not get lost. */
static int load_blocks(ShelfBlock *const *blocks, Generation *generation)
{
    static const Filter all = {.op = FILTER_TRUE};
    uint64_t expected = 0;

    for (size_t i = 0; i < MERGE_BLOCKS; i++) {
        generation_begin(generation, i);
        TRY(block_scan(blocks[i]->block, &all, 0, UINT64_MAX, take_span, generation));
        expected += blocks[i]->summary.n_spans;
    }
    return generation->n_rows == expected ? 0 : 1;
}

static void commit_blocks(Store *store, Cut *cut, ShelfBlock *const *chosen)
{
    Manifest next;

    manifest_copy(&store->manifest, &next);
    for (size_t i = 0; i < MERGE_BLOCKS; i++) {
        manifest_files_drop(&next.blocks, chosen[i]->number);
    }
    for (size_t i = 0; i < cut->n_blocks; i++) {
        manifest_files_add(&next.blocks, cut->block_files[i]);
    }
    if (commit(store, &next, "store: merging blocks failed")) {
        writer_publish(store, cut, chosen, MERGE_BLOCKS);
        return;
    }
    for (size_t i = 0; i < cut->n_blocks; i++) { /* the manifest on disk may name them */
        manifest_files_add(&store->orphan_blocks, cut->block_files[i]);
    }
}

static uint64_t newest_written_s(const Store *store, ShelfBlock *const *chosen)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < MERGE_BLOCKS; i++) {
        const ManifestFile *file = manifest_files_find(&store->manifest.blocks, chosen[i]->number);

        newest = MAX(newest, file == NULL ? 0 : file->written_s);
    }
    return newest;
}

static void merge_blocks(Store *store)
{
    ShelfBlock *chosen[MERGE_BLOCKS];

    if (store->no_merging || !choose_blocks(store, chosen)) {
        return;
    }
    Cut *cut = NEW(Cut);
    cut->written_s = newest_written_s(store, chosen);
    cut->generations[0] = generation_new(1);
    cut->n_generations = 1;
    int result = load_blocks(chosen, cut->generations[0]);
    if (result == 0) {
        cut->number = ROW_FIRST_CUT;
        generation_cut(cut->generations[0], cut->number);
        result = writer_build_blocks(store, cut, NULL);
    }
    cut->number = 0; /* it is no cut of the head */
    if (result == 0) {
        commit_blocks(store, cut, chosen);
    } else {
        log_error("store: small blocks cannot be merged", LOG_I64("result", result));
        store->no_merging = result > 0;
        writer_undo(store, cut);
    }
    cut_free(store, cut);
}

void upkeep(Store *store)
{
    retire_blocks(store);
    tables_upkeep(store);
    merge_blocks(store);
}
