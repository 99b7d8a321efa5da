// SPDX-License-Identifier: Apache-2.0

/*
 * What merging blocks takes, while the store goes on:
 *
 *     compact_bench [easy|hard] [SPANS] [DIRECTORY] [SPANS OF A BLOCK] [looks]
 *
 * and what others wait for meanwhile: a reader of traces by id, and who takes the lock of rows and
 * shelf as the applier does for each slice of rows. Blocked is the time in which a thread neither
 * ran nor waited for a core: for locks and the disk. `taskset -c 0` shows whether the compactor, of
 * low priority, is preempted while it holds what others wait for.
 *
 * Spans are appended, unless the directory has blocks already (of the same spans, from a run before
 * that was copied), two hours pass, blocks are merged as fast as it goes. Memory is that of the
 * process beyond what it had when merging began.
 */
#include <fcntl.h>
#include <pthread.h>
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
#include "store/engine/engine.h"
#include "store/store.h"
#include "wire/otlp.h"

enum {
    BATCH_TRACES = 100,
    BATCH_SPANS = BATCH_TRACES * CORPUS_TRACE_SPANS,
    LOOKS = 2000,
    LOOKS_MAX = 1000000
};

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

/* What one thread waits for, in milliseconds. */
typedef struct Waits {
    double *wall, *blocked;
    size_t n;
    double cpu;
} Waits;

/* Seconds for which this thread has waited for a core. */
static double queued_seconds(void)
{
    static _Thread_local int fd = -1;
    char text[128] = {0};
    unsigned long ran_ns, queued_ns;

    if (fd < 0) {
        fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    }
    ASSERT(pread(fd, text, sizeof(text) - 1, 0) > 0);
    ASSERT(sscanf(text, "%lu %lu", &ran_ns, &queued_ns) == 2);
    return (double)queued_ns / 1e9;
}

static void note_wait(Waits *waits, void (*act)(void *context), void *context)
{
    double queued = queued_seconds(), cpu = read_seconds(CLOCK_THREAD_CPUTIME_ID);
    double wall = read_seconds(CLOCK_MONOTONIC);

    act(context);
    wall = read_seconds(CLOCK_MONOTONIC) - wall;
    cpu = read_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    queued = queued_seconds() - queued;
    waits->wall[waits->n] = wall * 1e3;
    waits->blocked[waits->n++] = MAX(wall - cpu - queued, 0.0) * 1e3;
    waits->cpu += cpu;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double percentile(double *sorted, size_t n, double part)
{
    return sorted[MIN((size_t)((double)n * part), n - 1)];
}

static void print_waits(const char *what, const char *when, Waits *waits)
{
    size_t n = waits->n;

    qsort(waits->wall, n, sizeof(double), compare_numbers);
    qsort(waits->blocked, n, sizeof(double), compare_numbers);
    printf("%-6s %-6s %.4f ms of CPU; p50 %.3f, p99 %.3f; blocked p99 %.4f, p99.9 %.4f, most %.3f "
           "ms; of %zu\n",
           what, when, waits->cpu / (double)n * 1e3, percentile(waits->wall, n, 0.5),
           percentile(waits->wall, n, 0.99), percentile(waits->blocked, n, 0.99),
           percentile(waits->blocked, n, 0.999), waits->blocked[n - 1], n);
}

typedef struct Look {
    Store *store;
    TraceId trace;
} Look;

static void look(void *context)
{
    const Look *question = context;
    Arena arena = {0};
    Span *spans;
    size_t n;

    ASSERT(store_read_trace(question->store, question->trace, STORE_ALL, &arena, &spans, &n) == 0);
    ASSERT(n == CORPUS_TRACE_SPANS);
    arena_deinit(&arena);
}

static void take_lock(void *context)
{
    Store *store = context;

    pthread_rwlock_wrlock(&store->lock);
    pthread_rwlock_unlock(&store->lock);
}

/* Looks and locks, LOOKS times and as long as @is_going. */
static void note_all(Store *store, const TraceId *traces, size_t n_traces, const char *when,
                     const _Atomic bool *is_going)
{
    Waits looks = {NEW_ARRAY(double, LOOKS_MAX), NEW_ARRAY(double, LOOKS_MAX), 0, 0};
    Waits locks = {NEW_ARRAY(double, LOOKS_MAX), NEW_ARRAY(double, LOOKS_MAX), 0, 0};

    for (size_t i = 0; i < LOOKS_MAX && (is_going == NULL ? i < LOOKS : *is_going); i++) {
        Look question = {store, traces[i * 7919 % n_traces]};

        note_wait(&looks, look, &question);
        note_wait(&locks, take_lock, store);
        usleep(200);
    }
    print_waits("by id", when, &looks);
    print_waits("lock", when, &locks);
    mem_free(looks.wall);
    mem_free(looks.blocked);
    mem_free(locks.wall);
    mem_free(locks.blocked);
}

static void print_blocks(Store *store, double n_spans)
{
    StoreStatus status;

    store_status(store, &status);
    printf("          %lu blocks, %.2f B/span, %lu spans merged\n", status.n_blocks,
           (double)status.block_bytes / n_spans, status.compacted_spans);
}

typedef struct Compaction {
    Store *store;
    _Atomic bool is_going;
} Compaction;

static void *compact_store(void *context)
{
    Compaction *compaction = context;

    store_compact(compaction->store);
    atomic_store(&compaction->is_going, false);
    return NULL;
}

/* CPU is that of the process but for this thread, which looks meanwhile if @traces are given. */
static void compact_all(Store *store, double n_spans, const TraceId *traces, size_t n_traces)
{
    Compaction compaction = {store, true};
    StoreStatus status;
    pthread_t thread;

    mem_trim();
    forget_peak();
    double memory = read_memory("VmRSS");
    double cpu = read_seconds(CLOCK_PROCESS_CPUTIME_ID) - read_seconds(CLOCK_THREAD_CPUTIME_ID);
    double wall = read_seconds(CLOCK_MONOTONIC);
    ASSERT(pthread_create(&thread, NULL, compact_store, &compaction) == 0);
    if (traces != NULL) {
        note_all(store, traces, n_traces, "while", &compaction.is_going);
    }
    pthread_join(thread, NULL);
    cpu = read_seconds(CLOCK_PROCESS_CPUTIME_ID) - read_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    wall = read_seconds(CLOCK_MONOTONIC) - wall;
    store_status(store, &status);
    printf("merge  %.2f CPU-s per million merged, %.1f s, peak %.1f MB beyond %.1f MB\n",
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
    note_all(store, traces, n_batches, "before", NULL);
    now_ns += 7200 * 1000000000ULL;
    compact_all(store, n_spans, argc > 5 ? traces : NULL, n_batches);
    note_all(store, traces, n_batches, "after", NULL);
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
