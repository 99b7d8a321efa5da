// SPDX-License-Identifier: Apache-2.0
#include "codec/bits.h"
#include "codec/bytes.h"
#include "codec/delta.h"
#include "store/parquet/decode.h"

/* The inside of a decompressed data page: levels, then values in one of the encodings. */

/* --- Values --- */

static int take_plain_ints(const ParquetLeaf *leaf, Str *in, int64_t *ints, size_t n)
{
    size_t size = leaf->physical == PHYSICAL_INT32 ? 4 : 8;
    Str bytes;

    TRY(bytes_take(in, n * size, &bytes));
    if (size == 8) {
        mem_copy(ints, bytes.ptr, bytes.len);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        int32_t value;

        mem_copy(&value, bytes.ptr + 4 * i, sizeof(value));
        ints[i] = value;
    }
    return 0;
}

/* Values @first to @end of those in the page. */
static int take_plain_strs(const ParquetLeaf *leaf, Str *in, Str *strs, size_t first, size_t end)
{
    bool is_fixed = leaf->physical == PHYSICAL_FIXED;
    Str skipped, prefix;

    if (is_fixed) {
        TRY(bytes_take(in, first * leaf->size, &skipped));
    }
    for (size_t i = is_fixed ? first : 0; i < end; i++) {
        uint32_t len = leaf->size;

        if (!is_fixed) {
            TRY(bytes_take(in, 4, &prefix));
            mem_copy(&len, prefix.ptr, sizeof(len));
        }
        TRY(bytes_take(in, len, i >= first ? &strs[i] : &skipped));
    }
    return 0;
}

/* As take_plain_strs(), of @n whose lengths come first. */
static int take_lengths_strs(const ParquetPage *page, Str *in, Arena *arena, Str *strs)
{
    size_t n = page->values.n;
    int64_t *lengths = arena_alloc(arena, n * sizeof(*lengths));
    Str skipped;

    TRY(delta_take(in, 32, lengths, n));
    for (size_t i = 0; i < page->end; i++) {
        if (lengths[i] < 0) {
            return 1;
        }
        TRY(bytes_take(in, (uint64_t)lengths[i], i >= page->first ? &strs[i] : &skipped));
    }
    return 0;
}

static int take_bools(const ParquetPage *page, Str *in, Arena *arena, int64_t *ints, size_t n)
{
    uint32_t *bits = arena_alloc(arena, n * sizeof(*bits));
    Str packed;

    if (page->meta.encoding == ENCODING_RLE) {
        TRY(bytes_take(in, 4, &packed));
        TRY(rle_take(in, 1, bits, n));
    } else {
        TRY(bytes_take(in, bits_size(n, 1), &packed));
        bits_unpack32(packed, 1, bits, n);
    }
    for (size_t i = 0; i < n; i++) {
        ints[i] = bits[i];
    }
    return 0;
}

int parquet_take_values(const ParquetLeaf *leaf, ParquetPage *page, Str *in, Arena *arena)
{
    ParquetPageValues *values = &page->values;
    int32_t encoding = page->meta.encoding;
    bool is_plain = encoding == ENCODING_PLAIN;

    if (encoding == ENCODING_DELTA_LENGTH_BYTE_ARRAY && leaf->physical == PHYSICAL_BYTE_ARRAY) {
        values->strs = arena_alloc(arena, values->n * sizeof(Str));
        return take_lengths_strs(page, in, arena, values->strs);
    }
    if (leaf->physical == PHYSICAL_BYTE_ARRAY || leaf->physical == PHYSICAL_FIXED) {
        /* Each value takes at least its length, so that n is bounded by the page before memory. */
        size_t least = leaf->physical == PHYSICAL_FIXED ? leaf->size : 4;
        if (!is_plain || values->n > in->len / least) {
            return 1;
        }
        values->strs = arena_alloc(arena, values->n * sizeof(Str));
        return take_plain_strs(leaf, in, values->strs, page->first, page->end);
    }
    values->ints = arena_alloc(arena, (values->n + 1) * sizeof(int64_t));
    values->ints[values->n] = 0;
    if (leaf->physical == PHYSICAL_BOOLEAN && (is_plain || encoding == ENCODING_RLE)) {
        return take_bools(page, in, arena, values->ints, values->n);
    }
    if (encoding == ENCODING_DELTA_BINARY_PACKED && leaf->physical != PHYSICAL_DOUBLE) {
        return delta_take_first(in, leaf->physical == PHYSICAL_INT32 ? 32 : 64, values->ints,
                                values->n, page->end);
    }
    return is_plain && leaf->physical != PHYSICAL_BOOLEAN
               ? take_plain_ints(leaf, in, values->ints, values->n)
               : 1;
}

int parquet_take_codes(ParquetPage *page, Str *in, size_t n_dictionary, Arena *arena)
{
    ParquetPageValues *values = &page->values;
    uint32_t greatest = 0;
    Str width;

    values->codes = arena_alloc(arena, (values->n + 1) * sizeof(uint32_t));
    values->codes[values->n] = 0;
    if (page->end == 0) {
        return 0;
    }
    TRY(bytes_take(in, 1, &width));
    if ((uint8_t)width.ptr[0] > 32) {
        return 1;
    }
    TRY(rle_take_first(in, (uint8_t)width.ptr[0], values->codes, page->end));
    for (size_t i = page->first; i < page->end; i++) {
        greatest = MAX(greatest, values->codes[i]);
    }
    return greatest >= n_dictionary;
}

/* --- Levels --- */

/* With @may_be_none, levels that are all @max are none: NULL. Most flat pages have no nulls. */
static int take_levels(Str *in, unsigned max, size_t n, bool may_be_none, Arena *arena,
                       uint32_t **ret_levels)
{
    Str prefix, bytes;
    uint32_t len;

    TRY(bytes_take(in, 4, &prefix));
    mem_copy(&len, prefix.ptr, sizeof(len));
    TRY(bytes_take(in, len, &bytes));
    if (may_be_none && rle_is_run(bytes, bits_needed(max), max, n)) {
        return 0;
    }
    uint32_t *levels = arena_alloc(arena, n * sizeof(*levels));
    TRY(rle_take(&bytes, bits_needed(max), levels, n));
    for (size_t i = 0; i < n; i++) {
        if (levels[i] > max) {
            return 1;
        }
    }
    *ret_levels = levels;
    return 0;
}

int parquet_take_all_levels(const ParquetLeaf *leaf, ParquetPage *page, Str *in, Arena *arena)
{
    page->n_levels = (size_t)page->meta.n_values;
    page->values.n = page->n_levels;
    if (leaf->max_repetition > 0) {
        TRY(take_levels(in, leaf->max_repetition, page->n_levels, false, arena,
                        &page->repetitions));
    }
    if (leaf->max_definition > 0) {
        TRY(take_levels(in, leaf->max_definition, page->n_levels, leaf->max_repetition == 0, arena,
                        &page->definitions));
        if (page->definitions == NULL) {
            return 0;
        }
        size_t n = 0;
        for (size_t i = 0; i < page->n_levels; i++) {
            n += page->definitions[i] == leaf->max_definition;
        }
        page->values.n = n;
    }
    return 0;
}
