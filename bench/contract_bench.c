// SPDX-License-Identifier: Apache-2.0

/*
 * What the contract costs per span: reading, trees, relations and deltas of whole traces.
 *
 *     contract_bench [easy|hard] [TRACES] [ROUNDS]
 *
 * The corpus has ten spans a trace; the same spans are also joined to traces of fifty.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "bench/corpus.h"
#include "map/contract.h"

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Every @joined neighbouring traces become one. */
static void join_traces(Span *spans, size_t n_traces, size_t joined)
{
    for (size_t i = 0; i < n_traces * CORPUS_TRACE_SPANS; i++) {
        spans[i].trace_id = spans[i - i % (joined * CORPUS_TRACE_SPANS)].trace_id;
    }
}

static void measure(const char *what, const Span *spans, size_t n_traces, size_t trace_spans,
                    size_t rounds)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t n_deltas = 0;
    double start = seconds_now();

    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < n_traces; i++) {
            const Span *first = &spans[i * trace_spans];
            ContractTrace trace = {.id = first->trace_id, .spans = first, .n_spans = trace_spans};
            Deltas deltas = {.arena = &arena};

            contract_contribution(&trace, NULL, 0, &deltas);
            n_deltas += deltas.count;
            arena_reset(&arena);
        }
    }
    double n_spans = (double)(rounds * n_traces * trace_spans);
    printf("%s: %.0f ns/span, %.2f deltas/span\n", what, (seconds_now() - start) * 1e9 / n_spans,
           (double)n_deltas / n_spans);
}

int main(int argc, char **argv)
{
    enum { JOINED = 5 };
    CLEANUP(arena_deinit) Arena arena = {0};
    bool hard = argc > 1 && argv[1][0] == 'h';
    uint64_t n_traces = 5000;
    uint64_t rounds = 20;

    if ((argc > 2 && str_parse_u64(str_from_cstr(argv[2]), &n_traces) != 0) ||
        (argc > 3 && str_parse_u64(str_from_cstr(argv[3]), &rounds) != 0) || n_traces < JOINED) {
        fprintf(stderr, "contract_bench [easy|hard] [TRACES] [ROUNDS]\n");
        return 2;
    }
    n_traces -= n_traces % JOINED;
    Span *spans =
        corpus_make(hard ? CORPUS_HARD : CORPUS_EASY, 0, n_traces, 1760000040000000000U, &arena);
    for (size_t i = 0; i < n_traces; i++) {
        ASSERT(spans_deduplicate(&spans[i * CORPUS_TRACE_SPANS], CORPUS_TRACE_SPANS) ==
               CORPUS_TRACE_SPANS);
    }
    measure("traces of 10", spans, n_traces, CORPUS_TRACE_SPANS, rounds);
    join_traces(spans, n_traces, JOINED);
    measure("traces of 50", spans, n_traces / JOINED, CORPUS_TRACE_SPANS * JOINED, rounds);
    return 0;
}
