// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * For the tests of this room: spans made from three numbers, so that a log body can be a list of
 * numbers and a model can say what must be stored. Include after cmocka.
 */
#include "base/arena.h"
#include "base/map.h"
#include "base/memory.h"
#include "codec/hash.h"
#include "store/store.h"

typedef struct Sample {
    uint32_t trace, span, version;
} Sample;

static inline uint64_t sample_mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static const uint64_t sample_base_ns = 1700000000000000000U;

static inline TraceId sample_trace_id(uint32_t trace)
{
    TraceId id;
    uint64_t high = sample_mix(trace), low = sample_mix(high);

    mem_copy(id.bytes, &high, 8);
    mem_copy(id.bytes + 8, &low, 8);
    return id;
}

static inline const Resource *sample_resource(uint32_t number, Arena *arena)
{
    Resource *resource = ARENA_NEW(arena, Resource);
    Attribute *attributes = ARENA_ARRAY(arena, Attribute, 2);

    attributes[0] =
        (Attribute){STR("service.name"), value_string(arena_format(arena, "service-%u", number))};
    attributes[1] = (Attribute){STR("host.cpus"), value_int(number * 2)};
    resource->attributes = (Attributes){attributes, 2};
    return resource;
}

static inline const Scope *sample_scope(Arena *arena)
{
    Scope *scope = ARENA_NEW(arena, Scope);

    scope->name = STR("sample");
    scope->version = STR("1.2");
    return scope;
}

/* A key whose values are of all sorts. */
static inline Value sample_order(uint64_t random, Arena *arena)
{
    uint64_t a = sample_mix(random + 7), b = sample_mix(a);

    switch (random % 4) {
    case 0:
        return value_int((int64_t)(a % 1000));
    case 1:
        return (Value){.type = VALUE_DOUBLE, .number = (double)(a % 1000) / 8};
    case 2:
        return value_string(arena_format(arena, "%08lx-%04lx-4%03lx-a%03lx-%012lx", a >> 32,
                                         a >> 8 & 0xffff, a >> 24 & 0xfff, b & 0xfff, b >> 16));
    default:
        return value_string(arena_format(arena, "%016lx", a));
    }
}

static inline Attributes sample_attributes(Sample sample, uint64_t random, Arena *arena)
{
    Attribute *items = ARENA_ARRAY(arena, Attribute, 7);

    items[0] = (Attribute){STR("http.request.method"), value_string(STR("GET"))};
    items[1] = (Attribute){STR("request.id"),
                           value_string(arena_format(arena, "%016lx", sample_mix(random)))};
    items[2] = (Attribute){STR("version"), value_int(sample.version)};
    items[3] = (Attribute){STR("shard"), value_int((int64_t)(random % 7))};
    items[4] = (Attribute){STR("ratio"), {.type = VALUE_DOUBLE, .number = (double)(random % 100)}};
    items[5] = (Attribute){STR("cached"), {.type = VALUE_BOOL, .boolean = (random >> 8) % 2 == 0}};
    items[6] = (Attribute){STR("order"), sample_order(random, arena)};
    return (Attributes){items, 7};
}

static inline void sample_extras(Span *span, Sample sample, uint64_t random, Arena *arena)
{
    if (random % 5 == 0) {
        Event *event = ARENA_NEW(arena, Event);

        event->time_ns = span->start_ns + 5;
        event->name = STR("exception");
        event->attributes = sample_attributes(sample, random + 1, arena);
        span->events = event;
        span->n_events = 1;
        span->status_code = STATUS_ERROR;
        span->status_message = STR("it failed");
    }
    if (random % 7 == 0) {
        Link *link = ARENA_NEW(arena, Link);

        link->trace_id = sample_trace_id(sample.trace + 1);
        link->span_id.bytes[0] = 1;
        span->links = link;
        span->n_links = 1;
    }
}

static inline void sample_span(Sample sample, const Resource *resource, const Scope *scope,
                               Arena *arena, Span *ret_span)
{
    uint64_t random = sample_mix((uint64_t)sample.trace << 32 | sample.span << 8 | sample.version);
    Span span = {.trace_id = sample_trace_id(sample.trace), .resource = resource, .scope = scope};

    span.span_id.bytes[0] = (uint8_t)(sample.span + 1);
    span.span_id.bytes[1] = (uint8_t)((sample.span + 1) >> 8);
    if (sample.span > 0) {
        span.parent_span_id.bytes[0] = 1;
    }
    span.name = arena_format(arena, "operation-%u", sample.span % 5);
    span.kind = (uint8_t)(sample.span % 2 == 0 ? SPAN_KIND_SERVER : SPAN_KIND_CLIENT);
    span.start_ns = sample_base_ns + sample.trace * 1000000U + random % 20000000U;
    span.end_ns = span.start_ns + 1000 + random % 1000000U;
    span.attributes = sample_attributes(sample, random, arena);
    sample_extras(&span, sample, random, arena);
    *ret_span = span;
}

/* A body: 12 bytes a span. */
static inline void sample_write(const Sample *samples, size_t n, Buf *body)
{
    buf_append(body, samples, n * sizeof(Sample));
}

static inline int sample_decode(Str body, Arena *arena, Batch *ret_batch, ParseError *ret_error)
{
    size_t n = body.len / sizeof(Sample);
    const Resource *resources[3];
    const Scope *scope = sample_scope(arena);
    Span *spans = ARENA_ARRAY(arena, Span, n);

    for (uint32_t i = 0; i < 3; i++) {
        resources[i] = sample_resource(i, arena);
    }
    for (size_t i = 0; i < n; i++) {
        Sample sample;

        mem_copy(&sample, body.ptr + i * sizeof(Sample), sizeof(Sample));
        sample_span(sample, resources[sample.span % 3], scope, arena, &spans[i]);
    }
    *ret_batch = (Batch){.spans = spans, .n_spans = n};
    return 0;
}

static inline StoreBatch *sample_batch(const Sample *samples, size_t n)
{
    StoreBatch *batch = store_batch_new();
    ParseError error;

    sample_write(samples, n, &batch->body);
    if (sample_decode(buf_str(&batch->body), &batch->arena, &batch->spans, &error) != 0) {
        abort();
    }
    return batch;
}

/* A number for a span's whole content; sums of it are the tests' "map". */
static inline uint64_t sample_hash(const Span *span)
{
    CLEANUP(buf_deinit) Buf form = {0};

    span_append_canonical(span, &form);
    return hash_stable(buf_str(&form));
}

/*
 * An observer whose tables hold one sum: that of the hashes of all settled spans, counted once per
 * identity. By observer.h's invariant it must always be what the store itself holds.
 */
typedef struct SampleObserver {
    StoreObserver callbacks;
    Store *store;
    _Atomic bool wants_cut; /* early */
    bool settle_at_once;    /* with every tick; else only when all is to be settled */
    bool has_never;         /* one trace is never settled */
    TraceId never;
    Table open;          /* TraceId */
    uint64_t sum, uncut; /* of all; since the last cut */
    uint64_t committed;  /* of the table files that it was told of */
    size_t tables_max;   /* more are merged into one */
    int n_merges, failures;
} SampleObserver;

static inline void sample_attach(void *context, Store *store)
{
    ((SampleObserver *)context)->store = store;
}

static inline void sample_on_batch(void *context, const Batch *batch)
{
    SampleObserver *observer = context;

    for (size_t i = 0; i < batch->n_spans; i++) {
        (void)table_put(&observer->open, &batch->spans[i].trace_id, NULL);
    }
}

static inline uint64_t sample_sum(Store *store, TraceId id, StoreView view)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    uint64_t sum = 0;
    Span *spans;
    size_t n;

    if (store_read_trace(store, id, view, &arena, &spans, &n) == 0) {
        for (size_t i = 0; i < n; i++) {
            sum += sample_hash(&spans[i]);
        }
    }
    return sum;
}

static inline void sample_settle(SampleObserver *observer, TraceId id)
{
    uint64_t change =
        sample_sum(observer->store, id, STORE_ALL) - sample_sum(observer->store, id, STORE_SETTLED);

    observer->sum += change;
    observer->uncut += change;
    store_mark_settled(observer->store, &id, 1);
}

static inline bool sample_wants_cut(void *context)
{
    SampleObserver *observer = context;

    return observer->wants_cut && observer->uncut != 0;
}

static inline void sample_on_tick(void *context, bool settle_all)
{
    SampleObserver *observer = context;

    if ((!settle_all && !observer->settle_at_once) || observer->open.n_records == 0) {
        return;
    }
    for (size_t i = 0; i < observer->open.n_records; i++) {
        TraceId *id = table_at(&observer->open, i);

        if (!observer->has_never || !trace_id_equal(*id, observer->never)) {
            sample_settle(observer, *id);
        }
    }
    table_clear(&observer->open);
}

static inline void *sample_cut(void *context)
{
    SampleObserver *observer = context;
    uint64_t *pending = NEW(uint64_t);

    *pending = observer->uncut;
    observer->uncut = 0;
    return pending;
}

/* One file per cut with what the sum was, eight bytes; merged files are of level 1. */
static inline int sample_write_tables(void *context, const void *pending, TableSink *sink)
{
    TableInfo info = table_info("sums");

    return sink->emit(sink, &info, str_from_bytes(pending, sizeof(uint64_t)));
}

static inline void sample_free_pending(void *context, void *pending)
{
    mem_free(pending);
}

static inline int sample_read(const TableFile *file, uint64_t *ret_sum)
{
    CLEANUP(buf_deinit) Buf content = {0};

    TRY(table_file_read(file, &content));
    if (content.len != sizeof(*ret_sum)) {
        return 1;
    }
    mem_copy(ret_sum, content.ptr, sizeof(*ret_sum));
    return 0;
}

static inline int sample_load_table(void *context, TableFile *file, ParseError *ret_error)
{
    SampleObserver *observer = context;
    uint64_t sum = 0;
    int result = sample_read(file, &sum);

    if (result > 0) {
        *ret_error = (ParseError){.text = "not eight bytes"};
    }
    TRY(result);
    observer->sum += sum;
    observer->committed += sum;
    return 0;
}

/* A second time when a test has made the first read fail. */
static inline uint64_t sample_must_read(SampleObserver *observer, const TableFile *file)
{
    uint64_t sum = 0;

    observer->failures += sample_read(file, &sum) != 0 && sample_read(file, &sum) != 0;
    return sum;
}

/* What the observer knows to be committed, from the files themselves. */
static inline void sample_tables_changed(void *context, const TablesChange *change)
{
    SampleObserver *observer = context;

    observer->n_merges += change->pending == NULL;
    for (size_t i = 0; i < change->n_added; i++) {
        observer->committed += sample_must_read(observer, change->added[i]);
    }
    for (size_t i = 0; i < change->n_removed; i++) { /* they can be read still */
        observer->committed -= sample_must_read(observer, change->removed[i]);
    }
}

static inline bool sample_plan_merge(void *context, TableFile *const *files, size_t n_files,
                                     uint64_t now_s, TablePlan *ret_plan)
{
    const SampleObserver *observer = context;

    for (size_t i = 0; i < n_files && n_files > observer->tables_max; i++) {
        ret_plan->inputs[ret_plan->n_inputs++] = files[i];
    }
    return ret_plan->n_inputs > 0;
}

static inline int sample_merge_tables(void *context, const TablePlan *plan, TableSink *sink)
{
    TableInfo info = table_info("sums");
    uint64_t sum = 0, one = 0;

    info.level = 1;
    for (size_t i = 0; i < plan->n_inputs; i++) {
        TRY(sample_read(plan->inputs[i], &one));
        sum += one;
    }
    return sink->emit(sink, &info, str_from_bytes(&sum, sizeof(sum)));
}

static inline void sample_observer_init(SampleObserver *observer, bool settle_at_once)
{
    *observer = (SampleObserver){
        .callbacks = {.context = observer,
                      .attach = sample_attach,
                      .on_batch = sample_on_batch,
                      .on_tick = sample_on_tick,
                      .wants_cut = sample_wants_cut,
                      .cut = sample_cut,
                      .write_tables = sample_write_tables,
                      .free_pending = sample_free_pending,
                      .load_table = sample_load_table,
                      .tables_changed = sample_tables_changed,
                      .plan_merge = sample_plan_merge,
                      .merge_tables = sample_merge_tables},
        .settle_at_once = settle_at_once,
        .tables_max = 32,
    };
    table_init(&observer->open, sizeof(TraceId), sizeof(TraceId));
}

static inline void sample_observer_deinit(SampleObserver *observer)
{
    table_deinit(&observer->open);
}
