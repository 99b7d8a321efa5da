// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "codec/bytes.h"
#include "store/block/exact.h"
#include "store/block/json.h"
#include "store/block/reader.h"

static const BlockColumn map_columns[BLOCK_N_LEVELS] = {BLOCK_ATTRIBUTES, BLOCK_RESOURCE_ATTRIBUTES,
                                                        BLOCK_SCOPE_ATTRIBUTES};
static const BlockColumn type_columns[BLOCK_N_LEVELS] = {
    BLOCK_ATTRIBUTES_TYPE, BLOCK_RESOURCE_ATTRIBUTES_TYPE, BLOCK_SCOPE_ATTRIBUTES_TYPE};

BlockColumn block_map_column(BlockLevel level)
{
    return map_columns[level];
}

BlockColumn block_map_type_column(BlockLevel level)
{
    return type_columns[level];
}

static int fail(ParseError *error, const char *text)
{
    *error = (ParseError){.text = text};
    return 1;
}

/* --- Maps --- */

int block_map_read(Block *block, BlockLevel level, size_t from, size_t to, Arena *arena,
                   BlockMap *ret_map, ParseError *ret_error)
{
    TRY(block_read_fixed(block, map_columns[level], from, to, arena, &ret_map->entries, ret_error));
    return block_read_fixed(block, type_columns[level], from, to, arena, &ret_map->types,
                            ret_error);
}

BlockMapWalk block_map_walk(const BlockMap *map, size_t row)
{
    return (BlockMapWalk){.map = map,
                          .at = map->entries.offsets[row],
                          .end = map->entries.offsets[row + 1],
                          .has_types = !parquet_is_null(&map->types, row),
                          .types = parquet_str(&map->types, row)};
}

static int typed_value(char type, Str text, Value *ret_value)
{
    switch (type) {
    case 's':
        *ret_value = value_string(text);
        return 0;
    case 'b':
        *ret_value = (Value){.type = VALUE_BOOL, .boolean = str_equal(text, STR("true"))};
        return 0;
    case 'i':
        *ret_value = (Value){.type = VALUE_INT};
        return str_parse_i64(text, &ret_value->integer);
    case 'd':
        *ret_value = (Value){.type = VALUE_DOUBLE};
        return str_parse_double(text, &ret_value->number);
    default:
        return 1;
    }
}

int block_map_next(BlockMapWalk *walk, Arena *arena, Attribute *ret_attribute)
{
    Str type = STR("s");

    if (walk->at == walk->end) {
        return walk->types.len == 0 ? 0 : -1;
    }
    if (walk->has_types && bytes_take(&walk->types, 1, &type) != 0) {
        return -1;
    }
    ret_attribute->key = parquet_str(walk->map->entries.keys, walk->at);
    Str text = parquet_str(walk->map->entries.values, walk->at);
    walk->at++;
    if (type.ptr[0] == 'x') {
        return bytes_take_counted(&walk->types, &ret_attribute->key) != 0 ||
                       exact_take_value(&walk->types, arena, &ret_attribute->value) != 0
                   ? -1
                   : 1;
    }
    return typed_value(type.ptr[0], text, &ret_attribute->value) == 0 ? 1 : -1;
}

static bool vectors_equal_at(const ParquetVector *vector, size_t a, size_t b)
{
    bool null = parquet_is_null(vector, a);

    if (null || parquet_is_null(vector, b)) {
        return null && parquet_is_null(vector, b);
    }
    if (vector->codes != NULL) {
        return vector->codes[a] == vector->codes[b];
    }
    switch (vector->type) {
    case PARQUET_BOOL:
        return vector->bools[a] == vector->bools[b];
    case PARQUET_INT32:
    case PARQUET_INT64:
    case PARQUET_DOUBLE: /* by their bits */
        return vector->ints[a] == vector->ints[b];
    default:
        return str_equal(vector->strs[a], vector->strs[b]);
    }
}

static bool maps_equal_at(const BlockMap *map, size_t a, size_t b)
{
    const uint32_t *offsets = map->entries.offsets;
    size_t n = offsets[a + 1] - offsets[a];

    if (n != offsets[b + 1] - offsets[b] || !vectors_equal_at(&map->types, a, b)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!vectors_equal_at(map->entries.keys, offsets[a] + i, offsets[b] + i) ||
            !vectors_equal_at(map->entries.values, offsets[a] + i, offsets[b] + i)) {
            return false;
        }
    }
    return true;
}

/* --- Loading --- */

/* What an outline has of the fixed columns: what tells a span's place and time in its trace, its
 * resource, and whether it failed. */
static bool is_in_outline(BlockColumn column)
{
    switch (column) {
    case BLOCK_STATUS_MESSAGE:
    case BLOCK_TRACE_STATE:
    case BLOCK_SCOPE_NAME:
    case BLOCK_SCOPE_VERSION:
    case BLOCK_FLAGS:
    case BLOCK_SCOPE_ATTRIBUTES:
    case BLOCK_SCOPE_ATTRIBUTES_TYPE:
    case BLOCK_EVENTS:
    case BLOCK_LINKS:
        return false;
    default:
        return true;
    }
}

/* A column without values, as a reader sees it. */
static ParquetVector empty_vector(const BlockRows *rows, ParquetType type, const uint8_t *nulls)
{
    ParquetVector vector = {.type = type, .n_rows = rows->to - rows->from, .null = nulls};

    if (type == PARQUET_MAP) {
        vector.null = NULL;
        vector.offsets = ARENA_ARRAY(rows->arena, uint32_t, vector.n_rows + 1);
    }
    return vector;
}

static int load_attribute(const BlockRows *rows, size_t number, const uint8_t *nulls,
                          ParseError *error)
{
    const BlockAttributeColumn *column = &rows->block->attributes[number];

    if (column->column == rows->block->fixed[BLOCK_SERVICE_NAME]) {
        rows->attributes[number] = rows->fixed[BLOCK_SERVICE_NAME];
        return 0;
    }
    if (rows->is_outline && column->level == BLOCK_SPAN_LEVEL &&
        !str_equal(column->key, STR("service.name"))) {
        rows->attributes[number] = empty_vector(rows, PARQUET_STRING, nulls);
        return 0;
    }
    return block_read_attribute(rows->block, column, rows->from, rows->to, rows->arena,
                                &rows->attributes[number], error);
}

int block_rows_load(Block *block, size_t from, size_t to, Arena *arena, BlockRows *ret_rows,
                    ParseError *ret_error)
{
    BlockRows rows = {
        .block = block, .is_outline = ret_rows->is_outline, .from = from, .to = to, .arena = arena};
    uint8_t *nulls = arena_alloc(arena, to - from);

    mem_fill(nulls, 1, to - from);
    for (unsigned i = 0; i < BLOCK_N_COLUMNS; i++) {
        if (rows.is_outline && !is_in_outline((BlockColumn)i)) {
            rows.fixed[i] = empty_vector(&rows, block_columns[i].type, nulls);
            continue;
        }
        TRY(block_read_fixed(block, (BlockColumn)i, from, to, arena, &rows.fixed[i], ret_error));
    }
    rows.attributes = ARENA_ARRAY(arena, ParquetVector, block->n_attributes);
    for (size_t i = 0; i < block->n_attributes; i++) {
        TRY(load_attribute(&rows, i, nulls, ret_error));
    }
    for (unsigned level = 0; level < BLOCK_N_LEVELS; level++) {
        rows.maps[level] =
            (BlockMap){rows.fixed[map_columns[level]], rows.fixed[type_columns[level]]};
    }
    *ret_rows = rows;
    return 0;
}

/* --- Spans --- */

static Str text_at(const BlockRows *rows, BlockColumn column, size_t at)
{
    return parquet_str(&rows->fixed[column], at);
}

static uint32_t u32_at(const BlockRows *rows, BlockColumn column, size_t at)
{
    const ParquetVector *vector = &rows->fixed[column];

    return parquet_is_null(vector, at) ? 0 : (uint32_t)vector->ints[at];
}

static size_t count_attributes(const BlockRows *rows, BlockLevel level, size_t at)
{
    const uint32_t *offsets = rows->maps[level].entries.offsets;
    size_t n = offsets[at + 1] - offsets[at];

    for (size_t i = 0; i < rows->block->n_attributes; i++) {
        n +=
            rows->block->attributes[i].level == level && !parquet_is_null(&rows->attributes[i], at);
    }
    return n;
}

/* The attributes of one level: the columns', then the map's. */
static int read_attributes(const BlockRows *rows, BlockLevel level, size_t at, Arena *arena,
                           Attributes *ret_attributes, ParseError *error)
{
    size_t n = 0;
    Attribute *items = ARENA_ARRAY(arena, Attribute, count_attributes(rows, level, at));

    for (size_t i = 0; i < rows->block->n_attributes; i++) {
        const BlockAttributeColumn *column = &rows->block->attributes[i];

        if (column->level == level && !parquet_is_null(&rows->attributes[i], at)) {
            items[n++] = (Attribute){column->key, block_vector_value(&rows->attributes[i], at)};
        }
    }
    BlockMapWalk walk = block_map_walk(&rows->maps[level], at);
    Attribute attribute;
    int more;
    while ((more = block_map_next(&walk, arena, &attribute)) > 0) {
        items[n++] = attribute;
    }
    if (more < 0) {
        return fail(error, "the types of a map are malformed");
    }
    *ret_attributes = (Attributes){items, n};
    return 0;
}

static bool same_resource(const BlockRows *rows, size_t a, size_t b)
{
    for (size_t i = 0; i < rows->block->n_attributes; i++) {
        if (rows->block->attributes[i].level == BLOCK_RESOURCE_LEVEL &&
            !vectors_equal_at(&rows->attributes[i], a, b)) {
            return false;
        }
    }
    return vectors_equal_at(&rows->fixed[BLOCK_RESOURCE_DROPPED], a, b) &&
           vectors_equal_at(&rows->fixed[BLOCK_RESOURCE_SCHEMA_URL], a, b) &&
           maps_equal_at(&rows->maps[BLOCK_RESOURCE_LEVEL], a, b);
}

static bool same_scope(const BlockRows *rows, size_t a, size_t b)
{
    return vectors_equal_at(&rows->fixed[BLOCK_SCOPE_NAME], a, b) &&
           vectors_equal_at(&rows->fixed[BLOCK_SCOPE_VERSION], a, b) &&
           vectors_equal_at(&rows->fixed[BLOCK_SCOPE_DROPPED], a, b) &&
           vectors_equal_at(&rows->fixed[BLOCK_SCOPE_SCHEMA_URL], a, b) &&
           maps_equal_at(&rows->maps[BLOCK_SCOPE_LEVEL], a, b);
}

static int read_resource(BlockRows *rows, size_t at, Span *span, ParseError *error)
{
    for (size_t i = 0; i < MIN(rows->n_resources, (size_t)BLOCK_SHARED); i++) {
        if (same_resource(rows, rows->resource_rows[i], at)) {
            span->resource = rows->resources[i];
            return 0;
        }
    }
    Resource *resource = ARENA_NEW(rows->arena, Resource);
    TRY(read_attributes(rows, BLOCK_RESOURCE_LEVEL, at, rows->arena, &resource->attributes, error));
    resource->dropped_attributes = u32_at(rows, BLOCK_RESOURCE_DROPPED, at);
    resource->schema_url = text_at(rows, BLOCK_RESOURCE_SCHEMA_URL, at);
    size_t place = rows->n_resources++ % BLOCK_SHARED;
    rows->resources[place] = resource;
    rows->resource_rows[place] = at;
    span->resource = resource;
    return 0;
}

static int read_scope(BlockRows *rows, size_t at, Span *span, ParseError *error)
{
    for (size_t i = 0; i < MIN(rows->n_scopes, (size_t)BLOCK_SHARED); i++) {
        if (same_scope(rows, rows->scope_rows[i], at)) {
            span->scope = rows->scopes[i];
            return 0;
        }
    }
    Scope *scope = ARENA_NEW(rows->arena, Scope);
    TRY(read_attributes(rows, BLOCK_SCOPE_LEVEL, at, rows->arena, &scope->attributes, error));
    scope->name = text_at(rows, BLOCK_SCOPE_NAME, at);
    scope->version = text_at(rows, BLOCK_SCOPE_VERSION, at);
    scope->dropped_attributes = u32_at(rows, BLOCK_SCOPE_DROPPED, at);
    scope->schema_url = text_at(rows, BLOCK_SCOPE_SCHEMA_URL, at);
    size_t place = rows->n_scopes++ % BLOCK_SHARED;
    rows->scopes[place] = scope;
    rows->scope_rows[place] = at;
    span->scope = scope;
    return 0;
}

static void read_ids(const BlockRows *rows, size_t at, Span *span)
{
    mem_copy(span->trace_id.bytes, text_at(rows, BLOCK_TRACE_ID, at).ptr, TRACE_ID_SIZE);
    mem_copy(span->span_id.bytes, text_at(rows, BLOCK_SPAN_ID, at).ptr, SPAN_ID_SIZE);
    Str parent = text_at(rows, BLOCK_PARENT_SPAN_ID, at);
    mem_copy(span->parent_span_id.bytes, parent.ptr, parent.len);
}

static int read_numbers(const BlockRows *rows, size_t at, Span *span, ParseError *error)
{
    SpanKind kind;
    StatusCode status;

    if (span_kind_parse(text_at(rows, BLOCK_KIND, at), &kind) != 0 ||
        status_code_parse(text_at(rows, BLOCK_STATUS_CODE, at), &status) != 0) {
        return fail(error, "a kind or status code is unknown");
    }
    span->kind = (uint8_t)kind;
    span->status_code = (uint8_t)status;
    span->start_ns = (uint64_t)rows->fixed[BLOCK_START].ints[at];
    span->end_ns = span->start_ns + (uint64_t)rows->fixed[BLOCK_DURATION].ints[at];
    if (!parquet_is_null(&rows->fixed[BLOCK_END_TIME], at)) {
        span->end_ns = (uint64_t)rows->fixed[BLOCK_END_TIME].ints[at];
    }
    span->flags = u32_at(rows, BLOCK_FLAGS, at);
    span->dropped_attributes = u32_at(rows, BLOCK_DROPPED_ATTRIBUTES, at);
    span->dropped_events = u32_at(rows, BLOCK_DROPPED_EVENTS, at);
    span->dropped_links = u32_at(rows, BLOCK_DROPPED_LINKS, at);
    return 0;
}

static int read_lists(const BlockRows *rows, size_t at, Arena *arena, Span *span, ParseError *error)
{
    if (!parquet_is_null(&rows->fixed[BLOCK_EVENTS], at) &&
        block_events_read(text_at(rows, BLOCK_EVENTS, at), arena, span) != 0) {
        return fail(error, "events are malformed");
    }
    if (!parquet_is_null(&rows->fixed[BLOCK_LINKS], at) &&
        block_links_read(text_at(rows, BLOCK_LINKS, at), arena, span) != 0) {
        return fail(error, "links are malformed");
    }
    return 0;
}

int block_rows_span(BlockRows *rows, size_t row, Arena *arena, Span *ret_span,
                    ParseError *ret_error)
{
    size_t at = row - rows->from;
    Span span = {0};

    ASSERT(row >= rows->from && row < rows->to);
    if (!parquet_is_null(&rows->fixed[BLOCK_EXACT_SPAN], at)) {
        Str exact = text_at(rows, BLOCK_EXACT_SPAN, at);
        return exact_take_span(&exact, arena, ret_span) == 0
                   ? 0
                   : fail(ret_error, "an exact span is malformed");
    }
    read_ids(rows, at, &span);
    TRY(read_numbers(rows, at, &span, ret_error));
    span.name = text_at(rows, BLOCK_NAME, at);
    span.status_message = text_at(rows, BLOCK_STATUS_MESSAGE, at);
    span.trace_state = text_at(rows, BLOCK_TRACE_STATE, at);
    TRY(read_attributes(rows, BLOCK_SPAN_LEVEL, at, arena, &span.attributes, ret_error));
    TRY(read_resource(rows, at, &span, ret_error));
    TRY(read_scope(rows, at, &span, ret_error));
    TRY(read_lists(rows, at, arena, &span, ret_error));
    *ret_span = span;
    return 0;
}
