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

void page_hours_add(PageHours *hours, uint32_t hour)
{
    if (hours->count > 0 && hours->items[hours->count - 1] == hour) {
        return;
    }
    ARRAY_RESERVE(hours->items, hours->count, hours->capacity);
    hours->items[hours->count++] = hour;
}

static int compare_hours(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

void page_hours_sort(PageHours *hours)
{
    size_t n = 0;

    if (hours->count > 0) {
        qsort(hours->items, hours->count, sizeof(uint32_t), compare_hours);
    }
    for (size_t i = 0; i < hours->count; i++) {
        if (n == 0 || hours->items[n - 1] != hours->items[i]) {
            hours->items[n++] = hours->items[i];
        }
    }
    hours->count = n;
}

bool page_hours_have(const PageHours *hours, uint32_t hour)
{
    return hours->count > 0 &&
           bsearch(&hour, hours->items, hours->count, sizeof(uint32_t), compare_hours) != NULL;
}

void page_hours_deinit(PageHours *hours)
{
    mem_free(hours->items);
    *hours = (PageHours){0};
}

/* --- Files --- */

static TableFile *find_file(const Table *files, uint32_t time)
{
    const PageFile *found = table_find(files, &time);

    return found == NULL ? NULL : found->file;
}

TableFile *pages_hour_file(const Pages *pages, uint32_t hour)
{
    return find_file(&pages->hour_files, hour);
}

TableFile *pages_day_file(const Pages *pages, uint32_t day)
{
    return find_file(&pages->day_files, day);
}

static bool hour_has_file(const Pages *pages, uint32_t hour)
{
    bool has = pages_hour_file(pages, hour) != NULL;

    for (size_t i = 0; i < pages->n_cuts && !has; i++) {
        has = page_hours_have(&pages->cuts[i].hours, hour);
    }
    return has;
}

/* An hour that no file has is there, and empty. */
static PageDay *page_day(Pages *pages, uint32_t day)
{
    bool added;
    PageDay *page = table_put(&pages->days, &day, &added);

    for (uint32_t i = 0; i < HOURS_PER_DAY && added; i++) {
        page->hours[i] = hour_has_file(pages, day * HOURS_PER_DAY + i) ? PAGE_ABSENT : PAGE_EMPTY;
    }
    return page;
}

static void put_file(Table *files, uint32_t time, TableFile *file)
{
    PageFile *place = table_put(files, &time, NULL);

    table_file_unref(place->file);
    place->file = table_file_ref(file);
}

static void hour_gets_file(Pages *pages, uint32_t hour)
{
    PageDay *day = page_day(pages, hour / HOURS_PER_DAY);

    if (day->hours[hour % HOURS_PER_DAY] == PAGE_EMPTY) {
        day->hours[hour % HOURS_PER_DAY] = PAGE_ABSENT;
    }
}

static void add_cut(Pages *pages, TableFile *file, PageHours *hours)
{
    for (size_t i = 0; i < hours->count; i++) {
        hour_gets_file(pages, hours->items[i]);
    }
    ARRAY_RESERVE(pages->cuts, pages->n_cuts, pages->cuts_capacity);
    pages->cuts[pages->n_cuts++] = (PageCut){.file = table_file_ref(file), .hours = *hours};
    *hours = (PageHours){0};
}

void pages_add_file(Pages *pages, TableFile *file, PageHours *hours)
{
    uint32_t hour = file->info.from_minute / MINUTES_PER_HOUR;

    switch (file->info.level) {
    case LEVEL_CUT:
        add_cut(pages, file, hours);
        break;
    case LEVEL_HOUR:
        put_file(&pages->hour_files, hour, file);
        hour_gets_file(pages, hour);
        break;
    case LEVEL_DAY:
        put_file(&pages->day_files, hour / HOURS_PER_DAY, file);
        break;
    case LEVEL_FACTS:
        table_file_unref(pages->facts);
        pages->facts = table_file_ref(file);
        break;
    default: /* of a newer program */
        break;
    }
}

static void remove_time(Table *files, uint32_t time, const TableFile *file)
{
    PageFile *place = table_find(files, &time);

    if (place != NULL && place->file == file) {
        table_file_unref(place->file);
        table_remove(files, place);
    }
}

static void remove_cut(Pages *pages, const TableFile *file)
{
    size_t n = 0;

    for (size_t i = 0; i < pages->n_cuts; i++) {
        if (pages->cuts[i].file == file) {
            table_file_unref(pages->cuts[i].file);
            page_hours_deinit(&pages->cuts[i].hours);
        } else {
            pages->cuts[n++] = pages->cuts[i];
        }
    }
    pages->n_cuts = n;
}

void pages_remove_file(Pages *pages, const TableFile *file)
{
    uint32_t hour = file->info.from_minute / MINUTES_PER_HOUR;

    if (file->info.level == LEVEL_CUT) {
        remove_cut(pages, file);
    } else if (file->info.level == LEVEL_HOUR) {
        remove_time(&pages->hour_files, hour, file);
    } else if (file->info.level == LEVEL_DAY) {
        remove_time(&pages->day_files, hour / HOURS_PER_DAY, file);
    } else if (file == pages->facts) {
        pages->facts = table_file_unref(pages->facts);
    }
}

/* --- Loading --- */

/* Rows on their way into a page. */
typedef struct Loading {
    Pages *pages;
    uint32_t from, to; /* minutes of the page */
    bool by_minute;    /* else into one cell at @from */
    bool from_cut;     /* the rows are of all times and kinds */
} Loading;

static int load_sums(const Loading *loading, uint32_t number, const MapRow *row)
{
    MapTables *tables = loading->pages->tables;
    Series *series = tables_series(tables, number);

    if (row->exemplars.n_items > 0) {
        tables_put_exemplars(tables, number, row->minute, &row->exemplars);
    }
    if (loading->by_minute && !loading->from_cut) {
        return cells_unpack(&series->cells, loading->from, loading->to, row->minutes);
    }
    tables_put_cell(tables, number, loading->by_minute ? row->minute : loading->from, &row->sum);
    return 0;
}

static int load_row(void *context, const MapRow *row)
{
    const Loading *loading = context;
    uint32_t number;

    if (row->minute < loading->from || row->minute >= loading->to || !series_is_paged(row->kind)) {
        return loading->from_cut ? 0 : 1;
    }
    TRY(tables_row_series(loading->pages->tables, row, &number));
    return number == SERIES_NONE ? 0 : load_sums(loading, number, row);
}

/* A file that cannot be read is left out of the answer: the others still are one. */
static void load_file(Loading *loading, const TableFile *file)
{
    CLEANUP(buf_deinit) Buf content = {0};
    const MapRowVisitor visitor = {load_row, loading, loading->by_minute};
    ParseError error = {.text = "it cannot be read"};

    loading->from_cut = file->info.level == LEVEL_CUT;
    loading->pages->n_loads++;
    int result = table_file_read(file, &content);
    if (result == 0) {
        result = map_file_visit(buf_str(&content), &visitor, &error);
    }
    if (result != 0) {
        loading->pages->n_damaged++;
        log_error("map: a table file is left out of answers", LOG_U64("table", file->number),
                  LOG_CSTR("because", error.text), LOG_I64("result", result));
    }
}

static void load_cuts(Loading *loading)
{
    const Pages *pages = loading->pages;

    for (size_t i = 0; i < pages->n_cuts; i++) {
        const PageHours *hours = &pages->cuts[i].hours;
        bool any = false;

        for (uint32_t hour = loading->from / MINUTES_PER_HOUR;
             hour < loading->to / MINUTES_PER_HOUR && !any; hour++) {
            any = page_hours_have(hours, hour);
        }
        if (any) {
            load_file(loading, pages->cuts[i].file);
        }
    }
}

static void load_hour(Pages *pages, uint32_t hour, bool by_minute)
{
    Loading loading = {.pages = pages,
                       .from = hour * MINUTES_PER_HOUR,
                       .to = (hour + 1) * MINUTES_PER_HOUR,
                       .by_minute = by_minute};
    const TableFile *file = pages_hour_file(pages, hour);

    if (file != NULL) {
        load_file(&loading, file);
    }
    load_cuts(&loading);
}

static void load_day(Pages *pages, uint32_t day)
{
    Loading loading = {
        .pages = pages, .from = day * MINUTES_PER_DAY, .to = (day + 1) * MINUTES_PER_DAY};
    const TableFile *file = pages_day_file(pages, day);

    if (file != NULL) {
        load_file(&loading, file);
    }
    for (uint32_t i = 0; i < HOURS_PER_DAY && file == NULL; i++) {
        const TableFile *hour = pages_hour_file(pages, day * HOURS_PER_DAY + i);

        if (hour != NULL) {
            load_file(&loading, hour);
        }
    }
    load_cuts(&loading);
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

static void need_hour(Pages *pages, PageDay *day, uint32_t at, PageState state)
{
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
    load_hour(pages, hour, state == PAGE_MINUTES);
}

/* A delta is on its way there. */
static void need_minutes(Pager *pager, uint32_t from_minute, uint32_t to_minute)
{
    Pages *pages = (Pages *)pager;

    for (uint32_t hour = from_minute / MINUTES_PER_HOUR; hour <= (to_minute - 1) / MINUTES_PER_HOUR;
         hour++) {
        if (pages->fresh_hour != hour + 1) {
            PageDay *day = page_day(pages, hour / HOURS_PER_DAY);
            uint32_t at = hour % HOURS_PER_DAY;

            need_hour(pages, day, at, PAGE_MINUTES);
            day->hours[at] = PAGE_MINUTES;
            day->changed[at] = pages->cut;
            pages->fresh_hour = hour + 1;
        }
    }
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
static void need_day(Pages *pages, PageWindow window, PageDay *day)
{
    if (day_is_whole(window, day->day) && !day_has_hours(day)) {
        for (uint32_t i = 0; i < HOURS_PER_DAY; i++) {
            day->hours[i] = PAGE_ABSENT;
        }
        day->is_sum = true;
        day->used[0] = ++pages->tick;
        load_day(pages, day->day);
        return;
    }
    for (uint32_t i = 0; i < HOURS_PER_DAY; i++) {
        PageState state = hour_state(window, day->day * HOURS_PER_DAY + i);

        if (state != PAGE_ABSENT) {
            need_hour(pages, day, i, state);
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
    for (size_t i = 0; i < pages->days.n_records; i++) {
        PageDay *day = table_at(&pages->days, i);

        if (day_touches(window, day->day) && !have_day(pages, window, day)) {
            need_day(pages, window, day);
        }
    }
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

static size_t find_candidates(Pages *pages, PageWindow keep, Candidate *candidates)
{
    size_t n = 0;

    for (size_t i = 0; i < pages->days.n_records; i++) {
        PageDay *day = table_at(&pages->days, i);

        if (day->is_sum && !day_touches(keep, day->day)) {
            candidates[n++] = (Candidate){day->used[0], day, HOURS_PER_DAY};
        }
        for (uint32_t at = 0; at < HOURS_PER_DAY && !day->is_sum; at++) {
            if (may_go(pages, day, at, keep)) {
                candidates[n++] = (Candidate){day->used[at], day, at};
            }
        }
    }
    if (n > 0) {
        qsort(candidates, n, sizeof(candidates[0]), compare_candidates);
    }
    return n;
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
    size_t n_max = pages->days.n_records * HOURS_PER_DAY + 1, at = 0;
    CLEANUP(mem_freep) Candidate *candidates = NEW_ARRAY(Candidate, n_max);
    size_t n = find_candidates(pages, keep, candidates);

    while (at < n && cells_bytes(pages->tables) > pages->bytes_max) {
        for (size_t end = MIN(n, at + n / 8 + 1); at < end; at++) {
            let_go(pages, &candidates[at]);
        }
    }
}

void pages_expire_hour(Pages *pages, uint32_t hour)
{
    PageDay *day = page_day(pages, hour / HOURS_PER_DAY);

    open_day(pages, day);
    forget(pages, hour * MINUTES_PER_HOUR, MINUTES_PER_HOUR);
    tables_forget_presence(pages->tables, hour * MINUTES_PER_HOUR, (hour + 1) * MINUTES_PER_HOUR);
    day->hours[hour % HOURS_PER_DAY] = hour_has_file(pages, hour) ? PAGE_ABSENT : PAGE_EMPTY;
}

void pages_init(Pages *pages, MapTables *tables, size_t bytes_max)
{
    *pages = (Pages){.pager = {need_minutes}, .tables = tables, .bytes_max = bytes_max, .cut = 1};
    table_init(&pages->days, sizeof(PageDay), sizeof(uint32_t));
    table_init(&pages->hour_files, sizeof(PageFile), sizeof(uint32_t));
    table_init(&pages->day_files, sizeof(PageFile), sizeof(uint32_t));
    tables->pager = &pages->pager;
}

static void free_files(Table *files)
{
    for (size_t i = 0; i < files->n_records; i++) {
        table_file_unref(((PageFile *)table_at(files, i))->file);
    }
    table_deinit(files);
}

void pages_deinit(Pages *pages)
{
    for (size_t i = 0; i < pages->n_cuts; i++) {
        table_file_unref(pages->cuts[i].file);
        page_hours_deinit(&pages->cuts[i].hours);
    }
    mem_free(pages->cuts);
    free_files(&pages->hour_files);
    free_files(&pages->day_files);
    table_file_unref(pages->facts);
    table_deinit(&pages->days);
}
