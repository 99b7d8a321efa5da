// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "alert/signal.h"

/*
 * Alerts and how they live, as in Prometheus and Alertmanager:
 *
 *        matches            for `for`            no more               told or RESOLVED_KEEP
 *   --------------> pending ---------> firing ----------> resolved ---------------> gone
 *                      | no more ^                            | matches again
 *                      v gone    '----------------------------'  (as a new one)
 *
 * Pure but for the memory: what is, the rules and the moment go in, the next state comes out.
 */
enum {
    ALERTS_MAX = 1000, /* of all states */
};

#define ALERT_RESOLVED_KEEP_NS UINT64_C(900000000000) /* for receivers that do not answer */
#define ALERT_REPEAT_NS UINT64_C(14400000000000)      /* a firing one is told again: 4 h */

typedef enum AlertState { ALERT_PENDING, ALERT_FIRING, ALERT_RESOLVED } AlertState;

typedef struct Alert {
    uint64_t fingerprint; /* of the labels */
    AlertState state;
    AlertLabels labels; /* with alertname, and those of the rule */
    AlertLabels annotations;
    double a, b, significance;
    uint64_t active_ns, firing_ns, resolved_ns; /* since when; 0: never */
    uint32_t told_firing, told_resolved;        /* receivers that know, bit by bit */
    uint32_t not_for;                           /* ... that are not told */
    uint64_t told_ns[ALERT_RECEIVERS_MAX];      /* when */
    bool is_seen;                               /* of the evaluation at hand */
    bool is_changed;                            /* since it was last written down */
    Arena arena;
} Alert;

typedef struct Alerts {
    Alert **items; /* owned, in order of arrival */
    size_t n, capacity;
    uint64_t dropped; /* beyond ALERTS_MAX */
    uint64_t untold;  /* resolved ones that went before every receiver knew */
} Alerts;

void alerts_deinit(Alerts *alerts);

/* Whether receiver number @receiver has to be told of it now, for the first time or again. */
bool alert_is_due(const Alert *alert, size_t receiver, uint64_t now_ns);

/* A new one, owned by @alerts; NULL when there are ALERTS_MAX. */
Alert *alerts_add(Alerts *alerts, uint64_t fingerprint);
Alert *alerts_find(const Alerts *alerts, uint64_t fingerprint);

typedef struct AlertMoment {
    const AlertObservation *observations; /* one for each pair of windows that a rule has */
    size_t n_observations;
    uint64_t now_ns;
    uint64_t watching_since_ns; /* before it nobody could have seen what did not happen: rules on
                                   what vanished or stopped wait until their window begins later */
    const Str *receivers;       /* ALERT_RECEIVERS_MAX names, unused ones empty; NULL: none */
} AlertMoment;

/* Brings @alerts to @moment. */
void alerts_evaluate(Alerts *alerts, const AlertRules *rules, const AlertMoment *moment);

/* Forgets those that are over; calls @forget with each fingerprint before. */
void alerts_sweep(Alerts *alerts, uint64_t now_ns,
                  void (*forget)(void *context, uint64_t fingerprint), void *context);

/* An alert as one JSON object for the desk, and back (0; 1: it is none). Names of receivers stand
 * for their bits; @names has ALERT_RECEIVERS_MAX, unused ones empty. */
void alert_keep(const Alert *alert, const Str *names, Buf *buf);
MUST_USE int alert_restore(Alerts *alerts, uint64_t fingerprint, Str text, const Str *names);

/* A piece of time in which alerts that match are not told to anybody. */
typedef struct AlertSilence {
    Str id;
    AlertLabels match;
    uint64_t from_ns, to_ns; /* from <= moment < to */
    Str author, comment;
    AlertMatcher *matcher;
} AlertSilence;

enum { ALERT_SILENCES_MAX = 200, ALERT_COMMENT_MAX = 1000 };

/* {"match","from","to","author","comment"} without id, times in ns; views in @reader's arena. */
void alert_silence_keep(const AlertSilence *silence, Buf *buf);
MUST_USE int alert_silence_restore(Str text, Arena *arena, AlertSilence *ret_silence);

/* The first that holds the alert back at that moment, or NULL. */
const AlertSilence *silence_of(const AlertSilence *silences, size_t n, const Alert *alert,
                               uint64_t now_ns);
