// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "map/answer/history.h"
#include "map/pages.h"
#include "map/tiers_fixture.h"

/*
 * A map whose sums live in files, beside one that keeps all in memory: whatever is applied and
 * taken back, cut, folded, let go and started anew, both answer the same.
 */
enum { DAYS = 3, LIVE_MAX = 3000 };

/* --- What both answer --- */

/* Windows are as wide as @files can answer them. */
static void dump_rest(Map *map, Map *files, Str node_id, MapInterval asked, Arena *arena, Buf *text)
{
    static const uint32_t steps[] = {7, 60, 1440};
    MapFinding *findings;
    MapPoint *points;
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        MapSteps window = {asked.first_minute, asked.last_minute, steps[i]};

        (void)map_widen(files, &window.from_minute, &window.to_minute, &window.step_minutes);
        if (map_node_series(map, node_id, &window, arena, &points, &n) == 0) {
            for (size_t k = 0; k < n; k++) {
                buf_append_format(text, " %lu:%lu", points[k].count, points[k].duration.p90_ns);
            }
        }
    }
    map_findings(map, asked.first_minute, asked.last_minute, arena, &findings, &n);
    for (size_t i = 0; i < n; i++) {
        buf_append_format(text, "\nfinding %d %lu %lu", findings[i].kind, findings[i].count,
                          findings[i].spans);
    }
}

static void assert_same(Fixture *fixture, Map *map, uint32_t from, uint32_t to, size_t exemplars)
{
    Map *model = fixture->map;
    Str web = fixture_id(fixture, service(fixture, "web"));
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf left = {0}, right = {0};

    if (to != UINT32_MAX) {
        (void)map_widen(map, &from, &to, NULL);
    }
    dump_answer(model, from, to, exemplars, &arena, &left);
    dump_answer(map, from, to, exemplars, &arena, &right);
    if (to != UINT32_MAX) {
        dump_rest(model, map, web, (MapInterval){from, to}, &arena, &left);
        dump_rest(map, map, web, (MapInterval){from, to}, &arena, &right);
    }
    if (!str_equal(buf_str(&left), buf_str(&right))) {
        fail_msg("from %u to %u\n--- in memory\n%.*s\n--- from files\n%.*s", from, to,
                 STR_ARG(buf_str(&left)), STR_ARG(buf_str(&right)));
    }
}

/* --- Random deltas --- */

static uint64_t state_of_random;

static uint32_t random_below(uint32_t limit)
{
    state_of_random = state_of_random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(state_of_random >> 33) % limit;
}

static Str random_service(Fixture *fixture)
{
    const char *names[] = {"web", "cart", "mail", "pay"};

    return service(fixture, names[random_below(ARRAY_LEN(names))]);
}

static void add_random(Fixture *fixture, uint32_t minute)
{
    Delta *delta = fixture_edge(fixture, random_service(fixture), RELATION_CALLS,
                                random_service(fixture), RULE_PAIRED, minute);

    delta->kind = (DeltaKind)random_below(DELTA_SPAN + 1);
    delta->via = queue(fixture, "orders");
    delta->name = STR("GET /");
    delta->value = random_below(2) == 0 ? STR("1.1") : STR("1.2");
    delta->flow = random_below(2) == 0 ? flow(fixture, "order") : (Str){0};
    delta->step = delta->flow.len > 0 ? STR("pay") : (Str){0};
    delta->errors = random_below(2);
    delta->adjusted = random_below(2) == 0 ? ADJUSTED_ONE : 12345;
    delta->duration_ns = random_below(100000000);
    delta->has_server_duration = random_below(2) == 0;
    delta->server_duration_ns = random_below(1000);
    delta->start_ns += random_below(1000000);
    delta->trace_id.bytes[3] = (uint8_t)random_below(255);
    if (delta->kind == DELTA_PROOF) {
        delta->source = unpaired(fixture, "10.0.0.1");
        delta->minute = minute / 1440;
    }
    if (delta->kind == DELTA_EDGE && random_below(3) == 0) {
        delta->target = unpaired(fixture, "10.0.0.1");
        delta->rule = RULE_SERVER_ADDRESS;
    }
}

static uint32_t random_minute(uint32_t step, uint32_t steps)
{
    uint32_t now = (uint32_t)((uint64_t)DAYS * 1440 * step / steps);

    if (random_below(4) == 0) { /* late, by whatever */
        return TODAY + random_below(now + 1);
    }
    return TODAY + now + random_below(9);
}

typedef struct World {
    Fixture fixture; /* the model is its map */
    Disk disk;
    Map *map;
    MapOptions options;
    Delta live[LIVE_MAX];
    size_t n_live;
    bool takes_back;
} World;

static void change(World *world, uint32_t step, uint32_t steps)
{
    Deltas *deltas = &world->fixture.deltas;
    bool take = world->takes_back && world->n_live > 0 && random_below(100) < 40;

    if (!take && world->n_live == LIVE_MAX) {
        return;
    }
    if (take) {
        size_t at = random_below((uint32_t)world->n_live);

        *deltas_add(deltas) = world->live[at];
        world->live[at] = world->live[--world->n_live];
    } else {
        add_random(&world->fixture, random_minute(step, steps));
        world->live[world->n_live++] = deltas->items[deltas->count - 1];
    }
    map_apply(world->fixture.map, deltas, take ? -1 : 1);
    map_apply(world->map, deltas, take ? -1 : 1);
    deltas->count = 0;
}

static void compare(World *world)
{
    uint32_t hour = TODAY + 60 * random_below(DAYS * 24),
             minute = TODAY + random_below(DAYS * 1440);
    /* Thin hours keep one of each. */
    size_t exemplars = world->takes_back                    ? 0
                       : world->options.minutes_kept_s == 0 ? MAP_EXEMPLARS
                                                            : 1;

    assert_same(&world->fixture, world->map, 0, UINT32_MAX, exemplars);
    assert_same(&world->fixture, world->map, hour, hour + 60, exemplars);
    assert_same(&world->fixture, world->map, minute, minute + 61, exemplars);
    assert_same(&world->fixture, world->map, minute, minute + 3000, exemplars);
    assert_same(&world->fixture, world->map, TODAY, TODAY + 1440, exemplars);
    assert_same(&world->fixture, world->map, hour, hour + 1440, exemplars);
}

/* What of a test is compared: how spans come, and how far from the clock's days. */
typedef struct Living {
    bool takes_back;
    size_t cells_bytes_max;
    uint64_t seed;
    int64_t clock_s;         /* how far the clock is off */
    uint64_t minutes_kept_s; /* 0: 31 days */
} Living;

static void live(Living living)
{
    enum { STEPS = 2000 };
    World *world = NEW(World);

    state_of_random = living.seed;
    world->options = (MapOptions){.cells_bytes_max = living.cells_bytes_max,
                                  .cut_files_max = 3,
                                  .minutes_kept_s = living.minutes_kept_s};
    world->takes_back = living.takes_back;
    world->map = map_new(&world->options);
    fixture_init(&world->fixture, NULL);
    disk_init(&world->disk);
    for (uint32_t step = 0; step < STEPS; step++) {
        world->disk.now_s =
            (uint64_t)((int64_t)START_S + living.clock_s) + (uint64_t)DAYS * 86400 * step / STEPS;
        change(world, step, STEPS);
        if (random_below(40) == 0) {
            cut(&world->disk, world->map);
        }
        if (random_below(60) == 0) {
            while (merge(&world->disk, world->map)) {
            }
        }
        if (random_below(150) == 0) {
            compare(world);
        }
        if (random_below(400) == 0) {
            cut(&world->disk, world->map);
            world->map = restart(&world->disk, world->map, &world->options);
        }
    }
    compare(world);
    size_t n_thin = count_level(&world->disk, LEVEL_THIN);
    assert_true(living.clock_s != 0 || (n_thin + count_level(&world->disk, LEVEL_HOUR) > 5 &&
                                        count_level(&world->disk, LEVEL_DAY) > 0));
    assert_true((living.clock_s != 0) == (count_level(&world->disk, LEVEL_SPARSE) > 0));
    assert_true(living.minutes_kept_s == 0 ? n_thin == 0 : living.clock_s != 0 || n_thin > 5);
    map_free(world->map);
    disk_deinit(&world->disk);
    fixture_deinit(&world->fixture);
    mem_free(world);
}

static void files_answer_as_memory_does(void **state)
{
    live((Living){.takes_back = true, .cells_bytes_max = 1, .seed = 1});
    live((Living){.takes_back = true, .cells_bytes_max = 1, .seed = 2});
    live((Living){.cells_bytes_max = 1, .seed = 3});
    live((Living){.takes_back = true, .seed = 4}); /* all fits into memory */
}

/* Hours become thin while they are in memory and while cuts wait for them, and are added to and
 * taken back from later. */
static void thin_hours_answer_as_memory_does_in_whole_hours(void **state)
{
    live((Living){
        .takes_back = true, .cells_bytes_max = 64 << 10, .seed = 10, .minutes_kept_s = 20000});
    live((Living){.cells_bytes_max = 1, .seed = 12, .minutes_kept_s = 40000});
}

/* The clock is years off, or a day: then hours are far from it, and come near. */
static void far_hours_answer_as_memory_does(void **state)
{
    live((Living){
        .takes_back = true, .cells_bytes_max = 1, .seed = 5, .clock_s = 86400LL * 365 * 2});
    live((Living){.cells_bytes_max = 1, .seed = 6, .clock_s = -86400LL * 365 * 2});
    live((Living){.takes_back = true, .cells_bytes_max = 1, .seed = 7, .clock_s = -86400 * 2});
    live((Living){.seed = 8, .clock_s = -86400 - 43200});
    live((Living){.takes_back = true, .cells_bytes_max = 1, .seed = 9, .clock_s = 86400 * 395});
}

enum { RANDOM_CLOCK_DELTAS = 100000, RANDOM_CLOCK_YEARS = 100 };

/* A sender whose clock is anywhere: files and memory stay few, and nothing is lost. */
static void a_random_clock_shares_files(void **state)
{
    MapOptions options = {.cells_bytes_max = 1 << 20};
    Fixture fixture;
    Disk disk;
    MapStatus status;
    uint64_t count = 0;

    state_of_random = 10;
    fixture_init(&fixture, &options);
    disk_init(&disk);
    for (uint32_t i = 0; i < RANDOM_CLOCK_DELTAS; i++) {
        uint32_t hour = random_below(RANDOM_CLOCK_YEARS * 365 * 24);

        fixture_call(&fixture, "web", random_below(2) == 0 ? "cart" : "pay", hour * 60);
        if (i % 20000 == 19999) {
            fixture_apply(&fixture);
            cut(&disk, fixture.map);
            fold_all(&disk, fixture.map);
        }
    }
    assert_int_equal(count_level(&disk, 0), 0);
    assert_in_range(count_level(&disk, 1), 0, 1300); /* of 13 months */
    assert_in_range(count_level(&disk, 4), 1, RANDOM_CLOCK_YEARS * 365 / 42 + 1);
    fixture.map = restart(&disk, fixture.map, &options);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){.to_minute = UINT32_MAX});
    assert_int_equal(answer.n_edges, 2);
    for (size_t i = 0; i < answer.n_edges; i++) {
        count += answer.edges[i].count;
    }
    assert_int_equal(count, RANDOM_CLOCK_DELTAS);
    map_status(fixture.map, &status);
    assert_in_range(status.file_reads, 1, 4 * disk.n_files);
    assert_int_equal(status.damaged_reads, 0);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* --- */

static void assert_widened(Map *map, MapSteps asked, MapSteps window, bool with_step)
{
    bool any = map_widen(map, &asked.from_minute, &asked.to_minute,
                         with_step ? &asked.step_minutes : NULL);

    assert_int_equal(asked.from_minute, window.from_minute);
    assert_int_equal(asked.to_minute, window.to_minute);
    assert_int_equal(asked.step_minutes, window.step_minutes);
    assert_int_equal(any, window.from_minute < TODAY + 120);
}

static void windows_are_widened_where_minutes_are_gone(void **state)
{
    MapOptions options = {.cut_files_max = 1, .minutes_kept_s = 3600, .cells_bytes_max = 1};
    Fixture fixture;
    Disk disk;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    for (uint32_t i = 0; i < 3; i++) {
        fixture_call(&fixture, "web", "cart", TODAY + 5 + i * 65);
        fixture_apply(&fixture);
        cut(&disk, fixture.map);
        while (i > 0 && merge(&disk, fixture.map)) {
        }
        disk.now_s += i == 1 ? 7200 : 1;
    }
    assert_int_equal(count_level(&disk, LEVEL_THIN), 2);
    for (int again = 0; again < 2; again++) {
        Map *map = fixture.map;
        const uint32_t t = TODAY;

        assert_widened(map, (MapSteps){t + 10, t + 75, 7}, (MapSteps){t, t + 120, 7}, false);
        assert_widened(map, (MapSteps){t + 10, t + 75, 7}, (MapSteps){t, t + 120, 60}, true);
        assert_widened(map, (MapSteps){t + 30, t + 150, 61}, (MapSteps){t, t + 150, 61}, false);
        assert_widened(map, (MapSteps){t + 30, t + 150, 61}, (MapSteps){t, t + 180, 120}, true);
        assert_widened(map, (MapSteps){t + 121, t + 150, 7}, (MapSteps){t + 121, t + 150, 7}, true);
        MapAnswer answer =
            fixture_ask(&fixture, (MapQuestion){.from_minute = t + 58, .to_minute = t + 61});
        assert_int_equal(answer.edges[0].count, 2);
        assert_int_equal(answer.edges[0].n_intervals, 2);
        assert_int_equal(answer.edges[0].intervals[1].first_minute, t + 70);
        fixture.map = restart(&disk, fixture.map, &options);
    }
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* Behind an hour that is known as a whole: what was there at its end does not appear. */
static void nothing_appears_that_was_there_in_a_thin_hour(void **state)
{
    MapOptions options = {.cut_files_max = 1, .minutes_kept_s = 3600, .cells_bytes_max = 1};
    const MapHistoryQuestion question = {
        .filters = {.from_minute = TODAY + 60, .to_minute = TODAY + 90},
        .step_minutes = 1,
        .complete_to_minute = UINT32_MAX};
    Fixture fixture;
    Disk disk;
    MapHistory history;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    fixture_call(&fixture, "web", "cart", TODAY + 57);
    fixture_call(&fixture, "web", "pay", TODAY + 30);
    fixture_apply(&fixture);
    cut(&disk, fixture.map);
    fixture_call(&fixture, "mail", "mail", TODAY + 5 * 60);
    fixture_apply(&fixture);
    cut(&disk, fixture.map);
    while (merge(&disk, fixture.map)) {
    }
    disk.now_s += 7200;
    while (merge(&disk, fixture.map)) {
    }
    assert_true(count_level(&disk, LEVEL_THIN) > 0);
    fixture_call(&fixture, "web", "cart", TODAY + 61);
    fixture_call(&fixture, "web", "pay", TODAY + 62);
    fixture_apply(&fixture);
    assert_int_equal(map_history(fixture.map, &question, &fixture.arena, &history), 0);
    size_t n_appeared = 0;
    for (size_t i = 0; i < history.n_events; i++) {
        bool is_edge = history.events[i].is_edge && history.events[i].kind == MAP_APPEARED;

        n_appeared += is_edge;
        assert_true(!is_edge || str_equal(history.events[i].target.name, STR("pay")));
    }
    assert_int_equal(n_appeared, 1);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* Months of a busy hour a day: what is in memory does not grow with them. */
static void memory_holds_what_is_recent(void **state)
{
    MapOptions options = {.cells_bytes_max = 64 << 10, .cut_files_max = 4};
    Fixture fixture;
    Disk disk;
    MapStatus status;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    for (uint32_t day = 0; day < 90; day++) {
        for (uint32_t i = 0; i < 600; i++) {
            Delta *delta = fixture_edge(&fixture, service(&fixture, "web"), RELATION_CALLS,
                                        service(&fixture, i % 2 == 0 ? "cart" : "pay"), RULE_PAIRED,
                                        TODAY + day * 1440 + i);
            delta->duration_ns = i * 1000003;
        }
        fixture_apply(&fixture);
        cut(&disk, fixture.map);
        while (merge(&disk, fixture.map)) {
        }
        map_status(fixture.map, &status);
        assert_in_range(status.bytes, 0, 600 << 10);
    }
    assert_true(status.evicted_hours > 500);
    assert_int_equal(status.damaged_reads, 0);
    fixture.map = restart(&disk, fixture.map, &options);
    MapAnswer answer =
        fixture_ask(&fixture, (MapQuestion){.from_minute = TODAY, .to_minute = TODAY + 90 * 1440});
    assert_int_equal(answer.n_edges, 2);
    assert_int_equal(answer.edges[0].count, 90 * 300);
    assert_int_equal(answer.edges[0].n_intervals, 90);
    map_status(fixture.map, &status);
    assert_in_range(status.bytes, 0, 600 << 10);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

static void what_came_too_long_ago_goes(void **state)
{
    MapOptions options = {.cut_files_max = 1, .kept_s = 3600, .cells_bytes_max = 1};
    Fixture fixture;
    Disk disk;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    for (uint32_t day = 0; day < 4; day++) {
        fixture_call(&fixture, "web", day == 0 ? "old" : "cart", TODAY + day * 1440);
        fixture_apply(&fixture);
        cut(&disk, fixture.map);
        while (merge(&disk, fixture.map)) {
        }
        disk.now_s += day == 1 ? 3000 : 600;
    }
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){0}).n_edges, 2);
    disk.now_s += 600;
    while (merge(&disk, fixture.map)) {
    }
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_edges, 1);
    assert_null(answer_node(&fixture, &answer, service(&fixture, "old")));
    fixture.map = restart(&disk, fixture.map, &options);
    answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.n_edges, 1);
    assert_in_range(answer.edges[0].count, 1, 2);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* The two hours of a day came an hour apart: neither the earlier nor the day tells anything alone.
 */
static void a_day_goes_with_all_of_its_hours(void **state)
{
    MapOptions options = {.cut_files_max = 1, .kept_s = 7200, .cells_bytes_max = 1};
    const MapQuestion first_day = {.from_minute = TODAY, .to_minute = TODAY + 1440};
    Fixture fixture;
    Disk disk;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    for (uint32_t i = 0; i < 4; i++) {
        fixture_call(&fixture, "web", "cart", TODAY + (i < 2 ? i * 60 : 1440 * i));
        map_apply(fixture.map, &(Deltas){.items = fixture.deltas.items + i, .count = 1}, 1);
        cut(&disk, fixture.map);
        while (i % 2 == 1 && merge(&disk, fixture.map)) {
        }
        disk.now_s += 1800;
    }
    assert_true(count_level(&disk, 2) > 0);
    assert_int_equal(fixture_ask(&fixture, first_day).edges[0].count, 2);
    for (; fixture_ask(&fixture, first_day).n_edges > 0; disk.now_s += 600) {
        assert_int_equal(fixture_ask(&fixture, first_day).edges[0].count, 2);
        assert_true(disk.now_s < START_S + 6 * 3600);
        while (merge(&disk, fixture.map)) {
        }
    }
    fixture.map = restart(&disk, fixture.map, &options);
    assert_int_equal(fixture_ask(&fixture, first_day).n_edges, 0);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* Folding goes on without the hour's file; what it told is missing, what comes later is not. */
static void a_damaged_hour_does_not_stop_folding(void **state)
{
    MapOptions options = {.cut_files_max = 1, .cells_bytes_max = 1};
    CLEANUP(mem_freep) TablePlan *plan = NEW(TablePlan);
    char path[MANIFEST_PATH_MAX];
    Fixture fixture;
    Disk disk;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    for (uint32_t i = 0; i < 4; i++) {
        fixture_call(&fixture, "web", "cart", TODAY + i);
        map_apply(fixture.map, &(Deltas){.items = fixture.deltas.items + i, .count = 1}, 1);
        cut(&disk, fixture.map);
        while (i == 1 && merge(&disk, fixture.map)) {
        }
    }
    for (size_t i = 0; i < disk.n_files; i++) {
        if (disk.files[i]->info.level == 1) {
            manifest_table_path(disk.files[i]->number, path);
            assert_int_equal(fs_replace_file(fs_sim_fs(disk.sim), path, STR("damaged")), 0);
        }
    }
    Emitted emitted = {.sink = {emit}, .disk = &disk};
    assert_true(tiers_plan(fixture.map, disk.files, disk.n_files, disk.now_s, plan));
    assert_int_equal(tiers_merge(fixture.map, plan, &emitted.sink), 1);
    assert_int_equal(emitted.n, 0);
    while (merge(&disk, fixture.map)) {
    }
    assert_int_equal(count_level(&disk, 0), 0);
    assert_int_equal(count_level(&disk, 1), 2); /* with the damaged one */
    fixture.map = restart(&disk, fixture.map, &options);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){0}).edges[0].count, 2);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* A cut of more hours than a fold takes: the rest is folded by the next ones. */
static void a_cut_of_many_hours_is_folded_in_parts(void **state)
{
    MapOptions options = {.cut_files_max = 1, .cells_bytes_max = 1};
    Fixture fixture;
    Disk disk;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    disk.now_s += 300 * 3600;
    for (int again = 0; again < 2; again++) {
        for (uint32_t hour = 0; hour < 300; hour++) {
            fixture_call(&fixture, "web", "cart", TODAY + hour * 60 + hour % 60);
        }
        fixture_apply(&fixture);
        cut(&disk, fixture.map);
    }
    assert_int_equal(count_level(&disk, 0), 2);
    while (merge(&disk, fixture.map)) {
        assert_int_equal(fixture_ask(&fixture, (MapQuestion){0}).edges[0].count, 600);
        disk.now_s += 3 * 3600; /* a single cut file waits */
    }
    assert_int_equal(count_level(&disk, 0), 0);
    assert_int_equal(count_level(&disk, 1), 300);
    assert_int_equal(fixture_ask(&fixture, (MapQuestion){0}).edges[0].count, 600);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* Late spans into hours that are in files only, back to nothing. */
static void a_late_take_back_empties_what_is_in_files(void **state)
{
    MapOptions options = {.cut_files_max = 1, .cells_bytes_max = 1};
    Fixture fixture;
    Disk disk;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    fixture_unpaired(&fixture, service(&fixture, "web"), "db", RULE_PEER_SERVICE, TODAY + 58);
    fixture_take(&fixture, 1);
    fixture_unpaired(&fixture, service(&fixture, "web"), "db", RULE_PEER_SERVICE, TODAY + 62);
    map_apply(fixture.map, &(Deltas){.items = fixture.deltas.items + 1, .count = 1}, 1);
    fixture.deltas.count = 1;
    cut(&disk, fixture.map);
    fixture_call(&fixture, "web", "cart", TODAY + 2 * 1440);
    map_apply(fixture.map, &(Deltas){.items = fixture.deltas.items + 1, .count = 1}, 1);
    fixture.deltas.count = 1;
    cut(&disk, fixture.map);
    while (merge(&disk, fixture.map)) {
    }
    fixture.map = restart(&disk, fixture.map, &options);
    fixture_take(&fixture, -1); /* the first minute of the interval, in an hour of its own */
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    const MapEdge *edge =
        answer_edge(&fixture, &answer, service(&fixture, "web"), external(&fixture, "db"));
    assert_int_equal(edge->count, 1);
    assert_int_equal(edge->n_intervals, 1);
    assert_int_equal(edge->intervals[0].first_minute, TODAY + 62);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* A name is cut at a whole character, the same wherever it stands. */
static void long_names_are_cut(void **state)
{
    Fixture fixture;
    CLEANUP(buf_deinit) Buf name = {0};
    NodeKey key = {.type = NODE_SERVICE}, back;

    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < 3 * NAME_BYTES_MAX / 2; i++) {
        buf_append_str(&name, STR("\xe2\x82\xac"));
    }
    key.name = buf_str(&name);
    Str bytes = fixture_key(&fixture, key);
    assert_int_equal(node_key_parse(bytes, &back), 0);
    assert_int_equal(back.name.len, NAME_BYTES_MAX / 3 * 3);
    key.name = back.name;
    assert_true(str_equal(fixture_key(&fixture, key), bytes));
    Delta *delta = fixture_edge(&fixture, bytes, RELATION_CALLS, bytes, RULE_PAIRED, TODAY);
    delta->kind = DELTA_REQUEST;
    delta->name = buf_str(&name);
    fixture_apply(&fixture);
    MapStatus status;
    map_status(fixture.map, &status);
    assert_int_equal(status.cut_names, 1);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_answer_as_memory_does),
        cmocka_unit_test(thin_hours_answer_as_memory_does_in_whole_hours),
        cmocka_unit_test(windows_are_widened_where_minutes_are_gone),
        cmocka_unit_test(nothing_appears_that_was_there_in_a_thin_hour),
        cmocka_unit_test(far_hours_answer_as_memory_does),
        cmocka_unit_test(a_random_clock_shares_files),
        cmocka_unit_test(memory_holds_what_is_recent),
        cmocka_unit_test(what_came_too_long_ago_goes),
        cmocka_unit_test(a_day_goes_with_all_of_its_hours),
        cmocka_unit_test(a_damaged_hour_does_not_stop_folding),
        cmocka_unit_test(a_cut_of_many_hours_is_folded_in_parts),
        cmocka_unit_test(a_late_take_back_empties_what_is_in_files),
        cmocka_unit_test(long_names_are_cut),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
