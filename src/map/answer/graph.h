// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/answer/resolve.h"

/*
 * Which nodes and edges an answer has, before anything but presence is summed: names resolved,
 * window, filters and focus applied, the rarest folded. For one question, on one thread, while the
 * tables do not change.
 */
enum { GRAPH_NONE = UINT32_MAX };

typedef struct GraphNode {
    Str key_bytes; /* lives as long as the graph */
    NodeKey key;
    uint32_t parent;                    /* of a table, a step; else GRAPH_NONE */
    uint32_t first_minute, last_minute; /* over the node's whole life; first > last: none */
    bool keep;                          /* it is in the answer */
    uint32_t into;                      /* itself, or the (other) that it is folded into */
    uint64_t weight;                    /* calls, hops and requests of the window; for folding */
} GraphNode;

/* The part of a series for which its names mean these nodes. */
typedef struct GraphPiece {
    uint32_t series;
    uint32_t source, target, via; /* nodes; target and via GRAPH_NONE where there is none */
    Relation relation;
    uint32_t from_minute, to_minute; /* of the meaning, not of the window */
    bool keep;                       /* in the window, and not filtered */
} GraphPiece;

typedef struct GraphPieces {
    GraphPiece *items;
    size_t count, capacity;
} GraphPieces;

typedef struct Graph {
    const MapTables *tables;
    const MapQuestion *question;
    Symbols names; /* key bytes: number is that of the node */
    GraphNode *nodes;
    size_t node_capacity;
    uint32_t *of_symbol; /* tables' node symbol → node + 1 */
    GraphPieces edges, hops, requests;
    uint64_t folded_nodes, folded_edges;
} Graph;

static inline size_t graph_node_count(const Graph *graph)
{
    return symbols_count(&graph->names);
}

void graph_deinit(Graph *graph);

/* The number of the node with that key (and of its parent), made if it is new. May move the nodes.
 */
uint32_t graph_node(Graph *graph, const NodeKey *key);

/* The node and its parents were seen from @first to @last. */
void graph_node_lives(Graph *graph, uint32_t number, uint32_t first, uint32_t last);

/* Resolves all names and finds what the window names. */
void graph_build(Graph *graph, const MapTables *tables, const MapQuestion *question, Arena *arena);

/* Applies scope, environment, namespace, types, flow and focus. Returns 0; MAP_NO_SUCH_NODE when
 * the focus is no node of what is left. */
MUST_USE int graph_filter(Graph *graph);

/* Folds the rarest, then by name, until limits hold (CONTRACT.md §8): collections_max,
 * flow_names_max, nodes_max, edges_max. Pieces then name the (other) nodes. */
void graph_fold(Graph *graph, const MapOptions *options);

/* Whether something of the answer is told in (other) because the map has no place for it. */
bool graph_tells_others(const Graph *graph);

/* The flow that a series of SERIES_FLOW counts for. */
/* Whether the question wants to hear of it. */
bool graph_tells_flow(const Graph *graph, const Series *series);
NodeKey graph_flow_key(const MapTables *tables, const Series *series);

/* Whether the piece belongs to the edge of that id; @buf is for scratch. */
bool graph_piece_is_edge(const Graph *graph, const GraphPiece *piece, Str id, Buf *buf);

/* The part of the piece's cells that lies in the window. */
static inline uint32_t piece_from(const GraphPiece *piece, const MapQuestion *question)
{
    return MAX(piece->from_minute, question->from_minute);
}

static inline uint32_t piece_to(const GraphPiece *piece, const MapQuestion *question)
{
    return MIN(piece->to_minute, question->to_minute);
}
