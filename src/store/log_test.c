// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "os/fs_sim.h"
#include "store/log.h"

typedef struct Sent {
    LogEntry entry;
    uint32_t number;
    _Atomic int *result; /* told: 1 for success, else -errno */
} Sent;

enum { BODIES_MAX = 4096 };

/* One run: which bodies were answered how, and which came back. */
typedef struct Fixture {
    FsSim *sim;
    uint64_t sync_interval_ms;
    Log *log;
    _Atomic int results[BODIES_MAX];
    int replayed[BODIES_MAX];
    uint64_t last_sequence;
    bool sequences_ascend;
    bool releases; /* what is replayed, at once */
} Fixture;

static void told(LogEntry *entry, int result)
{
    Sent *sent = (Sent *)entry;

    *sent->result = result == 0 ? 1 : result;
    log_entry_deinit(entry);
    mem_free(sent);
}

/* A body that says its number, padded to about @len bytes that do not compress away. */
static void write_body(uint32_t number, size_t len, Buf *body)
{
    uint32_t noise = number * 2654435761U;

    buf_append_u32le(body, number);
    while (body->len < len) {
        noise = noise * 1664525U + 1013904223U;
        buf_append_byte(body, (uint8_t)(noise >> 24));
    }
}

static int send_body(Fixture *fixture, uint32_t number, size_t len)
{
    CLEANUP(buf_deinit) Buf body = {0};
    Sent *sent = NEW(Sent);

    assert_true(number < BODIES_MAX);
    write_body(number, len, &body);
    sent->number = number;
    sent->result = &fixture->results[number];
    sent->entry.done = told;
    log_entry_prepare(&sent->entry, buf_str(&body));
    int result = log_append(fixture->log, &sent->entry);
    if (result != 0) {
        fixture->results[number] = result;
        log_entry_deinit(&sent->entry);
        mem_free(sent);
    }
    return result;
}

static int send_and_wait(Fixture *fixture, uint32_t number, size_t len)
{
    TRY(send_body(fixture, number, len));
    while (fixture->results[number] == 0) {
        usleep(100);
    }
    return fixture->results[number] == 1 ? 0 : fixture->results[number];
}

static int note_replayed(void *context, uint64_t sequence, Str body)
{
    CLEANUP(buf_deinit) Buf expected = {0};
    Fixture *fixture = context;
    uint32_t number;

    assert_true(body.len >= sizeof(number));
    mem_copy(&number, body.ptr, sizeof(number));
    assert_true(number < BODIES_MAX);
    write_body(number, body.len, &expected);
    assert_true(str_equal(body, buf_str(&expected)));
    fixture->replayed[number]++;
    fixture->sequences_ascend &= sequence > fixture->last_sequence;
    fixture->last_sequence = sequence;
    if (fixture->releases) {
        log_release(fixture->log, sequence + 1);
    }
    return 0;
}

static int open_log(Fixture *fixture)
{
    LogOptions options = {
        .fs = fs_sim_fs(fixture->sim),
        .commit_delay_us = 50,
        .commit_bytes = 16384,
        .segment_bytes = 4096,
        .probe_ms = 20,
        .sync_interval_ms = fixture->sync_interval_ms,
    };

    for (size_t i = 0; i < BODIES_MAX; i++) {
        fixture->replayed[i] = 0;
    }
    fixture->last_sequence = 0;
    fixture->sequences_ascend = true;
    TRY(log_open(&options, &fixture->log));
    TRY(log_replay(fixture->log, 0, note_replayed, fixture));
    assert_true(fixture->sequences_ascend);
    return log_start(fixture->log, 0);
}

static Fixture *new_fixture(uint64_t seed)
{
    Fixture *fixture = NEW(Fixture);

    fixture->sim = fs_sim_new(seed);
    return fixture;
}

static void free_fixture(Fixture *fixture)
{
    log_close(fixture->log);
    fs_sim_free(fixture->sim);
    mem_free(fixture);
}

static void reopening_finds_every_body_in_order(void **state)
{
    Fixture *fixture = new_fixture(1);

    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(send_body(fixture, i, 10 + i * 7), 0);
    }
    fixture->log = log_close(fixture->log);
    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(fixture->results[i], 1);
        assert_int_equal(fixture->replayed[i], 1);
    }
    assert_int_equal(fixture->replayed[100], 0);
    free_fixture(fixture);
}

static void empty_and_large_bodies_come_back(void **state)
{
    Fixture *fixture = new_fixture(2);

    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(send_and_wait(fixture, 1, 4), 0);
    assert_int_equal(send_and_wait(fixture, 2, 3 << 20), 0);
    fixture->log = log_close(fixture->log);
    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(fixture->replayed[1], 1);
    assert_int_equal(fixture->replayed[2], 1);
    free_fixture(fixture);
}

/* Sends bodies until the power is off. */
static void run_until_off(Fixture *fixture, uint64_t cut)
{
    fs_sim_power_off_at(fixture->sim, cut);
    if (open_log(fixture) == 0) {
        for (uint32_t i = 0; i < 60; i++) {
            if (i % 3 == 0) {
                (void)send_and_wait(fixture, i, 20 + i * 11);
            } else {
                (void)send_body(fixture, i, 20 + i * 11);
            }
        }
    }
    fixture->log = log_close(fixture->log);
}

static void a_power_cut_anywhere_loses_nothing_acknowledged(void **state)
{
    for (uint64_t cut = 0; cut < 120; cut++) {
        Fixture *fixture = new_fixture(cut + 1000);

        run_until_off(fixture, cut);
        fs_sim_restart(fixture->sim);
        assert_int_equal(open_log(fixture), 0);
        for (uint32_t i = 0; i < 60; i++) {
            if (fixture->results[i] == 1 && fixture->replayed[i] != 1) {
                fail_msg("cut %lu: body %u acknowledged but replayed %d times", cut, i,
                         fixture->replayed[i]);
            }
            assert_true(fixture->replayed[i] <= 1);
        }
        assert_int_equal(send_and_wait(fixture, 100, 50), 0); /* and it goes on */
        fixture->log = log_close(fixture->log);
        assert_int_equal(open_log(fixture), 0);
        assert_int_equal(fixture->replayed[100], 1);
        free_fixture(fixture);
    }
}

/* Sends until one is accepted again; the log probes every 20 ms here. */
static void wait_for_recovery(Fixture *fixture, uint32_t number)
{
    for (int i = 0; i < 500; i++) {
        if (send_and_wait(fixture, number, 100) == 0) {
            return;
        }
        fixture->results[number] = 0;
        usleep(10000);
    }
    fail_msg("the log did not recover");
}

static void check_failure(unsigned calls, uint64_t nth, int error)
{
    Fixture *fixture = new_fixture(nth);
    LogStatus status;

    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(send_and_wait(fixture, 0, 100), 0);
    fs_sim_fail(fixture->sim, calls, nth, 2, error);
    for (uint32_t i = 1; i < 20; i++) {
        (void)send_and_wait(fixture, i, 100);
    }
    log_status(fixture->log, &status);
    wait_for_recovery(fixture, 50);
    fixture->log = log_close(fixture->log);
    fs_sim_restart(fixture->sim);
    assert_int_equal(open_log(fixture), 0);
    bool any_refused = false;
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(fixture->results[i] == 1 || fixture->results[i] == -error);
        assert_int_equal(fixture->replayed[i], fixture->results[i] == 1 ? 1 : 0);
        any_refused |= fixture->results[i] != 1;
    }
    assert_true(any_refused);
    assert_int_equal(fixture->replayed[50], 1);
    free_fixture(fixture);
}

static void what_was_refused_never_comes_back(void **state)
{
    for (uint64_t nth = 0; nth < 6; nth++) {
        check_failure(FS_SIM_APPEND, nth, EIO);
        check_failure(FS_SIM_SYNC, nth, EIO);
        check_failure(FS_SIM_SYNC | FS_SIM_TRUNCATE, nth, EIO); /* it cannot even be cut back */
        check_failure(FS_SIM_APPEND | FS_SIM_TRUNCATE, nth, ENOSPC);
    }
}

static void a_full_disk_refuses_and_recovers_by_itself(void **state)
{
    Fixture *fixture = new_fixture(3);
    LogStatus status;
    uint32_t number = 0;

    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(send_and_wait(fixture, number++, 1000), 0);
    fs_sim_set_capacity(fixture->sim, fs_sim_used(fixture->sim) + 5000);
    while (send_and_wait(fixture, number, 1000) == 0) {
        assert_true(++number < 10);
    }
    assert_int_equal(fixture->results[number], -ENOSPC);
    log_status(fixture->log, &status);
    assert_int_equal(status.write_error, -ENOSPC);
    assert_int_equal(send_body(fixture, 20, 100), -ENOSPC);
    fs_sim_set_capacity(fixture->sim, UINT64_MAX);
    wait_for_recovery(fixture, 30);
    fixture->log = log_close(fixture->log);
    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(fixture->replayed[i], fixture->results[i] == 1 ? 1 : 0);
    }
    free_fixture(fixture);
}

static void damage_costs_only_the_frame_it_hits(void **state)
{
    Fixture *fixture = new_fixture(4);
    int n_lost = 0;

    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(send_and_wait(fixture, i, 200), 0);
    }
    fixture->log = log_close(fixture->log);
    assert_int_equal(fs_sim_damage(fixture->sim, "log/0000000000000001.log", 700), 0);
    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 50; i++) {
        n_lost += fixture->replayed[i] == 0;
    }
    assert_int_equal(n_lost, 1);
    free_fixture(fixture);
}

static void released_segments_go_and_damaged_ones_are_set_aside(void **state)
{
    Fixture *fixture = new_fixture(5);
    LogStatus before, after;
    File *file;

    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(send_and_wait(fixture, i, 200), 0);
    }
    fixture->log = log_close(fixture->log);
    assert_int_equal(fs_sim_damage(fixture->sim, "log/0000000000000001.log", 700), 0);
    assert_int_equal(open_log(fixture), 0);
    log_status(fixture->log, &before);
    log_release(fixture->log, before.next_sequence / 2);
    log_status(fixture->log, &after);
    assert_true(after.n_segments < before.n_segments && after.n_segments > 0);
    FileSystem *fs = fs_sim_fs(fixture->sim);
    assert_int_equal(fs->ops->open(fs, "damaged/0000000000000001.log", FILE_READ, &file), 0);
    fs->ops->close(file);
    log_release(fixture->log, before.next_sequence);
    fixture->log = log_close(fixture->log);
    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(fixture->last_sequence, 0); /* nothing is left */
    free_fixture(fixture);
}

static LogStatus status_of(Fixture *fixture)
{
    LogStatus status;

    log_status(fixture->log, &status);
    return status;
}

/* Blocks are committed while a long log is replayed: what is behind must be neither skipped nor
 * removed, whichever segment it is in. */
static void a_replay_may_release_what_it_was_given(void **state)
{
    Fixture *fixture = new_fixture(18);

    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(send_and_wait(fixture, i, 500), 0);
    }
    fixture->log = log_close(fixture->log);
    fixture->releases = true;
    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(fixture->replayed[i], 1);
    }
    assert_int_equal(status_of(fixture).n_segments, 1); /* the newest */
    fixture->log = log_close(fixture->log);
    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(fixture->last_sequence, 0); /* nothing is left */
    free_fixture(fixture);
}

static void every_sync_is_in_the_histogram(void **state)
{
    Fixture *fixture = new_fixture(21);
    uint64_t sum = 0;

    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(send_and_wait(fixture, i, 100), 0);
    }
    LogSyncs syncs = status_of(fixture).syncs;
    for (size_t i = 0; i <= LOG_SYNC_BOUNDS; i++) {
        sum += syncs.buckets[i];
    }
    assert_int_equal(syncs.count, status_of(fixture).commits);
    assert_int_equal(sum, syncs.count);
    assert_true(syncs.ns_total > 0);
    free_fixture(fixture);
}

/* A kill loses nothing, a power cut what was not synced yet, and only that. */
static void in_interval_mode_answers_do_not_wait_for_the_disk(void **state)
{
    Fixture *fixture = new_fixture(22);

    fixture->sync_interval_ms = 3600000;
    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(send_and_wait(fixture, i, 100), 0);
    }
    assert_int_equal(status_of(fixture).syncs.count, 0);
    log_seal(fixture->log); /* syncs what is there */
    while (status_of(fixture).syncs.count == 0) {
        usleep(100);
    }
    assert_int_equal(send_and_wait(fixture, 5, 100), 0);
    fs_sim_power_off_at(fixture->sim, 0);
    fixture->log = log_close(fixture->log);
    fs_sim_restart(fixture->sim);
    assert_int_equal(open_log(fixture), 0);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(fixture->replayed[i], 1);
    }
    free_fixture(fixture);
}

static void in_interval_mode_the_disk_is_synced_in_time(void **state)
{
    Fixture *fixture = new_fixture(23);

    fixture->sync_interval_ms = 10;
    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(send_and_wait(fixture, 0, 100), 0);
    for (int i = 0; i < 5000 && status_of(fixture).syncs.count == 0; i++) {
        usleep(1000);
    }
    fs_sim_power_off_at(fixture->sim, 0);
    fixture->log = log_close(fixture->log);
    fs_sim_restart(fixture->sim);
    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(fixture->replayed[0], 1);
    free_fixture(fixture);
}

/* What was not synced when the program was killed is there after the start, and stays there. */
static void what_was_replayed_outlives_a_power_cut(void **state)
{
    for (uint64_t seed = 30; seed < 40; seed++) {
        Fixture *fixture = new_fixture(seed);

        fixture->sync_interval_ms = 3600000;
        assert_int_equal(open_log(fixture), 0);
        for (uint32_t i = 0; i < 5; i++) {
            assert_int_equal(send_and_wait(fixture, i, 100), 0);
        }
        fs_sim_power_off_at(fixture->sim, 0);
        fixture->log = log_close(fixture->log);
        fs_sim_kill(fixture->sim);
        assert_int_equal(open_log(fixture), 0);
        fs_sim_power_off_at(fixture->sim, 0);
        fixture->log = log_close(fixture->log);
        fs_sim_restart(fixture->sim);
        assert_int_equal(open_log(fixture), 0);
        for (uint32_t i = 0; i < 5; i++) {
            assert_int_equal(fixture->replayed[i], 1);
        }
        free_fixture(fixture);
    }
}

/* Also the segment that is being written, once it is sealed. */
static void what_is_sealed_and_released_is_gone(void **state)
{
    Fixture *fixture = new_fixture(24);

    assert_int_equal(open_log(fixture), 0);
    assert_int_equal(send_and_wait(fixture, 0, 100), 0);
    log_release(fixture->log, status_of(fixture).next_sequence);
    assert_int_equal(status_of(fixture).n_segments, 1);
    log_seal(fixture->log);
    for (int i = 0; i < 5000 && status_of(fixture).n_segments > 0; i++) {
        usleep(1000);
    }
    assert_true(log_first(fixture->log) == UINT64_MAX);
    assert_int_equal(send_and_wait(fixture, 1, 100), 0); /* in a segment of its own */
    assert_int_equal(status_of(fixture).n_segments, 1);
    free_fixture(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reopening_finds_every_body_in_order),
        cmocka_unit_test(empty_and_large_bodies_come_back),
        cmocka_unit_test(a_power_cut_anywhere_loses_nothing_acknowledged),
        cmocka_unit_test(what_was_refused_never_comes_back),
        cmocka_unit_test(a_full_disk_refuses_and_recovers_by_itself),
        cmocka_unit_test(damage_costs_only_the_frame_it_hits),
        cmocka_unit_test(released_segments_go_and_damaged_ones_are_set_aside),
        cmocka_unit_test(a_replay_may_release_what_it_was_given),
        cmocka_unit_test(every_sync_is_in_the_histogram),
        cmocka_unit_test(in_interval_mode_answers_do_not_wait_for_the_disk),
        cmocka_unit_test(in_interval_mode_the_disk_is_synced_in_time),
        cmocka_unit_test(what_was_replayed_outlives_a_power_cut),
        cmocka_unit_test(what_is_sealed_and_released_is_gone),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
