// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/pages.h"

/*
 * Brings sums from table files into memory, for pages of which nothing is there: each file is read
 * once, whatever it has of them. One that cannot be read is left out, counted and logged. Behind
 * Map's lock, exclusively.
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
