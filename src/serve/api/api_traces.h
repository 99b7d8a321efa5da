// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/trace_view.h"
#include "serve/api/api_call.h"

/* The native API's questions about spans: see openapi.yaml. Each is an ApiEndpoint's run. */
int api_services(ApiCall *call);
int api_service_operations(ApiCall *call); /* item: the service's name */
int api_operations(ApiCall *call);
int api_traces(ApiCall *call);
int api_trace(ApiCall *call);         /* item: the trace id */
int api_trace_delete(ApiCall *call);  /* item: the trace id */
int api_trace_outline(ApiCall *call); /* item: the trace id */
int api_trace_spans(ApiCall *call);   /* item: the trace id */
int api_trace_diff(ApiCall *call);    /* item and second: trace ids */
int api_attributes(ApiCall *call);
int api_attribute_values(ApiCall *call); /* item: the key, as `span.KEY` or `resource.KEY` */

/* Reads the trace with the id in @text; @map may be NULL: no edges. Returns 0; API_FAILED: the id
 * is none, or nothing is stored of it; -errno. */
MUST_USE int api_trace_read(ApiCall *call, Str text, Map *map, TraceView *ret_view);

/* The trace id that @text is. Returns 0 or API_FAILED. */
MUST_USE int api_trace_id(ApiCall *call, Str text, TraceId *ret_id);

/* Fails: nothing is stored of the trace that @id spells. Returns API_FAILED. */
int api_trace_not_found(ApiCall *call, Str id);

/* Members of a trace's object: what there is to say of it but its spans. */
void trace_head_write(JsonWriter *json, const TraceView *view);

/* Members of a span's object: what it came with. */
void span_fields_write(JsonWriter *json, const Span *span);

void span_edge_write(JsonWriter *json, const SpanEdge *edge);

/* "truncated": why spans of the trace may be missing, or null. */
void trace_truncation_write(JsonWriter *json, const TraceView *view);

void trace_summary_write(JsonWriter *json, const TraceSummary *summary);

/* {"p50_ns","p90_ns","p99_ns"} under @key; nothing when it is not present. */
void json_key_duration(JsonWriter *writer, const char *key, const MapDuration *duration);
