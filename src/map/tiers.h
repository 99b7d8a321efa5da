// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"
#include "store/observer.h"

/*
 * The map's table files: which there are, which are merged into which, and when they expire
 * (docs/format/map-table.md). Called as store/observer.h says for the callbacks of these names.
 */

/* The family of the map's files. */
#define TIERS_FAMILY "map"

MUST_USE int tiers_write(const MapPending *pending, TableSink *sink);
void tiers_free(Map *map, MapPending *pending); /* NULL is fine */
MUST_USE int tiers_load(Map *map, TableFile *file, ParseError *ret_error);
void tiers_loaded(Map *map);
void tiers_changed(Map *map, const TablesChange *change);
bool tiers_plan(Map *map, TableFile *const *files, size_t n_files, uint64_t now_s,
                TablePlan *ret_plan);

/* What came before that moment, Unix seconds, has expired: the map's sums, and the runs. */
uint64_t tiers_expired_s(const Map *map, uint64_t now_s);
MUST_USE int tiers_merge(Map *map, const TablePlan *plan, TableSink *sink);
