// SPDX-License-Identifier: Apache-2.0
#include "app/retention.h"

#include "app/settings.h"
#include "query/traceql.h"

static int fail(Buf *why, Str rule, const char *what)
{
    buf_append_format(why,
                      "exporters.weft.retention.rules: \"%.*s\": %s; a rule is like "
                      "{ status = error } 30d",
                      STR_ARG(rule), what);
    return 1;
}

/* The age is the word behind the filter's last brace. */
static int parse_rule(Str rule, RetentionRules *rules, Buf *why)
{
    FilterSet *set = &rules->filters[rules->count];
    ParseError error = {0};
    TraceQuery query = {0};
    size_t brace = rule.len;
    uint64_t age_ns;

    while (brace > 0 && rule.ptr[brace - 1] != '}') {
        brace--;
    }
    if (brace == 0 ||
        settings_parse_duration(str_trim(str_slice(rule, brace, rule.len)), &age_ns) != 0 ||
        age_ns < 1000000000) {
        return fail(why, rule, "an age of a second or more is missing behind the }");
    }
    filter_set_init(set, &rules->arena);
    rules->count++;
    if (traceql_parse(arena_copy(&rules->arena, str_slice(rule, 0, brace)), set, &query, &error) !=
        0) {
        return fail(why, rule, error.text);
    }
    if (query.needs_trace) {
        return fail(why, rule, "a rule can ask single spans only, not relations and sums");
    }
    rules->rules[rules->count - 1] =
        (StoreRetentionRule){.filter = query.filter, .age_s = age_ns / 1000000000};
    return 0;
}

/* Where the rule ends: at a semicolon behind its closing brace, not at one in a quoted value. */
static size_t rule_end(Str text)
{
    bool in_filter = false;
    char quote = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (quote != 0) {
            i += c == '\\' && quote == '"';
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '`') {
            quote = c;
        } else if (c == '{' || c == '}') {
            in_filter = c == '{';
        } else if (c == ';' && !in_filter) {
            return i;
        }
    }
    return text.len;
}

int retention_rules_parse(Str text, RetentionRules *rules, Buf *why)
{
    while (text.len > 0) {
        size_t end = rule_end(text);
        Str rule = str_trim(str_slice(text, 0, end));

        text = str_slice(text, MIN(end + 1, text.len), text.len);
        if (rule.len == 0) {
            continue;
        }
        if (rules->count == RETENTION_RULES_MAX) {
            return fail(why, rule, "there are more than 16 rules");
        }
        TRY(parse_rule(rule, rules, why));
    }
    return 0;
}

void retention_rules_deinit(RetentionRules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        filter_set_deinit(&rules->filters[i]);
    }
    arena_deinit(&rules->arena);
    *rules = (RetentionRules){0};
}
