// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/block/distinct.h"

/*
 * The `values` section (docs/format/block.md): a split-block Bloom filter over (level, key, value
 * as text), in chunks that can be read and checked one by one.
 */
enum { BLOCK_PAIR_TEXT_MAX = 64 }; /* longer texts are not in it */

/* The hash of a key, which is also the seed of its values' hashes. */
uint64_t block_pair_seed(BlockLevel level, Str key);
uint64_t block_pair_hash(uint64_t seed, Str text);

/* The filter while a block is built: `{0}` is empty. */
typedef struct BlockPairs {
    uint8_t *filter;
    size_t size;
    bool is_folded; /* it is larger than needed, to be folded at the end */
} BlockPairs;

/* Adds a row group of @n_rows. @levels are divided; @keys are theirs by block_keys_collect().
 * @n_expected: rows of the block, about; 0: this group is all. */
void block_pairs_add(BlockPairs *pairs, const BlockAttributes *levels, const BlockKeyValues *keys,
                     size_t n_keys, const BlockGroupEnd *end);

/* Appends the section. */
void block_pairs_append(BlockPairs *pairs, Buf *buf);
void block_pairs_deinit(BlockPairs *pairs);

/* Whether the filter in the section at @place may have the hash; true when it cannot be read. */
bool block_pairs_may_have(ParquetFile *file, const ParquetPlace *place, uint64_t hash);
