// SPDX-License-Identifier: Apache-2.0
#include "codec/delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { N = 700 };

static void check(const int64_t *values, size_t n, unsigned bits)
{
    static int64_t back[N];
    Buf buf = {0};

    delta_append(&buf, values, n, bits);
    Str in = buf_str(&buf);
    assert_int_equal(delta_take(&in, bits, back, n), 0);
    assert_int_equal(in.len, 0);
    assert_memory_equal(values, back, n * sizeof(back[0]));
    for (size_t len = 0; len < buf.len; len++) { /* every cut is an error or reads nothing beyond */
        in = str_slice(buf_str(&buf), 0, len);
        int r = delta_take(&in, bits, back, n);
        assert_true(r == 1 || n > 0);
    }
    buf_deinit(&buf);
}

static void numbers_of_every_size_come_back(void **state)
{
    static int64_t values[N];

    for (unsigned shift = 0; shift < 64; shift += 3) {
        for (size_t i = 0; i < N; i++) {
            values[i] = (int64_t)((i + 1) * 0x9e3779b97f4a7c15U) >> shift;
        }
        for (size_t n = 0; n <= N; n = n * 3 + 1) {
            check(values, n, 64);
        }
    }
}

static void differences_wrap(void **state)
{
    const int64_t wide[] = {INT64_MAX, INT64_MIN, 0, INT64_MIN, INT64_MAX, -1};
    const int64_t narrow[] = {INT32_MAX, INT32_MIN, 0, INT32_MIN, INT32_MAX, -1};

    check(wide, ARRAY_LEN(wide), 64);
    check(narrow, ARRAY_LEN(narrow), 32);
}

static void another_count_than_asked_for_is_refused(void **state)
{
    const int64_t values[] = {1, 2, 3};
    int64_t back[4];
    Buf buf = {0};

    delta_append(&buf, values, 3, 64);
    Str in = buf_str(&buf);
    assert_int_equal(delta_take(&in, 64, back, 4), 1);
    buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_size_come_back),
        cmocka_unit_test(differences_wrap),
        cmocka_unit_test(another_count_than_asked_for_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
