// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"
#include "store/observer.h"

/*
 * What lies in table files: the map's sums (tiers.h) and the runs (flow/runs.h), cut together and
 * committed together. Called as store/observer.h says for the callbacks of the same names.
 */
typedef struct KeptPending KeptPending;

KeptPending *kept_cut(Map *map);
void kept_free(Map *map, KeptPending *pending);
MUST_USE int kept_write(Map *map, const KeptPending *pending, TableSink *sink);
MUST_USE int kept_load(Map *map, TableFile *file, ParseError *ret_error);
void kept_loaded(Map *map);
void kept_changed(Map *map, const TablesChange *change);
bool kept_plan(Map *map, TableFile *const *files, size_t n_files, uint64_t now_s,
               TablePlan *ret_plan);
MUST_USE int kept_merge(Map *map, const TablePlan *plan, TableSink *sink);
