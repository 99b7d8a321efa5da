// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "codec/json.h"
#include "map/assembly.h"
#include "os/clock.h"
#include "os/pool.h"
#include "serve/ingest.h"
#include "serve/http/server.h"
#include "store/store.h"

/*
 * What every call of the query APIs shares: the question's parameters, its arena, its deadline, and
 * how it fails. Calls run on the query pool, never on a connection's loop; a full pool answers 503.
 */
typedef struct ApiEndpoints {
    uint16_t otlp_grpc, otlp_http, zipkin; /* ports; 0: not listening */
} ApiEndpoints;

typedef struct ApiContext ApiContext;
typedef struct ApiEndpoint ApiEndpoint;

/* A Route's context: the endpoint in its API. */
typedef struct ApiBinding {
    ApiContext *api;
    const ApiEndpoint *endpoint;
} ApiBinding;

enum { API_ROUTES_MAX = 80 };

/* What the APIs answer from. Filled by the program's wiring; nothing in it is owned; it stays where
 * it is and outlives the server. */
struct ApiContext {
    Store *store;
    Map *map;
    Assembly *assembly;
    Pool *pool;
    Pool *vitals; /* NULL: vitals run on the pool */
    const Clock *clock;
    Ingest *ingest;                         /* may be NULL: no receivers */
    const Server *server;                   /* may be NULL; set before the server starts */
    struct Live *live;                      /* may be NULL: no live readers */
    struct Saved *saved;                    /* may be NULL: nothing can be saved */
    struct ServiceMetrics *service_metrics; /* may be NULL: none */
    struct FlowMemory *flow_memory;         /* may be NULL: nothing is kept between questions */
    struct AlertWatch *alerts;              /* may be NULL: nothing is watched */
    const char *version;
    uint64_t started_ns; /* realtime at the start */
    ApiEndpoints endpoints;
    uint64_t query_timeout_ms; /* 0: 10,000 */
    _Atomic bool ready;        /* set once all listeners accept: /readyz */

    /* The API's own. */
    _Atomic uint64_t calls, calls_failed, calls_busy, calls_timed_out;
    _Atomic uint64_t rate_time_ns, rate_spans, rate_milli; /* of the last rate that was taken */
    Route routes[API_ROUTES_MAX];
    ApiBinding bindings[API_ROUTES_MAX];
};

/* How calls fail. Each row: name, HTTP status, code, what it means. */
#define API_ERRORS(ROW)                                                                            \
    ROW(API_BAD_PARAMETER, 400, "bad_parameter", "A parameter's value cannot be read.")            \
    ROW(API_UNKNOWN_PARAMETER, 400, "unknown_parameter", "The call has no such parameter.")        \
    ROW(API_BAD_QUERY, 400, "bad_query", "q is no TraceQL that can be answered.")                  \
    ROW(API_BAD_CURSOR, 400, "bad_cursor", "The cursor is none that a page gave.")                 \
    ROW(API_TRACE_NOT_FOUND, 404, "trace_not_found", "No stored span has this trace id.")          \
    ROW(API_NOT_FOUND, 404, "not_found", "There is nothing of this name.")                         \
    ROW(API_BAD_METHOD, 405, "method_not_allowed", "The path is served for the methods in Allow.") \
    ROW(API_BAD_REQUEST, 400, "bad_request", "The request is no HTTP, or larger than it may be.")  \
    ROW(API_BAD_BODY, 400, "bad_body", "The body of the request cannot be read or saved.")         \
    ROW(API_CONFLICT, 409, "conflict", "Somebody saved since the version that was read.")          \
    ROW(API_INTERNAL, 500, "internal", "Stored data could not be read; the log says why.")         \
    ROW(API_BUSY, 503, "busy",                                                                     \
        "Too many queries wait, or the store is behind; try again after Retry-After seconds.")

typedef enum ApiError {
    API_OK,
#define API_ERROR_NAME(name, status, code, help) name,
    API_ERRORS(API_ERROR_NAME)
#undef API_ERROR_NAME
} ApiError;

enum {
    API_FAILED = 1,           /* a handler's result after api_fail() */
    API_TAKEN = 2,            /* ... when somebody else answers the exchange */
    API_PARAMETERS_MAX = 128, /* per request */
    API_QUERY_BYTES_MAX = 64 << 10,
    API_LIMIT_MAX = 1000,
    API_RETRY_AFTER_S = 1,
    API_QUERIES_MAX = 256, /* that may wait: the query pool is made with it */
    API_VITALS_MAX = 64,
};

typedef struct ApiCall ApiCall;

/* Whose words an answer is in. */
typedef enum ApiStyle { API_NATIVE, API_JAEGER, API_JAEGER_V3, API_PLAIN } ApiStyle;

/*
 * One route. @run writes the answer with call->json and returns 0; API_FAILED after api_fail();
 * API_TAKEN when it gave the exchange away (never in api_answer(), where there is none); or -errno
 * of the store, which becomes API_INTERNAL.
 */
struct ApiEndpoint {
    HttpMethod method;
    const char *pattern;
    int (*run)(ApiCall *call);
    ApiStyle style;
    const char *item;       /* the path's parameter, which becomes call->item; NULL: none */
    const char *parameters; /* allowed in the query, separated by spaces; NULL: any are ignored */
    bool is_immediate;      /* answered on the loop: neither waits nor reads */
    bool is_vital;          /* answered on a thread of its own: who watches the program is answered
                               while it is full of queries */
    const char *second;     /* the path's second parameter, which becomes call->second */
};

typedef struct ApiParameter {
    Str name, value;
} ApiParameter;

struct ApiCall {
    ApiContext *api;
    const ApiEndpoint *endpoint;
    const Request *request;
    Exchange *exchange; /* NULL in tests */
    Str item, second;
    ApiParameter *parameters;
    size_t n_parameters;
    Arena arena;
    Response response;
    JsonWriter json;      /* into response.body */
    bool widened;         /* the map's windows to more than was asked for: map_widen() */
    uint64_t now_ns;      /* realtime, when it came */
    uint64_t deadline_ns; /* monotonic */
    ApiError error;
    Str message, hint;
};

/* The Handler of every API route; @context is an ApiBinding. */
void api_handle(void *context, Exchange *exchange);

/* Runs @endpoint for @request and fills @ret_response, whose body is then the caller's; on the
 * calling thread. */
void api_answer(const ApiBinding *binding, const Request *request, Str item,
                Response *ret_response);

/* As api_answer(), with both parameters of the path. */
void api_answer_items(const ApiBinding *binding, const Request *request, const Str items[2],
                      Response *ret_response);

/* Notes why the call fails; returns API_FAILED. The message is printf's. */
int api_fail(ApiCall *call, ApiError error, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* store_wait() until the call's deadline. Returns 0, or API_FAILED: the store is behind (503). */
MUST_USE int api_wait(ApiCall *call, StoreWait what);

/* The value of the parameter @name, percent-decoded; empty when it is absent. */
Str api_parameter(const ApiCall *call, const char *name);
bool api_has_parameter(const ApiCall *call, const char *name);

/* These read one parameter, or give @otherwise when it is absent or empty; API_FAILED when its
 * value cannot be read. */
MUST_USE int api_time(ApiCall *call, const char *name, uint64_t otherwise, uint64_t *ret_ns);
MUST_USE int api_duration(ApiCall *call, const char *name, uint64_t otherwise, uint64_t *ret_ns);
MUST_USE int api_number(ApiCall *call, const char *name, uint64_t otherwise, uint64_t *ret_value);
MUST_USE int api_flag(ApiCall *call, const char *name, bool otherwise, bool *ret_value);

/* `limit`, from 1 to API_LIMIT_MAX. */
MUST_USE int api_limit(ApiCall *call, size_t otherwise, size_t *ret_limit);

/* `from` and `to`; all of time when they are absent. */
MUST_USE int api_window(ApiCall *call, uint64_t *ret_from_ns, uint64_t *ret_to_ns);

/* The whole minutes that touch a window of nanoseconds: from <= minute < to. */
void minutes_of_window(uint64_t from_ns, uint64_t to_ns, uint32_t *ret_from, uint32_t *ret_to);

#define NS_PER_MINUTE UINT64_C(60000000000)

/* {"items":[ … ],"cursor":…}: opens and closes; an empty @cursor is null. */
void api_list_open(ApiCall *call);
void api_list_close(ApiCall *call, Str cursor);
