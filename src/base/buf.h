// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdarg.h>

#include "base/memory.h"

/*
 * A growing byte buffer that owns its memory. `{0}` is a valid empty buffer. Growth aborts when
 * memory is exhausted only if the process itself could not go on (see memory.h); sizes that come
 * from outside are checked against a named limit before they reach a Buf.
 */
typedef struct Buf {
    uint8_t *ptr;
    size_t len;
    size_t capacity;
} Buf;

void buf_deinit(Buf *buf);

/* Forgets the content, keeps the memory. */
static inline void buf_clear(Buf *buf)
{
    buf->len = 0;
}

/* buf_reserve() when the room is too small. */
void buf_enlarge(Buf *buf, size_t extra);

/* Makes room for @extra more bytes, without changing the content. */
static inline void buf_reserve(Buf *buf, size_t extra)
{
    if (__builtin_expect(buf->capacity - buf->len < extra, 0)) {
        buf_enlarge(buf, extra);
    }
}

/* Appends @len bytes whose content the caller writes; the pointer is valid until the next growth.
 */
static inline uint8_t *buf_grow(Buf *buf, size_t len)
{
    buf_reserve(buf, len);
    uint8_t *start = buf->ptr + buf->len;
    buf->len += len;
    return start;
}

static inline void buf_append(Buf *buf, const void *bytes, size_t len)
{
    if (len != 0) {
        mem_copy(buf_grow(buf, len), bytes, len);
    }
}

static inline void buf_append_byte(Buf *buf, uint8_t byte)
{
    *buf_grow(buf, 1) = byte;
}

static inline void buf_append_str(Buf *buf, Str str)
{
    buf_append(buf, str.ptr, str.len);
}

void buf_append_format(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_append_format_va(Buf *buf, const char *format, va_list arguments);

/* Decimal, without the cost of printf. */
void buf_append_u64(Buf *buf, uint64_t value);
void buf_append_i64(Buf *buf, int64_t value);

/* Lower-case hex digits. */
void buf_append_hex(Buf *buf, const uint8_t *bytes, size_t len);

/* Little-endian fixed width. */
void buf_append_u32le(Buf *buf, uint32_t value);
void buf_append_u64le(Buf *buf, uint64_t value);

/* Removes the first @len bytes. */
void buf_drop_front(Buf *buf, size_t len);

/* A view of the content, valid until the buffer changes. */
static inline Str buf_str(const Buf *buf)
{
    return (Str){.ptr = (const char *)buf->ptr, .len = buf->len};
}

/* NUL-terminates behind the content (the NUL is not counted) and returns it as a C string, valid
 * until the buffer changes. */
const char *buf_cstr(Buf *buf);
