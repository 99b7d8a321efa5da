// SPDX-License-Identifier: Apache-2.0
#include "map/page_load.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "map/map_file.h"

/*
 * A page that is loaded adds up the hour's (or day's) file and those rows of the cut files that lie
 * in it; a row of a cut file goes into the cell that the page has for its minute. So a late take
 * back cancels in whatever resolution it meets what it takes back, and a cell is there exactly when
 * its sum is not zero. A thin hour's is one at its first minute, and rows of cut files go there,
 * too.
 *
 * Refused: one window's sums in a table of their own for each question. It needs every reader of
 * cells to look in two places, and repeats the loading when somebody scrubs.
 */

void page_loads_deinit(PageLoads *loads)
{
    mem_free(loads->items);
}

void page_loads_add(PageLoads *loads, PageLoad load)
{
    ARRAY_RESERVE(loads->items, loads->count, loads->capacity);
    loads->items[loads->count++] = load;
}

static int compare_loads(const void *a, const void *b)
{
    uint32_t x = ((const PageLoad *)a)->from, y = ((const PageLoad *)b)->from;

    return (x > y) - (x < y);
}

static int compare_minute_and_load(const void *a, const void *b)
{
    uint32_t minute = *(const uint32_t *)a;
    const PageLoad *load = b;

    return minute < load->from ? -1 : minute >= load->to;
}

static int load_thin(const PageLoads *loads, const PageLoad *load, uint32_t number,
                     const MapRow *row)
{
    MapTables *tables = loads->pages->tables;

    if (row->exemplars.n_items > 0) {
        tables_put_thin_exemplars(tables, number, row->minute, &row->exemplars);
    }
    if (load->by_minute && loads->level == LEVEL_CUT) {
        (void)tables_add_thin(tables, number, row->minute, &row->sum);
        return 0;
    }
    tables_put_cell(tables, number, load->from, &row->sum);
    if (!load->by_minute) {
        return 0;
    }
    return tables_unpack_counts(tables, number, load->from, load->to, row->minutes);
}

static int load_sums(const PageLoads *loads, const PageLoad *load, uint32_t number,
                     const MapRow *row)
{
    MapTables *tables = loads->pages->tables;
    uint32_t hour = row->minute - row->minute % MINUTES_PER_HOUR;

    if (load->is_thin) {
        return load_thin(loads, load, number, row);
    }
    if (row->exemplars.n_items > 0) {
        bool of_day = load->to - load->from == MINUTES_PER_DAY;

        tables_put_exemplars(tables, number, of_day ? load->from : row->minute, &row->exemplars);
    }
    if (load->by_minute && loads->level != LEVEL_CUT) {
        return cells_unpack(&tables_series(tables, number)->cells, hour, hour + MINUTES_PER_HOUR,
                            row->minutes);
    }
    tables_put_cell(tables, number, load->by_minute ? row->minute : load->from, &row->sum);
    return 0;
}

/* Files of hours and days have rows of their time alone; cut and sparse ones others, too. */
static int load_row(void *context, const MapRow *row)
{
    const PageLoads *loads = context;
    const PageLoad *load = bsearch(&row->minute, loads->items, loads->count,
                                   sizeof(loads->items[0]), compare_minute_and_load);
    uint32_t number;

    if (!series_is_paged(row->kind)) {
        return loads->level == LEVEL_CUT ? 0 : 1;
    }
    if (load == NULL) {
        return loads->level == LEVEL_CUT || loads->level == LEVEL_SPARSE ? 0 : 1;
    }
    TRY(tables_row_series(loads->pages->tables, row, &number));
    return number == SERIES_NONE ? 0 : load_sums(loads, load, number, row);
}

static int read_rows(PageLoads *loads, const TableFile *file, bool minutes, ParseError *error)
{
    CLEANUP(buf_deinit) Buf content = {0};
    const MapRowVisitor visitor = {load_row, loads, minutes};

    TRY(table_file_read(file, &content));
    return map_file_visit(buf_str(&content), &visitor, error);
}

static int take_rows(PageLoads *loads, const FetchedFile *fetched)
{
    int result = 0;

    for (size_t i = 0; i < fetched->rows.count && result == 0; i++) {
        result = load_row(loads, &fetched->rows.items[i]);
    }
    return result == 0 ? fetched->result : result;
}

/* A file that cannot be read is left out of the answer: the others still are one. */
static void load_file(PageLoads *loads, const TableFile *file, bool minutes)
{
    const FetchedFile *fetched = page_fetch_find(loads->pages->fetched, file, minutes);
    ParseError error = {.text = "it cannot be read"};

    loads->level = file->info.level;
    loads->pages->n_loads++;
    int result =
        fetched != NULL ? take_rows(loads, fetched) : read_rows(loads, file, minutes, &error);
    if (result != 0) {
        loads->pages->n_damaged++;
        log_error("map: a table file is left out of answers", LOG_U64("table", file->number),
                  LOG_CSTR("because", error.text), LOG_I64("result", result));
    }
}

/* Whether a page that is to be loaded lies in these hours. */
static bool loads_touch(const PageLoads *loads, const PageHours *hours)
{
    bool any = false;

    for (size_t i = 0; i < loads->count && !any; i++) {
        any = page_hours_touch(hours, loads->items[i].from / MINUTES_PER_HOUR,
                               loads->items[i].to / MINUTES_PER_HOUR);
    }
    return any;
}

static void load_cuts(PageLoads *loads)
{
    for (size_t i = 0; i < loads->pages->n_cuts; i++) {
        if (loads_touch(loads, &loads->pages->cuts[i].hours)) {
            load_file(loads, loads->pages->cuts[i].file, false);
        }
    }
}

/* The files of one page alone. */
static void load_own_files(PageLoads *loads, PageLoad load)
{
    const Pages *pages = loads->pages;
    uint32_t hour = load.from / MINUTES_PER_HOUR, end = load.to / MINUTES_PER_HOUR;
    const TableFile *file =
        end - hour == HOURS_PER_DAY ? pages_day_file(pages, hour / HOURS_PER_DAY) : NULL;

    if (file != NULL) {
        load_file(loads, file, false);
        return;
    }
    for (; hour < end; hour++) {
        file = pages_hour_file(pages, hour);
        if (file != NULL) {
            load_file(loads, file, load.by_minute);
        }
    }
}

/* Sparse files that have hours of the loads: each once, as the loads are by time. */
static void load_sparse(PageLoads *loads)
{
    const PageSparse *loaded = NULL;

    for (size_t i = 0; i < loads->count && loads->pages->sparse_files.n_records > 0; i++) {
        uint32_t hour = loads->items[i].from / MINUTES_PER_HOUR;
        const PageSparse *sparse = pages_sparse(loads->pages, hour);

        if (sparse != NULL && sparse != loaded &&
            page_hours_touch(&sparse->hours, hour, loads->items[i].to / MINUTES_PER_HOUR)) {
            load_file(loads, sparse->file, true);
            loaded = sparse;
        }
    }
}

void page_loads_run(PageLoads *loads)
{
    if (loads->count == 0) {
        return;
    }
    qsort(loads->items, loads->count, sizeof(loads->items[0]), compare_loads);
    for (size_t i = 0; i < loads->count; i++) {
        load_own_files(loads, loads->items[i]);
    }
    load_sparse(loads);
    load_cuts(loads);
}
