// SPDX-License-Identifier: Apache-2.0
#include "map/pages.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/map_file.h"

/*
 * A page that is loaded adds up the hour's (or day's) file and those rows of the cut files that lie
 * in it; a row of a cut file goes into the cell that the page has for its minute. So a late take
 * back cancels in whatever resolution it meets what it takes back, and a cell is there exactly when
 * its sum is not zero.
 *
 * Refused: one window's sums in a table of their own for each question. It needs every reader of
 * cells to look in two places, and repeats the loading when somebody scrubs.
 */

/* --- Loading --- */

/* Pages that are to be filled: none overlaps another. */
typedef struct PageLoad {
    uint32_t from, to; /* minutes of the page */
    bool by_minute;    /* else into one cell at @from */
} PageLoad;

typedef struct PageLoads {
    Pages *pages;
    PageLoad *items; /* by time once they are loaded */
    size_t count, capacity;
    uint32_t level; /* of the file that is read */
} PageLoads;

static void loads_deinit(PageLoads *loads)
{
    mem_free(loads->items);
}

static void add_load(PageLoads *loads, uint32_t from, uint32_t minutes, bool by_minute)
{
    ARRAY_RESERVE(loads->items, loads->count, loads->capacity);
    loads->items[loads->count++] = (PageLoad){from, from + minutes, by_minute};
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

static int load_sums(const PageLoads *loads, const PageLoad *load, uint32_t number,
                     const MapRow *row)
{
    MapTables *tables = loads->pages->tables;
    uint32_t hour = row->minute - row->minute % MINUTES_PER_HOUR;

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

/* A file that cannot be read is left out of the answer: the others still are one. */
static void load_file(PageLoads *loads, const TableFile *file, bool minutes)
{
    CLEANUP(buf_deinit) Buf content = {0};
    const MapRowVisitor visitor = {load_row, loads, minutes};
    ParseError error = {.text = "it cannot be read"};

    loads->level = file->info.level;
    loads->pages->n_loads++;
    int result = table_file_read(file, &content);
    if (result == 0) {
        result = map_file_visit(buf_str(&content), &visitor, &error);
    }
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

/* Reads each file once, whatever it has of the pages. */
static void load_all(PageLoads *loads)
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

static void forget(Pages *pages, uint32_t from_minute, uint32_t minutes)
{
    pages->fresh_hour = 0;
    tables_forget_cells(pages->tables, from_minute, from_minute + minutes);
}

/* Breaks a day's one cell up into hours that are not there. */
static void open_day(Pages *pages, PageDay *day)
{
    if (day->is_sum) {
        forget(pages, day->day * MINUTES_PER_DAY, MINUTES_PER_DAY);
        day->is_sum = false;
    }
}

static void need_hour(PageLoads *loads, PageDay *day, uint32_t at, PageState state)
{
    Pages *pages = loads->pages;
    uint32_t hour = day->day * HOURS_PER_DAY + at;

    open_day(pages, day);
    day->used[at] = ++pages->tick;
    if ((PageState)day->hours[at] >= state) {
        return;
    }
    if (day->hours[at] == PAGE_SUM) {
        forget(pages, hour * MINUTES_PER_HOUR, MINUTES_PER_HOUR);
    }
    day->hours[at] = (uint8_t)state;
    add_load(loads, hour * MINUTES_PER_HOUR, MINUTES_PER_HOUR, state == PAGE_MINUTES);
}

/* A delta is on its way there. */
static void need_minutes(Pager *pager, uint32_t from_minute, uint32_t to_minute)
{
    Pages *pages = (Pages *)pager;
    CLEANUP(loads_deinit) PageLoads loads = {.pages = pages};

    for (uint32_t hour = from_minute / MINUTES_PER_HOUR; hour <= (to_minute - 1) / MINUTES_PER_HOUR;
         hour++) {
        if (pages->fresh_hour != hour + 1) {
            PageDay *day = pages_day(pages, hour / HOURS_PER_DAY);
            uint32_t at = hour % HOURS_PER_DAY;

            need_hour(&loads, day, at, PAGE_MINUTES);
            day->hours[at] = PAGE_MINUTES;
            day->changed[at] = pages->cut;
            pages->fresh_hour = hour + 1;
        }
    }
    load_all(&loads);
}

/* --- Windows --- */

PageWindow page_steps(uint32_t from_minute, uint32_t to_minute, uint32_t step)
{
    static const uint32_t units[] = {MINUTES_PER_DAY, MINUTES_PER_HOUR};
    PageWindow window = {from_minute, to_minute, 1};

    for (size_t i = 0; i < ARRAY_LEN(units) && window.unit == 1; i++) {
        if (step > 0 && step % units[i] == 0 && from_minute % units[i] == 0) {
            window.unit = units[i];
        }
    }
    return window;
}

/* What the window needs of the hour. */
static PageState hour_state(PageWindow window, uint32_t hour)
{
    uint32_t from = hour * MINUTES_PER_HOUR, to = from + MINUTES_PER_HOUR;

    if (to <= window.from_minute || from >= window.to_minute) {
        return PAGE_ABSENT;
    }
    bool whole = from >= window.from_minute && to <= window.to_minute;
    return whole && window.unit >= MINUTES_PER_HOUR ? PAGE_SUM : PAGE_MINUTES;
}

static bool day_is_whole(PageWindow window, uint32_t day)
{
    return day * MINUTES_PER_DAY >= window.from_minute &&
           (uint64_t)(day + 1) * MINUTES_PER_DAY <= window.to_minute &&
           window.unit >= MINUTES_PER_DAY;
}

static bool day_touches(PageWindow window, uint32_t day)
{
    return (uint64_t)(day + 1) * MINUTES_PER_DAY > window.from_minute &&
           day * MINUTES_PER_DAY < window.to_minute;
}

static bool day_has_hours(const PageDay *day)
{
    bool any = false;

    for (uint32_t i = 0; i < HOURS_PER_DAY && !any; i++) {
        any = day->hours[i] == PAGE_SUM || day->hours[i] == PAGE_MINUTES;
    }
    return any;
}

/* Readers that share the lock may say so at once: any of their ticks will do. */
static void note_use(Pages *pages, PageDay *day, uint32_t at)
{
    __atomic_store_n(&day->used[at], __atomic_load_n(&pages->tick, __ATOMIC_RELAXED),
                     __ATOMIC_RELAXED);
}

static bool have_day(Pages *pages, PageWindow window, PageDay *day)
{
    bool have = true;

    if (day->is_sum) {
        note_use(pages, day, 0);
        return day_is_whole(window, day->day);
    }
    for (uint32_t i = 0; i < HOURS_PER_DAY && have; i++) {
        PageState state = hour_state(window, day->day * HOURS_PER_DAY + i);

        if (state != PAGE_ABSENT) {
            note_use(pages, day, i);
        }
        have = day->hours[i] >= state;
    }
    return have;
}

/* One cell for a whole day, unless some of its hours are here already. */
static void need_day(PageLoads *loads, PageWindow window, PageDay *day)
{
    Pages *pages = loads->pages;

    if (day_is_whole(window, day->day) && !day_has_hours(day)) {
        for (uint32_t i = 0; i < HOURS_PER_DAY; i++) {
            day->hours[i] = PAGE_ABSENT;
        }
        day->is_sum = true;
        day->used[0] = ++pages->tick;
        add_load(loads, day->day * MINUTES_PER_DAY, MINUTES_PER_DAY, false);
        return;
    }
    for (uint32_t i = 0; i < HOURS_PER_DAY; i++) {
        PageState state = hour_state(window, day->day * HOURS_PER_DAY + i);

        if (state != PAGE_ABSENT) {
            need_hour(loads, day, i, state);
        }
    }
}

bool pages_have(Pages *pages, PageWindow window)
{
    bool have = true;

    for (size_t i = 0; i < pages->days.n_records && have; i++) {
        PageDay *day = table_at(&pages->days, i);

        have = !day_touches(window, day->day) || have_day(pages, window, day);
    }
    return have;
}

void pages_need(Pages *pages, PageWindow window)
{
    CLEANUP(loads_deinit) PageLoads loads = {.pages = pages};

    for (size_t i = 0; i < pages->days.n_records; i++) {
        PageDay *day = table_at(&pages->days, i);

        if (day_touches(window, day->day) && !have_day(pages, window, day)) {
            need_day(&loads, window, day);
        }
    }
    load_all(&loads);
}

/* --- Letting go --- */

typedef struct Candidate {
    uint64_t used;
    PageDay *day;
    uint32_t hour; /* of the day; HOURS_PER_DAY: the day's one cell */
} Candidate;

static int compare_candidates(const void *a, const void *b)
{
    uint64_t x = ((const Candidate *)a)->used, y = ((const Candidate *)b)->used;

    return (x > y) - (x < y);
}

static bool may_go(const Pages *pages, const PageDay *day, uint32_t at, PageWindow keep)
{
    uint32_t hour = day->day * HOURS_PER_DAY + at;

    return (day->hours[at] == PAGE_SUM || day->hours[at] == PAGE_MINUTES) &&
           day->changed[at] <= pages->committed && hour_state(keep, hour) == PAGE_ABSENT;
}

typedef struct Candidates {
    Candidate *items;
    size_t count, capacity;
} Candidates;

static void candidates_deinit(Candidates *candidates)
{
    mem_free(candidates->items);
}

static void add_candidate(Candidates *candidates, Candidate candidate)
{
    ARRAY_RESERVE(candidates->items, candidates->count, candidates->capacity);
    candidates->items[candidates->count++] = candidate;
}

static void find_candidates(Pages *pages, PageWindow keep, Candidates *candidates)
{
    for (size_t i = 0; i < pages->days.n_records; i++) {
        PageDay *day = table_at(&pages->days, i);

        if (day->is_sum && !day_touches(keep, day->day)) {
            add_candidate(candidates, (Candidate){day->used[0], day, HOURS_PER_DAY});
        }
        for (uint32_t at = 0; at < HOURS_PER_DAY && !day->is_sum; at++) {
            if (may_go(pages, day, at, keep)) {
                add_candidate(candidates, (Candidate){day->used[at], day, at});
            }
        }
    }
    if (candidates->count > 0) {
        qsort(candidates->items, candidates->count, sizeof(candidates->items[0]),
              compare_candidates);
    }
}

static void let_go(Pages *pages, const Candidate *candidate)
{
    PageDay *day = candidate->day;

    if (candidate->hour == HOURS_PER_DAY) {
        open_day(pages, day);
    } else {
        forget(pages, (day->day * HOURS_PER_DAY + candidate->hour) * MINUTES_PER_HOUR,
               MINUTES_PER_HOUR);
        day->hours[candidate->hour] = PAGE_ABSENT;
    }
    pages->n_evicted++;
}

static size_t cells_bytes(const MapTables *tables)
{
    size_t bytes = 0;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        bytes += cells_memory(&series->cells);
        for (uint32_t k = 0; k < series->n_slots; k++) {
            bytes += sizeof(ExemplarSlot) + series->slots[k].set.capacity * sizeof(Exemplar);
        }
    }
    return bytes;
}

void pages_shrink(Pages *pages, PageWindow keep)
{
    if (cells_bytes(pages->tables) <= pages->bytes_max) {
        return;
    }
    CLEANUP(candidates_deinit) Candidates candidates = {0};
    find_candidates(pages, keep, &candidates);
    size_t n = candidates.count, at = 0;

    while (at < n && cells_bytes(pages->tables) > pages->bytes_max) {
        for (size_t end = MIN(n, at + n / 8 + 1); at < end; at++) {
            let_go(pages, &candidates.items[at]);
        }
    }
}

void pages_expire_hours(Pages *pages, const uint32_t *hours, size_t n)
{
    pages->fresh_hour = 0;
    for (size_t i = 0; i < n; i++) {
        open_day(pages, pages_day(pages, hours[i] / HOURS_PER_DAY));
    }
    tables_forget_hours(pages->tables, hours, n);
    for (size_t i = 0; i < n; i++) {
        pages_day(pages, hours[i] / HOURS_PER_DAY)->hours[hours[i] % HOURS_PER_DAY] =
            pages_have_hour(pages, hours[i]) ? PAGE_ABSENT : PAGE_EMPTY;
    }
}

void pages_init(Pages *pages, MapTables *tables, size_t bytes_max)
{
    *pages = (Pages){.pager = {need_minutes}, .tables = tables, .bytes_max = bytes_max, .cut = 1};
    table_init(&pages->days, sizeof(PageDay), sizeof(uint32_t));
    table_init(&pages->hour_files, sizeof(PageFile), sizeof(uint32_t));
    table_init(&pages->day_files, sizeof(PageFile), sizeof(uint32_t));
    table_init(&pages->sparse_files, sizeof(PageSparse), sizeof(uint32_t));
    tables->pager = &pages->pager;
}

void pages_deinit(Pages *pages)
{
    pages_forget_files(pages);
    table_deinit(&pages->days);
}
