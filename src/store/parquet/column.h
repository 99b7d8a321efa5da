// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "codec/parquet_meta.h"
#include "store/parquet.h"

/*
 * One column of a Parquet file while it is collected in memory, and the way from many of them to
 * the file: below parquet.h's writer and the block builder. Not thread-safe.
 *
 * Bytes are kept as codes into a dictionary until there are too many distinct values for it to pay,
 * then as they are. Null rows cost one bit.
 */
typedef struct ColumnData ColumnData;

ColumnData *column_new(const ParquetColumn *description);
ColumnData *column_free(ColumnData *column);

/* For CLEANUP and arrays: forgets all rows, keeps name and type. */
void column_clear(ColumnData *column);

const ParquetColumn *column_description(const ColumnData *column);

/* Values put so far (of a MAP: entries). */
size_t column_count(const ColumnData *column);

/* As parquet_put_*(). */
void column_put_int(ColumnData *column, size_t row, int64_t value); /* also booleans */
void column_put_double(ColumnData *column, size_t row, double value);
void column_put_str(ColumnData *column, size_t row, Str value);
void column_put_entry(ColumnData *column, size_t row, Str key, Str value);

/* As column_put_str, for strings that stay where they are, unchanged, until the column is cleared:
 * the same pointer again is found without looking at the bytes. */
void column_put_shared(ColumnData *column, size_t row, Str value);

/* As column_put_shared if the string was put from the same address lately; else does nothing and
 * returns false. What was good enough to be put then need not be looked at again. */
bool column_put_known(ColumnData *column, size_t row, Str value);

/* The dictionary of a bytes column and the code of its values in the order they were put, or NULL
 * when it has too many distinct values. */
const Symbols *column_dictionary(const ColumnData *column, const uint32_t **ret_codes);

/* Calls @visit for each value in order: a number (a double by its bits), or bytes. Not for MAP. */
void column_each(const ColumnData *column,
                 void (*visit)(void *context, size_t row, int64_t number, Str bytes),
                 void *context);

/* Bytes held, for budgets. */
size_t column_bytes(const ColumnData *column);

/* --- Encoding --- */

/* A named private section, written behind the last page. */
typedef struct ParquetSection {
    Str name, bytes;
} ParquetSection;

/*
 * A file that is written row group by row group: memory is that of a group and of the list of its
 * pages. Between two calls the bytes in @file may be taken away (they are the file's next ones):
 * what the next call appends need not follow them in memory.
 */
typedef struct FileWriter FileWriter;

FileWriter *file_writer_new(void);
FileWriter *file_writer_free(FileWriter *writer);

/* Appends @n_rows rows of @columns as a row group (the first call: behind "PAR1"). All calls give
 * columns of the same names and types in the order of the schema; their descriptions must live
 * until the end. A group without rows is left out. */
void file_writer_group(FileWriter *writer, ColumnData *const *columns, size_t n_columns,
                       size_t n_rows, Buf *file);

/* What stands behind the pages. */
typedef struct FileTail {
    const MetaKeyValue *metadata;
    size_t n_metadata;
    const ParquetSection *sections;
    size_t n_sections;
} FileTail;

/* Appends sections, indexes and footer; there was a group. The writer can only be freed then. */
void file_writer_end(FileWriter *writer, const FileTail *tail, Buf *file);

/* Bytes of the file so far. */
uint64_t file_writer_bytes(const FileWriter *writer);
