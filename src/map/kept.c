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
    tiers_free(map, pending->sums);
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

void kept_loaded(Map *map)
{
    tiers_loaded(map);
}

void kept_changed(Map *map, const TablesChange *change)
{
    const KeptPending *pending = change->pending;
    TablesChange sums = *change;

    sums.pending = pending == NULL ? NULL : pending->sums;
    tiers_changed(map, &sums);
    runs_changed(map_runs(map), pending == NULL ? NULL : pending->runs, change);
}

bool kept_plan(Map *map, TableFile *const *files, size_t n_files, uint64_t now_s,
               TablePlan *ret_plan)
{
    runs_open_late(map_runs(map));
    return tiers_plan(map, files, n_files, now_s, ret_plan) ||
           runs_plan(files, n_files, now_s, tiers_expired_s(map, now_s), ret_plan);
}

/* A plan without inputs adds a day up (tiers.c). */
int kept_merge(Map *map, const TablePlan *plan, TableSink *sink)
{
    if (plan->n_inputs > 0 && table_info_is(&plan->inputs[0]->info, RUNS_FAMILY)) {
        return runs_merge(map_runs(map), plan, sink);
    }
    return tiers_merge(map, plan, sink);
}
