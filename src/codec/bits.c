// SPDX-License-Identifier: Apache-2.0
#include "codec/bits.h"

#include "base/assert.h"
#include "base/memory.h"
#include "codec/bytes.h"

/* Runs shorter than a group of eight are cheaper packed. */
enum { GROUP = 8, RUN_MIN = 8 };

/* Writes @width bits of @value at bit @at of the zeroed @bytes, which have 16 spare bytes. */
static inline void put_bits(uint8_t *bytes, size_t at, uint64_t value, unsigned width)
{
    unsigned shift = (unsigned)(at & 7);
    uint8_t *place = bytes + at / 8;

    store_u64le(place, load_u64le(place) | value << shift);
    if (shift + width > 64) {
        place[8] = (uint8_t)(place[8] | value >> (64 - shift));
    }
}

static inline uint64_t width_mask(unsigned width)
{
    return width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
}

/* Room for the packed bytes and the spare ones that put_bits() touches, zeroed. */
static uint8_t *reserve_packed(Buf *buf, size_t size)
{
    buf_reserve(buf, size + 16);
    mem_fill(buf->ptr + buf->len, 0, size + 16);
    uint8_t *start = buf->ptr + buf->len;
    buf->len += size;
    return start;
}

void bits_pack(Buf *buf, const uint64_t *values, size_t count, unsigned width)
{
    ASSERT(width <= 64);
    uint8_t *bytes = reserve_packed(buf, bits_size(count, width));
    uint64_t mask = width_mask(width);

    for (size_t i = 0; i < count && width > 0; i++) {
        put_bits(bytes, i * width, values[i] & mask, width);
    }
}

void bits_pack32(Buf *buf, const uint32_t *values, size_t count, unsigned width)
{
    ASSERT(width <= 32);
    uint8_t *bytes = reserve_packed(buf, bits_size(count, width));
    uint64_t mask = width_mask(width);

    for (size_t i = 0; i < count && width > 0; i++) {
        put_bits(bytes, i * width, values[i] & mask, width);
    }
}

/* How many of the first @count numbers can be loaded as whole 64-bit words and the byte behind. */
static size_t count_loadable(Str packed, unsigned width, size_t count)
{
    size_t bits = packed.len >= 9 ? (packed.len - 9) * 8 : 0;

    return packed.len >= 9 ? MIN(count, bits / width + 1) : 0;
}

/* The last bytes, from that of bit @at on, with spare ones behind them. */
typedef struct Tail {
    uint8_t bytes[32];
    size_t at; /* its bit in these */
} Tail;

static Tail copy_tail(Str packed, size_t at)
{
    Tail tail = {.at = at & 7};
    size_t from = at / 8;

    ASSERT(packed.len - from + 9 <= sizeof(tail.bytes));
    mem_copy(tail.bytes, packed.ptr + from, packed.len - from);
    return tail;
}

static void unpack(const uint8_t *bytes, size_t at, unsigned width, uint64_t *values, size_t count)
{
    uint64_t mask = width_mask(width);

    for (size_t i = 0; i < count; i++, at += width) {
        unsigned shift = (unsigned)(at & 7);
        uint64_t value = load_u64le(bytes + at / 8) >> shift;

        if (shift + width > 64) {
            value |= (uint64_t)bytes[at / 8 + 8] << (64 - shift);
        }
        values[i] = value & mask;
    }
}

static void unpack32(const uint8_t *bytes, size_t at, unsigned width, uint32_t *values,
                     size_t count)
{
    uint64_t mask = width_mask(width);

    for (size_t i = 0; i < count; i++, at += width) {
        values[i] = (uint32_t)(load_u64le(bytes + at / 8) >> (at & 7) & mask);
    }
}

void bits_unpack(Str packed, unsigned width, uint64_t *ret_values, size_t count)
{
    ASSERT(width <= 64 && packed.len >= bits_size(count, width));
    if (width == 0) {
        mem_fill(ret_values, 0, count * sizeof(*ret_values));
        return;
    }
    size_t fast = count_loadable(packed, width, count);

    unpack((const uint8_t *)packed.ptr, 0, width, ret_values, fast);
    if (fast < count) {
        Tail tail = copy_tail(packed, fast * width);

        unpack(tail.bytes, tail.at, width, ret_values + fast, count - fast);
    }
}

void bits_unpack32(Str packed, unsigned width, uint32_t *ret_values, size_t count)
{
    ASSERT(width <= 32 && packed.len >= bits_size(count, width));
    if (width == 0) {
        mem_fill(ret_values, 0, count * sizeof(*ret_values));
        return;
    }
    size_t fast = count_loadable(packed, width, count);

    unpack32((const uint8_t *)packed.ptr, 0, width, ret_values, fast);
    if (fast < count) {
        Tail tail = copy_tail(packed, fast * width);

        unpack32(tail.bytes, tail.at, width, ret_values + fast, count - fast);
    }
}

static size_t run_length(const uint32_t *values, size_t count)
{
    size_t n = 1;

    while (n < count && values[n] == values[0]) {
        n++;
    }
    return n;
}

static void append_packed(Buf *buf, const uint32_t *values, size_t count, unsigned width)
{
    size_t groups = (count + GROUP - 1) / GROUP;
    size_t size = groups * width;

    if (count == 0) {
        return;
    }
    varint_append(buf, (uint64_t)groups << 1 | 1);
    size_t start = buf->len;
    bits_pack32(buf, values, count, width);
    size_t written = buf->len - start;
    mem_fill(buf_grow(buf, size - written), 0, size - written);
}

static void append_run(Buf *buf, uint32_t value, size_t count, unsigned width)
{
    varint_append(buf, (uint64_t)count << 1);
    for (unsigned bits = 0; bits < width; bits += 8) {
        buf_append_byte(buf, (uint8_t)(value >> bits));
    }
}

void rle_append(Buf *buf, const uint32_t *values, size_t count, unsigned width)
{
    size_t packed = 0; /* values[packed … at) wait to be packed */
    size_t at = 0;

    ASSERT(width <= 32);
    while (at < count) {
        size_t run = run_length(values + at, count - at);
        /* Only the last packed group may be incomplete: fill the group from the run first. */
        size_t fill = (GROUP - (at - packed) % GROUP) % GROUP;

        if (run >= RUN_MIN + fill) {
            append_packed(buf, values + packed, at + fill - packed, width);
            append_run(buf, values[at], run - fill, width);
            packed = at + run;
        }
        at += run;
    }
    append_packed(buf, values + packed, count - packed, width);
}

/* The value of a run, which takes whole bytes. */
static int take_run_value(Str *in, unsigned width, uint32_t *ret_value)
{
    size_t size = (width + 7) / 8;
    uint32_t value = 0;
    Str bytes;

    TRY(bytes_take(in, size, &bytes));
    for (size_t i = 0; i < size; i++) {
        value |= (uint32_t)(uint8_t)bytes.ptr[i] << (8 * i);
    }
    *ret_value = value;
    return width < 32 && value >> width != 0;
}

static int take_run(Str *in, unsigned width, uint32_t *values, size_t run)
{
    uint32_t value;

    TRY(take_run_value(in, width, &value));
    for (size_t i = 0; i < run; i++) {
        values[i] = value;
    }
    return 0;
}

bool rle_is_run(Str in, unsigned width, uint32_t value, size_t count)
{
    uint64_t header;
    uint32_t found;

    return varint_take(&in, &header) == 0 && (header & 1) == 0 && header >> 1 >= count &&
           take_run_value(&in, width, &found) == 0 && found == value;
}

static int take_runs(Str *in, unsigned width, uint32_t *ret_values, size_t count, bool is_all)
{
    size_t done = 0;

    while (done < count) {
        uint64_t header;
        size_t wanted = count - done;

        TRY(varint_take(in, &header));
        uint64_t n = header >> 1;
        if (n == 0 || n > UINT32_MAX) {
            return 1;
        }
        if ((header & 1) == 0) {
            if (n > wanted && is_all) {
                return 1;
            }
            TRY(take_run(in, width, ret_values + done, MIN((size_t)n, wanted)));
            done += MIN((size_t)n, wanted);
            continue;
        }
        /* Some writers cut the padding of the last group, so only what is wanted must be there. */
        size_t take = MIN((size_t)n * GROUP, wanted);
        Str packed;
        TRY(bytes_take(in, MIN(n * width, (uint64_t)in->len), &packed));
        if (packed.len < bits_size(take, width)) {
            return 1;
        }
        bits_unpack32(packed, width, ret_values + done, take);
        done += take;
    }
    return 0;
}

int rle_take(Str *in, unsigned width, uint32_t *ret_values, size_t count)
{
    ASSERT(width <= 32);
    return take_runs(in, width, ret_values, count, true);
}

int rle_take_first(Str *in, unsigned width, uint32_t *ret_values, size_t count)
{
    ASSERT(width <= 32);
    return take_runs(in, width, ret_values, count, false);
}
