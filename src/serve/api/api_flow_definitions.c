// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "query/times.h"
#include "serve/api/api_flows.h"
#include "serve/api/map_json.h"
#include "serve/api/map_question.h"
#include "serve/api/saved_private.h"

/* Flows that people define: kept by the desk one by one, in the order they were given. */

/* --- JSON --- */

static int step_read(JsonReader *reader, FlowStepDefinition *step)
{
    int more;
    Str key;

    *step = (FlowStepDefinition){0};
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("name"))) {
            TRY(json_read_string(reader, &step->name));
        } else if (str_equal(key, STR("filter"))) {
            TRY(json_read_string(reader, &step->filter));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    return more < 0;
}

/* One beyond FLOW_STEPS_MAX is read, for the check to refuse; more are an error. */
static int steps_read(JsonReader *reader, Arena *arena, FlowDefinition *definition)
{
    int more;

    definition->n_steps = 0;
    definition->steps = ARENA_ARRAY(arena, FlowStepDefinition, FLOW_STEPS_MAX + 1);
    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        if (definition->n_steps > FLOW_STEPS_MAX) {
            return json_fail(reader, "a flow has 64 steps at most");
        }
        TRY(step_read(reader, &definition->steps[definition->n_steps]));
        definition->n_steps++;
    }
    return more < 0;
}

static int within_read(JsonReader *reader, uint64_t *ret_ns)
{
    ParseError error;
    Str text;

    TRY(json_read_string(reader, &text));
    return duration_parse(text, false, ret_ns, &error) == 0
               ? 0
               : json_fail(reader, "within is a duration as 30m or 1d");
}

/* *@ret_skip: it is one of the configuration's. */
static int definition_read(JsonReader *reader, Arena *arena, FlowDefinition *definition,
                           bool *ret_skip)
{
    int more;
    Str key, text;

    *ret_skip = false;
    *definition = (FlowDefinition){.within_ns = FLOW_WITHIN_DEFAULT_NS};
    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("name"))) {
            TRY(json_read_string(reader, &definition->name));
        } else if (str_equal(key, STR("key"))) {
            TRY(json_read_text(reader, &definition->key));
        } else if (str_equal(key, STR("within"))) {
            TRY(within_read(reader, &definition->within_ns));
        } else if (str_equal(key, STR("steps"))) {
            TRY(steps_read(reader, arena, definition));
        } else if (str_equal(key, STR("source"))) {
            TRY(json_read_string(reader, &text));
            *ret_skip = str_equal(text, STR("configuration"));
        } else {
            TRY(json_skip(reader, NULL));
        }
    }
    return more < 0;
}

/* A duration that within_read() reads as the same. */
static void within_write(JsonWriter *json, uint64_t ns)
{
    static const struct {
        uint64_t ns;
        const char *unit;
    } units[] = {{UINT64_C(86400000000000), "d"},
                 {UINT64_C(3600000000000), "h"},
                 {UINT64_C(60000000000), "m"},
                 {UINT64_C(1000000000), "s"},
                 {1000000, "ms"},
                 {1, "ns"}};
    CLEANUP(buf_deinit) Buf text = {0};
    size_t i = 0;

    while (ns % units[i].ns != 0) {
        i++;
    }
    buf_append_format(&text, "%llu%s", (unsigned long long)(ns / units[i].ns), units[i].unit);
    json_key_string(json, "within", buf_str(&text));
}

static void definition_write(JsonWriter *json, const FlowDefinition *definition)
{
    json_open(json, '{');
    json_key_string(json, "name", definition->name);
    json_key_string(json, "key", definition->key);
    within_write(json, definition->within_ns);
    json_key_open(json, "steps", '[');
    for (size_t i = 0; i < definition->n_steps; i++) {
        json_open(json, '{');
        json_key_string(json, "name", definition->steps[i].name);
        json_key_string(json, "filter", definition->steps[i].filter);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_key_string(json, "source",
                    definition->is_configured ? STR("configuration") : STR("saved"));
    json_close(json, '}');
}

/* --- Lists --- */

typedef struct DefinitionList {
    FlowDefinition *items;
    size_t n_items;
    uint64_t version;
} DefinitionList;

static int items_read(JsonReader *reader, Arena *arena, DefinitionList *list)
{
    int more;

    list->n_items = 0;
    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        bool skip = false;

        if (list->n_items == FLOW_DEFINITIONS_MAX) {
            return json_fail(reader, "there are 100 flows at most");
        }
        TRY(definition_read(reader, arena, &list->items[list->n_items], &skip));
        list->n_items += !skip;
    }
    return more < 0;
}

static const FlowDefinition *find_name(const FlowDefinition *items, size_t n, Str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_equal(items[i].name, name)) {
            return &items[i];
        }
    }
    return NULL;
}

/* Whether all can be used beside @others. Returns 0; 1 with a sentence in @why. */
static int list_check(const DefinitionList *list, const FlowDefinition *others, size_t n_others,
                      Buf *why)
{
    for (size_t i = 0; i < list->n_items; i++) {
        const FlowDefinition *definition = &list->items[i];
        ParseError error = {0};
        size_t step = 0;

        if (flow_definition_check(definition, &step, &error) != 0) {
            buf_append_format(why, "flow %zu, \"%.*s\": ", i + 1, STR_ARG(definition->name));
            if (step < definition->n_steps) {
                buf_append_format(why, "step %zu, at character %zu: ", step + 1, error.offset + 1);
            }
            buf_append_str(why, str_from_cstr(error.text));
            return 1;
        }
        if (find_name(list->items, i, definition->name) != NULL ||
            find_name(others, n_others, definition->name) != NULL) {
            buf_append_format(why, "flow %zu, \"%.*s\": there is another of this name", i + 1,
                              STR_ARG(definition->name));
            return 1;
        }
    }
    return 0;
}

int saved_use_flows(Saved *saved, Str definitions, Buf *why)
{
    DefinitionList list = {0};
    JsonReader reader;

    if (str_trim(definitions).len == 0) {
        return 0;
    }
    list.items = ARENA_ARRAY(&saved->arena, FlowDefinition, FLOW_DEFINITIONS_MAX);
    json_reader_init(&reader, arena_copy(&saved->arena, definitions), &saved->arena);
    buf_append_str(why, STR("exporters.weft.map.flows: "));
    if (items_read(&reader, &saved->arena, &list) != 0 || json_end(&reader) != 0) {
        buf_append_format(why, "at byte %zu: %s", reader.error.offset,
                          reader.error.text == NULL ? "no list of flows" : reader.error.text);
        return 1;
    }
    TRY(list_check(&list, NULL, 0, why));
    for (size_t i = 0; i < list.n_items; i++) {
        list.items[i].is_configured = true;
    }
    saved->configured_flows = list.items;
    saved->n_configured_flows = list.n_items;
    buf_clear(why);
    return 0;
}

/* What the desk has; one that cannot be used, or has a name of the configuration's, is left out. */
static void take_saved(const Saved *saved, const DeskList *list, Arena *arena,
                       DefinitionList *ret_list)
{
    for (size_t i = 0; i < list->n_items && ret_list->n_items < FLOW_DEFINITIONS_MAX; i++) {
        FlowDefinition *definition = &ret_list->items[ret_list->n_items];
        ParseError error;
        JsonReader reader;
        size_t step;
        bool skip;

        json_reader_init(&reader, list->items[i].value, arena);
        if (definition_read(&reader, arena, definition, &skip) != 0 ||
            flow_definition_check(definition, &step, &error) != 0) {
            log_warn("a saved flow is none, and is not used", LOG_STR("key", list->items[i].key));
        } else if (find_name(saved->configured_flows, saved->n_configured_flows,
                             definition->name) == NULL) {
            ret_list->n_items++;
        }
    }
}

int saved_read_flows(Saved *saved, Arena *arena, FlowDefinition **ret_items, size_t *ret_n,
                     uint64_t *ret_version)
{
    DefinitionList list = {0};
    DeskList kept = {0};

    *ret_n = 0;
    if (saved == NULL) {
        return 0;
    }
    TRY(desk_read(saved->desk, SAVED_FLOWS, arena, &kept));
    list.items = ARENA_ARRAY(arena, FlowDefinition, 2 * FLOW_DEFINITIONS_MAX);
    while (list.n_items < saved->n_configured_flows) {
        list.items[list.n_items] = saved->configured_flows[list.n_items];
        list.n_items++;
    }
    take_saved(saved, &kept, arena, &list);
    *ret_items = list.items;
    *ret_n = list.n_items;
    *ret_version = kept.version;
    return 0;
}

/* --- Endpoints --- */

static int definitions_write(ApiCall *call)
{
    FlowDefinition *items = NULL;
    uint64_t version = 0;
    size_t n = 0;

    TRY(saved_read_flows(call->api->saved, &call->arena, &items, &n, &version));
    json_open(&call->json, '{');
    json_key_u64(&call->json, "version", version);
    json_key_open(&call->json, "items", '[');
    for (size_t i = 0; i < n; i++) {
        definition_write(&call->json, &items[i]);
    }
    json_close(&call->json, ']');
    json_key(&call->json, STR("cursor"));
    json_null(&call->json);
    json_close(&call->json, '}');
    return 0;
}

int api_flow_definitions(ApiCall *call)
{
    if (call->api->saved == NULL) {
        return api_fail(call, API_BUSY, "try again", "nothing is saved yet");
    }
    return definitions_write(call);
}

/* The body {"items":[…],"version":n}, all checked. */
static int body_read(ApiCall *call, DefinitionList *list)
{
    CLEANUP(buf_deinit) Buf why = {0};
    const Saved *saved = call->api->saved;
    JsonReader reader;
    bool has_items = false;
    int more, r = 0;
    Str key;

    *list = (DefinitionList){
        .items = ARENA_ARRAY(&call->arena, FlowDefinition, FLOW_DEFINITIONS_MAX + 1),
        .version = DESK_ANY_VERSION};
    TRY(saved_body_open(call, &reader));
    while (r == 0 && (more = json_next_key(&reader, &key)) > 0) {
        if (str_equal(key, STR("items"))) {
            r = items_read(&reader, &call->arena, list);
            has_items = true;
        } else if (str_equal(key, STR("version"))) {
            r = json_read_u64(&reader, &list->version);
        } else {
            r = json_skip(&reader, NULL);
        }
    }
    if (r != 0 || more < 0 || !has_items) {
        return saved_body_bad(call, &reader);
    }
    if (list_check(list, saved->configured_flows, saved->n_configured_flows, &why) != 0) {
        return api_fail(call, API_BAD_BODY,
                        "a step is {\"name\":…,\"filter\":\"{ name = \\\"x\\\" }\"}", "%.*s",
                        STR_ARG(buf_str(&why)));
    }
    return 0;
}

int api_flow_definitions_put(ApiCall *call)
{
    Arena *arena = &call->arena;
    DefinitionList list;
    uint64_t version = 0;

    TRY(body_read(call, &list));
    DeskList to_save = {.items = ARENA_ARRAY(arena, DeskItem, list.n_items + 1),
                        .n_items = list.n_items,
                        .version = list.version};
    for (size_t i = 0; i < list.n_items; i++) {
        CLEANUP(buf_deinit) Buf value = {0};
        JsonWriter json = {.buf = &value};

        definition_write(&json, &list.items[i]);
        to_save.items[i] =
            (DeskItem){arena_format(arena, "%06zu", i), arena_copy(arena, buf_str(&value))};
    }
    int r = desk_replace(call->api->saved->desk, SAVED_FLOWS, &to_save, &version);
    return r != 0 ? saved_failed(call, r) : definitions_write(call);
}

/* What the flows of the body would be, each as /flows/{name} answers. */
int api_flow_definitions_preview(ApiCall *call)
{
    CLEANUP(flow_source_close) FlowSource source = {.is_defined = true};
    MapFlowQuestion question = {0};
    DefinitionList list;

    TRY(api_map_window(call, &question.from_minute, &question.to_minute));
    TRY(body_read(call, &list));
    TRY(map_question_wait(call));
    const DefinedQuestion defined = {.store = call->api->store,
                                     .clock = call->api->clock,
                                     .memory = call->api->flow_memory,
                                     .definitions = list.items,
                                     .n_definitions = list.n_items,
                                     .from_ns = question.from_minute * NS_PER_MINUTE,
                                     .to_ns = question.to_minute * NS_PER_MINUTE,
                                     .deadline_ns = call->deadline_ns};
    TRY(defined_flows_evaluate(&defined, &source.defined));
    source.map = source.defined.map;
    api_list_open(call);
    for (size_t i = 0; i < list.n_items; i++) {
        MapFlowAnswer flow;

        question.name = list.items[i].name;
        TRY(flow_source_ask(call, &source, &question, &flow));
        json_open(&call->json, '{');
        flow_answer_write(&call->json, &question, &flow);
        flow_source_write(&call->json, &source);
        json_close(&call->json, '}');
    }
    api_list_close(call, STR(""));
    return 0;
}
