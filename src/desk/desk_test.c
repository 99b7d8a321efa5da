// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/log.h"
#include "desk/desk.h"

static char directory[64], path[96];

static int set_up(void **state)
{
    snprintf(directory, sizeof(directory), "/tmp/weft-desk-test-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/desk.sqlite", directory);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}

static Desk *open_desk(void)
{
    CLEANUP(buf_deinit) Buf why = {0};
    Desk *desk = NULL;

    assert_int_equal(desk_open(path, &desk, &why), 0);
    return desk;
}

static DeskList read_all(Desk *desk, Arena *arena)
{
    DeskList list;

    assert_int_equal(desk_read(desk, STR("view"), arena, &list), 0);
    return list;
}

static void what_was_saved_is_there_again(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    DeskItem items[] = {{STR("b"), STR("{\"x\":1}")}, {STR("a"), STR("'; DROP TABLE item")}};
    const DeskList saved = {items, 2, DESK_ANY_VERSION};
    uint64_t version = 0;
    Desk *desk = open_desk();

    assert_int_equal(read_all(desk, &arena).n_items, 0);
    assert_int_equal(desk_replace(desk, STR("view"), &saved, &version), 0);
    assert_int_equal(version, 1);
    desk_close(desk);
    desk = open_desk();
    DeskList list = read_all(desk, &arena);
    assert_int_equal(list.n_items, 2);
    assert_int_equal(list.version, 1);
    assert_true(str_equal(list.items[0].key, STR("a")));
    assert_true(str_equal(list.items[0].value, items[1].value));
    assert_int_equal(desk_read(desk, STR("other"), &arena, &list), 0);
    assert_int_equal(list.n_items, 0);
    desk_close(desk);
}

static void who_saves_on_an_old_version_is_told(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    DeskItem item = {STR("a"), STR("1")};
    DeskList list = {&item, 1, 0};
    uint64_t version = 0;
    Desk *desk = open_desk();

    assert_int_equal(desk_replace(desk, STR("view"), &list, &version), 0);
    item.value = STR("2");
    assert_int_equal(desk_replace(desk, STR("view"), &list, &version), DESK_CONFLICT);
    assert_true(str_equal(read_all(desk, &arena).items[0].value, STR("1")));
    list.version = version;
    assert_int_equal(desk_replace(desk, STR("view"), &list, &version), 0);
    assert_true(str_equal(read_all(desk, &arena).items[0].value, STR("2")));
    desk_close(desk);
}

static void merging_leaves_the_others(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const DeskItem first[] = {{STR("a"), STR("1")}, {STR("b"), STR("2")}, {STR("c"), STR("3")}};
    const DeskItem second[] = {{STR("a"), STR("9")}, {STR("b"), {0}}};
    Desk *desk = open_desk();

    assert_int_equal(desk_merge(desk, STR("view"), first, 3), 0);
    assert_int_equal(desk_merge(desk, STR("view"), second, 2), 0);
    DeskList list = read_all(desk, &arena);
    assert_int_equal(list.n_items, 2);
    assert_true(str_equal(list.items[0].value, STR("9")));
    assert_true(str_equal(list.items[1].key, STR("c")));
    assert_int_equal(list.version, 2);
    desk_close(desk);
}

static void limits_leave_everything_as_it_was(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const DeskItem good = {STR("a"), STR("1")};
    char *long_value = calloc(1, DESK_VALUE_MAX + 1);
    const DeskItem bad[] = {{STR("b"), STR("2")},
                            {STR("c"), str_from_bytes(long_value, DESK_VALUE_MAX + 1)}};
    Desk *desk = open_desk();

    assert_int_equal(desk_merge(desk, STR("view"), &good, 1), 0);
    assert_int_equal(desk_merge(desk, STR("view"), bad, 2), -EFBIG);
    assert_int_equal(read_all(desk, &arena).n_items, 1);
    desk_close(desk);
    free(long_value);
}

static void fill_with_text(void)
{
    FILE *file = fopen(path, "w");

    for (int i = 0; i < 1000; i++) {
        fputs("this is no database\n", file);
    }
    fclose(file);
}

/* How many files `damaged/` has. */
static int count_set_aside(void)
{
    char command[128];

    snprintf(command, sizeof(command), "exit $(ls '%s/damaged' 2>/dev/null | wc -l)", directory);
    return WEXITSTATUS(system(command));
}

static void a_file_that_is_none_is_set_aside(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const DeskItem item = {STR("a"), STR("1")};

    fill_with_text();
    log_set_level(LOG_SILENT);
    Desk *desk = open_desk();
    log_set_level(LOG_INFO);
    assert_true(desk_was_damaged(desk));
    assert_int_equal(read_all(desk, &arena).n_items, 0);
    assert_int_equal(desk_merge(desk, STR("view"), &item, 1), 0);
    desk_close(desk);
    assert_int_equal(count_set_aside(), 1);
    desk = open_desk();
    assert_false(desk_was_damaged(desk));
    assert_int_equal(read_all(desk, &arena).n_items, 1);
    desk_close(desk);
}

/* One page of many is damaged, and the file is cut: both are noticed before anybody reads. */
static void damage_inside_is_noticed(void **state)
{
    static char value[3000];
    const off_t cuts[] = {0, 40000};

    mem_fill(value, '7', sizeof(value));
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        Desk *desk = open_desk();

        for (char key = 'a'; key <= 'z'; key++) {
            const DeskItem item = {str_from_bytes(&key, 1), str_from_bytes(value, sizeof(value))};
            assert_int_equal(desk_merge(desk, STR("view"), &item, 1), 0);
        }
        desk_close(desk);
        FILE *file = fopen(path, "r+");
        if (cuts[i] == 0) {
            assert_int_equal(fseek(file, 9 * 4096, SEEK_SET), 0);
            assert_int_equal(fwrite(value, 1, sizeof(value), file), sizeof(value));
        } else {
            assert_int_equal(ftruncate(fileno(file), cuts[i]), 0);
        }
        fclose(file);
        log_set_level(LOG_SILENT);
        desk = open_desk();
        log_set_level(LOG_INFO);
        assert_true(desk_was_damaged(desk));
        desk_close(desk);
        assert_int_equal(count_set_aside(), 1);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
}

static void one_of_a_newer_program_is_refused_and_left(void **state)
{
    CLEANUP(buf_deinit) Buf why = {0};
    sqlite3 *database = NULL;
    Desk *desk = NULL;

    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "PRAGMA user_version = 2", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_int_equal(desk_open(path, &desk, &why), -EPROTO);
    assert_true(why.len > 0);
    assert_int_equal(count_set_aside(), 0);
}

/* As on SIGHUP: the next house opens the file while the one before still has it. */
static void two_may_have_it_at_a_time(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const DeskItem item = {STR("a"), STR("1")};
    Desk *first = open_desk(), *second = open_desk();

    assert_int_equal(desk_merge(first, STR("view"), &item, 1), 0);
    assert_int_equal(read_all(second, &arena).n_items, 1);
    desk_close(first);
    assert_int_equal(desk_merge(second, STR("view"), &item, 1), 0);
    desk_close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_saved_is_there_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_saves_on_an_old_version_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(merging_leaves_the_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_leave_everything_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_none_is_set_aside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_inside_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_of_a_newer_program_is_refused_and_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(two_may_have_it_at_a_time, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
