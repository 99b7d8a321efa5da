// SPDX-License-Identifier: Apache-2.0
#include "map/answer/evidence.h"

#include <stdlib.h>

#include "base/memory.h"

#define NS_PER_MINUTE ((uint64_t)60 * 1000 * 1000 * 1000)

/* --- Intervals --- */

typedef struct Intervals {
    MapInterval *items;
    size_t count, capacity;
} Intervals;

static void intervals_deinit(Intervals *intervals)
{
    mem_free(intervals->items);
}

static void intervals_add(Intervals *intervals, MapInterval interval)
{
    ARRAY_RESERVE(intervals->items, intervals->count, intervals->capacity);
    intervals->items[intervals->count++] = interval;
}

/* Meanings change at midnight, where runs can be cut. */
static void collect_runs(const Presence *presence, const GraphPiece *piece, Intervals *intervals)
{
    for (uint32_t i = 0; i < presence->n_runs; i++) {
        MapInterval run = presence->runs[i];

        run.first_minute = MAX(run.first_minute, piece->from_minute);
        run.last_minute = MIN(run.last_minute, piece->to_minute - 1);
        if (run.first_minute <= run.last_minute) {
            intervals_add(intervals, run);
        }
    }
}

static int compare_intervals(const void *a, const void *b)
{
    const MapInterval *left = a, *right = b;

    return left->first_minute < right->first_minute ? -1 : left->first_minute > right->first_minute;
}

/* Runs of several series joined give the runs of the union: a run's own minutes are closer than the
 * gap already, so only neighbouring runs can still join. */
static void intervals_join(Intervals *intervals, uint32_t gap)
{
    size_t n = 0;
    bool sorted = true;

    for (size_t i = 1; i < intervals->count && sorted; i++) {
        sorted = compare_intervals(&intervals->items[i - 1], &intervals->items[i]) <= 0;
    }
    if (!sorted) {
        qsort(intervals->items, intervals->count, sizeof(MapInterval), compare_intervals);
    }
    for (size_t i = 0; i < intervals->count; i++) {
        MapInterval next = intervals->items[i];
        MapInterval *last = n > 0 ? &intervals->items[n - 1] : NULL;

        if (last != NULL && next.first_minute <= (uint64_t)last->last_minute + gap + 1) {
            last->last_minute = MAX(last->last_minute, next.last_minute);
        } else {
            intervals->items[n++] = next;
        }
    }
    intervals->count = n;
}

static void answer_intervals(const Evidence *evidence, MapEdge *edge)
{
    CLEANUP(intervals_deinit) Intervals intervals = {0};
    const MapQuestion *question = evidence->graph->question;
    size_t touching = 0;

    for (size_t i = 0; i < evidence->n_pieces; i++) {
        const GraphPiece *piece = evidence->pieces[i];

        collect_runs(&tables_series(evidence->graph->tables, piece->series)->presence, piece,
                     &intervals);
    }
    if (intervals.count == 0) {
        return;
    }
    intervals_join(&intervals, evidence->graph->tables->presence_gap);
    edge->first_minute = intervals.items[0].first_minute;
    edge->last_minute = intervals.items[intervals.count - 1].last_minute;
    for (size_t i = 0; i < intervals.count; i++) {
        if (intervals.items[i].first_minute < question->to_minute &&
            intervals.items[i].last_minute >= question->from_minute) {
            intervals.items[touching++] = intervals.items[i];
        }
    }
    edge->intervals = ARENA_ARRAY(evidence->arena, MapInterval, touching + 1);
    edge->n_intervals = touching;
    mem_copy(edge->intervals, intervals.items, touching * sizeof(MapInterval));
}

/* --- Flows of an edge --- */

typedef struct FlowCounts {
    MapFlowCount *items;
    size_t count, capacity;
} FlowCounts;

static void flow_counts_deinit(FlowCounts *counts)
{
    mem_free(counts->items);
}

static int compare_flow_counts(const void *a, const void *b)
{
    const MapFlowCount *left = a, *right = b;
    int order = str_compare(left->flow, right->flow);

    return order != 0 ? order : str_compare(left->step, right->step);
}

static void collect_flows(const Evidence *evidence, const GraphPiece *piece, FlowCounts *counts)
{
    const MapTables *tables = evidence->graph->tables;
    uint32_t at = tables_series(tables, piece->series)->first_flow;

    for (; at != SERIES_NONE; at = tables_series(tables, at)->next_flow) {
        const Series *series = tables_series(tables, at);
        CellSum sum = {0};

        if (!graph_tells_flow(evidence->graph, series)) {
            continue;
        }
        cells_sum(&series->cells, piece_from(piece, evidence->graph->question),
                  piece_to(piece, evidence->graph->question), &sum);
        if (sum.count > 0) {
            ARRAY_RESERVE(counts->items, counts->count, counts->capacity);
            counts->items[counts->count++] =
                (MapFlowCount){graph_flow_key(tables, series).name,
                               symbols_get(&tables->texts, series->key.c), (uint64_t)sum.count};
        }
    }
}

static void answer_flows(const Evidence *evidence, MapEdge *edge)
{
    CLEANUP(flow_counts_deinit) FlowCounts counts = {0};

    for (size_t i = 0; i < evidence->n_pieces; i++) {
        collect_flows(evidence, evidence->pieces[i], &counts);
    }
    if (counts.count == 0) {
        return;
    }
    qsort(counts.items, counts.count, sizeof(counts.items[0]), compare_flow_counts);
    edge->flows = ARENA_ARRAY(evidence->arena, MapFlowCount, counts.count);
    for (size_t i = 0; i < counts.count; i++) {
        MapFlowCount *last = edge->n_flows > 0 ? &edge->flows[edge->n_flows - 1] : NULL;

        if (last != NULL && compare_flow_counts(last, &counts.items[i]) == 0) {
            last->count += counts.items[i].count;
        } else {
            edge->flows[edge->n_flows++] =
                (MapFlowCount){.flow = arena_copy(evidence->arena, counts.items[i].flow),
                               .step = arena_copy(evidence->arena, counts.items[i].step),
                               .count = counts.items[i].count};
        }
    }
}

/* --- Exemplars of an edge --- */

/*
 * A series keeps only the best few of each EXEMPLAR_MINUTES (of old times: of each hour or day), so
 * a shorter window may have calls and none of them: then the best of the time around it stand for
 * it.
 */
typedef struct ExemplarPicks {
    ExemplarPick inside, around;
} ExemplarPicks;

static void pick_exemplars(const Evidence *evidence, const GraphPiece *piece, ExemplarPicks *picks)
{
    const Series *series = tables_series(evidence->graph->tables, piece->series);
    uint32_t from = piece_from(piece, evidence->graph->question);
    uint32_t to = piece_to(piece, evidence->graph->question);

    for (uint32_t i = 0; i < series->n_slots; i++) {
        const ExemplarSlot *slot = &series->slots[i];
        uint64_t end = (uint64_t)slot->minute + EXEMPLAR_MINUTES;
        bool inside = slot->minute >= from && end <= to;

        if (slot->minute >= to || end <= from) {
            continue;
        }
        for (uint32_t k = 0; k < slot->set.n_items; k++) {
            uint64_t minute = slot->set.items[k].start_ns / NS_PER_MINUTE;

            if (inside || (minute >= from && minute < to)) {
                exemplar_pick(&picks->inside, &slot->set.items[k]);
            } else if (minute >= piece->from_minute && minute < piece->to_minute) {
                exemplar_pick(&picks->around, &slot->set.items[k]);
            }
        }
    }
}

static size_t tell_exemplars(const ExemplarPicks *picks, ExemplarChoice choice,
                             MapExemplar *ret_exemplars)
{
    const ExemplarPick *pick = picks->inside.n[choice] > 0 ? &picks->inside : &picks->around;

    for (size_t i = 0; i < pick->n[choice]; i++) {
        const Exemplar *best = pick->best[choice][i];

        ret_exemplars[i] = (MapExemplar){best->trace_id, best->start_ns, best->duration_ns};
    }
    return pick->n[choice];
}

static void answer_exemplars(const Evidence *evidence, MapEdge *edge)
{
    ExemplarPicks picks = {0};

    for (size_t i = 0; i < evidence->n_pieces; i++) {
        pick_exemplars(evidence, evidence->pieces[i], &picks);
    }
    edge->n_latest = tell_exemplars(&picks, EXEMPLAR_LATEST, edge->latest);
    edge->n_slowest = tell_exemplars(&picks, EXEMPLAR_SLOWEST, edge->slowest);
    if (edge->errors > 0) {
        edge->n_error = tell_exemplars(&picks, EXEMPLAR_ERROR, edge->error);
    }
}

void evidence_fill(const Evidence *evidence, MapEdge *edge)
{
    answer_intervals(evidence, edge);
    answer_flows(evidence, edge);
    answer_exemplars(evidence, edge);
}

void evidence_fill_life(const Evidence *evidence, MapEdge *edge)
{
    answer_intervals(evidence, edge);
}
