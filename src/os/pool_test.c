// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "os/pool.h"

enum { JOBS = 2000 };

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static uint32_t started[JOBS];
static _Atomic uint32_t n_started;

static void note(void *context)
{
    started[n_started++] = *(uint32_t *)context;
}

static void wait_at_gate(void *context)
{
    (*(_Atomic uint32_t *)context)++;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void jobs_start_in_order_of_arrival_and_all_finish_before_free_returns(void **state)
{
    static uint32_t numbers[JOBS];
    Pool *pool;

    n_started = 0;
    assert_int_equal(pool_new("test", 1, JOBS, &pool), 0);
    for (uint32_t i = 0; i < JOBS; i++) {
        numbers[i] = i;
        assert_int_equal(pool_submit(pool, note, &numbers[i]), 0);
    }
    assert_null(pool_free(pool));
    assert_int_equal(n_started, JOBS);
    for (uint32_t i = 0; i < JOBS; i++) {
        assert_int_equal(started[i], i);
    }
}

static void a_full_queue_refuses_the_job_and_tells_its_depth(void **state)
{
    Pool *pool;
    _Atomic uint32_t waiting = 0;

    assert_int_equal(pool_new("a name that is far too long", 2, 3, &pool), 0);
    pthread_mutex_lock(&gate);
    assert_int_equal(pool_submit(pool, wait_at_gate, &waiting), 0);
    assert_int_equal(pool_submit(pool, wait_at_gate, &waiting), 0);
    while (waiting < 2) {
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pool_submit(pool, wait_at_gate, &waiting), 0);
    }
    assert_int_equal(pool_submit(pool, wait_at_gate, &waiting), 1);
    assert_int_equal(pool_depth(pool), 3);
    pthread_mutex_unlock(&gate);
    pool_free(pool);
    assert_int_equal(waiting, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_start_in_order_of_arrival_and_all_finish_before_free_returns),
        cmocka_unit_test(a_full_queue_refuses_the_job_and_tells_its_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
