// SPDX-License-Identifier: Apache-2.0
#include "codec/compress.h"

#include <libdeflate.h>
#include <snappy-c.h>
#include <zstd.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * libdeflate inflates a whole member at a time into room that must suffice, and twice as fast as
 * zlib. So the room is guessed from the input's size and doubled, up to the limit, when it was too
 * small: the bytes inflated in vain are fewer than those of the last attempt.
 */
enum {
    INFLATE_GUESS = 6,        /* telemetry shrinks to about a sixth */
    INFLATE_ROOM_MIN = 4096,  /* small bodies at once */
    ZSTD_WINDOW_LOG_MIN = 23, /* 8 MiB: what RFC 8878 wants decoders to support */
    ZSTD_WINDOW_LOG_MAX = 27,
    SNAPPY_CHUNK_MAX = 65536,
};

int encoding_parse(Str name, Encoding *ret_encoding)
{
    static const struct {
        Str name;
        Encoding encoding;
    } names[] = {
        {STR(""), ENCODING_IDENTITY},
        {STR("identity"), ENCODING_IDENTITY},
        {STR("gzip"), ENCODING_GZIP},
        {STR("x-gzip"), ENCODING_GZIP},
        {STR("deflate"), ENCODING_DEFLATE},
        {STR("zlib"), ENCODING_DEFLATE},
        {STR("zstd"), ENCODING_ZSTD},
        {STR("snappy"), ENCODING_SNAPPY},
        {STR("x-snappy-framed"), ENCODING_SNAPPY},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_equal_nocase(name, names[i].name)) {
            *ret_encoding = names[i].encoding;
            return 0;
        }
    }
    return 1;
}

Str encoding_name(Encoding encoding)
{
    static const Str names[] = {
        [ENCODING_IDENTITY] = STR("identity"), [ENCODING_GZIP] = STR("gzip"),
        [ENCODING_DEFLATE] = STR("deflate"),   [ENCODING_ZSTD] = STR("zstd"),
        [ENCODING_SNAPPY] = STR("snappy"),
    };

    ASSERT((size_t)encoding < ARRAY_LEN(names));
    return names[encoding];
}

/* An output of at most @limit bytes behind what a buffer held before. */
typedef struct Output {
    Buf *buf;
    size_t start, limit;
} Output;

static size_t output_room(const Output *output)
{
    return output->limit - (output->buf->len - output->start);
}

static int append_bounded(Output *output, Str bytes)
{
    if (bytes.len > output_room(output)) {
        return DECOMPRESS_TOO_LARGE;
    }
    buf_append_str(output->buf, bytes);
    return 0;
}

static void free_inflater(struct libdeflate_decompressor **inflater)
{
    libdeflate_free_decompressor(*inflater);
}

/* The framings that libdeflate inflates. */
typedef enum Framing { FRAMING_GZIP, FRAMING_ZLIB, FRAMING_RAW } Framing;

static enum libdeflate_result inflate_once(struct libdeflate_decompressor *inflater,
                                           Framing framing, Str body, Output *output, size_t room,
                                           size_t *ret_read)
{
    Buf *buf = output->buf;
    size_t written = 0;
    enum libdeflate_result result;

    buf_reserve(buf, room);
    uint8_t *out = buf->ptr + buf->len;
    switch (framing) {
    case FRAMING_GZIP:
        result = libdeflate_gzip_decompress_ex(inflater, body.ptr, body.len, out, room, ret_read,
                                               &written);
        break;
    case FRAMING_ZLIB:
        result = libdeflate_zlib_decompress_ex(inflater, body.ptr, body.len, out, room, ret_read,
                                               &written);
        break;
    default:
        result = libdeflate_deflate_decompress_ex(inflater, body.ptr, body.len, out, room, ret_read,
                                                  &written);
    }
    if (result == LIBDEFLATE_SUCCESS) {
        buf->len += written;
    }
    return result;
}

/* One member from the front of @body. */
static int inflate_member(struct libdeflate_decompressor *inflater, Framing framing, Str *body,
                          Output *output)
{
    size_t most = output_room(output), read = 0;
    size_t room = MIN(body->len * INFLATE_GUESS, most);

    room = MAX(room, MIN(most, (size_t)INFLATE_ROOM_MIN));
    for (;;) {
        switch (inflate_once(inflater, framing, *body, output, room, &read)) {
        case LIBDEFLATE_SUCCESS:
            *body = str_slice(*body, read, body->len);
            return 0;
        case LIBDEFLATE_INSUFFICIENT_SPACE:
            if (room == most) {
                return DECOMPRESS_TOO_LARGE;
            }
            room = room > most / 2 ? most : room * 2;
            break;
        default:
            return DECOMPRESS_BAD;
        }
    }
}

static int decompress_gzip(Str body, Output *output)
{
    CLEANUP(free_inflater)
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();

    ASSERT(inflater != NULL);
    do {
        TRY(inflate_member(inflater, FRAMING_GZIP, &body, output));
    } while (body.len > 0);
    return 0;
}

static bool looks_like_zlib(Str body)
{
    return body.len >= 2 && ((uint8_t)body.ptr[0] & 15) == 8 &&
           ((uint32_t)(uint8_t)body.ptr[0] << 8 | (uint8_t)body.ptr[1]) % 31 == 0;
}

static int decompress_deflate(Str body, Output *output)
{
    CLEANUP(free_inflater)
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    Str rest = body;
    int r = DECOMPRESS_BAD;

    ASSERT(inflater != NULL);
    if (looks_like_zlib(body)) {
        r = inflate_member(inflater, FRAMING_ZLIB, &rest, output);
    }
    if (r == DECOMPRESS_BAD) {
        rest = body;
        r = inflate_member(inflater, FRAMING_RAW, &rest, output);
    }
    return r != 0 ? r : rest.len != 0 ? DECOMPRESS_BAD : 0;
}

static void free_zstd(ZSTD_DCtx **context)
{
    ZSTD_freeDCtx(*context);
}

/* A frame that was written at once has a window of its own size, so the window may be as large as
 * the limit. */
static int window_log_max(size_t limit)
{
    int log = ZSTD_WINDOW_LOG_MIN;

    while (log < ZSTD_WINDOW_LOG_MAX && (size_t)1 << log < limit) {
        log++;
    }
    return log;
}

static int decompress_zstd(Str body, Output *output)
{
    CLEANUP(free_zstd) ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = {.src = body.ptr, .size = body.len};
    size_t step = ZSTD_DStreamOutSize(), hint = 1;

    ASSERT(context != NULL);
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, window_log_max(output->limit));
    for (;;) {
        /* One byte beyond the limit tells a body that is too large from one that just fits. */
        size_t room = MIN(step, output_room(output) + 1);
        uint8_t *place = buf_grow(output->buf, room);
        ZSTD_outBuffer out = {.dst = place, .size = room};
        hint = ZSTD_decompressStream(context, &out, &in);
        output->buf->len -= room - out.pos;
        if (ZSTD_isError(hint)) {
            return DECOMPRESS_BAD;
        }
        if (output->buf->len - output->start > output->limit) {
            return DECOMPRESS_TOO_LARGE;
        }
        if (hint == 0 && in.pos == in.size) {
            return 0;
        }
        if (in.pos == in.size && out.pos < room) {
            return DECOMPRESS_BAD; /* the last frame is cut */
        }
    }
}

static int decompress_snappy_block(Str body, Output *output)
{
    size_t len;

    if (snappy_uncompressed_length(body.ptr, body.len, &len) != SNAPPY_OK) {
        return DECOMPRESS_BAD;
    }
    if (len > output_room(output)) {
        return DECOMPRESS_TOO_LARGE;
    }
    char *out = (char *)buf_grow(output->buf, len);
    return snappy_uncompress(body.ptr, body.len, out, &len) == SNAPPY_OK ? 0 : DECOMPRESS_BAD;
}

/* Chunk types of the framing format (google/snappy, framing_format.txt). */
enum { CHUNK_COMPRESSED = 0x00, CHUNK_PLAIN = 0x01, CHUNK_SKIPPABLE = 0x80, CHUNK_HEADER = 4 };
enum { CHUNK_CHECKSUM = 4 };

static const Str snappy_magic = STR("\xFF\x06\x00\x00sNaPpY");

/* One chunk's content. Its checksum is not verified: TCP's and the protobuf reader's checks stand
 * behind it. */
static int decompress_chunk(uint8_t type, Str content, Output *output)
{
    size_t len;

    if (type >= CHUNK_SKIPPABLE) {
        return 0; /* padding, and the magic again in joined streams */
    }
    if (type > CHUNK_PLAIN || content.len < CHUNK_CHECKSUM) {
        return DECOMPRESS_BAD;
    }
    content = str_slice(content, CHUNK_CHECKSUM, content.len);
    if (type == CHUNK_PLAIN) {
        return append_bounded(output, content);
    }
    if (snappy_uncompressed_length(content.ptr, content.len, &len) != SNAPPY_OK ||
        len > SNAPPY_CHUNK_MAX) {
        return DECOMPRESS_BAD;
    }
    return decompress_snappy_block(content, output);
}

static int decompress_snappy_frames(Str body, Output *output)
{
    while (body.len > 0) {
        const uint8_t *head = (const uint8_t *)body.ptr;

        if (body.len < CHUNK_HEADER) {
            return DECOMPRESS_BAD;
        }
        size_t len = (size_t)head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16;
        if (len > body.len - CHUNK_HEADER) {
            return DECOMPRESS_BAD;
        }
        TRY(decompress_chunk(head[0], str_slice(body, CHUNK_HEADER, CHUNK_HEADER + len), output));
        body = str_slice(body, CHUNK_HEADER + len, body.len);
    }
    return 0;
}

static int decompress_any(Encoding encoding, Str body, Output *output)
{
    switch (encoding) {
    case ENCODING_IDENTITY:
        return append_bounded(output, body);
    case ENCODING_GZIP:
        return decompress_gzip(body, output);
    case ENCODING_DEFLATE:
        return decompress_deflate(body, output);
    case ENCODING_ZSTD:
        return decompress_zstd(body, output);
    case ENCODING_SNAPPY:
        return str_starts_with(body, snappy_magic) ? decompress_snappy_frames(body, output)
                                                   : decompress_snappy_block(body, output);
    }
    ASSERT(false && "a known encoding");
    return DECOMPRESS_BAD;
}

int decompress(Encoding encoding, Str body, size_t limit, Buf *buf)
{
    Output output = {.buf = buf, .start = buf->len, .limit = limit};

    if (body.len == 0 && encoding != ENCODING_IDENTITY) {
        return DECOMPRESS_BAD;
    }
    int r = decompress_any(encoding, body, &output);
    if (r != 0) {
        buf->len = output.start;
    }
    return r;
}

static void compress_deflate(Encoding encoding, Str body, int level, Buf *buf)
{
    struct libdeflate_compressor *deflater = libdeflate_alloc_compressor(level);

    ASSERT(deflater != NULL);
    size_t room = encoding == ENCODING_GZIP ? libdeflate_gzip_compress_bound(deflater, body.len)
                                            : libdeflate_zlib_compress_bound(deflater, body.len);
    uint8_t *out = buf_grow(buf, room);
    size_t len = encoding == ENCODING_GZIP
                     ? libdeflate_gzip_compress(deflater, body.ptr, body.len, out, room)
                     : libdeflate_zlib_compress(deflater, body.ptr, body.len, out, room);
    libdeflate_free_compressor(deflater);
    ASSERT(len != 0);
    buf->len -= room - len;
}

static void compress_zstd(Str body, int level, Buf *buf)
{
    size_t room = ZSTD_compressBound(body.len);
    size_t len = ZSTD_compress(buf_grow(buf, room), room, body.ptr, body.len, level);

    ASSERT(!ZSTD_isError(len));
    buf->len -= room - len;
}

static void compress_snappy(Str body, Buf *buf)
{
    size_t room = snappy_max_compressed_length(body.len), len = room;

    ASSERT(snappy_compress(body.ptr, body.len, (char *)buf_grow(buf, room), &len) == SNAPPY_OK);
    buf->len -= room - len;
}

void compress(Encoding encoding, Str body, int level, Buf *buf)
{
    ASSERT(level >= 1 && level <= 9);
    if (body.ptr == NULL) {
        body = STR("");
    }
    switch (encoding) {
    case ENCODING_IDENTITY:
        buf_append_str(buf, body);
        break;
    case ENCODING_GZIP:
    case ENCODING_DEFLATE:
        compress_deflate(encoding, body, level, buf);
        break;
    case ENCODING_ZSTD:
        compress_zstd(body, level, buf);
        break;
    case ENCODING_SNAPPY:
        compress_snappy(body, buf);
        break;
    }
}
