// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/* The words of TraceQL (grafana.com/docs/tempo, "Construct a TraceQL query"). */
typedef enum TraceqlTokenType {
    TOKEN_END,
    TOKEN_OPEN_BRACE,
    TOKEN_CLOSE_BRACE,
    TOKEN_OPEN_PAREN,
    TOKEN_CLOSE_PAREN,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_MATCH,
    TOKEN_NOT_MATCH,
    TOKEN_ATTRIBUTE, /* @scope and @text: the key */
    TOKEN_WORD,      /* an intrinsic or an enumeration's word */
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_DOUBLE,
    TOKEN_DURATION, /* @integer nanoseconds */
    TOKEN_PIPE,
    TOKEN_COMMA,
    TOKEN_DESCENDANT, /* >>, and so on: relations of spans; > < !~ are comparisons as well */
    TOKEN_ANCESTOR,
    TOKEN_SIBLING,
    TOKEN_NOT_DESCENDANT,
    TOKEN_NOT_CHILD,
    TOKEN_NOT_ANCESTOR,
    TOKEN_NOT_PARENT,
    TOKEN_UNION_DESCENDANT,
    TOKEN_UNION_CHILD,
    TOKEN_UNION_ANCESTOR,
    TOKEN_UNION_PARENT,
    TOKEN_UNION_SIBLING,
    TOKEN_ARITHMETIC, /* + - * / % ^: not supported */
} TraceqlTokenType;

typedef enum TraceqlScope {
    SCOPE_ANY, /* `.key` */
    SCOPE_SPAN,
    SCOPE_RESOURCE,
    SCOPE_EVENT,
    SCOPE_LINK,
    SCOPE_INSTRUMENTATION,
    SCOPE_PARENT, /* `parent.key`: not supported yet */
    SCOPE_TRACE,  /* no attributes at traces; kept apart for a clear error */
} TraceqlScope;

typedef struct TraceqlToken {
    TraceqlTokenType type;
    size_t offset; /* where it begins */
    Str text;      /* views into the query, or into the arena where escapes were resolved */
    TraceqlScope scope;
    int64_t integer;
    double number;
} TraceqlToken;

typedef struct TraceqlLexer {
    Str text;
    size_t at;
    Arena *arena;
    ParseError error;
} TraceqlLexer;

enum { TRACEQL_BAD = 1 };

/* The next token. Returns 0, or TRACEQL_BAD with lexer->error set. */
MUST_USE int traceql_next(TraceqlLexer *lexer, TraceqlToken *ret_token);
