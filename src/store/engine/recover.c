// SPDX-License-Identifier: Apache-2.0
#include "store/engine/recover.h"

#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/engine/engine.h"

/*
 * Starting. Nothing here needs the disk to take a write: on a full disk the store opens, serves
 * reads, and refuses appends until there is room.
 *
 * A damaged block or table is left out of the next manifest and its file is set aside in
 * `damaged/`, never deleted; so are files that no manifest names because there is none. A file that
 * cannot be read at all (-errno) stops the start instead: the next attempt may succeed, and a
 * manifest without it must not be written.
 */
enum {
    PROGRESS_AFTER_MS = 2000, /* a replay that takes longer says how far it is */
    LOST_BYTES_MAX = 32,
};

#define LOST_PATH "damaged/LOST"

static int fail(const char **ret_why, int result, const char *why)
{
    *ret_why = why;
    return result;
}

static int take_directory(Store *store, const char **ret_why)
{
    static const char *const parts[] = {"blocks", "tables"};
    const FileSystemOps *ops = store->fs->ops;
    int result = ops->lock(store->fs);

    if (result == -EBUSY) {
        return fail(ret_why, result,
                    "Another process uses the data directory; stop it or choose another --data.");
    }
    for (size_t i = 0; i < ARRAY_LEN(parts) && result == 0; i++) {
        result = ops->make_directory(store->fs, parts[i]);
    }
    return result == 0
               ? 0
               : fail(ret_why, result, "The data directory cannot be used; check its permissions.");
}

static int load_manifest(Store *store, const char **ret_why)
{
    ParseError error = {0};
    int result = manifest_read(store->fs, &store->manifest, &error);

    if (result == MANIFEST_NEWER) {
        return fail(ret_why, -EBADMSG,
                    "The data directory was written by a newer Weft; use that one, or another "
                    "--data.");
    }
    if (result > 0) {
        log_error("store: damaged manifest", LOG_U64("offset", error.offset),
                  LOG_CSTR("what", error.text));
        result = recover_rebuild_manifest(store);
    }
    return result == 0 ? 0 : fail(ret_why, result, "The file MANIFEST cannot be read.");
}

void recover_set_aside(Store *store, bool is_block, uint64_t number)
{
    char from[MANIFEST_PATH_MAX], to[MANIFEST_PATH_MAX];

    if (is_block) {
        manifest_block_path(number, from);
    } else {
        manifest_table_path(number, from);
    }
    snprintf(to, sizeof(to), "damaged/%s-%010llu.parquet", is_block ? "block" : "table",
             (unsigned long long)number);
    (void)store->fs->ops->make_directory(store->fs, "damaged");
    int result = store->fs->ops->rename(store->fs, from, to);
    if (result != 0 && result != -ENOENT) {
        log_warn("store: damaged file stays where it is", LOG_CSTR("file", from), LOG_ERR(result));
    }
}

/* ---- blocks that are lost ---- */

static int read_lost(Store *store)
{
    CLEANUP(buf_deinit) Buf text = {0};
    int result = fs_read_file(store->fs, LOST_PATH, LOST_BYTES_MAX, &text);

    if (result == 0 && str_parse_u64(str_trim(buf_str(&text)), &store->lost_s) != 0) {
        log_warn("store: " LOST_PATH " has no time, it counts as now");
        store->lost_s = clock_realtime_ns(store->clock) / 1000000000U;
    }
    return result == -ENOENT ? 0 : result;
}

/* Later starts must know too; when it cannot be written, the manifest most likely neither. */
void recover_note_lost(Store *store, const ManifestFile *block)
{
    uint64_t now_s = clock_realtime_ns(store->clock) / 1000000000U;
    uint64_t lost_s = block->written_s != 0 ? block->written_s : now_s;
    char text[LOST_BYTES_MAX];

    if (lost_s <= store->lost_s) {
        return;
    }
    store->lost_s = lost_s;
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)lost_s);
    int result = fs_replace_file(store->fs, LOST_PATH, str_from_cstr(text));
    if (result != 0) {
        log_warn("store: that a block is lost cannot be noted", LOG_CSTR("file", LOST_PATH),
                 LOG_ERR(result));
    }
}

/* Opens the manifest's blocks. Damaged and missing ones are dropped from the manifest. */
static int open_blocks(Store *store)
{
    ManifestFiles *files = &store->manifest.blocks;
    ShelfBlock **blocks = NEW_ARRAY(ShelfBlock *, files->count + 1);
    size_t kept = 0;
    int result = 0;

    for (size_t i = 0; i < files->count && result == 0; i++) {
        ManifestFile file = files->items[i];

        result = writer_open_block(store, file.number, &blocks[kept]);
        if (result == 0) {
            blocks[kept]->written_s = file.written_s;
            files->items[kept++] = file;
        } else if (result == -ENOENT || result > 0) {
            log_error("store: block left out", LOG_U64("block", file.number),
                      LOG_CSTR("because", result > 0 ? "it is damaged" : "its file is missing"));
            recover_set_aside(store, true, file.number);
            recover_note_lost(store, &file);
            result = 0;
        }
    }
    if (result == 0) {
        files->count = kept;
    }
    Shelf *empty = store->shelf, *all = shelf_change(NULL, blocks, kept, NULL, 0);
    store->shelf = shelf_hide(all, &store->manifest.deletions);
    shelf_unref(all);
    shelf_unref(empty);
    mem_free(blocks);
    return result;
}

/* Returns 0; 1 when the table is damaged or missing; or -errno. */
static int load_table(Store *store, TableFile *table)
{
    char path[MANIFEST_PATH_MAX];
    ParseError error = {.text = "its file is missing"};
    int result = store->observer->load_table(store->observer->context, table, &error);

    if (result > 0 || result == -ENOENT) {
        manifest_table_path(table->number, path);
        log_error("store: damaged table left out", LOG_CSTR("file", path),
                  LOG_U64("offset", error.offset), LOG_CSTR("what", error.text));
        return 1;
    }
    return result;
}

static int load_tables(Store *store)
{
    ManifestFiles *files = &store->manifest.tables;
    size_t kept = 0;

    if (store->observer == NULL) {
        return 0;
    }
    for (size_t i = 0; i < files->count; i++) {
        ManifestFile file = files->items[i];
        TableFile *table = table_file_new(store->fs, file.number, file.bytes, &file.table);

        table->written_s = file.written_s;
        int result = load_table(store, table);
        if (result != 0) {
            table_file_unref(table);
        }
        if (result < 0) {
            return result;
        }
        if (result == 0) {
            files->items[kept++] = file;
            tables_append(store, table);
        } else {
            recover_set_aside(store, false, file.number);
        }
    }
    files->count = kept;
    if (store->observer->tables_loaded != NULL) {
        store->observer->tables_loaded(store->observer->context);
    }
    return 0;
}

typedef struct Sweep {
    Store *store;
    const char *directory;
    const ManifestFiles *files;
    bool removes; /* else it only notes which numbers are taken */
} Sweep;

/* Only names that are ours are removed: files of the manifest's form that it does not name, and
 * what was being written when the program stopped. */
static int sweep_file(void *context, const char *name)
{
    const Sweep *sweep = context;
    Store *store = sweep->store;
    char path[MANIFEST_PATH_MAX];
    uint64_t number;

    if (sweep->files != NULL) {
        if (manifest_parse_name(name, &number) != 0) {
            return 0;
        }
        store->manifest.next_file = MAX(store->manifest.next_file, number + 1);
        if (manifest_files_find(sweep->files, number) != NULL) {
            return 0;
        }
        if (store->manifest.edition == 0) {
            /* Left by a crash before the first commit, or somebody lost the manifest: who knows. */
            log_error("store: no MANIFEST names this file, set aside in damaged/",
                      LOG_CSTR("directory", sweep->directory), LOG_CSTR("file", name));
            recover_set_aside(store, sweep->files == &store->manifest.blocks, number);
            return 0;
        }
    } else if (!str_ends_with(str_from_cstr(name), STR(".tmp"))) {
        return 0;
    }
    if (!sweep->removes ||
        snprintf(path, sizeof(path), "%s%s", sweep->directory, name) >= (int)sizeof(path)) {
        return 0;
    }
    log_info("store: leftover removed", LOG_CSTR("file", path));
    (void)store->fs->ops->remove(store->fs, path);
    return 0;
}

/* The manifest that was read may be one whose name never reached the disk. Before the files go that
 * only the one before it names, it must be what a power cut would leave. */
static void sweep_leftovers(Store *store)
{
    int synced = store->fs->ops->sync_directory(store->fs, "");
    Sweep sweeps[] = {
        {store, "blocks/", &store->manifest.blocks, synced == 0},
        {store, "tables/", &store->manifest.tables, synced == 0},
        {store, "log/", NULL, synced == 0},
        {store, "", NULL, synced == 0},
    };
    static const char *const directories[] = {"blocks", "tables", "log", ""};

    if (synced != 0) {
        log_warn("store: leftovers stay, the data directory cannot be synced", LOG_ERR(synced));
    }

    for (size_t i = 0; i < ARRAY_LEN(sweeps); i++) {
        int result = store->fs->ops->list(store->fs, directories[i], sweep_file, &sweeps[i]);

        if (result != 0 && result != -ENOENT) { /* a new directory has no log yet */
            log_warn("store: leftovers stay", LOG_CSTR("directory", directories[i]),
                     LOG_ERR(result));
        }
    }
}

typedef struct Replay {
    Store *store;
    StoreBatch *batch;
    uint64_t start_ns, told_ns, spans;
} Replay;

static void tell_progress(Replay *replay)
{
    uint64_t now_ns = clock_monotonic_ns(replay->store->clock);

    if (now_ns - replay->told_ns > PROGRESS_AFTER_MS * 1000000ULL) {
        replay->told_ns = now_ns;
        log_info("store: replaying the log",
                 LOG_U64("batches", replay->store->counters.replayed_batches),
                 LOG_U64("spans", replay->spans),
                 LOG_U64("seconds", (now_ns - replay->start_ns) / 1000000000U));
    }
}

/* What was deleted stays away. The writer may change the manifest meanwhile. */
static void leave_out_deleted(Store *store, Batch *batch, uint64_t sequence)
{
    size_t kept = 0;

    pthread_mutex_lock(&store->files);
    for (size_t i = 0; i < batch->n_spans && store->manifest.deletions.count > 0; i++) {
        if (!is_deleted(&store->manifest, batch->spans[i].trace_id, sequence)) {
            batch->spans[kept++] = batch->spans[i];
        }
    }
    if (store->manifest.deletions.count > 0) {
        batch->n_spans = kept;
    }
    pthread_mutex_unlock(&store->files);
}

static int replay_body(void *context, uint64_t sequence, Str body)
{
    Replay *replay = context;
    Store *store = replay->store;
    StoreBatch *batch = replay->batch;
    ParseError error = {0};

    arena_reset(&batch->arena);
    if (store->options.decode(body, &batch->arena, &batch->spans, &error) != 0) {
        log_error("store: logged body cannot be read, left out", LOG_U64("sequence", sequence),
                  LOG_U64("offset", error.offset), LOG_CSTR("what", error.text));
        store->applied_sequence = sequence;
        return 0;
    }
    leave_out_deleted(store, &batch->spans, sequence);
    apply_batch(store, &batch->spans, sequence);
    store->counters.replayed_batches++;
    replay->spans += batch->spans.n_spans;
    if (store->settle_by_tick || store->observer == NULL) {
        apply_turn(store, false, false);
    }
    tell_progress(replay);
    return 0;
}

static int replay_log(Store *store)
{
    uint64_t start_ns = clock_monotonic_ns(store->clock);
    Replay replay = {.store = store, .start_ns = start_ns, .told_ns = start_ns};

    replay.batch = store_batch_new();
    int result = log_replay(store->log, store->manifest.log_from, replay_body, &replay);
    store_batch_free(replay.batch);
    store->counters.replay_ns = clock_monotonic_ns(store->clock) - start_ns;
    if (result == 0 && replay.spans > 0) {
        log_info("store: log replayed", LOG_U64("batches", store->counters.replayed_batches),
                 LOG_U64("spans", replay.spans),
                 LOG_U64("ms", store->counters.replay_ns / 1000000U));
    }
    return result;
}

static int open_files(Store *store, const char **ret_why)
{
    int result = open_blocks(store);

    if (result != 0) {
        return fail(ret_why, result,
                    "A block file cannot be opened; check the disk and the limit of open files.");
    }
    result = load_tables(store);
    return result == 0 ? 0 : fail(ret_why, result, "A table file cannot be read; check the disk.");
}

static bool has_deletions(Store *store)
{
    pthread_mutex_lock(&store->files); /* the writer runs already */
    bool has = store->manifest.deletions.count > 0;
    pthread_mutex_unlock(&store->files);
    return has;
}

static int open_log(Store *store, const char **ret_why)
{
    LogOptions options = {
        .fs = store->fs,
        .commit_delay_us = store->options.commit_delay_us,
        .commit_bytes = store->options.commit_bytes,
        .sync_interval_ms = store->options.sync_interval_ms,
    };

    if (options.sync_interval_ms != 0) {
        log_warn("store: answers do not wait for the disk; a power cut loses what came last",
                 LOG_U64("milliseconds", options.sync_interval_ms));
    }
    int result = log_open(&options, &store->log);

    if (result == 0) {
        result = writer_start(store); /* blocks are written while a long log is replayed */
    }
    if (result == 0) {
        store->applied_sequence = MAX(store->manifest.log_from, (uint64_t)1) - 1;
        result = replay_log(store);
    }
    if (result == 0) {
        result = log_start(store->log, store->applied_sequence + 1);
    }
    if (result == 0 && has_deletions(store)) { /* what the log holds of these must go */
        store->log_is_dirty = true;
        log_seal(store->log);
    }
    return result == 0 ? 0 : fail(ret_why, result, "The log cannot be read; check the disk.");
}

int recover(Store *store, const char **ret_why)
{
    TRY(take_directory(store, ret_why));
    if (store->observer != NULL && store->observer->attach != NULL) {
        store->observer->attach(store->observer->context, store);
        store->settle_by_tick = true;
    }
    int result = read_lost(store);
    if (result != 0) {
        return fail(ret_why, result, "The file damaged/LOST cannot be read; check the disk.");
    }
    TRY(load_manifest(store, ret_why));
    TRY(open_files(store, ret_why));
    sweep_leftovers(store);
    writer_count_files(store);
    return open_log(store, ret_why);
}
