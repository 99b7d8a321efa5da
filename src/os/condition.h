// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <stdint.h>

/*
 * Conditions that are waited for with an end. It is of the system's monotonic clock, whatever clock
 * a test gives to the rest. As every wait, these may end early: look again at what is waited for.
 */

/* pthread_cond_init() with that clock. The caller destroys it. */
void condition_init(pthread_cond_t *condition);

/* Waits with @mutex held, at most until the clock is at @monotonic_ns, or for @ns. */
void condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t monotonic_ns);
void condition_wait_for(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t ns);
