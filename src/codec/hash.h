// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/str.h"

/* Stable hashes and checksums: the same on every machine and after every restart, so they may be
 * written to files. They do not resist an attacker who chooses the input: where that matters in
 * memory, use str_hash(). */

/* XXH3, 64 bits. */
uint64_t hash_stable(Str bytes);

/* XXH3, 64 bits, with a seed. */
uint64_t hash_stable_seeded(Str bytes, uint64_t seed);

/* CRC-32 of gzip and Parquet (polynomial 0x04C11DB7, reflected). */
uint32_t checksum_crc32(Str bytes);
