// SPDX-License-Identifier: Apache-2.0
#include "trace/tree.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const Resource resource;
static const Scope scope;

static SpanId id_of(unsigned number)
{
    return (SpanId){{0, 0, 0, 0, 0, 0, (uint8_t)(number >> 8), (uint8_t)number}};
}

static Span span_of(unsigned id, unsigned parent, SpanKind kind, uint64_t start_ns)
{
    return (Span){.trace_id = {{1}},
                  .span_id = id_of(id),
                  .parent_span_id = id_of(parent),
                  .kind = (uint8_t)kind,
                  .start_ns = start_ns,
                  .resource = &resource,
                  .scope = &scope};
}

static void test_children_are_in_order_of_start_then_id(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Span spans[] = {
        span_of(4, 1, SPAN_KIND_INTERNAL, 30), span_of(1, 0, SPAN_KIND_SERVER, 10),
        span_of(3, 1, SPAN_KIND_INTERNAL, 20), span_of(2, 1, SPAN_KIND_INTERNAL, 20),
        span_of(5, 2, SPAN_KIND_INTERNAL, 1),
    };
    const uint32_t expected[] = {1, 3, 4, 2, 0};
    Tree tree;

    tree_build(spans, 5, &arena, &tree);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(tree.order[i], expected[i]);
    }
    assert_int_equal(tree.nodes[4].depth, 2);
    assert_int_equal(tree.nodes[0].parent, 1);
    assert_int_equal(tree.first_root, 1);
    assert_false(tree.nodes[1].orphan);
}

static void test_a_missing_parent_makes_an_orphan(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Span spans[] = {span_of(1, 9, SPAN_KIND_SERVER, 1), span_of(2, 1, SPAN_KIND_CLIENT, 2)};
    Tree tree;

    tree_build(spans, 2, &arena, &tree);
    assert_true(tree.nodes[0].orphan);
    assert_int_equal(tree.nodes[0].parent, TREE_NONE);
    assert_false(tree.nodes[1].orphan);
}

static void test_a_span_that_names_itself_is_an_orphan(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Span spans[] = {span_of(1, 1, SPAN_KIND_INTERNAL, 1)};
    Tree tree;

    tree_build(spans, 1, &arena, &tree);
    assert_true(tree.nodes[0].orphan);
}

static void test_of_a_shared_pair_the_server_is_the_child_and_owns_the_children(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Span spans[] = {
        span_of(1, 0, SPAN_KIND_SERVER, 1),
        span_of(2, 1, SPAN_KIND_CLIENT, 2),
        span_of(2, 1, SPAN_KIND_SERVER, 3),
        span_of(3, 2, SPAN_KIND_INTERNAL, 4),
    };
    Tree tree;

    tree_build(spans, 4, &arena, &tree);
    assert_int_equal(tree.nodes[1].parent, 0);
    assert_int_equal(tree.nodes[2].parent, 1);
    assert_int_equal(tree.nodes[3].parent, 2);
    assert_int_equal(tree_find(&tree, id_of(2), true), 1);
    assert_int_equal(tree_find(&tree, id_of(2), false), 2);
    assert_int_equal(tree_find(&tree, id_of(7), false), TREE_NONE);
}

static void test_a_ring_is_cut_at_its_earliest_span(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Span spans[] = {
        span_of(5, 3, SPAN_KIND_INTERNAL, 1), /* hangs on the ring */
        span_of(1, 3, SPAN_KIND_INTERNAL, 9),
        span_of(2, 1, SPAN_KIND_INTERNAL, 8),
        span_of(3, 2, SPAN_KIND_INTERNAL, 8),
    };
    Tree tree;

    tree_build(spans, 4, &arena, &tree);
    assert_true(tree.nodes[2].orphan);
    assert_int_equal(tree.nodes[2].parent, TREE_NONE);
    assert_int_equal(tree.nodes[3].parent, 2);
    assert_int_equal(tree.nodes[1].parent, 3);
    assert_int_equal(tree.nodes[0].parent, 3);
    assert_int_equal(tree.order[0], 2);
}

static void test_a_deep_chain_needs_no_stack(void **state)
{
    (void)state;
    enum { DEEP = 50000 };
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans = ARENA_ARRAY(&arena, Span, DEEP);
    Tree tree;

    for (unsigned i = 0; i < DEEP; i++) { /* children before their parents */
        spans[i] = span_of(DEEP - i, DEEP - i - 1, SPAN_KIND_INTERNAL, DEEP - i);
    }
    tree_build(spans, DEEP, &arena, &tree);
    assert_int_equal(tree.nodes[0].depth, DEEP - 1);
    assert_int_equal(tree.order[0], DEEP - 1);
}

static void test_no_spans_make_an_empty_tree(void **state)
{
    (void)state;
    CLEANUP(arena_deinit) Arena arena = {0};
    Tree tree;

    tree_build(NULL, 0, &arena, &tree);
    assert_int_equal(tree.first_root, TREE_NONE);
    assert_int_equal(tree_find(&tree, id_of(1), false), TREE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_children_are_in_order_of_start_then_id),
        cmocka_unit_test(test_a_missing_parent_makes_an_orphan),
        cmocka_unit_test(test_a_span_that_names_itself_is_an_orphan),
        cmocka_unit_test(test_of_a_shared_pair_the_server_is_the_child_and_owns_the_children),
        cmocka_unit_test(test_a_ring_is_cut_at_its_earliest_span),
        cmocka_unit_test(test_a_deep_chain_needs_no_stack),
        cmocka_unit_test(test_no_spans_make_an_empty_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
