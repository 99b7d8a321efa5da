// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/contract/world.h"

/*
 * Business flows of CONTRACT.md §6 as far as one trace tells them: `performs` edges, steps without
 * a flow, and the members and entities of runs (Deltas.members). What a run as a whole adds is
 * map/flow/run.h's.
 */
enum {
    ENTITIES_MAX = 64,          /* business objects of a trace: its first */
    ENTITY_LINKS_MAX = 1 << 10, /* ... times its runs */
};

void flows_contribute(World *world);
