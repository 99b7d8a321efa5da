// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/*
 * Jaeger's query APIs, so that its page and Grafana's data source work: the JSON API of its own
 * page (jaegertracing/jaeger, cmd/query/app/http_handler.go), v1 here, and API v3, OTLP's JSON
 * behind a gRPC gateway (jaeger-idl, api_v3/query_service.proto). Unknown parameters are ignored,
 * as there. Where Jaeger looks back two days when no start is given, this looks at everything.
 */
enum {
    JAEGER_LIMIT_DEFAULT = 100,
    JAEGER_LIMIT_MAX = 1500, /* more is cut to it */
    JAEGER_ANSWER_BYTES_MAX =
        64 << 20, /* an answer ends at the trace that goes beyond, and says so */
    JAEGER_ANSWER_SPANS_MAX = 500000, /* v3: likewise */
};

int jaeger_services(ApiCall *call);
int jaeger_operations(ApiCall *call);
int jaeger_service_operations(ApiCall *call); /* item: the service's name */
int jaeger_traces(ApiCall *call);
int jaeger_trace(ApiCall *call); /* item: the trace id */
int jaeger_dependencies(ApiCall *call);

int jaeger_v3_services(ApiCall *call);
int jaeger_v3_operations(ApiCall *call);
int jaeger_v3_traces(ApiCall *call);
int jaeger_v3_trace(ApiCall *call); /* item: the trace id */
