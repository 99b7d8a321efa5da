// SPDX-License-Identifier: Apache-2.0
#include "map/tables.h"

#include "base/memory.h"

/* Rows of table files, and the names that series and rows have. */

void map_rows_deinit(MapRows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        cell_value_deinit(&rows->items[i].sum);
        exemplars_deinit(&rows->items[i].exemplars);
    }
    mem_free(rows->items);
    *rows = (MapRows){0};
}

MapRow *map_rows_add(MapRows *rows)
{
    ARRAY_RESERVE(rows->items, rows->count, rows->capacity);
    rows->items[rows->count] = (MapRow){0};
    return &rows->items[rows->count++];
}

void tables_name_row(const MapTables *tables, uint32_t series, uint32_t minute, MapRow *row)
{
    SeriesKey key = tables_series(tables, series)->key;

    row->kind = (SeriesKind)key.kind;
    row->minute = minute;
    if (row->kind == SERIES_FLOW) {
        row->flow = symbols_get(&tables->texts, key.b);
        row->step = symbols_get(&tables->texts, key.c);
        key = tables_series(tables, key.a)->key;
    }
    row->relation = (Relation)key.relation;
    row->rule = (Rule)key.rule;
    row->source = symbols_get(&tables->nodes, key.a);
    if (series_node_count((SeriesKind)key.kind) >= 2) {
        row->target = symbols_get(&tables->nodes, key.b);
    }
    if (row->kind == SERIES_HOP) {
        row->via = symbols_get(&tables->nodes, key.c);
    }
    if (series_has_name(row->kind)) {
        row->name = symbols_get(&tables->texts, key.b);
    }
    if (row->kind == SERIES_LABEL) {
        row->value = symbols_get(&tables->texts, key.c);
    }
}

uint64_t map_row_hash(const MapRow *row)
{
    const SeriesNames names = map_row_names(row);

    return series_names_hash(&names, row->flow, row->step);
}

NodeKey tables_copy_node(const MapTables *tables, uint32_t node, Arena *arena)
{
    return node_key_copy(&tables->node[node].key, arena);
}

Str tables_copy_text(const MapTables *tables, uint32_t text, Arena *arena)
{
    return arena_copy(arena, symbols_get(&tables->texts, text));
}

SeriesNames map_row_names(const MapRow *row)
{
    return (SeriesNames){.kind = row->kind == SERIES_FLOW ? SERIES_EDGE : row->kind,
                         .relation = row->relation,
                         .rule = row->rule,
                         .source = row->source,
                         .target = row->target,
                         .via = row->via,
                         .name = row->name,
                         .value = row->value};
}
