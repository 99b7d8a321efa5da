// SPDX-License-Identifier: Apache-2.0
#include "store/log.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "os/clock.h"
#include "os/condition.h"
#include "store/segment.h"
#include "store/segment_list.h"

/*
 * Group commit. Appenders queue finished frames; the committer waits until the oldest has waited
 * commit_delay_us or commit_bytes wait, seals the frames, appends them with one write, syncs once
 * and tells each.
 *
 * What is refused is not kept. When the append or the sync fails, the segment is cut back to where
 * the group began and abandoned: after a failed fsync the kernel may have dropped the pages and
 * forgotten the error, so no later sync of that file proves anything. Should the cut fail too, the
 * refused frames stay in the file, but their sequence numbers are given out again, and the next
 * segment's header says with which number it begins: a reader ignores frames of an older segment
 * from that number on. Refused frames can come back only if the cut fails and the process dies
 * before the disk takes the next segment.
 *
 * Invariants:
 * 1. Segments are in order of number, and their sequence numbers ascend without overlap.
 * 2. `file` is the newest segment, open for append, or NULL; only the committer touches it.
 * 3. A segment that was found on start is never appended to.
 * 4. While write_error is set nothing is queued; the committer probes until a write succeeds.
 */
enum {
    SEGMENT_BYTES = 32 << 20,
    PROBE_BYTES = 256 << 10,
    PROBE_MS = 1000,
    GROUP_KEPT_MAX = 4 << 20, /* memory that the committer keeps between groups */
};

struct Log {
    LogOptions options;
    FileSystem *fs;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    bool has_thread;

    /* Under the mutex. */
    bool is_started, stop;
    LogEntry *first, **end;
    uint64_t waiting_bytes, waiting_since_ns;
    uint64_t released; /* bodies below are needed no longer */
    bool seal;         /* the open segment is to be closed */
    uint64_t sealed;   /* number of the newest segment that is closed */
    SegmentList segments;
    LogStatus status; /* all but bytes and n_segments */

    /* The committer's. */
    File *file;
    Segment open;         /* of @file */
    uint64_t unsynced_ns; /* since when @file has frames that are not synced; 0: it has none */
    Buf group;
};

static uint64_t now_ns(void)
{
    return clock_monotonic_ns(&clock_system);
}

void log_entry_prepare(LogEntry *entry, Str body)
{
    frame_prepare(body, &entry->frame);
}

void log_entry_deinit(LogEntry *entry)
{
    buf_deinit(&entry->frame);
}

static void init_sync(Log *log)
{

    pthread_mutex_init(&log->mutex, NULL);
    condition_init(&log->wake);
}

int log_open(const LogOptions *options, Log **ret_log)
{
    TRY(options->fs->ops->make_directory(options->fs, "log"));
    Log *log = NEW(Log);

    log->options = *options;
    log->fs = options->fs;
    log->end = &log->first;
    log->options.segment_bytes =
        options->segment_bytes == 0 ? SEGMENT_BYTES : options->segment_bytes;
    log->options.probe_ms = options->probe_ms == 0 ? PROBE_MS : options->probe_ms;
    init_sync(log);
    int result = segment_list_load(&log->segments, log->fs);
    if (result != 0) {
        log_close(log);
        return result;
    }
    *ret_log = log;
    return 0;
}

int log_replay(Log *log, uint64_t from, int (*visit)(void *context, uint64_t sequence, Str body),
               void *context)
{
    SegmentReplay replay = {.fs = log->fs, .from = from, .visit = visit, .context = context};
    int result = segment_list_replay(&log->segments, &replay);

    buf_deinit(&replay.body);
    for (size_t i = 0; i < log->segments.count; i++) {
        log->status.next_sequence =
            MAX(log->status.next_sequence, log->segments.items[i].end_sequence);
    }
    return result;
}

/* The committer. */

static void count_sync(Log *log, uint64_t ns)
{
    static const uint64_t bounds_us[LOG_SYNC_BOUNDS] = LOG_SYNC_BOUNDS_US;
    size_t bucket = 0;

    while (bucket < LOG_SYNC_BOUNDS && ns > bounds_us[bucket] * 1000) {
        bucket++;
    }
    pthread_mutex_lock(&log->mutex);
    log->status.syncs.buckets[bucket]++;
    log->status.syncs.count++;
    log->status.syncs.ns_total += ns;
    pthread_mutex_unlock(&log->mutex);
}

static int sync_file(Log *log)
{
    uint64_t start_ns = now_ns();
    int result = log->fs->ops->sync(log->file);

    count_sync(log, now_ns() - start_ns);
    return result;
}

static uint64_t sync_due_ns(const Log *log)
{
    return log->unsynced_ns == 0 ? UINT64_MAX
                                 : log->unsynced_ns + log->options.sync_interval_ms * 1000000U;
}

/* Interval mode: syncs what was answered already. When that fails it is in the head still and will
 * be in blocks; only a power cut before could lose it. The segment is not written again. */
static void sync_late(Log *log)
{
    if (log->unsynced_ns == 0) {
        return;
    }
    int result = sync_file(log);
    log->unsynced_ns = 0;
    if (result == 0) {
        return;
    }
    log_error("log: sync failed, what was answered lately may not outlive a power cut",
              LOG_ERR(result));
    log->fs->ops->close(TAKE(log->file));
    pthread_mutex_lock(&log->mutex);
    log->status.write_error = result;
    pthread_mutex_unlock(&log->mutex);
}

/* Cuts the open segment back to @size and never touches it again. */
static void abandon_segment(Log *log, uint64_t size)
{
    const FileSystemOps *ops = log->fs->ops;
    char path[SEGMENT_PATH_MAX];

    if (log->file == NULL) {
        return;
    }
    int result = ops->truncate(log->file, size);
    if (result == 0) {
        result = ops->sync(log->file);
    }
    ops->close(TAKE(log->file));
    if (log->open.end_sequence == log->open.first_sequence) {
        segment_path(log->open.number, path);
        result = ops->remove(log->fs, path);
    }
    if (result != 0) {
        log_warn("log: refused frames stay in an abandoned segment",
                 LOG_U64("segment", log->open.number), LOG_ERR(result));
    }
}

/* Makes the next segment's file; its header goes out with the first group. */
static int begin_segment(Log *log)
{
    const FileSystemOps *ops = log->fs->ops;
    char path[SEGMENT_PATH_MAX];
    uint64_t number = log->open.number + 1;

    segment_path(number, path);
    /* The number counts as used even when this fails: what is there is never written over. */
    pthread_mutex_lock(&log->mutex); /* others look at the number */
    log->open = (Segment){.number = number};
    pthread_mutex_unlock(&log->mutex);
    TRY(ops->open(log->fs, path, FILE_CREATE, &log->file));
    log->open.first_sequence = log->open.end_sequence = log->status.next_sequence;
    int result = ops->sync_directory(log->fs, "log");
    if (result != 0) {
        abandon_segment(log, 0);
        return result;
    }
    segment_write_header(number, log->open.first_sequence, &log->group);
    return 0;
}

static int write_group(Log *log)
{
    const FileSystemOps *ops = log->fs->ops;
    uint64_t before = log->open.bytes;
    int result = ops->append(log->file, log->group.ptr, log->group.len);

    if (result == 0 && log->options.sync_interval_ms == 0) {
        result = sync_file(log);
    } else if (result == 0 && log->unsynced_ns == 0) {
        log->unsynced_ns = now_ns();
    }
    if (result != 0) {
        abandon_segment(log, before);
        log->unsynced_ns = 0; /* the cut was synced */
        return result;
    }
    log->open.bytes += log->group.len;
    return 0;
}

static int commit_group(Log *log, LogEntry *entries)
{
    uint64_t sequence = log->status.next_sequence; /* only the committer changes it */

    buf_clear(&log->group);
    if (log->file != NULL && log->open.bytes >= log->options.segment_bytes) {
        sync_late(log);
    }
    if (log->file != NULL && log->open.bytes >= log->options.segment_bytes) {
        log->fs->ops->close(TAKE(log->file));
    }
    if (log->file == NULL) {
        TRY(begin_segment(log));
    }
    for (LogEntry *entry = entries; entry != NULL; entry = entry->next) {
        entry->sequence = sequence++;
        frame_seal(&entry->frame, log->open.number, entry->sequence);
        buf_append(&log->group, entry->frame.ptr, entry->frame.len);
    }
    TRY(write_group(log));
    log->open.end_sequence = sequence;
    if (log->group.capacity > GROUP_KEPT_MAX) {
        buf_deinit(&log->group);
    }
    return 0;
}

static void tell_all(LogEntry *entries, int result)
{
    while (entries != NULL) {
        LogEntry *next = entries->next;
        entries->done(entries, result);
        entries = next;
    }
}

static void run_group(Log *log, LogEntry *entries)
{
    uint64_t start_ns = now_ns();
    int result = commit_group(log, entries);

    pthread_mutex_lock(&log->mutex);
    if (result == 0) {
        log->status.next_sequence = log->open.end_sequence;
        log->status.commits++;
        log->status.last_commit_ns = now_ns() - start_ns;
        log->status.commit_ns_total += log->status.last_commit_ns;
        segment_list_publish(&log->segments, &log->open);
    } else {
        log->status.write_error = result;
    }
    pthread_mutex_unlock(&log->mutex);
    if (result != 0) {
        log_error("log: write failed, appends are refused until one succeeds", LOG_ERR(result));
    }
    tell_all(entries, result);
}

/* Whether a file can be made, filled and synced again. */
static int probe_disk(Log *log)
{
    static const char path[] = "log/probe.tmp";
    const FileSystemOps *ops = log->fs->ops;
    File *file;

    TRY(ops->make_directory(log->fs, "log")); /* somebody may have removed it */
    (void)ops->remove(log->fs, path);         /* of a probe that failed */
    TRY(ops->open(log->fs, path, FILE_CREATE, &file));
    buf_clear(&log->group);
    mem_fill(buf_grow(&log->group, PROBE_BYTES), 0, PROBE_BYTES);
    int result = ops->append(file, log->group.ptr, log->group.len);
    if (result == 0) {
        result = ops->sync(file);
    }
    ops->close(file);
    int removed = ops->remove(log->fs, path);
    return result != 0 ? result : removed;
}

static void probe(Log *log)
{
    int result = probe_disk(log);

    pthread_mutex_lock(&log->mutex);
    log->status.write_error = result;
    pthread_mutex_unlock(&log->mutex);
    if (result == 0) {
        log_info("log: writing works again, appends are accepted");
    }
}

typedef struct Task {
    LogEntry *entries;
    int refusing; /* write_error */
    bool stop, seal;
} Task;

/* Waits for a group that is due, the next probe or the end. */
static Task take_task(Log *log)
{
    pthread_mutex_lock(&log->mutex);
    if (log->status.write_error != 0 && log->first == NULL && !log->stop) {
        condition_wait_until(&log->wake, &log->mutex, now_ns() + log->options.probe_ms * 1000000U);
    }
    while (log->status.write_error == 0 && !log->stop) {
        uint64_t due_ns = log->waiting_since_ns + log->options.commit_delay_us * 1000U;

        uint64_t sync_ns = sync_due_ns(log);
        if (log->seal || now_ns() >= sync_ns) {
            break;
        }
        if (log->first == NULL && sync_ns != UINT64_MAX) {
            condition_wait_until(&log->wake, &log->mutex, sync_ns);
        } else if (log->first == NULL) {
            pthread_cond_wait(&log->wake, &log->mutex);
        } else if (log->waiting_bytes < log->options.commit_bytes && now_ns() < due_ns) {
            condition_wait_until(&log->wake, &log->mutex, due_ns);
        } else {
            break;
        }
    }
    Task task = {log->first, log->status.write_error, log->stop, log->seal};
    log->first = NULL;
    log->end = &log->first;
    log->waiting_bytes = 0;
    pthread_mutex_unlock(&log->mutex);
    return task;
}

/* The newest segment stays unless @all: the committer may have it open. Before the start nothing
 * goes: how far segments reach that are not replayed to their end nobody knows yet. */
static void remove_released(Log *log, bool all)
{
    Segment taken[16];
    size_t n;

    do {
        pthread_mutex_lock(&log->mutex);
        bool but_newest = !all && log->open.number != log->sealed;
        n = log->is_started ? segment_list_take(&log->segments, log->released, but_newest, taken,
                                                ARRAY_LEN(taken))
                            : 0;
        pthread_mutex_unlock(&log->mutex);
        for (size_t i = 0; i < n; i++) {
            segment_remove(log->fs, &taken[i]);
        }
    } while (n == ARRAY_LEN(taken));
}

static void seal(Log *log)
{
    sync_late(log);
    log->fs->ops->close(TAKE(log->file));
    pthread_mutex_lock(&log->mutex);
    log->seal = false;
    log->sealed = log->open.number;
    pthread_mutex_unlock(&log->mutex);
    remove_released(log, false);
}

static void *committer(void *context)
{
    Log *log = context;

    for (;;) {
        Task task = take_task(log);

        if (task.seal) {
            seal(log);
        }
        if (now_ns() >= sync_due_ns(log) || task.stop) {
            sync_late(log);
        }
        if (task.entries != NULL && task.refusing != 0) {
            tell_all(task.entries, task.refusing);
        } else if (task.entries != NULL) {
            run_group(log, task.entries);
        } else if (task.stop) {
            return NULL; /* nothing is queued after stop */
        } else if (task.refusing != 0) {
            probe(log);
        }
    }
}

int log_start(Log *log, uint64_t next_sequence)
{
    if (log->segments.count > 0) {
        const Segment *last = &log->segments.items[log->segments.count - 1];

        log->open.number = last->number;
        next_sequence = MAX(next_sequence, last->first_sequence);
    }
    next_sequence = MAX(log->status.next_sequence, next_sequence);
    log->status.next_sequence = MAX(next_sequence, (uint64_t)1);
    pthread_mutex_lock(&log->mutex);
    log->is_started = true;
    pthread_mutex_unlock(&log->mutex);
    remove_released(log, false);
    int result = -pthread_create(&log->thread, NULL, committer, log);
    if (result == 0) {
        pthread_setname_np(log->thread, "log");
        log->has_thread = true;
    }
    return result;
}

int log_append(Log *log, LogEntry *entry)
{
    pthread_mutex_lock(&log->mutex);
    int result = log->stop ? -ESHUTDOWN : log->status.write_error;
    if (result == 0) {
        bool was_empty = log->first == NULL;

        entry->next = NULL;
        *log->end = entry;
        log->end = &entry->next;
        log->waiting_since_ns = was_empty ? now_ns() : log->waiting_since_ns;
        log->waiting_bytes += entry->frame.len;
        if (was_empty || log->waiting_bytes >= log->options.commit_bytes) {
            pthread_cond_signal(&log->wake);
        }
    }
    pthread_mutex_unlock(&log->mutex);
    return result;
}

void log_release(Log *log, uint64_t sequence)
{
    pthread_mutex_lock(&log->mutex);
    log->released = MAX(log->released, sequence);
    pthread_mutex_unlock(&log->mutex);
    remove_released(log, false);
}

void log_seal(Log *log)
{
    pthread_mutex_lock(&log->mutex);
    log->seal = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->mutex);
}

uint64_t log_first(Log *log)
{
    uint64_t first = UINT64_MAX;

    pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < log->segments.count; i++) {
        first = MIN(first, log->segments.items[i].first_sequence);
    }
    pthread_mutex_unlock(&log->mutex);
    return first;
}

void log_stop(Log *log)
{
    if (!log->has_thread) {
        return;
    }
    pthread_mutex_lock(&log->mutex);
    log->stop = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->mutex);
    pthread_join(log->thread, NULL);
    log->has_thread = false;
    log->fs->ops->close(TAKE(log->file));
}

Log *log_close(Log *log)
{
    if (log == NULL) {
        return NULL;
    }
    log_stop(log);
    remove_released(log, true);
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->mutex);
    segment_list_deinit(&log->segments);
    buf_deinit(&log->group);
    mem_free(log);
    return NULL;
}

void log_status(Log *log, LogStatus *ret_status)
{
    pthread_mutex_lock(&log->mutex);
    *ret_status = log->status;
    ret_status->n_segments = log->segments.count;
    for (size_t i = 0; i < log->segments.count; i++) {
        ret_status->bytes += log->segments.items[i].bytes;
    }
    pthread_mutex_unlock(&log->mutex);
}
