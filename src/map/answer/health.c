// SPDX-License-Identifier: Apache-2.0
#include "map/answer/health.h"

#include <stdlib.h>

#include "base/memory.h"
#include "map/answer/consult.h"
#include "map/contract/health.h"
#include "map/flow/dynamic_name.h"

static const struct {
    Str name, advice;
} codes[HEALTH_CODE_COUNT] = {
#define HEALTH_CODE_ROW(name, code, advice) [name] = {STR(code), STR(advice)},
    HEALTH_CODES(HEALTH_CODE_ROW)
#undef HEALTH_CODE_ROW
};

Str health_code_name(HealthCode code)
{
    return codes[code].name;
}

Str health_code_advice(HealthCode code)
{
    return codes[code].advice;
}

/* --- Counts --- */

static uint64_t count_cells(const Cells *cells, uint32_t from_minute, uint32_t to_minute)
{
    CellSum sum = {0};

    cells_sum(cells, from_minute, to_minute, &sum);
    return sum.count > 0 ? (uint64_t)sum.count : 0;
}

static uint64_t spans_of(const MapTables *tables, uint32_t service, uint32_t from_minute,
                         uint32_t to_minute)
{
    SeriesKey key = {.kind = SERIES_SPAN, .a = service};
    const Series *series = table_find(&tables->series, &key);

    return series == NULL ? 0 : count_cells(&series->cells, from_minute, to_minute);
}

static Str copy_id(const MapTables *tables, uint32_t node, Arena *arena)
{
    CLEANUP(buf_deinit) Buf id = {0};

    node_id_append(symbols_get(&tables->nodes, node), &id);
    return arena_copy(arena, buf_str(&id));
}

/* --- All counts, for comparing maps --- */

typedef struct Findings {
    uint32_t from_minute, to_minute;
    Arena *arena;
    MapFinding *items;
    size_t n_items;
} Findings;

static int compare_findings(const void *a, const void *b)
{
    const MapFinding *left = a, *right = b;
    int order = left->kind != right->kind ? (left->kind < right->kind ? -1 : 1)
                                          : str_compare(left->code, right->code);

    return order != 0 ? order : str_compare(left->node_id, right->node_id);
}

static int take_findings(const MapTables *tables, const MapOptions *options, void *context)
{
    Findings *findings = context;
    uint32_t from = findings->from_minute, to = findings->to_minute;

    findings->items = ARENA_ARRAY(findings->arena, MapFinding, tables->series.n_records + 1);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);
        SeriesKind kind = (SeriesKind)series->key.kind;
        bool is_one = kind == SERIES_UNRESOLVED || kind == SERIES_ORPHAN || kind == SERIES_FINDING;
        uint64_t count = is_one ? count_cells(&series->cells, from, to) : 0;

        if (count > 0) {
            findings->items[findings->n_items++] = (MapFinding){
                .kind = (DeltaKind)kind,
                .code = kind == SERIES_FINDING
                            ? tables_copy_text(tables, series->key.b, findings->arena)
                            : (Str){0},
                .node_id = copy_id(tables, series->key.a, findings->arena),
                .service = tables_copy_node(tables, series->key.a, findings->arena),
                .count = count,
                .spans = spans_of(tables, series->key.a, from, to),
                .example = series_latest_example(series, from, to),
            };
        }
    }
    qsort(findings->items, findings->n_items, sizeof(MapFinding), compare_findings);
    return 0;
}

void map_findings(Map *map, uint32_t from_minute, uint32_t to_minute, Arena *arena,
                  MapFinding **ret_findings, size_t *ret_n)
{
    Findings findings = {.from_minute = from_minute, .to_minute = to_minute, .arena = arena};

    (void)map_consult(map, (PageWindow){from_minute, to_minute, MINUTES_PER_DAY}, take_findings,
                      &findings);
    *ret_findings = findings.items;
    *ret_n = findings.n_items;
}

/* --- Judgement --- */

/* A service's name in its scope and namespace, seen with and without an environment. */
typedef struct Split {
    bool with, without;
} Split;

typedef struct Judging {
    const MapTables *tables;
    uint32_t from_minute, to_minute;
    Arena *arena;
    HealthItem *items;
    size_t n_items, capacity;
    Symbols names;
    Split *splits; /* by number in names */
    size_t splits_capacity;
    bool *published; /* by node symbol: queues that have publishers */
    Buf scratch;
} Judging;

static void add_item(Judging *judging, HealthCode code, const Series *series, uint64_t count,
                     uint64_t of)
{
    if (judging->n_items == judging->capacity) {
        size_t capacity = MAX(judging->capacity * 2, (size_t)32);
        HealthItem *items = ARENA_ARRAY(judging->arena, HealthItem, capacity);

        if (judging->n_items > 0) {
            mem_copy(items, judging->items, judging->n_items * sizeof(*items));
        }
        judging->items = items;
        judging->capacity = capacity;
    }
    judging->items[judging->n_items++] = (HealthItem){
        .code = code,
        .node_id = copy_id(judging->tables, series->key.a, judging->arena),
        .node = tables_copy_node(judging->tables, series->key.a, judging->arena),
        .count = count,
        .of = of,
        .example = series_latest_example(series, judging->from_minute, judging->to_minute),
    };
}

static Split *split_of(Judging *judging, const NodeKey *service)
{
    NodeKey key = *service;
    size_t before = symbols_count(&judging->names);

    key.environment = (Str){0};
    buf_clear(&judging->scratch);
    node_key_append(&key, &judging->scratch);
    uint32_t number = symbols_intern(&judging->names, buf_str(&judging->scratch));
    if (number == before) {
        ARRAY_RESERVE(judging->splits, (size_t)number, judging->splits_capacity);
        judging->splits[number] = (Split){0};
    }
    return &judging->splits[number];
}

/* What has to be known of all series before one is judged. */
static void look_over(Judging *judging)
{
    const MapTables *tables = judging->tables;

    judging->published = ARENA_ARRAY(judging->arena, bool, symbols_count(&tables->nodes) + 1);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (series->key.kind == SERIES_EDGE && series->key.relation == RELATION_PUBLISHES &&
            series->presence.n_runs > 0) {
            judging->published[series->key.b] = true;
        }
        if (series->key.kind == SERIES_SPAN &&
            cells_touch(&series->cells, judging->from_minute, judging->to_minute)) {
            const NodeKey *service = &tables->node[series->key.a].key;
            Split *split = split_of(judging, service);

            split->with |= service->environment.len > 0;
            split->without |= service->environment.len == 0;
        }
    }
}

static void judge_service(Judging *judging, const Series *series, uint64_t spans)
{
    const NodeKey *service = &judging->tables->node[series->key.a].key;

    if (str_starts_with(service->name, STR("unknown_service"))) {
        add_item(judging, HEALTH_UNKNOWN_SERVICE, series, spans, 0);
    }
    if (service->environment.len == 0 && split_of(judging, service)->with) {
        add_item(judging, HEALTH_MISSING_ENVIRONMENT, series, spans, 0);
    }
}

static void judge_finding(Judging *judging, const Series *series, uint64_t count)
{
    Str code = symbols_get(&judging->tables->texts, series->key.b);
    uint64_t spans =
        spans_of(judging->tables, series->key.a, judging->from_minute, judging->to_minute);

    if (str_equal(code, HEALTH_BROKEN_QUEUE_CONTEXT)) {
        if (judging->published[series->key.a]) {
            add_item(judging, HEALTH_BROKEN_QUEUE, series, count, 0);
        }
    } else if (str_equal(code, HEALTH_CLOCK_SKEW)) {
        add_item(judging, HEALTH_SKEW, series, count, spans);
    } else if (str_equal(code, HEALTH_OVER_SPANNING) && count * 2 > spans) {
        add_item(judging, HEALTH_OVER_SPANS, series, count, spans);
    }
}

static void judge(Judging *judging, const Series *series)
{
    SeriesKind kind = (SeriesKind)series->key.kind;

    if (kind != SERIES_SPAN && kind != SERIES_FINDING && kind != SERIES_UNRESOLVED &&
        kind != SERIES_ORPHAN) {
        return;
    }
    uint64_t count = count_cells(&series->cells, judging->from_minute, judging->to_minute);
    uint64_t spans =
        spans_of(judging->tables, series->key.a, judging->from_minute, judging->to_minute);
    if (count == 0) {
        return;
    }
    if (kind == SERIES_SPAN) {
        judge_service(judging, series, count);
    } else if (kind == SERIES_FINDING) {
        judge_finding(judging, series, count);
    } else if (kind == SERIES_UNRESOLVED) {
        add_item(judging, HEALTH_UNRESOLVED_PEER, series, count, spans);
    } else if (count * 100 > spans) {
        add_item(judging, HEALTH_ORPHANS, series, count, spans);
    }
}

static int compare_items(const void *a, const void *b)
{
    const HealthItem *left = a, *right = b;

    if (left->code != right->code) {
        return left->code < right->code ? -1 : 1;
    }
    int order = str_compare(left->node.name, right->node.name);
    order = order != 0 ? order : str_compare(left->node_id, right->node_id);
    return order != 0 ? order : str_compare(left->subject, right->subject);
}

/* --- Flows --- */

enum { STEP_NAMES_MAX = 100 };

/* How many steps of a flow are seen in an hour. */
typedef struct StepHour {
    uint32_t flow; /* node symbol */
    uint32_t hour, n_steps;
} StepHour;

enum { STEP_HOUR_KEY = 2 * sizeof(uint32_t) };

static uint32_t flow_of_step(Judging *judging, const NodeKey *step)
{
    NodeKey flow = *step;

    flow.type = NODE_FLOW;
    flow.part = (Str){0};
    buf_clear(&judging->scratch);
    node_key_append(&flow, &judging->scratch);
    return symbols_find(&judging->tables->nodes, buf_str(&judging->scratch));
}

static void count_step_hours(Judging *judging, const Series *series, Table *hours)
{
    const Cells *cells = &series->cells;
    uint32_t flow = flow_of_step(judging, &judging->tables->node[series->key.a].key);
    uint32_t last = UINT32_MAX;

    for (uint32_t i = cells_position(cells, judging->from_minute);
         i < cells->n_cells && cells->index[i].minute < judging->to_minute; i++) {
        StepHour key = {.flow = flow, .hour = cells->index[i].minute / MINUTES_PER_HOUR};

        if (key.hour != last) {
            ((StepHour *)table_put(hours, &key, NULL))->n_steps++;
            last = key.hour;
        }
    }
}

/* Whether the flow's steps are more than STEP_NAMES_MAX in an hour of the window. */
static bool has_many_steps(const Table *hours, uint32_t flow)
{
    for (size_t i = 0; i < hours->n_records; i++) {
        const StepHour *hour = table_at(hours, i);

        if (hour->flow == flow && hour->n_steps > STEP_NAMES_MAX) {
            return true;
        }
    }
    return false;
}

static void judge_flow_series(Judging *judging, const Series *series, const Table *hours)
{
    const MapTables *tables = judging->tables;
    SeriesKind kind = (SeriesKind)series->key.kind;
    bool is_name = kind == SERIES_RUN || kind == SERIES_STEP;

    if (!is_name && kind != SERIES_NO_FLOW && kind != SERIES_NO_RUN_ID) {
        return;
    }
    uint64_t count = count_cells(&series->cells, judging->from_minute, judging->to_minute);
    if (count == 0) {
        return;
    }
    if (is_name) {
        if (name_is_dynamic(node_key_label(&tables->node[series->key.a].key)) ||
            (kind == SERIES_RUN && has_many_steps(hours, series->key.a))) {
            add_item(judging, HEALTH_DYNAMIC_NAME, series, count, 0);
        }
    } else if (kind == SERIES_NO_RUN_ID) {
        add_item(judging, HEALTH_MISSING_RUN_ID, series, count, 0);
    } else {
        add_item(judging, HEALTH_STEP_WITHOUT_FLOW, series, count, 0);
        judging->items[judging->n_items - 1].subject =
            tables_copy_text(tables, series->key.b, judging->arena);
    }
}

static void judge_flows(Judging *judging)
{
    const MapTables *tables = judging->tables;
    Table hours;

    table_init(&hours, sizeof(StepHour), STEP_HOUR_KEY);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        if (tables_series(tables, i)->key.kind == SERIES_STEP) {
            count_step_hours(judging, tables_series(tables, i), &hours);
        }
    }
    for (size_t i = 0; i < tables->series.n_records; i++) {
        judge_flow_series(judging, tables_series(tables, i), &hours);
    }
    table_deinit(&hours);
}

static int judge_all(const MapTables *tables, const MapOptions *options, void *context)
{
    Judging *judging = context;

    judging->tables = tables;
    look_over(judging);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        judge(judging, tables_series(tables, i));
    }
    judge_flows(judging);
    if (judging->n_items > 0) {
        qsort(judging->items, judging->n_items, sizeof(HealthItem), compare_items);
    }
    return 0;
}

void map_health(Map *map, uint32_t from_minute, uint32_t to_minute, Arena *arena,
                HealthItem **ret_items, size_t *ret_n)
{
    Judging judging = {.from_minute = from_minute, .to_minute = to_minute, .arena = arena};

    (void)map_consult(map, (PageWindow){judging.from_minute, judging.to_minute, MINUTES_PER_HOUR},
                      judge_all, &judging);
    symbols_deinit(&judging.names);
    mem_free(judging.splits);
    buf_deinit(&judging.scratch);
    *ret_items = judging.items;
    *ret_n = judging.n_items;
}
