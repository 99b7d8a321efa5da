// SPDX-License-Identifier: Apache-2.0
#include "query/flow/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "os/condition.h"

/*
 * Entries are in a table for finding and in a ring by their last use. The turn (begin, end) is a
 * lock with a deadline: it is held while blocks are read, the mutex for moments only.
 */
typedef struct EntryKey {
    uint64_t number;
    FlowVersion version;
} EntryKey;

typedef struct Entry Entry;
struct Entry {
    EntryKey key;
    Entry *newer, *older;
    FlowBlock *block;
    size_t bytes;
    uint64_t used_ns; /* monotonic */
};

typedef struct Slot {
    EntryKey key;
    Entry *entry;
} Slot;

struct FlowCache {
    const Clock *clock;
    size_t bytes_max;
    pthread_mutex_t mutex;
    pthread_cond_t turn_ended; /* on the monotonic clock */
    bool is_taken;             /* the turn */
    Table slots;
    Entry ring; /* its newer is the oldest, its older the newest */
    FlowCacheStatus counts;
};

/* Waits for the turn are cut, so that a test's clock is looked at, too. */
enum { TURN_WAIT_NS = 20000000 };

FlowCache *flow_cache_new(size_t bytes_max, const Clock *clock)
{
    FlowCache *cache = NEW(FlowCache);

    ASSERT(pthread_mutex_init(&cache->mutex, NULL) == 0);
    condition_init(&cache->turn_ended);
    table_init(&cache->slots, sizeof(Slot), sizeof(EntryKey));
    cache->ring.newer = cache->ring.older = &cache->ring;
    cache->clock = clock;
    cache->bytes_max = bytes_max;
    return cache;
}

/* ---- entries, under the mutex ---- */

static void ring_remove(Entry *entry)
{
    entry->newer->older = entry->older;
    entry->older->newer = entry->newer;
}

static void ring_add_newest(FlowCache *cache, Entry *entry)
{
    entry->newer = &cache->ring;
    entry->older = cache->ring.older;
    entry->older->newer = entry;
    cache->ring.older = entry;
}

static void entry_drop(FlowCache *cache, Entry *entry)
{
    table_remove(&cache->slots, table_find(&cache->slots, &entry->key));
    ring_remove(entry);
    cache->counts.bytes -= entry->bytes;
    flow_block_unref(entry->block);
    mem_free(entry);
}

FlowCache *flow_cache_free(FlowCache *cache)
{
    if (cache == NULL) {
        return NULL;
    }
    while (cache->ring.newer != &cache->ring) {
        entry_drop(cache, cache->ring.newer);
    }
    table_deinit(&cache->slots);
    pthread_cond_destroy(&cache->turn_ended);
    pthread_mutex_destroy(&cache->mutex);
    mem_free(cache);
    return NULL;
}

FlowBlock *flow_block_new(void)
{
    FlowBlock *block = NEW(FlowBlock);

    block->refs = 1;
    flow_members_init(&block->members);
    return block;
}

FlowBlock *flow_block_unref(FlowBlock *block)
{
    if (block != NULL && atomic_fetch_sub(&block->refs, 1) == 1) {
        flow_members_deinit(&block->members);
        mem_free(block->links);
        mem_free(block);
    }
    return NULL;
}

static FlowBlock *flow_block_ref(FlowBlock *block)
{
    atomic_fetch_add(&block->refs, 1);
    return block;
}

FlowBlock *flow_cache_find(FlowCache *cache, uint64_t number, FlowVersion version)
{
    const EntryKey key = {number, version};
    FlowBlock *block = NULL;

    pthread_mutex_lock(&cache->mutex);
    const Slot *slot = table_find(&cache->slots, &key);
    if (slot != NULL) {
        block = flow_block_ref(slot->entry->block);
        slot->entry->used_ns = clock_monotonic_ns(cache->clock);
        ring_remove(slot->entry);
        ring_add_newest(cache, slot->entry);
        cache->counts.found++;
    }
    pthread_mutex_unlock(&cache->mutex);
    return block;
}

bool flow_cache_has(FlowCache *cache, uint64_t number, FlowVersion version)
{
    const EntryKey key = {number, version};

    pthread_mutex_lock(&cache->mutex);
    bool has = table_find(&cache->slots, &key) != NULL;
    pthread_mutex_unlock(&cache->mutex);
    return has;
}

static void put(FlowCache *cache, const EntryKey *key, FlowBlock *block, bool may_evict)
{
    size_t bytes = sizeof(Entry) + sizeof(Slot) + flow_members_bytes(&block->members) +
                   block->links_capacity * sizeof(FlowLink);

    pthread_mutex_lock(&cache->mutex);
    cache->counts.read++;
    size_t room = cache->bytes_max - (may_evict ? 0 : MIN(cache->counts.bytes, cache->bytes_max));
    if (bytes <= room && table_find(&cache->slots, key) == NULL) {
        Entry *entry = NEW(Entry);

        *entry = (Entry){.key = *key, .block = flow_block_ref(block), .bytes = bytes};
        entry->used_ns = clock_monotonic_ns(cache->clock);
        ((Slot *)table_put(&cache->slots, key, NULL))->entry = entry;
        ring_add_newest(cache, entry);
        cache->counts.bytes += bytes;
        while (cache->counts.bytes > cache->bytes_max) {
            entry_drop(cache, cache->ring.newer);
            cache->counts.evicted++;
        }
    }
    pthread_mutex_unlock(&cache->mutex);
}

void flow_cache_put(FlowCache *cache, uint64_t number, FlowVersion version, FlowBlock *block)
{
    put(cache, &(EntryKey){number, version}, block, true);
}

void flow_cache_put_spare(FlowCache *cache, uint64_t number, FlowVersion version, FlowBlock *block)
{
    put(cache, &(EntryKey){number, version}, block, false);
}

/* ---- the turn ---- */

int flow_cache_begin(FlowCache *cache, uint64_t deadline_ns)
{
    bool is_late = false;

    pthread_mutex_lock(&cache->mutex);
    while (cache->is_taken && !is_late) {
        condition_wait_for(&cache->turn_ended, &cache->mutex, TURN_WAIT_NS);
        is_late = deadline_ns != 0 && clock_monotonic_ns(cache->clock) >= deadline_ns;
    }
    is_late = cache->is_taken;
    cache->is_taken = true;
    pthread_mutex_unlock(&cache->mutex);
    return is_late ? 1 : 0;
}

void flow_cache_end(FlowCache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    ASSERT(cache->is_taken);
    cache->is_taken = false;
    pthread_cond_signal(&cache->turn_ended);
    pthread_mutex_unlock(&cache->mutex);
}

/* ---- upkeep ---- */

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool is_known(FlowVersion version, const FlowVersion *versions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (flow_version_equal(version, versions[i])) {
            return true;
        }
    }
    return false;
}

void flow_cache_sweep(FlowCache *cache, Store *store, const FlowVersion *versions,
                      size_t n_versions)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    uint64_t now_ns = clock_monotonic_ns(cache->clock);

    store_block_numbers(store, &buf);
    uint64_t *numbers = (uint64_t *)(void *)buf.ptr;
    size_t n = buf.len / sizeof(uint64_t);
    if (n > 0) {
        qsort(numbers, n, sizeof(uint64_t), compare_numbers);
    }
    pthread_mutex_lock(&cache->mutex);
    for (Entry *entry = cache->ring.newer, *next; entry != &cache->ring; entry = next) {
        const uint64_t number = entry->key.number;
        bool is_gone =
            n == 0 || bsearch(&number, numbers, n, sizeof(number), compare_numbers) == NULL;
        bool is_unasked = versions != NULL && !is_known(entry->key.version, versions, n_versions) &&
                          now_ns - entry->used_ns >= FLOW_CACHE_PREVIEW_NS;

        next = entry->newer;
        if (is_gone || is_unasked) {
            entry_drop(cache, entry);
        }
    }
    pthread_mutex_unlock(&cache->mutex);
}

void flow_cache_status(FlowCache *cache, FlowCacheStatus *ret_status)
{
    pthread_mutex_lock(&cache->mutex);
    *ret_status = cache->counts;
    ret_status->entries = cache->slots.n_records;
    ret_status->bytes_max = cache->bytes_max;
    pthread_mutex_unlock(&cache->mutex);
}
