// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/*
 * Reads the tables that a query text names, by CONTRACT.md §3 rule db.text. It is no SQL parser: it
 * knows parentheses, comments, literals, quoted names and a few dozen words, and takes any bytes.
 */
typedef struct SqlTable {
    Str name;    /* as written, without quotes: `"a"."b"` is a.b */
    bool writes; /* else it is read */
} SqlTable;

typedef struct SqlTables {
    SqlTable *items; /* in the arena of the call; equal ones may repeat */
    size_t count;
} SqlTables;

enum {
    SQL_TOKENS_MAX = 1 << 16, /* what stands behind is not read */
    SQL_TABLES_MAX = 256,     /* per text: the first ones */
    SQL_CTES_MAX = 64,        /* per statement: the first ones */
    SQL_DEPTH_MAX = 128,      /* deeper parentheses share the last level */
};

void sql_read_tables(Str text, Arena *arena, SqlTables *ret_tables);
