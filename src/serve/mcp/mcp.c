// SPDX-License-Identifier: Apache-2.0
#include "serve/mcp/mcp.h"

#include "serve/mcp/tools.h"

/*
 * A request is read twice: once for its envelope (id, method, raw params), and then for what its
 * method wants of the params. Which of the two eras it belongs to is told by the version in
 * params._meta alone: the older one never has it.
 */
enum {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_NO_METHOD = -32601,
    RPC_INVALID_PARAMS = -32602,
    MCP_HEADER_MISMATCH = -32020,
    MCP_BAD_VERSION = -32022,
};

static const Str handshake_versions[] = {STR("2025-11-25"), STR("2025-06-18"), STR("2025-03-26")};
static const Str modern_version = STR("2026-07-28");

static const Str instructions =
    STR("Weft knows the running system from its OpenTelemetry spans: services, databases and their "
        "tables, queues, external systems, business flows, now and at any past moment. Start with "
        "get_map for what there is, compare_maps for what changed, list_flows for what the system "
        "does for people. Times are RFC 3339, Unix seconds, now, or relative like -15m, -3d.");

typedef struct RpcRequest {
    Str id; /* raw JSON; empty: a notification */
    Str method;
    Str params;        /* raw JSON object; empty: none */
    Str version;       /* params._meta's; empty: a request of the older era */
    Str name;          /* params.name */
    Str arguments;     /* params.arguments, raw */
    Str wanted;        /* params.protocolVersion */
    bool capabilities; /* params._meta has clientCapabilities */
} RpcRequest;

static bool is_modern(const RpcRequest *request)
{
    return request->version.len > 0;
}

/* ---- reading ---- */

static int read_meta(JsonReader *reader, RpcRequest *request)
{
    int more = 0;
    Str key;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        if (str_equal(key, STR("io.modelcontextprotocol/protocolVersion"))) {
            TRY(json_read_string(reader, &request->version));
            continue;
        }
        request->capabilities |= str_equal(key, STR("io.modelcontextprotocol/clientCapabilities"));
        TRY(json_skip(reader, NULL));
    }
    return more;
}

static int read_params(Str params, Arena *arena, RpcRequest *request, ParseError *ret_error)
{
    JsonReader reader;
    int more = 0;
    Str key;

    json_reader_init(&reader, params, arena);
    int result = json_enter_object(&reader);
    while (result == 0 && (more = json_next_key(&reader, &key)) > 0) {
        if (str_equal(key, STR("_meta"))) {
            result = read_meta(&reader, request);
        } else if (str_equal(key, STR("name"))) {
            result = json_read_string(&reader, &request->name);
        } else if (str_equal(key, STR("protocolVersion"))) {
            result = json_read_string(&reader, &request->wanted);
        } else {
            result = json_skip(&reader,
                               str_equal(key, STR("arguments")) ? &request->arguments : &(Str){0});
        }
    }
    *ret_error = reader.error;
    return result != 0 ? result : more;
}

/* The envelope. Returns 0; JSON_BAD with the error: no JSON, or no single request. */
static int read_envelope(Str body, Arena *arena, RpcRequest *request, ParseError *ret_error)
{
    JsonReader reader;
    int more = 0;
    Str key;

    json_reader_init(&reader, body, arena);
    int result = json_enter_object(&reader);
    while (result == 0 && (more = json_next_key(&reader, &key)) > 0) {
        if (str_equal(key, STR("id"))) {
            result = json_skip(&reader, &request->id);
        } else if (str_equal(key, STR("method"))) {
            result = json_read_string(&reader, &request->method);
        } else {
            result =
                json_skip(&reader, str_equal(key, STR("params")) ? &request->params : &(Str){0});
        }
    }
    result = result != 0 ? result : more != 0 ? more : json_end(&reader);
    *ret_error = reader.error;
    return result;
}

static bool id_is_valid(Str id)
{
    char first = id.len == 0 ? '\0' : id.ptr[0];

    return first == '"' || first == '-' || ascii_is_digit(first);
}

/* ---- answering ---- */

static void answer_open(ApiCall *call, Str id)
{
    json_open(&call->json, '{');
    json_key_string(&call->json, "jsonrpc", STR("2.0"));
    json_key(&call->json, STR("id"));
    json_raw(&call->json, id_is_valid(id) ? id : STR("null"));
}

static int http_status(const RpcRequest *request, int code)
{
    if (code == RPC_NO_METHOD) {
        return is_modern(request) ? 404 : 200;
    }
    return code == RPC_INVALID_PARAMS && !is_modern(request) ? 200 : 400;
}

static int fail(ApiCall *call, const RpcRequest *request, int code, Str message)
{
    JsonWriter *json = &call->json;

    call->response.status = http_status(request, code);
    answer_open(call, request->id);
    json_key_open(json, "error", '{');
    json_key(json, STR("code"));
    json_i64(json, code);
    json_key_string(json, "message", message);
    if (code == MCP_BAD_VERSION) {
        json_key_open(json, "data", '{');
        json_key_open(json, "supported", '[');
        json_string(json, modern_version);
        json_close(json, ']');
        json_key_string(json, "requested", request->version);
        json_close(json, '}');
    }
    json_close(json, '}');
    json_close(json, '}');
    return 0;
}

static void server_info_write(const ApiCall *call, JsonWriter *json)
{
    json_open(json, '{');
    json_key_string(json, "name", STR("weft"));
    json_key_string(json, "title", STR("Weft"));
    json_key_string(json, "version", str_from_cstr(call->api->version));
    json_close(json, '}');
}

/* Opens the result; what the newer era asks of every result is in it already. */
static void result_open(ApiCall *call, const RpcRequest *request, bool cacheable)
{
    JsonWriter *json = &call->json;

    answer_open(call, request->id);
    json_key_open(json, "result", '{');
    if (!is_modern(request)) {
        return;
    }
    json_key_string(json, "resultType", STR("complete"));
    json_key_open(json, "_meta", '{');
    json_key(json, STR("io.modelcontextprotocol/serverInfo"));
    server_info_write(call, json);
    json_close(json, '}');
    if (cacheable) {
        json_key_u64(json, "ttlMs", 0);
        json_key_string(json, "cacheScope", STR("private"));
    }
}

static int result_close(ApiCall *call)
{
    json_close(&call->json, '}');
    json_close(&call->json, '}');
    return 0;
}

static void abilities_write(JsonWriter *json)
{
    json_key_open(json, "capabilities", '{');
    json_key_open(json, "tools", '{');
    json_close(json, '}');
    json_close(json, '}');
    json_key_string(json, "instructions", instructions);
}

/* ---- methods ---- */

static int answer_initialize(ApiCall *call, const RpcRequest *request)
{
    Str version = handshake_versions[0];

    for (size_t i = 0; i < ARRAY_LEN(handshake_versions); i++) {
        if (str_equal(request->wanted, handshake_versions[i])) {
            version = request->wanted;
        }
    }
    result_open(call, request, false);
    json_key_string(&call->json, "protocolVersion", version);
    json_key(&call->json, STR("serverInfo"));
    server_info_write(call, &call->json);
    abilities_write(&call->json);
    return result_close(call);
}

static int answer_discover(ApiCall *call, const RpcRequest *request)
{
    JsonWriter *json = &call->json;

    result_open(call, request, true);
    json_key_open(json, "supportedVersions", '[');
    json_string(json, modern_version);
    for (size_t i = 0; i < ARRAY_LEN(handshake_versions); i++) {
        json_string(json, handshake_versions[i]);
    }
    json_close(json, ']');
    abilities_write(json);
    return result_close(call);
}

static int answer_ping(ApiCall *call, const RpcRequest *request)
{
    result_open(call, request, false);
    return result_close(call);
}

static int answer_tools(ApiCall *call, const RpcRequest *request)
{
    result_open(call, request, true);
    tools_write(&call->json);
    return result_close(call);
}

static int answer_call(ApiCall *call, const RpcRequest *request)
{
    CLEANUP(buf_deinit) Buf text = {0};
    const Tool *tool = tool_find(request->name);
    JsonWriter *json = &call->json;

    if (tool == NULL) {
        return fail(
            call, request, RPC_INVALID_PARAMS,
            arena_format(&call->arena, "there is no tool called \"%.*s\"", STR_ARG(request->name)));
    }
    bool is_answer = tool_run(tool, call->api, request->arguments, &call->arena, &text);
    result_open(call, request, false);
    json_key_open(json, "content", '[');
    json_open(json, '{');
    json_key_string(json, "type", STR("text"));
    json_key_string(json, "text", buf_str(&text));
    json_close(json, '}');
    json_close(json, ']');
    json_key_bool(json, "isError", !is_answer);
    return result_close(call);
}

static const struct {
    Str name;
    int (*answer)(ApiCall *call, const RpcRequest *request);
} methods[] = {
    {STR("initialize"), answer_initialize},
    {STR("server/discover"), answer_discover},
    {STR("ping"), answer_ping},
    {STR("tools/list"), answer_tools},
    {STR("tools/call"), answer_call},
};

/* ---- what the transport asks for ---- */

static Str header(const ApiCall *call, const char *name)
{
    return call->exchange == NULL ? STR("") : exchange_header(call->exchange, str_from_cstr(name));
}

/* An Origin of a page on this machine, or none: a client that is no browser. */
static bool origin_is_local(Str origin)
{
    static const Str hosts[] = {STR("http://localhost"),  STR("http://127.0.0.1"),
                                STR("http://[::1]"),      STR("https://localhost"),
                                STR("https://127.0.0.1"), STR("https://[::1]")};

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        Str rest = str_slice(origin, MIN(hosts[i].len, origin.len), origin.len);

        if (str_starts_with(origin, hosts[i]) && (rest.len == 0 || rest.ptr[0] == ':')) {
            return true;
        }
    }
    return origin.len == 0;
}

static bool version_is_known(Str version)
{
    bool known = version.len == 0 || str_equal(version, modern_version);

    for (size_t i = 0; i < ARRAY_LEN(handshake_versions); i++) {
        known |= str_equal(version, handshake_versions[i]);
    }
    return known;
}

/* The headers that must say what the body says. Returns what is wrong; empty: nothing. */
static Str check_headers(const ApiCall *call, const RpcRequest *request)
{
    if (!is_modern(request)) {
        return version_is_known(header(call, "MCP-Protocol-Version"))
                   ? STR("")
                   : STR("MCP-Protocol-Version names no revision that is served here");
    }
    if (!str_equal(header(call, "MCP-Protocol-Version"), request->version)) {
        return STR("the header MCP-Protocol-Version does not match the request's version");
    }
    if (!str_equal(header(call, "Mcp-Method"), request->method)) {
        return STR("the header Mcp-Method does not match the request's method");
    }
    if (str_equal(request->method, STR("tools/call")) &&
        !str_equal(header(call, "Mcp-Name"), request->name)) {
        return STR("the header Mcp-Name does not match the name of the tool");
    }
    return STR("");
}

static int answer_request(ApiCall *call, const RpcRequest *request)
{
    Str mismatch = call->exchange == NULL ? STR("") : check_headers(call, request);

    if (is_modern(request) && !request->capabilities) {
        return fail(call, request, RPC_INVALID_PARAMS,
                    STR("params._meta lacks io.modelcontextprotocol/clientCapabilities"));
    }
    if (mismatch.len > 0) {
        return fail(call, request, is_modern(request) ? MCP_HEADER_MISMATCH : RPC_INVALID_REQUEST,
                    mismatch);
    }
    if (is_modern(request) && !str_equal(request->version, modern_version)) {
        return fail(call, request, MCP_BAD_VERSION, STR("unsupported protocol version"));
    }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (str_equal(request->method, methods[i].name)) {
            return methods[i].answer(call, request);
        }
    }
    return fail(call, request, RPC_NO_METHOD,
                arena_format(&call->arena, "there is no method \"%.*s\"; tools are all there is",
                             STR_ARG(request->method)));
}

int mcp_post(ApiCall *call)
{
    RpcRequest request = {0};
    ParseError error = {0};
    Str body = call->request->body;

    if (!origin_is_local(header(call, "Origin"))) {
        (void)fail(call, &request, RPC_INVALID_REQUEST,
                   STR("requests of web pages elsewhere are refused"));
        call->response.status = 403;
        return 0;
    }
    if (call->request->encoding.len > 0 || body.len > MCP_BODY_MAX) {
        return fail(call, &request, RPC_INVALID_REQUEST,
                    STR("a request is at most 256 KiB of JSON, not compressed"));
    }
    if (read_envelope(body, &call->arena, &request, &error) != 0) {
        return fail(call, &(RpcRequest){0}, RPC_PARSE_ERROR,
                    arena_format(&call->arena, "at byte %zu: %s", error.offset, error.text));
    }
    if (request.id.len == 0 && request.method.len > 0) { /* a notification: nothing to do */
        call->response.status = 202;
        call->response.content_type = STR("");
        return 0;
    }
    if (!id_is_valid(request.id) || request.method.len == 0) {
        return fail(call, &request, RPC_INVALID_REQUEST,
                    STR("a request has a method and an id, text or number"));
    }
    if (request.params.len > 0 &&
        read_params(request.params, &call->arena, &request, &error) != 0) {
        return fail(
            call, &request, RPC_INVALID_PARAMS,
            arena_format(&call->arena, "params, at byte %zu: %s", error.offset, error.text));
    }
    return answer_request(call, &request);
}

int mcp_refuse(ApiCall *call)
{
    call->response.allow = STR("POST");
    return api_fail(call, API_BAD_METHOD, "send JSON-RPC requests by POST",
                    "there is no stream to read and no session to end here");
}
