// SPDX-License-Identifier: Apache-2.0
#include "map/roll_up.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/memory.h"
#include "map/map_file.h"
#include "map/series/hour_uses.h"
#include "map/tiers.h"

/*
 * A fold adds cut files up in tables of its own, then takes hour by hour: what the hour's file has
 * is added, the whole is written, and forgotten. So memory holds the cut files' cells and one hour,
 * or the hours that share a sparse file.
 */
enum { SPARSE_ROWS_MAX = 64, NEAR_PAST_HOURS = 396 * 24, NEAR_FUTURE_HOURS = 24 };

typedef struct Folding {
    MapTables tables;
    PageHours hours;   /* that the cut files touch */
    PageHours sparse;  /* those that share the file that is made now */
    HourUses uses;     /* of the hours that are made now */
    uint32_t from, to; /* minutes of what is read */
    uint32_t last_hour;
    bool is_thin;       /* the hour that is read */
    uint64_t written_s; /* when the newest rows came */
} Folding;

bool roll_up_is_near(uint32_t hour, uint64_t written_s)
{
    uint64_t now = written_s / 3600;

    return hour + (uint64_t)NEAR_PAST_HOURS >= now && hour <= now + NEAR_FUTURE_HOURS;
}

/* The first hour of the sparse file that would have @hour. */
static uint32_t sparse_first(uint32_t hour)
{
    return hour - hour % SPARSE_HOURS;
}

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
        bool is_hour = level == LEVEL_HOUR || level == LEVEL_THIN;
        uint32_t unit = is_hour                 ? MINUTES_PER_HOUR
                        : level == LEVEL_DAY    ? MINUTES_PER_DAY
                        : level == LEVEL_SPARSE ? (uint32_t)SPARSE_HOURS * MINUTES_PER_HOUR
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

/* Slots of from <= minute < to: a row each, but for the first minute's, which goes into @first. */
static void add_slots(const MapTables *tables, uint32_t number, const Folding *time, size_t first,
                      MapRows *rows)
{
    const Series *series = tables_series(tables, number);

    for (uint32_t i = series_slot(series, time->from);
         i < series->n_slots && series->slots[i].minute < time->to; i++) {
        const ExemplarSlot *slot = &series->slots[i];
        size_t at = first;

        if (slot->set.n_items == 0) {
            continue;
        }
        if (slot->minute != time->from || first == SIZE_MAX) {
            MapRow *row = map_rows_add(rows);

            tables_name_row(tables, number, slot->minute, row);
            at = rows->count - 1;
        }
        exemplars_merge(&rows->items[at].exemplars, &slot->set);
        exemplars_drop_taken(&rows->items[at].exemplars);
        if (time->is_thin) {
            exemplars_thin(&rows->items[at].exemplars);
        }
    }
}

/* Which series have anything in which hour of the time that is read: one look at each, however many
 * hours that are. Some may occur twice. */
static void find_uses(Folding *folding)
{
    folding->uses.count = 0;
    for (uint32_t i = 0; i < folding->tables.series.n_records; i++) {
        const Series *series = tables_series(&folding->tables, i);
        const Cells *cells = &series->cells;

        if (!series_is_paged((SeriesKind)series->key.kind)) {
            continue;
        }
        for (uint32_t k = cells_position(cells, folding->from);
             k < cells->n_cells && cells->index[k].minute < folding->to; k++) {
            hour_uses_add(&folding->uses, cells->index[k].minute / MINUTES_PER_HOUR, i);
        }
        for (uint32_t k = series_slot(series, folding->from);
             k < series->n_slots && series->slots[k].minute < folding->to; k++) {
            hour_uses_add(&folding->uses, series->slots[k].minute / MINUTES_PER_HOUR, i);
        }
    }
    hour_uses_sort(&folding->uses);
}

static void add_series(const Folding *folding, uint32_t number, Arena *arena, MapRows *rows)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    const MapTables *tables = &folding->tables;
    const Series *series = tables_series(tables, number);
    size_t first = SIZE_MAX;

    if (cells_touch(&series->cells, folding->from, folding->to)) {
        MapRow *row = map_rows_add(rows);

        first = rows->count - 1;
        tables_name_row(tables, number, folding->from, row);
        cells_total(&series->cells, folding->from, folding->to, &row->sum);
        if (!folding->is_thin) {
            cells_pack(&series->cells, folding->from, folding->to, &buf);
        } else if (series->counts != NULL) {
            cells_pack(series->counts, folding->from, folding->to, &buf);
        }
        row->minutes = pack(arena, &buf);
    }
    add_slots(tables, number, folding, first, rows);
}

/* The rows of the hour that is read, of what find_uses() found. */
static void add_hour(const Folding *folding, Arena *arena, MapRows *rows)
{
    uint32_t hour = folding->from / MINUTES_PER_HOUR, last = SERIES_NONE;

    for (size_t i = hour_uses_position(&folding->uses, hour);
         i < folding->uses.count && folding->uses.items[i].hour == hour; i++) {
        if (folding->uses.items[i].series != last) {
            last = folding->uses.items[i].series;
            add_series(folding, last, arena, rows);
        }
    }
}

static int emit_hour(const Folding *folding, TableSink *sink)
{
    CLEANUP(map_rows_deinit) MapRows rows = {0};
    CLEANUP(arena_deinit) Arena arena = {0};

    add_hour(folding, &arena, &rows);
    return roll_up_emit(&rows, folding->is_thin ? LEVEL_THIN : LEVEL_HOUR, sink);
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
                exemplars_merge(&row->exemplars, &series->slots[k].set);
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

static int take_packed_row(Folding *folding, const MapRow *row)
{
    MapTables *tables = &folding->tables;
    uint32_t hour = row->minute - row->minute % MINUTES_PER_HOUR, series;

    TRY(tables_row_series(tables, row, &series));
    if (series == SERIES_NONE) {
        return -EOVERFLOW;
    }
    if (row->exemplars.n_items > 0) {
        tables_put_exemplars(tables, series, row->minute, &row->exemplars);
    }
    if (folding->is_thin) {
        tables_put_cell(tables, series, hour, &row->sum);
        return tables_unpack_counts(tables, series, hour, hour + MINUTES_PER_HOUR, row->minutes);
    }
    return cells_unpack(&tables_series(tables, series)->cells, hour, hour + MINUTES_PER_HOUR,
                        row->minutes);
}

static int take_hour_row(void *context, const MapRow *row)
{
    const Folding *folding = context;

    if (row->minute < folding->from || row->minute >= folding->to || !series_is_paged(row->kind)) {
        return 1;
    }
    return take_packed_row(context, row);
}

static int take_sparse_row(void *context, const MapRow *row)
{
    Folding *folding = context;

    page_hours_add(&folding->sparse, row->minute / MINUTES_PER_HOUR);
    return take_hour_row(context, row);
}

static void set_time(Folding *folding, uint32_t hour, uint32_t hours)
{
    folding->from = hour * MINUTES_PER_HOUR;
    folding->to = folding->from + hours * MINUTES_PER_HOUR;
}

/* The plan's file of that level and time; NULL: none. */
static TableFile *find_input(const TablePlan *plan, uint32_t level, uint32_t hour)
{
    for (size_t i = 0; i < plan->n_inputs; i++) {
        const TableInfo *info = &plan->inputs[i]->info;

        if (info->level == level && info->from_minute == hour * MINUTES_PER_HOUR) {
            return plan->inputs[i];
        }
    }
    return NULL;
}

/* The hour's own file; NULL: none. */
static TableFile *find_hour(const TablePlan *plan, uint32_t hour)
{
    TableFile *file = find_input(plan, LEVEL_HOUR, hour);

    return file == NULL ? find_input(plan, LEVEL_THIN, hour) : file;
}

/* What the cut files add to a thin hour becomes thin as well. */
static int fold_hour(Folding *folding, const TablePlan *plan, uint32_t hour, TableSink *sink)
{
    TableFile *file = find_hour(plan, hour);

    set_time(folding, hour, 1);
    folding->is_thin = file != NULL && file->info.level == LEVEL_THIN;
    if (folding->is_thin) {
        tables_thin(&folding->tables, hour);
    }
    if (file != NULL) {
        TRY(visit(file, take_hour_row, folding));
    }
    find_uses(folding);
    TRY(emit_hour(folding, sink));
    folding->is_thin = false;
    tables_forget_cells(&folding->tables, folding->from, folding->to);
    return 0;
}

/* Whether the hour, of which all is here, has few rows. */
static bool is_sparse(const Folding *folding, uint32_t hour)
{
    const HourUses *uses = &folding->uses;

    return hour_uses_position(uses, hour + 1) - hour_uses_position(uses, hour) < SPARSE_ROWS_MAX;
}

static bool deserves_file(const Folding *folding, uint32_t hour)
{
    return hour <= folding->last_hour && page_hours_have(&folding->hours, hour) &&
           (roll_up_is_near(hour, folding->written_s) || !is_sparse(folding, hour));
}

/* The hours of folding->sparse. One that has come to deserve a file of its own gets it, if the cut
 * files have something for it: then its day's file goes, too. */
static int emit_sparse(Folding *folding, uint32_t first, TableSink *sink)
{
    CLEANUP(map_rows_deinit) MapRows rows = {0};
    CLEANUP(arena_deinit) Arena arena = {0};

    page_hours_sort(&folding->sparse);
    set_time(folding, first, SPARSE_HOURS);
    find_uses(folding);
    for (size_t i = 0; i < folding->sparse.count; i++) {
        set_time(folding, folding->sparse.items[i], 1);
        if (deserves_file(folding, folding->sparse.items[i])) {
            TRY(emit_hour(folding, sink));
        } else {
            add_hour(folding, &arena, &rows);
        }
        if (folding->sparse.items[i] > folding->last_hour) {
            tables_forget_cells(&folding->tables, folding->from, folding->to);
        }
    }
    /* All up to the last hour is written, also what has files of its own. */
    set_time(folding, first,
             (uint32_t)MIN((uint64_t)SPARSE_HOURS, (uint64_t)folding->last_hour + 1 - first));
    tables_forget_cells(&folding->tables, folding->from, folding->to);
    return roll_up_emit(&rows, LEVEL_SPARSE, sink);
}

/* Whether the hour is written by itself, whatever it has; else together with those around it. */
static bool has_own_file(const Folding *folding, const TablePlan *plan, uint32_t hour)
{
    return find_hour(plan, hour) != NULL ||
           (roll_up_is_near(hour, folding->written_s) &&
            find_input(plan, LEVEL_SPARSE, sparse_first(hour)) == NULL);
}

/* The hours that lie in the sparse file that begins at @first. */
static int fold_sparse(Folding *folding, const TablePlan *plan, uint32_t first, TableSink *sink)
{
    TableFile *file = find_input(plan, LEVEL_SPARSE, first);

    if (file != NULL) {
        set_time(folding, first, SPARSE_HOURS);
        TRY(visit(file, take_sparse_row, folding));
    }
    return emit_sparse(folding, first, sink);
}

static int fold_hours(Folding *folding, const TablePlan *plan, TableSink *sink)
{
    const PageHours *hours = &folding->hours;

    for (size_t i = 0; i < hours->count && hours->items[i] <= folding->last_hour; i++) {
        uint32_t hour = hours->items[i], first = sparse_first(hour);
        bool last = i + 1 == hours->count || hours->items[i + 1] > folding->last_hour ||
                    sparse_first(hours->items[i + 1]) != first;

        if (has_own_file(folding, plan, hour)) {
            TRY(fold_hour(folding, plan, hour, sink));
        } else {
            page_hours_add(&folding->sparse, hour);
        }
        if (last && folding->sparse.count > 0) {
            TRY(fold_sparse(folding, plan, first, sink));
            folding->sparse.count = 0;
        }
    }
    return 0;
}

static int fold(Folding *folding, const TablePlan *plan, TableSink *sink)
{
    for (size_t i = 0; i < plan->n_inputs; i++) {
        uint32_t level = plan->inputs[i]->info.level;

        if (level == LEVEL_CUT || level == LEVEL_FACTS) {
            TRY(visit(plan->inputs[i], take_row, folding));
        } else if (level == LEVEL_HOUR || level == LEVEL_THIN) {
            page_hours_add(&folding->hours, plan->inputs[i]->info.from_minute / MINUTES_PER_HOUR);
        }
    }
    page_hours_sort(&folding->hours);
    TRY(fold_hours(folding, plan, sink));
    TRY(emit_facts(folding, sink));
    return emit_rest(folding, sink);
}

static uint64_t newest_input(const TablePlan *plan)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < plan->n_inputs; i++) {
        newest = MAX(newest, plan->inputs[i]->written_s);
    }
    return newest;
}

int roll_up_fold(const TablePlan *plan, uint32_t last_hour, size_t series_max, TableSink *sink)
{
    Folding folding = {.last_hour = last_hour, .written_s = newest_input(plan)};

    tables_init(&folding.tables, 0);
    folding.tables.series_max = series_max;
    folding.tables.keep_taken = true;
    int result = fold(&folding, plan, sink);
    tables_deinit(&folding.tables);
    page_hours_deinit(&folding.hours);
    page_hours_deinit(&folding.sparse);
    hour_uses_deinit(&folding.uses);
    return result;
}

/* --- Thinning --- */

/* One hour's series by themselves: they fitted when its file was made. */
static int thin_hour(TableFile *file, TableSink *sink)
{
    Folding folding = {.from = file->info.from_minute, .to = file->info.to_minute};

    tables_init(&folding.tables, 0);
    int result = visit(file, take_hour_row, &folding);
    if (result == 0) {
        folding.is_thin = true;
        tables_thin(&folding.tables, folding.from / MINUTES_PER_HOUR);
        find_uses(&folding);
        result = emit_hour(&folding, sink);
    }
    tables_deinit(&folding.tables);
    hour_uses_deinit(&folding.uses);
    return result;
}

int roll_up_thin(const TablePlan *plan, TableSink *sink)
{
    for (size_t i = 0; i < plan->n_inputs; i++) {
        TRY(thin_hour(plan->inputs[i], sink));
    }
    return 0;
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

int roll_up_day(TableFile *const *hours, size_t n, uint32_t day, size_t series_max, TableSink *sink)
{
    Folding folding = {.from = day * MINUTES_PER_DAY, .to = (day + 1) * MINUTES_PER_DAY};
    int result = 0;

    /* Every gap ends a run: how long a one does not is a setting. */
    tables_init(&folding.tables, 0);
    folding.tables.series_max = series_max;
    for (size_t i = 0; i < n && result == 0; i++) {
        result = visit(hours[i], take_day_row, &folding);
    }
    if (result == 0) {
        result = emit_day(&folding, sink);
    }
    tables_deinit(&folding.tables);
    return result;
}
