// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run_file.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "codec/bloom.h"
#include "codec/bytes.h"
#include "codec/hash.h"
#include "map/flow/run_changes.h"
#include "store/parquet.h"

/*
 * Keys are hashes, so they lie evenly: where a key stands is guessed from its value, and the guess
 * is wrong by about the square root of the number of rows.
 */
enum {
    SCAN_ROWS = 1 << 14,
    NAMES_MAX = 1 << 24,
};

#define FORMAT_KEY STR("weft.run_table")
#define FORMAT_VERSION STR("1")
#define SECTION_FILTER STR("filter")
#define SECTION_NAMES STR("names")
#define SECTION_SPREAD STR("spread")
#define MINUTE_NS UINT64_C(60000000000)

enum { ROW_COUNTS = 1, ROW_FAILED = 2, ROW_NO_RUN_ID = 4, ROW_KNOWN_BEFORE = 8 };

typedef enum Column {
    COLUMN_KEY,
    COLUMN_KIND,
    COLUMN_OWNER,
    COLUMN_ID,
    COLUMN_FIRST,
    COLUMN_BEFORE,
    COLUMN_DURATION,
    COLUMN_STEPS,
    COLUMN_FLAGS,
    COLUMN_VARIANT,
    COLUMN_CHANGES,
    COLUMNS,
} Column;

static const ParquetColumn columns[COLUMNS] = {
    [COLUMN_KEY] = {.name = {"key", 3},
                    .type = PARQUET_FIXED,
                    .size = 8,
                    .encoding = PARQUET_PLAIN_BARE},
    [COLUMN_KIND] = {.name = {"kind", 4}, .type = PARQUET_INT64},
    [COLUMN_OWNER] = {.name = {"owner", 5}, .type = PARQUET_BYTES},
    [COLUMN_ID] = {.name = {"id", 2}, .type = PARQUET_BYTES, .encoding = PARQUET_PLAIN},
    [COLUMN_FIRST] = {.name = {"first", 5}, .type = PARQUET_INT64, .encoding = PARQUET_PLAIN},
    [COLUMN_BEFORE] = {.name = {"before", 6}, .type = PARQUET_INT64, .encoding = PARQUET_DELTA},
    [COLUMN_DURATION] = {.name = {"duration", 8}, .type = PARQUET_INT64, .encoding = PARQUET_DELTA},
    [COLUMN_STEPS] = {.name = {"steps", 5}, .type = PARQUET_INT64},
    [COLUMN_FLAGS] = {.name = {"flags", 5}, .type = PARQUET_INT64},
    [COLUMN_VARIANT] = {.name = {"variant", 7}, .type = PARQUET_INT64},
    [COLUMN_CHANGES] = {.name = {"changes", 7}, .type = PARQUET_BYTES, .encoding = PARQUET_PLAIN},
};

/* ---- writing ---- */

typedef struct Writing {
    ParquetWriter *writer;
    Symbols names;
    uint8_t *filter;
    Buf spread;
    size_t filter_size, n_rows;
    uint64_t first_ns, last_ns;
} Writing;

static int compare_changes(const void *a, const void *b)
{
    const SubjectChanges *left = *(SubjectChanges *const *)a;
    const SubjectChanges *right = *(SubjectChanges *const *)b;

    return subject_key_compare(left->key, right->key);
}

static void intern_names(Symbols *names, const SubjectChanges *changes)
{
    for (uint32_t i = 0; i < changes->n; i++) {
        if (changes->subject.kind == SUBJECT_ENTITY) {
            (void)symbols_intern(names, changes->links[i].flow);
            continue;
        }
        if (changes->members[i].step.len > 0) {
            (void)symbols_intern(names, changes->members[i].step);
        }
        (void)symbols_intern(names, changes->members[i].service);
    }
}

static void put_int(Writing *writing, Column column, uint64_t value)
{
    parquet_put_int(writing->writer, column, writing->n_rows, (int64_t)value);
}

/* Any of the members may turn out to be the run's first, when another file takes back those before
 * it. */
static void note_times(Writing *writing, const SubjectChanges *run)
{
    for (uint32_t i = 0; i < run->n; i++) {
        writing->first_ns = MIN(writing->first_ns, run->members[i].start_ns);
        writing->last_ns = MAX(writing->last_ns, run->members[i].start_ns);
    }
}

/* What the row tells of a run without its changes being read. */
static void put_summary(Writing *writing, SubjectChanges *changes)
{
    CLEANUP(buf_deinit) Buf variant = {0};
    RunSummary summary = {0};

    if (changes->subject.kind == SUBJECT_RUN) {
        summary = run_summary(changes->members, changes->n);
        variant_append(changes->members, summary.n_steps, &variant);
        note_times(writing, changes);
    }
    put_int(writing, COLUMN_FIRST, summary.first_ns);
    put_int(writing, COLUMN_BEFORE, summary.first_ns - summary.start_ns);
    put_int(writing, COLUMN_DURATION, summary.end_ns - summary.start_ns);
    put_int(writing, COLUMN_STEPS, summary.n_steps);
    put_int(writing, COLUMN_FLAGS,
            (summary.counts ? ROW_COUNTS : 0U) | (summary.failed ? ROW_FAILED : 0U) |
                (summary.no_run_id ? ROW_NO_RUN_ID : 0U) |
                (changes->known_before ? ROW_KNOWN_BEFORE : 0U));
    put_int(writing, COLUMN_VARIANT, hash_stable(buf_str(&variant)));
}

static void put_row(Writing *writing, SubjectChanges *changes)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    uint64_t key = __builtin_bswap64(changes->key.high);

    parquet_put_str(writing->writer, COLUMN_KEY, writing->n_rows,
                    str_from_bytes(&key, sizeof(key)));
    put_int(writing, COLUMN_KIND, (uint64_t)changes->subject.kind);
    parquet_put_str(writing->writer, COLUMN_OWNER, writing->n_rows, changes->subject.owner);
    parquet_put_str(writing->writer, COLUMN_ID, writing->n_rows, changes->subject.id);
    put_summary(writing, changes);
    intern_names(&writing->names, changes);
    changes_append(changes, &writing->names, &buf);
    parquet_put_str(writing->writer, COLUMN_CHANGES, writing->n_rows, buf_str(&buf));
    if (changes->known_before) {
        buf_append_u64le(&writing->spread, changes->key.high);
    }
    bloom_add(writing->filter, writing->filter_size, changes->key.high);
    writing->n_rows++;
}

static void put_names(const Writing *writing)
{
    CLEANUP(buf_deinit) Buf buf = {0};

    for (uint32_t i = 0; i < symbols_count(&writing->names); i++) {
        bytes_append_counted(&buf, symbols_get(&writing->names, i));
    }
    parquet_add_section(writing->writer, SECTION_NAMES, buf_str(&buf));
}

int run_file_write(SubjectChanges **changes, size_t n, Buf *ret_file, TableInfo *ret_info,
                   size_t *ret_n)
{
    Writing writing = {.first_ns = UINT64_MAX, .filter_size = bloom_size(n)};

    if (n > RUN_FILE_ROWS_MAX) {
        return -EFBIG;
    }
    qsort(changes, n, sizeof(changes[0]), compare_changes);
    writing.writer = parquet_writer_new();
    writing.filter = mem_zero(writing.filter_size);
    for (size_t i = 0; i < COLUMNS; i++) {
        parquet_writer_add(writing.writer, &columns[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (changes[i]->n > 0) {
            put_row(&writing, changes[i]);
        }
    }
    parquet_set_metadata(writing.writer, FORMAT_KEY, FORMAT_VERSION);
    parquet_add_section(writing.writer, SECTION_FILTER,
                        str_from_bytes(writing.filter, writing.filter_size));
    put_names(&writing);
    parquet_add_section(writing.writer, SECTION_SPREAD, buf_str(&writing.spread));
    parquet_writer_finish(writing.writer, writing.n_rows, ret_file);
    *ret_info = table_info("runs");
    if (writing.first_ns <= writing.last_ns) {
        ret_info->from_minute = (uint32_t)(writing.first_ns / MINUTE_NS);
        ret_info->to_minute = (uint32_t)(writing.last_ns / MINUTE_NS) + 1;
    }
    *ret_n = writing.n_rows;
    parquet_writer_free(writing.writer);
    symbols_deinit(&writing.names);
    buf_deinit(&writing.spread);
    mem_free(writing.filter);
    return 0;
}

/* ---- opening ---- */

static int read_at(void *context, uint64_t offset, void *bytes, size_t len)
{
    File *file = context;

    return file->fs->ops->read_at(file, offset, bytes, len);
}

static int check_columns(const RunFile *file, ParseError *ret_error)
{
    Str version;

    *ret_error = (ParseError){.text = "not a run table of version 1"};
    if (!parquet_metadata(file->parquet, FORMAT_KEY, &version) ||
        !str_equal(version, FORMAT_VERSION) || parquet_n_columns(file->parquet) < COLUMNS) {
        return 1;
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        const ParquetColumn *have = parquet_column(file->parquet, i);

        if (!str_equal(have->name, columns[i].name) || have->type != columns[i].type ||
            have->size != columns[i].size) {
            ret_error->text = "a column of the run table is missing or of another type";
            return 1;
        }
    }
    return 0;
}

static int read_names(RunFile *file, ParseError *ret_error)
{
    size_t capacity = 0;

    TRY(parquet_read_section(file->parquet, SECTION_NAMES, &file->names_bytes, ret_error));
    for (Str rest = buf_str(&file->names_bytes); rest.len > 0;) {
        Str name;

        if (file->n_names >= NAMES_MAX || bytes_take_counted(&rest, &name) != 0) {
            ret_error->text = "the names of the run table are damaged";
            return 1;
        }
        ARRAY_RESERVE(file->names, file->n_names, capacity);
        file->names[file->n_names++] = name;
    }
    return 0;
}

static int open_parts(RunFile *file, ParseError *ret_error)
{
    TRY(table_file_open(file->table, &file->file));
    ParquetSource source = {.read_at = read_at,
                            .context = file->file,
                            .size = file->table->bytes,
                            .n_rows_max = RUN_FILE_ROWS_MAX};
    TRY(parquet_open(&source, &file->parquet, ret_error));
    TRY(check_columns(file, ret_error));
    file->n_rows = parquet_n_rows(file->parquet);
    TRY(read_names(file, ret_error));
    TRY(parquet_read_section(file->parquet, SECTION_FILTER, &file->filter, ret_error));
    TRY(parquet_read_section(file->parquet, SECTION_SPREAD, &file->spread, ret_error));
    if (file->spread.len % sizeof(uint64_t) != 0 || file->filter.len == 0 ||
        file->filter.len % BLOOM_BLOCK != 0) {
        ret_error->text = "the filter of the run table is damaged";
        return 1;
    }
    return 0;
}

int run_file_open(TableFile *table, RunFile **ret_file, ParseError *ret_error)
{
    RunFile *file = NEW(RunFile);

    atomic_init(&file->refs, 1);
    file->table = table_file_ref(table);
    int result = open_parts(file, ret_error);
    if (result != 0) {
        run_file_unref(file);
        return result;
    }
    *ret_file = file;
    return 0;
}

RunFile *run_file_ref(RunFile *file)
{
    atomic_fetch_add(&file->refs, 1);
    return file;
}

RunFile *run_file_unref(RunFile *file)
{
    if (file != NULL && atomic_fetch_sub(&file->refs, 1) == 1) {
        parquet_close(file->parquet);
        if (file->file != NULL) {
            (void)file->file->fs->ops->close(file->file);
        }
        table_file_unref(file->table);
        buf_deinit(&file->filter);
        buf_deinit(&file->names_bytes);
        buf_deinit(&file->spread);
        mem_free(file->names);
        mem_free(file);
    }
    return NULL;
}

bool run_file_may_have(const RunFile *file, SubjectKey key)
{
    return bloom_may_have(file->filter.ptr, file->filter.len, key.high);
}

bool run_file_is_spread(const RunFile *file, SubjectKey key)
{
    size_t low = 0;
    size_t high = file->spread.len / sizeof(uint64_t);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t found = load_u64le(file->spread.ptr + middle * sizeof(uint64_t));

        if (found == key.high) {
            return true;
        }
        if (found < key.high) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/* ---- reading ---- */

/* Tells once per file. What the disk cannot give back (EIO) is as lost as bytes that are none; any
 * other error passes. */
static int damaged(RunFile *file, int result, const char *what)
{
    if (result == 0 || (result < 0 && result != -EIO)) {
        return result;
    }
    if (!atomic_exchange(&file->table->damaged, true)) {
        log_error("a run table cannot be read: its runs are missing in answers",
                  LOG_U64("file", file->table->number), LOG_STR("what", str_from_cstr(what)));
    }
    return RUN_FILE_DAMAGED;
}

static int read_column(RunFile *file, Column column, size_t from, size_t to, Arena *arena,
                       ParquetVector *ret_vector)
{
    ParseError error = {.text = "it cannot be read"};
    int result = parquet_read(file->parquet, column, from, to, arena, ret_vector, &error);

    return damaged(file, result, error.text);
}

static uint64_t key_at(const ParquetVector *keys, size_t at)
{
    return __builtin_bswap64(load_u64le(parquet_str(keys, at).ptr));
}

static size_t root_of(size_t n)
{
    size_t root = 1;

    while (root * root < n) {
        root *= 2;
    }
    return root;
}

/* The keys around the place where @key must be: the first is smaller or row 0, the last greater or
 * the end. */
static int read_keys_around(RunFile *file, uint64_t key, Arena *arena, size_t *ret_from,
                            ParquetVector *ret_keys)
{
    size_t guess = (size_t)(((unsigned __int128)key * file->n_rows) >> 64);

    for (size_t reach = 8 * root_of(file->n_rows);; reach *= 8) {
        size_t from = guess > reach ? guess - reach : 0;
        size_t to = MIN(guess + reach, file->n_rows);

        TRY(read_column(file, COLUMN_KEY, from, to, arena, ret_keys));
        *ret_from = from;
        if ((from == 0 || key_at(ret_keys, 0) < key) &&
            (to == file->n_rows || key_at(ret_keys, to - from - 1) > key)) {
            return 0;
        }
    }
}

static bool is_subject(const ParquetVector *owners, const ParquetVector *ids, size_t at,
                       const Subject *subject)
{
    return str_equal(parquet_str(ids, at), subject->id) &&
           str_equal(parquet_str(owners, at), subject->owner);
}

/* The changes of row @row, if it is the subject's. */
static int read_row(RunFile *file, size_t row, const Subject *subject, Arena *arena,
                    SubjectChanges *ret_changes)
{
    const ChangeNames names = {file->names, file->n_names};
    ParquetVector kinds;
    ParquetVector owners;
    ParquetVector ids;
    ParquetVector changes;

    TRY(read_column(file, COLUMN_KIND, row, row + 1, arena, &kinds));
    TRY(read_column(file, COLUMN_OWNER, row, row + 1, arena, &owners));
    TRY(read_column(file, COLUMN_ID, row, row + 1, arena, &ids));
    if (kinds.ints[0] != (int64_t)subject->kind || !is_subject(&owners, &ids, 0, subject)) {
        return RUN_FILE_NONE;
    }
    TRY(read_column(file, COLUMN_CHANGES, row, row + 1, arena, &changes));
    return damaged(file,
                   changes_parse(parquet_str(&changes, 0), subject, names, arena, ret_changes),
                   "changes are damaged");
}

int run_file_find(RunFile *file, SubjectKey key, const Subject *subject, Arena *arena,
                  SubjectChanges *ret_changes)
{
    CLEANUP(arena_deinit) Arena scratch = {0};
    ParquetVector keys;
    size_t from;

    if (file->n_rows == 0 || !run_file_may_have(file, key)) {
        return RUN_FILE_NONE;
    }
    TRY(read_keys_around(file, key.high, &scratch, &from, &keys));
    size_t low = 0;
    size_t high = keys.n_rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (key_at(&keys, middle) < key.high) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < keys.n_rows && key_at(&keys, low) == key.high; low++) {
        int result = read_row(file, from + low, subject, arena, ret_changes);

        if (result != RUN_FILE_NONE) {
            return result;
        }
    }
    return RUN_FILE_NONE;
}

/* ---- scanning ---- */

typedef struct Chunk {
    ParquetVector vector[COLUMNS];
} Chunk;

static uint64_t number_at(const Chunk *chunk, Column column, size_t at)
{
    return (uint64_t)chunk->vector[column].ints[at];
}

static RunSummary summary_at(const Chunk *chunk, size_t at)
{
    uint64_t flags = number_at(chunk, COLUMN_FLAGS, at);
    RunSummary summary = {
        .counts = (flags & ROW_COUNTS) != 0,
        .failed = (flags & ROW_FAILED) != 0,
        .no_run_id = (flags & ROW_NO_RUN_ID) != 0,
        .n_steps = (size_t)number_at(chunk, COLUMN_STEPS, at),
        .first_ns = number_at(chunk, COLUMN_FIRST, at),
    };

    summary.start_ns = summary.first_ns - number_at(chunk, COLUMN_BEFORE, at);
    summary.end_ns = summary.start_ns + number_at(chunk, COLUMN_DURATION, at);
    return summary;
}

static int visit_row(RunFile *file, const RunFileScan *scan, const Chunk *chunk, size_t at,
                     Arena *arena)
{
    const ChangeNames names = {file->names, file->n_names};
    int64_t kind = chunk->vector[COLUMN_KIND].ints[at];
    RunFileRow row = {.summary = summary_at(chunk, at),
                      .variant = (uint64_t)chunk->vector[COLUMN_VARIANT].ints[at]};
    Subject subject = {.kind = (SubjectKind)kind,
                       .owner = parquet_str(&chunk->vector[COLUMN_OWNER], at),
                       .id = parquet_str(&chunk->vector[COLUMN_ID], at)};

    if (kind < 0 || kind > SUBJECT_ENTITY) {
        return damaged(file, 1, "kinds are damaged");
    }
    if ((!scan->all_kinds && subject.kind != scan->kind) ||
        (scan->wants != NULL && !scan->wants(scan->context, subject.owner))) {
        return 0;
    }
    row.changes.subject = subject;
    if (!scan->summaries_only && changes_parse(parquet_str(&chunk->vector[COLUMN_CHANGES], at),
                                               &subject, names, arena, &row.changes) != 0) {
        return damaged(file, 1, "changes are damaged");
    }
    row.key = row.changes.key = subject_key(&subject);
    row.changes.known_before = (chunk->vector[COLUMN_FLAGS].ints[at] & ROW_KNOWN_BEFORE) != 0;
    return scan->visit(scan->context, &row);
}

int run_file_scan(RunFile *file, const RunFileScan *scan)
{
    for (size_t from = 0; from < file->n_rows; from += SCAN_ROWS) {
        CLEANUP(arena_deinit) Arena arena = {0};
        size_t to = MIN(from + SCAN_ROWS, file->n_rows);
        Chunk chunk;

        for (Column column = COLUMN_KIND; column < COLUMNS; column++) {
            if (column != COLUMN_CHANGES || !scan->summaries_only) {
                TRY(read_column(file, column, from, to, &arena, &chunk.vector[column]));
            }
        }
        for (size_t at = 0; at < to - from; at++) {
            TRY(visit_row(file, scan, &chunk, at, &arena));
        }
    }
    return 0;
}
