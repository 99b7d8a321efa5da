// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "base/memory.h"

enum { NUMBER_TEXT_MAX = 400 }; /* longer than any double that a person or a printer writes */

Str str_from_cstr(const char *text)
{
    return (Str){.ptr = text, .len = text == NULL ? 0 : strlen(text)};
}

bool str_equal_nocase(Str a, Str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

int str_compare(Str a, Str b)
{
    int order = mem_compare(a.ptr, b.ptr, MIN(a.len, b.len));

    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts_with(Str str, Str prefix)
{
    return str.len >= prefix.len && mem_compare(str.ptr, prefix.ptr, prefix.len) == 0;
}

bool str_ends_with(Str str, Str suffix)
{
    return str.len >= suffix.len &&
           str_equal(str_slice(str, str.len - suffix.len, str.len), suffix);
}

size_t str_find_byte(Str str, char byte, size_t from)
{
    if (from >= str.len) {
        return str.len;
    }
    const char *hit = memchr(str.ptr + from, byte, str.len - from);
    return hit == NULL ? str.len : (size_t)(hit - str.ptr);
}

size_t str_find(Str str, Str part)
{
    if (part.len == 0) {
        return 0;
    }
    const char *hit = str.len == 0 ? NULL : memmem(str.ptr, str.len, part.ptr, part.len);
    return hit == NULL ? str.len : (size_t)(hit - str.ptr);
}

Str str_trim(Str str)
{
    while (str.len > 0 && ascii_is_space(str.ptr[0])) {
        str = str_slice(str, 1, str.len);
    }
    while (str.len > 0 && ascii_is_space(str.ptr[str.len - 1])) {
        str.len--;
    }
    return str;
}

bool str_split(Str str, char byte, Str *ret_head, Str *ret_tail)
{
    size_t at = str_find_byte(str, byte, 0);
    bool found = at < str.len;

    *ret_head = str_slice(str, 0, at);
    *ret_tail = str_slice(str, found ? at + 1 : at, str.len);
    return found;
}

int str_parse_u64(Str str, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (str.len == 0) {
        return 1;
    }
    for (size_t i = 0; i < str.len; i++) {
        if (!ascii_is_digit(str.ptr[i]) || __builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (uint64_t)(str.ptr[i] - '0'), &value)) {
            return 1;
        }
    }
    *ret_value = value;
    return 0;
}

int str_parse_i64(Str str, int64_t *ret_value)
{
    bool negative = str.len > 0 && str.ptr[0] == '-';
    uint64_t magnitude;

    TRY(str_parse_u64(negative ? str_slice(str, 1, str.len) : str, &magnitude));
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return 1;
    }
    *ret_value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return 0;
}

int str_parse_double(Str str, double *ret_value)
{
    char text[NUMBER_TEXT_MAX + 1];
    char *end;

    if (str.len == 0 || str.len > NUMBER_TEXT_MAX) {
        return 1;
    }
    for (size_t i = 0; i < str.len; i++) {
        char byte = str.ptr[i];

        if (!ascii_is_digit(byte) && memchr("+-.eE", byte, 5) == NULL) {
            return 1;
        }
        text[i] = byte;
    }
    text[str.len] = '\0';
    double value = strtod(text, &end); /* the program never calls setlocale: the "C" locale */
    if (end != text + str.len) {
        return 1;
    }
    *ret_value = value;
    return 0;
}

static int hex_digit(char byte)
{
    if (ascii_is_digit(byte)) {
        return byte - '0';
    }
    byte = ascii_lower(byte);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

int str_parse_hex(Str str, uint8_t *ret_bytes, size_t len)
{
    if (str.len != 2 * len) {
        return 1;
    }
    for (size_t i = 0; i < str.len; i++) {
        if (hex_digit(str.ptr[i]) < 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < len; i++) {
        ret_bytes[i] = (uint8_t)(hex_digit(str.ptr[2 * i]) << 4 | hex_digit(str.ptr[2 * i + 1]));
    }
    return 0;
}

static uint64_t hash_seed;

__attribute__((constructor)) static void draw_hash_seed(void)
{
    if (getrandom(&hash_seed, sizeof(hash_seed), 0) != sizeof(hash_seed)) {
        hash_seed = (uint64_t)(uintptr_t)&hash_seed; /* the address space's own randomness */
    }
}

uint64_t str_hash(Str str)
{
    return XXH3_64bits_withSeed(str.ptr == NULL ? "" : str.ptr, str.len, hash_seed);
}
