// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "alert/webhook.h"
#include "desk/desk.h"
#include "map/assembly.h"
#include "os/clock.h"
#include "query/flow/defined_flows.h"

/*
 * Alerts at work: a thread asks the map what the rules need and brings the alerts to the moment; a
 * thread for each receiver tells it what it does not know yet. There is no queue that could be full
 * or lost: what a receiver has to be told follows from the alerts, which are on the desk, so a dead
 * receiver costs a try after each back-off and a restart repeats nothing. Everything here may be
 * called from any thread.
 */
typedef struct AlertWatch AlertWatch;

/* Flows that people define, which are evaluated when they are asked for. */
typedef struct AlertDefinedFlows {
    Store *store; /* NULL: there are none */
    FlowMemory *memory;
    /* All definitions, in the arena. Returns 0 or -errno. */
    int (*read)(void *context, Arena *arena, FlowDefinition **ret_items, size_t *ret_n);
    void *context;
} AlertDefinedFlows;

typedef struct AlertWatchOptions {
    AlertDefinedFlows defined;
    Map *map;
    Assembly *assembly;
    Desk *desk;
    const Clock *clock;   /* all of these outlive the watch; the rest is copied */
    Str rules;            /* of the configuration: a JSON list; empty: none */
    Str receivers;        /* lines of NAME URL */
    Str external_url;     /* how people reach the page: in notifications */
    uint64_t interval_ns; /* between evaluations; 0: a minute */
} AlertWatchOptions;

enum {
    ALERT_BAD_RULES = 2, /* DESK_CONFLICT is 1 */
    ALERT_BODY_MAX = 1 << 20,
    ALERT_PER_NOTIFICATION_MAX = 100,
    ALERT_FLOWS_ASKED_MAX = 200, /* for their variants, in one evaluation */
    ALERT_INTERVAL_MIN_NS = 100000000,
    ALERT_DEFINED_MS = 10000, /* for defined flows, in one evaluation; else they stay as they are */
    ALERT_BACKOFF_MIN_S = 1,  /* doubled with each failure in a row */
    ALERT_BACKOFF_MAX_S = 300,
};

/* Reads the desk and starts. Returns 0; 1 with a sentence in @why. */
MUST_USE int alert_watch_new(const AlertWatchOptions *options, AlertWatch **ret_watch, Buf *why);

/* Lets the threads end, cutting off what is being sent: it will be told again. Does not wait for
 * them, and questions are answered still. */
void alert_watch_stop(AlertWatch *watch);

/* Stops the threads and waits for them. */
AlertWatch *alert_watch_free(AlertWatch *watch);

/* Active alerts, by the time since which they are: objects of a list. */
void alert_watch_write(AlertWatch *watch, JsonWriter *json);

/* {"version","items","receivers","cursor":null}. Returns 0 or -errno. */
MUST_USE int alert_watch_rules_write(AlertWatch *watch, JsonWriter *json);

/* Makes @rules all that are saved, if their version is still @version. Those that say they are the
 * configuration's are read over. Returns 0; DESK_CONFLICT; ALERT_BAD_RULES with @ret_error; -EFBIG;
 * -EIO. They are evaluated at once. */
MUST_USE int alert_watch_save_rules(AlertWatch *watch, const AlertRule *rules, size_t n,
                                    uint64_t version, AlertRuleError *ret_error);

/* A rule on the past: what it would have told, had it been there. */
typedef struct AlertTrialQuestion {
    uint64_t from_ns, to_ns; /* moments at which it is evaluated: every minute, or as often as
                                ALERT_TRIAL_STEPS_MAX allows */
    uint64_t deadline_ns;    /* monotonic; 0: none */
} AlertTrialQuestion;

typedef struct AlertTrialAlert {
    AlertLabels labels;
    AlertLabels annotations;
    uint64_t firing_ns, resolved_ns; /* resolved 0: it fires still at the end */
    double a, b, significance;       /* when it began to fire */
} AlertTrialAlert;

typedef struct AlertTrial {
    uint64_t from_ns, to_ns, step_ns; /* what was looked at: to_ns is earlier after a limit */
    AlertTrialAlert *alerts;          /* those that fired, in order of time; in the arena */
    size_t n_alerts;
    uint64_t total; /* how many fired, also beyond ALERT_TRIAL_ALERTS_MAX */
    bool truncated; /* time, or a limit of defined flows */
} AlertTrial;

enum { ALERT_TRIAL_STEPS_MAX = 288, ALERT_TRIAL_ALERTS_MAX = 500 };

/* Changes nothing and tells nobody. Returns 0; ALERT_BAD_RULES with @ret_error. */
MUST_USE int alert_watch_try(AlertWatch *watch, const AlertRule *rule,
                             const AlertTrialQuestion *question, Arena *arena,
                             AlertTrial *ret_trial, AlertRuleError *ret_error);

/* Saves @silence under a new id, which is copied to @ret_id (ALERT_SILENCE_ID bytes). Returns 0;
 * ALERT_BAD_RULES with @ret_error; -EFBIG: there are enough; -EIO. */
enum { ALERT_SILENCE_ID = 16 };
MUST_USE int alert_watch_silence(AlertWatch *watch, const AlertSilence *silence, char *ret_id,
                                 AlertRuleError *ret_error);

/* Returns 0; 1: there is no such silence; -EIO. */
MUST_USE int alert_watch_unsilence(AlertWatch *watch, Str id);

/* Those that are not over: objects of a list. */
void alert_watch_silences_write(AlertWatch *watch, JsonWriter *json);

/* Sends an alert named `WeftTest` to the receiver and waits for its answer. Returns 0 when it took
 * it; 1 when it did not; ALERT_BAD_RULES: there is no such receiver. */
MUST_USE int alert_watch_test(AlertWatch *watch, Str receiver, WebhookAnswer *ret_answer);

typedef struct AlertWatchStatus {
    uint64_t rules, receivers, silences, pending, firing, silenced;
    uint64_t evaluations, evaluation_ns; /* so far, and the time they took */
    uint64_t notified, failed;           /* notifications that were taken; tries that were not */
    uint64_t dropped, untold;            /* see Alerts */
    uint64_t dropped_signals;
    uint64_t unknown; /* pairs of windows for which defined flows could not be evaluated in time */
} AlertWatchStatus;

void alert_watch_status(AlertWatch *watch, AlertWatchStatus *ret_status);
