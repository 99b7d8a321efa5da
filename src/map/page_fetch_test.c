// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/log.h"
#include "map/map_inside.h"
#include "map/page_load.h"
#include "map/tiers_fixture.h"

/* While somebody waits for a slow disk, nobody else does. */

/* A file system in which opening waits until the gate is open. */
typedef struct Gate {
    FileSystem fs; /* first */
    FileSystemOps ops;
    FileSystem *inner;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_open;
    int n_waiting;
} Gate;

static int open_behind(FileSystem *fs, const char *path, FileMode mode, File **ret_file)
{
    Gate *gate = (Gate *)fs;

    pthread_mutex_lock(&gate->mutex);
    gate->n_waiting++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->is_open) {
        pthread_cond_wait(&gate->changed, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
    return gate->inner->ops->open(gate->inner, path, mode, ret_file);
}

static void gate_init(Gate *gate, FileSystem *inner)
{
    *gate = (Gate){.inner = inner, .ops = *inner->ops};
    gate->ops.open = open_behind;
    gate->fs.ops = &gate->ops;
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

static void gate_deinit(Gate *gate)
{
    pthread_mutex_destroy(&gate->mutex);
    pthread_cond_destroy(&gate->changed);
}

static void gate_await(Gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    while (gate->n_waiting == 0) {
        pthread_cond_wait(&gate->changed, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
}

static void gate_open(Gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

/* A map whose first days are in files only, all of them behind a gate. */
typedef struct World {
    Fixture fixture;
    Disk disk;
    Gate gate;
    MapOptions options;
} World;

static void world_init(World *world)
{
    *world = (World){.options = {.cut_files_max = 1, .cells_bytes_max = 1}};
    fixture_init(&world->fixture, &world->options);
    disk_init(&world->disk);
    for (uint32_t day = 0; day < 3; day++) {
        for (uint32_t i = 0; i < 5 * 60; i++) {
            fixture_call(&world->fixture, "web", "cart", TODAY + day * 1440 + i);
        }
        fixture_apply(&world->fixture);
        cut(&world->disk, world->fixture.map);
    }
    while (merge(&world->disk, world->fixture.map)) {
    }
    world->fixture.map = restart(&world->disk, world->fixture.map, &world->options);
    gate_init(&world->gate, fs_sim_fs(world->disk.sim));
    for (size_t i = 0; i < world->disk.n_files; i++) {
        world->disk.files[i]->fs = &world->gate.fs;
    }
}

static void world_deinit(World *world)
{
    for (size_t i = 0; i < world->disk.n_files; i++) {
        world->disk.files[i]->fs = world->gate.inner;
    }
    fixture_deinit(&world->fixture);
    disk_deinit(&world->disk);
    gate_deinit(&world->gate);
}

static void *ask_by_minute(void *context)
{
    World *world = context;
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapSteps steps = {TODAY + 1, TODAY + 2 * 1440 + 100, 1};
    MapPoint *points;
    uint64_t count = 0;
    size_t n;

    MapQuestion question = {.from_minute = steps.from_minute, .to_minute = steps.to_minute};
    MapAnswer answer;
    assert_int_equal(map_ask(world->fixture.map, &question, &arena, &answer), 0);
    assert_int_equal(
        map_edge_series(world->fixture.map, answer.edges[0].id, &steps, &arena, &points, &n), 0);
    for (size_t i = 0; i < n; i++) {
        count += points[i].count;
    }
    assert_int_equal(count, 299 + 300 + 100);
    return NULL;
}

/* Deltas and questions about what is in memory, while a question's files are read. */
static void work_meanwhile(World *world)
{
    Fixture *fixture = &world->fixture;
    const uint32_t later = TODAY + 10 * 1440;

    fixture_call(fixture, "web", "pay", later);
    fixture_apply(fixture);
    MapAnswer answer =
        fixture_ask(fixture, (MapQuestion){.from_minute = later, .to_minute = later + 60});
    assert_int_equal(answer.n_edges, 1);
    assert_int_equal(answer.edges[0].count, 1);
}

static void a_question_that_reads_files_holds_up_nobody(void **state)
{
    World world;
    pthread_t thread;

    world_init(&world);
    assert_int_equal(pthread_create(&thread, NULL, ask_by_minute, &world), 0);
    gate_await(&world.gate);
    work_meanwhile(&world);
    gate_open(&world.gate);
    assert_int_equal(pthread_join(thread, NULL), 0);
    world_deinit(&world);
}

static void *cut_late(void *context)
{
    World *world = context;

    tiers_free(world->fixture.map, map_cut(world->fixture.map));
    return NULL;
}

/* A late span: its hour is read when it goes into the cold series, here with a cut. */
static void a_late_span_that_reads_files_holds_up_nobody(void **state)
{
    World world;
    pthread_t thread;

    world_init(&world);
    fixture_call(&world.fixture, "web", "cart", TODAY + 7);
    fixture_apply(&world.fixture);
    assert_int_equal(pthread_create(&thread, NULL, cut_late, &world), 0);
    gate_await(&world.gate);
    fixture_call(&world.fixture, "web", "pay", TODAY + 10 * 1440);
    fixture_apply(&world.fixture);
    assert_true(map_version(world.fixture.map) > 0);
    gate_open(&world.gate);
    assert_int_equal(pthread_join(thread, NULL), 0);
    MapAnswer answer = fixture_ask(&world.fixture,
                                   (MapQuestion){.from_minute = TODAY + 7, .to_minute = TODAY + 8});
    assert_int_equal(answer.edges[0].count, 2);
    world_deinit(&world);
}

/* --- While others let go what is loaded --- */

/* A file system in which each opening lets go of all hours, unless somebody has the lock. */
typedef struct Thief {
    FileSystem fs; /* first */
    FileSystemOps ops;
    FileSystem *inner;
    Map *map;
    int n_opened;
} Thief;

static int open_and_evict(FileSystem *fs, const char *path, FileMode mode, File **ret_file)
{
    Thief *thief = (Thief *)fs;

    thief->n_opened++;
    if (pthread_rwlock_trywrlock(&thief->map->lock) == 0) {
        pages_shrink(&thief->map->pages, (PageWindow){0});
        map_unlock(thief->map);
    }
    return thief->inner->ops->open(thief->inner, path, mode, ret_file);
}

/* So large that each part of a window has one day. */
static void give_to_thief(World *world, Thief *thief)
{
    FileSystem *inner = world->gate.inner;

    *thief = (Thief){.inner = inner, .ops = *inner->ops, .map = world->fixture.map};
    thief->ops.open = open_and_evict;
    thief->fs.ops = &thief->ops;
    for (size_t i = 0; i < world->disk.n_files; i++) {
        world->disk.files[i]->fs = &thief->fs;
        world->disk.files[i]->bytes = PAGE_FETCH_BYTES;
    }
}

static void a_window_that_is_let_go_again_is_read_to_its_end(void **state)
{
    World world;
    Thief thief;

    world_init(&world);
    give_to_thief(&world, &thief);
    ask_by_minute(&world);
    assert_in_range(thief.n_opened, 3, 20 * world.disk.n_files);
    world_deinit(&world);
}

/* --- How much is read beforehand --- */

static const PageWindow by_minute = {TODAY + 1, TODAY + 2 * 1440 + 100, 1};

static void files_are_read_beforehand_up_to_a_limit_of_bytes(void **state)
{
    CLEANUP(page_fetch_deinit) PageFetch fetch = {0};
    World world;
    size_t at = 0;

    world_init(&world);
    gate_open(&world.gate);
    for (size_t i = 0; i < world.disk.n_files; i++) {
        world.disk.files[i]->bytes = PAGE_FETCH_BYTES - 1; /* a day of five hours */
    }
    assert_true(page_fetch_window(&fetch, &world.fixture.map->pages, by_minute, &at));
    assert_in_range(fetch.bytes, PAGE_FETCH_BYTES, PAGE_FETCH_BYTES_MAX);
    ask_by_minute(&world);
    world_deinit(&world);
}

static void files_are_read_beforehand_up_to_a_limit_of_rows(void **state)
{
    CLEANUP(page_fetch_deinit) PageFetch fetch = {0};
    World world;
    size_t at = 0;

    world_init(&world);
    gate_open(&world.gate);
    Pages *pages = &world.fixture.map->pages;
    assert_true(page_fetch_window(&fetch, pages, by_minute, &at));
    fetch.n_rows = PAGE_FETCH_ROWS_MAX;
    page_fetch_read(&fetch);
    for (size_t i = 0; i < fetch.n_files; i++) {
        assert_int_equal(fetch.files[i].rows.count, 0);
    }
    pages->fetched = &fetch; /* what is left is read all the same */
    pages_need_days(pages, by_minute, fetch.days, fetch.n_days);
    pages->fetched = NULL;
    ask_by_minute(&world);
    world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_that_reads_files_holds_up_nobody),
        cmocka_unit_test(a_late_span_that_reads_files_holds_up_nobody),
        cmocka_unit_test(a_window_that_is_let_go_again_is_read_to_its_end),
        cmocka_unit_test(files_are_read_beforehand_up_to_a_limit_of_bytes),
        cmocka_unit_test(files_are_read_beforehand_up_to_a_limit_of_rows),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
