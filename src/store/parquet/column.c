// SPDX-License-Identifier: Apache-2.0
#include "store/parquet/column.h"

#include "base/assert.h"
#include "codec/bits.h"
#include "store/parquet/column_private.h"

/* From so many distinct values on, a dictionary that is not at least halved by repetition is given
 * up: interning each value costs more than it saves. */
enum { DICTIONARY_TRIAL = 4096 };

static bool is_bytes(ParquetType type)
{
    return type >= PARQUET_BYTES && type <= PARQUET_UUID;
}

static bool is_fixed(ParquetType type)
{
    return type == PARQUET_FIXED || type == PARQUET_UUID;
}

ColumnData *column_new(const ParquetColumn *description)
{
    ColumnData *column = NEW(ColumnData);
    Str name = description->name;

    column->description = *description;
    column->name = str_from_bytes(mem_alloc(name.len), name.len);
    mem_copy((char *)column->name.ptr, name.ptr, name.len);
    column->description.name = column->name;
    column->is_plain =
        (description->encoding != PARQUET_AUTO && description->encoding != PARQUET_DELTA) ||
        is_fixed(description->type);
    ASSERT((description->encoding != PARQUET_LENGTHS &&
            description->encoding != PARQUET_LENGTHS_BARE) ||
           (is_bytes(description->type) && !is_fixed(description->type)));
    if (description->type == PARQUET_MAP) {
        ASSERT(!description->optional);
        column->keys = column_new(&(ParquetColumn){.name = STR("key"), .type = PARQUET_STRING});
        column->values = column_new(&(ParquetColumn){.name = STR("value"), .type = PARQUET_STRING});
    }
    return column;
}

ColumnData *column_free(ColumnData *column)
{
    if (column == NULL) {
        return NULL;
    }
    mem_free((char *)column->name.ptr);
    mem_free(column->present);
    mem_free(column->ints);
    mem_free(column->codes);
    mem_free(column->lengths);
    mem_free(column->cache);
    mem_free(column->entry_rows);
    symbols_deinit(&column->dictionary);
    buf_deinit(&column->bytes);
    column_free(column->keys);
    column_free(column->values);
    mem_free(column);
    return NULL;
}

void column_clear(ColumnData *column)
{
    ColumnData *fresh = column_new(&column->description);
    ColumnData old = *column;

    *column = *fresh;
    *fresh = old;
    column_free(fresh);
}

const ParquetColumn *column_description(const ColumnData *column)
{
    return &column->description;
}

size_t column_count(const ColumnData *column)
{
    return column->n_values;
}

/* Notes that @row has a value, the next one in order. */
static inline void put_row(ColumnData *column, size_t row)
{
    ASSERT(row >= column->next_row && row < PARQUET_ROWS_MAX);
    if (column->description.optional) {
        size_t word = row / 64;

        if (word >= column->present_words) {
            size_t words = MAX(column->present_words * 2, word + 16);

            column->present = mem_resize_array(column->present, words, sizeof(uint64_t));
            mem_fill(column->present + column->present_words, 0,
                     (words - column->present_words) * sizeof(uint64_t));
            column->present_words = words;
        }
        column->present[word] |= (uint64_t)1 << (row % 64);
    } else {
        ASSERT(row == column->next_row);
    }
    column->next_row = row + 1;
}

void column_put_int(ColumnData *column, size_t row, int64_t value)
{
    put_row(column, row);
    ARRAY_RESERVE(column->ints, column->n_values, column->capacity);
    column->ints[column->n_values++] = value;
}

void column_put_double(ColumnData *column, size_t row, double value)
{
    int64_t bits;

    mem_copy(&bits, &value, sizeof(bits));
    column_put_int(column, row, bits);
}

/* The dictionary does not pay: keep the values themselves from here on. */
static void give_up_dictionary(ColumnData *column)
{
    uint32_t *codes = TAKE(column->codes);

    column->is_plain = true;
    column->lengths = mem_resize_array(NULL, column->capacity, sizeof(uint32_t));
    buf_reserve(&column->bytes, column->total_bytes + column->total_bytes / 2);
    for (size_t i = 0; i < column->n_values; i++) {
        Str value = symbols_get(&column->dictionary, codes[i]);

        column->lengths[i] = (uint32_t)value.len;
        buf_append_str(&column->bytes, value);
    }
    mem_free(codes);
    symbols_deinit(&column->dictionary);
    mem_free(TAKE(column->cache));
}

static void put_plain(ColumnData *column, Str value)
{
    ARRAY_RESERVE(column->lengths, column->n_values, column->capacity);
    column->lengths[column->n_values++] = (uint32_t)value.len;
    buf_append_str(&column->bytes, value);
}

static void put_code(ColumnData *column, uint32_t code)
{
    ARRAY_RESERVE(column->codes, column->n_values, column->capacity);
    column->codes[column->n_values++] = code;
}

/* Interns @value and returns its code. */
static uint32_t intern(ColumnData *column, Str value)
{
    return symbols_intern(&column->dictionary, value);
}

static void check_dictionary(ColumnData *column)
{
    size_t distinct = symbols_count(&column->dictionary);

    if (distinct >= DICTIONARY_TRIAL && distinct * 2 > column->n_values) {
        give_up_dictionary(column);
    }
}

static void check_bytes(const ColumnData *column, Str value)
{
    ASSERT(is_bytes(column->description.type) && value.len <= PARQUET_VALUE_MAX);
    ASSERT(!is_fixed(column->description.type) || value.len == column->description.size);
}

void column_put_str(ColumnData *column, size_t row, Str value)
{
    check_bytes(column, value);
    put_row(column, row);
    column->total_bytes += value.len;
    if (column->is_plain) {
        put_plain(column, value);
        return;
    }
    put_code(column, intern(column, value));
    check_dictionary(column);
}

static ColumnCacheEntry *cache_entry(const ColumnData *column, Str value)
{
    uint64_t mixed = (uint64_t)(uintptr_t)value.ptr * 0x9e3779b97f4a7c15U;

    return &column->cache[mixed >> 58];
}

bool column_put_known(ColumnData *column, size_t row, Str value)
{
    if (column->cache == NULL || value.ptr == NULL) {
        return false;
    }
    const ColumnCacheEntry *entry = cache_entry(column, value);
    if (entry->ptr != value.ptr || entry->len != value.len) {
        return false;
    }
    put_row(column, row);
    column->total_bytes += value.len;
    put_code(column, entry->code);
    return true;
}

void column_put_shared(ColumnData *column, size_t row, Str value)
{
    if (column_put_known(column, row, value)) {
        return;
    }
    column_put_str(column, row, value);
    if (column->is_plain) {
        return;
    }
    if (column->cache == NULL) {
        column->cache = NEW_ARRAY(ColumnCacheEntry, COLUMN_CACHE);
    }
    *cache_entry(column, value) =
        (ColumnCacheEntry){value.ptr, (uint32_t)value.len, column->codes[column->n_values - 1]};
}

void column_put_entry(ColumnData *column, size_t row, Str key, Str value)
{
    ASSERT(column->description.type == PARQUET_MAP && row < PARQUET_ROWS_MAX);
    ASSERT(column->n_values == 0 || row >= column->entry_rows[column->n_values - 1]);
    ARRAY_RESERVE(column->entry_rows, column->n_values, column->entry_capacity);
    column_put_str(column->keys, column->n_values, key);
    column_put_str(column->values, column->n_values, value);
    column->entry_rows[column->n_values++] = (uint32_t)row;
    column->next_row = row + 1;
}

const Symbols *column_dictionary(const ColumnData *column, const uint32_t **ret_codes)
{
    if (column->is_plain || !is_bytes(column->description.type)) {
        return NULL;
    }
    *ret_codes = column->codes;
    return &column->dictionary;
}

/* The first row from @row on that has a value. */
static size_t next_present(const ColumnData *column, size_t row)
{
    while (column->description.optional) {
        uint64_t word = column->present[row / 64] >> (row % 64);

        if (word != 0) {
            return row + (size_t)__builtin_ctzll(word);
        }
        row = (row / 64 + 1) * 64;
    }
    return row;
}

void column_each(const ColumnData *column,
                 void (*visit)(void *context, size_t row, int64_t number, Str bytes), void *context)
{
    size_t row = 0, byte = 0;

    ASSERT(column->description.type != PARQUET_MAP);
    for (size_t i = 0; i < column->n_values; i++, row++) {
        Str bytes = {0};

        row = next_present(column, row);
        if (!is_bytes(column->description.type)) {
            visit(context, row, column->ints[i], bytes);
            continue;
        }
        if (column->is_plain) {
            bytes = str_from_bytes(column->bytes.ptr + byte, column->lengths[i]);
            byte += bytes.len;
        } else {
            bytes = symbols_get(&column->dictionary, column->codes[i]);
        }
        visit(context, row, 0, bytes);
    }
}

bool column_dictionary_pays(const ColumnData *column)
{
    size_t distinct = symbols_count(&column->dictionary);
    uint64_t bytes = 0;

    if (column->is_plain || distinct == 0) {
        return false;
    }
    for (size_t i = 0; i < distinct; i++) {
        bytes += symbols_get(&column->dictionary, (uint32_t)i).len + 4;
    }
    bytes += bits_size(column->n_values, bits_needed(distinct - 1));
    return bytes < column->total_bytes + 4 * column->n_values;
}

size_t column_bytes(const ColumnData *column)
{
    size_t bytes = sizeof(*column) + column->present_words * 8 + column->bytes.capacity +
                   symbols_bytes(&column->dictionary) + column->capacity * 8;

    if (column->keys != NULL) {
        bytes +=
            column_bytes(column->keys) + column_bytes(column->values) + column->entry_capacity * 4;
    }
    return bytes;
}
