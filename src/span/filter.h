// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * A question to one span: a tree of comparisons joined by and, or, not. TraceQL span filters,
 * Jaeger's and Zipkin's searches all become one of these; the store answers it column by column,
 * the head span by span, with the same meaning.
 */
typedef enum FilterOperator {
    FILTER_TRUE, /* matches every span */
    FILTER_AND,
    FILTER_OR,
    FILTER_NOT,
    FILTER_COMPARE,
} FilterOperator;

/* What a comparison looks at. */
typedef enum FilterField {
    FIELD_ATTRIBUTE,      /* span attribute @key, else resource attribute @key (TraceQL `.key`) */
    FIELD_SPAN_ATTRIBUTE, /* `span.key` */
    FIELD_RESOURCE_ATTRIBUTE, /* `resource.key` */
    FIELD_SCOPE_ATTRIBUTE,    /* `instrumentation.key` */
    FIELD_EVENT_ATTRIBUTE,    /* `event.key`: any event */
    FIELD_LINK_ATTRIBUTE,     /* `link.key`: any link */
    FIELD_NAME,               /* `name` */
    FIELD_KIND,               /* `kind`, a SpanKind */
    FIELD_STATUS,             /* `status`, a StatusCode */
    FIELD_STATUS_MESSAGE,     /* `statusMessage` */
    FIELD_DURATION,           /* `duration`, nanoseconds */
    FIELD_START,              /* start time, nanoseconds */
    FIELD_SCOPE_NAME,         /* `instrumentation:name` */
    FIELD_SCOPE_VERSION,      /* `instrumentation:version` */
    FIELD_EVENT_NAME,         /* `event:name`: any event */
    FIELD_TRACE_ID,           /* `trace:id`, as hex text */
    FIELD_SPAN_ID,            /* `span:id`, as hex text */
    FIELD_PARENT_ID,          /* `span:parentID`, as hex text */
    FIELD_EVENT_SINCE_START,  /* `event:timeSinceStart`, nanoseconds: any event */
    FIELD_LINK_TRACE_ID,      /* `link:traceID`, as hex text: any link */
    FIELD_LINK_SPAN_ID,       /* `link:spanID`, as hex text: any link */
    /* From here on: what the whole trace says. filter_matches() does not know it (asserted);
     * query/trace_match.h does. */
    FIELD_TRACE_DURATION, /* `trace:duration` */
    FIELD_ROOT_NAME,      /* `trace:rootName` */
    FIELD_ROOT_SERVICE,   /* `trace:rootService` */
    FIELD_CHILD_COUNT,    /* `span:childCount` */
    FIELD_NESTED_LEFT,    /* `nestedSetLeft`: numbers of the nested set, from 1 */
    FIELD_NESTED_RIGHT,
    FIELD_NESTED_PARENT, /* the parent's left number; -1: no parent in the trace */
    FILTER_FIRST_TRACE_FIELD = FIELD_TRACE_DURATION,
} FilterField;

typedef enum FilterComparison {
    COMPARE_EQUAL,
    COMPARE_NOT_EQUAL, /* the field exists and differs, as in TraceQL */
    COMPARE_LESS,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_EQUAL,
    COMPARE_MATCH, /* anchored regular expression */
    COMPARE_NOT_MATCH,
    COMPARE_EXISTS,     /* the field exists; @operand is not read */
    COMPARE_EQUAL_TEXT, /* equal as text by value_append_text: Jaeger's and Zipkin's tag search */
} FilterComparison;

typedef struct FilterPattern FilterPattern; /* a compiled regular expression */

typedef struct Filter Filter;
struct Filter {
    FilterOperator op;
    const Filter *left, *right; /* AND, OR: both; NOT: left */
    FilterField field;          /* COMPARE from here on */
    FilterComparison comparison;
    Str key;
    Value operand; /* string, int, double or bool; kind and status as int; duration as int ns */
    FilterPattern *pattern;
};

/*
 * No pattern can hold a query up: a value is given up as "does not match" after FILTER_MATCH_LIMIT
 * steps, and after FILTER_GIVE_UPS_MAX such values the pattern matches nothing any more.
 */
enum {
    FILTER_MATCH_LIMIT = 100000,
    FILTER_GIVE_UPS_MAX = 32,
    FILTER_DEPTH_MAX = 64,
    FILTER_NODES_MAX = 1024
};

/*
 * Compiles @expression (PCRE2, anchored at both ends). The pattern is freed with
 * filter_pattern_free; one thread at a time uses it. Returns 0; 1 when it is no regular expression:
 * @ret_error says where (offset in @expression) and what.
 */
MUST_USE int filter_pattern_new(Str expression, FilterPattern **ret_pattern, ParseError *ret_error);
FilterPattern *filter_pattern_free(FilterPattern *pattern);

/* How many values the patterns of @filter gave up: when it is not 0, answers may lack spans. */
uint64_t filter_give_ups(const Filter *filter);

/* Whether a pattern of @filter has given up for good, so that asking on is useless. */
bool filter_is_exhausted(const Filter *filter);

/* Whether @filter matches @span. As thread-safe as its patterns. */
bool filter_matches(const Filter *filter, const Span *span);

/* Whether a COMPARE @filter's comparison holds for @value, the content of its field; NULL: the
 * field does not exist. Numbers compare across int and double; other types only with their like. */
bool filter_compare_value(const Filter *filter, const Value *value);

/* The integers for which a COMPARE @filter's comparison holds, where they are one range or all but
 * one: from @lowest to @highest, or, with @is_outside, all others. Returns whether it is so. */
typedef struct FilterRange {
    int64_t lowest, highest; /* lowest > highest: none */
    bool is_outside;
} FilterRange;

bool filter_int_range(const Filter *filter, FilterRange *ret_range);
