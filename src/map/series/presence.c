// SPDX-License-Identifier: Apache-2.0
#include "map/series/presence.h"

#include "base/assert.h"
#include "base/memory.h"
#include "codec/varint.h"

enum { DAY = 1440, SPARE_MAX = 8 };

void presence_deinit(Presence *presence)
{
    mem_free(presence->runs);
    *presence = (Presence){0};
}

/* Position of the first run that ends at or after @minute. */
static uint32_t position(const Presence *presence, uint32_t minute)
{
    uint32_t from = 0, to = presence->n_runs;

    if (to > 0 && presence->runs[to - 1].last_minute < minute) {
        return to;
    }
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (presence->runs[middle].last_minute < minute) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static void insert(Presence *presence, uint32_t at, MapInterval run)
{
    if (presence->n_runs == presence->capacity) {
        presence->capacity += presence->capacity / 2 + 1;
        presence->runs =
            mem_resize_array(presence->runs, presence->capacity, sizeof(presence->runs[0]));
    }
    mem_move(presence->runs + at + 1, presence->runs + at,
             (presence->n_runs - at) * sizeof(presence->runs[0]));
    presence->runs[at] = run;
    presence->n_runs++;
}

static void erase(Presence *presence, uint32_t at, uint32_t n)
{
    presence->n_runs -= n;
    mem_move(presence->runs + at, presence->runs + at + n,
             (presence->n_runs - at) * sizeof(presence->runs[0]));
    if (presence->n_runs > 0 && presence->capacity > 2 * presence->n_runs + SPARE_MAX) {
        presence->capacity = presence->n_runs;
        presence->runs =
            mem_resize_array(presence->runs, presence->capacity, sizeof(presence->runs[0]));
    }
}

/* Makes one run of two that meet at @midnight. */
static void meet(Presence *presence, uint32_t midnight)
{
    uint32_t at = position(presence, midnight);
    MapInterval *runs = presence->runs;

    if (at > 0 && at < presence->n_runs && runs[at].first_minute == midnight &&
        runs[at - 1].last_minute == midnight - 1) {
        runs[at - 1].last_minute = runs[at].last_minute;
        erase(presence, at, 1);
    }
}

/* Makes two runs of one that crosses @midnight. */
static void part(Presence *presence, uint32_t midnight)
{
    uint32_t at = position(presence, midnight);

    if (at < presence->n_runs && presence->runs[at].first_minute < midnight) {
        MapInterval run = presence->runs[at];

        presence->runs[at].first_minute = midnight;
        insert(presence, at, (MapInterval){run.first_minute, midnight - 1});
    }
}

static bool join(uint32_t earlier, uint32_t later, uint32_t gap)
{
    return earlier / DAY == later / DAY && (uint64_t)later <= (uint64_t)earlier + gap + 1;
}

void presence_add(Presence *presence, uint32_t minute, uint32_t gap)
{
    uint32_t at = position(presence, minute);
    MapInterval *left = at > 0 ? &presence->runs[at - 1] : NULL;
    MapInterval *right = at < presence->n_runs ? &presence->runs[at] : NULL;

    if (right != NULL && right->first_minute <= minute) {
        return;
    }
    bool joins_left = left != NULL && join(left->last_minute, minute, gap);
    bool joins_right = right != NULL && join(minute, right->first_minute, gap);
    if (joins_left && joins_right) {
        left->last_minute = right->last_minute;
        erase(presence, at, 1);
    } else if (joins_left) {
        left->last_minute = minute;
    } else if (joins_right) {
        right->first_minute = minute;
    } else {
        insert(presence, at, (MapInterval){minute, minute});
    }
    if (minute % DAY == 0) {
        meet(presence, minute);
    } else if (minute % DAY == DAY - 1) {
        meet(presence, minute + 1);
    }
}

bool presence_run(const Presence *presence, uint32_t minute, MapInterval *ret_run)
{
    uint32_t at = position(presence, minute), midnight = minute - minute % DAY;

    if (at == presence->n_runs || presence->runs[at].first_minute > minute) {
        return false;
    }
    ret_run->first_minute = MAX(presence->runs[at].first_minute, midnight);
    ret_run->last_minute = MIN(presence->runs[at].last_minute, midnight + DAY - 1);
    return true;
}

/* @at is the run of a day. */
static void shorten(Presence *presence, uint32_t at, uint32_t before, uint32_t after, uint32_t gap)
{
    MapInterval run = presence->runs[at];

    if (before == PRESENCE_NONE && after == PRESENCE_NONE) {
        erase(presence, at, 1);
    } else if (before == PRESENCE_NONE) {
        presence->runs[at].first_minute = after;
    } else if (after == PRESENCE_NONE) {
        presence->runs[at].last_minute = before;
    } else if (!join(before, after, gap)) {
        presence->runs[at].last_minute = before;
        insert(presence, at + 1, (MapInterval){after, run.last_minute});
    }
}

void presence_remove(Presence *presence, uint32_t minute, uint32_t before, uint32_t after,
                     uint32_t gap)
{
    uint32_t midnight = minute - minute % DAY;
    MapInterval run;

    if (presence_run(presence, minute, &run)) {
        part(presence, midnight);
        part(presence, midnight + DAY);
        shorten(presence, position(presence, minute), before, after, gap);
        meet(presence, midnight);
        meet(presence, midnight + DAY);
    }
}

void presence_remove_range(Presence *presence, uint32_t from_minute, uint32_t to_minute)
{
    uint32_t first_day = from_minute / DAY, end_day = (to_minute + DAY - 1) / DAY;

    for (uint32_t day = first_day; day <= end_day; day++) {
        part(presence, day * DAY);
    }
    uint32_t first = position(presence, from_minute), end;
    first += first < presence->n_runs && presence->runs[first].first_minute < from_minute;
    for (end = first; end < presence->n_runs && presence->runs[end].first_minute < to_minute;
         end++) {
    }
    erase(presence, first, end - first);
    for (uint32_t day = first_day; day <= end_day; day++) {
        meet(presence, day * DAY);
    }
}

bool presence_clip(const Presence *presence, uint32_t from_minute, uint32_t to_minute,
                   MapInterval *ret_life)
{
    uint32_t first = position(presence, from_minute);
    uint32_t last = to_minute == UINT32_MAX ? presence->n_runs : position(presence, to_minute);

    if (last < presence->n_runs && presence->runs[last].first_minute < to_minute) {
        last++;
    }
    if (first >= last) {
        return false;
    }
    ret_life->first_minute = MAX(presence->runs[first].first_minute, from_minute);
    ret_life->last_minute = MIN(presence->runs[last - 1].last_minute, to_minute - 1);
    return true;
}

void presence_pack(const Presence *presence, uint32_t from_minute, uint32_t to_minute, Buf *buf)
{
    uint32_t before = from_minute;

    for (uint32_t i = position(presence, from_minute);
         i < presence->n_runs && presence->runs[i].first_minute < to_minute; i++) {
        uint32_t first = MAX(presence->runs[i].first_minute, from_minute);
        uint32_t last = MIN(presence->runs[i].last_minute, to_minute - 1);

        varint_append(buf, first - before);
        varint_append(buf, last - first);
        before = last;
    }
}

int presence_unpack(Presence *presence, uint32_t from_minute, uint32_t to_minute, Str bytes,
                    uint32_t gap)
{
    uint64_t at = from_minute, step, length;
    uint32_t first = position(presence, from_minute), place = first;

    while (bytes.len > 0) {
        TRY(varint_take(&bytes, &step));
        TRY(varint_take(&bytes, &length));
        if (step > DAY || length > DAY || at + step + length >= to_minute) {
            return 1;
        }
        MapInterval run = {(uint32_t)(at + step), (uint32_t)(at + step + length)};
        if (place > first && join((uint32_t)at, run.first_minute, gap)) {
            presence->runs[place - 1].last_minute = run.last_minute;
        } else {
            insert(presence, place++, run);
        }
        at = run.last_minute;
    }
    meet(presence, from_minute);
    meet(presence, to_minute);
    return 0;
}
