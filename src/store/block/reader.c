// SPDX-License-Identifier: Apache-2.0
#include "store/block/reader.h"

#include "base/assert.h"
#include "base/log.h"
#include "codec/bloom.h"
#include "codec/bytes.h"
#include "store/block/binary.h"
#include "store/block/json.h"

static int fail(ParseError *error, uint64_t offset, const char *text)
{
    *error = (ParseError){.offset = (size_t)offset, .text = text};
    return 1;
}

int block_report(const Block *block, int result, const ParseError *error)
{
    if (result == 1) {
        log_error("block damaged", LOG_U64("offset", error->offset), LOG_CSTR("what", error->text),
                  LOG_U64("file_bytes", block->summary.file_bytes));
    }
    return result;
}

/* --- Opening --- */

static int read_file(void *context, uint64_t offset, void *bytes, size_t len)
{
    Block *block = context;

    return block->fs->ops->read_at(block->file, offset, bytes, len);
}

static int parse_summary(Block *block, ParseError *error)
{
    uint64_t numbers[5];
    Str text, word;

    if (!parquet_metadata(block->parquet, STR("weft.block"), &text)) {
        return fail(error, 0, "a Parquet file, but no block");
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        str_split(text, ' ', &word, &text);
        if (str_parse_u64(word, &numbers[i]) != 0) {
            return fail(error, 0, "the block's summary is malformed");
        }
        if (i == 0 && numbers[0] > BLOCK_VERSION) {
            return fail(error, 0, "the block is of a newer version");
        }
    }
    block->summary.n_spans = numbers[1];
    block->summary.n_traces = numbers[2];
    block->summary.min_start_ns = numbers[3];
    block->summary.max_start_ns = numbers[4];
    return numbers[1] == parquet_n_rows(block->parquet)
               ? 0
               : fail(error, 0, "the block's summary disagrees with its rows");
}

/* Whether no row has a value in it: files of several row groups have columns that nobody needed. */
static bool is_empty(const Block *block, size_t column)
{
    size_t n = parquet_n_groups(block->parquet), group = 0;

    while (group < n && parquet_is_null_column(block->parquet, column, group)) {
        group++;
    }
    return n > 0 && group == n;
}

/* A column of the file is a fixed one, or an attribute's of a type that one can have. */
static int note_column(Block *block, size_t column, ParseError *error)
{
    static const Str prefix = STR("resource.");
    const ParquetColumn *found = parquet_column(block->parquet, column);
    BlockColumn fixed = block_column_find(found->name);
    BlockAttributeColumn *attribute = &block->attributes[block->n_attributes];

    if (fixed < BLOCK_N_COLUMNS) {
        const ParquetColumn *expected = &block_columns[fixed];

        /* Events and links were JSON in version 1. */
        bool is_text = found->type == PARQUET_JSON && expected->type == PARQUET_STRING;

        if ((found->type != expected->type && !is_text) || found->size != expected->size ||
            block->fixed[fixed] != SIZE_MAX) {
            return fail(error, 0, "a column has the wrong type");
        }
        if ((unsigned)fixed < BLOCK_FIRST_RARE || !is_empty(block, column)) {
            block->fixed[fixed] = column;
        }
        return 0;
    }
    if (found->type != PARQUET_STRING && found->type != PARQUET_INT64 &&
        found->type != PARQUET_DOUBLE && found->type != PARQUET_BOOL &&
        found->type != PARQUET_UUID &&
        (found->type != PARQUET_FIXED || found->size > BLOCK_BINARY_MOST)) {
        return fail(error, 0, "an attribute's column has the wrong type");
    }
    *attribute = (BlockAttributeColumn){BLOCK_SPAN_LEVEL, found->name, column};
    if (str_starts_with(found->name, prefix)) {
        attribute->level = BLOCK_RESOURCE_LEVEL;
        attribute->key = str_slice(found->name, prefix.len, found->name.len);
    }
    block->n_attributes++;
    return 0;
}

static int note_columns(Block *block, ParseError *error)
{
    size_t n = parquet_n_columns(block->parquet);

    block->attributes = NEW_ARRAY(BlockAttributeColumn, n + 1);
    for (unsigned i = 0; i < BLOCK_N_COLUMNS; i++) {
        block->fixed[i] = SIZE_MAX;
    }
    for (size_t column = 0; column < n; column++) {
        TRY(note_column(block, column, error));
    }
    for (unsigned i = 0; i < BLOCK_FIRST_RARE; i++) {
        if (block->fixed[i] == SIZE_MAX) {
            return fail(error, 0, "a column is missing");
        }
    }
    if (block->fixed[BLOCK_SERVICE_NAME] != SIZE_MAX) {
        block->attributes[block->n_attributes++] = (BlockAttributeColumn){
            BLOCK_RESOURCE_LEVEL, STR("service.name"), block->fixed[BLOCK_SERVICE_NAME]};
    }
    return 0;
}

static int open_parts(Block *block, ParseError *error)
{
    TRY(block->fs->ops->size(block->file, &block->summary.file_bytes));
    TRY(parquet_open(&(ParquetSource){.read_at = read_file,
                                      .context = block,
                                      .size = block->summary.file_bytes,
                                      .is_pinned = true},
                     &block->parquet, error));
    TRY(parse_summary(block, error));
    TRY(note_columns(block, error));
    TRY(block_traces_load(block->parquet, &block->traces, error));
    TRY(parquet_read_section(block->parquet, STR("bloom"), &block->bloom, error));
    if (block->bloom.len == 0 || block->bloom.len % BLOOM_BLOCK != 0) {
        return fail(error, 0, "the Bloom filter is malformed");
    }
    return 0;
}

int block_open(FileSystem *fs, File *file, Block **ret_block, ParseError *ret_error)
{
    Block *block = NEW(Block);

    block->fs = fs;
    block->file = file;
    int r = open_parts(block, ret_error);
    if (r != 0) {
        block_close(block);
        return r;
    }
    *ret_block = block;
    return 0;
}

Block *block_close(Block *block)
{
    if (block == NULL) {
        return NULL;
    }
    parquet_close(block->parquet);
    mem_free(block->attributes);
    buf_deinit(&block->bloom);
    block_traces_deinit(&block->traces);
    if (block->fs->ops->close(block->file) != 0) {
        log_debug("closing a block failed"); /* nothing was written, so nothing is lost */
    }
    mem_free(block);
    return NULL;
}

const BlockSummary *block_summary(const Block *block)
{
    return &block->summary;
}

/* --- Columns --- */

int block_read_fixed(Block *block, BlockColumn column, size_t from, size_t to, Arena *arena,
                     ParquetVector *ret_vector, ParseError *ret_error)
{
    if (block->fixed[column] != SIZE_MAX) {
        return parquet_read(block->parquet, block->fixed[column], from, to, arena, ret_vector,
                            ret_error);
    }
    uint8_t *null = arena_alloc(arena, to - from);
    mem_fill(null, 1, to - from);
    *ret_vector =
        (ParquetVector){.type = block_columns[column].type, .n_rows = to - from, .null = null};
    return 0;
}

const BlockAttributeColumn *block_find_attribute(const Block *block, BlockLevel level, Str key)
{
    for (size_t i = 0; i < block->n_attributes; i++) {
        if (block->attributes[i].level == level && str_equal(block->attributes[i].key, key)) {
            return &block->attributes[i];
        }
    }
    return NULL;
}

bool block_is_binary(const Block *block, const BlockAttributeColumn *attribute)
{
    ParquetType type = parquet_column(block->parquet, attribute->column)->type;

    return type == PARQUET_UUID || type == PARQUET_FIXED;
}

int block_read_attribute(Block *block, const BlockAttributeColumn *attribute, size_t from,
                         size_t to, Arena *arena, ParquetVector *ret_vector, ParseError *ret_error)
{
    TRY(parquet_read(block->parquet, attribute->column, from, to, arena, ret_vector, ret_error));
    if (block_is_binary(block, attribute)) {
        const ParquetColumn *column = parquet_column(block->parquet, attribute->column);

        block_binary_to_text(ret_vector, column->size, arena);
    }
    return 0;
}

Value block_vector_value(const ParquetVector *vector, size_t row)
{
    switch (vector->type) {
    case PARQUET_BOOL:
        return (Value){.type = VALUE_BOOL, .boolean = vector->bools[row] != 0};
    case PARQUET_INT64:
        return value_int(vector->ints[row]);
    case PARQUET_DOUBLE:
        return (Value){.type = VALUE_DOUBLE, .number = vector->doubles[row]};
    default:
        return value_string(parquet_str(vector, row));
    }
}

uint64_t block_group_end(const Block *block, uint64_t row)
{
    size_t group = parquet_group_of(block->parquet, (size_t)row);

    return parquet_group_row(block->parquet, group + 1);
}

/* --- Traces --- */

bool block_may_have_trace(const Block *block, TraceId id)
{
    return bloom_may_have(block->bloom.ptr, block->bloom.len, block_trace_hash(id.bytes));
}

void block_prefetch_trace(const Block *block, TraceId id)
{
    uint64_t hash = block_trace_hash(id.bytes);

    __builtin_prefetch(block->bloom.ptr + bloom_block_offset(block->bloom.len, hash));
}

/* How many rows from @row on are of the trace; @limit or more: at least so many. */
static int count_rows(Block *block, TraceId id, size_t row, size_t limit, size_t *ret_count,
                      ParseError *error)
{
    enum { STEP = 256 };
    size_t n_rows = parquet_n_rows(block->parquet);
    size_t at = row, step = STEP;

    for (;; step *= 4) {
        CLEANUP(arena_deinit) Arena arena = {0};
        size_t to = MIN(at + step, n_rows);
        ParquetVector ids;

        TRY(block_read_fixed(block, BLOCK_TRACE_ID, at, to, &arena, &ids, error));
        for (size_t i = 0; i < to - at; i++) {
            if (mem_compare(parquet_str(&ids, i).ptr, id.bytes, TRACE_ID_SIZE) != 0) {
                *ret_count = at + i - row;
                return 0;
            }
        }
        at = to;
        if (at == n_rows || at - row >= limit) {
            *ret_count = at - row;
            return 0;
        }
    }
}

/* The rows of a trace. */
typedef struct BlockTraceRows {
    size_t from, n;
    bool is_outline;
} BlockTraceRows;

/* Reads the rows and copies them, so that the caller's arena does not keep whole pages. */
static int read_rows(Block *block, const BlockTraceRows *found, Arena *arena, Span **spans,
                     size_t *n_spans, ParseError *error)
{
    CLEANUP(arena_deinit) Arena pages = {0};
    BlockRows rows = {.is_outline = found->is_outline};
    size_t from = found->from, n = found->n;

    TRY(block_rows_load(block, from, from + n, &pages, &rows, error));
    Span *views = ARENA_ARRAY(&pages, Span, n);
    for (size_t i = 0; i < n; i++) {
        TRY(block_rows_span(&rows, from + i, &pages, &views[i], error));
    }
    Span *copies = spans_copy(views, n, arena);
    Span *all = copies;
    if (*n_spans > 0) {
        all = ARENA_ARRAY(arena, Span, *n_spans + n);
        mem_copy(all, *spans, *n_spans * sizeof(Span));
        mem_copy(all + *n_spans, copies, n * sizeof(Span));
    }
    *spans = all;
    *n_spans += n;
    return 0;
}

void block_pin(Block *block)
{
    ParquetPin pin = parquet_pin(block->parquet);

    (void)pin; /* goes in block_unpin */
}

void block_unpin(Block *block)
{
    parquet_unpin(&(ParquetPin){block->parquet});
}

int block_read_rows(Block *block, uint64_t from, uint64_t end, Arena *arena, Span *ret_spans)
{
    ParseError error = {0};
    BlockRows rows = {0};

    ASSERT(from <= end && end <= block->summary.n_spans);
    int result = block_rows_load(block, (size_t)from, (size_t)end, arena, &rows, &error);
    for (size_t row = (size_t)from; row < end && result == 0; row++) {
        result = block_rows_span(&rows, row, arena, &ret_spans[row - from], &error);
    }
    return block_report(block, result, &error);
}

int block_read_trace_ids(Block *block, uint64_t from, uint64_t end, TraceId *ret_ids)
{
    CLEANUP(parquet_unpin) ParquetPin pin = parquet_pin(block->parquet);
    CLEANUP(arena_deinit) Arena arena = {0};
    ParseError error = {0};
    ParquetVector ids;

    ASSERT(from <= end && end <= block->summary.n_spans);
    TRY(block_report(
        block,
        block_read_fixed(block, BLOCK_TRACE_ID, (size_t)from, (size_t)end, &arena, &ids, &error),
        &error));
    for (size_t i = 0; i < end - from; i++) {
        mem_copy(ret_ids[i].bytes, parquet_str(&ids, i).ptr, TRACE_ID_SIZE);
    }
    return 0;
}

static int read_trace(Block *block, const BlockTraceQuestion *question, Arena *arena, Span **spans,
                      size_t *n, ParseError *error)
{
    CLEANUP(parquet_unpin) ParquetPin pin = parquet_pin(block->parquet);
    CLEANUP(arena_deinit) Arena found = {0};
    TraceId id = question->id;
    uint32_t *rows;
    size_t n_rows;

    TRY(block_traces_find(block->parquet, &block->traces, block_trace_hash(id.bytes), &found, &rows,
                          &n_rows, error));
    for (size_t i = 0; i < n_rows; i++) {
        size_t count;

        if (rows[i] >= parquet_n_rows(block->parquet)) {
            return fail(error, block->traces.entries_offset, "a trace begins behind the last row");
        }
        TRY(count_rows(block, id, rows[i], question->limit, &count, error));
        if (count > 0) { /* else another trace with such a hash */
            const BlockTraceRows part = {rows[i], MIN(count, question->limit),
                                         question->is_outline};

            TRY(read_rows(block, &part, arena, spans, n, error));
        }
    }
    return 0;
}

int block_read_trace(Block *block, TraceId id, Arena *arena, Span **spans, size_t *n)
{
    return block_read_trace_part(block, &(BlockTraceQuestion){.id = id, .limit = SIZE_MAX}, arena,
                                 spans, n);
}

int block_read_trace_part(Block *block, const BlockTraceQuestion *question, Arena *arena,
                          Span **spans, size_t *n)
{
    ParseError error = {0};
    Span *all = *spans;
    size_t count = *n;

    if (!block_may_have_trace(block, question->id)) {
        return 0;
    }
    TRY(block_report(block, read_trace(block, question, arena, &all, &count, &error), &error));
    *spans = all;
    *n = count;
    return 0;
}

/* --- Sections --- */

static int take_operations(Str in,
                           int (*visit)(void *context, Str service, Str operation, SpanKind kind,
                                        uint64_t count),
                           void *context, int *ret_visited)
{
    uint64_t n;

    TRY(varint_take(&in, &n));
    for (uint64_t i = 0; i < n; i++) {
        Str service, name, kind;
        uint64_t count;

        TRY(bytes_take_counted(&in, &service));
        TRY(bytes_take_counted(&in, &name));
        TRY(bytes_take(&in, 1, &kind));
        TRY(varint_take(&in, &count));
        if ((uint8_t)kind.ptr[0] > SPAN_KIND_CONSUMER) {
            return 1;
        }
        *ret_visited = visit(context, service, name, (SpanKind)(uint8_t)kind.ptr[0], count);
        if (*ret_visited != 0) {
            return 0;
        }
    }
    return 0;
}

int block_operations(Block *block,
                     int (*visit)(void *context, Str service, Str operation, SpanKind kind,
                                  uint64_t count),
                     void *context)
{
    CLEANUP(buf_deinit) Buf section = {0};
    ParseError error = {0};
    int visited = 0;
    int r = parquet_read_section(block->parquet, STR("operations"), &section, &error);

    if (r == 0 && take_operations(buf_str(&section), visit, context, &visited) != 0) {
        r = fail(&error, 0, "the operations section is malformed");
    }
    return r != 0 ? block_report(block, r, &error) : visited;
}

static int take_key(Str *in, BlockKeyCounts *counts)
{
    Str level;

    TRY(bytes_take(in, 1, &level));
    if ((uint8_t)level.ptr[0] >= BLOCK_N_LEVELS) {
        return 1;
    }
    counts->level = (BlockLevel)(uint8_t)level.ptr[0];
    TRY(bytes_take_counted(in, &counts->key));
    TRY(varint_take(in, &counts->n_rows));
    return varint_take(in, &counts->n_map_rows);
}

int block_key_counts(Block *block, int (*visit)(void *context, const BlockKeyCounts *counts),
                     void *context, ParseError *ret_error)
{
    CLEANUP(buf_deinit) Buf section = {0};
    uint64_t n;

    TRY(parquet_read_section(block->parquet, STR("attributes"), &section, ret_error));
    Str in = buf_str(&section);
    if (varint_take(&in, &n) != 0) {
        return fail(ret_error, 0, "the attributes section is malformed");
    }
    for (uint64_t i = 0; i < n; i++) {
        BlockKeyCounts counts;

        if (take_key(&in, &counts) != 0) {
            return fail(ret_error, 0, "the attributes section is malformed");
        }
        TRY(visit(context, &counts));
    }
    return 0;
}

typedef struct KeyVisit {
    int (*visit)(void *context, FilterField level, Str key, uint64_t count);
    void *context;
    int visited;
} KeyVisit;

/* A caller's stop is told apart from damage by its place in the context. */
enum { STOPPED = 2 };

static int visit_key(void *context, const BlockKeyCounts *counts)
{
    KeyVisit *v = context;
    FilterField level =
        counts->level == BLOCK_SPAN_LEVEL ? FIELD_SPAN_ATTRIBUTE : FIELD_RESOURCE_ATTRIBUTE;

    if (counts->level == BLOCK_SCOPE_LEVEL) {
        return 0;
    }
    v->visited = v->visit(v->context, level, counts->key, counts->n_rows);
    return v->visited == 0 ? 0 : STOPPED;
}

int block_attribute_keys(Block *block,
                         int (*visit)(void *context, FilterField level, Str key, uint64_t count),
                         void *context)
{
    KeyVisit v = {visit, context, 0};
    ParseError error = {0};
    int r = block_key_counts(block, visit_key, &v, &error);

    return r == STOPPED ? v.visited : block_report(block, r, &error);
}

/* --- Links --- */

int block_links(Block *block, int (*visit)(void *context, TraceId from, TraceId to), void *context)
{
    CLEANUP(parquet_unpin) ParquetPin pin = parquet_pin(block->parquet);
    CLEANUP(arena_deinit) Arena arena = {0};
    CLEANUP(arena_deinit) Arena row_arena = {0};
    size_t n = parquet_n_rows(block->parquet);
    ParquetVector links, ids;
    ParseError error = {0};

    TRY(block_report(block, block_read_fixed(block, BLOCK_LINKS, 0, n, &arena, &links, &error),
                     &error));
    TRY(block_report(block, block_read_fixed(block, BLOCK_TRACE_ID, 0, n, &arena, &ids, &error),
                     &error));
    for (size_t row = 0; row < n; row++) {
        Span span = {0};

        if (parquet_is_null(&links, row)) {
            continue;
        }
        arena_reset(&row_arena);
        if (block_links_read(parquet_str(&links, row), &row_arena, &span) != 0) {
            return block_report(block, fail(&error, 0, "links are malformed"), &error);
        }
        mem_copy(span.trace_id.bytes, parquet_str(&ids, row).ptr, TRACE_ID_SIZE);
        for (size_t i = 0; i < span.n_links; i++) {
            TRY(visit(context, span.trace_id, span.links[i].trace_id));
        }
    }
    return 0;
}
