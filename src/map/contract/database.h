// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/contract/world.h"

/* The db rules of CONTRACT.md §3: reads, writes and accesses of databases and tables. */
void database_contribute(World *world);

/* What a (verb, collection) pair of a span becomes. */
typedef struct DatabaseAccess {
    Relation relation;
    Str collection; /* empty: the database itself */
} DatabaseAccess;

enum {
    DATABASE_ACCESSES_MAX = 256, /* per span; the first ones */
};

typedef struct DatabaseAccesses {
    Rule rule;
    DatabaseAccess items[DATABASE_ACCESSES_MAX];
    size_t count;
} DatabaseAccesses;

/* The accesses of a db span called @span_name; equal ones may repeat. */
void database_read_accesses(const DatabaseReading *reading, Str span_name, Arena *arena,
                            DatabaseAccesses *ret_accesses);
