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

/* Appends the section. @levels are finished; @keys are theirs by block_keys_collect(). */
void block_pairs_append(Buf *buf, const BlockAttributes *levels, const BlockKeyValues *keys,
                        size_t n_keys, size_t n_rows);

/* Whether the filter in the section at @place may have the hash; true when it cannot be read. */
bool block_pairs_may_have(ParquetFile *file, const ParquetPlace *place, uint64_t hash);
