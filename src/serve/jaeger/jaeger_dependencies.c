// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "serve/jaeger/jaeger_shared.h"

/* Who calls whom, from the map. */

typedef struct Dependency {
    Str parent, child;
    uint64_t calls;
} Dependency;

static int dependency_compare(const void *left, const void *right)
{
    const Dependency *a = left, *b = right;
    int order = str_compare(a->parent, b->parent);

    return order != 0 ? order : str_compare(a->child, b->child);
}

/* Calls between services, and messages from a service through a queue to another. */
static size_t dependencies_collect(const MapAnswer *map, Dependency *dependencies)
{
    size_t n = 0;

    for (size_t i = 0; i < map->n_edges; i++) {
        const MapEdge *edge = &map->edges[i];
        const NodeKey *source = &map->nodes[edge->source].key;
        const NodeKey *target = &map->nodes[edge->target].key;

        if (edge->relation == RELATION_CALLS && source->type == NODE_SERVICE &&
            target->type == NODE_SERVICE) {
            dependencies[n++] = (Dependency){source->name, target->name, edge->count};
        }
    }
    for (size_t i = 0; i < map->n_hops; i++) {
        const MapHop *hop = &map->hops[i];

        dependencies[n++] = (Dependency){map->nodes[hop->producer].key.name,
                                         map->nodes[hop->consumer].key.name, hop->count};
    }
    qsort(dependencies, n, sizeof(dependencies[0]), dependency_compare);
    return n;
}

/* Several nodes may have one name (environments, namespaces): Jaeger knows names only. */
static void dependencies_write(ApiCall *call, const Dependency *dependencies, size_t n)
{
    Str service = api_parameter(call, "service");

    for (size_t i = 0; i < n;) {
        const Dependency *first = &dependencies[i];
        uint64_t calls = 0;

        for (; i < n && dependency_compare(first, &dependencies[i]) == 0; i++) {
            calls += dependencies[i].calls;
        }
        if (service.len > 0 && !str_equal(service, first->parent) &&
            !str_equal(service, first->child)) {
            continue;
        }
        json_open(&call->json, '{');
        json_key_string(&call->json, "parent", first->parent);
        json_key_string(&call->json, "child", first->child);
        json_key_u64(&call->json, "callCount", calls);
        json_close(&call->json, '}');
    }
}

int jaeger_dependencies(ApiCall *call)
{
    uint64_t end_ms = 0, lookback_ms = 0, from_ms;
    MapQuestion question = {0};
    MapAnswer map = {0};
    Dependency *dependencies;
    bool settle = false;

    TRY(api_number(call, "endTs", call->now_ns / 1000000, &end_ms));
    TRY(api_number(call, "lookback", UINT64_C(24) * 3600 * 1000, &lookback_ms));
    TRY(api_flag(call, "wait", false, &settle));
    end_ms = MIN(end_ms, UINT64_MAX / 1000000);
    from_ms = end_ms > lookback_ms ? end_ms - lookback_ms : 0;
    minutes_of_window(from_ms * 1000000, end_ms * 1000000, &question.from_minute,
                      &question.to_minute);
    if (settle) {
        TRY(api_wait(call, STORE_WAIT_SETTLED));
    } else {
        TRY(api_wait(call, STORE_WAIT_APPLIED));
    }
    TRY(map_ask(call->api->map, &question, &call->arena, &map));
    dependencies = ARENA_ARRAY(&call->arena, Dependency, map.n_edges + map.n_hops);
    jaeger_envelope_open(call);
    dependencies_write(call, dependencies, dependencies_collect(&map, dependencies));
    jaeger_envelope_close(call, 0);
    return 0;
}
