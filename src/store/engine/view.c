// SPDX-License-Identifier: Apache-2.0
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
} SpanList;

static void read_head_trace(const Generation *generation, const RowView *rows, TraceId id,
                            Arena *arena, SpanList *spans)
{
    const HeadTrace *trace = generation_find(generation, id);

    for (uint32_t at = trace == NULL ? ROW_NONE : trace->first; at != ROW_NONE;) {
        const HeadRow *row = generation_row(generation, at);

        if (row_is_visible(row, rows)) {
            ARRAY_RESERVE(spans->items, spans->count, spans->capacity);
            generation_read(generation, row, arena, &spans->items[spans->count++]);
        }
        at = row->next;
    }
}

/* Appends copies of the trace's head rows to the array in @arena. */
static void append_head_trace(Store *store, const View *view, TraceId id, Arena *arena,
                              Span **spans, size_t *n)
{
    CLEANUP(arena_deinit) Arena scratch = {0};
    SpanList list = {0};

    pthread_rwlock_rdlock(&store->lock);
    for (size_t i = 0; i < view->n_generations; i++) {
        read_head_trace(view->generations[i], &view->rows, id, &scratch, &list);
    }
    pthread_rwlock_unlock(&store->lock);
    if (list.count > 0) {
        const Span *copies = spans_copy(list.items, list.count, arena);
        Span *both = ARENA_ARRAY(arena, Span, *n + list.count);

        if (*n > 0) {
            mem_copy(both, *spans, *n * sizeof(Span));
        }
        mem_copy(both + *n, copies, list.count * sizeof(Span));
        *spans = both;
        *n += list.count;
    }
    mem_free(list.items);
}

static int read_block_traces(const Shelf *shelf, TraceId id, Arena *arena, Span **spans, size_t *n)
{
    for (size_t i = 0; i < shelf->count; i++) {
        ShelfBlock *block = shelf->blocks[i];

        if (block_may_have_trace(block->block, id)) {
            TRY(shelf_block_check(block, block_read_trace(block->block, id, arena, spans, n)));
        }
    }
    return 0;
}

int view_read_trace(Store *store, const View *view, TraceId id, Arena *arena, Span **ret_spans,
                    size_t *ret_n)
{
    Span *spans = NULL;
    size_t n = 0;

    TRY(read_block_traces(view->shelf, id, arena, &spans, &n));
    append_head_trace(store, view, id, arena, &spans, &n);
    *ret_n = n == 0 ? 0 : spans_deduplicate(spans, n);
    *ret_spans = spans;
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

int store_read_trace(Store *store, TraceId id, StoreView which, Arena *arena, Span **ret_spans,
                     size_t *ret_n)
{
    View view;

    view_init(&view, store, which);
    int result = view_read_trace(store, &view, id, arena, ret_spans, ret_n);
    view_deinit(&view);
    return result;
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

/* Appends the rows from @at on, of one trace and generation, to both views. */
static void read_both(const Generation *generation, const RowView *rows, uint32_t at, Arena *arena,
                      StoreTrace *trace)
{
    RowView settled = *rows;

    settled.settled_only = true;
    while (at != ROW_NONE) {
        const HeadRow *row = generation_row(generation, at);

        if (row_is_visible(row, rows)) {
            Span *span = &trace->all[trace->n_all++];

            generation_read(generation, row, arena, span);
            if (row_is_visible(row, &settled)) {
                trace->settled[trace->n_settled++] = *span;
            }
        }
        at = row->next;
    }
}

/* Only this thread changes generations and rows, so it reads them without the lock; shelf and
 * `committed` are the writer's. */
int store_read_settling(Store *store, TraceId id, Arena *arena, StoreTrace *ret_trace)
{
    RowView rows = {.moves = store->moves};
    const HeadTrace *traces[GENERATIONS_MAX];
    size_t n_head = find_head_rows(store, id, traces), n_held = 0;
    Span *held = NULL;

    pthread_rwlock_rdlock(&store->lock);
    Shelf *shelf = shelf_ref(store->shelf);
    rows.committed = store->committed;
    pthread_rwlock_unlock(&store->lock);
    int result = read_block_traces(shelf, id, arena, &held, &n_held);
    shelf_unref(shelf);
    TRY(result);
    size_t room = (n_held + n_head) * sizeof(Span);
    StoreTrace trace = {.settled = arena_alloc(arena, room),
                        .all = arena_alloc(arena, room),
                        .n_settled = n_held,
                        .n_all = n_held};
    mem_copy(trace.settled, held, n_held * sizeof(Span));
    mem_copy(trace.all, held, n_held * sizeof(Span));
    for (size_t i = 0; i < store->n_generations; i++) {
        if (traces[i] != NULL) {
            read_both(store->generations[i], &rows, traces[i]->first, arena, &trace);
        }
    }
    trace.n_settled = spans_deduplicate(trace.settled, trace.n_settled);
    trace.n_all = spans_deduplicate(trace.all, trace.n_all);
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

/* Keeps a visitor's own result apart from what a block reports. */
typedef struct VisitorResult {
    int (*visit)(void *context, const Span *span);
    void *context;
    int result;
} VisitorResult;

static int visit_and_keep(void *context, const Span *span)
{
    VisitorResult *kept = context;

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
    int result = view_scan_head(store, &view, from_ns, to_ns, visit_if_matches, &filtered);
    for (size_t i = 0; i < view.shelf->count && result == 0; i++) {
        result = scan_block(view.shelf->blocks[i], filter, from_ns, to_ns, &kept);
    }
    view_deinit(&view);
    return result;
}

typedef struct LinkScan {
    int (*visit)(void *context, TraceId from, TraceId to);
    void *context;
    int result; /* of the visitor */
} LinkScan;

static int visit_link(void *context, TraceId from, TraceId to)
{
    LinkScan *scan = context;

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

        result = block_links(block->block, visit_link, &scan);
        result = scan.result != 0 ? scan.result : shelf_block_check(block, result);
    }
    if (result == 0) {
        result = view_scan_head(store, &view, 0, UINT64_MAX, visit_links_of_span, &scan);
    }
    view_deinit(&view);
    return result;
}
