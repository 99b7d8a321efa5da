// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <endian.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"

enum { BUF_MIN = 64 };

void buf_deinit(Buf *buf)
{
    mem_free(buf->ptr);
    *buf = (Buf){0};
}

void buf_enlarge(Buf *buf, size_t extra)
{
    size_t needed;

    ASSERT(!__builtin_add_overflow(buf->len, extra, &needed));
    size_t capacity = MAX(buf->capacity, (size_t)BUF_MIN);
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    }
    buf->ptr = mem_resize(buf->ptr, capacity);
    buf->capacity = capacity;
}

void buf_append_format_va(Buf *buf, const char *format, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    ASSERT(len >= 0);
    buf_reserve(buf, (size_t)len + 1);
    vsnprintf((char *)buf->ptr + buf->len, (size_t)len + 1, format, arguments);
    buf->len += (size_t)len;
}

void buf_append_format(Buf *buf, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    buf_append_format_va(buf, format, arguments);
    va_end(arguments);
}

void buf_append_u64(Buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buf_append(buf, digits + at, sizeof(digits) - at);
}

void buf_append_i64(Buf *buf, int64_t value)
{
    if (value < 0) {
        buf_append_byte(buf, '-');
    }
    buf_append_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_append_hex(Buf *buf, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *out = buf_grow(buf, 2 * len);

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        out[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
}

void buf_append_u32le(Buf *buf, uint32_t value)
{
    value = htole32(value);
    buf_append(buf, &value, sizeof(value));
}

void buf_append_u64le(Buf *buf, uint64_t value)
{
    value = htole64(value);
    buf_append(buf, &value, sizeof(value));
}

void buf_drop_front(Buf *buf, size_t len)
{
    ASSERT(len <= buf->len);
    mem_move(buf->ptr, buf->ptr + len, buf->len - len);
    buf->len -= len;
}

const char *buf_cstr(Buf *buf)
{
    buf_reserve(buf, 1);
    buf->ptr[buf->len] = '\0';
    return (const char *)buf->ptr;
}
