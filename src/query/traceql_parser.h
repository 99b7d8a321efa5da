// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/trace_query.h"
#include "query/traceql_lex.h"

/* Between the parts of TraceQL's parser: recursive descent with one token of look-ahead. All return
 * 0, or TRACEQL_BAD with the lexer's error set. */
typedef struct TraceqlParser {
    TraceqlLexer lexer;
    TraceqlToken token; /* the look-ahead */
    FilterSet *set;
    size_t depth;
    size_t n_spansets;
} TraceqlParser;

int traceql_fail(TraceqlParser *parser, size_t offset, const char *text);
MUST_USE int traceql_advance(TraceqlParser *parser);

/* traceql_filter.c */

/* From the { to behind its }. */
MUST_USE int traceql_parse_braces(TraceqlParser *parser, const Filter **ret_filter);

/* or = and { "||" and } */
MUST_USE int traceql_parse_or(TraceqlParser *parser, const Filter **ret_filter);

/* A field of spans or the trace, as the field and key of @ret_field. */
MUST_USE int traceql_parse_field(TraceqlParser *parser, Filter *ret_field);

/* Whether the token compares, and how. */
bool traceql_comparison(TraceqlTokenType type, FilterComparison *ret_comparison);
