// SPDX-License-Identifier: Apache-2.0
#include "map/flow/flow_history.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/hash.h"
#include "map/answer/consult.h"

/*
 * Time is cut into points: those of the window behind as many that lead to it. An element's runs
 * are counted point by point, in one array that is used for one element after the other, and held
 * against the runs of the flow.
 */
typedef struct Point {
    uint64_t runs, failures;
} Point;

typedef struct Telling {
    const MapFlowHistoryQuestion *question;
    const MapTables *tables;
    Arena *arena;
    uint32_t step;    /* minutes of a point */
    uint32_t start;   /* minute of the first leading point */
    uint32_t lead;    /* leading points */
    size_t n_all;     /* points, those included */
    Point *flow;      /* runs, by point */
    uint64_t *having; /* runs that have the element at hand */
    size_t changes_capacity;
    MapFlowHistory history;
} Telling;

static uint32_t point_minute(const Telling *telling, size_t point)
{
    return telling->start + (uint32_t)point * telling->step;
}

static bool is_wanted(const MapFlowQuestion *question, const NodeKey *key)
{
    return (key->type == NODE_FLOW || key->type == NODE_STEP) &&
           str_equal(key->name, question->name) &&
           (question->scope.len == 0 || str_equal(key->scope, question->scope)) &&
           (!question->has_environment || str_equal(key->environment, question->environment));
}

static CellSum point_sum(const Telling *telling, const Cells *cells, size_t point)
{
    CellSum sum = {0};

    cells_sum(cells, point_minute(telling, point), point_minute(telling, point + 1), &sum);
    return sum;
}

/* The next point at or behind @point that has cells; n_all when there is none. */
static size_t next_point(const Telling *telling, const Cells *cells, size_t point)
{
    uint32_t minute =
        point < telling->n_all ? cells_next(cells, point_minute(telling, point)) : UINT32_MAX;
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
            is_wanted(&telling->question->flow, &telling->tables->node[series->key.a].key)) {
            found = true;
            count_runs(telling, &series->cells);
        }
    }
    for (size_t i = 0; i < history->n_points; i++) {
        const Point *point = &telling->flow[telling->lead + i];

        history->points[i] = (MapFlowPoint){
            .minute = point_minute(telling, telling->lead + i),
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

static void end_interval(const Telling *telling, const Walk *walk, bool on, MapFlowElement *element)
{
    uint32_t lead = telling->lead;
    size_t last = on ? telling->n_all - 1 : walk->last;

    if (last < lead) {
        return;
    }
    element->intervals[element->n_intervals++] = (MapFlowInterval){
        .first = walk->first < lead ? 0 : (uint32_t)(walk->first - lead),
        .last = (uint32_t)(last - lead),
        .before = walk->first < lead,
        .on = on,
    };
}

static void take_point(const Telling *telling, size_t point, Walk *walk, MapFlowElement *element)
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
        end_interval(telling, walk, false, element);
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

/* The intervals of the element whose runs are counted in @having. */
static void tell_intervals(Telling *telling, MapFlowElement *element)
{
    Walk walk = {.open = false};

    element->intervals = ARENA_ARRAY(telling->arena, MapFlowInterval, count_intervals_max(telling));
    for (size_t i = 0; i < telling->n_all; i++) {
        if (point_minute(telling, i + 1) <= telling->question->complete_to_minute ||
            telling->having[i] > 0) {
            take_point(telling, i, &walk, element);
        }
    }
    if (walk.open) {
        end_interval(telling, &walk, true, element);
    }
}

/* ---- elements ---- */

/* A series of a step or transition, to be added up with those of the same name. */
typedef struct Part {
    Str from, to;
    const Cells *cells;
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
           is_wanted(&telling->question->flow, &telling->tables->node[series->key.a].key);
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
            parts[n] =
                (Part){.from = tables->node[series->key.a].key.part, .cells = &series->cells};
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
static void count_having(const Telling *telling, const Cells *cells)
{
    for (size_t i = next_point(telling, cells, 0); i < telling->n_all;
         i = next_point(telling, cells, i + 1)) {
        CellSum sum = point_sum(telling, cells, i);

        telling->having[i] += sum.adjusted > 0 ? (uint64_t)(sum.adjusted / ADJUSTED_ONE) : 0;
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
                                  .to = arena_copy(telling->arena, parts[i].to)};

        mem_fill(telling->having, 0, telling->n_all * sizeof(telling->having[0]));
        for (end = i; end < n && compare_parts(&parts[i], &parts[end]) == 0; end++) {
            count_having(telling, parts[end].cells);
        }
        if (history->n_elements == FLOW_HISTORY_ELEMENTS_MAX) {
            history->n_left_out++;
            continue;
        }
        tell_intervals(telling, &element);
        if (element.n_intervals > 0) {
            history->elements[history->n_elements++] = element;
        }
    }
}

/* ---- changes ---- */

static MapFlowChange *add_change(Telling *telling, uint32_t point, MapFlowChangeKind kind)
{
    MapFlowHistory *history = &telling->history;

    if (history->n_changes == telling->changes_capacity) {
        size_t capacity = MAX(telling->changes_capacity * 2, (size_t)64);
        MapFlowChange *changes = ARENA_ARRAY(telling->arena, MapFlowChange, capacity);

        if (history->n_changes > 0) {
            mem_copy(changes, history->changes, history->n_changes * sizeof(*changes));
        }
        history->changes = changes;
        telling->changes_capacity = capacity;
    }
    MapFlowChange *change = &history->changes[history->n_changes++];
    *change = (MapFlowChange){.point = point, .kind = kind};
    return change;
}

static void tell_changes(Telling *telling)
{
    const MapFlowHistory *history = &telling->history;

    for (size_t i = 0; i < history->n_elements; i++) {
        const MapFlowElement *element = &history->elements[i];

        for (size_t k = 0; k < element->n_intervals; k++) {
            const MapFlowInterval *interval = &element->intervals[k];

            if (!interval->before) {
                add_change(telling, interval->first, FLOW_CAME)->element = element;
            }
            if (!interval->on && interval->last + 1 < history->n_points) {
                add_change(telling, interval->last + 1, FLOW_WENT)->element = element;
            }
        }
    }
}

/* Marks the services that perform the flow's steps, by symbol of their node. */
static void mark_services(const Telling *telling, bool *services)
{
    const MapTables *tables = telling->tables;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (series->key.kind == SERIES_EDGE && series->key.relation == RELATION_PERFORMS &&
            series->presence.n_runs > 0 &&
            is_wanted(&telling->question->flow, &tables->node[series->key.b].key)) {
            services[series->key.a] = true;
        }
    }
}

static void tell_deploy(Telling *telling, const Series *series, uint32_t minute)
{
    CLEANUP(buf_deinit) Buf id = {0};
    const MapTables *tables = telling->tables;
    uint32_t point = (minute - telling->question->flow.from_minute) / telling->step;
    MapFlowChange *change = add_change(telling, point, FLOW_DEPLOYED);

    node_id_append(symbols_get(&tables->nodes, series->key.a), &id);
    change->service_id = arena_copy(telling->arena, buf_str(&id));
    change->service = tables_copy_node(tables, series->key.a, telling->arena);
    change->version = tables_copy_text(tables, series->key.c, telling->arena);
    change->minute = minute;
}

/* A version's label is counted by the minute (tables.c), so its first minute is its arrival. */
static void tell_deploys(Telling *telling)
{
    const MapTables *tables = telling->tables;
    uint32_t from = telling->question->flow.from_minute;
    uint32_t to = point_minute(telling, telling->n_all);
    uint32_t key = symbols_find(&tables->texts, STR("service.version"));
    bool *services = ARENA_ARRAY(telling->arena, bool, symbols_count(&tables->nodes) + 1);

    if (key == SYMBOL_NONE) {
        return;
    }
    mark_services(telling, services);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (series->key.kind == SERIES_LABEL && series->key.b == key && services[series->key.a] &&
            series->presence.n_runs > 0) {
            uint32_t minute = presence_first(&series->presence);

            if (minute >= from && minute < to) {
                tell_deploy(telling, series, minute);
            }
        }
    }
}

static int compare_changes(const void *a, const void *b)
{
    const MapFlowChange *left = a, *right = b;

    if (left->point != right->point) {
        return left->point < right->point ? -1 : 1;
    }
    if ((left->kind == FLOW_DEPLOYED) != (right->kind == FLOW_DEPLOYED)) {
        return left->kind == FLOW_DEPLOYED ? -1 : 1;
    }
    if (left->kind != right->kind) {
        return left->kind < right->kind ? -1 : 1;
    }
    if (left->kind != FLOW_DEPLOYED) {
        return (left->element > right->element) - (left->element < right->element);
    }
    if (left->minute != right->minute) {
        return left->minute < right->minute ? -1 : 1;
    }
    int order = str_compare(left->service_id, right->service_id);
    return order != 0 ? order : str_compare(left->version, right->version);
}

/* ---- versions ---- */

/* The sum over a shape's elements tells it, in whatever order they came. */
static uint64_t element_hash(const MapFlowElement *element)
{
    uint64_t of_to = hash_stable(element->to);

    return hash_stable(element->from) * 3 + (of_to << 31 | of_to >> 33);
}

static void change_version(MapFlowVersion *version, const MapFlowElement *element, bool came)
{
    uint64_t by = came ? 1 : UINT64_MAX; /* -1 */
    bool is_step = element->to.len == 0;

    version->shape += by * element_hash(element);
    version->steps += is_step ? by : 0;
    version->follows += is_step ? 0 : by;
}

static MapFlowVersion first_version(const MapFlowHistory *history)
{
    MapFlowVersion version = {.point = 0};

    for (size_t i = 0; i < history->n_elements; i++) {
        if (history->elements[i].intervals[0].before) {
            change_version(&version, &history->elements[i], true);
        }
    }
    return version;
}

/* A version for each point in which something came or went; what comes in the first point makes
 * the first. */
static void tell_versions(Telling *telling)
{
    MapFlowHistory *history = &telling->history;
    MapFlowVersion now = first_version(history);
    size_t next_change = 0;

    history->versions = ARENA_ARRAY(telling->arena, MapFlowVersion, history->n_changes + 1);
    if (now.steps > 0 && (history->n_changes == 0 || history->changes[0].point > 0)) {
        history->versions[history->n_versions++] = now;
    }
    for (size_t i = 0, end; i < history->n_changes; i = end) {
        bool moved = false;

        for (end = i;
             end < history->n_changes && history->changes[end].point == history->changes[i].point;
             end++) {
            const MapFlowChange *change = &history->changes[end];

            if (change->kind != FLOW_DEPLOYED) {
                change_version(&now, change->element, change->kind == FLOW_CAME);
                moved = true;
            }
        }
        if (moved || (history->n_versions == 0 && now.steps > 0)) {
            now.point = history->changes[i].point;
            now.first_change = next_change;
            now.n_changes = end - next_change;
            next_change = end;
            history->versions[history->n_versions++] = now;
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
    tell_changes(telling);
    tell_deploys(telling);
    if (telling->history.n_changes > 0) {
        qsort(telling->history.changes, telling->history.n_changes, sizeof(MapFlowChange),
              compare_changes);
    }
    tell_versions(telling);
    return 0;
}

int map_flow_history(Map *map, const MapFlowHistoryQuestion *question, Arena *arena,
                     MapFlowHistory *ret_history)
{
    Telling telling = {
        .question = question, .step = MAX(question->step_minutes, 1U), .arena = arena};

    prepare(&telling);
    PageWindow pages =
        page_steps(telling.start, point_minute(&telling, telling.n_all), telling.step);
    TRY(map_consult(map, pages, tell_history, &telling));
    *ret_history = telling.history;
    return 0;
}
