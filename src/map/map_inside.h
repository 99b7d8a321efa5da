// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "map/pages.h"

/*
 * The inside of a Map, shared by map.c (deltas, questions), tiers.c and tiers_start.c (files), and
 * by nobody else.
 */
enum { FOLD_MAX = 128 }; /* cut files that a fold takes, hours that it makes */

/* What becomes of merges, on the writer thread. */
typedef struct Merges {
    size_t fold_max;     /* cut files, and hours, that the next fold takes */
    bool fold_failed;    /* the last one did: once the others have their turn */
    PageHours left_days; /* of too many series to be added up */
} Merges;

struct Map {
    pthread_rwlock_t lock;
    MapOptions options; /* defaults filled in */
    MapTables tables;
    Pages pages;
    Merges merges;
    struct Runs *runs;
    uint64_t deltas_applied, version;
};

struct MapPending {
    MapRows rows; /* their names are views into the map's symbols, or @beyond's */
    MapTables *beyond;
    PageHours hours; /* that they lie in */
    uint32_t number; /* of the cut */
};

/* Whether the file can be read, and which hours it has rows in (LEVEL_CUT, LEVEL_SPARSE). 0; 1 with
 * @ret_error; -errno. */
MUST_USE int tiers_check_file(const TableFile *file, PageHours *hours, ParseError *ret_error);

/* Empties the tables; their settings stay. */
void map_reset_tables(Map *map);

void map_lock(Map *map);
void map_lock_shared(Map *map);
void map_unlock(Map *map);
