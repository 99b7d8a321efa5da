// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/*
 * Flat Parquet files (parquet-format 2.9): a writer that collects columns in memory and appends one
 * file to a Buf, and a reader that takes named columns back into arrays. What they need of the
 * format and no more: one level of columns, plus MAP<string,string>; zstd level 1; a page index; a
 * CRC on every page. Files by other writers are read when they keep to that (plain, dictionary,
 * delta, delta-length and RLE encodings; data pages version 1; zstd, snappy or no compression).
 *
 * Writer and reader share no state. A ParquetWriter belongs to one thread. A ParquetFile may be
 * read by many threads at once when its source's read_at may, each with its own arena.
 */
typedef enum ParquetType {
    PARQUET_BOOL,
    PARQUET_INT32,
    PARQUET_INT64,
    PARQUET_DOUBLE,
    PARQUET_BYTES,  /* BYTE_ARRAY */
    PARQUET_STRING, /* BYTE_ARRAY, UTF8: must be valid UTF-8, or others refuse the whole file */
    PARQUET_JSON,   /* BYTE_ARRAY, JSON: as PARQUET_STRING */
    PARQUET_FIXED,  /* FIXED_LEN_BYTE_ARRAY of `size` bytes */
    PARQUET_UUID,   /* as PARQUET_FIXED of 16 bytes, with the logical type UUID */
    PARQUET_MAP,    /* MAP<string,string>, required: a row without entries has the empty map */
} ParquetType;

typedef enum ParquetEncoding {
    PARQUET_AUTO,       /* dictionary where it pays, else delta (integers) or plain */
    PARQUET_PLAIN,      /* no dictionary */
    PARQUET_DELTA,      /* INT32 and INT64: DELTA_BINARY_PACKED, for times and counters */
    PARQUET_PLAIN_BARE, /* plain and without compression, for random bytes */
    PARQUET_LENGTHS,    /* BYTES: DELTA_LENGTH_BYTE_ARRAY, lengths apart from the bytes: where four
                           bytes a value count and values hardly repeat */
    PARQUET_LENGTHS_BARE, /* ... without compression */
} ParquetEncoding;

typedef struct ParquetColumn {
    Str name; /* view; copied by parquet_writer_add */
    ParquetType type;
    bool optional; /* rows may be null; never for MAP */
    ParquetEncoding encoding;
    uint32_t size; /* PARQUET_FIXED and UUID: bytes of a value, 1 to 256 */
} ParquetColumn;

/* Limits: rows of a file, columns of a file, bytes of a value. */
enum {
    PARQUET_ROWS_MAX = 1 << 24,
    PARQUET_COLUMNS_MAX = 4096,
    PARQUET_VALUE_MAX = 1 << 28,
    PARQUET_METADATA_MAX = 1 << 28, /* bytes of a footer */
};

/* --- Writer --- */

typedef struct ParquetWriter ParquetWriter;

ParquetWriter *parquet_writer_new(void);
ParquetWriter *parquet_writer_free(ParquetWriter *writer);

/* Adds a column and returns its number: 0, 1, 2 … in the order of the file's schema. */
size_t parquet_writer_add(ParquetWriter *writer, const ParquetColumn *column);

/*
 * Sets the value of a row. Rows of a column are put in ascending order, each once (entries of a
 * MAP: any number per row); a row that is left out is null (optional) or the empty map. Leaving out
 * a row of a required column is our own mistake (asserted in finish). Bytes are copied.
 */
void parquet_put_bool(ParquetWriter *writer, size_t column, size_t row, bool value);
void parquet_put_int(ParquetWriter *writer, size_t column, size_t row, int64_t value);
void parquet_put_double(ParquetWriter *writer, size_t column, size_t row, double value);
void parquet_put_str(ParquetWriter *writer, size_t column, size_t row, Str value);
void parquet_put_entry(ParquetWriter *writer, size_t column, size_t row, Str key, Str value);

/* Footer key=value. Both are copied. */
void parquet_set_metadata(ParquetWriter *writer, Str key, Str value);

/* A private section: bytes between the last page and the footer that other readers ignore, found
 * by name and checksummed. Both are copied. */
void parquet_add_section(ParquetWriter *writer, Str name, Str bytes);

/* Appends the whole file of @n_rows rows behind @file's content. The writer then has the same
 * columns without rows, metadata or sections, and can be used again. */
void parquet_writer_finish(ParquetWriter *writer, size_t n_rows, Buf *file);

/* --- Reader --- */

/* All functions below: 0; 1 when the file is damaged or of a kind that is not read (the ParseError
 * says where in the file, and what); -errno from read_at. */
typedef struct ParquetFile ParquetFile;

/* Where the bytes come from. Either @bytes, which must live as long as the file is open, or
 * read_at: 0 when all @len bytes were read, else -errno. */
typedef struct ParquetSource {
    Str bytes;
    int (*read_at)(void *context, uint64_t offset, void *bytes, size_t len);
    void *context;
    uint64_t size;       /* of the file, with read_at */
    size_t page_max;     /* largest page to be decompressed; 0: 512 MiB */
    uint64_t n_rows_max; /* refuse files with more rows; 0: PARQUET_ROWS_MAX */
    bool is_pinned; /* columns are read under a pin only (asserted), which keeps what is decoded */
} ParquetSource;

MUST_USE int parquet_open(const ParquetSource *source, ParquetFile **ret_file,
                          ParseError *ret_error);
ParquetFile *parquet_close(ParquetFile *file);

/*
 * A file that was opened with is_pinned keeps the page locations and dictionaries that its reads
 * decode for the next reads (all files together: PARQUET_CACHE_BYTES_MAX). Each thread pins it
 * before it reads a column, and the vectors that it gets live no longer than its pin. For other
 * files a pin means nothing.
 */
typedef struct ParquetPin {
    ParquetFile *file;
} ParquetPin;

MUST_USE ParquetPin parquet_pin(ParquetFile *file);
void parquet_unpin(ParquetPin *pin);

size_t parquet_n_rows(const ParquetFile *file);
size_t parquet_n_columns(const ParquetFile *file);

/* Row groups: how many, the first row of each (and of one behind the last: all rows), and the group
 * of a row. */
size_t parquet_n_groups(const ParquetFile *file);
size_t parquet_group_row(const ParquetFile *file, size_t group);
size_t parquet_group_of(const ParquetFile *file, size_t row);

/* Whether the footer says that no row of the group has a value in the column. */
bool parquet_is_null_column(const ParquetFile *file, size_t column, size_t group);

/* Name, type and optional of a column; views live as long as the file is open. */
const ParquetColumn *parquet_column(const ParquetFile *file, size_t column);

/* Bytes that its pages take in the file. */
uint64_t parquet_column_bytes(const ParquetFile *file, size_t column);

/* Number of the column with that name, or SIZE_MAX. */
size_t parquet_find(const ParquetFile *file, Str name);

/* The value of a footer key. Returns whether it is there. */
bool parquet_metadata(const ParquetFile *file, Str key, Str *ret_value);

/* Where a private section is. Returns whether the file has one of that name. */
typedef struct ParquetPlace {
    uint64_t offset, length;
    uint64_t checksum; /* hash_stable() of its bytes */
} ParquetPlace;

bool parquet_section(const ParquetFile *file, Str name, ParquetPlace *ret_place);

/* Reads a section behind @buf's content and checks it; 1 also when there is none of that name. */
MUST_USE int parquet_read_section(ParquetFile *file, Str name, Buf *buf, ParseError *ret_error);

/* Reads raw bytes of the file, unchecked. */
MUST_USE int parquet_read_bytes(ParquetFile *file, uint64_t offset, void *bytes, size_t len,
                                ParseError *ret_error);

/*
 * Rows of one column, decoded. All arrays have n_rows elements and live in the arena of the call.
 *
 * A null row has null[row] != 0 and a zero value (null is NULL when no row is null). Where the
 * column is dictionary-encoded, codes[row] is the number of the value in dictionary (its values are
 * in the array of the type there), and the plain array is filled as well only for the types that
 * are not bytes; otherwise codes is NULL. A MAP has entries offsets[row] … offsets[row + 1] - 1 in
 * entries, a vector of twice: keys and values.
 */
typedef struct ParquetVector ParquetVector;
struct ParquetVector {
    ParquetType type;
    size_t n_rows;
    const uint8_t *null;
    union {
        const uint8_t *bools;
        const int64_t *ints; /* INT32 and INT64 */
        const double *doubles;
        const Str *strs; /* NULL when codes are given: see parquet_str() */
    };
    const uint32_t *codes;
    const ParquetVector *dictionary;
    const uint32_t *offsets;            /* MAP: n_rows + 1 */
    const ParquetVector *keys, *values; /* MAP */
};

/* Decodes rows [from, to) of a column; to <= parquet_n_rows(). Only the pages that hold them are
 * read. */
MUST_USE int parquet_read(ParquetFile *file, size_t column, size_t from, size_t to, Arena *arena,
                          ParquetVector *ret_vector, ParseError *ret_error);

/*
 * What is kept of a column while it is read piece by piece: its dictionary (of a MAP: those of keys
 * and values), so that it is decoded once. The two arenas are set at first: @arena of the
 * dictionary must outlive all vectors of these reads, @pieces holds the vectors. It is that of one
 * row group; rows of several are read without.
 */
typedef struct ParquetKept {
    Arena *arena, *pieces;
    size_t group; /* of the dictionaries */
    ParquetVector *dictionaries[2];
} ParquetKept;

/* As parquet_read(). */
MUST_USE int parquet_read_kept(ParquetFile *file, size_t column, size_t from, size_t to,
                               ParquetKept *kept, ParquetVector *ret_vector, ParseError *ret_error);

/* The keys of a MAP alone: the vector's values are NULL. */
MUST_USE int parquet_read_keys(ParquetFile *file, size_t column, size_t from, size_t to,
                               ParquetKept *kept, ParquetVector *ret_vector, ParseError *ret_error);

/* Loads the dictionary of a row group (of a MAP: its keys') into @kept, no page of values.
 * @ret_only: whether every value that the column has in the group is in it. */
MUST_USE int parquet_read_dictionary(ParquetFile *file, size_t column, size_t group,
                                     ParquetKept *kept, bool *ret_only, ParseError *ret_error);

/* Least and greatest value of rows of a column of integers or doubles (these by their bits, never
 * NaN). @has_values: else all rows are null. */
typedef struct ParquetRange {
    size_t from, to; /* rows of the file */
    bool has_values;
    int64_t least, greatest;
} ParquetRange;

/* Of a row group, from the footer. Returns whether that says it. */
bool parquet_group_range(const ParquetFile *file, size_t column, size_t group,
                         ParquetRange *ret_range);

/* Of the pages of a row group, in their order; none when the file does not say it. */
MUST_USE int parquet_page_ranges(ParquetFile *file, size_t column, size_t group, Arena *arena,
                                 ParquetRange **ret_pages, size_t *ret_n, ParseError *ret_error);

/* Data pages that this thread has read so far: a count for tests and status, which tells what was
 * passed over. */
uint64_t parquet_pages_read(void);

/* The bytes of a row of a BYTES, STRING, JSON or FIXED vector; the empty view when it is null. */
static inline Str parquet_str(const ParquetVector *vector, size_t row)
{
    if (vector->null != NULL && vector->null[row] != 0) {
        return (Str){0};
    }
    return vector->codes != NULL ? vector->dictionary->strs[vector->codes[row]] : vector->strs[row];
}

static inline bool parquet_is_null(const ParquetVector *vector, size_t row)
{
    return vector->null != NULL && vector->null[row] != 0;
}
