// SPDX-License-Identifier: Apache-2.0
#include "map/contract/world.h"

#include "base/assert.h"
#include "map/contract/context.h"

/*
 * Built once per contribution, so the common case is what counts: one trace of a few dozen spans,
 * few resources, most pointers shared. A resource is known by its pointer first; pointers are then
 * compared as sets of typed values, by hash when there are many.
 */
enum {
    INTERN_SLOTS_MIN = 64,
    FEW_RESOURCES = 16, /* up to here they are compared one by one */
};

#define UNKNOWN_SERVICE STR("unknown_service")

/* ---- intern ---- */

static void intern_grow(Intern *intern, Arena *arena)
{
    size_t n_slots = intern->n_slots == 0 ? INTERN_SLOTS_MIN : intern->n_slots * 2;
    uint32_t *slots = arena_zero(arena, n_slots * sizeof(*slots));
    struct InternEntry *entries = arena_alloc(arena, n_slots / 2 * sizeof(*entries));

    if (intern->count > 0) {
        mem_copy(entries, intern->entries, intern->count * sizeof(*entries));
    }
    for (uint32_t i = 0; i < intern->count; i++) {
        size_t at = (size_t)entries[i].hash & (n_slots - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n_slots - 1);
        }
        slots[at] = i + 1;
    }
    intern->slots = slots;
    intern->n_slots = n_slots;
    intern->entries = entries;
    intern->capacity = (uint32_t)(n_slots / 2);
}

static uint32_t intern_put(Intern *intern, Str bytes, Arena *arena, bool *ret_new)
{
    if (intern->count == intern->capacity) {
        intern_grow(intern, arena);
    }
    uint64_t hash = str_hash(bytes);
    size_t at = (size_t)hash & (intern->n_slots - 1);
    while (intern->slots[at] != 0) {
        const struct InternEntry *entry = &intern->entries[intern->slots[at] - 1];

        if (entry->hash == hash && str_equal(entry->bytes, bytes)) {
            *ret_new = false;
            return intern->slots[at] - 1;
        }
        at = (at + 1) & (intern->n_slots - 1);
    }
    intern->entries[intern->count] =
        (struct InternEntry){.bytes = arena_copy(arena, bytes), .hash = hash};
    intern->slots[at] = ++intern->count;
    *ret_new = true;
    return intern->count - 1;
}

uint32_t world_node(World *world, const NodeKey *key)
{
    bool is_new;

    buf_clear(&world->scratch);
    node_key_append(key, &world->scratch);
    return intern_put(&world->nodes, buf_str(&world->scratch), world->arena, &is_new);
}

Str world_node_key(const World *world, uint32_t node)
{
    ASSERT(node < world->nodes.count);
    return world->nodes.entries[node].bytes;
}

bool world_first_time(World *world, uint32_t number, Str name, Str text)
{
    bool is_new;

    buf_clear(&world->scratch);
    uint8_t *at = buf_grow(&world->scratch, 2 * sizeof(uint32_t) + name.len + text.len);
    uint32_t head[] = {number, (uint32_t)name.len};
    mem_copy(at, head, sizeof(head));
    mem_copy(at + sizeof(head), name.ptr, name.len);
    mem_copy(at + sizeof(head) + name.len, text.ptr, text.len);
    intern_put(&world->emitted, buf_str(&world->scratch), world->arena, &is_new);
    return is_new;
}

/* ---- resources ---- */

typedef struct ResourceIndex {
    uint32_t *by_pointer, *by_set; /* hash tables: index + 1; 0 is free */
    size_t n_slots;
} ResourceIndex;

static size_t pointer_slot(const void *pointer, size_t n_slots)
{
    return (size_t)(((uint64_t)(uintptr_t)pointer * 0x9e3779b97f4a7c15U) >> 20) & (n_slots - 1);
}

/* The first resource that equals the one at @index as a set: itself, if it is new. */
static uint32_t find_same(WorldTrace *trace, ResourceIndex *table, uint32_t index)
{
    WorldResource *resource = &trace->resources[index];
    Attributes attributes = resource->resource->attributes;

    resource->set_hash = attributes_set_hash(attributes);
    size_t at = (size_t)resource->set_hash & (table->n_slots - 1);
    while (table->by_set[at] != 0) {
        const WorldResource *other = &trace->resources[table->by_set[at] - 1];

        if (other->set_hash == resource->set_hash &&
            attributes_same_set(other->resource->attributes, attributes)) {
            return other->same;
        }
        at = (at + 1) & (table->n_slots - 1);
    }
    table->by_set[at] = index + 1;
    return index;
}

/* A trace has few resources, whose services differ: comparing those is cheaper than hashing sets.
 */
static uint32_t find_same_of_few(const WorldTrace *trace, uint32_t index)
{
    const WorldResource *resource = &trace->resources[index];

    for (uint32_t i = 0; i < index; i++) {
        const WorldResource *other = &trace->resources[i];

        if (other->same == i && str_equal(other->reading.service, resource->reading.service) &&
            attributes_same_set(other->resource->attributes, resource->resource->attributes)) {
            return i;
        }
    }
    return index;
}

static uint32_t classify_resource(WorldTrace *trace, ResourceIndex *table, uint32_t index)
{
    if (index < FEW_RESOURCES) {
        return find_same_of_few(trace, index);
    }
    for (uint32_t i = 0; index == FEW_RESOURCES && i < index; i++) {
        if (trace->resources[i].same == i) {
            (void)find_same(trace, table, i);
        }
    }
    return find_same(trace, table, index);
}

static uint32_t take_resource(World *world, WorldTrace *trace, ResourceIndex *table,
                              const Resource *resource)
{
    size_t at = pointer_slot(resource, table->n_slots);

    while (table->by_pointer[at] != 0) {
        if (trace->resources[table->by_pointer[at] - 1].resource == resource) {
            return trace->resources[table->by_pointer[at] - 1].same;
        }
        at = (at + 1) & (table->n_slots - 1);
    }
    uint32_t index = trace->n_resources++;
    WorldResource *added = &trace->resources[index];
    *added = (WorldResource){.resource = resource, .last_service = WORLD_NONE};
    table->by_pointer[at] = index + 1;
    resource_reading_take(resource, world->arena, &added->reading);
    added->same = classify_resource(trace, table, index);
    return added->same;
}

const WorldTrace *world_trace(const World *world, uint32_t index)
{
    uint32_t from = 0;
    uint32_t to = world->n_traces;

    ASSERT(index < world->n_spans);
    if (index < world->n_own) {
        return &world->traces[0];
    }
    while (to - from > 1) { /* the traces' spans follow each other */
        uint32_t middle = from + (to - from) / 2;

        if (world->traces[middle].first <= index) {
            from = middle;
        } else {
            to = middle;
        }
    }
    return &world->traces[from];
}

const ResourceReading *world_resource(const World *world, const WorldSpan *span)
{
    const WorldTrace *trace = world_trace(world, (uint32_t)(span - world->spans));

    return &trace->resources[span->resource].reading;
}

/* ---- services ---- */

static void note_span_name(WorldResource *resource, Str name)
{
    if (name.len == 0) {
        return;
    }
    if (resource->span_name.len == 0) {
        resource->span_name = name;
    } else if (!str_equal(resource->span_name, name)) {
        resource->many_names = true;
    }
}

/* §1, service and adoption. */
static Str service_name(const WorldResource *resource, Str span_name)
{
    Str own = resource->reading.service;

    if (resource->span_name.len > 0 && !resource->many_names &&
        (own.len == 0 || str_starts_with(own, UNKNOWN_SERVICE))) {
        return resource->span_name;
    }
    if (span_name.len > 0) {
        return span_name;
    }
    return own.len > 0 ? own : UNKNOWN_SERVICE;
}

static uint32_t service_node(World *world, WorldResource *resource, Str span_name)
{
    Str name = service_name(resource, span_name);

    if (resource->last_service == WORLD_NONE || !str_equal(resource->last_name, name)) {
        NodeKey key = {.type = NODE_SERVICE,
                       .scope = resource->reading.scope,
                       .environment = resource->reading.environment,
                       .namespace = resource->reading.namespace,
                       .name = name};
        resource->last_name = name;
        resource->last_service = world_node(world, &key);
    }
    return resource->last_service;
}

static uint32_t queue_node(World *world, const WorldResource *resource,
                           const MessagingReading *messaging)
{
    NodeKey key = {.type = NODE_QUEUE,
                   .scope = resource->reading.scope,
                   .environment = resource->reading.environment,
                   .system = messaging->system,
                   .name = messaging->destination};

    return world_node(world, &key);
}

/* ---- traces ---- */

static void read_spans(World *world, WorldTrace *trace, const Span *spans)
{
    ResourceIndex table = {.n_slots = 4};

    while (table.n_slots < (size_t)trace->count * 2) {
        table.n_slots *= 2;
    }
    table.by_pointer = arena_zero(world->arena, table.n_slots * 2 * sizeof(uint32_t));
    table.by_set = table.by_pointer + table.n_slots;
    trace->resources = arena_alloc(world->arena, trace->count * sizeof(WorldResource));
    for (uint32_t i = 0; i < trace->count; i++) {
        WorldSpan *span = &world->spans[trace->first + i];

        *span = (WorldSpan){.span = &spans[i], .queue = WORLD_NONE};
        reading_take(span->span, world->arena, &span->reading);
        span->resource = take_resource(world, trace, &table, spans[i].resource);
        note_span_name(&trace->resources[span->resource], span->reading.service);
        world->has_flows |= span->reading.flow != NULL;
    }
}

/* Parents, and the depth-first places by which "is a descendant" is a comparison of numbers. */
static void place_spans(World *world, WorldTrace *trace)
{
    WorldSpan *spans = &world->spans[trace->first];

    for (uint32_t i = 0; i < trace->count; i++) {
        uint32_t at = trace->tree.order[i];
        const TreeNode *node = &trace->tree.nodes[at];

        spans[at].position = i;
        spans[at].end = i + 1;
        spans[at].orphan = node->orphan;
        spans[at].parent = node->parent == TREE_NONE ? WORLD_NONE : trace->first + node->parent;
    }
    for (uint32_t i = trace->count; i > 0; i--) {
        const WorldSpan *span = &spans[trace->tree.order[i - 1]];

        if (span->parent != WORLD_NONE) {
            WorldSpan *parent = &world->spans[span->parent];
            parent->end = MAX(parent->end, span->end);
        }
    }
}

static void name_nodes(World *world, WorldTrace *trace)
{
    for (uint32_t i = 0; i < trace->count; i++) {
        WorldSpan *span = &world->spans[trace->first + i];
        WorldResource *resource = &trace->resources[span->resource];

        span->service = service_node(world, resource, span->reading.service);
        if (span->reading.class == CLASS_MESSAGING) {
            span->queue = queue_node(world, resource, span->reading.messaging);
            world->has_messaging = true;
        }
    }
}

static size_t trace_slot(const World *world, TraceId id)
{
    return (size_t)trace_id_hash(id) & (world->n_trace_slots - 1);
}

/* The index of the trace with @id, or WORLD_NONE. */
static uint32_t find_trace(const World *world, TraceId id)
{
    size_t at = trace_slot(world, id);

    while (world->trace_slots[at] != 0) {
        uint32_t index = world->trace_slots[at] - 1;

        if (trace_id_equal(world->traces[index].id, id)) {
            return index;
        }
        at = (at + 1) & (world->n_trace_slots - 1);
    }
    return WORLD_NONE;
}

/* Adds a trace unless it is there: neighbours may be named twice. */
static void add_trace(World *world, const ContractTrace *added)
{
    if (find_trace(world, added->id) != WORLD_NONE) {
        return;
    }
    ASSERT(added->n_spans < WORLD_NONE - world->n_spans);
    WorldTrace *trace = &world->traces[world->n_traces];
    *trace =
        (WorldTrace){.id = added->id, .first = world->n_spans, .count = (uint32_t)added->n_spans};
    size_t at = trace_slot(world, added->id);
    while (world->trace_slots[at] != 0) {
        at = (at + 1) & (world->n_trace_slots - 1);
    }
    world->trace_slots[at] = ++world->n_traces;
    world->n_spans += trace->count;
    read_spans(world, trace, added->spans);
    tree_build(added->spans, added->n_spans, world->arena, &trace->tree);
    place_spans(world, trace);
    name_nodes(world, trace);
}

void world_init(World *world, const ContractTrace *trace, const ContractTrace *neighbours,
                size_t n_neighbours, Deltas *deltas)
{
    size_t n_spans = trace->n_spans;

    *world = (World){.arena = deltas->arena, .deltas = deltas, .n_trace_slots = 4};
    for (size_t i = 0; i < n_neighbours; i++) {
        n_spans += neighbours[i].n_spans;
    }
    while (world->n_trace_slots < (n_neighbours + 1) * 2) {
        world->n_trace_slots *= 2;
    }
    world->trace_slots = arena_zero(world->arena, world->n_trace_slots * sizeof(uint32_t));
    world->traces = arena_alloc(world->arena, (n_neighbours + 1) * sizeof(WorldTrace));
    world->spans = arena_alloc(world->arena, n_spans * sizeof(WorldSpan));
    add_trace(world, trace);
    world->n_own = world->n_spans;
    for (size_t i = 0; i < n_neighbours; i++) {
        add_trace(world, &neighbours[i]);
    }
    if (world->has_flows) {
        context_prepare(world);
    }
}

void world_deinit(World *world)
{
    buf_deinit(&world->scratch);
}

uint32_t world_find(const World *world, TraceId trace_id, SpanId id, bool client)
{
    uint32_t index = find_trace(world, trace_id);

    if (index == WORLD_NONE) {
        return WORLD_NONE;
    }
    uint32_t found = tree_find(&world->traces[index].tree, id, client);
    return found == TREE_NONE ? WORLD_NONE : world->traces[index].first + found;
}

/* ---- deltas ---- */

/* The value of @key in a list of `key:value` or `key=value` parts. */
static Str list_value(Str list, char separator, char equals, Str key)
{
    while (list.len > 0) {
        Str part;
        Str name;
        Str value;

        str_split(list, separator, &part, &list);
        if (str_split(str_trim(part), equals, &name, &value) && str_equal(name, key)) {
            return value;
        }
    }
    return (Str){0};
}

/*
 * tracestate `ot=th:HEX` (OpenTelemetry, probability sampling): the threshold is a 56-bit fraction
 * whose trailing zeros are left out; a span stands for 2^56 / (2^56 - threshold).
 */
uint64_t span_threshold(const Span *span)
{
    enum { DIGITS = 14 };

    if (span->trace_state.len == 0) {
        return 0;
    }
    Str text = list_value(list_value(span->trace_state, ',', '=', STR("ot")), ';', ':', STR("th"));
    char padded[DIGITS] = {'0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0'};
    uint8_t bytes[DIGITS / 2];
    if (text.len == 0 || text.len > DIGITS) {
        return 0;
    }
    mem_copy(padded, text.ptr, text.len);
    if (str_parse_hex(str_from_bytes(padded, DIGITS), bytes, sizeof(bytes)) != 0) {
        return 0;
    }
    uint64_t threshold = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        threshold = threshold << 8 | bytes[i];
    }
    return threshold;
}

Adjusted contract_weight(uint64_t threshold)
{
    const uint64_t whole = (uint64_t)1 << 56;

    ASSERT(threshold < whole);
    return (ADJUSTED_ONE << 56) / (Adjusted)(whole - threshold);
}

Adjusted span_weight(const Span *span)
{
    return contract_weight(span_threshold(span));
}

Delta *world_delta(World *world, DeltaKind kind, uint32_t source, const WorldSpan *span)
{
    Delta *delta = deltas_add(world->deltas);

    delta->kind = kind;
    delta->minute = span_minute(span->span);
    delta->source = world_node_key(world, source);
    delta->count = 1;
    delta->adjusted = ADJUSTED_ONE;
    delta->trace_id = span->span->trace_id;
    delta->start_ns = span->span->start_ns;
    delta->span_id = span->span->span_id;
    return delta;
}

Delta *world_relation(World *world, const WorldSpan *speaker, Relation relation, uint32_t target,
                      Rule rule)
{
    Delta *delta = world_delta(world, DELTA_EDGE, speaker->service, speaker);

    delta->relation = relation;
    delta->rule = rule;
    delta->target = world_node_key(world, target);
    delta->errors = speaker->span->status_code == STATUS_ERROR;
    delta->adjusted = span_weight(speaker->span);
    delta->has_duration = true;
    delta->duration_ns = span_duration_ns(speaker->span);
    return delta;
}

Delta *world_edge(World *world, const WorldSpan *speaker, const WorldSpan *doer, Relation relation,
                  uint32_t target, Rule rule)
{
    Delta *delta = world_relation(world, speaker, relation, target, rule);

    if (world->has_flows) {
        context_attribute(world, (uint32_t)(doer - world->spans), delta);
    }
    return delta;
}

void world_label(World *world, uint32_t node, Str name, Str value, const WorldSpan *span)
{
    if (value.len == 0 || !world_first_time(world, node, name, value)) {
        return;
    }
    Delta *delta = world_delta(world, DELTA_LABEL, node, span);
    delta->name = name;
    delta->value = arena_copy(world->arena, value);
}
