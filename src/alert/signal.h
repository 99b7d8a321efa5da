// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "alert/rule.h"
#include "map/answer/diff.h"

/*
 * What two windows of the map and of its flows say, in the form that rules match: one signal for
 * each thing that came, went or changed. Pure.
 */
typedef struct AlertSignal {
    AlertKind kind;
    AlertLabels labels; /* sorted; docs/guide/alerts.md names them by kind */
    Str summary;        /* a sentence for people */
    double a, b;        /* as in /map/diff; flows: runs */
    double significance;
} AlertSignal;

/* A flow of the second window that has sequences of steps which it never had before. */
typedef struct AlertFlow {
    const MapFlow *flow;
    const MapFlowVariant *variants;
    size_t n_variants;
} AlertFlow;

/* What one pair of windows is told from. */
typedef struct AlertFacts {
    uint32_t a_from, b_from, b_to; /* minutes; the baseline ends where the window begins */
    const MapDiff *diff;           /* with all types of nodes */
    const MapFlow *flows_a, *flows_b;
    size_t n_flows_a, n_flows_b;
    const AlertFlow *asked; /* flows that were asked for their variants */
    size_t n_asked;
    bool of_defined; /* of flows that people define alone: signals say so, and of nothing else */
} AlertFacts;

/* Signals of one pair of windows. */
typedef struct AlertObservation {
    uint32_t window_minutes, baseline_minutes;
    uint64_t from_ns; /* where the window begins */
    AlertSignal *signals;
    size_t n_signals, capacity;
    uint64_t dropped;   /* beyond ALERT_SIGNALS_MAX */
    bool lacks_defined; /* what is said of defined flows is not all: their alerts stay */
} AlertObservation;

enum { ALERT_SIGNALS_MAX = 5000 };

/* In @arena. Where the baseline has nothing at all, nothing has appeared either. */
void signals_tell(const AlertFacts *facts, Arena *arena, AlertObservation *ret_observation);

/* Appends those of other facts about the same windows. */
void signals_tell_more(const AlertFacts *facts, Arena *arena, AlertObservation *observation);
