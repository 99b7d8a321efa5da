// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "store/block/exact.h"
#include "store/block/json.h"
#include "store/block/match.h"

/*
 * A filter becomes a bitmap over the rows: each comparison reads its column and asks once per
 * dictionary entry (or per row, where there is no dictionary); and, or, not join bitmaps.
 *
 * What a comparison means is never written a second time here: it is asked of filter_matches(),
 * with a span that has nothing but the value in question (the probe). A row whose `exact_span` is
 * set is asked as a whole at the end.
 */

/* Sets the probe to row @at of @vector and asks the comparison. */
typedef bool (*Ask)(BlockMatcher *matcher, const Filter *filter, const ParquetVector *vector,
                    size_t at);

static int fail(BlockMatcher *matcher, const char *text)
{
    *matcher->error = (ParseError){.text = text};
    return 1;
}

static uint64_t *new_bitmap(BlockMatcher *matcher)
{
    return ARENA_ARRAY(&matcher->arena, uint64_t, matcher->n_words);
}

static void set_bit(uint64_t *bitmap, size_t row, bool value)
{
    uint64_t bit = (uint64_t)1 << (row % 64);

    bitmap[row / 64] = value ? bitmap[row / 64] | bit : bitmap[row / 64] & ~bit;
}

static bool get_bit(const uint64_t *bitmap, size_t row)
{
    return (bitmap[row / 64] >> (row % 64) & 1) != 0;
}

static void clear_probe(BlockMatcher *matcher)
{
    matcher->resource = (Resource){0};
    matcher->scope = (Scope){0};
    matcher->probe = (Span){.resource = &matcher->resource, .scope = &matcher->scope};
}

/* The answer for a row that has nothing in the field. */
static bool ask_absent(BlockMatcher *matcher, const Filter *filter)
{
    clear_probe(matcher);
    return filter_matches(filter, &matcher->probe);
}

/* --- Probes of fixed columns --- */

static bool ask_text(BlockMatcher *matcher, const Filter *filter, const ParquetVector *vector,
                     size_t at)
{
    Str text = vector->strs[at];
    SpanKind kind = SPAN_KIND_UNSPECIFIED;
    StatusCode status = STATUS_UNSET;

    switch (filter->field) {
    case FIELD_NAME:
        matcher->probe.name = text;
        break;
    case FIELD_KIND:
        matcher->probe.kind = span_kind_parse(text, &kind) == 0 ? (uint8_t)kind : 0;
        break;
    case FIELD_STATUS:
        matcher->probe.status_code = status_code_parse(text, &status) == 0 ? (uint8_t)status : 0;
        break;
    case FIELD_STATUS_MESSAGE:
        matcher->probe.status_message = text;
        break;
    case FIELD_SCOPE_NAME:
        matcher->scope.name = text;
        break;
    default:
        matcher->scope.version = text;
    }
    return filter_matches(filter, &matcher->probe);
}

static bool ask_number(BlockMatcher *matcher, const Filter *filter, const ParquetVector *vector,
                       size_t at)
{
    if (filter->field == FIELD_DURATION) {
        matcher->probe.end_ns = (uint64_t)vector->ints[at];
    } else {
        matcher->probe.start_ns = (uint64_t)vector->ints[at];
    }
    return filter_matches(filter, &matcher->probe);
}

static bool ask_id(BlockMatcher *matcher, const Filter *filter, const ParquetVector *vector,
                   size_t at)
{
    Str id = vector->strs[at];

    if (filter->field == FIELD_TRACE_ID) {
        mem_copy(matcher->probe.trace_id.bytes, id.ptr, TRACE_ID_SIZE);
    } else if (filter->field == FIELD_SPAN_ID) {
        mem_copy(matcher->probe.span_id.bytes, id.ptr, SPAN_ID_SIZE);
    } else {
        mem_copy(matcher->probe.parent_span_id.bytes, id.ptr, SPAN_ID_SIZE);
    }
    return filter_matches(filter, &matcher->probe);
}

/* --- Columns into bitmaps --- */

/* Sets the bits of rows whose value answers yes; null rows are left as they are. */
static void match_codes(BlockMatcher *matcher, const Filter *filter, const ParquetVector *vector,
                        Ask ask, uint64_t *bitmap)
{
    size_t n = vector->dictionary->n_rows;
    uint8_t *answers = arena_alloc(&matcher->arena, n + 1);

    for (size_t i = 0; i < n; i++) {
        answers[i] = ask(matcher, filter, vector->dictionary, i);
    }
    for (size_t word = 0; word < matcher->n_words; word++) {
        size_t first = word * 64, last = MIN(first + 64, matcher->n_rows);
        uint64_t bits = 0;

        for (size_t row = first; row < last; row++) {
            bits |= (uint64_t)answers[vector->codes[row]] << (row - first);
        }
        if (vector->null != NULL) {
            for (size_t row = first; row < last; row++) {
                bits &= ~((uint64_t)(vector->null[row] != 0) << (row - first));
            }
        }
        bitmap[word] |= bits;
    }
}

static void match_vector(BlockMatcher *matcher, const Filter *filter, const ParquetVector *vector,
                         Ask ask, uint64_t *bitmap)
{
    if (vector->codes != NULL) {
        /* Null rows have code 0, which an empty dictionary lacks. */
        if (vector->dictionary->n_rows > 0) {
            match_codes(matcher, filter, vector, ask, bitmap);
        }
        return;
    }
    for (size_t row = 0; row < matcher->n_rows; row++) {
        if (!parquet_is_null(vector, row) && ask(matcher, filter, vector, row)) {
            set_bit(bitmap, row, true);
        }
    }
}

/* Sets the bits of null rows. */
static void match_null(const BlockMatcher *matcher, const ParquetVector *vector, uint64_t *bitmap)
{
    for (size_t row = 0; vector->null != NULL && row < matcher->n_rows; row++) {
        if (vector->null[row] != 0) {
            set_bit(bitmap, row, true);
        }
    }
}

static int match_fixed(BlockMatcher *matcher, const Filter *filter, BlockColumn column, Ask ask,
                       uint64_t *bitmap)
{
    ParquetVector vector;

    TRY(block_read_fixed(matcher->block, column, 0, matcher->n_rows, &matcher->arena, &vector,
                         matcher->error));
    if (ask_absent(matcher, filter)) {
        match_null(matcher, &vector, bitmap);
    }
    match_vector(matcher, filter, &vector, ask, bitmap);
    return 0;
}

/* --- Attributes --- */

static bool ask_value(BlockMatcher *matcher, const Filter *filter, BlockLevel level, Value value)
{
    Attributes one = {&matcher->attribute, 1};

    matcher->attribute = (Attribute){filter->key, value};
    if (level == BLOCK_SPAN_LEVEL) {
        matcher->probe.attributes = one;
    } else if (level == BLOCK_RESOURCE_LEVEL) {
        matcher->resource.attributes = one;
    } else {
        matcher->scope.attributes = one;
    }
    return filter_matches(filter, &matcher->probe);
}

static bool ask_span_value(BlockMatcher *matcher, const Filter *filter, const ParquetVector *vector,
                           size_t at)
{
    return ask_value(matcher, filter, BLOCK_SPAN_LEVEL, block_vector_value(vector, at));
}

static bool ask_resource_value(BlockMatcher *matcher, const Filter *filter,
                               const ParquetVector *vector, size_t at)
{
    return ask_value(matcher, filter, BLOCK_RESOURCE_LEVEL, block_vector_value(vector, at));
}

/* Rows that have the key at one level, and rows that have it and match. */
typedef struct KeyMatch {
    uint64_t *has, *matches;
} KeyMatch;

typedef struct KeySearch {
    BlockLevel level;
    Str key;
    uint64_t n_map_rows;
} KeySearch;

static int find_key(void *context, const BlockKeyCounts *counts)
{
    KeySearch *key = context;

    if (counts->level == key->level && str_equal(counts->key, key->key)) {
        key->n_map_rows = counts->n_map_rows;
    }
    return 0;
}

/* The first occurrence in the map, for rows that have none in a column. */
static int match_map_row(BlockMatcher *matcher, const Filter *filter, BlockLevel level,
                         const BlockMap *map, size_t row, KeyMatch *match)
{
    BlockMapWalk walk = block_map_walk(map, row);
    Attribute attribute;
    int more;

    arena_reset(&matcher->scratch);
    while ((more = block_map_next(&walk, &matcher->scratch, &attribute)) > 0) {
        if (str_equal(attribute.key, filter->key)) {
            set_bit(match->has, row, true);
            set_bit(match->matches, row, ask_value(matcher, filter, level, attribute.value));
            return 0;
        }
    }
    return more == 0 ? 0 : fail(matcher, "the types of a map are malformed");
}

static int match_map(BlockMatcher *matcher, const Filter *filter, BlockLevel level, KeyMatch *match)
{
    KeySearch key = {level, filter->key, 0};
    BlockMap map;

    TRY(block_key_counts(matcher->block, find_key, &key, matcher->error));
    if (key.n_map_rows == 0) {
        return 0;
    }
    TRY(block_map_read(matcher->block, level, 0, matcher->n_rows, &matcher->arena, &map,
                       matcher->error));
    clear_probe(matcher);
    for (size_t row = 0; row < matcher->n_rows; row++) {
        if (!get_bit(match->has, row) && map.entries.offsets[row] != map.entries.offsets[row + 1]) {
            TRY(match_map_row(matcher, filter, level, &map, row, match));
        }
    }
    return 0;
}

static int match_key(BlockMatcher *matcher, const Filter *filter, BlockLevel level,
                     KeyMatch *ret_match)
{
    const BlockAttributeColumn *column = block_find_attribute(matcher->block, level, filter->key);
    KeyMatch match = {new_bitmap(matcher), new_bitmap(matcher)};

    if (column != NULL) {
        ParquetVector vector;

        TRY(parquet_read(matcher->block->parquet, column->column, 0, matcher->n_rows,
                         &matcher->arena, &vector, matcher->error));
        match_null(matcher, &vector, match.has);
        for (size_t word = 0; word < matcher->n_words; word++) {
            match.has[word] = ~match.has[word];
        }
        clear_probe(matcher);
        match_vector(matcher, filter, &vector,
                     level == BLOCK_SPAN_LEVEL ? ask_span_value : ask_resource_value,
                     match.matches);
    }
    TRY(match_map(matcher, filter, level, &match));
    *ret_match = match;
    return 0;
}

/* @second (NULL: none) counts where the row does not have the key at the first level. */
static void join_levels(BlockMatcher *matcher, const Filter *filter, const KeyMatch *first,
                        const KeyMatch *second, uint64_t *bitmap)
{
    uint64_t absent = ask_absent(matcher, filter) ? UINT64_MAX : 0;

    for (size_t word = 0; word < matcher->n_words; word++) {
        uint64_t otherwise = absent;

        if (second != NULL) {
            otherwise = second->matches[word] | (~second->has[word] & absent);
        }
        bitmap[word] = first->matches[word] | (~first->has[word] & otherwise);
    }
}

static int match_attribute(BlockMatcher *matcher, const Filter *filter, uint64_t *bitmap)
{
    KeyMatch first, second;

    if (filter->field == FIELD_ATTRIBUTE) {
        TRY(match_key(matcher, filter, BLOCK_SPAN_LEVEL, &first));
        TRY(match_key(matcher, filter, BLOCK_RESOURCE_LEVEL, &second));
        join_levels(matcher, filter, &first, &second, bitmap);
        return 0;
    }
    BlockLevel level = filter->field == FIELD_SPAN_ATTRIBUTE       ? BLOCK_SPAN_LEVEL
                       : filter->field == FIELD_RESOURCE_ATTRIBUTE ? BLOCK_RESOURCE_LEVEL
                                                                   : BLOCK_SCOPE_LEVEL;
    TRY(match_key(matcher, filter, level, &first));
    join_levels(matcher, filter, &first, NULL, bitmap);
    return 0;
}

/* --- Events and links --- */

static int match_list(BlockMatcher *matcher, const Filter *filter, BlockColumn column,
                      uint64_t *bitmap)
{
    ParquetVector vector;

    TRY(block_read_fixed(matcher->block, column, 0, matcher->n_rows, &matcher->arena, &vector,
                         matcher->error));
    if (ask_absent(matcher, filter)) {
        match_null(matcher, &vector, bitmap);
    }
    for (size_t row = 0; row < matcher->n_rows; row++) {
        if (parquet_is_null(&vector, row)) {
            continue;
        }
        Str json = parquet_str(&vector, row);
        arena_reset(&matcher->scratch);
        int r = column == BLOCK_EVENTS ? block_events_read(json, &matcher->scratch, &matcher->probe)
                                       : block_links_read(json, &matcher->scratch, &matcher->probe);
        if (r != 0) {
            return fail(matcher, "events or links are malformed");
        }
        set_bit(bitmap, row, filter_matches(filter, &matcher->probe));
    }
    return 0;
}

/* --- Filters --- */

static int match_compare(BlockMatcher *matcher, const Filter *filter, uint64_t *bitmap)
{
    switch (filter->field) {
    case FIELD_ATTRIBUTE:
    case FIELD_SPAN_ATTRIBUTE:
    case FIELD_RESOURCE_ATTRIBUTE:
    case FIELD_SCOPE_ATTRIBUTE:
        return match_attribute(matcher, filter, bitmap);
    case FIELD_EVENT_ATTRIBUTE:
    case FIELD_EVENT_NAME:
        return match_list(matcher, filter, BLOCK_EVENTS, bitmap);
    case FIELD_LINK_ATTRIBUTE:
        return match_list(matcher, filter, BLOCK_LINKS, bitmap);
    case FIELD_NAME:
        return match_fixed(matcher, filter, BLOCK_NAME, ask_text, bitmap);
    case FIELD_KIND:
        return match_fixed(matcher, filter, BLOCK_KIND, ask_text, bitmap);
    case FIELD_STATUS:
        return match_fixed(matcher, filter, BLOCK_STATUS_CODE, ask_text, bitmap);
    case FIELD_STATUS_MESSAGE:
        return match_fixed(matcher, filter, BLOCK_STATUS_MESSAGE, ask_text, bitmap);
    case FIELD_DURATION:
        return match_fixed(matcher, filter, BLOCK_DURATION, ask_number, bitmap);
    case FIELD_START:
        return match_fixed(matcher, filter, BLOCK_START, ask_number, bitmap);
    case FIELD_SCOPE_NAME:
        return match_fixed(matcher, filter, BLOCK_SCOPE_NAME, ask_text, bitmap);
    case FIELD_SCOPE_VERSION:
        return match_fixed(matcher, filter, BLOCK_SCOPE_VERSION, ask_text, bitmap);
    case FIELD_TRACE_ID:
        return match_fixed(matcher, filter, BLOCK_TRACE_ID, ask_id, bitmap);
    case FIELD_SPAN_ID:
        return match_fixed(matcher, filter, BLOCK_SPAN_ID, ask_id, bitmap);
    case FIELD_PARENT_ID:
        return match_fixed(matcher, filter, BLOCK_PARENT_SPAN_ID, ask_id, bitmap);
    }
    ASSERT(!"a known field");
    return 1;
}

static bool is_uniform(const BlockMatcher *matcher, const uint64_t *bitmap, uint64_t word)
{
    for (size_t i = 0; i < matcher->n_words; i++) {
        if (bitmap[i] != word) {
            return false;
        }
    }
    return true;
}

static int match_filter(BlockMatcher *matcher, const Filter *filter, unsigned depth,
                        uint64_t *bitmap);

/* The right side is not read when the left one has decided every row. */
static int match_both(BlockMatcher *matcher, const Filter *filter, unsigned depth, uint64_t *bitmap)
{
    bool is_and = filter->op == FILTER_AND;
    uint64_t *right = new_bitmap(matcher);

    TRY(match_filter(matcher, filter->left, depth, bitmap));
    if (is_uniform(matcher, bitmap, is_and ? 0 : UINT64_MAX)) {
        return 0;
    }
    TRY(match_filter(matcher, filter->right, depth, right));
    for (size_t word = 0; word < matcher->n_words; word++) {
        bitmap[word] = is_and ? bitmap[word] & right[word] : bitmap[word] | right[word];
    }
    return 0;
}

/* @bitmap comes zeroed; bits behind the last row are undefined. */
static int match_filter(BlockMatcher *matcher, const Filter *filter, unsigned depth,
                        uint64_t *bitmap)
{
    ASSERT(depth <= FILTER_DEPTH_MAX + 1);
    switch (filter->op) {
    case FILTER_AND:
    case FILTER_OR:
        return match_both(matcher, filter, depth + 1, bitmap);
    case FILTER_COMPARE:
        return match_compare(matcher, filter, bitmap);
    case FILTER_NOT:
        TRY(match_filter(matcher, filter->left, depth + 1, bitmap));
        for (size_t word = 0; word < matcher->n_words; word++) {
            bitmap[word] = ~bitmap[word];
        }
        return 0;
    case FILTER_TRUE:
        mem_fill(bitmap, 0xff, matcher->n_words * sizeof(*bitmap));
        return 0;
    }
    ASSERT(!"a known operator");
    return 1;
}

static int match_exact(BlockMatcher *matcher, const Filter *filter, uint64_t *bitmap)
{
    ParquetVector vector;

    if (matcher->block->fixed[BLOCK_EXACT_SPAN] == SIZE_MAX) {
        return 0;
    }
    TRY(block_read_fixed(matcher->block, BLOCK_EXACT_SPAN, 0, matcher->n_rows, &matcher->arena,
                         &vector, matcher->error));
    for (size_t row = 0; row < matcher->n_rows; row++) {
        Span span;
        Str exact = parquet_str(&vector, row);

        if (parquet_is_null(&vector, row)) {
            continue;
        }
        arena_reset(&matcher->scratch);
        if (exact_take_span(&exact, &matcher->scratch, &span) != 0) {
            return fail(matcher, "an exact span is malformed");
        }
        set_bit(bitmap, row, filter_matches(filter, &span));
    }
    return 0;
}

static int match_time(BlockMatcher *matcher, uint64_t from_ns, uint64_t to_ns, uint64_t *bitmap)
{
    const BlockSummary *summary = &matcher->block->summary;
    ParquetVector start;

    if (summary->min_start_ns >= from_ns && starts_before(summary->max_start_ns, to_ns)) {
        return 0;
    }
    TRY(block_read_fixed(matcher->block, BLOCK_START, 0, matcher->n_rows, &matcher->arena, &start,
                         matcher->error));
    for (size_t row = 0; row < matcher->n_rows; row++) {
        uint64_t start_ns = (uint64_t)start.ints[row];

        if (start_ns < from_ns || !starts_before(start_ns, to_ns)) {
            set_bit(bitmap, row, false);
        }
    }
    return 0;
}

int block_match_rows(BlockMatcher *matcher, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
                     uint64_t **ret_bitmap)
{
    uint64_t *bitmap = new_bitmap(matcher);

    TRY(match_filter(matcher, filter, 0, bitmap));
    TRY(match_exact(matcher, filter, bitmap));
    for (size_t row = matcher->n_rows; row < matcher->n_words * 64; row++) {
        set_bit(bitmap, row, false);
    }
    if (!is_uniform(matcher, bitmap, 0)) {
        TRY(match_time(matcher, from_ns, to_ns, bitmap));
    }
    *ret_bitmap = bitmap;
    return 0;
}

void block_matcher_init(BlockMatcher *matcher, Block *block, ParseError *error)
{
    size_t n_rows = parquet_n_rows(block->parquet);

    *matcher = (BlockMatcher){
        .block = block, .n_rows = n_rows, .n_words = (n_rows + 63) / 64, .error = error};
}

void block_matcher_deinit(BlockMatcher *matcher)
{
    arena_deinit(&matcher->arena);
    arena_deinit(&matcher->scratch);
}
