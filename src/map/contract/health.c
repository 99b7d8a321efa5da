// SPDX-License-Identifier: Apache-2.0
#include "map/contract/health.h"

#include <stdlib.h>

#include "map/contract/messaging.h"
#include "trace/analysis.h"

enum {
    SHORT_SPAN_NS = 100000, /* an inner span below it is one too many */
    SKEW_MIN_NS = 1000000,
};

/* One delta for a run of findings of one node, code and minute. */
typedef struct Counting {
    World *world;
    Str code;
    size_t *last; /* by node: index + 1 of its last delta of this code; 0: none */
} Counting;

static void count(Counting *counting, uint32_t node, const WorldSpan *span)
{
    World *world = counting->world;

    if (counting->last == NULL) {
        counting->last = arena_zero(world->arena, world->nodes.count * sizeof(size_t));
    }
    size_t last = counting->last[node];
    if (last > 0 && world->deltas->items[last - 1].minute == span_minute(span->span)) {
        world->deltas->items[last - 1].count++;
        return;
    }
    world_delta(world, DELTA_FINDING, node, span)->name = counting->code;
    counting->last[node] = world->deltas->count;
}

static void count_services(World *world)
{
    Counting shorts = {world, HEALTH_OVER_SPANNING, NULL};
    Counting skews = {world, HEALTH_CLOCK_SKEW, NULL};

    for (uint32_t i = 0; i < world->n_own; i++) {
        const WorldSpan *span = &world->spans[i];
        const WorldSpan *parent = span->parent == WORLD_NONE ? NULL : &world->spans[span->parent];

        if (span->reading.class == CLASS_INNER && span_duration_ns(span->span) < SHORT_SPAN_NS) {
            count(&shorts, span->service, span);
        }
        if (parent != NULL && span->span->start_ns < parent->span->start_ns &&
            parent->span->start_ns - span->span->start_ns > SKEW_MIN_NS &&
            !resources_share_host(span->span->resource, parent->span->resource)) {
            count(&skews, span->service, span);
        }
    }
}

/*
 * Consuming spans that have a publisher, by queue and depth-first place. @reach is the furthest end
 * among this and those of its queue before it: since spans lie in one another or apart, a place
 * before it is inside of one of them.
 */
typedef struct Linked {
    uint32_t queue, position, end, reach;
} Linked;

static int compare_linked(const void *a, const void *b)
{
    const Linked *left = a, *right = b;

    if (left->queue != right->queue) {
        return left->queue < right->queue ? -1 : 1;
    }
    return left->position < right->position ? -1 : left->position > right->position;
}

static size_t collect_linked(const World *world, Linked *linked)
{
    uint32_t found[PUBLISHERS_MAX];
    size_t n = 0;

    for (uint32_t i = 0; i < world->n_own; i++) {
        const WorldSpan *span = &world->spans[i];

        if (message_consumes(span) && messaging_publishers(world, span, found) > 0) {
            linked[n++] =
                (Linked){.queue = span->queue, .position = span->position, .end = span->end};
        }
    }
    if (n > 0) {
        qsort(linked, n, sizeof(linked[0]), compare_linked);
    }
    for (size_t i = 0; i < n; i++) {
        bool follows = i > 0 && linked[i - 1].queue == linked[i].queue;

        linked[i].reach = follows ? MAX(linked[i].end, linked[i - 1].reach) : linked[i].end;
    }
    return n;
}

/* Whether @span has a publisher itself, or a consuming ancestor or descendant of its queue has. */
static bool is_linked(const Linked *linked, size_t n, const WorldSpan *span)
{
    const Linked wanted = {.queue = span->queue, .position = span->position};
    size_t from = 0, to = n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (compare_linked(&linked[middle], &wanted) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return (from < n && linked[from].queue == span->queue && linked[from].position < span->end) ||
           (from > 0 && linked[from - 1].queue == span->queue &&
            linked[from - 1].reach > span->position);
}

static void count_queues(World *world)
{
    Counting broken = {world, HEALTH_BROKEN_QUEUE_CONTEXT, NULL};
    Linked *linked = arena_alloc(world->arena, world->n_own * sizeof(*linked));
    size_t n = collect_linked(world, linked);

    for (uint32_t i = 0; i < world->n_own; i++) {
        const WorldSpan *span = &world->spans[i];

        if (message_consumes(span) && !is_linked(linked, n, span)) {
            count(&broken, span->queue, span);
        }
    }
}

void health_contribute(World *world)
{
    count_services(world);
    if (world->has_messaging) {
        count_queues(world);
    }
}
