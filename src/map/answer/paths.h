// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"

/*
 * How one node of a map reaches another: all shortest paths along who calls, reads, writes or
 * publishes to whom, and from a queue on to those who get what the path's own producer published (a
 * hop), not to whoever else reads that queue. A database is reached by any of its tables. Pure.
 */
enum { PATH_ARROWS_MAX = 16, PATHS_MAX = 100 };

typedef struct MapPath {
    size_t nodes[PATH_ARROWS_MAX + 1]; /* indexes in the answer, first to last */
    size_t edges[PATH_ARROWS_MAX];     /* the arrow behind each node but the last */
    size_t n_edges;
} MapPath;

typedef struct MapPaths {
    MapPath *items;
    size_t count;
    bool more; /* there are more than PATHS_MAX */
} MapPaths;

/* Paths of at most @arrows_max arrows, in the order of the answer's edges, in @arena. None when
 * there is no way. From a node to itself there is one of no arrows. */
void map_paths(const MapAnswer *map, size_t from, size_t to, size_t arrows_max, Arena *arena,
               MapPaths *ret_paths);
