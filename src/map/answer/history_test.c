// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"

#include "map/answer/history.h"

static MapHistory tell(Fixture *fixture, uint32_t from, uint32_t to, uint32_t step)
{
    const MapHistoryQuestion question = {.filters = {.from_minute = from, .to_minute = to},
                                         .step_minutes = step,
                                         .complete_to_minute = TODAY + 1000};
    MapHistory history;

    fixture_apply(fixture);
    assert_int_equal(map_history(fixture->map, &question, &fixture->arena, &history), 0);
    return history;
}

static size_t count_events(const MapHistory *history, MapEventKind kind, bool is_edge)
{
    size_t n = 0;

    for (size_t i = 0; i < history->n_events; i++) {
        n += history->events[i].kind == kind && history->events[i].is_edge == is_edge;
    }
    return n;
}

static const MapEvent *first_event(const MapHistory *history, MapEventKind kind, bool is_edge)
{
    for (size_t i = 0; i < history->n_events; i++) {
        if (history->events[i].kind == kind && history->events[i].is_edge == is_edge) {
            return &history->events[i];
        }
    }
    return NULL;
}

static Delta *request(Fixture *fixture, const char *name, uint32_t minute)
{
    Delta *delta = fixture_span(fixture, service(fixture, name), minute);

    delta->kind = DELTA_REQUEST;
    delta->name = STR("GET /");
    return delta;
}

static void steps_count_what_is_there(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    for (uint32_t minute = TODAY; minute < TODAY + 20; minute++) {
        fixture_call(&fixture, "web", "cart", minute);
        request(&fixture, "web", minute)->errors = minute == TODAY + 3;
    }
    fixture_call(&fixture, "web", "mail", TODAY + 12);
    MapHistory history = tell(&fixture, TODAY, TODAY + 20, 10);
    assert_int_equal(history.n_steps, 2);
    assert_int_equal(history.steps[0].nodes, 2);
    assert_int_equal(history.steps[0].edges, 1);
    assert_int_equal(history.steps[0].requests, 10);
    assert_int_equal(history.steps[0].errors, 1);
    assert_int_equal(history.steps[1].minute, TODAY + 10);
    assert_int_equal(history.steps[1].nodes, 3);
    assert_int_equal(history.steps[1].edges, 2);
    assert_int_equal(history.steps[1].errors, 0);
    fixture_deinit(&fixture);
}

/* The gap of five minutes ends nothing; what was there before the window does not appear in it. */
static void coming_and_going_is_told_once(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    for (uint32_t minute = TODAY; minute < TODAY + 60; minute++) {
        fixture_call(&fixture, "web", "cart", minute);
    }
    fixture_call(&fixture, "web", "mail", TODAY + 20);
    fixture_call(&fixture, "web", "mail", TODAY + 26); /* the same presence */
    fixture_call(&fixture, "web", "mail", TODAY + 33); /* a new one */
    MapHistory history = tell(&fixture, TODAY + 10, TODAY + 50, 1);
    assert_int_equal(count_events(&history, MAP_APPEARED, true), 2);
    assert_int_equal(count_events(&history, MAP_VANISHED, true), 2);
    assert_int_equal(count_events(&history, MAP_APPEARED, false), 2);
    const MapEvent *came = first_event(&history, MAP_APPEARED, true);
    const MapEvent *went = first_event(&history, MAP_VANISHED, true);
    assert_int_equal(came->step, 10);
    assert_int_equal(went->step, 17);
    assert_true(str_equal(came->node.name, STR("web")));
    assert_true(str_equal(came->target.name, STR("mail")));
    assert_int_equal(history.steps[10].n_events, 2); /* the node, then the edge */
    assert_false(history.events[history.steps[10].first_event].is_edge);
    fixture_deinit(&fixture);
}

static void nothing_vanishes_before_its_gap_is_over(void **state)
{
    Fixture fixture;
    MapHistoryQuestion question = {.filters = {.from_minute = TODAY, .to_minute = TODAY + 20},
                                   .step_minutes = 1,
                                   .complete_to_minute = TODAY + 10};
    MapHistory history;

    fixture_init(&fixture, NULL);
    fixture_call(&fixture, "web", "cart", TODAY + 5);
    fixture_apply(&fixture);
    assert_int_equal(map_history(fixture.map, &question, &fixture.arena, &history), 0);
    assert_int_equal(count_events(&history, MAP_VANISHED, true), 0);
    question.complete_to_minute = TODAY + 12;
    assert_int_equal(map_history(fixture.map, &question, &fixture.arena, &history), 0);
    assert_int_equal(count_events(&history, MAP_VANISHED, true), 1);
    fixture_deinit(&fixture);
}

static void a_version_is_told_when_it_is_new(void **state)
{
    Fixture fixture;
    const uint32_t minutes[] = {TODAY + 2, TODAY + 30, TODAY + 31};

    fixture_init(&fixture, NULL);
    for (uint32_t i = 0; i < ARRAY_LEN(minutes); i++) {
        Delta *label = fixture_span(&fixture, service(&fixture, "web"), minutes[i]);

        label->kind = DELTA_LABEL;
        label->name = STR("service.version");
        label->value = i == 0 ? STR("1.0") : STR("1.1");
        request(&fixture, "web", minutes[i]);
    }
    MapHistory history = tell(&fixture, TODAY + 10, TODAY + 60, 10);
    assert_int_equal(count_events(&history, MAP_DEPLOYED, false), 1);
    const MapEvent *deployed = first_event(&history, MAP_DEPLOYED, false);
    assert_int_equal(deployed->step, 2);
    assert_true(str_equal(deployed->version, STR("1.1")));
    fixture_deinit(&fixture);
}

static void windows_at_the_edge_of_time_are_answered(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    fixture_call(&fixture, "web", "cart", 2);
    assert_int_equal(tell(&fixture, 0, 10, 1).steps[2].edges, 1);
    assert_int_equal(tell(&fixture, 5, 5, 1).n_steps, 0);
    assert_int_equal(tell(&fixture, 0, 10, 1000).steps[0].edges, 1);
    assert_int_equal(tell(&fixture, 0, UINT32_MAX, 1).n_steps, MAP_HISTORY_STEPS_MAX);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_count_what_is_there),
        cmocka_unit_test(coming_and_going_is_told_once),
        cmocka_unit_test(nothing_vanishes_before_its_gap_is_over),
        cmocka_unit_test(a_version_is_told_when_it_is_new),
        cmocka_unit_test(windows_at_the_edge_of_time_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
