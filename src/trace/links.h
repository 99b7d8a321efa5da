// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "span/span.h"

/*
 * Which traces link to a trace: an index over the newest LINKS_MAX links between traces. Beyond
 * that the oldest are forgotten and counted. Answers may name too many traces (ids are compared by
 * hash, links of older content stay), never too few of what is kept. Not thread-safe.
 */
enum {
    LINKS_MAX = 1 << 21,      /* ~56 bytes each */
    LINKS_SOURCES_MAX = 4096, /* named per target: the newest */
};

typedef struct LinkEntry {
    uint64_t target; /* hash of the trace id */
    TraceId source;
    uint64_t older : 63; /* number of the next older link to the same target; 0: none */
    uint64_t curious : 1;
} LinkEntry;

typedef struct Links {
    Table targets;        /* hash -> number of the newest link */
    LinkEntry *entries;   /* a ring: link number n is at n % capacity */
    size_t capacity, max; /* powers of two */
    uint64_t next, first; /* numbers, from 1 */
    uint64_t forgotten;
} Links;

/* @max: at most so many, a power of two; 0: LINKS_MAX. */
void links_init(Links *links, size_t max);
void links_deinit(Links *links);

/* A link of trace @source names @target. @curious: what @source adds to the map also depends on
 * the other traces that link to @target. */
void links_add(Links *links, TraceId target, TraceId source, bool curious);

/* Takes back those that were added since @next was links->next, and what was noted of targets that
 * only these name. What was forgotten for them stays so. */
void links_rewind(Links *links, uint64_t next);

/* Calls @visit for each trace that links to @target (some perhaps twice), newest first. */
void links_visit(const Links *links, TraceId target,
                 void (*visit)(void *context, TraceId source, bool curious), void *context);

/* Remembers of @target, if any trace links to it, that it was there when these were looked at; and
 * whether that is so. A start forgets it. */
void links_note_there(Links *links, TraceId target);
bool links_was_there(const Links *links, TraceId target);

/* Whether any trace links to @target. */
bool links_has(const Links *links, TraceId target);

static inline uint64_t links_count(const Links *links)
{
    return links->next - links->first;
}
