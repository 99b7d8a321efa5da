// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "query/filter_build.h"
#include "store/store.h"

/*
 * Retention rules as they stand in the settings: `{ status = error } 30d; { duration > 1s } 14d`.
 * Each is a TraceQL span filter and an age, in order, separated by semicolons.
 */
enum { RETENTION_RULES_MAX = 16 };

typedef struct RetentionRules {
    StoreRetentionRule rules[RETENTION_RULES_MAX];
    FilterSet filters[RETENTION_RULES_MAX];
    size_t count;
    Arena arena;
} RetentionRules;

/* Reads @text into the empty @rules, which are deinitialised also after an error. Returns 0; 1 with
 * a sentence in @why. */
MUST_USE int retention_rules_parse(Str text, RetentionRules *rules, Buf *why);
void retention_rules_deinit(RetentionRules *rules);
