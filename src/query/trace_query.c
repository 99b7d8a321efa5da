// SPDX-License-Identifier: Apache-2.0
#include "query/trace_query.h"

#include "base/assert.h"

/*
 * What single spans can say of a query, so that blocks are searched column by column before whole
 * traces are read: a filter that every answer has a span for. What only the trace knows counts as
 * "perhaps", which is true where the filter asks for it and false behind a `!`.
 */

bool filter_needs_trace(const Filter *filter)
{
    switch (filter->op) {
    case FILTER_AND:
    case FILTER_OR:
        return filter_needs_trace(filter->left) || filter_needs_trace(filter->right);
    case FILTER_NOT:
        return filter_needs_trace(filter->left);
    case FILTER_COMPARE:
        return filter->field >= FILTER_FIRST_TRACE_FIELD;
    default:
        return false;
    }
}

static const Filter *node(const FilterSet *set, Filter filter)
{
    Filter *copy = ARENA_NEW(set->arena, Filter);

    *copy = filter;
    return copy;
}

static const Filter *relax(const FilterSet *set, const Filter *filter, bool is_wanted)
{
    if (!filter_needs_trace(filter)) {
        return filter;
    }
    if (filter->op == FILTER_COMPARE) {
        const Filter *all = node(set, (Filter){.op = FILTER_TRUE});
        return is_wanted ? all : node(set, (Filter){.op = FILTER_NOT, .left = all});
    }
    if (filter->op == FILTER_NOT) {
        return node(set, (Filter){.op = FILTER_NOT, .left = relax(set, filter->left, !is_wanted)});
    }
    return node(set, (Filter){.op = filter->op,
                              .left = relax(set, filter->left, is_wanted),
                              .right = relax(set, filter->right, is_wanted)});
}

/* How much a filter is likely to leave out. */
static unsigned strength(const Filter *filter)
{
    switch (filter->op) {
    case FILTER_AND:
        return MAX(strength(filter->left), strength(filter->right));
    case FILTER_OR:
        return MIN(strength(filter->left), strength(filter->right));
    case FILTER_COMPARE:
        return filter->comparison == COMPARE_EQUAL || filter->comparison == COMPARE_EQUAL_TEXT ? 3
               : filter->comparison == COMPARE_MATCH                                           ? 2
                                                                                               : 1;
    default:
        return 0;
    }
}

/* Recursion is bounded by the parser. */
static const Filter *necessary(const FilterSet *set, const Spanset *spanset)
{
    const Filter *left, *right;

    if (spanset->op == SPANSET_FILTER) {
        return relax(set, spanset->filter, true);
    }
    left = necessary(set, spanset->left);
    right = necessary(set, spanset->right);
    if (spanset->op == SPANSET_OR) {
        return node(set, (Filter){.op = FILTER_OR, .left = left, .right = right});
    }
    return spanset->is_negated || strength(right) >= strength(left) ? right : left;
}

/* Whether a span that matches the necessary filter is all that it takes. */
static bool is_plain(const Spanset *spanset)
{
    if (spanset->stages != NULL) {
        return false;
    }
    if (spanset->op == SPANSET_OR) {
        return is_plain(spanset->left) && is_plain(spanset->right);
    }
    return spanset->op == SPANSET_FILTER && !filter_needs_trace(spanset->filter);
}

void trace_query_finish(TraceQuery *query)
{
    const Spanset *root = query->root;

    query->to_ns = UINT64_MAX;
    query->filter = necessary(query->set, root);
    query->needs_trace = !is_plain(root);
}
