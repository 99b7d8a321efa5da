// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "map/answer/answer.h"
#include "map/answer/evidence.h"

/*
 * An edge's window, or that of a service's requests, in slices of time, to see how much its numbers
 * vary by themselves: what a comparison of two windows has to exceed (answer/diff.h). In the
 * answer's arena.
 */
enum { PROFILE_SLICES = 12 };

typedef struct ProfileSlice {
    uint32_t minutes;
    uint64_t count, errors;
    SketchBucket *buckets; /* of durations, by index */
    uint32_t n_buckets;
} ProfileSlice;

struct MapProfile {
    ProfileSlice slices[PROFILE_SLICES]; /* a window of fewer minutes has one for each */
    uint32_t n_slices;
    bool of_server; /* durations are the server's, for want of the caller's */
};

/* What its slices' ends within the window are multiples of: long windows are cut at whole hours or
 * days, whose sums are there without their minutes. MINUTES_PER_DAY, 60 or 1. */
uint32_t profile_unit(const MapQuestion *question);

/* From the pieces of one edge or of a service's requests. @of_server: durations are the server's.
 * @sums is scratch. */
const MapProfile *profile_take(const Evidence *evidence, bool of_server, AnswerSums *sums);
