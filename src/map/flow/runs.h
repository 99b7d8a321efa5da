// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/run.h"
#include "map/flow/run_batch.h"
#include "os/clock.h"
#include "store/observer.h"

/*
 * The runs of business flows and the business objects, over all traces and all of time: the law one
 * level up. A trace's contribution has members of runs; a run's contribution (run.h) is taken back
 * and added anew when its members change.
 *
 *   members -> current batch -- cut --> frozen -- commit --> a file of the family "runs"
 *
 * All three are read for an answer. Memory holds what no file has yet, and a filter and an index of
 * each file; a run that is open for years costs nothing. Files hold changes with their signs, so
 * any number of them adds up. docs/format/run-table.md has the bytes.
 *
 * runs_prepare(), runs_commit() and runs_cut() are the applier's; the callbacks of the store's
 * observer as its header says; questions come from any thread.
 */
typedef struct Runs Runs;

#define RUNS_FAMILY "runs"

/* A run of more spans than that is none for the map, and of a question sees its first so many: a
 * constant run id would else have each trace read all before it. */
enum { RUN_MEMBERS_MAX = 1 << 16 };

Runs *runs_new(void);
Runs *runs_free(Runs *runs);

/*
 * Looks up the runs that members of @minus are taken back from and members of @plus are added to,
 * and appends what that changes on the map to @ret_minus and @ret_plus. Changes nothing yet. The
 * members must stay until runs_commit(). Returns 0 or -errno.
 */
MUST_USE int runs_prepare(Runs *runs, const Members *minus, const Members *plus, Deltas *ret_minus,
                          Deltas *ret_plus);
void runs_commit(Runs *runs);

/* For the observer. NULL: no changes since the last cut. */
typedef struct RunBatch RunsPending;
RunsPending *runs_cut(Runs *runs);
MUST_USE int runs_write(Runs *runs, const RunsPending *pending, TableSink *sink);
void runs_pending_free(Runs *runs, RunsPending *pending);
MUST_USE int runs_load(Runs *runs, TableFile *file, ParseError *ret_error);
void runs_changed(Runs *runs, const RunsPending *pending, const TablesChange *change);
/* Opens what could not be opened when it was committed; for the writer thread, now and then. */
void runs_open_late(Runs *runs);
/* Files whose newest changes came before @expired_s, Unix seconds, go; else some are merged. */
bool runs_plan(TableFile *const *files, size_t n_files, uint64_t now_s, uint64_t expired_s,
               TablePlan *ret_plan);
/* Returns 0; 1 when an input is damaged, which is noted; or -errno. */
MUST_USE int runs_merge(Runs *runs, const TablePlan *plan, TableSink *sink);

/* ---- questions ---- */

/* The members of a run, sorted as run_sort() does; none: there is no such run. */
typedef struct RunMembers {
    Member *items;
    size_t n;
    bool incomplete; /* there are more than RUN_MEMBERS_MAX, or a table that cannot be read */
} RunMembers;

/* In @arena. Returns 0 or -errno. */
MUST_USE int runs_read(Runs *runs, Str flow, Str run_id, Arena *arena, RunMembers *ret_run);

/* The links of a business object, by start. */
typedef struct EntityLinks {
    EntityLink *items;
    size_t n;
    bool incomplete;
} EntityLinks;

MUST_USE int runs_entity(Runs *runs, Str type, Str id, Arena *arena, EntityLinks *ret_entity);

typedef struct RunsQuestion {
    Str name; /* of the flow */
    bool has_environment;
    Str scope, environment;  /* empty @scope: any; with has_environment: that one */
    uint64_t from_ns, to_ns; /* from <= first step < to */
    bool has_variant;
    uint64_t variants[2]; /* hash_stable() of its variant_append(), or of another */
    bool only_failed, only_ok;
    bool has_after; /* a page further: behind this run in the order */
    uint64_t after_ns;
    SubjectKey after_key;
    size_t limit;
    const Clock *clock;
    uint64_t deadline_ns; /* monotonic; 0: none */
} RunsQuestion;

typedef struct RunFound {
    SubjectKey key;
    Subject run;
    RunSummary summary;
    RunMembers members;
} RunFound;

typedef struct RunsPage {
    RunFound *items;
    size_t n;
    bool more;       /* there are others behind them */
    bool incomplete; /* there may be others: in a table that cannot be read, or the deadline came;
                        then the page is as far as all is known, and may be empty */
} RunsPage;

/* The runs, by (first step, key), newest first, at most limit, which count. Returns 0 or -errno. */
MUST_USE int runs_list(Runs *runs, const RunsQuestion *question, Arena *arena, RunsPage *ret_page);

typedef struct RunsStatus {
    uint64_t open_changes, files, file_bytes;
    uint64_t large_runs;    /* of more than RUN_MEMBERS_MAX, which were met */
    uint64_t damaged_files; /* that cannot be read: answers lack their runs */
    uint64_t left_changes;  /* of runs that may be in these: the map stays as it was */
} RunsStatus;

void runs_status(Runs *runs, RunsStatus *ret_status);
