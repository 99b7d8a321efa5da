// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/tables.h"
#include "store/table_file.h"

/*
 * Which cells are in memory. All sums are in table files once they are committed; memory holds the
 * hours that were written or asked about last. docs/format/map-table.md has the levels.
 *
 *   hour:  not here | its sum, one cell at its first minute | minute by minute; a thin one: its sum
 *          and the counts of its minutes
 *   day:   one cell at its first minute for all of it | its hours, each as above
 *
 * A delta needs its hour minute by minute, so sums in memory are whole and presence follows from
 * them. What is not committed yet is in memory only, and stays. Presence and proofs of all of time
 * are in memory always. Behind Map's lock: pages_need, the pager and whatever changes files
 * want it exclusively.
 */
enum {
    LEVEL_CUT,    /* rows as a cut left them, minutes of any time */
    LEVEL_HOUR,   /* one hour's sums, and its minutes packed */
    LEVEL_DAY,    /* one day's sums and presence: what its hours add up to */
    LEVEL_FACTS,  /* proofs */
    LEVEL_SPARSE, /* SPARSE_HOURS hours, as many as have few rows: each as in LEVEL_HOUR */
    LEVEL_THIN,   /* as LEVEL_HOUR, but of its minutes there are the counts alone */
};

/* Of whole days, so that a day lies in one. */
enum { SPARSE_HOURS = 42 * 24 };

enum { HOURS_PER_DAY = 24, PAGES_BYTES_DEFAULT = 96 << 20 };

/* The hours that a file of LEVEL_CUT has rows in. */
typedef struct PageHours {
    uint32_t *items; /* sorted, each once */
    size_t count, capacity;
} PageHours;

void page_hours_add(PageHours *hours, uint32_t hour); /* out of order: call sort before reading */
void page_hours_sort(PageHours *hours);
bool page_hours_have(const PageHours *hours, uint32_t hour);
bool page_hours_touch(const PageHours *hours, uint32_t from_hour, uint32_t to_hour);
void page_hours_deinit(PageHours *hours);

typedef struct PageCut {
    TableFile *file;
    PageHours hours;
    bool is_left; /* of too many series to be folded: it stays as it is */
} PageCut;

/* A file by its hour or day. */
typedef struct PageFile {
    uint32_t time;
    TableFile *file;
} PageFile;

/* A file of LEVEL_SPARSE. */
typedef struct PageSparse {
    uint32_t time; /* its first hour / SPARSE_HOURS */
    TableFile *file;
    PageHours hours;
} PageSparse;

typedef enum PageState {
    PAGE_ABSENT,
    PAGE_SUM,
    PAGE_MINUTES,
    PAGE_EMPTY, /* neither files nor cells have anything */
} PageState;

typedef struct PageDay {
    uint32_t day;
    bool is_sum;   /* then all hours are absent */
    uint32_t thin; /* a bit per hour: what is in memory of it is thin */
    uint8_t hours[HOURS_PER_DAY];
    uint32_t changed[HOURS_PER_DAY]; /* number of the cut that the last change goes into */
    uint64_t used[HOURS_PER_DAY];    /* when last looked at, in `tick`s */
} PageDay;

typedef struct PageFetch PageFetch; /* page_load.h */

typedef struct Pages {
    Pager pager; /* first, so that the tables' pager is ours */
    MapTables *tables;
    size_t bytes_max; /* of cells in memory; what is not committed may be more */
    Table days;       /* PageDay: all that there are files or cells of */
    PageCut *cuts;    /* by number */
    size_t n_cuts, cuts_capacity;
    Table hour_files, day_files; /* PageFile */
    Table sparse_files;          /* PageSparse */
    TableFile *facts;
    const PageFetch *fetched; /* files that are read already; NULL: none */
    uint32_t cut, committed;  /* numbers of the cut that collects now, of the last committed one */
    uint32_t fresh_hour;      /* + 1: is there by minutes and marked as changed */
    bool fresh_is_thin;
    uint64_t tick;
    uint64_t n_loads, n_damaged, n_evicted; /* files read, unreadable; hours let go */
    uint64_t n_changes;                     /* of the set of files */
    uint64_t n_left;                        /* cut files and days of too many series to be merged */
} Pages;

void pages_init(Pages *pages, MapTables *tables, size_t bytes_max);
void pages_deinit(Pages *pages);

/* A committed file of the map's family; takes a reference and, for LEVEL_CUT and LEVEL_SPARSE, the
 * hours. */
void pages_add_file(Pages *pages, TableFile *file, PageHours *hours);
void pages_remove_file(Pages *pages, const TableFile *file);
/* Adds all files of @from, which stay there, too. */
void pages_copy_files(Pages *pages, const Pages *from);

TableFile *pages_hour_file(const Pages *pages, uint32_t hour); /* NULL: none */
TableFile *pages_day_file(const Pages *pages, uint32_t day);
bool pages_hour_is_thin(const Pages *pages, uint32_t hour);
uint64_t pages_sparse_hours(const Pages *pages);                   /* in such files */
const PageSparse *pages_sparse(const Pages *pages, uint32_t hour); /* that would hold the hour */

/* Whether any file has rows of the hour; the record of a day, made if it is new. */
bool pages_have_hour(const Pages *pages, uint32_t hour);
PageDay *pages_day(Pages *pages, uint32_t day);
void pages_forget_files(Pages *pages);

/* What is looked at: from <= minute < to, in parts whose ends within the window are multiples of
 * @unit minutes: MINUTES_PER_DAY, MINUTES_PER_HOUR or 1. */
typedef struct PageWindow {
    uint32_t from_minute, to_minute, unit;
} PageWindow;

/* A window in steps from its first minute on. */
PageWindow page_steps(uint32_t from_minute, uint32_t to_minute, uint32_t step);

/* Whether the window touches a thin hour; its ends then become those of hours where they lie in
 * one, and its unit an hour at least. */
bool pages_widen(const Pages *pages, PageWindow *window);

/* Whether every sum over the window and its parts can be taken from memory (wants the lock shared);
 * and makes it so. */
bool pages_have(Pages *pages, PageWindow window);
void pages_need(Pages *pages, PageWindow window);

/* Of these days alone, as far as they are of the window. */
void pages_need_days(Pages *pages, PageWindow window, const uint32_t *days, size_t n);

/* Forgets all that is in memory, but no file. */
void pages_restart(Pages *pages);

/* Lets hours go, the longest unused first, until the cells in memory fit; keeps what is not
 * committed, and the window. */
void pages_shrink(Pages *pages, PageWindow keep);

/* Their data have expired: cells and presence go. Sorted. */
void pages_expire_hours(Pages *pages, const uint32_t *hours, size_t n);
