// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/engine/build.h"

/*
 * Rows of generations into blocks: a trace at a time, in the order of trace ids, its fragments put
 * together, resends dropped.
 */

static bool piece_has_rows(const BlockOutput *output, const Generation *generation, uint32_t at)
{
    for (; at != ROW_NONE; at = generation_row(generation, at)->next) {
        if (generation_row(generation, at)->state == output->cut->number) {
            return true;
        }
    }
    return false;
}

/* The applier waits for this lock, so it is held for slices only; and not at all by the compactor,
 * whose generations are its own: of low priority, it may lose the core with the lock in its hand.
 */
static void lock_rows(const BlockOutput *output)
{
    if (!output->cut->is_compactors) {
        pthread_rwlock_rdlock(&output->store->lock);
    }
}

static void unlock_rows(const BlockOutput *output)
{
    if (!output->cut->is_compactors) {
        pthread_rwlock_unlock(&output->store->lock);
    }
}

/* Traces that come meanwhile have no row of the cut. */
static void collect_pieces(BlockOutput *output, const Generation *generation)
{
    for (size_t at = 0, end = 0, n = 1; at < n; at = end) {
        lock_rows(output);
        n = generation->traces.n_records;
        end = MIN(n, at + APPLY_SLICE_ROWS);
        for (size_t i = at; i < end; i++) {
            const HeadTrace *trace = table_at(&generation->traces, i);

            if (piece_has_rows(output, generation, trace->first)) {
                ARRAY_RESERVE(output->pieces, output->n_pieces, output->capacity);
                output->pieces[output->n_pieces++] = (TracePiece){
                    .id = trace->id, .generation = generation, .first_row = trace->first};
            }
        }
        unlock_rows(output);
    }
}

/*
 * The cut's rows are divided evenly, into blocks of the size that generations have or a bit more:
 * by rows for reading, by bytes because building a block takes several times what its rows take.
 * A generation that ran over its limit by a batch must not leave a block of the few rows beyond.
 */
static uint64_t divide_rows(const BlockOutput *output)
{
    uint64_t rows = 0, bytes = 0, rows_max = output->store->options.generation_rows;
    const uint64_t bytes_max = GENERATION_BYTES_MAX;

    lock_rows(output);
    for (size_t i = 0; i < output->cut->n_generations; i++) {
        const Generation *generation = output->cut->generations[i];

        rows += generation->n_rows;
        bytes += generation_bytes(generation);
    }
    unlock_rows(output);
    uint64_t n_more = rows / (rows_max + rows_max / 4);
    n_more = MAX(n_more, bytes / (bytes_max + bytes_max / 4));
    return rows / (n_more + 1) + 1;
}

static int compare_pieces(const void *a, const void *b)
{
    return trace_id_compare(((const TracePiece *)a)->id, ((const TracePiece *)b)->id);
}

/* Decodes the trace's rows out of pieces [first, end). */
static void read_pieces(BlockOutput *output, size_t first, size_t end)
{
    output->n_spans = 0;
    lock_rows(output);
    for (size_t i = first; i < end; i++) {
        const TracePiece *piece = &output->pieces[i];

        for (uint32_t at = piece->first_row; at != ROW_NONE;) {
            const HeadRow *row = generation_row(piece->generation, at);

            if (row->state == output->cut->number) {
                ARRAY_RESERVE(output->spans, output->n_spans, output->span_capacity);
                generation_read(piece->generation, row, &output->arena,
                                &output->spans[output->n_spans++]);
            }
            at = row->next;
        }
    }
    unlock_rows(output);
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

static void drop_held(BlockOutput *output, const Span *held, size_t n_held)
{
    size_t kept = 0;

    for (size_t i = 0; i < output->n_spans; i++) {
        if (!is_held(held, n_held, &output->spans[i])) {
            output->spans[kept++] = output->spans[i];
        }
    }
    output->n_spans = kept;
}

/* Rows that were replayed or sent again after their trace was written. Equal content has an equal
 * start, so only blocks of that time can hold them. */
static int drop_resends(BlockOutput *output)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint64_t min_ns = output->spans[0].start_ns;
    uint64_t max_ns = output->spans[output->n_spans - 1].start_ns;

    for (size_t i = 0; i < output->known->count && output->n_spans > 0; i++) {
        ShelfBlock *block = output->known->blocks[i];
        Span *held = NULL;
        size_t n_held = 0;

        if (block->summary.min_start_ns > max_ns || block->summary.max_start_ns < min_ns ||
            shelf_hides(output->known, block->number, output->spans[0].trace_id) ||
            !block_may_have_trace(block->block, output->spans[0].trace_id)) {
            continue;
        }
        TRY(shelf_block_check(block, block_read_trace(block->block, output->spans[0].trace_id,
                                                      &arena, &held, &n_held)));
        drop_held(output, held, n_held);
    }
    return 0;
}

/* --- Files --- */

enum { PACED_BYTES = 4 << 20 };

/* Appends what is built so far. A paced file is synced piece by piece, so that the log's sync never
 * waits for a large one. */
static int write_content(BlockOutput *output)
{
    const FileSystemOps *ops = output->store->fs->ops;
    Str content = buf_str(output->content);
    size_t step = output->cut->is_compactors ? PACED_BYTES : MAX(content.len, (size_t)1);

    if (output->file.file == NULL) {
        TRY(writer_create_file(output->store, true, &output->file));
        output->n_bytes = 0;
    }
    for (size_t at = 0; at < content.len; at += step) {
        size_t n = MIN(step, content.len - at);

        TRY(ops->append(output->file.file, content.ptr + at, n));
        if (output->cut->is_compactors) {
            TRY(ops->sync(output->file.file));
            TRY(compactor_pace(output->store, n));
        }
    }
    output->n_bytes += content.len;
    buf_clear(output->content);
    return output->cut->is_compactors ? 0 : ops->sync(output->file.file);
}

/* Encodes a row group, or with @is_last what is left of the block, and writes it. */
static int write_part(BlockOutput *output, bool is_last, BlockSummary *ret_summary)
{
    buf_clear(output->content);
    if (is_last) {
        block_builder_finish(output->builder, output->content, ret_summary);
    } else {
        block_builder_end_group(output->builder, output->n_expected, output->content);
    }
    return write_content(output);
}

static int note_block(BlockOutput *output)
{
    Cut *cut = output->cut;
    uint64_t number = output->file.number;

    cut->block_files[cut->n_blocks] =
        (ManifestFile){.number = number, .bytes = output->n_bytes, .written_s = cut->written_s};
    int result = writer_open_block(output->store, number, &cut->blocks[cut->n_blocks]);
    if (result != 0) { /* what was just written cannot be read */
        writer_orphan(output->store, true, number);
        return result > 0 ? -EIO : result;
    }
    cut->blocks[cut->n_blocks]->written_s = cut->written_s;
    cut->n_blocks++;
    return 0;
}

int output_end_group(BlockOutput *output)
{
    return block_builder_group_spans(output->builder) == 0 ? 0 : write_part(output, false, NULL);
}

int output_finish_block(BlockOutput *output)
{
    BlockSummary summary;

    if (block_builder_spans(output->builder) == 0) {
        return 0;
    }
    ASSERT(output->cut->n_blocks < CUT_BLOCKS_MAX);
    int result = write_part(output, true, &summary);
    TRY(writer_close_file(output->store, &output->file, result));
    pthread_mutex_lock(&output->store->mutex);
    output->store->counters.spilled_keys += summary.n_spilled_keys;
    pthread_mutex_unlock(&output->store->mutex);
    return note_block(output);
}

void output_init(BlockOutput *output, Store *store, Cut *cut, const Shelf *known)
{
    *output = (BlockOutput){.store = store,
                            .cut = cut,
                            .known = known,
                            .content = cut->is_compactors ? &output->own : &store->block_file,
                            .builder = block_builder_new(store->options.attribute_columns_max)};
}

void output_deinit(BlockOutput *output)
{
    (void)writer_close_file(output->store, &output->file, -ECANCELED); /* of a block half written */
    block_builder_free(output->builder);
    buf_deinit(&output->own);
    arena_deinit(&output->arena);
    mem_free(output->pieces);
    mem_free(output->spans);
}

/* --- Traces --- */

/* Of the head's rows. A group of the few rows beyond would cost more than it saves. */
static int end_what_is_full(BlockOutput *output)
{
    uint64_t n_rows = block_builder_spans(output->builder);
    uint64_t group_rows = output->store->options.group_rows;

    if (output->block_rows == 0) {
        return 0;
    }
    if (n_rows >= output->block_rows && output->cut->n_blocks + 1 < CUT_BLOCKS_MAX) {
        return output_finish_block(output);
    }
    return block_builder_group_spans(output->builder) >= group_rows &&
                   n_rows + group_rows / 2 < output->block_rows
               ? output_end_group(output)
               : 0;
}

static int add_trace(BlockOutput *output, size_t first, size_t end)
{
    read_pieces(output, first, end);
    output->n_spans = spans_deduplicate(output->spans, output->n_spans);
    if (output->known != NULL) {
        TRY(drop_resends(output));
    }
    for (size_t i = 0; i < output->n_spans; i++) {
        block_builder_add(output->builder, &output->spans[i]);
    }
    /* The builder keeps strings, resources and scopes, which are the generation's; not the arrays,
     * which would be some 800 bytes a span. */
    arena_reset(&output->arena);
    return end_what_is_full(output);
}

/* The cut's rows of its generations, trace by trace. */
static int add_generations(BlockOutput *output)
{
    output->n_pieces = 0;
    for (size_t i = 0; i < output->cut->n_generations; i++) {
        collect_pieces(output, output->cut->generations[i]);
    }
    if (output->n_pieces > 0) {
        qsort(output->pieces, output->n_pieces, sizeof(TracePiece), compare_pieces);
    }
    for (size_t first = 0; first < output->n_pieces;) {
        size_t end = first + 1;

        while (end < output->n_pieces &&
               trace_id_equal(output->pieces[end].id, output->pieces[first].id)) {
            end++;
        }
        TRY(add_trace(output, first, end));
        first = end;
    }
    return 0;
}

int output_add_generation(BlockOutput *output, Generation *generation)
{
    output->cut->generations[0] = generation;
    output->cut->n_generations = 1;
    int result = add_generations(output);
    output->cut->n_generations = 0;
    return result;
}

int build_head_blocks(Store *store, Cut *cut, const Shelf *known)
{
    BlockOutput output;

    output_init(&output, store, cut, known);
    output.block_rows = output.n_expected = divide_rows(&output);
    int result = add_generations(&output);
    if (result == 0) {
        result = output_finish_block(&output);
    }
    output_deinit(&output);
    return result;
}
