// SPDX-License-Identifier: Apache-2.0
#include "codec/scan.h"

/*
 * Each scan first makes a byte 0 or 1 per row in a block that stays in the first-level cache, which
 * compilers vectorise by themselves for whatever the processor has (target_clones chooses when the
 * program starts; elsewhere the plain loop is compiled), then packs eight bytes to eight bits by
 * one multiplication. Packing inside the first loop keeps it scalar, at a third of the speed.
 */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) &&                                                              \
    !defined(__SANITIZE_THREAD__) /* not there yet when it chooses */
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

enum { STEP = 512 }; /* rows per block; a multiple of 64 */

/* Bytes 0 or 1 to bits: byte i of @eight becomes bit i. */
static inline uint64_t pack_eight(const uint8_t *bytes)
{
    uint64_t eight;

    mem_copy(&eight, bytes, sizeof(eight));
    return eight * UINT64_C(0x0102040810204080) >> 56;
}

/* @yes has room for @n rounded up to 64, zeroed behind @n. */
static void pack(const uint8_t *yes, size_t n, uint64_t *bitmap)
{
    for (size_t row = 0; row < n; row += 64) {
        uint64_t bits = 0;

        for (size_t i = 0; i < 64; i += 8) {
            bits |= pack_eight(yes + row + i) << i;
        }
        bitmap[row / 64] |= bits;
    }
}

static void clear_rest(uint8_t *yes, size_t n)
{
    mem_fill(yes + n, 0, (n + 63) / 64 * 64 - n);
}

WIDE static void equal_codes(const uint32_t *codes, size_t n, uint32_t code, uint8_t *yes)
{
    for (size_t i = 0; i < n; i++) {
        yes[i] = codes[i] == code;
    }
}

WIDE static void inside(const int64_t *numbers, size_t n, const ScanRange *range, uint8_t *yes)
{
    int64_t lowest = range->lowest, highest = range->highest;
    uint8_t flip = range->outside;

    for (size_t i = 0; i < n; i++) {
        yes[i] = (uint8_t)((numbers[i] >= lowest) & (numbers[i] <= highest)) ^ flip;
    }
}

WIDE static void clamp(const int64_t *numbers, size_t n, int64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = numbers[i] < 0 ? INT64_MAX : numbers[i];
    }
}

WIDE static void not_zero(const uint8_t *bytes, size_t n, uint8_t *yes)
{
    for (size_t i = 0; i < n; i++) {
        yes[i] = bytes[i] != 0;
    }
}

void scan_code(const uint32_t *codes, size_t n, uint32_t code, uint64_t *bitmap)
{
    uint8_t yes[STEP];

    for (size_t at = 0; at < n; at += STEP) {
        size_t part = MIN(n - at, (size_t)STEP);

        equal_codes(codes + at, part, code, yes);
        clear_rest(yes, part);
        pack(yes, part, bitmap + at / 64);
    }
}

void scan_answers(const uint32_t *codes, size_t n, const uint8_t *answers, uint64_t *bitmap)
{
    uint8_t yes[STEP];

    for (size_t at = 0; at < n; at += STEP) {
        size_t part = MIN(n - at, (size_t)STEP);

        for (size_t i = 0; i < part; i++) {
            yes[i] = answers[codes[at + i]];
        }
        clear_rest(yes, part);
        pack(yes, part, bitmap + at / 64);
    }
}

void scan_range(const int64_t *numbers, size_t n, ScanRange range, uint64_t *bitmap)
{
    int64_t clamped[STEP];
    uint8_t yes[STEP];

    for (size_t at = 0; at < n; at += STEP) {
        size_t part = MIN(n - at, (size_t)STEP);
        const int64_t *from = numbers + at;

        if (range.clamp) {
            clamp(from, part, clamped);
            from = clamped;
        }
        inside(from, part, &range, yes);
        clear_rest(yes, part);
        pack(yes, part, bitmap + at / 64);
    }
}

void scan_bytes(const uint8_t *bytes, size_t n, uint64_t *bitmap)
{
    uint8_t yes[STEP];

    for (size_t at = 0; at < n; at += STEP) {
        size_t part = MIN(n - at, (size_t)STEP);

        not_zero(bytes + at, part, yes);
        clear_rest(yes, part);
        pack(yes, part, bitmap + at / 64);
    }
}
