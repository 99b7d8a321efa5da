// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/flow/members.h"
#include "store/reading.h"

/*
 * What the blocks of the store are to definitions, kept from question to question: neither a
 * block's rows nor a definition's version ever change, so an entry is right for as long as there is
 * the block. The least recently used go when there are more bytes than may be; entries go with
 * their block and their definition (flow_cache_sweep()). Thread-safe.
 *
 * Traces that were deleted may be in an entry until their block is written again: whoever uses it
 * leaves them out (store_reading_hides()).
 */
typedef struct FlowCache FlowCache;

enum {
    FLOW_CACHE_BYTES_MAX = 32 << 20, /* unless a setting says otherwise */
    FLOW_BLOCK_MEMBERS_MAX = 1 << 17 /* members and keys of one block; with more it is not kept */
};

/* Versions of no saved definition, which previews make, are forgotten when nobody asked for so
 * long.
 */
#define FLOW_CACHE_PREVIEW_NS (UINT64_C(600) * 1000000000)

/* @bytes_max 0: nothing is kept, which changes no answer. */
FlowCache *flow_cache_new(size_t bytes_max, const Clock *clock);
FlowCache *flow_cache_free(FlowCache *cache);

typedef struct FlowLink {
    TraceId source, target; /* a span of the first has a link to one of the second */
} FlowLink;

/* What one block is to one definition; or, for touch_links.h, which traces of it link to which. */
typedef struct FlowBlock {
    _Atomic int refs;
    bool has_too_many; /* no members: the block has more than FLOW_BLOCK_MEMBERS_MAX */
    FlowMembers members;
    FlowLink *links;
    size_t n_links, links_capacity;
} FlowBlock;

FlowBlock *flow_block_new(void);
FlowBlock *flow_block_unref(FlowBlock *block);

/* A reference to the entry; NULL: there is none. */
FlowBlock *flow_cache_find(FlowCache *cache, uint64_t number, FlowVersion version);

/* Whether there is one; that does not count as its use. */
bool flow_cache_has(FlowCache *cache, uint64_t number, FlowVersion version);

/* Keeps @block, of which the cache takes a reference of its own, if it may be kept. */
void flow_cache_put(FlowCache *cache, uint64_t number, FlowVersion version, FlowBlock *block);

/* The same, but lets go of nothing for it: for who reads all that there is, the newest first, each
 * time, so that what is least recently used is what comes next. */
void flow_cache_put_spare(FlowCache *cache, uint64_t number, FlowVersion version, FlowBlock *block);

/* Only one question at a time reads blocks for the cache, so that two do not do the same work, and
 * memory is that of one. Returns 0, the caller has the turn; 1: not before @deadline_ns (monotonic;
 * 0: none). */
MUST_USE int flow_cache_begin(FlowCache *cache, uint64_t deadline_ns);
void flow_cache_end(FlowCache *cache);

/* Forgets entries of blocks that @store has no more, and, unless @versions is NULL, of versions
 * that are none of these and that nobody asks for. */
void flow_cache_sweep(FlowCache *cache, Store *store, const FlowVersion *versions,
                      size_t n_versions);

typedef struct FlowCacheStatus {
    uint64_t entries, bytes, bytes_max;
    uint64_t found, read; /* blocks that were kept, and that had to be read, times definitions */
    uint64_t evicted;     /* for room */
} FlowCacheStatus;

void flow_cache_status(FlowCache *cache, FlowCacheStatus *ret_status);
