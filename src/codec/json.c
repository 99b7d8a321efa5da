// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include <math.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/assert.h"

/*
 * The reader keeps no stack: whether a key or item is the first of its container shows in the byte
 * before it, an opening bracket, since no value ends with one. After an error the place is the end
 * of the text, where every further call fails by itself.
 */

void json_reader_init(JsonReader *reader, Str text, Arena *arena)
{
    size_t allowance = text.len * JSON_MEMORY_RATIO + JSON_MEMORY_BASE;

    *reader = (JsonReader){.text = text, .arena = arena};
    reader->arena_limit = arena == NULL ? 0 : arena->allocated + allowance;
}

int json_fail(JsonReader *reader, const char *text)
{
    if (reader->error.text == NULL) {
        reader->error = (ParseError){.offset = reader->at, .text = text};
    }
    reader->at = reader->text.len;
    return JSON_BAD;
}

static bool is_white(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

/* The next byte that is no white space, not taken; 0 at the end (a NUL byte is never valid JSON, so
 * both fail the same way). */
static inline char next_byte(JsonReader *reader)
{
    size_t at = reader->at;
    const char *text = reader->text.ptr;

    while (at < reader->text.len && is_white(text[at])) {
        at++;
    }
    reader->at = at;
    return at < reader->text.len ? text[at] : 0;
}

static int fail_value(JsonReader *reader)
{
    return json_fail(reader, reader->at == reader->text.len ? "unexpected end of the JSON text"
                                                            : "a JSON value was expected");
}

int json_peek(JsonReader *reader, JsonType *ret_type)
{
    switch (next_byte(reader)) {
    case '{':
        *ret_type = JSON_OBJECT;
        return 0;
    case '[':
        *ret_type = JSON_ARRAY;
        return 0;
    case '"':
        *ret_type = JSON_STRING;
        return 0;
    case 't':
    case 'f':
        *ret_type = JSON_BOOL;
        return 0;
    case 'n':
        *ret_type = JSON_NULL;
        return 0;
    case '-':
    case '0' ... '9':
        *ret_type = JSON_NUMBER;
        return 0;
    default:
        return fail_value(reader);
    }
}

static bool take_word(JsonReader *reader, Str word)
{
    if (!str_starts_with(str_slice(reader->text, reader->at, reader->text.len), word)) {
        return false;
    }
    reader->at += word.len;
    return true;
}

bool json_take_null(JsonReader *reader)
{
    return next_byte(reader) == 'n' && take_word(reader, STR("null"));
}

int json_read_null(JsonReader *reader)
{
    return json_take_null(reader) ? 0 : json_fail(reader, "null was expected");
}

int json_read_bool(JsonReader *reader, bool *ret_value)
{
    char byte = next_byte(reader);

    if (byte == 't' && take_word(reader, STR("true"))) {
        *ret_value = true;
        return 0;
    }
    if (byte == 'f' && take_word(reader, STR("false"))) {
        *ret_value = false;
        return 0;
    }
    return json_fail(reader, "true or false was expected");
}

/* Offset of the first byte at or after @at that ends a plain run: quote, backslash or control
 * character. This loop sees most bytes of every JSON body. */
static size_t find_string_stop(Str text, size_t at)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);

    while (text.len - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + at));
        __m128i stops =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        stops = _mm_or_si128(stops, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        unsigned mask = (unsigned)_mm_movemask_epi8(stops);

        if (mask != 0) {
            return at + (size_t)__builtin_ctz(mask);
        }
        at += 16;
    }
#endif
    while (at < text.len && text.ptr[at] != '"' && text.ptr[at] != '\\' &&
           (uint8_t)text.ptr[at] >= 0x20) {
        at++;
    }
    return at;
}

/* Four hex digits at reader->at, taken. */
static int take_hex4(JsonReader *reader, uint32_t *ret_unit)
{
    uint8_t bytes[2];

    if (str_parse_hex(str_slice(reader->text, reader->at, reader->at + 4), bytes, 2) != 0) {
        return json_fail(reader, "four hex digits were expected after \\u");
    }
    reader->at += 4;
    *ret_unit = (uint32_t)bytes[0] << 8 | bytes[1];
    return 0;
}

static char *put_utf8(char *out, uint32_t point)
{
    if (point < 0x80) {
        *out++ = (char)point;
        return out;
    }
    if (point < 0x800) {
        *out++ = (char)(0xC0 | point >> 6);
    } else {
        if (point < 0x10000) {
            *out++ = (char)(0xE0 | point >> 12);
        } else {
            *out++ = (char)(0xF0 | point >> 18);
            *out++ = (char)(0x80 | (point >> 12 & 63));
        }
        *out++ = (char)(0x80 | (point >> 6 & 63));
    }
    *out++ = (char)(0x80 | (point & 63));
    return out;
}

/* A \u escape whose "\u" was taken; surrogates without a partner become U+FFFD. */
static int take_unicode(JsonReader *reader, char **out)
{
    uint32_t point, low;

    TRY(take_hex4(reader, &point));
    if (point >= 0xD800 && point <= 0xDBFF &&
        str_equal(str_slice(reader->text, reader->at, reader->at + 2), STR("\\u"))) {
        size_t before = reader->at;
        reader->at += 2;
        TRY(take_hex4(reader, &low));
        if (low >= 0xDC00 && low <= 0xDFFF) {
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        } else {
            reader->at = before;
        }
    }
    if (point >= 0xD800 && point <= 0xDFFF) {
        point = 0xFFFD;
    }
    *out = put_utf8(*out, point);
    return 0;
}

/* One escape whose backslash was taken. */
static int take_escape(JsonReader *reader, char **out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";

    if (reader->at == reader->text.len) {
        return json_fail(reader, "unexpected end inside a string");
    }
    char name = reader->text.ptr[reader->at++];
    if (name == 'u') {
        return take_unicode(reader, out);
    }
    size_t index = str_find_byte(STR("\"\\/bfnrt"), name, 0);
    if (index == sizeof(names) - 1) {
        return json_fail(reader, "unknown escape in a string");
    }
    *(*out)++ = bytes[index];
    return 0;
}

/* End of the raw string from @at: the offset of its closing quote, or the text's end. */
static size_t find_raw_end(Str text, size_t at)
{
    for (;;) {
        at = find_string_stop(text, at);
        if (at >= text.len || text.ptr[at] != '\\') {
            return at;
        }
        at = MIN(at + 2, text.len);
    }
}

/* The string from @start on has an escape at reader->at: decodes it into the arena. No escape is
 * shorter than what it stands for, so the raw length is room enough. */
static int read_escaped(JsonReader *reader, size_t start, Str *ret_value)
{
    Str text = reader->text;
    size_t end = find_raw_end(text, reader->at);
    char *value = arena_alloc(reader->arena, end - start);
    char *out = value;

    reader->at = start;
    for (;;) {
        size_t stop = find_string_stop(text, reader->at);
        mem_copy(out, text.ptr + reader->at, stop - reader->at);
        out += stop - reader->at;
        reader->at = stop;
        if (stop == text.len || (text.ptr[stop] != '"' && text.ptr[stop] != '\\')) {
            return json_fail(reader, stop == text.len ? "unexpected end inside a string"
                                                      : "control character inside a string");
        }
        reader->at++;
        if (text.ptr[stop] == '"') {
            *ret_value = (Str){.ptr = value, .len = (size_t)(out - value)};
            return 0;
        }
        TRY(take_escape(reader, &out));
    }
}

int json_read_string(JsonReader *reader, Str *ret_value)
{
    if (next_byte(reader) != '"') {
        return json_fail(reader, "a string was expected");
    }
    size_t start = ++reader->at;
    size_t stop = find_string_stop(reader->text, start);
    reader->at = stop;
    if (stop < reader->text.len && reader->text.ptr[stop] == '"') {
        *ret_value = str_slice(reader->text, start, stop);
        reader->at++;
        return 0;
    }
    if (stop < reader->text.len && reader->text.ptr[stop] == '\\') {
        return read_escaped(reader, start, ret_value);
    }
    return json_fail(reader, stop == reader->text.len ? "unexpected end inside a string"
                                                      : "control character inside a string");
}

int json_read_text(JsonReader *reader, Str *ret_value)
{
    if (json_take_null(reader)) {
        *ret_value = STR("");
        return 0;
    }
    return json_read_string(reader, ret_value);
}

/* Takes a run of digits; returns how many. */
static size_t take_digits(JsonReader *reader)
{
    size_t start = reader->at;

    while (reader->at < reader->text.len && ascii_is_digit(reader->text.ptr[reader->at])) {
        reader->at++;
    }
    return reader->at - start;
}

static bool take_one_of(JsonReader *reader, char a, char b)
{
    if (reader->at < reader->text.len &&
        (reader->text.ptr[reader->at] == a || reader->text.ptr[reader->at] == b)) {
        reader->at++;
        return true;
    }
    return false;
}

int json_read_number(JsonReader *reader, Str *ret_text)
{
    char first = next_byte(reader);
    size_t start = reader->at;

    if (first != '-' && !ascii_is_digit(first)) {
        return json_fail(reader, "a number was expected");
    }
    take_one_of(reader, '-', '-');
    bool zero = reader->at < reader->text.len && reader->text.ptr[reader->at] == '0';
    size_t n_digits = take_digits(reader);
    bool bad = n_digits == 0 || (zero && n_digits > 1);
    if (take_one_of(reader, '.', '.')) {
        bad |= take_digits(reader) == 0;
    }
    if (take_one_of(reader, 'e', 'E')) {
        take_one_of(reader, '+', '-');
        bad |= take_digits(reader) == 0;
    }
    if (bad) {
        return json_fail(reader, "malformed number");
    }
    *ret_text = str_slice(reader->text, start, reader->at);
    return 0;
}

static int enter(JsonReader *reader, char bracket, const char *error)
{
    if (next_byte(reader) != bracket) {
        return json_fail(reader, error);
    }
    if (reader->depth == JSON_DEPTH_MAX) {
        return json_fail(reader, "nested deeper than 192 levels");
    }
    reader->depth++;
    reader->at++;
    return 0;
}

int json_enter_object(JsonReader *reader)
{
    return enter(reader, '{', "an object was expected");
}

int json_enter_array(JsonReader *reader)
{
    return enter(reader, '[', "an array was expected");
}

/* Moves to the next member of a container: 1 there is one, 0 the closing bracket was taken, < 0
 * error. */
static int next_member(JsonReader *reader, char opening, char closing)
{
    bool first = reader->at > 0 && reader->text.ptr[reader->at - 1] == opening;
    char byte = next_byte(reader);

    if (byte == closing) {
        reader->at++;
        ASSERT(reader->depth > 0);
        reader->depth--;
        return 0;
    }
    if (first) {
        return byte == 0 ? -fail_value(reader) : 1;
    }
    if (byte != ',') {
        return -json_fail(reader, byte == 0 ? "unexpected end of the JSON text"
                                            : "a comma or closing bracket was expected");
    }
    reader->at++;
    if (next_byte(reader) == closing) {
        return -json_fail(reader, "a comma before a closing bracket");
    }
    return 1;
}

static int take_colon(JsonReader *reader)
{
    if (next_byte(reader) != ':') {
        return json_fail(reader, "a colon was expected");
    }
    reader->at++;
    return 0;
}

int json_next_key(JsonReader *reader, Str *ret_key)
{
    Str key;
    int more = next_member(reader, '{', '}');

    if (more <= 0) {
        return more;
    }
    if (json_read_string(reader, &key) != 0 || take_colon(reader) != 0) {
        return -JSON_BAD;
    }
    *ret_key = key;
    return 1;
}

int json_next_item(JsonReader *reader)
{
    if (reader->arena != NULL && reader->arena->allocated > reader->arena_limit) {
        return -json_fail(reader, "needs too much memory for its size");
    }
    return next_member(reader, '[', ']');
}

/* Strings are checked, but not decoded: skipping needs no arena. */
static int skip_string(JsonReader *reader)
{
    if (next_byte(reader) != '"') {
        return json_fail(reader, "a string was expected");
    }
    reader->at++;
    for (;;) {
        char unused[4], *out = unused;
        size_t stop = find_string_stop(reader->text, reader->at);

        reader->at = stop;
        if (stop == reader->text.len || (uint8_t)reader->text.ptr[stop] < 0x20) {
            return json_fail(reader, "unexpected end or control character inside a string");
        }
        reader->at++;
        if (reader->text.ptr[stop] == '"') {
            return 0;
        }
        TRY(take_escape(reader, &out));
    }
}

static int skip_object(JsonReader *reader)
{
    int more;

    TRY(json_enter_object(reader));
    while ((more = next_member(reader, '{', '}')) > 0) {
        TRY(skip_string(reader));
        TRY(take_colon(reader));
        TRY(json_skip(reader, NULL));
    }
    return more < 0 ? JSON_BAD : 0;
}

static int skip_array(JsonReader *reader)
{
    int more;

    TRY(json_enter_array(reader));
    while ((more = next_member(reader, '[', ']')) > 0) {
        TRY(json_skip(reader, NULL));
    }
    return more < 0 ? JSON_BAD : 0;
}

static int skip_type(JsonReader *reader, JsonType type)
{
    bool boolean;
    Str text;

    switch (type) {
    case JSON_NULL:
        return json_read_null(reader);
    case JSON_BOOL:
        return json_read_bool(reader, &boolean);
    case JSON_NUMBER:
        return json_read_number(reader, &text);
    case JSON_STRING:
        return skip_string(reader);
    case JSON_ARRAY:
        return skip_array(reader); /* recursion is bounded by JSON_DEPTH_MAX */
    case JSON_OBJECT:
        break;
    }
    return skip_object(reader);
}

int json_skip(JsonReader *reader, Str *ret_raw)
{
    JsonType type;

    TRY(json_peek(reader, &type));
    size_t start = reader->at;
    TRY(skip_type(reader, type));
    if (ret_raw != NULL) {
        *ret_raw = str_slice(reader->text, start, reader->at);
    }
    return 0;
}

int json_end(JsonReader *reader)
{
    if (reader->error.text != NULL) {
        return JSON_BAD;
    }
    next_byte(reader);
    return reader->at == reader->text.len ? 0 : json_fail(reader, "text after the JSON value");
}
