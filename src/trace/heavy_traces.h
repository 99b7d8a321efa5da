// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "span/span.h"

/*
 * The traces with very many spans: what reading them again would cost, and from where on their
 * spans do not count any more. It bounds the time that one trace which never ends can take: it
 * is settled again only after a quiet time in proportion to its size, and not at all for spans
 * beyond the limit of a trace. Not thread-safe.
 */
enum {
    HEAVY_SPANS = 20000,     /* a trace is heavy from so many on */
    HEAVY_TRACES_MAX = 4096, /* beyond it the one that was settled longest ago is forgotten */
};

typedef struct HeavyTrace {
    TraceId id;
    uint64_t n_spans, settled_ns;
    uint64_t full_from_ns; /* spans that start later do not count; UINT64_MAX: all count */
} HeavyTrace;

typedef struct HeavyTraces {
    Table table; /* of HeavyTrace */
} HeavyTraces;

void heavy_traces_init(HeavyTraces *traces);
void heavy_traces_deinit(HeavyTraces *traces);

/* @trace was settled so; it is forgotten when it is not heavy and not full. */
void heavy_traces_note(HeavyTraces *traces, const HeavyTrace *trace);

/* The trace is gone: what comes of it counts from its beginning. */
void heavy_traces_forget(HeavyTraces *traces, TraceId id);

/* Whether enough time has passed to settle the trace again: @quiet_ns for each HEAVY_SPANS. */
bool heavy_traces_may_settle(const HeavyTraces *traces, TraceId id, uint64_t now_ns,
                             uint64_t quiet_ns);

/* Whether a span that starts at @start_ns is beyond what counts of the trace. */
bool heavy_traces_is_beyond(const HeavyTraces *traces, TraceId id, uint64_t start_ns);
