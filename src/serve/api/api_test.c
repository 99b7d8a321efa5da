// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/log.h"
#include "serve/api/api.h"
#include "serve/api/metrics.h"
#include "serve/http/router.h"
#include "wire/otlp.h"

/*
 * The query APIs on a real store in a directory of its own, without sockets: requests go through
 * the router to api_answer(), as a listener would send them.
 */
typedef struct Fixture {
    char directory[64];
    FileSystem *fs;
    Map *map;
    Assembly *assembly;
    Store *store;
    Pool *pool;
    ApiContext api;
    Router *router;
    Buf body; /* of the last answer */
    int status;
} Fixture;

static Fixture fixture;

static const Attribute web_attributes[] = {
    {.key = {"service.name", 12}, .value = {.type = VALUE_STRING, .string = {"web", 3}}}};
static const Attribute cart_attributes[] = {
    {.key = {"service.name", 12}, .value = {.type = VALUE_STRING, .string = {"cart", 4}}}};
static const Attribute route_attributes[] = {
    {.key = {"http.route", 10}, .value = {.type = VALUE_STRING, .string = {"/cart", 5}}}};
static const Resource web = {.attributes = {web_attributes, 1}};
static const Resource cart = {.attributes = {cart_attributes, 1}};
static const Scope scope = {.name = {"test", 4}};

static void appended(void *context, int result)
{
    *(_Atomic int *)context = result == 0 ? 1 : -1;
}

/* Waits until the spans are on disk. */
static void store_spans(const Span *spans, size_t n)
{
    StoreBatch *batch = store_batch_new();
    ParseError error;
    _Atomic int done = 0;

    otlp_write_protobuf(spans, n, &batch->body);
    assert_int_equal(
        otlp_read_protobuf(buf_str(&batch->body), &batch->arena, &batch->spans, &error), 0);
    assert_int_equal(store_append(fixture.store, batch, appended, &done), 0);
    while (done == 0) {
        struct timespec moment = {.tv_nsec = 100000};

        nanosleep(&moment, NULL);
    }
    assert_int_equal(done, 1);
}

static Span span_make(uint8_t trace, uint8_t id, uint8_t parent)
{
    uint64_t now = fixture.api.started_ns - 1000000000;
    Span span = {
        .name = STR("GET /"),
        .start_ns = now,
        .end_ns = now + 5000000,
        .kind = SPAN_KIND_SERVER,
        .resource = &web,
        .scope = &scope,
    };

    span.trace_id.bytes[15] = trace;
    span.span_id.bytes[7] = id;
    span.parent_span_id.bytes[7] = parent;
    return span;
}

/* web calls cart, in trace 1. */
static void store_call(void)
{
    Span spans[] = {span_make(1, 1, 0), span_make(1, 2, 1), span_make(1, 3, 2)};

    spans[0].attributes = (Attributes){route_attributes, 1};
    spans[1].kind = SPAN_KIND_CLIENT;
    spans[2].resource = &cart;
    spans[2].status_code = STATUS_ERROR;
    store_spans(spans, 3);
}

static void store_start(void)
{
    const char *why = "";
    AssemblyOptions assembly_options = {.map = fixture.map, .clock = &clock_system};
    fixture.assembly = assembly_new(&assembly_options);
    StoreOptions options = {
        .fs = fixture.fs,
        .decode = otlp_read_protobuf,
        .clock = &clock_system,
        .observer = assembly_observer(fixture.assembly),
    };

    assert_int_equal(store_open(&options, &fixture.store, &why), 0);
}

static int set_up(void **state)
{
    Route *routes = NULL;
    size_t n_routes = 0;

    fixture = (Fixture){.directory = "/tmp/weft-api-test-XXXXXX"};
    assert_non_null(mkdtemp(fixture.directory));
    assert_int_equal(fs_open_directory(fixture.directory, &fixture.fs), 0);
    fixture.map = map_new(&(MapOptions){0});
    store_start();
    assert_int_equal(pool_new("query", 1, 4, &fixture.pool), 0);
    fixture.api.store = fixture.store;
    fixture.api.map = fixture.map;
    fixture.api.assembly = fixture.assembly;
    fixture.api.pool = fixture.pool;
    fixture.api.clock = &clock_system;
    fixture.api.version = "1.2.3";
    fixture.api.started_ns = clock_realtime_ns(&clock_system);
    fixture.api.ready = true;
    api_routes(&fixture.api, &routes, &n_routes);
    fixture.router = router_new(routes, n_routes);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];

    router_free(fixture.router);
    pool_free(fixture.pool);
    store_close(fixture.store);
    assembly_free(fixture.assembly);
    map_free(fixture.map);
    fixture.fs->ops->free(fixture.fs);
    buf_deinit(&fixture.body);
    snprintf(command, sizeof(command), "rm -rf '%s'", fixture.directory);
    return system(command);
}

/* The body of GET @path?@query. */
static Str ask(const char *path, const char *query)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Request request = {
        .method = HTTP_GET, .path = str_from_cstr(path), .query = str_from_cstr(query)};
    RouteMatch match;
    Response response;
    Str item = STR("");

    assert_int_equal(router_match(fixture.router, HTTP_GET, request.path, &arena, &match), 0);
    if (match.n_parameters > 0) {
        item = match.parameters[0].value;
    }
    api_answer(match.route->context, &request, item, &response);
    buf_deinit(&fixture.body);
    fixture.body = response.body;
    fixture.status = response.status;
    return buf_str(&fixture.body);
}

static void assert_has(Str text, const char *part)
{
    if (str_find(text, str_from_cstr(part)) == text.len) {
        fail_msg("no %s in %.*s", part, STR_ARG(text));
    }
}

static void assert_lacks(Str text, const char *part)
{
    if (str_find(text, str_from_cstr(part)) < text.len) {
        fail_msg("%s in %.*s", part, STR_ARG(text));
    }
}

#define TRACE_1 "00000000000000000000000000000001"

static void what_was_acknowledged_is_found_at_once(void **state)
{
    Str answer;

    store_call();
    answer = ask("/api/v1/traces/" TRACE_1, "");
    assert_int_equal(fixture.status, 200);
    assert_has(answer, "\"service\":\"cart\",\"depth\":2,");
    assert_has(answer, "\"self_time_ns\":0,");
    assert_has(answer, "\"relation\":\"calls\"");
    assert_has(answer, "\"source_name\":\"web\",\"target_name\":\"cart\"}]}]}");
    answer = ask("/api/v1/traces", "q=%7B+resource.service.name+%3D+%22cart%22+%7D");
    assert_has(answer, "\"root_service\":\"web\",\"root_name\":\"GET /\"");
    assert_has(answer,
               "\"services\":[{\"name\":\"cart\",\"spans\":1},{\"name\":\"web\",\"spans\":2}]");
    assert_has(answer, "\"cursor\":null,\"truncated\":false");
    answer = ask("/api/v1/traces", "q=%7B+resource.service.name+%3D+%22no%22+%7D");
    assert_has(answer, "{\"items\":[],\"cursor\":null");
}

static void an_outline_has_columns_and_spans_come_whole_by_id(void **state)
{
    Str answer;

    store_call();
    answer = ask("/api/v1/traces/" TRACE_1 "/outline", "");
    assert_int_equal(fixture.status, 200);
    assert_has(answer, "\"span_id\":[\"0000000000000001\",\"0000000000000002\",");
    assert_has(answer, "\"depth\":[0,1,2],\"name\":[0,0,0],\"service\":[1,1,2],\"kind\":[2,3,2],");
    assert_has(answer, "\"failed\":[2],\"orphaned\":[],");
    assert_has(answer, "\"map\":[[2,0]],\"edges\":[{\"edge\":");
    assert_has(answer, "\"texts\":[\"GET /\",\"web\",\"cart\"]}");
    assert_lacks(answer, "http.route");
    answer = ask("/api/v1/traces/" TRACE_1 "/spans", "span_id=1,9");
    assert_int_equal(fixture.status, 200);
    assert_has(answer,
               "{\"items\":[{\"trace_id\":\"" TRACE_1 "\",\"span_id\":\"0000000000000001\",");
    assert_has(answer, "http.route");
    assert_lacks(answer, "\"0000000000000002\"");
    assert_has(answer, "\"links\":[]}],\"cursor\":null}");
}

static void a_map_that_waits_has_the_call(void **state)
{
    Str answer;

    store_call();
    answer = ask("/api/v1/map", "from=-1h&to=now&wait=true");
    assert_int_equal(fixture.status, 200);
    assert_has(answer, "\"relation\":\"calls\",\"count\":1,\"errors\":1,\"adjusted_count\":1");
    assert_has(answer, "\"rules\":{\"paired\":1}");
    assert_has(answer, "\"type\":\"service\",\"name\":\"cart\"");
    assert_has(answer, "\"truncated\":null");
    answer = ask("/api/v1/services", "");
    assert_has(answer,
               "\"name\":\"web\",\"namespace\":\"\",\"environment\":\"\",\"scope\":\"default\","
               "\"spans\":2,\"requests\":1,\"errors\":0,\"duration\":{\"p50_ns\":");
    answer = ask("/api/v1/services/cart/operations", "");
    assert_has(answer,
               "{\"name\":\"GET /\",\"kind\":\"server\",\"spans\":1,\"requests\":1,\"errors\":1");
    answer = ask("/api/v1/operations", "service=web&service=cart&service=nobody&limit=5");
    assert_has(answer,
               "{\"items\":[{\"name\":\"cart\",\"namespace\":\"\",\"environment\":\"\","
               "\"scope\":\"default\",\"operations\":1,"
               "\"busiest\":[{\"name\":\"GET /\",\"requests\":1,\"errors\":1,\"duration\":");
    assert_has(answer, "{\"name\":\"web\",");
    assert_lacks(answer, "nobody");
    answer = ask("/api/dependencies", "");
    assert_has(answer, "{\"parent\":\"web\",\"child\":\"cart\",\"callCount\":1}");
}

static void pages_go_on_where_the_last_one_ended(void **state)
{
    CLEANUP(buf_deinit) Buf query = {0};
    Span spans[5];
    size_t seen = 0, at, pages = 0;
    Str answer;

    for (uint8_t i = 0; i < 5; i++) {
        spans[i] = span_make((uint8_t)(i + 1), 1, 0);
        spans[i].start_ns += i;
    }
    store_spans(spans, 5);
    buf_append_str(&query, STR("limit=2"));
    do {
        answer = ask("/api/v1/traces", buf_cstr(&query));
        assert_int_equal(fixture.status, 200);
        for (at = 0; (at = at + str_find(str_slice(answer, at, answer.len), STR("\"trace_id\""))) <
                     answer.len;
             at++) {
            seen++;
        }
        at = str_find(answer, STR("\"cursor\":\""));
        buf_clear(&query);
        if (at < answer.len) {
            size_t from = at + 10;

            buf_append_str(&query, STR("limit=2&cursor="));
            buf_append_str(&query, str_slice(answer, from, str_find_byte(answer, '"', from)));
        }
        pages++;
    } while (query.len > 0);
    assert_int_equal(seen, 5);
    assert_int_equal(pages, 3);
}

static void errors_are_told_with_code_and_hint(void **state)
{
    assert_has(ask("/api/v1/traces", "nope=1"), "{\"error\":{\"code\":\"unknown_parameter\"");
    assert_int_equal(fixture.status, 400);
    assert_has(ask("/api/v1/traces", "q=%7B+duration+%3E+%7D"),
               "\"code\":\"bad_query\",\"message\":\"q, at character 14: a field or a value");
    assert_has(ask("/api/v1/traces", "from=never"), "\"code\":\"bad_parameter\"");
    assert_has(ask("/api/v1/traces", "limit=1001"), "\"code\":\"bad_parameter\"");
    assert_has(ask("/api/v1/traces", "q=%zz"), "\"code\":\"bad_parameter\"");
    assert_has(ask("/api/v1/traces", "cursor=zz"), "\"code\":\"bad_cursor\"");
    assert_has(ask("/api/v1/traces/0a", ""), "\"code\":\"trace_not_found\"");
    assert_int_equal(fixture.status, 404);
    assert_has(ask("/api/v1/traces/xyz", ""), "\"code\":\"bad_parameter\"");
    assert_has(ask("/api/v1/traces/0a/outline", ""), "\"code\":\"trace_not_found\"");
    assert_has(ask("/api/v1/traces/0a/spans", "span_id=1"), "\"code\":\"trace_not_found\"");
    assert_has(ask("/api/v1/traces/0a/spans", ""), "\"code\":\"bad_parameter\"");
    assert_has(ask("/api/v1/traces/0a/spans", "span_id=1,x"), "span_id has \\\"x\\\"");
    assert_has(ask("/api/v1/nodes/xyz", ""), "\"code\":\"not_found\"");
    assert_has(ask("/api/v1/attributes/name/values", ""), "\"code\":\"bad_parameter\"");
    assert_has(ask("/api/v1/nothing", ""), "\"code\":\"not_found\"");
}

static void jaeger_ignores_what_it_does_not_know_and_fails_in_its_own_words(void **state)
{
    Str answer;

    store_call();
    answer = ask("/api/services", "grafana=1");
    assert_has(
        answer,
        "{\"data\":[\"cart\",\"web\"],\"total\":2,\"limit\":0,\"offset\":0,\"errors\":null}");
    answer = ask("/api/traces", "service=cart&tags=%7B%22error%22%3A%22true%22%7D&lookback=custom");
    assert_has(answer, "{\"data\":[{\"traceID\":\"0000000000000001\",\"spans\":[");
    answer = ask("/api/traces", "service=web&tag=http.route%3A%2Fcart&tag=error%3Atrue");
    assert_has(answer, "{\"data\":[],");
    answer = ask("/api/traces", "");
    assert_has(answer,
               "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":400,"
               "\"msg\":\"parameter 'service' is required\"}]}");
    answer = ask("/api/traces/0a", "");
    assert_has(answer, "\"errors\":[{\"code\":404,\"msg\":\"trace not found\"}]");
    answer = ask("/api/v3/traces/" TRACE_1, "");
    assert_has(answer, "{\"result\":{\"resourceSpans\":[");
    answer = ask("/api/v3/traces/0a", "");
    assert_has(answer, "{\"error\":{\"httpCode\":404,\"message\":\"No traces found\"}}");
}

static void status_metrics_and_health_are_answered(void **state)
{
    Str answer;

    store_call();
    ask("/api/v1/map", "wait=true");
    answer = ask("/api/v1/status", "");
    assert_has(answer, "{\"version\":\"1.2.3\",");
    assert_has(answer, "\"spans\":{\"stored\":3,");
    answer = ask("/metrics", "");
    assert_has(answer, "\nweft_store_spans 3\n");
    assert_has(answer, "# TYPE weft_store_commits_total counter\n");
    assert_lacks(answer, "\n\n");
    assert_has(ask("/healthz", ""), "ok\n");
    assert_has(ask("/readyz", ""), "ready\n");
    assert_has(ask("/openapi.yaml", ""), "openapi: 3.1.0");
}

/* WEFT_UPDATE=1 writes the page anew. */
static void the_reference_page_has_every_metric_and_error(void **state)
{
    CLEANUP(buf_deinit) Buf document = {0};
    CLEANUP(buf_deinit) Buf path = {0};
    CLEANUP(buf_deinit) Buf page = {0};
    const char *root = getenv("WEFT_SOURCE_ROOT");
    bool update = getenv("WEFT_UPDATE") != NULL;
    FILE *file;

    if (root == NULL) {
        printf("WEFT_SOURCE_ROOT is not set: skipped\n");
        return;
    }
    metrics_document(&document);
    buf_append_format(&path, "%s/docs/guide/reference.md", root);
    file = fopen(buf_cstr(&path), update ? "w" : "r");
    assert_non_null(file);
    if (update) {
        assert_int_equal(fwrite(document.ptr, 1, document.len, file), document.len);
    } else {
        uint8_t *bytes = buf_grow(&page, document.len + 1);

        page.len = fread(bytes, 1, document.len + 1, file);
        assert_true(str_equal(buf_str(&page), buf_str(&document)));
    }
    assert_int_equal(fclose(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_is_found_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_outline_has_columns_and_spans_come_whole_by_id, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_map_that_waits_has_the_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pages_go_on_where_the_last_one_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_are_told_with_code_and_hint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            jaeger_ignores_what_it_does_not_know_and_fails_in_its_own_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(status_metrics_and_health_are_answered, set_up, tear_down),
        cmocka_unit_test(the_reference_page_has_every_metric_and_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
