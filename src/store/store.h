// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/clock.h"
#include "os/fs.h"
#include "span/filter.h"
#include "store/log.h"
#include "store/observer.h"

/*
 * The trace store: what is acknowledged is on disk, what is on disk is found.
 *
 *   append -> log (group commit) -> acknowledged -> head generation (interned rows, queryable)
 *          -> settled by the observer -> block (Parquet) + observer table, one manifest commit
 *
 * All functions are thread-safe unless they say otherwise.
 */
typedef struct Store Store;

/* Decodes a logged body when the log is replayed on start: wire's otlp_read_protobuf(). Returns 0;
 * 1 when the body is bad. */
typedef int (*StoreDecode)(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error);

/* A trace of which any span matches is kept for this age instead of retention_age_s. The first rule
 * that a trace matches counts. */
typedef struct StoreRetentionRule {
    const Filter *filter;
    uint64_t age_s;
} StoreRetentionRule;

typedef struct StoreOptions {
    FileSystem *fs; /* the data directory; not owned */
    StoreDecode decode;
    const Clock *clock;
    const StoreObserver *observer; /* NULL: every row counts as settled at once */
    uint64_t commit_delay_us;      /* how long a group commit may collect; 0: default 1,000 */
    uint64_t sync_interval_ms;     /* 0: answers wait for the disk; else see log.h */
    uint64_t commit_bytes;         /* ... or until this much waits; 0: default 512 KiB */
    uint64_t queue_bytes_max;   /* appended but not yet applied; beyond it STORE_BUSY; 0: 64 MiB */
    uint64_t generation_rows;   /* cut a block at so many spans; 0: default 262,144 */
    uint64_t generation_age_ms; /* ... or at this age; 0: default 60,000 */
    uint64_t attribute_columns_max;  /* see block_builder_new() */
    uint64_t retention_age_s;        /* blocks whose newest rows came longer ago go; 0: 7 days */
    uint64_t retention_bytes;        /* oldest blocks go beyond this; 0: no limit */
    uint64_t retention_disk_percent; /* ... or while the disk is fuller than this; 0: no limit */
    const StoreRetentionRule *retention_rules; /* in order; not owned */
    size_t n_retention_rules;
    uint64_t trace_spans_max;        /* of a trace that is read; 0: default 200,000 */
    uint64_t compaction_rows;        /* blocks grow to about so many spans; 0: 2,097,152 */
    uint64_t group_rows;             /* row groups of these; 0: BLOCK_GROUP_ROWS */
    uint64_t compaction_bytes;       /* ... or to so many bytes; 0: default 512 MiB */
    uint64_t compaction_bytes_per_s; /* read and written; 0: default 64 MiB; UINT64_MAX: no limit */
} StoreOptions;

/* Opens the directory, loads the manifest and the observer's tables, replays the log. Returns 0,
 * -EBUSY when another process has it, or -errno; @ret_why then says in one sentence what to do
 * (static). */
MUST_USE int store_open(const StoreOptions *options, Store **ret_store, const char **ret_why);

/* Takes no more, applies what was acknowledged, settles all, writes the head out as blocks. Returns
 * 0, or why a block could not be written: those spans wait in the log for the next start. */
int store_drain(Store *store);

/* Drains, closes. */
Store *store_close(Store *store);

/*
 * One request's spans on their way in: the OTLP protobuf body (what the log keeps) and its decoded
 * spans (views into body and arena). Made by the ingest handlers, owned by the store once appended.
 */
typedef struct StoreBatch {
    Buf body;
    Arena arena;
    Batch spans;
} StoreBatch;

StoreBatch *store_batch_new(void);
StoreBatch *store_batch_free(StoreBatch *batch);

/* As store_batch_new(), with the memory of a batch that was applied if there is one: what the next
 * request needs is still mapped and in the cache. From any thread. */
StoreBatch *store_batch_reuse(Store *store);

enum { STORE_BUSY = 1 };

/* Told once per append, on the log's thread: 0 when the batch is on disk, else -errno (-ENOSPC,
 * -EIO …), and then nothing of it was kept. Must not block. */
typedef void (*StoreAppended)(void *context, int result);

/*
 * Queues @batch for the next group commit. Returns 0: the batch is taken over and @done will be
 * called; STORE_BUSY: too much waits already, nothing was taken; -errno (disk full or failed, see
 * store_status()): nothing was taken.
 */
MUST_USE int store_append(Store *store, StoreBatch *batch, StoreAppended done, void *context);

/* What store_append() would say to a batch of about @bytes just now, so that a request need not be
 * decoded to be refused; a refusal counts as one. From any thread. */
MUST_USE int store_check_room(Store *store, uint64_t bytes);

typedef enum StoreWait {
    STORE_WAIT_APPLIED, /* everything acknowledged before the call can be found by queries */
    STORE_WAIT_SETTLED, /* ... and the observer has settled every open trace */
} StoreWait;

enum { STORE_LATE = 1 };

/* Waits for that until @deadline_ns (monotonic; 0: without end). Returns 0; or STORE_LATE: the
 * store is behind, ask again. Settling on demand takes a fifth of the applier's time at most,
 * however often it is asked for: those who ask together are served together. */
MUST_USE int store_wait(Store *store, StoreWait what, uint64_t deadline_ns);

/* store_wait() without end. */
void store_wait_applied(Store *store);
void store_wait_settled(Store *store);

/* When the oldest batch was acknowledged that queries do not see yet, monotonic; UINT64_MAX: they
 * see everything. */
uint64_t store_waiting_since(Store *store);

/* Lets the compactor do what is due now, without its rate, and waits for it. For tools and tests.
 */
void store_compact(Store *store);

enum { STORE_NO_TRACE = 2 };

/*
 * Deletes a trace: what is acknowledged of it before the call is shown no more when this returns,
 * and is gone from the files once the compactor has written its blocks again and the log has let
 * its frames go. Spans of it that come later are a trace of their own. What it added to the
 * observer's tables stays. Returns 0; STORE_NO_TRACE: nothing is stored of it; STORE_LATE: the
 * store is behind, or too many deletions wait, try again; or -errno: nothing was deleted.
 */
MUST_USE int store_delete_trace(Store *store, TraceId id, uint64_t deadline_ns);

/* For the observer, on the applier thread: the rows that the head holds of these traces are
 * settled. */
void store_mark_settled(Store *store, const TraceId *traces, size_t n_traces);

typedef enum StoreView {
    STORE_ALL,     /* everything applied */
    STORE_SETTLED, /* only rows that were settled before (blocks and marked head rows) */
} StoreView;

/* The spans of a trace, one per identity, sorted by (start, span id), in @arena; none: @ret_n 0. Of
 * a trace with more than trace_spans_max these are the earliest, so that no trace is more than a
 * reader can hold. What is left out of a large one is not even read.
 * Returns 0 or -errno. */
MUST_USE int store_read_trace(Store *store, TraceId id, StoreView view, Arena *arena,
                              Span **ret_spans, size_t *ret_n);

/* As store_read_trace() of everything, for a list of traces: spans may lack events, links, and
 * attributes other than their resource's and their own service.name. */
MUST_USE int store_read_outline(Store *store, TraceId id, Arena *arena, Span **ret_spans,
                                size_t *ret_n);

/* A trace, and what is to be said of it besides. */
typedef struct StoreTraceView {
    Span *spans;
    size_t n_spans;
    bool cut;     /* it has more spans than trace_spans_max; these are the earliest */
    bool damaged; /* a block that may hold more of it cannot be read */
} StoreTraceView;

/* store_read_trace() of everything applied. Returns 0 or -errno. */
MUST_USE int store_view_trace(Store *store, TraceId id, Arena *arena, StoreTraceView *ret_view);

/* The moment before which retention has taken what came, Unix ns: by age, or since the start by the
 * other limits. A trace whose spans came when they began, and began before it, is gone unless a
 * rule keeps it. */
uint64_t store_retired_before(Store *store);

/* A trace in both views at once; equal parts are shared. */
typedef struct StoreTrace {
    Span *settled, *all;
    size_t n_settled, n_all;
    bool cut;     /* it has more spans than trace_spans_max; these are the earliest */
    bool damaged; /* a block that may hold more of it cannot be read, or is lost */
    bool retired; /* retention may have taken a part of it */
} StoreTrace;

/* For the observer, on the applier thread: as store_read_trace() by both views, but nothing of the
 * head is copied: what spans point to lives until the callback returns that reads it. */
MUST_USE int store_read_settling(Store *store, TraceId id, Arena *arena, StoreTrace *ret_trace);

/*
 * A trace that a search found. Hits are ordered by the start that people see, (start of the trace's
 * earliest span, trace id), newest first; the order is the same whatever was asked.
 */
typedef struct StoreHit {
    TraceId trace_id;
    uint64_t start_ns;
} StoreHit;

typedef struct StoreSearch {
    const Filter *filter;    /* a trace is a hit when one of its spans matches ... */
    uint64_t from_ns, to_ns; /* ... that starts in from <= start < to */
    /* What the whole trace must be besides, spans as store_read_trace() gives them; NULL: all. */
    bool (*accept)(void *context, const Span *spans, size_t n_spans);
    void *accept_context;

    bool has_after; /* a page further: only hits behind @after in the order ... */
    StoreHit after;
    const uint32_t *shown; /* ... and none of these (store_hit_mark()): a span that came meanwhile
                              can move a trace's start behind @after */
    size_t n_shown;
    size_t limit;
    uint64_t deadline_ns; /* monotonic; 0: none */
    size_t bytes_max;     /* memory of the search at a time; 0: 64 MiB */
} StoreSearch;

/* Why an answer may lack hits. */
typedef enum StoreGap {
    STORE_COMPLETE,
    STORE_OUT_OF_TIME,
    STORE_OUT_OF_MEMORY,
    STORE_PATTERN_GAVE_UP, /* a regular expression ran away: filter_give_ups() */
    STORE_TRACE_TOO_LARGE, /* only: traces were left out that are larger than the memory */
} StoreGap;

typedef struct StoreHits {
    StoreHit *items; /* in the arena of the call */
    size_t count;
    bool more; /* there is at least one hit behind the last */
    StoreGap gap;
    TraceId large_trace;       /* one that was left out, with STORE_TRACE_TOO_LARGE */
    uint64_t searched_from_ns; /* with a gap: spans that start later were all looked at; UINT64_MAX:
                                  not even these */
    uint64_t scanned_spans, scanned_blocks;
} StoreHits;

uint32_t store_hit_mark(TraceId id);

/* Returns 0, also with a gap; or -errno. */
MUST_USE int store_search(Store *store, const StoreSearch *search, Arena *arena,
                          StoreHits *ret_hits);

/* Calls @visit for every span in the window that matches, in no order, one per identity only within
 * a trace's neighbourhood (resends may show twice); stops when it returns non-zero and returns
 * that. The span lives during the call. For export and statistics. */
MUST_USE int store_scan(Store *store, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
                        int (*visit)(void *context, const Span *span), void *context);

/* A name that spans carry, with how many; for services, operations, attribute keys and values. */
typedef struct StoreName {
    Str name;
    uint64_t count;
    uint8_t kind; /* operations: SpanKind */
} StoreName;

typedef struct StoreNames {
    StoreName *items; /* sorted by name, in the arena of the call */
    size_t count;
    bool truncated;
} StoreNames;

/* Names over blocks and head whose time range touches [from, to), at most @limit. */
MUST_USE int store_services(Store *store, uint64_t from_ns, uint64_t to_ns, size_t limit,
                            Arena *arena, StoreNames *ret_names);
MUST_USE int store_operations(Store *store, Str service, uint64_t from_ns, uint64_t to_ns,
                              size_t limit, Arena *arena, StoreNames *ret_names);

/* Keys as `span.KEY` or `resource.KEY`. */
MUST_USE int store_attribute_keys(Store *store, size_t limit, Arena *arena, StoreNames *ret_names);

/* Values of a key. When a block has more than BLOCK_LISTED_MAX of them, what it has is not read:
 * these are some, the most frequent where that is known, counts are at least so many, and the
 * answer is truncated. */
MUST_USE int store_attribute_values(Store *store, FilterField level, Str key, size_t limit,
                                    Arena *arena, StoreNames *ret_names);

/* Calls @visit for each (trace, trace that one of its links names) of settled rows, older blocks
 * before newer ones, the head last; for the map's stitching after a start. Returns 0 or -errno. */
MUST_USE int store_links(Store *store, int (*visit)(void *context, TraceId from, TraceId to),
                         void *context);

typedef struct StoreStatus {
    uint64_t spans_stored; /* in blocks and head */
    uint64_t bytes_stored; /* files of the data directory */
    uint64_t block_bytes, table_bytes, log_bytes, head_bytes;
    uint64_t n_blocks, n_tables, n_log_segments;
    uint64_t head_spans, unsettled_spans;
    uint64_t oldest_ns, newest_ns;                             /* span starts; 0 when empty */
    uint64_t appended_batches, appended_spans, appended_bytes; /* since start */
    uint64_t failed_appends, busy_appends;
    uint64_t queue_bytes;
    uint64_t commits, last_commit_ns, commit_ns_total; /* group commits and their fdatasync time */
    LogSyncs syncs;
    uint64_t sync_interval_ms;
    uint64_t retired_blocks, retired_traces; /* whole blocks; traces by rules, from blocks */
    uint64_t compactions, compacted_spans;
    uint64_t deleted_traces, tombstones; /* since start; not yet gone from all files */
    uint64_t damaged_blocks; /* found when they were to be rewritten, and left as they are */
    uint64_t spilled_keys; /* attributes without a column because of the limit, per block written */
    uint64_t disk_free_bytes, disk_total_bytes;
    int write_error;                      /* -errno that refuses appends now; 0: all is well */
    uint64_t replayed_batches, replay_ns; /* of the last start */
} StoreStatus;

void store_status(Store *store, StoreStatus *ret_status);
