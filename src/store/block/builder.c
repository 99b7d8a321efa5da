// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/bytes.h"
#include "codec/utf8.h"
#include "store/block.h"
#include "store/block/attributes.h"
#include "store/block/exact.h"
#include "store/block/json.h"
#include "store/block/pairs.h"
#include "store/block/reader.h"
#include "store/block/sections.h"
#include "store/block/summary.h"

/*
 * Spans become columns at once, as they are added: a row is some fifty appends to arrays, each in
 * the nanoseconds when its string has been seen at the same address before. Only the division of
 * the attributes into columns and map waits for the end of the row group.
 *
 * What knows strings by their address forgets them with the group. What the sections need of all
 * groups (where traces begin, operations, keys and their values) stays; a file of several groups
 * has all fixed columns, because a later group may need one: an empty one costs 200 bytes a group.
 */
typedef struct Owner { /* what is known of a resource or scope, found by its address */
    const void *address;
    bool is_odd; /* has text outside of attributes that is no UTF-8 */
    bool has_service;
    Str service;
} Owner;

struct BlockBuilder {
    ColumnData *columns[BLOCK_N_COLUMNS];
    BlockAttributes levels[BLOCK_N_LEVELS];
    BlockPairs pairs;
    BlockSummaries summaries;
    BlockOperations operations;
    Table owners;
    Owner resource, scope; /* of the span before */
    BlockTraceRow *traces;
    size_t n_traces, trace_capacity;
    TraceId last_trace;
    size_t n_rows;        /* of the group */
    size_t n_rows_before; /* of the groups before */
    FileWriter *writer;   /* from the end of the first group on */
    size_t columns_max;
    uint64_t min_start_ns, max_start_ns;
    Buf text;
};

static void begin(BlockBuilder *builder, size_t columns_max)
{
    *builder = (BlockBuilder){.min_start_ns = UINT64_MAX, .columns_max = columns_max};
    for (unsigned i = 0; i < BLOCK_N_COLUMNS; i++) {
        builder->columns[i] = column_new(&block_columns[i]);
    }
    /* Resources have few attributes, but they are worth more: a quarter of the columns is theirs.
     */
    block_attributes_init(&builder->levels[BLOCK_SPAN_LEVEL], BLOCK_SPAN_LEVEL,
                          columns_max - columns_max / 4);
    block_attributes_init(&builder->levels[BLOCK_RESOURCE_LEVEL], BLOCK_RESOURCE_LEVEL,
                          columns_max / 4);
    block_attributes_init(&builder->levels[BLOCK_SCOPE_LEVEL], BLOCK_SCOPE_LEVEL, 0);
    table_init(&builder->owners, sizeof(Owner), sizeof(const void *));
}

static void end(BlockBuilder *builder)
{
    for (unsigned i = 0; i < BLOCK_N_COLUMNS; i++) {
        column_free(builder->columns[i]);
    }
    for (unsigned i = 0; i < BLOCK_N_LEVELS; i++) {
        block_attributes_deinit(&builder->levels[i]);
    }
    block_operations_deinit(&builder->operations);
    block_pairs_deinit(&builder->pairs);
    block_summaries_deinit(&builder->summaries);
    file_writer_free(builder->writer);
    table_deinit(&builder->owners);
    mem_free(builder->traces);
    buf_deinit(&builder->text);
}

BlockBuilder *block_builder_new(size_t columns_max)
{
    BlockBuilder *builder = mem_alloc(sizeof(*builder));

    begin(builder, columns_max == 0 ? (size_t)BLOCK_ATTRIBUTE_COLUMNS
                                    : MIN(columns_max, (size_t)BLOCK_ATTRIBUTE_COLUMNS_MAX));
    return builder;
}

BlockBuilder *block_builder_free(BlockBuilder *builder)
{
    if (builder != NULL) {
        end(builder);
        mem_free(builder);
    }
    return NULL;
}

/* --- Adding --- */

/* Returns whether the text is UTF-8, as the column has it. */
static bool put_text(BlockBuilder *builder, BlockColumn column, Str text)
{
    size_t row = builder->n_rows;

    if (column_put_known(builder->columns[column], row, text)) {
        return true;
    }
    if (utf8_is_valid(text)) {
        column_put_shared(builder->columns[column], row, text);
        return true;
    }
    buf_clear(&builder->text);
    utf8_append_replaced(&builder->text, text);
    column_put_str(builder->columns[column], row, buf_str(&builder->text));
    return false;
}

static bool put_optional_text(BlockBuilder *builder, BlockColumn column, Str text)
{
    return text.len == 0 || put_text(builder, column, text);
}

/* 32 bits of a number as Parquet's signed ones. */
static void put_optional_u32(BlockBuilder *builder, BlockColumn column, uint32_t value)
{
    if (value != 0) {
        column_put_int(builder->columns[column], builder->n_rows, (int32_t)value);
    }
}

static void put_bytes(BlockBuilder *builder, BlockColumn column, const uint8_t *bytes, size_t size)
{
    column_put_str(builder->columns[column], builder->n_rows, str_from_bytes(bytes, size));
}

static void put_ids(BlockBuilder *builder, const Span *span)
{
    put_bytes(builder, BLOCK_TRACE_ID, span->trace_id.bytes, TRACE_ID_SIZE);
    put_bytes(builder, BLOCK_SPAN_ID, span->span_id.bytes, SPAN_ID_SIZE);
    if (!span_id_is_zero(span->parent_span_id)) {
        put_bytes(builder, BLOCK_PARENT_SPAN_ID, span->parent_span_id.bytes, SPAN_ID_SIZE);
    }
    if (builder->n_traces > 0 && trace_id_equal(builder->last_trace, span->trace_id)) {
        return;
    }
    ARRAY_RESERVE(builder->traces, builder->n_traces, builder->trace_capacity);
    builder->traces[builder->n_traces++] =
        (BlockTraceRow){block_trace_hash(span->trace_id.bytes),
                        (uint32_t)(builder->n_rows_before + builder->n_rows)};
    builder->last_trace = span->trace_id;
}

static void put_times(BlockBuilder *builder, const Span *span)
{
    uint64_t duration = span_duration_ns(span);
    size_t row = builder->n_rows;

    column_put_int(builder->columns[BLOCK_START], row, (int64_t)span->start_ns);
    column_put_int(builder->columns[BLOCK_DURATION], row, (int64_t)duration);
    if (span->end_ns != span->start_ns + duration) {
        column_put_int(builder->columns[BLOCK_END_TIME], row, (int64_t)span->end_ns);
    }
    builder->min_start_ns = MIN(builder->min_start_ns, span->start_ns);
    builder->max_start_ns = MAX(builder->max_start_ns, span->start_ns);
}

/* The owner at @address: the last one, else from the table. */
static Owner *find_owner(BlockBuilder *builder, const void *address, bool *ret_new)
{
    return table_put(&builder->owners, &address, ret_new);
}

static void note_resource(BlockBuilder *builder, const Resource *resource)
{
    bool is_new;

    if (builder->n_rows > 0 && builder->resource.address == resource) {
        return;
    }
    Owner *owner = find_owner(builder, resource, &is_new);
    if (is_new) {
        owner->is_odd = !utf8_is_valid(resource->schema_url);
        owner->has_service = block_has_service_column(resource->attributes, &owner->service);
    }
    builder->resource = *owner;
}

static void note_scope(BlockBuilder *builder, const Scope *scope)
{
    bool is_new;

    if (builder->n_rows > 0 && builder->scope.address == scope) {
        return;
    }
    Owner *owner = find_owner(builder, scope, &is_new);
    if (is_new) {
        owner->is_odd = !utf8_is_valid(scope->schema_url) || !utf8_is_valid(scope->name) ||
                        !utf8_is_valid(scope->version);
    }
    builder->scope = *owner;
}

static void put_owners(BlockBuilder *builder, const Span *span)
{
    const Resource *resource = span->resource;
    const Scope *scope = span->scope;

    note_resource(builder, resource);
    note_scope(builder, scope);
    if (builder->resource.has_service) {
        column_put_shared(builder->columns[BLOCK_SERVICE_NAME], builder->n_rows,
                          builder->resource.service);
    }
    put_optional_u32(builder, BLOCK_RESOURCE_DROPPED, resource->dropped_attributes);
    put_optional_text(builder, BLOCK_RESOURCE_SCHEMA_URL, resource->schema_url);
    put_optional_u32(builder, BLOCK_SCOPE_DROPPED, scope->dropped_attributes);
    put_optional_text(builder, BLOCK_SCOPE_SCHEMA_URL, scope->schema_url);
    put_optional_text(builder, BLOCK_SCOPE_NAME, scope->name);
    put_optional_text(builder, BLOCK_SCOPE_VERSION, scope->version);
    block_attributes_add(&builder->levels[BLOCK_RESOURCE_LEVEL], builder->n_rows,
                         resource->attributes);
    block_attributes_add(&builder->levels[BLOCK_SCOPE_LEVEL], builder->n_rows, scope->attributes);
}

static void put_lists(BlockBuilder *builder, const Span *span)
{
    if (span->n_events > 0) {
        buf_clear(&builder->text);
        block_events_write(&builder->text, span);
        column_put_str(builder->columns[BLOCK_EVENTS], builder->n_rows, buf_str(&builder->text));
    }
    if (span->n_links > 0) {
        buf_clear(&builder->text);
        block_links_write(&builder->text, span);
        column_put_str(builder->columns[BLOCK_LINKS], builder->n_rows, buf_str(&builder->text));
    }
}

static bool lists_are_odd(const Span *span)
{
    for (size_t i = 0; i < span->n_events; i++) {
        if (!utf8_is_valid(span->events[i].name) || !exact_json_holds(span->events[i].attributes)) {
            return true;
        }
    }
    for (size_t i = 0; i < span->n_links; i++) {
        if (!utf8_is_valid(span->links[i].trace_state) ||
            !exact_json_holds(span->links[i].attributes)) {
            return true;
        }
    }
    return false;
}

/* @texts_are_exact: the columns have the span's own texts as they are. */
static void put_exact(BlockBuilder *builder, const Span *span, bool texts_are_exact)
{
    if (texts_are_exact && !builder->resource.is_odd && !builder->scope.is_odd &&
        span->kind <= SPAN_KIND_CONSUMER && span->status_code <= STATUS_ERROR &&
        !lists_are_odd(span)) {
        return;
    }
    buf_clear(&builder->text);
    exact_append_span(&builder->text, span);
    column_put_str(builder->columns[BLOCK_EXACT_SPAN], builder->n_rows, buf_str(&builder->text));
}

void block_builder_add(BlockBuilder *builder, const Span *span)
{
    SpanKind kind = span->kind <= SPAN_KIND_CONSUMER ? span->kind : SPAN_KIND_UNSPECIFIED;
    StatusCode status = span->status_code <= STATUS_ERROR ? span->status_code : STATUS_UNSET;

    ASSERT(builder->n_rows_before + builder->n_rows < PARQUET_ROWS_MAX);
    put_ids(builder, span);
    put_times(builder, span);
    bool exact = put_text(builder, BLOCK_NAME, span->name);
    exact &= put_optional_text(builder, BLOCK_STATUS_MESSAGE, span->status_message);
    exact &= put_optional_text(builder, BLOCK_TRACE_STATE, span->trace_state);
    put_text(builder, BLOCK_KIND, span_kind_name(kind));
    put_text(builder, BLOCK_STATUS_CODE, status_code_name(status));
    column_put_int(builder->columns[BLOCK_FLAGS], builder->n_rows, (int32_t)span->flags);
    put_optional_u32(builder, BLOCK_DROPPED_ATTRIBUTES, span->dropped_attributes);
    put_optional_u32(builder, BLOCK_DROPPED_EVENTS, span->dropped_events);
    put_optional_u32(builder, BLOCK_DROPPED_LINKS, span->dropped_links);
    put_owners(builder, span);
    block_attributes_add(&builder->levels[BLOCK_SPAN_LEVEL], builder->n_rows, span->attributes);
    put_lists(builder, span);
    put_exact(builder, span, exact);
    block_operations_add(&builder->operations, span);
    builder->n_rows++;
}

uint64_t block_builder_spans(const BlockBuilder *builder)
{
    return builder->n_rows_before + builder->n_rows;
}

uint64_t block_builder_group_spans(const BlockBuilder *builder)
{
    return builder->n_rows;
}

/* --- What is expected --- */

typedef struct Expectation {
    BlockBuilder *builder;
    Block *source;
} Expectation;

static int expect_key(void *context, const BlockKeyCounts *counts)
{
    const Expectation *expectation = context;
    const Block *source = expectation->source;
    const BlockAttributeColumn *column = block_find_attribute(source, counts->level, counts->key);
    BlockExpected expected = {counts->key, counts->n_rows, counts->n_map_rows, PARQUET_STRING, 0};

    if (column != NULL && column->column != source->fixed[BLOCK_SERVICE_NAME]) {
        const ParquetColumn *description = parquet_column(source->parquet, column->column);
        expected.type = description->type;
        expected.size = description->size;
    } else {
        expected.n_map_rows = expected.n_rows;
    }
    block_attributes_expect(&expectation->builder->levels[counts->level], &expected);
    return 0;
}

int block_builder_expect(BlockBuilder *builder, Block *source)
{
    Expectation expectation = {builder, source};
    ParseError error = {0};

    ASSERT(block_builder_spans(builder) == 0);
    return block_report(source, block_key_counts(source, expect_key, &expectation, &error), &error);
}

/* --- Row groups --- */

/* The columns of a group in the order of the schema. */
typedef struct GroupColumns {
    ColumnData *items[BLOCK_N_COLUMNS + BLOCK_ATTRIBUTE_COLUMNS_MAX];
    size_t n;
} GroupColumns;

static void divide_attributes(BlockBuilder *builder, const BlockGroupEnd *end,
                              GroupColumns *columns)
{
    static const BlockColumn maps[] = {BLOCK_ATTRIBUTES, BLOCK_RESOURCE_ATTRIBUTES,
                                       BLOCK_SCOPE_ATTRIBUTES};
    static const BlockColumn types[] = {BLOCK_ATTRIBUTES_TYPE, BLOCK_RESOURCE_ATTRIBUTES_TYPE,
                                        BLOCK_SCOPE_ATTRIBUTES_TYPE};

    for (unsigned level = 0; level < BLOCK_N_LEVELS; level++) {
        block_attributes_divide(&builder->levels[level], end, columns->items, &columns->n,
                                builder->columns[maps[level]], builder->columns[types[level]]);
    }
}

static void add_group_values(BlockBuilder *builder, const BlockGroupEnd *end)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t n_keys;
    const BlockKeyValues *keys =
        block_keys_collect(builder->levels, builder->columns[BLOCK_SERVICE_NAME], &arena, &n_keys);

    block_pairs_add(&builder->pairs, builder->levels, keys, n_keys, end);
    block_summaries_add(&builder->summaries, keys, n_keys, end->n_expected == 0);
}

/* @n_expected: 0 when this group is all. */
static void write_group(BlockBuilder *builder, uint64_t n_expected, Buf *file)
{
    BlockGroupEnd end = {builder->n_rows, n_expected};
    bool is_all = n_expected == 0;
    GroupColumns columns = {0};

    for (unsigned i = 0; i < BLOCK_FIRST_RARE; i++) {
        columns.items[columns.n++] = builder->columns[i];
    }
    divide_attributes(builder, &end, &columns);
    for (unsigned i = BLOCK_FIRST_RARE; i < BLOCK_N_COLUMNS; i++) {
        if (!is_all || column_count(builder->columns[i]) > 0) {
            columns.items[columns.n++] = builder->columns[i];
        }
    }
    add_group_values(builder, &end);
    if (builder->writer == NULL) {
        builder->writer = file_writer_new();
    }
    file_writer_group(builder->writer, columns.items, columns.n, builder->n_rows, file);
}

static void begin_group(BlockBuilder *builder)
{
    builder->n_rows_before += builder->n_rows;
    builder->n_rows = 0;
    for (unsigned i = 0; i < BLOCK_N_COLUMNS; i++) {
        column_clear(builder->columns[i]);
    }
    for (unsigned level = 0; level < BLOCK_N_LEVELS; level++) {
        block_attributes_next(&builder->levels[level]);
    }
    block_operations_forget(&builder->operations);
    table_clear(&builder->owners);
}

void block_builder_end_group(BlockBuilder *builder, uint64_t n_expected, Buf *file)
{
    ASSERT(builder->n_rows > 0);
    write_group(builder, MAX(n_expected, block_builder_spans(builder)), file);
    begin_group(builder);
}

/* --- Finishing --- */

typedef struct Sections {
    Buf traces, bloom, operations, attributes, values, summaries;
} Sections;

static void append_keys(BlockBuilder *builder, Sections *sections)
{
    CLEANUP(buf_deinit) Buf counts = {0};
    CLEANUP(arena_deinit) Arena arena = {0};
    size_t n = 0;

    for (unsigned level = 0; level < BLOCK_N_LEVELS; level++) {
        n += block_attributes_append(&builder->levels[level], &counts);
    }
    varint_append(&sections->attributes, n);
    buf_append_str(&sections->attributes, buf_str(&counts));
    const BlockKeyValues *keys =
        block_keys_list(builder->levels, builder->columns[BLOCK_SERVICE_NAME], &arena, &n);
    block_summaries_append(&builder->summaries, keys, n, &sections->summaries);
}

static void fill_sections(BlockBuilder *builder, Sections *sections)
{
    block_traces_append(&sections->traces, builder->traces, builder->n_traces);
    block_bloom_append(&sections->bloom, builder->traces, builder->n_traces);
    block_operations_append(&builder->operations, &sections->operations);
    append_keys(builder, sections);
    block_pairs_append(&builder->pairs, &sections->values);
}

static void sections_deinit(Sections *sections)
{
    buf_deinit(&sections->traces);
    buf_deinit(&sections->bloom);
    buf_deinit(&sections->operations);
    buf_deinit(&sections->attributes);
    buf_deinit(&sections->values);
    buf_deinit(&sections->summaries);
}

static void write_end(const BlockBuilder *builder, const Sections *parts, Buf *file)
{
    CLEANUP(buf_deinit) Buf head = {0};
    const ParquetSection sections[] = {
        {STR("traces"), buf_str(&parts->traces)},
        {STR("bloom"), buf_str(&parts->bloom)},
        {STR("operations"), buf_str(&parts->operations)},
        {STR("attributes"), buf_str(&parts->attributes)},
        {STR("values"), buf_str(&parts->values)},
        {STR("summaries"), buf_str(&parts->summaries)},
    };
    uint64_t n_rows = block_builder_spans(builder);
    const uint64_t numbers[] = {BLOCK_VERSION, n_rows, builder->n_traces,
                                n_rows == 0 ? 0 : builder->min_start_ns, builder->max_start_ns};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        buf_append_format(&head, "%s%llu", i == 0 ? "" : " ", (unsigned long long)numbers[i]);
    }
    const MetaKeyValue metadata = {STR("weft.block"), buf_str(&head)};
    file_writer_end(builder->writer,
                    &(FileTail){.metadata = &metadata,
                                .n_metadata = 1,
                                .sections = sections,
                                .n_sections = ARRAY_LEN(sections)},
                    file);
}

void block_builder_finish(BlockBuilder *builder, Buf *file, BlockSummary *ret_summary)
{
    CLEANUP(sections_deinit) Sections sections = {0};
    uint64_t n_rows = block_builder_spans(builder);

    if (builder->writer == NULL || builder->n_rows > 0) {
        write_group(builder, builder->writer == NULL ? 0 : n_rows, file);
    }
    fill_sections(builder, &sections);
    write_end(builder, &sections, file);
    *ret_summary =
        (BlockSummary){.n_spans = n_rows,
                       .n_traces = builder->n_traces,
                       .min_start_ns = n_rows == 0 ? 0 : builder->min_start_ns,
                       .max_start_ns = builder->max_start_ns,
                       .file_bytes = file_writer_bytes(builder->writer),
                       .n_spilled_keys = builder->levels[BLOCK_SPAN_LEVEL].n_spilled +
                                         builder->levels[BLOCK_RESOURCE_LEVEL].n_spilled};
    size_t columns_max = builder->columns_max;
    end(builder);
    begin(builder, columns_max);
}
