// SPDX-License-Identifier: Apache-2.0
#include "map/kept.h"

#include "base/memory.h"
#include "map/flow/runs.h"
#include "map/tiers.h"

/* Either may be NULL, not both. */
struct KeptPending {
    MapPending *sums;
    RunsPending *runs;
};

KeptPending *kept_cut(Map *map)
{
    KeptPending parts = {.sums = map_cut(map), .runs = runs_cut(map_runs(map))};

    if (parts.sums == NULL && parts.runs == NULL) {
        return NULL;
    }
    KeptPending *pending = NEW(KeptPending);
    *pending = parts;
    return pending;
}

void kept_free(Map *map, KeptPending *pending)
{
    map_pending_free(pending->sums);
    if (pending->runs != NULL) {
        runs_pending_free(map_runs(map), pending->runs);
    }
    mem_free(pending);
}

int kept_write(Map *map, const KeptPending *pending, TableSink *sink)
{
    if (pending->sums != NULL) {
        TRY(tiers_write(pending->sums, sink));
    }
    return pending->runs == NULL ? 0 : runs_write(map_runs(map), pending->runs, sink);
}

int kept_load(Map *map, TableFile *file, ParseError *ret_error)
{
    TRY(tiers_load(map, file, ret_error));
    return runs_load(map_runs(map), file, ret_error);
}

void kept_changed(Map *map, const TablesChange *change)
{
    const KeptPending *pending = change->pending;

    runs_changed(map_runs(map), pending == NULL ? NULL : pending->runs, change);
}

bool kept_plan(TableFile *const *files, size_t n_files, TablePlan *ret_plan)
{
    return tiers_plan(files, n_files, ret_plan) || runs_plan(files, n_files, ret_plan);
}

int kept_merge(Map *map, const TablePlan *plan, TableSink *sink)
{
    if (table_info_is(&plan->inputs[0]->info, RUNS_FAMILY)) {
        return runs_merge(map_runs(map), plan, sink);
    }
    return tiers_merge(plan, sink);
}
