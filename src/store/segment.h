// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * The bytes of a log segment: a header, then frames, each one request body (docs/format/log.md).
 * Only bytes are handled here; files and threads are log.h's. Thread-safe: no state.
 */
enum {
    SEGMENT_HEADER_SIZE = 32,
    FRAME_HEADER_SIZE = 40,
    FRAME_BODY_MAX = 256 << 20, /* of one body before compression */
};

/* Appends the header of segment @number, whose first frame is @first_sequence. */
void segment_write_header(uint64_t number, uint64_t first_sequence, Buf *buf);

/* Reads the header of segment @number. Returns 0; 1 when these bytes are not its header. */
MUST_USE int segment_read_header(Str bytes, uint64_t number, uint64_t *ret_first_sequence);

/* Makes a frame of @body in the empty @frame: compressed and checksummed, not yet numbered. */
void frame_prepare(Str body, Buf *frame);

/* Gives a prepared frame its place; its bytes are then ready to be written. */
void frame_seal(Buf *frame, uint64_t segment, uint64_t sequence);

typedef struct Frame {
    uint64_t sequence;
    Str stored; /* a view into the segment's bytes */
    uint32_t body_len;
    bool compressed;
    size_t size; /* of header and body in the segment */
} Frame;

/* The frame that begins at @offset of segment @number's bytes. Returns 0; 1 when there is no whole
 * and undamaged frame. */
MUST_USE int frame_read(Str bytes, size_t offset, uint64_t number, Frame *ret_frame);

/* The offset of the first whole and undamaged frame at or after @from; bytes.len: none. */
size_t frame_find(Str bytes, size_t from, uint64_t number);

/* Replaces the content of @body by the frame's body. Returns 0; 1 when it is not as long as the
 * frame says, or does not decompress. */
MUST_USE int frame_body(const Frame *frame, Buf *body);
