// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/layout/layout.h"

/*
 * Maps of systems of several sizes over some hours, each hour a little different from the one
 * before, with where the layout puts them (which knows all that was seen so far, as the program
 * does; the edges told are those of the hour), as JSON lines for bench/layout/compare.mjs, which
 * lays the same maps out with dagre. Deterministic but for the times.
 *
 * A system: few entrances, services that mostly call what stands below them (three of four to the
 * nearest thirds, some across), every fourth with a database, some with a queue to another.
 */
enum { HOURS = 8, NODES_MAX = 1200, EDGES_MAX = 5000 };

typedef struct World {
    uint32_t n_nodes, n_edges;
    uint32_t hour; /* from 1 */
    NodeType types[NODES_MAX];
    uint32_t since[NODES_MAX]; /* the hour it was first seen */
    struct {
        uint32_t from, to, since;
        bool alive;
    } edges[EDGES_MAX];
} World;

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % n;
}

static void add_edge(World *world, uint32_t from, uint32_t to)
{
    ASSERT(world->n_edges < EDGES_MAX);
    world->edges[world->n_edges].from = from;
    world->edges[world->n_edges].to = to;
    world->edges[world->n_edges].since = world->hour;
    world->edges[world->n_edges++].alive = true;
}

/* A new service that something above it calls, with what it uses. */
static void add_service(World *world)
{
    uint32_t service = world->n_nodes++;
    uint32_t reach = service < 9 ? service : service / 3;

    world->types[service] = NODE_SERVICE;
    world->since[service] = world->hour;
    if (service > 0) {
        uint32_t near =
            random_below(4) > 0 ? service - 1 - random_below(reach) : random_below(service);

        add_edge(world, world->types[near] == NODE_SERVICE ? near : 0, service);
    }
    if (service > 3 && random_below(3) == 0) {
        uint32_t other = random_below(service);

        if (world->types[other] == NODE_SERVICE) {
            add_edge(world, service, other); /* now and then against the stream */
        }
    }
    if (random_below(4) == 0) {
        world->types[world->n_nodes] = random_below(4) == 0 ? NODE_QUEUE : NODE_DATABASE;
        world->since[world->n_nodes] = world->hour;
        add_edge(world, service, world->n_nodes++);
    }
}

/* An hour later: about one in fifty came or went. */
static void age(World *world)
{
    uint32_t changes = world->n_nodes / 50 + 1;

    world->hour++;
    for (uint32_t i = 0; i < changes; i++) {
        add_service(world);
        world->edges[random_below(world->n_edges)].alive ^= true;
    }
}

static void fill(const World *world, Arena *arena, MapAnswer *answer)
{
    answer->nodes = arena_zero(arena, world->n_nodes * sizeof(MapNode));
    answer->edges = arena_zero(arena, world->n_edges * sizeof(MapEdge));
    answer->n_nodes = world->n_nodes;
    answer->n_edges = 0;
    for (uint32_t i = 0; i < world->n_nodes; i++) {
        answer->nodes[i].id = arena_format(arena, "n%05u", i);
        answer->nodes[i].key =
            (NodeKey){.type = world->types[i], .name = arena_format(arena, "service-%u", i)};
        answer->nodes[i].first_minute = world->since[i] * 60;
    }
    for (uint32_t i = 0; i < world->n_edges; i++) {
        answer->edges[answer->n_edges++] = (MapEdge){
            .source = world->edges[i].from,
            .target = world->edges[i].to,
            .first_minute = world->edges[i].since * 60,
            .relation = world->types[world->edges[i].to] == NODE_SERVICE    ? RELATION_CALLS
                        : world->types[world->edges[i].to] == NODE_DATABASE ? RELATION_WRITES
                                                                            : RELATION_PUBLISHES};
    }
}

static double lay_out(MapAnswer *answer)
{
    struct timespec from, to;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    layout_answer(answer);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

static void print(const World *world, const MapAnswer *answer, uint32_t size, double ms)
{
    printf("{\"size\":%u,\"ms\":%.3f,\"nodes\":[", size, ms);
    for (size_t i = 0; i < answer->n_nodes; i++) {
        const MapNode *node = &answer->nodes[i];

        printf("%s[%.1f,%.1f,%.1f,%.1f]", i == 0 ? "" : ",", node->x, node->y, node->width,
               node->height);
    }
    printf("],\"edges\":[");
    for (size_t i = 0, n = 0; i < answer->n_edges; i++) {
        if (world->edges[i].alive) {
            printf("%s[%zu,%zu]", n++ == 0 ? "" : ",", answer->edges[i].source,
                   answer->edges[i].target);
        }
    }
    printf("]}\n");
}

int main(void)
{
    static const uint32_t sizes[] = {12, 40, 150, 500, 1000};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        static World world;

        random_state = 42 + sizes[i];
        world = (World){.hour = 1};
        while (world.n_nodes < sizes[i]) {
            add_service(&world);
        }
        for (int hour = 0; hour < HOURS; hour++) {
            CLEANUP(arena_deinit) Arena arena = {0};
            MapAnswer answer = {0};

            fill(&world, &arena, &answer);
            double ms = lay_out(&answer);
            print(&world, &answer, sizes[i], ms);
            age(&world);
        }
    }
    return 0;
}
