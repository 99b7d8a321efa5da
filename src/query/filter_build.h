// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/filter.h"

/*
 * Builds Filter trees for the parsers of query languages. The nodes live in the arena; patterns are
 * the builder's until filter_set_deinit, so a FilterSet outlives every use of its filter.
 */
typedef struct FilterSet {
    Arena *arena;
    const Filter *root;
    FilterPattern **patterns; /* in the arena; each owned */
    size_t n_patterns, patterns_capacity;
    size_t n_nodes;
} FilterSet;

enum { FILTER_TOO_LARGE = 2 };

void filter_set_init(FilterSet *set, Arena *arena);

/* Frees the patterns; the nodes go with the arena. */
void filter_set_deinit(FilterSet *set);

/* How many values its patterns gave up (filter_give_ups()). */
uint64_t filter_set_give_ups(const FilterSet *set);

const Filter *filter_all(FilterSet *set);
const Filter *filter_not(FilterSet *set, const Filter *filter);

/* A copy of @compare in the arena. */
const Filter *filter_compare(FilterSet *set, Filter compare);

/* A comparison with the regular expression @expression, COMPARE_MATCH or COMPARE_NOT_MATCH as
 * @compare says. Returns 0, or 1 with the error of filter_pattern_new. */
MUST_USE int filter_match(FilterSet *set, Filter compare, Str expression, const Filter **ret_filter,
                          ParseError *ret_error);

/*
 * @op over @n > 0 filters, as a balanced tree: a query with a thousand alternatives stays within
 * FILTER_DEPTH_MAX.
 */
const Filter *filter_join(FilterSet *set, FilterOperator op, const Filter **filters, size_t n);

/* Makes @root the set's filter. Returns 0; FILTER_TOO_LARGE beyond FILTER_DEPTH_MAX or
 * FILTER_NODES_MAX. */
MUST_USE int filter_set_finish(FilterSet *set, const Filter *root);
