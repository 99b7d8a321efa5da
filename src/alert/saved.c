// SPDX-License-Identifier: Apache-2.0
#include "alert/watch_private.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "codec/hash.h"

/* --- Rules --- */

/* The configuration's, then @own. Returns 0; ALERT_BAD_RULES, with the index in @own. */
static int make_rules(const AlertWatch *watch, const AlertRule *own, size_t n,
                      AlertRules **ret_rules, AlertRuleError *ret_error)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    AlertRule *all = ARENA_ARRAY(&arena, AlertRule, watch->n_configured + n + 1);
    size_t n_all = watch->n_configured;

    mem_copy(all, watch->configured, watch->n_configured * sizeof(*all));
    for (size_t i = 0; i < n; i++) {
        if (!own[i].is_configured) {
            all[n_all++] = own[i];
        }
    }
    if (alert_rules_new(all, n_all, ret_rules, ret_error) != 0) {
        ret_error->rule -= MIN(ret_error->rule, watch->n_configured);
        return ALERT_BAD_RULES;
    }
    return 0;
}

static void use_rules(AlertWatch *watch, AlertRules *rules, uint64_t version)
{
    alert_rules_free(watch->rules);
    watch->rules = rules;
    watch->rules_version = version;
    watch->rules_age++;
    pthread_cond_broadcast(&watch->wake);
}

/* Index in the rule's receivers of the first that is none; their number: there is none such. */
static size_t find_missing_receiver(const AlertWatch *watch, const AlertRule *rule)
{
    for (size_t k = 0; k < rule->n_receivers; k++) {
        size_t at = 0;

        while (at < watch->n_receivers &&
               !str_equal(watch->receivers[at].name, rule->receivers[k])) {
            at++;
        }
        if (at == watch->n_receivers) {
            return k;
        }
    }
    return rule->n_receivers;
}

/* Whether every receiver that the rules [from, end) name is one. Those that were saved when there
 * were others may name one that is gone: nobody else is told then. */
static int check_receivers(const AlertWatch *watch, const AlertRules *rules, size_t from,
                           size_t end, AlertRuleError *ret_error)
{
    for (size_t i = from; i < end; i++) {
        const AlertRule *rule = &rules->items[i];
        size_t missing = find_missing_receiver(watch, rule);

        if (missing < rule->n_receivers) {
            ret_error->rule = i - from;
            snprintf(ret_error->text, sizeof(ret_error->text),
                     "there is no receiver called \"%.*s\"",
                     STR_ARG(str_slice(rule->receivers[missing], 0, 100)));
            return ALERT_BAD_RULES;
        }
    }
    return 0;
}

/* Saved rules are used all the same: what they see is on the page. */
static void warn_of_receivers(const AlertWatch *watch, const AlertRules *rules)
{
    for (size_t i = watch->n_configured; i < rules->n; i++) {
        const AlertRule *rule = &rules->items[i];
        size_t missing = find_missing_receiver(watch, rule);

        if (missing < rule->n_receivers) {
            log_warn("a saved rule of alerts names a receiver that there is not",
                     LOG_STR("rule", rule->name), LOG_STR("receiver", rule->receivers[missing]));
        }
    }
}

int watch_read_rules(AlertWatch *watch, Buf *why)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    AlertRuleError error = {0};
    AlertRules *rules = NULL;
    DeskList list = {0};
    size_t n = 0;

    if (desk_read(watch->options.desk, ALERT_DESK_RULES, &arena, &list) != 0) {
        buf_append_str(why, STR("the saved rules of alerts cannot be read"));
        return 1;
    }
    AlertRule *own = ARENA_ARRAY(&arena, AlertRule, list.n_items + 1);
    for (size_t i = 0; i < list.n_items; i++) {
        JsonReader reader;

        json_reader_init(&reader, list.items[i].value, &arena);
        if (alert_rule_read(&reader, &own[n]) != 0) {
            log_warn("a saved rule of alerts is none, and is not used",
                     LOG_STR("key", list.items[i].key));
            continue;
        }
        own[n++].is_configured = false;
    }
    if (make_rules(watch, own, n, &rules, &error) != 0 ||
        check_receivers(watch, rules, 0, watch->n_configured, &error) != 0) {
        alert_rules_free(rules);
        buf_append_format(why, "the rules of alerts cannot be used, number %zu: %s", error.rule + 1,
                          error.text);
        return 1;
    }
    warn_of_receivers(watch, rules);
    use_rules(watch, rules, list.version);
    return 0;
}

int alert_watch_rules_write(AlertWatch *watch, JsonWriter *json)
{
    watch_lock(watch);
    json_open(json, '{');
    json_key_u64(json, "version", watch->rules_version);
    json_key(json, STR("items"));
    json_open(json, '[');
    for (size_t i = 0; i < watch->rules->n; i++) {
        alert_rule_write(json, &watch->rules->items[i]);
    }
    json_close(json, ']');
    json_key(json, STR("receivers"));
    json_open(json, '[');
    for (size_t i = 0; i < watch->n_receivers; i++) {
        json_string(json, watch->receivers[i].name);
    }
    json_close(json, ']');
    json_key(json, STR("cursor"));
    json_null(json);
    json_close(json, '}');
    watch_unlock(watch);
    return 0;
}

static DeskList desk_list(const AlertRules *rules, uint64_t version, Arena *arena)
{
    DeskList list = {.items = ARENA_ARRAY(arena, DeskItem, rules->n + 1), .version = version};

    for (size_t i = 0; i < rules->n; i++) {
        CLEANUP(buf_deinit) Buf value = {0};
        JsonWriter json = {.buf = &value};

        if (!rules->items[i].is_configured) {
            alert_rule_write(&json, &rules->items[i]);
            list.items[list.n_items] = (DeskItem){arena_format(arena, "%06zu", list.n_items),
                                                  arena_copy(arena, buf_str(&value))};
            list.n_items++;
        }
    }
    return list;
}

int alert_watch_save_rules(AlertWatch *watch, const AlertRule *own, size_t n, uint64_t version,
                           AlertRuleError *ret_error)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    AlertRules *rules = NULL;

    TRY(make_rules(watch, own, n, &rules, ret_error));
    int named = check_receivers(watch, rules, watch->n_configured, rules->n, ret_error);
    if (named != 0) {
        alert_rules_free(rules);
        return named;
    }
    const DeskList list = desk_list(rules, version, &arena);
    watch_lock(watch);
    int r = desk_replace(watch->options.desk, ALERT_DESK_RULES, &list, &version);
    if (r == 0) {
        use_rules(watch, rules, version);
    } else {
        alert_rules_free(rules);
    }
    watch_unlock(watch);
    return r;
}

/* --- Alerts --- */

static Str key_of(uint64_t fingerprint, Arena *arena)
{
    return arena_format(arena, "%016llx", (unsigned long long)fingerprint);
}

void watch_read_alerts(AlertWatch *watch)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    DeskList list = {0};

    if (desk_read(watch->options.desk, ALERT_DESK_ALERTS, &arena, &list) != 0) {
        return; /* logged; they will fire again */
    }
    for (size_t i = 0; i < list.n_items; i++) {
        uint8_t bytes[8];
        uint64_t fingerprint = 0;
        int r = str_parse_hex(list.items[i].key, bytes, sizeof(bytes));

        for (size_t k = 0; r == 0 && k < sizeof(bytes); k++) {
            fingerprint = fingerprint << 8 | bytes[k];
        }
        if (r != 0 || alert_restore(&watch->alerts, fingerprint, list.items[i].value,
                                    watch->receiver_names) != 0) {
            log_warn("a saved alert is none, and is forgotten", LOG_STR("key", list.items[i].key));
        }
    }
}

typedef struct Keeping {
    Arena arena;
    DeskItem *items; /* 2 * ALERTS_MAX */
    size_t n;
} Keeping;

static void forget(void *context, uint64_t fingerprint)
{
    Keeping *keeping = context;

    keeping->items[keeping->n++] = (DeskItem){.key = key_of(fingerprint, &keeping->arena)};
}

void watch_keep(AlertWatch *watch)
{
    Keeping keeping = {0};

    keeping.items = ARENA_ARRAY(&keeping.arena, DeskItem, 2 * ALERTS_MAX);
    alerts_sweep(&watch->alerts, clock_realtime_ns(watch->options.clock), forget, &keeping);
    for (size_t i = 0; i < watch->alerts.n; i++) {
        CLEANUP(buf_deinit) Buf value = {0};
        const Alert *alert = watch->alerts.items[i];

        if (alert->is_changed) {
            alert_keep(alert, watch->receiver_names, &value);
            keeping.items[keeping.n++] = (DeskItem){key_of(alert->fingerprint, &keeping.arena),
                                                    arena_copy(&keeping.arena, buf_str(&value))};
        }
    }
    int r = keeping.n == 0
                ? 0
                : desk_merge(watch->options.desk, ALERT_DESK_ALERTS, keeping.items, keeping.n);
    for (size_t i = 0; r == 0 && i < watch->alerts.n; i++) {
        watch->alerts.items[i]->is_changed = false;
    }
    arena_deinit(&keeping.arena);
}

/* --- Silences --- */

/* Adds a copy. Returns 0; 1 when a pattern is none. */
static int take_silence(AlertWatch *watch, const AlertSilence *silence, AlertRuleError *ret_error)
{
    AlertSilence *own = &watch->silences[watch->n_silences];
    AlertMatcher *matcher = NULL;
    ParseError error = {0};
    size_t bad = 0;

    ASSERT(watch->n_silences < ALERT_SILENCES_MAX);
    if (matcher_new(&silence->match, &matcher, &bad, &error) != 0) {
        snprintf(ret_error->text, sizeof(ret_error->text),
                 "the pattern of %.*s, at character %zu: %s",
                 STR_ARG(str_slice(silence->match.items[bad].name, 0, 64)), error.offset + 1,
                 error.text);
        return 1;
    }
    *own = *silence;
    own->id = arena_copy(&watch->silence_arena, silence->id);
    own->match = labels_copy(&silence->match, &watch->silence_arena);
    own->author = arena_copy(&watch->silence_arena, silence->author);
    own->comment = arena_copy(&watch->silence_arena, silence->comment);
    own->matcher = matcher;
    watch->n_silences++;
    return 0;
}

/* Reads all of them anew, without those that are over. */
static int read_silences(AlertWatch *watch)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint64_t now_ns = clock_realtime_ns(watch->options.clock);
    DeskList list = {0};

    TRY(desk_read(watch->options.desk, ALERT_DESK_SILENCES, &arena, &list));
    for (size_t i = 0; i < watch->n_silences; i++) {
        matcher_free(watch->silences[i].matcher);
    }
    watch->n_silences = 0;
    arena_reset(&watch->silence_arena);
    for (size_t i = 0; i < list.n_items && watch->n_silences < ALERT_SILENCES_MAX; i++) {
        AlertSilence silence = {0};
        AlertRuleError error;

        if (alert_silence_restore(list.items[i].value, &arena, &silence) == 0 &&
            silence.to_ns > now_ns) {
            silence.id = list.items[i].key;
            (void)!take_silence(watch, &silence, &error);
        }
    }
    return 0;
}

int watch_read_silences(AlertWatch *watch, Buf *why)
{
    if (read_silences(watch) != 0) {
        buf_append_str(why, STR("the saved silences of alerts cannot be read"));
        return 1;
    }
    return 0;
}

/* Writes those there are, but number @but, and @more if there is one. */
static int save_silences(AlertWatch *watch, size_t but, const AlertSilence *more)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint64_t now_ns = clock_realtime_ns(watch->options.clock), version;
    DeskList list = {.items = ARENA_ARRAY(&arena, DeskItem, watch->n_silences + 1),
                     .version = DESK_ANY_VERSION};

    for (size_t i = 0; i <= watch->n_silences; i++) {
        CLEANUP(buf_deinit) Buf value = {0};
        const AlertSilence *silence = i < watch->n_silences ? &watch->silences[i] : more;

        if (silence == NULL || i == but || silence->to_ns <= now_ns) {
            continue;
        }
        alert_silence_keep(silence, &value);
        list.items[list.n_items++] = (DeskItem){silence->id, arena_copy(&arena, buf_str(&value))};
    }
    if (list.n_items > ALERT_SILENCES_MAX) {
        return -EFBIG;
    }
    TRY(desk_replace(watch->options.desk, ALERT_DESK_SILENCES, &list, &version));
    TRY(read_silences(watch));
    pthread_cond_broadcast(&watch->wake);
    return 0;
}

static bool has_silence(const AlertWatch *watch, Str id)
{
    for (size_t i = 0; i < watch->n_silences; i++) {
        if (str_equal(watch->silences[i].id, id)) {
            return true;
        }
    }
    return false;
}

int alert_watch_silence(AlertWatch *watch, const AlertSilence *silence, char *ret_id,
                        AlertRuleError *ret_error)
{
    AlertSilence named = *silence;
    AlertMatcher *matcher = NULL;
    ParseError error = {0};
    char id[ALERT_SILENCE_ID + 1];
    uint64_t seed = clock_realtime_ns(watch->options.clock);
    size_t bad = 0;

    if (matcher_new(&silence->match, &matcher, &bad, &error) != 0) {
        snprintf(ret_error->text, sizeof(ret_error->text),
                 "the pattern of %.*s, at character %zu: %s",
                 STR_ARG(str_slice(silence->match.items[bad].name, 0, 64)), error.offset + 1,
                 error.text);
        return ALERT_BAD_RULES;
    }
    matcher_free(matcher);
    watch_lock(watch);
    do {
        snprintf(id, sizeof(id), "%016llx",
                 (unsigned long long)hash_stable_seeded(silence->comment, seed++));
        named.id = str_from_bytes(id, ALERT_SILENCE_ID);
    } while (has_silence(watch, named.id));
    int r = save_silences(watch, SIZE_MAX, &named);
    watch_unlock(watch);
    mem_copy(ret_id, id, ALERT_SILENCE_ID);
    return r;
}

int alert_watch_unsilence(AlertWatch *watch, Str id)
{
    size_t i = 0;
    int r = 1;

    watch_lock(watch);
    while (i < watch->n_silences && !str_equal(watch->silences[i].id, id)) {
        i++;
    }
    if (i < watch->n_silences) {
        r = save_silences(watch, i, NULL);
    }
    watch_unlock(watch);
    return r;
}

void alert_watch_silences_write(AlertWatch *watch, JsonWriter *json)
{
    uint64_t now_ns = clock_realtime_ns(watch->options.clock);

    watch_lock(watch);
    for (size_t i = 0; i < watch->n_silences; i++) {
        const AlertSilence *silence = &watch->silences[i];

        if (silence->to_ns > now_ns) {
            json_open(json, '{');
            json_key_string(json, "id", silence->id);
            json_key(json, STR("match"));
            labels_write(json, &silence->match);
            json_key_time_or_null(json, "from", silence->from_ns);
            json_key_time_or_null(json, "to", silence->to_ns);
            json_key_string(json, "author", silence->author);
            json_key_string(json, "comment", silence->comment);
            json_close(json, '}');
        }
    }
    watch_unlock(watch);
}
