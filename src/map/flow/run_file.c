// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run_file.h"

#include <errno.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "codec/bloom.h"
#include "codec/bytes.h"

/*
 * Keys are hashes, so they lie evenly: where a key stands is guessed from its value, and the guess
 * is wrong by about the square root of the number of rows. The column has its upper bits only,
 * as differences; who it really is, owner and id tell.
 */
enum { NAMES_MAX = 1 << 24 };

const ParquetColumn run_columns[RUN_COLUMNS] = {
    [RUN_COLUMN_KEY] = {.name = {"key", 3}, .type = PARQUET_INT64, .encoding = PARQUET_DELTA},
    [RUN_COLUMN_KIND] = {.name = {"kind", 4}, .type = PARQUET_INT64},
    [RUN_COLUMN_OWNER] = {.name = {"owner", 5}, .type = PARQUET_BYTES},
    [RUN_COLUMN_ID] = {.name = {"id", 2}, .type = PARQUET_BYTES, .encoding = PARQUET_LENGTHS},
    [RUN_COLUMN_FIRST] = {.name = {"first", 5}, .type = PARQUET_INT64, .encoding = PARQUET_DELTA},
    [RUN_COLUMN_COUNT] = {.name = {"count", 5}, .type = PARQUET_INT64},
    [RUN_COLUMN_STEPS] = {.name = {"steps", 5}, .type = PARQUET_INT64},
    [RUN_COLUMN_FLAGS] = {.name = {"flags", 5}, .type = PARQUET_INT64},
    [RUN_COLUMN_VARIANT] = {.name = {"variant", 7}, .type = PARQUET_INT64},
    [RUN_COLUMN_SHAPE] = {.name = {"shape", 5}, .type = PARQUET_BYTES},
    [RUN_COLUMN_SIZES] = {.name = {"sizes", 5}, .type = PARQUET_BYTES, .encoding = PARQUET_LENGTHS},
    [RUN_COLUMN_BITS] = {.name = {"bits", 4},
                         .type = PARQUET_BYTES,
                         .encoding = PARQUET_LENGTHS_BARE},
};

/* What version 1 had: its key was FIXED[8], and `changes` held them all. */
static const ParquetColumn changes_1 = {.name = {"changes", 7}, .type = PARQUET_BYTES};

/* ---- opening ---- */

static int read_at(void *context, uint64_t offset, void *bytes, size_t len)
{
    File *file = context;

    return file->fs->ops->read_at(file, offset, bytes, len);
}

static int find_column(RunFile *file, RunColumn column, const ParquetColumn *wanted)
{
    size_t at = parquet_find(file->parquet, wanted->name);

    if (at == SIZE_MAX || parquet_column(file->parquet, at)->type != wanted->type ||
        parquet_column(file->parquet, at)->optional) {
        return 1;
    }
    file->columns[column] = at;
    return 0;
}

static int find_columns_1(RunFile *file)
{
    ParquetColumn key = {.name = STR("key"), .type = PARQUET_FIXED};

    TRY(find_column(file, RUN_COLUMN_KEY, &key));
    if (parquet_column(file->parquet, file->columns[RUN_COLUMN_KEY])->size != sizeof(uint64_t)) {
        return 1;
    }
    for (RunColumn column = RUN_COLUMN_KIND; column <= RUN_COLUMN_VARIANT; column++) {
        if (column != RUN_COLUMN_COUNT) {
            TRY(find_column(file, column, &run_columns[column]));
        }
    }
    return find_column(file, RUN_COLUMN_CHANGES, &changes_1);
}

static int find_columns(RunFile *file)
{
    if (file->version == 1) {
        return find_columns_1(file);
    }
    for (RunColumn column = 0; column < RUN_COLUMNS; column++) {
        TRY(find_column(file, column, &run_columns[column]));
    }
    return 0;
}

static int check_columns(RunFile *file, ParseError *ret_error)
{
    Str version;

    *ret_error = (ParseError){.text = "not a run table of version 1 or 2"};
    if (!parquet_metadata(file->parquet, RUN_FILE_FORMAT_KEY, &version)) {
        return 1;
    }
    file->version = str_equal(version, STR("1")) ? 1 : 2;
    if (file->version == 2 && !str_equal(version, RUN_FILE_VERSION)) {
        return 1;
    }
    ret_error->text = "a column of the run table is missing or of another type";
    return parquet_n_groups(file->parquet) > 1 || find_columns(file) != 0;
}

static int read_names(RunFile *file, ParseError *ret_error)
{
    size_t capacity = 0;

    TRY(parquet_read_section(file->parquet, RUN_FILE_SECTION_NAMES, &file->names_bytes, ret_error));
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

static int read_taken(RunFile *file, ParseError *ret_error)
{
    if (file->version == 1) {
        return 0;
    }
    TRY(parquet_read_section(file->parquet, RUN_FILE_SECTION_TAKEN, &file->taken, ret_error));
    ret_error->text = "the list of changed rows of the run table is damaged";
    for (size_t i = 0; i < run_file_n_taken(file); i++) {
        if (run_file_taken(file, i) >= file->n_rows) {
            return 1;
        }
    }
    return file->taken.len % sizeof(uint32_t) != 0;
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
    TRY(parquet_read_section(file->parquet, RUN_FILE_SECTION_FILTER, &file->filter, ret_error));
    TRY(parquet_read_section(file->parquet, RUN_FILE_SECTION_SPREAD, &file->spread, ret_error));
    if (file->spread.len % sizeof(uint64_t) != 0 || file->filter.len == 0 ||
        file->filter.len % BLOOM_BLOCK != 0) {
        ret_error->text = "the filter of the run table is damaged";
        return 1;
    }
    return read_taken(file, ret_error);
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
        buf_deinit(&file->taken);
        mem_free(file->names);
        mem_free(file);
    }
    return NULL;
}

bool run_file_may_have(const RunFile *file, SubjectKey key)
{
    return bloom_may_have(file->filter.ptr, file->filter.len, key.high);
}

void run_file_prefetch(const RunFile *file, SubjectKey key)
{
    __builtin_prefetch(file->filter.ptr + bloom_block_offset(file->filter.len, key.high));
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

size_t run_file_n_taken(const RunFile *file)
{
    return file->taken.len / sizeof(uint32_t);
}

size_t run_file_taken(const RunFile *file, size_t at)
{
    uint32_t row;

    mem_copy(&row, file->taken.ptr + at * sizeof(row), sizeof(row));
    return row;
}

/* ---- reading ---- */

int run_file_damage(RunFile *file, const char *what)
{
    if (!atomic_exchange(&file->table->damaged, true)) {
        log_error("a run table cannot be read: its runs are missing in answers",
                  LOG_U64("file", file->table->number), LOG_CSTR("what", what));
    }
    return RUN_FILE_DAMAGED;
}

/* What the disk cannot give back (EIO) is as lost as bytes that are none, but may come back; any
 * other error passes. */
static int damaged(RunFile *file, int result, const char *what)
{
    TableFile *table = file->table;

    if (result == -EIO) {
        if (!atomic_exchange(&table->unreadable, true)) {
            log_error("the disk does not give a run table: its runs are missing in answers",
                      LOG_U64("file", table->number));
        }
        return RUN_FILE_UNREADABLE;
    }
    if (result == 0 && atomic_load(&table->unreadable)) {
        atomic_store(&table->unreadable, false);
    }
    return result <= 0 ? result : run_file_damage(file, what);
}

static int read_column(RunFile *file, RunColumn column, size_t from, size_t to, Arena *arena,
                       ParquetVector *ret_vector)
{
    ParseError error = {.text = "it cannot be read"};
    int result =
        parquet_read(file->parquet, file->columns[column], from, to, arena, ret_vector, &error);

    return damaged(file, result, error.text);
}

static int read_columns(RunFileChunk *chunk, size_t from, size_t to, RunColumn first,
                        RunColumn last)
{
    for (RunColumn column = first; column <= last; column++) {
        TRY(read_column(chunk->file, column, from, to, chunk->arena, &chunk->vector[column]));
    }
    return 0;
}

/* All but the id and, unless they are needed to tell the rest, the changes. */
static int read_numbers(RunFileChunk *chunk, size_t from, size_t to)
{
    TRY(read_columns(chunk, from, to, RUN_COLUMN_KIND, RUN_COLUMN_OWNER));
    if (chunk->file->version == 1) {
        TRY(read_columns(chunk, from, to, RUN_COLUMN_FIRST, RUN_COLUMN_FIRST));
        TRY(read_columns(chunk, from, to, RUN_COLUMN_STEPS, RUN_COLUMN_VARIANT));
        return read_columns(chunk, from, to, RUN_COLUMN_CHANGES, RUN_COLUMN_CHANGES);
    }
    return read_columns(chunk, from, to, RUN_COLUMN_FIRST, RUN_COLUMN_VARIANT);
}

static int read_ids(RunFileChunk *chunk, size_t from, size_t to)
{
    return read_columns(chunk, from, to, RUN_COLUMN_ID, RUN_COLUMN_ID);
}

int run_file_read(RunFile *file, size_t from, size_t to, bool changes, Arena *arena,
                  RunFileChunk *ret_chunk)
{
    *ret_chunk = (RunFileChunk){.file = file, .n = to - from, .arena = arena};
    TRY(read_numbers(ret_chunk, from, to));
    TRY(read_ids(ret_chunk, from, to));
    if (changes && file->version > 1) {
        TRY(read_columns(ret_chunk, from, to, RUN_COLUMN_SHAPE, RUN_COLUMN_BITS));
        ret_chunk->has_changes = true;
    }
    return 0;
}

static int64_t number_at(const RunFileChunk *chunk, RunColumn column, size_t at)
{
    return chunk->vector[column].ints[at];
}

static Str bytes_at(const RunFileChunk *chunk, RunColumn column, size_t at)
{
    return parquet_str(&chunk->vector[column], at);
}

/* What version 1 does not tell of a row, from its changes. */
static int parse_row(const RunFileChunk *chunk, size_t at, RunFileRow *row)
{
    const ChangeNames names = {chunk->file->names, chunk->file->n_names};

    if (changes_unpack_1(bytes_at(chunk, RUN_COLUMN_CHANGES, at), &row->subject, names,
                         chunk->arena, &row->parsed) != 0) {
        return damaged(chunk->file, 1, "changes are damaged");
    }
    for (uint32_t i = 0; i < row->parsed.n; i++) {
        int32_t sign = row->subject.kind == SUBJECT_RUN ? row->parsed.members[i].sign
                                                        : row->parsed.links[i].sign;

        row->count += sign;
        row->takes_back |= sign < 0;
    }
    return 0;
}

/* Without the id. */
static int take_numbers(const RunFileChunk *chunk, size_t at, RunFileRow *row)
{
    int64_t kind = number_at(chunk, RUN_COLUMN_KIND, at);
    uint64_t flags = (uint64_t)number_at(chunk, RUN_COLUMN_FLAGS, at);

    if (kind < 0 || kind > SUBJECT_ENTITY) {
        return damaged(chunk->file, 1, "kinds are damaged");
    }
    *row = (RunFileRow){
        .subject = {.kind = (SubjectKind)kind, .owner = bytes_at(chunk, RUN_COLUMN_OWNER, at)},
        .first_ns = (uint64_t)number_at(chunk, RUN_COLUMN_FIRST, at),
        .n_steps = (size_t)number_at(chunk, RUN_COLUMN_STEPS, at),
        .variant = (uint64_t)number_at(chunk, RUN_COLUMN_VARIANT, at),
        .counts = (flags & RUN_ROW_COUNTS) != 0,
        .failed = (flags & RUN_ROW_FAILED) != 0,
        .no_run_id = (flags & RUN_ROW_NO_RUN_ID) != 0,
        .known_before = (flags & RUN_ROW_KNOWN_BEFORE) != 0,
        .takes_back = (flags & RUN_ROW_TAKES_BACK) != 0,
        .is_part = (flags & RUN_ROW_IS_PART) != 0,
    };
    if (chunk->file->version > 1) {
        row->count = number_at(chunk, RUN_COLUMN_COUNT, at);
    }
    return 0;
}

static int take_changes(const RunFileChunk *chunk, size_t at, RunFileRow *row)
{
    if (chunk->file->version == 1) {
        return parse_row(chunk, at, row);
    }
    if (chunk->has_changes) {
        row->packed = (PackedChanges){bytes_at(chunk, RUN_COLUMN_SHAPE, at),
                                      bytes_at(chunk, RUN_COLUMN_SIZES, at),
                                      bytes_at(chunk, RUN_COLUMN_BITS, at)};
    }
    return 0;
}

int run_file_row(const RunFileChunk *chunk, size_t at, RunFileRow *ret_row)
{
    TRY(take_numbers(chunk, at, ret_row));
    ret_row->subject.id = bytes_at(chunk, RUN_COLUMN_ID, at);
    return take_changes(chunk, at, ret_row);
}

int run_file_changes(RunFile *file, const RunFileRow *row, Arena *arena,
                     SubjectChanges *ret_changes)
{
    const ChangeNames names = {file->names, file->n_names};

    if (file->version == 1) {
        *ret_changes = row->parsed;
        return 0;
    }
    return damaged(
        file, changes_unpack(&row->packed, &row->subject, row->first_ns, names, arena, ret_changes),
        "changes are damaged");
}

/* ---- finding ---- */

/* Beginnings of the keys of rows [from, to). */
static int read_keys(RunFile *file, size_t from, size_t to, Arena *arena, uint64_t **ret_keys)
{
    uint64_t *keys = ARENA_ARRAY(arena, uint64_t, to - from + 1);
    ParquetVector vector;

    TRY(read_column(file, RUN_COLUMN_KEY, from, to, arena, &vector));
    for (size_t i = 0; i < to - from; i++) {
        keys[i] = file->version == 1
                      ? __builtin_bswap64(load_u64le(parquet_str(&vector, i).ptr)) >> RUN_KEY_SHIFT
                      : (uint64_t)vector.ints[i];
    }
    *ret_keys = keys;
    return 0;
}

static size_t root_of(size_t n)
{
    size_t root = 1;

    while (root * root < n) {
        root *= 2;
    }
    return root;
}

/* The rows whose key begins with @begin: where it must be is read, wider and wider until what lies
 * beside them is seen, too. */
static int find_begin(RunFile *file, uint64_t begin, Arena *arena, size_t *ret_from, size_t *ret_to)
{
    size_t guess = (size_t)((begin * file->n_rows) >> (64 - RUN_KEY_SHIFT));

    for (size_t reach = 2 * root_of(file->n_rows);; reach *= 8) {
        size_t first = guess > reach ? guess - reach : 0;
        size_t end = MIN(guess + reach, file->n_rows);
        size_t low = 0;
        uint64_t *keys;

        TRY(read_keys(file, first, end, arena, &keys));
        if ((first > 0 && keys[0] >= begin) ||
            (end < file->n_rows && keys[end - first - 1] <= begin)) {
            continue;
        }
        while (low < end - first && keys[low] < begin) {
            low++;
        }
        *ret_from = *ret_to = first + low;
        while (*ret_to < end && keys[*ret_to - first] == begin) {
            (*ret_to)++;
        }
        return 0;
    }
}

static bool is_subject(const RunFileChunk *chunk, size_t at, const Subject *subject)
{
    return number_at(chunk, RUN_COLUMN_KIND, at) == (int64_t)subject->kind &&
           str_equal(bytes_at(chunk, RUN_COLUMN_ID, at), subject->id) &&
           str_equal(bytes_at(chunk, RUN_COLUMN_OWNER, at), subject->owner);
}

int run_file_find(RunFile *file, SubjectKey key, const Subject *subject, size_t *ret_from,
                  size_t *ret_to)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    RunFileChunk chunk = {.file = file, .arena = &arena};
    size_t from, to, first = 0;

    if (file->n_rows == 0 || !run_file_may_have(file, key)) {
        return RUN_FILE_NONE;
    }
    TRY(find_begin(file, key.high >> RUN_KEY_SHIFT, &arena, &from, &to));
    if (from == to) {
        return RUN_FILE_NONE;
    }
    TRY(read_columns(&chunk, from, to, RUN_COLUMN_KIND, RUN_COLUMN_ID));
    while (first < to - from && !is_subject(&chunk, first, subject)) {
        first++;
    }
    *ret_from = *ret_to = from + first;
    while (*ret_to < to && is_subject(&chunk, *ret_to - from, subject)) {
        (*ret_to)++;
    }
    return *ret_from == *ret_to ? RUN_FILE_NONE : 0;
}

/* ---- scanning ---- */

/* The rows of a chunk; ids are read once one of them is wanted. */
static int scan_chunk(RunFileChunk *chunk, size_t from, const RunFileScan *scan)
{
    bool has_ids = false;

    TRY(read_numbers(chunk, from, from + chunk->n));
    for (size_t at = 0; at < chunk->n; at++) {
        RunFileRow row;

        TRY(take_numbers(chunk, at, &row));
        if (row.subject.kind != SUBJECT_RUN || !scan->wants(scan->context, row.subject.owner)) {
            continue;
        }
        TRY(take_changes(chunk, at, &row));
        if (!scan->may(scan->context, &row)) {
            continue;
        }
        if (!has_ids) {
            TRY(read_ids(chunk, from, from + chunk->n));
            has_ids = true;
        }
        row.subject.id = bytes_at(chunk, RUN_COLUMN_ID, at);
        TRY(scan->visit(scan->context, &row));
    }
    return 0;
}

int run_file_scan(RunFile *file, const RunFileScan *scan)
{
    for (size_t from = 0; from < file->n_rows; from += RUN_FILE_CHUNK) {
        CLEANUP(arena_deinit) Arena arena = {0};
        RunFileChunk chunk = {
            .file = file, .n = MIN(file->n_rows - from, (size_t)RUN_FILE_CHUNK), .arena = &arena};

        TRY(scan_chunk(&chunk, from, scan));
        TRY(scan->turn(scan->context));
    }
    return 0;
}
