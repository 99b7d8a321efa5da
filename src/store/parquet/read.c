// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "store/parquet/file.h"

/* Rows of a column, which may be of several row groups, into one vector. */

static int fail(ParseError *error, uint64_t offset, const char *text)
{
    *error = (ParseError){.offset = (size_t)offset, .text = text};
    return 1;
}

static int decode_leaf(ParquetFile *file, const ParquetLeaf *leaf, ParquetSlots *slots)
{
    size_t first = 0;

    slots->source = &file->source;
    slots->leaf = leaf;
    slots->cache = file->cache;
    for (size_t i = 0; i < file->meta.n_groups && first < slots->to; i++) {
        const MetaGroup *group = &file->meta.groups[i];
        size_t n_rows = (size_t)group->n_rows;

        if (first + n_rows > slots->from && n_rows > 0) {
            slots->cache_slot = i * group->n_chunks + leaf->chunk;
            TRY(parquet_decode_chunk(slots, &group->chunks[leaf->chunk], first, n_rows));
        }
        first += n_rows;
    }
    return 0;
}

static ParquetVector finish_vector(const ParquetSlots *slots)
{
    ParquetVector vector = {.type = slots->leaf->type,
                            .n_rows = slots->n_slots,
                            .null = slots->has_null ? slots->null : NULL,
                            .codes = slots->codes,
                            .dictionary = slots->codes != NULL ? slots->dictionary : NULL};

    if (slots->leaf->physical == PHYSICAL_BOOLEAN) {
        vector.bools = slots->bools;
    } else if (slots->leaf->physical == PHYSICAL_BYTE_ARRAY ||
               slots->leaf->physical == PHYSICAL_FIXED) {
        /* No page at all (zero rows) leaves neither codes nor values: no row will be asked for. */
        vector.strs = slots->strs;
    } else {
        vector.ints = slots->ints;
    }
    return vector;
}

static int read_leaf(ParquetFile *file, const ParquetLeaf *leaf, ParquetSlots *slots,
                     ParquetVector *ret_vector)
{
    int r = decode_leaf(file, leaf, slots);

    if (r == 0) {
        *ret_vector = finish_vector(slots);
    }
    parquet_slots_deinit(slots);
    return r;
}

static void kept_enter(ParquetKept *kept, size_t group)
{
    if (kept->group != group) {
        kept->dictionaries[0] = kept->dictionaries[1] = NULL;
        kept->group = group;
    }
}

/* What a read is about, once its column is known. */
typedef struct ColumnRead {
    ParquetFile *file;
    const FileColumn *column;
    size_t from, to;
    Arena *arena;
    ParquetKept *kept; /* NULL: nothing */
    ParseError *error;
} ColumnRead;

/* Whether the rows are of one row group; what is kept of another one is forgotten then. */
static bool keep_group(const ColumnRead *read)
{
    if (read->from == read->to) {
        return false;
    }
    size_t group = parquet_group_of(read->file, read->from);
    if (read->to > read->file->group_rows[group + 1]) {
        return false;
    }
    kept_enter(read->kept, group);
    return true;
}

static ParquetSlots slots_of(const ColumnRead *read, unsigned part)
{
    ParquetSlots slots = {
        .arena = read->arena, .error = read->error, .from = read->from, .to = read->to};

    if (read->kept != NULL && keep_group(read)) {
        slots.kept_arena = read->kept->arena;
        slots.kept = &read->kept->dictionaries[part];
    }
    return slots;
}

static int read_map(const ColumnRead *read, bool keys_only, ParquetVector *ret_vector)
{
    size_t n = read->to - read->from;
    ParquetVector *parts = ARENA_ARRAY(read->arena, ParquetVector, 2);
    uint32_t *offsets = ARENA_ARRAY(read->arena, uint32_t, n + 1);
    uint32_t *counts = ARENA_ARRAY(read->arena, uint32_t, 2 * n);
    ParquetSlots keys = slots_of(read, 0), values = slots_of(read, 1);

    keys.counts = counts;
    values.counts = counts + n;
    TRY(read_leaf(read->file, &read->column->leaf, &keys, &parts[0]));
    if (!keys_only) {
        TRY(read_leaf(read->file, &read->column->values, &values, &parts[1]));
        if (mem_compare(counts, counts + n, n * sizeof(*counts)) != 0) {
            return fail(read->error, 0, "a map has not as many keys as values");
        }
    }
    for (size_t row = 0; row < n; row++) {
        offsets[row + 1] = offsets[row] + counts[row];
    }
    *ret_vector = (ParquetVector){.type = PARQUET_MAP,
                                  .n_rows = n,
                                  .offsets = offsets,
                                  .keys = &parts[0],
                                  .values = keys_only ? NULL : &parts[1]};
    return 0;
}

static int read_flat(const ColumnRead *read, ParquetVector *ret_vector)
{
    ParquetSlots slots = slots_of(read, 0);
    ParquetVector vector;

    TRY(read_leaf(read->file, &read->column->leaf, &slots, &vector));
    if (vector.n_rows != read->to - read->from) {
        return fail(read->error, 0, "a column has not as many rows as the file");
    }
    *ret_vector = vector;
    return 0;
}

static int read_column(const ColumnRead *read, ParquetVector *ret_vector)
{
    return read->column->description.type == PARQUET_MAP ? read_map(read, false, ret_vector)
                                                         : read_flat(read, ret_vector);
}

int parquet_read(ParquetFile *file, size_t column, size_t from, size_t to, Arena *arena,
                 ParquetVector *ret_vector, ParseError *ret_error)
{
    ASSERT(column < file->n_columns && from <= to && to <= file->n_rows);
    ColumnRead read = {file, &file->columns[column], from, to, arena, NULL, ret_error};

    return read_column(&read, ret_vector);
}

int parquet_read_kept(ParquetFile *file, size_t column, size_t from, size_t to, ParquetKept *kept,
                      ParquetVector *ret_vector, ParseError *ret_error)
{
    ASSERT(column < file->n_columns && from <= to && to <= file->n_rows);
    ColumnRead read = {file, &file->columns[column], from, to, kept->pieces, kept, ret_error};

    return read_column(&read, ret_vector);
}

int parquet_read_keys(ParquetFile *file, size_t column, size_t from, size_t to, ParquetKept *kept,
                      ParquetVector *ret_vector, ParseError *ret_error)
{
    ASSERT(column < file->n_columns && from <= to && to <= file->n_rows);
    ColumnRead read = {file, &file->columns[column], from, to, kept->pieces, kept, ret_error};

    ASSERT(read.column->description.type == PARQUET_MAP);
    return read_map(&read, true, ret_vector);
}

/* Writers say in a chunk's metadata how its pages are encoded; a dictionary's own page is plain,
 * and so says nothing: ours have either coded pages only, or no dictionary. */
int parquet_read_dictionary(ParquetFile *file, size_t column, size_t group, ParquetKept *kept,
                            bool *ret_only, ParseError *ret_error)
{
    const MetaChunk *chunk = chunk_of(file, column, group);
    const FileColumn *c = &file->columns[column];
    ParquetSlots slots = {.source = &file->source,
                          .leaf = &c->leaf,
                          .arena = kept->arena,
                          .error = ret_error,
                          .cache = file->cache,
                          .cache_slot = group * file->meta.groups[group].n_chunks + c->leaf.chunk};
    Str unused;
    int r = 0;

    kept_enter(kept, group);
    if (kept->dictionaries[0] == NULL) {
        r = parquet_decode_dictionary(&slots, chunk, &kept->dictionaries[0]);
    }
    parquet_slots_deinit(&slots);
    *ret_only = r == 0 && kept->dictionaries[0] != NULL &&
                parquet_metadata(file, STR("weft.footer"), &unused);
    return r;
}
