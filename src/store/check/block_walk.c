// SPDX-License-Identifier: Apache-2.0
#include "codec/hash.h"
#include "store/check/parquet_walk.h"

/* What docs/format/block.md says of a block beside its being Parquet: the footer keys, the private
 * sections, and that they agree with the column trace_id. */
enum { TRACE_SIZE = 16, ENTRY_SIZE = 6, BLOOM_BLOCK_SIZE = 32, VALUES_CHUNK = 31 * 32 };
enum { VERSION_NEWEST = 2 };

typedef struct Section {
    uint64_t offset;
    Str bytes; /* NULL: not there, or told already */
} Section;

/* "OFFSET LENGTH VERSION CHECKSUM" */
static Section find_section(const ParquetWalk *walk, const char *key, bool is_needed)
{
    Str text = parquet_walk_key(walk, key), words[4];
    const CheckFile *file = walk->file;
    uint64_t offset, length;
    uint8_t sum[8];

    if (text.ptr == NULL) {
        if (is_needed) {
            check_tell(file, walk->footer_offset, "a private section is missing");
        }
        return (Section){0};
    }
    for (size_t i = 0; i < 4; i++) {
        str_split(text, ' ', &words[i], &text);
    }
    if (str_parse_u64(words[0], &offset) != 0 || str_parse_u64(words[1], &length) != 0 ||
        str_parse_hex(words[3], sum, sizeof(sum)) != 0 || offset > file->bytes.len ||
        length > file->bytes.len - offset) {
        check_tell(file, walk->footer_offset, "the place of a private section is malformed");
        return (Section){0};
    }
    Str bytes = str_slice(file->bytes, (size_t)offset, (size_t)(offset + length));
    uint64_t hash = hash_stable(bytes);
    for (size_t i = 0; i < sizeof(sum); i++) {
        if (sum[i] != (uint8_t)(hash >> (56 - 8 * i))) {
            check_tell(file, offset, "a private section's checksum does not fit");
            return (Section){0};
        }
    }
    return (Section){offset, bytes};
}

/* --- Traces --- */

static Str trace_at(const ParquetWalk *walk, size_t row)
{
    return str_slice(buf_str(&walk->trace_ids), row * TRACE_SIZE, (row + 1) * TRACE_SIZE);
}

/* Whether an entry of the trace's bucket says that it begins at @row. */
static bool is_listed(Str section, uint64_t hash, uint64_t row)
{
    Cursor head = cursor_of(section);
    uint64_t n = cursor_fixed(&head, 4);
    unsigned bits = 0;

    while (bits < 32 && 1ULL << bits < n) {
        bits++;
    }
    size_t bucket = bits == 0 ? 0 : (size_t)(hash >> (64 - bits));
    Cursor pair = cursor_of(str_slice(section, 4 + bucket * 8, section.len));
    uint64_t first = cursor_fixed(&pair, 4);
    (void)cursor_fixed(&pair, 4);
    uint64_t end = cursor_fixed(&pair, 4), entries = 4 + (n + 1) * 8;
    for (uint64_t i = first; i < end; i++) {
        Cursor entry =
            cursor_of(str_slice(section, (size_t)(entries + i * ENTRY_SIZE), section.len));
        uint64_t low = cursor_fixed(&entry, 3), at = cursor_fixed(&entry, 3);

        if (entry.is_bad) {
            return false;
        }
        if (low == (hash << bits) >> 40 && at == row) {
            return true;
        }
    }
    return false;
}

/* parquet-format's BloomFilter.md. */
static bool bloom_has(Str filter, uint64_t hash)
{
    static const uint32_t salts[8] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                      0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};
    uint64_t n = filter.len / BLOOM_BLOCK_SIZE, block = (hash >> 32) * n >> 32;
    Cursor words = cursor_of(str_slice(filter, (size_t)block * BLOOM_BLOCK_SIZE, filter.len));

    for (size_t i = 0; i < 8; i++) {
        uint32_t bit = (uint32_t)hash * salts[i] >> 27;

        if ((cursor_fixed(&words, 4) >> bit & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* Each run of rows with one trace id begins where the section says, and there are as many. */
static uint64_t check_traces(const ParquetWalk *walk)
{
    Section traces = find_section(walk, "weft.section.traces", true);
    Section bloom = find_section(walk, "weft.section.bloom", true);
    size_t n_rows = walk->trace_ids.len / TRACE_SIZE;
    uint64_t n_traces = 0;

    if (bloom.bytes.len % BLOOM_BLOCK_SIZE != 0 || bloom.bytes.len == 0 || traces.bytes.len < 20) {
        check_tell(walk->file, bloom.offset, "the sections traces or bloom are malformed");
        return 0;
    }
    for (size_t row = 0; row < n_rows; row++) {
        Str id = trace_at(walk, row);
        uint64_t hash = hash_stable(id);

        if (row > 0 && str_equal(id, trace_at(walk, row - 1))) {
            continue;
        }
        n_traces++;
        if (!is_listed(traces.bytes, hash, row)) {
            check_tell(walk->file, traces.offset, "the section traces misses a trace");
            return n_traces;
        }
        if (!bloom_has(bloom.bytes, hash)) {
            check_tell(walk->file, bloom.offset, "the section bloom misses a trace");
            return n_traces;
        }
    }
    return n_traces;
}

/* --- Other sections --- */

static void check_values(const ParquetWalk *walk)
{
    Section values = find_section(walk, "weft.section.values", false);

    for (size_t at = 0; at < values.bytes.len;) {
        size_t length = MIN(values.bytes.len - at, (size_t)VALUES_CHUNK + 4) - 4;
        Str chunk = str_slice(values.bytes, at, at + length);
        Cursor crc = cursor_of(str_slice(values.bytes, at + length, at + length + 4));

        if (values.bytes.len - at <= 4 || length % BLOOM_BLOCK_SIZE != 0 ||
            cursor_fixed(&crc, 4) != checksum_crc32(chunk)) {
            check_tell(walk->file, values.offset + at, "a chunk of the section values is damaged");
            return;
        }
        at += length + 4;
    }
}

/* A varint count, then that many rows of counted texts and varints in the order of @shape: b a
 * byte, c counted bytes, v a varint. */
static void check_list(const ParquetWalk *walk, const char *key, const char *shape)
{
    Section section = find_section(walk, key, true);
    Cursor cursor = cursor_of(section.bytes);
    uint64_t n = section.bytes.ptr == NULL ? 0 : cursor_leb(&cursor);

    for (; n > 0 && !cursor.is_bad; n--) {
        for (const char *part = shape; *part != 0; part++) {
            if (*part == 'b') {
                (void)cursor_fixed(&cursor, 1);
            } else if (*part == 'c') {
                (void)cursor_counted(&cursor);
            } else {
                (void)cursor_leb(&cursor);
            }
        }
    }
    if (cursor.is_bad || cursor_left(&cursor) > 0) {
        check_tell(walk->file, section.offset, "a section's list does not end with it");
    }
}

static void check_block_walk(const ParquetWalk *walk)
{
    Str text = parquet_walk_key(walk, "weft.block"), word;
    uint64_t numbers[5];

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        str_split(text, ' ', &word, &text);
        if (str_parse_u64(word, &numbers[i]) != 0) {
            check_tell(walk->file, walk->footer_offset,
                       "the key weft.block is missing or malformed");
            return;
        }
    }
    if (numbers[0] > VERSION_NEWEST) {
        check_tell(walk->file, walk->footer_offset, "a block of a newer version");
        return;
    }
    if (numbers[1] != walk->n_rows || walk->trace_ids.len != walk->n_rows * TRACE_SIZE) {
        check_tell(walk->file, walk->footer_offset, "weft.block disagrees with the number of rows");
        return;
    }
    if (check_traces(walk) != numbers[2]) {
        check_tell(walk->file, walk->footer_offset,
                   "weft.block disagrees with the number of traces");
    }
    check_list(walk, "weft.section.operations", "ccbv");
    check_list(walk, "weft.section.attributes", "bcvv");
    check_values(walk);
    (void)find_section(walk, "weft.section.summaries", false);
    walk->file->report->n_spans += walk->n_rows;
}

void check_block(const CheckFile *file)
{
    CLEANUP(parquet_walk_deinit) ParquetWalk walk;

    if (parquet_walk(file, &walk)) {
        check_block_walk(&walk);
    }
}

void check_table(const CheckFile *file)
{
    CLEANUP(parquet_walk_deinit) ParquetWalk walk;

    (void)parquet_walk(file, &walk);
}
