// SPDX-License-Identifier: Apache-2.0
#include "store/check/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "codec/hash.h"
#include "store/check/cursor.h"

/*
 * The directory beside a running server changes under the checker: a file that the manifest named
 * may be gone when it is opened. Then the manifest is read again; only a file that the manifest
 * still names is missed. Log segments go too, without a manifest saying so: one that is gone is
 * needed no longer.
 */
enum {
    FILE_BYTES_MAX = 1 << 30,
    MANIFEST_MAX = 64 << 20,
    ATTEMPTS = 20,
    PATH_SIZE = 96,
    SUM_LINE = 26
};

bool check_tell(const CheckFile *file, uint64_t offset, const char *what)
{
    file->report->n_problems++;
    file->report->tell(file->report->context, file->path, offset, what);
    return false;
}

/* A file as the manifest names it. */
typedef struct Named {
    bool is_block;
    uint64_t number, bytes;
    bool is_checked;
} Named;

typedef struct Names {
    Named *items;
    size_t n, capacity;
} Names;

static void names_deinit(Names *names)
{
    mem_free(names->items);
}

static void name_path(const Named *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%010" PRIu64 ".parquet", name->is_block ? "blocks" : "tables",
             name->number);
}

/* --- The manifest --- */

static bool parse_line(Str line, Names *names)
{
    Str word, number, bytes;
    Named name = {0};

    str_split(line, ' ', &word, &line);
    str_split(line, ' ', &number, &line);
    str_split(line, ' ', &bytes, &line);
    name.is_block = str_equal(word, STR("block"));
    if (!name.is_block && !str_equal(word, STR("table"))) {
        return true;
    }
    if (str_parse_u64(number, &name.number) != 0 || str_parse_u64(bytes, &name.bytes) != 0) {
        return false;
    }
    ARRAY_RESERVE(names->items, names->n, names->capacity);
    names->items[names->n++] = name;
    return true;
}

static void parse_manifest(const CheckFile *file, Names *names)
{
    CLEANUP(buf_deinit) Buf sum = {0};
    Str text = file->bytes, rest = text, line;
    size_t end = text.len < SUM_LINE ? 0 : text.len - SUM_LINE;

    if (!str_starts_with(text, STR("weft-manifest "))) {
        check_tell(file, 0, "does not begin with weft-manifest");
        return;
    }
    buf_append_format(&sum, "checksum %016" PRIx64 "\n", hash_stable(str_slice(text, 0, end)));
    if (!str_equal(buf_str(&sum), str_slice(text, end, text.len))) {
        check_tell(file, end, "the checksum does not fit");
        return;
    }
    while (str_split(rest, '\n', &line, &rest)) {
        if (!parse_line(line, names)) {
            check_tell(file, (uint64_t)(line.ptr - text.ptr), "a line is malformed");
        }
    }
}

static int read_manifest(FileSystem *fs, CheckReport *report, Names *names)
{
    CLEANUP(buf_deinit) Buf text = {0};
    int result = fs_read_file(fs, "MANIFEST", MANIFEST_MAX, &text);

    if (result == -ENOENT) {
        return 0; /* an empty one */
    }
    TRY(result);
    const CheckFile file = {report, "MANIFEST", buf_str(&text)};
    parse_manifest(&file, names);
    return 0;
}

/* --- Files --- */

/* Returns 0; 1 when it is not there; or -errno. */
static int check_named(FileSystem *fs, CheckReport *report, const Named *name)
{
    CLEANUP(buf_deinit) Buf content = {0};
    char path[PATH_SIZE];

    name_path(name, path);
    int result = fs_read_file(fs, path, FILE_BYTES_MAX, &content);
    const CheckFile file = {report, path, buf_str(&content)};
    if (result == -ENOENT) {
        return 1;
    }
    if (result == -EIO || result == -EFBIG) {
        check_tell(&file, 0, result == -EIO ? "cannot be read" : "is larger than 1 GiB");
        return 0;
    }
    TRY(result);
    report->n_bytes += content.len;
    if (content.len != name->bytes) {
        check_tell(&file, content.len, "has another length than MANIFEST says");
    } else if (name->is_block) {
        check_block(&file);
    } else {
        check_table(&file);
    }
    *(name->is_block ? &report->n_blocks : &report->n_tables) += 1;
    return 0;
}

static bool was_checked(const Names *done, const Named *name)
{
    for (size_t i = 0; i < done->n; i++) {
        if (done->items[i].is_block == name->is_block && done->items[i].number == name->number) {
            return true;
        }
    }
    return false;
}

/* Checks what is named and was not checked. Returns 0; 1 when something is not there; or -errno. */
static int check_names(FileSystem *fs, CheckReport *report, const Names *names, Names *done)
{
    int missing = 0;

    for (size_t i = 0; i < names->n; i++) {
        if (was_checked(done, &names->items[i])) {
            continue;
        }
        int result = check_named(fs, report, &names->items[i]);

        if (result < 0) {
            return result;
        }
        if (result == 0) {
            ARRAY_RESERVE(done->items, done->n, done->capacity);
            done->items[done->n++] = names->items[i];
        }
        missing |= result;
    }
    return missing;
}

static void tell_missing(CheckReport *report, const Names *names, const Names *done)
{
    char path[PATH_SIZE];

    for (size_t i = 0; i < names->n; i++) {
        if (!was_checked(done, &names->items[i])) {
            name_path(&names->items[i], path);
            check_tell(&(CheckFile){report, path, {0}}, 0, "is named by MANIFEST and not there");
        }
    }
}

static int check_files(FileSystem *fs, CheckReport *report)
{
    CLEANUP(names_deinit) Names done = {0};

    for (unsigned attempt = 1;; attempt++) {
        CLEANUP(names_deinit) Names names = {0};
        uint64_t n_problems = report->n_problems;

        TRY(read_manifest(fs, report, &names));
        if (report->n_problems > n_problems) {
            return 0;
        }
        int result = check_names(fs, report, &names, &done);
        if (result <= 0) {
            return result;
        }
        if (attempt == ATTEMPTS) {
            tell_missing(report, &names, &done);
            return 0;
        }
    }
}

/* --- The log --- */

typedef struct Segments {
    uint64_t *numbers;
    size_t n, capacity;
} Segments;

static int note_segment(void *context, const char *name)
{
    Segments *segments = context;
    Str text = str_from_cstr(name);
    uint8_t bytes[8];
    uint64_t number = 0;

    if (text.len != 20 || !str_ends_with(text, STR(".log")) ||
        str_parse_hex(str_slice(text, 0, 16), bytes, sizeof(bytes)) != 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        number = number << 8 | bytes[i];
    }
    ARRAY_RESERVE(segments->numbers, segments->n, segments->capacity);
    segments->numbers[segments->n++] = number;
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static int check_segments(FileSystem *fs, CheckReport *report, const Segments *segments)
{
    uint64_t next_sequence = 0;

    for (size_t i = 0; i < segments->n; i++) {
        CLEANUP(buf_deinit) Buf content = {0};
        char path[PATH_SIZE];

        snprintf(path, sizeof(path), "log/%016" PRIx64 ".log", segments->numbers[i]);
        int result = fs_read_file(fs, path, FILE_BYTES_MAX, &content);
        if (result == -ENOENT) {
            next_sequence = 0; /* needed no longer since it was listed */
            continue;
        }
        TRY(result);
        const CheckFile file = {report, path, buf_str(&content)};
        report->n_segments++;
        report->n_bytes += content.len;
        check_log(&file, segments->numbers[i], i + 1 == segments->n, &next_sequence);
    }
    return 0;
}

int check_directory(FileSystem *fs, CheckReport *report)
{
    Segments segments = {0};
    int result = fs->ops->list(fs, "log", note_segment, &segments);

    if (result == 0 && segments.n > 0) {
        qsort(segments.numbers, segments.n, sizeof(*segments.numbers), compare_numbers);
        result = check_segments(fs, report, &segments);
    }
    mem_free(segments.numbers);
    if (result == 0 || result == -ENOENT) {
        result = check_files(fs, report);
    }
    return result;
}
