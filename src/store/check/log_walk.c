// SPDX-License-Identifier: Apache-2.0
#include <lz4.h>

#include "codec/hash.h"
#include "store/check/check.h"
#include "store/check/cursor.h"

/* docs/format/log.md: a segment's header, then frames. */
enum { HEADER = 32, FRAME = 40, BODY_MAX = 256 << 20, COMPRESSED = 1 };

typedef struct FrameWalk {
    uint64_t length, body_length, flags, sequence, body_sum;
    Str stored;
} FrameWalk;

/* Whether a whole frame begins at @at. */
static bool take_frame(Str bytes, size_t at, uint64_t segment, FrameWalk *ret_frame)
{
    Str header = str_slice(bytes, at, at + FRAME);
    Cursor cursor = cursor_of(header);
    FrameWalk frame;

    if (header.len < FRAME || !str_starts_with(header, STR("FRM1"))) {
        return false;
    }
    (void)cursor_bytes(&cursor, 4);
    frame.length = cursor_fixed(&cursor, 4);
    frame.body_length = cursor_fixed(&cursor, 4);
    frame.flags = cursor_fixed(&cursor, 4);
    frame.sequence = cursor_fixed(&cursor, 8);
    frame.body_sum = cursor_fixed(&cursor, 8);
    if (cursor_fixed(&cursor, 8) != hash_stable_seeded(str_slice(header, 0, FRAME - 8), segment)) {
        return false;
    }
    frame.stored = str_slice(bytes, at + FRAME, at + FRAME + (size_t)frame.length);
    *ret_frame = frame;
    return frame.stored.len == frame.length && hash_stable(frame.stored) == frame.body_sum;
}

static size_t find_frame(Str bytes, size_t at, uint64_t segment)
{
    FrameWalk frame;

    while (at < bytes.len && !take_frame(bytes, at, segment, &frame)) {
        at++;
    }
    return at;
}

static void check_body(const CheckFile *file, size_t at, const FrameWalk *frame)
{
    CLEANUP(buf_deinit) Buf body = {0};

    if (frame->body_length > BODY_MAX || frame->flags > COMPRESSED) {
        check_tell(file, at, "a frame has an impossible length or unknown flags");
    } else if (frame->flags == COMPRESSED) {
        uint8_t *to = buf_grow(&body, (size_t)frame->body_length);
        int n = LZ4_decompress_safe(frame->stored.ptr, (char *)to, (int)frame->stored.len,
                                    (int)frame->body_length);

        if (n < 0 || (uint64_t)n != frame->body_length) {
            check_tell(file, at, "a frame's body does not decompress to its length");
        }
    } else if (frame->length != frame->body_length) {
        check_tell(file, at, "a frame's two lengths differ");
    }
}

void check_log(const CheckFile *file, uint64_t number, bool is_last, uint64_t *next_sequence)
{
    Cursor header = cursor_of(file->bytes);
    size_t at = HEADER;
    FrameWalk frame;

    if (file->bytes.len < HEADER) {
        return; /* torn when it was made: counts as empty */
    }
    Str magic = cursor_bytes(&header, 8);
    uint64_t own = cursor_fixed(&header, 8), first = cursor_fixed(&header, 8);
    if (!str_equal(magic, STR("WEFTLOG1")) || own != number ||
        cursor_fixed(&header, 8) != hash_stable(str_slice(file->bytes, 0, HEADER - 8))) {
        check_tell(file, 0, "the segment's header is malformed");
    } else if (*next_sequence != 0 && first > *next_sequence) {
        check_tell(file, 0, "frames are missing before this segment");
    }
    while (at < file->bytes.len) {
        if (!take_frame(file->bytes, at, number, &frame)) {
            size_t next = find_frame(file->bytes, at + 1, number);

            if (!is_last || next < file->bytes.len) {
                check_tell(file, at, "no whole frame begins here");
            }
            at = next;
            continue;
        }
        check_body(file, at, &frame);
        file->report->n_frames++;
        *next_sequence = frame.sequence + 1;
        at += FRAME + frame.stored.len;
    }
}
