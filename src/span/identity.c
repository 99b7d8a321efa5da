// SPDX-License-Identifier: Apache-2.0
#include <endian.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
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

/*
 * What order and identity depend on: sorting these moves 24 bytes a span, not 300. Ids are compared
 * as numbers of their bytes in network order, by which numbers and bytes have the same order.
 */
typedef struct SpanKey {
    uint64_t start_ns, id;
    uint32_t index;
    uint32_t is_server; /* not CLIENT */
} SpanKey;

enum { KEYS_FEW = 32 }; /* most traces: keys on the stack, sorted by insertion */

static int compare_ids(const void *a, const void *b)
{
    const SpanKey *left = a, *right = b;

    return left->id != right->id ? ORDER(left->id, right->id)
                                 : ORDER(left->is_server, right->is_server);
}

static int compare_starts(const void *a, const void *b)
{
    const SpanKey *left = a, *right = b;

    return left->start_ns != right->start_ns ? ORDER(left->start_ns, right->start_ns)
                                             : compare_ids(a, b);
}

static void sort_keys(SpanKey *keys, size_t n, int (*compare)(const void *a, const void *b))
{
    if (n > KEYS_FEW) {
        qsort(keys, n, sizeof(*keys), compare);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        SpanKey key = keys[i];
        size_t at = i;

        for (; at > 0 && compare(&keys[at - 1], &key) > 0; at--) {
            keys[at] = keys[at - 1];
        }
        keys[at] = key;
    }
}

static void take_keys(const Span *spans, size_t n, SpanKey *keys)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t id;

        mem_copy(&id, spans[i].span_id.bytes, sizeof(id));
        keys[i] = (SpanKey){.start_ns = spans[i].start_ns,
                            .id = be64toh(id),
                            .index = (uint32_t)i,
                            .is_server = !span_is_client(&spans[i])};
    }
}

static bool has_resends(SpanKey *keys, size_t n)
{
    bool found = false;

    if (n <= KEYS_FEW) {
        for (size_t i = 1; i < n && !found; i++) {
            for (size_t j = 0; j < i; j++) {
                found |= compare_ids(&keys[i], &keys[j]) == 0;
            }
        }
        return found;
    }
    sort_keys(keys, n, compare_ids);
    for (size_t i = 1; i < n && !found; i++) {
        found = compare_ids(&keys[i - 1], &keys[i]) == 0;
    }
    return found;
}

/* Puts the spans into the order of the keys, cycle by cycle. */
static void permute(Span *spans, SpanKey *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (keys[i].index == i) {
            continue;
        }
        Span held = spans[i];
        size_t at = i;
        while (keys[at].index != i) {
            size_t from = keys[at].index;

            spans[at] = spans[from];
            keys[at].index = (uint32_t)at;
            at = from;
        }
        spans[at] = held;
        keys[at].index = (uint32_t)at;
    }
}

static size_t drop_resends(Span *spans, size_t n)
{
    size_t kept = 0;

    qsort(spans, n, sizeof(*spans), compare_for_choice);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || span_compare_identity(&spans[kept - 1], &spans[i]) != 0) {
            spans[kept++] = spans[i];
        }
    }
    return kept;
}

size_t spans_deduplicate(Span *spans, size_t n_spans)
{
    SpanKey few[KEYS_FEW];
    CLEANUP(mem_freep) SpanKey *many = n_spans > KEYS_FEW ? NEW_ARRAY(SpanKey, n_spans) : NULL;
    SpanKey *keys = many != NULL ? many : few;

    ASSERT(n_spans <= UINT32_MAX);
    take_keys(spans, n_spans, keys);
    if (has_resends(keys, n_spans)) {
        n_spans = drop_resends(spans, n_spans);
    }
    take_keys(spans, n_spans, keys);
    sort_keys(keys, n_spans, compare_starts);
    permute(spans, keys, n_spans);
    return n_spans;
}
