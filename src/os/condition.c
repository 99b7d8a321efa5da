// SPDX-License-Identifier: Apache-2.0
#include "os/condition.h"

#include <time.h>

#include "base/assert.h"
#include "os/clock.h"

#define NS_PER_S UINT64_C(1000000000)

void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(condition, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

void condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t monotonic_ns)
{
    const struct timespec end = {.tv_sec = (time_t)(monotonic_ns / NS_PER_S),
                                 .tv_nsec = (long)(monotonic_ns % NS_PER_S)};

    pthread_cond_timedwait(condition, mutex, &end);
}

void condition_wait_for(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t ns)
{
    condition_wait_until(condition, mutex, clock_monotonic_ns(&clock_system) + ns);
}
