// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "query/service_names.h"
#include "serve/api/api_traces.h"
#include "serve/api/name_page.h"

enum { NAMES_ALL = 200000 }; /* as many names as the store holds for one question */

void json_key_duration(JsonWriter *writer, const char *key, const MapDuration *duration)
{
    if (!duration->present) {
        return;
    }
    json_key_open(writer, key, '{');
    json_key_u64(writer, "p50_ns", duration->p50_ns);
    json_key_u64(writer, "p90_ns", duration->p90_ns);
    json_key_u64(writer, "p99_ns", duration->p99_ns);
    json_close(writer, '}');
}

static void service_write(JsonWriter *json, Str name, uint64_t spans, const MapNode *node)
{
    static const MapNode unknown;
    const MapNode *known = node == NULL ? &unknown : node;

    json_open(json, '{');
    json_key_string(json, "name", name);
    json_key_string(json, "namespace", known->key.namespace);
    json_key_string(json, "environment", known->key.environment);
    json_key_string(json, "scope", node == NULL ? STR("default") : known->key.scope);
    json_key_u64(json, "spans", spans);
    json_key_u64(json, "requests", known->requests);
    json_key_u64(json, "errors", known->errors);
    json_key_duration(json, "duration", &known->duration);
    json_close(json, '}');
}

typedef struct ServiceItem {
    Str name;
    uint64_t spans;
    const MapNode *node;
    size_t place; /* keeps the order of the map among services of one name */
} ServiceItem;

static int service_item_compare(const void *left, const void *right)
{
    const ServiceItem *a = left, *b = right;
    int order = str_compare(a->name, b->name);

    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/*
 * The store's names beside all services of the map that carry them (scopes, environments,
 * namespaces), and services that only the map knows (named by adoption, or by a span's own
 * service.name). Spans are counted by name only, so the first service of a name shows them.
 */
static size_t services_join(const StoreNames *names, const MapAnswer *map, ServiceItem *items)
{
    size_t n = 0, n_items = 0;

    for (size_t i = 0; i < map->n_nodes; i++) {
        if (map->nodes[i].key.type == NODE_SERVICE) {
            items[n] = (ServiceItem){.name = map->nodes[i].key.name, .node = &map->nodes[i]};
            items[n].place = n;
            n++;
        }
    }
    n_items = n;
    if (n > 1) {
        qsort(items, n, sizeof(items[0]), service_item_compare);
    }
    for (size_t i = 0, at = 0; i < names->count; i++) {
        while (at < n && str_compare(items[at].name, names->items[i].name) < 0) {
            at++;
        }
        if (at < n && str_equal(items[at].name, names->items[i].name)) {
            items[at].spans = names->items[i].count;
        } else {
            items[n_items++] =
                (ServiceItem){.name = names->items[i].name, .spans = names->items[i].count};
        }
    }
    if (n_items > 1) {
        qsort(items, n_items, sizeof(items[0]), service_item_compare);
    }
    return n_items;
}

int api_services(ApiCall *call)
{
    MapQuestion question = {.types = 1u << NODE_SERVICE, .only_nodes = true};
    uint64_t from = 0, to = 0;
    StoreNames names = {0};
    MapAnswer map = {0};
    ServiceItem *items;
    NamePage page;

    TRY(api_window(call, &from, &to));
    TRY(name_page_open(call, NAMES_ALL, &page));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(service_names(call->api->store, from, to, &call->arena, &names));
    minutes_of_window(from, to, &question.from_minute, &question.to_minute);
    TRY(map_ask(call->api->map, &question, &call->arena, &map));
    items = ARENA_ARRAY(&call->arena, ServiceItem, names.count + map.n_nodes);
    size_t n_items = services_join(&names, &map, items);
    api_list_open(call);
    for (size_t i = 0; i < n_items; i++) {
        if (name_page_takes(&page, items[i].name)) {
            service_write(&call->json, items[i].name, items[i].spans, items[i].node);
        }
    }
    name_page_close(call, &page);
    return 0;
}

/* Requests of all the services of this name that have this operation. */
static void operation_write(JsonWriter *json, const StoreName *name, const MapOperation *operations,
                            size_t n_operations)
{
    uint64_t requests = 0, errors = 0;
    MapDuration duration = {0};

    for (size_t i = 0; i < n_operations; i++) {
        if (str_equal(operations[i].name, name->name)) {
            /* Of several services of one name the busiest's durations stand for all. */
            if (operations[i].requests > requests || !duration.present) {
                duration = operations[i].duration;
            }
            requests += operations[i].requests;
            errors += operations[i].errors;
        }
    }
    json_open(json, '{');
    json_key_string(json, "name", name->name);
    json_key_string(json, "kind", span_kind_name((SpanKind)name->kind));
    json_key_u64(json, "spans", name->count);
    json_key_u64(json, "requests", requests);
    json_key_u64(json, "errors", errors);
    json_key_duration(json, "duration", &duration);
    json_close(json, '}');
}

int api_service_operations(ApiCall *call)
{
    OperationQuestion question = {.service = call->item};
    MapOperationsQuestion entries = {.services = &call->item, .n_services = 1};
    StoreNames names = {0};
    MapOperation *operations = NULL;
    size_t n_operations = 0;
    NamePage page;
    int result;

    TRY(api_window(call, &question.from_ns, &question.to_ns));
    TRY(name_page_open(call, NAMES_ALL, &page));
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(operation_names(call->api->store, &question, &call->arena, &names));
    minutes_of_window(question.from_ns, question.to_ns, &entries.from_minute, &entries.to_minute);
    result = map_operations(call->api->map, &entries, &call->arena, &operations, &n_operations);
    if (result != MAP_NO_SUCH_NODE) { /* else its traces are still open, or nobody sent this name */
        TRY(result);
    }
    api_list_open(call);
    for (size_t i = 0; i < names.count; i++) {
        if (name_page_takes(&page, names.items[i].name)) {
            operation_write(&call->json, &names.items[i], operations, n_operations);
        }
    }
    name_page_close(call, &page);
    return 0;
}
