// SPDX-License-Identifier: Apache-2.0

/*
 * Runs over batches, files and merges: random members are added and taken back in random pieces,
 * some written, some merged; every run must be what a plain list of members says, and the sums on
 * the map those of all runs at once.
 */
#include "map/flow/runs_fixture.h"

/* ---- what must be ---- */

static void dump_members(const Member *members, size_t n, Buf *buf)
{
    for (size_t i = 0; i < n; i++) {
        const Member *member = &members[i];

        assert_int_equal(member->sign, 1);
        buf_append_format(buf, " %d%d%d%d%d %.*s %.*s %llu %llu %llu %u/%u;", member->kind,
                          member->client, member->failed, member->shadowed, member->no_run_id,
                          STR_ARG(member->step), STR_ARG(member->service),
                          (unsigned long long)member->start_ns, (unsigned long long)member->end_ns,
                          (unsigned long long)member->threshold, member->trace_id.bytes[15],
                          member->span_id.bytes[7]);
    }
}

static size_t members_of(const Rig *rig, Str id, Member *members)
{
    SubjectChanges run = {.subject = {.kind = SUBJECT_RUN}, .members = members};

    for (size_t i = 0; i < rig->n_members; i++) {
        if (str_equal(rig->members[i].run_id, id)) {
            members[run.n++] = rig->members[i];
        }
    }
    changes_reduce(&run);
    return run.n;
}

static void assert_runs_are_there(Rig *rig, uint64_t seed)
{
    for (unsigned i = 0; i < RUN_IDS; i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        CLEANUP(buf_deinit) Buf expected = {0};
        CLEANUP(buf_deinit) Buf got = {0};
        Member wanted[MEMBERS_MAX];
        RunMembers run;
        size_t n_wanted = members_of(rig, run_id(rig, i), wanted);

        assert_int_equal(runs_read(map_runs(rig->map), rig->flow, run_id(rig, i), &arena, &run), 0);
        assert_false(run.incomplete);
        dump_members(wanted, n_wanted, &expected);
        dump_members(run.items, run.n, &got);
        assert_true(dumps_equal(&expected, &got, seed));
    }
}

/* The sums and lists of a map that got all members at once. */
static void assert_flows_are_those_of_all(Rig *rig, uint64_t seed)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf expected = {0};
    CLEANUP(buf_deinit) Buf got = {0};
    Rig whole;
    const Members none = {.arena = &arena};
    Members members = {.arena = &arena};

    for (size_t i = 0; i < rig->n_members; i++) {
        *members_add(&members) = rig->members[i];
    }
    rig_init(&whole);
    move(&whole, &none, &members);
    dump_flows(whole.map, &arena, &expected);
    dump_flows(rig->map, &arena, &got);
    assert_true(dumps_equal(&expected, &got, seed));
    rig_deinit(&whole);
}

static void assert_entities_are_there(Rig *rig)
{
    for (unsigned i = 1; i <= 2; i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        Str id = arena_format(&arena, "%u", i);
        EntityLinks entity;
        size_t at = 0;

        assert_int_equal(runs_entity(map_runs(rig->map), STR("cart"), id, &arena, &entity), 0);
        for (size_t k = 0; k < rig->n_links; k++) { /* they were made in order of start */
            if (str_equal(rig->links[k].id, id)) {
                assert_true(at < entity.n && entity_links_equal(&entity.items[at], &rig->links[k]));
                at++;
            }
        }
        assert_int_equal(at, entity.n);
    }
}

/* Page by page, the same runs as at once, newest first. */
static void assert_pages_join(Rig *rig)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    RunsQuestion question = {.name = STR("order"), .to_ns = UINT64_MAX, .limit = 1000};
    RunsPage all;
    RunsPage page = {.more = true};
    size_t at = 0;

    assert_int_equal(runs_list(map_runs(rig->map), &question, &arena, &all), 0);
    assert_false(all.more);
    question.limit = 1; /* candidates are let go in between */
    for (; page.more; at += page.n) {
        assert_int_equal(runs_list(map_runs(rig->map), &question, &arena, &page), 0);
        for (size_t i = 0; i < page.n; i++) {
            assert_true(at + i < all.n &&
                        str_equal(page.items[i].run.id, all.items[at + i].run.id));
            assert_true(at + i == 0 ||
                        all.items[at + i - 1].summary.first_ns >= page.items[i].summary.first_ns);
        }
        question.has_after = page.n > 0;
        question.after_ns = page.n > 0 ? page.items[page.n - 1].summary.first_ns : 0;
        question.after_key = page.n > 0 ? page.items[page.n - 1].key : (SubjectKey){0};
    }
    assert_int_equal(at, all.n);
}

/* Any window has those of all that began in it, though not all files are looked through. */
static void assert_windows_have_their_part(Rig *rig, RandomSpans *random)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    RunsQuestion question = {.name = STR("order"), .to_ns = UINT64_MAX, .limit = 1000};
    RunsPage all, part;

    assert_int_equal(runs_list(map_runs(rig->map), &question, &arena, &all), 0);
    for (unsigned i = 0; i < 10; i++) {
        size_t at = 0;

        question.from_ns = 1760000040000000000U + random_below(random, 20) * 60000000000U;
        question.to_ns = question.from_ns + random_below(random, 8) * 60000000000U;
        question.limit = 1 + random_below(random, 4);
        assert_int_equal(runs_list(map_runs(rig->map), &question, &arena, &part), 0);
        for (size_t k = 0; k < all.n; k++) {
            uint64_t first_ns = all.items[k].summary.first_ns;

            if (first_ns >= question.from_ns && first_ns < question.to_ns) {
                assert_true(at >= part.n || str_equal(all.items[k].run.id, part.items[at].run.id));
                at++;
            }
        }
        assert_int_equal(part.n, MIN(at, question.limit));
        assert_int_equal(part.more, at > question.limit);
    }
}

static void test_runs_are_those_of_their_members(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 80; seed++) {
        Rig *rig = NEW(Rig);
        RandomSpans random = {.state = random_seed(seed)};

        rig_init(rig);
        for (unsigned i = 0; i < 40; i++) {
            switch (random_below(&random, 8)) {
            case 0:
            case 1:
                cut(rig);
                break;
            case 2:
                merge(rig, &random);
                break;
            default:
                random_change(rig, &random);
                break;
            }
        }
        assert_runs_are_there(rig, seed);
        assert_flows_are_those_of_all(rig, seed);
        assert_entities_are_there(rig);
        assert_pages_join(rig);
        assert_windows_have_their_part(rig, &random);
        restart(rig);
        assert_runs_are_there(rig, seed);
        assert_entities_are_there(rig);
        assert_pages_join(rig);
        rig_deinit(rig);
        mem_free(rig);
    }
}

/* The first step is taken back by a later file: the run is now one of the second step's day. */
static void test_a_run_is_found_by_a_step_that_became_the_first(void **state)
{
    (void)state;
    const uint64_t day_ns = UINT64_C(86400000000000);
    CLEANUP(arena_deinit) Arena arena = {0};
    Members none = {.arena = &arena};
    Members members = {.arena = &arena};
    Rig *rig = NEW(Rig);
    RunsPage page;

    rig_init(rig);
    for (unsigned i = 0; i < 2; i++) {
        Member *step = members_add(&members);

        *step = (Member){.flow = rig->flow,
                         .run_id = STR("1"),
                         .step = STR("a"),
                         .service = rig->service,
                         .sign = 1,
                         .trace_id = {{1}},
                         .span_id = {{(uint8_t)(i + 1)}},
                         .start_ns = (20000 + i) * day_ns};
        step->end_ns = step->start_ns + 1;
    }
    move(rig, &none, &members);
    cut(rig);
    members.count = 1;
    move(rig, &members, &none);
    cut(rig);
    assert_int_equal(rig->n_files, 2);
    const RunsQuestion question = {
        .name = STR("order"), .from_ns = 20001 * day_ns, .to_ns = 20002 * day_ns, .limit = 10};
    assert_int_equal(runs_list(map_runs(rig->map), &question, &arena, &page), 0);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.items[0].members.n, 1);
    rig_deinit(rig);
    mem_free(rig);
}

static uint64_t tick(void *context)
{
    return (*(uint64_t *)context)++;
}

/* Whenever it comes: the page is a part of the whole one, from the newest on, and goes on there. */
static void test_a_deadline_ends_a_list_where_all_is_known(void **state)
{
    (void)state;
    enum { FILES = 12 };
    CLEANUP(arena_deinit) Arena arena = {0};
    const Members none = {.arena = &arena};
    uint64_t now = 0;
    const Clock clock = {.monotonic_ns = tick, .context = &now};
    RunsQuestion question = {
        .name = STR("order"), .to_ns = UINT64_MAX, .limit = 100, .clock = &clock};
    unsigned n_cut = 0;
    Rig *rig = NEW(Rig);
    RunsPage all, part;

    rig_init(rig);
    for (unsigned i = 0; i < FILES; i++) {
        Members plus = {.arena = &arena};

        *members_add(&plus) = (Member){.flow = rig->flow,
                                       .run_id = run_id(rig, i),
                                       .service = rig->service,
                                       .step = STR("pay"),
                                       .start_ns = 1760000040000000000U + i * 60000000000U,
                                       .sign = 1};
        move(rig, &none, &plus);
        cut(rig);
    }
    assert_int_equal(runs_list(map_runs(rig->map), &question, &arena, &all), 0);
    assert_int_equal(all.n, FILES);
    for (question.deadline_ns = 1; question.deadline_ns < 2 * FILES; question.deadline_ns++) {
        now = 0;
        assert_int_equal(runs_list(map_runs(rig->map), &question, &arena, &part), 0);
        assert_int_equal(part.incomplete, part.n < all.n);
        assert_int_equal(part.more, part.incomplete && part.n > 0);
        for (size_t i = 0; i < part.n; i++) {
            assert_true(str_equal(part.items[i].run.id, all.items[i].run.id));
        }
        n_cut += part.n > 0 && part.incomplete;
    }
    assert_true(n_cut > 0);
    rig_deinit(rig);
    mem_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_are_those_of_their_members),
        cmocka_unit_test(test_a_run_is_found_by_a_step_that_became_the_first),
        cmocka_unit_test(test_a_deadline_ends_a_list_where_all_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
