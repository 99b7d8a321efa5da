// SPDX-License-Identifier: Apache-2.0
#include "query/flow/touch_links.h"

#include <stdlib.h>

#include "base/memory.h"
#include "store/block.h"

/* The version that stands for links: no definition's. */
static const FlowVersion links_version = {{0, 0}};

typedef struct Reading {
    FlowBlock *block;
    size_t max;
} Reading;

enum { STOP = 1 };

static int visit_link(void *context, TraceId source, TraceId target)
{
    Reading *reading = context;
    FlowBlock *block = reading->block;

    if (trace_id_equal(source, target)) {
        return 0;
    }
    if (block->n_links >= reading->max) {
        return STOP;
    }
    ARRAY_RESERVE(block->links, block->n_links, block->links_capacity);
    block->links[block->n_links++] = (FlowLink){source, target};
    return 0;
}

static int visit_span(void *context, const Span *span)
{
    for (size_t i = 0; i < span->n_links; i++) {
        TRY(visit_link(context, span->trace_id, span->links[i].trace_id));
    }
    return 0;
}

/* All links, of the parts. */
typedef struct Collection {
    FlowLink *items;
    size_t n, capacity, max;
    bool cut;
} Collection;

static void collection_deinit(Collection *collection)
{
    mem_free(collection->items);
}

static void collect(Collection *collection, const FlowBlock *block)
{
    for (size_t i = 0; i < block->n_links; i++) {
        if (collection->n >= collection->max) {
            collection->cut = true;
            return;
        }
        ARRAY_RESERVE(collection->items, collection->n, collection->capacity);
        collection->items[collection->n++] = block->links[i];
    }
}

static int read_head(const StoreReading *store, Collection *collection)
{
    const Filter linked = {
        .op = FILTER_COMPARE, .field = FIELD_LINK_TRACE_ID, .comparison = COMPARE_EXISTS};
    Reading reading = {flow_block_new(), collection->max + 1};
    const StoreScan scan = {&linked, 0, UINT64_MAX, visit_span, &reading};
    int result = store_reading_scan_head(store, &scan);

    collect(collection, reading.block);
    flow_block_unref(reading.block);
    return MIN(result, 0);
}

/* A link of a deleted trace leads to nothing, which is read when it is asked for. */
static int read_block(const StoreReading *store, size_t index, FlowCache *cache,
                      Collection *collection)
{
    const uint64_t number = store_reading_block(store, index).number;
    FlowBlock *kept = cache == NULL ? NULL : flow_cache_find(cache, number, links_version);

    if (kept == NULL) {
        Reading reading = {flow_block_new(), collection->max + 1};
        int result = store_reading_block_links(store, index, visit_link, &reading);

        kept = reading.block;
        if (result < 0) {
            flow_block_unref(kept);
            return result;
        }
        if (cache != NULL && result == 0) {
            flow_cache_put_spare(cache, number, links_version, kept);
        }
    }
    collect(collection, kept);
    flow_block_unref(kept);
    return 0;
}

static int compare_targets(const void *a, const void *b)
{
    const FlowLink *left = a;
    const FlowLink *right = b;
    int order = trace_id_compare(left->target, right->target);

    return order != 0 ? order : trace_id_compare(left->source, right->source);
}

static int compare_sources(const void *a, const void *b)
{
    const FlowLink *left = a;
    const FlowLink *right = b;
    int order = trace_id_compare(left->source, right->source);

    return order != 0 ? order : trace_id_compare(left->target, right->target);
}

/* What was collected is sorted in place, so that there is one copy of it. */
static void sort(Collection *collection, FlowLinks *ret_links)
{
    FlowLink *copy = NEW_ARRAY(FlowLink, collection->n + 1);

    if (collection->n > 1) {
        qsort(collection->items, collection->n, sizeof(FlowLink), compare_targets);
        mem_copy(copy, collection->items, collection->n * sizeof(FlowLink));
        qsort(copy, collection->n, sizeof(FlowLink), compare_sources);
    } else if (collection->n == 1) {
        copy[0] = collection->items[0];
    }
    *ret_links = (FlowLinks){.by_target = TAKE(collection->items),
                             .by_source = copy,
                             .n = collection->n,
                             .cut = collection->cut};
}

void flow_links_deinit(FlowLinks *links)
{
    mem_free(links->by_target);
    mem_free(links->by_source);
    *links = (FlowLinks){0};
}

static bool is_late(const FlowLinksQuestion *question)
{
    return question->until_ns != 0 && clock_monotonic_ns(question->clock) >= question->until_ns;
}

static bool is_of_time(const FlowLinksQuestion *question, StoreBlock block)
{
    return block.max_start_ns >= question->from_ns &&
           starts_before(block.min_start_ns, question->to_ns);
}

/* What nobody asked for in a while goes, or what was asked of long ago would hold the room. */
static void sweep(const FlowLinksQuestion *question)
{
    if (question->cache != NULL) {
        flow_cache_sweep(question->cache, question->store, &links_version, 0);
    }
}

int flow_links_read(const FlowLinksQuestion *question, FlowLinks *ret_links)
{
    CLEANUP(collection_deinit) Collection all = {.max = question->max};
    const StoreReading *reading = question->reading;

    sweep(question);
    TRY(read_head(reading, &all));
    for (size_t i = 0; i < store_reading_count(reading) && !all.cut; i++) {
        if (!is_of_time(question, store_reading_block(reading, i))) {
            continue;
        }
        all.cut = is_late(question);
        if (!all.cut) {
            TRY(read_block(reading, i, question->cache, &all));
        }
    }
    sort(&all, ret_links);
    return 0;
}

static TraceId end_of(const FlowLink *link, bool is_target)
{
    return is_target ? link->target : link->source;
}

/* The links of which the one end is @id; @links are sorted by it. Returns where they end. */
static size_t find_links(const FlowLink *links, size_t n, TraceId id, bool is_target,
                         size_t *ret_first)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (trace_id_compare(end_of(&links[middle], is_target), id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_first = low;
    while (low < n && trace_id_equal(end_of(&links[low], is_target), id)) {
        low++;
    }
    return low;
}

size_t flow_links_to(const FlowLinks *links, TraceId target, size_t *ret_first)
{
    return find_links(links->by_target, links->n, target, true, ret_first);
}

size_t flow_links_from(const FlowLinks *links, TraceId source, size_t *ret_first)
{
    return find_links(links->by_source, links->n, source, false, ret_first);
}
