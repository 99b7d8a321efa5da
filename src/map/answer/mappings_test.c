// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"

#include "map/answer/mappings.h"

static Mappings *make(const Mapping *items, size_t n)
{
    Mappings *mappings = NULL;
    ParseError error;
    size_t bad;

    assert_int_equal(mappings_new(items, n, &mappings, &bad, &error), 0);
    return mappings;
}

static void the_first_that_matches_whole_decides(void **state)
{
    const Mapping items[] = {{STR("pay"), NODE_SERVICE, STR("payments"), false},
                             {STR("pay.*"), NODE_EXTERNAL, STR("bank"), false},
                             {STR(".*"), NODE_EXTERNAL, STR("rest"), false}};
    Mappings *mappings = make(items, 3);

    for (int again = 0; again < 2; again++) {
        assert_true(str_equal(mappings_find(mappings, STR("pay"))->name, STR("payments")));
        assert_true(str_equal(mappings_find(mappings, STR("pay-1"))->name, STR("bank")));
        assert_true(str_equal(mappings_find(mappings, STR("repay"))->name, STR("rest")));
    }
    assert_null(mappings_find(NULL, STR("pay")));
    mappings_unref(mappings);
}

static void what_is_no_mapping_is_told_by_its_place(void **state)
{
    const Mapping items[] = {{STR("a"), NODE_SERVICE, STR("b"), false},
                             {STR("(a"), NODE_SERVICE, STR("b"), false}};
    const Mapping nameless = {STR("a"), NODE_SERVICE, {0}, false};
    Mappings *mappings = NULL;
    ParseError error;
    size_t bad = 0;

    assert_int_equal(mappings_new(items, 2, &mappings, &bad, &error), 1);
    assert_int_equal(bad, 1);
    assert_int_equal(mappings_new(&nameless, 1, &mappings, &bad, &error), 1);
    assert_int_equal(bad, 0);
}

/* An expression that would run for ever is given up and matches nothing. */
static void a_hostile_expression_ends(void **state)
{
    const Mapping item = {STR("(a+)+b"), NODE_EXTERNAL, STR("x"), false};
    Mappings *mappings = make(&item, 1);
    char name[64];

    for (size_t i = 0; i < sizeof(name); i++) {
        name[i] = 'a';
    }
    assert_null(mappings_find(mappings, str_from_bytes(name, sizeof(name))));
    mappings_unref(mappings);
}

static void lines_of_the_configuration_are_read(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Mapping *items;
    ParseError error;
    size_t n;

    assert_int_equal(mappings_parse(STR("\n a -> b -> service c \n\nx.y -> external the bank\n"),
                                    &arena, &items, &n, &error),
                     0);
    assert_int_equal(n, 2);
    assert_true(str_equal(items[0].pattern, STR("a -> b")));
    assert_int_equal(items[0].type, NODE_SERVICE);
    assert_true(str_equal(items[1].name, STR("the bank")));
    assert_int_equal(
        mappings_parse(STR("a -> service b\nc -> planet d"), &arena, &items, &n, &error), 1);
    assert_int_equal(error.offset, 2);
    assert_int_equal(mappings_parse(STR("nothing"), &arena, &items, &n, &error), 1);
}

/* Over all of the past at once, before every other rule, and gone when it is gone. */
static void a_mapping_changes_the_whole_map(void **state)
{
    const Mapping items[] = {{STR("10\\.0\\.0\\..*"), NODE_SERVICE, STR("cart"), false},
                             {STR("db-.*"), NODE_DATABASE, STR("shop"), false},
                             {STR("mail"), NODE_EXTERNAL, STR("post office"), false}};
    Mappings *mappings = make(items, 3);
    Fixture fixture;

    fixture_init(&fixture, NULL);
    Str web = service(&fixture, "web"), cart = service(&fixture, "cart");
    fixture_span(&fixture, cart, TODAY);
    fixture_span(&fixture, service(&fixture, "mail"), TODAY);
    fixture_unpaired(&fixture, web, "10.0.0.7", RULE_SERVER_ADDRESS, TODAY - 100000);
    fixture_unpaired(&fixture, web, "10.0.0.8", RULE_SERVER_ADDRESS, TODAY);
    fixture_unpaired(&fixture, web, "db-1", RULE_SERVER_ADDRESS, TODAY);
    fixture_unpaired(&fixture, web, "mail", RULE_PEER_SERVICE, TODAY);
    fixture_apply(&fixture);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){0}).n_edges, 4);

    MapAnswer preview = fixture_ask(&fixture, (MapQuestion){.mappings = mappings});
    assert_int_equal(answer_edge(&fixture, &preview, web, cart)->count, 2);
    map_set_mappings(fixture.map, mappings);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_edges, 3);
    assert_int_equal(answer_edge(&fixture, &answer, web, cart)->count, 2);
    assert_non_null(answer_edge(&fixture, &answer, web, external(&fixture, "post office")));
    Str database =
        fixture_key(&fixture, (NodeKey){.type = NODE_DATABASE, .namespace = STR("shop")});
    assert_non_null(answer_edge(&fixture, &answer, web, database));
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){.unresolved_names = true}).n_edges, 4);

    map_set_mappings(fixture.map, NULL);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){0}).n_edges, 4);
    mappings_unref(mappings);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_matches_whole_decides),
        cmocka_unit_test(what_is_no_mapping_is_told_by_its_place),
        cmocka_unit_test(a_hostile_expression_ends),
        cmocka_unit_test(lines_of_the_configuration_are_read),
        cmocka_unit_test(a_mapping_changes_the_whole_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
