// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/delta.h"

/*
 * What a span adds to a run of a business flow, CONTRACT.md §6: a step occurrence, an envelope, or
 * a span that only joins. A trace's contribution has the members that its own spans are; a run is
 * the sum of its members over all traces.
 */
typedef enum MemberKind {
    MEMBER_STEP,     /* a step occurrence */
    MEMBER_ENVELOPE, /* a name and no step */
    MEMBER_JOINER,   /* only a run id: makes no run */
} MemberKind;

typedef struct Member {
    Str flow;    /* key of the flow's node */
    Str run_id;  /* as given, else the trace id of the span that named the flow, in hex */
    Str step;    /* steps: the name */
    Str service; /* key of the node that performs it */
    TraceId trace_id;
    SpanId span_id;
    uint64_t start_ns, end_ns;
    uint64_t threshold; /* of sampling, a fraction of 2^56; see span_threshold() */
    MemberKind kind;
    int32_t sign; /* +1; -1: taken back */
    bool client;
    bool failed;    /* status ERROR */
    bool shadowed;  /* a step of the same trace and flow is in another run */
    bool no_run_id; /* the run id is the trace's */
} Member;

/* That a trace, and a run of it, has to do with a business object. */
typedef struct EntityLink {
    Str type, id;
    Str flow, run_id; /* empty: no run of the trace */
    TraceId trace_id;
    uint64_t start_ns; /* of the trace's first span that says so */
    int32_t sign;
} EntityLink;

typedef struct Members {
    Member *items;
    size_t count, capacity;
    EntityLink *entities;
    size_t n_entities, entities_capacity;
    Arena *arena;
} Members;

/* Appends a zeroed one, valid until the next call. */
Member *members_add(Members *members);
EntityLink *members_add_entity(Members *members);

/* The order of a run's sequence: start, then the later end, then span id, then trace id. */
int member_compare(const Member *a, const Member *b);
