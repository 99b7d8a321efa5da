// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "store/generation.h"
#include "store/log.h"
#include "store/manifest.h"
#include "store/shelf.h"
#include "store/store.h"

/*
 * The inside of a Store, shared by the files that make it up, and by nobody else:
 * store.c (opening, appending, status), apply.c (the applier thread), write.c, build.c and tables.c
 * (the writer thread), compact.c, merge.c and retain.c (the compactor), view.c, search.c and
 * names.c (readers).
 *
 * Threads and locks:
 *   mutex  guards the queue between log and applier, the hand-over of a cut to the writer, the
 *          counters. Held for moments only.
 *   lock   guards what readers see: the list of generations, the rows in them, the shelf. Only the
 *          applier changes list and rows, so it reads them without; in slices, so that readers wait
 *          a millisecond at most. The writer puts blocks on the shelf and raises `committed` in one
 *          step, so a reader sees the rows or their blocks, never both, never neither.
 *   files  guards the manifest and which blocks are on the shelf: writer, compactor and applier
 * each make a change of both while they hold it, its fsync included. Order: files before lock or
 * mutex; mutex and lock are never held together. No callback of a caller runs under any.
 *
 * A row's way: OPEN -> (observer settles its trace) SETTLED -> (the applier cuts, together with the
 * observer's table rows of exactly the settled traces) number of the cut -> (the writer commits
 * block and table) its state is at most `committed`, readers take it from the block.
 */
enum {
    GENERATIONS_MAX = 64,
    GENERATION_BYTES_MAX = 32 << 20, /* closes a generation of very large spans early */
    HEAD_SETTLE_BYTES = 48 << 20,    /* beyond it all traces are settled now, to free memory */
    HEAD_BYTES_MAX = 72 << 20,       /* beyond it appends are refused: STORE_BUSY */
    APPLY_SLICE_ROWS = 1024,         /* rows appended or read per turn of the lock */
    TICK_MS = 50,
    SETTLE_SHARE = 5, /* settling on demand takes one of so many parts of the applier's time */
    CUT_BLOCKS_MAX = 256,
    SPARES_MAX = 8,            /* applied batches whose memory is kept ... */
    SPARE_BYTES_MAX = 2 << 20, /* ... when it is no more than this */
    DELETIONS_WAIT_MAX = 64,   /* callers of store_delete_trace() */
    LOST_TRACE_S = 3600,       /* a trace is taken to last no longer, next to a lost block */
    RETENTION_WINDOWS = 8,     /* a merged block has rows of such a part of the age ... */
    MERGED_S_MAX = 86400,      /* ... and of no longer */
    TOMBSTONES_MAX = 10000,    /* deleted traces that are still in files */
};

/* When something is tried again that failed: later each time. */
typedef struct Backoff {
    uint64_t not_before_ns, delay_ms;
} Backoff;

enum { BACKOFF_MIN_MS = 1000, BACKOFF_MAX_MS = 300000 };

static inline bool backoff_is_over(const Backoff *backoff, uint64_t now_ns)
{
    return now_ns >= backoff->not_before_ns;
}

static inline void backoff_begin(Backoff *backoff, uint64_t now_ns)
{
    uint64_t delay_ms = backoff->delay_ms * 2;

    delay_ms = MAX(delay_ms, (uint64_t)BACKOFF_MIN_MS);
    backoff->delay_ms = MIN(delay_ms, (uint64_t)BACKOFF_MAX_MS);
    backoff->not_before_ns = now_ns + backoff->delay_ms * 1000000U;
}

static inline void backoff_end(Backoff *backoff)
{
    *backoff = (Backoff){0};
}

/* A batch between store_append() and the applier. */
typedef struct Queued Queued;
struct Queued {
    LogEntry entry; /* first, so that the log's entry is ours */
    Queued *next;
    Store *store;
    StoreBatch *batch;
    StoreAppended done;
    void *context;
    uint64_t bytes;
    uint64_t acknowledged_ns; /* monotonic */
};

typedef struct Deletion Deletion;

/* What one manifest commit makes visible. Made by the applier, then the writer's. */
typedef struct Cut {
    uint32_t number;
    uint64_t log_from; /* once committed, log frames below are needed no longer */
    Generation *generations[GENERATIONS_MAX];
    size_t n_generations;
    void *pending;      /* the observer's table rows; NULL: none */
    uint64_t written_s; /* of its blocks, for the manifest */
    bool is_compactors; /* its generations are no reader's; written no faster than its rate */

    /* The writer's progress, so that a failed commit is tried again without a new block. */
    bool written;
    ShelfBlock *blocks[CUT_BLOCKS_MAX];
    size_t n_blocks;
    ManifestFile block_files[CUT_BLOCKS_MAX];
    ManifestFiles tables;
} Cut;

struct Store {
    StoreOptions options; /* defaults filled in */
    FileSystem *fs;
    const Clock *clock;
    const StoreObserver *observer; /* NULL: none */
    Log *log;

    pthread_rwlock_t lock;
    Generation *generations[GENERATIONS_MAX]; /* oldest first; the last one receives */
    size_t n_generations;
    Shelf *shelf;
    uint64_t lost_s;    /* blocks are lost whose rows came before that, Unix seconds; 0: none */
    uint32_t committed; /* number of the last committed cut */
    uint32_t moves;     /* number of the last move of open rows */

    pthread_mutex_t mutex;
    pthread_cond_t applier_wake, writer_wake;
    pthread_cond_t progress; /* something was applied, settled or written */
    Queued *first, **end;
    uint64_t queue_bytes;               /* of all between store_append() and applied */
    uint64_t handed_over, applied;      /* batches */
    uint64_t waiting_since_ns;          /* see store_waiting_since(); UINT64_MAX: none waits */
    uint64_t settle_asked, settle_done; /* requests of store_wait() */
    uint64_t retired_before_ns;    /* what came before went by bytes, the disk's share or age */
    bool log_is_gone;              /* somebody removed it: the head must become blocks at once */
    uint64_t settle_not_before_ns; /* the next one is served then */
    uint64_t head_bytes;           /* as of the last turn of the applier */
    bool applier_stop, writer_stop;
    Cut *cut;            /* handed to the writer; NULL: it is idle */
    Deletion *deletions; /* that wait for the applier */
    size_t n_deletions;
    int writer_error;               /* of its last attempt */
    StoreStatus counters;           /* what is counted, not measured, of a status */
    StoreBatch *spares[SPARES_MAX]; /* empty but for an arena's chunk */
    size_t n_spares;

    pthread_t applier, writer;
    bool has_applier, has_writer;

    /* The applier's own. */
    uint64_t applied_sequence;
    uint32_t last_cut;
    bool log_is_dirty; /* it may hold deleted traces only: to be released although the head is empty
                        */
    bool settle_by_tick; /* the observer may be asked to settle (it knows the store) */

    /* Under files, and store_open()'s before the threads run. */
    pthread_mutex_t files;
    Manifest manifest;
    ManifestFiles orphan_blocks, orphan_tables; /* removed after the next commit */
    uint64_t n_deleted;                         /* traces since the start */

    /* The writer's own, and store_open()'s before it runs. */
    TableFile **tables; /* of the manifest, in its order */
    size_t n_tables, tables_capacity;
    Buf block_file; /* that was built last; its memory is kept while cuts follow each other */
    Backoff tables_backoff;

    /* The compactor's. */
    pthread_t compactor;
    pthread_cond_t compactor_wake; /* with mutex */
    bool has_compactor, compactor_asked;
    uint64_t compact_asked, compact_done; /* calls of store_compact(); under mutex */
    _Atomic bool compactor_stop;
    bool compactor_paces; /* false: as fast as it can, for tests */
    uint64_t compactor_paid_ns, share_not_before_ns;
    Backoff compactor_backoff;
};

/* store.c: forgets the memory of applied batches. */
void store_drop_spares(Store *store);

/* apply.c */
void apply_batch(Store *store, const Batch *batch, uint64_t sequence);
/* Lets the observer tick, closes generations, starts a cut. With @everything all is settled and all
 * that can be is cut. */
void apply_turn(Store *store, bool settle_all, bool everything);
MUST_USE int applier_start(Store *store);
void applier_stop(Store *store); /* drains */

/* write.c */
MUST_USE int writer_start(Store *store);
void writer_stop(Store *store);
/* Makes @next the manifest, durably; takes its content over on success. Under files. */
MUST_USE int writer_commit(Store *store, Manifest *next);
/* Writes a new file and syncs it; @number is its name from then on. */
MUST_USE int writer_new_file(Store *store, bool is_block, Str content, uint64_t *ret_number);
/* Opens block @number for the shelf. Returns 0; 1 damaged, logged; or -errno. */
MUST_USE int writer_open_block(Store *store, uint64_t number, ShelfBlock **ret_block);
/* After a commit: readers change over to the cut's blocks, without the @removed ones, whose files
 * go with their last reader. The applier drops the spent generations at its next turn. Under files.
 */
void writer_publish(Store *store, Cut *cut, ShelfBlock *const *removed, size_t n_removed);
/* Removes the files of a cut that no manifest names. */
void writer_undo(Store *store, Cut *cut);
void cut_free(Store *store, Cut *cut);

/* Removes table files that no manifest names, and forgets them. */
void writer_remove_tables(Store *store, ManifestFiles *files);
/* Counts the manifest's files for the status. Under files. */
void writer_count_files(Store *store);

/* tables.c: the observer's table files; on the writer thread, or store_open()'s before it runs. */
MUST_USE int tables_write(Store *store, Cut *cut);  /* into cut->tables, also after an error */
void tables_append(Store *store, TableFile *table); /* takes the reference over */
/* After a commit that added files and removed those of @origin: tells the observer. */
void tables_publish(Store *store, const ManifestFiles *added, const TablesChange *origin);
void tables_upkeep(Store *store); /* merges what the observer plans, once */
void tables_free(Store *store);

/* Makes a note of a file that no manifest names; it is removed after the next commit. */
void writer_orphan(Store *store, bool is_block, uint64_t number);

/* compact.c: the compactor's thread, and one piece of its work: returns whether there may be more.
 */
MUST_USE int compactor_start(Store *store);
void compactor_stop(Store *store);
bool compactor_turn(Store *store);

/* delete.c: what waits for the applier, between two cuts; whether a row of the log is deleted. */
void apply_deletions(Store *store);
bool is_deleted(const Manifest *manifest, TraceId id, uint64_t sequence);

/* Waits under the mutex for progress until @deadline_ns (0: no end). Returns whether there is time
 * left. */
bool store_wait_for_progress(Store *store, uint64_t deadline_ns);

/* Waits under the mutex. */
void store_wait_ms(Store *store, pthread_cond_t *condition, uint64_t timeout_ms);

/* view.c: what one reader sees. */
typedef struct View {
    Generation *generations[GENERATIONS_MAX]; /* oldest first */
    uint32_t n_rows[GENERATIONS_MAX];         /* that there were when it began */
    size_t n_generations;
    Shelf *shelf;
    RowView rows;
} View;

void view_init(View *view, Store *store, StoreView which);
void view_deinit(View *view);

/* What is read of a trace, the earliest spans of it, at most @limit. Once there are so many, later
 * ones are not read: neither blocks that begin behind them nor rows of the head. */
typedef struct TracePart {
    Span *spans;
    size_t n, limit;
    bool is_outline;  /* of rows in blocks, as BlockTraceQuestion says */
    size_t bytes_max; /* 0: none; when the arena has more, the rest is not read ... */
    bool large;       /* ... and this says so */
    bool cut;
    bool damaged;      /* a block that may hold more of it cannot be read */
    uint64_t oldest_s; /* when the newest rows of the oldest block came that has some of it; 0: not
                          known */
} TracePart;

/* As store_read_trace(), with no more than the view sees; the limit is the store's. */
MUST_USE int view_read_trace(Store *store, const View *view, TraceId id, Arena *arena,
                             TracePart *part);

/* Whether the trace has rows in the head part of the view. */
bool view_head_has(Store *store, const View *view, TraceId id);

/* Visits the decoded head rows in from <= start < to, newest arrival first, outside the lock. The
 * span lives during the call. Stops when @visit returns non-zero and returns that. */
MUST_USE int view_scan_head(Store *store, const View *view, uint64_t from_ns, uint64_t to_ns,
                            int (*visit)(void *context, const Span *span), void *context);

/* search_head.c: what a search asks of the head, and counts. */
typedef struct HeadSearch {
    const Filter *filter;
    uint64_t from_ns, to_ns;
    const uint64_t *floor_ns;    /* rows that start before it do not matter; may rise meanwhile */
    bool (*stop)(void *context); /* asked for every slice */
    int (*visit)(void *context, const Span *span);
    void *context;
    uint64_t n_scanned;
} HeadSearch;

/* Visits the head rows that match, newest arrival first, outside the lock. The span lives during
 * the call. Returns 0, BLOCK_STOPPED, or what @visit returned other than 0. */
MUST_USE int search_head(Store *store, const View *view, HeadSearch *search);
