// SPDX-License-Identifier: Apache-2.0
#include "alert/watch_private.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "os/condition.h"

#define NS_PER_S UINT64_C(1000000000)

void watch_lock(AlertWatch *watch)
{
    pthread_mutex_lock(&watch->lock);
}

void watch_unlock(AlertWatch *watch)
{
    pthread_mutex_unlock(&watch->lock);
}

void watch_sleep(AlertWatch *watch, uint64_t ns)
{
    condition_wait_for(&watch->wake, &watch->lock, ns);
}

/* --- Life --- */

static void *run(void *context)
{
    AlertWatch *watch = context;

    watch_lock(watch);
    while (!atomic_load(&watch->stopping)) {
        uint64_t age = watch->rules_age;
        uint64_t start = clock_monotonic_ns(watch->options.clock), now;

        watch_unlock(watch);
        watch_evaluate(watch);
        watch_lock(watch);
        now = clock_monotonic_ns(watch->options.clock);
        watch->status.evaluations++;
        watch->status.evaluation_ns += now - start;
        pthread_cond_broadcast(&watch->wake); /* tellers: there may be something to tell */
        while (!atomic_load(&watch->stopping) && age == watch->rules_age &&
               now - start < watch->options.interval_ns) {
            watch_sleep(watch, watch->options.interval_ns - (now - start));
            now = clock_monotonic_ns(watch->options.clock);
        }
    }
    watch_unlock(watch);
    return NULL;
}

static int read_configuration(AlertWatch *watch, Buf *why)
{
    ParseError error = {0};
    JsonReader reader;

    if (receivers_parse(watch->options.receivers, &watch->arena, &watch->receivers,
                        &watch->n_receivers, &error) != 0) {
        buf_append_format(why, "extensions.weft_alerts.receivers, line %zu: %s", error.offset,
                          error.text);
        return 1;
    }
    for (size_t i = 0; i < watch->n_receivers; i++) {
        watch->receiver_names[i] = watch->receivers[i].name;
    }
    if (watch->options.rules.len == 0) {
        return 0;
    }
    json_reader_init(&reader, watch->options.rules, &watch->arena);
    if (alert_rules_read(&reader, &watch->configured, &watch->n_configured) != 0 ||
        json_end(&reader) != 0) {
        buf_append_format(why, "extensions.weft_alerts.rules is no list of rules: byte %zu: %s",
                          reader.error.offset, reader.error.text);
        return 1;
    }
    for (size_t i = 0; i < watch->n_configured; i++) {
        watch->configured[i].is_configured = true;
    }
    return 0;
}

static void copy_options(AlertWatch *watch, const AlertWatchOptions *options)
{
    Str url = options->external_url;

    while (url.len > 0 && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    watch->options = *options;
    watch->options.rules = arena_copy(&watch->arena, options->rules);
    watch->options.receivers = arena_copy(&watch->arena, options->receivers);
    watch->options.external_url = arena_copy(&watch->arena, url);
    watch->options.interval_ns = options->interval_ns == 0
                                     ? 60 * NS_PER_S
                                     : MAX(options->interval_ns, (uint64_t)ALERT_INTERVAL_MIN_NS);
}

static int start_threads(AlertWatch *watch, Buf *why)
{
    watch->is_running = pthread_create(&watch->thread, NULL, run, watch) == 0;
    for (size_t i = 0; watch->is_running && i < watch->n_receivers; i++) {
        AlertTeller *teller = &watch->tellers[i];

        *teller = (AlertTeller){.watch = watch, .receiver = i};
        teller->is_running = pthread_create(&teller->thread, NULL, teller_run, teller) == 0;
        if (!teller->is_running) {
            buf_append_str(why, STR("no threads can be started"));
            return 1;
        }
    }
    return 0;
}

int alert_watch_new(const AlertWatchOptions *options, AlertWatch **ret_watch, Buf *why)
{
    AlertWatch *watch = NEW(AlertWatch);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    ASSERT(pthread_mutex_init(&watch->lock, NULL) == 0);
    condition_init(&watch->wake);
    copy_options(watch, options);
    watch->watching_since_ns = clock_realtime_ns(options->clock);
    watch->silences = NEW_ARRAY(AlertSilence, ALERT_SILENCES_MAX);
    if (read_configuration(watch, why) != 0 || watch_read_rules(watch, why) != 0 ||
        watch_read_silences(watch, why) != 0) {
        alert_watch_free(watch);
        return 1;
    }
    watch_read_alerts(watch);
    if (start_threads(watch, why) != 0) {
        alert_watch_free(watch);
        return 1;
    }
    *ret_watch = watch;
    return 0;
}

void alert_watch_stop(AlertWatch *watch)
{
    watch_lock(watch);
    atomic_store(&watch->stopping, true);
    pthread_cond_broadcast(&watch->wake);
    watch_unlock(watch);
}

AlertWatch *alert_watch_free(AlertWatch *watch)
{
    if (watch == NULL) {
        return NULL;
    }
    alert_watch_stop(watch);
    if (watch->is_running) {
        pthread_join(watch->thread, NULL);
    }
    for (size_t i = 0; i < ALERT_RECEIVERS_MAX; i++) {
        if (watch->tellers[i].is_running) {
            pthread_join(watch->tellers[i].thread, NULL);
        }
    }
    for (size_t i = 0; i < watch->n_silences; i++) {
        matcher_free(watch->silences[i].matcher);
    }
    mem_free(watch->silences);
    alert_rules_free(watch->rules);
    alerts_deinit(&watch->alerts);
    arena_deinit(&watch->silence_arena);
    arena_deinit(&watch->arena);
    pthread_cond_destroy(&watch->wake);
    pthread_mutex_destroy(&watch->lock);
    mem_free(watch);
    return NULL;
}

/* --- What it shows --- */

static Str state_text(AlertState state)
{
    static const Str texts[] = {[ALERT_PENDING] = STR("pending"),
                                [ALERT_FIRING] = STR("firing"),
                                [ALERT_RESOLVED] = STR("resolved")};

    return texts[state];
}

static void alert_write(AlertWatch *watch, JsonWriter *json, const Alert *alert, uint64_t now_ns)
{
    const AlertSilence *silence = silence_of(watch->silences, watch->n_silences, alert, now_ns);
    CLEANUP(arena_deinit) Arena arena = {0};

    json_open(json, '{');
    json_key_string(json, "fingerprint",
                    arena_format(&arena, "%016llx", (unsigned long long)alert->fingerprint));
    json_key_string(json, "state", state_text(alert->state));
    json_key(json, STR("labels"));
    labels_write(json, &alert->labels);
    json_key(json, STR("annotations"));
    labels_write(json, &alert->annotations);
    json_key_double(json, "a", alert->a);
    json_key_double(json, "b", alert->b);
    json_key_double(json, "significance", alert->significance);
    json_key_time_or_null(json, "active_since", alert->active_ns);
    json_key_time_or_null(json, "firing_since", alert->firing_ns);
    json_key(json, STR("silenced_by"));
    if (silence == NULL) {
        json_null(json);
    } else {
        json_string(json, silence->id);
    }
    json_close(json, '}');
}

static int compare_alerts(const void *a, const void *b)
{
    const Alert *left = *(const Alert *const *)a, *right = *(const Alert *const *)b;

    if (left->active_ns != right->active_ns) {
        return left->active_ns > right->active_ns ? -1 : 1;
    }
    return left->fingerprint < right->fingerprint ? -1 : left->fingerprint > right->fingerprint;
}

void alert_watch_write(AlertWatch *watch, JsonWriter *json)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint64_t now_ns = clock_realtime_ns(watch->options.clock);

    watch_lock(watch);
    const Alert **sorted = ARENA_ARRAY(&arena, const Alert *, watch->alerts.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < watch->alerts.n; i++) {
        if (watch->alerts.items[i]->state != ALERT_RESOLVED) {
            sorted[n++] = watch->alerts.items[i];
        }
    }
    qsort(sorted, n, sizeof(sorted[0]), compare_alerts);
    for (size_t i = 0; i < n; i++) {
        alert_write(watch, json, sorted[i], now_ns);
    }
    watch_unlock(watch);
}

void alert_watch_status(AlertWatch *watch, AlertWatchStatus *ret_status)
{
    uint64_t now_ns = clock_realtime_ns(watch->options.clock);

    watch_lock(watch);
    AlertWatchStatus status = watch->status;
    status.rules = watch->rules->n;
    status.receivers = watch->n_receivers;
    status.silences = watch->n_silences;
    status.dropped = watch->alerts.dropped;
    status.untold = watch->alerts.untold;
    for (size_t i = 0; i < watch->alerts.n; i++) {
        const Alert *alert = watch->alerts.items[i];
        bool fires = alert->state == ALERT_FIRING;

        status.pending += alert->state == ALERT_PENDING;
        status.firing += fires;
        status.silenced +=
            fires && silence_of(watch->silences, watch->n_silences, alert, now_ns) != NULL;
    }
    watch_unlock(watch);
    *ret_status = status;
}
