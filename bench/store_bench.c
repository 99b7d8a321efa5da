// SPDX-License-Identifier: Apache-2.0

/*
 * How fast the store takes spans, what they cost and how fast it starts again:
 *
 *     store_bench [easy|hard] [SPANS] [DIRECTORY]
 *
 * Batches of 1,000 spans are made beforehand, so that only the store is measured. Without DIRECTORY
 * a temporary one below the current directory is used and removed.
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
#include "store/generation.h"
#include "store/store.h"
#include "wire/otlp.h"

enum { BATCH_TRACES = 100, BATCH_SPANS = BATCH_TRACES * CORPUS_TRACE_SPANS };

static const uint64_t base_ns = 1700000000000000000U;

static double read_seconds(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static StoreBatch *make_batch(CorpusKind kind, size_t number)
{
    StoreBatch *batch = store_batch_new();
    Arena arena = {0};
    ParseError error;
    Span *spans = corpus_make(kind, number * BATCH_TRACES, BATCH_TRACES,
                              base_ns + number * 10000000U, &arena);

    otlp_write_protobuf(spans, BATCH_SPANS, &batch->body);
    arena_deinit(&arena);
    ASSERT(otlp_read_protobuf(buf_str(&batch->body), &batch->arena, &batch->spans, &error) == 0);
    return batch;
}

/* Interning alone, as the applier does it. */
static void bench_head(StoreBatch **batches, size_t n_batches)
{
    Generation *generation = generation_new(1);
    size_t n = MIN(n_batches, (size_t)262);
    double before = read_seconds(CLOCK_THREAD_CPUTIME_ID);

    for (size_t i = 0; i < n; i++) {
        generation_begin(generation, i);
        for (size_t k = 0; k < batches[i]->spans.n_spans; k++) {
            generation_append(generation, &batches[i]->spans.spans[k], ROW_SETTLED);
        }
    }
    double seconds = read_seconds(CLOCK_THREAD_CPUTIME_ID) - before;
    size_t n_spans = n * BATCH_SPANS;
    printf("intern    %6.3f us/span   head %5.0f bytes/span\n", seconds * 1e6 / (double)n_spans,
           (double)generation_bytes(generation) / (double)n_spans);

    Arena arena = {0};
    Span span;
    before = read_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t i = 0; i < generation->n_rows; i++) {
        generation_read(generation, generation_row(generation, i), &arena, &span);
        arena_reset(&arena);
    }
    seconds = read_seconds(CLOCK_THREAD_CPUTIME_ID) - before;
    printf("decode    %6.3f us/span\n", seconds * 1e6 / (double)n_spans);
    arena_deinit(&arena);
    generation_unref(generation);
}

static void note_result(void *context, int result)
{
    ASSERT(result == 0);
    atomic_fetch_add((_Atomic size_t *)context, 1);
}

static Store *open_store(FileSystem *fs, uint64_t generation_rows)
{
    const StoreOptions options = {.fs = fs,
                                  .decode = otlp_read_protobuf,
                                  .clock = &clock_system,
                                  .generation_rows = generation_rows,
                                  .retention_age_s = UINT64_MAX};
    const char *why = "";
    Store *store;

    if (store_open(&options, &store, &why) != 0) {
        fprintf(stderr, "store_bench: %s\n", why);
        exit(1);
    }
    return store;
}

/* Appends all batches, which are then the store's; waits until all are on disk. */
static void append_all(Store *store, StoreBatch **batches, size_t n_batches, const char *what)
{
    _Atomic size_t n_told = 0;
    double wall = read_seconds(CLOCK_MONOTONIC), cpu = read_seconds(CLOCK_PROCESS_CPUTIME_ID);
    double n_spans = (double)(n_batches * BATCH_SPANS);

    for (size_t i = 0; i < n_batches;) {
        int result = store_append(store, batches[i], note_result, &n_told);

        if (result == 0) {
            i++;
        } else {
            ASSERT(result == STORE_BUSY);
            usleep(200);
        }
    }
    while (atomic_load(&n_told) < n_batches) {
        usleep(100);
    }
    double durable = read_seconds(CLOCK_MONOTONIC) - wall;
    store_wait_applied(store);
    double applied = read_seconds(CLOCK_MONOTONIC) - wall;
    printf("%s %6.2f M durable spans/s   %6.2f M applied spans/s   %6.3f CPU-us/span\n", what,
           n_spans / durable / 1e6, n_spans / applied / 1e6,
           (read_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / n_spans);
}

static void print_status(Store *store)
{
    StoreStatus status;

    store_status(store, &status);
    printf("          %lu blocks, %lu spans, %.1f MB blocks, %.1f MB log, %.1f MB head\n",
           status.n_blocks, status.spans_stored, (double)status.block_bytes / 1e6,
           (double)status.log_bytes / 1e6, (double)status.head_bytes / 1e6);
}

static StoreBatch **make_batches(CorpusKind kind, size_t first, size_t n)
{
    StoreBatch **batches = NEW_ARRAY(StoreBatch *, n);

    for (size_t i = 0; i < n; i++) {
        batches[i] = make_batch(kind, first + i);
    }
    return batches;
}

/* A process that dies leaves the log: the child exits without closing its store. */
static void bench_recovery(const char *directory, CorpusKind kind, size_t n_batches)
{
    FileSystem *fs;
    StoreBatch **batches = make_batches(kind, 0, n_batches);

    ASSERT(fs_open_directory(directory, &fs) == 0);
    Store *store = open_store(fs, 1 << 22);
    append_all(store, batches, n_batches, "log      ");
    mem_free(batches);
    print_status(store);
    fflush(stdout);
}

static void bench_blocks(const char *directory, CorpusKind kind, size_t n_batches)
{
    FileSystem *fs;

    ASSERT(fs_open_directory(directory, &fs) == 0);
    double before = read_seconds(CLOCK_MONOTONIC);
    Store *store = open_store(fs, 0);
    double seconds = read_seconds(CLOCK_MONOTONIC) - before;
    printf("recover   %6.2f M spans/s (%.0f ms)\n",
           (double)(n_batches * BATCH_SPANS) / seconds / 1e6, seconds * 1e3);
    StoreBatch **batches = make_batches(kind, n_batches, n_batches);
    append_all(store, batches, n_batches, "all      ");
    mem_free(batches);
    print_status(store);
    double cpu = read_seconds(CLOCK_PROCESS_CPUTIME_ID);
    before = read_seconds(CLOCK_MONOTONIC);
    store_close(store);
    printf("close     %6.0f ms, %.0f ms CPU\n", (read_seconds(CLOCK_MONOTONIC) - before) * 1e3,
           (read_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e3);
    before = read_seconds(CLOCK_MONOTONIC);
    fs->ops->free(fs);
    ASSERT(fs_open_directory(directory, &fs) == 0);
    store = open_store(fs, 0);
    printf("reopen    %6.1f ms\n", (read_seconds(CLOCK_MONOTONIC) - before) * 1e3);
    print_status(store);
    store_close(store);
    fs->ops->free(fs);
}

int main(int argc, char **argv)
{
    CorpusKind kind = argc > 1 && strcmp(argv[1], "hard") == 0 ? CORPUS_HARD : CORPUS_EASY;
    size_t n_batches = (argc > 2 ? strtoul(argv[2], NULL, 10) : 200000) / BATCH_SPANS;
    char temporary[] = "store-bench-XXXXXX";
    const char *directory = argc > 3 ? argv[3] : mkdtemp(temporary);
    const char *phase = getenv("STORE_BENCH_PHASE");

    log_set_level(LOG_ERROR);
    ASSERT(directory != NULL && n_batches > 0);
    if (phase != NULL) {
        bench_recovery(directory, kind, n_batches);
        _exit(0); /* as kill -9 would */
    }
    StoreBatch **batches = make_batches(kind, 0, n_batches);
    printf("%s, %zu spans, %.0f bytes each\n", kind == CORPUS_HARD ? "hard" : "easy",
           n_batches * BATCH_SPANS, (double)batches[0]->body.len / BATCH_SPANS);
    bench_head(batches, n_batches);
    for (size_t i = 0; i < n_batches; i++) {
        store_batch_free(batches[i]);
    }
    mem_free(batches);
    fflush(stdout);

    CLEANUP(buf_deinit) Buf command = {0};
    buf_append_format(&command, "STORE_BENCH_PHASE=1 '%s' %s %zu '%s'", argv[0],
                      kind == CORPUS_HARD ? "hard" : "easy", n_batches * BATCH_SPANS, directory);
    ASSERT(system(buf_cstr(&command)) == 0);
    bench_blocks(directory, kind, n_batches);
    if (argc <= 3) {
        buf_clear(&command);
        buf_append_format(&command, "rm -rf '%s'", directory);
        return system(buf_cstr(&command));
    }
    return 0;
}
