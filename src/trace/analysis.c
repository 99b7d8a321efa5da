// SPDX-License-Identifier: Apache-2.0
#include "trace/analysis.h"

#include <stdlib.h>

#include "base/assert.h"

/*
 * Everything is computed in one pass over the depth-first order, parents before children, so that
 * no function recurses: a hostile trace may be a chain of a million spans.
 *
 * The critical path works on windows. The root's window is the root itself. Within a window we
 * stand at its end and look for the child that ends last at or before where we stand; the time
 * between that child's end and us is the span's own, the child gets its part as window, and we go
 * on from the child's start. A child that ends after its parent's window counts as ending with it
 * (its overhang held nobody up); one that is still running where we already left another child did
 * not hold the answer up and is passed over. This is what Jaeger's page draws.
 */
typedef struct Window {
    uint64_t start_ns, end_ns;
    uint32_t child;
} Window;

static uint64_t span_end_ns(const Span *span)
{
    return span->start_ns + span_duration_ns(span);
}

/* The part of @child within [start, end); empty windows have start >= end. */
static Window window_clip(const Span *spans, uint32_t child, uint64_t start_ns, uint64_t end_ns)
{
    return (Window){
        .start_ns = MAX(spans[child].start_ns, start_ns),
        .end_ns = MIN(span_end_ns(&spans[child]), end_ns),
        .child = child,
    };
}

/* Children come in order of start, so the covered time is a sweep. */
static uint64_t span_self_ns(const Tree *tree, uint32_t index)
{
    const Span *span = &tree->spans[index];
    uint64_t end = span_end_ns(span), covered_to = span->start_ns, covered = 0;

    for (uint32_t child = tree->nodes[index].first_child; child != TREE_NONE;
         child = tree->nodes[child].next_sibling) {
        Window part = window_clip(tree->spans, child, covered_to, end);

        if (part.end_ns > part.start_ns) {
            covered += part.end_ns - part.start_ns;
            covered_to = part.end_ns;
        }
    }
    return end - span->start_ns - covered;
}

/* Last end first; of equal ends the earlier start, which explains more of the time. */
static int window_compare_end(const void *left, const void *right)
{
    const Window *a = left, *b = right;

    if (a->end_ns != b->end_ns) {
        return a->end_ns > b->end_ns ? -1 : 1;
    }
    if (a->start_ns != b->start_ns) {
        return a->start_ns < b->start_ns ? -1 : 1;
    }
    return a->child < b->child ? -1 : a->child > b->child;
}

/* The children's parts of @window that are not empty, last end first. */
static size_t windows_collect(const Tree *tree, uint32_t index, Window window, Window *windows)
{
    size_t n = 0;

    for (uint32_t child = tree->nodes[index].first_child; child != TREE_NONE;
         child = tree->nodes[child].next_sibling) {
        Window part = window_clip(tree->spans, child, window.start_ns, window.end_ns);

        if (part.end_ns > part.start_ns) {
            windows[n++] = part;
        }
    }
    qsort(windows, n, sizeof(windows[0]), window_compare_end);
    return n;
}

static void segment_add(SpanAnalysis *analysis, uint64_t start_ns, uint64_t end_ns)
{
    if (end_ns > start_ns) {
        analysis->segments[analysis->n_segments++] = (PathSegment){start_ns, end_ns};
        analysis->critical_ns += end_ns - start_ns;
    }
}

static void segments_reverse(SpanAnalysis *analysis)
{
    for (uint32_t i = 0; i < analysis->n_segments / 2; i++) {
        PathSegment other = analysis->segments[analysis->n_segments - 1 - i];

        analysis->segments[analysis->n_segments - 1 - i] = analysis->segments[i];
        analysis->segments[i] = other;
    }
}

/* Walks one span's window back and gives the children on the path theirs. @scratch holds as many
 * windows as the span has children. */
static void path_walk(const Tree *tree, uint32_t index, Window *windows, Window *scratch,
                      Arena *arena, SpanAnalysis *analysis)
{
    Window window = windows[index];
    uint64_t at = window.end_ns;
    size_t n = windows_collect(tree, index, window, scratch);

    analysis->segments = ARENA_ARRAY(arena, PathSegment, n + 1);
    for (size_t i = 0; i < n; i++) {
        Window part = scratch[i];

        if (part.end_ns <= at) {
            segment_add(analysis, part.end_ns, at);
            windows[part.child] = part;
            at = part.start_ns;
        }
    }
    segment_add(analysis, window.start_ns, at);
    segments_reverse(analysis);
}

/* The first root that is no orphan, else the first orphan: whose time the path explains. */
static uint32_t tree_main_root(const Tree *tree)
{
    for (uint32_t root = tree->first_root; root != TREE_NONE;
         root = tree->nodes[root].next_sibling) {
        if (!tree->nodes[root].orphan) {
            return root;
        }
    }
    return tree->first_root;
}

static void path_find(const Tree *tree, Arena *arena, SpanAnalysis *spans)
{
    uint32_t root = tree_main_root(tree);
    Window *windows = ARENA_ARRAY(arena, Window, tree->n_spans);
    Window *scratch = ARENA_ARRAY(arena, Window, tree->n_spans);

    windows[root] = (Window){tree->spans[root].start_ns, span_end_ns(&tree->spans[root]), root};
    for (uint32_t i = 0; i < tree->n_spans; i++) {
        uint32_t index = tree->order[i];

        if (windows[index].end_ns > windows[index].start_ns) {
            path_walk(tree, index, windows, scratch, arena, &spans[index]);
        }
    }
}

bool resources_share_host(const Resource *a, const Resource *b)
{
    static const char *const keys[] = {"host.id", "k8s.node.name", "k8s.pod.uid", "host.name"};

    if (a == b) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const Value *of_a = attributes_find(a->attributes, str_from_cstr(keys[i]));
        const Value *of_b = attributes_find(b->attributes, str_from_cstr(keys[i]));

        if (of_a != NULL && of_b != NULL) {
            return value_equal(of_a, of_b);
        }
    }
    return attributes_same_set(a->attributes, b->attributes);
}

/*
 * How far to move @child so that it lies within @parent, whose own correction is @parent_skew. A
 * child that takes longer than its parent was waited for by nobody: it only cannot begin earlier.
 * The same holds for a consumer, which may well run long after its producer.
 */
static int64_t span_skew_ns(const Span *parent, int64_t parent_skew, const Span *child)
{
    int64_t parent_start = (int64_t)parent->start_ns + parent_skew;
    int64_t child_start = (int64_t)child->start_ns;
    int64_t parent_duration = (int64_t)span_duration_ns(parent);
    int64_t child_duration = (int64_t)span_duration_ns(child);

    if (child_duration > parent_duration || child->kind == SPAN_KIND_CONSUMER) {
        return child_start < parent_start ? parent_start - child_start : 0;
    }
    if (child_start >= parent_start &&
        child_start + child_duration <= parent_start + parent_duration) {
        return 0;
    }
    return parent_start + (parent_duration - child_duration) / 2 - child_start;
}

/* Times of 0 or beyond 2^62 are no clock's, and sums of them would overflow. */
static bool span_has_plausible_time(const Span *span)
{
    return span->start_ns != 0 && span->start_ns < UINT64_C(1) << 62 &&
           span_duration_ns(span) < UINT64_C(1) << 61;
}

static void skew_find(const Tree *tree, SpanAnalysis *spans)
{
    for (uint32_t i = 0; i < tree->n_spans; i++) {
        uint32_t index = tree->order[i], parent = tree->nodes[index].parent;
        const Span *span = &tree->spans[index];

        if (parent == TREE_NONE || !span_has_plausible_time(span) ||
            !span_has_plausible_time(&tree->spans[parent])) {
            continue;
        }
        if (resources_share_host(span->resource, tree->spans[parent].resource)) {
            spans[index].skew_ns = spans[parent].skew_ns;
        } else {
            spans[index].skew_ns = span_skew_ns(&tree->spans[parent], spans[parent].skew_ns, span);
        }
    }
}

void trace_analyse(const Tree *tree, Arena *arena, SpanAnalysis **ret_spans)
{
    SpanAnalysis *spans = ARENA_ARRAY(arena, SpanAnalysis, tree->n_spans);

    for (uint32_t i = 0; i < tree->n_spans; i++) {
        spans[i].self_ns = span_self_ns(tree, i);
    }
    if (tree->n_spans > 0) {
        ASSERT(tree->first_root != TREE_NONE);
        path_find(tree, arena, spans);
        skew_find(tree, spans);
    }
    *ret_spans = spans;
}
