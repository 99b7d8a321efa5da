// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/flow/run_merge.h"
#include "map/flow/run_writer.h"
#include "map/flow/runs_private.h"

/*
 * Plans, in the order in which they are looked for:
 *
 *   expire   files whose newest changes came too long ago go, unread
 *   merge    neighbours in time become one, tiered by size, so that a row is rewritten a
 * logarithmic number of times, a page of a list reads few files, and a file has one stretch of time
 *
 * What came in different months (PERIOD_S, by the clock) is never merged, or nothing would expire
 * where there is little.
 */
enum {
    PLAN_MERGE,
    PLAN_EXPIRE,
    FILES_MAX = 16, /* of a month; beyond it some are merged */
    MERGE_MIN = 8,  /* a merge takes so many, or all that there are of a month gone by */
    MERGE_MAX = 32, /* ... and no more: a page of each is in memory */
    FILE_BYTES_MAX =
        16 << 20, /* no file becomes larger, as a writer holds all of one; half is full */
    PERIOD_S = 30 * 24 * 3600,
};

RunsPending *runs_cut(Runs *runs)
{
    RunBatch *batch = runs->current;

    if (batch->subjects.n_records == 0) {
        return NULL;
    }
    ASSERT(runs->n_frozen < RUNS_FROZEN_MAX);
    runs_lock(runs);
    for (size_t i = 0; i < batch->subjects.n_records; i++) {
        changes_reduce(table_at(&batch->subjects, i));
    }
    runs->frozen[runs->n_frozen++] = batch;
    runs->current = run_batch_new();
    runs_unlock(runs);
    return batch;
}

static int compare_changes(const void *a, const void *b)
{
    const SubjectChanges *left = *(SubjectChanges *const *)a;
    const SubjectChanges *right = *(SubjectChanges *const *)b;

    return subject_key_compare(left->key, right->key);
}

int runs_write(Runs *runs, const RunsPending *pending, TableSink *sink)
{
    size_t n = pending->subjects.n_records;
    CLEANUP(mem_freep) SubjectChanges **changes = NEW_ARRAY(SubjectChanges *, n + 1);
    CLEANUP(run_writer_freep) RunWriter *writer = run_writer_new(n);

    (void)runs;
    for (size_t i = 0; i < n; i++) {
        changes[i] = table_at(&pending->subjects, i);
    }
    qsort(changes, n, sizeof(changes[0]), compare_changes);
    for (size_t i = 0; i < n; i++) {
        run_writer_add(writer, changes[i], false);
    }
    return run_writer_emit(writer, sink);
}

static void drop_frozen(Runs *runs, const RunBatch *batch)
{
    for (size_t i = 0; i < runs->n_frozen; i++) {
        if (runs->frozen[i] == batch) {
            runs->frozen[i] = runs->frozen[--runs->n_frozen];
            return;
        }
    }
}

void runs_pending_free(Runs *runs, RunsPending *pending)
{
    for (size_t i = 0; i < runs->n_late; i++) {
        if (runs->late[i].batch == pending) {
            return; /* it is needed */
        }
    }
    runs_lock(runs);
    drop_frozen(runs, pending);
    runs_unlock(runs);
    run_batch_free(pending);
}

static void add_file(Runs *runs, RunFile *file)
{
    ARRAY_RESERVE(runs->files, runs->n_files, runs->files_capacity);
    runs->files[runs->n_files++] = file;
}

int runs_load(Runs *runs, TableFile *table, ParseError *ret_error)
{
    RunFile *file;

    if (!table_info_is(&table->info, RUNS_FAMILY)) {
        return 0;
    }
    TRY(run_file_open(table, &file, ret_error));
    add_file(runs, file);
    return 0;
}

/* ---- commits ---- */

/* What was just written and synced can be opened, or the machine has no descriptors or memory just
 * now: then its batch, or the files that it was merged from, are read in its place. */
static RunFile *open_committed(TableFile *table, bool tells)
{
    ParseError error = {.text = "it cannot be opened"};
    RunFile *file = NULL;

    if (run_file_open(table, &file, &error) != 0 && tells) {
        log_error("a run table that was just written cannot be opened yet",
                  LOG_U64("file", table->number), LOG_STR("why", str_from_cstr(error.text)));
    }
    return file;
}

static RunFile *remove_file(Runs *runs, const TableFile *table)
{
    for (size_t i = 0; i < runs->n_files; i++) {
        if (runs->files[i]->table == table) {
            RunFile *file = runs->files[i];

            runs->files[i] = runs->files[--runs->n_files];
            return file;
        }
    }
    return NULL;
}

/* Those that go, to be let go of without the lock. */
typedef struct Gone {
    RunFile **files;
    size_t n_files;
    RunBatch *batches[RUNS_LATE_MAX + 1];
    size_t n_batches;
} Gone;

static LateTable take_late(Runs *runs, size_t at)
{
    LateTable late = runs->late[at];

    runs->n_late--;
    for (size_t i = at; i < runs->n_late; i++) {
        runs->late[i] = runs->late[i + 1];
    }
    return late;
}

static void free_late(LateTable *late)
{
    table_file_unref(late->table);
    for (size_t i = 0; i < late->n_removed; i++) {
        table_file_unref(late->removed[i]);
    }
    mem_free(late->removed);
}

/* Takes out what is read for @table: its file, or while that is late what it replaces. Under the
 * lock. */
static void take_out(Runs *runs, const TableFile *table, Gone *gone)
{
    RunFile *file = remove_file(runs, table);

    if (file != NULL) {
        gone->files[gone->n_files++] = file;
    }
    for (size_t i = 0; i < runs->n_late; i++) {
        if (runs->late[i].table == table) {
            LateTable late = take_late(runs, i);

            for (size_t k = 0; k < late.n_removed; k++) {
                take_out(runs, late.removed[k], gone);
            }
            if (late.batch != NULL) {
                drop_frozen(runs, late.batch);
                gone->batches[gone->n_batches++] = late.batch;
            }
            free_late(&late);
            return;
        }
    }
}

/* Puts @file, if there is one, in place of what was read so far. */
static void replace(Runs *runs, RunFile *file, const LateTable *change)
{
    Gone gone = {.files = NEW_ARRAY(RunFile *, runs->n_files + 1)};

    runs_lock(runs);
    for (size_t i = 0; i < change->n_removed; i++) {
        take_out(runs, change->removed[i], &gone);
    }
    if (file != NULL) {
        add_file(runs, file);
    } else { /* what has expired is not counted any more */
        table_clear(&runs->large);
    }
    if (change->batch != NULL) {
        drop_frozen(runs, change->batch);
    }
    runs_unlock(runs);
    for (size_t i = 0; i < gone.n_files; i++) {
        run_file_unref(gone.files[i]);
    }
    for (size_t i = 0; i < gone.n_batches; i++) {
        run_batch_free(gone.batches[i]);
    }
    mem_free(gone.files);
}

/* Lets go of the oldest: what its batch holds is in the file, which the next start finds. */
static void forget_late(Runs *runs)
{
    LateTable late = take_late(runs, 0);

    if (late.batch != NULL) {
        runs_lock(runs);
        drop_frozen(runs, late.batch);
        runs_unlock(runs);
        run_batch_free(late.batch);
    }
    free_late(&late);
}

void runs_forget_late(Runs *runs)
{
    while (runs->n_late > 0) {
        forget_late(runs);
    }
}

static void keep_late(Runs *runs, const LateTable *change)
{
    LateTable late = {.table = table_file_ref(change->table),
                      .removed = NEW_ARRAY(TableFile *, change->n_removed + 1),
                      .n_removed = change->n_removed,
                      .batch = change->batch};

    for (size_t i = 0; i < late.n_removed; i++) {
        late.removed[i] = table_file_ref(change->removed[i]);
    }
    if (runs->n_late == RUNS_LATE_MAX) {
        log_error("run tables cannot be opened: runs are not found until the next start",
                  LOG_U64("file", runs->late[0].table->number));
        forget_late(runs);
    }
    runs->late[runs->n_late++] = late;
}

void runs_open_late(Runs *runs)
{
    for (size_t i = 0; i < runs->n_late;) {
        RunFile *file = open_committed(runs->late[i].table, false);

        if (file == NULL) {
            i++;
            continue;
        }
        LateTable late = take_late(runs, i);
        replace(runs, file, &late);
        run_batch_free(late.batch);
        free_late(&late);
    }
}

void runs_changed(Runs *runs, const RunsPending *pending, const TablesChange *change)
{
    LateTable replaced = {.removed = (TableFile **)change->removed,
                          .n_removed = change->n_removed,
                          .batch = (RunBatch *)pending};
    RunFile *file = NULL;

    for (size_t i = 0; i < change->n_added; i++) {
        if (table_info_is(&change->added[i]->info, RUNS_FAMILY)) {
            ASSERT(replaced.table == NULL); /* neither a cut nor a merge makes two */
            replaced.table = change->added[i];
        }
    }
    if (replaced.table != NULL) {
        file = open_committed(replaced.table, true);
        if (file == NULL) {
            keep_late(runs, &replaced);
            return;
        }
    }
    replace(runs, file, &replaced);
}

/* ---- merging ---- */

static bool plan_expiry(TableFile *const *files, size_t n_files, uint64_t expired_s,
                        TablePlan *plan)
{
    plan->what = PLAN_EXPIRE;
    plan->n_inputs = 0;
    for (size_t i = 0; i < n_files && plan->n_inputs < TABLE_INPUTS_MAX; i++) {
        if (table_info_is(&files[i]->info, RUNS_FAMILY) && files[i]->written_s != 0 &&
            files[i]->written_s < expired_s) {
            plan->inputs[plan->n_inputs++] = files[i];
        }
    }
    return plan->n_inputs > 0;
}

static uint64_t period_of(const TableFile *file)
{
    return file->written_s / PERIOD_S;
}

/* By when they came, then by the time that they tell of. */
static int by_time(const void *a, const void *b)
{
    const TableFile *left = *(TableFile *const *)a;
    const TableFile *right = *(TableFile *const *)b;

    if (period_of(left) != period_of(right)) {
        return period_of(left) < period_of(right) ? -1 : 1;
    }
    if (left->info.to_minute != right->info.to_minute) {
        return left->info.to_minute < right->info.to_minute ? -1 : 1;
    }
    return left->number < right->number ? -1 : left->number > right->number;
}

static uint64_t sum_bytes(TableFile *const *files, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += files[i]->bytes;
    }
    return sum;
}

/* The @n neighbours that are smallest together, and those beside them that are no larger than all
 * of these, while there is room. */
static void choose_neighbours(TableFile *const *files, size_t n_files, size_t n, TablePlan *plan)
{
    size_t first = 0;

    for (size_t i = 1; i + n <= n_files; i++) {
        first = sum_bytes(&files[i], n) < sum_bytes(&files[first], n) ? i : first;
    }
    size_t end = first + n;
    uint64_t sum = sum_bytes(&files[first], n);
    while (first > 0 && files[first - 1]->bytes <= sum && sum < FILE_BYTES_MAX / 2) {
        sum += files[--first]->bytes;
    }
    while (end < n_files && files[end]->bytes <= sum && sum < FILE_BYTES_MAX / 2) {
        sum += files[end++]->bytes;
    }
    plan->n_inputs = 0;
    for (sum = 0; first < end && plan->n_inputs < MERGE_MAX; first++) {
        sum += files[first]->bytes;
        if (sum > FILE_BYTES_MAX && plan->n_inputs >= 2) {
            break;
        }
        plan->inputs[plan->n_inputs++] = files[first];
    }
}

static bool plan_merge(TableFile *const *files, size_t n_files, uint64_t now_s, TablePlan *plan)
{
    CLEANUP(mem_freep) TableFile **sorted = NEW_ARRAY(TableFile *, n_files + 1);
    size_t n = 0;

    for (size_t i = 0; i < n_files; i++) {
        if (table_info_is(&files[i]->info, RUNS_FAMILY) && files[i]->bytes < FILE_BYTES_MAX / 2 &&
            !atomic_load(&files[i]->damaged) && !atomic_load(&files[i]->unreadable)) {
            sorted[n++] = files[i];
        }
    }
    plan->what = PLAN_MERGE;
    qsort(sorted, n, sizeof(sorted[0]), by_time);
    for (size_t i = 0, end; i < n; i = end) {
        bool is_over = period_of(sorted[i]) != now_s / PERIOD_S;

        for (end = i + 1; end < n && period_of(sorted[end]) == period_of(sorted[i]); end++) {
        }
        if (end - i > (is_over ? 1 : FILES_MAX)) {
            choose_neighbours(&sorted[i], end - i, MIN(end - i, (size_t)MERGE_MIN), plan);
            return true;
        }
    }
    return false;
}

bool runs_plan(TableFile *const *files, size_t n_files, uint64_t now_s, uint64_t expired_s,
               TablePlan *ret_plan)
{
    return plan_expiry(files, n_files, expired_s, ret_plan) ||
           plan_merge(files, n_files, now_s, ret_plan);
}

int runs_merge(Runs *runs, const TablePlan *plan, TableSink *sink)
{
    (void)runs;
    return plan->what == PLAN_EXPIRE ? 0 : run_files_merge(plan->inputs, plan->n_inputs, sink);
}

void runs_status(Runs *runs, RunsStatus *ret_status)
{
    RunsStatus status = {0};

    runs_share(runs);
    status.open_changes = runs->current->n_changes;
    for (size_t i = 0; i < runs->n_frozen; i++) {
        status.open_changes += runs->frozen[i]->n_changes;
    }
    for (size_t i = 0; i < runs->n_files; i++) {
        status.file_bytes += runs->files[i]->table->bytes;
        status.damaged_files += atomic_load(&runs->files[i]->table->damaged) ||
                                atomic_load(&runs->files[i]->table->unreadable);
    }
    status.files = runs->n_files;
    status.left_changes = runs->n_left;
    status.large_runs = runs->large.n_records;
    runs_unlock(runs);
    *ret_status = status;
}
