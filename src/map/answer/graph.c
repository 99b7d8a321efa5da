// SPDX-License-Identifier: Apache-2.0
#include "map/answer/graph.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/answer/answer.h"

void graph_deinit(Graph *graph)
{
    symbols_deinit(&graph->names);
    mem_free(graph->nodes);
    mem_free(graph->of_symbol);
    mem_free(graph->edges.items);
    mem_free(graph->hops.items);
    mem_free(graph->requests.items);
    *graph = (Graph){0};
}

/* --- Nodes --- */

static uint32_t node_of_bytes(Graph *graph, Str bytes)
{
    size_t before = graph_node_count(graph);
    uint32_t number = symbols_intern(&graph->names, bytes);

    if (number < before) {
        return number;
    }
    ARRAY_RESERVE(graph->nodes, (size_t)number, graph->node_capacity);
    GraphNode *node = &graph->nodes[number];
    *node = (GraphNode){.key_bytes = symbols_get(&graph->names, number),
                        .parent = GRAPH_NONE,
                        .first_minute = UINT32_MAX,
                        .into = number};
    ASSERT(node_key_parse(node->key_bytes, &node->key) == 0);
    if (node->key.type == NODE_TABLE || node->key.type == NODE_STEP) {
        NodeKey parent = node->key;

        parent.type = node->key.type == NODE_TABLE ? NODE_DATABASE : NODE_FLOW;
        parent.part = (Str){0};
        uint32_t parent_number = graph_node(graph, &parent);
        graph->nodes[number].parent = parent_number;
    }
    return number;
}

uint32_t graph_node(Graph *graph, const NodeKey *key)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    node_key_append(key, &buf);
    return node_of_bytes(graph, buf_str(&buf));
}

static uint32_t node_of_symbol(Graph *graph, uint32_t symbol)
{
    if (graph->of_symbol[symbol] == 0) {
        graph->of_symbol[symbol] =
            node_of_bytes(graph, symbols_get(&graph->tables->nodes, symbol)) + 1;
    }
    return graph->of_symbol[symbol] - 1;
}

static uint32_t external_of_name(Graph *graph, uint32_t symbol)
{
    if (graph->of_symbol[symbol] == 0) {
        NodeKey key = graph->tables->node[symbol].key;

        key.type = NODE_EXTERNAL;
        graph->of_symbol[symbol] = graph_node(graph, &key) + 1;
    }
    return graph->of_symbol[symbol] - 1;
}

/* --- Building --- */

void graph_node_lives(Graph *graph, uint32_t number, uint32_t first, uint32_t last)
{
    while (number != GRAPH_NONE) {
        GraphNode *node = &graph->nodes[number];

        node->first_minute = MIN(node->first_minute, first);
        node->last_minute = MAX(node->last_minute, last);
        number = node->parent;
    }
}

static GraphPiece *add_piece(GraphPieces *pieces, uint32_t series, uint32_t source)
{
    ARRAY_RESERVE(pieces->items, pieces->count, pieces->capacity);
    pieces->items[pieces->count] = (GraphPiece){.series = series,
                                                .source = source,
                                                .target = GRAPH_NONE,
                                                .via = GRAPH_NONE,
                                                .to_minute = UINT32_MAX};
    return &pieces->items[pieces->count++];
}

/* Says whether the piece is in the window and what its nodes' lives learn from it. */
static void settle_piece(Graph *graph, GraphPiece *piece)
{
    const Series *series = tables_series(graph->tables, piece->series);
    const uint32_t nodes[] = {piece->source, piece->target, piece->via};
    MapInterval life;

    ASSERT(presence_clip(&series->presence, piece->from_minute, piece->to_minute, &life));
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        graph_node_lives(graph, nodes[i], life.first_minute, life.last_minute);
    }
    uint32_t from = piece_from(piece, graph->question), to = piece_to(piece, graph->question);
    piece->keep = graph->question->by_presence
                      ? from < to && presence_clip(&series->presence, from, to, &life)
                      : cells_touch(&series->cells, from, to);
}

static void add_edge(Graph *graph, Resolver *resolver, uint32_t number)
{
    const Series *series = tables_series(graph->tables, number);
    uint32_t source = node_of_symbol(graph, series->key.a);

    if (graph->tables->node[series->key.b].key.type != NODE_NAME) {
        uint32_t target = node_of_symbol(graph, series->key.b);
        GraphPiece *piece = add_piece(&graph->edges, number, source);

        piece->relation = (Relation)series->key.relation;
        piece->target = target;
        settle_piece(graph, piece);
        return;
    }
    const Meaning *meanings;
    size_t n = resolver_meanings(resolver, &series->key, &meanings);
    for (size_t i = 0; i < n; i++) {
        MapInterval life;

        if (!presence_clip(&series->presence, meanings[i].from_minute, meanings[i].to_minute,
                           &life)) {
            continue;
        }
        uint32_t target = meanings[i].key.len > 0 ? node_of_bytes(graph, meanings[i].key)
                          : meanings[i].service == SYMBOL_NONE
                              ? external_of_name(graph, series->key.b)
                              : node_of_symbol(graph, meanings[i].service);
        GraphPiece *piece = add_piece(&graph->edges, number, source);

        piece->relation = (Relation)series->key.relation;
        piece->target = target;
        piece->from_minute = meanings[i].from_minute;
        piece->to_minute = meanings[i].to_minute;
        settle_piece(graph, piece);
    }
}

static void add_hop(Graph *graph, uint32_t number)
{
    SeriesKey key = tables_series(graph->tables, number)->key;
    GraphPiece *piece = add_piece(&graph->hops, number, node_of_symbol(graph, key.a));

    piece->target = node_of_symbol(graph, key.b);
    piece->via = node_of_symbol(graph, key.c);
    settle_piece(graph, piece);
}

static void add_series(Graph *graph, Resolver *resolver, uint32_t number)
{
    const Series *series = tables_series(graph->tables, number);
    SeriesKind kind = (SeriesKind)series->key.kind;

    if (series->presence.n_runs == 0) {
        return;
    }
    if (kind == SERIES_EDGE) {
        add_edge(graph, resolver, number);
    } else if (kind == SERIES_HOP) {
        add_hop(graph, number);
    } else if (kind == SERIES_REQUEST) {
        uint32_t source = node_of_symbol(graph, series->key.a);

        settle_piece(graph, add_piece(&graph->requests, number, source));
    } else if (kind == SERIES_SPAN) {
        const Presence *presence = &series->presence;

        graph_node_lives(graph, node_of_symbol(graph, series->key.a),
                         presence->runs[0].first_minute,
                         presence->runs[presence->n_runs - 1].last_minute);
    }
}

void graph_build(Graph *graph, const MapTables *tables, const MapQuestion *question, Arena *arena)
{
    Resolver *resolver = resolver_new(tables, question, arena);

    *graph = (Graph){.tables = tables, .question = question};
    graph->of_symbol = NEW_ARRAY(uint32_t, symbols_count(&tables->nodes) + 1);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        add_series(graph, resolver, (uint32_t)i);
    }
    resolver_free(resolver);
}

/* --- Filters --- */

static void keep_node(Graph *graph, uint32_t number)
{
    for (; number != GRAPH_NONE; number = graph->nodes[number].parent) {
        graph->nodes[number].keep = true;
    }
}

static void keep_pieces_nodes(Graph *graph, const GraphPieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        const GraphPiece *piece = &pieces->items[i];

        if (piece->keep) {
            keep_node(graph, piece->source);
            keep_node(graph, piece->target);
            keep_node(graph, piece->via);
        }
    }
}

static bool kept(const Graph *graph, uint32_t number)
{
    return number == GRAPH_NONE || graph->nodes[number].keep;
}

/* What has lost a node goes with it. */
static void drop_pieces(const Graph *graph, GraphPieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        GraphPiece *piece = &pieces->items[i];

        piece->keep = piece->keep && kept(graph, piece->source) && kept(graph, piece->target) &&
                      kept(graph, piece->via);
    }
}

static void drop_all_pieces(Graph *graph)
{
    drop_pieces(graph, &graph->edges);
    drop_pieces(graph, &graph->hops);
    drop_pieces(graph, &graph->requests);
}

NodeKey graph_flow_key(const MapTables *tables, const Series *series)
{
    NodeKey key;

    ASSERT(node_key_parse(symbols_get(&tables->texts, series->key.b), &key) == 0);
    return key;
}

bool graph_tells_flow(const Graph *graph, const Series *series)
{
    const MapQuestion *question = graph->question;

    if (!question->only_flow) {
        return true;
    }
    NodeKey key = graph_flow_key(graph->tables, series);
    return str_equal(key.name, question->flow) &&
           (question->flow_scope.len == 0 || str_equal(key.scope, question->flow_scope)) &&
           (!question->has_flow_environment ||
            str_equal(key.environment, question->flow_environment));
}

static bool piece_serves_flow(const Graph *graph, const GraphPiece *piece, Str flow)
{
    const MapTables *tables = graph->tables;
    const NodeKey *target = &graph->nodes[piece->target].key;
    uint32_t at = tables_series(tables, piece->series)->first_flow;

    if (target->type == NODE_STEP) {
        return str_equal(target->name, flow);
    }
    for (; at != SERIES_NONE; at = tables_series(tables, at)->next_flow) {
        const Series *series = tables_series(tables, at);

        if (str_equal(graph_flow_key(tables, series).name, flow) &&
            cells_touch(&series->cells, piece_from(piece, graph->question),
                        piece_to(piece, graph->question))) {
            return true;
        }
    }
    return false;
}

static bool node_passes(const Graph *graph, const NodeKey *key)
{
    const MapQuestion *question = graph->question;
    uint32_t flow_types = 1U << NODE_FLOW | 1U << NODE_STEP;
    uint32_t types = question->types != 0     ? question->types
                     : question->flow.len > 0 ? ~0U
                                              : ~flow_types;

    return (types & (1U << key->type)) != 0 &&
           (question->scope.len == 0 || str_equal(question->scope, key->scope)) &&
           (!question->has_environment || str_equal(question->environment, key->environment)) &&
           (question->namespace.len == 0 || key->type != NODE_SERVICE ||
            str_equal(question->namespace, key->namespace));
}

/* With a namespace asked for, only what its services are joined to stays beside them. */
static void keep_neighbours_of_services(Graph *graph)
{
    size_t n = graph_node_count(graph);
    CLEANUP(mem_freep) bool *joined = NEW_ARRAY(bool, n + 1);

    for (size_t i = 0; i < graph->edges.count; i++) {
        const GraphPiece *piece = &graph->edges.items[i];

        if (piece->keep) {
            bool source_is = graph->nodes[piece->source].key.type == NODE_SERVICE;
            bool target_is = graph->nodes[piece->target].key.type == NODE_SERVICE;

            joined[piece->target] |= source_is;
            joined[piece->source] |= target_is;
        }
    }
    for (size_t i = 0; i < graph->hops.count; i++) {
        if (graph->hops.items[i].keep) {
            joined[graph->hops.items[i].via] = true;
        }
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t parent = graph->nodes[i].parent;

        if (parent != GRAPH_NONE) {
            joined[parent] |= joined[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        GraphNode *node = &graph->nodes[i];

        node->keep = node->keep && (node->key.type == NODE_SERVICE || joined[i]);
    }
    drop_all_pieces(graph);
}

/* --- Focus --- */

static uint32_t find_focus(const Graph *graph, Str id)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    for (size_t i = 0; i < graph_node_count(graph); i++) {
        if (graph->nodes[i].keep) {
            buf_clear(&buf);
            node_id_append(graph->nodes[i].key_bytes, &buf);
            if (str_equal(buf_str(&buf), id)) {
                return (uint32_t)i;
            }
        }
    }
    return GRAPH_NONE;
}

bool graph_piece_is_edge(const Graph *graph, const GraphPiece *piece, Str id, Buf *buf)
{
    buf_clear(buf);
    answer_edge_id(graph->nodes[piece->source].key_bytes, piece->relation,
                   graph->nodes[piece->target].key_bytes, buf);
    return str_equal(buf_str(buf), id);
}

/* The ends of the edge with that id. Returns whether it is there. */
static bool find_focus_edge(const Graph *graph, Str id, uint32_t ret_ends[2])
{
    CLEANUP(buf_deinit) Buf buf = {0};

    for (size_t i = 0; i < graph->edges.count; i++) {
        const GraphPiece *piece = &graph->edges.items[i];

        if (piece->keep && graph_piece_is_edge(graph, piece, id, &buf)) {
            ret_ends[0] = piece->source;
            ret_ends[1] = piece->target;
            return true;
        }
    }
    return false;
}

/* What is asked about: a node, or both ends of an edge. */
static int find_focuses(const Graph *graph, uint32_t ret_focuses[2])
{
    const MapQuestion *question = graph->question;

    if (question->focus_edge.len > 0) {
        return find_focus_edge(graph, question->focus_edge, ret_focuses) ? 0 : MAP_NO_SUCH_NODE;
    }
    ret_focuses[0] = ret_focuses[1] = find_focus(graph, question->focus);
    return ret_focuses[0] == GRAPH_NONE ? MAP_NO_SUCH_NODE : 0;
}

static void focus_join(uint32_t *distance, uint32_t a, uint32_t b, uint32_t hop)
{
    if (distance[a] == hop - 1 && distance[b] > hop) {
        distance[b] = hop;
    } else if (distance[b] == hop - 1 && distance[a] > hop) {
        distance[a] = hop;
    }
}

/*
 * One round over all edges per hop: hops are few (1 to 4), and adjacency lists cost as much. A hop
 * of messages joins as its two edges would: they may be of other minutes than the window's.
 */
static void focus_spread(Graph *graph, uint32_t *distance, uint32_t hop)
{
    for (size_t i = 0; i < graph->edges.count; i++) {
        const GraphPiece *piece = &graph->edges.items[i];

        if (piece->keep) {
            focus_join(distance, piece->source, piece->target, hop);
        }
    }
    for (size_t i = 0; i < graph->hops.count; i++) {
        const GraphPiece *piece = &graph->hops.items[i];

        if (piece->keep) {
            focus_join(distance, piece->source, piece->via, hop);
            focus_join(distance, piece->target, piece->via, hop);
        }
    }
}

static int graph_focus(Graph *graph)
{
    enum { HOPS_MAX = 16, FAR = UINT32_MAX / 2 };
    const MapQuestion *question = graph->question;
    uint32_t focuses[2];
    uint32_t hops = MIN(question->hops == 0 ? 1U : question->hops, (uint32_t)HOPS_MAX);
    size_t n = graph_node_count(graph);

    TRY(find_focuses(graph, focuses));
    CLEANUP(mem_freep) uint32_t *distance = NEW_ARRAY(uint32_t, n);
    CLEANUP(mem_freep) bool *was_kept = NEW_ARRAY(bool, n);
    for (size_t i = 0; i < n; i++) {
        /* A database is its tables, a flow its steps. */
        bool is_focus = i == focuses[0] || i == focuses[1] || graph->nodes[i].parent == focuses[0];

        distance[i] = is_focus ? 0 : FAR;
        was_kept[i] = graph->nodes[i].keep;
        graph->nodes[i].keep = false;
    }
    for (uint32_t hop = 1; hop <= hops; hop++) {
        focus_spread(graph, distance, hop);
    }
    for (size_t i = 0; i < n; i++) {
        if (distance[i] < FAR && was_kept[i]) {
            keep_node(graph, (uint32_t)i);
        }
    }
    for (size_t i = 0; i < n; i++) {
        graph->nodes[i].keep = graph->nodes[i].keep && was_kept[i];
    }
    drop_all_pieces(graph);
    return 0;
}

int graph_filter(Graph *graph)
{
    const MapQuestion *question = graph->question;
    size_t n = graph_node_count(graph);

    if (question->flow.len > 0) {
        for (size_t i = 0; i < graph->edges.count; i++) {
            GraphPiece *piece = &graph->edges.items[i];

            piece->keep = piece->keep && piece_serves_flow(graph, piece, question->flow);
        }
    } else {
        keep_pieces_nodes(graph, &graph->hops);
        keep_pieces_nodes(graph, &graph->requests);
    }
    keep_pieces_nodes(graph, &graph->edges);
    for (size_t i = 0; i < n; i++) {
        graph->nodes[i].keep = graph->nodes[i].keep && node_passes(graph, &graph->nodes[i].key);
    }
    drop_all_pieces(graph);
    if (question->namespace.len > 0) {
        keep_neighbours_of_services(graph);
    }
    return question->focus.len > 0 || question->focus_edge.len > 0 ? graph_focus(graph) : 0;
}
