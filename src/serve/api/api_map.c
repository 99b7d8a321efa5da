// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_map.h"

#include "serve/api/map_json.h"
#include "serve/api/map_question.h"

enum { TYPES_ALL = (1 << (NODE_STEP + 1)) - 1 };

/* What was left out, and how large the picture is. */
static void map_frame_write(ApiCall *call, const MapAnswer *map)
{
    JsonWriter *json = &call->json;
    double width = 0, height = 0;
    AssemblyStatus assembly = {0};

    json_key(json, STR("truncated"));
    if (map->truncated) {
        json_open(json, '{');
        json_key_u64(json, "nodes", map->folded_nodes);
        json_key_u64(json, "edges", map->folded_edges);
        json_close(json, '}');
    } else {
        json_null(json);
    }
    assembly_status(call->api->assembly, &assembly);
    json_key_time(json, "complete_to", assembly.complete_to_ns);
    for (size_t i = 0; i < map->n_nodes; i++) {
        width = MAX(width, map->nodes[i].x + map->nodes[i].width);
        height = MAX(height, map->nodes[i].y + map->nodes[i].height);
    }
    json_key_open(json, "layout", '{');
    json_key(json, STR("width"));
    json_double(json, width);
    json_key(json, STR("height"));
    json_double(json, height);
    json_close(json, '}');
}

int api_map(ApiCall *call)
{
    MapQuestion question = {0};
    MapAnswer map = {0};
    int result;

    TRY(api_map_window(call, &question.from_minute, &question.to_minute));
    TRY(map_question_filters(call, &question));
    question.with_layout = true;
    TRY(map_question_wait(call));
    result = map_ask(call->api->map, &question, &call->arena, &map);
    if (result == MAP_NO_SUCH_NODE) {
        return map_question_no_node(call, question.focus);
    }
    TRY(result);
    json_open(&call->json, '{');
    minute_write(&call->json, "from", question.from_minute);
    minute_write(&call->json, "to", question.to_minute);
    map_lists_write(&call->json, &map);
    map_frame_write(call, &map);
    json_close(&call->json, '}');
    return 0;
}

int api_map_history(ApiCall *call)
{
    uint32_t from = 0, to = 0, step = 0;
    MapPoint *points = NULL;
    size_t n_points = 0;

    TRY(api_map_window(call, &from, &to));
    TRY(map_question_step(call, from, to, &step));
    TRY(map_question_wait(call));
    map_activity(call->api->map, &(MapSteps){from, to, step}, &call->arena, &points, &n_points);
    api_list_open(call);
    for (size_t i = 0; i < n_points; i++) {
        json_open(&call->json, '{');
        minute_write(&call->json, "time", points[i].minute);
        json_key_u64(&call->json, "requests", points[i].count);
        json_key_u64(&call->json, "errors", points[i].errors);
        json_close(&call->json, '}');
    }
    api_list_close(call, STR(""));
    return 0;
}

/* The whole map of the call's window, flows included, to find one of its elements. */
static int element_map(ApiCall *call, MapQuestion *question, uint32_t *ret_step, MapAnswer *ret_map)
{
    *question = (MapQuestion){.types = TYPES_ALL, .with_layout = true};
    TRY(api_map_window(call, &question->from_minute, &question->to_minute));
    TRY(map_question_step(call, question->from_minute, question->to_minute, ret_step));
    TRY(map_question_wait(call));
    return map_ask(call->api->map, question, &call->arena, ret_map);
}

int api_node(ApiCall *call)
{
    MapQuestion question;
    MapAnswer map = {0};
    const MapNode *node = NULL;
    MapPoint *points = NULL;
    size_t n_points = 0;
    uint32_t step = 0;
    MapSteps steps;
    int result;

    TRY(element_map(call, &question, &step, &map));
    for (size_t i = 0; i < map.n_nodes && node == NULL; i++) {
        node = str_equal(map.nodes[i].id, call->item) ? &map.nodes[i] : NULL;
    }
    if (node == NULL) {
        return map_question_no_node(call, call->item);
    }
    steps = (MapSteps){question.from_minute, question.to_minute, step};
    result = map_node_series(call->api->map, call->item, &steps, &call->arena, &points, &n_points);
    if (result != 0 && result != MAP_NO_SUCH_NODE) {
        return result;
    }
    json_open(&call->json, '{');
    json_key(&call->json, STR("node"));
    node_write(&call->json, node);
    series_write(&call->json, points, n_points);
    json_close(&call->json, '}');
    return 0;
}

int api_edge(ApiCall *call)
{
    MapQuestion question;
    MapAnswer map = {0};
    const MapEdge *edge = NULL;
    MapPoint *points = NULL;
    size_t n_points = 0;
    uint32_t step = 0;
    MapSteps steps;
    int result;

    TRY(element_map(call, &question, &step, &map));
    for (size_t i = 0; i < map.n_edges && edge == NULL; i++) {
        edge = str_equal(map.edges[i].id, call->item) ? &map.edges[i] : NULL;
    }
    if (edge == NULL) {
        return map_question_no_node(call, call->item);
    }
    steps = (MapSteps){question.from_minute, question.to_minute, step};
    result = map_edge_series(call->api->map, call->item, &steps, &call->arena, &points, &n_points);
    if (result != 0 && result != MAP_NO_SUCH_NODE) {
        return result;
    }
    json_open(&call->json, '{');
    json_key(&call->json, STR("edge"));
    edge_write(&call->json, &map, edge);
    series_write(&call->json, points, n_points);
    json_close(&call->json, '}');
    return 0;
}
