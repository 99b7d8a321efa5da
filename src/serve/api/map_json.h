// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/answer/diff.h"
#include "serve/api/api_call.h"

/* The map's things as JSON, the same in every answer: openapi.yaml's Node, Edge, Hop, Point. */
void minute_write(JsonWriter *json, const char *key, uint32_t minute);
void node_write(JsonWriter *json, const MapNode *node);
void edge_write(JsonWriter *json, const MapAnswer *map, const MapEdge *edge);
void edge_fields_write(JsonWriter *json, const MapAnswer *map, const MapEdge *edge); /* no braces */
void hop_write(JsonWriter *json, const MapAnswer *map, const MapHop *hop);
void exemplars_write(JsonWriter *json, const char *key, const MapExemplar *exemplars, size_t n);

/* "nodes":[…],"edges":[…],"hops":[…] */
void map_lists_write(JsonWriter *json, const MapAnswer *map);

/* "added":{…},"removed":{…} */
void map_diff_parts_write(JsonWriter *json, const MapDiff *diff);

/* "series":[…] */
void series_write(JsonWriter *json, const MapPoint *points, size_t n_points);
