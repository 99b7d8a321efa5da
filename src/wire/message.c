// SPDX-License-Identifier: Apache-2.0
#include "wire/message.h"

#include "base/assert.h"
#include "base/memory.h"

static void append_varint(Buf *buf, uint64_t value)
{
    while (value >= 0x80) {
        buf_append_byte(buf, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_append_byte(buf, (uint8_t)value);
}

void message_present_varint(Buf *buf, uint32_t field, uint64_t value)
{
    append_varint(buf, TAG(field, WIRE_VARINT));
    append_varint(buf, value);
}

void message_present_fixed64(Buf *buf, uint32_t field, uint64_t value)
{
    append_varint(buf, TAG(field, WIRE_FIXED64));
    buf_append_u64le(buf, value);
}

void message_present_str(Buf *buf, uint32_t field, Str value)
{
    append_varint(buf, TAG(field, WIRE_BYTES));
    append_varint(buf, value.len);
    buf_append_str(buf, value);
}

void message_varint(Buf *buf, uint32_t field, uint64_t value)
{
    if (value != 0) {
        message_present_varint(buf, field, value);
    }
}

void message_fixed64(Buf *buf, uint32_t field, uint64_t value)
{
    if (value != 0) {
        message_present_fixed64(buf, field, value);
    }
}

void message_fixed32(Buf *buf, uint32_t field, uint32_t value)
{
    if (value != 0) {
        append_varint(buf, TAG(field, WIRE_FIXED32));
        buf_append_u32le(buf, value);
    }
}

void message_str(Buf *buf, uint32_t field, Str value)
{
    if (value.len != 0) {
        message_present_str(buf, field, value);
    }
}

/* One byte is set aside for the length, enough for most messages; a longer content is moved up when
 * its length is known. That is cheaper than computing all sizes before. */
size_t message_open(Buf *buf, uint32_t field)
{
    append_varint(buf, TAG(field, WIRE_BYTES));
    buf_append_byte(buf, 0);
    return buf->len;
}

void message_close(Buf *buf, size_t opened)
{
    ASSERT(opened > 0 && opened <= buf->len);
    size_t len = buf->len - opened;
    size_t extra = 0;

    for (size_t rest = len >> 7; rest != 0; rest >>= 7) {
        extra++;
    }
    if (extra != 0) {
        buf_grow(buf, extra);
        mem_move(buf->ptr + opened + extra, buf->ptr + opened, len);
    }
    uint8_t *out = buf->ptr + opened - 1;
    for (; extra != 0; extra--, len >>= 7) {
        *out++ = (uint8_t)(len | 0x80);
    }
    *out = (uint8_t)len;
}
