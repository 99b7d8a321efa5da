// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"
#include "query/search.h"
#include "store/store.h"
#include "trace/analysis.h"

/* A whole trace with everything that is derived from it, for its page. */

/* A map edge that a span gave. */
typedef struct SpanEdge {
    uint32_t span; /* index in TraceView.tree.spans */
    Relation relation;
    MapPlace place;
} SpanEdge;

typedef struct TraceView {
    TraceSummary summary;
    Tree tree; /* tree.order is the order to show */
    SpanAnalysis *analysis;
    Str *services;   /* per span, with adoption */
    SpanEdge *edges; /* sorted by span */
    size_t n_edges;
    bool cut;     /* the trace has more spans than are read; these are the earliest */
    bool damaged; /* a block that may hold more of it cannot be read */
} TraceView;

enum {
    TRACE_VIEW_NOT_FOUND = 1,
    TRACE_VIEW_NEIGHBOURS_MAX = 64, /* linked traces that are read for the map's edges */
};

/* Derives all but edges from @spans (one per identity, sorted by start, at least one), which
 * outlive the view. */
void trace_view_derive(const Span *spans, size_t n_spans, Arena *arena, TraceView *ret_view);

/* Reads and derives in @arena. @map may be NULL: then there are no edges. Returns 0;
 * TRACE_VIEW_NOT_FOUND; -errno. */
MUST_USE int trace_view_read(Store *store, Map *map, TraceId id, Arena *arena, TraceView *ret_view);

/* Where the edges of the span begin in @view->edges: those from there on with its index. */
size_t trace_view_first_edge(const TraceView *view, uint32_t span);
