// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/run.h"
#include "map/flow/run_changes.h"
#include "store/observer.h"
#include "store/parquet.h"

/*
 * Changes of runs and business objects in a Parquet file, sorted by the subjects' keys;
 * docs/format/run-table.md has the columns. A subject is found by its key in a few reads of some
 * kilobytes; a filter, held in memory, tells most files that do not have it. run_writer.h makes
 * them. A RunFile never changes; it may be read by many threads.
 */
enum {
    RUN_FILE_ROWS_MAX = 1 << 24,
    RUN_FILE_FILTER_BITS = 13, /* a row; files that were written before have 10 */
    RUN_FILE_CHUNK = 4096,     /* rows: a page's, so that none is decoded twice */
    RUN_ROW_CHANGES = 4096,    /* of a row; a subject with more has several, one behind the other */
    RUN_KEY_SHIFT = 40,   /* of a key's higher half: what the column has is enough to find it */
    RUN_FILE_NONE = 1,    /* results: there is no such subject */
    RUN_FILE_DAMAGED = 2, /* ... the file cannot be read and never will: logged once, and noted in
                             TableFile.damaged */
    RUN_FILE_UNREADABLE = 3, /* ... the disk does not give it (EIO), now or never: logged, and noted
                                in TableFile.unreadable until it does */
};

typedef enum RunColumn {
    RUN_COLUMN_KEY,
    RUN_COLUMN_KIND,
    RUN_COLUMN_OWNER,
    RUN_COLUMN_ID,
    RUN_COLUMN_FIRST,
    RUN_COLUMN_COUNT,
    RUN_COLUMN_STEPS,
    RUN_COLUMN_FLAGS,
    RUN_COLUMN_VARIANT,
    RUN_COLUMN_SHAPE,
    RUN_COLUMN_SIZES,
    RUN_COLUMN_BITS,
    RUN_COLUMNS,
    RUN_COLUMN_CHANGES = RUN_COLUMNS, /* version 1 */
} RunColumn;

extern const ParquetColumn run_columns[RUN_COLUMNS];

/* Bits of the column flags. */
enum {
    RUN_ROW_COUNTS = 1,
    RUN_ROW_FAILED = 2,
    RUN_ROW_NO_RUN_ID = 4,
    RUN_ROW_KNOWN_BEFORE = 8,
    RUN_ROW_TAKES_BACK = 16,
    RUN_ROW_IS_PART = 32,
};

#define RUN_FILE_FORMAT_KEY STR("weft.run_table")
#define RUN_FILE_VERSION STR("2")
#define RUN_FILE_SECTION_FILTER STR("filter")
#define RUN_FILE_SECTION_NAMES STR("names")
#define RUN_FILE_SECTION_SPREAD STR("spread")
#define RUN_FILE_SECTION_TAKEN STR("taken")

typedef struct RunFile {
    _Atomic int refs;
    TableFile *table;  /* holds a reference */
    struct File *file; /* open: the files of this family are few */
    struct ParquetFile *parquet;
    unsigned version;
    size_t columns[RUN_COLUMNS + 1]; /* where each is in the file */
    Buf filter, names_bytes;
    Buf spread; /* first halves of keys, ascending, of the runs that an older file has too */
    Buf taken;  /* numbers of the rows that take something back, 4 bytes each; version 2 */
    Str *names;
    size_t n_names, n_rows;
} RunFile;

/* Reads filter and names. The reference is the caller's. Returns 0; 1 when it is damaged; -errno.
 */
MUST_USE int run_file_open(TableFile *table, RunFile **ret_file, ParseError *ret_error);
RunFile *run_file_ref(RunFile *file);
RunFile *run_file_unref(RunFile *file); /* NULL is fine */

/* Notes that it is damaged, and logs it once. Returns RUN_FILE_DAMAGED. */
int run_file_damage(RunFile *file, const char *what);

/* Whether it may have the subject: wrong about four times in a thousand. */
bool run_file_may_have(const RunFile *file, SubjectKey key);
/* Tells the processor that the former will be asked. */
void run_file_prefetch(const RunFile *file, SubjectKey key);

/* Whether an older file has the subject too, when this one has it; wrong once in 2^64. */
bool run_file_is_spread(const RunFile *file, SubjectKey key);

/* How many rows take something back, and the number of one of them. */
size_t run_file_n_taken(const RunFile *file);
size_t run_file_taken(const RunFile *file, size_t at);

/* A row, as far as this file tells of its subject. */
typedef struct RunFileRow {
    Subject subject;
    uint64_t first_ns; /* of a run */
    int64_t count;     /* members or links; those that are taken back subtracted */
    size_t n_steps;
    uint64_t variant; /* hash of its sequence */
    bool counts, failed, no_run_id;
    bool known_before;     /* an older file or batch has changes of it */
    bool takes_back;       /* some change is one: first_ns may be none of the run's */
    bool is_part;          /* of several rows */
    PackedChanges packed;  /* version 2, when changes were wanted */
    SubjectChanges parsed; /* version 1 */
} RunFileRow;

/* Rows that were read together, in an arena; the row's views live as long. */
typedef struct RunFileChunk {
    RunFile *file;
    size_t n;
    bool has_changes;
    Arena *arena;
    ParquetVector vector[RUN_COLUMNS + 1];
} RunFileChunk;

/* Reads rows [from, to), @changes: with these. Returns 0, RUN_FILE_DAMAGED, RUN_FILE_UNREADABLE or
 * -errno. */
MUST_USE int run_file_read(RunFile *file, size_t from, size_t to, bool changes, Arena *arena,
                           RunFileChunk *ret_chunk);

/* Row @at of a chunk. Returns 0 or RUN_FILE_DAMAGED. */
MUST_USE int run_file_row(const RunFileChunk *chunk, size_t at, RunFileRow *ret_row);

/* The changes of a row, in @arena. Returns 0 or RUN_FILE_DAMAGED. */
MUST_USE int run_file_changes(RunFile *file, const RunFileRow *row, Arena *arena,
                              SubjectChanges *ret_changes);

/* The rows of the subject: [from, to). Returns 0, RUN_FILE_NONE, RUN_FILE_DAMAGED,
 * RUN_FILE_UNREADABLE or -errno. */
MUST_USE int run_file_find(RunFile *file, SubjectKey key, const Subject *subject, size_t *ret_from,
                           size_t *ret_to);

/* Calls @visit for each row of a run whose owner passes, without changes; one that @may refuses is
 * left out before its id is read. @turn is called after each chunk. Returns 0, RUN_FILE_DAMAGED
 * (some rows may have been visited), -errno, or what @visit or @turn gave if that is not 0. */
typedef struct RunFileScan {
    bool (*wants)(void *context, Str owner);
    bool (*may)(void *context, const RunFileRow *row); /* without subject.id */
    int (*visit)(void *context, const RunFileRow *row);
    int (*turn)(void *context); /* after each chunk; not 0: it ends and returns that */
    void *context;
} RunFileScan;

MUST_USE int run_file_scan(RunFile *file, const RunFileScan *scan);
