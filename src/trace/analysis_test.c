// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace/analysis.h"

/* A trace by hand: span i has id i + 1; times are small numbers of "ms" after an origin. */
enum { SPANS_MAX = 8 };

#define MS UINT64_C(1000000)
#define ORIGIN (UINT64_C(1700000000) * 1000 * MS)

typedef struct Case {
    Arena arena;
    Span spans[SPANS_MAX];
    size_t n_spans;
    Tree tree;
    SpanAnalysis *analysis;
} Case;

static const Attribute host_a_attributes[] = {
    {.key = {"host.name", 9}, .value = {.type = VALUE_STRING, .string = {"a", 1}}}};
static const Attribute host_b_attributes[] = {
    {.key = {"host.name", 9}, .value = {.type = VALUE_STRING, .string = {"b", 1}}}};
static const Attribute other_a_attributes[] = {
    {.key = {"host.name", 9}, .value = {.type = VALUE_STRING, .string = {"a", 1}}},
    {.key = {"process.pid", 11}, .value = {.type = VALUE_INT, .integer = 7}}};
static const Resource host_a = {.attributes = {host_a_attributes, 1}};
static const Resource host_b = {.attributes = {host_b_attributes, 1}};
static const Resource other_process_of_a = {.attributes = {other_a_attributes, 2}};
static const Scope scope;

static Span *case_add(Case *c, uint8_t parent, uint64_t start_ms, uint64_t end_ms)
{
    Span *span = &c->spans[c->n_spans++];

    *span = (Span){
        .start_ns = ORIGIN + start_ms * MS,
        .end_ns = ORIGIN + end_ms * MS,
        .resource = &host_a,
        .scope = &scope,
    };
    span->trace_id.bytes[0] = 1;
    span->span_id.bytes[7] = (uint8_t)c->n_spans;
    span->parent_span_id.bytes[7] = parent;
    return span;
}

static void case_analyse(Case *c)
{
    tree_build(c->spans, c->n_spans, &c->arena, &c->tree);
    trace_analyse(&c->tree, &c->arena, &c->analysis);
}

static void assert_segment(const Case *c, size_t span, uint32_t segment, uint64_t start_ms,
                           uint64_t end_ms)
{
    assert_true(segment < c->analysis[span].n_segments);
    PathSegment found = c->analysis[span].segments[segment];
    assert_int_equal((found.start_ns - ORIGIN) / MS, start_ms);
    assert_int_equal((found.end_ns - ORIGIN) / MS, end_ms);
}

static void self_time_leaves_out_what_children_cover_once(void **state)
{
    Case c = {.arena = {0}};

    case_add(&c, 0, 10, 100);
    case_add(&c, 1, 20, 40);
    case_add(&c, 1, 30, 50);  /* overlaps its sibling */
    case_add(&c, 1, 0, 15);   /* begins before its parent */
    case_add(&c, 1, 90, 200); /* ends after it */
    case_add(&c, 1, 32, 34);  /* inside what is covered already */
    case_analyse(&c);
    assert_int_equal(c.analysis[0].self_ns / MS, 90 - 30 - 5 - 10);
    assert_int_equal(c.analysis[1].self_ns / MS, 20);
    assert_int_equal(c.analysis[4].self_ns / MS, 110);
    arena_deinit(&c.arena);
}

static void critical_path_goes_back_into_the_child_that_ends_last(void **state)
{
    Case c = {.arena = {0}};

    case_add(&c, 0, 0, 100);
    case_add(&c, 1, 10, 40); /* runs beside span 3 and ends earlier: not on the path */
    case_add(&c, 1, 20, 60);
    case_add(&c, 1, 70, 95);
    case_add(&c, 4, 75, 90);
    case_analyse(&c);
    assert_int_equal(c.analysis[0].n_segments, 3);
    assert_segment(&c, 0, 0, 0, 20);
    assert_segment(&c, 0, 1, 60, 70);
    assert_segment(&c, 0, 2, 95, 100);
    assert_int_equal(c.analysis[1].n_segments, 0);
    assert_segment(&c, 2, 0, 20, 60);
    assert_segment(&c, 3, 0, 70, 75);
    assert_segment(&c, 3, 1, 90, 95);
    assert_segment(&c, 4, 0, 75, 90);
    assert_int_equal(c.analysis[0].critical_ns / MS, 35);
    arena_deinit(&c.arena);
}

static void critical_path_covers_the_root_exactly_once(void **state)
{
    Case c = {.arena = {0}};
    uint64_t sum = 0;

    case_add(&c, 0, 0, 100);
    case_add(&c, 1, 0, 100);
    case_add(&c, 2, 50, 150);
    case_add(&c, 1, 30, 80);
    case_add(&c, 4, 20, 60);
    case_add(&c, 1, 120, 130); /* after everything: asynchronous */
    case_analyse(&c);
    for (size_t i = 0; i < c.n_spans; i++) {
        sum += c.analysis[i].critical_ns;
    }
    assert_int_equal(sum / MS, 100);
    assert_int_equal(c.analysis[5].critical_ns, 0);
    arena_deinit(&c.arena);
}

static void critical_path_starts_at_the_root_and_not_at_an_earlier_orphan(void **state)
{
    Case c = {.arena = {0}};

    case_add(&c, 7, 0, 500); /* its parent never came */
    case_add(&c, 0, 10, 20);
    case_analyse(&c);
    assert_int_equal(c.analysis[0].critical_ns, 0);
    assert_int_equal(c.analysis[1].critical_ns / MS, 10);
    arena_deinit(&c.arena);
}

static void skew_centres_a_child_of_another_host_and_all_below_it(void **state)
{
    Case c = {.arena = {0}};

    case_add(&c, 0, 100, 200);
    case_add(&c, 1, 20, 60)->resource = &host_b;
    case_add(&c, 2, 30, 40)->resource = &host_b;
    case_add(&c, 2, 35, 45)->resource = &host_a; /* measured against the moved parent */
    case_analyse(&c);
    assert_int_equal(c.analysis[0].skew_ns, 0);
    assert_int_equal(c.analysis[1].skew_ns / (int64_t)MS, 110); /* to 130–170 */
    assert_int_equal(c.analysis[2].skew_ns / (int64_t)MS, 110);
    assert_int_equal(c.analysis[3].skew_ns / (int64_t)MS, 110); /* to 145–155 */
    arena_deinit(&c.arena);
}

static void skew_leaves_alone_what_fits_and_what_shares_the_clock(void **state)
{
    Case c = {.arena = {0}};

    case_add(&c, 0, 100, 200);
    case_add(&c, 1, 110, 190)->resource = &host_b;           /* fits */
    case_add(&c, 1, 50, 60)->resource = &other_process_of_a; /* the same host's clock */
    case_add(&c, 1, 250, 900)->resource = &host_b;           /* longer, later: asynchronous */
    case_add(&c, 1, 300, 310)->resource = &host_b;           /* a consumer runs when it runs */
    c.spans[4].kind = SPAN_KIND_CONSUMER;
    case_analyse(&c);
    for (size_t i = 0; i < c.n_spans; i++) {
        assert_int_equal(c.analysis[i].skew_ns, 0);
    }
    arena_deinit(&c.arena);
}

static void skew_moves_a_longer_child_to_its_parents_start_only(void **state)
{
    Case c = {.arena = {0}};

    case_add(&c, 0, 100, 200);
    case_add(&c, 1, 90, 400)->resource = &host_b;
    case_analyse(&c);
    assert_int_equal(c.analysis[1].skew_ns / (int64_t)MS, 10);
    arena_deinit(&c.arena);
}

static void impossible_times_are_survived(void **state)
{
    Case c = {.arena = {0}};

    case_add(&c, 0, 100, 200);
    case_add(&c, 1, 0, 0)->start_ns = 0;
    case_add(&c, 1, 0, 0)->end_ns = UINT64_MAX;
    case_add(&c, 1, 0, 0)->start_ns = UINT64_MAX;
    for (size_t i = 1; i < c.n_spans; i++) {
        c.spans[i].resource = &host_b;
    }
    case_analyse(&c);
    assert_int_equal(c.analysis[0].critical_ns + c.analysis[1].critical_ns +
                         c.analysis[2].critical_ns + c.analysis[3].critical_ns,
                     100 * MS);
    assert_int_equal(c.analysis[1].skew_ns, 0);
    arena_deinit(&c.arena);
}

static void an_empty_trace_has_an_empty_analysis(void **state)
{
    Case c = {.arena = {0}};

    case_analyse(&c);
    assert_int_equal(c.tree.n_spans, 0);
    arena_deinit(&c.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(self_time_leaves_out_what_children_cover_once),
        cmocka_unit_test(critical_path_goes_back_into_the_child_that_ends_last),
        cmocka_unit_test(critical_path_covers_the_root_exactly_once),
        cmocka_unit_test(critical_path_starts_at_the_root_and_not_at_an_earlier_orphan),
        cmocka_unit_test(skew_centres_a_child_of_another_host_and_all_below_it),
        cmocka_unit_test(skew_leaves_alone_what_fits_and_what_shares_the_clock),
        cmocka_unit_test(skew_moves_a_longer_child_to_its_parents_start_only),
        cmocka_unit_test(impossible_times_are_survived),
        cmocka_unit_test(an_empty_trace_has_an_empty_analysis),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
