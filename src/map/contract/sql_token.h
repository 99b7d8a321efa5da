// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"

/*
 * Cuts a query text into words, quoted names and marks; space, comments, numbers and literals are
 * no tokens. Takes any bytes.
 */
typedef enum Keyword {
    WORD_OTHER,
    WORD_SELECT,
    WORD_FROM,
    WORD_JOIN,
    WORD_USING,
    WORD_DELETE,
    WORD_MERGE,
    WORD_UPDATE,
    WORD_INTO,
    WORD_TRUNCATE,
    WORD_CREATE,
    WORD_ALTER,
    WORD_DROP,
    WORD_TABLE,
    WORD_WITH,
    WORD_RECURSIVE,
    WORD_AS,
    WORD_NOT,
    WORD_MATERIALIZED,
    WORD_DISTINCT,
    WORD_FOR,
    WORD_KEY,
    WORD_DO,
    WORD_ON,
    WORD_SKIPPED,  /* ONLY, LATERAL, IGNORE, LOW_PRIORITY, IF, EXISTS: between keyword and table */
    WORD_ENDS,     /* ends a list of tables: WHERE, SET, ORDER ... */
    WORD_RESERVED, /* no table, and ends nothing */
} Keyword;

typedef enum TokenType {
    TOKEN_END,
    TOKEN_WORD, /* not quoted, without a dot */
    TOKEN_NAME, /* quoted or dotted, or both: never a keyword */
    TOKEN_MARK, /* any other single byte */
} TokenType;

typedef struct Token {
    Str text; /* as written; a mark is one byte */
    TokenType type;
    Keyword keyword;
    uint32_t match; /* for the reader: of `(` the index of its `)` */
} Token;

/* Takes the token at *@at and moves it behind; TOKEN_END at the end of @text. */
Token token_next(Str text, size_t *at);

bool token_is_mark(const Token *token, char byte);

/* The name of a word or name without its quotes: a view, or in @arena. */
Str token_name(const Token *token, Arena *arena);

/*
 * The words of @text that are not quoted: takes the next one off @text. Returns false at the end. A
 * dotted name is one word.
 */
bool sql_next_word(Str *text, Str *ret_word);

/* The first word behind comments and opening parentheses; empty when something else stands there.
 */
Str sql_first_word(Str text);
