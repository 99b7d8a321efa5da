// SPDX-License-Identifier: Apache-2.0
#include "serve/api/api_call.h"

#include "base/assert.h"
#include "base/log.h"
#include "query/times.h"

enum { DEFAULT_TIMEOUT_MS = 10000 };

static const struct {
    int status;
    const char *code;
} error_rows[] = {[API_OK] = {200, ""},
#define ERROR_ROW(name, status, code, help) [name] = {status, code},
                  API_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

void api_list_open(ApiCall *call)
{
    json_open(&call->json, '{');
    json_key_open(&call->json, "items", '[');
}

void api_list_close(ApiCall *call, Str cursor)
{
    json_close(&call->json, ']');
    json_key(&call->json, STR("cursor"));
    if (cursor.len == 0) {
        json_null(&call->json);
    } else {
        json_string(&call->json, cursor);
    }
    json_close(&call->json, '}');
}

int api_fail(ApiCall *call, ApiError error, const char *hint, const char *format, ...)
{
    CLEANUP(buf_deinit) Buf message = {0};
    va_list arguments;

    ASSERT(error != API_OK);
    va_start(arguments, format);
    buf_append_format_va(&message, format, arguments);
    va_end(arguments);
    call->error = error;
    call->message = arena_copy(&call->arena, buf_str(&message));
    call->hint = str_from_cstr(hint);
    return API_FAILED;
}

int api_wait(ApiCall *call, StoreWait what)
{
    if (store_wait(call->api->store, what, call->deadline_ns) == 0) {
        return 0;
    }
    atomic_fetch_add_explicit(&call->api->calls_busy, 1, memory_order_relaxed);
    return api_fail(call, API_BUSY, "try again in a second",
                    "the store has not taken in yet what was sent before");
}

/* The failure in the words of the API that was asked. */
static void failure_write(ApiCall *call)
{
    JsonWriter *json = &call->json;
    int status = error_rows[call->error].status;

    json_open(json, '{');
    switch (call->endpoint->style) {
    case API_JAEGER:
        json_key(json, STR("data"));
        json_null(json);
        json_key_u64(json, "total", 0);
        json_key_u64(json, "limit", 0);
        json_key_u64(json, "offset", 0);
        json_key_open(json, "errors", '[');
        json_open(json, '{');
        json_key_u64(json, "code", (uint64_t)status);
        json_key_string(json, "msg", call->message);
        json_close(json, '}');
        json_close(json, ']');
        break;
    case API_JAEGER_V3:
        json_key_open(json, "error", '{');
        json_key_u64(json, "httpCode", (uint64_t)status);
        json_key_string(json, "message", call->message);
        json_close(json, '}');
        break;
    default:
        json_key_open(json, "error", '{');
        json_key_string(json, "code", str_from_cstr(error_rows[call->error].code));
        json_key_string(json, "message", call->message);
        json_key_string(json, "hint", call->hint);
        json_close(json, '}');
        break;
    }
    json_close(json, '}');
}

static void call_init(ApiCall *call, const ApiBinding *binding, const Request *request, Str item)
{
    ApiContext *api = binding->api;
    uint64_t timeout_ms = api->query_timeout_ms > 0 ? api->query_timeout_ms : DEFAULT_TIMEOUT_MS;

    *call = (ApiCall){
        .api = api,
        .endpoint = binding->endpoint,
        .request = request,
        .now_ns = clock_realtime_ns(api->clock),
        .deadline_ns = clock_monotonic_ns(api->clock) + timeout_ms * 1000000,
    };
    call->response.status = 200;
    call->response.content_type = STR("application/json");
    call->response.cache_control = STR("no-store");
    call->json.buf = &call->response.body;
    call->item = arena_copy(&call->arena, item);
}

static void call_deinit(ApiCall *call)
{
    buf_deinit(&call->response.body);
    arena_deinit(&call->arena);
}

/* Whether @name is one of the space-separated @names. */
static bool names_have(const char *names, Str name)
{
    Str rest = str_from_cstr(names), head;
    bool more = rest.len > 0;

    while (more) {
        more = str_split(rest, ' ', &head, &rest);
        if (str_equal(head, name)) {
            return true;
        }
    }
    return false;
}

static int parameter_decode(ApiCall *call, Str text, Str *ret_text)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    if (percent_decode(text, true, &buf) != 0) {
        return api_fail(call, API_BAD_PARAMETER, "write a percent sign itself as %25",
                        "a %% in the query is not followed by two hex digits");
    }
    *ret_text = arena_copy(&call->arena, buf_str(&buf));
    return 0;
}

static int parameter_add(ApiCall *call, Str text)
{
    const char *allowed = call->endpoint->parameters;
    ApiParameter *parameter = &call->parameters[call->n_parameters];
    Str name, value;

    str_split(text, '=', &name, &value);
    TRY(parameter_decode(call, name, &parameter->name));
    TRY(parameter_decode(call, value, &parameter->value));
    if (allowed != NULL && !names_have(allowed, parameter->name)) {
        const char *hint = allowed[0] == '\0'
                               ? "this call has no parameters"
                               : arena_format(&call->arena, "it has: %s", allowed).ptr;
        return api_fail(call, API_UNKNOWN_PARAMETER, hint, "unknown parameter \"%.*s\"",
                        STR_ARG(parameter->name));
    }
    call->n_parameters++;
    return 0;
}

static int parameters_read(ApiCall *call)
{
    Str rest = call->request->query, head;
    bool more = rest.len > 0;

    if (rest.len > API_QUERY_BYTES_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "ask for less at once",
                        "the query is longer than 64 KiB");
    }
    call->parameters = ARENA_ARRAY(&call->arena, ApiParameter, API_PARAMETERS_MAX);
    while (more) {
        more = str_split(rest, '&', &head, &rest);
        if (head.len == 0) {
            continue;
        }
        if (call->n_parameters == API_PARAMETERS_MAX) {
            return api_fail(call, API_BAD_PARAMETER, "ask for less at once",
                            "more than 128 parameters");
        }
        TRY(parameter_add(call, head));
    }
    return 0;
}

static int call_run(ApiCall *call)
{
    TRY(parameters_read(call));
    return call->endpoint->run(call);
}

/* Turns the result of the handler into an answer, whatever it was. */
static void call_finish(ApiCall *call, int result)
{
    ApiContext *api = call->api;

    atomic_fetch_add_explicit(&api->calls, 1, memory_order_relaxed);
    if (result == 0) {
        return;
    }
    if (result != API_FAILED) {
        log_error("query failed", LOG_CSTR("route", call->endpoint->pattern), LOG_ERR(result));
        api_fail(call, API_INTERNAL, "look at the program's log", "stored data could not be read");
    }
    ASSERT(call->error != API_OK);
    atomic_fetch_add_explicit(&api->calls_failed, 1, memory_order_relaxed);
    buf_clear(&call->response.body);
    call->json = (JsonWriter){.buf = &call->response.body};
    call->response.status = error_rows[call->error].status;
    call->response.content_type = STR("application/json");
    if (call->error == API_BUSY) {
        call->response.retry_after_s = API_RETRY_AFTER_S;
    }
    failure_write(call);
}

void api_answer_items(const ApiBinding *binding, const Request *request, const Str items[2],
                      Response *ret_response)
{
    ApiCall call;

    call_init(&call, binding, request, items[0]);
    call.second = arena_copy(&call.arena, items[1]);
    call_finish(&call, call_run(&call));
    *ret_response = call.response;
    call.response.body = (Buf){0};
    call_deinit(&call);
}

void api_answer(const ApiBinding *binding, const Request *request, Str item, Response *ret_response)
{
    const Str items[2] = {item};

    api_answer_items(binding, request, items, ret_response);
}

static void call_free(ApiCall *call)
{
    call_deinit(call);
    mem_free(call);
}

static void call_send(ApiCall *call)
{
    exchange_respond(call->exchange, &call->response);
    call_free(call);
}

static void call_job(void *context)
{
    ApiCall *call = context;

    if (exchange_is_abandoned(call->exchange)) {
        call->response.status = 408; /* read by nobody, counted as the client's doing */
    } else {
        int result = call_run(call);

        if (result == API_TAKEN) {
            atomic_fetch_add_explicit(&call->api->calls, 1, memory_order_relaxed);
            call_free(call);
            return;
        }
        call_finish(call, result);
    }
    call_send(call);
}

static Pool *call_pool(const ApiBinding *binding)
{
    ApiContext *api = binding->api;

    return binding->endpoint->is_vital && api->vitals != NULL ? api->vitals : api->pool;
}

void api_handle(void *context, Exchange *exchange)
{
    const ApiBinding *binding = context;
    const char *item = binding->endpoint->item;
    ApiCall *call = NEW(ApiCall);

    call_init(call, binding, exchange_request(exchange),
              item == NULL ? STR("") : exchange_parameter(exchange, str_from_cstr(item)));
    call->exchange = exchange;
    if (binding->endpoint->second != NULL) {
        call->second = arena_copy(
            &call->arena, exchange_parameter(exchange, str_from_cstr(binding->endpoint->second)));
    }
    if (binding->endpoint->is_immediate) {
        call_job(call);
    } else if (pool_submit(call_pool(binding), call_job, call) != 0) {
        atomic_fetch_add_explicit(&binding->api->calls_busy, 1, memory_order_relaxed);
        call_finish(call, api_fail(call, API_BUSY, "try again in a second",
                                   "too many queries wait already"));
        call_send(call);
    }
}

static const ApiParameter *parameter_find(const ApiCall *call, const char *name)
{
    for (size_t i = 0; i < call->n_parameters; i++) {
        if (str_equal(call->parameters[i].name, str_from_cstr(name))) {
            return &call->parameters[i];
        }
    }
    return NULL;
}

Str api_parameter(const ApiCall *call, const char *name)
{
    const ApiParameter *parameter = parameter_find(call, name);

    return parameter == NULL ? STR("") : parameter->value;
}

bool api_has_parameter(const ApiCall *call, const char *name)
{
    return parameter_find(call, name) != NULL;
}

static int fail_value(ApiCall *call, const char *name, const ParseError *error, const char *hint)
{
    return api_fail(call, API_BAD_PARAMETER, hint, "%s, at character %zu: %s", name,
                    error->offset + 1, error->text);
}

int api_time(ApiCall *call, const char *name, uint64_t otherwise, uint64_t *ret_ns)
{
    Str text = api_parameter(call, name);
    ParseError error = {0};

    if (text.len == 0) {
        *ret_ns = otherwise;
        return 0;
    }
    if (time_parse(text, call->now_ns, ret_ns, &error) != 0) {
        return fail_value(call, name, &error,
                          "times: 2026-11-21T08:02:03Z, Unix seconds or milliseconds, now, -15m");
    }
    return 0;
}

int api_duration(ApiCall *call, const char *name, uint64_t otherwise, uint64_t *ret_ns)
{
    Str text = api_parameter(call, name);
    ParseError error = {0};

    if (text.len == 0) {
        *ret_ns = otherwise;
        return 0;
    }
    if (duration_parse(text, true, ret_ns, &error) != 0) {
        return fail_value(call, name, &error, "durations: 1.5s, 100ms, 1h30m, or seconds");
    }
    return 0;
}

int api_number(ApiCall *call, const char *name, uint64_t otherwise, uint64_t *ret_value)
{
    Str text = api_parameter(call, name);

    if (text.len == 0) {
        *ret_value = otherwise;
        return 0;
    }
    if (str_parse_u64(text, ret_value) != 0) {
        return api_fail(call, API_BAD_PARAMETER, "write it in decimal digits",
                        "%s is not a whole number", name);
    }
    return 0;
}

int api_flag(ApiCall *call, const char *name, bool otherwise, bool *ret_value)
{
    Str text = api_parameter(call, name);

    if (!api_has_parameter(call, name)) {
        *ret_value = otherwise;
    } else if (text.len == 0 || str_equal(text, STR("true")) || str_equal(text, STR("1"))) {
        *ret_value = true;
    } else if (str_equal(text, STR("false")) || str_equal(text, STR("0"))) {
        *ret_value = false;
    } else {
        return api_fail(call, API_BAD_PARAMETER, "write true or false",
                        "%s is neither true nor false", name);
    }
    return 0;
}

int api_limit(ApiCall *call, size_t otherwise, size_t *ret_limit)
{
    uint64_t limit = 0;

    TRY(api_number(call, "limit", otherwise, &limit));
    if (limit == 0 || limit > API_LIMIT_MAX) {
        return api_fail(call, API_BAD_PARAMETER, "ask for more by the cursor",
                        "limit is from 1 to %d", API_LIMIT_MAX);
    }
    *ret_limit = limit;
    return 0;
}

int api_window(ApiCall *call, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
    uint64_t from = 0, to = 0;

    TRY(api_time(call, "from", 0, &from));
    TRY(api_time(call, "to", UINT64_MAX, &to));
    if (from > to) {
        return api_fail(call, API_BAD_PARAMETER, "swap them", "from is after to");
    }
    *ret_from_ns = from;
    *ret_to_ns = to;
    return 0;
}

void minutes_of_window(uint64_t from_ns, uint64_t to_ns, uint32_t *ret_from, uint32_t *ret_to)
{
    uint64_t to = to_ns / NS_PER_MINUTE + (to_ns % NS_PER_MINUTE > 0);

    *ret_from = (uint32_t)(from_ns / NS_PER_MINUTE);
    /* 2^64 ns are less than 2^29 minutes; the last whole one can be told as a time. */
    *ret_to = (uint32_t)MIN(to, UINT64_MAX / NS_PER_MINUTE);
}
