// SPDX-License-Identifier: Apache-2.0
#include "store/segment_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/segment.h"

enum { SEGMENT_READ_MAX = 1 << 30 }; /* a segment is at most its nominal size and one group */

void segment_list_deinit(SegmentList *list)
{
    mem_free(list->items);
    *list = (SegmentList){0};
}

void segment_path(uint64_t number, char path[SEGMENT_PATH_MAX])
{
    snprintf(path, SEGMENT_PATH_MAX, "log/%016" PRIx64 ".log", number);
}

static int compare_segments(const void *a, const void *b)
{
    uint64_t x = ((const Segment *)a)->number, y = ((const Segment *)b)->number;

    return (x > y) - (x < y);
}

static int find_segment(void *context, const char *name)
{
    SegmentList *list = context;
    Str stem = str_from_cstr(name);
    uint8_t digits[8];
    uint64_t number = 0;

    if (!str_ends_with(stem, STR(".log")) ||
        str_parse_hex(str_slice(stem, 0, stem.len - 4), digits, sizeof(digits)) != 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(digits); i++) {
        number = number << 8 | digits[i];
    }
    ARRAY_RESERVE(list->items, list->count, list->capacity);
    list->items[list->count++] = (Segment){.number = number};
    return 0;
}

/* Reads size and header. A file too short for a header is an empty segment, torn when it was made.
 */
static int load_segment(FileSystem *fs, Segment *segment)
{
    char path[SEGMENT_PATH_MAX], header[SEGMENT_HEADER_SIZE];
    File *file;

    segment_path(segment->number, path);
    TRY(fs->ops->open(fs, path, FILE_READ, &file));
    int result = fs->ops->size(file, &segment->bytes);
    if (result == 0 && segment->bytes >= SEGMENT_HEADER_SIZE) {
        result = fs->ops->read_at(file, 0, header, sizeof(header));
    }
    fs->ops->close(file);
    TRY(result);
    if (segment->bytes >= SEGMENT_HEADER_SIZE &&
        segment_read_header(str_from_bytes(header, sizeof(header)), segment->number,
                            &segment->first_sequence) != 0) {
        segment->damaged = true;
    }
    segment->end_sequence = segment->first_sequence;
    return 0;
}

int segment_list_load(SegmentList *list, FileSystem *fs)
{
    TRY(fs->ops->list(fs, "log", find_segment, list));
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof(Segment), compare_segments);
    }
    for (size_t i = 0; i < list->count; i++) {
        TRY(load_segment(fs, &list->items[i]));
    }
    return 0;
}

static void report_damage(Segment *segment, size_t from, size_t to, const char *what)
{
    char path[SEGMENT_PATH_MAX];

    segment_path(segment->number, path);
    segment->damaged = true;
    log_error(what, LOG_CSTR("file", path), LOG_U64("offset", from), LOG_U64("bytes", to - from));
}

/* What was being written when the process or the machine stopped was never acknowledged. */
static void cut_tail(FileSystem *fs, Segment *segment, size_t offset)
{
    char path[SEGMENT_PATH_MAX];
    File *file;

    segment_path(segment->number, path);
    log_warn("log: torn tail cut", LOG_CSTR("file", path), LOG_U64("offset", offset),
             LOG_U64("bytes", segment->bytes - offset));
    int result = fs->ops->open(fs, path, FILE_APPEND, &file);
    if (result == 0) {
        result = fs->ops->truncate(file, offset);
        fs->ops->close(file);
    }
    if (result != 0) {
        log_warn("log: torn tail stays", LOG_CSTR("file", path), LOG_ERR(result));
        return;
    }
    segment->bytes = offset;
    segment->damaged = segment->damaged && offset > 0;
}

static int visit_frame(SegmentReplay *replay, Segment *segment, const Frame *frame, size_t offset)
{
    segment->end_sequence = MAX(segment->end_sequence, frame->sequence + 1);
    if (frame->sequence < replay->from) {
        return 0;
    }
    if (frame_body(frame, &replay->body) != 0) {
        report_damage(segment, offset, offset + frame->size, "log: frame does not decompress");
        return 0;
    }
    return replay->visit(replay->context, frame->sequence, buf_str(&replay->body));
}

/* Frames numbered @end and above were refused (log.c); UINT64_MAX marks the last segment. */
static int replay_bytes(SegmentReplay *replay, Segment *segment, Str bytes, uint64_t end)
{
    size_t offset = segment->damaged ? 0 : SEGMENT_HEADER_SIZE;
    Frame frame;

    while (offset < bytes.len) {
        if (frame_read(bytes, offset, segment->number, &frame) == 0) {
            if (frame.sequence < end) {
                TRY(visit_frame(replay, segment, &frame, offset));
            }
            offset += frame.size;
            continue;
        }
        size_t next = frame_find(bytes, offset + 1, segment->number);
        if (next == bytes.len && end == UINT64_MAX) {
            cut_tail(replay->fs, segment, offset);
            return 0;
        }
        report_damage(segment, offset, next, "log: damaged part skipped");
        offset = next;
    }
    return 0;
}

/* What was replayed counts from here on, so it must not go with the next power cut: a process that
 * was killed had left its last writes to the kernel alone. */
static void sync_replayed(FileSystem *fs, const char *path)
{
    File *file;
    int result = fs->ops->open(fs, path, FILE_READ, &file);

    if (result == 0) {
        result = fs->ops->sync(file);
        fs->ops->close(file);
    }
    if (result != 0) {
        log_warn("log: what was replayed may not outlive a power cut", LOG_CSTR("file", path),
                 LOG_ERR(result));
    }
}

/* With which number the segments behind @index begin. */
static uint64_t end_of(const SegmentList *list, size_t index)
{
    for (size_t i = index + 1; i < list->count; i++) {
        if (list->items[i].first_sequence != 0) {
            return list->items[i].first_sequence;
        }
    }
    return UINT64_MAX;
}

int segment_list_replay(SegmentList *list, SegmentReplay *replay)
{
    CLEANUP(buf_deinit) Buf bytes = {0};
    char path[SEGMENT_PATH_MAX];

    for (size_t i = 0; i < list->count; i++) {
        Segment *segment = &list->items[i];

        if (segment->bytes < SEGMENT_HEADER_SIZE) {
            continue;
        }
        buf_clear(&bytes);
        segment_path(segment->number, path);
        TRY(fs_read_file(replay->fs, path, SEGMENT_READ_MAX, &bytes));
        TRY(replay_bytes(replay, segment, buf_str(&bytes), end_of(list, i)));
        sync_replayed(replay->fs, path);
    }
    if (list->count > 0 && replay->fs->ops->sync_directory(replay->fs, "log") != 0) {
        log_warn("log: its directory cannot be synced");
    }
    return 0;
}

void segment_list_publish(SegmentList *list, const Segment *segment)
{
    if (list->count == 0 || list->items[list->count - 1].number != segment->number) {
        ARRAY_RESERVE(list->items, list->count, list->capacity);
        list->count++;
    }
    list->items[list->count - 1] = *segment;
}

size_t segment_list_take(SegmentList *list, uint64_t sequence, bool but_newest, Segment *taken,
                         size_t max)
{
    size_t available = but_newest && list->count > 0 ? list->count - 1 : list->count;
    size_t n = 0;

    while (n < max && n < available && list->items[n].end_sequence <= sequence) {
        taken[n] = list->items[n];
        n++;
    }
    list->count -= n;
    if (n > 0) {
        mem_move(list->items, list->items + n, list->count * sizeof(Segment));
    }
    return n;
}

void segment_remove(FileSystem *fs, const Segment *segment)
{
    char path[SEGMENT_PATH_MAX], aside[SEGMENT_PATH_MAX];
    int result;

    segment_path(segment->number, path);
    if (segment->damaged) {
        snprintf(aside, sizeof(aside), "damaged/%016" PRIx64 ".log", segment->number);
        (void)fs->ops->make_directory(fs, "damaged");
        result = fs->ops->rename(fs, path, aside);
    } else {
        result = fs->ops->remove(fs, path);
    }
    if (result != 0 && result != -ENOENT) {
        log_warn("log: segment stays", LOG_CSTR("file", path), LOG_ERR(result));
    }
}
