// SPDX-License-Identifier: Apache-2.0
#include "map/series/cells.h"

#include "base/assert.h"
#include "base/memory.h"
#include "codec/varint.h"

/*
 * A cell's bytes: one byte of flags, zig-zag count, zig-zag errors if any, the adjusted count only
 * when it is neither 0 nor the count, then the sketches that are not empty. A minute of an edge of
 * a demo takes 20 to 60 bytes so, against 200 and more as structs with arrays of their own, and a
 * sum over an hour reads memory from front to back.
 *
 * Cells are added behind the last one nearly always; one in the middle moves what follows.
 */
#define CELL_COUNT_MAX ((int64_t)1 << 38)
#define CELL_ADJUSTED_MAX ((Adjusted)1 << 102)

enum {
    CELL_ERRORS = 1,
    CELL_ADJUSTED_IS_COUNT = 2,
    CELL_ADJUSTED = 4,
    CELL_DURATION = 8,
    CELL_SERVER_DURATION = 16,
};

void cell_value_deinit(CellValue *value)
{
    sketch_deinit(&value->duration);
    sketch_deinit(&value->server_duration);
}

void cell_value_add(CellValue *to, const CellValue *from)
{
    to->count += from->count;
    to->errors += from->errors;
    to->adjusted += from->adjusted;
    sketch_merge(&to->duration, &from->duration, 1);
    sketch_merge(&to->server_duration, &from->server_duration, 1);
}

bool cell_value_is_zero(const CellValue *value)
{
    return value->count == 0 && value->errors == 0 && value->adjusted == 0 &&
           value->duration.n_buckets == 0 && value->server_duration.n_buckets == 0;
}

static void cell_append(const CellValue *value, Buf *buf)
{
    bool is_count = value->adjusted == (Adjusted)value->count * ADJUSTED_ONE;
    unsigned flags = 0;

    flags |= value->errors != 0 ? CELL_ERRORS : 0;
    flags |= is_count ? CELL_ADJUSTED_IS_COUNT : value->adjusted != 0 ? CELL_ADJUSTED : 0;
    flags |= value->duration.n_buckets > 0 ? CELL_DURATION : 0;
    flags |= value->server_duration.n_buckets > 0 ? CELL_SERVER_DURATION : 0;
    buf_append_byte(buf, (uint8_t)flags);
    zigzag_append(buf, value->count);
    if ((flags & CELL_ERRORS) != 0) {
        zigzag_append(buf, value->errors);
    }
    if ((flags & CELL_ADJUSTED) != 0) {
        buf_append(buf, &value->adjusted, sizeof(value->adjusted));
    }
    if ((flags & CELL_DURATION) != 0) {
        sketch_append(&value->duration, buf);
    }
    if ((flags & CELL_SERVER_DURATION) != 0) {
        sketch_append(&value->server_duration, buf);
    }
}

/* All but the sketches; @in is left at them. The bytes are our own, so damage is a mistake. */
static unsigned cell_take_head(Str *in, CellSum *ret_head)
{
    unsigned flags = (uint8_t)in->ptr[0];
    int bad = 0;

    *in = str_slice(*in, 1, in->len);
    bad |= zigzag_take(in, &ret_head->count);
    if ((flags & CELL_ERRORS) != 0) {
        bad |= zigzag_take(in, &ret_head->errors);
    }
    if ((flags & CELL_ADJUSTED_IS_COUNT) != 0) {
        ret_head->adjusted = (Adjusted)ret_head->count * ADJUSTED_ONE;
    }
    if ((flags & CELL_ADJUSTED) != 0) {
        ASSERT(in->len >= sizeof(Adjusted));
        mem_copy(&ret_head->adjusted, in->ptr, sizeof(Adjusted));
        *in = str_slice(*in, sizeof(Adjusted), in->len);
    }
    ASSERT(bad == 0);
    return flags;
}

static Str cell_bytes(const Cells *cells, uint32_t at)
{
    uint32_t start = at == 0 ? 0 : cells->index[at - 1].end;

    return str_from_bytes(cells->bytes + start, cells->index[at].end - start);
}

static void cell_read(Str in, CellValue *ret_value)
{
    CellSum head = {0};
    unsigned flags = cell_take_head(&in, &head);
    int bad = 0;

    *ret_value = (CellValue){.count = head.count, .errors = head.errors, .adjusted = head.adjusted};
    if ((flags & CELL_DURATION) != 0) {
        bad |= sketch_take(&in, &ret_value->duration);
    }
    if ((flags & CELL_SERVER_DURATION) != 0) {
        bad |= sketch_take(&in, &ret_value->server_duration);
    }
    ASSERT(bad == 0 && in.len == 0);
}

void cells_deinit(Cells *cells)
{
    mem_free(cells->index);
    mem_free(cells->bytes);
    *cells = (Cells){0};
}

uint32_t cells_position(const Cells *cells, uint32_t minute)
{
    uint32_t from = 0, to = cells->n_cells;

    if (to > 0 && cells->index[to - 1].minute < minute) {
        return to;
    }
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (cells->index[middle].minute < minute) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

uint32_t cells_next(const Cells *cells, uint32_t minute)
{
    uint32_t at = cells_position(cells, minute);

    return at < cells->n_cells ? cells->index[at].minute : UINT32_MAX;
}

bool cells_touch(const Cells *cells, uint32_t from_minute, uint32_t to_minute)
{
    uint32_t at = cells_position(cells, from_minute);

    return at < cells->n_cells && cells->index[at].minute < to_minute;
}

/* --- Adding --- */

static void bytes_reserve(Cells *cells, size_t size)
{
    ASSERT(size <= CELLS_BYTES_MAX);
    if (size > cells->bytes_capacity) {
        size_t capacity = MAX(size, (size_t)cells->bytes_capacity + cells->bytes_capacity / 4);

        cells->bytes = mem_resize(cells->bytes, capacity);
        cells->bytes_capacity = (uint32_t)capacity;
    }
}

/* Room for @n more cells at @at. */
static void index_open(Cells *cells, uint32_t at, uint32_t n)
{
    if (cells->n_cells + n > cells->capacity) {
        cells->capacity = MAX(cells->n_cells + n, cells->capacity + cells->capacity / 4 + 2);
        cells->index = mem_resize_array(cells->index, cells->capacity, sizeof(cells->index[0]));
    }
    mem_move(cells->index + at + n, cells->index + at,
             (cells->n_cells - at) * sizeof(cells->index[0]));
    cells->n_cells += n;
}

/* Gives the cell at @at new bytes. */
static void cell_replace(Cells *cells, uint32_t at, Str bytes)
{
    uint32_t start = at == 0 ? 0 : cells->index[at - 1].end;
    uint32_t end = cells->index[at].end;
    uint32_t total = cells->index[cells->n_cells - 1].end;
    uint32_t new_end = start + (uint32_t)bytes.len;

    bytes_reserve(cells, (size_t)total - (end - start) + bytes.len);
    mem_move(cells->bytes + new_end, cells->bytes + end, total - end);
    mem_copy(cells->bytes + start, bytes.ptr, bytes.len);
    for (uint32_t i = at; i < cells->n_cells; i++) {
        cells->index[i].end += new_end - end; /* wraps around when it shrinks, as meant */
    }
}

/* An empty cell at @at. */
static void cell_insert(Cells *cells, uint32_t at, uint32_t minute)
{
    index_open(cells, at, 1);
    cells->index[at] = (CellIndex){.minute = minute, .end = at == 0 ? 0 : cells->index[at - 1].end};
}

static void cell_remove(Cells *cells, uint32_t at)
{
    cell_replace(cells, at, (Str){0});
    cells->n_cells--;
    mem_move(cells->index + at, cells->index + at + 1,
             (cells->n_cells - at) * sizeof(cells->index[0]));
}

int cells_add(Cells *cells, uint32_t minute, const CellValue *value)
{
    CLEANUP(buf_deinit) Buf buf = {0};
    uint32_t at = cells_position(cells, minute);

    if (at == cells->n_cells || cells->index[at].minute != minute) {
        if (cell_value_is_zero(value)) {
            return 0;
        }
        cell_append(value, &buf);
        cell_insert(cells, at, minute);
        cell_replace(cells, at, buf_str(&buf));
        return 1;
    }
    CLEANUP(cell_value_deinit) CellValue sum = {0};
    cell_read(cell_bytes(cells, at), &sum);
    cell_value_add(&sum, value);
    if (cell_value_is_zero(&sum)) {
        cell_remove(cells, at);
        return -1;
    }
    cell_append(&sum, &buf);
    cell_replace(cells, at, buf_str(&buf));
    return 0;
}

/* Gives back what a range took, when it was most. */
static void cells_shrink(Cells *cells)
{
    uint32_t used = cells->n_cells == 0 ? 0 : cells->index[cells->n_cells - 1].end;

    if (cells->n_cells == 0) {
        cells_deinit(cells);
    } else if (cells->bytes_capacity / 2 > used) {
        cells->index = mem_resize_array(cells->index, cells->n_cells, sizeof(cells->index[0]));
        cells->capacity = cells->n_cells;
        cells->bytes = mem_resize(cells->bytes, used);
        cells->bytes_capacity = used;
    }
}

void cells_remove_range(Cells *cells, uint32_t from_minute, uint32_t to_minute)
{
    uint32_t first = cells_position(cells, from_minute);
    uint32_t end = cells_position(cells, to_minute);

    if (first == end) {
        return;
    }
    uint32_t start = first == 0 ? 0 : cells->index[first - 1].end;
    uint32_t stop = cells->index[end - 1].end;
    uint32_t total = cells->index[cells->n_cells - 1].end;

    mem_move(cells->bytes + start, cells->bytes + stop, total - stop);
    mem_move(cells->index + first, cells->index + end,
             (cells->n_cells - end) * sizeof(cells->index[0]));
    cells->n_cells -= end - first;
    for (uint32_t i = first; i < cells->n_cells; i++) {
        cells->index[i].end -= stop - start;
    }
    cells_shrink(cells);
}

void cells_pack(const Cells *cells, uint32_t from_minute, uint32_t to_minute, Buf *buf)
{
    uint32_t before = from_minute;

    for (uint32_t at = cells_position(cells, from_minute);
         at < cells->n_cells && cells->index[at].minute < to_minute; at++) {
        Str bytes = cell_bytes(cells, at);

        varint_append(buf, cells->index[at].minute - before);
        varint_append(buf, bytes.len);
        buf_append_str(buf, bytes);
        before = cells->index[at].minute;
    }
}

/* Whether bytes of a file are what cell_append() writes: whatever they say, they must not be
 * believed. */
static int cell_check(Str in, bool *ret_zero)
{
    const unsigned known =
        CELL_ERRORS | CELL_ADJUSTED_IS_COUNT | CELL_ADJUSTED | CELL_DURATION | CELL_SERVER_DURATION;
    uint64_t n_duration = 0, n_server = 0;
    int64_t count, errors = 0;
    Adjusted adjusted = 0;
    Str fixed;

    if (in.len == 0 || ((uint8_t)in.ptr[0] & ~known) != 0) {
        return 1;
    }
    unsigned flags = (uint8_t)in.ptr[0];
    in = str_slice(in, 1, in.len);
    TRY(zigzag_take(&in, &count));
    TRY((flags & CELL_ERRORS) != 0 ? zigzag_take(&in, &errors) : 0);
    if (count > CELL_COUNT_MAX || count < -CELL_COUNT_MAX || errors > CELL_COUNT_MAX ||
        errors < -CELL_COUNT_MAX) {
        return 1;
    }
    if ((flags & CELL_ADJUSTED) != 0) {
        TRY(bytes_take(&in, sizeof(Adjusted), &fixed));
        mem_copy(&adjusted, fixed.ptr, sizeof(Adjusted));
        if (adjusted > CELL_ADJUSTED_MAX || adjusted < -CELL_ADJUSTED_MAX) {
            return 1;
        }
    }
    TRY((flags & CELL_DURATION) != 0 ? sketch_skip(&in, &n_duration) : 0);
    TRY((flags & CELL_SERVER_DURATION) != 0 ? sketch_skip(&in, &n_server) : 0);
    *ret_zero = count == 0 && errors == 0 && adjusted == 0 && n_duration == 0 && n_server == 0;
    return in.len > 0 ? 1 : 0;
}

/* Takes a minute off packed cells. */
static int packed_take(Str *in, uint64_t *minute, uint32_t to_minute, Str *ret_cell)
{
    uint64_t step, length;

    TRY(varint_take(in, &step));
    TRY(varint_take(in, &length));
    TRY(bytes_take(in, length, ret_cell));
    *minute += MIN(step, (uint64_t)UINT32_MAX);
    return *minute >= to_minute ? 1 : 0;
}

typedef struct PackedCells {
    uint32_t from_minute, to_minute;
    Str bytes;
} PackedCells;

/* Looks at them before any is believed. *@ret_n: how many they are, *@ret_length: in how many
 * bytes; *@ret_plain: each has a minute of its own and is not zero. */
static int packed_check(const PackedCells *packed, uint32_t *ret_n, size_t *ret_length,
                        bool *ret_plain)
{
    uint64_t minute = packed->from_minute, before = UINT64_MAX;
    Str in = packed->bytes, cell;
    bool zero;

    *ret_n = 0, *ret_length = 0, *ret_plain = true;
    while (in.len > 0) {
        TRY(packed_take(&in, &minute, packed->to_minute, &cell));
        TRY(cell_check(cell, &zero));
        *ret_plain &= !zero && minute != before;
        *ret_length += cell.len;
        ++*ret_n;
        before = minute;
    }
    return 0;
}

/* All bytes at once, to where nothing is. */
static void packed_insert(Cells *cells, const PackedCells *packed, uint32_t n, size_t length)
{
    uint32_t at = cells_position(cells, packed->from_minute), tail = cells->n_cells - at;
    uint32_t end = at == 0 ? 0 : cells->index[at - 1].end;
    uint32_t total = cells->n_cells == 0 ? 0 : cells->index[cells->n_cells - 1].end;
    uint64_t minute = packed->from_minute;
    Str in = packed->bytes, cell;

    bytes_reserve(cells, (size_t)total + length);
    mem_move(cells->bytes + end + length, cells->bytes + end, total - end);
    index_open(cells, at, n);
    for (uint32_t i = at; i < at + n; i++) {
        ASSERT(packed_take(&in, &minute, packed->to_minute, &cell) == 0);
        mem_copy(cells->bytes + end, cell.ptr, cell.len);
        end += (uint32_t)cell.len;
        cells->index[i] = (CellIndex){.minute = (uint32_t)minute, .end = end};
    }
    for (uint32_t i = at + n; i < at + n + tail; i++) {
        cells->index[i].end += (uint32_t)length;
    }
}

int cells_unpack(Cells *cells, uint32_t from_minute, uint32_t to_minute, Str bytes)
{
    const PackedCells packed = {from_minute, to_minute, bytes};
    uint64_t minute = from_minute;
    uint32_t n;
    size_t length;
    bool plain;
    Str cell;

    TRY(packed_check(&packed, &n, &length, &plain));
    if (plain && !cells_touch(cells, from_minute, to_minute)) {
        packed_insert(cells, &packed, n, length);
        return 0;
    }
    while (bytes.len > 0) {
        CLEANUP(cell_value_deinit) CellValue value = {0};

        TRY(packed_take(&bytes, &minute, to_minute, &cell));
        cell_read(cell, &value);
        (void)cells_add(cells, (uint32_t)minute, &value);
    }
    return 0;
}

int cells_skip(Str *in, uint32_t *minute)
{
    uint64_t step, length;
    Str cell;

    TRY(varint_take(in, &step));
    TRY(varint_take(in, &length));
    TRY(bytes_take(in, length, &cell));
    if (step >= UINT32_MAX - *minute) {
        return 1;
    }
    *minute += (uint32_t)step;
    return 0;
}

void cells_total(const Cells *cells, uint32_t from_minute, uint32_t to_minute, CellValue *sum)
{
    for (uint32_t at = cells_position(cells, from_minute);
         at < cells->n_cells && cells->index[at].minute < to_minute; at++) {
        CLEANUP(cell_value_deinit) CellValue value = {0};

        cell_read(cell_bytes(cells, at), &value);
        cell_value_add(sum, &value);
    }
}

void cells_count(const Cells *cells, uint32_t from_minute, uint32_t to_minute, Cells *counts)
{
    for (uint32_t at = cells_position(cells, from_minute);
         at < cells->n_cells && cells->index[at].minute < to_minute; at++) {
        Str in = cell_bytes(cells, at);
        CellSum head = {0};

        (void)cell_take_head(&in, &head);
        (void)cells_add(counts, cells->index[at].minute, &(CellValue){.count = head.count});
    }
}

static void cell_sum(const Cells *cells, uint32_t at, CellSum *sum)
{
    Str in = cell_bytes(cells, at);
    CellSum head = {0};
    unsigned flags = cell_take_head(&in, &head);
    CLEANUP(sketch_deinit) Sketch skipped = {0};
    int bad = 0;

    sum->count += head.count;
    sum->errors += head.errors;
    sum->adjusted += head.adjusted;
    if ((flags & CELL_DURATION) != 0) {
        if (sum->duration != NULL) {
            bad |= sketch_sum_take(sum->duration, &in);
        } else if (sum->server_duration != NULL) {
            bad |= sketch_take(&in, &skipped);
        }
    }
    if ((flags & CELL_SERVER_DURATION) != 0 && sum->server_duration != NULL) {
        bad |= sketch_sum_take(sum->server_duration, &in);
    }
    ASSERT(bad == 0);
}

void cells_sum(const Cells *cells, uint32_t from_minute, uint32_t to_minute, CellSum *sum)
{
    for (uint32_t at = cells_position(cells, from_minute);
         at < cells->n_cells && cells->index[at].minute < to_minute; at++) {
        cell_sum(cells, at, sum);
    }
}
