// SPDX-License-Identifier: Apache-2.0
#include "query/traceql_lex.h"

#include "base/buf.h"
#include "query/times.h"

static int lex_fail(TraceqlLexer *lexer, size_t offset, const char *text)
{
    lexer->error = (ParseError){.offset = offset, .text = text};
    return TRACEQL_BAD;
}

static char lex_peek(const TraceqlLexer *lexer, size_t ahead)
{
    return lexer->at + ahead < lexer->text.len ? lexer->text.ptr[lexer->at + ahead] : '\0';
}

/* What an attribute's key may hold without quotes: everything but white space and what the grammar
 * needs; so `span.a-b` is one key, as in Tempo. */
static bool is_key_byte(char byte)
{
    return !ascii_is_space(byte) && str_find_byte(STR("{}()=~!<>&|^,\"`"), byte, 0) == 15 &&
           byte != '\0';
}

static bool is_word_byte(char byte)
{
    char lower = ascii_lower(byte);

    return (lower >= 'a' && lower <= 'z') || ascii_is_digit(byte) || byte == '_' || byte == ':';
}

static void append_utf8(Buf *buf, uint32_t rune)
{
    if (rune < 0x80) {
        buf_append_byte(buf, (uint8_t)rune);
    } else if (rune < 0x800) {
        buf_append_byte(buf, (uint8_t)(0xc0 | rune >> 6));
        buf_append_byte(buf, (uint8_t)(0x80 | (rune & 0x3f)));
    } else if (rune < 0x10000) {
        buf_append_byte(buf, (uint8_t)(0xe0 | rune >> 12));
        buf_append_byte(buf, (uint8_t)(0x80 | (rune >> 6 & 0x3f)));
        buf_append_byte(buf, (uint8_t)(0x80 | (rune & 0x3f)));
    } else {
        buf_append_byte(buf, (uint8_t)(0xf0 | rune >> 18));
        buf_append_byte(buf, (uint8_t)(0x80 | (rune >> 12 & 0x3f)));
        buf_append_byte(buf, (uint8_t)(0x80 | (rune >> 6 & 0x3f)));
        buf_append_byte(buf, (uint8_t)(0x80 | (rune & 0x3f)));
    }
}

/* \xHH (a byte), \uHHHH, \UHHHHHHHH (a rune). */
static int lex_hex_escape(TraceqlLexer *lexer, char letter, Buf *buf)
{
    size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
    uint8_t bytes[4] = {0};
    uint32_t rune = 0;

    if (str_parse_hex(str_slice(lexer->text, lexer->at, lexer->at + digits), bytes, digits / 2) !=
        0) {
        return lex_fail(lexer, lexer->at - 2, "hex digits expected after \\x, \\u or \\U");
    }
    for (size_t i = 0; i < digits / 2; i++) {
        rune = rune << 8 | bytes[i];
    }
    lexer->at += digits;
    if (letter == 'x') {
        buf_append_byte(buf, (uint8_t)rune);
        return 0;
    }
    if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) {
        return lex_fail(lexer, lexer->at - digits - 2, "not a Unicode character");
    }
    append_utf8(buf, rune);
    return 0;
}

/* The character behind a backslash, as in Go's strings, which TraceQL's are. */
static int lex_escape(TraceqlLexer *lexer, Buf *buf)
{
    static const char letters[] = "abfnrtv\\\"'`";
    static const char bytes[] = "\a\b\f\n\r\t\v\\\"'`";
    char letter = lex_peek(lexer, 0);
    size_t found = str_find_byte(STR("abfnrtv\\\"'`"), letter, 0);

    lexer->at++;
    if (letter != '\0' && found < sizeof(letters) - 1) {
        buf_append_byte(buf, (uint8_t)bytes[found]);
        return 0;
    }
    if (letter == 'x' || letter == 'u' || letter == 'U') {
        return lex_hex_escape(lexer, letter, buf);
    }
    return lex_fail(lexer, lexer->at - 2,
                    "unknown escape; write \\\\ for a backslash, or put the text in back-ticks");
}

/* A string in double quotes; the opening one is at the lexer's place. */
static int lex_quoted(TraceqlLexer *lexer, Buf *buf)
{
    size_t start = lexer->at++;

    while (lexer->at < lexer->text.len) {
        char byte = lexer->text.ptr[lexer->at++];

        if (byte == '"') {
            return 0;
        }
        if (byte == '\\') {
            TRY(lex_escape(lexer, buf));
        } else {
            buf_append_byte(buf, (uint8_t)byte);
        }
    }
    return lex_fail(lexer, start, "the string has no closing quote");
}

static int lex_string(TraceqlLexer *lexer, TraceqlToken *token)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    TRY(lex_quoted(lexer, &buf));
    token->type = TOKEN_STRING;
    token->text = arena_copy(lexer->arena, buf_str(&buf));
    return 0;
}

static int lex_raw_string(TraceqlLexer *lexer, TraceqlToken *token)
{
    size_t start = lexer->at + 1, end = str_find_byte(lexer->text, '`', start);

    if (end == lexer->text.len) {
        return lex_fail(lexer, lexer->at, "the string has no closing back-tick");
    }
    token->type = TOKEN_STRING;
    token->text = str_slice(lexer->text, start, end);
    lexer->at = end + 1;
    return 0;
}

/* The key behind `span.`: runs of key bytes and quoted parts, one after the other. */
static int lex_key(TraceqlLexer *lexer, TraceqlToken *token)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    while (lexer->at < lexer->text.len) {
        char byte = lex_peek(lexer, 0);

        if (byte == '"') {
            TRY(lex_quoted(lexer, &buf));
        } else if (is_key_byte(byte)) {
            buf_append_byte(&buf, (uint8_t)byte);
            lexer->at++;
        } else {
            break;
        }
    }
    if (buf.len == 0) {
        return lex_fail(lexer, lexer->at, "an attribute's key expected behind the point");
    }
    token->type = TOKEN_ATTRIBUTE;
    token->text = arena_copy(lexer->arena, buf_str(&buf));
    return 0;
}

static const struct {
    Str name;
    TraceqlScope scope;
} scopes[] = {
    {{"span", 4}, SCOPE_SPAN},
    {{"resource", 8}, SCOPE_RESOURCE},
    {{"event", 5}, SCOPE_EVENT},
    {{"link", 4}, SCOPE_LINK},
    {{"instrumentation", 15}, SCOPE_INSTRUMENTATION},
    {{"parent", 6}, SCOPE_PARENT},
    {{"trace", 5}, SCOPE_TRACE},
};

static int lex_word(TraceqlLexer *lexer, TraceqlToken *token)
{
    size_t start = lexer->at;

    while (is_word_byte(lex_peek(lexer, 0))) {
        lexer->at++;
    }
    token->type = TOKEN_WORD;
    token->text = str_slice(lexer->text, start, lexer->at);
    if (lex_peek(lexer, 0) != '.') {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (str_equal(token->text, scopes[i].name)) {
            lexer->at++;
            token->scope = scopes[i].scope;
            return lex_key(lexer, token);
        }
    }
    return lex_fail(lexer, start,
                    "unknown scope; an attribute is span.key, resource.key, event.key, link.key, "
                    "instrumentation.key or .key");
}

/* A number, with a unit a duration; the sign comes with it. */
static int lex_number(TraceqlLexer *lexer, TraceqlToken *token)
{
    size_t start = lexer->at, end = start + 1, duration_len = 0;
    bool negative = lex_peek(lexer, 0) == '-';
    uint64_t duration_ns = 0;
    Str text;

    while (end < lexer->text.len && is_key_byte(lexer->text.ptr[end])) {
        /* The sign of an exponent belongs to it, any other ends the number. */
        if (str_find_byte(STR("+-*/%"), lexer->text.ptr[end], 0) < 5 &&
            ascii_lower(lexer->text.ptr[end - 1]) != 'e') {
            break;
        }
        end++;
    }
    text = str_slice(lexer->text, start, end);
    lexer->at = end;
    if (str_parse_i64(text, &token->integer) == 0) {
        token->type = TOKEN_INTEGER;
        return 0;
    }
    if (str_parse_double(text, &token->number) == 0) {
        token->type = TOKEN_DOUBLE;
        return 0;
    }
    text = str_slice(text, negative, text.len);
    if (duration_take(text, &duration_ns, &duration_len) == 0 && duration_len == text.len &&
        duration_ns <= INT64_MAX) {
        token->type = TOKEN_DURATION;
        token->integer = negative ? -(int64_t)duration_ns : (int64_t)duration_ns;
        return 0;
    }
    return lex_fail(lexer, start, "neither a number nor a duration such as 1.5s or 100ms");
}

/* Longer signs before their prefixes. */
static const struct {
    Str sign;
    TraceqlTokenType type;
} signs[] = {
    {{"&&", 2}, TOKEN_AND},
    {{"||", 2}, TOKEN_OR},
    {{"!=", 2}, TOKEN_NOT_EQUAL},
    {{"!~", 2}, TOKEN_NOT_MATCH},
    {{"=~", 2}, TOKEN_MATCH},
    {{"<=", 2}, TOKEN_LESS_EQUAL},
    {{">=", 2}, TOKEN_GREATER_EQUAL},
    {{"!>>", 3}, TOKEN_NOT_DESCENDANT},
    {{"!<<", 3}, TOKEN_NOT_ANCESTOR},
    {{"&>>", 3}, TOKEN_UNION_DESCENDANT},
    {{"&<<", 3}, TOKEN_UNION_ANCESTOR},
    {{">>", 2}, TOKEN_DESCENDANT},
    {{"<<", 2}, TOKEN_ANCESTOR},
    {{"!>", 2}, TOKEN_NOT_CHILD},
    {{"!<", 2}, TOKEN_NOT_PARENT},
    {{"&>", 2}, TOKEN_UNION_CHILD},
    {{"&<", 2}, TOKEN_UNION_PARENT},
    {{"&~", 2}, TOKEN_UNION_SIBLING},
    {{"=", 1}, TOKEN_EQUAL},
    {{"<", 1}, TOKEN_LESS},
    {{">", 1}, TOKEN_GREATER},
    {{"!", 1}, TOKEN_NOT},
    {{"{", 1}, TOKEN_OPEN_BRACE},
    {{"}", 1}, TOKEN_CLOSE_BRACE},
    {{"(", 1}, TOKEN_OPEN_PAREN},
    {{")", 1}, TOKEN_CLOSE_PAREN},
    {{"|", 1}, TOKEN_PIPE},
    {{"+", 1}, TOKEN_ARITHMETIC},
    {{"-", 1}, TOKEN_ARITHMETIC},
    {{"*", 1}, TOKEN_ARITHMETIC},
    {{"/", 1}, TOKEN_ARITHMETIC},
    {{"%", 1}, TOKEN_ARITHMETIC},
    {{"^", 1}, TOKEN_ARITHMETIC},
    {{"~", 1}, TOKEN_SIBLING},
    {{",", 1}, TOKEN_COMMA},
};

static int lex_sign(TraceqlLexer *lexer, TraceqlToken *token)
{
    Str rest = str_slice(lexer->text, lexer->at, lexer->text.len);

    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (str_starts_with(rest, signs[i].sign)) {
            token->type = signs[i].type;
            token->text = str_slice(rest, 0, signs[i].sign.len);
            lexer->at += signs[i].sign.len;
            return 0;
        }
    }
    return lex_fail(lexer, lexer->at, "a character that has no meaning here");
}

int traceql_next(TraceqlLexer *lexer, TraceqlToken *ret_token)
{
    TraceqlToken token = {0};
    char byte, after;

    while (ascii_is_space(lex_peek(lexer, 0))) {
        lexer->at++;
    }
    token.offset = lexer->at;
    if (lexer->at < lexer->text.len) {
        byte = lex_peek(lexer, 0);
        after = lex_peek(lexer, 1);
        if (byte == '"') {
            TRY(lex_string(lexer, &token));
        } else if (byte == '`') {
            TRY(lex_raw_string(lexer, &token));
        } else if (byte == '.') {
            lexer->at++;
            TRY(lex_key(lexer, &token));
        } else if (ascii_is_digit(byte) || (byte == '-' && ascii_is_digit(after))) {
            TRY(lex_number(lexer, &token));
        } else if (is_word_byte(byte)) {
            TRY(lex_word(lexer, &token));
        } else {
            TRY(lex_sign(lexer, &token));
        }
    }
    *ret_token = token;
    return 0;
}
