// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/answer/graph.h"

/*
 * Folding what is beyond the limits into "(other)" nodes: collections and steps into one of their
 * database and flow, then nodes and edges into one per type, scope and environment. Limits hold for
 * each scope by itself, so that a noisy one takes nothing from the others; of all scopes together
 * as many are told as SCOPES_IN_FULL may have, and the rarest scopes fold as a whole. Which ones
 * fold follows from the counts of the window and from names alone. Only here are counts needed
 * before the answer sums them, so they are summed only when a limit may bite.
 */
enum { SCOPES_IN_FULL = 4 };

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

/* The node that stands for the rest of its type in its scope and environment; @of_parent: in its
 * database or flow. */
static uint32_t other_of(Graph *graph, uint32_t number, bool of_parent)
{
    NodeKey key = graph->nodes[number].key;
    NodeKey other = node_key_other(&key, of_parent);

    return graph_node(graph, &other);
}

/* The one that stands for its type in scopes that fold as a whole. */
static uint32_t other_of_scopes(Graph *graph, uint32_t number)
{
    NodeKey key = graph->nodes[number].key;
    NodeKey other = node_key_other(&key, false);

    other.scope = STR("(other)");
    other.environment = (Str){0};
    return graph_node(graph, &other);
}

static void fold_into(Graph *graph, uint32_t number, uint32_t other)
{
    const GraphNode *node = &graph->nodes[number];
    uint32_t first = node->first_minute, last = node->last_minute;

    graph->nodes[other].weight += node->weight;
    graph->nodes[number].into = other;
    graph->nodes[number].keep = false;
    graph_node_lives(graph, other, first, last);
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

/* A limit holds for each group: the children of one node, or the nodes or edges of one scope. */
typedef struct Groups {
    Symbols scopes;
    Table sizes; /* GroupSize */
} Groups;

typedef struct GroupSize {
    uint32_t group;
    size_t size;
} GroupSize;

static void groups_init(Groups *groups)
{
    *groups = (Groups){0};
    table_init(&groups->sizes, sizeof(GroupSize), sizeof(uint32_t));
}

static void groups_deinit(Groups *groups)
{
    symbols_deinit(&groups->scopes);
    table_deinit(&groups->sizes);
}

static size_t *group_size(Groups *groups, uint32_t group)
{
    return &((GroupSize *)table_put(&groups->sizes, &group, NULL))->size;
}

static size_t *scope_size(Groups *groups, const NodeKey *key)
{
    return group_size(groups, symbols_intern(&groups->scopes, key->scope));
}

/* Numbers of the kept nodes, of those with a parent alone if @children, the rarest first. */
static uint32_t *sort_nodes(Graph *graph, bool children, size_t *ret_n)
{
    size_t n_all = graph_node_count(graph), n = 0;
    CLEANUP(mem_freep) GraphNode **order = NEW_ARRAY(GraphNode *, n_all + 1);
    uint32_t *numbers = NEW_ARRAY(uint32_t, n_all + 1);

    for (size_t i = 0; i < n_all; i++) {
        if (graph->nodes[i].keep && (!children || graph->nodes[i].parent != GRAPH_NONE)) {
            order[n++] = &graph->nodes[i];
        }
    }
    qsort(order, n, sizeof(order[0]), compare_rarity);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = (uint32_t)(order[i] - graph->nodes);
    }
    *ret_n = n;
    return numbers;
}

static void fold_node(Graph *graph, uint32_t number, uint32_t other, size_t *size)
{
    if (other != number) {
        fold_into(graph, number, other);
        *size += keep_other(graph, other);
        *size -= 1;
        graph->folded_nodes++;
    }
}

static size_t children_max(const Graph *graph, uint32_t parent, const MapOptions *options)
{
    return graph->nodes[parent].key.type == NODE_FLOW ? options->flow_names_max
                                                      : options->collections_max;
}

/* The collections of a database and the steps of a flow, each by its own limit. */
static void fold_children(Graph *graph, const MapOptions *options)
{
    CLEANUP(groups_deinit) Groups groups;
    size_t n;
    CLEANUP(mem_freep) uint32_t *numbers = sort_nodes(graph, true, &n);

    groups_init(&groups);
    for (size_t i = 0; i < n; i++) {
        ++*group_size(&groups, graph->nodes[numbers[i]].parent);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t parent = graph->nodes[numbers[i]].parent;
        size_t *size = group_size(&groups, parent);

        if (*size > children_max(graph, parent, options)) {
            fold_node(graph, numbers[i], other_of(graph, numbers[i], true), size);
        }
    }
}

static void fold_nodes(Graph *graph, size_t nodes_max)
{
    CLEANUP(groups_deinit) Groups groups;
    size_t n;
    CLEANUP(mem_freep) uint32_t *numbers = sort_nodes(graph, false, &n);

    groups_init(&groups);
    for (size_t i = 0; i < n; i++) {
        ++*scope_size(&groups, &graph->nodes[numbers[i]].key);
    }
    for (size_t i = 0; i < n; i++) {
        size_t *size = scope_size(&groups, &graph->nodes[numbers[i]].key);

        if (*size > nodes_max) {
            fold_node(graph, numbers[i], other_of(graph, numbers[i], false), size);
        }
    }
}

typedef struct ScopeUse {
    uint32_t scope; /* symbol */
    bool folds;
    size_t n_nodes;
    uint64_t weight;
    Str name;
} ScopeUse;

static int compare_scope_rarity(const void *a, const void *b)
{
    const ScopeUse *left = *(ScopeUse *const *)a, *right = *(ScopeUse *const *)b;

    if (left->weight != right->weight) {
        return left->weight < right->weight ? -1 : 1;
    }
    return str_compare(left->name, right->name);
}

static bool is_of_others(Str scope)
{
    return str_equal(scope, STR("(other)"));
}

/* Kept nodes by scope; returns how many. A parent weighs its children, too. */
static size_t use_scopes(const Graph *graph, Symbols *names, Table *uses)
{
    size_t n = 0;

    for (size_t i = 0; i < graph_node_count(graph); i++) {
        const GraphNode *node = &graph->nodes[i];

        if (node->keep) {
            uint32_t scope = symbols_intern(names, node->key.scope);
            ScopeUse *use = table_put(uses, &scope, NULL);

            use->name = symbols_get(names, scope);
            use->weight += node->parent == GRAPH_NONE ? node->weight : 0;
            use->n_nodes++;
            n++;
        }
    }
    return n;
}

/* Chooses the rarest scopes, until no more than @nodes_max of the @n nodes are left. */
static void choose_scopes(const Table *uses, size_t n, size_t nodes_max)
{
    CLEANUP(mem_freep) ScopeUse **order = NEW_ARRAY(ScopeUse *, uses->n_records + 1);

    for (size_t i = 0; i < uses->n_records; i++) {
        order[i] = table_at(uses, i);
    }
    qsort(order, uses->n_records, sizeof(order[0]), compare_scope_rarity);
    for (size_t i = 0; i < uses->n_records && n > nodes_max; i++) {
        order[i]->folds = !is_of_others(order[i]->name);
        n -= order[i]->folds ? order[i]->n_nodes : 0;
    }
}

/* Scopes that are one too many. An (other) for each type comes on top. */
static void fold_scopes(Graph *graph, size_t nodes_max)
{
    CLEANUP(symbols_deinit) Symbols names = {0};
    CLEANUP(table_deinit) Table uses = {0};
    size_t n_all = graph_node_count(graph), n;

    table_init(&uses, sizeof(ScopeUse), sizeof(uint32_t));
    n = use_scopes(graph, &names, &uses);
    choose_scopes(&uses, n, nodes_max);
    for (uint32_t i = 0; i < n_all && n > nodes_max; i++) {
        uint32_t scope = symbols_find(&names, graph->nodes[i].key.scope);
        const ScopeUse *use = scope == SYMBOL_NONE ? NULL : table_find(&uses, &scope);

        if (graph->nodes[i].keep && use != NULL && use->folds) {
            fold_node(graph, i, other_of_scopes(graph, i), &(size_t){1});
        }
    }
}

/* What is folded twice, a table into its database's and that one into its scope's, ends there. */
static uint32_t folded_into(const Graph *graph, uint32_t number)
{
    while (graph->nodes[number].into != number) {
        number = graph->nodes[number].into;
    }
    return number;
}

static void redirect(Graph *graph, GraphPieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        GraphPiece *piece = &pieces->items[i];
        uint32_t *nodes[] = {&piece->source, &piece->target, &piece->via};

        for (size_t k = 0; k < ARRAY_LEN(nodes); k++) {
            if (*nodes[k] != GRAPH_NONE) {
                *nodes[k] = folded_into(graph, *nodes[k]);
            }
        }
    }
}

typedef struct EdgeGroup {
    uint32_t source, target;
    Relation relation;
    size_t first_piece; /* in sorted order */
    uint64_t count;
    bool is_folded;
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

/* Lets the pieces of @group run between these. */
static void move_edge(Graph *graph, EdgeGroup *group, uint32_t source, uint32_t target)
{
    GraphPiece *items = graph->edges.items;
    const GraphPiece first = items[group->first_piece];

    for (size_t k = group->first_piece;
         k < graph->edges.count && compare_pieces(&items[k], &first) == 0; k++) {
        items[k].source = source;
        items[k].target = target;
    }
    group->is_folded = true;
    graph->folded_edges++;
}

typedef struct EdgeFold {
    Graph *graph;
    EdgeGroup *groups; /* the rarest first */
    size_t n;
    Table others; /* that edges were moved to */
} EdgeFold;

/* Moves the edge between these; returns whether that makes one less. */
static bool fold_edge(EdgeFold *fold, EdgeGroup *group, uint32_t source, uint32_t target)
{
    uint32_t key[] = {source, group->relation, target};
    bool is_new;

    table_put(&fold->others, key, &is_new);
    keep_other(fold->graph, source);
    keep_other(fold->graph, target);
    move_edge(fold->graph, group, source, target);
    return !is_new;
}

/* When all scopes together have too many, the rarest of all go. */
static void fold_edges_of_all(EdgeFold *fold, size_t n_left, size_t edges_max)
{
    for (size_t i = 0; i < fold->n && n_left > edges_max; i++) {
        EdgeGroup *group = &fold->groups[i];

        if (!group->is_folded) {
            uint32_t source = other_of_scopes(fold->graph, group->source);
            uint32_t target = other_of_scopes(fold->graph, group->target);

            n_left -= fold_edge(fold, group, source, target) ? 1 : 0;
        }
    }
}

/* A folded edge runs between the (other)s of its ends' types, of which there are few: so the fold
 * ends below the limit as soon as enough are gone. An edge is of its source's scope. */
static void fold_edges(Graph *graph, size_t edges_max)
{
    CLEANUP(mem_freep) EdgeGroup *groups = NEW_ARRAY(EdgeGroup, graph->edges.count + 1);
    EdgeFold fold = {.graph = graph, .groups = groups, .n = group_edges(graph, groups)};
    size_t n_left = fold.n;
    CLEANUP(groups_deinit) Groups scopes;

    groups_init(&scopes);
    table_init(&fold.others, 3 * sizeof(uint32_t), 3 * sizeof(uint32_t));
    for (size_t i = 0; i < fold.n; i++) {
        ++*scope_size(&scopes, &graph->nodes[groups[i].source].key);
    }
    qsort(groups, fold.n, sizeof(groups[0]), compare_group_rarity);
    for (size_t i = 0; i < fold.n; i++) {
        size_t *size = scope_size(&scopes, &graph->nodes[groups[i].source].key);

        if (*size > edges_max) {
            uint32_t source = other_of(graph, groups[i].source, false);
            uint32_t target = other_of(graph, groups[i].target, false);
            size_t less = fold_edge(&fold, &groups[i], source, target) ? 1 : 0;

            *size -= less;
            n_left -= less;
        }
    }
    fold_edges_of_all(&fold, n_left, SCOPES_IN_FULL * edges_max);
    table_deinit(&fold.others);
}

static bool has_beyond(const Graph *graph, const MapOptions *options)
{
    size_t children = MIN(options->collections_max, options->flow_names_max), n = 0;

    for (size_t i = 0; i < graph_node_count(graph); i++) {
        n += graph->nodes[i].keep;
    }
    return n > MIN(options->nodes_max, children);
}

void graph_fold(Graph *graph, const MapOptions *options)
{
    if (has_beyond(graph, options)) {
        weigh_pieces(graph, &graph->edges);
        weigh_pieces(graph, &graph->hops);
        weigh_pieces(graph, &graph->requests);
        weigh_parents(graph);
        fold_children(graph, options);
        fold_nodes(graph, options->nodes_max);
        fold_scopes(graph, SCOPES_IN_FULL * options->nodes_max);
        redirect(graph, &graph->edges);
        redirect(graph, &graph->hops);
        redirect(graph, &graph->requests);
    }
    if (graph->edges.count > options->edges_max) {
        fold_edges(graph, options->edges_max);
    }
}

bool graph_tells_others(const Graph *graph)
{
    const GraphPieces *all[] = {&graph->edges, &graph->hops, &graph->requests};
    bool any = false;

    for (size_t k = 0; k < ARRAY_LEN(all); k++) {
        for (size_t i = 0; i < all[k]->count && !any; i++) {
            const GraphPiece *piece = &all[k]->items[i];

            any = piece->keep && tables_series(graph->tables, piece->series)->key.is_other;
        }
    }
    return any;
}
