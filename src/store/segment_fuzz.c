// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT = 7, BODY_SMALL = 1 << 20 };

/* Reads all frames as a replay does. Every step ahead is in bounds and makes progress. */
static size_t read_all(Str bytes)
{
    CLEANUP(buf_deinit) Buf body = {0};
    size_t offset = 0, n_frames = 0;
    uint64_t first_sequence;
    Frame frame;

    if (segment_read_header(bytes, SEGMENT, &first_sequence) == 0) {
        offset = SEGMENT_HEADER_SIZE;
    }
    while (offset < bytes.len) {
        if (frame_read(bytes, offset, SEGMENT, &frame) != 0) {
            size_t next = frame_find(bytes, offset + 1, SEGMENT);

            ASSERT(next > offset && next <= bytes.len);
            offset = next;
            continue;
        }
        ASSERT(frame.size >= FRAME_HEADER_SIZE && frame.size <= bytes.len - offset);
        if (frame.body_len <= BODY_SMALL && frame_body(&frame, &body) == 0) {
            ASSERT(body.len == frame.body_len);
        }
        offset += frame.size;
        n_frames++;
    }
    return n_frames;
}

/* The input as it is; then as two bodies of a well-formed segment; then that with one byte of it
 * inverted, and with a header whose checksum says that it is right though the stored body is not.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_deinit) Buf segment = {0};
    CLEANUP(buf_deinit) Buf frame = {0};
    Str input = str_from_bytes(data, size);

    (void)read_all(input);
    segment_write_header(SEGMENT, 1, &segment);
    for (size_t i = 0; i < 2; i++) {
        buf_clear(&frame);
        frame_prepare(str_slice(input, i * (size / 2), (i + 1) * (size / 2)), &frame);
        frame_seal(&frame, SEGMENT, 1 + i);
        buf_append_str(&segment, buf_str(&frame));
    }
    ASSERT(read_all(buf_str(&segment)) == 2);
    if (size >= 2) {
        size_t at = ((size_t)data[0] << 8 | data[1]) % segment.len;

        segment.ptr[at] ^= 0xff;
        ASSERT(read_all(buf_str(&segment)) <= 2);
    }
    if (size >= FRAME_HEADER_SIZE) {
        buf_clear(&frame);
        buf_append(&frame, data, size);
        frame_seal(&frame, SEGMENT, 1);
        (void)read_all(buf_str(&frame));
    }
    return 0;
}
