// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "serve/http/http1_parse.h"
#include "serve/http/router.h"

/* A request head as sent, then its path through the router and its query through the decoder. */
static void handle(void *context, Exchange *exchange)
{
}

static const Route routes[] = {
    {HTTP_GET, "/", handle, NULL},
    {HTTP_GET, "/api/v1/traces/{id}", handle, NULL},
    {HTTP_GET, "/api/v1/traces/{a}/diff/{b}", handle, NULL},
    {HTTP_POST, "/v1/traces", handle, NULL},
    {HTTP_GET, "/{rest...}", handle, NULL},
};

static void fuzz_target(Str path, Str query)
{
    Router *router = router_new(routes, ARRAY_LEN(routes));
    Arena arena = {0};
    RouteMatch match;
    Buf value = {0};

    for (HttpMethod method = HTTP_GET; method <= HTTP_OTHER; method++) {
        if (router_match(router, method, path, &arena, &match) == 0) {
            ASSERT(match.route != NULL && match.n_parameters <= ROUTE_PARAMETERS_MAX);
        }
    }
    if (query_parameter(query, STR("q"), &value)) {
        ASSERT(value.len <= query.len);
    }
    buf_deinit(&value);
    arena_deinit(&arena);
    router_free(router);
}

static void fuzz_chunks(Str bytes)
{
    ChunkDecoder decoder = {0};
    size_t total = 0;
    Str data;

    while (bytes.len > 0) {
        size_t before = bytes.len;
        int r = chunk_decode(&decoder, &bytes, &data);

        ASSERT(bytes.len < before || r != 0);
        total += data.len;
        if (r != 0) {
            break;
        }
    }
    ASSERT(total <= SIZE_MAX / 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str bytes = str_from_bytes(data, size);
    Arena arena = {0};
    Http1Head head;
    size_t scanned = 0, length = 0;
    ParseError error;

    if (http1_head_end(bytes, &scanned, &length)) {
        ASSERT(length <= size);
        if (http1_head_parse(str_slice(bytes, 0, length), &arena, &head, &error) == 0) {
            fuzz_target(head.path, head.query);
        }
        fuzz_chunks(str_slice(bytes, length, size));
    } else {
        fuzz_target(bytes, bytes);
        fuzz_chunks(bytes);
    }
    arena_deinit(&arena);
    return 0;
}
