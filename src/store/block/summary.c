// SPDX-License-Identifier: Apache-2.0
#include "store/block/summary.h"

#include <math.h>

#include "base/assert.h"
#include "codec/bytes.h"
#include "store/block/pairs.h"
#include "store/block/reader.h"

/* The last byte before the top values. */
enum { FLAG_COMPLETE = 1, FLAG_INTEGERS = 2, FLAG_DOUBLES = 4, FLAGS_ALL = 7 };

/* --- Writing --- */

typedef struct Range {
    ParquetType type;
    bool is_set;
    int64_t least, greatest; /* doubles by their bits */
    double least_double, greatest_double;
} Range;

static void widen(void *context, size_t row, int64_t number, Str bytes)
{
    Range *range = context;

    if (range->type == PARQUET_INT64) {
        range->least = range->is_set ? MIN(range->least, number) : number;
        range->greatest = range->is_set ? MAX(range->greatest, number) : number;
        range->is_set = true;
        return;
    }
    double value = block_number_value(PARQUET_DOUBLE, number).number;
    if (!isnan(value)) {
        range->least_double = range->is_set ? MIN(range->least_double, value) : value;
        range->greatest_double = range->is_set ? MAX(range->greatest_double, value) : value;
        range->is_set = true;
    }
}

static void append_double(Buf *buf, double value)
{
    uint64_t bits;

    mem_copy(&bits, &value, sizeof(bits));
    buf_append_u64le(buf, bits);
}

static void append_range(Buf *buf, const Range *range)
{
    if (range->is_set && range->type == PARQUET_INT64) {
        zigzag_append(buf, range->least);
        zigzag_append(buf, range->greatest);
    } else if (range->is_set) {
        append_double(buf, range->least_double);
        append_double(buf, range->greatest_double);
    }
}

/* The numbers of the most frequent values, equal ones in their order. Returns how many. */
static size_t find_top(const BlockDistinct *distinct, size_t top[BLOCK_TOP_VALUES])
{
    size_t n = 0;

    for (size_t i = 0; distinct->is_listed && i < distinct->n; i++) {
        size_t at = n;

        while (at > 0 && distinct->counts[top[at - 1]] < distinct->counts[i]) {
            at--;
        }
        if (at == BLOCK_TOP_VALUES) {
            continue;
        }
        n = MIN(n + 1, (size_t)BLOCK_TOP_VALUES);
        mem_move(top + at + 1, top + at, (n - at - 1) * sizeof(*top));
        top[at] = i;
    }
    return n;
}

/* Returns how many values that is. */
static size_t append_top(const BlockDistinct *distinct, Buf *buf)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t top[BLOCK_TOP_VALUES], n = find_top(distinct, top), n_short = 0;

    for (size_t i = 0; i < n; i++) {
        Value value = block_distinct_value(distinct, top[i]);
        Str text = value_text(&value, &arena);

        if (text.len <= BLOCK_PAIR_TEXT_MAX) {
            bytes_append_counted(buf, text);
            varint_append(buf, distinct->counts[top[i]]);
            n_short++;
        }
    }
    return n_short;
}

static void append_summary(Buf *buf, const BlockKeyValues *key)
{
    CLEANUP(buf_deinit) Buf top = {0};
    const BlockDistinct *distinct = &key->distinct;
    Range range = {.type = column_description(distinct->column)->type};
    size_t n_top = append_top(distinct, &top);
    unsigned flags = 0;

    if (range.type == PARQUET_INT64 || range.type == PARQUET_DOUBLE) {
        column_each(distinct->column, widen, &range);
        flags = !range.is_set ? 0 : range.type == PARQUET_INT64 ? FLAG_INTEGERS : FLAG_DOUBLES;
    }
    if (distinct->is_listed && n_top == distinct->n && key->place.n_map_rows == 0) {
        flags |= FLAG_COMPLETE;
    }
    buf_append_byte(buf, (uint8_t)key->level);
    bytes_append_counted(buf, key->place.key);
    varint_append(buf, distinct->n);
    buf_append_byte(buf, (uint8_t)flags);
    append_range(buf, &range);
    varint_append(buf, n_top);
    buf_append_str(buf, buf_str(&top));
}

static bool has_summary(const BlockKeyValues *key)
{
    return key->place.column != NULL && column_count(key->place.column) > 0;
}

void block_summaries_append(Buf *buf, const BlockKeyValues *keys, size_t n_keys)
{
    size_t n = 0;

    for (size_t i = 0; i < n_keys; i++) {
        n += has_summary(&keys[i]);
    }
    varint_append(buf, n);
    for (size_t i = 0; i < n_keys; i++) {
        if (has_summary(&keys[i])) {
            append_summary(buf, &keys[i]);
        }
    }
}

/* --- Reading --- */

static int take_bound(Str *in, unsigned flags, Value *ret_value)
{
    Str bits;

    if ((flags & FLAG_INTEGERS) != 0) {
        ret_value->type = VALUE_INT;
        return zigzag_take(in, &ret_value->integer);
    }
    TRY(bytes_take(in, sizeof(double), &bits));
    ret_value->type = VALUE_DOUBLE;
    mem_copy(&ret_value->number, bits.ptr, sizeof(double));
    return 0;
}

/* One key of the section. */
typedef struct TakenSummary {
    BlockLevel level;
    Str key;
    BlockValueSummary summary;
} TakenSummary;

static int take_top(Str *in, BlockValueSummary *summary)
{
    uint64_t n;

    TRY(varint_take(in, &n));
    if (n > BLOCK_TOP_VALUES) {
        return 1;
    }
    for (; summary->n_top < n; summary->n_top++) {
        TRY(bytes_take_counted(in, &summary->top[summary->n_top].text));
        TRY(varint_take(in, &summary->top[summary->n_top].count));
    }
    return 0;
}

static int take_summary(Str *in, TakenSummary *taken)
{
    Str level, flag_byte;
    BlockValueSummary *summary = &taken->summary;

    *taken = (TakenSummary){.summary = {.is_known = true}};
    TRY(bytes_take(in, 1, &level));
    taken->level = (BlockLevel)(uint8_t)level.ptr[0];
    TRY(bytes_take_counted(in, &taken->key));
    TRY(varint_take(in, &summary->n_distinct));
    TRY(bytes_take(in, 1, &flag_byte));
    unsigned flags = (uint8_t)flag_byte.ptr[0];
    if (flags > FLAGS_ALL || (flags & FLAGS_ALL) == FLAGS_ALL) {
        return 1;
    }
    summary->is_complete = (flags & FLAG_COMPLETE) != 0;
    summary->has_range = (flags & (FLAG_INTEGERS | FLAG_DOUBLES)) != 0;
    if (summary->has_range) {
        TRY(take_bound(in, flags, &summary->least));
        TRY(take_bound(in, flags, &summary->greatest));
    }
    return take_top(in, summary);
}

static int find_summary(Str in, BlockLevel level, Str key, BlockValueSummary *ret_summary)
{
    TakenSummary taken;
    uint64_t n;

    TRY(varint_take(&in, &n));
    for (uint64_t i = 0; i < n; i++) {
        TRY(take_summary(&in, &taken));
        if (taken.level == level && str_equal(taken.key, key)) {
            *ret_summary = taken.summary;
            return 0;
        }
    }
    return 0;
}

int block_value_summary(Block *block, FilterField level, Str key, Arena *arena,
                        BlockValueSummary *ret_summary)
{
    CLEANUP(buf_deinit) Buf section = {0};
    BlockValueSummary summary = {0};
    ParquetPlace place;
    ParseError error = {0};
    BlockLevel of = level == FIELD_RESOURCE_ATTRIBUTE ? BLOCK_RESOURCE_LEVEL : BLOCK_SPAN_LEVEL;

    if (parquet_section(block->parquet, STR("summaries"), &place)) {
        int r = parquet_read_section(block->parquet, STR("summaries"), &section, &error);

        if (r == 0 && find_summary(buf_str(&section), of, key, &summary) != 0) {
            error = (ParseError){(size_t)place.offset, "the summaries section is malformed"};
            r = 1;
        }
        TRY(block_report(block, r, &error));
    }
    for (size_t i = 0; i < summary.n_top; i++) {
        summary.top[i].text = arena_copy(arena, summary.top[i].text);
    }
    *ret_summary = summary;
    return 0;
}
