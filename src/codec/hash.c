// SPDX-License-Identifier: Apache-2.0
#include "codec/hash.h"

#include <libdeflate.h>
#include <xxhash.h>

uint64_t hash_stable(Str bytes)
{
    return XXH3_64bits(bytes.ptr, bytes.len);
}

uint64_t hash_stable_seeded(Str bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}

uint32_t checksum_crc32(Str bytes)
{
    /* libdeflate folds with the carry-less multiply of the CPU: some 20 GB/s. */
    return libdeflate_crc32(0, bytes.ptr == NULL ? "" : bytes.ptr, bytes.len);
}
