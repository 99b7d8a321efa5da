// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "serve/mcp/mcp.h"

/* Any body gets an answer, and one that is no notification gets JSON. Without routes, so tools have
 * nothing to ask. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ApiEndpoint endpoint = {HTTP_POST, "/mcp", mcp_post, API_NATIVE,
                                         NULL,      NULL,   false};
    static ApiContext api = {.clock = &clock_system, .version = "0"};
    const ApiBinding binding = {.api = &api, .endpoint = &endpoint};
    const Request request = {
        .method = HTTP_POST, .path = STR("/mcp"), .body = str_from_bytes((const char *)data, size)};
    Response response = {0};

    api_answer(&binding, &request, STR(""), &response);
    ASSERT(response.status == 202 || response.body.len > 0);
    if (response.body.len > 0) {
        JsonReader reader;

        json_reader_init(&reader, buf_str(&response.body), NULL);
        ASSERT(json_skip(&reader, NULL) == 0 && json_end(&reader) == 0);
    }
    buf_deinit(&response.body);
    return 0;
}
