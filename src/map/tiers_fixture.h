// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map_fixture.h"
#include "map/tiers.h"
#include "os/fs_sim.h"
#include "store/manifest.h"

/*
 * For tests of the map's table files: what the store does for the map, on a simulated disk. Not
 * part of the program.
 */
enum { FILES_MAX = 8192 };

#define START_S ((uint64_t)TODAY * 60) /* the time at which tests begin */

typedef struct Disk {
    FsSim *sim;
    TableFile *files[FILES_MAX];
    size_t n_files;
    uint64_t next, now_s;
} Disk;

typedef struct Emitted {
    TableSink sink;
    Disk *disk;
    uint64_t written_s;
    TableFile *files[FILES_MAX];
    size_t n;
} Emitted;

static inline int emit(TableSink *sink, const TableInfo *info, Str content)
{
    Emitted *emitted = (Emitted *)sink;
    Disk *disk = emitted->disk;
    FileSystem *fs = fs_sim_fs(disk->sim);
    char path[MANIFEST_PATH_MAX];

    manifest_table_path(disk->next, path);
    assert_int_equal(fs_replace_file(fs, path, content), 0);
    TableFile *file = table_file_new(fs, disk->next++, content.len, info);
    file->written_s = emitted->written_s;
    emitted->files[emitted->n++] = file;
    return 0;
}

static inline void commit(Disk *disk, Map *map, const Emitted *emitted, TablesChange change)
{
    size_t kept = 0;

    change.added = emitted->files;
    change.n_added = emitted->n;
    tiers_changed(map, &change);
    for (size_t i = 0; i < disk->n_files; i++) {
        bool gone = false;

        for (size_t k = 0; k < change.n_removed; k++) {
            gone |= change.removed[k] == disk->files[i];
        }
        if (gone) {
            atomic_store(&disk->files[i]->retired, true);
            table_file_unref(disk->files[i]);
        } else {
            disk->files[kept++] = disk->files[i];
        }
    }
    disk->n_files = kept;
    for (size_t i = 0; i < emitted->n; i++) {
        disk->files[disk->n_files++] = emitted->files[i];
    }
}

static inline void cut(Disk *disk, Map *map)
{
    MapPending *pending = map_cut(map);
    Emitted emitted = {.sink = {emit}, .disk = disk, .written_s = disk->now_s};

    if (pending != NULL) {
        assert_int_equal(tiers_write(pending, &emitted.sink), 0);
        commit(disk, map, &emitted, (TablesChange){.pending = pending});
        tiers_free(map, pending);
    }
}

/* One merge, if there is one to be done. */
static inline bool merge(Disk *disk, Map *map)
{
    TablePlan *plan = NEW(TablePlan);
    Emitted emitted = {.sink = {emit}, .disk = disk};
    bool any = tiers_plan(map, disk->files, disk->n_files, disk->now_s, plan);

    if (any) {
        emitted.written_s = table_plan_written_s(plan);
        int result = tiers_merge(map, plan, &emitted.sink);

        if (result == TABLES_PLAN_AGAIN) {
            for (size_t i = 0; i < emitted.n; i++) {
                table_file_unref(emitted.files[i]);
            }
        } else {
            assert_int_equal(result, 0);
            commit(disk, map, &emitted,
                   (TablesChange){.removed = plan->inputs, .n_removed = plan->n_inputs});
        }
    }
    mem_free(plan);
    return any;
}

static inline size_t count_level(const Disk *disk, uint32_t level)
{
    size_t n = 0;

    for (size_t i = 0; i < disk->n_files; i++) {
        n += disk->files[i]->info.level == level;
    }
    return n;
}

static inline Map *restart(Disk *disk, Map *map, const MapOptions *options)
{
    ParseError error;

    map_free(map);
    map = map_new(options);
    for (size_t i = 0; i < disk->n_files; i++) {
        assert_int_equal(tiers_load(map, disk->files[i], &error), 0);
    }
    tiers_loaded(map);
    return map;
}

static inline void disk_init(Disk *disk)
{
    *disk = (Disk){.sim = fs_sim_new(1), .next = 1, .now_s = START_S};
    assert_int_equal(fs_sim_fs(disk->sim)->ops->make_directory(fs_sim_fs(disk->sim), "tables"), 0);
}

static inline void disk_deinit(Disk *disk)
{
    for (size_t i = 0; i < disk->n_files; i++) {
        table_file_unref(disk->files[i]);
    }
    fs_sim_free(disk->sim);
}

/* Merges all that there is, hours later. */
static inline void fold_all(Disk *disk, Map *map)
{
    do {
        disk->now_s += 3 * 3600;
    } while (merge(disk, map));
}

/* What the map answers, as text; @exemplars: how many of each edge. */
static inline void dump_answer(Map *map, uint32_t from, uint32_t to, size_t exemplars, Arena *arena,
                               Buf *text)
{
    MapQuestion question = {.from_minute = from, .to_minute = to};
    MapAnswer answer;

    assert_int_equal(map_ask(map, &question, arena, &answer), 0);
    for (size_t i = 0; i < answer.n_nodes; i++) {
        const MapNode *node = &answer.nodes[i];

        buf_append_format(text, "%.*s %u-%u %lu %lu %lu", STR_ARG(node->id), node->first_minute,
                          node->last_minute, node->requests, node->errors, node->duration.p99_ns);
        for (size_t k = 0; k < node->n_labels; k++) {
            buf_append_format(text, " %.*s", STR_ARG(node->labels[k].value));
        }
        buf_append_byte(text, '\n');
    }
    for (size_t i = 0; i < answer.n_edges; i++) {
        const MapEdge *edge = &answer.edges[i];

        buf_append_format(text, "%.*s %lu %lu %a %lu %lu %lu", STR_ARG(edge->id), edge->count,
                          edge->errors, edge->adjusted_count, edge->duration.p50_ns,
                          edge->duration.p99_ns, edge->server_duration.p90_ns);
        for (size_t k = 0; k < edge->n_intervals; k++) {
            buf_append_format(text, " %u-%u", edge->intervals[k].first_minute,
                              edge->intervals[k].last_minute);
        }
        for (size_t k = 0; k < edge->n_flows; k++) {
            buf_append_format(text, " %.*s:%lu", STR_ARG(edge->flows[k].step),
                              edge->flows[k].count);
        }
        for (size_t k = 0; k < MIN(edge->n_latest, exemplars); k++) {
            buf_append_format(text, " t%lu", edge->latest[k].start_ns);
        }
        for (size_t k = 0; k < MIN(edge->n_slowest, exemplars); k++) {
            buf_append_format(text, " s%lu", edge->slowest[k].duration_ns);
        }
        buf_append_byte(text, '\n');
    }
    for (size_t i = 0; i < answer.n_hops; i++) {
        buf_append_format(text, "hop %lu %lu\n", answer.hops[i].count, answer.hops[i].age.p99_ns);
    }
}
