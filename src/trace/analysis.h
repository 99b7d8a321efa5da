// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trace/tree.h"

/*
 * What a trace's tree tells about time: self time, critical path, clock skew. All in the arena of
 * the call.
 */
typedef struct PathSegment {
    uint64_t start_ns, end_ns;
} PathSegment;

typedef struct SpanAnalysis {
    uint64_t self_ns;      /* duration not covered by children (clipped to the span) */
    uint64_t critical_ns;  /* the sum of its segments */
    PathSegment *segments; /* parts of the span on the critical path, by start */
    uint32_t n_segments;
    int64_t skew_ns; /* add to start and end to correct the clock; 0 where none is needed */
} SpanAnalysis;

/* Whether both are of one host, which has one clock: the first of host.id, k8s.node.name,
 * k8s.pod.uid and host.name that both have is equal; when they share none, the resources are. */
bool resources_share_host(const Resource *a, const Resource *b);

/*
 * Critical path: walking back from the root's end, always into the child that ends last before the
 * current moment (the algorithm of Uber's CRISP and Jaeger's UI). Skew: where a child on another
 * host (by resource) lies outside its parent, the child and all below it on that host are moved
 * into it, centred on the missing time, as Jaeger's clock skew adjuster does. The path is computed
 * on uncorrected times.
 */
void trace_analyse(const Tree *tree, Arena *arena, SpanAnalysis **ret_spans);
