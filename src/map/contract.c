// SPDX-License-Identifier: Apache-2.0
#include "map/contract.h"

#include "base/assert.h"
#include "map/contract/database.h"
#include "map/contract/flows.h"
#include "map/contract/health.h"
#include "map/contract/messaging.h"
#include "map/contract/world.h"

/*
 * The order of the steps does not matter to the result: each appends deltas of its own. This file
 * has the calls of §4 and what is counted per service (§5); databases and queues have their own.
 *
 * Transports and wrappers are told by place alone, whether or not a child pairs with them: a span
 * below a database client stays its transport when another server answers it.
 */
typedef enum Pairing { PAIRING_NONE, PAIRING_CALL, PAIRING_ASYNC } Pairing;

/* How child @span and its parent make a call. */
static Pairing pairing_of(const WorldSpan *parent, const WorldSpan *span)
{
    SpanKind kind = (SpanKind)span->span->kind;
    SpanKind parent_kind = (SpanKind)parent->span->kind;
    bool differ = parent->service != span->service;

    if (span->reading.class == CLASS_MESSAGING || parent->reading.class == CLASS_MESSAGING) {
        return PAIRING_NONE;
    }
    if (kind == SPAN_KIND_CONSUMER) {
        return parent_kind == SPAN_KIND_PRODUCER && differ ? PAIRING_ASYNC : PAIRING_NONE;
    }
    if (parent->reading.class == CLASS_DATABASE) {
        return PAIRING_NONE;
    }
    if (differ) {
        return kind == SPAN_KIND_SERVER || parent->resource != span->resource ? PAIRING_CALL
                                                                              : PAIRING_NONE;
    }
    return parent_kind == SPAN_KIND_CLIENT && kind == SPAN_KIND_SERVER ? PAIRING_CALL
                                                                       : PAIRING_NONE;
}

static uint32_t name_node(World *world, const WorldSpan *span, Str name)
{
    const ResourceReading *resource = world_resource(world, span);
    NodeKey key = {.type = NODE_NAME,
                   .scope = resource->scope,
                   .environment = resource->environment,
                   .name = name};

    return world_node(world, &key);
}

/* §4.3: the address that @parent called is @span's service, on that day. Loopback proves nothing.
 */
static void emit_proof(World *world, const WorldSpan *parent, const WorldSpan *span)
{
    enum { MINUTES_PER_DAY = 1440 };
    const OutboundReading *outbound = parent->reading.outbound;

    if (parent->reading.class != CLASS_OUTBOUND) {
        return;
    }
    bool by_address = outbound->address.len > 0;
    Str name = by_address ? outbound->address : outbound->http_host;
    if (name.len == 0 ||
        (by_address ? outbound->address_is_loopback : outbound->http_host_is_loopback)) {
        return;
    }
    Delta *delta = world_delta(world, DELTA_PROOF, name_node(world, parent, name), span);
    delta->rule = by_address ? RULE_SERVER_ADDRESS : RULE_HTTP_HOST;
    delta->target = world_node_key(world, span->service);
    delta->minute = span_minute(span->span) / MINUTES_PER_DAY;
}

static void emit_call(World *world, const WorldSpan *parent, const WorldSpan *span, Pairing pairing)
{
    SpanKind kind = (SpanKind)parent->span->kind;
    bool outbound = kind == SPAN_KIND_CLIENT || kind == SPAN_KIND_PRODUCER;
    Delta *delta = world_edge(world, span, parent, RELATION_CALLS, span->service,
                              pairing == PAIRING_CALL ? RULE_PAIRED : RULE_PAIRED_ASYNC);

    delta->source = world_node_key(world, parent->service);
    delta->errors |= outbound && parent->span->status_code == STATUS_ERROR;
    delta->has_duration = kind == SPAN_KIND_CLIENT;
    delta->duration_ns = delta->has_duration ? span_duration_ns(parent->span) : 0;
    delta->has_server_duration = true;
    delta->server_duration_ns = span_duration_ns(span->span);
    if (pairing == PAIRING_CALL) {
        emit_proof(world, parent, span);
    }
}

/* Parents come first, so that what is true of them is known. */
static void take_outbound(WorldSpan *parent, WorldSpan *span)
{
    if (span->reading.class != CLASS_OUTBOUND || parent->service != span->service) {
        return;
    }
    SpanClass class = parent->reading.class;
    span->transports = class == CLASS_MESSAGING || class == CLASS_DATABASE || parent->transports;
    if (class == CLASS_OUTBOUND) {
        Str peer = parent->reading.outbound->peer_service;

        parent->wraps = true;
        span->peer_above = peer.len > 0 ? peer : parent->peer_above;
    }
}

static void contribute_pairs(World *world)
{
    const Tree *tree = &world->traces[0].tree;

    for (uint32_t i = 0; i < world->n_own; i++) {
        WorldSpan *span = &world->spans[tree->order[i]];

        if (span->parent == WORLD_NONE) {
            continue;
        }
        WorldSpan *parent = &world->spans[span->parent];
        Pairing pairing = pairing_of(parent, span);
        if (pairing != PAIRING_NONE) {
            parent->pairs = true;
            emit_call(world, parent, span, pairing);
        }
        take_outbound(parent, span);
    }
}

/* The first name that an unpaired span has; empty: none. */
static Str unpaired_name(const WorldSpan *span, Rule *ret_rule)
{
    const OutboundReading *outbound = span->reading.outbound;
    const struct {
        Str name;
        Rule rule;
    } names[] = {
        {outbound->peer_service, RULE_PEER_SERVICE}, {span->peer_above, RULE_PEER_SERVICE},
        {outbound->address, RULE_SERVER_ADDRESS},    {outbound->rpc_service, RULE_RPC_SERVICE},
        {outbound->http_host, RULE_HTTP_HOST},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].name.len > 0) {
            *ret_rule = names[i].rule;
            return names[i].name;
        }
    }
    return (Str){0};
}

static void contribute_unpaired(World *world)
{
    for (uint32_t i = 0; i < world->n_own; i++) {
        const WorldSpan *span = &world->spans[i];
        Rule rule;

        if (span->reading.class != CLASS_OUTBOUND || span->pairs || span->transports ||
            span->wraps) {
            continue;
        }
        Str name = unpaired_name(span, &rule);
        if (name.len > 0) {
            world_edge(world, span, span, RELATION_CALLS, name_node(world, span, name), rule);
        } else {
            world_delta(world, DELTA_UNRESOLVED, span->service, span);
        }
    }
}

static bool is_entry(const World *world, const WorldSpan *span)
{
    SpanKind kind = (SpanKind)span->span->kind;

    return kind == SPAN_KIND_SERVER || kind == SPAN_KIND_CONSUMER || span->parent == WORLD_NONE ||
           world->spans[span->parent].service != span->service;
}

static void emit_request(World *world, const WorldSpan *span)
{
    Delta *delta = world_delta(world, DELTA_REQUEST, span->service, span);

    delta->name = arena_copy(world->arena, span->span->name);
    delta->errors = span->span->status_code == STATUS_ERROR;
    delta->adjusted = span_weight(span->span);
    delta->has_duration = true;
    delta->duration_ns = span_duration_ns(span->span);
}

static void label_service(World *world, const WorldSpan *span)
{
    const ResourceReading *resource = world_resource(world, span);

    for (size_t i = 0; i < resource->n_labels; i++) {
        world_label(world, span->service, resource->labels[i].name, resource->labels[i].value,
                    span);
    }
}

/* Spans per service and minute: one delta for a run of spans of the same minute. */
typedef struct SpanCount {
    size_t delta; /* index + 1 of the last one; 0: none yet */
    uint32_t resource;
} SpanCount;

/* Health tells of services without an environment, and of unknown ones, by an example (§7). */
static bool wants_example(const World *world, const WorldSpan *span)
{
    NodeKey service;

    ASSERT(node_key_parse(world_node_key(world, span->service), &service) == 0);
    return service.environment.len == 0 || str_starts_with(service.name, STR("unknown_service"));
}

static void count_span(World *world, SpanCount *counts, const WorldSpan *span)
{
    SpanCount *count = &counts[span->service];
    bool first = count->delta == 0;

    if (first || count->resource != span->resource) {
        count->resource = span->resource;
        label_service(world, span);
    }
    if (!first && world->deltas->items[count->delta - 1].minute == span_minute(span->span)) {
        world->deltas->items[count->delta - 1].count++;
        return;
    }
    Delta *delta = world_delta(world, DELTA_SPAN, span->service, span);
    if (!wants_example(world, span)) {
        delta->trace_id = (TraceId){0};
    }
    count->delta = world->deltas->count;
}

static void contribute_counts(World *world)
{
    SpanCount *counts = arena_zero(world->arena, world->nodes.count * sizeof(*counts));

    for (uint32_t i = 0; i < world->n_own; i++) {
        const WorldSpan *span = &world->spans[i];

        count_span(world, counts, span);
        if (is_entry(world, span)) {
            emit_request(world, span);
        }
        if (span->orphan) {
            world_delta(world, DELTA_ORPHAN, span->service, span);
        }
    }
}

void contract_contribution(const ContractTrace *trace, const ContractTrace *neighbours,
                           size_t n_neighbours, Deltas *ret_deltas)
{
    World world;

    if (trace->n_spans == 0) {
        return;
    }
    world_init(&world, trace, neighbours, n_neighbours, ret_deltas);
    contribute_counts(&world);
    contribute_pairs(&world);
    contribute_unpaired(&world);
    database_contribute(&world);
    messaging_contribute(&world);
    health_contribute(&world);
    flows_contribute(&world);
    world_deinit(&world);
}

bool contract_has_flows(const Span *spans, size_t n_spans)
{
    static const Str prefix = STR("coordimap.flow.");

    for (size_t i = 0; i < n_spans; i++) {
        Attributes attributes = spans[i].attributes;

        for (size_t k = 0; k < attributes.count; k++) {
            Str key = attributes.items[k].key;

            if (key.len > prefix.len && key.ptr[0] == prefix.ptr[0] &&
                str_starts_with(key, prefix)) {
                return true;
            }
        }
    }
    return false;
}

void contract_link_targets(const Span *spans, size_t n_spans, Buf *ret_trace_ids)
{
    for (size_t i = 0; i < n_spans; i++) {
        size_t n_links = MIN(spans[i].n_links, (size_t)CONTRACT_LINKS_MAX);

        for (size_t j = 0; j < n_links; j++) {
            if (!trace_id_equal(spans[i].links[j].trace_id, spans[i].trace_id)) {
                buf_append(ret_trace_ids, spans[i].links[j].trace_id.bytes, TRACE_ID_SIZE);
            }
        }
    }
}
