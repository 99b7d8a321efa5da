// SPDX-License-Identifier: Apache-2.0
#include "alert/watch_private.h"

#include "base/log.h"

/*
 * What the rules need is asked without the lock: questions take milliseconds, and nobody waits for
 * them. Each pair of windows is asked once, however many rules have it.
 */
#define NS_PER_MINUTE UINT64_C(60000000000)

WindowPair pair_of(const AlertRule *rule)
{
    return (WindowPair){.window_minutes = rule->window_minutes,
                        .baseline_minutes = rule->baseline_minutes,
                        .wants_variants = rule->kind == ALERT_VARIANT_APPEARED,
                        .wants_flows = rule->kind != ALERT_EDGE_APPEARED &&
                                       rule->kind != ALERT_EDGE_VANISHED &&
                                       rule->kind != ALERT_EDGE_CHANGED};
}

/* Under the lock. */
static size_t pairs_of(const AlertRules *rules, WindowPair pairs[ALERT_WINDOWS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < rules->n; i++) {
        const WindowPair pair = pair_of(&rules->items[i]);
        size_t k = 0;

        while (k < n && (pairs[k].window_minutes != pair.window_minutes ||
                         pairs[k].baseline_minutes != pair.baseline_minutes)) {
            k++;
        }
        if (k == n) {
            pairs[n++] = pair;
        }
        pairs[k].wants_variants |= pair.wants_variants;
        pairs[k].wants_flows |= pair.wants_flows;
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

AlertWindows alert_windows(uint32_t end, uint32_t window_minutes, uint32_t baseline_minutes)
{
    AlertWindows windows = {.b_to = end, .b_from = end - MIN(window_minutes, end)};

    windows.a_from = windows.b_from - MIN(baseline_minutes, windows.b_from);
    return windows;
}

AlertFacts *alert_facts(const AlertAsking *asking, const AlertWindows *windows, bool wants_variants)
{
    Arena *arena = asking->arena;
    MapDiff *diff = ARENA_NEW(arena, MapDiff);
    AlertFacts *facts = ARENA_NEW(arena, AlertFacts);
    MapFlow *a = NULL, *b = NULL;
    const MapDiffQuestion question = {.filters = {.types = (1u << NODE_NAME) - 1},
                                      .a_from = windows->a_from,
                                      .a_to = windows->b_from,
                                      .b_from = windows->b_from,
                                      .b_to = windows->b_to,
                                      .complete_to_ns = asking->complete_to_ns};

    *facts = (AlertFacts){
        .a_from = windows->a_from, .b_from = windows->b_from, .b_to = windows->b_to, .diff = diff};
    /* Without a focus there is always an answer. */
    (void)!map_diff(asking->map, &question, arena, diff);
    map_flow_list(asking->map, windows->a_from, windows->b_from, arena, &a, &facts->n_flows_a);
    map_flow_list(asking->map, windows->b_from, windows->b_to, arena, &b, &facts->n_flows_b);
    facts->flows_a = a;
    facts->flows_b = b;
    if (wants_variants) {
        ask_variants(asking->map, facts, arena);
    }
    return facts;
}

/* The window ends with the last minute of which something is known, as far as it is. */
static void observe(AlertWatch *watch, const WindowPair *pair, uint64_t defined_until_ns,
                    Arena *arena, AlertObservation *ret_observation)
{
    AssemblyStatus assembly = {0};

    assembly_status(watch->options.assembly, &assembly);
    uint32_t end = (uint32_t)(assembly.complete_to_ns / NS_PER_MINUTE) + 1;
    const AlertWindows windows = alert_windows(end, pair->window_minutes, pair->baseline_minutes);
    const AlertAsking asking = {.map = watch->options.map,
                                .complete_to_ns = assembly.complete_to_ns,
                                .defined_until_ns = defined_until_ns,
                                .arena = arena};

    signals_tell(alert_facts(&asking, &windows, pair->wants_variants), arena, ret_observation);
    if (pair->wants_flows) {
        ask_defined(watch, pair, &windows, &asking, ret_observation);
    }
}

void watch_evaluate(AlertWatch *watch)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    WindowPair pairs[ALERT_WINDOWS_MAX];
    AlertObservation observations[ALERT_WINDOWS_MAX];
    uint64_t defined_until_ns =
        clock_monotonic_ns(watch->options.clock) + ALERT_DEFINED_MS * UINT64_C(1000000);

    watch_lock(watch);
    size_t n = pairs_of(watch->rules, pairs);
    watch_unlock(watch);
    sweep_defined(watch);
    for (size_t i = 0; i < n && !atomic_load(&watch->stopping); i++) {
        observe(watch, &pairs[i], defined_until_ns, &arena, &observations[i]);
    }
    watch_lock(watch);
    if (!atomic_load(&watch->stopping)) {
        const AlertMoment moment = {.observations = observations,
                                    .n_observations = n,
                                    .now_ns = clock_realtime_ns(watch->options.clock),
                                    .receivers = watch->receiver_names,
                                    .watching_since_ns = watch->watching_since_ns};

        for (size_t i = 0; i < n; i++) {
            watch->status.dropped_signals += observations[i].dropped;
            watch->status.unknown += observations[i].lacks_defined;
        }
        alerts_evaluate(&watch->alerts, watch->rules, &moment);
        watch_keep(watch);
    }
    watch_unlock(watch);
}
