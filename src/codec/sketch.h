// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * Quantiles of durations with a relative error of at most 1 %: a DDSketch (Masson et al., VLDB
 * 2019) over integer nanoseconds. Values below SKETCH_EXACT have a bucket each; above, buckets grow
 * by a factor of 1.0095/0.9905, so that the rounding to whole nanoseconds still fits into the 1 %.
 * Bounds are integers computed without floating point: the same value falls into the same bucket on
 * every machine. Adding, merging and taking back are exact on the counts, in any order. `{0}` is an
 * empty sketch.
 */
enum {
    SKETCH_EXACT = 1024,
    SKETCH_INDEXES = 3008, /* every bucket index is below */
};

typedef struct SketchBucket {
    int32_t index;
    int32_t count; /* may be negative in a difference that is still to be merged; never 0 */
} SketchBucket;

typedef struct Sketch {
    SketchBucket *buckets; /* sorted by index */
    uint32_t n_buckets, capacity;
} Sketch;

void sketch_deinit(Sketch *sketch);

/* Forgets the content, keeps the memory. */
static inline void sketch_clear(Sketch *sketch)
{
    sketch->n_buckets = 0;
}

/* Adds @count (may be negative: takes back) values of @value_ns. A bucket's count stops at the ends
 * of int32. */
void sketch_add(Sketch *sketch, uint64_t value_ns, int32_t count);

/* Adds @sign times @other. */
void sketch_merge(Sketch *sketch, const Sketch *other, int sign);

/* How many values; 0 when more were taken back than added. */
uint64_t sketch_count(const Sketch *sketch);

/* The value at @quantile (0 to 1) by nearest rank: the smallest that at least that share of all
 * values does not exceed. 0 for an empty sketch. */
uint64_t sketch_quantile(const Sketch *sketch, double quantile);

/* Compact bytes: varint number of buckets; per bucket varint step of the index (first from 0) and
 * zig-zag varint count. parse takes all of @bytes; take only what it needs off the front; skip the
 * same, without making a sketch of it. Return 0; 1 when the bytes are no sketch. */
void sketch_append(const Sketch *sketch, Buf *buf);
MUST_USE int sketch_parse(Str bytes, Sketch *ret_sketch);
MUST_USE int sketch_take(Str *in, Sketch *ret_sketch);
MUST_USE int sketch_skip(Str *in, uint64_t *ret_n_buckets);

/*
 * A sum of many sketches: dense, so that adding one costs a few nanoseconds a bucket. 24 KiB: keep
 * one and clear it between uses (which costs only the range that was touched). `{0}` is not valid:
 * begin with sketch_sum_init().
 */
typedef struct SketchSum {
    uint32_t low, high; /* touched: low <= index < high */
    int64_t counts[SKETCH_INDEXES];
} SketchSum;

void sketch_sum_init(SketchSum *sum);
void sketch_sum_clear(SketchSum *sum);
void sketch_sum_add(SketchSum *sum, const Sketch *sketch);

/* Adds the sketch that sketch_append() wrote at the front of @in and advances past it. Returns 0; 1
 * when it is no sketch: the sum then holds a part of it. */
MUST_USE int sketch_sum_take(SketchSum *sum, Str *in);
uint64_t sketch_sum_count(const SketchSum *sum);
uint64_t sketch_sum_quantile(const SketchSum *sum, double quantile);

/* What a value in the bucket @index is told as; for those who look at a sum's counts. */
uint64_t sketch_bucket_value(uint32_t index);
