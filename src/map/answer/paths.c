// SPDX-License-Identifier: Apache-2.0
#include "map/answer/paths.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * Vertices are the map's nodes and, behind them, one for every producer of every queue: a message
 * goes on from there to the consumers of that producer's hops only. Distances are measured
 * backwards from the goal, a round over all arcs for each of the few arrows; then every arc that
 * comes one nearer is on a shortest path.
 */
enum { NO_EDGE = UINT32_MAX, FAR = 255 };

typedef struct Arc {
    uint32_t from, to; /* vertices */
    uint32_t edge;     /* of the answer */
} Arc;

typedef struct Producer {
    uint32_t producer, queue; /* nodes */
} Producer;

typedef struct Finder {
    const MapAnswer *map;
    Arena *arena;
    Producer *producers; /* sorted */
    uint32_t n_producers;
    Arc *arcs; /* by from, edge, to */
    size_t n_arcs;
    uint8_t *distance; /* by vertex: arrows to the goal */
    MapPaths *paths;
    MapPath path; /* that is being followed */
} Finder;

static int compare_words(const uint32_t *a, const uint32_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

static int compare_producers(const void *a, const void *b)
{
    return compare_words(a, b, 2);
}

static int compare_arcs(const void *a, const void *b)
{
    const Arc *left = a, *right = b;
    const uint32_t left_key[] = {left->from, left->edge, left->to};
    const uint32_t right_key[] = {right->from, right->edge, right->to};

    return compare_words(left_key, right_key, ARRAY_LEN(left_key));
}

static void find_producers(Finder *finder)
{
    const MapAnswer *map = finder->map;
    uint32_t n = 0, kept = 0;

    finder->producers = ARENA_ARRAY(finder->arena, Producer, map->n_edges + map->n_hops + 1);
    for (size_t i = 0; i < map->n_edges; i++) {
        if (map->edges[i].relation == RELATION_PUBLISHES) {
            finder->producers[n++] =
                (Producer){(uint32_t)map->edges[i].source, (uint32_t)map->edges[i].target};
        }
    }
    for (size_t i = 0; i < map->n_hops; i++) {
        finder->producers[n++] =
            (Producer){(uint32_t)map->hops[i].producer, (uint32_t)map->hops[i].queue};
    }
    qsort(finder->producers, n, sizeof(Producer), compare_producers);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || compare_producers(&finder->producers[i], &finder->producers[kept - 1]) != 0) {
            finder->producers[kept++] = finder->producers[i];
        }
    }
    finder->n_producers = kept;
}

/* The vertex of what @producer published to @queue. */
static uint32_t published(const Finder *finder, size_t producer, size_t queue)
{
    const Producer key = {(uint32_t)producer, (uint32_t)queue};
    const Producer *found =
        bsearch(&key, finder->producers, finder->n_producers, sizeof(Producer), compare_producers);

    ASSERT(found != NULL);
    return (uint32_t)(finder->map->n_nodes + (size_t)(found - finder->producers));
}

static uint32_t node_of(const Finder *finder, uint32_t vertex)
{
    return vertex < finder->map->n_nodes ? vertex
                                         : finder->producers[vertex - finder->map->n_nodes].queue;
}

static void add_arc(Finder *finder, uint32_t from, uint32_t to, size_t edge)
{
    finder->arcs[finder->n_arcs++] = (Arc){from, to, (uint32_t)edge};
}

/* The edge `consumer consumes queue`; edges are sorted by (source, relation, target). */
static uint32_t consuming_edge(const MapAnswer *map, size_t consumer, size_t queue)
{
    size_t from = 0, to = map->n_edges;
    const uint32_t key[] = {(uint32_t)consumer, RELATION_CONSUMES, (uint32_t)queue};

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const MapEdge *edge = &map->edges[middle];
        const uint32_t at[] = {(uint32_t)edge->source, edge->relation, (uint32_t)edge->target};
        int order = compare_words(at, key, ARRAY_LEN(key));

        if (order == 0) {
            return (uint32_t)middle;
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return NO_EDGE;
}

static void find_arcs(Finder *finder)
{
    const MapAnswer *map = finder->map;

    finder->arcs = ARENA_ARRAY(finder->arena, Arc, map->n_edges + map->n_hops + 1);
    for (size_t i = 0; i < map->n_edges; i++) {
        const MapEdge *edge = &map->edges[i];

        if (edge->relation == RELATION_CONSUMES) {
            add_arc(finder, (uint32_t)edge->target, (uint32_t)edge->source, i);
        } else if (edge->relation == RELATION_PUBLISHES) {
            add_arc(finder, (uint32_t)edge->source, published(finder, edge->source, edge->target),
                    i);
        } else {
            add_arc(finder, (uint32_t)edge->source, (uint32_t)edge->target, i);
        }
    }
    for (size_t i = 0; i < map->n_hops; i++) {
        const MapHop *hop = &map->hops[i];
        uint32_t edge = consuming_edge(map, hop->consumer, hop->queue);

        if (edge != NO_EDGE) {
            add_arc(finder, published(finder, hop->producer, hop->queue), (uint32_t)hop->consumer,
                    edge);
        }
    }
    if (finder->n_arcs > 0) {
        qsort(finder->arcs, finder->n_arcs, sizeof(Arc), compare_arcs);
    }
}

static bool is_goal(const Finder *finder, uint32_t vertex, size_t goal)
{
    const MapNode *node = &finder->map->nodes[node_of(finder, vertex)];
    const MapNode *wanted = &finder->map->nodes[goal];

    return node == wanted || (node->parent.len > 0 && str_equal(node->parent, wanted->id));
}

static void measure(Finder *finder, size_t goal, size_t arrows_max)
{
    size_t n_vertices = finder->map->n_nodes + finder->n_producers;
    bool nearer = true;

    finder->distance = ARENA_ARRAY(finder->arena, uint8_t, n_vertices);
    for (uint32_t i = 0; i < n_vertices; i++) {
        finder->distance[i] = is_goal(finder, i, goal) ? 0 : FAR;
    }
    for (uint8_t round = 1; nearer && round <= arrows_max; round++) {
        nearer = false;
        for (size_t i = 0; i < finder->n_arcs; i++) {
            const Arc *arc = &finder->arcs[i];

            if (finder->distance[arc->to] == round - 1 && finder->distance[arc->from] > round) {
                finder->distance[arc->from] = round;
                nearer = true;
            }
        }
    }
}

static size_t first_arc(const Finder *finder, uint32_t vertex)
{
    size_t from = 0, to = finder->n_arcs;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (finder->arcs[middle].from < vertex) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* Every step comes one nearer, so it is no deeper than PATH_ARROWS_MAX, and never in vain. */
static void follow(Finder *finder, uint32_t vertex)
{
    MapPaths *paths = finder->paths;
    MapPath *path = &finder->path;

    path->nodes[path->n_edges] = node_of(finder, vertex);
    if (finder->distance[vertex] == 0) {
        if (paths->count < PATHS_MAX) {
            paths->items[paths->count++] = *path;
        } else {
            paths->more = true;
        }
        return;
    }
    for (size_t i = first_arc(finder, vertex);
         i < finder->n_arcs && finder->arcs[i].from == vertex && !paths->more; i++) {
        const Arc *arc = &finder->arcs[i];

        if (finder->distance[arc->to] + 1 == finder->distance[vertex]) {
            path->edges[path->n_edges++] = arc->edge;
            follow(finder, arc->to);
            path->n_edges--;
        }
    }
}

void map_paths(const MapAnswer *map, size_t from, size_t to, size_t arrows_max, Arena *arena,
               MapPaths *ret_paths)
{
    Finder finder = {.map = map, .arena = arena, .paths = ret_paths};

    ASSERT(from < map->n_nodes && to < map->n_nodes && arrows_max <= PATH_ARROWS_MAX);
    *ret_paths = (MapPaths){.items = ARENA_ARRAY(arena, MapPath, PATHS_MAX)};
    find_producers(&finder);
    find_arcs(&finder);
    measure(&finder, to, arrows_max);
    if (finder.distance[from] <= arrows_max) {
        follow(&finder, (uint32_t)from);
    }
}
