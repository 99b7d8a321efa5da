// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/parquet/slots.h"

/* The pages of a chunk back into arrays: the lower half of reader.c and read.c, which check the
 * schema. All results as in parquet.h. */

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
