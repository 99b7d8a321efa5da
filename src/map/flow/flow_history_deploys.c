// SPDX-License-Identifier: Apache-2.0
#include "map/flow/flow_history.h"

#include "map/answer/consult.h"

/* Two maps are not looked at together: first the services, by key, then their labels. */
typedef struct Deploying {
    const MapFlowQuestion *question;
    Arena *arena;
    Symbols services; /* keys of nodes */
    MapDeploy *deploys;
    size_t n, capacity;
} Deploying;

static bool is_step_of(const MapFlowQuestion *question, const NodeKey *key)
{
    return key->type == NODE_STEP && str_equal(key->name, question->name) &&
           (question->scope.len == 0 || str_equal(key->scope, question->scope)) &&
           (!question->has_environment || str_equal(key->environment, question->environment));
}

static int find_services(const MapTables *tables, const MapOptions *options, void *context)
{
    Deploying *deploying = context;

    (void)options;
    for (size_t i = 0; i < tables->series.n_records; i++) {
        const Series *series = tables_series(tables, i);

        if (series->key.kind == SERIES_EDGE && series->key.relation == RELATION_PERFORMS &&
            series->presence.n_runs > 0 &&
            is_step_of(deploying->question, &tables->node[series->key.b].key)) {
            symbols_intern(&deploying->services, symbols_get(&tables->nodes, series->key.a));
        }
    }
    return 0;
}

static void add_deploy(Deploying *deploying, const MapTables *tables, const Series *series,
                       uint32_t minute)
{
    CLEANUP(buf_deinit) Buf id = {0};

    if (deploying->n == deploying->capacity) {
        size_t capacity = MAX(2 * deploying->capacity, (size_t)16);
        MapDeploy *more = ARENA_ARRAY(deploying->arena, MapDeploy, capacity);

        mem_copy(more, deploying->deploys, deploying->n * sizeof(MapDeploy));
        deploying->deploys = more;
        deploying->capacity = capacity;
    }
    node_id_append(symbols_get(&tables->nodes, series->key.a), &id);
    deploying->deploys[deploying->n++] =
        (MapDeploy){.service_id = arena_copy(deploying->arena, buf_str(&id)),
                    .service = tables_copy_node(tables, series->key.a, deploying->arena),
                    .version = tables_copy_text(tables, series->key.c, deploying->arena),
                    .minute = minute};
}

static int find_versions(const MapTables *tables, const MapOptions *options, void *context)
{
    Deploying *deploying = context;
    uint32_t key = symbols_find(&tables->texts, STR("service.version"));

    (void)options;
    for (size_t i = 0; i < tables->series.n_records && key != SYMBOL_NONE; i++) {
        const Series *series = tables_series(tables, i);
        uint32_t minute;

        if (series->key.kind != SERIES_LABEL || series->key.b != key ||
            series->presence.n_runs == 0 ||
            symbols_find(&deploying->services, symbols_get(&tables->nodes, series->key.a)) ==
                SYMBOL_NONE) {
            continue;
        }
        minute = presence_first(&series->presence);
        if (minute >= deploying->question->from_minute && minute < deploying->question->to_minute) {
            add_deploy(deploying, tables, series, minute);
        }
    }
    return 0;
}

void map_flow_deploys(Map *flows, Map *labels, const MapFlowQuestion *question, Arena *arena,
                      MapDeploy **ret_deploys, size_t *ret_n)
{
    Deploying deploying = {.question = question, .arena = arena};

    (void)map_consult(flows, (PageWindow){0}, find_services, &deploying);
    (void)map_consult(labels, (PageWindow){0}, find_versions, &deploying);
    symbols_deinit(&deploying.services);
    *ret_deploys = deploying.deploys;
    *ret_n = deploying.n;
}
