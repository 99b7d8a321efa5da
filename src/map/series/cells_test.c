// SPDX-License-Identifier: Apache-2.0
#include "map/series/cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % n;
}

static void add_random(Cells *cells, uint32_t minute)
{
    CLEANUP(cell_value_deinit) CellValue value = {.count = 1 + random_below(200)};

    value.errors = random_below(2);
    value.adjusted = random_below(3) == 0 ? 12345 : (Adjusted)value.count * ADJUSTED_ONE;
    for (uint32_t i = 0; i < random_below(6); i++) {
        sketch_add(&value.duration, random_below(1000000000), 1 + (int32_t)random_below(300));
        sketch_add(&value.server_duration, random_below(5000), 1);
    }
    (void)cells_add(cells, minute, &value);
}

/* 60 minutes from 600 on, and some before and after. */
static void fill(Cells *cells, uint32_t part)
{
    for (uint32_t minute = 540; minute < 720; minute++) {
        bool inside = minute >= 600 && minute < 660;

        if (random_below(3) > 0 && (part == 2 || inside == (part == 1))) {
            add_random(cells, minute);
        }
    }
}

static void assert_same(const Cells *a, const Cells *b)
{
    CLEANUP(buf_deinit) Buf left = {0}, right = {0};

    cells_pack(a, 0, UINT32_MAX, &left);
    cells_pack(b, 0, UINT32_MAX, &right);
    assert_true(left.len > 0 && str_equal(buf_str(&left), buf_str(&right)));
}

/* Where there is nothing (the bytes go in as they are) and where there is something. */
static void packed_minutes_add_up_wherever_they_go(void **state)
{
    for (int round = 0; round < 200; round++) {
        CLEANUP(cells_deinit) Cells hour = {0}, around = {0}, expected = {0};
        CLEANUP(buf_deinit) Buf packed = {0};

        fill(&hour, 1);
        fill(&around, round % 2 == 0 ? 0 : 2);
        cells_pack(&hour, 600, 660, &packed);
        for (uint32_t minute = 540; minute < 720; minute++) {
            CLEANUP(cell_value_deinit) CellValue sum = {0};

            cells_total(&hour, minute, minute + 1, &sum);
            cells_total(&around, minute, minute + 1, &sum);
            (void)cells_add(&expected, minute, &sum);
        }
        assert_int_equal(cells_unpack(&around, 600, 660, buf_str(&packed)), 0);
        assert_same(&around, &expected);
        add_random(&around, 719); /* the last one's place is known */
        cells_remove_range(&around, 600, 719);
        assert_int_equal(cells_last_minute(&around), 719);
    }
}

/* A bit more or less: refused as a whole, or cells that can be read. */
static void damaged_minutes_are_refused_or_can_be_read(void **state)
{
    CLEANUP(cells_deinit) Cells hour = {0};
    CLEANUP(buf_deinit) Buf packed = {0};
    size_t refused = 0;

    fill(&hour, 1);
    cells_pack(&hour, 600, 660, &packed);
    for (size_t at = 0; at < packed.len * 8; at++) {
        CLEANUP(cells_deinit) Cells cells = {0};
        CLEANUP(cell_value_deinit) CellValue sum = {0};

        packed.ptr[at / 8] ^= (uint8_t)(1 << at % 8);
        int result = cells_unpack(&cells, 600, 660, buf_str(&packed));
        assert_in_range(result, 0, 1);
        assert_true(result == 0 || cells.n_cells == 0);
        refused += (size_t)result;
        cells_total(&cells, 0, UINT32_MAX, &sum);
        packed.ptr[at / 8] ^= (uint8_t)(1 << at % 8);
    }
    assert_true(refused > packed.len);
    for (size_t len = 1; len < packed.len; len++) {
        CLEANUP(cells_deinit) Cells cells = {0};
        uint32_t minute = 600;
        Str rest = str_slice(buf_str(&packed), 0, len);
        int result = 0;

        while (rest.len > 0 && result == 0) {
            result = cells_skip(&rest, &minute);
        }
        assert_int_equal(cells_unpack(&cells, 600, 660, str_slice(buf_str(&packed), 0, len)),
                         result);
    }
}

/* Minutes twice, and sums of nothing, are no reason to keep a cell twice or an empty one. */
static void a_minute_twice_adds_up_and_nothing_disappears(void **state)
{
    const Str twice = STR("\x05\x02\x02\x06\x00\x02\x02\x02\x01\x02\x02\x00");
    CLEANUP(cells_deinit) Cells cells = {0};
    CLEANUP(cell_value_deinit) CellValue sum = {0};

    assert_int_equal(cells_unpack(&cells, 600, 660, twice), 0);
    assert_int_equal(cells.n_cells, 1);
    cells_total(&cells, 605, 606, &sum);
    assert_int_equal(sum.count, 4);
    assert_true(sum.adjusted == 4 * ADJUSTED_ONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_minutes_add_up_wherever_they_go),
        cmocka_unit_test(damaged_minutes_are_refused_or_can_be_read),
        cmocka_unit_test(a_minute_twice_adds_up_and_nothing_disappears),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
