// SPDX-License-Identifier: Apache-2.0
#include "trace/tree.h"

#include "base/assert.h"

/*
 * Three passes, each linear in the number of spans: a hash table over span ids gives every span its
 * parent; rings are found by walking up with a mark per walk; children are chained by pushing them
 * to the front in reverse order of (start, span id, CLIENT first), so that the chains come out
 * sorted. Deduplicated spans arrive in that order already, so sorting is the exception.
 *
 * While rings are searched, `depth` of a node holds the number of the walk that saw it.
 */
enum { WALK_NONE = 0 };

static int compare_order(const Span *a, const Span *b)
{
    if (a->start_ns != b->start_ns) {
        return a->start_ns < b->start_ns ? -1 : 1;
    }
    int order = span_id_compare(a->span_id, b->span_id);
    return order != 0 ? order : (int)span_is_client(b) - (int)span_is_client(a);
}

static size_t slot_of(const Tree *tree, SpanId id)
{
    return (size_t)str_hash(str_from_bytes(id.bytes, SPAN_ID_SIZE)) & (tree->n_slots - 1);
}

uint32_t tree_find(const Tree *tree, SpanId id, bool client)
{
    size_t mask = tree->n_slots - 1;

    for (size_t at = slot_of(tree, id); tree->slots[at] != TREE_NONE; at = (at + 1) & mask) {
        const Span *span = &tree->spans[tree->slots[at]];

        if (span_id_equal(span->span_id, id) && span_is_client(span) == client) {
            return tree->slots[at];
        }
    }
    return TREE_NONE;
}

static void index_ids(Tree *tree, Arena *arena)
{
    size_t n_slots = 4;

    while (n_slots < (size_t)tree->n_spans * 2) {
        n_slots *= 2;
    }
    uint32_t *slots = arena_alloc(arena, n_slots * sizeof(*slots));
    mem_fill(slots, 0xff, n_slots * sizeof(*slots));
    tree->slots = slots;
    tree->n_slots = n_slots;
    for (uint32_t i = 0; i < tree->n_spans; i++) {
        size_t at = slot_of(tree, tree->spans[i].span_id);

        while (slots[at] != TREE_NONE) {
            at = (at + 1) & (n_slots - 1);
        }
        slots[at] = i;
    }
}

/*
 * The span that the children of @id belong to: of a shared pair the SERVER one. A CLIENT span and
 * another kind under one id are no pair of Zipkin's; the children then too belong to the other, as
 * the CLIENT span is the one that shares an id which was given to somebody else.
 */
static uint32_t find_parent(const Tree *tree, SpanId id)
{
    uint32_t found = tree_find(tree, id, false);

    return found != TREE_NONE ? found : tree_find(tree, id, true);
}

static void set_parent(Tree *tree, uint32_t index)
{
    const Span *span = &tree->spans[index];
    TreeNode *node = &tree->nodes[index];

    node->parent = TREE_NONE;
    if (span->kind == SPAN_KIND_SERVER) {
        node->parent = tree_find(tree, span->span_id, true);
        if (node->parent != TREE_NONE) {
            return;
        }
    }
    if (span_id_is_zero(span->parent_span_id)) {
        return;
    }
    if (!span_id_equal(span->parent_span_id, span->span_id)) {
        node->parent = find_parent(tree, span->parent_span_id);
    }
    node->orphan = node->parent == TREE_NONE;
}

/* @start is on a ring: cuts it at its first span in order. */
static void cut_ring(Tree *tree, uint32_t start)
{
    uint32_t first = start;

    for (uint32_t at = tree->nodes[start].parent; at != start; at = tree->nodes[at].parent) {
        if (compare_order(&tree->spans[at], &tree->spans[first]) < 0) {
            first = at;
        }
    }
    tree->nodes[first].parent = TREE_NONE;
    tree->nodes[first].orphan = true;
}

static void cut_rings(Tree *tree)
{
    for (uint32_t i = 0; i < tree->n_spans; i++) {
        uint32_t walk = i + 1;
        uint32_t at = i;

        while (at != TREE_NONE && tree->nodes[at].depth == WALK_NONE) {
            tree->nodes[at].depth = walk;
            at = tree->nodes[at].parent;
        }
        if (at != TREE_NONE && tree->nodes[at].depth == walk) {
            cut_ring(tree, at);
        }
    }
}

static void push_child(Tree *tree, uint32_t index)
{
    TreeNode *node = &tree->nodes[index];
    uint32_t *first =
        node->parent == TREE_NONE ? &tree->first_root : &tree->nodes[node->parent].first_child;

    node->next_sibling = *first;
    *first = index;
}

static bool spans_sorted(const Tree *tree)
{
    for (uint32_t i = 1; i < tree->n_spans; i++) {
        if (compare_order(&tree->spans[i - 1], &tree->spans[i]) > 0) {
            return false;
        }
    }
    return true;
}

/* Merges the sorted halves of @indexes through @scratch. */
static void merge(const Tree *tree, uint32_t *indexes, uint32_t *scratch, size_t half, size_t n)
{
    size_t left = 0;
    size_t right = half;

    for (size_t i = 0; i < n; i++) {
        bool take_left =
            right == n || (left < half && compare_order(&tree->spans[indexes[left]],
                                                        &tree->spans[indexes[right]]) <= 0);
        scratch[i] = take_left ? indexes[left++] : indexes[right++];
    }
    mem_copy(indexes, scratch, n * sizeof(*indexes));
}

/* Merge sort: the comparison needs the tree, which qsort() cannot carry. Depth is log2(n). */
static void sort_indexes(const Tree *tree, uint32_t *indexes, uint32_t *scratch, size_t n)
{
    if (n < 2) {
        return;
    }
    sort_indexes(tree, indexes, scratch, n / 2);
    sort_indexes(tree, indexes + n / 2, scratch, n - n / 2);
    merge(tree, indexes, scratch, n / 2, n);
}

static void chain_children(Tree *tree, Arena *arena)
{
    uint32_t *sorted = tree->order; /* overwritten by the walk afterwards */

    tree->first_root = TREE_NONE;
    if (spans_sorted(tree)) {
        for (uint32_t i = tree->n_spans; i > 0; i--) {
            push_child(tree, i - 1);
        }
        return;
    }
    for (uint32_t i = 0; i < tree->n_spans; i++) {
        sorted[i] = i;
    }
    sort_indexes(tree, sorted, arena_alloc(arena, tree->n_spans * sizeof(*sorted)), tree->n_spans);
    for (uint32_t i = tree->n_spans; i > 0; i--) {
        push_child(tree, sorted[i - 1]);
    }
}

/* Depth first without a stack: down to the first child, else to the next sibling of the nearest
 * node on the way up that has one. */
static void walk_depth_first(Tree *tree)
{
    uint32_t n = 0;
    uint32_t depth = 0;
    uint32_t at = tree->first_root;

    while (at != TREE_NONE) {
        tree->nodes[at].depth = depth;
        tree->order[n++] = at;
        if (tree->nodes[at].first_child != TREE_NONE) {
            at = tree->nodes[at].first_child;
            depth++;
            continue;
        }
        while (tree->nodes[at].next_sibling == TREE_NONE && tree->nodes[at].parent != TREE_NONE) {
            at = tree->nodes[at].parent;
            depth--;
        }
        at = tree->nodes[at].next_sibling;
    }
    ASSERT(n == tree->n_spans);
}

void tree_build(const Span *spans, size_t n_spans, Arena *arena, Tree *ret_tree)
{
    ASSERT(n_spans < TREE_NONE);
    Tree tree = {.spans = spans, .n_spans = (uint32_t)n_spans, .first_root = TREE_NONE};

    tree.nodes = arena_alloc(arena, n_spans * sizeof(TreeNode));
    tree.order = arena_alloc(arena, n_spans * sizeof(uint32_t));
    index_ids(&tree, arena);
    for (uint32_t i = 0; i < tree.n_spans; i++) {
        tree.nodes[i] = (TreeNode){.first_child = TREE_NONE, .next_sibling = TREE_NONE};
        set_parent(&tree, i);
    }
    cut_rings(&tree);
    chain_children(&tree, arena);
    walk_depth_first(&tree);
    *ret_tree = tree;
}
