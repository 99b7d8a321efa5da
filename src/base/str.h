// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

/*
 * A view of bytes: pointer and length, passed by value, owning nothing. It lives as long as the
 * bytes behind it; who lends them says how long that is. The bytes need not be UTF-8 and are not
 * NUL-terminated. The empty view may have a NULL pointer.
 */
typedef struct Str {
    const char *ptr;
    size_t len;
} Str;

/* A Str of a string literal. */
#define STR(literal) ((Str){.ptr = "" literal, .len = sizeof(literal) - 1})

/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(str) (int)MIN((str).len, (size_t)INT32_MAX), ((str).ptr == NULL ? "" : (str).ptr)

/* The view of a NUL-terminated string; the empty view for NULL. */
Str str_from_cstr(const char *text);

static inline Str str_from_bytes(const void *bytes, size_t len)
{
    return (Str){.ptr = bytes, .len = len};
}

static inline uint64_t str_load64(const char *bytes)
{
    uint64_t word;

    __builtin_memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Equal byte by byte. The comparison that verifies a guess, so it is inline for what names and keys
 * mostly are: eight to 32 bytes, in loads that overlap. */
static inline bool str_equal(Str a, Str b)
{
    if (a.len != b.len) {
        return false;
    }
    if (a.len < 8 || a.len > 32) {
        return a.len == 0 || __builtin_memcmp(a.ptr, b.ptr, a.len) == 0;
    }
    const char *a_end = a.ptr + a.len, *b_end = b.ptr + b.len;
    uint64_t differ =
        (str_load64(a.ptr) ^ str_load64(b.ptr)) | (str_load64(a_end - 8) ^ str_load64(b_end - 8));
    if (a.len > 16) {
        differ |= (str_load64(a.ptr + 8) ^ str_load64(b.ptr + 8)) |
                  (str_load64(a_end - 16) ^ str_load64(b_end - 16));
    }
    return differ == 0;
}

/* Equal when ASCII letters are compared without case. */
bool str_equal_nocase(Str a, Str b);

/* Orders like memcmp, a prefix before the longer: < 0, 0, > 0. */
int str_compare(Str a, Str b);

bool str_starts_with(Str str, Str prefix);
bool str_ends_with(Str str, Str suffix);

/* Offset of the first @byte at or after @from, or str.len when there is none. */
size_t str_find_byte(Str str, char byte, size_t from);

/* Offset of the first occurrence of @part, or str.len when there is none. */
size_t str_find(Str str, Str part);

/* The part [from, to), both clamped to the length. */
static inline Str str_slice(Str str, size_t from, size_t to)
{
    to = MIN(to, str.len);
    from = MIN(from, to);
    return (Str){.ptr = str.ptr == NULL ? NULL : str.ptr + from, .len = to - from};
}

/* Without leading and trailing ASCII white space. */
Str str_trim(Str str);

/* Splits at the first @byte: the part before it in @ret_head, the rest after it in @ret_tail.
 * Without such a byte the whole is the head and the tail is empty. Returns whether the byte was
 * there. */
bool str_split(Str str, char byte, Str *ret_head, Str *ret_tail);

/* A decimal integer that fills all of @str. Returns 0; 1 when it is no number or does not fit. */
MUST_USE int str_parse_u64(Str str, uint64_t *ret_value);
MUST_USE int str_parse_i64(Str str, int64_t *ret_value);

/* A decimal floating point number that fills all of @str, locale-independent ("1", "-2.5e3", no
 * inf, no nan). Returns 0; 1 when it is none. */
MUST_USE int str_parse_double(Str str, double *ret_value);

/* Hex digits of either case into exactly @len bytes. Returns 0; 1 when str.len != 2 * len or a
 * digit is not hex. */
MUST_USE int str_parse_hex(Str str, uint8_t *ret_bytes, size_t len);

/* 64-bit hash, seeded once per process so that hostile keys cannot be chosen to collide. Not stable
 * over restarts: for stable hashes use codec/hash.h. */
uint64_t str_hash(Str str);

static inline char ascii_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static inline bool ascii_is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static inline bool ascii_is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}
