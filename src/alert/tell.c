// SPDX-License-Identifier: Apache-2.0
#include "alert/watch_private.h"

#include "base/log.h"

/*
 * A receiver is told of one rule's alerts at a time. What was sent is remembered by fingerprint and
 * state; an alert that changed while it was under way stays due.
 */
#define NS_PER_S UINT64_C(1000000000)

typedef struct Sent {
    uint64_t fingerprint;
    AlertState state;
} Sent;

typedef struct Letter {
    Buf body;
    Str group; /* in @arena */
    Sent sent[ALERT_PER_NOTIFICATION_MAX];
    size_t n;
    Arena arena;
} Letter;

static void letter_deinit(Letter *letter)
{
    buf_deinit(&letter->body);
    arena_deinit(&letter->arena);
}

static bool is_silent(const AlertWatch *watch, const Alert *alert, uint64_t now_ns)
{
    return silence_of(watch->silences, watch->n_silences, alert, now_ns) != NULL;
}

/* The first alert that the receiver has to be told of, or NULL. Under the lock, as what follows. */
static const Alert *find_due(const AlertWatch *watch, size_t receiver, uint64_t now_ns)
{
    for (size_t i = 0; i < watch->alerts.n; i++) {
        const Alert *alert = watch->alerts.items[i];

        if (alert_is_due(alert, receiver, now_ns) && !is_silent(watch, alert, now_ns)) {
            return alert;
        }
    }
    return NULL;
}

/* All of the group: those that are due before those that fire still. */
static size_t gather(const AlertWatch *watch, size_t receiver, Letter *letter,
                     const Alert **ret_alerts)
{
    uint64_t now_ns = clock_realtime_ns(watch->options.clock);
    size_t truncated = 0;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < watch->alerts.n; i++) {
            const Alert *alert = watch->alerts.items[i];
            bool is_due = alert_is_due(alert, receiver, now_ns);
            bool is_for = (alert->not_for >> receiver & 1) == 0;
            bool is_wanted =
                round == 0 ? is_due : !is_due && is_for && alert->state == ALERT_FIRING;

            if (!is_wanted || is_silent(watch, alert, now_ns) ||
                !str_equal(labels_get(&alert->labels, STR("alertname")), letter->group)) {
                continue;
            }
            if (letter->n == ALERT_PER_NOTIFICATION_MAX) {
                truncated++;
                continue;
            }
            ret_alerts[letter->n] = alert;
            letter->sent[letter->n++] = (Sent){alert->fingerprint, alert->state};
        }
    }
    return truncated;
}

/* Returns whether there is something to tell. */
static bool compose(const AlertWatch *watch, size_t receiver, Letter *letter)
{
    const Alert *alerts[ALERT_PER_NOTIFICATION_MAX];
    const Alert *due = find_due(watch, receiver, clock_realtime_ns(watch->options.clock));

    if (due == NULL) {
        return false;
    }
    letter->group = arena_copy(&letter->arena, labels_get(&due->labels, STR("alertname")));
    size_t truncated = gather(watch, receiver, letter, alerts);
    if (letter->n == 0) {
        return false; /* a silence began in between */
    }
    const AlertNotification notification = {.receiver = watch->receivers[receiver].name,
                                            .external_url = watch->options.external_url,
                                            .group = letter->group,
                                            .alerts = alerts,
                                            .n = letter->n,
                                            .truncated = truncated};
    notification_write(&notification, &letter->body);
    return true;
}

static void note_told(AlertWatch *watch, size_t receiver, const Letter *letter)
{
    uint32_t bit = 1u << receiver;

    for (size_t i = 0; i < letter->n; i++) {
        Alert *alert = alerts_find(&watch->alerts, letter->sent[i].fingerprint);

        if (alert != NULL && alert->state == letter->sent[i].state) {
            alert->told_firing |= alert->state == ALERT_FIRING ? bit : 0;
            alert->told_resolved |= alert->state == ALERT_RESOLVED ? bit : 0;
            alert->told_ns[receiver] = clock_realtime_ns(watch->options.clock);
            alert->is_changed = true;
        }
    }
    watch->status.notified++;
    watch_keep(watch);
}

/* After a failure, until the back-off is over; else until there may be something new. */
static void rest(AlertTeller *teller)
{
    AlertWatch *watch = teller->watch;

    if (teller->failures == 0) {
        watch_sleep(watch, watch->options.interval_ns);
        return;
    }
    uint32_t doublings = MIN(teller->failures - 1, 20U);
    uint64_t seconds =
        MIN((uint64_t)ALERT_BACKOFF_MIN_S << doublings, (uint64_t)ALERT_BACKOFF_MAX_S);
    uint64_t start = clock_monotonic_ns(watch->options.clock), passed = 0;
    while (!atomic_load(&watch->stopping) && passed < seconds * NS_PER_S) {
        watch_sleep(watch, seconds * NS_PER_S - passed);
        passed = clock_monotonic_ns(watch->options.clock) - start;
    }
}

static void note_failure(AlertTeller *teller, const WebhookAnswer *answer)
{
    AlertWatch *watch = teller->watch;

    watch->status.failed++;
    if (teller->failures++ == 0) {
        log_warn("a receiver of alerts does not take a notification; it is tried again",
                 LOG_STR("receiver", watch->receivers[teller->receiver].name),
                 LOG_I64("status", answer->status), LOG_CSTR("answer", answer->text));
    }
}

void *teller_run(void *context)
{
    AlertTeller *teller = context;
    AlertWatch *watch = teller->watch;

    watch_lock(watch);
    while (!atomic_load(&watch->stopping)) {
        CLEANUP(letter_deinit) Letter letter = {0};
        WebhookAnswer answer;

        if (!compose(watch, teller->receiver, &letter)) {
            rest(teller);
            continue;
        }
        watch_unlock(watch);
        int r = webhook_post(&watch->receivers[teller->receiver], buf_str(&letter.body),
                             &watch->stopping, &answer);
        watch_lock(watch);
        if (r == 0) {
            note_told(watch, teller->receiver, &letter);
            teller->failures = 0;
        } else if (!atomic_load(&watch->stopping)) {
            note_failure(teller, &answer);
            rest(teller);
        }
    }
    watch_unlock(watch);
    return NULL;
}

int alert_watch_test(AlertWatch *watch, Str receiver, WebhookAnswer *ret_answer)
{
    CLEANUP(buf_deinit) Buf body = {0};
    AlertLabel labels[] = {{STR("alertname"), STR("WeftTest")}, {STR("severity"), STR("none")}};
    AlertLabel summary = {STR("summary"), STR("A test notification of Weft")};
    Alert alert = {.state = ALERT_FIRING,
                   .labels = {labels, ARRAY_LEN(labels)},
                   .annotations = {&summary, 1},
                   .firing_ns = clock_realtime_ns(watch->options.clock)};
    const Alert *alerts[] = {&alert};
    size_t i = 0;

    while (i < watch->n_receivers && !str_equal(watch->receivers[i].name, receiver)) {
        i++;
    }
    if (i == watch->n_receivers) {
        return ALERT_BAD_RULES;
    }
    alert.fingerprint = labels_fingerprint(&alert.labels);
    const AlertNotification notification = {.receiver = receiver,
                                            .external_url = watch->options.external_url,
                                            .group = labels[0].value,
                                            .alerts = alerts,
                                            .n = 1};
    notification_write(&notification, &body);
    return webhook_post(&watch->receivers[i], buf_str(&body), &watch->stopping, ret_answer);
}
