// SPDX-License-Identifier: Apache-2.0
#include "map/graph.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"

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

static uint32_t node_of_key(Graph *graph, const NodeKey *key);

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
        uint32_t parent_number = node_of_key(graph, &parent);
        graph->nodes[number].parent = parent_number;
    }
    return number;
}

static uint32_t node_of_key(Graph *graph, const NodeKey *key)
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
        graph->of_symbol[symbol] = node_of_key(graph, &key) + 1;
    }
    return graph->of_symbol[symbol] - 1;
}

/* --- Building --- */

static void node_lives(Graph *graph, uint32_t number, uint32_t first, uint32_t last)
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
    const Cells *cells = &tables_series(graph->tables, piece->series)->cells;
    uint32_t first = cells_position(cells, piece->from_minute);
    uint32_t end =
        piece->to_minute == UINT32_MAX ? cells->n_cells : cells_position(cells, piece->to_minute);

    ASSERT(first < end);
    const uint32_t nodes[] = {piece->source, piece->target, piece->via};
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        node_lives(graph, nodes[i], cells->index[first].minute, cells->index[end - 1].minute);
    }
    piece->keep =
        cells_touch(cells, piece_from(piece, graph->question), piece_to(piece, graph->question));
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
        if (!cells_touch(&series->cells, meanings[i].from_minute, meanings[i].to_minute)) {
            continue;
        }
        uint32_t target = meanings[i].service == SYMBOL_NONE
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

    if (series->cells.n_cells == 0) {
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
        node_lives(graph, node_of_symbol(graph, series->key.a), cells_first_minute(&series->cells),
                   cells_last_minute(&series->cells));
    }
}

void graph_build(Graph *graph, const MapTables *tables, const MapQuestion *question, Arena *arena)
{
    Resolver *resolver = resolver_new(tables, question->unresolved_names, arena);

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

        if (str_equal(symbols_get(&tables->texts, series->key.b), flow) &&
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

/* One round over all edges per hop: hops are few (1 to 4), and adjacency lists cost as much. */
static void focus_spread(Graph *graph, uint32_t *distance, uint32_t hop)
{
    for (size_t i = 0; i < graph->edges.count; i++) {
        const GraphPiece *piece = &graph->edges.items[i];

        if (!piece->keep) {
            continue;
        }
        if (distance[piece->source] == hop - 1 && distance[piece->target] > hop) {
            distance[piece->target] = hop;
        } else if (distance[piece->target] == hop - 1 && distance[piece->source] > hop) {
            distance[piece->source] = hop;
        }
    }
}

static int graph_focus(Graph *graph)
{
    enum { HOPS_MAX = 16, FAR = UINT32_MAX / 2 };
    const MapQuestion *question = graph->question;
    uint32_t focus = find_focus(graph, question->focus);
    uint32_t hops = MIN(question->hops == 0 ? 1U : question->hops, (uint32_t)HOPS_MAX);
    size_t n = graph_node_count(graph);

    if (focus == GRAPH_NONE) {
        return MAP_NO_SUCH_NODE;
    }
    CLEANUP(mem_freep) uint32_t *distance = NEW_ARRAY(uint32_t, n);
    CLEANUP(mem_freep) bool *was_kept = NEW_ARRAY(bool, n);
    for (size_t i = 0; i < n; i++) {
        /* A database is its tables, a flow its steps. */
        distance[i] = i == focus || graph->nodes[i].parent == focus ? 0 : FAR;
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
    return question->focus.len > 0 ? graph_focus(graph) : 0;
}

/* --- Folding --- */

static uint64_t piece_count(const Graph *graph, const GraphPiece *piece)
{
    CellSum sum = {0};

    cells_sum(&tables_series(graph->tables, piece->series)->cells,
              piece_from(piece, graph->question), piece_to(piece, graph->question), &sum);
    return sum.count > 0 ? (uint64_t)sum.count : 0;
}

static void weigh_pieces(Graph *graph, const GraphPieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        const GraphPiece *piece = &pieces->items[i];
        const uint32_t nodes[] = {piece->source, piece->target, piece->via};
        uint64_t count = piece->keep ? piece_count(graph, piece) : 0;

        for (size_t k = 0; k < ARRAY_LEN(nodes); k++) {
            if (nodes[k] != GRAPH_NONE) {
                graph->nodes[nodes[k]].weight += count;
            }
        }
    }
}

/* A parent weighs more than all its children together, so it never goes before them. */
static void weigh_parents(Graph *graph)
{
    for (size_t i = 0; i < graph_node_count(graph); i++) {
        if (graph->nodes[i].parent != GRAPH_NONE && graph->nodes[i].keep) {
            graph->nodes[graph->nodes[i].parent].weight += graph->nodes[i].weight + 1;
        }
    }
}

static Str node_name(const NodeKey *key)
{
    return key->type == NODE_TABLE || key->type == NODE_STEP ? key->part
           : key->type == NODE_DATABASE                      ? key->namespace
                                                             : key->name;
}

static int compare_rarity(const void *a, const void *b)
{
    const GraphNode *left = *(GraphNode *const *)a, *right = *(GraphNode *const *)b;

    if (left->weight != right->weight) {
        return left->weight < right->weight ? -1 : 1;
    }
    int order = str_compare(node_name(&left->key), node_name(&right->key));
    return order != 0 ? order : str_compare(left->key_bytes, right->key_bytes);
}

/* The node that stands for the rest of its type in its scope and environment. */
static uint32_t other_of(Graph *graph, uint32_t number)
{
    NodeKey key = graph->nodes[number].key;
    NodeKey other = {.type = key.type, .scope = key.scope, .environment = key.environment};

    other.name = other.part = STR("(other)");
    other.namespace =
        key.type == NODE_DATABASE || key.type == NODE_TABLE ? STR("(other)") : (Str){0};
    return node_of_key(graph, &other);
}

static void fold_into(Graph *graph, uint32_t number, uint32_t other)
{
    const GraphNode *node = &graph->nodes[number];
    uint32_t first = node->first_minute, last = node->last_minute;

    graph->nodes[number].into = other;
    graph->nodes[number].keep = false;
    node_lives(graph, other, first, last);
}

/* Keeps @other and its parents; returns how many nodes that adds. */
static size_t keep_other(Graph *graph, uint32_t other)
{
    size_t n = 0;

    for (; other != GRAPH_NONE; other = graph->nodes[other].parent) {
        n += graph->nodes[other].keep ? 0 : 1;
        graph->nodes[other].keep = true;
    }
    return n;
}

static void fold_nodes(Graph *graph, size_t nodes_max)
{
    size_t n_all = graph_node_count(graph), n = 0, total;
    CLEANUP(mem_freep) GraphNode **order = NEW_ARRAY(GraphNode *, n_all + 1);

    for (size_t i = 0; i < n_all; i++) {
        if (graph->nodes[i].keep) {
            order[n++] = &graph->nodes[i];
        }
    }
    qsort(order, n, sizeof(order[0]), compare_rarity);
    CLEANUP(mem_freep) uint32_t *numbers = NEW_ARRAY(uint32_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = (uint32_t)(order[i] - graph->nodes);
    }
    total = n;
    for (size_t i = 0; i < n && total > nodes_max; i++) {
        uint32_t other = other_of(graph, numbers[i]); /* may move the nodes */

        if (other != numbers[i]) {
            fold_into(graph, numbers[i], other);
            total += keep_other(graph, other) - 1;
            graph->folded_nodes++;
        }
    }
}

static void redirect(Graph *graph, GraphPieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        GraphPiece *piece = &pieces->items[i];
        uint32_t *nodes[] = {&piece->source, &piece->target, &piece->via};

        for (size_t k = 0; k < ARRAY_LEN(nodes); k++) {
            if (*nodes[k] != GRAPH_NONE) {
                *nodes[k] = graph->nodes[*nodes[k]].into;
            }
        }
    }
}

typedef struct EdgeGroup {
    uint32_t source, target;
    Relation relation;
    size_t first_piece; /* in sorted order */
    uint64_t count;
    const Graph *graph;
} EdgeGroup;

static int compare_pieces(const void *a, const void *b)
{
    const GraphPiece *left = a, *right = b;

    if (left->source != right->source) {
        return left->source < right->source ? -1 : 1;
    }
    if (left->relation != right->relation) {
        return left->relation < right->relation ? -1 : 1;
    }
    return left->target < right->target ? -1 : left->target > right->target;
}

static int compare_group_rarity(const void *a, const void *b)
{
    const EdgeGroup *left = a, *right = b;
    const GraphNode *nodes = left->graph->nodes;

    if (left->count != right->count) {
        return left->count < right->count ? -1 : 1;
    }
    int order = str_compare(nodes[left->source].key_bytes, nodes[right->source].key_bytes);
    order = order != 0 ? order : (int)left->relation - (int)right->relation;
    return order != 0 ? order
                      : str_compare(nodes[left->target].key_bytes, nodes[right->target].key_bytes);
}

static size_t group_edges(Graph *graph, EdgeGroup *groups)
{
    GraphPiece *items = graph->edges.items;
    size_t n = 0;

    qsort(items, graph->edges.count, sizeof(items[0]), compare_pieces);
    for (size_t i = 0, end; i < graph->edges.count; i = end) {
        EdgeGroup group = {.source = items[i].source,
                           .target = items[i].target,
                           .relation = items[i].relation,
                           .first_piece = i,
                           .graph = graph};
        bool keep = false;

        for (end = i; end < graph->edges.count && compare_pieces(&items[i], &items[end]) == 0;
             end++) {
            keep |= items[end].keep;
            group.count += items[end].keep ? piece_count(graph, &items[end]) : 0;
        }
        if (keep) {
            groups[n++] = group;
        }
    }
    return n;
}

/* A folded edge runs between the (other)s of its ends' types, of which there are few: so the fold
 * ends below the limit as soon as enough are gone. */
static void fold_edges(Graph *graph, size_t edges_max)
{
    CLEANUP(mem_freep) EdgeGroup *groups = NEW_ARRAY(EdgeGroup, graph->edges.count + 1);
    size_t n = group_edges(graph, groups), n_pieces = graph->edges.count;
    CLEANUP(table_deinit) Table others = {0};

    if (n <= edges_max) {
        return;
    }
    table_init(&others, 3 * sizeof(uint32_t), 3 * sizeof(uint32_t));
    qsort(groups, n, sizeof(groups[0]), compare_group_rarity);
    for (size_t i = 0; i < n && n - i + others.n_records > edges_max; i++) {
        uint32_t source = other_of(graph, groups[i].source);
        uint32_t target = other_of(graph, groups[i].target);
        uint32_t key[] = {source, groups[i].relation, target};
        GraphPiece first = graph->edges.items[groups[i].first_piece];

        table_put(&others, key, NULL);
        keep_other(graph, source);
        keep_other(graph, target);
        for (size_t k = groups[i].first_piece;
             k < n_pieces && graph->edges.items[k].source == first.source &&
             graph->edges.items[k].target == first.target &&
             graph->edges.items[k].relation == first.relation;
             k++) {
            if (k > groups[i].first_piece) {
                graph->edges.items[k].source = source;
                graph->edges.items[k].target = target;
            }
        }
        graph->edges.items[groups[i].first_piece].source = source;
        graph->edges.items[groups[i].first_piece].target = target;
        graph->folded_edges++;
    }
}

void graph_fold(Graph *graph, size_t nodes_max, size_t edges_max)
{
    size_t n = 0;

    for (size_t i = 0; i < graph_node_count(graph); i++) {
        n += graph->nodes[i].keep;
    }
    if (n > nodes_max) {
        weigh_pieces(graph, &graph->edges);
        weigh_pieces(graph, &graph->hops);
        weigh_pieces(graph, &graph->requests);
        weigh_parents(graph);
        fold_nodes(graph, nodes_max);
        redirect(graph, &graph->edges);
        redirect(graph, &graph->hops);
        redirect(graph, &graph->requests);
    }
    if (graph->edges.count > edges_max) {
        fold_edges(graph, edges_max);
    }
}
