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
    size_t last_row; /* 1 + the last row of the group that had it */
    uint64_t n_rows, n_map_rows;
    uint64_t n_map_rows_before; /* in groups before this one */
    bool is_candidate;          /* once it is decided: it has a column */
    unsigned type;              /* ... of this type */
    ParquetType binary_type;    /* ... whose texts are stored as UUID or FIXED; else BOOL */
    uint32_t binary_size;
    ColumnData *binary; /* what is in the file instead of its texts, or NULL */
    uint64_t expected[N_TYPES], expected_rows;
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

static void free_columns(BlockAttributes *attributes)
{
    for (size_t i = 0; i < symbols_count(&attributes->symbols); i++) {
        BlockKey *key = &attributes->keys[i];

        for (size_t type = 0; type < N_TYPES; type++) {
            key->columns[type] = column_free(key->columns[type]);
        }
        key->binary = column_free(key->binary);
    }
}

void block_attributes_deinit(BlockAttributes *attributes)
{
    free_columns(attributes);
    symbols_deinit(&attributes->symbols);
    mem_free(attributes->keys);
    mem_free(attributes->entries);
    mem_free(attributes->written);
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
        bool is_candidate = !attributes->is_decided && may_be_column(attributes, key);
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
    if (!is_first || !key->is_candidate || type == N_TYPES ||
        (attributes->is_decided && type != key->type)) {
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

/* --- Deciding --- */

/* What is expected of keys goes by their types as columns; a form, UUID or FIXED, holds only when
 * all agree about it. */
void block_attributes_expect(BlockAttributes *attributes, const BlockExpected *expected)
{
    uint32_t symbol = find_symbol(attributes, expected->key); /* which may move the keys */
    BlockKey *key = &attributes->keys[symbol];
    bool is_binary = expected->type == PARQUET_UUID || expected->type == PARQUET_FIXED;
    unsigned type = 0;

    while (type < TYPE_STRING && parquet_types[type] != expected->type) {
        type++;
    }
    uint64_t in_column = expected->n_rows - MIN(expected->n_rows, expected->n_map_rows);
    if (in_column > 0 && type == TYPE_STRING) {
        bool is_first = key->expected[TYPE_STRING] == 0;
        bool is_same =
            is_binary && key->binary_type == expected->type && key->binary_size == expected->size;

        key->binary_type = is_binary && (is_first || is_same) ? expected->type : PARQUET_BOOL;
        key->binary_size = expected->size;
    }
    key->expected[type] += in_column;
    key->expected_rows += expected->n_rows;
    attributes->is_expected = true;
}

typedef struct Ranked {
    uint32_t symbol;
    unsigned type;
    uint64_t count;
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

/* The type of column that most values of the key have: of those that came, or are expected. */
static Ranked best_type(const BlockKey *key, uint32_t symbol, bool by_expected)
{
    Ranked best = {.symbol = symbol};

    for (unsigned type = 0; type < N_TYPES; type++) {
        const ColumnData *column = key->columns[type];
        uint64_t count = column == NULL ? 0 : column_count(column);

        if (by_expected) {
            count = key->expected[type];
        }
        if (count > best.count) {
            best.type = type;
            best.count = count;
        }
    }
    /* Rows that have it in a map now may have it in the column then. */
    best.count = by_expected && best.count > 0 ? key->expected_rows : best.count;
    return best;
}

static size_t rank_keys(const BlockAttributes *attributes, uint64_t n_rows, bool by_expected,
                        Ranked *ranked)
{
    size_t n = 0;

    for (uint32_t symbol = 0; symbol < symbols_count(&attributes->symbols); symbol++) {
        const BlockKey *key = &attributes->keys[symbol];
        Ranked best = best_type(key, symbol, by_expected);

        if (key->is_candidate && best.count > 0 && best.count * BLOCK_PROMOTE_DIVISOR >= n_rows) {
            ranked[n++] = best;
        }
    }
    qsort(ranked, n, sizeof(*ranked), compare_ranked);
    return n;
}

/* Whether the texts are stored as bytes is decided with the column, by what came unless it is known
 * what to expect. */
static void decide_key(BlockAttributes *attributes, const Ranked *ranked, bool by_expected)
{
    BlockKey *key = &attributes->keys[ranked->symbol];

    attributes->written[attributes->n_written++] = ranked->symbol;
    key->is_candidate = true;
    key->type = ranked->type;
    if (!by_expected || key->type != TYPE_STRING) {
        key->binary_type = PARQUET_BOOL;
        if (key->type == TYPE_STRING) {
            key->binary = block_binary_column(key->columns[TYPE_STRING]);
        }
        if (key->binary != NULL) {
            key->binary_type = column_description(key->binary)->type;
            key->binary_size = column_description(key->binary)->size;
        }
    }
}

static void decide(BlockAttributes *attributes, const BlockGroupEnd *end)
{
    size_t n_keys = symbols_count(&attributes->symbols);
    CLEANUP(mem_freep) Ranked *ranked = NEW_ARRAY(Ranked, n_keys);
    bool by_expected = attributes->is_expected && end->n_expected > 0;
    size_t n_ranked =
        rank_keys(attributes, by_expected ? end->n_expected : end->n_rows, by_expected, ranked);
    size_t n_written = MIN(n_ranked, attributes->columns_max);

    for (size_t i = 0; i < n_keys; i++) {
        attributes->keys[i].is_candidate = false;
    }
    attributes->written = NEW_ARRAY(uint32_t, n_written + 1);
    for (size_t i = 0; i < n_written; i++) {
        decide_key(attributes, &ranked[i], by_expected);
    }
    attributes->n_spilled = attributes->columns_max == 0 ? 0 : n_ranked - n_written;
    attributes->is_decided = true;
}

/* --- Dividing --- */

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

static void drain_column(BlockAttributes *attributes, uint32_t symbol, unsigned type)
{
    Drain drain = {attributes, symbol, type};
    BlockKey *key = &attributes->keys[symbol];

    column_each(key->columns[type], drain_value, &drain);
    key->n_map_rows += column_count(key->columns[type]);
}

/* Moves what stays no column into entries, which are first occurrences. Behind the first group
 * there is nothing of the kind. */
static void drain_columns(BlockAttributes *attributes)
{
    for (uint32_t symbol = 0; symbol < symbols_count(&attributes->symbols); symbol++) {
        const BlockKey *key = &attributes->keys[symbol];

        for (unsigned type = 0; type < N_TYPES; type++) {
            if (key->columns[type] != NULL && (!key->is_candidate || key->type != type)) {
                drain_column(attributes, symbol, type);
            }
        }
    }
}

static void drain_misfit(void *context, size_t row, Str text)
{
    const Drain *drain = context;

    drain_value(context, row, 0, text);
    drain->attributes->keys[drain->symbol].n_map_rows++;
}

/* The columns of the group as they are written; texts that have not the form of a column of bytes
 * go to the map. */
static void take_columns(BlockAttributes *attributes, ColumnData **columns, size_t *n_columns)
{
    for (size_t i = 0; i < attributes->n_written; i++) {
        uint32_t symbol = attributes->written[i];
        BlockKey *key = &attributes->keys[symbol];
        ColumnData *column =
            typed_column(attributes, key, symbols_get(&attributes->symbols, symbol), key->type);

        if (key->binary_type != PARQUET_BOOL && key->binary == NULL) {
            Drain drain = {attributes, symbol, TYPE_STRING};
            const BlockForm form = {key->binary_type, key->binary_size};

            key->binary = block_binary_convert(column, &form, drain_misfit, &drain);
        }
        columns[(*n_columns)++] = key->binary != NULL ? key->binary : column;
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

void block_attributes_divide(BlockAttributes *attributes, const BlockGroupEnd *end,
                             ColumnData **columns, size_t *n_columns, ColumnData *map,
                             ColumnData *types)
{
    size_t n_before = attributes->n_entries;

    if (!attributes->is_decided) {
        decide(attributes, end);
    }
    take_columns(attributes, columns, n_columns);
    drain_columns(attributes);
    if (attributes->n_entries > 0) {
        CLEANUP(mem_freep)
        BlockEntry *sorted = sort_entries(attributes, n_before, end->n_rows);
        put_entries(attributes, sorted, map, types);
    }
}

void block_attributes_next(BlockAttributes *attributes)
{
    free_columns(attributes);
    for (size_t i = 0; i < symbols_count(&attributes->symbols); i++) {
        attributes->keys[i].last_row = 0;
        attributes->keys[i].n_map_rows_before = attributes->keys[i].n_map_rows;
    }
    for (size_t i = 0; i < BLOCK_GUESSES; i++) { /* other strings may lie there then */
        attributes->guesses[i] = (BlockGuess){0};
    }
    attributes->n_entries = 0;
    buf_clear(&attributes->text);
    arena_reset(&attributes->arena);
}

/* Keys of which it was only expected that they come are not there. */
size_t block_attributes_append(const BlockAttributes *attributes, Buf *section)
{
    size_t n = 0;

    for (uint32_t symbol = 0; symbol < symbols_count(&attributes->symbols); symbol++) {
        const BlockKey *key = &attributes->keys[symbol];

        if (key->n_rows > 0) {
            buf_append_byte(section, (uint8_t)attributes->level);
            bytes_append_counted(section, symbols_get(&attributes->symbols, symbol));
            varint_append(section, key->n_rows);
            varint_append(section, key->n_map_rows);
            n++;
        }
    }
    return n;
}

size_t block_attributes_n_keys(const BlockAttributes *attributes)
{
    return symbols_count(&attributes->symbols);
}

BlockKeyPlace block_attributes_key(const BlockAttributes *attributes, size_t number)
{
    const BlockKey *key = &attributes->keys[number];

    return (BlockKeyPlace){
        .key = symbols_get(&attributes->symbols, (uint32_t)number),
        .column = attributes->is_decided && key->is_candidate ? key->columns[key->type] : NULL,
        .n_rows = key->n_rows,
        .n_map_rows = key->n_map_rows,
        .n_group_map_rows = key->n_map_rows - key->n_map_rows_before};
}

void block_attributes_each_entry(const BlockAttributes *attributes,
                                 void (*visit)(void *context, size_t number, Str text),
                                 void *context)
{
    for (size_t i = 0; i < attributes->n_entries; i++) {
        visit(context, attributes->entries[i].symbol, attributes->entries[i].value);
    }
}
