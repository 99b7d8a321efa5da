// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * One request and its answer, the same for HTTP/1.1, HTTP/2 and gRPC, so that a handler is written
 * once.
 *
 * A handler is called on the loop thread of the connection, when the whole body is there. It
 * answers at once or later, from any thread, exactly once. If the client has gone meanwhile, the
 * answer goes nowhere and costs nothing; the Exchange itself lives until it was answered.
 */
typedef struct Exchange Exchange;

typedef enum HttpMethod {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
} HttpMethod;

typedef struct Request {
    HttpMethod method;
    Str method_text;
    Str path;         /* percent-encoded as sent, without the query */
    Str query;        /* behind '?', as sent; empty when there is none */
    Str content_type; /* as sent, parameters included */
    Str encoding;     /* Content-Encoding, or for gRPC the message's encoding; empty: identity */
    Str body;         /* still compressed; for gRPC one message without its prefix */
    bool is_grpc;
    Str peer; /* address text, for logs */
} Request;

/* What the handler answers. @body is taken over and left empty. */
typedef struct Response {
    int status; /* HTTP status; for gRPC 200 with @grpc_status */
    Str content_type;
    Buf body;
    int grpc_status;        /* google.rpc.Code; read for gRPC requests only */
    Str grpc_message;       /* for grpc_status != 0; percent-encoded by the transport */
    uint32_t retry_after_s; /* 0: no Retry-After; for gRPC also google.rpc.RetryInfo in
                               grpc-status-details-bin */
    Str location;           /* redirects */
    Str cache_control;
    Str content_encoding; /* when the body is stored compressed (the page's files) */
    Str etag;
    Str allow; /* 405 */
} Response;

typedef void (*Handler)(void *context, Exchange *exchange);

/* The request; lives until the exchange was answered. */
const Request *exchange_request(const Exchange *exchange);

/* Hands the body over into the empty @buf, uncopied, if that is the whole of what was received (not
 * for gRPC, whose message stands behind a prefix). Returns whether it did; the request's view of
 * the body then lives as long as @buf. On the loop's thread, within the handler. */
bool exchange_take_body(Exchange *exchange, Buf *buf);

/* Value of the header @name (without case), or the empty view. */
Str exchange_header(const Exchange *exchange, Str name);

/* A parameter that the route's pattern bound, percent-decoded (`/traces/{id}`); empty when there is
 * none. */
Str exchange_parameter(const Exchange *exchange, Str name);

/* Whether the client has gone: whatever is answered, nobody reads it. From any thread. */
bool exchange_is_abandoned(const Exchange *exchange);

/* Answers. Strings in @response need to live only during the call. */
void exchange_respond(Exchange *exchange, Response *response);

/*
 * A streamed answer (Server-Sent Events, exports): begin, then any number of writes, then end; each
 * from any thread, one thread at a time. exchange_write returns 0; 1 when the client has gone or is
 * too slow (EXCHANGE_BACKLOG_MAX bytes unsent): the caller then ends, and the client sees a broken
 * answer, not a short one.
 *
 * For gRPC each write is one message of a server stream, given without its prefix, and the status
 * of exchange_begin's response goes into the trailers.
 */
enum { EXCHANGE_BACKLOG_MAX = 4 << 20 };

void exchange_begin(Exchange *exchange, const Response *response);
MUST_USE int exchange_write(Exchange *exchange, Str bytes);
void exchange_end(Exchange *exchange);

/* Bytes written and not yet sent, so that a producer can wait rather than be cut off. */
size_t exchange_backlog(const Exchange *exchange);

/* A query parameter, percent- and plus-decoded into @buf behind its content. Returns whether it is
 * there (the first one counts). */
bool query_parameter(Str query, Str name, Buf *buf);

/* Percent-decodes @text behind @buf's content; with @plus '+' is a space. Returns 0; 1 when a % is
 * not followed by two hex digits. */
MUST_USE int percent_decode(Str text, bool plus, Buf *buf);

/* Appends @text with every byte but RFC 3986's unreserved ones as %XX. */
void percent_encode(Str text, Buf *buf);
