// SPDX-License-Identifier: Apache-2.0
#include "map/answer/health.h"
#include "serve/api/api_map.h"
#include "serve/api/map_question.h"
#include "serve/api/name_page.h"

enum { FINDINGS_LIMIT_DEFAULT = 1000 };

static void item_write(JsonWriter *json, const HealthItem *item)
{
    json_open(json, '{');
    json_key_string(json, "code", health_code_name(item->code));
    json_key_string(json, "subject",
                    item->subject.len > 0 ? item->subject : node_key_label(&item->node));
    json_key_string(json, "node", item->node_id);
    json_key_string(json, "type", node_type_name(item->node.type));
    json_key_string(json, "scope", item->node.scope);
    json_key_string(json, "environment", item->node.environment);
    json_key_u64(json, "count", item->count);
    if (item->of > 0) {
        json_key_u64(json, "spans", item->of);
    }
    json_key(json, STR("example_trace"));
    if (trace_id_is_zero(item->example)) {
        json_null(json);
    } else {
        json_hex(json, item->example.bytes, TRACE_ID_SIZE);
    }
    json_key_string(json, "what_to_change", health_code_advice(item->code));
    json_close(json, '}');
}

/* What a page's cursor names: items are sorted by it. */
static Str item_name(const HealthItem *item, Arena *arena)
{
    return arena_format(arena, "%02d %.*s %.*s %.*s", (int)item->code, STR_ARG(item->node.name),
                        STR_ARG(item->node_id), STR_ARG(item->subject));
}

int api_contract(ApiCall *call)
{
    uint32_t from = 0, to = 0;
    HealthItem *items = NULL;
    size_t n_items = 0;
    NamePage page;

    TRY(api_map_window(call, &from, &to));
    TRY(name_page_open(call, FINDINGS_LIMIT_DEFAULT, &page));
    TRY(map_question_wait(call));
    map_health(call->api->map, from, to, &call->arena, &items, &n_items);
    api_list_open(call);
    for (size_t i = 0; i < n_items; i++) {
        if (name_page_takes(&page, item_name(&items[i], &call->arena))) {
            item_write(&call->json, &items[i]);
        }
    }
    name_page_close(call, &page);
    return 0;
}
