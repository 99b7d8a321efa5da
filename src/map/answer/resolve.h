// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/tables.h"

/*
 * What an unpaired name means, CONTRACT.md §4, decided for one question over everything that the
 * tables hold. Lives in the question's arena, while the tables do not change. One thread.
 */
typedef struct Resolver Resolver;

/* Of @question only what it says of names is read: unresolved_names (every name stays what it says,
 * an external), mappings. */
Resolver *resolver_new(const MapTables *tables, const MapQuestion *question, Arena *arena);
Resolver *resolver_free(Resolver *resolver);

/* From @from_minute to before @to_minute the name means @service, a node's symbol; SYMBOL_NONE: an
 * external node of that name, unless a mapping gives the node's @key. */
typedef struct Meaning {
    uint32_t from_minute, to_minute;
    uint32_t service;
    Str key; /* empty but for mappings */
} Meaning;

/* The meanings of the target of @edge, a NODE_NAME, over all of time: in order, without gaps, from
 * 0 to UINT32_MAX. Returns how many (1 unless an address was proven differently on different days).
 * They live in the arena. */
size_t resolver_meanings(Resolver *resolver, const SeriesKey *edge, const Meaning **ret_meanings);

/* The key of the node that the target of the edge delta @delta is: its own, but for a name, which
 * becomes the service that it means in the delta's minute, else an external. A view into the delta
 * or the tables, or in the resolver's arena. */
Str resolver_target_key(Resolver *resolver, const Delta *delta);
