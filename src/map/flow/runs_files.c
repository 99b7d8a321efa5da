// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/flow/runs_private.h"

/* Merging is tiered by size, so that a row is rewritten a logarithmic number of times. */
enum {
    FILES_MAX = 16,           /* beyond it files are merged */
    MERGE_MIN = 8,            /* a merge takes at least so many */
    FILE_BYTES_MAX = 8 << 20, /* larger files are never merged: a merge is done in memory */
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

int runs_write(Runs *runs, const RunsPending *pending, TableSink *sink)
{
    size_t n = pending->subjects.n_records, n_rows;
    CLEANUP(mem_freep) SubjectChanges **changes = NEW_ARRAY(SubjectChanges *, n + 1);
    CLEANUP(buf_deinit) Buf file = {0};
    TableInfo info;

    (void)runs;
    for (size_t i = 0; i < n; i++) {
        changes[i] = table_at(&pending->subjects, i);
    }
    TRY(run_file_write(changes, n, &file, &info, &n_rows));
    return n_rows == 0 ? 0 : sink->emit(sink, &info, buf_str(&file));
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

/* What was just written and synced can be opened, or the machine has no descriptors or memory. */
static RunFile *open_committed(TableFile *table)
{
    ParseError error = {.text = "it cannot be opened"};
    RunFile *file = NULL;

    if (run_file_open(table, &file, &error) != 0) {
        log_error("a run table that was just written cannot be read: its runs are not found until "
                  "the next start",
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

void runs_changed(Runs *runs, const RunsPending *pending, const TablesChange *change)
{
    CLEANUP(mem_freep) RunFile **added = NEW_ARRAY(RunFile *, change->n_added + 1);
    CLEANUP(mem_freep) RunFile **removed = NEW_ARRAY(RunFile *, change->n_removed + 1);

    for (size_t i = 0; i < change->n_added; i++) {
        if (table_info_is(&change->added[i]->info, RUNS_FAMILY)) {
            added[i] = open_committed(change->added[i]);
        }
    }
    runs_lock(runs);
    for (size_t i = 0; i < change->n_added; i++) {
        if (added[i] != NULL) {
            add_file(runs, added[i]);
        }
    }
    for (size_t i = 0; i < change->n_removed; i++) {
        removed[i] = remove_file(runs, change->removed[i]);
    }
    if (pending != NULL) {
        drop_frozen(runs, pending);
    }
    runs_unlock(runs);
    for (size_t i = 0; i < change->n_removed; i++) {
        run_file_unref(removed[i]);
    }
}

/* ---- merging ---- */

static int by_size(const void *a, const void *b)
{
    uint64_t x = (*(TableFile *const *)a)->bytes, y = (*(TableFile *const *)b)->bytes;

    return (x > y) - (x < y);
}

bool runs_plan(TableFile *const *files, size_t n_files, TablePlan *ret_plan)
{
    CLEANUP(mem_freep) TableFile **sorted = NEW_ARRAY(TableFile *, n_files + 1);
    uint64_t sum = 0;
    size_t n = 0, taken = 0;

    for (size_t i = 0; i < n_files; i++) {
        if (table_info_is(&files[i]->info, RUNS_FAMILY) && files[i]->bytes <= FILE_BYTES_MAX) {
            sorted[n++] = files[i];
        }
    }
    if (n <= FILES_MAX) {
        return false;
    }
    qsort(sorted, n, sizeof(sorted[0]), by_size);
    while (taken < MIN(n, (size_t)TABLE_INPUTS_MAX) &&
           (taken < MERGE_MIN || sorted[taken]->bytes <= 2 * sum) && sum <= FILE_BYTES_MAX) {
        sum += sorted[taken]->bytes;
        ret_plan->inputs[taken] = sorted[taken];
        taken++;
    }
    ret_plan->n_inputs = taken;
    return taken >= 2;
}

typedef struct Merging {
    RunBatch *batch;
} Merging;

static int merge_row(void *context, const RunFileRow *row)
{
    const Merging *merging = context;
    bool is_new = run_batch_find(merging->batch, row->key) == NULL;
    SubjectChanges *kept = run_batch_subject(merging->batch, &row->changes.subject);

    /* Whoever brought the first changes of all did not know it before. */
    kept->known_before = (is_new || kept->known_before) && row->changes.known_before;
    for (uint32_t i = 0; i < row->changes.n; i++) {
        if (kept->subject.kind == SUBJECT_RUN) {
            run_batch_add_member(merging->batch, kept, &row->changes.members[i]);
        } else {
            run_batch_add_link(merging->batch, kept, &row->changes.links[i]);
        }
    }
    return 0;
}

static int merge_table(const Merging *merging, TableFile *table)
{
    const RunFileScan scan = {.all_kinds = true, .visit = merge_row, .context = (void *)merging};
    ParseError error = {0};
    RunFile *file;

    TRY(run_file_open(table, &file, &error));
    int result = run_file_scan(file, &scan);
    run_file_unref(file);
    return result;
}

int runs_merge(Runs *runs, const TablePlan *plan, TableSink *sink)
{
    Merging merging = {.batch = run_batch_new()};
    int result = 0;

    for (size_t i = 0; i < plan->n_inputs && result == 0; i++) {
        result = merge_table(&merging, plan->inputs[i]);
    }
    for (size_t i = 0; i < merging.batch->subjects.n_records && result == 0; i++) {
        changes_reduce(table_at(&merging.batch->subjects, i));
    }
    if (result == 0) {
        result = runs_write(runs, merging.batch, sink);
    }
    run_batch_free(merging.batch);
    return result;
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
    }
    status.files = runs->n_files;
    runs_unlock(runs);
    *ret_status = status;
}
