// SPDX-License-Identifier: Apache-2.0
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "serve/http/connection.h"

/* Frames given to a real server session, which tells what it saw. */
static char seen[64]; /* a letter a frame, in its order */
static size_t n_seen;

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    assert_true(n_seen < sizeof(seen));
    seen[n_seen++] = frame->hd.type == NGHTTP2_PING       ? 'p'
                     : frame->hd.type == NGHTTP2_SETTINGS ? 's'
                     : frame->hd.type == NGHTTP2_GOAWAY   ? 'g'
                     : frame->hd.type == NGHTTP2_HEADERS  ? 'h'
                                                          : '?';
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        assert_int_equal(frame->goaway.last_stream_id, 0);
    }
    return 0;
}

static nghttp2_session *new_session(void)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;

    n_seen = 0;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    assert_int_equal(nghttp2_session_server_new(&session, callbacks, NULL), 0);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
/* A request keeps the session reading after a GOAWAY. */
#define REQUEST "\0\0\6\1\5\0\0\0\1\202\206\204\101\1x"
#define PING "\0\0\10\6\0\0\0\0\0pingpong"
#define GOAWAY "\0\0\13\7\0\0\0\0\0\0\0\0\1\0\0\0\0bye"

static void a_goaway_means_only_that_the_client_goes_however_it_is_cut(void **state)
{
    const Str all = STR(PREFACE SETTINGS REQUEST GOAWAY PING GOAWAY GOAWAY PING);

    for (size_t piece = 1; piece <= all.len; piece++) {
        nghttp2_session *session = new_session();
        Http2Frames frames = {0};
        size_t used = 0;

        for (size_t end = 0; end < all.len;) {
            end = MIN(end + piece, all.len);
            Str in = str_slice(all, used, end);
            assert_int_equal(http2_frames_give(&frames, session, &in), 0);
            assert_true(in.len < 9);
            used = end - in.len;
        }
        assert_int_equal(used, all.len);
        assert_true(str_equal(str_from_bytes(seen, n_seen), STR("shgpggp")));
        nghttp2_session_del(session);
    }
}

static void what_is_broken_in_itself_stays_an_error(void **state)
{
    const Str broken[] = {
        STR("GET / HTTP/1.1\r\nHost: example\r\n\r\n"),
        STR(PREFACE PING),
        STR(PREFACE SETTINGS "\0\0\7\7\0\0\0\0\0abcdefg"),           /* a GOAWAY too short */
        STR(PREFACE SETTINGS "\0\0\10\7\0\0\0\0\1\0\0\0\0\0\0\0\0"), /* one on a stream */
        STR(PREFACE SETTINGS "\0\377\377\7\0\0\0\0\0abcdefgh"),      /* one too long */
    };

    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        nghttp2_session *session = new_session();
        Http2Frames frames = {0};
        Str in = broken[i];
        const uint8_t *bytes;
        int r = http2_frames_give(&frames, session, &in);
        bool is_told = false;

        for (ssize_t n; r == 0 && (n = nghttp2_session_mem_send(session, &bytes)) > 0;) {
            is_told |= n > 9 && bytes[3] == NGHTTP2_GOAWAY;
        }
        assert_true(r < 0 || is_told);
        nghttp2_session_del(session);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_goaway_means_only_that_the_client_goes_however_it_is_cut),
        cmocka_unit_test(what_is_broken_in_itself_stays_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
