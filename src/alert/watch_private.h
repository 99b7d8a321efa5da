// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include "alert/watch.h"

/* The inside of AlertWatch, for watch.c, ask.c, tell.c and saved.c only. */

/* A thread that tells one receiver. */
typedef struct AlertTeller {
    AlertWatch *watch;
    size_t receiver; /* index */
    pthread_t thread;
    bool is_running;
    uint32_t failures; /* in a row */
} AlertTeller;

struct AlertWatch {
    AlertWatchOptions options;
    Arena arena; /* of the options, configured rules and receivers */
    AlertReceiver *receivers;
    size_t n_receivers;
    Str receiver_names[ALERT_RECEIVERS_MAX];
    AlertRule *configured;
    size_t n_configured;
    uint64_t watching_since_ns;
    pthread_t thread;
    bool is_running;
    AlertTeller tellers[ALERT_RECEIVERS_MAX];
    _Atomic bool stopping;

    pthread_mutex_t lock; /* the rest */
    pthread_cond_t wake;  /* on the monotonic clock: something may have to be done */
    AlertRules *rules;
    uint64_t rules_version; /* of the desk */
    uint64_t rules_age;     /* grows when the rules are others */
    Alerts alerts;
    Arena silence_arena;
    AlertSilence *silences; /* ALERT_SILENCES_MAX */
    size_t n_silences;
    AlertWatchStatus status; /* counters only */
};

/* A pair of windows that some rules have. */
typedef struct WindowPair {
    uint32_t window_minutes, baseline_minutes;
    bool wants_variants, wants_flows;
} WindowPair;

WindowPair pair_of(const AlertRule *rule);

/* The baseline a_from <= minute < b_from, the window b_from <= minute < b_to. */
typedef struct AlertWindows {
    uint32_t a_from, b_from, b_to;
} AlertWindows;

AlertWindows alert_windows(uint32_t end, uint32_t window_minutes, uint32_t baseline_minutes);

/* ask.c: what a map says of two windows, in the arena. */
typedef struct AlertAsking {
    Map *map;
    uint64_t complete_to_ns;
    uint64_t defined_until_ns; /* monotonic: for ask_defined() alone */
    Arena *arena;
} AlertAsking;

AlertFacts *alert_facts(const AlertAsking *asking, const AlertWindows *windows,
                        bool wants_variants);

/* ask_defined.c: adds what is to be said of flows that people define. */
void ask_defined(AlertWatch *watch, const WindowPair *pair, const AlertWindows *windows,
                 const AlertAsking *asking, AlertObservation *observation);

/* Forgets what blocks were to flows that nobody defines any more. */
void sweep_defined(AlertWatch *watch);

#define ALERT_DESK_RULES STR("alert_rule")
#define ALERT_DESK_ALERTS STR("alert")
#define ALERT_DESK_SILENCES STR("alert_silence")

void watch_lock(AlertWatch *watch);
void watch_unlock(AlertWatch *watch);

/* Under the lock: waits to be woken, at most so long. */
void watch_sleep(AlertWatch *watch, uint64_t ns);

/* Evaluates once. Not under the lock. */
void watch_evaluate(AlertWatch *watch);

/* Under the lock: writes down what has changed, forgets what is over. */
void watch_keep(AlertWatch *watch);

/* Read what is saved, at the start. Returns 0; 1 with a sentence in @why. */
MUST_USE int watch_read_rules(AlertWatch *watch, Buf *why);
void watch_read_alerts(AlertWatch *watch);
MUST_USE int watch_read_silences(AlertWatch *watch, Buf *why);

/* A teller's thread. */
void *teller_run(void *context);
