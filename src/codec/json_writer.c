// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include <math.h>
#include <time.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/assert.h"
#include "codec/text.h"

enum { JSON_TIME_SIZE = sizeof("\"2026-11-21T08:02:03.000000004Z\"") - 1 };

static void begin_value(JsonWriter *writer)
{
    if (writer->comma) {
        buf_append_byte(writer->buf, ',');
    }
    writer->comma = true;
}

void json_open(JsonWriter *writer, char bracket)
{
    ASSERT(bracket == '{' || bracket == '[');
    begin_value(writer);
    buf_append_byte(writer->buf, (uint8_t)bracket);
    writer->comma = false;
}

void json_close(JsonWriter *writer, char bracket)
{
    ASSERT(bracket == '}' || bracket == ']');
    buf_append_byte(writer->buf, (uint8_t)bracket);
    writer->comma = true;
}

/* Offset of the first byte at or after @at that cannot be copied as it is. */
static size_t find_special(Str text, size_t at)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(' ');

    while (text.len - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.ptr + at));
        __m128i stops =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        /* As signed bytes, those from 0x80 on are below the space too. */
        stops = _mm_or_si128(stops, _mm_cmplt_epi8(bytes, space));
        unsigned mask = (unsigned)_mm_movemask_epi8(stops);

        if (mask != 0) {
            return at + (size_t)__builtin_ctz(mask);
        }
        at += 16;
    }
#endif
    while (at < text.len && text.ptr[at] != '"' && text.ptr[at] != '\\' &&
           (uint8_t)text.ptr[at] >= 0x20 && (uint8_t)text.ptr[at] < 0x80) {
        at++;
    }
    return at;
}

static void append_escape(Buf *buf, char byte)
{
    static const char names[] = "btnvfr"; /* from \b (8) to \r (13) */

    buf_append_byte(buf, '\\');
    if (byte == '"' || byte == '\\') {
        buf_append_byte(buf, (uint8_t)byte);
    } else if (byte >= '\b' && byte <= '\r' && byte != '\v') {
        buf_append_byte(buf, (uint8_t)names[byte - '\b']);
    } else {
        buf_append_format(buf, "u%04x", (unsigned)byte);
    }
}

static void append_quoted(Buf *buf, Str text)
{
    size_t at = 0;

    buf_append_byte(buf, '"');
    for (;;) {
        size_t stop = find_special(text, at);

        buf_append_str(buf, str_slice(text, at, stop));
        at = stop;
        if (at == text.len) {
            break;
        }
        if ((uint8_t)text.ptr[at] < 0x80) {
            append_escape(buf, text.ptr[at++]);
            continue;
        }
        size_t len = text_utf8_length(text, at);
        buf_append_str(buf, len == 0 ? STR("\xEF\xBF\xBD") : str_slice(text, at, at + len));
        at += MAX(len, (size_t)1);
    }
    buf_append_byte(buf, '"');
}

void json_string(JsonWriter *writer, Str value)
{
    begin_value(writer);
    append_quoted(writer->buf, value);
}

void json_key(JsonWriter *writer, Str key)
{
    json_string(writer, key);
    buf_append_byte(writer->buf, ':');
    writer->comma = false;
}

void json_u64(JsonWriter *writer, uint64_t value)
{
    begin_value(writer);
    buf_append_u64(writer->buf, value);
}

void json_i64(JsonWriter *writer, int64_t value)
{
    begin_value(writer);
    buf_append_i64(writer->buf, value);
}

void json_double(JsonWriter *writer, double value)
{
    begin_value(writer);
    if (isfinite(value)) {
        text_append_double(writer->buf, value);
        return;
    }
    buf_append_byte(writer->buf, '"');
    text_append_double(writer->buf, value);
    buf_append_byte(writer->buf, '"');
}

void json_bool(JsonWriter *writer, bool value)
{
    json_raw(writer, value ? STR("true") : STR("false"));
}

void json_null(JsonWriter *writer)
{
    json_raw(writer, STR("null"));
}

void json_raw(JsonWriter *writer, Str json)
{
    begin_value(writer);
    buf_append_str(writer->buf, json);
}

void json_hex(JsonWriter *writer, const uint8_t *bytes, size_t len)
{
    begin_value(writer);
    buf_append_byte(writer->buf, '"');
    buf_append_hex(writer->buf, bytes, len);
    buf_append_byte(writer->buf, '"');
}

/* Decimal digits of @value, the last of @n at the end; returns behind them. */
static uint8_t *put_digits(uint8_t *out, uint64_t value, size_t n)
{
    for (size_t i = n; i-- > 0; value /= 10) {
        out[i] = (uint8_t)('0' + value % 10);
    }
    return out + n;
}

/* By hand: printf took a sixth of the time of a large trace's answer. */
void json_time(JsonWriter *writer, uint64_t time_ns)
{
    static const char separators[] = "--T::.";
    time_t seconds = (time_t)(time_ns / 1000000000U);
    struct tm utc;

    begin_value(writer);
    ASSERT(gmtime_r(&seconds, &utc) != NULL); /* 2^64 ns end in the year 2554 */
    const int parts[] = {utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                         utc.tm_hour,        utc.tm_min,     utc.tm_sec};
    uint8_t *out = buf_grow(writer->buf, JSON_TIME_SIZE);

    *out++ = '"';
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        out = put_digits(out, (uint64_t)parts[i], i == 0 ? 4 : 2);
        *out++ = (uint8_t)separators[i];
    }
    out = put_digits(out, time_ns % 1000000000U, 9);
    *out++ = 'Z';
    *out = '"';
}

/* --- Key and value --- */

static void key_text(JsonWriter *writer, const char *key)
{
    json_key(writer, str_from_cstr(key));
}

void json_key_string(JsonWriter *writer, const char *key, Str value)
{
    key_text(writer, key);
    json_string(writer, value);
}

void json_key_u64(JsonWriter *writer, const char *key, uint64_t value)
{
    key_text(writer, key);
    json_u64(writer, value);
}

void json_key_double(JsonWriter *writer, const char *key, double value)
{
    key_text(writer, key);
    json_double(writer, value);
}

void json_key_time(JsonWriter *writer, const char *key, uint64_t time_ns)
{
    key_text(writer, key);
    json_time(writer, time_ns);
}

void json_key_time_or_null(JsonWriter *writer, const char *key, uint64_t time_ns)
{
    key_text(writer, key);
    if (time_ns == 0) {
        json_null(writer);
    } else {
        json_time(writer, time_ns);
    }
}

void json_key_bool(JsonWriter *writer, const char *key, bool value)
{
    key_text(writer, key);
    json_bool(writer, value);
}

void json_key_hex(JsonWriter *writer, const char *key, const uint8_t *bytes, size_t len)
{
    key_text(writer, key);
    json_hex(writer, bytes, len);
}

void json_key_open(JsonWriter *writer, const char *key, char bracket)
{
    key_text(writer, key);
    json_open(writer, bracket);
}
