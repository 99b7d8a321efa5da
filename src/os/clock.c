// SPDX-License-Identifier: Apache-2.0
#include "os/clock.h"

#include <time.h>

#include "base/assert.h"

static uint64_t read_clock(clockid_t id)
{
    struct timespec now;

    ASSERT(clock_gettime(id, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t system_realtime_ns(void *context)
{
    return read_clock(CLOCK_REALTIME);
}

static uint64_t system_monotonic_ns(void *context)
{
    return read_clock(CLOCK_MONOTONIC);
}

const Clock clock_system = {
    .realtime_ns = system_realtime_ns,
    .monotonic_ns = system_monotonic_ns,
};

/* Atomic, because the test moves the clock while threads of the program under test read it. */
static uint64_t manual_ns(void *context)
{
    return __atomic_load_n((uint64_t *)context, __ATOMIC_RELAXED);
}

Clock clock_manual(uint64_t *now_ns)
{
    return (Clock){.realtime_ns = manual_ns, .monotonic_ns = manual_ns, .context = now_ns};
}
