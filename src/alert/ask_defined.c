// SPDX-License-Identifier: Apache-2.0
#include "alert/watch_private.h"

#include "base/log.h"

/*
 * Flows that people define have no sums: they are evaluated over window and baseline, with all that
 * blocks are to them kept in memory, so that a minute costs what is new. What cannot be evaluated
 * in time is not judged: one time for all pairs of windows, so that other alerts are not late.
 */
#define NS_PER_MINUTE UINT64_C(60000000000)

/* Labels and summaries point into the map, which goes. */
static void copy_signals(AlertObservation *observation, size_t first, Arena *arena)
{
    for (size_t i = first; i < observation->n_signals; i++) {
        AlertSignal *signal = &observation->signals[i];

        signal->labels = labels_copy(&signal->labels, arena);
        signal->summary = arena_copy(arena, signal->summary);
    }
}

static void tell_defined(const DefinedQuestion *question, const WindowPair *pair,
                         const AlertWindows *windows, const AlertAsking *asking,
                         AlertObservation *observation)
{
    CLEANUP(defined_flows_deinit) DefinedFlows flows = {0};
    AlertAsking of_flows = *asking;
    size_t first = observation->n_signals;

    if (defined_flows_evaluate(question, &flows) != 0 || flows.truncated) {
        observation->lacks_defined = true;
        return;
    }
    of_flows.map = flows.map;
    AlertFacts *facts = alert_facts(&of_flows, windows, pair->wants_variants);
    facts->of_defined = true;
    signals_tell_more(facts, asking->arena, observation);
    copy_signals(observation, first, asking->arena);
}

void ask_defined(AlertWatch *watch, const WindowPair *pair, const AlertWindows *windows,
                 const AlertAsking *asking, AlertObservation *observation)
{
    const AlertDefinedFlows *defined = &watch->options.defined;
    FlowDefinition *items = NULL;
    size_t n = 0;

    if (defined->store == NULL) {
        return;
    }
    if (clock_monotonic_ns(watch->options.clock) >= asking->defined_until_ns ||
        defined->read(defined->context, asking->arena, &items, &n) != 0) {
        observation->lacks_defined = true;
        return;
    }
    const DefinedQuestion question = {
        .store = defined->store,
        .clock = watch->options.clock,
        .memory = defined->memory,
        .definitions = items,
        .n_definitions = n,
        .from_ns = windows->a_from * NS_PER_MINUTE,
        .to_ns = windows->b_to * NS_PER_MINUTE,
        .deadline_ns = asking->defined_until_ns,
    };
    if (n > 0) {
        tell_defined(&question, pair, windows, asking, observation);
    }
}

void sweep_defined(AlertWatch *watch)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    const AlertDefinedFlows *defined = &watch->options.defined;
    FlowDefinition *items = NULL;
    size_t n = 0;

    if (defined->store == NULL || defined->memory == NULL ||
        defined->read(defined->context, &arena, &items, &n) != 0) {
        return;
    }
    FlowVersion *versions = ARENA_ARRAY(&arena, FlowVersion, n + 1);
    for (size_t i = 0; i < n; i++) {
        versions[i] = flow_definition_version(&items[i]);
    }
    flow_cache_sweep(defined->memory->cache, defined->store, versions, n);
}
