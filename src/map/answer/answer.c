// SPDX-License-Identifier: Apache-2.0
#include "map/answer/answer.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/bytes.h"
#include "map/answer/evidence.h"
#include "map/answer/profile.h"

enum { LABELS_MAX = 64 }; /* shown of a node */

typedef struct Answering {
    Graph *graph;
    const MapOptions *options;
    const MapQuestion *question;
    Arena *arena;
    AnswerSums *sums;
    uint32_t *place; /* by graph node: position in the answer, or GRAPH_NONE */
    MapAnswer answer;
} Answering;

AnswerSums *answer_sums_new(void)
{
    AnswerSums *sums = NEW(AnswerSums);

    sketch_sum_init(&sums->duration);
    sketch_sum_init(&sums->server_duration);
    return sums;
}

void answer_sums_freep(AnswerSums **sums)
{
    mem_free(*sums);
    *sums = NULL;
}

MapDuration answer_duration(SketchSum *sum)
{
    MapDuration duration = {.present = sketch_sum_count(sum) > 0};

    if (duration.present) {
        duration.p50_ns = sketch_sum_quantile(sum, 0.5);
        duration.p90_ns = sketch_sum_quantile(sum, 0.9);
        duration.p99_ns = sketch_sum_quantile(sum, 0.99);
    }
    sketch_sum_clear(sum);
    return duration;
}

void answer_edge_id(Str source_key, Relation relation, Str target_key, Buf *buf)
{
    CLEANUP(buf_deinit) Buf key = {0};

    buf_append_str(&key, STR("edge"));
    bytes_append_counted(&key, source_key);
    buf_append_byte(&key, (uint8_t)relation);
    bytes_append_counted(&key, target_key);
    node_id_append(buf_str(&key), buf);
}

static Str node_id(Arena *arena, Str key_bytes)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    node_id_append(key_bytes, &buf);
    return arena_copy(arena, buf_str(&buf));
}

static uint64_t not_negative(int64_t count)
{
    return count > 0 ? (uint64_t)count : 0;
}

static const Cells *piece_cells(const Answering *answering, const GraphPiece *piece)
{
    return &tables_series(answering->graph->tables, piece->series)->cells;
}

static void sum_piece(const Answering *answering, const GraphPiece *piece, CellSum *sum)
{
    cells_sum(piece_cells(answering, piece), piece_from(piece, answering->question),
              piece_to(piece, answering->question), sum);
}

/* --- Nodes --- */

typedef struct IdOrder {
    Str id;
    uint32_t number;
} IdOrder;

static int compare_ids(const void *a, const void *b)
{
    return str_compare(((const IdOrder *)a)->id, ((const IdOrder *)b)->id);
}

static void fill_node(Answering *answering, MapNode *node, const IdOrder *from)
{
    const GraphNode *graph_node = &answering->graph->nodes[from->number];
    Str key_bytes = arena_copy(answering->arena, graph_node->key_bytes);
    bool known = graph_node->first_minute <= graph_node->last_minute;

    node->id = from->id;
    ASSERT(node_key_parse(key_bytes, &node->key) == 0);
    node->first_minute = known ? graph_node->first_minute : 0;
    node->last_minute = known ? graph_node->last_minute : 0;
    if (graph_node->parent != GRAPH_NONE) {
        node->parent =
            node_id(answering->arena, answering->graph->nodes[graph_node->parent].key_bytes);
    }
    if (node->key.type == NODE_DATABASE && node->key.owner.len > 0) {
        node->service = node_id(answering->arena, node->key.owner);
    }
}

static void answer_nodes(Answering *answering)
{
    Graph *graph = answering->graph;
    size_t n_all = graph_node_count(graph), n = 0;
    IdOrder *order = ARENA_ARRAY(answering->arena, IdOrder, n_all + 1);

    answering->place = ARENA_ARRAY(answering->arena, uint32_t, n_all + 1);
    for (size_t i = 0; i < n_all; i++) {
        answering->place[i] = GRAPH_NONE;
        if (graph->nodes[i].keep) {
            order[n++] =
                (IdOrder){node_id(answering->arena, graph->nodes[i].key_bytes), (uint32_t)i};
        }
    }
    qsort(order, n, sizeof(order[0]), compare_ids);
    answering->answer.nodes = ARENA_ARRAY(answering->arena, MapNode, n + 1);
    answering->answer.n_nodes = n;
    for (size_t i = 0; i < n; i++) {
        answering->place[order[i].number] = (uint32_t)i;
        fill_node(answering, &answering->answer.nodes[i], &order[i]);
    }
}

/* Pieces by the answer's order; those outside of it last. */
typedef struct PieceOrder {
    uint32_t source, relation, target, via;
    const GraphPiece *piece;
} PieceOrder;

static int compare_orders(const void *a, const void *b)
{
    const PieceOrder *left = a, *right = b;
    const uint32_t keys[][2] = {{left->source, right->source},
                                {left->relation, right->relation},
                                {left->target, right->target},
                                {left->via, right->via},
                                {left->piece->series, right->piece->series}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i][0] != keys[i][1]) {
            return keys[i][0] < keys[i][1] ? -1 : 1;
        }
    }
    return left->piece->from_minute < right->piece->from_minute ? -1 : 1;
}

static bool orders_equal(const PieceOrder *a, const PieceOrder *b)
{
    return a->source == b->source && a->relation == b->relation && a->target == b->target &&
           a->via == b->via;
}

static uint32_t place_of(const Answering *answering, uint32_t number)
{
    return number == GRAPH_NONE ? GRAPH_NONE : answering->place[number];
}

/* The pieces whose nodes are all in the answer, sorted. */
static PieceOrder *sort_pieces(Answering *answering, const GraphPieces *pieces, size_t *ret_n)
{
    PieceOrder *order = ARENA_ARRAY(answering->arena, PieceOrder, pieces->count + 1);
    size_t n = 0;

    for (size_t i = 0; i < pieces->count; i++) {
        const GraphPiece *piece = &pieces->items[i];
        PieceOrder at = {.source = place_of(answering, piece->source),
                         .relation = piece->relation,
                         .target = place_of(answering, piece->target),
                         .via = place_of(answering, piece->via),
                         .piece = piece};

        if (at.source != GRAPH_NONE && (at.target != GRAPH_NONE) == (piece->target != GRAPH_NONE) &&
            (at.via != GRAPH_NONE) == (piece->via != GRAPH_NONE)) {
            order[n++] = at;
        }
    }
    qsort(order, n, sizeof(order[0]), compare_orders);
    *ret_n = n;
    return order;
}

/* End of the group of pieces at @from; *@ret_keep: whether any of them is in the window. */
static size_t group_end(const PieceOrder *order, size_t n, size_t from, bool *ret_keep)
{
    size_t end = from;

    *ret_keep = false;
    for (; end < n && orders_equal(&order[from], &order[end]); end++) {
        *ret_keep |= order[end].piece->keep;
    }
    return end;
}

static const MapProfile *requests_profile(const Answering *answering, const PieceOrder *order,
                                          size_t n)
{
    CLEANUP(mem_freep) const GraphPiece **pieces = NEW_ARRAY(const GraphPiece *, n);

    for (size_t i = 0; i < n; i++) {
        pieces[i] = order[i].piece;
    }
    const Evidence evidence = {
        .graph = answering->graph, .arena = answering->arena, .pieces = pieces, .n_pieces = n};
    return profile_take(&evidence, false, answering->sums);
}

static void answer_requests(Answering *answering)
{
    size_t n;
    PieceOrder *order = sort_pieces(answering, &answering->graph->requests, &n);
    bool keep;

    for (size_t i = 0, end; i < n; i = end) {
        CellSum sum = {.duration = &answering->sums->duration};
        MapNode *node = &answering->answer.nodes[order[i].source];

        end = group_end(order, n, i, &keep);
        for (size_t k = i; k < end; k++) {
            sum_piece(answering, order[k].piece, &sum);
        }
        node->requests = not_negative(sum.count);
        node->errors = not_negative(sum.errors);
        node->duration = answer_duration(&answering->sums->duration);
        if (answering->question->with_profiles && node->requests > 0) {
            node->profile = requests_profile(answering, order + i, end - i);
        }
    }
}

static int compare_labels(const void *a, const void *b)
{
    const MapLabel *left = a, *right = b;
    int order = str_compare(left->key, right->key);

    return order != 0 ? order : str_compare(left->value, right->value);
}

/* Where the label's node is in the answer; GRAPH_NONE when it is not, or not on these days. */
static uint32_t label_place(const Answering *answering, const Series *series)
{
    const Graph *graph = answering->graph;
    const MapQuestion *question = answering->question;
    uint32_t node = series->key.kind == SERIES_LABEL ? graph->of_symbol[series->key.a] : 0;
    uint32_t from_day = question->from_minute - question->from_minute % MINUTES_PER_DAY;

    MapInterval life;

    if (node == 0 || !presence_clip(&series->presence, from_day, question->to_minute, &life)) {
        return GRAPH_NONE;
    }
    return answering->place[node - 1];
}

static void answer_labels(Answering *answering)
{
    const MapTables *tables = answering->graph->tables;
    MapAnswer *answer = &answering->answer;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);
        uint32_t place = label_place(answering, series);

        if (place != GRAPH_NONE && answer->nodes[place].n_labels < LABELS_MAX) {
            MapNode *node = &answer->nodes[place];

            if (node->labels == NULL) {
                node->labels = ARENA_ARRAY(answering->arena, MapLabel, LABELS_MAX);
            }
            node->labels[node->n_labels++] =
                (MapLabel){tables_copy_text(tables, series->key.b, answering->arena),
                           tables_copy_text(tables, series->key.c, answering->arena)};
        }
    }
    for (size_t i = 0; i < answer->n_nodes; i++) {
        if (answer->nodes[i].n_labels > 0) {
            qsort(answer->nodes[i].labels, answer->nodes[i].n_labels, sizeof(MapLabel),
                  compare_labels);
        }
    }
}

/* --- Edges and hops --- */

static void sum_edge(Answering *answering, const PieceOrder *order, size_t n, MapEdge *edge)
{
    CellSum total = {0};

    for (size_t i = 0; i < n; i++) {
        CellSum sum = {.duration = &answering->sums->duration,
                       .server_duration = &answering->sums->server_duration};
        Rule rule = (Rule)tables_series(answering->graph->tables, order[i].piece->series)->key.rule;

        sum_piece(answering, order[i].piece, &sum);
        edge->rules[rule] += not_negative(sum.count);
        total.count += sum.count;
        total.errors += sum.errors;
        total.adjusted += sum.adjusted;
    }
    edge->count = not_negative(total.count);
    edge->errors = not_negative(total.errors);
    edge->adjusted_count = (double)total.adjusted / (double)ADJUSTED_ONE;
    edge->duration = answer_duration(&answering->sums->duration);
    edge->server_duration = answer_duration(&answering->sums->server_duration);
}

static void fill_edge(Answering *answering, const PieceOrder *order, size_t n, MapEdge *edge)
{
    CLEANUP(buf_deinit) Buf id = {0};
    CLEANUP(mem_freep) const GraphPiece **pieces = NEW_ARRAY(const GraphPiece *, n);
    const GraphNode *nodes = answering->graph->nodes;

    answer_edge_id(nodes[order->piece->source].key_bytes, order->piece->relation,
                   nodes[order->piece->target].key_bytes, &id);
    edge->id = arena_copy(answering->arena, buf_str(&id));
    edge->source = order->source;
    edge->target = order->target;
    edge->relation = order->piece->relation;
    for (size_t i = 0; i < n; i++) {
        pieces[i] = order[i].piece;
    }
    const Evidence evidence = {
        .graph = answering->graph, .arena = answering->arena, .pieces = pieces, .n_pieces = n};
    if (answering->sums == NULL) {
        evidence_fill_life(&evidence, edge);
        return;
    }
    sum_edge(answering, order, n, edge);
    evidence_fill(&evidence, edge);
    if (answering->question->with_profiles) {
        edge->profile = profile_take(&evidence, !edge->duration.present, answering->sums);
    }
}

static void answer_edges(Answering *answering)
{
    MapAnswer *answer = &answering->answer;
    size_t n;
    PieceOrder *order = sort_pieces(answering, &answering->graph->edges, &n);
    bool keep;

    answer->edges = ARENA_ARRAY(answering->arena, MapEdge, n + 1);
    for (size_t i = 0, end; i < n; i = end) {
        end = group_end(order, n, i, &keep);
        if (keep) {
            fill_edge(answering, order + i, end - i, &answer->edges[answer->n_edges++]);
        }
    }
}

static void answer_hops(Answering *answering)
{
    MapAnswer *answer = &answering->answer;
    size_t n;
    PieceOrder *order = sort_pieces(answering, &answering->graph->hops, &n);
    bool keep;

    answer->hops = ARENA_ARRAY(answering->arena, MapHop, n + 1);
    for (size_t i = 0, end; i < n; i = end) {
        CellSum sum = {.duration = &answering->sums->duration};

        end = group_end(order, n, i, &keep);
        if (!keep) {
            continue;
        }
        for (size_t k = i; k < end; k++) {
            sum_piece(answering, order[k].piece, &sum);
        }
        answer->hops[answer->n_hops++] =
            (MapHop){.producer = order[i].source,
                     .queue = order[i].via,
                     .consumer = order[i].target,
                     .count = not_negative(sum.count),
                     .age = answer_duration(&answering->sums->duration)};
    }
}

int answer_ask(const MapTables *tables, const MapOptions *options, const MapQuestion *question,
               Arena *arena, MapAnswer *ret_answer)
{
    CLEANUP(graph_deinit) Graph graph = {0};
    CLEANUP(arena_deinit) Arena meanings = {0};
    CLEANUP(answer_sums_freep) AnswerSums *sums = answer_sums_new();
    Answering answering = {
        .graph = &graph, .options = options, .question = question, .arena = arena, .sums = sums};

    graph_build(&graph, tables, question, &meanings);
    TRY(graph_filter(&graph));
    graph_fold(&graph, options);
    answer_nodes(&answering);
    answer_requests(&answering);
    answer_labels(&answering);
    if (!question->only_nodes) {
        answer_edges(&answering);
        answer_hops(&answering);
    }
    answering.answer.folded_nodes = graph.folded_nodes;
    answering.answer.folded_edges = graph.folded_edges;
    answering.answer.truncated =
        graph.folded_nodes + graph.folded_edges > 0 || graph_tells_others(&graph);
    *ret_answer = answering.answer;
    return 0;
}

int answer_outline(const MapTables *tables, const MapOptions *options, const MapQuestion *question,
                   Arena *arena, MapAnswer *ret_answer)
{
    CLEANUP(graph_deinit) Graph graph = {0};
    CLEANUP(arena_deinit) Arena meanings = {0};
    Answering answering = {
        .graph = &graph, .options = options, .question = question, .arena = arena};

    graph_build(&graph, tables, question, &meanings);
    TRY(graph_filter(&graph));
    graph_fold(&graph, options);
    answer_nodes(&answering);
    answer_edges(&answering);
    *ret_answer = answering.answer;
    return 0;
}
