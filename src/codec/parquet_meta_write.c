// SPDX-License-Identifier: Apache-2.0
#include "codec/parquet_meta.h"

#include "codec/thrift.h"

/* Field numbers are those of parquet.thrift; the structs below follow it in its order. */

static void put_logical(ThriftWriter *w, int32_t converted)
{
    int16_t member = converted == CONVERTED_UTF8  ? 1
                     : converted == CONVERTED_MAP ? 2
                     : converted == CONVERTED_JSON
                         ? 12
                         : 14; /* union LogicalType: STRING, MAP, JSON, UUID */

    if (converted != CONVERTED_UUID) {
        thrift_put_i32(w, 6, converted);
    }
    thrift_begin(w, 10);
    thrift_begin(w, member);
    thrift_end(w);
    thrift_end(w);
}

static void put_schema(ThriftWriter *w, const MetaSchema *schema, bool is_root)
{
    thrift_item_begin(w);
    if (schema->physical >= 0) {
        thrift_put_i32(w, 1, schema->physical);
        if (schema->physical == PHYSICAL_FIXED) {
            thrift_put_i32(w, 2, schema->type_length);
        }
    }
    if (!is_root) {
        thrift_put_i32(w, 3, schema->repetition);
    }
    thrift_put_binary(w, 4, schema->name);
    if (schema->physical < 0) {
        thrift_put_i32(w, 5, schema->n_children);
    }
    if (schema->converted != CONVERTED_NONE) {
        put_logical(w, schema->converted);
    }
    thrift_end(w);
}

static void put_statistics(ThriftWriter *w, const MetaStatistics *statistics)
{
    thrift_begin(w, 12);
    thrift_put_i64(w, 3, statistics->nulls);
    if (statistics->min.len != 0) {
        thrift_put_binary(w, 5, statistics->max);
        thrift_put_binary(w, 6, statistics->min);
    }
    thrift_end(w);
}

static void put_column_metadata(ThriftWriter *w, const MetaChunk *chunk)
{
    thrift_begin(w, 3);
    thrift_put_i32(w, 1, chunk->physical);
    thrift_put_list(w, 2, THRIFT_I32, (size_t)__builtin_popcount(chunk->encodings));
    for (int32_t encoding = 0; encoding < 32; encoding++) {
        if ((chunk->encodings >> encoding & 1) != 0) {
            thrift_item_i32(w, encoding);
        }
    }
    thrift_put_list(w, 3, THRIFT_BINARY, chunk->path_length);
    for (size_t i = 0; i < chunk->path_length; i++) {
        thrift_item_binary(w, chunk->path[i]);
    }
    thrift_put_i32(w, 4, chunk->codec);
    thrift_put_i64(w, 5, chunk->n_values);
    thrift_put_i64(w, 6, chunk->uncompressed_size);
    thrift_put_i64(w, 7, chunk->compressed_size);
    thrift_put_i64(w, 9, chunk->data_offset);
    if (chunk->dictionary_offset != 0) {
        thrift_put_i64(w, 11, chunk->dictionary_offset);
    }
    put_statistics(w, &chunk->statistics);
    thrift_end(w);
}

static void put_chunk(ThriftWriter *w, const MetaChunk *chunk)
{
    thrift_item_begin(w);
    thrift_put_i64(w, 2, 0); /* file_offset: deprecated, 0 as the specification asks */
    put_column_metadata(w, chunk);
    if (chunk->offset_index != 0) {
        thrift_put_i64(w, 4, chunk->offset_index);
        thrift_put_i32(w, 5, chunk->offset_index_size);
    }
    if (chunk->column_index != 0) {
        thrift_put_i64(w, 6, chunk->column_index);
        thrift_put_i32(w, 7, chunk->column_index_size);
    }
    thrift_end(w);
}

static void put_group(ThriftWriter *w, const MetaGroup *group)
{
    thrift_item_begin(w);
    thrift_put_list(w, 1, THRIFT_STRUCT, group->n_chunks);
    for (size_t i = 0; i < group->n_chunks; i++) {
        put_chunk(w, &group->chunks[i]);
    }
    thrift_put_i64(w, 2, group->total_size);
    thrift_put_i64(w, 3, group->n_rows);
    thrift_end(w);
}

static void put_metadata(ThriftWriter *w, const MetaFile *file)
{
    if (file->n_metadata == 0) {
        return;
    }
    thrift_put_list(w, 5, THRIFT_STRUCT, file->n_metadata);
    for (size_t i = 0; i < file->n_metadata; i++) {
        thrift_item_begin(w);
        thrift_put_binary(w, 1, file->metadata[i].key);
        thrift_put_binary(w, 2, file->metadata[i].value);
        thrift_end(w);
    }
}

/* Readers may use min and max only when they know the order they were found in: TypeOrder for each
 * leaf column. */
static void put_column_orders(ThriftWriter *w, const MetaFile *file)
{
    size_t n_leaves = 0;

    for (size_t i = 0; i < file->n_schema; i++) {
        n_leaves += file->schema[i].physical >= 0;
    }
    thrift_put_list(w, 7, THRIFT_STRUCT, n_leaves);
    for (size_t i = 0; i < n_leaves; i++) {
        thrift_item_begin(w);
        thrift_begin(w, 1);
        thrift_end(w);
        thrift_end(w);
    }
}

void meta_append_file(Buf *buf, const MetaFile *file)
{
    ThriftWriter w = {.buf = buf};

    thrift_put_i32(&w, 1, 2); /* format version */
    thrift_put_list(&w, 2, THRIFT_STRUCT, file->n_schema);
    for (size_t i = 0; i < file->n_schema; i++) {
        put_schema(&w, &file->schema[i], i == 0);
    }
    thrift_put_i64(&w, 3, file->n_rows);
    thrift_put_list(&w, 4, THRIFT_STRUCT, file->n_groups);
    for (size_t i = 0; i < file->n_groups; i++) {
        put_group(&w, &file->groups[i]);
    }
    put_metadata(&w, file);
    thrift_put_binary(&w, 6, file->created_by);
    put_column_orders(&w, file);
    thrift_end(&w);
}

static void put_data_header(ThriftWriter *w, const MetaPage *page)
{
    thrift_begin(w, 5);
    thrift_put_i32(w, 1, page->n_values);
    thrift_put_i32(w, 2, page->encoding);
    thrift_put_i32(w, 3, ENCODING_RLE); /* definition and repetition levels */
    thrift_put_i32(w, 4, ENCODING_RLE);
    thrift_end(w);
}

void meta_append_page(Buf *buf, const MetaPage *page)
{
    ThriftWriter w = {.buf = buf};

    thrift_put_i32(&w, 1, page->type);
    thrift_put_i32(&w, 2, page->uncompressed_size);
    thrift_put_i32(&w, 3, page->compressed_size);
    if (page->has_crc) {
        thrift_put_i32(&w, 4, (int32_t)page->crc);
    }
    if (page->type == PAGE_DICTIONARY) {
        thrift_begin(&w, 7);
        thrift_put_i32(&w, 1, page->n_values);
        thrift_put_i32(&w, 2, page->encoding);
        thrift_end(&w);
    } else {
        put_data_header(&w, page);
    }
    thrift_end(&w);
}

void meta_append_offset_index(Buf *buf, const MetaLocation *pages, size_t n_pages)
{
    ThriftWriter w = {.buf = buf};

    thrift_put_list(&w, 1, THRIFT_STRUCT, n_pages);
    for (size_t i = 0; i < n_pages; i++) {
        thrift_item_begin(&w);
        thrift_put_i64(&w, 1, pages[i].offset);
        thrift_put_i32(&w, 2, pages[i].size);
        thrift_put_i64(&w, 3, pages[i].first_row);
        thrift_end(&w);
    }
    thrift_end(&w);
}

void meta_append_column_index(Buf *buf, const MetaStatistics *pages, size_t n_pages)
{
    ThriftWriter w = {.buf = buf};

    thrift_put_list(&w, 1, THRIFT_TRUE, n_pages); /* null_pages */
    for (size_t i = 0; i < n_pages; i++) {
        thrift_item_bool(&w, pages[i].min.len == 0);
    }
    thrift_put_list(&w, 2, THRIFT_BINARY, n_pages);
    for (size_t i = 0; i < n_pages; i++) {
        thrift_item_binary(&w, pages[i].min);
    }
    thrift_put_list(&w, 3, THRIFT_BINARY, n_pages);
    for (size_t i = 0; i < n_pages; i++) {
        thrift_item_binary(&w, pages[i].max);
    }
    thrift_put_i32(&w, 4, 0); /* boundary_order: unordered */
    thrift_put_list(&w, 5, THRIFT_I64, n_pages);
    for (size_t i = 0; i < n_pages; i++) {
        thrift_item_i64(&w, pages[i].nulls);
    }
    thrift_put_i64(&w, META_INDEX_CHECKSUM_FIELD, (int64_t)meta_index_checksum(pages, n_pages));
    thrift_end(&w);
}
