// SPDX-License-Identifier: Apache-2.0
#include "codec/scan.h"
#include "codec/utf8.h"
#include "store/block/match.h"

/*
 * Attributes that have no column of their own. The key is a code of the keys' dictionary: where the
 * block does not have it, or the window's entries do not, no value is read. Entries are looked
 * through by code, not row by row.
 */

static unsigned part_of(BlockLevel level)
{
    return 4 + (unsigned)level;
}

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

/* Keys that are no text stand in the map as something else: all entries must be looked at. */
static int find_code(BlockMatcher *matcher, MatchPlan *plan, BlockLevel level)
{
    size_t column = matcher->block->fixed[block_map_column(level)];
    bool only = false;

    if (!utf8_is_valid(plan->filter->key)) {
        return 0;
    }
    TRY(parquet_read_dictionary(matcher->block->parquet, column, matcher->group, &plan->kept, &only,
                                matcher->error));
    const ParquetVector *keys = plan->kept.dictionaries[0];
    for (size_t i = 0; only && i < keys->n_rows; i++) {
        if (str_equal(keys->strs[i], plan->filter->key)) {
            plan->is_key_found = true;
            plan->key_code = (uint32_t)i;
        }
    }
    plan->never = only && !plan->is_key_found;
    return 0;
}

static int prepare(BlockMatcher *matcher, const Filter *filter, BlockLevel level,
                   MatchPlan **ret_plan)
{
    MatchPlan *plan = match_plan(matcher, filter, part_of(level));

    if (!plan->is_counted) {
        KeySearch key = {level, filter->key, 0};

        TRY(block_key_counts(matcher->block, find_key, &key, matcher->error));
        plan->n_map_rows = key.n_map_rows;
        plan->is_counted = true;
    }
    if (!plan->is_prepared) {
        plan->never = plan->n_map_rows == 0;
        if (!plan->never) {
            TRY(find_code(matcher, plan, level));
        }
        plan->is_prepared = true;
    }
    *ret_plan = plan;
    return 0;
}

int match_map_has(BlockMatcher *matcher, const Filter *filter, BlockLevel level, bool *ret_has)
{
    MatchPlan *plan;

    TRY(prepare(matcher, filter, level, &plan));
    *ret_has = !plan->never;
    return 0;
}

/* One row, entry by entry. @row counts from the map's beginning, @bit from the bitmap's. */
static int match_row(BlockMatcher *matcher, const Filter *filter, BlockLevel level,
                     const BlockMap *map, size_t row, size_t bit, KeyMatch *match)
{
    BlockMapWalk walk = block_map_walk(map, row);
    Attribute attribute;
    int more;

    arena_reset(&matcher->scratch);
    while ((more = block_map_next(&walk, &matcher->scratch, &attribute)) > 0) {
        if (str_equal(attribute.key, filter->key)) {
            match_set(match->has, bit, true);
            match_set(match->matches, bit,
                      match_ask_value(matcher, filter, level, attribute.value));
            return match_pause(matcher);
        }
    }
    return more == 0 ? 0 : match_fail(matcher, "the types of a map are malformed");
}

static int read_map(BlockMatcher *matcher, MatchPlan *plan, BlockLevel level, MatchRange range,
                    BlockMap *ret_map)
{
    Block *block = matcher->block;

    TRY(parquet_read_kept(block->parquet, block->fixed[block_map_column(level)], range.from,
                          range.to, &plan->kept, &ret_map->entries, matcher->error));
    return block_read_fixed(block, block_map_type_column(level), range.from, range.to,
                            &matcher->window, &ret_map->types, matcher->error);
}

static int match_all_rows(BlockMatcher *matcher, MatchPlan *plan, BlockLevel level,
                          MatchRange range, KeyMatch *match)
{
    BlockMap map;

    TRY(read_map(matcher, plan, level, range, &map));
    match_clear_probe(matcher);
    for (size_t row = 0; row < range.to - range.from; row++) {
        if (!match_get(match->has, row) &&
            map.entries.offsets[row] != map.entries.offsets[row + 1]) {
            TRY(match_row(matcher, plan->filter, level, &map, row, row, match));
        }
    }
    return 0;
}

/* The answers of values that are codes, each asked once in the block: 0 not yet, else 1 + answer.
 */
static bool ask_text(BlockMatcher *matcher, MatchPlan *plan, BlockLevel level,
                     const ParquetVector *values, size_t entry)
{
    if (values->codes == NULL) {
        return match_ask_value(matcher, plan->filter, level,
                               value_string(parquet_str(values, entry)));
    }
    if (plan->answered != values->dictionary) {
        plan->answers = arena_zero(&matcher->kept, values->dictionary->n_rows + 1);
        plan->answered = values->dictionary;
    }
    uint8_t *answer = &plan->answers[values->codes[entry]];
    if (*answer == 0) {
        Str text = values->dictionary->strs[values->codes[entry]];
        *answer = 1 + match_ask_value(matcher, plan->filter, level, value_string(text));
    }
    return *answer == 2;
}

/* @entries: a bit per entry of the map that has the key. */
static int match_entries(BlockMatcher *matcher, MatchPlan *plan, BlockLevel level,
                         const BlockMap *map, const uint64_t *entries, size_t first_bit,
                         KeyMatch *match)
{
    const uint32_t *offsets = map->entries.offsets;

    match_clear_probe(matcher);
    for (size_t row = 0, word = 0; word < (map->entries.keys->n_rows + 63) / 64; word++) {
        for (uint64_t bits = entries[word]; bits != 0; bits &= bits - 1) {
            size_t entry = word * 64 + (size_t)__builtin_ctzll(bits);

            while (offsets[row + 1] <= entry) {
                row++;
            }
            if (match_get(match->has, first_bit + row)) {
                continue; /* a column's value, or an entry before, counts */
            }
            if (!parquet_is_null(&map->types, row)) {
                TRY(match_row(matcher, plan->filter, level, map, row, first_bit + row, match));
                continue;
            }
            match_set(match->has, first_bit + row, true);
            match_set(match->matches, first_bit + row,
                      ask_text(matcher, plan, level, map->entries.values, entry));
            TRY(match_pause(matcher));
        }
    }
    return 0;
}

/* The rows of @range that have the key, widened to words: most windows have few. Returns whether
 * there are any. */
static bool narrow(const ParquetVector *keys, const uint64_t *entries, MatchRange range,
                   MatchRange *ret_range)
{
    size_t n_words = (keys->keys->n_rows + 63) / 64, low = 0, high = n_words, row = 0;

    while (low < n_words && entries[low] == 0) {
        low++;
    }
    if (low == n_words) {
        return false;
    }
    while (entries[high - 1] == 0) {
        high--;
    }
    size_t first = low * 64 + (size_t)__builtin_ctzll(entries[low]);
    size_t last = high * 64 - 1 - (size_t)__builtin_clzll(entries[high - 1]);
    while (keys->offsets[row + 1] <= first) {
        row++;
    }
    ret_range->from = range.from + row / 64 * 64;
    while (keys->offsets[row + 1] <= last) {
        row++;
    }
    ret_range->to = range.from + row + 1;
    return true;
}

static uint64_t *entry_bits(BlockMatcher *matcher, const ParquetVector *keys, uint32_t code)
{
    size_t n = keys->keys->n_rows;
    uint64_t *bits = ARENA_ARRAY(&matcher->window, uint64_t, (n + 63) / 64 + 1);

    if (n > 0) {
        scan_code(keys->keys->codes, n, code, bits);
    }
    return bits;
}

static int match_coded(BlockMatcher *matcher, MatchPlan *plan, BlockLevel level, MatchRange range,
                       KeyMatch *match)
{
    Block *block = matcher->block;
    MatchRange part = range;
    ParquetVector keys;
    BlockMap map;

    TRY(parquet_read_keys(block->parquet, block->fixed[block_map_column(level)], range.from,
                          range.to, &plan->kept, &keys, matcher->error));
    if (keys.keys->n_rows > 0 && keys.keys->codes == NULL) {
        return match_all_rows(matcher, plan, level, range, match);
    }
    if (!narrow(&keys, entry_bits(matcher, &keys, plan->key_code), range, &part)) {
        return 0;
    }
    TRY(read_map(matcher, plan, level, part, &map));
    if (map.entries.keys->codes == NULL) {
        return match_all_rows(matcher, plan, level, range, match);
    }
    return match_entries(matcher, plan, level, &map,
                         entry_bits(matcher, &map.entries, plan->key_code), part.from - range.from,
                         match);
}

int match_map(BlockMatcher *matcher, const Filter *filter, BlockLevel level, MatchRange range,
              KeyMatch *match)
{
    MatchPlan *plan;

    TRY(prepare(matcher, filter, level, &plan));
    if (plan->never) {
        return 0;
    }
    return plan->is_key_found ? match_coded(matcher, plan, level, range, match)
                              : match_all_rows(matcher, plan, level, range, match);
}
