// SPDX-License-Identifier: Apache-2.0
#include "map/flow/run_merge.h"

#include <errno.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "map/flow/run_writer.h"

/*
 * Nearly all subjects are in one file only: their row is copied, but for the numbers of names.
 * Those of several are put together and what cancels goes, unless they are large: then their rows
 * stay as they are, as parts.
 */
typedef struct Cursor {
    RunFile *file;
    Arena names;
    uint32_t *numbers; /* of its names, in the writer */
    Str *shapes;       /* of its dictionary, renamed; ptr NULL: not yet */
    Arena arena;       /* of the chunk */
    RunFileChunk chunk;
    size_t from, at; /* row of the file where the chunk begins; row of the chunk */
    SubjectKey key;
    RunFileRow row;
    bool is_over;
} Cursor;

typedef struct Merging {
    Cursor *cursors;
    size_t n;
    RunWriter *writer;
    Buf shape;
} Merging;

/* ---- cursors ---- */

static int load_chunk(Cursor *cursor)
{
    size_t to = MIN(cursor->from + RUN_FILE_CHUNK, cursor->file->n_rows);

    arena_reset(&cursor->arena);
    cursor->at = 0;
    return run_file_read(cursor->file, cursor->from, to, true, &cursor->arena, &cursor->chunk);
}

/* The row at the cursor. */
static int look(Cursor *cursor)
{
    if (cursor->from + cursor->at >= cursor->file->n_rows) {
        cursor->is_over = true;
        return 0;
    }
    if (cursor->at == cursor->chunk.n) {
        cursor->from += cursor->chunk.n;
        TRY(load_chunk(cursor));
    }
    SubjectKey before = cursor->key;
    TRY(run_file_row(&cursor->chunk, cursor->at, &cursor->row));
    cursor->key = subject_key(&cursor->row.subject);
    return subject_key_compare(before, cursor->key) > 0
               ? run_file_damage(cursor->file, "its rows are in no order")
               : 0;
}

static int advance(Cursor *cursor)
{
    cursor->at++;
    return look(cursor);
}

static int open_cursor(Merging *merging, TableFile *table)
{
    Cursor *cursor = &merging->cursors[merging->n];
    ParseError error = {0};
    int result = run_file_open(table, &cursor->file, &error);

    if (result > 0 && !atomic_exchange(&table->damaged, true)) {
        log_error("a damaged run table stays as it is, without being merged",
                  LOG_U64("file", table->number), LOG_CSTR("because", error.text));
    }
    TRY(result);
    merging->n++;
    return 0;
}

static int start_cursor(Merging *merging, Cursor *cursor)
{
    const TableInfo *info = &cursor->file->table->info;

    run_writer_note_period(merging->writer, info->from_minute, info->to_minute);
    cursor->numbers = ARENA_ARRAY(&cursor->names, uint32_t, cursor->file->n_names + 1);
    for (size_t i = 0; i < cursor->file->n_names; i++) {
        cursor->numbers[i] = run_writer_name(merging->writer, cursor->file->names[i]);
    }
    return look(cursor);
}

static void close_cursor(Cursor *cursor)
{
    run_file_unref(cursor->file);
    arena_deinit(&cursor->arena);
    arena_deinit(&cursor->names);
}

/* ---- rows ---- */

/* Most runs of a flow have one of a few shapes, whose code in the dictionary tells it. */
static int rename_shape(Merging *merging, Cursor *cursor, Str *ret_shape)
{
    const ParquetVector *shapes = &cursor->chunk.vector[RUN_COLUMN_SHAPE];
    const ChangeNumbers numbers = {cursor->numbers, cursor->file->n_names};
    bool is_cached = shapes->codes != NULL && cursor->row.subject.kind == SUBJECT_RUN;
    Str *cached = NULL;

    if (is_cached && cursor->shapes == NULL) {
        cursor->shapes = ARENA_ARRAY(&cursor->names, Str, shapes->dictionary->n_rows + 1);
    }
    if (is_cached) {
        cached = &cursor->shapes[shapes->codes[cursor->at]];
        if (cached->ptr != NULL) {
            *ret_shape = *cached;
            return 0;
        }
    }
    buf_clear(&merging->shape);
    if (changes_rename(cursor->row.packed.shape, cursor->row.subject.kind, numbers,
                       &merging->shape) != 0) {
        return run_file_damage(cursor->file, "changes are damaged");
    }
    *ret_shape = buf_str(&merging->shape);
    if (cached != NULL) {
        *ret_shape = *cached = arena_copy(&cursor->names, *ret_shape);
    }
    return 0;
}

static int copy_row(Merging *merging, Cursor *cursor)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    SubjectChanges changes;
    Str shape;

    if (cursor->file->version > 1) {
        TRY(rename_shape(merging, cursor, &shape));
        run_writer_copy(merging->writer, cursor->key, &cursor->row, shape);
        return 0;
    }
    TRY(run_file_changes(cursor->file, &cursor->row, &arena, &changes));
    changes.key = cursor->key;
    changes.known_before = cursor->row.known_before;
    run_writer_add(merging->writer, &changes, cursor->row.is_part);
    return 0;
}

static size_t changes_at_most(const RunFileRow *row)
{
    return row->parsed.n + row->packed.bits.len / SPAN_ID_SIZE;
}

/* The rows of @key as they are. */
static int copy_parts(Merging *merging, SubjectKey key, bool known_before)
{
    for (size_t i = 0; i < merging->n; i++) {
        Cursor *cursor = &merging->cursors[i];

        while (!cursor->is_over && subject_key_compare(cursor->key, key) == 0) {
            cursor->row.is_part = true;
            cursor->row.known_before = known_before;
            TRY(copy_row(merging, cursor));
            TRY(advance(cursor));
        }
    }
    return 0;
}

static void append_changes(SubjectChanges *all, const SubjectChanges *more)
{
    if (all->subject.kind == SUBJECT_RUN) {
        mem_copy(all->members + all->n, more->members, more->n * sizeof(Member));
    } else {
        mem_copy(all->links + all->n, more->links, more->n * sizeof(EntityLink));
    }
    all->n += more->n;
}

/* The rows of @key, one a file, become one. */
static int join_rows(Merging *merging, SubjectKey key, size_t n_changes, bool known_before)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    SubjectChanges all = {.key = key, .known_before = known_before};

    all.members = ARENA_ARRAY(&arena, Member, n_changes + 1);
    all.links = ARENA_ARRAY(&arena, EntityLink, n_changes + 1);
    for (size_t i = 0; i < merging->n; i++) {
        Cursor *cursor = &merging->cursors[i];
        SubjectChanges changes;

        if (cursor->is_over || subject_key_compare(cursor->key, key) != 0) {
            continue;
        }
        TRY(run_file_changes(cursor->file, &cursor->row, &arena, &changes));
        ASSERT(all.n + changes.n <= n_changes);
        all.subject = (Subject){.kind = cursor->row.subject.kind,
                                .owner = arena_copy(&arena, cursor->row.subject.owner),
                                .id = arena_copy(&arena, cursor->row.subject.id)};
        append_changes(&all, &changes);
    }
    changes_reduce(&all);
    run_writer_add(merging->writer, &all, false);
    for (size_t i = 0; i < merging->n; i++) {
        if (!merging->cursors[i].is_over &&
            subject_key_compare(merging->cursors[i].key, key) == 0) {
            TRY(advance(&merging->cursors[i]));
        }
    }
    return 0;
}

/* All rows of the subject that comes first. */
static int merge_subject(Merging *merging, Cursor *first)
{
    SubjectKey key = first->key;
    size_t n_rows = 0, n_changes = 0;
    bool has_parts = false, known_before = true;

    for (size_t i = 0; i < merging->n; i++) {
        const Cursor *cursor = &merging->cursors[i];

        if (!cursor->is_over && subject_key_compare(cursor->key, key) == 0) {
            n_rows++;
            n_changes += changes_at_most(&cursor->row);
            has_parts |= cursor->row.is_part;
            /* Whoever brought the first changes of all did not know it before. */
            known_before &= cursor->row.known_before;
        }
    }
    if (has_parts || (n_rows > 1 && n_changes > RUN_ROW_CHANGES)) {
        return copy_parts(merging, key, known_before);
    }
    if (n_rows > 1) {
        return join_rows(merging, key, n_changes, known_before);
    }
    TRY(copy_row(merging, first));
    return advance(first);
}

static Cursor *first_cursor(const Merging *merging)
{
    Cursor *first = NULL;

    for (size_t i = 0; i < merging->n; i++) {
        Cursor *cursor = &merging->cursors[i];

        if (!cursor->is_over &&
            (first == NULL || subject_key_compare(cursor->key, first->key) < 0)) {
            first = cursor;
        }
    }
    return first;
}

/* The writer comes when it is known how many rows there may be. */
static int merge(Merging *merging, TableFile *const *tables, size_t n)
{
    size_t n_rows = 0;

    for (size_t i = 0; i < n; i++) {
        TRY(open_cursor(merging, tables[i]));
        n_rows += merging->cursors[i].file->n_rows;
    }
    merging->writer = run_writer_new(n_rows);
    for (size_t i = 0; i < n; i++) {
        TRY(start_cursor(merging, &merging->cursors[i]));
    }
    for (Cursor *first; (first = first_cursor(merging)) != NULL;) {
        TRY(merge_subject(merging, first));
    }
    return 0;
}

int run_files_merge(TableFile *const *tables, size_t n, TableSink *sink)
{
    Merging merging = {.cursors = NEW_ARRAY(Cursor, n + 1)};
    int result = merge(&merging, tables, n);

    if (result == 0) {
        result = run_writer_emit(merging.writer, sink);
    }
    for (size_t i = 0; i < merging.n; i++) {
        close_cursor(&merging.cursors[i]);
    }
    mem_free(merging.cursors);
    run_writer_free(merging.writer);
    buf_deinit(&merging.shape);
    return result == RUN_FILE_DAMAGED ? 1 : result == RUN_FILE_UNREADABLE ? -EIO : result;
}
