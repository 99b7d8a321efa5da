// SPDX-License-Identifier: Apache-2.0
#include "map/flow/flow_history_private.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * Time is cut into points: those of the window behind as many that lead to it. An element's runs
 * are counted point by point, in one array that is used for one element after the other, and held
 * against the runs of the flow.
 */
bool history_is_wanted(const MapFlowQuestion *question, const NodeKey *key)
{
    return (key->type == NODE_FLOW || key->type == NODE_STEP) &&
           str_equal(key->name, question->name) &&
           (question->scope.len == 0 || str_equal(key->scope, question->scope)) &&
           (!question->has_environment || str_equal(key->environment, question->environment));
}

static CellSum point_sum(const Telling *telling, const Cells *cells, size_t point)
{
    CellSum sum = {0};

    cells_sum(cells, history_minute(telling, point), history_minute(telling, point + 1), &sum);
    return sum;
}

/* The next point at or behind @point that has cells; n_all when there is none. */
static size_t next_point(const Telling *telling, const Cells *cells, size_t point)
{
    uint32_t minute =
        point < telling->n_all ? cells_next(cells, history_minute(telling, point)) : UINT32_MAX;
    size_t found =
        minute == UINT32_MAX ? telling->n_all : (minute - telling->start) / telling->step;

    return MIN(found, telling->n_all);
}

/* ---- the flow ---- */

static void count_runs(Telling *telling, const Cells *cells)
{
    for (size_t i = next_point(telling, cells, 0); i < telling->n_all;
         i = next_point(telling, cells, i + 1)) {
        CellSum sum = point_sum(telling, cells, i);

        telling->flow[i].runs += sum.count > 0 ? (uint64_t)sum.count : 0;
        telling->flow[i].failures += sum.errors > 0 ? (uint64_t)sum.errors : 0;
    }
}

/* The points of the window, by the runs of the flow. */
static int tell_runs(Telling *telling)
{
    MapFlowHistory *history = &telling->history;
    bool found = false;

    for (size_t i = 0; i < telling->tables->series.n_records; i++) {
        const Series *series = tables_series(telling->tables, i);

        if (series->key.kind == SERIES_RUN && series->presence.n_runs > 0 &&
            history_is_wanted(&telling->question->flow,
                              &telling->tables->node[series->key.a].key)) {
            found = true;
            count_runs(telling, &series->cells);
        }
    }
    for (size_t i = 0; i < history->n_points; i++) {
        const Point *point = &telling->flow[telling->lead + i];

        history->points[i] = (MapFlowPoint){
            .minute = history_minute(telling, telling->lead + i),
            .runs = point->runs,
            .failures = point->failures,
        };
    }
    return found ? 0 : MAP_NO_SUCH_NODE;
}

/* ---- when an element was there ---- */

/* What is known of an element at the point that is looked at. */
typedef struct Walk {
    size_t first, last;    /* points that have it, of the interval at hand */
    uint64_t runs, having; /* of the flow since @first, and those that have it, until @last */
    uint64_t missing;      /* runs since @last */
    bool open;
} Walk;

/* Whether so many runs without the element are hardly chance. */
static bool is_gone(const Telling *telling, const Walk *walk, size_t point)
{
    static const double hardly = 0.001;
    uint64_t absent = (point - walk->last) * telling->step;
    double share = (double)walk->having / (double)(walk->runs + 1);

    return absent > telling->tables->presence_gap && walk->missing > 0 &&
           (double)walk->missing * log1p(-MIN(share, 0.999999)) < log(hardly);
}

/* Intervals of what is at hand. */
typedef struct Intervals {
    MapFlowInterval *items;
    size_t n;
} Intervals;

static void end_interval(const Telling *telling, const Walk *walk, bool on, Intervals *intervals)
{
    uint32_t lead = telling->lead;
    size_t last = on ? telling->n_all - 1 : walk->last;

    if (last < lead) {
        return;
    }
    intervals->items[intervals->n++] = (MapFlowInterval){
        .first = walk->first < lead ? 0 : (uint32_t)(walk->first - lead),
        .last = (uint32_t)(last - lead),
        .before = walk->first < lead,
        .on = on,
    };
}

static void take_point(const Telling *telling, size_t point, Walk *walk, Intervals *intervals)
{
    bool has = telling->having[point] > 0;

    if (has && !walk->open) {
        *walk = (Walk){.first = point, .open = true};
    }
    if (!walk->open) {
        return;
    }
    walk->missing += telling->flow[point].runs;
    if (has) {
        walk->runs += walk->missing;
        walk->having += telling->having[point];
        walk->missing = 0;
        walk->last = point;
    } else if (is_gone(telling, walk, point)) {
        end_interval(telling, walk, false, intervals);
        walk->open = false;
    }
}

static size_t count_intervals_max(const Telling *telling)
{
    size_t n = 1;

    for (size_t i = 1; i < telling->n_all; i++) {
        n += telling->having[i] > 0 && telling->having[i - 1] == 0;
    }
    return n + 1;
}

MapFlowInterval *history_intervals(Telling *telling, size_t *ret_n)
{
    Walk walk = {.open = false};
    Intervals intervals = {
        ARENA_ARRAY(telling->arena, MapFlowInterval, count_intervals_max(telling)), 0};

    for (size_t i = 0; i < telling->n_all; i++) {
        if (history_minute(telling, i + 1) <= telling->question->complete_to_minute ||
            telling->having[i] > 0) {
            take_point(telling, i, &walk, &intervals);
        }
    }
    if (walk.open) {
        end_interval(telling, &walk, true, &intervals);
    }
    *ret_n = intervals.n;
    return intervals.items;
}

/* ---- elements ---- */

/* A series of a step or transition, to be added up with those of the same name. */
typedef struct Part {
    Str from, to;
    const Series *series;
} Part;

static int compare_names(Str from, Str to, Str other_from, Str other_to)
{
    int order = (to.len > 0) - (other_to.len > 0);

    order = order != 0 ? order : str_compare(from, other_from);
    return order != 0 ? order : str_compare(to, other_to);
}

static int compare_parts(const void *a, const void *b)
{
    const Part *left = a, *right = b;

    return compare_names(left->from, left->to, right->from, right->to);
}

static bool is_part(const Telling *telling, const Series *series)
{
    return (series->key.kind == SERIES_STEP || series->key.kind == SERIES_NEXT) &&
           series->presence.n_runs > 0 &&
           history_is_wanted(&telling->question->flow, &telling->tables->node[series->key.a].key);
}

static size_t find_parts(const Telling *telling, Part **ret_parts)
{
    const MapTables *tables = telling->tables;
    size_t n = 0, capacity = 0;
    Part *parts = NULL;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (is_part(telling, series)) {
            ARRAY_RESERVE(parts, n, capacity);
            parts[n] = (Part){.from = tables->node[series->key.a].key.part, .series = series};
            if (series->key.kind == SERIES_NEXT) {
                parts[n].to = tables->node[series->key.b].key.part;
            }
            n++;
        }
    }
    if (n > 0) {
        qsort(parts, n, sizeof(Part), compare_parts);
    }
    *ret_parts = parts;
    return n;
}

/* How many runs have a step or transition stands in `adjusted` of its cells (run.c). */
void history_count(const Telling *telling, const Cells *cells, bool adjusted)
{
    for (size_t i = next_point(telling, cells, 0); i < telling->n_all;
         i = next_point(telling, cells, i + 1)) {
        CellSum sum = point_sum(telling, cells, i);
        int64_t runs = adjusted ? (int64_t)(sum.adjusted / ADJUSTED_ONE) : sum.count;

        telling->having[i] += runs > 0 ? (uint64_t)runs : 0;
    }
}

static void tell_elements(Telling *telling)
{
    CLEANUP(mem_freep) Part *parts = NULL;
    MapFlowHistory *history = &telling->history;
    size_t n = find_parts(telling, &parts);

    history->elements =
        ARENA_ARRAY(telling->arena, MapFlowElement, MIN(n, (size_t)FLOW_HISTORY_ELEMENTS_MAX) + 1);
    for (size_t i = 0, end; i < n; i = end) {
        MapFlowElement element = {.from = arena_copy(telling->arena, parts[i].from),
                                  .to = arena_copy(telling->arena, parts[i].to),
                                  .first_minute = UINT32_MAX};

        mem_fill(telling->having, 0, telling->n_all * sizeof(telling->having[0]));
        for (end = i; end < n && compare_parts(&parts[i], &parts[end]) == 0; end++) {
            history_count(telling, &parts[end].series->cells, true);
            element.first_minute =
                MIN(element.first_minute, presence_first(&parts[end].series->presence));
        }
        if (history->n_elements == FLOW_HISTORY_ELEMENTS_MAX) {
            history->n_left_out++;
            continue;
        }
        element.intervals = history_intervals(telling, &element.n_intervals);
        if (element.n_intervals > 0) {
            history->elements[history->n_elements++] = element;
        }
    }
}

/* ---- the question ---- */

static void prepare(Telling *telling)
{
    const MapFlowQuestion *asked = &telling->question->flow;
    uint64_t minutes = asked->to_minute - MIN(asked->from_minute, asked->to_minute);
    uint64_t n =
        MIN((minutes + telling->step - 1) / telling->step, (uint64_t)FLOW_HISTORY_POINTS_MAX);

    telling->history.n_points = (size_t)n;
    telling->history.points = ARENA_ARRAY(telling->arena, MapFlowPoint, (size_t)n + 1);
    telling->lead = (uint32_t)MIN(n, (uint64_t)(asked->from_minute / telling->step));
    telling->start = asked->from_minute - telling->lead * telling->step;
    telling->n_all = telling->lead + (size_t)n;
    telling->history.looked_back_to = telling->start;
    telling->history.step_minutes = telling->step;
    telling->flow = ARENA_ARRAY(telling->arena, Point, telling->n_all + 1);
    telling->having = ARENA_ARRAY(telling->arena, uint64_t, telling->n_all + 1);
}

static int tell_history(const MapTables *tables, const MapOptions *options, void *context)
{
    Telling *telling = context;

    (void)options;
    telling->tables = tables;
    TRY(tell_runs(telling));
    tell_elements(telling);
    history_tell_variants(telling);
    history_tell_changes(telling);
    return 0;
}

int map_flow_history(Map *map, const MapFlowHistoryQuestion *question, Arena *arena,
                     MapFlowHistory *ret_history)
{
    Telling telling = {
        .question = question, .step = MAX(question->step_minutes, 1U), .arena = arena};

    prepare(&telling);
    PageWindow pages =
        page_steps(telling.start, history_minute(&telling, telling.n_all), telling.step);
    TRY(map_consult(map, pages, tell_history, &telling));
    *ret_history = telling.history;
    return 0;
}
