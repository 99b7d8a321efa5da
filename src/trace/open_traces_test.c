// SPDX-License-Identifier: Apache-2.0
#include "trace/open_traces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "trace/links.h"

static TraceId id_of(uint32_t number)
{
    return (TraceId){{1, 0, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

static void test_the_quietest_and_the_oldest_are_known(void **state)
{
    (void)state;
    OpenTraces traces;

    open_traces_init(&traces);
    assert_null(open_traces_quietest(&traces));
    open_traces_touch(&traces, id_of(1), 10);
    open_traces_touch(&traces, id_of(2), 11);
    open_traces_touch(&traces, id_of(3), 12);
    open_traces_touch(&traces, id_of(1), 13);
    assert_true(trace_id_equal(open_traces_quietest(&traces)->id, id_of(2)));
    assert_true(trace_id_equal(open_traces_oldest(&traces)->id, id_of(1)));
    assert_int_equal(open_traces_oldest(&traces)->opened_ns, 10);
    assert_int_equal(open_traces_oldest(&traces)->active_ns, 13);
    open_traces_close(&traces, open_traces_oldest(&traces));
    assert_true(trace_id_equal(open_traces_oldest(&traces)->id, id_of(2)));
    assert_int_equal(open_traces_count(&traces), 2);
    open_traces_deinit(&traces);
}

/* Against a plain array that does the same slowly. */
static void test_orders_survive_any_sequence_of_changes(void **state)
{
    (void)state;
    enum { N = 300, STEPS = 20000 };
    static uint64_t opened[N], active[N];
    OpenTraces traces;
    uint64_t random = 42;
    size_t n_open = 0;

    open_traces_init(&traces);
    for (uint64_t now = 1; now < STEPS; now++) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        uint32_t pick = (uint32_t)(random >> 33) % N;

        if (random >> 62 != 0) {
            n_open += active[pick] == 0;
            opened[pick] = active[pick] == 0 ? now : opened[pick];
            active[pick] = now;
            open_traces_touch(&traces, id_of(pick), now);
        } else if (n_open > 0) {
            bool by_activity = (random >> 40 & 1) != 0;
            const uint64_t *times = by_activity ? active : opened;
            uint32_t first = N;
            for (uint32_t i = 0; i < N; i++) {
                if (active[i] != 0 && (first == N || times[i] < times[first])) {
                    first = i;
                }
            }
            const OpenTrace *trace =
                by_activity ? open_traces_quietest(&traces) : open_traces_oldest(&traces);
            assert_true(trace_id_equal(trace->id, id_of(first)));
            open_traces_close(&traces, trace);
            active[first] = 0;
            n_open--;
        }
        assert_int_equal(open_traces_count(&traces), n_open);
    }
    open_traces_deinit(&traces);
}

typedef struct Seen {
    TraceId sources[64];
    bool curious[64];
    size_t count;
} Seen;

static void see(void *context, TraceId source, bool curious)
{
    Seen *seen = context;

    assert_true(seen->count < 64);
    seen->curious[seen->count] = curious;
    seen->sources[seen->count++] = source;
}

static void test_links_are_found_by_their_target(void **state)
{
    (void)state;
    Links links;
    Seen seen = {0};

    links_init(&links, 0);
    links_add(&links, id_of(1), id_of(2), false);
    links_add(&links, id_of(1), id_of(2), true); /* the same again */
    links_add(&links, id_of(1), id_of(3), false);
    links_add(&links, id_of(4), id_of(3), false);
    assert_int_equal(links_count(&links), 3);
    links_visit(&links, id_of(1), see, &seen);
    assert_int_equal(seen.count, 2);
    assert_true(trace_id_equal(seen.sources[0], id_of(3)) && !seen.curious[0]);
    assert_true(trace_id_equal(seen.sources[1], id_of(2)) && seen.curious[1]);
    assert_true(links_has(&links, id_of(4)));
    assert_false(links_has(&links, id_of(3)));
    links_note_there(&links, id_of(3)); /* of which nobody says anything */
    assert_false(links_was_there(&links, id_of(3)));
    assert_false(links_was_there(&links, id_of(4)));
    links_note_there(&links, id_of(4));
    assert_true(links_was_there(&links, id_of(4)));
    links_deinit(&links);
}

static void test_the_oldest_links_are_forgotten_at_the_limit(void **state)
{
    (void)state;
    enum { MAX = 128 };
    Links links;
    Seen seen = {0};

    links_init(&links, MAX);
    for (uint32_t i = 0; i < 1000; i++) {
        links_add(&links, id_of(i), id_of(5000), false);
        links_add(&links, id_of(9999), id_of(i), false);
    }
    assert_int_equal(links_count(&links), MAX);
    assert_int_equal(links.forgotten, 2000 - MAX);
    assert_int_equal(links.targets.n_records, MAX / 2 + 1);
    assert_false(links_has(&links, id_of(935)));
    assert_true(links_has(&links, id_of(936)));
    links_visit(&links, id_of(9999), see, &seen);
    assert_int_equal(seen.count, MAX / 2);
    assert_true(trace_id_equal(seen.sources[63], id_of(936)));
    links_deinit(&links);
}

static void test_links_are_taken_back(void **state)
{
    (void)state;
    enum { MAX = 128 };
    Links links;
    Seen seen = {0};

    links_init(&links, MAX);
    links_add(&links, id_of(1), id_of(2), false);
    uint64_t next = links.next;
    links_add(&links, id_of(1), id_of(3), false);
    links_add(&links, id_of(4), id_of(3), false);
    links_note_there(&links, id_of(4));
    links_rewind(&links, next);
    assert_int_equal(links_count(&links), 1);
    assert_false(links_has(&links, id_of(4)) || links_was_there(&links, id_of(4)));
    links_visit(&links, id_of(1), see, &seen);
    assert_int_equal(seen.count, 1);
    assert_true(trace_id_equal(seen.sources[0], id_of(2)));
    for (uint32_t i = 0; i < 3 * MAX; i++) {
        links_add(&links, id_of(i), id_of(5000), false);
    }
    links_rewind(&links, next); /* which is forgotten by now */
    assert_int_equal(links_count(&links), 0);
    assert_int_equal(links.targets.n_records, 0);
    links_deinit(&links);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_quietest_and_the_oldest_are_known),
        cmocka_unit_test(test_orders_survive_any_sequence_of_changes),
        cmocka_unit_test(test_links_are_found_by_their_target),
        cmocka_unit_test(test_the_oldest_links_are_forgotten_at_the_limit),
        cmocka_unit_test(test_links_are_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
