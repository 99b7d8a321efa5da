// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/assembly.h"
#include "serve/http/exchange.h"

/*
 * Live readers of the map: Server-Sent Events, each a picture of what changed since the one before,
 * the first one whole. Readers of the same question share the work. A reader who falls
 * behind gets nothing until he has read what he was sent, then a whole picture; one who does not
 * read all within LIVE_BEHIND_MAX_MS is cut off: the server waits for nobody.
 *
 * Everything runs on a loop of its own; live_add(), live_stop() and live_status() from any thread.
 */
typedef struct Live Live;

enum {
    LIVE_READERS_MAX = 64,
    LIVE_CHANNELS_MAX = 8,       /* different questions at a time */
    LIVE_BEHIND_BYTES = 1 << 20, /* unsent: the reader does not keep up */
    LIVE_BYTES_MAX = 64 << 20,   /* unsent of all readers, before whole pictures wait */
    LIVE_PERIOD_MS = 500,
    LIVE_HEARTBEAT_MS = 10000, /* a comment, when nothing else was sent for so long */
    LIVE_BEHIND_MAX_MS = 10000,
};

struct Saved;

typedef struct LiveOptions {
    struct Saved *saved; /* positions that people gave nodes; not owned; may be NULL */
    Map *map;            /* not owned, as the next two */
    Assembly *assembly;
    const Clock *clock;
    uint64_t period_ms, heartbeat_ms, behind_max_ms; /* 0: as above */
} LiveOptions;

MUST_USE int live_new(const LiveOptions *options, Live **ret_live);

/* Ends every reader's answer; later ones are refused. */
void live_stop(Live *live);
Live *live_free(Live *live);

typedef struct LiveQuestion {
    MapQuestion filters;     /* copied; its window is not looked at */
    uint32_t window_minutes; /* up to now */
    Str last_event_id;       /* of a reader who comes back; empty: none */
} LiveQuestion;

/* Takes @exchange over and begins its answer. Returns 0; 1 when LIVE_READERS_MAX or
 * LIVE_CHANNELS_MAX is reached, or after live_stop(): the exchange is then still the caller's. */
MUST_USE int live_add(Live *live, Exchange *exchange, const LiveQuestion *question);

typedef struct LiveStatus {
    uint64_t readers, refused, cut_off, events;
} LiveStatus;

void live_status(const Live *live, LiveStatus *ret_status);
