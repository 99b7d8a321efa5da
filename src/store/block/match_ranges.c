// SPDX-License-Identifier: Apache-2.0
#include "store/block/match.h"

/*
 * What need not be read: row groups and pages whose least and greatest numbers rule a comparison
 * out. Times and durations from 2^63 on are negative in the file: ranges with such say nothing.
 */

static Value bound_value(ParquetType type, int64_t bits)
{
    Value value = value_int(bits);

    if (type == PARQUET_DOUBLE) {
        value.type = VALUE_DOUBLE;
        mem_copy(&value.number, &bits, sizeof(value.number));
    }
    return value;
}

static bool compares(const Filter *filter, FilterComparison comparison, const Value *value)
{
    Filter changed = *filter;

    changed.comparison = comparison;
    return filter_compare_value(&changed, value);
}

/* Whether a number from @least to @greatest may answer yes. */
static bool may_match(const Filter *filter, const Value *least, const Value *greatest)
{
    bool is_number = filter->operand.type == VALUE_INT || filter->operand.type == VALUE_DOUBLE;

    switch (filter->comparison) {
    case COMPARE_EQUAL:
        return !is_number || (compares(filter, COMPARE_LESS_EQUAL, least) &&
                              compares(filter, COMPARE_GREATER_EQUAL, greatest));
    case COMPARE_LESS:
    case COMPARE_LESS_EQUAL:
        return !is_number || filter_compare_value(filter, least);
    case COMPARE_GREATER:
    case COMPARE_GREATER_EQUAL:
        return !is_number || filter_compare_value(filter, greatest);
    default:
        return true;
    }
}

static bool range_may_match(const Filter *filter, ParquetType type, const ParquetRange *range)
{
    bool is_unsigned = filter->field == FIELD_DURATION || filter->field == FIELD_START;

    if (!range->has_values) {
        return false;
    }
    if (is_unsigned && range->least < 0) {
        return true;
    }
    Value least = bound_value(type, range->least), greatest = bound_value(type, range->greatest);
    return may_match(filter, &least, &greatest);
}

bool match_range_never(BlockMatcher *matcher, const Filter *filter, size_t column)
{
    const ParquetFile *file = matcher->block->parquet;
    ParquetRange range;

    return parquet_group_range(file, column, matcher->group, &range) &&
           !range_may_match(filter, parquet_column(file, column)->type, &range);
}

/* Doubles of older blocks, or with a NaN among them (which answers no to what ranges rule out). */
int match_summary_never(BlockMatcher *matcher, MatchPlan *plan, FilterField level, bool *ret_never)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    BlockValueSummary summary;

    TRY(block_value_summary(matcher->block, level, plan->filter->key, &arena, &summary));
    *ret_never = summary.has_range && !may_match(plan->filter, &summary.least, &summary.greatest);
    return 0;
}

/* Pages that may match, side by side ones as one run. Bitmaps are joined by words, so runs begin
 * and end at multiples of 64 rows from the group's first. */
static void collect_runs(BlockMatcher *matcher, MatchPlan *plan, ParquetType type,
                         const ParquetRange *pages, size_t n_pages)
{
    MatchRange *runs = ARENA_ARRAY(&matcher->kept, MatchRange, n_pages);
    size_t n = 0, start = matcher->rows.from;

    for (size_t i = 0; i < n_pages; i++) {
        size_t from = pages[i].from - (pages[i].from - start) % 64;
        size_t to = MIN(pages[i].to + (64 - (pages[i].to - start) % 64) % 64, matcher->rows.to);

        if (!range_may_match(plan->filter, type, &pages[i])) {
            continue;
        }
        if (n > 0 && runs[n - 1].to >= from) {
            runs[n - 1].to = to;
        } else {
            runs[n++] = (MatchRange){from, to};
        }
    }
    plan->runs = (MatchRuns){runs, n};
}

int match_runs(BlockMatcher *matcher, MatchPlan *plan, size_t column, bool *ret_known,
               MatchRuns *ret_runs)
{
    ParquetFile *file = matcher->block->parquet;
    ParquetType type = parquet_column(file, column)->type;
    ParquetRange *pages;
    size_t n;

    if (!plan->has_runs && (type == PARQUET_INT64 || type == PARQUET_DOUBLE)) {
        TRY(parquet_page_ranges(file, column, matcher->group, &matcher->kept, &pages, &n,
                                matcher->error));
        if (n > 0) {
            collect_runs(matcher, plan, type, pages, n);
        }
        plan->is_ranged = n > 0;
    }
    plan->has_runs = true;
    *ret_known = plan->is_ranged;
    *ret_runs = plan->runs;
    return 0;
}
