// SPDX-License-Identifier: Apache-2.0

/*
 * What business flows cost: runs of five steps over two traces are added to the runs and the map,
 * written as tables of as many spans as a cut has, and asked for.
 *
 *     flow_bench [RUNS] [DIRECTORY] [whole]
 *
 * Spans are counted as ten per step: nine of ten spans of a system are no steps. No run is ever
 * over: each may go on, as some do at the end. With `entities` each has to do with a business
 * object of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "map/flow/run_file.h"
#include "map/flow/runs.h"
#include "map/kept.h"
#include "map/map.h"
#include "map/tiers.h"

enum {
    STEPS = 5,
    BATCH_RUNS = 64, /* settled together */
    CUT_RUNS = 5000, /* 262,144 spans a cut, ten a step */
    SPANS_PER_STEP = 10,
    DAYS = 30,
    LOOKUPS = 1000,
    EMITTED_MAX = 1024,
    PROGRESS_RUNS = 250000,
};

#define START_NS UINT64_C(1760000000000000000)

typedef struct Bench {
    Map *map;
    FileSystem *fs;
    TableFile **files;
    size_t n_files, capacity;
    uint64_t next_number, random;
    uint64_t now_s; /* when the last runs began */
    bool is_whole;
    Str flow, services[STEPS];
    Arena names;
    TableSink sink;
    TableFile *emitted[EMITTED_MAX];
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
    if (bench->is_whole) {
        *members_add_entity(members) =
            (EntityLink){.type = STR("order"),
                         .id = arena_format(members->arena, "%llu", (unsigned long long)number),
                         .flow = bench->flow,
                         .run_id = run_id,
                         .trace_id = traces[0],
                         .start_ns = members->items[members->count - STEPS].start_ns,
                         .sign = 1};
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

        add_run(bench, i, START_NS + at_ns, &members);
        bench->now_s = (START_NS + at_ns) / 1000000000U;
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
    TableFile *table = table_file_new(bench->fs, bench->next_number++, content.len, info);
    table->written_s = bench->now_s;
    ASSERT(bench->n_emitted < EMITTED_MAX);
    bench->emitted[bench->n_emitted++] = table;
    return 0;
}

/* The files that a commit leaves. */
static void keep_files(Bench *bench, const TablePlan *plan)
{
    size_t kept = 0;

    for (size_t i = 0; i < bench->n_files; i++) {
        bool goes = false;

        for (size_t k = 0; plan != NULL && k < plan->n_inputs; k++) {
            goes |= plan->inputs[k] == bench->files[i];
        }
        if (goes) {
            bench->files[i]->retired = true;
            table_file_unref(bench->files[i]);
        } else {
            bench->files[kept++] = bench->files[i];
        }
    }
    bench->n_files = kept;
    for (size_t i = 0; i < bench->n_emitted; i++) {
        ARRAY_RESERVE(bench->files, bench->n_files, bench->capacity);
        bench->files[bench->n_files++] = bench->emitted[i];
    }
    bench->n_emitted = 0;
}

static TablesChange change_of(const Bench *bench, const void *pending, TablePlan *plan)
{
    return (TablesChange){.pending = pending,
                          .added = bench->emitted,
                          .n_added = bench->n_emitted,
                          .removed = plan == NULL ? NULL : plan->inputs,
                          .n_removed = plan == NULL ? 0 : plan->n_inputs};
}

/* The runs' tables alone; the map's sums stay in memory. */
static void write_runs(Bench *bench)
{
    static TablePlan plan;
    Runs *runs = map_runs(bench->map);
    RunsPending *pending = runs_cut(runs);

    tiers_free(bench->map, map_cut(bench->map));
    ASSERT(pending != NULL && runs_write(runs, pending, &bench->sink) == 0);
    TablesChange change = change_of(bench, pending, NULL);
    runs_changed(runs, pending, &change);
    runs_pending_free(runs, pending);
    keep_files(bench, NULL);
    while (runs_plan(bench->files, bench->n_files, bench->now_s, 0, &plan)) {
        ASSERT(runs_merge(runs, &plan, &bench->sink) == 0);
        change = change_of(bench, NULL, &plan);
        runs_changed(runs, NULL, &change);
        keep_files(bench, &plan);
    }
}

/* All tables, as a server does. */
static void write_all(Bench *bench)
{
    static TablePlan plan;
    KeptPending *pending = kept_cut(bench->map);

    ASSERT(pending != NULL && kept_write(bench->map, pending, &bench->sink) == 0);
    TablesChange change = change_of(bench, pending, NULL);
    kept_changed(bench->map, &change);
    kept_free(bench->map, pending);
    keep_files(bench, NULL);
    plan = (TablePlan){0};
    while (kept_plan(bench->map, bench->files, bench->n_files, bench->now_s, &plan)) {
        ASSERT(kept_merge(bench->map, &plan, &bench->sink) == 0);
        change = change_of(bench, NULL, &plan);
        kept_changed(bench->map, &change);
        keep_files(bench, &plan);
        plan = (TablePlan){0}; /* a planner adds to what there is */
    }
}

/* What the columns take. */
static void print_columns(const Bench *bench, double n_steps)
{
    uint64_t bytes[RUN_COLUMNS] = {0};
    ParseError error;

    for (size_t i = 0; i < bench->n_files; i++) {
        RunFile *file;

        if (!table_info_is(&bench->files[i]->info, RUNS_FAMILY)) {
            continue;
        }
        ASSERT(run_file_open(bench->files[i], &file, &error) == 0);
        for (size_t k = 0; k < RUN_COLUMNS; k++) {
            bytes[k] += parquet_column_bytes(file->parquet, file->columns[k]);
        }
        run_file_unref(file);
    }
    for (size_t k = 0; k < RUN_COLUMNS; k++) {
        printf("%s%.*s %.2f", k == 0 ? "bytes of columns: " : ", ", STR_ARG(run_columns[k].name),
               (double)bytes[k] / n_steps);
    }
    printf("\n");
}

/* Megabytes of this process, now or at the peak. */
static double memory_mb(const char *what)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256], form[32];
    double mb = 0;
    long kb;

    ASSERT(file != NULL);
    snprintf(form, sizeof(form), "%s: %%ld", what);
    while (fgets(line, sizeof(line), file) != NULL) {
        mb = sscanf(line, form, &kb) == 1 ? (double)kb / 1e3 : mb;
    }
    fclose(file);
    return mb;
}

static Str random_run(Bench *bench, uint64_t n_runs, Arena *arena, uint64_t *ret_number)
{
    *ret_number = next_random(bench) % n_runs;
    return arena_format(arena, "%016llx", (unsigned long long)(*ret_number * 0x9e3779b97f4a7c15U));
}

static void ask_single(Bench *bench, uint64_t n_runs)
{
    double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t number;

    for (uint64_t i = 0; i < LOOKUPS; i++) {
        CLEANUP(arena_deinit) Arena scratch = {0};
        Str id = random_run(bench, n_runs, &scratch, &number);
        RunMembers run;

        ASSERT(runs_read(map_runs(bench->map), bench->flow, id, &scratch, &run) == 0);
        ASSERT(run.n == STEPS);
    }
    printf("one run: %.3f ms\n", (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3 / LOOKUPS);
    start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (uint64_t i = 0; i < LOOKUPS && bench->is_whole; i++) {
        CLEANUP(arena_deinit) Arena scratch = {0};
        Str id = arena_format(&scratch, "%llu", (unsigned long long)(next_random(bench) % n_runs));
        EntityLinks links;

        ASSERT(runs_entity(map_runs(bench->map), STR("order"), id, &scratch, &links) == 0);
        ASSERT(links.n == 1);
    }
    if (bench->is_whole) {
        printf("one business object: %.3f ms\n",
               (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3 / LOOKUPS);
    }
}

static void ask_list(Bench *bench, const char *what, uint64_t from_ns, uint64_t to_ns)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const RunsQuestion list = {
        .name = STR("order"), .from_ns = from_ns, .to_ns = to_ns, .limit = 100};
    double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    RunsPage page;

    ASSERT(runs_list(map_runs(bench->map), &list, &arena, &page) == 0);
    ASSERT(page.n == list.limit && !page.incomplete);
    printf("newest 100 runs of %s: %.0f ms\n", what,
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3);
}

static void ask(Bench *bench, uint64_t n_runs)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const MapFlowQuestion question = {.name = STR("order"), .to_minute = UINT32_MAX};
    MapFlowAnswer flow;
    MapFlow *flows;
    size_t n;

    double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    map_flow_list(bench->map, 0, UINT32_MAX, &arena, &flows, &n);
    printf("all flows over %d days: %.1f ms\n", DAYS,
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3);
    start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    ASSERT(map_flow_ask(bench->map, &question, &arena, &flow) == 0);
    printf("one flow: %.1f ms, %llu runs, %zu variants\n",
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3, (unsigned long long)flow.flow.runs,
           flow.n_variants);
    ASSERT(flow.flow.runs == n_runs);
    ask_single(bench, n_runs);
    ask_list(bench, "all", 0, UINT64_MAX);
    ask_list(bench, "the first day", 0, START_NS + 86400000000000U);
}

/* Runs of any age get another step. */
static void go_on(Bench *bench, uint64_t n_runs)
{
    double start = seconds(CLOCK_PROCESS_CPUTIME_ID);

    for (uint64_t i = 0; i < LOOKUPS; i++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        const Members none = {.arena = &arena};
        Members members = {.arena = &arena};
        Deltas minus = {.arena = &arena};
        Deltas plus = {.arena = &arena};
        uint64_t number;
        Member *member = members_add(&members);

        *member = (Member){.flow = bench->flow,
                           .run_id = random_run(bench, n_runs, &arena, &number),
                           .step = STR("return"),
                           .service = bench->services[0],
                           .start_ns = START_NS + (DAYS + 1) * 86400000000000U + i,
                           .sign = 1};
        member->end_ns = member->start_ns;
        fill_id(bench, member->trace_id.bytes, TRACE_ID_SIZE);
        fill_id(bench, member->span_id.bytes, SPAN_ID_SIZE);
        ASSERT(runs_prepare(map_runs(bench->map), &none, &members, &minus, &plus) == 0);
        runs_commit(map_runs(bench->map));
        map_apply(bench->map, &minus, -1);
        map_apply(bench->map, &plus, 1);
    }
    printf("an old run goes on: %.3f ms\n",
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - start) * 1e3 / LOOKUPS);
}

/* Now and then, for whoever waits for ten million. */
static void tell_progress(const Bench *bench, uint64_t done, uint64_t n_runs)
{
    if (n_runs >= PROGRESS_RUNS && done % PROGRESS_RUNS < CUT_RUNS) {
        fprintf(stderr, "%llu of %llu runs, %.0f CPU-seconds, %zu tables, %.0f MB of memory\n",
                (unsigned long long)done, (unsigned long long)n_runs,
                seconds(CLOCK_PROCESS_CPUTIME_ID), bench->n_files, memory_mb("VmRSS"));
    }
}

int main(int argc, char **argv)
{
    uint64_t n_runs = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    Bench bench = {.map = map_new(NULL), .random = 1, .sink = {.emit = emit}};
    bench.is_whole = argc > 3;
    double settling = 0, last_settling = 0, writing = 0;
    uint64_t last_from = n_runs / 10 * 9, last_runs = 0;

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
            uint64_t end = MIN(from + CUT_RUNS, n_runs);

            settle(&bench, i, MIN(i + BATCH_RUNS, end), n_runs);
        }
        double took = seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        settling += took;
        if (from >= last_from) {
            last_settling += took;
            last_runs += MIN((uint64_t)CUT_RUNS, n_runs - from);
        }
        start = seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (bench.is_whole) {
            write_all(&bench);
        } else {
            write_runs(&bench);
        }
        writing += seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        tell_progress(&bench, from + CUT_RUNS, n_runs);
    }
    double per_million = 1e6 / ((double)n_runs * STEPS * SPANS_PER_STEP);
    double last_per_million = 1e6 / ((double)MAX(last_runs, UINT64_C(1)) * STEPS * SPANS_PER_STEP);
    RunsStatus status;
    runs_status(map_runs(bench.map), &status);
    printf("%llu runs of %d steps: settling %.3f (the last tenth %.3f), tables and merges %.3f "
           "CPU-seconds per million spans\n",
           (unsigned long long)n_runs, STEPS, settling * per_million,
           last_settling * last_per_million, writing * per_million);
    printf("%.2f bytes per step occurrence in %llu files\n",
           (double)status.file_bytes / ((double)n_runs * STEPS), (unsigned long long)status.files);
    print_columns(&bench, (double)n_runs * STEPS);
    printf("memory %.0f MB, %.0f at the peak\n", memory_mb("VmRSS"), memory_mb("VmHWM"));
    ask(&bench, n_runs);
    go_on(&bench, n_runs);
    printf("memory at the peak of questions %.0f MB\n", memory_mb("VmHWM"));
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
