// SPDX-License-Identifier: Apache-2.0
#include "store/block/sections.h"

#include <stdlib.h>

#include "base/assert.h"
#include "codec/bloom.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "store/block/columns.h"

enum { ENTRY = 6, BUCKET_TARGET = 256, BITS_MAX = 16, PAIR = 8 };

#define DESCRIBE(id, name, type, optional, encoding, size)                                         \
    [BLOCK_##id] = {STR(name), type, optional, encoding, size},
const ParquetColumn block_columns[BLOCK_N_COLUMNS] = {BLOCK_COLUMNS(DESCRIBE)};
#undef DESCRIBE

BlockColumn block_column_find(Str name)
{
    unsigned i = 0;

    while (i < BLOCK_N_COLUMNS && !str_equal(block_columns[i].name, name)) {
        i++;
    }
    return (BlockColumn)i;
}

uint64_t block_trace_hash(const void *trace_id)
{
    return hash_stable(str_from_bytes(trace_id, TRACE_ID_SIZE));
}

/* --- Traces --- */

static int compare_rows(const void *a, const void *b)
{
    const BlockTraceRow *left = a, *right = b;

    if (left->hash != right->hash) {
        return left->hash < right->hash ? -1 : 1;
    }
    return left->row < right->row ? -1 : left->row > right->row;
}

static size_t bucket_of(uint64_t hash, unsigned bits)
{
    return bits == 0 ? 0 : (size_t)(hash >> (64 - bits));
}

static uint32_t short_hash(uint64_t hash, unsigned bits)
{
    return (uint32_t)(hash << bits >> 40);
}

static void append_u24(Buf *buf, uint32_t value)
{
    buf_append(buf, (uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16)}, 3);
}

void block_traces_append(Buf *buf, BlockTraceRow *rows, size_t n_rows)
{
    unsigned bits = 0;
    CLEANUP(buf_deinit) Buf entries = {0};
    size_t at = 0;

    if (n_rows > 0) {
        qsort(rows, n_rows, sizeof(*rows), compare_rows);
    }
    while (bits < BITS_MAX && n_rows >> bits > BUCKET_TARGET) {
        bits++;
    }
    buf_append_u32le(buf, 1U << bits);
    for (size_t bucket = 0; bucket < (size_t)1 << bits; bucket++) {
        size_t start = entries.len;

        buf_append_u32le(buf, (uint32_t)at);
        for (; at < n_rows && bucket_of(rows[at].hash, bits) == bucket; at++) {
            append_u24(&entries, short_hash(rows[at].hash, bits));
            append_u24(&entries, rows[at].row);
        }
        buf_append_u32le(buf, checksum_crc32(str_slice(buf_str(&entries), start, entries.len)));
    }
    buf_append_u32le(buf, (uint32_t)n_rows);
    buf_append_u32le(buf, 0);
    buf_append_str(buf, buf_str(&entries));
}

/* Every new trace is asked of every block of its time, so a false "yes", which costs a read, must
 * be rarer than for other filters: 0.14 % with sixteen bits a trace, 1.3 % with ten. */
void block_bloom_append(Buf *buf, const BlockTraceRow *rows, size_t n_rows)
{
    enum { BITS_PER_TRACE = 16 };
    size_t size = bloom_size(n_rows * BITS_PER_TRACE / BLOOM_BITS_PER_KEY);
    uint8_t *filter = buf_grow(buf, size);

    mem_fill(filter, 0, size);
    for (size_t i = 0; i < n_rows; i++) {
        bloom_add(filter, size, rows[i].hash);
    }
}

static int fail(ParseError *error, uint64_t offset, const char *text)
{
    *error = (ParseError){.offset = (size_t)offset, .text = text};
    return 1;
}

static int check_traces(const BlockTraces *traces, const ParquetPlace *place, size_t head)
{
    size_t n = (size_t)1 << traces->bits;

    for (size_t i = 0; i < n; i++) {
        if (traces->buckets[2 * i] > traces->buckets[2 * (i + 1)]) {
            return 1;
        }
    }
    return traces->buckets[0] != 0 ||
           place->length - head != (uint64_t)traces->buckets[2 * n] * ENTRY;
}

int block_traces_load(ParquetFile *file, BlockTraces *ret_traces, ParseError *ret_error)
{
    ParquetPlace place;
    uint32_t n;

    if (!parquet_section(file, STR("traces"), &place) || place.length < 4 + 2 * PAIR) {
        return fail(ret_error, 0, "the trace section is missing");
    }
    TRY(parquet_read_bytes(file, place.offset, &n, sizeof(n), ret_error));
    size_t head = 4 + ((size_t)n + 1) * PAIR;
    if (n == 0 || (n & (n - 1)) != 0 || n > 1U << BITS_MAX || head > place.length) {
        return fail(ret_error, place.offset, "the trace section is malformed");
    }
    BlockTraces traces = {.entries_offset = place.offset + head,
                          .bits = (unsigned)__builtin_ctz(n),
                          .buckets = NEW_ARRAY(uint32_t, 2 * ((size_t)n + 1))};
    int r = parquet_read_bytes(file, place.offset + 4, traces.buckets, head - 4, ret_error);
    if (r == 0 && check_traces(&traces, &place, head) != 0) {
        r = fail(ret_error, place.offset, "the trace section is malformed");
    }
    if (r != 0) {
        block_traces_deinit(&traces);
        return r;
    }
    traces.n_entries = traces.buckets[2 * (size_t)n];
    *ret_traces = traces;
    return 0;
}

static uint32_t load_u24(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
}

int block_traces_find(ParquetFile *file, const BlockTraces *traces, uint64_t hash, Arena *arena,
                      uint32_t **ret_rows, size_t *ret_n, ParseError *ret_error)
{
    const uint32_t *bucket = &traces->buckets[2 * bucket_of(hash, traces->bits)];
    size_t n = bucket[2] - bucket[0], n_found = 0;
    uint64_t offset = traces->entries_offset + (uint64_t)bucket[0] * ENTRY;
    uint8_t *entries = arena_alloc(arena, n * ENTRY);
    uint32_t *rows = ARENA_ARRAY(arena, uint32_t, n);

    TRY(parquet_read_bytes(file, offset, entries, n * ENTRY, ret_error));
    if (checksum_crc32(str_from_bytes(entries, n * ENTRY)) != bucket[1]) {
        return fail(ret_error, offset, "a bucket of the trace section is damaged");
    }
    for (size_t i = 0; i < n; i++) {
        if (load_u24(entries + i * ENTRY) == short_hash(hash, traces->bits)) {
            rows[n_found++] = load_u24(entries + i * ENTRY + 3);
        }
    }
    *ret_rows = rows;
    *ret_n = n_found;
    return 0;
}

void block_traces_deinit(BlockTraces *traces)
{
    mem_free(traces->buckets);
    *traces = (BlockTraces){0};
}

/* --- Operations --- */

typedef struct Operation {
    uint32_t service, name, kind;
    uint32_t count; /* of a block's rows: fits */
} Operation;

enum { OPERATION_KEY = 3 * sizeof(uint32_t) };

static uint32_t find_operation(BlockOperations *operations, const Span *span)
{
    Arena arena = {0};
    Operation key = {.kind = span->kind};

    if (operations->table.record_size == 0) {
        table_init(&operations->table, sizeof(Operation), OPERATION_KEY);
    }
    key.service = symbols_intern(&operations->texts, span_service_name(span, &arena));
    key.name = symbols_intern(&operations->texts, span->name);
    arena_deinit(&arena);
    const Operation *operation = table_put(&operations->table, &key, NULL);
    return (uint32_t)(operation - (const Operation *)(const void *)operations->table.records);
}

void block_operations_add(BlockOperations *operations, const Span *span)
{
    uint64_t mixed =
        ((uint64_t)(uintptr_t)span->name.ptr ^ (uint64_t)(uintptr_t)span->resource << 7) +
        span->kind;
    size_t at = (size_t)(mixed * 0x9e3779b97f4a7c15U >> 56);

    if (operations->recent[at].record == 0 || operations->recent[at].resource != span->resource ||
        operations->recent[at].name != span->name.ptr ||
        operations->recent[at].name_length != span->name.len ||
        operations->recent[at].kind != span->kind) {
        operations->recent[at].record = find_operation(operations, span) + 1;
        operations->recent[at].resource = span->resource;
        operations->recent[at].name = span->name.ptr;
        operations->recent[at].name_length = span->name.len;
        operations->recent[at].kind = span->kind;
    }
    Operation *operation = table_at(&operations->table, operations->recent[at].record - 1);
    operation->count++;
}

void block_operations_forget(BlockOperations *operations)
{
    mem_fill(operations->recent, 0, sizeof(operations->recent));
}

void block_operations_append(const BlockOperations *operations, Buf *buf)
{
    varint_append(buf, operations->table.n_records);
    for (size_t i = 0; i < operations->table.n_records; i++) {
        const Operation *operation = table_at(&operations->table, i);

        bytes_append_counted(buf, symbols_get(&operations->texts, operation->service));
        bytes_append_counted(buf, symbols_get(&operations->texts, operation->name));
        buf_append_byte(buf, (uint8_t)operation->kind);
        varint_append(buf, operation->count);
    }
}

void block_operations_deinit(BlockOperations *operations)
{
    symbols_deinit(&operations->texts);
    mem_free(operations->table.slots);
    mem_free(operations->table.records);
    *operations = (BlockOperations){0};
}
