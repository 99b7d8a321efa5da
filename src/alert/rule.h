// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "alert/labels.h"

/*
 * Rules as data: what is watched, on which parts of the map, over which windows. A rule compares
 * its window, which ends now, with the baseline before it. docs/guide/alerts.md says what each kind
 * means.
 *
 * Each row: constant, name, default baseline in minutes, default significance.
 */
#define ALERT_KINDS(ROW)                                                                           \
    ROW(ALERT_EDGE_APPEARED, "edge_appeared", 1440, 0)                                             \
    ROW(ALERT_EDGE_VANISHED, "edge_vanished", 1440, 2)                                             \
    ROW(ALERT_EDGE_CHANGED, "edge_changed", 60, 2)                                                 \
    ROW(ALERT_NODE_APPEARED, "node_appeared", 1440, 0)                                             \
    ROW(ALERT_NODE_VANISHED, "node_vanished", 1440, 0)                                             \
    ROW(ALERT_STEP_CHANGED, "step_changed", 60, 2)                                                 \
    ROW(ALERT_FLOW_STOPPED, "flow_stopped", 60, 2)                                                 \
    ROW(ALERT_VARIANT_APPEARED, "variant_appeared", 1440, 0)

typedef enum AlertKind {
#define ALERT_KIND_CONSTANT(constant, name, baseline, significance) constant,
    ALERT_KINDS(ALERT_KIND_CONSTANT)
#undef ALERT_KIND_CONSTANT
        ALERT_KIND_COUNT,
} AlertKind;

enum { ALERT_RECEIVERS_MAX = 8 };

typedef struct AlertRule {
    Str name; /* the alert's label alertname */
    AlertKind kind;
    AlertLabels match; /* patterns on labels, anchored at both ends; all must match */
    uint32_t window_minutes, baseline_minutes;
    uint64_t for_ns;     /* how long it must hold before it fires */
    double significance; /* the least, as in /map/diff */
    AlertLabels labels, annotations;
    Str receivers[ALERT_RECEIVERS_MAX]; /* names of those that are told; none: all */
    size_t n_receivers;
    bool is_configured; /* by the configuration file, not by the page */
} AlertRule;

enum {
    ALERT_RULES_MAX = 200,
    ALERT_RULE_NAME_MAX = 200,
    ALERT_WINDOW_MAX = 7 * 1440, /* minutes, as baselines: */
    ALERT_BASELINE_MAX = 30 * 1440,
    ALERT_WINDOW_DEFAULT = 5,
    ALERT_WINDOWS_MAX = 32, /* pairs of window and baseline that all rules have together */
};

Str alert_kind_name(AlertKind kind);

/* Labels that match by patterns: of a rule or a silence. Compiled; one thread at a time uses it. */
typedef struct AlertMatcher AlertMatcher;

/* Copies @match. Returns 0; 1 when a pattern is none: @ret_error says where in it and what, and
 * *@ret_bad which. */
MUST_USE int matcher_new(const AlertLabels *match, AlertMatcher **ret_matcher, size_t *ret_bad,
                         ParseError *ret_error);
AlertMatcher *matcher_free(AlertMatcher *matcher);

/* Whether each of its patterns matches the whole value; a label that is not there is empty. What
 * takes longer than span/filter.h allows is no match. */
bool matcher_matches(const AlertMatcher *matcher, const AlertLabels *labels);

/* Rules, compiled, by their order. Immutable. */
typedef struct AlertRules {
    Arena arena;
    AlertRule *items;
    AlertMatcher **matchers;
    size_t n;
} AlertRules;

/* What is wrong with rules: a sentence for people. */
typedef struct AlertRuleError {
    size_t rule; /* index */
    char text[256];
} AlertRuleError;

/* Copies @items. Returns 0; 1 when one of them is none or there are too many. */
MUST_USE int alert_rules_new(const AlertRule *items, size_t n, AlertRules **ret_rules,
                             AlertRuleError *ret_error);
AlertRules *alert_rules_free(AlertRules *rules);

/* A rule as JSON, and back with defaults filled in; views live as long as text and arena. Returns
 * 0; 1 when it is none. An item that says "source":"configuration" has is_configured set. */
void alert_rule_write(JsonWriter *json, const AlertRule *rule);
MUST_USE int alert_rule_read(JsonReader *reader, AlertRule *ret_rule);

/* A list of them. *@ret_n at most ALERT_RULES_MAX + 1. */
MUST_USE int alert_rules_read(JsonReader *reader, AlertRule **ret_rules, size_t *ret_n);
