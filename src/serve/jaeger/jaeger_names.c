// SPDX-License-Identifier: Apache-2.0
#include "query/service_names.h"
#include "serve/jaeger/jaeger_shared.h"
#include "wire/jaeger_json.h"

/* Names of services and operations. */

void jaeger_envelope_open(ApiCall *call)
{
    json_open(&call->json, '{');
    json_key_open(&call->json, "data", '[');
}

void jaeger_envelope_close_errors(ApiCall *call, uint64_t total, const JaegerTag *errors, size_t n)
{
    JsonWriter *json = &call->json;

    json_close(json, ']');
    json_key_u64(json, "total", total);
    json_key_u64(json, "limit", 0);
    json_key_u64(json, "offset", 0);
    json_key(json, STR("errors"));
    if (n == 0) {
        json_null(json);
    } else {
        json_open(json, '[');
        for (size_t i = 0; i < n; i++) {
            json_open(json, '{');
            json_key_string(json, "msg", errors[i].value);
            json_key_string(json, "traceID", errors[i].key);
            json_close(json, '}');
        }
        json_close(json, ']');
    }
    json_close(json, '}');
}

void jaeger_envelope_close(ApiCall *call, uint64_t total)
{
    jaeger_envelope_close_errors(call, total, NULL, 0);
}

static int services_read(ApiCall *call, StoreNames *names)
{
    TRY(api_wait(call, STORE_WAIT_APPLIED));
    return service_names(call->api->store, 0, UINT64_MAX, &call->arena, names);
}

/* Operations of @service whose kind is @kind (any when empty). Jaeger's own kinds have no
 * `unspecified`: an empty text. */
static int operations_read(ApiCall *call, Str service, Str kind, StoreNames *names)
{
    const OperationQuestion question = {.service = service, .to_ns = UINT64_MAX};
    size_t n = 0;
    SpanKind wanted = SPAN_KIND_UNSPECIFIED;
    bool known = span_kind_parse(kind, &wanted) == 0;

    TRY(api_wait(call, STORE_WAIT_APPLIED));
    TRY(operation_names(call->api->store, &question, &call->arena, names));
    for (size_t i = 0; i < names->count; i++) {
        if (kind.len == 0 || (known && names->items[i].kind == wanted)) {
            names->items[n++] = names->items[i];
        }
    }
    names->count = n;
    return 0;
}

static void operation_write(JsonWriter *json, const StoreName *name)
{
    json_open(json, '{');
    json_key_string(json, "name", name->name);
    json_key_string(json, "spanKind",
                    name->kind == SPAN_KIND_UNSPECIFIED ? STR("")
                                                        : span_kind_name((SpanKind)name->kind));
    json_close(json, '}');
}

int jaeger_services(ApiCall *call)
{
    StoreNames names = {0};

    TRY(services_read(call, &names));
    jaeger_envelope_open(call);
    for (size_t i = 0; i < names.count; i++) {
        json_string(&call->json, names.items[i].name);
    }
    jaeger_envelope_close(call, names.count);
    return 0;
}

int jaeger_operations(ApiCall *call)
{
    Str service = api_parameter(call, "service");
    StoreNames names = {0};

    if (service.len == 0) {
        return api_fail(call, API_BAD_PARAMETER, "", "parameter 'service' is required");
    }
    TRY(operations_read(call, service, api_parameter(call, "spanKind"), &names));
    jaeger_envelope_open(call);
    for (size_t i = 0; i < names.count; i++) {
        operation_write(&call->json, &names.items[i]);
    }
    jaeger_envelope_close(call, names.count);
    return 0;
}

int jaeger_service_operations(ApiCall *call)
{
    StoreNames names = {0};
    uint64_t total = 0;

    TRY(operations_read(call, call->item, STR(""), &names));
    jaeger_envelope_open(call);
    for (size_t i = 0; i < names.count; i++) {
        if (i == 0 || !str_equal(names.items[i].name, names.items[i - 1].name)) {
            json_string(&call->json, names.items[i].name);
            total++;
        }
    }
    jaeger_envelope_close(call, total);
    return 0;
}

int jaeger_v3_services(ApiCall *call)
{
    StoreNames names = {0};

    TRY(services_read(call, &names));
    json_open(&call->json, '{');
    json_key_open(&call->json, "services", '[');
    for (size_t i = 0; i < names.count; i++) {
        json_string(&call->json, names.items[i].name);
    }
    json_close(&call->json, ']');
    json_close(&call->json, '}');
    return 0;
}

int jaeger_v3_operations(ApiCall *call)
{
    StoreNames names = {0};

    TRY(operations_read(call, api_parameter(call, "service"), api_parameter(call, "span_kind"),
                        &names));
    json_open(&call->json, '{');
    json_key_open(&call->json, "operations", '[');
    for (size_t i = 0; i < names.count; i++) {
        operation_write(&call->json, &names.items[i]);
    }
    json_close(&call->json, ']');
    json_close(&call->json, '}');
    return 0;
}
