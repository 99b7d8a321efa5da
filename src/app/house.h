// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/settings.h"
#include "map/assembly.h"
#include "serve/ingest.h"
#include "serve/http/server.h"
#include "store/store.h"

/*
 * The assembled house: store, map, assembly, receivers, APIs and listeners, wired from the
 * settings. Started and stopped as one; used by `weft serve` and `weft demo`.
 */
typedef struct House House;

typedef struct HouseOptions {
    const Settings *settings; /* outlives the house, as do the texts */
    const char *directory;    /* overrides the setting; NULL: the setting's */
    const char *listen;       /* overrides the host of every endpoint; NULL: theirs */
    bool any_port;            /* every listener gets a free port */
    const char *ready_file;   /* written as JSON once all listeners accept; NULL: none */
} HouseOptions;

/* Returns 0; 1 with a sentence in @why that says what to do. */
MUST_USE int house_start(const HouseOptions *options, House **ret_house, Buf *why);

/*
 * Builds a house of @options in the place of *@house: its listening sockets are kept where the
 * addresses stay (a free port that it got is kept, too), so that nobody is refused meanwhile; its
 * requests are answered and its head is written out first. What can be told before the old one goes
 * (addresses, certificates) is told before. Returns 0; 1 when @options cannot be built: *@house is
 * then one of its old options; 2 when these cannot be built any more either: *@house is NULL. @why
 * says what to do.
 */
enum { HOUSE_KEPT = 1, HOUSE_LOST = 2 };
MUST_USE int house_replace(House **house, const HouseOptions *options, Buf *why);

/* The house goes on with @settings, which differ from its own in nothing that it was built with. */
void house_use_settings(House *house, const Settings *settings);

/* Drains: stops accepting, finishes requests, writes the head out, closes everything. Returns what
 * store_drain() returns. */
int house_stop(House *house);

Store *house_store(House *house);

/* The port of a listener by its name in the ready file ("http", "otlp_http", …); 0: there is none.
 */
uint16_t house_port(const House *house, const char *name);
