// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/pages.h"
#include "store/observer.h"

/*
 * Makes table files of rows and of other table files (docs/format/map-table.md). No state; on the
 * writer thread. All return 0; 1 when an input is damaged; -EFBIG; or what the sink said.
 */

/* One file of @rows; its period is what they span. Nothing of no rows. */
MUST_USE int roll_up_emit(const MapRows *rows, uint32_t level, TableSink *sink);

/* Folds the plan's inputs: its cut files and facts, and the hours up to @last_hour that the cut
 * files touch. Emits these hours anew, the facts, and what lies behind @last_hour as a cut file. */
MUST_USE int roll_up_fold(const TablePlan *plan, uint32_t last_hour, TableSink *sink);

/* Adds the hours of @day up. */
MUST_USE int roll_up_day(TableFile *const *hours, size_t n, uint32_t day, TableSink *sink);
