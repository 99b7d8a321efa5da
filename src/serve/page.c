// SPDX-License-Identifier: Apache-2.0
#include "serve/page.h"

#include "codec/compress.h"

enum { PAGE_FILE_MAX = 16 << 20 };

static const PageFile *find_file(Str path)
{
    for (size_t i = 0; i < page_n_files; i++) {
        if (str_equal(path, str_from_cstr(page_files[i].path))) {
            return &page_files[i];
        }
    }
    return NULL;
}

/* Whether a missing path may be a view of the page (/trace/ID, as Jaeger's page has it) rather than
 * a missing file or API. */
static bool is_view(Str path)
{
    size_t slash = path.len;

    while (slash > 0 && path.ptr[slash - 1] != '/') {
        slash--;
    }
    return !str_starts_with(path, STR("/api/")) && !str_equal(path, STR("/api")) &&
           str_find_byte(path, '.', slash) == path.len;
}

/* Views live behind # at the root, where the page's files are: /search?q=x is /#/search?q=x. */
static void respond_view(Exchange *exchange)
{
    const Request *request = exchange_request(exchange);
    CLEANUP(buf_deinit) Buf location = {0};
    Response response = {.status = 302, .content_type = STR("text/plain; charset=utf-8")};

    buf_append_str(&location, STR("/#"));
    buf_append_str(&location, request->path);
    if (request->query.len > 0) {
        buf_append_byte(&location, '?');
        buf_append_str(&location, request->query);
    }
    response.location = buf_str(&location);
    exchange_respond(exchange, &response);
}

static bool accepts_gzip(const Exchange *exchange)
{
    Str accepted = exchange_header(exchange, STR("accept-encoding"));

    return str_find(accepted, STR("gzip")) < accepted.len;
}

static void respond_file(Exchange *exchange, const PageFile *file)
{
    Response response = {
        .status = 200,
        .content_type = str_from_cstr(file->content_type),
        .etag = str_from_cstr(file->etag),
        .cache_control =
            file->immutable ? STR("public, max-age=31536000, immutable") : STR("no-cache"),
    };
    Str content = str_from_bytes(file->gzip, file->gzip_size);

    if (str_equal(exchange_header(exchange, STR("if-none-match")), response.etag)) {
        response.status = 304;
    } else if (accepts_gzip(exchange)) {
        response.content_encoding = STR("gzip");
        buf_append_str(&response.body, content);
    } else if (decompress(ENCODING_GZIP, content, PAGE_FILE_MAX, &response.body) != 0) {
        response.status = 500;
    }
    exchange_respond(exchange, &response);
}

void page_handle(void *context, Exchange *exchange)
{
    Str path = exchange_request(exchange)->path;
    const PageFile *file = find_file(str_equal(path, STR("/")) ? STR("/index.html") : path);

    (void)context;
    if (file == NULL && is_view(path)) {
        respond_view(exchange);
        return;
    }
    if (file != NULL) {
        respond_file(exchange, file);
        return;
    }
    Response response = {.status = 404, .content_type = STR("application/json")};
    buf_append_str(
        &response.body,
        STR("{\"error\":{\"code\":\"not_found\",\"message\":\"there is nothing at this path\","
            "\"hint\":\"the API is described at /api/v1/openapi.yaml\"}}\n"));
    exchange_respond(exchange, &response);
}
