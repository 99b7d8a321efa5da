// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

/*
 * A bounded pool of threads for jobs that may block or compute: queries, blocks, compaction. Jobs
 * start in order of arrival. Thread-safe.
 */
typedef struct Pool Pool;

typedef void (*PoolJob)(void *context);

/* @name shows in thread listings (15 characters at most). */
MUST_USE int pool_new(const char *name, size_t n_threads, size_t queue_max, Pool **ret_pool);

/* Finishes all queued jobs, joins the threads. */
Pool *pool_free(Pool *pool);

/* Queues a job. Returns 0; 1 when the queue is full (the job is not taken). */
MUST_USE int pool_submit(Pool *pool, PoolJob job, void *context);

/* Jobs waiting now; a metric. */
size_t pool_depth(Pool *pool);
