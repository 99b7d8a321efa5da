// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/answer/graph.h"

/*
 * From a filtered graph to the answer of map_ask(): sums, quantiles, evidence, ids. On one thread,
 * while the tables do not change; without layout.
 */
MUST_USE int answer_ask(const MapTables *tables, const MapOptions *options,
                        const MapQuestion *question, Arena *arena, MapAnswer *ret_answer);

/* As answer_ask(), but only nodes and edges with their keys, ends and lives: nothing is summed. */
MUST_USE int answer_outline(const MapTables *tables, const MapOptions *options,
                            const MapQuestion *question, Arena *arena, MapAnswer *ret_answer);

/* The stable id of an edge, behind @buf's content. */
void answer_edge_id(Str source_key, Relation relation, Str target_key, Buf *buf);

/* Scratch for one answer's sketches, cleared between uses. */
typedef struct AnswerSums {
    SketchSum duration, server_duration;
} AnswerSums;

AnswerSums *answer_sums_new(void);
void answer_sums_freep(AnswerSums **sums);

/* p50, p90, p99 of what was summed; clears it. */
MapDuration answer_duration(SketchSum *sum);
