// SPDX-License-Identifier: Apache-2.0
#include "store/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "store/block/testing.h"

/* A block of made spans, open. */
typedef struct Fixture {
    Arena arena;
    Maker maker;
    Span *spans;
    size_t n;
    Buf content;
    BlockSummary summary;
    Block *block;
} Fixture;

static void open_fixture(Fixture *f, uint64_t seed, size_t n, bool is_wild)
{
    ParseError error = {0};

    *f = (Fixture){.n = n};
    f->maker = (Maker){.state = seed, .arena = &f->arena, .is_wild = is_wild};
    f->spans = make_spans(&f->maker, n);
    make_block(f->spans, n, &f->content, &f->summary);
    if (bytes_block_open(buf_str(&f->content), &f->block, &error) != 0) {
        fail_msg("seed %llu, at %zu: %s", (unsigned long long)seed, error.offset, error.text);
    }
}

static void close_fixture(Fixture *f)
{
    f->block = block_close(f->block);
    buf_deinit(&f->content);
    arena_deinit(&f->arena);
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

static const Filter everything = {.op = FILTER_TRUE};

typedef struct Scan {
    const Fixture *fixture;
    size_t at;
} Scan;

static int check_next(void *context, const Span *span)
{
    Scan *scan = context;

    assert_true(scan->at < scan->fixture->n);
    if (!same_span(span, &scan->fixture->spans[scan->at])) {
        fail_msg("row %zu came back differently", scan->at);
    }
    scan->at++;
    return 0;
}

static void scan_all(uint64_t seed, size_t n, bool is_wild)
{
    Fixture f;

    open_fixture(&f, seed, n, is_wild);
    Scan scan = {&f, 0};
    assert_int_equal(block_scan(f.block, &everything, 0, UINT64_MAX, check_next, &scan), 0);
    /* The window ends before UINT64_MAX, where a wild start may be. */
    assert_int_equal(scan.at, n);
    close_fixture(&f);
}

static void every_span_comes_back_without_loss(void **state)
{
    scan_all(1, 0, false);
    scan_all(2, 1, false);
    scan_all(3, 3000, false);
    for (uint64_t seed = 10; seed < 16; seed++) {
        scan_all(seed, 1500, true);
    }
    scan_all(20, 20000, false);
}

static void a_builder_can_be_used_again(void **state)
{
    Arena arena = {0};
    Maker maker = {.state = 5, .arena = &arena};
    Span *spans = make_spans(&maker, 100);
    BlockBuilder *builder = block_builder_new(0);
    Buf first = {0}, second = {0};
    BlockSummary summary;

    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < 100; i++) {
            block_builder_add(builder, &spans[i]);
        }
        block_builder_finish(builder, round == 0 ? &first : &second, &summary);
        assert_int_equal(summary.n_spans, 100);
    }
    assert_true(str_equal(buf_str(&first), buf_str(&second)));
    block_builder_free(builder);
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&arena);
}

static void the_summary_tells_counts_and_times(void **state)
{
    Fixture f;
    size_t n_traces = 0;
    uint64_t least = UINT64_MAX, greatest = 0;

    open_fixture(&f, 7, 500, true);
    for (size_t i = 0; i < f.n; i++) {
        n_traces += i == 0 || !trace_id_equal(f.spans[i].trace_id, f.spans[i - 1].trace_id);
        least = MIN(least, f.spans[i].start_ns);
        greatest = MAX(greatest, f.spans[i].start_ns);
    }
    const BlockSummary *summary = block_summary(f.block);
    assert_int_equal(summary->n_spans, 500);
    assert_int_equal(summary->n_traces, n_traces);
    assert_true(summary->min_start_ns == least && summary->max_start_ns == greatest);
    assert_int_equal(summary->file_bytes, f.content.len);
    assert_memory_equal(summary, &f.summary, sizeof(*summary));
    close_fixture(&f);
}

static void every_trace_is_found_whole_by_id(void **state)
{
    Fixture f;

    open_fixture(&f, 8, 20000, false);
    for (size_t i = 0; i < f.n;) {
        size_t end = i + 1;
        Arena arena = {0};
        Span *spans = NULL;
        size_t n = 0;

        while (end < f.n && trace_id_equal(f.spans[end].trace_id, f.spans[i].trace_id)) {
            end++;
        }
        if (i % 37 < 8) { /* a sample, for the test's time */
            assert_true(block_may_have_trace(f.block, f.spans[i].trace_id));
            assert_int_equal(block_read_trace(f.block, f.spans[i].trace_id, &arena, &spans, &n), 0);
            assert_int_equal(n, end - i);
            for (size_t k = 0; k < n; k++) {
                assert_true(same_span(&spans[k], &f.spans[i + k]));
            }
        }
        arena_deinit(&arena);
        i = end;
    }
    close_fixture(&f);
}

static void a_trace_is_appended_behind_what_is_there(void **state)
{
    Fixture f;
    Span *spans = NULL;
    size_t n = 0;

    open_fixture(&f, 9, 300, false);
    assert_int_equal(block_read_trace(f.block, f.spans[0].trace_id, &f.arena, &spans, &n), 0);
    size_t first = n;
    assert_int_equal(block_read_trace(f.block, f.spans[200].trace_id, &f.arena, &spans, &n), 0);
    assert_true(n > first);
    assert_true(trace_id_equal(spans[0].trace_id, f.spans[0].trace_id));
    assert_true(trace_id_equal(spans[first].trace_id, f.spans[200].trace_id));
    close_fixture(&f);
}

static void a_trace_that_is_not_there_is_mostly_known_not_to_be(void **state)
{
    Fixture f;
    size_t maybe = 0;

    open_fixture(&f, 10, 5000, false);
    for (size_t i = 0; i < 2000; i++) {
        uint64_t id[2] = {make_number(&f.maker), make_number(&f.maker)};
        TraceId trace;
        Span *spans = NULL;
        size_t n = 0;

        mem_copy(trace.bytes, id, sizeof(id));
        maybe += block_may_have_trace(f.block, trace);
        assert_int_equal(block_read_trace(f.block, trace, &f.arena, &spans, &n), 0);
        assert_int_equal(n, 0);
    }
    assert_true(maybe < 15);
    close_fixture(&f);
}

/* --- Search is what the filter means --- */

static const Filter *make_filter(Maker *maker, unsigned depth);

static Value make_operand(Maker *maker)
{
    Value value = make_value(maker, 0);

    return value.type >= VALUE_STRING && value.type <= VALUE_DOUBLE ? value
                                                                    : value_string(STR("5"));
}

static const Filter *make_compare(Maker *maker)
{
    Filter *filter = ARENA_NEW(maker->arena, Filter);

    filter->op = FILTER_COMPARE;
    filter->field = (FilterField)make_below(maker, FIELD_PARENT_ID + 1);
    do {
        filter->comparison = (FilterComparison)make_below(maker, COMPARE_EQUAL_TEXT + 1);
    } while (filter->comparison == COMPARE_MATCH || filter->comparison == COMPARE_NOT_MATCH);
    filter->key = make_key(maker);
    filter->operand = make_operand(maker);
    if (filter->field == FIELD_KIND || filter->field == FIELD_STATUS) {
        filter->operand = value_int((int64_t)make_below(maker, 6));
    } else if (filter->field == FIELD_DURATION) {
        filter->operand = value_int((int64_t)make_below(maker, 5000));
    } else if (filter->field == FIELD_START) {
        filter->operand = value_int(1700000000000500000);
    }
    return filter;
}

static const Filter *make_filter(Maker *maker, unsigned depth)
{
    Filter *filter = ARENA_NEW(maker->arena, Filter);

    if (depth == 0 || make_chance(maker, 3)) {
        return make_compare(maker);
    }
    filter->op = (FilterOperator)make_below(maker, FILTER_NOT + 1);
    filter->left = make_filter(maker, depth - 1);
    filter->right = make_filter(maker, depth - 1);
    return filter;
}

/* Rows that should match, in order; the visitor checks them off. */
typedef struct Expected {
    const Fixture *fixture;
    const Filter *filter;
    uint64_t from_ns, to_ns;
    size_t row;
    size_t n;
} Expected;

static size_t next_expected(const Expected *e, size_t row)
{
    for (; row < e->fixture->n; row++) {
        const Span *span = &e->fixture->spans[row];

        if (span->start_ns >= e->from_ns && span->start_ns < e->to_ns &&
            filter_matches(e->filter, span)) {
            break;
        }
    }
    return row;
}

/* Of the first row of the row's trace. */
static uint64_t first_start(const Fixture *fixture, size_t row)
{
    while (row > 0 &&
           trace_id_equal(fixture->spans[row - 1].trace_id, fixture->spans[row].trace_id)) {
        row--;
    }
    return fixture->spans[row].start_ns;
}

static int check_match(void *context, const BlockMatch *match)
{
    Expected *e = context;

    e->row = next_expected(e, e->row);
    assert_true(e->row < e->fixture->n);
    assert_true(trace_id_equal(match->trace_id, e->fixture->spans[e->row].trace_id));
    assert_true(match->start_ns == e->fixture->spans[e->row].start_ns);
    assert_true(match->trace_start_ns == first_start(e->fixture, e->row));
    e->row++;
    e->n++;
    return 0;
}

static void check_filter(const Fixture *f, const Filter *filter, uint64_t from_ns, uint64_t to_ns)
{
    Expected e = {f, filter, from_ns, to_ns, 0, 0};

    BlockSearch search = {
        .filter = filter, .from_ns = from_ns, .to_ns = to_ns, .visit = check_match, .context = &e};
    assert_int_equal(block_search(f->block, &search), 0);
    assert_int_equal(next_expected(&e, e.row), f->n);
}

static void search_means_what_the_filter_means(void **state)
{
    for (uint64_t seed = 100; seed < 108; seed++) {
        Fixture f;

        open_fixture(&f, seed, 700, seed % 2 == 0);
        for (unsigned i = 0; i < 150; i++) {
            const Filter *filter = make_filter(&f.maker, 3);

            check_filter(&f, filter, 0, UINT64_MAX);
            check_filter(&f, filter, 1700000000000200000U, 1700000000000700000U);
        }
        close_fixture(&f);
    }
}

static void a_regular_expression_is_asked_of_every_value(void **state)
{
    Fixture f;
    FilterPattern *pattern;
    ParseError error;

    open_fixture(&f, 11, 2000, true);
    assert_int_equal(filter_pattern_new(STR("id-.*|G.T"), &pattern, &error), 0);
    Filter filter = {.op = FILTER_COMPARE,
                     .field = FIELD_ATTRIBUTE,
                     .comparison = COMPARE_MATCH,
                     .key = STR("http.method"),
                     .pattern = pattern};
    check_filter(&f, &filter, 0, UINT64_MAX);
    filter.comparison = COMPARE_NOT_MATCH;
    filter.field = FIELD_NAME;
    check_filter(&f, &filter, 0, UINT64_MAX);
    filter_pattern_free(pattern);
    close_fixture(&f);
}

/* What is kept of a file while it is asked is kept for the next question, and dropped with it. */
static void questions_on_many_blocks_share_one_bounded_memory(void **state)
{
    enum { BLOCKS = 6 };
    Fixture f[BLOCKS];

    for (unsigned i = 0; i < BLOCKS; i++) {
        open_fixture(&f[i], 300 + i, 900, i % 2 == 0);
    }
    for (unsigned turn = 0; turn < 40; turn++) {
        Fixture *one = &f[turn % BLOCKS];
        CLEANUP(arena_deinit) Arena arena = {0};
        TraceId id = one->spans[turn * 20 % one->n].trace_id;
        Span *spans = NULL;
        size_t n = 0, expected = 0;

        assert_int_equal(block_read_trace(one->block, id, &arena, &spans, &n), 0);
        for (size_t i = 0; i < one->n; i++) {
            expected += trace_id_equal(one->spans[i].trace_id, id);
        }
        assert_int_equal(n, expected);
        check_filter(one, make_filter(&one->maker, 3), 0, UINT64_MAX);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        close_fixture(&f[i]);
    }
}

static int stop_at_third(void *context, const BlockMatch *match)
{
    return ++*(int *)context == 3 ? 77 : 0;
}

static void a_visitor_can_stop_the_search(void **state)
{
    Fixture f;
    int visits = 0;

    open_fixture(&f, 12, 100, false);
    BlockSearch search = {
        .filter = &everything, .to_ns = UINT64_MAX, .visit = stop_at_third, .context = &visits};
    assert_int_equal(block_search(f.block, &search), 77);
    assert_int_equal(visits, 3);
    close_fixture(&f);
}

/* --- Names --- */

typedef struct Names {
    const Fixture *fixture;
    uint64_t total;
    size_t n;
    Str key;
} Names;

static int check_operation(void *context, Str service, Str operation, SpanKind kind, uint64_t count)
{
    Names *names = context;
    uint64_t expected = 0;
    Arena arena = {0};

    for (size_t i = 0; i < names->fixture->n; i++) {
        const Span *span = &names->fixture->spans[i];
        expected += str_equal(span_service_name(span, &arena), service) &&
                    str_equal(span->name, operation) && span->kind == kind;
    }
    arena_deinit(&arena);
    assert_int_equal(count, expected);
    names->total += count;
    return 0;
}

static void operations_are_counted(void **state)
{
    Fixture f;

    open_fixture(&f, 13, 800, true);
    Names names = {.fixture = &f};
    assert_int_equal(block_operations(f.block, check_operation, &names), 0);
    assert_int_equal(names.total, 800);
    close_fixture(&f);
}

static Attributes attributes_of(const Span *span, FilterField level)
{
    return level == FIELD_SPAN_ATTRIBUTE ? span->attributes : span->resource->attributes;
}

static int check_key(void *context, FilterField level, Str key, uint64_t count)
{
    Names *names = context;
    uint64_t expected = 0;

    for (size_t i = 0; i < names->fixture->n; i++) {
        expected += attributes_find(attributes_of(&names->fixture->spans[i], level), key) != NULL;
    }
    if (key.len == 0) { /* such an attribute is kept, but nobody can ask for it */
        return 0;
    }
    if (count != expected || count == 0) {
        fail_msg("%.*s (%d): %llu rows, not %llu", STR_ARG(key), (int)level,
                 (unsigned long long)count, (unsigned long long)expected);
    }
    names->n++;
    return 0;
}

static int check_attribute_value(void *context, Str value, uint64_t count)
{
    Names *names = context;
    uint64_t expected = 0;
    Arena arena = {0};

    for (size_t i = 0; i < names->fixture->n; i++) {
        const Value *found = attributes_find(names->fixture->spans[i].attributes, names->key);
        expected += found != NULL && str_equal(value_text(found, &arena), value);
    }
    arena_deinit(&arena);
    assert_int_equal(count, expected);
    names->total += count;
    return 0;
}

static void attribute_keys_and_values_are_counted(void **state)
{
    Fixture f;

    open_fixture(&f, 14, 800, true);
    Names names = {.fixture = &f, .key = STR("http.method")};
    bool is_partial;
    assert_int_equal(block_attribute_keys(f.block, check_key, &names), 0);
    assert_true(names.n > 20);
    assert_int_equal(block_attribute_values(f.block, FIELD_SPAN_ATTRIBUTE, names.key,
                                            check_attribute_value, &names, &is_partial),
                     0);
    assert_true(names.total > 100 && !is_partial);
    close_fixture(&f);
}

typedef struct LinkCount {
    size_t n, sum;
} LinkCount;

static int count_link(void *context, TraceId from, TraceId to)
{
    LinkCount *count = context;

    count->n++;
    count->sum += to.bytes[3] + (size_t)from.bytes[0] * 1000;
    return 0;
}

static void every_link_is_told(void **state)
{
    Fixture f;
    LinkCount expected = {0}, found = {0};

    open_fixture(&f, 15, 1000, true);
    for (size_t i = 0; i < f.n; i++) {
        for (size_t k = 0; k < f.spans[i].n_links; k++) {
            count_link(&expected, f.spans[i].trace_id, f.spans[i].links[k].trace_id);
        }
    }
    assert_int_equal(block_links(f.block, count_link, &found), 0);
    assert_true(expected.n > 50);
    assert_memory_equal(&expected, &found, sizeof(found));
    close_fixture(&f);
}

/* --- Damage --- */

static int ignore_span(void *context, const Span *span)
{
    return 0;
}

static int ignore_name(void *context, Str service, Str operation, SpanKind kind, uint64_t count)
{
    return 0;
}

/* How many of some values that are not there the block may have: where a chunk of the filter is
 * damaged, all that are asked of it. */
static int count_false(Block *block)
{
    char text[] = "absent-00";
    int n = 0;

    for (unsigned i = 0; i < 60; i++) {
        text[7] = (char)('0' + i / 10);
        text[8] = (char)('0' + i % 10);
        Value value = value_string(str_from_cstr(text));
        n += block_may_have_value(block, FIELD_RESOURCE_ATTRIBUTE, STR("a"), &value);
    }
    return n;
}

/* Everything that a block can be asked. 1 when any of it is told to be damaged. */
static int ask_all(Str bytes, TraceId trace)
{
    Block *block;
    ParseError error;
    Arena arena = {0};
    Span *spans = NULL;
    size_t n = 0;
    int r = bytes_block_open(bytes, &block, &error);

    if (r != 0) {
        return r;
    }
    r = block_read_trace(block, trace, &arena, &spans, &n);
    r |= n == 0; /* the Bloom filter is checked when it is loaded, so it is not lost silently */
    r |= block_scan(block, &everything, 0, UINT64_MAX, ignore_span, NULL);
    r |= block_operations(block, ignore_name, NULL);
    BlockValueSummary summary;
    r |= block_value_summary(block, FIELD_SPAN_ATTRIBUTE, STR("a"), &arena, &summary);
    r |= count_false(block) > 3;
    block_close(block);
    arena_deinit(&arena);
    return r;
}

static void damage_is_noticed_and_nothing_else_happens(void **state)
{
    Fixture f;
    size_t unnoticed = 0, n = 0;

    log_set_level(LOG_SILENT);
    open_fixture(&f, 16, 40, false);
    TraceId trace = f.spans[20].trace_id;
    assert_int_equal(ask_all(buf_str(&f.content), trace), 0);
    for (size_t i = 4; i < f.content.len; i += 13, n++) {
        f.content.ptr[i] ^= (uint8_t)(1 + i % 255);
        unnoticed += ask_all(buf_str(&f.content), trace) == 0;
        f.content.ptr[i] ^= (uint8_t)(1 + i % 255);
    }
    print_message("%zu of %zu changes unnoticed\n", unnoticed, n);
    assert_true(unnoticed < n / 10);
    close_fixture(&f);
    log_set_level(LOG_INFO);
}

static void a_newer_version_is_refused(void **state)
{
    Fixture f;
    Block *block;
    ParseError error;

    open_fixture(&f, 17, 40, false);
    size_t at = str_find(buf_str(&f.content), STR("weft.block"));
    assert_true(at < f.content.len);
    f.content.ptr[at + 12] = '9'; /* behind the key and the length of the value */
    assert_int_equal(bytes_block_open(buf_str(&f.content), &block, &error), 1);
    assert_non_null(error.text);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_span_comes_back_without_loss),
        cmocka_unit_test(a_builder_can_be_used_again),
        cmocka_unit_test(the_summary_tells_counts_and_times),
        cmocka_unit_test(every_trace_is_found_whole_by_id),
        cmocka_unit_test(a_trace_is_appended_behind_what_is_there),
        cmocka_unit_test(a_trace_that_is_not_there_is_mostly_known_not_to_be),
        cmocka_unit_test(search_means_what_the_filter_means),
        cmocka_unit_test(a_regular_expression_is_asked_of_every_value),
        cmocka_unit_test(questions_on_many_blocks_share_one_bounded_memory),
        cmocka_unit_test(a_visitor_can_stop_the_search),
        cmocka_unit_test(operations_are_counted),
        cmocka_unit_test(attribute_keys_and_values_are_counted),
        cmocka_unit_test(every_link_is_told),
        cmocka_unit_test(damage_is_noticed_and_nothing_else_happens),
        cmocka_unit_test(a_newer_version_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
