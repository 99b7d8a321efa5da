// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/memory.h"
#include "store/engine/engine.h"

/*
 * The newest matching traces, page by page. Rows do not come in order of time, so candidates are
 * collected in a table: trace -> its newest matching start. When it holds twice what is wanted, the
 * worse half is dropped and the worst that stays becomes the floor: rows behind it no longer count.
 * Blocks are visited newest first; the first one that ends behind the floor ends the search.
 *
 * A candidate is what single rows say. Two things can make it wrong: a resend in another place that
 * counts instead of the row that matched, and, on a further page, a newer matching span of the same
 * trace before the cursor, which says that the trace was on an earlier page. So candidates that can
 * be wrong are checked by reading the whole trace. Those that fall out may leave too few, or one
 * may fall behind others that were dropped: then another round collects from behind the last
 * candidate of this one.
 */
enum {
    SEARCH_LIMIT_MAX = 1 << 18,
    EXTRA_CANDIDATES = 16,
    DEADLINE_EVERY = 256, /* rows between looks at the clock */
    OUT_OF_TIME = 1000,   /* a visitor's result, apart from what blocks report */
};

typedef struct Candidate {
    TraceId id; /* the key in the table */
    uint64_t start_ns;
    bool in_head;
} Candidate;

typedef struct Search {
    Store *store;
    const StoreSearch *ask;
    View view;
    size_t wanted; /* hits: one more than the limit */

    /* One round. */
    Table candidates;
    Candidate *sorted;
    bool has_cursor, has_floor, dropped; /* dropped: there are candidates behind the floor */
    StoreHit cursor, floor;
    bool in_head; /* the rows that come now are the head's */

    Table found; /* Candidate: verified hits of all rounds */
    bool truncated;
    uint64_t n_visits, scanned_spans, scanned_blocks;
} Search;

/* < 0: @a comes first. */
static int compare_hits(uint64_t a_ns, TraceId a, uint64_t b_ns, TraceId b)
{
    if (a_ns != b_ns) {
        return a_ns > b_ns ? -1 : 1;
    }
    return trace_id_compare(b, a);
}

static int compare_candidates(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;

    return compare_hits(x->start_ns, x->id, y->start_ns, y->id);
}

static bool is_behind(uint64_t start_ns, TraceId id, const StoreHit *cursor)
{
    return compare_hits(start_ns, id, cursor->start_ns, cursor->trace_id) > 0;
}

static size_t collect_max(const Search *search)
{
    return search->wanted + EXTRA_CANDIDATES;
}

/* The candidates in order, in search->sorted. */
static size_t sort_candidates(Search *search)
{
    size_t n = search->candidates.n_records;

    if (n > 0) {
        mem_copy(search->sorted, search->candidates.records, n * sizeof(Candidate));
        qsort(search->sorted, n, sizeof(Candidate), compare_candidates);
    }
    return n;
}

/* Keeps the best and sets the floor, once there are enough of them. */
static void prune(Search *search)
{
    size_t keep = collect_max(search);
    size_t n = search->candidates.n_records;

    if (n < keep) {
        return;
    }
    sort_candidates(search);
    table_clear(&search->candidates);
    for (size_t i = 0; i < keep; i++) {
        Candidate *kept = table_put(&search->candidates, &search->sorted[i].id, NULL);
        *kept = search->sorted[i];
    }
    search->floor = (StoreHit){search->sorted[keep - 1].id, search->sorted[keep - 1].start_ns};
    search->has_floor = true;
    search->dropped |= n > keep;
}

static bool is_out_of_time(Search *search)
{
    if (search->ask->deadline_ns != 0 && search->n_visits++ % DEADLINE_EVERY == 0 &&
        clock_monotonic_ns(search->store->clock) >= search->ask->deadline_ns) {
        search->truncated = true;
    }
    return search->truncated;
}

static int offer(void *context, const BlockMatch *match)
{
    Search *search = context;
    bool is_new;

    if (is_out_of_time(search)) {
        return OUT_OF_TIME;
    }
    if (search->has_cursor && !is_behind(match->start_ns, match->trace_id, &search->cursor)) {
        return 0;
    }
    if (search->has_floor && is_behind(match->start_ns, match->trace_id, &search->floor)) {
        search->dropped = true;
        return 0;
    }
    Candidate *candidate = table_put(&search->candidates, &match->trace_id, &is_new);
    candidate->start_ns = MAX(candidate->start_ns, match->start_ns);
    candidate->in_head |= search->in_head;
    if (search->candidates.n_records >= 2 * collect_max(search)) {
        prune(search);
    }
    return 0;
}

static int offer_span(void *context, const Span *span)
{
    Search *search = context;
    BlockMatch match = {.trace_id = span->trace_id, .start_ns = span->start_ns};

    search->scanned_spans++;
    if (is_out_of_time(search)) {
        return OUT_OF_TIME;
    }
    if ((search->has_floor && span->start_ns < search->floor.start_ns) ||
        !filter_matches(search->ask->filter, span)) {
        search->dropped |= search->has_floor;
        return 0;
    }
    return offer(search, &match);
}

/* No row at or after this can matter in this round. */
static uint64_t window_end(const Search *search)
{
    uint64_t end = search->ask->to_ns;

    if (search->has_cursor && search->cursor.start_ns < UINT64_MAX) {
        end = MIN(end, search->cursor.start_ns + 1);
    }
    return end;
}

static int search_block(Search *search, ShelfBlock *block)
{
    uint64_t from = search->ask->from_ns, to = window_end(search);

    if (search->has_floor && search->floor.start_ns > from) {
        from = search->floor.start_ns;
        search->dropped = true;
    }
    if (block->summary.max_start_ns < from || block->summary.min_start_ns >= to) {
        return 0;
    }
    search->scanned_blocks++;
    search->scanned_spans += block->summary.n_spans;
    int result = block_search(block->block, search->ask->filter, from, to, offer, search);
    return result == OUT_OF_TIME ? result : shelf_block_check(block, result);
}

static int collect(Search *search)
{
    const Shelf *shelf = search->view.shelf;

    search->in_head = true;
    TRY(view_scan_head(search->store, &search->view, search->ask->from_ns, window_end(search),
                       offer_span, search));
    search->in_head = false;
    for (size_t i = 0; i < shelf->count; i++) {
        prune(search);
        if (search->has_floor && shelf->blocks[i]->summary.max_start_ns < search->floor.start_ns) {
            search->dropped = true;
            break;
        }
        if (is_out_of_time(search)) {
            return OUT_OF_TIME;
        }
        TRY(search_block(search, shelf->blocks[i]));
    }
    prune(search);
    return 0;
}

/* Whether single rows may say something else than the whole trace. */
static bool needs_check(const Search *search, const Candidate *candidate)
{
    size_t n_blocks = 0;

    if (search->ask->has_after || candidate->in_head) {
        return true;
    }
    for (size_t i = 0; i < search->view.shelf->count && n_blocks < 2; i++) {
        n_blocks += block_may_have_trace(search->view.shelf->blocks[i]->block, candidate->id);
    }
    return n_blocks > 1 || view_head_has(search->store, &search->view, candidate->id);
}

/* Sets the candidate's start by the whole trace. Returns 0; 1 when nothing of it matches; -errno.
 */
static int check_candidate(Search *search, Candidate *candidate, Arena *arena)
{
    const StoreSearch *ask = search->ask;
    bool matches = false;
    uint64_t newest_ns = 0;
    Span *spans;
    size_t n;

    arena_reset(arena);
    TRY(view_read_trace(search->store, &search->view, candidate->id, arena, &spans, &n));
    for (size_t i = 0; i < n; i++) {
        if (spans[i].start_ns >= ask->from_ns && starts_before(spans[i].start_ns, ask->to_ns) &&
            filter_matches(ask->filter, &spans[i])) {
            matches = true;
            newest_ns = MAX(newest_ns, spans[i].start_ns);
        }
    }
    if (matches) {
        candidate->start_ns = newest_ns;
    }
    return matches ? 0 : 1;
}

/* Takes the round's candidates over that belong on this page. */
static int verify(Search *search, size_t n, const StoreHit *last, Arena *arena)
{
    for (size_t i = 0; i < n && search->found.n_records < search->wanted + EXTRA_CANDIDATES; i++) {
        Candidate candidate = search->sorted[i];

        if (needs_check(search, &candidate)) {
            int result = check_candidate(search, &candidate, arena);

            if (result < 0) {
                return result;
            }
            if (result > 0 ||
                (search->ask->has_after &&
                 !is_behind(candidate.start_ns, candidate.id, &search->ask->after)) ||
                (search->dropped && is_behind(candidate.start_ns, candidate.id, last))) {
                continue; /* no hit, on an earlier page, or for a later round */
            }
        }
        Candidate *found = table_put(&search->found, &candidate.id, NULL);
        *found = candidate;
    }
    return 0;
}

/* One round. Returns 0; 1 when there is nothing behind it; or -errno. */
static int run_round(Search *search, Arena *arena)
{
    table_clear(&search->candidates);
    search->has_floor = search->dropped = false;
    int result = collect(search);
    if (result < 0) {
        return result;
    }
    size_t n = sort_candidates(search);
    if (n == 0) {
        return 1;
    }
    StoreHit last = {search->sorted[n - 1].id, search->sorted[n - 1].start_ns};
    TRY(verify(search, n, &last, arena));
    search->cursor = last;
    search->has_cursor = true;
    return search->dropped && result == 0 ? 0 : 1;
}

static void take_hits(Search *search, Arena *arena, StoreHits *ret_hits)
{
    Candidate *found = (Candidate *)search->found.records;
    size_t n = search->found.n_records;

    *ret_hits = (StoreHits){
        .count = MIN(n, search->wanted - 1),
        .more = n > search->wanted - 1,
        .truncated = search->truncated,
        .scanned_spans = search->scanned_spans,
        .scanned_blocks = search->scanned_blocks,
    };
    if (n > 0) {
        qsort(found, n, sizeof(Candidate), compare_candidates);
    }
    ret_hits->items = ARENA_ARRAY(arena, StoreHit, ret_hits->count);
    for (size_t i = 0; i < ret_hits->count; i++) {
        ret_hits->items[i] = (StoreHit){found[i].id, found[i].start_ns};
    }
}

static int run(Search *search)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    int result = 0;

    while (result == 0 && search->found.n_records < search->wanted) {
        result = run_round(search, &arena);
    }
    return MIN(result, 0);
}

int store_search(Store *store, const StoreSearch *ask, Arena *arena, StoreHits *ret_hits)
{
    Search search = {
        .store = store,
        .ask = ask,
        .wanted = MIN(ask->limit, (size_t)SEARCH_LIMIT_MAX) + 1,
        .has_cursor = ask->has_after,
        .cursor = ask->after,
    };

    table_init(&search.candidates, sizeof(Candidate), sizeof(TraceId));
    table_init(&search.found, sizeof(Candidate), sizeof(TraceId));
    search.sorted = NEW_ARRAY(Candidate, 2 * collect_max(&search) + 1);
    view_init(&search.view, store, STORE_ALL);
    int result = run(&search);
    if (result == 0) {
        take_hits(&search, arena, ret_hits);
    }
    view_deinit(&search.view);
    table_deinit(&search.candidates);
    table_deinit(&search.found);
    mem_free(search.sorted);
    return result;
}
