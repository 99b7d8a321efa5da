// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/filter_build.h"

/*
 * A question to whole traces, as TraceQL asks it: sets of spans chosen by filters, related by the
 * tree, counted and added up. Trees of it live in the arena of their FilterSet.
 */
typedef enum SpansetOperator {
    SPANSET_FILTER, /* the spans that match */
    SPANSET_AND,    /* spans of both sides, when both have some */
    SPANSET_OR,
    /* Spans of the right side that stand so to a span of the left one. */
    SPANSET_DESCENDANT, /* >> */
    SPANSET_CHILD,      /* > */
    SPANSET_ANCESTOR,   /* << */
    SPANSET_PARENT,     /* < */
    SPANSET_SIBLING,    /* ~ */
} SpansetOperator;

typedef enum TraceStageType {
    STAGE_FILTER,    /* | { … }: spans of each group that match */
    STAGE_AGGREGATE, /* | count() > 2: groups for which it holds */
    STAGE_BY,        /* | by(field): a group for each value */
    STAGE_COALESCE,  /* | coalesce(): one group again */
    STAGE_SELECT,    /* | select(…): says what to show, changes nothing */
} TraceStageType;

typedef enum TraceFunction {
    FUNCTION_COUNT,
    FUNCTION_AVG,
    FUNCTION_MIN,
    FUNCTION_MAX,
    FUNCTION_SUM,
} TraceFunction;

typedef struct TraceStage TraceStage;
struct TraceStage {
    TraceStageType type;
    TraceStage *next;
    const Filter *filter; /* FILTER; of AGGREGATE and BY: the field and key; AGGREGATE: comparison
                             and operand too */
    TraceFunction function;
};

typedef struct Spanset Spanset;
struct Spanset {
    SpansetOperator op;
    bool is_negated, is_union; /* of relations: `!>>`; `&>>` */
    const Filter *filter;
    const Spanset *left, *right;
    TraceStage *stages; /* of the result */
};

typedef struct TraceQuery {
    const Spanset *root;
    bool needs_trace;        /* else @filter says it all */
    const Filter *filter;    /* a span that matches is in every trace of the answer */
    FilterSet *set;          /* whose patterns it has */
    uint64_t from_ns, to_ns; /* filters choose spans that start in from <= start < to */
} TraceQuery;

/* Whether the filter has a field that only a whole trace can answer. */
bool filter_needs_trace(const Filter *filter);

/* Makes query->filter and needs_trace of query->root; the window is all of time. */
void trace_query_finish(TraceQuery *query);

/* Whether the trace is an answer. @query is a TraceQuery; @spans: one per identity, sorted by
 * start. StoreSearch's accept. */
bool trace_query_accepts(void *query, const Span *spans, size_t n_spans);
