// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/pages.h"

/*
 * Brings sums from table files into memory, for pages of which nothing is there: each file is read
 * once, whatever it has of them. One that cannot be read is left out, counted and logged. Behind
 * Map's lock, exclusively; files may be read before that (PageFetch), without it.
 */

/* A page that is to be filled: none overlaps another. */
typedef struct PageLoad {
    uint32_t from, to; /* minutes of the page */
    bool by_minute;    /* else into one cell at @from */
    bool is_thin;      /* an hour: into that cell in any case; @by_minute: into the counts, too */
} PageLoad;

typedef struct PageLoads {
    Pages *pages;
    PageLoad *items; /* by time once they are loaded */
    size_t count, capacity;
    uint32_t level; /* of the file that is read */
} PageLoads;

void page_loads_deinit(PageLoads *loads);
void page_loads_add(PageLoads *loads, PageLoad load);
void page_loads_run(PageLoads *loads);

/*
 * Files that a load will want, read and decoded before it takes the lock: files never change, so
 * whatever comes and goes meanwhile, their rows are right. What is not among them when it is wanted
 * is read then.
 *
 * page_fetch_window() or page_fetch_hour() with the lock shared; page_fetch_read() without it; then
 * pages->fetched while loads run, with the lock.
 */
enum {
    PAGE_FETCH_BYTES = 4 << 20, /* of files: then no other day or hour is begun */
    PAGE_FETCH_BYTES_MAX =
        16 << 20,                  /* files beyond it are left to the load, which reads in parts */
    PAGE_FETCH_ROWS_MAX = 1 << 17, /* of all files; the same */
};

typedef struct FetchedFile {
    TableFile *file; /* a reference */
    bool minutes;
    bool is_left; /* it has more rows than there was room for */
    int result;   /* of reading */
    MapRows rows;
} FetchedFile;

struct PageFetch {
    FetchedFile *files;
    size_t n_files, capacity;
    uint64_t bytes;
    size_t n_rows;
    uint32_t *days; /* of the window whose files these are */
    size_t n_days, days_capacity;
    Arena arena;
};

void page_fetch_deinit(PageFetch *fetch);

/* Adds files of days that the window needs and that are not in memory, until they are large. Goes
 * on at @at, first 0, and moves it behind these days: so it ends whatever is let go meanwhile.
 * Returns whether there are any. */
bool page_fetch_window(PageFetch *fetch, Pages *pages, PageWindow window, size_t *at);

/* Adds the files of an hour that a delta needs, unless it is in memory. */
void page_fetch_hour(PageFetch *fetch, const Pages *pages, uint32_t hour);

/* Adds the files of @n hours; @minutes: with the minutes of the hours' own ones. */
void page_fetch_add(PageFetch *fetch, const Pages *pages, uint32_t hour, uint32_t n, bool minutes);

void page_fetch_read(PageFetch *fetch);

/* The file, with its minutes if these are wanted; NULL: it was not read, or left. */
const FetchedFile *page_fetch_find(const PageFetch *fetch, const TableFile *file, bool minutes);
