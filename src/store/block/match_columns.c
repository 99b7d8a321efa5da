// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/scan.h"
#include "store/block/binary.h"
#include "store/block/match.h"

/*
 * Comparisons on one column: asked once per dictionary entry, then the codes are scanned; whole
 * numbers without a dictionary are scanned as a range; the rest is asked row by row.
 *
 * What a comparison means is never written a second time here: it is asked of filter_matches(),
 * with a span that has nothing but the value in question (the probe), or of filter_int_range().
 * Equal texts are the exception, being most of what people ask for.
 */

/* --- Probes --- */

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

bool match_ask_value(BlockMatcher *matcher, const Filter *filter, BlockLevel level, Value value)
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
    return match_ask_value(matcher, filter, BLOCK_SPAN_LEVEL, block_vector_value(vector, at));
}

static bool ask_resource_value(BlockMatcher *matcher, const Filter *filter,
                               const ParquetVector *vector, size_t at)
{
    return match_ask_value(matcher, filter, BLOCK_RESOURCE_LEVEL, block_vector_value(vector, at));
}

static MatchAsk attribute_ask(BlockLevel level)
{
    return level == BLOCK_SPAN_LEVEL ? ask_span_value : ask_resource_value;
}

/* --- Dictionaries --- */

static bool is_equal_text(const Filter *filter, const ParquetVector *dictionary)
{
    return filter->comparison == COMPARE_EQUAL && filter->operand.type == VALUE_STRING &&
           (dictionary->type == PARQUET_STRING || dictionary->type == PARQUET_JSON) &&
           filter->field != FIELD_KIND && filter->field != FIELD_STATUS;
}

static bool answer(BlockMatcher *matcher, const Filter *filter, const ParquetVector *dictionary,
                   size_t entry, MatchAsk ask)
{
    return is_equal_text(filter, dictionary)
               ? str_equal(dictionary->strs[entry], filter->operand.string)
               : ask(matcher, filter, dictionary, entry);
}

int match_answers(BlockMatcher *matcher, MatchPlan *plan, const ParquetVector *dictionary,
                  MatchAsk ask)
{
    if (plan->answered == dictionary) {
        return 0;
    }
    match_clear_probe(matcher);
    plan->answers = arena_alloc(&matcher->kept, dictionary->n_rows + 1);
    plan->n_yes = 0;
    for (size_t i = 0; i < dictionary->n_rows; i++) {
        plan->answers[i] = answer(matcher, plan->filter, dictionary, i, ask);
        if (plan->answers[i] != 0) {
            plan->n_yes++;
            plan->yes = (uint32_t)i;
        }
        TRY(match_pause(matcher));
    }
    plan->answered = dictionary;
    return 0;
}

/* Whether the column's values all answer no, when its dictionary can tell. */
static int prepare(BlockMatcher *matcher, MatchPlan *plan, size_t column, MatchAsk ask)
{
    bool only = false;

    if (plan->is_prepared) {
        return 0;
    }
    if (parquet_is_null_column(matcher->block->parquet, column, matcher->group) ||
        match_range_never(matcher, plan->filter, column)) {
        plan->never = plan->is_prepared = true;
        return 0;
    }
    TRY(parquet_read_dictionary(matcher->block->parquet, column, matcher->group, &plan->kept, &only,
                                matcher->error));
    if (only) {
        TRY(match_answers(matcher, plan, plan->kept.dictionaries[0], ask));
        plan->never = plan->n_yes == 0;
    }
    plan->is_prepared = true;
    return 0;
}

static int prepare_attribute(BlockMatcher *matcher, MatchPlan *plan,
                             const BlockAttributeColumn *column)
{
    const ParquetFile *file = matcher->block->parquet;
    bool is_resource = column->level == BLOCK_RESOURCE_LEVEL;
    ParquetRange range;

    if (plan->is_prepared || block_is_binary(matcher->block, column)) {
        return 0;
    }
    TRY(prepare(matcher, plan, column->column, attribute_ask(column->level)));
    if (!plan->never && parquet_column(file, column->column)->type == PARQUET_DOUBLE &&
        !parquet_group_range(file, column->column, matcher->group, &range)) {
        TRY(match_summary_never(matcher, plan,
                                is_resource ? FIELD_RESOURCE_ATTRIBUTE : FIELD_SPAN_ATTRIBUTE,
                                &plan->never));
    }
    return 0;
}

/* --- Columns into bitmaps --- */

static int match_codes(BlockMatcher *matcher, MatchPlan *plan, const ParquetVector *vector,
                       MatchAsk ask, uint64_t *bitmap)
{
    TRY(match_answers(matcher, plan, vector->dictionary, ask));
    if (plan->n_yes == 1) {
        scan_code(vector->codes, vector->n_rows, plan->yes, bitmap);
    } else if (plan->n_yes > 0) {
        scan_answers(vector->codes, vector->n_rows, plan->answers, bitmap);
    }
    return 0;
}

static bool range_of(const Filter *filter, const ParquetVector *vector, ScanRange *ret_range)
{
    FilterRange range;

    if (vector->type != PARQUET_INT64 || !filter_int_range(filter, &range)) {
        return false;
    }
    *ret_range = (ScanRange){range.lowest, range.highest, range.is_outside,
                             filter->field == FIELD_DURATION || filter->field == FIELD_START};
    return true;
}

/* Sets the bits of rows whose value answers yes; null rows may be set too. */
static int match_values(BlockMatcher *matcher, MatchPlan *plan, const ParquetVector *vector,
                        MatchAsk ask, uint64_t *bitmap)
{
    ScanRange range;

    if (vector->codes != NULL) {
        return match_codes(matcher, plan, vector, ask, bitmap);
    }
    if (range_of(plan->filter, vector, &range)) {
        scan_range(vector->ints, vector->n_rows, range, bitmap);
        return 0;
    }
    match_clear_probe(matcher);
    for (size_t row = 0; row < vector->n_rows; row++) {
        if (!parquet_is_null(vector, row) && answer(matcher, plan->filter, vector, row, ask)) {
            match_set(bitmap, row, true);
        }
        TRY(match_pause(matcher));
    }
    return 0;
}

/* @nulls: a bit per null row. */
static int match_vector(BlockMatcher *matcher, MatchPlan *plan, const ParquetVector *vector,
                        MatchAsk ask, uint64_t *nulls, uint64_t *bitmap)
{
    if (vector->null != NULL) {
        scan_bytes(vector->null, vector->n_rows, nulls);
    }
    TRY(match_values(matcher, plan, vector, ask, bitmap));
    for (size_t word = 0; vector->null != NULL && word < (vector->n_rows + 63) / 64; word++) {
        bitmap[word] &= ~nulls[word];
    }
    return 0;
}

/* --- Fields with a column of their own --- */

static const struct {
    FilterField field;
    BlockColumn column;
    MatchAsk ask;
} field_columns[] = {
    {FIELD_NAME, BLOCK_NAME, ask_text},
    {FIELD_KIND, BLOCK_KIND, ask_text},
    {FIELD_STATUS, BLOCK_STATUS_CODE, ask_text},
    {FIELD_STATUS_MESSAGE, BLOCK_STATUS_MESSAGE, ask_text},
    {FIELD_DURATION, BLOCK_DURATION, ask_number},
    {FIELD_START, BLOCK_START, ask_number},
    {FIELD_SCOPE_NAME, BLOCK_SCOPE_NAME, ask_text},
    {FIELD_SCOPE_VERSION, BLOCK_SCOPE_VERSION, ask_text},
    {FIELD_TRACE_ID, BLOCK_TRACE_ID, ask_id},
    {FIELD_SPAN_ID, BLOCK_SPAN_ID, ask_id},
    {FIELD_PARENT_ID, BLOCK_PARENT_SPAN_ID, ask_id},
};

static size_t field_place(FilterField field)
{
    size_t i = 0;

    while (i < ARRAY_LEN(field_columns) && field_columns[i].field != field) {
        i++;
    }
    ASSERT(i < ARRAY_LEN(field_columns));
    return i;
}

/* The answer for null rows; a column that is never null has none. */
static bool ask_null(BlockMatcher *matcher, const Filter *filter, size_t column)
{
    return parquet_column(matcher->block->parquet, column)->optional &&
           match_ask_absent(matcher, filter);
}

int match_field(BlockMatcher *matcher, const Filter *filter, MatchRange range, uint64_t *bitmap)
{
    size_t place = field_place(filter->field);
    size_t column = matcher->block->fixed[field_columns[place].column];
    MatchPlan *plan = match_plan(matcher, filter, 0);
    uint64_t *nulls = match_bitmap(matcher, range);
    ParquetVector vector;

    ASSERT(column != SIZE_MAX); /* none of them is rare */
    bool absent = ask_null(matcher, filter, column);
    TRY(prepare(matcher, plan, column, field_columns[place].ask));
    if (plan->never && !absent) {
        return 0;
    }
    TRY(parquet_read_kept(matcher->block->parquet, column, range.from, range.to, &plan->kept,
                          &vector, matcher->error));
    TRY(match_vector(matcher, plan, &vector, field_columns[place].ask, nulls, bitmap));
    for (size_t word = 0; absent && word < range_words(range); word++) {
        bitmap[word] |= nulls[word];
    }
    return 0;
}

int match_field_never(BlockMatcher *matcher, const Filter *filter, bool *ret_never)
{
    size_t place = field_place(filter->field);
    size_t column = matcher->block->fixed[field_columns[place].column];
    MatchPlan *plan = match_plan(matcher, filter, 0);

    TRY(prepare(matcher, plan, column, field_columns[place].ask));
    *ret_never = plan->never && !ask_null(matcher, filter, column);
    return 0;
}

/* --- Attributes --- */

/* Identifiers that are stored as bytes are compared as bytes, and become texts for all else. */
static int match_binary(BlockMatcher *matcher, MatchPlan *plan, const ParquetColumn *column,
                        ParquetVector *vector, KeyMatch *match)
{
    const Filter *filter = plan->filter;
    uint8_t bytes[BLOCK_BINARY_MOST];

    if (vector->codes == NULL && filter->comparison == COMPARE_EQUAL &&
        filter->operand.type == VALUE_STRING) {
        bool is_possible =
            block_binary_parse(column->type, column->size, filter->operand.string, bytes);

        if (vector->null != NULL) {
            scan_bytes(vector->null, vector->n_rows, match->has);
        }
        for (size_t row = 0; is_possible && row < vector->n_rows; row++) {
            if (vector->strs[row].len == column->size &&
                mem_compare(vector->strs[row].ptr, bytes, column->size) == 0) {
                match_set(match->matches, row, true);
            }
        }
        return 0;
    }
    block_binary_to_text(vector, column->size, plan->kept.pieces);
    return match_vector(matcher, plan, vector, attribute_ask((BlockLevel)plan->part), match->has,
                        match->matches);
}

static int match_key_column(BlockMatcher *matcher, const Filter *filter, BlockLevel level,
                            MatchRange range, KeyMatch *match)
{
    const BlockAttributeColumn *column = block_find_attribute(matcher->block, level, filter->key);
    MatchPlan *plan = match_plan(matcher, filter, level);
    ParquetVector vector;

    if (column == NULL) {
        return 0;
    }
    TRY(prepare_attribute(matcher, plan, column));
    TRY(parquet_read_kept(matcher->block->parquet, column->column, range.from, range.to,
                          &plan->kept, &vector, matcher->error));
    if (block_is_binary(matcher->block, column)) {
        TRY(match_binary(matcher, plan, parquet_column(matcher->block->parquet, column->column),
                         &vector, match));
    } else {
        TRY(match_vector(matcher, plan, &vector, attribute_ask(level), match->has, match->matches));
    }
    for (size_t word = 0; word < range_words(range); word++) {
        match->has[word] = ~match->has[word];
    }
    return 0;
}

static int match_key(BlockMatcher *matcher, const Filter *filter, BlockLevel level,
                     MatchRange range, KeyMatch *ret_match)
{
    KeyMatch match = {match_bitmap(matcher, range), match_bitmap(matcher, range)};

    TRY(match_key_column(matcher, filter, level, range, &match));
    TRY(match_map(matcher, filter, level, range, &match));
    *ret_match = match;
    return 0;
}

/* The levels that the field looks at, in order of precedence. Returns how many. */
static unsigned levels_of(const Filter *filter, BlockLevel levels[2])
{
    switch (filter->field) {
    case FIELD_ATTRIBUTE:
        levels[0] = BLOCK_SPAN_LEVEL;
        levels[1] = BLOCK_RESOURCE_LEVEL;
        return 2;
    case FIELD_SPAN_ATTRIBUTE:
        levels[0] = BLOCK_SPAN_LEVEL;
        return 1;
    case FIELD_RESOURCE_ATTRIBUTE:
        levels[0] = BLOCK_RESOURCE_LEVEL;
        return 1;
    default:
        levels[0] = BLOCK_SCOPE_LEVEL;
        return 1;
    }
}

/* @second (NULL: none) counts where the row does not have the key at the first level. */
static void join_levels(BlockMatcher *matcher, const Filter *filter, const KeyMatch *first,
                        const KeyMatch *second, MatchRange range, uint64_t *bitmap)
{
    uint64_t absent = match_ask_absent(matcher, filter) ? UINT64_MAX : 0;

    for (size_t word = 0; word < range_words(range); word++) {
        uint64_t otherwise = absent;

        if (second != NULL) {
            otherwise = second->matches[word] | (~second->has[word] & absent);
        }
        bitmap[word] = first->matches[word] | (~first->has[word] & otherwise);
    }
}

int match_attribute(BlockMatcher *matcher, const Filter *filter, MatchRange range, uint64_t *bitmap)
{
    BlockLevel levels[2];
    unsigned n = levels_of(filter, levels);
    KeyMatch matches[2];
    bool never = false;

    TRY(match_attribute_never(matcher, filter, &never));
    if (never) {
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        TRY(match_key(matcher, filter, levels[i], range, &matches[i]));
    }
    join_levels(matcher, filter, &matches[0], n == 2 ? &matches[1] : NULL, range, bitmap);
    return 0;
}

/* Whether the block's filter says that no row has the value that is asked for. */
static bool is_absent(BlockMatcher *matcher, MatchPlan *plan, BlockLevel level)
{
    static const FilterField fields[BLOCK_N_LEVELS] = {
        FIELD_SPAN_ATTRIBUTE, FIELD_RESOURCE_ATTRIBUTE, FIELD_SCOPE_ATTRIBUTE};
    const Filter *filter = plan->filter;

    if (!plan->is_value_asked) {
        plan->is_value_asked = true;
        plan->is_value_absent =
            (filter->comparison == COMPARE_EQUAL || filter->comparison == COMPARE_EQUAL_TEXT) &&
            !block_may_have_value(matcher->block, fields[level], filter->key, &filter->operand);
    }
    return plan->is_value_absent;
}

static int key_never(BlockMatcher *matcher, const Filter *filter, BlockLevel level, bool *ret_never)
{
    const BlockAttributeColumn *column = block_find_attribute(matcher->block, level, filter->key);
    MatchPlan *plan = match_plan(matcher, filter, level);
    bool in_map = false;

    if (is_absent(matcher, plan, level)) {
        *ret_never = true;
        return 0;
    }
    TRY(match_map_has(matcher, filter, level, &in_map));
    if (!in_map && column != NULL) {
        TRY(prepare_attribute(matcher, plan, column));
    }
    *ret_never = !in_map && (column == NULL || plan->never);
    return 0;
}

int match_attribute_never(BlockMatcher *matcher, const Filter *filter, bool *ret_never)
{
    BlockLevel levels[2];
    unsigned n = levels_of(filter, levels);
    bool never = !match_ask_absent(matcher, filter);

    for (unsigned i = 0; i < n && never; i++) {
        TRY(key_never(matcher, filter, levels[i], &never));
    }
    *ret_never = never;
    return 0;
}

/* --- Runs of rows that may match --- */

/* Of a key at one level: known when only its column can have it; nothing at all is no run. */
static int key_runs(BlockMatcher *matcher, const Filter *filter, BlockLevel level, bool *ret_known,
                    MatchRuns *ret_runs)
{
    const BlockAttributeColumn *column = block_find_attribute(matcher->block, level, filter->key);
    bool never = false, in_map = false;

    *ret_runs = (MatchRuns){0};
    TRY(key_never(matcher, filter, level, &never));
    if (never) {
        *ret_known = true;
        return 0;
    }
    TRY(match_map_has(matcher, filter, level, &in_map));
    if (in_map || column == NULL) {
        *ret_known = false;
        return 0;
    }
    return match_runs(matcher, match_plan(matcher, filter, level), column->column, ret_known,
                      ret_runs);
}

static int attribute_runs(BlockMatcher *matcher, const Filter *filter, bool *ret_known,
                          MatchRuns *ret_runs)
{
    BlockLevel levels[2];
    unsigned n = levels_of(filter, levels);
    MatchRuns second = {0};

    TRY(key_runs(matcher, filter, levels[0], ret_known, ret_runs));
    if (n == 2 && *ret_known) {
        TRY(key_runs(matcher, filter, levels[1], ret_known, &second));
        if (ret_runs->n > 0 && second.n > 0) {
            *ret_known = false; /* both: not worth joining them */
        } else if (second.n > 0) {
            *ret_runs = second;
        }
    }
    return 0;
}

int match_compare_runs(BlockMatcher *matcher, const Filter *filter, bool *ret_known,
                       MatchRuns *ret_runs)
{
    *ret_known = false;
    switch (filter->field) {
    case FIELD_ATTRIBUTE:
    case FIELD_SPAN_ATTRIBUTE:
    case FIELD_RESOURCE_ATTRIBUTE:
    case FIELD_SCOPE_ATTRIBUTE:
        return match_ask_absent(matcher, filter)
                   ? 0
                   : attribute_runs(matcher, filter, ret_known, ret_runs);
    case FIELD_DURATION:
    case FIELD_START: {
        size_t column = matcher->block->fixed[field_columns[field_place(filter->field)].column];

        return match_runs(matcher, match_plan(matcher, filter, 0), column, ret_known, ret_runs);
    }
    default:
        return 0;
    }
}
