// SPDX-License-Identifier: Apache-2.0
#include "alert/rule.h"

#include <math.h>
#include <stdio.h>

#include "base/assert.h"
#include "query/times.h"
#include "span/filter.h"

#define NS_PER_MINUTE UINT64_C(60000000000)

static const struct {
    Str name;
    uint32_t baseline_minutes;
    double significance;
} kinds[] = {
#define ALERT_KIND_ROW(constant, name, baseline, significance)                                     \
    [constant] = {STR(name), baseline, significance},
    ALERT_KINDS(ALERT_KIND_ROW)
#undef ALERT_KIND_ROW
};

Str alert_kind_name(AlertKind kind)
{
    ASSERT(kind < ALERT_KIND_COUNT);
    return kinds[kind].name;
}

/* --- Matching --- */

struct AlertMatcher {
    Arena arena;
    AlertLabels labels;
    Filter filters[ALERT_LABELS_MAX]; /* COMPARE_MATCH, by label */
};

int matcher_new(const AlertLabels *match, AlertMatcher **ret_matcher, size_t *ret_bad,
                ParseError *ret_error)
{
    AlertMatcher *matcher = NEW(AlertMatcher);

    ASSERT(match->n <= ALERT_LABELS_MAX);
    matcher->labels = labels_copy(match, &matcher->arena);
    for (size_t i = 0; i < match->n; i++) {
        FilterPattern *pattern = NULL;

        if (filter_pattern_new(match->items[i].value, &pattern, ret_error) != 0) {
            *ret_bad = i;
            matcher_free(matcher);
            return 1;
        }
        matcher->filters[i] = (Filter){.comparison = COMPARE_MATCH, .pattern = pattern};
    }
    *ret_matcher = matcher;
    return 0;
}

AlertMatcher *matcher_free(AlertMatcher *matcher)
{
    if (matcher != NULL) {
        for (size_t i = 0; i < ALERT_LABELS_MAX; i++) {
            filter_pattern_free(matcher->filters[i].pattern);
        }
        arena_deinit(&matcher->arena);
        mem_free(matcher);
    }
    return NULL;
}

bool matcher_matches(const AlertMatcher *matcher, const AlertLabels *labels)
{
    for (size_t i = 0; i < matcher->labels.n; i++) {
        const Value value = {.type = VALUE_STRING,
                             .string = labels_get(labels, matcher->labels.items[i].name)};

        if (!filter_compare_value(&matcher->filters[i], &value)) {
            return false;
        }
    }
    return true;
}

/* --- Lists --- */

static int fail(AlertRuleError *error, size_t rule, const char *text)
{
    *error = (AlertRuleError){.rule = rule};
    snprintf(error->text, sizeof(error->text), "%s", text);
    return 1;
}

static bool has_name(const AlertRules *rules, Str name)
{
    for (size_t i = 0; i < rules->n; i++) {
        if (str_equal(rules->items[i].name, name)) {
            return true;
        }
    }
    return false;
}

static size_t count_windows(const AlertRules *rules)
{
    size_t n = 0;

    for (size_t i = 0; i < rules->n; i++) {
        bool is_new = true;

        for (size_t k = 0; k < i && is_new; k++) {
            is_new = rules->items[k].window_minutes != rules->items[i].window_minutes ||
                     rules->items[k].baseline_minutes != rules->items[i].baseline_minutes;
        }
        n += is_new;
    }
    return n;
}

static int take_rule(AlertRules *rules, const AlertRule *item, AlertRuleError *error)
{
    AlertRule *own = &rules->items[rules->n];
    ParseError bad = {0};
    size_t which = 0;

    if (item->name.len == 0 || item->name.len > ALERT_RULE_NAME_MAX) {
        return fail(error, rules->n, "a rule has a name of at most 200 bytes");
    }
    if (item->match.n > ALERT_LABELS_WRITTEN_MAX || item->labels.n > ALERT_LABELS_WRITTEN_MAX ||
        item->annotations.n > ALERT_LABELS_WRITTEN_MAX) {
        return fail(error, rules->n, "a rule has at most 32 labels, annotations and patterns");
    }
    if (has_name(rules, item->name)) {
        return fail(error, rules->n, "two rules have the same name");
    }
    if (matcher_new(&item->match, &rules->matchers[rules->n], &which, &bad) != 0) {
        fail(error, rules->n, "");
        snprintf(error->text, sizeof(error->text), "the pattern of %.*s, at character %zu: %s",
                 STR_ARG(str_slice(item->match.items[which].name, 0, 64)), bad.offset + 1,
                 bad.text);
        return 1;
    }
    *own = *item;
    own->name = arena_copy(&rules->arena, item->name);
    own->match = labels_copy(&item->match, &rules->arena);
    own->labels = labels_copy(&item->labels, &rules->arena);
    own->annotations = labels_copy(&item->annotations, &rules->arena);
    for (size_t i = 0; i < item->n_receivers; i++) {
        own->receivers[i] = arena_copy(&rules->arena, item->receivers[i]);
    }
    rules->n++;
    return count_windows(rules) > ALERT_WINDOWS_MAX
               ? fail(error, rules->n - 1, "rules have more than 32 pairs of window and baseline")
               : 0;
}

int alert_rules_new(const AlertRule *items, size_t n, AlertRules **ret_rules,
                    AlertRuleError *ret_error)
{
    if (n > ALERT_RULES_MAX) {
        return fail(ret_error, ALERT_RULES_MAX, "there are at most 200 rules");
    }
    AlertRules *rules = NEW(AlertRules);

    rules->items = ARENA_ARRAY(&rules->arena, AlertRule, n + 1);
    rules->matchers = ARENA_ARRAY(&rules->arena, AlertMatcher *, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (take_rule(rules, &items[i], ret_error) != 0) {
            alert_rules_free(rules);
            return 1;
        }
    }
    *ret_rules = rules;
    return 0;
}

AlertRules *alert_rules_free(AlertRules *rules)
{
    if (rules != NULL) {
        for (size_t i = 0; i < rules->n; i++) {
            matcher_free(rules->matchers[i]);
        }
        arena_deinit(&rules->arena);
        mem_free(rules);
    }
    return NULL;
}

/* --- JSON --- */

static void duration_write(JsonWriter *json, const char *key, uint64_t ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"d", 1440 * NS_PER_MINUTE}, {"h", 60 * NS_PER_MINUTE}, {"m", NS_PER_MINUTE},
                 {"s", 1000000000},           {"ms", 1000000},           {"ns", 1}};
    char text[32];
    size_t i = 0;

    while (ns != 0 && ns % units[i].ns != 0) {
        i++;
    }
    int len = snprintf(text, sizeof(text), "%llu%s", (unsigned long long)(ns / units[i].ns),
                       ns == 0 ? "s" : units[i].unit);
    json_key_string(json, key, str_from_bytes(text, (size_t)len));
}

static void labels_key_write(JsonWriter *json, const char *key, const AlertLabels *labels)
{
    json_key(json, str_from_cstr(key));
    labels_write(json, labels);
}

void alert_rule_write(JsonWriter *json, const AlertRule *rule)
{
    json_open(json, '{');
    json_key_string(json, "name", rule->name);
    json_key_string(json, "kind", alert_kind_name(rule->kind));
    labels_key_write(json, "match", &rule->match);
    duration_write(json, "window", rule->window_minutes * NS_PER_MINUTE);
    duration_write(json, "baseline", rule->baseline_minutes * NS_PER_MINUTE);
    duration_write(json, "for", rule->for_ns);
    json_key_double(json, "significance", rule->significance);
    labels_key_write(json, "labels", &rule->labels);
    labels_key_write(json, "annotations", &rule->annotations);
    json_key_open(json, "receivers", '[');
    for (size_t i = 0; i < rule->n_receivers; i++) {
        json_string(json, rule->receivers[i]);
    }
    json_close(json, ']');
    json_key_string(json, "source", rule->is_configured ? STR("configuration") : STR("saved"));
    json_close(json, '}');
}

static int kind_read(JsonReader *reader, AlertKind *ret_kind)
{
    Str text;

    TRY(json_read_string(reader, &text));
    for (AlertKind kind = 0; kind < ALERT_KIND_COUNT; kind++) {
        if (str_equal(kinds[kind].name, text)) {
            *ret_kind = kind;
            return 0;
        }
    }
    return json_fail(reader, "there is no such kind of rule");
}

static int duration_read(JsonReader *reader, uint64_t *ret_ns)
{
    ParseError error;
    Str text;

    TRY(json_read_string(reader, &text));
    return duration_parse(text, false, ret_ns, &error) == 0
               ? 0
               : json_fail(reader, "durations are texts like 5m or 1h30m");
}

/* Whole minutes, at least one. */
static int minutes_read(JsonReader *reader, uint32_t max, uint32_t *ret_minutes)
{
    uint64_t ns = 0;

    TRY(duration_read(reader, &ns));
    if (ns < NS_PER_MINUTE || ns % NS_PER_MINUTE != 0 || ns / NS_PER_MINUTE > max) {
        return json_fail(reader, "a window is whole minutes up to 7d, a baseline up to 30d");
    }
    *ret_minutes = (uint32_t)(ns / NS_PER_MINUTE);
    return 0;
}

static int receivers_read(JsonReader *reader, AlertRule *rule)
{
    int more;

    rule->n_receivers = 0;
    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        if (rule->n_receivers == ALERT_RECEIVERS_MAX) {
            return json_fail(reader, "there are at most 8 receivers");
        }
        TRY(json_read_string(reader, &rule->receivers[rule->n_receivers++]));
    }
    return more < 0;
}

/* The field @key of @rule; 1: not as it has to be. */
static int field_read(JsonReader *reader, Str key, AlertRule *rule)
{
    Str text;

    if (str_equal(key, STR("name"))) {
        return json_read_string(reader, &rule->name);
    } else if (str_equal(key, STR("kind"))) {
        return kind_read(reader, &rule->kind);
    } else if (str_equal(key, STR("match"))) {
        return labels_read(reader, &rule->match);
    } else if (str_equal(key, STR("window"))) {
        return minutes_read(reader, ALERT_WINDOW_MAX, &rule->window_minutes);
    } else if (str_equal(key, STR("baseline"))) {
        return minutes_read(reader, ALERT_BASELINE_MAX, &rule->baseline_minutes);
    } else if (str_equal(key, STR("for"))) {
        return duration_read(reader, &rule->for_ns);
    } else if (str_equal(key, STR("significance"))) {
        return json_read_double(reader, &rule->significance);
    } else if (str_equal(key, STR("labels"))) {
        return labels_read(reader, &rule->labels);
    } else if (str_equal(key, STR("annotations"))) {
        return labels_read(reader, &rule->annotations);
    } else if (str_equal(key, STR("receivers"))) {
        return receivers_read(reader, rule);
    } else if (str_equal(key, STR("source"))) {
        TRY(json_read_string(reader, &text));
        rule->is_configured = str_equal(text, STR("configuration"));
        return 0;
    }
    return json_fail(reader, "a rule has no such field");
}

int alert_rule_read(JsonReader *reader, AlertRule *ret_rule)
{
    AlertRule rule = {
        .kind = ALERT_KIND_COUNT, .window_minutes = ALERT_WINDOW_DEFAULT, .significance = -1};
    Str key;
    int more;

    TRY(json_enter_object(reader));
    while ((more = json_next_key(reader, &key)) > 0) {
        TRY(field_read(reader, key, &rule));
    }
    if (more < 0 || rule.kind == ALERT_KIND_COUNT) {
        return json_fail(reader, "a rule has a kind");
    }
    if (rule.baseline_minutes == 0) {
        rule.baseline_minutes = MAX(kinds[rule.kind].baseline_minutes, rule.window_minutes);
    }
    if (!(rule.significance >= 0) || isinf(rule.significance)) {
        rule.significance = kinds[rule.kind].significance;
    }
    *ret_rule = rule;
    return 0;
}

int alert_rules_read(JsonReader *reader, AlertRule **ret_rules, size_t *ret_n)
{
    AlertRule *rules = ARENA_ARRAY(reader->arena, AlertRule, ALERT_RULES_MAX + 1);
    size_t n = 0;
    int more;

    TRY(json_enter_array(reader));
    while ((more = json_next_item(reader)) > 0) {
        if (n > ALERT_RULES_MAX) {
            return json_fail(reader, "there are at most 200 rules");
        }
        TRY(alert_rule_read(reader, &rules[n++]));
    }
    if (more < 0) {
        return 1;
    }
    *ret_rules = rules;
    *ret_n = n;
    return 0;
}
