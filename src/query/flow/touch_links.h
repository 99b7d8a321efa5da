// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/flow/cache.h"

/* Which traces link to which, of the head and the blocks of some time: what a block has of it is
 * kept as what it is to a definition is (CONTRACT.md §5: hops go over links, in either order of
 * arrival). */
typedef struct FlowLinks {
    FlowLink *by_target, *by_source; /* sorted */
    size_t n;
    bool cut; /* there are more than may be, or time was over */
} FlowLinks;

typedef struct FlowLinksQuestion {
    Store *store;
    const StoreReading *reading; /* of it */
    FlowCache *cache;            /* for nothing else; NULL: nothing is kept */
    uint64_t from_ns, to_ns;     /* blocks without a start in from <= start < to are left out */
    const Clock *clock;
    uint64_t until_ns; /* monotonic; 0: never */
    size_t max;
} FlowLinksQuestion;

/* The newest blocks first. Returns 0 or -errno. */
MUST_USE int flow_links_read(const FlowLinksQuestion *question, FlowLinks *ret_links);
void flow_links_deinit(FlowLinks *links);

/* The links to @target, or from @source: [*@ret_first, end) of the array; returns the end. */
size_t flow_links_to(const FlowLinks *links, TraceId target, size_t *ret_first);
size_t flow_links_from(const FlowLinks *links, TraceId source, size_t *ret_first);
