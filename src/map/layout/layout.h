// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"

/*
 * Where everything stands: layers from left to right by the direction of calls, tables inside their
 * database, the measures of the page (pixels at 100 %). A pure function of the nodes' keys, the
 * edges' ends and when each was first seen; counts do not matter, so a map that only gets busier
 * stays where it is, and one that gets a new node keeps all others where they are, until it has
 * grown by half since it was last drawn as a whole.
 */
void layout_answer(MapAnswer *answer);

/* Closes the gaps that tables leave in their databases when an answer has places of a larger one:
 * the others move up, the database's top stays. */
void layout_pack_tables(MapAnswer *answer);
