// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "map/map.h"

/*
 * For tests of the map: a map that is fed and asked in words. Not part of the program.
 */
typedef struct Fixture {
    Map *map;
    Arena arena;
    Deltas deltas;
} Fixture;

enum { TODAY = 1440 * 20000 }; /* the minute at which tests begin: midnight, UTC */

static inline void fixture_init(Fixture *fixture, const MapOptions *options)
{
    *fixture = (Fixture){.map = map_new(options)};
    fixture->deltas.arena = &fixture->arena;
}

static inline void fixture_deinit(Fixture *fixture)
{
    map_free(fixture->map);
    arena_deinit(&fixture->arena);
}

static inline Str fixture_key(Fixture *fixture, NodeKey key)
{
    Buf buf = {0};

    key.scope = key.scope.len == 0 ? STR("default") : key.scope;
    node_key_append(&key, &buf);
    Str copy = arena_copy(&fixture->arena, buf_str(&buf));
    buf_deinit(&buf);
    return copy;
}

static inline Str fixture_id(Fixture *fixture, Str key)
{
    Buf buf = {0};

    node_id_append(key, &buf);
    Str copy = arena_copy(&fixture->arena, buf_str(&buf));
    buf_deinit(&buf);
    return copy;
}

static inline Str service(Fixture *fixture, const char *name)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_SERVICE, .name = str_from_cstr(name)});
}

static inline Str service_in(Fixture *fixture, const char *name, const char *namespace)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_SERVICE,
                                          .name = str_from_cstr(name),
                                          .namespace = str_from_cstr(namespace)});
}

static inline Str flow(Fixture *fixture, const char *name)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_FLOW, .name = str_from_cstr(name)});
}

static inline Str unpaired(Fixture *fixture, const char *name)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_NAME, .name = str_from_cstr(name)});
}

static inline Str external(Fixture *fixture, const char *name)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_EXTERNAL, .name = str_from_cstr(name)});
}

static inline Str queue(Fixture *fixture, const char *name)
{
    return fixture_key(
        fixture,
        (NodeKey){.type = NODE_QUEUE, .name = str_from_cstr(name), .system = STR("kafka")});
}

static inline Str table(Fixture *fixture, const char *name)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_TABLE,
                                          .system = STR("postgresql"),
                                          .address = STR("db"),
                                          .namespace = STR("shop"),
                                          .part = str_from_cstr(name)});
}

/* One call of 1 ms at @minute, to be changed before fixture_apply(). */
static inline Delta *fixture_edge(Fixture *fixture, Str source, Relation relation, Str target,
                                  Rule rule, uint32_t minute)
{
    Delta *delta = deltas_add(&fixture->deltas);

    delta->kind = DELTA_EDGE;
    delta->source = source;
    delta->relation = relation;
    delta->target = target;
    delta->rule = rule;
    delta->minute = minute;
    delta->count = 1;
    delta->adjusted = ADJUSTED_ONE;
    delta->has_duration = true;
    delta->duration_ns = 1000000;
    delta->start_ns = (uint64_t)minute * 60000000000U;
    delta->trace_id.bytes[0] = 1;
    return delta;
}

static inline Delta *fixture_call(Fixture *fixture, const char *source, const char *target,
                                  uint32_t minute)
{
    return fixture_edge(fixture, service(fixture, source), RELATION_CALLS, service(fixture, target),
                        RULE_PAIRED, minute);
}

static inline Delta *fixture_unpaired(Fixture *fixture, Str source, const char *name, Rule rule,
                                      uint32_t minute)
{
    return fixture_edge(fixture, source, RELATION_CALLS, unpaired(fixture, name), rule, minute);
}

/* The service exists, by a span of its own. */
static inline Delta *fixture_span(Fixture *fixture, Str source, uint32_t minute)
{
    Delta *delta = deltas_add(&fixture->deltas);

    delta->kind = DELTA_SPAN;
    delta->source = source;
    delta->minute = minute;
    delta->count = 1;
    return delta;
}

static inline Delta *fixture_proof(Fixture *fixture, const char *name, Str target, uint32_t day)
{
    Delta *delta = deltas_add(&fixture->deltas);

    delta->kind = DELTA_PROOF;
    delta->source = unpaired(fixture, name);
    delta->target = target;
    delta->minute = day;
    delta->count = 1;
    return delta;
}

static inline void fixture_take(Fixture *fixture, int sign)
{
    map_apply(fixture->map, &fixture->deltas, sign);
}

static inline void fixture_apply(Fixture *fixture)
{
    fixture_take(fixture, 1);
    fixture->deltas.count = 0;
}

static inline MapAnswer fixture_ask(Fixture *fixture, MapQuestion question)
{
    MapAnswer answer = {0};

    question.to_minute = question.to_minute == 0 ? UINT32_MAX : question.to_minute;
    assert_int_equal(map_ask(fixture->map, &question, &fixture->arena, &answer), 0);
    return answer;
}

/* The edge between these keys, or NULL. */
static inline const MapEdge *answer_edge(Fixture *fixture, const MapAnswer *answer, Str source,
                                         Str target)
{
    Str source_id = fixture_id(fixture, source), target_id = fixture_id(fixture, target);

    for (size_t i = 0; i < answer->n_edges; i++) {
        const MapEdge *edge = &answer->edges[i];

        if (str_equal(answer->nodes[edge->source].id, source_id) &&
            str_equal(answer->nodes[edge->target].id, target_id)) {
            return edge;
        }
    }
    return NULL;
}

static inline const MapNode *answer_node(Fixture *fixture, const MapAnswer *answer, Str key)
{
    Str id = fixture_id(fixture, key);

    for (size_t i = 0; i < answer->n_nodes; i++) {
        if (str_equal(answer->nodes[i].id, id)) {
            return &answer->nodes[i];
        }
    }
    return NULL;
}
