// SPDX-License-Identifier: Apache-2.0
#include "codec/thrift.h"

#include "base/assert.h"
#include "codec/bytes.h"

static void put_header(ThriftWriter *writer, int16_t field, ThriftType type)
{
    int16_t *last = &writer->last[writer->depth];

    ASSERT(field > *last);
    if (field - *last <= 15) {
        buf_append_byte(writer->buf, (uint8_t)((unsigned)(field - *last) << 4 | (unsigned)type));
    } else {
        buf_append_byte(writer->buf, (uint8_t)type);
        zigzag_append(writer->buf, field);
    }
    *last = field;
}

void thrift_put_i32(ThriftWriter *writer, int16_t field, int32_t value)
{
    put_header(writer, field, THRIFT_I32);
    zigzag_append(writer->buf, value);
}

void thrift_put_i64(ThriftWriter *writer, int16_t field, int64_t value)
{
    put_header(writer, field, THRIFT_I64);
    zigzag_append(writer->buf, value);
}

void thrift_put_bool(ThriftWriter *writer, int16_t field, bool value)
{
    put_header(writer, field, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_put_binary(ThriftWriter *writer, int16_t field, Str value)
{
    put_header(writer, field, THRIFT_BINARY);
    thrift_item_binary(writer, value);
}

void thrift_begin(ThriftWriter *writer, int16_t field)
{
    put_header(writer, field, THRIFT_STRUCT);
    thrift_item_begin(writer);
}

void thrift_end(ThriftWriter *writer)
{
    buf_append_byte(writer->buf, THRIFT_STOP);
    if (writer->depth > 0) { /* the outermost struct is never begun */
        writer->depth--;
    }
}

void thrift_put_list(ThriftWriter *writer, int16_t field, ThriftType type, size_t count)
{
    put_header(writer, field, THRIFT_LIST);
    if (count < 15) {
        buf_append_byte(writer->buf, (uint8_t)(count << 4 | (unsigned)type));
    } else {
        buf_append_byte(writer->buf, (uint8_t)(0xf0 | (unsigned)type));
        varint_append(writer->buf, count);
    }
}

void thrift_item_begin(ThriftWriter *writer)
{
    ASSERT(writer->depth + 1 < THRIFT_DEPTH_MAX);
    writer->last[++writer->depth] = 0;
}

void thrift_item_i32(ThriftWriter *writer, int32_t value)
{
    zigzag_append(writer->buf, value);
}

void thrift_item_i64(ThriftWriter *writer, int64_t value)
{
    zigzag_append(writer->buf, value);
}

void thrift_item_binary(ThriftWriter *writer, Str value)
{
    varint_append(writer->buf, value.len);
    buf_append_str(writer->buf, value);
}

void thrift_item_bool(ThriftWriter *writer, bool value)
{
    buf_append_byte(writer->buf, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_reader_init(ThriftReader *reader, Str bytes)
{
    *reader = (ThriftReader){.in = bytes, .start = bytes.ptr};
}

int thrift_enter(ThriftReader *reader)
{
    if (reader->depth + 1 >= THRIFT_DEPTH_MAX) {
        return THRIFT_BAD;
    }
    reader->last[++reader->depth] = 0;
    return 0;
}

int thrift_next(ThriftReader *reader, int16_t *ret_field, ThriftType *ret_type)
{
    Str byte;

    TRY(bytes_take(&reader->in, 1, &byte));
    unsigned header = (uint8_t)byte.ptr[0];
    ThriftType type = (ThriftType)(header & 15);

    if (type == THRIFT_STOP) {
        reader->depth--;
        *ret_type = THRIFT_STOP;
        return 0;
    }
    int64_t field = reader->last[reader->depth] + (int64_t)(header >> 4);
    if (header >> 4 == 0) {
        TRY(zigzag_take(&reader->in, &field));
    }
    if (field < INT16_MIN || field > INT16_MAX) {
        return THRIFT_BAD;
    }
    reader->last[reader->depth] = (int16_t)field;
    *ret_field = (int16_t)field;
    *ret_type = type;
    return 0;
}

int thrift_take_int(ThriftReader *reader, ThriftType type, int64_t *ret_value)
{
    if (type != THRIFT_I16 && type != THRIFT_I32 && type != THRIFT_I64) {
        return THRIFT_BAD;
    }
    return zigzag_take(&reader->in, ret_value);
}

int thrift_take_bool(ThriftReader *reader, ThriftType type, bool *ret_value)
{
    if (type != THRIFT_TRUE && type != THRIFT_FALSE) {
        return THRIFT_BAD;
    }
    *ret_value = type == THRIFT_TRUE;
    return 0;
}

int thrift_take_binary(ThriftReader *reader, ThriftType type, Str *ret_value)
{
    Str in = reader->in;
    uint64_t len;

    if (type != THRIFT_BINARY) {
        return THRIFT_BAD;
    }
    TRY(varint_take(&in, &len));
    TRY(bytes_take(&in, len, ret_value));
    reader->in = in;
    return 0;
}

int thrift_take_list(ThriftReader *reader, ThriftType type, ThriftType *ret_item, size_t *ret_count)
{
    Str byte;

    if (type != THRIFT_LIST && type != THRIFT_SET) {
        return THRIFT_BAD;
    }
    TRY(bytes_take(&reader->in, 1, &byte));
    uint64_t count = (uint8_t)byte.ptr[0] >> 4;
    if (count == 15) {
        TRY(varint_take(&reader->in, &count));
    }
    if (count > reader->in.len) {
        return THRIFT_BAD;
    }
    *ret_item = (ThriftType)((uint8_t)byte.ptr[0] & 15);
    *ret_count = (size_t)count;
    return 0;
}

static int skip_bytes(ThriftReader *reader, uint64_t len)
{
    Str skipped;

    return bytes_take(&reader->in, len, &skipped);
}

static int skip_struct(ThriftReader *reader)
{
    TRY(thrift_enter(reader));
    for (;;) {
        int16_t field;
        ThriftType type;

        TRY(thrift_next(reader, &field, &type));
        if (type == THRIFT_STOP) {
            return 0;
        }
        TRY(thrift_skip(reader, type));
    }
}

/* An element of a list: booleans take a byte there, while as a field they are in the header. */
static int skip_item(ThriftReader *reader, ThriftType type)
{
    return type == THRIFT_TRUE || type == THRIFT_FALSE ? skip_bytes(reader, 1)
                                                       : thrift_skip(reader, type);
}

static int skip_list(ThriftReader *reader, ThriftType type)
{
    ThriftType item;
    size_t count;

    /* Lists of lists count as depth too, so that a small input cannot overflow the stack. */
    TRY(thrift_take_list(reader, type, &item, &count));
    TRY(thrift_enter(reader));
    for (size_t i = 0; i < count; i++) {
        TRY(skip_item(reader, item));
    }
    reader->depth--;
    return 0;
}

int thrift_skip(ThriftReader *reader, ThriftType type)
{
    uint64_t number;
    Str bytes;

    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        return 0;
    case THRIFT_BYTE:
        return skip_bytes(reader, 1);
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        return varint_take(&reader->in, &number);
    case THRIFT_DOUBLE:
        return skip_bytes(reader, 8);
    case THRIFT_BINARY:
        return thrift_take_binary(reader, type, &bytes);
    case THRIFT_LIST:
    case THRIFT_SET:
        return skip_list(reader, type);
    case THRIFT_STRUCT:
        return skip_struct(reader);
    case THRIFT_STOP:
    case THRIFT_MAP: /* Parquet's metadata has none */
        break;
    }
    return THRIFT_BAD;
}
