// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/flow/run_changes.h"

/* Internal to run_changes*.c: the pieces that both versions have. Each takes off the front of its
 * string; 1 when that is none. */
enum {
    FLAG_KIND = 3,
    FLAG_CLIENT = 1 << 2,
    FLAG_FAILED = 1 << 3,
    FLAG_SHADOWED = 1 << 4,
    FLAG_NO_RUN_ID = 1 << 5,
    FLAG_THRESHOLD = 1 << 6,
    FLAG_TAKEN = 1 << 7,
    CHANGE_TRACES_MAX = 64, /* remembered: the last */
};

typedef struct TraceRing {
    TraceId ids[CHANGE_TRACES_MAX];
    size_t n;
} TraceRing;

void trace_ring_add(TraceRing *ring, TraceId id);

MUST_USE int change_take_name(Str *in, ChangeNames names, Str *ret_name);
MUST_USE int change_take_trace(Str *numbers, Str *ids, TraceRing *ring, TraceId *ret_id);
MUST_USE int change_take_flags(Str *in, Member *member, bool *ret_threshold);
MUST_USE int change_take_times(Str *in, uint64_t before_ns, Member *member);
MUST_USE int change_take_threshold(Str *in, uint64_t *ret_threshold);
MUST_USE int change_take_span(Str *in, SpanId *ret_id);
