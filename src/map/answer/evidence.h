// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/answer/graph.h"

/*
 * What an edge can show for itself: since when it is there, for which business steps it was, and
 * example traces. From the same pieces that its counts are summed from.
 */
typedef struct Evidence {
    const Graph *graph;
    Arena *arena;
    const GraphPiece **pieces; /* of one edge, also those outside of the window */
    size_t n_pieces;
} Evidence;

/* Fills intervals, flows and exemplars of @edge, in the arena. */
void evidence_fill(const Evidence *evidence, MapEdge *edge);

/* Fills only since when and until when @edge was seen, and its intervals. */
void evidence_fill_life(const Evidence *evidence, MapEdge *edge);
