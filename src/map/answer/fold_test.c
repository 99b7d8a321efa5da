// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* Limits of what is shown, CONTRACT.md §8: a function of the set of spans, for each scope, database
 * and flow by itself, and nothing is lost by them. */

static Str service_of(Fixture *fixture, const char *scope, const char *name)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_SERVICE,
                                          .scope = str_from_cstr(scope),
                                          .name = str_from_cstr(name)});
}

static Str other_table(Fixture *fixture, const char *name)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_TABLE,
                                          .system = STR("postgresql"),
                                          .address = STR("db2"),
                                          .namespace = STR("shop"),
                                          .part = str_from_cstr(name)});
}

static Str step_of(Fixture *fixture, const char *flow_name, const char *name)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_STEP,
                                          .name = str_from_cstr(flow_name),
                                          .part = str_from_cstr(name)});
}

static uint64_t sum_of(const MapAnswer *answer)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < answer->n_edges; i++) {
        sum += answer->edges[i].count;
    }
    return sum;
}

static void a_noisy_scope_takes_nothing_from_another(void **state)
{
    Fixture fixture;
    char name[16];

    fixture_init(&fixture, &(MapOptions){.nodes_max = 4, .edges_max = 3});
    for (uint32_t i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "job-%u", i);
        fixture_edge(&fixture, service_of(&fixture, "noisy", "web"), RELATION_CALLS,
                     service_of(&fixture, "noisy", name), RULE_PAIRED, TODAY)
            ->count = 1000 + i;
    }
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "job-%u", i);
        fixture_edge(&fixture, service_of(&fixture, "quiet", "web"), RELATION_CALLS,
                     service_of(&fixture, "quiet", name), RULE_PAIRED, TODAY);
    }
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_nodes, 4 + 4);
    assert_int_equal(answer.n_edges, 3 + 3);
    assert_int_equal(answer.folded_nodes, 48); /* web, job-48, job-49 and (other) stay */
    assert_int_equal(sum_of(&answer), 50 * 1000 + 49 * 25 + 3);
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "job-%u", i);
        assert_non_null(answer_edge(&fixture, &answer, service_of(&fixture, "quiet", "web"),
                                    service_of(&fixture, "quiet", name)));
    }
    const MapEdge *other = answer_edge(&fixture, &answer, service_of(&fixture, "noisy", "web"),
                                       service_of(&fixture, "noisy", "(other)"));
    assert_int_equal(other->count, 50 * 1000 + 49 * 25 - 1048 - 1049);
    fixture_deinit(&fixture);
}

/* Fifty scopes of two services and a call each: one in the first, fifty in the last. */
static void apply_scopes(Fixture *fixture)
{
    char name[16];

    for (uint32_t i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "scope-%u", i);
        fixture_edge(fixture, service_of(fixture, name, "web"), RELATION_CALLS,
                     service_of(fixture, name, "cart"), RULE_PAIRED, TODAY)
            ->count = 1 + i;
    }
    fixture_apply(fixture);
}

/* However many scopes there are, an answer is bounded: the rarest fold as a whole. */
static void many_scopes_fold_as_a_whole(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, &(MapOptions){.nodes_max = 4, .edges_max = 3});
    apply_scopes(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_nodes, 4 * 4 + 1); /* eight scopes and (other) */
    assert_int_equal(answer.n_edges, 8 + 1);
    assert_int_equal(answer.folded_nodes, 84);
    assert_int_equal(sum_of(&answer), 51 * 25);
    assert_non_null(answer_node(&fixture, &answer, service_of(&fixture, "scope-42", "web")));
    assert_null(answer_node(&fixture, &answer, service_of(&fixture, "scope-41", "web")));
    Str other = service_of(&fixture, "(other)", "(other)");
    assert_int_equal(answer_edge(&fixture, &answer, other, other)->count, 43 * 42 / 2);
    fixture_deinit(&fixture);
}

/* Nodes fit, edges do not. */
static void edges_of_many_scopes_are_bounded(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, &(MapOptions){.nodes_max = 100, .edges_max = 3});
    apply_scopes(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_edges, 4 * 3);
    assert_int_equal(sum_of(&answer), 51 * 25);
    fixture_deinit(&fixture);
}

static void collections_fold_within_their_database(void **state)
{
    Fixture fixture;
    char name[16];

    fixture_init(&fixture, &(MapOptions){.collections_max = 3});
    Str web = service(&fixture, "web");
    for (uint32_t i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "table-%u", i);
        fixture_edge(&fixture, web, RELATION_READS, table(&fixture, name), RULE_DB_TEXT, TODAY)
            ->count = 1 + i / 6;
    }
    fixture_edge(&fixture, web, RELATION_READS, other_table(&fixture, "x"), RULE_DB_TEXT, TODAY);
    fixture_edge(&fixture, web, RELATION_READS, other_table(&fixture, "y"), RULE_DB_TEXT, TODAY);
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_nodes, 1 + (1 + 3) + (1 + 2));
    assert_int_equal(answer.folded_nodes, 6);
    assert_int_equal(sum_of(&answer), 12);
    assert_int_equal(answer_edge(&fixture, &answer, web, table(&fixture, "(other)"))->count, 6);
    assert_non_null(answer_node(&fixture, &answer, table(&fixture, "table-6")));
    assert_non_null(answer_node(&fixture, &answer, table(&fixture, "table-7")));
    assert_non_null(answer_node(&fixture, &answer, other_table(&fixture, "y")));
    fixture_deinit(&fixture);
}

static void steps_fold_within_their_flow(void **state)
{
    Fixture fixture;
    char name[16];

    fixture_init(&fixture, &(MapOptions){.flow_names_max = 2, .collections_max = 1});
    for (uint32_t i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "step-%u", i);
        fixture_edge(&fixture, service(&fixture, "web"), RELATION_PERFORMS,
                     step_of(&fixture, "order", name), RULE_FLOW, TODAY)
            ->count = i + 1;
    }
    fixture_apply(&fixture);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){.types = UINT32_MAX});
    assert_int_equal(answer.n_nodes, 1 + 1 + 2);
    assert_int_equal(answer.folded_nodes, 4);
    assert_int_equal(sum_of(&answer), 15);
    assert_int_equal(answer_edge(&fixture, &answer, service(&fixture, "web"),
                                 step_of(&fixture, "order", "(other)"))
                         ->count,
                     10);
    fixture_deinit(&fixture);
}

/* All limits bite, tables of a folded database too: whatever came first, the same is left. */
static void what_folds_does_not_depend_on_the_order_of_arrival(void **state)
{
    enum { N = 60, ROUNDS = 5 };
    const MapOptions options = {.nodes_max = 12, .edges_max = 8, .collections_max = 4};
    char first[4096] = "", name[16];

    for (uint32_t round = 0; round < ROUNDS; round++) {
        Fixture fixture;
        char text[4096];
        size_t at = 0;

        fixture_init(&fixture, &options);
        for (uint32_t k = 0; k < N; k++) {
            uint32_t i = (k * 7 + round * 13) % N;
            Str source = service(&fixture, i % 3 == 0 ? "web" : "shop");

            snprintf(name, sizeof(name), "n%02u", i);
            Str target = i % 4 == 0   ? table(&fixture, name)
                         : i % 4 == 1 ? other_table(&fixture, name)
                         : i % 4 == 2 ? external(&fixture, name)
                                      : service(&fixture, name);
            fixture_edge(&fixture, source, i % 4 < 2 ? RELATION_READS : RELATION_CALLS, target,
                         i % 4 < 2 ? RULE_DB_TEXT : RULE_PAIRED, TODAY)
                ->count = 1 + i * 31 % 7;
            if (k % 11 == round) {
                fixture_apply(&fixture);
            }
        }
        fixture_apply(&fixture);
        MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
        assert_in_range(answer.n_nodes, 4, 12 + 2); /* (other) of two types may come on top */
        assert_int_equal(answer.n_edges, 8);
        for (size_t i = 0; i < answer.n_edges; i++) {
            const MapEdge *edge = &answer.edges[i];

            at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s %lu, ", STR_ARG(edge->id),
                                   edge->count);
        }
        if (round == 0) {
            snprintf(first, sizeof(first), "%s", text);
        }
        assert_string_equal(text, first);
        fixture_deinit(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_noisy_scope_takes_nothing_from_another),
        cmocka_unit_test(many_scopes_fold_as_a_whole),
        cmocka_unit_test(edges_of_many_scopes_are_bounded),
        cmocka_unit_test(collections_fold_within_their_database),
        cmocka_unit_test(steps_fold_within_their_flow),
        cmocka_unit_test(what_folds_does_not_depend_on_the_order_of_arrival),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
