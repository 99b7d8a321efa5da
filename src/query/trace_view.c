// SPDX-License-Identifier: Apache-2.0
#include "query/trace_view.h"

#include <stdlib.h>

#include "map/contract.h"
#include "query/span_services.h"

/*
 * The edges of a span are asked of the contract itself, on this trace and those that its links
 * name: the page shows what the map counts because it is the same function. Traces that link here
 * from elsewhere are not read: they could only silence a receive, and the page would have to search
 * for them.
 */
static int neighbours_read(Store *store, const Span *spans, size_t n_spans, Arena *arena,
                           ContractTrace *neighbours, size_t *ret_n)
{
    CLEANUP(buf_deinit) Buf ids = {0};
    size_t n = 0;

    contract_link_targets(spans, n_spans, &ids);
    for (size_t at = 0; at + TRACE_ID_SIZE <= ids.len && n < TRACE_VIEW_NEIGHBOURS_MAX;
         at += TRACE_ID_SIZE) {
        ContractTrace *neighbour = &neighbours[n];
        Span *linked = NULL;
        bool seen = false;

        mem_copy(neighbour->id.bytes, ids.ptr + at, TRACE_ID_SIZE);
        for (size_t i = 0; i < n; i++) {
            seen = seen || trace_id_equal(neighbours[i].id, neighbour->id);
        }
        if (!seen) {
            TRY(store_read_trace(store, neighbour->id, STORE_ALL, arena, &linked,
                                 &neighbour->n_spans));
            neighbour->spans = linked;
            n += neighbour->n_spans > 0;
        }
    }
    *ret_n = n;
    return 0;
}

/* Of a shared pair (CLIENT and SERVER of one id) the one whose start the delta has. */
static uint32_t span_of_delta(const Tree *tree, const Delta *delta)
{
    uint32_t server = tree_find(tree, delta->span_id, false);
    uint32_t client = tree_find(tree, delta->span_id, true);

    if (server == TREE_NONE || client == TREE_NONE) {
        return server == TREE_NONE ? client : server;
    }
    return tree->spans[client].start_ns == delta->start_ns &&
                   tree->spans[server].start_ns != delta->start_ns
               ? client
               : server;
}

static int edge_compare(const void *left, const void *right)
{
    const SpanEdge *a = left, *b = right;

    if (a->span != b->span) {
        return a->span < b->span ? -1 : 1;
    }
    return str_compare(a->place.edge_id, b->place.edge_id);
}

/* Sorted by span; a span that gave an edge twice (its target under two names) shows it once. */
static void edges_unique(TraceView *view)
{
    size_t n = 0;

    qsort(view->edges, view->n_edges, sizeof(view->edges[0]), edge_compare);
    for (size_t i = 0; i < view->n_edges; i++) {
        if (n == 0 || edge_compare(&view->edges[n - 1], &view->edges[i]) != 0) {
            view->edges[n++] = view->edges[i];
        }
    }
    view->n_edges = n;
}

/* Moves the edges to the front; returns how many. */
static size_t deltas_keep_edges(Deltas *deltas)
{
    size_t n = 0;

    for (size_t i = 0; i < deltas->count; i++) {
        if (deltas->items[i].kind == DELTA_EDGE) {
            deltas->items[n++] = deltas->items[i];
        }
    }
    deltas->count = n;
    return n;
}

static void edges_collect(Map *map, Deltas *deltas, Arena *arena, TraceView *view)
{
    size_t n = deltas_keep_edges(deltas);
    MapPlace *places = ARENA_ARRAY(arena, MapPlace, n);

    map_locate(map, deltas->items, n, arena, places);
    view->edges = ARENA_ARRAY(arena, SpanEdge, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t span = span_of_delta(&view->tree, &deltas->items[i]);

        if (span != TREE_NONE) {
            view->edges[view->n_edges++] =
                (SpanEdge){.span = span, .relation = deltas->items[i].relation, .place = places[i]};
        }
    }
    edges_unique(view);
}

static int edges_read(Store *store, Map *map, Arena *arena, TraceView *view)
{
    ContractTrace trace = {
        .id = view->summary.trace_id,
        .spans = view->tree.spans,
        .n_spans = view->tree.n_spans,
    };
    ContractTrace neighbours[TRACE_VIEW_NEIGHBOURS_MAX + 1] = {0};
    Deltas deltas = {.arena = arena};
    size_t n_neighbours = 0;

    TRY(neighbours_read(store, trace.spans, trace.n_spans, arena, neighbours, &n_neighbours));
    contract_contribution(&trace, neighbours, n_neighbours, &deltas);
    edges_collect(map, &deltas, arena, view);
    return 0;
}

void trace_view_derive(const Span *spans, size_t n_spans, Arena *arena, TraceView *ret_view)
{
    TraceView view = {0};

    trace_summarise(spans, n_spans, arena, &view.summary);
    tree_build(spans, n_spans, arena, &view.tree);
    trace_analyse(&view.tree, arena, &view.analysis);
    view.services = span_services(spans, n_spans, arena);
    *ret_view = view;
}

int trace_view_read(Store *store, Map *map, TraceId id, Arena *arena, TraceView *ret_view)
{
    StoreTraceView stored = {0};
    TraceView view;

    TRY(store_view_trace(store, id, arena, &stored));
    if (stored.n_spans == 0) {
        return TRACE_VIEW_NOT_FOUND;
    }
    trace_view_derive(stored.spans, stored.n_spans, arena, &view);
    view.cut = stored.cut;
    view.damaged = stored.damaged;
    if (map != NULL) {
        TRY(edges_read(store, map, arena, &view));
    }
    *ret_view = view;
    return 0;
}

size_t trace_view_first_edge(const TraceView *view, uint32_t span)
{
    size_t low = 0, high = view->n_edges;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (view->edges[middle].span < span) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
