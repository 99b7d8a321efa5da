// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace/heavy_traces.h"

static TraceId trace_id(uint32_t number)
{
    return (TraceId){{1, (uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16)}};
}

static void the_larger_a_trace_the_longer_it_waits(void **state)
{
    HeavyTraces traces;
    HeavyTrace trace = {trace_id(1), HEAVY_SPANS * 5, 1000, UINT64_MAX};

    (void)state;
    heavy_traces_init(&traces);
    assert_true(heavy_traces_may_settle(&traces, trace.id, 1000, 10));
    heavy_traces_note(&traces, &trace);
    assert_false(heavy_traces_may_settle(&traces, trace.id, 1049, 10));
    assert_true(heavy_traces_may_settle(&traces, trace.id, 1050, 10));
    assert_true(heavy_traces_may_settle(&traces, trace_id(2), 1000, 10));
    trace.n_spans = HEAVY_SPANS - 1; /* retention took a part */
    heavy_traces_note(&traces, &trace);
    assert_int_equal(traces.table.n_records, 0);
    heavy_traces_deinit(&traces);
}

static void of_a_full_trace_only_early_spans_count(void **state)
{
    HeavyTraces traces;
    const HeavyTrace trace = {trace_id(1), 10, 1000, 77}; /* a small limit */

    (void)state;
    heavy_traces_init(&traces);
    heavy_traces_note(&traces, &trace);
    assert_false(heavy_traces_is_beyond(&traces, trace.id, 77));
    assert_true(heavy_traces_is_beyond(&traces, trace.id, 78));
    assert_false(heavy_traces_is_beyond(&traces, trace_id(2), 78));
    heavy_traces_forget(&traces, trace.id);
    heavy_traces_forget(&traces, trace_id(2));
    assert_false(heavy_traces_is_beyond(&traces, trace.id, 78));
    heavy_traces_deinit(&traces);
}

static void beyond_the_limit_the_one_settled_longest_ago_goes(void **state)
{
    HeavyTraces traces;

    (void)state;
    heavy_traces_init(&traces);
    for (uint32_t i = 0; i <= HEAVY_TRACES_MAX; i++) {
        const HeavyTrace trace = {trace_id(i), HEAVY_SPANS, 5000 - i, 0};

        heavy_traces_note(&traces, &trace);
    }
    assert_int_equal(traces.table.n_records, HEAVY_TRACES_MAX);
    assert_true(heavy_traces_is_beyond(&traces, trace_id(0), 1));
    assert_false(heavy_traces_is_beyond(&traces, trace_id(HEAVY_TRACES_MAX - 1), 1));
    heavy_traces_deinit(&traces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_larger_a_trace_the_longer_it_waits),
        cmocka_unit_test(of_a_full_trace_only_early_spans_count),
        cmocka_unit_test(beyond_the_limit_the_one_settled_longest_ago_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
