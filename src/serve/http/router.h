// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "serve/http/server.h"

/*
 * Finds the route of a request. Patterns are segments between slashes: a literal, "{name}" (one
 * segment that is not empty), or as the last one "{name...}" (all that follows, slashes included,
 * possibly nothing). Where several patterns fit, the one that is literal earlier wins, whatever
 * their order. A router is immutable and may be used by any thread.
 *
 * exchange.h's percent_decode() and query_parameter() live here too.
 */
typedef struct Router Router;

enum {
    ROUTE_SEGMENTS_MAX = 16,
    ROUTE_PARAMETERS_MAX = 6,
};

typedef struct RouteParameter {
    Str name;  /* as in the pattern; lives as long as the router */
    Str value; /* percent-decoded, in the arena */
} RouteParameter;

typedef struct RouteMatch {
    const Route *route;
    RouteParameter parameters[ROUTE_PARAMETERS_MAX];
    size_t n_parameters;
    uint32_t methods; /* bit HttpMethod of each route that has this path; HEAD with GET */
} RouteMatch;

/* @routes and their patterns are borrowed for the router's life. A pattern that breaks the rules
 * above is a mistake of ours and asserts. */
Router *router_new(const Route *routes, size_t n_routes);
Router *router_free(Router *router);

/* Returns 0; ROUTE_NOT_FOUND; ROUTE_BAD_METHOD, when other methods have this path (they are in
 * ret_match->methods, the rest of it is empty); ROUTE_BAD_PATH, when a parameter is not decodable.
 * HEAD finds GET's route where it has none of its own. */
enum { ROUTE_NOT_FOUND = 1, ROUTE_BAD_METHOD = 2, ROUTE_BAD_PATH = 3 };
MUST_USE int router_match(const Router *router, HttpMethod method, Str path, Arena *arena,
                          RouteMatch *ret_match);

HttpMethod method_parse(Str text);

/* "GET, HEAD, POST" for Allow, in @arena. */
Str methods_format(uint32_t methods, Arena *arena);
