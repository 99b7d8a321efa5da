// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/engine/engine.h"
#include "store/engine/recover.h"

/*
 * A manifest in place of a damaged one (docs/format/manifest.md, Damage): from the lines that can
 * still be read, and from the files that are there.
 *
 * The danger is to count twice: a block twice is harmless (its spans are resends), but a merged
 * table and those that it was made of would add up. So a file that no line names is taken only when
 * lines are missing or wrong; when all of them are there, it is a leftover of a commit that a crash
 * cut short, and is set aside. The other danger is to skip or to delete by a number that is wrong:
 * so the log is replayed from its beginning (what blocks hold already are resends), and retention
 * counts from now.
 */
enum { PATH_SIZE = MANIFEST_PATH_MAX + 16 };

typedef struct Rebuild {
    Store *store;
    Manifest old;     /* what could be read */
    bool is_complete; /* every line could be, and every file it names is there */
    Manifest next;
    bool is_block; /* of the directory that is listed */
    uint64_t now_s;
    uint64_t n_unnamed, n_set_aside, n_segments;
} Rebuild;

static const ManifestFiles *old_files(const Rebuild *rebuild)
{
    return rebuild->is_block ? &rebuild->old.blocks : &rebuild->old.tables;
}

/* The length of a block or table; 1 when it is not there or cannot be opened. */
static int file_size(Store *store, bool is_block, uint64_t number, uint64_t *ret_size)
{
    char path[MANIFEST_PATH_MAX];
    File *file;

    if (is_block) {
        manifest_block_path(number, path);
    } else {
        manifest_table_path(number, path);
    }
    if (store->fs->ops->open(store->fs, path, FILE_READ, &file) != 0) {
        return 1;
    }
    int result = store->fs->ops->size(file, ret_size);
    return store->fs->ops->close(file) != 0 || result != 0;
}

static bool all_are_there(Store *store, bool is_block, const ManifestFiles *files)
{
    uint64_t size;

    for (size_t i = 0; i < files->count; i++) {
        if (file_size(store, is_block, files->items[i].number, &size) != 0 ||
            size != files->items[i].bytes) {
            return false;
        }
    }
    return true;
}

static int take_file(void *context, const char *name)
{
    Rebuild *rebuild = context;
    ManifestFiles *next = rebuild->is_block ? &rebuild->next.blocks : &rebuild->next.tables;
    ManifestFile file = {.written_s = rebuild->now_s, .table = table_info("map")};

    if (manifest_parse_name(name, &file.number) != 0) {
        return 0;
    }
    rebuild->next.next_file = MAX(rebuild->next.next_file, file.number + 1);
    if (file_size(rebuild->store, rebuild->is_block, file.number, &file.bytes) != 0) {
        return 0;
    }
    const ManifestFile *old = manifest_files_find(old_files(rebuild), file.number);
    if (old != NULL && old->bytes == file.bytes) {
        file.table = old->table;
        manifest_files_add(next, file);
        return 0;
    }
    if (rebuild->is_complete) {
        rebuild->n_set_aside++;
        recover_set_aside(rebuild->store, rebuild->is_block, file.number);
        return 0;
    }
    rebuild->n_unnamed++;
    manifest_files_add(next, file);
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    const ManifestFile *left = a, *right = b;

    return left->number < right->number ? -1 : left->number > right->number;
}

static int list_files(Rebuild *rebuild, bool is_block)
{
    ManifestFiles *next = is_block ? &rebuild->next.blocks : &rebuild->next.tables;

    rebuild->is_block = is_block;
    TRY(rebuild->store->fs->ops->list(rebuild->store->fs, is_block ? "blocks" : "tables", take_file,
                                      rebuild));
    if (next->count > 0) {
        qsort(next->items, next->count, sizeof(*next->items), compare_numbers);
    }
    return 0;
}

static int count_segment(void *context, const char *name)
{
    Rebuild *rebuild = context;

    rebuild->n_segments += str_ends_with(str_from_cstr(name), STR(".log"));
    return 0;
}

/* Without a segment nothing is replayed, and the old number says where sequences go on. */
static void choose_log_from(Rebuild *rebuild)
{
    int result = rebuild->store->fs->ops->list(rebuild->store->fs, "log", count_segment, rebuild);

    rebuild->next.log_from = result == 0 && rebuild->n_segments > 0 ? 0 : rebuild->old.log_from;
}

/* Keeps the damaged one. It is copied, not moved: without any MANIFEST a crash now would look like
 * an empty directory. */
static void keep_damaged(Store *store, Str text, uint64_t now_s)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "damaged/MANIFEST-%llu", (unsigned long long)now_s);
    (void)store->fs->ops->make_directory(store->fs, "damaged");
    int result = fs_replace_file(store->fs, path, text);
    if (result != 0) {
        log_warn("store: the damaged MANIFEST could not be kept", LOG_ERR(result));
    }
}

/* Blocks that a readable line names, and that are not there any more. */
static void note_lost_blocks(const Rebuild *rebuild)
{
    const ManifestFiles *old = &rebuild->old.blocks;

    for (size_t i = 0; i < old->count; i++) {
        if (manifest_files_find(&rebuild->next.blocks, old->items[i].number) == NULL) {
            log_error("store: block left out", LOG_U64("block", old->items[i].number),
                      LOG_CSTR("because", "its file is missing"));
            recover_note_lost(rebuild->store, &old->items[i]);
        }
    }
}

static void take_over(Rebuild *rebuild)
{
    Store *store = rebuild->store;

    rebuild->next.edition = rebuild->old.edition + 1;
    if (rebuild->is_complete) {
        rebuild->next.next_file = MAX(rebuild->next.next_file, rebuild->old.next_file);
    }
    rebuild->next.deletions = rebuild->old.deletions;
    for (size_t i = 0; i < rebuild->next.deletions.count; i++) {
        rebuild->next.next_file =
            MAX(rebuild->next.next_file, rebuild->next.deletions.items[i].file_below);
    }
    rebuild->old.deletions = (ManifestDeletions){0};
    choose_log_from(rebuild);
    int result = manifest_write(store->fs, &rebuild->next);
    if (result != 0) {
        log_warn("store: the new MANIFEST cannot be written yet", LOG_ERR(result));
    }
    store->manifest = rebuild->next;
    rebuild->next = (Manifest){0};
}

int recover_rebuild_manifest(Store *store)
{
    CLEANUP(buf_deinit) Buf text = {0};
    Rebuild rebuild = {.store = store};

    rebuild.now_s = clock_realtime_ns(store->clock) / 1000000000U;
    TRY(manifest_salvage(store->fs, &rebuild.old, &text, &rebuild.is_complete));
    rebuild.is_complete = rebuild.is_complete && all_are_there(store, true, &rebuild.old.blocks) &&
                          all_are_there(store, false, &rebuild.old.tables);
    keep_damaged(store, buf_str(&text), rebuild.now_s);
    int result = list_files(&rebuild, true);
    if (result == 0) {
        result = list_files(&rebuild, false);
    }
    if (result == 0) {
        note_lost_blocks(&rebuild);
        take_over(&rebuild);
        log_error("store: MANIFEST was damaged and is made anew from the files; the damaged one is "
                  "in damaged/",
                  LOG_U64("blocks", store->manifest.blocks.count),
                  LOG_U64("tables", store->manifest.tables.count),
                  LOG_U64("not named by a readable line", rebuild.n_unnamed),
                  LOG_U64("set aside", rebuild.n_set_aside));
    }
    manifest_deinit(&rebuild.old);
    manifest_deinit(&rebuild.next);
    return result;
}
