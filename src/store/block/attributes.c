// SPDX-License-Identifier: Apache-2.0
#include "store/block/attributes.h"

#include <stdlib.h>

#include "base/assert.h"
#include "codec/bytes.h"
#include "codec/utf8.h"
#include "store/block/binary.h"
#include "store/block/exact.h"

/*
 * A key has up to four columns while rows come, one per type that a column can have; which of them
 * is written is known only at the end. All others are drained into the map then.
 *
 * The first occurrence of a key in a row counts (CONTRACT.md §1), so only it may go into a column;
 * the second and further ones go into the map, where they stand behind a drained first one.
 */
enum { TYPE_BOOL, TYPE_INT, TYPE_DOUBLE, TYPE_STRING, N_TYPES };

/* Each candidate's bitmap of rows takes up to n_rows / 8 bytes: keys beyond go to the map. */
enum { CANDIDATES_MAX = 1024 };

struct BlockKey {
    ColumnData *columns[N_TYPES];
    size_t last_row; /* 1 + the last row that had it */
    uint64_t n_rows, n_map_rows;
    bool is_candidate;
    const ColumnData *written; /* the column that is in the file, after finish */
    ColumnData *binary;        /* what is in the file instead of its texts, or NULL */
};

struct BlockEntry {
    uint32_t row, symbol;
    Str key, value; /* text */
    Str type;       /* as in the types column; "s" */
};

static const ParquetType parquet_types[N_TYPES] = {PARQUET_BOOL, PARQUET_INT64, PARQUET_DOUBLE,
                                                   PARQUET_STRING};

void block_attributes_init(BlockAttributes *attributes, BlockLevel level, size_t columns_max)
{
    *attributes = (BlockAttributes){.level = level, .columns_max = columns_max};
}

void block_attributes_deinit(BlockAttributes *attributes)
{
    for (size_t i = 0; i < symbols_count(&attributes->symbols); i++) {
        for (size_t type = 0; type < N_TYPES; type++) {
            column_free(attributes->keys[i].columns[type]);
        }
        column_free(attributes->keys[i].binary);
    }
    symbols_deinit(&attributes->symbols);
    mem_free(attributes->keys);
    mem_free(attributes->entries);
    buf_deinit(&attributes->text);
    arena_deinit(&attributes->arena);
}

/* --- Entries of the map --- */

static Str take_text(BlockAttributes *attributes)
{
    Str text = arena_copy(&attributes->arena, buf_str(&attributes->text));

    buf_clear(&attributes->text);
    return text;
}

static Str replaced_text(BlockAttributes *attributes, Str text)
{
    if (utf8_is_valid(text)) {
        return text;
    }
    utf8_append_replaced(&attributes->text, text);
    return take_text(attributes);
}

/* Whether the text of @value gives it back with only the letter of its type. */
static bool text_is_exact(const Value *value, Str text)
{
    double back;

    switch (value->type) {
    case VALUE_STRING:
        return utf8_is_valid(value->string);
    case VALUE_BOOL:
    case VALUE_INT:
        return true;
    case VALUE_DOUBLE:
        return str_parse_double(text, &back) == 0 &&
               mem_compare(&back, &value->number, sizeof(back)) == 0;
    default:
        return false;
    }
}

static Str type_text(BlockAttributes *attributes, const Attribute *attribute, Str text)
{
    if (!utf8_is_valid(attribute->key) || !text_is_exact(&attribute->value, text)) {
        buf_append_byte(&attributes->text, 'x');
        bytes_append_counted(&attributes->text, attribute->key);
        exact_append_value(&attributes->text, &attribute->value);
        return take_text(attributes);
    }
    switch (attribute->value.type) {
    case VALUE_BOOL:
        return STR("b");
    case VALUE_INT:
        return STR("i");
    case VALUE_DOUBLE:
        return STR("d");
    default:
        return STR("s");
    }
}

static void add_entry(BlockAttributes *attributes, size_t row, uint32_t symbol,
                      const Attribute *attribute)
{
    BlockEntry entry = {.row = (uint32_t)row, .symbol = symbol};

    if (attribute->value.type == VALUE_STRING) {
        entry.value = replaced_text(attributes, attribute->value.string);
    } else {
        value_append_text(&attribute->value, &attributes->text);
        Str text = take_text(attributes);
        entry.value = replaced_text(attributes, text); /* of arrays and maps: strings within */
    }
    entry.key = replaced_text(attributes, attribute->key);
    entry.type = type_text(attributes, attribute, entry.value);
    ARRAY_RESERVE(attributes->entries, attributes->n_entries, attributes->entry_capacity);
    attributes->entries[attributes->n_entries++] = entry;
}

/* --- Rows --- */

static bool may_be_column(const BlockAttributes *attributes, Str key)
{
    return attributes->level != BLOCK_SCOPE_LEVEL && key.len > 0 &&
           attributes->n_candidates < CANDIDATES_MAX && utf8_is_valid(key) &&
           (attributes->level == BLOCK_RESOURCE_LEVEL ||
            (!str_starts_with(key, STR("resource.")) && block_column_find(key) == BLOCK_N_COLUMNS));
}

static uint32_t find_symbol(BlockAttributes *attributes, Str key)
{
    size_t before = symbols_count(&attributes->symbols);
    uint32_t symbol = symbols_intern(&attributes->symbols, key);

    if (symbol == before) {
        if (before == attributes->key_capacity) {
            attributes->key_capacity = MAX((size_t)64, before * 2);
            attributes->keys = mem_resize_array(attributes->keys, attributes->key_capacity,
                                                sizeof(attributes->keys[0]));
        }
        bool is_candidate = may_be_column(attributes, key);
        attributes->keys[symbol] = (BlockKey){.is_candidate = is_candidate};
        attributes->n_candidates += is_candidate;
    }
    return symbol;
}

/* The key at @position of a row: as in the row before, by pointer, else by content. */
static uint32_t guess_symbol(BlockAttributes *attributes, size_t position, Str key)
{
    BlockGuess *guess = &attributes->guesses[position % BLOCK_GUESSES];

    if (guess->key.ptr != key.ptr || guess->key.len != key.len || key.ptr == NULL) {
        *guess = (BlockGuess){key, find_symbol(attributes, key)};
    }
    return guess->symbol;
}

/* The type of column that can hold the value, or N_TYPES. */
static unsigned column_type(const Value *value)
{
    switch (value->type) {
    case VALUE_BOOL:
        return TYPE_BOOL;
    case VALUE_INT:
        return TYPE_INT;
    case VALUE_DOUBLE:
        return TYPE_DOUBLE;
    case VALUE_STRING:
        return utf8_is_valid(value->string) ? TYPE_STRING : N_TYPES;
    default:
        return N_TYPES;
    }
}

static ColumnData *typed_column(const BlockAttributes *attributes, BlockKey *key, Str name,
                                unsigned type)
{
    if (key->columns[type] == NULL) {
        Buf full = {0};

        if (attributes->level == BLOCK_RESOURCE_LEVEL) {
            buf_append_str(&full, STR("resource."));
        }
        buf_append_str(&full, name);
        key->columns[type] = column_new(&(ParquetColumn){
            .name = buf_str(&full), .type = parquet_types[type], .optional = true});
        buf_deinit(&full);
    }
    return key->columns[type];
}

static void put_value(ColumnData *column, size_t row, const Value *value)
{
    switch (value->type) {
    case VALUE_BOOL:
        column_put_int(column, row, value->boolean);
        break;
    case VALUE_INT:
        column_put_int(column, row, value->integer);
        break;
    case VALUE_DOUBLE:
        column_put_double(column, row, value->number);
        break;
    default:
        column_put_shared(column, row, value->string);
    }
}

bool block_has_service_column(Attributes resource, Str *ret_service)
{
    const Value *value = attributes_find(resource, STR("service.name"));

    if (value == NULL || value->type != VALUE_STRING || !utf8_is_valid(value->string)) {
        return false;
    }
    *ret_service = value->string;
    return true;
}

static void add_one(BlockAttributes *attributes, size_t row, size_t position,
                    const Attribute *attribute)
{
    uint32_t symbol = guess_symbol(attributes, position, attribute->key);
    BlockKey *key = &attributes->keys[symbol];
    bool is_first = key->last_row != row + 1;

    key->last_row = row + 1;
    key->n_rows += is_first;
    if (is_first && attribute->value.type == VALUE_STRING && key->columns[TYPE_STRING] != NULL &&
        column_put_known(key->columns[TYPE_STRING], row, attribute->value.string)) {
        return;
    }
    unsigned type = column_type(&attribute->value);
    if (is_first && attributes->level == BLOCK_RESOURCE_LEVEL && type == TYPE_STRING &&
        str_equal(attribute->key, STR("service.name"))) {
        return;
    }
    if (!is_first || !key->is_candidate || type == N_TYPES) {
        key->n_map_rows++;
        add_entry(attributes, row, symbol, attribute);
        return;
    }
    put_value(typed_column(attributes, key, attribute->key, type), row, &attribute->value);
}

void block_attributes_add(BlockAttributes *attributes, size_t row, Attributes items)
{
    for (size_t i = 0; i < items.count; i++) {
        add_one(attributes, row, i, &items.items[i]);
    }
}

/* --- Dividing --- */

typedef struct Ranked {
    uint32_t symbol;
    unsigned type;
    size_t count;
} Ranked;

/* The most frequent first; equal ones in the order in which they came, so that the file is a
 * function of its rows. */
static int compare_ranked(const void *a, const void *b)
{
    const Ranked *left = a, *right = b;

    if (left->count != right->count) {
        return left->count < right->count ? 1 : -1;
    }
    return left->symbol < right->symbol ? -1 : left->symbol > right->symbol;
}

static size_t rank_keys(const BlockAttributes *attributes, size_t n_rows, Ranked *ranked)
{
    size_t n = 0;

    for (uint32_t symbol = 0; symbol < symbols_count(&attributes->symbols); symbol++) {
        Ranked best = {.symbol = symbol};

        for (unsigned type = 0; type < N_TYPES; type++) {
            const ColumnData *column = attributes->keys[symbol].columns[type];

            if (column != NULL && column_count(column) > best.count) {
                best.type = type;
                best.count = column_count(column);
            }
        }
        if (best.count > 0 && best.count * BLOCK_PROMOTE_DIVISOR >= n_rows) {
            ranked[n++] = best;
        }
    }
    qsort(ranked, n, sizeof(*ranked), compare_ranked);
    return n;
}

typedef struct Drain {
    BlockAttributes *attributes;
    uint32_t symbol;
    unsigned type;
} Drain;

static void drain_value(void *context, size_t row, int64_t number, Str bytes)
{
    const Drain *drain = context;
    Attribute attribute = {.key = symbols_get(&drain->attributes->symbols, drain->symbol)};

    switch (drain->type) {
    case TYPE_BOOL:
        attribute.value = (Value){.type = VALUE_BOOL, .boolean = number != 0};
        break;
    case TYPE_INT:
        attribute.value = value_int(number);
        break;
    case TYPE_DOUBLE:
        attribute.value.type = VALUE_DOUBLE;
        mem_copy(&attribute.value.number, &number, sizeof(number));
        break;
    default:
        attribute.value = value_string(bytes);
    }
    add_entry(drain->attributes, row, drain->symbol, &attribute);
}

/* Moves what stays no column into entries, which are first occurrences. */
static void drain_columns(BlockAttributes *attributes, const bool *is_written)
{
    for (uint32_t symbol = 0; symbol < symbols_count(&attributes->symbols); symbol++) {
        BlockKey *key = &attributes->keys[symbol];

        for (unsigned type = 0; type < N_TYPES; type++) {
            if (key->columns[type] != NULL && !is_written[symbol * N_TYPES + type]) {
                Drain drain = {attributes, symbol, type};

                column_each(key->columns[type], drain_value, &drain);
                key->n_map_rows += column_count(key->columns[type]);
            }
        }
    }
}

/* Entries [from, n_entries) are drained ones and come first within a row: a counting sort by row,
 * with them before the others. */
static BlockEntry *sort_entries(const BlockAttributes *attributes, size_t from, size_t n_rows)
{
    size_t n = attributes->n_entries;
    BlockEntry *sorted = NEW_ARRAY(BlockEntry, n);
    CLEANUP(mem_freep) uint32_t *next = NEW_ARRAY(uint32_t, n_rows + 1);

    for (size_t i = 0; i < n; i++) {
        next[attributes->entries[i].row + 1]++;
    }
    for (size_t row = 0; row < n_rows; row++) {
        next[row + 1] += next[row];
    }
    for (size_t i = 0; i < n; i++) {
        const BlockEntry *entry = &attributes->entries[(i + from) % n];
        sorted[next[entry->row]++] = *entry;
    }
    return sorted;
}

static void put_entries(BlockAttributes *attributes, const BlockEntry *sorted, ColumnData *map,
                        ColumnData *types)
{
    size_t n = attributes->n_entries;
    Buf *letters = &attributes->text;

    for (size_t i = 0; i < n;) {
        uint32_t row = sorted[i].row;
        bool all_strings = true;

        buf_clear(letters);
        for (; i < n && sorted[i].row == row; i++) {
            column_put_entry(map, row, sorted[i].key, sorted[i].value);
            buf_append_str(letters, sorted[i].type);
            all_strings &= str_equal(sorted[i].type, STR("s"));
        }
        if (!all_strings) {
            column_put_str(types, row, buf_str(letters));
        }
    }
}

static void append_section(const BlockAttributes *attributes, Buf *section)
{
    for (uint32_t symbol = 0; symbol < symbols_count(&attributes->symbols); symbol++) {
        buf_append_byte(section, (uint8_t)attributes->level);
        bytes_append_counted(section, symbols_get(&attributes->symbols, symbol));
        varint_append(section, attributes->keys[symbol].n_rows);
        varint_append(section, attributes->keys[symbol].n_map_rows);
    }
}

size_t block_attributes_finish(BlockAttributes *attributes, size_t n_rows, ColumnData **columns,
                               size_t *n_columns, ColumnData *map, ColumnData *types, Buf *section)
{
    size_t n_keys = symbols_count(&attributes->symbols);
    CLEANUP(mem_freep) Ranked *ranked = NEW_ARRAY(Ranked, n_keys);
    CLEANUP(mem_freep) bool *is_written = NEW_ARRAY(bool, n_keys *N_TYPES);
    size_t n_ranked = rank_keys(attributes, n_rows, ranked);
    size_t n_written = MIN(n_ranked, attributes->columns_max);
    size_t n_before = attributes->n_entries;

    for (size_t i = 0; i < n_written; i++) {
        is_written[ranked[i].symbol * N_TYPES + ranked[i].type] = true;
        BlockKey *key = &attributes->keys[ranked[i].symbol];
        key->written = key->columns[ranked[i].type];
        if (ranked[i].type == TYPE_STRING) {
            key->binary = block_binary_column(key->written);
        }
        columns[(*n_columns)++] = key->binary != NULL ? key->binary : key->columns[ranked[i].type];
    }
    attributes->n_spilled = attributes->columns_max == 0 ? 0 : n_ranked - n_written;
    drain_columns(attributes, is_written);
    if (attributes->n_entries > 0) {
        CLEANUP(mem_freep) BlockEntry *sorted = sort_entries(attributes, n_before, n_rows);
        put_entries(attributes, sorted, map, types);
    }
    append_section(attributes, section);
    return n_keys;
}

size_t block_attributes_n_keys(const BlockAttributes *attributes)
{
    return symbols_count(&attributes->symbols);
}

BlockKeyPlace block_attributes_key(const BlockAttributes *attributes, size_t number)
{
    const BlockKey *key = &attributes->keys[number];

    return (BlockKeyPlace){.key = symbols_get(&attributes->symbols, (uint32_t)number),
                           .column = key->written,
                           .n_rows = key->n_rows,
                           .n_map_rows = key->n_map_rows};
}

void block_attributes_each_entry(const BlockAttributes *attributes,
                                 void (*visit)(void *context, size_t number, Str text),
                                 void *context)
{
    for (size_t i = 0; i < attributes->n_entries; i++) {
        visit(context, attributes->entries[i].symbol, attributes->entries[i].value);
    }
}
