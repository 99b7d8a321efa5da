// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/runs.h"
#include "query/flow/defined_flows.h"
#include "serve/api/api_call.h"

/* The native API's questions about business flows: see openapi.yaml. Each is an ApiEndpoint's run;
 * item is the flow's name, second the run id. */
int api_flows(ApiCall *call);
int api_flow(ApiCall *call);
int api_flow_diff(ApiCall *call);
int api_flow_conformance(ApiCall *call);
int api_flow_history(ApiCall *call);
int api_flow_runs(ApiCall *call);
int api_flow_run(ApiCall *call);
int api_runs(ApiCall *call);   /* item: the run id */
int api_entity(ApiCall *call); /* item: its type, second: its id */
int api_flow_definitions(ApiCall *call);
int api_flow_definitions_put(ApiCall *call);
int api_flow_definitions_preview(ApiCall *call);

/*
 * Where a flow is asked for: the map, or, when people defined it (or the call's `defined` says so),
 * what its definition makes of the stored spans.
 */
typedef struct FlowSource {
    Map *map;
    bool is_defined;
    DefinedFlows defined;             /* owned */
    const FlowDefinition *definition; /* of one that people defined; lives as long as the call */
} FlowSource;

/* The source for flow @call->item in a window of minutes. Returns 0, API_FAILED or -errno. */
MUST_USE int flow_source_open(ApiCall *call, uint32_t from_minute, uint32_t to_minute,
                              FlowSource *ret_source);

/* The source for run @call->second, or, without that, @call->item of it, of all time. */
MUST_USE int flow_source_open_run(ApiCall *call, FlowSource *ret_source);

/* ... and of @definition. */
MUST_USE int flow_source_open_definition(ApiCall *call, const FlowDefinition *definition,
                                         FlowSource *ret_source);

/* All that people defined, evaluated in a window; no map when there is none. */
MUST_USE int flow_source_open_all(ApiCall *call, uint32_t from_minute, uint32_t to_minute,
                                  FlowSource *ret_source);
void flow_source_close(FlowSource *source);

/* "defined" and "truncated", when people defined it; else nothing. */
void flow_source_write(JsonWriter *json, const FlowSource *source);

/* map_flow_ask() of the source; a flow that people defined may have no runs. Returns 0, or
 * API_FAILED. */
MUST_USE int flow_source_ask(ApiCall *call, const FlowSource *source,
                             const MapFlowQuestion *question, MapFlowAnswer *ret_flow);

/* What the steps of a flow that people defined touch, into @flow; of others it is there already.
 * Returns 0 or -errno. */
MUST_USE int flow_source_touch(ApiCall *call, const FlowSource *source,
                               const MapFlowQuestion *question, MapFlowAnswer *flow,
                               bool *ret_truncated);

/* An answer about one flow, as the members of an object. */
void flow_answer_write(JsonWriter *json, const MapFlowQuestion *question,
                       const MapFlowAnswer *flow);

/* scope and environment of the call, into a question about flow @call->item. */
MUST_USE int flow_question_read(ApiCall *call, MapFlowQuestion *question);

/* Fails: no flow of the call's name. */
MUST_USE int flow_not_found(ApiCall *call);

/* A sequence's id, as variants tell it: 16 hex digits. */
void variant_id_write(JsonWriter *json, const char *key, Str variant);

/* The steps of a sequence as a list. */
void flow_steps_write(JsonWriter *json, const char *key, const Str *steps, size_t n);

/* A run as an item of a list. */
void run_item_write(JsonWriter *json, const FlowSource *source, const RunFound *run);

/* "name","scope","environment" of a flow. */
void flow_names_write(JsonWriter *json, const char *name, const NodeKey *key);
