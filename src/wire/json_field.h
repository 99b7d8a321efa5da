// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/json.h"

/* The names of a JSON object's fields, each with a second spelling (snake_case or of an older
 * version) that may be empty. */
typedef struct JsonField {
    Str name, other;
} JsonField;

/* The index of @key in @fields, or @n. Fields mostly come in the same order, so the search begins
 * behind the last one found, which @hint remembers (start with 0). */
static inline size_t json_field_find(const JsonField *fields, size_t n, Str key, size_t *hint)
{
    for (size_t i = 0, at = *hint; i < n; i++, at++) {
        at = at >= n ? 0 : at;
        if ((key.len == fields[at].name.len &&
             __builtin_memcmp(key.ptr, fields[at].name.ptr, key.len) == 0) ||
            (key.len == fields[at].other.len &&
             __builtin_memcmp(key.ptr, fields[at].other.ptr, key.len) == 0)) {
            *hint = at + 1;
            return at;
        }
    }
    return n;
}
