// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/fs.h"
#include "span/filter.h"

/*
 * A block: one immutable Parquet file of spans, rows grouped by trace, then by start. The bytes are
 * in docs/format/block.md. Builder and reader share no state; neither is thread-safe, but a Block
 * (the reader) may be read by many threads at once, each with its own arena.
 */
/* Windows are from <= start < to; a @to_ns of UINT64_MAX has no end, so that a span at the very end
 * of time is in some window too. */
static inline bool starts_before(uint64_t start_ns, uint64_t to_ns)
{
    return start_ns < to_ns || to_ns == UINT64_MAX;
}

typedef struct BlockBuilder BlockBuilder;
typedef struct Block Block;

typedef struct BlockSummary {
    uint64_t n_spans, n_traces;
    uint64_t min_start_ns, max_start_ns;
    uint64_t file_bytes;
    uint64_t n_spilled_keys; /* builder: keys that are in the map only because of the limit */
} BlockSummary;

/* At most @columns_max attributes get a column of their own; 0: 256. A quarter of it is for
 * resources'. */
BlockBuilder *block_builder_new(size_t columns_max);
BlockBuilder *block_builder_free(BlockBuilder *builder);

/* Adds a span; all spans of a trace one after the other, each trace sorted by start. Strings and
 * the resource and scope structs must live until the row group ends, arrays (attributes, events,
 * links) only during the call. Strings that repeat should be the same pointer (as interned heads
 * give them): it is the fast path, not a condition. At most 2^24 spans a block (asserted). */
void block_builder_add(BlockBuilder *builder, const Span *span);

/* Spans in the builder, those of ended row groups included; and of the group at hand. */
uint64_t block_builder_spans(const BlockBuilder *builder);
uint64_t block_builder_group_spans(const BlockBuilder *builder);

/*
 * A large block is built in row groups, so that memory is that of one: about 400 bytes a span, and
 * per trace 16 bytes. What they append to @file is the file's next bytes and may be taken away.
 *
 * Which attributes become columns is decided at the end of the first group: by its rows, or, of
 * blocks whose rows are expected, by what these say; block_builder_expect() comes before the first
 * span. @n_expected: rows of the whole block, about; more than come, rather than less.
 */
enum { BLOCK_GROUP_ROWS = 1 << 16 };

/* Returns 0, 1 (damaged) or -errno. */
MUST_USE int block_builder_expect(BlockBuilder *builder, Block *source);
void block_builder_end_group(BlockBuilder *builder, uint64_t n_expected, Buf *file);

/* Encodes the rest of the file behind @file's content. The builder is then empty and can be used
 * again. */
void block_builder_finish(BlockBuilder *builder, Buf *file, BlockSummary *ret_summary);

/* Reads and checks the footer. Returns 0; 1 when the file is damaged or of a newer format:
 * @ret_error says where and what; or -errno. @file is owned by the block from then on, also on
 * failure. */
MUST_USE int block_open(FileSystem *fs, File *file, Block **ret_block, ParseError *ret_error);
Block *block_close(Block *block);

const BlockSummary *block_summary(const Block *block);

/* The row behind the row group that @row is in. */
uint64_t block_group_end(const Block *block, uint64_t row);

/* Whether the block may hold the trace; a Bloom filter's answer: no false "no". No I/O. */
bool block_may_have_trace(const Block *block, TraceId id);

/* Asks for the memory that the next question about this trace will look at. */
void block_prefetch_trace(const Block *block, TraceId id);

/* Appends the trace's spans to the array *@spans (grown in @arena, *@n counts them). Returns 0
 * (also when it is not there), 1 when the file is damaged, or -errno. */
MUST_USE int block_read_trace(Block *block, TraceId id, Arena *arena, Span **spans, size_t *n);

/* How much of a trace is read. */
typedef struct BlockTraceQuestion {
    TraceId id;
    size_t limit;    /* only the first rows: the earliest */
    bool is_outline; /* without what a list of traces does not show: events, links, and attributes
                        of spans and scopes but a span's service.name */
} BlockTraceQuestion;

/* As block_read_trace. */
MUST_USE int block_read_trace_part(Block *block, const BlockTraceQuestion *question, Arena *arena,
                                   Span **spans, size_t *n);

/* From pin to unpin, what reads have decoded of the block's dictionaries stays in memory. */
void block_pin(Block *block);
void block_unpin(Block *block);

/* Reads the rows [from, end) of a block that the caller has pinned, in their order, to @ret_spans;
 * what they point to lives as long as both @arena and the pin. Returns 0, 1 (damaged), -errno. */
MUST_USE int block_read_rows(Block *block, uint64_t from, uint64_t end, Arena *arena,
                             Span *ret_spans);

/* The trace ids of the rows [from, end). Returns as block_read_rows(). */
MUST_USE int block_read_trace_ids(Block *block, uint64_t from, uint64_t end, TraceId *ret_ids);

/* Whether the block may have a row whose attribute @key (@field one of FIELD_ATTRIBUTE to
 * FIELD_SCOPE_ATTRIBUTE) equals @value, as COMPARE_EQUAL and COMPARE_EQUAL_TEXT mean it: a Bloom
 * filter's answer, no false "no"; "yes" in doubt (older blocks, damage, long texts). Reads 1 or 2
 * kB of the file. */
bool block_may_have_value(const Block *block, FilterField field, Str key, const Value *value);

/* What a block knows of an attribute's values without reading its column. */
enum { BLOCK_TOP_VALUES = 16 };

typedef struct BlockTopValue {
    Str text; /* at most 64 bytes */
    uint64_t count;
} BlockTopValue;

typedef struct BlockValueSummary {
    bool is_known;         /* else all below is 0: an older block, or the key has no column */
    bool is_complete;      /* the top values are all there are */
    uint64_t n_distinct;   /* exact when it is complete, else an estimate, of the column */
    bool has_range;        /* all values of the column are numbers from @least to @greatest */
    Value least, greatest; /* integers or doubles */
    BlockTopValue top[BLOCK_TOP_VALUES]; /* the most frequent first, in the arena of the call */
    size_t n_top;
} BlockValueSummary;

/* @level: FIELD_SPAN_ATTRIBUTE or FIELD_RESOURCE_ATTRIBUTE. Returns 0, 1 (damaged) or -errno. */
MUST_USE int block_value_summary(Block *block, FilterField level, Str key, Arena *arena,
                                 BlockValueSummary *ret_summary);

/* One matching row. */
typedef struct BlockMatch {
    TraceId trace_id;
    uint64_t start_ns;
    uint64_t trace_start_ns; /* of the first row that the block has of the trace */
} BlockMatch;

/* What a search asks, and counts. */
typedef struct BlockSearch {
    const Filter *filter;
    uint64_t from_ns, to_ns;     /* from <= start < to */
    const uint64_t *floor_ns;    /* rows that start before it do not matter; it may rise while
                                    the search runs. NULL: none */
    bool (*stop)(void *context); /* asked every few hundred values; NULL: never */
    size_t bytes_max;            /* memory for columns at a time; 0: 64 MiB */
    int (*visit)(void *context, const BlockMatch *match);
    void *context;
    uint64_t n_scanned; /* rows looked at, added up */
} BlockSearch;

enum {
    BLOCK_STOPPED = 1000,   /* stop() said so */
    BLOCK_NO_MEMORY = 1001, /* not even a few thousand rows fit into bytes_max */
};

/*
 * Calls @visit for the rows that match, from the last window of rows to the first, in each in row
 * order, reading only columns that the filter names, and none when dictionaries say that nothing
 * matches; ends when it returns non-zero and returns that. Else 0, 1 (damaged), BLOCK_STOPPED,
 * BLOCK_NO_MEMORY or -errno.
 */
MUST_USE int block_search(Block *block, BlockSearch *search);

/* Calls @visit for every row in from <= start < to that matches, in row order, with the whole span,
 * which lives during the call; ends when it returns non-zero and returns that. Else 0, 1 (damaged),
 * -errno. */
MUST_USE int block_scan(Block *block, const Filter *filter, uint64_t from_ns, uint64_t to_ns,
                        int (*visit)(void *context, const Span *span), void *context);

/* Distinct (service, operation, kind) with counts, from a private section. */
MUST_USE int block_operations(Block *block,
                              int (*visit)(void *context, Str service, Str operation, SpanKind kind,
                                           uint64_t count),
                              void *context);

/* Attribute keys (level FIELD_SPAN_ATTRIBUTE or FIELD_RESOURCE_ATTRIBUTE) with how many rows have
 * them. */
MUST_USE int block_attribute_keys(Block *block,
                                  int (*visit)(void *context, FilterField level, Str key,
                                               uint64_t count),
                                  void *context);

/*
 * Distinct values of a key as text, with counts. Of a key with more than BLOCK_LISTED_MAX of them
 * only some, without reading its column, and @ret_partial is true: the most frequent ones, where
 * the block knows them, else those of a few thousand rows.
 */
enum { BLOCK_LISTED_MAX = 20000 };

MUST_USE int block_attribute_values(Block *block, FilterField level, Str key,
                                    int (*visit)(void *context, Str value, uint64_t count),
                                    void *context, bool *ret_partial);

/* Calls @visit for each trace id that a link of this block's spans names; for the map's stitching
 * after a restart. Reads the links column only. */
MUST_USE int block_links(Block *block, int (*visit)(void *context, TraceId from, TraceId to),
                         void *context);
