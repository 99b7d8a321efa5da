// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/block/reader.h"

/*
 * Which rows of a block match a filter: the columnar half of block_search() and block_scan().
 *
 * A block is asked row group by row group, in windows of rows, so that memory is bounded whatever
 * its size; what holds for the whole group (dictionaries, the answer of each dictionary entry) is
 * kept beside, a MatchPlan per comparison.
 */
enum { BLOCK_WINDOW_ROWS = 1 << 16, BLOCK_CHUNK_ROWS = 4096 /* a page has no more */ };

/* Rows of the block. Bitmaps begin with @from. */
typedef struct MatchRange {
    size_t from, to;
} MatchRange;

/* Rows that may match, in order and apart; the others do not. */
typedef struct MatchRuns {
    const MatchRange *runs;
    size_t n;
} MatchRuns;

/* One comparison at one level of attributes, or on one fixed column. */
typedef struct MatchPlan MatchPlan;
struct MatchPlan {
    MatchPlan *next;
    const Filter *filter;
    unsigned part; /* BlockLevel of attribute columns; 4 + BlockLevel of maps */

    /* Of the block. */
    bool is_value_asked, is_value_absent; /* of the block's filter of values */
    bool is_counted;
    uint64_t n_map_rows; /* of a map */

    /* Of the row group. */
    ParquetKept kept;
    const ParquetVector *answered; /* the dictionary of @answers */
    uint8_t *answers;              /* per entry, 0 or 1 */
    size_t n_yes;
    uint32_t yes; /* the entry, when n_yes is 1 */
    bool never;   /* no value in the column answers yes; no entry of the map has the key */
    bool is_prepared;
    bool has_runs;  /* ... was looked for ... */
    bool is_ranged; /* ... and found */
    MatchRuns runs;
    bool is_key_found; /* @key_code is the key's, and text keys are all there is to look at */
    uint32_t key_code;
};

typedef struct BlockMatcher {
    Block *block;
    size_t group;    /* that was entered */
    MatchRange rows; /* its */
    Arena plan_arena;
    Arena kept;    /* for the whole group */
    Arena window;  /* bitmaps and columns of a window */
    Arena scratch; /* one row */
    ParseError *error;
    bool (*stop)(void *context); /* asked now and then; NULL: never */
    void *stop_context;
    unsigned n_asked;
    MatchPlan *plans;
    Span probe;
    Resource resource;
    Scope scope;
    Attribute attribute; /* the one that the probe has */
} BlockMatcher;

static inline size_t range_words(MatchRange range)
{
    return (range.to - range.from + 63) / 64;
}

/* All below: 0; 1 (damaged: the matcher's error is set); BLOCK_STOPPED; or -errno. */

void block_matcher_init(BlockMatcher *matcher, Block *block, ParseError *error);
void block_matcher_deinit(BlockMatcher *matcher);

/* Goes to a row group: all that follows is about its rows. */
void block_match_enter(BlockMatcher *matcher, size_t group);

/* Whether no row of the group starts in the window, by what the footer says. */
bool block_match_misses_time(const BlockMatcher *matcher, uint64_t from_ns, uint64_t to_ns);

/* Looks at dictionaries and ranges only. @ret_never: no row of the group matches. */
MUST_USE int block_match_prepare(BlockMatcher *matcher, const Filter *filter, bool *ret_never);

/* A bit per row of @range (of the group) that matches and starts in from <= start < to; it lives
 * until block_match_forget(), bits behind the last row are 0. */
MUST_USE int block_match_rows(BlockMatcher *matcher, const Filter *filter, uint64_t from_ns,
                              uint64_t to_ns, MatchRange range, uint64_t **ret_bitmap);
void block_match_forget(BlockMatcher *matcher);

/* --- Between the parts of the matcher --- */

/* Sets the probe to row @at of @vector and asks the comparison. */
typedef bool (*MatchAsk)(BlockMatcher *matcher, const Filter *filter, const ParquetVector *vector,
                         size_t at);

int match_fail(BlockMatcher *matcher, const char *text);
MUST_USE int match_pause(BlockMatcher *matcher); /* 0, or BLOCK_STOPPED */
uint64_t *match_bitmap(BlockMatcher *matcher, MatchRange range);
MatchPlan *match_plan(BlockMatcher *matcher, const Filter *filter, unsigned part);
void match_clear_probe(BlockMatcher *matcher);

/* The answer for a row that has nothing in the field. */
bool match_ask_absent(BlockMatcher *matcher, const Filter *filter);

static inline void match_set(uint64_t *bitmap, size_t row, bool value)
{
    uint64_t bit = (uint64_t)1 << (row % 64);

    bitmap[row / 64] = value ? bitmap[row / 64] | bit : bitmap[row / 64] & ~bit;
}

static inline bool match_get(const uint64_t *bitmap, size_t row)
{
    return (bitmap[row / 64] >> (row % 64) & 1) != 0;
}

/* match_columns.c: sets the bits of rows whose value in the comparison's column answers yes (null
 * rows: where nothing answers yes). Fields that have a column of their own. */
MUST_USE int match_field(BlockMatcher *matcher, const Filter *filter, MatchRange range,
                         uint64_t *bitmap);
MUST_USE int match_attribute(BlockMatcher *matcher, const Filter *filter, MatchRange range,
                             uint64_t *bitmap);

/* Whether no row can match, by dictionaries alone. */
MUST_USE int match_field_never(BlockMatcher *matcher, const Filter *filter, bool *ret_never);
MUST_USE int match_attribute_never(BlockMatcher *matcher, const Filter *filter, bool *ret_never);

/* Asks the comparison of an attribute value at @level. */
bool match_ask_value(BlockMatcher *matcher, const Filter *filter, BlockLevel level, Value value);

/* The answers of all entries of @dictionary into @plan. */
MUST_USE int match_answers(BlockMatcher *matcher, MatchPlan *plan, const ParquetVector *dictionary,
                           MatchAsk ask);

/* match_ranges.c: whether the least and greatest numbers of the group say that no value of the
 * column answers yes. */
bool match_range_never(BlockMatcher *matcher, const Filter *filter, size_t column);

/* The same by the block's summary of the key's values. */
MUST_USE int match_summary_never(BlockMatcher *matcher, MatchPlan *plan, FilterField level,
                                 bool *ret_never);

/* The runs of rows in which a comparison may match, by the ranges of the column's pages. Returns
 * with @ret_known whether there are such; else any row may. */
MUST_USE int match_runs(BlockMatcher *matcher, MatchPlan *plan, size_t column, bool *ret_known,
                        MatchRuns *ret_runs);

/* match_columns.c: the same of all that a comparison looks at. */
MUST_USE int match_compare_runs(BlockMatcher *matcher, const Filter *filter, bool *ret_known,
                                MatchRuns *ret_runs);

/* Rows that have the key at one level, and rows that have it and match. */
typedef struct KeyMatch {
    uint64_t *has, *matches;
} KeyMatch;

/* match_map.c: the first occurrence in the map, for rows that have none in a column. */
MUST_USE int match_map(BlockMatcher *matcher, const Filter *filter, BlockLevel level,
                       MatchRange range, KeyMatch *match);

/* Whether the map of the level holds the key at all, in the group. */
MUST_USE int match_map_has(BlockMatcher *matcher, const Filter *filter, BlockLevel level,
                           bool *ret_has);
