// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/contract/world.h"

/*
 * What instrumentation does wrong, as far as one trace with its neighbours shows it (CONTRACT.md
 * §7): counts by code, which are judged when the map is asked (answer/health.h). Sums only, like
 * everything else.
 */
#define HEALTH_BROKEN_QUEUE_CONTEXT STR("broken_queue_context") /* source: the queue */
#define HEALTH_CLOCK_SKEW STR("clock_skew")                     /* source: the child's service */
#define HEALTH_OVER_SPANNING STR("over_spanning")               /* source: the service */

/* Appends DELTA_FINDINGs of the trace's own spans. */
void health_contribute(World *world);
