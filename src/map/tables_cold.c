// SPDX-License-Identifier: Apache-2.0
#include "map/tables.h"

#include "base/assert.h"
#include "base/memory.h"

/* The cold series: what questions look at. */

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

/* Of an (other) there may be some already, of another row. */
static int unpack_other_presence(MapTables *tables, uint32_t number, MapInterval time, Str bytes)
{
    CLEANUP(presence_deinit) Presence more = {0};

    TRY(presence_unpack(&more, time.first_minute, time.last_minute + 1, bytes, 0));
    for (uint32_t i = 0; i < more.n_runs; i++) {
        for (uint32_t at = more.runs[i].first_minute; at <= more.runs[i].last_minute; at++) {
            tables_put_presence(tables, number, at);
        }
    }
    return 0;
}

int tables_unpack_presence(MapTables *tables, uint32_t number, uint32_t from_minute,
                           uint32_t to_minute, Str bytes)
{
    Series *series = tables_series(tables, number);
    bool was_there = series->presence.n_runs > 0;

    if (series->key.is_other) {
        return unpack_other_presence(tables, number, (MapInterval){from_minute, to_minute - 1},
                                     bytes);
    }
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
    uint32_t gap = series_gap(tables, series);
    MapInterval run;

    if (!presence_run(&series->presence, minute, &run)) {
        return;
    }
    uint32_t from = MAX(run.first_minute, minute - MIN(minute, gap + 1));
    uint32_t to = (uint32_t)MIN((uint64_t)run.last_minute, (uint64_t)minute + gap + 1) + 1;
    if (series->key.kind != SERIES_EDGE && minute > run.first_minute && minute < run.last_minute) {
        return;
    }
    need_minutes(tables, series, from, to);
    series = tables_series(tables, number); /* others may have come, and moved it */
    presence_remove(&series->presence, minute, tables_calls_before(tables, series, from, minute),
                    tables_calls_after(tables, series, minute, to), gap);
    if (series->presence.n_runs == 0) {
        count_nodes(tables, &series->key, -1);
    }
}

void tables_put_cell(MapTables *tables, uint32_t number, uint32_t minute, const CellValue *value)
{
    (void)cells_add(&tables_series(tables, number)->cells, minute, value);
}

void tables_add_cell(MapTables *tables, uint32_t number, uint32_t minute, const CellValue *value)
{
    need_minutes(tables, tables_series(tables, number), minute, minute + 1);
    Series *series = tables_series(tables, number);
    series->n_counted += value->count;
    int change = tables_is_thin(tables, series, minute)
                     ? tables_add_thin(tables, number, minute, value)
                     : cells_add(&series->cells, minute, value);

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

void series_slots_remove(Series *series, uint32_t from_minute, uint32_t to_minute)
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
            series_counts_remove(series, from_minute, to_minute);
            series_slots_remove(series, from_minute, to_minute);
        }
    }
}

static void forget_presence(MapTables *tables, Series *series, uint32_t from, uint32_t to)
{
    bool was_there = series->presence.n_runs > 0;

    presence_remove_range(&series->presence, from, to);
    if (was_there && series->presence.n_runs == 0) {
        count_nodes(tables, &series->key, -1);
    }
}

void tables_forget_presence(MapTables *tables, uint32_t from_minute, uint32_t to_minute)
{
    for (size_t i = 0; i < tables->series.n_records; i++) {
        Series *series = tables_series(tables, i);

        if (series_is_paged((SeriesKind)series->key.kind)) {
            forget_presence(tables, series, from_minute, to_minute);
        }
    }
}

/* Of a series that is there between the first and the last of these hours; neighbours at once. */
static void forget_hours(MapTables *tables, Series *series, const uint32_t *hours, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && hours[end] == hours[end - 1] + 1; end++) {
        }
        uint32_t from = hours[i] * MINUTES_PER_HOUR;
        uint32_t to = (hours[end - 1] + 1) * MINUTES_PER_HOUR;

        cells_remove_range(&series->cells, from, to);
        series_counts_remove(series, from, to);
        series_slots_remove(series, from, to);
        forget_presence(tables, series, from, to);
    }
}

void tables_forget_hours(MapTables *tables, const uint32_t *hours, size_t n)
{
    for (size_t i = 0; i < tables->series.n_records && n > 0; i++) {
        Series *series = tables_series(tables, i);
        uint32_t from = hours[0] * MINUTES_PER_HOUR, to = (hours[n - 1] + 1) * MINUTES_PER_HOUR;
        uint32_t slot = series_slot(series, from);
        MapInterval life;

        if (series_is_paged((SeriesKind)series->key.kind) &&
            (cells_touch(&series->cells, from, to) ||
             (slot < series->n_slots && series->slots[slot].minute < to) ||
             presence_clip(&series->presence, from, to, &life))) {
            forget_hours(tables, series, hours, n);
        }
    }
}

Exemplars *series_exemplars(Series *series, uint32_t minute)
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

TraceId series_latest_example(const Series *series, uint32_t from_minute, uint32_t to_minute)
{
    for (uint32_t i = series->n_slots; i > 0; i--) {
        const ExemplarSlot *slot = &series->slots[i - 1];
        ExemplarPick pick = {0};

        for (uint32_t k = 0; k < slot->set.n_items && slot->minute < to_minute &&
                             (uint64_t)slot->minute + EXEMPLAR_MINUTES > from_minute;
             k++) {
            exemplar_pick(&pick, &slot->set.items[k]);
        }
        if (pick.n[EXEMPLAR_LATEST] > 0) {
            return pick.best[EXEMPLAR_LATEST][0]->trace_id;
        }
    }
    return (TraceId){0};
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

void tables_add_exemplars(MapTables *tables, uint32_t number, uint32_t minute,
                          const Exemplars *from)
{
    need_minutes(tables, tables_series(tables, number), minute, minute + EXEMPLAR_MINUTES);
    if (tables_is_thin(tables, tables_series(tables, number), minute)) {
        tables_put_thin_exemplars(tables, number, minute, from);
    } else {
        tables_put_exemplars(tables, number, minute, from);
    }
}
