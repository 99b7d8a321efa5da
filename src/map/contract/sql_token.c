// SPDX-License-Identifier: Apache-2.0
#include "map/contract/sql_token.h"

#include "base/assert.h"
#include "base/memory.h"

static const struct {
    Str text;
    Keyword keyword;
} keywords[] = {
    {STR("as"), WORD_AS},
    {STR("do"), WORD_DO},
    {STR("if"), WORD_SKIPPED},
    {STR("on"), WORD_ON},
    {STR("by"), WORD_ENDS},
    {STR("or"), WORD_RESERVED},
    {STR("and"), WORD_RESERVED},
    {STR("for"), WORD_FOR},
    {STR("key"), WORD_KEY},
    {STR("not"), WORD_NOT},
    {STR("set"), WORD_ENDS},
    {STR("drop"), WORD_DROP},
    {STR("from"), WORD_FROM},
    {STR("full"), WORD_RESERVED},
    {STR("into"), WORD_INTO},
    {STR("join"), WORD_JOIN},
    {STR("left"), WORD_RESERVED},
    {STR("only"), WORD_SKIPPED},
    {STR("then"), WORD_RESERVED},
    {STR("when"), WORD_ENDS},
    {STR("with"), WORD_WITH},
    {STR("alter"), WORD_ALTER},
    {STR("cross"), WORD_RESERVED},
    {STR("fetch"), WORD_ENDS},
    {STR("group"), WORD_ENDS},
    {STR("inner"), WORD_RESERVED},
    {STR("limit"), WORD_ENDS},
    {STR("merge"), WORD_MERGE},
    {STR("order"), WORD_ENDS},
    {STR("right"), WORD_RESERVED},
    {STR("table"), WORD_TABLE},
    {STR("union"), WORD_ENDS},
    {STR("using"), WORD_USING},
    {STR("where"), WORD_ENDS},
    {STR("create"), WORD_CREATE},
    {STR("delete"), WORD_DELETE},
    {STR("except"), WORD_ENDS},
    {STR("exists"), WORD_SKIPPED},
    {STR("having"), WORD_ENDS},
    {STR("ignore"), WORD_SKIPPED},
    {STR("insert"), WORD_RESERVED},
    {STR("offset"), WORD_ENDS},
    {STR("select"), WORD_SELECT},
    {STR("update"), WORD_UPDATE},
    {STR("values"), WORD_ENDS},
    {STR("window"), WORD_ENDS},
    {STR("lateral"), WORD_SKIPPED},
    {STR("natural"), WORD_RESERVED},
    {STR("distinct"), WORD_DISTINCT},
    {STR("truncate"), WORD_TRUNCATE},
    {STR("intersect"), WORD_ENDS},
    {STR("recursive"), WORD_RECURSIVE},
    {STR("returning"), WORD_ENDS},
    {STR("low_priority"), WORD_SKIPPED},
    {STR("materialized"), WORD_MATERIALIZED},
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
        }
        while (at < text.len && continues_word(text.ptr[at])) {
            at++;
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
    char first = ascii_lower(word.ptr[0]);

    for (size_t i = 0; i < ARRAY_LEN(keywords) && keywords[i].text.len <= word.len; i++) {
        if (keywords[i].text.len == word.len && keywords[i].text.ptr[0] == first &&
            str_equal_nocase(keywords[i].text, word)) {
            return keywords[i].keyword;
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
