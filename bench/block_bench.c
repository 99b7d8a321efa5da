// SPDX-License-Identifier: Apache-2.0

/*
 * How fast a block is built, how large it is by column, and how fast it is read:
 *
 *     block_bench [easy|hard|rare] [SPANS] [FILE|-] [SPANS OF A ROW GROUP]
 *
 * rare is easy with one attribute of each span under one of 400 keys, which therefore share the
 * map. With row groups, memory is that of one and of the file. With FILE the block is written
 * there, for DuckDB and others. Strings have equal pointers when they are equal, as the head gives
 * them to the builder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/assert.h"
#include "base/map.h"
#include "bench/corpus.h"
#include "store/block/testing.h"
#include "store/parquet.h"

enum { TRACES_PER_CHUNK = 1000 };

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static Str intern(Symbols *symbols, Str text)
{
    return symbols_get(symbols, symbols_intern(symbols, text));
}

static void intern_attributes(Symbols *symbols, Attributes attributes)
{
    for (size_t i = 0; i < attributes.count; i++) {
        Attribute *item = (Attribute *)&attributes.items[i];

        item->key = intern(symbols, item->key);
        if (item->value.type == VALUE_STRING) {
            item->value.string = intern(symbols, item->value.string);
        }
    }
}

/* As the head does: equal resources become one object. */
static const Resource *intern_resource(Resource **known, size_t *n, const Resource *resource)
{
    for (size_t i = 0; i < *n; i++) {
        if (attributes_same_set(known[i]->attributes, resource->attributes)) {
            return known[i];
        }
    }
    ASSERT(*n < 64);
    known[*n] = (Resource *)resource;
    return known[(*n)++];
}

static bool with_rare_keys;

static void rename_attribute(Span *span, size_t number, Arena *arena)
{
    Attribute *item = (Attribute *)&span->attributes.items[4];

    item->key = arena_format(arena, "tag.%zu", number * 7919 % 400);
}

static size_t group_spans = SIZE_MAX;

/* Strings of the group are no longer needed then, as when the head's generation goes. */
static bool end_group(BlockBuilder *builder, size_t n_spans, Symbols *symbols, Arena *arena,
                      Buf *file)
{
    if (block_builder_group_spans(builder) < group_spans) {
        return false;
    }
    block_builder_end_group(builder, n_spans, file);
    symbols_deinit(symbols);
    *symbols = (Symbols){0};
    arena_deinit(arena);
    return true;
}

static double add_traces(BlockBuilder *builder, CorpusKind kind, size_t n_spans, Symbols *symbols,
                         Arena *arena, TraceId *traces, Buf *file)
{
    Resource *resources[64];
    size_t n_resources = 0;
    double seconds = 0;

    for (size_t first = 0; first * CORPUS_TRACE_SPANS < n_spans; first += TRACES_PER_CHUNK) {
        uint64_t start_ns = 1700000000000000000U + first * 10000000;
        Span *spans = corpus_make(kind, first, TRACES_PER_CHUNK, start_ns, arena);
        size_t n = TRACES_PER_CHUNK * (size_t)CORPUS_TRACE_SPANS;

        for (size_t i = 0; i < n; i++) {
            if (with_rare_keys) {
                rename_attribute(&spans[i], i, arena);
            }
            spans[i].name = intern(symbols, spans[i].name);
            spans[i].resource = intern_resource(resources, &n_resources, spans[i].resource);
            intern_attributes(symbols, spans[i].attributes);
        }
        for (size_t i = 0; i < TRACES_PER_CHUNK; i++) {
            traces[first + i] = spans[i * CORPUS_TRACE_SPANS].trace_id;
        }
        double before = seconds_now();
        for (size_t i = 0; i < n; i++) {
            block_builder_add(builder, &spans[i]);
        }
        if (end_group(builder, n_spans, symbols, arena, file)) {
            n_resources = 0;
        }
        seconds += seconds_now() - before;
    }
    return seconds;
}

static int count_span(void *context, const Span *span)
{
    ++*(size_t *)context;
    return 0;
}

static int count_match(void *context, const BlockMatch *match)
{
    ++*(size_t *)context;
    return 0;
}

/* Asks often enough to be measured; the dictionaries stay in the cache, as in a server. */
static void bench_search(Block *block, const Filter *filter, size_t n_spans, const char *what)
{
    enum { ROUNDS = 20 };
    size_t n = 0;
    BlockSearch search = {
        .filter = filter, .to_ns = UINT64_MAX, .visit = count_match, .context = &n};
    double before = seconds_now();

    for (unsigned i = 0; i < ROUNDS; i++) {
        ASSERT(block_search(block, &search) == 0);
    }
    printf("%-9s %6.2f M spans/s, %zu found\n", what,
           (double)n_spans * ROUNDS / (seconds_now() - before) / 1e6, n / ROUNDS);
}

static void bench_reads(Block *block, size_t n_spans, const TraceId *traces)
{
    Arena arena = {0};
    const Filter everything = {.op = FILTER_TRUE};
    const Filter equal = {.op = FILTER_COMPARE,
                          .field = FIELD_ATTRIBUTE,
                          .comparison = COMPARE_EQUAL,
                          .key = STR("http.request.method"),
                          .operand = value_string(STR("BREW"))};
    const Filter slow = {.op = FILTER_COMPARE,
                         .field = FIELD_DURATION,
                         .comparison = COMPARE_GREATER,
                         .operand = value_int(50000000)};
    const Filter beyond = {.op = FILTER_COMPARE,
                           .field = FIELD_DURATION,
                           .comparison = COMPARE_GREATER,
                           .operand = value_int(INT64_MAX)};
    const Filter exists = {.op = FILTER_COMPARE,
                           .field = FIELD_SPAN_ATTRIBUTE,
                           .comparison = COMPARE_NOT_EQUAL,
                           .key = STR("tag.7"),
                           .operand = value_string(STR("none"))};
    const Filter code = {.op = FILTER_COMPARE,
                         .field = FIELD_SPAN_ATTRIBUTE,
                         .comparison = COMPARE_EQUAL,
                         .key = STR("http.response.status_code"),
                         .operand = value_int(500)};
    size_t n = 0, n_read = 0;
    double before = seconds_now();

    ASSERT(block_scan(block, &everything, 0, UINT64_MAX, count_span, &n) == 0);
    printf("scan      %6.2f M spans/s\n", (double)n / (seconds_now() - before) / 1e6);
    bench_search(block, &equal, n_spans, "absent");
    bench_search(block, &code, n_spans, "attribute");
    if (with_rare_keys) {
        bench_search(block, &exists, n_spans, "map key");
    }
    bench_search(block, &slow, n_spans, "duration");
    bench_search(block, &beyond, n_spans, "no page");
    before = seconds_now();
    for (size_t i = 0; i < 2000; i++) {
        uint64_t trace = i * 7919 % (n_spans / CORPUS_TRACE_SPANS);
        Span *spans = NULL;
        size_t count = 0;

        ASSERT(block_read_trace(block, traces[trace], &arena, &spans, &count) == 0 && count > 0);
        n_read += count;
        arena_reset(&arena);
    }
    printf("by id     %6.3f ms a trace of %zu spans\n", (seconds_now() - before) / 2000 * 1e3,
           n_read / 2000);
    before = seconds_now();
    for (size_t i = 0; i < 2000; i++) {
        const BlockTraceQuestion question = {traces[i * 7919 % (n_spans / CORPUS_TRACE_SPANS)],
                                             SIZE_MAX, true};
        Span *spans = NULL;
        size_t count = 0;

        ASSERT(block_read_trace_part(block, &question, &arena, &spans, &count) == 0);
        arena_reset(&arena);
    }
    printf("outline   %6.3f ms a trace\n", (seconds_now() - before) / 2000 * 1e3);
    arena_deinit(&arena);
}

static void print_columns(Str file, size_t n_spans)
{
    ParquetFile *parquet;
    ParseError error;

    ASSERT(parquet_open(&(ParquetSource){.bytes = file}, &parquet, &error) == 0);
    printf("%-36s %8s\n", "column", "B/span");
    for (size_t i = 0; i < parquet_n_columns(parquet); i++) {
        printf("%-36.*s %8.3f\n", STR_ARG(parquet_column(parquet, i)->name),
               (double)parquet_column_bytes(parquet, i) / (double)n_spans);
    }
    parquet_close(parquet);
}

int main(int argc, char **argv)
{
    with_rare_keys = argc > 1 && strcmp(argv[1], "rare") == 0;
    CorpusKind kind = argc > 1 && strcmp(argv[1], "hard") == 0 ? CORPUS_HARD : CORPUS_EASY;
    size_t n_spans = argc > 2 ? strtoul(argv[2], NULL, 10) : 262144;
    group_spans = argc > 4 ? strtoul(argv[4], NULL, 10) : SIZE_MAX;
    BlockBuilder *builder = block_builder_new(0);
    struct rusage usage;
    Symbols symbols = {0};
    Arena arena = {0};
    Buf file = {0};
    BlockSummary summary;
    ParseError error;
    Block *block;
    TraceId *traces = NEW_ARRAY(TraceId, n_spans / CORPUS_TRACE_SPANS + TRACES_PER_CHUNK);

    double adding = add_traces(builder, kind, n_spans, &symbols, &arena, traces, &file);
    double before = seconds_now();
    block_builder_finish(builder, &file, &summary);
    double finishing = seconds_now() - before;
    getrusage(RUSAGE_SELF, &usage);
    n_spans = summary.n_spans;
    print_columns(buf_str(&file), n_spans);
    printf("%zu spans, %.2f B/span in all\n", n_spans, (double)file.len / (double)n_spans);
    printf("peak      %6.1f MB, of which %.1f MB are the file\n", (double)usage.ru_maxrss / 1e3,
           (double)file.len / 1e6);
    printf("add       %6.2f M spans/s\nfinish    %6.2f M spans/s\nbuild     %6.2f M spans/s\n",
           (double)n_spans / adding / 1e6, (double)n_spans / finishing / 1e6,
           (double)n_spans / (adding + finishing) / 1e6);
    if (argc > 3 && strcmp(argv[3], "-") != 0) {
        FILE *out = fopen(argv[3], "wb");
        ASSERT(out != NULL && fwrite(file.ptr, 1, file.len, out) == file.len);
        fclose(out);
    }
    ASSERT(bytes_block_open(buf_str(&file), &block, &error) == 0);
    bench_reads(block, n_spans, traces);
    mem_free(traces);
    block_close(block);
    block_builder_free(builder);
    symbols_deinit(&symbols);
    arena_deinit(&arena);
    buf_deinit(&file);
    return 0;
}
