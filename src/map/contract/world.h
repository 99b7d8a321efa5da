// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/contract.h"
#include "map/contract/reading.h"
#include "trace/tree.h"

/*
 * What the rules of the contract look at: the spans of a trace and of its neighbours, read, placed
 * in their trees and given their service and queue nodes. Internal to the contract; everything
 * lives in the arena of the deltas. Spans are named by their index in World.spans, the trace's own
 * first, each trace in its order.
 */
#define WORLD_NONE UINT32_MAX

/* Byte strings with dense numbers: nodes by their keys, and what was emitted already. */
typedef struct Intern {
    struct InternEntry {
        Str bytes;
        uint64_t hash;
    } * entries;
    uint32_t *slots; /* number + 1; 0 is free */
    size_t n_slots;
    uint32_t count, capacity;
} Intern;

typedef struct WorldSpan {
    const Span *span;
    Reading reading;
    uint32_t parent;        /* WORLD_NONE for roots and orphans */
    uint32_t resource;      /* within a trace: equal exactly when the resources are */
    uint32_t service;       /* node */
    uint32_t queue;         /* node; messaging spans only */
    uint32_t position, end; /* depth-first place; descendants have (position, end) */
    bool orphan;
    bool superseded; /* a create whose message a send or publish tells of */
    bool pairs;      /* a child pairs with it (§4) */
    bool wraps;      /* it has an outbound child of its service */
    bool transports; /* below a db or messaging span of its service (§4) */
    Str peer_above;  /* peer.service of the nearest wrapper that has one */
} WorldSpan;

typedef struct WorldResource {
    const Resource *resource;
    ResourceReading reading;
    uint64_t set_hash;
    uint32_t same;   /* index of the first resource that is equal as a set */
    Str span_name;   /* the span-level service.name that its spans carry ... */
    bool many_names; /* ... unless there are several */
    Str last_name;   /* the name and node of the previous span of this resource */
    uint32_t last_service;
} WorldResource;

typedef struct WorldTrace {
    TraceId id;
    Tree tree;
    uint32_t first, count; /* its spans */
    WorldResource *resources;
    uint32_t n_resources;
} WorldTrace;

typedef struct World {
    Arena *arena;
    Deltas *deltas;
    WorldTrace *traces; /* the first is the one that contributes */
    uint32_t n_traces;
    uint32_t *trace_slots; /* hash table over trace ids: index + 1 */
    size_t n_trace_slots;
    WorldSpan *spans;
    uint32_t n_spans; /* of all traces */
    uint32_t n_own;   /* of the one that contributes */
    bool has_messaging, has_flows;
    struct ContextSpan *contexts; /* as spans; NULL when no span has a flow attribute */
    uint8_t *asked;               /* context.c's, by span */
    uint32_t *trail;
    uint32_t asks_left;
    Intern nodes, emitted;
    Buf scratch;
} World;

void world_init(World *world, const ContractTrace *trace, const ContractTrace *neighbours,
                size_t n_neighbours, Deltas *deltas);
void world_deinit(World *world);

/* The number of @key's node, and its key as bytes. */
uint32_t world_node(World *world, const NodeKey *key);
Str world_node_key(const World *world, uint32_t node);

/* The trace of span number @index. */
const WorldTrace *world_trace(const World *world, uint32_t index);

/* The resource of @span, by its first equal one in the trace. */
const ResourceReading *world_resource(const World *world, const WorldSpan *span);

/* The span that (@trace, @id) names, CLIENT or not; WORLD_NONE when it is not in this world. */
uint32_t world_find(const World *world, TraceId trace, SpanId id, bool client);

/* Whether (@number, @name, @text) is asked for the first time in this contribution. */
bool world_first_time(World *world, uint32_t number, Str name, Str text);

static inline uint32_t span_minute(const Span *span)
{
    return (uint32_t)(span->start_ns / 60000000000U);
}

/* The sampling threshold of @span's tracestate, a fraction of 2^56; 0: none. */
uint64_t span_threshold(const Span *span);

/* How many spans @span stands for, by the sampling threshold of its tracestate (§5). */
Adjusted span_weight(const Span *span);

/*
 * Appends an edge that @speaker tells of: its minute, error, weight and duration; the business step
 * is searched from @doer upwards. The result may be changed until the next one.
 */
Delta *world_edge(World *world, const WorldSpan *speaker, const WorldSpan *doer, Relation relation,
                  uint32_t target, Rule rule);

/* As world_edge(), for no step. */
Delta *world_relation(World *world, const WorldSpan *speaker, Relation relation, uint32_t target,
                      Rule rule);

/* Appends a delta of another kind about @source, counted once at @span. */
Delta *world_delta(World *world, DeltaKind kind, uint32_t source, const WorldSpan *span);

/* Appends the label @name=@value of @node, once per contribution; an empty value is none. @name is
 * static. */
void world_label(World *world, uint32_t node, Str name, Str value, const WorldSpan *span);
