// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/map.h"
#include "map/map.h"

/*
 * Sums over the map by names alone, for counters that other programs scrape: calls from client to
 * server, and requests by operation, with histograms. One thread at a time.
 */
#define TOTALS_BOUNDS                                                                              \
    {                                                                                              \
        0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, \
            16.384                                                                                 \
    }

enum { TOTALS_BUCKETS = 14, TOTALS_EDGES_MAX = 2000, TOTALS_OPERATIONS_MAX = 2000 };

extern const double totals_bounds[TOTALS_BUCKETS]; /* seconds; "le" of each bucket */

typedef struct TotalHistogram {
    uint64_t
        counts[TOTALS_BUCKETS]; /* not above the bucket's bound, those of lower ones included */
    uint64_t count;
    double sum_s;
} TotalHistogram;

/* As Tempo's service graphs name how two are joined. */
typedef enum TotalConnection {
    CONNECTION_CALL,      /* "" */
    CONNECTION_EXTERNAL,  /* "virtual_node": the server sends no spans */
    CONNECTION_DATABASE,  /* "database" */
    CONNECTION_MESSAGING, /* "messaging_system": through a queue */
} TotalConnection;

typedef struct TotalKey {
    uint32_t a, b; /* texts: client and server; service and span name */
    uint32_t kind; /* TotalConnection; operations: 0 */
} TotalKey;

typedef struct Total {
    TotalKey key;
    uint64_t count, errors;
    TotalHistogram server, client; /* operations: server */
    TotalHistogram wait;           /* in a queue */
} Total;

typedef struct Totals {
    Symbols texts;
    Table edges, operations;                      /* of Total */
    uint64_t edges_left_out, operations_left_out; /* calls and requests beyond the limits */
} Totals;

void totals_init(Totals *totals);
void totals_deinit(Totals *totals);

/* Adds what happened in from <= minute < to. */
void map_add_totals(Map *map, uint32_t from_minute, uint32_t to_minute, Totals *totals);

/* Raises every number of @shown to that of @more, where that is greater: counters never fall,
 * though a late span may take a contribution back for a moment. */
void totals_raise(Totals *shown, const Totals *more);

/* Adds @more to @totals. */
void totals_add(Totals *totals, const Totals *more);
