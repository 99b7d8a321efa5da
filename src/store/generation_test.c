// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/generation.h"
#include "store/samples.h"

static void append_sample(Generation *generation, Sample sample, Arena *arena)
{
    Span span;

    sample_span(sample, sample_resource(sample.span % 3, arena), sample_scope(arena), arena, &span);
    generation_append(generation, &span, ROW_OPEN);
}

static void assert_same_content(const Span *a, const Span *b)
{
    CLEANUP(buf_deinit) Buf x = {0};
    CLEANUP(buf_deinit) Buf y = {0};

    span_append_canonical(a, &x);
    span_append_canonical(b, &y);
    assert_true(str_equal(buf_str(&x), buf_str(&y)));
    assert_true(trace_id_equal(a->trace_id, b->trace_id));
}

static void rows_give_back_every_field(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Generation *generation = generation_new(1);

    for (uint32_t i = 0; i < 2000; i++) {
        row_dictionary_forget(&generation->dictionary);
        append_sample(generation, (Sample){i / 10, i % 10, i % 3}, &arena);
    }
    for (uint32_t i = 0; i < 2000; i++) {
        Span expected, span;

        sample_span((Sample){i / 10, i % 10, i % 3}, sample_resource(i % 10 % 3, &arena),
                    sample_scope(&arena), &arena, &expected);
        generation_read(generation, generation_row(generation, i), &arena, &span);
        assert_same_content(&expected, &span);
    }
    generation_unref(generation);
}

/* Every type of value, nested, with extreme numbers. */
static void rows_keep_strange_values(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Generation *generation = generation_new(1);
    const Value items[] = {value_int(INT64_MIN),
                           value_int(INT64_MAX),
                           {.type = VALUE_EMPTY},
                           {.type = VALUE_BYTES, .string = STR("\0\xff")},
                           {.type = VALUE_BOOL, .boolean = true}};
    const Attribute entries[] = {
        {STR(""), {.type = VALUE_ARRAY, .count = 5, .items = items}},
        {STR("d"), {.type = VALUE_DOUBLE, .number = -0.0}},
    };
    const Attribute attributes[] = {
        {STR("map"), {.type = VALUE_MAP, .count = 2, .entries = entries}},
        {STR("map"), value_string(STR(""))},
        {STR(""), {.type = VALUE_ARRAY, .count = 0}},
    };
    const Resource resource = {.attributes = {attributes, 3}, .dropped_attributes = UINT32_MAX};
    const Scope scope = {.schema_url = STR("u"), .attributes = {attributes, 2}};
    Span span = {.start_ns = UINT64_MAX,
                 .end_ns = 0,
                 .flags = UINT32_MAX,
                 .trace_state = STR("a=b"),
                 .kind = SPAN_KIND_CONSUMER,
                 .attributes = {attributes, 3},
                 .dropped_events = 1,
                 .dropped_links = UINT32_MAX,
                 .resource = &resource,
                 .scope = &scope};
    Span read;

    span.trace_id.bytes[0] = 1;
    generation_append(generation, &span, ROW_OPEN);
    generation_read(generation, generation_row(generation, 0), &arena, &read);
    assert_same_content(&span, &read);
    assert_true(read.end_ns == 0 && read.start_ns == UINT64_MAX);
    generation_unref(generation);
}

static void equal_strings_are_equal_pointers(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Generation *generation = generation_new(1);
    Span a, b;

    append_sample(generation, (Sample){1, 0, 0}, &arena);
    append_sample(generation, (Sample){2, 0, 0}, &arena);
    generation_read(generation, generation_row(generation, 0), &arena, &a);
    generation_read(generation, generation_row(generation, 1), &arena, &b);
    assert_ptr_equal(a.name.ptr, b.name.ptr);
    assert_ptr_equal(a.resource, b.resource);
    assert_ptr_equal(a.attributes.items[0].key.ptr, b.attributes.items[0].key.ptr);
    assert_ptr_equal(a.attributes.items[0].value.string.ptr,
                     b.attributes.items[0].value.string.ptr);
    generation_unref(generation);
}

static void settling_marks_the_rows_there_are_and_no_later_ones(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Generation *generation = generation_new(1);
    const RowView settled = {.committed = 1, .settled_only = true};

    append_sample(generation, (Sample){1, 0, 0}, &arena);
    append_sample(generation, (Sample){2, 0, 0}, &arena);
    append_sample(generation, (Sample){1, 1, 0}, &arena);
    assert_int_equal(generation_settle(generation, sample_trace_id(1)), 2);
    assert_int_equal(generation_settle(generation, sample_trace_id(3)), 0);
    append_sample(generation, (Sample){1, 2, 0}, &arena);
    assert_true(row_is_visible(generation_row(generation, 0), &settled));
    assert_false(row_is_visible(generation_row(generation, 1), &settled));
    assert_true(row_is_visible(generation_row(generation, 2), &settled));
    assert_false(row_is_visible(generation_row(generation, 3), &settled));
    assert_int_equal(generation_settle(generation, sample_trace_id(1)), 1);
    assert_int_equal(generation->n_open, 1);
    generation_unref(generation);
}

static void a_cut_hides_rows_only_once_it_is_committed(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Generation *generation = generation_new(1);
    const RowView before = {.committed = 1}, after = {.committed = 2};

    generation_begin(generation, 7);
    append_sample(generation, (Sample){1, 0, 0}, &arena);
    generation_begin(generation, 8);
    append_sample(generation, (Sample){2, 0, 0}, &arena);
    assert_int_equal(generation_low_sequence(generation), 7);
    generation_settle(generation, sample_trace_id(1));
    assert_int_equal(generation_cut(generation, 2), 1);
    assert_int_equal(generation_low_sequence(generation), 8);
    assert_true(row_is_visible(generation_row(generation, 0), &before));
    assert_false(row_is_visible(generation_row(generation, 0), &after));
    assert_true(row_is_visible(generation_row(generation, 1), &after));
    assert_int_equal(generation_rows_behind(generation, 1), 2);
    assert_int_equal(generation_rows_behind(generation, 2), 1);
    generation_unref(generation);
}

static void moved_rows_keep_their_log_frame(void **state)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Generation *from = generation_new(1), *to = generation_new(2);
    const RowView before = {.committed = 1}, after = {.committed = 1, .moves = ROW_FIRST_MOVE + 1};
    Span span;

    for (uint32_t i = 0; i < 5; i++) {
        generation_begin(from, 10 + i);
        append_sample(from, (Sample){i, 0, 0}, &arena);
        if (i != 3) {
            generation_settle(from, sample_trace_id(i));
        }
    }
    generation_begin(to, 50);
    append_sample(to, (Sample){9, 0, 0}, &arena);
    uint32_t at = 0;
    while (generation_move_open(from, ROW_FIRST_MOVE + 1, to, &at, 1)) {
        assert_int_equal(to->n_rows, 1);
    }
    assert_int_equal(to->n_rows, 2);
    generation_begin(to, 51);
    append_sample(to, (Sample){10, 0, 0}, &arena);
    assert_int_equal(generation_low_sequence(to), 13);
    assert_int_equal(generation_sequence(to, 0), 50);
    assert_int_equal(generation_sequence(to, 1), 13);
    assert_int_equal(generation_sequence(to, 2), 51);
    generation_read(to, generation_row(to, 1), &arena, &span);
    assert_true(trace_id_equal(span.trace_id, sample_trace_id(3)));
    assert_true(row_is_visible(generation_row(from, 3), &before));
    assert_false(row_is_visible(generation_row(from, 3), &after));
    generation_unref(from);
    generation_unref(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_give_back_every_field),
        cmocka_unit_test(rows_keep_strange_values),
        cmocka_unit_test(equal_strings_are_equal_pointers),
        cmocka_unit_test(settling_marks_the_rows_there_are_and_no_later_ones),
        cmocka_unit_test(a_cut_hides_rows_only_once_it_is_committed),
        cmocka_unit_test(moved_rows_keep_their_log_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
