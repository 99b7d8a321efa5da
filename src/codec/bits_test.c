// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "codec/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 1003 };

static uint64_t mixed(size_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15U ^ (i * 0xbf58476d1ce4e5b9U >> 7);
}

static void every_width_is_packed_and_unpacked(void **state)
{
    static uint64_t values[N], back[N];

    for (unsigned width = 0; width <= 64; width++) {
        Buf buf = {0};

        for (size_t i = 0; i < N; i++) {
            values[i] = width == 0 ? 0 : mixed(i) >> (64 - width);
        }
        bits_pack(&buf, values, N, width);
        assert_int_equal(buf.len, bits_size(N, width));
        /* A copy of exactly that size, so that the sanitizer sees a read beyond it. */
        char *exact = malloc(buf.len == 0 ? 1 : buf.len);
        mem_copy(exact, buf.ptr, buf.len);
        bits_unpack(str_from_bytes(exact, buf.len), width, back, N);
        assert_memory_equal(values, back, sizeof(values));
        free(exact);
        buf_deinit(&buf);
    }
}

/* The last numbers lie where no whole word can be loaded. */
static void few_numbers_are_unpacked_too(void **state)
{
    enum { FEW = 40 };
    uint64_t values[FEW], back[FEW];
    uint32_t back32[FEW];

    for (unsigned width = 1; width <= 64; width++) {
        for (size_t n = 0; n <= FEW; n++) {
            CLEANUP(buf_deinit) Buf buf = {0};

            for (size_t i = 0; i < n; i++) {
                values[i] = mixed(i) >> (64 - width);
            }
            bits_pack(&buf, values, n, width);
            char *exact = malloc(buf.len + 1);
            mem_copy(exact + 1, buf.ptr, buf.len);
            bits_unpack(str_from_bytes(exact + 1, buf.len), width, back, n);
            assert_memory_equal(values, back, n * sizeof(back[0]));
            if (width <= 32) {
                bits_unpack32(str_from_bytes(exact + 1, buf.len), width, back32, n);
            }
            for (size_t i = 0; i < n && width <= 32; i++) {
                assert_int_equal(back32[i], values[i]);
            }
            free(exact);
        }
    }
}

/* Runs and noise of many lengths. */
static uint32_t rle_value(size_t i, unsigned width)
{
    uint64_t value = i / 50 % 3 == 0 ? mixed(i / 50) : mixed(i);

    return width == 0 ? 0 : (uint32_t)(value >> (64 - width));
}

static void runs_and_groups_come_back(void **state)
{
    static uint32_t values[N], back[N];

    for (unsigned width = 0; width <= 32; width++) {
        for (size_t n = 0; n < N; n = n * 2 + 1) {
            Buf buf = {0};
            Str in;

            for (size_t i = 0; i < n; i++) {
                values[i] = rle_value(i, width);
            }
            rle_append(&buf, values, n, width);
            in = buf_str(&buf);
            assert_int_equal(rle_take(&in, width, back, n), 0);
            assert_int_equal(in.len, 0);
            assert_memory_equal(values, back, n * sizeof(back[0]));
            buf_deinit(&buf);
        }
    }
}

static void a_long_run_is_short(void **state)
{
    static const uint32_t zeros[N];
    Buf buf = {0};

    rle_append(&buf, zeros, N, 20);
    assert_true(buf.len <= 6);
    buf_deinit(&buf);
}

static void cut_and_overlong_runs_are_refused(void **state)
{
    uint32_t values[16];
    Str cut = STR("\x03\x55"), overlong = STR("\xfe\xff\xff\xff\x0f\x01"), none = STR("\x00");

    assert_int_equal(rle_take(&cut, 12, values, 8), 1);
    assert_int_equal(rle_take(&overlong, 1, values, 16), 1);
    assert_int_equal(rle_take(&none, 1, values, 1), 1);
}

static void the_first_values_are_those_of_all(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    uint32_t values[500], all[500], first[500];

    for (uint32_t i = 0; i < 500; i++) { /* runs and packed groups */
        values[i] = i % 100 < 60 ? 5 : i % 7;
    }
    rle_append(&buf, values, 500, 3);
    for (size_t n = 0; n <= 500; n++) {
        Str in = buf_str(&buf);

        assert_int_equal(rle_take_first(&in, 3, first, n), 0);
        assert_memory_equal(first, values, n * sizeof(values[0]));
    }
    Str in = buf_str(&buf);
    assert_int_equal(rle_take(&in, 3, all, 500), 0);
    assert_memory_equal(all, values, sizeof(values));
    assert_true(rle_is_run(buf_str(&buf), 3, 5, 60));
    assert_false(rle_is_run(buf_str(&buf), 3, 4, 60));
    assert_false(rle_is_run(buf_str(&buf), 3, 5, 500));
    assert_false(rle_is_run(STR(""), 3, 5, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_values_are_those_of_all),
        cmocka_unit_test(every_width_is_packed_and_unpacked),
        cmocka_unit_test(few_numbers_are_unpacked_too),
        cmocka_unit_test(runs_and_groups_come_back),
        cmocka_unit_test(a_long_run_is_short),
        cmocka_unit_test(cut_and_overlong_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
