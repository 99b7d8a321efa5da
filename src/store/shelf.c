// SPDX-License-Identifier: Apache-2.0
#include "store/shelf.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"

ShelfBlock *shelf_block_new(FileSystem *fs, uint64_t number, Block *block)
{
    ShelfBlock *shelved = NEW(ShelfBlock);

    atomic_init(&shelved->refs, 1);
    shelved->fs = fs;
    shelved->number = number;
    shelved->block = block;
    shelved->summary = *block_summary(block);
    pthread_mutex_init(&shelved->names_mutex, NULL);
    return shelved;
}

static ShelfBlock *shelf_block_ref(ShelfBlock *block)
{
    ASSERT(atomic_fetch_add(&block->refs, 1) > 0);
    return block;
}

ShelfBlock *shelf_block_unref(ShelfBlock *block)
{
    char path[MANIFEST_PATH_MAX];

    if (block == NULL || atomic_fetch_sub(&block->refs, 1) > 1) {
        return NULL;
    }
    block_close(block->block);
    if (atomic_load(&block->retired)) {
        manifest_block_path(block->number, path);
        int result = block->fs->ops->remove(block->fs, path);
        if (result != 0) {
            log_warn("store: retired block stays", LOG_CSTR("file", path), LOG_ERR(result));
        }
    }
    pthread_mutex_destroy(&block->names_mutex);
    arena_deinit(&block->names_arena);
    mem_free(block->names);
    mem_free(block);
    return NULL;
}

int shelf_block_check(ShelfBlock *block, int result)
{
    char path[MANIFEST_PATH_MAX];

    if (result <= 0) {
        return result;
    }
    if (!atomic_exchange(&block->reported, true)) {
        manifest_block_path(block->number, path);
        log_error("store: damaged block, answers leave its unreadable part out",
                  LOG_CSTR("file", path));
    }
    return 0;
}

typedef struct NameReader {
    ShelfBlock *block;
    size_t capacity;
} NameReader;

static int keep_name(void *context, Str service, Str operation, SpanKind kind, uint64_t count)
{
    NameReader *reader = context;
    ShelfBlock *block = reader->block;

    ARRAY_RESERVE(block->names, block->n_names, reader->capacity);
    block->names[block->n_names++] = (ShelfName){
        .service = arena_copy(&block->names_arena, service),
        .operation = arena_copy(&block->names_arena, operation),
        .kind = (uint8_t)kind,
        .count = count,
    };
    return 0;
}

int shelf_block_names(ShelfBlock *block, const ShelfName **ret_names, size_t *ret_n)
{
    NameReader reader = {.block = block};
    int result = 0;

    pthread_mutex_lock(&block->names_mutex);
    if (!block->names_read) {
        result = shelf_block_check(block, block_operations(block->block, keep_name, &reader));
        block->names_read = result == 0;
        if (result != 0) {
            mem_free(TAKE(block->names));
            block->n_names = 0;
        }
    }
    pthread_mutex_unlock(&block->names_mutex);
    if (result == 0) {
        *ret_names = block->names;
        *ret_n = block->n_names;
    }
    return result;
}

static int newest_first(const void *a, const void *b)
{
    const ShelfBlock *x = *(ShelfBlock *const *)a, *y = *(ShelfBlock *const *)b;

    if (x->summary.max_start_ns != y->summary.max_start_ns) {
        return x->summary.max_start_ns > y->summary.max_start_ns ? -1 : 1;
    }
    return (x->number < y->number) - (x->number > y->number);
}

static bool contains(ShelfBlock *const *blocks, size_t count, const ShelfBlock *block)
{
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] == block) {
            return true;
        }
    }
    return false;
}

static int by_trace(const void *a, const void *b)
{
    return trace_id_compare(((const ManifestDeletion *)a)->trace_id,
                            ((const ManifestDeletion *)b)->trace_id);
}

static void copy_deletions(Shelf *shelf, const ManifestDeletions *deletions)
{
    for (size_t i = 0; i < deletions->count; i++) {
        manifest_deletions_add(&shelf->deletions, deletions->items[i]);
    }
    if (shelf->deletions.count > 1) {
        qsort(shelf->deletions.items, shelf->deletions.count, sizeof(ManifestDeletion), by_trace);
    }
}

Shelf *shelf_hide(const Shelf *old, const ManifestDeletions *deletions)
{
    Shelf *shelf = shelf_change(old, NULL, 0, NULL, 0);

    mem_free(shelf->deletions.items);
    shelf->deletions = (ManifestDeletions){0};
    copy_deletions(shelf, deletions);
    return shelf;
}

bool shelf_hides(const Shelf *shelf, uint64_t number, TraceId id)
{
    const ManifestDeletion *items = shelf->deletions.items;
    size_t low = 0, high = shelf->deletions.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (trace_id_compare(items[middle].trace_id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < shelf->deletions.count && trace_id_equal(items[low].trace_id, id); low++) {
        if (number < items[low].file_below) { /* a trace may be deleted more than once */
            return true;
        }
    }
    return false;
}

Shelf *shelf_change(const Shelf *old, ShelfBlock *const *added, size_t n_added,
                    ShelfBlock *const *removed, size_t n_removed)
{
    size_t n_old = old == NULL ? 0 : old->count;
    Shelf *shelf = mem_zero(sizeof(Shelf) + (n_old + n_added) * sizeof(ShelfBlock *));

    atomic_init(&shelf->refs, 1);
    if (old != NULL) {
        copy_deletions(shelf, &old->deletions);
    }
    for (size_t i = 0; i < n_old; i++) {
        if (!contains(removed, n_removed, old->blocks[i])) {
            shelf->blocks[shelf->count++] = shelf_block_ref(old->blocks[i]);
        }
    }
    for (size_t i = 0; i < n_added; i++) {
        shelf->blocks[shelf->count++] = added[i];
    }
    qsort(shelf->blocks, shelf->count, sizeof(ShelfBlock *), newest_first);
    for (size_t i = 0; i < shelf->count; i++) {
        shelf->n_spans += shelf->blocks[i]->summary.n_spans;
    }
    return shelf;
}

Shelf *shelf_ref(Shelf *shelf)
{
    ASSERT(atomic_fetch_add(&shelf->refs, 1) > 0);
    return shelf;
}

Shelf *shelf_unref(Shelf *shelf)
{
    if (shelf == NULL || atomic_fetch_sub(&shelf->refs, 1) > 1) {
        return NULL;
    }
    for (size_t i = 0; i < shelf->count; i++) {
        shelf_block_unref(shelf->blocks[i]);
    }
    mem_free(shelf->deletions.items);
    mem_free(shelf);
    return NULL;
}
