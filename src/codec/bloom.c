// SPDX-License-Identifier: Apache-2.0
#include "codec/bloom.h"

#include "base/assert.h"
#include "base/memory.h"

enum { WORDS = BLOOM_BLOCK / 4 };

/* The salts of the Parquet specification. */
static const uint32_t salts[WORDS] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                      0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};

size_t bloom_size(size_t n_keys)
{
    size_t blocks = (n_keys * BLOOM_BITS_PER_KEY + BLOOM_BLOCK * 8 - 1) / (BLOOM_BLOCK * 8);

    return MIN(MAX(blocks, (size_t)1) * BLOOM_BLOCK, (size_t)BLOOM_SIZE_MAX);
}

/* The upper half of the hash chooses the block, the lower half a bit in each of its words. */
size_t bloom_block_offset(size_t size, uint64_t hash)
{
    ASSERT(size >= BLOOM_BLOCK && size % BLOOM_BLOCK == 0);
    return (size_t)((hash >> 32) * (size / BLOOM_BLOCK) >> 32) * BLOOM_BLOCK;
}

void bloom_add(uint8_t *filter, size_t size, uint64_t hash)
{
    uint8_t *block = filter + bloom_block_offset(size, hash);
    uint32_t words[WORDS];

    mem_copy(words, block, sizeof(words));
    for (size_t i = 0; i < WORDS; i++) {
        words[i] |= 1U << ((uint32_t)hash * salts[i] >> 27);
    }
    mem_copy(block, words, sizeof(words));
}

bool bloom_may_have(const uint8_t *filter, size_t size, uint64_t hash)
{
    const uint8_t *block = filter + bloom_block_offset(size, hash);
    uint32_t words[WORDS];
    uint32_t missing = 0;

    mem_copy(words, block, sizeof(words));
    for (size_t i = 0; i < WORDS; i++) {
        missing |= ~words[i] & 1U << ((uint32_t)hash * salts[i] >> 27);
    }
    return missing == 0;
}
