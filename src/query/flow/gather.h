// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/flow/defined_flows.h"

/*
 * A question's members: from the blocks, kept or read now, and from the head. They are those of the
 * parts, which the gathering holds. One thread.
 */
typedef struct GatheredMember {
    const Member *member;
    Str run_id; /* its own, its trace's, or the trace's id */
    bool no_run_id;
    uint32_t flow; /* index of the definition */
} GatheredMember;

/* What one block, or the head, is to one flow. */
typedef struct GatherPart {
    FlowBlock *block; /* a reference */
    size_t index;     /* of the store's block in the reading; SIZE_MAX: the head */
    uint32_t flow;
} GatherPart;

typedef struct Gathering {
    const DefinedQuestion *question;
    FlowCache *cache; /* may be NULL */
    CompiledFlow *flows;
    size_t n_flows;
    uint64_t from_ns, to_ns; /* the times that are looked at */
    uint64_t floor_ns;       /* members that start earlier may lack */
    bool truncated;
    StoreReading *reading; /* NULL: parts come from elsewhere */
    GatherPart *parts;
    size_t n_parts, parts_capacity, bytes; /* bytes: of parts that only this question holds */
    GatheredMember *items;
    size_t n, capacity;
    uint64_t looks;
    Arena arena;   /* filters */
    Arena scratch; /* of one span */
} Gathering;

enum {
    GATHER_BYTES_MAX = 128 << 20, /* of parts; beyond it older ones are not read */
    GATHER_LOOKS_PER_CLOCK = 1024,
};

#define GATHER_HEAD SIZE_MAX

void gathering_init(Gathering *gathering, const DefinedQuestion *question);
void gathering_deinit(Gathering *gathering);

/* All of the question's window, and what runs reach around it. Returns 0 or -errno. */
MUST_USE int gather_window(Gathering *gathering);

/* These spans, of any time, for the only flow. Returns 0; 1: a limit is met. */
MUST_USE int gather_span(Gathering *gathering, const Span *span);

/* After the last part: each span's member once, sorted by (flow, identity), with its run. */
void gather_finish(Gathering *gathering);

/* Of the members, with flows and runs: equal when the maps made of them are. */
FlowVersion gathering_content(const Gathering *gathering);

/* ---- Inside: places.c reads for gather.c ---- */

/* Adds parts of what the head, or a block of the reading, is to the flows. Return 0 or -errno. */
MUST_USE int gather_head(Gathering *gathering);
MUST_USE int gather_block(Gathering *gathering, size_t index);

bool gather_is_late(const Gathering *gathering);

/* Members that start before @ns may lack from now on. */
void gather_raise_floor(Gathering *gathering, uint64_t ns);

/* Takes the reference over. */
void gather_add_part(Gathering *gathering, FlowBlock *block, size_t index, uint32_t flow);
