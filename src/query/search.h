// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/store.h"

/* Searching for traces, newest first, page by page. */

typedef struct ServiceSpans {
    Str name;
    uint64_t spans, errors;
} ServiceSpans;

/* What a list says of a trace. */
typedef struct TraceSummary {
    TraceId trace_id;
    Str root_service, root_name; /* of the first span without parent, else of the first orphan */
    uint64_t start_ns;           /* the earliest span's */
    uint64_t duration_ns;        /* to the latest end */
    uint64_t n_spans, n_errors, n_orphans;
    ServiceSpans *services; /* by name */
    size_t n_services;
} TraceSummary;

/* @spans: one per identity, sorted by start, at least one. Strings are views into them or @arena.
 */
void trace_summarise(const Span *spans, size_t n_spans, Arena *arena, TraceSummary *ret_summary);

enum { SEARCH_LIMIT_MAX = 1000, SEARCH_BAD_CURSOR = 1 };

typedef struct SearchQuestion {
    const Filter *filter;                                             /* of spans; */
    bool (*accept)(void *context, const Span *spans, size_t n_spans); /* of whole traces; or NULL */
    void *accept_context;
    uint64_t from_ns, to_ns; /* from <= start of the span that matches < to */
    size_t limit;            /* 1 to SEARCH_LIMIT_MAX */
    Str cursor;              /* of the page before; empty: the first page */
    const Clock *clock;      /* of the deadline */
    uint64_t deadline_ns;    /* monotonic; 0: none */
} SearchQuestion;

typedef struct SearchPage {
    TraceSummary *items;
    size_t count;
    Str cursor; /* for the page behind; empty: this is the last */
    StoreGap gap;
    TraceId large_trace; /* as in StoreHits */
    uint64_t searched_from_ns;
    uint64_t scanned_spans;
} SearchPage;

/*
 * A page of summaries in @arena, in the order of (start of the trace, trace id), newest first, over
 * all pages. The cursor holds the last trace's place in that order and marks of the traces shown
 * lately (SEARCH_MARKS_MAX): traces that arrive meanwhile shift nothing, and one whose start moves
 * because an earlier span of it arrives is not shown twice.
 * Returns 0; SEARCH_BAD_CURSOR when the cursor is none that search gave; -errno of the store.
 */
MUST_USE int search_traces(Store *store, const SearchQuestion *question, Arena *arena,
                           SearchPage *ret_page);

/* Any list's cursor: @payload, at most CURSOR_PAYLOAD_MAX bytes, as text with a checksum, and back
 * into @arena. Returns 0; SEARCH_BAD_CURSOR when cursor_format() did not make it. */
enum { CURSOR_PAYLOAD_MAX = 2048 };

Str cursor_format(Str payload, Arena *arena);
MUST_USE int cursor_parse(Str cursor, Arena *arena, Str *ret_payload);

/* A search's place between two pages, and as text (URL-safe base64 without padding, with a
 * checksum). */
enum { SEARCH_MARKS_MAX = 480 };

typedef struct SearchPlace {
    StoreHit after;
    uint32_t marks[SEARCH_MARKS_MAX]; /* the last shown first */
    size_t n_marks;
} SearchPlace;

Str search_cursor_format(const SearchPlace *place, Arena *arena);
MUST_USE int search_cursor_parse(Str cursor, SearchPlace *ret_place);
