// SPDX-License-Identifier: Apache-2.0
#include "os/loop.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/str.h"

/*
 * Tasks wait in an array under a mutex; an eventfd wakes the loop when the array was empty, so a
 * burst of posts costs one wake-up. The loop takes the whole array at once and runs it unlocked.
 * libevent itself is touched only on the loop's thread (or before it starts).
 */
enum { LOOP_NAME_MAX = 16 };

typedef struct LoopCall {
    LoopTask task;
    void *context;
} LoopCall;

typedef struct LoopCalls {
    LoopCall *calls;
    size_t n_calls, capacity;
} LoopCalls;

struct Loop {
    char name[LOOP_NAME_MAX];
    struct event_base *base;
    struct event wake_event;
    int wake_fd;
    bool started;  /* set before the thread's first task can run */
    bool stopping; /* loop thread only */
    pthread_t thread;

    pthread_mutex_t lock;
    LoopCalls waiting; /* under lock */
    LoopCalls running; /* loop thread only */
};

struct LoopTimer {
    struct event event;
    LoopTask task;
    void *context;
};

static pthread_once_t threads_once = PTHREAD_ONCE_INIT;

static void use_threads(void)
{
    int r = evthread_use_pthreads();

    ASSERT(r == 0);
}

/* Runs what waits now, in order; what these tasks post themselves waits for the next turn. */
static bool run_waiting(Loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    LoopCalls calls = loop->waiting;
    loop->waiting = loop->running;
    loop->running = calls;
    pthread_mutex_unlock(&loop->lock);

    for (size_t i = 0; i < calls.n_calls; i++) {
        calls.calls[i].task(calls.calls[i].context);
    }
    loop->running.n_calls = 0;
    return calls.n_calls > 0;
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    Loop *loop = context;
    uint64_t count;

    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
    (void)run_waiting(loop);
    if (loop->stopping) {
        event_base_loopbreak(loop->base);
    }
}

static void *loop_main(void *context)
{
    Loop *loop = context;

    pthread_setname_np(pthread_self(), loop->name);
    pthread_mutex_lock(&loop->lock);
    pthread_mutex_unlock(&loop->lock);
    while (!loop->stopping && event_base_loop(loop->base, 0) == 0) {
    }
    while (run_waiting(loop)) {
    }
    return NULL;
}

static void copy_name(char to[LOOP_NAME_MAX], const char *name)
{
    Str text = str_slice(str_from_cstr(name), 0, LOOP_NAME_MAX - 1);

    mem_copy(to, text.ptr, text.len);
    to[text.len] = '\0';
}

static Loop *dispose(Loop *loop)
{
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    pthread_mutex_destroy(&loop->lock);
    mem_free(loop->waiting.calls);
    mem_free(loop->running.calls);
    mem_free(loop);
    return NULL;
}

int loop_new(const char *name, Loop **ret_loop)
{
    pthread_once(&threads_once, use_threads);
    Loop *loop = NEW(Loop);

    copy_name(loop->name, name);
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = loop->wake_fd < 0 ? -errno : 0;
    if (r == 0) {
        loop->base = event_base_new();
        r = loop->base == NULL ? -ENOMEM : 0;
    }
    if (r != 0) {
        dispose(loop);
        return r;
    }
    event_assign(&loop->wake_event, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (event_add(&loop->wake_event, NULL) != 0) {
        dispose(loop);
        return -ENOMEM;
    }
    *ret_loop = loop;
    return 0;
}

int loop_start(Loop *loop)
{
    ASSERT(!loop->started);
    pthread_mutex_lock(&loop->lock); /* held until `thread` is written: loop_main waits for it */
    int r = pthread_create(&loop->thread, NULL, loop_main, loop);
    loop->started = r == 0;
    pthread_mutex_unlock(&loop->lock);
    return -r;
}

static void stop(void *context)
{
    Loop *loop = context;

    loop->stopping = true;
}

Loop *loop_free(Loop *loop)
{
    if (loop == NULL) {
        return NULL;
    }
    if (loop->started) {
        ASSERT(!loop_is_current(loop));
        loop_post(loop, stop, loop);
        pthread_join(loop->thread, NULL);
    } else {
        /* Nobody else will: what the tasks own must not leak. */
        while (run_waiting(loop)) {
        }
    }
    event_del(&loop->wake_event);
    return dispose(loop);
}

void loop_post(Loop *loop, LoopTask task, void *context)
{
    const uint64_t one = 1;

    pthread_mutex_lock(&loop->lock);
    LoopCalls *waiting = &loop->waiting;
    bool wake = waiting->n_calls == 0;
    ARRAY_RESERVE(waiting->calls, waiting->n_calls, waiting->capacity);
    waiting->calls[waiting->n_calls++] = (LoopCall){.task = task, .context = context};
    if (wake) {
        /* Inside the lock, so that a loop being freed cannot close the eventfd meanwhile. */
        while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
    pthread_mutex_unlock(&loop->lock);
}

bool loop_is_current(const Loop *loop)
{
    return loop->started && pthread_equal(pthread_self(), loop->thread);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    LoopTimer *timer = context;

    timer->task(timer->context);
}

int loop_timer_new(Loop *loop, uint64_t period_ms, LoopTask task, void *context,
                   LoopTimer **ret_timer)
{
    ASSERT(period_ms > 0);
    ASSERT(!loop->started || loop_is_current(loop));
    LoopTimer *timer = NEW(LoopTimer);
    struct timeval period = {.tv_sec = (time_t)(period_ms / 1000),
                             .tv_usec = (suseconds_t)(period_ms % 1000 * 1000)};

    timer->task = task;
    timer->context = context;
    event_assign(&timer->event, loop->base, -1, EV_PERSIST, on_timer, timer);
    if (event_add(&timer->event, &period) != 0) {
        mem_free(timer);
        return -ENOMEM;
    }
    *ret_timer = timer;
    return 0;
}

LoopTimer *loop_timer_free(LoopTimer *timer)
{
    if (timer != NULL) {
        event_del(&timer->event);
        mem_free(timer);
    }
    return NULL;
}

struct event_base *loop_event_base(Loop *loop)
{
    return loop->base;
}
