// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/run_file.h"

/*
 * One run table of the sums of several: row by row in the order of keys, so that memory holds a
 * page of each and what is written. On the writer thread. Returns 0; 1 when one is damaged, which
 * is noted; or -errno.
 */
MUST_USE int run_files_merge(TableFile *const *tables, size_t n, TableSink *sink);
