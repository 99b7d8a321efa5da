// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/*
 * An answer of the API as text for a reader that pays by the word: a few facts, and lists as
 * tables, one line an item, columns between " | ". Ids of nodes are replaced by names, numbers
 * that end in _ns by durations with their unit.
 */
typedef struct DigestTable {
    const char *list;    /* where: "edges", "added.nodes"; NULL ends an array of tables */
    const char *title;   /* said before its rows; nothing is said of an empty list */
    const char *columns; /* members of an item, spaces between: "source count duration.p99_ns" */
    const char *order;   /* a column: greatest numbers first when not all rows are shown; NULL: as
                            they come */
    size_t rows_max;
} DigestTable;

enum { DIGEST_COLUMNS_MAX = 16 };

/* Appends the digest of the JSON text @answer: @facts are members, spaces between. Text that is no
 * such answer gives few words, never an error. */
void digest_write(Str answer, const char *facts, const DigestTable *tables, Buf *ret_text);
