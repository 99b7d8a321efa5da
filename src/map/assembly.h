// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/map.h"
#include "os/clock.h"
#include "store/store.h"

/*
 * Assembly: from spans as they come to settled traces, and from settled traces to the map. It is
 * the store's observer. Invariant, by which CONTRACT.md's law holds:
 *
 *     map = sum over traces T of contribution(settled spans of T, settled spans of T's neighbours)
 *
 * When new rows of trace X settle, the affected traces are X, those its links name, those whose
 * links name X, and those whose links name what X's links name; where X carries or passes on a
 * business context, also all that is downstream by links. For each of them the contribution
 * under the settled view before is taken back and the one after is added. Traces that become quiet
 * together settle together, so that a batch consumer is computed once.
 *
 * Of a trace with more spans than the store reads (StoreOptions.trace_spans_max) the earliest
 * count, by (start, span id): a function of the set. Later ones are settled as they come, without
 * reading. A large trace that goes on is settled again only after a time in proportion to its size.
 *
 * A trace partly in a damaged block stays on the map as it was before the damage; so does one of
 * whose neighbours one was deleted or taken by retention, or the change would take back what was
 * never added. (That a trace was there is known of the newest links, since the start.) Late spans
 * of a trace of which retention may have taken a part are a trace of their own.
 */
typedef struct Assembly Assembly;

typedef struct AssemblyOptions {
    Map *map; /* not owned */
    const Clock *clock;
    uint64_t quiet_ms;      /* a trace without new spans for so long is settled; 0: default 5,000 */
    uint64_t open_ms;       /* one that never is quiet is settled at this age; 0: default 60,000 */
    size_t open_traces_max; /* beyond it the quietest settle early; 0: default 1,000,000 */
} AssemblyOptions;

Assembly *assembly_new(const AssemblyOptions *options);
Assembly *assembly_free(Assembly *assembly);

/* The callbacks to open the store with; then, once it is open, the store itself. */
const StoreObserver *assembly_observer(Assembly *assembly);
void assembly_attach(Assembly *assembly, Store *store);

typedef struct AssemblyStatus {
    uint64_t open_traces, settled_traces, reopened_traces, early_settled, links;
    uint64_t spans_beyond; /* of traces that are larger than the map reads: kept, not in the map */
    uint64_t too_late_spans; /* a trace of their own (CONTRACT.md §8): older than the retention when
                                they came, with nothing stored of their trace, or with a part of it
                                that retention has left, or may have */
    uint64_t damaged_traces; /* that changed, and stay on the map as they were: a part of them or of
                                a neighbour cannot be read, or is gone */
    uint64_t failed_batches; /* tries to settle that could not read: the traces wait */
    uint64_t cut_contexts;   /* questions for a business context that met a limit */
    uint64_t complete_to_ns; /* every span that was acknowledged before this moment is in the map */
} AssemblyStatus;

void assembly_status(Assembly *assembly, AssemblyStatus *ret_status);
