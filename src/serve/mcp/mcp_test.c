// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/mcp/digest.h"
#include "serve/mcp/mcp.h"

/*
 * The protocol without a store: an API without routes, so that a tool has nothing to ask. With a
 * store and with official clients: tests/e2e/test_mcp.py.
 */
static const ApiEndpoint endpoint = {HTTP_POST, "/mcp", mcp_post, API_NATIVE, NULL, NULL, false};
static ApiContext api;

typedef struct Answer {
    int status;
    Buf body;
} Answer;

static void answer_deinit(Answer *answer)
{
    buf_deinit(&answer->body);
}

static void post(const char *body, Answer *ret_answer)
{
    const ApiBinding binding = {.api = &api, .endpoint = &endpoint};
    const Request request = {.method = HTTP_POST, .path = STR("/mcp"), .body = str_from_cstr(body)};
    Response response = {0};

    api.clock = &clock_system;
    api.version = "1.2.3";
    api_answer(&binding, &request, STR(""), &response);
    buf_deinit(&ret_answer->body);
    *ret_answer = (Answer){.status = response.status, .body = response.body};
}

static bool says(const Answer *answer, const char *text)
{
    Str body = buf_str(&answer->body);

    return str_find(body, str_from_cstr(text)) < body.len;
}

#define META                                                                                       \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"

static void a_handshake_agrees_on_a_revision_that_both_know(void **state)
{
    CLEANUP(answer_deinit) Answer answer = {0};

    post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
         "\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{\"name\":\"x\",\"version\":\"1\"}}}",
         &answer);
    assert_int_equal(answer.status, 200);
    assert_true(says(&answer, "\"id\":1,\"result\":{\"protocolVersion\":\"2025-06-18\""));
    assert_true(says(&answer, "\"version\":\"1.2.3\""));
    post("{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"initialize\",\"params\":"
         "{\"protocolVersion\":\"1999-01-01\"}}",
         &answer);
    assert_true(says(&answer, "\"id\":\"a\",\"result\":{\"protocolVersion\":\"2025-11-25\""));
}

static void a_notification_is_taken_without_words(void **state)
{
    CLEANUP(answer_deinit) Answer answer = {0};

    post("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", &answer);
    assert_int_equal(answer.status, 202);
    assert_int_equal(answer.body.len, 0);
}

static void the_stateless_revision_carries_its_version_in_each_request(void **state)
{
    CLEANUP(answer_deinit) Answer answer = {0};

    post("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"server/discover\",\"params\":{" META "}}",
         &answer);
    assert_int_equal(answer.status, 200);
    assert_true(says(&answer, "\"resultType\":\"complete\""));
    assert_true(says(&answer, "\"supportedVersions\":[\"2026-07-28\","));
    post("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\",\"params\":{\"_meta\":{"
         "\"io.modelcontextprotocol/protocolVersion\":\"2030-01-01\","
         "\"io.modelcontextprotocol/clientCapabilities\":{}}}}",
         &answer);
    assert_int_equal(answer.status, 400);
    assert_true(says(&answer, "\"code\":-32022"));
    assert_true(says(&answer, "\"requested\":\"2030-01-01\""));
    post("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\",\"params\":{\"_meta\":{"
         "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}",
         &answer);
    assert_true(says(&answer, "\"code\":-32602"));
    post("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"resources/list\",\"params\":{" META "}}",
         &answer);
    assert_int_equal(answer.status, 404);
}

static void every_tool_is_listed_with_a_schema(void **state)
{
    CLEANUP(answer_deinit) Answer answer = {0};

    post("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}", &answer);
    assert_int_equal(answer.status, 200);
    assert_true(says(&answer, "\"name\":\"get_map\""));
    assert_true(says(&answer, "\"inputSchema\":{\"type\":\"object\""));
    assert_true(says(&answer, "\"required\":[\"id\"]"));
}

static void what_is_wrong_is_told_in_the_protocol_s_words(void **state)
{
    static const struct {
        const char *body, *says;
        int status;
    } cases[] = {
        {"{\"jsonrpc\":", "\"id\":null,\"error\":{\"code\":-32700", 400},
        {"[]", "\"code\":-32700", 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", "\"code\":-32600", 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1}", "\"code\":-32600", 400},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no\"}", "\"code\":-32601", 200},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"no\"}}",
         "\"code\":-32602", 200},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":5}", "\"code\":-32602",
         200},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
         "\"get_trace\"}}",
         "get_trace needs the argument id\"}],\"isError\":true", 200},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
         "\"get_trace\",\"arguments\":{\"what\":1}}}",
         "get_trace has no argument what\"}],\"isError\":true", 200},
    };
    CLEANUP(answer_deinit) Answer answer = {0};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        post(cases[i].body, &answer);
        assert_int_equal(answer.status, cases[i].status);
        assert_true(says(&answer, cases[i].says));
    }
}

static void a_digest_has_names_for_ids_and_units(void **state)
{
    static const DigestTable tables[] = {
        {"edges", "Edges", "source target count duration.p99_ns", "count", 1}, {0}};
    CLEANUP(buf_deinit) Buf text = {0};

    digest_write(
        STR("{\"from\":\"now\",\"nodes\":[{\"id\":\"n1\",\"type\":\"service\",\"name\":\"web\"},"
            "{\"id\":\"n2\",\"type\":\"table\",\"name\":\"shop\",\"collection\":\"orders\"}],"
            "\"edges\":[{\"source\":\"n1\",\"target\":\"n9\",\"count\":1},{\"source\":\"n1\","
            "\"target\":\"n2\",\"count\":7,\"duration\":{\"p99_ns\":1500000}}]}"),
        "from to", tables, &text);
    assert_true(str_equal(buf_str(&text), STR("from: now\n\nEdges (2, 1 shown):\n"
                                              "source | target | count | duration.p99_ns\n"
                                              "web | shop.orders | 7 | 1.5 ms\n")));
}

static void a_digest_takes_any_text(void **state)
{
    static const DigestTable tables[] = {{"edges", "Edges", "source", NULL, 1}, {0}};
    static const char *const texts[] = {"", "{", "[]", "{\"edges\":5}", "{\"edges\":[5,{}]}"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(buf_deinit) Buf text = {0};

        digest_write(str_from_cstr(texts[i]), "from", tables, &text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_agrees_on_a_revision_that_both_know),
        cmocka_unit_test(a_notification_is_taken_without_words),
        cmocka_unit_test(the_stateless_revision_carries_its_version_in_each_request),
        cmocka_unit_test(every_tool_is_listed_with_a_schema),
        cmocka_unit_test(what_is_wrong_is_told_in_the_protocol_s_words),
        cmocka_unit_test(a_digest_has_names_for_ids_and_units),
        cmocka_unit_test(a_digest_takes_any_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
