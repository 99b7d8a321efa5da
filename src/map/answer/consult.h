// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/tables.h"

/*
 * How a question of its own file looks at the map: @consult runs with everything that was applied
 * in the cold series, while nothing is applied. What it leaves in its context must not point into
 * the tables, but to their texts and nodes, which live as long as the map. Returns what @consult
 * does.
 */
typedef int (*MapConsult)(const MapTables *tables, const MapOptions *options, void *context);

int map_consult(Map *map, MapConsult consult, void *context);
