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
    *tables = (MapTables){
        .presence_gap = presence_gap, .series_max = SERIES_MAX, .beyond_max = SERIES_BEYOND_MAX};
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
    series_counts_remove(series, 0, UINT32_MAX);
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
    map_tables_free(tables->beyond);
}

MapTables *map_tables_free(MapTables *tables)
{
    if (tables != NULL) {
        tables_deinit(tables);
        mem_free(tables);
    }
    return NULL;
}

uint64_t tables_unnamed(const MapTables *tables)
{
    const MapTables *beyond = tables->beyond;

    return tables->n_unnamed + (beyond == NULL ? 0 : beyond->n_folded + beyond->n_refused);
}

MapTables *tables_take_beyond(MapTables *tables)
{
    tables->n_unnamed = tables_unnamed(tables);
    return TAKE(tables->beyond);
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
    return tables->others_room > 0 ? tables->n_others >= tables->others_room
                                   : tables_are_full(tables);
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

/* Whether a variant of the flow that is not there yet has no place: there are as many as may be,
 * or were, and it is settled which of all have places (choice.c). */
static bool is_crowded(const MapTables *tables, uint32_t flow)
{
    return tables->variants_max > 0 && tables->chosen == NULL && tables->contested == NULL &&
           (tables->node[flow].is_contested ||
            tables->node[flow].n_variants >= tables->variants_max);
}

static void note_variant(MapTables *tables, const SeriesKey *key)
{
    TablesNode *flow = &tables->node[key->a];

    flow->n_variants += !key->is_other;
    flow->is_contested |= key->is_other;
    tables->has_contested |= key->is_other;
}

static bool has_place(const MapTables *tables, const SeriesKey *key)
{
    return !is_full(tables) &&
           !(key->kind == SERIES_VARIANT && !key->is_other && is_crowded(tables, key->a));
}

static uint32_t intern_series(MapTables *tables, const SeriesKey *key)
{
    Series *series = table_find(&tables->series, key);

    if (series == NULL) {
        if (!has_place(tables, key)) {
            return SERIES_NONE;
        }
        if (key->kind == SERIES_VARIANT) {
            note_variant(tables, key);
        }
        series = table_put(&tables->series, key, NULL);
        series->first_flow = series->next_flow = SERIES_NONE;
        tables->n_others += key->is_other;
    }
    return (uint32_t)(series - (Series *)(void *)tables->series.records);
}

static bool is_contested(const MapTables *tables, const SeriesNames *names)
{
    uint64_t group = tables->contested == NULL ? 0 : series_group(names->kind, names->source);

    return group != 0 && table_find(tables->contested, &group) != NULL;
}

static bool is_chosen(const MapTables *tables, const SeriesNames *names, Str flow, Str step)
{
    const struct Table *chosen = is_contested(tables, names) ? tables->contested : tables->chosen;
    uint64_t hash = chosen == NULL ? 0 : series_names_hash(names, flow, step);

    return chosen == NULL || table_find(chosen, &hash) != NULL;
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

int tables_intern(MapTables *tables, const SeriesNames *names, uint32_t *ret_series)
{
    SeriesKey key = {.kind = (uint8_t)names->kind, .is_other = names->is_other};

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
    if (names->kind == SERIES_VARIANT && !names->is_other && key.a != SYMBOL_NONE &&
        is_crowded(tables, key.a)) { /* no text of one that is not there */
        key.b = symbols_find(&tables->texts, name_cut(names->name));
    } else if (series_has_name(names->kind)) {
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

static MapTables *need_beyond(MapTables *tables)
{
    if (tables->beyond == NULL) {
        tables->beyond = NEW(MapTables);
        tables_init(tables->beyond, tables->presence_gap);
        tables->beyond->series_max = tables->beyond->beyond_max = tables->beyond_max;
        tables->beyond->is_beyond = true;
    }
    return tables->beyond;
}

static SeriesNames delta_names(const Delta *delta)
{
    return (SeriesNames){.kind = (SeriesKind)delta->kind,
                         .relation = delta->relation,
                         .rule = delta->rule,
                         .source = delta->source,
                         .target = delta->target,
                         .via = delta->via,
                         .name = delta->name,
                         .value = delta->value};
}

/* An edge that is known may have been done for a step that is not: then files alone know that. */
static void apply_flow(MapTables *tables, uint32_t edge, const Delta *delta, int sign)
{
    HotKey key = {intern_flow(tables, edge, delta->flow, delta->step), delta->minute};

    if (key.series == SERIES_NONE && tables->folds) {
        SeriesNames names = delta_names(delta);

        tables->n_folded++;
        ASSERT(tables_intern(need_beyond(tables), &names, &edge) == 0);
        if (edge != SERIES_NONE) {
            apply_flow(tables->beyond, edge, delta, sign);
        }
    } else if (key.series == SERIES_NONE) {
        tables->n_refused++;
    } else {
        HotCell *cell = table_put(&tables->hot, &key, NULL);

        cell->value.count += (int64_t)sign * delta->count;
    }
}

static void apply_to(MapTables *tables, uint32_t series, const Delta *delta, int sign)
{
    int32_t times = sign * (int32_t)MIN(delta->count, (uint32_t)INT32_MAX);
    HotKey key = {series, cell_minute(delta)};
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
    if (kind_has_exemplars((SeriesKind)delta->kind) && !trace_id_is_zero(delta->trace_id)) {
        apply_exemplar(tables, series, delta, sign);
    }
}

/* What has no place: into its (other) series, and with its own names into the next cut. */
static void apply_beyond(MapTables *tables, const Delta *delta, const SeriesNames *names, int sign)
{
    uint32_t series =
        tables->folds || tables->is_beyond ? tables_other_series(tables, names) : SERIES_NONE;

    if (tables->folds) {
        tables_apply(need_beyond(tables), delta, sign);
    }
    if (series == SERIES_NONE) {
        tables->n_refused++;
        return;
    }
    if (names->kind == SERIES_VARIANT && !tables_are_full(tables)) {
        tables->n_folded_variants++;
    } else {
        tables->n_folded++;
    }
    apply_to(tables, series, delta, sign);
}

void tables_apply(MapTables *tables, const Delta *delta, int sign)
{
    SeriesNames names = delta_names(delta);
    uint32_t series = tables_find(tables, &names);

    ASSERT(sign == 1 || sign == -1);
    if (series == SERIES_NONE) {
        apply_beyond(tables, delta, &names, sign);
        return;
    }
    apply_to(tables, series, delta, sign);
    if (delta->kind == DELTA_EDGE && (delta->flow.len > 0 || delta->step.len > 0)) {
        apply_flow(tables, series, delta, sign);
    }
}

size_t tables_hot_count(const MapTables *tables)
{
    return tables->hot.n_records + tables->hot_exemplars.n_records;
}

uint32_t tables_hot_minute(const MapTables *tables, size_t i)
{
    size_t n = tables->hot.n_records;
    const HotKey *key = i < n ? table_at(&tables->hot, i) : table_at(&tables->hot_exemplars, i - n);

    return key->minute;
}

/* What an (other) series has is in the next cut by other names. */
static bool is_cut(const MapTables *tables, uint32_t series)
{
    return !tables->folds || !tables_series(tables, series)->key.is_other;
}

void tables_flush(MapTables *tables)
{
    for (size_t i = 0; i < tables->hot.n_records; i++) {
        HotCell *hot = table_at(&tables->hot, i);

        tables_add_cell(tables, hot->key.series, hot->key.minute, &hot->value);
        if (is_cut(tables, hot->key.series)) {
            HotCell *pending = table_put(&tables->pending, &hot->key, NULL);

            cell_value_add(&pending->value, &hot->value);
        }
    }
    for (size_t i = 0; i < tables->hot_exemplars.n_records; i++) {
        HotExemplars *hot = table_at(&tables->hot_exemplars, i);

        tables_add_exemplars(tables, hot->key.series, hot->key.minute, &hot->set);
        if (is_cut(tables, hot->key.series)) {
            HotExemplars *pending = table_put(&tables->pending_exemplars, &hot->key, NULL);

            exemplars_merge(&pending->set, &hot->set);
        }
    }
    hot_clear(&tables->hot, &tables->hot_exemplars);
}

size_t tables_memory(const MapTables *tables)
{
    size_t size = symbols_bytes(&tables->nodes) + symbols_bytes(&tables->texts) +
                  tables->node_capacity * sizeof(tables->node[0]) +
                  tables->series.capacity * sizeof(Series) +
                  (tables->hot.capacity + tables->pending.capacity) * sizeof(HotCell) +
                  (tables->beyond == NULL ? 0 : tables_memory(tables->beyond));

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        size += cells_memory(&series->cells) +
                (series->counts == NULL ? 0 : cells_memory(series->counts)) +
                series->presence.capacity * sizeof(MapInterval) +
                series->slots_capacity * sizeof(ExemplarSlot);
        for (uint32_t k = 0; k < series->n_slots; k++) {
            size += series->slots[k].set.capacity * sizeof(Exemplar);
        }
    }
    return size;
}

/* --- Cutting --- */

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

/* --- Rows --- */

/* The number of the series of these names alone; SERIES_NONE when it has no place. */
static int own_series(MapTables *tables, const MapRow *row, const SeriesNames *names,
                      uint32_t *ret_series)
{
    uint32_t number = SERIES_NONE;

    if (is_chosen(tables, names, (Str){0}, (Str){0})) {
        TRY(tables_intern(tables, names, &number));
    }
    if (row->kind == SERIES_FLOW && number != SERIES_NONE) {
        number = is_chosen(tables, names, row->flow, row->step)
                     ? intern_flow(tables, number, row->flow, row->step)
                     : SERIES_NONE;
    }
    *ret_series = number;
    return 0;
}

int tables_row_series(MapTables *tables, const MapRow *row, uint32_t *ret_series)
{
    const SeriesNames names = map_row_names(row);
    uint32_t number;

    TRY(own_series(tables, row, &names, &number));
    if (number == SERIES_NONE && tables->folds && row->kind != SERIES_FLOW) {
        number = tables_other_series(tables, &names);
    }
    tables->n_refused += number == SERIES_NONE && !tables->folds;
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
    tables_add_cell(tables, number, row->minute, &row->sum);
    if (row->exemplars.n_items > 0) {
        tables_add_exemplars(tables, number, row->minute, &row->exemplars);
    }
    return 0;
}

int tables_apply_row(MapTables *tables, const MapRow *row)
{
    const SeriesNames names = map_row_names(row);
    uint32_t number;

    TRY(own_series(tables, row, &names, &number));
    if (number == SERIES_NONE && tables->folds) {
        TRY(tables_apply_row(need_beyond(tables), row));
    }
    if (number == SERIES_NONE && row->kind != SERIES_FLOW) {
        number = tables_other_series(tables, &names);
        tables->n_folded += number != SERIES_NONE;
    }
    if (number == SERIES_NONE) {
        tables->n_refused++;
        return 0;
    }
    const HotKey key = {number, row->minute};
    if (!cell_value_is_zero(&row->sum)) {
        cell_value_add(&((HotCell *)table_put(&tables->hot, &key, NULL))->value, &row->sum);
    }
    if (row->exemplars.n_items > 0) {
        HotExemplars *hot = table_put(&tables->hot_exemplars, &key, NULL);

        exemplars_merge(&hot->set, &row->exemplars);
    }
    return 0;
}
