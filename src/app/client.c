// SPDX-License-Identifier: Apache-2.0
#include "app/client.h"

#include <curl/curl.h>

#include "base/memory.h"

/* google.rpc.Code */
enum { GRPC_OK = 0, GRPC_RESOURCE_EXHAUSTED = 8, GRPC_UNAVAILABLE = 14, GRPC_PREFIX = 5 };

struct Client {
    CURL *curl;
    Buf base, url, framed;
};

/* What a transfer collects. */
typedef struct Transfer {
    Buf *body;
    int64_t grpc_status; /* -1: the server sent none */
    Buf grpc_message;
} Transfer;

Client *client_new(const char *base_url)
{
    Client *client = NEW(Client);
    Str base = str_from_cstr(base_url);

    while (base.len > 0 && base.ptr[base.len - 1] == '/') {
        base.len--;
    }
    client->curl = curl_easy_init();
    buf_append_str(&client->base, base);
    return client;
}

Client *client_free(Client *client)
{
    if (client != NULL) {
        curl_easy_cleanup(client->curl);
        buf_deinit(&client->base);
        buf_deinit(&client->url);
        buf_deinit(&client->framed);
        mem_free(client);
    }
    return NULL;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    Transfer *transfer = context;
    size_t len = size * count;

    if (transfer->body->len + len > CLIENT_BODY_MAX) {
        return 0;
    }
    buf_append(transfer->body, bytes, len);
    return len;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    Transfer *transfer = context;
    Str name, value;

    str_split(str_from_bytes(bytes, size * count), ':', &name, &value);
    value = str_trim(value);
    if (str_equal_nocase(name, STR("grpc-status"))) {
        if (str_parse_i64(value, &transfer->grpc_status) != 0) {
            transfer->grpc_status = -1;
        }
    } else if (str_equal_nocase(name, STR("grpc-message"))) {
        buf_clear(&transfer->grpc_message);
        buf_append_str(&transfer->grpc_message, value);
    }
    return size * count;
}

static void prepare(Client *client, const char *path, Transfer *transfer)
{
    buf_clear(&client->url);
    buf_append_str(&client->url, buf_str(&client->base));
    buf_append_str(&client->url, str_from_cstr(path));
    curl_easy_reset(client->curl);
    curl_easy_setopt(client->curl, CURLOPT_URL, buf_cstr(&client->url));
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(client->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(client->curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, (long)CLIENT_TIMEOUT_S);
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_USERAGENT, "weft/" WEFT_VERSION);
}

static int perform(Client *client, Buf *why)
{
    CURLcode code = curl_easy_perform(client->curl);
    long status = 0;

    if (code != CURLE_OK) {
        buf_append_format(why, "no answer from %s: %s", buf_cstr(&client->base),
                          curl_easy_strerror(code));
        return -EIO;
    }
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

int client_get(Client *client, const char *path_and_query, Buf *body, Buf *why)
{
    Transfer transfer = {.body = body};

    prepare(client, path_and_query, &transfer);
    curl_easy_setopt(client->curl, CURLOPT_ACCEPT_ENCODING, "");
    return perform(client, why);
}

int client_delete(Client *client, const char *path, Buf *body, Buf *why)
{
    Transfer transfer = {.body = body};

    prepare(client, path, &transfer);
    curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, "DELETE");
    return perform(client, why);
}

static int grpc_outcome(Transfer *transfer, int status, Buf *body)
{
    if (status != 200 || transfer->grpc_status == GRPC_OK) {
        return status;
    }
    buf_clear(body);
    buf_append_str(body, buf_str(&transfer->grpc_message));
    return transfer->grpc_status == GRPC_RESOURCE_EXHAUSTED ? 429
           : transfer->grpc_status == GRPC_UNAVAILABLE      ? 503
                                                            : 400;
}

/* gRPC's length-prefixed message. */
static Str frame(Client *client, Str message, bool compressed)
{
    uint32_t len = (uint32_t)message.len;
    const uint8_t prefix[GRPC_PREFIX] = {compressed, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                                         (uint8_t)(len >> 8), (uint8_t)len};

    buf_clear(&client->framed);
    buf_append(&client->framed, prefix, sizeof(prefix));
    buf_append_str(&client->framed, message);
    return buf_str(&client->framed);
}

int client_post(Client *client, const ClientPost *post, Buf *body, Buf *why)
{
    Transfer transfer = {.body = body, .grpc_status = -1};
    CLEANUP(buf_deinit) Buf header = {0};
    struct curl_slist *headers = NULL;
    Str content = post->grpc ? frame(client, post->body, post->encoding != NULL) : post->body;

    prepare(client, post->path, &transfer);
    buf_append_format(&header, "Content-Type: %s", post->content_type);
    headers = curl_slist_append(headers, buf_cstr(&header));
    headers = curl_slist_append(headers, "Expect:");
    if (post->encoding != NULL) {
        buf_clear(&header);
        buf_append_format(&header, "%s: %s", post->grpc ? "grpc-encoding" : "Content-Encoding",
                          post->encoding);
        headers = curl_slist_append(headers, buf_cstr(&header));
    }
    if (post->grpc) {
        headers = curl_slist_append(headers, "TE: trailers");
        curl_easy_setopt(client->curl, CURLOPT_HTTP_VERSION,
                         (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
        /* libcurl before 8.0.0 speaks HTTP/1 on a reused connection with prior knowledge. */
        curl_easy_setopt(client->curl, CURLOPT_FORBID_REUSE,
                         (long)(curl_version_info(CURLVERSION_NOW)->version_num < 0x080000));
    }
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, content.ptr);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)content.len);
    int status = perform(client, why);
    curl_slist_free_all(headers);
    if (status > 0 && post->grpc) {
        status = grpc_outcome(&transfer, status, body);
    }
    buf_deinit(&transfer.grpc_message);
    return status;
}
