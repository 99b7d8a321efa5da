// SPDX-License-Identifier: Apache-2.0

/* What goes, and what is too large. */
#include "map/flow/runs_fixture.h"

static void test_what_came_too_long_ago_goes(void **state)
{
    (void)state;
    TablePlan *plan = NEW(TablePlan);
    Rig *rig = NEW(Rig);

    rig_init(rig);
    for (unsigned i = 0; i < 3; i++) {
        add_run(rig, i);
        cut(rig);
        rig->files[i]->written_s = (uint64_t[]){100, 300, 0}[i]; /* 0: not known, stays */
    }
    assert_false(runs_plan(rig->files, rig->n_files, 400, 100, plan));
    assert_true(runs_plan(rig->files, rig->n_files, 400, 200, plan));
    assert_int_equal(plan->n_inputs, 1);
    assert_ptr_equal(plan->inputs[0], rig->files[0]);
    rig->n_emitted = 0;
    assert_int_equal(runs_merge(map_runs(rig->map), plan, &rig->sink), 0);
    assert_int_equal(rig->n_emitted, 0);
    const TablesChange change = {.removed = plan->inputs, .n_removed = plan->n_inputs};
    runs_changed(map_runs(rig->map), NULL, &change);
    assert_int_equal(count_members(rig, 0), 0);
    assert_int_equal(count_members(rig, 1), 1);
    assert_int_equal(count_members(rig, 2), 1);
    rig_deinit(rig);
    mem_free(rig);
    mem_free(plan);
}

/* Else the file of a small system would be as young as its newest run, and stay for ever. */
static void test_months_are_merged_each_by_itself(void **state)
{
    (void)state;
    enum { MONTH_S = 30 * 24 * 3600, FILES = 6 };
    TablePlan *plan = NEW(TablePlan);
    Rig *rig = NEW(Rig);

    rig_init(rig);
    for (unsigned i = 0; i < FILES; i++) {
        add_run(rig, i);
        cut(rig);
        rig->files[i]->written_s = 1 + i / 2 * (uint64_t)MONTH_S; /* two a month */
    }
    assert_true(runs_plan(rig->files, rig->n_files, 2 * (uint64_t)MONTH_S, 0, plan));
    assert_int_equal(plan->n_inputs, 2);
    assert_ptr_equal(plan->inputs[0], rig->files[0]);
    assert_ptr_equal(plan->inputs[1], rig->files[1]);
    assert_true(runs_plan(&rig->files[2], 4, 2 * (uint64_t)MONTH_S, 0, plan));
    assert_ptr_equal(plan->inputs[0], rig->files[2]);
    assert_false(runs_plan(&rig->files[4], 2, 2 * (uint64_t)MONTH_S, 0, plan)); /* goes on */
    rig_deinit(rig);
    mem_free(rig);
    mem_free(plan);
}

/* A constant run id: beyond the limit the run is none for the map, whatever lies where; and it is
 * one again when enough is taken back. */
static void test_a_run_without_end_is_left_out(void **state)
{
    (void)state;
    enum { PIECE = 1 << 14, PIECES = 6 };
    CLEANUP(arena_deinit) Arena arena = {0};
    const Members none = {.arena = &arena};
    Members pieces[PIECES];
    const MapFlowQuestion question = {.name = STR("order"), .to_minute = UINT32_MAX};
    const RunsQuestion list = {.name = STR("order"), .to_ns = UINT64_MAX, .limit = 10};
    RandomSpans random = {.state = 3};
    Rig *rig = NEW(Rig);
    MapFlowAnswer flow;
    RunMembers run;
    RunsPage page;

    rig_init(rig);
    for (unsigned i = 0; i < PIECES; i++) {
        pieces[i] = (Members){.arena = &arena};
        for (unsigned k = 0; k < PIECE; k++) {
            *members_add(&pieces[i]) =
                (Member){.flow = rig->flow,
                         .run_id = STR("always"),
                         .service = rig->service,
                         .step = STR("pay"),
                         .trace_id = {{1, [14] = (uint8_t)i}},
                         .span_id = {{2, [5] = (uint8_t)i, (uint8_t)(k >> 8), (uint8_t)k}},
                         .start_ns = 1760000040000000000U + i * PIECE + k,
                         .end_ns = 1760000040000000000U + i * PIECE + k,
                         .sign = 1};
        }
    }
    log_set_level(LOG_SILENT);
    for (unsigned i = 0; i < PIECES; i++) {
        bool is_large = (i + 1) * PIECE > RUN_MEMBERS_MAX;

        move(rig, &none, &pieces[i]);
        if (i % 2 == 0) {
            cut(rig);
        }
        assert_int_equal(map_flow_ask(rig->map, &question, &arena, &flow),
                         is_large ? MAP_NO_SUCH_NODE : 0);
        assert_int_equal(runs_list(map_runs(rig->map), &list, &arena, &page), 0);
        assert_int_equal(page.n, is_large ? 0 : 1);
        assert_int_equal(runs_read(map_runs(rig->map), rig->flow, STR("always"), &arena, &run), 0);
        assert_int_equal(run.incomplete, is_large);
        assert_int_equal(run.n, MIN((i + 1) * PIECE, (unsigned)RUN_MEMBERS_MAX));
    }
    merge(rig, &random);
    restart(rig); /* what was remembered of it is found again */
    for (unsigned i = PIECES - 1; i > 0; i--) {
        move(rig, &pieces[i], &none);
    }
    assert_int_equal(runs_read(map_runs(rig->map), rig->flow, STR("always"), &arena, &run), 0);
    assert_int_equal(run.n, PIECE);
    assert_false(run.incomplete);
    assert_int_equal(map_flow_ask(rig->map, &question, &arena, &flow), 0);
    assert_int_equal(flow.flow.runs, 1);
    assert_int_equal(flow.steps[0].count, PIECE);
    log_set_level(LOG_INFO);
    rig_deinit(rig);
    mem_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_came_too_long_ago_goes),
        cmocka_unit_test(test_months_are_merged_each_by_itself),
        cmocka_unit_test(test_a_run_without_end_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
