// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "map/flow/member.h"
#include "query/flow/definition.h"

/*
 * What spans are to one definition: each that a step chooses is given the attributes that the
 * definition says it should have had and goes through the contract's own function, alone; its
 * member is the one that real attributes would have made. Of each trace the earliest key is known,
 * too, so that lists of any parts of a trace can be put together.
 *
 * Resends are in it as often as they were seen. Filled by one thread, then read by any.
 */
typedef struct FlowTraceKey {
    TraceId trace_id;
    SpanId span_id;
    uint64_t start_ns;
    Str value;
} FlowTraceKey;

typedef struct FlowMembers {
    Member *items; /* run_id of one with no_run_id: its trace's key, else as it is */
    size_t n, capacity;
    Table keys;    /* of FlowTraceKey, by trace */
    Symbols names; /* keys of nodes, steps */
    Arena arena;   /* run ids, values of keys */
} FlowMembers;

void flow_members_init(FlowMembers *members);
void flow_members_deinit(FlowMembers *members);

/* Takes what @span is to @flow; @scratch is for the call. */
void flow_members_take(FlowMembers *members, const CompiledFlow *flow, const Span *span,
                       Arena *scratch);

/* The span's value of the key; empty: none. Lives as long as @scratch or the span. */
Str flow_key_of(const FlowDefinition *definition, const Span *span, Arena *scratch);

/* Whether @other is a trace's key rather than @key: the earliest is. */
bool flow_key_is_earlier(const FlowTraceKey *other, const FlowTraceKey *key);

/* Members and keys, which limits count. */
static inline size_t flow_members_count(const FlowMembers *members)
{
    return members->n + members->keys.n_records;
}

/* Bytes of memory, for budgets. */
size_t flow_members_bytes(const FlowMembers *members);
