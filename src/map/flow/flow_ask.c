// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "map/answer/answer.h"
#include "map/answer/consult.h"
#include "map/flow/run.h"

/*
 * One pass over the series finds the flow's steps, transitions and variants; what two scopes have
 * in common is then added up by name.
 */
typedef struct Asking {
    const MapTables *tables;
    uint32_t from_minute, to_minute;
    Arena *arena;
    AnswerSums *sums;
} Asking;

static uint64_t not_negative(int64_t count)
{
    return count > 0 ? (uint64_t)count : 0;
}

static CellSum sum_window(const Asking *asking, const Series *series)
{
    CellSum sum = {.duration = &asking->sums->duration};

    cells_sum(&series->cells, asking->from_minute, asking->to_minute, &sum);
    return sum;
}

static uint64_t runs_of(const CellSum *sum)
{
    return sum->adjusted > 0 ? (uint64_t)(sum->adjusted / ADJUSTED_ONE) : 0;
}

static uint64_t count_window(const Asking *asking, const Series *series)
{
    CellSum sum = {0};

    cells_sum(&series->cells, asking->from_minute, asking->to_minute, &sum);
    return not_negative(sum.count);
}

/* ---- the list ---- */

static int compare_flows(const void *a, const void *b)
{
    const MapFlow *left = a;
    const MapFlow *right = b;
    int order = str_compare(left->key.name, right->key.name);

    order = order != 0 ? order : str_compare(left->key.scope, right->key.scope);
    return order != 0 ? order : str_compare(left->key.environment, right->key.environment);
}

/* Where the flow of each node symbol is in the list, + 1; 0: nowhere. */
typedef struct FlowPlaces {
    uint32_t *of_symbol;
    MapFlow *flows;
    size_t n;
} FlowPlaces;

static void list_run_series(const Asking *asking, FlowPlaces *places, const Series *series)
{
    CellSum sum = sum_window(asking, series);
    MapDuration duration = answer_duration(&asking->sums->duration);

    if (sum.count <= 0) {
        return;
    }
    places->flows[places->n++] = (MapFlow){
        .key = tables_copy_node(asking->tables, series->key.a, asking->arena),
        .runs = (uint64_t)sum.count,
        .failures = not_negative(sum.errors),
        .duration = duration,
        .first_minute = presence_first(&series->presence),
        .last_minute = presence_last(&series->presence),
    };
    places->of_symbol[series->key.a] = (uint32_t)places->n;
}

/* The flow that a step's node belongs to, by its key; NULL: none with runs in the window. */
static MapFlow *flow_of_step(const Asking *asking, const FlowPlaces *places, uint32_t step)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    NodeKey key = asking->tables->node[step].key;

    key.type = NODE_FLOW;
    key.part = (Str){0};
    node_key_append(&key, &buf);
    uint32_t symbol = symbols_find(&asking->tables->nodes, buf_str(&buf));
    if (symbol == SYMBOL_NONE || places->of_symbol[symbol] == 0) {
        return NULL;
    }
    return &places->flows[places->of_symbol[symbol] - 1];
}

static void list_part(const Asking *asking, const FlowPlaces *places, const Series *series)
{
    SeriesKind kind = (SeriesKind)series->key.kind;
    bool of_flow = kind == SERIES_VARIANT || kind == SERIES_NO_RUN_ID;
    MapFlow *flow = NULL;

    if (!of_flow && kind != SERIES_STEP) {
        return;
    }
    uint64_t count = count_window(asking, series);
    if (count == 0) {
        return;
    }
    if (!of_flow) {
        flow = flow_of_step(asking, places, series->key.a);
    } else if (places->of_symbol[series->key.a] != 0) {
        flow = &places->flows[places->of_symbol[series->key.a] - 1];
    }
    if (flow != NULL) {
        flow->steps += kind == SERIES_STEP;
        flow->variants += kind == SERIES_VARIANT;
        flow->without_run_id += kind == SERIES_NO_RUN_ID ? count : 0;
    }
}

/* A question to the tables, and its answer. */
typedef struct FlowList {
    uint32_t from_minute, to_minute;
    Arena *arena;
    MapFlow *flows;
    size_t n;
} FlowList;

static int list_flows(const MapTables *tables, const MapOptions *options, void *context)
{
    CLEANUP(answer_sums_freep) AnswerSums *sums = answer_sums_new();
    FlowList *list = context;
    Arena *arena = list->arena;
    Asking asking = {tables, list->from_minute, list->to_minute, arena, sums};
    FlowPlaces places = {0};
    size_t n = 0;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        n += tables_series(tables, i)->key.kind == SERIES_RUN;
    }
    places.of_symbol = ARENA_ARRAY(arena, uint32_t, symbols_count(&tables->nodes) + 1);
    places.flows = ARENA_ARRAY(arena, MapFlow, n + 1);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (series->key.kind == SERIES_RUN && series->presence.n_runs > 0) {
            list_run_series(&asking, &places, series);
        }
    }
    for (size_t i = 0; i < tables->series.n_records && places.n > 0; i++) {
        list_part(&asking, &places, tables_series(tables, i));
    }
    qsort(places.flows, places.n, sizeof(MapFlow), compare_flows);
    (void)options;
    list->flows = places.flows;
    list->n = places.n;
    return 0;
}

void map_flow_list(Map *map, uint32_t from_minute, uint32_t to_minute, Arena *arena,
                   MapFlow **ret_flows, size_t *ret_n)
{
    FlowList list = {.from_minute = from_minute, .to_minute = to_minute, .arena = arena};

    (void)map_consult(map, (PageWindow){from_minute, to_minute, MINUTES_PER_DAY}, list_flows,
                      &list);
    *ret_flows = list.flows;
    *ret_n = list.n;
}

/* ---- one flow ---- */

/* A series of the flow with its name, to be added up with those of the same name. */
typedef struct Part {
    Str from, to;
    const Series *series;
} Part;

typedef struct Parts {
    Part *items;
    size_t n;
} Parts;

static bool is_wanted(const MapFlowQuestion *question, const NodeKey *key)
{
    return (key->type == NODE_FLOW || key->type == NODE_STEP) &&
           str_equal(key->name, question->name) &&
           (question->scope.len == 0 || str_equal(key->scope, question->scope)) &&
           (!question->has_environment || str_equal(key->environment, question->environment));
}

static int compare_parts(const void *a, const void *b)
{
    const Part *left = a;
    const Part *right = b;
    int order = str_compare(left->from, right->from);

    return order != 0 ? order : str_compare(left->to, right->to);
}

/* The flow's series of one kind, by name. */
static Parts find_parts(const Asking *asking, const MapFlowQuestion *question, SeriesKind kind)
{
    const MapTables *tables = asking->tables;
    Parts parts = {0};
    size_t n = 0;

    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            parts.items = ARENA_ARRAY(asking->arena, Part, n + 1);
        }
        for (size_t i = 0; i < tables->series.n_records; i++) {
            const Series *series = tables_series(tables, i);

            if (series->key.kind != kind || series->presence.n_runs == 0 ||
                !is_wanted(question, &tables->node[series->key.a].key)) {
                continue;
            }
            n += pass == 0;
            if (pass == 1) {
                const NodeKey *key = &tables->node[series->key.a].key;
                Part part = {.from = arena_copy(asking->arena, key->part), .series = series};

                part.to = kind == SERIES_NEXT      ? tables->node[series->key.b].key.part
                          : kind == SERIES_VARIANT ? symbols_get(&tables->texts, series->key.b)
                                                   : (Str){0};
                part.to = arena_copy(asking->arena, part.to);
                parts.items[parts.n++] = part;
            }
        }
    }
    qsort(parts.items, parts.n, sizeof(Part), compare_parts);
    return parts;
}

/* The sum of the parts of one name, and their life. */
typedef struct PartSum {
    uint64_t count, errors, runs;
    MapDuration duration;
    uint32_t first_minute, last_minute;
} PartSum;

static PartSum sum_parts(const Asking *asking, const Part *parts, size_t n)
{
    PartSum total = {.first_minute = UINT32_MAX};

    for (size_t i = 0; i < n; i++) {
        CellSum sum = sum_window(asking, parts[i].series);

        total.count += not_negative(sum.count);
        total.errors += not_negative(sum.errors);
        total.runs += runs_of(&sum);
        total.first_minute = MIN(total.first_minute, presence_first(&parts[i].series->presence));
        total.last_minute = MAX(total.last_minute, presence_last(&parts[i].series->presence));
    }
    total.duration = answer_duration(&asking->sums->duration);
    return total;
}

static size_t group_end(const Parts *parts, size_t from)
{
    size_t end = from + 1;

    while (end < parts->n && compare_parts(&parts->items[from], &parts->items[end]) == 0) {
        end++;
    }
    return end;
}

static int ask_flow(const Asking *asking, const MapFlowQuestion *question, MapFlow *flow)
{
    Parts runs = find_parts(asking, question, SERIES_RUN);
    Parts without = find_parts(asking, question, SERIES_NO_RUN_ID);

    if (runs.n == 0) {
        return MAP_NO_SUCH_NODE;
    }
    PartSum sum = sum_parts(asking, runs.items, runs.n);
    *flow = (MapFlow){
        .key = tables_copy_node(asking->tables, runs.items[0].series->key.a, asking->arena),
        .runs = sum.count,
        .failures = sum.errors,
        .duration = sum.duration,
        .first_minute = sum.first_minute,
        .last_minute = sum.last_minute};
    flow->without_run_id = sum_parts(asking, without.items, without.n).count;
    return 0;
}

static MapFlowStep *find_step(const MapFlowAnswer *answer, Str name)
{
    for (size_t i = 0; i < answer->n_steps; i++) {
        if (str_equal(answer->steps[i].name, name)) {
            return &answer->steps[i];
        }
    }
    return NULL;
}

static void ask_ends(const Asking *asking, const MapFlowQuestion *question, SeriesKind kind,
                     MapFlowAnswer *answer)
{
    Parts parts = find_parts(asking, question, kind);

    for (size_t i = 0, end; i < parts.n; i = end) {
        end = group_end(&parts, i);
        PartSum sum = sum_parts(asking, &parts.items[i], end - i);
        MapFlowStep *step = find_step(answer, parts.items[i].from);

        if (step != NULL && kind == SERIES_START) {
            step->starts = sum.count;
        } else if (step != NULL) {
            step->ends = sum.count;
            step->failed_ends = sum.errors;
        }
    }
}

static void ask_steps(const Asking *asking, const MapFlowQuestion *question, MapFlowAnswer *answer)
{
    Parts parts = find_parts(asking, question, SERIES_STEP);

    answer->steps = ARENA_ARRAY(asking->arena, MapFlowStep, parts.n + 1);
    for (size_t i = 0, end; i < parts.n; i = end) {
        end = group_end(&parts, i);
        PartSum sum = sum_parts(asking, &parts.items[i], end - i);

        if (sum.count > 0) {
            answer->steps[answer->n_steps++] = (MapFlowStep){
                .name = parts.items[i].from,
                .count = sum.count,
                .errors = sum.errors,
                .runs = sum.runs,
                .duration = sum.duration,
                .first_minute = sum.first_minute,
                .last_minute = sum.last_minute,
            };
        }
    }
    ask_ends(asking, question, SERIES_START, answer);
    ask_ends(asking, question, SERIES_END, answer);
}

static void ask_follows(const Asking *asking, const MapFlowQuestion *question,
                        MapFlowAnswer *answer)
{
    Parts parts = find_parts(asking, question, SERIES_NEXT);

    answer->follows = ARENA_ARRAY(asking->arena, MapFlowNext, parts.n + 1);
    for (size_t i = 0, end; i < parts.n; i = end) {
        end = group_end(&parts, i);
        PartSum sum = sum_parts(asking, &parts.items[i], end - i);

        if (sum.count > 0) {
            answer->follows[answer->n_follows++] = (MapFlowNext){
                .from = parts.items[i].from,
                .to = parts.items[i].to,
                .count = sum.count,
                .runs = sum.runs,
                .overlaps = sum.errors,
                .wait = sum.duration,
                .first_minute = sum.first_minute,
                .last_minute = sum.last_minute,
            };
        }
    }
}

/* ---- variants ---- */

static int compare_variants(const void *a, const void *b)
{
    const MapFlowVariant *left = a;
    const MapFlowVariant *right = b;

    if (left->runs != right->runs) {
        return left->runs > right->runs ? -1 : 1;
    }
    return str_compare(left->key, right->key);
}

static void read_variant(MapFlowVariant *variant, Arena *arena)
{
    Str step;

    for (int pass = 0; pass < 2; pass++) {
        Str rest = variant->key;

        if (pass == 1) {
            variant->steps = ARENA_ARRAY(arena, Str, variant->n_steps + 1);
            variant->n_steps = 0;
        }
        while (variant_take(&rest, &step, &variant->cut) == 0) {
            if (pass == 1) {
                variant->steps[variant->n_steps] = step;
            }
            variant->n_steps++;
        }
    }
}

static void ask_variants(const Asking *asking, const MapFlowQuestion *question,
                         MapFlowAnswer *answer)
{
    Parts parts = find_parts(asking, question, SERIES_VARIANT);
    MapFlowVariant *variants = ARENA_ARRAY(asking->arena, MapFlowVariant, parts.n + 1);
    size_t n = 0;

    for (size_t i = 0, end; i < parts.n; i = end) {
        end = group_end(&parts, i);
        PartSum sum = sum_parts(asking, &parts.items[i], end - i);

        if (parts.items[i].series->key.is_other) { /* how many they were nobody knows */
            answer->other_variants += sum.count > 0;
            answer->other_runs += sum.count;
        } else if (sum.count > 0) {
            variants[n++] = (MapFlowVariant){
                .key = parts.items[i].to,
                .runs = sum.count,
                .failures = sum.errors,
                .duration = sum.duration,
                .first_minute = sum.first_minute,
                .last_minute = sum.last_minute,
            };
        }
    }
    qsort(variants, n, sizeof(MapFlowVariant), compare_variants);
    answer->flow.variants = n + answer->other_variants;
    answer->variants = variants;
    answer->n_variants = MIN(n, (size_t)MAP_VARIANTS_MAX);
    for (size_t i = answer->n_variants; i < n; i++) {
        answer->other_variants++;
        answer->other_runs += variants[i].runs;
    }
    for (size_t i = 0; i < answer->n_variants; i++) {
        read_variant(&variants[i], asking->arena);
    }
}

typedef struct FlowAsk {
    const MapFlowQuestion *question;
    Arena *arena;
    MapFlowAnswer answer;
} FlowAsk;

static int ask_tables(const MapTables *tables, const MapOptions *options, void *context)
{
    CLEANUP(answer_sums_freep) AnswerSums *sums = answer_sums_new();
    FlowAsk *ask = context;
    const MapFlowQuestion *question = ask->question;
    Asking asking = {tables, question->from_minute, question->to_minute, ask->arena, sums};

    (void)options;
    TRY(ask_flow(&asking, question, &ask->answer.flow));
    ask_steps(&asking, question, &ask->answer);
    ask_follows(&asking, question, &ask->answer);
    ask_variants(&asking, question, &ask->answer);
    ask->answer.flow.steps = ask->answer.n_steps;
    return 0;
}

/* ---- touches ---- */

static int compare_touches(const void *a, const void *b)
{
    const MapFlowTouch *left = a;
    const MapFlowTouch *right = b;
    int order = str_compare(left->step, right->step);

    order = order != 0 ? order : (int)left->relation - (int)right->relation;
    return order != 0 ? order : str_compare(left->node_id, right->node_id);
}

/* The edges that steps of the flow caused, services added up. */
static int ask_touches(Map *map, const MapFlowQuestion *question, Arena *arena,
                       MapFlowAnswer *answer)
{
    const MapQuestion whole = {.from_minute = question->from_minute,
                               .to_minute = question->to_minute,
                               .flow = question->name,
                               .only_flow = true,
                               .flow_scope = question->scope,
                               .has_flow_environment = question->has_environment,
                               .flow_environment = question->environment};
    MapAnswer map_answer;
    size_t n = 0;

    TRY(map_ask(map, &whole, arena, &map_answer));
    for (size_t i = 0; i < map_answer.n_edges; i++) {
        n += map_answer.edges[i].n_flows;
    }
    answer->touches = ARENA_ARRAY(arena, MapFlowTouch, n + 1);
    n = 0;
    for (size_t i = 0; i < map_answer.n_edges; i++) {
        const MapEdge *edge = &map_answer.edges[i];
        const MapNode *target = &map_answer.nodes[edge->target];

        for (size_t k = 0; k < edge->n_flows; k++) {
            answer->touches[n++] = (MapFlowTouch){.step = edge->flows[k].step,
                                                  .relation = edge->relation,
                                                  .node_id = target->id,
                                                  .node = target->key,
                                                  .count = edge->flows[k].count};
        }
    }
    qsort(answer->touches, n, sizeof(MapFlowTouch), compare_touches);
    for (size_t i = 0; i < n; i++) {
        MapFlowTouch *touch = &answer->touches[i];
        MapFlowTouch *last = answer->n_touches > 0 ? &answer->touches[answer->n_touches - 1] : NULL;

        if (last != NULL && compare_touches(last, touch) == 0) {
            last->count += touch->count;
        } else {
            answer->touches[answer->n_touches++] = *touch;
        }
    }
    return 0;
}

int map_flow_ask(Map *map, const MapFlowQuestion *question, Arena *arena, MapFlowAnswer *ret_answer)
{
    FlowAsk ask = {.question = question, .arena = arena};

    TRY(map_consult(map, (PageWindow){question->from_minute, question->to_minute, MINUTES_PER_DAY},
                    ask_tables, &ask));
    TRY(ask_touches(map, question, arena, &ask.answer));
    *ret_answer = ask.answer;
    return 0;
}

/* ---- steps without a flow ---- */

typedef struct LostSteps {
    uint32_t from_minute, to_minute;
    Arena *arena;
    MapLostStep *steps;
    size_t n;
} LostSteps;

static int compare_lost(const void *a, const void *b)
{
    const MapLostStep *left = a;
    const MapLostStep *right = b;
    int order = str_compare(left->step, right->step);

    return order != 0 ? order : str_compare(left->node_id, right->node_id);
}

static int find_lost(const MapTables *tables, const MapOptions *options, void *context)
{
    LostSteps *lost = context;
    size_t n = 0;

    (void)options;
    for (size_t i = 0; i < tables->series.n_records; i++) {
        n += tables_series(tables, i)->key.kind == SERIES_NO_FLOW;
    }
    lost->steps = ARENA_ARRAY(lost->arena, MapLostStep, n + 1);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);
        CLEANUP(buf_deinit) Buf id = {0};
        CellSum sum = {0};

        if (series->key.kind != SERIES_NO_FLOW) {
            continue;
        }
        cells_sum(&series->cells, lost->from_minute, lost->to_minute, &sum);
        if (sum.count > 0) {
            node_id_append(symbols_get(&tables->nodes, series->key.a), &id);
            lost->steps[lost->n++] = (MapLostStep){
                .node_id = arena_copy(lost->arena, buf_str(&id)),
                .service = tables_copy_node(tables, series->key.a, lost->arena),
                .step = tables_copy_text(tables, series->key.b, lost->arena),
                .count = (uint64_t)sum.count,
                .example = series_latest_example(series, lost->from_minute, lost->to_minute)};
        }
    }
    qsort(lost->steps, lost->n, sizeof(MapLostStep), compare_lost);
    return 0;
}

void map_lost_steps(Map *map, uint32_t from_minute, uint32_t to_minute, Arena *arena,
                    MapLostStep **ret_steps, size_t *ret_n)
{
    LostSteps lost = {.from_minute = from_minute, .to_minute = to_minute, .arena = arena};

    (void)map_consult(map, (PageWindow){from_minute, to_minute, MINUTES_PER_DAY}, find_lost, &lost);
    *ret_steps = lost.steps;
    *ret_n = lost.n;
}
