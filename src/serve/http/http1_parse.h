// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/arena.h"
#include "serve/http/exchange.h"

/*
 * HTTP/1.0 and 1.1 requests as bytes (RFC 9112): no sockets. Strict where two readers of the same
 * bytes could disagree on where a request ends (request smuggling), lenient only on bare LF line
 * ends in heads.
 */
enum {
    HTTP_HEADERS_MAX = 256,         /* fields of one head */
    HTTP_CHUNK_LINE_MAX = 4096,     /* size and extensions of one chunk */
    HTTP_TRAILER_BYTES_MAX = 16384, /* all trailer fields of one body */
};

typedef struct Header {
    Str name; /* lower case */
    Str value;
} Header;

typedef struct Http1Head {
    HttpMethod method;
    Str method_text, path, query;
    bool is_http10;
    bool keep_alive;      /* after the answer, as the client asks */
    bool expect_continue; /* "Expect: 100-continue" */
    bool chunked;
    uint64_t content_length; /* 0 when chunked or absent */
    Header *headers;
    size_t n_headers;
} Http1Head;

/* Looks for the empty line that ends a head; empty lines before the request line are to be skipped
 * by the caller. @scanned is the caller's memory over calls with a growing @bytes, at first 0, so
 * that bytes are looked at once. True: the head, with its empty line, is the first *ret_length
 * bytes. */
bool http1_head_end(Str bytes, size_t *scanned, size_t *ret_length);

/* Whether a request line can begin with @byte. A TLS client begins with one that cannot. */
bool http1_may_begin(char byte);

/* Reads one whole head. Strings in @ret_head live as long as @arena. Returns 0, or the HTTP status
 * to answer (400, 417, 431, 501, 505) with what is wrong in @ret_error. */
MUST_USE int http1_head_parse(Str bytes, Arena *arena, Http1Head *ret_head, ParseError *ret_error);

/* Takes the framing off a chunked body, fed in any pieces. `{0}` is the start. */
typedef struct ChunkDecoder {
    enum {
        CHUNK_SIZE,
        CHUNK_EXTENSION,
        CHUNK_SIZE_LF,
        CHUNK_DATA,
        CHUNK_DATA_CR,
        CHUNK_DATA_LF,
        CHUNK_TRAILER_START,
        CHUNK_TRAILER,
        CHUNK_TRAILER_LF,
        CHUNK_END_LF,
        CHUNK_DONE_STATE
    } state;
    uint64_t left;   /* of the chunk */
    uint32_t n_line; /* bytes of the size line */
    uint32_t n_digits;
    uint32_t n_trailers; /* bytes of trailers */
} ChunkDecoder;

/* Advances past what it read of @in; @ret_data is a piece of the body (a view into @in, possibly
 * empty). Returns 0: go on while @in is not empty; CHUNK_DONE: the body ended, the rest of @in is
 * the next request; CHUNK_BAD: no chunked body. */
enum { CHUNK_DONE = 1, CHUNK_BAD = 2 };
MUST_USE int chunk_decode(ChunkDecoder *decoder, Str *in, Str *ret_data);
