// SPDX-License-Identifier: Apache-2.0
#include "store/block/match.h"

/*
 * From matching rows to what the visitor gets, a window of rows at a time: a search reads two
 * columns more (in the chunks that have a match), a scan all.
 */
enum { SEARCH_BYTES_DEFAULT = 64 << 20 };

/* The first set row of @range at or after @row, or range.to. */
static size_t next_match(const uint64_t *bitmap, MatchRange range, size_t row)
{
    size_t at = row - range.from;

    for (size_t word = at / 64; word < range_words(range); word++) {
        uint64_t bits = bitmap[word];

        if (word == at / 64) {
            bits &= UINT64_MAX << (at % 64);
        }
        if (bits != 0) {
            return range.from + word * 64 + (size_t)__builtin_ctzll(bits);
        }
    }
    return range.to;
}

/* A visitor's answer, told apart from our own errors. */
typedef struct Visited {
    bool stopped;
    int result;
} Visited;

static bool misses_window(const Block *block, uint64_t from_ns, uint64_t to_ns)
{
    return block->summary.n_spans == 0 || block->summary.max_start_ns < from_ns ||
           !starts_before(block->summary.min_start_ns, to_ns);
}

/* --- Searching --- */

/* Ids and starts of the chunk of rows that is visited; ids cost most, and are read when a row is
 * not behind the floor. */
typedef struct Chunk {
    MatchRange range;
    bool has_ids;
    ParquetVector ids, starts;
    Arena arena;
    TraceId trace; /* of the last visit, with its first start */
    uint64_t trace_start_ns;
    bool has_trace;
} Chunk;

static void chunk_deinit(Chunk *chunk)
{
    arena_deinit(&chunk->arena);
}

static int chunk_read(BlockMatcher *matcher, MatchRange range, Arena *arena, ParquetVector *ids,
                      ParquetVector *starts)
{
    TRY(block_read_fixed(matcher->block, BLOCK_TRACE_ID, range.from, range.to, arena, ids,
                         matcher->error));
    return block_read_fixed(matcher->block, BLOCK_START, range.from, range.to, arena, starts,
                            matcher->error);
}

static bool is_trace(const ParquetVector *ids, size_t at, const TraceId *id)
{
    return mem_compare(parquet_str(ids, at).ptr, id->bytes, TRACE_ID_SIZE) == 0;
}

/* The first of the trace's rows that end before row @end, whose start is @start_ns so far. */
static int find_begin(BlockMatcher *matcher, const TraceId *id, size_t end, uint64_t *start_ns)
{
    while (end > 0) {
        CLEANUP(arena_deinit) Arena arena = {0};
        MatchRange range = {end > BLOCK_CHUNK_ROWS ? end - BLOCK_CHUNK_ROWS : 0, end};
        ParquetVector ids, starts;
        size_t at = end - range.from;

        TRY(chunk_read(matcher, range, &arena, &ids, &starts));
        while (at > 0 && is_trace(&ids, at - 1, id)) {
            at--;
        }
        if (at < end - range.from) {
            *start_ns = (uint64_t)starts.ints[at];
        }
        if (at > 0) {
            break;
        }
        end = range.from;
    }
    return 0;
}

static int note_trace(BlockMatcher *matcher, Chunk *chunk, size_t row)
{
    size_t at = row - chunk->range.from;

    if (!chunk->has_ids) {
        TRY(block_read_fixed(matcher->block, BLOCK_TRACE_ID, chunk->range.from, chunk->range.to,
                             &chunk->arena, &chunk->ids, matcher->error));
        chunk->has_ids = true;
    }
    if (chunk->has_trace && is_trace(&chunk->ids, at, &chunk->trace)) {
        return 0;
    }
    mem_copy(chunk->trace.bytes, parquet_str(&chunk->ids, at).ptr, TRACE_ID_SIZE);
    chunk->has_trace = true;
    while (at > 0 && is_trace(&chunk->ids, at - 1, &chunk->trace)) {
        at--;
    }
    chunk->trace_start_ns = (uint64_t)chunk->starts.ints[at];
    return at > 0 ? 0
                  : find_begin(matcher, &chunk->trace, chunk->range.from, &chunk->trace_start_ns);
}

static int chunk_load(BlockMatcher *matcher, Chunk *chunk, size_t row)
{
    const MatchRange *group = &matcher->rows;
    size_t from = row - (row - group->from) % BLOCK_CHUNK_ROWS;

    if (row >= chunk->range.from && row < chunk->range.to) {
        return 0;
    }
    arena_reset(&chunk->arena);
    chunk->range = (MatchRange){from, MIN(from + BLOCK_CHUNK_ROWS, group->to)};
    chunk->has_ids = false;
    return block_read_fixed(matcher->block, BLOCK_START, chunk->range.from, chunk->range.to,
                            &chunk->arena, &chunk->starts, matcher->error);
}

static int visit_matches(BlockMatcher *matcher, const BlockSearch *search, const uint64_t *bitmap,
                         MatchRange range, Visited *visited)
{
    CLEANUP(chunk_deinit) Chunk chunk = {0};

    for (size_t row = next_match(bitmap, range, range.from); row < range.to;
         row = next_match(bitmap, range, row + 1)) {
        TRY(chunk_load(matcher, &chunk, row));
        BlockMatch match = {.start_ns = (uint64_t)chunk.starts.ints[row - chunk.range.from]};
        if (search->floor_ns != NULL && match.start_ns < *search->floor_ns) {
            continue;
        }
        TRY(note_trace(matcher, &chunk, row));
        match.trace_id = chunk.trace;
        match.trace_start_ns = chunk.trace_start_ns;
        visited->result = search->visit(search->context, &match);
        if (visited->result != 0) {
            visited->stopped = true;
            return 0;
        }
    }
    return 0;
}

/* Rows that start before it need not be found. */
static uint64_t search_from(const BlockSearch *search)
{
    return search->floor_ns == NULL ? search->from_ns : MAX(search->from_ns, *search->floor_ns);
}

static int search_window(BlockMatcher *matcher, BlockSearch *search, MatchRange range,
                         Visited *visited)
{
    uint64_t *bitmap;

    if (matcher->stop != NULL && matcher->stop(matcher->stop_context)) {
        return BLOCK_STOPPED;
    }
    search->n_scanned += range.to - range.from;
    TRY(block_match_rows(matcher, search->filter, search_from(search), search->to_ns, range,
                         &bitmap));
    return visit_matches(matcher, search, bitmap, range, visited);
}

/* Windows shrink before memory is at its end. */
static int search_windows(BlockMatcher *matcher, BlockSearch *search, Visited *visited)
{
    const MatchRange group = matcher->rows;
    size_t bytes_max = search->bytes_max == 0 ? SEARCH_BYTES_DEFAULT : search->bytes_max;
    size_t rows = BLOCK_WINDOW_ROWS;

    for (size_t end = group.to; end > group.from && !visited->stopped;) {
        size_t from = group.from + (end - 1 - group.from) / rows * rows;

        if (matcher->kept.allocated + matcher->window.allocated > bytes_max) {
            if (rows <= BLOCK_CHUNK_ROWS) {
                return BLOCK_NO_MEMORY;
            }
            rows /= 4;
            arena_deinit(&matcher->window);
            continue;
        }
        TRY(search_window(matcher, search, (MatchRange){from, end}, visited));
        block_match_forget(matcher);
        end = from;
    }
    return 0;
}

static int search_groups(BlockMatcher *matcher, BlockSearch *search, Visited *visited)
{
    for (size_t group = parquet_n_groups(matcher->block->parquet);
         group-- > 0 && !visited->stopped;) {
        bool never = false;

        block_match_enter(matcher, group);
        never = block_match_misses_time(matcher, search_from(search), search->to_ns);
        if (!never) {
            TRY(block_match_prepare(matcher, search->filter, &never));
        }
        if (never) { /* looked at, if only through what is known of all rows */
            search->n_scanned += matcher->rows.to - matcher->rows.from;
        } else {
            TRY(search_windows(matcher, search, visited));
        }
    }
    return 0;
}

int block_search(Block *block, BlockSearch *search)
{
    CLEANUP(parquet_unpin) ParquetPin pin = parquet_pin(block->parquet);
    CLEANUP(block_matcher_deinit) BlockMatcher matcher;
    ParseError error = {0};
    Visited visited = {0};

    block_matcher_init(&matcher, block, &error);
    matcher.stop = search->stop;
    matcher.stop_context = search->context;
    if (misses_window(block, search->from_ns, search->to_ns)) {
        return 0;
    }
    int r = search_groups(&matcher, search, &visited);
    return visited.stopped ? visited.result : block_report(block, r, &error);
}

/* --- Scanning --- */

/* So many rows are decoded at a time: enough to spread the cost of the dictionaries, few enough
 * for the memory. */
enum { SCAN_ROWS = 16384 };

static int scan_rows(BlockMatcher *matcher, const uint64_t *bitmap, MatchRange range,
                     int (*visit)(void *context, const Span *span), void *context, Visited *visited)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t first = next_match(bitmap, range, range.from);
    BlockRows rows = {0};

    if (first == range.to) {
        return 0;
    }
    TRY(block_rows_load(matcher->block, first, range.to, &arena, &rows, matcher->error));
    for (size_t row = first; row < range.to; row = next_match(bitmap, range, row + 1)) {
        Span span;

        arena_reset(&matcher->scratch);
        TRY(block_rows_span(&rows, row, &matcher->scratch, &span, matcher->error));
        visited->result = visit(context, &span);
        if (visited->result != 0) {
            visited->stopped = true;
            return 0;
        }
    }
    return 0;
}

typedef struct Scan {
    const Filter *filter;
    uint64_t from_ns, to_ns;
    int (*visit)(void *context, const Span *span);
    void *context;
} Scan;

static int scan_group(BlockMatcher *matcher, const Scan *scan, Visited *visited)
{
    for (size_t from = matcher->rows.from; from < matcher->rows.to && !visited->stopped;
         from += SCAN_ROWS) {
        MatchRange range = {from, MIN(from + SCAN_ROWS, matcher->rows.to)};
        uint64_t *bitmap;

        TRY(block_match_rows(matcher, scan->filter, scan->from_ns, scan->to_ns, range, &bitmap));
        TRY(scan_rows(matcher, bitmap, range, scan->visit, scan->context, visited));
        block_match_forget(matcher);
    }
    return 0;
}

int block_scan(Block *block, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
               int (*visit)(void *context, const Span *span), void *context)
{
    CLEANUP(parquet_unpin) ParquetPin pin = parquet_pin(block->parquet);
    CLEANUP(block_matcher_deinit) BlockMatcher matcher;
    const Scan scan = {filter, from_ns, to_ns, visit, context};
    ParseError error = {0};
    Visited visited = {0};
    int r = 0;

    block_matcher_init(&matcher, block, &error);
    if (misses_window(block, from_ns, to_ns)) {
        return 0;
    }
    for (size_t group = 0; group < parquet_n_groups(block->parquet) && r == 0 && !visited.stopped;
         group++) {
        block_match_enter(&matcher, group);
        r = scan_group(&matcher, &scan, &visited);
    }
    return visited.stopped ? visited.result : block_report(block, r, &error);
}
