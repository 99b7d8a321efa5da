// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/engine/build.h"

/*
 * The writer: turns a cut into blocks and a table, and makes both visible with one manifest commit.
 *
 * 1. Blocks and table are written under new numbers and synced. Failing here leaves no trace.
 * 2. The manifest is replaced. When that fails nobody knows which one a crash would leave, so the
 *    files of step 1 stay and the same manifest is tried again until it is there.
 * 3. Readers are given the blocks and lose the rows in one step; then the log lets go.
 *
 * Whatever a crash leaves is found on start: files that the manifest does not name are removed,
 * rows that are in the log still and in a block already are dropped here as resends.
 */
enum { RETRY_MS = 1000, UPKEEP_MS = 1000 };

static void file_path(bool is_block, uint64_t number, char path[MANIFEST_PATH_MAX])
{
    if (is_block) {
        manifest_block_path(number, path);
    } else {
        manifest_table_path(number, path);
    }
}

static uint64_t take_number(Store *store)
{
    pthread_mutex_lock(&store->files);
    uint64_t number = store->manifest.next_file++;
    pthread_mutex_unlock(&store->files);
    return number;
}

void writer_orphan(Store *store, bool is_block, uint64_t number)
{
    pthread_mutex_lock(&store->files);
    manifest_files_add(is_block ? &store->orphan_blocks : &store->orphan_tables,
                       (ManifestFile){.number = number});
    pthread_mutex_unlock(&store->files);
}

int writer_create_file(Store *store, bool is_block, NewFile *ret_file)
{
    NewFile file = {.is_block = is_block};
    int result;

    do { /* a number that is taken is of an orphan that could not be removed */
        file.number = take_number(store);
        file_path(is_block, file.number, file.path);
        result = store->fs->ops->open(store->fs, file.path, FILE_CREATE, &file.file);
    } while (result == -EEXIST);
    TRY(result);
    *ret_file = file;
    return 0;
}

int writer_close_file(Store *store, NewFile *file, int result)
{
    const FileSystemOps *ops = store->fs->ops;

    if (file->file == NULL) {
        return result;
    }
    ops->close(TAKE(file->file));
    if (result == 0) {
        result = ops->sync_directory(store->fs, file->is_block ? "blocks" : "tables");
    }
    if (result != 0) {
        (void)ops->remove(store->fs, file->path);
    }
    return result;
}

int writer_new_file(Store *store, bool is_block, Str content, uint64_t *ret_number)
{
    const FileSystemOps *ops = store->fs->ops;
    NewFile file;

    TRY(writer_create_file(store, is_block, &file));
    int result = ops->append(file.file, content.ptr, content.len);
    if (result == 0) {
        result = ops->sync(file.file);
    }
    TRY(writer_close_file(store, &file, result));
    *ret_number = file.number;
    return 0;
}

int writer_open_block(Store *store, uint64_t number, ShelfBlock **ret_block)
{
    char path[MANIFEST_PATH_MAX];
    ParseError error = {0};
    Block *block;
    File *file;

    manifest_block_path(number, path);
    TRY(store->fs->ops->open(store->fs, path, FILE_READ, &file));
    int result = block_open(store->fs, file, &block, &error);
    if (result > 0) {
        log_error("store: damaged block", LOG_CSTR("file", path), LOG_U64("offset", error.offset),
                  LOG_CSTR("what", error.text));
    }
    TRY(result);
    *ret_block = shelf_block_new(store->fs, number, block);
    return 0;
}

static void remove_files(Store *store, bool is_block, ManifestFiles *files)
{
    char path[MANIFEST_PATH_MAX];

    for (size_t i = 0; i < files->count; i++) {
        file_path(is_block, files->items[i].number, path);
        (void)store->fs->ops->remove(store->fs, path); /* the next start tries again */
    }
    files->count = 0;
}

void writer_remove_tables(Store *store, ManifestFiles *files)
{
    remove_files(store, false, files);
}

void writer_count_files(Store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->counters.block_bytes = manifest_files_bytes(&store->manifest.blocks);
    store->counters.table_bytes = manifest_files_bytes(&store->manifest.tables);
    store->counters.n_tables = store->manifest.tables.count;
    pthread_mutex_unlock(&store->mutex);
}

int writer_commit(Store *store, Manifest *next)
{
    next->edition = store->manifest.edition + 1;
    next->next_file = store->manifest.next_file;
    TRY(manifest_write(store->fs, next));
    manifest_deinit(&store->manifest);
    store->manifest = *next;
    *next = (Manifest){0};
    remove_files(store, true, &store->orphan_blocks);
    remove_files(store, false, &store->orphan_tables);
    return 0;
}

void writer_undo(Store *store, Cut *cut)
{
    for (size_t i = 0; i < cut->n_blocks; i++) {
        atomic_store(&cut->blocks[i]->retired, true); /* its file goes with it */
        shelf_block_unref(cut->blocks[i]);
    }
    cut->n_blocks = 0;
    writer_remove_tables(store, &cut->tables);
}

static int write_files(Store *store, Cut *cut)
{
    pthread_mutex_lock(&store->files);
    Shelf *known = shelf_ref(store->shelf);
    pthread_mutex_unlock(&store->files);
    int result = build_head_blocks(store, cut, known);

    shelf_unref(known);
    if (result == 0) {
        result = tables_write(store, cut);
    }
    if (result != 0) {
        writer_undo(store, cut);
        return result;
    }
    cut->written = true;
    return 0;
}

static int commit_cut(Store *store, const Cut *cut)
{
    Manifest next;

    manifest_copy(&store->manifest, &next);
    for (size_t i = 0; i < cut->n_blocks; i++) {
        manifest_files_add(&next.blocks, cut->block_files[i]);
    }
    for (size_t i = 0; i < cut->tables.count; i++) {
        manifest_files_add(&next.tables, cut->tables.items[i]);
    }
    next.log_from = MAX(next.log_from, cut->log_from);
    int result = writer_commit(store, &next);
    manifest_deinit(&next);
    return result;
}

void writer_publish(Store *store, Cut *cut, ShelfBlock *const *removed, size_t n_removed)
{
    Shelf *shelf = shelf_change(store->shelf, cut->blocks, cut->n_blocks, removed, n_removed);

    for (size_t i = 0; i < n_removed; i++) {
        atomic_store(&removed[i]->retired, true);
    }
    pthread_rwlock_wrlock(&store->lock);
    Shelf *old = store->shelf;
    store->shelf = shelf;
    store->committed = MAX(store->committed, cut->number);
    pthread_rwlock_unlock(&store->lock);
    shelf_unref(old);
    cut->n_blocks = 0; /* the shelf has the references */
    writer_count_files(store);
}

void cut_free(Store *store, Cut *cut)
{
    if (cut == NULL) {
        return;
    }
    for (size_t i = 0; i < cut->n_blocks; i++) {
        shelf_block_unref(cut->blocks[i]);
    }
    for (size_t i = 0; i < cut->n_generations; i++) {
        generation_unref(cut->generations[i]);
    }
    mem_free(cut->tables.items);
    if (cut->pending != NULL) {
        store->observer->free_pending(store->observer->context, cut->pending);
    }
    mem_free(cut);
}

static int write_cut(Store *store, Cut *cut)
{
    if (!cut->written) {
        TRY(write_files(store, cut));
    }
    pthread_mutex_lock(&store->files);
    int result = commit_cut(store, cut);
    if (result == 0) {
        writer_publish(store, cut, NULL, 0);
    }
    pthread_mutex_unlock(&store->files);
    TRY(result);
    if (cut->pending != NULL) {
        tables_publish(store, &cut->tables, &(TablesChange){.pending = cut->pending});
    }
    log_release(store->log, cut->log_from);
    return 0;
}

static void finish_cut(Store *store, Cut *cut, int result)
{
    if (result != 0 && result != store->writer_error) {
        log_error("store: writing a block failed, its spans stay in log and memory",
                  LOG_ERR(result));
    }
    if (result == 0) {
        cut_free(store, cut);
    }
    pthread_mutex_lock(&store->mutex);
    store->cut = result == 0 ? NULL : cut;
    store->writer_error = result;
    pthread_cond_broadcast(&store->progress);
    pthread_cond_signal(&store->applier_wake); /* the next cut may be due */
    pthread_mutex_unlock(&store->mutex);
}

/* What a block took to build is handed back to the system in the first quiet second: while cuts
 * follow each other the next one needs the same pages again, and each costs a fault. */
static void *writer(void *context)
{
    Store *store = context;
    bool holds_pages = false;

    for (;;) {
        pthread_mutex_lock(&store->mutex);
        if ((store->cut == NULL || store->writer_error != 0) && !store->writer_stop) {
            store_wait_ms(store, &store->writer_wake, store->cut == NULL ? UPKEEP_MS : RETRY_MS);
        }
        Cut *cut = store->cut;
        bool stop = store->writer_stop;
        pthread_mutex_unlock(&store->mutex);
        if (cut != NULL) {
            finish_cut(store, cut, write_cut(store, cut));
            holds_pages = true;
        } else if (holds_pages) {
            store_drop_spares(store);
            buf_deinit(&store->block_file);
            mem_trim();
            holds_pages = false;
        }
        if (stop) {
            return NULL;
        }
        tables_upkeep(store);
    }
}

int writer_start(Store *store)
{
    int result = -pthread_create(&store->writer, NULL, writer, store);

    if (result == 0) {
        pthread_setname_np(store->writer, "writer");
        store->has_writer = true;
    }
    return result;
}

void writer_stop(Store *store)
{
    if (!store->has_writer) {
        return;
    }
    pthread_mutex_lock(&store->mutex);
    store->writer_stop = true;
    pthread_cond_signal(&store->writer_wake);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->writer, NULL);
    store->has_writer = false;
}
