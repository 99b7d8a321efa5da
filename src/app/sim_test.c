// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "app/sim.h"
#include "base/map.h"

#define START_S UINT64_C(1760000000)

static void the_same_second_gives_the_same_spans(void **state)
{
    const SimOptions options = {.seed = 7, .rate = 500};

    for (uint64_t second = START_S; second < START_S + 20; second++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        CLEANUP(buf_deinit) Buf first = {0};
        CLEANUP(buf_deinit) Buf again = {0};
        Span *spans;
        size_t n;

        sim_second(&options, second, &arena, &spans, &n);
        for (size_t i = 0; i < n; i++) {
            span_append_canonical(&spans[i], &first);
        }
        sim_second(&options, second, &arena, &spans, &n);
        for (size_t i = 0; i < n; i++) {
            span_append_canonical(&spans[i], &again);
        }
        assert_true(str_equal(buf_str(&first), buf_str(&again)));
    }
}

static void a_day_has_about_as_many_spans_as_its_rate_says(void **state)
{
    const SimOptions options = {.seed = 1, .rate = 40};
    uint64_t total = 0;

    for (uint64_t second = 0; second < 86400; second += 29) {
        CLEANUP(arena_deinit) Arena arena = {0};
        Span *spans;
        size_t n;

        sim_second(&options, START_S + second, &arena, &spans, &n);
        total += n;
    }
    double rate = (double)total / (86400.0 / 29);
    if (rate < 34 || rate > 46) {
        fail_msg("the rate is %.2f, not 40", rate);
    }
}

/* Every span but a trace's first has its parent in the same trace, and every span lies in time. */
static void traces_are_whole(void **state)
{
    const SimOptions options = {.seed = 3, .rate = 2000};
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(symbols_deinit) Symbols ids = {0};
    Span *spans;
    size_t n;

    sim_second(&options, START_S, &arena, &spans, &n);
    assert_true(n > 500);
    for (size_t i = 0; i < n; i++) {
        assert_true(spans[i].end_ns > spans[i].start_ns);
        symbols_intern(&ids, str_from_bytes(spans[i].span_id.bytes, SPAN_ID_SIZE));
        if (!span_id_is_zero(spans[i].parent_span_id)) {
            assert_true(symbols_find(&ids, str_from_bytes(spans[i].parent_span_id.bytes,
                                                          SPAN_ID_SIZE)) != SYMBOL_NONE);
        }
    }
    assert_int_equal(symbols_count(&ids), n);
}

static uint64_t count_errors(const SimOptions *options)
{
    uint64_t errors = 0;

    for (uint64_t second = 0; second < 120; second++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        Span *spans;
        size_t n;

        sim_second(options, START_S + second, &arena, &spans, &n);
        for (size_t i = 0; i < n; i++) {
            errors += spans[i].status_code == STATUS_ERROR;
        }
    }
    return errors;
}

static void the_incident_is_seen_while_it_lasts(void **state)
{
    const SimOptions calm = {.seed = 5, .rate = 300};
    SimOptions incident = calm;

    incident.incident_from_ns = START_S * 1000000000;
    incident.incident_to_ns = (START_S + 3600) * 1000000000;
    assert_true(count_errors(&incident) > 5 * (count_errors(&calm) + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_second_gives_the_same_spans),
        cmocka_unit_test(a_day_has_about_as_many_spans_as_its_rate_says),
        cmocka_unit_test(traces_are_whole),
        cmocka_unit_test(the_incident_is_seen_while_it_lasts),
    };

    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
