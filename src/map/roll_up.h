// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/pages.h"
#include "store/observer.h"

/*
 * Makes table files of rows and of other table files (docs/format/map-table.md). No state; on the
 * writer thread. All return 0; 1 when an input is damaged; -EOVERFLOW when there are more than
 * @series_max series; -EFBIG; or what the sink said.
 */

/* One file of @rows; its period is what they span. Nothing of no rows. */
MUST_USE int roll_up_emit(const MapRows *rows, uint32_t level, TableSink *sink);

/* Whether rows that came then and are of that hour have it written into a file of its own: it is at
 * most 13 months back or a day ahead. Further ones share files as long as they have few rows. */
bool roll_up_is_near(uint32_t hour, uint64_t written_s);

/* Folds the plan's inputs: its cut files and facts, the hours up to @last_hour that the cut files
 * touch, and the sparse files that have or would have the other ones of these. Emits all of them
 * anew, the facts, and what lies behind @last_hour as a cut file. */
MUST_USE int roll_up_fold(const TablePlan *plan, uint32_t last_hour, size_t series_max,
                          TableSink *sink);

/* Emits the plan's hours without what their minutes know but the count. */
MUST_USE int roll_up_thin(const TablePlan *plan, TableSink *sink);

/* Adds the hours of @day up. */
MUST_USE int roll_up_day(TableFile *const *hours, size_t n, uint32_t day, size_t series_max,
                         TableSink *sink);
