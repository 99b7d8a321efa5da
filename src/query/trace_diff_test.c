// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query/trace_diff.h"

enum { MS = 1000000, SPANS_MAX = 64 };

static const Scope scope;
static Attribute shop_name[] = {{{"service.name", 12}, {.type = VALUE_STRING}}};
static const Resource shop = {.attributes = {shop_name, 1}};

/* A trace as it grows; spans are numbered from 1, a parent of 0 is none. */
typedef struct Drawing {
    Span spans[SPANS_MAX];
    size_t n;
    Arena arena;
    TraceView view;
} Drawing;

static Span *add(Drawing *drawing, uint8_t parent, const char *name, uint64_t start_ms,
                 uint64_t end_ms)
{
    Span *span = &drawing->spans[drawing->n++];

    *span = (Span){.name = str_from_cstr(name),
                   .start_ns = 1760000000000 * MS + start_ms * MS,
                   .end_ns = 1760000000000 * MS + end_ms * MS,
                   .kind = SPAN_KIND_INTERNAL,
                   .resource = &shop,
                   .scope = &scope};
    span->trace_id.bytes[0] = 7;
    span->span_id.bytes[0] = (uint8_t)drawing->n;
    span->parent_span_id.bytes[0] = parent;
    return span;
}

static const TraceView *view_of(Drawing *drawing)
{
    shop_name[0].value.string = STR("shop");
    trace_view_derive(drawing->spans, drawing->n, &drawing->arena, &drawing->view);
    return &drawing->view;
}

static void drawing_deinit(Drawing *drawing)
{
    arena_deinit(&drawing->arena);
}

static const TraceStep *find(const TraceDiff *diff, const char *name)
{
    for (size_t i = 0; i < diff->n_steps; i++) {
        if (str_equal(diff->steps[i].name, str_from_cstr(name))) {
            return &diff->steps[i];
        }
    }
    fail_msg("no step %s", name);
    return NULL;
}

/* GET -> {auth, 2 x sql, render} against GET -> {auth, 3 x sql (one fails), mail -> smtp}. */
static void what_came_went_and_changed_is_told(void **state)
{
    CLEANUP(drawing_deinit) Drawing a = {0};
    CLEANUP(drawing_deinit) Drawing b = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    TraceDiff diff;

    add(&a, 0, "GET", 0, 100);
    add(&a, 1, "auth", 1, 5);
    add(&a, 1, "sql", 10, 20);
    add(&a, 1, "sql", 20, 30);
    add(&a, 1, "render", 40, 90);
    add(&b, 0, "GET", 0, 110);
    add(&b, 1, "auth", 1, 25);
    add(&b, 1, "sql", 30, 40);
    add(&b, 1, "sql", 40, 50);
    add(&b, 1, "sql", 50, 60)->status_code = STATUS_ERROR;
    add(&b, 1, "mail", 70, 100);
    add(&b, 6, "smtp", 75, 95);
    trace_diff(view_of(&a), view_of(&b), &arena, &diff);
    assert_int_equal(diff.n_steps, 6);
    assert_int_equal(diff.n_same, 1);
    assert_int_equal(diff.n_changed, 2);
    assert_int_equal(diff.n_added, 2);
    assert_int_equal(diff.n_removed, 1);
    assert_int_equal(find(&diff, "GET")->changes, 0);
    assert_int_equal(find(&diff, "auth")->changes, TRACE_STEP_DURATION);
    const TraceStep *sql = find(&diff, "sql"), *smtp = find(&diff, "smtp");
    assert_int_equal(sql->changes, TRACE_STEP_SPANS | TRACE_STEP_ERRORS);
    assert_int_equal(sql->sides[TRACE_A].n_spans, 2);
    assert_int_equal(sql->sides[TRACE_B].n_spans, 3);
    assert_int_equal(sql->sides[TRACE_B].duration_ns, 30 * MS);
    assert_int_equal(sql->sides[TRACE_B].offset_ns, 30 * MS);
    assert_int_equal(find(&diff, "render")->sides[TRACE_B].n_spans, 0);
    assert_int_equal(smtp->sides[TRACE_A].n_spans, 0);
    assert_int_equal(smtp->depth, 2);
    assert_true(str_equal(diff.steps[smtp->parent].name, STR("mail")));
    assert_int_equal(find(&diff, "GET")->sides[TRACE_A].self_ns, 26 * MS);
}

/* Depth first, siblings by the time of a, else of b. */
static void steps_come_in_the_order_of_a_tree(void **state)
{
    static const char *const expected[] = {"GET", "first", "leaf", "new", "second"};
    CLEANUP(drawing_deinit) Drawing a = {0};
    CLEANUP(drawing_deinit) Drawing b = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    TraceDiff diff;

    add(&a, 0, "GET", 0, 100);
    add(&a, 1, "first", 10, 20);
    add(&a, 2, "leaf", 12, 18);
    add(&a, 1, "second", 50, 60);
    add(&b, 0, "GET", 0, 100);
    add(&b, 1, "second", 5, 15);
    add(&b, 1, "new", 30, 40);
    trace_diff(view_of(&a), view_of(&b), &arena, &diff);
    assert_int_equal(diff.n_steps, ARRAY_LEN(expected));
    for (size_t i = 0; i < diff.n_steps; i++) {
        assert_true(str_equal(diff.steps[i].name, str_from_cstr(expected[i])));
        assert_true(diff.steps[i].parent == TREE_NONE || diff.steps[i].parent < i);
    }
}

/* The same name elsewhere in the tree, or of another kind, is another step; orphans are roots. */
static void place_and_kind_tell_steps_apart(void **state)
{
    CLEANUP(drawing_deinit) Drawing a = {0};
    CLEANUP(drawing_deinit) Drawing b = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    TraceDiff diff;

    add(&a, 0, "x", 0, 10);
    add(&a, 1, "x", 1, 9);
    add(&a, 77, "x", 2, 8)->kind = SPAN_KIND_SERVER;
    add(&b, 0, "x", 0, 10);
    add(&b, 77, "x", 2, 8);
    trace_diff(view_of(&a), view_of(&b), &arena, &diff);
    assert_int_equal(diff.n_steps, 3);
    assert_int_equal(diff.n_removed, 2);
    assert_int_equal(diff.n_changed, 1); /* two roots of that name and kind in b */
}

static void a_trace_is_the_same_as_itself_and_a_long_chain_ends(void **state)
{
    CLEANUP(drawing_deinit) Drawing a = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    TraceDiff diff;

    for (size_t i = 0; i < SPANS_MAX; i++) {
        add(&a, (uint8_t)i, "deep", i, 1000 - i);
    }
    trace_diff(view_of(&a), view_of(&a), &arena, &diff);
    assert_int_equal(diff.n_steps, SPANS_MAX);
    assert_int_equal(diff.n_same, SPANS_MAX);
    assert_int_equal(diff.steps[SPANS_MAX - 1].depth, SPANS_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_went_and_changed_is_told),
        cmocka_unit_test(steps_come_in_the_order_of_a_tree),
        cmocka_unit_test(place_and_kind_tell_steps_apart),
        cmocka_unit_test(a_trace_is_the_same_as_itself_and_a_long_chain_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
