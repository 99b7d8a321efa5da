// SPDX-License-Identifier: Apache-2.0
#include "map/roll_up.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/memory.h"
#include "map/map_file.h"
#include "map/tiers.h"

/*
 * A fold adds cut files up in tables of its own, then takes hour by hour: what the hour's file has
 * is added, the whole is written, and forgotten. So memory holds the cut files' cells and one hour.
 */
typedef struct Folding {
    MapTables tables;
    PageHours hours;   /* that the cut files touch */
    uint32_t from, to; /* minutes of the hour or day that is read */
} Folding;

static int visit(TableFile *file, int (*take)(void *, const MapRow *), Folding *folding)
{
    CLEANUP(buf_deinit) Buf content = {0};
    const MapRowVisitor visitor = {take, folding, true};
    ParseError error = {.text = "it cannot be read"};

    TRY(table_file_read(file, &content));
    int result = map_file_visit(buf_str(&content), &visitor, &error);
    if (result > 0) {
        atomic_store(&file->damaged, true);
        log_error("map: a damaged table file stays as it is, without being merged",
                  LOG_U64("table", file->number), LOG_CSTR("because", error.text));
    }
    return result;
}

/* --- Emitting --- */

int roll_up_emit(const MapRows *rows, uint32_t level, TableSink *sink)
{
    CLEANUP(buf_deinit) Buf file = {0};
    TableInfo info = table_info(TIERS_FAMILY);
    uint32_t first = UINT32_MAX, last = 0;

    if (rows->count == 0) {
        return 0;
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (series_is_paged(rows->items[i].kind)) {
            first = MIN(first, rows->items[i].minute);
            last = MAX(last, rows->items[i].minute);
        }
    }
    info.level = level;
    if (first <= last) {
        uint32_t unit = level == LEVEL_HOUR  ? MINUTES_PER_HOUR
                        : level == LEVEL_DAY ? MINUTES_PER_DAY
                                             : 1;

        info.from_minute = first - first % unit;
        info.to_minute = last - last % unit + unit;
    }
    TRY(map_file_write(rows, &file));
    return sink->emit(sink, &info, buf_str(&file));
}

static Str pack(Arena *arena, Buf *buf)
{
    Str copy = arena_copy(arena, buf_str(buf));

    buf_clear(buf);
    return copy;
}

static void copy_exemplars(const Exemplars *from, Exemplars *to)
{
    for (uint32_t i = 0; i < from->n_items; i++) {
        exemplars_add(to, &from->items[i]);
    }
}

/* Slots of from <= minute < to: a row each, but for the first minute's, which goes into @first. */
static void add_slots(const MapTables *tables, uint32_t number, const Folding *time, size_t first,
                      MapRows *rows)
{
    const Series *series = tables_series(tables, number);

    for (uint32_t i = 0; i < series->n_slots; i++) {
        const ExemplarSlot *slot = &series->slots[i];
        size_t at = first;

        if (slot->minute < time->from || slot->minute >= time->to || slot->set.n_items == 0) {
            continue;
        }
        if (slot->minute != time->from || first == SIZE_MAX) {
            MapRow *row = map_rows_add(rows);

            tables_name_row(tables, number, slot->minute, row);
            at = rows->count - 1;
        }
        copy_exemplars(&slot->set, &rows->items[at].exemplars);
        exemplars_drop_taken(&rows->items[at].exemplars);
    }
}

static int emit_hour(const Folding *folding, TableSink *sink)
{
    CLEANUP(map_rows_deinit) MapRows rows = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf buf = {0};
    const MapTables *tables = &folding->tables;

    for (uint32_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);
        size_t first = SIZE_MAX;

        if (!series_is_paged((SeriesKind)series->key.kind)) {
            continue;
        }
        if (cells_touch(&series->cells, folding->from, folding->to)) {
            MapRow *row = map_rows_add(&rows);

            first = rows.count - 1;
            tables_name_row(tables, i, folding->from, row);
            cells_total(&series->cells, folding->from, folding->to, &row->sum);
            cells_pack(&series->cells, folding->from, folding->to, &buf);
            row->minutes = pack(&arena, &buf);
        }
        add_slots(tables, i, folding, first, &rows);
    }
    return roll_up_emit(&rows, LEVEL_HOUR, sink);
}

/* Cells as rows, one each. */
static void add_cells(const MapTables *tables, uint32_t number, MapRows *rows)
{
    const Cells *cells = &tables_series(tables, number)->cells;

    for (uint32_t i = 0; i < cells->n_cells; i++) {
        uint32_t minute = cells->index[i].minute;
        MapRow *row = map_rows_add(rows);

        tables_name_row(tables, number, minute, row);
        cells_total(cells, minute, minute + 1, &row->sum);
    }
}

static int emit_facts(const Folding *folding, TableSink *sink)
{
    CLEANUP(map_rows_deinit) MapRows rows = {0};
    const MapTables *tables = &folding->tables;

    for (uint32_t i = 0; i < tables->series.n_records; i++) {
        if (!series_is_paged((SeriesKind)tables_series(tables, i)->key.kind)) {
            add_cells(tables, i, &rows);
        }
    }
    return roll_up_emit(&rows, LEVEL_FACTS, sink);
}

static int emit_rest(const Folding *folding, TableSink *sink)
{
    CLEANUP(map_rows_deinit) MapRows rows = {0};
    const MapTables *tables = &folding->tables;

    for (uint32_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (!series_is_paged((SeriesKind)series->key.kind)) {
            continue;
        }
        add_cells(tables, i, &rows);
        for (uint32_t k = 0; k < series->n_slots; k++) {
            if (series->slots[k].set.n_items > 0) {
                MapRow *row = map_rows_add(&rows);

                tables_name_row(tables, i, series->slots[k].minute, row);
                copy_exemplars(&series->slots[k].set, &row->exemplars);
            }
        }
    }
    return roll_up_emit(&rows, LEVEL_CUT, sink);
}

/* --- Folding --- */

static int take_row(void *context, const MapRow *row)
{
    Folding *folding = context;

    if (row->minutes.len > 0 || row->presence.len > 0) {
        return 1;
    }
    if (series_is_paged(row->kind)) {
        page_hours_add(&folding->hours, row->minute / MINUTES_PER_HOUR);
    }
    TRY(tables_add_row(&folding->tables, row));
    return folding->tables.n_refused > 0 ? -EOVERFLOW : 0; /* it would be lost */
}

static int take_hour_row(void *context, const MapRow *row)
{
    Folding *folding = context;
    MapTables *tables = &folding->tables;
    uint32_t series;

    if (row->minute < folding->from || row->minute >= folding->to || !series_is_paged(row->kind)) {
        return 1;
    }
    TRY(tables_row_series(tables, row, &series));
    if (series == SERIES_NONE) {
        return -EOVERFLOW;
    }
    if (row->exemplars.n_items > 0) {
        tables_put_exemplars(tables, series, row->minute, &row->exemplars);
    }
    return cells_unpack(&tables_series(tables, series)->cells, folding->from, folding->to,
                        row->minutes);
}

static int fold_hour(Folding *folding, const TablePlan *plan, uint32_t hour, TableSink *sink)
{
    folding->from = hour * MINUTES_PER_HOUR;
    folding->to = folding->from + MINUTES_PER_HOUR;
    for (size_t i = 0; i < plan->n_inputs; i++) {
        const TableInfo *info = &plan->inputs[i]->info;

        if (info->level == LEVEL_HOUR && info->from_minute == folding->from) {
            TRY(visit(plan->inputs[i], take_hour_row, folding));
        }
    }
    TRY(emit_hour(folding, sink));
    tables_forget_cells(&folding->tables, folding->from, folding->to);
    return 0;
}

static int fold(Folding *folding, const TablePlan *plan, uint32_t last_hour, TableSink *sink)
{
    for (size_t i = 0; i < plan->n_inputs; i++) {
        uint32_t level = plan->inputs[i]->info.level;

        if (level == LEVEL_CUT || level == LEVEL_FACTS) {
            TRY(visit(plan->inputs[i], take_row, folding));
        } else if (level == LEVEL_HOUR) {
            page_hours_add(&folding->hours, plan->inputs[i]->info.from_minute / MINUTES_PER_HOUR);
        }
    }
    page_hours_sort(&folding->hours);
    for (size_t i = 0; i < folding->hours.count && folding->hours.items[i] <= last_hour; i++) {
        TRY(fold_hour(folding, plan, folding->hours.items[i], sink));
    }
    TRY(emit_facts(folding, sink));
    return emit_rest(folding, sink);
}

int roll_up_fold(const TablePlan *plan, uint32_t last_hour, TableSink *sink)
{
    Folding folding = {0};

    tables_init(&folding.tables, 0);
    folding.tables.keep_taken = true;
    int result = fold(&folding, plan, last_hour, sink);
    tables_deinit(&folding.tables);
    page_hours_deinit(&folding.hours);
    return result;
}

/* --- Days --- */

static int take_day_row(void *context, const MapRow *row)
{
    Folding *folding = context;
    MapTables *tables = &folding->tables;
    uint32_t minute = row->minute - row->minute % MINUTES_PER_HOUR, series;
    Str minutes = row->minutes;

    if (minute < folding->from || minute >= folding->to || !series_is_paged(row->kind)) {
        return 1;
    }
    TRY(tables_row_series(tables, row, &series));
    if (series == SERIES_NONE) {
        return -EOVERFLOW;
    }
    tables_put_cell(tables, series, folding->from, &row->sum);
    if (row->exemplars.n_items > 0) {
        tables_put_exemplars(tables, series, folding->from, &row->exemplars);
    }
    while (minutes.len > 0) {
        TRY(cells_skip(&minutes, &minute));
        tables_put_presence(tables, series, minute);
    }
    return 0;
}

static int emit_day(const Folding *folding, TableSink *sink)
{
    CLEANUP(map_rows_deinit) MapRows rows = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf buf = {0};
    const MapTables *tables = &folding->tables;

    for (uint32_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);
        MapRow *row = map_rows_add(&rows);

        tables_name_row(tables, i, folding->from, row);
        cells_total(&series->cells, folding->from, folding->to, &row->sum);
        presence_pack(&series->presence, folding->from, folding->to, &buf);
        row->presence = pack(&arena, &buf);
        add_slots(tables, i, folding, rows.count - 1, &rows);
    }
    return roll_up_emit(&rows, LEVEL_DAY, sink);
}

int roll_up_day(TableFile *const *hours, size_t n, uint32_t day, TableSink *sink)
{
    Folding folding = {.from = day * MINUTES_PER_DAY, .to = (day + 1) * MINUTES_PER_DAY};
    int result = 0;

    tables_init(&folding.tables,
                0); /* every gap ends a run: how long a one does not is a setting */
    for (size_t i = 0; i < n && result == 0; i++) {
        result = visit(hours[i], take_day_row, &folding);
    }
    if (result == 0) {
        result = emit_day(&folding, sink);
    }
    tables_deinit(&folding.tables);
    return result;
}
