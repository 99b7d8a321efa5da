// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/run_file.h"

/*
 * Makes a run table (docs/format/run-table.md). Subjects are added in the order of their keys, all
 * that one has together. One thread.
 */
typedef struct RunWriter RunWriter;

/* @n_rows: about how many there will be, for the filter. */
RunWriter *run_writer_new(size_t n_rows);
RunWriter *run_writer_free(RunWriter *writer);
void run_writer_freep(RunWriter **writer);

/* Adds the changes of a subject, reduced; none: nothing. @is_part: others come of the same. */
void run_writer_add(RunWriter *writer, const SubjectChanges *changes, bool is_part);

/* Adds a row of another file (version 2) as it is; @shape: its, in names of this one. */
void run_writer_copy(RunWriter *writer, SubjectKey key, const RunFileRow *row, Str shape);

/* The number of a name, for such a shape. */
uint32_t run_writer_name(RunWriter *writer, Str name);

/* Widens the file's period; run_writer_add() does it by itself. */
void run_writer_note_period(RunWriter *writer, uint32_t from_minute, uint32_t to_minute);

/* Emits the file, of any rows. Returns 0; -EFBIG: more rows than a table may have; or what @sink
 * gave. */
MUST_USE int run_writer_emit(RunWriter *writer, TableSink *sink);
