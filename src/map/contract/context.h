// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/contract/world.h"

/*
 * The business context of a span, CONTRACT.md §6: which flow, step and run it works for. It comes
 * from the span itself, else up its parents, else over the hops of the nearest stitched consuming
 * span on that way, links in the span's order; each span is asked once per question. Over a hop,
 * name and run id come from the same publishing span: the first that yields a name.
 *
 * A world without flow attributes has no contexts, and nothing here is called for it.
 */
typedef struct ContextSpan {
    /* The nearest span, itself included, up the parents that carries each; WORLD_NONE: none. */
    uint32_t name, run, step;
    uint32_t consumer; /* ... that consumes and is stitched */

    /* As a consumer: what its hops yield, once asked. */
    bool step_known, origin_known;
    uint32_t hop_step, hop_name, hop_run;
} ContextSpan;

enum {
    CONTEXT_HOPS_MAX = 32,      /* followed one behind the other */
    CONTEXT_ASKS_MAX = 1 << 22, /* spans asked over hops, per contribution */
};

/* Fills World.contexts, once all spans are placed and named. */
void context_prepare(World *world);

/* The step occurrence that encloses @span, itself included; WORLD_NONE: none. */
uint32_t context_step(World *world, uint32_t span);

/* The spans that give @span its flow name and run id; WORLD_NONE: none. */
typedef struct ContextOrigin {
    uint32_t name, run;
} ContextOrigin;

ContextOrigin context_origin(World *world, uint32_t span);

/* The node of the flow that span @name names. */
uint32_t context_flow(World *world, uint32_t name);

/* Says in @delta for which step of which flow @doer did it; nothing when it is none. */
void context_attribute(World *world, uint32_t doer, Delta *delta);
