// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api.h"

#include "base/assert.h"
#include "serve/api/api_flows.h"
#include "serve/api/api_map.h"
#include "serve/api/api_traces.h"
#include "serve/api/metrics.h"
#include "serve/api/saved.h"
#include "serve/http/router.h"
#include "serve/jaeger/jaeger_api.h"
#include "serve/mcp/mcp.h"

static int run_openapi(ApiCall *call)
{
    call->response.content_type = STR("application/yaml; charset=utf-8");
    buf_append(&call->response.body, openapi_text, openapi_text_len);
    return 0;
}

static int run_health(ApiCall *call)
{
    call->response.content_type = STR("text/plain; charset=utf-8");
    buf_append_str(&call->response.body, STR("ok\n"));
    return 0;
}

/* Ready: all listeners accept, and the disk takes what they get. */
static int run_ready(ApiCall *call)
{
    StoreStatus status = {0};

    call->response.content_type = STR("text/plain; charset=utf-8");
    store_status(call->api->store, &status);
    if (!atomic_load(&call->api->ready)) {
        call->response.status = 503;
        buf_append_str(&call->response.body, STR("starting\n"));
    } else if (status.write_error != 0) {
        call->response.status = 503;
        buf_append_str(&call->response.body, STR("the disk refuses writes; reading goes on\n"));
    } else {
        buf_append_str(&call->response.body, STR("ready\n"));
    }
    return 0;
}

static int run_not_found(ApiCall *call)
{
    return api_fail(call, API_NOT_FOUND, "all calls are in /api/v1/openapi.yaml",
                    "there is no call %.*s", STR_ARG(call->request->path));
}

#define MAP_WINDOW "from to at window wait"
#define MAP_FILTERS "scope environment namespace type focus hops flow resolve"

static const ApiEndpoint endpoints[] = {
    {HTTP_GET, "/api/v1/services", api_services, API_NATIVE, NULL, "from to limit cursor", false},
    {HTTP_GET, "/api/v1/services/{name}/operations", api_service_operations, API_NATIVE, "name",
     "from to limit cursor", false},
    {HTTP_GET, "/api/v1/operations", api_operations, API_NATIVE, NULL, "service from to limit",
     false},
    {HTTP_GET, "/api/v1/traces", api_traces, API_NATIVE, NULL, "q from to limit cursor", false},
    {HTTP_GET, "/api/v1/traces/{id}", api_trace, API_NATIVE, "id", "", false},
    {HTTP_GET, "/api/v1/traces/{id}/outline", api_trace_outline, API_NATIVE, "id", "", false},
    {HTTP_GET, "/api/v1/traces/{id}/spans", api_trace_spans, API_NATIVE, "id", "span_id", false},
    {HTTP_DELETE, "/api/v1/traces/{id}", api_trace_delete, API_NATIVE, "id", "", false},
    {HTTP_GET, "/api/v1/traces/{id}/diff/{other}", api_trace_diff, API_NATIVE, "id", "", false,
     false, "other"},
    {HTTP_GET, "/api/v1/map", api_map, API_NATIVE, NULL, MAP_WINDOW " " MAP_FILTERS, false},
    {HTTP_GET, "/api/v1/map/diff", api_map_diff, API_NATIVE, NULL,
     "a_from a_to b_from b_to a_at b_at window wait " MAP_FILTERS, false},
    {HTTP_GET, "/api/v1/map/history", api_map_history, API_NATIVE, NULL,
     MAP_WINDOW " step limit cursor " MAP_FILTERS, false},
    {HTTP_GET, "/api/v1/map/live", api_map_live, API_NATIVE, NULL, "window " MAP_FILTERS, true},
    {HTTP_GET, "/api/v1/mappings", api_mappings, API_NATIVE, NULL, "", false},
    {HTTP_PUT, "/api/v1/mappings", api_mappings_put, API_NATIVE, NULL, "", false},
    {HTTP_POST, "/api/v1/mappings/preview", api_mappings_preview, API_NATIVE, NULL, MAP_WINDOW,
     false},
    {HTTP_GET, "/api/v1/positions", api_positions, API_NATIVE, NULL, "limit cursor", false},
    {HTTP_PUT, "/api/v1/positions", api_positions_put, API_NATIVE, NULL, "", false},
    {HTTP_GET, "/api/v1/contract", api_contract, API_NATIVE, NULL, MAP_WINDOW " limit cursor",
     false},
    {HTTP_GET, "/api/v1/paths", api_paths, API_NATIVE, NULL,
     MAP_WINDOW " from_node to_node max_hops " MAP_FILTERS, false},
    {HTTP_GET, "/api/v1/flows", api_flows, API_NATIVE, NULL, MAP_WINDOW " limit cursor defined",
     false},
    {HTTP_GET, "/api/v1/flows/{name}", api_flow, API_NATIVE, "name",
     MAP_WINDOW " scope environment defined touches", false},
    {HTTP_GET, "/api/v1/flows/{name}/diff", api_flow_diff, API_NATIVE, "name",
     "a_from a_to b_from b_to a_at b_at window wait scope environment defined", false},
    {HTTP_GET, "/api/v1/flows/{name}/history", api_flow_history, API_NATIVE, "name",
     MAP_WINDOW " step scope environment defined", false},
    {HTTP_GET, "/api/v1/flows/{name}/conformance", api_flow_conformance, API_NATIVE, "name",
     MAP_WINDOW " scope environment defined sequence variant", false},
    {HTTP_GET, "/api/v1/flows/{name}/runs", api_flow_runs, API_NATIVE, "name",
     MAP_WINDOW " scope environment defined variant status limit cursor", false},
    {HTTP_GET, "/api/v1/runs/{run_id}", api_runs, API_NATIVE, "run_id", "wait defined", false},
    {HTTP_GET, "/api/v1/flows/{name}/runs/{run_id}", api_flow_run, API_NATIVE, "name",
     "wait scope environment defined", false, false, "run_id"},
    {HTTP_GET, "/api/v1/flow-definitions", api_flow_definitions, API_NATIVE, NULL, "", false},
    {HTTP_PUT, "/api/v1/flow-definitions", api_flow_definitions_put, API_NATIVE, NULL, "", false},
    {HTTP_POST, "/api/v1/flow-definitions/preview", api_flow_definitions_preview, API_NATIVE, NULL,
     MAP_WINDOW, false},
    {HTTP_GET, "/api/v1/entities/{type}/{id}", api_entity, API_NATIVE, "type", "wait", false, false,
     "id"},
    {HTTP_GET, "/api/v1/alerts", api_alerts, API_NATIVE, NULL, "", false},
    {HTTP_GET, "/api/v1/alerts/rules", api_alert_rules, API_NATIVE, NULL, "", false},
    {HTTP_PUT, "/api/v1/alerts/rules", api_alert_rules_put, API_NATIVE, NULL, "", false},
    {HTTP_POST, "/api/v1/alerts/rules/preview", api_alert_rule_preview, API_NATIVE, NULL,
     "from to wait", false},
    {HTTP_POST, "/api/v1/alerts/test", api_alert_test, API_NATIVE, NULL, "", false},
    {HTTP_GET, "/api/v1/alerts/silences", api_alert_silences, API_NATIVE, NULL, "", false},
    {HTTP_POST, "/api/v1/alerts/silences", api_alert_silences_post, API_NATIVE, NULL, "", false},
    {HTTP_DELETE, "/api/v1/alerts/silences/{id}", api_alert_silence_delete, API_NATIVE, "id", "",
     false},
    {HTTP_GET, "/api/v1/nodes/{id}", api_node, API_NATIVE, "id", MAP_WINDOW " step", false},
    {HTTP_GET, "/api/v1/edges/{id}", api_edge, API_NATIVE, "id", MAP_WINDOW " step", false},
    {HTTP_GET, "/api/v1/attributes", api_attributes, API_NATIVE, NULL, "limit cursor", false},
    {HTTP_GET, "/api/v1/attributes/{key}/values", api_attribute_values, API_NATIVE, "key",
     "limit cursor", false},
    {HTTP_GET, "/api/v1/status", api_status, API_NATIVE, NULL, "", false, true},
    {HTTP_GET, "/api/v1/openapi.yaml", run_openapi, API_NATIVE, NULL, NULL, true},
    {HTTP_GET, "/api/v1", run_not_found, API_NATIVE, NULL, NULL, true},
    {HTTP_GET, "/api/v1/{rest...}", run_not_found, API_NATIVE, NULL, NULL, true},
    {HTTP_GET, "/openapi.yaml", run_openapi, API_NATIVE, NULL, NULL, true},

    {HTTP_GET, "/api/services", jaeger_services, API_JAEGER, NULL, NULL, false},
    {HTTP_GET, "/api/operations", jaeger_operations, API_JAEGER, NULL, NULL, false},
    {HTTP_GET, "/api/services/{name}/operations", jaeger_service_operations, API_JAEGER, "name",
     NULL, false},
    {HTTP_GET, "/api/traces", jaeger_traces, API_JAEGER, NULL, NULL, false},
    {HTTP_GET, "/api/traces/{id}", jaeger_trace, API_JAEGER, "id", NULL, false},
    {HTTP_GET, "/api/dependencies", jaeger_dependencies, API_JAEGER, NULL, NULL, false},
    {HTTP_GET, "/api/{rest...}", run_not_found, API_JAEGER, NULL, NULL, true},

    {HTTP_GET, "/api/v3/services", jaeger_v3_services, API_JAEGER_V3, NULL, NULL, false},
    {HTTP_GET, "/api/v3/operations", jaeger_v3_operations, API_JAEGER_V3, NULL, NULL, false},
    {HTTP_GET, "/api/v3/traces", jaeger_v3_traces, API_JAEGER_V3, NULL, NULL, false},
    {HTTP_GET, "/api/v3/traces/{id}", jaeger_v3_trace, API_JAEGER_V3, "id", NULL, false},
    {HTTP_GET, "/api/v3/{rest...}", run_not_found, API_JAEGER_V3, NULL, NULL, true},

    {HTTP_POST, "/mcp", mcp_post, API_NATIVE, NULL, NULL, false},
    {HTTP_GET, "/mcp", mcp_refuse, API_NATIVE, NULL, NULL, true},
    {HTTP_DELETE, "/mcp", mcp_refuse, API_NATIVE, NULL, NULL, true},
    {HTTP_GET, "/metrics", api_metrics, API_NATIVE, NULL, NULL, false, true},
    {HTTP_GET, "/healthz", run_health, API_NATIVE, NULL, NULL, true},
    {HTTP_GET, "/readyz", run_ready, API_NATIVE, NULL, NULL, true},
};

static void native_error_write(JsonWriter *json, int status, Str message)
{
    const char *code = status == 405   ? "method_not_allowed"
                       : status == 404 ? "not_found"
                       : status >= 500 ? "busy"
                                       : "bad_request";

    json_open(json, '{');
    json_key_open(json, "error", '{');
    json_key_string(json, "code", str_from_cstr(code));
    json_key_string(json, "message", message);
    json_key_string(json, "hint", STR("the API is described at /api/v1/openapi.yaml"));
    json_close(json, '}');
    json_close(json, '}');
}

static void jaeger_error_write(JsonWriter *json, int status, Str message)
{
    json_open(json, '{');
    json_key(json, STR("data"));
    json_null(json);
    json_key_u64(json, "total", 0);
    json_key_u64(json, "limit", 0);
    json_key_u64(json, "offset", 0);
    json_key_open(json, "errors", '[');
    json_open(json, '{');
    json_key_u64(json, "code", (uint64_t)status);
    json_key_string(json, "msg", message);
    json_close(json, '}');
    json_close(json, ']');
    json_close(json, '}');
}

static void jaeger_v3_error_write(JsonWriter *json, int status, Str message)
{
    json_open(json, '{');
    json_key_open(json, "error", '{');
    json_key_u64(json, "httpCode", (uint64_t)status);
    json_key_string(json, "message", message);
    json_close(json, '}');
    json_close(json, '}');
}

void api_error_body(const Request *request, int status, Str message, Response *response)
{
    JsonWriter json = {.buf = &response->body};

    response->content_type = STR("application/json");
    if (str_starts_with(request->path, STR("/api/v3/"))) {
        jaeger_v3_error_write(&json, status, message);
    } else if (str_starts_with(request->path, STR("/api/")) &&
               !str_starts_with(request->path, STR("/api/v1/"))) {
        jaeger_error_write(&json, status, message);
    } else {
        native_error_write(&json, status, message);
    }
}

void api_routes(ApiContext *api, Route **ret_routes, size_t *ret_n)
{
    STATIC_ASSERT(ARRAY_LEN(endpoints) <= API_ROUTES_MAX, "room for every route");
    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        api->bindings[i] = (ApiBinding){.api = api, .endpoint = &endpoints[i]};
        api->routes[i] = (Route){
            .method = endpoints[i].method,
            .pattern = endpoints[i].pattern,
            .handler = api_handle,
            .context = &api->bindings[i],
        };
    }
    *ret_routes = api->routes;
    *ret_n = ARRAY_LEN(endpoints);
}

static Str match_parameter(const RouteMatch *match, const char *name)
{
    for (size_t i = 0; name != NULL && i < match->n_parameters; i++) {
        if (str_equal(match->parameters[i].name, str_from_cstr(name))) {
            return match->parameters[i].value;
        }
    }
    return STR("");
}

int api_ask(ApiContext *api, const Request *request, Response *ret_response)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    RouteMatch match = {0};
    size_t n = 0;

    while (n < API_ROUTES_MAX && api->routes[n].pattern != NULL) {
        n++;
    }
    Router *router = router_new(api->routes, n);
    int r = router_match(router, request->method, request->path, &arena, &match);
    if (r == 0) {
        const ApiBinding *binding = match.route->context;
        const Str items[2] = {match_parameter(&match, binding->endpoint->item),
                              match_parameter(&match, binding->endpoint->second)};

        api_answer_items(binding, request, items, ret_response);
    }
    router_free(router);
    return r == 0 ? 0 : API_NO_ROUTE;
}
