// SPDX-License-Identifier: Apache-2.0
#include "store/generation.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/memory.h"

/*
 * Rows live in pages and their bytes in chunks, neither of which ever moves: growing copies
 * nothing, and a reader's pointers stay good without the lock.
 */
enum {
    PAGE_BITS = 12,
    PAGE_ROWS = 1 << PAGE_BITS,
    CHUNK_BYTES = 256 << 10,
};

struct HeadPage {
    HeadRow rows[PAGE_ROWS];
};

struct HeadChunk {
    HeadChunk *previous;
    uint8_t bytes[];
};

Generation *generation_new(uint64_t now_ns)
{
    Generation *generation = NEW(Generation);

    atomic_init(&generation->refs, 1);
    table_init(&generation->traces, sizeof(HeadTrace), sizeof(TraceId));
    generation->born_ns = now_ns;
    generation->min_start_ns = UINT64_MAX;
    return generation;
}

Generation *generation_ref(Generation *generation)
{
    ASSERT(atomic_fetch_add(&generation->refs, 1) > 0);
    return generation;
}

Generation *generation_unref(Generation *generation)
{
    if (generation == NULL || atomic_fetch_sub(&generation->refs, 1) > 1) {
        return NULL;
    }
    for (HeadChunk *chunk = generation->chunk; chunk != NULL;) {
        HeadChunk *previous = chunk->previous;
        mem_free(chunk);
        chunk = previous;
    }
    for (size_t i = 0; i < generation->n_pages; i++) {
        mem_free(generation->pages[i]);
    }
    mem_free(generation->pages);
    mem_free(generation->origins);
    table_deinit(&generation->traces);
    row_dictionary_deinit(&generation->dictionary);
    buf_deinit(&generation->scratch);
    mem_free(generation);
    return NULL;
}

void generation_begin(Generation *generation, uint64_t sequence)
{
    HeadOrigin *last =
        generation->n_origins == 0 ? NULL : &generation->origins[generation->n_origins - 1];

    row_dictionary_forget(&generation->dictionary);
    if (last != NULL && (last->sequence == sequence || last->first_row == generation->n_rows)) {
        last->sequence = sequence;
        return;
    }
    ARRAY_RESERVE(generation->origins, generation->n_origins, generation->origin_capacity);
    generation->origins[generation->n_origins++] =
        (HeadOrigin){.first_row = generation->n_rows, .sequence = sequence};
}

HeadRow *generation_row(const Generation *generation, uint32_t index)
{
    return &generation->pages[index >> PAGE_BITS]->rows[index & (PAGE_ROWS - 1)];
}

static HeadRow *add_row(Generation *generation)
{
    if (generation->n_rows >> PAGE_BITS == generation->n_pages) {
        ARRAY_RESERVE(generation->pages, generation->n_pages, generation->page_capacity);
        generation->pages[generation->n_pages++] = mem_alloc(sizeof(HeadPage));
    }
    ASSERT(generation->n_rows < GENERATION_ROWS_MAX);
    return generation_row(generation, generation->n_rows++);
}

/* Rows longer than a quarter of a chunk get one of their own, so that little is left unused. */
static const uint8_t *keep_bytes(Generation *generation, Str bytes)
{
    if (bytes.len > generation->chunk_left) {
        size_t size = bytes.len > CHUNK_BYTES / 4 ? bytes.len : (size_t)CHUNK_BYTES;
        HeadChunk *chunk = mem_alloc(sizeof(HeadChunk) + size);

        chunk->previous = generation->chunk;
        generation->chunk = chunk;
        generation->chunk_bytes += sizeof(HeadChunk) + size;
        generation->chunk_next = chunk->bytes;
        generation->chunk_left = size;
    }
    uint8_t *kept = generation->chunk_next;
    mem_copy(kept, bytes.ptr, bytes.len);
    generation->chunk_next += bytes.len;
    generation->chunk_left -= bytes.len;
    return kept;
}

/* The trace's record, made at its first row @index. */
static HeadTrace *find_trace(Generation *generation, TraceId id, uint32_t index)
{
    Table *traces = &generation->traces;
    bool is_new;

    if (traces->n_records > 0) {
        HeadTrace *last = table_at(traces, generation->last_trace);

        if (trace_id_equal(last->id, id)) {
            return last;
        }
    }
    HeadTrace *trace = table_put(traces, &id, &is_new);
    if (is_new) {
        trace->first = trace->last = index;
        trace->first_open = ROW_NONE;
    }
    generation->last_trace = (size_t)(trace - (HeadTrace *)(void *)traces->records);
    return trace;
}

/* Puts row @index behind the trace's others. */
static void chain_row(Generation *generation, TraceId id, uint32_t index, HeadRow *row)
{
    HeadTrace *trace = find_trace(generation, id, index);

    if (trace->last != index) {
        generation_row(generation, trace->last)->next = index;
    }
    trace->last = index;
    if (row->state == ROW_OPEN && trace->first_open == ROW_NONE) {
        trace->first_open = index;
    }
    row->trace = (uint32_t)generation->last_trace;
}

void generation_append(Generation *generation, const Span *span, uint32_t state)
{
    uint32_t index = generation->n_rows;

    ASSERT(state < ROW_FIRST_CUT && generation->closed_ns == 0);
    buf_clear(&generation->scratch);
    row_write(&generation->dictionary, span, &generation->scratch);
    HeadRow *row = add_row(generation);
    row->bytes = keep_bytes(generation, buf_str(&generation->scratch));
    row->start_ns = span->start_ns;
    row->state = state;
    row->next = ROW_NONE;
    chain_row(generation, span->trace_id, index, row);
    generation->n_open += state == ROW_OPEN;
    generation->n_settled += state == ROW_SETTLED;
    generation->min_start_ns = MIN(generation->min_start_ns, span->start_ns);
    generation->max_start_ns = MAX(generation->max_start_ns, span->start_ns);
}

const HeadTrace *generation_find(const Generation *generation, TraceId id)
{
    return table_find(&generation->traces, &id);
}

void generation_read(const Generation *generation, const HeadRow *row, Arena *arena, Span *ret_span)
{
    ret_span->trace_id = generation_trace_id(generation, row);
    ret_span->start_ns = row->start_ns;
    row_read(&generation->dictionary, row->bytes, arena, ret_span);
}

uint32_t generation_settle(Generation *generation, TraceId id)
{
    HeadTrace *trace = table_find(&generation->traces, &id);
    uint32_t n_settled = 0;

    if (trace == NULL) {
        return 0;
    }
    for (uint32_t at = trace->first_open; at != ROW_NONE;) {
        HeadRow *row = generation_row(generation, at);

        if (row->state == ROW_OPEN) {
            row->state = ROW_SETTLED;
            n_settled++;
        }
        at = row->next;
    }
    trace->first_open = ROW_NONE;
    generation->n_open -= n_settled;
    generation->n_settled += n_settled;
    return n_settled;
}

void generation_delete(Generation *generation, TraceId id)
{
    HeadTrace *trace = table_find(&generation->traces, &id);

    for (uint32_t at = trace == NULL ? ROW_NONE : trace->first; at != ROW_NONE;) {
        HeadRow *row = generation_row(generation, at);

        if (row->state < ROW_FIRST_CUT) {
            generation->n_open -= row->state == ROW_OPEN;
            generation->n_settled -= row->state == ROW_SETTLED;
            row->state = ROW_DELETED;
        }
        at = row->next;
    }
    if (trace != NULL) {
        trace->first_open = ROW_NONE;
    }
}

uint32_t generation_cut(Generation *generation, uint32_t cut)
{
    uint32_t n_cut = 0;

    ASSERT(cut >= ROW_FIRST_CUT);
    for (uint32_t i = 0; i < generation->n_rows && n_cut < generation->n_settled; i++) {
        HeadRow *row = generation_row(generation, i);

        if (row->state == ROW_SETTLED) {
            row->state = cut;
            n_cut++;
        }
    }
    ASSERT(n_cut == generation->n_settled);
    generation->n_settled = 0;
    if (n_cut > 0) {
        generation->last_cut = cut;
        generation->n_last_cut = n_cut;
    }
    return n_cut;
}

uint64_t generation_low_sequence(const Generation *generation)
{
    uint64_t low = UINT64_MAX;
    size_t origin = 0;

    if (generation->n_open + generation->n_settled == 0) {
        return low;
    }
    for (uint32_t i = 0; i < generation->n_rows; i++) {
        while (origin + 1 < generation->n_origins &&
               generation->origins[origin + 1].first_row <= i) {
            origin++;
        }
        if (generation_row(generation, i)->state < ROW_FIRST_CUT) {
            low = MIN(low, generation->origins[origin].sequence);
        }
    }
    return low;
}

uint64_t generation_sequence(const Generation *generation, uint32_t index)
{
    size_t low = 0, high = generation->n_origins;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (generation->origins[middle].first_row <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return generation->origins[low].sequence;
}

/* Row by row with its own log frame, so that the frame is kept as long as the row needs it. */
bool generation_move_open(Generation *generation, uint32_t move, Generation *to, uint32_t *at,
                          uint32_t n_rows)
{
    uint32_t end = (uint32_t)MIN((uint64_t)*at + n_rows, (uint64_t)generation->n_rows);
    Arena arena = {0};
    Span span;

    ASSERT(move >= ROW_FIRST_MOVE);
    for (; *at < end && generation->n_open > 0; ++*at) {
        HeadRow *row = generation_row(generation, *at);

        if (row->state != ROW_OPEN) {
            continue;
        }
        generation_read(generation, row, &arena, &span);
        generation_begin(to, generation_sequence(generation, *at));
        generation_append(to, &span, ROW_OPEN);
        arena_reset(&arena);
        row->state = move;
        ((HeadTrace *)table_at(&generation->traces, row->trace))->first_open = ROW_NONE;
        generation->n_open--;
    }
    arena_deinit(&arena);
    ASSERT(*at < generation->n_rows || generation->n_open == 0);
    return generation->n_open > 0;
}

size_t generation_bytes(const Generation *generation)
{
    return sizeof(Generation) + row_dictionary_bytes(&generation->dictionary) +
           generation->n_pages * sizeof(HeadPage) + generation->chunk_bytes +
           generation->traces.capacity * sizeof(HeadTrace) +
           generation->traces.n_slots * sizeof(generation->traces.slots[0]) +
           generation->origin_capacity * sizeof(HeadOrigin);
}
