// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

/* Time as a parameter: the system's clock, or a test's. Thread-safe. */
typedef struct Clock {
    uint64_t (*realtime_ns)(void *context);  /* since the Unix epoch */
    uint64_t (*monotonic_ns)(void *context); /* for delays and durations */
    void *context;
} Clock;

/* The system's clock. */
extern const Clock clock_system;

/* A clock that stands still until the test moves it; both readings are *@now_ns. */
Clock clock_manual(uint64_t *now_ns);

static inline uint64_t clock_realtime_ns(const Clock *clock)
{
    return clock->realtime_ns(clock->context);
}

static inline uint64_t clock_monotonic_ns(const Clock *clock)
{
    return clock->monotonic_ns(clock->context);
}
