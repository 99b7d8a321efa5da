// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

struct Store;

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
 * on_batch, on_tick and cut are called on the applier thread only (during store_open() that is the
 * caller's); write_table and merge_tables on a background thread; load_table from store_open()
 * before any other but attach.
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

    /* Writes what cut() gave as one Parquet file; frees nothing. Returns 0 or -errno. */
    int (*write_table)(void *context, const void *pending, Buf *ret_file);
    void (*free_pending)(void *context, void *pending);

    /* Adds the rows of a committed table file. Returns 0, or 1 with @ret_error when it is damaged.
     */
    int (*load_table)(void *context, Str file, ParseError *ret_error);

    /* Merges table files into one with the same sums. Returns 0, 1 (damaged input) or -errno. */
    int (*merge_tables)(void *context, const Str *files, size_t n_files, Buf *ret_file);
} StoreObserver;
