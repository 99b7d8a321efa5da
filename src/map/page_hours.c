// SPDX-License-Identifier: Apache-2.0
#include "map/pages.h"

#include <stdlib.h>

#include "base/memory.h"

/* Which table files there are, and which hours they have anything of. */

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

/* Position of the first at or after @hour. */
static size_t page_hours_position(const PageHours *hours, uint32_t hour)
{
    size_t from = 0, to = hours->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (hours->items[middle] < hour) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

bool page_hours_have(const PageHours *hours, uint32_t hour)
{
    return page_hours_touch(hours, hour, hour + 1);
}

bool page_hours_touch(const PageHours *hours, uint32_t from_hour, uint32_t to_hour)
{
    size_t at = page_hours_position(hours, from_hour);

    return at < hours->count && hours->items[at] < to_hour;
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

bool pages_hour_is_thin(const Pages *pages, uint32_t hour)
{
    uint32_t number = hour / HOURS_PER_DAY;
    const PageDay *day = table_find(&pages->days, &number);

    return day != NULL && (day->thin >> hour % HOURS_PER_DAY & 1) != 0;
}

const PageSparse *pages_sparse(const Pages *pages, uint32_t hour)
{
    uint32_t time = hour / SPARSE_HOURS;

    return table_find(&pages->sparse_files, &time);
}

uint64_t pages_sparse_hours(const Pages *pages)
{
    uint64_t n = 0;

    for (size_t i = 0; i < pages->sparse_files.n_records; i++) {
        n += ((const PageSparse *)table_at(&pages->sparse_files, i))->hours.count;
    }
    return n;
}

bool pages_have_hour(const Pages *pages, uint32_t hour)
{
    const PageSparse *sparse = pages_sparse(pages, hour);
    bool has = pages_hour_file(pages, hour) != NULL ||
               (sparse != NULL && page_hours_have(&sparse->hours, hour));

    for (size_t i = 0; i < pages->n_cuts && !has; i++) {
        has = page_hours_have(&pages->cuts[i].hours, hour);
    }
    return has;
}

/* An hour that no file has is there, and empty. */
PageDay *pages_day(Pages *pages, uint32_t day)
{
    bool added;
    PageDay *page = table_put(&pages->days, &day, &added);

    for (uint32_t i = 0; i < HOURS_PER_DAY && added; i++) {
        page->hours[i] = pages_have_hour(pages, day * HOURS_PER_DAY + i) ? PAGE_ABSENT : PAGE_EMPTY;
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
    PageDay *day = pages_day(pages, hour / HOURS_PER_DAY);

    if (day->hours[hour % HOURS_PER_DAY] == PAGE_EMPTY) {
        day->hours[hour % HOURS_PER_DAY] = PAGE_ABSENT;
    }
}

/* It stays so in memory, whatever file takes this one's place: sums that are not committed yet are
 * in that form. */
static void hour_gets_thin(Pages *pages, uint32_t hour)
{
    PageDay *day = pages_day(pages, hour / HOURS_PER_DAY);
    uint32_t at = hour % HOURS_PER_DAY;

    if (!day->is_sum && day->hours[at] == PAGE_MINUTES && (day->thin >> at & 1) == 0) {
        tables_thin(pages->tables, hour);
    }
    day->thin |= 1U << at;
    pages->fresh_hour = 0;
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

static void add_sparse(Pages *pages, TableFile *file, PageHours *hours)
{
    uint32_t time = file->info.from_minute / MINUTES_PER_HOUR / SPARSE_HOURS;
    PageSparse *place = table_put(&pages->sparse_files, &time, NULL);

    table_file_unref(place->file);
    page_hours_deinit(&place->hours);
    place->file = table_file_ref(file);
    place->hours = *hours;
    *hours = (PageHours){0};
    for (size_t i = 0; i < place->hours.count; i++) {
        hour_gets_file(pages, place->hours.items[i]);
    }
}

void pages_add_file(Pages *pages, TableFile *file, PageHours *hours)
{
    uint32_t hour = file->info.from_minute / MINUTES_PER_HOUR;

    switch (file->info.level) {
    case LEVEL_CUT:
        add_cut(pages, file, hours);
        break;
    case LEVEL_HOUR:
    case LEVEL_THIN:
        put_file(&pages->hour_files, hour, file);
        hour_gets_file(pages, hour);
        if (file->info.level == LEVEL_THIN) {
            hour_gets_thin(pages, hour);
        }
        break;
    case LEVEL_DAY:
        put_file(&pages->day_files, hour / HOURS_PER_DAY, file);
        break;
    case LEVEL_FACTS:
        table_file_unref(pages->facts);
        pages->facts = table_file_ref(file);
        break;
    case LEVEL_SPARSE:
        add_sparse(pages, file, hours);
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

static void remove_sparse(Pages *pages, uint32_t hour, const TableFile *file)
{
    uint32_t time = hour / SPARSE_HOURS;
    PageSparse *place = table_find(&pages->sparse_files, &time);

    if (place != NULL && place->file == file) {
        table_file_unref(place->file);
        page_hours_deinit(&place->hours);
        table_remove(&pages->sparse_files, place);
    }
}

void pages_remove_file(Pages *pages, const TableFile *file)
{
    uint32_t hour = file->info.from_minute / MINUTES_PER_HOUR;

    if (file->info.level == LEVEL_CUT) {
        remove_cut(pages, file);
    } else if (file->info.level == LEVEL_HOUR || file->info.level == LEVEL_THIN) {
        remove_time(&pages->hour_files, hour, file);
    } else if (file->info.level == LEVEL_DAY) {
        remove_time(&pages->day_files, hour / HOURS_PER_DAY, file);
    } else if (file->info.level == LEVEL_SPARSE) {
        remove_sparse(pages, hour, file);
    } else if (file == pages->facts) {
        pages->facts = table_file_unref(pages->facts);
    }
}

static void add_hours(Pages *pages, const PageHours *hours)
{
    for (size_t i = 0; i < hours->count; i++) {
        hour_gets_file(pages, hours->items[i]);
    }
}

void pages_restart(Pages *pages)
{
    table_clear(&pages->days);
    pages->fresh_hour = 0;
    for (size_t i = 0; i < pages->hour_files.n_records; i++) {
        hour_gets_file(pages, ((const PageFile *)table_at(&pages->hour_files, i))->time);
    }
    for (size_t i = 0; i < pages->sparse_files.n_records; i++) {
        add_hours(pages, &((const PageSparse *)table_at(&pages->sparse_files, i))->hours);
    }
    for (size_t i = 0; i < pages->n_cuts; i++) {
        add_hours(pages, &pages->cuts[i].hours);
    }
}

static PageHours copy_hours(const PageHours *hours)
{
    PageHours copy = {NEW_ARRAY(uint32_t, hours->count + 1), hours->count, hours->count + 1};

    mem_copy(copy.items, hours->items, hours->count * sizeof(uint32_t));
    return copy;
}

static void copy_files(Pages *pages, const Table *files)
{
    PageHours none = {0};

    for (size_t i = 0; i < files->n_records; i++) {
        pages_add_file(pages, ((const PageFile *)table_at(files, i))->file, &none);
    }
}

void pages_copy_files(Pages *pages, const Pages *from)
{
    PageHours hours, none = {0};

    copy_files(pages, &from->day_files);
    copy_files(pages, &from->hour_files);
    for (size_t i = 0; i < from->sparse_files.n_records; i++) {
        const PageSparse *sparse = table_at(&from->sparse_files, i);

        hours = copy_hours(&sparse->hours);
        pages_add_file(pages, sparse->file, &hours);
    }
    for (size_t i = 0; i < from->n_cuts; i++) {
        hours = copy_hours(&from->cuts[i].hours);
        pages_add_file(pages, from->cuts[i].file, &hours);
    }
    if (from->facts != NULL) {
        pages_add_file(pages, from->facts, &none);
    }
}

static void free_files(Table *files)
{
    for (size_t i = 0; i < files->n_records; i++) {
        table_file_unref(((PageFile *)table_at(files, i))->file);
    }
    table_deinit(files);
}

void pages_forget_files(Pages *pages)
{
    for (size_t i = 0; i < pages->n_cuts; i++) {
        table_file_unref(pages->cuts[i].file);
        page_hours_deinit(&pages->cuts[i].hours);
    }
    for (size_t i = 0; i < pages->sparse_files.n_records; i++) {
        PageSparse *sparse = table_at(&pages->sparse_files, i);

        table_file_unref(sparse->file);
        page_hours_deinit(&sparse->hours);
    }
    mem_free(pages->cuts);
    table_deinit(&pages->sparse_files);
    free_files(&pages->hour_files);
    free_files(&pages->day_files);
    table_file_unref(pages->facts);
}
