// SPDX-License-Identifier: Apache-2.0
#include "map/answer/totals.h"

#include <math.h>

#include "base/memory.h"
#include "map/answer/answer.h"
#include "map/answer/consult.h"

const double totals_bounds[TOTALS_BUCKETS] = TOTALS_BOUNDS;

void totals_init(Totals *totals)
{
    *totals = (Totals){0};
    table_init(&totals->edges, sizeof(Total), sizeof(TotalKey));
    table_init(&totals->operations, sizeof(Total), sizeof(TotalKey));
}

void totals_deinit(Totals *totals)
{
    symbols_deinit(&totals->texts);
    table_deinit(&totals->edges);
    table_deinit(&totals->operations);
}

/* The sum of that name; NULL beyond the limit. */
static Total *total_of(Totals *totals, bool is_edge, TotalConnection kind, Str a, Str b)
{
    Table *table = is_edge ? &totals->edges : &totals->operations;
    size_t max = is_edge ? TOTALS_EDGES_MAX : TOTALS_OPERATIONS_MAX;
    uint32_t left = symbols_find(&totals->texts, a), right = symbols_find(&totals->texts, b);
    TotalKey key = {left, right, kind};
    Total *found = left == SYMBOL_NONE || right == SYMBOL_NONE ? NULL : table_find(table, &key);

    if (found != NULL || table->n_records == max) {
        return found;
    }
    key.a = symbols_intern(&totals->texts, a);
    key.b = symbols_intern(&totals->texts, b);
    return table_put(table, &key, NULL);
}

/* --- From the map --- */

typedef struct Adding {
    MapQuestion window;
    Totals *totals;
    AnswerSums *sums;
} Adding;

static void histogram_add(TotalHistogram *histogram, const SketchSum *sum)
{
    for (uint32_t i = sum->low; i < sum->high; i++) {
        if (sum->counts[i] <= 0) {
            continue;
        }
        uint64_t count = (uint64_t)sum->counts[i];
        double seconds = (double)sketch_bucket_value(i) / 1e9;

        for (size_t k = TOTALS_BUCKETS; k > 0 && seconds <= totals_bounds[k - 1]; k--) {
            histogram->counts[k - 1] += count;
        }
        histogram->count += count;
        histogram->sum_s += seconds * (double)count;
    }
}

/* A table's database, which is what a service graph shows. */
static const NodeKey *shown_node(const Graph *graph, uint32_t node)
{
    const GraphNode *at = &graph->nodes[node];

    return &(at->key.type == NODE_TABLE ? &graph->nodes[at->parent] : at)->key;
}

static bool connection_of(const Graph *graph, const GraphPiece *piece, TotalConnection *ret)
{
    switch (graph->nodes[piece->target].key.type) {
    case NODE_SERVICE:
        *ret = CONNECTION_CALL;
        return piece->relation == RELATION_CALLS;
    case NODE_EXTERNAL:
        *ret = CONNECTION_EXTERNAL;
        return true;
    case NODE_DATABASE:
    case NODE_TABLE:
        *ret = CONNECTION_DATABASE;
        return true;
    default:
        return false; /* queues are told by their hops */
    }
}

static uint64_t positive(int64_t count)
{
    return count > 0 ? (uint64_t)count : 0;
}

/* What the caller measured stands for the server, too, when that sends no spans. */
static void take_sums(const Adding *adding, Total *total, const CellSum *sum, bool has_server)
{
    AnswerSums *sums = adding->sums;

    total->count += positive(sum->count);
    total->errors += positive(sum->errors);
    histogram_add(&total->client, &sums->duration);
    histogram_add(&total->server, has_server ? &sums->server_duration : &sums->duration);
}

static void add_piece(const Adding *adding, const Graph *graph, const GraphPiece *piece,
                      Total *total)
{
    CellSum sum = {.duration = &adding->sums->duration,
                   .server_duration = &adding->sums->server_duration};

    cells_sum(&tables_series(graph->tables, piece->series)->cells,
              piece_from(piece, &adding->window), piece_to(piece, &adding->window), &sum);
    if (total != NULL && piece->via != GRAPH_NONE) {
        total->count += positive(sum.count);
        histogram_add(&total->wait, &adding->sums->duration);
    } else if (total != NULL) {
        take_sums(adding, total, &sum, sketch_sum_count(&adding->sums->server_duration) > 0);
    }
    sketch_sum_clear(&adding->sums->duration);
    sketch_sum_clear(&adding->sums->server_duration);
    if (total == NULL) {
        adding->totals->edges_left_out += positive(sum.count);
    }
}

static void add_edges(const Adding *adding, const Graph *graph)
{
    for (size_t i = 0; i < graph->edges.count; i++) {
        const GraphPiece *piece = &graph->edges.items[i];
        TotalConnection kind;

        if (piece->keep && connection_of(graph, piece, &kind)) {
            add_piece(adding, graph, piece,
                      total_of(adding->totals, true, kind,
                               node_key_label(shown_node(graph, piece->source)),
                               node_key_label(shown_node(graph, piece->target))));
        }
    }
    for (size_t i = 0; i < graph->hops.count; i++) {
        const GraphPiece *piece = &graph->hops.items[i];

        if (piece->keep) {
            add_piece(adding, graph, piece,
                      total_of(adding->totals, true, CONNECTION_MESSAGING,
                               node_key_label(shown_node(graph, piece->source)),
                               node_key_label(shown_node(graph, piece->target))));
        }
    }
}

static void add_operations(const Adding *adding, const Graph *graph)
{
    for (size_t i = 0; i < graph->requests.count; i++) {
        const GraphPiece *piece = &graph->requests.items[i];
        const Series *series = tables_series(graph->tables, piece->series);
        CellSum sum = {.duration = &adding->sums->duration};

        if (!piece->keep) {
            continue;
        }
        cells_sum(&series->cells, piece_from(piece, &adding->window),
                  piece_to(piece, &adding->window), &sum);
        Total *total = total_of(adding->totals, false, 0, graph->nodes[piece->source].key.name,
                                symbols_get(&graph->tables->texts, series->key.b));
        if (total == NULL) {
            adding->totals->operations_left_out += positive(sum.count);
        } else {
            total->count += positive(sum.count);
            total->errors += positive(sum.errors);
            histogram_add(&total->server, &adding->sums->duration);
        }
        sketch_sum_clear(&adding->sums->duration);
    }
}

static int add_all(const MapTables *tables, const MapOptions *options, void *context)
{
    Adding *adding = context;
    CLEANUP(arena_deinit) Arena meanings = {0};
    CLEANUP(graph_deinit) Graph graph = {0};

    graph_build(&graph, tables, &adding->window, &meanings);
    add_edges(adding, &graph);
    add_operations(adding, &graph);
    return 0;
}

void map_add_totals(Map *map, uint32_t from_minute, uint32_t to_minute, Totals *totals)
{
    CLEANUP(answer_sums_freep) AnswerSums *sums = answer_sums_new();
    Adding adding = {.window = {.from_minute = from_minute, .to_minute = to_minute},
                     .totals = totals,
                     .sums = sums};

    (void)map_consult(map, (PageWindow){from_minute, to_minute, MINUTES_PER_DAY}, add_all, &adding);
}

/* --- With each other --- */

static void histogram_join(TotalHistogram *to, const TotalHistogram *from, bool add)
{
    for (size_t i = 0; i < TOTALS_BUCKETS; i++) {
        to->counts[i] = add ? to->counts[i] + from->counts[i] : MAX(to->counts[i], from->counts[i]);
    }
    to->count = add ? to->count + from->count : MAX(to->count, from->count);
    to->sum_s = add ? to->sum_s + from->sum_s : fmax(to->sum_s, from->sum_s);
}

static void join_table(Totals *to, const Totals *from, bool is_edge, bool add)
{
    const Table *table = is_edge ? &from->edges : &from->operations;

    for (size_t i = 0; i < table->n_records; i++) {
        const Total *other = table_at(table, i);
        Total *own = total_of(to, is_edge, (TotalConnection)other->key.kind,
                              symbols_get(&from->texts, other->key.a),
                              symbols_get(&from->texts, other->key.b));

        if (own == NULL) {
            *(is_edge ? &to->edges_left_out : &to->operations_left_out) += add ? other->count : 0;
            continue;
        }
        own->count = add ? own->count + other->count : MAX(own->count, other->count);
        own->errors = add ? own->errors + other->errors : MAX(own->errors, other->errors);
        histogram_join(&own->server, &other->server, add);
        histogram_join(&own->client, &other->client, add);
        histogram_join(&own->wait, &other->wait, add);
    }
}

static void join(Totals *to, const Totals *from, bool add)
{
    join_table(to, from, true, add);
    join_table(to, from, false, add);
    to->edges_left_out = add ? to->edges_left_out + from->edges_left_out
                             : MAX(to->edges_left_out, from->edges_left_out);
    to->operations_left_out = add ? to->operations_left_out + from->operations_left_out
                                  : MAX(to->operations_left_out, from->operations_left_out);
}

void totals_raise(Totals *shown, const Totals *more)
{
    join(shown, more, false);
}

void totals_add(Totals *totals, const Totals *more)
{
    join(totals, more, true);
}
