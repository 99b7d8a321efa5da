// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/scan.h"

/* Every scan against the loop that says what it means, at lengths around its steps. */
enum { ROWS_MAX = 1100, WORDS = (ROWS_MAX + 63) / 64 };

static const size_t lengths[] = {0, 1, 7, 8, 63, 64, 65, 511, 512, 513, 1024, 1099};

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* @bitmap began as 0 but for one bit behind the rows, which must stay. */
static void check(const uint64_t *bitmap, const uint8_t *expected, size_t n)
{
    for (size_t row = 0; row < (size_t)WORDS * 64; row++) {
        bool bit = (bitmap[row / 64] >> (row % 64) & 1) != 0;

        assert_int_equal(bit, row < n ? expected[row] : row == (size_t)WORDS * 64 - 1);
    }
}

static uint64_t *fresh(uint64_t *bitmap)
{
    mem_fill(bitmap, 0, WORDS * sizeof(*bitmap));
    bitmap[WORDS - 1] = (uint64_t)1 << 63;
    return bitmap;
}

static void codes_are_found(void **state)
{
    uint64_t random = 1, bitmap[WORDS];
    uint32_t codes[ROWS_MAX];
    uint8_t answers[7] = {0, 1, 0, 0, 1, 1, 0}, expected[ROWS_MAX];

    for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
        for (size_t i = 0; i < ROWS_MAX; i++) {
            codes[i] = (uint32_t)(next(&random) % 7);
            expected[i] = codes[i] == 3;
        }
        scan_code(codes, lengths[l], 3, fresh(bitmap));
        check(bitmap, expected, lengths[l]);
        for (size_t i = 0; i < ROWS_MAX; i++) {
            expected[i] = answers[codes[i]];
        }
        scan_answers(codes, lengths[l], answers, fresh(bitmap));
        check(bitmap, expected, lengths[l]);
    }
}

static void ranges_are_found(void **state)
{
    static const int64_t edges[] = {INT64_MIN, -1, 0, 5, 1000, INT64_MAX - 1, INT64_MAX};
    uint64_t random = 2, bitmap[WORDS];
    int64_t numbers[ROWS_MAX];
    uint8_t expected[ROWS_MAX];

    for (unsigned variant = 0; variant < 4 * ARRAY_LEN(edges) * ARRAY_LEN(edges); variant++) {
        ScanRange range = {edges[variant / 4 % ARRAY_LEN(edges)],
                           edges[variant / 4 / ARRAY_LEN(edges)], variant % 2 != 0,
                           variant / 2 % 2 != 0};
        size_t n = lengths[next(&random) % ARRAY_LEN(lengths)];

        for (size_t i = 0; i < ROWS_MAX; i++) {
            uint64_t r = next(&random);
            numbers[i] = r % 3 == 0 ? edges[r % ARRAY_LEN(edges)] : (int64_t)(r % 2000) - 1000;
            int64_t seen = range.clamp && numbers[i] < 0 ? INT64_MAX : numbers[i];
            expected[i] = (seen >= range.lowest && seen <= range.highest) != range.outside;
        }
        scan_range(numbers, n, range, fresh(bitmap));
        check(bitmap, expected, n);
    }
}

static void bytes_are_found(void **state)
{
    uint64_t random = 3, bitmap[WORDS];
    uint8_t bytes[ROWS_MAX], expected[ROWS_MAX];

    for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
        for (size_t i = 0; i < ROWS_MAX; i++) {
            bytes[i] = next(&random) % 2 == 0 ? 0 : (uint8_t)next(&random);
            expected[i] = bytes[i] != 0;
        }
        scan_bytes(bytes, lengths[l], fresh(bitmap));
        check(bitmap, expected, lengths[l]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_found),
        cmocka_unit_test(ranges_are_found),
        cmocka_unit_test(bytes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
