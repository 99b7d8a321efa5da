// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * For tests: reads a worked example of CONTRACT.md (shared/data/contract/README.md). Only as much
 * of OTLP's JSON as the examples use; whatever else fails the test. Include cmocka.h before.
 */
#include "codec/json.h"
#include "span/value_json.h"

enum { LINES_MAX = 256, SPANS_MAX = 256 };

typedef struct Example {
    Str name;
    Str expect[LINES_MAX];
    size_t n_expect;
    Str kinds[16];
    size_t n_kinds;
    Span spans[SPANS_MAX];
    size_t n_spans;
    Arena arena;
} Example;

#define MUST(call) assert_int_equal((call), 0)

static uint64_t read_u64(JsonReader *reader)
{
    Str text;
    uint64_t value;

    MUST(json_read_string(reader, &text));
    MUST(str_parse_u64(text, &value));
    return value;
}

static int read_small(JsonReader *reader)
{
    Str text;
    uint64_t value;

    MUST(json_read_number(reader, &text));
    MUST(str_parse_u64(text, &value));
    return (int)value;
}

static void read_status(JsonReader *reader, Span *span)
{
    Str key;

    MUST(json_enter_object(reader));
    while (json_next_key(reader, &key) > 0) {
        if (str_equal(key, STR("code"))) {
            span->status_code = (uint8_t)read_small(reader);
        } else {
            MUST(json_skip(reader, NULL));
        }
    }
}

static void read_links(JsonReader *reader, Span *span, Arena *arena)
{
    Link *links = ARENA_ARRAY(arena, Link, 16);
    Str key;
    Str text;

    span->links = links;
    MUST(json_enter_array(reader));
    while (json_next_item(reader) > 0) {
        Link *link = &links[span->n_links++];

        MUST(json_enter_object(reader));
        while (json_next_key(reader, &key) > 0) {
            if (str_equal(key, STR("traceId"))) {
                MUST(json_read_string(reader, &text));
                MUST(trace_id_parse(text, &link->trace_id));
            } else if (str_equal(key, STR("spanId"))) {
                MUST(json_read_string(reader, &text));
                MUST(span_id_parse(text, &link->span_id));
            } else {
                MUST(json_skip(reader, NULL));
            }
        }
    }
}

static void read_span_field(JsonReader *reader, Str key, Span *span, Arena *arena)
{
    Str text = {0};

    if (str_equal(key, STR("traceId"))) {
        MUST(json_read_string(reader, &text));
        MUST(trace_id_parse(text, &span->trace_id));
    } else if (str_equal(key, STR("spanId"))) {
        MUST(json_read_string(reader, &text));
        MUST(span_id_parse(text, &span->span_id));
    } else if (str_equal(key, STR("parentSpanId"))) {
        MUST(json_read_string(reader, &text));
        MUST(text.len > 0 && span_id_parse(text, &span->parent_span_id));
    } else if (str_equal(key, STR("name"))) {
        MUST(json_read_string(reader, &span->name));
    } else if (str_equal(key, STR("traceState"))) {
        MUST(json_read_string(reader, &span->trace_state));
    } else if (str_equal(key, STR("kind"))) {
        span->kind = (uint8_t)read_small(reader);
    } else if (str_equal(key, STR("startTimeUnixNano"))) {
        span->start_ns = read_u64(reader);
    } else if (str_equal(key, STR("endTimeUnixNano"))) {
        span->end_ns = read_u64(reader);
    } else if (str_equal(key, STR("attributes"))) {
        MUST(attributes_json_read(reader, &span->attributes));
    } else if (str_equal(key, STR("status"))) {
        read_status(reader, span);
    } else if (str_equal(key, STR("links"))) {
        read_links(reader, span, arena);
    } else {
        MUST(json_skip(reader, NULL));
    }
}

static void read_spans(JsonReader *reader, Example *example, const Resource *resource)
{
    static const Scope scope;
    Str key;

    MUST(json_enter_array(reader));
    while (json_next_item(reader) > 0) {
        assert_true(example->n_spans < SPANS_MAX);
        Span *span = &example->spans[example->n_spans++];

        *span = (Span){.resource = resource, .scope = &scope};
        MUST(json_enter_object(reader));
        while (json_next_key(reader, &key) > 0) {
            read_span_field(reader, key, span, &example->arena);
        }
    }
}

static void read_scope_spans(JsonReader *reader, Example *example, const Resource *resource)
{
    Str key;

    MUST(json_enter_array(reader));
    while (json_next_item(reader) > 0) {
        MUST(json_enter_object(reader));
        while (json_next_key(reader, &key) > 0) {
            if (str_equal(key, STR("spans"))) {
                read_spans(reader, example, resource);
            } else {
                MUST(json_skip(reader, NULL));
            }
        }
    }
}

static void read_resource(JsonReader *reader, Resource *resource)
{
    Str key;

    MUST(json_enter_object(reader));
    while (json_next_key(reader, &key) > 0) {
        if (str_equal(key, STR("attributes"))) {
            MUST(attributes_json_read(reader, &resource->attributes));
        } else {
            MUST(json_skip(reader, NULL));
        }
    }
}

static void read_otlp(JsonReader *reader, Example *example)
{
    Str key;

    MUST(json_enter_object(reader));
    while (json_next_key(reader, &key) > 0) {
        MUST(json_enter_array(reader)); /* resourceSpans */
        while (json_next_item(reader) > 0) {
            Resource *resource = ARENA_NEW(&example->arena, Resource);

            MUST(json_enter_object(reader));
            while (json_next_key(reader, &key) > 0) {
                if (str_equal(key, STR("resource"))) {
                    read_resource(reader, resource);
                } else if (str_equal(key, STR("scopeSpans"))) {
                    read_scope_spans(reader, example, resource);
                } else {
                    MUST(json_skip(reader, NULL));
                }
            }
        }
    }
}

static size_t read_strings(JsonReader *reader, Str *strings, size_t max)
{
    size_t n = 0;

    MUST(json_enter_array(reader));
    while (json_next_item(reader) > 0) {
        assert_true(n < max);
        MUST(json_read_string(reader, &strings[n++]));
    }
    return n;
}

static void read_example(Str line, Example *example)
{
    JsonReader reader;
    Str key;

    json_reader_init(&reader, line, &example->arena);
    MUST(json_enter_object(&reader));
    while (json_next_key(&reader, &key) > 0) {
        if (str_equal(key, STR("name"))) {
            MUST(json_read_string(&reader, &example->name));
        } else if (str_equal(key, STR("expect"))) {
            example->n_expect = read_strings(&reader, example->expect, LINES_MAX);
        } else if (str_equal(key, STR("kinds"))) {
            example->n_kinds = read_strings(&reader, example->kinds, 16);
        } else if (str_equal(key, STR("otlp"))) {
            read_otlp(&reader, example);
        } else {
            MUST(json_skip(&reader, NULL));
        }
    }
}
