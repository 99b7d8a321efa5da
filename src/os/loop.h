// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

/*
 * An event loop (libevent) on a thread of its own, and the door through which other threads reach
 * it. Everything that belongs to a loop (connections, timers) is touched only on its thread.
 */
typedef struct Loop Loop;
typedef struct LoopTimer LoopTimer;

typedef void (*LoopTask)(void *context);

/* Makes a loop; its thread starts with loop_start(). */
MUST_USE int loop_new(const char *name, Loop **ret_loop);
MUST_USE int loop_start(Loop *loop);

/* Stops the thread after the tasks already posted, joins it, frees the loop. */
Loop *loop_free(Loop *loop);

/* Runs @task on the loop's thread, in order of posting. Thread-safe; never blocks. */
void loop_post(Loop *loop, LoopTask task, void *context);

/* Whether the caller is on the loop's thread. */
bool loop_is_current(const Loop *loop);

/* Runs @task every @period_ms on the loop's thread, until freed. Both calls only on the loop's
 * thread or before loop_start(). */
MUST_USE int loop_timer_new(Loop *loop, uint64_t period_ms, LoopTask task, void *context,
                            LoopTimer **ret_timer);
LoopTimer *loop_timer_free(LoopTimer *timer);

/* The libevent base, for the listeners of serve/. */
struct event_base *loop_event_base(Loop *loop);
