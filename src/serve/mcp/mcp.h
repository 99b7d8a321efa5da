// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/api/api_call.h"

/*
 * The Model Context Protocol: an assistant asks for map, changes, flows and traces. Read-only tools
 * over Streamable HTTP at POST /mcp, stateless: every request is answered with one JSON body, no
 * session is kept, nothing is pushed.
 *
 * Both ways to speak it are served: revision 2026-07-28, in which each request carries its protocol
 * version in params._meta and in headers that must agree, and the revisions before it, which begin
 * with `initialize`. Errors are JSON-RPC's (-32700, -32600 to -32603) and the protocol's (-32020
 * header mismatch, -32022 unsupported version); a tool that fails answers a result with isError and
 * a sentence, as the protocol wants it.
 *
 * A request with an Origin that is not this machine's is refused (403): a web page elsewhere must
 * not read the map through a name that it points at localhost.
 */
enum { MCP_BODY_MAX = 256 << 10 };

/* The API's call for POST /mcp. */
int mcp_post(ApiCall *call);

/* GET and DELETE of /mcp: there is no stream and no session (405). */
int mcp_refuse(ApiCall *call);
