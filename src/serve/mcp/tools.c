// SPDX-License-Identifier: Apache-2.0
#include "serve/mcp/tools.h"

#include "base/assert.h"
#include "serve/api/json_view.h"
#include "serve/api/api.h"
#include "serve/http/router.h"
#include "serve/mcp/digest.h"

/*
 * A tool is a row: the path of the API's call that it stands for, what it lets the assistant say,
 * and how the answer is told. Arguments become query parameters of the same name, but for those
 * that the path names.
 */
typedef enum ArgumentType {
    ARGUMENT_TEXT,
    ARGUMENT_NUMBER,
    ARGUMENT_NODE, /* a name, which is looked up, or an id */
} ArgumentType;

typedef struct Argument {
    const char *name;
    const char *help;
    ArgumentType type;
    bool required;
} Argument;

struct Tool {
    const char *name, *title, *description;
    const char *path;  /* "/api/v1/traces/{id}" */
    const char *fixed; /* parameters that are always so: "limit=20"; NULL: none */
    Argument arguments[TOOL_ARGUMENTS_MAX];
    const char *facts;
    DigestTable tables[10];
};

#define FROM                                                                                       \
    {                                                                                              \
        "from", "beginning of the window, e.g. -1h or 2026-11-21T08:00:00Z", ARGUMENT_TEXT         \
    }
#define TO                                                                                         \
    {                                                                                              \
        "to", "end of the window; default now", ARGUMENT_TEXT                                      \
    }
#define ENVIRONMENT                                                                                \
    {                                                                                              \
        "environment", "only this deployment environment, e.g. production", ARGUMENT_TEXT          \
    }
#define LIMIT                                                                                      \
    {                                                                                              \
        "limit", "how many, newest first; default 20, at most 100", ARGUMENT_NUMBER                \
    }

#define EDGE_COLUMNS "source relation target count errors duration.p50_ns duration.p99_ns"

static const Tool tools[] = {
    {.name = "get_map",
     .title = "System map",
     .description =
         "Which service calls which, reads or writes which table, publishes to or consumes from "
         "which queue, with calls, errors and latency, in a window of time (default: the last "
         "hour). With focus: one node and its neighbours. at and window ask for a past moment.",
     .path = "/api/v1/map",
     .arguments = {FROM,
                   TO,
                   {"at", "a moment, instead of from and to", ARGUMENT_TEXT},
                   {"window", "how much before at, e.g. 15m", ARGUMENT_TEXT},
                   ENVIRONMENT,
                   {"focus", "a node's name or id", ARGUMENT_NODE},
                   {"hops", "how far around focus, 1 to 4; default 1", ARGUMENT_NUMBER},
                   {"flow", "only what was done for this business flow", ARGUMENT_TEXT}},
     .facts = "from to widened complete_to",
     .tables = {{"nodes", "Nodes", "type name collection system environment requests errors id",
                 "requests", 80},
                {"edges", "Edges", EDGE_COLUMNS, "count", 150},
                {"hops", "Through queues", "producer queue consumer count age.p50_ns", "count",
                 40}}},
    {.name = "compare_maps",
     .title = "What changed",
     .description =
         "Two windows of the map compared: which nodes and edges are new, which are gone, and "
         "which edges changed in rate, errors or latency by more than chance. Without b: the last "
         "hour; without a: as long as b, just before it.",
     .path = "/api/v1/map/diff",
     .arguments = {{"a_from", "window a, the earlier one", ARGUMENT_TEXT},
                   {"a_to", "end of window a", ARGUMENT_TEXT},
                   {"b_from", "window b, the later one", ARGUMENT_TEXT},
                   {"b_to", "end of window b", ARGUMENT_TEXT},
                   ENVIRONMENT,
                   {"focus", "a node's name or id: only around it", ARGUMENT_NODE},
                   {"hops", "how far around focus", ARGUMENT_NUMBER}},
     .facts = "a.from a.to b.from b.to widened complete_to",
     .tables = {{"added.nodes", "New nodes", "type name collection system", NULL, 40},
                {"added.edges", "New edges", EDGE_COLUMNS, "count", 60},
                {"removed.nodes", "Gone nodes", "type name collection system", NULL, 40},
                {"removed.edges", "Gone edges", EDGE_COLUMNS, "count", 60},
                {"changed", "Changed edges, most important first",
                 "source_name relation target_name what a b significance", NULL, 60}}},
    {.name = "search_traces",
     .title = "Search traces",
     .description =
         "Traces that have a span which matches, newest first. The query is TraceQL, for example "
         "{ resource.service.name = \"checkout\" && status = error && duration > 1s }; empty: the "
         "newest traces.",
     .path = "/api/v1/traces",
     .arguments = {{"q", "TraceQL", ARGUMENT_TEXT}, FROM, TO, LIMIT},
     .facts = "truncated",
     .tables = {{"items", "Traces",
                 "trace_id root_service root_name start duration_ns spans errors", NULL, 100}}},
    {.name = "get_trace",
     .title = "One trace",
     .description =
         "The spans of a trace, depth first, with how long each took, how much of that was its own "
         "(self_time_ns) and how much lay on the critical path (critical_ns). Of a long trace: "
         "those with the most on the critical path.",
     .path = "/api/v1/traces/{id}",
     .arguments = {{"id", "the trace id, in hex", ARGUMENT_TEXT, true}},
     .facts = "trace_id start duration_ns root_service root_name",
     .tables = {{"spans", "Spans",
                 "depth service name kind duration_ns self_time_ns critical_ns status.code "
                 "status.message",
                 "critical_ns", 80}}},
    {.name = "list_services",
     .title = "Services",
     .description = "The services, with requests, errors and latency in a window.",
     .path = "/api/v1/services",
     .arguments = {FROM, TO},
     .facts = "",
     .tables = {{"items", "Services",
                 "name environment namespace requests errors duration.p50_ns duration.p99_ns",
                 "requests", 200}}},
    {.name = "list_flows",
     .title = "Business flows",
     .description = "What the system does for people: business flows with their runs, failures and "
                    "durations in a window.",
     .path = "/api/v1/flows",
     .arguments = {FROM, TO},
     .facts = "",
     .tables = {{"items", "Flows",
                 "name environment runs failures duration.p50_ns duration.p99_ns steps variants",
                 "runs", 100}}},
    {.name = "get_flow",
     .title = "One business flow",
     .description =
         "A flow's steps with counts, errors and durations, which step follows which and after "
         "what wait, the commonest variants, and which tables, queues and services each step "
         "touches.",
     .path = "/api/v1/flows/{name}",
     .arguments = {{"name", "the flow's name", ARGUMENT_TEXT, true}, FROM, TO, ENVIRONMENT},
     .facts = "name from to runs failures duration.p50_ns duration.p99_ns",
     .tables = {{"steps", "Steps",
                 "name count errors runs share rework starts ends failed_ends duration.p50_ns "
                 "duration.p99_ns",
                 "count", 60},
                {"follows", "Transitions", "from to count share parallel wait.p50_ns wait.p99_ns",
                 "count", 80},
                {"variants", "Variants", "sequence runs share failures duration.p50_ns", "runs",
                 20},
                {"touches", "Touches", "step relation type name count", "count", 80}}},
    {.name = "compare_flow",
     .title = "What changed in a flow",
     .description = "Two windows of a flow compared: steps, transitions and variants that came, "
                    "went or changed. Without b: the last hour; without a: as long, just before.",
     .path = "/api/v1/flows/{name}/diff",
     .arguments = {{"name", "the flow's name", ARGUMENT_TEXT, true},
                   {"a_from", "window a, the earlier one", ARGUMENT_TEXT},
                   {"a_to", "end of window a", ARGUMENT_TEXT},
                   {"b_from", "window b, the later one", ARGUMENT_TEXT},
                   {"b_to", "end of window b", ARGUMENT_TEXT}},
     .facts = "name a.from a.to a.runs a.failures b.from b.to b.runs b.failures",
     .tables = {{"steps.added", "New steps", "name runs", NULL, 30},
                {"steps.removed", "Gone steps", "name runs", NULL, 30},
                {"steps.changed", "Changed steps", "name runs what a b", NULL, 30},
                {"follows.added", "New transitions", "from to runs", NULL, 30},
                {"follows.removed", "Gone transitions", "from to runs", NULL, 30},
                {"follows.changed", "Changed transitions", "from to runs what a b", NULL, 30},
                {"variants.added", "New variants", "sequence runs", NULL, 15},
                {"variants.removed", "Gone variants", "sequence runs", NULL, 15},
                {"variants.changed", "Changed variants", "sequence runs what a b", NULL, 15}}},
    {.name = "list_runs",
     .title = "Runs of a flow",
     .description = "Runs of a flow that began in a window, newest first.",
     .path = "/api/v1/flows/{name}/runs",
     .arguments = {{"name", "the flow's name", ARGUMENT_TEXT, true},
                   FROM,
                   TO,
                   {"status", "ok or failed", ARGUMENT_TEXT},
                   LIMIT},
     .facts = "",
     .tables = {{"items", "Runs", "run_id status start duration_ns sequence traces", NULL, 100}}},
    {.name = "get_run",
     .title = "One run of a flow",
     .description = "The steps of one run over all its traces, what was waited for between them, "
                    "and which lay on its critical path.",
     .path = "/api/v1/flows/{name}/runs/{run_id}",
     .arguments = {{"name", "the flow's name", ARGUMENT_TEXT, true},
                   {"run_id", "the run's id", ARGUMENT_TEXT, true}},
     .facts = "flow run_id status start duration_ns traces",
     .tables = {{"steps", "Steps",
                 "step service.name start duration_ns status wait_ns overlaps critical slack_ns "
                 "trace_id",
                 NULL, 100}}},
    {.name = "get_entity",
     .title = "A business object",
     .description = "The traces and runs that touched a business object, such as order 42.",
     .path = "/api/v1/entities/{type}/{id}",
     .arguments = {{"type", "its type, e.g. order", ARGUMENT_TEXT, true},
                   {"id", "its id", ARGUMENT_TEXT, true}},
     .facts = "type id truncated",
     .tables = {{"runs", "Runs", "flow run_id environment start", NULL, 60},
                {"traces", "Traces", "trace_id start", NULL, 60}}},
    {.name = "check_instrumentation",
     .title = "Contract health",
     .description = "What the instrumentation does wrong, how often, an example trace, and what to "
                    "change.",
     .path = "/api/v1/contract",
     .arguments = {FROM, TO},
     .facts = "",
     .tables = {{"items", "Findings", "code subject count example_trace what_to_change", NULL,
                 100}}},
};

/* ---- the list ---- */

static void schema_write(JsonWriter *json, const Tool *tool)
{
    static const Str types[] = {[ARGUMENT_TEXT] = STR("string"),
                                [ARGUMENT_NUMBER] = STR("integer"),
                                [ARGUMENT_NODE] = STR("string")};

    json_key_open(json, "inputSchema", '{');
    json_key_string(json, "type", STR("object"));
    json_key_open(json, "properties", '{');
    for (const Argument *argument = tool->arguments; argument->name != NULL; argument++) {
        json_key_open(json, argument->name, '{');
        json_key_string(json, "type", types[argument->type]);
        json_key_string(json, "description", str_from_cstr(argument->help));
        json_close(json, '}');
    }
    json_close(json, '}');
    json_key_open(json, "required", '[');
    for (const Argument *argument = tool->arguments; argument->name != NULL; argument++) {
        if (argument->required) {
            json_string(json, str_from_cstr(argument->name));
        }
    }
    json_close(json, ']');
    json_key_bool(json, "additionalProperties", false);
    json_close(json, '}');
}

void tools_write(JsonWriter *json)
{
    json_key_open(json, "tools", '[');
    for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
        json_open(json, '{');
        json_key_string(json, "name", str_from_cstr(tools[i].name));
        json_key_string(json, "title", str_from_cstr(tools[i].title));
        json_key_string(json, "description", str_from_cstr(tools[i].description));
        schema_write(json, &tools[i]);
        json_key_open(json, "annotations", '{');
        json_key_bool(json, "readOnlyHint", true);
        json_key_bool(json, "openWorldHint", false);
        json_close(json, '}');
        json_close(json, '}');
    }
    json_close(json, ']');
}

const Tool *tool_find(Str name)
{
    for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
        if (str_equal(name, str_from_cstr(tools[i].name))) {
            return &tools[i];
        }
    }
    return NULL;
}

/* ---- asking the API ---- */

/* Answers GET @path with @query as the API would; the body is in @ret_response, the caller's. */
static int ask(ApiContext *api, Str path, Str query, Response *ret_response)
{
    const Request request = {
        .method = HTTP_GET, .method_text = STR("GET"), .path = path, .query = query};

    return api_ask(api, &request, ret_response);
}

/* The id of the node that people call @name: a service before others; @name itself when there is
 * none, or it is an id. */
static Str node_id_for(ApiContext *api, Str name, Arena *arena)
{
    Response response = {0};
    Str found = name;

    if (ask(api, STR("/api/v1/map"), STR("from=0"), &response) == 0) {
        JsonView answer = {.raw = arena_copy(arena, buf_str(&response.body)), .arena = arena};
        JsonView nodes = view_get(answer, "nodes"), node;
        size_t cursor = 0;
        bool service = false;

        while (!service && view_next(nodes, &cursor, &node)) {
            Str collection = view_text(view_get(node, "collection"));
            Str label = collection.len > 0 ? collection : view_text(view_get(node, "name"));

            if (str_equal_nocase(label, name)) {
                found = view_text(view_get(node, "id"));
                service = str_equal(view_text(view_get(node, "type")), STR("service"));
            }
        }
    }
    buf_deinit(&response.body);
    return found;
}

static const Argument *argument_find(const Tool *tool, Str name)
{
    for (const Argument *argument = tool->arguments; argument->name != NULL; argument++) {
        if (str_equal(name, str_from_cstr(argument->name))) {
            return argument;
        }
    }
    return NULL;
}

/* Puts @value into the path where it names @argument. Returns whether it does. */
static bool put_into_path(Buf *path, const Argument *argument, Str value, Arena *arena)
{
    Str place = arena_format(arena, "{%s}", argument->name);
    Str before = arena_copy(arena, buf_str(path));
    size_t at = str_find(before, place);

    if (at == before.len) {
        return false;
    }
    buf_clear(path);
    buf_append_str(path, str_slice(before, 0, at));
    percent_encode(value, path);
    buf_append_str(path, str_slice(before, at + place.len, before.len));
    return true;
}

typedef struct Asking {
    const Tool *tool;
    ApiContext *api;
    Arena *arena;
    Buf path, query;
    Buf *text; /* what went wrong */
} Asking;

static int take_argument(Asking *asking, Str name, JsonView value)
{
    const Argument *argument = argument_find(asking->tool, name);
    Str text = view_text(value);

    if (argument == NULL) {
        buf_append_format(asking->text, "%s has no argument %.*s", asking->tool->name,
                          STR_ARG(name));
        return 1;
    }
    if (text.len == 0) {
        return 0;
    }
    if (argument->type == ARGUMENT_NODE) {
        text = node_id_for(asking->api, text, asking->arena);
    }
    if (!put_into_path(&asking->path, argument, text, asking->arena)) {
        buf_append_format(&asking->query, "%s%s=", asking->query.len > 0 ? "&" : "",
                          argument->name);
        percent_encode(text, &asking->query);
    }
    return 0;
}

static int take_arguments(Asking *asking, Str arguments)
{
    JsonReader reader;
    int more = 0;
    Str name, raw;

    json_reader_init(&reader, arguments, asking->arena);
    int result = json_enter_object(&reader);
    while (result == 0 && (more = json_next_key(&reader, &name)) > 0) {
        result = json_skip(&reader, &raw);
        if (result == 0) {
            TRY(take_argument(asking, name, (JsonView){.raw = raw, .arena = asking->arena}));
        }
    }
    if (result != 0 || more != 0) {
        buf_append_str(asking->text, STR("the arguments are a JSON object"));
        return 1;
    }
    return 0;
}

/* What the path names must have been said. */
static int check_required(const Asking *asking)
{
    for (const Argument *argument = asking->tool->arguments; argument->name != NULL; argument++) {
        Str place = arena_format(asking->arena, "{%s}", argument->name);

        if (argument->required && str_find(buf_str(&asking->path), place) < asking->path.len) {
            buf_append_format(asking->text, "%s needs the argument %s", asking->tool->name,
                              argument->name);
            return 1;
        }
    }
    return 0;
}

static void cut(Buf *text)
{
    if (text->len <= TOOL_ANSWER_MAX) {
        return;
    }
    text->len = TOOL_ANSWER_MAX;
    while (text->len > 0 && text->ptr[text->len - 1] != '\n') {
        text->len--;
    }
    buf_append_str(text,
                   STR("… cut here: ask for less, with a shorter window, a focus or a limit\n"));
}

/* The API's error as a sentence. */
static void tell_error(const Response *response, Arena *arena, Buf *text)
{
    JsonView answer = {.raw = buf_str(&response->body), .arena = arena};
    JsonView error = view_get(answer, "error");
    Str message = view_text(view_get(error, "message")), hint = view_text(view_get(error, "hint"));

    buf_append_format(text, "%.*s%s%.*s", STR_ARG(message), hint.len > 0 ? ". Hint: " : "",
                      STR_ARG(hint));
}

static bool answer(Asking *asking)
{
    Response response = {0};
    bool is_answer = false;

    if (ask(asking->api, buf_str(&asking->path), buf_str(&asking->query), &response) != 0) {
        buf_append_str(asking->text, STR("this question cannot be asked now"));
    } else if (response.status != 200) {
        tell_error(&response, asking->arena, asking->text);
    } else {
        digest_write(buf_str(&response.body), asking->tool->facts, asking->tool->tables,
                     asking->text);
        if (asking->text->len == 0) {
            buf_append_str(asking->text, STR("nothing in this window\n"));
        }
        cut(asking->text);
        is_answer = true;
    }
    buf_deinit(&response.body);
    return is_answer;
}

bool tool_run(const Tool *tool, ApiContext *api, Str arguments, Arena *arena, Buf *ret_text)
{
    Asking asking = {.tool = tool, .api = api, .arena = arena, .text = ret_text};

    buf_append_str(&asking.path, str_from_cstr(tool->path));
    if (tool->fixed != NULL) {
        buf_append_str(&asking.query, str_from_cstr(tool->fixed));
    }
    bool is_answer = take_arguments(&asking, arguments.len > 0 ? arguments : STR("{}")) == 0 &&
                     check_required(&asking) == 0 && answer(&asking);
    buf_deinit(&asking.path);
    buf_deinit(&asking.query);
    return is_answer;
}
