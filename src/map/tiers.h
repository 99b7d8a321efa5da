// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"
#include "store/observer.h"

/*
 * The map's table files: which there are, and which are merged into which. Called as
 * store/observer.h says for the callbacks of the same names.
 */

/* The family of the map's files. */
#define TIERS_FAMILY "map"

MUST_USE int tiers_write(const MapPending *pending, TableSink *sink);
MUST_USE int tiers_load(Map *map, TableFile *file, ParseError *ret_error);
bool tiers_plan(TableFile *const *files, size_t n_files, TablePlan *ret_plan);
MUST_USE int tiers_merge(const TablePlan *plan, TableSink *sink);
