// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/map_file.h"
#include "map/map_inside.h"
#include "map/tiers.h"

/*
 * What a start learns from table files: which series there are and when; sums stay in the files.
 * When there are more series than places, all are counted first and the most frequent get the
 * places (docs/adr/0020).
 */

typedef struct NotedHours {
    PageHours *hours;
    bool sparse;
} NotedHours;

static int note_hour(void *context, const MapRow *row)
{
    const NotedHours *noted = context;

    if ((row->minutes.len > 0 && !noted->sparse) || row->presence.len > 0) {
        return 1;
    }
    if (series_is_paged(row->kind)) {
        page_hours_add(noted->hours, row->minute / MINUTES_PER_HOUR);
    }
    return 0;
}

static int visit(const TableFile *file, const MapRowVisitor *visitor, ParseError *ret_error)
{
    CLEANUP(buf_deinit) Buf content = {0};

    TRY(table_file_read(file, &content));
    return map_file_visit(buf_str(&content), visitor, ret_error);
}

/* Hours' and days' files are only looked for here: reading all of them would take too long. */
int tiers_check_file(const TableFile *file, PageHours *hours, ParseError *ret_error)
{
    NotedHours noted = {hours, file->info.level == LEVEL_SPARSE};
    const MapRowVisitor visitor = {.visit = note_hour, .context = &noted, .minutes = noted.sparse};
    File *opened;

    if (file->info.level == LEVEL_CUT || file->info.level == LEVEL_FACTS ||
        file->info.level == LEVEL_SPARSE) {
        TRY(visit(file, &visitor, ret_error));
        page_hours_sort(hours);
        return 0;
    }
    TRY(table_file_open(file, &opened));
    file->fs->ops->close(opened);
    return 0;
}

int tiers_load(Map *map, TableFile *file, ParseError *ret_error)
{
    CLEANUP(page_hours_deinit) PageHours hours = {0};

    if (!table_info_is(&file->info, TIERS_FAMILY)) {
        return 0;
    }
    TRY(tiers_check_file(file, &hours, ret_error));
    map_lock(map);
    pages_add_file(&map->pages, file, &hours);
    map_unlock(map);
    return 0;
}

typedef struct Starting {
    MapTables *tables;
    uint32_t from, to; /* minutes of the file */
} Starting;

/* When a series of an hour or a day was there. */
static int learn_presence(void *context, const MapRow *row)
{
    const Starting *starting = context;
    Str minutes = row->minutes;
    uint32_t minute = row->minute - row->minute % MINUTES_PER_HOUR, series;
    uint32_t end = MIN(minute + MINUTES_PER_HOUR, starting->to);

    if (row->minute < starting->from || row->minute >= starting->to) {
        return 1;
    }
    TRY(tables_row_series(starting->tables, row, &series));
    if (series == SERIES_NONE) {
        return 0;
    }
    tables_series(starting->tables, series)->n_counted += row->sum.count;
    while (minutes.len > 0) {
        TRY(cells_skip(&minutes, &minute));
        if (minute >= end) {
            return 1;
        }
        tables_put_presence(starting->tables, series, minute);
    }
    return tables_unpack_presence(starting->tables, series, starting->from, starting->to,
                                  row->presence);
}

static int add_row(void *context, const MapRow *row)
{
    return tables_add_row(context, row);
}

static void learn(Map *map, const TableFile *file)
{
    Starting starting = {&map->tables, file->info.from_minute, file->info.to_minute};
    bool whole = file->info.level == LEVEL_CUT || file->info.level == LEVEL_FACTS;
    const MapRowVisitor visitor = {whole ? add_row : learn_presence,
                                   whole ? (void *)&map->tables : &starting, true};
    ParseError error = {.text = "it cannot be read"};
    int result = visit(file, &visitor, &error);

    if (result != 0) {
        map->pages.n_damaged++;
        log_error("map: a table file is left out", LOG_U64("table", file->number),
                  LOG_CSTR("because", error.text), LOG_I64("result", result));
    }
}

static void learn_times(Map *map)
{
    const Pages *pages = &map->pages;

    for (size_t i = 0; i < pages->day_files.n_records; i++) {
        learn(map, ((PageFile *)table_at(&pages->day_files, i))->file);
    }
    for (size_t i = 0; i < pages->hour_files.n_records; i++) {
        const PageFile *hour = table_at(&pages->hour_files, i);

        if (pages_day_file(pages, hour->time / HOURS_PER_DAY) == NULL) {
            learn(map, hour->file);
        }
    }
    for (size_t i = 0; i < pages->sparse_files.n_records; i++) {
        learn(map, ((PageSparse *)table_at(&pages->sparse_files, i))->file);
    }
}

/* The rows of cut files are added as deltas are: presence needs whole sums. So each file is shown
 * to the pages only once its rows are in memory, or an hour would be loaded with them. */
static void learn_cuts(Map *map)
{
    Pages *pages = &map->pages;
    PageCut *cuts = TAKE(pages->cuts);
    size_t n = pages->n_cuts;

    pages->n_cuts = pages->cuts_capacity = 0;
    pages->cut = 0; /* these are committed */
    for (size_t i = 0; i < n; i++) {
        learn(map, cuts[i].file);
        pages_add_file(pages, cuts[i].file, &cuts[i].hours);
        table_file_unref(cuts[i].file);
    }
    mem_free(cuts);
    pages->cut = 1;
    pages->fresh_hour = 0;
}

static void learn_all(Map *map)
{
    learn_times(map);
    if (map->pages.facts != NULL) {
        learn(map, map->pages.facts);
    }
    learn_cuts(map);
}

/* --- More series than there are places for --- */

static int count_row(void *context, const MapRow *row)
{
    series_counts_add(context, (SeriesCount){map_row_hash(row), row->sum.count,
                                             series_group(row->kind, row->source)});
    return 0;
}

/* The same files, more is known of which than learn_all() reads: an hour is told by its day. */
static void count_series(Map *map, SeriesCounts *counts)
{
    const MapRowVisitor visitor = {count_row, counts, false};
    const Pages *pages = &map->pages;
    ParseError error;

    for (size_t i = 0; i < pages->day_files.n_records; i++) {
        (void)visit(((PageFile *)table_at(&pages->day_files, i))->file, &visitor, &error);
    }
    for (size_t i = 0; i < pages->hour_files.n_records; i++) {
        const PageFile *hour = table_at(&pages->hour_files, i);

        if (pages_day_file(pages, hour->time / HOURS_PER_DAY) == NULL) {
            (void)visit(hour->file, &visitor, &error);
        }
    }
    for (size_t i = 0; i < pages->sparse_files.n_records; i++) {
        (void)visit(((PageSparse *)table_at(&pages->sparse_files, i))->file, &visitor, &error);
    }
    for (size_t i = 0; i < pages->n_cuts; i++) {
        (void)visit(pages->cuts[i].file, &visitor, &error);
    }
    if (pages->facts != NULL) {
        (void)visit(pages->facts, &visitor, &error);
    }
}

void tiers_learn(Map *map, const Places *places)
{
    tables_choose(&map->tables, places);
    learn_all(map);
    tables_chosen(&map->tables, places);
}

/* Everything anew, with places for the most frequent series alone. */
static void learn_chosen(Map *map)
{
    SeriesCounts counts;
    Places places;

    series_counts_init(&counts, map->options.fold_series_max);
    count_series(map, &counts);
    choice_take(map, (SeriesCount *)(void *)counts.table.records, counts.table.n_records, &places);
    map_reset_tables(map);
    pages_restart(&map->pages);
    tiers_learn(map, &places);
    if (places.is_chosen) {
        log_warn("map is full: the rarest edges and names are told in (other)",
                 LOG_U64("series", places.chosen.n_records));
    }
    places_deinit(&places);
    series_counts_deinit(&counts);
}

void tiers_loaded(Map *map)
{
    const Places everybody = {.is_chosen = false};

    map_lock(map);
    tiers_learn(map, &everybody);
    if (tables_are_full(&map->tables) || map->tables.has_contested) {
        learn_chosen(map);
    }
    pages_shrink(&map->pages, (PageWindow){0});
    map_unlock(map);
}
