// SPDX-License-Identifier: Apache-2.0

/*
 * What merging blocks takes, while the store goes on:
 *
 *     compact_bench [easy|hard] [SPANS] [DIRECTORY] [SPANS OF A BLOCK]
 *
 * Spans are appended, unless the directory has blocks already (of the same spans, from a run before
 * that was copied), two hours pass, blocks are merged as fast as it goes. Memory is that of the
 * process beyond what it had when merging began.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "bench/corpus.h"
#include "store/store.h"
#include "wire/otlp.h"

enum { BATCH_TRACES = 100, BATCH_SPANS = BATCH_TRACES * CORPUS_TRACE_SPANS, LOOKS = 1000 };

static const uint64_t base_ns = 1700000000000000000U;

static double read_seconds(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* MB; VmRSS or VmHWM. */
static double read_memory(const char *what)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kilobytes = 0;

    ASSERT(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, what, strlen(what)) == 0) {
            kilobytes = strtod(line + strlen(what) + 1, NULL);
        }
    }
    fclose(file);
    return kilobytes / 1e3;
}

static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");

    ASSERT(file != NULL && fputs("5", file) >= 0);
    fclose(file);
}

static void note_result(void *context, int result)
{
    ASSERT(result == 0);
    atomic_fetch_add((_Atomic size_t *)context, 1);
}

/* The clock goes on by a millisecond a batch: a head that is full of bytes is cut by the clock. */
static Span *make_batch(CorpusKind kind, size_t i, Arena *arena)
{
    return corpus_make(kind, i * BATCH_TRACES, BATCH_TRACES, base_ns + i * 10000000U, arena);
}

static void append_all(Store *store, CorpusKind kind, size_t n_batches, uint64_t *now_ns)
{
    _Atomic size_t n_told = 0;

    for (size_t i = 0; i < n_batches; i++) {
        StoreBatch *batch = store_batch_new();
        Arena arena = {0};
        ParseError error;

        otlp_write_protobuf(make_batch(kind, i, &arena), BATCH_SPANS, &batch->body);
        arena_deinit(&arena);
        ASSERT(otlp_read_protobuf(buf_str(&batch->body), &batch->arena, &batch->spans, &error) ==
               0);
        while (store_append(store, batch, note_result, &n_told) == STORE_BUSY) {
            usleep(200);
            __atomic_fetch_add(now_ns, 200000, __ATOMIC_RELAXED);
        }
        __atomic_fetch_add(now_ns, 1000000, __ATOMIC_RELAXED);
        while (i % 64 == 0 && atomic_load(&n_told) + 1 < i) {
            usleep(100);
        }
    }
    store_wait_applied(store);
}

/* Returns the trace at the beginning of each batch. */
static TraceId *list_traces(CorpusKind kind, size_t n_batches)
{
    TraceId *traces = NEW_ARRAY(TraceId, n_batches + 1);
    Arena arena = {0};

    for (size_t i = 0; i < n_batches; i++, arena_reset(&arena)) {
        traces[i] = make_batch(kind, i, &arena)[0].trace_id;
    }
    arena_deinit(&arena);
    return traces;
}

static void look(Store *store, const TraceId *traces, size_t n, const char *when)
{
    double before = read_seconds(CLOCK_PROCESS_CPUTIME_ID);

    for (size_t i = 0; i < LOOKS; i++) {
        Arena arena = {0};
        Span *spans;
        size_t n_spans;

        ASSERT(store_read_trace(store, traces[i * 7919 % n], STORE_ALL, &arena, &spans, &n_spans) ==
               0);
        ASSERT(n_spans == CORPUS_TRACE_SPANS);
        arena_deinit(&arena);
    }
    printf("by id     %6.3f ms of CPU %s\n",
           (read_seconds(CLOCK_PROCESS_CPUTIME_ID) - before) / LOOKS * 1e3, when);
}

static void print_blocks(Store *store, double n_spans)
{
    StoreStatus status;

    store_status(store, &status);
    printf("          %lu blocks, %.2f B/span, %lu spans merged\n", status.n_blocks,
           (double)status.block_bytes / n_spans, status.compacted_spans);
}

static void compact_all(Store *store, double n_spans)
{
    StoreStatus status;

    mem_trim();
    forget_peak();
    double memory = read_memory("VmRSS"), cpu = read_seconds(CLOCK_PROCESS_CPUTIME_ID);
    double wall = read_seconds(CLOCK_MONOTONIC);
    store_compact(store);
    cpu = read_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = read_seconds(CLOCK_MONOTONIC) - wall;
    store_status(store, &status);
    printf("merge     %6.2f CPU-s per million merged, %.1f s, peak %.1f MB beyond %.1f MB\n",
           cpu / (double)status.compacted_spans * 1e6, wall, read_memory("VmHWM") - memory, memory);
    print_blocks(store, n_spans);
}

static Store *open_store(FileSystem *fs, const Clock *clock, uint64_t block_spans)
{
    const StoreOptions options = {.fs = fs,
                                  .decode = otlp_read_protobuf,
                                  .clock = clock,
                                  .compaction_rows = block_spans,
                                  .retention_age_s = UINT64_MAX};
    const char *why = "";
    Store *store;

    if (store_open(&options, &store, &why) != 0) {
        fprintf(stderr, "compact_bench: %s\n", why);
        exit(1);
    }
    return store;
}

int main(int argc, char **argv)
{
    CorpusKind kind = argc > 1 && strcmp(argv[1], "hard") == 0 ? CORPUS_HARD : CORPUS_EASY;
    size_t n_batches = (argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000) / BATCH_SPANS;
    char temporary[] = "compact-bench-XXXXXX";
    const char *directory = argc > 3 ? argv[3] : mkdtemp(temporary);
    uint64_t block_spans = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
    uint64_t now_ns = base_ns;
    const Clock clock = clock_manual(&now_ns);
    double n_spans = (double)(n_batches * BATCH_SPANS);
    TraceId *traces = list_traces(kind, n_batches);
    FileSystem *fs;
    StoreStatus status;

    log_set_level(LOG_ERROR);
    ASSERT(directory != NULL && n_batches > 0 && fs_open_directory(directory, &fs) == 0);
    Store *store = open_store(fs, &clock, block_spans);
    store_status(store, &status);
    if (status.n_blocks == 0) {
        append_all(store, kind, n_batches, &now_ns);
    }
    store_close(store); /* which writes the head out */
    fs->ops->free(fs);
    ASSERT(fs_open_directory(directory, &fs) == 0);
    store = open_store(fs, &clock, block_spans);
    print_blocks(store, n_spans);
    look(store, traces, n_batches, "before");
    now_ns += 7200 * 1000000000ULL;
    compact_all(store, n_spans);
    look(store, traces, n_batches, "after");
    store_close(store);
    fs->ops->free(fs);
    mem_free(traces);
    if (argc <= 3) {
        CLEANUP(buf_deinit) Buf command = {0};
        buf_append_format(&command, "rm -rf '%s'", directory);
        return system(buf_cstr(&command));
    }
    return 0;
}
