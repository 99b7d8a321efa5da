// SPDX-License-Identifier: Apache-2.0
#include "map/series/presence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"

/* Beside a plain list of minutes. */
enum { DAY = 1440, FIRST = DAY * 20000, DAYS = 5, MINUTES = DAYS * DAY };

typedef struct Model {
    bool there[MINUTES];
    uint32_t gap;
} Model;

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % n;
}

/* The next minute that is there after @at in its day, within the gap; else MINUTES. */
static uint32_t next_there(const Model *model, uint32_t at)
{
    uint32_t end = MIN((at / DAY + 1) * DAY, at + model->gap + 2);

    for (uint32_t i = at + 1; i < end; i++) {
        if (model->there[i]) {
            return i;
        }
    }
    return at % DAY == DAY - 1 && at + 1 < MINUTES && model->there[at + 1] ? at + 1 : MINUTES;
}

static void assert_is_model(const Presence *presence, const Model *model)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < MINUTES; i++) {
        if (model->there[i]) {
            uint32_t last = i;

            for (uint32_t next = last; next < MINUTES; next = next_there(model, last)) {
                last = next;
            }
            assert_true(n < presence->n_runs);
            assert_int_equal(presence->runs[n].first_minute, FIRST + i);
            assert_int_equal(presence->runs[n++].last_minute, FIRST + last);
            i = last;
        }
    }
    assert_int_equal(presence->n_runs, n);
}

static void add(Presence *presence, Model *model, uint32_t at)
{
    presence_add(presence, FIRST + at, model->gap);
    model->there[at] = true;
}

/* The nearest others of its run, as the tables find them. */
static void take(Presence *presence, Model *model, uint32_t at)
{
    uint32_t before = PRESENCE_NONE, after = PRESENCE_NONE;
    MapInterval run;

    assert_int_equal(presence_run(presence, FIRST + at, &run), 1);
    for (uint32_t i = run.first_minute - FIRST; i <= run.last_minute - FIRST; i++) {
        before = model->there[i] && i < at ? FIRST + i : before;
        after = model->there[i] && i > at && after == PRESENCE_NONE ? FIRST + i : after;
    }
    presence_remove(presence, FIRST + at, before, after, model->gap);
    model->there[at] = false;
}

/* Out and in again: what a page and a start do. */
static void repack(Presence *presence, const Model *model, uint32_t day)
{
    CLEANUP(buf_deinit) Buf packed = {0};
    uint32_t from = FIRST + day * DAY;

    presence_pack(presence, from, from + DAY, &packed);
    presence_remove_range(presence, from, from + DAY);
    assert_int_equal(presence_unpack(presence, from, from + DAY, buf_str(&packed), model->gap), 0);
}

static void expire(Presence *presence, Model *model, uint32_t day)
{
    for (uint32_t hour = 0; hour < 24; hour++) {
        uint32_t from = FIRST + day * DAY + hour * 60;

        presence_remove_range(presence, from, from + 60);
    }
    mem_fill(model->there + day * DAY, 0, DAY);
}

/* Mostly busy around midnight. */
static uint32_t random_minute(void)
{
    uint32_t day = random_below(DAYS), near = random_below(8);

    return random_below(3) == 0 ? random_below(MINUTES)
                                : (day * DAY + (random_below(2) == 0 ? near : DAY - 1 - near));
}

static void runs_are_those_of_the_minutes(void **state)
{
    static const uint32_t gaps[] = {0, 5, DAY};

    for (uint32_t round = 0; round < 9; round++) {
        Model *model = NEW(Model);
        CLEANUP(presence_deinit) Presence presence = {0};

        model->gap = gaps[round % 3];
        for (int i = 0; i < 1500; i++) {
            uint32_t at = random_minute(), what = random_below(100);

            if (what == 0) {
                expire(&presence, model, at / DAY);
            } else if (what < 5) {
                repack(&presence, model, at / DAY);
            } else if (model->there[at] && what < 70) {
                take(&presence, model, at);
            } else {
                add(&presence, model, at);
            }
            assert_is_model(&presence, model);
        }
        mem_free(model);
    }
}

static void what_is_always_there_takes_one_run(void **state)
{
    CLEANUP(presence_deinit) Presence presence = {0};
    CLEANUP(buf_deinit) Buf day = {0};

    for (uint32_t i = 0; i < DAY; i++) {
        presence_add(&presence, FIRST + i, 5);
    }
    presence_pack(&presence, FIRST, FIRST + DAY, &day);
    for (uint32_t i = 0; i < 396; i++) { /* in whatever order files are read */
        uint32_t from = FIRST + (1 + i * 151 % 396) * DAY;

        assert_int_equal(presence_unpack(&presence, from, from + DAY, buf_str(&day), 5), 0);
    }
    assert_int_equal(presence.n_runs, 1);
    assert_in_range(presence.capacity, 1, 16);
    assert_int_equal(presence_first(&presence), FIRST);
    assert_int_equal(presence_last(&presence), FIRST + 397 * DAY - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_those_of_the_minutes),
        cmocka_unit_test(what_is_always_there_takes_one_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
