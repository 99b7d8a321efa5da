// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/memory.h"
#include "map/flow/flow_history_private.h"

/*
 * Variants come and go as steps do. Where nearly every run has a sequence of its own, that says
 * nothing: with half as many variants as runs, none is told.
 */
enum { DIFFER_RUNS_MIN = 20 };

/* A series of a variant, to be added up with those of the same sequence. */
typedef struct Part {
    Str key;
    const Series *series;
} Part;

typedef struct Variant {
    const Part *parts;
    size_t n_parts;
    uint64_t runs;
} Variant;

static bool is_variant(const Telling *telling, const Series *series)
{
    return series->key.kind == SERIES_VARIANT && !series->key.is_other &&
           series->presence.n_runs > 0 &&
           history_is_wanted(&telling->question->flow, &telling->tables->node[series->key.a].key);
}

static int compare_parts(const void *a, const void *b)
{
    return str_compare(((const Part *)a)->key, ((const Part *)b)->key);
}

static size_t find_parts(const Telling *telling, Part **ret_parts)
{
    const MapTables *tables = telling->tables;
    size_t n = 0, capacity = 0;
    Part *parts = NULL;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (is_variant(telling, series)) {
            ARRAY_RESERVE(parts, n, capacity);
            parts[n++] = (Part){symbols_get(&tables->texts, series->key.b), series};
        }
    }
    if (n > 0) {
        qsort(parts, n, sizeof(Part), compare_parts);
    }
    *ret_parts = parts;
    return n;
}

static uint64_t count_runs(const Telling *telling, const Part *part)
{
    CellSum sum = {0};

    cells_sum(&part->series->cells, telling->start, history_minute(telling, telling->n_all), &sum);
    return sum.count > 0 ? (uint64_t)sum.count : 0;
}

/* Those with runs; *@ret_runs: of all of them. */
static size_t find_variants(const Telling *telling, const Part *parts, size_t n_parts,
                            Variant *variants, uint64_t *ret_runs)
{
    size_t n = 0;

    *ret_runs = 0;
    for (size_t i = 0, end; i < n_parts; i = end) {
        Variant variant = {.parts = &parts[i]};

        for (end = i; end < n_parts && compare_parts(&parts[i], &parts[end]) == 0; end++) {
            variant.runs += count_runs(telling, &parts[end]);
        }
        variant.n_parts = end - i;
        *ret_runs += variant.runs;
        if (variant.runs > 0) {
            variants[n++] = variant;
        }
    }
    return n;
}

static int compare_variants(const void *a, const void *b)
{
    const Variant *left = a, *right = b;

    if (left->runs != right->runs) {
        return left->runs > right->runs ? -1 : 1;
    }
    return str_compare(left->parts->key, right->parts->key);
}

static void tell_variant(Telling *telling, const Variant *variant)
{
    MapFlowHistory *history = &telling->history;
    MapFlowVariantLife life = {.key = arena_copy(telling->arena, variant->parts->key),
                               .runs = variant->runs,
                               .first_minute = UINT32_MAX};

    mem_fill(telling->having, 0, telling->n_all * sizeof(telling->having[0]));
    for (size_t i = 0; i < variant->n_parts; i++) {
        const Series *series = variant->parts[i].series;

        history_count(telling, &series->cells, false);
        life.first_minute = MIN(life.first_minute, presence_first(&series->presence));
    }
    life.intervals = history_intervals(telling, &life.n_intervals);
    if (life.n_intervals > 0) {
        history->variants[history->n_variants++] = life;
    }
}

void history_tell_variants(Telling *telling)
{
    MapFlowHistory *history = &telling->history;
    CLEANUP(mem_freep) Part *parts = NULL;
    size_t n_parts = find_parts(telling, &parts);
    CLEANUP(mem_freep) Variant *variants = NEW_ARRAY(Variant, n_parts + 1);
    uint64_t runs;
    size_t n = find_variants(telling, parts, n_parts, variants, &runs);

    history->variants_differ = runs >= DIFFER_RUNS_MIN && 2 * (uint64_t)n > runs;
    if (n == 0 || history->variants_differ) {
        return;
    }
    qsort(variants, n, sizeof(Variant), compare_variants);
    size_t n_told = MIN(n, (size_t)FLOW_HISTORY_VARIANTS_MAX);
    history->n_variants_left_out = n - n_told;
    history->variants = ARENA_ARRAY(telling->arena, MapFlowVariantLife, n_told);
    for (size_t i = 0; i < n_told; i++) {
        tell_variant(telling, &variants[i]);
    }
}
