// SPDX-License-Identifier: Apache-2.0
#include "map/answer/history.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/answer/answer.h"
#include "map/answer/consult.h"

/*
 * One bit a step says whether an element was there. The steps reach over the window by the gap on
 * both sides, so that what was there just before does not appear at its beginning. An edge's bits
 * are made and forgotten in turn; nodes keep theirs, since many edges add to them.
 */
typedef struct Bits {
    uint64_t *words;
    size_t n_bits;
} Bits;

typedef struct Telling {
    const MapHistoryQuestion *question;
    MapQuestion window; /* the question's, reaching over */
    uint32_t step;      /* minutes */
    uint32_t gap;       /* steps without calls that do not end a presence */
    uint32_t lead;      /* steps that reach over before the window */
    Arena *arena;
    Graph graph;
    const MapTables *tables;
    Bits edge;
    uint64_t **node_words; /* by graph node; NULL: none yet */
    size_t n_words;
    MapHistory history;
    size_t events_capacity;
} Telling;

static void bit_set(uint64_t *words, size_t bit)
{
    words[bit / 64] |= (uint64_t)1 << bit % 64;
}

static bool bit_get(const uint64_t *words, size_t bit)
{
    return (words[bit / 64] >> bit % 64 & 1) != 0;
}

/* --- Presence --- */

static uint32_t step_of(const Telling *telling, uint32_t minute)
{
    return (minute - telling->window.from_minute) / telling->step;
}

static uint32_t step_end(const Telling *telling, uint32_t step)
{
    uint64_t end = telling->window.from_minute + ((uint64_t)step + 1) * telling->step;

    return (uint32_t)MIN(end, (uint64_t)telling->window.to_minute);
}

static void mark_piece(const Telling *telling, const GraphPiece *piece, uint64_t *words)
{
    const Cells *cells = &tables_series(telling->tables, piece->series)->cells;
    uint32_t to = piece_to(piece, &telling->window);
    uint32_t minute = cells_next(cells, piece_from(piece, &telling->window));

    while (minute < to) {
        uint32_t step = step_of(telling, minute);

        bit_set(words, step);
        minute = cells_next(cells, step_end(telling, step));
    }
}

/* Of the thin hours just before the window one cell is known, but presence tells to the minute: an
 * edge that was there at their end is none that appears (docs/adr/0021). Of requests and hops it
 * tells days, so what has some before and after counts as there. */
static void mark_thin_lead(const Telling *telling, const GraphPiece *piece, uint64_t *words)
{
    const Series *series = tables_series(telling->tables, piece->series);
    uint32_t to = telling->question->filters.from_minute;
    uint32_t from = telling->window.from_minute, end;
    MapInterval there;

    for (; from < to && telling->step < MINUTES_PER_HOUR; from = end) {
        end = MIN(to, (from / MINUTES_PER_HOUR + 1) * MINUTES_PER_HOUR);
        if (tables_is_thin(telling->tables, series, from) &&
            presence_clip(&series->presence, from, end, &there)) {
            bit_set(words, step_of(telling, there.last_minute));
        }
    }
}

static void mark(const Telling *telling, const GraphPiece *piece, uint64_t *words)
{
    mark_piece(telling, piece, words);
    mark_thin_lead(telling, piece, words);
}

static uint64_t *node_words(Telling *telling, uint32_t node)
{
    if (telling->node_words[node] == NULL) {
        telling->node_words[node] = ARENA_ARRAY(telling->arena, uint64_t, telling->n_words);
    }
    return telling->node_words[node];
}

static void mark_node(Telling *telling, uint32_t node, const uint64_t *words)
{
    for (; node != GRAPH_NONE; node = telling->graph.nodes[node].parent) {
        uint64_t *own = node_words(telling, node);

        for (size_t i = 0; i < telling->n_words; i++) {
            own[i] |= words[i];
        }
    }
}

/* --- Events --- */

static MapEvent *add_event(Telling *telling, uint32_t step, MapEventKind kind)
{
    MapHistory *history = &telling->history;

    if (history->n_events == MAP_HISTORY_EVENTS_MAX) {
        history->n_left_out++;
        return NULL;
    }
    if (history->n_events == telling->events_capacity) {
        size_t capacity = MAX(telling->events_capacity * 2, (size_t)64);
        MapEvent *events = ARENA_ARRAY(telling->arena, MapEvent, capacity);

        if (history->n_events > 0) {
            mem_copy(events, history->events, history->n_events * sizeof(*events));
        }
        history->events = events;
        telling->events_capacity = capacity;
    }
    MapEvent *event = &history->events[history->n_events++];
    *event = (MapEvent){.step = step, .kind = kind};
    return event;
}

static NodeKey node_key(const Telling *telling, uint32_t node)
{
    NodeKey key;
    Str bytes = arena_copy(telling->arena, telling->graph.nodes[node].key_bytes);

    ASSERT(node_key_parse(bytes, &key) == 0);
    return key;
}

/* An element of the map: an edge as its piece tells, or a node. */
typedef struct Element {
    const GraphPiece *edge; /* NULL: a node */
    uint32_t node;
} Element;

static void tell(Telling *telling, const Element *element, uint32_t step, MapEventKind kind)
{
    CLEANUP(buf_deinit) Buf id = {0};
    const GraphNode *nodes = telling->graph.nodes;
    MapEvent *event = add_event(telling, step, kind);

    if (event == NULL) {
        return;
    }
    if (element->edge == NULL) {
        node_id_append(nodes[element->node].key_bytes, &id);
        event->node = node_key(telling, element->node);
    } else {
        const GraphPiece *edge = element->edge;

        answer_edge_id(nodes[edge->source].key_bytes, edge->relation, nodes[edge->target].key_bytes,
                       &id);
        event->is_edge = true;
        event->node = node_key(telling, edge->source);
        event->target = node_key(telling, edge->target);
        event->relation = edge->relation;
    }
    event->id = arena_copy(telling->arena, buf_str(&id));
}

/* Counts the element in its steps and tells when it came and went. */
static void take_element(Telling *telling, const Element *element, const uint64_t *words)
{
    size_t n_bits = telling->edge.n_bits, last = SIZE_MAX;
    size_t first_step = telling->lead, n_steps = telling->history.n_steps;

    for (size_t bit = 0; bit < n_bits; bit++) {
        if (!bit_get(words, bit)) {
            /* Gone since the step behind the last, which is sure only now. */
            if (last != SIZE_MAX && bit == last + telling->gap + 1 && last + 1 >= first_step &&
                last + 1 < first_step + n_steps &&
                step_end(telling, (uint32_t)bit) <= telling->question->complete_to_minute) {
                tell(telling, element, (uint32_t)(last + 1 - first_step), MAP_VANISHED);
            }
            continue;
        }
        if (bit >= first_step && bit < first_step + n_steps) {
            MapHistoryStep *step = &telling->history.steps[bit - first_step];

            step->edges += element->edge != NULL;
            step->nodes += element->edge == NULL;
            if (last == SIZE_MAX || bit > last + telling->gap + 1) {
                tell(telling, element, (uint32_t)(bit - first_step), MAP_APPEARED);
            }
        }
        last = bit;
    }
}

static int compare_edges(const void *a, const void *b)
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

static void take_edges(Telling *telling)
{
    GraphPieces *edges = &telling->graph.edges;

    if (edges->count > 0) {
        qsort(edges->items, edges->count, sizeof(edges->items[0]), compare_edges);
    }
    for (size_t i = 0, end; i < edges->count; i = end) {
        bool keep = false;

        mem_fill(telling->edge.words, 0, telling->n_words * sizeof(uint64_t));
        for (end = i;
             end < edges->count && compare_edges(&edges->items[i], &edges->items[end]) == 0;
             end++) {
            if (edges->items[end].keep) {
                mark(telling, &edges->items[end], telling->edge.words);
                keep = true;
            }
        }
        if (keep) {
            take_element(telling, &(Element){.edge = &edges->items[i]}, telling->edge.words);
            mark_node(telling, edges->items[i].source, telling->edge.words);
            mark_node(telling, edges->items[i].target, telling->edge.words);
        }
    }
}

static void sum_requests(Telling *telling, const GraphPiece *piece)
{
    const Cells *cells = &tables_series(telling->tables, piece->series)->cells;

    for (size_t i = 0; i < telling->history.n_steps; i++) {
        uint32_t bit = (uint32_t)(i + telling->lead);
        MapHistoryStep *step = &telling->history.steps[i];
        CellSum sum = {0};

        if (bit_get(telling->edge.words, bit)) {
            cells_sum(cells, step->minute, step_end(telling, bit), &sum);
            step->requests += sum.count > 0 ? (uint64_t)sum.count : 0;
            step->errors += sum.errors > 0 ? (uint64_t)sum.errors : 0;
        }
    }
}

/* Hops and requests, whose nodes are there by them. */
static void take_others(Telling *telling, const GraphPieces *pieces, bool are_requests)
{
    for (size_t i = 0; i < pieces->count; i++) {
        const GraphPiece *piece = &pieces->items[i];

        if (!piece->keep) {
            continue;
        }
        mem_fill(telling->edge.words, 0, telling->n_words * sizeof(uint64_t));
        mark(telling, piece, telling->edge.words);
        mark_node(telling, piece->source, telling->edge.words);
        mark_node(telling, piece->target, telling->edge.words);
        mark_node(telling, piece->via, telling->edge.words);
        if (are_requests) {
            sum_requests(telling, piece);
        }
    }
}

/* A version's label is counted by the minute (tables.c), so its first minute is its arrival. */
static void take_versions(Telling *telling)
{
    uint32_t key = symbols_find(&telling->tables->texts, STR("service.version"));
    const MapQuestion *asked = &telling->question->filters;

    for (size_t i = 0; key != SYMBOL_NONE && i < telling->tables->series.n_records; i++) {
        const Series *series = tables_series(telling->tables, i);
        uint32_t node = series->key.kind == SERIES_LABEL && series->key.b == key
                            ? telling->graph.of_symbol[series->key.a]
                            : 0;
        uint32_t minute = node == 0 || series->presence.n_runs == 0
                              ? UINT32_MAX
                              : series->presence.runs[0].first_minute;

        if (minute < asked->from_minute || minute >= asked->to_minute ||
            !telling->graph.nodes[node - 1].keep) {
            continue;
        }
        uint32_t step = step_of(telling, minute) - telling->lead;
        size_t before = telling->history.n_events;
        if (step < telling->history.n_steps) {
            tell(telling, &(Element){.node = node - 1}, step, MAP_DEPLOYED);
        }
        if (telling->history.n_events > before) {
            telling->history.events[before].version =
                tables_copy_text(telling->tables, series->key.c, telling->arena);
        }
    }
}

static int compare_events(const void *a, const void *b)
{
    const MapEvent *left = a, *right = b;

    if (left->step != right->step) {
        return left->step < right->step ? -1 : 1;
    }
    if (left->kind != right->kind) {
        return left->kind < right->kind ? -1 : 1;
    }
    if (left->is_edge != right->is_edge) {
        return left->is_edge ? 1 : -1;
    }
    int order = str_compare(left->id, right->id);
    return order != 0 ? order : str_compare(left->version, right->version);
}

static void sort_events(MapHistory *history)
{
    if (history->n_events > 0) {
        qsort(history->events, history->n_events, sizeof(MapEvent), compare_events);
    }
    for (size_t i = 0; i < history->n_events; i++) {
        MapHistoryStep *step = &history->steps[history->events[i].step];

        step->first_event = step->n_events == 0 ? i : step->first_event;
        step->n_events++;
    }
}

/* What is to be looked at, which depends on the gap. */
static int prepare(const MapTables *tables, const MapOptions *options, void *context)
{
    Telling *telling = context;
    const MapQuestion *asked = &telling->question->filters;
    uint64_t minutes = asked->to_minute - MIN(asked->from_minute, asked->to_minute);
    uint64_t n_steps = (minutes + telling->step - 1) / telling->step;

    telling->tables = tables;
    telling->gap = tables->presence_gap / telling->step;
    telling->lead = MIN(telling->gap + 1, asked->from_minute / telling->step);
    telling->history.n_steps = (size_t)MIN(n_steps, (uint64_t)MAP_HISTORY_STEPS_MAX);
    telling->history.steps =
        ARENA_ARRAY(telling->arena, MapHistoryStep, telling->history.n_steps + 1);
    for (size_t i = 0; i < telling->history.n_steps; i++) {
        telling->history.steps[i].minute = (uint32_t)(asked->from_minute + i * telling->step);
    }
    telling->edge.n_bits = telling->history.n_steps + telling->lead + telling->gap + 1;
    telling->window = *asked;
    telling->window.from_minute -= telling->lead * telling->step;
    telling->window.to_minute =
        (uint32_t)(telling->window.from_minute + telling->edge.n_bits * telling->step);
    telling->n_words = telling->edge.n_bits / 64 + 1;
    telling->edge.words = ARENA_ARRAY(telling->arena, uint64_t, telling->n_words);
    return 0;
}

static int tell_history(const MapTables *tables, const MapOptions *options, void *context)
{
    Telling *telling = context;
    CLEANUP(arena_deinit) Arena meanings = {0};

    graph_build(&telling->graph, tables, &telling->window, &meanings);
    int result = graph_filter(&telling->graph);
    if (result == 0) {
        telling->node_words =
            ARENA_ARRAY(telling->arena, uint64_t *, graph_node_count(&telling->graph) + 1);
        take_edges(telling);
        take_others(telling, &telling->graph.hops, false);
        take_others(telling, &telling->graph.requests, true);
        for (size_t i = 0; i < graph_node_count(&telling->graph); i++) {
            if (telling->node_words[i] != NULL) {
                take_element(telling, &(Element){.node = (uint32_t)i}, telling->node_words[i]);
            }
        }
        take_versions(telling);
        sort_events(&telling->history);
    }
    graph_deinit(&telling->graph);
    return result;
}

int map_history(Map *map, const MapHistoryQuestion *question, Arena *arena, MapHistory *ret_history)
{
    Telling telling = {
        .question = question, .step = MAX(question->step_minutes, 1U), .arena = arena};

    TRY(map_consult(map, (PageWindow){0}, prepare, &telling));
    PageWindow pages =
        page_steps(telling.window.from_minute, telling.window.to_minute, telling.step);
    TRY(map_consult(map, pages, tell_history, &telling));
    *ret_history = telling.history;
    return 0;
}
