// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/buf.h"

/*
 * A split-block Bloom filter (parquet-format, BloomFilter.md) over 64-bit hashes: one cache line a
 * question, no false "no", about 1 % false "yes" at BLOOM_BITS_PER_KEY. The filter is its bytes: a
 * multiple of 32, at most BLOOM_SIZE_MAX.
 */
enum { BLOOM_BLOCK = 32, BLOOM_BITS_PER_KEY = 10, BLOOM_SIZE_MAX = 128 << 20 };

/* Bytes of a filter for so many keys. */
size_t bloom_size(size_t n_keys);

/* Where in a filter the BLOOM_BLOCK bytes are that answer for the hash; they are a filter of that
 * size for this one question. */
size_t bloom_block_offset(size_t size, uint64_t hash);

void bloom_add(uint8_t *filter, size_t size, uint64_t hash);
bool bloom_may_have(const uint8_t *filter, size_t size, uint64_t hash);
