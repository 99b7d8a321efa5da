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

/* Whether a missing path should show the page (a view's URL) rather than 404 (a missing file or
 * API). */
static bool is_view(Str path)
{
    size_t slash = path.len;

    while (slash > 0 && path.ptr[slash - 1] != '/') {
        slash--;
    }
    return !str_starts_with(path, STR("/api/")) && str_find_byte(path, '.', slash) == path.len;
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
    const PageFile *file = find_file(path);

    (void)context;
    if (file == NULL && is_view(path)) {
        file = find_file(STR("/index.html"));
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
