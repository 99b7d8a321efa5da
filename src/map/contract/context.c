// SPDX-License-Identifier: Apache-2.0
#include "map/contract/context.h"

#include "base/assert.h"
#include "map/contract/messaging.h"

/*
 * Up the parents every answer is known from one pass over the trees. Over hops a question walks the
 * spans one by one, as the text says, and marks those it asked.
 *
 * What the hops of a consuming span yield is the same for all spans below it, unless the way leads
 * back to one below it (a publisher that its own consumer links to): only then does it matter which
 * spans the question had asked before. So the answer is remembered with the consumer, and asked
 * anew in that odd case. CONTEXT_ASKS_MAX bounds what hostile links can cost; spans are asked in
 * their order, so what it cuts is a function of the set, and it is counted.
 */
typedef struct Search {
    World *world;
    uint8_t *asked;  /* by span */
    uint32_t *trail; /* those that are marked */
    uint32_t n_trail;
    bool wants_step;   /* else name and run */
    uint32_t consumer; /* whose hops were asked first */
    bool came_back;    /* a span below it was asked */
} Search;

typedef struct Found {
    uint32_t step, name, run;
} Found;

#define FOUND_NONE ((Found){WORLD_NONE, WORLD_NONE, WORLD_NONE})

/* ---- up the parents ---- */

static bool is_stitched(const World *world, uint32_t at)
{
    uint32_t publishers[PUBLISHERS_MAX];
    const WorldSpan *span = &world->spans[at];

    return message_consumes(span) && messaging_publishers(world, span, publishers) > 0;
}

static void prepare_span(World *world, uint32_t at)
{
    const WorldSpan *span = &world->spans[at];
    const FlowReading *flow = span->reading.flow;
    ContextSpan context = {WORLD_NONE, WORLD_NONE, WORLD_NONE, WORLD_NONE};

    if (span->parent != WORLD_NONE) {
        const ContextSpan *parent = &world->contexts[span->parent];

        context.name = parent->name;
        context.run = parent->run;
        context.step = parent->step;
        context.consumer = parent->consumer;
    }
    if (flow != NULL) {
        context.name = flow->name.len > 0 ? at : context.name;
        context.run = flow->run_id.len > 0 ? at : context.run;
        context.step = flow->step.len > 0 ? at : context.step;
    }
    if (is_stitched(world, at)) {
        context.consumer = at;
    }
    world->contexts[at] = context;
}

void context_prepare(World *world)
{
    world->contexts = arena_alloc(world->arena, world->n_spans * sizeof(ContextSpan));
    world->asks_left = CONTEXT_ASKS_MAX;
    for (uint32_t i = 0; i < world->n_traces; i++) {
        const WorldTrace *trace = &world->traces[i];

        for (uint32_t k = 0; k < trace->count; k++) {
            prepare_span(world, trace->first + trace->tree.order[k]);
        }
    }
}

/* ---- over hops ---- */

static bool is_below(const Search *search, uint32_t at)
{
    const WorldSpan *consumer = &search->world->spans[search->consumer];
    const WorldSpan *span = &search->world->spans[at];

    return span->position > consumer->position && span->position < consumer->end &&
           world_trace(search->world, at) == world_trace(search->world, search->consumer);
}

static bool is_complete(const Search *search, const Found *found)
{
    return search->wants_step ? found->step != WORLD_NONE
                              : found->name != WORLD_NONE && found->run != WORLD_NONE;
}

static void take_nearest(uint32_t *nearest, uint32_t at, Str text)
{
    if (*nearest == WORLD_NONE && text.len > 0) {
        *nearest = at;
    }
}

/* Asks @at and its parents until all is found, or one was asked before. *@ret_consumer: the nearest
 * stitched consuming span among them. */
static Found ask_parents(Search *search, uint32_t at, uint32_t *ret_consumer)
{
    World *world = search->world;
    Found found = FOUND_NONE;

    *ret_consumer = WORLD_NONE;
    while (at != WORLD_NONE && !search->asked[at] && !is_complete(search, &found)) {
        const FlowReading *flow = world->spans[at].reading.flow;

        if (world->asks_left == 0) {
            world->deltas->n_cut_contexts++;
            break;
        }
        world->asks_left--;
        search->asked[at] = 1;
        search->trail[search->n_trail++] = at;
        search->came_back |= is_below(search, at);
        if (flow != NULL) {
            take_nearest(&found.name, at, flow->name);
            take_nearest(&found.run, at, flow->run_id);
            take_nearest(&found.step, at, flow->step);
        }
        if (*ret_consumer == WORLD_NONE && world->contexts[at].consumer == at) {
            *ret_consumer = at;
        }
        at = world->spans[at].parent;
    }
    return found;
}

static Found ask_hops(Search *search, uint32_t consumer, uint32_t depth);

static Found ask(Search *search, uint32_t at, uint32_t depth)
{
    uint32_t consumer;
    Found found = ask_parents(search, at, &consumer);

    if (is_complete(search, &found) || consumer == WORLD_NONE) {
        return found;
    }
    Found far = ask_hops(search, consumer, depth + 1);
    found.step = found.step == WORLD_NONE ? far.step : found.step;
    found.name = found.name == WORLD_NONE ? far.name : found.name;
    found.run = found.run == WORLD_NONE ? far.run : found.run;
    return found;
}

/* The first link that yields a step, or a name. */
static Found ask_hops(Search *search, uint32_t consumer, uint32_t depth)
{
    World *world = search->world;
    uint32_t publishers[PUBLISHERS_MAX];

    if (depth > CONTEXT_HOPS_MAX) {
        world->deltas->n_cut_contexts++;
        return FOUND_NONE;
    }
    size_t n = messaging_publishers(world, &world->spans[consumer], publishers);
    for (size_t i = 0; i < n; i++) {
        if (search->asked[publishers[i]]) {
            continue;
        }
        Found found = ask(search, publishers[i], depth);
        if ((search->wants_step ? found.step : found.name) != WORLD_NONE) {
            return found;
        }
    }
    return FOUND_NONE;
}

/* What the hops of @span's nearest consuming span yield when @from and its parents were asked. */
static Found search_from(Search *search, uint32_t from)
{
    const WorldSpan *spans = search->world->spans;

    search->came_back = false;
    for (uint32_t at = from; at != WORLD_NONE; at = spans[at].parent) {
        search->asked[at] = 1;
        search->trail[search->n_trail++] = at;
    }
    Found found = ask_hops(search, search->consumer, 1);
    while (search->n_trail > 0) {
        search->asked[search->trail[--search->n_trail]] = 0;
    }
    return found;
}

/* As search_from(); *@ret_same: the answer holds for everything below the consumer. */
static Found search_hops(World *world, uint32_t span, bool wants_step, bool *ret_same)
{
    uint32_t consumer = world->contexts[span].consumer;
    Search search = {.world = world, .wants_step = wants_step, .consumer = consumer};

    if (world->asked == NULL) {
        world->asked = arena_zero(world->arena, world->n_spans);
        world->trail = arena_alloc(world->arena, world->n_spans * sizeof(uint32_t));
    }
    search.asked = world->asked;
    search.trail = world->trail;
    Found found = search_from(&search, consumer);
    *ret_same = !search.came_back;
    return search.came_back && span != consumer ? search_from(&search, span) : found;
}

uint32_t context_step(World *world, uint32_t span)
{
    const ContextSpan *context = &world->contexts[span];
    bool same;

    if (context->step != WORLD_NONE || context->consumer == WORLD_NONE) {
        return context->step;
    }
    ContextSpan *consumer = &world->contexts[context->consumer];
    if (consumer->step_known) {
        return consumer->hop_step;
    }
    uint32_t step = search_hops(world, span, true, &same).step;
    consumer->step_known = same;
    consumer->hop_step = step;
    return step;
}

ContextOrigin context_origin(World *world, uint32_t span)
{
    const ContextSpan *context = &world->contexts[span];
    ContextOrigin origin = {.name = context->name, .run = context->run};
    bool same;

    if ((origin.name != WORLD_NONE && origin.run != WORLD_NONE) ||
        context->consumer == WORLD_NONE) {
        return origin;
    }
    ContextSpan *consumer = &world->contexts[context->consumer];
    Found found = {.name = consumer->hop_name, .run = consumer->hop_run};
    if (!consumer->origin_known) {
        found = search_hops(world, span, false, &same);
        consumer->origin_known = same;
        consumer->hop_name = found.name;
        consumer->hop_run = found.run;
    }
    origin.name = origin.name == WORLD_NONE ? found.name : origin.name;
    origin.run = origin.run == WORLD_NONE ? found.run : origin.run;
    return origin;
}

/* ---- what it means ---- */

uint32_t context_flow(World *world, uint32_t name)
{
    const WorldSpan *span = &world->spans[name];
    const ResourceReading *resource = world_resource(world, span);
    NodeKey key = {.type = NODE_FLOW,
                   .scope = resource->scope,
                   .environment = resource->environment,
                   .name = span->reading.flow->name};

    return world_node(world, &key);
}

void context_attribute(World *world, uint32_t doer, Delta *delta)
{
    uint32_t step = context_step(world, doer);

    if (step == WORLD_NONE) {
        return;
    }
    ContextOrigin origin = context_origin(world, step);
    if (origin.name != WORLD_NONE) {
        delta->flow = world_node_key(world, context_flow(world, origin.name));
        delta->step = arena_copy(world->arena, world->spans[step].reading.flow->step);
    }
}
