// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "map/flow/run_file.h"
#include "map/flow/runs.h"

/* Internal to runs*.c. */
enum { RUNS_FROZEN_MAX = 64 };

/* A run that is too large, and how many members it has now. */
typedef struct LargeRun {
    SubjectKey key;
    int64_t count;
} LargeRun;

/* A change that is prepared. */
typedef struct StagedChange {
    SubjectChanges changes;
    bool is_large; /* the run will be too large, with so many members */
    int64_t count;
    bool is_left; /* the run stays on the map as it is */
} StagedChange;

/* A commit whose table could not be opened: until it can, what it replaces is read. */
typedef struct LateTable {
    TableFile *table;    /* these hold references */
    TableFile **removed; /* owned */
    size_t n_removed;
    RunBatch *batch; /* frozen, and owned; NULL: it was a merge */
} LateTable;

enum { RUNS_LATE_MAX = 32 }; /* beyond it the oldest is missing until the next start */

struct Runs {
    pthread_rwlock_t lock; /* current, frozen, files, large */
    RunBatch *current;
    RunBatch *frozen[RUNS_FROZEN_MAX]; /* cut, not committed; owned by who cut them */
    size_t n_frozen;
    RunFile **files;
    size_t n_files, files_capacity;
    Table large;     /* LargeRun: those that were met */
    Table left;      /* SubjectKey: runs that stay on the map as they are, for a file was damaged */
    uint64_t n_left; /* their changes */
    LateTable late[RUNS_LATE_MAX]; /* the writer thread's; the oldest first */
    size_t n_late;
    unsigned n_unreadable; /* the applier's: tries in a row that met EIO */

    StagedChange *staged; /* the applier's; what they point to is the caller's arena */
    size_t n_staged, staged_capacity;
};

void runs_lock(Runs *runs);
void runs_share(Runs *runs);
void runs_unlock(Runs *runs);

/* Lets go of all tables that could not be opened. */
void runs_forget_late(Runs *runs);

/* What is known of a subject, reduced. */
typedef struct Gathered {
    SubjectChanges changes;
    Arena *arena;
    uint32_t limit;  /* of what is read: RUN_MEMBERS_MAX, or UINT32_MAX */
    uint64_t gross;  /* changes, at most */
    int64_t count;   /* members (links), those taken back subtracted; known when gross > limit */
    bool found;      /* a file or a batch before the current one has it */
    bool is_large;   /* count > limit: some of them */
    bool incomplete; /* ... or a damaged file may have had more */
    bool is_damaged; /* a damaged file may have had more, or one that cannot be read just now */
    bool unreadable; /* the latter */
} Gathered;

/* Adds the first @n of @from's changes; @copies: what they point to does not live as long. */
void gather_add(Gathered *to, const SubjectChanges *from, uint32_t n, bool copies);

/* Under the shared lock. */
void gather_batches(Runs *runs, Gathered *to);

/* After the batches: adds what files have, and sums up. Of a large run nothing unless @reads_large.
 * Returns 0 or -errno. */
MUST_USE int gather_files(RunFile *const *files, size_t n_files, bool reads_large, Gathered *to);

/* Both, not under the lock, without what is taken back. Returns 0 or -errno. */
MUST_USE int runs_gather(Runs *runs, const Subject *subject, Arena *arena, Gathered *ret_all);
