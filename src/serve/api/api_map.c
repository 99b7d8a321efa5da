// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_map.h"

#include "serve/api/live.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"
#include "serve/api/saved.h"

#define LIVE_WINDOW_DEFAULT_NS (15 * NS_PER_MINUTE)
#define LIVE_WINDOW_MAX_NS (24 * 60 * NS_PER_MINUTE)

/* What was left out, and how large the picture is. */
static void map_frame_write(ApiCall *call, const MapAnswer *map, uint64_t complete_to_ns)
{
    JsonWriter *json = &call->json;
    double width = 0, height = 0;

    json_key(json, STR("truncated"));
    if (map->truncated) {
        json_open(json, '{');
        json_key_u64(json, "nodes", map->folded_nodes);
        json_key_u64(json, "edges", map->folded_edges);
        json_close(json, '}');
    } else {
        json_null(json);
    }
    json_key_time(json, "complete_to", complete_to_ns);
    for (size_t i = 0; i < map->n_nodes; i++) {
        width = MAX(width, map->nodes[i].x + map->nodes[i].width);
        height = MAX(height, map->nodes[i].y + map->nodes[i].height);
    }
    json_key_open(json, "layout", '{');
    json_key_double(json, "width", width);
    json_key_double(json, "height", height);
    json_close(json, '}');
}

int api_map(ApiCall *call)
{
    MapQuestion question = {0};
    MapAnswer map = {0};
    AssemblyStatus assembly = {0};
    int result;

    TRY(api_map_window(call, &question.from_minute, &question.to_minute));
    TRY(map_question_filters(call, &question));
    question.with_layout = true;
    TRY(map_question_wait(call));
    assembly_status(call->api->assembly, &assembly); /* before: the map may only know more */
    result = map_ask(call->api->map, &question, &call->arena, &map);
    if (result == MAP_NO_SUCH_NODE) {
        return map_question_no_node(call, question.focus);
    }
    TRY(result);
    saved_place_nodes(call->api->saved, &map);
    json_open(&call->json, '{');
    minute_write(&call->json, "from", question.from_minute);
    minute_write(&call->json, "to", question.to_minute);
    json_key_bool(&call->json, "widened", call->widened);
    map_lists_write(&call->json, &map);
    map_frame_write(call, &map, assembly.complete_to_ns);
    json_close(&call->json, '}');
    return 0;
}

/* The answer is the live readers': see live.h. */
int api_map_live(ApiCall *call)
{
    LiveQuestion question = {0};
    uint64_t window_ns = 0;

    TRY(api_duration(call, "window", LIVE_WINDOW_DEFAULT_NS, &window_ns));
    TRY(map_question_filters(call, &question.filters));
    if (window_ns < NS_PER_MINUTE || window_ns > LIVE_WINDOW_MAX_NS) {
        return api_fail(call, API_BAD_PARAMETER, "for example window=15m",
                        "window is from a minute to a day");
    }
    question.window_minutes = (uint32_t)((window_ns + NS_PER_MINUTE - 1) / NS_PER_MINUTE);
    if (call->exchange != NULL) {
        question.last_event_id = exchange_header(call->exchange, STR("last-event-id"));
    }
    if (call->exchange == NULL || call->api->live == NULL ||
        live_add(call->api->live, call->exchange, &question) != 0) {
        return api_fail(call, API_BUSY, "ask /api/v1/map instead", "too many live readers");
    }
    return API_TAKEN;
}
