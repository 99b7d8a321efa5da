// SPDX-License-Identifier: Apache-2.0
#include "map/answer/history.h"
#include "serve/api/api_map.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"
#include "serve/api/name_page.h"

enum { EVENTS_SHOWN_MAX = 200 }; /* of one step, kind and list */

static void node_event_write(JsonWriter *json, const MapEvent *event)
{
    json_open(json, '{');
    json_key_string(json, "id", event->id);
    json_key_string(json, "type", node_type_name(event->node.type));
    json_key_string(json, "name", node_key_label(&event->node));
    json_close(json, '}');
}

static void edge_event_write(JsonWriter *json, const MapEvent *event)
{
    json_open(json, '{');
    json_key_string(json, "id", event->id);
    json_key_string(json, "relation", relation_name(event->relation));
    json_key_string(json, "source_name", node_key_label(&event->node));
    json_key_string(json, "target_name", node_key_label(&event->target));
    json_close(json, '}');
}

static void deploy_write(JsonWriter *json, const MapEvent *event)
{
    json_open(json, '{');
    json_key_string(json, "service", event->id);
    json_key_string(json, "name", node_key_label(&event->node));
    json_key_string(json, "version", event->version);
    json_close(json, '}');
}

/* Those events of a step that are of one kind. */
typedef struct EventList {
    const MapEvent *items;
    size_t n_items;
    MapEventKind kind;
    bool are_edges;
} EventList;

static void events_write(JsonWriter *json, const char *key, const EventList *list,
                         void (*write)(JsonWriter *json, const MapEvent *event))
{
    size_t shown = 0;

    json_key_open(json, key, '[');
    for (size_t i = 0; i < list->n_items && shown < EVENTS_SHOWN_MAX; i++) {
        if (list->items[i].kind == list->kind && list->items[i].is_edge == list->are_edges) {
            write(json, &list->items[i]);
            shown++;
        }
    }
    json_close(json, ']');
}

static void change_write(JsonWriter *json, const char *key, EventList list)
{
    json_key_open(json, key, '{');
    list.are_edges = false;
    events_write(json, "nodes", &list, node_event_write);
    list.are_edges = true;
    events_write(json, "edges", &list, edge_event_write);
    json_close(json, '}');
}

static void step_write(JsonWriter *json, const MapHistory *history, const MapHistoryStep *step)
{
    const MapEvent *events = history->events + step->first_event;
    const EventList deploys = {events, step->n_events, MAP_DEPLOYED, false};

    json_open(json, '{');
    minute_write(json, "time", step->minute);
    json_key_u64(json, "requests", step->requests);
    json_key_u64(json, "errors", step->errors);
    json_key_u64(json, "nodes", step->nodes);
    json_key_u64(json, "edges", step->edges);
    change_write(json, "appeared", (EventList){events, step->n_events, MAP_APPEARED, false});
    change_write(json, "vanished", (EventList){events, step->n_events, MAP_VANISHED, false});
    events_write(json, "deploys", &deploys, deploy_write);
    json_close(json, '}');
}

int api_map_history(ApiCall *call)
{
    MapHistoryQuestion question = {0};
    AssemblyStatus assembly = {0};
    MapHistory history = {0};
    NamePage page;

    TRY(name_page_open(call, MAP_HISTORY_STEPS_MAX + 1, &page));
    TRY(api_map_window(call, &question.filters.from_minute, &question.filters.to_minute));
    TRY(map_question_filters(call, &question.filters));
    TRY(map_question_step(call, &question.filters.from_minute, &question.filters.to_minute,
                          &question.step_minutes));
    TRY(map_question_wait(call));
    assembly_status(call->api->assembly, &assembly);
    question.complete_to_minute = (uint32_t)(assembly.complete_to_ns / NS_PER_MINUTE);
    int result = map_history(call->api->map, &question, &call->arena, &history);
    if (result == MAP_NO_SUCH_NODE) {
        return map_question_no_node(call, question.filters.focus);
    }
    TRY(result);
    json_open(&call->json, '{');
    json_key_bool(&call->json, "widened", call->widened);
    json_key_open(&call->json, "items", '[');
    for (size_t i = 0; i < history.n_steps; i++) {
        if (name_page_takes(&page, arena_format(&call->arena, "%010u", history.steps[i].minute))) {
            step_write(&call->json, &history, &history.steps[i]);
        }
    }
    name_page_close(call, &page);
    return 0;
}
