// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "map/contract.h"
#include "map/flow/runs.h"
#include "map/map.h"

/*
 * For tests: random spans that meet all rules of the contract often (shared pairs, rings, orphans,
 * links within and across traces, resends with other content, adoption, ORMs, temporary queues),
 * and a map as text, so that two maps can be compared.
 */
typedef struct RandomSpans {
    uint64_t state;
    unsigned n_traces, n_ids; /* how many of each spans choose from */
    bool dense;               /* few services, nearly all spans messages of one queue with links */
    bool chains;              /* random_chain_span(): messages passed on from trace to trace */
    Arena *arena;
} RandomSpans;

/* Neighbouring seeds give unlike worlds. */
static inline uint64_t random_seed(uint64_t seed)
{
    seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9U;
    seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebU;
    return seed ^ (seed >> 31);
}

static inline unsigned random_below(RandomSpans *random, unsigned limit)
{
    random->state = random->state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(random->state >> 33) % limit;
}

static inline Str random_pick(RandomSpans *random, const char *const *texts, unsigned n)
{
    return str_from_cstr(texts[random_below(random, n)]);
}

#define RANDOM_PICK(random, ...)                                                                   \
    random_pick((random), (const char *const[]){__VA_ARGS__},                                      \
                ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static inline TraceId random_trace(RandomSpans *random)
{
    return (TraceId){{0xaa, [15] = (uint8_t)(1 + random_below(random, random->n_traces))}};
}

static inline SpanId random_id(RandomSpans *random)
{
    return (SpanId){{0xbb, [7] = (uint8_t)(1 + random_below(random, random->n_ids))}};
}

typedef struct RandomAttributes {
    Attribute items[16];
    size_t count;
} RandomAttributes;

static inline void random_add(RandomAttributes *attributes, const char *key, Str value)
{
    attributes->items[attributes->count++] =
        (Attribute){.key = str_from_cstr(key), .value = value_string(value)};
}

static inline void random_messaging(RandomSpans *random, RandomAttributes *attributes)
{
    random_add(attributes, "messaging.system", STR("kafka"));
    random_add(attributes, "messaging.destination.name",
               RANDOM_PICK(random, "q1", "q1", "q1", "q1", "q2"));
    random_add(attributes, "messaging.operation.type",
               RANDOM_PICK(random, "send", "create", "receive", "process", "publish", "settle",
                           "receive", "process", "other"));
    if (random_below(random, 12) == 0) {
        random_add(attributes, "messaging.destination.temporary", STR("true"));
    }
}

static inline void random_database(RandomSpans *random, RandomAttributes *attributes)
{
    random_add(attributes, "db.system", RANDOM_PICK(random, "postgresql", "sqlite"));
    random_add(attributes, "db.name", RANDOM_PICK(random, "shop", ""));
    random_add(attributes, "server.address", RANDOM_PICK(random, "db", "", "DB1.,db2"));
    switch (random_below(random, 4)) {
    case 0:
        random_add(
            attributes, "db.statement",
            RANDOM_PICK(random, "SELECT * FROM a, b", "INSERT INTO c SELECT 1 FROM a", "PING"));
        break;
    case 1:
        random_add(attributes, "db.query.summary", RANDOM_PICK(random, "SELECT a INSERT b", "x"));
        break;
    case 2:
        random_add(attributes, "db.sql.table", STR("t"));
        break;
    default:
        break;
    }
}

static inline void random_outbound(RandomSpans *random, RandomAttributes *attributes)
{
    switch (random_below(random, 5)) {
    case 0:
        random_add(attributes, "peer.service", RANDOM_PICK(random, "web", "pay", "Cart"));
        break;
    case 1:
        random_add(attributes, "server.address",
                   RANDOM_PICK(random, "10.0.0.1", "localhost", "cart"));
        random_add(attributes, "server.port", RANDOM_PICK(random, "80", "8080", "x"));
        break;
    case 2:
        random_add(attributes, "url.full", STR("http://me@pay.example:81/x"));
        break;
    default:
        break;
    }
}

static inline const Resource *random_resource(RandomSpans *random)
{
    RandomAttributes attributes = {0};
    Resource *resource = ARENA_NEW(random->arena, Resource);
    Str name = RANDOM_PICK(random, "web", "cart", "mail", "unknown_service:x", "");

    if (random->dense) {
        name = RANDOM_PICK(random, "web", "mail");
    }
    if (name.len > 0) {
        random_add(&attributes, "service.name", name);
    }
    random_add(&attributes, "host.name", RANDOM_PICK(random, "h1", "h2"));
    if (!random->dense && random_below(random, 10) == 0) {
        random_add(&attributes, "deployment.environment", STR("prod"));
    }
    resource->attributes = attributes_copy(
        (Attributes){.items = attributes.items, .count = attributes.count}, random->arena);
    return resource;
}

static inline void random_links(RandomSpans *random, Span *span)
{
    size_t n = random_below(random, random->dense ? 4 : 2) == 0 ? 0 : random_below(random, 5);
    Link *links = ARENA_ARRAY(random->arena, Link, n + 1);

    for (size_t i = 0; i < n; i++) {
        links[i] = (Link){.trace_id = random_trace(random), .span_id = random_id(random)};
    }
    span->links = links;
    span->n_links = n;
}

/* In dense worlds what gives a context is rare, so that it has to come from afar. */
static inline void random_flow(RandomSpans *random, RandomAttributes *attributes)
{
    unsigned rare = random->dense || random->chains ? 2 : 1;

    if (random_below(random, 8 * rare) == 0) {
        random_add(attributes, "coordimap.flow.name", RANDOM_PICK(random, "order", "ship"));
    }
    if (random_below(random, 6) == 0) {
        random_add(attributes, "coordimap.flow.step", RANDOM_PICK(random, "a", "b", "c"));
    }
    if (random_below(random, 8 * rare) == 0) {
        random_add(attributes, "coordimap.flow.run_id", RANDOM_PICK(random, "1", "2"));
    }
}

/* A span at some moment within an hour. */
static inline Span random_span(RandomSpans *random)
{
    static const Scope scope;
    RandomAttributes attributes = {0};
    Span span = {.trace_id = random_trace(random),
                 .span_id = random_id(random),
                 .kind = (uint8_t)random_below(random, 6),
                 .status_code = random_below(random, 5) == 0 ? STATUS_ERROR : STATUS_UNSET,
                 .name = RANDOM_PICK(random, "GET /", "SELECT t", "op"),
                 .trace_state = RANDOM_PICK(random, "", "", "ot=th:8"),
                 .resource = random_resource(random),
                 .scope = &scope};

    if (random_below(random, 4) != 0) {
        span.parent_span_id = random_id(random);
    }
    span.start_ns = 1760000040000000000U + (uint64_t)random_below(random, 3600) * 1000000000U;
    span.end_ns = span.start_ns + (uint64_t)random_below(random, 100) * 1000000U;
    switch (random_below(random, random->dense ? 3 : 6)) {
    case 0:
    case 1:
    case 3:
        random_messaging(random, &attributes);
        break;
    case 4:
        random_database(random, &attributes);
        break;
    default:
        random_outbound(random, &attributes);
        break;
    }
    if (!random->dense && random_below(random, 8) == 0) {
        random_add(&attributes, "service.name", RANDOM_PICK(random, "one", "two"));
    }
    random_flow(random, &attributes);
    span.attributes = attributes_copy(
        (Attributes){.items = attributes.items, .count = attributes.count}, random->arena);
    random_links(random, &span);
    return span;
}

/* A trace consumes (id 1), perhaps from some others, and publishes (id 2): contexts come over many
 * hops, and their ways meet and turn back. */
static inline Span random_chain_span(RandomSpans *random)
{
    static const Scope scope;
    RandomAttributes attributes = {0};
    bool consumes = random_below(random, 2) == 0;
    size_t n = consumes ? random_below(random, 3) : 0;
    Link *links = ARENA_ARRAY(random->arena, Link, 3);
    Span span = {.trace_id = random_trace(random),
                 .span_id = {{0xbb, [7] = consumes ? 1 : 2}},
                 .kind = consumes ? SPAN_KIND_CONSUMER : SPAN_KIND_PRODUCER,
                 .status_code = random_below(random, 5) == 0 ? STATUS_ERROR : STATUS_UNSET,
                 .name = STR("op"),
                 .resource = random_resource(random),
                 .scope = &scope,
                 .links = links,
                 .n_links = n};

    span.start_ns = 1760000040000000000U + (uint64_t)random_below(random, 600) * 1000000000U;
    span.end_ns = span.start_ns + (uint64_t)random_below(random, 100) * 1000000U;
    if (!consumes) {
        span.parent_span_id = (SpanId){{0xbb, [7] = 1}};
    }
    for (size_t i = 0; i < n; i++) {
        links[i] = (Link){.trace_id = random_trace(random), .span_id = {{0xbb, [7] = 2}}};
    }
    random_add(&attributes, "messaging.system", STR("kafka"));
    random_add(&attributes, "messaging.destination.name", RANDOM_PICK(random, "q1", "q2"));
    random_flow(random, &attributes);
    span.attributes = attributes_copy(
        (Attributes){.items = attributes.items, .count = attributes.count}, random->arena);
    return span;
}

static inline void dump_duration(Buf *buf, const MapDuration *duration)
{
    buf_append_format(buf, " %d/%llu/%llu", duration->present, (unsigned long long)duration->p50_ns,
                      (unsigned long long)duration->p99_ns);
}

static inline void dump_nodes(const MapAnswer *answer, Buf *buf)
{
    for (size_t i = 0; i < answer->n_nodes; i++) {
        const MapNode *node = &answer->nodes[i];

        buf_append_format(buf, "%.*s %.*s %u-%u %llu %llu", STR_ARG(node->id),
                          STR_ARG(node->key.name), node->first_minute, node->last_minute,
                          (unsigned long long)node->requests, (unsigned long long)node->errors);
        dump_duration(buf, &node->duration);
        for (size_t j = 0; j < node->n_labels; j++) {
            buf_append_format(buf, " %.*s=%.*s", STR_ARG(node->labels[j].key),
                              STR_ARG(node->labels[j].value));
        }
        buf_append_byte(buf, '\n');
    }
}

static inline void dump_edges(const MapAnswer *answer, Buf *buf)
{
    for (size_t i = 0; i < answer->n_edges; i++) {
        const MapEdge *edge = &answer->edges[i];

        buf_append_format(buf, "%zu %.*s %zu %llu %llu %g", edge->source,
                          STR_ARG(relation_name(edge->relation)), edge->target,
                          (unsigned long long)edge->count, (unsigned long long)edge->errors,
                          edge->adjusted_count);
        dump_duration(buf, &edge->duration);
        dump_duration(buf, &edge->server_duration);
        for (size_t j = 0; j < RULE_COUNT; j++) {
            buf_append_format(buf, " %llu", (unsigned long long)edge->rules[j]);
        }
        for (size_t j = 0; j < edge->n_intervals; j++) {
            buf_append_format(buf, " %u-%u", edge->intervals[j].first_minute,
                              edge->intervals[j].last_minute);
        }
        for (size_t j = 0; j < edge->n_flows; j++) {
            buf_append_format(buf, " %.*s#%.*s:%llu", STR_ARG(edge->flows[j].flow),
                              STR_ARG(edge->flows[j].step),
                              (unsigned long long)edge->flows[j].count);
        }
        buf_append_byte(buf, '\n');
    }
    for (size_t i = 0; i < answer->n_hops; i++) {
        const MapHop *hop = &answer->hops[i];

        buf_append_format(buf, "hop %zu %zu %zu %llu", hop->producer, hop->queue, hop->consumer,
                          (unsigned long long)hop->count);
        dump_duration(buf, &hop->age);
        buf_append_byte(buf, '\n');
    }
}

static inline void dump_flow(const MapFlowAnswer *flow, Buf *buf)
{
    buf_append_format(buf, "flow %.*s %llu %llu %llu", STR_ARG(flow->flow.key.name),
                      (unsigned long long)flow->flow.runs, (unsigned long long)flow->flow.failures,
                      (unsigned long long)flow->flow.without_run_id);
    dump_duration(buf, &flow->flow.duration);
    for (size_t i = 0; i < flow->n_steps; i++) {
        const MapFlowStep *step = &flow->steps[i];

        buf_append_format(buf, "\n step %.*s %llu %llu %llu %llu %llu %llu", STR_ARG(step->name),
                          (unsigned long long)step->count, (unsigned long long)step->errors,
                          (unsigned long long)step->runs, (unsigned long long)step->starts,
                          (unsigned long long)step->ends, (unsigned long long)step->failed_ends);
        dump_duration(buf, &step->duration);
    }
    for (size_t i = 0; i < flow->n_follows; i++) {
        const MapFlowNext *next = &flow->follows[i];

        buf_append_format(buf, "\n next %.*s %.*s %llu %llu %llu", STR_ARG(next->from),
                          STR_ARG(next->to), (unsigned long long)next->count,
                          (unsigned long long)next->runs, (unsigned long long)next->overlaps);
        dump_duration(buf, &next->wait);
    }
    for (size_t i = 0; i < flow->n_variants; i++) {
        const MapFlowVariant *variant = &flow->variants[i];

        buf_append_format(buf, "\n variant %.*s %llu %llu", STR_ARG(variant->key),
                          (unsigned long long)variant->runs, (unsigned long long)variant->failures);
        dump_duration(buf, &variant->duration);
    }
    for (size_t i = 0; i < flow->n_touches; i++) {
        const MapFlowTouch *touch = &flow->touches[i];

        buf_append_format(buf, "\n touch %.*s %d %.*s %llu", STR_ARG(touch->step), touch->relation,
                          STR_ARG(touch->node_id), (unsigned long long)touch->count);
    }
    buf_append_byte(buf, '\n');
}

static inline void dump_runs(Map *map, const NodeKey *flow, Arena *arena, Buf *buf)
{
    const RunsQuestion question = {.name = flow->name,
                                   .scope = flow->scope,
                                   .has_environment = true,
                                   .environment = flow->environment,
                                   .to_ns = UINT64_MAX,
                                   .limit = 1000};
    RunsPage page = {0};

    if (runs_list(map_runs(map), &question, arena, &page) != 0) {
        buf_append_str(buf, STR("runs cannot be read\n"));
    }
    for (size_t i = 0; i < page.n; i++) {
        buf_append_format(buf, "run %.*s %.*s %d %zu %zu %llu %llu\n", STR_ARG(flow->name),
                          STR_ARG(page.items[i].run.id), page.items[i].summary.failed,
                          page.items[i].summary.n_steps, page.items[i].members.n,
                          (unsigned long long)page.items[i].summary.first_ns,
                          (unsigned long long)page.items[i].summary.end_ns);
    }
}

static inline void dump_flows(Map *map, Arena *arena, Buf *buf)
{
    MapFlow *flows;
    MapLostStep *lost;
    size_t n;

    map_flow_list(map, 0, UINT32_MAX, arena, &flows, &n);
    for (size_t i = 0; i < n; i++) {
        const MapFlowQuestion question = {.name = flows[i].key.name,
                                          .scope = flows[i].key.scope,
                                          .has_environment = true,
                                          .environment = flows[i].key.environment,
                                          .to_minute = UINT32_MAX};
        MapFlowAnswer flow;

        buf_append_format(buf, "flows %.*s %llu %llu\n", STR_ARG(flows[i].key.name),
                          (unsigned long long)flows[i].steps,
                          (unsigned long long)flows[i].variants);
        if (map_flow_ask(map, &question, arena, &flow) == 0) {
            dump_flow(&flow, buf);
        }
        dump_runs(map, &flows[i].key, arena, buf);
    }
    map_lost_steps(map, 0, UINT32_MAX, arena, &lost, &n);
    for (size_t i = 0; i < n; i++) {
        buf_append_format(buf, "lost %.*s %.*s %llu\n", STR_ARG(lost[i].node_id),
                          STR_ARG(lost[i].step), (unsigned long long)lost[i].count);
    }
}

/* Everything that sums tell of the map; exemplars are left out, they are a choice. */
static inline void dump_map(Map *map, Buf *buf)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapQuestion question = {.to_minute = UINT32_MAX, .types = ~0U};
    MapAnswer answer;
    MapFinding *findings;
    size_t n;

    if (map_ask(map, &question, &arena, &answer) != 0) {
        return;
    }
    dump_nodes(&answer, buf);
    dump_edges(&answer, buf);
    dump_flows(map, &arena, buf);
    map_findings(map, 0, UINT32_MAX, &arena, &findings, &n);
    for (size_t i = 0; i < n; i++) {
        buf_append_format(buf, "finding %d %.*s %.*s %llu of %llu\n", findings[i].kind,
                          STR_ARG(findings[i].code), STR_ARG(findings[i].node_id),
                          (unsigned long long)findings[i].count,
                          (unsigned long long)findings[i].spans);
    }
}

/* The map of these traces at once, by the contract alone. */
static inline void dump_contract(const ContractTrace *traces, size_t n_traces, Buf *buf)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapOptions options = {0};
    Map *map = map_new(&options);
    const Members none = {.arena = &arena};
    Members members = {.arena = &arena};
    Deltas minus = {.arena = &arena};
    Deltas deltas = {.arena = &arena, .members = &members};

    for (size_t i = 0; i < n_traces; i++) {
        contract_contribution(&traces[i], traces, n_traces, &deltas);
    }
    if (runs_prepare(map_runs(map), &none, &members, &minus, &deltas) == 0) {
        runs_commit(map_runs(map));
        map_apply(map, &deltas, 1);
        dump_map(map, buf);
    }
    map_free(map);
}

/* Prints the lines that only one of two dumps has; returns whether they are the same. */
static inline bool dumps_equal(const Buf *expected, const Buf *got, uint64_t seed)
{
    Str sides[] = {buf_str(expected), buf_str(got)};

    if (str_equal(sides[0], sides[1])) {
        return true;
    }
    printf("seed %llu\n", (unsigned long long)seed);
    for (int side = 0; side < 2; side++) {
        Str rest = sides[side];

        while (rest.len > 0) {
            Str line;

            str_split(rest, '\n', &line, &rest);
            if (str_find(sides[1 - side], line) == sides[1 - side].len) {
                printf("%s %.*s\n", side == 0 ? "  missing:" : "  too much:", STR_ARG(line));
            }
        }
    }
    return false;
}
