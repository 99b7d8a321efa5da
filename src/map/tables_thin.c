// SPDX-License-Identifier: Apache-2.0
#include "map/tables.h"

#include "base/memory.h"

/*
 * Hours of long ago (docs/adr/0021). Every delta counts something, so where the count of a minute
 * is 0 its whole sum is.
 */
static uint32_t hour_start(uint32_t minute)
{
    return minute - minute % MINUTES_PER_HOUR;
}

bool tables_is_thin(const MapTables *tables, const Series *series, uint32_t minute)
{
    return tables->pager != NULL && series_is_paged((SeriesKind)series->key.kind) &&
           tables->pager->is_thin(tables->pager, minute);
}

static Cells *series_counts(Series *series)
{
    if (series->counts == NULL) {
        series->counts = NEW(Cells);
    }
    return series->counts;
}

void series_counts_remove(Series *series, uint32_t from_minute, uint32_t to_minute)
{
    if (series->counts != NULL) {
        cells_remove_range(series->counts, from_minute, to_minute);
        if (series->counts->n_cells == 0) {
            cells_deinit(series->counts);
            mem_free(TAKE(series->counts));
        }
    }
}

int tables_put_count(MapTables *tables, uint32_t number, uint32_t minute, int64_t count)
{
    return cells_add(series_counts(tables_series(tables, number)), minute,
                     &(CellValue){.count = count});
}

int tables_unpack_counts(MapTables *tables, uint32_t number, uint32_t from_minute,
                         uint32_t to_minute, Str minutes)
{
    CLEANUP(cells_deinit) Cells cells = {0};

    TRY(cells_unpack(&cells, from_minute, to_minute, minutes));
    cells_count(&cells, from_minute, to_minute, series_counts(tables_series(tables, number)));
    return 0;
}

int tables_add_thin(MapTables *tables, uint32_t number, uint32_t minute, const CellValue *value)
{
    tables_put_cell(tables, number, hour_start(minute), value);
    return tables_put_count(tables, number, minute, value->count);
}

void tables_put_thin_exemplars(MapTables *tables, uint32_t number, uint32_t minute,
                               const Exemplars *from)
{
    tables_put_exemplars(tables, number, hour_start(minute), from);
    exemplars_thin(series_exemplars(tables_series(tables, number), hour_start(minute)));
}

/* --- Looking around --- */

/* What tells the calls of @minute. */
static const Cells *minutes_of(const MapTables *tables, const Series *series, uint32_t minute)
{
    static const Cells none = {0};

    if (!tables_is_thin(tables, series, minute)) {
        return &series->cells;
    }
    return series->counts == NULL ? &none : series->counts;
}

uint32_t tables_calls_before(const MapTables *tables, const Series *series, uint32_t from,
                             uint32_t before)
{
    while (before > from) {
        uint32_t start = MAX(from, hour_start(before - 1));
        const Cells *cells = minutes_of(tables, series, start);
        uint32_t at = cells_position(cells, before);

        if (at > 0 && cells->index[at - 1].minute >= start) {
            return cells->index[at - 1].minute;
        }
        before = start;
    }
    return PRESENCE_NONE;
}

uint32_t tables_calls_after(const MapTables *tables, const Series *series, uint32_t from,
                            uint32_t to)
{
    while (from < to) {
        uint32_t end = MIN(to, hour_start(from) + MINUTES_PER_HOUR);
        uint32_t minute = cells_next(minutes_of(tables, series, from), from);

        if (minute < end) {
            return minute;
        }
        from = end;
    }
    return PRESENCE_NONE;
}

/* --- Thinning --- */

static void thin_slots(const MapTables *tables, Series *series, uint32_t from_minute,
                       uint32_t to_minute)
{
    Exemplars all = {0};

    for (uint32_t i = series_slot(series, from_minute);
         i < series->n_slots && series->slots[i].minute < to_minute; i++) {
        exemplars_merge(&all, &series->slots[i].set);
    }
    if (all.n_items == 0) {
        return;
    }
    series_slots_remove(series, from_minute, to_minute);
    if (!tables->keep_taken) {
        exemplars_thin(&all);
    }
    *series_exemplars(series, from_minute) = all;
}

void tables_thin(MapTables *tables, uint32_t hour)
{
    uint32_t from = hour * MINUTES_PER_HOUR, to = from + MINUTES_PER_HOUR;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        CLEANUP(cell_value_deinit) CellValue sum = {0};
        Series *series = tables_series(tables, i);

        if (!series_is_paged((SeriesKind)series->key.kind)) {
            continue;
        }
        if (cells_touch(&series->cells, from, to)) {
            cells_count(&series->cells, from, to, series_counts(series));
            cells_total(&series->cells, from, to, &sum);
            cells_remove_range(&series->cells, from, to);
            (void)cells_add(&series->cells, from, &sum);
        }
        thin_slots(tables, series, from, to);
    }
}
