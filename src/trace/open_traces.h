// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "span/span.h"

/*
 * The traces that are still growing: which one was quiet for longest, which one was opened first.
 * Time is passed in, monotonic nanoseconds that never go back. About 64 bytes a trace; `{0}` after
 * open_traces_init(). Not thread-safe.
 */
typedef struct OpenTrace {
    TraceId id;
    uint64_t opened_ns, active_ns;
    uint32_t by_activity[2], by_opening[2]; /* neighbours in both orders: earlier, later */
} OpenTrace;

typedef struct OpenTraces {
    Table table;                      /* of OpenTrace */
    uint32_t activity[2], opening[2]; /* first and last of each order */
} OpenTraces;

void open_traces_init(OpenTraces *traces);
void open_traces_deinit(OpenTraces *traces);

/* Spans of trace @id came at @now_ns: opens it, or moves it to the end of the order of activity. */
void open_traces_touch(OpenTraces *traces, TraceId id, uint64_t now_ns);

static inline size_t open_traces_count(const OpenTraces *traces)
{
    return traces->table.n_records;
}

/* The trace that is quiet for longest, and the one that was opened first; NULL when none is open.
 * Valid until the next change. */
const OpenTrace *open_traces_quietest(const OpenTraces *traces);
const OpenTrace *open_traces_oldest(const OpenTraces *traces);

/* The one that was opened next after @trace; NULL: it is the newest. */
const OpenTrace *open_traces_younger(const OpenTraces *traces, const OpenTrace *trace);

/* The trace, if it is open; else NULL. */
const OpenTrace *open_traces_find(const OpenTraces *traces, TraceId id);

/* Closes @trace, one of these. */
void open_traces_close(OpenTraces *traces, const OpenTrace *trace);
