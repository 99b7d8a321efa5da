// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/block.h"

/*
 * For tests, fuzz targets and benches of blocks only: a file that is bytes in memory, and spans
 * made from a seed. Header only, so that nothing of it is in the program.
 */
typedef struct BytesFile {
    File file;
    Str bytes;
} BytesFile;

static int bytes_read_at(File *file, uint64_t offset, void *bytes, size_t len)
{
    const BytesFile *of = (const BytesFile *)file;

    if (offset > of->bytes.len || len > of->bytes.len - offset) {
        return -EIO;
    }
    mem_copy(bytes, of->bytes.ptr + offset, len);
    return 0;
}

static int bytes_size(File *file, uint64_t *ret_size)
{
    *ret_size = ((const BytesFile *)file)->bytes.len;
    return 0;
}

static int bytes_close(File *file)
{
    mem_free(file);
    return 0;
}

static const FileSystemOps bytes_ops = {
    .close = bytes_close, .read_at = bytes_read_at, .size = bytes_size};
static FileSystem bytes_file_system = {.ops = &bytes_ops};

static inline int bytes_block_open(Str bytes, Block **ret_block, ParseError *ret_error)
{
    BytesFile *file = NEW(BytesFile);

    file->file.fs = &bytes_file_system;
    file->bytes = bytes;
    return block_open(&bytes_file_system, &file->file, ret_block, ret_error);
}

/* --- Spans from a seed --- */

typedef struct Maker {
    uint64_t state;
    Arena *arena;
    bool is_wild; /* everything that hostile input may hold, not only what services send */
} Maker;

static inline uint64_t make_number(Maker *maker)
{
    maker->state = maker->state * 6364136223846793005U + 1442695040888963407U;
    uint64_t x = (maker->state ^ maker->state >> 29) * 0xbf58476d1ce4e5b9U;
    return x ^ x >> 32;
}

static inline size_t make_below(Maker *maker, size_t limit)
{
    return (size_t)(make_number(maker) % limit);
}

static inline bool make_chance(Maker *maker, size_t one_in)
{
    return make_below(maker, one_in) == 0;
}

static inline Str make_text(Maker *maker)
{
    static const Str texts[] = {STR("GET"),
                                STR("POST"),
                                STR(""),
                                STR("checkout"),
                                STR("5.0"),
                                STR("true"),
                                STR("42"),
                                STR("orders"),
                                STR("\"q\""),
                                STR("a\nb\x01"),
                                STR("gr\xc3\xbc\xc3\x9f"),
                                STR("\xef\xbf\xbd")};
    static const Str wild[] = {STR("\xff\xfe"), STR("a\xc0\xaf"), STR("caf\xe9"),
                               STR("\xed\xa0\x80"), STR("nul\0byte")};

    if (maker->is_wild && make_chance(maker, 40)) {
        return wild[make_below(maker, ARRAY_LEN(wild))];
    }
    if (make_chance(maker, 8)) {
        return arena_format(maker->arena, "id-%llu", (unsigned long long)make_number(maker));
    }
    return texts[make_below(maker, ARRAY_LEN(texts))];
}

static inline Str make_key(Maker *maker)
{
    static const Str keys[] = {STR("http.method"), STR("http.status_code"),
                               STR("db.system"),   STR("duration_ns"),
                               STR("resource.x"),  STR("service.name"),
                               STR("name"),        STR("a"),
                               STR("ratio"),       STR("retry"),
                               STR("\xff"),        STR("")};
    size_t n = ARRAY_LEN(keys) - (maker->is_wild ? 0 : 2);

    if (make_chance(maker, 60)) {
        return arena_format(maker->arena, "rare.%zu", make_below(maker, 1000));
    }
    return keys[make_below(maker, n)];
}

static inline double make_double(Maker *maker)
{
    static const double odd[] = {0.0, -0.0, __builtin_inf(), __builtin_nan(""), 5.0, 1e300, 1e-7};

    return maker->is_wild && make_chance(maker, 4) ? odd[make_below(maker, ARRAY_LEN(odd))]
                                                   : (double)make_below(maker, 1000) / 8;
}

static inline Value make_value(Maker *maker, unsigned depth);

static inline Attributes make_attributes(Maker *maker, size_t most, unsigned depth)
{
    size_t n = make_below(maker, most + 1);
    Attribute *items = ARENA_ARRAY(maker->arena, Attribute, n);

    for (size_t i = 0; i < n; i++) {
        items[i].key = make_key(maker);
        items[i].value = make_value(maker, depth);
    }
    return (Attributes){items, n};
}

static inline Value make_list(Maker *maker, unsigned depth)
{
    Value value = {.type = VALUE_ARRAY};

    if (make_chance(maker, 2)) {
        Attributes entries = make_attributes(maker, 3, depth - 1);
        return (Value){
            .type = VALUE_MAP, .count = (uint32_t)entries.count, .entries = entries.items};
    }
    value.count = (uint32_t)make_below(maker, 4);
    Value *items = ARENA_ARRAY(maker->arena, Value, value.count);
    for (uint32_t i = 0; i < value.count; i++) {
        items[i] = make_value(maker, depth - 1);
    }
    value.items = items;
    return value;
}

static inline Value make_value(Maker *maker, unsigned depth)
{
    switch (make_below(maker, maker->is_wild ? 12 : 8)) {
    case 0:
    case 8:
        return value_int((int64_t)make_below(maker, 600));
    case 1:
        return value_int(make_chance(maker, 3) ? INT64_MIN : (int64_t)make_number(maker));
    case 2:
        return (Value){.type = VALUE_BOOL, .boolean = make_chance(maker, 2)};
    case 3:
        return (Value){.type = VALUE_DOUBLE, .number = make_double(maker)};
    case 9:
        return (Value){.type = VALUE_BYTES, .string = make_text(maker)};
    case 10:
        return (Value){.type = VALUE_EMPTY};
    case 11:
        return depth == 0 ? value_int(7) : make_list(maker, depth);
    default:
        return value_string(make_text(maker));
    }
}

static inline const Event *make_events(Maker *maker, size_t n)
{
    Event *events = ARENA_ARRAY(maker->arena, Event, n);

    for (size_t i = 0; i < n; i++) {
        events[i] = (Event){.time_ns = make_number(maker),
                            .name = make_text(maker),
                            .attributes = make_attributes(maker, 3, 2),
                            .dropped_attributes = (uint32_t)make_below(maker, 2)};
    }
    return events;
}

static inline const Link *make_links(Maker *maker, size_t n)
{
    Link *links = ARENA_ARRAY(maker->arena, Link, n);

    for (size_t i = 0; i < n; i++) {
        links[i] = (Link){.trace_state = make_text(maker),
                          .attributes = make_attributes(maker, 3, 2),
                          .flags = (uint32_t)make_number(maker)};
        links[i].trace_id.bytes[3] = (uint8_t)(1 + make_below(maker, 9));
        links[i].span_id.bytes[5] = (uint8_t)make_number(maker);
    }
    return links;
}

/* A resource and a scope of a handful, as a process has them. */
static inline const Resource *make_resource(Maker *maker)
{
    Resource *resource = ARENA_NEW(maker->arena, Resource);

    resource->attributes = make_attributes(maker, 6, 2);
    resource->dropped_attributes = (uint32_t)make_below(maker, 2);
    resource->schema_url = make_chance(maker, 2) ? (Str){0} : make_text(maker);
    return resource;
}

static inline const Scope *make_scope(Maker *maker)
{
    Scope *scope = ARENA_NEW(maker->arena, Scope);

    scope->name = make_text(maker);
    scope->version = make_text(maker);
    scope->attributes = make_attributes(maker, 2, 2);
    scope->dropped_attributes = (uint32_t)make_below(maker, 2);
    scope->schema_url = make_chance(maker, 2) ? (Str){0} : make_text(maker);
    return scope;
}

static inline void make_times(Maker *maker, Span *span)
{
    span->start_ns = 1700000000000000000U + make_below(maker, 1000000);
    span->end_ns = span->start_ns + make_below(maker, 5000);
    if (maker->is_wild && make_chance(maker, 10)) {
        span->start_ns = make_number(maker);
        span->end_ns = make_chance(maker, 2) ? 0 : make_number(maker);
    }
}

/* @n spans in traces of one to eight, as the builder wants them. */
static inline Span *make_spans(Maker *maker, size_t n)
{
    Span *spans = ARENA_ARRAY(maker->arena, Span, n);
    const Resource *resources[5];
    const Scope *scopes[4];
    TraceId trace = {0};
    size_t left = 0;

    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        resources[i] = make_resource(maker);
    }
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        scopes[i] = make_scope(maker);
    }
    for (size_t i = 0; i < n; i++) {
        Span *span = &spans[i];

        if (left == 0) {
            uint64_t id[2] = {make_number(maker), make_number(maker)};
            mem_copy(trace.bytes, id, sizeof(id));
            left = 1 + make_below(maker, 8);
        }
        left--;
        span->trace_id = trace;
        uint64_t id = make_number(maker), parent = make_chance(maker, 4) ? 0 : make_number(maker);
        mem_copy(span->span_id.bytes, &id, sizeof(id));
        mem_copy(span->parent_span_id.bytes, &parent, sizeof(parent));
        make_times(maker, span);
        span->name = make_text(maker);
        span->trace_state = make_chance(maker, 5) ? make_text(maker) : (Str){0};
        span->status_message = make_chance(maker, 5) ? make_text(maker) : (Str){0};
        span->flags = (uint32_t)make_number(maker);
        span->kind = (uint8_t)make_below(maker, 6);
        span->status_code = (uint8_t)make_below(maker, 3);
        span->attributes = make_attributes(maker, 9, 3);
        span->n_events = make_chance(maker, 6) ? make_below(maker, 3) : 0;
        span->events = make_events(maker, span->n_events);
        span->n_links = make_chance(maker, 8) ? make_below(maker, 3) : 0;
        span->links = make_links(maker, span->n_links);
        span->dropped_attributes = (uint32_t)(make_chance(maker, 9) ? make_number(maker) : 0);
        span->dropped_events = (uint32_t)make_chance(maker, 9);
        span->dropped_links = (uint32_t)make_chance(maker, 9);
        span->resource = resources[make_below(maker, ARRAY_LEN(resources))];
        span->scope = scopes[make_below(maker, ARRAY_LEN(scopes))];
    }
    return spans;
}

/* As make_block(), in row groups that end with the first trace behind @group_spans. */
static inline void make_grouped_block(const Span *spans, size_t n, size_t group_spans, Buf *file,
                                      BlockSummary *ret_summary)
{
    BlockBuilder *builder = block_builder_new(0);

    for (size_t i = 0; i < n; i++) {
        bool is_last = i + 1 == n || !trace_id_equal(spans[i].trace_id, spans[i + 1].trace_id);

        block_builder_add(builder, &spans[i]);
        if (is_last && i + 1 < n && block_builder_group_spans(builder) >= group_spans) {
            block_builder_end_group(builder, n, file);
        }
    }
    block_builder_finish(builder, file, ret_summary);
    block_builder_free(builder);
}

static inline void make_block(const Span *spans, size_t n, Buf *file, BlockSummary *ret_summary)
{
    make_grouped_block(spans, n, SIZE_MAX, file, ret_summary);
}
