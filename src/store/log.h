// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/fs.h"

/*
 * The log: what is acknowledged is on disk before the answer. Numbered segment files below `log/`
 * (docs/format/log.md), written by one committer thread that makes one append and one sync of all
 * that waits (group commit).
 *
 * Open, replay, start; then append and release from any thread; then close.
 */
typedef struct Log Log;

typedef struct LogOptions {
    FileSystem *fs;            /* not owned */
    uint64_t commit_delay_us;  /* how long a group may collect */
    uint64_t commit_bytes;     /* ... or until this much waits */
    uint64_t segment_bytes;    /* a new segment begins behind so much; 0: default 32 MiB */
    uint64_t sync_interval_ms; /* 0: synced before the answer; else answers do not wait, and a power
                                  cut (not a crash of the program) loses up to so much */
    uint64_t probe_ms;         /* how often a refusing log tries to write again; 0: default 1,000 */
} LogOptions;

/* One body on its way to the disk; embedded in what the caller queues, which lives until @done. */
typedef struct LogEntry LogEntry;
struct LogEntry {
    LogEntry *next;
    Buf frame;         /* by log_entry_prepare() */
    uint64_t sequence; /* by the committer; valid when @done is told 0 */
    /* On the committer's thread, in order of sequence: 0 when the body is on disk; else -errno, and
     * then nothing of it is kept. May free the entry. Must not block. */
    void (*done)(LogEntry *entry, int result);
};

/* Compresses and checksums @body into the entry, on the caller's thread. */
void log_entry_prepare(LogEntry *entry, Str body);
void log_entry_deinit(LogEntry *entry);

/* Finds the segments. Returns 0 or -errno. No file is changed. */
MUST_USE int log_open(const LogOptions *options, Log **ret_log);

/* Calls @visit, which may release what it was given, for every body whose sequence number is at
 * least @from, in order; the view lives during the call. Damage is logged with file and offset and
 * skipped up to the next whole frame; a torn tail of the last segment is logged and cut. What was
 * replayed is synced. Returns 0, what
 * @visit returned when that is not 0, or -errno. */
MUST_USE int log_replay(Log *log, uint64_t from,
                        int (*visit)(void *context, uint64_t sequence, Str body), void *context);

/* Starts the committer. Numbers go on behind what was replayed, at least at @next_sequence. */
MUST_USE int log_start(Log *log, uint64_t next_sequence);

/* Queues a prepared entry. Returns 0: @done will be called; or the -errno that refuses appends now:
 * nothing was taken. After a failed write the log refuses until a probe write succeeds. */
MUST_USE int log_append(Log *log, LogEntry *entry);

/* Bodies below @sequence are needed no longer: removes the segments that hold only such, from
 * log_start() on. Damaged ones are set aside in `damaged/`. Not from the committer's thread. */
void log_release(Log *log, uint64_t sequence);

/* Closes the segment that is being written, so that it can be removed once it is released. */
void log_seal(Log *log);

/* The first sequence number that a segment holds, or could: 0 when one cannot be read; UINT64_MAX
 * when there is none. */
uint64_t log_first(Log *log);

/* Commits what waits, stops the committer. log_append() is then refused with -ESHUTDOWN. */
void log_stop(Log *log);

/* Stops if need be and frees. */
Log *log_close(Log *log);

/* How long syncs took: at most so many microseconds each; the last bucket has the longer ones. */
#define LOG_SYNC_BOUNDS_US                                                                         \
    {                                                                                              \
        100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000      \
    }
enum { LOG_SYNC_BOUNDS = 13 };

typedef struct LogSyncs {
    uint64_t buckets[LOG_SYNC_BOUNDS + 1]; /* each counts its own only */
    uint64_t count, ns_total;
} LogSyncs;

typedef struct LogStatus {
    uint64_t bytes, n_segments;
    uint64_t next_sequence;
    uint64_t commits, last_commit_ns, commit_ns_total;
    LogSyncs syncs;
    int write_error; /* -errno that refuses appends now */
} LogStatus;

void log_status(Log *log, LogStatus *ret_status);
