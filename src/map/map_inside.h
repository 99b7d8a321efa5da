// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "map/pages.h"
#include "map/series/counts.h"

/*
 * The inside of a Map, shared by map.c (deltas, questions), choice.c, tiers.c and tiers_start.c
 * (files), and by nobody else.
 */
enum { FOLD_MAX = 128 }; /* cut files that a fold takes, hours that it makes */

/* What becomes of merges, on the writer thread. */
typedef struct Merges {
    size_t fold_max;     /* cut files, and hours, that the next fold takes */
    bool fold_failed;    /* the last one did: once the others have their turn */
    PageHours left_days; /* of too many series to be added up */
} Merges;

/* Who has a place when there are more series than places (choice.c). */
typedef struct Choice {
    SeriesCounts rest;    /* who has none */
    uint64_t fingerprint; /* of those that were chosen; 0: they are those that came first */
    uint64_t checked;     /* the map's version when that was looked at last */
    bool is_running;
    uint64_t not_before_ns;
} Choice;

/* Who has a place, by series_names_hash(). A zeroed one: everybody. */
typedef struct Places {
    bool is_chosen;       /* there are more series than places; then those in @chosen have one */
    Table chosen;         /* uint64_t */
    Table contested;      /* uint64_t: MapTables.contested */
    uint64_t fingerprint; /* the same for the same choice; 0: there was nothing to choose */
} Places;

void places_deinit(Places *places);

/* Between these two calls only who has a place gets one; behind them nobody else does. */
void tables_choose(MapTables *tables, const Places *places);
void tables_chosen(MapTables *tables, const Places *places);

struct Map {
    pthread_rwlock_t lock;
    MapOptions options; /* defaults filled in */
    MapTables tables;
    Pages pages;
    Merges merges;
    Choice choice;
    MapPending *in_flight;  /* cut, and not yet committed */
    pthread_mutex_t loader; /* held by who brings a window into memory; before @lock */
    struct Runs *runs;
    uint64_t deltas_applied, version;
};

struct MapPending {
    MapRows rows; /* their names are views into the map's symbols, or @beyond's */
    MapTables *beyond;
    /* The tables that it was cut from, once the map has others; NULL: the map's. */
    MapTables *names;
    PageHours hours; /* that they lie in */
    uint32_t number; /* of the cut */
};

/* Whether the file can be read, and which hours it has rows in (LEVEL_CUT, LEVEL_SPARSE). 0; 1 with
 * @ret_error; -errno. */
MUST_USE int tiers_check_file(const TableFile *file, PageHours *hours, ParseError *ret_error);

/* Learns all files that the pages know: which series there are, and when. No other comes in than
 * those that have @places. */
void tiers_learn(Map *map, const Places *places);

/* The most frequent of @items, as many as there are places, get them; all others go to the map's
 * rest. The caller deinitialises @ret_places. */
void choice_take(Map *map, SeriesCount *items, size_t n, Places *ret_places);

/* Chooses again when others are the most frequent now; takes the lock by itself. */
void choice_refresh(Map *map);

/* Counts those that @beyond knows by name, each once. */
void choice_note(Map *map, MapTables *beyond);

/* Empties the tables; their settings stay. */
void map_reset_tables(Map *map);

void map_lock(Map *map);

/* As map_lock(), with everything that was applied in the cold series. The files for that are read
 * before the lock is taken. */
void map_lock_flushed(Map *map);
void map_lock_shared(Map *map);
void map_unlock(Map *map);
