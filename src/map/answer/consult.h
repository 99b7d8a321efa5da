// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/pages.h"

/*
 * How a question of its own file looks at the map: @consult runs with everything that was applied
 * in the cold series, while nothing is applied. What it leaves in its context must not point into
 * the tables, nor to their texts and nodes. Returns what @consult does.
 */
typedef int (*MapConsult)(const MapTables *tables, const MapOptions *options, void *context);

/* Cells of @window, and no others, are all in memory meanwhile (map/pages.h). */
int map_consult(Map *map, PageWindow window, MapConsult consult, void *context);
