// SPDX-License-Identifier: Apache-2.0
#include "store/block/match.h"

/* From matching rows to what the visitor gets: a search reads two columns more, a scan all. */

/* The first set row at or after @row, or n_rows. */
static size_t next_match(const BlockMatcher *matcher, const uint64_t *bitmap, size_t row)
{
    for (size_t word = row / 64; word < matcher->n_words; word++) {
        uint64_t bits = bitmap[word];

        if (word == row / 64) {
            bits &= UINT64_MAX << (row % 64);
        }
        if (bits != 0) {
            return word * 64 + (size_t)__builtin_ctzll(bits);
        }
    }
    return matcher->n_rows;
}

static size_t last_match(const BlockMatcher *matcher, const uint64_t *bitmap)
{
    size_t word = matcher->n_words;

    while (word > 0 && bitmap[word - 1] == 0) {
        word--;
    }
    return word == 0 ? 0 : word * 64 - 1 - (size_t)__builtin_clzll(bitmap[word - 1]);
}

/* A visitor's answer, told apart from our own errors. */
typedef struct Visited {
    bool stopped;
    int result;
} Visited;

static int visit_matches(BlockMatcher *matcher, const uint64_t *bitmap,
                         int (*visit)(void *context, const BlockMatch *match), void *context,
                         Visited *visited)
{
    size_t first = next_match(matcher, bitmap, 0), end = last_match(matcher, bitmap) + 1;
    ParquetVector ids, start;

    if (first == matcher->n_rows) {
        return 0;
    }
    TRY(block_read_fixed(matcher->block, BLOCK_TRACE_ID, first, end, &matcher->arena, &ids,
                         matcher->error));
    TRY(block_read_fixed(matcher->block, BLOCK_START, first, end, &matcher->arena, &start,
                         matcher->error));
    for (size_t row = first; row < end; row = next_match(matcher, bitmap, row + 1)) {
        BlockMatch match = {.start_ns = (uint64_t)start.ints[row - first]};

        mem_copy(match.trace_id.bytes, parquet_str(&ids, row - first).ptr, TRACE_ID_SIZE);
        visited->result = visit(context, &match);
        if (visited->result != 0) {
            visited->stopped = true;
            return 0;
        }
    }
    return 0;
}

static bool misses_window(const Block *block, uint64_t from_ns, uint64_t to_ns)
{
    return block->summary.n_spans == 0 || block->summary.max_start_ns < from_ns ||
           !starts_before(block->summary.min_start_ns, to_ns);
}

int block_search(Block *block, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
                 int (*visit)(void *context, const BlockMatch *match), void *context)
{
    CLEANUP(block_matcher_deinit) BlockMatcher matcher;
    ParseError error = {0};
    Visited visited = {0};
    uint64_t *bitmap;

    block_matcher_init(&matcher, block, &error);
    if (misses_window(block, from_ns, to_ns)) {
        return 0;
    }
    int r = block_match_rows(&matcher, filter, from_ns, to_ns, &bitmap);
    if (r == 0) {
        r = visit_matches(&matcher, bitmap, visit, context, &visited);
    }
    return visited.stopped ? visited.result : block_report(block, r, &error);
}

/* --- Scanning --- */

/* So many rows are decoded at a time: enough to spread the cost of the dictionaries, few enough
 * for the memory. */
enum { WINDOW = 16384 };

static int scan_window(BlockMatcher *matcher, const uint64_t *bitmap, size_t first, size_t end,
                       int (*visit)(void *context, const Span *span), void *context,
                       Visited *visited)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    BlockRows rows;

    TRY(block_rows_load(matcher->block, first, end, &arena, &rows, matcher->error));
    for (size_t row = first; row < end; row = next_match(matcher, bitmap, row + 1)) {
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

static int scan_matches(BlockMatcher *matcher, const uint64_t *bitmap,
                        int (*visit)(void *context, const Span *span), void *context,
                        Visited *visited)
{
    size_t row = next_match(matcher, bitmap, 0);

    while (row < matcher->n_rows && !visited->stopped) {
        size_t end = MIN((row / WINDOW + 1) * WINDOW, matcher->n_rows);

        TRY(scan_window(matcher, bitmap, row, end, visit, context, visited));
        row = end == matcher->n_rows ? end : next_match(matcher, bitmap, end);
    }
    return 0;
}

int block_scan(Block *block, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
               int (*visit)(void *context, const Span *span), void *context)
{
    CLEANUP(block_matcher_deinit) BlockMatcher matcher;
    ParseError error = {0};
    Visited visited = {0};
    uint64_t *bitmap;

    block_matcher_init(&matcher, block, &error);
    if (misses_window(block, from_ns, to_ns)) {
        return 0;
    }
    int r = block_match_rows(&matcher, filter, from_ns, to_ns, &bitmap);
    if (r == 0) {
        r = scan_matches(&matcher, bitmap, visit, context, &visited);
    }
    return visited.stopped ? visited.result : block_report(block, r, &error);
}
