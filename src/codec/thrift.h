// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * Thrift's compact protocol, as far as structs of Parquet's metadata need it. Structs nest to
 * THRIFT_DEPTH_MAX.
 */
enum { THRIFT_DEPTH_MAX = 16, THRIFT_BAD = 1 };

typedef enum ThriftType {
    THRIFT_STOP = 0,
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_BYTE = 3,
    THRIFT_I16 = 4,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_DOUBLE = 7,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_SET = 10,
    THRIFT_MAP = 11,
    THRIFT_STRUCT = 12,
} ThriftType;

/* Writer: fields in ascending order of their number. */
typedef struct ThriftWriter {
    Buf *buf;
    int16_t last[THRIFT_DEPTH_MAX];
    size_t depth;
} ThriftWriter;

void thrift_put_i32(ThriftWriter *writer, int16_t field, int32_t value);
void thrift_put_i64(ThriftWriter *writer, int16_t field, int64_t value);
void thrift_put_bool(ThriftWriter *writer, int16_t field, bool value);
void thrift_put_binary(ThriftWriter *writer, int16_t field, Str value);

/* A struct as a field; thrift_end() ends it. */
void thrift_begin(ThriftWriter *writer, int16_t field);
void thrift_end(ThriftWriter *writer);

/* A list of @count elements, which follow by the functions below. */
void thrift_put_list(ThriftWriter *writer, int16_t field, ThriftType type, size_t count);
void thrift_item_begin(ThriftWriter *writer); /* a struct; ended by thrift_end() */
void thrift_item_i32(ThriftWriter *writer, int32_t value);
void thrift_item_i64(ThriftWriter *writer, int64_t value);
void thrift_item_binary(ThriftWriter *writer, Str value);
void thrift_item_bool(ThriftWriter *writer, bool value);

/*
 * Reader over hostile bytes. All functions return 0 or THRIFT_BAD; thrift_next() gives the fields
 * of a struct until ret_type is THRIFT_STOP, and the caller takes or skips each:
 *
 *     TRY(thrift_enter(r));
 *     for (;;) { TRY(thrift_next(r, &field, &type)); if (type == THRIFT_STOP) break; switch … }
 *
 * The take functions check the type that thrift_next() gave.
 */
typedef struct ThriftReader {
    Str in;
    const char *start; /* for the offset of an error */
    int16_t last[THRIFT_DEPTH_MAX];
    size_t depth;
} ThriftReader;

void thrift_reader_init(ThriftReader *reader, Str bytes);
MUST_USE int thrift_enter(ThriftReader *reader);
MUST_USE int thrift_next(ThriftReader *reader, int16_t *ret_field, ThriftType *ret_type);
MUST_USE int thrift_take_int(ThriftReader *reader, ThriftType type, int64_t *ret_value);
MUST_USE int thrift_take_bool(ThriftReader *reader, ThriftType type, bool *ret_value);
MUST_USE int thrift_take_binary(ThriftReader *reader, ThriftType type, Str *ret_value);

/* A list: its elements' type and count, never more elements than bytes are left. */
MUST_USE int thrift_take_list(ThriftReader *reader, ThriftType type, ThriftType *ret_item,
                              size_t *ret_count);
MUST_USE int thrift_skip(ThriftReader *reader, ThriftType type);
