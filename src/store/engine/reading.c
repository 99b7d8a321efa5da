// SPDX-License-Identifier: Apache-2.0
#include "store/reading.h"

#include "base/assert.h"
#include "base/memory.h"
#include "store/engine/engine.h"

struct StoreReading {
    Store *store;
    View view;
};

StoreReading *store_reading_open(Store *store)
{
    StoreReading *reading = NEW(StoreReading);

    reading->store = store;
    view_init(&reading->view, store, STORE_ALL);
    return reading;
}

StoreReading *store_reading_close(StoreReading *reading)
{
    if (reading != NULL) {
        view_deinit(&reading->view);
        mem_free(reading);
    }
    return NULL;
}

size_t store_reading_count(const StoreReading *reading)
{
    return reading->view.shelf->count;
}

static ShelfBlock *block_at(const StoreReading *reading, size_t index)
{
    ASSERT(index < reading->view.shelf->count);
    return reading->view.shelf->blocks[index];
}

StoreBlock store_reading_block(const StoreReading *reading, size_t index)
{
    const ShelfBlock *block = block_at(reading, index);

    return (StoreBlock){.number = block->number,
                        .n_spans = block->summary.n_spans,
                        .min_start_ns = block->summary.min_start_ns,
                        .max_start_ns = block->summary.max_start_ns};
}

StoreBlock store_reading_head(const StoreReading *reading)
{
    StoreBlock head = {.min_start_ns = UINT64_MAX};

    pthread_rwlock_rdlock(&reading->store->lock);
    for (size_t i = 0; i < reading->view.n_generations; i++) {
        const Generation *generation = reading->view.generations[i];

        head.n_spans += reading->view.n_rows[i];
        head.min_start_ns = MIN(head.min_start_ns, generation->min_start_ns);
        head.max_start_ns = MAX(head.max_start_ns, generation->max_start_ns);
    }
    pthread_rwlock_unlock(&reading->store->lock);
    return head;
}

bool store_reading_hides(const StoreReading *reading, size_t index, TraceId id)
{
    return shelf_hides(reading->view.shelf, block_at(reading, index)->number, id);
}

/* The visitor's own result is kept apart from what the block or the head reports. */
typedef struct Visiting {
    const StoreScan *scan;
    const StoreReading *reading;
    size_t index; /* of the block */
    int result;
} Visiting;

static int visit_row(void *context, const Span *span)
{
    Visiting *visiting = context;

    if (store_reading_hides(visiting->reading, visiting->index, span->trace_id)) {
        return 0;
    }
    visiting->result = visiting->scan->visit(visiting->scan->context, span);
    return visiting->result;
}

int store_reading_scan_block(const StoreReading *reading, size_t index, const StoreScan *scan)
{
    ShelfBlock *block = block_at(reading, index);
    Visiting visiting = {scan, reading, index, 0};
    int result =
        block_scan(block->block, scan->filter, scan->from_ns, scan->to_ns, visit_row, &visiting);

    return visiting.result != 0 ? visiting.result : shelf_block_check(block, result);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static int visit_head_row(void *context, const Span *span)
{
    Visiting *visiting = context;

    visiting->result = visiting->scan->visit(visiting->scan->context, span);
    return visiting->result;
}

int store_reading_scan_head(const StoreReading *reading, const StoreScan *scan)
{
    static const uint64_t no_floor_ns = 0;
    Visiting visiting = {scan, reading, 0, 0};
    HeadSearch search = {.filter = scan->filter,
                         .from_ns = scan->from_ns,
                         .to_ns = scan->to_ns,
                         .floor_ns = &no_floor_ns,
                         .stop = never,
                         .visit = visit_head_row,
                         .context = &visiting};
    int result = search_head(reading->store, &reading->view, &search);

    return visiting.result != 0 ? visiting.result : result;
}

typedef struct LinkVisit {
    int (*visit)(void *context, TraceId from, TraceId to);
    void *context;
    int result;
} LinkVisit;

static int visit_link(void *context, TraceId from, TraceId to)
{
    LinkVisit *visit = context;

    visit->result = visit->visit(visit->context, from, to);
    return visit->result;
}

int store_reading_block_links(const StoreReading *reading, size_t index,
                              int (*visit)(void *context, TraceId from, TraceId to), void *context)
{
    ShelfBlock *block = block_at(reading, index);
    LinkVisit visiting = {visit, context, 0};
    int result = block_links(block->block, visit_link, &visiting);

    return visiting.result != 0 ? visiting.result : shelf_block_check(block, result);
}

int store_reading_trace(const StoreReading *reading, TraceId id, size_t arena_bytes_max,
                        Arena *arena, StoreTraceView *ret_view)
{
    TracePart part = {.bytes_max = arena_bytes_max};

    TRY(view_read_trace(reading->store, &reading->view, id, arena, &part));
    if (part.large) {
        return 1;
    }
    *ret_view = (StoreTraceView){part.spans, part.n, part.cut, part.damaged};
    return 0;
}

static uint64_t mix(uint64_t stamp, uint64_t number)
{
    stamp ^= number + UINT64_C(0x9e3779b97f4a7c15) + (stamp << 6) + (stamp >> 2);
    return stamp * UINT64_C(0xbf58476d1ce4e5b9);
}

/* Under the lock. A row's place in the head does not change while it is there, but two generations
 * may have rows of the same number, so its start is in it, too. */
static uint64_t head_stamp(const View *view, TraceId id, uint64_t stamp)
{
    for (size_t i = 0; i < view->n_generations; i++) {
        const Generation *generation = view->generations[i];
        const HeadTrace *trace = generation_find(generation, id);

        for (uint32_t at = trace == NULL ? ROW_NONE : trace->first; at != ROW_NONE;) {
            const HeadRow *row = generation_row(generation, at);

            if (row_is_visible(row, &view->rows)) {
                stamp = mix(stamp, row->start_ns + at);
            }
            at = row->next;
        }
    }
    return stamp;
}

uint64_t store_reading_stamp(const StoreReading *reading, TraceId id)
{
    const Shelf *shelf = reading->view.shelf;
    uint64_t stamp = 1;

    for (size_t i = 0; i < shelf->count; i++) {
        const ShelfBlock *block = shelf->blocks[i];

        if (block_may_have_trace(block->block, id) && !shelf_hides(shelf, block->number, id)) {
            stamp = mix(stamp, block->number);
        }
    }
    if (reading->view.n_generations > 0) {
        pthread_rwlock_rdlock(&reading->store->lock);
        stamp = head_stamp(&reading->view, id, stamp);
        pthread_rwlock_unlock(&reading->store->lock);
    }
    return stamp;
}

void store_block_numbers(Store *store, Buf *ret_numbers)
{
    pthread_rwlock_rdlock(&store->lock);
    Shelf *shelf = shelf_ref(store->shelf);
    pthread_rwlock_unlock(&store->lock);
    for (size_t i = 0; i < shelf->count; i++) {
        buf_append_str(ret_numbers,
                       str_from_bytes(&shelf->blocks[i]->number, sizeof(shelf->blocks[i]->number)));
    }
    shelf_unref(shelf);
}
