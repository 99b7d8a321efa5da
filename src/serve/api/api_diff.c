// SPDX-License-Identifier: Apache-2.0
#include "map/answer/diff.h"
#include "serve/api/api_map.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"

static void window_write(JsonWriter *json, const char *key, uint32_t from, uint32_t to)
{
    json_key_open(json, key, '{');
    minute_write(json, "from", from);
    minute_write(json, "to", to);
    json_close(json, '}');
}

static void number_write(JsonWriter *json, const char *key, double value)
{
    json_key(json, str_from_cstr(key));
    json_double(json, value);
}

static void ends_write(JsonWriter *json, const MapAnswer *map, const MapEdge *edge)
{
    json_key_string(json, "source_name", node_key_label(&map->nodes[edge->source].key));
    json_key_string(json, "target_name", node_key_label(&map->nodes[edge->target].key));
}

/* What one window has and the other lacks. */
typedef struct Lacking {
    const MapAnswer *answer;
    const size_t *nodes;
    const MapCame *edges;
    size_t n_nodes, n_edges;
} Lacking;

static void lacking_write(JsonWriter *json, const char *key, const Lacking *lacking)
{
    json_key_open(json, key, '{');
    json_key_open(json, "nodes", '[');
    for (size_t i = 0; i < lacking->n_nodes; i++) {
        node_write(json, &lacking->answer->nodes[lacking->nodes[i]]);
    }
    json_close(json, ']');
    json_key_open(json, "edges", '[');
    for (size_t i = 0; i < lacking->n_edges; i++) {
        json_open(json, '{');
        edge_fields_write(json, lacking->answer, &lacking->answer->edges[lacking->edges[i].index]);
        number_write(json, "significance", lacking->edges[i].significance);
        ends_write(json, lacking->answer, &lacking->answer->edges[lacking->edges[i].index]);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void change_fields_write(JsonWriter *json, const MapChange *change)
{
    static const Str kinds[] = {[CHANGE_RATE] = STR("rate"),
                                [CHANGE_ERRORS] = STR("errors"),
                                [CHANGE_LATENCY] = STR("latency")};

    json_key_string(json, "what", kinds[change->kind]);
    number_write(json, "a", change->a);
    number_write(json, "b", change->b);
    number_write(json, "significance", change->significance);
    if (change->kind == CHANGE_LATENCY) {
        number_write(json, "quantile", change->quantile);
    }
}

static void change_write(JsonWriter *json, const MapAnswer *map, const MapChange *change)
{
    const MapEdge *edge = &map->edges[change->index];

    json_open(json, '{');
    json_key_string(json, "edge", edge->id);
    change_fields_write(json, change);
    json_key_string(json, "relation", relation_name(edge->relation));
    json_key_string(json, "source", map->nodes[edge->source].id);
    json_key_string(json, "target", map->nodes[edge->target].id);
    ends_write(json, map, edge);
    json_close(json, '}');
}

static void requests_write(JsonWriter *json, const MapAnswer *map, const MapChange *change)
{
    const MapNode *node = &map->nodes[change->index];

    json_open(json, '{');
    json_key_string(json, "node", node->id);
    json_key_string(json, "name", node_key_label(&node->key));
    change_fields_write(json, change);
    json_close(json, '}');
}

void map_diff_parts_write(JsonWriter *json, const MapDiff *diff)
{
    const Lacking added = {&diff->b, diff->added_nodes, diff->added_edges, diff->n_added_nodes,
                           diff->n_added_edges};
    const Lacking removed = {&diff->a, diff->removed_nodes, diff->removed_edges,
                             diff->n_removed_nodes, diff->n_removed_edges};

    lacking_write(json, "added", &added);
    lacking_write(json, "removed", &removed);
}

static void diff_write(ApiCall *call, const MapDiffQuestion *question, const MapDiff *diff)
{
    JsonWriter *json = &call->json;

    json_open(json, '{');
    window_write(json, "a", question->a_from, question->a_to);
    window_write(json, "b", question->b_from, question->b_to);
    json_key_bool(json, "widened", call->widened);
    map_diff_parts_write(json, diff);
    json_key_open(json, "changed", '[');
    for (size_t i = 0; i < diff->n_changes; i++) {
        change_write(json, &diff->b, &diff->changes[i]);
    }
    json_close(json, ']');
    json_key_open(json, "changed_requests", '[');
    for (size_t i = 0; i < diff->n_requests; i++) {
        requests_write(json, &diff->b, &diff->requests[i]);
    }
    json_close(json, ']');
    json_key_bool(json, "truncated", diff->a.truncated || diff->b.truncated);
    json_key_time(json, "complete_to", question->complete_to_ns);
    json_close(json, '}');
}

int api_map_diff(ApiCall *call)
{
    MapDiffQuestion question = {0};
    AssemblyStatus assembly = {0};
    MapDiff diff = {0};
    uint32_t a[2] = {0}, b[2] = {0};

    TRY(map_question_two_windows(call, a, b));
    TRY(map_question_filters(call, &question.filters));
    TRY(map_question_wait(call));
    assembly_status(call->api->assembly, &assembly);
    question.a_from = a[0], question.a_to = a[1];
    question.b_from = b[0], question.b_to = b[1];
    question.complete_to_ns = assembly.complete_to_ns;
    int result = map_diff(call->api->map, &question, &call->arena, &diff);
    if (result == MAP_NO_SUCH_NODE) {
        return map_question_no_node(call, question.filters.focus);
    }
    TRY(result);
    diff_write(call, &question, &diff);
    return 0;
}
