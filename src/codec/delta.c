// SPDX-License-Identifier: Apache-2.0
#include "codec/delta.h"

#include "base/assert.h"
#include "codec/bits.h"
#include "codec/bytes.h"

enum { BLOCK = 128, MINIBLOCKS = 4, MINIBLOCK = BLOCK / MINIBLOCKS };

/* What foreign writers may choose: blocks of up to so many values. */
enum { BLOCK_MAX = 1 << 16, MINIBLOCKS_MAX = 512 };

/* @value as the type of @bits holds it. */
static inline int64_t wrap(uint64_t value, unsigned bits)
{
    return bits == 32 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value;
}

/* One block of 1 to 128 differences. */
static void append_block(Buf *buf, const int64_t *deltas, size_t count, unsigned bits)
{
    int64_t least = deltas[0];
    uint64_t above[BLOCK] = {0};
    uint8_t widths[MINIBLOCKS] = {0};

    for (size_t i = 1; i < count; i++) {
        least = MIN(least, deltas[i]);
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t difference = (uint64_t)deltas[i] - (uint64_t)least;

        above[i] = bits == 32 ? (uint32_t)difference : difference;
        unsigned width = bits_needed(above[i]);

        if (width > widths[i / MINIBLOCK]) {
            widths[i / MINIBLOCK] = (uint8_t)width;
        }
    }
    zigzag_append(buf, least);
    buf_append(buf, widths, sizeof(widths));
    for (size_t i = 0; i * MINIBLOCK < count; i++) {
        bits_pack(buf, above + i * MINIBLOCK, MINIBLOCK, widths[i]);
    }
}

void delta_append(Buf *buf, const int64_t *values, size_t count, unsigned bits)
{
    int64_t deltas[BLOCK];

    ASSERT(bits == 32 || bits == 64);
    varint_append(buf, BLOCK);
    varint_append(buf, MINIBLOCKS);
    varint_append(buf, count);
    zigzag_append(buf, count == 0 ? 0 : values[0]);
    for (size_t at = 1; at < count; at += BLOCK) {
        size_t n = MIN(count - at, (size_t)BLOCK);

        for (size_t i = 0; i < n; i++) {
            deltas[i] = wrap((uint64_t)values[at + i] - (uint64_t)values[at + i - 1], bits);
        }
        append_block(buf, deltas, n, bits);
    }
}

/* Takes one miniblock of @size differences, of which the first @n are wanted. */
static int take_miniblock(Str *in, unsigned width, size_t size, uint64_t *above, size_t n)
{
    Str packed;

    if (width > 64) {
        return 1;
    }
    /* The last miniblock may be cut behind its last value by other writers. */
    TRY(bytes_take(in, MIN(bits_size(size, width), in->len), &packed));
    if (packed.len < bits_size(n, width)) {
        return 1;
    }
    bits_unpack(packed, width, above, n);
    return 0;
}

/* A block's shape, as its sequence's header gives it. */
typedef struct DeltaShape {
    uint64_t miniblocks, miniblock; /* how many, of how many values */
    unsigned bits;
} DeltaShape;

static int take_block(Str *in, const DeltaShape *shape, int64_t *values, size_t count)
{
    int64_t least;
    Str widths;
    uint64_t above[MINIBLOCK];

    TRY(zigzag_take(in, &least));
    TRY(bytes_take(in, shape->miniblocks, &widths));
    for (size_t m = 0, at = 0; at < count; m++) {
        size_t n = MIN((size_t)shape->miniblock, count - at);
        uint8_t width = (uint8_t)widths.ptr[m];
        Str rest = *in;

        TRY(bytes_take(in, MIN(bits_size(shape->miniblock, width), in->len), &rest));
        /* Miniblocks are whole multiples of 32 values, so each part ends at a byte. */
        for (size_t part = 0; part < n; part += MINIBLOCK) {
            size_t k = MIN(n - part, (size_t)MINIBLOCK);

            TRY(take_miniblock(&rest, width, MINIBLOCK, above, k));
            for (size_t i = 0; i < k; i++, at++) {
                uint64_t delta = (uint64_t)least + above[i];
                values[at] = wrap((uint64_t)values[(ptrdiff_t)at - 1] + delta, shape->bits);
            }
        }
    }
    return 0;
}

static int take_shape(Str *in, DeltaShape *ret_shape)
{
    uint64_t block, miniblocks;

    TRY(varint_take(in, &block));
    TRY(varint_take(in, &miniblocks));
    if (block == 0 || block > BLOCK_MAX || miniblocks == 0 || miniblocks > MINIBLOCKS_MAX ||
        block % miniblocks != 0 || block / miniblocks % MINIBLOCK != 0) {
        return 1;
    }
    ret_shape->miniblocks = miniblocks;
    ret_shape->miniblock = block / miniblocks;
    return 0;
}

int delta_take(Str *in, unsigned bits, int64_t *ret_values, size_t count)
{
    return delta_take_first(in, bits, ret_values, count, count);
}

int delta_take_first(Str *in, unsigned bits, int64_t *ret_values, size_t total, size_t count)
{
    DeltaShape shape = {.bits = bits};
    uint64_t found;
    int64_t first;

    ASSERT((bits == 32 || bits == 64) && count <= total);
    TRY(take_shape(in, &shape));
    TRY(varint_take(in, &found));
    TRY(zigzag_take(in, &first));
    if (found != total) {
        return 1;
    }
    if (count == 0) {
        return 0;
    }
    ret_values[0] = wrap((uint64_t)first, bits);
    size_t block = (size_t)(shape.miniblocks * shape.miniblock);
    for (size_t at = 1; at < count; at += block) {
        TRY(take_block(in, &shape, ret_values + at, MIN(count - at, block)));
    }
    return 0;
}
