// SPDX-License-Identifier: Apache-2.0
#include "query/filter_build.h"

#include "base/assert.h"

void filter_set_init(FilterSet *set, Arena *arena)
{
    *set = (FilterSet){.arena = arena};
}

void filter_set_deinit(FilterSet *set)
{
    for (size_t i = 0; i < set->n_patterns; i++) {
        filter_pattern_free(set->patterns[i]);
    }
    *set = (FilterSet){0};
}

uint64_t filter_set_give_ups(const FilterSet *set)
{
    uint64_t n = 0;

    for (size_t i = 0; i < set->n_patterns; i++) {
        Filter ask = {.op = FILTER_COMPARE, .pattern = set->patterns[i]};
        n += filter_give_ups(&ask);
    }
    return n;
}

const Filter *filter_compare(FilterSet *set, Filter compare)
{
    Filter *filter = ARENA_NEW(set->arena, Filter);

    *filter = compare;
    set->n_nodes++;
    return filter;
}

const Filter *filter_all(FilterSet *set)
{
    return filter_compare(set, (Filter){.op = FILTER_TRUE});
}

const Filter *filter_not(FilterSet *set, const Filter *filter)
{
    return filter_compare(set, (Filter){.op = FILTER_NOT, .left = filter});
}

static void patterns_add(FilterSet *set, FilterPattern *pattern)
{
    if (set->n_patterns == set->patterns_capacity) {
        size_t capacity = set->patterns_capacity == 0 ? 8 : set->patterns_capacity * 2;
        FilterPattern **grown = ARENA_ARRAY(set->arena, FilterPattern *, capacity);

        mem_copy(grown, set->patterns, set->n_patterns * sizeof(grown[0]));
        set->patterns = grown;
        set->patterns_capacity = capacity;
    }
    set->patterns[set->n_patterns++] = pattern;
}

int filter_match(FilterSet *set, Filter compare, Str expression, const Filter **ret_filter,
                 ParseError *ret_error)
{
    FilterPattern *pattern = NULL;

    ASSERT(compare.comparison == COMPARE_MATCH || compare.comparison == COMPARE_NOT_MATCH);
    TRY(filter_pattern_new(expression, &pattern, ret_error));
    patterns_add(set, pattern);
    compare.op = FILTER_COMPARE;
    compare.operand = value_string(expression);
    compare.pattern = pattern;
    *ret_filter = filter_compare(set, compare);
    return 0;
}

const Filter *filter_join(FilterSet *set, FilterOperator op, const Filter **filters, size_t n)
{
    ASSERT(n > 0 && (op == FILTER_AND || op == FILTER_OR));
    if (n == 1) {
        return filters[0];
    }
    return filter_compare(set, (Filter){
                                   .op = op,
                                   .left = filter_join(set, op, filters, n / 2),
                                   .right = filter_join(set, op, filters + n / 2, n - n / 2),
                               });
}

/* The depth, or one more than @limit as soon as it is known to be beyond. */
static size_t filter_depth(const Filter *filter, size_t limit)
{
    size_t left, right;

    if (filter == NULL || filter->op == FILTER_TRUE || filter->op == FILTER_COMPARE || limit == 0) {
        return 1;
    }
    left = filter_depth(filter->left, limit - 1);
    right = filter->op == FILTER_NOT ? 0 : filter_depth(filter->right, limit - 1);
    return 1 + MAX(left, right);
}

int filter_set_finish(FilterSet *set, const Filter *root)
{
    if (set->n_nodes > FILTER_NODES_MAX ||
        filter_depth(root, FILTER_DEPTH_MAX) > FILTER_DEPTH_MAX) {
        return FILTER_TOO_LARGE;
    }
    set->root = root;
    return 0;
}
