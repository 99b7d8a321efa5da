// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"
#include "map/map.h"

/*
 * When a series was there: runs of minutes, in order. A run that crosses midnight (UTC) was there
 * in both minutes beside it, so that a day can be taken out, packed and put back by itself; readers
 * join runs that are close enough (CONTRACT.md §5). 8 bytes a run, one of them for what is always
 * there. Kept for as long as the map's tables are, beside sums that may be in files only.
 */
typedef struct Presence {
    MapInterval *runs;
    uint32_t n_runs, capacity;
} Presence;

enum { PRESENCE_NONE = UINT32_MAX };

void presence_deinit(Presence *presence);

/* Of one that has any. */
static inline uint32_t presence_first(const Presence *presence)
{
    return presence->runs[0].first_minute;
}

static inline uint32_t presence_last(const Presence *presence)
{
    return presence->runs[presence->n_runs - 1].last_minute;
}

/* A minute that has calls. @gap: the longest absence that does not end a run. */
void presence_add(Presence *presence, uint32_t minute, uint32_t gap);

/* The run that @minute lies in, as far as it is of the minute's day. Returns whether there is one.
 */
bool presence_run(const Presence *presence, uint32_t minute, MapInterval *ret_run);

/* @minute has no calls any more; @before and @after are its nearest neighbours that have some in
 * that run, or PRESENCE_NONE. */
void presence_remove(Presence *presence, uint32_t minute, uint32_t before, uint32_t after,
                     uint32_t gap);

/* Forgets what begins in from <= minute < to, each day by itself. */
void presence_remove_range(Presence *presence, uint32_t from_minute, uint32_t to_minute);

/* First and last minute of the runs that touch from <= minute < to, clipped. Returns whether there
 * are any. */
bool presence_clip(const Presence *presence, uint32_t from_minute, uint32_t to_minute,
                   MapInterval *ret_life);

/* The runs in from <= minute < to, ends of days, as bytes; and back into what has none there,
 * joined by @gap. unpack returns 0; 1 when the bytes are no runs of that time (a part may have been
 * added). */
void presence_pack(const Presence *presence, uint32_t from_minute, uint32_t to_minute, Buf *buf);
MUST_USE int presence_unpack(Presence *presence, uint32_t from_minute, uint32_t to_minute,
                             Str bytes, uint32_t gap);
