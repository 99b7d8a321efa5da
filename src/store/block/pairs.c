// SPDX-License-Identifier: Apache-2.0
#include "store/block/pairs.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "codec/bloom.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "codec/utf8.h"
#include "store/block/reader.h"

/*
 * A value that never repeats costs ten bits a row, so the filter has a budget. Keys are taken as
 * long as there is room: texts before numbers, those with few values first, which takes in most
 * keys and then as many of the identifiers as fit. A key that is left out puts its own hash in,
 * which a reader asks for first; so no list of keys has to be read. Doubles and numbers with many
 * values are always left out: nobody looks for one by equality.
 *
 * How many values there will be is known only at the end. A block of several row groups begins with
 * a filter for all that its budget allows, of FOLDS blocks or a multiple; in the end as many
 * neighbouring blocks as keep it full enough become one. That is the smaller filter itself: a
 * hash's block is hash * blocks / 2^32, so the quotient of both is its block then.
 *
 * Chunks of 31 blocks with a CRC-32: a question reads 996 bytes and trusts no byte unchecked.
 */
enum {
    CHUNK_BLOCKS = 31,
    CHUNK = CHUNK_BLOCKS * BLOOM_BLOCK,
    CHUNK_STEP = CHUNK + 4,
    PAIRS_PER_ROW = 4,
    PAIRS_LEAST = 4096, /* of a small block */
    FOLDS = 2520,       /* so many divide it: 1 to 10, 12, 14, 15 … */
};

uint64_t block_pair_seed(BlockLevel level, Str key)
{
    return hash_stable_seeded(key, (uint64_t)level);
}

uint64_t block_pair_hash(uint64_t seed, Str text)
{
    return hash_stable_seeded(text, seed);
}

/* --- Which keys are in --- */

typedef struct Choice {
    const BlockKeyValues *key;
    size_t number;
    uint64_t cost; /* values at most; UINT64_MAX: never in */
    bool is_text;
} Choice;

static Choice weigh(const BlockKeyValues *key, size_t number)
{
    const ColumnData *column = key->place.column;
    Choice choice = {
        .key = key, .number = number, .cost = key->place.n_group_map_rows, .is_text = true};

    if (column != NULL) {
        ParquetType type = column_description(column)->type;

        choice.is_text = type == PARQUET_STRING;
        choice.cost += key->distinct.n;
        if (!choice.is_text && (type == PARQUET_DOUBLE || !key->distinct.is_listed)) {
            choice.cost = UINT64_MAX;
        }
    }
    return choice;
}

static int compare_choices(const void *a, const void *b)
{
    const Choice *left = a, *right = b;

    if (left->is_text != right->is_text) {
        return left->is_text ? -1 : 1;
    }
    if (left->cost != right->cost) {
        return left->cost < right->cost ? -1 : 1;
    }
    return left->number < right->number ? -1 : left->number > right->number;
}

/* A key that was left out once is left out of the block; what it has put in says so. */
static bool is_left_out(const BlockPairs *pairs, uint64_t seed)
{
    return pairs->filter != NULL && bloom_may_have(pairs->filter, pairs->size, seed);
}

/* Sets the seeds of the keys that are in (0: left out). Returns how many hashes there will be. */
static size_t choose(const BlockPairs *pairs, const BlockKeyValues *keys, size_t n_keys,
                     size_t n_rows, uint64_t *seeds)
{
    CLEANUP(mem_freep) Choice *choices = NEW_ARRAY(Choice, n_keys);
    uint64_t budget = (uint64_t)n_rows * PAIRS_PER_ROW + PAIRS_LEAST, used = 0;
    size_t n_out = 0;

    for (size_t i = 0; i < n_keys; i++) {
        choices[i] = weigh(&keys[i], i);
    }
    qsort(choices, n_keys, sizeof(*choices), compare_choices);
    for (size_t i = 0; i < n_keys; i++) {
        const Choice *choice = &choices[i];
        uint64_t seed = block_pair_seed(choice->key->level, choice->key->place.key);

        if (choice->cost > budget - used || is_left_out(pairs, seed)) {
            n_out++;
            continue;
        }
        used += choice->cost;
        seeds[choice->number] = seed;
    }
    return (size_t)used + n_out;
}

/* --- Writing --- */

typedef struct Filling {
    uint8_t *filter;
    size_t size;
    const uint64_t *seeds; /* of a level's keys, or of one */
} Filling;

static void fill_text(const Filling *filling, uint64_t seed, Str text)
{
    if (seed != 0 && text.len <= BLOCK_PAIR_TEXT_MAX) {
        bloom_add(filling->filter, filling->size, block_pair_hash(seed, text));
    }
}

static void fill_entry(void *context, size_t number, Str text)
{
    const Filling *filling = context;

    fill_text(filling, filling->seeds[number], text);
}

static void fill_bytes(void *context, size_t row, int64_t number, Str bytes)
{
    const Filling *filling = context;

    fill_text(filling, *filling->seeds, bytes);
}

static void fill_column(Filling *filling, const BlockKeyValues *key, uint64_t seed)
{
    CLEANUP(arena_deinit) Arena arena = {0};

    if (key->place.column == NULL || seed == 0) {
        return;
    }
    if (!key->distinct.is_listed) {
        filling->seeds = &seed;
        column_each(key->place.column, fill_bytes, filling);
        return;
    }
    for (size_t i = 0; i < key->distinct.n; i++) {
        Value value = block_distinct_value(&key->distinct, i);

        arena_reset(&arena);
        fill_text(filling, seed, value_text(&value, &arena));
    }
}

static void append_chunks(Buf *buf, const uint8_t *filter, size_t size)
{
    for (size_t at = 0; at < size; at += CHUNK) {
        Str chunk = str_from_bytes(filter + at, MIN(size - at, (size_t)CHUNK));

        buf_append_str(buf, chunk);
        buf_append_u32le(buf, checksum_crc32(chunk));
    }
}

static void begin(BlockPairs *pairs, size_t n_hashes, uint64_t n_expected)
{
    if (n_expected == 0) {
        pairs->size = bloom_size(n_hashes);
    } else {
        size_t step = (size_t)FOLDS * BLOOM_BLOCK;
        size_t all = bloom_size((size_t)n_expected * PAIRS_PER_ROW);

        pairs->size = MIN(all + step - 1, (size_t)BLOOM_SIZE_MAX) / step * step;
        pairs->is_folded = true;
    }
    pairs->filter = NEW_ARRAY(uint8_t, pairs->size);
}

void block_pairs_add(BlockPairs *pairs, const BlockAttributes *levels, const BlockKeyValues *keys,
                     size_t n_keys, const BlockGroupEnd *end)
{
    CLEANUP(mem_freep) uint64_t *seeds = NEW_ARRAY(uint64_t, n_keys);
    size_t n_hashes = choose(pairs, keys, n_keys, end->n_rows, seeds), first = 0;

    if (pairs->filter == NULL) {
        begin(pairs, n_hashes, end->n_expected);
    }
    Filling filling = {.filter = pairs->filter, .size = pairs->size};
    for (unsigned level = 0; level < BLOCK_N_LEVELS; level++) {
        filling.seeds = seeds + first;
        block_attributes_each_entry(&levels[level], fill_entry, &filling);
        first += block_attributes_n_keys(&levels[level]);
    }
    for (size_t i = 0; i < n_keys; i++) {
        fill_column(&filling, &keys[i], seeds[i]);
        if (seeds[i] == 0) {
            bloom_add(pairs->filter, pairs->size,
                      block_pair_seed(keys[i].level, keys[i].place.key));
        }
    }
}

/* How many hashes are in, by how full it is: each sets one bit of each word of its block. */
static size_t count_hashes(const BlockPairs *pairs)
{
    double n_bits = (double)pairs->size * 8, n_set = 0;
    enum { WORD_BITS = 32 };

    for (size_t at = 0; at < pairs->size; at += sizeof(uint64_t)) {
        uint64_t word;

        mem_copy(&word, pairs->filter + at, sizeof(word));
        n_set += __builtin_popcountll(word);
    }
    double free_share = MAX(1 - n_set / n_bits, 1e-9);
    return (size_t)(-log(free_share) * (double)(pairs->size / BLOOM_BLOCK) * WORD_BITS);
}

static void fold(BlockPairs *pairs)
{
    size_t n_blocks = pairs->size / BLOOM_BLOCK, n_folds = FOLDS;
    size_t needed = bloom_size(count_hashes(pairs)) / BLOOM_BLOCK;

    while (n_folds > 1 && (n_blocks % n_folds != 0 || n_blocks / n_folds < needed)) {
        n_folds--;
    }
    for (size_t i = 0; i < pairs->size && n_folds > 1; i++) {
        size_t to = i / BLOOM_BLOCK / n_folds * BLOOM_BLOCK + i % BLOOM_BLOCK;
        uint8_t byte = pairs->filter[i];

        /* In place: the first of each run of blocks takes the place of what is folded already. */
        bool is_first = i / BLOOM_BLOCK % n_folds == 0;
        pairs->filter[to] = is_first ? byte : (uint8_t)(pairs->filter[to] | byte);
    }
    pairs->size = n_blocks / n_folds * BLOOM_BLOCK;
}

void block_pairs_append(BlockPairs *pairs, Buf *buf)
{
    if (pairs->is_folded) {
        fold(pairs);
    }
    append_chunks(buf, pairs->filter, pairs->size);
}

void block_pairs_deinit(BlockPairs *pairs)
{
    mem_free(pairs->filter);
    *pairs = (BlockPairs){0};
}

/* --- Reading --- */

bool block_pairs_may_have(ParquetFile *file, const ParquetPlace *place, uint64_t hash)
{
    uint8_t chunk[CHUNK_STEP];
    ParseError error;
    uint64_t rest = place->length % CHUNK_STEP;
    uint64_t size = place->length / CHUNK_STEP * CHUNK + (rest >= 4 ? rest - 4 : 0);

    if (size == 0 || size % BLOOM_BLOCK != 0 || size > BLOOM_SIZE_MAX) {
        return true;
    }
    size_t at = bloom_block_offset((size_t)size, hash), number = at / CHUNK;
    size_t length = MIN((size_t)size - number * CHUNK, (size_t)CHUNK);
    if (parquet_read_bytes(file, place->offset + number * CHUNK_STEP, chunk, length + 4, &error) !=
        0) {
        return true;
    }
    uint32_t crc;
    mem_copy(&crc, chunk + length, sizeof(crc));
    if (crc != checksum_crc32(str_from_bytes(chunk, length))) {
        return true;
    }
    return bloom_may_have(chunk + at % CHUNK, BLOOM_BLOCK, hash);
}

static bool may_have_text(const Block *block, const ParquetPlace *place, BlockLevel level, Str key,
                          Str text)
{
    uint64_t seed = block_pair_seed(level, key);

    return text.len > BLOCK_PAIR_TEXT_MAX || !utf8_is_valid(text) ||
           block_pairs_may_have(block->parquet, place, block_pair_hash(seed, text)) ||
           block_pairs_may_have(block->parquet, place, seed);
}

/* Numbers that are equal have the same text, but for large ones and for zero with a sign. */
static bool is_told_by_text(const Value *value)
{
    double number = value->type == VALUE_INT ? (double)value->integer : value->number;

    return (value->type != VALUE_INT && value->type != VALUE_DOUBLE) ||
           (number > -0x1p53 && number < 0x1p53);
}

static bool may_have(const Block *block, const ParquetPlace *place, BlockLevel level, Str key,
                     const Value *value)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    bool is_zero = (value->type == VALUE_INT && value->integer == 0) ||
                   (value->type == VALUE_DOUBLE && value->number == 0);

    if (!is_told_by_text(value)) {
        return true;
    }
    if (is_zero) {
        return may_have_text(block, place, level, key, STR("0")) ||
               may_have_text(block, place, level, key, STR("-0"));
    }
    return may_have_text(block, place, level, key, value_text(value, &arena));
}

bool block_may_have_value(const Block *block, FilterField field, Str key, const Value *value)
{
    ParquetPlace place;

    if (!parquet_section(block->parquet, STR("values"), &place)) {
        return true;
    }
    switch (field) {
    case FIELD_ATTRIBUTE:
        return may_have(block, &place, BLOCK_SPAN_LEVEL, key, value) ||
               may_have(block, &place, BLOCK_RESOURCE_LEVEL, key, value);
    case FIELD_SPAN_ATTRIBUTE:
        return may_have(block, &place, BLOCK_SPAN_LEVEL, key, value);
    case FIELD_RESOURCE_ATTRIBUTE:
        return may_have(block, &place, BLOCK_RESOURCE_LEVEL, key, value);
    case FIELD_SCOPE_ATTRIBUTE:
        return may_have(block, &place, BLOCK_SCOPE_LEVEL, key, value);
    default:
        return true;
    }
}
