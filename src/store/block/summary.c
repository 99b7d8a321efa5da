// SPDX-License-Identifier: Apache-2.0
#include "store/block/summary.h"

#include "codec/bytes.h"
#include "store/block/pairs.h"
#include "store/block/reader.h"

static int take_bound(Str *in, unsigned flags, Value *ret_value)
{
    Str bits;

    if ((flags & SUMMARY_INTEGERS) != 0) {
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
    if (flags > SUMMARY_ALL || (flags & SUMMARY_ALL) == SUMMARY_ALL) {
        return 1;
    }
    summary->is_complete = (flags & SUMMARY_COMPLETE) != 0;
    summary->has_range = (flags & (SUMMARY_INTEGERS | SUMMARY_DOUBLES)) != 0;
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
