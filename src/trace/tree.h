// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * The tree of a trace, CONTRACT.md §1 "Parent": from spans (one per identity) to parents and
 * children by index. Everything lives in the arena of the call.
 *
 * - The parent of a span is the span with its parent_span_id. Where that id is a shared pair (one
 * CLIENT, one SERVER), the SERVER span is the CLIENT span's child, and the children of the id
 * belong to the SERVER one.
 * - A span whose parent is not there is an orphan: a root, marked.
 * - A ring of parents is cut at its span with the smallest (start, span id, CLIENT first), which
 * becomes an orphan; so does a span that names itself.
 */
#define TREE_NONE UINT32_MAX

typedef struct TreeNode {
    uint32_t parent;                    /* index of the span, or TREE_NONE for roots and orphans */
    uint32_t first_child, next_sibling; /* in order of (start, span id); TREE_NONE ends */
    uint32_t depth;                     /* roots and orphans: 0 */
    bool orphan;
} TreeNode;

typedef struct Tree {
    const Span *spans;
    uint32_t n_spans;
    TreeNode *nodes;       /* as spans */
    uint32_t *order;       /* depth first, siblings by start; roots by start */
    uint32_t first_root;   /* roots and orphans are chained by next_sibling */
    const uint32_t *slots; /* hash table over span ids, for tree_find() */
    size_t n_slots;
} Tree;

/* @spans stay the caller's and must outlive the tree. At most UINT32_MAX - 1 spans. */
void tree_build(const Span *spans, size_t n_spans, Arena *arena, Tree *ret_tree);

/* Index of the span with @id that is CLIENT or not, as @client says; TREE_NONE when there is none.
 */
uint32_t tree_find(const Tree *tree, SpanId id, bool client);
