// SPDX-License-Identifier: Apache-2.0
#include "store/parquet/cache.h"

#include <pthread.h>

#include "base/assert.h"

/*
 * One mutex for all files: it is held for a few instructions, and for freeing. The list goes from
 * the file that was pinned last to the one whose time is longest ago. Bytes of pinned files may be
 * over the limit until they are let go: as many as there are query threads.
 */
struct ParquetCache {
    ParquetCache *newer, *older;
    CachedChunk **chunks;
    size_t n_chunks;
    size_t bytes;
    unsigned pins;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static ParquetCache *newest, *oldest;
static size_t all_bytes;

static void unlink_file(ParquetCache *cache)
{
    *(cache->newer == NULL ? &newest : &cache->newer->older) = cache->older;
    *(cache->older == NULL ? &oldest : &cache->older->newer) = cache->newer;
}

static void link_newest(ParquetCache *cache)
{
    cache->newer = NULL;
    cache->older = newest;
    *(newest == NULL ? &oldest : &newest->newer) = cache;
    newest = cache;
}

static void drop_all(ParquetCache *cache)
{
    for (size_t i = 0; i < cache->n_chunks && cache->bytes > 0; i++) {
        if (cache->chunks[i] != NULL) {
            arena_deinit(&cache->chunks[i]->arena);
            mem_free(cache->chunks[i]);
            cache->chunks[i] = NULL;
        }
    }
    all_bytes -= cache->bytes;
    cache->bytes = 0;
}

static void drop_oldest(void)
{
    for (ParquetCache *at = oldest; at != NULL && all_bytes > PARQUET_CACHE_BYTES_MAX;
         at = at->newer) {
        if (at->pins == 0) {
            drop_all(at);
        }
    }
}

ParquetCache *parquet_cache_new(size_t n_chunks)
{
    ParquetCache *cache = NEW(ParquetCache);

    cache->n_chunks = n_chunks;
    cache->chunks = NEW_ARRAY(CachedChunk *, n_chunks + 1);
    pthread_mutex_lock(&mutex);
    link_newest(cache);
    pthread_mutex_unlock(&mutex);
    return cache;
}

ParquetCache *parquet_cache_free(ParquetCache *cache)
{
    if (cache != NULL) {
        ASSERT(cache->pins == 0);
        pthread_mutex_lock(&mutex);
        drop_all(cache);
        unlink_file(cache);
        pthread_mutex_unlock(&mutex);
        mem_free(cache->chunks);
        mem_free(cache);
    }
    return NULL;
}

void parquet_cache_pin(ParquetCache *cache)
{
    pthread_mutex_lock(&mutex);
    cache->pins++;
    unlink_file(cache);
    link_newest(cache);
    pthread_mutex_unlock(&mutex);
}

void parquet_cache_unpin(ParquetCache *cache)
{
    pthread_mutex_lock(&mutex);
    ASSERT(cache->pins > 0);
    cache->pins--;
    drop_oldest();
    pthread_mutex_unlock(&mutex);
}

const CachedChunk *parquet_cache_find(ParquetCache *cache, size_t chunk)
{
    ASSERT(chunk < cache->n_chunks);
    pthread_mutex_lock(&mutex);
    ASSERT(cache->pins > 0);
    const CachedChunk *found = cache->chunks[chunk];
    pthread_mutex_unlock(&mutex);
    return found;
}

const CachedChunk *parquet_cache_put(ParquetCache *cache, size_t chunk, CachedChunk made)
{
    ASSERT(chunk < cache->n_chunks);
    pthread_mutex_lock(&mutex);
    ASSERT(cache->pins > 0);
    CachedChunk *there = cache->chunks[chunk];
    if (there == NULL) {
        there = NEW(CachedChunk);
        *there = made;
        made.arena = (Arena){0};
        cache->chunks[chunk] = there;
        cache->bytes += there->arena.allocated + sizeof(*there);
        all_bytes += there->arena.allocated + sizeof(*there);
        drop_oldest();
    }
    pthread_mutex_unlock(&mutex);
    arena_deinit(&made.arena);
    return there;
}
