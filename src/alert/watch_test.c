// SPDX-License-Identifier: Apache-2.0
#include "alert/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "os/fs_sim.h"
#include "store/samples.h"

/* Rules of five pairs of windows, and definitions that take 3 s of a clock of our own to read. */
#define READ_NS UINT64_C(3000000000)

static const char *const rules = "[{\"name\":\"a\",\"kind\":\"flow_stopped\",\"window\":\"5m\"},"
                                 "{\"name\":\"b\",\"kind\":\"flow_stopped\",\"window\":\"6m\"},"
                                 "{\"name\":\"c\",\"kind\":\"flow_stopped\",\"window\":\"7m\"},"
                                 "{\"name\":\"d\",\"kind\":\"flow_stopped\",\"window\":\"8m\"},"
                                 "{\"name\":\"e\",\"kind\":\"flow_stopped\",\"window\":\"9m\"}]";

typedef struct World {
    uint64_t now_ns;
    int n_reads;
    Clock clock;
    FsSim *sim;
    Store *store;
    Map *map;
    Assembly *assembly;
    Desk *desk;
    AlertWatch *watch;
    char directory[32], path[64]; /* of the desk */
} World;

static int read_slowly(void *context, Arena *arena, FlowDefinition **ret_items, size_t *ret_n)
{
    World *world = context;

    world->n_reads++;
    world->now_ns += READ_NS;
    *ret_items = ARENA_NEW(arena, FlowDefinition);
    *ret_n = 0;
    return 0;
}

static void world_open(World *world)
{
    CLEANUP(buf_deinit) Buf text = {0};
    const char *why = NULL;

    *world = (World){.now_ns = sample_base_ns, .directory = "/tmp/weft-watch-XXXXXX"};
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->path, sizeof(world->path), "%s/desk.sqlite", world->directory);
    world->clock = clock_manual(&world->now_ns);
    world->sim = fs_sim_new(1);
    const StoreOptions options = {.fs = fs_sim_fs(world->sim),
                                  .decode = sample_decode,
                                  .clock = &world->clock,
                                  .commit_delay_us = 1};
    assert_int_equal(store_open(&options, &world->store, &why), 0);
    world->map = map_new(&(MapOptions){0});
    world->assembly = assembly_new(&(AssemblyOptions){.map = world->map, .clock = &world->clock});
    assert_int_equal(desk_open(world->path, &world->desk, &text), 0);
}

static void world_watch(World *world)
{
    CLEANUP(buf_deinit) Buf why = {0};
    const AlertWatchOptions options = {
        .defined = {.store = world->store, .read = read_slowly, .context = world},
        .map = world->map,
        .assembly = world->assembly,
        .desk = world->desk,
        .clock = &world->clock,
        .rules = str_from_cstr(rules)};

    assert_int_equal(alert_watch_new(&options, &world->watch, &why), 0);
}

static void world_close(World *world)
{
    world->watch = alert_watch_free(world->watch);
    desk_close(world->desk);
    unlink(world->path);
    assert_int_equal(rmdir(world->directory), 0);
    assembly_free(world->assembly);
    map_free(world->map);
    store_close(world->store);
    fs_sim_free(world->sim);
}

/* They are read at 0, 3, 6 and 9 s: the fifth pair is not judged. */
static void defined_flows_have_one_time_for_all_pairs_of_windows(void **state)
{
    AlertWatchStatus status;
    World world;

    (void)state;
    world_open(&world);
    world_watch(&world);
    do {
        usleep(1000);
        alert_watch_status(world.watch, &status);
    } while (status.evaluations == 0);
    alert_watch_stop(world.watch);
    alert_watch_status(world.watch, &status);
    assert_int_equal(world.n_reads, 4);
    assert_int_equal(status.unknown, 1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defined_flows_have_one_time_for_all_pairs_of_windows),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
