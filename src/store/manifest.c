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
static const Str format_word = {.ptr = "weft-manifest ", .len = 14};
static const Str checksum_word = {.ptr = "checksum ", .len = 9};
static const Str extension = {.ptr = ".parquet", .len = 8};

enum { CHECKSUM_LINE = 9 + 16 + 1, NUMBER_DIGITS = 10 };

void manifest_deinit(Manifest *manifest)
{
    mem_free(manifest->blocks.items);
    mem_free(manifest->tables.items);
    mem_free(manifest->deletions.items);
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

void manifest_deletions_add(ManifestDeletions *deletions, ManifestDeletion deletion)
{
    ARRAY_RESERVE(deletions->items, deletions->count, deletions->capacity);
    deletions->items[deletions->count++] = deletion;
}

ManifestDeletion *manifest_deletions_find(ManifestDeletions *deletions,
                                          const ManifestDeletion *deletion)
{
    for (size_t i = 0; i < deletions->count; i++) {
        ManifestDeletion *item = &deletions->items[i];

        if (trace_id_equal(item->trace_id, deletion->trace_id) &&
            item->file_below == deletion->file_below && item->log_below == deletion->log_below) {
            return item;
        }
    }
    return NULL;
}

void manifest_deletions_drop(ManifestDeletions *deletions, const ManifestDeletion *deletion)
{
    ManifestDeletion *item = manifest_deletions_find(deletions, deletion);

    if (item != NULL) {
        *item = deletions->items[--deletions->count];
    }
}

void manifest_deletions_deinit(ManifestDeletions *deletions)
{
    mem_free(deletions->items);
    *deletions = (ManifestDeletions){0};
}

void manifest_copy(const Manifest *manifest, Manifest *to)
{
    *to = *manifest;
    to->deletions = (ManifestDeletions){0};
    for (size_t i = 0; i < manifest->deletions.count; i++) {
        manifest_deletions_add(&to->deletions, manifest->deletions.items[i]);
    }
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

/* One line: a word, up to three numbers, and what is behind them. */
typedef struct Line {
    Str word;
    uint64_t first, second, third;
    Str rest;
} Line;

static int take_number(Str *text, uint64_t *ret_number)
{
    Str number;

    (void)str_split(*text, ' ', &number, text);
    *ret_number = 0;
    return number.len == 0 ? 0 : str_parse_u64(number, ret_number);
}

static int parse_line(Str text, Line *ret_line)
{
    Str first;

    (void)str_split(text, ' ', &ret_line->word, &ret_line->rest);
    (void)str_split(ret_line->rest, ' ', &first, &ret_line->rest);
    TRY(str_parse_u64(first, &ret_line->first));
    TRY(take_number(&ret_line->rest, &ret_line->second));
    return take_number(&ret_line->rest, &ret_line->third);
}

static ManifestFile line_file(const Line *line)
{
    return (ManifestFile){.number = line->first, .bytes = line->second, .written_s = line->third};
}

/* Family, level and period; a line without them is of before there were any: the map's. */
static int add_table(ManifestFiles *files, const Line *line)
{
    ManifestFile file = line_file(line);
    Str family, rest = line->rest;
    uint64_t level, from, to;

    file.table = table_info("map");
    if (rest.len > 0) {
        (void)str_split(rest, ' ', &family, &rest);
        TRY(take_number(&rest, &level));
        TRY(take_number(&rest, &from));
        TRY(take_number(&rest, &to));
        if (!table_family_is_word(family) || level > UINT32_MAX || from > UINT32_MAX ||
            to > UINT32_MAX) {
            return 1;
        }
        file.table = (TableInfo){
            .level = (uint32_t)level, .from_minute = (uint32_t)from, .to_minute = (uint32_t)to};
        mem_copy(file.table.family, family.ptr, family.len);
    }
    manifest_files_add(files, file);
    return 0;
}

static int add_block(ManifestFiles *files, const Line *line)
{
    ManifestFile file = line_file(line);
    Str rest = line->rest;

    TRY(take_number(&rest, &file.swept_s));
    manifest_files_add(files, file);
    return 0;
}

/* `deleted TRACE log_below file_below` */
static int add_deletion(Str text, Manifest *manifest)
{
    ManifestDeletion deletion = {0};
    Str word, id;

    (void)str_split(text, ' ', &word, &text);
    (void)str_split(text, ' ', &id, &text);
    if (str_parse_hex(id, deletion.trace_id.bytes, TRACE_ID_SIZE) != 0) {
        return 1;
    }
    TRY(take_number(&text, &deletion.log_below));
    TRY(take_number(&text, &deletion.file_below));
    manifest_deletions_add(&manifest->deletions, deletion);
    return 0;
}

/* Words that are not known are of a newer program that thought them harmless: skipped. */
static int read_line(Str text, Manifest *manifest)
{
    Line line;

    if (str_starts_with(text, STR("deleted "))) {
        return add_deletion(text, manifest);
    }
    TRY(parse_line(text, &line));
    if (str_equal(line.word, STR("edition"))) {
        manifest->edition = line.first;
    } else if (str_equal(line.word, STR("log_from"))) {
        manifest->log_from = line.first;
    } else if (str_equal(line.word, STR("next_file"))) {
        manifest->next_file = line.first;
    } else if (str_equal(line.word, STR("block"))) {
        return add_block(&manifest->blocks, &line);
    } else if (str_equal(line.word, STR("table"))) {
        return add_table(&manifest->tables, &line);
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
    uint64_t format;

    (void)str_split(text, '\n', &line, &rest);
    if (!str_starts_with(line, format_word) ||
        str_parse_u64(str_slice(line, format_word.len, line.len), &format) != 0 || format == 0) {
        return fail(0, "no line weft-manifest NUMBER", ret_error);
    }
    if (text.len < CHECKSUM_LINE || !checksum_is_right(text)) {
        return fail(0, "the checksum does not match", ret_error);
    }
    if (format > MANIFEST_FORMAT) {
        (void)fail(format_word.len, "a newer format", ret_error);
        return MANIFEST_NEWER;
    }
    while (str_split(rest, '\n', &line, &rest)) {
        if (!str_starts_with(line, checksum_word) && read_line(line, manifest) != 0) {
            return fail((size_t)(line.ptr - text.ptr), "a line cannot be read", ret_error);
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

static bool is_known_line(Str line)
{
    static const Str words[] = {STR("edition "), STR("log_from "), STR("next_file "),
                                STR("block "),   STR("table "),    STR("deleted ")};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_starts_with(line, words[i])) {
            return true;
        }
    }
    return false;
}

int manifest_salvage(FileSystem *fs, Manifest *manifest, Buf *text, bool *ret_complete)
{
    Str line, rest;
    bool has_checksum = false, is_complete;

    TRY(fs_read_file(fs, manifest_path, MANIFEST_BYTES_MAX, text));
    rest = buf_str(text);
    is_complete = str_starts_with(rest, format_word);
    if (is_complete) {
        (void)str_split(rest, '\n', &line, &rest);
    }
    while (str_split(rest, '\n', &line, &rest)) {
        if (has_checksum || (!is_known_line(line) && !str_starts_with(line, checksum_word))) {
            is_complete = false;
        } else if (str_starts_with(line, checksum_word)) {
            has_checksum = true;
        } else if (read_line(line, manifest) != 0) {
            is_complete = false;
        }
    }
    *ret_complete = is_complete && has_checksum && rest.len == 0;
    return 0;
}

static void append_file(const ManifestFile *file, const char *word, Buf *buf)
{
    buf_append_format(buf, "%s %" PRIu64 " %" PRIu64 " %" PRIu64, word, file->number, file->bytes,
                      file->written_s);
}

static void append_files(const Manifest *manifest, Buf *buf)
{
    for (size_t i = 0; i < manifest->blocks.count; i++) {
        append_file(&manifest->blocks.items[i], "block", buf);
        if (manifest->blocks.items[i].swept_s != 0) {
            buf_append_format(buf, " %" PRIu64, manifest->blocks.items[i].swept_s);
        }
        buf_append_byte(buf, '\n');
    }
    for (size_t i = 0; i < manifest->tables.count; i++) {
        const TableInfo *table = &manifest->tables.items[i].table;

        append_file(&manifest->tables.items[i], "table", buf);
        buf_append_format(buf, " %s %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", table->family,
                          table->level, table->from_minute, table->to_minute);
    }
}

static void append_deletions(const ManifestDeletions *deletions, Buf *buf)
{
    for (size_t i = 0; i < deletions->count; i++) {
        const ManifestDeletion *deletion = &deletions->items[i];

        buf_append_str(buf, STR("deleted "));
        buf_append_hex(buf, deletion->trace_id.bytes, TRACE_ID_SIZE);
        buf_append_format(buf, " %" PRIu64 " %" PRIu64 "\n", deletion->log_below,
                          deletion->file_below);
    }
}

int manifest_write(FileSystem *fs, const Manifest *manifest)
{
    CLEANUP(buf_deinit) Buf text = {0};

    buf_append_str(&text, format_word);
    buf_append_format(&text,
                      "%d\nedition %" PRIu64 "\nlog_from %" PRIu64 "\nnext_file %" PRIu64 "\n",
                      MANIFEST_FORMAT, manifest->edition, manifest->log_from, manifest->next_file);
    append_files(manifest, &text);
    append_deletions(&manifest->deletions, &text);
    append_checksum(&text);
    return fs_replace_file(fs, manifest_path, buf_str(&text));
}
