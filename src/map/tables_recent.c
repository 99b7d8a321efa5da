// SPDX-License-Identifier: Apache-2.0
#include "map/tables.h"

#include "base/assert.h"
#include "base/memory.h"

/* Series that were named a moment ago. Deltas come in bursts on the same few, and comparing a name
 * with one costs less than hashing each of its parts. */

/* The end of a name says most: what is before it is often the same for all. */
static uint64_t end_of(Str name)
{
    uint64_t end = 0;

    mem_copy(&end, name.ptr + name.len - MIN(name.len, sizeof(end)), MIN(name.len, sizeof(end)));
    return end + name.len;
}

static uint32_t *remembered_place(MapTables *tables, const SeriesNames *names)
{
    const Str texts[] = {names->source, names->target, names->via, names->name, names->value};
    uint64_t hash = (uint64_t)names->kind << 16 | (uint64_t)names->rule << 8 | names->relation;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        hash = (hash ^ end_of(texts[i])) * 0x9e3779b97f4a7c15U;
    }
    return &tables->remembered[hash >> 54];
}

static bool is_named(const MapTables *tables, uint32_t number, const SeriesNames *names)
{
    const SeriesKey *key = &tables_series(tables, number)->key;
    size_t n_nodes = series_node_count(names->kind);
    bool is_edge = names->kind == SERIES_EDGE;

    if (key->kind != names->kind || key->is_other != names->is_other ||
        (is_edge && (key->relation != names->relation || key->rule != names->rule)) ||
        !str_equal(symbols_get(&tables->nodes, key->a), names->source)) {
        return false;
    }
    if (series_has_name(names->kind)) {
        return str_equal(symbols_get(&tables->texts, key->b), names->name) &&
               (names->kind != SERIES_LABEL ||
                str_equal(symbols_get(&tables->texts, key->c), names->value));
    }
    return (n_nodes < 2 || str_equal(symbols_get(&tables->nodes, key->b), names->target)) &&
           (n_nodes < 3 || str_equal(symbols_get(&tables->nodes, key->c), names->via));
}

uint32_t tables_find(MapTables *tables, const SeriesNames *names)
{
    uint32_t *place = remembered_place(tables, names), number;

    if (*place != 0 && is_named(tables, *place - 1, names)) {
        return *place - 1;
    }
    ASSERT(tables_intern(tables, names, &number) == 0);
    *place = number + 1; /* 0 of SERIES_NONE */
    return number;
}
