// SPDX-License-Identifier: Apache-2.0
#include "map/answer/diff.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"
#include "serve/api/saved_private.h"

enum { NAMES_SHOWN_MAX = 20 }; /* of one mapping in a preview */

static Str type_text(NodeType type)
{
    return node_type_name(type);
}

static void mapping_fields_write(JsonWriter *json, const Mapping *mapping)
{
    json_key_string(json, "pattern", mapping->pattern);
    json_key_string(json, "type", type_text(mapping->type));
    json_key_string(json, "name", mapping->name);
    json_key_string(json, "source", mapping->is_configured ? STR("configuration") : STR("saved"));
}

static int mappings_write(ApiCall *call)
{
    Saved *saved = call->api->saved;
    JsonWriter *json = &call->json;
    Mapping *own = NULL;
    uint64_t version = 0;
    size_t n = 0;

    TRY(saved_read_mappings(saved, &call->arena, &own, &n, &version));
    json_open(json, '{');
    json_key_u64(json, "version", version);
    json_key_open(json, "items", '[');
    for (size_t i = 0; i < saved->n_configured + n; i++) {
        json_open(json, '{');
        mapping_fields_write(json, i < saved->n_configured ? &saved->configured[i]
                                                           : &own[i - saved->n_configured]);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_key(json, STR("cursor"));
    json_null(json);
    json_close(json, '}');
    return 0;
}

int api_mappings(ApiCall *call)
{
    if (call->api->saved == NULL) {
        return api_fail(call, API_BUSY, "try again", "nothing is saved yet");
    }
    return mappings_write(call);
}

/* --- The body of PUT and of a preview --- */

typedef struct MappingList {
    Mapping *items;
    size_t n_items;
    uint64_t version;
} MappingList;

static int items_read(JsonReader *reader, MappingList *list)
{
    int more;

    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        bool skip = false;

        if (list->n_items > MAPPINGS_MAX) {
            return 1;
        }
        TRY(saved_mapping_read(reader, &list->items[list->n_items], &skip));
        list->n_items += !skip;
    }
    return more < 0;
}

static int list_read(ApiCall *call, MappingList *list)
{
    JsonReader reader;
    bool has_items = false;
    int more, r = 0;
    Str key;

    *list = (MappingList){.items = ARENA_ARRAY(&call->arena, Mapping, MAPPINGS_MAX + 2),
                          .version = DESK_ANY_VERSION};
    TRY(saved_body_open(call, &reader));
    while (r == 0 && (more = json_next_key(&reader, &key)) > 0) {
        if (str_equal(key, STR("items"))) {
            r = items_read(&reader, list);
            has_items = true;
        } else if (str_equal(key, STR("version"))) {
            r = json_read_u64(&reader, &list->version);
        } else {
            r = json_skip(&reader, NULL);
        }
    }
    return r != 0 || more < 0 || !has_items ? saved_body_bad(call, &reader) : 0;
}

static int fail_mapping(ApiCall *call, const MappingList *list, size_t bad, const ParseError *error)
{
    if (bad >= list->n_items) {
        return api_fail(call, API_BAD_BODY, "join some with | in one pattern", "%s", error->text);
    }
    return api_fail(call, API_BAD_BODY, "a pattern is a Perl-compatible regular expression",
                    "mapping %zu, \"%.*s\": at character %zu: %s", bad + 1,
                    STR_ARG(list->items[bad].pattern), error->offset + 1, error->text);
}

static DeskList desk_list(const MappingList *list, Arena *arena)
{
    DeskList saved = {.items = ARENA_ARRAY(arena, DeskItem, list->n_items + 1),
                      .n_items = list->n_items,
                      .version = list->version};

    for (size_t i = 0; i < list->n_items; i++) {
        CLEANUP(buf_deinit) Buf value = {0};
        JsonWriter json = {.buf = &value};

        json_open(&json, '{');
        mapping_fields_write(&json, &list->items[i]);
        json_close(&json, '}');
        saved.items[i] =
            (DeskItem){arena_format(arena, "%06zu", i), arena_copy(arena, buf_str(&value))};
    }
    return saved;
}

/* First whether they can be used, then saved, then used. */
int api_mappings_put(ApiCall *call)
{
    MappingList list;
    Mappings *mappings = NULL;
    ParseError error = {0};
    uint64_t version = 0;
    size_t bad = 0;

    TRY(list_read(call, &list));
    Saved *saved = call->api->saved;
    if (saved_make_mappings(saved, list.items, list.n_items, &mappings, &bad, &error) != 0) {
        return fail_mapping(call, &list, bad, &error);
    }
    const DeskList to_save = desk_list(&list, &call->arena);
    pthread_mutex_lock(&saved->saving);
    int r = desk_replace(saved->desk, SAVED_MAPPINGS, &to_save, &version);
    if (r == 0) {
        map_set_mappings(saved->map, mappings);
    }
    pthread_mutex_unlock(&saved->saving);
    mappings_unref(mappings);
    return r != 0 ? saved_failed(call, r) : mappings_write(call);
}

/* --- Preview --- */

/* What decides a name, and how often it is called. */
typedef struct Decided {
    const Mapping *by; /* NULL: nothing */
    uint64_t calls;
} Decided;

/* Of each node, which are externals by name in the map in which nothing is resolved. */
static Decided *decide(const MapAnswer *names, Mappings *mappings, Arena *arena)
{
    Decided *decided = ARENA_ARRAY(arena, Decided, names->n_nodes + 1);

    for (size_t i = 0; i < names->n_nodes; i++) {
        const NodeKey *key = &names->nodes[i].key;

        decided[i].by = key->type == NODE_EXTERNAL ? mappings_find(mappings, key->name) : NULL;
    }
    for (size_t i = 0; i < names->n_edges; i++) {
        decided[names->edges[i].target].calls += names->edges[i].count;
    }
    return decided;
}

/* The names that @mapping decides. */
static void matches_write(JsonWriter *json, const MapAnswer *names, const Decided *decided,
                          const Mapping *mapping)
{
    size_t n_names = 0;
    uint64_t calls = 0;

    json_key_open(json, "names", '[');
    for (size_t i = 0; i < names->n_nodes; i++) {
        if (decided[i].by == mapping) {
            if (n_names++ < NAMES_SHOWN_MAX) {
                json_string(json, names->nodes[i].key.name);
            }
            calls += decided[i].calls;
        }
    }
    json_close(json, ']');
    json_key_u64(json, "names_total", n_names);
    json_key_u64(json, "calls", calls);
}

static void preview_write(ApiCall *call, Mappings *mappings, const MapAnswer *names,
                          const MapDiff *diff)
{
    const Decided *decided = decide(names, mappings, &call->arena);
    JsonWriter *json = &call->json;

    json_open(json, '{');
    map_diff_parts_write(json, diff);
    json_key_open(json, "mappings", '[');
    for (size_t i = 0; i < mappings_count(mappings); i++) {
        json_open(json, '{');
        mapping_fields_write(json, mappings_at(mappings, i));
        matches_write(json, names, decided, mappings_at(mappings, i));
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

static int preview(ApiCall *call, MapQuestion *question, Mappings *mappings)
{
    MapAnswer before = {0}, after = {0}, names = {0};
    MapDiff diff = {0};

    TRY(map_ask(call->api->map, question, &call->arena, &before));
    question->mappings = mappings;
    TRY(map_ask(call->api->map, question, &call->arena, &after));
    question->unresolved_names = true;
    TRY(map_ask(call->api->map, question, &call->arena, &names));
    map_diff_answers(&before, &after, &call->arena, &diff);
    preview_write(call, mappings, &names, &diff);
    return 0;
}

int api_mappings_preview(ApiCall *call)
{
    MapQuestion question = {0};
    MappingList list;
    Mappings *mappings = NULL;
    ParseError error = {0};
    size_t bad = 0;

    TRY(api_map_window(call, &question.from_minute, &question.to_minute));
    TRY(list_read(call, &list));
    TRY(map_question_wait(call));
    if (saved_make_mappings(call->api->saved, list.items, list.n_items, &mappings, &bad, &error) !=
        0) {
        return fail_mapping(call, &list, bad, &error);
    }
    int r = preview(call, &question, mappings);
    mappings_unref(mappings);
    return r;
}
