// SPDX-License-Identifier: Apache-2.0
#include <zstd.h>

#include "base/assert.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "store/parquet/column.h"
#include "store/parquet/column_private.h"

/*
 * The file: "PAR1", the chunks of one row group, private sections, column and offset indexes, the
 * 64-bit XXH3 of the footer (its key `weft.footer` says so), the footer, its length, "PAR1".
 */
static const Str magic = STR("PAR1");
static const Str created_by = STR("weft version " WEFT_VERSION);

typedef struct FileWriter {
    Encoder encoder;
    const ParquetParts *parts;
    Arena arena;
    EncodedLeaf *leaves;
    size_t n_leaves;
    MetaFile meta;
} FileWriter;

static uint64_t file_offset(const FileWriter *w)
{
    return w->encoder.file->len - w->encoder.start;
}

/* --- Schema --- */

static MetaSchema *add_schema(FileWriter *w, Str name, int32_t physical, int32_t repetition)
{
    MetaSchema *schema = &w->meta.schema[w->meta.n_schema++];

    *schema = (MetaSchema){
        .name = name, .physical = physical, .repetition = repetition, .converted = CONVERTED_NONE};
    return schema;
}

static void add_map_schema(FileWriter *w, Str name)
{
    MetaSchema *map = add_schema(w, name, -1, REPETITION_REQUIRED);

    map->n_children = 1;
    map->converted = CONVERTED_MAP;
    add_schema(w, STR("key_value"), -1, REPETITION_REPEATED)->n_children = 2;
    add_schema(w, STR("key"), PHYSICAL_BYTE_ARRAY, REPETITION_REQUIRED)->converted = CONVERTED_UTF8;
    add_schema(w, STR("value"), PHYSICAL_BYTE_ARRAY, REPETITION_REQUIRED)->converted =
        CONVERTED_UTF8;
}

static void add_column_schema(FileWriter *w, const ParquetColumn *column, int32_t physical)
{
    int32_t repetition = column->optional ? REPETITION_OPTIONAL : REPETITION_REQUIRED;
    MetaSchema *schema = add_schema(w, column->name, physical, repetition);

    schema->type_length = (int32_t)column->size;
    schema->converted = column->type == PARQUET_STRING ? CONVERTED_UTF8
                        : column->type == PARQUET_JSON ? CONVERTED_JSON
                        : column->type == PARQUET_UUID ? CONVERTED_UUID
                                                       : CONVERTED_NONE;
}

static void set_path(FileWriter *w, EncodedLeaf *leaf, Str first, Str second, Str third)
{
    Str *path = ARENA_ARRAY(&w->arena, Str, 3);

    path[0] = first;
    path[1] = second;
    path[2] = third;
    leaf->chunk.path = path;
    leaf->chunk.path_length = third.len == 0 ? 1 : 3;
}

/* --- Columns --- */

static void write_leaf(FileWriter *w, ColumnData *column, const ColumnData *map, Str part)
{
    EncodedLeaf *leaf = &w->leaves[w->n_leaves++];
    Str name = map != NULL ? map->name : column->name;

    encode_leaf(&w->encoder, column, map, w->parts->n_rows, leaf);
    set_path(w, leaf, name, STR("key_value"), part);
    column->written_bytes = (uint64_t)leaf->chunk.compressed_size;
}

static void write_column(FileWriter *w, ColumnData *column)
{
    const ParquetColumn *description = &column->description;

    ASSERT(column->next_row <= w->parts->n_rows);
    if (description->type == PARQUET_MAP) {
        add_map_schema(w, description->name);
        write_leaf(w, column->keys, column, STR("key"));
        write_leaf(w, column->values, column, STR("value"));
        column->written_bytes = column->keys->written_bytes + column->values->written_bytes;
        return;
    }
    ASSERT(description->optional || column->n_values == w->parts->n_rows);
    write_leaf(w, column, NULL, (Str){0});
    add_column_schema(w, description, w->leaves[w->n_leaves - 1].chunk.physical);
}

static void write_columns(FileWriter *w)
{
    size_t n = w->parts->n_columns;

    ASSERT(n > 0 && n <= PARQUET_COLUMNS_MAX && w->parts->n_rows <= PARQUET_ROWS_MAX);
    w->leaves = ARENA_ARRAY(&w->arena, EncodedLeaf, 2 * n);
    w->meta.schema = ARENA_ARRAY(&w->arena, MetaSchema, 4 * n + 1);
    add_schema(w, STR("schema"), -1, REPETITION_REQUIRED)->n_children = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        write_column(w, w->parts->columns[i]);
    }
}

/* --- Behind the pages --- */

static void add_metadata(FileWriter *w, Str key, Str value)
{
    w->meta.metadata[w->meta.n_metadata++] = (MetaKeyValue){key, value};
}

/* A section's place is told as "OFFSET LENGTH VERSION CHECKSUM", the checksum in hex. */
static void write_sections(FileWriter *w)
{
    const ParquetParts *parts = w->parts;

    w->meta.metadata =
        ARENA_ARRAY(&w->arena, MetaKeyValue, parts->n_metadata + parts->n_sections + 1);
    for (size_t i = 0; i < parts->n_metadata; i++) {
        add_metadata(w, parts->metadata[i].key, parts->metadata[i].value);
    }
    for (size_t i = 0; i < parts->n_sections; i++) {
        const ParquetSection *section = &parts->sections[i];
        Str place =
            arena_format(&w->arena, "%llu %zu 1 %016llx", (unsigned long long)file_offset(w),
                         section->bytes.len, (unsigned long long)hash_stable(section->bytes));

        add_metadata(w, arena_format(&w->arena, "weft.section.%.*s", STR_ARG(section->name)),
                     place);
        buf_append_str(w->encoder.file, section->bytes);
    }
    add_metadata(w, STR("weft.footer"), STR("xxh3"));
}

static void write_indexes(FileWriter *w)
{
    for (size_t i = 0; i < w->n_leaves; i++) {
        EncodedLeaf *leaf = &w->leaves[i];

        if (leaf->page_statistics != NULL) {
            leaf->chunk.column_index = (int64_t)file_offset(w);
            meta_append_column_index(w->encoder.file, leaf->page_statistics, leaf->n_pages);
            leaf->chunk.column_index_size =
                (int32_t)((int64_t)file_offset(w) - leaf->chunk.column_index);
        }
    }
    for (size_t i = 0; i < w->n_leaves; i++) {
        EncodedLeaf *leaf = &w->leaves[i];

        leaf->chunk.offset_index = (int64_t)file_offset(w);
        meta_append_offset_index(w->encoder.file, leaf->pages, leaf->n_pages);
        leaf->chunk.offset_index_size =
            (int32_t)((int64_t)file_offset(w) - leaf->chunk.offset_index);
    }
}

static void write_footer(FileWriter *w)
{
    CLEANUP(buf_deinit) Buf footer = {0};
    MetaGroup group = {.n_rows = (int64_t)w->parts->n_rows, .n_chunks = w->n_leaves};

    group.chunks = ARENA_ARRAY(&w->arena, MetaChunk, w->n_leaves);
    for (size_t i = 0; i < w->n_leaves; i++) {
        group.chunks[i] = w->leaves[i].chunk;
        group.total_size += w->leaves[i].chunk.uncompressed_size;
    }
    w->meta.n_rows = group.n_rows;
    w->meta.groups = &group;
    w->meta.n_groups = group.n_rows == 0 ? 0 : 1;
    w->meta.created_by = created_by;
    meta_append_file(&footer, &w->meta);
    buf_append_u64le(w->encoder.file, hash_stable(buf_str(&footer)));
    buf_append_str(w->encoder.file, buf_str(&footer));
    buf_append_u32le(w->encoder.file, (uint32_t)footer.len);
    buf_append_str(w->encoder.file, magic);
}

void parquet_write(const ParquetParts *parts, Buf *file)
{
    FileWriter w = {.parts = parts, .encoder = {.file = file, .start = file->len}};

    w.encoder.arena = &w.arena;
    w.encoder.zstd = ZSTD_createCCtx();
    ASSERT(w.encoder.zstd != NULL);
    buf_append_str(file, magic);
    write_columns(&w);
    write_sections(&w);
    if (parts->n_rows > 0) {
        write_indexes(&w);
    }
    write_footer(&w);
    ZSTD_freeCCtx(w.encoder.zstd);
    buf_deinit(&w.encoder.page);
    buf_deinit(&w.encoder.packed);
    arena_deinit(&w.arena);
}

/* --- The public writer: columns by number --- */

struct ParquetWriter {
    ColumnData **columns;
    size_t n_columns, capacity;
    Arena arena; /* metadata and sections */
    MetaKeyValue *metadata;
    size_t n_metadata, metadata_capacity;
    ParquetSection *sections;
    size_t n_sections, section_capacity;
};

ParquetWriter *parquet_writer_new(void)
{
    return NEW(ParquetWriter);
}

ParquetWriter *parquet_writer_free(ParquetWriter *writer)
{
    if (writer == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < writer->n_columns; i++) {
        column_free(writer->columns[i]);
    }
    mem_free(writer->columns);
    mem_free(writer->metadata);
    mem_free(writer->sections);
    arena_deinit(&writer->arena);
    mem_free(writer);
    return NULL;
}

size_t parquet_writer_add(ParquetWriter *writer, const ParquetColumn *column)
{
    ASSERT(writer->n_columns < PARQUET_COLUMNS_MAX);
    ARRAY_RESERVE(writer->columns, writer->n_columns, writer->capacity);
    writer->columns[writer->n_columns] = column_new(column);
    return writer->n_columns++;
}

static ColumnData *column_at(ParquetWriter *writer, size_t column)
{
    ASSERT(column < writer->n_columns);
    return writer->columns[column];
}

void parquet_put_bool(ParquetWriter *writer, size_t column, size_t row, bool value)
{
    ASSERT(column_at(writer, column)->description.type == PARQUET_BOOL);
    column_put_int(writer->columns[column], row, value);
}

void parquet_put_int(ParquetWriter *writer, size_t column, size_t row, int64_t value)
{
    ParquetType type = column_at(writer, column)->description.type;

    ASSERT(type == PARQUET_INT64 ||
           (type == PARQUET_INT32 && value >= INT32_MIN && value <= INT32_MAX));
    column_put_int(writer->columns[column], row, value);
}

void parquet_put_double(ParquetWriter *writer, size_t column, size_t row, double value)
{
    ASSERT(column_at(writer, column)->description.type == PARQUET_DOUBLE);
    column_put_double(writer->columns[column], row, value);
}

void parquet_put_str(ParquetWriter *writer, size_t column, size_t row, Str value)
{
    column_put_str(column_at(writer, column), row, value);
}

void parquet_put_entry(ParquetWriter *writer, size_t column, size_t row, Str key, Str value)
{
    column_put_entry(column_at(writer, column), row, key, value);
}

void parquet_set_metadata(ParquetWriter *writer, Str key, Str value)
{
    ARRAY_RESERVE(writer->metadata, writer->n_metadata, writer->metadata_capacity);
    writer->metadata[writer->n_metadata++] =
        (MetaKeyValue){arena_copy(&writer->arena, key), arena_copy(&writer->arena, value)};
}

void parquet_add_section(ParquetWriter *writer, Str name, Str bytes)
{
    ARRAY_RESERVE(writer->sections, writer->n_sections, writer->section_capacity);
    writer->sections[writer->n_sections++] =
        (ParquetSection){arena_copy(&writer->arena, name), arena_copy(&writer->arena, bytes)};
}

void parquet_writer_finish(ParquetWriter *writer, size_t n_rows, Buf *file)
{
    parquet_write(
        &(ParquetParts){
            .columns = writer->columns,
            .n_columns = writer->n_columns,
            .n_rows = n_rows,
            .metadata = writer->metadata,
            .n_metadata = writer->n_metadata,
            .sections = writer->sections,
            .n_sections = writer->n_sections,
        },
        file);
    for (size_t i = 0; i < writer->n_columns; i++) {
        column_clear(writer->columns[i]);
    }
    writer->n_metadata = writer->n_sections = 0;
    arena_reset(&writer->arena);
}
