// SPDX-License-Identifier: Apache-2.0
#include "map/contract/flows.h"

#include "base/assert.h"
#include "map/contract/context.h"
#include "map/flow/member.h"

/* The runs that the steps of one flow are in, as far as it matters. */
typedef struct FlowRuns {
    Str run_id; /* of a step; empty: there is none */
    bool many;  /* another step is in another run */
} FlowRuns;

typedef struct FlowsOfTrace {
    World *world;
    Members *members;
    size_t first;   /* of the trace's own */
    FlowRuns *runs; /* by flow node */
    uint32_t *flow; /* node, by own member */
    EntityLink *entities;
    size_t n_entities;
} FlowsOfTrace;

static Str run_id_of(World *world, ContextOrigin origin)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * TRACE_ID_SIZE];

    if (origin.run != WORLD_NONE) {
        return arena_copy(world->arena, world->spans[origin.run].reading.flow->run_id);
    }
    const uint8_t *bytes = world->spans[origin.name].span->trace_id.bytes;
    for (size_t i = 0; i < TRACE_ID_SIZE; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    return arena_copy(world->arena, str_from_bytes(hex, sizeof(hex)));
}

static void emit_performs(World *world, const WorldSpan *span, uint32_t flow)
{
    NodeKey key;

    ASSERT(node_key_parse(world_node_key(world, flow), &key) == 0);
    key.type = NODE_STEP;
    key.part = span->reading.flow->step;
    (void)world_relation(world, span, RELATION_PERFORMS, world_node(world, &key), RULE_FLOW);
}

static void add_member(FlowsOfTrace *trace, const WorldSpan *span, ContextOrigin origin,
                       uint32_t flow)
{
    World *world = trace->world;
    const FlowReading *reading = span->reading.flow;
    Member *member = members_add(trace->members);

    *member = (Member){.sign = 1,
                       .flow = world_node_key(world, flow),
                       .run_id = run_id_of(world, origin),
                       .step = arena_copy(world->arena, reading->step),
                       .service = world_node_key(world, span->service),
                       .trace_id = span->span->trace_id,
                       .span_id = span->span->span_id,
                       .start_ns = span->span->start_ns,
                       .end_ns = MAX(span->span->end_ns, span->span->start_ns),
                       .threshold = span_threshold(span->span),
                       .client = span->span->kind == SPAN_KIND_CLIENT,
                       .failed = span->span->status_code == STATUS_ERROR,
                       .no_run_id = origin.run == WORLD_NONE};
    member->kind = reading->step.len > 0   ? MEMBER_STEP
                   : reading->name.len > 0 ? MEMBER_ENVELOPE
                                           : MEMBER_JOINER;
    trace->flow[trace->members->count - 1 - trace->first] = flow;
    FlowRuns *runs = &trace->runs[flow];
    if (member->kind == MEMBER_STEP) {
        runs->many |= runs->run_id.len > 0 && !str_equal(runs->run_id, member->run_id);
        runs->run_id = member->run_id;
    }
}

/* An envelope makes no run of its own beside the runs that the trace's steps are in. */
static void find_shadows(const FlowsOfTrace *trace)
{
    for (size_t i = trace->first; i < trace->members->count; i++) {
        Member *member = &trace->members->items[i];
        const FlowRuns *runs = &trace->runs[trace->flow[i - trace->first]];

        member->shadowed =
            member->kind != MEMBER_STEP &&
            (runs->many || (runs->run_id.len > 0 && !str_equal(runs->run_id, member->run_id)));
    }
}

/* ---- entities ---- */

static void note_entity(FlowsOfTrace *trace, const WorldSpan *span)
{
    const FlowReading *reading = span->reading.flow;
    size_t i = 0;

    if (reading->entity_type.len == 0 || reading->entity_id.len == 0) {
        return;
    }
    while (i < trace->n_entities && !(str_equal(trace->entities[i].id, reading->entity_id) &&
                                      str_equal(trace->entities[i].type, reading->entity_type))) {
        i++;
    }
    if (i == ENTITIES_MAX) {
        trace->world->deltas->n_cut_contexts++;
        return;
    }
    EntityLink *entity = &trace->entities[i];
    if (i == trace->n_entities) {
        trace->n_entities++;
        *entity = (EntityLink){.sign = 1,
                               .type = arena_copy(trace->world->arena, reading->entity_type),
                               .id = arena_copy(trace->world->arena, reading->entity_id),
                               .trace_id = span->span->trace_id,
                               .start_ns = span->span->start_ns};
    }
    entity->start_ns = MIN(entity->start_ns, span->span->start_ns);
}

/* Whether no member before @at is of its run. */
static bool is_first_of_run(const FlowsOfTrace *trace, size_t at)
{
    const Member *member = &trace->members->items[at];

    return world_first_time(trace->world, trace->flow[at - trace->first], STR("run"),
                            member->run_id);
}

static void link_entities(const FlowsOfTrace *trace)
{
    size_t n_runs = 0;

    for (size_t i = trace->first; i < trace->members->count; i++) {
        const Member member = trace->members->items[i];

        if (n_runs * trace->n_entities >= ENTITY_LINKS_MAX || !is_first_of_run(trace, i)) {
            continue;
        }
        n_runs++;
        for (size_t k = 0; k < trace->n_entities; k++) {
            EntityLink *link = members_add_entity(trace->members);

            *link = trace->entities[k];
            link->flow = member.flow;
            link->run_id = member.run_id;
        }
    }
    for (size_t k = 0; k < trace->n_entities && n_runs == 0; k++) {
        *members_add_entity(trace->members) = trace->entities[k];
    }
}

/* ---- spans ---- */

static void take_span(FlowsOfTrace *trace, uint32_t at)
{
    World *world = trace->world;
    const WorldSpan *span = &world->spans[at];
    const FlowReading *reading = span->reading.flow;
    bool is_step = reading->step.len > 0;

    if (!is_step && reading->name.len == 0 && reading->run_id.len == 0) {
        return;
    }
    ContextOrigin origin = context_origin(world, at);
    if (origin.name == WORLD_NONE) {
        if (is_step) {
            Delta *delta = world_delta(world, DELTA_NO_FLOW, span->service, span);

            delta->name = arena_copy(world->arena, reading->step);
        }
        return;
    }
    uint32_t flow = context_flow(world, origin.name);
    if (is_step) {
        emit_performs(world, span, flow);
    }
    if (trace->members != NULL) {
        add_member(trace, span, origin, flow);
    }
}

void flows_contribute(World *world)
{
    FlowsOfTrace trace = {.world = world, .members = world->deltas->members};

    if (!world->has_flows) {
        return;
    }
    if (trace.members != NULL) {
        trace.first = trace.members->count;
        /* No more flow nodes than there are spans that name one. */
        trace.flow = arena_alloc(world->arena, world->n_own * sizeof(uint32_t));
        trace.runs = arena_zero(world->arena,
                                (world->nodes.count + world->n_own * (size_t)2) * sizeof(FlowRuns));
        trace.entities = arena_alloc(world->arena, ENTITIES_MAX * sizeof(EntityLink));
    }
    for (uint32_t i = 0; i < world->n_own; i++) {
        if (world->spans[i].reading.flow != NULL) {
            take_span(&trace, i);
            if (trace.members != NULL) {
                note_entity(&trace, &world->spans[i]);
            }
        }
    }
    if (trace.members != NULL) {
        find_shadows(&trace);
        link_entities(&trace);
    }
}
