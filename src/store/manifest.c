// SPDX-License-Identifier: Apache-2.0
#include "store/manifest.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "codec/hash.h"

/*
 * Text, so that a person can read what a data directory holds, with a checksum as the last line. It
 * is rewritten whole: some 40 bytes a file, 100 kB for 2,500 blocks, once per block written.
 */
static const char manifest_path[] = "MANIFEST";
static const Str format_line = {.ptr = "weft-manifest 1", .len = 15};
static const Str checksum_word = {.ptr = "checksum ", .len = 9};
static const Str extension = {.ptr = ".parquet", .len = 8};

enum { CHECKSUM_LINE = 9 + 16 + 1, NUMBER_DIGITS = 10 };

void manifest_deinit(Manifest *manifest)
{
    mem_free(manifest->blocks.items);
    mem_free(manifest->tables.items);
    *manifest = (Manifest){0};
}

static ManifestFiles copy_files(const ManifestFiles *files)
{
    ManifestFiles copy = {0};

    for (size_t i = 0; i < files->count; i++) {
        manifest_files_add(&copy, files->items[i]);
    }
    return copy;
}

void manifest_copy(const Manifest *manifest, Manifest *to)
{
    *to = *manifest;
    to->blocks = copy_files(&manifest->blocks);
    to->tables = copy_files(&manifest->tables);
}

void manifest_files_add(ManifestFiles *files, ManifestFile file)
{
    ARRAY_RESERVE(files->items, files->count, files->capacity);
    files->items[files->count++] = file;
}

void manifest_files_drop(ManifestFiles *files, uint64_t number)
{
    size_t kept = 0;

    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i].number != number) {
            files->items[kept++] = files->items[i];
        }
    }
    files->count = kept;
}

const ManifestFile *manifest_files_find(const ManifestFiles *files, uint64_t number)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i].number == number) {
            return &files->items[i];
        }
    }
    return NULL;
}

uint64_t manifest_files_bytes(const ManifestFiles *files)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < files->count; i++) {
        bytes += files->items[i].bytes;
    }
    return bytes;
}

void manifest_block_path(uint64_t number, char path[MANIFEST_PATH_MAX])
{
    snprintf(path, MANIFEST_PATH_MAX, "blocks/%010" PRIu64 ".parquet", number);
}

void manifest_table_path(uint64_t number, char path[MANIFEST_PATH_MAX])
{
    snprintf(path, MANIFEST_PATH_MAX, "tables/%010" PRIu64 ".parquet", number);
}

int manifest_parse_name(const char *name, uint64_t *ret_number)
{
    Str text = str_from_cstr(name);

    if (text.len < NUMBER_DIGITS + extension.len || !str_ends_with(text, extension)) {
        return 1;
    }
    return str_parse_u64(str_slice(text, 0, text.len - extension.len), ret_number);
}

/* One `word number [number [number]]` line. */
typedef struct Line {
    Str word;
    uint64_t first, second, third;
} Line;

static int parse_line(Str text, Line *ret_line)
{
    Str rest, first, second, third;

    (void)str_split(text, ' ', &ret_line->word, &rest);
    (void)str_split(rest, ' ', &first, &rest);
    (void)str_split(rest, ' ', &second, &third);
    ret_line->second = ret_line->third = 0;
    TRY(str_parse_u64(first, &ret_line->first));
    TRY(second.len == 0 ? 0 : str_parse_u64(second, &ret_line->second));
    return third.len == 0 ? 0 : str_parse_u64(third, &ret_line->third);
}

static ManifestFile line_file(const Line *line)
{
    return (ManifestFile){.number = line->first, .bytes = line->second, .written_s = line->third};
}

/* Words that are not known are of a newer program that thought them harmless: skipped. */
static int read_line(Str text, Manifest *manifest)
{
    Line line;

    TRY(parse_line(text, &line));
    if (str_equal(line.word, STR("edition"))) {
        manifest->edition = line.first;
    } else if (str_equal(line.word, STR("log_from"))) {
        manifest->log_from = line.first;
    } else if (str_equal(line.word, STR("next_file"))) {
        manifest->next_file = line.first;
    } else if (str_equal(line.word, STR("block"))) {
        manifest_files_add(&manifest->blocks, line_file(&line));
    } else if (str_equal(line.word, STR("table"))) {
        manifest_files_add(&manifest->tables, line_file(&line));
    }
    return 0;
}

static int fail(size_t offset, const char *text, ParseError *ret_error)
{
    *ret_error = (ParseError){.offset = offset, .text = text};
    return 1;
}

static void append_checksum(Buf *buf)
{
    uint64_t hash = hash_stable(buf_str(buf));

    buf_append_format(buf, "checksum %016" PRIx64 "\n", hash);
}

static bool checksum_is_right(Str text)
{
    CLEANUP(buf_deinit) Buf expected = {0};
    size_t end = text.len - CHECKSUM_LINE;

    buf_append_str(&expected, str_slice(text, 0, end));
    append_checksum(&expected);
    return str_equal(buf_str(&expected), text);
}

static int parse(Str text, Manifest *manifest, ParseError *ret_error)
{
    Str line, rest;

    (void)str_split(text, '\n', &line, &rest);
    if (!str_equal(line, format_line)) {
        return fail(0, "not a manifest of format 1", ret_error);
    }
    if (text.len < CHECKSUM_LINE || !checksum_is_right(text)) {
        return fail(0, "the checksum does not match", ret_error);
    }
    while (str_split(rest, '\n', &line, &rest)) {
        if (!str_starts_with(line, checksum_word) && read_line(line, manifest) != 0) {
            return fail((size_t)(line.ptr - text.ptr), "a line is not WORD NUMBER", ret_error);
        }
    }
    return 0;
}

int manifest_read(FileSystem *fs, Manifest *manifest, ParseError *ret_error)
{
    CLEANUP(buf_deinit) Buf text = {0};
    int result = fs_read_file(fs, manifest_path, MANIFEST_BYTES_MAX, &text);

    if (result == -ENOENT) {
        return 0;
    }
    TRY(result);
    result = parse(buf_str(&text), manifest, ret_error);
    if (result != 0) {
        manifest_deinit(manifest);
    }
    return result;
}

static void append_files(const ManifestFiles *files, const char *word, Buf *buf)
{
    for (size_t i = 0; i < files->count; i++) {
        buf_append_format(buf, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", word,
                          files->items[i].number, files->items[i].bytes, files->items[i].written_s);
    }
}

int manifest_write(FileSystem *fs, const Manifest *manifest)
{
    CLEANUP(buf_deinit) Buf text = {0};

    buf_append_str(&text, format_line);
    buf_append_format(&text, "\nedition %" PRIu64 "\nlog_from %" PRIu64 "\nnext_file %" PRIu64 "\n",
                      manifest->edition, manifest->log_from, manifest->next_file);
    append_files(&manifest->blocks, "block", &text);
    append_files(&manifest->tables, "table", &text);
    append_checksum(&text);
    return fs_replace_file(fs, manifest_path, buf_str(&text));
}
