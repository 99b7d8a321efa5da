// SPDX-License-Identifier: Apache-2.0
#include "store/check/parquet_walk.h"

#include <zstd.h>

#include "codec/hash.h"
#include "codec/zstd_pool.h"

/*
 * parquet-format 2.9, by its text: what a block or table may use of it, and nothing else. Numbers
 * in node_number() are field numbers of parquet.thrift.
 */
enum { BOOLEAN = 0, INT32 = 1, INT64 = 2, DOUBLE = 5, BYTE_ARRAY = 6, FIXED = 7 };
enum {
    PLAIN = 0,
    DELTA = 5,
    DELTA_LENGTH = 6,
    DICTIONARY = 8,
    UNCOMPRESSED = 0,
    ZSTD = 6,
    TAIL = 8
};
enum { DATA_PAGE = 0, DICTIONARY_PAGE = 2, REPEATED = 2, OPTIONAL = 1, PAGE_MAX = 1 << 30 };

typedef struct Leaf {
    Str name;
    int64_t type, length;
    unsigned definition, repetition; /* greatest levels */
} Leaf;

typedef struct Page {
    uint64_t offset;
    const Node *header;
    int64_t type, n_values, encoding;
    Str body;
} Page;

typedef struct Chunk {
    ParquetWalk *walk;
    const Leaf *leaf;
    const Node *meta;
    uint64_t n_dictionary, n_values, n_rows;
    bool is_trace_id;
    Arena arena;
} Chunk;

static bool tell(const Chunk *chunk, uint64_t offset, const char *what)
{
    return check_tell(chunk->walk->file, offset, what);
}

/* --- Values --- */

/* Walks @n values that stand by themselves. */
static void walk_plain(Cursor *cursor, const Leaf *leaf, uint64_t n)
{
    switch (leaf->type) {
    case BOOLEAN:
        (void)cursor_bytes(cursor, (n + 7) / 8);
        break;
    case INT32:
        (void)cursor_bytes(cursor, n * 4);
        break;
    case INT64:
    case DOUBLE:
        (void)cursor_bytes(cursor, n * 8);
        break;
    case FIXED:
        (void)cursor_bytes(cursor, n * (uint64_t)leaf->length);
        break;
    default:
        for (; n > 0 && !cursor->is_bad; n--) {
            (void)cursor_bytes(cursor, cursor_fixed(cursor, 4));
        }
    }
}

static bool walk_codes(Chunk *chunk, Cursor *cursor, const Page *page, uint64_t n)
{
    uint64_t width = cursor_fixed(cursor, 1);
    uint32_t *codes = ARENA_ARRAY(&chunk->arena, uint32_t, (size_t)n + 1);

    if (width > 32) {
        return tell(chunk, page->offset, "codes of more than 32 bits");
    }
    cursor_hybrid(cursor, (unsigned)width, codes, (size_t)n);
    for (uint64_t i = 0; i < n; i++) {
        if (codes[i] >= chunk->n_dictionary) {
            return tell(chunk, page->offset, "a code beyond the dictionary");
        }
    }
    return true;
}

/* The numbers of a miniblock, added to @at. */
static uint64_t walk_miniblock(Cursor *cursor, uint64_t per, uint64_t width, uint64_t n,
                               int64_t least, int32_t *at)
{
    Str packed = cursor_bytes(cursor, per * width / 8);
    uint64_t sum = 0;

    for (uint64_t i = 0; i < MIN(n, per) && !cursor->is_bad; i++) {
        uint64_t value = 0;

        for (uint64_t bit = i * width; bit < (i + 1) * width; bit++) {
            value |= (uint64_t)((uint8_t)packed.ptr[bit / 8] >> bit % 8 & 1) << (bit - i * width);
        }
        *at = (int32_t)((uint32_t)*at + (uint32_t)value + (uint32_t)least);
        cursor->is_bad |= *at < 0;
        sum += (uint64_t)MAX(*at, 0);
    }
    return sum;
}

/* Returns their sum when they are lengths (@sums), else 0. */
static uint64_t walk_delta(Cursor *cursor, uint64_t n, bool sums)
{
    uint64_t block = cursor_leb(cursor), minis = cursor_leb(cursor), total = cursor_leb(cursor);
    uint64_t left = total == 0 ? 0 : total - 1;
    int32_t at = (int32_t)cursor_zigzag(cursor);
    uint64_t sum = n == 0 ? 0 : (uint64_t)MAX(at, 0);

    cursor->is_bad |= total != n || minis == 0 || block == 0 || block % minis != 0 ||
                      block > 65536 || (sums && at < 0);
    while (left > 0 && !cursor->is_bad) {
        int64_t least = cursor_zigzag(cursor);
        Str widths = cursor_bytes(cursor, minis);

        for (uint64_t i = 0; i < minis && left > 0 && !cursor->is_bad; i++) {
            uint64_t per = block / minis, width = (uint8_t)widths.ptr[i];

            cursor->is_bad |= width > (sums ? 32 : 64);
            if (sums && !cursor->is_bad) {
                sum += walk_miniblock(cursor, per, width, left, least, &at);
            } else {
                (void)cursor_bytes(cursor, per * width / 8);
            }
            left -= MIN(left, per);
        }
    }
    return sums ? sum : 0;
}

static bool walk_values(Chunk *chunk, Cursor *cursor, const Page *page, uint64_t n)
{
    const uint8_t *begin = cursor->at;

    if (page->encoding == DICTIONARY) {
        if (!walk_codes(chunk, cursor, page, n)) {
            return false;
        }
    } else if (page->encoding == DELTA) {
        (void)walk_delta(cursor, n, false);
    } else if (page->encoding == DELTA_LENGTH) {
        (void)cursor_bytes(cursor, walk_delta(cursor, n, true));
    } else if (page->encoding == PLAIN) {
        walk_plain(cursor, chunk->leaf, n);
    } else {
        return tell(chunk, page->offset, "an encoding that docs/format does not have");
    }
    if (cursor->is_bad) {
        return tell(chunk, page->offset, "a page's values end too early");
    }
    if (cursor_left(cursor) > 0 && page->encoding != DELTA) {
        return tell(chunk, page->offset, "bytes behind a page's values");
    }
    if (chunk->is_trace_id) {
        buf_append(&chunk->walk->trace_ids, begin, (size_t)(cursor->at - begin));
    }
    return true;
}

/* Levels of one kind; how many are @wanted. Returns -1 when they are malformed. */
static int64_t walk_levels(Chunk *chunk, Cursor *cursor, const Page *page, unsigned greatest,
                           unsigned wanted)
{
    size_t n = (size_t)page->n_values;
    int64_t count = 0;

    if (greatest == 0) {
        return wanted == 0 ? page->n_values : 0;
    }
    Cursor levels = cursor_of(cursor_bytes(cursor, cursor_fixed(cursor, 4)));
    uint32_t *values = ARENA_ARRAY(&chunk->arena, uint32_t, n);
    cursor_hybrid(&levels, greatest == 1 ? 1 : 2, values, n);
    for (size_t i = 0; i < n; i++) {
        levels.is_bad |= values[i] > greatest;
        count += values[i] == wanted;
    }
    return levels.is_bad || cursor->is_bad ? -1 : count;
}

static bool walk_data(Chunk *chunk, const Page *page)
{
    Cursor cursor = cursor_of(page->body);
    const Leaf *leaf = chunk->leaf;
    int64_t n_rows = walk_levels(chunk, &cursor, page, leaf->repetition, 0);
    int64_t n =
        n_rows < 0 ? -1 : walk_levels(chunk, &cursor, page, leaf->definition, leaf->definition);

    if (n < 0) {
        return tell(chunk, page->offset, "a page's levels are malformed");
    }
    chunk->n_rows += (uint64_t)n_rows;
    chunk->n_values += (uint64_t)page->n_values;
    return walk_values(chunk, &cursor, page, (uint64_t)n);
}

static bool walk_dictionary(Chunk *chunk, const Page *page)
{
    Cursor cursor = cursor_of(page->body);

    chunk->n_dictionary = (uint64_t)page->n_values;
    walk_plain(&cursor, chunk->leaf, chunk->n_dictionary);
    return !cursor.is_bad && cursor_left(&cursor) == 0
               ? true
               : tell(chunk, page->offset, "a dictionary is malformed");
}

/* --- Pages --- */

static bool unpack(Chunk *chunk, Str packed, Page *page)
{
    int64_t size = node_number(page->header, 2, -1), codec = node_number(chunk->meta, 4, -1);
    const Node *crc = node_get(page->header, 4);

    if (crc == NULL || (uint32_t)crc->number != checksum_crc32(packed)) {
        return tell(chunk, page->offset, "a page's CRC does not fit");
    }
    if (size < 0 || size > PAGE_MAX || (codec != UNCOMPRESSED && codec != ZSTD)) {
        return tell(chunk, page->offset, "a page of an impossible size or compression");
    }
    page->body = packed;
    if (codec == ZSTD) {
        unsigned long long promised = ZSTD_getFrameContentSize(packed.ptr, packed.len);

        if (promised != (unsigned long long)size) { /* before memory is taken for it */
            return tell(chunk, page->offset, "a page does not have its length");
        }
        page->body = str_from_bytes(arena_alloc(&chunk->arena, (size_t)size), (size_t)size);
        if (zstd_unpack(packed, (uint8_t *)page->body.ptr, (size_t)size) != 0) {
            return tell(chunk, page->offset, "a page does not decompress");
        }
    }
    return page->body.len == (size_t)size
               ? true
               : tell(chunk, page->offset, "a page does not have its length");
}

static bool walk_page(Chunk *chunk, Cursor *cursor, uint64_t base)
{
    Page page = {.offset = base + cursor_offset(cursor)};

    page.header = cursor_struct(cursor, &chunk->arena);
    if (page.header == NULL) {
        return tell(chunk, page.offset, "a page's header is malformed");
    }
    Str packed = cursor_bytes(cursor, (uint64_t)node_number(page.header, 3, -1));
    if (cursor->is_bad) {
        return tell(chunk, page.offset, "a page reaches beyond its column");
    }
    page.type = node_number(page.header, 1, -1);
    const Node *details = node_get(page.header, page.type == DICTIONARY_PAGE ? 7 : 5);
    page.n_values = node_number(details, 1, -1);
    page.encoding = node_number(details, 2, -1);
    if (page.n_values < 0 || page.n_values > PAGE_MAX / 8) {
        return tell(chunk, page.offset, "a page has an impossible number of values");
    }
    if (!unpack(chunk, packed, &page)) {
        return false;
    }
    return page.type == DICTIONARY_PAGE ? walk_dictionary(chunk, &page)
           : page.type == DATA_PAGE     ? walk_data(chunk, &page)
                                        : tell(chunk, page.offset, "a page of an unknown type");
}

static bool walk_chunk(Chunk *chunk)
{
    const CheckFile *file = chunk->walk->file;
    uint64_t data = (uint64_t)node_number(chunk->meta, 9, 0);
    uint64_t start = (uint64_t)node_number(chunk->meta, 11, (int64_t)data);
    uint64_t size = (uint64_t)node_number(chunk->meta, 7, -1);

    start = start == 0 ? data : MIN(start, data);
    if (start > file->bytes.len || size > file->bytes.len - start) {
        return tell(chunk, chunk->walk->footer_offset, "a column lies beyond the end of the file");
    }
    Cursor cursor = cursor_of(str_slice(file->bytes, (size_t)start, (size_t)(start + size)));
    while (cursor_left(&cursor) > 0) {
        arena_reset(&chunk->arena);
        if (!walk_page(chunk, &cursor, start)) {
            return false;
        }
    }
    return chunk->n_values == (uint64_t)node_number(chunk->meta, 5, -1)
               ? true
               : tell(chunk, start, "a column's pages do not hold as many values as it says");
}

/* --- The file --- */

/* The leaves of the schema, which is stored depth first. Returns how many; 0: malformed. */
static size_t find_leaves(const Node *schema, Leaf *leaves)
{
    enum { DEPTH = 8 };
    struct {
        int64_t left;
        unsigned definition, repetition;
    } stack[DEPTH] = {{1, 0, 0}};
    size_t depth = 0, n = 0;
    const Node *node = schema == NULL ? NULL : schema->first;

    for (bool is_root = true; node != NULL; node = node->next, is_root = false) {
        while (depth > 0 && stack[depth].left == 0) {
            depth--;
        }
        int64_t kind = is_root ? 0 : node_number(node, 3, 0);
        unsigned definition = stack[depth].definition + (kind == OPTIONAL || kind == REPEATED);
        unsigned repetition = stack[depth].repetition + (kind == REPEATED);
        if (stack[depth].left-- <= 0) {
            return 0;
        }
        if (node_get(node, 1) != NULL) {
            leaves[n++] = (Leaf){node_bytes(node, 4), node_number(node, 1, -1),
                                 node_number(node, 2, 0), definition, repetition};
            continue;
        }
        if (++depth == DEPTH) {
            return 0;
        }
        stack[depth].left = node_number(node, 5, 0);
        stack[depth].definition = definition;
        stack[depth].repetition = repetition;
    }
    return n;
}

static void walk_group(ParquetWalk *walk, const Node *group, const Leaf *leaves, size_t n_leaves)
{
    const Node *columns = node_get(group, 1);
    uint64_t n_rows = (uint64_t)node_number(group, 3, -1);
    size_t i = 0;

    if (node_count(columns) != n_leaves) {
        check_tell(walk->file, walk->footer_offset, "not as many columns as the schema has");
        return;
    }
    for (const Node *column = columns->first; column != NULL; column = column->next, i++) {
        const Leaf *leaf = &leaves[i];
        Chunk chunk = {.walk = walk, .leaf = leaf, .meta = node_get(column, 3)};

        chunk.is_trace_id = str_equal(leaf->name, STR("trace_id")) && leaf->type == FIXED &&
                            leaf->length == 16 && leaf->definition == 0;
        if (leaf->type != node_number(chunk.meta, 1, -1)) {
            tell(&chunk, walk->footer_offset, "a column is not of its type in the schema");
        } else if (walk_chunk(&chunk) && chunk.n_rows != n_rows) {
            tell(&chunk, walk->footer_offset, "a column has not as many rows as the file");
        }
        arena_deinit(&chunk.arena);
    }
    walk->n_rows += n_rows;
}

static void walk_groups(ParquetWalk *walk)
{
    const Node *schema = node_get(walk->footer, 2), *groups = node_get(walk->footer, 4);
    Leaf *leaves = ARENA_ARRAY(&walk->arena, Leaf, node_count(schema) + 1);
    size_t n = find_leaves(schema, leaves);

    if (n == 0) {
        check_tell(walk->file, walk->footer_offset, "the schema is malformed");
        return;
    }
    for (const Node *group = groups == NULL ? NULL : groups->first; group != NULL;
         group = group->next) {
        walk_group(walk, group, leaves, n);
    }
    if (walk->n_rows != (uint64_t)node_number(walk->footer, 3, -1)) {
        check_tell(walk->file, walk->footer_offset,
                   "the row groups have not as many rows as the file");
    }
}

Str parquet_walk_key(const ParquetWalk *walk, const char *key)
{
    const Node *keys = node_get(walk->footer, 5);

    for (const Node *pair = keys == NULL ? NULL : keys->first; pair != NULL; pair = pair->next) {
        if (str_equal(node_bytes(pair, 1), str_from_cstr(key))) {
            return node_bytes(pair, 2);
        }
    }
    return (Str){0};
}

static bool check_footer(const ParquetWalk *walk, Str footer)
{
    Cursor hash = cursor_of(str_slice(walk->file->bytes, (size_t)walk->footer_offset - TAIL,
                                      (size_t)walk->footer_offset));

    if (!str_equal(parquet_walk_key(walk, "weft.footer"), STR("xxh3"))) {
        return true;
    }
    return cursor_fixed(&hash, TAIL) == hash_stable(footer)
               ? true
               : check_tell(walk->file, walk->footer_offset, "the footer's checksum does not fit");
}

bool parquet_walk(const CheckFile *file, ParquetWalk *ret_walk)
{
    Str bytes = file->bytes, magic = STR("PAR1");
    ParquetWalk *walk = ret_walk;

    *walk = (ParquetWalk){.file = file};
    if (bytes.len < 2 * TAIL + 4 || !str_starts_with(bytes, magic) ||
        !str_ends_with(bytes, magic)) {
        return check_tell(file, 0, "no Parquet file: PAR1 is missing at the begin or the end");
    }
    Cursor tail = cursor_of(str_slice(bytes, bytes.len - TAIL, bytes.len));
    uint64_t length = cursor_fixed(&tail, 4);
    if (length > bytes.len - 2 * TAIL - 4) {
        return check_tell(file, bytes.len - TAIL, "the footer has an impossible length");
    }
    walk->footer_offset = bytes.len - TAIL - length;
    Str footer = str_slice(bytes, (size_t)walk->footer_offset, bytes.len - TAIL);
    Cursor cursor = cursor_of(footer);
    walk->footer = cursor_struct(&cursor, &walk->arena);
    if (walk->footer == NULL) {
        return check_tell(file, walk->footer_offset, "the footer is malformed");
    }
    if (!check_footer(walk, footer)) {
        return false;
    }
    walk_groups(walk);
    return true;
}

void parquet_walk_deinit(ParquetWalk *walk)
{
    arena_deinit(&walk->arena);
    buf_deinit(&walk->trace_ids);
}
