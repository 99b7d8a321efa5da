// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/parquet_meta.h"
#include "store/parquet.h"

/*
 * What is decoded of a file's chunks and wanted again at every question: page locations and
 * dictionaries. One cache per file; all files together hold at most PARQUET_CACHE_BYTES_MAX, of
 * which the least recently pinned file's go first. Thread-safe.
 *
 * Who takes from a file's cache has pinned it himself, and only when it is pinned by nobody is
 * anything dropped: so what was found lives until the finder's pin goes.
 */
enum { PARQUET_CACHE_BYTES_MAX = 24 << 20 };

typedef struct ParquetCache ParquetCache;

typedef struct CachedChunk {
    Arena arena; /* of all below */
    MetaLocation *pages;
    size_t n_pages;
    ParquetVector *dictionary; /* NULL: it has none */
} CachedChunk;

ParquetCache *parquet_cache_new(size_t n_chunks);
ParquetCache *parquet_cache_free(ParquetCache *cache); /* pinned by nobody */

void parquet_cache_pin(ParquetCache *cache);
void parquet_cache_unpin(ParquetCache *cache);

/* NULL: not there. The caller has pinned the file. */
const CachedChunk *parquet_cache_find(ParquetCache *cache, size_t chunk);

/* Takes @made over and returns it, or what another thread has put there meanwhile. The
 * caller has pinned the file. */
const CachedChunk *parquet_cache_put(ParquetCache *cache, size_t chunk, CachedChunk made);
