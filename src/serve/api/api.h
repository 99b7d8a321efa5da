// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/*
 * All routes of the query APIs: /api/v1, Jaeger's /api and /api/v3, /metrics, /healthz, /readyz,
 * /openapi.yaml, /mcp. They live in @api.
 */
void api_routes(ApiContext *api, Route **ret_routes, size_t *ret_n);

/* Answers @request, a GET of one of the routes, on the calling thread; the body is the caller's.
 * Returns 0, whatever the answer says; API_NO_ROUTE: @ret_response is untouched. */
enum { API_NO_ROUTE = 1 };
MUST_USE int api_ask(ApiContext *api, const Request *request, Response *ret_response);

/* For ListenerOptions: what the server itself refuses (a method, a size, what is no HTTP), in the
 * words of the API whose path was asked. */
void api_error_body(const Request *request, int status, Str message, Response *response);

/* openapi.yaml, built into the program (tools/embed_text.py). */
extern const char openapi_text[];
extern const size_t openapi_text_len;
