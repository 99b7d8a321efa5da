// SPDX-License-Identifier: Apache-2.0
#include "store/parquet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A small generator of our own, so that a failing seed can be repeated everywhere. */
static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    uint64_t x = *state ^ *state >> 29;
    return x * 0xbf58476d1ce4e5b9U >> 16;
}

enum { N_KINDS = 14 };

static const ParquetColumn kinds[N_KINDS] = {
    {STR("bool"), PARQUET_BOOL, true, PARQUET_AUTO, 0},
    {STR("int32"), PARQUET_INT32, false, PARQUET_AUTO, 0},
    {STR("int32 delta"), PARQUET_INT32, true, PARQUET_DELTA, 0},
    {STR("int64"), PARQUET_INT64, true, PARQUET_AUTO, 0},
    {STR("int64 delta"), PARQUET_INT64, false, PARQUET_DELTA, 0},
    {STR("double"), PARQUET_DOUBLE, true, PARQUET_AUTO, 0},
    {STR("few"), PARQUET_STRING, true, PARQUET_AUTO, 0},
    {STR("many"), PARQUET_STRING, false, PARQUET_AUTO, 0},
    {STR("bytes"), PARQUET_BYTES, true, PARQUET_PLAIN, 0},
    {STR("fixed"), PARQUET_FIXED, false, PARQUET_PLAIN_BARE, 16},
    {STR("json"), PARQUET_JSON, true, PARQUET_AUTO, 0},
    {STR("map"), PARQUET_MAP, false, PARQUET_AUTO, 0},
    {STR("lengths"), PARQUET_BYTES, true, PARQUET_LENGTHS, 0},
    {STR("lengths bare"), PARQUET_BYTES, false, PARQUET_LENGTHS_BARE, 0},
};

/* The value of a row is a function of the row, so the test needs no second copy of the data. */
static uint64_t value_at(size_t column, size_t row)
{
    uint64_t state = (uint64_t)column << 32 | row;

    next_random(&state);
    return next_random(&state);
}

static bool is_null_at(size_t column, size_t row)
{
    if (!kinds[column].optional) {
        return false;
    }
    /* Whole stretches of nulls and of none, and mixed ones. */
    size_t stretch = row / 9000 % 3;
    return stretch == 0 ? value_at(column + 100, row) % 3 == 0 : stretch == 1;
}

static int64_t int_at(size_t column, size_t row)
{
    uint64_t value = value_at(column, row);

    switch (column) {
    case 0:
        return (int64_t)(value & 1);
    case 1:
        return (int64_t)(value % 50) - 25;
    case 2:
        return (int32_t)value;
    case 3:
        return value % 100 == 0 ? INT64_MIN : (int64_t)value;
    default:
        return (int64_t)(1700000000000000000U + row * 1000 + value % 5000);
    }
}

static Str text_at(size_t column, size_t row, Arena *arena)
{
    uint64_t value = value_at(column, row);
    Str text = arena_format(arena, "%llu-%llu", (unsigned long long)(value % 7),
                            (unsigned long long)value);

    switch (column) {
    case 6:
    case 10:
        return str_slice(text, 0, 1);
    case 8:
        return str_slice(text, 0, (size_t)(value % 12));
    case 9:
        return arena_format(arena, "%016llx", (unsigned long long)value);
    default:
        return text;
    }
}

static size_t entries_at(size_t row)
{
    uint64_t value = value_at(11, row);

    return value % 4 == 0 ? (size_t)(value >> 8) % 5 : 0;
}

static void put_row(ParquetWriter *writer, size_t column, size_t row, Arena *arena)
{
    ParquetType type = kinds[column].type;

    if (is_null_at(column, row)) {
        return;
    }
    if (type == PARQUET_BOOL) {
        parquet_put_bool(writer, column, row, int_at(column, row) != 0);
    } else if (type == PARQUET_INT32 || type == PARQUET_INT64) {
        parquet_put_int(writer, column, row, int_at(column, row));
    } else if (type == PARQUET_DOUBLE) {
        parquet_put_double(writer, column, row, (double)value_at(column, row) / 7);
    } else if (type == PARQUET_MAP) {
        for (size_t i = 0; i < entries_at(row); i++) {
            parquet_put_entry(writer, column, row, arena_format(arena, "key%zu", i),
                              text_at(7, row + i, arena));
        }
    } else {
        parquet_put_str(writer, column, row, text_at(column, row, arena));
    }
}

static void write_rows(ParquetWriter *writer, size_t n_rows, Buf *file)
{
    Arena arena = {0};

    for (size_t row = 0; row < n_rows; row++) {
        for (size_t column = 0; column < N_KINDS; column++) {
            put_row(writer, column, row, &arena);
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    parquet_set_metadata(writer, STR("who"), STR("test"));
    parquet_add_section(writer, STR("private"), STR("our own bytes"));
    parquet_writer_finish(writer, n_rows, file);
}

static ParquetWriter *new_writer(void)
{
    ParquetWriter *writer = parquet_writer_new();

    for (size_t column = 0; column < N_KINDS; column++) {
        assert_int_equal(parquet_writer_add(writer, &kinds[column]), column);
    }
    return writer;
}

static void check_map(const ParquetVector *vector, size_t row, size_t at, Arena *arena)
{
    size_t first = vector->offsets[at];

    assert_int_equal(vector->offsets[at + 1] - first, entries_at(row));
    for (size_t i = 0; i < entries_at(row); i++) {
        assert_true(
            str_equal(parquet_str(vector->keys, first + i), arena_format(arena, "key%zu", i)));
        assert_true(str_equal(parquet_str(vector->values, first + i), text_at(7, row + i, arena)));
    }
}

static void check_value(const ParquetVector *vector, size_t column, size_t row, size_t at,
                        Arena *arena)
{
    if (vector->type == PARQUET_MAP) {
        check_map(vector, row, at, arena);
        return;
    }
    assert_int_equal(parquet_is_null(vector, at), is_null_at(column, row));
    if (is_null_at(column, row)) {
        return;
    }
    if (vector->type == PARQUET_BOOL) {
        assert_int_equal(vector->bools[at], int_at(column, row));
    } else if (vector->type == PARQUET_INT32 || vector->type == PARQUET_INT64) {
        assert_true(vector->ints[at] == int_at(column, row));
    } else if (vector->type == PARQUET_DOUBLE) {
        assert_true(vector->doubles[at] == (double)value_at(column, row) / 7);
    } else {
        assert_true(str_equal(parquet_str(vector, at), text_at(column, row, arena)));
    }
}

static void check_rows(ParquetFile *file, size_t from, size_t to)
{
    Arena arena = {0};
    ParseError error = {0};

    for (size_t column = 0; column < N_KINDS; column++) {
        ParquetVector vector;
        int r = parquet_read(file, column, from, to, &arena, &vector, &error);

        if (r != 0) {
            fail_msg("column %zu at %zu: %s", column, error.offset, error.text);
        }
        assert_int_equal(vector.n_rows, to - from);
        for (size_t row = from; row < to; row++) {
            Arena texts = {0};
            check_value(&vector, column, row, row - from, &texts);
            arena_deinit(&texts);
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

static ParquetFile *open_bytes(Str bytes)
{
    ParquetFile *file = NULL;
    ParseError error = {0};

    if (parquet_open(&(ParquetSource){.bytes = bytes}, &file, &error) != 0) {
        fail_msg("at %zu: %s", error.offset, error.text);
    }
    return file;
}

static void every_type_comes_back_whole_and_in_slices(void **state)
{
    Buf content = {0};
    ParquetWriter *writer = new_writer();
    size_t n = 30011;

    write_rows(writer, n, &content);
    const char *path = getenv("WEFT_TEST_PARQUET"); /* to look at the file with other tools */
    if (path != NULL) {
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        fwrite(content.ptr, 1, content.len, out);
        fclose(out);
    }
    ParquetFile *file = open_bytes(buf_str(&content));
    assert_int_equal(parquet_n_rows(file), n);
    assert_int_equal(parquet_find(file, STR("few")), 6);
    assert_int_equal(parquet_column(file, 9)->size, 16);
    check_rows(file, 0, n);
    check_rows(file, 0, 0);
    check_rows(file, 8190, 8195);
    check_rows(file, 29000, n);
    check_rows(file, 12345, 12346);
    parquet_close(file);
    parquet_writer_free(writer);
    buf_deinit(&content);
}

static void a_writer_can_be_used_again_behind_other_bytes(void **state)
{
    Buf content = {0};
    ParquetWriter *writer = new_writer();

    write_rows(writer, 100, &content);
    size_t first = content.len;
    write_rows(writer, 7, &content);
    ParquetFile *file = open_bytes(str_slice(buf_str(&content), first, content.len));
    assert_int_equal(parquet_n_rows(file), 7);
    check_rows(file, 0, 7);
    parquet_close(file);
    parquet_writer_free(writer);
    buf_deinit(&content);
}

static void a_file_without_rows_is_a_file(void **state)
{
    Buf content = {0};
    ParquetWriter *writer = new_writer();

    write_rows(writer, 0, &content);
    ParquetFile *file = open_bytes(buf_str(&content));
    assert_int_equal(parquet_n_rows(file), 0);
    check_rows(file, 0, 0);
    parquet_close(file);
    parquet_writer_free(writer);
    buf_deinit(&content);
}

static void metadata_and_sections_are_found_by_name(void **state)
{
    Buf content = {0}, section = {0};
    ParquetWriter *writer = new_writer();
    ParseError error;
    Str value;

    write_rows(writer, 10, &content);
    ParquetFile *file = open_bytes(buf_str(&content));
    assert_true(parquet_metadata(file, STR("who"), &value));
    assert_true(str_equal(value, STR("test")));
    assert_false(parquet_metadata(file, STR("whom"), &value));
    assert_int_equal(parquet_read_section(file, STR("private"), &section, &error), 0);
    assert_true(str_equal(buf_str(&section), STR("our own bytes")));
    assert_int_equal(parquet_read_section(file, STR("other"), &section, &error), 1);
    parquet_close(file);
    parquet_writer_free(writer);
    buf_deinit(&content);
    buf_deinit(&section);
}

/* Reads everything there is; damage must be reported, and nothing else may happen. */
static int read_all(Str bytes)
{
    ParquetFile *file = NULL;
    ParseError error = {0};
    Buf section = {0};
    int result = parquet_open(&(ParquetSource){.bytes = bytes, .page_max = 1 << 22}, &file, &error);

    if (result != 0) {
        return result;
    }
    result = parquet_read_section(file, STR("private"), &section, &error);
    for (size_t column = 0; column < parquet_n_columns(file); column++) {
        Arena arena = {0};
        ParquetVector vector;

        result |= parquet_read(file, column, 0, parquet_n_rows(file), &arena, &vector, &error);
        arena_deinit(&arena);
    }
    buf_deinit(&section);
    parquet_close(file);
    return result;
}

static void every_flipped_byte_is_noticed(void **state)
{
    Buf content = {0};
    ParquetWriter *writer = new_writer();
    size_t unnoticed = 0;

    write_rows(writer, 60, &content);
    assert_int_equal(read_all(buf_str(&content)), 0);
    for (size_t i = 4; i < content.len; i++) {
        content.ptr[i] ^= 0x55;
        unnoticed += read_all(buf_str(&content)) == 0;
        content.ptr[i] ^= 0x55;
    }
    /* What may go unnoticed: column indexes, which only others read, and unused header bits. */
    print_message("%zu of %zu flips unnoticed\n", unnoticed, content.len);
    assert_true(unnoticed < content.len / 8);
    parquet_writer_free(writer);
    buf_deinit(&content);
}

static void every_truncation_is_noticed(void **state)
{
    Buf content = {0};
    ParquetWriter *writer = new_writer();

    write_rows(writer, 60, &content);
    for (size_t len = 0; len < content.len; len++) {
        assert_int_equal(read_all(str_slice(buf_str(&content), 0, len)), 1);
    }
    parquet_writer_free(writer);
    buf_deinit(&content);
}

static int fail_reading(void *context, uint64_t offset, void *bytes, size_t len)
{
    return -EIO;
}

static void an_error_of_the_disk_is_passed_on(void **state)
{
    ParquetFile *file = NULL;
    ParseError error;

    assert_int_equal(
        parquet_open(&(ParquetSource){.read_at = fail_reading, .size = 1000}, &file, &error), -EIO);
}

/* A file that DuckDB wrote: 300 rows of id, s, d, m, b (nullable all, MAP nullable, zstd). */
static void a_file_of_another_writer_is_read(void **state)
{
    const char *root = getenv("WEFT_SOURCE_ROOT");
    Arena arena = {0};
    Buf content = {0};
    uint8_t bytes[8192];
    ParquetVector ids, texts, numbers, map;
    ParseError error = {0};
    char path[1024];

    snprintf(path, sizeof(path), "%s/tests/corpus/store_parquet/duckdb-zstd",
             root == NULL ? "." : root);
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        print_message("SKIPPED: %s is not there (set WEFT_SOURCE_ROOT)\n", path);
        skip();
    }
    buf_append(&content, bytes, fread(bytes, 1, sizeof(bytes), in));
    fclose(in);
    ParquetFile *file = open_bytes(buf_str(&content));
    assert_int_equal(parquet_n_rows(file), 300);
    assert_int_equal(
        parquet_read(file, parquet_find(file, STR("id")), 0, 300, &arena, &ids, &error), 0);
    assert_int_equal(
        parquet_read(file, parquet_find(file, STR("s")), 0, 300, &arena, &texts, &error), 0);
    assert_int_equal(
        parquet_read(file, parquet_find(file, STR("d")), 0, 300, &arena, &numbers, &error), 0);
    assert_int_equal(parquet_read(file, parquet_find(file, STR("m")), 0, 300, &arena, &map, &error),
                     0);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(ids.ints[i], i);
        assert_true(str_equal(parquet_str(&texts, i), arena_format(&arena, "x%zu", i % 7)));
        assert_int_equal(parquet_is_null(&numbers, i), i % 3 == 0);
        assert_true(i % 3 == 0 || numbers.doubles[i] == (double)i * 1.5);
        assert_int_equal(map.offsets[i + 1], i + 1);
        assert_true(str_equal(parquet_str(map.values, i), arena_format(&arena, "v%zu", i)));
    }
    parquet_close(file);
    buf_deinit(&content);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_whole_and_in_slices),
        cmocka_unit_test(a_writer_can_be_used_again_behind_other_bytes),
        cmocka_unit_test(a_file_without_rows_is_a_file),
        cmocka_unit_test(metadata_and_sections_are_found_by_name),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(an_error_of_the_disk_is_passed_on),
        cmocka_unit_test(a_file_of_another_writer_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
