// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdatomic.h>

#include "map/flow/run_batch.h"
#include "map/flow/run.h"
#include "store/observer.h"

/*
 * Changes of runs and business objects as one Parquet file, a row per subject, sorted by its key;
 * docs/format/run-table.md has the columns. A subject is found by its key in a few reads of some
 * kilobytes; a filter, held in memory, tells most files that do not have it.
 */
enum {
    RUN_FILE_ROWS_MAX = 1 << 24,
    RUN_FILE_NONE = 1,    /* results: there is no such subject */
    RUN_FILE_DAMAGED = 2, /* ... the file cannot be read and never will: logged once, and noted in
                             TableFile.damaged */
};

/* Appends a file of @changes, reduced and sorted by key here, those without any change left out.
 * *@ret_info: its period. *@ret_n: its rows. Returns 0 or -EFBIG. */
MUST_USE int run_file_write(SubjectChanges **changes, size_t n, Buf *ret_file, TableInfo *ret_info,
                            size_t *ret_n);

typedef struct RunFile {
    _Atomic int refs;
    TableFile *table;  /* holds a reference */
    struct File *file; /* open: the files of this family are few */
    struct ParquetFile *parquet;
    Buf filter, names_bytes;
    Buf spread; /* first halves of keys, ascending, of the runs that an older file has too */
    Str *names;
    size_t n_names, n_rows;
} RunFile;

/* Reads filter and names. The reference is the caller's. Returns 0; 1 when it is damaged; -errno.
 */
MUST_USE int run_file_open(TableFile *table, RunFile **ret_file, ParseError *ret_error);
RunFile *run_file_ref(RunFile *file);
RunFile *run_file_unref(RunFile *file); /* NULL is fine */

/* Whether it may have the subject: wrong about once in a hundred. */
bool run_file_may_have(const RunFile *file, SubjectKey key);

/* Whether an older file has the subject too, when this one has it; wrong once in 2^64. */
bool run_file_is_spread(const RunFile *file, SubjectKey key);

/* One row: views live as long as the arena. */
typedef struct RunFileRow {
    SubjectKey key;
    SubjectChanges changes;
    RunSummary summary; /* of a run, as far as this file tells */
    uint64_t variant;   /* hash of its sequence */
} RunFileRow;

/* The changes of the subject, in the arena. Returns 0; RUN_FILE_NONE; RUN_FILE_DAMAGED; or -errno
 * when it cannot be read now. */
MUST_USE int run_file_find(RunFile *file, SubjectKey key, const Subject *subject, Arena *arena,
                           SubjectChanges *ret_changes);

/* Calls @visit for each row of kind @kind whose owner passes; with @summaries_only the changes are
 * not read. Returns 0, RUN_FILE_DAMAGED (some rows may have been visited), -errno, or what @visit
 * gave if that is not 0. */
typedef struct RunFileScan {
    SubjectKind kind;
    bool all_kinds;
    bool summaries_only;
    bool (*wants)(void *context, Str owner); /* NULL: any */
    int (*visit)(void *context, const RunFileRow *row);
    void *context;
} RunFileScan;

MUST_USE int run_file_scan(RunFile *file, const RunFileScan *scan);
