// SPDX-License-Identifier: Apache-2.0
#include "map/tables.h"

#include "base/assert.h"
#include "base/memory.h"

/*
 * Deltas come in bursts on the same few minutes, so they are first summed in unpacked cells: adding
 * a duration there is a binary search in a small array. Packing costs a microsecond a cell and is
 * paid once per flush, not per span.
 */
typedef struct HotKey {
    uint32_t series, minute;
} HotKey;

typedef struct HotCell {
    HotKey key;
    CellValue value;
} HotCell;

typedef struct HotExemplars {
    HotKey key;
    Exemplars set;
} HotExemplars;

void tables_init(MapTables *tables, uint32_t presence_gap)
{
    *tables = (MapTables){.presence_gap = presence_gap, .series_max = SERIES_MAX};
    table_init(&tables->series, sizeof(Series), sizeof(SeriesKey));
    table_init(&tables->hot, sizeof(HotCell), sizeof(HotKey));
    table_init(&tables->pending, sizeof(HotCell), sizeof(HotKey));
    table_init(&tables->hot_exemplars, sizeof(HotExemplars), sizeof(HotKey));
    table_init(&tables->pending_exemplars, sizeof(HotExemplars), sizeof(HotKey));
}

static void hot_clear(Table *cells, Table *exemplars)
{
    for (size_t i = 0; i < cells->n_records; i++) {
        cell_value_deinit(&((HotCell *)table_at(cells, i))->value);
    }
    for (size_t i = 0; i < exemplars->n_records; i++) {
        exemplars_deinit(&((HotExemplars *)table_at(exemplars, i))->set);
    }
    table_clear(cells);
    table_clear(exemplars);
}

static void series_deinit(Series *series)
{
    cells_deinit(&series->cells);
    presence_deinit(&series->presence);
    for (uint32_t i = 0; i < series->n_slots; i++) {
        exemplars_deinit(&series->slots[i].set);
    }
    mem_free(series->slots);
}

void tables_deinit(MapTables *tables)
{
    for (size_t i = 0; i < tables->series.n_records; i++) {
        series_deinit(tables_series(tables, i));
    }
    hot_clear(&tables->hot, &tables->hot_exemplars);
    hot_clear(&tables->pending, &tables->pending_exemplars);
    table_deinit(&tables->series);
    table_deinit(&tables->hot);
    table_deinit(&tables->hot_exemplars);
    table_deinit(&tables->pending);
    table_deinit(&tables->pending_exemplars);
    symbols_deinit(&tables->nodes);
    symbols_deinit(&tables->texts);
    mem_free(tables->node);
}

bool series_has_name(SeriesKind kind)
{
    return kind == SERIES_REQUEST || kind == SERIES_LABEL || kind == SERIES_FINDING ||
           kind == SERIES_NO_FLOW || kind == SERIES_VARIANT;
}

size_t series_node_count(SeriesKind kind)
{
    switch (kind) {
    case SERIES_EDGE:
    case SERIES_PROOF:
    case SERIES_NEXT:
        return 2;
    case SERIES_HOP:
        return 3;
    case SERIES_REQUEST:
    case SERIES_UNRESOLVED:
    case SERIES_ORPHAN:
    case SERIES_FINDING:
    case SERIES_SPAN:
    case SERIES_NO_FLOW:
    case SERIES_RUN:
    case SERIES_NO_RUN_ID:
    case SERIES_VARIANT:
    case SERIES_START:
    case SERIES_END:
    case SERIES_STEP:
        return 1;
    case SERIES_LABEL:
    case SERIES_FLOW:
    case SERIES_KINDS:
        break;
    }
    return 0;
}

/* --- Interning --- */

/* Then only series that are there are added to, and nothing is remembered of others. */
static bool is_full(const MapTables *tables)
{
    return tables->series.n_records >= tables->series_max;
}

static uint32_t intern_whole(MapTables *tables, Str text)
{
    return is_full(tables) ? symbols_find(&tables->texts, text)
                           : symbols_intern(&tables->texts, text);
}

static uint32_t intern_text(MapTables *tables, Str text)
{
    Str name = name_cut(text);

    tables->n_cut_names += name.len < text.len;
    return intern_whole(tables, name);
}

/* Number of the node, SYMBOL_NONE when there is no room; 1 when @bytes is no key. */
static int intern_node(MapTables *tables, Str bytes, uint32_t *ret_symbol)
{
    uint32_t symbol = symbols_find(&tables->nodes, bytes);
    NodeKey key;

    if (symbol == SYMBOL_NONE) {
        if (node_key_parse(bytes, &key) != 0) {
            return 1;
        }
        if (is_full(tables)) {
            *ret_symbol = SYMBOL_NONE;
            return 0;
        }
        symbol = symbols_intern(&tables->nodes, bytes);
        ARRAY_RESERVE(tables->node, (size_t)symbol, tables->node_capacity);
        tables->node[symbol] = (TablesNode){0};
        /* The same bytes again, where they will stay. */
        TRY(node_key_parse(symbols_get(&tables->nodes, symbol), &tables->node[symbol].key));
    }
    *ret_symbol = symbol;
    return 0;
}

static uint32_t intern_series(MapTables *tables, const SeriesKey *key)
{
    Series *series = table_find(&tables->series, key);

    if (series == NULL) {
        if (is_full(tables)) {
            return SERIES_NONE;
        }
        series = table_put(&tables->series, key, NULL);
        series->first_flow = series->next_flow = SERIES_NONE;
    }
    return (uint32_t)(series - (Series *)(void *)tables->series.records);
}

static uint32_t intern_flow(MapTables *tables, uint32_t edge, Str flow, Str step)
{
    SeriesKey key = {.kind = SERIES_FLOW,
                     .a = edge,
                     .b = intern_whole(tables, flow), /* a key, of names that were cut */
                     .c = intern_text(tables, step)};
    size_t before = tables->series.n_records;
    uint32_t number = intern_series(tables, &key);

    if (tables->series.n_records > before) {
        tables_series(tables, number)->next_flow = tables_series(tables, edge)->first_flow;
        tables_series(tables, edge)->first_flow = number;
    }
    return number;
}

/* The names of a series, as deltas and rows have them. */
typedef struct SeriesNames {
    SeriesKind kind;
    Relation relation;
    Rule rule;
    Str source, target, via, name, value;
} SeriesNames;

/* Number of the series; 1 when it names a node that is none. */
static int intern_names(MapTables *tables, const SeriesNames *names, uint32_t *ret_series)
{
    SeriesKey key = {.kind = (uint8_t)names->kind};

    TRY(intern_node(tables, names->source, &key.a));
    if (names->kind == SERIES_EDGE) {
        key.relation = (uint8_t)names->relation;
        key.rule = (uint8_t)names->rule;
    }
    if (series_node_count(names->kind) >= 2) {
        TRY(intern_node(tables, names->target, &key.b));
    }
    if (names->kind == SERIES_HOP) {
        TRY(intern_node(tables, names->via, &key.c));
    }
    if (series_has_name(names->kind)) {
        key.b = intern_text(tables, names->name);
    }
    if (names->kind == SERIES_LABEL) {
        key.c = intern_text(tables, names->value);
    }
    *ret_series = intern_series(tables, &key);
    return 0;
}

/* --- Applying --- */

/* Labels are counted by day, but versions by the minute: their arrival is worth knowing. */
static uint32_t cell_minute(const Delta *delta)
{
    bool by_day = delta->kind == DELTA_LABEL && !str_equal(delta->name, STR("service.version"));

    return by_day ? delta->minute - delta->minute % MINUTES_PER_DAY : delta->minute;
}

static bool kind_has_exemplars(SeriesKind kind)
{
    return kind == SERIES_EDGE || kind == SERIES_UNRESOLVED || kind == SERIES_ORPHAN ||
           kind == SERIES_FINDING || kind == SERIES_SPAN || kind == SERIES_NO_FLOW ||
           kind == SERIES_RUN || kind == SERIES_NO_RUN_ID || kind == SERIES_VARIANT ||
           kind == SERIES_STEP;
}

static void apply_exemplar(MapTables *tables, uint32_t series, const Delta *delta, int sign)
{
    HotKey key = {series, delta->minute - delta->minute % EXEMPLAR_MINUTES};
    HotExemplars *hot = table_put(&tables->hot_exemplars, &key, NULL);

    exemplars_add(&hot->set, &(Exemplar){
                                 .trace_id = delta->trace_id,
                                 .start_ns = delta->start_ns,
                                 .duration_ns = delta->has_duration ? delta->duration_ns
                                                                    : delta->server_duration_ns,
                                 .weight = sign,
                                 .error = delta->errors > 0,
                             });
}

static void apply_flow(MapTables *tables, uint32_t edge, const Delta *delta, int sign)
{
    HotKey key = {intern_flow(tables, edge, delta->flow, delta->step), delta->minute};

    if (key.series == SERIES_NONE) {
        tables->n_refused++;
        return;
    }
    HotCell *cell = table_put(&tables->hot, &key, NULL);
    cell->value.count += (int64_t)sign * delta->count;
}

void tables_apply(MapTables *tables, const Delta *delta, int sign)
{
    SeriesNames names = {.kind = (SeriesKind)delta->kind,
                         .relation = delta->relation,
                         .rule = delta->rule,
                         .source = delta->source,
                         .target = delta->target,
                         .via = delta->via,
                         .name = delta->name,
                         .value = delta->value};
    int32_t times = sign * (int32_t)MIN(delta->count, (uint32_t)INT32_MAX);
    HotKey key = {.minute = cell_minute(delta)};

    ASSERT(sign == 1 || sign == -1);
    ASSERT(intern_names(tables, &names, &key.series) == 0);
    if (key.series == SERIES_NONE) {
        tables->n_refused++;
        return;
    }
    HotCell *cell = table_put(&tables->hot, &key, NULL);
    cell->value.count += (int64_t)sign * delta->count;
    cell->value.errors += (int64_t)sign * delta->errors;
    cell->value.adjusted += sign * delta->adjusted;
    if (delta->has_duration) {
        sketch_add(&cell->value.duration, delta->duration_ns, times);
    }
    if (delta->has_server_duration) {
        sketch_add(&cell->value.server_duration, delta->server_duration_ns, times);
    }
    if (delta->kind == DELTA_EDGE && (delta->flow.len > 0 || delta->step.len > 0)) {
        apply_flow(tables, key.series, delta, sign);
    }
    if (kind_has_exemplars(names.kind) && !trace_id_is_zero(delta->trace_id)) {
        apply_exemplar(tables, key.series, delta, sign);
    }
}

/* --- Into the cold series --- */

static void count_nodes(MapTables *tables, const SeriesKey *key, int change)
{
    const uint32_t nodes[] = {key->a, key->b, key->c};

    for (size_t i = 0; i < series_node_count((SeriesKind)key->kind); i++) {
        tables->node[nodes[i]].n_series += (uint32_t)change;
    }
}

/* Only edges have intervals; the others are there from their first minute of a day to the last. */
static uint32_t series_gap(const MapTables *tables, const Series *series)
{
    return series->key.kind == SERIES_EDGE ? tables->presence_gap : MINUTES_PER_DAY;
}

static void need_minutes(MapTables *tables, const Series *series, uint32_t from, uint32_t to)
{
    if (tables->pager != NULL && series_is_paged((SeriesKind)series->key.kind)) {
        tables->pager->need_minutes(tables->pager, from, to);
    }
}

void tables_put_presence(MapTables *tables, uint32_t number, uint32_t minute)
{
    Series *series = tables_series(tables, number);

    if (series->presence.n_runs == 0) {
        count_nodes(tables, &series->key, 1);
    }
    presence_add(&series->presence, minute, series_gap(tables, series));
}

int tables_unpack_presence(MapTables *tables, uint32_t number, uint32_t from_minute,
                           uint32_t to_minute, Str bytes)
{
    Series *series = tables_series(tables, number);
    bool was_there = series->presence.n_runs > 0;

    TRY(presence_unpack(&series->presence, from_minute, to_minute, bytes,
                        series_gap(tables, series)));
    if (!was_there && series->presence.n_runs > 0) {
        count_nodes(tables, &series->key, 1);
    }
    return 0;
}

/* The minutes around one that is gone, as far as they decide what becomes of its run, must be
 * looked at: within the gap for an edge; for the others, and only at a run's end, the whole day. */
static void series_leave(MapTables *tables, uint32_t number, uint32_t minute)
{
    Series *series = tables_series(tables, number);
    const MapInterval *found = presence_run(&series->presence, minute);
    uint32_t gap = series_gap(tables, series), before = PRESENCE_NONE, after = PRESENCE_NONE;

    if (found == NULL) {
        return;
    }
    MapInterval run = *found;
    uint32_t from = MAX(run.first_minute, minute - MIN(minute, gap + 1));
    uint32_t to = (uint32_t)MIN((uint64_t)run.last_minute, (uint64_t)minute + gap + 1) + 1;
    if (series->key.kind != SERIES_EDGE && minute > run.first_minute && minute < run.last_minute) {
        return;
    }
    need_minutes(tables, series, from, to);
    series = tables_series(tables, number); /* others may have come, and moved it */
    const Cells *cells = &series->cells;
    uint32_t at = cells_position(cells, minute);
    if (at > 0 && cells->index[at - 1].minute >= from) {
        before = cells->index[at - 1].minute;
    }
    if (at < cells->n_cells && cells->index[at].minute < to) {
        after = cells->index[at].minute;
    }
    presence_remove(&series->presence, minute, before, after, gap);
    if (series->presence.n_runs == 0) {
        count_nodes(tables, &series->key, -1);
    }
}

void tables_put_cell(MapTables *tables, uint32_t number, uint32_t minute, const CellValue *value)
{
    (void)cells_add(&tables_series(tables, number)->cells, minute, value);
}

static void series_add(MapTables *tables, uint32_t number, uint32_t minute, const CellValue *value)
{
    need_minutes(tables, tables_series(tables, number), minute, minute + 1);
    int change = cells_add(&tables_series(tables, number)->cells, minute, value);

    if (change > 0) {
        tables_put_presence(tables, number, minute);
    } else if (change < 0) {
        series_leave(tables, number, minute);
    }
}

uint32_t series_slot(const Series *series, uint32_t minute)
{
    uint32_t from = 0, to = series->n_slots;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (series->slots[middle].minute < minute) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static void slots_remove_range(Series *series, uint32_t from_minute, uint32_t to_minute)
{
    uint32_t first = series_slot(series, from_minute), end = series_slot(series, to_minute);

    if (first == end) {
        return;
    }
    for (uint32_t i = first; i < end; i++) {
        exemplars_deinit(&series->slots[i].set);
    }
    mem_move(series->slots + first, series->slots + end,
             (series->n_slots - end) * sizeof(series->slots[0]));
    series->n_slots -= end - first;
    if (series->n_slots == 0) {
        mem_free(TAKE(series->slots));
        series->slots_capacity = 0;
    }
}

void tables_forget_cells(MapTables *tables, uint32_t from_minute, uint32_t to_minute)
{
    for (size_t i = 0; i < tables->series.n_records; i++) {
        Series *series = tables_series(tables, i);

        if (series_is_paged((SeriesKind)series->key.kind)) {
            cells_remove_range(&series->cells, from_minute, to_minute);
            slots_remove_range(series, from_minute, to_minute);
        }
    }
}

void tables_forget_presence(MapTables *tables, uint32_t from_minute, uint32_t to_minute)
{
    for (size_t i = 0; i < tables->series.n_records; i++) {
        Series *series = tables_series(tables, i);
        bool was_there = series->presence.n_runs > 0;

        if (series_is_paged((SeriesKind)series->key.kind)) {
            presence_remove_range(&series->presence, from_minute, to_minute);
            if (was_there && series->presence.n_runs == 0) {
                count_nodes(tables, &series->key, -1);
            }
        }
    }
}

static Exemplars *series_exemplars(Series *series, uint32_t minute)
{
    uint32_t at = series_slot(series, minute);

    if (at < series->n_slots && series->slots[at].minute == minute) {
        return &series->slots[at].set;
    }
    if (series->n_slots == series->slots_capacity) {
        series->slots_capacity += series->slots_capacity / 4 + 1;
        series->slots =
            mem_resize_array(series->slots, series->slots_capacity, sizeof(series->slots[0]));
    }
    mem_move(series->slots + at + 1, series->slots + at,
             (series->n_slots - at) * sizeof(series->slots[0]));
    series->n_slots++;
    series->slots[at] = (ExemplarSlot){.minute = minute};
    return &series->slots[at].set;
}

static void exemplars_merge(Exemplars *to, const Exemplars *from)
{
    for (uint32_t i = 0; i < from->n_items; i++) {
        exemplars_add(to, &from->items[i]);
    }
}

void tables_put_exemplars(MapTables *tables, uint32_t number, uint32_t minute,
                          const Exemplars *from)
{
    Exemplars *set = series_exemplars(tables_series(tables, number), minute);

    exemplars_merge(set, from);
    if (!tables->keep_taken) {
        exemplars_drop_taken(set);
    }
}

void tables_flush(MapTables *tables)
{
    for (size_t i = 0; i < tables->hot.n_records; i++) {
        HotCell *hot = table_at(&tables->hot, i);
        HotCell *pending = table_put(&tables->pending, &hot->key, NULL);

        series_add(tables, hot->key.series, hot->key.minute, &hot->value);
        cell_value_add(&pending->value, &hot->value);
    }
    for (size_t i = 0; i < tables->hot_exemplars.n_records; i++) {
        HotExemplars *hot = table_at(&tables->hot_exemplars, i);
        HotExemplars *pending = table_put(&tables->pending_exemplars, &hot->key, NULL);

        need_minutes(tables, tables_series(tables, hot->key.series), hot->key.minute,
                     hot->key.minute + EXEMPLAR_MINUTES);
        tables_put_exemplars(tables, hot->key.series, hot->key.minute, &hot->set);
        exemplars_merge(&pending->set, &hot->set);
    }
    hot_clear(&tables->hot, &tables->hot_exemplars);
}

size_t tables_memory(const MapTables *tables)
{
    size_t size = symbols_bytes(&tables->nodes) + symbols_bytes(&tables->texts) +
                  tables->node_capacity * sizeof(tables->node[0]) +
                  tables->series.capacity * sizeof(Series) +
                  (tables->hot.capacity + tables->pending.capacity) * sizeof(HotCell);

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        size += cells_memory(&series->cells) + series->presence.capacity * sizeof(MapInterval) +
                series->slots_capacity * sizeof(ExemplarSlot);
        for (uint32_t k = 0; k < series->n_slots; k++) {
            size += series->slots[k].set.capacity * sizeof(Exemplar);
        }
    }
    return size;
}

/* --- Rows --- */

void map_rows_deinit(MapRows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        cell_value_deinit(&rows->items[i].sum);
        exemplars_deinit(&rows->items[i].exemplars);
    }
    mem_free(rows->items);
    *rows = (MapRows){0};
}

MapRow *map_rows_add(MapRows *rows)
{
    ARRAY_RESERVE(rows->items, rows->count, rows->capacity);
    rows->items[rows->count] = (MapRow){0};
    return &rows->items[rows->count++];
}

void tables_name_row(const MapTables *tables, uint32_t series, uint32_t minute, MapRow *row)
{
    SeriesKey key = tables_series(tables, series)->key;

    row->kind = (SeriesKind)key.kind;
    row->minute = minute;
    if (row->kind == SERIES_FLOW) {
        row->flow = symbols_get(&tables->texts, key.b);
        row->step = symbols_get(&tables->texts, key.c);
        key = tables_series(tables, key.a)->key;
    }
    row->relation = (Relation)key.relation;
    row->rule = (Rule)key.rule;
    row->source = symbols_get(&tables->nodes, key.a);
    if (series_node_count((SeriesKind)key.kind) >= 2) {
        row->target = symbols_get(&tables->nodes, key.b);
    }
    if (row->kind == SERIES_HOP) {
        row->via = symbols_get(&tables->nodes, key.c);
    }
    if (series_has_name(row->kind)) {
        row->name = symbols_get(&tables->texts, key.b);
    }
    if (row->kind == SERIES_LABEL) {
        row->value = symbols_get(&tables->texts, key.c);
    }
}

void tables_cut(MapTables *tables, MapRows *ret_rows)
{
    MapRows rows = {0};

    tables_flush(tables);
    for (size_t i = 0; i < tables->pending.n_records; i++) {
        HotCell *cell = table_at(&tables->pending, i);

        if (!cell_value_is_zero(&cell->value)) {
            MapRow *row = map_rows_add(&rows);

            tables_name_row(tables, cell->key.series, cell->key.minute, row);
            row->sum = cell->value;
            cell->value = (CellValue){0};
        }
    }
    for (size_t i = 0; i < tables->pending_exemplars.n_records; i++) {
        HotExemplars *hot = table_at(&tables->pending_exemplars, i);

        if (hot->set.n_items > 0) {
            MapRow *row = map_rows_add(&rows);

            tables_name_row(tables, hot->key.series, hot->key.minute, row);
            row->exemplars = hot->set;
            hot->set = (Exemplars){0};
        }
    }
    hot_clear(&tables->pending, &tables->pending_exemplars);
    *ret_rows = rows;
}

int tables_row_series(MapTables *tables, const MapRow *row, uint32_t *ret_series)
{
    SeriesNames names = {.kind = row->kind == SERIES_FLOW ? SERIES_EDGE : row->kind,
                         .relation = row->relation,
                         .rule = row->rule,
                         .source = row->source,
                         .target = row->target,
                         .via = row->via,
                         .name = row->name,
                         .value = row->value};
    uint32_t number;

    TRY(intern_names(tables, &names, &number));
    if (row->kind == SERIES_FLOW && number != SERIES_NONE) {
        number = intern_flow(tables, number, row->flow, row->step);
    }
    tables->n_refused += number == SERIES_NONE;
    *ret_series = number;
    return 0;
}

int tables_add_row(MapTables *tables, const MapRow *row)
{
    uint32_t number;

    TRY(tables_row_series(tables, row, &number));
    if (number == SERIES_NONE) {
        return 0;
    }
    series_add(tables, number, row->minute, &row->sum);
    if (row->exemplars.n_items > 0) {
        need_minutes(tables, tables_series(tables, number), row->minute,
                     row->minute + EXEMPLAR_MINUTES);
        tables_put_exemplars(tables, number, row->minute, &row->exemplars);
    }
    return 0;
}
