// SPDX-License-Identifier: Apache-2.0
#include "query/search.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "codec/hash.h"
#include "codec/text.h"
#include "query/span_services.h"
#include "trace/tree.h"

/*
 * A cursor ends with a checksum. It is no secret; it only tells a cut or mistyped cursor from a
 * real one, so that the answer is a clear error and not an odd page.
 */
enum { CHECKSUM_BYTES = 4, PLACE_BYTES = 24, MARK_BYTES = 4 };
STATIC_ASSERT(PLACE_BYTES + SEARCH_MARKS_MAX * MARK_BYTES <= CURSOR_PAYLOAD_MAX, "a cursor fits");

Str cursor_format(Str payload, Arena *arena)
{
    CLEANUP(buf_deinit) Buf bytes = {0};
    CLEANUP(buf_deinit) Buf text = {0};

    ASSERT(payload.len <= CURSOR_PAYLOAD_MAX);
    buf_append_str(&bytes, payload);
    buf_append_u32le(&bytes, (uint32_t)hash_stable(payload));
    text_append_base64(&text, buf_str(&bytes));
    for (size_t i = 0; i < text.len; i++) {
        text.ptr[i] = text.ptr[i] == '+' ? '-' : text.ptr[i] == '/' ? '_' : text.ptr[i];
    }
    while (text.len > 0 && text.ptr[text.len - 1] == '=') {
        text.len--;
    }
    return arena_copy(arena, buf_str(&text));
}

static uint64_t read_le(Str bytes, size_t at, size_t n)
{
    uint64_t value = 0;

    for (size_t i = n; i > 0; i--) {
        value = value << 8 | (uint8_t)bytes.ptr[at + i - 1];
    }
    return value;
}

int cursor_parse(Str cursor, Arena *arena, Str *ret_payload)
{
    Str bytes, payload;

    if (cursor.len > (CURSOR_PAYLOAD_MAX + CHECKSUM_BYTES) * 4 / 3 + 3 ||
        text_parse_base64(cursor, arena, &bytes) != 0 || bytes.len < CHECKSUM_BYTES) {
        return SEARCH_BAD_CURSOR;
    }
    payload = str_slice(bytes, 0, bytes.len - CHECKSUM_BYTES);
    if (read_le(bytes, payload.len, CHECKSUM_BYTES) != (uint32_t)hash_stable(payload)) {
        return SEARCH_BAD_CURSOR;
    }
    *ret_payload = payload;
    return 0;
}

/* Start (8, little-endian), trace id (16), marks (4 each). */
Str search_cursor_format(const SearchPlace *place, Arena *arena)
{
    CLEANUP(buf_deinit) Buf bytes = {0};

    buf_append_u64le(&bytes, place->after.start_ns);
    buf_append(&bytes, place->after.trace_id.bytes, TRACE_ID_SIZE);
    for (size_t i = 0; i < place->n_marks; i++) {
        buf_append_u32le(&bytes, place->marks[i]);
    }
    return cursor_format(buf_str(&bytes), arena);
}

int search_cursor_parse(Str cursor, SearchPlace *ret_place)
{
    CLEANUP(arena_deinit) Arena arena = {0};
    Str bytes;

    TRY(cursor_parse(cursor, &arena, &bytes));
    if (bytes.len < PLACE_BYTES || (bytes.len - PLACE_BYTES) % MARK_BYTES != 0 ||
        bytes.len > PLACE_BYTES + SEARCH_MARKS_MAX * MARK_BYTES) {
        return SEARCH_BAD_CURSOR;
    }
    ret_place->after.start_ns = read_le(bytes, 0, 8);
    mem_copy(ret_place->after.trace_id.bytes, bytes.ptr + 8, TRACE_ID_SIZE);
    ret_place->n_marks = (bytes.len - PLACE_BYTES) / MARK_BYTES;
    for (size_t i = 0; i < ret_place->n_marks; i++) {
        ret_place->marks[i] = (uint32_t)read_le(bytes, PLACE_BYTES + i * MARK_BYTES, MARK_BYTES);
    }
    return 0;
}

static uint32_t summary_root(const Tree *tree)
{
    for (uint32_t root = tree->first_root; root != TREE_NONE;
         root = tree->nodes[root].next_sibling) {
        if (!tree->nodes[root].orphan) {
            return root;
        }
    }
    return tree->first_root;
}

static int service_compare(const void *a, const void *b)
{
    return str_compare(((const ServiceSpans *)a)->name, ((const ServiceSpans *)b)->name);
}

static void services_count(const Span *spans, size_t n_spans, const Str *names, Arena *arena,
                           TraceSummary *summary)
{
    Symbols symbols = {0};
    ServiceSpans *services;

    for (size_t i = 0; i < n_spans; i++) {
        symbols_intern(&symbols, names[i]);
    }
    summary->n_services = symbols_count(&symbols);
    services = ARENA_ARRAY(arena, ServiceSpans, summary->n_services);
    for (size_t i = 0; i < n_spans; i++) {
        ServiceSpans *service = &services[symbols_find(&symbols, names[i])];

        service->name = names[i];
        service->spans++;
        service->errors += spans[i].status_code == STATUS_ERROR;
    }
    qsort(services, summary->n_services, sizeof(services[0]), service_compare);
    summary->services = services;
    symbols_deinit(&symbols);
}

void trace_summarise(const Span *spans, size_t n_spans, Arena *arena, TraceSummary *ret_summary)
{
    TraceSummary summary = {.start_ns = UINT64_MAX};
    Str *services = span_services(spans, n_spans, arena);
    uint64_t end_ns = 0;
    uint32_t root;
    Tree tree;

    tree_build(spans, n_spans, arena, &tree);
    for (size_t i = 0; i < n_spans; i++) {
        summary.start_ns = MIN(summary.start_ns, spans[i].start_ns);
        end_ns = MAX(end_ns, spans[i].start_ns + span_duration_ns(&spans[i]));
        summary.n_errors += spans[i].status_code == STATUS_ERROR;
        summary.n_orphans += tree.nodes[i].orphan;
    }
    ASSERT(n_spans > 0 && tree.first_root != TREE_NONE);
    root = summary_root(&tree);
    summary.trace_id = spans[0].trace_id;
    summary.n_spans = n_spans;
    summary.duration_ns = end_ns - summary.start_ns;
    summary.root_service = services[root];
    summary.root_name = spans[root].name;
    services_count(spans, n_spans, services, arena, &summary);
    *ret_summary = summary;
}

/* Reads the trace into a scratch arena, which is the caller's to reset, and keeps the strings of
 * the summary only. */
static int summary_read(Store *store, TraceId id, Arena *scratch, Arena *arena,
                        TraceSummary *ret_summary)
{
    Span *spans = NULL;
    size_t n_spans = 0;
    TraceSummary summary = {.trace_id = id};
    ServiceSpans *services;

    TRY(store_read_outline(store, id, scratch, &spans, &n_spans));
    if (n_spans > 0) { /* else retention took it since the search: an empty trace says so */
        trace_summarise(spans, n_spans, scratch, &summary);
    }
    services = ARENA_ARRAY(arena, ServiceSpans, summary.n_services);
    for (size_t i = 0; i < summary.n_services; i++) {
        services[i] = summary.services[i];
        services[i].name = arena_copy(arena, services[i].name);
    }
    summary.services = services;
    summary.root_service = arena_copy(arena, summary.root_service);
    summary.root_name = arena_copy(arena, summary.root_name);
    *ret_summary = summary;
    return 0;
}

static bool is_late(const SearchQuestion *question)
{
    return question->deadline_ns != 0 &&
           clock_monotonic_ns(question->clock) >= question->deadline_ns;
}

/* Takes hits into the page while there is time; @ret_n: how many. The first is always taken, so
 * that who follows the cursor gets on. */
static int page_read(Store *store, const SearchQuestion *question, const StoreHits *hits,
                     Arena *arena, SearchPage *page, size_t *ret_n)
{
    CLEANUP(arena_deinit) Arena scratch = {0};
    size_t i;

    page->items = ARENA_ARRAY(arena, TraceSummary, hits->count);
    for (i = 0; i < hits->count && (i == 0 || !is_late(question)); i++) {
        TRY(summary_read(store, hits->items[i].trace_id, &scratch, arena,
                         &page->items[page->count]));
        page->count += page->items[page->count].n_spans > 0;
        arena_reset(&scratch);
    }
    *ret_n = i;
    return 0;
}

/* The marks of this page before those of the pages before. */
static Str page_cursor(const StoreHits *hits, size_t n, const SearchPlace *before, Arena *arena)
{
    SearchPlace place = {.after = hits->items[n - 1]};

    while (place.n_marks < n && place.n_marks < SEARCH_MARKS_MAX) {
        place.marks[place.n_marks] = store_hit_mark(hits->items[n - 1 - place.n_marks].trace_id);
        place.n_marks++;
    }
    for (size_t i = 0; i < before->n_marks && place.n_marks < SEARCH_MARKS_MAX; i++) {
        place.marks[place.n_marks++] = before->marks[i];
    }
    return search_cursor_format(&place, arena);
}

int search_traces(Store *store, const SearchQuestion *question, Arena *arena, SearchPage *ret_page)
{
    SearchPlace place = {0};
    StoreSearch search = {
        .filter = question->filter,
        .accept = question->accept,
        .accept_context = question->accept_context,
        .from_ns = question->from_ns,
        .to_ns = question->to_ns,
        .has_after = question->cursor.len > 0,
        .shown = place.marks,
        .limit = question->limit,
        .deadline_ns = question->deadline_ns,
    };
    SearchPage page = {0};
    StoreHits hits = {0};
    size_t n = 0;

    ASSERT(question->limit > 0 && question->limit <= SEARCH_LIMIT_MAX);
    if (search.has_after) {
        TRY(search_cursor_parse(question->cursor, &place));
        search.after = place.after;
        search.n_shown = place.n_marks;
    }
    TRY(store_search(store, &search, arena, &hits));
    TRY(page_read(store, question, &hits, arena, &page, &n));
    page.gap = n < hits.count && hits.gap == STORE_COMPLETE ? STORE_OUT_OF_TIME : hits.gap;
    page.searched_from_ns = n < hits.count ? hits.items[n].start_ns : hits.searched_from_ns;
    page.large_trace = hits.large_trace;
    page.scanned_spans = hits.scanned_spans;
    if (n > 0 && (hits.more || n < hits.count)) {
        page.cursor = page_cursor(&hits, n, &place, arena);
    }
    *ret_page = page;
    return 0;
}
