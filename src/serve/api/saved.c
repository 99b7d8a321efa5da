// SPDX-License-Identifier: Apache-2.0
#include "serve/api/saved_private.h"

#include <errno.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"

/* --- Bodies --- */

int saved_body_bad(ApiCall *call, const JsonReader *reader)
{
    return api_fail(call, API_BAD_BODY, "its form is in /api/v1/openapi.yaml",
                    "the body is not what this call takes, at byte %zu", reader->error.offset);
}

int saved_body_open(ApiCall *call, JsonReader *reader)
{
    Str body = call->request->body;

    if (call->api->saved == NULL) {
        return api_fail(call, API_BUSY, "try again", "nothing can be saved now");
    }
    if (body.len > SAVED_BODY_MAX || call->request->encoding.len > 0) {
        return api_fail(call, API_BAD_BODY, "send at most 4 MiB of JSON, not compressed",
                        "the body is too large or compressed");
    }
    json_reader_init(reader, body, &call->arena);
    return json_enter_object(reader) != 0 ? saved_body_bad(call, reader) : 0;
}

int saved_failed(ApiCall *call, int result)
{
    if (result == DESK_CONFLICT) {
        return api_fail(call, API_CONFLICT, "read them again and repeat the change",
                        "somebody saved since this version was read");
    }
    if (result == -EFBIG) {
        return api_fail(call, API_BAD_BODY, "save less", "more than can be saved");
    }
    return result;
}

/* --- Mappings --- */

int saved_mapping_read(JsonReader *reader, Mapping *ret_mapping, bool *ret_skip)
{
    Mapping mapping = {.type = NODE_NAME};
    int more;
    Str key, text;

    *ret_skip = false;
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("pattern"))) {
            TRY(json_read_string(reader, &mapping.pattern));
        } else if (str_equal(key, STR("name"))) {
            TRY(json_read_string(reader, &mapping.name));
        } else if (str_equal(key, STR("type"))) {
            TRY(json_read_string(reader, &text));
            TRY(mapping_type_parse(text, &mapping.type));
        } else if (str_equal(key, STR("source"))) {
            TRY(json_read_string(reader, &text));
            *ret_skip = str_equal(text, STR("configuration"));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    if (more < 0 || mapping.type == NODE_NAME) {
        return 1;
    }
    *ret_mapping = mapping;
    return 0;
}

int saved_read_mappings(Saved *saved, Arena *arena, Mapping **ret_items, size_t *ret_n,
                        uint64_t *ret_version)
{
    DeskList list = {0};
    size_t n = 0;

    TRY(desk_read(saved->desk, SAVED_MAPPINGS, arena, &list));
    Mapping *items = ARENA_ARRAY(arena, Mapping, list.n_items + 1);
    for (size_t i = 0; i < list.n_items; i++) {
        JsonReader reader;
        bool skip;

        json_reader_init(&reader, list.items[i].value, arena);
        if (saved_mapping_read(&reader, &items[n], &skip) != 0) {
            log_warn("a saved mapping is none, and is not used", LOG_STR("key", list.items[i].key));
            continue;
        }
        n++;
    }
    *ret_items = items;
    *ret_n = n;
    *ret_version = list.version;
    return 0;
}

int saved_make_mappings(const Saved *saved, const Mapping *own, size_t n, Mappings **ret_mappings,
                        size_t *ret_bad, ParseError *ret_error)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Mapping *all = ARENA_ARRAY(&arena, Mapping, saved->n_configured + n + 1);
    size_t bad = 0;

    if (saved->n_configured > 0) {
        mem_copy(all, saved->configured, saved->n_configured * sizeof(*all));
    }
    if (n > 0) {
        mem_copy(all + saved->n_configured, own, n * sizeof(*all));
    }
    int r = mappings_new(all, saved->n_configured + n, ret_mappings, &bad, ret_error);
    *ret_bad = bad - MIN(bad, saved->n_configured);
    return r;
}

int saved_use_mappings(Saved *saved, const Mapping *own, size_t n, size_t *ret_bad,
                       ParseError *ret_error)
{
    Mappings *mappings = NULL;

    TRY(saved_make_mappings(saved, own, n, &mappings, ret_bad, ret_error));
    map_set_mappings(saved->map, mappings);
    mappings_unref(mappings);
    return 0;
}

/* --- Positions --- */

static int position_read(Str value, Arena *arena, Position *position)
{
    JsonReader reader;
    int more;
    Str key;

    json_reader_init(&reader, value, arena);
    TRY(json_enter_object(&reader));
    while ((more = json_next_key(&reader, &key)) > 0) {
        if (str_equal(key, STR("x"))) {
            TRY(json_read_double(&reader, &position->x));
        } else if (str_equal(key, STR("y"))) {
            TRY(json_read_double(&reader, &position->y));
        } else {
            TRY(json_skip(&reader, NULL));
        }
    }
    return more < 0;
}

int saved_read_positions(Saved *saved)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    DeskList list = {0};

    TRY(desk_read(saved->desk, SAVED_POSITIONS, &arena, &list));
    pthread_mutex_lock(&saved->lock);
    table_clear(&saved->positions);
    for (size_t i = 0; i < list.n_items; i++) {
        Position position = {0};

        if (list.items[i].key.len == NODE_ID_LENGTH &&
            position_read(list.items[i].value, &arena, &position) == 0) {
            Position *kept = table_put(&saved->positions, list.items[i].key.ptr, NULL);

            kept->x = position.x;
            kept->y = position.y;
        }
    }
    saved->positions_version = list.version;
    pthread_mutex_unlock(&saved->lock);
    return 0;
}

uint64_t saved_positions_version(Saved *saved)
{
    pthread_mutex_lock(&saved->lock);
    uint64_t version = saved->positions_version;
    pthread_mutex_unlock(&saved->lock);
    return version;
}

static const MapNode *find_node(const MapAnswer *map, Str id)
{
    size_t from = 0, to = map->n_nodes;

    while (from < to) { /* nodes are sorted by id */
        size_t middle = from + (to - from) / 2;
        int order = str_compare(map->nodes[middle].id, id);

        if (order == 0) {
            return &map->nodes[middle];
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return NULL;
}

void saved_place_nodes(Saved *saved, MapAnswer *map)
{
    CLEANUP(arena_deinit) Arena arena = {0};

    if (saved == NULL) {
        return;
    }
    pthread_mutex_lock(&saved->lock);
    double *moved = ARENA_ARRAY(&arena, double, 2 * map->n_nodes + 1);
    for (size_t i = 0; saved->positions.n_records > 0 && i < map->n_nodes; i++) {
        MapNode *node = &map->nodes[i];
        const Position *position = table_find(&saved->positions, node->id.ptr);

        if (position != NULL && node->width > 0) {
            moved[2 * i] = position->x - node->x;
            moved[2 * i + 1] = position->y - node->y;
            node->is_pinned = true;
        }
    }
    for (size_t i = 0; saved->positions.n_records > 0 && i < map->n_nodes; i++) {
        MapNode *node = &map->nodes[i];
        const MapNode *parent = node->parent.len > 0 ? find_node(map, node->parent) : NULL;
        size_t by = node->is_pinned || parent == NULL ? i : (size_t)(parent - map->nodes);

        node->x += moved[2 * by];
        node->y += moved[2 * by + 1];
    }
    pthread_mutex_unlock(&saved->lock);
}

/* --- */

static void keep_configured(Saved *saved, const Mapping *configured, size_t n)
{
    saved->configured = ARENA_ARRAY(&saved->arena, Mapping, n + 1);
    saved->n_configured = n;
    for (size_t i = 0; i < n; i++) {
        saved->configured[i] = configured[i];
        saved->configured[i].pattern = arena_copy(&saved->arena, configured[i].pattern);
        saved->configured[i].name = arena_copy(&saved->arena, configured[i].name);
        saved->configured[i].is_configured = true;
    }
}

/* The configuration's alone first, so that the one that is wrong can be told. */
static int use_all_mappings(Saved *saved, const Mapping *own, size_t n, Buf *why)
{
    const char *whose = "exporters.weft.map.mappings";
    Mappings *mappings = NULL;
    ParseError error = {0};
    size_t bad = 0;
    int r = mappings_new(saved->configured, saved->n_configured, &mappings, &bad, &error);

    mappings_unref(mappings);
    if (r == 0) {
        whose = "what was saved";
        r = saved_use_mappings(saved, own, n, &bad, &error);
    }
    if (r != 0) {
        buf_append_format(why, "%s: mapping %zu cannot be used: %s", whose, bad + 1, error.text);
    }
    return r;
}

int saved_new(Desk *desk, Map *map, const Mapping *configured, size_t n_configured,
              Saved **ret_saved, Buf *why)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Saved *saved = NEW(Saved);
    Mapping *own = NULL;
    uint64_t version;
    size_t n = 0;

    saved->desk = desk;
    saved->map = map;
    ASSERT(pthread_mutex_init(&saved->saving, NULL) == 0);
    ASSERT(pthread_mutex_init(&saved->lock, NULL) == 0);
    table_init(&saved->positions, sizeof(Position), NODE_ID_LENGTH);
    keep_configured(saved, configured, n_configured);
    if (saved_read_mappings(saved, &arena, &own, &n, &version) != 0 ||
        saved_read_positions(saved) != 0) {
        buf_append_str(why, STR("what was saved cannot be read"));
        saved_free(saved);
        return 1;
    }
    if (use_all_mappings(saved, own, n, why) != 0) {
        saved_free(saved);
        return 1;
    }
    *ret_saved = saved;
    return 0;
}

bool saved_was_damaged(const Saved *saved)
{
    return desk_was_damaged(saved->desk);
}

Saved *saved_free(Saved *saved)
{
    if (saved != NULL) {
        pthread_mutex_destroy(&saved->saving);
        pthread_mutex_destroy(&saved->lock);
        table_deinit(&saved->positions);
        arena_deinit(&saved->arena);
        mem_free(saved);
    }
    return NULL;
}
