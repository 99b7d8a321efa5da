// SPDX-License-Identifier: Apache-2.0
#include <zstd.h>

#include "base/assert.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "store/parquet/column.h"
#include "store/parquet/column_private.h"

/*
 * The file: "PAR1", the chunks of the row groups, private sections, column and offset indexes, the
 * 64-bit XXH3 of the footer (its key `weft.footer` says so), the footer, its length, "PAR1".
 */
static const Str magic = STR("PAR1");
static const Str created_by = STR("weft version " WEFT_VERSION);

typedef struct FileGroup {
    EncodedLeaf *leaves;
    size_t n_leaves, n_rows;
} FileGroup;

struct FileWriter {
    Encoder encoder;
    Arena arena; /* all that the footer needs */
    MetaFile meta;
    FileGroup *groups;
    size_t n_groups, group_capacity;
    FileGroup *group; /* that is being written */
    bool has_begun;
};

static uint64_t file_offset(const FileWriter *w)
{
    return encoder_offset(&w->encoder);
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

/* Names live as long as the writer. */
static void write_schema(FileWriter *w, ColumnData *const *columns, size_t n)
{
    w->meta.schema = ARENA_ARRAY(&w->arena, MetaSchema, 4 * n + 1);
    add_schema(w, STR("schema"), -1, REPETITION_REQUIRED)->n_children = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        ParquetColumn column = columns[i]->description;

        column.name = arena_copy(&w->arena, column.name);
        if (column.type == PARQUET_MAP) {
            add_map_schema(w, column.name);
        } else {
            add_column_schema(w, &column, encode_physical_type(columns[i]));
        }
    }
}

/* --- Columns --- */

static void write_leaf(FileWriter *w, ColumnData *column, const ColumnData *map, Str part)
{
    EncodedLeaf *leaf = &w->group->leaves[w->group->n_leaves++];
    Str name = map != NULL ? map->name : column->name;

    encode_leaf(&w->encoder, column, map, w->group->n_rows, leaf);
    set_path(w, leaf, arena_copy(&w->arena, name), STR("key_value"), part);
}

static void write_column(FileWriter *w, ColumnData *column)
{
    const ParquetColumn *description = &column->description;

    ASSERT(column->next_row <= w->group->n_rows);
    if (description->type == PARQUET_MAP) {
        write_leaf(w, column->keys, column, STR("key"));
        write_leaf(w, column->values, column, STR("value"));
        return;
    }
    ASSERT(description->optional || column->n_values == w->group->n_rows);
    write_leaf(w, column, NULL, (Str){0});
}

static void begin_call(FileWriter *w, Buf *file)
{
    w->encoder.file = file;
    w->encoder.start = file->len;
}

static void end_call(FileWriter *w)
{
    w->encoder.base = file_offset(w);
    w->encoder.start = w->encoder.file->len;
}

void file_writer_group(FileWriter *w, ColumnData *const *columns, size_t n_columns, size_t n_rows,
                       Buf *file)
{
    begin_call(w, file);
    if (!w->has_begun) {
        ASSERT(n_columns > 0 && n_columns <= PARQUET_COLUMNS_MAX);
        buf_append_str(file, magic);
        write_schema(w, columns, n_columns);
        w->has_begun = true;
    }
    ASSERT(w->meta.schema[0].n_children == (int32_t)n_columns && n_rows <= PARQUET_ROWS_MAX);
    if (n_rows > 0) {
        ARRAY_RESERVE(w->groups, w->n_groups, w->group_capacity);
        w->group = &w->groups[w->n_groups++];
        *w->group = (FileGroup){.n_rows = n_rows};
        w->group->leaves = ARENA_ARRAY(&w->arena, EncodedLeaf, 2 * n_columns);
        for (size_t i = 0; i < n_columns; i++) {
            write_column(w, columns[i]);
        }
    }
    end_call(w);
}

/* --- Behind the pages --- */

static void add_metadata(FileWriter *w, Str key, Str value)
{
    w->meta.metadata[w->meta.n_metadata++] = (MetaKeyValue){key, value};
}

/* A section's place is told as "OFFSET LENGTH VERSION CHECKSUM", the checksum in hex. */
static void write_sections(FileWriter *w, const FileTail *tail)
{
    w->meta.metadata =
        ARENA_ARRAY(&w->arena, MetaKeyValue, tail->n_metadata + tail->n_sections + 1);
    for (size_t i = 0; i < tail->n_metadata; i++) {
        add_metadata(w, tail->metadata[i].key, tail->metadata[i].value);
    }
    for (size_t i = 0; i < tail->n_sections; i++) {
        const ParquetSection *section = &tail->sections[i];
        Str place =
            arena_format(&w->arena, "%llu %zu 1 %016llx", (unsigned long long)file_offset(w),
                         section->bytes.len, (unsigned long long)hash_stable(section->bytes));

        add_metadata(w, arena_format(&w->arena, "weft.section.%.*s", STR_ARG(section->name)),
                     place);
        buf_append_str(w->encoder.file, section->bytes);
    }
    add_metadata(w, STR("weft.footer"), STR("xxh3"));
}

static void write_column_index(FileWriter *w, EncodedLeaf *leaf)
{
    if (leaf->page_statistics != NULL) {
        leaf->chunk.column_index = (int64_t)file_offset(w);
        meta_append_column_index(w->encoder.file, leaf->page_statistics, leaf->n_pages);
        leaf->chunk.column_index_size =
            (int32_t)((int64_t)file_offset(w) - leaf->chunk.column_index);
    }
}

static void write_offset_index(FileWriter *w, EncodedLeaf *leaf)
{
    leaf->chunk.offset_index = (int64_t)file_offset(w);
    meta_append_offset_index(w->encoder.file, leaf->pages, leaf->n_pages);
    leaf->chunk.offset_index_size = (int32_t)((int64_t)file_offset(w) - leaf->chunk.offset_index);
}

static void each_leaf(FileWriter *w, void (*write)(FileWriter *w, EncodedLeaf *leaf))
{
    for (size_t group = 0; group < w->n_groups; group++) {
        for (size_t i = 0; i < w->groups[group].n_leaves; i++) {
            write(w, &w->groups[group].leaves[i]);
        }
    }
}

static void fill_group(FileWriter *w, const FileGroup *from, MetaGroup *group)
{
    group->n_rows = (int64_t)from->n_rows;
    group->n_chunks = from->n_leaves;
    group->chunks = ARENA_ARRAY(&w->arena, MetaChunk, from->n_leaves);
    for (size_t i = 0; i < from->n_leaves; i++) {
        group->chunks[i] = from->leaves[i].chunk;
        group->total_size += from->leaves[i].chunk.uncompressed_size;
    }
    w->meta.n_rows += group->n_rows;
}

static void write_footer(FileWriter *w)
{
    CLEANUP(buf_deinit) Buf footer = {0};

    w->meta.groups = ARENA_ARRAY(&w->arena, MetaGroup, w->n_groups);
    w->meta.n_groups = w->n_groups;
    for (size_t i = 0; i < w->n_groups; i++) {
        fill_group(w, &w->groups[i], &w->meta.groups[i]);
    }
    w->meta.created_by = created_by;
    meta_append_file(&footer, &w->meta);
    buf_append_u64le(w->encoder.file, hash_stable(buf_str(&footer)));
    buf_append_str(w->encoder.file, buf_str(&footer));
    buf_append_u32le(w->encoder.file, (uint32_t)footer.len);
    buf_append_str(w->encoder.file, magic);
}

void file_writer_end(FileWriter *w, const FileTail *tail, Buf *file)
{
    ASSERT(w->has_begun);
    begin_call(w, file);
    write_sections(w, tail);
    each_leaf(w, write_column_index);
    each_leaf(w, write_offset_index);
    write_footer(w);
    end_call(w);
}

uint64_t file_writer_bytes(const FileWriter *w)
{
    return w->encoder.base;
}

FileWriter *file_writer_new(void)
{
    FileWriter *w = NEW(FileWriter);

    w->encoder.arena = &w->arena;
    w->encoder.zstd = ZSTD_createCCtx();
    ASSERT(w->encoder.zstd != NULL);
    return w;
}

FileWriter *file_writer_free(FileWriter *w)
{
    if (w != NULL) {
        ZSTD_freeCCtx(w->encoder.zstd);
        buf_deinit(&w->encoder.page);
        buf_deinit(&w->encoder.packed);
        arena_deinit(&w->encoder.leaf);
        arena_deinit(&w->arena);
        mem_free(w->groups);
        mem_free(w);
    }
    return NULL;
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
    FileWriter *w = file_writer_new();
    FileTail tail = {writer->metadata, writer->n_metadata, writer->sections, writer->n_sections};

    file_writer_group(w, writer->columns, writer->n_columns, n_rows, file);
    file_writer_end(w, &tail, file);
    file_writer_free(w);
    for (size_t i = 0; i < writer->n_columns; i++) {
        column_clear(writer->columns[i]);
    }
    writer->n_metadata = writer->n_sections = 0;
    arena_reset(&writer->arena);
}
