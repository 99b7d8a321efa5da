// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "span/canonical.h"
#include "span/span.h"

/* Identity, content and resends of spans, CONTRACT.md §1. */

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

int span_compare_identity(const Span *a, const Span *b)
{
    int order = span_id_compare(a->span_id, b->span_id);

    return order != 0 ? order : ORDER(span_is_client(a), span_is_client(b));
}

static void append_event(Buf *buf, const Event *event)
{
    buf_append_u64le(buf, event->time_ns);
    canonical_append_str(buf, event->name);
    buf_append_u32le(buf, event->dropped_attributes);
    canonical_append_attributes(buf, event->attributes);
}

static void append_link(Buf *buf, const Link *link)
{
    buf_append(buf, link->trace_id.bytes, TRACE_ID_SIZE);
    buf_append(buf, link->span_id.bytes, SPAN_ID_SIZE);
    canonical_append_str(buf, link->trace_state);
    buf_append_u32le(buf, link->flags);
    buf_append_u32le(buf, link->dropped_attributes);
    canonical_append_attributes(buf, link->attributes);
}

static void append_origin(Buf *buf, const Resource *resource, const Scope *scope)
{
    canonical_append_attributes(buf, resource->attributes);
    buf_append_u32le(buf, resource->dropped_attributes);
    canonical_append_str(buf, resource->schema_url);
    canonical_append_str(buf, scope->name);
    canonical_append_str(buf, scope->version);
    canonical_append_attributes(buf, scope->attributes);
    buf_append_u32le(buf, scope->dropped_attributes);
    canonical_append_str(buf, scope->schema_url);
}

void span_append_canonical(const Span *span, Buf *buf)
{
    buf_append(buf, span->trace_id.bytes, TRACE_ID_SIZE);
    buf_append(buf, span->span_id.bytes, SPAN_ID_SIZE);
    buf_append(buf, span->parent_span_id.bytes, SPAN_ID_SIZE);
    canonical_append_str(buf, span->trace_state);
    canonical_append_str(buf, span->name);
    canonical_append_str(buf, span->status_message);
    buf_append_u64le(buf, span->start_ns);
    buf_append_u64le(buf, span->end_ns);
    buf_append_u32le(buf, span->flags);
    buf_append_byte(buf, span->kind);
    buf_append_byte(buf, span->status_code);
    canonical_append_attributes(buf, span->attributes);
    buf_append_u64le(buf, span->n_events);
    for (size_t i = 0; i < span->n_events; i++) {
        append_event(buf, &span->events[i]);
    }
    buf_append_u64le(buf, span->n_links);
    for (size_t i = 0; i < span->n_links; i++) {
        append_link(buf, &span->links[i]);
    }
    buf_append_u32le(buf, span->dropped_attributes);
    buf_append_u32le(buf, span->dropped_events);
    buf_append_u32le(buf, span->dropped_links);
    append_origin(buf, span->resource, span->scope);
}

int span_compare_content(const Span *a, const Span *b)
{
    CLEANUP(buf_deinit) Buf left = {0};
    CLEANUP(buf_deinit) Buf right = {0};

    if (a->end_ns != b->end_ns) {
        return ORDER(a->end_ns, b->end_ns);
    }
    if (a->start_ns != b->start_ns) {
        return ORDER(a->start_ns, b->start_ns);
    }
    span_append_canonical(a, &left);
    span_append_canonical(b, &right);
    return str_compare(buf_str(&left), buf_str(&right));
}

/* The one that counts first among those of an identity. */
static int compare_for_choice(const void *a, const void *b)
{
    int order = span_compare_identity(a, b);

    return order != 0 ? order : -span_compare_content(a, b);
}

static int compare_for_order(const void *a, const void *b)
{
    const Span *left = a, *right = b;

    if (left->start_ns != right->start_ns) {
        return ORDER(left->start_ns, right->start_ns);
    }
    int order = span_id_compare(left->span_id, right->span_id);
    return order != 0 ? order : ORDER(span_is_client(right), span_is_client(left));
}

size_t spans_deduplicate(Span *spans, size_t n_spans)
{
    size_t kept = 0;

    qsort(spans, n_spans, sizeof(*spans), compare_for_choice);
    for (size_t i = 0; i < n_spans; i++) {
        if (kept == 0 || span_compare_identity(&spans[kept - 1], &spans[i]) != 0) {
            spans[kept++] = spans[i];
        }
    }
    qsort(spans, kept, sizeof(*spans), compare_for_order);
    return kept;
}
