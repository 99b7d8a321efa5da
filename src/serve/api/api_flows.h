// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/* The native API's questions about business flows: see openapi.yaml. Each is an ApiEndpoint's run;
 * item is the flow's name, second the run id. */
int api_flows(ApiCall *call);
int api_flow(ApiCall *call);
int api_flow_diff(ApiCall *call);
int api_flow_conformance(ApiCall *call);
int api_flow_runs(ApiCall *call);
int api_flow_run(ApiCall *call);
int api_entity(ApiCall *call); /* item: its type, second: its id */

/* scope and environment of the call, into a question about flow @call->item. */
MUST_USE int flow_question_read(ApiCall *call, MapFlowQuestion *question);

/* Fails: no flow of the call's name. */
MUST_USE int flow_not_found(ApiCall *call);

/* A sequence's id, as variants tell it: 16 hex digits. */
void variant_id_write(JsonWriter *json, const char *key, Str variant);

/* "name","scope","environment" of a flow. */
void flow_names_write(JsonWriter *json, const char *name, const NodeKey *key);
