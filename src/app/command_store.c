// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/cli.h"
#include "base/log.h"
#include "codec/json.h"
#include "store/check/check.h"
#include "store/check/stat.h"

/* A data directory without its server: is it sound, and what takes the space. */
enum { PROBLEMS_SHOWN = 1000 };

static int open_directory(const char *path, FileSystem **ret_fs)
{
    struct stat about;

    /* fs_open_directory() would make it. */
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) {
        return cli_fail("%s is no directory", path);
    }
    int result = fs_open_directory(path, ret_fs);
    return result == 0 ? EXIT_DONE
                       : cli_fail("%s cannot be opened: %s", path, strerrordesc_np(-result));
}

/* --- check --- */

typedef struct Problems {
    JsonWriter *json; /* NULL: as lines */
    uint64_t n;
} Problems;

static void tell_problem(void *context, const char *file, uint64_t offset, const char *what)
{
    Problems *problems = context;

    if (problems->n++ >= PROBLEMS_SHOWN) {
        return;
    }
    if (problems->json == NULL) {
        printf("%s, byte %llu: %s\n", file, (unsigned long long)offset, what);
        return;
    }
    json_open(problems->json, '{');
    json_key(problems->json, STR("file"));
    json_string(problems->json, str_from_cstr(file));
    json_key(problems->json, STR("offset"));
    json_u64(problems->json, offset);
    json_key(problems->json, STR("what"));
    json_string(problems->json, str_from_cstr(what));
    json_close(problems->json, '}');
}

static void put_number(JsonWriter *json, const char *key, uint64_t number)
{
    json_key(json, str_from_cstr(key));
    json_u64(json, number);
}

static int run_check(FileSystem *fs, const char *path, bool is_json)
{
    CLEANUP(buf_deinit) Buf out = {0};
    JsonWriter json = {.buf = &out};
    Problems problems = {.json = is_json ? &json : NULL};
    CheckReport report = {.tell = tell_problem, .context = &problems};

    json_open(&json, '{');
    json_key(&json, STR("problems"));
    json_open(&json, '[');
    int result = check_directory(fs, &report);
    json_close(&json, ']');
    if (result != 0) {
        return cli_fail("%s cannot be read: %s", path, strerrordesc_np(-result));
    }
    put_number(&json, "n_problems", report.n_problems);
    put_number(&json, "blocks", report.n_blocks);
    put_number(&json, "tables", report.n_tables);
    put_number(&json, "log_segments", report.n_segments);
    put_number(&json, "bytes", report.n_bytes);
    put_number(&json, "spans", report.n_spans);
    put_number(&json, "log_frames", report.n_frames);
    json_close(&json, '}');
    buf_append_byte(&out, '\n');
    if (!is_json) {
        buf_clear(&out);
        buf_append_format(
            &out, "%llu blocks with %llu spans, %llu tables, %llu log segments with %llu frames: ",
            (unsigned long long)report.n_blocks, (unsigned long long)report.n_spans,
            (unsigned long long)report.n_tables, (unsigned long long)report.n_segments,
            (unsigned long long)report.n_frames);
        buf_append_format(&out, report.n_problems == 0 ? "all is well\n" : "%llu problems\n",
                          (unsigned long long)report.n_problems);
    }
    cli_print(&out);
    return report.n_problems == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* --- stat --- */

static double per_span(uint64_t bytes, const StoreStat *stat)
{
    return stat->n_spans == 0 ? 0 : (double)bytes / (double)stat->n_spans;
}

static void put_parts(JsonWriter *json, const char *key, const StatPart *parts, size_t n,
                      const StoreStat *stat)
{
    json_key(json, str_from_cstr(key));
    json_open(json, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(json, '{');
        json_key(json, STR("name"));
        json_string(json, parts[i].name);
        put_number(json, "bytes", parts[i].bytes);
        json_key_double(json, "bytes_per_span", per_span(parts[i].bytes, stat));
        put_number(json, "blocks", parts[i].n_blocks);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_keys(JsonWriter *json, const StoreStat *stat)
{
    json_key(json, STR("attributes"));
    json_open(json, '[');
    for (size_t i = 0; i < stat->n_keys; i++) {
        json_open(json, '{');
        json_key(json, STR("name"));
        json_string(json, stat->keys[i].name);
        put_number(json, "spans", stat->keys[i].n_rows);
        put_number(json, "in_map", stat->keys[i].n_map_rows);
        put_number(json, "distinct_in_a_block", stat->keys[i].most_values);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void stat_as_json(const StoreStat *stat, Buf *out)
{
    JsonWriter json = {.buf = out};

    json_open(&json, '{');
    put_number(&json, "blocks", stat->n_blocks);
    put_number(&json, "block_bytes", stat->block_bytes);
    put_number(&json, "spans", stat->n_spans);
    put_number(&json, "traces", stat->n_traces);
    json_key_double(&json, "bytes_per_span", per_span(stat->block_bytes, stat));
    put_number(&json, "unreadable_blocks", stat->n_unreadable);
    put_number(&json, "tables", stat->n_tables);
    put_number(&json, "table_bytes", stat->table_bytes);
    put_number(&json, "log_segments", stat->n_segments);
    put_number(&json, "log_bytes", stat->log_bytes);
    put_parts(&json, "columns", stat->columns, stat->n_columns, stat);
    put_parts(&json, "sections", stat->sections, stat->n_sections, stat);
    put_keys(&json, stat);
    json_close(&json, '}');
    buf_append_byte(out, '\n');
}

static void append_parts(Buf *out, const char *title, const StatPart *parts, size_t n,
                         const StoreStat *stat)
{
    buf_append_format(out, "\n%-44s %14s %9s %7s\n", title, "bytes", "B/span", "blocks");
    for (size_t i = 0; i < n; i++) {
        buf_append_format(out, "%-44.*s %14llu %9.3f %7llu\n", STR_ARG(parts[i].name),
                          (unsigned long long)parts[i].bytes, per_span(parts[i].bytes, stat),
                          (unsigned long long)parts[i].n_blocks);
    }
}

static void stat_as_text(const StoreStat *stat, Buf *out)
{
    buf_append_format(out, "blocks   %8llu %14llu bytes, %llu spans in %llu traces, %.2f B/span\n",
                      (unsigned long long)stat->n_blocks, (unsigned long long)stat->block_bytes,
                      (unsigned long long)stat->n_spans, (unsigned long long)stat->n_traces,
                      per_span(stat->block_bytes, stat));
    buf_append_format(out, "tables   %8llu %14llu bytes\nlog      %8llu %14llu bytes\n",
                      (unsigned long long)stat->n_tables, (unsigned long long)stat->table_bytes,
                      (unsigned long long)stat->n_segments, (unsigned long long)stat->log_bytes);
    if (stat->n_unreadable > 0) {
        buf_append_format(out, "%llu blocks are damaged; weft store check says how\n",
                          (unsigned long long)stat->n_unreadable);
    }
    append_parts(out, "column", stat->columns, stat->n_columns, stat);
    append_parts(out, "section", stat->sections, stat->n_sections, stat);
    buf_append_format(out, "\n%-44s %14s %9s %7s\n", "attribute", "spans", "in map", "values");
    for (size_t i = 0; i < stat->n_keys; i++) {
        const StatKey *key = &stat->keys[i];

        buf_append_format(out, "%-44.*s %14llu %9llu %7llu\n", STR_ARG(key->name),
                          (unsigned long long)key->n_rows, (unsigned long long)key->n_map_rows,
                          (unsigned long long)key->most_values);
    }
}

static int run_stat(FileSystem *fs, const char *path, bool is_json)
{
    CLEANUP(buf_deinit) Buf out = {0};
    ParseError error = {0};
    StoreStat stat;
    int result = stat_directory(fs, &stat, &error);

    if (result > 0) {
        return cli_fail("%s/MANIFEST, byte %zu: %s", path, error.offset, error.text);
    }
    if (result < 0) {
        return cli_fail("%s cannot be read: %s", path, strerrordesc_np(-result));
    }
    if (is_json) {
        stat_as_json(&stat, &out);
    } else {
        stat_as_text(&stat, &out);
    }
    cli_print(&out);
    stat_deinit(&stat);
    return EXIT_DONE;
}

static int run_store(const Arguments *arguments)
{
    FileSystem *fs;

    if (arguments->n_operands != 2) {
        return cli_usage("store needs check or stat, and a data directory");
    }
    bool is_check = strcmp(arguments->operands[0], "check") == 0;
    if (!is_check && strcmp(arguments->operands[0], "stat") != 0) {
        return cli_usage("store has check and stat");
    }
    log_set_level(LOG_SILENT); /* what is wrong is said here */
    TRY(open_directory(arguments->operands[1], &fs));
    int status = is_check ? run_check(fs, arguments->operands[1], cli_flag(arguments, "json"))
                          : run_stat(fs, arguments->operands[1], cli_flag(arguments, "json"));
    fs->ops->free(fs);
    return status;
}

static const Option store_options[] = {{"json", NULL, "for programs"}};

const Command command_store = {
    .name = "store",
    .operands = "check|stat DIR",
    .summary = "Verify a data directory, or show what takes its space",
    .details = "check reads every byte by a reader of its own, tells each damage with file and "
               "offset, and\nexits with 1 when there is any. stat shows sizes per column and "
               "section, bytes per span and\nthe attributes. Both only read, also beside a running "
               "server.\n",
    .options = store_options,
    .n_options = ARRAY_LEN(store_options),
    .run = run_store};
