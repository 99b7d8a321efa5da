// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "store/engine/engine.h"

/*
 * Readers take references to the generations and the shelf in one step, then work on their own.
 * Head rows are decoded under the read lock, a slice at a time, because the applier goes on
 * interning; what a decoded row points to does not move, so it is looked at after unlocking.
 */
void view_init(View *view, Store *store, StoreView which)
{
    *view = (View){0};
    pthread_rwlock_rdlock(&store->lock);
    for (size_t i = 0; i < store->n_generations; i++) {
        view->generations[i] = generation_ref(store->generations[i]);
        view->n_rows[i] = store->generations[i]->n_rows;
    }
    view->n_generations = store->n_generations;
    view->shelf = shelf_ref(store->shelf);
    view->rows = (RowView){
        .committed = store->committed,
        .moves = store->moves,
        .settled_only = which == STORE_SETTLED,
    };
    pthread_rwlock_unlock(&store->lock);
}

void view_deinit(View *view)
{
    for (size_t i = 0; i < view->n_generations; i++) {
        generation_unref(view->generations[i]);
    }
    shelf_unref(view->shelf);
    *view = (View){0};
}

typedef struct SpanList {
    Span *items;
    size_t count, capacity;
    uint64_t until_ns; /* rows that start later are left out ... */
    bool skipped;      /* ... and there were such */
} SpanList;

static void part_trim(TracePart *part)
{
    part->n = part->n == 0 ? 0 : spans_deduplicate(part->spans, part->n);
    part->cut |= part->n > part->limit;
    part->n = MIN(part->n, part->limit);
}

/* Spans that start later do not matter to a trimmed part. */
static uint64_t part_until(const TracePart *part)
{
    return part->n < part->limit ? UINT64_MAX : part->spans[part->limit - 1].start_ns;
}

/* What a filter says is one line of memory, far from all others: those of the next filters are on
 * their way when one is asked. */
static void prefetch_ahead(const Shelf *shelf, size_t at, TraceId id)
{
    enum { AHEAD = 12 };
    size_t first = at + 1 == shelf->count ? 1 : AHEAD;

    for (size_t ahead = first; ahead <= MIN((size_t)AHEAD, at); ahead++) {
        block_prefetch_trace(shelf->blocks[at - ahead]->block, id);
    }
}

/* Oldest blocks first: they hold what counts of a trace that never ends. */
static int read_block_traces(const Shelf *shelf, TraceId id, Arena *arena, TracePart *part)
{
    for (size_t i = shelf->count; i-- > 0;) {
        ShelfBlock *block = shelf->blocks[i];

        prefetch_ahead(shelf, i, id);
        if (!block_may_have_trace(block->block, id) || shelf_hides(shelf, block->number, id)) {
            continue;
        }
        if (block->summary.min_start_ns > part_until(part)) {
            part->cut = true;
            continue;
        }
        if (part->bytes_max > 0 && arena->allocated > part->bytes_max) {
            part->large = true;
            return 0;
        }
        const BlockTraceQuestion question = {id, part->limit + 1, part->is_outline};
        size_t before = part->n;
        int result = block_read_trace_part(block->block, &question, arena, &part->spans, &part->n);
        part->damaged |= result > 0;
        TRY(shelf_block_check(block, result));
        if (part->n > before && block->written_s != 0 &&
            (part->oldest_s == 0 || block->written_s < part->oldest_s)) {
            part->oldest_s = block->written_s;
        }
        if (part->n >= part->limit) {
            part_trim(part);
        }
    }
    return 0;
}

/* Rows of the trace that a view may see; those that are in blocks are counted, too. */
static size_t count_head_rows(Generation *const *generations, size_t n_generations, TraceId id)
{
    size_t n = 0;

    for (size_t i = 0; i < n_generations; i++) {
        const HeadTrace *trace = generation_find(generations[i], id);

        for (uint32_t at = trace == NULL ? ROW_NONE : trace->first; at != ROW_NONE; n++) {
            at = generation_row(generations[i], at)->next;
        }
    }
    return n;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Until when open or settled rows of the head matter, when it holds very many of the trace: the
 * settled view does not see the open ones, so these do not push anything out of it. Under the lock,
 * or on the applier. */
typedef struct HeadRows {
    Generation *const *generations;
    size_t n_generations;
    TraceId id;
    size_t n_rows; /* of the trace, those that are in blocks counted, too */
} HeadRows;

static uint64_t head_until(const HeadRows *head, size_t limit, bool settled_only)
{
    uint64_t until_ns = UINT64_MAX, *starts;
    size_t n = 0;

    if (head->n_rows <= limit) {
        return until_ns;
    }
    starts = NEW_ARRAY(uint64_t, head->n_rows);
    for (size_t i = 0; i < head->n_generations; i++) {
        const HeadTrace *trace = generation_find(head->generations[i], head->id);

        for (uint32_t at = trace == NULL ? ROW_NONE : trace->first;
             at != ROW_NONE && n < head->n_rows;) {
            const HeadRow *row = generation_row(head->generations[i], at);

            if (row->state == ROW_SETTLED || (row->state == ROW_OPEN && !settled_only)) {
                starts[n++] = row->start_ns;
            }
            at = row->next;
        }
    }
    if (n > limit) {
        qsort(starts, n, sizeof(uint64_t), compare_times);
        until_ns = starts[limit];
    }
    mem_free(starts);
    return until_ns;
}

static void read_head_trace(const Generation *generation, const RowView *rows, TraceId id,
                            Arena *arena, SpanList *spans)
{
    const HeadTrace *trace = generation_find(generation, id);

    for (uint32_t at = trace == NULL ? ROW_NONE : trace->first; at != ROW_NONE;) {
        const HeadRow *row = generation_row(generation, at);

        if (row->start_ns > spans->until_ns) {
            spans->skipped |= row_is_visible(row, rows);
        } else if (row_is_visible(row, rows)) {
            ARRAY_RESERVE(spans->items, spans->count, spans->capacity);
            generation_read(generation, row, arena, &spans->items[spans->count++]);
        }
        at = row->next;
    }
}

/* Appends copies of the trace's head rows to the array in @arena. */
static void append_head_trace(Store *store, const View *view, TraceId id, Arena *arena,
                              TracePart *part)
{
    CLEANUP(arena_deinit) Arena scratch = {0};
    SpanList list = {.until_ns = part_until(part)};

    pthread_rwlock_rdlock(&store->lock);
    const HeadRows head = {view->generations, view->n_generations, id,
                           count_head_rows(view->generations, view->n_generations, id)};
    uint64_t until_ns = head_until(&head, part->limit, view->rows.settled_only);
    list.until_ns = MIN(list.until_ns, until_ns);
    for (size_t i = 0; i < view->n_generations; i++) {
        read_head_trace(view->generations[i], &view->rows, id, &scratch, &list);
    }
    pthread_rwlock_unlock(&store->lock);
    if (list.count > 0) {
        const Span *copies = spans_copy(list.items, list.count, arena);
        Span *both = ARENA_ARRAY(arena, Span, part->n + list.count);

        if (part->n > 0) {
            mem_copy(both, part->spans, part->n * sizeof(Span));
        }
        mem_copy(both + part->n, copies, list.count * sizeof(Span));
        part->spans = both;
        part->n += list.count;
    }
    part->cut |= list.skipped;
    mem_free(list.items);
}

int view_read_trace(Store *store, const View *view, TraceId id, Arena *arena, TracePart *part)
{
    part->limit = store->options.trace_spans_max;
    TRY(read_block_traces(view->shelf, id, arena, part));
    if (!part->large) {
        append_head_trace(store, view, id, arena, part);
    }
    part->large |= part->bytes_max > 0 && arena->allocated > part->bytes_max;
    part_trim(part);
    return 0;
}

bool view_head_has(Store *store, const View *view, TraceId id)
{
    bool found = false;

    pthread_rwlock_rdlock(&store->lock);
    for (size_t i = 0; i < view->n_generations && !found; i++) {
        found = generation_find(view->generations[i], id) != NULL;
    }
    pthread_rwlock_unlock(&store->lock);
    return found;
}

static int read_part(Store *store, TraceId id, StoreView which, Arena *arena, TracePart *part)
{
    View view;

    view_init(&view, store, which);
    int result = view_read_trace(store, &view, id, arena, part);
    view_deinit(&view);
    return result;
}

int store_read_trace(Store *store, TraceId id, StoreView which, Arena *arena, Span **ret_spans,
                     size_t *ret_n)
{
    TracePart part = {0};

    TRY(read_part(store, id, which, arena, &part));
    *ret_spans = part.spans;
    *ret_n = part.n;
    return 0;
}

int store_read_outline(Store *store, TraceId id, Arena *arena, Span **ret_spans, size_t *ret_n)
{
    TracePart part = {.is_outline = true};

    TRY(read_part(store, id, STORE_ALL, arena, &part));
    *ret_spans = part.spans;
    *ret_n = part.n;
    return 0;
}

int store_view_trace(Store *store, TraceId id, Arena *arena, StoreTraceView *ret_view)
{
    TracePart part = {0};

    TRY(read_part(store, id, STORE_ALL, arena, &part));
    *ret_view = (StoreTraceView){part.spans, part.n, part.cut, part.damaged};
    return 0;
}

/* The trace in each generation, or NULL. Returns how many rows it has in all. */
static size_t find_head_rows(const Store *store, TraceId id, const HeadTrace **traces)
{
    size_t n = 0;

    for (size_t i = 0; i < store->n_generations; i++) {
        traces[i] = generation_find(store->generations[i], id);
        for (uint32_t at = traces[i] == NULL ? ROW_NONE : traces[i]->first; at != ROW_NONE; n++) {
            at = generation_row(store->generations[i], at)->next;
        }
    }
    return n;
}

/* Both views of the head, and until when its rows matter to each. */
typedef struct BothViews {
    RowView all, settled;
    uint64_t all_until_ns, settled_until_ns;
} BothViews;

/* Appends the rows from @at on, of one trace and generation, to both views. */
static void read_both(const Generation *generation, const BothViews *views, uint32_t at,
                      Arena *arena, StoreTrace *trace)
{
    while (at != ROW_NONE) {
        const HeadRow *row = generation_row(generation, at);
        bool is_settled = row_is_visible(row, &views->settled);

        at = row->next;
        if (!is_settled && !row_is_visible(row, &views->all)) {
            continue;
        }
        if (row->start_ns > (is_settled ? views->settled_until_ns : views->all_until_ns)) {
            trace->cut = true;
            continue;
        }
        Span *span = &trace->all[trace->n_all++];

        generation_read(generation, row, arena, span);
        if (is_settled) {
            trace->settled[trace->n_settled++] = *span;
        }
    }
}

static BothViews both_views(const Store *store, const HeadRows *head, uint32_t committed,
                            const TracePart *part)
{
    uint64_t all_ns = head_until(head, part->limit, false);
    uint64_t settled_ns = head_until(head, part->limit, true), part_ns = part_until(part);

    return (BothViews){
        .all = {.committed = committed, .moves = store->moves},
        .settled = {.committed = committed, .moves = store->moves, .settled_only = true},
        .all_until_ns = MIN(all_ns, part_ns),
        .settled_until_ns = MIN(settled_ns, part_ns),
    };
}

static size_t trim(Span *spans, size_t n, size_t limit, bool *cut)
{
    n = spans_deduplicate(spans, n);
    *cut |= n > limit;
    return MIN(n, limit);
}

/* Whether a part of the trace may be in a block that is lost: it has rows, as old as that one's or
 * younger by what traces may last. */
static bool may_lack_rows(const Store *store, const StoreTrace *trace)
{
    return trace->n_settled > 0 && store->lost_s > 0 &&
           trace->settled[0].start_ns / 1000000000U < store->lost_s + LOST_TRACE_S;
}

/* Whether retention may have taken a part of the trace: it has rows in a block whose newest ones
 * came about when those of the last that went did, and it began then. A block that was merged has
 * rows of a window of time (compact.c). */
static bool may_be_retired(Store *store, const StoreTrace *trace, uint64_t oldest_s)
{
    uint64_t part_s = store->options.retention_age_s / RETENTION_WINDOWS;
    uint64_t lasts_s = MIN(part_s, (uint64_t)LOST_TRACE_S);
    uint64_t window_s = MIN(part_s, (uint64_t)MERGED_S_MAX);

    if (trace->n_settled == 0 || oldest_s == 0) {
        return false;
    }
    uint64_t border_s = store_retired_before(store) / 1000000000U + lasts_s;
    return trace->settled[0].start_ns / 1000000000U < border_s && oldest_s < border_s + window_s;
}

/* Only this thread changes generations and rows, so it reads them without the lock; shelf and
 * `committed` are the writer's. */
int store_read_settling(Store *store, TraceId id, Arena *arena, StoreTrace *ret_trace)
{
    const HeadTrace *traces[GENERATIONS_MAX];
    size_t n_head = find_head_rows(store, id, traces);
    TracePart held = {.limit = store->options.trace_spans_max};

    pthread_rwlock_rdlock(&store->lock);
    Shelf *shelf = shelf_ref(store->shelf);
    uint32_t committed = store->committed;
    pthread_rwlock_unlock(&store->lock);
    int result = read_block_traces(shelf, id, arena, &held);
    shelf_unref(shelf);
    TRY(result);
    const HeadRows head = {store->generations, store->n_generations, id, n_head};
    BothViews views = both_views(store, &head, committed, &held);
    size_t room = (held.n + n_head) * sizeof(Span);
    StoreTrace trace = {.settled = arena_alloc(arena, room),
                        .all = arena_alloc(arena, room),
                        .n_settled = held.n,
                        .n_all = held.n,
                        .cut = held.cut,
                        .damaged = held.damaged};
    mem_copy(trace.settled, held.spans, held.n * sizeof(Span));
    mem_copy(trace.all, held.spans, held.n * sizeof(Span));
    for (size_t i = 0; i < store->n_generations; i++) {
        if (traces[i] != NULL) {
            read_both(store->generations[i], &views, traces[i]->first, arena, &trace);
        }
    }
    trace.n_settled = trim(trace.settled, trace.n_settled, held.limit, &trace.cut);
    trace.n_all = trim(trace.all, trace.n_all, held.limit, &trace.cut);
    trace.damaged |= may_lack_rows(store, &trace);
    trace.retired = may_be_retired(store, &trace, held.oldest_s);
    *ret_trace = trace;
    return 0;
}

typedef struct HeadScan {
    Store *store;
    const View *view;
    uint64_t from_ns, to_ns;
    Arena arena;
    Span *slice; /* APPLY_SLICE_ROWS of them */
} HeadScan;

/* Decodes the rows [first, end) that the scan wants. */
static size_t decode_slice(HeadScan *scan, const Generation *generation, uint32_t first,
                           uint32_t end)
{
    size_t n = 0;

    arena_reset(&scan->arena);
    pthread_rwlock_rdlock(&scan->store->lock);
    for (uint32_t i = end; i-- > first;) {
        const HeadRow *row = generation_row(generation, i);

        if (row->start_ns >= scan->from_ns && starts_before(row->start_ns, scan->to_ns) &&
            row_is_visible(row, &scan->view->rows)) {
            generation_read(generation, row, &scan->arena, &scan->slice[n++]);
        }
    }
    pthread_rwlock_unlock(&scan->store->lock);
    return n;
}

static int scan_generation(HeadScan *scan, size_t index,
                           int (*visit)(void *context, const Span *span), void *context)
{
    const Generation *generation = scan->view->generations[index];

    for (uint32_t end = scan->view->n_rows[index]; end > 0;) {
        uint32_t first = end > APPLY_SLICE_ROWS ? end - APPLY_SLICE_ROWS : 0;
        size_t n = decode_slice(scan, generation, first, end);

        for (size_t i = 0; i < n; i++) {
            TRY(visit(context, &scan->slice[i]));
        }
        end = first;
    }
    return 0;
}

int view_scan_head(Store *store, const View *view, uint64_t from_ns, uint64_t to_ns,
                   int (*visit)(void *context, const Span *span), void *context)
{
    HeadScan scan = {.store = store, .view = view, .from_ns = from_ns, .to_ns = to_ns};
    int result = 0;

    scan.slice = mem_alloc(APPLY_SLICE_ROWS * sizeof(Span));
    for (size_t i = view->n_generations; i-- > 0 && result == 0;) {
        result = scan_generation(&scan, i, visit, context);
    }
    mem_free(scan.slice);
    arena_deinit(&scan.arena);
    return result;
}

typedef struct FilteredScan {
    const Filter *filter;
    int (*visit)(void *context, const Span *span);
    void *context;
} FilteredScan;

static int visit_if_matches(void *context, const Span *span)
{
    const FilteredScan *scan = context;

    return filter_matches(scan->filter, span) ? scan->visit(scan->context, span) : 0;
}

/* Keeps a visitor's own result apart from what a block reports, and deleted traces from it. */
typedef struct VisitorResult {
    const Shelf *shelf;
    uint64_t number; /* of the block */
    int (*visit)(void *context, const Span *span);
    void *context;
    int result;
} VisitorResult;

static int visit_and_keep(void *context, const Span *span)
{
    VisitorResult *kept = context;

    if (shelf_hides(kept->shelf, kept->number, span->trace_id)) {
        return 0;
    }
    kept->result = kept->visit(kept->context, span);
    return kept->result;
}

static int scan_block(ShelfBlock *block, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
                      VisitorResult *kept)
{
    if (block->summary.max_start_ns < from_ns ||
        !starts_before(block->summary.min_start_ns, to_ns)) {
        return 0;
    }
    kept->number = block->number;
    int result = block_scan(block->block, filter, from_ns, to_ns, visit_and_keep, kept);
    return kept->result != 0 ? kept->result : shelf_block_check(block, result);
}

int store_scan(Store *store, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
               int (*visit)(void *context, const Span *span), void *context)
{
    FilteredScan filtered = {.filter = filter, .visit = visit, .context = context};
    VisitorResult kept = {.visit = visit, .context = context};
    View view;

    view_init(&view, store, STORE_ALL);
    kept.shelf = view.shelf;
    int result = view_scan_head(store, &view, from_ns, to_ns, visit_if_matches, &filtered);
    for (size_t i = 0; i < view.shelf->count && result == 0; i++) {
        result = scan_block(view.shelf->blocks[i], filter, from_ns, to_ns, &kept);
    }
    view_deinit(&view);
    return result;
}

typedef struct LinkScan {
    const Shelf *shelf; /* NULL: the head */
    uint64_t number;
    int (*visit)(void *context, TraceId from, TraceId to);
    void *context;
    int result; /* of the visitor */
} LinkScan;

static int visit_link(void *context, TraceId from, TraceId to)
{
    LinkScan *scan = context;

    if (scan->shelf != NULL && shelf_hides(scan->shelf, scan->number, from)) {
        return 0;
    }
    scan->result = scan->visit(scan->context, from, to);
    return scan->result;
}

static int visit_links_of_span(void *context, const Span *span)
{
    for (size_t i = 0; i < span->n_links; i++) {
        TRY(visit_link(context, span->trace_id, span->links[i].trace_id));
    }
    return 0;
}

int store_links(Store *store, int (*visit)(void *context, TraceId from, TraceId to), void *context)
{
    LinkScan scan = {.visit = visit, .context = context};
    View view;

    view_init(&view, store, STORE_SETTLED);
    int result = 0;

    for (size_t i = view.shelf->count; i-- > 0 && result == 0;) { /* oldest first */
        ShelfBlock *block = view.shelf->blocks[i];

        scan.shelf = view.shelf;
        scan.number = block->number;
        result = block_links(block->block, visit_link, &scan);
        result = scan.result != 0 ? scan.result : shelf_block_check(block, result);
    }
    if (result == 0) {
        scan.shelf = NULL;
        result = view_scan_head(store, &view, 0, UINT64_MAX, visit_links_of_span, &scan);
    }
    view_deinit(&view);
    return result;
}
