// SPDX-License-Identifier: Apache-2.0
#include "store/engine/engine.h"

#include "base/log.h"
#include "base/memory.h"

/*
 * Table files on the writer thread: written as the observer emits them, merged as it plans. The
 * store's list of open handles is the manifest's list of tables, in the same order.
 */
typedef struct Output {
    TableSink sink; /* first, so that the observer's sink is ours */
    Store *store;
    ManifestFiles *files; /* what was emitted, on disk */
    uint64_t written_s;
} Output;

static int emit(TableSink *sink, const TableInfo *info, Str content)
{
    Output *output = (Output *)sink;
    ManifestFile file = {.bytes = content.len, .written_s = output->written_s, .table = *info};

    TRY(writer_new_file(output->store, false, content, &file.number));
    manifest_files_add(output->files, file);
    return 0;
}

static Output output_to(Store *store, ManifestFiles *files, uint64_t written_s)
{
    return (Output){.sink = {.emit = emit}, .store = store, .files = files, .written_s = written_s};
}

int tables_write(Store *store, Cut *cut)
{
    Output output = output_to(store, &cut->tables, cut->written_s);

    return cut->pending == NULL ? 0
                                : store->observer->write_tables(store->observer->context,
                                                                cut->pending, &output.sink);
}

static TableFile *open_file(Store *store, const ManifestFile *file)
{
    TableFile *table = table_file_new(store->fs, file->number, file->bytes, &file->table);

    table->written_s = file->written_s;
    return table;
}

void tables_append(Store *store, TableFile *table)
{
    ARRAY_RESERVE(store->tables, store->n_tables, store->tables_capacity);
    store->tables[store->n_tables++] = table;
}

static void drop(Store *store, TableFile *const *removed, size_t n_removed)
{
    size_t kept = 0;

    for (size_t i = 0; i < store->n_tables; i++) {
        bool gone = false;

        for (size_t k = 0; k < n_removed && !gone; k++) {
            gone = removed[k] == store->tables[i];
        }
        if (gone) {
            atomic_store(&store->tables[i]->retired, true);
            table_file_unref(store->tables[i]);
        } else {
            store->tables[kept++] = store->tables[i];
        }
    }
    store->n_tables = kept;
}

void tables_publish(Store *store, const ManifestFiles *added, const TablesChange *origin)
{
    TablesChange change = *origin;
    size_t before = store->n_tables;

    for (size_t i = 0; i < added->count; i++) {
        tables_append(store, open_file(store, &added->items[i]));
    }
    change.added = store->tables + before;
    change.n_added = added->count;
    if (store->observer != NULL && store->observer->tables_changed != NULL) {
        store->observer->tables_changed(store->observer->context, &change);
    }
    drop(store, change.removed, change.n_removed);
}

void tables_free(Store *store)
{
    for (size_t i = 0; i < store->n_tables; i++) {
        table_file_unref(store->tables[i]);
    }
    mem_free(store->tables);
}

/* Merging. */

uint64_t table_plan_written_s(const TablePlan *plan)
{
    uint64_t newest = plan->written_s;

    for (size_t i = 0; i < plan->n_inputs; i++) {
        newest = MAX(newest, plan->inputs[i]->written_s);
    }
    return newest;
}

static int commit_merge(Store *store, const TablePlan *plan, const ManifestFiles *made)
{
    Manifest next;

    pthread_mutex_lock(&store->files);
    manifest_copy(&store->manifest, &next);
    for (size_t i = 0; i < plan->n_inputs; i++) {
        manifest_files_drop(&next.tables, plan->inputs[i]->number);
    }
    for (size_t i = 0; i < made->count; i++) {
        manifest_files_add(&next.tables, made->items[i]);
    }
    int result = writer_commit(store, &next);
    manifest_deinit(&next);
    for (size_t i = 0; result != 0 && i < made->count; i++) {
        /* The manifest on disk may name them. */
        manifest_files_add(&store->orphan_tables, made->items[i]);
    }
    if (result == 0) {
        writer_count_files(store);
    }
    pthread_mutex_unlock(&store->files);
    return result;
}

static int merge(Store *store, const TablePlan *plan, ManifestFiles *made)
{
    Output output = output_to(store, made, table_plan_written_s(plan));
    int result = store->observer->merge_tables(store->observer->context, plan, &output.sink);

    if (result != 0) {
        writer_remove_tables(store, made);
        return result;
    }
    return commit_merge(store, plan, made);
}

void tables_upkeep(Store *store)
{
    const StoreObserver *observer = store->observer;
    uint64_t now_ns = clock_monotonic_ns(store->clock);
    uint64_t now_s = clock_realtime_ns(store->clock) / 1000000000U;
    ManifestFiles made = {0};
    TablePlan plan = {0};

    if (observer == NULL || observer->plan_merge == NULL ||
        !backoff_is_over(&store->tables_backoff, now_ns) ||
        !observer->plan_merge(observer->context, store->tables, store->n_tables, now_s, &plan)) {
        return;
    }
    int result = merge(store, &plan, &made);
    if (result == 0) {
        TablesChange change = {.removed = plan.inputs, .n_removed = plan.n_inputs};

        backoff_end(&store->tables_backoff);
        tables_publish(store, &made, &change);
    } else if (result != TABLES_PLAN_AGAIN) {
        backoff_begin(&store->tables_backoff, now_ns);
        log_error("store: tables cannot be merged, tried again later",
                  LOG_U64("tables", plan.n_inputs), LOG_I64("result", result),
                  LOG_U64("seconds", store->tables_backoff.delay_ms / 1000));
    }
    mem_free(made.items);
}
