// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/memory.h"
#include "codec/hash.h"
#include "map/flow/flow_history_private.h"

/* What came and went, deploys beside it, and the versions between. */

static MapFlowChange *add_change(Telling *telling, uint32_t point, MapFlowChangeKind kind)
{
    MapFlowHistory *history = &telling->history;

    if (history->n_changes == telling->changes_capacity) {
        size_t capacity = MAX(telling->changes_capacity * 2, (size_t)64);
        MapFlowChange *changes = ARENA_ARRAY(telling->arena, MapFlowChange, capacity);

        if (history->n_changes > 0) {
            mem_copy(changes, history->changes, history->n_changes * sizeof(*changes));
        }
        history->changes = changes;
        telling->changes_capacity = capacity;
    }
    MapFlowChange *change = &history->changes[history->n_changes++];
    *change = (MapFlowChange){.point = point, .kind = kind};
    return change;
}

static void tell_moves(Telling *telling)
{
    const MapFlowHistory *history = &telling->history;

    for (size_t i = 0; i < history->n_elements; i++) {
        const MapFlowElement *element = &history->elements[i];

        for (size_t k = 0; k < element->n_intervals; k++) {
            const MapFlowInterval *interval = &element->intervals[k];

            if (!interval->before) {
                MapFlowChange *came = add_change(telling, interval->first, FLOW_CAME);

                came->element = element;
                came->again = element->first_minute <
                              history_minute(telling, telling->lead + interval->first);
            }
            if (!interval->on && interval->last + 1 < history->n_points) {
                add_change(telling, interval->last + 1, FLOW_WENT)->element = element;
            }
        }
    }
}

/* Marks the services that perform the flow's steps, by symbol of their node. */
static void mark_services(const Telling *telling, bool *services)
{
    const MapTables *tables = telling->tables;

    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (series->key.kind == SERIES_EDGE && series->key.relation == RELATION_PERFORMS &&
            series->presence.n_runs > 0 &&
            history_is_wanted(&telling->question->flow, &tables->node[series->key.b].key)) {
            services[series->key.a] = true;
        }
    }
}

static void tell_deploy(Telling *telling, const Series *series, uint32_t minute)
{
    CLEANUP(buf_deinit) Buf id = {0};
    const MapTables *tables = telling->tables;
    uint32_t point = (minute - telling->question->flow.from_minute) / telling->step;
    MapFlowChange *change = add_change(telling, point, FLOW_DEPLOYED);

    node_id_append(symbols_get(&tables->nodes, series->key.a), &id);
    change->service_id = arena_copy(telling->arena, buf_str(&id));
    change->service = tables_copy_node(tables, series->key.a, telling->arena);
    change->version = tables_copy_text(tables, series->key.c, telling->arena);
    change->minute = minute;
}

static void tell_given_deploys(Telling *telling)
{
    const MapFlowHistoryQuestion *question = telling->question;

    for (size_t i = 0; i < question->n_deploys; i++) {
        const MapDeploy *deploy = &question->deploys[i];

        if (deploy->minute >= question->flow.from_minute &&
            deploy->minute < history_minute(telling, telling->n_all)) {
            uint32_t point = (deploy->minute - question->flow.from_minute) / telling->step;
            MapFlowChange *change = add_change(telling, point, FLOW_DEPLOYED);

            change->service_id = deploy->service_id;
            change->service = deploy->service;
            change->version = deploy->version;
            change->minute = deploy->minute;
        }
    }
}

/* A version's label is counted by the minute (tables.c), so its first minute is its arrival. */
static void tell_deploys(Telling *telling)
{
    const MapTables *tables = telling->tables;
    uint32_t from = telling->question->flow.from_minute;
    uint32_t to = history_minute(telling, telling->n_all);
    uint32_t key = symbols_find(&tables->texts, STR("service.version"));
    bool *services = ARENA_ARRAY(telling->arena, bool, symbols_count(&tables->nodes) + 1);

    if (telling->question->has_deploys) {
        tell_given_deploys(telling);
        return;
    }
    if (key == SYMBOL_NONE) {
        return;
    }
    mark_services(telling, services);
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (series->key.kind == SERIES_LABEL && series->key.b == key && services[series->key.a] &&
            series->presence.n_runs > 0) {
            uint32_t minute = presence_first(&series->presence);

            if (minute >= from && minute < to) {
                tell_deploy(telling, series, minute);
            }
        }
    }
}

static int compare_changes(const void *a, const void *b)
{
    const MapFlowChange *left = a, *right = b;

    if (left->point != right->point) {
        return left->point < right->point ? -1 : 1;
    }
    if ((left->kind == FLOW_DEPLOYED) != (right->kind == FLOW_DEPLOYED)) {
        return left->kind == FLOW_DEPLOYED ? -1 : 1;
    }
    if (left->kind != right->kind) {
        return left->kind < right->kind ? -1 : 1;
    }
    if (left->kind != FLOW_DEPLOYED) {
        return (left->element > right->element) - (left->element < right->element);
    }
    if (left->minute != right->minute) {
        return left->minute < right->minute ? -1 : 1;
    }
    int order = str_compare(left->service_id, right->service_id);
    return order != 0 ? order : str_compare(left->version, right->version);
}

/* ---- versions ---- */

/* The sum over a shape's elements tells it, in whatever order they came. */
static uint64_t element_hash(const MapFlowElement *element)
{
    uint64_t of_to = hash_stable(element->to);

    return hash_stable(element->from) * 3 + (of_to << 31 | of_to >> 33);
}

static void change_version(MapFlowVersion *version, const MapFlowElement *element, bool came)
{
    uint64_t by = came ? 1 : UINT64_MAX; /* -1 */
    bool is_step = element->to.len == 0;

    version->shape += by * element_hash(element);
    version->steps += is_step ? by : 0;
    version->follows += is_step ? 0 : by;
}

static MapFlowVersion first_version(const MapFlowHistory *history)
{
    MapFlowVersion version = {.point = 0};

    for (size_t i = 0; i < history->n_elements; i++) {
        if (history->elements[i].intervals[0].before) {
            change_version(&version, &history->elements[i], true);
        }
    }
    return version;
}

/* A version for each point in which something came or went; what comes in the first point makes
 * the first. */
static void tell_versions(Telling *telling)
{
    MapFlowHistory *history = &telling->history;
    MapFlowVersion now = first_version(history);
    size_t next_change = 0;

    history->versions = ARENA_ARRAY(telling->arena, MapFlowVersion, history->n_changes + 1);
    if (now.steps > 0 && (history->n_changes == 0 || history->changes[0].point > 0)) {
        history->versions[history->n_versions++] = now;
    }
    for (size_t i = 0, end; i < history->n_changes; i = end) {
        bool moved = false;

        for (end = i;
             end < history->n_changes && history->changes[end].point == history->changes[i].point;
             end++) {
            const MapFlowChange *change = &history->changes[end];

            if (change->kind != FLOW_DEPLOYED) {
                change_version(&now, change->element, change->kind == FLOW_CAME);
                moved = true;
            }
        }
        if (moved || (history->n_versions == 0 && now.steps > 0)) {
            now.point = history->changes[i].point;
            now.first_change = next_change;
            now.n_changes = end - next_change;
            next_change = end;
            history->versions[history->n_versions++] = now;
        }
    }
}

void history_tell_changes(Telling *telling)
{
    MapFlowHistory *history = &telling->history;

    tell_moves(telling);
    tell_deploys(telling);
    if (history->n_changes > 0) {
        qsort(history->changes, history->n_changes, sizeof(MapFlowChange), compare_changes);
    }
    tell_versions(telling);
}
