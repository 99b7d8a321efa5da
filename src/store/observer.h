// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"
#include "store/table_file.h"

struct Store;

/* Where the observer puts the table files that it makes: each is on disk when emit returns 0, and
 * becomes a committed one together with all others of the same call, or not at all. An error
 * (-errno) is to be returned by who emits. */
typedef struct TableSink TableSink;
struct TableSink {
    int (*emit)(TableSink *sink, const TableInfo *info, Str content);
};

enum { TABLE_INPUTS_MAX = 512, TABLES_PLAN_AGAIN = 2 };

/* A merge: the files that go; merge_tables() says what comes for them (nothing: they expire). */
typedef struct TablePlan {
    TableFile *inputs[TABLE_INPUTS_MAX]; /* of those plan_merge() was shown, each once */
    size_t n_inputs;
    uint64_t written_s; /* when the newest rows came of what is read and stays, as TableFile's */
    uint64_t what;      /* the observer's own note */
} TablePlan;

/* When the newest rows came that go into what the plan makes: of what stays and of the inputs. */
uint64_t table_plan_written_s(const TablePlan *plan);

/* One commit's change of the set of table files. */
typedef struct TablesChange {
    const void *pending; /* what cut() gave and the added files hold; NULL: it was a merge */
    TableFile *const *added, *const *removed;
    size_t n_added, n_removed;
} TablesChange;

/*
 * How a floor above the store (the map) lives beside it without the store knowing what it is.
 *
 * One thread of the store, the applier, takes every committed batch in log order, appends it to the
 * head and tells the observer. The observer decides when a trace is settled (quiet long enough, or
 * asked to), computes what the trace adds to its own tables, and marks the trace's rows settled.
 * The store writes only settled rows into blocks, and commits the observer's table rows of exactly
 * those traces with the same manifest change. Hence the invariant:
 *
 *     a row is in a block  <=>  its contribution is in the committed tables.
 *
 * After a crash the log is replayed through the same path. A row that is replayed although a block
 * holds it already is a resend: same identity, same content, contribution unchanged, dropped at
 * settling.
 *
 * Table files are immutable, and the observer's: it gives each a family, a level and a period
 * (table_file.h), chooses what is merged into what, and may keep and read committed ones from any
 * thread for as long as it holds a reference. The store writes, commits, removes and tells.
 *
 * on_batch, on_tick, wants_cut and cut are called on the applier thread only (during store_open()
 * that is the caller's); write_tables, plan_merge, merge_tables, tables_changed and free_pending on
 * the writer thread; load_table and tables_loaded from store_open() before any other but attach.
 */
typedef struct StoreObserver {
    void *context;

    /* The store that these callbacks belong to, told by store_open() before any other call. With
     * it on_tick is called (and blocks are written) during the replay too, which bounds its memory;
     * NULL: on_tick is called only once store_open() has returned. */
    void (*attach)(void *context, struct Store *store);

    /* @batch was appended to the head. Its views live only during the call. */
    void (*on_batch)(void *context, const Batch *batch);

    /* At least every 100 ms, and after each on_batch burst. With @settle_all every open trace is to
     * be settled now (a query waits, memory is short, or the store closes). Calls
     * store_mark_settled(). */
    void (*on_tick)(void *context, bool settle_all);

    /* Hands over all table rows since the last cut, as an opaque pending table (NULL when there are
     * none). Called when all rows of the generation that is being written are settled. */
    void *(*cut)(void *context);

    /* Whether a cut is wanted, of whatever is settled, before a generation is full: the observer
     * cannot keep much more of what a cut would hand over. It comes even if nothing is settled, as
     * what was may have been deleted meanwhile. Asked at each turn of the applier; NULL: never. */
    bool (*wants_cut)(void *context);

    /* Emits what cut() gave as one file or several; frees nothing; may be called again when a write
     * failed. Returns 0 or -errno. */
    int (*write_tables)(void *context, const void *pending, TableSink *sink);
    void (*free_pending)(void *context, void *pending);

    /* A committed table file, once each at start, in the order of their numbers. Returns 0; 1 with
     * @ret_error when it is damaged: it is left out and set aside; or -errno, which ends the start.
     * A family that the observer does not know is none of its business: 0. */
    int (*load_table)(void *context, TableFile *file, ParseError *ret_error);

    /* All of them were shown. */
    void (*tables_loaded)(void *context);

    /* The commit of a cut or a merge is on disk: from now on these files are the committed ones.
     * Called before free_pending. References are the store's. */
    void (*tables_changed)(void *context, const TablesChange *change);

    /* Asked about once a second: whether something is to be merged now, and what. @files are all
     * committed ones by number, @now_s Unix seconds. */
    bool (*plan_merge)(void *context, TableFile *const *files, size_t n_files, uint64_t now_s,
                       TablePlan *ret_plan);

    /* Emits files with the same sums as the plan's inputs. Returns 0; TABLES_PLAN_AGAIN: that plan
     * was too large, the next will be another; 1 (an input is damaged: it is noted in TableFile and
     * planned no more) or -errno: nothing changes then, and no merge is planned for a minute. */
    int (*merge_tables)(void *context, const TablePlan *plan, TableSink *sink);

    /* Trace @id was deleted: its rows are gone, settled and open ones; on the applier thread. NULL:
     * nobody needs to know. */
    void (*forget)(void *context, TraceId id);
} StoreObserver;
