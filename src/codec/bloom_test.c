// SPDX-License-Identifier: Apache-2.0
#include "codec/bloom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/hash.h"

static uint64_t hash_of(uint64_t number)
{
    return hash_stable(str_from_bytes(&number, sizeof(number)));
}

enum { N = 20000 };

/* How many of N others a filter of N hashes in @size bytes claims to have. */
static size_t count_claimed(size_t size)
{
    uint8_t *filter = calloc(1, size);
    size_t claimed = 0;

    for (uint64_t i = 0; i < N; i++) {
        bloom_add(filter, size, hash_of(i));
    }
    for (uint64_t i = 0; i < N; i++) {
        assert_true(bloom_may_have(filter, size, hash_of(i)));
        claimed += bloom_may_have(filter, size, hash_of(N + i));
    }
    free(filter);
    return claimed;
}

static void what_was_added_is_never_denied_and_little_else_is_claimed(void **state)
{
    assert_true(count_claimed(bloom_size(N)) < N / 50);
}

static void with_more_bits_less_is_claimed(void **state)
{
    assert_true(count_claimed(bloom_size(N * 13 / BLOOM_BITS_PER_KEY)) < N / 150);
    assert_true(count_claimed(bloom_size(N * 16 / BLOOM_BITS_PER_KEY)) < N / 500);
}

static void an_empty_filter_has_nothing(void **state)
{
    uint8_t filter[BLOOM_BLOCK] = {0};

    assert_int_equal(bloom_size(0), BLOOM_BLOCK);
    assert_false(bloom_may_have(filter, sizeof(filter), hash_of(1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_never_denied_and_little_else_is_claimed),
        cmocka_unit_test(with_more_bits_less_is_claimed),
        cmocka_unit_test(an_empty_filter_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
