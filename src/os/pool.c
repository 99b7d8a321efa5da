// SPDX-License-Identifier: Apache-2.0
#include "os/pool.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/str.h"

/* A ring of queue_max jobs under one mutex; threads leave when it is stopping and empty. */
enum { POOL_NAME_MAX = 16, POOL_THREADS_MAX = 256 };

typedef struct PoolEntry {
    PoolJob job;
    void *context;
} PoolEntry;

struct Pool {
    char name[POOL_NAME_MAX];
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    PoolEntry *ring; /* under lock, as all below */
    size_t queue_max, first, n_queued;
    bool stopping;
    pthread_t *threads; /* the owner's */
    size_t n_threads;
};

static bool take(Pool *pool, PoolEntry *ret_entry)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->n_queued == 0 && !pool->stopping) {
        pthread_cond_wait(&pool->arrived, &pool->lock);
    }
    bool taken = pool->n_queued > 0;
    if (taken) {
        *ret_entry = pool->ring[pool->first];
        pool->first = (pool->first + 1) % pool->queue_max;
        pool->n_queued--;
    }
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

static void *pool_main(void *context)
{
    Pool *pool = context;
    PoolEntry entry;

    pthread_setname_np(pthread_self(), pool->name);
    while (take(pool, &entry)) {
        entry.job(entry.context);
    }
    return NULL;
}

int pool_new(const char *name, size_t n_threads, size_t queue_max, Pool **ret_pool)
{
    ASSERT(n_threads > 0 && n_threads <= POOL_THREADS_MAX);
    ASSERT(queue_max > 0);
    Pool *pool = NEW(Pool);
    Str text = str_slice(str_from_cstr(name), 0, POOL_NAME_MAX - 1);

    mem_copy(pool->name, text.ptr, text.len);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->arrived, NULL);
    pool->queue_max = queue_max;
    pool->ring = NEW_ARRAY(PoolEntry, queue_max);
    pool->threads = NEW_ARRAY(pthread_t, n_threads);
    for (; pool->n_threads < n_threads; pool->n_threads++) {
        int r = pthread_create(&pool->threads[pool->n_threads], NULL, pool_main, pool);

        if (r != 0) {
            pool_free(pool);
            return -r;
        }
    }
    *ret_pool = pool;
    return 0;
}

Pool *pool_free(Pool *pool)
{
    if (pool == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->arrived);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_threads; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    ASSERT(pool->n_queued == 0 || pool->n_threads == 0);
    pthread_cond_destroy(&pool->arrived);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool->ring);
    mem_free(pool->threads);
    mem_free(pool);
    return NULL;
}

int pool_submit(Pool *pool, PoolJob job, void *context)
{
    pthread_mutex_lock(&pool->lock);
    bool full = pool->n_queued == pool->queue_max;
    if (!full) {
        size_t last = (pool->first + pool->n_queued) % pool->queue_max;

        pool->ring[last] = (PoolEntry){.job = job, .context = context};
        pool->n_queued++;
        pthread_cond_signal(&pool->arrived);
    }
    pthread_mutex_unlock(&pool->lock);
    return full ? 1 : 0;
}

size_t pool_depth(Pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t depth = pool->n_queued;
    pthread_mutex_unlock(&pool->lock);
    return depth;
}
