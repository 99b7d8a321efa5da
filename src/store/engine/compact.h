// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/engine/engine.h"

/*
 * The compactor: a thread of its own that rewrites blocks, so that neither ingest nor queries wait
 * for it. It gives up when the store closes, keeps to a rate of bytes, and backs off when the disk
 * does not take what it writes. All functions are for its thread.
 */
enum {
    MERGE_SOURCES_MAX = 64,
    RETIRE_MAX = 256, /* blocks per commit */
};

/* Which blocks become which. */
typedef struct MergePlan {
    ShelfBlock *sources[MERGE_SOURCES_MAX];
    size_t n_sources;
    bool (*keeps)(void *context, TraceId id); /* NULL: every trace */
    void *context;
    bool is_sweep;    /* retention rules were applied ... */
    uint64_t swept_s; /* ... as far as this age */
} MergePlan;

/* A merge ends a block from so many rows on: a quarter more than asked for, so that a plan becomes
 * one block rather than one and a rest. */
static inline uint64_t compaction_rows_most(const Store *store)
{
    return store->options.compaction_rows + store->options.compaction_rows / 4;
}

/* merge.c: writes the rows of the plan's sources, but for those that @shelf hides, as new blocks,
 * which are then in @cut. Returns 0; 1 when a source is damaged (logged, marked); -ECANCELED when
 * the store closes; -EAGAIN when it is outdated; or -errno. */
MUST_USE int merge_write(Store *store, const MergePlan *plan, const Shelf *shelf, Cut *cut);

/* compact.c: writes and commits a plan: the sources go, what was made of them comes. Returns 0; 1
 * damaged; -EAGAIN when it got outdated meanwhile; -ECANCELED; or -errno. */
MUST_USE int compact(Store *store, const MergePlan *plan);

/* Whether a source may hold a trace that was deleted since @shelf was taken: what is made of it
 * must not be kept. Under files. */
bool plan_is_outdated(const Store *store, const MergePlan *plan, const Shelf *shelf);

/* Waits as the rate of the compactor's bytes asks. Returns 0, or -ECANCELED: the store closes. */
MUST_USE int compactor_pace(Store *store, uint64_t bytes);

/* Takes @blocks out of manifest and shelf. Returns 0 or -errno. */
MUST_USE int retire(Store *store, ShelfBlock *const *blocks, size_t n);

/* delete.c: removes what is deleted from the blocks, then its tombstone. As retain(). */
MUST_USE int erase(Store *store, bool *ret_worked);

/* retain.c: retention by age, bytes, disk share and rules. Sets @ret_worked when something went.
 * Returns as compact(). */
MUST_USE int retain(Store *store, bool *ret_worked);
