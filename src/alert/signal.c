// SPDX-License-Identifier: Apache-2.0
#include "alert/signal.h"

#include <math.h>

#include "codec/hash.h"
#include "map/answer/significance.h"

#define SIGNIFICANCE_MAX 300.0

/* Where signals of one pair of windows are gathered. */
typedef struct Telling {
    const AlertFacts *facts;
    Arena *arena;
    AlertObservation *out;
} Telling;

enum { ROOM = 12 }; /* labels of one signal */

/* Empty values are no labels. */
static void label(AlertSignal *signal, const char *name, Str value)
{
    if (value.len > 0) {
        signal->labels.items[signal->labels.n++] =
            (AlertLabel){str_from_cstr(name), str_slice(value, 0, ALERT_LABEL_BYTES_MAX)};
    }
}

/* The next signal, with room for its labels; NULL: there are enough. */
static AlertSignal *add(Telling *telling, AlertKind kind)
{
    AlertObservation *out = telling->out;

    if (out->n_signals == ALERT_SIGNALS_MAX) {
        out->dropped++;
        return NULL;
    }
    if (out->n_signals == out->capacity) {
        size_t capacity = MAX(2 * out->capacity, (size_t)64);
        AlertSignal *more = ARENA_ARRAY(telling->arena, AlertSignal, capacity);

        mem_copy(more, out->signals, out->n_signals * sizeof(*more));
        out->signals = more;
        out->capacity = capacity;
    }
    AlertSignal *signal = &out->signals[out->n_signals++];
    *signal =
        (AlertSignal){.kind = kind, .labels = {ARENA_ARRAY(telling->arena, AlertLabel, ROOM), 0}};
    if (telling->facts->of_defined) {
        label(signal, "defined", STR("true"));
    }
    return signal;
}

static void label_place(AlertSignal *signal, const NodeKey *key)
{
    label(signal, "scope", key->scope);
    label(signal, "environment", key->environment);
}

static double significance_of(double probability)
{
    return fmin(SIGNIFICANCE_MAX, -log10(fmax(probability, 1e-320)));
}

/* --- Edges and steps --- */

static bool is_of_flow(const MapEdge *edge)
{
    return edge->relation == RELATION_PERFORMS || edge->relation == RELATION_FOLLOWS;
}

static void label_edge(AlertSignal *signal, const MapAnswer *map, const MapEdge *edge)
{
    const NodeKey *source = &map->nodes[edge->source].key, *target = &map->nodes[edge->target].key;

    label_place(signal, source);
    label(signal, "edge", edge->id);
    if (edge->relation == RELATION_PERFORMS) {
        label(signal, "service", node_key_label(source));
        label(signal, "flow", target->name);
        label(signal, "step", target->part);
        return;
    }
    label(signal, "source", node_key_label(source));
    label(signal, "target", node_key_label(target));
    label(signal, "relation", relation_name(edge->relation));
}

static Str edge_text(const MapAnswer *map, const MapEdge *edge, Arena *arena)
{
    const NodeKey *target = &map->nodes[edge->target].key;
    Str source = node_key_label(&map->nodes[edge->source].key);
    Str relation = relation_name(edge->relation), name = node_key_label(target);

    return edge->relation == RELATION_PERFORMS
               ? arena_format(arena, "step %.*s of %.*s by %.*s", STR_ARG(name),
                              STR_ARG(target->name), STR_ARG(source))
               : arena_format(arena, "%.*s %.*s %.*s", STR_ARG(source), STR_ARG(relation),
                              STR_ARG(name));
}

static void tell_edges(Telling *telling, bool came)
{
    const MapDiff *diff = telling->facts->diff;
    const MapAnswer *map = came ? &diff->b : &diff->a;
    const MapCame *edges = came ? diff->added_edges : diff->removed_edges;
    size_t n = came ? diff->n_added_edges : diff->n_removed_edges;

    for (size_t i = 0; i < n; i++) {
        const MapEdge *edge = &map->edges[edges[i].index];

        AlertSignal *signal = is_of_flow(edge)
                                  ? NULL
                                  : add(telling, came ? ALERT_EDGE_APPEARED : ALERT_EDGE_VANISHED);
        if (signal != NULL) {
            label_edge(signal, map, edge);
            signal->significance = edges[i].significance;
            signal->a = came ? 0 : (double)edge->count;
            signal->b = came ? (double)edge->count : 0;
            signal->summary = arena_format(telling->arena, "%.*s: %s",
                                           STR_ARG(edge_text(map, edge, telling->arena)),
                                           came ? "appeared" : "vanished");
        }
    }
}

static Str change_text(const MapAnswer *map, const MapChange *change, Arena *arena)
{
    Str edge = edge_text(map, &map->edges[change->index], arena);

    switch (change->kind) {
    case CHANGE_RATE:
        return arena_format(arena, "%.*s: %.4g a minute, was %.4g", STR_ARG(edge), change->b,
                            change->a);
    case CHANGE_ERRORS:
        return arena_format(arena, "%.*s: %.3g %% errors, was %.3g %%", STR_ARG(edge),
                            100 * change->b, 100 * change->a);
    default:
        return arena_format(arena, "%.*s: p%.0f %.4g ms, was %.4g ms", STR_ARG(edge),
                            100 * change->quantile, change->b / 1e6, change->a / 1e6);
    }
}

static void tell_changes(Telling *telling)
{
    static const char *const names[] = {
        [CHANGE_RATE] = "rate", [CHANGE_ERRORS] = "errors", [CHANGE_LATENCY] = "latency"};
    const MapDiff *diff = telling->facts->diff;

    for (size_t i = 0; i < diff->n_changes; i++) {
        const MapChange *change = &diff->changes[i];
        const MapEdge *edge = &diff->b.edges[change->index];

        if (edge->relation == RELATION_FOLLOWS) {
            continue;
        }
        AlertSignal *signal = add(
            telling, edge->relation == RELATION_PERFORMS ? ALERT_STEP_CHANGED : ALERT_EDGE_CHANGED);
        if (signal != NULL) {
            label_edge(signal, &diff->b, edge);
            label(signal, "change", str_from_cstr(names[change->kind]));
            label(signal, "direction", change->b > change->a ? STR("up") : STR("down"));
            signal->significance = change->significance;
            signal->a = change->a;
            signal->b = change->b;
            signal->summary = change_text(&diff->b, change, telling->arena);
        }
    }
}

/* --- Nodes --- */

static double minutes_share(const AlertFacts *facts, uint32_t first_minute)
{
    double before = fmax(1, (double)facts->b_from - MAX(facts->a_from, first_minute));
    double after = fmax(1, (double)facts->b_to - facts->b_from);

    return after / (before + after);
}

/* How clear it is that a node came or went: as its clearest edge, or by its own requests. */
static void node_significances(const AlertFacts *facts, bool came, double *ret_by_node)
{
    const MapDiff *diff = facts->diff;
    const MapAnswer *map = came ? &diff->b : &diff->a;
    const MapCame *edges = came ? diff->added_edges : diff->removed_edges;
    size_t n = came ? diff->n_added_edges : diff->n_removed_edges;

    for (size_t i = 0; i < map->n_nodes; i++) {
        double requests = (double)map->nodes[i].requests;

        ret_by_node[i] =
            significance_of(significance_rates(came ? 0 : requests, came ? requests : 0,
                                               minutes_share(facts, map->nodes[i].first_minute)));
    }
    for (size_t i = 0; i < n; i++) {
        const MapEdge *edge = &map->edges[edges[i].index];

        ret_by_node[edge->source] = fmax(ret_by_node[edge->source], edges[i].significance);
        ret_by_node[edge->target] = fmax(ret_by_node[edge->target], edges[i].significance);
    }
}

static void label_node(AlertSignal *signal, const MapNode *node)
{
    bool is_step = node->key.type == NODE_STEP;

    label_place(signal, &node->key);
    label(signal, "node", node_key_label(&node->key));
    label(signal, "node_id", node->id);
    label(signal, "type", node_type_name(node->key.type));
    label(signal, "flow", is_step || node->key.type == NODE_FLOW ? node->key.name : (Str){0});
    label(signal, "step", is_step ? node->key.part : (Str){0});
}

static void tell_nodes(Telling *telling, bool came)
{
    const MapDiff *diff = telling->facts->diff;
    const MapAnswer *map = came ? &diff->b : &diff->a;
    const size_t *nodes = came ? diff->added_nodes : diff->removed_nodes;
    size_t n = came ? diff->n_added_nodes : diff->n_removed_nodes;
    double *significance = ARENA_ARRAY(telling->arena, double, map->n_nodes + 1);

    node_significances(telling->facts, came, significance);
    for (size_t i = 0; i < n; i++) {
        const MapNode *node = &map->nodes[nodes[i]];

        if (telling->facts->of_defined && node->key.type == NODE_SERVICE) {
            continue; /* it performs a step now, and was there before */
        }
        AlertSignal *signal = add(telling, came ? ALERT_NODE_APPEARED : ALERT_NODE_VANISHED);

        if (signal != NULL) {
            label_node(signal, node);
            signal->significance = significance[nodes[i]];
            signal->a = came ? 0 : (double)node->requests;
            signal->b = came ? (double)node->requests : 0;
            signal->summary = arena_format(
                telling->arena, "%.*s %.*s: %s", STR_ARG(node_type_name(node->key.type)),
                STR_ARG(node_key_label(&node->key)), came ? "appeared" : "vanished");
        }
    }
}

/* --- Flows --- */

static bool is_same_flow(const NodeKey *a, const NodeKey *b)
{
    return str_equal(a->name, b->name) && str_equal(a->scope, b->scope) &&
           str_equal(a->environment, b->environment);
}

static bool runs_now(const AlertFacts *facts, const MapFlow *flow)
{
    for (size_t i = 0; i < facts->n_flows_b; i++) {
        if (is_same_flow(&facts->flows_b[i].key, &flow->key)) {
            return facts->flows_b[i].runs > 0;
        }
    }
    return false;
}

static void tell_stopped(Telling *telling)
{
    const AlertFacts *facts = telling->facts;

    for (size_t i = 0; i < facts->n_flows_a; i++) {
        const MapFlow *flow = &facts->flows_a[i];
        AlertSignal *signal =
            flow->runs == 0 || runs_now(facts, flow) ? NULL : add(telling, ALERT_FLOW_STOPPED);

        if (signal != NULL) {
            label_place(signal, &flow->key);
            label(signal, "flow", flow->key.name);
            signal->a = (double)flow->runs;
            signal->significance = significance_of(significance_rates(
                (double)flow->runs, 0, minutes_share(facts, flow->first_minute)));
            signal->summary =
                arena_format(telling->arena, "flow %.*s stopped: no run in %u minutes",
                             STR_ARG(flow->key.name), facts->b_to - facts->b_from);
        }
    }
}

enum { SEQUENCE_SHOWN_MAX = 1000 }; /* bytes */

static Str sequence_text(const MapFlowVariant *variant, Arena *arena)
{
    CLEANUP(buf_deinit) Buf text = {0};

    for (size_t i = 0; i < variant->n_steps && text.len < SEQUENCE_SHOWN_MAX; i++) {
        buf_append_str(&text, i == 0 ? STR("") : STR(" > "));
        buf_append_str(&text, variant->steps[i]);
    }
    return arena_copy(arena, str_slice(buf_str(&text), 0, SEQUENCE_SHOWN_MAX));
}

static void tell_variant(Telling *telling, const MapFlow *flow, const MapFlowVariant *variant)
{
    AlertSignal *signal = add(telling, ALERT_VARIANT_APPEARED);

    if (signal != NULL) {
        label_place(signal, &flow->key);
        label(signal, "flow", flow->key.name);
        label(
            signal, "variant",
            arena_format(telling->arena, "%016llx", (unsigned long long)hash_stable(variant->key)));
        signal->b = (double)variant->runs;
        signal->summary =
            arena_format(telling->arena, "flow %.*s has a new variant: %.*s",
                         STR_ARG(flow->key.name), STR_ARG(sequence_text(variant, telling->arena)));
    }
}

static void tell_variants(Telling *telling)
{
    const AlertFacts *facts = telling->facts;

    for (size_t i = 0; i < facts->n_asked; i++) {
        const AlertFlow *asked = &facts->asked[i];

        for (size_t k = 0; k < asked->n_variants && asked->flow->first_minute < facts->b_from;
             k++) {
            if (asked->variants[k].first_minute >= facts->b_from) {
                tell_variant(telling, asked->flow, &asked->variants[k]);
            }
        }
    }
}

static void tell_all(Telling *telling)
{
    AlertObservation *out = telling->out;
    size_t first = out->n_signals;

    if (telling->facts->diff->a.n_nodes > 0) {
        tell_edges(telling, true);
        tell_nodes(telling, true);
    }
    tell_edges(telling, false);
    tell_nodes(telling, false);
    tell_changes(telling);
    tell_stopped(telling);
    tell_variants(telling);
    for (size_t i = first; i < out->n_signals; i++) {
        labels_sort(&out->signals[i].labels);
        out->signals[i].summary = str_slice(out->signals[i].summary, 0, ALERT_LABEL_BYTES_MAX);
    }
}

void signals_tell(const AlertFacts *facts, Arena *arena, AlertObservation *ret_observation)
{
    AlertObservation out = {.window_minutes = facts->b_to - facts->b_from,
                            .baseline_minutes = facts->b_from - facts->a_from,
                            .from_ns = facts->b_from * UINT64_C(60000000000)};

    tell_all(&(Telling){facts, arena, &out});
    *ret_observation = out;
}

void signals_tell_more(const AlertFacts *facts, Arena *arena, AlertObservation *observation)
{
    tell_all(&(Telling){facts, arena, observation});
}
