// SPDX-License-Identifier: Apache-2.0
#include "serve/api/map_json.h"

#include "serve/api/api_traces.h"
#include "serve/api/map_question.h"

void minute_write(JsonWriter *json, const char *key, uint32_t minute)
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
    json_key_string(json, "type", node_type_name(key->type));
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
    json_key_double(json, "x", node->x);
    json_key_double(json, "y", node->y);
    json_key_double(json, "width", node->width);
    json_key_double(json, "height", node->height);
    json_key_u64(json, "layer", node->layer);
    json_close(json, '}');
}

void node_write(JsonWriter *json, const MapNode *node)
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
    if (node->width > 0) {
        node_layout_write(json, node);
    }
    if (node->is_pinned) {
        json_key_bool(json, "pinned", true);
    }
    json_close(json, '}');
}

void exemplars_write(JsonWriter *json, const char *key, const MapExemplar *exemplars, size_t n)
{
    json_key_open(json, key, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(json, '{');
        json_key_hex(json, "trace_id", exemplars[i].trace_id.bytes, TRACE_ID_SIZE);
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

void edge_fields_write(JsonWriter *json, const MapAnswer *map, const MapEdge *edge)
{
    json_key_string(json, "id", edge->id);
    json_key_string(json, "source", map->nodes[edge->source].id);
    json_key_string(json, "target", map->nodes[edge->target].id);
    json_key_string(json, "relation", relation_name(edge->relation));
    json_key_u64(json, "count", edge->count);
    json_key_u64(json, "errors", edge->errors);
    json_key_double(json, "adjusted_count", edge->adjusted_count);
    json_key_duration(json, "duration", &edge->duration);
    json_key_duration(json, "server_duration", &edge->server_duration);
    minute_write(json, "first_seen", edge->first_minute);
    minute_write(json, "last_seen", edge->last_minute);
    edge_evidence_write(json, edge);
}

void edge_write(JsonWriter *json, const MapAnswer *map, const MapEdge *edge)
{
    json_open(json, '{');
    edge_fields_write(json, map, edge);
    json_close(json, '}');
}

void hop_write(JsonWriter *json, const MapAnswer *map, const MapHop *hop)
{
    json_open(json, '{');
    json_key_string(json, "producer", map->nodes[hop->producer].id);
    json_key_string(json, "queue", map->nodes[hop->queue].id);
    json_key_string(json, "consumer", map->nodes[hop->consumer].id);
    json_key_u64(json, "count", hop->count);
    json_key_duration(json, "age", &hop->age);
    json_close(json, '}');
}

void map_lists_write(JsonWriter *json, const MapAnswer *map)
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

void series_write(JsonWriter *json, const MapPoint *points, size_t n_points)
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
