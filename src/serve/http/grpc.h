// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/http/connection.h"

/*
 * gRPC's own framing over HTTP/2 (PROTOCOL-HTTP2.md of grpc/grpc): the 5-byte message prefix,
 * status in trailers, google.rpc.Status with RetryInfo. Pure functions, any thread.
 */
enum { GRPC_PREFIX_SIZE = 5, GRPC_TRAILERS_MAX = 3 };

/* Codes of google/rpc/code.proto that the transport itself uses. */
enum {
    GRPC_OK = 0,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

#define GRPC_ACCEPT_ENCODING "identity,gzip,zstd,snappy,deflate"

/* "application/grpc", alone or with "+format" or parameters behind it; not grpc-web. */
bool grpc_is(Str content_type);

/* Bytes of the whole body that its prefix at the start of @body announces; 0 while that is not
 * there yet. */
uint64_t grpc_expected(Str body);

/* Takes the one message out of a unary call's whole @body. @encoding is the grpc-encoding header
 * and becomes empty when the message is not compressed. Returns 0; or the HTTP status whose gRPC
 * meaning is to be answered, with a static text. */
MUST_USE int grpc_take_message(Str body, Str *encoding, Str *ret_message, const char **ret_text);

void grpc_write_prefix(uint8_t prefix[GRPC_PREFIX_SIZE], size_t message_len);

/* Puts the prefix before @message. */
void grpc_frame(Buf *message);

/* The gRPC code that an HTTP status means, and back (for counters). */
int grpc_from_http(int status);
int grpc_to_http(int code);

/* The trailers of @response (its gRPC fields), values in @arena. Returns how many. */
size_t grpc_trailers(const Response *response, Arena *arena, Header trailers[GRPC_TRAILERS_MAX]);
