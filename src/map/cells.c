// SPDX-License-Identifier: Apache-2.0
#include "map/cells.h"

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

static void cell_read(const Cells *cells, uint32_t at, CellValue *ret_value)
{
    Str in = cell_bytes(cells, at);
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
    mem_free(cells->runs);
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

/* --- Presence --- */

static void run_insert(Cells *cells, uint32_t at, MapInterval run)
{
    if (cells->n_runs == cells->runs_capacity) {
        cells->runs_capacity += cells->runs_capacity / 2 + 1;
        cells->runs = mem_resize_array(cells->runs, cells->runs_capacity, sizeof(cells->runs[0]));
    }
    mem_move(cells->runs + at + 1, cells->runs + at, (cells->n_runs - at) * sizeof(cells->runs[0]));
    cells->runs[at] = run;
    cells->n_runs++;
}

static bool minutes_join(uint32_t earlier, uint32_t later, uint32_t gap)
{
    return (uint64_t)later <= (uint64_t)earlier + gap + 1;
}

static void runs_add(Cells *cells, uint32_t minute, uint32_t gap)
{
    uint32_t at = cells->n_runs;

    while (at > 0 && cells->runs[at - 1].first_minute > minute) {
        at--;
    }
    MapInterval *left = at > 0 ? &cells->runs[at - 1] : NULL;
    MapInterval *right = at < cells->n_runs ? &cells->runs[at] : NULL;
    bool joins_left = left != NULL && minutes_join(left->last_minute, minute, gap);
    bool joins_right = right != NULL && minutes_join(minute, right->first_minute, gap);

    if (joins_left && joins_right) {
        left->last_minute = right->last_minute;
        cells->n_runs--;
        mem_move(right, right + 1, (cells->n_runs - at) * sizeof(*right));
    } else if (joins_left) {
        left->last_minute = MAX(left->last_minute, minute);
    } else if (joins_right) {
        right->first_minute = minute;
    } else {
        run_insert(cells, at, (MapInterval){minute, minute});
    }
}

static void runs_rebuild(Cells *cells, uint32_t gap)
{
    cells->n_runs = 0;
    for (uint32_t i = 0; i < cells->n_cells; i++) {
        uint32_t minute = cells->index[i].minute;

        if (cells->n_runs > 0 &&
            minutes_join(cells->runs[cells->n_runs - 1].last_minute, minute, gap)) {
            cells->runs[cells->n_runs - 1].last_minute = minute;
        } else {
            run_insert(cells, cells->n_runs, (MapInterval){minute, minute});
        }
    }
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
    if (cells->n_cells == cells->capacity) {
        cells->capacity += cells->capacity / 4 + 2;
        cells->index = mem_resize_array(cells->index, cells->capacity, sizeof(cells->index[0]));
    }
    mem_move(cells->index + at + 1, cells->index + at,
             (cells->n_cells - at) * sizeof(cells->index[0]));
    cells->index[at] = (CellIndex){.minute = minute, .end = at == 0 ? 0 : cells->index[at - 1].end};
    cells->n_cells++;
}

static void cell_remove(Cells *cells, uint32_t at)
{
    cell_replace(cells, at, (Str){0});
    cells->n_cells--;
    mem_move(cells->index + at, cells->index + at + 1,
             (cells->n_cells - at) * sizeof(cells->index[0]));
}

int cells_add(Cells *cells, uint32_t minute, const CellValue *value, uint32_t gap)
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
        runs_add(cells, minute, gap);
        return 1;
    }
    CLEANUP(cell_value_deinit) CellValue sum = {0};
    cell_read(cells, at, &sum);
    cell_value_add(&sum, value);
    if (cell_value_is_zero(&sum)) {
        cell_remove(cells, at);
        runs_rebuild(cells, gap);
        return -1;
    }
    cell_append(&sum, &buf);
    cell_replace(cells, at, buf_str(&buf));
    return 0;
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

/* --- Exemplars --- */

void exemplars_deinit(Exemplars *exemplars)
{
    mem_free(exemplars->items);
    *exemplars = (Exemplars){0};
}

static bool exemplar_fits(const Exemplar *exemplar, ExemplarChoice choice)
{
    return exemplar->weight > 0 && (choice != EXEMPLAR_ERROR || exemplar->error);
}

static bool exemplar_better(const Exemplar *a, const Exemplar *b, ExemplarChoice choice)
{
    if (choice == EXEMPLAR_SLOWEST && a->duration_ns != b->duration_ns) {
        return a->duration_ns > b->duration_ns;
    }
    if (a->start_ns != b->start_ns) {
        return a->start_ns > b->start_ns;
    }
    int order = trace_id_compare(a->trace_id, b->trace_id);
    return order != 0 ? order < 0 : a->duration_ns > b->duration_ns;
}

size_t exemplars_choose(const Exemplars *exemplars, ExemplarChoice choice,
                        uint32_t ret_positions[MAP_EXEMPLARS])
{
    const Exemplar *items = exemplars->items;
    size_t n = 0;

    for (uint32_t i = 0; i < exemplars->n_items; i++) {
        size_t at = n;

        if (!exemplar_fits(&items[i], choice)) {
            continue;
        }
        while (at > 0 && exemplar_better(&items[i], &items[ret_positions[at - 1]], choice)) {
            at--;
        }
        if (at == MAP_EXEMPLARS) {
            continue;
        }
        n = MIN(n + 1, (size_t)MAP_EXEMPLARS);
        for (size_t k = n - 1; k > at; k--) {
            ret_positions[k] = ret_positions[k - 1];
        }
        ret_positions[at] = i;
    }
    return n;
}

/* Keeps those that some choice wants, and the first few that were taken back. */
static void exemplars_trim(Exemplars *exemplars, size_t taken_max)
{
    bool keep[EXEMPLARS_MAX + 1] = {0};
    size_t n_taken = 0;
    uint32_t n = 0;

    ASSERT(exemplars->n_items <= ARRAY_LEN(keep));
    for (ExemplarChoice choice = EXEMPLAR_LATEST; choice <= EXEMPLAR_SLOWEST; choice++) {
        uint32_t best[MAP_EXEMPLARS];
        size_t n_best = exemplars_choose(exemplars, choice, best);

        for (size_t i = 0; i < n_best; i++) {
            keep[best[i]] = true;
        }
    }
    for (uint32_t i = 0; i < exemplars->n_items; i++) {
        if (keep[i] || (exemplars->items[i].weight < 0 && n_taken++ < taken_max)) {
            exemplars->items[n++] = exemplars->items[i];
        }
    }
    exemplars->n_items = n;
}

static bool exemplar_same(const Exemplar *a, const Exemplar *b)
{
    return a->start_ns == b->start_ns && a->duration_ns == b->duration_ns && a->error == b->error &&
           trace_id_equal(a->trace_id, b->trace_id);
}

void exemplars_add(Exemplars *exemplars, const Exemplar *exemplar)
{
    for (uint32_t i = 0; i < exemplars->n_items; i++) {
        Exemplar *item = &exemplars->items[i];

        if (exemplar_same(item, exemplar)) {
            item->weight += exemplar->weight;
            if (item->weight == 0) {
                *item = exemplars->items[--exemplars->n_items];
            }
            return;
        }
    }
    if (exemplars->n_items == exemplars->capacity) {
        exemplars->capacity += exemplars->capacity / 2 + 1;
        exemplars->items =
            mem_resize_array(exemplars->items, exemplars->capacity, sizeof(exemplars->items[0]));
    }
    exemplars->items[exemplars->n_items++] = *exemplar;
    if (exemplars->n_items > EXEMPLARS_MAX) {
        exemplars_trim(exemplars, EXEMPLARS_TAKEN_MAX);
    }
}

void exemplars_drop_taken(Exemplars *exemplars)
{
    exemplars_trim(exemplars, 0);
    if (exemplars->n_items > 0 && exemplars->capacity > exemplars->n_items) {
        exemplars->items =
            mem_resize_array(exemplars->items, exemplars->n_items, sizeof(exemplars->items[0]));
        exemplars->capacity = exemplars->n_items;
    }
}
