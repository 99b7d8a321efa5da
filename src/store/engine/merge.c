// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/engine/build.h"

/*
 * Blocks into blocks: the rows of several blocks, which each is sorted by trace, go by ranges of
 * trace ids into a generation; when that is full, it becomes a row group, and many of these a
 * block. So whatever the blocks hold of one trace meets in one block, and resends are dropped by
 * the same code that writes the head's rows.
 *
 * A range is as wide as the generation has room for, and its rows are taken source by source: the
 * generation brings them into order. So memory is that of one generation, one row group and a
 * window of rows of one source, however many and large the blocks are. (With a window for each
 * source, which a merge row by row needs, many sources share what there is: windows of a few rows,
 * and for each of them a page of each column is decoded.)
 *
 * Rows of deleted traces and of traces that the plan does not keep are left out. A row that cannot
 * be read must not get lost: the source is marked as damaged and the merge given up.
 */
enum {
    ROWS_FIRST = 16, /* of a range, and of a source's window: a row may be a hundred bytes or a
                        megabyte ... */
    ROWS_GROWTH = 8, /* ... so not too many at once more than before */
    WINDOW_BYTES = 8 << 20,
    WINDOW_ROW_TIMES = 4, /* a row in a window takes so many times what it takes in a generation */
    TRACE_BYTES_MAX = 64 << 20,
    GROUP_BYTES = 16 << 20, /* of a generation: a group of large spans has fewer */
    GROUP_SLACK = 8,        /* a group is full when less than this part of it has room */
};

typedef struct Source {
    ShelfBlock *block;
    uint64_t next_row;    /* the first that is not taken */
    uint64_t window_rows; /* of the next window */
} Source;

/* The trace that rows are taken of. */
typedef struct Taking {
    bool has_begun, is_wanted;
    TraceId id;
} Taking;

typedef struct Merge {
    Store *store;
    const MergePlan *plan;
    const Shelf *shelf;
    Source *sources;
    uint64_t n_deleted; /* when it was known not to be outdated */
    uint64_t range_rows;
    uint64_t row_bytes; /* in the generation */
    Arena arena;        /* of a window */
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

static uint64_t source_rows(const Source *source)
{
    return source->block->summary.n_spans - source->next_row;
}

/* What is still to come of all sources. */
static uint64_t sources_rows(const Merge *merge)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < merge->plan->n_sources; i++) {
        rows += source_rows(&merge->sources[i]);
    }
    return rows;
}

/* Marks the source if the result says so. */
static int check_source(Merge *merge, const Source *source, int result)
{
    if (result > 0) {
        mark_damaged(merge->store, source->block);
    }
    return result;
}

/* Before the first rows of a block. */
static int expect(Merge *merge)
{
    BlockOutput *output = &merge->output;

    output->n_expected = MIN(merge->generation->n_rows + sources_rows(merge),
                             compaction_rows_most(merge->store) + merge->store->options.group_rows);
    for (size_t i = 0; i < merge->plan->n_sources; i++) {
        const Source *source = &merge->sources[i];

        TRY(check_source(merge, source,
                         block_builder_expect(output->builder, source->block->block)));
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

/* --- Rows of a source --- */

static bool is_wanted(const Merge *merge, const Source *source, TraceId id)
{
    const MergePlan *plan = merge->plan;

    return (plan->keeps == NULL || plan->keeps(plan->context, id)) &&
           !shelf_hides(merge->shelf, source->block->number, id);
}

static int take_span(Merge *merge, const Source *source, const Span *span, Taking *taking)
{
    if (!taking->has_begun || !trace_id_equal(taking->id, span->trace_id)) {
        *taking = (Taking){true, is_wanted(merge, source, span->trace_id), span->trace_id};
    }
    if (taking->is_wanted) {
        generation_append(merge->generation, span, ROW_SETTLED);
    }
    /* Its rows are sorted in each block for itself. */
    return generation_bytes(merge->generation) >= trace_bytes_max(merge) && has_room(merge)
               ? finish_block(merge)
               : 0;
}

/* Takes the source's next @n rows. */
static int take_window(Merge *merge, Source *source, size_t n, Taking *taking)
{
    const BlockSummary *summary = &source->block->summary;
    Span *spans = ARENA_ARRAY(&merge->arena, Span, n);

    if (is_outdated(merge)) {
        return -EAGAIN;
    }
    TRY(check_source(merge, source,
                     block_read_rows(source->block->block, source->next_row, source->next_row + n,
                                     &merge->arena, spans)));
    /* Resources of the window before lay at the same addresses. */
    row_dictionary_forget(&merge->generation->dictionary);
    for (size_t i = 0; i < n; i++) {
        TRY(take_span(merge, source, &spans[i], taking));
    }
    source->next_row += n;
    return compactor_pace(merge->store, summary->file_bytes * n / summary->n_spans);
}

static void size_window(Merge *merge, Source *source)
{
    if (merge->generation->n_rows > 0) {
        merge->row_bytes = generation_bytes(merge->generation) / merge->generation->n_rows + 1;
    }
    source->window_rows = MIN(source->window_rows * ROWS_GROWTH,
                              WINDOW_BYTES / (WINDOW_ROW_TIMES * merge->row_bytes) + 1);
}

/* Rows of one group at most: whatever their sizes, together they were in memory when the group was
 * written. */
static size_t next_window(const Source *source)
{
    uint64_t group_end = block_group_end(source->block->block, source->next_row);

    return (size_t)MIN(source->window_rows, group_end - source->next_row);
}

/* Takes the source's rows up to the trace @last. */
static int take_rows(Merge *merge, Source *source, TraceId last)
{
    Taking taking = {0};
    size_t n, n_taken;

    do {
        n = n_taken = next_window(source);
        arena_reset(&merge->arena);
        TraceId *ids = ARENA_ARRAY(&merge->arena, TraceId, n);
        TRY(check_source(merge, source,
                         block_read_trace_ids(source->block->block, source->next_row,
                                              source->next_row + n, ids)));
        while (n_taken > 0 && trace_id_compare(ids[n_taken - 1], last) > 0) {
            n_taken--;
        }
        if (n_taken > 0) {
            TRY(take_window(merge, source, n_taken, &taking));
            size_window(merge, source);
        }
    } while (n_taken == n && source_rows(source) > 0);
    return 0;
}

/* What is decoded of the source's dictionaries stays in memory meanwhile. */
static int take_source(Merge *merge, Source *source, TraceId last)
{
    block_pin(source->block->block);
    int result = take_rows(merge, source, last);
    block_unpin(source->block->block);
    return result;
}

/* --- Ranges --- */

/* The next range ends with the trace @ret_last, so that it has about as many rows as there is room
 * for: where the first source is that has given its share. @ret_source: that source, NULL: the
 * range is all that is left. */
static int find_range(Merge *merge, TraceId *ret_last, Source **ret_source)
{
    uint64_t rows = sources_rows(merge);

    mem_fill(ret_last->bytes, 0xff, TRACE_ID_SIZE);
    *ret_source = NULL;
    for (size_t i = 0; i < merge->plan->n_sources && merge->range_rows < rows; i++) {
        Source *source = &merge->sources[i];
        uint64_t share =
            (uint64_t)((double)source_rows(source) / (double)rows * (double)merge->range_rows);
        uint64_t row = source->next_row + MAX(share, (uint64_t)1) - 1;
        TraceId id;

        if (source_rows(source) == 0) {
            continue;
        }
        TRY(check_source(merge, source,
                         block_read_trace_ids(source->block->block, row, row + 1, &id)));
        if (*ret_source == NULL || trace_id_compare(id, *ret_last) < 0) {
            *ret_last = id;
            *ret_source = source;
        }
    }
    return 0;
}

static int take_range(Merge *merge)
{
    uint64_t rows = sources_rows(merge);
    Source *first;
    TraceId last;

    TRY(find_range(merge, &last, &first));
    for (size_t i = 0; i < merge->plan->n_sources; i++) {
        if (source_rows(&merge->sources[i]) > 0) {
            TRY(take_source(merge, &merge->sources[i], last));
        }
    }
    /* No row up to one of its own rows: it is not in order. */
    return sources_rows(merge) == rows ? check_source(merge, first, 1) : 0;
}

/* Room for @rows more rows in the generation, but for so few that they are not worth a range. */
static uint64_t room_left(const Merge *merge)
{
    uint64_t rows_most = merge->store->options.group_rows;
    uint64_t rows = rows_most - MIN(rows_most, (uint64_t)merge->generation->n_rows);
    uint64_t bytes = GROUP_BYTES - MIN((size_t)GROUP_BYTES, generation_bytes(merge->generation));

    return rows <= rows_most / GROUP_SLACK || bytes <= GROUP_BYTES / GROUP_SLACK
               ? 0
               : MIN(rows, bytes / merge->row_bytes + 1);
}

/* Between two ranges. */
static int end_what_is_full(Merge *merge)
{
    uint64_t rows = merge->generation->n_rows, bytes = generation_bytes(merge->generation);
    uint64_t all_rows = rows + block_builder_spans(merge->output.builder);

    if (has_room(merge) &&
        (all_rows >= compaction_rows_most(merge->store) ||
         bytes + merge->output.n_bytes >= merge->store->options.compaction_bytes)) {
        return finish_block(merge);
    }
    return room_left(merge) == 0 ? end_group(merge) : 0;
}

static int merge_all(Merge *merge)
{
    while (sources_rows(merge) > 0) {
        merge->range_rows = MIN(room_left(merge), merge->range_rows * ROWS_GROWTH);
        TRY(take_range(merge));
        TRY(end_what_is_full(merge));
    }
    return finish_block(merge);
}

int merge_write(Store *store, const MergePlan *plan, const Shelf *shelf, Cut *cut)
{
    Merge merge = {.store = store,
                   .plan = plan,
                   .shelf = shelf,
                   .range_rows = ROWS_FIRST,
                   .row_bytes = 1,
                   .sources = NEW_ARRAY(Source, plan->n_sources),
                   .generation = generation_new(1)};

    pthread_mutex_lock(&store->files);
    merge.n_deleted = store->n_deleted;
    pthread_mutex_unlock(&store->files);
    for (size_t i = 0; i < plan->n_sources; i++) {
        merge.sources[i] = (Source){.block = plan->sources[i], .window_rows = ROWS_FIRST};
    }
    generation_begin(merge.generation, 0);
    cut->number = ROW_FIRST_CUT;
    cut->is_compactors = true;
    output_init(&merge.output, store, cut, NULL);
    int result = merge_all(&merge);
    output_deinit(&merge.output);
    cut->number = 0; /* it is no cut of the head */
    arena_deinit(&merge.arena);
    mem_free(merge.sources);
    generation_unref(merge.generation);
    return result;
}
