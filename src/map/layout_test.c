// SPDX-License-Identifier: Apache-2.0
#include "map/layout/layout.h"

#include <stdio.h>
#include <stdlib.h>

#include "map/map_fixture.h"

static MapAnswer ask(Fixture *fixture)
{
    return fixture_ask(fixture, (MapQuestion){.with_layout = true});
}

static const MapNode *find(Fixture *fixture, const MapAnswer *answer, Str key)
{
    const MapNode *node = answer_node(fixture, answer, key);

    assert_non_null(node);
    return node;
}

static bool is_inside(const MapNode *node, const MapNode *parent)
{
    return node->x >= parent->x && node->y >= parent->y &&
           node->x + node->width <= parent->x + parent->width &&
           node->y + node->height <= parent->y + parent->height;
}

static bool overlap(const MapNode *a, const MapNode *b)
{
    return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
           b->y < a->y + a->height;
}

/* What ui/README.md measures: no overlaps, tables inside, 24 px apart, widths 88 to 164, one left
 * edge and one width per layer. */
static void check_measures(const MapAnswer *answer)
{
    for (size_t i = 0; i < answer->n_nodes; i++) {
        const MapNode *a = &answer->nodes[i];

        assert_true(a->x >= 0 && a->y >= 0);
        assert_true(a->width >= 88 && a->width <= 164);
        for (size_t k = i + 1; k < answer->n_nodes; k++) {
            const MapNode *b = &answer->nodes[k];
            bool in_b = str_equal(a->parent, b->id), in_a = str_equal(b->parent, a->id);

            if (in_a || in_b) {
                assert_true(in_a ? is_inside(b, a) : is_inside(a, b));
            } else {
                assert_false(overlap(a, b));
            }
            if (a->layer == b->layer) {
                assert_true(a->x == b->x && a->width == b->width);
            } else {
                assert_true(a->layer < b->layer ? b->x >= a->x + a->width + 40
                                                : a->x >= b->x + b->width + 40);
            }
            if (a->layer == b->layer && a->parent.len == 0 && b->parent.len == 0) {
                assert_true(a->y < b->y ? b->y >= a->y + a->height + 24
                                        : a->y >= b->y + b->height + 24);
            }
        }
    }
}

static void build_shop(Fixture *fixture)
{
    const char *calls[][2] = {
        {"web", "gateway"},        {"gateway", "search"},   {"gateway", "recommend"},
        {"gateway", "cart"},       {"gateway", "checkout"}, {"checkout", "cart"},
        {"checkout", "inventory"}, {"checkout", "payment"}, {"checkout", "shipping"}};
    Str checkout = service(fixture, "checkout");

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        fixture_call(fixture, calls[i][0], calls[i][1], TODAY);
    }
    fixture_edge(fixture, service(fixture, "cart"), RELATION_READS, table(fixture, "carts"),
                 RULE_DB_TEXT, TODAY);
    fixture_edge(fixture, checkout, RELATION_WRITES, table(fixture, "orders"), RULE_DB_TEXT, TODAY);
    fixture_edge(fixture, service(fixture, "payment"), RELATION_WRITES, table(fixture, "payments"),
                 RULE_DB_TEXT, TODAY);
    fixture_unpaired(fixture, service(fixture, "payment"), "stripe", RULE_PEER_SERVICE, TODAY);
    fixture_edge(fixture, checkout, RELATION_PUBLISHES, queue(fixture, "orders"), RULE_MESSAGING,
                 TODAY);
    fixture_edge(fixture, service(fixture, "fraud"), RELATION_CONSUMES, queue(fixture, "orders"),
                 RULE_MESSAGING, TODAY);
    fixture_edge(fixture, service(fixture, "mail"), RELATION_CONSUMES, queue(fixture, "orders"),
                 RULE_MESSAGING, TODAY);
    fixture_apply(fixture);
}

static void layers_follow_the_calls_and_queues_stand_between(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    MapAnswer answer = ask(&fixture);
    check_measures(&answer);
    for (size_t i = 0; i < answer.n_edges; i++) {
        const MapEdge *edge = &answer.edges[i];
        const MapNode *from = &answer.nodes[edge->source], *to = &answer.nodes[edge->target];

        if (edge->relation == RELATION_CONSUMES) {
            assert_true(to->layer < from->layer);
        } else {
            assert_true(from->layer < to->layer);
        }
    }
    assert_int_equal(find(&fixture, &answer, service(&fixture, "web"))->layer, 0);
    const MapNode *orders = find(&fixture, &answer, queue(&fixture, "orders"));
    assert_true(orders->height == 22);
    assert_int_equal(find(&fixture, &answer, service(&fixture, "fraud"))->layer, 4);
    assert_int_equal(find(&fixture, &answer, table(&fixture, "carts"))->layer, 4);
    assert_int_equal(find(&fixture, &answer, external(&fixture, "stripe"))->layer, 4);
    const MapNode *first = find(&fixture, &answer, table(&fixture, "carts"));
    const MapNode *last = find(&fixture, &answer, table(&fixture, "payments"));
    assert_true(last->y - first->y == 2 * 27);
    fixture_deinit(&fixture);
}

static void the_order_of_arrival_and_the_numbers_do_not_move_anything(void **state)
{
    Fixture forth, back;

    fixture_init(&forth, NULL);
    fixture_init(&back, NULL);
    build_shop(&forth);
    fixture_edge(&back, service(&back, "mail"), RELATION_CONSUMES, queue(&back, "orders"),
                 RULE_MESSAGING, TODAY + 7)
        ->count = 99;
    fixture_call(&back, "checkout", "shipping", TODAY + 3);
    build_shop(&back);
    MapAnswer a = ask(&forth), b = ask(&back);
    assert_int_equal(a.n_nodes, b.n_nodes);
    for (size_t i = 0; i < a.n_nodes; i++) {
        assert_true(a.nodes[i].x == b.nodes[i].x && a.nodes[i].y == b.nodes[i].y);
        assert_true(a.nodes[i].width == b.nodes[i].width);
    }
    fixture_deinit(&forth);
    fixture_deinit(&back);
}

static void a_new_leaf_leaves_the_layers_of_others_alone(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    MapAnswer before = ask(&fixture);
    fixture_call(&fixture, "checkout", "tax", TODAY);
    fixture_apply(&fixture);
    MapAnswer after = ask(&fixture);
    check_measures(&after);
    for (size_t i = 0; i < before.n_nodes; i++) {
        for (size_t k = 0; k < after.n_nodes; k++) {
            if (str_equal(before.nodes[i].id, after.nodes[k].id)) {
                assert_int_equal(before.nodes[i].layer, after.nodes[k].layer);
            }
        }
    }
    fixture_deinit(&fixture);
}

static void rings_and_lonely_services_have_their_place(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    fixture_call(&fixture, "a", "b", TODAY);
    fixture_call(&fixture, "b", "c", TODAY);
    fixture_call(&fixture, "c", "a", TODAY);
    fixture_call(&fixture, "c", "c", TODAY);
    for (int i = 0; i < 20; i++) {
        char name[] = {'l', (char)('a' + i), 0};
        Delta *delta = fixture_span(&fixture, service(&fixture, name), TODAY);

        delta->kind = DELTA_REQUEST;
        delta->name = STR("run");
    }
    fixture_apply(&fixture);
    MapAnswer answer = ask(&fixture);
    assert_int_equal(answer.n_nodes, 23);
    check_measures(&answer);
    fixture_deinit(&fixture);

    /* Nothing but lonely ones; and nothing at all. */
    fixture_init(&fixture, NULL);
    answer = ask(&fixture);
    assert_int_equal(answer.n_nodes, 0);
    Delta *delta = fixture_span(&fixture, service(&fixture, "alone"), TODAY);
    delta->kind = DELTA_REQUEST;
    fixture_apply(&fixture);
    answer = ask(&fixture);
    check_measures(&answer);
    fixture_deinit(&fixture);
}

static uint64_t random_state = 99;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % n;
}

static Str random_node(Fixture *fixture, uint32_t n)
{
    uint32_t number = random_below(n);
    const char *name = arena_format(&fixture->arena, "%c%u", 'a' + number % 26, number).ptr;

    switch (number % 5) {
    case 0:
        return queue(fixture, name);
    case 1:
        return table(fixture, name);
    case 2:
        return external(fixture, name);
    default:
        return service(fixture, name);
    }
}

static void no_graph_makes_boxes_overlap(void **state)
{
    for (uint32_t round = 0; round < 40; round++) {
        Fixture fixture;
        uint32_t n_nodes = 2 + random_below(60), n_edges = random_below(150);

        fixture_init(&fixture, NULL);
        for (uint32_t i = 0; i < n_edges; i++) {
            Relation relation = random_below(4) == 0 ? RELATION_CONSUMES : RELATION_CALLS;

            fixture_edge(&fixture, random_node(&fixture, n_nodes), relation,
                         random_node(&fixture, n_nodes), RULE_PAIRED, TODAY);
        }
        fixture_apply(&fixture);
        MapAnswer answer = ask(&fixture);
        check_measures(&answer);
        fixture_deinit(&fixture);
    }
}

/* How many of the nodes of @before stand elsewhere in @after, and have a place there. */
static size_t count_moved(const MapAnswer *before, const MapAnswer *after, size_t *ret_common)
{
    size_t moved = 0;

    *ret_common = 0;
    for (size_t i = 0; i < before->n_nodes; i++) {
        for (size_t k = 0; k < after->n_nodes; k++) {
            const MapNode *a = &before->nodes[i], *b = &after->nodes[k];

            if (str_equal(a->id, b->id)) {
                moved += a->x != b->x || a->y != b->y;
                ++*ret_common;
            }
        }
    }
    return moved;
}

static void what_comes_later_moves_nothing(void **state)
{
    Fixture fixture;
    size_t common;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    MapAnswer before = ask(&fixture);
    fixture_call(&fixture, "checkout", "loyalty", TODAY + 60);
    fixture_call(&fixture, "loyalty", "cart", TODAY + 60);
    fixture_call(&fixture, "search", "inventory", TODAY + 61); /* between two that were there */
    fixture_unpaired(&fixture, service(&fixture, "shipping"), "parcels", RULE_PEER_SERVICE,
                     TODAY + 62);
    fixture_apply(&fixture);
    MapAnswer after = ask(&fixture);
    check_measures(&after);
    assert_int_equal(count_moved(&before, &after, &common), 0);
    assert_int_equal(common, before.n_nodes);
    assert_true(after.n_nodes > before.n_nodes);
    fixture_deinit(&fixture);
}

static void a_table_that_comes_later_stands_below_the_others(void **state)
{
    Fixture fixture;
    size_t common;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    MapAnswer before = ask(&fixture);
    fixture_edge(&fixture, service(&fixture, "checkout"), RELATION_WRITES,
                 table(&fixture, "a_new_one"), RULE_DB_TEXT, TODAY + 60);
    fixture_apply(&fixture);
    MapAnswer after = ask(&fixture);
    check_measures(&after);
    assert_true(find(&fixture, &after, table(&fixture, "a_new_one"))->y >
                find(&fixture, &after, table(&fixture, "payments"))->y);
    assert_true(count_moved(&before, &after, &common) <= 1); /* what stood below the database */
    fixture_deinit(&fixture);
}

static void another_moment_shows_the_same_places(void **state)
{
    Fixture fixture;
    size_t common;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    fixture_call(&fixture, "web", "news", TODAY + 600);
    fixture_call(&fixture, "gateway", "cart", TODAY + 600);
    fixture_apply(&fixture);
    MapAnswer all = ask(&fixture);
    MapAnswer later = fixture_ask(
        &fixture,
        (MapQuestion){.from_minute = TODAY + 600, .to_minute = TODAY + 601, .with_layout = true});
    assert_int_equal(later.n_nodes, 4);
    assert_int_equal(count_moved(&later, &all, &common), 0);
    assert_int_equal(common, 4);
    fixture_deinit(&fixture);
}

static void tables_of_another_moment_leave_no_gap(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    build_shop(&fixture);
    fixture_edge(&fixture, service(&fixture, "payment"), RELATION_WRITES,
                 table(&fixture, "payments"), RULE_DB_TEXT, TODAY + 600);
    fixture_apply(&fixture);
    MapAnswer later = fixture_ask(
        &fixture,
        (MapQuestion){.from_minute = TODAY + 600, .to_minute = TODAY + 601, .with_layout = true});
    MapAnswer all = ask(&fixture);
    const MapNode *payments = find(&fixture, &later, table(&fixture, "payments"));
    check_measures(&later);
    assert_int_equal(later.n_nodes, 3); /* with the database */
    for (size_t i = 0; i < later.n_nodes; i++) {
        if (later.nodes[i].key.type == NODE_DATABASE) {
            assert_true(payments->y == later.nodes[i].y + 48);
            assert_true(later.nodes[i].height == 48 + 8 + 27);
        }
    }
    assert_true(find(&fixture, &all, table(&fixture, "payments"))->y > payments->y);
    fixture_deinit(&fixture);
}

static void a_system_that_grows_by_half_is_drawn_anew(void **state)
{
    Fixture fixture, at_once;
    size_t common;

    fixture_init(&fixture, NULL);
    fixture_init(&at_once, NULL);
    fixture_call(&fixture, "a", "b", TODAY);
    for (uint32_t i = 0; i < 20; i++) {
        char name[8];

        snprintf(name, sizeof(name), "s%u", i);
        fixture_call(&fixture, "b", name, TODAY + 10);
        fixture_call(&at_once, "b", name, TODAY + 10);
    }
    fixture_call(&at_once, "a", "b", TODAY + 10);
    fixture_apply(&fixture);
    fixture_apply(&at_once);
    MapAnswer grown = ask(&fixture), whole = ask(&at_once);
    assert_int_equal(count_moved(&grown, &whole, &common), 0);
    assert_int_equal(common, 22);
    fixture_deinit(&fixture);
    fixture_deinit(&at_once);
}

/* Random systems in the order of their coming: no boxes overlap, few move. */
static void growing_systems_stay_tidy(void **state)
{
    for (uint32_t round = 0; round < 20; round++) {
        Fixture fixture;

        fixture_init(&fixture, NULL);
        for (uint32_t hour = 0; hour < 6; hour++) {
            for (uint32_t i = 0; i < 3 + random_below(20); i++) {
                uint32_t n = 4 + hour * (2 + random_below(8));

                fixture_edge(&fixture, random_node(&fixture, n), RELATION_CALLS,
                             random_node(&fixture, n), RULE_PAIRED, TODAY + hour * 60);
            }
            fixture_apply(&fixture);
            MapAnswer answer = ask(&fixture);
            check_measures(&answer);
        }
        fixture_deinit(&fixture);
    }
}

/* Calls that go ever deeper, with some that skip all layers in between: the picture stays small. */
static void a_deep_system_has_few_layers(void **state)
{
    enum { N = 2000 };
    Fixture fixture;
    char names[2][16];
    uint32_t deepest = 0;

    fixture_init(&fixture, NULL);
    for (uint32_t i = 1; i < N; i++) {
        snprintf(names[0], sizeof(names[0]), "s%04u", i - 1);
        snprintf(names[1], sizeof(names[1]), "s%04u", i);
        fixture_call(&fixture, names[0], names[1], TODAY);
        fixture_call(&fixture, "s0000", names[1], TODAY);
    }
    fixture_apply(&fixture);
    MapAnswer answer = ask(&fixture);
    check_measures(&answer);
    for (size_t i = 0; i < answer.n_nodes; i++) {
        deepest = MAX(deepest, answer.nodes[i].layer);
    }
    assert_in_range(deepest, 2, (1 << 18) / N);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_follow_the_calls_and_queues_stand_between),
        cmocka_unit_test(the_order_of_arrival_and_the_numbers_do_not_move_anything),
        cmocka_unit_test(a_new_leaf_leaves_the_layers_of_others_alone),
        cmocka_unit_test(rings_and_lonely_services_have_their_place),
        cmocka_unit_test(no_graph_makes_boxes_overlap),
        cmocka_unit_test(what_comes_later_moves_nothing),
        cmocka_unit_test(a_table_that_comes_later_stands_below_the_others),
        cmocka_unit_test(another_moment_shows_the_same_places),
        cmocka_unit_test(tables_of_another_moment_leave_no_gap),
        cmocka_unit_test(a_system_that_grows_by_half_is_drawn_anew),
        cmocka_unit_test(growing_systems_stay_tidy),
        cmocka_unit_test(a_deep_system_has_few_layers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
