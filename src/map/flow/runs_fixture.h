// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "map/contract/random_spans.h"
#include "map/flow/runs.h"
#include "os/fs_sim.h"

/*
 * For tests of runs: what the store does for them, on a simulated disk, and members that come and
 * go at random. Not part of the program.
 */
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

static inline Str key_of(Arena *arena, NodeType type, Str name)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    const NodeKey key = {.type = type, .scope = STR("default"), .name = name};

    node_key_append(&key, &buf);
    return arena_copy(arena, buf_str(&buf));
}

static inline int emit(TableSink *sink, const TableInfo *info, Str content)
{
    Rig *rig = (Rig *)(void *)((char *)sink - offsetof(Rig, sink));
    char path[64];

    snprintf(path, sizeof(path), "tables/%010llu.parquet", (unsigned long long)rig->next_number);
    assert_int_equal(fs_replace_file(rig->fs, path, content), 0);
    rig->emitted[rig->n_emitted++] = table_file_new(rig->fs, rig->next_number++, content.len, info);
    return 0;
}

static inline void rig_init(Rig *rig)
{
    *rig = (Rig){.map = map_new(NULL), .sim = fs_sim_new(1), .sink = {.emit = emit}};
    rig->fs = fs_sim_fs(rig->sim);
    assert_int_equal(rig->fs->ops->make_directory(rig->fs, "tables"), 0);
    rig->flow = key_of(&rig->arena, NODE_FLOW, STR("order"));
    rig->service = key_of(&rig->arena, NODE_SERVICE, STR("web"));
}

static inline void rig_deinit(Rig *rig)
{
    map_free(rig->map);
    for (size_t i = 0; i < rig->n_files; i++) {
        table_file_unref(rig->files[i]);
    }
    fs_sim_free(rig->sim);
    arena_deinit(&rig->arena);
}

static inline void move(Rig *rig, const Members *minus, const Members *plus)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Deltas taken = {.arena = &arena};
    Deltas added = {.arena = &arena};

    assert_int_equal(runs_prepare(map_runs(rig->map), minus, plus, &taken, &added), 0);
    runs_commit(map_runs(rig->map));
    map_apply(rig->map, &taken, -1);
    map_apply(rig->map, &added, 1);
}

static inline void cut(Rig *rig)
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
static inline void merge(Rig *rig, RandomSpans *random)
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
static inline void restart(Rig *rig)
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

static inline Str run_id(Rig *rig, unsigned number)
{
    return arena_format(&rig->arena, "run-%u", number);
}

static inline Member random_member(Rig *rig, RandomSpans *random)
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

static inline void random_change(Rig *rig, RandomSpans *random)
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

static inline void add_run(Rig *rig, unsigned number)
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

static inline size_t count_members(Rig *rig, unsigned number)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    RunMembers run;

    assert_int_equal(runs_read(map_runs(rig->map), rig->flow, run_id(rig, number), &arena, &run),
                     0);
    return run.n;
}

/* What the map has, without what the runs tell of themselves. */
static inline void dump_sums(Map *map, Buf *buf)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapQuestion question = {.to_minute = UINT32_MAX, .types = ~0U};
    MapAnswer answer;

    assert_int_equal(map_ask(map, &question, &arena, &answer), 0);
    dump_nodes(&answer, buf);
    dump_edges(&answer, buf);
}
