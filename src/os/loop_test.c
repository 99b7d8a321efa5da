// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "os/loop.h"

enum { POSTERS = 4, POSTS = 5000 };

typedef struct Order {
    Loop *loop;
    uint32_t poster, next;
} Order;

typedef struct Post {
    Order *order;
    uint32_t number;
} Post;

static Post posts[POSTERS][POSTS];
static _Atomic uint32_t wrong, ran;

static void check_order(void *context)
{
    Post *post = context;

    if (post->order->next++ != post->number || !loop_is_current(post->order->loop)) {
        wrong++;
    }
    ran++;
}

static void *post_all(void *context)
{
    Order *order = context;

    for (uint32_t i = 0; i < POSTS; i++) {
        posts[order->poster][i] = (Post){.order = order, .number = i};
        loop_post(order->loop, check_order, &posts[order->poster][i]);
    }
    return NULL;
}

static void tasks_of_a_thread_run_in_order_and_none_is_lost(void **state)
{
    Loop *loop;
    Order orders[POSTERS];
    pthread_t threads[POSTERS];

    wrong = ran = 0;
    assert_int_equal(loop_new("test", &loop), 0);
    assert_int_equal(loop_start(loop), 0);
    assert_false(loop_is_current(loop));
    for (uint32_t i = 0; i < POSTERS; i++) {
        orders[i] = (Order){.loop = loop, .poster = i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &orders[i]), 0);
    }
    for (uint32_t i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_null(loop_free(loop));
    assert_int_equal(wrong, 0);
    assert_int_equal(ran, POSTERS * POSTS);
}

static void count(void *context)
{
    (*(_Atomic uint32_t *)context)++;
}

static void tasks_of_a_loop_that_never_started_run_when_it_is_freed(void **state)
{
    Loop *loop;
    _Atomic uint32_t runs = 0;

    assert_int_equal(loop_new("test", &loop), 0);
    loop_post(loop, count, &runs);
    assert_int_equal(runs, 0);
    loop_free(loop);
    assert_int_equal(runs, 1);
}

typedef struct Ticker {
    LoopTimer *timer;
    _Atomic uint32_t ticks;
} Ticker;

static void tick(void *context)
{
    Ticker *ticker = context;

    if (++ticker->ticks == 3) {
        ticker->timer = loop_timer_free(ticker->timer);
    }
}

static void a_timer_repeats_until_it_is_freed(void **state)
{
    Loop *loop;
    Ticker ticker = {0};
    const struct timespec nap = {.tv_nsec = 2000000};

    assert_int_equal(loop_new("test", &loop), 0);
    assert_int_equal(loop_timer_new(loop, 1, tick, &ticker, &ticker.timer), 0);
    assert_int_equal(loop_start(loop), 0);
    for (int i = 0; i < 2500 && ticker.ticks < 3; i++) {
        nanosleep(&nap, NULL);
    }
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    loop_free(loop);
    assert_int_equal(ticker.ticks, 3);
    assert_null(ticker.timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_a_thread_run_in_order_and_none_is_lost),
        cmocka_unit_test(tasks_of_a_loop_that_never_started_run_when_it_is_freed),
        cmocka_unit_test(a_timer_repeats_until_it_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
