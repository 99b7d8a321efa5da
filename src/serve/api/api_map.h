// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/* The native API's questions to the map: see openapi.yaml. Each is an ApiEndpoint's run. */
int api_map(ApiCall *call);
int api_map_history(ApiCall *call);
int api_map_diff(ApiCall *call);
int api_node(ApiCall *call); /* item: a node's id */
int api_edge(ApiCall *call); /* item: an edge's id */
int api_paths(ApiCall *call);
int api_contract(ApiCall *call);
int api_map_live(ApiCall *call);
