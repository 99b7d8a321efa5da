// SPDX-License-Identifier: Apache-2.0
#include "serve/api/live_picture.h"

#include "base/assert.h"
#include "base/memory.h"
#include "codec/json.h"
#include "serve/api/map_json.h"

enum { ID_MAX = 3 * NODE_ID_LENGTH };

/* An element as the readers know it. */
typedef struct Element {
    uint64_t key; /* hash of kind and id */
    uint64_t content;
    uint64_t round; /* when it was last there */
    double x, y, width, height;
    uint32_t layer;
    bool is_pinned;
    LiveKind kind;
    uint8_t id_len;
    char id[ID_MAX];
} Element;

void live_shown_init(LiveShown *shown)
{
    *shown = (LiveShown){0};
    table_init(&shown->elements, sizeof(Element), sizeof(uint64_t));
}

void live_shown_deinit(LiveShown *shown)
{
    table_deinit(&shown->elements);
}

static size_t append_id(const MapAnswer *map, LiveKind kind, size_t at, char id[ID_MAX])
{
    Str parts[3] = {0};
    size_t len = 0;

    if (kind == LIVE_NODE) {
        parts[0] = map->nodes[at].id;
    } else if (kind == LIVE_EDGE) {
        parts[0] = map->edges[at].id;
    } else {
        parts[0] = map->nodes[map->hops[at].producer].id;
        parts[1] = map->nodes[map->hops[at].queue].id;
        parts[2] = map->nodes[map->hops[at].consumer].id;
    }
    for (size_t i = 0; i < ARRAY_LEN(parts) && parts[i].len > 0; i++) {
        ASSERT(len + parts[i].len <= ID_MAX);
        mem_copy(id + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return len;
}

static size_t count_of(const MapAnswer *map, LiveKind kind)
{
    return kind == LIVE_NODE ? map->n_nodes : kind == LIVE_EDGE ? map->n_edges : map->n_hops;
}

static Element *show(LiveShown *shown, const MapAnswer *map, LiveKind kind, size_t at,
                     bool *ret_new)
{
    char id[ID_MAX];
    size_t len = append_id(map, kind, at, id);
    uint64_t key = str_hash(str_from_bytes(id, len)) * LIVE_KINDS + kind;
    Element *element = table_put(&shown->elements, &key, ret_new);

    if (*ret_new) {
        element->kind = kind;
        element->id_len = (uint8_t)len;
        mem_copy(element->id, id, len);
    }
    return element;
}

bool live_shown_mark(LiveShown *shown, const MapAnswer *map)
{
    bool changed = false, is_new;
    size_t n = 0;

    shown->round++;
    for (LiveKind kind = 0; kind < LIVE_KINDS; kind++) {
        for (size_t i = 0; i < count_of(map, kind); i++) {
            show(shown, map, kind, i, &is_new)->round = shown->round;
            changed |= is_new;
            n++;
        }
    }
    return changed || n < shown->elements.n_records;
}

void live_shown_places(LiveShown *shown, MapAnswer *map, bool anew)
{
    bool is_new;

    for (size_t i = 0; i < map->n_nodes; i++) {
        Element *element = show(shown, map, LIVE_NODE, i, &is_new);
        MapNode *node = &map->nodes[i];

        if (anew) {
            element->x = node->x, element->y = node->y;
            element->width = node->width, element->height = node->height;
            element->layer = node->layer;
            element->is_pinned = node->is_pinned;
        } else {
            node->x = element->x, node->y = element->y;
            node->width = element->width, node->height = element->height;
            node->layer = element->layer;
            node->is_pinned = element->is_pinned;
        }
    }
}

static void element_write(const MapAnswer *map, LiveKind kind, size_t at, Buf *buf)
{
    JsonWriter json = {.buf = buf};

    if (kind == LIVE_NODE) {
        node_write(&json, &map->nodes[at]);
    } else if (kind == LIVE_EDGE) {
        edge_write(&json, map, &map->edges[at]);
    } else {
        hop_write(&json, map, &map->hops[at]);
    }
}

static void append_item(Buf *list, Str item)
{
    if (list->len > 0) {
        buf_append_byte(list, ',');
    }
    buf_append_str(list, item);
}

static void draw_kind(LivePicture *picture, LiveShown *shown, const MapAnswer *map, LiveKind kind)
{
    for (size_t i = 0; i < count_of(map, kind); i++) {
        bool is_new;
        Element *element = show(shown, map, kind, i, &is_new);

        buf_clear(&picture->scratch);
        element_write(map, kind, i, &picture->scratch);
        uint64_t content = str_hash(buf_str(&picture->scratch));
        if (content != element->content) {
            element->content = content;
            append_item(&picture->changed[kind], buf_str(&picture->scratch));
            picture->n_changes++;
        }
        if (picture->wants_whole) {
            append_item(&picture->whole[kind], buf_str(&picture->scratch));
        }
    }
}

static void removed_write(const Element *element, Buf *buf)
{
    JsonWriter json = {.buf = buf};
    Str id = str_from_bytes(element->id, element->id_len);

    if (element->kind != LIVE_HOP) {
        json_string(&json, id);
        return;
    }
    json_open(&json, '{');
    json_key_string(&json, "producer", str_slice(id, 0, NODE_ID_LENGTH));
    json_key_string(&json, "queue", str_slice(id, NODE_ID_LENGTH, 2 * NODE_ID_LENGTH));
    json_key_string(&json, "consumer", str_slice(id, 2 * NODE_ID_LENGTH, 3 * NODE_ID_LENGTH));
    json_close(&json, '}');
}

/* Forgets what is there no more. */
static void draw_removals(LivePicture *picture, LiveShown *shown)
{
    Table *table = &shown->elements;

    for (size_t i = table->n_records; i > 0; i--) {
        Element *element = table_at(table, i - 1);

        if (element->round != shown->round) {
            buf_clear(&picture->scratch);
            removed_write(element, &picture->scratch);
            append_item(&picture->removed[element->kind], buf_str(&picture->scratch));
            picture->n_changes++;
            table_remove(table, element);
        }
    }
}

void live_picture_draw(LivePicture *picture, LiveShown *shown, const MapAnswer *map)
{
    for (LiveKind kind = 0; kind < LIVE_KINDS; kind++) {
        draw_kind(picture, shown, map, kind);
    }
    draw_removals(picture, shown);
}

void live_picture_deinit(LivePicture *picture)
{
    buf_deinit(&picture->scratch);
    for (LiveKind kind = 0; kind < LIVE_KINDS; kind++) {
        buf_deinit(&picture->whole[kind]);
        buf_deinit(&picture->changed[kind]);
        buf_deinit(&picture->removed[kind]);
    }
}

void live_lists_append(Buf *buf, const Buf lists[LIVE_KINDS])
{
    static const Str names[LIVE_KINDS] = {STR("nodes"), STR("edges"), STR("hops")};

    for (LiveKind kind = 0; kind < LIVE_KINDS; kind++) {
        buf_append_format(buf, "%s\"%.*s\":[", kind == 0 ? "" : ",", STR_ARG(names[kind]));
        buf_append_str(buf, buf_str(&lists[kind]));
        buf_append_byte(buf, ']');
    }
}
