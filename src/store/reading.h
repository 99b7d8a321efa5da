// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/store.h"

/*
 * A moment of the store, for those who keep what they learn of its blocks: the rows of a block
 * never change, so what a question finds in one can be kept by the block's number, until there is
 * no such block any more. Only that traces are deleted can be new: a block hides their rows.
 *
 * Holds generations and blocks in memory: close it soon. One thread.
 */
typedef struct StoreReading StoreReading;

StoreReading *store_reading_open(Store *store);
StoreReading *store_reading_close(StoreReading *reading);

typedef struct StoreBlock {
    uint64_t number; /* of no other block before the next start */
    uint64_t n_spans, min_start_ns, max_start_ns;
} StoreBlock;

/* Blocks are those of [0, count), newest spans first. */
size_t store_reading_count(const StoreReading *reading);
StoreBlock store_reading_block(const StoreReading *reading, size_t index);

/* The same of the head; number is 0, and its last two are of no span when it has none. */
StoreBlock store_reading_head(const StoreReading *reading);

/* Whether the rows of trace @id in that block do not count any more. */
bool store_reading_hides(const StoreReading *reading, size_t index, TraceId id);

/* The spans that match and start in the window, each of which lives during the call. */
typedef struct StoreScan {
    const Filter *filter;
    uint64_t from_ns, to_ns; /* from <= start < to */
    int (*visit)(void *context, const Span *span);
    void *context;
} StoreScan;

/* Calls visit for the spans of one block, hidden ones left out, or of the head, in no order,
 * resends perhaps twice; ends when it returns non-zero and returns that. A damaged block has no
 * more spans than those before the damage; it is logged. Returns 0 or -errno. */
MUST_USE int store_reading_scan_block(const StoreReading *reading, size_t index,
                                      const StoreScan *scan);
MUST_USE int store_reading_scan_head(const StoreReading *reading, const StoreScan *scan);

/* Calls @visit for each (trace, trace that one of its links names) of a block, hidden ones too;
 * ends when it returns non-zero and returns that. Returns 0 or -errno. */
MUST_USE int store_reading_block_links(const StoreReading *reading, size_t index,
                                       int (*visit)(void *context, TraceId from, TraceId to),
                                       void *context);

/* store_view_trace() of what the reading sees. Returns 0; 1: @arena would have more than
 * @arena_bytes_max (0: any number); -errno. */
MUST_USE int store_reading_trace(const StoreReading *reading, TraceId id, size_t arena_bytes_max,
                                 Arena *arena, StoreTraceView *ret_view);

/* A number that is another when the spans that readings see of trace @id are others, or lie in
 * other blocks. No I/O. */
uint64_t store_reading_stamp(const StoreReading *reading, TraceId id);

/* Appends the numbers of the blocks that there are now to @ret_numbers, uint64_t each. */
void store_block_numbers(Store *store, Buf *ret_numbers);
