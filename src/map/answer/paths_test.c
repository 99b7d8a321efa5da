// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"

#include "map/answer/paths.h"

static size_t index_of(Fixture *fixture, const MapAnswer *map, Str key)
{
    const MapNode *node = answer_node(fixture, map, key);

    assert_non_null(node);
    return (size_t)(node - map->nodes);
}

static MapPaths find(Fixture *fixture, const MapAnswer *map, Str from, Str to, size_t arrows)
{
    MapPaths paths;

    map_paths(map, index_of(fixture, map, from), index_of(fixture, map, to), arrows,
              &fixture->arena, &paths);
    return paths;
}

static void hop(Fixture *fixture, const char *producer, const char *topic, const char *consumer)
{
    fixture_edge(fixture, service(fixture, producer), RELATION_PUBLISHES, queue(fixture, topic),
                 RULE_MESSAGING, TODAY);
    fixture_edge(fixture, service(fixture, consumer), RELATION_CONSUMES, queue(fixture, topic),
                 RULE_MESSAGING, TODAY);
    Delta *delta = fixture_call(fixture, producer, consumer, TODAY);
    delta->kind = DELTA_HOP;
    delta->via = queue(fixture, topic);
}

static void all_shortest_paths_are_found(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    fixture_call(&fixture, "web", "cart", TODAY);
    fixture_call(&fixture, "web", "pay", TODAY);
    fixture_call(&fixture, "cart", "stock", TODAY);
    fixture_call(&fixture, "pay", "stock", TODAY);
    fixture_call(&fixture, "stock", "web", TODAY); /* a ring */
    fixture_call(&fixture, "pay", "bank", TODAY);
    fixture_call(&fixture, "bank", "stock", TODAY); /* a longer way */
    fixture_apply(&fixture);
    MapAnswer map = fixture_ask(&fixture, (MapQuestion){0});
    MapPaths paths = find(&fixture, &map, service(&fixture, "web"), service(&fixture, "stock"), 8);
    assert_int_equal(paths.count, 2);
    for (size_t i = 0; i < paths.count; i++) {
        const MapPath *path = &paths.items[i];

        assert_int_equal(path->n_edges, 2);
        for (size_t k = 0; k < path->n_edges; k++) {
            assert_int_equal(map.edges[path->edges[k]].source, path->nodes[k]);
            assert_int_equal(map.edges[path->edges[k]].target, path->nodes[k + 1]);
        }
    }
    assert_int_equal(
        find(&fixture, &map, service(&fixture, "web"), service(&fixture, "stock"), 1).count, 0);
    assert_int_equal(
        find(&fixture, &map, service(&fixture, "stock"), service(&fixture, "bank"), 8).count, 1);
    paths = find(&fixture, &map, service(&fixture, "web"), service(&fixture, "web"), 8);
    assert_int_equal(paths.count, 1);
    assert_int_equal(paths.items[0].n_edges, 0);
    fixture_deinit(&fixture);
}

static void a_path_goes_through_a_queue_only_by_a_hop(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    hop(&fixture, "web", "orders", "mail");
    hop(&fixture, "shop", "orders", "stats");
    fixture_apply(&fixture);
    MapAnswer map = fixture_ask(&fixture, (MapQuestion){0});
    MapPaths paths = find(&fixture, &map, service(&fixture, "web"), service(&fixture, "mail"), 8);
    assert_int_equal(paths.count, 1);
    assert_int_equal(paths.items[0].n_edges, 2);
    assert_int_equal(map.nodes[paths.items[0].nodes[1]].key.type, NODE_QUEUE);
    assert_int_equal(map.edges[paths.items[0].edges[1]].relation, RELATION_CONSUMES);
    assert_int_equal(
        find(&fixture, &map, service(&fixture, "web"), service(&fixture, "stats"), 8).count, 0);
    assert_int_equal(
        find(&fixture, &map, service(&fixture, "web"), queue(&fixture, "orders"), 8).count, 1);
    /* From the queue itself, all who read it. */
    assert_int_equal(
        find(&fixture, &map, queue(&fixture, "orders"), service(&fixture, "stats"), 8).count, 1);
    fixture_deinit(&fixture);
}

static void a_database_is_reached_by_its_tables(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    fixture_call(&fixture, "web", "cart", TODAY);
    fixture_edge(&fixture, service(&fixture, "cart"), RELATION_WRITES, table(&fixture, "orders"),
                 RULE_DB_TEXT, TODAY);
    fixture_apply(&fixture);
    MapAnswer map = fixture_ask(&fixture, (MapQuestion){0});
    Str database = fixture_key(&fixture, (NodeKey){.type = NODE_DATABASE,
                                                   .system = STR("postgresql"),
                                                   .address = STR("db"),
                                                   .namespace = STR("shop")});
    MapPaths paths = find(&fixture, &map, service(&fixture, "web"), database, 8);
    assert_int_equal(paths.count, 1);
    assert_int_equal(map.nodes[paths.items[0].nodes[2]].key.type, NODE_TABLE);
    fixture_deinit(&fixture);
}

/* Two ways at each of eight stations: 256 paths, of which PATHS_MAX are told. */
static void many_paths_are_cut_and_told_so(void **state)
{
    enum { STATIONS = 8 };
    Fixture fixture;

    fixture_init(&fixture, NULL);
    for (int i = 0; i < STATIONS; i++) {
        const char *here = arena_format(&fixture.arena, "s%d", i).ptr;
        const char *next = arena_format(&fixture.arena, "s%d", i + 1).ptr;

        for (int k = 0; k < 2; k++) {
            const char *way = arena_format(&fixture.arena, "w%d-%d", i, k).ptr;

            fixture_call(&fixture, here, way, TODAY);
            fixture_call(&fixture, way, next, TODAY);
        }
    }
    fixture_apply(&fixture);
    MapAnswer map = fixture_ask(&fixture, (MapQuestion){0});
    MapPaths paths =
        find(&fixture, &map, service(&fixture, "s0"), service(&fixture, "s8"), PATH_ARROWS_MAX);
    assert_int_equal(paths.count, PATHS_MAX);
    assert_true(paths.more);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_shortest_paths_are_found),
        cmocka_unit_test(a_path_goes_through_a_queue_only_by_a_hop),
        cmocka_unit_test(a_database_is_reached_by_its_tables),
        cmocka_unit_test(many_paths_are_cut_and_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
