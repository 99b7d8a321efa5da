// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"
#include "serve/http/exchange.h"

/*
 * The terminal's side of the API, on libcurl: one request at a time. Not thread-safe; one Client a
 * thread.
 */
typedef struct Client Client;

enum { CLIENT_BODY_MAX = 1 << 30, CLIENT_TIMEOUT_S = 60 };

/* @base_url like "http://localhost:16686". */
Client *client_new(const char *base_url);
Client *client_free(Client *client);

/* GET @path_and_query. Returns the HTTP status with the body appended to @body; < 0 with a sentence
 * in @why when nobody answered. */
int client_get(Client *client, const char *path_and_query, Buf *body, Buf *why);

/* As client_get, with the method DELETE. */
int client_delete(Client *client, const char *path, Buf *body, Buf *why);

typedef struct ClientPost {
    const char *path;
    const char *content_type;
    const char *encoding; /* what @body is compressed with; NULL: nothing */
    Str body;
    bool grpc; /* HTTP/2 with prior knowledge; @body is one message, framed here */
} ClientPost;

/* As client_get. For gRPC the answer is 200 when grpc-status is 0, 429 for RESOURCE_EXHAUSTED, 503
 * for UNAVAILABLE, else 400, with grpc-message as the body. */
int client_post(Client *client, const ClientPost *post, Buf *body, Buf *why);

/* Percent-encodes @text behind @buf's content. */
static inline void client_append_encoded(Buf *buf, Str text)
{
    percent_encode(text, buf);
}
