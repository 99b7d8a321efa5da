// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "base/buf.h"

/*
 * JSON without a tree: a reader that walks the text in place and a writer that appends (RFC 8259).
 *
 * Reader: the caller asks for what it expects. Every function returns 0, or JSON_BAD with
 * reader->error set (byte offset and what); after an error all further calls return JSON_BAD.
 * Nesting beyond JSON_DEPTH_MAX is an error. Strings without escapes are views into the text;
 * others are decoded into the arena. Bytes that are no UTF-8 are passed through.
 */
enum { JSON_BAD = 1, JSON_DEPTH_MAX = 192 };

/* What a reader's caller may take from the arena while it walks a text of N bytes: N *
 * JSON_MEMORY_RATIO + JSON_MEMORY_BASE. Beyond it json_next_item fails, so that a list of millions
 * of empty elements cannot ask for many times its own size. */
enum { JSON_MEMORY_RATIO = 24, JSON_MEMORY_BASE = 1 << 20 };

typedef enum JsonType {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} JsonType;

typedef struct JsonReader {
    Str text;
    size_t at;
    size_t depth;
    Arena *arena;
    size_t arena_limit; /* of arena->allocated */
    ParseError error;
} JsonReader;

/* @arena may be NULL for a reader that only skips. */
void json_reader_init(JsonReader *reader, Str text, Arena *arena);

/* The type of the value that comes next, without taking it. */
MUST_USE int json_peek(JsonReader *reader, JsonType *ret_type);

MUST_USE int json_read_null(JsonReader *reader);
MUST_USE int json_read_bool(JsonReader *reader, bool *ret_value);
MUST_USE int json_read_string(JsonReader *reader, Str *ret_value);

/* A number as its text, for the caller to parse (integers beyond 2^53 stay exact). */
MUST_USE int json_read_number(JsonReader *reader, Str *ret_text);

/* Numbers as protobuf's JSON mapping has them: a number, a string that holds one ("42", "NaN",
 * "Infinity") or null, which is 0. Whole numbers may be written as 1e3 or 5.0; what does not fit
 * the type is an error. */
MUST_USE int json_read_i64(JsonReader *reader, int64_t *ret_value);
MUST_USE int json_read_u64(JsonReader *reader, uint64_t *ret_value);
MUST_USE int json_read_double(JsonReader *reader, double *ret_value);

/* As json_read_string; null is the empty string. */
MUST_USE int json_read_text(JsonReader *reader, Str *ret_value);

/* Whatever comes next is checked and skipped; @ret_raw (may be NULL) is its text. */
MUST_USE int json_skip(JsonReader *reader, Str *ret_raw);

/* Takes a null that comes next; returns whether there was one. */
bool json_take_null(JsonReader *reader);

/*
 * Objects and arrays:
 *     TRY(json_enter_object(r));
 *     while ((more = json_next_key(r, &key)) > 0) { … read or skip the value … }
 *     (json_next_key: 1 there is another, 0 the end was taken, < 0 error)
 */
MUST_USE int json_enter_object(JsonReader *reader);
MUST_USE int json_next_key(JsonReader *reader, Str *ret_key);
MUST_USE int json_enter_array(JsonReader *reader);
MUST_USE int json_next_item(JsonReader *reader);

/* Only white space may be left. */
MUST_USE int json_end(JsonReader *reader);

/* Sets the error at the reader's place (the first error stays); returns JSON_BAD. */
int json_fail(JsonReader *reader, const char *text);

/*
 * Writer: commas and colons come by themselves.
 *     json_open(w, '{'); json_key(w, STR("name")); json_string(w, name); json_close(w, '}');
 */
typedef struct JsonWriter {
    Buf *buf;
    bool comma; /* the next value or key needs a comma first */
} JsonWriter;

void json_open(JsonWriter *writer, char bracket);
void json_close(JsonWriter *writer, char bracket);
void json_key(JsonWriter *writer, Str key);

/* Bytes that are no UTF-8 are written as U+FFFD. */
void json_string(JsonWriter *writer, Str value);
void json_u64(JsonWriter *writer, uint64_t value);
void json_i64(JsonWriter *writer, int64_t value);
/* Shortest form that reads back the same; NaN and infinities as the strings "NaN", "Infinity",
 * "-Infinity" (as OTLP's JSON has them). */
void json_double(JsonWriter *writer, double value);
void json_bool(JsonWriter *writer, bool value);
void json_null(JsonWriter *writer);
/* Text that is JSON already. */
void json_raw(JsonWriter *writer, Str json);
void json_hex(JsonWriter *writer, const uint8_t *bytes, size_t len);
/* RFC 3339 with nanoseconds, UTC: "2026-11-21T08:02:03.000000004Z". */
void json_time(JsonWriter *writer, uint64_t time_ns);

/* "key":value, as most of an object is. */
void json_key_string(JsonWriter *writer, const char *key, Str value);
void json_key_u64(JsonWriter *writer, const char *key, uint64_t value);
void json_key_double(JsonWriter *writer, const char *key, double value);
void json_key_time(JsonWriter *writer, const char *key, uint64_t time_ns);
void json_key_time_or_null(JsonWriter *writer, const char *key, uint64_t time_ns); /* 0: null */
void json_key_bool(JsonWriter *writer, const char *key, bool value);
void json_key_hex(JsonWriter *writer, const char *key, const uint8_t *bytes, size_t len);
void json_key_open(JsonWriter *writer, const char *key, char bracket);
