// SPDX-License-Identifier: Apache-2.0

/*
 * What business flows cost: runs of five steps over two traces are added to the runs and the map,
 * written as tables of as many spans as a cut has, and asked for.
 *
 *     flow_bench [RUNS] [DIRECTORY]
 *
 * Spans are counted as ten per step: nine of ten spans of a system are no steps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "map/flow/runs.h"
#include "map/map.h"

enum {
    STEPS = 5,
    BATCH_RUNS = 64, /* settled together */
    CUT_RUNS = 5000, /* 262,144 spans a cut, ten a step */
    SPANS_PER_STEP = 10,
    DAYS = 30,
    LOOKUPS = 1000,
};

typedef struct Bench {
    Map *map;
    FileSystem *fs;
    TableFile **files;
    size_t n_files, capacity;
    uint64_t next_number, n_bytes, random;
    Str flow, services[STEPS];
    Arena names;
    TableSink sink;
    TableFile *emitted[4];
    size_t n_emitted;
} Bench;

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t next_random(Bench *bench)
{
    bench->random = bench->random * 6364136223846793005U + 1442695040888963407U;
    uint64_t x = bench->random;
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdU;
    return x ^ (x >> 33);
}

static Str key(Bench *bench, NodeType type, const char *name)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    NodeKey node = {.type = type,
                    .scope = STR("default"),
                    .environment = STR("prod"),
                    .name = str_from_cstr(name)};

    node_key_append(&node, &buf);
    return arena_copy(&bench->names, buf_str(&buf));
}

static void fill_id(Bench *bench, uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = next_random(bench);

        mem_copy(bytes + i, &word, 8);
    }
}

static void add_run(Bench *bench, uint64_t number, uint64_t start_ns, Members *members)
{
    static const char *const steps[STEPS] = {"validate", "reserve", "charge", "ship", "mail"};
    Str run_id =
        arena_format(members->arena, "%016llx", (unsigned long long)(number * 0x9e3779b97f4a7c15U));
    TraceId traces[2];
    uint64_t odd = next_random(bench) % 100;

    fill_id(bench, traces[0].bytes, TRACE_ID_SIZE);
    fill_id(bench, traces[1].bytes, TRACE_ID_SIZE);
    for (size_t i = 0; i < STEPS; i++) {
        size_t step = odd < 30 && i >= 3 ? (i == 3 ? 4 : 3) : i;
        Member *member = members_add(members);

        *member = (Member){.flow = bench->flow,
                           .run_id = run_id,
                           .step = str_from_cstr(steps[step]),
                           .service = bench->services[step],
                           .trace_id = traces[i >= 3],
                           .start_ns = start_ns,
                           .end_ns = start_ns + next_random(bench) % 50000000,
                           .sign = 1,
                           .failed = odd == 99 && i == 4};
        fill_id(bench, member->span_id.bytes, SPAN_ID_SIZE);
        start_ns = member->end_ns + next_random(bench) % 10000000;
    }
}

static void settle(Bench *bench, uint64_t from, uint64_t to, uint64_t n_runs)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const Members none = {.arena = &arena};
    Members members = {.arena = &arena};
    Deltas minus = {.arena = &arena};
    Deltas plus = {.arena = &arena};

    for (uint64_t i = from; i < to; i++) {
        uint64_t at_ns = (uint64_t)((double)i / (double)n_runs * DAYS * 86400e9);

        add_run(bench, i, 1760000000000000000U + at_ns, &members);
    }
    ASSERT(runs_prepare(map_runs(bench->map), &none, &members, &minus, &plus) == 0);
    runs_commit(map_runs(bench->map));
    map_apply(bench->map, &plus, 1);
}

static int emit(TableSink *sink, const TableInfo *info, Str content)
{
    Bench *bench = (Bench *)(void *)((char *)sink - offsetof(Bench, sink));
    char path[64];

    snprintf(path, sizeof(path), "tables/%010llu.parquet", (unsigned long long)bench->next_number);
    ASSERT(fs_replace_file(bench->fs, path, content) == 0);
    bench->emitted[bench->n_emitted++] =
        table_file_new(bench->fs, bench->next_number++, content.len, info);
    bench->n_bytes += content.len;
    return 0;
}

static void cut(Bench *bench)
{
    Runs *runs = map_runs(bench->map);
    RunsPending *pending = runs_cut(runs);
    MapPending *sums = map_cut(bench->map);

    map_pending_free(sums);
    if (pending == NULL) {
        return;
    }
    bench->n_emitted = 0;
    ASSERT(runs_write(runs, pending, &bench->sink) == 0);
    TablesChange change = {
        .pending = pending, .added = bench->emitted, .n_added = bench->n_emitted};
    runs_changed(runs, pending, &change);
    for (size_t i = 0; i < bench->n_emitted; i++) {
        ARRAY_RESERVE(bench->files, bench->n_files, bench->capacity);
        bench->files[bench->n_files++] = bench->emitted[i];
    }
    runs_pending_free(runs, pending);
}

static void merge(Bench *bench)
{
    static TablePlan plan;
    Runs *runs = map_runs(bench->map);

    while (runs_plan(bench->files, bench->n_files, 0, 0, &plan)) {
        size_t kept = 0;

        bench->n_emitted = 0;
        ASSERT(runs_merge(runs, &plan, &bench->sink) == 0);
        TablesChange change = {.added = bench->emitted,
                               .n_added = bench->n_emitted,
                               .removed = plan.inputs,
                               .n_removed = plan.n_inputs};
        runs_changed(runs, NULL, &change);
        for (size_t i = 0; i < bench->n_files; i++) {
            bool goes = false;

            for (size_t k = 0; k < plan.n_inputs; k++) {
                goes |= plan.inputs[k] == bench->files[i];
            }
            if (goes) {
                bench->n_bytes -= bench->files[i]->bytes;
                bench->files[i]->retired = true;
                table_file_unref(bench->files[i]);
            } else {
                bench->files[kept++] = bench->files[i];
            }
        }
        bench->n_files = kept;
        ARRAY_RESERVE(bench->files, bench->n_files, bench->capacity);
        bench->files[bench->n_files++] = bench->emitted[0];
    }
}

static void ask(Bench *bench, uint64_t n_runs)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapFlowQuestion question = {.name = STR("order"), .to_minute = UINT32_MAX};
    const RunsQuestion list = {.name = STR("order"), .to_ns = UINT64_MAX, .limit = 100};
    MapFlowAnswer flow;
    RunsPage page;
    RunMembers run;

    double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    ASSERT(map_flow_ask(bench->map, &question, &arena, &flow) == 0);
    printf("flow over %d days: %.1f ms, %llu runs, %zu variants\n", DAYS,
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3, (unsigned long long)flow.flow.runs,
           flow.n_variants);
    start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        CLEANUP(arena_deinit) Arena scratch = {0};
        uint64_t number = next_random(bench) % n_runs;
        Str id =
            arena_format(&scratch, "%016llx", (unsigned long long)(number * 0x9e3779b97f4a7c15U));

        ASSERT(runs_read(map_runs(bench->map), bench->flow, id, &scratch, &run) == 0);
        ASSERT(run.n == STEPS);
    }
    printf("one run: %.3f ms\n", (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3 / LOOKUPS);
    start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    ASSERT(runs_list(map_runs(bench->map), &list, &arena, &page) == 0);
    printf("newest 100 runs of all: %.0f ms\n", (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3);
}

int main(int argc, char **argv)
{
    uint64_t n_runs = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    Bench bench = {.map = map_new(NULL), .random = 1, .sink = {.emit = emit}};
    double settling = 0;
    double writing = 0;

    ASSERT(fs_open_directory(argc > 2 ? argv[2] : "flow_bench.data", &bench.fs) == 0);
    ASSERT(bench.fs->ops->make_directory(bench.fs, "tables") == 0);
    bench.flow = key(&bench, NODE_FLOW, "order");
    for (size_t i = 0; i < STEPS; i++) {
        static const char *const names[STEPS] = {"cart", "stock", "payment", "shipping", "mail"};

        bench.services[i] = key(&bench, NODE_SERVICE, names[i]);
    }
    for (uint64_t from = 0; from < n_runs; from += CUT_RUNS) {
        double start = seconds(CLOCK_PROCESS_CPUTIME_ID);

        for (uint64_t i = from; i < MIN(from + CUT_RUNS, n_runs); i += BATCH_RUNS) {
            settle(&bench, i, MIN(i + BATCH_RUNS, MIN(from + CUT_RUNS, n_runs)), n_runs);
        }
        settling += seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        start = seconds(CLOCK_PROCESS_CPUTIME_ID);
        cut(&bench);
        merge(&bench);
        writing += seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    }
    double per_million = 1e6 / ((double)n_runs * STEPS * SPANS_PER_STEP);
    RunsStatus status;
    runs_status(map_runs(bench.map), &status);
    printf("%llu runs of %d steps: settling %.3f, tables and merges %.3f CPU-seconds per million "
           "spans\n",
           (unsigned long long)n_runs, STEPS, settling * per_million, writing * per_million);
    printf("%.1f bytes per step occurrence in %llu files\n",
           (double)status.file_bytes / ((double)n_runs * STEPS), (unsigned long long)status.files);
    ask(&bench, n_runs);
    for (size_t i = 0; i < bench.n_files; i++) {
        bench.files[i]->retired = true;
    }
    map_free(bench.map);
    for (size_t i = 0; i < bench.n_files; i++) {
        table_file_unref(bench.files[i]);
    }
    mem_free(bench.files);
    arena_deinit(&bench.names);
    bench.fs->ops->free(bench.fs);
    return 0;
}
