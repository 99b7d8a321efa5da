// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "store/parquet/file.h"

enum { UUID_SIZE = 16, TAIL = 8, MAGIC = 4 }; /* the footer's length and "PAR1" end the file */

static int fail(ParseError *error, uint64_t offset, const char *text)
{
    *error = (ParseError){.offset = (size_t)offset, .text = text};
    return 1;
}

/* --- Schema --- */

/* Walks the schema, which is stored depth first. */
typedef struct SchemaWalk {
    const MetaSchema *schema;
    size_t n, at;
    size_t n_leaves;
} SchemaWalk;

static bool leaf_type(const MetaSchema *schema, ParquetType *ret_type)
{
    switch (schema->physical) {
    case PHYSICAL_BOOLEAN:
        *ret_type = PARQUET_BOOL;
        return true;
    case PHYSICAL_INT32:
        *ret_type = PARQUET_INT32;
        return true;
    case PHYSICAL_INT64:
        *ret_type = PARQUET_INT64;
        return true;
    case PHYSICAL_DOUBLE:
        *ret_type = PARQUET_DOUBLE;
        return true;
    case PHYSICAL_BYTE_ARRAY:
        *ret_type = schema->converted == CONVERTED_UTF8   ? PARQUET_STRING
                    : schema->converted == CONVERTED_JSON ? PARQUET_JSON
                                                          : PARQUET_BYTES;
        return true;
    case PHYSICAL_FIXED:
        *ret_type = schema->converted == CONVERTED_UUID && schema->type_length == UUID_SIZE
                        ? PARQUET_UUID
                        : PARQUET_FIXED;
        return schema->type_length > 0 && schema->type_length <= PARQUET_VALUE_MAX;
    default:
        return false;
    }
}

/* Takes a whole subtree. Returns 0; 1 when the schema ends within it. */
static int skip_subtree(SchemaWalk *walk)
{
    uint64_t left = 1;

    while (left > 0) {
        if (walk->at == walk->n) {
            return 1;
        }
        const MetaSchema *node = &walk->schema[walk->at++];
        left--;
        if (node->physical >= 0) {
            walk->n_leaves++;
        } else if (node->n_children < 0) {
            return 1;
        } else {
            left += (uint64_t)node->n_children;
        }
    }
    return 0;
}

static bool is_map(const SchemaWalk *walk)
{
    const MetaSchema *map = &walk->schema[walk->at];

    return walk->n - walk->at >= 4 && map->physical < 0 && map->n_children == 1 &&
           map->repetition != REPETITION_REPEATED && map->converted == CONVERTED_MAP &&
           map[1].physical < 0 && map[1].n_children == 2 &&
           map[1].repetition == REPETITION_REPEATED && map[2].physical == PHYSICAL_BYTE_ARRAY &&
           map[3].physical == PHYSICAL_BYTE_ARRAY && map[2].repetition == REPETITION_REQUIRED &&
           map[3].repetition != REPETITION_REPEATED;
}

static void take_map(SchemaWalk *walk, FileColumn *column)
{
    const MetaSchema *map = &walk->schema[walk->at];
    unsigned slot = map->repetition == REPETITION_OPTIONAL ? 2 : 1;

    column->description = (ParquetColumn){.name = map->name, .type = PARQUET_MAP};
    column->leaf = (ParquetLeaf){.type = PARQUET_STRING,
                                 .physical = PHYSICAL_BYTE_ARRAY,
                                 .slot_level = slot,
                                 .max_definition = slot,
                                 .max_repetition = 1,
                                 .chunk = walk->n_leaves};
    column->values = column->leaf;
    column->values.chunk++;
    column->values.max_definition += map[3].repetition == REPETITION_OPTIONAL;
    walk->n_leaves += 2;
    walk->at += 4;
}

static void take_leaf(SchemaWalk *walk, ParquetType type, FileColumn *column)
{
    const MetaSchema *node = &walk->schema[walk->at++];
    bool optional = node->repetition == REPETITION_OPTIONAL;
    bool has_size = type == PARQUET_FIXED || type == PARQUET_UUID;
    uint32_t size = has_size ? (uint32_t)node->type_length : 0;

    column->description =
        (ParquetColumn){.name = node->name, .type = type, .optional = optional, .size = size};
    column->leaf = (ParquetLeaf){.type = type,
                                 .physical = node->physical,
                                 .size = size,
                                 .max_definition = optional,
                                 .chunk = walk->n_leaves++};
}

/* Columns of kinds that are not read are left out; their leaves are counted. */
static int take_schema(ParquetFile *file)
{
    SchemaWalk walk = {.schema = file->meta.schema, .n = file->meta.n_schema};

    if (walk.n == 0 || walk.schema[0].physical >= 0) {
        return 1;
    }
    file->columns = ARENA_ARRAY(&file->arena, FileColumn, walk.n);
    for (walk.at = 1; walk.at < walk.n;) {
        FileColumn *column = &file->columns[file->n_columns];
        const MetaSchema *node = &walk.schema[walk.at];
        ParquetType type;

        if (is_map(&walk)) {
            take_map(&walk, column);
            file->n_columns++;
        } else if (node->repetition != REPETITION_REPEATED && leaf_type(node, &type)) {
            take_leaf(&walk, type, column);
            file->n_columns++;
        } else if (skip_subtree(&walk) != 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < file->meta.n_groups; i++) {
        if (file->meta.groups[i].n_chunks != walk.n_leaves) {
            return 1;
        }
    }
    return file->n_columns > PARQUET_COLUMNS_MAX;
}

/* --- Opening --- */

static int check_rows(ParquetFile *file)
{
    uint64_t limit =
        file->source.n_rows_max == 0 ? (uint64_t)PARQUET_ROWS_MAX : file->source.n_rows_max;
    uint64_t n_rows = 0;

    for (size_t i = 0; i < file->meta.n_groups; i++) {
        int64_t rows = file->meta.groups[i].n_rows;

        if (rows < 0 || (uint64_t)rows > limit) {
            return 1;
        }
        n_rows += (uint64_t)rows;
        if (n_rows > limit) {
            return 1;
        }
    }
    file->n_rows = (size_t)n_rows;
    file->group_rows = ARENA_ARRAY(&file->arena, size_t, file->meta.n_groups + 1);
    for (size_t i = 0; i < file->meta.n_groups; i++) {
        file->group_rows[i + 1] = file->group_rows[i] + (size_t)file->meta.groups[i].n_rows;
    }
    return file->meta.n_rows != (int64_t)n_rows;
}

/* Files of ours carry the hash of the footer before it. */
static int check_footer(ParquetFile *file, uint64_t offset, Str footer, ParseError *error)
{
    Str kind;
    uint8_t hash[8];

    if (!parquet_metadata(file, STR("weft.footer"), &kind)) {
        return 0;
    }
    if (!str_equal(kind, STR("xxh3")) || offset < sizeof(hash)) {
        return fail(error, offset, "the footer has an unknown checksum");
    }
    TRY(parquet_read_bytes(file, offset - sizeof(hash), hash, sizeof(hash), error));
    return load_u64le(hash) == hash_stable(footer)
               ? 0
               : fail(error, offset, "the footer's checksum does not fit");
}

static int open_footer(ParquetFile *file, ParseError *error)
{
    uint8_t tail[TAIL];
    uint32_t length;
    Str footer;

    if (file->size < 2 * MAGIC + 4) {
        return fail(error, 0, "too short for a Parquet file");
    }
    TRY(parquet_read_bytes(file, file->size - TAIL, tail, sizeof(tail), error));
    mem_copy(&length, tail, sizeof(length));
    if (mem_compare(tail + 4, "PAR1", MAGIC) != 0) {
        return fail(error, file->size - MAGIC, "no PAR1 at the end");
    }
    if (length > file->size - TAIL - MAGIC || length > PARQUET_METADATA_MAX) {
        return fail(error, file->size - TAIL, "the footer has an impossible length");
    }
    uint64_t offset = file->size - TAIL - length;
    TRY(parquet_load(&file->source, offset, length, &file->arena, &footer, error));
    if (meta_parse_file(footer, &file->arena, &file->meta, error) != 0) {
        return fail(error, offset + error->offset, error->text);
    }
    TRY(check_footer(file, offset, footer, error));
    if (take_schema(file) != 0) {
        return fail(error, offset, "the schema is malformed");
    }
    return check_rows(file) == 0 ? 0 : fail(error, offset, "the number of rows is impossible");
}

int parquet_open(const ParquetSource *source, ParquetFile **ret_file, ParseError *ret_error)
{
    ParquetFile *file = NEW(ParquetFile);

    file->source = *source;
    file->size = source->read_at == NULL ? source->bytes.len : source->size;
    int r = open_footer(file, ret_error);
    if (r != 0) {
        parquet_close(file);
        return r;
    }
    if (source->is_pinned && file->meta.n_groups > 0) {
        file->cache = parquet_cache_new(file->meta.n_groups * file->meta.groups[0].n_chunks);
    }
    *ret_file = file;
    return 0;
}

ParquetPin parquet_pin(ParquetFile *file)
{
    if (file->cache != NULL) {
        parquet_cache_pin(file->cache);
    }
    return (ParquetPin){file};
}

void parquet_unpin(ParquetPin *pin)
{
    if (pin->file != NULL && pin->file->cache != NULL) {
        parquet_cache_unpin(pin->file->cache);
    }
    pin->file = NULL;
}

ParquetFile *parquet_close(ParquetFile *file)
{
    if (file != NULL) {
        parquet_cache_free(file->cache);
        arena_deinit(&file->arena);
        mem_free(file);
    }
    return NULL;
}

size_t parquet_n_rows(const ParquetFile *file)
{
    return file->n_rows;
}

size_t parquet_n_groups(const ParquetFile *file)
{
    return file->meta.n_groups;
}

size_t parquet_group_row(const ParquetFile *file, size_t group)
{
    ASSERT(group <= file->meta.n_groups);
    return file->group_rows[group];
}

size_t parquet_group_of(const ParquetFile *file, size_t row)
{
    size_t low = 0, high = file->meta.n_groups;

    ASSERT(row < file->n_rows);
    while (high - low > 1) { /* group_rows[low] <= row < group_rows[high] */
        size_t middle = low + (high - low) / 2;

        if (file->group_rows[middle] <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

bool parquet_is_null_column(const ParquetFile *file, size_t column, size_t group)
{
    return parquet_chunk_is_null(&file->columns[column].leaf, chunk_of(file, column, group),
                                 (size_t)file->meta.groups[group].n_rows);
}

size_t parquet_n_columns(const ParquetFile *file)
{
    return file->n_columns;
}

const ParquetColumn *parquet_column(const ParquetFile *file, size_t column)
{
    ASSERT(column < file->n_columns);
    return &file->columns[column].description;
}

uint64_t parquet_column_bytes(const ParquetFile *file, size_t column)
{
    const FileColumn *c = &file->columns[column];
    uint64_t bytes = 0;

    ASSERT(column < file->n_columns);
    for (size_t i = 0; i < file->meta.n_groups; i++) {
        bytes += (uint64_t)file->meta.groups[i].chunks[c->leaf.chunk].compressed_size;
        if (c->description.type == PARQUET_MAP) {
            bytes += (uint64_t)file->meta.groups[i].chunks[c->values.chunk].compressed_size;
        }
    }
    return bytes;
}

size_t parquet_find(const ParquetFile *file, Str name)
{
    for (size_t i = 0; i < file->n_columns; i++) {
        if (str_equal(file->columns[i].description.name, name)) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool parquet_metadata(const ParquetFile *file, Str key, Str *ret_value)
{
    for (size_t i = 0; i < file->meta.n_metadata; i++) {
        if (str_equal(file->meta.metadata[i].key, key)) {
            *ret_value = file->meta.metadata[i].value;
            return true;
        }
    }
    return false;
}

/* --- Sections --- */

int parquet_read_bytes(ParquetFile *file, uint64_t offset, void *bytes, size_t len,
                       ParseError *ret_error)
{
    if (offset > file->size || len > file->size - offset) {
        return fail(ret_error, offset, "a range reaches beyond the end of the file");
    }
    if (file->source.read_at != NULL) {
        return file->source.read_at(file->source.context, offset, bytes, len);
    }
    mem_copy(bytes, file->source.bytes.ptr + offset, len);
    return 0;
}

bool parquet_section(const ParquetFile *file, Str name, ParquetPlace *ret_place)
{
    static const Str prefix = STR("weft.section.");
    Str rest = {0}, word;
    ParquetPlace place;
    uint64_t version;
    uint8_t checksum[8];

    for (size_t i = 0; i < file->meta.n_metadata && rest.ptr == NULL; i++) {
        Str key = file->meta.metadata[i].key;

        if (str_starts_with(key, prefix) && str_equal(str_slice(key, prefix.len, key.len), name)) {
            rest = file->meta.metadata[i].value;
        }
    }
    str_split(rest, ' ', &word, &rest);
    bool good = str_parse_u64(word, &place.offset) == 0;
    str_split(rest, ' ', &word, &rest);
    good = good && str_parse_u64(word, &place.length) == 0;
    str_split(rest, ' ', &word, &rest);
    good = good && str_parse_u64(word, &version) == 0 && version == 1 &&
           str_parse_hex(rest, checksum, sizeof(checksum)) == 0;
    if (!good || place.offset > file->size || place.length > file->size - place.offset) {
        return false;
    }
    place.checksum = __builtin_bswap64(load_u64le(checksum));
    *ret_place = place;
    return true;
}

int parquet_read_section(ParquetFile *file, Str name, Buf *buf, ParseError *ret_error)
{
    ParquetPlace place;

    if (!parquet_section(file, name, &place)) {
        return fail(ret_error, 0, "a private section is missing");
    }
    size_t start = buf->len;
    uint8_t *bytes = buf_grow(buf, (size_t)place.length);
    int r = parquet_read_bytes(file, place.offset, bytes, (size_t)place.length, ret_error);
    if (r == 0 && hash_stable(str_from_bytes(bytes, (size_t)place.length)) != place.checksum) {
        r = fail(ret_error, place.offset, "a private section's checksum does not fit");
    }
    if (r != 0) {
        buf->len = start;
    }
    return r;
}
