// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"
#include "map/flow/member.h"
#include "store/store.h"
#include "trace/links.h"

/*
 * A batch of traces that settle together: what they and the traces around them add to the map, and
 * what that takes back. Reads the store, changes nothing but the index of links; one thread, the
 * applier.
 *
 * settling_add() each trace, settling_contribute(), apply minus and plus, mark the traces settled,
 * settling_note_applied(); then settling_drop(), whatever came of it.
 */
typedef struct SettlingView {
    Span *spans;
    size_t count;
} SettlingView;

/* A trace as the batch sees it. */
typedef struct SettlingTrace {
    TraceId id;
    bool settling; /* of the batch */
    bool affected;
    bool loaded;
    bool cut;                   /* it has more spans than count */
    bool damaged;               /* a part of it may be in a block that cannot be read */
    bool retired;               /* retention may have taken a part of it */
    bool has_flows;             /* a span of either view has an attribute of a flow */
    SettlingView before, after; /* not of the batch: the same */
} SettlingTrace;

typedef struct Settling {
    Store *store;        /* not owned; set before the first trace */
    Links links;         /* of all settled traces and the batch */
    uint64_t links_next; /* number of the batch's first link */
    bool flows_known;    /* some trace has attributes of flows */

    /* The batch. */
    TraceId *ids;
    size_t n_ids, n_spans;
    bool has_links; /* some trace of it has */
    Deltas minus, plus;
    Members minus_members, plus_members;
    uint64_t n_left;       /* traces whose contribution stays as it is, for damage */
    uint64_t n_late;       /* spans that are a trace of their own, the rest of which is gone */
    uint64_t cut_contexts; /* questions for a business context that met a limit; of all batches */

    Arena arena; /* spans of both views */
    Arena delta_arena;
    Table traces; /* SettlingTrace by id: the batch and what is around it */
} Settling;

enum { SETTLING_TRACES_MAX = 512 };

void settling_init(Settling *settling);
void settling_deinit(Settling *settling);

/* Notes a link of a settled trace, after a start. */
void settling_learn_link(Settling *settling, TraceId from, TraceId to);

/* Reads trace @id and puts it into the batch, SETTLING_TRACES_MAX at most. Returns 0 or -errno; it
 * is in the batch also then. */
MUST_USE int settling_add(Settling *settling, TraceId id);

/* The trace of the batch with this id; valid until the next call that adds one. */
const SettlingTrace *settling_find(const Settling *settling, TraceId id);

/* Fills minus and plus. Returns 0 or -errno. */
MUST_USE int settling_contribute(Settling *settling);

/* What it changes is on the map. */
void settling_note_applied(Settling *settling);

/* Empties the batch. */
void settling_drop(Settling *settling);
