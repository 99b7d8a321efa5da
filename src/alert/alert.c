// SPDX-License-Identifier: Apache-2.0
#include "alert/alert.h"

static void alert_free(Alert *alert)
{
    arena_deinit(&alert->arena);
    mem_free(alert);
}

void alerts_deinit(Alerts *alerts)
{
    for (size_t i = 0; i < alerts->n; i++) {
        alert_free(alerts->items[i]);
    }
    mem_free(alerts->items);
    *alerts = (Alerts){0};
}

Alert *alerts_find(const Alerts *alerts, uint64_t fingerprint)
{
    for (size_t i = 0; i < alerts->n; i++) {
        if (alerts->items[i]->fingerprint == fingerprint) {
            return alerts->items[i];
        }
    }
    return NULL;
}

Alert *alerts_add(Alerts *alerts, uint64_t fingerprint)
{
    if (alerts->n == ALERTS_MAX) {
        alerts->dropped++;
        return NULL;
    }
    ARRAY_RESERVE(alerts->items, alerts->n, alerts->capacity);
    Alert *alert = NEW(Alert);
    alert->fingerprint = fingerprint;
    alert->is_changed = true;
    alerts->items[alerts->n++] = alert;
    return alert;
}

bool alert_is_due(const Alert *alert, size_t receiver, uint64_t now_ns)
{
    bool knows = (alert->told_firing >> receiver & 1) != 0;

    if (alert->state == ALERT_FIRING) {
        return (alert->not_for >> receiver & 1) == 0 &&
               (!knows || now_ns - MIN(alert->told_ns[receiver], now_ns) >= ALERT_REPEAT_NS);
    }
    return alert->state == ALERT_RESOLVED && knows && (alert->told_resolved >> receiver & 1) == 0;
}

/* --- One rule --- */

/* Appends @from to @into; a name that is there already keeps its value. */
static void labels_join(AlertLabels *into, const AlertLabels *from)
{
    for (size_t i = 0; i < from->n && into->n < ALERT_LABELS_MAX; i++) {
        bool is_there = false;

        for (size_t k = 0; k < into->n && !is_there; k++) {
            is_there = str_equal(into->items[k].name, from->items[i].name);
        }
        if (!is_there) {
            into->items[into->n++] = from->items[i];
        }
    }
}

/* What the alert of a signal is told apart by: its name, then what the rule says, then the signal.
 */
static AlertLabels labels_of(const AlertRule *rule, const AlertSignal *signal, Arena *arena)
{
    AlertLabels labels = {ARENA_ARRAY(arena, AlertLabel, ALERT_LABELS_MAX), 0};

    labels.items[labels.n++] = (AlertLabel){STR("alertname"), rule->name};
    labels_join(&labels, &rule->labels);
    labels_join(&labels, &signal->labels);
    labels_sort(&labels);
    return labels;
}

static AlertLabels annotations_of(const AlertRule *rule, const AlertSignal *signal, Arena *arena)
{
    AlertLabels all = {ARENA_ARRAY(arena, AlertLabel, ALERT_LABELS_MAX), 0};
    AlertLabel summary = {STR("summary"), signal->summary};

    labels_join(&all, &rule->annotations);
    labels_join(&all, &(AlertLabels){&summary, 1});
    labels_sort(&all);
    return labels_copy(&all, arena);
}

/* A resolved alert that matches again begins anew. */
static void begin(Alert *alert, const AlertRule *rule, const AlertSignal *signal, uint64_t now_ns)
{
    CLEANUP(arena_deinit) Arena scratch = {0};
    AlertLabels labels = labels_of(rule, signal, &scratch);

    arena_reset(&alert->arena);
    alert->labels = labels_copy(&labels, &alert->arena);
    alert->annotations = annotations_of(rule, signal, &alert->arena);
    alert->state = ALERT_PENDING;
    alert->active_ns = now_ns;
    alert->firing_ns = alert->resolved_ns = 0;
    alert->told_firing = alert->told_resolved = 0;
}

/* Receivers that the rule does not name, when it names some. */
static uint32_t not_named(const AlertRule *rule, const Str *receivers)
{
    uint32_t named = 0;

    if (rule->n_receivers == 0 || receivers == NULL) {
        return 0;
    }
    for (size_t i = 0; i < ALERT_RECEIVERS_MAX; i++) {
        for (size_t k = 0; k < rule->n_receivers; k++) {
            named |= str_equal(receivers[i], rule->receivers[k]) ? 1u << i : 0;
        }
    }
    return ~named;
}

static void see(Alert *alert, const AlertRule *rule, const AlertSignal *signal,
                const AlertMoment *moment)
{
    uint64_t now_ns = moment->now_ns;
    uint32_t not_for = not_named(rule, moment->receivers);

    alert->is_seen = true;
    alert->is_changed |= alert->not_for != not_for;
    alert->not_for = not_for;
    alert->a = signal->a;
    alert->b = signal->b;
    alert->significance = signal->significance;
    if (alert->state == ALERT_PENDING && now_ns - MIN(alert->active_ns, now_ns) >= rule->for_ns) {
        alert->state = ALERT_FIRING;
        alert->firing_ns = now_ns;
        alert->is_changed = true;
    }
}

static bool rule_takes(const AlertRules *rules, size_t at, const AlertSignal *signal)
{
    const AlertRule *rule = &rules->items[at];

    return signal->kind == rule->kind && signal->significance >= rule->significance &&
           matcher_matches(rules->matchers[at], &signal->labels);
}

static void take_signal(Alerts *alerts, const AlertRule *rule, const AlertSignal *signal,
                        const AlertMoment *moment)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    AlertLabels labels = labels_of(rule, signal, &arena);
    uint64_t fingerprint = labels_fingerprint(&labels);
    Alert *alert = alerts_find(alerts, fingerprint);

    if (alert == NULL) {
        alert = alerts_add(alerts, fingerprint);
        if (alert == NULL) {
            return;
        }
        begin(alert, rule, signal, moment->now_ns);
    } else if (alert->state == ALERT_RESOLVED) {
        begin(alert, rule, signal, moment->now_ns);
        alert->is_changed = true;
    }
    see(alert, rule, signal, moment);
}

/* Of a rule that cannot be judged now, everything stays as it is; or what it says of defined flows.
 */
static void hold(Alerts *alerts, const AlertRule *rule, bool only_defined)
{
    for (size_t i = 0; i < alerts->n; i++) {
        Alert *alert = alerts->items[i];

        alert->is_seen |= str_equal(labels_get(&alert->labels, STR("alertname")), rule->name) &&
                          (!only_defined || labels_get(&alert->labels, STR("defined")).len > 0);
    }
}

static const AlertObservation *observation_of(const AlertRule *rule, const AlertMoment *moment)
{
    for (size_t i = 0; i < moment->n_observations; i++) {
        if (moment->observations[i].window_minutes == rule->window_minutes &&
            moment->observations[i].baseline_minutes == rule->baseline_minutes) {
            return &moment->observations[i];
        }
    }
    return NULL;
}

static bool is_of_absence(AlertKind kind)
{
    return kind == ALERT_EDGE_VANISHED || kind == ALERT_NODE_VANISHED || kind == ALERT_FLOW_STOPPED;
}

static void evaluate_rule(Alerts *alerts, const AlertRules *rules, size_t at,
                          const AlertMoment *moment)
{
    const AlertRule *rule = &rules->items[at];
    const AlertObservation *observation = observation_of(rule, moment);

    if (observation == NULL ||
        (is_of_absence(rule->kind) && observation->from_ns < moment->watching_since_ns)) {
        hold(alerts, rule, false);
        return;
    }
    if (observation->lacks_defined) {
        hold(alerts, rule, true);
    }
    for (size_t i = 0; i < observation->n_signals; i++) {
        if (rule_takes(rules, at, &observation->signals[i])) {
            take_signal(alerts, rule, &observation->signals[i], moment);
        }
    }
}

static void remove_at(Alerts *alerts, size_t at)
{
    alert_free(alerts->items[at]);
    alerts->n--;
    mem_move(&alerts->items[at], &alerts->items[at + 1], (alerts->n - at) * sizeof(Alert *));
}

/* What nobody saw any more: a firing one is resolved, and a pending one is over (alerts_sweep()).
 */
static void end_unseen(Alerts *alerts, uint64_t now_ns)
{
    for (size_t i = 0; i < alerts->n; i++) {
        Alert *alert = alerts->items[i];

        if (!alert->is_seen && alert->state != ALERT_RESOLVED) {
            alert->state = ALERT_RESOLVED;
            alert->resolved_ns = now_ns;
            alert->is_changed = true;
        }
    }
}

void alerts_evaluate(Alerts *alerts, const AlertRules *rules, const AlertMoment *moment)
{
    for (size_t i = 0; i < alerts->n; i++) {
        alerts->items[i]->is_seen = false;
    }
    for (size_t i = 0; i < rules->n; i++) {
        evaluate_rule(alerts, rules, i, moment);
    }
    end_unseen(alerts, moment->now_ns);
}

/* Whoever was told that it fires was told that it is over. */
static bool is_over(const Alert *alert)
{
    return (alert->told_firing & ~alert->told_resolved) == 0;
}

void alerts_sweep(Alerts *alerts, uint64_t now_ns,
                  void (*forget)(void *context, uint64_t fingerprint), void *context)
{
    for (size_t i = alerts->n; i-- > 0;) {
        const Alert *alert = alerts->items[i];
        bool is_old = now_ns - MIN(alert->resolved_ns, now_ns) >= ALERT_RESOLVED_KEEP_NS;

        if (alert->state == ALERT_RESOLVED && (is_over(alert) || is_old)) {
            alerts->untold += !is_over(alert);
            forget(context, alert->fingerprint);
            remove_at(alerts, i);
        }
    }
}

const AlertSilence *silence_of(const AlertSilence *silences, size_t n, const Alert *alert,
                               uint64_t now_ns)
{
    for (size_t i = 0; i < n; i++) {
        if (silences[i].from_ns <= now_ns && now_ns < silences[i].to_ns &&
            matcher_matches(silences[i].matcher, &alert->labels)) {
            return &silences[i];
        }
    }
    return NULL;
}
