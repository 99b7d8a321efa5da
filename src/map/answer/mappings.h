// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"

/*
 * What people say that unpaired names mean, CONTRACT.md §4: an ordered list of regular expressions,
 * each anchored at both ends, the first that matches decides. Immutable once made and shared by
 * reference; mappings_find() from any thread.
 */
typedef struct Mapping {
    Str pattern;
    NodeType type; /* service, database, queue or external */
    Str name;
    bool is_configured; /* by the configuration file, not by the page */
} Mapping;

enum {
    MAPPINGS_MAX = 1000,
    MAPPING_PATTERN_MAX = 1024, /* bytes */
    MAPPING_NAME_MAX = 256,
    MAPPINGS_REMEMBERED_MAX = 1 << 16, /* names whose mapping is known without matching again */
};

/* Copies @items. Returns 0; 1 when one of them is none: @ret_bad is its index (or MAPPINGS_MAX: too
 * many), @ret_error says where in its pattern and what. */
MUST_USE int mappings_new(const Mapping *items, size_t n, Mappings **ret_mappings, size_t *ret_bad,
                          ParseError *ret_error);
Mappings *mappings_ref(Mappings *mappings);
Mappings *mappings_unref(Mappings *mappings);

size_t mappings_count(const Mappings *mappings);
const Mapping *mappings_at(const Mappings *mappings, size_t at);

/* The mapping that decides what @name means, or NULL. A match that takes the engine beyond its
 * limits is none. */
const Mapping *mappings_find(Mappings *mappings, Str name);

/* The node that @mapping makes of a name of this scope and environment; views into both. */
NodeKey mapping_node(const Mapping *mapping, const NodeKey *name);

/* Lines of `PATTERN -> TYPE NAME`, as the configuration has them; empty ones are skipped. Appends
 * @ret_items in @arena. Returns 0; 1 with the line's number and what is wrong in @ret_error
 * (offset: the line, from 1). */
MUST_USE int mappings_parse(Str lines, Arena *arena, Mapping **ret_items, size_t *ret_n,
                            ParseError *ret_error);

/* "service" … to the type. Returns 0; 1 when no name can mean one. */
MUST_USE int mapping_type_parse(Str text, NodeType *ret_type);
