// SPDX-License-Identifier: Apache-2.0
#include "store/check/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "os/fs_sim.h"
#include "store/block/testing.h"
#include "store/check/stat.h"
#include "store/manifest.h"
#include "store/segment.h"

/* A data directory of one block and one log segment. */
typedef struct Fixture {
    FsSim *sim;
    FileSystem *fs;
    Buf block, log;
    CheckReport report;
    char file[64];   /* of the last problem */
    uint64_t offset; /* of the first one */
} Fixture;

static const char block_path[] = "blocks/0000000003.parquet";
static const char log_path[] = "log/0000000000000001.log";

static void note(void *context, const char *file, uint64_t offset, const char *what)
{
    Fixture *f = context;

    if (f->report.n_problems == 1) {
        f->offset = offset;
    }
    snprintf(f->file, sizeof(f->file), "%s", file);
    assert_non_null(what);
}

static void put_log(Fixture *f)
{
    segment_write_header(1, 1, &f->log);
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        CLEANUP(buf_deinit) Buf frame = {0};

        frame_prepare(STR("a body that is long enough to be compressed compressed compressed"),
                      &frame);
        frame_seal(&frame, 1, sequence);
        buf_append_str(&f->log, buf_str(&frame));
    }
    assert_int_equal(f->fs->ops->make_directory(f->fs, "log"), 0);
    assert_int_equal(fs_replace_file(f->fs, log_path, buf_str(&f->log)), 0);
}

static void open_fixture(Fixture *f, uint64_t seed, size_t n, bool is_wild)
{
    Arena arena = {0};
    Maker maker = {.state = seed, .arena = &arena, .is_wild = is_wild};
    BlockSummary summary;
    Manifest manifest = {.edition = 1, .next_file = 4};

    *f = (Fixture){.sim = fs_sim_new(1)};
    f->fs = fs_sim_fs(f->sim);
    f->report = (CheckReport){.tell = note, .context = f};
    make_block(make_spans(&maker, n), n, &f->block, &summary);
    manifest_files_add(&manifest.blocks, (ManifestFile){.number = 3, .bytes = f->block.len});
    assert_int_equal(f->fs->ops->make_directory(f->fs, "blocks"), 0);
    assert_int_equal(fs_replace_file(f->fs, block_path, buf_str(&f->block)), 0);
    assert_int_equal(manifest_write(f->fs, &manifest), 0);
    manifest_deinit(&manifest);
    put_log(f);
    arena_deinit(&arena);
}

static void close_fixture(Fixture *f)
{
    fs_sim_free(f->sim);
    buf_deinit(&f->block);
    buf_deinit(&f->log);
}

static void check_again(Fixture *f)
{
    f->report = (CheckReport){.tell = note, .context = f};
    assert_int_equal(check_directory(f->fs, &f->report), 0);
}

static void what_we_write_is_sound(void **state)
{
    for (uint64_t seed = 1; seed < 8; seed++) {
        Fixture f;
        size_t n = seed * seed * 150;

        open_fixture(&f, seed, n, seed % 2 == 0);
        check_again(&f);
        if (f.report.n_problems != 0) {
            fail_msg("seed %d: %s at %d", (int)seed, f.file, (int)f.offset);
        }
        assert_int_equal(f.report.n_spans, n);
        assert_int_equal(f.report.n_frames, 5);
        close_fixture(&f);
    }
}

/* A changed byte is told with its file, but for bytes that say nothing (a few of the page index and
 * of headers that the format does not look at). */
static void a_changed_byte_is_told(void **state)
{
    Fixture f;
    size_t unnoticed = 0, n = 0;

    open_fixture(&f, 9, 300, false);
    for (size_t at = 0; at < f.block.len; at += 1 + f.block.len / 400, n++) {
        f.block.ptr[at] ^= 0x55;
        assert_int_equal(fs_replace_file(f.fs, block_path, buf_str(&f.block)), 0);
        check_again(&f);
        f.block.ptr[at] ^= 0x55;
        unnoticed += f.report.n_problems == 0;
        assert_true(f.report.n_problems == 0 ||
                    str_equal(str_from_cstr(f.file), STR("blocks/0000000003.parquet")));
    }
    print_message("%zu of %zu changes unnoticed\n", unnoticed, n);
    assert_true(unnoticed < n / 5);
    close_fixture(&f);
}

static void damage_in_the_log_is_told_with_its_offset(void **state)
{
    Fixture f;

    open_fixture(&f, 10, 20, false);
    f.log.ptr[SEGMENT_HEADER_SIZE + 10] ^= 1; /* the first frame */
    assert_int_equal(fs_replace_file(f.fs, log_path, buf_str(&f.log)), 0);
    check_again(&f);
    assert_int_equal(f.report.n_problems, 1);
    assert_int_equal(f.offset, SEGMENT_HEADER_SIZE);
    assert_int_equal(f.report.n_frames, 4);

    f.log.ptr[SEGMENT_HEADER_SIZE + 10] ^= 1;
    f.log.len -= 7; /* a torn tail is what a running server may have */
    assert_int_equal(fs_replace_file(f.fs, log_path, buf_str(&f.log)), 0);
    check_again(&f);
    assert_int_equal(f.report.n_problems, 0);
    assert_int_equal(f.report.n_frames, 4);
    close_fixture(&f);
}

static void a_missing_file_and_a_bad_manifest_are_told(void **state)
{
    Fixture f;
    StoreStat stat;
    ParseError error;

    open_fixture(&f, 11, 200, false);
    assert_int_equal(stat_directory(f.fs, &stat, &error), 0);
    assert_int_equal(stat.n_spans, 200);
    assert_int_equal(stat.block_bytes, f.block.len);
    assert_true(stat.n_columns > 18 && stat.columns[0].bytes >= stat.columns[1].bytes);
    assert_true(stat.n_keys > 5 && stat.n_sections == 6 && stat.n_segments == 1);
    uint64_t bytes = 0;
    for (size_t i = 0; i < stat.n_columns; i++) {
        bytes += stat.columns[i].bytes;
    }
    assert_in_range(bytes, 1, f.block.len);
    stat_deinit(&stat);

    assert_int_equal(f.fs->ops->remove(f.fs, block_path), 0);
    check_again(&f);
    assert_int_equal(f.report.n_problems, 1);
    assert_string_equal(f.file, block_path);
    assert_int_equal(stat_directory(f.fs, &stat, &error), -ENOENT);
    assert_int_equal(fs_replace_file(f.fs, "MANIFEST", STR("weft-manifest 2\nnothing\n")), 0);
    check_again(&f);
    assert_int_equal(f.report.n_problems, 1);
    assert_string_equal(f.file, "MANIFEST");
    assert_int_equal(stat_directory(f.fs, &stat, &error), 1);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_write_is_sound),
        cmocka_unit_test(a_changed_byte_is_told),
        cmocka_unit_test(damage_in_the_log_is_told_with_its_offset),
        cmocka_unit_test(a_missing_file_and_a_bad_manifest_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
