// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/fs.h"

/*
 * The segment files of a log directory: found on start, replayed, released. A plain list; who uses
 * it locks it.
 */
enum { SEGMENT_PATH_MAX = 64 };

typedef struct Segment {
    uint64_t number;
    uint64_t first_sequence; /* 0: the header is unreadable */
    uint64_t end_sequence;   /* one behind its last frame; first_sequence while it has none */
    uint64_t bytes;
    bool damaged;
} Segment;

typedef struct SegmentList {
    Segment *items; /* by number, and so by sequence */
    size_t count, capacity;
} SegmentList;

void segment_list_deinit(SegmentList *list);

void segment_path(uint64_t number, char path[SEGMENT_PATH_MAX]);

/* Finds the files below `log/` and reads their headers. Returns 0 or -errno. */
MUST_USE int segment_list_load(SegmentList *list, FileSystem *fs);

typedef struct SegmentReplay {
    FileSystem *fs;
    uint64_t from; /* bodies below are left out */
    int (*visit)(void *context, uint64_t sequence, Str body);
    void *context;
    Buf body;
} SegmentReplay;

/* As log_replay(); fills in each segment's end_sequence. */
MUST_USE int segment_list_replay(SegmentList *list, SegmentReplay *replay);

/* The newest segment becomes @segment: changed, or added. */
void segment_list_publish(SegmentList *list, const Segment *segment);

/* Takes out the first segments as long as all their bodies are below @sequence, at most @max;
 * with @but_newest the newest stays. Returns how many are in @taken. */
size_t segment_list_take(SegmentList *list, uint64_t sequence, bool but_newest, Segment *taken,
                         size_t max);

/* Removes the file; a damaged one is set aside in `damaged/`. Failures are logged. */
void segment_remove(FileSystem *fs, const Segment *segment);
