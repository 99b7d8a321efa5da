// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "span/span.h"

/*
 * Spans as compact rows of bytes: strings are numbers of a dictionary, resources and scopes are
 * interned whole. A row does not repeat the trace id and the start, which its owner keeps beside
 * it. Equal strings decode to equal pointers, except values of attributes whose values hardly ever
 * repeat (request ids, full texts): those stand in the row itself.
 *
 * Writing needs the dictionary for itself; any number may read while nobody writes.
 */
typedef struct RowKey RowKey; /* what is remembered per attribute key */

/* Strings that were put lately, at a place of their own each: most are found again there, by one
 * comparison. */
enum { ROW_RECENT = 64 };
typedef struct RowRecent {
    uint32_t plus_1[ROW_RECENT]; /* number + 1; 0: none */
} RowRecent;

/* Who has attributes: each kind begins with keys of its own. */
typedef enum RowOwner {
    ROW_SPAN,
    ROW_RESOURCE,
    ROW_SCOPE,
    ROW_EVENT,
    ROW_LINK,
    ROW_OWNERS
} RowOwner;

typedef struct RowDictionary {
    Symbols strings; /* span names, values, messages */
    Symbols keys;    /* attribute keys, few: a set of their own stays in the cache */
    RowKey *key_states;
    size_t n_key_states, key_capacity;
    uint32_t first_keys[ROW_OWNERS]; /* guesses for the first key of the next one */
    RowRecent recent_texts;          /* all but values of attributes */
    Symbols resource_forms, scope_forms;
    const Resource **resources; /* by number in resource_forms */
    const Scope **scopes;
    size_t resource_capacity, scope_capacity;
    Arena arena; /* resources and scopes */
    Buf form;

    /* Of the span before, while it is of the same batch: equal pointers are equal content. */
    const Resource *last_resource;
    const Scope *last_scope;
    uint32_t last_resource_number, last_scope_number;
} RowDictionary;

void row_dictionary_deinit(RowDictionary *dictionary);
size_t row_dictionary_bytes(const RowDictionary *dictionary);

/* Another batch begins: pointers of the one before say nothing any more. */
void row_dictionary_forget(RowDictionary *dictionary);

/* Appends @span's row to @buf. */
void row_write(RowDictionary *dictionary, const Span *span, Buf *buf);

/* Reads a row that row_write() made into @span, whose trace_id and start_ns the caller has set.
 * Strings, resource and scope live as long as the dictionary and the row's bytes, arrays in @arena.
 */
void row_read(const RowDictionary *dictionary, const uint8_t *row, Arena *arena, Span *span);

/* The parts of a row that cost nothing to read. */
typedef struct RowHead {
    uint32_t resource; /* index into the dictionary's resources */
    uint8_t kind;
    Str name;
} RowHead;

RowHead row_read_head(const RowDictionary *dictionary, const uint8_t *row);
