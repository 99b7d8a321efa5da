// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/engine/build.h"

/*
 * Blocks into blocks: the rows of several blocks, which each is sorted by trace, are taken trace by
 * trace into a generation; when that is full, between two traces, it becomes a row group, and many
 * of these a block. So whatever the blocks hold of one trace meets in one block, resends are
 * dropped by the same code that writes the head's rows, and memory is that of one generation, one
 * row group and a window of rows per source, however large the blocks become.
 *
 * Rows of deleted traces and of traces that the plan does not keep are left out. A row that cannot
 * be read must not get lost: the source is marked as damaged and the merge given up.
 */
enum {
    WINDOW_ROWS = 4096,             /* a page: its decoding is paid once */
    WINDOW_ROWS_FIRST = 16,         /* then as many as the rows before let expect ... */
    WINDOW_GROWTH = 8,              /* ... but not too many at once more than before */
    WINDOW_BYTES = 12 << 20,        /* of all sources together, ... */
    WINDOW_BYTES_LEAST = 256 << 10, /* ... but not less for one */
    TRACE_BYTES_MAX = 64 << 20,
    GROUP_BYTES = 16 << 20, /* of a generation: a group of large spans has fewer */
};

typedef struct Source {
    ShelfBlock *block;
    uint64_t next_row;    /* the first that is not loaded */
    uint64_t window_rows; /* of the next window */
    Arena arena;
    Span *spans;
    size_t at, n;
} Source;

typedef struct Merge {
    Store *store;
    const MergePlan *plan;
    const Shelf *shelf;
    Source *sources;
    size_t window_bytes;
    uint64_t n_deleted; /* when it was known not to be outdated */
    Generation *generation;
    BlockOutput output;
} Merge;

static void mark_damaged(Store *store, ShelfBlock *block)
{
    char path[MANIFEST_PATH_MAX];

    manifest_block_path(block->number, path);
    log_error("store: damaged block, it is left as it is and not merged", LOG_CSTR("file", path));
    atomic_store(&block->unmergeable, true);
    pthread_mutex_lock(&store->mutex);
    store->counters.damaged_blocks++;
    pthread_mutex_unlock(&store->mutex);
}

/* Rows may be a hundred bytes or a megabyte: the next window is as large as this one's rows let
 * expect to fit. */
static void size_window(const Merge *merge, Source *source)
{
    uint64_t used = source->arena.allocated - source->arena.left;
    uint64_t row_bytes = used / MAX(source->n, (size_t)1) + 1;
    uint64_t rows = MIN(merge->window_bytes / row_bytes, source->n * WINDOW_GROWTH);

    source->window_rows = MAX((uint64_t)1, MIN(rows, (uint64_t)WINDOW_ROWS));
}

/* What a source has decoded of its dictionaries goes with its rows. */
static void drop_window(Source *source)
{
    arena_reset(&source->arena);
    block_unpin(source->block->block);
    block_pin(source->block->block);
}

static bool is_outdated(Merge *merge)
{
    Store *store = merge->store;

    pthread_mutex_lock(&store->files);
    bool is_outdated =
        merge->n_deleted != store->n_deleted && plan_is_outdated(store, merge->plan, merge->shelf);
    merge->n_deleted = store->n_deleted;
    pthread_mutex_unlock(&store->files);
    return is_outdated;
}

/* Loads the next rows of the source. */
static int load_window(Merge *merge, Source *source)
{
    const BlockSummary *summary = &source->block->summary;
    uint64_t end = MIN(source->next_row + source->window_rows, summary->n_spans);
    size_t n = (size_t)(end - source->next_row);

    if (is_outdated(merge)) {
        return -EAGAIN;
    }
    drop_window(source);
    source->spans = ARENA_ARRAY(&source->arena, Span, n);
    int result =
        block_read_rows(source->block->block, source->next_row, end, &source->arena, source->spans);
    if (result > 0) {
        mark_damaged(merge->store, source->block);
    }
    TRY(result);
    /* Resources of the window before lay at the same addresses. */
    row_dictionary_forget(&merge->generation->dictionary);
    source->at = 0;
    source->n = n;
    source->next_row = end;
    size_window(merge, source);
    return compactor_pace(merge->store, summary->file_bytes * n / summary->n_spans);
}

/* Makes sure that the source's next row is loaded, if it has one. */
static int source_fill(Merge *merge, Source *source)
{
    return source->at == source->n && source->next_row < source->block->summary.n_spans
               ? load_window(merge, source)
               : 0;
}

static bool source_has(const Source *source)
{
    return source->at < source->n;
}

static TraceId source_trace(const Source *source)
{
    return source->spans[source->at].trace_id;
}

/* The smallest trace id that a source is at. Returns whether there is any. */
static bool next_trace(const Merge *merge, TraceId *ret_id)
{
    bool found = false;

    for (size_t i = 0; i < merge->plan->n_sources; i++) {
        const Source *source = &merge->sources[i];

        if (source_has(source) && (!found || trace_id_compare(source_trace(source), *ret_id) < 0)) {
            *ret_id = source_trace(source);
            found = true;
        }
    }
    return found;
}

/* What is still to come, about. */
static uint64_t rows_left(const Merge *merge)
{
    uint64_t rows = merge->generation->n_rows;

    for (size_t i = 0; i < merge->plan->n_sources; i++) {
        const Source *source = &merge->sources[i];
        rows += source->block->summary.n_spans - source->next_row + (source->n - source->at);
    }
    return rows;
}

/* Before the first rows of a block. */
static int expect(Merge *merge)
{
    BlockOutput *output = &merge->output;

    output->n_expected = MIN(rows_left(merge),
                             compaction_rows_most(merge->store) + merge->store->options.group_rows);
    for (size_t i = 0; i < merge->plan->n_sources; i++) {
        int result = block_builder_expect(output->builder, merge->sources[i].block->block);

        if (result > 0) {
            mark_damaged(merge->store, merge->sources[i].block);
        }
        TRY(result);
    }
    return 0;
}

/* Gives what is collected to the block. The generation must live until the group is written. */
static int hand_over(Merge *merge)
{
    if (merge->generation->n_rows == 0) {
        return 0;
    }
    if (block_builder_spans(merge->output.builder) == 0) {
        TRY(expect(merge));
    }
    generation_cut(merge->generation, ROW_FIRST_CUT);
    return output_add_generation(&merge->output, merge->generation);
}

static void renew_generation(Merge *merge)
{
    generation_unref(merge->generation);
    merge->generation = generation_new(1);
    generation_begin(merge->generation, 0);
}

static int end_group(Merge *merge)
{
    int result = hand_over(merge);

    if (result == 0) {
        result = output_end_group(&merge->output);
    }
    renew_generation(merge);
    return result;
}

static int finish_block(Merge *merge)
{
    int result = hand_over(merge);

    if (result == 0) {
        result = output_finish_block(&merge->output);
    }
    renew_generation(merge);
    return result;
}

/* The last block that one commit takes holds all the rest, however small blocks are to be. */
static bool has_room(const Merge *merge)
{
    return merge->output.cut->n_blocks + 1 < CUT_BLOCKS_MAX;
}

/* A trace of any length must not take all memory. */
static uint64_t trace_bytes_max(const Merge *merge)
{
    return 2 * MIN(merge->store->options.compaction_bytes, (uint64_t)TRACE_BYTES_MAX);
}

/* Takes the source's rows of the trace. */
static int take_trace(Merge *merge, Source *source, TraceId id, bool keeps)
{
    bool taken = keeps && !shelf_hides(merge->shelf, source->block->number, id);

    while (source_has(source) && trace_id_equal(source_trace(source), id)) {
        if (taken) {
            generation_append(merge->generation, &source->spans[source->at], ROW_SETTLED);
        }
        if (generation_bytes(merge->generation) >= trace_bytes_max(merge) && has_room(merge)) {
            TRY(finish_block(merge)); /* its rows are sorted in each block for itself */
        }
        source->at++;
        TRY(source_fill(merge, source));
    }
    return 0;
}

/* Between two traces. */
static int end_what_is_full(Merge *merge)
{
    uint64_t rows = merge->generation->n_rows, bytes = generation_bytes(merge->generation);
    uint64_t all_rows = rows + block_builder_spans(merge->output.builder);

    if (has_room(merge) &&
        (all_rows >= compaction_rows_most(merge->store) ||
         bytes + merge->output.n_bytes >= merge->store->options.compaction_bytes)) {
        return finish_block(merge);
    }
    return rows >= merge->store->options.group_rows || bytes >= GROUP_BYTES ? end_group(merge) : 0;
}

static int merge_all(Merge *merge)
{
    const MergePlan *plan = merge->plan;
    TraceId id;

    for (size_t i = 0; i < plan->n_sources; i++) {
        TRY(source_fill(merge, &merge->sources[i]));
    }
    while (next_trace(merge, &id)) {
        bool keeps = plan->keeps == NULL || plan->keeps(plan->context, id);

        for (size_t i = 0; i < plan->n_sources; i++) {
            TRY(take_trace(merge, &merge->sources[i], id, keeps));
        }
        TRY(end_what_is_full(merge));
    }
    return finish_block(merge);
}

int merge_write(Store *store, const MergePlan *plan, const Shelf *shelf, Cut *cut)
{
    Merge merge = {.store = store, .plan = plan, .shelf = shelf};

    pthread_mutex_lock(&store->files);
    merge.n_deleted = store->n_deleted;
    pthread_mutex_unlock(&store->files);
    merge.window_bytes = MAX((size_t)WINDOW_BYTES / plan->n_sources, (size_t)WINDOW_BYTES_LEAST);
    merge.sources = NEW_ARRAY(Source, plan->n_sources);
    for (size_t i = 0; i < plan->n_sources; i++) {
        merge.sources[i].block = plan->sources[i];
        merge.sources[i].window_rows = WINDOW_ROWS_FIRST;
        block_pin(plan->sources[i]->block);
    }
    merge.generation = generation_new(1);
    generation_begin(merge.generation, 0);
    cut->number = ROW_FIRST_CUT;
    cut->is_paced = true;
    output_init(&merge.output, store, cut, NULL);
    int result = merge_all(&merge);
    output_deinit(&merge.output);
    cut->number = 0; /* it is no cut of the head */
    for (size_t i = 0; i < plan->n_sources; i++) {
        arena_deinit(&merge.sources[i].arena);
        block_unpin(plan->sources[i]->block);
    }
    mem_free(merge.sources);
    generation_unref(merge.generation);
    return result;
}
