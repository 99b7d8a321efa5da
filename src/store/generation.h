// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/row.h"

/*
 * A generation of the head: the rows that came within one stretch of time, interned, found by trace
 * id, each with its state on the way into a block.
 *
 * Not locked: one writer (the applier) under the store's write lock; readers under its read lock.
 * What a decoded row points to lives as long as the generation, so a reader that holds a reference
 * may use it after unlocking.
 */
enum {
    ROW_OPEN = 0,      /* its trace is not settled yet */
    ROW_SETTLED = 1,   /* waits for the next cut */
    ROW_FIRST_CUT = 2, /* from here on: the number of the cut that writes it into a block */
};

#define ROW_FIRST_MOVE                                                                             \
    0x80000000U                    /* from here on: the move that copied it to a newer generation  \
                                    */
#define ROW_DELETED ROW_FIRST_MOVE /* no move has this number: nobody sees it */
#define ROW_NONE UINT32_MAX        /* no row */

typedef struct HeadRow {
    const uint8_t *bytes;
    uint64_t start_ns;
    uint32_t trace; /* index into traces */
    uint32_t next;  /* of the same trace; ROW_NONE: the last */
    uint32_t state;
} HeadRow;

typedef struct HeadTrace {
    TraceId id;
    uint32_t first, last;
    uint32_t first_open; /* ROW_NONE: all are settled */
} HeadTrace;

typedef struct HeadOrigin {
    uint32_t first_row; /* rows from here on came with log frame @sequence */
    uint64_t sequence;
} HeadOrigin;

typedef struct HeadPage HeadPage;
typedef struct HeadChunk HeadChunk;

typedef struct Generation {
    _Atomic int refs;
    RowDictionary dictionary;
    HeadPage **pages; /* of rows; they never move */
    size_t n_pages, page_capacity;
    uint32_t n_rows;
    HeadChunk *chunk; /* of row bytes */
    uint8_t *chunk_next;
    size_t chunk_left, chunk_bytes;
    Table traces;      /* HeadTrace by id */
    size_t last_trace; /* of the row before: the next one is mostly of the same */
    HeadOrigin *origins;
    size_t n_origins, origin_capacity;
    Buf scratch;

    uint32_t n_open, n_settled;    /* the others are cut */
    uint32_t last_cut, n_last_cut; /* number of the last cut, and how many rows it took */
    uint64_t min_start_ns, max_start_ns;
    uint64_t born_ns, closed_ns; /* monotonic; closed_ns 0: it still receives */
} Generation;

enum { GENERATION_ROWS_MAX = 1 << 24 }; /* a hard limit, far above any setting */

Generation *generation_new(uint64_t now_ns);
Generation *generation_ref(Generation *generation);
Generation *generation_unref(Generation *generation);

/* The rows that follow came with log frame @sequence; their resource pointers are a new batch's. */
void generation_begin(Generation *generation, uint64_t sequence);
void generation_append(Generation *generation, const Span *span, uint32_t state);

HeadRow *generation_row(const Generation *generation, uint32_t index);
const HeadTrace *generation_find(const Generation *generation, TraceId id);

static inline TraceId generation_trace_id(const Generation *generation, const HeadRow *row)
{
    return ((const HeadTrace *)table_at(&generation->traces, row->trace))->id;
}

/* Decodes a row; see row_read() for how long the parts live. */
void generation_read(const Generation *generation, const HeadRow *row, Arena *arena,
                     Span *ret_span);

/* Marks the trace's open rows settled. Returns how many. */
uint32_t generation_settle(Generation *generation, TraceId id);

/* Takes the trace's rows that are not cut out of all views. */
void generation_delete(Generation *generation, TraceId id);

/* Gives all settled rows the state @cut. Returns how many. */
uint32_t generation_cut(Generation *generation, uint32_t cut);

/* The lowest log frame of a row that is not cut; UINT64_MAX: none. */
uint64_t generation_low_sequence(const Generation *generation);

/* The log frame that brought row @index. */
uint64_t generation_sequence(const Generation *generation, uint32_t index);

/* Rows that readers still take from here when the blocks of all cuts up to @committed are theirs.
 */
static inline uint32_t generation_rows_behind(const Generation *generation, uint32_t committed)
{
    return generation->n_open + generation->n_settled +
           (generation->last_cut > committed ? generation->n_last_cut : 0);
}

size_t generation_bytes(const Generation *generation);

/* Copies open rows to @to, which then owns them: here they count as moved by number @move, for
 * which they stay visible to readers that began before. Looks at @n_rows rows from *@at on, and
 * leaves there where to go on. Returns whether rows are left to be looked at. */
bool generation_move_open(Generation *generation, uint32_t move, Generation *to, uint32_t *at,
                          uint32_t n_rows);

/* Which rows a reader sees: one that sees the blocks of all cuts up to @committed and began after
 * the move @moves. */
typedef struct RowView {
    uint32_t committed, moves;
    bool settled_only;
} RowView;

static inline bool row_is_visible(const HeadRow *row, const RowView *view)
{
    if (row->state < ROW_FIRST_CUT) {
        return row->state != ROW_OPEN || !view->settled_only;
    }
    if (row->state < ROW_FIRST_MOVE) {
        return row->state > view->committed;
    }
    return row->state > view->moves && !view->settled_only;
}
