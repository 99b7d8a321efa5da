// SPDX-License-Identifier: Apache-2.0
#include "store/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/block/testing.h"
#include "store/parquet.h"

/* What a block knows of its attributes' values beside their columns. */

typedef struct Fixture {
    Arena arena;
    Span *spans;
    size_t n;
    Buf content;
    Block *block;
} Fixture;

static const Filter everything = {.op = FILTER_TRUE};

static void open_spans(Fixture *f)
{
    BlockSummary summary;
    ParseError error = {0};

    make_block(f->spans, f->n, &f->content, &summary);
    if (bytes_block_open(buf_str(&f->content), &f->block, &error) != 0) {
        fail_msg("at %zu: %s", error.offset, error.text);
    }
}

static void open_fixture(Fixture *f, uint64_t seed, size_t n, bool is_wild)
{
    Maker maker = {.state = seed, .arena = &f->arena, .is_wild = is_wild};

    *f = (Fixture){.n = n};
    f->spans = make_spans(&maker, n);
    open_spans(f);
}

static void close_fixture(Fixture *f)
{
    f->block = block_close(f->block);
    buf_deinit(&f->content);
    arena_deinit(&f->arena);
}

static int check_may_have(void *context, const Span *span)
{
    static const FilterField fields[] = {FIELD_SPAN_ATTRIBUTE, FIELD_RESOURCE_ATTRIBUTE,
                                         FIELD_SCOPE_ATTRIBUTE};
    const Attributes levels[] = {span->attributes, span->resource->attributes,
                                 span->scope->attributes};

    for (size_t level = 0; level < ARRAY_LEN(levels); level++) {
        for (size_t i = 0; i < levels[level].count; i++) {
            const Attribute *item = &levels[level].items[i];
            Arena arena = {0};
            Value text = value_string(value_text(&item->value, &arena));

            assert_true(block_may_have_value(context, fields[level], item->key, &item->value));
            assert_true(block_may_have_value(context, fields[level], item->key, &text));
            arena_deinit(&arena);
        }
    }
    return 0;
}

static void no_value_that_is_there_is_denied(void **state)
{
    for (uint64_t seed = 30; seed < 36; seed++) {
        Fixture f;

        open_fixture(&f, seed, 2000, seed % 2 == 0);
        assert_int_equal(block_scan(f.block, &everything, 0, UINT64_MAX, check_may_have, f.block),
                         0);
        close_fixture(&f);
    }
}

/* Numbers that are equal are so whatever their type. */
static void equal_numbers_are_equal_values(void **state)
{
    static const double doubles[] = {0.0, -0.0, 5.0, 0x1p60, 0.25};
    Attribute items[ARRAY_LEN(doubles) * 2];
    static const Resource resource;
    static const Scope scope;
    Span span = {.trace_id = {{1}}, .span_id = {{1}}, .resource = &resource, .scope = &scope};
    Buf content = {0};
    BlockSummary summary;
    Block *block;
    ParseError error;
    char keys[ARRAY_LEN(items)][3];

    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        double number = doubles[i / 2];
        Value as_double = {.type = VALUE_DOUBLE, .number = number};

        keys[i][0] = 'k';
        keys[i][1] = (char)('0' + i);
        items[i].key = str_from_bytes(keys[i], 2);
        items[i].value = i % 2 == 0 ? as_double : value_int((int64_t)number);
    }
    span.attributes = (Attributes){items, ARRAY_LEN(items)};
    make_block(&span, 1, &content, &summary);
    assert_int_equal(bytes_block_open(buf_str(&content), &block, &error), 0);
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        Value other = items[i ^ 1].value;
        if (doubles[i / 2] != 0.25) {
            assert_true(block_may_have_value(block, FIELD_ATTRIBUTE, items[i].key, &other));
        }
    }
    block_close(block);
    buf_deinit(&content);
}

static void values_that_are_not_there_are_mostly_denied(void **state)
{
    Fixture f;
    size_t n_yes = 0;

    open_fixture(&f, 37, 5000, false);
    for (int64_t i = 0; i < 1000; i++) {
        Value value = value_int(1000000 + i);
        Arena arena = {0};
        Value text = value_string(value_text(&value, &arena));

        n_yes += block_may_have_value(f.block, FIELD_RESOURCE_ATTRIBUTE, STR("a"), &text);
        n_yes += block_may_have_value(f.block, FIELD_SPAN_ATTRIBUTE, STR("no.such.key"), &value);
        arena_deinit(&arena);
    }
    assert_in_range(n_yes, 0, 100);
    close_fixture(&f);
}

/* Counts the values of a key in spans, as the block should. */
typedef struct Tops {
    const Fixture *fixture;
    Str key;
} Tops;

static uint64_t count_spans_with(const Tops *tops, Str text)
{
    uint64_t n = 0;

    for (size_t i = 0; i < tops->fixture->n; i++) {
        const Value *value = attributes_find(tops->fixture->spans[i].attributes, tops->key);
        n += value != NULL && value->type == VALUE_STRING && str_equal(value->string, text);
    }
    return n;
}

static void summaries_tell_the_most_frequent_values(void **state)
{
    Fixture f;
    Arena arena = {0};
    BlockValueSummary summary;

    open_fixture(&f, 38, 3000, false);
    Tops tops = {&f, STR("http.method")};
    assert_int_equal(block_value_summary(f.block, FIELD_SPAN_ATTRIBUTE, tops.key, &arena, &summary),
                     0);
    assert_true(summary.is_known);
    assert_int_equal(summary.n_top, BLOCK_TOP_VALUES);
    for (size_t i = 0; i < summary.n_top; i++) {
        assert_int_equal(summary.top[i].count, count_spans_with(&tops, summary.top[i].text));
        assert_true(i == 0 || summary.top[i].count <= summary.top[i - 1].count);
    }
    assert_int_equal(
        block_value_summary(f.block, FIELD_SPAN_ATTRIBUTE, STR("no.such.key"), &arena, &summary),
        0);
    assert_false(summary.is_known);
    close_fixture(&f);
    arena_deinit(&arena);
}

/* --- Identifiers as bytes --- */

enum { ID_SPANS = 3000 };

/* Spans with one attribute, the @i-th value of which @make writes. */
static void open_ids(Fixture *f, Str (*make)(Arena *arena, size_t i))
{
    static const Resource resource;
    static const Scope scope;

    *f = (Fixture){.n = ID_SPANS};
    f->spans = ARENA_ARRAY(&f->arena, Span, f->n);
    for (size_t i = 0; i < f->n; i++) {
        Attribute *id = ARENA_NEW(&f->arena, Attribute);

        *id = (Attribute){STR("id"), value_string(make(&f->arena, i))};
        f->spans[i] = (Span){.trace_id = {{1, (uint8_t)(i >> 8), (uint8_t)i}},
                             .span_id = {{1}},
                             .resource = &resource,
                             .scope = &scope,
                             .attributes = {id, i % 10 == 9 ? 0 : 1}};
    }
    open_spans(f);
}

static uint64_t mixed(size_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15U;
}

static Str make_uuid(Arena *arena, size_t i)
{
    uint64_t x = mixed(i), y = mixed(i + ID_SPANS);

    return arena_format(arena, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(x >> 32),
                        (unsigned)(x >> 16 & 0xffff), (unsigned)(x & 0xffff), (unsigned)(y >> 48),
                        (unsigned long long)(y & 0xffffffffffff));
}

static Str make_upper_uuid(Arena *arena, size_t i)
{
    return i == ID_SPANS / 2 ? STR("0000000A-0000-0000-0000-000000000000") : make_uuid(arena, i);
}

static Str make_bad_dash(Arena *arena, size_t i)
{
    return i == 5 ? STR("0000000a-0000-0000-000000000000-0000") : make_uuid(arena, i);
}

static Str make_hex(Arena *arena, size_t i)
{
    return arena_format(arena, "%016llx%016llx", (unsigned long long)mixed(i),
                        (unsigned long long)mixed(i + 1));
}

static Str make_two_lengths(Arena *arena, size_t i)
{
    return str_slice(make_hex(arena, i), i % 100 == 0 ? 2 : 0, 32);
}

static Str make_decimal(Arena *arena, size_t i)
{
    return arena_format(arena, "%016llu", (unsigned long long)mixed(i) % 10000000000000000U);
}

static Str make_repeated(Arena *arena, size_t i)
{
    return make_uuid(arena, i % 100);
}

static Str make_high_bytes(Arena *arena, size_t i)
{
    return i == 7 ? STR("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9")
                  : str_slice(make_hex(arena, i), 0, 16);
}

static int count_match(void *context, const BlockMatch *match)
{
    ++*(size_t *)context;
    return 0;
}

static int search_all(Block *block, const Filter *filter, size_t *n)
{
    BlockSearch search = {
        .filter = filter, .to_ns = UINT64_MAX, .visit = count_match, .context = n};

    return block_search(block, &search);
}

typedef struct Reading {
    const Fixture *fixture;
    size_t at;
} Reading;

static int check_id(void *context, const Span *span)
{
    Reading *reading = context;
    const Value *expected =
        attributes_find(reading->fixture->spans[reading->at++].attributes, STR("id"));
    const Value *found = attributes_find(span->attributes, STR("id"));

    assert_true((expected == NULL) == (found == NULL));
    assert_true(found == NULL || str_equal(found->string, expected->string));
    return 0;
}

/* The values come back, are found by equality and by expression, and the file has the type. */
static void check_ids(Str (*make)(Arena *arena, size_t i), ParquetType type)
{
    Fixture f;
    ParquetFile *file;
    ParseError error;
    FilterPattern *pattern;
    size_t n_equal = 0, n_matching = 0;

    open_ids(&f, make);
    const ParquetSource source = {.bytes = buf_str(&f.content)};
    assert_int_equal(parquet_open(&source, &file, &error), 0);
    assert_int_equal(parquet_column(file, parquet_find(file, STR("id")))->type, type);
    parquet_close(file);

    Reading reading = {&f, 0};
    assert_int_equal(block_scan(f.block, &everything, 0, UINT64_MAX, check_id, &reading), 0);
    assert_int_equal(reading.at, f.n);

    Filter filter = {.op = FILTER_COMPARE,
                     .field = FIELD_SPAN_ATTRIBUTE,
                     .comparison = COMPARE_EQUAL,
                     .key = STR("id"),
                     .operand = f.spans[4].attributes.items[0].value};
    assert_int_equal(search_all(f.block, &filter, &n_equal), 0);
    assert_in_range(n_equal, 1, ID_SPANS / 100);
    assert_true(block_may_have_value(f.block, FIELD_ATTRIBUTE, STR("id"), &filter.operand));
    assert_int_equal(filter_pattern_new(STR(".*"), &pattern, &error), 0);
    filter.comparison = COMPARE_MATCH;
    filter.pattern = pattern;
    assert_int_equal(search_all(f.block, &filter, &n_matching), 0);
    assert_int_equal(n_matching, ID_SPANS / 10 * 9);
    filter_pattern_free(pattern);
    close_fixture(&f);
}

static void identifiers_are_bytes_only_when_all_come_back(void **state)
{
    check_ids(make_uuid, PARQUET_UUID);
    check_ids(make_hex, PARQUET_FIXED);
    check_ids(make_upper_uuid, PARQUET_STRING);
    check_ids(make_bad_dash, PARQUET_STRING);
    check_ids(make_two_lengths, PARQUET_STRING);
    check_ids(make_decimal, PARQUET_STRING);
    check_ids(make_repeated, PARQUET_STRING);
    check_ids(make_high_bytes, PARQUET_STRING);
}

/* --- The limit of columns --- */

enum { MANY_KEYS = 40 };

static void rarer_keys_go_into_the_map_and_are_counted(void **state)
{
    static const Resource resource;
    static const Scope scope;
    Arena arena = {0};
    BlockBuilder *builder = block_builder_new(16); /* 12 for spans */
    Buf content = {0};
    BlockSummary summary;
    ParquetFile *file;
    ParseError error;
    size_t n_columns = 0;

    for (size_t i = 0; i < 200; i++) {
        size_t n = 1 + i % MANY_KEYS; /* the first keys are the most frequent */
        Attribute *items = ARENA_ARRAY(&arena, Attribute, n);

        for (size_t k = 0; k < n; k++) {
            items[k] = (Attribute){arena_format(&arena, "key.%02zu", k), value_int((int64_t)i)};
        }
        block_builder_add(builder, &(Span){.trace_id = {{(uint8_t)i}},
                                           .span_id = {{1}},
                                           .resource = &resource,
                                           .scope = &scope,
                                           .attributes = {items, n}});
    }
    block_builder_finish(builder, &content, &summary);
    assert_int_equal(summary.n_spilled_keys, MANY_KEYS - 12);
    const ParquetSource source = {.bytes = buf_str(&content)};
    assert_int_equal(parquet_open(&source, &file, &error), 0);
    for (size_t i = 0; i < parquet_n_columns(file); i++) {
        Str name = parquet_column(file, i)->name;

        n_columns += str_starts_with(name, STR("key."));
        assert_true(!str_starts_with(name, STR("key.")) || str_compare(name, STR("key.12")) < 0);
    }
    assert_int_equal(n_columns, 12);
    parquet_close(file);
    block_builder_free(builder);
    buf_deinit(&content);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_value_that_is_there_is_denied),
        cmocka_unit_test(equal_numbers_are_equal_values),
        cmocka_unit_test(values_that_are_not_there_are_mostly_denied),
        cmocka_unit_test(identifiers_are_bytes_only_when_all_come_back),
        cmocka_unit_test(rarer_keys_go_into_the_map_and_are_counted),
        cmocka_unit_test(summaries_tell_the_most_frequent_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
