// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_map.h"

#include "serve/api/api_traces.h"

enum {
    HISTORY_POINTS_DEFAULT = 1440,
    HISTORY_POINTS_MAX = 20000, /* in one answer */
    HOPS_MAX = 16,
    TYPES_ALL = (1 << (NODE_STEP + 1)) - 1,
};

#define MAP_WINDOW_DEFAULT_NS (60 * NS_PER_MINUTE)
#define AT_WINDOW_DEFAULT_NS (5 * NS_PER_MINUTE)

static const Str type_names[] = {
    [NODE_SERVICE] = STR("service"), [NODE_DATABASE] = STR("database"), [NODE_TABLE] = STR("table"),
    [NODE_QUEUE] = STR("queue"),     [NODE_EXTERNAL] = STR("external"), [NODE_FLOW] = STR("flow"),
    [NODE_STEP] = STR("step"),       [NODE_NAME] = STR("name"),
};

Str node_type_name(NodeType type)
{
    return type_names[type];
}

/* ?at&window is the window that ends at that moment. */
static int window_at(ApiCall *call, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    uint64_t at = 0, window = 0;

    TRY(api_time(call, "at", call->now_ns, &at));
    TRY(api_duration(call, "window", AT_WINDOW_DEFAULT_NS, &window));
    if (api_has_parameter(call, "from") || api_has_parameter(call, "to")) {
        return api_fail(call, API_BAD_PARAMETER, "give from and to, or at and window",
                        "from or to together with at or window");
    }
    *ret_to_ns = at;
    *ret_from_ns = at > window ? at - window : 0;
    return 0;
}

static int window_from_to(ApiCall *call, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    uint64_t from = 0, to = 0;

    TRY(api_time(call, "to", call->now_ns, &to));
    TRY(api_time(call, "from", to > MAP_WINDOW_DEFAULT_NS ? to - MAP_WINDOW_DEFAULT_NS : 0, &from));
    if (from > to) {
        return api_fail(call, API_BAD_PARAMETER, "swap them", "from is after to");
    }
    *ret_from_ns = from;
    *ret_to_ns = to;
    return 0;
}

int api_map_window(ApiCall *call, uint32_t *ret_from_minute, uint32_t *ret_to_minute)
{
    uint64_t from = 0, to = 0;

    if (api_has_parameter(call, "at") || api_has_parameter(call, "window")) {
        TRY(window_at(call, &from, &to));
    } else {
        TRY(window_from_to(call, &from, &to));
    }
    minutes_of_window(from, to, ret_from_minute, ret_to_minute);
    return 0;
}

/* A comma list of node types as a bit set. */
static int types_read(ApiCall *call, uint32_t *ret_types)
{
    Str rest = api_parameter(call, "type"), head;
    bool more = rest.len > 0;
    uint32_t types = 0;

    while (more) {
        uint32_t type = 0;

        more = str_split(rest, ',', &head, &rest);
        while (type < NODE_NAME && !str_equal(type_names[type], str_trim(head))) {
            type++;
        }
        if (type == NODE_NAME) {
            return api_fail(call, API_BAD_PARAMETER,
                            "types: service, database, table, queue, external, flow, step",
                            "\"%.*s\" is no node type", STR_ARG(head));
        }
        types |= 1u << type;
    }
    *ret_types = types;
    return 0;
}

static int question_read(ApiCall *call, MapQuestion *question)
{
    uint64_t hops = 0;
    bool resolve = true;

    *question = (MapQuestion){
        .scope = api_parameter(call, "scope"),
        .has_environment = api_has_parameter(call, "environment"),
        .environment = api_parameter(call, "environment"),
        .namespace = api_parameter(call, "namespace"),
        .focus = api_parameter(call, "focus"),
        .flow = api_parameter(call, "flow"),
        .with_layout = true,
    };
    TRY(api_map_window(call, &question->from_minute, &question->to_minute));
    TRY(types_read(call, &question->types));
    TRY(api_number(call, "hops", 1, &hops));
    TRY(api_flag(call, "resolve", true, &resolve));
    if (hops > HOPS_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "leave focus out to see the whole map",
                        "hops is at most %d", HOPS_MAX);
    }
    question->hops = (uint32_t)hops;
    question->unresolved_names = !resolve;
    return 0;
}

/* A query waits for what was acknowledged before it came; with wait=true also for the map. */
static int map_wait(ApiCall *call)
{
    bool settle = false;

    TRY(api_flag(call, "wait", false, &settle));
    if (settle) {
        store_wait_settled(call->api->store);
    } else {
        store_wait_applied(call->api->store);
    }
    return 0;
}

static void minute_write(JsonWriter *json, const char *key, uint32_t minute)
{
    json_key_time(json, key, minute * NS_PER_MINUTE);
}

/* Labels of one key are shown together: a service may have several versions in a window. */
static void labels_write(JsonWriter *json, const MapNode *node)
{
    CLEANUP(buf_deinit) Buf text = {0};

    json_key_open(json, "labels", '{');
    for (size_t i = 0; i < node->n_labels; i++) {
        bool last =
            i + 1 == node->n_labels || !str_equal(node->labels[i].key, node->labels[i + 1].key);

        if (text.len > 0) {
            buf_append_str(&text, STR(", "));
        }
        buf_append_str(&text, node->labels[i].value);
        if (last) {
            json_key(json, node->labels[i].key);
            json_string(json, buf_str(&text));
            buf_clear(&text);
        }
    }
    json_close(json, '}');
}

/* The fields of its identity that the type has, CONTRACT.md §2. */
static void node_identity_write(JsonWriter *json, const MapNode *node)
{
    const NodeKey *key = &node->key;
    bool database = key->type == NODE_DATABASE || key->type == NODE_TABLE;

    json_key_string(json, "id", node->id);
    json_key_string(json, "type", type_names[key->type]);
    json_key_string(json, "name", node_key_label(key));
    json_key_string(json, "scope", key->scope);
    json_key_string(json, "environment", key->environment);
    if (database || key->type == NODE_SERVICE) {
        json_key_string(json, "namespace", key->namespace);
    }
    if (database || key->type == NODE_QUEUE) {
        json_key_string(json, "system", key->system);
    }
    if (database) {
        json_key_string(json, "address", key->address);
    }
    if (key->type == NODE_TABLE) {
        json_key_string(json, "collection", key->part);
    }
    if (node->parent.len > 0) {
        json_key_string(json, "parent", node->parent);
    }
    if (node->service.len > 0) {
        json_key_string(json, "service", node->service);
    }
}

static void node_layout_write(JsonWriter *json, const MapNode *node)
{
    json_key_open(json, "layout", '{');
    json_key(json, STR("x"));
    json_double(json, node->x);
    json_key(json, STR("y"));
    json_double(json, node->y);
    json_key(json, STR("width"));
    json_double(json, node->width);
    json_key(json, STR("height"));
    json_double(json, node->height);
    json_key_u64(json, "layer", node->layer);
    json_close(json, '}');
}

static void node_write(JsonWriter *json, const MapNode *node)
{
    json_open(json, '{');
    node_identity_write(json, node);
    labels_write(json, node);
    minute_write(json, "first_seen", node->first_minute);
    minute_write(json, "last_seen", node->last_minute);
    if (node->key.type == NODE_SERVICE) {
        json_key_u64(json, "requests", node->requests);
        json_key_u64(json, "errors", node->errors);
        json_key_duration(json, "duration", &node->duration);
    }
    node_layout_write(json, node);
    json_close(json, '}');
}

static void exemplars_write(JsonWriter *json, const char *key, const MapExemplar *exemplars,
                            size_t n)
{
    json_key_open(json, key, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(json, '{');
        json_key(json, STR("trace_id"));
        json_hex(json, exemplars[i].trace_id.bytes, TRACE_ID_SIZE);
        json_key_time(json, "start", exemplars[i].start_ns);
        json_key_u64(json, "duration_ns", exemplars[i].duration_ns);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void edge_evidence_write(JsonWriter *json, const MapEdge *edge)
{
    json_key_open(json, "rules", '{');
    for (size_t rule = 0; rule < RULE_COUNT; rule++) {
        if (edge->rules[rule] > 0) {
            json_key(json, rule_name((Rule)rule));
            json_u64(json, edge->rules[rule]);
        }
    }
    json_close(json, '}');
    json_key_open(json, "intervals", '[');
    for (size_t i = 0; i < edge->n_intervals; i++) {
        json_open(json, '{');
        minute_write(json, "first", edge->intervals[i].first_minute);
        minute_write(json, "last", edge->intervals[i].last_minute);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_key_open(json, "flows", '[');
    for (size_t i = 0; i < edge->n_flows; i++) {
        json_open(json, '{');
        json_key_string(json, "flow", edge->flows[i].flow);
        json_key_string(json, "step", edge->flows[i].step);
        json_key_u64(json, "count", edge->flows[i].count);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_key_open(json, "exemplars", '{');
    exemplars_write(json, "latest", edge->latest, edge->n_latest);
    exemplars_write(json, "error", edge->error, edge->n_error);
    exemplars_write(json, "slowest", edge->slowest, edge->n_slowest);
    json_close(json, '}');
}

static void edge_write(JsonWriter *json, const MapAnswer *map, const MapEdge *edge)
{
    json_open(json, '{');
    json_key_string(json, "id", edge->id);
    json_key_string(json, "source", map->nodes[edge->source].id);
    json_key_string(json, "target", map->nodes[edge->target].id);
    json_key_string(json, "relation", relation_name(edge->relation));
    json_key_u64(json, "count", edge->count);
    json_key_u64(json, "errors", edge->errors);
    json_key(json, STR("adjusted_count"));
    json_double(json, edge->adjusted_count);
    json_key_duration(json, "duration", &edge->duration);
    json_key_duration(json, "server_duration", &edge->server_duration);
    edge_evidence_write(json, edge);
    json_close(json, '}');
}

static void hop_write(JsonWriter *json, const MapAnswer *map, const MapHop *hop)
{
    json_open(json, '{');
    json_key_string(json, "producer", map->nodes[hop->producer].id);
    json_key_string(json, "queue", map->nodes[hop->queue].id);
    json_key_string(json, "consumer", map->nodes[hop->consumer].id);
    json_key_u64(json, "count", hop->count);
    json_key_duration(json, "age", &hop->age);
    json_close(json, '}');
}

static void map_lists_write(JsonWriter *json, const MapAnswer *map)
{
    json_key_open(json, "nodes", '[');
    for (size_t i = 0; i < map->n_nodes; i++) {
        node_write(json, &map->nodes[i]);
    }
    json_close(json, ']');
    json_key_open(json, "edges", '[');
    for (size_t i = 0; i < map->n_edges; i++) {
        edge_write(json, map, &map->edges[i]);
    }
    json_close(json, ']');
    json_key_open(json, "hops", '[');
    for (size_t i = 0; i < map->n_hops; i++) {
        hop_write(json, map, &map->hops[i]);
    }
    json_close(json, ']');
}

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

static int fail_node(ApiCall *call, Str id)
{
    return api_fail(call, API_NOT_FOUND, "it may be outside of the window; widen from and to",
                    "nothing in this window has the id \"%.*s\"", STR_ARG(id));
}

int api_map(ApiCall *call)
{
    MapQuestion question;
    MapAnswer map = {0};
    int result;

    TRY(question_read(call, &question));
    TRY(map_wait(call));
    result = map_ask(call->api->map, &question, &call->arena, &map);
    if (result == MAP_NO_SUCH_NODE) {
        return fail_node(call, question.focus);
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

/* `step` in whole minutes; without it as few points as fill a screen. */
static int step_read(ApiCall *call, uint32_t from_minute, uint32_t to_minute, uint32_t *ret_step)
{
    uint64_t minutes = to_minute - from_minute;
    uint64_t least = MAX(minutes / HISTORY_POINTS_DEFAULT, (uint64_t)1);
    uint64_t step_ns = 0, step;

    TRY(api_duration(call, "step", least * NS_PER_MINUTE, &step_ns));
    step = step_ns / NS_PER_MINUTE;
    if (step == 0 || step_ns % NS_PER_MINUTE != 0 || step > UINT32_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "for example step=60s",
                        "step is not in whole minutes");
    }
    if (minutes / step > HISTORY_POINTS_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "take a longer step or a shorter window",
                        "more than %d points", HISTORY_POINTS_MAX);
    }
    *ret_step = (uint32_t)step;
    return 0;
}

int api_map_history(ApiCall *call)
{
    uint32_t from = 0, to = 0, step = 0;
    MapPoint *points = NULL;
    size_t n_points = 0;

    TRY(api_map_window(call, &from, &to));
    TRY(step_read(call, from, to, &step));
    TRY(map_wait(call));
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

static void series_write(JsonWriter *json, const MapPoint *points, size_t n_points)
{
    json_key_open(json, "series", '[');
    for (size_t i = 0; i < n_points; i++) {
        json_open(json, '{');
        minute_write(json, "time", points[i].minute);
        json_key_u64(json, "count", points[i].count);
        json_key_u64(json, "errors", points[i].errors);
        if (points[i].duration.present) {
            json_key_u64(json, "p50_ns", points[i].duration.p50_ns);
            json_key_u64(json, "p99_ns", points[i].duration.p99_ns);
        }
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* The whole map of the call's window, flows included, to find one of its elements. */
static int element_map(ApiCall *call, MapQuestion *question, uint32_t *ret_step, MapAnswer *ret_map)
{
    *question = (MapQuestion){.types = TYPES_ALL, .with_layout = true};
    TRY(api_map_window(call, &question->from_minute, &question->to_minute));
    TRY(step_read(call, question->from_minute, question->to_minute, ret_step));
    TRY(map_wait(call));
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
        return fail_node(call, call->item);
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
        return fail_node(call, call->item);
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
