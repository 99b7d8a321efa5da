// SPDX-License-Identifier: Apache-2.0
#include "map/contract/sql_token.h"

#include "base/assert.h"
#include "base/memory.h"

enum { KEYWORD_LENGTH_MAX = 12 };

typedef struct Word {
    char text[KEYWORD_LENGTH_MAX + 1];
    Keyword keyword;
} Word;

/* By length, so that most words are looked up among a handful. */
static const Word words_of_2[] = {{"as", WORD_AS}, {"do", WORD_DO},   {"if", WORD_SKIPPED},
                                  {"on", WORD_ON}, {"by", WORD_ENDS}, {"or", WORD_RESERVED}};
static const Word words_of_3[] = {{"and", WORD_RESERVED},
                                  {"for", WORD_FOR},
                                  {"key", WORD_KEY},
                                  {"not", WORD_NOT},
                                  {"set", WORD_ENDS}};
static const Word words_of_4[] = {
    {"drop", WORD_DROP}, {"from", WORD_FROM},     {"full", WORD_RESERVED}, {"into", WORD_INTO},
    {"join", WORD_JOIN}, {"left", WORD_RESERVED}, {"only", WORD_SKIPPED},  {"then", WORD_RESERVED},
    {"when", WORD_ENDS}, {"with", WORD_WITH}};
static const Word words_of_5[] = {
    {"alter", WORD_ALTER}, {"cross", WORD_RESERVED}, {"fetch", WORD_ENDS},
    {"group", WORD_ENDS},  {"inner", WORD_RESERVED}, {"limit", WORD_ENDS},
    {"merge", WORD_MERGE}, {"order", WORD_ENDS},     {"right", WORD_RESERVED},
    {"table", WORD_TABLE}, {"union", WORD_ENDS},     {"using", WORD_USING},
    {"where", WORD_ENDS}};
static const Word words_of_6[] = {
    {"create", WORD_CREATE},   {"delete", WORD_DELETE}, {"except", WORD_ENDS},
    {"exists", WORD_SKIPPED},  {"having", WORD_ENDS},   {"ignore", WORD_SKIPPED},
    {"insert", WORD_RESERVED}, {"offset", WORD_ENDS},   {"select", WORD_SELECT},
    {"update", WORD_UPDATE},   {"values", WORD_ENDS},   {"window", WORD_ENDS}};
static const Word words_of_7[] = {{"lateral", WORD_SKIPPED}, {"natural", WORD_RESERVED}};
static const Word words_of_8[] = {{"distinct", WORD_DISTINCT}, {"truncate", WORD_TRUNCATE}};
static const Word words_of_9[] = {
    {"intersect", WORD_ENDS}, {"recursive", WORD_RECURSIVE}, {"returning", WORD_ENDS}};
static const Word words_of_12[] = {{"low_priority", WORD_SKIPPED},
                                   {"materialized", WORD_MATERIALIZED}};

static const struct {
    const Word *words;
    size_t count;
} words_by_length[KEYWORD_LENGTH_MAX + 1] = {
    [2] = {words_of_2, ARRAY_LEN(words_of_2)},    [3] = {words_of_3, ARRAY_LEN(words_of_3)},
    [4] = {words_of_4, ARRAY_LEN(words_of_4)},    [5] = {words_of_5, ARRAY_LEN(words_of_5)},
    [6] = {words_of_6, ARRAY_LEN(words_of_6)},    [7] = {words_of_7, ARRAY_LEN(words_of_7)},
    [8] = {words_of_8, ARRAY_LEN(words_of_8)},    [9] = {words_of_9, ARRAY_LEN(words_of_9)},
    [12] = {words_of_12, ARRAY_LEN(words_of_12)},
};

static bool starts_word(char byte)
{
    char lower = ascii_lower(byte);

    return (lower >= 'a' && lower <= 'z') || byte == '_' || byte == '#' || (uint8_t)byte >= 0x80;
}

static bool continues_word(char byte)
{
    return starts_word(byte) || ascii_is_digit(byte) || byte == '$' || byte == '@';
}

static bool starts_quote(char byte)
{
    return byte == '"' || byte == '`' || byte == '[';
}

static char closing_quote(char byte)
{
    return byte == '[' ? ']' : byte;
}

static size_t skip_comment(Str text, size_t at)
{
    Str rest = str_slice(text, at, text.len);

    if (str_starts_with(rest, STR("--"))) {
        return str_find_byte(text, '\n', at);
    }
    if (str_starts_with(rest, STR("/*"))) {
        Str body = str_slice(text, at + 2, text.len);
        size_t end = str_find(body, STR("*/"));

        return MIN(at + 2 + end + 2, text.len);
    }
    return at;
}

/* Behind the literal that starts at @at: \' and '' inside are escapes. */
static size_t skip_literal(Str text, size_t at)
{
    for (at++; at < text.len; at++) {
        if (text.ptr[at] == '\\') {
            at++;
        } else if (text.ptr[at] == '\'') {
            if (at + 1 == text.len || text.ptr[at + 1] != '\'') {
                return at + 1;
            }
            at++;
        }
    }
    return text.len;
}

/* Behind the quoted part that starts at @at; the closing quote twice is one of it. */
static size_t skip_quoted(Str text, size_t at)
{
    char close = closing_quote(text.ptr[at]);

    for (at++; at < text.len; at++) {
        if (text.ptr[at] == close) {
            if (at + 1 == text.len || text.ptr[at + 1] != close) {
                return at + 1;
            }
            at++;
        }
    }
    return text.len;
}

/* Behind the name that starts at @at: words and quoted parts joined by dots. */
static size_t skip_name(Str text, size_t at, bool *ret_plain)
{
    *ret_plain = true;
    while (at < text.len) {
        if (starts_quote(text.ptr[at])) {
            at = skip_quoted(text, at);
            *ret_plain = false;
        } else {
            while (at < text.len && continues_word(text.ptr[at])) {
                at++;
            }
        }
        if (at + 1 >= text.len || text.ptr[at] != '.') {
            break;
        }
        char next = text.ptr[at + 1];
        if (!starts_word(next) && !starts_quote(next) && next != '.') {
            break;
        }
        at++;
        *ret_plain = false;
    }
    return at;
}

static Keyword keyword_of(Str word)
{
    if (word.len > KEYWORD_LENGTH_MAX) {
        return WORD_OTHER;
    }
    char first = ascii_lower(word.ptr[0]);
    for (size_t i = 0; i < words_by_length[word.len].count; i++) {
        const Word *known = &words_by_length[word.len].words[i];

        if (known->text[0] == first &&
            str_equal_nocase(str_from_bytes(known->text, word.len), word)) {
            return known->keyword;
        }
    }
    return WORD_OTHER;
}

/* What starts at @at when no name does: returns behind it. */
static size_t skip_other(Str text, size_t at)
{
    size_t behind = skip_comment(text, at);

    if (behind != at) {
        return behind;
    }
    if (text.ptr[at] == '\'') {
        return skip_literal(text, at);
    }
    if (ascii_is_digit(text.ptr[at])) { /* numbers, with their letters and dots: 1e5, 0x1F, 1.5 */
        while (at < text.len && (continues_word(text.ptr[at]) || text.ptr[at] == '.')) {
            at++;
        }
        return at;
    }
    return at + 1;
}

/* `[` behind a name or a bracket is an index, not a quote. */
static bool is_index(Str text, size_t at)
{
    if (text.ptr[at] != '[' || at == 0) {
        return false;
    }
    char before = text.ptr[at - 1];
    return continues_word(before) || before == ')' || before == ']' || before == '"';
}

/* Takes the next token at *@at. Space, comments and literals are no tokens. */
Token token_next(Str text, size_t *at)
{
    while (*at < text.len) {
        size_t from = *at;
        char byte = text.ptr[from];

        if (starts_word(byte) || (starts_quote(byte) && !is_index(text, from))) {
            bool plain;
            *at = skip_name(text, from, &plain);
            Token token = {.text = str_slice(text, from, *at),
                           .type = plain ? TOKEN_WORD : TOKEN_NAME};
            if (*at - from > 0 && plain) {
                token.keyword = keyword_of(token.text);
            }
            return token;
        }
        *at = skip_other(text, from);
        if (*at == from + 1 && !ascii_is_space(byte)) {
            return (Token){.text = str_slice(text, from, *at), .type = TOKEN_MARK};
        }
    }
    return (Token){.type = TOKEN_END};
}

bool token_is_mark(const Token *token, char byte)
{
    return token->type == TOKEN_MARK && token->text.ptr[0] == byte;
}

/* A plain name or a dotted one; quoted ones are not. */
static bool is_unquoted(const Token *token)
{
    return token->type == TOKEN_WORD ||
           (token->type == TOKEN_NAME && !starts_quote(token->text.ptr[0]));
}

/* @raw without its quotes. */
static Str unquote(Str raw, Arena *arena)
{
    char *name = arena_alloc(arena, raw.len);
    size_t n = 0;
    char close = 0;

    for (size_t i = 0; i < raw.len; i++) {
        char byte = raw.ptr[i];

        if (close == 0 && starts_quote(byte)) {
            close = closing_quote(byte);
        } else if (close != 0 && byte == close) {
            if (i + 1 < raw.len && raw.ptr[i + 1] == close) {
                name[n++] = byte;
                i++;
            } else {
                close = 0;
            }
        } else {
            name[n++] = byte;
        }
    }
    return (Str){.ptr = name, .len = n};
}

Str token_name(const Token *token, Arena *arena)
{
    return token->type == TOKEN_WORD ? token->text : unquote(token->text, arena);
}

bool sql_next_word(Str *text, Str *ret_word)
{
    size_t at = 0;
    Token token;

    do {
        token = token_next(*text, &at);
    } while (token.type != TOKEN_END && !is_unquoted(&token));
    *text = str_slice(*text, at, text->len);
    *ret_word = token.text;
    return token.type != TOKEN_END;
}

Str sql_first_word(Str text)
{
    size_t at = 0;
    Token token;

    do {
        token = token_next(text, &at);
    } while (token_is_mark(&token, '('));
    return is_unquoted(&token) ? token.text : (Str){0};
}
