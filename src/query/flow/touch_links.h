// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/flow/cache.h"

/* Which traces link to which, of all that a reading sees: what a block has of it is kept as what it
 * is to a definition is (CONTRACT.md §5: hops go over links, in either order of arrival). */
typedef struct FlowLinks {
    FlowLink *by_target, *by_source; /* sorted */
    size_t n;
    bool cut; /* there are more than may be */
} FlowLinks;

/* @cache may be NULL. In @arena. Returns 0 or -errno. */
MUST_USE int flow_links_read(const StoreReading *reading, FlowCache *cache, size_t max,
                             Arena *arena, FlowLinks *ret_links);

/* The links to @target, or from @source: [*@ret_first, end) of the array; returns the end. */
size_t flow_links_to(const FlowLinks *links, TraceId target, size_t *ret_first);
size_t flow_links_from(const FlowLinks *links, TraceId source, size_t *ret_first);
