// SPDX-License-Identifier: Apache-2.0
#include "alert/watch_private.h"

/*
 * The rule alone, over moments of the past, by the same two pure steps as each minute: signals of
 * two windows, alerts of signals. Alerts begin to fire, are noted, and go on; nobody is told.
 */
#define NS_PER_MINUTE UINT64_C(60000000000)

typedef struct Trying {
    AlertWatch *watch;
    const AlertTrialQuestion *question;
    AlertRules *rules; /* the one */
    WindowPair pair;
    uint64_t complete_to_ns;
    DefinedFlows defined; /* over all moments; no map: there are none */
    Alerts alerts;
    Table noted; /* of Noted: alerts that fire now */
    Arena *arena;
    AlertTrial *trial;
} Trying;

typedef struct Noted {
    uint64_t fingerprint;
    uint64_t number; /* in the trial + 1; 0: beyond its limit */
} Noted;

static void trying_deinit(Trying *trying)
{
    alert_rules_free(trying->rules);
    alerts_deinit(&trying->alerts);
    table_deinit(&trying->noted);
    defined_flows_deinit(&trying->defined);
}

static bool is_late(const Trying *trying)
{
    return trying->question->deadline_ns != 0 &&
           clock_monotonic_ns(trying->watch->options.clock) >= trying->question->deadline_ns;
}

/* All definitions over all that the moments look at, once. */
static void evaluate_defined(Trying *trying)
{
    const AlertDefinedFlows *defined = &trying->watch->options.defined;
    uint64_t reach_ns =
        (trying->pair.window_minutes + trying->pair.baseline_minutes + 1) * NS_PER_MINUTE;
    FlowDefinition *items = NULL;
    size_t n = 0;

    if (!trying->pair.wants_flows || defined->store == NULL) {
        return;
    }
    if (defined->read(defined->context, trying->arena, &items, &n) != 0) {
        trying->trial->truncated = true;
        return;
    }
    const DefinedQuestion question = {
        .store = defined->store,
        .clock = trying->watch->options.clock,
        .memory = defined->memory,
        .definitions = items,
        .n_definitions = n,
        .from_ns = trying->trial->from_ns - MIN(reach_ns, trying->trial->from_ns),
        .to_ns = trying->trial->to_ns,
        .deadline_ns = trying->question->deadline_ns,
    };
    if (n > 0 && defined_flows_evaluate(&question, &trying->defined) != 0) {
        trying->defined = (DefinedFlows){0};
        trying->trial->truncated = true;
    }
    trying->trial->truncated |= trying->defined.truncated;
}

/* ---- one moment ---- */

static void note_firing(Trying *trying, const Alert *alert)
{
    AlertTrial *trial = trying->trial;
    bool is_new;
    Noted *noted = table_put(&trying->noted, &alert->fingerprint, &is_new);

    if (!is_new) {
        return;
    }
    trial->total++;
    if (trial->n_alerts < ALERT_TRIAL_ALERTS_MAX) {
        trial->alerts[trial->n_alerts++] =
            (AlertTrialAlert){.labels = labels_copy(&alert->labels, trying->arena),
                              .annotations = labels_copy(&alert->annotations, trying->arena),
                              .firing_ns = alert->firing_ns,
                              .a = alert->a,
                              .b = alert->b,
                              .significance = alert->significance};
        noted->number = trial->n_alerts;
    }
}

static void forget(void *context, uint64_t fingerprint)
{
    (void)context;
    (void)fingerprint;
}

static void note_alerts(Trying *trying, uint64_t now_ns)
{
    for (size_t i = 0; i < trying->alerts.n; i++) {
        const Alert *alert = trying->alerts.items[i];
        Noted *noted = table_find(&trying->noted, &alert->fingerprint);

        if (alert->state == ALERT_FIRING) {
            note_firing(trying, alert);
        } else if (alert->state == ALERT_RESOLVED && noted != NULL) {
            if (noted->number > 0) {
                trying->trial->alerts[noted->number - 1].resolved_ns = now_ns;
            }
            table_remove(&trying->noted, noted);
        }
    }
    alerts_sweep(&trying->alerts, now_ns, forget, NULL);
}

static void try_moment(Trying *trying, uint64_t now_ns)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const AlertWindows windows =
        alert_windows((uint32_t)(now_ns / NS_PER_MINUTE), trying->pair.window_minutes,
                      trying->pair.baseline_minutes);
    AlertAsking asking = {.map = trying->watch->options.map,
                          .complete_to_ns = MIN(now_ns, trying->complete_to_ns),
                          .arena = &arena};
    AlertObservation observation;

    signals_tell(alert_facts(&asking, &windows, trying->pair.wants_variants), &arena, &observation);
    if (trying->defined.map != NULL) {
        asking.map = trying->defined.map;
        AlertFacts *facts = alert_facts(&asking, &windows, trying->pair.wants_variants);
        facts->of_defined = true;
        signals_tell_more(facts, &arena, &observation);
    }
    const AlertMoment moment = {
        .observations = &observation, .n_observations = 1, .now_ns = now_ns};
    alerts_evaluate(&trying->alerts, trying->rules, &moment);
    note_alerts(trying, now_ns);
}

/* ---- all of them ---- */

static void find_moments(const AlertTrialQuestion *question, AlertTrial *trial)
{
    uint64_t length, step = NS_PER_MINUTE;

    trial->from_ns = question->from_ns / NS_PER_MINUTE * NS_PER_MINUTE;
    trial->to_ns = question->to_ns / NS_PER_MINUTE * NS_PER_MINUTE;
    length = trial->to_ns - MIN(trial->from_ns, trial->to_ns);
    if (length / step > ALERT_TRIAL_STEPS_MAX) {
        step = (length / ALERT_TRIAL_STEPS_MAX + NS_PER_MINUTE - 1) / NS_PER_MINUTE * NS_PER_MINUTE;
    }
    trial->step_ns = step;
}

static void run(Trying *trying)
{
    AlertTrial *trial = trying->trial;

    evaluate_defined(trying);
    for (uint64_t now_ns = trial->from_ns; now_ns <= trial->to_ns; now_ns += trial->step_ns) {
        if (is_late(trying) || atomic_load(&trying->watch->stopping)) {
            trial->to_ns = now_ns;
            trial->truncated = true;
            return;
        }
        try_moment(trying, now_ns);
    }
}

int alert_watch_try(AlertWatch *watch, const AlertRule *rule, const AlertTrialQuestion *question,
                    Arena *arena, AlertTrial *ret_trial, AlertRuleError *ret_error)
{
    CLEANUP(trying_deinit)
    Trying trying = {.watch = watch, .question = question, .arena = arena, .trial = ret_trial};
    AssemblyStatus assembly = {0};

    *ret_trial =
        (AlertTrial){.alerts = ARENA_ARRAY(arena, AlertTrialAlert, ALERT_TRIAL_ALERTS_MAX)};
    table_init(&trying.noted, sizeof(Noted), sizeof(uint64_t));
    if (alert_rules_new(rule, 1, &trying.rules, ret_error) != 0) {
        return ALERT_BAD_RULES;
    }
    trying.pair = pair_of(&trying.rules->items[0]);
    assembly_status(watch->options.assembly, &assembly);
    trying.complete_to_ns = assembly.complete_to_ns;
    find_moments(question, ret_trial);
    run(&trying);
    return 0;
}
