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

/* Blocks of several row groups answer as blocks of one do. */
typedef struct Fixture {
    Arena arena;
    Maker maker;
    Span *spans;
    size_t n;
    Buf content, one; /* the same spans in groups, and in one */
    Block *block, *plain;
} Fixture;

static bool ends_trace(const Span *spans, size_t n, size_t i)
{
    return i + 1 < n && !trace_id_equal(spans[i].trace_id, spans[i + 1].trace_id);
}

/* A group ends with the first trace that ends behind @group_spans; what is written is taken away
 * each time, as a file's writer does. */
static void build_groups(BlockBuilder *builder, const Span *spans, size_t n, size_t group_spans,
                         Buf *content)
{
    CLEANUP(buf_deinit) Buf part = {0};
    BlockSummary summary;

    for (size_t i = 0; i < n; i++) {
        block_builder_add(builder, &spans[i]);
        if (block_builder_group_spans(builder) >= group_spans && ends_trace(spans, n, i)) {
            block_builder_end_group(builder, n, &part);
            buf_append_str(content, buf_str(&part));
            buf_clear(&part);
        }
    }
    block_builder_finish(builder, &part, &summary);
    buf_append_str(content, buf_str(&part));
    assert_int_equal(summary.n_spans, n);
    assert_int_equal(summary.file_bytes, content->len);
}

static void open_bytes(const Buf *content, Block **ret_block)
{
    ParseError error = {0};

    if (bytes_block_open(buf_str(content), ret_block, &error) != 0) {
        fail_msg("at %zu: %s", error.offset, error.text);
    }
}

static void open_spans(Fixture *f, size_t group_spans)
{
    BlockBuilder *builder = block_builder_new(0);
    BlockSummary summary;

    build_groups(builder, f->spans, f->n, group_spans, &f->content);
    block_builder_free(builder);
    make_block(f->spans, f->n, &f->one, &summary);
    open_bytes(&f->content, &f->block);
    open_bytes(&f->one, &f->plain);
}

static void open_fixture(Fixture *f, uint64_t seed, size_t n, bool is_wild)
{
    *f = (Fixture){.n = n};
    f->maker = (Maker){.state = seed, .arena = &f->arena, .is_wild = is_wild};
    f->spans = make_spans(&f->maker, n);
    open_spans(f, 90);
}

static void close_fixture(Fixture *f)
{
    f->block = block_close(f->block);
    f->plain = block_close(f->plain);
    buf_deinit(&f->content);
    buf_deinit(&f->one);
    arena_deinit(&f->arena);
}

static size_t count_groups(const Buf *content)
{
    ParquetFile *file;
    ParseError error;

    assert_int_equal(parquet_open(&(ParquetSource){.bytes = buf_str(content)}, &file, &error), 0);
    size_t n = parquet_n_groups(file);
    parquet_close(file);
    return n;
}

static bool same_span(const Span *a, const Span *b)
{
    Buf left = {0}, right = {0};

    span_append_canonical(a, &left);
    span_append_canonical(b, &right);
    bool same = str_equal(buf_str(&left), buf_str(&right));
    buf_deinit(&left);
    buf_deinit(&right);
    return same;
}

typedef struct Scan {
    const Fixture *fixture;
    size_t at;
} Scan;

static int check_next(void *context, const Span *span)
{
    Scan *scan = context;

    if (!same_span(span, &scan->fixture->spans[scan->at])) {
        fail_msg("row %zu came back differently", scan->at);
    }
    scan->at++;
    return 0;
}

static void check_scan(const Fixture *f)
{
    static const Filter everything = {.op = FILTER_TRUE};
    Scan scan = {f, 0};

    assert_int_equal(block_scan(f->block, &everything, 0, UINT64_MAX, check_next, &scan), 0);
    assert_int_equal(scan.at, f->n);
}

static void every_span_comes_back_without_loss(void **state)
{
    Fixture f;

    for (uint64_t seed = 1; seed < 5; seed++) {
        open_fixture(&f, seed, 1200, seed % 2 == 0);
        assert_in_range(count_groups(&f.content), 10, 14);
        assert_int_equal(count_groups(&f.one), 1);
        check_scan(&f);
        close_fixture(&f);
    }
}

static void every_trace_is_found_whole_by_id(void **state)
{
    Fixture f;

    open_fixture(&f, 8, 1500, false);
    for (size_t i = 0, end; i < f.n; i = end) {
        Arena arena = {0};
        Span *spans = NULL;
        size_t n = 0;

        for (end = i + 1; end < f.n && !ends_trace(f.spans, f.n, end - 1); end++) {
        }
        assert_int_equal(block_read_trace(f.block, f.spans[i].trace_id, &arena, &spans, &n), 0);
        assert_int_equal(n, end - i);
        for (size_t k = 0; k < n; k++) {
            assert_true(same_span(&spans[k], &f.spans[i + k]));
        }
        arena_deinit(&arena);
    }
    close_fixture(&f);
}

static void check_outline(const Span *span, const Span *whole)
{
    const Value *service = attributes_find(whole->attributes, STR("service.name"));
    const Value *found = attributes_find(span->attributes, STR("service.name"));

    assert_memory_equal(&span->span_id, &whole->span_id, sizeof(span->span_id));
    assert_memory_equal(&span->parent_span_id, &whole->parent_span_id, sizeof(SpanId));
    assert_true(str_equal(span->name, whole->name));
    assert_true(span->start_ns == whole->start_ns && span->end_ns == whole->end_ns);
    assert_true(span->kind == whole->kind && span->status_code == whole->status_code);
    assert_true(attributes_same_set(span->resource->attributes, whole->resource->attributes));
    assert_true((service == NULL) == (found == NULL));
    assert_true(service == NULL || value_equal(service, found));
}

static void an_outline_has_what_a_list_shows(void **state)
{
    Fixture f;

    for (uint64_t seed = 40; seed < 42; seed++) {
        open_fixture(&f, seed, 600, seed % 2 == 0);
        for (size_t i = 0; i < f.n; i++) {
            const BlockTraceQuestion question = {f.spans[i].trace_id, SIZE_MAX, true};
            Span *spans = NULL;
            size_t n = 0;

            if (i > 0 && !ends_trace(f.spans, f.n, i - 1)) {
                continue;
            }
            uint64_t before = parquet_pages_read();
            assert_int_equal(block_read_trace_part(f.block, &question, &f.arena, &spans, &n), 0);
            uint64_t n_pages = parquet_pages_read() - before;
            for (size_t k = 0; k < n; k++) {
                check_outline(&spans[k], &f.spans[i + k]);
            }
            spans = NULL;
            n = 0;
            assert_int_equal(block_read_trace(f.block, question.id, &f.arena, &spans, &n), 0);
            assert_true(n_pages < parquet_pages_read() - before - n_pages);
        }
        close_fixture(&f);
    }
}

/* --- Search --- */

/* Matches are added up in a way that does not depend on their order, which differs. */
typedef struct Matches {
    size_t n;
    uint64_t sum;
} Matches;

static int add_match(void *context, const BlockMatch *match)
{
    Matches *matches = context;
    uint64_t words[2];

    mem_copy(words, match->trace_id.bytes, sizeof(words));
    matches->n++;
    matches->sum += (words[0] ^ words[1] * 31 ^ match->start_ns * 7 ^ match->trace_start_ns) *
                    0x9e3779b97f4a7c15U;
    return 0;
}

static Matches matches_of(Block *block, const Filter *filter, uint64_t from_ns, uint64_t to_ns)
{
    Matches matches = {0};
    BlockSearch search = {.filter = filter,
                          .from_ns = from_ns,
                          .to_ns = to_ns,
                          .visit = add_match,
                          .context = &matches};

    assert_int_equal(block_search(block, &search), 0);
    return matches;
}

static const Filter *make_filter(Maker *maker, unsigned depth)
{
    Filter *filter = ARENA_NEW(maker->arena, Filter);

    if (depth > 0 && !make_chance(maker, 3)) {
        filter->op = (FilterOperator)make_below(maker, FILTER_NOT + 1);
        filter->left = make_filter(maker, depth - 1);
        filter->right = make_filter(maker, depth - 1);
        return filter;
    }
    filter->op = FILTER_COMPARE;
    filter->field = (FilterField)make_below(maker, FIELD_PARENT_ID + 1);
    do {
        filter->comparison = (FilterComparison)make_below(maker, COMPARE_EQUAL_TEXT + 1);
    } while (filter->comparison == COMPARE_MATCH || filter->comparison == COMPARE_NOT_MATCH);
    filter->key = make_key(maker);
    filter->operand = make_value(maker, 0);
    if (filter->operand.type < VALUE_STRING || filter->operand.type > VALUE_DOUBLE) {
        filter->operand = value_int(7);
    }
    if (filter->field == FIELD_KIND || filter->field == FIELD_STATUS) {
        filter->operand = value_int((int64_t)make_below(maker, 6));
    } else if (filter->field == FIELD_DURATION) {
        filter->operand = value_int((int64_t)make_below(maker, 5000));
    } else if (filter->field == FIELD_START) {
        filter->operand = value_int(1700000000000000000 + (int64_t)make_below(maker, 1000000));
    }
    return filter;
}

static void check_same_matches(const Fixture *f, const Filter *filter, uint64_t from_ns,
                               uint64_t to_ns)
{
    Matches here = matches_of(f->block, filter, from_ns, to_ns);
    Matches there = matches_of(f->plain, filter, from_ns, to_ns);

    assert_int_equal(here.n, there.n);
    assert_true(here.sum == there.sum);
}

static void search_finds_the_same(void **state)
{
    for (uint64_t seed = 100; seed < 106; seed++) {
        Fixture f;

        open_fixture(&f, seed, 700, seed % 2 == 0);
        for (unsigned i = 0; i < 150; i++) {
            const Filter *filter = make_filter(&f.maker, 3);

            check_same_matches(&f, filter, 0, UINT64_MAX);
            check_same_matches(&f, filter, 1700000000000200000U, 1700000000000200700U);
        }
        close_fixture(&f);
    }
}

/* --- Names --- */

typedef struct Names {
    Block *other;
    uint64_t n, sum;
    FilterField level;
    Str key;
} Names;

static int add_value(void *context, Str value, uint64_t count)
{
    Names *names = context;
    uint64_t hash = 14695981039346656037U;

    for (size_t i = 0; i < value.len; i++) {
        hash = (hash ^ (uint8_t)value.ptr[i]) * 1099511628211U;
    }
    names->n += count;
    names->sum += hash * (count + 1);
    return 0;
}

static int check_key(void *context, FilterField level, Str key, uint64_t count)
{
    Names *both = context;
    Names here = {0}, there = {0};

    if (key.len > 0) {
        bool partial;

        assert_int_equal(
            block_attribute_values(both[0].other, level, key, add_value, &here, &partial), 0);
        assert_false(partial);
        assert_int_equal(
            block_attribute_values(both[1].other, level, key, add_value, &there, &partial), 0);
        assert_int_equal(here.n, there.n);
        assert_true(here.sum == there.sum);
        assert_true(here.n > 0 && here.n <= count);
        both->n++;
    }
    return 0;
}

static void keys_and_values_are_counted_over_all_groups(void **state)
{
    for (uint64_t seed = 20; seed < 23; seed++) {
        Fixture f;

        open_fixture(&f, seed, 900, true);
        Names both[2] = {{.other = f.block}, {.other = f.plain}};
        assert_int_equal(block_attribute_keys(f.plain, check_key, both), 0);
        assert_true(both->n > 15);
        close_fixture(&f);
    }
}

static void no_value_that_is_there_is_denied(void **state)
{
    Fixture f;

    open_fixture(&f, 31, 1000, true);
    for (size_t i = 0; i < f.n; i++) {
        Attributes attributes = f.spans[i].attributes;

        for (size_t k = 0; k < attributes.count; k++) {
            assert_true(block_may_have_value(f.block, FIELD_ATTRIBUTE, attributes.items[k].key,
                                             &attributes.items[k].value));
        }
    }
    close_fixture(&f);
}

/* --- What differs from group to group --- */

enum { DIVIDED = 600 };

/* @make sets the attribute of span @i, in traces of one. */
static void open_many(Fixture *f, size_t n, Attribute (*make)(Arena *arena, size_t i))
{
    *f = (Fixture){.n = n};
    f->spans = ARENA_ARRAY(&f->arena, Span, f->n);
    Resource *resource = ARENA_NEW(&f->arena, Resource);
    Scope *scope = ARENA_NEW(&f->arena, Scope);
    for (size_t i = 0; i < f->n; i++) {
        Attribute *item = ARENA_NEW(&f->arena, Attribute);

        *item = make(&f->arena, i);
        f->spans[i] = (Span){.name = STR("n"),
                             .resource = resource,
                             .scope = scope,
                             .start_ns = 1000 + i,
                             .end_ns = 2000 + 2 * i,
                             .attributes = {item, 1}};
        f->spans[i].trace_id.bytes[0] = (uint8_t)(i >> 8);
        f->spans[i].trace_id.bytes[1] = (uint8_t)i;
        f->spans[i].trace_id.bytes[15] = 1;
    }
    open_spans(f, n / 3);
}

static void open_made(Fixture *f, Attribute (*make)(Arena *arena, size_t i))
{
    open_many(f, DIVIDED, make);
}

static ParquetType column_type(const Buf *content, Str name)
{
    ParquetFile *file;
    ParseError error;

    assert_int_equal(parquet_open(&(ParquetSource){.bytes = buf_str(content)}, &file, &error), 0);
    size_t column = parquet_find(file, name);
    ParquetType type = column == SIZE_MAX ? PARQUET_MAP : parquet_column(file, column)->type;
    parquet_close(file);
    return type;
}

static Str make_uuid(Arena *arena, size_t i)
{
    return arena_format(arena, "%08zx-0000-4000-8000-%012zx", i * 2654435761 % 0xffffffff, i);
}

static Attribute uuid_first(Arena *arena, size_t i)
{
    return (Attribute){STR("id"),
                       value_string(i < 250 || i % 3 == 0 ? make_uuid(arena, i)
                                                          : arena_format(arena, "order %zu", i))};
}

static void check_finds(const Fixture *f, size_t i)
{
    const Attribute *item = &f->spans[i].attributes.items[0];
    Filter filter = {.op = FILTER_COMPARE,
                     .field = FIELD_SPAN_ATTRIBUTE,
                     .comparison = COMPARE_EQUAL,
                     .key = item->key,
                     .operand = item->value};

    assert_int_equal(matches_of(f->block, &filter, 0, UINT64_MAX).n, 1);
    check_same_matches(f, &filter, 0, UINT64_MAX);
}

static void texts_that_do_not_fit_a_column_of_bytes_are_in_the_map(void **state)
{
    Fixture f;

    open_made(&f, uuid_first);
    assert_int_equal(column_type(&f.content, STR("id")), PARQUET_UUID);
    assert_int_equal(column_type(&f.one, STR("id")), PARQUET_STRING);
    check_scan(&f);
    check_finds(&f, 3);
    check_finds(&f, 400);
    check_finds(&f, 402);
    close_fixture(&f);
}

static Attribute late_key(Arena *arena, size_t i)
{
    return i < 250 ? (Attribute){STR("early"), value_int((int64_t)i)}
                   : (Attribute){STR("late"), (Value){.type = VALUE_DOUBLE, .number = (double)i}};
}

static void keys_that_come_later_are_in_the_map(void **state)
{
    Fixture f;

    open_made(&f, late_key);
    assert_int_equal(column_type(&f.content, STR("early")), PARQUET_INT64);
    assert_int_equal(column_type(&f.content, STR("late")), PARQUET_MAP);
    check_scan(&f);
    check_finds(&f, 10);
    check_finds(&f, 300);
    close_fixture(&f);
}

static void what_is_expected_decides_the_columns(void **state)
{
    Fixture f;
    Buf content = {0};
    Block *block;

    open_made(&f, late_key);
    BlockBuilder *builder = block_builder_new(0);
    assert_int_equal(block_builder_expect(builder, f.plain), 0);
    build_groups(builder, f.spans, f.n, 100, &content);
    block_builder_free(builder);
    assert_int_equal(column_type(&content, STR("early")), PARQUET_INT64);
    assert_int_equal(column_type(&content, STR("late")), PARQUET_DOUBLE);
    open_bytes(&content, &block);
    block_close(f.block);
    f.block = block;
    check_scan(&f);
    check_finds(&f, 300);
    close_fixture(&f);
    buf_deinit(&content);
}

static Attribute one_of_many(Arena *arena, size_t i)
{
    size_t number = i % 2 == 0 ? 7 : i;

    return (Attribute){STR("user"), value_string(arena_format(arena, "u-%zu", number))};
}

static void summaries_tell_the_most_frequent_values(void **state)
{
    Fixture f;
    BlockValueSummary summary;

    open_made(&f, one_of_many);
    assert_int_equal(
        block_value_summary(f.block, FIELD_SPAN_ATTRIBUTE, STR("user"), &f.arena, &summary), 0);
    assert_true(summary.is_known);
    assert_false(summary.is_complete);
    assert_in_range(summary.n_distinct, DIVIDED / 2 * 90 / 100, DIVIDED / 2 * 110 / 100);
    assert_true(str_equal(summary.top[0].text, STR("u-7")));
    assert_in_range(summary.top[0].count, DIVIDED / 2, DIVIDED / 2 + 1);
    close_fixture(&f);
}

static Attribute few_numbers(Arena *arena, size_t i)
{
    return (Attribute){STR("n"), value_int(i < 300 ? 5 : (int64_t)(i % 4) * 100)};
}

static void summaries_of_few_values_are_complete(void **state)
{
    Fixture f;
    BlockValueSummary summary;
    uint64_t total = 0;

    open_made(&f, few_numbers);
    assert_int_equal(
        block_value_summary(f.block, FIELD_SPAN_ATTRIBUTE, STR("n"), &f.arena, &summary), 0);
    assert_true(summary.is_complete && summary.has_range);
    assert_int_equal(summary.n_distinct, 5);
    assert_int_equal(summary.least.integer, 0);
    assert_int_equal(summary.greatest.integer, 300);
    for (size_t i = 0; i < summary.n_top; i++) {
        total += summary.top[i].count;
    }
    assert_int_equal(total, DIVIDED);
    close_fixture(&f);
}

/* --- What need not be read --- */

static Attribute all_different(Arena *arena, size_t i)
{
    return (Attribute){STR("n"), value_string(arena_format(arena, "customer %zu", i))};
}

static void of_very_many_values_some_are_told(void **state)
{
    Fixture f;
    Names names = {0};
    bool is_partial = false;

    open_many(&f, BLOCK_LISTED_MAX + 4000, all_different);
    uint64_t before = parquet_pages_read();
    assert_int_equal(block_attribute_values(f.block, FIELD_SPAN_ATTRIBUTE, STR("n"), add_value,
                                            &names, &is_partial),
                     0);
    assert_true(is_partial);
    assert_in_range(names.n, 1000, 5000);
    assert_in_range(parquet_pages_read() - before, 1, 2);
    close_fixture(&f);
}

enum { MANY = 18000 };

static Attribute rising_int(Arena *arena, size_t i)
{
    return (Attribute){STR("n"), value_int((int64_t)i / 3)};
}

static Attribute falling_double(Arena *arena, size_t i)
{
    return (Attribute){STR("n"), (Value){.type = VALUE_DOUBLE, .number = -0.5 * (double)i}};
}

/* A NaN in the second group. */
static Attribute double_with_nan(Arena *arena, size_t i)
{
    return i == 7000
               ? (Attribute){STR("n"), (Value){.type = VALUE_DOUBLE, .number = __builtin_nan("")}}
               : falling_double(arena, i);
}

static Filter numbers(FilterField field, FilterComparison comparison, Value operand)
{
    return (Filter){.op = FILTER_COMPARE,
                    .field = field,
                    .comparison = comparison,
                    .key = STR("n"),
                    .operand = operand};
}

/* Pages that a search reads, and what it finds. */
static uint64_t pages_of(Block *block, const Filter *filter, size_t n_expected)
{
    uint64_t before = parquet_pages_read();

    assert_int_equal(matches_of(block, filter, 0, UINT64_MAX).n, n_expected);
    return parquet_pages_read() - before;
}

static void groups_and_pages_out_of_range_are_not_read(void **state)
{
    Fixture f;

    open_many(&f, MANY, rising_int);
    Filter beyond = numbers(FIELD_SPAN_ATTRIBUTE, COMPARE_GREATER, value_int(MANY));
    assert_int_equal(pages_of(f.block, &beyond, 0), 0);
    assert_int_equal(pages_of(f.plain, &beyond, 0), 0);

    /* The last page of the column, then the starts and ids of its rows, and the page of ids before,
     * to see where the first trace begins. */
    Filter last = numbers(FIELD_SPAN_ATTRIBUTE, COMPARE_GREATER_EQUAL, value_int(MANY / 3 - 1));
    assert_in_range(pages_of(f.block, &last, 3), 3, 5);
    assert_in_range(pages_of(f.plain, &last, 3), 3, 5);
    Filter slow = numbers(FIELD_DURATION, COMPARE_GREATER, value_int(1000 + MANY - 2));
    assert_in_range(pages_of(f.plain, &slow, 1), 3, 5);
    Filter early = numbers(FIELD_START, COMPARE_LESS, value_int(1002));
    assert_in_range(pages_of(f.plain, &early, 2), 2, 4);
    close_fixture(&f);
}

static void groups_out_of_the_window_are_not_read(void **state)
{
    static const Filter everything = {.op = FILTER_TRUE};
    Fixture f;

    open_many(&f, MANY, rising_int);
    uint64_t before = parquet_pages_read();
    assert_int_equal(matches_of(f.block, &everything, 1000, 1010).n, 10);
    assert_in_range(parquet_pages_read() - before, 2, 4);
    close_fixture(&f);
}

static void doubles_are_passed_over_too(void **state)
{
    Fixture f;

    open_many(&f, MANY, falling_double);
    Filter beyond = numbers(FIELD_ATTRIBUTE, COMPARE_GREATER, value_int(0));
    assert_int_equal(pages_of(f.plain, &beyond, 0), 0);
    Filter least = numbers(FIELD_ATTRIBUTE, COMPARE_LESS_EQUAL, value_int(-(MANY - 1) / 2));
    assert_in_range(pages_of(f.plain, &least, 2), 3, 5);
    close_fixture(&f);

    open_many(&f, MANY, double_with_nan); /* no statistics in the file: the summary has a range */
    assert_int_equal(pages_of(f.plain, &beyond, 0), 0);
    close_fixture(&f);
}

static size_t count_by_filter(const Fixture *f, const Filter *filter)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        n += filter_matches(filter, &f->spans[i]);
    }
    return n;
}

static void check_numbers(Attribute (*make)(Arena *arena, size_t i), uint64_t seed)
{
    static const FilterField fields[] = {FIELD_ATTRIBUTE, FIELD_SPAN_ATTRIBUTE, FIELD_DURATION,
                                         FIELD_START};
    Fixture f;

    open_many(&f, MANY, make);
    Maker maker = {.state = seed, .arena = &f.arena};
    for (unsigned i = 0; i < 60; i++) {
        FilterField field = fields[make_below(&maker, ARRAY_LEN(fields))];
        double number = (double)make_below(&maker, 2 * MANY) - (field < FIELD_NAME ? MANY : 0);
        Value operand = make_chance(&maker, 2) || field >= FIELD_NAME
                            ? value_int((int64_t)number)
                            : (Value){.type = VALUE_DOUBLE, .number = number / 2};
        Filter left = numbers(field, (FilterComparison)make_below(&maker, COMPARE_MATCH), operand);
        Filter not = {.op = FILTER_NOT, .left = &left};
        Filter right = numbers(FIELD_DURATION, COMPARE_LESS, value_int(MANY));
        Filter either = {.op = FILTER_OR, .left = &left, .right = &right};
        const Filter *all[] = {&left, &not, &either};

        for (size_t k = 0; k < ARRAY_LEN(all); k++) {
            size_t expected = count_by_filter(&f, all[k]);

            assert_int_equal(matches_of(f.block, all[k], 0, UINT64_MAX).n, expected);
            assert_int_equal(matches_of(f.plain, all[k], 0, UINT64_MAX).n, expected);
        }
    }
    close_fixture(&f);
}

static void ranges_never_hide_a_match(void **state)
{
    check_numbers(rising_int, 1);
    check_numbers(falling_double, 2);
    check_numbers(double_with_nan, 3);
}

static Attribute int_or_uuid(Arena *arena, size_t i)
{
    return (Attribute){STR("id"), i < 400 ? value_int((int64_t)i + 1)
                                          : value_string(make_uuid(arena, i))};
}

static void a_key_of_numbers_here_and_uuids_there_survives_a_merge(void **state)
{
    Fixture f;
    Buf content = {0}, a = {0}, b = {0};
    Block *block, *first, *second;
    BlockSummary summary;

    open_made(&f, int_or_uuid);
    make_block(f.spans, 400, &a, &summary);
    make_block(f.spans + 400, 200, &b, &summary);
    open_bytes(&a, &first);
    open_bytes(&b, &second);
    BlockBuilder *builder = block_builder_new(0);
    assert_int_equal(block_builder_expect(builder, first), 0);
    assert_int_equal(block_builder_expect(builder, second), 0);
    build_groups(builder, f.spans, f.n, 100, &content);
    block_builder_free(builder);
    open_bytes(&content, &block);
    block_close(f.block);
    f.block = block;
    assert_int_equal(column_type(&content, STR("id")), PARQUET_INT64);
    check_scan(&f);
    block_close(first);
    block_close(second);
    close_fixture(&f);
    buf_deinit(&content);
    buf_deinit(&a);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_of_numbers_here_and_uuids_there_survives_a_merge),
        cmocka_unit_test(every_span_comes_back_without_loss),
        cmocka_unit_test(every_trace_is_found_whole_by_id),
        cmocka_unit_test(an_outline_has_what_a_list_shows),
        cmocka_unit_test(search_finds_the_same),
        cmocka_unit_test(keys_and_values_are_counted_over_all_groups),
        cmocka_unit_test(no_value_that_is_there_is_denied),
        cmocka_unit_test(texts_that_do_not_fit_a_column_of_bytes_are_in_the_map),
        cmocka_unit_test(keys_that_come_later_are_in_the_map),
        cmocka_unit_test(what_is_expected_decides_the_columns),
        cmocka_unit_test(summaries_tell_the_most_frequent_values),
        cmocka_unit_test(summaries_of_few_values_are_complete),
        cmocka_unit_test(of_very_many_values_some_are_told),
        cmocka_unit_test(groups_and_pages_out_of_range_are_not_read),
        cmocka_unit_test(groups_out_of_the_window_are_not_read),
        cmocka_unit_test(doubles_are_passed_over_too),
        cmocka_unit_test(ranges_never_hide_a_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
