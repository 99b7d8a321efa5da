// SPDX-License-Identifier: Apache-2.0

/* Files that cannot be read, or not yet. */
#include "map/flow/runs_fixture.h"

/* Wherever the damage is: a file is refused, or answers have what can be read and say what lacks,
 * and it is left alone from then on. */
static void test_a_damaged_file_is_refused_or_told(void **state)
{
    (void)state;
    static const char path[] = "tables/0000000000.parquet";
    Rig *rig = NEW(Rig);
    RandomSpans random = {.state = 7};
    TablePlan *plan = NEW(TablePlan);
    ParseError error;
    unsigned told = 0;

    rig_init(rig);
    while (rig->n_members < 50) {
        random_change(rig, &random);
    }
    cut(rig);
    assert_int_equal(rig->n_files, 1);
    log_set_level(LOG_SILENT);
    for (uint64_t offset = 0; offset < rig->files[0]->bytes; offset += 13) {
        TableInfo info = rig->files[0]->info;
        TableFile *file = table_file_new(rig->fs, 0, rig->files[0]->bytes, &info);
        Runs *runs = runs_new();

        assert_int_equal(fs_sim_damage(rig->sim, path, offset), 0);
        if (runs_load(runs, file, &error) == 0) {
            CLEANUP(arena_deinit) Arena arena = {0};
            const RunsQuestion question = {.name = STR("order"), .to_ns = UINT64_MAX, .limit = 100};
            RunsPage page;
            RunMembers run;
            bool incomplete = false;
            RunsStatus status;

            assert_int_equal(runs_list(runs, &question, &arena, &page), 0);
            for (unsigned i = 0; i < RUN_IDS; i++) {
                assert_int_equal(runs_read(runs, rig->flow, run_id(rig, i), &arena, &run), 0);
                incomplete |= run.incomplete;
            }
            *plan = (TablePlan){.inputs = {file}, .n_inputs = 1};
            rig->n_emitted = 0;
            if (runs_merge(runs, plan, &rig->sink) == 0) {
                table_file_unref(rig->emitted[0]);
            }
            runs_status(runs, &status);
            assert_true(status.damaged_files == 1 || !(incomplete || page.incomplete));
            told += incomplete || page.incomplete;
        }
        runs_free(runs);
        table_file_unref(file);
        assert_int_equal(fs_sim_damage(rig->sim, path, offset), 0);
    }
    log_set_level(LOG_INFO);
    assert_true(told > 0);
    mem_free(plan);
    rig_deinit(rig);
    mem_free(rig);
}

/* Nobody knows what a run added of which a part cannot be read: it stays. */
static void test_a_run_in_a_damaged_file_stays_on_the_map(void **state)
{
    (void)state;
    static const char path[] = "tables/0000000000.parquet";
    CLEANUP(buf_deinit) Buf before = {0};
    CLEANUP(buf_deinit) Buf after = {0};
    Rig *rig = NEW(Rig);
    RunsStatus status;

    rig_init(rig);
    add_run(rig, 1);
    cut(rig);
    dump_sums(rig->map, &before);
    log_set_level(LOG_SILENT);
    for (uint64_t offset = 4; offset < 200; offset++) {
        assert_int_equal(fs_sim_damage(rig->sim, path, offset), 0);
    }
    add_run(rig, 1);
    dump_sums(rig->map, &after);
    assert_true(dumps_equal(&before, &after, 0));
    for (uint64_t offset = 4; offset < 200; offset++) { /* whole again */
        assert_int_equal(fs_sim_damage(rig->sim, path, offset), 0);
    }
    add_run(rig, 1);
    buf_clear(&after);
    dump_sums(rig->map, &after);
    assert_true(dumps_equal(&before, &after, 0));
    runs_status(map_runs(rig->map), &status);
    assert_int_equal(status.left_changes, 2);
    log_set_level(LOG_INFO);
    rig_deinit(rig);
    mem_free(rig);
}

/* A disk that stumbles is asked again before that is taken for damage. */
static void test_a_read_error_puts_a_run_off(void **state)
{
    (void)state;
    CLEANUP(buf_deinit) Buf expected = {0};
    CLEANUP(buf_deinit) Buf got = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    Rig *rig = NEW(Rig), *other = NEW(Rig);
    const Members none = {.arena = &arena};
    RunsStatus status;
    RunMembers run;

    rig_init(rig);
    rig_init(other);
    add_run(other, 1);
    add_run(other, 1);
    dump_map(other->map, &expected);
    add_run(rig, 1);
    cut(rig);
    log_set_level(LOG_SILENT);
    for (unsigned i = 0; i < 2; i++) {
        Deltas minus = {.arena = &arena};
        Deltas plus = {.arena = &arena};
        Members members = {.arena = &arena};

        *members_add(&members) = (Member){.flow = rig->flow,
                                          .run_id = run_id(rig, 1),
                                          .service = rig->service,
                                          .step = STR("pay"),
                                          .sign = 1};
        fs_sim_fail(rig->sim, FS_SIM_READ, 0, 1000, EIO);
        assert_int_equal(runs_prepare(map_runs(rig->map), &none, &members, &minus, &plus), -EIO);
    }
    assert_int_equal(runs_read(map_runs(rig->map), rig->flow, run_id(rig, 1), &arena, &run), 0);
    runs_status(map_runs(rig->map), &status);
    assert_true(run.incomplete && status.damaged_files == 1);
    fs_sim_fail(rig->sim, FS_SIM_READ, 0, 0, EIO);
    add_run(rig, 1);
    dump_map(rig->map, &got);
    assert_true(dumps_equal(&expected, &got, 0));
    runs_status(map_runs(rig->map), &status);
    assert_int_equal(status.damaged_files + status.left_changes, 0);
    log_set_level(LOG_INFO);
    rig_deinit(rig);
    rig_deinit(other);
    mem_free(rig);
    mem_free(other);
}

/* A table that cannot be opened when it was written, nor merged from: nothing is missing. */
static void test_what_cannot_be_opened_yet_is_not_missing(void **state)
{
    (void)state;
    RandomSpans random = {.state = 3};
    Rig *rig = NEW(Rig);
    RunsStatus status;

    rig_init(rig);
    log_set_level(LOG_SILENT);
    for (unsigned i = 0; i < 3; i++) {
        add_run(rig, i);
        fs_sim_fail(rig->sim, FS_SIM_READ, 0, 1000, EMFILE);
        cut(rig);
        fs_sim_fail(rig->sim, FS_SIM_READ, 0, 0, EMFILE);
        for (unsigned k = 0; k <= i; k++) {
            assert_int_equal(count_members(rig, k), 1);
        }
    }
    while (rig->n_files == 3) { /* some of them */
        merge(rig, &random);
    }
    for (unsigned k = 0; k < 3; k++) {
        assert_int_equal(count_members(rig, k), 1);
    }
    runs_open_late(map_runs(rig->map));
    for (unsigned k = 0; k < 3; k++) {
        assert_int_equal(count_members(rig, k), 1);
    }
    runs_status(map_runs(rig->map), &status);
    assert_int_equal(status.files, rig->n_files);
    assert_int_equal(status.open_changes, 0);
    log_set_level(LOG_INFO);
    rig_deinit(rig);
    mem_free(rig);
}

static void test_a_damaged_file_is_planned_no_more(void **state)
{
    (void)state;
    TablePlan *plan = NEW(TablePlan);
    Rig *rig = NEW(Rig);

    rig_init(rig);
    for (unsigned i = 0; i < 17; i++) {
        add_run(rig, i);
        cut(rig);
    }
    assert_true(runs_plan(rig->files, rig->n_files, 0, 0, plan));
    atomic_store(&plan->inputs[0]->damaged, true);
    assert_false(runs_plan(rig->files, rig->n_files, 0, 0, plan)); /* sixteen are few enough */
    add_run(rig, 17);
    cut(rig);
    assert_true(runs_plan(rig->files, rig->n_files, 0, 0, plan));
    for (size_t i = 0; i < plan->n_inputs; i++) {
        assert_false(atomic_load(&plan->inputs[i]->damaged));
    }
    rig_deinit(rig);
    mem_free(rig);
    mem_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_damaged_file_is_refused_or_told),
        cmocka_unit_test(test_a_run_in_a_damaged_file_stays_on_the_map),
        cmocka_unit_test(test_a_read_error_puts_a_run_off),
        cmocka_unit_test(test_what_cannot_be_opened_yet_is_not_missing),
        cmocka_unit_test(test_a_damaged_file_is_planned_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
