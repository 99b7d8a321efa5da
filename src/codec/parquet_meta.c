// SPDX-License-Identifier: Apache-2.0
#include "codec/parquet_meta.h"

#include "codec/hash.h"
#include "codec/thrift.h"

/*
 * The parsing half; parquet_meta_write.c is the other. Unknown fields are skipped, so that files of
 * newer writers are read as long as what is needed is there.
 *
 * A field is taken by a table: number, kind, and where it goes in the struct. What has no row in
 * the table is skipped, or given to the struct's own function.
 */
typedef enum FieldKind { FIELD_INT32, FIELD_INT64, FIELD_TEXT } FieldKind;

typedef struct FieldPlace {
    int16_t field;
    FieldKind kind;
    size_t offset;
} FieldPlace;

typedef struct FieldTable {
    const FieldPlace *places;
    size_t n_places;
    /* For fields that no row takes; NULL: they are skipped. */
    int (*take_other)(ThriftReader *r, int16_t field, ThriftType type, void *target, Arena *arena);
} FieldTable;

static int take_field(ThriftReader *r, const FieldPlace *place, ThriftType type, uint8_t *target)
{
    int64_t number;

    if (place->kind == FIELD_TEXT) {
        Str text;

        TRY(thrift_take_binary(r, type, &text));
        mem_copy(target + place->offset, &text, sizeof(text));
        return 0;
    }
    TRY(thrift_take_int(r, type, &number));
    if (place->kind == FIELD_INT64) {
        mem_copy(target + place->offset, &number, sizeof(number));
        return 0;
    }
    if (number < INT32_MIN || number > INT32_MAX) {
        return THRIFT_BAD;
    }
    int32_t small = (int32_t)number;
    mem_copy(target + place->offset, &small, sizeof(small));
    return 0;
}

static const FieldPlace *find_place(const FieldTable *table, int16_t field)
{
    for (size_t i = 0; i < table->n_places; i++) {
        if (table->places[i].field == field) {
            return &table->places[i];
        }
    }
    return NULL;
}

static int take_struct(ThriftReader *r, const FieldTable *table, void *target, Arena *arena)
{
    TRY(thrift_enter(r));
    for (;;) {
        int16_t field;
        ThriftType type;

        TRY(thrift_next(r, &field, &type));
        if (type == THRIFT_STOP) {
            return 0;
        }
        const FieldPlace *place = find_place(table, field);
        if (place != NULL) {
            TRY(take_field(r, place, type, target));
        } else if (table->take_other != NULL) {
            TRY(table->take_other(r, field, type, target, arena));
        } else {
            TRY(thrift_skip(r, type));
        }
    }
}

/* Takes a list of structs into an array of the arena. */
static int take_structs(ThriftReader *r, ThriftType type, const FieldTable *table, size_t size,
                        Arena *arena, void **ret_items, size_t *ret_count)
{
    ThriftType item;
    size_t count;

    TRY(thrift_take_list(r, type, &item, &count));
    if (item != THRIFT_STRUCT && count != 0) {
        return THRIFT_BAD;
    }
    uint8_t *items = arena_zero_array(arena, count, size);
    for (size_t i = 0; i < count; i++) {
        TRY(take_struct(r, table, items + i * size, arena));
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}

#define PLACE(type, member, number, kind)                                                          \
    {                                                                                              \
        (number), (kind), offsetof(type, member)                                                   \
    }
#define TABLE(places, other)                                                                       \
    {                                                                                              \
        (places), ARRAY_LEN(places), (other)                                                       \
    }

/* Of a union LogicalType only which member is set. */
static int take_logical(ThriftReader *r, ThriftType type, int32_t *converted)
{
    if (type != THRIFT_STRUCT) {
        return THRIFT_BAD;
    }
    TRY(thrift_enter(r));
    for (;;) {
        int16_t field;

        TRY(thrift_next(r, &field, &type));
        if (type == THRIFT_STOP) {
            return 0;
        }
        *converted = field == 1    ? CONVERTED_UTF8
                     : field == 2  ? CONVERTED_MAP
                     : field == 12 ? CONVERTED_JSON
                     : field == 14 ? CONVERTED_UUID
                                   : *converted;
        TRY(thrift_skip(r, type));
    }
}

/* Structs start zeroed, so what may be absent is noted one above its value. */
typedef struct RawSchema {
    MetaSchema schema;
    int64_t physical, converted;
    bool has_physical;
} RawSchema;

static int take_schema_other(ThriftReader *r, int16_t field, ThriftType type, void *target,
                             Arena *arena)
{
    RawSchema *raw = target;

    if (field == 1) {
        raw->has_physical = true;
        return thrift_take_int(r, type, &raw->physical);
    }
    if (field == 6) {
        TRY(thrift_take_int(r, type, &raw->converted));
        raw->converted++;
        return 0;
    }
    if (field == 10) {
        int32_t converted = (int32_t)raw->converted - 1;

        TRY(take_logical(r, type, &converted));
        raw->converted = (int64_t)converted + 1;
        return 0;
    }
    return thrift_skip(r, type);
}

static const FieldPlace schema_places[] = {
    PLACE(RawSchema, schema.type_length, 2, FIELD_INT32),
    PLACE(RawSchema, schema.repetition, 3, FIELD_INT32),
    PLACE(RawSchema, schema.name, 4, FIELD_TEXT),
    PLACE(RawSchema, schema.n_children, 5, FIELD_INT32),
};
static const FieldTable schema_table = TABLE(schema_places, take_schema_other);

static const FieldPlace statistics_places[] = {
    PLACE(MetaStatistics, nulls, 3, FIELD_INT64),
    PLACE(MetaStatistics, max, 5, FIELD_TEXT),
    PLACE(MetaStatistics, min, 6, FIELD_TEXT),
};
static const FieldTable statistics_table = TABLE(statistics_places, NULL);

static int take_column_other(ThriftReader *r, int16_t field, ThriftType type, void *target,
                             Arena *arena)
{
    MetaChunk *chunk = target;

    if (field == 12 && type == THRIFT_STRUCT) {
        return take_struct(r, &statistics_table, &chunk->statistics, arena);
    }
    return thrift_skip(r, type);
}

static const FieldPlace column_places[] = {
    PLACE(MetaChunk, physical, 1, FIELD_INT32),
    PLACE(MetaChunk, codec, 4, FIELD_INT32),
    PLACE(MetaChunk, n_values, 5, FIELD_INT64),
    PLACE(MetaChunk, uncompressed_size, 6, FIELD_INT64),
    PLACE(MetaChunk, compressed_size, 7, FIELD_INT64),
    PLACE(MetaChunk, data_offset, 9, FIELD_INT64),
    PLACE(MetaChunk, dictionary_offset, 11, FIELD_INT64),
};
static const FieldTable column_table = TABLE(column_places, take_column_other);

static int take_chunk_other(ThriftReader *r, int16_t field, ThriftType type, void *target,
                            Arena *arena)
{
    if (field == 3 && type == THRIFT_STRUCT) {
        return take_struct(r, &column_table, target, arena);
    }
    return thrift_skip(r, type);
}

static const FieldPlace chunk_places[] = {
    PLACE(MetaChunk, offset_index, 4, FIELD_INT64),
    PLACE(MetaChunk, offset_index_size, 5, FIELD_INT32),
    PLACE(MetaChunk, column_index, 6, FIELD_INT64),
    PLACE(MetaChunk, column_index_size, 7, FIELD_INT32),
};
static const FieldTable chunk_table = TABLE(chunk_places, take_chunk_other);

static int take_group_other(ThriftReader *r, int16_t field, ThriftType type, void *target,
                            Arena *arena)
{
    MetaGroup *group = target;
    void *chunks;

    if (field != 1) {
        return thrift_skip(r, type);
    }
    TRY(take_structs(r, type, &chunk_table, sizeof(MetaChunk), arena, &chunks, &group->n_chunks));
    group->chunks = chunks;
    return 0;
}

static const FieldPlace group_places[] = {
    PLACE(MetaGroup, total_size, 2, FIELD_INT64),
    PLACE(MetaGroup, n_rows, 3, FIELD_INT64),
};
static const FieldTable group_table = TABLE(group_places, take_group_other);

static const FieldPlace key_value_places[] = {
    PLACE(MetaKeyValue, key, 1, FIELD_TEXT),
    PLACE(MetaKeyValue, value, 2, FIELD_TEXT),
};
static const FieldTable key_value_table = TABLE(key_value_places, NULL);

static int take_schema(ThriftReader *r, ThriftType type, MetaFile *file, Arena *arena)
{
    void *items;
    size_t n;

    TRY(take_structs(r, type, &schema_table, sizeof(RawSchema), arena, &items, &n));
    const RawSchema *raw = items;
    MetaSchema *schema = ARENA_ARRAY(arena, MetaSchema, n);
    for (size_t i = 0; i < n; i++) {
        schema[i] = raw[i].schema;
        schema[i].physical =
            raw[i].has_physical && raw[i].physical >= 0 && raw[i].physical <= INT32_MAX
                ? (int32_t)raw[i].physical
                : -1;
        schema[i].converted = raw[i].converted > 0 && raw[i].converted <= INT32_MAX
                                  ? (int32_t)(raw[i].converted - 1)
                                  : CONVERTED_NONE;
    }
    file->schema = schema;
    file->n_schema = n;
    return 0;
}

static int take_file_other(ThriftReader *r, int16_t field, ThriftType type, void *target,
                           Arena *arena)
{
    MetaFile *file = target;
    void *items = NULL;

    switch (field) {
    case 2:
        return take_schema(r, type, file, arena);
    case 4:
        TRY(take_structs(r, type, &group_table, sizeof(MetaGroup), arena, &items, &file->n_groups));
        file->groups = items;
        return 0;
    case 5:
        TRY(take_structs(r, type, &key_value_table, sizeof(MetaKeyValue), arena, &items,
                         &file->n_metadata));
        file->metadata = items;
        return 0;
    default:
        return thrift_skip(r, type);
    }
}

static const FieldPlace file_places[] = {
    PLACE(MetaFile, n_rows, 3, FIELD_INT64),
    PLACE(MetaFile, created_by, 6, FIELD_TEXT),
};
static const FieldTable file_table = TABLE(file_places, take_file_other);

static int fail(const ThriftReader *r, ParseError *ret_error, const char *text)
{
    *ret_error = (ParseError){.offset = (size_t)(r->in.ptr - r->start), .text = text};
    return 1;
}

int meta_parse_file(Str bytes, Arena *arena, MetaFile *ret_file, ParseError *ret_error)
{
    ThriftReader r;
    MetaFile file = {0};

    thrift_reader_init(&r, bytes);
    if (take_struct(&r, &file_table, &file, arena) != 0) {
        return fail(&r, ret_error, "the footer is malformed");
    }
    *ret_file = file;
    return 0;
}

static const FieldPlace data_places[] = {
    PLACE(MetaPage, n_values, 1, FIELD_INT32),
    PLACE(MetaPage, encoding, 2, FIELD_INT32),
};
static const FieldTable data_table = TABLE(data_places, NULL);

static int take_page_other(ThriftReader *r, int16_t field, ThriftType type, void *target,
                           Arena *arena)
{
    MetaPage *page = target;
    int64_t crc;

    if (field == 4) {
        TRY(thrift_take_int(r, type, &crc));
        page->has_crc = true;
        page->crc = (uint32_t)crc;
        return 0;
    }
    if ((field == 5 || field == 7) && type == THRIFT_STRUCT) {
        return take_struct(r, &data_table, page, arena);
    }
    return thrift_skip(r, type);
}

static const FieldPlace page_places[] = {
    PLACE(MetaPage, type, 1, FIELD_INT32),
    PLACE(MetaPage, uncompressed_size, 2, FIELD_INT32),
    PLACE(MetaPage, compressed_size, 3, FIELD_INT32),
};
static const FieldTable page_table = TABLE(page_places, take_page_other);

int meta_parse_page(Str bytes, MetaPage *ret_page, size_t *ret_size, ParseError *ret_error)
{
    ThriftReader r;
    MetaPage page = {.type = -1};

    thrift_reader_init(&r, bytes);
    if (take_struct(&r, &page_table, &page, NULL) != 0) {
        return fail(&r, ret_error, "a page header is malformed");
    }
    *ret_page = page;
    *ret_size = (size_t)(r.in.ptr - r.start);
    return 0;
}

static const FieldPlace location_places[] = {
    PLACE(MetaLocation, offset, 1, FIELD_INT64),
    PLACE(MetaLocation, size, 2, FIELD_INT32),
    PLACE(MetaLocation, first_row, 3, FIELD_INT64),
};
static const FieldTable location_table = TABLE(location_places, NULL);

typedef struct LocationList {
    MetaLocation *pages;
    size_t n_pages;
} LocationList;

static int take_index_other(ThriftReader *r, int16_t field, ThriftType type, void *target,
                            Arena *arena)
{
    LocationList *list = target;
    void *items;

    if (field != 1) {
        return thrift_skip(r, type);
    }
    TRY(take_structs(r, type, &location_table, sizeof(MetaLocation), arena, &items,
                     &list->n_pages));
    list->pages = items;
    return 0;
}

static const FieldTable index_table = {NULL, 0, take_index_other};

int meta_parse_offset_index(Str bytes, Arena *arena, MetaLocation **ret_pages, size_t *ret_n,
                            ParseError *ret_error)
{
    ThriftReader r;
    LocationList list = {0};

    thrift_reader_init(&r, bytes);
    if (take_struct(&r, &index_table, &list, arena) != 0) {
        return fail(&r, ret_error, "a page index is malformed");
    }
    *ret_pages = list.pages;
    *ret_n = list.n_pages;
    return 0;
}

/* --- Column index --- */

uint64_t meta_index_checksum(const MetaStatistics *pages, size_t n_pages)
{
    uint64_t hash = n_pages;

    for (size_t i = 0; i < n_pages; i++) {
        hash = hash_stable_seeded(pages[i].min, hash);
        hash = hash_stable_seeded(pages[i].max, hash);
    }
    return hash;
}

typedef struct BoundLists {
    Str *least, *greatest;
    size_t n_least, n_greatest;
    bool has_checksum;
    uint64_t checksum;
} BoundLists;

static int take_texts(ThriftReader *r, ThriftType type, Arena *arena, Str **ret_items,
                      size_t *ret_count)
{
    ThriftType item;
    size_t count;

    TRY(thrift_take_list(r, type, &item, &count));
    Str *items = ARENA_ARRAY(arena, Str, count);
    for (size_t i = 0; i < count; i++) {
        TRY(thrift_take_binary(r, item, &items[i]));
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}

static int take_bounds(ThriftReader *r, int16_t field, ThriftType type, void *target, Arena *arena)
{
    BoundLists *lists = target;
    int64_t checksum;

    switch (field) {
    case 2:
        return take_texts(r, type, arena, &lists->least, &lists->n_least);
    case 3:
        return take_texts(r, type, arena, &lists->greatest, &lists->n_greatest);
    case META_INDEX_CHECKSUM_FIELD:
        TRY(thrift_take_int(r, type, &checksum));
        lists->has_checksum = true;
        lists->checksum = (uint64_t)checksum;
        return 0;
    default:
        return thrift_skip(r, type);
    }
}

static const FieldTable bounds_table = {NULL, 0, take_bounds};

int meta_parse_column_index(Str bytes, Arena *arena, MetaStatistics **ret_pages, size_t *ret_n,
                            ParseError *ret_error)
{
    ThriftReader r;
    BoundLists lists = {0};

    thrift_reader_init(&r, bytes);
    if (take_struct(&r, &bounds_table, &lists, arena) != 0 || lists.n_least != lists.n_greatest) {
        return fail(&r, ret_error, "a column index is malformed");
    }
    *ret_n = 0;
    if (!lists.has_checksum) {
        return 0;
    }
    MetaStatistics *pages = ARENA_ARRAY(arena, MetaStatistics, lists.n_least);
    for (size_t i = 0; i < lists.n_least; i++) {
        pages[i] = (MetaStatistics){.min = lists.least[i], .max = lists.greatest[i]};
    }
    if (meta_index_checksum(pages, lists.n_least) != lists.checksum) {
        return fail(&r, ret_error, "the checksum of a column index does not fit");
    }
    *ret_pages = pages;
    *ret_n = lists.n_least;
    return 0;
}
