// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "serve/api/map_json.h"
#include "serve/api/name_page.h"
#include "serve/api/saved_private.h"

enum { POSITIONS_LIMIT_DEFAULT = POSITIONS_MAX };

int api_positions(ApiCall *call)
{
    Saved *saved = call->api->saved;
    DeskList list = {0};
    NamePage page;

    if (saved == NULL) {
        return api_fail(call, API_BUSY, "try again", "nothing is saved yet");
    }
    TRY(name_page_open(call, POSITIONS_LIMIT_DEFAULT, &page));
    TRY(desk_read(saved->desk, SAVED_POSITIONS, &call->arena, &list));
    api_list_open(call);
    for (size_t i = 0; i < list.n_items; i++) {
        const Position *position = NULL;

        pthread_mutex_lock(&saved->lock);
        Position copy = {0};
        if (list.items[i].key.len == NODE_ID_LENGTH) {
            position = table_find(&saved->positions, list.items[i].key.ptr);
            copy = position != NULL ? *position : copy;
        }
        pthread_mutex_unlock(&saved->lock);
        if (position != NULL && name_page_takes(&page, list.items[i].key)) {
            json_open(&call->json, '{');
            json_key_string(&call->json, "node", list.items[i].key);
            json_key_double(&call->json, "x", copy.x);
            json_key_double(&call->json, "y", copy.y);
            json_close(&call->json, '}');
        }
    }
    name_page_close(call, &page);
    return 0;
}

/* A number, or null. */
static int coordinate_read(JsonReader *reader, bool *ret_is_null, double *ret_value)
{
    JsonType type = JSON_NULL;

    TRY(json_peek(reader, &type));
    *ret_is_null = type == JSON_NULL;
    if (*ret_is_null) {
        return json_read_null(reader);
    }
    TRY(json_read_double(reader, ret_value));
    return fabs(*ret_value) <= POSITION_LIMIT ? 0 : 1; /* what is not a number is not, either */
}

/* {"node":ID,"x":…,"y":…}; null or absent coordinates let the node go. */
static int item_read(JsonReader *reader, Arena *arena, DeskItem *ret_item)
{
    double x = 0, y = 0;
    bool x_is_null = true, y_is_null = true;
    Str key, node = {0};
    int more;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("node"))) {
            TRY(json_read_string(reader, &node));
        } else if (str_equal(key, STR("x"))) {
            TRY(coordinate_read(reader, &x_is_null, &x));
        } else if (str_equal(key, STR("y"))) {
            TRY(coordinate_read(reader, &y_is_null, &y));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    if (more < 0 || node.len != NODE_ID_LENGTH || x_is_null != y_is_null) {
        return 1;
    }
    *ret_item = (DeskItem){.key = node};
    if (!x_is_null) {
        ret_item->value = arena_format(arena, "{\"x\":%.17g,\"y\":%.17g}", x, y);
    }
    return 0;
}

static int items_read(JsonReader *reader, Arena *arena, DeskItem *items, size_t *ret_n)
{
    int more;

    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        if (*ret_n == POSITIONS_MAX) {
            return 1;
        }
        TRY(item_read(reader, arena, &items[(*ret_n)++]));
    }
    return more < 0;
}

int api_positions_put(ApiCall *call)
{
    JsonReader reader;
    DeskItem *items = ARENA_ARRAY(&call->arena, DeskItem, POSITIONS_MAX);
    size_t n = 0;
    bool has_items = false;
    int more, r = 0;
    Str key;

    TRY(saved_body_open(call, &reader));
    while (r == 0 && (more = json_next_key(&reader, &key)) > 0) {
        bool is_items = str_equal(key, STR("items"));

        r = is_items ? items_read(&reader, &call->arena, items, &n) : json_skip(&reader, NULL);
        has_items |= is_items;
    }
    if (r != 0 || more < 0 || !has_items) {
        return saved_body_bad(call, &reader);
    }
    Saved *saved = call->api->saved;
    pthread_mutex_lock(&saved->saving);
    r = desk_merge(saved->desk, SAVED_POSITIONS, items, n);
    int used = r == 0 ? saved_read_positions(saved) : 0;
    pthread_mutex_unlock(&saved->saving);
    TRY(used);
    return r != 0 ? saved_failed(call, r) : api_positions(call);
}
