// SPDX-License-Identifier: Apache-2.0
#include "store/parquet/decode.h"

#include <snappy-c.h>
#include <zstd.h>

#include "base/assert.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "codec/zstd_pool.h"

/*
 * A page is decoded in three steps: its levels, its values without the nulls, then both into the
 * slots of the result. Bytes stay codes as long as all pages have the same dictionary. Everything
 * is checked against what was asked for before memory is taken: rows against the footer's, levels
 * against the page limit, codes against the dictionary.
 */

static int fail(ParquetSlots *slots, uint64_t offset, const char *text)
{
    *slots->error = (ParseError){.offset = (size_t)offset, .text = text};
    return 1;
}

static size_t page_max(const ParquetSlots *slots)
{
    return slots->source->page_max == 0 ? (size_t)512 << 20 : slots->source->page_max;
}

int parquet_load(const ParquetSource *source, uint64_t offset, uint64_t len, Arena *arena,
                 Str *ret_bytes, ParseError *ret_error)
{
    uint64_t size = source->read_at == NULL ? source->bytes.len : source->size;

    if (offset > size || len > size - offset) {
        *ret_error = (ParseError){(size_t)offset, "a range reaches beyond the end of the file"};
        return 1;
    }
    if (source->read_at == NULL) {
        *ret_bytes = str_from_bytes(source->bytes.ptr + offset, (size_t)len);
        return 0;
    }
    uint8_t *bytes = arena_alloc(arena, (size_t)len);
    TRY(source->read_at(source->context, offset, bytes, (size_t)len));
    *ret_bytes = str_from_bytes(bytes, (size_t)len);
    return 0;
}

/* --- Pages --- */

static int decompress_body(int32_t codec, Str packed, Str body)
{
    if (codec == CODEC_ZSTD) {
        return zstd_unpack(packed, (uint8_t *)body.ptr, body.len);
    }
    size_t size = body.len;
    return snappy_uncompress(packed.ptr, packed.len, (char *)body.ptr, &size) != SNAPPY_OK ||
           size != body.len;
}

/* Whether the compressed bytes themselves promise @size bytes, before memory is taken for them. */
static bool is_promised(int32_t codec, Str packed, size_t size)
{
    size_t length;

    if (codec == CODEC_ZSTD) {
        unsigned long long promised = ZSTD_getFrameContentSize(packed.ptr, packed.len);
        return promised == size || promised == ZSTD_CONTENTSIZE_UNKNOWN;
    }
    return snappy_uncompressed_length(packed.ptr, packed.len, &length) == SNAPPY_OK &&
           length == size;
}

static int unpack_page(ParquetSlots *slots, int32_t codec, Str packed, Arena *arena,
                       ParquetPage *page)
{
    size_t size = (size_t)page->meta.uncompressed_size;

    if (page->meta.has_crc && checksum_crc32(packed) != page->meta.crc) {
        return fail(slots, page->offset, "a page's checksum does not fit");
    }
    if (codec == CODEC_NONE) {
        page->body = packed;
        return packed.len == size ? 0 : fail(slots, page->offset, "a page has the wrong length");
    }
    if (codec != CODEC_ZSTD && codec != CODEC_SNAPPY) {
        return fail(slots, page->offset, "a compression that is not read");
    }
    if (!is_promised(codec, packed, size)) {
        return fail(slots, page->offset, "a page does not decompress to its length");
    }
    page->body = str_from_bytes(arena_alloc(arena, size), size);
    if (decompress_body(codec, packed, page->body) != 0) {
        return fail(slots, page->offset, "a page does not decompress");
    }
    return 0;
}

/* Takes one page off @in (whose first byte is at @offset of the file). */
static int take_page(ParquetSlots *slots, int32_t codec, Str *in, uint64_t offset,
                     ParquetPage *ret_page)
{
    ParquetPage page = {.offset = offset};
    ParseError error;
    size_t header;
    Str packed;

    if (meta_parse_page(*in, &page.meta, &header, &error) != 0) {
        return fail(slots, offset + error.offset, error.text);
    }
    Str rest = str_slice(*in, header, in->len);
    if (page.meta.compressed_size < 0 || page.meta.uncompressed_size < 0 ||
        (size_t)page.meta.uncompressed_size > page_max(slots) || page.meta.n_values < 0 ||
        (size_t)page.meta.n_values > page_max(slots) / 8 ||
        bytes_take(&rest, (uint64_t)page.meta.compressed_size, &packed) != 0) {
        return fail(slots, offset, "a page has an impossible size");
    }
    /* Strings of the result are views into plain pages; other pages are dropped soon. */
    bool is_kept = page.meta.type == PAGE_DICTIONARY ||
                   ((page.meta.encoding == ENCODING_PLAIN ||
                     page.meta.encoding == ENCODING_DELTA_LENGTH_BYTE_ARRAY) &&
                    slots->leaf->type >= PARQUET_BYTES);
    if (page.meta.type == PAGE_DATA || page.meta.type == PAGE_DICTIONARY) {
        TRY(unpack_page(slots, codec, packed, is_kept ? slots->arena : &slots->scratch, &page));
    }
    *in = rest;
    *ret_page = page;
    return 0;
}

/* --- Chunks --- */

static int decode_dictionary(ParquetSlots *s, ParquetPage *page, ParquetVector *ret_dictionary)
{
    Str in = page->body;

    page->meta.encoding = ENCODING_PLAIN; /* older writers say PLAIN_DICTIONARY and mean it */
    page->values.n = page->end = (size_t)page->meta.n_values;
    if (page->values.n > page->body.len || s->leaf->physical == PHYSICAL_BOOLEAN ||
        parquet_take_values(s->leaf, page, &in, s->arena) != 0) {
        return fail(s, page->offset, "a dictionary is malformed");
    }
    *ret_dictionary = (ParquetVector){.type = s->leaf->type, .n_rows = page->values.n};
    if (page->values.strs != NULL) {
        ret_dictionary->strs = page->values.strs;
    } else {
        ret_dictionary->ints = page->values.ints;
    }
    return 0;
}

/* Which values of a flat page the rows asked for have: a look at one trace needs few of thousands.
 */
static void want_values(const ParquetSlots *s, ParquetPage *page, size_t first)
{
    size_t from = s->from > first ? MIN(s->from - first, page->n_levels) : 0;
    size_t to = s->to > first ? MIN(s->to - first, page->n_levels) : 0;

    page->first = 0;
    page->end = page->values.n;
    if (s->leaf->max_repetition > 0 || from >= to) {
        return;
    }
    page->first = from;
    page->end = to;
    for (size_t i = 0; page->definitions != NULL && i < to; i++) {
        page->first -= i < from && page->definitions[i] == 0;
        page->end -= page->definitions[i] == 0;
    }
}

static _Thread_local uint64_t pages_read;

uint64_t parquet_pages_read(void)
{
    return pages_read;
}

/* Decodes one data page and stores its rows. @ret_rows: how many it has. */
static int decode_data(ParquetSlots *s, ParquetPage *page, size_t first,
                       const ParquetVector *dictionary, size_t *ret_rows)
{
    int32_t encoding = page->meta.encoding;
    bool is_coded = encoding == ENCODING_RLE_DICTIONARY || encoding == ENCODING_PLAIN_DICTIONARY;
    Str in = page->body;

    pages_read++;
    if (is_coded && dictionary == NULL) {
        return fail(s, page->offset, "a page needs a dictionary that is not there");
    }
    if (parquet_take_all_levels(s->leaf, page, &in, &s->scratch) != 0) {
        return fail(s, page->offset, "the levels of a page are malformed");
    }
    want_values(s, page, first);
    int bad = is_coded ? parquet_take_codes(page, &in, dictionary->n_rows, &s->scratch)
                       : parquet_take_values(s->leaf, page, &in, &s->scratch);
    if (bad != 0) {
        return fail(s, page->offset, "the values of a page are malformed or not read");
    }
    if (!is_coded || (s->dictionary != NULL && s->dictionary != dictionary)) {
        parquet_slots_materialise(s);
    }
    s->dictionary = dictionary;
    size_t extra =
        s->leaf->max_repetition == 0 ? MIN(page->n_levels, s->to - s->from) : page->n_levels;
    parquet_slots_reserve(s, extra);
    *ret_rows = parquet_slots_store_page(s, page, first, dictionary);
    return 0;
}

/* A run of bytes of one chunk: a dictionary page, or pages one behind the other from row @first. */
static int decode_run(ParquetSlots *s, const MetaChunk *chunk, Str in, uint64_t offset,
                      size_t *first, size_t end, ParquetVector **dictionary)
{
    const char *start = in.ptr;

    while (in.len > 0 && *first < MIN(end, s->to)) {
        ParquetPage page;
        size_t n_rows = 0;

        arena_reset(&s->scratch);
        TRY(take_page(s, chunk->codec, &in, offset + (uint64_t)(in.ptr - start), &page));
        if (page.meta.type == PAGE_DICTIONARY) {
            *dictionary = ARENA_NEW(s->arena, ParquetVector);
            TRY(decode_dictionary(s, &page, *dictionary));
            continue;
        }
        if (page.meta.type != PAGE_DATA) {
            return fail(s, page.offset, "a kind of page that is not read");
        }
        TRY(decode_data(s, &page, *first, *dictionary, &n_rows));
        *first += n_rows;
        if (*first > end) {
            return fail(s, page.offset, "a page has more rows than its row group");
        }
    }
    return 0;
}

/* Without a page index: the whole chunk. */
static int decode_whole(ParquetSlots *s, const MetaChunk *chunk, size_t first, size_t n_rows)
{
    ParquetVector *dictionary = NULL;
    int64_t start = chunk->dictionary_offset > 0 && chunk->dictionary_offset < chunk->data_offset
                        ? chunk->dictionary_offset
                        : chunk->data_offset;
    size_t row = first;
    Str bytes;

    if (start < 0 || chunk->compressed_size < 0) {
        return fail(s, 0, "a column has an impossible place");
    }
    TRY(parquet_load(s->source, (uint64_t)start, (uint64_t)chunk->compressed_size, s->arena, &bytes,
                     s->error));
    TRY(decode_run(s, chunk, bytes, (uint64_t)start, &row, first + n_rows, &dictionary));
    return row >= MIN(first + n_rows, s->to)
               ? 0
               : fail(s, (uint64_t)start, "a column has too few rows");
}

/* The pages [*ret_low, *ret_high) hold the rows wanted. Returns whether the index is sound. */
static bool choose_pages(const ParquetSlots *s, const MetaLocation *pages, size_t n_pages,
                         size_t first, size_t n_rows, size_t *ret_low, size_t *ret_high)
{
    size_t low = 0, high = 0;

    for (size_t i = 0; i < n_pages; i++) {
        int64_t next = i + 1 < n_pages ? pages[i + 1].first_row : (int64_t)n_rows;

        if (pages[i].offset < 4 || pages[i].size <= 0 || pages[i].first_row < 0 ||
            pages[i].first_row >= next || next > (int64_t)n_rows ||
            (i > 0 && pages[i].offset < pages[i - 1].offset + pages[i - 1].size)) {
            return false;
        }
        low += first + (size_t)next <= s->from;
        high += first + (size_t)pages[i].first_row < s->to;
    }
    *ret_low = low;
    *ret_high = high;
    return n_pages > 0 && pages[0].first_row == 0 && low < high;
}

static int load_pages(ParquetSlots *s, const MetaChunk *chunk, Arena *arena,
                      MetaLocation **ret_pages, size_t *ret_n)
{
    CLEANUP(arena_deinit) Arena scratch = {0};
    Str index;

    TRY(parquet_load(s->source, (uint64_t)chunk->offset_index, (uint64_t)chunk->offset_index_size,
                     &scratch, &index, s->error));
    if (meta_parse_offset_index(index, arena, ret_pages, ret_n, s->error) != 0) {
        return fail(s, (uint64_t)chunk->offset_index + s->error->offset, s->error->text);
    }
    return 0;
}

/* The page between @chunk's beginning and its first data page, with s->arena for its memory. */
static int read_dictionary(ParquetSlots *s, const MetaChunk *chunk, Str bytes,
                           ParquetVector **ret_dictionary)
{
    uint64_t offset = (uint64_t)chunk->dictionary_offset;
    ParquetVector *dictionary = ARENA_NEW(s->arena, ParquetVector);
    ParquetPage page;

    TRY(take_page(s, chunk->codec, &bytes, offset, &page));
    if (page.meta.type != PAGE_DICTIONARY) {
        return fail(s, offset, "a dictionary page holds rows");
    }
    TRY(decode_dictionary(s, &page, dictionary));
    *ret_dictionary = dictionary;
    return 0;
}

static int load_dictionary(ParquetSlots *s, const MetaChunk *chunk, int64_t first_page,
                           Arena *arena, ParquetVector **ret_dictionary)
{
    CLEANUP(arena_deinit) Arena scratch = {0};
    uint64_t offset = (uint64_t)chunk->dictionary_offset;
    Arena *own = s->arena;
    Str bytes;

    *ret_dictionary = NULL;
    if (chunk->dictionary_offset <= 0 || chunk->dictionary_offset >= first_page) {
        return 0;
    }
    /* A dictionary that is not compressed is what the bytes hold: they must stay. */
    Arena *packed = chunk->codec == CODEC_NONE ? arena : &scratch;
    TRY(parquet_load(s->source, offset, (uint64_t)first_page - offset, packed, &bytes, s->error));
    s->arena = arena;
    int r = read_dictionary(s, chunk, bytes, ret_dictionary);
    s->arena = own;
    return r;
}

static int load_chunk(ParquetSlots *s, const MetaChunk *chunk, Arena *arena, CachedChunk *ret_chunk)
{
    TRY(load_pages(s, chunk, arena, &ret_chunk->pages, &ret_chunk->n_pages));
    return ret_chunk->n_pages == 0 ? 0
                                   : load_dictionary(s, chunk, ret_chunk->pages[0].offset, arena,
                                                     &ret_chunk->dictionary);
}

/* Page locations and dictionary: from the cache, or what was kept, or into @into, whose memory is
 * then the result's. */
static int find_chunk(ParquetSlots *s, const MetaChunk *chunk, CachedChunk *into,
                      const CachedChunk **ret_chunk)
{
    if (s->cache != NULL) {
        CachedChunk made = {0};

        *ret_chunk = parquet_cache_find(s->cache, s->cache_slot);
        if (*ret_chunk != NULL) {
            return 0;
        }
        int r = load_chunk(s, chunk, &made.arena, &made);
        if (r != 0) {
            arena_deinit(&made.arena);
            return r;
        }
        *ret_chunk = parquet_cache_put(s->cache, s->cache_slot, made);
        return 0;
    }
    *ret_chunk = into;
    if (s->kept != NULL && *s->kept != NULL) {
        into->dictionary = *s->kept;
        return load_pages(s, chunk, s->arena, &into->pages, &into->n_pages);
    }
    TRY(load_chunk(s, chunk, s->kept == NULL ? s->arena : s->kept_arena, into));
    if (s->kept != NULL) {
        *s->kept = into->dictionary;
    }
    return 0;
}

int parquet_decode_dictionary(ParquetSlots *slots, const MetaChunk *chunk,
                              ParquetVector **ret_dictionary)
{
    CachedChunk own = {0};
    const CachedChunk *found;

    *ret_dictionary = NULL;
    if (slots->leaf->physical != chunk->physical) {
        return fail(slots, 0, "a column's type differs from the schema's");
    }
    if (chunk->offset_index <= 0 || chunk->offset_index_size <= 0) {
        return 0;
    }
    TRY(find_chunk(slots, chunk, &own, &found));
    *ret_dictionary = found->dictionary;
    return 0;
}

static int decode_indexed(ParquetSlots *s, const MetaChunk *chunk, size_t first, size_t n_rows)
{
    CachedChunk own = {0};
    const CachedChunk *found;
    size_t low, high;
    Str bytes;

    TRY(find_chunk(s, chunk, &own, &found));
    const MetaLocation *pages = found->pages;
    if (!choose_pages(s, pages, found->n_pages, first, n_rows, &low, &high)) {
        return fail(s, (uint64_t)chunk->offset_index, "a page index is impossible");
    }
    int64_t start = pages[low].offset, end = pages[high - 1].offset + pages[high - 1].size;
    size_t row = first + (size_t)pages[low].first_row;
    size_t last = high < found->n_pages ? first + (size_t)pages[high].first_row : first + n_rows;
    ParquetVector *dictionary = found->dictionary;
    TRY(parquet_load(s->source, (uint64_t)start, (uint64_t)(end - start), s->arena, &bytes,
                     s->error));
    TRY(decode_run(s, chunk, bytes, (uint64_t)start, &row, last, &dictionary));
    return row >= MIN(last, s->to) ? 0 : fail(s, (uint64_t)start, "a page has too few rows");
}

bool parquet_chunk_is_null(const ParquetLeaf *leaf, const MetaChunk *chunk, size_t n_rows)
{
    return leaf->max_repetition == 0 && leaf->max_definition > 0 && n_rows > 0 &&
           chunk->statistics.nulls == (int64_t)n_rows && chunk->n_values == (int64_t)n_rows;
}

int parquet_decode_chunk(ParquetSlots *slots, const MetaChunk *chunk, size_t first, size_t n_rows)
{
    arena_reset(&slots->scratch);
    if (slots->leaf->physical != chunk->physical) {
        return fail(slots, 0, "a column's type differs from the schema's");
    }
    if (parquet_chunk_is_null(slots->leaf, chunk, n_rows)) {
        parquet_slots_store_nulls(slots, MIN(first + n_rows, slots->to) - MAX(first, slots->from));
        return 0;
    }
    if (chunk->offset_index > 0 && chunk->offset_index_size > 0) {
        return decode_indexed(slots, chunk, first, n_rows);
    }
    return decode_whole(slots, chunk, first, n_rows);
}

int parquet_load_pages(ParquetSlots *slots, const MetaChunk *chunk, MetaLocation **ret_pages,
                       size_t *ret_n)
{
    *ret_n = 0;
    return chunk->offset_index <= 0 || chunk->offset_index_size <= 0
               ? 0
               : load_pages(slots, chunk, slots->arena, ret_pages, ret_n);
}
