// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "query/span_services.h"
#include "query/trace_query.h"
#include "store/block.h"
#include "trace/tree.h"

/*
 * Sets of spans are arrays of group numbers, one per span: 0 is not in the set. Filters and
 * relations make group 1 only; `by` divides. All of it lives in one arena per trace.
 */
typedef uint32_t *Groups;

typedef struct Matcher {
    const TraceQuery *query;
    const Span *spans;
    size_t n;
    Arena arena;
    Tree tree;
    uint32_t root; /* TREE_NONE: unknown yet */
    Str *services;
    uint64_t trace_start_ns, trace_end_ns;
    int64_t *left, *right; /* numbers of the nested set; NULL: not counted yet */
    int64_t *children;
} Matcher;

/* --- What the trace says of a span --- */

static void number_tree(Matcher *m)
{
    int64_t next = 1;

    if (m->left != NULL) {
        return;
    }
    m->left = ARENA_ARRAY(&m->arena, int64_t, m->n);
    m->right = ARENA_ARRAY(&m->arena, int64_t, m->n);
    m->children = ARENA_ARRAY(&m->arena, int64_t, m->n);
    for (size_t i = 0; i < m->n; i++) { /* depth first: a span is left when the next is no deeper */
        uint32_t span = m->tree.order[i];
        uint32_t next_depth = i + 1 < m->n ? m->tree.nodes[m->tree.order[i + 1]].depth : 0;
        uint32_t parent = m->tree.nodes[span].parent;

        m->left[span] = next++;
        if (parent != TREE_NONE) {
            m->children[parent]++;
        }
        for (uint32_t at = span; at != TREE_NONE && m->tree.nodes[at].depth >= next_depth;
             at = m->tree.nodes[at].parent) {
            m->right[at] = next++;
        }
    }
}

static void find_root(Matcher *m)
{
    if (m->services != NULL) {
        return;
    }
    m->services = span_services(m->spans, m->n, &m->arena);
    m->root = m->tree.first_root;
    for (uint32_t at = m->root; at != TREE_NONE; at = m->tree.nodes[at].next_sibling) {
        if (!m->tree.nodes[at].orphan) {
            m->root = at;
            return;
        }
    }
}

static Value trace_value(Matcher *m, FilterField field, size_t span)
{
    uint32_t parent = m->tree.nodes[span].parent;

    switch (field) {
    case FIELD_TRACE_DURATION:
        return value_int((int64_t)MIN(m->trace_end_ns - m->trace_start_ns, (uint64_t)INT64_MAX));
    case FIELD_ROOT_NAME:
        find_root(m);
        return value_string(m->spans[m->root].name);
    case FIELD_ROOT_SERVICE:
        find_root(m);
        return value_string(m->services[m->root]);
    case FIELD_CHILD_COUNT:
        number_tree(m);
        return value_int(m->children[span]);
    case FIELD_NESTED_LEFT:
        number_tree(m);
        return value_int(m->left[span]);
    case FIELD_NESTED_RIGHT:
        number_tree(m);
        return value_int(m->right[span]);
    default:
        ASSERT(field == FIELD_NESTED_PARENT);
        number_tree(m);
        return value_int(parent == TREE_NONE ? -1 : m->left[parent]);
    }
}

/* Recursion is bounded by FILTER_DEPTH_MAX. */
static bool span_matches(Matcher *m, const Filter *filter, size_t span)
{
    switch (filter->op) {
    case FILTER_TRUE:
        return true;
    case FILTER_AND:
        return span_matches(m, filter->left, span) && span_matches(m, filter->right, span);
    case FILTER_OR:
        return span_matches(m, filter->left, span) || span_matches(m, filter->right, span);
    case FILTER_NOT:
        return !span_matches(m, filter->left, span);
    case FILTER_COMPARE:
        break;
    }
    if (filter->field < FILTER_FIRST_TRACE_FIELD) {
        return filter_matches(filter, &m->spans[span]);
    }
    Value value = trace_value(m, filter->field, span);
    return filter_compare_value(filter, &value);
}

/* The span's value of a field, for functions and groups. Returns whether it has one. */
static bool field_value(Matcher *m, const Filter *field, size_t span, Value *ret_value)
{
    const Span *s = &m->spans[span];
    const Value *found = NULL;

    switch (field->field) {
    case FIELD_ATTRIBUTE:
    case FIELD_SPAN_ATTRIBUTE:
        found = attributes_find(s->attributes, field->key);
        if (found != NULL || field->field == FIELD_SPAN_ATTRIBUTE) {
            break;
        }
        found = attributes_find(s->resource->attributes, field->key);
        break;
    case FIELD_RESOURCE_ATTRIBUTE:
        found = attributes_find(s->resource->attributes, field->key);
        break;
    case FIELD_SCOPE_ATTRIBUTE:
        found = attributes_find(s->scope->attributes, field->key);
        break;
    case FIELD_NAME:
        *ret_value = value_string(s->name);
        return true;
    case FIELD_STATUS_MESSAGE:
        *ret_value = value_string(s->status_message);
        return true;
    case FIELD_KIND:
        *ret_value = value_int(s->kind);
        return true;
    case FIELD_STATUS:
        *ret_value = value_int(s->status_code);
        return true;
    case FIELD_DURATION:
        *ret_value = value_int((int64_t)MIN(span_duration_ns(s), (uint64_t)INT64_MAX));
        return true;
    case FIELD_SCOPE_NAME:
        *ret_value = value_string(s->scope->name);
        return true;
    case FIELD_SCOPE_VERSION:
        *ret_value = value_string(s->scope->version);
        return true;
    default:
        if (field->field < FILTER_FIRST_TRACE_FIELD) {
            return false; /* the parser has refused it */
        }
        *ret_value = trace_value(m, field->field, span);
        return true;
    }
    if (found != NULL) {
        *ret_value = *found;
    }
    return found != NULL;
}

/* --- Relations --- */

static Groups new_groups(Matcher *m)
{
    return ARENA_ARRAY(&m->arena, uint32_t, m->n);
}

static bool is_empty(const Matcher *m, const uint32_t *groups)
{
    for (size_t i = 0; i < m->n; i++) {
        if (groups[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Spans that have a span of @from above them: as their parent, or with @all anywhere above. */
static void below(Matcher *m, const uint32_t *from, bool all, Groups ret)
{
    for (size_t i = 0; i < m->n; i++) { /* parents come before their children */
        uint32_t span = m->tree.order[i], parent = m->tree.nodes[span].parent;

        ret[span] = parent != TREE_NONE && (from[parent] != 0 || (all && ret[parent] != 0));
    }
}

/* Spans that have a span of @from below them. */
static void above(Matcher *m, const uint32_t *from, bool all, Groups ret)
{
    for (size_t i = m->n; i-- > 0;) {
        uint32_t span = m->tree.order[i], parent = m->tree.nodes[span].parent;

        if (parent != TREE_NONE && (from[span] != 0 || (all && ret[span] != 0))) {
            ret[parent] = 1;
        }
    }
}

/* Spans that have another span of @from with the same parent. */
static void beside(Matcher *m, const uint32_t *from, Groups ret)
{
    uint32_t *counts = new_groups(m);

    for (size_t i = 0; i < m->n; i++) {
        if (from[i] != 0 && m->tree.nodes[i].parent != TREE_NONE) {
            counts[m->tree.nodes[i].parent]++;
        }
    }
    for (size_t i = 0; i < m->n; i++) {
        uint32_t parent = m->tree.nodes[i].parent;

        ret[i] = parent != TREE_NONE && counts[parent] > (from[i] != 0);
    }
}

/* The spans that stand to one of @from as the operator says. */
static Groups related(Matcher *m, SpansetOperator op, const uint32_t *from)
{
    Groups groups = new_groups(m);

    if (op == SPANSET_DESCENDANT || op == SPANSET_CHILD) {
        below(m, from, op == SPANSET_DESCENDANT, groups);
    } else if (op == SPANSET_ANCESTOR || op == SPANSET_PARENT) {
        above(m, from, op == SPANSET_ANCESTOR, groups);
    } else {
        beside(m, from, groups);
    }
    return groups;
}

static SpansetOperator inverse(SpansetOperator op)
{
    switch (op) {
    case SPANSET_DESCENDANT:
        return SPANSET_ANCESTOR;
    case SPANSET_ANCESTOR:
        return SPANSET_DESCENDANT;
    case SPANSET_CHILD:
        return SPANSET_PARENT;
    case SPANSET_PARENT:
        return SPANSET_CHILD;
    default:
        return op;
    }
}

static Groups relate(Matcher *m, const Spanset *spanset, const uint32_t *left,
                     const uint32_t *right)
{
    Groups groups = related(m, spanset->op, left);

    for (size_t i = 0; i < m->n; i++) {
        groups[i] = right[i] != 0 && (groups[i] != 0) != spanset->is_negated;
    }
    if (spanset->is_union) {
        Groups others = related(m, inverse(spanset->op), right);
        for (size_t i = 0; i < m->n; i++) {
            groups[i] |= left[i] != 0 && others[i] != 0;
        }
    }
    return groups;
}

static Groups join(Matcher *m, SpansetOperator op, const uint32_t *left, const uint32_t *right)
{
    Groups groups = new_groups(m);

    if (op == SPANSET_AND && (is_empty(m, left) || is_empty(m, right))) {
        return groups;
    }
    for (size_t i = 0; i < m->n; i++) {
        groups[i] = left[i] != 0 || right[i] != 0;
    }
    return groups;
}

/* --- Stages --- */

static size_t count_groups(const Matcher *m, const uint32_t *groups)
{
    uint32_t greatest = 0;

    for (size_t i = 0; i < m->n; i++) {
        greatest = MAX(greatest, groups[i]);
    }
    return (size_t)greatest + 1;
}

/* What is added up of a group. */
typedef struct Sum {
    uint64_t spans, numbers;
    double sum, min, max;
} Sum;

static void sum_add(Sum *sum, const Value *value)
{
    double number = value->type == VALUE_INT ? (double)value->integer : value->number;

    sum->min = sum->numbers == 0 ? number : MIN(sum->min, number);
    sum->max = sum->numbers == 0 ? number : MAX(sum->max, number);
    sum->sum += number;
    sum->numbers++;
}

static bool sum_holds(const Sum *sum, const TraceStage *stage)
{
    Value value = {.type = VALUE_DOUBLE};

    if (stage->function == FUNCTION_COUNT) {
        value = value_int((int64_t)sum->spans);
        return sum->spans > 0 && filter_compare_value(stage->filter, &value);
    }
    if (sum->numbers == 0) {
        return false;
    }
    value.number = stage->function == FUNCTION_AVG   ? sum->sum / (double)sum->numbers
                   : stage->function == FUNCTION_MIN ? sum->min
                   : stage->function == FUNCTION_MAX ? sum->max
                                                     : sum->sum;
    return filter_compare_value(stage->filter, &value);
}

static void stage_aggregate(Matcher *m, const TraceStage *stage, Groups groups)
{
    Sum *sums = ARENA_ARRAY(&m->arena, Sum, count_groups(m, groups));

    for (size_t i = 0; i < m->n; i++) {
        Value value;

        sums[groups[i]].spans++;
        if (stage->function != FUNCTION_COUNT && field_value(m, stage->filter, i, &value) &&
            (value.type == VALUE_INT || value.type == VALUE_DOUBLE)) {
            sum_add(&sums[groups[i]], &value);
        }
    }
    for (size_t i = 0; i < m->n; i++) {
        if (groups[i] != 0 && !sum_holds(&sums[groups[i]], stage)) {
            groups[i] = 0;
        }
    }
}

/* A group for each (group, value); spans without value are one, too. */
static void stage_by(Matcher *m, const TraceStage *stage, Groups groups)
{
    CLEANUP(buf_deinit) Buf key = {0};
    Symbols keys = {0};

    for (size_t i = 0; i < m->n; i++) {
        Value value;

        if (groups[i] == 0) {
            continue;
        }
        buf_clear(&key);
        buf_append_u32le(&key, groups[i]);
        if (field_value(m, stage->filter, i, &value)) {
            buf_append_byte(&key, (uint8_t)value.type);
            value_append_text(&value, &key);
        }
        groups[i] = symbols_intern(&keys, buf_str(&key)) + 1;
    }
    symbols_deinit(&keys);
}

static void run_stage(Matcher *m, const TraceStage *stage, Groups groups)
{
    switch (stage->type) {
    case STAGE_FILTER:
        for (size_t i = 0; i < m->n; i++) {
            groups[i] = groups[i] != 0 && span_matches(m, stage->filter, i) ? groups[i] : 0;
        }
        break;
    case STAGE_AGGREGATE:
        stage_aggregate(m, stage, groups);
        break;
    case STAGE_BY:
        stage_by(m, stage, groups);
        break;
    case STAGE_COALESCE:
        for (size_t i = 0; i < m->n; i++) {
            groups[i] = groups[i] != 0;
        }
        break;
    case STAGE_SELECT:
        break;
    }
}

/* --- Sets --- */

static Groups choose(Matcher *m, const Filter *filter)
{
    Groups groups = new_groups(m);

    for (size_t i = 0; i < m->n; i++) {
        uint64_t start_ns = m->spans[i].start_ns;

        groups[i] = start_ns >= m->query->from_ns && starts_before(start_ns, m->query->to_ns) &&
                    span_matches(m, filter, i);
    }
    return groups;
}

/* Recursion is bounded by the parser. */
static Groups evaluate(Matcher *m, const Spanset *spanset)
{
    Groups groups;

    if (spanset->op == SPANSET_FILTER) {
        groups = choose(m, spanset->filter);
    } else {
        const uint32_t *left = evaluate(m, spanset->left);
        const uint32_t *right = evaluate(m, spanset->right);

        groups = spanset->op == SPANSET_AND || spanset->op == SPANSET_OR
                     ? join(m, spanset->op, left, right)
                     : relate(m, spanset, left, right);
    }
    for (const TraceStage *stage = spanset->stages; stage != NULL; stage = stage->next) {
        run_stage(m, stage, groups);
    }
    return groups;
}

bool trace_query_accepts(void *query, const Span *spans, size_t n_spans)
{
    Matcher m = {.query = query, .spans = spans, .n = n_spans, .trace_start_ns = UINT64_MAX};

    for (size_t i = 0; i < n_spans; i++) {
        m.trace_start_ns = MIN(m.trace_start_ns, spans[i].start_ns);
        m.trace_end_ns = MAX(m.trace_end_ns, spans[i].start_ns + span_duration_ns(&spans[i]));
    }
    if (n_spans == 0) {
        return false;
    }
    tree_build(spans, n_spans, &m.arena, &m.tree);
    bool found = !is_empty(&m, evaluate(&m, m.query->root));
    arena_deinit(&m.arena);
    return found;
}
