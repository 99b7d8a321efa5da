// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * Quantiles of durations with a relative error of at most 1 %: a DDSketch (Masson et al., VLDB
 * 2019) over integer nanoseconds, with logarithmic buckets of gamma = 1.01/0.99 and one bucket for
 * zero. Adding, merging and taking back are exact on the counts, in any order. `{0}` is an empty
 * sketch.
 */
typedef struct SketchBucket {
    int32_t index;
    int32_t count; /* may be negative in a difference that is still to be merged */
} SketchBucket;

typedef struct Sketch {
    SketchBucket *buckets; /* sorted by index */
    uint32_t n_buckets, capacity;
} Sketch;

void sketch_deinit(Sketch *sketch);

/* Adds @count (may be negative: takes back) values of @value_ns. */
void sketch_add(Sketch *sketch, uint64_t value_ns, int32_t count);

/* Adds @sign times @other. */
void sketch_merge(Sketch *sketch, const Sketch *other, int sign);

uint64_t sketch_count(const Sketch *sketch);

/* The value at @quantile (0 to 1); 0 for an empty sketch. */
uint64_t sketch_quantile(const Sketch *sketch, double quantile);

/* Compact bytes (zig-zag varint differences) and back. Returns 0; 1 when @bytes is no sketch. */
void sketch_append(const Sketch *sketch, Buf *buf);
MUST_USE int sketch_parse(Str bytes, Sketch *ret_sketch);
