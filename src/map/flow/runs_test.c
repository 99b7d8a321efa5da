// SPDX-License-Identifier: Apache-2.0

/*
 * Runs over batches, files and merges: random members are added and taken back in random pieces,
 * some written, some merged; every run must be what a plain list of members says, and the sums on
 * the map those of all runs at once.
 */
#include "map/flow/runs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "map/contract/random_spans.h"
#include "map/flow/conformance.h"
#include "map/flow/dynamic_name.h"
#include "os/fs_sim.h"

enum { MEMBERS_MAX = 256, RUN_IDS = 12, FILES_MAX = 64 };

typedef struct Rig {
    Map *map;
    FsSim *sim;
    FileSystem *fs;
    TableFile *files[FILES_MAX];
    size_t n_files;
    uint64_t next_number;
    TableSink sink;
    TableFile *emitted[4];
    size_t n_emitted;
    Arena arena;
    Str flow, service;
    Member members[MEMBERS_MAX]; /* that are there now */
    size_t n_members;
    EntityLink links[MEMBERS_MAX];
    size_t n_links;
} Rig;

static Str key_of(Arena *arena, NodeType type, Str name)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    const NodeKey key = {.type = type, .scope = STR("default"), .name = name};

    node_key_append(&key, &buf);
    return arena_copy(arena, buf_str(&buf));
}

static int emit(TableSink *sink, const TableInfo *info, Str content)
{
    Rig *rig = (Rig *)(void *)((char *)sink - offsetof(Rig, sink));
    char path[64];

    snprintf(path, sizeof(path), "tables/%010llu.parquet", (unsigned long long)rig->next_number);
    assert_int_equal(fs_replace_file(rig->fs, path, content), 0);
    rig->emitted[rig->n_emitted++] = table_file_new(rig->fs, rig->next_number++, content.len, info);
    return 0;
}

static void rig_init(Rig *rig)
{
    *rig = (Rig){.map = map_new(NULL), .sim = fs_sim_new(1), .sink = {.emit = emit}};
    rig->fs = fs_sim_fs(rig->sim);
    assert_int_equal(rig->fs->ops->make_directory(rig->fs, "tables"), 0);
    rig->flow = key_of(&rig->arena, NODE_FLOW, STR("order"));
    rig->service = key_of(&rig->arena, NODE_SERVICE, STR("web"));
}

static void rig_deinit(Rig *rig)
{
    map_free(rig->map);
    for (size_t i = 0; i < rig->n_files; i++) {
        table_file_unref(rig->files[i]);
    }
    fs_sim_free(rig->sim);
    arena_deinit(&rig->arena);
}

static void move(Rig *rig, const Members *minus, const Members *plus)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Deltas taken = {.arena = &arena};
    Deltas added = {.arena = &arena};

    assert_int_equal(runs_prepare(map_runs(rig->map), minus, plus, &taken, &added), 0);
    runs_commit(map_runs(rig->map));
    map_apply(rig->map, &taken, -1);
    map_apply(rig->map, &added, 1);
}

static void cut(Rig *rig)
{
    Runs *runs = map_runs(rig->map);
    RunsPending *pending = runs_cut(runs);

    if (pending == NULL) {
        return;
    }
    rig->n_emitted = 0;
    assert_int_equal(runs_write(runs, pending, &rig->sink), 0);
    const TablesChange change = {
        .pending = pending, .added = rig->emitted, .n_added = rig->n_emitted};
    runs_changed(runs, pending, &change);
    runs_pending_free(runs, pending);
    for (size_t i = 0; i < rig->n_emitted; i++) {
        assert_true(rig->n_files < FILES_MAX);
        rig->files[rig->n_files++] = rig->emitted[i];
    }
}

/* Some of the files become one. */
static void merge(Rig *rig, RandomSpans *random)
{
    TablePlan *plan = NEW(TablePlan);
    size_t kept = 0;

    for (size_t i = 0; i < rig->n_files; i++) {
        if (random_below(random, 2) == 0) {
            plan->inputs[plan->n_inputs++] = rig->files[i];
        } else {
            rig->files[kept++] = rig->files[i];
        }
    }
    rig->n_files = kept;
    rig->n_emitted = 0;
    assert_int_equal(runs_merge(map_runs(rig->map), plan, &rig->sink), 0);
    const TablesChange change = {.added = rig->emitted,
                                 .n_added = rig->n_emitted,
                                 .removed = plan->inputs,
                                 .n_removed = plan->n_inputs};
    runs_changed(map_runs(rig->map), NULL, &change);
    for (size_t i = 0; i < plan->n_inputs; i++) {
        plan->inputs[i]->retired = true;
        table_file_unref(plan->inputs[i]);
    }
    for (size_t i = 0; i < rig->n_emitted; i++) {
        rig->files[rig->n_files++] = rig->emitted[i];
    }
    mem_free(plan);
}

/* As after a restart: what was not cut is lost, and sent again. */
static void restart(Rig *rig)
{
    Map *map = map_new(NULL);
    ParseError error;

    cut(rig);
    map_free(rig->map);
    rig->map = map;
    for (size_t i = 0; i < rig->n_files; i++) {
        assert_int_equal(runs_load(map_runs(map), rig->files[i], &error), 0);
    }
}

static Str run_id(Rig *rig, unsigned number)
{
    return arena_format(&rig->arena, "run-%u", number);
}

static Member random_member(Rig *rig, RandomSpans *random)
{
    Member member = {.flow = rig->flow,
                     .run_id = run_id(rig, random_below(random, RUN_IDS)),
                     .service = rig->service,
                     .sign = 1,
                     .kind = (MemberKind)random_below(random, 3),
                     .client = random_below(random, 4) == 0,
                     .failed = random_below(random, 8) == 0,
                     .threshold = random_below(random, 4) == 0 ? (uint64_t)1 << 55 : 0,
                     .trace_id = {{1, [15] = (uint8_t)random_below(random, 4)}},
                     .span_id = {{2, [7] = (uint8_t)random_below(random, 250)}}};

    if (member.kind == MEMBER_STEP) {
        member.step = RANDOM_PICK(random, "a", "b", "c", "pay it");
    } else {
        member.shadowed = random_below(random, 4) == 0;
    }
    member.no_run_id = random_below(random, 6) == 0;
    member.start_ns = 1760000040000000000U + random_below(random, 40) * 30000000000U;
    member.end_ns = member.start_ns + random_below(random, 5) * 1000000000U;
    return member;
}

static void random_change(Rig *rig, RandomSpans *random)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Members minus = {.arena = &arena};
    Members plus = {.arena = &arena};

    for (unsigned i = random_below(random, 6); i > 0 && rig->n_members > 0; i--) {
        size_t at = random_below(random, (unsigned)rig->n_members);

        *members_add(&minus) = rig->members[at];
        rig->members[at] = rig->members[--rig->n_members];
    }
    for (unsigned i = random_below(random, 10); i > 0 && rig->n_members < MEMBERS_MAX; i--) {
        rig->members[rig->n_members] = random_member(rig, random);
        *members_add(&plus) = rig->members[rig->n_members++];
    }
    if (random_below(random, 2) == 0 && rig->n_links < MEMBERS_MAX) {
        EntityLink *link = &rig->links[rig->n_links++];

        *link = (EntityLink){.type = STR("cart"),
                             .id = RANDOM_PICK(random, "1", "2"),
                             .flow = rig->flow,
                             .run_id = run_id(rig, random_below(random, RUN_IDS)),
                             .trace_id = {{1, [15] = (uint8_t)rig->n_links}},
                             .start_ns = rig->n_links,
                             .sign = 1};
        *members_add_entity(&plus) = *link;
    }
    move(rig, &minus, &plus);
}

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

static void add_run(Rig *rig, unsigned number)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const Members none = {.arena = &arena};
    Members plus = {.arena = &arena};

    *members_add(&plus) = (Member){.flow = rig->flow,
                                   .run_id = run_id(rig, number),
                                   .service = rig->service,
                                   .step = STR("pay"),
                                   .start_ns = 1760000040000000000U,
                                   .end_ns = 1760000041000000000U,
                                   .sign = 1};
    move(rig, &none, &plus);
}

static size_t count_members(Rig *rig, unsigned number);

/* What the map has, without what the runs tell of themselves. */
static void dump_sums(Map *map, Buf *buf)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapQuestion question = {.to_minute = UINT32_MAX, .types = ~0U};
    MapAnswer answer;

    assert_int_equal(map_ask(map, &question, &arena, &answer), 0);
    dump_nodes(&answer, buf);
    dump_edges(&answer, buf);
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

static size_t count_members(Rig *rig, unsigned number)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    RunMembers run;

    assert_int_equal(runs_read(map_runs(rig->map), rig->flow, run_id(rig, number), &arena, &run),
                     0);
    return run.n;
}

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

static void test_a_long_sequence_is_cut_and_told_apart(void **state)
{
    (void)state;
    enum { STEPS = 400 };
    Member *steps = NEW_ARRAY(Member, STEPS);
    CLEANUP(buf_deinit) Buf a = {0};
    CLEANUP(buf_deinit) Buf b = {0};
    Str step;
    bool was_cut = false;
    size_t n = 0;

    for (size_t i = 0; i < STEPS; i++) {
        steps[i].step = STR("step");
    }
    variant_append(steps, STEPS, &a);
    steps[STEPS - 1].step = STR("last");
    variant_append(steps, STEPS, &b);
    assert_false(str_equal(buf_str(&a), buf_str(&b)));
    for (Str rest = buf_str(&a); variant_take(&rest, &step, &was_cut) == 0; n++) {
        assert_true(str_equal(step, STR("step")));
    }
    assert_true(was_cut && n < STEPS && n >= VARIANT_BYTES_MAX / 5 - 1);
    mem_free(steps);
}

static void test_dynamic_names(void **state)
{
    (void)state;
    static const char *const dynamic[] = {
        "order-12345",          "deadbeef",
        "2024-01-31",           "31.01.2024",
        "mail joe@example.com", "x 6f9619ff-8b86-d011-b42d-00cf4fc964ff"};
    static const char *const fixed[] = {"order-1234", "validate_cart", "b",       "deadbee",
                                        "v2.10.3",    "step 12-34",    "a@b",     "face 2 face",
                                        "10-12-14",   "@home.page",    "to@do .", ""};

    for (size_t i = 0; i < ARRAY_LEN(dynamic); i++) {
        assert_true(name_is_dynamic(str_from_cstr(dynamic[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        assert_false(name_is_dynamic(str_from_cstr(fixed[i])));
    }
}

/* Steps of one letter each; @parallel has them pair by pair. */
static void assert_deviates_beside(const char *parallel, const char *expected, const char *actual,
                                   const char *wanted)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(buf_deinit) Buf got = {0};
    Str sides[2] = {str_from_cstr(expected), str_from_cstr(actual)};
    Str steps[2][16];
    Deviation *deviations;
    size_t n;

    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < sides[side].len; i++) {
            steps[side][i] = str_slice(sides[side], i, i + 1);
        }
    }
    ParallelSteps *beside = ARENA_NEW(&arena, ParallelSteps);
    Expectation expectation = {{steps[0], sides[0].len}, beside};

    for (Str left = str_from_cstr(parallel); left.len > 0; left = str_slice(left, 2, left.len)) {
        assert_int_equal(parallel_steps_add(beside, str_slice(left, 0, 1), str_slice(left, 1, 2)),
                         0);
    }
    assert_int_equal(conformance_check(&expectation, (StepSequence){steps[1], sides[1].len}, &arena,
                                       &deviations, &n),
                     0);
    for (size_t i = 0; i < n; i++) {
        buf_append_format(&got, "%s%.*s %.*s %zu", i == 0 ? "" : ", ",
                          STR_ARG(deviation_name(deviations[i].kind)), STR_ARG(deviations[i].step),
                          deviations[i].at);
    }
    assert_string_equal(buf_cstr(&got), wanted);
}

static void assert_deviates(const char *expected, const char *actual, const char *wanted)
{
    assert_deviates_beside("", expected, actual, wanted);
}

static void test_deviations_are_told_by_kind(void **state)
{
    (void)state;
    assert_deviates("abc", "abc", "");
    assert_deviates("abc", "ac", "skipped b 1");
    assert_deviates("abc", "abbc", "repeated b 2");
    assert_deviates("abc", "axbc", "inserted x 1");
    assert_deviates("abcd", "acbd", "swapped c 1");
    assert_deviates("abcd", "bcd", "skipped a 0");
    assert_deviates("ab", "", "skipped a 0, skipped b 1");
    assert_deviates("abc", "xcab", "inserted x 0, swapped c 1");
}

static void test_steps_in_parallel_come_in_any_order(void **state)
{
    (void)state;
    assert_deviates_beside("bc", "abcd", "acbd", "");
    assert_deviates_beside("bccdbd", "abcde", "adcbe", "");
    assert_deviates_beside("bc", "abcd", "acbbd", "repeated b 3");
    assert_deviates_beside("bc", "abcd", "acd", "skipped b 1");
    assert_deviates_beside("bc", "abcd", "axcbd", "inserted x 1");
    /* a is parallel to neither: its place counts, and c does not get past it. */
    assert_deviates_beside("bc", "abc", "cab", "swapped c 0");
    assert_deviates_beside("bc", "abcd", "cbad", "swapped c 0, swapped b 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_are_those_of_their_members),
        cmocka_unit_test(test_a_run_is_found_by_a_step_that_became_the_first),
        cmocka_unit_test(test_a_damaged_file_is_refused_or_told),
        cmocka_unit_test(test_what_cannot_be_opened_yet_is_not_missing),
        cmocka_unit_test(test_a_read_error_puts_a_run_off),
        cmocka_unit_test(test_a_run_in_a_damaged_file_stays_on_the_map),
        cmocka_unit_test(test_a_damaged_file_is_planned_no_more),
        cmocka_unit_test(test_a_run_without_end_is_left_out),
        cmocka_unit_test(test_a_deadline_ends_a_list_where_all_is_known),
        cmocka_unit_test(test_what_came_too_long_ago_goes),
        cmocka_unit_test(test_months_are_merged_each_by_itself),
        cmocka_unit_test(test_a_long_sequence_is_cut_and_told_apart),
        cmocka_unit_test(test_dynamic_names),
        cmocka_unit_test(test_deviations_are_told_by_kind),
        cmocka_unit_test(test_steps_in_parallel_come_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
