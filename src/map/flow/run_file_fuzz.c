// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "map/flow/runs.h"
#include "os/fs_sim.h"

/* Any bytes as a run table: refused, or opened; what is opened can be listed, merged, and read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int emit(TableSink *sink, const TableInfo *info, Str content)
{
    (void)sink;
    (void)info;
    ASSERT(content.len > 0);
    return 0;
}

static void ask(Runs *runs, TableFile *table)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const RunsQuestion question = {.name = STR("order"), .to_ns = UINT64_MAX, .limit = 10};
    TablePlan plan = {.inputs = {table}, .n_inputs = 1};
    TableSink sink = {.emit = emit};
    RunsPage page;
    EntityLinks links;

    ASSERT(runs_list(runs, &question, &arena, &page) == 0);
    ASSERT(page.n <= question.limit);
    ASSERT(runs_entity(runs, STR("cart"), STR("1"), &arena, &links) == 0);
    int merged = runs_merge(runs, &plan, &sink);
    ASSERT(merged <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    TableInfo info = table_info(RUNS_FAMILY);
    ParseError error = {0};

    if (size == 0) {
        return 0;
    }
    FsSim *sim = fs_sim_new(1);
    FileSystem *fs = fs_sim_fs(sim);
    Runs *runs = runs_new();
    ASSERT(fs->ops->make_directory(fs, "tables") == 0);
    ASSERT(fs_replace_file(fs, "tables/0000000001.parquet", str_from_bytes(data, size)) == 0);
    TableFile *table = table_file_new(fs, 1, size, &info);
    if (runs_load(runs, table, &error) == 0) {
        ask(runs, table);
    }
    runs_free(runs);
    table_file_unref(table);
    fs_sim_free(sim);
    return 0;
}
