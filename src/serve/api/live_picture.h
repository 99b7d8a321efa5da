// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "map/map.h"

/*
 * What the readers of a live map know, and what a new answer of the map changes of it. Each element
 * is written as JSON and compared with what was shown before by a hash. One thread at a time.
 */
typedef enum LiveKind { LIVE_NODE, LIVE_EDGE, LIVE_HOP, LIVE_KINDS } LiveKind;

typedef struct LiveShown {
    Table elements;
    uint64_t round; /* of pictures; grows */
} LiveShown;

void live_shown_init(LiveShown *shown);
void live_shown_deinit(LiveShown *shown);

/* Begins a round: marks what is there. Returns whether an element came or went. */
bool live_shown_mark(LiveShown *shown, const MapAnswer *map);

/* Remembers where @map's nodes are (@anew), or puts them where they were. */
void live_shown_places(LiveShown *shown, MapAnswer *map, bool anew);

/* A new picture, written twice: whole, and what changed. Zero but for what the caller fills. */
typedef struct LivePicture {
    uint64_t complete_to_ns; /* the caller's */
    bool wants_whole;        /* the caller's: else @whole stays empty */
    Buf scratch;
    Buf whole[LIVE_KINDS], changed[LIVE_KINDS], removed[LIVE_KINDS]; /* items of JSON lists */
    size_t n_changes;
} LivePicture;

/* After live_shown_mark() with the same map. Forgets what is there no more. */
void live_picture_draw(LivePicture *picture, LiveShown *shown, const MapAnswer *map);
void live_picture_deinit(LivePicture *picture);

/* "nodes":[ … ],"edges":[ … ],"hops":[ … ] */
void live_lists_append(Buf *buf, const Buf lists[LIVE_KINDS]);
