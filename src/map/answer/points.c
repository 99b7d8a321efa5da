// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/memory.h"
#include "map/answer/answer.h"
#include "map/answer/consult.h"

/* Sums over time: of an edge or a node step by step, and of a service's entry points. */

enum { POINTS_MAX = 1 << 17 }; /* of a series */

/* The points of a series: the sums of some pieces, step by step. */
typedef struct PointSums {
    MapSteps steps;
    MapPoint *points;
    size_t n_points;
} PointSums;

static PointSums points_new(const MapSteps *steps, Arena *arena)
{
    PointSums sums = {.steps = *steps};
    uint64_t step = sums.steps.step_minutes = MAX(steps->step_minutes, 1U);

    if (steps->to_minute > steps->from_minute) {
        sums.n_points = ((uint64_t)steps->to_minute - steps->from_minute + step - 1) / step;
    }
    sums.n_points = MIN(sums.n_points, (size_t)POINTS_MAX);
    sums.points = ARENA_ARRAY(arena, MapPoint, sums.n_points + 1);
    for (size_t i = 0; i < sums.n_points; i++) {
        sums.points[i].minute = (uint32_t)(steps->from_minute + i * step);
    }
    return sums;
}

static uint32_t point_end(const PointSums *sums, size_t at)
{
    uint64_t end = (uint64_t)sums->points[at].minute + sums->steps.step_minutes;

    return (uint32_t)MIN(end, (uint64_t)sums->steps.to_minute);
}

static void points_take(const PointSums *sums, size_t at, const CellSum *sum)
{
    sums->points[at].count += sum->count > 0 ? (uint64_t)sum->count : 0;
    sums->points[at].errors += sum->errors > 0 ? (uint64_t)sum->errors : 0;
}

static void points_sum(const PointSums *sums, const MapTables *tables, const GraphPieces *pieces)
{
    CLEANUP(answer_sums_freep) AnswerSums *scratch = answer_sums_new();

    for (size_t at = 0; at < sums->n_points; at++) {
        CellSum sum = {.duration = &scratch->duration,
                       .server_duration = &scratch->server_duration};

        for (size_t i = 0; i < pieces->count; i++) {
            const GraphPiece *piece = &pieces->items[i];

            cells_sum(&tables_series(tables, piece->series)->cells,
                      MAX(piece->from_minute, sums->points[at].minute),
                      MIN(piece->to_minute, point_end(sums, at)), &sum);
        }
        points_take(sums, at, &sum);
        MapDuration server_duration = answer_duration(&scratch->server_duration);
        sums->points[at].duration = answer_duration(&scratch->duration);
        if (!sums->points[at].duration.present) {
            sums->points[at].duration = server_duration;
        }
    }
}

static void pieces_add(GraphPieces *pieces, const GraphPiece *piece)
{
    ARRAY_RESERVE(pieces->items, pieces->count, pieces->capacity);
    pieces->items[pieces->count++] = *piece;
}

static void pieces_deinit(GraphPieces *pieces)
{
    mem_free(pieces->items);
}

static void find_edge_pieces(const Graph *graph, Str id, GraphPieces *pieces)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    for (size_t i = 0; i < graph->edges.count; i++) {
        if (graph_piece_is_edge(graph, &graph->edges.items[i], id, &buf)) {
            pieces_add(pieces, &graph->edges.items[i]);
        }
    }
}

static uint32_t find_node(const Graph *graph, Str id)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    for (size_t i = 0; i < graph_node_count(graph); i++) {
        buf_clear(&buf);
        node_id_append(graph->nodes[i].key_bytes, &buf);
        if (str_equal(buf_str(&buf), id)) {
            return (uint32_t)i;
        }
    }
    return GRAPH_NONE;
}

/* A service's requests; of what has none, what comes in (to a database: to its tables). */
static void find_node_pieces(const Graph *graph, uint32_t node, GraphPieces *pieces)
{
    for (size_t i = 0; i < graph->requests.count; i++) {
        if (graph->requests.items[i].source == node) {
            pieces_add(pieces, &graph->requests.items[i]);
        }
    }
    for (size_t i = 0; i < graph->edges.count && graph->nodes[node].key.type != NODE_SERVICE; i++) {
        const GraphPiece *piece = &graph->edges.items[i];

        if (piece->target == node || graph->nodes[piece->target].parent == node) {
            pieces_add(pieces, piece);
        }
    }
}

/* A question about a series. */
typedef struct PointsAsk {
    Str id;
    bool is_edge;
    PointSums sums;
} PointsAsk;

static int find_pieces(const Graph *graph, const PointsAsk *ask, GraphPieces *pieces)
{
    if (ask->is_edge) {
        find_edge_pieces(graph, ask->id, pieces);
        return pieces->count == 0 ? MAP_NO_SUCH_NODE : 0;
    }
    uint32_t node = find_node(graph, ask->id);
    if (node == GRAPH_NONE) {
        return MAP_NO_SUCH_NODE;
    }
    find_node_pieces(graph, node, pieces);
    return 0;
}

static int sum_series(const MapTables *tables, const MapOptions *options, void *context)
{
    const PointsAsk *ask = context;
    const MapSteps *steps = &ask->sums.steps;
    MapQuestion question = {.from_minute = steps->from_minute, .to_minute = steps->to_minute};
    CLEANUP(arena_deinit) Arena meanings = {0};
    CLEANUP(graph_deinit) Graph graph = {0};
    CLEANUP(pieces_deinit) GraphPieces pieces = {0};

    (void)options;
    graph_build(&graph, tables, &question, &meanings);
    TRY(find_pieces(&graph, ask, &pieces));
    points_sum(&ask->sums, tables, &pieces);
    return 0;
}

static int ask_series(Map *map, PointsAsk *ask, const MapSteps *steps, Arena *arena)
{
    ask->sums = points_new(steps, arena);
    steps = &ask->sums.steps;
    return map_consult(map, page_steps(steps->from_minute, steps->to_minute, steps->step_minutes),
                       sum_series, ask);
}

int map_edge_series(Map *map, Str edge_id, const MapSteps *steps, Arena *arena,
                    MapPoint **ret_points, size_t *ret_n)
{
    PointsAsk ask = {.id = edge_id, .is_edge = true};

    TRY(ask_series(map, &ask, steps, arena));
    *ret_points = ask.sums.points;
    *ret_n = ask.sums.n_points;
    return 0;
}

int map_node_series(Map *map, Str node_id, const MapSteps *steps, Arena *arena,
                    MapPoint **ret_points, size_t *ret_n)
{
    PointsAsk ask = {.id = node_id};

    TRY(ask_series(map, &ask, steps, arena));
    *ret_points = ask.sums.points;
    *ret_n = ask.sums.n_points;
    return 0;
}

/* --- Operations --- */

static int compare_operations(const void *a, const void *b)
{
    const MapOperation *left = a, *right = b;
    int order = str_compare(left->name, right->name);

    order = order != 0 ? order : str_compare(left->service.scope, right->service.scope);
    order = order != 0 ? order : str_compare(left->service.environment, right->service.environment);
    return order != 0 ? order : str_compare(left->service.namespace, right->service.namespace);
}

typedef struct OperationsAsk {
    MapOperationsQuestion question;
    Arena *arena;
    MapOperation *operations;
    size_t n;
} OperationsAsk;

static void add_operation(OperationsAsk *ask, const MapTables *tables, const Series *series,
                          AnswerSums *scratch)
{
    CellSum sum = {.duration = &scratch->duration};

    cells_sum(&series->cells, ask->question.from_minute, ask->question.to_minute, &sum);
    if (sum.count > 0) {
        ask->operations[ask->n++] =
            (MapOperation){.service = tables_copy_node(tables, series->key.a, ask->arena),
                           .name = tables_copy_text(tables, series->key.b, ask->arena),
                           .requests = (uint64_t)sum.count,
                           .errors = sum.errors > 0 ? (uint64_t)sum.errors : 0,
                           .duration = answer_duration(&scratch->duration)};
    }
    sketch_sum_clear(&scratch->duration);
}

/* Requests at one of @services; most series are others. */
static bool is_operation(const MapTables *tables, const Series *series, const Symbols *services)
{
    return series->key.kind == SERIES_REQUEST && series->presence.n_runs > 0 &&
           symbols_find(services, tables->node[series->key.a].key.name) != SYMBOL_NONE;
}

static size_t count_operations(const MapTables *tables, const Symbols *services)
{
    size_t n = 0;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        n += is_operation(tables, tables_series(tables, i), services);
    }
    return n;
}

static int list_operations(const MapTables *tables, const MapOptions *options, void *context)
{
    CLEANUP(answer_sums_freep) AnswerSums *scratch = answer_sums_new();
    CLEANUP(symbols_deinit) Symbols services = {0};
    OperationsAsk *ask = context;

    (void)options;
    for (size_t i = 0; i < ask->question.n_services; i++) {
        symbols_intern(&services, ask->question.services[i]);
    }
    size_t n_known = count_operations(tables, &services);
    if (n_known == 0) {
        return MAP_NO_SUCH_NODE;
    }
    ask->operations = ARENA_ARRAY(ask->arena, MapOperation, n_known);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (is_operation(tables, series, &services)) {
            add_operation(ask, tables, series, scratch);
        }
    }
    qsort(ask->operations, ask->n, sizeof(ask->operations[0]), compare_operations);
    return 0;
}

int map_operations(Map *map, const MapOperationsQuestion *question, Arena *arena,
                   MapOperation **ret_operations, size_t *ret_n)
{
    OperationsAsk ask = {.question = *question, .arena = arena};
    uint32_t *from = &ask.question.from_minute, *to = &ask.question.to_minute;

    (void)map_widen(map, from, to, NULL);
    TRY(map_consult(map, (PageWindow){*from, *to, MINUTES_PER_DAY}, list_operations, &ask));
    *ret_operations = ask.operations;
    *ret_n = ask.n;
    return 0;
}
