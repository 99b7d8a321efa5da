// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"

static void str_parse_takes_whole_numbers_only(void **state)
{
    uint64_t unsigned_value = 7;
    int64_t signed_value = 7;
    double number = 7;

    assert_int_equal(str_parse_u64(STR("18446744073709551615"), &unsigned_value), 0);
    assert_true(unsigned_value == UINT64_MAX);
    assert_int_equal(str_parse_u64(STR("18446744073709551616"), &unsigned_value), 1);
    assert_int_equal(str_parse_u64(STR(""), &unsigned_value), 1);
    assert_int_equal(str_parse_u64(STR("1 "), &unsigned_value), 1);
    assert_true(unsigned_value == UINT64_MAX); /* outputs change only on success */
    assert_int_equal(str_parse_i64(STR("-9223372036854775808"), &signed_value), 0);
    assert_true(signed_value == INT64_MIN);
    assert_int_equal(str_parse_i64(STR("9223372036854775808"), &signed_value), 1);
    assert_int_equal(str_parse_double(STR("-2.5e3"), &number), 0);
    assert_true(number == -2500.0);
    assert_int_equal(str_parse_double(STR("nan"), &number), 1);
    assert_int_equal(str_parse_double(STR("1x"), &number), 1);
}

static void str_searches_and_slices_within_bounds(void **state)
{
    Str head, tail;

    assert_int_equal(str_find(STR("select from"), STR("from")), 7);
    assert_int_equal(str_find(STR("select"), STR("from")), 6);
    assert_int_equal(str_find_byte(STR("abc"), 'c', 9), 3);
    assert_true(str_equal(str_slice(STR("abc"), 1, 99), STR("bc")));
    assert_true(str_equal(str_trim(STR(" \t x y \n")), STR("x y")));
    assert_true(str_split(STR("a=b=c"), '=', &head, &tail));
    assert_true(str_equal(head, STR("a")) && str_equal(tail, STR("b=c")));
    assert_false(str_split(STR("abc"), '=', &head, &tail));
    assert_true(str_equal(head, STR("abc")) && tail.len == 0);
    assert_true(str_compare(STR("ab"), STR("abc")) < 0);
    assert_true(str_equal_nocase(STR("AbC"), STR("aBc")));
}

static void hex_reads_back_what_was_written(void **state)
{
    CLEANUP(buf_deinit) Buf text = {0};
    uint8_t bytes[4];

    buf_append_hex(&text, (const uint8_t[]){0x00, 0x9f, 0xa0, 0xff}, 4);
    assert_true(str_equal(buf_str(&text), STR("009fa0ff")));
    assert_int_equal(str_parse_hex(STR("009FA0fF"), bytes, 4), 0);
    assert_memory_equal(bytes, ((uint8_t[]){0x00, 0x9f, 0xa0, 0xff}), 4);
    assert_int_equal(str_parse_hex(STR("009fa0f"), bytes, 4), 1);
    assert_int_equal(str_parse_hex(STR("009fa0fg"), bytes, 4), 1);
}

static void buf_keeps_content_while_growing(void **state)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    for (uint32_t i = 0; i < 10000; i++) {
        buf_append_u32le(&buf, i);
    }
    assert_int_equal(buf.len, 40000);
    buf_drop_front(&buf, 4 * 9999);
    assert_memory_equal(buf.ptr, ((uint8_t[]){0x0f, 0x27, 0, 0}), 4);
    buf_clear(&buf);
    buf_append_format(&buf, "%d-%s", 42, "x");
    buf_append_i64(&buf, INT64_MIN);
    assert_string_equal(buf_cstr(&buf), "42-x-9223372036854775808");
}

static void arena_pieces_are_aligned_and_stay(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Str first = arena_copy(&arena, STR("first"));

    for (size_t size = 0; size < 3000; size += 7) {
        uint8_t *piece = arena_zero(&arena, size);

        assert_int_equal((uintptr_t)piece % 16, 0);
        memset(piece, 0xab, size);
    }
    arena_alloc(&arena, 5 << 20);
    assert_true(str_equal(first, STR("first")));
    arena_reset(&arena);
    assert_true(str_equal(arena_format(&arena, "%03d", 7), STR("007")));
}

static void symbols_number_strings_in_order_of_arrival(void **state)
{
    CLEANUP(symbols_deinit) Symbols symbols = {0};
    char text[16];

    assert_int_equal(symbols_find(&symbols, STR("0")), SYMBOL_NONE);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            snprintf(text, sizeof(text), "%u", i);
            assert_int_equal(symbols_intern(&symbols, str_from_cstr(text)), i);
        }
    }
    assert_int_equal(symbols_count(&symbols), 5000);
    assert_true(str_equal(symbols_get(&symbols, 4999), STR("4999")));
    assert_int_equal(symbols_intern(&symbols, STR("")), 5000);
    assert_int_equal(symbols_find(&symbols, STR("")), 5000);
    assert_int_equal(symbols_find(&symbols, STR("none")), SYMBOL_NONE);
}

static void table_finds_what_was_put_and_not_what_was_removed(void **state)
{
    typedef struct Record {
        uint64_t key;
        uint64_t value;
    } Record;
    CLEANUP(table_deinit) Table table;
    bool is_new;

    table_init(&table, sizeof(Record), sizeof(uint64_t));
    for (uint64_t key = 0; key < 4000; key++) {
        Record *record = table_put(&table, &key, &is_new);
        assert_true(is_new);
        record->value = key * 3;
    }
    for (uint64_t key = 0; key < 4000; key += 2) {
        table_remove(&table, table_find(&table, &key));
    }
    for (uint64_t key = 0; key < 4000; key++) {
        Record *record = table_find(&table, &key);
        if (key % 2 == 0) {
            assert_null(record);
        } else {
            assert_int_equal(record->value, key * 3);
        }
    }
    assert_int_equal(table.n_records, 2000);
    table_clear(&table);
    assert_null(table_find(&table, &(uint64_t){1}));
}

/* docs/adr/0013: the process ends rather than go on without. */
static void out_of_memory_ends_the_process(void **state)
{
    int status = 0;
    pid_t child;

    (void)state;
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        volatile size_t size = SIZE_MAX / 4; /* more than there can be */

        (void)freopen("/dev/null", "w", stderr);
        void *memory = mem_alloc(size);
        _exit(memory == NULL ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_parse_takes_whole_numbers_only),
        cmocka_unit_test(str_searches_and_slices_within_bounds),
        cmocka_unit_test(hex_reads_back_what_was_written),
        cmocka_unit_test(buf_keeps_content_while_growing),
        cmocka_unit_test(arena_pieces_are_aligned_and_stay),
        cmocka_unit_test(symbols_number_strings_in_order_of_arrival),
        cmocka_unit_test(table_finds_what_was_put_and_not_what_was_removed),
        cmocka_unit_test(out_of_memory_ends_the_process),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
