// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/* The content encodings of HTTP and gRPC, whole bodies at a time, bounded while inflating. */
typedef enum Encoding {
    ENCODING_IDENTITY,
    ENCODING_GZIP,
    ENCODING_DEFLATE, /* zlib framing; raw deflate is accepted too, as browsers do */
    ENCODING_ZSTD,
    ENCODING_SNAPPY, /* gRPC's "snappy": the block or the framed format */
} Encoding;

/* By its HTTP name, without case ("" and "identity" alike, also "x-gzip"). Returns 0; 1 when
 * unknown. */
MUST_USE int encoding_parse(Str name, Encoding *ret_encoding);
Str encoding_name(Encoding encoding);

enum { DECOMPRESS_BAD = 1, DECOMPRESS_TOO_LARGE = 2 };

/* Appends the decompressed body to @buf, never more than @limit bytes (nor memory for more).
 * Concatenated gzip members and zstd frames are read as one. Returns 0, DECOMPRESS_BAD,
 * DECOMPRESS_TOO_LARGE. */
MUST_USE int decompress(Encoding encoding, Str body, size_t limit, Buf *buf);

/* Appends the compressed body. Level: 1 fast to 9 small. */
void compress(Encoding encoding, Str body, int level, Buf *buf);
