// SPDX-License-Identifier: Apache-2.0
#include "map/pages.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "map/page_load.h"

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
    page_loads_add(loads, (PageLoad){.from = hour * MINUTES_PER_HOUR,
                                     .to = (hour + 1) * MINUTES_PER_HOUR,
                                     .by_minute = state == PAGE_MINUTES,
                                     .is_thin = (day->thin >> at & 1) != 0});
}

/* A delta is on its way there. */
static void need_minutes(Pager *pager, uint32_t from_minute, uint32_t to_minute)
{
    Pages *pages = (Pages *)pager;
    CLEANUP(page_loads_deinit) PageLoads loads = {.pages = pages};

    for (uint32_t hour = from_minute / MINUTES_PER_HOUR; hour <= (to_minute - 1) / MINUTES_PER_HOUR;
         hour++) {
        if (pages->fresh_hour != hour + 1) {
            PageDay *day = pages_day(pages, hour / HOURS_PER_DAY);
            uint32_t at = hour % HOURS_PER_DAY;

            need_hour(&loads, day, at, PAGE_MINUTES);
            day->hours[at] = PAGE_MINUTES;
            day->changed[at] = pages->cut;
            pages->fresh_hour = hour + 1;
            pages->fresh_is_thin = (day->thin >> at & 1) != 0;
        }
    }
    page_loads_run(&loads);
}

static bool is_thin(const Pager *pager, uint32_t minute)
{
    const Pages *pages = (const Pages *)pager;
    uint32_t hour = minute / MINUTES_PER_HOUR;

    return pages->fresh_hour == hour + 1 ? pages->fresh_is_thin : pages_hour_is_thin(pages, hour);
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

static bool any_is_thin(const Pages *pages, uint32_t from_hour, uint32_t to_hour)
{
    bool any = false;

    for (size_t i = 0; i < pages->days.n_records && !any; i++) {
        const PageDay *day = table_at(&pages->days, i);

        for (uint32_t at = 0; at < HOURS_PER_DAY && day->thin != 0 && !any; at++) {
            uint32_t hour = day->day * HOURS_PER_DAY + at;

            any = (day->thin >> at & 1) != 0 && hour >= from_hour && hour < to_hour;
        }
    }
    return any;
}

bool pages_widen(const Pages *pages, PageWindow *window)
{
    uint32_t first = window->from_minute / MINUTES_PER_HOUR;
    uint32_t end = window->to_minute / MINUTES_PER_HOUR,
             rest = window->to_minute % MINUTES_PER_HOUR;

    if (window->from_minute >= window->to_minute || !any_is_thin(pages, first, end + (rest > 0))) {
        return false;
    }
    if (pages_hour_is_thin(pages, first)) {
        window->from_minute = first * MINUTES_PER_HOUR;
    }
    if (rest > 0 && pages_hour_is_thin(pages, end)) {
        window->to_minute = (end + 1) * MINUTES_PER_HOUR;
    }
    window->unit = MAX(window->unit, (uint32_t)MINUTES_PER_HOUR);
    return true;
}

/* What the window needs of the hour. */
static PageState hour_state(PageWindow window, const PageDay *day, uint32_t at)
{
    uint32_t hour = day->day * HOURS_PER_DAY + at;
    uint32_t from = hour * MINUTES_PER_HOUR, to = from + MINUTES_PER_HOUR;
    bool thin = (day->thin >> at & 1) != 0;

    if (to <= window.from_minute || from >= window.to_minute) {
        return PAGE_ABSENT;
    }
    bool whole = from >= window.from_minute && to <= window.to_minute;
    return thin || (whole && window.unit >= MINUTES_PER_HOUR) ? PAGE_SUM : PAGE_MINUTES;
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
        PageState state = hour_state(window, day, i);

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
        page_loads_add(loads, (PageLoad){.from = day->day * MINUTES_PER_DAY,
                                         .to = (day->day + 1) * MINUTES_PER_DAY});
        return;
    }
    for (uint32_t i = 0; i < HOURS_PER_DAY; i++) {
        PageState state = hour_state(window, day, i);

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

void pages_need_days(Pages *pages, PageWindow window, const uint32_t *days, size_t n)
{
    CLEANUP(page_loads_deinit) PageLoads loads = {.pages = pages};

    for (size_t i = 0; i < n; i++) {
        PageDay *day = pages_day(pages, days[i]);

        if (!have_day(pages, window, day)) {
            need_day(&loads, window, day);
        }
    }
    page_loads_run(&loads);
}

/* The files that need_day() would read. */
static void fetch_day(PageFetch *fetch, const Pages *pages, PageWindow window, const PageDay *day)
{
    uint32_t first = day->day * HOURS_PER_DAY;

    if (day_is_whole(window, day->day) && !day_has_hours(day)) {
        page_fetch_add(fetch, pages, first, HOURS_PER_DAY, false);
        return;
    }
    for (uint32_t i = 0; i < HOURS_PER_DAY; i++) {
        PageState state = hour_state(window, day, i);

        if (state != PAGE_ABSENT && (day->is_sum || (PageState)day->hours[i] < state)) {
            page_fetch_add(fetch, pages, first + i, 1, state == PAGE_MINUTES);
        }
    }
}

/* By the days' places in their table, where new ones come behind all others. */
bool page_fetch_window(PageFetch *fetch, Pages *pages, PageWindow window, size_t *at)
{
    for (; *at < pages->days.n_records && fetch->bytes < PAGE_FETCH_BYTES; (*at)++) {
        PageDay *day = table_at(&pages->days, *at);

        if (day_touches(window, day->day) && !have_day(pages, window, day)) {
            fetch_day(fetch, pages, window, day);
            ARRAY_RESERVE(fetch->days, fetch->n_days, fetch->days_capacity);
            fetch->days[fetch->n_days++] = day->day;
        }
    }
    return fetch->n_days > 0;
}

void page_fetch_hour(PageFetch *fetch, const Pages *pages, uint32_t hour)
{
    uint32_t number = hour / HOURS_PER_DAY;
    const PageDay *day = table_find(&pages->days, &number);

    if (day != NULL &&
        (day->is_sum || (PageState)day->hours[hour % HOURS_PER_DAY] < PAGE_MINUTES)) {
        page_fetch_add(fetch, pages, hour, 1, true);
    }
}

void pages_need(Pages *pages, PageWindow window)
{
    CLEANUP(page_loads_deinit) PageLoads loads = {.pages = pages};

    for (size_t i = 0; i < pages->days.n_records; i++) {
        PageDay *day = table_at(&pages->days, i);

        if (day_touches(window, day->day) && !have_day(pages, window, day)) {
            need_day(&loads, window, day);
        }
    }
    page_loads_run(&loads);
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
    return (day->hours[at] == PAGE_SUM || day->hours[at] == PAGE_MINUTES) &&
           day->changed[at] <= pages->committed && hour_state(keep, day, at) == PAGE_ABSENT;
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
        bytes += series->counts == NULL ? 0 : cells_memory(series->counts);
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
        PageDay *day = pages_day(pages, hours[i] / HOURS_PER_DAY);

        day->hours[hours[i] % HOURS_PER_DAY] =
            pages_have_hour(pages, hours[i]) ? PAGE_ABSENT : PAGE_EMPTY;
        day->thin &= ~(1U << hours[i] % HOURS_PER_DAY);
    }
}

void pages_init(Pages *pages, MapTables *tables, size_t bytes_max)
{
    *pages = (Pages){
        .pager = {need_minutes, is_thin}, .tables = tables, .bytes_max = bytes_max, .cut = 1};
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
