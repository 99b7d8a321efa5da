// SPDX-License-Identifier: Apache-2.0
#include "map/answer/profile.h"

#include "base/memory.h"

static void keep_buckets(const SketchSum *sum, Arena *arena, ProfileSlice *slice)
{
    uint32_t n = 0;

    for (uint32_t i = sum->low; i < sum->high; i++) {
        n += sum->counts[i] > 0;
    }
    slice->buckets = ARENA_ARRAY(arena, SketchBucket, n + 1);
    for (uint32_t i = sum->low; i < sum->high; i++) {
        if (sum->counts[i] > 0) {
            slice->buckets[slice->n_buckets++] = (SketchBucket){
                .index = (int32_t)i, .count = (int32_t)MIN(sum->counts[i], (int64_t)INT32_MAX)};
        }
    }
}

static void take_slice(const Evidence *evidence, uint32_t from, uint32_t to, CellSum *sum)
{
    for (size_t i = 0; i < evidence->n_pieces; i++) {
        const GraphPiece *piece = evidence->pieces[i];

        cells_sum(&tables_series(evidence->graph->tables, piece->series)->cells,
                  MAX(piece->from_minute, from), MIN(piece->to_minute, to), sum);
    }
}

uint32_t profile_unit(const MapQuestion *question)
{
    uint32_t slice = (question->to_minute - question->from_minute) / PROFILE_SLICES;

    return slice >= MINUTES_PER_DAY                          ? MINUTES_PER_DAY
           : slice >= MINUTES_PER_HOUR || question->by_hours ? MINUTES_PER_HOUR
                                                             : 1;
}

/* Where slice @at begins. */
static uint32_t slice_start(const MapQuestion *question, const MapProfile *profile, uint32_t at)
{
    uint64_t minutes = question->to_minute - question->from_minute;
    uint32_t start = (uint32_t)(question->from_minute + minutes * at / profile->n_slices);

    return at == 0 || at == profile->n_slices ? start : start - start % profile_unit(question);
}

const MapProfile *profile_take(const Evidence *evidence, bool of_server, AnswerSums *sums)
{
    MapProfile *profile = ARENA_NEW(evidence->arena, MapProfile);
    const MapQuestion *question = evidence->graph->question;
    uint64_t minutes = question->to_minute - question->from_minute;
    uint64_t most = question->by_hours ? (minutes + 59) / MINUTES_PER_HOUR : minutes;

    profile->n_slices = (uint32_t)MIN(most, (uint64_t)PROFILE_SLICES);
    profile->of_server = of_server;
    for (uint32_t i = 0; i < profile->n_slices; i++) {
        ProfileSlice *slice = &profile->slices[i];
        uint32_t from = slice_start(question, profile, i);
        uint32_t to = slice_start(question, profile, i + 1);
        CellSum sum = {.duration = &sums->duration, .server_duration = &sums->server_duration};

        take_slice(evidence, from, to, &sum);
        slice->minutes = to - from;
        slice->count = sum.count > 0 ? (uint64_t)sum.count : 0;
        slice->errors = sum.errors > 0 ? MIN((uint64_t)sum.errors, slice->count) : 0;
        keep_buckets(profile->of_server ? &sums->server_duration : &sums->duration, evidence->arena,
                     slice);
        sketch_sum_clear(&sums->duration);
        sketch_sum_clear(&sums->server_duration);
    }
    return profile;
}
