// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"

#include "map/flow/flow_history.h"
#include "map/flow/run.h"

static Str flow_key(Fixture *fixture)
{
    return fixture_key(fixture, (NodeKey){.type = NODE_FLOW, .name = STR("order")});
}

/* A run whose steps are the letters of @sequence. */
static void run(Fixture *fixture, const char *sequence, uint32_t minute)
{
    Member members[16];
    size_t n = 0;

    for (; sequence[n] != '\0'; n++) {
        members[n] = (Member){
            .flow = flow_key(fixture),
            .run_id = STR("1"),
            .step = str_from_bytes(&sequence[n], 1),
            .start_ns = ((uint64_t)minute * 60 + n) * UINT64_C(1000000000),
            .end_ns = ((uint64_t)minute * 60 + n) * UINT64_C(1000000000),
            .sign = 1,
        };
    }
    run_contribute(members, n, &fixture->deltas);
}

static void runs(Fixture *fixture, const char *sequence, uint32_t from, uint32_t to)
{
    for (uint32_t minute = from; minute < to; minute++) {
        run(fixture, sequence, minute);
    }
}

static MapFlowHistory tell(Fixture *fixture, uint32_t from, uint32_t to, uint32_t step)
{
    const MapFlowHistoryQuestion question = {
        .flow = {.name = STR("order"), .from_minute = from, .to_minute = to},
        .step_minutes = step,
        .complete_to_minute = TODAY + 10000};
    MapFlowHistory history;

    fixture_apply(fixture);
    assert_int_equal(map_flow_history(fixture->map, &question, &fixture->arena, &history), 0);
    return history;
}

/* "version@minute steps/follows +came -went", one behind the other. */
static void assert_versions(const MapFlowHistory *history, const char *expected)
{
    CLEANUP(buf_deinit) Buf got = {0};

    for (size_t i = 0; i < history->n_versions; i++) {
        const MapFlowVersion *version = &history->versions[i];

        buf_append_format(&got, "%s%u %llu/%llu", i == 0 ? "" : "; ",
                          history->points[version->point].minute - TODAY,
                          (unsigned long long)version->steps, (unsigned long long)version->follows);
        for (size_t k = 0; k < version->n_changes; k++) {
            const MapFlowChange *change = &history->changes[version->first_change + k];

            if (change->kind == FLOW_DEPLOYED) {
                buf_append_format(&got, " =%.*s", STR_ARG(change->version));
            } else {
                buf_append_format(&got, " %c%.*s%.*s", change->kind == FLOW_CAME ? '+' : '-',
                                  STR_ARG(change->element->from), STR_ARG(change->element->to));
            }
        }
    }
    assert_string_equal(buf_cstr(&got), expected);
}

static void a_step_comes_and_another_goes(void **state)
{
    Fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    runs(&fixture, "abc", TODAY, TODAY + 60);
    runs(&fixture, "axc", TODAY + 60, TODAY + 120);
    MapFlowHistory history = tell(&fixture, TODAY + 30, TODAY + 120, 1);
    assert_int_equal(history.n_points, 90);
    assert_int_equal(history.points[0].runs, 1);
    assert_versions(&history, "30 3/2; 60 3/2 +x +ax +xc -b -ab -bc");
    assert_true(history.versions[0].shape != history.versions[1].shape);
    assert_true(history.elements[0].intervals[0].before && history.elements[0].intervals[0].on);
    assert_false(history.elements[1].intervals[0].on);
    assert_int_equal(history.elements[1].intervals[0].last, 29);
    fixture_deinit(&fixture);
}

/* Judged by its own past, what one run in ten does is not gone after nine runs without. */
static void what_few_runs_do_does_not_flicker(void **state)
{
    Fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    for (uint32_t minute = TODAY; minute < TODAY + 200; minute++) {
        run(&fixture, minute % 10 == 5 ? "axc" : "ac", minute);
    }
    runs(&fixture, "ac", TODAY + 200, TODAY + 400);
    MapFlowHistory history = tell(&fixture, TODAY, TODAY + 400, 1);
    assert_versions(&history, "0 2/1 +a +c +ac; 5 3/3 +x +ax +xc; 196 2/1 -x -ax -xc");
    assert_true(history.versions[0].shape == history.versions[2].shape);
    fixture_deinit(&fixture);
}

static void a_flow_that_rests_keeps_its_shape(void **state)
{
    Fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    runs(&fixture, "ab", TODAY, TODAY + 20);
    runs(&fixture, "ab", TODAY + 900, TODAY + 920);
    MapFlowHistory history = tell(&fixture, TODAY, TODAY + 1000, 10);
    assert_versions(&history, "0 2/1 +a +b +ab");
    history = tell(&fixture, TODAY + 100, TODAY + 200, 10);
    assert_versions(&history, "100 2/1");
    fixture_deinit(&fixture);
}

/* Within the presence gap, and before everything is known, nothing is gone. */
static void an_absence_must_be_certain(void **state)
{
    Fixture fixture;
    MapFlowHistoryQuestion question = {
        .flow = {.name = STR("order"), .from_minute = TODAY, .to_minute = TODAY + 60},
        .step_minutes = 1};
    MapFlowHistory history;

    (void)state;
    fixture_init(&fixture, NULL);
    runs(&fixture, "ab", TODAY, TODAY + 30);
    for (int i = 0; i < 30; i++) {
        runs(&fixture, "a", TODAY + 30, TODAY + 40);
    }
    fixture_apply(&fixture);
    question.complete_to_minute = TODAY + 35; /* five minutes without b: the gap */
    assert_int_equal(map_flow_history(fixture.map, &question, &fixture.arena, &history), 0);
    assert_versions(&history, "0 2/1 +a +b +ab");
    question.complete_to_minute = TODAY + 36;
    assert_int_equal(map_flow_history(fixture.map, &question, &fixture.arena, &history), 0);
    assert_versions(&history, "0 2/1 +a +b +ab; 30 1/0 -b -ab");
    question.flow.name = STR("other");
    assert_int_equal(map_flow_history(fixture.map, &question, &fixture.arena, &history),
                     MAP_NO_SUCH_NODE);
    fixture_deinit(&fixture);
}

static void performs(Fixture *fixture, const char *name, const char *step)
{
    Delta *delta = fixture_span(fixture, service(fixture, name), TODAY);

    delta->kind = DELTA_EDGE;
    delta->relation = RELATION_PERFORMS;
    delta->rule = RULE_FLOW;
    delta->target = fixture_key(
        fixture, (NodeKey){.type = NODE_STEP, .name = STR("order"), .part = str_from_cstr(step)});
}

static void version(Fixture *fixture, const char *name, Str value, uint32_t minute)
{
    Delta *delta = fixture_span(fixture, service(fixture, name), minute);

    delta->kind = DELTA_LABEL;
    delta->name = STR("service.version");
    delta->value = value;
}

/* Only those of services that perform its steps; the one before the window is none. */
static void deploys_are_told_beside_the_versions(void **state)
{
    Fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    runs(&fixture, "ab", TODAY, TODAY + 60);
    runs(&fixture, "abc", TODAY + 60, TODAY + 120);
    performs(&fixture, "shop", "a");
    version(&fixture, "shop", STR("1"), TODAY);
    version(&fixture, "shop", STR("2"), TODAY + 58);
    version(&fixture, "shop", STR("3"), TODAY + 90);
    version(&fixture, "mail", STR("7"), TODAY + 58);
    MapFlowHistory history = tell(&fixture, TODAY + 30, TODAY + 120, 1);
    assert_versions(&history, "30 2/1; 60 3/2 =2 +c +bc");
    assert_int_equal(history.n_changes, 4);
    assert_int_equal(history.changes[3].minute, TODAY + 90);
    fixture_deinit(&fixture);
}

/* "sequence: from-to", of the intervals: before the window -, ongoing +. */
static void assert_variants(const MapFlowHistory *history, const char *expected)
{
    CLEANUP(buf_deinit) Buf got = {0};

    for (size_t i = 0; i < history->n_variants; i++) {
        const MapFlowVariantLife *variant = &history->variants[i];
        Str rest = variant->key, step;
        bool cut = false;

        buf_append_format(&got, "%s", i == 0 ? "" : "; ");
        while (variant_take(&rest, &step, &cut) == 0) {
            buf_append_str(&got, step);
        }
        buf_append_format(&got, "*%llu@%u", (unsigned long long)variant->runs,
                          variant->first_minute - TODAY);
        for (size_t k = 0; k < variant->n_intervals; k++) {
            const MapFlowInterval *interval = &variant->intervals[k];

            buf_append_format(&got, " %s%u-%u%s", interval->before ? "-" : "", interval->first,
                              interval->last, interval->on ? "+" : "");
        }
    }
    assert_string_equal(buf_cstr(&got), expected);
}

static void variants_come_and_go(void **state)
{
    Fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    runs(&fixture, "abc", TODAY, TODAY + 80);
    runs(&fixture, "ac", TODAY + 40, TODAY + 60);
    runs(&fixture, "acb", TODAY + 60, TODAY + 120);
    MapFlowHistory history = tell(&fixture, TODAY + 50, TODAY + 120, 1);
    assert_variants(&history, "abc*80@0 -0-29; acb*60@60 10-69+; ac*20@40 -0-9");
    assert_false(history.variants_differ);
    fixture_deinit(&fixture);
}

/* Then that one comes or goes says nothing. */
static void of_runs_that_all_differ_no_variants_are_told(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    Fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    for (uint32_t i = 0; i < 26; i++) {
        const char sequence[] = {letters[i], letters[25 - i], '\0'};

        run(&fixture, sequence, TODAY + i);
    }
    MapFlowHistory history = tell(&fixture, TODAY, TODAY + 30, 1);
    assert_true(history.variants_differ);
    assert_int_equal(history.n_variants, 0);
    runs(&fixture, "ab", TODAY, TODAY + 30);
    history = tell(&fixture, TODAY, TODAY + 30, 1);
    assert_false(history.variants_differ);
    assert_int_equal(history.n_variants, 27);
    fixture_deinit(&fixture);
}

/* However long ago it was. */
static void what_was_there_before_comes_again(void **state)
{
    Fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    runs(&fixture, "axb", TODAY, TODAY + 20);
    runs(&fixture, "ab", TODAY + 20, TODAY + 3000);
    runs(&fixture, "axb", TODAY + 3000, TODAY + 3020);
    runs(&fixture, "ayb", TODAY + 3020, TODAY + 3040);
    MapFlowHistory history = tell(&fixture, TODAY + 2990, TODAY + 3040, 1);
    assert_int_equal(history.looked_back_to, TODAY + 2940);
    for (size_t i = 0; i < history.n_changes; i++) {
        const MapFlowChange *change = &history.changes[i];
        bool is_new =
            str_equal(change->element->from, STR("y")) || str_equal(change->element->to, STR("y"));

        assert_int_equal(change->again, change->kind == FLOW_CAME && !is_new);
        assert_int_equal(change->element->first_minute,
                         is_new ? TODAY + 3020
                         : str_equal(change->element->to, STR("b")) &&
                                 str_equal(change->element->from, STR("a"))
                             ? TODAY + 20
                             : TODAY);
    }
    assert_true(history.n_changes > 6);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_come_and_go),
        cmocka_unit_test(of_runs_that_all_differ_no_variants_are_told),
        cmocka_unit_test(what_was_there_before_comes_again),
        cmocka_unit_test(a_step_comes_and_another_goes),
        cmocka_unit_test(what_few_runs_do_does_not_flicker),
        cmocka_unit_test(a_flow_that_rests_keeps_its_shape),
        cmocka_unit_test(an_absence_must_be_certain),
        cmocka_unit_test(deploys_are_told_beside_the_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
