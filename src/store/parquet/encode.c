// SPDX-License-Identifier: Apache-2.0
#include "store/parquet/column_private.h"

#include <math.h>
#include <zstd.h>

#include "base/assert.h"
#include "codec/bits.h"
#include "codec/delta.h"
#include "codec/hash.h"
#include "codec/varint.h"

/*
 * A leaf column becomes a chunk: a dictionary page if it pays, then data pages of PAGE_ROWS rows or
 * PAGE_BYTES bytes, whichever comes first. All pages start at a multiple of eight rows, so that the
 * bitmap of nulls is copied as it is: it is one bit-packed run of the RLE hybrid.
 *
 * PAGE_ROWS: a trace is read by decoding one page of every column, so pages are small; each costs
 * about 50 bytes of header and index. 4,096 rows: 0.3 bytes a row more than 8,192, over 40 columns,
 * and a trace by its id in two thirds of the time.
 */
enum { PAGE_ROWS = 4096, PAGE_BYTES = 1 << 20, PAGE_ENTRIES = 1 << 16, ZSTD_LEVEL = 1 };

/* Integers are worth a dictionary when there are at most so many distinct ones, and less than a
 * quarter of the values. */
enum { INT_DICTIONARY_MAX = 16384, INT_DICTIONARY_SLOTS = 4 * INT_DICTIONARY_MAX };

/* Values of one leaf, seen as what the pages hold: codes or the values themselves. */
typedef struct Leaf {
    const ColumnData *column;
    const ColumnData *map; /* the MAP it belongs to, or NULL */
    size_t n_rows;
    int32_t encoding;
    int32_t codec;
    const uint32_t *codes; /* with a dictionary */
    unsigned code_width;
    int64_t *int_dictionary; /* the distinct integers, in order of code */
    size_t n_dictionary;
    size_t value, entry; /* where the next page starts */
    size_t byte;         /* ... in column->bytes */
} Leaf;

int32_t encode_physical_type(const ColumnData *column)
{
    switch (column->description.type) {
    case PARQUET_BOOL:
        return PHYSICAL_BOOLEAN;
    case PARQUET_INT32:
        return PHYSICAL_INT32;
    case PARQUET_INT64:
        return PHYSICAL_INT64;
    case PARQUET_DOUBLE:
        return PHYSICAL_DOUBLE;
    case PARQUET_FIXED:
    case PARQUET_UUID:
        return PHYSICAL_FIXED;
    default:
        return PHYSICAL_BYTE_ARRAY;
    }
}

static bool is_integer(const ColumnData *column)
{
    return column->description.type == PARQUET_INT32 || column->description.type == PARQUET_INT64;
}

/* --- Choosing the encoding --- */

/* Gives each distinct integer a code. Returns whether that pays. */
static bool build_int_dictionary(Encoder *encoder, Leaf *leaf)
{
    const ColumnData *column = leaf->column;
    size_t n = column->n_values;
    size_t limit = MIN(n / 4 + 1, (size_t)INT_DICTIONARY_MAX);
    CLEANUP(mem_freep) uint16_t *slots = NEW_ARRAY(uint16_t, INT_DICTIONARY_SLOTS);
    int64_t *distinct = ARENA_ARRAY(&encoder->leaf, int64_t, limit);
    uint32_t *codes = arena_alloc(&encoder->leaf, n * sizeof(*codes));
    size_t n_distinct = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t mixed = (uint64_t)column->ints[i] * 0x9e3779b97f4a7c15U;
        size_t at = mixed >> 48 & (INT_DICTIONARY_SLOTS - 1);

        while (slots[at] != 0 && distinct[slots[at] - 1] != column->ints[i]) {
            at = (at + 1) & (INT_DICTIONARY_SLOTS - 1);
        }
        if (slots[at] == 0) {
            if (n_distinct == limit) {
                return false;
            }
            distinct[n_distinct++] = column->ints[i];
            slots[at] = (uint16_t)n_distinct;
        }
        codes[i] = (uint32_t)slots[at] - 1;
    }
    leaf->codes = codes;
    leaf->int_dictionary = distinct;
    leaf->n_dictionary = n_distinct;
    return true;
}

static void choose_int_encoding(Encoder *encoder, Leaf *leaf)
{
    const ParquetColumn *description = &leaf->column->description;

    if (description->encoding == PARQUET_AUTO && build_int_dictionary(encoder, leaf)) {
        leaf->encoding = ENCODING_RLE_DICTIONARY;
    } else if (is_integer(leaf->column) && description->encoding != PARQUET_PLAIN &&
               description->encoding != PARQUET_PLAIN_BARE) {
        leaf->encoding = ENCODING_DELTA_BINARY_PACKED;
    }
}

static void choose_encoding(Encoder *encoder, Leaf *leaf)
{
    const ColumnData *column = leaf->column;
    ParquetType type = column->description.type;

    ParquetEncoding wanted = column->description.encoding;

    leaf->encoding = wanted == PARQUET_LENGTHS || wanted == PARQUET_LENGTHS_BARE
                         ? ENCODING_DELTA_LENGTH_BYTE_ARRAY
                         : ENCODING_PLAIN;
    leaf->codec =
        wanted == PARQUET_PLAIN_BARE || wanted == PARQUET_LENGTHS_BARE ? CODEC_NONE : CODEC_ZSTD;
    if (column->n_values == 0) {
        return;
    }
    if (is_integer(column) || type == PARQUET_DOUBLE) {
        choose_int_encoding(encoder, leaf);
    } else if (type != PARQUET_BOOL && column_dictionary_pays(column)) {
        leaf->encoding = ENCODING_RLE_DICTIONARY;
        leaf->codes = column->codes;
        leaf->n_dictionary = symbols_count(&column->dictionary);
    }
    leaf->code_width = leaf->n_dictionary == 0 ? 0 : bits_needed(leaf->n_dictionary - 1);
}

/* --- Values --- */

static void append_int(Buf *buf, const ColumnData *column, int64_t value)
{
    if (column->description.type == PARQUET_INT32) {
        buf_append_u32le(buf, (uint32_t)value);
    } else {
        buf_append_u64le(buf, (uint64_t)value);
    }
}

static void append_counted(Buf *buf, Str value)
{
    buf_append_u32le(buf, (uint32_t)value.len);
    buf_append_str(buf, value);
}

static void append_bools(Buf *buf, const int64_t *values, size_t n)
{
    uint8_t *packed = buf_grow(buf, bits_size(n, 1));

    mem_fill(packed, 0, bits_size(n, 1));
    for (size_t i = 0; i < n; i++) {
        packed[i / 8] = (uint8_t)(packed[i / 8] | (values[i] != 0) << (i % 8));
    }
}

/* Bytes by themselves; a column that collected codes is expanded. */
static void append_plain_bytes(Buf *buf, Leaf *leaf, size_t n)
{
    const ColumnData *column = leaf->column;

    for (size_t i = leaf->value; i < leaf->value + n; i++) {
        if (!column->is_plain) {
            append_counted(buf, symbols_get(&column->dictionary, column->codes[i]));
            continue;
        }
        Str value = {(const char *)column->bytes.ptr + leaf->byte, column->lengths[i]};
        append_counted(buf, value);
        leaf->byte += value.len;
    }
}

/* All lengths, then all bytes. */
static void append_lengths_bytes(Buf *buf, Leaf *leaf, size_t n)
{
    const ColumnData *column = leaf->column;
    CLEANUP(mem_freep) int64_t *lengths = NEW_ARRAY(int64_t, n + 1);
    size_t size = 0;

    for (size_t i = 0; i < n; i++) {
        lengths[i] = column->lengths[leaf->value + i];
        size += column->lengths[leaf->value + i];
    }
    delta_append(buf, lengths, n, 32);
    buf_append(buf, column->bytes.ptr + leaf->byte, size);
    leaf->byte += size;
}

static void append_fixed(Buf *buf, Leaf *leaf, size_t n)
{
    size_t size = n * leaf->column->description.size;

    buf_append(buf, leaf->column->bytes.ptr + leaf->byte, size);
    leaf->byte += size;
}

static void append_plain(Buf *buf, Leaf *leaf, size_t n)
{
    const ColumnData *column = leaf->column;

    switch (column->description.type) {
    case PARQUET_BOOL:
        append_bools(buf, column->ints + leaf->value, n);
        break;
    case PARQUET_FIXED:
    case PARQUET_UUID:
        append_fixed(buf, leaf, n);
        break;
    case PARQUET_INT32:
    case PARQUET_INT64:
    case PARQUET_DOUBLE:
        for (size_t i = leaf->value; i < leaf->value + n; i++) {
            append_int(buf, column, column->ints[i]);
        }
        break;
    default:
        append_plain_bytes(buf, leaf, n);
    }
}

/* The next @n values. */
static void append_values(Buf *buf, Leaf *leaf, size_t n)
{
    const ColumnData *column = leaf->column;

    if (leaf->encoding == ENCODING_RLE_DICTIONARY) {
        buf_append_byte(buf, (uint8_t)leaf->code_width);
        rle_append(buf, leaf->codes + leaf->value, n, leaf->code_width);
    } else if (leaf->encoding == ENCODING_DELTA_BINARY_PACKED) {
        unsigned bits = column->description.type == PARQUET_INT32 ? 32 : 64;
        delta_append(buf, column->ints + leaf->value, n, bits);
    } else if (leaf->encoding == ENCODING_DELTA_LENGTH_BYTE_ARRAY) {
        append_lengths_bytes(buf, leaf, n);
    } else {
        append_plain(buf, leaf, n);
    }
    leaf->value += n;
}

/* --- Pages --- */

/* Compresses encoder->page and appends it with its header. Returns the bytes appended. */
static size_t append_page(Encoder *encoder, Leaf *leaf, MetaPage *page, MetaChunk *chunk)
{
    const Buf *body = &encoder->page;
    size_t before = encoder->file->len;

    ASSERT(body->len <= INT32_MAX);
    page->uncompressed_size = (int32_t)body->len;
    if (leaf->codec == CODEC_ZSTD) {
        size_t bound = ZSTD_compressBound(body->len);

        buf_clear(&encoder->packed);
        uint8_t *to = buf_grow(&encoder->packed, bound);
        size_t size = ZSTD_compressCCtx(encoder->zstd, to, bound, body->ptr, body->len, ZSTD_LEVEL);
        ASSERT(!ZSTD_isError(size));
        encoder->packed.len = size;
        body = &encoder->packed;
    }
    page->compressed_size = (int32_t)body->len;
    page->has_crc = true;
    page->crc = checksum_crc32(buf_str(body));
    meta_append_page(encoder->file, page);
    chunk->uncompressed_size += page->uncompressed_size + (int64_t)(encoder->file->len - before);
    buf_append(encoder->file, body->ptr, body->len);
    chunk->compressed_size += (int64_t)(encoder->file->len - before);
    return encoder->file->len - before;
}

static void append_dictionary(Encoder *encoder, Leaf *leaf, MetaChunk *chunk)
{
    const ColumnData *column = leaf->column;
    MetaPage page = {.type = PAGE_DICTIONARY,
                     .n_values = (int32_t)leaf->n_dictionary,
                     .encoding = ENCODING_PLAIN};

    buf_clear(&encoder->page);
    for (size_t i = 0; i < leaf->n_dictionary; i++) {
        if (leaf->int_dictionary != NULL) {
            append_int(&encoder->page, column, leaf->int_dictionary[i]);
        } else {
            append_counted(&encoder->page, symbols_get(&column->dictionary, (uint32_t)i));
        }
    }
    chunk->dictionary_offset = (int64_t)encoder_offset(encoder);
    append_page(encoder, leaf, &page, chunk);
}

/* How many of @n_rows rows from @from have a value. */
static size_t count_present(const ColumnData *column, size_t from, size_t n_rows)
{
    size_t count = 0;

    if (!column->description.optional) {
        return n_rows;
    }
    for (size_t row = from; row < from + n_rows && row / 64 < column->present_words;) {
        if (row % 64 == 0 && row + 64 <= from + n_rows) {
            count += (size_t)__builtin_popcountll(column->present[row / 64]);
            row += 64;
        } else {
            count += column->present[row / 64] >> (row % 64) & 1;
            row++;
        }
    }
    return count;
}

/* The definition levels of an optional flat column: its bitmap as one run. */
static void append_nulls(Buf *buf, const ColumnData *column, size_t from, size_t n_rows,
                         size_t n_present)
{
    size_t at = buf->len;

    buf_append_u32le(buf, 0);
    if (n_present == 0 || n_present == n_rows) {
        varint_append(buf, (uint64_t)n_rows << 1);
        buf_append_byte(buf, n_present != 0);
    } else {
        size_t bytes = (n_rows + 7) / 8;
        size_t there = MIN(bytes, column->present_words * 8 - from / 8);

        varint_append(buf, (uint64_t)bytes << 1 | 1);
        buf_append(buf, (const uint8_t *)column->present + from / 8, there);
        mem_fill(buf_grow(buf, bytes - there), 0, bytes - there);
    }
    uint32_t size = (uint32_t)(buf->len - at - 4);
    mem_copy(buf->ptr + at, &size, sizeof(size));
}

static void append_levels(Buf *buf, const uint32_t *levels, size_t n)
{
    size_t at = buf->len;

    buf_append_u32le(buf, 0);
    rle_append(buf, levels, n, 1);
    uint32_t size = (uint32_t)(buf->len - at - 4);
    mem_copy(buf->ptr + at, &size, sizeof(size));
}

/* The repetition and definition levels of rows [from, from + n_rows) of a MAP. Returns how many
 * there are; @ret_entries how many of them are entries. */
static size_t append_map_levels(Buf *buf, const Leaf *leaf, size_t from, size_t n_rows,
                                size_t *ret_entries)
{
    const ColumnData *map = leaf->map;
    size_t last = leaf->entry;

    while (last < map->n_values && map->entry_rows[last] < from + n_rows) {
        last++;
    }
    CLEANUP(mem_freep) uint32_t *levels = NEW_ARRAY(uint32_t, 2 * (n_rows + last - leaf->entry));
    uint32_t *repeats = levels, *defined = levels + n_rows + (last - leaf->entry);
    size_t n = 0, entry = leaf->entry;
    for (size_t row = from; row < from + n_rows; row++) {
        size_t first = entry;

        for (; entry < last && map->entry_rows[entry] == row; entry++, n++) {
            repeats[n] = entry > first;
            defined[n] = 1;
        }
        n += entry == first; /* the empty map: levels 0, 0 */
    }
    append_levels(buf, repeats, n);
    append_levels(buf, defined, n);
    *ret_entries = last - leaf->entry;
    return n;
}

static size_t value_length(const ColumnData *column, size_t value)
{
    return column->is_plain ? column->lengths[value]
                            : symbols_get(&column->dictionary, column->codes[value]).len;
}

/* Rows of the next page of a MAP: limited by entries and bytes too, but at least one. */
static size_t map_page_rows(const Leaf *leaf, size_t from, size_t rows)
{
    const ColumnData *map = leaf->map;
    size_t bytes = 0;

    for (size_t entry = leaf->entry; entry < map->n_values; entry++) {
        size_t row = map->entry_rows[entry];

        if (row >= from + rows) {
            break;
        }
        bool is_full = entry - leaf->entry >= PAGE_ENTRIES || bytes >= PAGE_BYTES;
        if (is_full && row > from && row != map->entry_rows[entry - 1]) {
            return row - from;
        }
        bytes += value_length(leaf->column, entry);
    }
    return rows;
}

/* Rows of the next page: as many as may be by rows and, roughly, by bytes. */
static size_t page_rows(const Leaf *leaf, size_t from)
{
    if (leaf->map == NULL && leaf->column->description.optional && leaf->column->n_values == 0) {
        return leaf->n_rows - from; /* nothing to be found in it */
    }
    size_t rows = MIN(leaf->n_rows - from, (size_t)PAGE_ROWS);
    const ColumnData *column = leaf->column;

    if (leaf->map != NULL) {
        return map_page_rows(leaf, from, rows);
    }
    if ((leaf->encoding != ENCODING_PLAIN && leaf->encoding != ENCODING_DELTA_LENGTH_BYTE_ARRAY) ||
        column->total_bytes < PAGE_BYTES) {
        return rows;
    }
    size_t bytes = 0, value = leaf->value;
    for (size_t row = 0; row < rows; row++) {
        if (row % 8 == 0 && bytes >= PAGE_BYTES) {
            return row;
        }
        if (count_present(column, from + row, 1) != 0) {
            bytes += value_length(column, value++);
        }
    }
    return rows;
}

static bool has_statistics(const ColumnData *column)
{
    return is_integer(column) || column->description.type == PARQUET_DOUBLE;
}

static double as_double(int64_t bits)
{
    double value;

    mem_copy(&value, &bits, sizeof(value));
    return value;
}

/* Least and greatest of @n > 0 values by their bits. Zeroes count as both of theirs, as the format
 * wants it. Returns whether there is no NaN, about which readers disagree. */
static bool find_double_bounds(const int64_t *values, size_t n, int64_t bounds[2])
{
    double least = INFINITY, greatest = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        double value = as_double(values[i]);

        if (isnan(value)) {
            return false;
        }
        least = MIN(least, value);
        greatest = MAX(greatest, value);
    }
    least = least == 0 ? -0.0 : least;
    greatest = greatest == 0 ? 0.0 : greatest;
    mem_copy(&bounds[0], &least, sizeof(least));
    mem_copy(&bounds[1], &greatest, sizeof(greatest));
    return true;
}

static void find_int_bounds(const int64_t *values, size_t n, int64_t bounds[2])
{
    bounds[0] = bounds[1] = values[0];
    for (size_t i = 1; i < n; i++) {
        bounds[0] = MIN(bounds[0], values[i]);
        bounds[1] = MAX(bounds[1], values[i]);
    }
}

/* Without bounds when there is no value, or a NaN. */
static MetaStatistics number_statistics(Encoder *encoder, const ColumnData *column, size_t from,
                                        size_t n, size_t n_nulls)
{
    MetaStatistics statistics = {.nulls = (int64_t)n_nulls};
    size_t size = column->description.type == PARQUET_INT32 ? 4 : 8;
    int64_t *bounds = arena_alloc(encoder->arena, 2 * sizeof(*bounds));

    if (n == 0) {
        return statistics;
    }
    if (is_integer(column)) {
        find_int_bounds(column->ints + from, n, bounds);
    } else if (!find_double_bounds(column->ints + from, n, bounds)) {
        return statistics;
    }
    statistics.min = str_from_bytes(&bounds[0], size);
    statistics.max = str_from_bytes(&bounds[1], size);
    return statistics;
}

/* A page with a NaN leaves the whole column without an index: it has no word for it. */
static void note_page_statistics(EncodedLeaf *out, size_t n_values, MetaStatistics statistics)
{
    if (n_values > 0 && statistics.min.len == 0) {
        out->page_statistics = NULL;
        return;
    }
    out->page_statistics[out->n_pages] = statistics;
}

static void append_data_page(Encoder *encoder, Leaf *leaf, size_t from, size_t n_rows,
                             EncodedLeaf *out)
{
    MetaPage page = {.type = PAGE_DATA, .encoding = leaf->encoding};
    size_t n_levels = n_rows, n_values, first = leaf->value;

    buf_clear(&encoder->page);
    if (leaf->map != NULL) {
        n_levels = append_map_levels(&encoder->page, leaf, from, n_rows, &n_values);
        leaf->entry += n_values;
    } else {
        n_values = count_present(leaf->column, from, n_rows);
        if (leaf->column->description.optional) {
            append_nulls(&encoder->page, leaf->column, from, n_rows, n_values);
        }
    }
    ASSERT(first + n_values <= leaf->column->n_values);
    append_values(&encoder->page, leaf, n_values);
    page.n_values = (int32_t)n_levels;
    out->chunk.n_values += (int64_t)n_levels;
    out->chunk.statistics.nulls += leaf->map == NULL ? (int64_t)(n_rows - n_values) : 0;
    ASSERT(out->n_pages < out->pages_max);
    if (out->page_statistics != NULL) {
        note_page_statistics(
            out, n_values,
            number_statistics(encoder, leaf->column, first, n_values, n_rows - n_values));
    }
    int64_t offset = (int64_t)encoder_offset(encoder);
    size_t size = append_page(encoder, leaf, &page, &out->chunk);
    out->pages[out->n_pages++] = (MetaLocation){offset, (int32_t)size, (int64_t)from};
}

static void set_chunk_statistics(Encoder *encoder, const ColumnData *column, MetaChunk *chunk)
{
    if (has_statistics(column)) {
        chunk->statistics = number_statistics(encoder, column, 0, column->n_values,
                                              (size_t)chunk->statistics.nulls);
    }
}

void encode_leaf(Encoder *encoder, const ColumnData *column, const ColumnData *map, size_t n_rows,
                 EncodedLeaf *ret_leaf)
{
    Leaf leaf = {.column = column, .map = map, .n_rows = n_rows};
    /* Each page but the last is full by at least one of the three measures. */
    size_t pages_max = n_rows / PAGE_ROWS + column->n_values / PAGE_ENTRIES +
                       (size_t)(column->total_bytes / PAGE_BYTES) + 2;

    *ret_leaf = (EncodedLeaf){.chunk = {.physical = encode_physical_type(column)}};
    ret_leaf->pages_max = pages_max;
    ret_leaf->pages = ARENA_ARRAY(encoder->arena, MetaLocation, pages_max);
    if (has_statistics(column)) {
        ret_leaf->page_statistics = ARENA_ARRAY(encoder->arena, MetaStatistics, pages_max);
    }
    arena_reset(&encoder->leaf);
    choose_encoding(encoder, &leaf);
    ret_leaf->chunk.codec = leaf.codec;
    ret_leaf->chunk.encodings = 1U << leaf.encoding | 1U << ENCODING_RLE;
    if (leaf.encoding == ENCODING_RLE_DICTIONARY) {
        ret_leaf->chunk.encodings |= 1U << ENCODING_PLAIN;
        append_dictionary(encoder, &leaf, &ret_leaf->chunk);
    }
    ret_leaf->chunk.data_offset = (int64_t)encoder_offset(encoder);
    for (size_t row = 0; row < n_rows;) {
        size_t n = page_rows(&leaf, row);

        append_data_page(encoder, &leaf, row, n, ret_leaf);
        row += n;
    }
    ASSERT(leaf.value == column->n_values);
    set_chunk_statistics(encoder, column, &ret_leaf->chunk);
}
