// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "store/block.h"
#include "store/block/pairs.h"
#include "store/block/summary.h"

/*
 * A key's values over row groups. The most frequent of each group are added to those that were
 * kept, found by hash; when there are too many, the rarest are forgotten, and from then on counts
 * may be too small and the number of distinct values comes from a sketch, which saw all of them.
 */
typedef struct KeptValue {
    uint64_t hash, count;
    uint64_t order; /* of arrival; equal counts keep it */
    uint8_t length; /* of @text; LONG: not kept */
    char text[BLOCK_PAIR_TEXT_MAX];
} KeptValue;

enum { TEXT_LONG = 255 };

typedef struct Range {
    ParquetType type;
    bool is_set;
    int64_t least, greatest; /* doubles by their bits */
    double least_double, greatest_double;
} Range;

typedef struct KeySummary {
    struct {
        uint32_t level, number;
    } id;
    Range range;
    KeptValue *values;
    size_t n_values, capacity;
    uint64_t n_arrived;
    bool is_partial;             /* not all values are kept with their counts */
    uint64_t n_distinct;         /* of the only group, or values of numbers that are not listed */
    bool is_all;                 /* n_distinct is what there is */
    BlockDistinctSketch *sketch; /* of several groups */
} KeySummary;

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

/* --- Values --- */

/* The numbers of the most frequent values, equal ones in their order. Returns how many. */
static size_t find_top(const BlockDistinct *distinct, size_t top[BLOCK_VALUES_KEPT])
{
    size_t n = 0;

    for (size_t i = 0; distinct->is_listed && i < distinct->n; i++) {
        size_t at = n;

        while (at > 0 && distinct->counts[top[at - 1]] < distinct->counts[i]) {
            at--;
        }
        if (at == BLOCK_VALUES_KEPT) {
            continue;
        }
        n = MIN(n + 1, (size_t)BLOCK_VALUES_KEPT);
        mem_move(top + at + 1, top + at, (n - at - 1) * sizeof(*top));
        top[at] = i;
    }
    return n;
}

static void keep_value(KeySummary *key, Str text, uint64_t count)
{
    uint64_t hash = hash_stable(text);
    size_t i = 0;

    while (i < key->n_values && key->values[i].hash != hash) {
        i++;
    }
    if (i == key->n_values) {
        ARRAY_RESERVE(key->values, key->n_values, key->capacity);
        KeptValue *value = &key->values[key->n_values++];

        *value = (KeptValue){.hash = hash, .order = key->n_arrived++, .length = TEXT_LONG};
        if (text.len <= BLOCK_PAIR_TEXT_MAX) {
            value->length = (uint8_t)text.len;
            mem_copy(value->text, text.ptr, text.len);
        }
    }
    key->values[i].count += count;
}

static int compare_kept(const void *a, const void *b)
{
    const KeptValue *left = a, *right = b;

    if (left->count != right->count) {
        return left->count < right->count ? 1 : -1;
    }
    return left->order < right->order ? -1 : left->order > right->order;
}

/* The most frequent first; the rest is forgotten. */
static void prune(KeySummary *key)
{
    if (key->n_values > 0) {
        qsort(key->values, key->n_values, sizeof(*key->values), compare_kept);
    }
    if (key->n_values > BLOCK_VALUES_KEPT) {
        key->n_values = BLOCK_VALUES_KEPT;
        key->is_partial = true;
    }
}

static void add_listed(KeySummary *key, const BlockDistinct *distinct)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t top[BLOCK_VALUES_KEPT], n = find_top(distinct, top);

    for (size_t i = 0; i < n; i++) {
        Value value = block_distinct_value(distinct, top[i]);

        arena_reset(&arena);
        keep_value(key, value_text(&value, &arena), distinct->counts[top[i]]);
    }
    key->is_partial = key->is_partial || n < distinct->n;
    prune(key);
}

/* --- How many there are --- */

static void sketch_bytes(void *context, size_t row, int64_t number, Str bytes)
{
    block_distinct_sketch_add(context, hash_stable(bytes));
}

static void add_to_sketch(KeySummary *key, const BlockDistinct *distinct)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    bool is_text = key->range.type == PARQUET_STRING;

    if (key->sketch == NULL) {
        key->sketch = NEW(BlockDistinctSketch);
    }
    if (!distinct->is_listed && is_text) {
        column_each(distinct->column, sketch_bytes, key->sketch);
    }
    for (size_t i = 0; distinct->is_listed && i < distinct->n; i++) {
        Value value = block_distinct_value(distinct, i);

        arena_reset(&arena);
        block_distinct_sketch_add(key->sketch, hash_stable(value_text(&value, &arena)));
    }
    if (!distinct->is_listed && !is_text) { /* numbers with many values: all count as distinct */
        key->n_distinct += distinct->n;
    }
}

static uint64_t count_distinct(const KeySummary *key)
{
    if (key->is_all) {
        return key->n_distinct;
    }
    return !key->is_partial ? key->n_values
                            : MAX(block_distinct_sketch_count(key->sketch) + key->n_distinct,
                                  (uint64_t)key->n_values);
}

/* --- Groups --- */

static void add_key(BlockSummaries *summaries, const BlockKeyValues *from, bool is_all)
{
    const uint32_t id[] = {from->level, from->number};
    const BlockDistinct *distinct = &from->distinct;
    KeySummary *key = table_put(&summaries->keys, id, NULL);

    key->range.type = column_description(distinct->column)->type;
    if (key->range.type == PARQUET_INT64 || key->range.type == PARQUET_DOUBLE) {
        column_each(distinct->column, widen, &key->range);
    }
    add_listed(key, distinct);
    key->is_partial = key->is_partial || !distinct->is_listed;
    if (is_all) {
        key->n_distinct = distinct->n;
        key->is_all = true;
    } else {
        add_to_sketch(key, distinct);
    }
}

void block_summaries_add(BlockSummaries *summaries, const BlockKeyValues *keys, size_t n_keys,
                         bool is_all)
{
    if (summaries->keys.record_size == 0) {
        table_init(&summaries->keys, sizeof(KeySummary), 2 * sizeof(uint32_t));
    }
    for (size_t i = 0; i < n_keys; i++) {
        const ColumnData *column = keys[i].place.column;

        if (column != NULL && column_count(column) > 0) {
            add_key(summaries, &keys[i], is_all);
        }
    }
}

/* --- The section --- */

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

/* Returns how many values that is: long ones leave their places empty. */
static size_t append_top(const KeySummary *key, Buf *buf)
{
    size_t n_short = 0;

    for (size_t i = 0; i < MIN(key->n_values, (size_t)BLOCK_TOP_VALUES); i++) {
        const KeptValue *value = &key->values[i];

        if (value->length != TEXT_LONG) {
            bytes_append_counted(buf, str_from_bytes(value->text, value->length));
            varint_append(buf, value->count);
            n_short++;
        }
    }
    return n_short;
}

static void append_summary(Buf *buf, const BlockKeyValues *from, const KeySummary *key)
{
    CLEANUP(buf_deinit) Buf top = {0};
    size_t n_top = append_top(key, &top);
    unsigned flags = 0;

    if (key->range.is_set) {
        flags = key->range.type == PARQUET_INT64 ? SUMMARY_INTEGERS : SUMMARY_DOUBLES;
    }
    if (!key->is_partial && n_top == key->n_values && from->place.n_map_rows == 0) {
        flags |= SUMMARY_COMPLETE;
    }
    buf_append_byte(buf, (uint8_t)from->level);
    bytes_append_counted(buf, from->place.key);
    varint_append(buf, count_distinct(key));
    buf_append_byte(buf, (uint8_t)flags);
    append_range(buf, &key->range);
    varint_append(buf, n_top);
    buf_append_str(buf, buf_str(&top));
}

void block_summaries_append(const BlockSummaries *summaries, const BlockKeyValues *keys,
                            size_t n_keys, Buf *buf)
{
    CLEANUP(buf_deinit) Buf all = {0};
    size_t n = 0;

    for (size_t i = 0; i < n_keys && summaries->keys.record_size > 0; i++) {
        const uint32_t id[] = {keys[i].level, keys[i].number};
        const KeySummary *key = table_find(&summaries->keys, id);

        if (key != NULL) {
            append_summary(&all, &keys[i], key);
            n++;
        }
    }
    varint_append(buf, n);
    buf_append_str(buf, buf_str(&all));
}

void block_summaries_deinit(BlockSummaries *summaries)
{
    for (size_t i = 0; i < summaries->keys.n_records; i++) {
        KeySummary *key = table_at(&summaries->keys, i);

        mem_free(key->values);
        mem_free(key->sketch);
    }
    mem_free(summaries->keys.slots);
    mem_free(summaries->keys.records);
    *summaries = (BlockSummaries){0};
}
