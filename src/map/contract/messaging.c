// SPDX-License-Identifier: Apache-2.0
#include "map/contract/messaging.h"

#include <stdlib.h>

#include "base/assert.h"

/*
 * A Stitch joins a publishing span to a consuming one, by parent or by link (§5). All stitches of
 * the world are sorted by (publisher, consuming service, process before receive, queue), so that
 * "its process spans, else its receives" is the head of a run, and "has a process of this service
 * and queue" a binary search. Processes of the own trace are also sorted by (service, queue,
 * depth-first place), which answers "is among its descendants" likewise. Hence everything here is
 * n log n, however hostile the links are.
 */
typedef struct Stitch {
    uint32_t publisher, service;
    uint32_t receives; /* 0: a process, 1: a receive */
    uint32_t queue, consumer;
} Stitch;

typedef struct Process {
    uint32_t service, queue, position;
} Process;

typedef struct Messages {
    World *world;
    Stitch *stitches;
    size_t n_stitches, stitches_capacity;
    Process *processes;
    size_t n_processes;
} Messages;

static int compare_words(const uint32_t *a, const uint32_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

static int compare_stitches(const void *a, const void *b)
{
    return compare_words(a, b, sizeof(Stitch) / sizeof(uint32_t));
}

static int compare_processes(const void *a, const void *b)
{
    return compare_words(a, b, sizeof(Process) / sizeof(uint32_t));
}

/* The spans that the first links of @span name, in order; each link may name two of one id. */
static size_t find_linked(const World *world, const WorldSpan *span, uint32_t *ret_found)
{
    size_t n_links = MIN(span->span->n_links, (size_t)CONTRACT_LINKS_MAX);
    size_t n = 0;

    for (size_t i = 0; i < n_links; i++) {
        const Link *link = &span->span->links[i];

        for (int client = 0; client < 2; client++) {
            ret_found[n] = world_find(world, link->trace_id, link->span_id, client != 0);
            n += ret_found[n] != WORLD_NONE;
        }
    }
    return n;
}

size_t messaging_publishers(const World *world, const WorldSpan *span,
                            uint32_t ret_found[PUBLISHERS_MAX])
{
    uint32_t linked[PUBLISHERS_MAX];
    size_t n_linked = find_linked(world, span, linked);
    size_t n = 0;

    if (span->parent != WORLD_NONE) {
        linked[n_linked++] = span->parent;
    }
    for (size_t i = 0; i < n_linked; i++) {
        if (message_publishes(&world->spans[linked[i]])) {
            ret_found[n++] = linked[i];
        }
    }
    return n;
}

static void add_stitch(Messages *messages, uint32_t publisher, uint32_t consumer)
{
    const WorldSpan *span = &messages->world->spans[consumer];

    if (messages->n_stitches == messages->stitches_capacity) {
        size_t capacity = MAX(messages->stitches_capacity * 2, (size_t)16);
        Stitch *stitches = arena_alloc(messages->world->arena, capacity * sizeof(*stitches));

        if (messages->n_stitches > 0) {
            mem_copy(stitches, messages->stitches, messages->n_stitches * sizeof(*stitches));
        }
        messages->stitches = stitches;
        messages->stitches_capacity = capacity;
    }
    messages->stitches[messages->n_stitches++] =
        (Stitch){.publisher = publisher,
                 .service = span->service,
                 .receives = span->reading.role == MESSAGE_RECEIVE,
                 .queue = span->queue,
                 .consumer = consumer};
}

static void sort_stitches(Messages *messages)
{
    Stitch *stitches = messages->stitches;
    size_t kept = 0;

    if (messages->n_stitches == 0) {
        return;
    }
    qsort(stitches, messages->n_stitches, sizeof(*stitches), compare_stitches);
    for (size_t i = 0; i < messages->n_stitches; i++) {
        if (i == 0 || compare_stitches(&stitches[i], &stitches[kept - 1]) != 0) {
            stitches[kept++] = stitches[i];
        }
    }
    messages->n_stitches = kept;
}

/* Marks @create when @send, its relative or linked to it, tells of the same message. */
static void supersede(World *world, const WorldSpan *send, uint32_t create)
{
    WorldSpan *span = &world->spans[create];

    if (span->reading.role == MESSAGE_CREATE && span->service == send->service &&
        span->queue == send->queue) {
        span->superseded = true;
    }
}

static void take_send(World *world, uint32_t index)
{
    WorldSpan *span = &world->spans[index];
    uint32_t linked[PUBLISHERS_MAX];
    size_t n = find_linked(world, span, linked);

    for (size_t i = 0; i < n; i++) {
        supersede(world, span, linked[i]);
    }
    if (span->parent != WORLD_NONE) {
        supersede(world, span, span->parent);
    }
}

static void take_create(World *world, uint32_t index)
{
    const WorldSpan *span = &world->spans[index];

    if (span->parent != WORLD_NONE && world->spans[span->parent].reading.role == MESSAGE_SEND) {
        supersede(world, &world->spans[span->parent], index);
    }
}

static void take_consumer(Messages *messages, uint32_t index)
{
    const WorldSpan *span = &messages->world->spans[index];
    uint32_t found[PUBLISHERS_MAX];
    size_t n = messaging_publishers(messages->world, span, found);

    for (size_t i = 0; i < n; i++) {
        add_stitch(messages, found[i], index);
    }
    if (index < messages->world->n_own && span->reading.role == MESSAGE_PROCESS) {
        messages->processes[messages->n_processes++] =
            (Process){.service = span->service, .queue = span->queue, .position = span->position};
    }
}

static void collect(Messages *messages)
{
    World *world = messages->world;

    messages->processes = arena_alloc(world->arena, world->n_own * sizeof(Process));
    for (uint32_t i = 0; i < world->n_spans; i++) {
        switch (world->spans[i].reading.role) {
        case MESSAGE_SEND:
            take_send(world, i);
            break;
        case MESSAGE_CREATE:
            take_create(world, i);
            break;
        case MESSAGE_RECEIVE:
        case MESSAGE_PROCESS:
            take_consumer(messages, i);
            break;
        case MESSAGE_NONE:
            break;
        }
    }
    sort_stitches(messages);
    if (messages->n_processes > 0) {
        qsort(messages->processes, messages->n_processes, sizeof(Process), compare_processes);
    }
}

/* Whether a process of (@service, @queue) is stitched to @publisher. */
static bool has_stitched_process(const Messages *messages, uint32_t publisher, uint32_t service,
                                 uint32_t queue)
{
    const Stitch wanted = {.publisher = publisher, .service = service, .queue = queue};
    size_t from = 0;
    size_t to = messages->n_stitches;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (compare_stitches(&messages->stitches[middle], &wanted) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < messages->n_stitches &&
           compare_words(&messages->stitches[from].publisher, &wanted.publisher, 4) == 0;
}

/* Whether a process of (@service, @queue) is among the descendants of @span. */
static bool has_process_below(const Messages *messages, const WorldSpan *span, uint32_t service,
                              uint32_t queue)
{
    const Process wanted = {.service = service, .queue = queue, .position = span->position + 1};
    size_t from = 0;
    size_t to = messages->n_processes;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (compare_processes(&messages->processes[middle], &wanted) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < messages->n_processes && messages->processes[from].service == service &&
           messages->processes[from].queue == queue &&
           messages->processes[from].position < span->end;
}

static bool receive_counts(const Messages *messages, const WorldSpan *span)
{
    uint32_t publishers[PUBLISHERS_MAX];

    if (has_process_below(messages, span, span->service, span->queue)) {
        return false;
    }
    size_t n = messaging_publishers(messages->world, span, publishers);
    for (size_t i = 0; i < n; i++) {
        if (!has_stitched_process(messages, publishers[i], span->service, span->queue)) {
            return true;
        }
    }
    return n == 0;
}

static void label_queue(World *world, const WorldSpan *span)
{
    const MessagingReading *reading = span->reading.messaging;

    world_label(world, span->queue, STR("messaging.consumer.group.name"), reading->group, span);
    world_label(world, span->queue, STR("server.address"), reading->broker, span);
}

static void emit_hop(World *world, const WorldSpan *publisher, const WorldSpan *consumer)
{
    Delta *delta = world_delta(world, DELTA_HOP, publisher->service, consumer);
    uint64_t sent_ns = publisher->span->end_ns;
    uint64_t got_ns = consumer->span->start_ns;

    delta->via = world_node_key(world, publisher->queue);
    delta->target = world_node_key(world, consumer->service);
    delta->has_duration = true;
    delta->duration_ns = got_ns > sent_ns ? got_ns - sent_ns : 0;
}

/* Per consuming service: to the processes if there are any, else to the receives. */
static void emit_hops(const Messages *messages)
{
    World *world = messages->world;
    const Stitch *head = messages->stitches;

    for (size_t i = 0; i < messages->n_stitches; i++) {
        const Stitch *stitch = &messages->stitches[i];

        if (stitch->publisher >= world->n_own) {
            return; /* hops belong to the publisher's trace, and own spans are first */
        }
        if (stitch->publisher != head->publisher || stitch->service != head->service) {
            head = stitch;
        }
        if (stitch->receives == head->receives) {
            emit_hop(world, &world->spans[stitch->publisher], &world->spans[stitch->consumer]);
        }
    }
}

/* §4: consumers that are instrumented as plain spans. */
static void infer_consumer(const Messages *messages, const WorldSpan *span)
{
    World *world = messages->world;

    if (span->parent == WORLD_NONE || span->reading.class == CLASS_MESSAGING) {
        return;
    }
    const WorldSpan *publisher = &world->spans[span->parent];
    if (!message_publishes(publisher) || publisher->service == span->service ||
        has_process_below(messages, span, span->service, publisher->queue) ||
        has_stitched_process(messages, span->parent, span->service, publisher->queue)) {
        return;
    }
    world_edge(world, span, span, RELATION_CONSUMES, publisher->queue, RULE_INFERRED_CONSUMER);
    emit_hop(world, publisher, span);
}

static void emit_edges(const Messages *messages)
{
    World *world = messages->world;

    for (uint32_t i = 0; i < world->n_own; i++) {
        const WorldSpan *span = &world->spans[i];

        infer_consumer(messages, span);
        if (span->reading.class != CLASS_MESSAGING) {
            continue;
        }
        label_queue(world, span);
        if (message_publishes(span)) {
            if (!span->superseded) {
                world_edge(world, span, span, RELATION_PUBLISHES, span->queue, RULE_MESSAGING);
            }
        } else if (span->reading.role == MESSAGE_PROCESS ||
                   (message_consumes(span) && receive_counts(messages, span))) {
            world_edge(world, span, span, RELATION_CONSUMES, span->queue, RULE_MESSAGING);
        }
    }
}

void messaging_contribute(World *world)
{
    Messages messages = {.world = world};

    if (!world->has_messaging) {
        return;
    }
    collect(&messages);
    emit_edges(&messages);
    emit_hops(&messages);
}
