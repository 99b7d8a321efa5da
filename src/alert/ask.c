// SPDX-License-Identifier: Apache-2.0
#include "alert/watch_private.h"

#include "base/log.h"

/*
 * What the rules need is asked without the lock: questions take milliseconds, and nobody waits for
 * them. Each pair of windows is asked once, however many rules have it.
 */
#define NS_PER_MINUTE UINT64_C(60000000000)

typedef struct WindowPair {
    uint32_t window_minutes, baseline_minutes;
    bool wants_variants;
} WindowPair;

/* Under the lock. */
static size_t pairs_of(const AlertRules *rules, WindowPair pairs[ALERT_WINDOWS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < rules->n; i++) {
        const AlertRule *rule = &rules->items[i];
        size_t k = 0;

        while (k < n && (pairs[k].window_minutes != rule->window_minutes ||
                         pairs[k].baseline_minutes != rule->baseline_minutes)) {
            k++;
        }
        if (k == n) {
            pairs[n++] = (WindowPair){rule->window_minutes, rule->baseline_minutes, false};
        }
        pairs[k].wants_variants |= rule->kind == ALERT_VARIANT_APPEARED;
    }
    return n;
}

static void ask_variants(Map *map, AlertFacts *facts, Arena *arena)
{
    AlertFlow *asked = ARENA_ARRAY(arena, AlertFlow, ALERT_FLOWS_ASKED_MAX);

    for (size_t i = 0; i < facts->n_flows_b && facts->n_asked < ALERT_FLOWS_ASKED_MAX; i++) {
        const MapFlow *flow = &facts->flows_b[i];
        const MapFlowQuestion question = {.name = flow->key.name,
                                          .scope = flow->key.scope,
                                          .has_environment = true,
                                          .environment = flow->key.environment,
                                          .from_minute = facts->b_from,
                                          .to_minute = facts->b_to};
        MapFlowAnswer answer;

        if (map_flow_ask(map, &question, arena, &answer) == 0) {
            asked[facts->n_asked++] = (AlertFlow){flow, answer.variants, answer.n_variants};
        }
    }
    facts->asked = asked;
}

/* The window ends with the last minute of which something is known, as far as it is. */
static void observe(AlertWatch *watch, const WindowPair *pair, Arena *arena,
                    AlertObservation *ret_observation)
{
    Map *map = watch->options.map;
    AssemblyStatus assembly = {0};
    MapDiff diff = {0};
    MapFlow *a = NULL, *b = NULL;

    assembly_status(watch->options.assembly, &assembly);
    uint32_t end = (uint32_t)(assembly.complete_to_ns / NS_PER_MINUTE) + 1;
    uint32_t b_from = end - MIN(pair->window_minutes, end);
    uint32_t a_from = b_from - MIN(pair->baseline_minutes, b_from);
    const MapDiffQuestion question = {.filters = {.types = (1u << NODE_NAME) - 1},
                                      .a_from = a_from,
                                      .a_to = b_from,
                                      .b_from = b_from,
                                      .b_to = end,
                                      .complete_to_ns = assembly.complete_to_ns};
    AlertFacts facts = {.a_from = a_from, .b_from = b_from, .b_to = end, .diff = &diff};

    /* Without a focus there is always an answer. */
    (void)!map_diff(map, &question, arena, &diff);
    map_flow_list(map, a_from, b_from, arena, &a, &facts.n_flows_a);
    map_flow_list(map, b_from, end, arena, &b, &facts.n_flows_b);
    facts.flows_a = a;
    facts.flows_b = b;
    if (pair->wants_variants) {
        ask_variants(map, &facts, arena);
    }
    signals_tell(&facts, arena, ret_observation);
}

void watch_evaluate(AlertWatch *watch)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    WindowPair pairs[ALERT_WINDOWS_MAX];
    AlertObservation observations[ALERT_WINDOWS_MAX];

    watch_lock(watch);
    size_t n = pairs_of(watch->rules, pairs);
    watch_unlock(watch);
    for (size_t i = 0; i < n && !atomic_load(&watch->stopping); i++) {
        observe(watch, &pairs[i], &arena, &observations[i]);
    }
    watch_lock(watch);
    if (!atomic_load(&watch->stopping)) {
        const AlertMoment moment = {.observations = observations,
                                    .n_observations = n,
                                    .now_ns = clock_realtime_ns(watch->options.clock),
                                    .watching_since_ns = watch->watching_since_ns};

        for (size_t i = 0; i < n; i++) {
            watch->status.dropped_signals += observations[i].dropped;
        }
        alerts_evaluate(&watch->alerts, watch->rules, &moment);
        watch_keep(watch);
    }
    watch_unlock(watch);
}
