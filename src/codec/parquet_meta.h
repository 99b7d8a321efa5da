// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/*
 * The metadata structs of Parquet (parquet-format, parquet.thrift), as bytes and back: the footer,
 * page headers, the page index. Names and numbers are the specification's. The parsers take hostile
 * bytes and check their form only; whether offsets lie in the file is the caller's to check.
 */
enum {
    PHYSICAL_BOOLEAN = 0,
    PHYSICAL_INT32 = 1,
    PHYSICAL_INT64 = 2,
    PHYSICAL_DOUBLE = 5,
    PHYSICAL_BYTE_ARRAY = 6,
    PHYSICAL_FIXED = 7
};
enum { REPETITION_REQUIRED = 0, REPETITION_OPTIONAL = 1, REPETITION_REPEATED = 2 };
enum { CODEC_NONE = 0, CODEC_SNAPPY = 1, CODEC_ZSTD = 6 };
enum {
    ENCODING_PLAIN = 0,
    ENCODING_PLAIN_DICTIONARY = 2,
    ENCODING_RLE = 3,
    ENCODING_DELTA_BINARY_PACKED = 5,
    ENCODING_DELTA_LENGTH_BYTE_ARRAY = 6,
    ENCODING_RLE_DICTIONARY = 8
};
enum { PAGE_DATA = 0, PAGE_INDEX = 1, PAGE_DICTIONARY = 2, PAGE_DATA_V2 = 3 };
enum {
    CONVERTED_NONE = -1,
    CONVERTED_UTF8 = 0,
    CONVERTED_MAP = 1,
    CONVERTED_JSON = 19,
    CONVERTED_UUID = 1000, /* ours: there is only a logical type of that name */
};

typedef struct MetaSchema {
    Str name;
    int32_t physical;    /* -1: a group */
    int32_t type_length; /* of FIXED */
    int32_t repetition;
    int32_t n_children; /* of a group */
    int32_t converted;  /* CONVERTED_*; a logical type of the name is seen as this too */
} MetaSchema;

/* Least and greatest value and the number of nulls. */
typedef struct MetaStatistics {
    Str min, max; /* plain-encoded; empty: none */
    int64_t nulls;
} MetaStatistics;

typedef struct MetaChunk {
    int32_t physical, codec;
    uint32_t encodings;                         /* bit set of ENCODING_* */
    const Str *path;                            /* writer only */
    size_t path_length;                         /* writer only */
    int64_t n_values;                           /* with nulls */
    int64_t uncompressed_size, compressed_size; /* with page headers */
    int64_t data_offset;
    int64_t dictionary_offset; /* 0: none */
    MetaStatistics statistics;
    int64_t offset_index, column_index; /* offsets; 0: none */
    int32_t offset_index_size, column_index_size;
} MetaChunk;

typedef struct MetaKeyValue {
    Str key, value;
} MetaKeyValue;

typedef struct MetaGroup {
    MetaChunk *chunks;
    size_t n_chunks;
    int64_t n_rows, total_size;
} MetaGroup;

typedef struct MetaFile {
    MetaSchema *schema; /* depth first, the root first */
    size_t n_schema;
    int64_t n_rows;
    MetaGroup *groups;
    size_t n_groups;
    MetaKeyValue *metadata;
    size_t n_metadata;
    Str created_by;
} MetaFile;

typedef struct MetaPage {
    int32_t type; /* PAGE_* */
    int32_t uncompressed_size, compressed_size;
    bool has_crc;
    uint32_t crc; /* of the compressed bytes */
    int32_t n_values;
    int32_t encoding;
} MetaPage;

/* Where a page is: one row of the offset index. */
typedef struct MetaLocation {
    int64_t offset;
    int32_t size; /* with its header */
    int64_t first_row;
} MetaLocation;

void meta_append_file(Buf *buf, const MetaFile *file);
void meta_append_page(Buf *buf, const MetaPage *page);
void meta_append_offset_index(Buf *buf, const MetaLocation *pages, size_t n_pages);

/* The column index: statistics per page; a page of nulls only has an empty min. A private field has
 * a checksum of them, because nothing else in the file has. */
void meta_append_column_index(Buf *buf, const MetaStatistics *pages, size_t n_pages);

/* The private field's number, which readers skip: far beyond those of the format. */
enum { META_INDEX_CHECKSUM_FIELD = 1000 };
uint64_t meta_index_checksum(const MetaStatistics *pages, size_t n_pages);

/* Each returns 0, or 1 with the offset (from the start of @bytes) and what is wrong. Views point
 * into @bytes, arrays into @arena. */
MUST_USE int meta_parse_file(Str bytes, Arena *arena, MetaFile *ret_file, ParseError *ret_error);
MUST_USE int meta_parse_offset_index(Str bytes, Arena *arena, MetaLocation **ret_pages,
                                     size_t *ret_n, ParseError *ret_error);

/* Least and greatest only. Without our checksum, @ret_n is 0: another's, which nobody vouches for.
 */
MUST_USE int meta_parse_column_index(Str bytes, Arena *arena, MetaStatistics **ret_pages,
                                     size_t *ret_n, ParseError *ret_error);

/* @ret_size: bytes of the header itself. */
MUST_USE int meta_parse_page(Str bytes, MetaPage *ret_page, size_t *ret_size,
                             ParseError *ret_error);
