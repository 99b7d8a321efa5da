// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/clock.h"
#include "os/fs.h"
#include "os/fs_sim.h"

static char directory[64];

static int make_temporary_directory(void **state)
{
    snprintf(directory, sizeof(directory), "/tmp/weft-fs-XXXXXX");
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_temporary_directory(void **state)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}

static FileSystem *open_below(const char *below)
{
    char path[128];
    FileSystem *fs;

    snprintf(path, sizeof(path), "%s%s", directory, below);
    assert_int_equal(fs_open_directory(path, &fs), 0);
    return fs;
}

static void append_text(File *file, Str text)
{
    assert_int_equal(file->fs->ops->append(file, text.ptr, text.len), 0);
}

static void opening_makes_the_directory_and_its_parents(void **state)
{
    FileSystem *fs = open_below("/a/b//c/");
    uint64_t free_bytes = 0, total_bytes = 0;

    assert_int_equal(fs->ops->make_directory(fs, "d"), 0);
    assert_int_equal(fs->ops->make_directory(fs, "d"), 0);
    assert_int_equal(fs->ops->sync_directory(fs, "d"), 0);
    assert_int_equal(fs->ops->sync_directory(fs, "nowhere"), -ENOENT);
    assert_int_equal(fs->ops->free_bytes(fs, &free_bytes, &total_bytes), 0);
    assert_true(total_bytes > 0 && free_bytes <= total_bytes);
    fs->ops->free(fs);
}

static void files_keep_what_is_appended_and_read_exactly(void **state)
{
    FileSystem *fs = open_below("");
    File *file;
    char bytes[8];
    uint64_t size;

    assert_int_equal(fs->ops->open(fs, "f", FILE_READ, &file), -ENOENT);
    assert_int_equal(fs->ops->open(fs, "f", FILE_APPEND, &file), -ENOENT);
    assert_int_equal(fs->ops->open(fs, "f", FILE_CREATE, &file), 0);
    append_text(file, STR("hello"));
    append_text(file, STR(" world"));
    assert_int_equal(fs->ops->sync(file), 0);
    assert_int_equal(fs->ops->read_at(file, 6, bytes, 5), 0);
    assert_memory_equal(bytes, "world", 5);
    assert_int_equal(fs->ops->read_at(file, 7, bytes, 5), -EIO);
    assert_int_equal(fs->ops->truncate(file, 5), 0);
    append_text(file, STR("!")); /* appends at the new end */
    assert_int_equal(fs->ops->size(file, &size), 0);
    assert_int_equal(size, 6);
    assert_int_equal(fs->ops->close(file), 0);
    assert_int_equal(fs->ops->open(fs, "f", FILE_CREATE, &file), -EEXIST);
    fs->ops->free(fs);
}

/* What the kernel's calls may do: a part, or nothing because of a signal; then an error or the end.
 */
static unsigned n_transfers;
static size_t left_to_transfer;

static ssize_t part_of(size_t len)
{
    if (++n_transfers % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    size_t most = 1 + n_transfers % 7, part = MIN(len, left_to_transfer);

    part = MIN(part, most);
    left_to_transfer -= part;
    return (ssize_t)part;
}

static ssize_t short_write(int descriptor, const void *bytes, size_t len)
{
    ssize_t part = part_of(len);

    if (part == 0) {
        errno = ENOSPC;
        return -1;
    }
    return part < 0 ? part : write(descriptor, bytes, (size_t)part);
}

static ssize_t short_pread(int descriptor, void *bytes, size_t len, off_t offset)
{
    ssize_t part = part_of(len);

    return part <= 0 ? part : pread(descriptor, bytes, (size_t)part, offset);
}

static void short_transfers_go_on_until_all_is_done_or_an_error(void **state)
{
    FileSystem *fs = open_below("");
    uint8_t bytes[1000], back[1000] = {0};
    uint64_t size = 0;
    File *file;

    fs_use_transfer(fs, (FsTransfer){.write = short_write, .pread = short_pread});
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(fs->ops->open(fs, "short", FILE_CREATE, &file), 0);
    left_to_transfer = SIZE_MAX;
    n_transfers = 0;
    assert_int_equal(fs->ops->append(file, bytes, sizeof(bytes)), 0);
    assert_true(n_transfers > 200);
    assert_int_equal(fs->ops->read_at(file, 0, back, sizeof(back)), 0);
    assert_memory_equal(back, bytes, sizeof(bytes));
    left_to_transfer = 10;
    assert_int_equal(fs->ops->append(file, bytes, sizeof(bytes)), -ENOSPC);
    assert_int_equal(fs->ops->size(file, &size), 0);
    assert_int_equal(size, sizeof(bytes) + 10); /* half done, and told */
    left_to_transfer = 10;
    assert_int_equal(fs->ops->read_at(file, 0, back, sizeof(back)), -EIO);
    fs->ops->close(file);
    fs->ops->free(fs);
}

static void a_removed_file_cannot_be_synced(void **state)
{
    FsSim *sim = fs_sim_new(1);
    FileSystem *systems[] = {open_below("/removed"), fs_sim_fs(sim)};

    for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
        FileSystem *fs = systems[i];
        File *file;

        assert_int_equal(fs->ops->open(fs, "f", FILE_CREATE, &file), 0);
        append_text(file, STR("hello"));
        assert_int_equal(fs->ops->sync(file), 0);
        assert_int_equal(fs->ops->remove(fs, "f"), 0);
        append_text(file, STR("hello"));
        assert_int_equal(fs->ops->sync(file), -ENOENT);
        assert_int_equal(fs->ops->close(file), 0);
        fs->ops->free(fs);
    }
    fs_sim_free(sim);
}

static int count_entries(void *context, const char *name)
{
    ++*(int *)context;
    return 0;
}

static void replace_leaves_one_whole_file(void **state)
{
    FileSystem *fs = open_below("/replace");
    CLEANUP(buf_deinit) Buf content = {0};
    int n_entries = 0;

    assert_int_equal(fs->ops->make_directory(fs, "d"), 0);
    assert_int_equal(fs_replace_file(fs, "d/m", STR("old")), 0);
    assert_int_equal(fs_replace_file(fs, "d/m", STR("newer")), 0);
    assert_int_equal(fs_read_file(fs, "d/m", 4, &content), -EFBIG);
    assert_int_equal(content.len, 0);
    assert_int_equal(fs_read_file(fs, "d/m", 5, &content), 0);
    assert_true(str_equal(buf_str(&content), STR("newer")));
    assert_int_equal(fs->ops->list(fs, "d", count_entries, &n_entries), 0);
    assert_int_equal(n_entries, 1);
    fs->ops->free(fs);
}

static void the_lock_is_exclusive_until_its_holder_goes(void **state)
{
    FileSystem *first = open_below("/locked");
    FileSystem *second = open_below("/locked");

    assert_int_equal(first->ops->lock(first), 0);
    assert_int_equal(second->ops->lock(second), -EBUSY);
    first->ops->free(first);
    assert_int_equal(second->ops->lock(second), 0);
    second->ops->free(second);
}

static void a_manual_clock_moves_only_by_hand(void **state)
{
    uint64_t now = 5;
    Clock clock = clock_manual(&now);

    assert_int_equal(clock_realtime_ns(&clock), 5);
    now = 9;
    assert_int_equal(clock_monotonic_ns(&clock), 9);
    assert_true(clock_realtime_ns(&clock_system) > 1600000000000000000U);
    assert_true(clock_monotonic_ns(&clock_system) <= clock_monotonic_ns(&clock_system));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_makes_the_directory_and_its_parents),
        cmocka_unit_test(files_keep_what_is_appended_and_read_exactly),
        cmocka_unit_test(short_transfers_go_on_until_all_is_done_or_an_error),
        cmocka_unit_test(a_removed_file_cannot_be_synced),
        cmocka_unit_test(replace_leaves_one_whole_file),
        cmocka_unit_test(the_lock_is_exclusive_until_its_holder_goes),
        cmocka_unit_test(a_manual_clock_moves_only_by_hand),
    };

    return cmocka_run_group_tests(tests, make_temporary_directory, remove_temporary_directory);
}
