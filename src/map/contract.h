// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/delta.h"

/*
 * CONTRACT.md §1 to §6 as a pure function: the spans of a trace, with the traces that links join to
 * it, give its deltas. Nothing here stores, waits or knows time.
 */
typedef struct ContractTrace {
    TraceId id;
    const Span *spans; /* one per identity (spans_deduplicate) */
    size_t n_spans;
} ContractTrace;

/*
 * Appends what @trace adds. @neighbours are the other traces that can matter to it: those that
 * links of its spans name, those whose links name its spans, and those whose links name the former
 * (a receive is silent when its publisher has a process elsewhere, §3); where there are flows, all
 * that is upstream by links (§6). More than needed does no harm.
 *
 * Each delta belongs to one trace only: edges and requests to the speaking span's, a hop to the
 * publishing span's, so that summing over all traces counts each once. Runs of flows may span
 * traces: with ret_deltas->members, each trace adds the members that its own spans are.
 */
void contract_contribution(const ContractTrace *trace, const ContractTrace *neighbours,
                           size_t n_neighbours, Deltas *ret_deltas);

enum {
    CONTRACT_LINKS_MAX = 128, /* links followed per span: its first (§8) */
};

/* How many spans one with this sampling threshold (< 2^56) stands for. */
Adjusted contract_weight(uint64_t threshold);

/* Whether any span has a coordimap.flow.* attribute. */
bool contract_has_flows(const Span *spans, size_t n_spans);

/* Appends the trace ids (other than its own) that the first CONTRACT_LINKS_MAX links of each span
 * name. */
void contract_link_targets(const Span *spans, size_t n_spans, Buf *ret_trace_ids);
