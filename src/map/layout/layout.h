// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"

/*
 * Where everything stands: layers from left to right by the direction of calls, tables inside their
 * database, the measures of the page (pixels at 100 %). A pure function of the nodes' keys and the
 * edges' ends; counts and times do not matter, so a map that only gets busier stays where it is.
 */
void layout_answer(MapAnswer *answer);
