// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "codec/hash.h"
#include "os/fs_sim.h"
#include "store/manifest.h"
#include "store/samples.h"

/*
 * The store on a simulated disk: the power is cut or the process killed at every point of its life,
 * the disk runs full, calls fail. What was acknowledged must be there afterwards, and the
 * observer's tables must add up to exactly what the store holds.
 */
enum { TRACES = 24, SPANS = 6 };

typedef struct Fixture {
    FsSim *sim;
    SampleObserver observer;
    StoreOptions options;
    Store *store;
    bool acknowledged[TRACES][SPANS];
    bool refused[TRACES][SPANS]; /* told so, by an error */
} Fixture;

static Fixture *new_fixture(uint64_t seed)
{
    Fixture *fixture = NEW(Fixture);

    fixture->sim = fs_sim_new(seed);
    sample_observer_init(&fixture->observer, false);
    fixture->options = (StoreOptions){
        .fs = fs_sim_fs(fixture->sim),
        .decode = sample_decode,
        .clock = &clock_system,
        .observer = &fixture->observer.callbacks,
        .commit_delay_us = 1,
        .generation_rows = 40,
        .retention_age_s = UINT64_MAX,
    };
    return fixture;
}

static void free_fixture(Fixture *fixture)
{
    fixture->store = store_close(fixture->store);
    sample_observer_deinit(&fixture->observer);
    fs_sim_free(fixture->sim);
    mem_free(fixture);
}

static int open_store(Fixture *fixture)
{
    const char *why;

    sample_observer_deinit(&fixture->observer);
    sample_observer_init(&fixture->observer, false);
    return store_open(&fixture->options, &fixture->store, &why);
}

static void note_result(void *context, int result)
{
    __atomic_store_n((int *)context, result == 0 ? 1 : result, __ATOMIC_RELEASE);
}

static int append(Store *store, const Sample *samples, size_t n)
{
    StoreBatch *batch = sample_batch(samples, n);
    int told = 0;
    int result = store_append(store, batch, note_result, &told);

    if (result != 0) {
        store_batch_free(batch);
        return result;
    }
    while (__atomic_load_n(&told, __ATOMIC_ACQUIRE) == 0) {
        usleep(20);
    }
    return told == 1 ? 0 : told;
}

/* Two batches a trace, so that traces are re-opened; settles now and then. */
static void run(Fixture *fixture)
{
    for (uint32_t i = 0; i < TRACES * 2; i++) {
        uint32_t trace = (i * 7) % TRACES, first = i < TRACES ? 0 : SPANS / 2;
        Sample samples[SPANS / 2];

        for (uint32_t k = 0; k < SPANS / 2; k++) {
            samples[k] = (Sample){trace, first + k, 0};
        }
        int result = append(fixture->store, samples, SPANS / 2);
        for (uint32_t k = 0; k < SPANS / 2; k++) {
            fixture->acknowledged[trace][first + k] |= result == 0;
            fixture->refused[trace][first + k] |= result != 0;
        }
        if (i % 5 == 4) {
            store_wait_settled(fixture->store);
        }
    }
}

static void check(Fixture *fixture, const char *what, uint64_t point)
{
    uint64_t sum = 0;

    store_wait_settled(fixture->store);
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        CLEANUP(arena_deinit) Arena arena = {0};
        bool found[SPANS] = {0};
        Span *spans;
        size_t n;

        assert_int_equal(
            store_read_trace(fixture->store, sample_trace_id(trace), STORE_ALL, &arena, &spans, &n),
            0);
        for (size_t i = 0; i < n; i++) {
            found[spans[i].span_id.bytes[0] - 1] = true;
            sum += sample_hash(&spans[i]);
        }
        for (uint32_t span = 0; span < SPANS; span++) {
            if (fixture->acknowledged[trace][span] && !found[span]) {
                fail_msg("%s at %lu: span %u of trace %u is lost", what, point, span, trace);
            }
        }
    }
    if (sum != fixture->observer.sum) {
        fail_msg("%s at %lu: the tables do not say what the store holds", what, point);
    }
    assert_int_equal(fixture->observer.failures, 0);
}

static uint64_t count_calls(void)
{
    Fixture *fixture = new_fixture(0);

    assert_int_equal(open_store(fixture), 0);
    run(fixture);
    check(fixture, "nothing", 0);
    fixture->store = store_close(fixture->store);
    uint64_t calls = fs_sim_calls(fixture->sim);
    free_fixture(fixture);
    return calls;
}

static void crash_everywhere(const char *what, bool power_cut)
{
    uint64_t calls = count_calls();

    for (uint64_t point = 0; point < calls + 10; point++) {
        Fixture *fixture = new_fixture(point * 31 + 7);

        fs_sim_power_off_at(fixture->sim, point);
        if (open_store(fixture) == 0) {
            run(fixture);
            fixture->store = store_close(fixture->store);
        }
        for (int again = 0; again < 2; again++) { /* the second start must change nothing */
            if (power_cut) {
                fs_sim_restart(fixture->sim);
            } else {
                fs_sim_kill(fixture->sim);
            }
            assert_int_equal(open_store(fixture), 0);
            check(fixture, what, point);
            fixture->store = store_close(fixture->store);
        }
        free_fixture(fixture);
    }
}

static void a_power_cut_at_any_call_loses_nothing_acknowledged(void **state)
{
    crash_everywhere("power cut", true);
}

static void a_kill_at_any_call_loses_nothing_acknowledged(void **state)
{
    crash_everywhere("kill", false);
}

/* What a start concludes from a manifest that was written when the program was killed must hold if
 * the power goes then, too. */
static void a_power_cut_soon_after_a_kill_loses_nothing(void **state)
{
    enum { BLOCKS = 7, POINTS = 16, LATER_POINTS = 16 };
    const Sample late = {BLOCKS, 0, 0};

    for (uint64_t point = 0; point < POINTS * LATER_POINTS; point++) {
        Fixture *fixture = new_fixture(point);

        fixture->options.compaction_rows = 16; /* five or six blocks become one */
        assert_int_equal(open_store(fixture), 0);
        for (uint32_t trace = 0; trace < BLOCKS; trace++) {
            const Sample samples[] = {{trace, 0, 0}, {trace, 1, 0}, {trace, 2, 0}};

            assert_int_equal(append(fixture->store, samples, ARRAY_LEN(samples)), 0);
            for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
                fixture->acknowledged[trace][i] = true;
            }
            fixture->store = store_close(fixture->store);
            fs_sim_kill(fixture->sim); /* lets go of the lock */
            assert_int_equal(open_store(fixture), 0);
        }
        fs_sim_power_off_at(fixture->sim, point % POINTS);
        store_compact(fixture->store);
        fixture->store = store_close(fixture->store);
        fs_sim_kill(fixture->sim);
        assert_int_equal(open_store(fixture), 0);
        fs_sim_power_off_at(fixture->sim, point / POINTS); /* amid the next block */
        (void)append(fixture->store, &late, 1);
        fixture->store = store_close(fixture->store);
        fs_sim_restart(fixture->sim);
        assert_int_equal(open_store(fixture), 0);
        check(fixture, "power cut after a kill", point);
        free_fixture(fixture);
    }
}

/* A single call fails and everything goes on. */
static void one_failed_call_loses_nothing(void **state)
{
    static const int errors[] = {EIO, ENOSPC};

    for (uint64_t nth = 0; nth < 60; nth += 2) {
        for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
            Fixture *fixture = new_fixture(nth);

            assert_int_equal(open_store(fixture), 0);
            fs_sim_fail(fixture->sim, FS_SIM_APPEND | FS_SIM_SYNC, nth, 1, errors[i]);
            run(fixture);
            check(fixture, "failed call", nth);
            fixture->store = store_close(fixture->store);
            fs_sim_kill(fixture->sim);
            assert_int_equal(open_store(fixture), 0);
            check(fixture, "failed call, reopened", nth);
            free_fixture(fixture);
        }
    }
}

/* A read that fails once is an error to whoever asked, and nothing more: not to the map, not to
 * what is being rewritten. */
static void one_failed_read_changes_nothing(void **state)
{
    for (uint64_t nth = 0; nth < 120; nth += 3) {
        Fixture *fixture = new_fixture(nth);

        assert_int_equal(open_store(fixture), 0);
        run(fixture);
        fs_sim_fail(fixture->sim, FS_SIM_READ, nth, 1, EIO);
        for (uint32_t trace = 0; trace < TRACES; trace++) {
            CLEANUP(arena_deinit) Arena arena = {0};
            Span *spans;
            size_t n;

            int result = store_read_trace(fixture->store, sample_trace_id(trace), STORE_ALL, &arena,
                                          &spans, &n);
            assert_true(result == 0 || result == -EIO);
        }
        store_compact(fixture->store);
        fs_sim_fail(fixture->sim, 0, 0, 0, 0);
        check(fixture, "failed read", nth);
        fixture->store = store_close(fixture->store);
        fs_sim_kill(fixture->sim);
        assert_int_equal(open_store(fixture), 0);
        check(fixture, "failed read, reopened", nth);
        free_fixture(fixture);
    }
}

static bool is_stored(Fixture *fixture, uint32_t trace)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Span *spans;
    size_t n;

    store_wait_applied(fixture->store);
    assert_int_equal(
        store_read_trace(fixture->store, sample_trace_id(trace), STORE_ALL, &arena, &spans, &n), 0);
    return n > 0;
}

static void a_full_disk_refuses_serves_reads_and_recovers(void **state)
{
    Fixture *fixture = new_fixture(5);
    const Sample first = {1, 0, 0}, last = {2, 0, 0};
    StoreStatus status;
    uint32_t refused_trace = 0;

    assert_int_equal(open_store(fixture), 0);
    assert_int_equal(append(fixture->store, &first, 1), 0);
    fs_sim_set_capacity(fixture->sim, fs_sim_used(fixture->sim) + 500);
    for (uint32_t trace = 100; trace < 200 && refused_trace == 0; trace++) {
        Sample sample = {trace, 0, 0};

        if (append(fixture->store, &sample, 1) != 0) {
            refused_trace = trace;
        }
    }
    assert_true(refused_trace > 100);
    store_status(fixture->store, &status);
    assert_int_equal(status.write_error, -ENOSPC);
    assert_true(is_stored(fixture, 1) && is_stored(fixture, refused_trace - 1));

    fixture->store = store_close(fixture->store); /* cannot drain: the log keeps it all */
    fs_sim_kill(fixture->sim);
    assert_int_equal(open_store(fixture), 0); /* starting on a full disk serves reads */
    assert_true(is_stored(fixture, 1) && is_stored(fixture, refused_trace - 1));
    assert_false(is_stored(fixture, refused_trace));

    fs_sim_set_capacity(fixture->sim, UINT64_MAX);
    for (int i = 0; i < 300 && append(fixture->store, &last, 1) != 0; i++) {
        usleep(10000);
    }
    store_wait_applied(fixture->store);
    assert_true(is_stored(fixture, 2));
    store_status(fixture->store, &status);
    assert_int_equal(status.write_error, 0);
    free_fixture(fixture);
}

/* What was acknowledged before is in memory only then, until it is in a block. */
static void a_log_that_is_removed_makes_the_head_a_block_at_once(void **state)
{
    Fixture *fixture = new_fixture(8);
    FileSystem *fs = fs_sim_fs(fixture->sim);
    StoreStatus status = {0};

    assert_int_equal(open_store(fixture), 0);
    for (uint32_t trace = 0; trace < 5; trace++) {
        const Sample sample = {trace, 0, 0};

        assert_int_equal(append(fixture->store, &sample, 1), 0);
    }
    assert_int_equal(fs->ops->remove(fs, "log/0000000000000001.log"), 0);
    const Sample refused = {5, 0, 0};
    assert_int_equal(append(fixture->store, &refused, 1), -ENOENT);
    for (int i = 0; i < 1000 && status.n_blocks == 0; i++) {
        usleep(10000);
        store_status(fixture->store, &status);
    }
    fs_sim_power_off_at(fixture->sim, 0);
    fixture->store = store_close(fixture->store);
    fs_sim_restart(fixture->sim);
    assert_int_equal(open_store(fixture), 0);
    for (uint32_t trace = 0; trace < 5; trace++) {
        assert_true(is_stored(fixture, trace));
    }
    free_fixture(fixture);
}

static void too_much_waiting_is_busy_and_nothing_is_taken(void **state)
{
    Fixture *fixture = new_fixture(6);
    enum { MANY = 200 };
    int told[MANY] = {0}, n_busy = 0;

    fixture->options.queue_bytes_max = 64 << 10;
    fixture->options.commit_delay_us = 20000;
    assert_int_equal(open_store(fixture), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        Sample sample = {i, 0, 0};
        StoreBatch *batch = sample_batch(&sample, 1);
        int result = store_append(fixture->store, batch, note_result, &told[i]);

        if (result == STORE_BUSY) {
            store_batch_free(batch);
            n_busy++;
            told[i] = 2;
        }
    }
    fixture->store = store_close(fixture->store);
    assert_true(n_busy > 0 && n_busy < MANY);
    fs_sim_kill(fixture->sim);
    assert_int_equal(open_store(fixture), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(is_stored(fixture, i), told[i] == 1);
    }
    free_fixture(fixture);
}

static void a_damaged_block_is_set_aside_and_the_rest_is_served(void **state)
{
    Fixture *fixture = new_fixture(7);
    const char *path = "blocks/0000000000.parquet";
    File *file;
    uint64_t size;

    assert_int_equal(open_store(fixture), 0);
    for (uint32_t trace = 0; trace < 2; trace++) {
        Sample sample = {trace, 0, 0};

        assert_int_equal(append(fixture->store, &sample, 1), 0);
        fixture->store = store_close(fixture->store);
        fs_sim_kill(fixture->sim);
        assert_int_equal(open_store(fixture), 0);
    }
    fixture->store = store_close(fixture->store);
    fs_sim_kill(fixture->sim);
    FileSystem *fs = fs_sim_fs(fixture->sim);
    assert_int_equal(fs->ops->open(fs, path, FILE_READ, &file), 0);
    assert_int_equal(fs->ops->size(file, &size), 0);
    fs->ops->close(file);
    for (uint64_t i = 1; i <= 8; i++) {
        assert_int_equal(fs_sim_damage(fixture->sim, path, size - i), 0);
    }
    assert_int_equal(open_store(fixture), 0);
    assert_false(is_stored(fixture, 0));
    assert_true(is_stored(fixture, 1));
    assert_int_equal(fs->ops->open(fs, "damaged/block-0000000000.parquet", FILE_READ, &file), 0);
    fs->ops->close(file);
    free_fixture(fixture);
}

/* Merged files replace those that they sum up, at once for the observer and for the next start. */
static void tables_are_merged_as_the_observer_plans(void **state)
{
    Fixture *fixture = new_fixture(9);
    StoreStatus status = {0};

    assert_int_equal(open_store(fixture), 0);
    fixture->observer.tables_max = 2;
    for (uint32_t trace = 0; trace < 40 && fixture->observer.n_merges < 2; trace++) {
        Sample samples[20];

        for (uint32_t i = 0; i < ARRAY_LEN(samples); i++) {
            samples[i] = (Sample){trace * 20 + i, 0, 0};
        }
        assert_int_equal(append(fixture->store, samples, ARRAY_LEN(samples)), 0);
        store_wait_settled(fixture->store);
        usleep(100000);
    }
    fixture->store = store_close(fixture->store);
    assert_true(fixture->observer.n_merges >= 2);
    assert_int_equal(fixture->observer.failures, 0);
    assert_int_equal(fixture->observer.committed, fixture->observer.sum);
    uint64_t sum = fixture->observer.sum;
    fs_sim_kill(fixture->sim);
    assert_int_equal(open_store(fixture), 0);
    store_status(fixture->store, &status);
    assert_in_range(status.n_tables, 1, 4);
    assert_int_equal(fixture->observer.committed, sum);
    free_fixture(fixture);
}

/* Tables of a data directory that was written before they had a description. */
static void a_table_without_description_is_the_maps(void **state)
{
    Fixture *fixture = new_fixture(10);
    FileSystem *fs = fs_sim_fs(fixture->sim);
    CLEANUP(buf_deinit) Buf text = {0};
    Manifest manifest = {0};
    ParseError error;

    buf_append_str(&text, STR("weft-manifest 1\nedition 3\nlog_from 1\nnext_file 9\n"
                              "block 4 100 5\ntable 7 20 0\ntable 8 20 6 runs 2 10 20 later 3\n"));
    buf_append_format(&text, "checksum %016" PRIx64 "\n", hash_stable(buf_str(&text)));
    assert_int_equal(fs_replace_file(fs, "MANIFEST", buf_str(&text)), 0);
    assert_int_equal(manifest_read(fs, &manifest, &error), 0);
    for (int again = 0; again < 2; again++) {
        const ManifestFile *old = manifest_files_find(&manifest.tables, 7);
        const ManifestFile *new = manifest_files_find(&manifest.tables, 8);

        assert_true(table_info_is(&old->table, "map") && old->table.level == 0);
        assert_true(old->table.from_minute == 0 && old->table.to_minute == UINT32_MAX);
        assert_true(table_info_is(&new->table, "runs") && new->table.level == 2);
        assert_true(new->table.from_minute == 10 && new->table.to_minute == 20);
        assert_int_equal(new->written_s, 6);
        assert_int_equal(manifest_write(fs, &manifest), 0);
        manifest_deinit(&manifest);
        assert_int_equal(manifest_read(fs, &manifest, &error), 0);
    }
    manifest_deinit(&manifest);
    free_fixture(fixture);
}

static int count_name(void *context, const char *name)
{
    *(size_t *)context += str_starts_with(str_from_cstr(name), STR("MANIFEST-"));
    return 0;
}

/* Whatever byte of it is wrong: all spans are there, each once, and the map's tables too. */
static void a_damaged_manifest_is_made_anew(void **state)
{
    for (uint64_t at = 0; at < 120; at += 3) {
        Fixture *fixture = new_fixture(8);
        const Sample first = {1, 0, 0}, second = {2, 0, 0};
        StoreStatus status;
        size_t n_kept = 0;

        assert_int_equal(open_store(fixture), 0);
        assert_int_equal(append(fixture->store, &first, 1), 0);
        fixture->store = store_close(fixture->store);
        fs_sim_kill(fixture->sim);
        assert_int_equal(open_store(fixture), 0);
        assert_int_equal(append(fixture->store, &second, 1), 0);
        fixture->store = store_close(fixture->store);
        fs_sim_kill(fixture->sim);
        if (fs_sim_damage(fixture->sim, "MANIFEST", at) != 0) {
            free_fixture(fixture);
            break;
        }
        assert_int_equal(open_store(fixture), 0);
        assert_true(is_stored(fixture, 1) && is_stored(fixture, 2));
        store_status(fixture->store, &status);
        assert_int_equal(status.spans_stored, 2);
        FileSystem *fs = fs_sim_fs(fixture->sim);
        assert_int_equal(fs->ops->list(fs, "damaged", count_name, &n_kept), 0);
        assert_int_equal(n_kept, 1);
        fixture->store = store_close(fixture->store);
        fs_sim_kill(fixture->sim);
        assert_int_equal(open_store(fixture), 0);
        assert_true(is_stored(fixture, 1) && is_stored(fixture, 2));
        free_fixture(fixture);
    }
}

static void a_directory_of_a_newer_program_is_left_alone(void **state)
{
    Fixture *fixture = new_fixture(9);
    FileSystem *fs = fs_sim_fs(fixture->sim);
    CLEANUP(buf_deinit) Buf text = {0};
    CLEANUP(buf_deinit) Buf after = {0};

    buf_append_str(&text, STR("weft-manifest 4\nedition 3\nlater 5\n"));
    buf_append_format(&text, "checksum %016" PRIx64 "\n", hash_stable(buf_str(&text)));
    assert_int_equal(fs_replace_file(fs, "MANIFEST", buf_str(&text)), 0);
    assert_int_equal(open_store(fixture), -EBADMSG);
    assert_int_equal(fs_read_file(fs, "MANIFEST", 1000, &after), 0);
    assert_true(str_equal(buf_str(&after), buf_str(&text)));
    free_fixture(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_at_any_call_loses_nothing_acknowledged),
        cmocka_unit_test(a_kill_at_any_call_loses_nothing_acknowledged),
        cmocka_unit_test(a_power_cut_soon_after_a_kill_loses_nothing),
        cmocka_unit_test(one_failed_call_loses_nothing),
        cmocka_unit_test(one_failed_read_changes_nothing),
        cmocka_unit_test(a_full_disk_refuses_serves_reads_and_recovers),
        cmocka_unit_test(a_log_that_is_removed_makes_the_head_a_block_at_once),
        cmocka_unit_test(too_much_waiting_is_busy_and_nothing_is_taken),
        cmocka_unit_test(a_damaged_block_is_set_aside_and_the_rest_is_served),
        cmocka_unit_test(a_directory_of_a_newer_program_is_left_alone),
        cmocka_unit_test(a_damaged_manifest_is_made_anew),
        cmocka_unit_test(tables_are_merged_as_the_observer_plans),
        cmocka_unit_test(a_table_without_description_is_the_maps),
    };

    log_set_level(LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
