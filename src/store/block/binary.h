// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/parquet/column.h"

/*
 * Identifiers that are written as text and stored as bytes: UUIDs (8-4-4-4-12 lower-case hex
 * digits) and hex numbers (lower-case, of one length). A column is stored so only when every one of
 * its values comes back byte by byte.
 */

enum { BLOCK_BINARY_MOST = 32 }; /* bytes of a value */

/* @text's values as bytes: a column of UUID or FIXED, owned by the caller; NULL when some value has
 * another form, or when they repeat so that a dictionary of texts is better. */
ColumnData *block_binary_column(const ColumnData *text);

/* A column that texts are stored in: PARQUET_UUID or FIXED of @size bytes. */
typedef struct BlockForm {
    ParquetType type;
    uint32_t size;
} BlockForm;

/* @text's values as bytes of the form, those that have it: owned by the caller. The others are
 * given to @misfit. */
ColumnData *block_binary_convert(const ColumnData *text, const BlockForm *form,
                                 void (*misfit)(void *context, size_t row, Str text),
                                 void *context);

/* Whether a column of UUID or FIXED (of @size bytes) can hold the text; then its bytes are in
 * @bytes. */
bool block_binary_parse(ParquetType type, uint32_t size, Str text,
                        uint8_t bytes[BLOCK_BINARY_MOST]);

/* Turns a vector of UUID or FIXED into one of texts in @arena. */
void block_binary_to_text(ParquetVector *vector, uint32_t size, Arena *arena);
