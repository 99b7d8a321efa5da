// SPDX-License-Identifier: Apache-2.0
#include "codec/sketch.h"

#include <math.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/varint.h"

/*
 * Bucket SKETCH_EXACT + k holds lower[k] <= value < lower[k + 1]. The bounds follow from integer
 * arithmetic alone (lower * 10095 / 9905, rounded down), because a value that is taken back must
 * hit the bucket it was added to, also after an upgrade of the C library's log().
 *
 * Finding a bucket: the value's exponent and its next four bits choose a cell, whose first bucket
 * is in a table; at most four buckets begin within a cell, so a few comparisons finish it. A
 * logarithm would cost three times as much and this is paid twice per span.
 */
enum {
    GROWTH_NUMERATOR = 10095,
    GROWTH_DENOMINATOR = 9905,
    EXACT_BITS = 10,
    CELL_BITS = 4,
    CELLS = (64 - EXACT_BITS) << CELL_BITS,
};
STATIC_ASSERT(SKETCH_EXACT == 1 << EXACT_BITS, "the exact range ends at a power of two");

static uint64_t lower[SKETCH_INDEXES - SKETCH_EXACT + 1];
static uint16_t first_of_cell[CELLS];

static size_t cell_of(uint64_t value)
{
    unsigned exponent = 63U - (unsigned)__builtin_clzll(value);
    uint64_t next_bits = (value >> (exponent - CELL_BITS)) & ((1U << CELL_BITS) - 1);

    return ((size_t)(exponent - EXACT_BITS) << CELL_BITS) + next_bits;
}

/* Before main(), so that no caller pays for a check. */
__attribute__((constructor)) static void sketch_tables_fill(void)
{
    size_t n = 0;

    lower[0] = SKETCH_EXACT;
    while (lower[n] != UINT64_MAX) {
        unsigned __int128 next =
            (unsigned __int128)lower[n] * GROWTH_NUMERATOR / GROWTH_DENOMINATOR;

        n++;
        ASSERT(n < ARRAY_LEN(lower));
        lower[n] = next > UINT64_MAX ? UINT64_MAX : (uint64_t)next;
    }
    for (size_t i = n; i < ARRAY_LEN(lower); i++) {
        lower[i] = UINT64_MAX;
    }
    size_t bucket = 0;
    for (size_t cell = 0; cell < CELLS; cell++) {
        unsigned exponent = (unsigned)(cell >> CELL_BITS) + EXACT_BITS;
        uint64_t bits = (1U << CELL_BITS) | (cell & ((1U << CELL_BITS) - 1));
        uint64_t least = bits << (exponent - CELL_BITS);

        while (lower[bucket + 1] <= least) {
            bucket++;
        }
        first_of_cell[cell] = (uint16_t)bucket;
    }
}

static int32_t bucket_of(uint64_t value)
{
    if (value < SKETCH_EXACT) {
        return (int32_t)value;
    }
    size_t bucket = first_of_cell[cell_of(value)];

    while (value >= lower[bucket + 1] && lower[bucket + 1] != UINT64_MAX) {
        bucket++;
    }
    return (int32_t)(SKETCH_EXACT + bucket);
}

/* The value whose relative distance to both ends of the bucket is the same: their harmonic mean. */
static uint64_t bucket_value(size_t index)
{
    if (index < SKETCH_EXACT) {
        return index;
    }
    long double least = (long double)lower[index - SKETCH_EXACT];
    long double most = (long double)(lower[index - SKETCH_EXACT + 1] - 1);

    return (uint64_t)(2 * least * most / (least + most) + 0.5L);
}

void sketch_deinit(Sketch *sketch)
{
    mem_free(sketch->buckets);
    *sketch = (Sketch){0};
}

static int32_t add_clamped(int32_t a, int64_t b)
{
    int64_t sum = (int64_t)a + b;

    return (int32_t)MAX(MIN(sum, (int64_t)INT32_MAX), (int64_t)INT32_MIN);
}

/* Position of the first bucket whose index is not below @index. New values tend to be near the
 * middle of what is there, so a plain binary search is as good as any. */
static uint32_t sketch_position(const Sketch *sketch, int32_t index)
{
    uint32_t from = 0, to = sketch->n_buckets;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (sketch->buckets[middle].index < index) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static void sketch_reserve(Sketch *sketch, uint32_t n_buckets)
{
    if (n_buckets > sketch->capacity) {
        /* Small steps at first: most sketches of a minute hold a few buckets. */
        uint32_t capacity = MAX(n_buckets, sketch->capacity + sketch->capacity / 2 + 2);

        sketch->buckets = mem_resize_array(sketch->buckets, capacity, sizeof(SketchBucket));
        sketch->capacity = capacity;
    }
}

static void sketch_remove(Sketch *sketch, uint32_t at)
{
    sketch->n_buckets--;
    mem_move(sketch->buckets + at, sketch->buckets + at + 1,
             (sketch->n_buckets - at) * sizeof(SketchBucket));
}

static void sketch_insert(Sketch *sketch, uint32_t at, SketchBucket bucket)
{
    sketch_reserve(sketch, sketch->n_buckets + 1);
    mem_move(sketch->buckets + at + 1, sketch->buckets + at,
             (sketch->n_buckets - at) * sizeof(SketchBucket));
    sketch->buckets[at] = bucket;
    sketch->n_buckets++;
}

void sketch_add(Sketch *sketch, uint64_t value_ns, int32_t count)
{
    int32_t index = bucket_of(value_ns);
    uint32_t at = sketch_position(sketch, index);

    if (count == 0) {
        return;
    }
    if (at == sketch->n_buckets || sketch->buckets[at].index != index) {
        sketch_insert(sketch, at, (SketchBucket){.index = index, .count = count});
        return;
    }
    sketch->buckets[at].count = add_clamped(sketch->buckets[at].count, count);
    if (sketch->buckets[at].count == 0) {
        sketch_remove(sketch, at);
    }
}

/* Merges from the greatest index down, so that it works in place. */
void sketch_merge(Sketch *sketch, const Sketch *other, int sign)
{
    if (other->n_buckets == 0) {
        return;
    }
    sketch_reserve(sketch, sketch->n_buckets + other->n_buckets);
    SketchBucket *buckets = sketch->buckets;
    size_t total = (size_t)sketch->n_buckets + other->n_buckets;
    size_t to = total, a = sketch->n_buckets, b = other->n_buckets;

    while (b > 0) {
        SketchBucket theirs = other->buckets[b - 1];

        if (a > 0 && buckets[a - 1].index > theirs.index) {
            buckets[--to] = buckets[--a];
            continue;
        }
        b--;
        int64_t count = (int64_t)theirs.count * sign;
        int32_t sum = add_clamped(0, count);
        if (a > 0 && buckets[a - 1].index == theirs.index) {
            sum = add_clamped(buckets[--a].count, count);
        }
        if (sum != 0) {
            buckets[--to] = (SketchBucket){.index = theirs.index, .count = sum};
        }
    }
    mem_move(buckets + a, buckets + to, (total - to) * sizeof(SketchBucket));
    sketch->n_buckets = (uint32_t)(a + (total - to));
}

uint64_t sketch_count(const Sketch *sketch)
{
    int64_t count = 0;

    for (uint32_t i = 0; i < sketch->n_buckets; i++) {
        count += sketch->buckets[i].count;
    }
    return count > 0 ? (uint64_t)count : 0;
}

/* Nearest rank, 1 … count. The small subtraction keeps 0.9 * 10 from becoming 9.000…1 and then 10.
 */
static int64_t rank_of(uint64_t count, double quantile)
{
    double rank = ceil(quantile * (double)count - 1e-9 * (double)count);

    return rank < 1 ? 1 : rank > (double)count ? (int64_t)count : (int64_t)rank;
}

uint64_t sketch_quantile(const Sketch *sketch, double quantile)
{
    uint64_t count = sketch_count(sketch);
    int64_t left = rank_of(count, quantile);

    for (uint32_t i = 0; count > 0 && i < sketch->n_buckets; i++) {
        left -= sketch->buckets[i].count;
        if (left <= 0) {
            return bucket_value((size_t)sketch->buckets[i].index);
        }
    }
    return 0;
}

void sketch_append(const Sketch *sketch, Buf *buf)
{
    int32_t previous = 0;

    varint_append(buf, sketch->n_buckets);
    for (uint32_t i = 0; i < sketch->n_buckets; i++) {
        SketchBucket bucket = sketch->buckets[i];

        varint_append(buf, (uint64_t)(bucket.index - previous));
        zigzag_append(buf, bucket.count);
        previous = bucket.index;
    }
}

/* Both of a bucket's numbers are a byte each nearly always: that is worth not calling for. */
static inline int bucket_take(Str *in, uint64_t *ret_step, uint64_t *ret_count)
{
    if (in->len >= 2 && (((uint8_t)in->ptr[0] | (uint8_t)in->ptr[1]) & 0x80) == 0) {
        *ret_step = (uint8_t)in->ptr[0];
        *ret_count = (uint8_t)in->ptr[1];
        *in = (Str){in->ptr + 2, in->len - 2};
        return 0;
    }
    TRY(varint_take(in, ret_step));
    return varint_take(in, ret_count);
}

/* Takes packed buckets off @in and shows each to @put; inlined with it. */
typedef void (*PutBucket)(void *context, uint32_t index, int32_t count);

__attribute__((always_inline)) static inline int buckets_take(Str *in, uint64_t n_buckets,
                                                              PutBucket put, void *context)
{
    uint64_t index = 0, step, packed;
    Str rest = *in;

    for (uint64_t i = 0; i < n_buckets; i++) {
        TRY(bucket_take(&rest, &step, &packed));
        if (step >= SKETCH_INDEXES || (step == 0 && i > 0) || index + step >= SKETCH_INDEXES ||
            packed == 0 || packed > UINT32_MAX) {
            return 1;
        }
        index += step;
        put(context, (uint32_t)index, (int32_t)zigzag_decode(packed));
    }
    *in = rest;
    return 0;
}

static int take_n_buckets(Str *in, uint64_t *ret_n)
{
    TRY(varint_take(in, ret_n));
    return *ret_n > SKETCH_INDEXES || *ret_n * 2 > in->len ? 1 : 0;
}

static inline void put_last(void *context, uint32_t index, int32_t count)
{
    Sketch *sketch = context;

    sketch->buckets[sketch->n_buckets++] = (SketchBucket){.index = (int32_t)index, .count = count};
}

int sketch_take(Str *in, Sketch *ret_sketch)
{
    CLEANUP(sketch_deinit) Sketch sketch = {0};
    Str rest = *in;
    uint64_t n_buckets;

    TRY(take_n_buckets(&rest, &n_buckets));
    sketch_reserve(&sketch, (uint32_t)n_buckets);
    TRY(buckets_take(&rest, n_buckets, put_last, &sketch));
    *in = rest;
    *ret_sketch = sketch;
    sketch = (Sketch){0};
    return 0;
}

static inline void put_nowhere(void *context, uint32_t index, int32_t count)
{
}

int sketch_skip(Str *in, uint64_t *ret_n_buckets)
{
    Str rest = *in;
    uint64_t n_buckets;

    TRY(take_n_buckets(&rest, &n_buckets));
    TRY(buckets_take(&rest, n_buckets, put_nowhere, NULL));
    *in = rest;
    *ret_n_buckets = n_buckets;
    return 0;
}

int sketch_parse(Str bytes, Sketch *ret_sketch)
{
    CLEANUP(sketch_deinit) Sketch sketch = {0};

    TRY(sketch_take(&bytes, &sketch));
    if (bytes.len != 0) {
        return 1;
    }
    *ret_sketch = sketch;
    sketch = (Sketch){0};
    return 0;
}

void sketch_sum_init(SketchSum *sum)
{
    mem_fill(sum, 0, sizeof(*sum));
    sum->low = SKETCH_INDEXES;
}

void sketch_sum_clear(SketchSum *sum)
{
    if (sum->low < sum->high) {
        mem_fill(sum->counts + sum->low, 0, (sum->high - sum->low) * sizeof(sum->counts[0]));
    }
    sum->low = SKETCH_INDEXES;
    sum->high = 0;
}

static inline void sketch_sum_put(SketchSum *sum, uint32_t index, int64_t count)
{
    sum->counts[index] += count;
    sum->low = MIN(sum->low, index);
    sum->high = MAX(sum->high, index + 1);
}

void sketch_sum_add(SketchSum *sum, const Sketch *sketch)
{
    for (uint32_t i = 0; i < sketch->n_buckets; i++) {
        sketch_sum_put(sum, (uint32_t)sketch->buckets[i].index, sketch->buckets[i].count);
    }
}

static inline void put_into_sum(void *context, uint32_t index, int32_t count)
{
    sketch_sum_put(context, index, count);
}

int sketch_sum_take(SketchSum *sum, Str *in)
{
    uint64_t n_buckets;

    TRY(varint_take(in, &n_buckets));
    return buckets_take(in, n_buckets, put_into_sum, sum);
}

uint64_t sketch_sum_count(const SketchSum *sum)
{
    int64_t count = 0;

    for (uint32_t i = sum->low; i < sum->high; i++) {
        count += sum->counts[i];
    }
    return count > 0 ? (uint64_t)count : 0;
}

uint64_t sketch_sum_quantile(const SketchSum *sum, double quantile)
{
    uint64_t count = sketch_sum_count(sum);
    int64_t left = rank_of(count, quantile);

    for (uint32_t i = sum->low; count > 0 && i < sum->high; i++) {
        left -= sum->counts[i];
        if (left <= 0) {
            return bucket_value(i);
        }
    }
    return 0;
}

uint64_t sketch_bucket_value(uint32_t index)
{
    ASSERT(index < SKETCH_INDEXES);
    return bucket_value(index);
}
