// SPDX-License-Identifier: Apache-2.0
#include "map/flow/dynamic_name.h"

/* A UUID begins with eight hexadecimal digits, so it needs no rule of its own. */
enum { DIGITS_MIN = 5, HEX_DIGITS_MIN = 8 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool has_run(Str name, bool (*fits)(char c), size_t least)
{
    size_t n = 0;

    for (size_t i = 0; i < name.len; i++) {
        n = fits(name.ptr[i]) ? n + 1 : 0;
        if (n >= least) {
            return true;
        }
    }
    return false;
}

/* @pattern: 9 stands for a digit, - for one of -/._ and the same one throughout. */
static bool fits_at(Str name, size_t at, Str pattern)
{
    char separator = 0;

    for (size_t i = 0; i < pattern.len; i++) {
        char c = name.ptr[at + i];

        if (pattern.ptr[i] == '9') {
            if (!is_digit(c)) {
                return false;
            }
        } else if (separator == 0 ? str_find_byte(STR("-/._"), c, 0) == 4 : c != separator) {
            return false;
        } else {
            separator = c;
        }
    }
    return true;
}

static bool has_date(Str name)
{
    static const Str patterns[] = {STR("9999-99-99"), STR("99-99-9999")};

    for (size_t k = 0; k < ARRAY_LEN(patterns); k++) {
        for (size_t at = 0; at + patterns[k].len <= name.len; at++) {
            if (fits_at(name, at, patterns[k])) {
                return true;
            }
        }
    }
    return false;
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '+';
}

/* word@word.word, dots allowed in both words. */
static bool has_address(Str name)
{
    for (size_t at = str_find_byte(name, '@', 0); at < name.len;
         at = str_find_byte(name, '@', at + 1)) {
        size_t end = at + 1;

        while (end < name.len && is_word(name.ptr[end])) {
            end++;
        }
        if (at > 0 && is_word(name.ptr[at - 1]) && end > at + 1 && end + 1 < name.len &&
            name.ptr[end] == '.' && is_word(name.ptr[end + 1])) {
            return true;
        }
    }
    return false;
}

bool name_is_dynamic(Str name)
{
    return has_run(name, is_digit, DIGITS_MIN) || has_run(name, is_hex, HEX_DIGITS_MIN) ||
           has_date(name) || has_address(name);
}
