// SPDX-License-Identifier: Apache-2.0
#include <nghttp2/nghttp2.h>

#include "base/memory.h"
#include "serve/http/connection.h"

enum { PREFACE_SIZE = 24, HEAD_SIZE = 9, GOAWAY_SIZE_MIN = 8, GOAWAY_SIZE_MAX = 16384 };

/* GOAWAY, last stream 0, NO_ERROR. */
static const uint8_t goaway[HEAD_SIZE + GOAWAY_SIZE_MIN] = {0, 0, GOAWAY_SIZE_MIN, NGHTTP2_GOAWAY};

/* Of a sane one; what is wrong in itself stays nghttp2's to judge. */
static bool is_goaway(const uint8_t *head, size_t size)
{
    bool on_connection = ((head[5] & 0x7f) | head[6] | head[7] | head[8]) == 0;

    return head[3] == NGHTTP2_GOAWAY && on_connection && size >= GOAWAY_SIZE_MIN &&
           size <= GOAWAY_SIZE_MAX;
}

/* Passes over what @in has of the preface or of a payload. */
static void pass(Str *in, size_t *left)
{
    size_t n = MIN(*left, in->len);

    *left -= n;
    *in = str_slice(*in, n, in->len);
}

/* Takes off @in the longest piece that the session may see as it is: up to a GOAWAY, up to a head
 * that is not all there. Empty: nothing before one of these. */
static Str take_plain(Http2Frames *frames, Str *in)
{
    Str start = *in;

    if (frames->preface < PREFACE_SIZE) {
        size_t missing = PREFACE_SIZE - frames->preface;

        pass(in, &missing);
        frames->preface = PREFACE_SIZE - missing;
    }
    for (;;) {
        pass(in, &frames->left);
        if (in->len < HEAD_SIZE) {
            break;
        }
        const uint8_t *head = (const uint8_t *)in->ptr;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (is_goaway(head, size)) {
            break;
        }
        frames->left = HEAD_SIZE + size;
    }
    return str_slice(start, 0, start.len - in->len);
}

static int give(nghttp2_session *session, const void *bytes, size_t len)
{
    ssize_t n = nghttp2_session_mem_recv(session, bytes, len);

    return n < 0 ? (int)n : 0;
}

int http2_frames_give(Http2Frames *frames, nghttp2_session *session, Str *in)
{
    while (in->len > 0) {
        if (frames->replaced) {
            pass(in, &frames->left);
            frames->replaced = frames->left > 0;
            continue;
        }
        Str plain = take_plain(frames, in);
        if (plain.len > 0) {
            TRY(give(session, plain.ptr, plain.len));
        }
        if (frames->left > 0 || in->len < HEAD_SIZE) {
            break;
        }
        const uint8_t *head = (const uint8_t *)in->ptr;
        frames->left = HEAD_SIZE + ((size_t)head[1] << 8) + head[2];
        frames->replaced = true;
        TRY(give(session, goaway, sizeof(goaway)));
    }
    return 0;
}
