// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "serve/api/api_traces.h"

/* What several services are asked to do, in one pass over the map's series. */
enum { SERVICES_ASKED_MAX = 100, BUSIEST = 10 };

static int compare_busiest(const void *left, const void *right)
{
    const MapOperation *a = left, *b = right;
    int order = str_compare(a->service.name, b->service.name);

    order = order != 0 ? order : str_compare(a->service.scope, b->service.scope);
    order = order != 0 ? order : str_compare(a->service.environment, b->service.environment);
    order = order != 0 ? order : str_compare(a->service.namespace, b->service.namespace);
    if (order != 0) {
        return order;
    }
    if (a->requests != b->requests) {
        return a->requests > b->requests ? -1 : 1;
    }
    return str_compare(a->name, b->name);
}

static bool same_service(const NodeKey *a, const NodeKey *b)
{
    return str_equal(a->name, b->name) && str_equal(a->scope, b->scope) &&
           str_equal(a->environment, b->environment) && str_equal(a->namespace, b->namespace);
}

/* `service`, as often as it comes. */
static int services_read(ApiCall *call, Str *ret_names, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < call->n_parameters; i++) {
        if (!str_equal(call->parameters[i].name, STR("service"))) {
            continue;
        }
        if (n == SERVICES_ASKED_MAX) {
            return api_fail(call, API_BAD_PARAMETER, "ask for the others in another call",
                            "more than %d services are asked for", SERVICES_ASKED_MAX);
        }
        ret_names[n++] = call->parameters[i].value;
    }
    if (n == 0) {
        return api_fail(call, API_BAD_PARAMETER, "service is a name and may come several times",
                        "no service is asked for");
    }
    *ret_n = n;
    return 0;
}

/* One service's, the first of which is @operations[0]; returns how many it has. */
static size_t service_write(JsonWriter *json, const MapOperation *operations, size_t n,
                            size_t limit)
{
    const NodeKey *service = &operations->service;
    size_t own = 0;

    while (own < n && same_service(&operations[own].service, service)) {
        own++;
    }
    json_open(json, '{');
    json_key_string(json, "name", service->name);
    json_key_string(json, "namespace", service->namespace);
    json_key_string(json, "environment", service->environment);
    json_key_string(json, "scope", service->scope);
    json_key_u64(json, "operations", own);
    json_key_open(json, "busiest", '[');
    for (size_t i = 0; i < MIN(own, limit); i++) {
        json_open(json, '{');
        json_key_string(json, "name", operations[i].name);
        json_key_u64(json, "requests", operations[i].requests);
        json_key_u64(json, "errors", operations[i].errors);
        json_key_duration(json, "duration", &operations[i].duration);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
    return own;
}

int api_operations(ApiCall *call)
{
    Str names[SERVICES_ASKED_MAX];
    MapOperationsQuestion question = {.services = names};
    MapOperation *operations = NULL;
    uint64_t from_ns, to_ns;
    size_t n = 0, limit;

    TRY(services_read(call, names, &question.n_services));
    TRY(api_limit(call, BUSIEST, &limit));
    TRY(api_window(call, &from_ns, &to_ns));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    minutes_of_window(from_ns, to_ns, &question.from_minute, &question.to_minute);
    int result = map_operations(call->api->map, &question, &call->arena, &operations, &n);

    if (result != MAP_NO_SUCH_NODE) { /* else nobody sent these names: none has operations */
        TRY(result);
    }
    if (n > 1) {
        qsort(operations, n, sizeof(operations[0]), compare_busiest);
    }
    api_list_open(call);
    for (size_t i = 0; i < n;) {
        i += service_write(&call->json, &operations[i], n - i, limit);
    }
    api_list_close(call, STR(""));
    return 0;
}
