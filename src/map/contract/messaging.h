// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/contract/world.h"

/*
 * The messaging rules of CONTRACT.md §3, inferred consumers of §4 and hops of §5: publishes and
 * consumes edges of the trace's own spans, and the hops that its publishing spans give.
 */
void messaging_contribute(World *world);

/* Whether a span that is stitched on this side of a hop (§5); not whether it is counted. */
static inline bool message_publishes(const WorldSpan *span)
{
    return span->reading.role == MESSAGE_SEND || span->reading.role == MESSAGE_CREATE;
}

static inline bool message_consumes(const WorldSpan *span)
{
    return span->reading.role == MESSAGE_RECEIVE || span->reading.role == MESSAGE_PROCESS;
}

/* The publishing spans that consuming @span is stitched to: by its links in their order (both spans
 * of an id that each names), then by its parent; one may be named twice. Returns how many. */
enum { PUBLISHERS_MAX = 2 * CONTRACT_LINKS_MAX + 1 };
size_t messaging_publishers(const World *world, const WorldSpan *span,
                            uint32_t ret_found[PUBLISHERS_MAX]);
