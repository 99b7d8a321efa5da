// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/*
 * All routes of the query APIs: /api/v1, Jaeger's /api and /api/v3, /metrics, /healthz, /readyz,
 * /openapi.yaml. They live in @api.
 */
void api_routes(ApiContext *api, Route **ret_routes, size_t *ret_n);

/* For ListenerOptions: what the server itself refuses (a method, a size, what is no HTTP), in the
 * words of the API whose path was asked. */
void api_error_body(const Request *request, int status, Str message, Response *response);

/* openapi.yaml, built into the program (tools/embed_text.py). */
extern const char openapi_text[];
extern const size_t openapi_text_len;
