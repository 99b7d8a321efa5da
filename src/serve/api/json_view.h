// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/*
 * Looking into JSON answers of the API without a tree: a view is the raw text of a value. A member
 * that is not there, or text that is no JSON, gives the empty view, and every question to that has
 * an empty answer.
 */
typedef struct JsonView {
    Str raw;
    Arena *arena; /* for unescaped strings */
} JsonView;

/* The member @key of an object. */
JsonView view_get(JsonView object, const char *key);

/* Walks an array: *@cursor starts at 0. Returns false at the end. */
bool view_next(JsonView array, size_t *cursor, JsonView *ret_item);

/* How many items an array has. */
size_t view_count(JsonView array);

/* A string's text; of other values the raw text ("null" is empty). */
Str view_text(JsonView value);

/* A number that is a whole one; else 0. */
uint64_t view_u64(JsonView value);
double view_double(JsonView value);
bool view_is_true(JsonView value);
