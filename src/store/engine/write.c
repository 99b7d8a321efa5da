// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/engine/compact.h"

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
enum { RETRY_MS = 1000, UPKEEP_MS = 1000, PACED_BYTES = 4 << 20 };

static void file_path(bool is_block, uint64_t number, char path[MANIFEST_PATH_MAX])
{
    if (is_block) {
        manifest_block_path(number, path);
    } else {
        manifest_table_path(number, path);
    }
}

/* A paced file is synced piece by piece, so that the log's sync never waits for a large one. */
static int write_and_sync(Store *store, File *file, Str content, bool is_paced)
{
    const FileSystemOps *ops = file->fs->ops;
    size_t step = is_paced ? PACED_BYTES : MAX(content.len, (size_t)1);

    for (size_t at = 0; at < content.len; at += step) {
        size_t n = MIN(step, content.len - at);

        TRY(ops->append(file, content.ptr + at, n));
        TRY(ops->sync(file));
        if (is_paced) {
            TRY(compactor_pace(store, n));
        }
    }
    return 0;
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

static int new_file(Store *store, bool is_block, Str content, bool is_paced, uint64_t *ret_number)
{
    const FileSystemOps *ops = store->fs->ops;
    char path[MANIFEST_PATH_MAX];
    uint64_t number;
    File *file;
    int result;

    do { /* a number that is taken is of an orphan that could not be removed */
        number = take_number(store);
        file_path(is_block, number, path);
        result = ops->open(store->fs, path, FILE_CREATE, &file);
    } while (result == -EEXIST);
    TRY(result);
    result = write_and_sync(store, file, content, is_paced);
    ops->close(file);
    if (result == 0) {
        result = ops->sync_directory(store->fs, is_block ? "blocks" : "tables");
    }
    if (result != 0) {
        (void)ops->remove(store->fs, path);
        return result;
    }
    *ret_number = number;
    return 0;
}

int writer_new_file(Store *store, bool is_block, Str content, uint64_t *ret_number)
{
    return new_file(store, is_block, content, false, ret_number);
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

/* A trace's rows in one generation. */
typedef struct TracePiece {
    TraceId id;
    const Generation *generation;
    uint32_t first_row;
} TracePiece;

typedef struct Builder {
    Store *store;
    Cut *cut;
    const Shelf *known;
    TracePiece *pieces;
    size_t n_pieces, capacity;
    BlockBuilder *blocks;
    Arena arena;       /* of one trace */
    Buf file;          /* the compactor's: the store's is the writer's */
    size_t block_rows; /* a block is finished from so many on */
    size_t n_rows;
    Span *spans; /* of one trace */
    size_t n_spans, span_capacity;
} Builder;

static bool piece_has_rows(const Builder *builder, const Generation *generation, uint32_t at)
{
    for (; at != ROW_NONE; at = generation_row(generation, at)->next) {
        if (generation_row(generation, at)->state == builder->cut->number) {
            return true;
        }
    }
    return false;
}

/* In slices: the applier waits for this lock. Traces that come meanwhile have no row of the cut. */
static void collect_pieces(Builder *builder, const Generation *generation)
{
    for (size_t at = 0, end = 0, n = 1; at < n; at = end) {
        pthread_rwlock_rdlock(&builder->store->lock);
        n = generation->traces.n_records;
        end = MIN(n, at + APPLY_SLICE_ROWS);
        for (size_t i = at; i < end; i++) {
            const HeadTrace *trace = table_at(&generation->traces, i);

            if (piece_has_rows(builder, generation, trace->first)) {
                ARRAY_RESERVE(builder->pieces, builder->n_pieces, builder->capacity);
                builder->pieces[builder->n_pieces++] = (TracePiece){
                    .id = trace->id, .generation = generation, .first_row = trace->first};
            }
        }
        pthread_rwlock_unlock(&builder->store->lock);
    }
}

/*
 * The cut's rows are divided evenly, into blocks of the size that generations have or a bit more:
 * by rows for reading, by bytes because building a block takes several times what its rows take.
 * A generation that ran over its limit by a batch must not leave a block of the few rows beyond.
 * What merges small blocks is not divided by bytes, or the parts would be merged again.
 */
static size_t divide_rows(const Builder *builder)
{
    uint64_t rows = 0, bytes = 0, rows_max = builder->store->options.generation_rows;
    const uint64_t bytes_max = GENERATION_BYTES_MAX;

    pthread_rwlock_rdlock(&builder->store->lock);
    for (size_t i = 0; i < builder->cut->n_generations; i++) {
        const Generation *generation = builder->cut->generations[i];

        rows += generation->n_rows;
        bytes += generation_bytes(generation);
    }
    pthread_rwlock_unlock(&builder->store->lock);
    uint64_t n_more = rows / (rows_max + rows_max / 4);
    if (builder->known != NULL) {
        n_more = MAX(n_more, bytes / (bytes_max + bytes_max / 4));
    }
    return (size_t)(rows / (n_more + 1) + 1);
}

static int compare_pieces(const void *a, const void *b)
{
    return trace_id_compare(((const TracePiece *)a)->id, ((const TracePiece *)b)->id);
}

/* Decodes the trace's rows out of pieces [first, end). */
static void read_pieces(Builder *builder, size_t first, size_t end)
{
    builder->n_spans = 0;
    pthread_rwlock_rdlock(&builder->store->lock);
    for (size_t i = first; i < end; i++) {
        const TracePiece *piece = &builder->pieces[i];

        for (uint32_t at = piece->first_row; at != ROW_NONE;) {
            const HeadRow *row = generation_row(piece->generation, at);

            if (row->state == builder->cut->number) {
                ARRAY_RESERVE(builder->spans, builder->n_spans, builder->span_capacity);
                generation_read(piece->generation, row, &builder->arena,
                                &builder->spans[builder->n_spans++]);
            }
            at = row->next;
        }
    }
    pthread_rwlock_unlock(&builder->store->lock);
}

/* Whether @held, sorted by start as blocks are, has this very span. */
static bool is_held(const Span *held, size_t n_held, const Span *span)
{
    size_t low = 0, high = n_held;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (held[middle].start_ns < span->start_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < n_held && held[low].start_ns == span->start_ns; low++) {
        if (span_compare_identity(&held[low], span) == 0 &&
            span_compare_content(&held[low], span) == 0) {
            return true;
        }
    }
    return false;
}

static void drop_held(Builder *builder, const Span *held, size_t n_held)
{
    size_t kept = 0;

    for (size_t i = 0; i < builder->n_spans; i++) {
        if (!is_held(held, n_held, &builder->spans[i])) {
            builder->spans[kept++] = builder->spans[i];
        }
    }
    builder->n_spans = kept;
}

/* Rows that were replayed or sent again after their trace was written. Equal content has an equal
 * start, so only blocks of that time can hold them. */
static int drop_resends(Builder *builder)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint64_t min_ns = builder->spans[0].start_ns;
    uint64_t max_ns = builder->spans[builder->n_spans - 1].start_ns;

    for (size_t i = 0; i < builder->known->count && builder->n_spans > 0; i++) {
        ShelfBlock *block = builder->known->blocks[i];
        Span *held = NULL;
        size_t n_held = 0;

        if (block->summary.min_start_ns > max_ns || block->summary.max_start_ns < min_ns ||
            shelf_hides(builder->known, block->number, builder->spans[0].trace_id) ||
            !block_may_have_trace(block->block, builder->spans[0].trace_id)) {
            continue;
        }
        TRY(shelf_block_check(block, block_read_trace(block->block, builder->spans[0].trace_id,
                                                      &arena, &held, &n_held)));
        drop_held(builder, held, n_held);
    }
    return 0;
}

/* Writes what the builder holds as one block file. */
static int finish_block(Builder *builder)
{
    Buf *content = builder->cut->is_paced ? &builder->file : &builder->store->block_file;
    Cut *cut = builder->cut;
    BlockSummary summary;
    uint64_t number;

    if (builder->n_rows == 0) {
        return 0;
    }
    ASSERT(cut->n_blocks < CUT_BLOCKS_MAX);
    buf_clear(content);
    block_builder_finish(builder->blocks, content, &summary);
    pthread_mutex_lock(&builder->store->mutex);
    builder->store->counters.spilled_keys += summary.n_spilled_keys;
    pthread_mutex_unlock(&builder->store->mutex);
    builder->n_rows = 0;
    TRY(new_file(builder->store, true, buf_str(content), cut->is_paced, &number));
    cut->block_files[cut->n_blocks] =
        (ManifestFile){.number = number, .bytes = content->len, .written_s = cut->written_s};
    int result = writer_open_block(builder->store, number, &cut->blocks[cut->n_blocks]);
    if (result != 0) { /* what was just written cannot be read */
        writer_orphan(builder->store, true, number);
        return result > 0 ? -EIO : result;
    }
    cut->n_blocks++;
    return 0;
}

static int add_trace(Builder *builder, size_t first, size_t end)
{
    read_pieces(builder, first, end);
    builder->n_spans = spans_deduplicate(builder->spans, builder->n_spans);
    if (builder->known != NULL) {
        TRY(drop_resends(builder));
    }
    for (size_t i = 0; i < builder->n_spans; i++) {
        block_builder_add(builder->blocks, &builder->spans[i]);
    }
    /* The builder keeps strings, resources and scopes, which are the generation's; not the arrays,
     * which would be some 800 bytes a span. */
    arena_reset(&builder->arena);
    builder->n_rows += builder->n_spans;
    if (builder->n_rows >= builder->block_rows && builder->cut->n_blocks + 1 < CUT_BLOCKS_MAX) {
        return finish_block(builder);
    }
    return 0;
}

static int build(Builder *builder)
{
    builder->block_rows =
        builder->cut->rows_max != 0 ? builder->cut->rows_max : divide_rows(builder);
    for (size_t i = 0; i < builder->cut->n_generations; i++) {
        collect_pieces(builder, builder->cut->generations[i]);
    }
    if (builder->n_pieces > 0) {
        qsort(builder->pieces, builder->n_pieces, sizeof(TracePiece), compare_pieces);
    }
    for (size_t first = 0; first < builder->n_pieces;) {
        size_t end = first + 1;

        while (end < builder->n_pieces &&
               trace_id_equal(builder->pieces[end].id, builder->pieces[first].id)) {
            end++;
        }
        TRY(add_trace(builder, first, end));
        first = end;
    }
    return finish_block(builder);
}

int writer_build_blocks(Store *store, Cut *cut, const Shelf *known)
{
    Builder builder = {.store = store,
                       .cut = cut,
                       .known = known,
                       .blocks = block_builder_new(store->options.attribute_columns_max)};
    int result = build(&builder);

    block_builder_free(builder.blocks);
    buf_deinit(&builder.file);
    arena_deinit(&builder.arena);
    mem_free(builder.pieces);
    mem_free(builder.spans);
    return result;
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
    int result = writer_build_blocks(store, cut, known);

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
