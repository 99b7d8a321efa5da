// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/contract/world.h"

/*
 * The messaging rules of CONTRACT.md §3, inferred consumers of §4 and hops of §5: publishes and
 * consumes edges of the trace's own spans, and the hops that its publishing spans give.
 */
void messaging_contribute(World *world);
