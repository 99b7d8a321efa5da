// SPDX-License-Identifier: Apache-2.0
#include "store/check/stat.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "store/block/reader.h"
#include "store/manifest.h"

/* A block that the manifest names and that is gone was merged or deleted meanwhile: all is counted
 * again by the new manifest. */
enum { ATTEMPTS = 20, GONE = 2 };

typedef struct Sums {
    Symbols columns, sections, keys;
    StatPart *column_parts, *section_parts;
    size_t column_capacity, section_capacity;
    StatKey *key_parts;
    size_t key_capacity;
} Sums;

static void sums_deinit(Sums *sums)
{
    symbols_deinit(&sums->columns);
    symbols_deinit(&sums->sections);
    symbols_deinit(&sums->keys);
    mem_free(sums->column_parts);
    mem_free(sums->section_parts);
    mem_free(sums->key_parts);
}

void stat_deinit(StoreStat *stat)
{
    arena_deinit(&stat->arena);
}

static void add_part(Symbols *names, StatPart **parts, size_t *capacity, StatPart part)
{
    size_t n = symbols_count(names);
    uint32_t symbol = symbols_intern(names, part.name);

    if (symbol == n) {
        ARRAY_RESERVE(*parts, n, *capacity);
        (*parts)[n] = (StatPart){.name = symbols_get(names, symbol)};
    }
    (*parts)[symbol].bytes += part.bytes;
    (*parts)[symbol].n_blocks++;
}

typedef struct KeyVisit {
    Block *block;
    Sums *sums;
} KeyVisit;

static int add_key(void *context, const BlockKeyCounts *counts)
{
    static const char *const levels[BLOCK_N_LEVELS] = {"span", "resource", "scope"};
    KeyVisit *visit = context;
    Sums *sums = visit->sums;
    CLEANUP(arena_deinit) Arena arena = {0};
    Str name = arena_format(&arena, "%s.%.*s", levels[counts->level], STR_ARG(counts->key));
    size_t n = symbols_count(&sums->keys);
    uint32_t symbol = symbols_intern(&sums->keys, name);
    BlockValueSummary summary = {0};

    if (symbol == n) {
        ARRAY_RESERVE(sums->key_parts, n, sums->key_capacity);
        sums->key_parts[n] = (StatKey){.name = symbols_get(&sums->keys, symbol)};
    }
    if (counts->level != BLOCK_SCOPE_LEVEL) {
        TRY(block_value_summary(visit->block,
                                counts->level == BLOCK_SPAN_LEVEL ? FIELD_SPAN_ATTRIBUTE
                                                                  : FIELD_RESOURCE_ATTRIBUTE,
                                counts->key, &arena, &summary));
    }
    StatKey *key = &sums->key_parts[symbol];
    key->n_rows += counts->n_rows;
    key->n_map_rows += counts->n_map_rows;
    key->most_values = MAX(key->most_values, summary.n_distinct);
    return 0;
}

static int add_block(Block *block, StoreStat *stat, Sums *sums)
{
    static const Str sections[] = {STR("traces"),     STR("bloom"),  STR("operations"),
                                   STR("attributes"), STR("values"), STR("summaries")};
    KeyVisit visit = {block, sums};
    ParseError error;
    ParquetPlace place;

    stat->n_spans += block->summary.n_spans;
    stat->n_traces += block->summary.n_traces;
    for (size_t i = 0; i < parquet_n_columns(block->parquet); i++) {
        add_part(&sums->columns, &sums->column_parts, &sums->column_capacity,
                 (StatPart){.name = parquet_column(block->parquet, i)->name,
                            .bytes = parquet_column_bytes(block->parquet, i)});
    }
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (parquet_section(block->parquet, sections[i], &place)) {
            add_part(&sums->sections, &sums->section_parts, &sums->section_capacity,
                     (StatPart){.name = sections[i], .bytes = place.length});
        }
    }
    return block_key_counts(block, add_key, &visit, &error);
}

/* Returns 0 (also for a damaged one, which is counted), GONE, or -errno. */
static int read_block(FileSystem *fs, uint64_t number, StoreStat *stat, Sums *sums)
{
    char path[MANIFEST_PATH_MAX];
    ParseError error;
    File *file;
    Block *block;

    manifest_block_path(number, path);
    int result = fs->ops->open(fs, path, FILE_READ, &file);
    if (result != 0) {
        return result == -ENOENT ? GONE : result;
    }
    result = block_open(fs, file, &block, &error);
    if (result == 0) {
        result = add_block(block, stat, sums);
        block_close(block);
    }
    if (result == 1) {
        stat->n_unreadable++;
        return 0;
    }
    return result;
}

static int read_manifest(FileSystem *fs, StoreStat *stat, Sums *sums, ParseError *error)
{
    CLEANUP(manifest_deinit) Manifest manifest = {0};
    int result = manifest_read(fs, &manifest, error);

    if (result != 0) {
        return result < 0 ? result : 1;
    }
    stat->n_blocks = manifest.blocks.count;
    stat->block_bytes = manifest_files_bytes(&manifest.blocks);
    stat->n_tables = manifest.tables.count;
    stat->table_bytes = manifest_files_bytes(&manifest.tables);
    for (size_t i = 0; i < manifest.blocks.count; i++) {
        TRY(read_block(fs, manifest.blocks.items[i].number, stat, sums));
    }
    return 0;
}

/* --- The log --- */

typedef struct LogVisit {
    FileSystem *fs;
    StoreStat *stat;
} LogVisit;

static int add_segment(void *context, const char *name)
{
    LogVisit *visit = context;
    char path[MANIFEST_PATH_MAX];
    uint64_t size;
    File *file;

    if (!str_ends_with(str_from_cstr(name), STR(".log")) ||
        snprintf(path, sizeof(path), "log/%s", name) >= (int)sizeof(path) ||
        visit->fs->ops->open(visit->fs, path, FILE_READ, &file) != 0) {
        return 0; /* gone since it was listed */
    }
    if (visit->fs->ops->size(file, &size) == 0) {
        visit->stat->n_segments++;
        visit->stat->log_bytes += size;
    }
    return visit->fs->ops->close(file);
}

/* --- The answer --- */

static int compare_parts(const void *a, const void *b)
{
    const StatPart *left = a, *right = b;

    return left->bytes != right->bytes ? (left->bytes < right->bytes ? 1 : -1)
                                       : str_compare(left->name, right->name);
}

static int compare_keys(const void *a, const void *b)
{
    const StatKey *left = a, *right = b;

    return left->n_rows != right->n_rows ? (left->n_rows < right->n_rows ? 1 : -1)
                                         : str_compare(left->name, right->name);
}

static StatPart *keep_parts(StoreStat *stat, const StatPart *parts, size_t n)
{
    StatPart *kept = ARENA_ARRAY(&stat->arena, StatPart, n);

    for (size_t i = 0; i < n; i++) {
        kept[i] = parts[i];
        kept[i].name = arena_copy(&stat->arena, parts[i].name);
    }
    qsort(kept, n, sizeof(*kept), compare_parts);
    return kept;
}

static void keep_sums(StoreStat *stat, const Sums *sums)
{
    stat->n_columns = symbols_count(&sums->columns);
    stat->columns = keep_parts(stat, sums->column_parts, stat->n_columns);
    stat->n_sections = symbols_count(&sums->sections);
    stat->sections = keep_parts(stat, sums->section_parts, stat->n_sections);
    stat->n_keys = symbols_count(&sums->keys);
    stat->keys = ARENA_ARRAY(&stat->arena, StatKey, stat->n_keys);
    for (size_t i = 0; i < stat->n_keys; i++) {
        stat->keys[i] = sums->key_parts[i];
        stat->keys[i].name = arena_copy(&stat->arena, sums->key_parts[i].name);
    }
    qsort(stat->keys, stat->n_keys, sizeof(*stat->keys), compare_keys);
}

int stat_directory(FileSystem *fs, StoreStat *ret_stat, ParseError *ret_error)
{
    int result = GONE;

    for (unsigned attempt = 0; attempt < ATTEMPTS && result == GONE; attempt++) {
        CLEANUP(sums_deinit) Sums sums = {0};
        StoreStat stat = {0};
        LogVisit visit = {fs, &stat};

        result = read_manifest(fs, &stat, &sums, ret_error);
        if (result == 0) {
            result = fs->ops->list(fs, "log", add_segment, &visit);
            result = result == -ENOENT ? 0 : result;
        }
        if (result == 0) {
            keep_sums(&stat, &sums);
            *ret_stat = stat;
        }
    }
    return result == GONE ? -ENOENT : result;
}
