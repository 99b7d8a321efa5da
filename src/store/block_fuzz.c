// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "store/block/testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * A block with changes: the input is a list of (offset, byte) in four bytes each, put into a good
 * file that is made once. Checksums would end every try at once, so the footer's is mended, and an
 * odd first byte lets the input be the file itself.
 */
enum { SPANS = 24 };

static Buf good;
static TraceId trace;

static void make_good(void)
{
    Arena arena = {0};
    Maker maker = {.state = 4711, .arena = &arena, .is_wild = true};
    BlockSummary summary;
    Span *spans = make_spans(&maker, SPANS);

    make_block(spans, SPANS, &good, &summary);
    trace = spans[SPANS / 2].trace_id;
    arena_deinit(&arena);
    log_set_level(LOG_SILENT);
}

static int ignore_span(void *context, const Span *span)
{
    return 0;
}

static int ignore_match(void *context, const BlockMatch *match)
{
    return 0;
}

static int ignore_name(void *context, Str service, Str operation, SpanKind kind, uint64_t count)
{
    return 0;
}

static int ignore_value(void *context, Str value, uint64_t count)
{
    return 0;
}

static int ignore_link(void *context, TraceId from, TraceId to)
{
    return 0;
}

static void ask_everything(Str bytes)
{
    const Filter everything = {.op = FILTER_TRUE};
    Arena arena = {0};
    Span *spans = NULL;
    size_t n = 0;
    Block *block;
    ParseError error;
    int sum = 0;

    if (bytes_block_open(bytes, &block, &error) != 0) {
        return;
    }
    sum += block_read_trace(block, trace, &arena, &spans, &n);
    sum += block_scan(block, &everything, 0, UINT64_MAX, ignore_span, NULL);
    for (FilterField field = FIELD_ATTRIBUTE; field <= FIELD_LINK_SPAN_ID; field++) {
        Filter filter = {.op = FILTER_COMPARE,
                         .field = field,
                         .comparison = COMPARE_NOT_EQUAL,
                         .key = STR("a"),
                         .operand = value_int(5)};
        BlockSearch search = {
            .filter = &filter, .from_ns = 1, .to_ns = UINT64_MAX, .visit = ignore_match};
        sum += block_search(block, &search);
    }
    sum += block_operations(block, ignore_name, NULL);
    bool is_partial;
    sum += block_attribute_values(block, FIELD_SPAN_ATTRIBUTE, STR("a"), ignore_value, NULL,
                                  &is_partial);
    BlockValueSummary summary;
    Value value = value_string(STR("GET"));
    sum += block_value_summary(block, FIELD_SPAN_ATTRIBUTE, STR("a"), &arena, &summary);
    sum += block_may_have_value(block, FIELD_ATTRIBUTE, STR("a"), &value);
    sum += block_links(block, ignore_link, NULL);
    block_close(block);
    arena_deinit(&arena);
    if (sum < 0) { /* -errno of a read beyond the end: the reader should have known */
        __builtin_trap();
    }
}

static void mend_footer(uint8_t *bytes, size_t size)
{
    uint32_t length;

    mem_copy(&length, bytes + size - 8, sizeof(length));

    if (length <= size - 16) {
        uint8_t *footer = bytes + size - 8 - length;
        store_u64le(footer - 8, hash_stable(str_from_bytes(footer, length)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (good.len == 0) {
        make_good();
    }
    if (size > 0 && data[0] % 2 == 1) {
        ask_everything(str_from_bytes(data + 1, size - 1));
        return 0;
    }
    uint8_t *copy = mem_alloc(good.len);
    mem_copy(copy, good.ptr, good.len);
    for (size_t at = 1; at + 4 <= size; at += 4) {
        /* Counted from the end, where the metadata is, so that small numbers are interesting. */
        size_t offset = ((size_t)data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16);
        copy[good.len - 1 - offset % good.len] = data[at + 3];
    }
    mend_footer(copy, good.len);
    ask_everything(str_from_bytes(copy, good.len));
    mem_free(copy);
    return 0;
}
