// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include "base/assert.h"
#include "base/memory.h"
#include "query/flow/touches.h"

/* Two halves, as two buckets: what is found in the old one moves to the young one, and when the
 * young one is full the old one is emptied and they change places. Each has its own strings, so
 * that all of it goes at once. */
typedef struct KeptTouch {
    uint32_t flow, step, source, target; /* symbols of the half */
    uint32_t minute, count;
    Relation relation;
    Rule rule;
} KeptTouch;

typedef struct KeptTrace {
    FlowTouchKey key;
    uint64_t stamp;
    KeptTouch *touches; /* in the half's arena */
    size_t n;
} KeptTrace;

typedef struct Half {
    Table traces; /* of KeptTrace */
    Symbols names;
    Arena arena;
} Half;

struct FlowTouchMemory {
    pthread_mutex_t mutex;
    size_t half_bytes_max;
    Half young, old;
};

static void half_init(Half *half)
{
    *half = (Half){0};
    table_init(&half->traces, sizeof(KeptTrace), sizeof(FlowTouchKey));
}

static void half_deinit(Half *half)
{
    table_deinit(&half->traces);
    symbols_deinit(&half->names);
    arena_deinit(&half->arena);
}

static size_t half_bytes(const Half *half)
{
    return half->traces.capacity * sizeof(KeptTrace) + half->traces.n_slots * sizeof(uint64_t) +
           symbols_bytes(&half->names) + half->arena.allocated;
}

FlowTouchMemory *flow_touch_memory_new(size_t bytes_max)
{
    FlowTouchMemory *memory = NEW(FlowTouchMemory);

    ASSERT(pthread_mutex_init(&memory->mutex, NULL) == 0);
    memory->half_bytes_max = bytes_max / 2;
    half_init(&memory->young);
    half_init(&memory->old);
    return memory;
}

FlowTouchMemory *flow_touch_memory_free(FlowTouchMemory *memory)
{
    if (memory != NULL) {
        half_deinit(&memory->young);
        half_deinit(&memory->old);
        pthread_mutex_destroy(&memory->mutex);
        mem_free(memory);
    }
    return NULL;
}

static const KeptTrace *find_in(const Half *half, const FlowTouchKey *key, uint64_t stamp)
{
    const KeptTrace *trace = table_find(&half->traces, key);

    return trace != NULL && trace->stamp == stamp ? trace : NULL;
}

static void copy_out(const Half *half, const KeptTrace *trace, Arena *arena,
                     FlowTouch **ret_touches, size_t *ret_n)
{
    FlowTouch *touches = ARENA_ARRAY(arena, FlowTouch, trace->n + 1);

    for (size_t i = 0; i < trace->n; i++) {
        const KeptTouch *kept = &trace->touches[i];

        touches[i] =
            (FlowTouch){.flow = arena_copy(arena, symbols_get(&half->names, kept->flow)),
                        .step = arena_copy(arena, symbols_get(&half->names, kept->step)),
                        .source = arena_copy(arena, symbols_get(&half->names, kept->source)),
                        .target = arena_copy(arena, symbols_get(&half->names, kept->target)),
                        .relation = kept->relation,
                        .rule = kept->rule,
                        .minute = kept->minute,
                        .count = kept->count};
    }
    *ret_touches = touches;
    *ret_n = trace->n;
}

static void put_young(FlowTouchMemory *memory, const FlowTouchKey *key, uint64_t stamp,
                      const FlowTouch *touches, size_t n)
{
    Half *young = &memory->young;

    if (half_bytes(young) > memory->half_bytes_max) {
        half_deinit(&memory->old);
        memory->old = *young;
        half_init(young);
    }
    if (memory->half_bytes_max == 0) {
        return;
    }
    KeptTrace *trace = table_put(&young->traces, key, NULL);
    trace->stamp = stamp;
    trace->n = n;
    trace->touches = ARENA_ARRAY(&young->arena, KeptTouch, n + 1);
    for (size_t i = 0; i < n; i++) {
        trace->touches[i] = (KeptTouch){.flow = symbols_intern(&young->names, touches[i].flow),
                                        .step = symbols_intern(&young->names, touches[i].step),
                                        .source = symbols_intern(&young->names, touches[i].source),
                                        .target = symbols_intern(&young->names, touches[i].target),
                                        .relation = touches[i].relation,
                                        .rule = touches[i].rule,
                                        .minute = touches[i].minute,
                                        .count = touches[i].count};
    }
}

bool flow_touch_memory_find(FlowTouchMemory *memory, const FlowTouchKey *key, uint64_t stamp,
                            Arena *arena, FlowTouch **ret_touches, size_t *ret_n)
{
    pthread_mutex_lock(&memory->mutex);
    const KeptTrace *trace = find_in(&memory->young, key, stamp);
    bool found = trace != NULL;
    if (found) {
        copy_out(&memory->young, trace, arena, ret_touches, ret_n);
    } else if ((trace = find_in(&memory->old, key, stamp)) != NULL) {
        found = true;
        copy_out(&memory->old, trace, arena, ret_touches, ret_n);
        put_young(memory, key, stamp, *ret_touches, *ret_n);
    }
    pthread_mutex_unlock(&memory->mutex);
    return found;
}

void flow_touch_memory_put(FlowTouchMemory *memory, const FlowTouchKey *key, uint64_t stamp,
                           const FlowTouch *touches, size_t n)
{
    pthread_mutex_lock(&memory->mutex);
    put_young(memory, key, stamp, touches, n);
    pthread_mutex_unlock(&memory->mutex);
}

size_t flow_touch_memory_bytes(FlowTouchMemory *memory)
{
    pthread_mutex_lock(&memory->mutex);
    size_t bytes = half_bytes(&memory->young) + half_bytes(&memory->old);
    pthread_mutex_unlock(&memory->mutex);
    return bytes;
}
