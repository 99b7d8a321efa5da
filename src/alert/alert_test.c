// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"

#include "alert/alert.h"

/* A map that is watched by one rule, minute by minute: b is the last 5, a the 60 before. */
#define MINUTE UINT64_C(60000000000)
enum { WINDOW = 5, BASELINE = 60 };

typedef struct Watching {
    Fixture fixture;
    AlertRules *rules;
    Alerts alerts;
    uint64_t watching_since_ns;
    size_t n_forgotten;
} Watching;

static void watch(Watching *watching, const AlertRule *rule)
{
    AlertRule item = *rule;
    AlertRuleError error;

    *watching = (Watching){0};
    item.name = STR("rule");
    item.window_minutes = WINDOW;
    item.baseline_minutes = BASELINE;
    fixture_init(&watching->fixture, NULL);
    assert_int_equal(alert_rules_new(&item, 1, &watching->rules, &error), 0);
}

static void unwatch(Watching *watching)
{
    alerts_deinit(&watching->alerts);
    alert_rules_free(watching->rules);
    fixture_deinit(&watching->fixture);
}

/* Looks when minute @now is over. */
static void look(Watching *watching, uint32_t now)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Map *map = watching->fixture.map;
    MapDiff diff;
    MapFlow *a, *b;
    const MapDiffQuestion question = {.filters = {.types = (1U << NODE_NAME) - 1},
                                      .a_from = now - WINDOW - BASELINE,
                                      .a_to = now - WINDOW,
                                      .b_from = now - WINDOW,
                                      .b_to = now,
                                      .complete_to_ns = now * MINUTE};
    AlertFacts facts = {question.a_from, question.b_from, question.b_to, .diff = &diff};
    AlertObservation observation;

    fixture_apply(&watching->fixture);
    assert_int_equal(map_diff(map, &question, &arena, &diff), 0);
    map_flow_list(map, question.a_from, question.a_to, &arena, &a, &facts.n_flows_a);
    map_flow_list(map, question.b_from, question.b_to, &arena, &b, &facts.n_flows_b);
    facts.flows_a = a;
    facts.flows_b = b;
    signals_tell(&facts, &arena, &observation);
    alerts_evaluate(&watching->alerts, watching->rules,
                    &(AlertMoment){&observation, 1, now * MINUTE, watching->watching_since_ns});
}

static void count_forgotten(void *context, uint64_t fingerprint)
{
    ++*(size_t *)context;
}

static void sweep(Watching *watching, uint32_t now)
{
    alerts_sweep(&watching->alerts, now * MINUTE, count_forgotten, &watching->n_forgotten);
}

static void calls(Watching *watching, uint32_t from, uint32_t to, uint32_t a_minute)
{
    for (uint32_t minute = from; minute < to; minute++) {
        for (uint32_t i = 0; i < a_minute; i++) {
            fixture_call(&watching->fixture, "a", "b", minute);
        }
    }
}

static Str label_of(const Watching *watching, const char *name)
{
    return labels_get(&watching->alerts.items[0]->labels, str_from_cstr(name));
}

#define assert_label(watching, name, value)                                                        \
    assert_true(str_equal(label_of((watching), (name)), str_from_cstr(value)))

static void an_edge_that_appears_fires_until_its_window_has_passed(void **state)
{
    Watching watching;

    watch(&watching, &(AlertRule){.kind = ALERT_EDGE_APPEARED});
    fixture_call(&watching.fixture, "x", "y", TODAY);
    look(&watching, TODAY + 20);
    assert_int_equal(watching.alerts.n, 0);
    calls(&watching, TODAY + 20, TODAY + 60, 1);
    look(&watching, TODAY + 21);
    assert_int_equal(watching.alerts.n, 1);
    assert_int_equal(watching.alerts.items[0]->state, ALERT_FIRING);
    assert_label(&watching, "alertname", "rule");
    assert_label(&watching, "source", "a");
    assert_label(&watching, "target", "b");
    look(&watching, TODAY + 25);
    assert_int_equal(watching.alerts.items[0]->state, ALERT_FIRING);
    assert_int_equal(watching.alerts.items[0]->firing_ns, (TODAY + 21) * MINUTE);
    look(&watching, TODAY + 26);
    assert_int_equal(watching.alerts.items[0]->state, ALERT_RESOLVED);
    unwatch(&watching);
}

static void where_nothing_was_before_nothing_appears(void **state)
{
    Watching watching;

    watch(&watching, &(AlertRule){.kind = ALERT_EDGE_APPEARED});
    calls(&watching, TODAY, TODAY + 2, 5);
    look(&watching, TODAY + 3);
    assert_int_equal(watching.alerts.n, 0);
    unwatch(&watching);
}

static void one_that_vanishes_is_told_when_chance_is_ruled_out_and_somebody_watched(void **state)
{
    Watching watching;

    watch(&watching, &(AlertRule){.kind = ALERT_EDGE_VANISHED, .significance = 2});
    calls(&watching, TODAY, TODAY + 50, 30);
    fixture_call(&watching.fixture, "rare", "b", TODAY + 2);
    for (uint32_t minute = TODAY; minute < TODAY + 60; minute++) {
        fixture_call(&watching.fixture, "steady", "b", minute);
    }
    look(&watching, TODAY + 52);
    assert_int_equal(watching.alerts.n, 0);
    watching.watching_since_ns = (TODAY + 51) * MINUTE;
    look(&watching, TODAY + 55);
    assert_int_equal(watching.alerts.n, 0); /* the program was not there for the whole window */
    look(&watching, TODAY + 56);
    assert_int_equal(watching.alerts.n, 1);
    assert_label(&watching, "source", "a");
    watching.watching_since_ns = (TODAY + 55) * MINUTE; /* a restart: it stays what it was */
    look(&watching, TODAY + 57);
    assert_int_equal(watching.alerts.items[0]->state, ALERT_FIRING);
    watching.watching_since_ns = 0;
    calls(&watching, TODAY + 57, TODAY + 58, 30);
    look(&watching, TODAY + 58);
    assert_int_equal(watching.alerts.items[0]->state, ALERT_RESOLVED);
    unwatch(&watching);
}

static void what_changes_has_a_direction(void **state)
{
    AlertLabel match[] = {{STR("change"), STR("latency")}, {STR("direction"), STR("up")}};
    Watching watching;

    watch(&watching, &(AlertRule){.kind = ALERT_EDGE_CHANGED, .match = {match, 2}});
    calls(&watching, TODAY, TODAY + 60, 50);
    look(&watching, TODAY + 60);
    assert_int_equal(watching.alerts.n, 0);
    for (uint32_t i = 0; i < 250; i++) {
        fixture_call(&watching.fixture, "a", "b", TODAY + 60 + i / 50)->duration_ns = 90000000;
    }
    look(&watching, TODAY + 65);
    assert_int_equal(watching.alerts.n, 1);
    assert_label(&watching, "change", "latency");
    assert_label(&watching, "direction", "up");
    assert_true(watching.alerts.items[0]->b > watching.alerts.items[0]->a);
    unwatch(&watching);
}

static void it_fires_only_after_its_time(void **state)
{
    Watching watching;

    watch(&watching, &(AlertRule){.kind = ALERT_EDGE_APPEARED, .for_ns = 2 * MINUTE});
    fixture_call(&watching.fixture, "x", "y", TODAY);
    calls(&watching, TODAY + 20, TODAY + 21, 1);
    look(&watching, TODAY + 21);
    look(&watching, TODAY + 22);
    assert_int_equal(watching.alerts.items[0]->state, ALERT_PENDING);
    assert_false(alert_is_due(watching.alerts.items[0], 0, (TODAY + 22) * MINUTE));
    look(&watching, TODAY + 23);
    assert_int_equal(watching.alerts.items[0]->state, ALERT_FIRING);
    assert_int_equal(watching.alerts.items[0]->firing_ns, (TODAY + 23) * MINUTE);
    unwatch(&watching);
}

static void a_receiver_is_told_once_again_after_hours_and_when_it_is_over(void **state)
{
    Watching watching;

    watch(&watching, &(AlertRule){.kind = ALERT_EDGE_APPEARED});
    fixture_call(&watching.fixture, "x", "y", TODAY);
    calls(&watching, TODAY + 20, TODAY + 21, 1);
    look(&watching, TODAY + 21);
    Alert *alert = watching.alerts.items[0];
    assert_true(alert_is_due(alert, 3, (TODAY + 21) * MINUTE));
    alert->told_firing = 1U << 3;
    alert->told_ns[3] = (TODAY + 21) * MINUTE;
    assert_false(alert_is_due(alert, 3, (TODAY + 22) * MINUTE));
    assert_true(alert_is_due(alert, 4, (TODAY + 22) * MINUTE));
    assert_true(alert_is_due(alert, 3, (TODAY + 21) * MINUTE + ALERT_REPEAT_NS));
    look(&watching, TODAY + 40);
    assert_true(alert_is_due(alert, 3, (TODAY + 40) * MINUTE));
    assert_false(alert_is_due(alert, 4, (TODAY + 40) * MINUTE)); /* it never knew */
    sweep(&watching, TODAY + 41);
    assert_int_equal(watching.alerts.n, 1);
    alert->told_resolved = 1U << 3;
    sweep(&watching, TODAY + 41);
    assert_int_equal(watching.alerts.n, 0);
    assert_int_equal(watching.n_forgotten, 1);
    assert_int_equal(watching.alerts.untold, 0);
    unwatch(&watching);
}

static void what_nobody_takes_is_forgotten_and_counted(void **state)
{
    Watching watching;

    watch(&watching, &(AlertRule){.kind = ALERT_EDGE_APPEARED});
    fixture_call(&watching.fixture, "x", "y", TODAY);
    calls(&watching, TODAY + 20, TODAY + 21, 1);
    look(&watching, TODAY + 21);
    watching.alerts.items[0]->told_firing = 1;
    look(&watching, TODAY + 40);
    sweep(&watching, TODAY + 54);
    assert_int_equal(watching.alerts.n, 1);
    sweep(&watching, TODAY + 55);
    assert_int_equal(watching.alerts.n, 0);
    assert_int_equal(watching.alerts.untold, 1);
    unwatch(&watching);
}

static void it_is_the_same_when_it_was_written_down_and_read(void **state)
{
    CLEANUP(buf_deinit) Buf first = {0}, second = {0};
    const Str names[ALERT_RECEIVERS_MAX] = {STR("a"), STR("b")};
    Alerts restored = {0};
    Watching watching;

    watch(&watching, &(AlertRule){.kind = ALERT_EDGE_APPEARED});
    fixture_call(&watching.fixture, "x", "y", TODAY);
    calls(&watching, TODAY + 20, TODAY + 21, 1);
    look(&watching, TODAY + 21);
    Alert *alert = watching.alerts.items[0];
    alert->told_firing = 2;
    alert->told_ns[1] = 12345;
    alert_keep(alert, names, &first);
    assert_int_equal(alert_restore(&restored, alert->fingerprint, buf_str(&first), names), 0);
    alert_keep(restored.items[0], names, &second);
    assert_string_equal(buf_cstr(&first), buf_cstr(&second));
    assert_int_equal(restored.items[0]->told_firing, 2);
    assert_int_equal(alert_restore(&restored, alert->fingerprint, buf_str(&first), names), 1);
    assert_int_equal(alert_restore(&restored, 1, STR("{\"state\":7}"), names), 1);
    alerts_deinit(&restored);
    unwatch(&watching);
}

static void there_are_no_more_than_the_limit(void **state)
{
    Alerts alerts = {0};

    for (uint64_t i = 0; i < ALERTS_MAX; i++) {
        assert_non_null(alerts_add(&alerts, i));
    }
    assert_null(alerts_add(&alerts, ALERTS_MAX));
    assert_int_equal(alerts.dropped, 1);
    alerts_deinit(&alerts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edge_that_appears_fires_until_its_window_has_passed),
        cmocka_unit_test(where_nothing_was_before_nothing_appears),
        cmocka_unit_test(one_that_vanishes_is_told_when_chance_is_ruled_out_and_somebody_watched),
        cmocka_unit_test(what_changes_has_a_direction),
        cmocka_unit_test(it_fires_only_after_its_time),
        cmocka_unit_test(a_receiver_is_told_once_again_after_hours_and_when_it_is_over),
        cmocka_unit_test(what_nobody_takes_is_forgotten_and_counted),
        cmocka_unit_test(it_is_the_same_when_it_was_written_down_and_read),
        cmocka_unit_test(there_are_no_more_than_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
