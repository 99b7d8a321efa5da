// SPDX-License-Identifier: Apache-2.0
#include "map/tiers.h"

#include <stdlib.h>

#include "base/memory.h"

/* Merging is tiered by size, so that a row is rewritten a logarithmic number of times. */
enum {
    FILES_MAX = 32,             /* beyond it files are merged */
    MERGE_MIN = 16,             /* a merge takes at least so many */
    FILE_BYTES_MAX = 256 << 20, /* larger files are never merged */
};

int tiers_write(const MapPending *pending, TableSink *sink)
{
    CLEANUP(buf_deinit) Buf file = {0};
    TableInfo info = table_info(TIERS_FAMILY);

    TRY(map_pending_write(pending, &file));
    return sink->emit(sink, &info, buf_str(&file));
}

int tiers_load(Map *map, TableFile *file, ParseError *ret_error)
{
    CLEANUP(buf_deinit) Buf content = {0};

    if (!table_info_is(&file->info, TIERS_FAMILY)) {
        return 0;
    }
    TRY(table_file_read(file, &content));
    return map_load(map, buf_str(&content), ret_error);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = (*(TableFile *const *)a)->bytes, y = (*(TableFile *const *)b)->bytes;

    return (x > y) - (x < y);
}

/* The smallest files, up to one that is larger than all before it together. */
bool tiers_plan(TableFile *const *files, size_t n_files, TablePlan *ret_plan)
{
    CLEANUP(mem_freep) TableFile **sorted = NEW_ARRAY(TableFile *, n_files + 1);
    uint64_t sum = 0;
    size_t n = 0, taken = 0;

    for (size_t i = 0; i < n_files; i++) {
        if (table_info_is(&files[i]->info, TIERS_FAMILY)) {
            sorted[n++] = files[i];
        }
    }
    if (n <= FILES_MAX) {
        return false;
    }
    qsort(sorted, n, sizeof(sorted[0]), by_size);
    while (taken < MIN(n, (size_t)TABLE_INPUTS_MAX) && sorted[taken]->bytes <= FILE_BYTES_MAX &&
           (taken < MERGE_MIN || sorted[taken]->bytes <= 2 * sum)) {
        sum += sorted[taken]->bytes;
        ret_plan->inputs[taken] = sorted[taken];
        taken++;
    }
    ret_plan->n_inputs = taken;
    return taken >= 2;
}

int tiers_merge(const TablePlan *plan, TableSink *sink)
{
    CLEANUP(buf_deinit) Buf merged = {0};
    Buf contents[TABLE_INPUTS_MAX] = {0};
    Str views[TABLE_INPUTS_MAX];
    TableInfo info = table_info(TIERS_FAMILY);
    int result = 0;

    for (size_t i = 0; i < plan->n_inputs && result == 0; i++) {
        result = table_file_read(plan->inputs[i], &contents[i]);
        views[i] = buf_str(&contents[i]);
    }
    if (result == 0) {
        result = map_merge_files(views, plan->n_inputs, &merged);
    }
    for (size_t i = 0; i < plan->n_inputs; i++) {
        buf_deinit(&contents[i]);
    }
    return result == 0 ? sink->emit(sink, &info, buf_str(&merged)) : result;
}
