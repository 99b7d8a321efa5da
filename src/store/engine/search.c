// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/memory.h"
#include "codec/hash.h"
#include "store/engine/engine.h"

/*
 * The newest traces with a matching span, in the order of StoreHit. Rows do not come in that order,
 * so hits are collected; when there are twice as many as wanted, the worse half is dropped, and the
 * worst that stays becomes the floor. A trace starts no later than any of its spans: rows that
 * start before the floor can be left alone, and whole blocks that end before it. Blocks are visited
 * newest first, so that the first one behind the floor ends the search.
 *
 * What a block says of a trace is the whole truth when no other place holds a part of it. Where one
 * does (other blocks by their Bloom filters, the head), the trace is read: its start may be
 * elsewhere, a resend may count instead of the row that matched. So each hit is exact when it is
 * collected, one pass is enough, and pages are cut from one order: no trace is on two, none is
 * missed. New spans move a trace only to later pages (an earlier start); those that were shown
 * already are told by the caller.
 *
 * Refused: the order by the newest matching span, which skips more blocks on later pages; but it is
 * another order than people see, and spans that arrive move traces to pages that were read already.
 */
enum {
    SEARCH_LIMIT_MAX = 1 << 18,
    SEARCH_BYTES_DEFAULT = 64 << 20,
    SEEN_MAX = 1 << 16, /* traces whose verdict is remembered */
    STOP_EVERY = 16,    /* questions between looks at the clock */
};

typedef struct Search {
    Store *store;
    const StoreSearch *ask;
    View view;
    size_t wanted;    /* hits: one more than the limit */
    size_t bytes_max; /* of columns, and of one trace */

    Table hits;       /* StoreHit by trace id */
    StoreHit *sorted; /* room for twice the wanted */
    StoreHit floor;   /* start 0: none yet */
    bool has_floor;

    Table seen; /* TraceId: of several places, judged already */
    TraceId last;
    bool has_last;     /* the trace that the block's row before was of */
    ShelfBlock *block; /* where rows come from now; NULL: the head */
    Arena arena;       /* of one trace */

    StoreGap gap;
    bool left_out; /* a trace that is larger than the memory: the others are found without it */
    TraceId large_trace;
    uint64_t searched_from_ns;
    unsigned n_stops;
    uint64_t scanned_spans, scanned_blocks;
} Search;

uint32_t store_hit_mark(TraceId id)
{
    return (uint32_t)hash_stable(str_from_bytes(id.bytes, TRACE_ID_SIZE));
}

/* < 0: @a comes first. */
static int compare_hits(const void *a, const void *b)
{
    const StoreHit *x = a, *y = b;

    if (x->start_ns != y->start_ns) {
        return x->start_ns > y->start_ns ? -1 : 1;
    }
    return trace_id_compare(y->trace_id, x->trace_id);
}

static size_t sort_hits(Search *search)
{
    size_t n = search->hits.n_records;

    if (n > 0) {
        mem_copy(search->sorted, search->hits.records, n * sizeof(StoreHit));
        qsort(search->sorted, n, sizeof(StoreHit), compare_hits);
    }
    return n;
}

/* Keeps the wanted and sets the floor, once there are enough. */
static void prune(Search *search)
{
    size_t n = search->hits.n_records;

    if (n < search->wanted) {
        return;
    }
    sort_hits(search);
    table_clear(&search->hits);
    for (size_t i = 0; i < search->wanted; i++) {
        StoreHit *kept = table_put(&search->hits, &search->sorted[i].trace_id, NULL);
        *kept = search->sorted[i];
    }
    search->floor = search->sorted[search->wanted - 1];
    search->has_floor = true;
}

static bool must_stop(void *context)
{
    Search *search = context;

    if (search->gap == STORE_COMPLETE && filter_is_exhausted(search->ask->filter)) {
        search->gap = STORE_PATTERN_GAVE_UP;
    }
    if (search->gap == STORE_COMPLETE && search->ask->deadline_ns != 0 &&
        search->n_stops++ % STOP_EVERY == 0 &&
        clock_monotonic_ns(search->store->clock) >= search->ask->deadline_ns) {
        search->gap = STORE_OUT_OF_TIME;
    }
    return search->gap != STORE_COMPLETE;
}

/* --- One trace --- */

/* Whether a place other than where its row was found may hold a part of the trace. */
static bool is_scattered(const Search *search, TraceId id)
{
    const Shelf *shelf = search->view.shelf;

    for (size_t i = 0; i < shelf->count; i++) {
        if (shelf->blocks[i] != search->block &&
            block_may_have_trace(shelf->blocks[i]->block, id)) {
            return true;
        }
    }
    return search->block == NULL || view_head_has(search->store, &search->view, id);
}

static bool was_shown(const StoreSearch *ask, TraceId id)
{
    uint32_t mark = ask->n_shown == 0 ? 0 : store_hit_mark(id);

    for (size_t i = 0; i < ask->n_shown; i++) {
        if (ask->shown[i] == mark) {
            return true;
        }
    }
    return false;
}

static bool span_counts(const StoreSearch *ask, const Span *span)
{
    return span->start_ns >= ask->from_ns && starts_before(span->start_ns, ask->to_ns) &&
           filter_matches(ask->filter, span);
}

/* Judges by the whole trace. Returns 0 with its start; 1: no hit; -errno. */
static int judge(Search *search, TraceId id, bool maybe_shown, uint64_t *ret_start_ns)
{
    const StoreSearch *ask = search->ask;
    uint64_t start_ns = UINT64_MAX, newest_ns = 0;
    bool matches = false;
    TracePart part = {.bytes_max = search->bytes_max};

    arena_reset(&search->arena);
    TRY(view_read_trace(search->store, &search->view, id, &search->arena, &part));
    if (part.large) {
        search->left_out = true;
        search->large_trace = id;
        return 1;
    }
    for (size_t i = 0; i < part.n; i++) {
        start_ns = MIN(start_ns, part.spans[i].start_ns);
        newest_ns = MAX(newest_ns, part.spans[i].start_ns);
        matches = matches || span_counts(ask, &part.spans[i]);
    }
    /* A mark is not proof: only a trace that begins no later than the cursor and goes on behind it
     * can have been on a page before. */
    if (!matches || (maybe_shown && newest_ns >= ask->after.start_ns)) {
        return 1;
    }
    *ret_start_ns = start_ns;
    return ask->accept == NULL || ask->accept(ask->accept_context, part.spans, part.n) ? 0 : 1;
}

static bool is_seen(Search *search, TraceId id)
{
    bool is_new;

    if (search->seen.n_records == SEEN_MAX) {
        table_clear(&search->seen); /* then some are judged twice */
    }
    table_put(&search->seen, &id, &is_new);
    return !is_new;
}

static void add_hit(Search *search, StoreHit hit)
{
    if (search->ask->has_after && compare_hits(&hit, &search->ask->after) <= 0) {
        return;
    }
    if (search->has_floor && compare_hits(&hit, &search->floor) > 0) {
        return;
    }
    StoreHit *place = table_put(&search->hits, &hit.trace_id, NULL);
    *place = hit;
    if (search->hits.n_records >= 2 * search->wanted) {
        prune(search);
    }
}

/* A row of the trace matched; @start_ns is the trace's start if it is in one block only. */
static int offer(Search *search, TraceId id, uint64_t start_ns)
{
    bool shown = was_shown(search->ask, id);
    StoreHit hit = {id, start_ns};

    if (must_stop(search)) {
        return BLOCK_STOPPED;
    }
    if (shown || search->ask->accept != NULL || is_scattered(search, id)) {
        if (is_seen(search, id)) {
            return 0;
        }
        int result = judge(search, id, shown, &hit.start_ns);
        if (result != 0) {
            return MIN(result, 0);
        }
    }
    add_hit(search, hit);
    return 0;
}

static int offer_row(void *context, const BlockMatch *match)
{
    Search *search = context;

    if (search->has_last && trace_id_equal(search->last, match->trace_id)) {
        return 0;
    }
    search->last = match->trace_id;
    search->has_last = true;
    if (shelf_hides(search->view.shelf, search->block->number, match->trace_id)) {
        return 0;
    }
    return offer(search, match->trace_id, match->trace_start_ns);
}

static int offer_span(void *context, const Span *span)
{
    return offer(context, span->trace_id, span->start_ns);
}

/* --- Places --- */

static int search_block(Search *search, ShelfBlock *block)
{
    BlockSearch ask = {
        .filter = search->ask->filter,
        .from_ns = search->ask->from_ns,
        .to_ns = search->ask->to_ns,
        .floor_ns = &search->floor.start_ns,
        .stop = must_stop,
        .bytes_max = search->bytes_max,
        .visit = offer_row,
        .context = search,
    };

    if (block->summary.max_start_ns < ask.from_ns ||
        !starts_before(block->summary.min_start_ns, ask.to_ns)) {
        return 0;
    }
    search->block = block;
    search->has_last = false;
    search->scanned_blocks++;
    int result = block_search(block->block, &ask);
    search->scanned_spans += ask.n_scanned;
    if (result == BLOCK_NO_MEMORY) {
        search->gap = STORE_OUT_OF_MEMORY;
        return BLOCK_STOPPED;
    }
    return result == BLOCK_STOPPED ? result : shelf_block_check(block, result);
}

static int search_blocks(Search *search)
{
    const Shelf *shelf = search->view.shelf;

    for (size_t i = 0; i < shelf->count; i++) {
        uint64_t newest_ns = shelf->blocks[i]->summary.max_start_ns;

        prune(search);
        search->searched_from_ns = newest_ns;
        if (search->has_floor && newest_ns < search->floor.start_ns) {
            break;
        }
        if (must_stop(search)) {
            return BLOCK_STOPPED;
        }
        TRY(search_block(search, shelf->blocks[i]));
    }
    return 0;
}

static int run(Search *search)
{
    HeadSearch head = {
        .filter = search->ask->filter,
        .from_ns = search->ask->from_ns,
        .to_ns = search->ask->to_ns,
        .floor_ns = &search->floor.start_ns,
        .stop = must_stop,
        .visit = offer_span,
        .context = search,
    };

    search->searched_from_ns = UINT64_MAX;
    int result = search_head(search->store, &search->view, &head);
    search->scanned_spans += head.n_scanned;
    if (result == 0) {
        result = search_blocks(search);
    }
    if (search->gap == STORE_COMPLETE && filter_give_ups(search->ask->filter) > 0) {
        search->gap = STORE_PATTERN_GAVE_UP;
        search->searched_from_ns = UINT64_MAX;
    }
    if (search->gap == STORE_COMPLETE && search->left_out) {
        search->gap = STORE_TRACE_TOO_LARGE;
    }
    return MIN(result, 0);
}

static void take_hits(Search *search, Arena *arena, StoreHits *ret_hits)
{
    size_t n = sort_hits(search), limit = search->wanted - 1;

    *ret_hits = (StoreHits){
        .count = MIN(n, limit),
        .more = n > limit,
        .gap = search->gap,
        .large_trace = search->large_trace,
        .searched_from_ns = search->searched_from_ns,
        .scanned_spans = search->scanned_spans,
        .scanned_blocks = search->scanned_blocks,
    };
    ret_hits->items = ARENA_ARRAY(arena, StoreHit, ret_hits->count);
    mem_copy(ret_hits->items, search->sorted, ret_hits->count * sizeof(StoreHit));
}

int store_search(Store *store, const StoreSearch *ask, Arena *arena, StoreHits *ret_hits)
{
    Search search = {
        .store = store,
        .ask = ask,
        .wanted = MIN(ask->limit, (size_t)SEARCH_LIMIT_MAX) + 1,
        .bytes_max = ask->bytes_max == 0 ? (size_t)SEARCH_BYTES_DEFAULT : ask->bytes_max,
    };

    table_init(&search.hits, sizeof(StoreHit), sizeof(TraceId));
    table_init(&search.seen, sizeof(TraceId), sizeof(TraceId));
    search.sorted = NEW_ARRAY(StoreHit, 2 * search.wanted + 1);
    view_init(&search.view, store, STORE_ALL);
    int result = run(&search);
    if (result == 0) {
        take_hits(&search, arena, ret_hits);
    }
    view_deinit(&search.view);
    table_deinit(&search.hits);
    table_deinit(&search.seen);
    arena_deinit(&search.arena);
    mem_free(search.sorted);
    return result;
}
