// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "map/pages.h"

/*
 * The inside of a Map, shared by map.c (deltas, questions) and tiers.c (files), and by nobody else.
 */
struct Map {
    pthread_rwlock_t lock;
    MapOptions options; /* defaults filled in */
    MapTables tables;
    Pages pages;
    struct Runs *runs;
    uint64_t deltas_applied, version;
};

struct MapPending {
    MapRows rows;    /* their names are views into the map's symbols */
    PageHours hours; /* that they lie in */
    uint32_t number; /* of the cut */
};

void map_lock(Map *map);
void map_lock_shared(Map *map);
void map_unlock(Map *map);
