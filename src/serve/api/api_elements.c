// SPDX-License-Identifier: Apache-2.0
#include "map/answer/paths.h"
#include "serve/api/api_map.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"

#include "base/memory.h"

/*
 * One node or edge with everything around it, and the paths between two nodes. All are parts of the
 * map of the call's window: what is named by id is in the answer's `nodes`.
 */
enum {
    TYPES_ALL = (1 << (NODE_STEP + 1)) - 1,
    AROUND_MAX = 1000, /* edges and hops that are shown of one element */
    PATH_ARROWS_DEFAULT = 8,
};

/* A part of a map: what was chosen, and all nodes that it names. */
typedef struct Part {
    const MapAnswer *map;
    bool *nodes, *edges, *hops; /* by index: chosen */
    size_t n_edges, n_hops;
    bool truncated;
} Part;

static Part part_new(const MapAnswer *map, Arena *arena)
{
    return (Part){.map = map,
                  .nodes = ARENA_ARRAY(arena, bool, map->n_nodes + 1),
                  .edges = ARENA_ARRAY(arena, bool, map->n_edges + 1),
                  .hops = ARENA_ARRAY(arena, bool, map->n_hops + 1)};
}

static void part_add_edge(Part *part, size_t edge)
{
    if (part->n_edges == AROUND_MAX) {
        part->truncated = true;
        return;
    }
    part->n_edges += !part->edges[edge];
    part->edges[edge] = true;
    part->nodes[part->map->edges[edge].source] = true;
    part->nodes[part->map->edges[edge].target] = true;
}

static void part_add_hop(Part *part, size_t hop)
{
    if (part->n_hops == AROUND_MAX) {
        part->truncated = true;
        return;
    }
    part->n_hops += !part->hops[hop];
    part->hops[hop] = true;
    part->nodes[part->map->hops[hop].producer] = true;
    part->nodes[part->map->hops[hop].queue] = true;
    part->nodes[part->map->hops[hop].consumer] = true;
}

static bool is_child(const MapNode *node, const MapNode *parent)
{
    return node->parent.len > 0 && str_equal(node->parent, parent->id);
}

/* Also the parents of what was chosen. */
static void nodes_write(JsonWriter *json, const Part *part)
{
    const MapAnswer *map = part->map;

    for (size_t i = 0; i < map->n_nodes; i++) {
        for (size_t k = 0; part->nodes[i] && map->nodes[i].parent.len > 0 && k < map->n_nodes;
             k++) {
            part->nodes[k] |= is_child(&map->nodes[i], &map->nodes[k]);
        }
    }
    json_key_open(json, "nodes", '[');
    for (size_t i = 0; i < map->n_nodes; i++) {
        if (part->nodes[i]) {
            node_write(json, &map->nodes[i]);
        }
    }
    json_close(json, ']');
}

static void edges_write(JsonWriter *json, const Part *part)
{
    json_key_open(json, "edges", '[');
    for (size_t i = 0; i < part->map->n_edges; i++) {
        if (part->edges[i]) {
            edge_write(json, part->map, &part->map->edges[i]);
        }
    }
    json_close(json, ']');
}

static void part_write(JsonWriter *json, const Part *part, bool with_edges)
{
    if (with_edges) {
        edges_write(json, part);
    }
    json_key_open(json, "hops", '[');
    for (size_t i = 0; i < part->map->n_hops; i++) {
        if (part->hops[i]) {
            hop_write(json, part->map, &part->map->hops[i]);
        }
    }
    json_close(json, ']');
    nodes_write(json, part);
    json_key_bool(json, "truncated", part->truncated || part->map->truncated);
}

static size_t find_node(const MapAnswer *map, Str id)
{
    size_t i = 0;

    while (i < map->n_nodes && !str_equal(map->nodes[i].id, id)) {
        i++;
    }
    return i;
}

enum { ELEMENT_HOPS = 2 }; /* a producer's hops go over its queue to the consumers */

/* The map around one of its elements, @focus or @focus_edge, flows included, placed as the whole
 * map has it. An (other) is one only of the whole map, so that is asked for what is not found. */
static int element_map(ApiCall *call, MapQuestion *question, uint32_t *ret_step, MapAnswer *ret_map)
{
    TRY(api_map_window(call, &question->from_minute, &question->to_minute));
    TRY(map_question_step(call, &question->from_minute, &question->to_minute, ret_step));
    TRY(map_question_wait(call));
    question->types = TYPES_ALL;
    question->hops = ELEMENT_HOPS;
    int result = map_ask(call->api->map, question, &call->arena, ret_map);
    question->focus = question->focus_edge = (Str){0};
    if (result != 0) {
        TRY(map_ask(call->api->map, question, &call->arena, ret_map));
    }
    map_place(call->api->map, question, ret_map);
    return 0;
}

/* --- A node --- */

static bool touches(const MapAnswer *map, size_t end, size_t node)
{
    return end == node || is_child(&map->nodes[end], &map->nodes[node]);
}

/* What of the map touches the node, or a table of the database that it is, or a step of the flow.
 */
static Part around_node(const MapAnswer *map, size_t node, Arena *arena)
{
    Part part = part_new(map, arena);

    for (size_t i = 0; i < map->n_edges; i++) {
        if (touches(map, map->edges[i].source, node) || touches(map, map->edges[i].target, node)) {
            part_add_edge(&part, i);
        }
    }
    for (size_t i = 0; i < map->n_hops; i++) {
        const MapHop *hop = &map->hops[i];

        if (hop->producer == node || hop->queue == node || hop->consumer == node) {
            part_add_hop(&part, i);
        }
    }
    return part;
}

/* What is inside of it: a database's tables, a flow's steps. */
static void children_write(JsonWriter *json, const MapAnswer *map, size_t node)
{
    json_key_open(json, "children", '[');
    for (size_t i = 0; i < map->n_nodes; i++) {
        if (is_child(&map->nodes[i], &map->nodes[node])) {
            json_string(json, map->nodes[i].id);
        }
    }
    json_close(json, ']');
}

int api_node(ApiCall *call)
{
    MapQuestion question = {.focus = call->item};
    MapAnswer map = {0};
    MapPoint *points = NULL;
    size_t n_points = 0;
    uint32_t step = 0;

    TRY(element_map(call, &question, &step, &map));
    size_t node = find_node(&map, call->item);
    if (node == map.n_nodes) {
        return map_question_no_node(call, call->item);
    }
    const MapSteps steps = {question.from_minute, question.to_minute, step};
    int result =
        map_node_series(call->api->map, call->item, &steps, &call->arena, &points, &n_points);
    if (result != 0 && result != MAP_NO_SUCH_NODE) {
        return result;
    }
    Part part = around_node(&map, node, &call->arena);
    for (size_t i = 0; i < map.n_nodes; i++) {
        part.nodes[i] |= i == node || is_child(&map.nodes[i], &map.nodes[node]);
    }
    json_open(&call->json, '{');
    json_key_bool(&call->json, "widened", call->widened);
    json_key(&call->json, STR("node"));
    node_write(&call->json, &map.nodes[node]);
    series_write(&call->json, points, n_points);
    children_write(&call->json, &map, node);
    part_write(&call->json, &part, true);
    json_close(&call->json, '}');
    return 0;
}

/* --- An edge --- */

/* The hops that the edge is half of. */
static Part around_edge(const MapAnswer *map, const MapEdge *edge, Arena *arena)
{
    Part part = part_new(map, arena);

    part.nodes[edge->source] = part.nodes[edge->target] = true;
    for (size_t i = 0; i < map->n_hops; i++) {
        const MapHop *hop = &map->hops[i];
        bool published = edge->relation == RELATION_PUBLISHES && hop->producer == edge->source;
        bool consumed = edge->relation == RELATION_CONSUMES && hop->consumer == edge->source;

        if (hop->queue == edge->target && (published || consumed)) {
            part_add_hop(&part, i);
        }
    }
    return part;
}

int api_edge(ApiCall *call)
{
    MapQuestion question = {.focus_edge = call->item};
    MapAnswer map = {0};
    MapPoint *points = NULL;
    size_t n_points = 0, at = 0;
    uint32_t step = 0;

    TRY(element_map(call, &question, &step, &map));
    while (at < map.n_edges && !str_equal(map.edges[at].id, call->item)) {
        at++;
    }
    if (at == map.n_edges) {
        return map_question_no_node(call, call->item);
    }
    const MapSteps steps = {question.from_minute, question.to_minute, step};
    int result =
        map_edge_series(call->api->map, call->item, &steps, &call->arena, &points, &n_points);
    if (result != 0 && result != MAP_NO_SUCH_NODE) {
        return result;
    }
    const Part part = around_edge(&map, &map.edges[at], &call->arena);
    json_open(&call->json, '{');
    json_key_bool(&call->json, "widened", call->widened);
    json_key(&call->json, STR("edge"));
    edge_write(&call->json, &map, &map.edges[at]);
    series_write(&call->json, points, n_points);
    part_write(&call->json, &part, false);
    json_close(&call->json, '}');
    return 0;
}

/* --- Paths --- */

static void path_write(JsonWriter *json, const MapAnswer *map, const MapPath *path)
{
    json_open(json, '{');
    json_key_u64(json, "length", path->n_edges);
    json_key_open(json, "nodes", '[');
    for (size_t i = 0; i <= path->n_edges; i++) {
        json_string(json, map->nodes[path->nodes[i]].id);
    }
    json_close(json, ']');
    json_key_open(json, "edges", '[');
    for (size_t i = 0; i < path->n_edges; i++) {
        json_string(json, map->edges[path->edges[i]].id);
    }
    json_close(json, ']');
    json_close(json, '}');
}

/* The path's arrows, and the hops that carry it through its queues. */
static void choose_path(Part *part, const MapPath *path)
{
    const MapAnswer *map = part->map;

    for (size_t i = 0; i <= path->n_edges; i++) {
        part->nodes[path->nodes[i]] = true;
    }
    for (size_t i = 0; i < path->n_edges; i++) {
        part_add_edge(part, path->edges[i]);
    }
    for (size_t i = 1; i < path->n_edges; i++) {
        for (size_t k = 0; k < map->n_hops; k++) {
            const MapHop *hop = &map->hops[k];

            if (hop->producer == path->nodes[i - 1] && hop->queue == path->nodes[i] &&
                hop->consumer == path->nodes[i + 1]) {
                part_add_hop(part, k);
            }
        }
    }
}

static void paths_write(ApiCall *call, const MapQuestion *question, const MapAnswer *map,
                        const MapPaths *paths)
{
    JsonWriter *json = &call->json;
    Part part = part_new(map, &call->arena);

    json_open(json, '{');
    minute_write(json, "from", question->from_minute);
    minute_write(json, "to", question->to_minute);
    json_key_open(json, "paths", '[');
    for (size_t i = 0; i < paths->count; i++) {
        path_write(json, map, &paths->items[i]);
        choose_path(&part, &paths->items[i]);
    }
    json_close(json, ']');
    part.truncated |= paths->more;
    part_write(json, &part, true);
    json_close(json, '}');
}

static int paths_question(ApiCall *call, MapQuestion *question, size_t *ret_arrows)
{
    uint64_t arrows = 0;

    TRY(api_map_window(call, &question->from_minute, &question->to_minute));
    TRY(map_question_filters(call, question));
    TRY(api_number(call, "max_hops", PATH_ARROWS_DEFAULT, &arrows));
    if (arrows > PATH_ARROWS_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "longer ones say little", "max_hops is at most %d",
                        PATH_ARROWS_MAX);
    }
    if (!api_has_parameter(call, "from_node") || !api_has_parameter(call, "to_node")) {
        return api_fail(call, API_BAD_PARAMETER, "both are ids of nodes of the map",
                        "from_node and to_node are needed");
    }
    *ret_arrows = (size_t)arrows;
    return 0;
}

int api_paths(ApiCall *call)
{
    MapQuestion question = {0};
    MapAnswer map = {0};
    MapPaths paths = {0};
    size_t arrows = 0;

    TRY(paths_question(call, &question, &arrows));
    TRY(map_question_wait(call));
    TRY(map_ask(call->api->map, &question, &call->arena, &map));
    size_t from = find_node(&map, api_parameter(call, "from_node"));
    size_t to = find_node(&map, api_parameter(call, "to_node"));
    if (from == map.n_nodes || to == map.n_nodes) {
        return map_question_no_node(
            call, api_parameter(call, from == map.n_nodes ? "from_node" : "to_node"));
    }
    map_paths(&map, from, to, arrows, &call->arena, &paths);
    paths_write(call, &question, &map, &paths);
    return 0;
}
