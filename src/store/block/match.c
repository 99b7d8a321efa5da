// SPDX-License-Identifier: Apache-2.0
#include "store/block/match.h"

#include "base/assert.h"
#include "codec/scan.h"
#include "store/block/exact.h"
#include "store/block/json.h"

/*
 * A filter becomes a bitmap over the rows of a window: each comparison reads its column; and, or,
 * not join bitmaps. Time comes first, because it is cheap and often leaves little; what joins later
 * is asked only of those chunks of rows that are still undecided. A row whose `exact_span` is set
 * is asked as a whole at the end.
 */

enum { PAUSE_EVERY = 256 };

int match_fail(BlockMatcher *matcher, const char *text)
{
    *matcher->error = (ParseError){.text = text};
    return 1;
}

int match_pause(BlockMatcher *matcher)
{
    return matcher->stop != NULL && ++matcher->n_asked % PAUSE_EVERY == 0 &&
                   matcher->stop(matcher->stop_context)
               ? BLOCK_STOPPED
               : 0;
}

uint64_t *match_bitmap(BlockMatcher *matcher, MatchRange range)
{
    return ARENA_ARRAY(&matcher->window, uint64_t, range_words(range));
}

static void forget_group(BlockMatcher *matcher, MatchPlan *plan)
{
    plan->kept = (ParquetKept){.arena = &matcher->kept, .pieces = &matcher->window};
    plan->answered = NULL;
    plan->answers = NULL;
    plan->n_yes = 0;
    plan->never = plan->is_prepared = plan->is_key_found = false;
    plan->has_runs = plan->is_ranged = false;
    plan->runs = (MatchRuns){0};
}

MatchPlan *match_plan(BlockMatcher *matcher, const Filter *filter, unsigned part)
{
    for (MatchPlan *plan = matcher->plans; plan != NULL; plan = plan->next) {
        if (plan->filter == filter && plan->part == part) {
            return plan;
        }
    }
    MatchPlan *plan = ARENA_NEW(&matcher->plan_arena, MatchPlan);
    *plan = (MatchPlan){.next = matcher->plans, .filter = filter, .part = part};
    matcher->plans = plan;
    forget_group(matcher, plan);
    return plan;
}

void block_match_enter(BlockMatcher *matcher, size_t group)
{
    ParquetFile *file = matcher->block->parquet;

    matcher->group = group;
    matcher->rows =
        (MatchRange){parquet_group_row(file, group), parquet_group_row(file, group + 1)};
    arena_reset(&matcher->kept);
    for (MatchPlan *plan = matcher->plans; plan != NULL; plan = plan->next) {
        forget_group(matcher, plan);
    }
}

void match_clear_probe(BlockMatcher *matcher)
{
    matcher->resource = (Resource){0};
    matcher->scope = (Scope){0};
    matcher->probe = (Span){.resource = &matcher->resource, .scope = &matcher->scope};
}

bool match_ask_absent(BlockMatcher *matcher, const Filter *filter)
{
    match_clear_probe(matcher);
    return filter_matches(filter, &matcher->probe);
}

/* --- Events and links --- */

/* What the event's time is counted from. */
static int read_starts(BlockMatcher *matcher, const Filter *filter, MatchRange range,
                       ParquetVector *ret_starts)
{
    *ret_starts = (ParquetVector){0};
    return filter->field == FIELD_EVENT_SINCE_START
               ? block_read_fixed(matcher->block, BLOCK_START, range.from, range.to,
                                  &matcher->window, ret_starts, matcher->error)
               : 0;
}

static int match_list(BlockMatcher *matcher, const Filter *filter, BlockColumn column,
                      MatchRange range, uint64_t *bitmap)
{
    bool absent = match_ask_absent(matcher, filter);
    ParquetVector vector, starts;

    TRY(block_read_fixed(matcher->block, column, range.from, range.to, &matcher->window, &vector,
                         matcher->error));
    TRY(read_starts(matcher, filter, range, &starts));
    for (size_t row = 0; row < range.to - range.from; row++) {
        if (parquet_is_null(&vector, row)) {
            match_set(bitmap, row, absent);
            continue;
        }
        Str json = parquet_str(&vector, row);
        arena_reset(&matcher->scratch);
        matcher->probe.start_ns = starts.ints == NULL ? 0 : (uint64_t)starts.ints[row];
        int r = column == BLOCK_EVENTS ? block_events_read(json, &matcher->scratch, &matcher->probe)
                                       : block_links_read(json, &matcher->scratch, &matcher->probe);
        if (r != 0) {
            return match_fail(matcher, "events or links are malformed");
        }
        match_set(bitmap, row, filter_matches(filter, &matcher->probe));
        TRY(match_pause(matcher));
    }
    return 0;
}

/* --- Filters --- */

static int match_compare(BlockMatcher *matcher, const Filter *filter, MatchRange range,
                         uint64_t *bitmap)
{
    switch (filter->field) {
    case FIELD_ATTRIBUTE:
    case FIELD_SPAN_ATTRIBUTE:
    case FIELD_RESOURCE_ATTRIBUTE:
    case FIELD_SCOPE_ATTRIBUTE:
        return match_attribute(matcher, filter, range, bitmap);
    case FIELD_EVENT_ATTRIBUTE:
    case FIELD_EVENT_NAME:
    case FIELD_EVENT_SINCE_START:
        return match_list(matcher, filter, BLOCK_EVENTS, range, bitmap);
    case FIELD_LINK_ATTRIBUTE:
    case FIELD_LINK_TRACE_ID:
    case FIELD_LINK_SPAN_ID:
        return match_list(matcher, filter, BLOCK_LINKS, range, bitmap);
    default:
        return match_field(matcher, filter, range, bitmap);
    }
}

/* Asks only rows of pages that may match: no bit of the others is set. */
static int match_compare_some(BlockMatcher *matcher, const Filter *filter, MatchRange range,
                              uint64_t *bitmap)
{
    MatchRuns runs = {0};
    bool known;

    TRY(match_compare_runs(matcher, filter, &known, &runs));
    if (!known) {
        return match_compare(matcher, filter, range, bitmap);
    }
    for (size_t i = 0; i < runs.n; i++) {
        MatchRange part = {MAX(runs.runs[i].from, range.from), MIN(runs.runs[i].to, range.to)};

        if (part.from < part.to) {
            ASSERT((part.from - range.from) % 64 == 0);
            TRY(match_compare(matcher, filter, part, bitmap + (part.from - range.from) / 64));
        }
    }
    return 0;
}

/* Whether every word of the rows is @word; bits behind the last row do not count. */
static bool is_uniform(const uint64_t *bitmap, size_t n_rows, uint64_t word)
{
    size_t n_whole = n_rows / 64;
    uint64_t rest = n_rows % 64 == 0 ? 0 : ((uint64_t)1 << (n_rows % 64)) - 1;

    for (size_t i = 0; i < n_whole; i++) {
        if (bitmap[i] != word) {
            return false;
        }
    }
    return rest == 0 || (bitmap[n_whole] & rest) == (word & rest);
}

static int match_filter(BlockMatcher *matcher, const Filter *filter, unsigned depth,
                        MatchRange range, uint64_t *bitmap);

/* Joins the filter to @bitmap, asking only chunks that it does not decide: for and those with a
 * row left, for or those with a row missing. */
static int match_join(BlockMatcher *matcher, const Filter *filter, unsigned depth, bool is_and,
                      MatchRange range, uint64_t *bitmap)
{
    uint64_t decided = is_and ? 0 : UINT64_MAX;
    size_t at = range.from;

    while (at < range.to) {
        MatchRange part = {at, at};

        while (part.to < range.to) { /* chunks in a row that are undecided */
            size_t end = MIN(part.to + BLOCK_CHUNK_ROWS, range.to);
            if (is_uniform(bitmap + (part.to - range.from) / 64, end - part.to, decided)) {
                break;
            }
            part.to = end;
        }
        at = MIN(part.to + BLOCK_CHUNK_ROWS, range.to);
        if (part.from == part.to) {
            continue;
        }
        uint64_t *right = match_bitmap(matcher, part), *left = bitmap;
        left += (part.from - range.from) / 64;
        TRY(match_filter(matcher, filter, depth, part, right));
        for (size_t word = 0; word < range_words(part); word++) {
            left[word] = is_and ? left[word] & right[word] : left[word] | right[word];
        }
    }
    return 0;
}

/* @bitmap comes zeroed; bits behind the last row are undefined. */
static int match_filter(BlockMatcher *matcher, const Filter *filter, unsigned depth,
                        MatchRange range, uint64_t *bitmap)
{
    ASSERT(depth <= FILTER_DEPTH_MAX + 1);
    switch (filter->op) {
    case FILTER_AND:
    case FILTER_OR:
        TRY(match_filter(matcher, filter->left, depth + 1, range, bitmap));
        return match_join(matcher, filter->right, depth + 1, filter->op == FILTER_AND, range,
                          bitmap);
    case FILTER_COMPARE:
        return match_compare_some(matcher, filter, range, bitmap);
    case FILTER_NOT:
        TRY(match_filter(matcher, filter->left, depth + 1, range, bitmap));
        for (size_t word = 0; word < range_words(range); word++) {
            bitmap[word] = ~bitmap[word];
        }
        return 0;
    case FILTER_TRUE:
        mem_fill(bitmap, 0xff, range_words(range) * sizeof(*bitmap));
        return 0;
    }
    ASSERT(!"a known operator");
    return 1;
}

static int match_exact(BlockMatcher *matcher, const Filter *filter, MatchRange range,
                       uint64_t *bitmap)
{
    ParquetVector vector;

    if (matcher->block->fixed[BLOCK_EXACT_SPAN] == SIZE_MAX) {
        return 0;
    }
    TRY(block_read_fixed(matcher->block, BLOCK_EXACT_SPAN, range.from, range.to, &matcher->window,
                         &vector, matcher->error));
    for (size_t row = 0; row < range.to - range.from; row++) {
        Span span;
        Str exact = parquet_str(&vector, row);

        if (parquet_is_null(&vector, row)) {
            continue;
        }
        arena_reset(&matcher->scratch);
        if (exact_take_span(&exact, &matcher->scratch, &span) != 0) {
            return match_fail(matcher, "an exact span is malformed");
        }
        match_set(bitmap, row, filter_matches(filter, &span));
        TRY(match_pause(matcher));
    }
    return 0;
}

/* --- Time --- */

static void scan_times(const ParquetVector *start, uint64_t from_ns, uint64_t to_ns,
                       uint64_t *bitmap)
{
    /* Times from 2^63 on are negative in the file. As bounds they are rare enough for a loop. */
    if (from_ns <= INT64_MAX && (to_ns <= INT64_MAX || to_ns == UINT64_MAX)) {
        int64_t highest = to_ns == UINT64_MAX ? INT64_MAX : (int64_t)to_ns - 1;

        scan_range(start->ints, start->n_rows, (ScanRange){(int64_t)from_ns, highest, false, true},
                   bitmap);
        return;
    }
    for (size_t row = 0; row < start->n_rows; row++) {
        uint64_t start_ns = (uint64_t)start->ints[row];

        match_set(bitmap, row, start_ns >= from_ns && starts_before(start_ns, to_ns));
    }
}

/* What is known of the starts of some rows. */
typedef enum TimeAnswer { TIME_SOME, TIME_ALL, TIME_NONE } TimeAnswer;

static TimeAnswer ask_times(const ParquetRange *range, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t least = (uint64_t)range->least, greatest = (uint64_t)range->greatest;

    if (!range->has_values || range->least < 0) {
        return TIME_SOME;
    }
    if (greatest < from_ns || !starts_before(least, to_ns)) {
        return TIME_NONE;
    }
    return least >= from_ns && starts_before(greatest, to_ns) ? TIME_ALL : TIME_SOME;
}

static TimeAnswer ask_group_times(const BlockMatcher *matcher, uint64_t from_ns, uint64_t to_ns)
{
    ParquetRange range;

    return parquet_group_range(matcher->block->parquet, matcher->block->fixed[BLOCK_START],
                               matcher->group, &range)
               ? ask_times(&range, from_ns, to_ns)
               : TIME_SOME;
}

bool block_match_misses_time(const BlockMatcher *matcher, uint64_t from_ns, uint64_t to_ns)
{
    return ask_group_times(matcher, from_ns, to_ns) == TIME_NONE;
}

static int match_time(BlockMatcher *matcher, uint64_t from_ns, uint64_t to_ns, MatchRange range,
                      uint64_t *bitmap)
{
    const BlockSummary *summary = &matcher->block->summary;
    ParquetVector start;

    if ((summary->min_start_ns >= from_ns && starts_before(summary->max_start_ns, to_ns)) ||
        ask_group_times(matcher, from_ns, to_ns) == TIME_ALL) {
        mem_fill(bitmap, 0xff, range_words(range) * sizeof(*bitmap));
        return 0;
    }
    TRY(block_read_fixed(matcher->block, BLOCK_START, range.from, range.to, &matcher->window,
                         &start, matcher->error));
    scan_times(&start, from_ns, to_ns, bitmap);
    return 0;
}

/* --- Windows --- */

int block_match_rows(BlockMatcher *matcher, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
                     MatchRange range, uint64_t **ret_bitmap)
{
    uint64_t *in_time = match_bitmap(matcher, range), *bitmap = in_time;

    ASSERT(range.from >= matcher->rows.from && range.to <= matcher->rows.to);
    TRY(match_time(matcher, from_ns, to_ns, range, in_time));
    if (matcher->block->fixed[BLOCK_EXACT_SPAN] == SIZE_MAX) {
        TRY(match_join(matcher, filter, 0, true, range, bitmap));
    } else {
        bitmap = match_bitmap(matcher, range);
        TRY(match_filter(matcher, filter, 0, range, bitmap));
        TRY(match_exact(matcher, filter, range, bitmap));
        for (size_t word = 0; word < range_words(range); word++) {
            bitmap[word] &= in_time[word];
        }
    }
    for (size_t row = range.to - range.from; row < range_words(range) * 64; row++) {
        match_set(bitmap, row, false);
    }
    *ret_bitmap = bitmap;
    return 0;
}

void block_match_forget(BlockMatcher *matcher)
{
    arena_reset(&matcher->window);
}

static int compare_never(BlockMatcher *matcher, const Filter *filter, bool *ret_never)
{
    BlockColumn list = filter->field == FIELD_LINK_ATTRIBUTE ||
                               filter->field == FIELD_LINK_TRACE_ID ||
                               filter->field == FIELD_LINK_SPAN_ID
                           ? BLOCK_LINKS
                           : BLOCK_EVENTS;

    switch (filter->field) {
    case FIELD_ATTRIBUTE:
    case FIELD_SPAN_ATTRIBUTE:
    case FIELD_RESOURCE_ATTRIBUTE:
    case FIELD_SCOPE_ATTRIBUTE:
        return match_attribute_never(matcher, filter, ret_never);
    case FIELD_EVENT_ATTRIBUTE:
    case FIELD_EVENT_NAME:
    case FIELD_EVENT_SINCE_START:
    case FIELD_LINK_ATTRIBUTE:
    case FIELD_LINK_TRACE_ID:
    case FIELD_LINK_SPAN_ID:
        *ret_never = !match_ask_absent(matcher, filter) && matcher->block->fixed[list] == SIZE_MAX;
        return 0;
    default:
        return match_field_never(matcher, filter, ret_never);
    }
}

static int filter_never(BlockMatcher *matcher, const Filter *filter, bool *ret_never)
{
    *ret_never = false;
    switch (filter->op) {
    case FILTER_AND:
        TRY(filter_never(matcher, filter->left, ret_never));
        return *ret_never ? 0 : filter_never(matcher, filter->right, ret_never);
    case FILTER_OR:
        TRY(filter_never(matcher, filter->left, ret_never));
        return *ret_never ? filter_never(matcher, filter->right, ret_never) : 0;
    case FILTER_COMPARE:
        return compare_never(matcher, filter, ret_never);
    default:
        return 0;
    }
}

int block_match_prepare(BlockMatcher *matcher, const Filter *filter, bool *ret_never)
{
    *ret_never = false;
    /* A span that is kept whole is in no other column. */
    return matcher->block->fixed[BLOCK_EXACT_SPAN] == SIZE_MAX
               ? filter_never(matcher, filter, ret_never)
               : 0;
}

void block_matcher_init(BlockMatcher *matcher, Block *block, ParseError *error)
{
    *matcher = (BlockMatcher){.block = block, .error = error};
}

void block_matcher_deinit(BlockMatcher *matcher)
{
    arena_deinit(&matcher->plan_arena);
    arena_deinit(&matcher->kept);
    arena_deinit(&matcher->window);
    arena_deinit(&matcher->scratch);
}
