// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/parquet_meta.h"
#include "store/parquet/cache.h"

/* The pages of a chunk back into arrays: the lower half of reader.c and read.c, which check the
 * schema. All results as in parquet.h. */

/* A leaf of the schema. Levels: a slot (a row, or an entry of a MAP) is there when its definition
 * level is at least slot_level, and has a value when it is max_definition. */
typedef struct ParquetLeaf {
    ParquetType type;
    int32_t physical;
    uint32_t size; /* of FIXED */
    unsigned slot_level, max_definition, max_repetition;
    size_t chunk; /* its number in each row group */
} ParquetLeaf;

/* A page while it is decoded. */
typedef struct ParquetPageValues {
    size_t n;
    uint32_t *codes; /* with a dictionary */
    int64_t *ints;   /* numbers; booleans as 0 and 1 */
    Str *strs;
} ParquetPageValues;

typedef struct ParquetPage {
    MetaPage meta;
    uint64_t offset;                     /* of the header, for errors */
    Str body;                            /* decompressed */
    uint32_t *repetitions, *definitions; /* NULL: all 0; all max */
    size_t n_levels;
    size_t first, end; /* the values that are wanted, of values.n: others need not be decoded */
    ParquetPageValues values;
} ParquetPage;

/* Parts of a page's body, taken off @in into @arena: the levels (which also tell how many values
 * there are), then the values by themselves or as codes. Each returns 0, or 1 when it is malformed
 * or of an encoding that is not read. */
MUST_USE int parquet_take_all_levels(const ParquetLeaf *leaf, ParquetPage *page, Str *in,
                                     Arena *arena);
MUST_USE int parquet_take_values(const ParquetLeaf *leaf, ParquetPage *page, Str *in, Arena *arena);
MUST_USE int parquet_take_codes(ParquetPage *page, Str *in, size_t n_dictionary, Arena *arena);

/* Bytes of the file: a view of the source, or read into @arena. */
MUST_USE int parquet_load(const ParquetSource *source, uint64_t offset, uint64_t len, Arena *arena,
                          Str *ret_bytes, ParseError *ret_error);

/* Slots decoded so far: of the rows asked for, over pages and row groups. */
typedef struct ParquetSlots {
    const ParquetSource *source;
    const ParquetLeaf *leaf;
    Arena *arena;  /* of the result */
    Arena scratch; /* of a page */
    ParseError *error;
    size_t from, to; /* rows of the file */
    size_t n_slots, capacity;
    uint8_t *null;
    bool has_null;
    uint8_t *bools;
    int64_t *ints; /* and doubles by their bits */
    Str *strs;
    uint32_t *codes;
    const ParquetVector *dictionary; /* of codes; NULL: values are materialised */
    bool materialised;
    uint32_t *counts; /* slots per row, of a MAP */

    /* The row group's dictionary, kept over several reads; NULL: not kept. */
    Arena *kept_arena;
    ParquetVector **kept;
    ParquetCache *cache; /* NULL: none */
    size_t cache_slot;   /* of the chunk */
} ParquetSlots;

/* Whether the footer says that no row of a chunk has a value: its pages need not be read. */
bool parquet_chunk_is_null(const ParquetLeaf *leaf, const MetaChunk *chunk, size_t n_rows);

/* Decodes the rows of one chunk that begins at row @first of the file and has @n_rows. */
MUST_USE int parquet_decode_chunk(ParquetSlots *slots, const MetaChunk *chunk, size_t first,
                                  size_t n_rows);

/* The dictionary of a chunk into *@ret_dictionary (NULL: it has none), its memory in slots->arena.
 * Without an offset index nothing is read: NULL. */
MUST_USE int parquet_decode_dictionary(ParquetSlots *slots, const MetaChunk *chunk,
                                       ParquetVector **ret_dictionary);

/* The places of a chunk's pages, in slots->arena; none without an offset index. */
MUST_USE int parquet_load_pages(ParquetSlots *slots, const MetaChunk *chunk,
                                MetaLocation **ret_pages, size_t *ret_n);

void parquet_slots_deinit(ParquetSlots *slots);
