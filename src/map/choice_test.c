// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "codec/bytes.h"
#include "map/pages.h"
#include "map/tiers_fixture.h"

/* More series than places: what is told, what is kept, and that it does not depend on what came
 * first. */

/* What more series there are is told in (other), and remembered until the next cut alone. */
static void beyond_the_limit_of_series_others_tell(void **state)
{
    MapOptions options = {.series_max = 50};
    Fixture fixture;
    Disk disk;
    MapStatus status;
    MapOperation *operations;
    uint64_t requests = 0;
    size_t n;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    fixture_call(&fixture, "web", "cart", TODAY);
    for (uint32_t i = 0; i < 20000; i++) {
        CLEANUP(buf_deinit) Buf name = {0};

        buf_append_format(&name, "operation-%u", i);
        Delta *delta = fixture_call(&fixture, "web", "cart", TODAY);
        delta->kind = DELTA_REQUEST;
        delta->name = arena_copy(&fixture.arena, buf_str(&name));
        if (i % 1000 == 999) {
            fixture_apply(&fixture);
            cut(&disk, fixture.map);
        }
    }
    fixture_call(&fixture, "web", "cart", TODAY);
    fixture_apply(&fixture);
    map_status(fixture.map, &status);
    assert_int_equal(status.series, 50 + 1);
    assert_int_equal(status.folded, 20000 - 49);
    assert_int_equal(status.refused, 0);
    assert_in_range(status.bytes, 0, 200000); /* of 20,000 names it would be millions */
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    assert_int_equal(answer.edges[0].count, 2);
    assert_true(answer.truncated);
    assert_int_equal(map_operations(fixture.map,
                                    &(MapOperationsQuestion){&(Str){"web", 3}, 1, 0, UINT32_MAX},
                                    &fixture.arena, &operations, &n),
                     0);
    assert_int_equal(n, 50);
    for (size_t i = 0; i < n; i++) {
        requests += operations[i].requests;
        assert_int_equal(operations[i].requests,
                         str_equal(operations[i].name, STR("(other)")) ? 20000 - 49 : 1);
    }
    assert_int_equal(requests, 20000);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* @n entry points of an hour that no other has. */
static void cut_of_names(Fixture *fixture, Disk *disk, uint32_t hour, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        CLEANUP(buf_deinit) Buf name = {0};
        Delta *delta = fixture_call(fixture, "web", "cart", TODAY + hour * 60);

        buf_append_format(&name, "operation-%u-%u", hour, i);
        delta->kind = DELTA_REQUEST;
        delta->name = arena_copy(&fixture->arena, buf_str(&name));
    }
    fixture_apply(fixture);
    cut(disk, fixture->map);
}

/* Files of more series than fit in memory are merged in parts; what does not fit by itself stays,
 * and holds up nothing. */
static void more_series_than_fit_are_merged_in_parts(void **state)
{
    MapOptions options = {.series_max = 50, .fold_series_max = 1000, .cut_files_max = 2};
    Fixture fixture;
    Disk disk;
    MapStatus status;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    disk.now_s += 48 * 3600;
    for (uint32_t hour = 0; hour < 6; hour++) {
        cut_of_names(&fixture, &disk, hour, 400); /* a day of 2,400 */
    }
    cut_of_names(&fixture, &disk, 24, 1500);
    cut_of_names(&fixture, &disk, 25, 400);
    cut_of_names(&fixture, &disk, 48, 400); /* the next day */
    cut_of_names(&fixture, &disk, 72, 10);
    fold_all(&disk, fixture.map);
    assert_int_equal(count_level(&disk, 0), 1);
    assert_int_equal(count_level(&disk, 1), 9);
    assert_int_equal(count_level(&disk, 2), 2); /* of the second and third day */
    map_status(fixture.map, &status);
    assert_int_equal(status.left_files, 2); /* the cut file, and the first day */
    fixture.map = restart(&disk, fixture.map, &options);
    Str web = fixture_id(&fixture, service(&fixture, "web"));
    const MapSteps window = {TODAY, TODAY + 4 * 1440, 1440};
    static const uint64_t days[] = {2400, 1900, 400, 10};
    MapPoint *points;
    size_t n;
    assert_int_equal(map_node_series(fixture.map, web, &window, &fixture.arena, &points, &n), 0);
    assert_int_equal(n, ARRAY_LEN(days));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(points[i].count, days[i]);
    }
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* The limit bounds all of memory, and what a start counts: also then the frequent get places. */
static void the_limit_of_series_bounds_what_stands_for_others(void **state)
{
    MapOptions options = {.series_max = 50, .fold_series_max = 1000};
    Fixture fixture;
    Disk disk;
    MapStatus status;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    for (uint32_t i = 0; i < 20000; i++) {
        CLEANUP(buf_deinit) Buf name = {0};

        buf_append_format(&name, "service-%u", i);
        Str source = service(&fixture, buf_cstr(&name));
        fixture_edge(&fixture, source, RELATION_CALLS, source, RULE_PAIRED, TODAY);
        if (i % 2000 == 1999) {
            for (int k = 0; k < 100; k++) {
                fixture_call(&fixture, "frequent", "frequent", TODAY);
            }
            fixture_apply(&fixture);
            cut(&disk, fixture.map);
        }
    }
    map_status(fixture.map, &status);
    assert_in_range(status.series, 50, 50 + 4096);
    fixture.map = restart(&disk, fixture.map, &options);
    map_status(fixture.map, &status);
    assert_in_range(status.series, 50, 50 + 4096);
    MapAnswer answer = fixture_ask(&fixture, (MapQuestion){0});
    Str frequent = service(&fixture, "frequent");
    const MapEdge *edge = answer_edge(&fixture, &answer, frequent, frequent);
    assert_non_null(edge);
    assert_int_equal(edge->count, 1000);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* What is kept by name asks for a cut before it is full; what does not fit is counted. */
static void many_names_between_cuts_ask_for_one(void **state)
{
    MapOptions options = {.series_max = 50};
    Fixture fixture;
    Disk disk;
    MapStatus status;

    fixture_init(&fixture, &options);
    disk_init(&disk);
    cut_of_names(&fixture, &disk, 0, 60);
    assert_int_equal(map_room(fixture.map), MAP_HAS_ROOM);
    for (uint32_t i = 1; i <= 5000; i++) {
        CLEANUP(buf_deinit) Buf name = {0};
        Delta *delta = fixture_call(&fixture, "web", "cart", TODAY);

        buf_append_format(&name, "late-%u", i);
        delta->kind = DELTA_REQUEST;
        delta->name = arena_copy(&fixture.arena, buf_str(&name));
        if (i % 1000 == 0) {
            static const MapRoom rooms[] = {MAP_HAS_ROOM, MAP_HAS_ROOM, MAP_WANTS_CUT, MAP_IS_FULL,
                                            MAP_IS_FULL};

            fixture_apply(&fixture);
            assert_int_equal(map_room(fixture.map), rooms[i / 1000 - 1]);
        }
    }
    map_status(fixture.map, &status);
    assert_int_equal(status.unnamed, 5000 - 4096);
    assert_int_equal(status.refused, 0);
    cut(&disk, fixture.map);
    assert_int_equal(map_room(fixture.map), MAP_HAS_ROOM);
    map_status(fixture.map, &status);
    assert_int_equal(status.unnamed, 5000 - 4096);
    fixture_deinit(&fixture);
    disk_deinit(&disk);
}

/* What does not fit beyond the limit by its name is counted, whether it comes as a delta or as a
 * row of tables that others take the place of. */
static void rows_without_room_for_their_names_are_counted_as_deltas_are(void **state)
{
    Fixture fixture;
    MapTables by_deltas, by_rows;

    fixture_init(&fixture, NULL);
    tables_init(&by_deltas, 5);
    by_deltas.series_max = 10;
    by_deltas.beyond_max = 20;
    by_deltas.folds = true;
    tables_init(&by_rows, 5);
    by_rows.series_max = 10;
    by_rows.beyond_max = 20;
    by_rows.folds = true;
    for (uint32_t i = 0; i < 100; i++) {
        CLEANUP(buf_deinit) Buf name = {0};
        Delta *delta = fixture_call(&fixture, "web", "cart", TODAY);

        buf_append_format(&name, "name-%u", i);
        delta->kind = DELTA_REQUEST;
        delta->name = buf_str(&name);
        const MapRow row = {.kind = SERIES_REQUEST,
                            .minute = TODAY,
                            .source = delta->source,
                            .name = delta->name,
                            .sum.count = 1};
        tables_apply(&by_deltas, delta, 1);
        assert_int_equal(tables_apply_row(&by_rows, &row), 0);
        assert_int_equal(tables_unnamed(&by_rows), tables_unnamed(&by_deltas));
    }
    assert_true(tables_unnamed(&by_rows) > 50);
    tables_deinit(&by_deltas);
    tables_deinit(&by_rows);
    fixture_deinit(&fixture);
}

/* --- Whatever the order, beyond the limit --- */

enum { CROWD = 3000, CROWD_SERIES_MAX = 100, CROWD_VARIANTS_MAX = 40 };

/* Runs of one step, and which, so that flows have many variants, some of them frequent. */
static void add_run_of_crowd(Fixture *fixture, Delta *delta, DeltaKind kind, uint32_t i)
{
    CLEANUP(buf_deinit) Buf variant = {0};
    char step[16];

    snprintf(step, sizeof(step), "step-%u", i % 4 == 0 ? i % 89 : i % 12);
    bytes_append_counted(&variant, str_from_cstr(step));
    delta->kind = kind;
    delta->source = delta->target = flow(fixture, i % 5 < 3 ? "order" : "pay");
    delta->name = kind == DELTA_RUN ? (Str){0} : arena_copy(&fixture->arena, buf_str(&variant));
}

/* The @i-th of a crowd of deltas: some names are frequent, most are not. */
static void add_of_crowd(Fixture *fixture, uint32_t i)
{
    char name[32];
    uint32_t rank = i % 5 == 0 ? i % 997 % 400 : i % 7;
    uint32_t minute = TODAY + i % 61 * 60 + i % 13;

    snprintf(name, sizeof(name), "name-%03u", rank);
    Delta *delta = fixture_edge(fixture, service(fixture, i % 3 == 0 ? "web" : "shop"),
                                RELATION_CALLS, service(fixture, name), RULE_PAIRED, minute);

    if (i % 9 < 2) {
        add_run_of_crowd(fixture, delta, i % 9 == 0 ? DELTA_RUN : DELTA_VARIANT, i);
        return;
    }
    delta->kind = (DeltaKind[]){DELTA_EDGE,  DELTA_REQUEST,    DELTA_HOP,    DELTA_SPAN,
                                DELTA_LABEL, DELTA_UNRESOLVED, DELTA_NO_FLOW}[i % 7];
    delta->target = delta->kind == DELTA_EDGE && i % 2 == 0 ? table(fixture, name) : delta->target;
    delta->source = i % 11 == 0 ? service(fixture, name) : delta->source;
    delta->via = queue(fixture, name);
    delta->name = arena_copy(&fixture->arena, str_from_cstr(name));
    delta->value = delta->name;
    delta->flow = delta->kind == DELTA_EDGE && i % 3 == 0 ? flow(fixture, "order") : (Str){0};
    delta->step = delta->flow.len > 0 ? delta->name : (Str){0};
    delta->duration_ns = i * 1000;
}

static uint64_t total_of_edges(Fixture *fixture, Map *map)
{
    MapQuestion question = {.to_minute = UINT32_MAX, .types = UINT32_MAX};
    MapAnswer answer;
    uint64_t total = 0;

    assert_int_equal(map_ask(map, &question, &fixture->arena, &answer), 0);
    for (size_t i = 0; i < answer.n_edges; i++) {
        total += answer.edges[i].count;
    }
    for (size_t i = 0; i < answer.n_nodes; i++) {
        total += answer.nodes[i].requests * 1000003;
    }
    for (size_t i = 0; i < answer.n_hops; i++) {
        total += answer.hops[i].count * 10007;
    }
    return total;
}

/* Cuts, and asks while the cut is not committed yet. */
static void cut_slowly(Fixture *model, Disk *disk, Map *map)
{
    MapPending *pending = map_cut(map);
    Emitted emitted = {.sink = {emit}, .disk = disk, .written_s = disk->now_s};

    if (pending != NULL) {
        (void)total_of_edges(model, map);
        assert_int_equal(tiers_write(pending, &emitted.sink), 0);
        (void)total_of_edges(model, map);
        commit(disk, map, &emitted, (TablesChange){.pending = pending});
        tiers_free(map, pending);
    }
}

static void tell_variants(Fixture *model, Map *map, const char *name, Buf *text)
{
    const MapFlowQuestion question = {.name = str_from_cstr(name), .to_minute = UINT32_MAX};
    MapFlowAnswer answer;

    if (map_flow_ask(map, &question, &model->arena, &answer) != 0) {
        return;
    }
    for (size_t i = 0; i < answer.n_variants; i++) {
        buf_append_format(text, "%s %.*s: %llu\n", name, STR_ARG(answer.variants[i].steps[0]),
                          (unsigned long long)answer.variants[i].runs);
    }
    buf_append_format(text, "%s: %llu runs, others %llu\n", name,
                      (unsigned long long)answer.flow.runs, (unsigned long long)answer.other_runs);
}

/* What the map says of the crowd. */
static void tell(Fixture *model, Map *map, Buf *text)
{
    tell_variants(model, map, "order", text);
    tell_variants(model, map, "pay", text);
    assert_int_equal(total_of_edges(model, map), total_of_edges(model, model->map));
    dump_answer(map, 0, UINT32_MAX, false, &model->arena, text);
    dump_answer(map, TODAY + 120, TODAY + 1000, false, &model->arena, text);
}

static void apply_one(Fixture *model, Map *map, uint32_t i, int sign)
{
    add_of_crowd(model, i);
    map_apply(map, &model->deltas, sign);
    model->deltas.count = 0;
}

/* The crowd in an order of its own, some of it twice and taken back once, cut, folded and asked now
 * and then. Appends what the map says, before and after a start. */
static void tell_crowd(Fixture *model, size_t variants_max, uint32_t round, Buf *running,
                       Buf *started)
{
    MapOptions options = {.series_max = CROWD_SERIES_MAX,
                          .variants_max = variants_max,
                          .cut_files_max = 2,
                          .cells_bytes_max = 1};
    Disk disk;
    Map *map = map_new(&options);

    disk_init(&disk);
    for (uint32_t k = 0; k < CROWD; k++) {
        uint32_t i = (k * 7 + round * 1009) % CROWD;

        apply_one(model, map, i, 1);
        if (i % 4 == round) {
            apply_one(model, map, i, 1);
        }
        if (i % 4 == round && i % 8 < 4) {
            apply_one(model, map, i, -1);
        }
        if (k % 300 == 10 * round) {
            cut_slowly(model, &disk, map);
            fold_all(&disk, map);
        }
        if (k % (100 + round) == 0) {
            (void)total_of_edges(model, map);
        }
    }
    for (uint32_t i = 0; i < CROWD; i++) { /* what came twice above goes now */
        if (i % 4 == round && i % 8 >= 4) {
            apply_one(model, map, i, -1);
        }
    }
    tell(model, map, running);
    cut(&disk, map);
    map = restart(&disk, map, &options);
    tell(model, map, started);
    map_free(map);
    disk_deinit(&disk);
}

static void assert_texts_are_equal(const char *what, const Buf *left, const Buf *right)
{
    if (!str_equal(buf_str(left), buf_str(right))) {
        fail_msg("%s\n--- first\n%.*s\n--- then\n%.*s", what, STR_ARG(buf_str(left)),
                 STR_ARG(buf_str(right)));
    }
}

static void tell_crowd_in_orders(size_t variants_max)
{
    CLEANUP(buf_deinit) Buf first = {0};
    Fixture model;
    MapStatus status;

    fixture_init(&model, NULL);
    for (uint32_t i = 0; i < CROWD; i++) {
        add_of_crowd(&model, i);
    }
    fixture_apply(&model);
    map_status(model.map, &status);
    assert_true(status.series > 4 * CROWD_SERIES_MAX);
    for (uint32_t round = 0; round < 4; round++) {
        CLEANUP(buf_deinit) Buf running = {0};
        CLEANUP(buf_deinit) Buf started = {0};

        tell_crowd(&model, variants_max, round, &running, &started);
        assert_texts_are_equal("a start", &running, &started);
        if (round == 0) {
            buf_append_str(&first, buf_str(&running));
        }
        assert_texts_are_equal("another order", &first, &running);
    }
    fixture_deinit(&model);
}

static void what_is_told_beyond_the_limit_does_not_depend_on_order(void **state)
{
    tell_crowd_in_orders(0);
}

static void nor_where_flows_have_too_many_variants(void **state)
{
    tell_crowd_in_orders(CROWD_VARIANTS_MAX);
}

/* --- While others ask --- */

typedef struct Asker {
    Fixture *model;
    Map *map;
    _Atomic bool stop;
    uint64_t n_asked;
} Asker;

static void *ask_on(void *context)
{
    Asker *asker = context;

    while (!asker->stop) {
        CLEANUP(arena_deinit) Arena arena = {0};
        MapQuestion question = {.to_minute = UINT32_MAX};
        MapAnswer answer;

        if (map_ask(asker->map, &question, &arena, &answer) != 0) {
            break;
        }
        for (size_t i = 0; i < answer.n_nodes; i++) { /* names outlive whatever the map forgets */
            asker->n_asked += node_key_label(&answer.nodes[i].key).ptr[0] != 0;
        }
    }
    return NULL;
}

/* Choices, cuts, merges and deltas at the same time: nothing is lost. */
static void places_change_while_spans_come(void **state)
{
    enum { THREADS = 2 };
    MapOptions options = {.series_max = CROWD_SERIES_MAX, .cut_files_max = 2, .cells_bytes_max = 1};
    Asker askers[THREADS];
    pthread_t threads[THREADS];
    Fixture model;
    Disk disk;
    Map *map = map_new(&options);

    fixture_init(&model, NULL);
    disk_init(&disk);
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (Asker){.model = &model, .map = map};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_on, &askers[i]), 0);
    }
    for (uint32_t k = 0; k < CROWD / 2; k++) {
        apply_one(&model, model.map, k, 1);
        apply_one(&model, map, k, 1);
        if (k % 100 == 50) {
            cut(&disk, map);
            while (merge(&disk, map)) {
            }
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        askers[i].stop = true;
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(askers[i].n_asked > 0);
    }
    assert_int_equal(total_of_edges(&model, map), total_of_edges(&model, model.map));
    map_free(map);
    fixture_deinit(&model);
    disk_deinit(&disk);
}

/* --- Variants of a flow --- */

enum {
    VARIANTS_MAX = 5,
    VARIANTS = 40,
    VARIANT_RUNS = 211, /* of the 40: 6 to 10 with 20 to 24 runs, 11 to 15 with 14 to 18, ... */
};

/* The variant of run @i: from 0, 24 runs each, to those that one run has. */
static uint32_t variant_of(uint32_t i)
{
    uint32_t variant = 0;

    for (uint32_t runs = 24; runs > 1 && i >= runs && variant < 9; runs--, variant++) {
        i -= runs;
    }
    return variant < 9 ? variant : MIN(9 + i, (uint32_t)VARIANTS - 1);
}

static void add_run(Fixture *fixture, uint32_t i, Map *map)
{
    CLEANUP(buf_deinit) Buf variant = {0};
    char name[16];
    Str source = flow(fixture, i % 20 == 0 ? "pay" : "order");
    Delta *run =
        fixture_edge(fixture, source, RELATION_CALLS, source, RULE_PAIRED, TODAY + i % 61 * 60);

    run->kind = DELTA_RUN;
    Delta *delta =
        fixture_edge(fixture, source, RELATION_CALLS, source, RULE_PAIRED, TODAY + i % 61 * 60);
    snprintf(name, sizeof(name), "step-%u", i % 20 == 0 ? i % 40 : variant_of(i));
    bytes_append_counted(&variant, str_from_cstr(name));
    delta->kind = DELTA_VARIANT;
    delta->name = arena_copy(&fixture->arena, buf_str(&variant));
    map_apply(map, &fixture->deltas, 1);
    fixture->deltas.count = 0;
}

static void tell_flow(Fixture *fixture, Map *map, const char *name, uint64_t expected_runs,
                      size_t expected_variants, Buf *text)
{
    const MapFlowQuestion question = {.name = str_from_cstr(name), .to_minute = UINT32_MAX};
    MapFlowAnswer answer;
    uint64_t runs = 0;

    assert_int_equal(map_flow_ask(map, &question, &fixture->arena, &answer), 0);
    assert_int_equal(answer.n_variants, expected_variants);
    for (size_t i = 0; i < answer.n_variants; i++) {
        assert_int_equal(answer.variants[i].n_steps, 1);
        buf_append_format(text, "%.*s: %llu\n", STR_ARG(answer.variants[i].steps[0]),
                          (unsigned long long)answer.variants[i].runs);
        runs += answer.variants[i].runs;
    }
    assert_int_equal(answer.flow.runs, expected_runs);
    assert_int_equal(runs + answer.other_runs, expected_runs);
    assert_int_equal(answer.other_variants, answer.other_runs > 0);
    buf_append_format(text, "%s: others %llu\n", name, (unsigned long long)answer.other_runs);
}

static void tell_flows(Fixture *fixture, Map *map, Buf *text)
{
    tell_flow(fixture, map, "order", VARIANT_RUNS - 11, VARIANTS_MAX, text);
    tell_flow(fixture, map, "pay", 11, 2, text);
}

/* A flow with too many variants tells the most frequent, whatever came first; other flows and all
 * else have their places, what comes later too. */
static void a_flow_tells_its_most_frequent_variants(void **state)
{
    MapOptions options = {.variants_max = VARIANTS_MAX, .cut_files_max = 2, .cells_bytes_max = 1};
    CLEANUP(buf_deinit) Buf first = {0};
    Fixture fixture;

    fixture_init(&fixture, NULL);
    for (uint32_t round = 0; round < 4; round++) {
        CLEANUP(buf_deinit) Buf running = {0};
        CLEANUP(buf_deinit) Buf started = {0};
        Map *map = map_new(&options);
        MapStatus status;
        Disk disk;

        disk_init(&disk);
        for (uint32_t k = 0; k < VARIANT_RUNS; k++) {
            add_run(&fixture, (k * 7 + round * 50) % VARIANT_RUNS, map);
            if (k % 50 == round) {
                cut_slowly(&fixture, &disk, map);
                fold_all(&disk, map);
            }
        }
        tell_flows(&fixture, map, &running);
        map_status(map, &status);
        assert_int_equal(status.folded, 0);
        assert_true(status.folded_variants > 0);
        assert_int_equal(status.series, 2 + VARIANTS_MAX + 2 + 1);
        fixture_call(&fixture, "web", "cart", TODAY);
        map_apply(map, &fixture.deltas, 1);
        fixture.deltas.count = 0;
        assert_int_equal(total_of_edges(&fixture, map) % 10007, 1);
        cut(&disk, map);
        map = restart(&disk, map, &options);
        tell_flows(&fixture, map, &started);
        assert_texts_are_equal("a start", &running, &started);
        if (round == 0) {
            buf_append_str(&first, buf_str(&running));
        }
        assert_texts_are_equal("another order", &first, &running);
        map_free(map);
        disk_deinit(&disk);
    }
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beyond_the_limit_of_series_others_tell),
        cmocka_unit_test(more_series_than_fit_are_merged_in_parts),
        cmocka_unit_test(the_limit_of_series_bounds_what_stands_for_others),
        cmocka_unit_test(many_names_between_cuts_ask_for_one),
        cmocka_unit_test(rows_without_room_for_their_names_are_counted_as_deltas_are),
        cmocka_unit_test(what_is_told_beyond_the_limit_does_not_depend_on_order),
        cmocka_unit_test(nor_where_flows_have_too_many_variants),
        cmocka_unit_test(places_change_while_spans_come),
        cmocka_unit_test(a_flow_tells_its_most_frequent_variants),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
