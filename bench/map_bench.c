// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <time.h>

#include "base/memory.h"
#include "map/answer/diff.h"
#include "map/answer/health.h"
#include "map/answer/history.h"
#include "map/answer/paths.h"
#include "map/answer/totals.h"
#include "map/map.h"
#include "map/tiers.h"

/*
 * The map's state: deltas per second, bytes per minute of an edge, the answer for an hour at 2,000
 * edges (goal: 50 ms), tables out and in, and the layout of 1,000 nodes and 4,000 edges (goal: 100
 * ms). Deterministic but for the times.
 */
enum { SERVICES = 400, EDGES = 2000, MINUTES = 90, CALLS = 12, START = 1440 * 20000 };

static double now_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % n;
}

static Str make_key(Arena *arena, NodeType type, const char *prefix, uint32_t number)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    NodeKey key = {.type = type,
                   .scope = STR("default"),
                   .name = arena_format(arena, "%s-%u", prefix, number)};

    node_key_append(&key, &buf);
    return arena_copy(arena, buf_str(&buf));
}

typedef struct Edge {
    Str source, target;
    Rule rule;
    uint32_t typical_us;
} Edge;

static void make_edges(Arena *arena, Edge *edges, uint32_t n_services, uint32_t n_edges)
{
    for (uint32_t i = 0; i < n_edges; i++) {
        uint32_t from = i < n_services - 1 ? i / 3 : random_below(n_services - 1);
        uint32_t to = i < n_services - 1 ? i + 1 : from + 1 + random_below(n_services - 1 - from);
        bool named = i % 10 == 9;

        edges[i] = (Edge){.source = make_key(arena, NODE_SERVICE, "service", from),
                          .target = named ? make_key(arena, NODE_NAME, "api.example.com", i % 97)
                                          : make_key(arena, NODE_SERVICE, "service", to),
                          .rule = named ? RULE_SERVER_ADDRESS : RULE_PAIRED,
                          .typical_us = 100 + random_below(50000)};
    }
}

static void add_call(Deltas *deltas, const Edge *edge, uint32_t minute)
{
    Delta *delta = deltas_add(deltas);
    uint64_t spread = 50 + random_below(100) + (random_below(20) == 0 ? random_below(2000) : 0);

    delta->kind = DELTA_EDGE;
    delta->relation = RELATION_CALLS;
    delta->rule = edge->rule;
    delta->source = edge->source;
    delta->target = edge->target;
    delta->minute = minute;
    delta->count = 1;
    delta->errors = random_below(100) == 0;
    delta->adjusted = ADJUSTED_ONE;
    delta->has_duration = true;
    delta->duration_ns = edge->typical_us * spread * 10;
    delta->has_server_duration = edge->rule == RULE_PAIRED;
    delta->server_duration_ns = delta->duration_ns * 9 / 10;
    delta->start_ns = (uint64_t)minute * 60000000000U + random_below(1000000000);
    mem_copy(delta->trace_id.bytes, &random_state, sizeof(random_state));
}

static double apply_all(Map *map, const Edge *edges, size_t *ret_n)
{
    double spent = 0;

    *ret_n = 0;
    for (uint32_t minute = 0; minute < MINUTES; minute++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        Deltas deltas = {.arena = &arena};

        for (uint32_t i = 0; i < EDGES * CALLS; i++) {
            add_call(&deltas, &edges[i % EDGES], START + minute);
        }
        double from = now_seconds();
        map_apply(map, &deltas, 1);
        if (minute % 2 == 1) {
            tiers_free(map, map_cut(map));
        }
        spent += now_seconds() - from;
        *ret_n += deltas.count;
    }
    return spent;
}

static double ask(Map *map, bool with_layout, MapAnswer *answer, Arena *arena)
{
    MapQuestion question = {
        .from_minute = START + 10, .to_minute = START + 70, .with_layout = with_layout};
    double best = 1e9;

    for (int i = 0; i < 5; i++) {
        arena_reset(arena);
        double from = now_seconds();
        if (map_ask(map, &question, arena, answer) != 0) {
            return -1;
        }
        best = MIN(best, now_seconds() - from);
    }
    return best;
}

static double cpu_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The other questions to the same map, in CPU time. */
static void bench_questions(Map *map, const MapAnswer *answer)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapDiffQuestion diff_question = {.a_from = START,
                                           .a_to = START + 45,
                                           .b_from = START + 45,
                                           .b_to = START + 90,
                                           .complete_to_ns = UINT64_MAX};
    const MapHistoryQuestion history_question = {
        .filters = {.from_minute = START, .to_minute = START + 90},
        .step_minutes = 1,
        .complete_to_minute = UINT32_MAX};
    MapDiff diff;
    MapHistory history;
    MapPaths paths;
    HealthItem *items;
    Totals totals;
    size_t n;

    double from = cpu_seconds();
    int bad = map_diff(map, &diff_question, &arena, &diff);
    double diff_time = cpu_seconds() - from;
    from = cpu_seconds();
    bad |= map_history(map, &history_question, &arena, &history);
    double history_time = cpu_seconds() - from;
    from = cpu_seconds();
    map_paths(answer, 0, answer->n_nodes - 1, 8, &arena, &paths);
    double paths_time = cpu_seconds() - from;
    from = cpu_seconds();
    map_health(map, START, START + 90, &arena, &items, &n);
    double health_time = cpu_seconds() - from;
    totals_init(&totals);
    from = cpu_seconds();
    map_add_totals(map, START + 80, START + 90, &totals);
    double totals_time = cpu_seconds() - from;
    printf("diff of two windows of 45 minutes: %.1f ms (%zu changes, by chance; %d)\n",
           diff_time * 1e3, diff.n_changes, bad);
    printf("history of 90 steps: %.1f ms; paths: %.2f ms; health: %.2f ms; totals of 10 minutes: "
           "%.1f ms\n",
           history_time * 1e3, paths_time * 1e3, health_time * 1e3, totals_time * 1e3);
    totals_deinit(&totals);
}

static void bench_files(const Edge *edges)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf file = {0};
    Deltas deltas = {.arena = &arena};
    Map *map = map_new(NULL), *copy = map_new(NULL);
    ParseError error;

    for (uint32_t i = 0; i < EDGES * CALLS * 10; i++) {
        add_call(&deltas, &edges[i % EDGES], START + i / (EDGES * CALLS));
    }
    map_apply(map, &deltas, 1);
    MapPending *pending = map_cut(map);
    double from = now_seconds();
    int written = map_pending_write(pending, &file);
    double write_time = now_seconds() - from;
    from = now_seconds();
    int loaded = map_load(copy, buf_str(&file), &error);
    printf("table file: %.1f bytes per edge-minute, written in %.0f ms, loaded in %.0f ms (%d)\n",
           (double)file.len / (EDGES * 10), write_time * 1e3, (now_seconds() - from) * 1e3,
           written + loaded);
    tiers_free(map, pending);
    map_free(map);
    map_free(copy);
}

static void bench_layout(void)
{
    enum { NODES = 1000, LINES = 4000 };
    CLEANUP(arena_deinit) Arena arena = {0}, answers = {0};
    static Edge edges[LINES];
    Deltas deltas = {.arena = &arena};
    Map *map = map_new(NULL);
    MapAnswer answer;

    make_edges(&arena, edges, NODES, LINES);
    for (uint32_t i = 0; i < LINES; i++) {
        edges[i].rule = RULE_PAIRED;
        add_call(&deltas, &edges[i], START + 20);
    }
    map_apply(map, &deltas, 1);
    double plain = ask(map, false, &answer, &answers);
    double whole = ask(map, true, &answer, &answers);
    printf("layout of %zu nodes, %zu edges: %.1f ms\n", answer.n_nodes, answer.n_edges,
           (whole - plain) * 1e3);
    map_free(map);
}

int main(void)
{
    CLEANUP(arena_deinit) Arena arena = {0}, answers = {0};
    static Edge edges[EDGES];
    Map *map = map_new(NULL);
    MapAnswer answer;
    MapStatus status;
    size_t n;

    make_edges(&arena, edges, SERVICES, EDGES);
    double spent = apply_all(map, edges, &n);
    printf("apply: %.2f M deltas/s (%zu, with a cut every two minutes)\n", (double)n / spent / 1e6,
           n);
    map_status(map, &status);
    printf("memory: %.1f bytes per edge-minute (%lu, %d calls each), %.1f MB\n",
           (double)status.bytes / (double)status.edge_minutes, status.edge_minutes, CALLS,
           (double)status.bytes / 1e6);
    double plain = ask(map, false, &answer, &answers);
    printf("ask: an hour, %zu nodes, %zu edges: %.1f ms (goal 50)\n", answer.n_nodes,
           answer.n_edges, plain * 1e3);
    printf("ask with layout: %.1f ms\n", ask(map, true, &answer, &answers) * 1e3);
    bench_questions(map, &answer);
    map_free(map);
    bench_files(edges);
    bench_layout();
    return 0;
}
