// SPDX-License-Identifier: Apache-2.0
#include "map/map_fixture.h"

#include "map/answer/diff.h"

/* Two windows of ten minutes, one after the other. */
enum { A = TODAY, B = TODAY + 10, END = TODAY + 20 };

typedef struct Traffic {
    uint32_t from, to;      /* minutes */
    uint32_t calls, errors; /* a minute; errors of them */
    uint64_t duration_ns;
} Traffic;

/* Durations vary by half, and differ in every minute. */
static void send(Fixture *fixture, const char *source, const char *target, const Traffic *traffic)
{
    uint64_t random = 1;

    for (uint32_t minute = traffic->from; minute < traffic->to; minute++) {
        for (uint32_t i = 0; i < traffic->calls; i++) {
            Delta *delta = fixture_call(fixture, source, target, minute);

            random = random * 6364136223846793005U + 1442695040888963407U;
            delta->errors = i < traffic->errors;
            delta->duration_ns =
                traffic->duration_ns + traffic->duration_ns * (random >> 33 & 1023) / 2048;
        }
    }
}

static MapDiff compare(Fixture *fixture)
{
    const MapDiffQuestion question = {.a_from = A,
                                      .a_to = B,
                                      .b_from = B,
                                      .b_to = END,
                                      .complete_to_ns = UINT64_C(60000000000) * END};
    MapDiff diff;

    fixture_apply(fixture);
    assert_int_equal(map_diff(fixture->map, &question, &fixture->arena, &diff), 0);
    return diff;
}

static const MapChange *find(const MapDiff *diff, ChangeKind kind)
{
    for (size_t i = 0; i < diff->n_changes; i++) {
        if (diff->changes[i].kind == kind) {
            return &diff->changes[i];
        }
    }
    return NULL;
}

static void what_came_and_went_is_told(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    send(&fixture, "web", "cart", &(Traffic){A, END, 10, 0, 1000000});
    send(&fixture, "web", "old", &(Traffic){A, B, 10, 0, 1000000});
    send(&fixture, "web", "new", &(Traffic){B, END, 10, 0, 1000000});
    send(&fixture, "web", "once", &(Traffic){B, B + 1, 1, 0, 1000000});
    MapDiff diff = compare(&fixture);
    assert_int_equal(diff.n_added_edges, 2);
    assert_int_equal(diff.n_added_nodes, 2);
    assert_int_equal(diff.n_removed_edges, 1);
    assert_int_equal(diff.n_removed_nodes, 1);
    assert_int_equal(diff.n_changes, 0);
    assert_string_equal(diff.b.nodes[diff.b.edges[diff.added_edges[0].index].target].key.name.ptr,
                        "new");
    assert_true(diff.added_edges[0].significance > 10);
    assert_true(diff.added_edges[1].significance < 1); /* one call proves nothing */
    fixture_deinit(&fixture);
}

static void each_kind_of_change_is_found(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    send(&fixture, "web", "cart", &(Traffic){A, B, 20, 1, 10000000});
    send(&fixture, "web", "cart", &(Traffic){B, END, 60, 30, 30000000});
    MapDiff diff = compare(&fixture);
    assert_int_equal(diff.n_changes, 3);
    const MapChange *rate = find(&diff, CHANGE_RATE), *errors = find(&diff, CHANGE_ERRORS);
    const MapChange *latency = find(&diff, CHANGE_LATENCY);
    assert_true(rate->a == 20 && rate->b == 60);
    assert_true(errors->a == 0.05 && errors->b == 0.5);
    assert_true(latency->b / latency->a > 2.5 && latency->b / latency->a < 3.5);
    assert_true(rate->significance > 2 && errors->significance > 2 && latency->significance > 2);
    assert_int_equal(diff.changes[0].kind, CHANGE_ERRORS); /* matters most */
    fixture_deinit(&fixture);
}

/* Five times the calls, all within two minutes of windows of ten. */
static void a_short_load_is_compared_too(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    send(&fixture, "web", "cart", &(Traffic){A + 3, A + 5, 50, 0, 10000000});
    send(&fixture, "web", "cart", &(Traffic){B + 3, B + 5, 250, 0, 10000000});
    MapDiff diff = compare(&fixture);
    assert_int_equal(diff.n_changes, 1);
    assert_int_equal(diff.changes[0].kind, CHANGE_RATE);
    fixture_deinit(&fixture);
}

static void what_stays_the_same_is_not_told(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    send(&fixture, "web", "cart", &(Traffic){A, B, 40, 2, 10000000});
    send(&fixture, "web", "cart", &(Traffic){B, END, 44, 2, 10500000});
    assert_int_equal(compare(&fixture).n_changes, 0);
    fixture_deinit(&fixture);
}

/* Large differences of a few calls, and of bursts that both windows have. */
static void thin_and_bursty_data_fool_nobody(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, NULL);
    send(&fixture, "web", "cart", &(Traffic){A, A + 3, 1, 0, 1000000});
    send(&fixture, "web", "cart", &(Traffic){B, B + 1, 5, 2, 90000000});
    send(&fixture, "web", "bursts", &(Traffic){A + 1, A + 2, 300, 0, 1000000});
    send(&fixture, "web", "bursts", &(Traffic){A + 8, A + 9, 500, 0, 1000000});
    send(&fixture, "web", "bursts", &(Traffic){B + 2, B + 3, 1500, 0, 1000000});
    send(&fixture, "web", "bursts", &(Traffic){B + 7, B + 8, 900, 0, 1000000});
    MapDiff diff = compare(&fixture);
    assert_int_equal(diff.n_changes, 0);
    fixture_deinit(&fixture);
}

/* A window that is not over is compared by what is known of it. */
static void an_unfinished_window_is_not_quieter(void **state)
{
    Fixture fixture;
    MapDiffQuestion question = {
        .a_from = A, .a_to = B, .b_from = B, .b_to = END, .complete_to_ns = 0};
    MapDiff diff;

    fixture_init(&fixture, NULL);
    send(&fixture, "web", "cart", &(Traffic){A, B + 3, 50, 0, 1000000});
    fixture_apply(&fixture);
    question.complete_to_ns = UINT64_C(60000000000) * (B + 3);
    assert_int_equal(map_diff(fixture.map, &question, &fixture.arena, &diff), 0);
    assert_int_equal(diff.n_changes, 0);
    question.complete_to_ns = UINT64_C(60000000000) * END;
    assert_int_equal(map_diff(fixture.map, &question, &fixture.arena, &diff), 0);
    assert_non_null(find(&diff, CHANGE_RATE)); /* here it is: the calls stopped */
    fixture_deinit(&fixture);
}

/* As send(), of entry points that nobody on the map calls. */
static void send_requests(Fixture *fixture, const char *target, const Traffic *traffic)
{
    size_t before = fixture->deltas.count;

    send(fixture, target, target, traffic);
    for (size_t i = before; i < fixture->deltas.count; i++) {
        fixture->deltas.items[i].kind = DELTA_REQUEST;
        fixture->deltas.items[i].name = i % 2 == 0 ? STR("GET /") : STR("POST /");
    }
}

static void requests_of_services_are_compared(void **state)
{
    Fixture fixture;
    size_t n[CHANGE_LATENCY + 1] = {0};

    fixture_init(&fixture, NULL);
    send_requests(&fixture, "front", &(Traffic){A, B, 100, 0, 1000000});
    send_requests(&fixture, "front", &(Traffic){B, END, 100, 20, 3000000});
    send_requests(&fixture, "same", &(Traffic){A, END, 100, 3, 1000000});
    send_requests(&fixture, "job", &(Traffic){A, B, 50, 0, 1000000});
    send_requests(&fixture, "job", &(Traffic){B, END, 200, 0, 1000000});
    MapDiff diff = compare(&fixture);
    assert_int_equal(diff.n_changes, 0);
    assert_int_equal(diff.n_requests, 3);
    for (size_t i = 0; i < diff.n_requests; i++) {
        const MapChange *change = &diff.requests[i];
        Str name = diff.b.nodes[change->index].key.name;

        n[change->kind]++;
        assert_true(str_equal(name, change->kind == CHANGE_RATE ? STR("job") : STR("front")));
        assert_true(change->significance > 2);
    }
    assert_int_equal(n[CHANGE_RATE], 1);
    assert_int_equal(n[CHANGE_ERRORS], 1);
    assert_int_equal(n[CHANGE_LATENCY], 1);
    assert_int_equal(diff.requests[0].kind, CHANGE_ERRORS);
    assert_true(diff.requests[0].a == 0 && diff.requests[0].b == 0.2);
    fixture_deinit(&fixture);
}

static void a_focus_that_only_one_window_has_is_answered(void **state)
{
    Fixture fixture;
    MapDiffQuestion question = {.a_from = A, .a_to = B, .b_from = B, .b_to = END};
    MapDiff diff;

    fixture_init(&fixture, NULL);
    send(&fixture, "web", "new", &(Traffic){B, END, 10, 0, 1000000});
    question.filters.focus = fixture_id(&fixture, service(&fixture, "new"));
    fixture_apply(&fixture);
    assert_int_equal(map_diff(fixture.map, &question, &fixture.arena, &diff), 0);
    assert_int_equal(diff.n_added_nodes, 2);
    question.filters.focus = STR("nobody");
    assert_int_equal(map_diff(fixture.map, &question, &fixture.arena, &diff), MAP_NO_SUCH_NODE);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_and_went_is_told),
        cmocka_unit_test(each_kind_of_change_is_found),
        cmocka_unit_test(a_short_load_is_compared_too),
        cmocka_unit_test(what_stays_the_same_is_not_told),
        cmocka_unit_test(thin_and_bursty_data_fool_nobody),
        cmocka_unit_test(an_unfinished_window_is_not_quieter),
        cmocka_unit_test(requests_of_services_are_compared),
        cmocka_unit_test(a_focus_that_only_one_window_has_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
