// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"

#include "map/answer/health.h"

static HealthItem *judge(Fixture *fixture, size_t *ret_n)
{
    HealthItem *items;

    fixture_apply(fixture);
    map_health(fixture->map, TODAY, TODAY + 10, &fixture->arena, &items, ret_n);
    return items;
}

static Delta *finding(Fixture *fixture, Str node, DeltaKind kind, const char *code, uint32_t count)
{
    Delta *delta = fixture_span(fixture, node, TODAY + 1);

    delta->kind = kind;
    delta->name = str_from_cstr(code);
    delta->count = count;
    delta->trace_id.bytes[0] = 7;
    delta->start_ns = (uint64_t)(TODAY + 1) * 60000000000U;
    return delta;
}

static void shares_are_judged_by_their_limits(void **state)
{
    Fixture fixture;
    size_t n;

    fixture_init(&fixture, NULL);
    Str web = service(&fixture, "web"), cart = service(&fixture, "cart");
    fixture_span(&fixture, web, TODAY)->count = 200;
    fixture_span(&fixture, cart, TODAY)->count = 200;
    finding(&fixture, web, DELTA_ORPHAN, "", 2); /* exactly 1 % */
    finding(&fixture, cart, DELTA_ORPHAN, "", 3);
    finding(&fixture, web, DELTA_FINDING, "over_spanning", 100); /* exactly half */
    finding(&fixture, cart, DELTA_FINDING, "over_spanning", 101);
    const HealthItem *items = judge(&fixture, &n);
    assert_int_equal(n, 2);
    assert_int_equal(items[0].code, HEALTH_ORPHANS);
    assert_int_equal(items[0].count, 3);
    assert_int_equal(items[0].of, 200);
    assert_int_equal(items[0].example.bytes[0], 7);
    assert_int_equal(items[1].code, HEALTH_OVER_SPANS);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_equal(items[i].node.name, STR("cart")));
    }
    fixture_deinit(&fixture);
}

static void a_queue_without_publishers_is_nobodys_fault(void **state)
{
    Fixture fixture;
    size_t n;

    fixture_init(&fixture, NULL);
    finding(&fixture, queue(&fixture, "orders"), DELTA_FINDING, "broken_queue_context", 4);
    judge(&fixture, &n);
    assert_int_equal(n, 0);
    /* Known from another day. */
    fixture_edge(&fixture, service(&fixture, "web"), RELATION_PUBLISHES, queue(&fixture, "orders"),
                 RULE_MESSAGING, TODAY - 5000);
    const HealthItem *items = judge(&fixture, &n);
    assert_int_equal(n, 1);
    assert_int_equal(items[0].code, HEALTH_BROKEN_QUEUE);
    assert_int_equal(items[0].count, 4);
    assert_int_equal(items[0].node.type, NODE_QUEUE);
    fixture_deinit(&fixture);
}

static void a_split_service_and_an_unnamed_one_are_told(void **state)
{
    Fixture fixture;
    size_t n;

    fixture_init(&fixture, NULL);
    Str prod = fixture_key(
        &fixture, (NodeKey){.type = NODE_SERVICE, .name = STR("web"), .environment = STR("prod")});
    fixture_span(&fixture, prod, TODAY)->count = 10;
    fixture_span(&fixture, service(&fixture, "web"), TODAY)->count = 3;
    fixture_span(&fixture, service(&fixture, "cart"), TODAY)->count = 3;
    fixture_span(&fixture, service_in(&fixture, "web", "other"), TODAY)->count = 3;
    fixture_span(&fixture, service(&fixture, "unknown_service:java"), TODAY)->count = 5;
    const HealthItem *items = judge(&fixture, &n);
    assert_int_equal(n, 2);
    assert_int_equal(items[0].code, HEALTH_UNKNOWN_SERVICE);
    assert_int_equal(items[0].count, 5);
    assert_int_equal(items[1].code, HEALTH_MISSING_ENVIRONMENT);
    assert_int_equal(items[1].count, 3);
    assert_int_equal(items[1].node.namespace.len, 0);
    fixture_deinit(&fixture);
}

static void every_code_says_what_to_change(void **state)
{
    for (HealthCode code = 0; code < HEALTH_CODE_COUNT; code++) {
        assert_true(health_code_name(code).len > 0);
        assert_true(health_code_advice(code).len > 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_judged_by_their_limits),
        cmocka_unit_test(a_queue_without_publishers_is_nobodys_fault),
        cmocka_unit_test(a_split_service_and_an_unnamed_one_are_told),
        cmocka_unit_test(every_code_says_what_to_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
